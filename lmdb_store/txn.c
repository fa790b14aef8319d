#include "lmdb_store/store_private.h"

#include <assert.h>
#include <time.h>
#include <unistd.h>

static int
s_begin_mdb(nm_store_t *self, bool writes)
{
    //  While changes are in redo.log only, they are seen in the transaction that has them.
    if (self->kept) {
        self->txn.mdb = self->kept;
        return MDB_SUCCESS;
    }
    if (writes)
        return mdb_txn_begin(self->env, NULL, 0, &self->txn.mdb);
    int err = self->reader ? mdb_txn_renew(self->reader) : mdb_txn_begin(self->env, NULL, MDB_RDONLY, &self->reader);
    if (!err)
        self->txn.mdb = self->reader;
    return err;
}

//  A transaction has numbers of its own, which become the store's if it is kept.
static void
s_start_numbers(nm_store_t *self)
{
    memcpy(self->txn.counters, self->counters, sizeof self->counters);
    memcpy(self->txn.tallies, self->tallies, sizeof self->tallies);
    self->txn.scrubbed = self->scrub.seen;
}

static void
s_keep_numbers(nm_store_t *self)
{
    memcpy(self->counters, self->txn.counters, sizeof self->counters);
    memcpy(self->tallies, self->txn.tallies, sizeof self->tallies);
    self->scrub.seen = self->txn.scrubbed;
}

static nm_rc_t
s_begin(nm_store_t *self, bool writes)
{
    assert(!self->txn.mdb && "a transaction within a transaction");
    self->txn = (nm_txn_t){ .store = self, .writes = writes };
    int err = s_begin_mdb(self, writes);
    if (err == MDB_MAP_RESIZED) {
        //  Somebody with a larger map has written the file. Size 0 takes theirs.
        err = mdb_env_set_mapsize(self->env, 0);
        if (!err)
            err = s_begin_mdb(self, writes);
    }
    if (err)
        self->txn.mdb = NULL;
    else
        s_start_numbers(self);
    return nm_store_rc(self, err);
}

//  LMDB frees the cursors of a write transaction itself, at its end; those of a
//  read transaction are ours to close. Closing all first is right for both.
static void
s_close_cursors(nm_txn_t *txn)
{
    for (nm_open_cursor_t *cursor = txn->cursors; cursor; cursor = cursor->next)
        if (cursor->mdb)
            mdb_cursor_close(cursor->mdb);
    txn->cursors = NULL;
}

