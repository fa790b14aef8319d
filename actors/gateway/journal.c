#include "actors/gateway/journal.h"

#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"

NM_RECORD_DEFINE(entry, NM_ENTRY_FIELDS, NULL, 0);

enum { CHUNK_SIZE = 32 * 1024, INDEX_BITS = 16, INDEX_MAX = 0xffff };
static const int64_t MARK_MS = 1000;

//  Of a chunk by number, of a mark by time.
static nm_key_t
s_key(uint64_t number)
{
    nm_key_t key = { .size = 0 };
    nm_key_u64(&key, number);
    return key;
}

//  The highest number of a table's keys; 0: it is empty.
static nm_rc_t
s_last(nm_txn_t *txn, const nm_table_t *table, uint64_t *number)
{
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_cursor_open(&cursor, txn, table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), true);
    nm_rc_t rc = nm_cursor_next(&cursor, &key, NULL);
    *number = rc == NM_OK ? nm_get_u64(key.at) : 0;
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_journal_load(nm_journal_t *self, nm_txn_t *txn)
{
    uint64_t marked_ms;
    nm_rc_t rc = s_last(txn, &nm_journal_table, &self->last_chunk);
    if (rc == NM_OK)
        rc = s_last(txn, &nm_journal_marks_table, &marked_ms);
    if (rc != NM_OK)
        return rc;
    self->marked_ms = (int64_t) marked_ms;
    self->open = false;
    self->count = 0;
    nm_buf_clear(&self->entries);
    nm_journal_end_turn(self);
    return NM_OK;
}

void
nm_journal_free(nm_journal_t *self)
{
    nm_buf_free(&self->entries);
}

uint64_t
nm_journal_chunk(nm_journal_t *self, nm_txn_t *txn)
{
    if (!self->open) {
        self->last_chunk = nm_txn_next(txn, NM_COUNTER_ROLE_1);
        self->open = true;
        self->count = 0;
        if (!self->first_chunk)
            self->first_chunk = self->last_chunk;
        nm_buf_clear(&self->entries);
    }
    return self->last_chunk;
}

void
nm_journal_tell(nm_journal_t *self, const nm_id_t *service)
{
    if (self->service_count > NM_JOURNAL_SERVICE_COUNT)
        return;
    for (size_t i = self->service_count; i-- > 0;)
        if (nm_id_equal(&self->services[i], service))
            return;
    if (self->service_count < NM_JOURNAL_SERVICE_COUNT)
        self->services[self->service_count] = *service;
    self->service_count++;
}

static nm_rc_t
s_write(nm_journal_t *self, nm_txn_t *txn)
{
    if (!self->open)
        return NM_OK;
    self->open = false;
    if (!self->count)
        return NM_OK;  //  A note was told where its events will begin, and had none in this turn
    nm_key_t key = s_key(self->last_chunk);
    return nm_table_put(txn, &nm_journal_table, nm_key_view(&key), nm_buf_bytes(&self->entries));
}

nm_rc_t
nm_journal_add(nm_journal_t *self, nm_txn_t *txn, const nm_entry_t *entry)
{
    nm_journal_chunk(self, txn);
    nm_record_encode(&nm_entry_shape, entry, NM_BY_TAG, &self->entries);
    self->count++;
    nm_journal_tell(self, &entry->service);
    return self->entries.size >= CHUNK_SIZE || self->count == INDEX_MAX - 1 ? s_write(self, txn) : NM_OK;
}

//  The turn's first chunk is the first that was written since the last mark's second.
static nm_rc_t
s_mark(nm_journal_t *self, nm_txn_t *txn, int64_t now_ms)
{
    uint8_t chunk[8];
    //  A mark from before the clock was set back says nothing of now.
    if (!self->first_chunk || (now_ms >= self->marked_ms && now_ms - self->marked_ms < MARK_MS))
        return NM_OK;
    self->marked_ms = now_ms;
    nm_put_u64(chunk, self->first_chunk);
    nm_key_t key = s_key((uint64_t) now_ms);
    return nm_table_put(txn, &nm_journal_marks_table, nm_key_view(&key), nm_bytes(chunk, sizeof chunk));
}

nm_rc_t
nm_journal_flush(nm_journal_t *self, nm_txn_t *txn, int64_t now_ms)
{
    nm_rc_t rc = s_write(self, txn);
    return rc == NM_OK ? s_mark(self, txn, now_ms) : rc;
}

void
nm_journal_end_turn(nm_journal_t *self)
{
    self->service_count = 0;
    self->first_chunk = 0;
    self->turn_from = nm_journal_end(self);
}

bool
nm_journal_has_news(const nm_journal_t *self, const nm_id_t *service)
{
    if (!service || self->service_count > NM_JOURNAL_SERVICE_COUNT)
        return self->service_count > 0;
    for (size_t i = 0; i < self->service_count; i++)
        if (nm_id_equal(&self->services[i], service))
            return true;
    return false;
}

uint64_t
nm_journal_at(uint64_t chunk)
{
    return chunk << INDEX_BITS;
}

uint64_t
nm_journal_end(const nm_journal_t *self)
{
    return self->last_chunk << INDEX_BITS | (self->open ? self->count : INDEX_MAX);
}

uint64_t
nm_journal_settled(const nm_journal_t *self)
{
    return self->open ? self->turn_from : nm_journal_end(self);
}

