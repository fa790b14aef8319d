#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "tests/actors/gateway_client.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static int
s_setup(void **state)
{
    nm_client_t *client = nm_client_new(NULL);
    nm_bench_bury(client->bench, "gateway-2");  //  It is alone: test_gateway_gather and _follow have others
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    *state = client;
    return 0;
}

static int
s_teardown(void **state)
{
    nm_client_t *client = *state;
    nm_client_destroy(&client);
    return 0;
}

#define ASK(client, op, ...) s_ask(client, op, (client)->key, __VA_ARGS__, NULL)
#define ASK_ADMIN(client, op, ...) s_ask(client, op, (client)->admin, __VA_ARGS__, NULL)

//  Pairs of texts, as nm_client_map takes them.
static const nm_bench_reply_t *
s_ask(nm_client_t *client, const char *op, const char *key, ...)
{
    const char *pairs[12] = { NULL };
    va_list args;
    va_start(args, key);
    for (size_t i = 0; i < NM_COUNT(pairs) - 1 && (pairs[i] = va_arg(args, const char *)); i++)
        ;
    va_end(args);
    nm_buf_t body = { 0 };
    nm_client_map(&body, pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5], pairs[6], pairs[7], NULL);
    const nm_bench_reply_t *reply = nm_client_ask_as(client, key, op, nm_buf_bytes(&body));
    nm_buf_free(&body);
    return reply;
}

//  -- Lists

static void
pages_have_no_gaps_and_no_repeats(void **state)
{
    nm_client_t *client = *state;
    enum { COUNT = 25 };
    char ids[COUNT][37], cursor[128] = "";
    for (unsigned i = 0; i < COUNT; i++) {
        nm_id_t id = nm_client_send(client, i);
        nm_id_to_text(&id, ids[i]);
        nm_bench_wait(client->bench, i % 3);
    }
    size_t seen = 0, pages = 0;
    do {
        const nm_bench_reply_t *reply = cursor[0] ? ASK(client, "notifications.list", "limit", "#10", "cursor", cursor)
                                                  : ASK(client, "notifications.list", "limit", "#10");
        assert_int_equal(reply->status, 200);
        size_t count = nm_client_count(reply->body, "items");
        for (size_t i = 0; i < count; i++, seen++)
            assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", i), "id"), ids[COUNT - 1 - seen]);
        snprintf(cursor, sizeof cursor, "%s", nm_client_text(reply->body, "next_cursor"));
        pages++;
        nm_client_send(client, 100 + (unsigned) pages);  //  What is newer does not disturb
    } while (cursor[0]);
    assert_int_equal(seen, COUNT);
    assert_int_equal(pages, 3);
}

static void
a_page_that_ends_with_the_list_has_no_cursor(void **state)
{
    nm_client_t *client = *state;
    nm_client_send(client, 1);
    nm_client_send(client, 2);
    const nm_bench_reply_t *reply = ASK(client, "notifications.list", "limit", "#2");
    assert_int_equal(nm_client_count(reply->body, "items"), 2);
    assert_string_equal(nm_client_text(reply->body, "next_cursor"), "");
}

//  A frame with more values than NM_NODE_MAX is none, and its reader would wait in vain.
static void
a_page_of_much_metadata_ends_before_it_fits_no_frame(void **state)
{
    nm_client_t *client = *state;
    enum { COUNT = 60, NUMBERS = 4000 };
    nm_buf_t body = { 0 }, metadata = { 0 };
    nm_writer_map(&metadata, 1);
    nm_writer_text(&metadata, "numbers");
    nm_writer_list(&metadata, NUMBERS);
    for (size_t i = 0; i < NUMBERS; i++)
        nm_writer_uint(&metadata, 1);
    for (unsigned i = 0; i < COUNT; i++) {
        nm_writer_map(&body, 4);
        nm_writer_pair_text(&body, "channel", "email");
        nm_writer_pair_text(&body, "recipient", "ada@example.com");
        nm_writer_pair_text(&body, "content", "c");
        nm_writer_pair_raw(&body, "metadata", nm_buf_bytes(&metadata));
        assert_int_equal(nm_client_ask(client, "notifications.create", nm_buf_bytes(&body))->status, 202);
        nm_buf_clear(&body);
    }
    const nm_bench_reply_t *reply = ASK(client, "notifications.list", "limit", "#60");
    size_t first = nm_client_count(reply->body, "items");
    assert_int_equal(nm_reader_check(reply->body), NM_OK);
    assert_in_range(first, 30, COUNT - 1);
    char cursor[128];
    snprintf(cursor, sizeof cursor, "%s", nm_client_text(reply->body, "next_cursor"));
    reply = ASK(client, "notifications.list", "limit", "#60", "cursor", cursor);
    assert_int_equal(first + nm_client_count(reply->body, "items"), COUNT);
    assert_string_equal(nm_client_text(reply->body, "next_cursor"), "");
    nm_buf_free(&body);
    nm_buf_free(&metadata);
}

