#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/tables.h"
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

//  The record as a client reads it.
static nm_bytes_t
s_record(nm_client_t *client, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_buf_t body = { 0 };
    nm_id_to_text(id, text);
    const nm_bench_reply_t *reply = nm_client_ask(client, "notifications.get", nm_client_map(&body, "id", text, NULL));
    nm_buf_free(&body);
    assert_int_equal(reply->status, 200);
    return reply->body;
}

static const char *
s_step(nm_bytes_t record, size_t n)
{
    return nm_client_text(nm_client_item(record, "timeline", n), "event");
}

static void
s_tell(nm_client_t *client, const nm_id_t *id, nm_event_kind_t kind, uint64_t order)
{
    nm_event_t event = nm_client_event(client, id, kind, order);
    nm_client_tell(client, "email-1", &event);
}

//  -- The record

static void
shows_the_record_with_every_key(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    nm_bytes_t record = s_record(client, &id);
    static const char *const KEYS[] = { "id",         "service_id", "channel",    "channels",   "user_id",
                                        "recipient",  "template",   "language",   "priority",   "template_version",
                                        "status",     "provider",   "metadata",   "created_at", "correlation_id",
                                        "updated_at", "send_at",    "expires_at", "attempts",   "timeline" };
    for (size_t i = 0; i < NM_COUNT(KEYS); i++)
        assert_int_not_equal(nm_client_raw(record, KEYS[i]).size, 0);
    assert_int_equal(nm_client_raw(record, "content").size, 0);
    assert_string_equal(nm_client_text(record, "recipient"), "reader1@example.org");
    assert_string_equal(nm_client_text(record, "priority"), "normal");
    assert_string_equal(nm_client_text(record, "service_id"), client->service);
    assert_int_equal(nm_client_count(record, "timeline"), 1);
    assert_string_equal(s_step(record, 0), "accepted");
}

static void
the_status_follows_the_events(void **state)
{
    nm_client_t *client = *state;
    static const struct {
        nm_event_kind_t kind;
        const char *status;
    } STEPS[] = { { NM_EVENT_QUEUED, "queued" },
                  { NM_EVENT_SENDING, "sending" },
                  { NM_EVENT_RETRY_SCHEDULED, "retrying" },
                  { NM_EVENT_RETRY_ATTEMPTED, "sending" },
                  { NM_EVENT_SENT, "sent" },
                  { NM_EVENT_DELIVERED, "delivered" } };
    nm_id_t id = nm_client_send(client, 1);
    for (size_t i = 0; i < NM_COUNT(STEPS); i++) {
        s_tell(client, &id, STEPS[i].kind, i + 1);
        assert_string_equal(nm_client_status(client, &id), STEPS[i].status);
    }
    assert_int_equal(nm_client_count(s_record(client, &id), "timeline"), 1 + NM_COUNT(STEPS));
}

//  -- Whatever order they come in

enum { EVENT_COUNT = 6 };

static int
s_rank(const char *status)
{
    int number = nm_words_find(&nm_status_words, nm_text(status));
    //  retrying and sending alternate
    return number == NM_STATUS_RETRYING ? NM_STATUS_SENDING : number;
}

//  The next permutation in the order of numbers; false after the last.
static bool
s_next(unsigned order[EVENT_COUNT])
{
    int i = EVENT_COUNT - 2, j = EVENT_COUNT - 1;
    while (i >= 0 && order[i] > order[i + 1])
        i--;
    if (i < 0)
        return false;
    while (order[j] < order[i])
        j--;
    unsigned swap = order[i];
    order[i] = order[j];
    order[j] = swap;
    for (int low = i + 1, high = EVENT_COUNT - 1; low < high; low++, high--) {
        swap = order[low];
        order[low] = order[high];
        order[high] = swap;
    }
    return true;
}

//  Gives the events in that order, one a turn; the end and the timeline are always the same.
static void
s_play(nm_client_t *client, const nm_event_kind_t kinds[EVENT_COUNT], const unsigned order[EVENT_COUNT],
       const char *end)
{
    nm_id_t id = nm_client_send(client, 1);
    int rank = 0;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        s_tell(client, &id, kinds[order[i]], order[i] + 1);
        int next = s_rank(nm_client_status(client, &id));
        assert_true(next >= rank);
        rank = next;
    }
    assert_string_equal(nm_client_status(client, &id), end);
    nm_bytes_t record = s_record(client, &id);
    assert_int_equal(nm_client_count(record, "timeline"), 1 + EVENT_COUNT);
    for (size_t i = 0; i < EVENT_COUNT; i++)
        assert_string_equal(s_step(record, i + 1), nm_words_text(&nm_event_words, kinds[i]));
    nm_bench_forget(client->bench);
}

