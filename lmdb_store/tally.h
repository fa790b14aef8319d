/*  tally - what each table must hold, so that a record that is gone is missed.
 *
 *  Private to lmdb_store/. A checksum vouches for a value that is there, in the state in
 *  which it is there. A page that was lost in writing, and is read as it was before, takes
 *  records away or puts old values back, each with a good checksum. So for each table the
 *  number of its records is kept, and the sum of their marks: a mark is a hash of the key and
 *  of the eight bytes that vouch for the value (seal.h). Those know the key as it was put; with
 *  the key as it is found, one that has changed shows before anybody looks for it in vain. The
 *  tallies follow each put and delete in memory and are written to the meta table with each
 *  commit of LMDB, beside the number of that commit:
 *
 *      "tally"  [commit u64][log number u64][log capacity u64] and for each table that is
 *               not empty [table u8][count u64][sum u64]
 *
 *  Whoever reads a whole table must come to the same: the opening (pages.h), a check, the
 *  scrub. The record itself is counted in no tally. "log" is redo.log (redo.h): the last
 *  number that LMDB has, and how long the file is; 0: nothing in it is needed.
 */
#ifndef NM_TALLY_H
#define NM_TALLY_H

#include <lmdb.h>

#include "nm.h"
#include "lmdb_store/store.h"

typedef struct {
    uint64_t count;
    uint64_t sum;
} nm_tally_t;

static inline bool
nm_tally_equal(nm_tally_t a, nm_tally_t b)
{
    return a.count == b.count && a.sum == b.sum;
}

static inline void
nm_tally_add(nm_tally_t *self, uint64_t mark)
{
    self->count++;
    self->sum += mark;
}

static inline void
nm_tally_take(nm_tally_t *self, uint64_t mark)
{
    self->count--;
    self->sum -= mark;
}

//  Whether a record of this table is counted at all.
bool nm_tally_counts(uint8_t table, nm_bytes_t key);

//  The mark of a record in the store. NM_ERR_CORRUPT if stored cannot be a value.
nm_rc_t nm_tally_mark(nm_bytes_t key, nm_bytes_t stored, uint64_t *mark);

//  The same, of the key and the bytes at nm_seal_mark_at.
uint64_t nm_tally_mark_of(nm_bytes_t key, const uint8_t vouching[8]);

//  A record of this key came into the table, or went.
void nm_tally_came(nm_txn_t *txn, uint8_t table, nm_bytes_t key, uint64_t mark);
void nm_tally_went(nm_txn_t *txn, uint8_t table, nm_bytes_t key, uint64_t mark);

//  Writes the record for the commit that is about to be.
nm_rc_t nm_tally_write(nm_txn_t *txn);

//  Reads it into the transaction and the store's log. *commit is the commit that wrote it.
nm_rc_t nm_tally_read(nm_txn_t *txn, uint64_t *commit);

//  Counts what a table holds now.
nm_rc_t nm_tally_count(nm_txn_t *txn, uint8_t table, nm_tally_t *tally);

#endif
