//  A gateway among others: the test plays gateway-2.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/errands.h"
#include "actors/gateway/forward.h"
#include "actors/gateway/state.h"
#include "tests/actors/gateway_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CREATE "notifications.create"
#define BATCH "notifications.batch"
#define FIND "idempotency.find.notifications.create"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

typedef nm_gateway_test_t test_t;

static nm_bytes_t
s_email(test_t *self, unsigned n)
{
    nm_buf_clear(&self->body);
    return nm_client_email(&self->body, n);
}

static nm_bytes_t
s_answer(test_t *self, const char *key, const char *value)
{
    nm_buf_clear(&self->answer);
    return nm_client_map(&self->answer, key, value, NULL);
}

//  Queues an ask with the key of `shop`; key may be NULL.
static uint64_t
s_ask_as(test_t *self, const char *peer, const char *op, const char *key, nm_bytes_t body)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, correlation_id, nm_text("trace-me"));
    if (key)
        NM_PUT(&headers, ask_headers, idempotency_key, nm_text(key));
    uint64_t id = nm_bench_ask(self->bench, peer, op, &headers, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    return id;
}

static uint64_t
s_ask(test_t *self, const char *op, const char *key, nm_bytes_t body)
{
    return s_ask_as(self, "", op, key, body);
}

//  The reply to an ask; it must be there.
static const nm_bench_reply_t *
s_reply(test_t *self, uint64_t id)
{
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    assert_non_null(reply);
    return reply;
}

//  The n-th ask that was put to gateway-2.
static const nm_bench_asked_t *
s_asked(test_t *self, size_t n, const char *op)
{
    assert_true(n < nm_bench_asks(self->bench));
    const nm_bench_asked_t *asked = nm_bench_asked(self->bench, n);
    assert_string_equal(asked->peer, "gateway-2");
    assert_string_equal(asked->op, op);
    return asked;
}