static void
s_play_all(nm_client_t *client, const nm_event_kind_t kinds[EVENT_COUNT], const char *end)
{
    unsigned order[EVENT_COUNT] = { 0, 1, 2, 3, 4, 5 };
    size_t count = 0;
    do {
        s_play(client, kinds, order, end);
        count++;
    } while (s_next(order));
    assert_int_equal(count, 720);
}

static void
no_order_of_six_events_moves_the_status_back(void **state)
{
    static const nm_event_kind_t KINDS[EVENT_COUNT] = {
        NM_EVENT_QUEUED,          NM_EVENT_SENDING, NM_EVENT_RETRY_SCHEDULED,
        NM_EVENT_RETRY_ATTEMPTED, NM_EVENT_SENT,    NM_EVENT_DELIVERED
    };
    s_play_all(*state, KINDS, "delivered");
}

static void
no_order_of_six_events_undoes_a_failure(void **state)
{
    static const nm_event_kind_t KINDS[EVENT_COUNT] = { NM_EVENT_QUEUED,          NM_EVENT_SENDING,
                                                        NM_EVENT_RETRY_SCHEDULED, NM_EVENT_RETRY_ATTEMPTED,
                                                        NM_EVENT_RETRY_SCHEDULED, NM_EVENT_FAILED };
    s_play_all(*state, KINDS, "failed");
}

static void
an_event_that_comes_twice_is_passed_over(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_QUEUED, 1);
    s_tell(client, &id, NM_EVENT_QUEUED, 1);
    assert_int_equal(nm_client_count(s_record(client, &id), "timeline"), 2);
}

static void
an_event_about_nothing_is_passed_over(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    id.at[15] ^= 1;
    s_tell(client, &id, NM_EVENT_SENT, 1);
    assert_string_equal(nm_client_status(client, &id), "");
}

static void
nothing_but_a_receipt_follows_sent(void **state)
{
    nm_client_t *client = *state;
    static const nm_event_kind_t LATE[] = { NM_EVENT_FAILED, NM_EVENT_CANCELLED, NM_EVENT_SENDING, NM_EVENT_EXPIRED };
    for (size_t i = 0; i < NM_COUNT(LATE); i++) {
        nm_id_t id = nm_client_send(client, 1);
        s_tell(client, &id, NM_EVENT_SENT, 3);
        s_tell(client, &id, LATE[i], 4);
        assert_string_equal(nm_client_status(client, &id), "sent");
        s_tell(client, &id, NM_EVENT_BOUNCED, 5);
        assert_string_equal(nm_client_status(client, &id), "bounced");
        s_tell(client, &id, NM_EVENT_DELIVERED, 6);
        assert_string_equal(nm_client_status(client, &id), "bounced");
    }
}

static void
content_is_kept_until_the_final_status_and_no_longer(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_RETRY_SCHEDULED, 3);
    assert_int_equal(nm_bench_rows(client->bench, &nm_contents_table), 1);
    s_tell(client, &id, NM_EVENT_SENT, 5);
    assert_int_equal(nm_bench_rows(client->bench, &nm_contents_table), 0);
}

//  -- Replays

static void
s_tell_again(nm_client_t *client, const nm_id_t *id, nm_event_kind_t kind, uint64_t order)
{
    nm_event_t event = nm_client_event(client, id, kind, order);
    NM_PUT(&event, event, generation, 1);
    NM_PUT(&event, event, at, event.at + 1000);
    nm_client_tell(client, "email-2", &event);
}

