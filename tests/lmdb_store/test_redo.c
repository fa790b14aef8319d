#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

//  About lmdb_store/redo.c: what an update promised is there, whenever the process ends.

enum { S_ALIGN = 64, S_HEAD_SIZE = 32 };

static int
s_setup(void **state)
{
    fx_setup(state);
    fx_t *self = *state;
    fx_close(self);
    strncat(self->path, "-logged", sizeof self->path - strlen(self->path) - 1);
    self->config.volatile_for_tests = false;
    self->config.reserve = 1 << 20;
    return 0;
}

//  Runs fn on an open store in a child that ends without closing it.
static void
s_killed(fx_t *self, void (*fn)(void *arg))
{
    int status = fx_child(fn, self, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
s_put_three(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    fx_put(self, &fx_plain, "first", "one");
    fx_put(self, &fx_sealed, "second", "two and more");
    fx_put(self, &fx_plain, "third", "three, the longest of all");
    _exit(0);
}

static void
an_update_survives_a_kill_before_lmdb_has_it(void **state)
{
    fx_t *self = *state;
    s_killed(self, s_put_three);
    fx_open(self);
    fx_has(self, &fx_plain, "first", "one");
    fx_has(self, &fx_sealed, "second", "two and more");
    fx_has(self, &fx_plain, "third", "three, the longest of all");
}

static void
s_put_and_settle_at_times(void *arg)
{
    fx_t *self = arg;
    char key[16], value[32];
    fx_open(self);
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%d", i % 50);
        snprintf(value, sizeof value, "value %d", i);
        fx_put(self, i % 2 ? &fx_plain : &fx_sealed, key, value);
        if (i % 3 == 0 && i >= 50)
            fx_delete(self, i % 2 ? &fx_plain : &fx_sealed, key);
        if (i % 37 == 0)
            nm_store_settle(self->store);
    }
    _exit(0);
}

static void
the_latest_of_many_updates_is_there_and_the_deleted_is_not(void **state)
{
    fx_t *self = *state;
    char key[16], value[32], found[32];
    s_killed(self, s_put_and_settle_at_times);
    fx_open(self);
    for (int i = 450; i < 500; i++) {
        snprintf(key, sizeof key, "key%d", i % 50);
        snprintf(value, sizeof value, "value %d", i);
        nm_rc_t rc = fx_get(self, i % 2 ? &fx_plain : &fx_sealed, key, found, sizeof found);
        assert_int_equal(rc, i % 3 == 0 ? NM_ERR_MISSING : NM_OK);
        if (rc == NM_OK)
            assert_string_equal(found, value);
    }
}

//  Offset of the n-th record in redo.log.
static size_t
s_record_at(const uint8_t *file, size_t size, unsigned n)
{
    for (size_t at = 0; at + S_HEAD_SIZE <= size; at += S_ALIGN)
        if (memcmp(file + at, "nmredo1\n", 8) == 0 && n-- == 0)
            return at;
    fail_msg("there are fewer records in the log");
    return 0;
}

static void
s_flip(fx_t *self, unsigned record, size_t byte)
{
    size_t size;
    char path[128];
    snprintf(path, sizeof path, "%s/redo.log", self->path);
    uint8_t *file = fx_read_file(path, &size);
    file[s_record_at(file, size, record) + byte] ^= 0x10;
    fx_write_file(path, file, size);
    free(file);
}

static void
a_record_cut_off_in_writing_was_never_promised(void **state)
{
    fx_t *self = *state;
    char value[64];
    s_killed(self, s_put_three);
    assert_int_equal(unlink(fx_file(self, "redo.mark")), 0);  //  Its sync was not over
    s_flip(self, 2, S_HEAD_SIZE + 12);
    fx_open(self);
    fx_has(self, &fx_plain, "first", "one");
    fx_has(self, &fx_sealed, "second", "two and more");
    assert_int_equal(fx_get(self, &fx_plain, "third", value, sizeof value), NM_ERR_MISSING);
}

static void
a_damaged_last_record_is_noticed_by_its_mark(void **state)
{
    fx_t *self = *state;
    s_killed(self, s_put_three);
    s_flip(self, 2, S_HEAD_SIZE + 12);
    fx_refused(self, "what was written last is in neither");
    s_flip(self, 2, S_HEAD_SIZE + 12);
    fx_open(self);
    fx_has(self, &fx_plain, "third", "three, the longest of all");
}

static void
a_damaged_or_older_mark_says_nothing(void **state)
{
    fx_t *self = *state;
    size_t size;
    fx_open(self);
    fx_close(self);
    uint8_t *old = fx_read_file(fx_file(self, "redo.mark"), &size);
    for (unsigned i = 0; i < 2; i++) {
        s_killed(self, s_put_three);
        fx_write_file(fx_file(self, "redo.mark"), i ? "nonsense" : (char *) old, i ? 8 : size);
        fx_open(self);
        fx_has(self, &fx_plain, "third", "three, the longest of all");
        fx_close(self);
    }
    free(old);
}

static void
s_settle_and_put_three(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    fx_put(self, &fx_plain, "zeroth", "in LMDB");
    nm_store_settle(self->store);
    fx_put(self, &fx_plain, "first", "one");
    fx_put(self, &fx_sealed, "second", "two and more");
    fx_put(self, &fx_plain, "third", "three, the longest of all");
    _exit(0);
}

//  The log is found damaged after a whole record of it was done again: the store is refused,
//  and the process lives to say so.
static void
a_damaged_log_of_a_settled_store_is_refused(void **state)
{
    fx_t *self = *state;
    s_killed(self, s_settle_and_put_three);
    s_flip(self, 1, S_HEAD_SIZE + 12);
    fx_refused(self, "is damaged");
    s_flip(self, 1, S_HEAD_SIZE + 12);
    fx_open(self);
    fx_has(self, &fx_sealed, "second", "two and more");
}

static void
a_log_that_was_cut_off_or_lost_is_noticed(void **state)
{
    fx_t *self = *state;
    char path[128];
    size_t size;
    s_killed(self, s_put_three);
    snprintf(path, sizeof path, "%s/redo.log", self->path);
    uint8_t *file = fx_read_file(path, &size);
    for (size_t left = 0; left < size; left += size / 2 - 1) {
        fx_write_file(path, file, left);
        fx_refused(self, "redo.log has");
    }
    unlink(path);
    fx_refused(self, "has lost its redo.log");
    assert_int_equal(access(path, F_OK), -1);
    fx_write_file(path, file, size);
    free(file);
    fx_open(self);
    fx_has(self, &fx_plain, "third", "three, the longest of all");
}

static void
another_reserve_makes_another_log_and_loses_nothing(void **state)
{
    fx_t *self = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/redo.log", self->path);
    for (uint64_t reserve = 1 << 19; reserve < 1 << 24; reserve *= 4) {
        s_killed(self, s_put_three);
        self->config.reserve = reserve;
        fx_open(self);
        fx_has(self, &fx_plain, "third", "three, the longest of all");
        assert_int_equal(fx_file_size(path), reserve / 8);
        fx_close(self);
    }
}

//  A bit anywhere in the first of three records: its mark, number, epoch, size, hash, operations.
static void
a_damaged_record_before_a_whole_one_is_noticed(void **state)
{
    static const size_t BYTES[] = { 0, 9, 15, 18, 22, 26, S_HEAD_SIZE, S_HEAD_SIZE + 9, S_HEAD_SIZE + 20 };
    fx_t *self = *state;
    size_t size;
    char path[128];
    s_killed(self, s_put_three);
    snprintf(path, sizeof path, "%s/redo.log", self->path);
    uint8_t *file = fx_read_file(path, &size);
    for (size_t i = 0; i < sizeof BYTES / sizeof BYTES[0]; i++) {
        file[BYTES[i]] ^= 0x10;
        fx_write_file(path, file, size);
        fx_refused(self, "is damaged");
        file[BYTES[i]] ^= 0x10;
    }
    fx_write_file(path, file, size);
    free(file);
    fx_open(self);
    fx_has(self, &fx_plain, "third", "three, the longest of all");
}

static nm_rc_t
s_put_and_fail(nm_txn_t *txn, void *arg)
{
    (void) arg;
    nm_rc_t rc = nm_table_put(txn, &fx_plain, nm_text("undone"), nm_text("never"));
    return rc == NM_OK ? NM_ERR_BUSY : rc;
}

static void
s_update_that_fails(fx_t *self)
{
    assert_int_equal(nm_store_update(self->store, s_put_and_fail, NULL), NM_ERR_BUSY);
}

static void
s_put_fail_put(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    fx_put(self, &fx_plain, "before", "stays");
    s_update_that_fails(self);
    fx_put(self, &fx_sealed, "after", "stays too");
    _exit(0);
}

static void
an_undone_update_takes_nothing_else_with_it(void **state)
{
    fx_t *self = *state;
    char value[32];
    fx_open(self);
    fx_put(self, &fx_plain, "earlier", "in the log only");
    s_update_that_fails(self);
    fx_has(self, &fx_plain, "earlier", "in the log only");
    assert_int_equal(fx_get(self, &fx_plain, "undone", value, sizeof value), NM_ERR_MISSING);
    fx_close(self);

    s_killed(self, s_put_fail_put);
    fx_open(self);
    fx_has(self, &fx_plain, "before", "stays");
    fx_has(self, &fx_sealed, "after", "stays too");
    assert_int_equal(fx_get(self, &fx_plain, "undone", value, sizeof value), NM_ERR_MISSING);
}

static void
s_put_more_than_the_log_holds(void *arg)
{
    fx_t *self = arg;
    char key[16], value[20000];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = 0;
    fx_open(self);
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "large%d", i);
        fx_put(self, &fx_sealed, key, value);
    }
    _exit(0);
}

