//  Duplicates and limits of recipients, where there are two gateways: the test plays gateway-2.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "tests/actors/gateway_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CREATE "notifications.create"
#define BATCH "notifications.batch"
#define TAKE "notifications.take"

typedef nm_gateway_test_t test_t;

//  An address that belongs to the gateway of that number; static.
static const char *
s_address(test_t *self, uint16_t number, const char *stem)
{
    static char addresses[4][80];
    static unsigned turn;
    char *address = addresses[turn++ % NM_COUNT(addresses)];
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    nm_id_t service;
    nm_id_from_text(nm_text(self->client->service), &service);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(address, sizeof addresses[0], "%s%u@example.org", stem, i);
        if (nm_owners_find(&gateway->owners, &service, nm_text(address)) == number)
            return address;
    }
    fail();
    return NULL;
}

static nm_bytes_t
s_request(test_t *self, const char *address, const char *seconds)
{
    nm_buf_clear(&self->body);
    return nm_client_map(&self->body, "channel", "email", "recipient", address, "content", "Once is enough",
                         seconds ? "dedupe_seconds" : NULL, seconds, NULL);
}

static uint64_t
s_ask(test_t *self, const char *peer, const char *op, const char *key, nm_bytes_t body)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    if (key)
        NM_PUT(&headers, ask_headers, idempotency_key, nm_text(key));
    uint64_t id = nm_bench_ask(self->bench, peer, op, &headers, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    return id;
}

static unsigned
s_status(test_t *self, uint64_t id)
{
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    return reply ? reply->status : 0;
}

//  The last ask that was put to gateway-2.
static const nm_bench_asked_t *
s_last_asked(test_t *self, const char *op)
{
    assert_true(nm_bench_asks(self->bench) > 0);
    const nm_bench_asked_t *asked = nm_bench_asked(self->bench, nm_bench_asks(self->bench) - 1);
    assert_string_equal(asked->peer, "gateway-2");
    assert_string_equal(asked->op, op);
    return asked;
}

static void
s_answer(test_t *self, unsigned status, const char *key, const char *value)
{
    nm_buf_clear(&self->answer);
    nm_bytes_t body = nm_client_map(&self->answer, key, value, "status", "pending", NULL);
    nm_bench_answer(self->bench, s_last_asked(self, TAKE)->id, "gateway-2", status, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

static void
s_limit_recipients(test_t *self)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "id", self->client->service);
    nm_writer_text(&body, "recipient_limits");
    nm_client_map(&body, "per_day", "#1", NULL);
    assert_int_equal(nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&body))->status,
                     200);
    nm_buf_free(&body);
}

static size_t
s_works(test_t *self)
{
    return nm_bench_mails(self->bench, NM_MAIL_WORK);
}

static void
what_may_be_a_duplicate_goes_to_the_owner_of_its_recipient(void **state)
{
    test_t *self = *state;
    nm_bytes_t body = s_request(self, s_address(self, 2, "ada"), "#60");
    uint64_t id = s_ask(self, "", CREATE, NULL, body);
    assert_int_equal(s_status(self, id), 0);
    const nm_bench_asked_t *asked = s_last_asked(self, TAKE);
    assert_true(nm_bytes_equal(asked->body, body));
    assert_string_equal(nm_client_text(asked->headers, "api_key"), self->client->key);
    s_answer(self, 200, "id", "theirs");
    assert_int_equal(s_status(self, id), 200);
    assert_int_equal(s_works(self), 0);

    assert_int_equal(s_status(self, s_ask(self, "", CREATE, NULL, s_request(self, s_address(self, 1, "ada"), "#60"))),
                     202);
    assert_int_equal(s_status(self, s_ask(self, "", CREATE, NULL, s_request(self, s_address(self, 2, "ada"), NULL))),
                     202);
    assert_int_equal(nm_bench_asks(self->bench), 1);
}

static void
a_limit_of_recipients_is_kept_by_their_owner_however_they_are_written(void **state)
{
    test_t *self = *state;
    char shouted[80];
    s_limit_recipients(self);
    snprintf(shouted, sizeof shouted, "%s", s_address(self, 1, "bob"));
    assert_int_equal(s_status(self, s_ask(self, "", CREATE, NULL, s_request(self, shouted, NULL))), 202);
    shouted[0] = 'B';
    assert_int_equal(s_status(self, s_ask(self, "", CREATE, NULL, s_request(self, shouted, NULL))), 429);
    uint64_t id = s_ask(self, "", CREATE, NULL, s_request(self, s_address(self, 2, "bob"), NULL));
    s_answer(self, 429, "detail", "no more");
    assert_int_equal(s_status(self, id), 429);
}