static void
s_answer_asked(test_t *self, size_t n, unsigned status, nm_bytes_t body)
{
    nm_bench_answer(self->bench, nm_bench_asked(self->bench, n)->id, "gateway-2", status, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

static size_t
s_works(test_t *self)
{
    return nm_bench_mails(self->bench, NM_MAIL_WORK);
}

static nm_bytes_t
s_by_id(test_t *self, uint16_t gateway)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_maker_t maker = { .gateway = gateway };
    nm_id_t id;
    nm_id_make(&maker, nm_bench_now(self->bench), 99, &id);
    nm_id_to_text(&id, text);
    nm_buf_clear(&self->body);
    return nm_client_map(&self->body, "id", text, NULL);
}

//  -- Notifications of another gateway

static void
a_question_about_anothers_notification_is_passed_on(void **state)
{
    test_t *self = *state;
    static const char *const OPS[] = { "notifications.get", "notifications.cancel", "events.read" };
    for (size_t i = 0; i < NM_COUNT(OPS); i++) {
        nm_bench_forget(self->bench);
        nm_bytes_t body = s_by_id(self, 2);
        uint64_t id = s_ask(self, OPS[i], NULL, body);
        assert_null(nm_bench_reply(self->bench, id));
        const nm_bench_asked_t *asked = s_asked(self, 0, OPS[i]);
        assert_true(nm_bytes_equal(asked->body, body));
        assert_string_equal(nm_client_text(asked->headers, "api_key"), self->client->key);
        assert_string_equal(nm_client_text(asked->headers, "correlation_id"), "trace-me");

        nm_buf_clear(&self->headers);
        nm_bytes_t headers = nm_client_map(&self->headers, "x-correlation-id", "theirs", NULL);
        nm_bench_answer_with(self->bench, asked->id, "gateway-2", 409, headers, s_answer(self, "title", "Conflict"));
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
        const nm_bench_reply_t *reply = s_reply(self, id);
        assert_int_equal(reply->status, 409);
        assert_string_equal(nm_client_text(reply->headers, "x-correlation-id"), "theirs");
        assert_string_equal(nm_client_text(reply->body, "title"), "Conflict");
    }
}

//  Of a lost gateway whose name and number this one has, whoever keeps copies knows.
static void
a_question_about_a_predecessors_notification_is_asked_of_all(void **state)
{
    test_t *self = *state;
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    nm_bytes_t body = s_by_id(self, 1);
    assert_int_equal(s_reply(self, s_ask(self, "notifications.get", NULL, body))->status, 404);
    nm_bench_bury_stranger(self->bench, "gateway-1");
    ((nm_peer_t *) nm_directory_find(gateway->directory, "gateway-1"))->forgotten =
        false;  //  We have a later certificate
    for (int i = 0; i < 10; i++) {
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
        nm_bench_wait(self->bench, 1000);
    }
    nm_bench_forget(self->bench);

    uint64_t id = s_ask(self, "notifications.get", NULL, body);
    assert_null(nm_bench_reply(self->bench, id));
    s_asked(self, 0, "notifications.get");
    s_answer_asked(self, 0, 200, s_answer(self, "id", "theirs"));
    s_asked(self, 1, "notifications.get");
    s_answer_asked(self, 1, 200, s_answer(self, "id", "theirs"));
    assert_string_equal(nm_client_text(s_reply(self, id)->body, "id"), "theirs");

    nm_bench_forget(self->bench);
    id = s_ask_as(self, "gateway-2", "notifications.get", NULL, body);
    assert_int_equal(s_reply(self, id)->status, 404);
    id = s_ask(self, "notifications.get", NULL, s_by_id(self, 1));  //  Made after the loss: it would be ours
    assert_int_equal(s_reply(self, id)->status, 404);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

static void
what_was_passed_on_is_not_passed_on_again(void **state)
{
    test_t *self = *state;
    uint64_t id = s_ask_as(self, "gateway-2", "notifications.get", NULL, s_by_id(self, 2));
    assert_int_equal(s_reply(self, id)->status, 404);
    id = s_ask_as(self, "gateway-2", CREATE, nm_client_keyed(self->client, 2, "order"), s_email(self, 1));
    assert_int_equal(s_reply(self, id)->status, 503);
    assert_int_equal(nm_bench_asks(self->bench), 0);
    assert_int_equal(s_works(self), 0);
}

static void
an_unknown_gateways_notification_is_404(void **state)
{
    test_t *self = *state;
    uint64_t id = s_ask(self, "notifications.get", NULL, s_by_id(self, 77));
    assert_int_equal(s_reply(self, id)->status, 404);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

static void
an_owner_that_is_away_makes_a_503_that_says_when_to_ask_again(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "gateway-2");
    uint64_t id = s_ask(self, "notifications.get", NULL, s_by_id(self, 2));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(reply->status, 503);
    assert_string_equal(nm_client_text(reply->headers, "retry-after"), "1");
    assert_string_equal(nm_client_text(reply->headers, "nmesh-owner"), "away");
    assert_null(strstr(nm_client_text(reply->body, "detail"), "gateway-2"));
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

static void
an_owner_that_dies_while_it_is_asked_is_not_waited_for(void **state)
{
    test_t *self = *state;
    uint64_t id = s_ask(self, "notifications.get", NULL, s_by_id(self, 2));
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    assert_null(nm_bench_reply(self->bench, id));
    nm_bench_wait(self->bench, 500);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    assert_int_equal(s_reply(self, id)->status, 503);
    s_answer_asked(self, 0, 200, s_answer(self, "id", "late"));  //  Nobody waits for that any more
}

static void
a_question_that_came_over_another_gateway_is_answered_by_its_key(void **state)
{
    test_t *self = *state;
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_t sent = nm_client_send(self->client, 1);
    nm_id_to_text(&sent, text);
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "id", text, NULL);
    assert_int_equal(s_reply(self, s_ask_as(self, "gateway-2", "notifications.get", NULL, body))->status, 200);

    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text("wrong"));
    uint64_t wrong = nm_bench_ask(self->bench, "gateway-2", "notifications.get", &headers, body);
    uint64_t none = nm_bench_ask(self->bench, "gateway-2", "notifications.get", NULL, body);
    nm_bench_turn(self->bench);
    assert_int_equal(s_reply(self, wrong)->status, 401);
    assert_int_equal(s_reply(self, none)->status, 200);  //  For an operator that the other has let in
}

static void
a_gateway_may_not_ask_what_only_clients_may(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "name", "spy", NULL);
    assert_int_equal(s_reply(self, s_ask_as(self, "gateway-2", "services.create", NULL, body))->status, 403);
    assert_int_equal(s_reply(self, s_ask_as(self, "router-1", "notifications.get", NULL, body))->status, 403);
}

