/*  reach - asks user actors where users are reached, for all work that waits to know (unreached.h).
 *
 *  It goes in rounds. A round takes the next rows, at most NM_REACH_MAX of them, and asks about all of them in
 *  one turn: `users.reach`, one ask for each tenant, each user named once; they travel in one frame. When all are answered
 *  the next round begins, with what came meanwhile. So a burst costs as many asks as it has round trips, whoever
 *  it is for; and each ask is put after the work was taken in, so its answer is never older than the work. Nothing
 *  is remembered of an answer once its round is over.
 *
 *  An answer is `{users: [{id, email, phone, ...}], sure, owner}`; keys that are not known here are passed over. Who is
 *  not in it is unknown if it is `sure`, which only the owner of the accounts is; else the owner is asked, and from then on
 *  first, as its word is the latest. A user actor
 *  that is away, refuses, or answers what cannot be read leaves all as it is: after a second the same is asked again, then after
 *  two, up to NM_REACH_PAUSE_MAX_MS, or at once when a user actor is there again.
 *
 *  What is here in memory follows from the store but for the round, which a restart or an undone turn forgets and asks
 *  again: the answers of the old one are then passed over.
 */
#ifndef NM_REACH_H
#define NM_REACH_H

#include "actors/owner/holds.h"
#include "actors/router/unreached.h"

enum {
    NM_REACH_PAUSE_MS = 1000,
    NM_REACH_PAUSE_MAX_MS = 30000,
};

//  Takes over work that was taken out of the store. An empty record: nobody knows the user; or it has expired.
typedef nm_rc_t(nm_reach_fn)(void *arg, nm_turn_t *turn, nm_bytes_t work, const nm_recipients_t *reached);

typedef struct {
    nm_unreached_key_t key;
    nm_id_t service;
    nm_id_t user;
    size_t ask;  //  Which ask of the round names it; SIZE_MAX: none does yet
    bool done;   //  It is no longer here, or waits for a later round
} nm_reach_item_t;

typedef struct {
    nm_reach_fn *take;
    void *arg;

    //  What is in the store
    uint64_t count;
    int64_t oldest_ms;  //  When the first of it was accepted; 0: none is there

    //  The round under way, if open_count is not 0
    nm_reach_item_t items[NM_REACH_MAX];
    size_t item_count;
    size_t ask_count;    //  Asks of it so far
    size_t first_count;  //  ... to whoever was there; the others went to owners
    size_t open_count;   //  ... that are not answered
    uint32_t serial;     //  Tells its answers from those of others
    bool moved;          //  Something came of it
    bool heard;          //  Somebody answered

    //  The next one
    nm_unreached_key_t at;        //  It begins behind this one
    int64_t again_ms;             //  ... and not before
    unsigned failures;            //  Rounds in a row that nothing came of
    bool away;                    //  Nobody answered in the last one
    bool there;                   //  A user actor was there when last looked
    char owner[NM_NAME_MAX + 1];  //  Of the accounts, as was heard last
    nm_buf_t body;                //  Scratch
} nm_reach_t;

void nm_reach_free(nm_reach_t *self);

//  After a start, and after a turn was undone.
nm_rc_t nm_reach_load(nm_reach_t *self, nm_turn_t *turn);

//  Keeps the work; it is asked about in this turn, by nm_reach_due, unless nobody is there.
nm_rc_t nm_reach_add(nm_reach_t *self, nm_turn_t *turn, const nm_id_t *notification, const nm_unreached_t *row,
                     nm_bytes_t work);

//  Once per turn, after all inputs: gives up what has expired, begins the next round.
nm_rc_t nm_reach_due(nm_reach_t *self, nm_turn_t *turn);

nm_rc_t nm_reach_reply(nm_reach_t *self, nm_turn_t *turn, const nm_reply_in_t *reply);

//  Takes one piece of work of the notification back. NM_ERR_MISSING: there is none (any more). NM_ERR_BUSY: it came again
//  after a loss, and nobody here knows for which of its deliveries its owner still waits.
nm_rc_t nm_reach_withdraw(nm_reach_t *self, nm_turn_t *turn, const nm_id_t *notification, nm_bytes_t *work);

//  Marks every delivery that work of the notification may become (nm_holds_fn).
nm_rc_t nm_reach_holds(void *self, nm_turn_t *turn, nm_held_t *held);

#endif
