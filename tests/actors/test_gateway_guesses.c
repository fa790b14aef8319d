//  About actors/gateway/guesses.c: who guesses at several doors is counted once. The test plays gateway-2.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "tests/actors/gateway_test.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define COUNT "guesses.count"
#define GET "notifications.get"
#define HOUR_MS (INT64_C(3600) * 1000)

//  Whose clients have addresses.
static const char BRIDGE[] = "    bridge-1\n        role = \"bridge\"\n        mailbox = \"tcp://127.0.0.1:7100\"\n"
                             "        desk = \"tcp://127.0.0.1:7101\"\n";

typedef nm_gateway_test_t test_t;

static int
s_setup(void **state)
{
    test_t *self = nm_gateway_test_new(BRIDGE);
    nm_bench_hear_owner(self->bench, "services");
    *state = self;
    return 0;
}

//  The key of `shop` but for its secret; static.
static const char *
s_wrong(const test_t *self)
{
    static char wrong[NM_CLIENT_KEY_SIZE + 1];
    snprintf(wrong, sizeof wrong, "%.33s00000000000000000000000000000000", self->client->key);
    return wrong;
}

static nm_lockout_who_t
s_who(test_t *self, const char *address)
{
    nm_ask_in_t ask = { .role = NM_ROLE_BRIDGE };
    NM_PUT(&ask.headers, ask_headers, client_address, nm_text(address));
    return nm_lockout_who(&ask, nm_bytes((const uint8_t *) self->client->key, 32));
}

//  An address whose home is the gateway of that number; static.
static const char *
s_address(test_t *self, uint16_t number)
{
    static char address[32];
    static const nm_id_t NO_SERVICE = { { 0 } };
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    for (unsigned i = 1; i < 255; i++) {
        snprintf(address, sizeof address, "203.0.113.%u", i);
        nm_lockout_who_t who = s_who(self, address);
        if (nm_owners_find(&gateway->owners, &NO_SERVICE, nm_bytes(who.address, who.address_size)) == number)
            return address;
    }
    fail();
    return NULL;
}

//  Asks for what is not there, through the bridge: 404 with a right key, and nobody else is asked.
static unsigned
s_try(test_t *self, const char *address, const char *key)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(key));
    NM_PUT(&headers, ask_headers, client_address, nm_text(address));
    nm_buf_clear(&self->body);
    uint64_t id =
        nm_bench_ask(self->bench, "bridge-1", GET, &headers, nm_client_map(&self->body, "id", "nothing", NULL));
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    return reply ? reply->status : 0;
}

//  A wrong one, so many times.
static void
s_guess(test_t *self, const char *address, unsigned times)
{
    while (times--)
        assert_int_equal(s_try(self, address, s_wrong(self)), 401);
}

static bool
s_read_bin(nm_bytes_t map, const char *key, nm_bytes_t *value)
{
    nm_bytes_t raw;
    nm_reader_t reader;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    return nm_reader_bin(&reader, value) == NM_OK;
}

//  What gateway-2 was told last is about that address. Tells whether it was of a right credential.
static bool
s_was_told(test_t *self, const char *address)
{
    nm_lockout_who_t who = s_who(self, address);
    assert_true(nm_bench_asks(self->bench) > 0);
    const nm_bench_asked_t *asked = nm_bench_asked(self->bench, nm_bench_asks(self->bench) - 1);
    nm_bytes_t value;
    assert_string_equal(asked->peer, "gateway-2");
    assert_string_equal(asked->op, COUNT);
    assert_true(s_read_bin(asked->body, "address", &value));
    assert_true(nm_bytes_equal(value, nm_bytes(who.address, who.address_size)));
    assert_true(s_read_bin(asked->body, "service", &value));
    assert_true(nm_bytes_equal(value, nm_bytes(who.service, who.service_size)));
    return nm_client_raw(asked->body, "right").size > 0;
}

