/*  book - the durable half of a book: its entries, the list of its changes, and whose it was when.
 *
 *  A book is a small table of settings that one actor owns and others follow. Every change has a number,
 *  one more than the one before; the list of changes is what followers ask for. The last
 *  NM_BOOK_CHANGES_KEPT of them are kept: who lags further behind needs all entries.
 *
 *  A term is a stretch of that list that one owner wrote. The terms of a head say which numbers are whose, so
 *  two copies can tell up to where they agree (broker/book.h decides; nothing here does).
 *
 *  All books of a store share four tables, all of them sealed: settings hold secrets. A key is text, names
 *  things and not people, and is shown in logs.
 */
#ifndef NM_STORE_BOOK_H
#define NM_STORE_BOOK_H

#include "lmdb_store/store.h"

enum {
    NM_BOOK_NAME_MAX = 31,        //  Of a book
    NM_BOOK_KEY_MAX = 128,        //  Of an entry
    NM_BOOK_VALUE_MAX = 65536,    //  Bytes of an entry
    NM_BOOK_ENTRY_MAX = 65536,    //  Entries of a book: it is read as a whole, and copied as a whole
    NM_BOOK_TERM_MAX = 64,        //  Terms that are remembered; older ones are forgotten
    NM_BOOK_CHANGES_KEPT = 1024,  //  Changes that are kept in the list
    NM_BOOK_TABLE_COUNT = 4,
};

extern const nm_table_t *const nm_book_tables[NM_BOOK_TABLE_COUNT];

//  Who wrote from when on. The store tells two lives of an actor apart, one of which lost its disk.
typedef struct {
    uint32_t round;  //  0: no term
    char owner[NM_NAME_MAX + 1];
    nm_id_t store;  //  Of the owner
    uint64_t base;  //  Number of the last change before this term
} nm_term_t;

//  Where a copy of a book stands. {0} is a book of which nothing is known.
typedef struct {
    uint64_t number;                    //  Of the last change
    uint64_t floor;                     //  The changes after this one are in the list
    uint32_t entry_count;               //  Entries in the table
    uint32_t epoch;                     //  Of this store when this actor took its last term
    nm_term_t heard;                    //  The highest term that this actor has heard of, its own included
    uint32_t term_count;                //  Of the terms, oldest first; none begins after number
    nm_term_t terms[NM_BOOK_TERM_MAX];  //  The last one is the term of this copy
} nm_book_head_t;

//  The term of this copy, or NULL.
static inline const nm_term_t *
nm_book_term(const nm_book_head_t *head)
{
    return head->term_count ? &head->terms[head->term_count - 1] : NULL;
}

//  A missing head is {0} and NM_OK.
nm_rc_t nm_book_load(nm_txn_t *txn, const char *book, nm_book_head_t *head);
nm_rc_t nm_book_save(nm_txn_t *txn, const char *book, const nm_book_head_t *head);

//  -- Entries

nm_rc_t nm_book_get(nm_txn_t *txn, const char *book, nm_bytes_t key, nm_bytes_t *value);

//  Walks the entries whose keys start with prefix, as nm_cursor_open does. nm_book_next gives the key as it was put.
void nm_book_open(nm_cursor_t *cursor, nm_txn_t *txn, const char *book, nm_bytes_t prefix, nm_bytes_t from,
                  bool reverse);
nm_rc_t nm_book_next(nm_cursor_t *cursor, nm_bytes_t *key, nm_bytes_t *value);

//  -- Changes

typedef struct {
    nm_bytes_t key;
    nm_bytes_t value;
    bool gone;  //  The entry was deleted
} nm_book_change_t;

//  Makes the next change: entry, list and head, on disk and in head. Deleting what is not there is a change too.
nm_rc_t nm_book_apply(nm_txn_t *txn, const char *book, nm_book_head_t *head, const nm_book_change_t *change);

//  Writes or deletes an entry without a change: for taking over all entries of another copy.
nm_rc_t nm_book_set(nm_txn_t *txn, const char *book, nm_book_head_t *head, const nm_book_change_t *change);

//  Reads one of the list. NM_ERR_MISSING: it is no longer there, or not yet.
nm_rc_t nm_book_change(nm_txn_t *txn, const char *book, uint64_t number, nm_book_change_t *change);

//  Empties the list; the copy now stands at number.
nm_rc_t nm_book_restart(nm_txn_t *txn, const char *book, nm_book_head_t *head, uint64_t number);

//  -- Changes that were made here and that the book went on without. They are kept until somebody drops them.

nm_rc_t nm_book_put_aside(nm_txn_t *txn, const char *book, const nm_term_t *term, uint64_t number,
                          const nm_book_change_t *change);

//  Calls visit for each; stops at its first result that is not NM_OK.
typedef nm_rc_t(nm_book_aside_fn)(void *arg, const nm_term_t *term, uint64_t number, const nm_book_change_t *change);
nm_rc_t nm_book_each_aside(nm_txn_t *txn, const char *book, nm_book_aside_fn *visit, void *arg);
nm_rc_t nm_book_drop_aside(nm_txn_t *txn, const char *book);

#endif
