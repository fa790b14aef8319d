#include "tests/lmdb_store/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

//  About lmdb_store/guard.c: a crash inside LMDB says whose store it was, and ends the process.

static nm_rc_t
s_put_many(nm_txn_t *txn, void *arg)
{
    static uint8_t value[1000];
    nm_rc_t rc = NM_OK;
    (void) arg;
    for (uint32_t i = 0; i < 200 && rc == NM_OK; i++) {
        uint8_t key[4];
        nm_put_u32(key, i);
        rc = nm_table_put(txn, &fx_plain, nm_bytes(key, 4), nm_bytes(value, sizeof value));
    }
    return rc;
}

static nm_rc_t
s_read_all(nm_txn_t *txn, void *arg)
{
    nm_cursor_t cursor;
    nm_rc_t rc;
    nm_bytes_t value;
    (void) arg;
    nm_cursor_open(&cursor, txn, &fx_plain, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, NULL, &value)) == NM_OK)
        ;
    return rc;
}

static void
s_cut_off_under_it(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    nm_store_update(self->store, s_put_many, NULL);
    if (truncate(fx_file(self, "data.mdb"), 3 * 4096) == 0)
        nm_store_view(self->store, s_read_all, NULL);
    _exit(1);
}

//  Branches without a branch: LMDB asserts that there are two.
static void
s_overwrite_under_it(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    nm_store_update(self->store, s_put_many, NULL);
    long size = fx_file_size(fx_file(self, "data.mdb"));
    int fd = open(fx_file(self, "data.mdb"), O_WRONLY);
    for (uint64_t page = 2; page < (uint64_t) size / 4096; page++) {
        uint8_t head[16] = { [10] = 0x01, [12] = 16, [15] = 0x10 };
        memcpy(head, &page, sizeof page);
        if (pwrite(fd, head, sizeof head, (off_t) page * 4096) != sizeof head)
            _exit(1);
    }
    nm_store_view(self->store, s_read_all, NULL);
    nm_store_update(self->store, s_put_many, NULL);
    _exit(1);
}

static void
s_ends_with_a_line(fx_t *self, void (*fn)(void *arg), const char *part)
{
    char path[96];
    size_t size;
    fx_close(self);
    snprintf(path, sizeof path, "%s/stderr", self->folder);
    int status = fx_child(fn, self, path);
    char *text = (char *) fx_read_file(path, &size);
    text = nm_realloc(text, size + 1);
    text[size] = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != NM_STORE_EXIT_DAMAGED || !strstr(text, part))
        print_error("status %x, said:\n%s\n", (unsigned) status, text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), NM_STORE_EXIT_DAMAGED);
    assert_non_null(strstr(text, "\"event\":\"store_corrupt\""));
    assert_non_null(strstr(text, self->path));
    assert_non_null(strstr(text, part));
    free(text);
}

static void
a_page_that_cannot_be_read_ends_with_a_line(void **state)
{
    s_ends_with_a_line(*state, s_cut_off_under_it, "a page of data.mdb cannot be read");
}

static void
what_lmdb_asserts_ends_with_a_line(void **state)
{
    s_ends_with_a_line(*state, s_overwrite_under_it, "LMDB cannot go on");
}

static void
s_crash_elsewhere(void *arg)
{
    fx_t *self = arg;
    fx_open(self);
    raise(SIGSEGV);
    _exit(1);
}

static void
a_crash_elsewhere_is_none_of_ours(void **state)
{
    fx_t *self = *state;
    fx_close(self);
    int status = fx_child(s_crash_elsewhere, self, NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_page_that_cannot_be_read_ends_with_a_line),
        CLAIM(what_lmdb_asserts_ends_with_a_line),
        CLAIM(a_crash_elsewhere_is_none_of_ours),
    };
    return cmocka_run_group_tests_name("lmdb_store/guard", tests, NULL, NULL);
}
