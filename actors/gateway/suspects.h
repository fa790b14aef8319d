/*  suspects - notifications of which something may be lost with an actor: who has it, and sending again what nobody has.
 *
 *  The second half of a recovery (recovery.h, which says in which order it looks and why): the rows of the
 *  suspects are on disk; who is being asked about them is in the recovery's memory only.
 */
#ifndef NM_SUSPECTS_H
#define NM_SUSPECTS_H

#include "actors/gateway/recovery.h"

//  Puts an unfinished one among the suspects unless what is known of it accounts for all of it. trusted: so do its events.
nm_rc_t nm_suspects_look_at(struct nm_gateway *self, nm_turn_t *turn, const nm_id_t *id, bool trusted);

//  Clears those whose work is still in our own outbox.
nm_rc_t nm_suspects_clear_ours(struct nm_gateway *self, nm_turn_t *turn);

//  Asks about the next of them, waits, judges. none: all are cleared.
nm_rc_t nm_suspects_due(struct nm_gateway *self, nm_turn_t *turn, bool *none);
nm_rc_t nm_suspects_reply(struct nm_gateway *self, nm_turn_t *turn, const nm_reply_in_t *reply);

//  Nobody is asked any more: answers to what was asked come in vain.
void nm_suspects_drop(nm_recovery_t *recovery);

#endif