//  {address, service}, as they go from gateway to gateway; count of both, since so many ms. 0: without.
static nm_bytes_t
s_pack(test_t *self, const char *address, uint64_t count, uint64_t ms)
{
    nm_lockout_who_t who = s_who(self, address);
    nm_buf_t *out = &self->body;
    nm_buf_clear(out);
    nm_writer_map(out, count ? 6 : 2);
    nm_writer_text(out, "address");
    nm_writer_bin(out, nm_bytes(who.address, who.address_size));
    nm_writer_text(out, "service");
    nm_writer_bin(out, nm_bytes(who.service, who.service_size));
    if (count) {
        nm_writer_pair_uint(out, "pair_count", count);
        nm_writer_pair_uint(out, "pair_ms", ms);
        nm_writer_pair_uint(out, "address_count", count);
        nm_writer_pair_uint(out, "address_ms", ms);
    }
    return nm_buf_bytes(out);
}

//  gateway-2 answers what it was told last.
static void
s_answer(test_t *self, unsigned status, nm_bytes_t body)
{
    uint64_t id = nm_bench_asked(self->bench, nm_bench_asks(self->bench) - 1)->id;
    nm_bench_answer(self->bench, id, "gateway-2", status, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

//  -- Away from home

static void
a_wrong_credential_is_told_to_the_home_of_its_address(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 2);
    s_guess(self, address, 1);
    assert_int_equal(nm_bench_asks(self->bench), 1);
    assert_false(s_was_told(self, address));
}

static void
what_stands_at_home_counts_here(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 2);
    s_guess(self, address, 1);
    s_answer(self, 200, s_pack(self, address, 19, HOUR_MS));
    assert_int_equal(s_try(self, address, s_wrong(self)), 401);
    assert_int_equal(s_try(self, address, self->client->key), 429);
}

static void
a_lock_from_home_lasts_as_long_as_there_and_outlives_a_restart(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 2);
    s_guess(self, address, 1);
    s_answer(self, 200, s_pack(self, address, 20, HOUR_MS));
    nm_bench_restart(self->bench);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    assert_int_equal(s_try(self, address, self->client->key), 429);
    nm_bench_wait(self->bench, HOUR_MS - 1);
    assert_int_equal(s_try(self, address, self->client->key), 429);
    nm_bench_wait(self->bench, 1);
    assert_int_equal(s_try(self, address, self->client->key), 404);
}

static void
who_is_locked_out_is_told_to_nobody(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 2);
    s_guess(self, address, 1);
    s_answer(self, 200, s_pack(self, address, 20, 0));
    nm_bench_forget(self->bench);
    assert_int_equal(s_try(self, address, s_wrong(self)), 429);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

static void
a_home_that_knows_less_takes_nothing_back(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 2);
    for (unsigned i = 0; i < 20; i++) {
        s_guess(self, address, 1);
        s_answer(self, 200, s_pack(self, address, 1, 0));
    }
    assert_int_equal(s_try(self, address, self->client->key), 429);
}

static void
a_right_credential_is_told_where_it_resets_something_and_else_to_nobody(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 2);
    assert_int_equal(s_try(self, address, self->client->key), 404);
    assert_int_equal(nm_bench_asks(self->bench), 0);
    s_guess(self, address, 1);
    assert_int_equal(s_try(self, address, self->client->key), 404);
    assert_true(s_was_told(self, address));
    nm_bench_forget(self->bench);
    assert_int_equal(s_try(self, address, self->client->key), 404);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

static void
without_an_answer_each_gateway_locks_out_alone(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 2);
    s_guess(self, address, 19);
    s_answer(self, 503, nm_bytes(NULL, 0));
    nm_bench_away(self->bench, "gateway-2");
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    nm_bench_forget(self->bench);
    s_guess(self, address, 1);
    assert_int_equal(nm_bench_asks(self->bench), 0);
    assert_int_equal(s_try(self, address, self->client->key), 429);
}

//  -- At home

static void
at_home_nobody_is_asked(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 1);
    s_guess(self, address, 20);
    assert_int_equal(nm_bench_asks(self->bench), 0);
    assert_int_equal(s_try(self, address, self->client->key), 429);
}