static void
a_replay_starts_over_and_old_events_do_not_count(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell(client, &id, NM_EVENT_FAILED, 9);
    assert_string_equal(nm_client_status(client, &id), "failed");
    s_tell_again(client, &id, NM_EVENT_REPLAYED, 0);
    assert_string_equal(nm_client_status(client, &id), "pending");
    s_tell(client, &id, NM_EVENT_RETRY_SCHEDULED, 8);
    assert_string_equal(nm_client_status(client, &id), "pending");
    s_tell_again(client, &id, NM_EVENT_SENT, 3);
    s_tell_again(client, &id, NM_EVENT_QUEUED, 1);
    assert_string_equal(nm_client_status(client, &id), "sent");
}

static void
a_replay_that_is_ahead_of_its_announcement_counts(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell_again(client, &id, NM_EVENT_QUEUED, 1);
    s_tell(client, &id, NM_EVENT_FAILED, 9);
    s_tell_again(client, &id, NM_EVENT_REPLAYED, 0);
    assert_string_equal(nm_client_status(client, &id), "queued");
}

//  -- Several deliveries

static void
s_tell_of(nm_client_t *client, const nm_id_t *id, uint64_t number, nm_event_kind_t kind, uint64_t order)
{
    nm_event_t event = nm_client_event(client, id, kind, order);
    NM_PUT(&event, event, number, number);
    nm_client_tell(client, "email-1", &event);
}

static void
s_split(nm_client_t *client, const nm_id_t *id, uint64_t count)
{
    nm_event_t event = nm_client_event(client, id, NM_EVENT_QUEUED, 0);
    NM_PUT(&event, event, deliveries, count);
    nm_client_tell(client, "router-1", &event);
}

static void
several_deliveries_end_with_the_last_and_the_first_decides(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_split(client, &id, 3);
    s_tell_of(client, &id, 0, NM_EVENT_SENT, 3);
    assert_string_equal(nm_client_status(client, &id), "pending");
    s_tell_of(client, &id, 1, NM_EVENT_SENDING, 2);
    assert_string_equal(nm_client_status(client, &id), "sending");
    s_tell_of(client, &id, 1, NM_EVENT_FAILED, 3);
    s_tell_of(client, &id, 2, NM_EVENT_SENT, 3);
    assert_string_equal(nm_client_status(client, &id), "sent");
}

static void
a_split_that_is_told_late_does_not_take_the_end_back(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell_of(client, &id, 0, NM_EVENT_SENT, 3);
    s_split(client, &id, 2);
    assert_string_equal(nm_client_status(client, &id), "sent");
}

//  -- Attempts

static void
s_tell_attempt(nm_client_t *client, const nm_id_t *id, uint64_t number, nm_outcome_t outcome, uint64_t order)
{
    nm_attempt_t attempt = { .has = 0 };
    nm_buf_t packed = { 0 };
    NM_PUT(&attempt, attempt, number, number);
    NM_PUT(&attempt, attempt, provider, nm_text(number == 1 ? "primary" : "backup"));
    NM_PUT(&attempt, attempt, started_at, nm_bench_now(client->bench) + (int64_t) number);
    NM_PUT(&attempt, attempt, outcome, (uint8_t) outcome);
    if (outcome != NM_OUTCOME_STARTED) {
        NM_PUT(&attempt, attempt, ended_at, nm_bench_now(client->bench) + 50);
        NM_PUT(&attempt, attempt, code, 250);
        NM_PUT(&attempt, attempt, detail, nm_text("2.0.0 Ok"));
    }
    nm_record_encode(&nm_attempt_shape, &attempt, NM_BY_TAG, &packed);
    nm_event_t event = nm_client_event(client, id, NM_EVENT_SENDING, order);
    NM_PUT(&event, event, attempt, nm_buf_bytes(&packed));
    nm_client_tell(client, "email-1", &event);
    nm_buf_free(&packed);
}

static void
attempts_are_merged_whichever_half_comes_first(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    s_tell_attempt(client, &id, 2, NM_OUTCOME_SENT, 6);
    s_tell_attempt(client, &id, 1, NM_OUTCOME_LATER, 3);
    s_tell_attempt(client, &id, 1, NM_OUTCOME_STARTED, 2);
    s_tell_attempt(client, &id, 2, NM_OUTCOME_STARTED, 5);
    nm_bytes_t record = s_record(client, &id);
    assert_int_equal(nm_client_count(record, "attempts"), 2);
    nm_bytes_t first = nm_client_item(record, "attempts", 0), second = nm_client_item(record, "attempts", 1);
    assert_int_equal(nm_client_number(first, "number"), 1);
    assert_string_equal(nm_client_text(first, "outcome"), "later");
    assert_string_equal(nm_client_text(first, "provider"), "primary");
    assert_int_equal(nm_client_number(second, "code"), 250);
    assert_string_equal(nm_client_text(second, "outcome"), "sent");
    assert_string_equal(nm_client_text(record, "provider"), "backup");
}