static void
lists_take_filters(void **state)
{
    nm_client_t *client = *state;
    nm_id_t early = nm_client_send(client, 1);
    nm_bench_wait(client->bench, 10000);
    nm_client_send(client, 2);
    nm_event_t event = nm_client_event(client, &early, NM_EVENT_SENT, 3);
    nm_client_tell(client, "email-1", &event);
    static const struct {
        const char *key, *value;
        size_t count;
    } CASES[] = {
        { "status", "sent", 1 },
        { "status", "pending", 1 },
        { "status", "failed", 0 },
        { "channel", "email", 2 },
        { "channel", "sms", 0 },
        { "created_after", "2026-11-21T00:00:05Z", 1 },
        { "created_before", "2026-11-21T00:00:05Z", 1 },
        { "created_before", "2026-11-21T00:00:00Z", 0 },
        { "created_after", "2026-11-21T00:00:10Z", 1 },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        const nm_bench_reply_t *reply = ASK(client, "notifications.list", CASES[i].key, CASES[i].value);
        assert_int_equal(reply->status, 200);
        assert_int_equal(nm_client_count(reply->body, "items"), CASES[i].count);
    }
}

static void
faults_of_a_query_point_at_its_names(void **state)
{
    nm_client_t *client = *state;
    static const struct {
        const char *key, *value, *pointer;
        unsigned status;
    } CASES[] = {
        { "limit", "#201", "?limit", 422 },  { "limit", "#0", "?limit", 422 },    { "colour", "red", "?colour", 422 },
        { "status", "odd", "?status", 422 }, { "cursor", "nonsense", NULL, 400 },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        const nm_bench_reply_t *reply = ASK(client, "notifications.list", CASES[i].key, CASES[i].value);
        assert_int_equal(reply->status, CASES[i].status);
        if (CASES[i].pointer)
            assert_string_equal(nm_client_text(nm_client_item(reply->body, "errors", 0), "pointer"), CASES[i].pointer);
    }
}

static void
an_admin_lists_all_tenants_or_one(void **state)
{
    nm_client_t *client = *state;
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(client, "rival", NULL, id, key);
    nm_client_send(client, 1);
    nm_buf_t body = { 0 };
    nm_client_ask_as(client, key, "notifications.create", nm_client_email(&body, 2));
    nm_buf_free(&body);
    assert_int_equal(nm_client_count(ASK_ADMIN(client, "notifications.list", "limit", "#9")->body, "items"), 2);
    assert_int_equal(nm_client_count(ASK_ADMIN(client, "notifications.list", "service_id", id)->body, "items"), 1);
    assert_int_equal(ASK(client, "notifications.list", "service_id", id)->status, 404);
}

//  -- Events

