/*  dice - all chance of a simulation, from one seed (splitmix64).
 *
 *  The same seed gives the same throws, so a run can be repeated. libsodium's own randomness is
 *  taken over as well: ids of stores, nonces and secrets are drawn from here.
 */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include "nm.h"

typedef struct {
    uint64_t state;
} sim_dice_t;

uint64_t sim_dice(sim_dice_t *self);

//  0 to count - 1.
uint64_t sim_dice_below(sim_dice_t *self, uint64_t count);

//  least to most, both included.
int64_t sim_dice_between(sim_dice_t *self, int64_t least, int64_t most);

//  True that often in a thousand.
bool sim_dice_odds(sim_dice_t *self, unsigned per_mille);

//  From now on libsodium draws from a die of its own. Once per process, before anything else uses it.
void sim_dice_take_over(void);

//  Lets that die begin anew.
void sim_dice_sow(uint64_t seed);

#endif
