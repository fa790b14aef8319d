#include "actors/gateway/notes.h"

#include "actors/gateway/copies.h"
#include "actors/gateway/places.h"
#include "actors/gateway/state.h"
#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"
#include "lmdb_store/queue.h"

NM_RECORD_DEFINE(note, NM_NOTE_FIELDS, NULL, 0);

bool
nm_status_is_final(nm_status_t status)
{
    return status >= NM_STATUS_SENT;
}

static nm_bytes_t
s_key(const nm_id_t *id)
{
    return nm_bytes(id->at, NM_ID_SIZE);
}

const nm_shelf_t nm_own_shelf = { &nm_notes_table, &nm_contents_table, true };
const nm_shelf_t nm_copy_shelf = { &nm_copies_table, &nm_copy_contents_table, false };

nm_rc_t
nm_shelf_get(const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id, nm_note_t *note)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, shelf->notes, s_key(id), &value);
    if (rc != NM_OK)
        return rc;
    return nm_record_decode(&nm_note_shape, note, value, NULL, "") == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

nm_rc_t
nm_shelf_put(nm_gateway_t *self, const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note)
{
    nm_buf_clear(&self->note);
    nm_record_encode(&nm_note_shape, note, NM_BY_TAG, &self->note);
    return nm_table_put(txn, shelf->notes, s_key(id), nm_buf_bytes(&self->note));
}

nm_rc_t
nm_notes_get(nm_txn_t *txn, const nm_id_t *id, nm_note_t *note)
{
    return nm_shelf_get(&nm_own_shelf, txn, id, note);
}

nm_rc_t
nm_notes_put(nm_gateway_t *self, nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note)
{
    return nm_shelf_put(self, &nm_own_shelf, txn, id, note);
}

