#include "tests/lmdb_store/fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const nm_table_t fx_plain = { .number = 40, .sealed = false, .name = "test.plain" };
const nm_table_t fx_sealed = { .number = 41, .sealed = true, .name = "test.sealed" };
static const nm_table_t *const TABLES[] = { &fx_plain, &fx_sealed };

const nm_store_key_t fx_keys[3] = {
    { .number = 7, .secret = "the first master key, 32 bytes.." },
    { .number = 8, .secret = "another one, not at all the same" },
    { .number = 9, .secret = "number three, quite unlike those" },
};

int
fx_setup(void **state)
{
    fx_t *self = nm_alloc(sizeof *self);
    strncpy(self->folder, "/tmp/nm-store-XXXXXX", sizeof self->folder - 1);
    assert_non_null(mkdtemp(self->folder));
    snprintf(self->path, sizeof self->path, "%s/store", self->folder);
    self->config = (nm_store_config_t){
        .path = self->path,
        .owner = "router-1",
        .tables = TABLES,
        .table_count = NM_COUNT(TABLES),
        .keys = fx_keys,
        .key_count = 1,
        .map_size = 64 << 20,
        .volatile_for_tests = true,
    };
    fx_open(self);
    *state = self;
    return 0;
}

static int
s_remove(const char *path, const struct stat *is, int kind, struct FTW *place)
{
    (void) is, (void) kind, (void) place;
    return remove(path);
}

int
fx_teardown(void **state)
{
    fx_t *self = *state;
    nm_store_destroy(&self->store);
    nftw(self->folder, s_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(self);
    return 0;
}

void
fx_open(fx_t *self)
{
    nm_error_t error = { "" };
    self->store = nm_store_new(&self->config, &error);
    if (!self->store)
        print_error("%s\n", error.text);
    assert_non_null(self->store);
}

void
fx_close(fx_t *self)
{
    nm_store_destroy(&self->store);
}

void
fx_refused(fx_t *self, const char *part)
{
    nm_error_t error = { "" };
    nm_store_t *store = nm_store_new(&self->config, &error);
    if (store || !strstr(error.text, part))
        print_error("expected a refusal with \"%s\", got \"%s\"\n", part, error.text);
    assert_null(store);
    assert_non_null(strstr(error.text, part));
}

typedef struct {
    const nm_table_t *table;
    const char *key;
    const char *value;
    char *out;
    size_t size;
} s_record_t;

static nm_rc_t
s_put(nm_txn_t *txn, void *arg)
{
    s_record_t *self = arg;
    return nm_table_put(txn, self->table, nm_text(self->key), nm_text(self->value));
}

nm_rc_t
fx_put(fx_t *self, const nm_table_t *table, const char *key, const char *value)
{
    return nm_store_update(self->store, s_put, &(s_record_t){ .table = table, .key = key, .value = value });
}

static nm_rc_t
s_get(nm_txn_t *txn, void *arg)
{
    s_record_t *self = arg;
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, self->table, nm_text(self->key), &value);
    if (rc == NM_OK)
        nm_bytes_to_text(value, self->out, self->size);
    return rc;
}

nm_rc_t
fx_get(fx_t *self, const nm_table_t *table, const char *key, char *value, size_t size)
{
    return nm_store_view(self->store, s_get, &(s_record_t){ .table = table, .key = key, .out = value, .size = size });
}

static nm_rc_t
s_delete(nm_txn_t *txn, void *arg)
{
    s_record_t *self = arg;
    return nm_table_delete(txn, self->table, nm_text(self->key));
}

nm_rc_t
fx_delete(fx_t *self, const nm_table_t *table, const char *key)
{
    return nm_store_update(self->store, s_delete, &(s_record_t){ .table = table, .key = key });
}

void
fx_has(fx_t *self, const nm_table_t *table, const char *key, const char *value)
{
    char found[256] = "";
    nm_rc_t rc = fx_get(self, table, key, found, sizeof found);
    assert_int_equal(rc, value ? NM_OK : NM_ERR_MISSING);
    if (value)
        assert_string_equal(found, value);
}

int
fx_child(void (*fn)(void *arg), void *arg, const char *error_path)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static const int SIGNALS[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM };
        for (size_t i = 0; i < NM_COUNT(SIGNALS); i++)
            signal(SIGNALS[i], SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        int fd = open(error_path ? error_path : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDERR_FILENO);
        alarm(30);
        fn(arg);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

const char *
fx_file(const fx_t *self, const char *name)
{
    static char buffers[4][256];
    static unsigned next;
    char *out = buffers[next++ % 4];
    snprintf(out, sizeof buffers[0], "%s/%s", self->path, name);
    return out;
}

long
fx_file_size(const char *path)
{
    struct stat is;
    return stat(path, &is) == 0 ? (long) is.st_size : -1;
}

uint8_t *
fx_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *size = (size_t) fx_file_size(path);
    uint8_t *at = nm_alloc(*size);
    assert_int_equal(fread(at, 1, *size, file), *size);
    fclose(file);
    return at;
}

void
fx_write_file(const char *path, const void *at, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(at, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
