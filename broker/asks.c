#include "broker/asks.h"

//  A number is a serial number, which makes it unique, over the place of the ask.
enum { PLACE_BITS = 20 };
static const uint64_t PLACE_MASK = (UINT64_C(1) << PLACE_BITS) - 1;

void
nm_asks_free(nm_asks_t *self)
{
    free(self->items);
    free(self->heap);
    *self = (nm_asks_t){ 0 };
}

static void
s_grow(nm_asks_t *self)
{
    size_t room = self->room ? self->room * 2 : 64;
    self->items = nm_realloc(self->items, room * sizeof *self->items);
    self->heap = nm_realloc(self->heap, room * sizeof *self->heap);
    for (size_t i = self->room; i < room; i++) {
        self->items[i] = (nm_pending_ask_t){ .id = 0 };
        self->heap[i] = (uint32_t) i;
    }
    self->room = room;
}

static void
s_put(nm_asks_t *self, size_t rank, uint32_t place)
{
    self->heap[rank] = place;
    self->items[place].rank = (uint32_t) rank;
}

static int64_t
s_deadline(const nm_asks_t *self, size_t rank)
{
    return self->items[self->heap[rank]].deadline_ms;
}

static void
s_rise(nm_asks_t *self, size_t rank)
{
    uint32_t place = self->heap[rank];
    while (rank > 0 && s_deadline(self, (rank - 1) / 2) > self->items[place].deadline_ms) {
        s_put(self, rank, self->heap[(rank - 1) / 2]);
        rank = (rank - 1) / 2;
    }
    s_put(self, rank, place);
}

static void
s_sink(nm_asks_t *self, size_t rank)
{
    uint32_t place = self->heap[rank];
    for (size_t child = 2 * rank + 1; child < self->count; child = 2 * rank + 1) {
        if (child + 1 < self->count && s_deadline(self, child + 1) < s_deadline(self, child))
            child++;
        if (s_deadline(self, child) >= self->items[place].deadline_ms)
            break;
        s_put(self, rank, self->heap[child]);
        rank = child;
    }
    s_put(self, rank, place);
}

uint64_t
nm_asks_add(nm_asks_t *self, const nm_pending_ask_t *ask)
{
    if (self->count == self->room)
        s_grow(self);
    size_t rank = self->count++;
    uint32_t place = self->heap[rank];
    self->items[place] = *ask;
    self->items[place].id = ++self->serial << PLACE_BITS | place;
    self->counts[ask->asker]++;
    s_rise(self, rank);
    return self->items[place].id;
}

const nm_pending_ask_t *
nm_asks_find(const nm_asks_t *self, uint64_t id)
{
    size_t place = (size_t) (id & PLACE_MASK);
    return id && place < self->room && self->items[place].id == id ? &self->items[place] : NULL;
}

const nm_pending_ask_t *
nm_asks_first(const nm_asks_t *self)
{
    return self->count ? &self->items[self->heap[0]] : NULL;
}

nm_pending_ask_t
nm_asks_take(nm_asks_t *self, const nm_pending_ask_t *ask)
{
    nm_pending_ask_t taken = *ask;
    uint32_t place = self->heap[taken.rank], last = self->heap[--self->count];
    self->counts[taken.asker]--;
    self->items[place].id = 0;
    self->heap[self->count] = place;
    if (place == last)
        return taken;
    s_put(self, taken.rank, last);
    s_rise(self, taken.rank);
    s_sink(self, self->items[last].rank);
    return taken;
}

bool
nm_asks_await(const nm_asks_t *self, const nm_peer_t *peer)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->items[self->heap[i]].peer == peer)
            return true;
    return false;
}

bool
nm_asks_is_since(const nm_pending_ask_t *ask, uint64_t serial)
{
    return ask->id >> PLACE_BITS > serial;
}