//  -- Keys

static void
a_request_under_anothers_key_is_passed_on_and_not_taken_in(void **state)
{
    test_t *self = *state;
    const char *key = nm_client_keyed(self->client, 2, "order");
    nm_bytes_t body = s_email(self, 1);
    uint64_t id = s_ask(self, CREATE, key, body);
    const nm_bench_asked_t *asked = s_asked(self, 0, CREATE);
    assert_true(nm_bytes_equal(asked->body, body));
    assert_string_equal(nm_client_text(asked->headers, "idempotency_key"), key);
    s_answer_asked(self, 0, 202, s_answer(self, "id", "theirs"));
    assert_int_equal(s_reply(self, id)->status, 202);
    assert_string_equal(nm_client_text(s_reply(self, id)->body, "id"), "theirs");
    assert_int_equal(s_works(self), 0);
}

static void
a_key_in_the_body_is_passed_on_as_well(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    s_ask(self, CREATE, NULL,
          nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "content", "Hi", "request_id",
                        nm_client_keyed(self->client, 2, "body"), NULL));
    s_asked(self, 0, CREATE);
    assert_int_equal(s_works(self), 0);
}

static void
a_gateway_that_is_away_costs_its_own_keys_alone(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "gateway-2");
    uint64_t theirs = s_ask(self, CREATE, nm_client_keyed(self->client, 2, "order"), s_email(self, 1));
    uint64_t ours = s_ask(self, CREATE, nm_client_keyed(self->client, 1, "order"), s_email(self, 2));
    uint64_t without = s_ask(self, CREATE, NULL, s_email(self, 3));
    assert_int_equal(s_reply(self, theirs)->status, 503);
    assert_int_equal(s_reply(self, ours)->status, 202);
    assert_int_equal(s_reply(self, without)->status, 202);
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 2);
}

static void
a_silent_owner_makes_a_503(void **state)
{
    test_t *self = *state;
    uint64_t id = s_ask(self, CREATE, nm_client_keyed(self->client, 2, "order"), s_email(self, 1));
    nm_bench_wait(self->bench, 10001);
    nm_bench_turn(self->bench);
    assert_int_equal(s_reply(self, id)->status, 503);
    assert_int_equal(s_works(self), 0);
}

//  -- Keys that changed hands

//  gateway-2 is there for two days, and this store was made now.
static void
s_be_new(test_t *self)
{
    nm_bench_since(self->bench, "gateway-2", nm_bench_now(self->bench) - 2 * DAY_MS);
}

static void
a_new_gateway_first_asks_who_answered_before(void **state)
{
    test_t *self = *state;
    s_be_new(self);
    const char *key = nm_client_keyed(self->client, 1, "order");
    nm_bytes_t body = s_email(self, 1);
    uint64_t id = s_ask(self, CREATE, key, body);
    const nm_bench_asked_t *asked = s_asked(self, 0, FIND);
    assert_null(nm_bench_reply(self->bench, id));
    char quoted[100];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    assert_string_equal(nm_client_text(asked->headers, "idempotency_key"), quoted);
    assert_true(nm_bytes_equal(asked->body, body));
    assert_int_equal(s_works(self), 0);

    s_answer_asked(self, 0, 404, s_answer(self, "title", "Not Found"));
    assert_int_equal(s_reply(self, id)->status, 202);
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 1);

    uint64_t again = s_ask(self, CREATE, key, s_email(self, 1));
    assert_string_equal(nm_client_text(s_reply(self, again)->body, "id"),
                        nm_client_text(s_reply(self, id)->body, "id"));
    assert_int_equal(nm_bench_asks(self->bench), 1);
}

