/*  pending - mail that came and was not granted yet: the receiver's half of custody.
 *
 *  It is kept in memory only, as copies; its sender has it on disk. Nothing is done with it before
 *  its sender has granted it, so what is dropped here costs nothing but the way: the sender sends it
 *  again. Bounded by the credit that a peer can be given at most; twice that in bytes, because the sender
 *  only guesses how much of its mail is still open.
 */
#ifndef NM_PENDING_H
#define NM_PENDING_H

#include "broker/spans.h"
#include "wire/frames.h"

typedef struct {
    uint64_t seq;
    uint8_t kind;
    uint8_t priority;
    bool due;    //  Its number is to be claimed, for the first time or again
    bool taken;  //  Granted or dropped; the copy lasts until the sweep
    uint8_t *body;
    size_t size;
} nm_pending_mail_t;

typedef struct {
    nm_pending_mail_t *mails;  //  By rising number
    size_t count;
    size_t room;
    size_t size;     //  Bytes of all bodies
    bool due;        //  Some number is to be claimed
    bool sweep_due;  //  Something was taken
} nm_pending_t;

//  Keeps a copy, and has the number claimed; also when it is kept already. NM_ERR_FULL beyond the credit.
nm_rc_t nm_pending_keep(nm_pending_t *self, const nm_mail_item_t *item);

bool nm_pending_has(const nm_pending_t *self, uint64_t seq);

//  The numbers that are to be claimed, as many as fit; false if there are none. They are due no more.
bool nm_pending_claims(nm_pending_t *self, nm_runs_t *runs);

//  Takes the lowest number from first to last; NULL if none is kept. Its body lasts until the sweep, what is
//  pointed to until the next keep.
const nm_pending_mail_t *nm_pending_take(nm_pending_t *self, uint64_t first, uint64_t last);

//  Frees what was taken: at the end of a turn.
void nm_pending_sweep(nm_pending_t *self);

//  Drops everything, and frees the memory.
void nm_pending_clear(nm_pending_t *self);

#endif
