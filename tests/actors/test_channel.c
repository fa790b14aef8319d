//  About actors/channel/: the worker of channel actors, driven as the e-mail actor is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/channel/channel.h"
#include "actors/channel/deliveries.h"
#include "actors/email/email.h"
#include "tests/actors/sent.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char ONE[] = "providers\n"
                          "    first\n        kind = \"smtp\"\n        host = \"one.example\"\n        priority = 10\n"
                          "email\n    concurrency = 3\n    jitter_percent = 0\n    backlog = 20\n";
static const char TWO[] = "providers\n"
                          "    second\n        kind = \"smtp\"\n        host = \"two.example\"\n        priority = 20\n"
                          "    first\n        kind = \"smtp\"\n        host = \"one.example\"\n        priority = 10\n"
                          "    off\n        kind = \"sandbox\"\n        priority = 1\n        active = 0\n"
                          "email\n    jitter_percent = 0\n    breaker_failures = 2\n";
static const char NARROW[] = "providers\n    first\n        kind = \"smtp\"\n        host = \"one.example\"\n"
                             "email\n    concurrency = 1\n";
static const char PARK[] = "providers\n    first\n        kind = \"smtp\"\n        host = \"one.example\"\n"
                           "email\n    on_unknown = \"park\"\n";

static nm_bench_t *
s_bench(const char *settings)
{
    return nm_bench_new(&nm_email_role, "email-1", settings);
}

static nm_id_t
s_id(uint8_t number)
{
    nm_id_maker_t maker = { .gateway = 1 };
    nm_id_t id;
    nm_id_make(&maker, 1795219200000, 1000 + number, &id);
    return id;
}

static nm_delivery_t
s_delivery(nm_bench_t *bench, uint8_t number)
{
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    NM_PUT(&delivery, delivery, notification, s_id(number));
    NM_PUT(&delivery, delivery, service, s_id(200));
    NM_PUT(&delivery, delivery, number, 1);
    NM_PUT(&delivery, delivery, generation, 0);
    NM_PUT(&delivery, delivery, channel, NM_CHANNEL_EMAIL);
    NM_PUT(&delivery, delivery, recipient, nm_text("ada@example.com"));
    NM_PUT(&delivery, delivery, priority, NM_PRIORITY_NORMAL);
    NM_PUT(&delivery, delivery, created_at, nm_bench_now(bench) + number);
    NM_PUT(&delivery, delivery, subject, nm_text("Dinner"));
    NM_PUT(&delivery, delivery, content, nm_text("at eight"));
    NM_PUT(&delivery, delivery, correlation_id, nm_text("c-77"));
    return delivery;
}

static void
s_send(nm_bench_t *bench, const nm_delivery_t *delivery)
{
    nm_bench_record(bench, "router-1", NM_MAIL_DELIVERY, &nm_delivery_shape, delivery);
}

static void
s_send_one(nm_bench_t *bench, uint8_t number)
{
    nm_delivery_t delivery = s_delivery(bench, number);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
}

//  Answers the last effect that was started.
static void
s_answer(nm_bench_t *bench, nm_call_t call, unsigned code, const char *text)
{
    assert_true(nm_bench_effects(bench) > 0);
    nm_bench_result(bench, nm_bench_effect(bench, nm_bench_effects(bench) - 1), call, code, text);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
}

static nm_event_t
s_event(const nm_bench_t *bench, size_t n)
{
    nm_event_t event = nm_sent_event(bench, n);
    assert_string_equal(nm_bench_sent(bench, NM_MAIL_EVENT, n)->peer, "gateway-1");
    return event;
}

static nm_attempt_t
s_attempt(const nm_event_t *event)
{
    nm_attempt_t attempt;
    memset(&attempt, 0, sizeof attempt);
    assert_int_equal(nm_record_decode(&nm_attempt_shape, &attempt, event->attempt, NULL, ""), NM_OK);
    return attempt;
}

//  The kinds of the events so far, in order.
static void
s_expect(const nm_bench_t *bench, const nm_event_kind_t *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(nm_words_text(&nm_event_words, s_event(bench, i).kind),
                            nm_words_text(&nm_event_words, kinds[i]));
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_EVENT), count);
}
#define EXPECT(bench, ...)                                    \
    s_expect(bench, (const nm_event_kind_t[]){ __VA_ARGS__ }, \
             sizeof((const nm_event_kind_t[]){ __VA_ARGS__ }) / sizeof(nm_event_kind_t))

static uint64_t
s_held(nm_bench_t *bench)
{
    uint64_t count;
    int64_t oldest_ms;
    nm_channel_backlog(nm_bench_state(bench), &count, &oldest_ms);
    return count;
}

//  -- The straight way

