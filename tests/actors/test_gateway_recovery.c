//  An actor is lost: every unfinished notification is accounted for, and what nobody has is sent again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "actors/gateway/tables.h"
#include "tests/actors/gateway_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define HOLDS "custody.holds"

typedef nm_gateway_test_t test_t;

static void
s_turn(test_t *self)
{
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

static void
s_wait(test_t *self, int64_t ms)
{
    nm_bench_wait(self->bench, ms);
    s_turn(self);
}

static void
s_forget(test_t *self)
{
    nm_bench_forget(self->bench);
    self->seen = 0;
}

static nm_id_t
s_send(test_t *self, unsigned n)
{
    nm_id_t id = nm_client_send(self->client, n);
    s_turn(self);
    return id;
}

static void
s_lose(test_t *self, const char *name)
{
    s_forget(self);
    nm_bench_bury(self->bench, name);
    s_turn(self);
    s_turn(self);
}

//  Answers the next ask: held NULL is none; numbers is the first byte of the bits.
static void
s_answer(test_t *self, const char *peer, const nm_id_t *held, unsigned numbers, uint64_t next)
{
    assert_true(self->seen < nm_bench_asks(self->bench));
    const nm_bench_asked_t *asked = nm_bench_asked(self->bench, self->seen++);
    assert_string_equal(asked->op, HOLDS);
    assert_string_equal(asked->peer, peer);
    uint8_t bits[32] = { (uint8_t) numbers };
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 2);
    nm_writer_pair_uint(&self->body, "next", next);
    nm_writer_text(&self->body, "held");
    nm_writer_list(&self->body, held ? 1 : 0);
    if (held) {
        nm_writer_map(&self->body, 2);
        nm_writer_pair_id(&self->body, "id", held);
        nm_writer_text(&self->body, "numbers");
        nm_writer_bin(&self->body, nm_bytes(bits, sizeof bits));
    }
    nm_bench_answer(self->bench, asked->id, peer, 200, nm_buf_bytes(&self->body));
    s_turn(self);
}

//  Has nothing, and knows one more.
static void
s_answer_knowing(test_t *self, const char *peer, const char *known)
{
    const nm_bench_asked_t *asked = nm_bench_asked(self->bench, self->seen++);
    assert_string_equal(asked->peer, peer);
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 3);
    nm_writer_pair_uint(&self->body, "next", 1);
    nm_writer_text(&self->body, "held");
    nm_writer_list(&self->body, 0);
    nm_writer_text(&self->body, "knows");
    nm_writer_list(&self->body, 1);
    nm_writer_text(&self->body, known);
    nm_bench_answer(self->bench, asked->id, peer, 200, nm_buf_bytes(&self->body));
    s_turn(self);
}

static size_t
s_works(test_t *self)
{
    return nm_bench_mails(self->bench, NM_MAIL_WORK);
}

static nm_work_t
s_work(test_t *self, size_t n)
{
    nm_work_t work;
    const nm_bench_mail_t *mail = nm_bench_sent(self->bench, NM_MAIL_WORK, n);
    assert_non_null(mail);
    assert_int_equal(nm_record_decode(&nm_work_shape, &work, mail->body, NULL, ""), NM_OK);
    return work;
}

static const char *
s_recovering(test_t *self)
{
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    return gateway->recovery.active ? gateway->recovery.name : "";
}

//  Nobody has anything, and all that they ever said was heard.
static void
s_deny_all(test_t *self)
{
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-1", NULL, 0, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
}

//  -- A router

static void
nothing_is_judged_while_somebody_is_known_to_others_alone(void **state)
{
    test_t *self = *state;
    s_send(self, 1);
    s_lose(self, "router-1");
    s_answer_knowing(self, "router-2", "email-9");
    assert_int_equal(nm_bench_asks(self->bench), self->seen);  //  It asks nobody else, and tries again later
    nm_bench_wait(self->bench, 1000);
    s_turn(self);
    s_answer_knowing(self, "router-2", "email-2");
    s_answer_knowing(self, "email-1", "router-2");
    s_answer_knowing(self, "email-2", "router-1");
    s_turn(self);
    assert_int_equal(s_works(self), 1);
    assert_string_equal(s_recovering(self), "");
}

