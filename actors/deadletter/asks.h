/*  asks - what gateways and operators ask about dead letters: dead_letters.list, .get,
 *  .replay, .replay_many and .discard.
 *
 *  A gateway has checked who asks, and puts the tenant into `service`; without it the ask
 *  speaks of every tenant. A letter of another tenant is answered as one that was never
 *  there. Bodies are records, keys by name; every fault is named at once.
 */
#ifndef NM_ASKS_H
#define NM_ASKS_H

#include "actors/deadletter/replays.h"
#include "wire/asks.h"

//  What one ask may do, so that a turn stays short. Letters that stand in the line already
//  are looked at by the next replay_many as well, so it may look at more than it lines up.
enum { NM_ASKS_LIST_LOOK_MAX = 10000, NM_ASKS_MANY_LOOK_MAX = 50000, NM_ASKS_MANY_MAX = 10000 };

//  Answers the ask, whatever it is.
nm_rc_t nm_asks_handle(nm_replays_t *replays, nm_turn_t *turn, const nm_ask_in_t *ask);

#endif
