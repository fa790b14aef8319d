#include "lmdb_store/store_private.h"

#include <assert.h>

//  Sets the position to the first key >= to. MDB_NOTFOUND if there is none.
static int
s_seek(nm_cursor_t *self, nm_bytes_t to, MDB_val *key, MDB_val *stored)
{
    *key = (MDB_val){ to.size, (void *) to.at };
    return mdb_cursor_get(self->open->mdb, key, stored, to.size ? MDB_SET_RANGE : MDB_FIRST);
}

static int
s_compare(nm_bytes_t a, nm_bytes_t b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.at, b.at, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int
s_first_forward(nm_cursor_t *self, MDB_val *key, MDB_val *stored)
{
    nm_bytes_t prefix = nm_bytes(self->prefix, self->prefix_size);
    nm_bytes_t from = nm_bytes(self->from, self->from_size);
    return s_seek(self, s_compare(from, prefix) > 0 ? from : prefix, key, stored);
}

//  The smallest key behind all that start with prefix; of no size if there is none.
static nm_bytes_t
s_behind(const nm_cursor_t *self, uint8_t behind[NM_STORE_KEY_MAX])
{
    size_t size = self->prefix_size;
    memcpy(behind, self->prefix, size);
    while (size && behind[size - 1] == UINT8_MAX)
        size--;
    if (size)
        behind[size - 1]++;
    return nm_bytes(behind, size);
}

static int
s_first_reverse(nm_cursor_t *self, MDB_val *key, MDB_val *stored)
{
    uint8_t buffer[NM_STORE_KEY_MAX];
    nm_bytes_t behind = s_behind(self, buffer);
    nm_bytes_t from = nm_bytes(self->from, self->from_size);
    bool bounded = from.size && (!behind.size || s_compare(from, behind) < 0);
    nm_bytes_t to = bounded ? from : behind;

    int err = to.size ? s_seek(self, to, key, stored) : MDB_NOTFOUND;
    if (err == MDB_NOTFOUND)
        return mdb_cursor_get(self->open->mdb, key, stored, MDB_LAST);
    if (err || (bounded && nm_bytes_equal(nm_bytes(key->mv_data, key->mv_size), from)))
        return err;
    return mdb_cursor_get(self->open->mdb, key, stored, MDB_PREV);
}

static int
s_step(nm_cursor_t *self, MDB_val *key, MDB_val *stored)
{
    if (self->started)
        return mdb_cursor_get(self->open->mdb, key, stored, self->reverse ? MDB_PREV : MDB_NEXT);
    self->started = true;
    return self->reverse ? s_first_reverse(self, key, stored) : s_first_forward(self, key, stored);
}

void
nm_cursor_open(nm_cursor_t *self, nm_txn_t *txn, const nm_table_t *table, nm_bytes_t prefix, nm_bytes_t from,
               bool reverse)
{
    assert(prefix.size <= NM_STORE_KEY_MAX && from.size <= NM_STORE_KEY_MAX);
    self->txn = txn;
    self->table = table;
    self->prefix_size = (uint16_t) prefix.size;
    self->from_size = (uint16_t) from.size;
    self->reverse = reverse;
    self->started = self->on_entry = false;
    if (prefix.size)
        memcpy(self->prefix, prefix.at, prefix.size);
    if (from.size)
        memcpy(self->from, from.at, from.size);

    self->open = nm_txn_alloc(txn, sizeof *self->open);
    *self->open = (nm_open_cursor_t){ .next = txn->cursors };
    txn->cursors = self->open;
    nm_rc_t rc = nm_store_rc(txn->store, mdb_cursor_open(txn->mdb, nm_txn_dbi(txn, table), &self->open->mdb));
    if (rc != NM_OK)
        nm_txn_spoil(txn, rc);
}

//  Copies the key: what LMDB points to moves with the next change.
static nm_bytes_t
s_keep(nm_txn_t *txn, nm_bytes_t bytes)
{
    uint8_t *at = nm_txn_alloc(txn, bytes.size);
    memcpy(at, bytes.at, bytes.size);
    return nm_bytes(at, bytes.size);
}

nm_rc_t
nm_cursor_next(nm_cursor_t *self, nm_bytes_t *key, nm_bytes_t *value)
{
    self->on_entry = false;
    if (!self->open || !self->open->mdb)
        return self->txn->failed != NM_OK ? self->txn->failed : NM_ERR_BUG;

    MDB_val mdb_key, stored;
    nm_rc_t rc = nm_store_rc(self->txn->store, s_step(self, &mdb_key, &stored));
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? rc : nm_txn_spoil(self->txn, rc);
    if (mdb_key.mv_size == 0 || mdb_key.mv_size > NM_STORE_KEY_MAX)
        return nm_txn_spoil(self->txn, NM_ERR_CORRUPT);
    if (mdb_key.mv_size < self->prefix_size || memcmp(mdb_key.mv_data, self->prefix, self->prefix_size) != 0)
        return NM_ERR_MISSING;

    nm_bytes_t found = nm_bytes(mdb_key.mv_data, mdb_key.mv_size);
    if (value)
        rc = nm_txn_vouch(self->txn, self->table, found, stored, value);
    if (rc == NM_OK && key)
        *key = s_keep(self->txn, found);
    self->on_entry = rc == NM_OK;
    return rc;
}

//  The walk goes on by looking for the deleted key again: LMDB's own idea of where a
//  cursor stands after a delete differs between its versions.
nm_rc_t
nm_cursor_delete(nm_cursor_t *self)
{
    assert(self->txn->writes && self->on_entry);
    MDB_val key, stored;
    uint64_t mark;
    int err = mdb_cursor_get(self->open->mdb, &key, &stored, MDB_GET_CURRENT);
    if (!err &&
        nm_tally_mark(nm_bytes(key.mv_data, key.mv_size), nm_bytes(stored.mv_data, stored.mv_size), &mark) != NM_OK)
        err = MDB_CORRUPTED;
    if (!err) {
        nm_tally_went(self->txn, self->table->number, nm_bytes(key.mv_data, key.mv_size), mark);
        memcpy(self->from, key.mv_data, key.mv_size);
        self->from_size = (uint16_t) key.mv_size;
        self->started = self->on_entry = false;
        err = mdb_cursor_del(self->open->mdb, 0);
    }
    if (!err)
        nm_redo_delete(self->txn->store, self->table->number, (MDB_val){ self->from_size, self->from });
    if (err)
        return nm_txn_spoil(self->txn, nm_store_rc(self->txn->store, err));
    self->txn->changed = true;
    return NM_OK;
}

void
nm_cursor_close(nm_cursor_t *self)
{
    if (!self->open || !self->open->mdb)
        return;
    mdb_cursor_close(self->open->mdb);
    self->open->mdb = NULL;
    self->open = NULL;
}