static void
what_a_lost_router_had_is_sent_again(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send(self, 1);
    s_lose(self, "router-1");
    assert_string_equal(s_recovering(self), "router-1");
    assert_int_equal(s_works(self), 0);
    s_deny_all(self);
    assert_int_equal(s_works(self), 1);
    assert_string_equal(nm_bench_sent(self->bench, NM_MAIL_WORK, 0)->peer, "router-2");
    nm_work_t work = s_work(self, 0);
    assert_true(nm_id_equal(&work.notification, &id));
    assert_int_equal(work.generation, 0);
    assert_int_equal(work.skip.at[0], 0);
    assert_string_equal(s_recovering(self), "");
}

static void
routers_are_asked_before_channel_actors(void **state)
{
    test_t *self = *state;
    s_send(self, 1);
    s_lose(self, "router-1");
    assert_int_equal(nm_bench_asks(self->bench), 1);
    s_answer(self, "router-2", NULL, 0, 1);
    assert_int_equal(nm_bench_asks(self->bench), 3);
}

static void
what_still_waits_with_us_is_not_lost(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "router-1");
    nm_bench_away(self->bench, "router-2");
    s_turn(self);
    s_send(self, 1);
    s_lose(self, "router-1");
    assert_string_equal(s_recovering(self), "");
    assert_int_equal(nm_bench_asks(self->bench), 0);
    nm_bench_back(self->bench, "router-2");
    s_turn(self);
    assert_int_equal(s_works(self), 1);
}

static void
what_somebody_has_is_not_lost(void **state)
{
    test_t *self = *state;
    nm_id_t one = s_send(self, 1), two = s_send(self, 2), three = s_send(self, 3);
    s_lose(self, "router-1");
    s_answer(self, "router-2", &one, 1, 1);
    s_answer(self, "email-1", NULL, 0, 1);
    s_answer(self, "email-2", &three, 1, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 1);
    nm_work_t work = s_work(self, 0);
    assert_true(nm_id_equal(&work.notification, &two));
}

static void
what_has_ended_or_not_begun_is_left_alone(void **state)
{
    test_t *self = *state;
    nm_id_t ended = s_send(self, 1);
    nm_event_t event = nm_client_event(self->client, &ended, NM_EVENT_SENT, 4);
    nm_client_tell(self->client, "email-1", &event);
    nm_buf_clear(&self->body);
    nm_client_ask(self->client, "notifications.create",
                  nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "content", "Hi",
                                "send_at", "2026-12-24T00:00:00Z", NULL));
    s_lose(self, "router-1");
    assert_string_equal(s_recovering(self), "");
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

//  An event that was on its way when its sender answered that it has nothing.
static void
nothing_is_judged_before_the_mail_that_was_named_is_read(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send(self, 1);
    s_lose(self, "router-1");
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-1", NULL, 0, 2);
    s_answer(self, "email-2", NULL, 0, 1);
    s_wait(self, 5000);
    assert_int_equal(s_works(self), 0);
    assert_string_equal(s_recovering(self), "router-1");
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_SENT, 4);
    nm_client_tell(self->client, "email-1", &event);
    s_turn(self);
    assert_int_equal(s_works(self), 0);
    assert_string_equal(s_recovering(self), "");
}

static void
whoever_is_away_is_asked_again_until_he_answers(void **state)
{
    test_t *self = *state;
    s_send(self, 1);
    nm_bench_away(self->bench, "email-2");
    s_lose(self, "router-1");
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-1", NULL, 0, 1);
    for (int i = 0; i < 2; i++) {
        size_t asks = nm_bench_asks(self->bench);
        s_wait(self, 5000);  //  email-2 says nothing
        s_wait(self, 1000);
        assert_int_equal(nm_bench_asks(self->bench), asks + 1);
        self->seen = asks;
        s_answer(self, "router-2", NULL, 0, 1);
        s_answer(self, "email-1", NULL, 0, 1);
        assert_int_equal(s_works(self), 0);
    }
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 1);
}

