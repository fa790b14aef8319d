//  About actors/channel/lineup.c: which provider a delivery goes to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/channel/lineup.h"

static const char THREE[] =
    "providers\n"
    "    slow\n        kind = \"sandbox\"\n        priority = 30\n        channels = \"email, sms\"\n"
    "    fast\n        kind = \"sandbox\"\n        priority = 10\n        channels = \"email\"\n"
    "    even\n        kind = \"sandbox\"\n        priority = 10\n"
    "    off\n        kind = \"sandbox\"\n        priority = 1\n        active = 0\n";
enum { FAST = 1, EVEN = 2, SLOW = 3 };  //  Places, by priority; off stands first

static nm_rc_t
s_open(nm_lineup_t *lineup, const char *text, nm_error_t *error)
{
    static nm_mesh_t mesh = { .folder = "/nonexistent", .public_domain = "mesh.test" };
    nm_metrics_t *metrics = nm_metrics_new();
    nm_zpl_t *root = nm_zpl_parse("mesh.zpl", nm_text(text), error);
    assert_non_null(root);
    nm_rc_t rc = nm_lineup_open(lineup, root->child, &mesh, metrics, error);
    nm_zpl_destroy(&root);
    nm_metrics_destroy(&metrics);
    return rc;
}

static nm_lineup_t
s_lineup(void)
{
    nm_lineup_t lineup;
    nm_error_t error = { "" };
    assert_int_equal(s_open(&lineup, THREE, &error), NM_OK);
    return lineup;
}

static int
s_pick(const nm_lineup_t *lineup, nm_channel_t channel, int wish, int last)
{
    nm_need_of_t need = { channel, wish, last };
    int at = -9;
    int64_t until_ms = -9;
    nm_rc_t rc = nm_lineup_pick(lineup, &need, 1000, &at, &until_ms);
    return rc == NM_OK ? at : rc == NM_ERR_BUSY ? (int) -until_ms : -1;
}

static void
takes_the_lowest_priority_number_that_can(void **state)
{
    (void) state;
    nm_lineup_t lineup = s_lineup();
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_ANY, NM_LINEUP_ANY), FAST);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_SMS, NM_LINEUP_ANY, NM_LINEUP_ANY), EVEN);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_ANY, FAST), EVEN);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_ANY, EVEN), FAST);
    nm_lineup_close(&lineup);
}

static void
stays_with_the_one_that_was_asked_for(void **state)
{
    (void) state;
    nm_lineup_t lineup = s_lineup();
    assert_int_equal(nm_lineup_find(&lineup, nm_text("slow")), SLOW);
    assert_int_equal(nm_lineup_find(&lineup, nm_text("")), NM_LINEUP_ANY);
    assert_int_equal(nm_lineup_find(&lineup, nm_text("nobody")), NM_LINEUP_UNKNOWN);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, SLOW, SLOW), SLOW);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_PUSH, SLOW, NM_LINEUP_ANY), -1);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, 0, NM_LINEUP_ANY), -1);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_UNKNOWN, NM_LINEUP_ANY), -1);
    nm_lineup_close(&lineup);
}

static void
passes_over_open_breakers_and_says_when_the_first_may_be_tried(void **state)
{
    (void) state;
    nm_lineup_t lineup = s_lineup();
    lineup.at[FAST].breaker = (nm_breaker_t){ .open = true, .until_ms = 5000 };
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_ANY, NM_LINEUP_ANY), EVEN);
    lineup.at[EVEN].breaker = (nm_breaker_t){ .open = true, .until_ms = 4000 };
    lineup.at[SLOW].breaker = (nm_breaker_t){ .open = true, .until_ms = 9000 };
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_ANY, NM_LINEUP_ANY), -4000);
    lineup.at[SLOW].breaker.until_ms = 1000;
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_ANY, NM_LINEUP_ANY), SLOW);
    nm_lineup_close(&lineup);
}

static void
goes_back_to_the_breakers_of_the_last_commit(void **state)
{
    (void) state;
    nm_lineup_t lineup = s_lineup();
    lineup.at[FAST].breaker.failures = 3;
    nm_lineup_keep(&lineup);
    lineup.at[FAST].breaker.failures = 4;
    nm_lineup_revert(&lineup);
    assert_int_equal(lineup.at[FAST].breaker.failures, 3);
    nm_lineup_close(&lineup);
}

static void
names_the_line_of_a_fault(void **state)
{
    (void) state;
    static const char *const CASES[][2] = {
        { "providers\n    a\n        priority = 1\n", "mesh.zpl line 2" },
        { "providers\n    a\n        kind = \"pigeon\"\n",
          "mesh.zpl line 3: provider a needs a kind: smtp, maildir, sandbox" },
        { "providers\n    a\n        kind = \"sandbox\"\n        host = \"x\"\n", "mesh.zpl line 4" },
        { "providers\n    a\n        kind = \"sandbox\"\n    b\n        kind = \"maildir\"\n", "mesh.zpl line 4" },
        { "providers\n    a\n        kind = \"smtp\"\n        host = \"x\"\n        channels = \"sms\"\n",
          "mesh.zpl line 5" },
        { "providers\n    a\n        kind = \"sandbox\"\n        active = 2\n", "mesh.zpl line 4" },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        nm_lineup_t lineup;
        nm_error_t error = { "" };
        assert_int_equal(s_open(&lineup, CASES[i][0], &error), NM_ERR_MALFORMED);
        if (!strstr(error.text, CASES[i][1]))
            fail_msg("case %zu: \"%s\"", i, error.text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_lowest_priority_number_that_can),
        cmocka_unit_test(stays_with_the_one_that_was_asked_for),
        cmocka_unit_test(passes_over_open_breakers_and_says_when_the_first_may_be_tried),
        cmocka_unit_test(goes_back_to_the_breakers_of_the_last_commit),
        cmocka_unit_test(names_the_line_of_a_fault),
    };
    return cmocka_run_group_tests_name("channel/lineup", tests, NULL, NULL);
}
