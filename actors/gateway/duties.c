#include "actors/gateway/duties.h"

#include <sodium.h>

#include "actors/gateway/copies.h"
#include "actors/gateway/places.h"
#include "actors/gateway/tables.h"
#include "lmdb_store/queue.h"
#include "wire/id.h"
#include "wire/writer.h"

enum {
    DUE_COUNT = 500,      //  Due ones looked at in a turn
    PASS_COUNT = 16,      //  Scheduled ones passed over in a turn
    WITHDRAW_COUNT = 20,  //  Each walks a lane of the outbox
    RETIRE_COUNT = 500,   //  Notes forgotten in a turn
    LOOK_COUNT = 2000,    //  Notes looked at for that
    SWEEP_COUNT = 500,    //  Chunks of the journal forgotten in a turn
};
static const int64_t TIDY_MS = 60000;
static const int64_t TIDY_AGAIN_MS = 50;    //  When there is more to do
static const int64_t LOOK_AGAIN_MS = 1000;  //  When there is more to look at

static const char FACT_SECRET[] = "secret";
static const char FACT_COUNTS[] = "counts";
static const char FACT_BORN[] = "born";

//  -- Facts

static nm_rc_t
s_load_secret(nm_gateway_t *self, nm_txn_t *txn)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_facts_table, nm_text(FACT_SECRET), &value);
    if (rc == NM_OK && value.size != sizeof self->secret)
        return NM_ERR_CORRUPT;
    if (rc == NM_OK)
        memcpy(self->secret, value.at, sizeof self->secret);
    if (rc != NM_ERR_MISSING)
        return rc;
    randombytes_buf(self->secret, sizeof self->secret);
    return nm_table_put(txn, &nm_facts_table, nm_text(FACT_SECRET), nm_bytes(self->secret, sizeof self->secret));
}

//  When this store was made: from then on it knows the keys that it owns.
static nm_rc_t
s_load_born(nm_gateway_t *self, nm_turn_t *turn)
{
    uint8_t raw[8];
    nm_bytes_t value;
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_rc_t rc = nm_table_get(txn, &nm_facts_table, nm_text(FACT_BORN), &value);
    if (rc == NM_OK && value.size != sizeof raw)
        return NM_ERR_CORRUPT;
    if (rc == NM_OK)
        self->owners.born_ms = (int64_t) nm_get_u64(value.at);
    if (rc != NM_ERR_MISSING)
        return rc;
    self->owners.born_ms = nm_turn_now(turn);
    nm_put_u64(raw, (uint64_t) self->owners.born_ms);
    return nm_table_put(txn, &nm_facts_table, nm_text(FACT_BORN), nm_bytes(raw, sizeof raw));
}

static nm_rc_t
s_load_counts(nm_gateway_t *self, nm_txn_t *txn)
{
    nm_bytes_t value;
    memset(self->counts, 0, sizeof self->counts);
    self->counts_changed = false;
    nm_rc_t rc = nm_table_get(txn, &nm_facts_table, nm_text(FACT_COUNTS), &value);
    if (rc == NM_ERR_MISSING)
        return NM_OK;
    if (rc != NM_OK || value.size % 8 || value.size > sizeof self->counts)
        return rc == NM_OK ? NM_ERR_CORRUPT : rc;
    for (size_t i = 0; i < value.size / 8; i++)
        self->counts[i] = nm_get_u64(value.at + 8 * i);
    return NM_OK;
}

static nm_rc_t
s_save_counts(nm_gateway_t *self, nm_txn_t *txn)
{
    uint8_t raw[8 * NM_STATUS_COUNT];
    if (!self->counts_changed)
        return NM_OK;
    self->counts_changed = false;
    for (size_t i = 0; i < NM_STATUS_COUNT; i++)
        nm_put_u64(raw + 8 * i, self->counts[i]);
    return nm_table_put(txn, &nm_facts_table, nm_text(FACT_COUNTS), nm_bytes(raw, sizeof raw));
}

