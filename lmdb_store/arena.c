#include "lmdb_store/arena.h"

#include <assert.h>
#include <stdalign.h>

#if defined(__SANITIZE_ADDRESS__)
#define S_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define S_POISONS 1
#endif
#endif

#ifdef S_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void) (at), (void) (size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void) (at), (void) (size))
#endif

enum {
    S_ALIGNMENT = 16,
    S_BLOCK_SIZE = 64 * 1024,           //  A turn of a hundred small records fits
    S_KEPT_SIZE_MAX = 4 * 1024 * 1024,  //  What one large turn needed is not held for ever
};

struct nm_arena_block {
    nm_arena_block_t *next;
    size_t size;
    alignas(S_ALIGNMENT) uint8_t at[];
};

static nm_arena_block_t *
s_block_new(size_t size)
{
    nm_arena_block_t *block = nm_realloc(NULL, sizeof *block + size);  //  Not cleared: it is about to be filled
    block->next = NULL;
    block->size = size;
    ASAN_POISON_MEMORY_REGION(block->at, size);
    return block;
}

//  Makes a block current that has room for size bytes: the next one if it is large
//  enough, else a new one before it.
static void
s_advance(nm_arena_t *self, size_t size)
{
    nm_arena_block_t **link = self->current ? &self->current->next : &self->first;
    if (!*link || (*link)->size < size) {
        nm_arena_block_t *block = s_block_new(size > S_BLOCK_SIZE ? size : S_BLOCK_SIZE);
        block->next = *link;
        *link = block;
    }
    self->current = *link;
    self->used = 0;
}

void *
nm_arena_alloc(nm_arena_t *self, size_t size)
{
    size_t room = (size + S_ALIGNMENT - 1) & ~(size_t) (S_ALIGNMENT - 1);
    assert(room >= size);
    if (!self->current || self->current->size - self->used < room)
        s_advance(self, room);

    uint8_t *at = self->current->at + self->used;
    self->used += room;
    ASAN_UNPOISON_MEMORY_REGION(at, size);
    return at;
}

nm_arena_mark_t
nm_arena_mark(const nm_arena_t *self)
{
    return (nm_arena_mark_t){ self->current, self->used };
}

void
nm_arena_rewind(nm_arena_t *self, nm_arena_mark_t mark)
{
    nm_arena_block_t *block = mark.block ? mark.block : self->first;
    size_t used = mark.block ? mark.used : 0;
    self->current = mark.block;
    self->used = mark.used;
    for (; block; block = block->next, used = 0)
        ASAN_POISON_MEMORY_REGION(block->at + used, block->size - used);
}

void
nm_arena_reset(nm_arena_t *self)
{
    size_t kept_size = 0;
    nm_arena_block_t **link = &self->first;
    while (*link) {
        nm_arena_block_t *block = *link;
        if (kept_size + block->size > S_KEPT_SIZE_MAX) {
            *link = block->next;
            free(block);
            continue;
        }
        kept_size += block->size;
        ASAN_POISON_MEMORY_REGION(block->at, block->size);
        link = &block->next;
    }
    self->current = NULL;
    self->used = 0;
}

void
nm_arena_free(nm_arena_t *self)
{
    while (self->first) {
        nm_arena_block_t *block = self->first;
        self->first = block->next;
        free(block);
    }
    *self = (nm_arena_t){ 0 };
}
