/*  duties - what a gateway does without being asked: at times, and at the end of each turn.
 *
 *  Starts what is due, expires what nobody took, forgets what is old, a bounded amount in
 *  each turn; then writes what the turn gathered (journal, counts) and answers who waits.
 */
#ifndef NM_DUTIES_H
#define NM_DUTIES_H

#include "actors/gateway/state.h"

//  Loads or makes what stands under its name among the facts.
nm_rc_t nm_duties_load(nm_gateway_t *self, nm_turn_t *turn);
nm_rc_t nm_duties_due(nm_gateway_t *self, nm_turn_t *turn);

//  Which roles the mesh has.
void nm_duties_look(nm_gateway_t *self);

#endif