//  Walks what is unfinished, whose contents stand under ids that begin with their time, to the first that is plain, or that
//  was scheduled and is due. What is passed over is not looked at again: the next turn goes on from there, a few at a time.
static nm_rc_t
s_walk(nm_oldest_t *self, nm_txn_t *txn, bool plain)
{
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_note_t note;
    nm_cursor_open(&cursor, txn, &nm_contents_table, nm_bytes(NULL, 0), nm_bytes(self->from.at, NM_ID_SIZE), false);
    nm_rc_t rc = nm_cursor_next(&cursor, &key, NULL);
    bool same = rc == NM_OK && self->found && memcmp(key.at, self->from.at, NM_ID_SIZE) == 0;
    self->found = same;
    for (size_t i = 0; i < PASS_COUNT && !self->found && rc == NM_OK; i++) {
        memcpy(self->from.at, key.at, NM_ID_SIZE);
        rc = nm_notes_get(txn, &self->from, &note);
        if (rc != NM_OK)
            break;
        bool scheduled = NM_HAS(&note, note, send_at);
        self->found = plain ? !scheduled : scheduled && note.status != NM_STATUS_SCHEDULED;
        self->since_ms = nm_notes_began_ms(&note);
        if (!self->found)
            rc = nm_cursor_next(&cursor, &key, NULL);
    }
    nm_cursor_close(&cursor);
    self->ended = rc == NM_ERR_MISSING;
    return self->ended ? NM_OK : rc;
}

//  What is to wait does not make the backlog old. Of what was scheduled and is due there may be none for long: then it is
//  not looked for until some is released.
static nm_rc_t
s_find_oldest(nm_gateway_t *self, nm_txn_t *txn)
{
    nm_oldest_t *plain = &self->oldest_plain, *released = &self->oldest_released;
    nm_rc_t rc = s_walk(plain, txn, true);
    if (rc == NM_OK && !released->ended)
        rc = s_walk(released, txn, false);
    self->oldest_ms = plain->found ? plain->since_ms : 0;
    if (released->found && (!plain->found || released->since_ms < plain->since_ms))
        self->oldest_ms = released->since_ms;
    return rc;
}

void
nm_duties_look(nm_gateway_t *self)
{
    self->present = 0;
    for (unsigned role = NM_ROLE_NONE + 1; role < NM_ROLE_COUNT; role++)
        if (nm_directory_list(self->directory, (nm_role_id_t) role, NULL, 0) > 0)
            self->present |= UINT64_C(1) << role;
}

nm_rc_t
nm_duties_load(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_rc_t rc = s_load_secret(self, txn);
    if (rc == NM_OK)
        rc = nm_lockout_load(&self->lockout, txn, self->secret);
    if (rc == NM_OK)
        rc = s_load_born(self, turn);
    if (rc == NM_OK)
        rc = s_load_counts(self, txn);
    self->oldest_plain = self->oldest_released = (nm_oldest_t){ .found = false };
    if (rc == NM_OK)
        rc = s_find_oldest(self, txn);
    if (rc == NM_OK)
        rc = nm_places_load(self, txn);
    if (!self->life)
        self->life = nm_turn_random(turn) | 1;
    self->has_orphans = true;
    if (rc == NM_OK)
        rc = nm_recovery_load(self, turn);
    self->tidy_at_ms = self->retire_at_ms = nm_turn_now(turn);
    memset(self->retire_from, 0, sizeof self->retire_from);
    nm_turn_wake(turn, self->tidy_at_ms);
    return rc;
}

//  -- What is due

typedef struct {
    size_t withdrawn;  //  Looks into the outbox
    bool again;        //  There was more than one turn may do
} due_t;

