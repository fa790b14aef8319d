/*  queue - waiting lines on a table: by priority, and by due time.
 *
 *  A priority queue has lanes (one per role that the entries wait for). In a lane
 *  the smallest rank goes first; equal ranks go in the order they came. Ranks that
 *  are times with a handicap per priority make a queue in which nothing starves:
 *  a new urgent entry passes an old slow one only until the slow one is older than
 *  the handicap (see nm_rank in broker/).
 *
 *  A due table is the same with one lane: rank is a time in ms, and the value an id.
 */
#ifndef NM_QUEUE_H
#define NM_QUEUE_H

#include "lmdb_store/store.h"

typedef struct {
    uint64_t rank;
    uint64_t number;  //  Breaks ties; with lane and rank it names the entry
} nm_place_t;

//  Adds an entry; place (may be NULL) tells where it stands.
nm_rc_t nm_queue_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, uint64_t rank, nm_bytes_t value,
                     nm_place_t *place);

//  The first entry of the lane, left where it is. NM_ERR_MISSING if the lane is empty.
nm_rc_t nm_queue_first(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, nm_place_t *place, nm_bytes_t *value);
nm_rc_t nm_queue_get(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, nm_place_t place, nm_bytes_t *value);
nm_rc_t nm_queue_delete(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane, nm_place_t place);

//  Walks a lane in order: open, then next until NM_ERR_MISSING.
void nm_queue_open(nm_cursor_t *cursor, nm_txn_t *txn, const nm_table_t *table, nm_bytes_t lane);
nm_rc_t nm_queue_next(nm_cursor_t *cursor, nm_place_t *place, nm_bytes_t *value);

//  Due times: an id stands in the table under its time. An id may stand under
//  several times; the owner's own record says which one counts.
nm_rc_t nm_due_put(nm_txn_t *txn, const nm_table_t *table, int64_t at_ms, const nm_id_t *id);
nm_rc_t nm_due_delete(nm_txn_t *txn, const nm_table_t *table, int64_t at_ms, const nm_id_t *id);

//  Takes the earliest entry that is due at now_ms out of the table. NM_ERR_MISSING
//  if none is.
nm_rc_t nm_due_take(nm_txn_t *txn, const nm_table_t *table, int64_t now_ms, int64_t *at_ms, nm_id_t *id);

//  When the earliest entry is due; NM_ERR_MISSING if the table is empty.
nm_rc_t nm_due_next(nm_txn_t *txn, const nm_table_t *table, int64_t *at_ms);

//  Expiry: deletes (table, key) at a time, without the owner's doing. One list for
//  the whole store. Putting a value again under the same key does not move its expiry.
nm_rc_t nm_expiry_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, int64_t at_ms);

//  Deletes what has expired, at most limit entries; gone tells how many. The runtime does it in every actor.
nm_rc_t nm_expiry_sweep(nm_txn_t *txn, int64_t now_ms, size_t limit, size_t *gone);

#endif
