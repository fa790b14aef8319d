#include "actors/router/unreached.h"

#include "lmdb_store/key.h"

enum { KEY_SIZE = NM_ID_SIZE + 8, END_SIZE = 8 + KEY_SIZE };

const nm_table_t nm_unreached_table = { NM_TABLE_ROLE, false, "unreached" };
const nm_table_t nm_unreached_work_table = { NM_TABLE_ROLE + 1, true, "unreached_work" };
const nm_table_t nm_unreached_ends_table = { NM_TABLE_ROLE + 2, false, "unreached_ends" };

NM_RECORD_DEFINE(unreached, NM_UNREACHED_FIELDS, NULL, 0);

//  -- Keys

static void
s_add_key(nm_key_t *self, const nm_unreached_key_t *key)
{
    nm_key_id(self, &key->notification);
    nm_key_u64(self, key->number);
}

static nm_key_t
s_key(const nm_unreached_key_t *key)
{
    nm_key_t self = { .size = 0 };
    s_add_key(&self, key);
    return self;
}

static nm_key_t
s_end(int64_t at_ms, const nm_unreached_key_t *key)
{
    nm_key_t self = { .size = 0 };
    nm_key_u64(&self, (uint64_t) at_ms);
    s_add_key(&self, key);
    return self;
}

static void
s_read_key(const uint8_t *at, nm_unreached_key_t *key)
{
    memcpy(key->notification.at, at, NM_ID_SIZE);
    key->number = nm_get_u64(at + NM_ID_SIZE);
}

static nm_rc_t
s_read_row(nm_bytes_t value, nm_unreached_t *row)
{
    return nm_record_decode(&nm_unreached_shape, row, value, NULL, "") == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

//  -- Adding and taking

nm_rc_t
nm_unreached_add(nm_txn_t *txn, const nm_id_t *notification, const nm_unreached_t *row, nm_bytes_t work)
{
    nm_unreached_key_t key = { *notification, nm_txn_next(txn, NM_COUNTER_ROLE_1) };
    nm_key_t place = s_key(&key), end = s_end(row->expires_at, &key);
    nm_buf_t packed = { 0 };
    nm_record_encode(&nm_unreached_shape, row, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_table_add(txn, &nm_unreached_table, nm_key_view(&place), nm_buf_bytes(&packed));
    nm_buf_free(&packed);
    if (rc == NM_OK)
        rc = nm_table_add(txn, &nm_unreached_work_table, nm_key_view(&place), work);
    if (rc == NM_OK && NM_HAS(row, unreached, expires_at))
        rc = nm_table_add(txn, &nm_unreached_ends_table, nm_key_view(&end), nm_bytes(NULL, 0));
    return rc;
}

nm_rc_t
nm_unreached_take(nm_txn_t *txn, const nm_unreached_key_t *key, nm_bytes_t *work)
{
    nm_key_t place = s_key(key);
    nm_unreached_t row;
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_unreached_table, nm_key_view(&place), &value);
    if (rc == NM_OK)
        rc = s_read_row(value, &row);
    if (rc != NM_OK)
        return rc;
    nm_key_t end = s_end(row.expires_at, key);
    if (NM_HAS(&row, unreached, expires_at))
        rc = nm_table_delete(txn, &nm_unreached_ends_table, nm_key_view(&end));
    if (rc == NM_OK && work)
        rc = nm_table_get(txn, &nm_unreached_work_table, nm_key_view(&place), work);
    if (rc == NM_OK)
        rc = nm_table_delete(txn, &nm_unreached_work_table, nm_key_view(&place));
    if (rc == NM_OK)
        rc = nm_table_delete(txn, &nm_unreached_table, nm_key_view(&place));
    return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;  //  The row was there, so all of it was
}

//  -- Walking

void
nm_unreached_open(nm_cursor_t *cursor, nm_txn_t *txn, const nm_unreached_key_t *after)
{
    nm_key_t from = { .size = 0 };
    if (after)
        from = s_key(&(nm_unreached_key_t){ after->notification, after->number + 1 });
    nm_cursor_open(cursor, txn, &nm_unreached_table, nm_bytes(NULL, 0), nm_key_view(&from), false);
}

void
nm_unreached_open_of(nm_cursor_t *cursor, nm_txn_t *txn, const nm_id_t *notification)
{
    nm_cursor_open(cursor, txn, &nm_unreached_table, nm_bytes(notification->at, NM_ID_SIZE), nm_bytes(NULL, 0), false);
}

nm_rc_t
nm_unreached_next(nm_cursor_t *cursor, nm_unreached_key_t *key, nm_unreached_t *row)
{
    nm_bytes_t place, value;
    nm_rc_t rc = nm_cursor_next(cursor, &place, &value);
    if (rc != NM_OK)
        return rc;
    if (place.size != KEY_SIZE)
        return NM_ERR_CORRUPT;
    s_read_key(place.at, key);
    return s_read_row(value, row);
}

nm_rc_t
nm_unreached_first_end(nm_txn_t *txn, nm_unreached_key_t *key, int64_t *at_ms)
{
    nm_cursor_t cursor;
    nm_bytes_t place;
    nm_cursor_open(&cursor, txn, &nm_unreached_ends_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    nm_rc_t rc = nm_cursor_next(&cursor, &place, NULL);
    if (rc == NM_OK && place.size != END_SIZE)
        rc = NM_ERR_CORRUPT;
    if (rc == NM_OK) {
        *at_ms = (int64_t) nm_get_u64(place.at);
        s_read_key(place.at + 8, key);
    }
    nm_cursor_close(&cursor);
    return rc;
}