static void
events_are_read_from_a_cursor_on(void **state)
{
    nm_client_t *client = *state;
    char cursor[128];
    const nm_bench_reply_t *reply = ASK(client, "events.read", "limit", "#10");
    assert_int_equal(nm_client_count(reply->body, "items"), 0);
    snprintf(cursor, sizeof cursor, "%s", nm_client_text(reply->body, "next_cursor"));

    nm_id_t id = nm_client_send(client, 1);
    nm_event_t event = nm_client_event(client, &id, NM_EVENT_QUEUED, 1);
    NM_PUT(&event, event, detail, nm_text("in line"));
    nm_client_tell(client, "email-1", &event);
    nm_bench_restart(client->bench);
    reply = ASK(client, "events.read", "after", cursor);
    assert_int_equal(nm_client_count(reply->body, "items"), 2);
    nm_bytes_t first = nm_client_item(reply->body, "items", 0), second = nm_client_item(reply->body, "items", 1);
    assert_string_equal(nm_client_text(first, "event"), "accepted");
    assert_string_equal(nm_client_text(first, "status"), "pending");
    assert_string_equal(nm_client_text(second, "event"), "queued");
    assert_string_equal(nm_client_text(second, "status"), "queued");
    assert_string_equal(nm_client_text(second, "detail"), "in line");

    snprintf(cursor, sizeof cursor, "%s", nm_client_text(first, "cursor"));
    reply = ASK(client, "events.read", "cursor", cursor);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    assert_int_equal(nm_client_count(ASK(client, "events.read", "after", "0")->body, "items"), 2);
    assert_int_equal(ASK(client, "events.read", "after", "nonsense")->status, 400);
}

static void
every_event_is_read_once_across_pages(void **state)
{
    nm_client_t *client = *state;
    enum { COUNT = 450 };
    for (unsigned i = 0; i < COUNT; i++) {
        nm_buf_t body = { 0 };
        nm_client_queue(client, "notifications.create", NULL, nm_client_email(&body, i));
        nm_buf_free(&body);
    }
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    char cursor[128] = "0", last[37] = "";
    size_t seen = 0, count;
    do {
        const nm_bench_reply_t *reply = ASK(client, "events.read", "after", cursor, "limit", "#97");
        count = nm_client_count(reply->body, "items");
        for (size_t i = 0; i < count; i++, seen++) {
            const char *id = nm_client_text(nm_client_item(reply->body, "items", i), "id");
            assert_true(strcmp(id, last) > 0);
            snprintf(last, sizeof last, "%s", id);
        }
        snprintf(cursor, sizeof cursor, "%s", nm_client_text(reply->body, "next_cursor"));
    } while (count);
    assert_int_equal(seen, COUNT);
}

static uint64_t
s_wait(nm_client_t *client, const char *wait_ms, const char *notification)
{
    nm_buf_t body = { 0 };
    nm_client_map(&body, "wait_ms", wait_ms, notification ? "notification" : NULL, notification, NULL);
    uint64_t ask = nm_client_queue(client, "events.read", NULL, nm_buf_bytes(&body));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    return ask;
}

static void
who_waits_is_answered_when_something_happens(void **state)
{
    nm_client_t *client = *state;
    uint64_t ask = s_wait(client, "#20000", NULL);
    assert_null(nm_bench_reply(client->bench, ask));
    nm_client_send(client, 1);
    const nm_bench_reply_t *reply = nm_bench_reply(client->bench, ask);
    assert_non_null(reply);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
}

//  It is asked for in the very turn that brings the final status: the entry of that is not readable yet, the status is.
static void
a_stream_of_one_does_not_end_before_its_last_event(void **state)
{
    nm_client_t *client = *state;
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_t id = nm_client_send(client, 1);
    nm_id_to_text(&id, text);
    nm_event_t event = nm_client_event(client, &id, NM_EVENT_SENT, 3);
    nm_bench_record(client->bench, "email-1", NM_MAIL_EVENT, &nm_event_shape, &event);
    uint64_t ask = s_wait(client, "#20000", text);
    const nm_bench_reply_t *reply = nm_bench_reply(client->bench, ask);
    assert_non_null(reply);
    size_t count = nm_client_count(reply->body, "items");
    nm_bytes_t last = nm_client_item(reply->body, "items", count - 1), done = nm_client_raw(reply->body, "done");
    bool ends = done.size == 1 && done.at[0] == 0xc3;
    assert_true(ends == (strcmp(nm_client_text(last, "event"), "sent") == 0));
    //  Asked once more from the start it has both.
    reply = nm_bench_reply(client->bench, s_wait(client, "#20000", text));
    assert_non_null(reply);
    last = nm_client_item(reply->body, "items", nm_client_count(reply->body, "items") - 1);
    assert_string_equal(nm_client_text(last, "event"), "sent");
    done = nm_client_raw(reply->body, "done");
    assert_true(done.size == 1 && done.at[0] == 0xc3);
}