static void
a_log_that_is_full_lets_lmdb_commit(void **state)
{
    fx_t *self = *state;
    char key[16], value[20000];
    self->config.reserve = 1 << 17;
    s_killed(self, s_put_more_than_the_log_holds);
    fx_open(self);
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "large%d", i);
        assert_int_equal(fx_get(self, &fx_sealed, key, value, sizeof value), NM_OK);
        assert_int_equal(strlen(value), 19999);
    }
}

//  LMDB chooses the other meta page if this one does not look like the newer.
static void
s_lose_newest_meta_page(fx_t *self)
{
    enum { META_NUMBER_AT = 16 + 24 + 96 + 8 };
    size_t size;
    uint64_t commits[2];
    const char *path = fx_file(self, "data.mdb");
    uint8_t *file = fx_read_file(path, &size);
    for (unsigned i = 0; i < 2; i++)
        memcpy(&commits[i], file + i * 4096 + META_NUMBER_AT, sizeof commits[i]);
    memset(file + (commits[1] > commits[0]) * 4096 + META_NUMBER_AT, 0, sizeof commits[0]);
    fx_write_file(path, file, size);
    free(file);
}

static void
s_put_one_larger_than_the_log(void *arg)
{
    fx_t *self = arg;
    static char value[100000];
    memset(value, 'v', sizeof value - 1);
    fx_open(self);
    fx_put(self, &fx_plain, "first", "one");
    fx_put(self, &fx_plain, "large", value);
    _exit(0);
}

