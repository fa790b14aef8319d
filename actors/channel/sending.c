#include "actors/channel/worker.h"

#include "broker/log.h"
#include "wire/utf8.h"

//  -- Tokens. An effect carries the notification's id and a number from which the rest of
//  the key and the attempt are read back: the loop keeps them, not we.

enum { ATTEMPT_BITS = 20, GENERATION_BITS = 20 };

static uint64_t
s_token(const nm_delivery_key_t *key, uint64_t attempt)
{
    return (uint64_t) key->number << (ATTEMPT_BITS + GENERATION_BITS) | (uint64_t) key->generation << ATTEMPT_BITS |
           attempt;
}

static uint64_t
s_read_token(const nm_result_t *result, nm_delivery_key_t *key)
{
    key->notification = result->about;
    key->number = (uint8_t) (result->token >> (ATTEMPT_BITS + GENERATION_BITS));
    key->generation = (uint32_t) (result->token >> ATTEMPT_BITS & ((1u << GENERATION_BITS) - 1));
    return result->token & ((1u << ATTEMPT_BITS) - 1);
}

int64_t
nm_sending_due(const nm_slot_t *slot, int64_t due_ms)
{
    return due_ms < slot->expires_ms ? due_ms : slot->expires_ms;
}

static bool
s_last_attempt(const nm_hand_t *hand, nm_attempt_t *last)
{
    nm_bytes_t raw;
    memset(last, 0, sizeof *last);
    return nm_progress_last_attempt(&hand->progress, &raw) &&
           nm_record_decode(&nm_attempt_shape, last, raw, NULL, "") == NM_OK;
}

//  The provider of the last attempt, and what came of that; ANY if there was none.
static int
s_last_provider(const nm_hand_t *hand, uint8_t *outcome)
{
    nm_attempt_t last;
    if (!s_last_attempt(hand, &last))
        return NM_LINEUP_ANY;
    *outcome = last.outcome;
    return nm_lineup_find(&hand->worker->lineup, last.provider);
}

//  Which provider next? After an uncertain attempt the same one, if it can be: only there
//  is the repeat known for one. After a failure rather another one.
static nm_rc_t
s_pick(const nm_hand_t *hand, int *at, int64_t *until_ms)
{
    uint8_t outcome = NM_OUTCOME_LATER;
    int64_t now_ms = nm_turn_now(hand->turn);
    const nm_lineup_t *lineup = &hand->worker->lineup;
    const nm_id_t *service = NM_HAS(&hand->progress, progress, service) ? &hand->progress.service : NULL;
    nm_need_of_t need = { .channel = hand->progress.channel,
                          .wish = nm_lineup_find(lineup, hand->progress.provider),
                          .service = service };
    int last = s_last_provider(hand, &outcome);
    if (outcome == NM_OUTCOME_UNCERTAIN && last >= 0 && (need.wish == NM_LINEUP_ANY || need.wish == last)) {
        nm_need_of_t same = { need.channel, last, NM_LINEUP_ANY, service };
        if (nm_lineup_pick(lineup, &same, now_ms, at, until_ms) == NM_OK)
            return NM_OK;
    }
    need.last = outcome == NM_OUTCOME_UNCERTAIN ? NM_LINEUP_ANY : last;
    return nm_lineup_pick(lineup, &need, now_ms, at, until_ms);
}

//  -- The end of an attempt

//  The provider's words as they are kept: at most so long, whole characters, UTF-8.
static nm_bytes_t
s_words(nm_bytes_t detail)
{
    if (!nm_utf8_is_valid(detail))
        return nm_text("the provider's words are not text");
    return nm_bytes(detail.at, nm_utf8_cut(detail, NM_DETAIL_MAX));
}

