#include "broker/watches.h"

#include <stdlib.h>

void
nm_watches_free(nm_watches_t *self)
{
    free(self->items);
    *self = (nm_watches_t){ 0 };
}

void
nm_watches_add(nm_watches_t *self, nm_bytes_t tag, uint64_t token)
{
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->items = nm_realloc(self->items, self->room * sizeof *self->items);
    }
    nm_watch_t *watch = &self->items[self->count++];
    *watch = (nm_watch_t){ .token = token, .tag_size = (uint8_t) tag.size, .fresh = true };
    memcpy(watch->tag, tag.at, tag.size);
}

void
nm_watches_place(nm_watches_t *self, nm_bytes_t tag, const nm_link_t *link, uint64_t seq)
{
    for (size_t i = 0; i < self->count; i++) {
        nm_watch_t *watch = &self->items[i];
        if (watch->link || !nm_bytes_equal(nm_bytes(watch->tag, watch->tag_size), tag))
            continue;
        watch->link = link;
        watch->seq = seq;
        watch->placed = true;
        return;
    }
}

nm_rc_t
nm_watches_next(nm_watches_t *self, size_t *at, uint64_t *token)
{
    while (*at < self->count) {
        nm_watch_t *watch = &self->items[(*at)++];
        if (!watch->link || watch->told || !nm_spans_has(&watch->link->receipted, watch->seq))
            continue;
        watch->told = true;
        *token = watch->token;
        return NM_OK;
    }
    return NM_ERR_MISSING;
}

void
nm_watches_commit(nm_watches_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        nm_watch_t *watch = &self->items[i];
        watch->fresh = watch->placed = false;
        if (!watch->told)
            self->items[kept++] = *watch;
    }
    self->count = kept;
}

void
nm_watches_undo(nm_watches_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        nm_watch_t *watch = &self->items[i];
        watch->told = false;
        if (watch->placed)
            watch->link = NULL;
        watch->placed = false;
        if (!watch->fresh)
            self->items[kept++] = *watch;
    }
    self->count = kept;
}