//  Nobody took it up in time: if it still waits with us it ends here; if not, whoever has it sees to it.
static nm_rc_t
s_expire(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note, due_t *due)
{
    nm_rc_t rc = NM_OK;
    if (note->status == NM_STATUS_PENDING) {
        if (++due->withdrawn > WITHDRAW_COUNT) {
            due->again = true;
            return nm_due_put(nm_turn_txn(turn), &nm_due_table, note->expires_at, id);
        }
        rc = nm_turn_mail_withdraw(turn, NM_ROLE_ROUTER, nm_bytes(id->at, NM_ID_SIZE), NULL);
    }
    if (rc == NM_OK)
        rc = nm_notes_end(self, turn, id, note, NM_EVENT_EXPIRED, "nobody could take it up in time");
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_handle(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, due_t *due)
{
    nm_note_t note;
    int64_t now_ms = nm_turn_now(turn);
    nm_rc_t rc = nm_notes_get(nm_turn_txn(turn), id, &note);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    if (note.status != NM_STATUS_SCHEDULED && note.status != NM_STATUS_PENDING)
        return NM_OK;
    if (NM_HAS(&note, note, expires_at) && note.expires_at <= now_ms)
        return s_expire(self, turn, id, &note, due);
    if (note.status == NM_STATUS_SCHEDULED && note.send_at <= now_ms)
        return nm_notes_release(self, turn, id, &note);
    return NM_OK;
}

static nm_rc_t
s_do_due(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    due_t due = { .again = false };
    int64_t at_ms, now_ms = nm_turn_now(turn);
    nm_id_t id;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < DUE_COUNT && !due.again; i++) {
        rc = nm_due_take(txn, &nm_due_table, now_ms, &at_ms, &id);
        if (rc == NM_OK)
            rc = s_handle(self, turn, &id, &due);
        if (rc != NM_OK)
            break;
    }
    if (rc == NM_ERR_MISSING)
        rc = NM_OK;
    if (rc == NM_OK && (rc = nm_due_next(txn, &nm_due_table, &at_ms)) == NM_OK)
        nm_turn_wake(turn, at_ms > now_ms ? at_ms : now_ms);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- What is old

static int64_t
s_retention_ms(const nm_gateway_t *self, const nm_note_t *note)
{
    const nm_tenant_t *tenant = nm_services_find(&self->services, &note->service);
    return tenant && tenant->retention_ms ? tenant->retention_ms : self->retention_ms;
}

//  Nobody's retention is shorter.
static int64_t
s_least_retention_ms(const nm_gateway_t *self)
{
    int64_t least_ms = self->retention_ms;
    for (size_t i = 0; i < self->services.tenant_count; i++) {
        int64_t own_ms = self->services.tenants[i].retention_ms;
        if (own_ms && own_ms < least_ms)
            least_ms = own_ms;
    }
    return least_ms;
}

//  A look for what has outlived its time.
typedef struct {
    nm_id_t *from;  //  Where it goes on; all zero: at the first
    bool unended;   //  There is more to look at
    bool again;     //  ... and more to delete
    size_t count;   //  Found now
    nm_id_t ids[RETIRE_COUNT + 1];
} look_t;

//  Notes stand under ids that begin with their time, so the old ones come first. But some of them have to stay, and may be
//  many, so a look goes on behind where the last one ended. What it finds is gathered and then deleted: a walk does not
//  suffer other changes.
static nm_rc_t
s_gather_old(nm_gateway_t *self, const nm_shelf_t *shelf, nm_txn_t *txn, int64_t now_ms, look_t *look)
{
    int64_t least_ms = s_least_retention_ms(self);
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_note_t note;
    nm_rc_t rc = NM_OK;
    nm_id_t *id;
    nm_cursor_open(&cursor, txn, shelf->notes, nm_bytes(NULL, 0), nm_bytes(look->from->at, NM_ID_SIZE), false);
    for (size_t i = 0; look->count < RETIRE_COUNT && i < LOOK_COUNT; i++) {
        if ((rc = nm_cursor_next(&cursor, &key, &value)) != NM_OK)
            break;
        id = &look->ids[look->count];
        memcpy(id->at, key.at, NM_ID_SIZE);
        if (now_ms - nm_id_time_ms(id) < least_ms) {
            rc = NM_ERR_MISSING;
            break;
        }
        *look->from = *id;
        if (nm_record_decode(&nm_note_shape, &note, value, NULL, "") != NM_OK) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        if (nm_status_is_final((nm_status_t) note.status) && now_ms - note.updated_at >= s_retention_ms(self, &note))
            look->count++;
    }
    nm_cursor_close(&cursor);
    look->again |= look->count == RETIRE_COUNT;
    look->unended |= rc == NM_OK;
    if (rc == NM_ERR_MISSING)
        *look->from = (nm_id_t){ { 0 } };
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_retire_of(nm_gateway_t *self, const nm_shelf_t *shelf, nm_txn_t *txn, int64_t now_ms, look_t *look)
{
    nm_note_t note;
    look->count = 0;
    nm_rc_t rc = s_gather_old(self, shelf, txn, now_ms, look);
    for (size_t i = 0; rc == NM_OK && i < look->count; i++) {
        rc = nm_shelf_get(shelf, txn, &look->ids[i], &note);
        if (rc == NM_OK)
            rc = nm_shelf_delete(self, shelf, txn, &look->ids[i], &note);
    }
    return rc;
}

static nm_rc_t
s_retire(nm_gateway_t *self, nm_turn_t *turn)
{
    static const nm_shelf_t *const SHELVES[] = { &nm_own_shelf, &nm_copy_shelf };
    int64_t now_ms = nm_turn_now(turn);
    look_t look = { .count = 0 };
    nm_rc_t rc = NM_OK;
    if (now_ms < self->retire_at_ms)
        return NM_OK;
    for (size_t i = 0; rc == NM_OK && i < NM_COUNT(SHELVES); i++) {
        look.from = &self->retire_from[i];
        rc = s_retire_of(self, SHELVES[i], nm_turn_txn(turn), now_ms, &look);
    }
    self->retire_at_ms = now_ms + (look.again ? TIDY_AGAIN_MS : look.unended ? LOOK_AGAIN_MS : TIDY_MS);
    return rc;
}

//  Writes down when keys were used last, and tells the user actor, which knows it of all gateways. It need not hear:
//  what it misses it hears with the next use.
static nm_rc_t
s_tell_uses(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_buf_t uses = { 0 };
    size_t count = 0;
    const char *owner;
    bool there = nm_turn_book(turn, NM_SERVICES_BOOK, &owner) == NM_BOOK_THERE;
    nm_rc_t rc = nm_services_save_used(&self->services, nm_turn_txn(turn), there ? &uses : NULL, &count);
    if (rc == NM_OK && count) {
        nm_buf_clear(&self->body);
        nm_writer_map(&self->body, 1);
        nm_writer_text(&self->body, "uses");
        nm_writer_list(&self->body, count);
        nm_buf_add_bytes(&self->body, nm_buf_bytes(&uses));
        nm_turn_ask(turn, NM_ROLE_USER, owner, "keys.used", nm_buf_bytes(&self->body), 1000, 0);
    }
    nm_buf_free(&uses);
    return rc;
}

static nm_rc_t
s_tidy(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    int64_t now_ms = nm_turn_now(turn);
    bool again = false;
    if (now_ms < self->tidy_at_ms)
        return NM_OK;
    nm_duties_look(self);
    nm_auth_forget(&self->auth);  //  So that the use of a key is noted once a minute
    nm_rc_t rc = nm_journal_sweep(txn, now_ms - self->event_keep_ms, SWEEP_COUNT, &again);
    if (rc == NM_OK)
        rc = s_tell_uses(self, turn);
    if (rc == NM_OK)
        rc = nm_lockout_tidy(&self->lockout, txn, now_ms);
    if (rc == NM_OK)
        rc = nm_places_fill(self, txn, &again);
    self->tidy_at_ms = now_ms + (again ? TIDY_AGAIN_MS : TIDY_MS);
    return rc;
}

nm_rc_t
nm_duties_due(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_rc_t rc = s_do_due(self, turn);
    if (rc == NM_OK)
        rc = nm_cancels_due(self, turn);
    if (rc == NM_OK)
        rc = nm_forwards_due(self, turn);
    if (rc == NM_OK)
        rc = nm_errands_due(self, turn);
    if (rc == NM_OK)
        rc = nm_copies_due(self, turn);
    if (rc == NM_OK)
        rc = nm_recovery_due(self, turn);
    if (rc == NM_OK)
        rc = nm_passing_due(self, turn);
    if (rc == NM_OK)
        rc = s_tidy(self, turn);
    if (rc == NM_OK)
        rc = s_retire(self, turn);
    if (rc == NM_OK)
        rc = s_save_counts(self, txn);
    if (rc == NM_OK)
        rc = nm_lockout_save(&self->lockout, txn);
    if (rc == NM_OK)
        rc = nm_quota_flush(self, txn);
    if (rc == NM_OK)
        rc = nm_journal_flush(&self->journal, txn, nm_turn_now(turn));
    nm_feeds_due(self, turn);
    if (rc == NM_OK)
        rc = nm_polls_due(self, turn);
    if (rc == NM_OK)
        rc = s_find_oldest(self, txn);
    self->kept_count = nm_turn_draining(turn) ? nm_table_count(txn, &nm_copy_contents_table) : 0;
    nm_journal_end_turn(&self->journal);
    nm_turn_wake(turn, self->tidy_at_ms);
    nm_turn_wake(turn, self->retire_at_ms);
    return rc;
}
