#include "actors/bridge/state.h"

//  Slots are a block that grows, so a pointer to one lasts until the next is added.

static void
s_grow(nm_bridge_t *self)
{
    size_t count = self->slot_count ? self->slot_count * 2 : 256;
    self->slots = nm_realloc(self->slots, count * sizeof *self->slots);
    self->free_slots = nm_realloc(self->free_slots, count * sizeof *self->free_slots);
    for (size_t i = count; i-- > self->slot_count;) {
        self->slots[i] = (nm_exchange_slot_t){ .request = NULL };
        self->free_slots[self->free_count++] = (uint32_t) i;
    }
    self->slot_count = count;
}

static void
s_note_change(nm_bridge_t *self, nm_exchange_slot_t *slot)
{
    if (slot->changed)
        return;
    slot->changed = true;
    if (self->changed_count == self->changed_room) {
        self->changed_room = self->changed_room ? self->changed_room * 2 : 256;
        self->changed = nm_realloc(self->changed, self->changed_room * sizeof *self->changed);
    }
    self->changed[self->changed_count++] = (uint32_t) (slot - self->slots);
}

nm_exchange_slot_t *
nm_exchanges_add(nm_bridge_t *self, const struct nm_front_request *request)
{
    if (!self->free_count)
        s_grow(self);
    nm_exchange_slot_t *slot = &self->slots[self->free_slots[--self->free_count]];
    *slot = (nm_exchange_slot_t){ .request = request, .serial = ++self->serial, .fresh = true };
    slot->refusal = request->refusal;
    s_note_change(self, slot);
    return slot;
}

//  The slot of a request that comes again.
nm_exchange_slot_t *
nm_exchanges_again(nm_bridge_t *self, const struct nm_front_request *request)
{
    nm_exchange_slot_t *slot = request->token < self->slot_count ? &self->slots[request->token] : NULL;
    return slot && slot->request == request && !slot->done ? slot : NULL;
}

nm_exchange_slot_t *
nm_exchanges_of(nm_bridge_t *self, uint64_t token)
{
    size_t place = (size_t) (token >> 32 & 0xffffff);
    nm_exchange_slot_t *slot = place < self->slot_count ? &self->slots[place] : NULL;
    if (!slot || !slot->request || slot->done || slot->serial != (uint32_t) token)
        return NULL;
    return slot->request->gone ? NULL : slot;  //  Its end is on its way; the texts of the request are no longer there
}

uint64_t
nm_exchanges_token(nm_bridge_t *self, const nm_exchange_slot_t *slot)
{
    return (uint64_t) NM_BRIDGE_TOKEN_EXCHANGE << 56 | (uint64_t) (slot - self->slots) << 32 | slot->serial;
}

void
nm_exchanges_end(nm_bridge_t *self, nm_exchange_slot_t *slot)
{
    slot->done = true;
    s_note_change(self, slot);
}

void
nm_exchanges_tell(nm_bridge_t *self, nm_exchange_slot_t *slot)
{
    slot->told = true;
    s_note_change(self, slot);
}

static void
s_free_cursors(nm_exchange_slot_t *slot)
{
    nm_buf_free(&slot->cursor);
    nm_buf_free(&slot->next);
}

//  The gateway has nothing to do for the stream until it is asked again.
static void
s_settle_piece(nm_exchange_slot_t *slot)
{
    slot->flowing = slot->behind = true;
    slot->gateway = NULL;
    nm_buf_clear(&slot->cursor);
    nm_buf_add_bytes(&slot->cursor, nm_buf_bytes(&slot->next));
}

static void
s_settle(nm_bridge_t *self, bool committed)
{
    for (size_t i = 0; i < self->changed_count; i++) {
        nm_exchange_slot_t *slot = &self->slots[self->changed[i]];
        bool over = committed ? slot->done : slot->fresh;
        if (committed && slot->told)
            s_settle_piece(slot);
        slot->changed = slot->fresh = slot->done = slot->told = false;
        if (!over)
            continue;
        slot->request = NULL;
        s_free_cursors(slot);
        self->free_slots[self->free_count++] = self->changed[i];
    }
    self->changed_count = 0;
}

void
nm_exchanges_commit(nm_bridge_t *self)
{
    s_settle(self, true);
}

//  The front gives requests of that turn again; what was answered in it was not, and ends when its time is over.
void
nm_exchanges_undo(nm_bridge_t *self)
{
    s_settle(self, false);
}

void
nm_exchanges_free(nm_bridge_t *self)
{
    for (size_t i = 0; i < self->slot_count; i++)
        s_free_cursors(&self->slots[i]);
    free(self->slots);
    free(self->free_slots);
    free(self->changed);
}