//  Then nobody needs to be waited for any more.
static void
one_that_is_lost_meanwhile_is_not_asked_again(void **state)
{
    test_t *self = *state;
    s_send(self, 1);
    nm_bench_away(self->bench, "email-2");
    s_lose(self, "router-1");
    nm_bench_bury(self->bench, "email-2");
    s_turn(self);
    self->seen = nm_bench_asks(self->bench) - 1;
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-1", NULL, 0, 1);
    for (int i = 0; i < 3; i++)
        s_turn(self);
    assert_int_equal(s_works(self), 1);
}

static void
a_restart_goes_on_where_it_was(void **state)
{
    test_t *self = *state;
    s_send(self, 1);
    s_lose(self, "router-1");
    s_answer(self, "router-2", NULL, 0, 1);
    nm_bench_restart(self->bench);
    self->seen = 0;
    s_turn(self);
    assert_string_equal(s_recovering(self), "router-1");
    s_deny_all(self);
    assert_int_equal(s_works(self), 1);
    nm_bench_restart(self->bench);
    s_turn(self);
    assert_string_equal(s_recovering(self), "");
    assert_int_equal(nm_bench_asks(self->bench), 0);  //  Told again of the same
}

static void
a_later_actor_of_the_name_may_be_lost_as_well(void **state)
{
    test_t *self = *state;
    s_send(self, 1);
    s_lose(self, "router-1");
    s_deny_all(self);
    assert_string_equal(s_recovering(self), "");
    nm_bench_follow(self->bench, "router-1");
    s_turn(self);
    s_send(self, 2);
    s_lose(self, "router-1");  //  Moments later
    assert_string_equal(s_recovering(self), "router-1");
    s_deny_all(self);
    nm_bench_restart(self->bench);
    s_turn(self);
    assert_string_equal(s_recovering(self), "");
}

//  As after a stop: when we hear of the loss, somebody else has the name.
static void
a_loss_is_accounted_for_when_a_later_actor_is_there_already(void **state)
{
    test_t *self = *state;
    s_send(self, 1);
    s_forget(self);
    nm_bench_bury(self->bench, "router-1");
    nm_bench_follow(self->bench, "router-1");
    s_turn(self);
    assert_string_equal(s_recovering(self), "router-1");
    s_answer(self, "router-1", NULL, 0, 1);
    s_deny_all(self);
    assert_int_equal(s_works(self), 1);
    assert_string_equal(s_recovering(self), "");
}

//  -- A channel actor

static void
s_queue(test_t *self, const char *peer, const nm_id_t *id, unsigned number, uint64_t order)
{
    nm_event_t event = nm_client_event(self->client, id, NM_EVENT_QUEUED, order);
    NM_PUT(&event, event, number, number);
    nm_client_tell(self->client, peer, &event);
}

static void
s_attempt(test_t *self, const char *peer, const nm_id_t *id, nm_event_kind_t kind, uint64_t order, uint64_t number,
          nm_outcome_t outcome)
{
    nm_event_t event = nm_client_event(self->client, id, kind, order);
    nm_attempt_t attempt = { .has = 0 };
    nm_buf_t packed = { 0 };
    NM_PUT(&attempt, attempt, number, number);
    NM_PUT(&attempt, attempt, provider, nm_text("sink"));
    NM_PUT(&attempt, attempt, started_at, nm_bench_now(self->bench));
    NM_PUT(&attempt, attempt, outcome, outcome);
    nm_record_encode(&nm_attempt_shape, &attempt, NM_BY_TAG, &packed);
    NM_PUT(&event, event, attempt, nm_buf_bytes(&packed));
    nm_client_tell(self->client, peer, &event);
    nm_buf_free(&packed);
}