static void
what_the_one_before_has_answered_is_the_answer(void **state)
{
    test_t *self = *state;
    s_be_new(self);
    uint64_t id = s_ask(self, CREATE, nm_client_keyed(self->client, 1, "order"), s_email(self, 1));
    nm_buf_clear(&self->answer);
    nm_writer_map(&self->answer, 3);
    nm_writer_pair_uint(&self->answer, "status", 202);
    nm_writer_pair_text(&self->answer, "correlation_id", "of-the-first");
    nm_writer_text(&self->answer, "body");
    nm_client_map(&self->answer, "id", "theirs", NULL);
    s_answer_asked(self, 0, 200, nm_buf_bytes(&self->answer));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(reply->status, 202);
    assert_string_equal(nm_client_text(reply->body, "id"), "theirs");
    assert_string_equal(nm_client_text(reply->headers, "idempotent-replayed"), "true");
    assert_string_equal(nm_client_text(reply->headers, "x-correlation-id"), "of-the-first");
    assert_int_equal(s_works(self), 0);
}

static void
another_body_under_a_key_of_the_one_before_is_422(void **state)
{
    test_t *self = *state;
    s_be_new(self);
    uint64_t id = s_ask(self, CREATE, nm_client_keyed(self->client, 1, "order"), s_email(self, 1));
    s_answer_asked(self, 0, 422, s_answer(self, "title", "used before"));
    assert_int_equal(s_reply(self, id)->status, 422);
    assert_string_equal(nm_client_text(s_reply(self, id)->body, "title"), "used before");
    assert_int_equal(s_works(self), 0);
}

static void
while_the_one_before_is_away_nothing_is_taken_in(void **state)
{
    test_t *self = *state;
    s_be_new(self);
    const char *key = nm_client_keyed(self->client, 1, "order");
    nm_bench_away(self->bench, "gateway-2");
    assert_int_equal(s_reply(self, s_ask(self, CREATE, key, s_email(self, 1)))->status, 503);
    nm_bench_back(self->bench, "gateway-2");
    nm_bench_turn(self->bench);

    uint64_t id = s_ask(self, CREATE, key, s_email(self, 1));
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    nm_bench_wait(self->bench, 600);
    nm_bench_turn(self->bench);
    assert_int_equal(s_reply(self, id)->status, 503);
    assert_int_equal(s_works(self), 0);
}

static void
after_a_day_nobody_is_asked(void **state)
{
    test_t *self = *state;
    s_be_new(self);
    nm_bench_wait(self->bench, 25 * 3600 * 1000 + 1);
    nm_bench_restart(self->bench);
    uint64_t id = s_ask(self, CREATE, nm_client_keyed(self->client, 1, "order"), s_email(self, 1));
    assert_int_equal(s_reply(self, id)->status, 202);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

//  -- The one before

static void
who_is_asked_gives_his_first_answer(void **state)
{
    test_t *self = *state;
    const char *key = nm_client_keyed(self->client, 1, "order");
    uint64_t id = s_ask(self, CREATE, key, s_email(self, 1));
    uint64_t same = s_ask_as(self, "gateway-2", FIND, key, s_email(self, 1));
    uint64_t other = s_ask_as(self, "gateway-2", FIND, key, s_email(self, 2));
    const nm_bench_reply_t *reply = s_reply(self, same);
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_client_number(reply->body, "status"), 202);
    assert_string_equal(nm_client_text(reply->body, "correlation_id"), "trace-me");
    assert_true(nm_bytes_equal(nm_client_raw(reply->body, "body"), s_reply(self, id)->body));
    assert_int_equal(s_reply(self, other)->status, 422);
}

static void
who_knows_nothing_of_a_key_leaves_it_to_the_asker_for_good(void **state)
{
    test_t *self = *state;
    char key[80];
    snprintf(key, sizeof key, "%s", nm_client_keyed(self->client, 1, "order"));
    assert_int_equal(s_reply(self, s_ask_as(self, "gateway-2", FIND, key, s_email(self, 1)))->status, 404);
    nm_bench_restart(self->bench);
    s_ask(self, CREATE, key, s_email(self, 1));
    s_asked(self, 0, CREATE);
    assert_int_equal(s_works(self), 0);
    nm_bench_forget(self->bench);
    nm_bench_wait(self->bench, 26 * 3600 * 1000);
    assert_int_equal(s_reply(self, s_ask(self, CREATE, key, s_email(self, 1)))->status, 202);
}

