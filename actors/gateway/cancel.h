/*  cancel - notifications.cancel: at once where we still hold it, else by asking who does.
 *
 *  A scheduled notification and mail that still waits in our outbox are cancelled here. For
 *  the rest the actor is asked that sent the last event of the delivery; where none did yet,
 *  the routers are asked; they answer 200, 404, or 200 with moved_to. 200 is answered only
 *  once the cancellation is on the disk of whoever holds the delivery. While it travels
 *  nobody has it: we ask again for two seconds, and then answer 503. A channel actor that is
 *  asked before the delivery reaches it remembers, and cancels it on arrival. The places of those that wait are shared
 *  out (portions.h).
 */
#ifndef NM_CANCEL_H
#define NM_CANCEL_H

#include "actors/accounts/portions.h"
#include "actors/gateway/answer.h"

enum { NM_CANCEL_COUNT = 384, NM_CANCEL_PEER_COUNT = 16 };

typedef struct {
    bool used;
    bool fresh;  //  Came in this turn
    bool done;   //  Answered in this turn
    nm_asker_t asker;
    nm_id_t service;      //  Whose place it is
    nm_id_t id;           //  The notification
    uint64_t generation;  //  Of it: a later replay is not meant
    uint32_t serial;      //  Of the round: replies of an earlier one are passed over
    size_t open_count;    //  Asks of this round without a reply
    size_t hop_count;     //  How often somebody said that it moved on
    bool cancelled;       //  Somebody did it in this round
    bool late;            //  Somebody said that it is too late
    int64_t again_ms;     //  When the next round begins; 0: one is under way
    int64_t until_ms;
} nm_cancel_t;

typedef struct {
    nm_cancel_t *items;  //  NM_CANCEL_COUNT of them, made when first used
    size_t count;        //  In use
    nm_portions_t portions;
} nm_cancels_t;

void nm_cancels_free(nm_cancels_t *self);
void nm_cancels_undo(nm_cancels_t *self, int64_t now_ms);
void nm_cancels_commit(nm_cancels_t *self);

//  A reply to an ask of ours; token as it was given.
nm_rc_t nm_cancels_reply(struct nm_gateway *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);
nm_rc_t nm_cancels_due(struct nm_gateway *gateway, nm_turn_t *turn);

#endif
