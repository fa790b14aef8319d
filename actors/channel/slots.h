/*  slots - the deliveries that a channel actor holds, in memory: who is next, and who is due.
 *
 *  Pure. What is here follows from the store (deliveries.h) and is made again from it when
 *  a turn was undone. Ready ones stand by rank, waiting ones by the time they are due; ones
 *  that are being sent stand nowhere. The count is bounded by the credit that the actor gives.
 */
#ifndef NM_SLOTS_H
#define NM_SLOTS_H

#include "nm.h"

//  Which delivery.
typedef struct {
    nm_id_t notification;
    uint8_t number;
    uint32_t generation;
} nm_delivery_key_t;

typedef enum { NM_SLOT_READY, NM_SLOT_WAITING, NM_SLOT_CALLING } nm_slot_state_t;

typedef struct {
    nm_delivery_key_t key;
    nm_slot_state_t state;
    int64_t rank;        //  READY: the smallest goes first
    int64_t due_ms;      //  WAITING: when it becomes ready
    int64_t came_ms;     //  When this actor took it in
    int64_t ready_ms;    //  READY: since when it might be sent
    int64_t expires_ms;  //  INT64_MAX if never
    bool blocked;        //  WAITING for a breaker, not for a retry
    int wish;            //  Provider that was asked for, as in lineup.h
    int last;            //  Provider of the last attempt, -1 if none

    uint64_t arrival;  //  Private, as is the rest: breaks ties
    size_t place;      //  In its heap
    size_t next;       //  In its bucket
    bool used;
} nm_slot_t;

typedef struct nm_slots nm_slots_t;

nm_slots_t *nm_slots_new(void);
void nm_slots_destroy(nm_slots_t **self_p);
void nm_slots_clear(nm_slots_t *self);

//  Adds a copy and returns it, or NULL if the key is there. Pointers to slots are valid
//  until the next add.
nm_slot_t *nm_slots_add(nm_slots_t *self, const nm_slot_t *slot);
nm_slot_t *nm_slots_find(nm_slots_t *self, const nm_delivery_key_t *key);
void nm_slots_remove(nm_slots_t *self, nm_slot_t *slot);

//  Moves it; due_ms counts for WAITING only.
void nm_slots_move(nm_slots_t *self, nm_slot_t *slot, nm_slot_state_t state, int64_t due_ms);

//  The ready one with the smallest rank; the waiting one that is due first. NULL if none.
nm_slot_t *nm_slots_ready(nm_slots_t *self);
nm_slot_t *nm_slots_due(nm_slots_t *self);

//  Makes everything ready that waits for a breaker.
void nm_slots_unblock(nm_slots_t *self);

size_t nm_slots_count(const nm_slots_t *self);
size_t nm_slots_calling(const nm_slots_t *self);
size_t nm_slots_waiting(const nm_slots_t *self);

//  When the oldest came; 0 if there is none. Looks at all of them.
int64_t nm_slots_oldest(const nm_slots_t *self);

//  What is held, sorted as people ask for it. Looks at all of them.
typedef enum { NM_SLOTS_READY, NM_SLOTS_RETRYING, NM_SLOTS_BLOCKED, NM_SLOTS_CALLING, NM_SLOTS_COUNT } nm_slots_sort_t;
typedef struct {
    size_t counts[NM_SLOTS_COUNT];
    int64_t oldest_ms[NM_SLOTS_COUNT];  //  When the oldest of them came; 0: none
} nm_slots_view_t;
void nm_slots_view(const nm_slots_t *self, nm_slots_view_t *view);

#endif
