#include <sodium.h>

#include "lmdb_store/store_private.h"

//  About reading whole tables and vouching for them: all at once, or little by little.

typedef struct {
    nm_store_t *store;
    MDB_txn *txn;
    nm_buf_t plain;  //  Room for what is opened; the arena belongs to the owner's thread
} s_reader_t;

//  A damaged page above may lead a search elsewhere than the walk; then the record is
//  there and nobody finds it.
static bool
s_is_found(const s_reader_t *self, uint8_t table, MDB_val key, MDB_val stored)
{
    MDB_val found;
    return mdb_get(self->txn, self->store->dbis[table], &key, &found) == 0 && found.mv_data == stored.mv_data;
}

static bool
s_is_whole(s_reader_t *self, const nm_table_t *table, nm_bytes_t key, nm_bytes_t stored)
{
    if (key.size == 0 || key.size > NM_STORE_KEY_MAX)
        return false;
    nm_store_head_t head;
    if (table == &nm_meta_table && nm_bytes_is(key, NM_META_HEAD))
        return nm_store_head_read(&head, stored, UINT32_MAX) == NM_OK && nm_id_equal(&head.id, &self->store->id);
    if (table == &nm_meta_table && nm_bytes_is(key, NM_META_SECRET))
        table = &nm_meta_sealed_table;

    size_t size;
    if (nm_seal_value_size(table, stored, &size) != NM_OK)
        return false;
    nm_buf_clear(&self->plain);
    return nm_seal_read(&self->store->seal, table, key, stored, nm_buf_reserve(&self->plain, size + 1)) == NM_OK;
}

//  Whether the record is what was put; its mark is added to seen.
static bool
s_is_good(s_reader_t *self, uint8_t table, MDB_val key, MDB_val stored, nm_tally_t *seen)
{
    nm_bytes_t key_bytes = nm_bytes(key.mv_data, key.mv_size), bytes = nm_bytes(stored.mv_data, stored.mv_size);
    uint64_t mark;
    if (nm_tally_counts(table, key_bytes) && nm_tally_mark(key_bytes, bytes, &mark) == NM_OK)
        nm_tally_add(seen, mark);
    return s_is_whole(self, self->store->tables[table], key_bytes, bytes) && s_is_found(self, table, key, stored);
}

//  "table NAME, key HEX", without the key if it has no bytes.
static void
s_place(const nm_table_t *table, MDB_val key, char *out, size_t size)
{
    char hex[2 * 48 + 1] = "";
    sodium_bin2hex(hex, sizeof hex, key.mv_data, key.mv_size < 48 ? key.mv_size : 48);
    snprintf(out, size, "table %s%s%s", table->name, *hex ? ", key " : "", hex);
}

//  -- Check

static void
s_note_bad(nm_store_check_t *report, const nm_table_t *table, MDB_val key)
{
    if (!report->bad++)
        s_place(table, key, report->first_bad, sizeof report->first_bad);
}

//  A page that was lost or is old takes records away, or puts old ones back, without one
//  wrong checksum; the tally still shows it.
static nm_rc_t
s_check_table(s_reader_t *self, const nm_table_t *table, nm_store_check_t *report)
{
    static const MDB_val NO_KEY = { 0, (void *) "" };
    MDB_cursor *cursor;
    MDB_val key, stored;
    nm_tally_t seen = { 0 };
    int err = mdb_cursor_open(self->txn, self->store->dbis[table->number], &cursor);
    if (err)
        return nm_store_rc(self->store, err);
    while (!(err = mdb_cursor_get(cursor, &key, &stored, MDB_NEXT))) {
        report->bytes += stored.mv_size;
        if (s_is_good(self, table->number, key, stored, &seen))
            report->records++;
        else
            s_note_bad(report, table, key);
    }
    mdb_cursor_close(cursor);
    if (err != MDB_NOTFOUND)
        return nm_store_rc(self->store, err);
    if (!report->bad && !nm_tally_equal(seen, self->store->tallies[table->number]))
        s_note_bad(report, table, NO_KEY);
    return NM_OK;
}

nm_rc_t
nm_store_check(nm_store_t *self, nm_store_check_t *report, nm_error_t *error)
{
    *report = (nm_store_check_t){ 0 };
    nm_rc_t settled = nm_store_settle(self);
    if (settled != NM_OK)
        return nm_fail(error, settled, "check of %s: redo.log cannot be brought into LMDB: %s", self->folder.path,
                       nm_rc_text(settled));
    s_reader_t reader = { .store = self };
    int err = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &reader.txn);
    if (err)
        return nm_fail(error, nm_store_rc(self, err), "check of %s: %s", self->folder.path, mdb_strerror(err));

    nm_rc_t rc = NM_OK;
    for (unsigned i = 0; rc == NM_OK && i < NM_STORE_TABLE_MAX; i++)
        if (self->tables[i])
            rc = s_check_table(&reader, self->tables[i], report);
    mdb_txn_abort(reader.txn);
    nm_buf_free(&reader.plain);
    if (rc != NM_OK)
        return nm_fail(error, rc, "check of %s: a table cannot be read: %s", self->folder.path, nm_rc_text(rc));
    if (report->bad)
        return nm_fail(error, NM_ERR_CORRUPT, "check of %s: %llu records are bad, first %s", self->folder.path,
                       (unsigned long long) report->bad, report->first_bad);
    return NM_OK;
}

