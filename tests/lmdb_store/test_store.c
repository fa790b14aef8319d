#include "tests/lmdb_store/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lmdb_store/store_private.h"

static void
is_there_after_reopen(void **state)
{
    fx_t *self = *state;
    assert_int_equal(fx_put(self, &fx_plain, "colour", "green"), NM_OK);
    assert_int_equal(fx_put(self, &fx_sealed, "address", "ann@example.org"), NM_OK);
    nm_id_t id = *nm_store_id(self->store);
    fx_close(self);
    fx_open(self);
    fx_has(self, &fx_plain, "colour", "green");
    fx_has(self, &fx_sealed, "address", "ann@example.org");
    assert_true(nm_id_equal(&id, nm_store_id(self->store)));
    assert_int_equal(nm_store_epoch(self->store), 1);
}

static nm_rc_t
s_put_then_refuse(nm_txn_t *txn, void *arg)
{
    (void) arg;
    assert_int_equal(nm_table_put(txn, &fx_plain, nm_text("b"), nm_text("new")), NM_OK);
    assert_int_equal(nm_table_delete(txn, &fx_plain, nm_text("a")), NM_OK);
    assert_int_equal(nm_txn_next(txn, NM_COUNTER_ROLE_1), 1);
    return NM_ERR_REFUSED;
}

static nm_rc_t
s_next(nm_txn_t *txn, void *arg)
{
    *(uint64_t *) arg = nm_txn_next(txn, NM_COUNTER_ROLE_1);
    return NM_OK;
}

static void
is_undone_when_work_fails(void **state)
{
    fx_t *self = *state;
    uint64_t number;
    fx_put(self, &fx_plain, "a", "old");
    assert_int_equal(nm_store_update(self->store, s_put_then_refuse, NULL), NM_ERR_REFUSED);
    fx_has(self, &fx_plain, "a", "old");
    fx_has(self, &fx_plain, "b", NULL);
    assert_int_equal(nm_store_update(self->store, s_next, &number), NM_OK);
    assert_int_equal(number, 1);
}

static void
counters_grow_across_reopen(void **state)
{
    fx_t *self = *state;
    uint64_t number;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(nm_store_update(self->store, s_next, &number), NM_OK);
        assert_int_equal(number, i);
    }
    fx_close(self);
    fx_open(self);
    assert_int_equal(nm_store_update(self->store, s_next, &number), NM_OK);
    assert_int_equal(number, 4);
}

static nm_rc_t
s_look(nm_txn_t *txn, void *arg)
{
    bool *changed = arg;
    assert_false(nm_table_has(txn, &fx_plain, nm_text("nothing")));
    assert_int_equal(nm_table_delete(txn, &fx_plain, nm_text("nothing")), NM_ERR_MISSING);
    changed[0] = nm_txn_changed(txn);
    if (changed[1]) {
        assert_int_equal(nm_table_put(txn, &fx_plain, nm_text("k"), nm_text("v")), NM_OK);
        changed[1] = nm_txn_changed(txn);
    }
    return NM_OK;
}

static void
tells_whether_it_changed_anything(void **state)
{
    fx_t *self = *state;
    bool changed[2] = { true, true };
    assert_int_equal(nm_store_update(self->store, s_look, changed), NM_OK);
    assert_false(changed[0]);
    assert_true(changed[1]);
}

//  -- Who may open

static void
refuses_a_second_opening_in_one_process(void **state)
{
    fx_t *self = *state;
    fx_refused(self, "held by process");
    fx_put(self, &fx_plain, "a", "still works");
    fx_has(self, &fx_plain, "a", "still works");
}

static void
s_try_to_open(void *arg)
{
    fx_t *self = arg;
    nm_error_t error = { "" };
    char expected[32];
    snprintf(expected, sizeof expected, "held by process %ld:", (long) getppid());
    nm_store_t *store = nm_store_new(&self->config, &error);
    _exit(!store && strstr(error.text, expected) ? 0 : 1);
}

