//  About tools/nctl/files.c: what it has made is there after a power cut, name and all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/nctl/files.h"

typedef struct {
    char folder[64];
    char path[NM_PATH_MAX];
} test_t;

//  What was synced last, and how much in all.
static struct stat s_last;
static unsigned s_sync_count;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int
__wrap_fsync(int fd)
{
    s_sync_count++;
    fstat(fd, &s_last);
    return __real_fsync(fd);
}

static int
s_setup(void **state)
{
    test_t *self = nm_alloc(sizeof *self);
    snprintf(self->folder, sizeof self->folder, "/tmp/nm-files-XXXXXX");
    *state = self;
    s_sync_count = 0;
    return mkdtemp(self->folder) ? 0 : -1;
}

static int
s_teardown(void **state)
{
    test_t *self = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", self->folder);
    int rc = system(command);
    free(self);
    return rc;
}

static void
s_expect_last(test_t *self, const char *name)
{
    struct stat is;
    nm_files_join(self->path, self->folder, name);
    assert_int_equal(stat(self->path, &is), 0);
    assert_int_equal(s_last.st_ino, is.st_ino);
}

static void
a_new_file_is_synced_and_then_its_folder(void **state)
{
    test_t *self = *state;
    nm_error_t error = { "" };
    assert_int_equal(nm_files_write(self->folder, "store.key", 0600, nm_text("1 secret"), &error), NM_OK);
    assert_int_equal(s_sync_count, 2);
    s_expect_last(self, ".");
    assert_int_equal(nm_files_write(self->folder, "store.key", 0600, nm_text("2 other"), &error), NM_ERR_DUPLICATE);
    assert_int_equal(s_sync_count, 2);
}

static void
a_new_folder_is_synced_in_the_one_above(void **state)
{
    test_t *self = *state;
    nm_error_t error = { "" };
    char path[NM_PATH_MAX];
    nm_files_join(path, self->folder, "mesh/keys");
    assert_int_equal(nm_files_folder(path, &error), NM_OK);
    assert_int_equal(s_sync_count, 2);
    s_expect_last(self, "mesh");
    assert_int_equal(nm_files_folder(path, &error), NM_OK);
    assert_int_equal(s_sync_count, 2);  //  Both were there
}

static void
keys_and_certificates_are_synced_with_their_names(void **state)
{
    test_t *self = *state;
    nm_error_t error = { "" };
    const uint8_t authority[NM_SIGN_SECRET_SIZE] = { 7 };
    nm_files_join(self->path, self->folder, "keys");
    assert_int_equal(mkdir(self->path, 0700), 0);
    nm_files_join(self->path, self->folder, "certs");
    assert_int_equal(mkdir(self->path, 0700), 0);
    nm_rc_t rc = nm_files_certify(self->folder, "email-1", NM_ROLE_EMAIL, 1795219200000, 365, authority, &error);
    assert_int_equal(rc, NM_OK);
    assert_int_equal(s_sync_count, 4);
    s_expect_last(self, "certs");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_new_file_is_synced_and_then_its_folder),
        CLAIM(a_new_folder_is_synced_in_the_one_above),
        CLAIM(keys_and_certificates_are_synced_with_their_names),
    };
    return cmocka_run_group_tests_name("tools/nctl/files", tests, NULL, NULL);
}
