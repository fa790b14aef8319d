#include "actors/channel/slots.h"

#define NONE SIZE_MAX

//  A binary heap of slot numbers; the smallest is in front.
typedef struct {
    size_t *at;
    size_t count;
    size_t room;
} s_heap_t;

struct nm_slots {
    nm_slot_t *at;
    size_t room;
    size_t count;
    size_t free;      //  First of the unused ones, linked by next
    size_t *buckets;  //  By hash of the key; room of them
    s_heap_t ready;
    s_heap_t waiting;
    uint64_t arrivals;
};

nm_slots_t *
nm_slots_new(void)
{
    nm_slots_t *self = nm_alloc(sizeof *self);
    self->free = NONE;
    return self;
}

void
nm_slots_destroy(nm_slots_t **self_p)
{
    nm_slots_t *self = *self_p;
    if (!self)
        return;
    free(self->at);
    free(self->buckets);
    free(self->ready.at);
    free(self->waiting.at);
    free(self);
    *self_p = NULL;
}

//  -- Heaps

static bool
s_before(const nm_slot_t *a, const nm_slot_t *b)
{
    int64_t first = a->state == NM_SLOT_WAITING ? a->due_ms : a->rank;
    int64_t second = b->state == NM_SLOT_WAITING ? b->due_ms : b->rank;
    return first != second ? first < second : a->arrival < b->arrival;
}

static void
s_heap_set(nm_slots_t *self, s_heap_t *heap, size_t place, size_t number)
{
    heap->at[place] = number;
    self->at[number].place = place;
}

