#include "actors/channel/worker.h"

#include "actors/owner/doubt.h"
#include "broker/log.h"
#include "broker/outbox.h"
#include "wire/writer.h"

const nm_table_t *const nm_channel_tables[NM_CHANNEL_TABLE_COUNT] = {
    &nm_deliveries_content_table,
    &nm_deliveries_progress_table,
    &nm_deliveries_cancelled_table,
};

nm_rc_t
nm_channel_open(void **state, const nm_setup_t *setup, const nm_channel_kind_t *kind, nm_error_t *error)
{
    nm_channel_worker_t *self = nm_alloc(sizeof *self);
    self->channels = kind->channels;
    self->directory = setup->directory;
    self->mesh = setup->mesh;
    self->metrics = setup->metrics;
    self->slots = nm_slots_new();
    self->wait_us = nm_metrics_make(setup->metrics, NM_FAMILY_STAGE, "wait", NULL);
    for (unsigned reason = 0; reason < NM_REASON_COUNT; reason++)
        self->dead_letters[reason] =
            nm_metrics_make(setup->metrics, NM_FAMILY_DEAD_LETTERS, nm_words_text(&nm_reason_words, reason), NULL);

    nm_rc_t rc = nm_channel_settings_open(&self->settings, nm_mesh_part(setup->mesh, kind->part), error);
    if (rc == NM_OK)
        rc = nm_lineup_open(&self->lineup, nm_mesh_part(setup->mesh, "providers"), setup->mesh, setup->metrics, error);
    if (rc != NM_OK) {
        nm_channel_close(self);
        return rc;
    }
    *state = self;
    return NM_OK;
}

void
nm_channel_close(void *state)
{
    nm_channel_worker_t *self = state;
    if (!self)
        return;
    nm_lineup_close(&self->lineup);
    nm_slots_destroy(&self->slots);
    nm_buf_free(&self->packed);
    free(self);
}

//  -- What is held

static nm_slot_t
s_slot(const nm_delivery_key_t *key, const nm_progress_t *progress)
{
    return (nm_slot_t){
        .key = *key,
        .state = NM_SLOT_READY,
        .rank = (int64_t) nm_rank(progress->created_at, progress->priority),
        .came_ms = NM_HAS(progress, progress, came_at) ? progress->came_at : progress->created_at,
        .expires_ms = NM_HAS(progress, progress, expires_at) ? progress->expires_at : INT64_MAX,
    };
}

typedef struct {
    nm_channel_worker_t *worker;
    int64_t now_ms;
} s_load_t;

//  How long a delivery can have to wait. One that was stored before waits were says it with a bound for all.
static int64_t
s_longest_wait(const nm_channel_settings_t *settings, const nm_progress_t *progress)
{
    if (NM_HAS(progress, progress, wait_ms))
        return (int64_t) progress->wait_ms;
    int64_t most_ms = NM_RETRY_WISH_MAX_MS;
    if (settings->retry.most_ms > most_ms)
        most_ms = settings->retry.most_ms;
    return settings->breaker.open_ms > most_ms ? settings->breaker.open_ms : most_ms;
}

//  The clock may have been stepped back since it was stored: nothing waits longer than it was to wait then.
static int64_t
s_sane_due(const s_load_t *load, const nm_progress_t *progress)
{
    int64_t most_ms = load->now_ms + s_longest_wait(&load->worker->settings, progress);
    return progress->due_at < most_ms ? progress->due_at : most_ms;
}

static nm_rc_t
s_load_one(void *arg, const nm_delivery_key_t *key, const nm_progress_t *progress)
{
    s_load_t *load = arg;
    nm_slot_t slot = s_slot(key, progress);
    slot.ready_ms = load->now_ms;
    if (progress->calling && progress->boot == load->worker->boot) {
        slot.state = NM_SLOT_CALLING;
    } else if (!progress->calling && progress->due_at > load->now_ms) {
        slot.state = NM_SLOT_WAITING;
        slot.due_ms = nm_sending_due(&slot, s_sane_due(load, progress));
    }
    nm_slots_add(load->worker->slots, &slot);
    return NM_OK;
}

