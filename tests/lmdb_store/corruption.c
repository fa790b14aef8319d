/*  corruption - damages a stopped store in many ways, one at a time, and sees what becomes of it.
 *
 *      corruption [--count N] [--seed N] [--kind NAME] [--verbose]
 *
 *  Makes a store with several tables, a history of commits and of redo.log, and keeps its files as they were
 *  after each commit: once closed in good order, once killed with updates that stand in redo.log
 *  only. Then, N times, it damages a copy and lets a child open it, read all, write, scrub,
 *  check, and open it again. The child is judged by where the damage was found:
 *
 *      open      the store was refused
 *      use       a call answered NM_ERR_CORRUPT, or the process ended with a line that names the store
 *      scrub     everything looked right, and the scrub or the check found it
 *      harmless  every record is there, with its last value, before and after more work
 *      WRONG     a record was missing, or old, or other than it was put, and was served as good
 *      crashed   the process died of a signal or hung
 *
 *  One of the last two is a failure: exit code 1, with the line that repeats it. Runs in /dev/shm
 *  if it is there. CI runs 200.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lmdb_store/store.h"

enum {
    PAGE = 4096,
    SECTOR = 512,
    TABLES = 3,
    KEYS = 220,
    TURNS = 420,
    VALUE_MAX = 9000,
    PAST_MAX = 24,
};

static const nm_table_t PLAIN = { .number = 40, .sealed = false, .name = "test.plain" };
static const nm_table_t SEALED = { .number = 41, .sealed = true, .name = "test.sealed" };
static const nm_table_t BRIEF = { .number = 42, .sealed = false, .name = "test.brief" };
static const nm_table_t *const ALL[TABLES] = { &PLAIN, &SEALED, &BRIEF };
static const nm_store_key_t KEY = { .number = 7, .secret = "a master key of the campaign, 32" };

static uint32_t
s_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

__attribute__((noreturn)) static void
s_die(const char *what)
{
    perror(what);
    exit(2);
}

//  -- What the store must hold

typedef struct {
    uint32_t versions[TABLES][KEYS];  //  0: not there
    uint64_t taken;                   //  Of the counter
} s_model_t;

static size_t
s_value(unsigned table, unsigned key, uint32_t version, uint8_t *out)
{
    uint32_t random = (table * 7919 + key) * 65537 + version * 97 + 1;
    size_t kind = s_random(&random) % 20;
    size_t size = table == 2 ? 0 : kind == 0 ? VALUE_MAX - random % 4000 : kind < 5 ? random % 1800 : random % 90;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t) s_random(&random);
    return size;
}

//  Of many lengths, in no order.
static nm_bytes_t
s_key(unsigned key, uint8_t *out)
{
    memset(out, 'k', 64);
    nm_put_u32(out, key * 2654435761u);
    return nm_bytes(out, 4 + key % 9 * 6);
}

typedef struct {
    s_model_t *model;
    uint32_t *random;
} s_work_t;

static nm_rc_t
s_turn(nm_txn_t *txn, void *arg)
{
    s_work_t *work = arg;
    static uint8_t value[VALUE_MAX], key[64];
    unsigned count = 1 + s_random(work->random) % 6;
    nm_rc_t rc = NM_OK;
    for (unsigned i = 0; i < count && rc == NM_OK; i++) {
        unsigned t = s_random(work->random) % TABLES, k = s_random(work->random) % KEYS;
        uint32_t *version = &work->model->versions[t][k];
        if (*version && s_random(work->random) % 3 == 0) {
            rc = nm_table_delete(txn, ALL[t], s_key(k, key));
            *version = 0;
        } else {
            *version = 1 + s_random(work->random) % 100000;
            rc = nm_table_put(txn, ALL[t], s_key(k, key), nm_bytes(value, s_value(t, k, *version, value)));
        }
    }
    work->model->taken = nm_txn_next(txn, NM_COUNTER_MAIL);
    return rc;
}

//  -- Files

typedef struct {
    uint8_t *at;
    size_t size;
} s_file_t;

static const char *
s_path(const char *folder, const char *name)
{
    static char out[4][256];
    static unsigned next;
    char *path = out[next++ % 4];
    snprintf(path, sizeof out[0], "%s/%s", folder, name);
    return path;
}

static s_file_t
s_load(const char *path)
{
    struct stat is;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &is) != 0)
        s_die(path);
    s_file_t file = { nm_alloc((size_t) is.st_size), (size_t) is.st_size };
    if (read(fd, file.at, file.size) != (ssize_t) file.size)
        s_die(path);
    close(fd);
    return file;
}

static void
s_save(const char *path, s_file_t file)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, file.at, file.size) != (ssize_t) file.size)
        s_die(path);
    close(fd);
}

static s_file_t
s_copy(s_file_t file)
{
    return (s_file_t){ memcpy(nm_alloc(file.size), file.at, file.size), file.size };
}

//  -- The store, and its past

typedef struct {
    const char *name;
    s_file_t data, redo, mark, marker;
    s_file_t past_data[PAST_MAX], past_redo[PAST_MAX];  //  As they were after earlier commits
    unsigned past_count;
    s_model_t model;
} s_original_t;

static nm_store_config_t
s_config(const char *path)
{
    return (nm_store_config_t){ .path = path,
                                .owner = "router-1",
                                .tables = ALL,
                                .table_count = TABLES,
                                .keys = &KEY,
                                .key_count = 1,
                                .map_size = 64 << 20,
                                .reserve = 1 << 19 };
}

static void
s_remove(const char *folder)
{
    static const char *const NAMES[] = { "data.mdb", "lock.mdb", "LOCK",     "PROVISIONED",
                                         "ballast",  "redo.log", "redo.mark" };
    for (size_t i = 0; i < NM_COUNT(NAMES); i++)
        unlink(s_path(folder, NAMES[i]));
    rmdir(folder);
}

static void
s_keep_past(s_original_t *self, const char *folder)
{
    unsigned place = self->past_count % PAST_MAX;
    free(self->past_data[place].at);
    free(self->past_redo[place].at);
    self->past_data[place] = s_load(s_path(folder, "data.mdb"));
    self->past_redo[place] = s_load(s_path(folder, "redo.log"));
    self->past_count++;
}

static nm_rc_t
s_put_large(nm_txn_t *txn, void *arg)
{
    static uint8_t large[80 * 1024];  //  More than redo.log holds
    (void) arg;
    return nm_table_put(txn, &PLAIN, nm_text("large"), nm_bytes(large, sizeof large));
}

static void
s_make(s_original_t *self, const char *folder, bool killed)
{
    nm_error_t error;
    uint32_t random = 4711;
    s_work_t work = { &self->model, &random };
    nm_store_config_t config = s_config(folder);
    self->name = killed ? "killed" : "closed";
    nm_store_t *store = nm_store_new(&config, &error);
    for (unsigned i = 0; store && i < TURNS; i++) {
        if (nm_store_update(store, s_turn, &work) != NM_OK ||
            (i % 60 == 7 && nm_store_update(store, s_put_large, NULL) != NM_OK))
            exit(2);
        if (i % 11 == 3 && nm_store_settle(store) == NM_OK)
            s_keep_past(self, folder);
    }
    if (!store) {
        fprintf(stderr, "corruption: %s\n", error.text);
        exit(2);
    }
    //  What a killed process leaves is what stands in the files now: nothing waits in memory.
    if (!killed)
        nm_store_destroy(&store);
    self->data = s_load(s_path(folder, "data.mdb"));
    self->redo = s_load(s_path(folder, "redo.log"));
    self->mark = s_load(s_path(folder, "redo.mark"));
    self->marker = s_load(s_path(folder, "PROVISIONED"));
    nm_store_destroy(&store);
    s_remove(folder);
}

static void
s_forget(s_original_t *self)
{
    for (unsigned i = 0; i < PAST_MAX; i++) {
        free(self->past_data[i].at);
        free(self->past_redo[i].at);
    }
    free(self->data.at);
    free(self->redo.at);
    free(self->mark.at);
    free(self->marker.at);
}

//  -- Damage

typedef struct {
    s_file_t data, redo;
    const s_original_t *original;
    uint32_t *random;
    size_t at;  //  Where it was done
} s_damage_t;

typedef void(s_damage_fn)(s_damage_t *self, s_file_t *file, bool redo);

static void
s_flip(s_damage_t *self, s_file_t *file, size_t at)
{
    self->at = at;
    file->at[at] ^= (uint8_t) (1 << s_random(self->random) % 8);
}

static void
s_flip_anywhere(s_damage_t *self, s_file_t *file, bool redo)
{
    //  Most of redo.log is empty: nearer to its start it is not.
    s_flip(self, file, s_random(self->random) % (redo ? 8192 : file->size));
}

//  The first bytes of a page say what it is and where its entries are.
static void
s_flip_in_head(s_damage_t *self, s_file_t *file, bool redo)
{
    size_t block = redo ? 64 : PAGE, head = redo ? 32 : 40;
    size_t blocks = (redo ? 8192 : file->size) / block;
    s_flip(self, file, s_random(self->random) % blocks * block + s_random(self->random) % head);
}

static void
s_flip_in_meta_page(s_damage_t *self, s_file_t *file, bool redo)
{
    (void) redo;
    s_flip(self, file, s_random(self->random) % 2 * PAGE + s_random(self->random) % 152);
}

static size_t
s_block(s_damage_t *self, const s_file_t *file, bool redo, size_t *size)
{
    *size = redo ? SECTOR : PAGE;
    return s_random(self->random) % ((redo ? 16384 : file->size) / *size) * *size;
}

static void
s_zero(s_damage_t *self, s_file_t *file, bool redo)
{
    size_t size;
    self->at = s_block(self, file, redo, &size);
    memset(file->at + self->at, 0, size);
}

static void
s_scramble(s_damage_t *self, s_file_t *file, bool redo)
{
    size_t size;
    self->at = s_block(self, file, redo, &size);
    for (size_t i = 0; i < size; i++)
        file->at[self->at + i] = (uint8_t) s_random(self->random);
}

static void
s_swap(s_damage_t *self, s_file_t *file, bool redo)
{
    uint8_t kept[PAGE];
    size_t size, other = s_block(self, file, redo, &size);
    self->at = s_block(self, file, redo, &size);
    memcpy(kept, file->at + self->at, size);
    memcpy(file->at + self->at, file->at + other, size);
    memcpy(file->at + other, kept, size);
}

//  A write that went to the wrong place.
static void
s_misplace(s_damage_t *self, s_file_t *file, bool redo)
{
    size_t size, from = s_block(self, file, redo, &size);
    self->at = s_block(self, file, redo, &size);
    memmove(file->at + self->at, file->at + from, size);
}

//  Writes that were lost: size bytes are as they were some commits ago.
static void
s_make_old(s_damage_t *self, s_file_t *file, bool redo, size_t size)
{
    const s_original_t *original = self->original;
    unsigned past_count = original->past_count < PAST_MAX ? original->past_count : PAST_MAX;
    for (unsigned tries = 0; tries < 200; tries++) {
        unsigned age = s_random(self->random) % past_count;
        const s_file_t *past = redo ? &original->past_redo[age] : &original->past_data[age];
        size_t limit = redo ? 16384 : past->size < file->size ? past->size : file->size;
        self->at = s_random(self->random) % (limit / size) * size;
        if (memcmp(file->at + self->at, past->at + self->at, size) == 0)
            continue;
        memcpy(file->at + self->at, past->at + self->at, size);
        return;
    }
}

static void
s_old_page(s_damage_t *self, s_file_t *file, bool redo)
{
    s_make_old(self, file, redo, redo ? SECTOR : PAGE);
}

static void
s_old_sector(s_damage_t *self, s_file_t *file, bool redo)
{
    s_make_old(self, file, redo, redo ? 64 : SECTOR);
}

static void
s_old_meta_page(s_damage_t *self, s_file_t *file, bool redo)
{
    const s_original_t *original = self->original;
    (void) redo;
    self->at = s_random(self->random) % 2 * PAGE;
    unsigned age = s_random(self->random) % (original->past_count < PAST_MAX ? original->past_count : PAST_MAX);
    memcpy(file->at + self->at, original->past_data[age].at + self->at, PAGE);
}

//  The whole file is as it was, while the other one is not.
static void
s_old_file(s_damage_t *self, s_file_t *file, bool redo)
{
    const s_original_t *original = self->original;
    unsigned age = s_random(self->random) % (original->past_count < PAST_MAX ? original->past_count : PAST_MAX);
    free(file->at);
    *file = s_copy(redo ? original->past_redo[age] : original->past_data[age]);
    self->at = age;
}

static void
s_truncate(s_damage_t *self, s_file_t *file, bool redo)
{
    (void) redo;
    file->size = s_random(self->random) % 3 ? s_random(self->random) % (file->size / PAGE) * PAGE
                                            : s_random(self->random) % file->size;
    self->at = file->size;
}

static const struct s_kind {
    const char *name;
    s_damage_fn *damage;
    bool redo;
} KINDS[] = {
    { "bit", s_flip_anywhere, false },
    { "bit in a page's head", s_flip_in_head, false },
    { "bit in a meta page", s_flip_in_meta_page, false },
    { "stale page", s_old_page, false },
    { "stale sector", s_old_sector, false },
    { "stale meta page", s_old_meta_page, false },
    { "stale file", s_old_file, false },
    { "zero page", s_zero, false },
    { "garbage page", s_scramble, false },
    { "swapped pages", s_swap, false },
    { "misplaced page", s_misplace, false },
    { "truncation", s_truncate, false },
    { "redo.log bit", s_flip_anywhere, true },
    { "redo.log bit in a head", s_flip_in_head, true },
    { "redo.log stale sector", s_old_page, true },
    { "redo.log stale slot", s_old_sector, true },
    { "redo.log stale file", s_old_file, true },
    { "redo.log zero sector", s_zero, true },
    { "redo.log garbage sector", s_scramble, true },
    { "redo.log swapped sectors", s_swap, true },
    { "redo.log misplaced sector", s_misplace, true },
    { "redo.log truncation", s_truncate, true },
};

//  -- Judging

enum { AT_OPEN, AT_USE, BY_SCRUB, HARMLESS, WRONG, CRASHED, VERDICTS };
static const char *const VERDICT_NAMES[VERDICTS] = { "open", "use", "scrub", "harmless", "WRONG", "crashed" };

//  How far the child has come, for a parent that sees it end without a verdict.
static volatile int *s_phase;

__attribute__((noreturn)) static void
s_judge(int verdict, const char *why)
{
    if (verdict == WRONG)
        dprintf(STDOUT_FILENO, "    %s\n", why);
    _exit(10 + verdict);
}

static void
s_expect(nm_rc_t rc, bool right, const char *why)
{
    if (rc != NM_OK && rc != NM_ERR_MISSING)
        s_judge(AT_USE, why);
    if (!right)
        s_judge(WRONG, why);
}

static nm_rc_t
s_read_all(nm_txn_t *txn, void *arg)
{
    const s_model_t *model = arg;
    static uint8_t key[64], expected[VALUE_MAX];
    for (unsigned i = 0; i < TABLES * KEYS; i++) {
        unsigned t = i % TABLES, k = i * 7 / TABLES % KEYS;
        nm_bytes_t value = { 0 };
        uint32_t version = model->versions[t][k];
        nm_rc_t rc = nm_table_get(txn, ALL[t], s_key(k, key), &value);
        s_expect(rc, (rc == NM_OK) == (version != 0), "get: a record is missing, or one is there that was deleted");
        if (rc == NM_OK)
            s_expect(rc, nm_bytes_equal(value, nm_bytes(expected, s_value(t, k, version, expected))),
                     "get: a value is not the last that was put");
    }
    return NM_OK;
}

static nm_rc_t
s_walk_all(nm_txn_t *txn, void *arg)
{
    const s_model_t *model = arg;
    for (unsigned t = 0; t < TABLES; t++) {
        unsigned expected = t == 0, seen = 0;  //  The large one is not in the model
        for (unsigned k = 0; k < KEYS; k++)
            expected += model->versions[t][k] != 0;
        nm_cursor_t cursor;
        nm_bytes_t key, value;
        nm_rc_t rc;
        nm_cursor_open(&cursor, txn, ALL[t], nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
        while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK)
            seen++;
        s_expect(rc, seen == expected, "walk: there are more or fewer records than were put");
    }
    return NM_OK;
}

static nm_rc_t
s_take_number(nm_txn_t *txn, void *arg)
{
    s_model_t *model = arg;
    s_expect(NM_OK, nm_txn_next(txn, NM_COUNTER_MAIL) == ++model->taken, "a counter gives a number twice");
    return NM_OK;
}

static void
s_use(nm_store_t *store, s_model_t *model, uint32_t *random)
{
    s_work_t work = { model, random };
    s_expect(nm_store_view(store, s_read_all, model), true, "reading");
    s_expect(nm_store_view(store, s_walk_all, model), true, "walking");
    s_expect(nm_store_update(store, s_take_number, model), true, "counting");
    for (unsigned i = 0; i < 40; i++) {
        s_expect(nm_store_update(store, s_turn, &work), true, "writing");
        if (i % 8 == 7)
            s_expect(nm_store_settle(store), true, "settling");
    }
    s_expect(nm_store_view(store, s_read_all, model), true, "reading again");
}

static void
s_scrub(nm_store_t *store)
{
    nm_store_scrub_t scrub = { .ended = false };
    nm_store_check_t report;
    nm_error_t error;
    while (!scrub.ended)
        if (nm_store_scrub(store, &scrub) != NM_OK)
            s_judge(BY_SCRUB, "");
    if (nm_store_check(store, &report, &error) != NM_OK)
        s_judge(BY_SCRUB, "");
}

__attribute__((noreturn)) static void
s_try(const char *folder, const s_original_t *original, bool verbose)
{
    s_model_t model = original->model;
    nm_store_config_t config = s_config(folder);
    nm_error_t error = { "" };
    uint32_t random = 77;
    for (unsigned life = 0; life < 2; life++) {
        *s_phase = AT_OPEN;
        nm_store_t *store = nm_store_new(&config, &error);
        if (!store && verbose)
            dprintf(STDOUT_FILENO, "    %s\n", error.text);
        if (!store)
            s_judge(AT_OPEN, "");
        *s_phase = AT_USE;
        s_use(store, &model, &random);
        *s_phase = BY_SCRUB;
        s_scrub(store);
        nm_store_destroy(&store);
    }
    s_judge(HARMLESS, "");
}

static int
s_run(const char *folder, const s_original_t *original, bool verbose)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        s_die("fork");
    if (pid == 0) {
        static const int SIGNALS[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
        for (size_t i = 0; i < NM_COUNT(SIGNALS); i++)
            signal(SIGNALS[i], SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        if (!verbose)
            dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        alarm(30);
        s_try(folder, original, verbose);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) >= 10 && WEXITSTATUS(status) < 10 + VERDICTS)
        return WEXITSTATUS(status) - 10;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NM_STORE_EXIT_DAMAGED)
        return *s_phase;
    printf("    ended with status %x\n", (unsigned) status);
    return CRASHED;
}

static int
s_damage_one(const char *folder, const s_original_t *original, const struct s_kind *kind, uint32_t seed, bool verbose)
{
    uint32_t random = seed * 2654435761u | 1;
    s_random(&random);
    s_damage_t damage = { s_copy(original->data), s_copy(original->redo), original, &random, 0 };
    s_file_t *file = kind->redo ? &damage.redo : &damage.data;
    kind->damage(&damage, file, kind->redo);
    mkdir(folder, 0700);
    s_save(s_path(folder, "data.mdb"), damage.data);
    s_save(s_path(folder, "redo.log"), damage.redo);
    s_save(s_path(folder, "redo.mark"), original->mark);
    s_save(s_path(folder, "PROVISIONED"), original->marker);
    int verdict = s_run(folder, original, verbose);
    if (verbose || verdict == WRONG || verdict == CRASHED)
        printf("%s: %s store, %s at %zu: corruption --seed %u --count 1 --kind '%s'\n", VERDICT_NAMES[verdict],
               original->name, kind->name, damage.at, (unsigned) seed, kind->name);
    s_remove(folder);
    free(damage.data.at);
    free(damage.redo.at);
    return verdict;
}

//  -- The campaign

typedef struct {
    unsigned count;
    uint32_t seed;
    const char *kind;
    bool verbose;
} s_options_t;

static s_options_t
s_read_options(int argc, char **argv)
{
    static const struct option OPTIONS[] = { { "count", required_argument, NULL, 'c' },
                                             { "seed", required_argument, NULL, 's' },
                                             { "kind", required_argument, NULL, 'k' },
                                             { "verbose", no_argument, NULL, 'v' },
                                             { 0 } };
    s_options_t options = { .count = 200, .seed = 1 };
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'c': options.count = (unsigned) strtoul(optarg, NULL, 10); break;
        case 's': options.seed = (uint32_t) strtoul(optarg, NULL, 10); break;
        case 'k': options.kind = optarg; break;
        case 'v': options.verbose = true; break;
        default: fprintf(stderr, "usage: corruption [--count N] [--seed N] [--kind NAME] [--verbose]\n"); exit(2);
        }
    }
    return options;
}

static void
s_print_row(const char *name, const unsigned counts[VERDICTS])
{
    unsigned all = 0;
    for (unsigned i = 0; i < VERDICTS; i++)
        all += counts[i];
    printf("%-26s %6u", name, all);
    for (unsigned i = 0; i < VERDICTS; i++)
        printf(" %8u", counts[i]);
    printf("\n");
}

static void
s_print(unsigned counts[][VERDICTS], unsigned sum[VERDICTS])
{
    printf("%-26s %6s", "damage", "count");
    for (unsigned i = 0; i < VERDICTS; i++)
        printf(" %8s", VERDICT_NAMES[i]);
    printf("\n");
    for (size_t k = 0; k < NM_COUNT(KINDS); k++) {
        s_print_row(KINDS[k].name, counts[k]);
        for (unsigned i = 0; i < VERDICTS; i++)
            sum[i] += counts[k][i];
    }
    s_print_row("all", sum);
}

int
main(int argc, char **argv)
{
    s_options_t options = s_read_options(argc, argv);
    unsigned counts[NM_COUNT(KINDS)][VERDICTS] = { { 0 } }, sum[VERDICTS] = { 0 };
    static s_original_t originals[2];
    char folder[64];
    snprintf(folder, sizeof folder, "%s/nm-corruption-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder))
        s_die(folder);
    s_phase = mmap(NULL, sizeof *s_phase, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s_phase == MAP_FAILED)
        s_die("mmap");
    s_make(&originals[0], folder, false);
    mkdir(folder, 0700);
    s_make(&originals[1], folder, true);
    printf("%u corruptions of a store of %zu pages and a redo.log of %zu bytes, closed or killed\n", options.count,
           originals[0].data.size / PAGE, originals[0].redo.size);

    for (uint32_t seed = options.seed, done = 0; done < options.count; seed++) {
        size_t k = seed % NM_COUNT(KINDS);
        if (options.kind && strcmp(options.kind, KINDS[k].name) != 0)
            continue;
        int verdict = s_damage_one(folder, &originals[seed / NM_COUNT(KINDS) % 2], &KINDS[k], seed, options.verbose);
        counts[k][verdict]++;
        done++;
    }
    s_print(counts, sum);
    s_forget(&originals[0]);
    s_forget(&originals[1]);
    return sum[WRONG] || sum[CRASHED] ? 1 : 0;
}
