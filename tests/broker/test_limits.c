//  About broker/limits.c: how much is let through, and when there is more.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/limits.h"

static const nm_share_t ALONE = { .count = 1 };
static const int64_t NOW_MS = INT64_C(1795737600123);  //  123 ms into a day

//  Takes what is there, one by one.
static uint64_t
s_drain(nm_bucket_t *bucket, const nm_rate_t *rate, int64_t now_ms)
{
    uint64_t taken = 0;
    while (nm_bucket_left(bucket, rate, now_ms) > 0) {
        nm_bucket_take(bucket, 1);
        taken++;
    }
    return taken;
}

static void
a_new_bucket_is_full_and_no_fuller(void **state)
{
    (void) state;
    nm_rate_t rate = nm_rate_make(60, 10, ALONE), whole = nm_rate_make(60, 0, ALONE);
    nm_bucket_t bucket = { 0 }, other = { 0 };
    assert_int_equal(nm_bucket_left(&bucket, &rate, NOW_MS), 10);
    assert_int_equal(nm_bucket_left(&other, &whole, NOW_MS), 60);
    assert_int_equal(nm_bucket_full_ms(&bucket, &rate), 0);
    assert_int_equal(nm_bucket_left(&bucket, &rate, NOW_MS + NM_DAY_MS), 10);
}

static void
tokens_come_back_when_the_wait_is_over_and_not_before(void **state)
{
    (void) state;
    static const uint64_t RATES[] = { 1, 7, 60, 1000, 59999, 60000, 4294967295 };
    for (size_t i = 0; i < NM_COUNT(RATES); i++) {
        nm_rate_t rate = nm_rate_make(RATES[i], 3, ALONE);
        nm_bucket_t bucket = { 0 };
        assert_int_equal(s_drain(&bucket, &rate, NOW_MS), 3);
        int64_t wait_ms = nm_bucket_wait_ms(&bucket, &rate);
        assert_true(wait_ms > 0);
        assert_int_equal(nm_bucket_left(&bucket, &rate, NOW_MS + wait_ms - 1), 0);
        assert_true(nm_bucket_left(&bucket, &rate, NOW_MS + wait_ms) >= 1);
    }
}

//  However the time is cut into pieces.
static void
never_lets_more_through_than_burst_and_rate(void **state)
{
    (void) state;
    nm_rate_t rate = nm_rate_make(700, 50, ALONE);
    static const int64_t STEPS_MS[] = { 1, 3, 86, 999, 5000 };
    for (size_t i = 0; i < NM_COUNT(STEPS_MS); i++) {
        nm_bucket_t bucket = { 0 };
        uint64_t taken = 0;
        for (int64_t at_ms = 0; at_ms < 600000; at_ms += STEPS_MS[i])
            taken += s_drain(&bucket, &rate, NOW_MS + at_ms);
        assert_true(taken <= 50 + 7000);
        assert_true(STEPS_MS[i] > 4000 || taken >= 50 + 6980);
    }
}

static void
what_was_lent_is_there_until_time_moves_on(void **state)
{
    (void) state;
    nm_rate_t rate = nm_rate_make(60, 4, ALONE);
    nm_bucket_t bucket = { 0 };
    assert_int_equal(nm_bucket_left(&bucket, &rate, NOW_MS), 4);
    nm_bucket_put(&bucket, 9);
    assert_int_equal(nm_bucket_left(&bucket, &rate, NOW_MS), 13);
    assert_int_equal(nm_bucket_left(&bucket, &rate, NOW_MS + 1), 4);
}

static void
a_clock_that_was_set_back_gives_nothing(void **state)
{
    (void) state;
    nm_rate_t rate = nm_rate_make(60, 2, ALONE);
    nm_bucket_t bucket = { 0 };
    nm_count_t count = { 0 };
    s_drain(&bucket, &rate, NOW_MS);
    assert_int_equal(nm_bucket_left(&bucket, &rate, NOW_MS - NM_HOUR_MS), 0);
    nm_count_left(&count, 5, NM_DAY_MS, NOW_MS);
    count.used = 5;
    assert_int_equal(nm_count_left(&count, 5, NM_DAY_MS, NOW_MS - NM_DAY_MS), 0);
}

static void
a_count_begins_anew_with_the_day(void **state)
{
    (void) state;
    nm_count_t count = { 0 };
    assert_int_equal(nm_count_left(&count, 5, NM_DAY_MS, NOW_MS), 5);
    count.used = 5;
    int64_t wait_ms = nm_count_wait_ms(NM_DAY_MS, NOW_MS);
    assert_int_equal(wait_ms, NM_DAY_MS - 123);
    assert_int_equal(nm_count_left(&count, 5, NM_DAY_MS, NOW_MS + wait_ms - 1), 0);
    assert_int_equal(nm_count_left(&count, 5, NM_DAY_MS, NOW_MS + wait_ms), 5);
}

static void
a_limit_that_was_lowered_leaves_nothing_rather_than_a_debt(void **state)
{
    (void) state;
    nm_count_t count = { 0 };
    nm_count_left(&count, 9, NM_HOUR_MS, NOW_MS);
    count.used = 9;
    assert_int_equal(nm_count_left(&count, 4, NM_HOUR_MS, NOW_MS), 0);
    count.used = -2;
    assert_int_equal(nm_count_left(&count, 4, NM_HOUR_MS, NOW_MS), 6);
}

static void
shares_add_up_to_the_limit(void **state)
{
    (void) state;
    static const uint64_t LIMITS[] = { 0, 1, 2, 5, 100, 4294967295 };
    for (size_t i = 0; i < NM_COUNT(LIMITS); i++)
        for (uint64_t count = 1; count <= 7; count++) {
            uint64_t sum = 0;
            for (uint64_t rank = 0; rank < count; rank++)
                sum += nm_share_of(LIMITS[i], (nm_share_t){ count, rank });
            assert_int_equal(sum, LIMITS[i]);
        }
}

static void
shares_of_a_rate_come_back_at_the_rate_together(void **state)
{
    (void) state;
    uint64_t taken = 0;
    for (uint64_t rank = 0; rank < 3; rank++) {
        nm_rate_t rate = nm_rate_make(100, 1, (nm_share_t){ 3, rank });
        nm_bucket_t bucket = { 0 };
        for (int64_t at_ms = 0; at_ms <= 600000; at_ms += 10)
            taken += s_drain(&bucket, &rate, NOW_MS + at_ms);
    }
    assert_in_range(taken, 1000 - 3, 1000 + 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_bucket_is_full_and_no_fuller),
        cmocka_unit_test(tokens_come_back_when_the_wait_is_over_and_not_before),
        cmocka_unit_test(never_lets_more_through_than_burst_and_rate),
        cmocka_unit_test(what_was_lent_is_there_until_time_moves_on),
        cmocka_unit_test(a_clock_that_was_set_back_gives_nothing),
        cmocka_unit_test(a_count_begins_anew_with_the_day),
        cmocka_unit_test(a_limit_that_was_lowered_leaves_nothing_rather_than_a_debt),
        cmocka_unit_test(shares_add_up_to_the_limit),
        cmocka_unit_test(shares_of_a_rate_come_back_at_the_rate_together),
    };
    return cmocka_run_group_tests_name("broker/limits", tests, NULL, NULL);
}
