/*  bridge - the role of actors that speak HTTP: requests become asks, replies become answers.
 *
 *  It decides nothing and keeps nothing: credentials travel in the ask, and a gateway judges them. Its state is what is
 *  open now, in memory. A restart cuts the connections, and clients ask again.
 *
 *  A request with an idempotency key goes to the gateway that owns the key, one about a notification to the gateway that
 *  owns that, and others to those that are there by turns. When a gateway falls silent or comes back as another process, what
 *  was open there is asked again if that is safe (a read, or a key that belongs to a gateway that is there), and else
 *  answered 503.
 */
#ifndef NM_BRIDGE_H
#define NM_BRIDGE_H

#include "actors/bridge/request.h"
#include "broker/role.h"

extern const nm_role_t nm_bridge_role;

#endif