//  The mark at or before the time, if that is within its second, else the one after it: in between nothing was
//  written.
nm_rc_t
nm_journal_since(const nm_journal_t *self, nm_txn_t *txn, int64_t since_ms, uint64_t *position)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_key_t from = s_key((uint64_t) (since_ms >= MARK_MS ? since_ms - MARK_MS + 1 : 0));
    *position = since_ms > 0 ? nm_journal_settled(self) : 0;
    if (since_ms <= 0)
        return NM_OK;
    nm_cursor_open(&cursor, txn, &nm_journal_marks_table, nm_bytes(NULL, 0), nm_key_view(&from), false);
    nm_rc_t rc = nm_cursor_next(&cursor, &key, &value);
    if (rc == NM_OK && value.size != 8)
        rc = NM_ERR_CORRUPT;
    if (rc == NM_OK)
        *position = nm_journal_at(nm_get_u64(value.at));
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- Walking

void
nm_journal_walk(nm_journal_walk_t *self, nm_txn_t *txn, uint64_t from)
{
    *self = (nm_journal_walk_t){ .from = from };
    nm_key_t key = s_key(from >> INDEX_BITS);
    nm_cursor_open(&self->cursor, txn, &nm_journal_table, nm_bytes(NULL, 0), nm_key_view(&key), false);
}

static nm_rc_t
s_open_chunk(nm_journal_walk_t *self)
{
    nm_bytes_t key, value;
    nm_rc_t rc = nm_cursor_next(&self->cursor, &key, &value);
    if (rc != NM_OK)
        return rc;
    if (key.size != sizeof self->chunk)
        return NM_ERR_CORRUPT;
    self->chunk = nm_get_u64(key.at);
    self->index = 0;
    self->chunk_count++;
    self->in_chunk = true;
    nm_reader_open(&self->reader, value);
    return NM_OK;
}

nm_rc_t
nm_journal_next(nm_journal_walk_t *self, nm_entry_t *entry, uint64_t *position)
{
    for (;;) {
        if (!self->in_chunk || nm_reader_done(&self->reader)) {
            nm_rc_t rc = s_open_chunk(self);
            if (rc != NM_OK)
                return rc;
            continue;
        }
        if (nm_reader_raw(&self->reader, &self->raw) != NM_OK)
            return NM_ERR_CORRUPT;
        uint64_t at = self->chunk << INDEX_BITS | self->index++;
        if (at < self->from)
            continue;
        *position = at + 1;
        return nm_record_decode(&nm_entry_shape, entry, self->raw, NULL, "") == NM_OK ? NM_OK : NM_ERR_CORRUPT;
    }
}

void
nm_journal_close(nm_journal_walk_t *self)
{
    nm_cursor_close(&self->cursor);
}

//  -- Forgetting. When a chunk was written is told by the marks: its entries say when things happened, elsewhere.

static nm_rc_t
s_find_mark(nm_txn_t *txn, const nm_key_t *from, uint64_t *at_ms, uint64_t *chunk)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_cursor_open(&cursor, txn, &nm_journal_marks_table, nm_bytes(NULL, 0), nm_key_view(from), true);
    nm_rc_t rc = nm_cursor_next(&cursor, &key, &value);
    nm_cursor_close(&cursor);
    if (rc == NM_OK && (key.size != 8 || value.size != 8))
        return NM_ERR_CORRUPT;
    if (rc == NM_OK) {
        *at_ms = nm_get_u64(key.at);
        *chunk = nm_get_u64(value.at);
    }
    return rc;
}

//  Chunks below this one were written before the time; mark_ms is the mark that says so. NM_ERR_MISSING: there are none.
static nm_rc_t
s_find_end(nm_txn_t *txn, int64_t before_ms, uint64_t *end, uint64_t *mark_ms)
{
    uint64_t last_ms, last_chunk;
    nm_key_t from = s_key((uint64_t) before_ms), edge = { .size = 0 };
    if (before_ms <= 0)
        return NM_ERR_MISSING;
    nm_rc_t rc = s_find_mark(txn, &from, mark_ms, end);
    if (rc == NM_OK)
        rc = s_find_mark(txn, &edge, &last_ms, &last_chunk);
    //  What was written a second after the last mark or later would have one of its own.
    if (rc == NM_OK && last_ms == *mark_ms && last_ms + (uint64_t) MARK_MS <= (uint64_t) before_ms) {
        *end = UINT64_MAX;
        ++*mark_ms;
    }
    return rc;
}

//  Deletes what stands under numbers below the end, from the first on.
static nm_rc_t
s_sweep(nm_txn_t *txn, const nm_table_t *table, uint64_t end, size_t *left)
{
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_rc_t rc = NM_OK;
    nm_cursor_open(&cursor, txn, table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    for (; rc == NM_OK && *left && (rc = nm_cursor_next(&cursor, &key, NULL)) == NM_OK; --*left) {
        if (nm_get_u64(key.at) >= end)
            break;
        rc = nm_cursor_delete(&cursor);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_journal_sweep(nm_txn_t *txn, int64_t before_ms, size_t limit, bool *again)
{
    uint64_t end, mark_ms;
    nm_rc_t rc = s_find_end(txn, before_ms, &end, &mark_ms);
    if (rc == NM_OK)
        rc = s_sweep(txn, &nm_journal_table, end, &limit);
    if (rc == NM_OK && limit)
        rc = s_sweep(txn, &nm_journal_marks_table, mark_ms, &limit);
    *again |= !limit;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}
