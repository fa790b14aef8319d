//  About actors/channel/lineup.c: which provider a delivery goes to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/channel/lineup.h"
#include "wire/id.h"

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

//  -- Renewed

//  Setups of a part of a mesh file.
static size_t
s_setups(const char *text, nm_provider_setup_t *setups)
{
    static nm_mesh_t mesh = { .folder = "/nonexistent", .public_domain = "mesh.test" };
    nm_error_t error = { "" };
    size_t count = 0;
    nm_zpl_t *root = nm_zpl_parse("mesh.zpl", nm_text(text), &error);
    for (const nm_zpl_t *node = root->child->child; node; node = node->next)
        assert_int_equal(nm_provider_setup_open(&setups[count++], node, &mesh, &error), NM_OK);
    nm_zpl_destroy(&root);
    return count;
}

static void
s_renew(nm_lineup_t *lineup, const char *text, int64_t now_ms, bool calling)
{
    nm_provider_setup_t setups[8];
    nm_metrics_t *metrics = nm_metrics_new();
    size_t count = s_setups(text, setups);
    for (size_t i = 0; i < lineup->count; i++)  //  Metrics of the test live as long as one lineup
        lineup->at[i].state = nm_metrics_make(metrics, NM_FAMILY_BREAKER, "old", NULL);
    nm_lineup_renew(lineup, setups, count, metrics, now_ms, calling);
    nm_metrics_destroy(&metrics);
}

static void
a_breaker_stays_with_a_provider_that_calls_as_before(void **state)
{
    (void) state;
    nm_lineup_t lineup = { 0 };
    static const char BEFORE[] = "providers\n"
                                 "    same\n        kind = \"maildir\"\n        path = \"a\"\n"
                                 "    moved\n        kind = \"maildir\"\n        path = \"b\"\n";
    static const char AFTER[] = "providers\n"
                                "    moved\n        kind = \"maildir\"\n        path = \"other\"\n"
                                "    same\n        priority = 7\n        path = \"a\"\n        kind = \"maildir\"\n";
    s_renew(&lineup, BEFORE, 0, false);
    lineup.at[0].breaker.failures = 3;
    lineup.at[1].breaker.failures = 4;
    s_renew(&lineup, AFTER, 0, false);
    assert_int_equal(lineup.count, 2);
    int same = nm_lineup_find(&lineup, nm_text("same")), moved = nm_lineup_find(&lineup, nm_text("moved"));
    assert_int_equal(same, 0);
    assert_int_equal(lineup.at[same].breaker.failures, 3);
    assert_int_equal(lineup.at[moved].breaker.failures, 0);
    nm_lineup_close(&lineup);
}

static void
one_that_is_gone_is_kept_for_its_calls_and_gets_no_more(void **state)
{
    (void) state;
    nm_lineup_t lineup = { 0 };
    static const char TWO[] = "providers\n    a\n        kind = \"sandbox\"\n    b\n        kind = \"sandbox\"\n";
    static const char ONE[] = "providers\n    b\n        kind = \"sandbox\"\n";
    static const char OTHER_A[] = "providers\n    a\n        kind = \"maildir\"\n        path = \"p\"\n";
    s_renew(&lineup, TWO, 0, false);
    s_renew(&lineup, ONE, 500, true);
    assert_int_equal(lineup.count, 2);
    assert_int_equal(nm_lineup_find(&lineup, nm_text("a")), NM_LINEUP_UNKNOWN);
    assert_int_equal(s_pick(&lineup, NM_CHANNEL_EMAIL, NM_LINEUP_ANY, NM_LINEUP_ANY), 0);
    assert_string_equal(lineup.at[0].setup.name, "b");
    assert_int_equal(nm_lineup_find_called(&lineup, nm_text("a"), 400), 1);
    assert_int_equal(nm_lineup_find_called(&lineup, nm_text("a"), 501), -1);
    //  Another one takes the name: each call is told by who it went to
    s_renew(&lineup, OTHER_A, 600, true);
    int old = nm_lineup_find_called(&lineup, nm_text("a"), 400),
        new = nm_lineup_find_called(&lineup, nm_text("a"), 700);
    assert_string_equal(lineup.at[old].setup.driver->kind, "sandbox");
    assert_string_equal(lineup.at[new].setup.driver->kind, "maildir");
    s_renew(&lineup, ONE, 800, false);
    assert_int_equal(lineup.count, 1);
    nm_lineup_close(&lineup);
}

static void
one_that_is_for_some_tenants_is_for_no_others(void **state)
{
    (void) state;
    nm_lineup_t lineup = { 0 };
    static const char TEXT[] = "providers\n"
                               "    few\n        kind = \"sandbox\"\n        priority = 1\n"
                               "        services = \"0190163d-8694-739b-aea5-966c26f8ad91\"\n"
                               "    all\n        kind = \"sandbox\"\n";
    nm_id_t theirs, others = { { 1 } };
    assert_int_equal(nm_id_from_text(nm_text("0190163d-8694-739b-aea5-966c26f8ad91"), &theirs), NM_OK);
    s_renew(&lineup, TEXT, 0, false);
    nm_need_of_t need = { NM_CHANNEL_EMAIL, NM_LINEUP_ANY, NM_LINEUP_ANY, &theirs };
    int at;
    int64_t until_ms;
    assert_int_equal(nm_lineup_pick(&lineup, &need, 0, &at, &until_ms), NM_OK);
    assert_int_equal(at, 0);
    need.service = &others;
    assert_int_equal(nm_lineup_pick(&lineup, &need, 0, &at, &until_ms), NM_OK);
    assert_int_equal(at, 1);
    need.service = NULL;
    assert_int_equal(nm_lineup_pick(&lineup, &need, 0, &at, &until_ms), NM_OK);
    assert_int_equal(at, 1);
    nm_lineup_close(&lineup);
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
        cmocka_unit_test(a_breaker_stays_with_a_provider_that_calls_as_before),
        cmocka_unit_test(one_that_is_gone_is_kept_for_its_calls_and_gets_no_more),
        cmocka_unit_test(one_that_is_for_some_tenants_is_for_no_others),
    };
    return cmocka_run_group_tests_name("channel/lineup", tests, NULL, NULL);
}
