/*  asks - what this actor has asked and nobody has answered yet: found by number, ended by time.
 *
 *  Pure. A bridge has thousands open, so nothing here walks all of them but nm_asks_await: the number of an
 *  ask says where it stands, and a heap says which ends first.
 */
#ifndef NM_ASKS_H
#define NM_ASKS_H

#include "broker/directory.h"

enum { NM_ASKS_MAX = 1 << 16 };

//  To whom a reply goes: to the role, or to a part of the runtime, whose asks the role never sees.
typedef enum { NM_ASKER_ROLE, NM_ASKER_EXCHANGE, NM_ASKER_BOOK, NM_ASKER_SURVEY, NM_ASKER_COUNT } nm_asker_kind_t;

typedef struct {
    uint64_t id;  //  Given by nm_asks_add; 0: the place is free
    uint64_t token;
    const nm_peer_t *peer;  //  NULL: there was nobody to ask
    int64_t deadline_ms;    //  Monotonic
    nm_asker_kind_t asker;
    uint32_t rank;  //  Its place in the heap
} nm_pending_ask_t;

typedef struct {
    nm_pending_ask_t *items;
    uint32_t *heap;  //  Places of the items: count that are used, earliest deadline first, then the free ones
    size_t count;
    size_t room;
    size_t counts[NM_ASKER_COUNT];
    uint64_t serial;  //  Of the next one
} nm_asks_t;

void nm_asks_free(nm_asks_t *self);

//  Takes a copy and gives it the next number, which is returned.
uint64_t nm_asks_add(nm_asks_t *self, const nm_pending_ask_t *ask);

//  NULL: it was answered, or never was.
const nm_pending_ask_t *nm_asks_find(const nm_asks_t *self, uint64_t id);

//  The one that ends first; NULL if there is none.
const nm_pending_ask_t *nm_asks_first(const nm_asks_t *self);

//  Takes out one that was found.
nm_pending_ask_t nm_asks_take(nm_asks_t *self, const nm_pending_ask_t *ask);

//  Is any of this peer waited for?
bool nm_asks_await(const nm_asks_t *self, const nm_peer_t *peer);

//  Was this one added after the serial number was that?
bool nm_asks_is_since(const nm_pending_ask_t *ask, uint64_t serial);

#endif