static nm_rc_t
s_delete_content(const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id)
{
    nm_rc_t rc = nm_table_delete(txn, shelf->contents, s_key(id));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_shelf_delete(nm_gateway_t *self, const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note)
{
    nm_rc_t rc = shelf->own ? nm_places_delete(txn, id, note) : NM_OK;
    if (rc == NM_OK)
        rc = s_delete_content(shelf, txn, id);
    if (rc == NM_OK)
        rc = nm_table_delete(txn, shelf->notes, s_key(id));
    if (rc == NM_OK && shelf->own && self->counts[note->status] > 0) {
        self->counts[note->status]--;
        self->counts_changed = true;
    }
    return rc;
}

uint64_t
nm_notes_unfinished(const nm_gateway_t *self)
{
    uint64_t count = 0;
    for (unsigned status = 0; status < NM_STATUS_COUNT; status++)
        if (!nm_status_is_final((nm_status_t) status))
            count += self->counts[status];
    return count;
}

//  -- Work for a router

static nm_bytes_t
s_pack_work(nm_gateway_t *self, const nm_id_t *id, const nm_note_t *note, nm_bytes_t request)
{
    nm_work_t work = { .has = 0 };
    NM_PUT(&work, work, notification, *id);
    NM_PUT(&work, work, service, note->service);
    NM_PUT(&work, work, generation, 0);
    NM_PUT(&work, work, created_at, note->created_at);
    NM_PUT(&work, work, correlation_id, note->correlation_id);
    if (NM_HAS(note, note, traceparent))
        NM_PUT(&work, work, traceparent, note->traceparent);
    NM_PUT(&work, work, request, request);
    if (NM_HAS(note, note, skip))
        NM_PUT(&work, work, skip, note->skip);
    if (NM_HAS(note, note, order))
        NM_PUT(&work, work, order, note->order);
    if (NM_HAS(note, note, earlier))
        NM_PUT(&work, work, earlier, note->earlier);
    nm_buf_clear(&self->work);
    nm_record_encode(&nm_work_shape, &work, NM_BY_TAG, &self->work);
    return nm_buf_bytes(&self->work);
}

nm_rc_t
nm_notes_mail(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, const nm_note_t *note, nm_bytes_t request)
{
    nm_mail_out_t mail = {
        .role = NM_ROLE_ROUTER,
        .kind = NM_MAIL_WORK,
        .priority = note->priority,
        .body = s_pack_work(self, id, note, request),
        .ref = s_key(id),
    };
    return nm_turn_mail(turn, &mail);
}

nm_rc_t
nm_notes_work(nm_gateway_t *self, nm_txn_t *txn, const nm_id_t *id, nm_bytes_t *body)
{
    nm_note_t note;
    nm_bytes_t request;
    nm_rc_t rc = nm_notes_get(txn, id, &note);
    if (rc == NM_OK)
        rc = nm_table_get(txn, &nm_contents_table, s_key(id), &request);
    if (rc != NM_OK)
        return rc;
    nm_bytes_t packed = s_pack_work(self, id, &note, request);
    uint8_t *at = nm_txn_alloc(txn, packed.size);
    memcpy(at, packed.at, packed.size);
    *body = nm_bytes(at, packed.size);
    return NM_OK;
}

//  -- Moving

static void
s_count(nm_gateway_t *self, nm_status_t from, nm_status_t to)
{
    if (self->counts[from] > 0)
        self->counts[from]--;
    self->counts[to]++;
    self->counts_changed = true;
    if (nm_status_is_final(to))
        nm_metric_add(self->tally.finals[to], 1);
}

static nm_rc_t
s_move(nm_gateway_t *self, const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id, nm_note_t *note,
       nm_status_t status)
{
    if (note->status == status)
        return NM_OK;
    if (shelf->own)
        s_count(self, (nm_status_t) note->status, status);
    NM_PUT(note, note, status, (uint8_t) status);
    return nm_status_is_final(status) ? s_delete_content(shelf, txn, id) : NM_OK;
}

int64_t
nm_notes_began_ms(const nm_note_t *note)
{
    return NM_HAS(note, note, send_at) && note->send_at > note->created_at ? note->send_at : note->created_at;
}

//  Times its way to a channel actor and to its end. What is replayed or sent again says nothing of that.
static void
s_time(const nm_gateway_t *self, nm_turn_t *turn, const nm_note_t *note, const nm_event_t *event, nm_status_t before)
{
    bool queued = event->kind == NM_EVENT_QUEUED && !NM_HAS(event, event, deliveries);
    bool ended = nm_status_is_final((nm_status_t) note->status) && !nm_status_is_final(before);
    if (event->generation || NM_HAS(note, note, order))
        return;
    if (queued)
        nm_turn_time(turn, self->tally.queue_us, nm_notes_began_ms(note));
    if (ended && note->status != NM_STATUS_CANCELLED)
        nm_turn_time(turn, self->tally.final_us, nm_notes_began_ms(note));
}

static nm_rc_t
s_add_entry(nm_gateway_t *self, nm_txn_t *txn, const nm_note_t *note, const nm_event_t *event)
{
    nm_entry_t entry = { .has = 0 };
    NM_PUT(&entry, entry, notification, event->notification);
    NM_PUT(&entry, entry, service, note->service);
    NM_PUT(&entry, entry, kind, event->kind);
    NM_PUT(&entry, entry, status, note->status);
    NM_PUT(&entry, entry, at, event->at);
    if (event->number)
        NM_PUT(&entry, entry, number, event->number);
    if (NM_HAS(event, event, reason))
        NM_PUT(&entry, entry, reason, event->reason);
    if (NM_HAS(event, event, detail))
        NM_PUT(&entry, entry, detail, event->detail);
    return nm_journal_add(&self->journal, txn, &entry);
}

//  The record is encoded again with the lists that the history has written. peer: who told of the event; empty
//  for us.
static nm_rc_t
s_save(nm_gateway_t *self, const nm_shelf_t *shelf, nm_turn_t *turn, nm_note_t *note, const nm_event_t *event,
       const char *peer)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_history_write(&self->history, note);
    NM_PUT(note, note, updated_at, nm_turn_now(turn));
    nm_rc_t rc = nm_shelf_put(self, shelf, txn, &event->notification, note);
    if (rc != NM_OK || !shelf->own)
        return rc;
    rc = s_add_entry(self, txn, note, event);
    if (rc == NM_OK && NM_HAS(note, note, keeper))
        rc = nm_copies_tell(self, turn, note->keeper, event, peer);
    return rc;
}

//  Whoever tried last is the provider of the record.
static void
s_note_provider(const nm_history_t *history, nm_note_t *note)
{
    if (history->try_count)
        NM_PUT(note, note, provider, history->attempts[history->try_count - 1].provider);
}

static bool
s_may_become(const nm_note_t *note, nm_status_t next, bool reopened)
{
    if (reopened || !nm_status_is_final((nm_status_t) note->status))
        return true;
    return note->status == NM_STATUS_SENT && (next == NM_STATUS_DELIVERED || next == NM_STATUS_BOUNCED);
}

