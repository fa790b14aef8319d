/*  crash_states - opens every state in which a power cut may leave a store, and looks for what was promised.
 *
 *      crash_states [--every N] [--seed N] [--only STATE] [--verbose]
 *
 *  Several lives of a store are recorded (recorder.h): updates of all sizes, settles, updates
 *  that go past redo.log, undone ones, another size of the log, a new epoch, orderly ends and
 *  kills. Then, for each moment between two operations, states of the disk are made:
 *
 *  - what was synced is there; of what was not, any part: nothing, all, all but one, one alone,
 *    a beginning, or a random choice;
 *  - by pages of 4 KiB, as file systems write, and by sectors of 512 bytes, as disks do;
 *  - each file for itself, and each name (created, renamed, removed) for itself until the folder
 *    is synced. A file that grew may have its new length without its new content.
 *
 *  In each state the store must open. It must hold what the last update left that returned
 *  NM_OK, or the one under way then, whole. In every eighth it goes on working, and is opened
 *  again. --every tries each Nth state only; one that was tried already is not counted. Exit
 *  code 1 if any state is bad, with the line that repeats it.
 */
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "tests/disk/recorder.h"
#include "tests/disk/work.h"

enum {
    PAGE = 4096,
    SECTOR = 512,
    TURNS_MAX = 1000,
    UNITS_MAX = 4096,
    FILE_MAX = 8 << 20,
    WORKERS = 2,
};

static uint32_t
s_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

//  -- The work that is recorded

typedef struct {
    work_model_t models[TURNS_MAX];  //  By turn; 0 is the empty store
    uint32_t epochs[TURNS_MAX];      //  The store's, then
    uint32_t turn;                   //  The last one that was acknowledged
} s_history_t;

//  Notes between the operations: a turn was acknowledged, or a life with this reserve begins.
enum { NOTE_ACKNOWLEDGED = 0, NOTE_LIFE = 1 };

static void
s_die(const char *what)
{
    fprintf(stderr, "crash_states: %s\n", what);
    exit(2);
}

static void
s_take_turn(nm_store_t *store, s_history_t *history, bool fails)
{
    work_model_t next = history->models[history->turn];
    uint32_t turn = history->turn + 1;
    if (turn == TURNS_MAX)
        s_die("too many turns");
    if (work_turn(store, &next, turn, fails) != (fails ? NM_ERR_BUSY : NM_OK))
        s_die("a turn ended otherwise than it should");
    if (fails)
        return;
    work_advance(&next, turn);
    history->models[turn] = next;
    history->epochs[turn] = nm_store_epoch(store);
    history->turn = turn;
    recorder_note((uint64_t) turn << 1 | NOTE_ACKNOWLEDGED);
}

typedef struct {
    uint64_t reserve;
    unsigned turns;
    unsigned settle_each;
    bool killed;
    bool new_epoch;
} s_life_t;

static void
s_live(const char *folder, s_history_t *history, const s_life_t *life)
{
    nm_error_t error = { "" };
    recorder_note(life->reserve << 1 | NOTE_LIFE);
    nm_store_config_t config = work_config(folder, life->reserve);
    nm_store_t *store = nm_store_new(&config, &error);
    if (!store)
        s_die(error.text);
    for (unsigned i = 0; i < life->turns; i++) {
        s_take_turn(store, history, false);
        if (i % 13 == 5)
            s_take_turn(store, history, true);
        if (life->new_epoch && i == life->turns / 2 && nm_store_new_epoch(store) != NM_OK)
            s_die("no new epoch");
        if (i % life->settle_each == life->settle_each - 1 && nm_store_settle(store) != NM_OK)
            s_die("a settle failed");
    }
    if (life->killed)
        _exit(0);
    nm_store_destroy(&store);
    _exit(0);
}

static void
s_record(const char *folder, s_history_t *history)
{
    static const s_life_t LIVES[] = {
        { 1 << 19, 60, 9, true, false },  { 1 << 19, 50, 17, false, false }, { 1 << 19, 40, 6, true, true },
        { 1 << 20, 60, 25, true, false }, { 1 << 20, 30, 3, false, false },  { 1 << 18, 50, 1000, true, false },
        { 1 << 18, 60, 12, true, false },
    };
    for (size_t i = 0; i < NM_COUNT(LIVES); i++) {
        int status;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
            s_live(folder, history, &LIVES[i]);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
            s_die("a recorded life did not end well");
    }
}