static void
what_a_lost_channel_actor_had_is_sent_again_and_comes_to_an_end(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send(self, 1);
    s_queue(self, "email-1", &id, 0, 2);
    s_attempt(self, "email-1", &id, NM_EVENT_SENDING, 3, 1, NM_OUTCOME_STARTED);
    s_lose(self, "email-1");
    s_answer(self, "router-1", NULL, 0, 1);
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 1);
    nm_work_t work = s_work(self, 0);
    assert_int_equal(work.order, 4);
    assert_int_equal(work.earlier, 1);
    assert_int_equal(work.skip.at[0], 0);

    s_queue(self, "email-2", &id, 0, work.order + 1);
    assert_string_equal(nm_client_status(self->client, &id), "queued");
    s_attempt(self, "email-2", &id, NM_EVENT_SENT, work.order + 2, 2, NM_OUTCOME_SENT);
    assert_string_equal(nm_client_status(self->client, &id), "sent");

    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(&id, text);
    nm_buf_clear(&self->body);
    const nm_bench_reply_t *reply =
        nm_client_ask(self->client, "notifications.get", nm_client_map(&self->body, "id", text, NULL));
    assert_int_equal(nm_client_count(reply->body, "attempts"), 2);
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "attempts", 0), "outcome"), "uncertain");
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "attempts", 1), "outcome"), "sent");
}

//  Seed 20030361: the receipt of a router was late, and its mail counted as not yet handled.
static void
what_a_router_has_had_is_no_longer_ours(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "router-2");
    nm_bench_hold(self->bench, "router-1", true);
    nm_id_t id = s_send(self, 1);
    s_queue(self, "email-1", &id, 0, 2);
    assert_int_equal(s_works(self), 1);
    s_lose(self, "email-1");
    assert_string_equal(s_recovering(self), "email-1");
    assert_int_equal(nm_bench_asks(self->bench), 0);  //  It may take it in after it was asked
    nm_bench_hold(self->bench, "router-1", false);
    nm_bench_reborn(self->bench, "router-1");
    nm_bench_back(self->bench, "router-2");
    s_turn(self);
    s_forget(self);
    s_wait(self, 1000);
    s_answer(self, "router-1", NULL, 0, 1);
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 1);
    assert_string_equal(s_recovering(self), "");
}

//  A router knew it, and passed work on to it, while this gateway was away.
static void
what_one_had_that_we_never_heard_of_is_sent_again(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send(self, 1);
    s_queue(self, "email-1", &id, 0, 2);
    nm_id_t other = s_send(self, 2);
    s_forget(self);
    nm_bench_bury_stranger(self->bench, "email-9");
    s_turn(self);
    s_turn(self);
    assert_string_equal(s_recovering(self), "email-9");
    s_answer(self, "router-1", NULL, 0, 1);
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-1", NULL, 0, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 1);
    nm_work_t work = s_work(self, 0);
    assert_true(nm_id_equal(&work.notification, &other));
    assert_string_equal(s_recovering(self), "");
}

//  New gateways hear of all that were ever lost.
static void
a_stranger_lost_before_our_first_work_is_nobody_to_us(void **state)
{
    test_t *self = *state;
    nm_bench_bury_stranger(self->bench, "email-9");
    s_turn(self);
    nm_bench_wait(self->bench, 61000);
    s_send(self, 1);
    s_turn(self);
    assert_string_equal(s_recovering(self), "");
    nm_bench_restart(self->bench);
    s_turn(self);
    assert_string_equal(s_recovering(self), "");
}

//  It may have got it from those who were asked before it came.
static void
a_later_actor_of_the_name_is_asked_as_well(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send(self, 1);
    s_queue(self, "email-1", &id, 0, 8);
    s_turn(self);
    s_lose(self, "email-1");
    nm_bench_follow(self->bench, "email-1");
    s_turn(self);
    s_answer(self, "router-1", NULL, 0, 1);
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-1", &id, 1, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 0);
    assert_string_equal(s_recovering(self), "");
}