static nm_rc_t
s_put_counters(nm_txn_t *txn)
{
    for (unsigned i = 0; i < NM_COUNTER_COUNT; i++) {
        if (!txn->counter_taken[i])
            continue;
        uint8_t key[] = { NM_META_COUNTER, (uint8_t) i };
        uint8_t value[8];
        nm_put_u64(value, txn->counters[i]);
        nm_rc_t rc = nm_table_put(txn, &nm_meta_table, nm_bytes(key, sizeof key), nm_bytes(value, sizeof value));
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

//  What LMDB lost with a transaction that is gone, and redo.log still has, is done again: it
//  was promised. If that fails the process ends; the next start does it from the file.
static void
s_restore_kept(nm_store_t *self)
{
    self->kept = NULL;
    nm_redo_forget(self);
    if (self->redo.fd < 0 || self->redo.number == self->redo.settled)
        return;
    MDB_txn *txn;
    if (mdb_txn_begin(self->env, NULL, 0, &txn) == 0) {
        if (nm_redo_again(self, txn) == NM_OK) {
            self->kept = txn;
            return;
        }
        mdb_txn_abort(txn);
    }
    nm_store_log_critical("commit_failed", self->folder.path,
                          "an undone change took others with it that are in redo.log; the process ends");
    _exit(NM_STORE_EXIT_COMMIT);
}

//  A full map shows before anything is written, so the transaction is undone as if
//  work had failed. After any other error nobody knows what is on the disk, and LMDB
//  would let the next commit succeed: end here, without another write.
static nm_rc_t
s_commit(nm_store_t *self)
{
    int err = mdb_txn_commit(self->txn.mdb);
    if (!err) {
        self->kept = NULL;
        nm_redo_rewind(self);
        return NM_OK;
    }
    if (err == MDB_MAP_FULL || err == MDB_TXN_FULL)
        return NM_ERR_FULL;
    nm_store_log_critical("commit_failed", self->folder.path,
                          "commit failed, so what is on the disk is unknown; the process ends: %s", mdb_strerror(err));
    _exit(NM_STORE_EXIT_COMMIT);
}

//  Commits with the tally of what is in it.
static nm_rc_t
s_commit_tallied(nm_store_t *self)
{
    nm_rc_t rc = nm_tally_write(&self->txn);
    if (rc == NM_OK)
        return s_commit(self);
    mdb_txn_abort(self->txn.mdb);
    return rc;
}

//  The update does not fit into redo.log, so LMDB has it alone. It takes a number all the
//  same, and is marked: were LMDB found one commit older, this would be missed.
static nm_rc_t
s_commit_past_log(nm_store_t *self)
{
    if (self->redo.mark_fd < 0)
        return s_commit_tallied(self);
    self->redo.number++;
    nm_rc_t rc = s_commit_tallied(self);
    if (rc == NM_OK)
        nm_redo_mark(self);
    else
        self->redo.number--;
    return rc;
}

//  Makes the update durable: in redo.log if there is room, else by a commit of LMDB.
static nm_rc_t
s_keep(nm_store_t *self)
{
    if (nm_redo_write(self) == NM_OK) {
        self->kept = self->txn.mdb;
        return NM_OK;
    }
    nm_rc_t rc = s_commit_past_log(self);
    if (rc != NM_OK)
        s_restore_kept(self);
    return rc;
}

static void
s_undo(nm_store_t *self)
{
    mdb_txn_abort(self->txn.mdb);
    s_restore_kept(self);
}

static int64_t
s_clock_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t) at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

//  The same, and how long it took.
static nm_rc_t
s_keep_timed(nm_store_t *self)
{
    int64_t start_us = s_clock_us();
    nm_rc_t rc = s_keep(self);
    self->commit_us = (uint64_t) (s_clock_us() - start_us);
    return rc;
}

uint64_t
nm_store_commit_us(const nm_store_t *self)
{
    return self->commit_us;
}

nm_rc_t
nm_store_update(nm_store_t *self, nm_store_fn *work, void *arg)
{
    self->commit_us = 0;
    nm_rc_t rc = s_begin(self, true);
    if (rc != NM_OK)
        return rc;

    rc = work(&self->txn, arg);
    if (rc == NM_OK)
        rc = self->txn.failed;
    if (rc == NM_OK)
        rc = s_put_counters(&self->txn);
    if (rc == NM_OK && self->txn.changed)
        rc = nm_store_fault(self, NM_STORE_AT_COMMIT);
    s_close_cursors(&self->txn);
    if (rc != NM_OK)
        s_undo(self);
    else if (self->txn.changed)
        rc = s_keep_timed(self);
    else if (!self->kept)
        rc = s_commit(self);  //  Nothing changed, so nothing is written; tables that were opened stay open
    if (rc == NM_OK)
        s_keep_numbers(self);
    self->txn.mdb = NULL;
    nm_arena_reset(&self->arena);
    return rc;
}

bool
nm_store_unsettled(const nm_store_t *self)
{
    return self->kept != NULL;
}

nm_rc_t
nm_store_settle(nm_store_t *self)
{
    assert(!self->txn.mdb && "settled within a transaction");
    if (!self->kept)
        return NM_OK;
    nm_rc_t rc = s_begin(self, true);
    if (rc == NM_OK) {
        rc = s_commit_tallied(self);
        if (rc != NM_OK)
            s_restore_kept(self);
    }
    self->txn.mdb = NULL;
    return rc;
}

nm_rc_t
nm_store_view(nm_store_t *self, nm_store_fn *work, void *arg)
{
    nm_rc_t rc = s_begin(self, false);
    if (rc != NM_OK)
        return rc;

    rc = work(&self->txn, arg);
    if (rc == NM_OK)
        rc = self->txn.failed;
    s_close_cursors(&self->txn);
    if (self->txn.mdb == self->reader)
        mdb_txn_reset(self->reader);
    self->txn.mdb = NULL;
    nm_arena_reset(&self->arena);
    return rc;
}

nm_rc_t
nm_txn_spoil(nm_txn_t *txn, nm_rc_t rc)
{
    if (txn->failed == NM_OK)
        txn->failed = rc;
    txn->store->damaged |= rc == NM_ERR_CORRUPT;
    return rc;
}

uint64_t
nm_txn_next(nm_txn_t *txn, unsigned counter)
{
    assert(counter < NM_COUNTER_COUNT && txn->writes);
    txn->counter_taken[counter] = true;
    txn->changed = true;
    return ++txn->counters[counter];
}

void *
nm_txn_alloc(nm_txn_t *txn, size_t size)
{
    return nm_arena_alloc(&txn->store->arena, size);
}

nm_txn_mark_t
nm_txn_mark(const nm_txn_t *txn)
{
    nm_arena_mark_t mark = nm_arena_mark(&txn->store->arena);
    return (nm_txn_mark_t){ mark.block, mark.used };
}

void
nm_txn_rewind(nm_txn_t *txn, nm_txn_mark_t mark)
{
    nm_arena_rewind(&txn->store->arena, (nm_arena_mark_t){ mark.block, mark.used });
}

bool
nm_txn_changed(const nm_txn_t *txn)
{
    return txn->changed;
}