//  What gateway-2 is told when it has seen one.
static nm_bytes_t
s_count(test_t *self, const char *peer, nm_bytes_t body, unsigned status)
{
    uint64_t id = nm_bench_ask(self->bench, peer, COUNT, NULL, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    assert_non_null(reply);
    assert_int_equal(reply->status, status);
    return reply->body;
}

static void
what_all_have_seen_is_counted_together_at_home(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 1);
    s_guess(self, address, 12);
    nm_bench_wait(self->bench, 5000);
    for (unsigned i = 1; i <= 8; i++) {
        nm_bytes_t answer = s_count(self, "gateway-2", s_pack(self, address, 0, 0), 200);
        assert_int_equal(nm_client_number(answer, "pair_count"), 12 + i);
        assert_int_equal(nm_client_number(answer, "address_count"), 12 + i);
        assert_int_equal(nm_client_number(answer, "address_ms"), 5000);
    }
    assert_int_equal(s_try(self, address, self->client->key), 429);
}

static void
a_right_one_elsewhere_resets_the_pair_and_not_the_address(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 1);
    s_guess(self, address, 12);
    nm_buf_t body = { 0 };
    nm_bytes_t plain = s_pack(self, address, 0, 0);
    nm_writer_map(&body, 3);
    nm_buf_add(&body, plain.at + 1, plain.size - 1);
    nm_writer_pair_bool(&body, "right", true);
    nm_bytes_t answer = s_count(self, "gateway-2", nm_buf_bytes(&body), 200);
    assert_int_equal(nm_client_number(answer, "pair_count"), 0);
    assert_int_equal(nm_client_number(answer, "address_count"), 12);

    //  While it is locked out it resets nothing.
    s_guess(self, address, 8);
    answer = s_count(self, "gateway-2", nm_buf_bytes(&body), 200);
    assert_int_equal(nm_client_number(answer, "pair_count"), 8);
    assert_int_equal(nm_client_number(answer, "address_count"), 20);
    nm_buf_free(&body);
}

static void
only_gateways_have_others_counted_for(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 1);
    s_count(self, "operator", s_pack(self, address, 0, 0), 403);
    nm_buf_clear(&self->body);
    s_count(self, "gateway-2", nm_client_map(&self->body, "address", "no bytes", NULL), 422);
    assert_int_equal(s_try(self, address, self->client->key), 404);
}

//  -- While keys may be newer than what is known here

static void
a_wrong_key_is_no_guess_while_the_owner_of_the_keys_is_away(void **state)
{
    test_t *self = *state;
    const char *address = s_address(self, 1);
    for (int i = 0; i < 3; i++) {
        nm_bench_wait(self->bench, 5000);
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    }
    s_guess(self, address, 30);
    assert_int_equal(s_try(self, address, self->client->key), 404);
    nm_bench_hear_owner(self->bench, "services");
    s_guess(self, address, 20);
    assert_int_equal(s_try(self, address, self->client->key), 429);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, nm_gateway_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_wrong_credential_is_told_to_the_home_of_its_address),
        CLAIM(what_stands_at_home_counts_here),
        CLAIM(a_lock_from_home_lasts_as_long_as_there_and_outlives_a_restart),
        CLAIM(who_is_locked_out_is_told_to_nobody),
        CLAIM(a_home_that_knows_less_takes_nothing_back),
        CLAIM(a_right_credential_is_told_where_it_resets_something_and_else_to_nobody),
        CLAIM(without_an_answer_each_gateway_locks_out_alone),
        CLAIM(at_home_nobody_is_asked),
        CLAIM(what_all_have_seen_is_counted_together_at_home),
        CLAIM(a_right_one_elsewhere_resets_the_pair_and_not_the_address),
        CLAIM(only_gateways_have_others_counted_for),
        CLAIM(a_wrong_key_is_no_guess_while_the_owner_of_the_keys_is_away),
    };
    return cmocka_run_group_tests_name("gateway/guesses", tests, NULL, NULL);
}
