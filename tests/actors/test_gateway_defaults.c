//  What a service says for all its notifications: defaults, retention; and what an ask brings beside its body.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/actors/gateway_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CREATE "notifications.create"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define DAY_MS (INT64_C(86400) * 1000)

typedef nm_gateway_test_t test_t;

static int
s_setup(void **state)
{
    test_t *self = nm_gateway_test_new(NULL);
    nm_bench_away(self->bench, "gateway-2");
    *state = self;
    return 0;
}

//  Patches one field of the service; what the answer shows of it.
static nm_bytes_t
s_patch(test_t *self, const char *field, nm_bytes_t value)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "id", self->client->service);
    nm_writer_pair_raw(&body, field, value);
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&body));
    nm_buf_free(&body);
    assert_int_equal(reply->status, 200);
    return nm_client_raw(reply->body, field);
}

#define PATCH(self, field, ...)                                          \
    do {                                                                 \
        nm_buf_t value_ = { 0 };                                         \
        s_patch(self, field, nm_client_map(&value_, __VA_ARGS__, NULL)); \
        nm_buf_free(&value_);                                            \
    } while (0)

static nm_bytes_t
s_request(test_t *self, const char *content)
{
    nm_buf_clear(&self->body);
    return nm_client_map(&self->body, "recipient", "ada@example.org", "content", content, NULL);
}

static nm_bytes_t
s_show(test_t *self, nm_bytes_t answer)
{
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "id", nm_client_text(answer, "id"), NULL);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, "notifications.get", nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 200);
    return reply->body;
}

//  The request in the n-th mail to a router.
static nm_bytes_t
s_mailed(test_t *self, size_t n)
{
    nm_work_t work;
    const nm_bench_mail_t *mail = nm_bench_sent(self->bench, NM_MAIL_WORK, n);
    assert_non_null(mail);
    assert_int_equal(nm_record_decode(&nm_work_shape, &work, mail->body, NULL, ""), NM_OK);
    return work.request;
}

//  -- Defaults

static void
defaults_are_part_of_what_is_accepted(void **state)
{
    test_t *self = *state;
    assert_int_equal(nm_client_ask(self->client, CREATE, s_request(self, "a"))->status, 422);
    PATCH(self, "defaults", "channel", "email", "priority", "low", "reply_to", "help@example.org", "expires_in_seconds",
          "#60");
    const nm_bench_reply_t *reply = nm_client_ask(self->client, CREATE, s_request(self, "a"));
    assert_int_equal(reply->status, 202);
    assert_string_equal(nm_client_text(reply->body, "channel"), "email");
    nm_bytes_t mailed = s_mailed(self, 0);
    assert_string_equal(nm_client_text(mailed, "priority"), "low");
    assert_string_equal(nm_client_text(nm_client_raw(mailed, "email"), "reply_to"), "help@example.org");
    assert_string_equal(nm_client_text(mailed, "expires_at"), "2026-11-21T00:01:00.000Z");
    nm_bytes_t note = s_show(self, reply->body);
    assert_string_equal(nm_client_text(note, "priority"), "low");
    assert_string_equal(nm_client_text(note, "expires_at"), "2026-11-21T00:01:00.000Z");
}

static void
a_later_change_alters_nothing_that_was_accepted(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "router-1");
    nm_bench_away(self->bench, "router-2");
    PATCH(self, "defaults", "channel", "email", "priority", "low");
    nm_client_ask(self->client, CREATE, s_request(self, "a"));
    PATCH(self, "defaults", "priority", "high");
    nm_client_ask(self->client, CREATE, s_request(self, "b"));
    nm_bench_restart(self->bench);
    nm_bench_back(self->bench, "router-1");
    nm_bench_turn(self->bench);
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 2);
    for (size_t i = 0; i < 2; i++) {
        bool first = strcmp(nm_client_text(s_mailed(self, i), "content"), "a") == 0;
        assert_string_equal(nm_client_text(s_mailed(self, i), "priority"), first ? "low" : "high");
    }
}