//  Closes the last attempt. The progress is not kept yet.
static nm_rc_t
s_close_attempt(nm_hand_t *hand, const nm_verdict_t *verdict)
{
    nm_bytes_t raw;
    nm_attempt_t attempt;
    memset(&attempt, 0, sizeof attempt);
    if (!nm_progress_last_attempt(&hand->progress, &raw) ||
        nm_record_decode(&nm_attempt_shape, &attempt, raw, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    NM_PUT(&attempt, attempt, ended_at, nm_turn_now(hand->turn));
    NM_PUT(&attempt, attempt, outcome, (uint8_t) verdict->outcome);
    if (verdict->code)
        NM_PUT(&attempt, attempt, code, verdict->code < 999999 ? verdict->code : 999999);
    if (verdict->detail.size)
        NM_PUT(&attempt, attempt, detail, s_words(verdict->detail));
    nm_progress_end_attempt(nm_turn_txn(hand->turn), &hand->progress, &attempt);
    hand->progress.calling = false;
    return NM_OK;
}

bool
nm_sending_must_park(const nm_hand_t *hand)
{
    return hand->worker->settings.park || hand->progress.at_most_once;
}

//  Waits for the next try. outage: the provider is down, which uses up none.
static nm_rc_t
s_schedule(nm_hand_t *hand, bool outage, int64_t wish_ms)
{
    nm_channel_worker_t *worker = hand->worker;
    int64_t now_ms = nm_turn_now(hand->turn), delay_ms, until_ms = 0;
    int at;
    if (!outage)
        hand->progress.tries++;
    unsigned tries = hand->progress.tries ? (unsigned) hand->progress.tries : 1;
    if (outage && tries > worker->settings.retry.retries)
        tries = worker->settings.retry.retries;
    if (nm_retry_delay(&worker->settings.retry, tries, wish_ms, nm_turn_random(hand->turn), &delay_ms) != NM_OK)
        return nm_hand_bury(hand, NM_REASON_RETRIES, "all tries are used up");

    hand->progress.due_at = now_ms + delay_ms;
    if (s_pick(hand, &at, &until_ms) == NM_ERR_BUSY && until_ms > hand->progress.due_at)
        hand->progress.due_at = until_ms;
    NM_PUT(&hand->progress, progress, wait_ms, (uint64_t) (hand->progress.due_at - now_ms));
    nm_news_t news = { .kind = NM_EVENT_RETRY_SCHEDULED, .due_ms = hand->progress.due_at, .reason = -1 };
    nm_progress_last_attempt(&hand->progress, &news.attempt);
    nm_rc_t rc = nm_hand_tell(hand, &news);
    if (rc == NM_OK)
        rc = nm_hand_keep(hand);
    if (rc == NM_OK)
        nm_slots_move(worker->slots, hand->slot, NM_SLOT_WAITING, nm_sending_due(hand->slot, hand->progress.due_at));
    return rc;
}

static nm_rc_t
s_sent(nm_hand_t *hand)
{
    nm_news_t news = { .kind = NM_EVENT_SENT, .reason = -1 };
    nm_progress_last_attempt(&hand->progress, &news.attempt);
    return nm_hand_end(hand, &news);
}

//  Goes on from a closed attempt.
static nm_rc_t
s_follow(nm_hand_t *hand, const nm_verdict_t *verdict, bool outage)
{
    switch (verdict->outcome) {
    case NM_OUTCOME_SENT: return s_sent(hand);
    case NM_OUTCOME_REFUSED: return nm_hand_bury(hand, NM_REASON_REJECTED, "the provider refused it");
    case NM_OUTCOME_UNCERTAIN:
        if (nm_sending_must_park(hand))
            return nm_hand_bury(hand, NM_REASON_UNCERTAIN, "it may have been sent: nobody knows");
        return s_schedule(hand, outage, verdict->retry_after_ms);
    case NM_OUTCOME_LATER: return s_schedule(hand, outage, verdict->retry_after_ms);
    default: return NM_ERR_BUG;
    }
}

//  Tells the breaker how a call ended. True if the provider is out.
static bool
s_tell_breaker(nm_channel_worker_t *self, nm_provider_t *provider, bool counts, int64_t now_ms)
{
    bool was_open = provider->breaker.open;
    if (counts) {
        nm_breaker_failure(&provider->breaker, &self->settings.breaker, now_ms);
    } else {
        nm_breaker_success(&provider->breaker);
        if (was_open)
            nm_slots_unblock(self->slots);
    }
    if (!was_open && provider->breaker.open)
        nm_metric_add(provider->opened, 1);
    if (was_open != provider->breaker.open)
        nm_log(was_open ? NM_LOG_INFO : NM_LOG_WARNING, was_open ? "breaker_closed" : "breaker_opened",
               "Provider %s %s.", provider->setup.name,
               was_open ? "works again" : "failed too often in a row: it gets a rest");
    return provider->breaker.open;
}

nm_rc_t
nm_channel_result(void *state, nm_turn_t *turn, const nm_result_t *result)
{
    nm_channel_worker_t *self = state;
    nm_delivery_key_t key;
    uint64_t attempt = s_read_token(result, &key);
    nm_slot_t *slot = nm_slots_find(self->slots, &key);
    if (!slot || slot->state != NM_SLOT_CALLING)
        return NM_OK;
    nm_hand_t hand;
    nm_rc_t rc = nm_hand_take(&hand, self, turn, slot);
    if (rc != NM_OK || hand.progress.attempt_count != attempt)
        return rc;

    nm_attempt_t last;
    bool known = s_last_attempt(&hand, &last);
    int at = known ? nm_lineup_find_called(&self->lineup, last.provider, last.started_at) : -1;
    if (at < 0)
        return NM_ERR_BUG;  //  This process started it, and keeps providers until their calls have ended
    nm_provider_t *provider = &self->lineup.at[at];
    nm_verdict_t verdict;
    provider->setup.driver->classify(result, &verdict);
    nm_metric_add(provider->outcomes[verdict.outcome], 1);
    nm_metric_observe(provider->call_us, (uint64_t) result->took_us);

    bool out = s_tell_breaker(self, provider, verdict.counts, nm_turn_now(turn));
    hand.progress.crashes = 0;
    rc = s_close_attempt(&hand, &verdict);
    return rc == NM_OK ? s_follow(&hand, &verdict, verdict.counts && out) : rc;
}

//  -- The start of an attempt

//  Closes an attempt that another process started and did not end. done: the delivery
//  has ended with it.
static nm_rc_t
s_close_crashed(nm_hand_t *hand, bool *done)
{
    nm_verdict_t verdict = { .outcome = NM_OUTCOME_UNCERTAIN,
                             .detail = nm_text("the actor stopped while it was being sent") };
    nm_rc_t rc = s_close_attempt(hand, &verdict);
    hand->progress.crashes++;
    *done = true;
    if (rc == NM_OK && hand->progress.crashes >= NM_CHANNEL_CRASH_MAX)
        return nm_hand_bury(hand, NM_REASON_POISON, "the actor stopped again and again while sending it");
    if (rc == NM_OK && nm_sending_must_park(hand))
        return nm_hand_bury(hand, NM_REASON_UNCERTAIN, "it may have been sent: the actor stopped");
    *done = false;
    nm_news_t news = { .kind = NM_EVENT_RETRY_SCHEDULED, .due_ms = nm_turn_now(hand->turn), .reason = -1 };
    nm_progress_last_attempt(&hand->progress, &news.attempt);
    if (rc == NM_OK)
        rc = nm_hand_tell(hand, &news);
    return rc == NM_OK ? nm_hand_keep(hand) : rc;
}

nm_rc_t
nm_sending_give_back(nm_channel_worker_t *self, nm_turn_t *turn, nm_slot_t *slot)
{
    nm_hand_t hand;
    bool done = false;
    nm_rc_t rc = nm_hand_take(&hand, self, turn, slot);
    if (rc == NM_OK && hand.progress.calling)
        rc = s_close_crashed(&hand, &done);
    return rc == NM_OK && !done ? nm_hand_give_back(&hand) : rc;
}

static void
s_open_attempt(nm_hand_t *hand, const nm_provider_t *provider)
{
    nm_attempt_t attempt;
    memset(&attempt, 0, sizeof attempt);
    hand->progress.attempt_count++;
    hand->progress.calling = true;
    hand->progress.boot = hand->worker->boot;
    NM_PUT(&attempt, attempt, number, hand->progress.attempt_count);
    NM_PUT(&attempt, attempt, provider, nm_text(provider->setup.name));
    NM_PUT(&attempt, attempt, started_at, nm_turn_now(hand->turn));
    NM_PUT(&attempt, attempt, outcome, NM_OUTCOME_STARTED);
    nm_progress_add_attempt(nm_turn_txn(hand->turn), &hand->progress, &attempt);
}

static int64_t
s_first_start(const nm_hand_t *hand)
{
    nm_bytes_t raw;
    nm_attempt_t first;
    memset(&first, 0, sizeof first);
    if (nm_progress_first_attempt(&hand->progress, &raw) &&
        nm_record_decode(&nm_attempt_shape, &first, raw, NULL, "") == NM_OK)
        return first.started_at;
    return nm_turn_now(hand->turn);
}

static nm_rc_t
s_prepare(nm_hand_t *hand, const nm_provider_t *provider, nm_effect_t **effect, nm_error_t *error)
{
    nm_bytes_t content;
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    nm_rc_t rc = nm_deliveries_get_content(nm_turn_txn(hand->turn), &hand->key, &content);
    if (rc == NM_OK)
        rc = nm_record_decode(&nm_delivery_shape, &delivery, content, NULL, "");
    if (rc != NM_OK)
        return NM_ERR_CORRUPT;
    nm_order_t order = { &delivery, s_first_start(hand), s_token(&hand->key, hand->progress.attempt_count) };
    return provider->setup.driver->prepare(provider->setup.config, &order, effect, error);
}

//  A driver that cannot make a call of the delivery has refused it, without a call.
static nm_rc_t
s_refuse(nm_hand_t *hand, nm_provider_t *provider, const char *reason)
{
    nm_verdict_t verdict = { .outcome = NM_OUTCOME_REFUSED, .detail = nm_text(reason) };
    nm_metric_add(provider->outcomes[NM_OUTCOME_REFUSED], 1);
    nm_rc_t rc = s_close_attempt(hand, &verdict);
    return rc == NM_OK ? nm_hand_bury(hand, NM_REASON_REJECTED, reason) : rc;
}

static nm_rc_t
s_call(nm_hand_t *hand, nm_provider_t *provider)
{
    nm_error_t error = { "" };
    nm_effect_t *effect = NULL;
    s_open_attempt(hand, provider);
    nm_rc_t rc = s_prepare(hand, provider, &effect, &error);
    if (rc == NM_ERR_REFUSED)
        return s_refuse(hand, provider, error.text);
    if (rc != NM_OK)
        return rc;

    nm_news_t news = { .kind = hand->progress.attempt_count == 1 ? NM_EVENT_SENDING : NM_EVENT_RETRY_ATTEMPTED,
                       .reason = -1 };
    nm_progress_last_attempt(&hand->progress, &news.attempt);
    rc = nm_hand_tell(hand, &news);
    if (rc == NM_OK)
        rc = nm_hand_keep(hand);
    if (rc != NM_OK) {
        nm_effect_destroy(&effect);
        return rc;
    }
    nm_breaker_start(&provider->breaker, nm_turn_now(hand->turn));
    nm_metric_add(provider->outcomes[NM_OUTCOME_STARTED], 1);
    nm_turn_time(hand->turn, hand->worker->wait_us, hand->slot->ready_ms);
    nm_slots_move(hand->worker->slots, hand->slot, NM_SLOT_CALLING, 0);
    nm_turn_effect(hand->turn, effect);
    return NM_OK;
}

nm_rc_t
nm_sending_start(nm_channel_worker_t *self, nm_turn_t *turn, nm_slot_t *slot)
{
    nm_hand_t hand;
    bool done = false;
    nm_rc_t rc = nm_hand_take(&hand, self, turn, slot);
    if (rc == NM_OK && hand.progress.calling)
        rc = s_close_crashed(&hand, &done);
    if (rc != NM_OK || done)
        return rc;
    if (slot->expires_ms <= nm_turn_now(turn))
        return nm_hand_end(&hand, &(nm_news_t){ .kind = NM_EVENT_EXPIRED, .reason = -1 });

    int at;
    int64_t until_ms;
    rc = s_pick(&hand, &at, &until_ms);
    if (rc == NM_ERR_MISSING)
        return nm_hand_bury(&hand, NM_REASON_NO_PROVIDER, "no provider that is configured can send it");
    if (rc == NM_ERR_BUSY) {
        nm_slots_move(self->slots, slot, NM_SLOT_WAITING, nm_sending_due(slot, until_ms));
        slot->blocked = true;
        return NM_OK;
    }
    return s_call(&hand, &self->lineup.at[at]);
}