//  -- The disk, as of one moment

typedef struct {
    uint8_t *at;
    uint64_t size;
} s_image_t;

typedef struct {
    s_image_t files[RECORD_FILES_MAX];              //  What is synced
    char names[RECORD_FILES_MAX][RECORD_NAME_MAX];  //  Under which name, synced; "" for none
    size_t pending[UNITS_MAX];                      //  Records that are not synced, in order
    size_t pending_count;
    uint32_t acknowledged;  //  The last turn
    uint64_t reserve;
} s_disk_t;

static bool
s_is_of_names(const record_t *record)
{
    return record->kind == RECORD_CREATE || record->kind == RECORD_RENAME || record->kind == RECORD_UNLINK;
}

static void
s_resize(s_image_t *file, uint64_t size)
{
    if (!file->at)
        file->at = nm_alloc(FILE_MAX);
    if (size > FILE_MAX)
        s_die("a file is larger than it may be here");
    if (size > file->size)
        memset(file->at + file->size, 0, size - file->size);
    file->size = size;
}

static void
s_put_bytes(s_image_t *file, uint64_t at, const uint8_t *bytes, size_t size)
{
    if (!file->at || at + size > file->size)
        s_resize(file, at + size);
    memcpy(file->at + at, bytes, size);
}

static void
s_apply_name(char names[][RECORD_NAME_MAX], const record_t *record)
{
    char *name = names[record->file];
    if (record->kind == RECORD_CREATE)
        snprintf(name, RECORD_NAME_MAX, "%s", record->name);
    if (record->kind == RECORD_UNLINK)
        *name = 0;
    if (record->kind != RECORD_RENAME)
        return;
    for (unsigned i = 0; i < RECORD_FILES_MAX; i++)
        if (strcmp(names[i], record->to) == 0)
            names[i][0] = 0;
    snprintf(name, RECORD_NAME_MAX, "%s", record->to);
}

static void
s_apply(s_disk_t *disk, const record_t *record)
{
    if (s_is_of_names(record))
        s_apply_name(disk->names, record);
    else if (record->kind == RECORD_WRITE)
        s_put_bytes(&disk->files[record->file], record->at, record->bytes, record->size);
    else if (record->kind == RECORD_TRUNCATE)
        s_resize(&disk->files[record->file], record->at);
}

//  Makes durable what a sync covers.
static void
s_sync(s_disk_t *disk, const record_t *records, const record_t *sync)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->pending_count; i++) {
        const record_t *record = &records[disk->pending[i]];
        bool last = i + 1 == disk->pending_count;
        bool covered = sync->kind == RECORD_SYNC_NAMES ? s_is_of_names(record)
                       : s_is_of_names(record)         ? false
                       : sync->kind == RECORD_SYNC_ONE ? last
                                                       : record->file == sync->file;
        if (covered)
            s_apply(disk, record);
        else
            disk->pending[kept++] = disk->pending[i];
    }
    disk->pending_count = kept;
}

static void
s_step(s_disk_t *disk, const record_t *records, size_t i)
{
    const record_t *record = &records[i];
    switch (record->kind) {
    case RECORD_SYNC:
    case RECORD_SYNC_ONE:
    case RECORD_SYNC_NAMES: s_sync(disk, records, record); break;
    case RECORD_NOTE:
        if (record->at & NOTE_LIFE)
            disk->reserve = record->at >> 1;
        else
            disk->acknowledged = (uint32_t) (record->at >> 1);
        break;
    default:
        if (disk->pending_count == UNITS_MAX)
            s_die("too much is not synced");
        disk->pending[disk->pending_count++] = i;
    }
}

//  -- States of one moment

//  A piece of what is not synced, that the disk has or has not.
typedef struct {
    const record_t *record;
    uint64_t at;
    const uint8_t *bytes;
    size_t size;
} s_unit_t;

