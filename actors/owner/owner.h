/*  owner - tells the gateway that owns a notification what happened to it.
 *
 *  The id of a notification carries the number of its gateway, so an event needs no
 *  other address. Used by every role that makes events.
 */
#ifndef NM_OWNER_H
#define NM_OWNER_H

#include "broker/turn.h"

//  Starts an event of the delivery and generation, at the time of the turn. The caller
//  adds what else there is to say.
void nm_owner_event(nm_event_t *event, nm_event_kind_t kind, const nm_delivery_t *delivery, uint64_t order,
                    const nm_turn_t *turn);

//  Was the gateway that made this id lost? A later one of its name and number may be there, and knows nothing of it.
bool nm_owner_is_lost(const nm_peer_t *gateway, const nm_id_t *id);

//  Mails the event to the owner; of one that is gone for good, to all other gateways, of which one has its
//  copies. So it is with one that nobody here knows: who came after it was forgotten was never told of it.
nm_rc_t nm_owner_mail(nm_turn_t *turn, const nm_directory_t *directory, const nm_event_t *event, uint8_t priority);

#endif