static void
a_key_that_moved_to_one_that_is_gone_for_good_is_ours_again(void **state)
{
    test_t *self = *state;
    char key[80];
    snprintf(key, sizeof key, "%s", nm_client_keyed(self->client, 1, "order"));
    s_ask_as(self, "gateway-2", FIND, key, s_email(self, 1));
    nm_bench_bury(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    assert_int_equal(s_reply(self, s_ask(self, CREATE, key, s_email(self, 1)))->status, 202);
}

//  Both are new and each asked the other: the mark decides, not who was first.
static void
a_key_that_moved_while_we_asked_is_not_taken_in(void **state)
{
    test_t *self = *state;
    s_be_new(self);
    char key[80];
    snprintf(key, sizeof key, "%s", nm_client_keyed(self->client, 1, "order"));
    uint64_t id = s_ask(self, CREATE, key, s_email(self, 1));
    s_asked(self, 0, FIND);
    assert_int_equal(s_reply(self, s_ask_as(self, "gateway-2", FIND, key, s_email(self, 1)))->status, 404);
    s_answer_asked(self, 0, 404, s_answer(self, "title", "Not Found"));
    assert_null(nm_bench_reply(self->bench, id));
    s_asked(self, 1, CREATE);
    assert_int_equal(s_works(self), 0);
}

static void
only_gateways_may_ask_what_is_known_of_a_key(void **state)
{
    test_t *self = *state;
    const char *key = nm_client_keyed(self->client, 1, "order");
    assert_int_equal(s_reply(self, s_ask(self, FIND, key, s_email(self, 1)))->status, 403);
    assert_int_equal(s_reply(self, s_ask(self, CREATE, key, s_email(self, 1)))->status, 202);
}

//  -- Batches

//  Five letters; those from `first` on, two of them, have a key of gateway-2.
static nm_bytes_t
s_batch(test_t *self, unsigned first)
{
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, 5);
    for (unsigned i = 0; i < 5; i++) {
        char stem[32];
        snprintf(stem, sizeof stem, "item-%u", i);
        if (i >= first && i < first + 2)
            nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "content", "Hi",
                          "request_id", nm_client_keyed(self->client, 2, stem), NULL);
        else
            nm_client_email(&self->body, i);
    }
    return nm_buf_bytes(&self->body);
}

static void
items_with_anothers_key_go_there_and_their_answers_come_back_in_place(void **state)
{
    test_t *self = *state;
    uint64_t id = s_ask(self, BATCH, NULL, s_batch(self, 1));
    assert_int_equal(nm_bench_asks(self->bench), 2);
    s_asked(self, 0, CREATE);
    s_asked(self, 1, CREATE);
    assert_int_equal(s_works(self), 0);  //  Nothing before all have answered
    nm_buf_clear(&self->answer);
    s_answer_asked(self, 1, 422, nm_client_map(&self->answer, "detail", "no good", NULL));
    assert_null(nm_bench_reply(self->bench, id));
    nm_buf_clear(&self->answer);
    s_answer_asked(self, 0, 202, nm_client_map(&self->answer, "id", "theirs", "status", "pending", NULL));

    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 4);
    assert_int_equal(nm_client_number(reply->body, "rejected"), 1);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", i), "index"), i);
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", 1), "id"), "theirs");
    assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 2), "status"), 422);
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", 2), "detail"), "no good");
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 3);
}

static void
items_whose_owner_is_away_are_refused_alone(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "gateway-2");
    const nm_bench_reply_t *reply = s_reply(self, s_ask(self, BATCH, NULL, s_batch(self, 3)));
    assert_int_equal(nm_client_number(reply->body, "accepted"), 3);
    assert_int_equal(nm_client_number(reply->body, "rejected"), 2);
    assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 4), "status"), 503);
}

//  Else its answer would be kept, and with it that two of its items came to nothing.
static void
a_batch_with_a_key_is_not_taken_in_by_halves(void **state)
{
    test_t *self = *state;
    char key[80];
    snprintf(key, sizeof key, "%s", nm_client_keyed(self->client, 1, "night"));
    nm_bench_away(self->bench, "gateway-2");
    assert_int_equal(s_reply(self, s_ask(self, BATCH, key, s_batch(self, 0)))->status, 503);
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 0);

    nm_bench_back(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    uint64_t id = s_ask(self, BATCH, key, s_batch(self, 0));
    nm_buf_clear(&self->answer);
    nm_client_map(&self->answer, "id", "theirs", "status", "pending", NULL);
    assert_string_equal(nm_client_text(nm_bench_asked(self->bench, 0)->headers, "idempotency_key"), "");
    s_answer_asked(self, 0, 202, nm_buf_bytes(&self->answer));
    s_answer_asked(self, 1, 202, nm_buf_bytes(&self->answer));
    assert_int_equal(nm_client_number(s_reply(self, id)->body, "accepted"), 5);
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 3);

    uint64_t again = s_ask(self, BATCH, key, s_batch(self, 0));
    assert_true(nm_bytes_equal(s_reply(self, again)->body, s_reply(self, id)->body));
    assert_int_equal(nm_bench_asks(self->bench), 2);
}

