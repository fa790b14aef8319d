/*  tags - where mail with a tag waits in a lane, so that it is found without a walk over all that waits.
 *
 *  In memory, and only of lanes in which something was looked for. It follows the lane: whoever puts mail there or
 *  takes it out says so here. Several mails may have the same tag.
 */
#ifndef NM_TAGS_H
#define NM_TAGS_H

#include "broker/outbox.h"

typedef struct {
    nm_place_t place;
    size_t next;  //  In its bucket, or among the free ones
    uint8_t tag[NM_OUTBOX_TAG_MAX];
    uint8_t tag_size;
} nm_tag_t;

//  {0} is an empty one.
typedef struct {
    nm_tag_t *items;
    size_t *buckets;
    size_t room;   //  Of both
    size_t count;  //  Mails with a tag
    size_t free;   //  The first item that is not used
} nm_tags_t;

void nm_tags_free(nm_tags_t *self);

//  A tag may be empty: then there is nothing to be found by.
void nm_tags_add(nm_tags_t *self, nm_bytes_t tag, nm_place_t place);
void nm_tags_drop(nm_tags_t *self, nm_bytes_t tag, nm_place_t place);

//  Of all mail with the tag the one that stands first; NM_ERR_MISSING: there is none.
nm_rc_t nm_tags_first(const nm_tags_t *self, nm_bytes_t tag, nm_place_t *place);

#endif