static void
lists_in_a_record_are_bounded_and_keep_the_newest(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = nm_client_send(client, 1);
    for (uint64_t i = 1; i <= NM_TIMELINE_COUNT + 20; i++)
        s_tell_attempt(client, &id, i, NM_OUTCOME_LATER, i);
    nm_bytes_t record = s_record(client, &id);
    assert_int_equal(nm_client_count(record, "timeline"), 1 + NM_TIMELINE_COUNT);
    assert_int_equal(nm_client_count(record, "attempts"), NM_ATTEMPT_COUNT);
    nm_bytes_t last = nm_client_item(record, "attempts", NM_ATTEMPT_COUNT - 1);
    assert_int_equal(nm_client_number(last, "number"), NM_TIMELINE_COUNT + 20);
}

static void
mail_that_nobody_can_read_goes_to_the_quarantine(void **state)
{
    nm_client_t *client = *state;
    nm_bench_mail(client->bench, "email-1", NM_MAIL_EVENT, nm_text("\x93nonsense"));
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    nm_id_t id = nm_client_send(client, 1);
    assert_string_equal(nm_client_status(client, &id), "pending");
}

//  -- Time

static nm_id_t
s_send_at(nm_client_t *client, const char *key, const char *when)
{
    nm_buf_t body = { 0 };
    nm_id_t id;
    nm_client_map(&body, "channel", "email", "recipient", "later@example.org", "content", "Later", key, when, NULL);
    const nm_bench_reply_t *reply = nm_client_ask(client, "notifications.create", nm_buf_bytes(&body));
    nm_buf_free(&body);
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &id), NM_OK);
    return id;
}

static void
a_scheduled_one_waits_for_its_time_through_a_restart(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = s_send_at(client, "send_at", "2026-11-21T01:00:00+00:30");
    assert_string_equal(nm_client_status(client, &id), "scheduled");
    assert_string_equal(s_step(s_record(client, &id), 1), "scheduled");
    assert_string_equal(nm_client_text(s_record(client, &id), "send_at"), "2026-11-21T00:30:00.000Z");

    nm_bench_wait(client->bench, 1799999);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_bench_mails(client->bench, NM_MAIL_WORK), 0);
    nm_bench_restart(client->bench);
    nm_bench_wait(client->bench, 1);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_bench_mails(client->bench, NM_MAIL_WORK), 1);
    assert_string_equal(nm_client_status(client, &id), "pending");
}

static void
a_past_send_at_means_now(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = s_send_at(client, "send_at", "2020-01-01T00:00:00Z");
    assert_string_equal(nm_client_status(client, &id), "pending");
    assert_int_equal(nm_bench_mails(client->bench, NM_MAIL_WORK), 1);
}

