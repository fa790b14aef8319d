//  About actors/providers/maildir.c: a file in new/, once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/providers/maildir.h"

typedef struct {
    char folder[64];
    void *config;
} s_fixture_t;

static int
s_setup(void **state)
{
    s_fixture_t *self = nm_alloc(sizeof *self);
    snprintf(self->folder, sizeof self->folder, "/tmp/nm-maildir-XXXXXX");
    assert_non_null(mkdtemp(self->folder));
    nm_mesh_t mesh = { .public_domain = "mesh.test" };
    snprintf(mesh.folder, sizeof mesh.folder, "%s", self->folder);
    nm_error_t error = { "" };
    nm_zpl_t *root = nm_zpl_parse("mesh.zpl", nm_text("box\n    path = \"mail\"\n"), &error);
    assert_int_equal(nm_maildir_driver.open(&self->config, root->child, &mesh, &error), NM_OK);
    nm_zpl_destroy(&root);
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    s_fixture_t *self = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", self->folder);
    nm_maildir_driver.close(self->config);
    int rc = system(command);
    free(self);
    return rc;
}

//  Runs the work here and now, as the worker thread would.
static nm_verdict_t
s_deliver(s_fixture_t *self, uint8_t id, const char *text, nm_result_t *result)
{
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    memset(delivery.notification.at, id, NM_ID_SIZE);
    NM_PUT(&delivery, delivery, number, 2);
    NM_PUT(&delivery, delivery, generation, 1);
    NM_PUT(&delivery, delivery, created_at, 1795233591123);
    NM_PUT(&delivery, delivery, recipient, nm_text("ada@example.com"));
    NM_PUT(&delivery, delivery, content, nm_text(text));
    nm_order_t order = { &delivery, 1795233591123, 4 };
    nm_effect_t *effect = NULL;
    nm_error_t error = { "" };
    assert_int_equal(nm_maildir_driver.prepare(self->config, &order, &effect, &error), NM_OK);
    memset(result, 0, sizeof *result);
    effect->work(effect->work_arg, result);
    nm_effect_destroy(&effect);
    nm_verdict_t verdict;
    nm_maildir_driver.classify(result, &verdict);
    return verdict;
}

static size_t
s_count(s_fixture_t *self, const char *part, char name[256])
{
    char path[128];
    snprintf(path, sizeof path, "%s/mail/%s", self->folder, part);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.') {
            snprintf(name, 256, "%.200s", entry->d_name);
            count++;
        }
    closedir(folder);
    return count;
}

static void
puts_a_message_into_new(void **state)
{
    s_fixture_t *self = *state;
    nm_result_t result;
    char name[256] = "", path[512], text[2048];
    nm_verdict_t verdict = s_deliver(self, 0x42, "one\r\ntwo", &result);
    assert_int_equal(verdict.outcome, NM_OUTCOME_SENT);
    assert_int_equal(s_count(self, "new", name), 1);
    assert_int_equal(s_count(self, "tmp", path), 0);
    assert_string_equal(name, "1795233591.42424242-4242-4242-4242-424242424242_2_1.nmesh");

    snprintf(path, sizeof path, "%s/mail/new/%s", self->folder, name);
    struct stat stat_of;
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0600);
    FILE *file = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    assert_non_null(strstr(text, "Return-Path: <nmesh@mesh.test>\nDelivered-To: ada@example.com\nDate: Sat, 21 Nov"));
    assert_non_null(strstr(text, "\n\none\ntwo\n"));
    assert_null(strchr(text, '\r'));
}

static void
makes_folders_that_nobody_else_reads(void **state)
{
    s_fixture_t *self = *state;
    static const char *const PARTS[] = { "", "new", "cur", "tmp" };
    nm_result_t result;
    s_deliver(self, 1, "x", &result);
    for (size_t i = 0; i < NM_COUNT(PARTS); i++) {
        char path[128];
        struct stat stat_of;
        snprintf(path, sizeof path, "%s/mail/%s", self->folder, PARTS[i]);
        assert_int_equal(stat(path, &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 0777, 0700);
    }
}

static void
replaces_rather_than_doubles(void **state)
{
    s_fixture_t *self = *state;
    nm_result_t result;
    char name[256];
    s_deliver(self, 7, "the same", &result);
    s_deliver(self, 7, "the same", &result);
    assert_int_equal(s_count(self, "new", name), 1);
    s_deliver(self, 8, "another", &result);
    assert_int_equal(s_count(self, "new", name), 2);
}

static void
tries_again_when_the_folder_cannot_be_written(void **state)
{
    s_fixture_t *self = *state;
    nm_result_t result;
    char path[128];
    snprintf(path, sizeof path, "%s/mail", self->folder);
    FILE *file = fopen(path, "w");
    fclose(file);
    nm_verdict_t verdict = s_deliver(self, 9, "x", &result);
    assert_int_equal(verdict.outcome, NM_OUTCOME_LATER);
    assert_true(verdict.counts);
    assert_int_equal(verdict.code, ENOTDIR);
    assert_true(verdict.detail.size > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_a_message_into_new, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(makes_folders_that_nobody_else_reads, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(replaces_rather_than_doubles, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(tries_again_when_the_folder_cannot_be_written, s_setup, s_teardown),
    };
    return cmocka_run_group_tests_name("providers/maildir", tests, NULL, NULL);
}