//  What went past the log is in the last commit of LMDB only. The mark alone knows that there was one.
static void
a_lost_commit_of_what_went_past_the_log_is_noticed(void **state)
{
    fx_t *self = *state;
    self->config.reserve = 1 << 17;
    s_killed(self, s_put_one_larger_than_the_log);
    s_lose_newest_meta_page(self);
    fx_refused(self, "is damaged");
}

static void
s_put_and_settle(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    fx_put(self, &fx_plain, "first", "one");
    fx_put(self, &fx_sealed, "second", "two and more");
    nm_store_settle(self->store);
    _exit(0);
}

//  The log still has what LMDB had taken over, and gives it once more.
static void
a_lost_commit_is_done_again_from_the_log(void **state)
{
    fx_t *self = *state;
    nm_store_check_t report;
    nm_error_t error;
    s_killed(self, s_put_and_settle);
    s_lose_newest_meta_page(self);
    fx_open(self);
    fx_has(self, &fx_plain, "first", "one");
    fx_has(self, &fx_sealed, "second", "two and more");
    assert_int_equal(nm_store_check(self->store, &report, &error), NM_OK);
}

static void
s_put_between_epochs(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    fx_put(self, &fx_plain, "old", "of epoch one");
    nm_store_new_epoch(self->store);
    fx_put(self, &fx_plain, "new", "of epoch two");
    _exit(0);
}

