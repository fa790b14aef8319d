#include "actors/user/waits.h"

#include <sodium.h>

//  What is kept may be a password.
static void
s_release(nm_waits_t *self, nm_wait_t *item)
{
    uint32_t serial = item->serial;
    if (item->kept.at)
        sodium_memzero(item->kept.at, item->kept.room);
    nm_buf_free(&item->kept);
    *item = (nm_wait_t){ .serial = serial };
    self->count--;
}

void
nm_waits_free(nm_waits_t *self)
{
    for (size_t i = 0; self->count && i < NM_WAIT_COUNT; i++)
        if (self->items[i].used)
            s_release(self, &self->items[i]);
    free(self->items);
    *self = (nm_waits_t){ 0 };
}

//  Who came in a turn that was undone was told so.
void
nm_waits_undo(nm_waits_t *self)
{
    for (size_t i = 0; self->count && i < NM_WAIT_COUNT; i++) {
        nm_wait_t *item = &self->items[i];
        item->done = false;
        if (item->used && item->fresh)
            s_release(self, item);
    }
}

void
nm_waits_commit(nm_waits_t *self)
{
    for (size_t i = 0; self->count && i < NM_WAIT_COUNT; i++) {
        nm_wait_t *item = &self->items[i];
        item->fresh = false;
        if (item->used && item->done)
            s_release(self, item);
    }
}

static nm_wait_t *
s_take(nm_waits_t *self)
{
    if (!self->items)
        self->items = nm_alloc(NM_WAIT_COUNT * sizeof *self->items);
    for (size_t i = 0; i < NM_WAIT_COUNT; i++)
        if (!self->items[i].used)
            return &self->items[i];
    return NULL;
}

//  Packed anew, the headers can be decoded into views of what is kept.
static void
s_keep(nm_wait_t *item, const nm_ask_in_t *ask)
{
    nm_buf_t *kept = &item->kept;
    nm_buf_add_bytes(kept, ask->op);
    nm_record_encode(&nm_ask_headers_shape, &ask->headers, NM_BY_TAG, kept);
    size_t headers_size = kept->size - ask->op.size;
    nm_buf_add_bytes(kept, ask->body);
    item->ask = *ask;
    item->ask.op = nm_bytes(kept->at, ask->op.size);
    item->ask.body = nm_bytes(kept->at + ask->op.size + headers_size, ask->body.size);
    nm_record_decode(&nm_ask_headers_shape, &item->ask.headers, nm_bytes(kept->at + ask->op.size, headers_size), NULL,
                     "");
}

nm_wait_t *
nm_waits_keep(nm_waits_t *self, const nm_ask_in_t *ask)
{
    nm_wait_t *item = ask->body.size <= NM_WAIT_BODY_MAX ? s_take(self) : NULL;
    if (!item)
        return NULL;
    self->count++;
    item->serial++;
    item->used = item->fresh = true;
    s_keep(item, ask);
    return item;
}
