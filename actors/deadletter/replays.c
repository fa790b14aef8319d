#include "actors/deadletter/replays.h"
#include "actors/owner/doubt.h"
#include "actors/owner/owner.h"
#include "broker/log.h"
#include "lmdb_store/queue.h"

enum {
    DUE_MAX = 256,             //  Replays of one turn
    LATE_MAX_MS = 5000,        //  Above this the line was held up, and its clock is set back
    GENERATION_MAX = 1000000,  //  As the records have it
};

const nm_table_t nm_replays_table = { NM_TABLE_ROLE + 8, false, "replay_line" };

static int64_t
s_line_now(const nm_replays_t *self, const nm_turn_t *turn)
{
    return nm_turn_now(turn) - self->behind_ms;
}

nm_rc_t
nm_replays_load(nm_replays_t *self, nm_turn_t *turn)
{
    int64_t first_ms;
    nm_rc_t rc = nm_due_next(nm_turn_txn(turn), &nm_replays_table, &first_ms);
    if (rc == NM_ERR_MISSING)
        rc = NM_OK;
    else if (rc == NM_OK) {
        if (!self->loaded)
            self->behind_ms = nm_turn_now(turn) - first_ms;
        nm_turn_wake(turn, first_ms + self->behind_ms);
    }
    self->loaded = true;
    return rc;
}

