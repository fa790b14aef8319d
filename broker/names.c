#include "broker/names.h"

void
nm_names_free(nm_names_t *self)
{
    free(self->names);
    free(self->slots);
    *self = (nm_names_t){ 0 };
}

//  FNV-1a. Nobody chooses names to collide: the authority has signed each.
static size_t
s_hash(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        hash = (hash ^ (uint8_t) *name) * UINT64_C(0x100000001b3);
    return (size_t) (hash ^ hash >> 32);
}

//  Where the name stands, or would.
static size_t
s_slot(const nm_names_t *self, const char *name)
{
    size_t at = s_hash(name) & (self->room - 1);
    while (self->slots[at] && strcmp(self->names[self->slots[at] - 1], name) != 0)
        at = (at + 1) & (self->room - 1);
    return at;
}

static void
s_grow(nm_names_t *self)
{
    self->room = self->room ? 2 * self->room : 16;
    self->names = nm_realloc(self->names, self->room / 2 * sizeof *self->names);
    free(self->slots);
    self->slots = nm_alloc(self->room * sizeof *self->slots);
    for (size_t i = 0; i < self->count; i++)
        self->slots[s_slot(self, self->names[i])] = (uint32_t) i + 1;
}

size_t
nm_names_add(nm_names_t *self, const char *name)
{
    if (2 * (self->count + 1) > self->room)
        s_grow(self);
    self->names[self->count] = name;
    self->slots[s_slot(self, name)] = (uint32_t) self->count + 1;
    return self->count++;
}

size_t
nm_names_find(const nm_names_t *self, const char *name)
{
    if (!self->room)
        return self->count;
    uint32_t found = self->slots[s_slot(self, name)];
    return found ? found - 1 : self->count;
}
