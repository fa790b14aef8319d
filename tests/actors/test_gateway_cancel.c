#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/cancel.h"
#include "tests/actors/gateway_client.h"
#include "wire/id.h"
#include "wire/writer.h"

static int
s_setup(void **state)
{
    *state = nm_client_new(NULL);
    return 0;
}

static int
s_teardown(void **state)
{
    nm_client_t *client = *state;
    nm_client_destroy(&client);
    return 0;
}

static uint64_t
s_cancel(nm_client_t *client, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_buf_t body = { 0 };
    nm_id_to_text(id, text);
    uint64_t ask = nm_client_queue(client, "notifications.cancel", NULL, nm_client_map(&body, "id", text, NULL));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    return ask;
}

static unsigned
s_status_of(nm_client_t *client, uint64_t ask)
{
    const nm_bench_reply_t *reply = nm_bench_reply(client->bench, ask);
    return reply ? reply->status : 0;
}

static void
s_tell(nm_client_t *client, const nm_id_t *id, nm_event_kind_t kind, uint64_t order)
{
    nm_event_t event = nm_client_event(client, id, kind, order);
    nm_client_tell(client, "email-2", &event);
}

//  Answers all asks that are open from the n-th on with the same status.
static void
s_answer_from(nm_client_t *client, size_t n, unsigned status, const char *key, const char *value)
{
    nm_buf_t body = { 0 };
    nm_client_map(&body, key, value, NULL);
    size_t count = nm_bench_asks(client->bench);
    for (size_t i = n; i < count; i++) {
        const nm_bench_asked_t *asked = nm_bench_asked(client->bench, i);
        nm_bench_answer(client->bench, asked->id, asked->peer, status, nm_buf_bytes(&body));
    }
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
}

static void
what_still_waits_here_is_cancelled_at_once(void **state)
{
    nm_client_t *client = *state;
    nm_bench_away(client->bench, "router-1");
    nm_bench_away(client->bench, "router-2");
    nm_id_t id = nm_client_send(client, 1);
    assert_int_equal(s_status_of(client, s_cancel(client, &id)), 200);
    assert_string_equal(nm_client_status(client, &id), "cancelled");
    nm_bench_back(client->bench, "router-1");
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_bench_mails(client->bench, NM_MAIL_WORK), 0);
}

static void
a_scheduled_one_is_cancelled_at_once_and_stays_so(void **state)
{
    nm_client_t *client = *state;
    nm_buf_t body = { 0 };
    nm_id_t id;
    nm_client_map(&body, "channel", "email", "recipient", "later@example.org", "content", "Later", "send_at",
                  "2026-11-21T00:00:02Z", NULL);
    const nm_bench_reply_t *reply = nm_client_ask(client, "notifications.create", nm_buf_bytes(&body));
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &id), NM_OK);
    nm_buf_free(&body);
    assert_int_equal(s_status_of(client, s_cancel(client, &id)), 200);
    assert_int_equal(s_status_of(client, s_cancel(client, &id)), 409);
    nm_bench_wait(client->bench, 2500);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_bench_mails(client->bench, NM_MAIL_WORK), 0);
    assert_string_equal(nm_client_status(client, &id), "cancelled");
}

static void
sending_and_ended_ones_are_too_late(void **state)
{
    nm_client_t *client = *state;
    static const nm_event_kind_t KINDS[] = { NM_EVENT_SENDING, NM_EVENT_SENT, NM_EVENT_FAILED };
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        nm_id_t id = nm_client_send(client, 1);
        s_tell(client, &id, KINDS[i], 2);
        assert_int_equal(s_status_of(client, s_cancel(client, &id)), 409);
    }
    assert_int_equal(nm_bench_asks(client->bench), 0);
}

static void
the_holder_is_asked_and_its_word_is_waited_for(void **state)
{
    nm_client_t *client = *state;
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_QUEUED, 1);
    uint64_t ask = s_cancel(client, &id);
    assert_int_equal(s_status_of(client, ask), 0);
    assert_int_equal(nm_bench_asks(client->bench), 1);
    const nm_bench_asked_t *asked = nm_bench_asked(client->bench, 0);
    nm_id_to_text(&id, text);
    assert_string_equal(asked->peer, "email-2");
    assert_string_equal(asked->op, "deliveries.cancel");
    assert_string_equal(nm_client_text(asked->body, "notification"), text);

    s_answer_from(client, 0, 200, "cancelled", "#1");
    assert_int_equal(s_status_of(client, ask), 200);
    assert_string_equal(nm_client_status(client, &id), "cancelled");
}