static void
of_several_deliveries_only_the_lost_one_is_made_again(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send(self, 1);
    nm_event_t split = nm_client_event(self->client, &id, NM_EVENT_QUEUED, 0);
    NM_PUT(&split, event, deliveries, 4);
    nm_client_tell(self->client, "router-1", &split);
    s_queue(self, "email-1", &id, 0, 2);
    s_queue(self, "email-2", &id, 1, 2);
    nm_event_t sent = nm_client_event(self->client, &id, NM_EVENT_SENT, 4);
    NM_PUT(&sent, event, number, 3);
    nm_client_tell(self->client, "email-1", &sent);
    s_lose(self, "email-1");
    s_answer(self, "router-1", &id, 4, 1);  //  Number 2
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 1);
    assert_int_equal(s_work(self, 0).skip.at[0], 0xe);  //  All but number 0
}

static unsigned
s_cancel(test_t *self, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(id, text);
    nm_buf_clear(&self->body);
    uint64_t ask =
        nm_client_queue(self->client, "notifications.cancel", NULL, nm_client_map(&self->body, "id", text, NULL));
    s_turn(self);
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, ask);
    return reply ? reply->status : 0;
}

//  What is sent again waits with us. It is not all of the notification: another delivery goes on at email-2.
static void
a_part_that_is_sent_again_is_not_cancelled_for_the_whole(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send(self, 1);
    nm_event_t split = nm_client_event(self->client, &id, NM_EVENT_QUEUED, 0);
    NM_PUT(&split, event, deliveries, 2);
    nm_client_tell(self->client, "router-1", &split);
    s_queue(self, "email-1", &id, 0, 2);
    s_queue(self, "email-2", &id, 1, 2);
    s_lose(self, "email-1");
    s_answer(self, "router-1", NULL, 0, 1);
    s_answer(self, "router-2", NULL, 0, 1);
    nm_bench_away(self->bench, "router-1");
    nm_bench_away(self->bench, "router-2");
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 0);
    assert_int_equal(s_cancel(self, &id), 0);  //  Its holder is asked
    assert_string_equal(nm_client_status(self->client, &id), "queued");

    nm_event_t sent = nm_client_event(self->client, &id, NM_EVENT_SENT, 4);
    NM_PUT(&sent, event, number, 1);
    nm_client_tell(self->client, "email-2", &sent);
    assert_int_equal(s_cancel(self, &id), 200);
    assert_string_equal(nm_client_status(self->client, &id), "cancelled");
}

static nm_id_t
s_send_once(test_t *self)
{
    nm_id_t id;
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 4);
    nm_writer_pair_text(&self->body, "channel", "email");
    nm_writer_pair_text(&self->body, "recipient", "ada@example.org");
    nm_writer_pair_text(&self->body, "content", "once");
    nm_writer_pair_bool(&self->body, "at_most_once", true);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, "notifications.create", nm_buf_bytes(&self->body));
    nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &id);
    s_turn(self);
    return id;
}

static void
what_may_be_sent_only_once_fails_rather_than_risk_a_second(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send_once(self);
    s_queue(self, "email-1", &id, 0, 2);
    s_lose(self, "email-1");
    s_answer(self, "router-1", NULL, 0, 1);
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
    assert_int_equal(s_works(self), 0);
    assert_string_equal(nm_client_status(self->client, &id), "failed");
}

//  The router may have given it to the channel actor, and nobody is left to say so. Its loss comes first, by name.
static void
what_may_be_sent_only_once_is_not_risked_for_a_router_while_a_channel_actor_is_lost(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_send_once(self);
    s_forget(self);
    nm_bench_bury(self->bench, "router-1");
    nm_bench_bury(self->bench, "smtp-1");
    s_turn(self);
    s_turn(self);
    s_deny_all(self);
    assert_int_equal(s_works(self), 0);
    assert_string_equal(nm_client_status(self->client, &id), "failed");
}

