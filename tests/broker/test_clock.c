//  About broker/clock.c: what happens when somebody sets the clock.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/clock.h"
#include "broker/log.h"

enum { HOUR_MS = 3600 * 1000 };

static void
follows_the_wall_clock(void **state)
{
    (void) state;
    nm_clock_t clock = { 0 };
    assert_int_equal(nm_clock_follow(&clock, 1000000, 5).wall_ms, 1000000);
    assert_int_equal(nm_clock_follow(&clock, 1000250, 255).wall_ms, 1000250);
    assert_int_equal(nm_clock_follow(&clock, 1000250 + HOUR_MS, 256).wall_ms, 1000250 + HOUR_MS);
}

static void
runs_on_when_the_wall_clock_goes_back(void **state)
{
    (void) state;
    nm_clock_t clock = { 0 };
    int64_t start = 100 * (int64_t) HOUR_MS;
    nm_clock_follow(&clock, start, 0);
    assert_int_equal(nm_clock_follow(&clock, start - HOUR_MS, 100).wall_ms, start + 100);
    assert_int_equal(nm_clock_follow(&clock, start - HOUR_MS + 400, 500).wall_ms, start + 500);
    //  Once the real clock has caught up it is followed again.
    assert_int_equal(nm_clock_follow(&clock, start + 7000, 7000).wall_ms, start + 7000);
    assert_false(clock.ahead);
}

static void
never_goes_back_by_a_small_slew(void **state)
{
    (void) state;
    nm_clock_t clock = { 0 };
    nm_clock_follow(&clock, 50000, 0);
    assert_int_equal(nm_clock_follow(&clock, 49990, 3).wall_ms, 50000);
    assert_int_equal(nm_clock_follow(&clock, 50001, 20).wall_ms, 50001);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_wall_clock),
        cmocka_unit_test(runs_on_when_the_wall_clock_goes_back),
        cmocka_unit_test(never_goes_back_by_a_small_slew),
    };
    nm_log_open("test", NM_LOG_CRITICAL);
    return cmocka_run_group_tests_name("broker/clock", tests, NULL, NULL);
}