static void
refuses_a_second_process_and_names_the_first(void **state)
{
    fx_t *self = *state;
    assert_int_equal(fx_child(s_try_to_open, self, NULL), 0);
}

static void
refuses_another_owner(void **state)
{
    fx_t *self = *state;
    fx_close(self);
    self->config.owner = "router-12";
    fx_refused(self, "belongs to router-1, not to router-12");
}

static void
refuses_a_folder_open_to_others(void **state)
{
    fx_t *self = *state;
    fx_close(self);
    assert_int_equal(chmod(self->path, 0750), 0);
    fx_refused(self, "run chmod 700");
    assert_int_equal(chmod(self->path, 0700), 0);
    fx_open(self);
}

static void
its_files_are_for_the_owner_alone(void **state)
{
    fx_t *self = *state;
    static const char *const NAMES[] = { "data.mdb", "lock.mdb", "LOCK", "PROVISIONED" };
    struct stat is;
    for (size_t i = 0; i < NM_COUNT(NAMES); i++) {
        assert_int_equal(stat(fx_file(self, NAMES[i]), &is), 0);
        assert_int_equal(is.st_mode & 07777, 0600);
    }
    assert_int_equal(stat(self->path, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0700);
}

static void
no_file_of_it_reaches_a_child_program(void **state)
{
    fx_t *self = *state;
    int found = 0;
    for (int fd = 3; fd < 256; fd++) {
        char name[32], path[256] = "";
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (readlink(name, path, sizeof path - 1) <= 0 || strncmp(path, self->path, strlen(self->path)) != 0)
            continue;
        found++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    assert_int_equal(found, 5);  //  The folder, LOCK, lock.mdb, and data.mdb twice
}

//  -- Keys

static void
refuses_a_wrong_key_and_changes_nothing(void **state)
{
    fx_t *self = *state;
    size_t before_size, after_size;
    fx_put(self, &fx_sealed, "address", "ann@example.org");
    fx_close(self);
    uint8_t *before = fx_read_file(fx_file(self, "data.mdb"), &before_size);

    nm_store_key_t wrong = fx_keys[0];
    wrong.secret[31] ^= 1;
    self->config.keys = &wrong;
    fx_refused(self, "does not open with the master keys given: it was sealed with number 7");
    self->config.keys = &fx_keys[1];
    fx_refused(self, "does not open with the master keys given: it was sealed with number 7");

    uint8_t *after = fx_read_file(fx_file(self, "data.mdb"), &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
    self->config.keys = fx_keys;
    fx_open(self);
    fx_has(self, &fx_sealed, "address", "ann@example.org");
}

static void
a_rotated_key_seals_and_the_old_one_still_opens(void **state)
{
    fx_t *self = *state;
    fx_put(self, &fx_sealed, "old", "sealed with 7");
    fx_put(self, &fx_plain, "old", "hashed");
    fx_close(self);
    self->config.key_count = 2;
    fx_open(self);
    fx_has(self, &fx_sealed, "old", "sealed with 7");
    fx_put(self, &fx_sealed, "new", "sealed with 8");
    fx_close(self);

    self->config.keys = &fx_keys[1];
    self->config.key_count = 1;
    fx_open(self);
    char value[32];
    fx_has(self, &fx_sealed, "new", "sealed with 8");
    fx_has(self, &fx_plain, "old", "hashed");
    assert_int_equal(fx_get(self, &fx_sealed, "old", value, sizeof value), NM_ERR_CORRUPT);
}

static void
refuses_no_key_and_one_number_twice(void **state)
{
    fx_t *self = *state;
    fx_close(self);
    self->config.key_count = 0;
    fx_refused(self, "0 master keys were given");
    nm_store_key_t twice[2] = { fx_keys[0], fx_keys[0] };
    self->config.keys = twice;
    self->config.key_count = 2;
    fx_refused(self, "number 7 was given twice");
}

//  -- Layout versions

static nm_rc_t
s_step_renames(nm_txn_t *txn)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &fx_plain, nm_text("name"), &value);
    return rc == NM_OK ? nm_table_put(txn, &fx_plain, nm_text("label"), value) : rc;
}

static nm_rc_t
s_step_fails(nm_txn_t *txn)
{
    assert_int_equal(nm_table_delete(txn, &fx_plain, nm_text("label")), NM_OK);
    return NM_ERR_REFUSED;
}

static void
an_older_layout_is_brought_up_step_by_step(void **state)
{
    fx_t *self = *state;
    nm_error_t error;
    nm_store_step_fn *steps[NM_STORE_SCHEMA + 1] = { NULL };
    steps[NM_STORE_SCHEMA - 1] = s_step_renames;
    steps[NM_STORE_SCHEMA] = s_step_fails;
    fx_put(self, &fx_plain, "name", "front door");
    fx_close(self);
    nm_store_layout_t layout = { .schema = NM_STORE_SCHEMA + 1, .steps = steps };
    assert_int_equal(nm_store_open(&self->config, &layout, &self->store, &error), NM_OK);
    fx_has(self, &fx_plain, "label", "front door");
    fx_close(self);

    fx_refused(self, "newer version (layout 3, this program knows up to 2)");

    layout.schema = NM_STORE_SCHEMA + 2;
    assert_int_equal(nm_store_open(&self->config, &layout, &self->store, &error), NM_ERR_REFUSED);
    assert_non_null(strstr(error.text, "the upgrade from layout 3 failed"));
    layout.schema = NM_STORE_SCHEMA + 1;
    assert_int_equal(nm_store_open(&self->config, &layout, &self->store, &error), NM_OK);
    fx_has(self, &fx_plain, "label", "front door");
}

static void
s_copy_vector(const fx_t *self, const char *name)
{
    char from[128];
    size_t size;
    snprintf(from, sizeof from, "tests/vectors/store-layout-1/%s", name);
    uint8_t *file = fx_read_file(from, &size);
    fx_write_file(fx_file(self, name), file, size);
    free(file);
}

//  A store as layout 1 wrote it, killed with three updates that stand in its redo.log only.
static void
a_store_of_layout_1_comes_up_whole(void **state)
{
    fx_t *self = *state;
    nm_store_check_t report;
    nm_error_t error;
    fx_close(self);
    s_copy_vector(self, "data.mdb");
    s_copy_vector(self, "redo.log");
    s_copy_vector(self, "PROVISIONED");
    self->config.volatile_for_tests = false;
    self->config.reserve = 1 << 16;
    for (unsigned i = 0; i < 3; i++) {
        fx_open(self);
        fx_has(self, &fx_plain, "place", "the back door");
        fx_has(self, &fx_plain, "gone", NULL);
        fx_has(self, &fx_sealed, "person", "ann@example.org");
        fx_has(self, &fx_sealed, "pet", "a cat of layout one");
        assert_int_equal(nm_store_check(self->store, &report, &error), NM_OK);
        assert_int_equal(report.records, 8);  //  Head, secret, epoch, counter, tally, and those above
        fx_close(self);
    }
}

//  -- Provisioning

static void
an_unfinished_store_is_made_anew_and_set_aside(void **state)
{
    fx_t *self = *state;
    fx_put(self, &fx_plain, "a", "b");
    nm_id_t id = *nm_store_id(self->store);
    fx_close(self);
    assert_int_equal(unlink(fx_file(self, "PROVISIONED")), 0);
    fx_open(self);
    assert_false(nm_id_equal(&id, nm_store_id(self->store)));
    fx_has(self, &fx_plain, "a", NULL);
    assert_true(fx_file_size(fx_file(self, "data.mdb.unfinished")) > 0);
}

static void
refuses_a_marker_without_data(void **state)
{
    fx_t *self = *state;
    fx_close(self);
    assert_int_equal(unlink(fx_file(self, "data.mdb")), 0);
    fx_refused(self, "has lost its data.mdb");
    fx_write_file(fx_file(self, "data.mdb"), "", 0);
    fx_refused(self, "data.mdb is cut off");
}

static nm_rc_t
s_put_many(nm_txn_t *txn, void *arg)
{
    uint8_t value[1000];
    memset(value, 0x5a, sizeof value);
    for (unsigned i = 0; i < *(unsigned *) arg; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%05u", i);
        nm_rc_t rc = nm_table_put(txn, &fx_plain, nm_text(key), nm_bytes(value, sizeof value));
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

static void
refuses_a_file_that_was_cut_off(void **state)
{
    fx_t *self = *state;
    unsigned count = 100;
    assert_int_equal(nm_store_update(self->store, s_put_many, &count), NM_OK);
    fx_close(self);
    long size = fx_file_size(fx_file(self, "data.mdb"));
    for (long cut = 1; cut < size; cut += 4096 * 3 + 7) {
        assert_int_equal(truncate(fx_file(self, "data.mdb"), size - cut), 0);
        fx_refused(self, "is damaged");
        assert_int_equal(fx_file_size(fx_file(self, "data.mdb")), size - cut);
    }
}

static nm_rc_t
s_delete_many(nm_txn_t *txn, void *arg)
{
    nm_rc_t rc = NM_OK;
    for (unsigned i = 0; rc == NM_OK && i < *(unsigned *) arg; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%05u", i);
        rc = nm_table_delete(txn, &fx_plain, nm_text(key));
    }
    return rc;
}

//  LMDB does not write pages that were taken and freed within one transaction, so a
//  good file can be shorter than its meta page says. Here what is free is cut off by hand.
static void
opens_a_file_whose_missing_end_is_free(void **state)
{
    fx_t *self = *state;
    unsigned count = 100;
    assert_int_equal(nm_store_update(self->store, s_put_many, &count), NM_OK);
    assert_int_equal(nm_store_update(self->store, s_delete_many, &count), NM_OK);
    for (unsigned i = 0; i < 3; i++)  //  These take pages from the front, and leave the end free
        fx_put(self, &fx_plain, "first", "one");
    fx_close(self);
    const char *file = fx_file(self, "data.mdb");
    long size = fx_file_size(file);
    for (unsigned pages = 1; pages <= 20; pages++) {
        assert_int_equal(truncate(file, size - pages * 4096), 0);
        fx_open(self);
        fx_has(self, &fx_plain, "first", "one");
        nm_store_destroy(&self->store);
    }
    fx_open(self);
    assert_int_equal(nm_store_update(self->store, s_put_many, &count), NM_OK);
    fx_has(self, &fx_plain, "first", "one");
}

//  -- Limits of the system

static uint64_t
s_address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%llu", &pages) != 1)
        _exit(9);
    fclose(file);
    return pages * 4096;
}

static void
s_open_with_little_address_space(void *arg)
{
    fx_t *self = arg;
    nm_error_t error = { "" };
    self->config.map_size = 0;
    self->store = nm_store_new(&self->config, &error);
    if (!self->store || self->store->map_size != (uint64_t) 1 << 40)
        _exit(1);
    nm_store_destroy(&self->store);

    rlim_t limit = s_address_space() + ((rlim_t) 20 << 30);
    setrlimit(RLIMIT_AS, &(struct rlimit){ limit, limit });
    self->store = nm_store_new(&self->config, &error);
    if (!self->store || self->store->map_size != (uint64_t) 1 << 34 || self->store->quota != (uint64_t) 1 << 33)
        _exit(2);
    nm_store_destroy(&self->store);

    limit = s_address_space() + ((rlim_t) 512 << 20);
    setrlimit(RLIMIT_AS, &(struct rlimit){ limit, limit });
    self->store = nm_store_new(&self->config, &error);
    _exit(!self->store && strstr(error.text, "raise RLIMIT_AS") ? 0 : 3);
}

static void
takes_a_smaller_map_where_address_space_is_limited(void **state)
{
    fx_t *self = *state;
    fx_close(self);
    assert_int_equal(fx_child(s_open_with_little_address_space, self, NULL), 0);
}

static nm_rc_t
s_fill_and_swallow(nm_txn_t *txn, void *arg)
{
    (void) arg;
    unsigned count = 99999;
    assert_int_equal(s_put_many(txn, &count), NM_ERR_FULL);
    return NM_OK;
}

static void
a_full_map_is_a_result_and_undoes_the_turn(void **state)
{
    fx_t *self = *state;
    unsigned count = 99999;
    fx_put(self, &fx_plain, "before", "here");
    assert_int_equal(nm_store_update(self->store, s_put_many, &count), NM_ERR_FULL);
    assert_int_equal(nm_store_update(self->store, s_fill_and_swallow, NULL), NM_ERR_FULL);
    fx_has(self, &fx_plain, "before", "here");
    fx_has(self, &fx_plain, "key00000", NULL);
    assert_int_equal(fx_delete(self, &fx_plain, "before"), NM_OK);
}

static void
s_commit_beyond_the_file_limit(void *arg)
{
    fx_t *self = arg;
    unsigned count = 100;
    fx_open(self);
    signal(SIGXFSZ, SIG_IGN);
    rlim_t limit = (rlim_t) fx_file_size(fx_file(self, "data.mdb"));
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ limit, limit });
    nm_store_update(self->store, s_put_many, &count);
    _exit(1);  //  The line above does not come back
}