//  The holder's reply and its event, in either order, make one step of the timeline.
static void
reply_and_event_may_come_in_either_order(void **state)
{
    nm_client_t *client = *state;
    for (size_t order = 0; order < 2; order++) {
        nm_id_t id = nm_client_send(client, 1);
        nm_bench_forget(client->bench);
        s_tell(client, &id, NM_EVENT_QUEUED, 1);
        uint64_t ask = s_cancel(client, &id);
        if (order == 0)
            s_tell(client, &id, NM_EVENT_CANCELLED, 2);
        s_answer_from(client, 0, 200, "cancelled", "#1");
        if (order == 1)
            s_tell(client, &id, NM_EVENT_CANCELLED, 2);
        assert_int_equal(s_status_of(client, ask), 200);
        assert_string_equal(nm_client_status(client, &id), "cancelled");

        char text[NM_ID_TEXT_SIZE + 1];
        nm_buf_t body = { 0 };
        nm_id_to_text(&id, text);
        nm_client_map(&body, "id", text, NULL);
        const nm_bench_reply_t *reply = nm_client_ask(client, "notifications.get", nm_buf_bytes(&body));
        assert_int_equal(nm_client_count(reply->body, "timeline"), 3);
        nm_buf_free(&body);
    }
}

static void
a_holder_that_is_sending_makes_it_409(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_QUEUED, 1);
    uint64_t ask = s_cancel(client, &id);
    s_answer_from(client, 0, 409, "sending", "#1");
    assert_int_equal(s_status_of(client, ask), 409);
    assert_string_equal(nm_client_status(client, &id), "queued");
}

static void
one_that_moved_on_is_followed(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_QUEUED, 1);
    uint64_t ask = s_cancel(client, &id);
    s_answer_from(client, 0, 200, "moved_to", "email-1");
    assert_int_equal(s_status_of(client, ask), 0);
    assert_int_equal(nm_bench_asks(client->bench), 2);
    assert_string_equal(nm_bench_asked(client->bench, 1)->peer, "email-1");
    s_answer_from(client, 1, 200, "cancelled", "#1");
    assert_int_equal(s_status_of(client, ask), 200);
}

static void
one_that_nobody_has_is_asked_for_again_and_then_503(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    uint64_t ask = s_cancel(client, &id);
    size_t answered = 0, rounds = 0;
    while (!s_status_of(client, ask) && rounds++ < 50) {
        size_t asked = nm_bench_asks(client->bench);
        s_answer_from(client, answered, 404, "unknown", "#1");
        answered = asked;
        nm_bench_wait(client->bench, 100);
        assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    }
    assert_int_equal(s_status_of(client, ask), 503);
    assert_string_equal(nm_client_text(nm_bench_reply(client->bench, ask)->headers, "retry-after"), "1");
    assert_true(rounds > 5 && rounds < 30);
    assert_string_equal(nm_client_status(client, &id), "pending");
}

static void
one_that_turns_up_meanwhile_is_cancelled(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    uint64_t ask = s_cancel(client, &id);
    size_t first = nm_bench_asks(client->bench);
    assert_true(first >= 2);
    s_answer_from(client, 0, 404, "unknown", "#1");
    s_tell(client, &id, NM_EVENT_QUEUED, 1);
    nm_bench_wait(client->bench, 100);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_bench_asks(client->bench), first + 1);
    assert_string_equal(nm_bench_asked(client->bench, first)->peer, "email-2");
    s_answer_from(client, first, 200, "cancelled", "#1");
    assert_int_equal(s_status_of(client, ask), 200);
}

static void
one_that_is_sent_meanwhile_is_409(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_QUEUED, 1);
    uint64_t ask = s_cancel(client, &id);
    s_tell(client, &id, NM_EVENT_SENT, 3);
    s_answer_from(client, 0, 404, "unknown", "#1");
    assert_int_equal(s_status_of(client, ask), 409);
    assert_string_equal(nm_client_status(client, &id), "sent");
}

//  All of them are about one notification, whose holder is slow.
static void
a_service_that_cancels_without_end_leaves_others_their_cancellations(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_QUEUED, 1);

    char text[NM_ID_TEXT_SIZE + 1];
    nm_buf_t body = { 0 };
    nm_ask_headers_t admin = { .has = 0 };
    uint64_t last = 0;
    nm_id_to_text(&id, text);
    nm_client_map(&body, "id", text, NULL);
    NM_PUT(&admin, ask_headers, api_key, nm_text(client->admin));
    for (size_t i = 0; i <= NM_CANCEL_COUNT; i++)
        last = nm_client_queue(client, "notifications.cancel", NULL, nm_buf_bytes(&body));
    uint64_t other = nm_client_queue(client, "notifications.cancel", &admin, nm_buf_bytes(&body));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(s_status_of(client, last), 503);
    assert_int_equal(s_status_of(client, other), 0);
    s_answer_from(client, 0, 200, "cancelled", "#1");
    assert_int_equal(s_status_of(client, other), 200);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_still_waits_here_is_cancelled_at_once),
        TEST(a_scheduled_one_is_cancelled_at_once_and_stays_so),
        TEST(sending_and_ended_ones_are_too_late),
        TEST(the_holder_is_asked_and_its_word_is_waited_for),
        TEST(reply_and_event_may_come_in_either_order),
        TEST(a_holder_that_is_sending_makes_it_409),
        TEST(one_that_moved_on_is_followed),
        TEST(one_that_nobody_has_is_asked_for_again_and_then_503),
        TEST(one_that_turns_up_meanwhile_is_cancelled),
        TEST(one_that_is_sent_meanwhile_is_409),
        TEST(a_service_that_cancels_without_end_leaves_others_their_cancellations),
    };
    return cmocka_run_group_tests_name("actors/gateway cancel", tests, NULL, NULL);
}