static void
defaults_hold_in_batches_and_broadcasts(void **state)
{
    test_t *self = *state;
    PATCH(self, "defaults", "channel", "email", "priority", "high");
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, 2);
    nm_client_map(&self->body, "recipient", "ada@example.org", "content", "x", NULL);
    nm_client_map(&self->body, "recipient", "ada@example.org", "content", "x", "priority", "#3", NULL);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, "notifications.batch", nm_buf_bytes(&self->body));
    assert_int_equal(nm_client_number(reply->body, "accepted"), 2);

    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 2);
    nm_writer_pair_text(&self->body, "content", "x");
    nm_writer_text(&self->body, "user_ids");
    nm_writer_list(&self->body, 1);
    nm_writer_text(&self->body, "018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b");
    reply = nm_client_ask(self->client, "notifications.broadcast", nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 1);
    unsigned high = 0;
    for (size_t i = 0; i < 3; i++)
        high += nm_bench_sent(self->bench, NM_MAIL_WORK, i)->priority == NM_PRIORITY_HIGH;
    assert_int_equal(high, 2);
}

static void
a_key_is_of_what_the_client_said(void **state)
{
    test_t *self = *state;
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(nm_client_keyed(self->client, 1, "order")));
    PATCH(self, "defaults", "channel", "email");
    for (unsigned i = 0; i < 2; i++) {
        uint64_t id = nm_client_queue(self->client, CREATE, &headers, s_request(self, "a"));
        nm_bench_turn(self->bench);
        assert_int_equal(nm_bench_reply(self->bench, id)->status, 202);
        PATCH(self, "defaults", "priority", "high");
    }
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 1);
}

static void
duplicates_can_be_told_apart_by_default(void **state)
{
    test_t *self = *state;
    PATCH(self, "defaults", "channel", "email", "dedupe_seconds", "#60");
    assert_int_equal(nm_client_ask(self->client, CREATE, s_request(self, "a"))->status, 202);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_request(self, "a"))->status, 200);
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "recipient", "ada@example.org", "content", "a", "dedupe_seconds", "#0", NULL);
    assert_int_equal(nm_client_ask(self->client, CREATE, nm_buf_bytes(&self->body))->status, 202);
}

static void
a_patch_of_a_part_keeps_the_rest_of_it(void **state)
{
    test_t *self = *state;
    nm_buf_t value = { 0 };
    PATCH(self, "limits", "per_minute", "#60", "burst", "#5");
    nm_bytes_t limits = s_patch(self, "limits", nm_client_map(&value, "per_day", "#9", NULL));
    assert_int_equal(nm_client_number(limits, "per_minute"), 60);
    assert_int_equal(nm_client_number(limits, "burst"), 5);
    assert_int_equal(nm_client_number(limits, "per_day"), 9);
    nm_buf_clear(&value);
    nm_writer_map(&value, 1);
    nm_writer_text(&value, "burst");
    nm_writer_nil(&value);
    limits = s_patch(self, "limits", nm_buf_bytes(&value));
    assert_int_equal(nm_client_number(limits, "per_minute"), 60);
    assert_int_equal(nm_client_raw(limits, "burst").size, 0);
    nm_buf_clear(&value);
    nm_writer_nil(&value);
    limits = s_patch(self, "limits", nm_buf_bytes(&value));
    assert_int_equal(limits.at[0], 0xc0);
    nm_buf_free(&value);
}

//  -- Retention

static void
each_service_keeps_what_ended_as_long_as_it_says(void **state)
{
    test_t *self = *state;
    nm_buf_t two = { 0 };
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(self->client, "other", NULL, id, key);
    nm_writer_uint(&two, 2);
    s_patch(self, "retention_days", nm_buf_bytes(&two));
    nm_buf_free(&two);
    nm_id_t ours = nm_client_send(self->client, 1), waits = nm_client_send(self->client, 2), theirs;
    nm_buf_clear(&self->body);
    const nm_bench_reply_t *reply = nm_client_ask_as(self->client, key, CREATE, nm_client_email(&self->body, 3));
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &theirs), NM_OK);
    nm_event_t sent = nm_client_event(self->client, &ours, NM_EVENT_SENT, 3);
    nm_client_tell(self->client, "email-1", &sent);
    sent = nm_client_event(self->client, &theirs, NM_EVENT_SENT, 3);
    nm_client_tell(self->client, "email-1", &sent);

    nm_bench_wait(self->bench, 2 * DAY_MS - 60000);
    nm_bench_turn(self->bench);
    assert_string_equal(nm_client_status(self->client, &ours), "sent");
    nm_bench_wait(self->bench, 180000);
    nm_bench_turn(self->bench);
    assert_string_equal(nm_client_status(self->client, &ours), "");
    assert_string_equal(nm_client_status(self->client, &waits), "pending");
    assert_string_equal(nm_client_status(self->client, &theirs), "sent");
    nm_bench_wait(self->bench, 28 * DAY_MS);
    nm_bench_turn(self->bench);
    assert_string_equal(nm_client_status(self->client, &theirs), "");
}

