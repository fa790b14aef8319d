#include "lmdb_store/store_private.h"

#include <assert.h>
#include <sodium.h>

MDB_dbi
nm_txn_dbi(const nm_txn_t *txn, const nm_table_t *table)
{
    assert(table->number < NM_STORE_TABLE_MAX && txn->store->dbis[table->number] &&
           "a table that was not named at open");
    return txn->store->dbis[table->number];
}

static MDB_val
s_val(nm_bytes_t bytes)
{
    assert(bytes.size > 0 && bytes.size <= NM_STORE_KEY_MAX);
    return (MDB_val){ bytes.size, (void *) bytes.at };
}

//  What LMDB says, with what spoils the transaction noted.
static nm_rc_t
s_rc(nm_txn_t *txn, int err)
{
    nm_rc_t rc = nm_store_rc(txn->store, err);
    return rc == NM_OK || rc == NM_ERR_MISSING || rc == NM_ERR_DUPLICATE ? rc : nm_txn_spoil(txn, rc);
}

static nm_rc_t
s_refuse(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key)
{
    char hex[2 * NM_STORE_KEY_MAX + 1];
    sodium_bin2hex(hex, sizeof hex, key.at, key.size);
    nm_store_log_critical("value_corrupt", txn->store->folder.path,
                          "table %s, key %s: the value is not what was written", table->name, hex);
    return nm_txn_spoil(txn, NM_ERR_CORRUPT);
}

nm_rc_t
nm_txn_vouch(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, MDB_val stored, nm_bytes_t *value)
{
    nm_bytes_t bytes = nm_bytes(stored.mv_data, stored.mv_size);
    size_t size;
    if (nm_seal_value_size(table, bytes, &size) != NM_OK)
        return s_refuse(txn, table, key);
    uint8_t *out = nm_txn_alloc(txn, size + 1);  //  Never of no size, so that a view of nothing is not NULL
    if (nm_seal_read(&txn->store->seal, table, key, bytes, out) != NM_OK)
        return s_refuse(txn, table, key);
    *value = nm_bytes(out, size);
    return NM_OK;
}

nm_rc_t
nm_table_get(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, nm_bytes_t *value)
{
    MDB_val mdb_key = s_val(key), stored;
    nm_rc_t rc = s_rc(txn, mdb_get(txn->mdb, nm_txn_dbi(txn, table), &mdb_key, &stored));
    return rc == NM_OK ? nm_txn_vouch(txn, table, key, stored, value) : rc;
}

bool
nm_table_has(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key)
{
    MDB_val mdb_key = s_val(key), stored;
    return s_rc(txn, mdb_get(txn->mdb, nm_txn_dbi(txn, table), &mdb_key, &stored)) == NM_OK;
}

//  A key behind all others goes to the end without a search, and pages that are only
//  appended to are filled whole where LMDB would else split them in half. So the first
//  put of a transaction into a table tries that, and so do the next while it holds.
//  MDB_KEYEXIST: nothing was put, and *room is what stands there.
static int
s_reserve(nm_txn_t *txn, const nm_table_t *table, MDB_val *key, MDB_val *room)
{
    MDB_dbi dbi = nm_txn_dbi(txn, table);
    uint64_t bit = (uint64_t) 1 << table->number;
    if (!(txn->not_appending & bit)) {
        int err = mdb_put(txn->mdb, dbi, key, room, MDB_RESERVE | MDB_APPEND);
        if (err != MDB_KEYEXIST)
            return err;
        txn->not_appending |= bit;
    }
    return mdb_put(txn->mdb, dbi, key, room, MDB_RESERVE | MDB_NOOVERWRITE);
}

static uint64_t
s_mark(nm_bytes_t key, MDB_val stored)
{
    uint64_t mark = 0;
    nm_rc_t rc = nm_tally_mark(key, nm_bytes(stored.mv_data, stored.mv_size), &mark);
    assert(rc == NM_OK && "not a value of ours");
    (void) rc;
    return mark;
}

//  The value gives way to another or to none: the tally must know what it was.
static nm_rc_t
s_retire(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, MDB_val stored)
{
    uint64_t mark;
    if (nm_tally_mark(key, nm_bytes(stored.mv_data, stored.mv_size), &mark) != NM_OK)
        return s_refuse(txn, table, key);
    nm_tally_went(txn, table->number, key, mark);
    return NM_OK;
}

