/*  inbox - what was taken in from each peer: the watermark of its stream, and what nobody could read.
 *
 *  A role handles mail in the turn that takes it in, so no mail waits here. Each sender's
 *  store has one row: its epoch, the watermark, the runs above it.
 */
#ifndef NM_INBOX_H
#define NM_INBOX_H

#include "broker/link.h"
#include "lmdb_store/store.h"

extern const nm_table_t nm_inbox_streams;
extern const nm_table_t nm_inbox_quarantine;
extern const nm_table_t nm_inbox_fenced;

//  Fills store, epoch and seen of the link from the row of its peer, if there is one. restored
//  is true if the row was last written in an earlier epoch of our own store, or if there is none and
//  our store was ever restored: then the peer may have forgotten mail that only our lost copy had.
nm_rc_t nm_inbox_load_link(nm_txn_t *txn, nm_link_t *link, uint32_t own_epoch, bool *restored);

//  Writes the row of the link.
nm_rc_t nm_inbox_save_link(nm_txn_t *txn, const nm_link_t *link, uint32_t own_epoch);

//  Deletes the row of the link.
nm_rc_t nm_inbox_end_link(nm_txn_t *txn, const nm_link_t *link);

//  Refuses a store for ever: it is gone for good, and whoever comes with it was not meant to. name is for people.
nm_rc_t nm_inbox_fence(nm_txn_t *txn, const nm_id_t *store, nm_bytes_t name);
bool nm_inbox_is_fenced(nm_txn_t *txn, const nm_id_t *store);

//  Keeps mail that the role could not read, for people.
nm_rc_t nm_inbox_quarantine_put(nm_txn_t *txn, const nm_link_t *link, uint64_t seq, uint8_t kind, nm_bytes_t body);

#endif