static nm_rc_t
s_take_event(nm_gateway_t *self, const nm_shelf_t *shelf, nm_turn_t *turn, nm_note_t *note, const nm_event_t *event,
             const char *peer)
{
    nm_rc_t rc = nm_history_read(&self->history, note);
    if (rc == NM_OK)
        rc = nm_history_apply(&self->history, event, peer);
    if (rc != NM_OK)
        return rc == NM_ERR_DUPLICATE ? NM_OK : rc;

    uint64_t known = NM_HAS(note, note, deliveries) ? note->deliveries : 1;
    if (NM_HAS(event, event, deliveries) && event->deliveries > known)
        NM_PUT(note, note, deliveries, known = event->deliveries);
    if (event->generation > (NM_HAS(note, note, generation) ? note->generation : 0))
        NM_PUT(note, note, generation, event->generation);
    s_note_provider(&self->history, note);

    nm_status_t before = (nm_status_t) note->status, next = nm_history_status(&self->history, known);
    if (s_may_become(note, next, self->history.reopened))
        rc = s_move(self, shelf, nm_turn_txn(turn), &event->notification, note, next);
    if (shelf->own)
        s_time(self, turn, note, event, before);
    return rc == NM_OK ? s_save(self, shelf, turn, note, event, peer) : rc;
}

//  The end that a gateway gave it.
static nm_rc_t
s_take_end(nm_gateway_t *self, const nm_shelf_t *shelf, nm_turn_t *turn, nm_note_t *note, const nm_event_t *event)
{
    nm_status_t status = nm_history_status_of((nm_event_kind_t) event->kind);
    nm_rc_t rc = nm_history_read(&self->history, note);
    if (rc != NM_OK)
        return rc;
    nm_history_end(&self->history, status);
    nm_history_note(&self->history, event);
    rc = s_move(self, shelf, nm_turn_txn(turn), &event->notification, note, status);
    return rc == NM_OK ? s_save(self, shelf, turn, note, event, "") : rc;
}

nm_rc_t
nm_notes_event(nm_gateway_t *self, nm_turn_t *turn, const nm_event_t *event, const char *peer)
{
    nm_note_t note;
    const nm_shelf_t *shelf = &nm_own_shelf;
    nm_metric_add(self->tally.events, 1);
    nm_rc_t rc = nm_shelf_get(shelf, nm_turn_txn(turn), &event->notification, &note);
    if (rc == NM_ERR_MISSING) {  //  Who sent this may know before us that the owner of our copy is lost
        shelf = &nm_copy_shelf;
        rc = nm_shelf_get(shelf, nm_turn_txn(turn), &event->notification, &note);
    }
    if (rc == NM_ERR_MISSING) {
        nm_metric_add(self->tally.unknown_events, 1);
        return NM_OK;
    }
    return rc == NM_OK ? s_take_event(self, shelf, turn, &note, event, peer) : rc;
}

nm_rc_t
nm_notes_copy_event(nm_gateway_t *self, nm_turn_t *turn, const nm_event_t *event)
{
    nm_note_t note;
    char holder[NM_NAME_MAX + 1] = "";
    nm_rc_t rc = nm_shelf_get(&nm_copy_shelf, nm_turn_txn(turn), &event->notification, &note);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    if (event->order == NM_ORDER_OWN)
        return s_take_end(self, &nm_copy_shelf, turn, &note, event);
    if (NM_HAS(event, event, holder))
        nm_bytes_to_text(event->holder, holder, sizeof holder);
    return s_take_event(self, &nm_copy_shelf, turn, &note, event, holder);
}

//  A walk for the oldest may have passed it over, and must see it.
static void
s_look_from(nm_oldest_t *walk, const nm_id_t *id)
{
    if (!walk->ended && memcmp(id->at, walk->from.at, NM_ID_SIZE) >= 0)
        return;
    if (memcmp(id->at, walk->from.at, NM_ID_SIZE) < 0)
        walk->from = *id;
    walk->found = walk->ended = false;
}

nm_rc_t
nm_notes_release(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_bytes_t request;
    nm_rc_t rc = nm_table_get(txn, &nm_contents_table, s_key(id), &request);
    if (rc == NM_OK)
        rc = s_move(self, &nm_own_shelf, txn, id, note, NM_STATUS_PENDING);
    NM_PUT(note, note, updated_at, nm_turn_now(turn));
    s_look_from(&self->oldest_released, id);
    if (rc == NM_OK)
        rc = nm_notes_put(self, txn, id, note);
    return rc == NM_OK ? nm_notes_mail(self, turn, id, note, request) : rc;
}

