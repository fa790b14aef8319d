#include "tests/lmdb_store/fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
s_backup_path(const fx_t *self, char *path, size_t size)
{
    snprintf(path, size, "%s/backup", self->folder);
}

static int
s_setup(void **state)
{
    fx_setup(state);
    fx_put(*state, &fx_plain, "place", "the front door");
    fx_put(*state, &fx_sealed, "person", "ann@example.org");
    return 0;
}

static void
an_epoch_is_taken_for_good(void **state)
{
    fx_t *self = *state;
    assert_int_equal(nm_store_new_epoch(self->store), NM_OK);
    assert_int_equal(nm_store_new_epoch(self->store), NM_OK);
    assert_int_equal(nm_store_epoch(self->store), 3);
    fx_close(self);
    fx_open(self);
    assert_int_equal(nm_store_epoch(self->store), 3);
}

static void
a_backup_opens_elsewhere_with_a_new_epoch(void **state)
{
    fx_t *self = *state;
    char path[96];
    nm_error_t error;
    struct stat is;
    s_backup_path(self, path, sizeof path);
    nm_id_t id = *nm_store_id(self->store);
    assert_int_equal(nm_store_backup(self->store, path, &error), NM_OK);
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0600);
    assert_int_equal(nm_store_backup(self->store, path, &error), NM_ERR_DUPLICATE);
    fx_put(self, &fx_plain, "place", "changed after the backup");
    fx_close(self);

    strncat(self->path, "-two", sizeof self->path - strlen(self->path) - 1);
    assert_int_equal(nm_store_restore(&self->config, path, false, &error), NM_OK);
    fx_open(self);
    assert_int_equal(nm_store_epoch(self->store), 2);
    assert_true(nm_id_equal(&id, nm_store_id(self->store)));
    fx_has(self, &fx_plain, "place", "the front door");
    fx_has(self, &fx_sealed, "person", "ann@example.org");
    assert_int_equal(access(fx_file(self, "restore"), F_OK), -1);
}

static void
a_restore_replaces_only_when_asked_to(void **state)
{
    fx_t *self = *state;
    char path[96];
    nm_error_t error;
    s_backup_path(self, path, sizeof path);
    assert_int_equal(nm_store_backup(self->store, path, &error), NM_OK);
    assert_int_equal(nm_store_restore(&self->config, path, true, &error), NM_ERR_BUSY);
    fx_put(self, &fx_plain, "place", "changed after the backup");
    fx_close(self);
    assert_int_equal(nm_store_restore(&self->config, path, false, &error), NM_ERR_REFUSED);
    fx_open(self);
    fx_has(self, &fx_plain, "place", "changed after the backup");
    fx_close(self);
    assert_int_equal(nm_store_restore(&self->config, path, true, &error), NM_OK);
    fx_open(self);
    fx_has(self, &fx_plain, "place", "the front door");
}

//  Twice the same backup: the second life must not take the numbers of the first.
static void
no_epoch_is_taken_twice_even_if_the_data_file_is_lost(void **state)
{
    fx_t *self = *state;
    char path[96];
    nm_error_t error;
    s_backup_path(self, path, sizeof path);
    assert_int_equal(nm_store_backup(self->store, path, &error), NM_OK);
    fx_close(self);
    for (uint32_t epoch = 2; epoch < 5; epoch++) {
        assert_int_equal(nm_store_restore(&self->config, path, true, &error), NM_OK);
        fx_open(self);
        assert_int_equal(nm_store_epoch(self->store), epoch);
        fx_close(self);
        assert_int_equal(unlink(fx_file(self, "data.mdb")), 0);
    }
}

//  The process ends in the middle: what it has written must not pass for a backup, nor stand in the way of the next.
static void
a_backup_has_its_name_only_once_it_is_whole(void **state)
{
    fx_t *self = *state;
    char path[96];
    nm_error_t error;
    int status = 0;
    s_backup_path(self, path, sizeof path);
    fx_close(self);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit small = { 8192, 8192 };
        fx_open(self);
        setrlimit(RLIMIT_FSIZE, &small);
        nm_store_backup(self->store, path, &error);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    assert_int_equal(access(path, F_OK), -1);
    fx_open(self);
    assert_int_equal(nm_store_backup(self->store, path, &error), NM_OK);
    fx_close(self);
    assert_int_equal(nm_store_restore(&self->config, path, true, &error), NM_OK);
    fx_open(self);
    fx_has(self, &fx_plain, "place", "the front door");
}

