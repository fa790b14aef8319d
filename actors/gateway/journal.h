/*  journal - what happened, in the order this gateway learned of it, for those who follow.
 *
 *  The entries of a turn are gathered in memory and written as one value, a chunk, before
 *  the turn commits: a thousand accepts cost one put. A position names an entry by chunk
 *  and place; it stays good across restarts for as long as the entry is kept. A mark about once a second says
 *  which chunk was the first to be written after a time.
 */
#ifndef NM_JOURNAL_H
#define NM_JOURNAL_H

#include "broker/turn.h"
#include "wire/reader.h"

#define NM_ENTRY_FIELDS(F, R)                                                    \
    F(R, 1, notification, ID, 0, MUST, NULL, "To which")                         \
    F(R, 2, service, ID, 0, MUST, NULL, "The tenant")                            \
    F(R, 3, kind, ENUM, 0, MUST, &nm_event_words, "What")                        \
    F(R, 4, status, ENUM, 0, MUST, &nm_status_words, "What it made of it")       \
    F(R, 5, at, TIME, 0, MUST, NULL, "When")                                     \
    F(R, 6, number, UINT, 255, MAY, NULL, "To which delivery, if not the first") \
    F(R, 7, reason, ENUM, 0, MAY, &nm_reason_words, "Why it failed")             \
    F(R, 8, detail, STR, NM_DETAIL_MAX, MAY, NULL, "For people")
NM_RECORD_DECLARE(entry, NM_ENTRY_FIELDS);

enum { NM_JOURNAL_SERVICE_COUNT = 32 };

typedef struct {
    uint64_t last_chunk;  //  On disk, or open
    uint32_t count;       //  Entries of the open chunk
    bool open;
    uint64_t first_chunk;  //  Of this turn; 0: none
    uint64_t turn_from;    //  Where the entries of this turn begin
    int64_t marked_ms;     //  Time of the last mark
    nm_buf_t entries;
    nm_id_t services[NM_JOURNAL_SERVICE_COUNT];  //  Whose entries this turn has
    size_t service_count;                        //  NM_JOURNAL_SERVICE_COUNT + 1: too many to tell
} nm_journal_t;

nm_rc_t nm_journal_load(nm_journal_t *self, nm_txn_t *txn);
void nm_journal_free(nm_journal_t *self);

//  The chunk that the next entry goes to.
uint64_t nm_journal_chunk(nm_journal_t *self, nm_txn_t *txn);
nm_rc_t nm_journal_add(nm_journal_t *self, nm_txn_t *txn, const nm_entry_t *entry);

//  Writes what was gathered. The services of the turn are kept until nm_journal_end_turn.
nm_rc_t nm_journal_flush(nm_journal_t *self, nm_txn_t *txn, int64_t now_ms);
void nm_journal_end_turn(nm_journal_t *self);

//  This turn brought an entry for the service from elsewhere.
void nm_journal_tell(nm_journal_t *self, const nm_id_t *service);

//  Did this turn bring entries for the service (NULL: for anybody)?
bool nm_journal_has_news(const nm_journal_t *self, const nm_id_t *service);

//  Positions: of the first entry of a chunk, and after everything so far, also what is still gathered.
uint64_t nm_journal_at(uint64_t chunk);
uint64_t nm_journal_end(const nm_journal_t *self);

//  After everything that can be walked now: the entries that are still gathered come after it.
uint64_t nm_journal_settled(const nm_journal_t *self);

//  Of the first entry that was written at this time or later; it may be as much as a second earlier.
//  0: of the first that is kept.
nm_rc_t nm_journal_since(const nm_journal_t *self, nm_txn_t *txn, int64_t since_ms, uint64_t *position);

//  Walks entries on disk from a position on. Close it.
typedef struct {
    nm_cursor_t cursor;
    nm_reader_t reader;
    nm_bytes_t raw;  //  The entry that was given last, as it is stored
    uint64_t from;   //  Entries before this are passed over
    uint64_t chunk;
    uint32_t index;      //  Of the entry that comes next in the chunk
    size_t chunk_count;  //  Chunks read so far
    bool in_chunk;
} nm_journal_walk_t;

void nm_journal_walk(nm_journal_walk_t *self, nm_txn_t *txn, uint64_t from);

//  NM_ERR_MISSING at the end. position is the one after this entry.
nm_rc_t nm_journal_next(nm_journal_walk_t *self, nm_entry_t *entry, uint64_t *position);
void nm_journal_close(nm_journal_walk_t *self);

//  Deletes what was written before this time, at most limit chunks and marks; again is set if there may be more.
nm_rc_t nm_journal_sweep(nm_txn_t *txn, int64_t before_ms, size_t limit, bool *again);

#endif