static void
sends_and_tells_queued_sending_and_sent(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    EXPECT(bench, NM_EVENT_QUEUED, NM_EVENT_SENDING);
    assert_int_equal(nm_bench_effects(bench), 1);
    const nm_effect_t *effect = nm_bench_effect(bench, 0);
    assert_string_equal(effect->url, "smtp://one.example:25");
    assert_string_equal(effect->recipient, "ada@example.com");
    assert_int_equal(s_held(bench), 1);

    nm_bench_wait(bench, 40);
    s_answer(bench, NM_CALL_ANSWERED, 250, "250 2.0.0 queued as Q7");
    EXPECT(bench, NM_EVENT_QUEUED, NM_EVENT_SENDING, NM_EVENT_SENT);
    assert_int_equal(s_held(bench), 0);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 0);

    nm_event_t started = s_event(bench, 1), sent = s_event(bench, 2);
    nm_attempt_t before = s_attempt(&started), after = s_attempt(&sent);
    assert_int_equal(before.outcome, NM_OUTCOME_STARTED);
    assert_int_equal(after.number, 1);
    assert_int_equal(after.outcome, NM_OUTCOME_SENT);
    assert_int_equal(after.code, 250);
    assert_int_equal(after.ended_at - after.started_at, 40);
    assert_true(nm_bytes_is(after.provider, "first"));
    assert_true(nm_bytes_is(after.detail, "250 2.0.0 queued as Q7"));
    assert_true(s_event(bench, 0).order < started.order && started.order < sent.order);
    nm_bench_destroy(&bench);
}

static void
leaves_nothing_in_the_store_after_the_end(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    s_answer(bench, NM_CALL_ANSWERED, 250, "ok");
    nm_bench_restart(bench);
    assert_int_equal(s_held(bench), 0);
    assert_int_equal(nm_bench_effects(bench), 0);
    nm_bench_destroy(&bench);
}

static void
takes_a_delivery_in_once(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_delivery_t delivery = s_delivery(bench, 1);
    s_send(bench, &delivery);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 1);
    assert_int_equal(s_held(bench), 1);
    nm_bench_destroy(&bench);
}

static void
starts_no_more_than_concurrency_and_goes_on_when_one_ends(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    for (uint8_t i = 1; i <= 5; i++) {
        nm_delivery_t delivery = s_delivery(bench, i);
        s_send(bench, &delivery);
    }
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 3);
    assert_int_equal(nm_channel_room(nm_bench_state(bench)), 15);
    s_answer(bench, NM_CALL_ANSWERED, 250, "ok");
    assert_int_equal(nm_bench_effects(bench), 4);
    nm_bench_destroy(&bench);
}

static void
lets_an_urgent_one_pass_but_starves_nobody(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench("providers\n    box\n        kind = \"smtp\"\n        host = \"a.example\"\n"
                                "email\n    concurrency = 1\n");
    static const struct {
        nm_priority_t priority;
        int64_t age_ms;
    } SENT[] = { { NM_PRIORITY_LOW, 1000 },      //  3: gets 5 minutes of handicap
                 { NM_PRIORITY_NORMAL, 20000 },  //  2
                 { NM_PRIORITY_LOW, 400000 },    //  0: has waited longer than that
                 { NM_PRIORITY_INSTANT, 0 } };   //  1
    static const uint8_t ORDER[] = { 2, 3, 1, 0 };
    for (uint8_t i = 0; i < NM_COUNT(SENT); i++) {
        nm_delivery_t delivery = s_delivery(bench, i);
        NM_PUT(&delivery, delivery, priority, (uint8_t) SENT[i].priority);
        NM_PUT(&delivery, delivery, created_at, nm_bench_now(bench) - SENT[i].age_ms);
        s_send(bench, &delivery);
    }
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    for (size_t i = 0; i < NM_COUNT(ORDER); i++) {
        nm_id_t want = s_id(ORDER[i]);
        assert_int_equal(nm_bench_effects(bench), i + 1);
        assert_true(nm_id_equal(&nm_bench_effect(bench, i)->about, &want));
        s_answer(bench, NM_CALL_ANSWERED, 250, "ok");
    }
    nm_bench_destroy(&bench);
}

//  -- Not now

