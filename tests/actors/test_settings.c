//  About actors/channel/settings.c: the worker's part of the mesh file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/channel/settings.h"

static nm_rc_t
s_open(const char *text, nm_channel_settings_t *settings, nm_error_t *error)
{
    nm_zpl_t *root = nm_zpl_parse("mesh.zpl", nm_text(text), error);
    assert_non_null(root);
    nm_rc_t rc = nm_channel_settings_open(settings, root->child, error);
    nm_zpl_destroy(&root);
    return rc;
}

static void
has_the_promised_defaults(void **state)
{
    (void) state;
    nm_channel_settings_t settings = { 0 };
    nm_error_t error = { "" };
    assert_int_equal(nm_channel_settings_open(&settings, NULL, &error), NM_OK);
    assert_int_equal(settings.concurrency, 256);
    assert_int_equal(settings.backlog, 1024);
    assert_int_equal(settings.retry.retries, 3);
    assert_int_equal(settings.retry.delay_count, 3);
    assert_int_equal(settings.retry.delays_ms[2], 8000);
    assert_int_equal(settings.retry.jitter_percent, 10);
    assert_int_equal(settings.breaker.failures, 5);
    assert_int_equal(settings.breaker.open_ms, 60000);
    assert_false(settings.park);
}

static void
reads_what_is_there(void **state)
{
    (void) state;
    nm_channel_settings_t settings = { 0 };
    nm_error_t error = { "" };
    assert_int_equal(s_open("email\n    concurrency = 7\n    backlog = 9\n    retries = 4\n"
                            "    retry_delays = \"250ms 3s, 2m 1h\"\n    retry_longest = \"90m\"\n"
                            "    jitter_percent = 0\n    breaker_failures = 2\n    breaker_open = \"5s\"\n"
                            "    on_unknown = \"park\"\n",
                            &settings, &error),
                     NM_OK);
    static const int64_t DELAYS_MS[] = { 250, 3000, 120000, 3600000 };
    assert_int_equal(settings.concurrency, 7);
    assert_int_equal(settings.backlog, 9);
    assert_int_equal(settings.retry.retries, 4);
    assert_int_equal(settings.retry.delay_count, 4);
    assert_memory_equal(settings.retry.delays_ms, DELAYS_MS, sizeof DELAYS_MS);
    assert_int_equal(settings.retry.most_ms, 5400000);
    assert_int_equal(settings.retry.jitter_percent, 0);
    assert_int_equal(settings.breaker.failures, 2);
    assert_int_equal(settings.breaker.open_ms, 5000);
    assert_true(settings.park);
}

static void
names_the_line_of_a_fault(void **state)
{
    (void) state;
    static const char *const CASES[][2] = {
        { "email\n    concurrency = 1\n    retires = 3\n", "mesh.zpl line 3" },
        { "email\n    concurrency = 0\n", "mesh.zpl line 2" },
        { "email\n    retry_delays = \"2s 4x\"\n", "mesh.zpl line 2" },
        { "email\n    retry_delays = \" \"\n", "mesh.zpl line 2" },
        { "email\n    retry_delays = \"-2s\"\n", "mesh.zpl line 2" },
        { "email\n    retry_delays = \"25h\"\n", "mesh.zpl line 2" },
        { "email\n    retry_delays = \"1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\"\n", "mesh.zpl line 2" },
        { "email\n    backlog = 2\n    on_unknown = \"guess\"\n", "mesh.zpl line 3" },
        { "email\n    jitter_percent = 101\n", "mesh.zpl line 2" },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        nm_channel_settings_t settings = { 0 };
        nm_error_t error = { "" };
        assert_int_equal(s_open(CASES[i][0], &settings, &error), NM_ERR_MALFORMED);
        if (!strstr(error.text, CASES[i][1]))
            fail_msg("case %zu: \"%s\"", i, error.text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_promised_defaults),
        cmocka_unit_test(reads_what_is_there),
        cmocka_unit_test(names_the_line_of_a_fault),
    };
    return cmocka_run_group_tests_name("channel/settings", tests, NULL, NULL);
}
