#include "actors/gateway/cancel.h"

#include "actors/gateway/ops.h"
#include "actors/gateway/show.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { HOP_MAX = 8 };
static const int64_t PATIENCE_MS = 2000;  //  How long nobody may have it
static const int64_t PAUSE_MS = 100;      //  Between rounds
static const int64_t TIMEOUT_MS = 1000;   //  Of one ask

//  -- Places

void
nm_cancels_free(nm_cancels_t *self)
{
    free(self->items);
    nm_portions_free(&self->portions);
    *self = (nm_cancels_t){ 0 };
}

static void
s_release(nm_cancels_t *self, nm_cancel_t *item)
{
    uint32_t serial = item->serial;
    nm_portions_give(&self->portions, &item->service);
    *item = (nm_cancel_t){ .serial = serial };
    self->count--;
}

//  Replies that were taken in by an undone turn will not come again: the round starts over.
void
nm_cancels_undo(nm_cancels_t *self, int64_t now_ms)
{
    for (size_t i = 0; self->count && i < NM_CANCEL_COUNT; i++) {
        nm_cancel_t *item = &self->items[i];
        if (!item->used)
            continue;
        if (item->fresh) {
            s_release(self, item);
            continue;
        }
        item->done = false;
        item->serial++;
        item->again_ms = now_ms;
    }
}

void
nm_cancels_commit(nm_cancels_t *self)
{
    for (size_t i = 0; self->count && i < NM_CANCEL_COUNT; i++) {
        self->items[i].fresh = false;
        if (self->items[i].used && self->items[i].done)
            s_release(self, &self->items[i]);
    }
}

//  -- Answers

static nm_rc_t
s_answer_cancelled(nm_answer_t to, const nm_id_t *id, const nm_note_t *note)
{
    nm_buf_t *body = &to.gateway->body;
    nm_buf_clear(body);
    nm_rc_t rc = nm_show_note(&to.gateway->history, id, note, body);
    return rc == NM_OK ? nm_answer(&to, 200, nm_buf_bytes(body)) : rc;
}

static nm_rc_t
s_answer_late(nm_answer_t to, nm_status_t status)
{
    return nm_answer_problem(&to, 409, NULL, "It is too late to cancel: the notification is %s.",
                             nm_words_text(&nm_status_words, status));
}

static nm_rc_t
s_end(nm_answer_t to, const nm_id_t *id, nm_note_t *note)
{
    nm_rc_t rc = nm_notes_end(to.gateway, to.turn, id, note, NM_EVENT_CANCELLED, NULL);
    return rc == NM_OK ? s_answer_cancelled(to, id, note) : rc;
}

static bool
s_has_ended(const nm_history_t *history, uint64_t number)
{
    for (size_t i = 0; i < history->part_count; i++)
        if (history->parts[i].number == number)
            return nm_status_is_final((nm_status_t) history->parts[i].status);
    return false;
}

//  It was sent again for what was lost of it: does a delivery go on that somebody else has?
static nm_rc_t
s_look_elsewhere(nm_gateway_t *gateway, const nm_note_t *note, bool *elsewhere)
{
    *elsewhere = false;
    if (!NM_HAS(note, note, skip))
        return NM_OK;
    nm_rc_t rc = nm_history_read(&gateway->history, note);
    for (uint64_t number = 0; rc == NM_OK && number < 8 * note->skip.size; number++)
        *elsewhere |= nm_held_has(note->skip.at, number) && !s_has_ended(&gateway->history, number);
    return rc;
}

//  Answers what can be told here and now. NM_ERR_BUSY: others must be asked.
static nm_rc_t
s_try_here(nm_answer_t to, const nm_id_t *id, nm_note_t *note)
{
    nm_status_t status = (nm_status_t) note->status;
    if (status == NM_STATUS_SENDING || nm_status_is_final(status))
        return s_answer_late(to, status);
    if (status == NM_STATUS_SCHEDULED)
        return s_end(to, id, note);
    bool elsewhere;
    nm_rc_t rc = s_look_elsewhere(to.gateway, note, &elsewhere);
    if (rc != NM_OK || elsewhere)
        return rc == NM_OK ? NM_ERR_BUSY : rc;
    rc = nm_turn_mail_withdraw(to.turn, NM_ROLE_ROUTER, nm_bytes(id->at, NM_ID_SIZE), NULL);
    if (rc == NM_OK)
        return s_end(to, id, note);
    return rc == NM_ERR_MISSING ? NM_ERR_BUSY : rc;
}