static void
tries_after_two_four_and_eight_seconds_and_then_gives_up(void **state)
{
    (void) state;
    static const int64_t DELAYS_MS[] = { 2000, 4000, 8000 };
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    for (size_t i = 0; i < NM_COUNT(DELAYS_MS); i++) {
        s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
        nm_event_t event = s_event(bench, 2 + 2 * i);
        assert_int_equal(event.kind, NM_EVENT_RETRY_SCHEDULED);
        assert_int_equal(event.due_at, nm_bench_now(bench) + DELAYS_MS[i]);
        nm_bench_wait(bench, DELAYS_MS[i] - 1);
        assert_int_equal(nm_bench_turn(bench), NM_OK);
        assert_int_equal(nm_bench_effects(bench), i + 1);
        nm_bench_wait(bench, 1);
        assert_int_equal(nm_bench_turn(bench), NM_OK);
        assert_int_equal(nm_bench_effects(bench), i + 2);
        assert_int_equal(s_event(bench, 3 + 2 * i).kind, NM_EVENT_RETRY_ATTEMPTED);
    }
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    nm_event_t failed = s_event(bench, 8);
    assert_int_equal(failed.kind, NM_EVENT_FAILED);
    assert_int_equal(failed.reason, NM_REASON_RETRIES);

    nm_dead_letter_t letter = nm_sent_dead_letter(bench, 0);
    nm_list_t attempts;
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    assert_int_equal(letter.reason, NM_REASON_RETRIES);
    assert_int_equal(nm_list_open(&attempts, letter.attempts), NM_OK);
    assert_int_equal(attempts.count, 4);
    assert_int_equal(nm_record_decode(&nm_delivery_shape, &delivery, letter.delivery, NULL, ""), NM_OK);
    assert_true(nm_bytes_is(delivery.content, "at eight"));
    assert_int_equal(s_held(bench), 0);
    nm_bench_destroy(&bench);
}

//  An hour ahead when the retry was put off, put right while the actor was down: two seconds stay two seconds.
static void
waits_no_longer_because_the_clock_was_set_back(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    nm_bench_step(bench, -3600 * 1000);
    nm_bench_restart(bench);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    size_t before = nm_bench_effects(bench);
    nm_bench_wait(bench, 2000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), before + 1);
    nm_bench_destroy(&bench);
}

static void
keeps_a_due_time_over_a_restart(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    nm_bench_restart(bench);
    assert_int_equal(nm_bench_effects(bench), 0);
    nm_bench_wait(bench, 2000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 1);
    assert_int_equal(s_attempt(&(nm_event_t){ .attempt = s_event(bench, 0).attempt }).number, 2);
    nm_bench_destroy(&bench);
}

static void
a_gateway_whose_clock_is_ahead_delays_nothing_over_a_restart(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(NARROW);
    nm_delivery_t delivery = s_delivery(bench, 1);
    s_send(bench, &delivery);
    delivery = s_delivery(bench, 2);
    NM_PUT(&delivery, delivery, created_at, nm_bench_now(bench) + 7200000);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 1);

    nm_bench_restart(bench);
    s_answer(bench, NM_CALL_ANSWERED, 250, "250 ok");
    s_answer(bench, NM_CALL_ANSWERED, 250, "250 ok");
    assert_int_equal(s_held(bench), 0);
    nm_bench_destroy(&bench);
}

static void
sends_a_refused_one_to_the_dead_letters_at_once(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    s_answer(bench, NM_CALL_ANSWERED, 550, "550 5.1.1 no such user");
    EXPECT(bench, NM_EVENT_QUEUED, NM_EVENT_SENDING, NM_EVENT_FAILED);
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_REJECTED);
    assert_int_equal(s_event(bench, 2).reason, NM_REASON_REJECTED);
    assert_string_equal(nm_bench_sent(bench, NM_MAIL_DEAD_LETTER, 0)->peer, "deadletter-1");
    assert_int_equal(nm_bench_effects(bench), 1);
    nm_bench_destroy(&bench);
}

static void
refuses_without_a_call_what_a_driver_cannot_send(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_delivery_t delivery = s_delivery(bench, 1);
    NM_PUT(&delivery, delivery, recipient, nm_text("not an address"));
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    EXPECT(bench, NM_EVENT_QUEUED, NM_EVENT_FAILED);
    assert_int_equal(nm_bench_effects(bench), 0);
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_REJECTED);
    nm_bench_destroy(&bench);
}

//  -- Which provider

static void
goes_to_the_next_provider_after_a_failure(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(TWO);
    s_send_one(bench, 1);
    assert_string_equal(nm_bench_effect(bench, 0)->url, "smtp://one.example:25");
    s_answer(bench, NM_CALL_UNREACHED, 0, "connection refused");
    nm_bench_wait(bench, 2000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_string_equal(nm_bench_effect(bench, 1)->url, "smtp://two.example:25");
    nm_bench_destroy(&bench);
}

static void
uses_only_the_provider_that_was_asked_for(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(TWO);
    nm_delivery_t delivery = s_delivery(bench, 1);
    NM_PUT(&delivery, delivery, provider, nm_text("second"));
    s_send(bench, &delivery);
    delivery = s_delivery(bench, 2);
    NM_PUT(&delivery, delivery, provider, nm_text("nobody"));
    s_send(bench, &delivery);
    delivery = s_delivery(bench, 3);
    NM_PUT(&delivery, delivery, provider, nm_text("off"));
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 1);
    assert_string_equal(nm_bench_effect(bench, 0)->url, "smtp://two.example:25");
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 2);
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_NO_PROVIDER);
    assert_int_equal(nm_sent_dead_letter(bench, 1).reason, NM_REASON_NO_PROVIDER);
    nm_bench_destroy(&bench);
}

