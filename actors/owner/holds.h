/*  holds - `custody.holds`: which deliveries of some notifications does this actor have?
 *
 *  A gateway asks when an actor is lost, to find out what was lost with it. The body is {ids:
 *  [UUID, ...]}, at most NM_HOLDS_MAX; the answer {held: [{id, numbers}], next}. numbers has
 *  a bit for each delivery: bit n % 8 of byte n / 8. A delivery is held if it, or the word that it
 *  has ended in mail that has no receipt, is on this disk. One in mail that the peer may have handled already cannot be
 *  told to be here or there: 503, ask again. next is the number that our next mail to
 *  the asker gets: once he has all mail below it he knows whatever we knew when we answered.
 *  With it goes knows: [NAME, ...], the routers and channel actors that we know: work may have gone to one that the asker
 *  has not heard of.
 */
#ifndef NM_HOLDS_H
#define NM_HOLDS_H

#include "broker/turn.h"

enum { NM_HOLDS_MAX = 200, NM_HELD_SIZE = 32 };

typedef struct {
    nm_id_t notification;
    uint8_t numbers[NM_HELD_SIZE];
} nm_held_t;

static inline void
nm_held_set(uint8_t numbers[NM_HELD_SIZE], uint64_t number)
{
    numbers[number / 8 % NM_HELD_SIZE] |= (uint8_t) (1u << number % 8);
}

static inline bool
nm_held_has(const uint8_t numbers[NM_HELD_SIZE], size_t number)
{
    return numbers[number / 8 % NM_HELD_SIZE] >> number % 8 & 1;
}

//  Marks what the role has of held->notification beside its outgoing mail.
typedef nm_rc_t(nm_holds_fn)(void *arg, nm_turn_t *turn, nm_held_t *held);

//  Answers the ask. find may be NULL.
nm_rc_t nm_owner_holds(nm_turn_t *turn, const nm_directory_t *directory, const nm_ask_in_t *ask, nm_holds_fn *find,
                       void *arg);

#endif
