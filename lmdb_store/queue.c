#include "lmdb_store/queue.h"

#include <assert.h>

#include "lmdb_store/key.h"
#include "lmdb_store/store_private.h"

enum {
    S_PLACE_SIZE = 16,  //  Rank and number
    S_TIME_SIZE = 8,
    S_EXPIRY_HEAD = S_TIME_SIZE + 1,  //  Time, table
};

//  -- Queues. Key: lane (a length and its bytes), rank, number.

static nm_key_t
s_lane_key(nm_bytes_t lane)
{
    nm_key_t key = { .size = 0 };
    nm_key_text(&key, lane);
    return key;
}

static nm_key_t
s_place_key(nm_bytes_t lane, nm_place_t place)
{
    nm_key_t key = s_lane_key(lane);
    nm_key_u64(&key, place.rank);
    nm_key_u64(&key, place.number);
    return key;
}

nm_rc_t
nm_queue_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, uint64_t rank, nm_bytes_t value,
             nm_place_t *place)
{
    nm_place_t at = { .rank = rank, .number = nm_txn_next(txn, NM_COUNTER_MAIL) };
    nm_key_t key = s_place_key(lane, at);
    nm_rc_t rc = nm_table_put(txn, table, nm_key_view(&key), value);
    if (rc == NM_OK && place)
        *place = at;
    return rc;
}

