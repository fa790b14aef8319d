#include "broker/tags.h"

#include <sodium.h>

#define NONE SIZE_MAX

void
nm_tags_free(nm_tags_t *self)
{
    free(self->items);
    free(self->buckets);
    *self = (nm_tags_t){ 0 };
}

static size_t *
s_bucket(const nm_tags_t *self, nm_bytes_t tag)
{
    static const uint8_t KEY[crypto_shorthash_KEYBYTES] = { 0 };  //  Tags are ids of ours: nobody chooses them
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, tag.at, tag.size, KEY);
    return &self->buckets[nm_get_u64(hash) % self->room];
}

static nm_bytes_t
s_tag(const nm_tag_t *item)
{
    return nm_bytes(item->tag, item->tag_size);
}

static void
s_link(nm_tags_t *self, size_t at)
{
    size_t *bucket = s_bucket(self, s_tag(&self->items[at]));
    self->items[at].next = *bucket;
    *bucket = at;
}

static void
s_grow(nm_tags_t *self)
{
    size_t old = self->room;
    self->room = old ? 2 * old : 64;
    self->items = nm_realloc(self->items, self->room * sizeof *self->items);
    self->buckets = nm_realloc(self->buckets, self->room * sizeof *self->buckets);
    for (size_t i = 0; i < self->room; i++)
        self->buckets[i] = NONE;
    for (size_t i = 0; i < old; i++)
        s_link(self, i);
    self->free = NONE;
    for (size_t i = self->room; i-- > old;) {
        self->items[i].next = self->free;
        self->free = i;
    }
}

void
nm_tags_add(nm_tags_t *self, nm_bytes_t tag, nm_place_t place)
{
    if (!tag.size)
        return;
    if (self->count == self->room)
        s_grow(self);
    size_t at = self->free;
    nm_tag_t *item = &self->items[at];
    self->free = item->next;
    *item = (nm_tag_t){ .place = place, .tag_size = (uint8_t) tag.size };
    memcpy(item->tag, tag.at, tag.size);
    self->count++;
    s_link(self, at);
}

static bool
s_is_at(const nm_tag_t *item, nm_place_t place)
{
    return item->place.rank == place.rank && item->place.number == place.number;
}

void
nm_tags_drop(nm_tags_t *self, nm_bytes_t tag, nm_place_t place)
{
    if (!tag.size || !self->count)
        return;
    size_t *link = s_bucket(self, tag);
    while (*link != NONE && !s_is_at(&self->items[*link], place))
        link = &self->items[*link].next;
    if (*link == NONE)
        return;
    size_t at = *link;
    *link = self->items[at].next;
    self->items[at].next = self->free;
    self->free = at;
    self->count--;
}

nm_rc_t
nm_tags_first(const nm_tags_t *self, nm_bytes_t tag, nm_place_t *place)
{
    nm_rc_t rc = NM_ERR_MISSING;
    if (!tag.size || !self->count)
        return rc;
    for (size_t i = *s_bucket(self, tag); i != NONE; i = self->items[i].next) {
        nm_place_t other = self->items[i].place;
        if (!nm_bytes_equal(s_tag(&self->items[i]), tag))
            continue;
        bool before = other.rank != place->rank ? other.rank < place->rank : other.number < place->number;
        if (rc != NM_OK || before)
            *place = other;
        rc = NM_OK;
    }
    return rc;
}