static void
a_failed_commit_ends_the_process_with_74(void **state)
{
    fx_t *self = *state;
    fx_put(self, &fx_plain, "before", "here");
    fx_close(self);
    char log_path[80];
    size_t size;
    snprintf(log_path, sizeof log_path, "%s/log", self->folder);
    int status = fx_child(s_commit_beyond_the_file_limit, self, log_path);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), NM_STORE_EXIT_COMMIT);
    uint8_t *log = fx_read_file(log_path, &size);
    assert_non_null(memmem(log, size, "<2>{\"level\":\"critical\",\"event\":\"commit_failed\"", 46));
    assert_ptr_equal(memchr(log, '\n', size), log + size - 1);  //  One line
    free(log);
    fx_open(self);
    fx_has(self, &fx_plain, "before", "here");
    fx_has(self, &fx_plain, "key00000", NULL);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(is_there_after_reopen),
        CLAIM(is_undone_when_work_fails),
        CLAIM(counters_grow_across_reopen),
        CLAIM(tells_whether_it_changed_anything),
        CLAIM(refuses_a_second_opening_in_one_process),
        CLAIM(refuses_a_second_process_and_names_the_first),
        CLAIM(refuses_another_owner),
        CLAIM(refuses_a_folder_open_to_others),
        CLAIM(its_files_are_for_the_owner_alone),
        CLAIM(no_file_of_it_reaches_a_child_program),
        CLAIM(refuses_a_wrong_key_and_changes_nothing),
        CLAIM(a_rotated_key_seals_and_the_old_one_still_opens),
        CLAIM(refuses_no_key_and_one_number_twice),
        CLAIM(an_older_layout_is_brought_up_step_by_step),
        CLAIM(a_store_of_layout_1_comes_up_whole),
        CLAIM(an_unfinished_store_is_made_anew_and_set_aside),
        CLAIM(refuses_a_marker_without_data),
        CLAIM(refuses_a_file_that_was_cut_off),
        CLAIM(opens_a_file_whose_missing_end_is_free),
        CLAIM(takes_a_smaller_map_where_address_space_is_limited),
        CLAIM(a_full_map_is_a_result_and_undoes_the_turn),
        CLAIM(a_failed_commit_ends_the_process_with_74),
    };
    return cmocka_run_group_tests_name("lmdb_store/store", tests, NULL, NULL);
}
