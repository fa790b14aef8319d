/*  deadletter - keeps the deliveries that failed for good, until somebody replays or
 *  discards them.
 *
 *  Channel actors and routers mail dead letters to it; gateways and operators ask about
 *  them (asks.h). Nothing is ever dropped here by itself: an open letter stays until
 *  somebody acts. letters.h says how they are stored, replays.h how they come back.
 */
#ifndef NM_DEADLETTER_H
#define NM_DEADLETTER_H

#include "broker/role.h"

extern const nm_role_t nm_deadletter_role;

#endif
