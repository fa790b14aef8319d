/*  watches - mail whose sender wants to hear when it is on the disk of the peer.
 *
 *  A role that gives a mail a token (nm_mail_out_t.notify) is told once, in the turn in which
 *  the receipt came. In memory only: after a restart nobody is told, and the role takes up
 *  what it was waiting for from its store.
 */
#ifndef NM_WATCHES_H
#define NM_WATCHES_H

#include "broker/outbox.h"

typedef struct {
    uint64_t token;
    uint8_t tag[NM_OUTBOX_TAG_MAX];
    uint8_t tag_size;
    const nm_link_t *link;  //  To whom it is open; NULL: it still waits
    uint64_t seq;
    bool fresh;   //  Put in this turn
    bool placed;  //  Got its number in this turn
    bool told;    //  The role heard of it in this turn
} nm_watch_t;

typedef struct {
    nm_watch_t *items;
    size_t count, room;
} nm_watches_t;

void nm_watches_free(nm_watches_t *self);

//  The mail with that tag has been put; token is not 0.
void nm_watches_add(nm_watches_t *self, nm_bytes_t tag, uint64_t token);

//  Mail with that tag got a number.
void nm_watches_place(nm_watches_t *self, nm_bytes_t tag, const nm_link_t *link, uint64_t seq);

//  One that has been receipted and was not told of, from *at on. NM_ERR_MISSING: no more.
nm_rc_t nm_watches_next(nm_watches_t *self, size_t *at, uint64_t *token);

//  The turn is on disk; it was undone.
void nm_watches_commit(nm_watches_t *self);
void nm_watches_undo(nm_watches_t *self);

#endif