static void
s_refuses_backup(fx_t *self, const char *path, nm_rc_t expected)
{
    nm_error_t error;
    assert_int_equal(nm_store_restore(&self->config, path, true, &error), expected);
    fx_open(self);
    fx_has(self, &fx_plain, "place", "the front door");
    assert_int_equal(nm_store_epoch(self->store), 1);
    fx_close(self);
}

static void
a_backup_that_is_damaged_or_foreign_changes_nothing(void **state)
{
    fx_t *self = *state;
    char path[96];
    nm_error_t error;
    size_t size;
    s_backup_path(self, path, sizeof path);
    assert_int_equal(nm_store_backup(self->store, path, &error), NM_OK);
    fx_close(self);

    uint8_t *backup = fx_read_file(path, &size);
    uint8_t *at = memmem(backup, size, "the front door", 14);
    assert_non_null(at);
    at[4] ^= 4;
    fx_write_file(path, backup, size);
    s_refuses_backup(self, path, NM_ERR_CORRUPT);
    at[4] ^= 4;
    fx_write_file(path, backup, size - 5000);
    s_refuses_backup(self, path, NM_ERR_CORRUPT);
    fx_write_file(path, backup, size);
    free(backup);

    self->config.keys = &fx_keys[2];
    assert_int_equal(nm_store_restore(&self->config, path, true, &error), NM_ERR_REFUSED);
    self->config.keys = fx_keys;
    self->config.owner = "gateway-3";
    assert_int_equal(nm_store_restore(&self->config, path, true, &error), NM_ERR_REFUSED);
    self->config.owner = "router-1";
    s_refuses_backup(self, "/nonexistent/backup", NM_ERR_IO);
}

//  -- Backup beside the owner

typedef struct {
    fx_t *fx;
    char path[96];
    nm_rc_t rc;
} s_worker_t;

static void *
s_back_up(void *arg)
{
    s_worker_t *self = arg;
    nm_error_t error;
    self->rc = nm_store_backup(self->fx->store, self->path, &error);
    return NULL;
}

static nm_rc_t
s_put_pair(nm_txn_t *txn, void *arg)
{
    char text[16];
    snprintf(text, sizeof text, "%u", *(unsigned *) arg);
    nm_rc_t rc = nm_table_put(txn, &fx_plain, nm_text("pair"), nm_text(text));
    return rc == NM_OK ? nm_table_put(txn, &fx_sealed, nm_text("pair"), nm_text(text)) : rc;
}

static void
a_backup_beside_the_owner_is_of_one_moment(void **state)
{
    fx_t *self = *state;
    s_worker_t worker = { .fx = self };
    nm_error_t error;
    pthread_t thread;
    char plain[16];
    s_backup_path(self, worker.path, sizeof worker.path);
    for (unsigned i = 0; i < 400; i++) {
        if (i == 100)
            assert_int_equal(pthread_create(&thread, NULL, s_back_up, &worker), 0);
        assert_int_equal(nm_store_update(self->store, s_put_pair, &i), NM_OK);
    }
    pthread_join(thread, NULL);
    assert_int_equal(worker.rc, NM_OK);
    fx_close(self);
    assert_int_equal(nm_store_restore(&self->config, worker.path, true, &error), NM_OK);
    fx_open(self);
    assert_int_equal(fx_get(self, &fx_plain, "pair", plain, sizeof plain), NM_OK);
    fx_has(self, &fx_sealed, "pair", plain);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(an_epoch_is_taken_for_good),
        CLAIM(a_backup_opens_elsewhere_with_a_new_epoch),
        CLAIM(a_restore_replaces_only_when_asked_to),
        CLAIM(no_epoch_is_taken_twice_even_if_the_data_file_is_lost),
        CLAIM(a_backup_has_its_name_only_once_it_is_whole),
        CLAIM(a_backup_that_is_damaged_or_foreign_changes_nothing),
        CLAIM(a_backup_beside_the_owner_is_of_one_moment),
    };
    return cmocka_run_group_tests_name("lmdb_store/upkeep", tests, NULL, NULL);
}