static void
s_heap_up(nm_slots_t *self, s_heap_t *heap, size_t place)
{
    size_t number = heap->at[place];
    while (place && s_before(&self->at[number], &self->at[heap->at[(place - 1) / 2]])) {
        s_heap_set(self, heap, place, heap->at[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    s_heap_set(self, heap, place, number);
}

static void
s_heap_down(nm_slots_t *self, s_heap_t *heap, size_t place)
{
    size_t number = heap->at[place];
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && s_before(&self->at[heap->at[child + 1]], &self->at[heap->at[child]]))
            child++;
        if (!s_before(&self->at[heap->at[child]], &self->at[number]))
            break;
        s_heap_set(self, heap, place, heap->at[child]);
        place = child;
    }
    s_heap_set(self, heap, place, number);
}

static void
s_heap_add(nm_slots_t *self, s_heap_t *heap, size_t number)
{
    if (heap->count == heap->room) {
        heap->room = heap->room ? heap->room * 2 : 64;
        heap->at = nm_realloc(heap->at, heap->room * sizeof *heap->at);
    }
    heap->at[heap->count] = number;
    s_heap_up(self, heap, heap->count++);
}

static void
s_heap_remove(nm_slots_t *self, s_heap_t *heap, size_t place)
{
    size_t last = heap->at[--heap->count];
    if (place == heap->count)
        return;
    s_heap_set(self, heap, place, last);
    s_heap_up(self, heap, place);
    s_heap_down(self, heap, self->at[last].place);
}

static s_heap_t *
s_heap_of(nm_slots_t *self, const nm_slot_t *slot)
{
    switch (slot->state) {
    case NM_SLOT_READY: return &self->ready;
    case NM_SLOT_WAITING: return &self->waiting;
    case NM_SLOT_CALLING: return NULL;
    }
    return NULL;
}

static void
s_enter(nm_slots_t *self, nm_slot_t *slot)
{
    s_heap_t *heap = s_heap_of(self, slot);
    if (heap)
        s_heap_add(self, heap, (size_t) (slot - self->at));
}

static void
s_leave(nm_slots_t *self, nm_slot_t *slot)
{
    s_heap_t *heap = s_heap_of(self, slot);
    if (heap)
        s_heap_remove(self, heap, slot->place);
}

//  -- Look-up by key

static bool
s_is_key(const nm_delivery_key_t *a, const nm_delivery_key_t *b)
{
    return nm_id_equal(&a->notification, &b->notification) && a->number == b->number && a->generation == b->generation;
}

//  The last eight bytes of an id are random; the others are time.
static size_t *
s_bucket(nm_slots_t *self, const nm_delivery_key_t *key)
{
    uint64_t hash = nm_get_u64(key->notification.at + 8) ^ nm_get_u64(key->notification.at);
    hash = (hash + key->number + ((uint64_t) key->generation << 8)) * UINT64_C(0x9e3779b97f4a7c15);
    return &self->buckets[(hash >> 32) % self->room];
}

static void
s_link(nm_slots_t *self, size_t number)
{
    size_t *bucket = s_bucket(self, &self->at[number].key);
    self->at[number].next = *bucket;
    *bucket = number;
}

static void
s_grow(nm_slots_t *self)
{
    size_t old = self->room;
    self->room = old ? old * 2 : 64;
    self->at = nm_realloc(self->at, self->room * sizeof *self->at);
    self->buckets = nm_realloc(self->buckets, self->room * sizeof *self->buckets);
    for (size_t i = 0; i < self->room; i++)
        self->buckets[i] = NONE;
    for (size_t i = 0; i < old; i++)
        s_link(self, i);
    for (size_t i = self->room; i-- > old;) {
        self->at[i] = (nm_slot_t){ .next = self->free };
        self->free = i;
    }
}

void
nm_slots_clear(nm_slots_t *self)
{
    self->count = self->ready.count = self->waiting.count = 0;
    self->free = NONE;
    for (size_t i = self->room; i-- > 0;) {
        self->at[i] = (nm_slot_t){ .next = self->free };
        self->free = i;
        self->buckets[i] = NONE;
    }
}

nm_slot_t *
nm_slots_find(nm_slots_t *self, const nm_delivery_key_t *key)
{
    if (!self->room)
        return NULL;
    for (size_t i = *s_bucket(self, key); i != NONE; i = self->at[i].next)
        if (s_is_key(&self->at[i].key, key))
            return &self->at[i];
    return NULL;
}

nm_slot_t *
nm_slots_add(nm_slots_t *self, const nm_slot_t *slot)
{
    if (nm_slots_find(self, &slot->key))
        return NULL;
    if (self->free == NONE)
        s_grow(self);
    size_t number = self->free;
    nm_slot_t *added = &self->at[number];
    self->free = added->next;
    *added = *slot;
    added->used = true;
    added->arrival = self->arrivals++;
    self->count++;
    s_link(self, number);
    s_enter(self, added);
    return added;
}

void
nm_slots_remove(nm_slots_t *self, nm_slot_t *slot)
{
    s_leave(self, slot);
    size_t number = (size_t) (slot - self->at);
    size_t *link = s_bucket(self, &slot->key);
    while (*link != number)
        link = &self->at[*link].next;
    *link = slot->next;
    *slot = (nm_slot_t){ .next = self->free };
    self->free = number;
    self->count--;
}

void
nm_slots_move(nm_slots_t *self, nm_slot_t *slot, nm_slot_state_t state, int64_t due_ms)
{
    s_leave(self, slot);
    slot->state = state;
    slot->due_ms = due_ms;
    slot->blocked = false;
    s_enter(self, slot);
}

nm_slot_t *
nm_slots_ready(nm_slots_t *self)
{
    return self->ready.count ? &self->at[self->ready.at[0]] : NULL;
}

nm_slot_t *
nm_slots_due(nm_slots_t *self)
{
    return self->waiting.count ? &self->at[self->waiting.at[0]] : NULL;
}

void
nm_slots_unblock(nm_slots_t *self)
{
    for (size_t i = 0; i < self->room; i++)
        if (self->at[i].used && self->at[i].blocked)
            nm_slots_move(self, &self->at[i], NM_SLOT_READY, 0);
}

size_t
nm_slots_count(const nm_slots_t *self)
{
    return self->count;
}

size_t
nm_slots_calling(const nm_slots_t *self)
{
    return self->count - self->ready.count - self->waiting.count;
}

size_t
nm_slots_waiting(const nm_slots_t *self)
{
    return self->waiting.count;
}

static nm_slots_sort_t
s_sort(const nm_slot_t *slot)
{
    switch (slot->state) {
    case NM_SLOT_READY: return NM_SLOTS_READY;
    case NM_SLOT_WAITING: return slot->blocked ? NM_SLOTS_BLOCKED : NM_SLOTS_RETRYING;
    case NM_SLOT_CALLING: break;
    }
    return NM_SLOTS_CALLING;
}

void
nm_slots_view(const nm_slots_t *self, nm_slots_view_t *view)
{
    *view = (nm_slots_view_t){ .counts = { 0 } };
    for (size_t i = 0; i < self->room; i++) {
        const nm_slot_t *slot = &self->at[i];
        if (!slot->used)
            continue;
        int64_t *oldest_ms = &view->oldest_ms[s_sort(slot)];
        view->counts[s_sort(slot)]++;
        if (!*oldest_ms || slot->came_ms < *oldest_ms)
            *oldest_ms = slot->came_ms;
    }
}

int64_t
nm_slots_oldest(const nm_slots_t *self)
{
    int64_t oldest_ms = 0;
    for (size_t i = 0; i < self->room; i++)
        if (self->at[i].used && (!oldest_ms || self->at[i].came_ms < oldest_ms))
            oldest_ms = self->at[i].came_ms;
    return oldest_ms;
}
