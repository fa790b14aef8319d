//  About actors/channel/breaker.c: when a provider gets a rest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/channel/breaker.h"

static const nm_breaker_rule_t RULE = { .failures = 5, .open_ms = 60000 };

static nm_breaker_t
s_opened(int64_t now_ms)
{
    nm_breaker_t breaker = { 0 };
    for (int i = 0; i < 5; i++)
        nm_breaker_failure(&breaker, &RULE, now_ms);
    return breaker;
}

static void
opens_at_the_fifth_failure_in_a_row(void **state)
{
    (void) state;
    nm_breaker_t breaker = { 0 };
    for (int i = 0; i < 4; i++)
        nm_breaker_failure(&breaker, &RULE, 1000 + i);
    assert_true(nm_breaker_admits(&breaker, 1010));
    nm_breaker_failure(&breaker, &RULE, 1020);
    assert_false(nm_breaker_admits(&breaker, 1021));
    assert_int_equal(nm_breaker_state(&breaker, 1021), NM_BREAKER_OPEN);
    assert_int_equal(nm_breaker_admits_at(&breaker, 1021), 61020);
}

static void
counts_only_failures_in_a_row(void **state)
{
    (void) state;
    nm_breaker_t breaker = { 0 };
    for (int i = 0; i < 40; i++) {
        nm_breaker_failure(&breaker, &RULE, i);
        if (i % 4 == 3)
            nm_breaker_success(&breaker);
    }
    assert_int_equal(nm_breaker_state(&breaker, 41), NM_BREAKER_CLOSED);
}

static void
admits_exactly_one_trial_when_half_open(void **state)
{
    (void) state;
    nm_breaker_t breaker = s_opened(500);
    assert_false(nm_breaker_admits(&breaker, 60499));
    assert_true(nm_breaker_admits(&breaker, 60500));
    assert_int_equal(nm_breaker_state(&breaker, 60500), NM_BREAKER_HALF_OPEN);
    nm_breaker_start(&breaker, 60500);
    assert_false(nm_breaker_admits(&breaker, 60501));
    assert_false(nm_breaker_admits(&breaker, 999999));
    assert_true(nm_breaker_admits_at(&breaker, 60501) > 60501);
}

static void
closes_when_the_trial_works(void **state)
{
    (void) state;
    nm_breaker_t breaker = s_opened(500);
    nm_breaker_start(&breaker, 70000);
    nm_breaker_success(&breaker);
    assert_true(nm_breaker_admits(&breaker, 70001));
    for (int i = 0; i < 4; i++)
        nm_breaker_failure(&breaker, &RULE, 70002);
    assert_true(nm_breaker_admits(&breaker, 70003));
}

static void
opens_again_when_the_trial_fails(void **state)
{
    (void) state;
    nm_breaker_t breaker = s_opened(500);
    nm_breaker_start(&breaker, 70000);
    nm_breaker_failure(&breaker, &RULE, 70100);
    assert_false(nm_breaker_admits(&breaker, 130099));
    assert_true(nm_breaker_admits(&breaker, 130100));
}

static void
is_not_opened_longer_by_calls_that_began_before(void **state)
{
    (void) state;
    nm_breaker_t breaker = s_opened(500);
    nm_breaker_failure(&breaker, &RULE, 40000);
    assert_int_equal(nm_breaker_admits_at(&breaker, 40001), 60500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_at_the_fifth_failure_in_a_row),
        cmocka_unit_test(counts_only_failures_in_a_row),
        cmocka_unit_test(admits_exactly_one_trial_when_half_open),
        cmocka_unit_test(closes_when_the_trial_works),
        cmocka_unit_test(opens_again_when_the_trial_fails),
        cmocka_unit_test(is_not_opened_longer_by_calls_that_began_before),
    };
    return cmocka_run_group_tests_name("channel/breaker", tests, NULL, NULL);
}
