/*  router - makes deliveries out of notifications, and mails each to a channel actor.
 *
 *  It takes in work from gateways and replays from deadletter. The turn that takes a mail
 *  in also puts what follows from it into the outbox. Which actor of a role gets a
 *  delivery, and in which order, is the outbox's business (credit; priority with ageing).
 *
 *  Work that names a user instead of an address is kept until a user actor has said where that
 *  user is reached (reach.h): it is the only thing that the router has a table for.
 *
 *  What cannot be delivered at all (nobody works on the channel, no address) goes to
 *  deadletter, and the owning gateway is told, so that every notification has an end.
 */
#ifndef NM_ROUTER_H
#define NM_ROUTER_H

#include "broker/role.h"

extern const nm_role_t nm_router_role;

#endif
