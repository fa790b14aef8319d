/*  work - turns of a store, each of which follows from its number alone.
 *
 *  So whoever knows how many turns were done knows what the store must hold. A turn puts,
 *  replaces and deletes a few of a hundred records in two tables, small ones, ones in overflow pages, and
 *  now and then one larger than redo.log; and it writes its own number.
 */
#ifndef NM_TESTS_WORK_H
#define NM_TESTS_WORK_H

#include "lmdb_store/store.h"

enum { WORK_TABLES = 2, WORK_KEYS = 60 };

//  What the store holds: the turn that put each record last; 0: it is not there.
typedef struct {
    uint32_t versions[WORK_TABLES][WORK_KEYS];
} work_model_t;

nm_store_config_t work_config(const char *folder, uint64_t reserve);

//  What the turn does to the model.
void work_advance(work_model_t *model, uint32_t turn);

//  Does the turn to the store, which holds what model says. With fails all of it is undone again.
nm_rc_t work_turn(nm_store_t *store, const work_model_t *model, uint32_t turn, bool fails);

//  The number of the last turn that the store has; 0 if none.
nm_rc_t work_last_turn(nm_store_t *store, uint32_t *turn);

//  NULL if the store holds what it must after this turn, else what is wrong.
const char *work_compare(nm_store_t *store, const work_model_t *model, uint32_t turn);

#endif
