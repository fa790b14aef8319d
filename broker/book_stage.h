/*  book_stage - all entries of another copy, gathered page by page, and taken over at once.
 *
 *  In memory until it is complete: whoever is killed meanwhile still has the copy from before, whole. Entries
 *  may change between two pages; so the changes since the first page are gathered too, behind the entries,
 *  and with them the stage is what the other copy was at one moment.
 */
#ifndef NM_BOOK_STAGE_H
#define NM_BOOK_STAGE_H

#include "broker/book.h"

typedef struct {
    size_t at;  //  In bytes: key, then value
    size_t key_size;
    size_t value_size;
    bool gone;
} nm_stage_item_t;

//  {0} is a closed one.
typedef struct {
    bool open;
    bool full;            //  All entries are here: changes follow
    nm_book_head_t head;  //  Where a copy stands that has taken all of it
    nm_buf_t bytes;
    nm_stage_item_t *items;
    size_t count, room;
    size_t entry_count;  //  Of the items, those that are entries; they come first, in the order of their keys
} nm_stage_t;

//  Begins to gather what stands where head says.
void nm_stage_open(nm_stage_t *self, const nm_book_head_t *head);
void nm_stage_close(nm_stage_t *self);
void nm_stage_free(nm_stage_t *self);

//  Adds an entry or, once it is full, a change. NM_ERR_MALFORMED: entries out of order, or too many.
nm_rc_t nm_stage_add(nm_stage_t *self, const nm_book_change_t *item);

//  Key of the last item; empty without one.
nm_bytes_t nm_stage_last(const nm_stage_t *self);

typedef nm_rc_t(nm_stage_fn)(void *arg, nm_bytes_t key);

//  Makes the copy what the stage is, and calls changed for each entry that is another now. What the copy had beyond
//  common, the number up to which both agreed, is put aside unless the stage has it too; aside counts those. Where the
//  list does not go back to common, every entry that differs is.
nm_rc_t nm_stage_apply(const nm_stage_t *self, nm_txn_t *txn, const char *book, nm_book_head_t *head, uint64_t common,
                       nm_stage_fn *changed, void *arg, size_t *aside);

#endif
