//  About tools/nctl/supervisor.c: who is taken for the one that runs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "tools/nctl/files.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/supervisor.h"

//  What stating.c and reach.c, which the supervisor is linked with, would say.
void
nm_nctl_say(const char *format, ...)
{
    (void) format;
}

int
nm_nctl_fail(const char *format, ...)
{
    (void) format;
    return NM_FAILED;
}

//  Signals are sent to who is found, and the number of one that has ended may be anybody's by now.
static void
does_not_take_the_last_one_for_the_one_that_begins(void **state)
{
    (void) state;
    char folder[] = "/tmp/nmesh-supervisor-XXXXXX", path[NM_PATH_MAX];
    nm_error_t error = { "" };
    pid_t pid;
    int lock;
    assert_non_null(mkdtemp(folder));
    nm_files_join(path, folder, "run");
    assert_int_equal(nm_files_folder(path, &error), NM_OK);
    assert_int_equal(nm_files_write(folder, "run/nctl.pid", 0600, nm_text("54321\n"), &error), NM_OK);
    assert_int_equal(nm_supervisor_find(folder, &pid), NM_ERR_MISSING);

    assert_int_equal(nm_supervisor_lock(folder, &lock, &error), NM_OK);
    assert_int_equal(nm_supervisor_find(folder, &pid), NM_ERR_MISSING);
    close(lock);
    nm_files_join(path, folder, "run/nctl.pid");
    unlink(path);
    nm_files_join(path, folder, "run");
    rmdir(path);
    rmdir(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_not_take_the_last_one_for_the_one_that_begins),
    };
    return cmocka_run_group_tests_name("tools/nctl/supervisor", tests, NULL, NULL);
}
