#include "actors/gateway/places.h"

#include "actors/gateway/state.h"
#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"

//  All notes below this id have their place; absent in stores of before, empty once it is all notes.
static const char FACT_BY_USER[] = "by_user";

enum { FILL_COUNT = 2000 };  //  Notes looked at in a turn

static nm_key_t
s_place(const nm_id_t *service, const nm_id_t *user, const nm_id_t *id)
{
    nm_key_t place = { .size = 0 };
    nm_key_id(&place, service);
    if (user)
        nm_key_id(&place, user);
    if (id)
        nm_key_id(&place, id);
    return place;
}

static nm_rc_t
s_put_by_user(nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note)
{
    if (!NM_HAS(note, note, user_id))
        return NM_OK;
    nm_key_t place = s_place(&note->service, &note->user_id, id);
    return nm_table_put(txn, &nm_by_user_table, nm_key_view(&place), nm_bytes(NULL, 0));
}

nm_rc_t
nm_places_put(nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note)
{
    nm_key_t place = s_place(&note->service, NULL, id);
    nm_rc_t rc = nm_table_put(txn, &nm_by_service_table, nm_key_view(&place), nm_bytes(NULL, 0));
    return rc == NM_OK ? s_put_by_user(txn, id, note) : rc;
}

nm_rc_t
nm_places_delete(nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note)
{
    nm_key_t place = s_place(&note->service, NULL, id);
    nm_rc_t rc = nm_table_delete(txn, &nm_by_service_table, nm_key_view(&place));
    if ((rc == NM_OK || rc == NM_ERR_MISSING) && NM_HAS(note, note, user_id)) {
        place = s_place(&note->service, &note->user_id, id);
        rc = nm_table_delete(txn, &nm_by_user_table, nm_key_view(&place));
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

void
nm_places_walk(nm_cursor_t *cursor, nm_txn_t *txn, const nm_id_t *service, const nm_id_t *user, const nm_id_t *before)
{
    nm_key_t prefix = s_place(service, user, NULL), from = s_place(service, user, before);
    nm_cursor_open(cursor, txn, user ? &nm_by_user_table : &nm_by_service_table, nm_key_view(&prefix),
                   nm_key_view(&from), true);
}

//  -- Stores of before

nm_rc_t
nm_places_load(nm_gateway_t *self, nm_txn_t *txn)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_facts_table, nm_text(FACT_BY_USER), &value);
    self->lists_by_user = rc == NM_OK && value.size == 0;
    if (rc == NM_ERR_MISSING && nm_table_count(txn, &nm_notes_table) == 0) {
        self->lists_by_user = true;
        return nm_table_put(txn, &nm_facts_table, nm_text(FACT_BY_USER), nm_bytes(NULL, 0));
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  Puts the places of the next notes from `from` on; it moves past what was looked at. NM_ERR_MISSING: that was all.
static nm_rc_t
s_fill(nm_txn_t *txn, nm_id_t *from)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_note_t note;
    nm_rc_t rc = NM_OK;
    nm_cursor_open(&cursor, txn, &nm_notes_table, nm_bytes(NULL, 0), nm_bytes(from->at, NM_ID_SIZE), false);
    for (size_t i = 0; rc == NM_OK && i < FILL_COUNT && (rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK; i++) {
        if (key.size != NM_ID_SIZE || nm_record_decode(&nm_note_shape, &note, value, NULL, "") != NM_OK) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        memcpy(from->at, key.at, NM_ID_SIZE);
        rc = s_put_by_user(txn, from, &note);
    }
    nm_cursor_close(&cursor);
    return rc;
}

nm_rc_t
nm_places_fill(nm_gateway_t *self, nm_txn_t *txn, bool *again)
{
    nm_bytes_t value;
    nm_id_t from = { { 0 } };
    if (self->lists_by_user)
        return NM_OK;
    nm_rc_t rc = nm_table_get(txn, &nm_facts_table, nm_text(FACT_BY_USER), &value);
    if (rc == NM_OK && value.size == NM_ID_SIZE)
        memcpy(from.at, value.at, NM_ID_SIZE);
    if (rc == NM_OK || rc == NM_ERR_MISSING)
        rc = s_fill(txn, &from);
    if (rc != NM_OK && rc != NM_ERR_MISSING)
        return rc;
    self->lists_by_user = rc == NM_ERR_MISSING;
    *again |= !self->lists_by_user;
    return nm_table_put(txn, &nm_facts_table, nm_text(FACT_BY_USER),
                        self->lists_by_user ? nm_bytes(NULL, 0) : nm_bytes(from.at, NM_ID_SIZE));
}