static void
an_outage_uses_up_no_tries(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench("providers\n    first\n        kind = \"smtp\"\n        host = \"one.example\"\n"
                                "email\n    jitter_percent = 0\n    breaker_failures = 1\n    retries = 1\n");
    s_send_one(bench, 1);
    for (int trial = 0; trial < 6; trial++) {
        s_answer(bench, NM_CALL_UNREACHED, 0, "connection refused");
        assert_int_equal(s_event(bench, 2 + 2 * (size_t) trial).due_at, nm_bench_now(bench) + 60000);
        nm_bench_wait(bench, 59999);
        assert_int_equal(nm_bench_turn(bench), NM_OK);
        assert_int_equal(nm_bench_effects(bench), trial + 1);
        nm_bench_wait(bench, 1);
        assert_int_equal(nm_bench_turn(bench), NM_OK);
        assert_int_equal(nm_bench_effects(bench), trial + 2);
    }
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 0);
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    assert_int_equal(s_held(bench), 1);
    nm_bench_wait(bench, 2000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_RETRIES);
    nm_bench_destroy(&bench);
}

static void
makes_one_trial_and_then_lets_all_go(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench("providers\n    first\n        kind = \"smtp\"\n        host = \"one.example\"\n"
                                "email\n    jitter_percent = 0\n    breaker_failures = 1\n");
    s_send_one(bench, 1);
    s_answer(bench, NM_CALL_UNREACHED, 0, "connection refused");
    for (uint8_t i = 2; i <= 6; i++)
        s_send_one(bench, i);
    assert_int_equal(nm_bench_effects(bench), 1);
    nm_bench_wait(bench, 60000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 2);
    nm_bench_wait(bench, 5000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 2);
    s_answer(bench, NM_CALL_ANSWERED, 250, "ok");
    assert_int_equal(nm_bench_effects(bench), 7);
    nm_bench_destroy(&bench);
}

static void
a_refused_recipient_does_not_open_the_breaker(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(TWO);
    for (uint8_t i = 1; i <= 9; i++) {
        s_send_one(bench, i);
        assert_string_equal(nm_bench_effect(bench, i - 1u)->url, "smtp://one.example:25");
        s_answer(bench, NM_CALL_ANSWERED, 550, "550 5.1.1 no such user");
    }
    nm_bench_destroy(&bench);
}

//  -- Uncertain

static void
tries_an_attempt_again_that_a_crash_left_open(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(TWO);
    s_send_one(bench, 1);
    nm_bench_restart(bench);
    EXPECT(bench, NM_EVENT_RETRY_SCHEDULED, NM_EVENT_RETRY_ATTEMPTED);
    nm_event_t closed = s_event(bench, 0), again = s_event(bench, 1);
    assert_int_equal(s_attempt(&closed).outcome, NM_OUTCOME_UNCERTAIN);
    assert_int_equal(s_attempt(&again).number, 2);
    assert_string_equal(nm_bench_effect(bench, 0)->url, "smtp://one.example:25");
    s_answer(bench, NM_CALL_ANSWERED, 250, "ok");
    assert_int_equal(s_held(bench), 0);
    nm_bench_destroy(&bench);
}

//  Its Message-ID or file name is known there, and only there.
static void
asks_the_same_provider_again_after_an_uncertain_attempt(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(TWO);
    for (uint8_t i = 1; i <= 2; i++) {
        s_send_one(bench, i);
        s_answer(bench, NM_CALL_UNREACHED, 0, "connection refused");
    }
    s_send_one(bench, 3);
    assert_string_equal(nm_bench_effect(bench, 2)->url, "smtp://two.example:25");
    nm_bench_restart(bench);
    assert_int_equal(nm_bench_effects(bench), 1);
    assert_string_equal(nm_bench_effect(bench, 0)->url, "smtp://two.example:25");
    nm_bench_destroy(&bench);
}

static void
sends_the_same_message_again(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    nm_buf_t first = { 0 };
    nm_buf_add_bytes(&first, nm_buf_bytes(&nm_bench_effect(bench, 0)->body));
    nm_bench_wait(bench, 5000);
    nm_bench_restart(bench);
    assert_true(nm_bytes_equal(nm_buf_bytes(&first), nm_buf_bytes(&nm_bench_effect(bench, 0)->body)));
    nm_buf_free(&first);
    nm_bench_destroy(&bench);
}