static void
who_waits_in_vain_is_answered_in_time(void **state)
{
    nm_client_t *client = *state;
    uint64_t ask = s_wait(client, "#2000", NULL);
    nm_bench_wait(client->bench, 1999);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_null(nm_bench_reply(client->bench, ask));
    nm_bench_wait(client->bench, 1);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(client->bench, ask);
    assert_non_null(reply);
    assert_int_equal(nm_client_count(reply->body, "items"), 0);
}

static void
who_waits_does_not_see_another_tenants_events(void **state)
{
    nm_client_t *client = *state;
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(client, "rival", NULL, id, key);
    uint64_t ask = s_wait(client, "#20000", NULL);
    nm_buf_t body = { 0 };
    nm_client_ask_as(client, key, "notifications.create", nm_client_email(&body, 2));
    nm_buf_free(&body);
    assert_null(nm_bench_reply(client->bench, ask));
}

//  An actor was cut off for days, or its clock is wrong: readers get what it tells as long as all else.
static void
an_event_that_comes_late_can_be_read_as_long_as_others(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    nm_event_t late = nm_client_event(client, &id, NM_EVENT_QUEUED, 1);
    nm_bench_wait(client->bench, INT64_C(8) * 86400000);
    nm_client_tell(client, "email-1", &late);
    nm_bench_wait(client->bench, 120000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_client_count(ASK(client, "events.read", "after", "0")->body, "items"), 1);
    nm_bench_wait(client->bench, INT64_C(7) * 86400000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_client_count(ASK(client, "events.read", "after", "0")->body, "items"), 0);
}

static void
an_event_from_the_future_keeps_no_others(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    nm_event_t early = nm_client_event(client, &id, NM_EVENT_QUEUED, 1);
    early.at += INT64_C(900) * 86400000;
    nm_client_tell(client, "email-1", &early);
    nm_bench_wait(client->bench, 2000);
    nm_client_send(client, 2);
    nm_bench_wait(client->bench, INT64_C(7) * 86400000 + 120000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_client_count(ASK(client, "events.read", "after", "0")->body, "items"), 0);
}

static void
a_tenant_reads_its_own_events_alone(void **state)
{
    nm_client_t *client = *state;
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(client, "rival", NULL, id, key);
    nm_client_send(client, 1);
    nm_buf_t body = { 0 };
    nm_client_ask_as(client, key, "notifications.create", nm_client_email(&body, 2));
    nm_buf_free(&body);
    assert_int_equal(nm_client_count(ASK(client, "events.read", "after", "0")->body, "items"), 1);
    assert_int_equal(nm_client_count(ASK_ADMIN(client, "events.read", "after", "0")->body, "items"), 2);
    assert_int_equal(ASK(client, "events.read", "after", "0", "service_id", id)->status, 404);
}

static void
one_notification_is_followed_to_its_end(void **state)
{
    nm_client_t *client = *state;
    char text[37];
    nm_id_t id = nm_client_send(client, 1);
    nm_client_send(client, 2);
    nm_id_to_text(&id, text);
    nm_event_t event = nm_client_event(client, &id, NM_EVENT_SENT, 3);
    nm_client_tell(client, "email-1", &event);
    const nm_bench_reply_t *reply = ASK(client, "events.read", "notification", text);
    assert_int_equal(nm_client_count(reply->body, "items"), 2);
    assert_int_equal(nm_client_raw(reply->body, "done").at[0], 0xc3);
    assert_int_equal(ASK(client, "events.read", "notification", "018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b")->status, 404);
}

static void
too_many_that_wait_are_429(void **state)
{
    nm_client_t *client = *state;
    uint64_t first = s_wait(client, "#20000", NULL);
    nm_gateway_t *gateway = nm_bench_state(client->bench);
    gateway->polls.shares[0].count = 12288;  //  As if so many of this service waited
    uint64_t second = s_wait(client, "#20000", NULL);
    assert_null(nm_bench_reply(client->bench, first));
    assert_non_null(nm_bench_reply(client->bench, second));
    assert_int_equal(nm_bench_reply(client->bench, second)->status, 429);
    gateway->polls.shares[0].count = 1;
}