static void
a_batch_under_anothers_key_is_passed_on_whole(void **state)
{
    test_t *self = *state;
    nm_bytes_t body = s_batch(self, 0);
    s_ask(self, BATCH, nm_client_keyed(self->client, 2, "night"), body);
    assert_int_equal(nm_bench_asks(self->bench), 1);
    assert_true(nm_bytes_equal(s_asked(self, 0, BATCH)->body, body));
    assert_int_equal(s_works(self), 0);
}

static void
a_batch_that_came_over_another_gateway_still_sends_its_items_where_they_belong(void **state)
{
    test_t *self = *state;
    s_ask_as(self, "gateway-2", BATCH, nm_client_keyed(self->client, 1, "night"), s_batch(self, 2));
    assert_int_equal(nm_bench_asks(self->bench), 2);
    s_asked(self, 1, CREATE);
}

static void
a_new_gateway_asks_about_each_key_of_a_batch(void **state)
{
    test_t *self = *state;
    s_be_new(self);
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, 2);
    for (unsigned i = 0; i < 2; i++) {
        char stem[32];
        snprintf(stem, sizeof stem, "item-%u", i);
        nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "content", "Hi", "request_id",
                      nm_client_keyed(self->client, 1, stem), NULL);
    }
    uint64_t id = s_ask(self, BATCH, nm_client_keyed(self->client, 1, "night"), nm_buf_bytes(&self->body));
    assert_int_equal(nm_bench_asks(self->bench), 3);
    s_asked(self, 0, "idempotency.find.notifications.batch");
    s_answer_asked(self, 0, 404, s_answer(self, "title", "Not Found"));
    s_answer_asked(self, 1, 404, s_answer(self, "title", "Not Found"));
    nm_buf_clear(&self->answer);
    nm_writer_map(&self->answer, 3);
    nm_writer_pair_uint(&self->answer, "status", 202);
    nm_writer_pair_text(&self->answer, "correlation_id", "of-the-first");
    nm_writer_text(&self->answer, "body");
    nm_client_map(&self->answer, "id", "theirs", "status", "sent", NULL);
    s_answer_asked(self, 2, 200, nm_buf_bytes(&self->answer));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 2);
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", 1), "id"), "theirs");
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 1);
}

//  -- Doors

static void
doors_are_told_to_whoever_has_a_key(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    const nm_bench_reply_t *reply = s_reply(self, s_ask(self, "doors", NULL, nm_bytes(NULL, 0)));
    assert_int_equal(reply->status, 200);
    nm_bytes_t own = nm_client_item(reply->body, "doors", 0);
    assert_string_equal(nm_client_text(own, "name"), "gateway-1");
    assert_string_equal(nm_client_text(own, "endpoint"), "tcp://127.0.0.1:7002");
    assert_int_equal(nm_client_number(own, "number"), 1);
    assert_int_equal(nm_client_ask_as(self->client, NULL, "doors", nm_bytes(NULL, 0))->status, 401);
}

//  -- Places of those that wait for others