static void
what_nobody_takes_up_in_time_expires(void **state)
{
    nm_client_t *client = *state;
    nm_bench_away(client->bench, "router-1");
    nm_bench_away(client->bench, "router-2");
    nm_id_t id = s_send_at(client, "expires_at", "2026-11-21T00:00:10Z");
    nm_bench_wait(client->bench, 10000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_string_equal(nm_client_status(client, &id), "expired");
    nm_bench_back(client->bench, "router-1");
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(nm_bench_mails(client->bench, NM_MAIL_WORK), 0);
}

static void
what_a_router_has_is_left_to_it(void **state)
{
    nm_client_t *client = *state;
    nm_id_t id = s_send_at(client, "expires_at", "2026-11-21T00:00:10Z");
    nm_bench_wait(client->bench, 20000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_string_equal(nm_client_status(client, &id), "pending");
}

static void
old_ended_ones_are_forgotten_and_unfinished_kept(void **state)
{
    nm_client_t *client = *state;
    static const int64_t DAY_MS = INT64_C(86400000);
    nm_id_t done = nm_client_send(client, 1), open = nm_client_send(client, 2);
    s_tell(client, &done, NM_EVENT_SENT, 3);
    nm_bench_wait(client->bench, 30 * DAY_MS - 60000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_string_equal(nm_client_status(client, &done), "sent");
    nm_bench_wait(client->bench, 180000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_string_equal(nm_client_status(client, &done), "");
    assert_string_equal(nm_client_status(client, &open), "pending");
}

//  -- What is waited for

static uint64_t
s_oldest_seconds(nm_client_t *client)
{
    return nm_client_number(nm_client_ask_as(client, NULL, "health.ready", nm_bytes(NULL, 0))->body, "oldest_seconds");
}

static nm_id_t
s_schedule(nm_client_t *client, const char *send_at)
{
    nm_id_t id;
    nm_buf_t body = { 0 };
    const nm_bench_reply_t *reply =
        nm_client_ask(client, "notifications.create",
                      nm_client_map(&body, "channel", "email", "recipient", "a@example.org", "subject", "s", "content",
                                    "c", "send_at", send_at, NULL));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &id), NM_OK);
    nm_buf_free(&body);
    return id;
}

//  What is to wait does not look like a stall; once it is due it does.
static void
the_oldest_is_one_that_is_not_to_wait(void **state)
{
    nm_client_t *client = *state;
    assert_int_equal(s_oldest_seconds(client), 0);
    nm_id_t due = s_schedule(client, "2026-11-21T00:10:00Z");  //  Ten minutes after the bench begins
    for (unsigned i = 0; i < 40; i++)                          //  More than are passed over in a turn
        s_schedule(client, "2027-01-01T00:00:00Z");
    nm_bench_wait(client->bench, 60000);
    assert_int_equal(s_oldest_seconds(client), 0);
    nm_id_t first = nm_client_send(client, 1);
    nm_bench_wait(client->bench, 5000);
    nm_id_t second = nm_client_send(client, 2);
    nm_bench_wait(client->bench, 7000);
    assert_int_equal(s_oldest_seconds(client), 12);
    s_tell(client, &first, NM_EVENT_SENT, 11);
    assert_int_equal(s_oldest_seconds(client), 7);

    nm_bench_wait(client->bench, 600000);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    nm_bench_wait(client->bench, 3000);
    assert_int_equal(s_oldest_seconds(client), 610);  //  The second one still
    s_tell(client, &second, NM_EVENT_SENT, 11);
    uint64_t left = s_oldest_seconds(client);
    assert_true(left > 0 && left <= 75);  //  Since it was due, not since it was accepted
    nm_bench_restart(client->bench);
    assert_int_equal(nm_bench_turn(client->bench), NM_OK);
    assert_int_equal(s_oldest_seconds(client), left);
    s_tell(client, &due, NM_EVENT_SENT, 11);
    assert_int_equal(s_oldest_seconds(client), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        TEST(shows_the_record_with_every_key),
        TEST(the_status_follows_the_events),
        TEST(no_order_of_six_events_moves_the_status_back),
        TEST(no_order_of_six_events_undoes_a_failure),
        TEST(an_event_that_comes_twice_is_passed_over),
        TEST(an_event_about_nothing_is_passed_over),
        TEST(the_oldest_is_one_that_is_not_to_wait),
        TEST(nothing_but_a_receipt_follows_sent),
        TEST(content_is_kept_until_the_final_status_and_no_longer),
        TEST(a_replay_starts_over_and_old_events_do_not_count),
        TEST(a_replay_that_is_ahead_of_its_announcement_counts),
        TEST(several_deliveries_end_with_the_last_and_the_first_decides),
        TEST(a_split_that_is_told_late_does_not_take_the_end_back),
        TEST(attempts_are_merged_whichever_half_comes_first),
        TEST(lists_in_a_record_are_bounded_and_keep_the_newest),
        TEST(mail_that_nobody_can_read_goes_to_the_quarantine),
        TEST(a_scheduled_one_waits_for_its_time_through_a_restart),
        TEST(a_past_send_at_means_now),
        TEST(what_nobody_takes_up_in_time_expires),
        TEST(what_a_router_has_is_left_to_it),
        TEST(old_ended_ones_are_forgotten_and_unfinished_kept),
    };
    return cmocka_run_group_tests_name("actors/gateway status", tests, NULL, NULL);
}