//  -- Dead letters

static void
dead_letters_are_asked_of_their_keeper_in_the_tenants_name(void **state)
{
    nm_client_t *client = *state;
    nm_buf_t body = { 0 };
    uint64_t ask = nm_client_queue(client, "dead_letters.list", NULL,
                                   nm_client_map(&body, "limit", "#7", "reason", "rejected", NULL));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_bench_asks(client->bench), 1);
    const nm_bench_asked_t *asked = nm_bench_asked(client->bench, 0);
    assert_string_equal(asked->peer, "deadletter-1");
    assert_string_equal(asked->op, "dead_letters.list");
    assert_string_equal(nm_client_text(asked->body, "service_id"), client->service);
    assert_int_equal(nm_client_number(asked->body, "limit"), 7);

    nm_buf_t answer = { 0 };
    nm_client_map(&answer, "items", "none", NULL);
    nm_bench_answer(client->bench, asked->id, "deadletter-1", 200, nm_buf_bytes(&answer));
    nm_buf_free(&answer);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(client->bench, ask);
    assert_int_equal(reply->status, 200);
    assert_string_equal(nm_client_text(reply->body, "items"), "none");
}

static void
a_client_cannot_name_another_tenant_to_the_keeper(void **state)
{
    nm_client_t *client = *state;
    assert_int_equal(ASK(client, "dead_letters.list", "service", NM_ADMIN_SERVICE_TEXT)->status, 422);
    assert_int_equal(ASK(client, "dead_letters.list", "service_id", NM_ADMIN_SERVICE_TEXT)->status, 404);
    assert_int_equal(ASK(client, "dead_letters.list", "service_id", "nobody's")->status, 404);
    assert_int_equal(nm_bench_asks(client->bench), 0);
}

static void
dead_letters_without_their_keeper_are_503(void **state)
{
    nm_client_t *client = *state;
    nm_bench_away(client->bench, "deadletter-1");
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    const nm_bench_reply_t *reply = ASK(client, "dead_letters.list", "limit", "#3");
    if (!reply) {
        nm_buf_t none = { 0 };
        assert_int_equal(nm_bench_asks(client->bench), 1);
        nm_bench_wait(client->bench, 11000);
        assert_int_equal(nm_bench_turn(client->bench), NM_OK);
        nm_buf_free(&none);
        reply = nm_bench_reply(client->bench, 1);
    }
    assert_non_null(reply);
    assert_int_equal(reply->status, 503);
    assert_string_not_equal(nm_client_text(reply->headers, "retry-after"), "");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        TEST(pages_have_no_gaps_and_no_repeats),
        TEST(a_page_that_ends_with_the_list_has_no_cursor),
        TEST(a_page_of_much_metadata_ends_before_it_fits_no_frame),
        TEST(lists_take_filters),
        TEST(faults_of_a_query_point_at_its_names),
        TEST(an_admin_lists_all_tenants_or_one),
        TEST(events_are_read_from_a_cursor_on),
        TEST(every_event_is_read_once_across_pages),
        TEST(who_waits_is_answered_when_something_happens),
        TEST(a_stream_of_one_does_not_end_before_its_last_event),
        TEST(who_waits_in_vain_is_answered_in_time),
        TEST(who_waits_does_not_see_another_tenants_events),
        TEST(an_event_that_comes_late_can_be_read_as_long_as_others),
        TEST(an_event_from_the_future_keeps_no_others),
        TEST(a_tenant_reads_its_own_events_alone),
        TEST(one_notification_is_followed_to_its_end),
        TEST(too_many_that_wait_are_429),
        TEST(dead_letters_are_asked_of_their_keeper_in_the_tenants_name),
        TEST(a_client_cannot_name_another_tenant_to_the_keeper),
        TEST(dead_letters_without_their_keeper_are_503),
    };
    return cmocka_run_group_tests_name("actors/gateway reads", tests, NULL, NULL);
}
