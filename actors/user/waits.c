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
    if (item->hashing)
        nm_hashing_forget(item->hashing);
    free(item->hashing);
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

//  Who came in a turn that was undone was told so. What was begun in it never left.
void
nm_waits_undo(nm_waits_t *self)
{
    for (size_t i = 0; self->count && i < NM_WAIT_COUNT; i++) {
        nm_wait_t *item = &self->items[i];
        item->done = false;
        if (item->started)
            item->state = NM_WAIT_QUEUED;
        item->started = false;
        if (item->used && item->fresh)
            s_release(self, item);
    }
}

void
nm_waits_commit(nm_waits_t *self)
{
    for (size_t i = 0; self->count && i < NM_WAIT_COUNT; i++) {
        nm_wait_t *item = &self->items[i];
        item->fresh = item->started = false;
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

void
nm_waits_hash(nm_wait_t *wait, nm_hashing_t *wanted)
{
    wait->hashing = nm_alloc(sizeof *wait->hashing);
    *wait->hashing = *wanted;
    nm_hashing_forget(wanted);
    wait->state = NM_WAIT_QUEUED;
}

void
nm_waits_start(nm_waits_t *self, nm_turn_t *turn)
{
    size_t running = 0;
    for (size_t i = 0; self->count && i < NM_WAIT_COUNT; i++)
        running += self->items[i].used && self->items[i].state == NM_WAIT_HASHING;
    for (size_t i = 0; self->count && i < NM_WAIT_COUNT && running < NM_HASHING_MAX; i++) {
        nm_wait_t *item = &self->items[i];
        if (!item->used || item->state != NM_WAIT_QUEUED)
            continue;
        nm_turn_effect(turn, nm_hashing_effect(item->hashing, (uint64_t) i << 32 | item->serial));
        item->state = NM_WAIT_HASHING;
        item->started = true;
        running++;
    }
}

void
nm_waits_result(nm_waits_t *self, const nm_result_t *result)
{
    size_t at = (size_t) (result->token >> 32);
    nm_wait_t *item = self->items && at < NM_WAIT_COUNT ? &self->items[at] : NULL;
    if (!item || !item->used || item->serial != (uint32_t) result->token || item->state != NM_WAIT_HASHING)
        return;
    nm_hashing_take(item->hashing, result);
    item->state = NM_WAIT_HASHED;
}