//  -- Rounds of asks

static void
s_ask(nm_gateway_t *gateway, nm_turn_t *turn, nm_cancel_t *item, const char *peer)
{
    const nm_peer_t *holder = nm_directory_find(gateway->directory, peer);
    if (!holder)
        return;
    nm_buf_t *body = &gateway->body;
    nm_buf_clear(body);
    nm_writer_map(body, 2);
    nm_writer_pair_id(body, "notification", &item->id);
    nm_writer_pair_uint(body, "generation", item->generation);
    size_t slot = (size_t) (item - gateway->cancels.items);
    nm_turn_ask(turn, holder->actor.role, peer, "deliveries.cancel", nm_buf_bytes(body), TIMEOUT_MS,
                nm_token(NM_TOKEN_CANCEL, slot, item->serial));
    item->open_count++;
}

static void
s_ask_all(nm_gateway_t *gateway, nm_turn_t *turn, nm_cancel_t *item, nm_role_id_t role)
{
    const char *names[NM_CANCEL_PEER_COUNT];
    size_t count = nm_turn_alive(turn, role, names, NM_CANCEL_PEER_COUNT);
    for (size_t i = 0; i < count; i++)
        s_ask(gateway, turn, item, names[i]);
}

static bool
s_is_among(const nm_part_t *parts, size_t count, nm_bytes_t holder)
{
    for (size_t i = 0; i < count; i++)
        if (nm_bytes_equal(parts[i].holder, holder) && !nm_status_is_final((nm_status_t) parts[i].status))
            return true;
    return false;
}

//  Asks each that holds a delivery which has not ended.
static void
s_ask_holders(nm_gateway_t *gateway, nm_turn_t *turn, nm_cancel_t *item)
{
    const nm_history_t *history = &gateway->history;
    for (size_t i = 0; i < history->part_count && item->open_count < NM_CANCEL_PEER_COUNT; i++) {
        const nm_part_t *part = &history->parts[i];
        if (!NM_HAS(part, part, holder) || nm_status_is_final((nm_status_t) part->status) ||
            s_is_among(history->parts, i, part->holder))
            continue;
        char name[NM_NAME_MAX + 1];
        nm_bytes_to_text(part->holder, name, sizeof name);
        s_ask(gateway, turn, item, name);
    }
}

//  Nobody said yet that he has it: whoever might is asked.
static void
s_ask_around(nm_gateway_t *gateway, nm_turn_t *turn, nm_cancel_t *item)
{
    static const nm_role_id_t ROLES[] = { NM_ROLE_ROUTER, NM_ROLE_EMAIL, NM_ROLE_PUSH, NM_ROLE_SMS };
    for (size_t i = 0; i < NM_COUNT(ROLES); i++)
        s_ask_all(gateway, turn, item, ROLES[i]);
}

static void
s_pause(nm_turn_t *turn, nm_cancel_t *item)
{
    item->again_ms = nm_turn_now(turn) + PAUSE_MS;
    nm_turn_wake(turn, item->again_ms);
}

//  What is known by now may have answered the question; else another round begins.
static nm_rc_t
s_round(nm_gateway_t *gateway, nm_turn_t *turn, nm_cancel_t *item)
{
    nm_answer_t to = { gateway, turn, &item->asker };
    nm_note_t note;
    nm_rc_t rc = nm_notes_get(nm_turn_txn(turn), &item->id, &note);
    if (rc != NM_OK)
        return rc;
    item->done = true;
    if (note.status == NM_STATUS_CANCELLED)
        return s_answer_cancelled(to, &item->id, &note);
    rc = s_try_here(to, &item->id, &note);
    if (rc != NM_ERR_BUSY)
        return rc;
    if (nm_turn_now(turn) >= item->until_ms)
        return nm_answer_problem(&to, 503, NULL, "The notification is on its way between actors; try again.");

    item->done = false;
    item->serial++;
    item->again_ms = 0;
    item->open_count = item->hop_count = 0;
    item->cancelled = item->late = false;
    item->generation = NM_HAS(&note, note, generation) ? note.generation : 0;
    if ((rc = nm_history_read(&gateway->history, &note)) != NM_OK)
        return rc;
    s_ask_holders(gateway, turn, item);
    if (item->open_count == 0)
        s_ask_around(gateway, turn, item);
    if (item->open_count == 0)
        s_pause(turn, item);
    return NM_OK;
}