static void
parks_what_may_have_been_sent_where_that_is_asked_for(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(PARK);
    s_send_one(bench, 1);
    nm_bench_restart(bench);
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_UNCERTAIN);
    assert_int_equal(nm_bench_effects(bench), 0);
    s_send_one(bench, 2);
    s_answer(bench, NM_CALL_UNKNOWN, 354, "timed out");
    assert_int_equal(nm_sent_dead_letter(bench, 1).reason, NM_REASON_UNCERTAIN);
    nm_bench_destroy(&bench);

    bench = s_bench(ONE);
    nm_delivery_t delivery = s_delivery(bench, 3);
    NM_PUT(&delivery, delivery, at_most_once, true);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_answer(bench, NM_CALL_UNKNOWN, 354, "timed out");
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_UNCERTAIN);
    assert_int_equal(s_held(bench), 0);
    nm_bench_destroy(&bench);
}

static void
sends_what_a_lost_actor_may_have_sent_again_but_for_what_goes_once(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    for (unsigned i = 0; i < 2; i++) {
        nm_delivery_t delivery = s_delivery(bench, i + 1);
        NM_PUT(&delivery, delivery, doubtful, true);
        NM_PUT(&delivery, delivery, order, 70000);
        if (i == 0)
            NM_PUT(&delivery, delivery, at_most_once, true);
        s_send(bench, &delivery);
    }
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 1);
    nm_dead_letter_t letter = nm_sent_dead_letter(bench, 0);
    assert_int_equal(letter.reason, NM_REASON_UNCERTAIN);
    assert_int_equal(nm_sent_event(bench, 0).order, 70001);
    assert_int_equal(s_held(bench), 1);
    nm_bench_destroy(&bench);
}

static void
calls_poison_what_stops_the_actor_five_times(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    for (int i = 0; i < 4; i++) {
        nm_bench_restart(bench);
        assert_int_equal(nm_bench_effects(bench), 1);
    }
    nm_bench_restart(bench);
    assert_int_equal(nm_bench_effects(bench), 0);
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_POISON);
    assert_int_equal(s_held(bench), 0);
    nm_bench_destroy(&bench);
}

static void
counts_only_crashes_in_a_row(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 1);
    for (int i = 0; i < 4; i++)
        nm_bench_restart(bench);
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    nm_bench_wait(bench, 2000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_restart(bench);
    assert_int_equal(nm_bench_effects(bench), 1);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 0);
    nm_bench_destroy(&bench);
}

//  -- A turn that is undone

static bool s_full;

static nm_rc_t
s_due_full(void *state, nm_turn_t *turn)
{
    nm_rc_t rc = nm_channel_due(state, turn);
    return rc == NM_OK && s_full ? NM_ERR_FULL : rc;
}

static void
forgets_what_an_undone_turn_did_and_keeps_calls_under_way(void **state)
{
    (void) state;
    nm_role_t role = nm_email_role;
    role.due = s_due_full;
    nm_bench_t *bench = nm_bench_new(&role, "email-1", ONE);
    s_send_one(bench, 1);
    assert_int_equal(nm_bench_effects(bench), 1);

    s_full = true;
    nm_delivery_t second = s_delivery(bench, 2);
    s_send(bench, &second);
    assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
    assert_int_equal(nm_bench_effects(bench), 1);
    s_full = false;
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_delivery_t third = s_delivery(bench, 3);
    s_send(bench, &third);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 2);

    nm_bench_result(bench, nm_bench_effect(bench, 0), NM_CALL_ANSWERED, 250, "ok");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_held(bench), 1);
    nm_bench_destroy(&bench);
}

static void
puts_breakers_back_when_a_turn_is_undone(void **state)
{
    (void) state;
    nm_role_t role = nm_email_role;
    role.due = s_due_full;
    nm_bench_t *bench = nm_bench_new(&role, "email-1",
                                     "providers\n    first\n        kind = \"smtp\"\n        host = \"one.example\"\n"
                                     "email\n    breaker_failures = 1\n");
    s_send_one(bench, 1);
    s_full = true;
    nm_bench_result(bench, nm_bench_effect(bench, 0), NM_CALL_UNREACHED, 0, "connection refused");
    assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
    s_full = false;
    s_send_one(bench, 2);
    assert_int_equal(nm_bench_effects(bench), 2);
    nm_bench_destroy(&bench);
}

//  -- Expiry and cancellation

