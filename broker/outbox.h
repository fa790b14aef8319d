/*  outbox - mail promised and not yet on the disk of the peer.
 *
 *  Two tables. Mail *waits* in a lane (a role, or one peer) ordered by rank: the time it
 *  came plus a handicap for its priority, so that nothing starves. Once a peer has credit
 *  it is *open*: it has the next number of the stream to that peer, committed before it
 *  is sent, and stays until the peer's receipt. With credit at hand it goes straight there.
 *
 *  Everything here happens inside the turn's transaction; what is kept in memory (counts
 *  of lanes, numbers of links) is loaded again when a turn was undone.
 */
#ifndef NM_OUTBOX_H
#define NM_OUTBOX_H

#include "broker/link.h"
#include "broker/turn.h"
#include "lmdb_store/queue.h"

enum { NM_OUTBOX_TAG_MAX = 32 };

extern const nm_table_t nm_outbox_streams;
extern const nm_table_t nm_outbox_waiting;
extern const nm_table_t nm_outbox_open;

//  One mail as it is kept. By reference: tag is the reference, and body is empty.
typedef struct {
    uint8_t kind;
    uint8_t priority;
    bool by_ref;
    bool shared;  //  For any actor of its role: it may be taken back from one that has not claimed it
    nm_bytes_t tag;
    nm_bytes_t body;
} nm_outbox_mail_t;

//  The rank of mail that comes now: what is smaller goes first.
uint64_t nm_rank(int64_t now_ms, unsigned priority);

//  Fills next, low, open_count, open_size, lane and the voids of the link from the store; makes the
//  stream if it is new. The first time in a life of ours, all that is open counts as claimed: an earlier
//  life may have granted it. After a restore (the store's epoch is above the stream's) the open
//  mail gets numbers of a new stream, from 1.
nm_rc_t nm_outbox_load_link(nm_txn_t *txn, nm_link_t *link, uint32_t epoch);

//  Gives mail the next number of the link's stream. The link's counts follow; its next number
//  is written once per turn, by nm_outbox_save_link.
nm_rc_t nm_outbox_assign(nm_txn_t *txn, nm_link_t *link, const nm_outbox_mail_t *mail, size_t body_size, uint64_t *seq);
nm_rc_t nm_outbox_save_link(nm_txn_t *txn, nm_link_t *link, uint32_t epoch);

//  Empties an open number, whose mail was put elsewhere: what stays says only that it was used.
nm_rc_t nm_outbox_void(nm_txn_t *txn, nm_link_t *link, uint64_t seq, size_t body_size);

//  Fills low, receipted, open_count and open_size again from what is open: receipts that were believed
//  and not written down yet count no more.
nm_rc_t nm_outbox_count_open(nm_txn_t *txn, nm_link_t *link);

//  The peer was restored from a copy and has this of our stream. What it lacks and we have forgotten, above
//  the lowest that is open, becomes void. Returns how many in count.
nm_rc_t nm_outbox_void_lost(nm_txn_t *txn, const nm_link_t *link, const nm_spans_t *has, uint64_t *count);

//  Deletes what the link's receipts cover.
nm_rc_t nm_outbox_forget(nm_txn_t *txn, nm_link_t *link);

//  Reads open mail by number. NM_ERR_MISSING if it is forgotten.
nm_rc_t nm_outbox_read(nm_txn_t *txn, const nm_link_t *link, uint64_t seq, nm_outbox_mail_t *mail);

//  The lowest open number and its mail, voids included; NM_ERR_MISSING if nothing is open.
nm_rc_t nm_outbox_first_open(nm_txn_t *txn, const nm_link_t *link, uint64_t *seq, nm_outbox_mail_t *mail);
nm_rc_t nm_outbox_delete_open(nm_txn_t *txn, const nm_link_t *link, uint64_t seq);

//  Ends the stream, of which nothing is open.
nm_rc_t nm_outbox_end_link(nm_txn_t *txn, const nm_link_t *link);

//  -- Lanes: text keys "role:email" or "peer:gateway-1".
nm_rc_t nm_outbox_wait(nm_txn_t *txn, nm_bytes_t lane, uint64_t rank, const nm_outbox_mail_t *mail, nm_place_t *place);
nm_rc_t nm_outbox_first(nm_txn_t *txn, nm_bytes_t lane, nm_place_t *place, nm_outbox_mail_t *mail);
nm_rc_t nm_outbox_drop(nm_txn_t *txn, nm_bytes_t lane, nm_place_t place);

//  When the mail came that is next in line (wall clock). What has less priority may have waited a little longer.
nm_rc_t nm_outbox_first_came(nm_txn_t *txn, nm_bytes_t lane, int64_t *came_ms);

//  The waiting mail that stands there.
nm_rc_t nm_outbox_get(nm_txn_t *txn, nm_bytes_t lane, nm_place_t place, nm_outbox_mail_t *mail);

//  Walks a whole lane, for its tags; views live until fn returns.
typedef void(nm_outbox_tag_fn)(void *arg, nm_bytes_t tag, nm_place_t place);
nm_rc_t nm_outbox_each_tag(nm_txn_t *txn, nm_bytes_t lane, nm_outbox_tag_fn *fn, void *arg);

//  -- Everything: mail that waits, and mail to one peer that has no receipt; of what the peer may have handled only what keep
//  (may be NULL) is true for. Views live until fn returns, which opens no cursor and keeps no memory of the transaction.
typedef bool(nm_outbox_keep_fn)(uint8_t kind, nm_bytes_t body, nm_buf_t *changed);
nm_rc_t nm_outbox_each_waiting(nm_txn_t *txn, nm_mail_mine_fn *fn, void *arg);
nm_rc_t nm_outbox_each_open(nm_txn_t *txn, const nm_link_t *link, nm_outbox_keep_fn *keep, nm_mail_mine_fn *fn,
                            void *arg);

#endif