//  All have answered.
static nm_rc_t
s_conclude(nm_gateway_t *gateway, nm_turn_t *turn, nm_cancel_t *item)
{
    nm_answer_t to = { gateway, turn, &item->asker };
    nm_note_t note;
    nm_rc_t rc = nm_notes_get(nm_turn_txn(turn), &item->id, &note);
    if (rc != NM_OK)
        return rc;
    bool ended = nm_status_is_final((nm_status_t) note.status);
    if (item->late && note.status != NM_STATUS_CANCELLED) {
        item->done = true;
        return ended ? s_answer_late(to, (nm_status_t) note.status) : s_answer_late(to, NM_STATUS_SENDING);
    }
    //  Of several deliveries each is ended by its own event, so that none that is still on
    //  its way is called cancelled: the next round sees them.
    if (item->cancelled && !ended && !(NM_HAS(&note, note, deliveries) && note.deliveries > 1)) {
        item->done = true;
        return s_end(to, &item->id, &note);
    }
    if (ended || nm_turn_now(turn) >= item->until_ms)
        return s_round(gateway, turn, item);
    s_pause(turn, item);
    return NM_OK;
}

static void
s_take_answer(nm_gateway_t *gateway, nm_turn_t *turn, nm_cancel_t *item, const nm_reply_in_t *reply)
{
    nm_bytes_t raw, name;
    nm_reader_t reader;
    if (reply->status == 409)
        item->late = true;
    if (reply->status != 200)
        return;
    if (nm_reader_find(reply->body, "moved_to", &raw) != NM_OK) {
        item->cancelled = true;
        return;
    }
    nm_reader_open(&reader, raw);
    if (nm_reader_str(&reader, &name) != NM_OK || item->hop_count++ >= HOP_MAX)
        return;
    char text[NM_NAME_MAX + 1];
    nm_bytes_to_text(name, text, sizeof text);
    s_ask(gateway, turn, item, text);
}

nm_rc_t
nm_cancels_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_cancels_t *self = &gateway->cancels;
    size_t slot = nm_token_slot(reply->token);
    if (!self->items || slot >= NM_CANCEL_COUNT)
        return NM_OK;
    nm_cancel_t *item = &self->items[slot];
    if (!item->used || item->done || item->again_ms || item->serial != (uint32_t) reply->token)
        return NM_OK;
    item->open_count--;
    s_take_answer(gateway, turn, item, reply);
    return item->open_count ? NM_OK : s_conclude(gateway, turn, item);
}

nm_rc_t
nm_cancels_due(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_cancels_t *self = &gateway->cancels;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && self->count && i < NM_CANCEL_COUNT; i++) {
        nm_cancel_t *item = &self->items[i];
        if (!item->used || item->done || !item->again_ms)
            continue;
        if (item->again_ms <= nm_turn_now(turn))
            rc = s_round(gateway, turn, item);
        else
            nm_turn_wake(turn, item->again_ms);
    }
    return rc;
}

//  -- notifications.cancel

static nm_cancel_t *
s_take(nm_cancels_t *self, const nm_id_t *service)
{
    if (!self->items)
        self->items = nm_alloc(NM_CANCEL_COUNT * sizeof *self->items);
    if (!nm_portions_may(&self->portions, service, NM_CANCEL_COUNT))
        return NULL;
    for (size_t i = 0; i < NM_CANCEL_COUNT; i++)
        if (!self->items[i].used) {
            self->count++;
            nm_portions_take(&self->portions, service);
            self->items[i].service = *service;
            return &self->items[i];
        }
    return NULL;
}

nm_rc_t
nm_op_cancel(nm_case_t *it)
{
    nm_by_id_t ask;
    nm_id_t id;
    nm_note_t note;
    if (nm_case_decode(it, &nm_by_id_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_case_find(it, ask.id, &id, &note);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    rc = s_try_here(it->answer, &id, &note);
    if (rc != NM_ERR_BUSY)
        return rc;

    nm_cancel_t *item = s_take(&it->gateway->cancels, &it->who.service);
    if (!item)
        return nm_answer_problem(&it->answer, 503, NULL, "Too many cancellations are under way; try again.");
    item->used = item->fresh = true;
    item->asker = it->asker;
    item->id = id;
    item->until_ms = it->now_ms + PATIENCE_MS;
    return s_round(it->gateway, it->turn, item);
}
