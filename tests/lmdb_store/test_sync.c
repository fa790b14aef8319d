/*  Whether what NM_OK promises is on the disk: under the preloaded shim, which logs
 *  each write and sync of data.mdb and fails the ones it is told to.
 */
#include "tests/lmdb_store/fixture.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lmdb_store/queue.h"

typedef void(s_shim_fn)(const char *text);

//  Tells the shim something; without it the test would prove nothing, so it fails.
static void
s_shim(const char *function, const char *text)
{
    s_shim_fn *fn = (s_shim_fn *) dlsym(RTLD_DEFAULT, function);
    assert_non_null(fn);
    fn(text);
}

static int
s_setup(void **state)
{
    fx_setup(state);
    fx_t *self = *state;
    fx_close(self);
    strncat(self->path, "-synced", sizeof self->path - strlen(self->path) - 1);
    self->config.volatile_for_tests = false;
    self->config.reserve = 1 << 20;
    return 0;
}

static void
s_log_path(const fx_t *self, char *path, size_t size)
{
    snprintf(path, size, "%s/log", self->folder);
}

enum { S_META_SIZE = 120 };  //  What LMDB writes of a meta page

typedef struct {
    unsigned writes, syncs;  //  All, in data.mdb and redo.log
    unsigned unsynced;       //  Writes that no later sync covers
    unsigned unsynced_meta;  //  Of those, ones to a meta page
    bool meta_before_pages;  //  A meta page was written before the pages it speaks of were synced
} s_log_t;

static void
s_count_write(s_log_t *log, const char *line)
{
    int fd, dsync;
    size_t size;
    long long at = -1;
    assert_true(sscanf(strchr(line, ' '), " fd=%d dsync=%d size=%zu at=%lld", &fd, &dsync, &size, &at) >= 3);
    bool meta = size == S_META_SIZE && at >= 0 && at < 2 * 4096 && strncmp(line, "pwrite", 6) == 0;
    log->writes++;
    log->meta_before_pages |= meta && log->unsynced > log->unsynced_meta;
    log->unsynced += !dsync;
    log->unsynced_meta += !dsync && meta;
}

static s_log_t
s_read_log(const char *path)
{
    s_log_t log = { 0 };
    char line[512];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "pwrite", 6) == 0 || strncmp(line, "writev", 6) == 0)
            s_count_write(&log, line);
        if (strncmp(line, "fdatasync", 9) == 0 || strncmp(line, "fsync", 5) == 0) {
            log.syncs++;
            log.unsynced = log.unsynced_meta = 0;
        }
    }
    fclose(file);
    return log;
}

//  Runs work and commits with an empty log, and tells what the shim saw.
static s_log_t
s_watch_update(fx_t *self, nm_store_fn *work, void *arg)
{
    char path[80];
    s_log_path(self, path, sizeof path);
    unlink(path);
    s_shim("nm_shim_log", path);
    nm_rc_t rc = nm_store_update(self->store, work, arg);
    s_shim("nm_shim_log", NULL);
    assert_int_equal(rc, NM_OK);
    return s_read_log(path);
}

//  The same for bringing LMDB up to the log.
static s_log_t
s_watch_settle(fx_t *self)
{
    char path[80];
    s_log_path(self, path, sizeof path);
    unlink(path);
    s_shim("nm_shim_log", path);
    nm_rc_t rc = nm_store_settle(self->store);
    s_shim("nm_shim_log", NULL);
    assert_int_equal(rc, NM_OK);
    return s_read_log(path);
}

