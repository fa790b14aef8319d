//  About actors/channel/retry.c: when a delivery is tried again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/channel/retry.h"

static void
waits_two_four_and_eight_seconds_and_then_no_more(void **state)
{
    (void) state;
    static const int64_t WANT_MS[] = { 2000, 4000, 8000 };
    nm_retry_t retry;
    nm_retry_init(&retry);
    for (unsigned tries = 1; tries <= 3; tries++) {
        int64_t least = INT64_MAX, most = 0;
        for (uint64_t random = 0; random < 20000; random += 7) {
            int64_t delay_ms;
            assert_int_equal(nm_retry_delay(&retry, tries, -1, random, &delay_ms), NM_OK);
            least = delay_ms < least ? delay_ms : least;
            most = delay_ms > most ? delay_ms : most;
        }
        assert_int_equal(least, WANT_MS[tries - 1] * 9 / 10);
        assert_int_equal(most, WANT_MS[tries - 1] * 11 / 10);
    }
    int64_t delay_ms = -77;
    assert_int_equal(nm_retry_delay(&retry, 4, -1, 5, &delay_ms), NM_ERR_MISSING);
    assert_int_equal(delay_ms, -77);
}

static void
repeats_the_last_delay(void **state)
{
    (void) state;
    nm_retry_t retry = { .retries = 9, .delays_ms = { 100, 700 }, .delay_count = 2, .most_ms = 60000 };
    int64_t delay_ms;
    assert_int_equal(nm_retry_delay(&retry, 9, -1, 123, &delay_ms), NM_OK);
    assert_int_equal(delay_ms, 700);
}

static void
never_waits_longer_than_the_longest(void **state)
{
    (void) state;
    nm_retry_t retry = { .retries = 2, .delays_ms = { 90000 }, .delay_count = 1, .most_ms = 4000 };
    int64_t delay_ms;
    assert_int_equal(nm_retry_delay(&retry, 1, -1, 99, &delay_ms), NM_OK);
    assert_int_equal(delay_ms, 4000);
}

static void
follows_the_providers_wish_and_never_undercuts_it(void **state)
{
    (void) state;
    nm_retry_t retry;
    nm_retry_init(&retry);
    for (uint64_t random = 0; random < 5000; random += 3) {
        int64_t delay_ms;
        assert_int_equal(nm_retry_delay(&retry, 1, 30000, random, &delay_ms), NM_OK);
        assert_in_range(delay_ms, 30000, 33000);
    }
}

static void
believes_a_wish_up_to_an_hour(void **state)
{
    (void) state;
    nm_retry_t retry;
    nm_retry_init(&retry);
    retry.jitter_percent = 0;
    int64_t delay_ms;
    assert_int_equal(nm_retry_delay(&retry, 1, INT64_MAX, 1, &delay_ms), NM_OK);
    assert_int_equal(delay_ms, 3600 * 1000);
    assert_int_equal(nm_retry_delay(&retry, 4, 1000, 1, &delay_ms), NM_ERR_MISSING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_two_four_and_eight_seconds_and_then_no_more),
        cmocka_unit_test(repeats_the_last_delay),
        cmocka_unit_test(never_waits_longer_than_the_longest),
        cmocka_unit_test(follows_the_providers_wish_and_never_undercuts_it),
        cmocka_unit_test(believes_a_wish_up_to_an_hour),
    };
    return cmocka_run_group_tests_name("channel/retry", tests, NULL, NULL);
}