nm_rc_t
nm_replays_leave(nm_txn_t *txn, nm_letter_t *letter)
{
    if (!NM_HAS(letter, letter, replay_at))
        return NM_OK;
    letter->has &= ~(UINT64_C(1) << NM_AT_letter_replay_at);
    nm_rc_t rc = nm_due_delete(txn, &nm_replays_table, letter->replay_at, &letter->id);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_replays_wait(nm_replays_t *self, nm_turn_t *turn, nm_letter_t *letter, int64_t after_ms)
{
    int64_t at_ms = s_line_now(self, turn) + after_ms;
    NM_PUT(letter, letter, replay_at, at_ms);
    nm_rc_t rc = nm_due_put(nm_turn_txn(turn), &nm_replays_table, at_ms, &letter->id);
    if (rc == NM_OK)
        rc = nm_letters_put(nm_turn_txn(turn), letter);
    if (rc == NM_OK)
        nm_turn_wake(turn, at_ms + self->behind_ms);
    return rc;
}

//  -- One replay

static nm_rc_t
s_check(const nm_letter_t *letter, const nm_delivery_t *delivery, int64_t now_ms, nm_error_t *why)
{
    if (letter->state != NM_LETTER_OPEN)
        return nm_fail(why, NM_ERR_REFUSED, "it was %s already", nm_words_text(&nm_letter_state_words, letter->state));
    if (NM_HAS(delivery, delivery, expires_at) && delivery->expires_at <= now_ms)
        return nm_fail(why, NM_ERR_REFUSED, "the notification has expired");
    if (delivery->generation >= GENERATION_MAX)
        return nm_fail(why, NM_ERR_REFUSED, "it was replayed too often");
    return NM_OK;
}

static void
s_change(nm_delivery_t *delivery, const nm_replay_change_t *change)
{
    NM_PUT(delivery, delivery, generation, delivery->generation + 1);
    if (change->recipient.size)
        NM_PUT(delivery, delivery, recipient, change->recipient);
    if (change->provider.size)
        NM_PUT(delivery, delivery, provider, change->provider);
}

static void
s_pack(const nm_id_t *id, nm_bytes_t delivery, nm_buf_t *out)
{
    nm_replay_t replay = { .has = 0 };
    NM_PUT(&replay, replay, dead_letter, *id);
    NM_PUT(&replay, replay, delivery, delivery);
    nm_record_encode(&nm_replay_shape, &replay, NM_BY_TAG, out);
}

static nm_rc_t
s_mail_replay(nm_turn_t *turn, const nm_id_t *id, const nm_delivery_t *delivery)
{
    nm_buf_t inner = { 0 };
    nm_buf_t body = { 0 };
    nm_record_encode(&nm_delivery_shape, delivery, NM_BY_TAG, &inner);
    s_pack(id, nm_buf_bytes(&inner), &body);
    nm_mail_out_t mail = {
        .role = NM_ROLE_ROUTER, .kind = NM_MAIL_REPLAY, .priority = delivery->priority, .body = nm_buf_bytes(&body)
    };
    nm_rc_t rc = nm_turn_mail(turn, &mail);
    nm_buf_free(&inner);
    nm_buf_free(&body);
    return rc;
}

bool
nm_replays_doubted(uint8_t kind, nm_bytes_t body, nm_buf_t *changed)
{
    nm_replay_t replay;
    nm_buf_t inner = { 0 };
    if (changed && kind == NM_MAIL_REPLAY && nm_record_decode(&nm_replay_shape, &replay, body, NULL, "") == NM_OK &&
        nm_doubt_pack(replay.delivery, &inner))
        s_pack(&replay.dead_letter, nm_buf_bytes(&inner), changed);
    nm_buf_free(&inner);
    return true;
}

//  The first event of the new generation: its order is below those of the channel actor.
static nm_rc_t
s_mail_event(const nm_replays_t *self, nm_turn_t *turn, const nm_delivery_t *delivery)
{
    nm_event_t event;
    nm_owner_event(&event, NM_EVENT_REPLAYED, delivery, 0, turn);
    return nm_owner_mail(turn, self->directory, &event, delivery->priority);
}

nm_rc_t
nm_replays_send(nm_replays_t *self, nm_turn_t *turn, nm_letter_t *letter, const nm_replay_change_t *change,
                nm_error_t *why)
{
    nm_dead_letter_t dead;
    nm_delivery_t delivery;
    nm_rc_t rc = nm_letters_content(nm_turn_txn(turn), &letter->id, &dead);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? nm_fail(why, NM_ERR_REFUSED, "its content is gone") : rc;
    if (nm_record_decode(&nm_delivery_shape, &delivery, dead.delivery, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    rc = s_check(letter, &delivery, nm_turn_now(turn), why);
    if (rc != NM_OK)
        return rc;

    s_change(&delivery, change);
    rc = s_mail_replay(turn, &letter->id, &delivery);
    if (rc == NM_OK)
        rc = s_mail_event(self, turn, &delivery);
    if (rc == NM_OK)
        rc = nm_replays_leave(nm_turn_txn(turn), letter);
    return rc == NM_OK ? nm_letters_move(nm_turn_txn(turn), letter, NM_LETTER_REPLAYED, nm_turn_now(turn)) : rc;
}

//  -- The line

//  A letter that can no longer be replayed (it expired while it stood here) stays open.
static nm_rc_t
s_release(nm_replays_t *self, nm_turn_t *turn, const nm_id_t *id)
{
    static const nm_replay_change_t UNCHANGED = { { NULL, 0 }, { NULL, 0 } };
    nm_letter_t letter;
    nm_error_t why;
    nm_rc_t rc = nm_letters_get(nm_turn_txn(turn), id, NULL, &letter);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    rc = nm_replays_send(self, turn, &letter, &UNCHANGED, &why);
    if (rc != NM_ERR_REFUSED)
        return rc;
    nm_log_about(NM_LOG_WARNING, "replay_refused", (nm_log_subject_t){ letter.correlation_id, letter.traceparent },
                 "a dead letter stays open: %s", why.text);
    rc = nm_replays_leave(nm_turn_txn(turn), &letter);
    return rc == NM_OK ? nm_letters_put(nm_turn_txn(turn), &letter) : rc;
}

//  A process that was stopped and goes on has not noticed; its line must not flood either.
static nm_rc_t
s_catch_up(nm_replays_t *self, nm_turn_t *turn)
{
    int64_t first_ms;
    nm_rc_t rc = nm_due_next(nm_turn_txn(turn), &nm_replays_table, &first_ms);
    if (rc == NM_OK && s_line_now(self, turn) - first_ms > LATE_MAX_MS)
        self->behind_ms = nm_turn_now(turn) - first_ms;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_replays_due(nm_replays_t *self, nm_turn_t *turn)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    int64_t at_ms;
    nm_id_t id;
    nm_rc_t rc = s_catch_up(self, turn);
    for (unsigned i = 0; rc == NM_OK && i < DUE_MAX; i++) {
        rc = nm_due_take(txn, &nm_replays_table, s_line_now(self, turn), &at_ms, &id);
        if (rc == NM_OK)
            rc = s_release(self, turn, &id);
    }
    if (rc == NM_OK || rc == NM_ERR_MISSING)
        rc = nm_due_next(txn, &nm_replays_table, &at_ms);
    if (rc == NM_OK)
        nm_turn_wake(turn, at_ms + self->behind_ms);
    if (rc != NM_ERR_MISSING)
        return rc;
    self->behind_ms = 0;
    return NM_OK;
}

nm_rc_t
nm_replays_count(const nm_replays_t *self, nm_txn_t *txn, uint64_t *count, int64_t *first_ms)
{
    *count = nm_table_count(txn, &nm_replays_table);
    *first_ms = 0;
    if (*count == 0)
        return NM_OK;
    nm_rc_t rc = nm_due_next(txn, &nm_replays_table, first_ms);
    *first_ms += self->behind_ms;
    return rc;
}
