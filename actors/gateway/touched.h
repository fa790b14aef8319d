/*  touched - which places of a table this turn has changed, so that its end need not walk all of them.
 */
#ifndef NM_TOUCHED_H
#define NM_TOUCHED_H

#include "nm.h"

typedef struct {
    uint32_t *slots;  //  In the order of the changes; one that was changed twice may be there twice
    size_t count;     //  0 at the end of a turn
    size_t room;
} nm_touched_t;

static inline void
nm_touched_add(nm_touched_t *self, size_t slot)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->slots = nm_realloc(self->slots, self->room * sizeof *self->slots);
    }
    self->slots[self->count++] = (uint32_t) slot;
}

static inline void
nm_touched_free(nm_touched_t *self)
{
    free(self->slots);
    *self = (nm_touched_t){ .count = 0 };
}

#endif