typedef struct {
    s_image_t files[RECORD_FILES_MAX];
    char names[RECORD_FILES_MAX][RECORD_NAME_MAX];
} s_state_t;

static size_t
s_cut(const s_disk_t *disk, const record_t *records, size_t grain, s_unit_t *units)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->pending_count; i++) {
        const record_t *record = &records[disk->pending[i]];
        size_t done = 0;
        do {
            size_t size = record->kind == RECORD_WRITE ? grain - (record->at + done) % grain : 0;
            if (size > record->size - done)
                size = record->size - done;
            if (count == UNITS_MAX)
                s_die("too many pieces are not synced");
            units[count++] = (s_unit_t){ record, record->at + done, record->bytes + done, size };
            done += size;
        } while (done < record->size);
    }
    return count;
}

static void
s_make_state(s_state_t *state, const s_disk_t *disk, const s_unit_t *units, size_t count, const uint8_t *chosen,
             bool grown)
{
    memcpy(state->names, disk->names, sizeof state->names);
    for (unsigned i = 0; i < RECORD_FILES_MAX; i++) {
        state->files[i].size = 0;
        if (disk->files[i].size)
            s_put_bytes(&state->files[i], 0, disk->files[i].at, disk->files[i].size);
    }
    for (size_t i = 0; i < count; i++) {
        const record_t *record = units[i].record;
        s_image_t *file = &state->files[record->file];
        if (chosen[i] && s_is_of_names(record))
            s_apply_name(state->names, record);
        else if (chosen[i] && record->kind == RECORD_WRITE)
            s_put_bytes(file, units[i].at, units[i].bytes, units[i].size);
        else if (chosen[i])
            s_resize(file, record->at);
        else if (grown && record->kind == RECORD_WRITE && units[i].at + units[i].size > file->size)
            s_resize(file, units[i].at + units[i].size);
    }
}