static nm_rc_t
s_put_some(nm_txn_t *txn, void *arg)
{
    unsigned count = *(unsigned *) arg;
    for (unsigned i = 0; i < count; i++) {
        uint8_t key[4];
        nm_put_u32(key, i);
        nm_rc_t rc =
            nm_table_put(txn, i % 2 ? &fx_plain : &fx_sealed, nm_bytes(key, 4), nm_text("a record of little size"));
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

static void
what_update_returns_ok_for_is_synced(void **state)
{
    fx_t *self = *state;
    fx_open(self);
    for (unsigned count = 1; count <= 1000; count *= 10) {
        s_log_t log = s_watch_update(self, s_put_some, &count);
        assert_int_equal(log.writes, 1);
        assert_int_equal(log.syncs, 1);
        assert_int_equal(log.unsynced, 0);
    }
}

//  The log begins again once LMDB has all, so by then LMDB's pages and the meta page that
//  speaks of them must be on the disk, in this order.
static void
what_lmdb_takes_over_from_the_log_is_synced(void **state)
{
    fx_t *self = *state;
    fx_open(self);
    for (unsigned count = 1; count <= 1000; count *= 10) {
        s_watch_update(self, s_put_some, &count);
        s_log_t log = s_watch_settle(self);
        assert_true(log.writes >= 2);
        assert_true(log.syncs >= 1);
        assert_int_equal(log.unsynced_meta, 0);
        assert_int_equal(log.unsynced, 0);
        assert_false(log.meta_before_pages);
    }
}

static nm_rc_t
s_only_look(nm_txn_t *txn, void *arg)
{
    size_t gone;
    nm_bytes_t value;
    (void) arg;
    uint8_t key[4] = { 0 };
    assert_int_equal(nm_table_get(txn, &fx_sealed, nm_bytes(key, 4), &value), NM_OK);
    assert_int_equal(nm_table_add(txn, &fx_sealed, nm_bytes(key, 4), nm_text("again")), NM_ERR_DUPLICATE);
    assert_int_equal(nm_table_delete(txn, &fx_plain, nm_text("nothing")), NM_ERR_MISSING);
    assert_int_equal(nm_expiry_sweep(txn, INT64_MAX, 10, &gone), NM_OK);
    return NM_OK;
}

static void
an_unchanged_transaction_writes_and_syncs_nothing(void **state)
{
    fx_t *self = *state;
    unsigned count = 5;
    fx_open(self);
    s_watch_update(self, s_put_some, &count);
    s_log_t log = s_watch_update(self, s_only_look, NULL);
    assert_int_equal(log.writes, 0);
    assert_int_equal(log.syncs, 0);
}

static void
a_new_store_is_synced_before_it_opens(void **state)
{
    fx_t *self = *state;
    char path[80];
    s_log_path(self, path, sizeof path);
    s_shim("nm_shim_log", path);
    fx_open(self);
    s_shim("nm_shim_log", NULL);
    s_log_t log = s_read_log(path);
    assert_true(log.writes >= 2);
    assert_int_equal(log.unsynced, 0);
}

//  A process that was killed in its commit leaves pages that are in no disk yet;
//  whoever opens next syncs before it believes them.
static void
an_old_store_is_synced_before_it_is_believed(void **state)
{
    fx_t *self = *state;
    char path[80];
    s_log_path(self, path, sizeof path);
    fx_open(self);
    fx_close(self);
    s_shim("nm_shim_log", path);
    fx_open(self);
    s_shim("nm_shim_log", NULL);
    s_log_t log = s_read_log(path);
    assert_int_equal(log.writes, 0);
    assert_true(log.syncs >= 1);
}

//  -- Failing syncs

typedef struct {
    fx_t *fx;
    const char *rule;
} s_fault_t;

static void
s_commit_under_fault(void *arg)
{
    s_fault_t *self = arg;
    unsigned count = 300;
    fx_open(self->fx);
    s_shim("nm_shim_arm", self->rule);
    for (int i = 0; i < 10; i++) {
        nm_store_update(self->fx->store, s_put_some, &count);
        nm_store_settle(self->fx->store);
    }
    _exit(1);  //  Ten commits went well, so nothing failed
}

static void
any_failed_write_or_sync_in_a_commit_ends_with_74(void **state)
{
    fx_t *self = *state;
    static const char *const RULES[] = {
        "fdatasync:1:EIO", "fdatasync:4:EIO", "fdatasync:1:ENOSPC", "pwrite:1:EIO",   "pwrite:3+:ENOSPC",
        "pwrite:2:EDQUOT", "writev:1:ENOSPC", "writev:2:EIO",       "writev:1:short", "pwrite:2:short",
    };
    fx_open(self);
    fx_put(self, &fx_plain, "before", "here");
    fx_close(self);
    for (size_t i = 0; i < NM_COUNT(RULES); i++) {
        s_fault_t fault = { self, RULES[i] };
        int status = fx_child(s_commit_under_fault, &fault, NULL);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != NM_STORE_EXIT_COMMIT)
            print_error("%s: status %x\n", RULES[i], (unsigned) status);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), NM_STORE_EXIT_COMMIT);
        fx_open(self);
        fx_has(self, &fx_plain, "before", "here");
        fx_close(self);
    }
}

static void
s_open_under_fault(void *arg)
{
    s_fault_t *self = arg;
    nm_error_t error;
    s_shim("nm_shim_arm", self->rule);
    _exit(nm_store_new(&self->fx->config, &error) ? 1 : 0);
}

static void
a_sync_that_fails_at_opening_refuses(void **state)
{
    fx_t *self = *state;
    fx_open(self);
    fx_close(self);
    s_fault_t fault = { self, "fsync:1:EIO" };
    assert_int_equal(fx_child(s_open_under_fault, &fault, NULL), 0);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_update_returns_ok_for_is_synced),
        CLAIM(what_lmdb_takes_over_from_the_log_is_synced),
        CLAIM(an_unchanged_transaction_writes_and_syncs_nothing),
        CLAIM(a_new_store_is_synced_before_it_opens),
        CLAIM(an_old_store_is_synced_before_it_is_believed),
        CLAIM(any_failed_write_or_sync_in_a_commit_ends_with_74),
        CLAIM(a_sync_that_fails_at_opening_refuses),
    };
    return cmocka_run_group_tests_name("lmdb_store/sync", tests, NULL, NULL);
}