nm_rc_t
nm_channel_load(void *state, nm_turn_t *turn)
{
    nm_channel_worker_t *self = state;
    while (!self->boot)
        self->boot = nm_turn_random(turn);
    nm_lineup_revert(&self->lineup);
    nm_slots_clear(self->slots);
    s_load_t load = { self, nm_turn_now(turn) };
    nm_rc_t rc = nm_deliveries_each(nm_turn_txn(turn), NULL, s_load_one, &load);
    if (rc == NM_OK)
        rc = nm_following_renew(self, turn);
    if (nm_slots_count(self->slots))
        nm_turn_wake(turn, nm_turn_now(turn));
    return rc;
}

void
nm_channel_committed(void *state)
{
    nm_channel_worker_t *self = state;
    nm_lineup_keep(&self->lineup);
}

//  -- Mail

static void
s_fill_progress(const nm_delivery_t *delivery, int64_t now_ms, nm_progress_t *progress)
{
    static const uint8_t EMPTY_LIST[] = { 0x90 };
    memset(progress, 0, sizeof *progress);
    NM_PUT(progress, progress, created_at, delivery->created_at);
    NM_PUT(progress, progress, came_at, now_ms);
    NM_PUT(progress, progress, priority, delivery->priority);
    NM_PUT(progress, progress, service, delivery->service);
    NM_PUT(progress, progress, channel, delivery->channel);
    NM_PUT(progress, progress, order, 0);
    NM_PUT(progress, progress, tries, 0);
    NM_PUT(progress, progress, crashes, 0);
    NM_PUT(progress, progress, calling, false);
    NM_PUT(progress, progress, boot, 0);
    NM_PUT(progress, progress, attempt_count, 0);
    NM_PUT(progress, progress, attempts, nm_bytes(EMPTY_LIST, sizeof EMPTY_LIST));
    NM_PUT(progress, progress, due_at, 0);  //  At once: the gateway's clock, which may be ahead, says nothing of it
    if (NM_HAS(delivery, delivery, expires_at))
        NM_PUT(progress, progress, expires_at, delivery->expires_at);
    if (delivery->provider.size)
        NM_PUT(progress, progress, provider, delivery->provider);
    if (delivery->at_most_once)
        NM_PUT(progress, progress, at_most_once, true);
}

//  Another actor of the channel gave it back, or was lost with it: it goes on from where it was. What is kept of the delivery itself is
//  as it was made, so that a dead letter does not carry the progress of an earlier life.
static nm_bytes_t
s_go_on(nm_channel_worker_t *self, nm_delivery_t *delivery, nm_progress_t *progress)
{
    NM_PUT(progress, progress, order, delivery->order);
    NM_PUT(progress, progress, tries, delivery->tries);
    NM_PUT(progress, progress, attempt_count, delivery->earlier);
    if (NM_HAS(delivery, delivery, attempts))
        NM_PUT(progress, progress, attempts, delivery->attempts);
    if (NM_HAS(delivery, delivery, due_at))
        NM_PUT(progress, progress, due_at, delivery->due_at);
    NM_DROP(delivery, delivery, order);
    NM_DROP(delivery, delivery, tries);
    NM_DROP(delivery, delivery, earlier);
    NM_DROP(delivery, delivery, attempts);
    NM_DROP(delivery, delivery, due_at);
    NM_DROP(delivery, delivery, doubtful);
    nm_buf_clear(&self->packed);
    nm_record_encode(&nm_delivery_shape, delivery, NM_BY_TAG, &self->packed);
    return nm_buf_bytes(&self->packed);
}