static uint64_t
s_mix(uint64_t hash, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    for (size_t i = size / 8 * 8; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t
s_hash_state(const s_state_t *state, const s_disk_t *disk)
{
    uint64_t hash = disk->acknowledged * 31 + disk->reserve;
    for (unsigned i = 0; i < RECORD_FILES_MAX; i++) {
        if (!*state->names[i])
            continue;
        hash = s_mix(hash, (const uint8_t *) state->names[i], strlen(state->names[i]));
        hash = s_mix(hash, state->files[i].at, state->files[i].size) + state->files[i].size;
    }
    return hash;
}

//  -- Judging a state

//  The store goes on working, and is opened once more.
static const char *
s_go_on(nm_store_t **store, const nm_store_config_t *config, work_model_t model, uint32_t turn)
{
    nm_error_t error;
    nm_store_check_t report;
    for (unsigned i = 0; i < 12; i++) {
        if (work_turn(*store, &model, ++turn, false) != NM_OK)
            return "it does not take a turn";
        work_advance(&model, turn);
        if (i == 6 && nm_store_settle(*store) != NM_OK)
            return "it does not settle";
    }
    nm_store_destroy(store);
    *store = nm_store_new(config, &error);
    if (!*store)
        return "it does not open a second time";
    if (nm_store_check(*store, &report, &error) != NM_OK)
        return "it is not whole the second time";
    return work_compare(*store, &model, turn);
}

typedef struct {
    char folder[96];
    const s_history_t *history;
    s_disk_t *disk;
    uint64_t *seen;  //  Hashes of states; 0: a free place
    size_t seen_room;
    uint64_t made, tried;  //  States, and those of them that were new
    uint64_t every;
    uint64_t only;     //  Try this state alone; 0: all
    uint64_t counter;  //  Of all states that there are
    uint64_t number;   //  Of the state under way: its moment and which one of those
    unsigned worker;
    bool verbose;
    uint32_t seed;
    uint32_t random;              //  Begins anew with each moment, so that a state can be made alone
    volatile uint64_t *progress;  //  For the parent, should this process die
} s_run_t;

static void
s_write_state(const s_run_t *self, const s_state_t *state)
{
    static const char *const NAMES[] = { "data.mdb",    "data.mdb.unfinished", "redo.log", "redo.mark",
                                         "PROVISIONED", "PROVISIONED.new",     "lock.mdb", "ballast" };
    char path[256];
    for (size_t i = 0; i < NM_COUNT(NAMES); i++) {
        snprintf(path, sizeof path, "%s/%s", self->folder, NAMES[i]);
        unlink(path);
    }
    for (unsigned i = 0; i < RECORD_FILES_MAX; i++) {
        if (!*state->names[i])
            continue;
        snprintf(path, sizeof path, "%s/%s", self->folder, state->names[i]);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || pwrite(fd, state->files[i].at, state->files[i].size, 0) != (ssize_t) state->files[i].size)
            s_die("a state cannot be written");
        close(fd);
    }
}

static const char *
s_judge_open(s_run_t *self, nm_store_t **store, const nm_store_config_t *config)
{
    const s_history_t *history = self->history;
    uint32_t acknowledged = self->disk->acknowledged, turn;
    if (work_last_turn(*store, &turn) != NM_OK)
        return "it cannot be read";
    if (turn != acknowledged && turn != acknowledged + 1)
        return "an acknowledged turn is gone";
    if (nm_store_epoch(*store) < history->epochs[acknowledged])
        return "an epoch is gone";
    const char *fault = work_compare(*store, &history->models[turn], turn);
    return fault || self->tried % 8 ? fault : s_go_on(store, config, history->models[turn], turn);
}

static const char *
s_judge(s_run_t *self, nm_error_t *error)
{
    nm_store_config_t config = work_config(self->folder, self->disk->reserve);
    nm_store_t *store = nm_store_new(&config, error);
    if (!store)
        return "it does not open";
    const char *fault = s_judge_open(self, &store, &config);
    nm_store_destroy(&store);
    return fault;
}

//  True if the state was not seen before.
static bool
s_is_new(s_run_t *self, uint64_t hash)
{
    hash += hash == 0;
    for (size_t i = hash % self->seen_room;; i = (i + 1) % self->seen_room) {
        if (self->seen[i] == hash)
            return false;
        if (self->seen[i])
            continue;
        self->seen[i] = hash;
        return true;
    }
}

//  Whether this one is among those that are wanted.
static bool
s_is_wanted(s_run_t *self)
{
    self->number++;
    return self->only ? self->number == self->only : self->counter++ % self->every == 0;
}

static void
s_try(s_run_t *self, const s_state_t *state)
{
    nm_error_t error = { "" };
    self->made++;
    if (!s_is_new(self, s_hash_state(state, self->disk)))
        return;
    self->tried++;
    *self->progress = self->number;
    s_write_state(self, state);
    const char *fault = s_judge(self, &error);
    if (!fault && !self->verbose)
        return;
    printf("%s: after turn %u was acknowledged: %s %s: crash_states --only %llu --verbose\n", fault ? "BAD" : "good",
           (unsigned) self->disk->acknowledged, fault ? fault : "", error.text, (unsigned long long) self->number);
    if (fault)
        exit(1);
}

//  -- Which states of a moment

enum { EACH_MAX = 6, RANDOM_COUNT = 6 };

static void
s_try_choice(s_run_t *self, s_state_t *state, const s_unit_t *units, size_t count, const uint8_t *chosen)
{
    for (unsigned grown = 0; grown < 2; grown++) {
        if (!s_is_wanted(self))
            continue;
        s_make_state(state, self->disk, units, count, chosen, grown);
        s_try(self, state);
    }
}

//  All in turn if they are few, else some at random.
static size_t
s_pick(s_run_t *self, size_t i, size_t count)
{
    return count <= EACH_MAX ? i : s_random(&self->random) % count;
}

static void
s_try_moment(s_run_t *self, s_state_t *state, const record_t *records, size_t grain)
{
    static s_unit_t units[UNITS_MAX];
    static uint8_t chosen[UNITS_MAX];
    size_t count = s_cut(self->disk, records, grain, units), each = count < EACH_MAX ? count : EACH_MAX;
    for (unsigned fill = 0; fill < 2; fill++) {
        memset(chosen, (int) fill, sizeof chosen);
        s_try_choice(self, state, units, count, chosen);
        for (size_t i = 0; i < each; i++) {
            size_t one = s_pick(self, i, count);
            chosen[one] = !fill;
            s_try_choice(self, state, units, count, chosen);
            chosen[one] = (uint8_t) fill;
        }
    }
    for (size_t i = 0; i < each; i++) {
        memset(chosen, 0, sizeof chosen);
        memset(chosen, 1, s_pick(self, i, count));
        s_try_choice(self, state, units, count, chosen);
    }
    for (unsigned i = 0; count > 1 && i < RANDOM_COUNT; i++) {
        for (size_t j = 0; j < count; j++)
            chosen[j] = s_random(&self->random) & 1;
        s_try_choice(self, state, units, count, chosen);
    }
}

enum { SEEN_ROOM = 1 << 20, MOMENT_STATES = 1000, SHARE = 50 };

//  Each worker has some moments in a row, then the other the next: neighbours have states in common.
static void
s_work(s_run_t *self)
{
    size_t count;
    const record_t *records = recorder_list(&count);
    static s_state_t state;
    recorder_stop();
    self->disk = nm_alloc(sizeof *self->disk);
    self->seen_room = SEEN_ROOM;
    self->seen = nm_alloc(self->seen_room * sizeof *self->seen);
    for (size_t i = 0; i < count; i++) {
        s_step(self->disk, records, i);
        if (!self->disk->reserve || (!self->only && i / SHARE % WORKERS != self->worker))
            continue;
        self->number = i * MOMENT_STATES;
        self->random = (self->seed + (uint32_t) i * 2654435761u) | 1;
        s_try_moment(self, &state, records, PAGE);
        s_try_moment(self, &state, records, SECTOR);
    }
    printf("worker %u: %llu states made, %llu different\n", self->worker, (unsigned long long) self->made,
           (unsigned long long) self->tried);
    fflush(NULL);
    _exit(0);
}

static int
s_run_workers(s_run_t *run, const char *base)
{
    int bad = 0;
    pid_t workers[WORKERS];
    unsigned count = run->only ? 1 : WORKERS;
    volatile uint64_t *progress = recorder_alloc(WORKERS * sizeof *progress);
    for (unsigned i = 0; i < count; i++) {
        run->worker = i;
        run->progress = &progress[i];
        snprintf(run->folder, sizeof run->folder, "%s/worker%u", base, i);
        fflush(NULL);
        if ((workers[i] = fork()) == 0) {
            mkdir(run->folder, 0700);
            s_work(run);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        int status;
        waitpid(workers[i], &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) <= 1) {
            bad |= WEXITSTATUS(status);
            continue;
        }
        printf("BAD: the process ended with status %x: crash_states --only %llu --verbose\n", (unsigned) status,
               (unsigned long long) progress[i]);
        bad = 1;
    }
    return bad;
}

int
main(int argc, char **argv)
{
    static const struct option OPTIONS[] = { { "every", required_argument, NULL, 'e' },
                                             { "seed", required_argument, NULL, 's' },
                                             { "only", required_argument, NULL, 'o' },
                                             { "verbose", no_argument, NULL, 'v' },
                                             { 0 } };
    s_run_t run = { .every = 1, .seed = 1 };
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'e': run.every = strtoull(optarg, NULL, 10); break;
        case 's': run.seed = (uint32_t) strtoul(optarg, NULL, 10) * 2 + 1; break;
        case 'o': run.only = strtoull(optarg, NULL, 10); break;
        case 'v': run.verbose = true; break;
        default: fprintf(stderr, "usage: crash_states [--every N] [--seed N] [--only STATE] [--verbose]\n"); return 2;
        }
    }
    char base[64], store[80], remove[96];
    snprintf(base, sizeof base, "%s/nm-crash-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(base))
        s_die(base);
    snprintf(store, sizeof store, "%s/store", base);
    recorder_start(store);
    s_history_t *history = recorder_alloc(sizeof *history);
    run.history = history;
    s_record(store, history);
    size_t count;
    recorder_list(&count);
    printf("%zu operations of %u turns were recorded\n", count, (unsigned) history->turn);
    int bad = s_run_workers(&run, base);
    snprintf(remove, sizeof remove, "rm -rf %s", base);
    return system(remove) == 0 ? bad : 2;
}