static int
s_set_up_with_another(void **state)
{
    *state = nm_gateway_test_new("    smtp-1\n"
                                 "        role = \"email\"\n"
                                 "        mailbox = \"tcp://127.0.0.1:7200\"\n"
                                 "        desk = \"tcp://127.0.0.1:7201\"\n");
    return 0;
}

//  -- A gateway

static nm_id_t
s_keep(test_t *self, unsigned n, const char *send_at)
{
    nm_id_maker_t maker = { .gateway = 2 };
    nm_copy_t copy = { .has = 0 };
    nm_id_t id, service;
    nm_id_make(&maker, nm_bench_now(self->bench) + n, 1000 + n, &id);
    nm_id_from_text(nm_text(self->client->service), &service);
    nm_buf_clear(&self->body);
    NM_PUT(&copy, copy, notification, id);
    NM_PUT(&copy, copy, service, service);
    NM_PUT(&copy, copy, correlation_id, nm_text("theirs"));
    NM_PUT(&copy, copy, request,
           send_at ? nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "content", "Hi",
                                   "send_at", send_at, NULL)
                   : nm_client_email(&self->body, n));
    nm_bench_record(self->bench, "gateway-2", NM_MAIL_COPY, &nm_copy_shape, &copy);
    s_turn(self);
    return id;
}

static void
s_deny_gateway(test_t *self)
{
    s_answer(self, "router-1", NULL, 0, 1);
    s_answer(self, "router-2", NULL, 0, 1);
    s_answer(self, "email-1", NULL, 0, 1);
    s_answer(self, "email-2", NULL, 0, 1);
    s_turn(self);
}

static void
the_copies_of_a_lost_gateway_become_ours(void **state)
{
    test_t *self = *state;
    nm_id_t running = s_keep(self, 1, NULL), ended = s_keep(self, 2, NULL);
    nm_id_t later = s_keep(self, 3, "2026-12-24T00:00:00Z");
    nm_event_t event = nm_client_event(self->client, &ended, NM_EVENT_SENT, 4);
    NM_PUT(&event, event, holder, nm_text("email-2"));
    nm_client_tell(self->client, "gateway-2", &event);
    assert_string_equal(nm_client_status(self->client, &running), "");

    s_lose(self, "gateway-2");
    assert_string_equal(nm_client_status(self->client, &running), "pending");
    assert_string_equal(nm_client_status(self->client, &ended), "sent");
    assert_string_equal(nm_client_status(self->client, &later), "scheduled");
    const nm_bench_reply_t *reply = nm_client_ask(self->client, "notifications.list", nm_bytes(NULL, 0));
    assert_int_equal(nm_client_count(reply->body, "items"), 3);
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    assert_int_equal(gateway->counts[NM_STATUS_PENDING], 1);
    assert_int_equal(gateway->counts[NM_STATUS_SENT], 1);

    //  Its events may be lost with it: who has nothing is asked twice.
    s_deny_gateway(self);
    assert_int_equal(s_works(self), 0);
    s_wait(self, 200);
    s_deny_gateway(self);
    assert_int_equal(s_works(self), 1);
    nm_work_t work = s_work(self, 0);
    assert_true(nm_id_equal(&work.notification, &running));
    s_wait(self, INT64_C(40) * 86400000);
    s_turn(self);
    work = s_work(self, 1);
    assert_true(nm_id_equal(&work.notification, &later));
}

