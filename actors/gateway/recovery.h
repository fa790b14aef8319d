/*  recovery - what was lost with an actor that is gone for good, and sending it again.
 *
 *  A notification belongs to its gateway until its final status, content included. When an
 *  actor is forgotten, every unfinished one is accounted for: a delivery has ended, or somebody
 *  has it, or it is lost and the work is mailed again, the same id, without the rest (`skip`).
 *
 *  Custody flows one way: our outbox, a router, a channel actor, an event to us. So they are
 *  looked at in that order, and what has left one of them by then is found in the next:
 *
 *      walk     notes with a delivery that nobody spoke of, or that the lost one had: suspects
 *      outbox   what still waits with us is not lost
 *      ask      all routers, then all channel actors: custody.holds. Each answer says up to which
 *               number of its mail to us we must have read to know what it knew (`next`)
 *      wait     until we have; then what has no word and no holder is lost
 *
 *  Whoever is away and not forgotten may have it: nothing is judged before he has answered, and he
 *  is asked again; so is a later actor of the lost one's name, whose events are not told from those of
 *  the lost one. Every step is bounded and its progress on disk; a restart goes on.
 *
 *  A gateway that is forgotten leaves copies behind (copies.h): they become ours first. Events of
 *  theirs may have been lost with it; so even a delivery that has a holder is asked about, twice,
 *  before it is sent again. The same is done for all by an operator's `notifications.account`, after
 *  a store was restored.
 */
#ifndef NM_RECOVERY_H
#define NM_RECOVERY_H

#include "actors/gateway/notes.h"
#include "actors/owner/holds.h"

struct nm_case;

typedef struct {
    const char *name;
    uint64_t next;  //  We know what it knew once we have all its mail below this
} nm_recovery_peer_t;

typedef struct {
    bool loaded;
    bool active;  //  There is a recovery under way: the row
    char name[NM_NAME_MAX + 1];
    nm_role_id_t role;
    int64_t lost_ms;  //  Which loss of the name: when that was said; 0: nobody was lost
    unsigned phase;
    nm_id_t at;  //  How far the walk has come

    //  The suspects that are being asked about. In memory only: a restart asks again.
    unsigned step;  //  0: none are
    uint32_t serial;
    bool failed;  //  Somebody did not answer
    nm_held_t items[NM_HOLDS_MAX];
    size_t count;
    nm_recovery_peer_t *peers;  //  Who was asked
    size_t peer_count, peer_room, open_count;
    int64_t again_ms;  //  Not before
    int64_t until_ms;  //  How long mail is waited for

    uint64_t suspect_count;
    uint64_t redriven_count;  //  In this life
} nm_recovery_t;

void nm_recovery_free(nm_recovery_t *self);

//  After a load: goes on where the store says.
nm_rc_t nm_recovery_load(struct nm_gateway *self, nm_turn_t *turn);

//  The role's hook. A second word of the same loss changes nothing.
nm_rc_t nm_recovery_forgotten(struct nm_gateway *self, nm_turn_t *turn, const nm_peer_t *peer);

//  Is it still open whether a notification of this gateway, which is forgotten, will be ours?
nm_rc_t nm_recovery_may_inherit(nm_txn_t *txn, const char *name, bool *open);

//  Is one of those that are not accounted for yet more than a router? All suspects are judged together, so what such a
//  one had may be judged in the name of the router that it had it from.
nm_rc_t nm_recovery_may_have_sent(nm_txn_t *txn, bool *may);

nm_rc_t nm_recovery_due(struct nm_gateway *self, nm_turn_t *turn);

#endif