//  LMDB makes the room and the value is sealed straight into it.
static nm_rc_t
s_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, nm_bytes_t value, bool replaces)
{
    assert(txn->writes && value.size <= NM_STORE_VALUE_MAX);
    MDB_val mdb_key = s_val(key), room = { nm_seal_size(table, value.size), NULL };
    nm_rc_t rc = s_rc(txn, s_reserve(txn, table, &mdb_key, &room));
    if (rc == NM_ERR_DUPLICATE && replaces) {
        rc = s_retire(txn, table, key, room);
        room = (MDB_val){ nm_seal_size(table, value.size), NULL };
        if (rc == NM_OK)
            rc = s_rc(txn, mdb_put(txn->mdb, nm_txn_dbi(txn, table), &mdb_key, &room, MDB_RESERVE));
    }
    if (rc != NM_OK)
        return rc;
    nm_seal_write(&txn->store->seal, table, key, value, room.mv_data);
    nm_tally_came(txn, table->number, key, s_mark(key, room));
    nm_redo_put(txn->store, table->number, s_val(key), room);
    txn->changed = true;
    return NM_OK;
}

nm_rc_t
nm_table_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, nm_bytes_t value)
{
    return s_put(txn, table, key, value, true);
}

nm_rc_t
nm_table_add(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, nm_bytes_t value)
{
    return s_put(txn, table, key, value, false);
}

nm_rc_t
nm_table_delete(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key)
{
    assert(txn->writes);
    MDB_val mdb_key = s_val(key), stored;
    nm_rc_t rc = s_rc(txn, mdb_get(txn->mdb, nm_txn_dbi(txn, table), &mdb_key, &stored));
    if (rc == NM_OK)
        rc = s_retire(txn, table, key, stored);
    if (rc == NM_OK)
        rc = s_rc(txn, mdb_del(txn->mdb, nm_txn_dbi(txn, table), &mdb_key, NULL));
    if (rc == NM_OK) {
        nm_redo_delete(txn->store, table->number, s_val(key));
        txn->changed = true;
    }
    return rc;
}

//  -- Values as they are stored

//  Takes what stands under the key, if anything does, out of the tally.
static int
s_retire_stored(nm_txn_t *txn, uint8_t table, MDB_val key)
{
    MDB_val stored;
    uint64_t mark;
    int err = mdb_get(txn->mdb, txn->store->dbis[table], &key, &stored);
    if (err)
        return err;
    nm_bytes_t name = nm_bytes(key.mv_data, key.mv_size);
    if (nm_tally_mark(name, nm_bytes(stored.mv_data, stored.mv_size), &mark) != NM_OK)
        return MDB_CORRUPTED;
    nm_tally_went(txn, table, name, mark);
    return MDB_SUCCESS;
}

int
nm_txn_put_stored(nm_txn_t *txn, uint8_t table, MDB_val key, MDB_val stored)
{
    nm_bytes_t name = nm_bytes(key.mv_data, key.mv_size);
    uint64_t mark;
    if (nm_tally_mark(name, nm_bytes(stored.mv_data, stored.mv_size), &mark) != NM_OK)
        return MDB_CORRUPTED;
    int err = s_retire_stored(txn, table, key);
    if (!err || err == MDB_NOTFOUND)
        err = mdb_put(txn->mdb, txn->store->dbis[table], &key, &stored, 0);
    if (!err)
        nm_tally_came(txn, table, name, mark);
    return err;
}

int
nm_txn_delete_stored(nm_txn_t *txn, uint8_t table, MDB_val key)
{
    int err = s_retire_stored(txn, table, key);
    return err ? err : mdb_del(txn->mdb, txn->store->dbis[table], &key, NULL);
}

uint64_t
nm_table_count(nm_txn_t *txn, const nm_table_t *table)
{
    MDB_stat stat;
    return s_rc(txn, mdb_stat(txn->mdb, nm_txn_dbi(txn, table), &stat)) == NM_OK ? stat.ms_entries : 0;
}