//  Stores a new one and tells that it is queued, or when its next try is due.
static nm_rc_t
s_take_in(nm_hand_t *hand, nm_bytes_t content)
{
    nm_news_t news = { .kind = NM_EVENT_QUEUED, .reason = -1 };
    nm_slot_t slot = s_slot(&hand->key, &hand->progress);
    s_load_t load = { hand->worker, nm_turn_now(hand->turn) };
    slot.ready_ms = load.now_ms;
    if (hand->progress.tries && hand->progress.due_at > load.now_ms) {
        news.kind = NM_EVENT_RETRY_SCHEDULED;
        news.due_ms = hand->progress.due_at;
        slot.state = NM_SLOT_WAITING;
        slot.due_ms = nm_sending_due(&slot, s_sane_due(&load, &hand->progress));
        nm_turn_wake(hand->turn, slot.due_ms);
    }
    nm_rc_t rc = nm_hand_tell(hand, &news);
    if (rc == NM_OK)
        rc = nm_deliveries_add(nm_turn_txn(hand->turn), &hand->key, content, &hand->progress);
    if (rc == NM_OK)
        nm_slots_add(hand->worker->slots, &slot);
    return rc;
}

nm_rc_t
nm_channel_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_channel_worker_t *self = state;
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    if (!mail->body.size)
        return NM_OK;  //  What it spoke of is over
    if (mail->kind != NM_MAIL_DELIVERY ||
        nm_record_decode(&nm_delivery_shape, &delivery, mail->body, NULL, "") != NM_OK ||
        !(self->channels & NM_CHANNEL_BIT(delivery.channel)))
        return NM_ERR_MALFORMED;

    nm_hand_t hand = { .worker = self, .turn = turn };
    hand.key = (nm_delivery_key_t){ delivery.notification, (uint8_t) delivery.number, (uint32_t) delivery.generation };
    if (nm_slots_find(self->slots, &hand.key))
        return NM_OK;
    nm_bytes_t content = mail->body;
    bool doubtful = delivery.doubtful;
    s_fill_progress(&delivery, nm_turn_now(turn), &hand.progress);
    if (NM_HAS(&delivery, delivery, order))
        content = s_go_on(self, &delivery, &hand.progress);
    if (nm_cancelled_has(nm_turn_txn(turn), &hand.key))
        return nm_hand_tell(&hand, &(nm_news_t){ .kind = NM_EVENT_CANCELLED, .reason = -1 });
    if (NM_HAS(&delivery, delivery, expires_at) && delivery.expires_at <= nm_turn_now(turn))
        return nm_hand_tell(&hand, &(nm_news_t){ .kind = NM_EVENT_EXPIRED, .reason = -1 });
    nm_rc_t rc = s_take_in(&hand, content);
    if (rc != NM_OK || !doubtful || !nm_sending_must_park(&hand))
        return rc;
    hand.slot = nm_slots_find(self->slots, &hand.key);
    return nm_hand_bury(&hand, NM_REASON_UNCERTAIN, "it may have been sent: an actor is lost that had it");
}

bool
nm_channel_doubted(uint8_t kind, nm_bytes_t body, nm_buf_t *changed)
{
    if (changed && kind == NM_MAIL_RETURN)
        nm_doubt_pack(body, changed);
    return true;
}

//  -- Due

//  It leaves for good: what is not under way goes on elsewhere, a bounded number in each turn.
static nm_rc_t
s_give_back(nm_channel_worker_t *self, nm_turn_t *turn)
{
    for (size_t i = 0; i < NM_CHANNEL_START_MAX; i++) {
        nm_slot_t *slot = nm_slots_ready(self->slots);
        if (!slot)
            slot = nm_slots_due(self->slots);
        if (!slot)
            return NM_OK;
        nm_rc_t rc = nm_sending_give_back(self, turn, slot);
        if (rc != NM_OK)
            return rc;
    }
    nm_turn_wake(turn, nm_turn_now(turn));
    return NM_OK;
}

