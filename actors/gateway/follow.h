/*  follow - reads the events of all gateways from where a reader stands, as far as they are at hand here.
 *
 *  At hand are our own journal, the windows of the feeds (feeds.h), and for who stands before a window what the
 *  other gateway answered to a question of this reader's own. They are merged by the time that each event
 *  carries; those of one gateway keep their order. Bounded: so many items, so many chunks looked at.
 */
#ifndef NM_FOLLOW_H
#define NM_FOLLOW_H

#include "actors/gateway/errands.h"
#include "actors/gateway/journal.h"
#include "actors/gateway/stream.h"
#include "broker/turn.h"

struct nm_gateway;

//  What is read.
typedef struct {
    nm_id_t service;
    bool everybodys;  //  An admin's: of all services
    uint64_t limit;
} nm_follow_t;

typedef struct {
    nm_stream_t at;  //  Where it begins, then where it ended
    nm_buf_t items;  //  Packed one after the other
    size_t count;
    bool more;  //  There is more to read at once
} nm_reading_t;

//  errand: what others answered; may be NULL.
nm_rc_t nm_follow_read(struct nm_gateway *gateway, nm_txn_t *txn, const nm_follow_t *what, const nm_errand_t *errand,
                       nm_reading_t *reading);
void nm_reading_free(nm_reading_t *self);

//  Has the reader to ask this gateway itself, because it is there and its window does not reach back so far?
bool nm_follow_must_ask(struct nm_gateway *gateway, nm_turn_t *turn, const nm_stream_t *at, const nm_peer_t *peer);

//  Packs one event. cursor: after it.
void nm_follow_write(const nm_entry_t *entry, const char *cursor, bool everybodys, nm_buf_t *out);

#endif