//  Fills all places that `shop` can have with an op that nobody answers, then asks it for another service. True: that
//  one waits too.
static bool
s_waits_beside_one_that_floods(test_t *self, const char *op, nm_bytes_t body, size_t places)
{
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_ask_headers_t headers = { .has = 0 };
    uint64_t last = 0;
    nm_client_service(self->client, "cafe", NULL, id, key);
    for (size_t i = 0; i <= places; i++)
        last = nm_client_queue(self->client, op, NULL, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    unsigned status = s_reply(self, last)->status;
    assert_true(status == 429 || status == 503);
    NM_PUT(&headers, ask_headers, api_key, nm_text(key));
    last = nm_client_queue(self->client, op, &headers, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    return nm_bench_reply(self->bench, last) == NULL;
}

static void
a_service_that_waits_for_events_elsewhere_without_end_leaves_others_their_questions(void **state)
{
    test_t *self = *state;
    nm_buf_t body = { 0 };
    nm_buf_add_bytes(&body, s_by_id(self, 2));
    assert_true(s_waits_beside_one_that_floods(self, "events.read", nm_buf_bytes(&body), NM_FORWARD_COUNT));
    nm_buf_free(&body);
}

static void
a_service_that_lists_without_end_leaves_others_their_lists(void **state)
{
    assert_true(s_waits_beside_one_that_floods(*state, "notifications.list", nm_bytes(NULL, 0), NM_ERRAND_COUNT));
}

//  With 8 MiB each they take up the memory before they take up the places.
static void
a_service_with_large_batches_leaves_others_room(void **state)
{
    enum { CONTENT_SIZE = 200 * 1024, ITEM_COUNT = 40, ASK_COUNT = 8 };
    test_t *self = *state;
    nm_buf_t body = { 0 };
    char *content = nm_alloc(CONTENT_SIZE + 1);
    memset(content, 'a', CONTENT_SIZE);
    nm_writer_map(&body, 1);
    nm_writer_text(&body, "notifications");
    nm_writer_list(&body, ITEM_COUNT);
    for (unsigned i = 0; i < ITEM_COUNT; i++)
        nm_client_map(&body, "channel", "email", "recipient", "ada@example.org", "content", content, "request_id",
                      nm_client_keyed(self->client, 2, i % 2 ? "odd" : "even"), NULL);
    assert_true(s_waits_beside_one_that_floods(self, BATCH, nm_buf_bytes(&body), ASK_COUNT));
    nm_buf_free(&body);
    free(content);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nm_gateway_setup, nm_gateway_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_question_about_anothers_notification_is_passed_on),
        TEST(a_question_about_a_predecessors_notification_is_asked_of_all),
        TEST(what_was_passed_on_is_not_passed_on_again),
        TEST(an_unknown_gateways_notification_is_404),
        TEST(an_owner_that_is_away_makes_a_503_that_says_when_to_ask_again),
        TEST(an_owner_that_dies_while_it_is_asked_is_not_waited_for),
        TEST(a_question_that_came_over_another_gateway_is_answered_by_its_key),
        TEST(a_gateway_may_not_ask_what_only_clients_may),
        TEST(a_request_under_anothers_key_is_passed_on_and_not_taken_in),
        TEST(a_key_in_the_body_is_passed_on_as_well),
        TEST(a_gateway_that_is_away_costs_its_own_keys_alone),
        TEST(a_silent_owner_makes_a_503),
        TEST(a_new_gateway_first_asks_who_answered_before),
        TEST(what_the_one_before_has_answered_is_the_answer),
        TEST(another_body_under_a_key_of_the_one_before_is_422),
        TEST(while_the_one_before_is_away_nothing_is_taken_in),
        TEST(after_a_day_nobody_is_asked),
        TEST(who_is_asked_gives_his_first_answer),
        TEST(who_knows_nothing_of_a_key_leaves_it_to_the_asker_for_good),
        TEST(a_key_that_moved_to_one_that_is_gone_for_good_is_ours_again),
        TEST(a_key_that_moved_while_we_asked_is_not_taken_in),
        TEST(only_gateways_may_ask_what_is_known_of_a_key),
        TEST(items_with_anothers_key_go_there_and_their_answers_come_back_in_place),
        TEST(items_whose_owner_is_away_are_refused_alone),
        TEST(a_batch_with_a_key_is_not_taken_in_by_halves),
        TEST(a_batch_under_anothers_key_is_passed_on_whole),
        TEST(a_batch_that_came_over_another_gateway_still_sends_its_items_where_they_belong),
        TEST(a_new_gateway_asks_about_each_key_of_a_batch),
        TEST(doors_are_told_to_whoever_has_a_key),
        TEST(a_service_that_waits_for_events_elsewhere_without_end_leaves_others_their_questions),
        TEST(a_service_that_lists_without_end_leaves_others_their_lists),
        TEST(a_service_with_large_batches_leaves_others_room),
    };
    return cmocka_run_group_tests_name("gateway among others", tests, NULL, NULL);
}