static void
stops_trying_when_it_expires(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_delivery_t delivery = s_delivery(bench, 1);
    NM_PUT(&delivery, delivery, expires_at, nm_bench_now(bench) + 1500);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    nm_bench_wait(bench, 1500);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    EXPECT(bench, NM_EVENT_QUEUED, NM_EVENT_SENDING, NM_EVENT_RETRY_SCHEDULED, NM_EVENT_EXPIRED);
    assert_int_equal(s_held(bench), 0);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 0);

    delivery = s_delivery(bench, 2);
    NM_PUT(&delivery, delivery, expires_at, nm_bench_now(bench) - 1);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_event(bench, 4).kind, NM_EVENT_EXPIRED);
    assert_int_equal(nm_bench_effects(bench), 1);
    nm_bench_destroy(&bench);
}

static unsigned
s_cancel(nm_bench_t *bench, const nm_id_t *id)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 1);
    nm_writer_pair_id(&body, "notification", id);
    uint64_t number = nm_bench_ask(bench, "gateway-1", "deliveries.cancel", NULL, nm_buf_bytes(&body));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_non_null(nm_bench_reply(bench, number));
    return nm_bench_reply(bench, number)->status;
}

static void
cancels_what_waits_and_not_what_is_being_sent(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_id_t id = s_id(1);
    s_send_one(bench, 1);
    assert_int_equal(s_cancel(bench, &id), 409);
    s_answer(bench, NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted");
    assert_int_equal(s_cancel(bench, &id), 200);
    EXPECT(bench, NM_EVENT_QUEUED, NM_EVENT_SENDING, NM_EVENT_RETRY_SCHEDULED, NM_EVENT_CANCELLED);
    assert_int_equal(s_held(bench), 0);
    nm_bench_wait(bench, 10000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 1);
    nm_bench_destroy(&bench);
}

static void
drops_a_delivery_that_comes_after_its_cancellation(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_id_t id = s_id(4);
    assert_int_equal(s_cancel(bench, &id), 404);
    nm_bench_restart(bench);
    s_send_one(bench, 4);
    EXPECT(bench, NM_EVENT_CANCELLED);
    assert_int_equal(nm_bench_effects(bench), 0);
    assert_int_equal(s_held(bench), 0);
    nm_bench_destroy(&bench);
}

static void
forgets_a_cancellation_after_a_day(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_id_t id = s_id(4);
    assert_int_equal(s_cancel(bench, &id), 404);
    assert_int_equal(nm_bench_rows(bench, &nm_deliveries_cancelled_table), 1);
    nm_bench_wait(bench, INT64_C(86400000) + 61000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_rows(bench, &nm_deliveries_cancelled_table), 0);
    nm_bench_destroy(&bench);
}

static void
refuses_a_cancellation_that_it_cannot_read(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 1);
    nm_writer_pair_text(&body, "notification", "nonsense");
    uint64_t number = nm_bench_ask(bench, "gateway-1", "deliveries.cancel", NULL, nm_buf_bytes(&body));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_reply(bench, number)->status, 422);
    nm_bench_destroy(&bench);
}

//  -- What was lost

//  It came after a gateway was lost and forgotten, and was never told of that; another has the notification now.
static void
tells_all_gateways_of_what_is_of_one_that_it_does_not_know(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_delivery_t delivery = s_delivery(bench, 1);
    nm_id_maker_t maker = { .gateway = 7 };
    nm_id_make(&maker, nm_bench_now(bench), 77, &delivery.notification);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_answer(bench, NM_CALL_ANSWERED, 250, "250 2.0.0 queued");
    size_t told[2] = { 0, 0 };
    for (size_t i = 0; i < nm_bench_mails(bench, NM_MAIL_EVENT); i++) {
        const char *peer = nm_bench_sent(bench, NM_MAIL_EVENT, i)->peer;
        told[0] += strcmp(peer, "gateway-1") == 0;
        told[1] += strcmp(peer, "gateway-2") == 0;
    }
    assert_int_equal(told[0], 3);  //  Queued, sending, sent
    assert_int_equal(told[1], 3);
    nm_bench_destroy(&bench);
}

static uint32_t
s_count_held(nm_bench_t *bench, const nm_id_t *id)
{
    nm_buf_t body = { 0 };
    nm_bytes_t raw;
    nm_list_t list;
    nm_writer_map(&body, 1);
    nm_writer_text(&body, "ids");
    nm_writer_list(&body, 1);
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(id, text);
    nm_writer_text(&body, text);
    uint64_t ask = nm_bench_ask(bench, "gateway-1", "custody.holds", NULL, nm_buf_bytes(&body));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_reply(bench, ask)->status, 200);
    assert_int_equal(nm_reader_find(nm_bench_reply(bench, ask)->body, "held", &raw), NM_OK);
    assert_int_equal(nm_list_open(&list, raw), NM_OK);
    return list.count;
}