//  The lost gateway may have let it go, and its copy is not told of that: a router has it.
static void
what_was_due_at_a_lost_gateway_is_asked_after_before_it_is_sent(void **state)
{
    test_t *self = *state;
    nm_id_t held = s_keep(self, 1, "2026-11-21T01:00:00Z"), lost = s_keep(self, 2, "2026-11-21T01:00:00Z");
    s_wait(self, INT64_C(2) * 3600000);
    s_lose(self, "gateway-2");
    assert_int_equal(s_works(self), 0);
    assert_string_equal(nm_client_status(self->client, &held), "pending");
    for (int i = 0; i < 2; i++) {
        s_answer(self, "router-1", &held, 1, 1);
        s_answer(self, "router-2", NULL, 0, 1);
        s_answer(self, "email-1", NULL, 0, 1);
        s_answer(self, "email-2", NULL, 0, 1);
        s_wait(self, 200);
    }
    assert_int_equal(s_works(self), 1);
    nm_work_t work = s_work(self, 0);
    assert_true(nm_id_equal(&work.notification, &lost));
    s_wait(self, 60000);
    assert_int_equal(s_works(self), 1);
}

//  A 404 would be for ever.
static void
until_copies_are_ours_they_are_not_unknown(void **state)
{
    test_t *self = *state;
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_t id = s_keep(self, 1, NULL);
    nm_id_to_text(&id, text);
    nm_bench_bury(self->bench, "gateway-2");
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "id", text, NULL);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, "notifications.get", body);
    assert_int_equal(reply->status, 503);
    reply = nm_client_ask(self->client, "notifications.get", body);
    assert_int_equal(reply->status, 200);
}

//  A channel actor may hear of the loss before we do.
static void
an_event_that_comes_before_the_word_of_the_loss_counts(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_keep(self, 1, NULL);
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_SENT, 4);
    nm_client_tell(self->client, "email-1", &event);
    s_lose(self, "gateway-2");
    assert_string_equal(nm_client_status(self->client, &id), "sent");
}

//  That a holder was named once is no proof when later events may be lost.
static void
a_delivery_of_a_lost_gateway_is_believed_only_to_its_holder(void **state)
{
    test_t *self = *state;
    nm_id_t held = s_keep(self, 1, NULL), lost = s_keep(self, 2, NULL);
    const nm_id_t *ids[] = { &held, &lost };
    for (size_t i = 0; i < 2; i++) {
        nm_event_t event = nm_client_event(self->client, ids[i], NM_EVENT_QUEUED, 2);
        NM_PUT(&event, event, holder, nm_text("email-2"));
        nm_client_tell(self->client, "gateway-2", &event);
    }
    s_lose(self, "gateway-2");
    for (int i = 0; i < 2; i++) {
        s_answer(self, "router-1", NULL, 0, 1);
        s_answer(self, "router-2", NULL, 0, 1);
        s_answer(self, "email-1", NULL, 0, 1);
        s_answer(self, "email-2", &held, 1, 1);
        s_wait(self, 200);
    }
    assert_int_equal(s_works(self), 1);
    nm_work_t work = s_work(self, 0);
    assert_true(nm_id_equal(&work.notification, &lost));

    nm_event_t event = nm_client_event(self->client, &held, NM_EVENT_SENT, 5);
    nm_client_tell(self->client, "email-2", &event);
    assert_string_equal(nm_client_status(self->client, &held), "sent");
}

static void
an_id_of_a_lost_gateway_that_nobody_kept_is_404(void **state)
{
    test_t *self = *state;
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_maker_t maker = { .gateway = 2 };
    nm_id_t id;
    nm_id_make(&maker, nm_bench_now(self->bench), 5, &id);
    nm_id_to_text(&id, text);
    s_lose(self, "gateway-2");
    nm_buf_clear(&self->body);
    const nm_bench_reply_t *reply =
        nm_client_ask(self->client, "notifications.get", nm_client_map(&self->body, "id", text, NULL));
    assert_non_null(reply);
    assert_int_equal(reply->status, 404);
}

//  -- All of it

