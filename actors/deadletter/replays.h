/*  replays - brings dead letters back: one at once, or many from a line with a rate.
 *
 *  A replay raises the delivery's generation, mails it to a router, tells the owning
 *  gateway, and takes the letter off the open list, all in one turn. So a letter is
 *  replayed once, whatever is killed.
 *
 *  The line is a stored table of times, on a clock of its own that stands still while the
 *  actor is down or held up: after a stop of an hour the line goes on at its rate, and what would
 *  have been due meanwhile does not come in one flood.
 */
#ifndef NM_REPLAYS_H
#define NM_REPLAYS_H

#include "actors/deadletter/letters.h"
#include "broker/turn.h"

//  The table of the line, for the role.
extern const nm_table_t nm_replays_table;

typedef struct {
    const nm_directory_t *directory;
    int64_t behind_ms;  //  How far the clock of the line is behind the wall clock
    bool loaded;        //  behind_ms was found out
} nm_replays_t;

//  What a replay changes in the delivery; empty leaves it as it was.
typedef struct {
    nm_bytes_t recipient;
    nm_bytes_t provider;
} nm_replay_change_t;

//  First turn, and after a turn that was undone: sets the clock of the line, once, so that
//  the first in it is due now.
nm_rc_t nm_replays_load(nm_replays_t *self, nm_turn_t *turn);

//  Replays an open letter now, and takes it out of the line if it stood there.
//  NM_ERR_REFUSED: it cannot be replayed (not open, expired); why says so.
nm_rc_t nm_replays_send(nm_replays_t *self, nm_turn_t *turn, nm_letter_t *letter, const nm_replay_change_t *change,
                        nm_error_t *why);

//  A replay that a lost router may have passed on goes on in doubt.
bool nm_replays_doubted(uint8_t kind, nm_bytes_t body, nm_buf_t *changed);

//  Puts an open letter into the line, after_ms from now.
nm_rc_t nm_replays_wait(nm_replays_t *self, nm_turn_t *turn, nm_letter_t *letter, int64_t after_ms);

//  Takes a letter out of the line, if it stands there. The caller writes the letter back.
nm_rc_t nm_replays_leave(nm_txn_t *txn, nm_letter_t *letter);

//  Replays what is due, a bounded number; wakes the turn for what is left.
nm_rc_t nm_replays_due(nm_replays_t *self, nm_turn_t *turn);

//  How many stand in the line, and since when the first is overdue or will be (0: none).
nm_rc_t nm_replays_count(const nm_replays_t *self, nm_txn_t *txn, uint64_t *count, int64_t *first_ms);

#endif
