/*  asks - what gateways and operators ask about dead letters: dead_letters.list, .get,
 *  .replay, .replay_many and .discard.
 *
 *  A gateway has checked who asks, and puts the tenant into `service`; without it the ask
 *  speaks of every tenant. A letter of another tenant is answered as one that was never
 *  there. Bodies are records, keys by name; every fault is named at once.
 */
#ifndef NM_ASKS_H
#define NM_ASKS_H

#include "actors/deadletter/replays.h"

#define NM_LETTER_LIST_FIELDS(F, R)                                                           \
    F(R, 1, service, ID, 0, MAY, NULL, "Whose letters; absent: everybody's")                  \
    F(R, 2, limit, UINT, NM_LIST_MAX, MAY, NULL, "At most so many; 50 if absent")             \
    F(R, 3, cursor, LINE, NM_CURSOR_MAX, MAY, NULL, "next_cursor of the page before")         \
    F(R, 4, channel, ENUM, 0, MAY, &nm_channel_words, "Only of this channel")                 \
    F(R, 5, provider, LINE, NM_NAME_MAX, MAY, NULL, "Only those that this provider had last") \
    F(R, 6, reason, ENUM, 0, MAY, &nm_reason_words, "Only of this reason")                    \
    F(R, 7, since, TIME, 0, MAY, NULL, "Dead at this time or later")                          \
    F(R, 8, until, TIME, 0, MAY, NULL, "Dead before this time")                               \
    F(R, 9, state, ENUM, 0, MAY, &nm_letter_state_words, "open if absent")
NM_RECORD_DECLARE(letter_list, NM_LETTER_LIST_FIELDS);

//  What get and discard take.
#define NM_LETTER_REF_FIELDS(F, R)                                        \
    F(R, 1, service, ID, 0, MAY, NULL, "Whose letter; absent: anybody's") \
    F(R, 2, id, LINE, 64, MUST, NULL, "Which letter")
NM_RECORD_DECLARE(letter_ref, NM_LETTER_REF_FIELDS);

#define NM_LETTER_REPLAY_FIELDS(F, R)                                                    \
    F(R, 1, service, ID, 0, MAY, NULL, "Whose letter; absent: anybody's")                \
    F(R, 2, id, LINE, 64, MUST, NULL, "Which letter")                                    \
    F(R, 3, recipient, LINE, NM_TOKEN_MAX, MAY, NULL, "Send it to this address instead") \
    F(R, 4, provider, LINE, NM_NAME_MAX, MAY, NULL, "Send it with this provider")
NM_RECORD_DECLARE(letter_replay, NM_LETTER_REPLAY_FIELDS);

#define NM_LETTER_FILTER_FIELDS(F, R)                                                         \
    F(R, 1, channel, ENUM, 0, MAY, &nm_channel_words, "Only of this channel")                 \
    F(R, 2, provider, LINE, NM_NAME_MAX, MAY, NULL, "Only those that this provider had last") \
    F(R, 3, reason, ENUM, 0, MAY, &nm_reason_words, "Only of this reason")                    \
    F(R, 4, since, TIME, 0, MAY, NULL, "Dead at this time or later")                          \
    F(R, 5, until, TIME, 0, MAY, NULL, "Dead before this time")                               \
    F(R, 6, state, ENUM, 0, MAY, &nm_letter_state_words, "open, or absent: no other letter can be replayed")
NM_RECORD_DECLARE(letter_filter, NM_LETTER_FILTER_FIELDS);

#define NM_LETTER_MANY_FIELDS(F, R)                                                                         \
    F(R, 1, service, ID, 0, MAY, NULL, "Whose letters; absent: everybody's")                                \
    F(R, 2, filter, RECORD, 4096, MAY, &nm_letter_filter_shape, "Which letters; absent: all that are open") \
    F(R, 3, dry_run, BOOL, 0, MAY, NULL, "Only count")                                                      \
    F(R, 4, rate_per_second, UINT, 1000, MAY, NULL, "At most so many a second; absent: as fast as they go")
NM_RECORD_DECLARE(letter_many, NM_LETTER_MANY_FIELDS);

//  What one ask may do, so that a turn stays short. Letters that stand in the line already
//  are looked at by the next replay_many as well, so it may look at more than it lines up.
enum { NM_ASKS_LIST_LOOK_MAX = 10000, NM_ASKS_MANY_LOOK_MAX = 50000, NM_ASKS_MANY_MAX = 10000 };

//  Answers the ask, whatever it is.
nm_rc_t nm_asks_handle(nm_replays_t *replays, nm_turn_t *turn, const nm_ask_in_t *ask);

#endif
