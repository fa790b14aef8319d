/*  waits - asks that are kept to be answered in a later turn.
 *
 *  An ask is kept as it came and run again from its beginning when what it waits for is there: that
 *  it is known whose a book is, for a second after a start; or that a password is hashed. A restart forgets it, and the
 *  asker asks again.
 */
#ifndef NM_USER_WAITS_H
#define NM_USER_WAITS_H

#include "actors/user/hashing.h"
#include "broker/turn.h"

enum { NM_WAIT_COUNT = 64, NM_WAIT_BODY_MAX = 128 * 1024 };

typedef enum { NM_WAIT_BOOK, NM_WAIT_QUEUED, NM_WAIT_HASHING, NM_WAIT_HASHED } nm_wait_state_t;

typedef struct {
    bool used;
    bool fresh;    //  Came in this turn
    bool done;     //  Answered in this turn
    bool started;  //  Its hashing was begun in this turn
    uint32_t serial;
    nm_wait_state_t state;
    nm_hashing_t *hashing;  //  From QUEUED on
    nm_ask_in_t ask;        //  Its texts are views into kept
    nm_buf_t kept;          //  op, then headers, then body
} nm_wait_t;

typedef struct {
    nm_wait_t *items;  //  NM_WAIT_COUNT of them, made when first used
    size_t count;      //  In use
} nm_waits_t;

void nm_waits_free(nm_waits_t *self);
void nm_waits_undo(nm_waits_t *self);
void nm_waits_commit(nm_waits_t *self);

//  Keeps the ask. NULL: too many wait, or it is too large.
nm_wait_t *nm_waits_keep(nm_waits_t *self, const nm_ask_in_t *ask);

//  The ask waits for this, which is taken over.
void nm_waits_hash(nm_wait_t *wait, nm_hashing_t *wanted);

//  Begins what is queued, as far as it may run at once.
void nm_waits_start(nm_waits_t *self, nm_turn_t *turn);

//  A hash is there.
void nm_waits_result(nm_waits_t *self, const nm_result_t *result);

#endif
