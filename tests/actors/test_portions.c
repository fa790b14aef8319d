//  portions: one service has much where others have little, and never all.
#include "tests/broker/check.h"

#include "actors/accounts/portions.h"

enum { PLACES = 1000 };

static nm_id_t
s_service(uint8_t number)
{
    return (nm_id_t){ { number, 7 } };
}

static uint64_t
s_take_all(nm_portions_t *self, uint8_t number)
{
    nm_id_t service = s_service(number);
    while (nm_portions_may(self, &service, PLACES))
        nm_portions_take(self, &service);
    return nm_portions_of(self, &service);
}

static void
one_alone_has_three_quarters(void **state)
{
    (void) state;
    nm_portions_t self = { 0 };
    assert_int_equal(s_take_all(&self, 1), 750);
    nm_portions_free(&self);
}

static void
who_takes_all_it_can_leaves_a_quarter(void **state)
{
    (void) state;
    nm_portions_t self = { 0 };
    uint64_t left = PLACES;
    for (uint8_t number = 3; number > 0; number--) {
        s_take_all(&self, number);
        assert_in_range(PLACES - self.total, left / 4, left / 4 + 1);
        left = PLACES - self.total;
    }
    assert_true(s_take_all(&self, 99) > 0);
    nm_portions_free(&self);
}

static void
what_is_given_back_others_may_have(void **state)
{
    (void) state;
    nm_portions_t self = { 0 };
    nm_id_t first = s_service(1);
    s_take_all(&self, 1);
    uint64_t second = s_take_all(&self, 2);
    for (uint64_t count = nm_portions_of(&self, &first); count; count--)
        nm_portions_give(&self, &first);
    assert_int_equal(nm_portions_of(&self, &first), 0);
    assert_int_equal(self.total, second);
    assert_int_equal(s_take_all(&self, 2), 750);
    nm_portions_free(&self);
}

static void
nobody_has_more_than_there_is_where_the_places_became_fewer(void **state)
{
    (void) state;
    nm_portions_t self = { 0 };
    nm_id_t first = s_service(1);
    s_take_all(&self, 1);
    assert_false(nm_portions_may(&self, &first, 700));
    nm_portions_free(&self);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alone_has_three_quarters),
        cmocka_unit_test(who_takes_all_it_can_leaves_a_quarter),
        cmocka_unit_test(what_is_given_back_others_may_have),
        cmocka_unit_test(nobody_has_more_than_there_is_where_the_places_became_fewer),
    };
    return cmocka_run_group_tests_name("accounts/portions", tests, NULL, NULL);
}