//  -- Scrub

typedef struct {
    s_reader_t reader;
    nm_store_scrub_t *report;
} s_scrubbing_t;

static nm_rc_t
s_find(nm_store_t *self, MDB_val key, const char *what)
{
    char place[160];
    s_place(self->tables[self->scrub.table], key, place, sizeof place);
    nm_store_log_critical("store_corrupt", self->folder.path, "scrub: %s: %s. Keep the folder and restore a backup",
                          place, what);
    self->damaged = true;
    return NM_ERR_CORRUPT;
}

//  The first record behind where the last call stopped.
static int
s_resume(const nm_scrub_t *scrub, MDB_cursor *cursor, MDB_val *key, MDB_val *stored)
{
    if (!scrub->key_size)
        return mdb_cursor_get(cursor, key, stored, MDB_FIRST);
    *key = (MDB_val){ scrub->key_size, (void *) scrub->key };
    int err = mdb_cursor_get(cursor, key, stored, MDB_SET_RANGE);
    if (err || key->mv_size != scrub->key_size || memcmp(key->mv_data, scrub->key, scrub->key_size) != 0)
        return err;
    return mdb_cursor_get(cursor, key, stored, MDB_NEXT);
}

static bool
s_has_room(const nm_store_scrub_t *report)
{
    return report->records < NM_STORE_SCRUB_RECORDS && report->bytes < NM_STORE_SCRUB_SIZE;
}

static nm_rc_t
s_take_next(s_scrubbing_t *self, MDB_val key, MDB_val stored)
{
    nm_scrub_t *scrub = &self->reader.store->scrub;
    if (!s_is_good(&self->reader, scrub->table, key, stored, &scrub->seen))
        return s_find(self->reader.store, key, "the value is not what was written");
    memcpy(scrub->key, key.mv_data, key.mv_size);
    scrub->key_size = key.mv_size;
    self->report->records++;
    self->report->bytes += stored.mv_size;
    return NM_OK;
}

//  On to the next table, if this one has come out right.
static nm_rc_t
s_end_table(nm_store_t *self, nm_store_scrub_t *report)
{
    static const MDB_val NO_KEY = { 0, (void *) "" };
    nm_scrub_t *scrub = &self->scrub;
    if (self->tables[scrub->table] && !nm_tally_equal(scrub->seen, self->tallies[scrub->table]))
        return s_find(self, NO_KEY, "records are gone or old");
    scrub->key_size = 0;
    scrub->seen = (nm_tally_t){ 0 };
    scrub->table = (uint8_t) ((scrub->table + 1) % NM_STORE_TABLE_MAX);
    report->ended = scrub->table == 0;
    return NM_OK;
}

static nm_rc_t
s_scrub_table(s_scrubbing_t *self)
{
    nm_store_t *store = self->reader.store;
    MDB_cursor *cursor;
    MDB_val key, stored;
    int err = mdb_cursor_open(self->reader.txn, store->dbis[store->scrub.table], &cursor);
    if (err)
        return nm_store_rc(store, err);
    nm_rc_t rc = NM_OK;
    err = s_resume(&store->scrub, cursor, &key, &stored);
    while (!err && rc == NM_OK && s_has_room(self->report)) {
        rc = s_take_next(self, key, stored);
        err = mdb_cursor_get(cursor, &key, &stored, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (rc != NM_OK || !err)
        return rc;
    return err == MDB_NOTFOUND ? s_end_table(store, self->report) : nm_store_rc(store, err);
}

static nm_rc_t
s_scrub_some(nm_txn_t *txn, void *arg)
{
    s_scrubbing_t *self = arg;
    nm_rc_t rc = NM_OK;
    self->reader.store = txn->store;
    self->reader.txn = txn->mdb;
    while (rc == NM_OK && s_has_room(self->report) && !self->report->ended)
        rc = txn->store->tables[txn->store->scrub.table] ? s_scrub_table(self) : s_end_table(txn->store, self->report);
    return rc;
}

nm_rc_t
nm_store_scrub(nm_store_t *self, nm_store_scrub_t *report)
{
    *report = (nm_store_scrub_t){ 0 };
    s_scrubbing_t scrubbing = { .report = report };
    nm_rc_t rc = nm_store_view(self, s_scrub_some, &scrubbing);
    nm_buf_free(&scrubbing.reader.plain);
    return rc;
}