nm_rc_t
nm_notes_end(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note, nm_event_kind_t kind,
             const char *detail)
{
    nm_event_t event = { .has = 0 };
    NM_PUT(&event, event, notification, *id);
    NM_PUT(&event, event, kind, (uint8_t) kind);
    NM_PUT(&event, event, at, nm_turn_now(turn));
    NM_PUT(&event, event, number, 0);
    NM_PUT(&event, event, generation, NM_HAS(note, note, generation) ? note->generation : 0);
    NM_PUT(&event, event, order, NM_ORDER_OWN);
    if (detail)
        NM_PUT(&event, event, detail, nm_text(detail));
    return s_take_end(self, &nm_own_shelf, turn, note, &event);
}

//  -- What is lost

static nm_rc_t
s_mail_again(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, const nm_note_t *note)
{
    nm_bytes_t request;
    nm_rc_t rc = nm_table_get(nm_turn_txn(turn), &nm_contents_table, s_key(id), &request);
    return rc == NM_OK ? nm_notes_mail(self, turn, id, note, request) : rc;
}

nm_rc_t
nm_notes_redrive(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note, const uint8_t accounted[32])
{
    uint64_t order = NM_HAS(note, note, order) ? note->order : 0;
    uint64_t earlier = NM_HAS(note, note, earlier) ? note->earlier : 0;
    nm_event_t event = { .has = 0 };
    nm_rc_t rc = nm_history_read(&self->history, note);
    if (rc != NM_OK)
        return rc;
    nm_history_lose(&self->history, accounted, nm_turn_now(turn), &order, &earlier);
    NM_PUT(note, note, skip, nm_bytes(accounted, 32));
    NM_PUT(note, note, order, order);
    NM_PUT(note, note, earlier, earlier);

    NM_PUT(&event, event, notification, *id);
    NM_PUT(&event, event, kind, NM_EVENT_QUEUED);
    NM_PUT(&event, event, at, nm_turn_now(turn));
    NM_PUT(&event, event, number, 0);
    NM_PUT(&event, event, generation, NM_HAS(note, note, generation) ? note->generation : 0);
    NM_PUT(&event, event, order, order);
    NM_PUT(&event, event, detail, nm_text("sent again: an actor that had it is lost"));
    nm_history_note(&self->history, &event);
    rc = s_save(self, &nm_own_shelf, turn, note, &event, "");
    return rc == NM_OK ? s_mail_again(self, turn, id, note) : rc;
}

static nm_rc_t
s_adopt_due(nm_turn_t *turn, const nm_id_t *id, const nm_note_t *note)
{
    nm_rc_t rc = NM_OK;
    nm_txn_t *txn = nm_turn_txn(turn);
    if (note->status == NM_STATUS_SCHEDULED) {
        rc = nm_due_put(txn, &nm_due_table, note->send_at, id);
        nm_turn_wake(turn, note->send_at);
    }
    if (rc == NM_OK && NM_HAS(note, note, expires_at) && !nm_status_is_final((nm_status_t) note->status)) {
        rc = nm_due_put(txn, &nm_due_table, note->expires_at, id);
        nm_turn_wake(turn, note->expires_at);
    }
    return rc;
}

nm_rc_t
nm_notes_adopt(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_note_t note;
    nm_bytes_t request;
    nm_rc_t rc = nm_shelf_get(&nm_copy_shelf, txn, id, &note);
    if (rc != NM_OK)
        return rc;
    //  Its owner may have let it go already, which is no event: it is looked for like all that is under way.
    if (note.status == NM_STATUS_SCHEDULED && note.send_at <= nm_turn_now(turn))
        NM_PUT(&note, note, status, NM_STATUS_PENDING);
    NM_PUT(&note, note, first_chunk, nm_journal_chunk(&self->journal, txn));
    rc = nm_notes_put(self, txn, id, &note);
    if (rc == NM_OK)
        rc = nm_places_put(txn, id, &note);
    if (rc == NM_OK)
        rc = s_adopt_due(turn, id, &note);
    self->counts[note.status]++;
    self->counts_changed = true;
    s_look_from(&self->oldest_plain, id);
    s_look_from(&self->oldest_released, id);
    if (rc == NM_OK && (rc = nm_table_get(txn, &nm_copy_contents_table, s_key(id), &request)) == NM_OK)
        rc = nm_table_put(txn, &nm_contents_table, s_key(id), request);
    if (rc == NM_OK || rc == NM_ERR_MISSING)
        rc = nm_shelf_delete(self, &nm_copy_shelf, txn, id, &note);
    return rc;
}
