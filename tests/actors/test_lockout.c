//  About actors/gateway/lockout.c: who guesses is stopped, and nobody else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/gateway/lockout.h"

#define NOW INT64_C(1795219200000)

static int
s_setup(void **state)
{
    nm_lockout_t *self = nm_alloc(sizeof *self);
    nm_lockout_init(self);
    memset(self->key, 7, sizeof self->key);
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    nm_lockout_t *self = *state;
    nm_lockout_free(self);
    free(self);
    return 0;
}

//  Somebody behind a bridge.
static nm_lockout_who_t
s_who(const char *address, const char *service)
{
    nm_ask_in_t ask = { .role = NM_ROLE_BRIDGE };
    NM_PUT(&ask.headers, ask_headers, client_address, nm_text(address));
    return nm_lockout_who(&ask, nm_text(service));
}

static void
s_fail(nm_lockout_t *self, const char *address, const char *service, int times)
{
    nm_lockout_who_t who = s_who(address, service);
    while (times--)
        nm_lockout_wrong(self, &who, NOW);
}

static bool
s_is_locked(const nm_lockout_t *self, const char *address, const char *service, int64_t now_ms)
{
    nm_lockout_who_t who = s_who(address, service);
    return nm_lockout_left_ms(self, &who, now_ms) > 0;
}

static void
twenty_wrong_ones_lock_the_address_out_for_the_rest_of_two_hours(void **state)
{
    nm_lockout_t *self = *state;
    s_fail(self, "203.0.113.7", "shop", 19);
    assert_false(s_is_locked(self, "203.0.113.7", "shop", NOW));
    assert_int_equal(nm_lockout_count(self, NOW), 0);
    s_fail(self, "203.0.113.7", "shop", 1);
    nm_lockout_who_t who = s_who("203.0.113.7", "shop");
    assert_int_equal(nm_lockout_left_ms(self, &who, NOW + 1000), NM_LOCKOUT_MS - 1000);
    assert_true(s_is_locked(self, "203.0.113.7", "club", NOW));
    assert_false(s_is_locked(self, "203.0.113.8", "shop", NOW));
    assert_true(s_is_locked(self, "203.0.113.7", "shop", NOW + NM_LOCKOUT_MS - 1));
    assert_false(s_is_locked(self, "203.0.113.7", "shop", NOW + NM_LOCKOUT_MS));
    assert_int_equal(nm_lockout_count(self, NOW), 2);  //  The pair and the address
    assert_int_equal(nm_lockout_count(self, NOW + NM_LOCKOUT_MS), 0);
}

static void
a_right_one_resets_the_pair_and_not_the_address(void **state)
{
    nm_lockout_t *self = *state;
    nm_lockout_who_t who = s_who("203.0.113.7", "shop");
    for (int round = 0; round < 2; round++) {
        s_fail(self, "203.0.113.7", "shop", 9);
        nm_lockout_right(self, &who);
    }
    assert_false(s_is_locked(self, "203.0.113.7", "shop", NOW));
    s_fail(self, "203.0.113.7", "shop", 2);
    assert_true(s_is_locked(self, "203.0.113.7", "shop", NOW));
    nm_lockout_right(self, &who);
    assert_true(s_is_locked(self, "203.0.113.7", "shop", NOW));
}

static void
addresses_of_one_network_count_as_one(void **state)
{
    nm_lockout_t *self = *state;
    char address[64];
    for (int i = 0; i < 20; i++) {
        snprintf(address, sizeof address, "2001:db8:1:2:%x::%x", i + 1, i * 7);
        s_fail(self, address, "shop", 1);
    }
    assert_true(s_is_locked(self, "2001:db8:1:2::ffff", "club", NOW));
    assert_false(s_is_locked(self, "2001:db8:1:3::1", "club", NOW));
    s_fail(self, "::ffff:198.51.100.1", "shop", 20);
    assert_true(s_is_locked(self, "198.51.100.1", "shop", NOW));
    assert_false(s_is_locked(self, "198.51.100.2", "shop", NOW));
}

static void
at_the_door_the_connection_tells_the_address_and_not_the_client(void **state)
{
    nm_lockout_t *self = *state;
    nm_ask_in_t ask = { .role = NM_ROLE_CLIENT, .address = "::ffff:203.0.113.7" }, other = { .role = NM_ROLE_CLIENT };
    for (uint8_t i = 0; i < 20; i++) {
        ask.client_key[0] = i;  //  Anybody can make another
        NM_PUT(&ask.headers, ask_headers, client_address, nm_text("192.0.2.3"));
        nm_lockout_who_t who = nm_lockout_who(&ask, nm_text("shop"));
        nm_lockout_wrong(self, &who, NOW);
    }
    assert_true(s_is_locked(self, "203.0.113.7", "club", NOW));
    assert_false(s_is_locked(self, "192.0.2.3", "shop", NOW));
    nm_bytes_to_text(nm_text("203.0.113.8"), other.address, sizeof other.address);
    nm_lockout_who_t who = nm_lockout_who(&other, nm_text("shop"));
    assert_int_equal(nm_lockout_left_ms(self, &who, NOW), 0);
}