static void
holds_a_delivery_until_its_last_event_is_receipted(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_id_t id = s_id(1), other = s_id(2);
    s_send_one(bench, 1);
    assert_int_equal(s_count_held(bench, &id), 1);
    assert_int_equal(s_count_held(bench, &other), 0);
    nm_bench_freeze(bench, "gateway-1", true);
    s_answer(bench, NM_CALL_ANSWERED, 250, "250 2.0.0 taken");
    assert_int_equal(s_count_held(bench, &id), 1);  //  Its end is told and nobody has heard
    nm_bench_freeze(bench, "gateway-1", false);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_count_held(bench, &id), 0);
    nm_bench_destroy(&bench);
}

static void
numbers_what_is_sent_again_above_what_was_heard(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_delivery_t delivery = s_delivery(bench, 1);
    NM_PUT(&delivery, delivery, order, 20);
    NM_PUT(&delivery, delivery, earlier, 4);
    s_send(bench, &delivery);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_event(bench, 0).order, 21);
    nm_event_t sending = s_event(bench, 1);
    assert_int_equal(sending.order, 22);
    assert_int_equal(s_attempt(&sending).number, 5);
    nm_bench_destroy(&bench);
}

//  -- Mail that is none

static void
puts_mail_that_it_cannot_read_aside(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    nm_bench_mail(bench, "router-1", NM_MAIL_DELIVERY, nm_text("\x93nonsense"));
    nm_delivery_t sms = s_delivery(bench, 1);
    NM_PUT(&sms, delivery, channel, NM_CHANNEL_SMS);
    s_send(bench, &sms);
    nm_delivery_t good = s_delivery(bench, 2);
    s_send(bench, &good);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_held(bench), 1);
    assert_int_equal(nm_bench_effects(bench), 1);
    nm_bench_destroy(&bench);
}

//  -- Draining

static nm_delivery_t
s_returned(nm_bench_t *bench, size_t n)
{
    nm_delivery_t delivery;
    nm_sent_decode(bench, NM_MAIL_RETURN, n, &nm_delivery_shape, &delivery);
    return delivery;
}

//  Three are being sent, two wait for their turn: those go back, and the actor is done when the three have ended.
static void
gives_back_what_is_not_under_way_when_it_drains(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    for (uint8_t i = 1; i <= 5; i++)
        s_send_one(bench, i);
    assert_int_equal(nm_bench_effects(bench), 3);
    nm_actor_drain(nm_bench_actor(bench));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_RETURN), 2);
    nm_delivery_t returned = s_returned(bench, 0);
    assert_true(nm_bytes_is(returned.content, "at eight"));
    assert_int_equal(returned.tries, 0);
    assert_int_equal(returned.order, 10);
    assert_false(nm_actor_drained(nm_bench_actor(bench)));
    for (size_t i = 0; i < 3; i++)
        nm_bench_result(bench, nm_bench_effect(bench, i), NM_CALL_ANSWERED, 250, "ok");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));
    assert_int_equal(nm_bench_effects(bench), 3);
    nm_bench_destroy(&bench);
}

//  The router may have passed it on before it was lost.
static void
what_was_given_back_to_a_lost_router_goes_on_in_doubt(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 7);
    s_answer(bench, NM_CALL_ANSWERED, 451, "later");
    nm_bench_away(bench, "router-2");
    nm_bench_hold(bench, "router-1", true);
    nm_actor_drain(nm_bench_actor(bench));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_false(s_returned(bench, 0).doubtful);
    nm_bench_forget(bench);
    nm_bench_back(bench, "router-2");
    nm_bench_bury(bench, "router-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_delivery_t again = s_returned(bench, 0);
    assert_true(again.doubtful);
    assert_int_equal(again.tries, 1);
    assert_true(again.order > 1000);

    //  So it is not sent a second time where that must not be.
    NM_PUT(&again, delivery, at_most_once, true);
    nm_bench_t *next = nm_bench_new(&nm_email_role, "email-2", ONE);
    s_send(next, &again);
    assert_int_equal(nm_bench_turn(next), NM_OK);
    assert_int_equal(nm_bench_effects(next), 0);
    assert_int_equal(nm_sent_dead_letter(next, 0).reason, NM_REASON_UNCERTAIN);
    nm_bench_destroy(&next);
    nm_bench_destroy(&bench);
}