static void
what_another_passed_on_is_taken_in_here(void **state)
{
    test_t *self = *state;
    nm_bytes_t body = s_request(self, s_address(self, 2, "ada"), "#60");
    assert_int_equal(s_status(self, s_ask(self, "gateway-2", TAKE, NULL, body)), 202);
    assert_int_equal(s_status(self, s_ask(self, "gateway-2", TAKE, NULL, body)), 200);
    assert_int_equal(s_status(self, s_ask(self, "gateway-2", CREATE, NULL, body)), 200);
    assert_int_equal(s_status(self, s_ask(self, "", TAKE, NULL, body)), 403);
    assert_int_equal(s_works(self), 1);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

static void
a_key_of_another_holds_where_the_request_was_taken_in(void **state)
{
    test_t *self = *state;
    s_limit_recipients(self);
    const char *key = nm_client_keyed(self->client, 2, "order");
    nm_bytes_t body = s_request(self, s_address(self, 1, "ada"), NULL);
    assert_int_equal(s_status(self, s_ask(self, "gateway-2", TAKE, key, body)), 202);
    uint64_t again = s_ask(self, "gateway-2", TAKE, key, body);
    assert_int_equal(s_status(self, again), 202);
    assert_string_equal(nm_client_text(nm_bench_reply(self->bench, again)->headers, "idempotent-replayed"), "true");
    assert_int_equal(s_status(self, s_ask(self, "", CREATE, key, body)), 202);
    assert_int_equal(s_works(self), 1);
}

//  Whatever happens to the answer: the same gateway is asked again.
static void
a_key_of_ours_stays_with_the_gateway_that_was_asked(void **state)
{
    test_t *self = *state;
    const char *key = nm_client_keyed(self->client, 1, "order"), *address = s_address(self, 2, "ada");
    s_ask(self, "", CREATE, key, s_request(self, address, "#60"));
    s_last_asked(self, TAKE);
    assert_string_equal(nm_client_text(s_last_asked(self, TAKE)->headers, "idempotency_key"), key);
    nm_bench_restart(self->bench);
    uint64_t id = s_ask(self, "", CREATE, key, s_request(self, address, "#60"));
    s_answer(self, 202, "id", "theirs");
    assert_int_equal(s_status(self, id), 202);

    nm_bench_away(self->bench, "gateway-2");
    assert_int_equal(s_status(self, s_ask(self, "", CREATE, key, s_request(self, address, "#60"))), 503);
    assert_int_equal(s_works(self), 0);
    assert_int_equal(s_status(self, s_ask(self, "", CREATE, NULL, s_request(self, address, "#60"))), 202);
    nm_bench_bury(self->bench, "gateway-2");
    assert_int_equal(s_status(self, s_ask(self, "", CREATE, key, s_request(self, address, "#60"))), 200);
}

static void
a_key_may_be_moved_to_the_gateway_that_it_was_placed_at(void **state)
{
    test_t *self = *state;
    const char *key = nm_client_keyed(self->client, 1, "order");
    s_ask(self, "", CREATE, key, s_request(self, s_address(self, 2, "ada"), "#60"));
    uint64_t id = s_ask(self, "gateway-2", "idempotency.find." CREATE, key, s_request(self, "x@example.org", NULL));
    assert_int_equal(s_status(self, id), 404);
}

static void
items_of_a_batch_go_each_where_they_belong(void **state)
{
    test_t *self = *state;
    const char *key = nm_client_keyed(self->client, 1, "item");
    nm_buf_t body = { 0 };
    for (unsigned run = 0; run < 2; run++) {
        nm_buf_clear(&body);
        nm_writer_map(&body, 1);
        nm_writer_text(&body, "notifications");
        nm_writer_list(&body, 3);
        nm_client_email(&body, run);
        nm_client_map(&body, "channel", "email", "recipient", s_address(self, 2, "ada"), "content", "One",
                      "dedupe_seconds", "#60", NULL);
        nm_client_map(&body, "channel", "email", "recipient", s_address(self, 2, "ada"), "content", "Two",
                      "dedupe_seconds", "#60", "request_id", key, NULL);
        nm_bench_forget(self->bench);
        uint64_t id = s_ask(self, "", BATCH, NULL, nm_buf_bytes(&body));
        assert_int_equal(s_status(self, id), 0);
        assert_int_equal(s_works(self), 0);
        assert_int_equal(nm_bench_asks(self->bench), 2);
        for (size_t i = 0; i < 2; i++) {
            nm_buf_clear(&self->answer);
            assert_string_equal(nm_bench_asked(self->bench, i)->op, TAKE);
            nm_bench_answer(self->bench, nm_bench_asked(self->bench, i)->id, "gateway-2", i ? 429 : 202,
                            nm_client_map(&self->answer, i ? "detail" : "id", "theirs", "status", "pending", NULL));
        }
        nm_bench_turn(self->bench);
        const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
        assert_int_equal(nm_client_number(reply->body, "accepted"), 2);
        assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", 1), "id"), "theirs");
        assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 2), "status"), 429);
        assert_int_equal(s_works(self), 1);
    }
    nm_buf_free(&body);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, nm_gateway_setup, nm_gateway_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_may_be_a_duplicate_goes_to_the_owner_of_its_recipient),
        TEST(a_limit_of_recipients_is_kept_by_their_owner_however_they_are_written),
        TEST(what_another_passed_on_is_taken_in_here),
        TEST(a_key_of_another_holds_where_the_request_was_taken_in),
        TEST(a_key_of_ours_stays_with_the_gateway_that_was_asked),
        TEST(a_key_may_be_moved_to_the_gateway_that_it_was_placed_at),
        TEST(items_of_a_batch_go_each_where_they_belong),
    };
    return cmocka_run_group_tests_name("actors/gateway homes", tests, NULL, NULL);
}