void
nm_queue_open(nm_cursor_t *cursor, nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane)
{
    nm_key_t prefix = s_lane_key(lane);
    nm_cursor_open(cursor, txn, table, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
}

nm_rc_t
nm_queue_next(nm_cursor_t *cursor, nm_place_t *place, nm_bytes_t *value)
{
    nm_bytes_t key;
    nm_rc_t rc = nm_cursor_next(cursor, &key, value);
    if (rc != NM_OK)
        return rc;
    if (key.size < S_PLACE_SIZE)
        return nm_txn_spoil(cursor->txn, NM_ERR_CORRUPT);
    const uint8_t *tail = key.at + key.size - S_PLACE_SIZE;
    *place = (nm_place_t){ nm_get_u64(tail), nm_get_u64(tail + 8) };
    return NM_OK;
}

nm_rc_t
nm_queue_first(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, nm_place_t *place, nm_bytes_t *value)
{
    nm_cursor_t cursor;
    nm_queue_open(&cursor, txn, table, lane);
    nm_rc_t rc = nm_queue_next(&cursor, place, value);
    nm_cursor_close(&cursor);
    return rc;
}

nm_rc_t
nm_queue_get(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, nm_place_t place, nm_bytes_t *value)
{
    nm_key_t key = s_place_key(lane, place);
    return nm_table_get(txn, table, nm_key_view(&key), value);
}

nm_rc_t
nm_queue_delete(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, nm_place_t place)
{
    nm_key_t key = s_place_key(lane, place);
    return nm_table_delete(txn, table, nm_key_view(&key));
}

//  -- Due times. Key: time, id. The value is empty, but for its checksum.

//  With the sign turned over, bytes order as signed numbers do.
static uint64_t
s_ordered(int64_t at_ms)
{
    return (uint64_t) at_ms ^ (uint64_t) 1 << 63;
}

static int64_t
s_time(const uint8_t *at)
{
    return (int64_t) (nm_get_u64(at) ^ (uint64_t) 1 << 63);
}

static nm_key_t
s_due_key(int64_t at_ms, const nm_id_t *id)
{
    nm_key_t key = { .size = 0 };
    nm_key_u64(&key, s_ordered(at_ms));
    nm_key_id(&key, id);
    return key;
}

nm_rc_t
nm_due_put(nm_txn_t *txn, const nm_table_t *table, int64_t at_ms, const nm_id_t *id)
{
    nm_key_t key = s_due_key(at_ms, id);
    return nm_table_put(txn, table, nm_key_view(&key), nm_bytes(NULL, 0));
}

nm_rc_t
nm_due_delete(nm_txn_t *txn, const nm_table_t *table, int64_t at_ms, const nm_id_t *id)
{
    nm_key_t key = s_due_key(at_ms, id);
    return nm_table_delete(txn, table, nm_key_view(&key));
}

static nm_rc_t
s_first_due(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t *key)
{
    nm_cursor_t cursor;
    nm_bytes_t value;
    nm_cursor_open(&cursor, txn, table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    nm_rc_t rc = nm_cursor_next(&cursor, key, &value);
    nm_cursor_close(&cursor);
    return rc == NM_OK && key->size != S_TIME_SIZE + NM_ID_SIZE ? nm_txn_spoil(txn, NM_ERR_CORRUPT) : rc;
}

nm_rc_t
nm_due_take(nm_txn_t *txn, const nm_table_t *table, int64_t now_ms, int64_t *at_ms, nm_id_t *id)
{
    nm_bytes_t key;
    nm_rc_t rc = s_first_due(txn, table, &key);
    if (rc != NM_OK)
        return rc;
    if (s_time(key.at) > now_ms)
        return NM_ERR_MISSING;
    rc = nm_table_delete(txn, table, key);
    if (rc != NM_OK)
        return rc;
    *at_ms = s_time(key.at);
    memcpy(id->at, key.at + S_TIME_SIZE, NM_ID_SIZE);
    return NM_OK;
}

nm_rc_t
nm_due_next(nm_txn_t *txn, const nm_table_t *table, int64_t *at_ms)
{
    nm_bytes_t key;
    nm_rc_t rc = s_first_due(txn, table, &key);
    if (rc == NM_OK)
        *at_ms = s_time(key.at);
    return rc;
}

//  -- Expiry. Key: time, table number, the key that expires.

nm_rc_t
nm_expiry_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, int64_t at_ms)
{
    assert(table->number != NM_TABLE_META && table->number != NM_TABLE_EXPIRY);
    nm_key_t entry = { .size = 0 };
    nm_key_u64(&entry, s_ordered(at_ms));
    nm_key_u8(&entry, table->number);
    nm_key_bytes(&entry, key);
    return nm_table_put(txn, &nm_expiry_table, nm_key_view(&entry), nm_bytes(NULL, 0));
}

//  Deletes what the entry names. An entry of a table that nobody named at this open
//  is left for a program that knows it, and *mine says so.
static nm_rc_t
s_expire(nm_txn_t *txn, nm_bytes_t entry, bool *mine)
{
    uint8_t number = entry.at[S_TIME_SIZE];
    const nm_table_t *table = number < NM_STORE_TABLE_MAX ? txn->store->tables[number] : NULL;
    *mine = table != NULL;
    if (!table)
        return NM_OK;
    nm_rc_t rc = nm_table_delete(txn, table, nm_bytes(entry.at + S_EXPIRY_HEAD, entry.size - S_EXPIRY_HEAD));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_expiry_sweep(nm_txn_t *txn, int64_t now_ms, size_t limit, size_t *gone)
{
    nm_cursor_t cursor;
    nm_bytes_t entry, value;
    size_t count = 0;
    bool mine = false;
    nm_rc_t rc = NM_OK;
    nm_cursor_open(&cursor, txn, &nm_expiry_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while (count < limit && (rc = nm_cursor_next(&cursor, &entry, &value)) == NM_OK) {
        if (entry.size <= S_EXPIRY_HEAD)
            rc = nm_txn_spoil(txn, NM_ERR_CORRUPT);
        else if (s_time(entry.at) > now_ms)
            break;
        else
            rc = s_expire(txn, entry, &mine);
        if (rc == NM_OK && mine) {
            rc = nm_cursor_delete(&cursor);
            count++;
        }
        if (rc != NM_OK)
            break;
    }
    nm_cursor_close(&cursor);
    if (rc != NM_OK && rc != NM_ERR_MISSING)
        return rc;
    *gone = count;
    return NM_OK;
}
