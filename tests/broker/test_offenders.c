//  About broker/offenders.c: who sends frames that are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/offenders.h"

static const uint8_t *
s_key(unsigned number)
{
    static uint8_t key[NM_CURVE_KEY_SIZE];
    nm_put_u32(key, number);
    return key;
}

static void
cuts_off_one_that_repeats_and_nobody_else(void **state)
{
    (void) state;
    nm_offenders_t offenders = { .count = 0 };
    for (int i = 1; i < NM_OFFENDER_FAULT_MAX; i++)
        assert_false(nm_offenders_add(&offenders, s_key(7), 100 + i));
    assert_false(nm_offenders_blocked(&offenders, s_key(7), 200));
    assert_true(nm_offenders_add(&offenders, s_key(7), 200));
    assert_true(nm_offenders_blocked(&offenders, s_key(7), 201));
    assert_false(nm_offenders_blocked(&offenders, s_key(8), 201));
}

static void
lets_it_in_again_after_a_while_with_a_clean_slate(void **state)
{
    (void) state;
    nm_offenders_t offenders = { .count = 0 };
    for (int i = 0; i < NM_OFFENDER_FAULT_MAX; i++)
        nm_offenders_add(&offenders, s_key(3), 50);
    assert_false(nm_offenders_blocked(&offenders, s_key(3), 50 + NM_OFFENDER_BLOCK_MS));
    assert_false(nm_offenders_add(&offenders, s_key(3), 51 + NM_OFFENDER_BLOCK_MS));
    assert_false(nm_offenders_blocked(&offenders, s_key(3), 52 + NM_OFFENDER_BLOCK_MS));
}

static void
forgets_the_quietest_when_a_crowd_comes(void **state)
{
    (void) state;
    nm_offenders_t offenders = { .count = 0 };
    for (int i = 0; i < NM_OFFENDER_FAULT_MAX; i++)
        nm_offenders_add(&offenders, s_key(1000), 5000);
    for (unsigned i = 0; i < 10 * NM_OFFENDER_COUNT; i++)
        nm_offenders_add(&offenders, s_key(i), (int64_t) i);
    assert_int_equal(offenders.count, NM_OFFENDER_COUNT);
    assert_true(nm_offenders_blocked(&offenders, s_key(1000), 5001));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_off_one_that_repeats_and_nobody_else),
        cmocka_unit_test(lets_it_in_again_after_a_while_with_a_clean_slate),
        cmocka_unit_test(forgets_the_quietest_when_a_crowd_comes),
    };
    return cmocka_run_group_tests_name("broker/offenders", tests, NULL, NULL);
}
