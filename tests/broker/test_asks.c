#include "tests/broker/check.h"

#include "broker/asks.h"

enum { MANY_COUNT = 5000 };

static const nm_peer_t NEAR = { .forgotten = false }, FAR = { .forgotten = true };

static uint64_t
s_add(nm_asks_t *asks, const nm_peer_t *peer, int64_t deadline_ms, uint64_t token)
{
    nm_pending_ask_t ask = { .peer = peer, .deadline_ms = deadline_ms, .token = token, .asker = NM_ASKER_BOOK };
    return nm_asks_add(asks, &ask);
}

static void
each_is_found_by_its_number_until_it_is_taken(void **state)
{
    (void) state;
    nm_asks_t asks = { 0 };
    uint64_t one = s_add(&asks, &NEAR, 70, 7), two = s_add(&asks, &FAR, 30, 3);
    assert_int_not_equal(one, two);
    assert_int_equal(nm_asks_find(&asks, one)->token, 7);
    assert_int_equal(nm_asks_find(&asks, two)->token, 3);
    assert_int_equal(asks.counts[NM_ASKER_BOOK], 2);
    assert_int_equal(asks.counts[NM_ASKER_ROLE], 0);
    assert_int_equal(nm_asks_take(&asks, nm_asks_find(&asks, one)).deadline_ms, 70);
    assert_null(nm_asks_find(&asks, one));
    assert_int_equal(nm_asks_find(&asks, two)->token, 3);
    assert_int_equal(asks.counts[NM_ASKER_BOOK], 1);
    nm_asks_free(&asks);
}

static void
a_number_is_never_given_twice(void **state)
{
    (void) state;
    nm_asks_t asks = { 0 };
    uint64_t last = 0;
    for (unsigned i = 0; i < MANY_COUNT; i++) {
        uint64_t id = s_add(&asks, &NEAR, i, i);
        assert_true(id > last);
        nm_asks_take(&asks, nm_asks_find(&asks, id));
        last = id;
    }
    assert_int_equal(asks.room, 64);
    nm_asks_free(&asks);
}

static void
numbers_that_nobody_gave_are_not_found(void **state)
{
    (void) state;
    nm_asks_t asks = { 0 };
    assert_null(nm_asks_find(&asks, 1));
    uint64_t id = s_add(&asks, &NEAR, 1, 1);
    for (uint64_t wrong = 0; wrong < 200; wrong++)
        assert_true(wrong == id || !nm_asks_find(&asks, wrong));
    assert_null(nm_asks_find(&asks, UINT64_MAX));
    assert_null(nm_asks_find(&asks, id + (UINT64_C(1) << 20)));
    nm_asks_free(&asks);
}

//  Whatever the order in which they come and go.
static void
the_first_is_always_the_one_that_ends_first(void **state)
{
    (void) state;
    nm_asks_t asks = { 0 };
    static uint64_t ids[MANY_COUNT];
    uint32_t random = 12345;
    for (unsigned i = 0; i < MANY_COUNT; i++) {
        random = random * 1664525 + 1013904223;
        ids[i] = s_add(&asks, &NEAR, random >> 16, i);
    }
    for (unsigned i = 0; i < MANY_COUNT; i += 3)
        nm_asks_take(&asks, nm_asks_find(&asks, ids[i]));
    int64_t last_ms = -1;
    size_t left = asks.count;
    for (const nm_pending_ask_t *ask; (ask = nm_asks_first(&asks)); left--) {
        assert_true(ask->deadline_ms >= last_ms);
        assert_int_not_equal(ask->token % 3, 0);
        last_ms = nm_asks_take(&asks, ask).deadline_ms;
    }
    assert_int_equal(left, 0);
    nm_asks_free(&asks);
}

static void
a_peer_is_awaited_while_one_of_its_is_open(void **state)
{
    (void) state;
    nm_asks_t asks = { 0 };
    assert_false(nm_asks_await(&asks, &FAR));
    s_add(&asks, &NEAR, 5, 1);
    uint64_t id = s_add(&asks, &FAR, 6, 2);
    assert_true(nm_asks_await(&asks, &FAR));
    nm_asks_take(&asks, nm_asks_find(&asks, id));
    assert_false(nm_asks_await(&asks, &FAR));
    assert_true(nm_asks_await(&asks, &NEAR));
    nm_asks_free(&asks);
}

static void
what_was_added_since_is_told_apart(void **state)
{
    (void) state;
    nm_asks_t asks = { 0 };
    uint64_t before = s_add(&asks, NULL, 5, 1);
    uint64_t serial = asks.serial;
    uint64_t after = s_add(&asks, NULL, 5, 2);
    assert_false(nm_asks_is_since(nm_asks_find(&asks, before), serial));
    assert_true(nm_asks_is_since(nm_asks_find(&asks, after), serial));
    nm_asks_free(&asks);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_found_by_its_number_until_it_is_taken),
        cmocka_unit_test(a_number_is_never_given_twice),
        cmocka_unit_test(numbers_that_nobody_gave_are_not_found),
        cmocka_unit_test(the_first_is_always_the_one_that_ends_first),
        cmocka_unit_test(a_peer_is_awaited_while_one_of_its_is_open),
        cmocka_unit_test(what_was_added_since_is_told_apart),
    };
    return cmocka_run_group_tests_name("broker/asks", tests, NULL, NULL);
}