static void
a_new_epoch_is_kept_and_so_is_what_stands_around_it(void **state)
{
    fx_t *self = *state;
    s_killed(self, s_put_between_epochs);
    fx_open(self);
    assert_int_equal(nm_store_epoch(self->store), 2);
    fx_has(self, &fx_plain, "old", "of epoch one");
    fx_has(self, &fx_plain, "new", "of epoch two");
}

static void
a_restored_store_takes_nothing_from_the_old_log(void **state)
{
    fx_t *self = *state;
    nm_error_t error;
    char backup[96], value[32];
    snprintf(backup, sizeof backup, "%s/copy.mdb", self->folder);
    fx_open(self);
    fx_put(self, &fx_plain, "kept", "in the copy");
    assert_int_equal(nm_store_settle(self->store), NM_OK);
    assert_int_equal(nm_store_backup(self->store, backup, &error), NM_OK);
    fx_close(self);
    s_killed(self, s_put_three);
    assert_int_equal(nm_store_restore(&self->config, backup, true, &error), NM_OK);
    fx_open(self);
    fx_has(self, &fx_plain, "kept", "in the copy");
    assert_int_equal(fx_get(self, &fx_plain, "first", value, sizeof value), NM_ERR_MISSING);
}

static nm_rc_t
s_look(nm_txn_t *txn, void *arg)
{
    nm_bytes_t value;
    (void) arg;
    nm_rc_t rc = nm_table_get(txn, &fx_plain, nm_text("fresh"), &value);
    return rc == NM_OK && !nm_bytes_is(value, "seen at once") ? NM_ERR_BUG : rc;
}

static void
a_view_sees_what_only_the_log_has(void **state)
{
    fx_t *self = *state;
    fx_open(self);
    fx_put(self, &fx_plain, "fresh", "seen at once");
    assert_true(nm_store_unsettled(self->store));
    assert_int_equal(nm_store_view(self->store, s_look, NULL), NM_OK);
    assert_int_equal(nm_store_settle(self->store), NM_OK);
    assert_false(nm_store_unsettled(self->store));
    assert_int_equal(nm_store_view(self->store, s_look, NULL), NM_OK);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(an_update_survives_a_kill_before_lmdb_has_it),
        CLAIM(the_latest_of_many_updates_is_there_and_the_deleted_is_not),
        CLAIM(a_record_cut_off_in_writing_was_never_promised),
        CLAIM(a_damaged_last_record_is_noticed_by_its_mark),
        CLAIM(a_damaged_or_older_mark_says_nothing),
        CLAIM(a_damaged_record_before_a_whole_one_is_noticed),
        CLAIM(a_damaged_log_of_a_settled_store_is_refused),
        CLAIM(a_log_that_was_cut_off_or_lost_is_noticed),
        CLAIM(another_reserve_makes_another_log_and_loses_nothing),
        CLAIM(a_lost_commit_of_what_went_past_the_log_is_noticed),
        CLAIM(a_lost_commit_is_done_again_from_the_log),
        CLAIM(an_undone_update_takes_nothing_else_with_it),
        CLAIM(a_log_that_is_full_lets_lmdb_commit),
        CLAIM(a_new_epoch_is_kept_and_so_is_what_stands_around_it),
        CLAIM(a_restored_store_takes_nothing_from_the_old_log),
        CLAIM(a_view_sees_what_only_the_log_has),
    };
    return cmocka_run_group_tests_name("lmdb_store/redo", tests, NULL, NULL);
}