static void
an_operator_may_have_everything_accounted_for(void **state)
{
    test_t *self = *state;
    nm_id_t held = s_send(self, 1), lost = s_send(self, 2);
    s_queue(self, "email-1", &held, 0, 2);
    s_queue(self, "email-1", &lost, 0, 2);
    s_forget(self);
    assert_int_equal(nm_client_ask(self->client, "notifications.account", nm_bytes(NULL, 0))->status, 403);
    uint64_t ask = nm_bench_ask(self->bench, "", "notifications.account", NULL, nm_bytes(NULL, 0));
    s_turn(self);
    assert_int_equal(nm_bench_reply(self->bench, ask)->status, 401);
    assert_int_equal(
        nm_client_ask_as(self->client, self->client->admin, "notifications.account", nm_bytes(NULL, 0))->status, 202);
    for (int i = 0; i < 2; i++) {
        s_answer(self, "router-1", NULL, 0, 1);
        s_answer(self, "router-2", NULL, 0, 1);
        s_answer(self, "email-1", &held, 1, 1);
        s_answer(self, "email-2", NULL, 0, 1);
        s_wait(self, 200);
    }
    assert_int_equal(s_works(self), 1);
    nm_work_t work = s_work(self, 0);
    assert_true(nm_id_equal(&work.notification, &lost));
    assert_string_equal(s_recovering(self), "");
}

static void
many_are_accounted_for_in_bounded_pieces(void **state)
{
    test_t *self = *state;
    enum { COUNT = 1234 };
    for (unsigned i = 0; i < COUNT; i++)
        nm_client_send(self->client, i);
    for (int i = 0; i < 5; i++)
        s_turn(self);
    s_lose(self, "router-1");
    for (unsigned round = 0; *s_recovering(self); round++) {
        assert_in_range(round, 0, COUNT / NM_HOLDS_MAX);
        s_deny_all(self);
    }
    for (int i = 0; i < 3; i++)
        s_turn(self);
    assert_int_equal(s_works(self), COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nm_gateway_setup, nm_gateway_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_judged_while_somebody_is_known_to_others_alone),
        TEST(what_a_lost_router_had_is_sent_again),
        TEST(routers_are_asked_before_channel_actors),
        TEST(what_still_waits_with_us_is_not_lost),
        TEST(what_somebody_has_is_not_lost),
        TEST(what_has_ended_or_not_begun_is_left_alone),
        TEST(a_part_that_is_sent_again_is_not_cancelled_for_the_whole),
        TEST(nothing_is_judged_before_the_mail_that_was_named_is_read),
        TEST(whoever_is_away_is_asked_again_until_he_answers),
        TEST(one_that_is_lost_meanwhile_is_not_asked_again),
        TEST(a_restart_goes_on_where_it_was),
        TEST(a_later_actor_of_the_name_may_be_lost_as_well),
        TEST(a_loss_is_accounted_for_when_a_later_actor_is_there_already),
        TEST(a_later_actor_of_the_name_is_asked_as_well),
        TEST(what_a_lost_channel_actor_had_is_sent_again_and_comes_to_an_end),
        TEST(what_a_router_has_had_is_no_longer_ours),
        TEST(what_one_had_that_we_never_heard_of_is_sent_again),
        TEST(a_stranger_lost_before_our_first_work_is_nobody_to_us),
        TEST(of_several_deliveries_only_the_lost_one_is_made_again),
        TEST(what_may_be_sent_only_once_fails_rather_than_risk_a_second),
        cmocka_unit_test_setup_teardown(
            what_may_be_sent_only_once_is_not_risked_for_a_router_while_a_channel_actor_is_lost, s_set_up_with_another,
            nm_gateway_teardown),
        TEST(the_copies_of_a_lost_gateway_become_ours),
        TEST(what_was_due_at_a_lost_gateway_is_asked_after_before_it_is_sent),
        TEST(until_copies_are_ours_they_are_not_unknown),
        TEST(an_event_that_comes_before_the_word_of_the_loss_counts),
        TEST(a_delivery_of_a_lost_gateway_is_believed_only_to_its_holder),
        TEST(an_id_of_a_lost_gateway_that_nobody_kept_is_404),
        TEST(an_operator_may_have_everything_accounted_for),
        TEST(many_are_accounted_for_in_bounded_pieces),
    };
    return cmocka_run_group_tests_name("gateway/recovery", tests, NULL, NULL);
}