static void
the_interface_of_an_address_does_not_count(void **state)
{
    nm_lockout_t *self = *state;
    nm_ask_in_t ask = { .role = NM_ROLE_CLIENT, .address = "fe80::1:2%eth0" };
    nm_lockout_who_t who = nm_lockout_who(&ask, nm_text("shop"));
    for (unsigned i = 0; i < 20; i++)
        nm_lockout_wrong(self, &who, NOW);
    assert_true(s_is_locked(self, "fe80::1:3", "club", NOW));
}

static void
where_no_address_is_known_a_client_is_its_key(void **state)
{
    nm_lockout_t *self = *state;
    nm_ask_in_t ask = { .role = NM_ROLE_CLIENT, .client_key = { 1 }, .address = ":1000:1000:77" };
    nm_ask_in_t other = { .role = NM_ROLE_CLIENT };
    for (unsigned i = 0; i < 20; i++) {
        char address[32];
        snprintf(address, sizeof address, "192.0.2.%u", i);
        NM_PUT(&ask.headers, ask_headers, client_address, nm_text(address));
        nm_lockout_who_t who = nm_lockout_who(&ask, nm_text("shop"));
        nm_lockout_wrong(self, &who, NOW);
    }
    nm_lockout_who_t who = nm_lockout_who(&ask, nm_text("club"));
    assert_true(nm_lockout_left_ms(self, &who, NOW) > 0);
    who = nm_lockout_who(&other, nm_text("shop"));
    assert_int_equal(nm_lockout_left_ms(self, &who, NOW), 0);
    assert_false(s_is_locked(self, "192.0.2.3", "shop", NOW));
}

static void
many_addresses_neither_grow_the_table_nor_free_who_is_locked_out(void **state)
{
    nm_lockout_t *self = *state;
    s_fail(self, "203.0.113.7", "shop", 20);
    for (unsigned i = 0; i < 100000; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        s_fail(self, address, "shop", 1);
    }
    assert_true(s_is_locked(self, "203.0.113.7", "shop", NOW));
    assert_true(self->taken <= (size_t) NM_LOCKOUT_SETS * NM_LOCKOUT_WAYS);
}

static void
learns_of_others_what_is_more_and_forgets_it_when_they_do(void **state)
{
    nm_lockout_t *self = *state;
    nm_lockout_who_t who = s_who("203.0.113.7", "shop");
    s_fail(self, "203.0.113.7", "shop", 5);
    nm_lockout_score_t score = { .pair = { 4, 60000 }, .address = { NM_LOCKOUT_WRONG, 60000 } };
    nm_lockout_learn(self, &who, &score, NOW + 1000);
    nm_lockout_score_t now = nm_lockout_score(self, &who, NOW + 1000);
    assert_int_equal(now.pair.count, 5);
    assert_int_equal(now.pair.age_ms, 1000);
    assert_int_equal(now.address.count, NM_LOCKOUT_WRONG);
    assert_int_equal(now.address.age_ms, 60000);
    assert_int_equal(nm_lockout_left_ms(self, &who, NOW + 1000), NM_LOCKOUT_MS - 60000);
    assert_int_equal(self->taken, 2);
    score = nm_lockout_score(self, &who, NOW + NM_LOCKOUT_MS - 59000);
    assert_int_equal(score.address.count, 0);
}

static void
what_was_over_before_it_was_heard_counts_nothing(void **state)
{
    nm_lockout_t *self = *state;
    nm_lockout_who_t who = s_who("203.0.113.7", "shop");
    nm_lockout_score_t old = { .pair = { 50, NM_LOCKOUT_MS }, .address = { 50, -1 } };
    nm_lockout_learn(self, &who, &old, NOW);
    assert_int_equal(self->taken, 0);
    assert_false(s_is_locked(self, "203.0.113.7", "shop", NOW));
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(twenty_wrong_ones_lock_the_address_out_for_the_rest_of_two_hours),
        CLAIM(a_right_one_resets_the_pair_and_not_the_address),
        CLAIM(addresses_of_one_network_count_as_one),
        CLAIM(at_the_door_the_connection_tells_the_address_and_not_the_client),
        CLAIM(the_interface_of_an_address_does_not_count),
        CLAIM(where_no_address_is_known_a_client_is_its_key),
        CLAIM(learns_of_others_what_is_more_and_forgets_it_when_they_do),
        CLAIM(what_was_over_before_it_was_heard_counts_nothing),
        CLAIM(many_addresses_neither_grow_the_table_nor_free_who_is_locked_out),
    };
    return cmocka_run_group_tests_name("gateway/lockout", tests, NULL, NULL);
}
