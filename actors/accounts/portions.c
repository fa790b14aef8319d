#include "actors/accounts/portions.h"

#include <assert.h>
#include <stdlib.h>

void
nm_portions_free(nm_portions_t *self)
{
    free(self->items);
    *self = (nm_portions_t){ 0 };
}

void
nm_portions_clear(nm_portions_t *self)
{
    self->count = 0;
    self->total = 0;
}

static size_t
s_place(const nm_portions_t *self, const nm_id_t *service)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(self->items[middle].service.at, service->at, NM_ID_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
s_is_at(const nm_portions_t *self, size_t at, const nm_id_t *service)
{
    return at < self->count && nm_id_equal(&self->items[at].service, service);
}

void
nm_portions_take(nm_portions_t *self, const nm_id_t *service)
{
    size_t at = s_place(self, service);
    if (!s_is_at(self, at, service)) {
        if (self->count == self->room) {
            self->room = self->room ? 2 * self->room : 16;
            self->items = nm_realloc(self->items, self->room * sizeof *self->items);
        }
        memmove(self->items + at + 1, self->items + at, (self->count++ - at) * sizeof *self->items);
        self->items[at] = (nm_portion_t){ .service = *service };
    }
    self->items[at].count++;
    self->total++;
}

void
nm_portions_give(nm_portions_t *self, const nm_id_t *service)
{
    size_t at = s_place(self, service);
    assert(s_is_at(self, at, service));
    self->total--;
    if (--self->items[at].count)
        return;
    self->count--;
    memmove(self->items + at, self->items + at + 1, (self->count - at) * sizeof *self->items);
}

uint64_t
nm_portions_of(const nm_portions_t *self, const nm_id_t *service)
{
    size_t at = s_place(self, service);
    return s_is_at(self, at, service) ? self->items[at].count : 0;
}

bool
nm_portions_may(const nm_portions_t *self, const nm_id_t *service, uint64_t places)
{
    return self->total < places && nm_portions_of(self, service) < NM_PORTION_OF_FREE * (places - self->total);
}
