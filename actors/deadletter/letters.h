/*  letters - the dead letters in the store: kept whole, listed by tenant and state.
 *
 *  A letter is two values under its id: a short record that lists are made from, and the
 *  dead letter as it came, content and attempts included. Both tables are sealed. An
 *  index has a row per tenant and one for all tenants; ids are UUIDv7, so its order is
 *  that of time, and `since` and `until` are ranges of keys.
 *
 *  States: open -> replayed, open -> discarded, replayed -> discarded. Open letters stay
 *  until somebody acts. Discarding deletes address and content at once. The rest of a
 *  letter that was replayed or discarded stays NM_LETTER_KEPT_MS, so that its id is known.
 */
#ifndef NM_LETTERS_H
#define NM_LETTERS_H

#include "lmdb_store/store.h"
#include "wire/records.h"

//  What is known of a letter without opening it. Tags are on disk: never use one again.
#define NM_LETTER_FIELDS(F, R)                                                                             \
    F(R, 1, id, ID, 0, MUST, NULL, "Its id")                                                               \
    F(R, 2, service, ID, 0, MUST, NULL, "The tenant")                                                      \
    F(R, 3, notification, ID, 0, MUST, NULL, "The notification it comes from")                             \
    F(R, 4, number, UINT, 255, MUST, NULL, "Which delivery of it")                                         \
    F(R, 5, generation, UINT, 1000000, MUST, NULL, "How often it had been replayed when it died")          \
    F(R, 6, channel, ENUM, 0, MUST, &nm_channel_words, "Over which channel")                               \
    F(R, 7, recipient, LINE, NM_TOKEN_MAX, MAY, NULL, "Address; gone once discarded")                      \
    F(R, 8, provider, LINE, NM_NAME_MAX, MAY, NULL, "The one that was tried last, else the one asked for") \
    F(R, 9, reason, ENUM, 0, MUST, &nm_reason_words, "Why")                                                \
    F(R, 10, detail, STR, NM_DETAIL_MAX, MAY, NULL, "For people; gone once discarded")                     \
    F(R, 11, attempt_count, UINT, NM_ATTEMPT_COUNT, MUST, NULL, "How many tries it had")                   \
    F(R, 12, state, ENUM, 0, MUST, &nm_letter_state_words, "open, replayed or discarded")                  \
    F(R, 13, died_at, TIME, 0, MUST, NULL, "When it became a dead letter")                                 \
    F(R, 14, updated_at, TIME, 0, MUST, NULL, "When its state changed last")                               \
    F(R, 15, replay_at, TIME, 0, MAY, NULL, "Its place in the line of timed replays")                      \
    F(R, 16, expires_at, TIME, 0, MAY, NULL, "When the notification expires")                              \
    F(R, 17, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "For logs")                             \
    F(R, 18, traceparent, LINE, 64, MAY, NULL, "W3C trace context")
NM_RECORD_DECLARE(letter, NM_LETTER_FIELDS);

static const int64_t NM_LETTER_KEPT_MS = INT64_C(30) * 24 * 3600 * 1000;

//  The tables of this module, for the role.
extern const nm_table_t nm_letters_table;
extern const nm_table_t nm_letters_content_table;
extern const nm_table_t nm_letters_index_table;
extern const nm_table_t nm_letters_count_table;

//  How many letters are open now, and how many were ever replayed and discarded.
typedef struct {
    uint64_t at[NM_LETTER_STATE_COUNT];
} nm_letters_count_t;

nm_rc_t nm_letters_count(nm_txn_t *txn, nm_letters_count_t *count);

//  Keeps a dead letter. raw: the record dead was decoded from. NM_ERR_DUPLICATE if its id
//  is known, NM_ERR_MALFORMED if the delivery inside cannot be read; then nothing changed.
nm_rc_t nm_letters_add(nm_txn_t *txn, const nm_dead_letter_t *dead, nm_bytes_t raw, int64_t now_ms);

//  service NULL: of any tenant. Somebody else's letter is NM_ERR_MISSING. Views live as
//  long as the transaction.
nm_rc_t nm_letters_get(nm_txn_t *txn, const nm_id_t *id, const nm_id_t *service, nm_letter_t *letter);

//  The dead letter as it came; NM_ERR_MISSING once it was discarded.
nm_rc_t nm_letters_content(nm_txn_t *txn, const nm_id_t *id, nm_dead_letter_t *dead);

//  Writes a letter back whose state is the same as before.
nm_rc_t nm_letters_put(nm_txn_t *txn, const nm_letter_t *letter);

//  Gives the letter a new state; letter holds the state it has now, and the new one after.
nm_rc_t nm_letters_move(nm_txn_t *txn, nm_letter_t *letter, nm_letter_state_t state, int64_t now_ms);

//  -- Walks

//  Which letters; a member that is NULL, negative or empty does not narrow.
typedef struct {
    const nm_id_t *service;
    nm_letter_state_t state;
    int channel;  //  nm_channel_t
    int reason;   //  nm_reason_t
    nm_bytes_t provider;
    int64_t since_ms;      //  Of the id: this time or later
    int64_t until_ms;      //  Of the id: before this time
    const nm_id_t *after;  //  Cursor: the last id that was seen; only with newest
    bool newest;           //  From the newest to the oldest, else the other way
} nm_letters_filter_t;

static const nm_letters_filter_t NM_LETTERS_ALL = { .channel = -1, .reason = -1, .since_ms = -1, .until_ms = -1 };

typedef struct {
    const nm_letters_filter_t *filter;
    nm_cursor_t cursor;
    nm_id_t at;     //  The id that was looked at last
    size_t budget;  //  How many more letters may be looked at
} nm_letters_walk_t;

//  budget bounds the work: a walk that used it up answers NM_ERR_BUSY, and goes on from
//  `at` another time.
void nm_letters_walk_open(nm_letters_walk_t *self, nm_txn_t *txn, const nm_letters_filter_t *filter, size_t budget);

//  The next letter that the filter lets through; NM_ERR_MISSING at the end.
nm_rc_t nm_letters_walk_next(nm_letters_walk_t *self, nm_letter_t *letter);
void nm_letters_walk_close(nm_letters_walk_t *self);

#endif