//  What was tried and waits for its next try keeps attempts, tries and time with the next actor.
static void
goes_on_where_another_actor_gave_back(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench(ONE);
    s_send_one(bench, 7);
    s_answer(bench, NM_CALL_ANSWERED, 451, "later");
    nm_actor_drain(nm_bench_actor(bench));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_delivery_t returned = s_returned(bench, 0);
    assert_int_equal(returned.tries, 1);
    assert_int_equal(returned.earlier, 1);
    assert_int_equal(returned.order, 12);
    assert_true(returned.due_at > nm_bench_now(bench));

    nm_bench_t *next = nm_bench_new(&nm_email_role, "email-2", ONE);
    nm_bench_mail(next, "router-1", NM_MAIL_DELIVERY, nm_bench_sent(bench, NM_MAIL_RETURN, 0)->body);
    assert_int_equal(nm_bench_turn(next), NM_OK);
    assert_int_equal(nm_bench_effects(next), 0);  //  Not before it is due
    nm_event_t event = nm_sent_event(next, 0);
    assert_int_equal(event.kind, NM_EVENT_RETRY_SCHEDULED);
    assert_int_equal(event.order, 13);
    assert_int_equal(event.due_at, returned.due_at);

    nm_bench_wait(next, returned.due_at - nm_bench_now(next));
    assert_int_equal(nm_bench_turn(next), NM_OK);
    s_answer(next, NM_CALL_ANSWERED, 550, "never");
    nm_dead_letter_t letter = nm_sent_dead_letter(next, 0);
    nm_list_t attempts;
    assert_int_equal(nm_list_open(&attempts, letter.attempts), NM_OK);
    assert_int_equal(attempts.count, 2);
    //  A replay of it begins anew: the letter's delivery carries no progress.
    nm_delivery_t kept;
    assert_int_equal(nm_record_decode(&nm_delivery_shape, &kept, letter.delivery, NULL, ""), NM_OK);
    assert_false(NM_HAS(&kept, delivery, order));
    assert_false(NM_HAS(&kept, delivery, attempts));
    nm_bench_destroy(&bench);
    nm_bench_destroy(&next);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_and_tells_queued_sending_and_sent),
        cmocka_unit_test(leaves_nothing_in_the_store_after_the_end),
        cmocka_unit_test(takes_a_delivery_in_once),
        cmocka_unit_test(starts_no_more_than_concurrency_and_goes_on_when_one_ends),
        cmocka_unit_test(lets_an_urgent_one_pass_but_starves_nobody),
        cmocka_unit_test(tries_after_two_four_and_eight_seconds_and_then_gives_up),
        cmocka_unit_test(keeps_a_due_time_over_a_restart),
        cmocka_unit_test(waits_no_longer_because_the_clock_was_set_back),
        cmocka_unit_test(a_gateway_whose_clock_is_ahead_delays_nothing_over_a_restart),
        cmocka_unit_test(sends_a_refused_one_to_the_dead_letters_at_once),
        cmocka_unit_test(refuses_without_a_call_what_a_driver_cannot_send),
        cmocka_unit_test(goes_to_the_next_provider_after_a_failure),
        cmocka_unit_test(uses_only_the_provider_that_was_asked_for),
        cmocka_unit_test(an_outage_uses_up_no_tries),
        cmocka_unit_test(makes_one_trial_and_then_lets_all_go),
        cmocka_unit_test(a_refused_recipient_does_not_open_the_breaker),
        cmocka_unit_test(tries_an_attempt_again_that_a_crash_left_open),
        cmocka_unit_test(asks_the_same_provider_again_after_an_uncertain_attempt),
        cmocka_unit_test(sends_the_same_message_again),
        cmocka_unit_test(parks_what_may_have_been_sent_where_that_is_asked_for),
        cmocka_unit_test(sends_what_a_lost_actor_may_have_sent_again_but_for_what_goes_once),
        cmocka_unit_test(calls_poison_what_stops_the_actor_five_times),
        cmocka_unit_test(counts_only_crashes_in_a_row),
        cmocka_unit_test(puts_breakers_back_when_a_turn_is_undone),
        cmocka_unit_test(forgets_what_an_undone_turn_did_and_keeps_calls_under_way),
        cmocka_unit_test(stops_trying_when_it_expires),
        cmocka_unit_test(cancels_what_waits_and_not_what_is_being_sent),
        cmocka_unit_test(drops_a_delivery_that_comes_after_its_cancellation),
        cmocka_unit_test(forgets_a_cancellation_after_a_day),
        cmocka_unit_test(refuses_a_cancellation_that_it_cannot_read),
        cmocka_unit_test(tells_all_gateways_of_what_is_of_one_that_it_does_not_know),
        cmocka_unit_test(holds_a_delivery_until_its_last_event_is_receipted),
        cmocka_unit_test(numbers_what_is_sent_again_above_what_was_heard),
        cmocka_unit_test(puts_mail_that_it_cannot_read_aside),
        cmocka_unit_test(gives_back_what_is_not_under_way_when_it_drains),
        cmocka_unit_test(what_was_given_back_to_a_lost_router_goes_on_in_doubt),
        cmocka_unit_test(goes_on_where_another_actor_gave_back),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