nm_rc_t
nm_channel_due(void *state, nm_turn_t *turn)
{
    nm_channel_worker_t *self = state;
    int64_t now_ms = nm_turn_now(turn);
    nm_slot_t *slot;
    nm_rc_t rc = self->stale ? nm_following_renew(self, turn) : NM_OK;
    if (rc != NM_OK)
        return rc;
    if (nm_turn_draining(turn))
        return s_give_back(self, turn);
    while ((slot = nm_slots_due(self->slots)) && slot->due_ms <= now_ms) {
        if (!slot->blocked)
            slot->ready_ms = slot->due_ms;
        nm_slots_move(self->slots, slot, NM_SLOT_READY, 0);
    }

    for (size_t i = 0; i < NM_CHANNEL_START_MAX && !nm_turn_leaving(turn); i++) {
        slot = nm_slots_ready(self->slots);
        if (!slot || nm_slots_calling(self->slots) >= self->settings.concurrency)
            break;
        rc = nm_sending_start(self, turn, slot);
        if (rc != NM_OK)
            return rc;
    }
    bool more = nm_slots_ready(self->slots) && nm_slots_calling(self->slots) < self->settings.concurrency;
    if (more && !nm_turn_leaving(turn))
        nm_turn_wake(turn, now_ms);
    if ((slot = nm_slots_due(self->slots)))
        nm_turn_wake(turn, slot->due_ms);
    return NM_OK;
}

//  -- What others may know

size_t
nm_channel_room(void *state)
{
    nm_channel_worker_t *self = state;
    size_t held = nm_slots_count(self->slots);
    return held < self->settings.backlog ? self->settings.backlog - held : 0;
}

void
nm_channel_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    nm_channel_worker_t *self = state;
    *count = nm_slots_count(self->slots);
    *oldest_ms = nm_slots_oldest(self->slots);
}

void
nm_channel_figures(void *state, nm_turn_t *turn)
{
    static const char *const TEXTS[NM_SLOTS_COUNT] = { "ready", "retrying", "blocked", "calling" };
    nm_channel_worker_t *self = state;
    nm_slots_view_t view;
    int64_t now_ms = nm_turn_now(turn);
    nm_slots_view(self->slots, &view);
    for (size_t i = 0; i < NM_SLOTS_COUNT; i++) {
        int64_t age_ms = view.oldest_ms[i] && now_ms > view.oldest_ms[i] ? now_ms - view.oldest_ms[i] : 0;
        nm_metric_set(nm_metrics_make(self->metrics, NM_FAMILY_DELIVERIES_HELD, TEXTS[i], NULL), view.counts[i]);
        nm_metric_set(nm_metrics_make(self->metrics, NM_FAMILY_DELIVERIES_OLDEST, TEXTS[i], NULL), (uint64_t) age_ms);
    }
    for (size_t i = 0; i < self->lineup.count; i++) {
        const nm_provider_t *provider = &self->lineup.at[i];
        if (provider->retired_ms == INT64_MAX)
            nm_metric_set(provider->state, nm_breaker_state(&provider->breaker, now_ms));
    }
}

static void
s_write_provider(const nm_provider_t *provider, nm_buf_t *out)
{
    const nm_breaker_t *breaker = &provider->breaker;
    const char *state = !breaker->open ? "closed" : breaker->trying ? "half-open" : "open";
    nm_writer_map(out, 6);
    nm_writer_pair_text(out, "name", provider->setup.name);
    nm_writer_pair_text(out, "kind", provider->setup.driver->kind);
    nm_writer_pair_bool(out, "active", provider->setup.active);
    nm_writer_pair_uint(out, "priority", provider->setup.priority);
    nm_writer_pair_text(out, "breaker", state);
    nm_writer_pair_uint(out, "failures", breaker->failures);
}

size_t
nm_channel_status(void *state, nm_buf_t *out)
{
    nm_channel_worker_t *self = state;
    nm_writer_pair_uint(out, "held", nm_slots_count(self->slots));
    nm_writer_pair_uint(out, "calling", nm_slots_calling(self->slots));
    nm_writer_pair_uint(out, "lined_up", nm_slots_waiting(self->slots));
    nm_writer_text(out, "providers");
    size_t there = 0;
    while (there < self->lineup.count && self->lineup.at[there].retired_ms == INT64_MAX)
        there++;
    nm_writer_list(out, there);
    for (size_t i = 0; i < there; i++)
        s_write_provider(&self->lineup.at[i], out);
    return 4;
}