//  More than one look sees are of a service that keeps them for a year; what is old behind them goes all the same.
static void
what_stays_long_does_not_keep_what_is_old(void **state)
{
    enum { STAYS = 2100 };
    test_t *self = *state;
    nm_buf_t year = { 0 };
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(self->client, "other", NULL, id, key);
    nm_writer_uint(&year, 365);
    s_patch(self, "retention_days", nm_buf_bytes(&year));
    nm_buf_free(&year);
    for (unsigned n = 1; n <= STAYS; n++) {
        nm_buf_clear(&self->body);
        nm_client_queue(self->client, CREATE, NULL, nm_client_email(&self->body, n));
        if (n % 500 == 0 || n == STAYS)
            assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    }
    nm_buf_clear(&self->body);
    nm_id_t theirs;
    const nm_bench_reply_t *reply = nm_client_ask_as(self->client, key, CREATE, nm_client_email(&self->body, 1));
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &theirs), NM_OK);
    nm_event_t sent = nm_client_event(self->client, &theirs, NM_EVENT_SENT, 3);
    nm_client_tell(self->client, "email-1", &sent);
    nm_bench_forget(self->bench);

    nm_bench_wait(self->bench, 29 * DAY_MS);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    assert_string_equal(nm_client_status(self->client, &theirs), "sent");
    nm_bench_wait(self->bench, 2 * DAY_MS);
    for (int i = 0; i < 3; i++) {
        nm_bench_wait(self->bench, 1000);
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    }
    assert_string_equal(nm_client_status(self->client, &theirs), "");
}

//  -- Trace context

static nm_bytes_t
s_create_traced(test_t *self, const char *traceparent)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, traceparent, nm_text(traceparent));
    nm_buf_clear(&self->body);
    uint64_t id = nm_client_queue(self->client, CREATE, &headers, nm_client_email(&self->body, 1));
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    assert_int_equal(nm_bench_reply(self->bench, id)->status, 202);
    return nm_bench_reply(self->bench, id)->body;
}

static void
a_trace_goes_on_to_the_work_and_the_timeline(void **state)
{
    test_t *self = *state;
    static const char PARENT[] = "00-" TRACE "-00f067aa0ba902b7-01";
    nm_work_t work;
    nm_bytes_t note = s_show(self, s_create_traced(self, PARENT));
    assert_string_equal(nm_client_text(nm_client_item(note, "timeline", 0), "event"), "accepted");
    assert_string_equal(nm_client_text(nm_client_item(note, "timeline", 0), "detail"), "trace " TRACE);
    const nm_bench_mail_t *mail = nm_bench_sent(self->bench, NM_MAIL_WORK, 0);
    assert_int_equal(nm_record_decode(&nm_work_shape, &work, mail->body, NULL, ""), NM_OK);
    assert_true(nm_bytes_is(work.traceparent, PARENT));
}

static void
a_malformed_trace_is_none(void **state)
{
    test_t *self = *state;
    nm_work_t work;
    nm_bytes_t note = s_show(self, s_create_traced(self, "00-" TRACE "-00f067aa0ba902b7-01-and-more"));
    assert_string_equal(nm_client_text(nm_client_item(note, "timeline", 0), "detail"), "");
    const nm_bench_mail_t *mail = nm_bench_sent(self->bench, NM_MAIL_WORK, 0);
    assert_int_equal(nm_record_decode(&nm_work_shape, &work, mail->body, NULL, ""), NM_OK);
    assert_false(NM_HAS(&work, work, traceparent));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, nm_gateway_teardown)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_part_of_what_is_accepted),
        TEST(a_later_change_alters_nothing_that_was_accepted),
        TEST(defaults_hold_in_batches_and_broadcasts),
        TEST(a_key_is_of_what_the_client_said),
        TEST(duplicates_can_be_told_apart_by_default),
        TEST(a_patch_of_a_part_keeps_the_rest_of_it),
        TEST(each_service_keeps_what_ended_as_long_as_it_says),
        TEST(what_stays_long_does_not_keep_what_is_old),
        TEST(a_trace_goes_on_to_the_work_and_the_timeline),
        TEST(a_malformed_trace_is_none),
    };
    return cmocka_run_group_tests_name("actors/gateway defaults", tests, NULL, NULL);
}
