#include <sodium.h>

#include "lmdb_store/store_private.h"

enum {
    S_HEAD_SIZE = 3 * 8,
    S_TABLE_SIZE = 1 + 2 * 8,
    S_SIZE_MAX = S_HEAD_SIZE + NM_STORE_TABLE_MAX * S_TABLE_SIZE,
};

bool
nm_tally_counts(uint8_t table, nm_bytes_t key)
{
    return table != NM_TABLE_META || !nm_bytes_is(key, NM_META_TALLY);
}

uint64_t
nm_tally_mark_of(nm_bytes_t key, const uint8_t vouching[8])
{
    uint8_t hash_key[crypto_shorthash_KEYBYTES] = { 0 }, hash[crypto_shorthash_BYTES];
    memcpy(hash_key, vouching, 8);
    crypto_shorthash(hash, key.at, key.size, hash_key);
    return nm_get_u64(hash);
}

nm_rc_t
nm_tally_mark(nm_bytes_t key, nm_bytes_t stored, uint64_t *mark)
{
    size_t at;
    if (!stored.size || nm_seal_mark_at(stored.at[0], stored.size, &at) != NM_OK)
        return NM_ERR_CORRUPT;
    *mark = nm_tally_mark_of(key, stored.at + at);
    return NM_OK;
}

//  The scrub has been past this key already, so what it has seen changes with the table.
static bool
s_is_scrubbed(const nm_txn_t *txn, uint8_t table, nm_bytes_t key)
{
    const nm_scrub_t *scrub = &txn->store->scrub;
    if (scrub->table != table || !scrub->key_size)
        return false;
    int order = memcmp(key.at, scrub->key, key.size < scrub->key_size ? key.size : scrub->key_size);
    return order < 0 || (order == 0 && key.size <= scrub->key_size);
}

void
nm_tally_came(nm_txn_t *txn, uint8_t table, nm_bytes_t key, uint64_t mark)
{
    if (!nm_tally_counts(table, key))
        return;
    nm_tally_add(&txn->tallies[table], mark);
    if (s_is_scrubbed(txn, table, key))
        nm_tally_add(&txn->scrubbed, mark);
}

void
nm_tally_went(nm_txn_t *txn, uint8_t table, nm_bytes_t key, uint64_t mark)
{
    if (!nm_tally_counts(table, key))
        return;
    nm_tally_take(&txn->tallies[table], mark);
    if (s_is_scrubbed(txn, table, key))
        nm_tally_take(&txn->scrubbed, mark);
}

nm_rc_t
nm_tally_write(nm_txn_t *txn)
{
    uint8_t value[S_SIZE_MAX], *at = value + S_HEAD_SIZE;
    nm_put_u64(value, mdb_txn_id(txn->mdb));
    nm_put_u64(value + 8, txn->store->redo.number);
    nm_put_u64(value + 16, txn->store->redo.capacity);
    for (unsigned table = 0; table < NM_STORE_TABLE_MAX; table++) {
        if (!txn->tallies[table].count && !txn->tallies[table].sum)
            continue;
        at[0] = (uint8_t) table;
        nm_put_u64(at + 1, txn->tallies[table].count);
        nm_put_u64(at + 9, txn->tallies[table].sum);
        at += S_TABLE_SIZE;
    }
    return nm_table_put(txn, &nm_meta_table, nm_text(NM_META_TALLY), nm_bytes(value, (size_t) (at - value)));
}

nm_rc_t
nm_tally_read(nm_txn_t *txn, uint64_t *commit)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_meta_table, nm_text(NM_META_TALLY), &value);
    if (rc != NM_OK || value.size < S_HEAD_SIZE || (value.size - S_HEAD_SIZE) % S_TABLE_SIZE)
        return NM_ERR_CORRUPT;
    *commit = nm_get_u64(value.at);
    txn->store->redo.number = nm_get_u64(value.at + 8);
    txn->store->redo.capacity = nm_get_u64(value.at + 16);
    for (size_t i = S_HEAD_SIZE; i < value.size; i += S_TABLE_SIZE) {
        const uint8_t *at = value.at + i;
        if (at[0] >= NM_STORE_TABLE_MAX)
            return NM_ERR_CORRUPT;
        txn->tallies[at[0]] = (nm_tally_t){ nm_get_u64(at + 1), nm_get_u64(at + 9) };
    }
    return NM_OK;
}

nm_rc_t
nm_tally_count(nm_txn_t *txn, uint8_t table, nm_tally_t *tally)
{
    MDB_cursor *cursor;
    MDB_val key, stored;
    uint64_t mark;
    *tally = (nm_tally_t){ 0 };
    int err = mdb_cursor_open(txn->mdb, txn->store->dbis[table], &cursor);
    if (err)
        return nm_store_rc(txn->store, err);
    nm_rc_t rc = NM_OK;
    while (rc == NM_OK && !(err = mdb_cursor_get(cursor, &key, &stored, MDB_NEXT))) {
        nm_bytes_t name = nm_bytes(key.mv_data, key.mv_size);
        rc = nm_tally_mark(name, nm_bytes(stored.mv_data, stored.mv_size), &mark);
        if (rc == NM_OK && nm_tally_counts(table, name))
            nm_tally_add(tally, mark);
    }
    mdb_cursor_close(cursor);
    return rc != NM_OK || err == MDB_NOTFOUND ? rc : nm_store_rc(txn->store, err);
}
