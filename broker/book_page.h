/*  book_page - what holders of a book send each other: where a copy stands, and a page of what the other lacks.
 */
#ifndef NM_BOOK_PAGE_H
#define NM_BOOK_PAGE_H

#include "broker/book.h"
#include "wire/records.h"

//  Packs the body of book.changes or book.news. With a stage of entries under way, from is the last key of it.
typedef struct {
    const char *book;
    const nm_book_head_t *head;
    bool whole;       //  Ask for all entries
    nm_bytes_t from;  //  ... after this key
} nm_book_question_t;

void nm_book_pack_question(const nm_book_question_t *question, nm_buf_t *out);

//  Packs an answer that says only where the copy stands.
void nm_book_pack_place(const nm_book_head_t *head, nm_buf_t *out);

//  Packs an answer to book.changes: the changes after where theirs stands if theirs is where mine once was and the list
//  goes back so far; else entries. Nothing but the place if theirs is ahead.
nm_rc_t nm_book_pack_page(nm_txn_t *txn, const char *book, const nm_book_head_t *mine, const nm_book_head_t *theirs,
                          const nm_book_ask_t *ask, nm_buf_t *out);

//  Reads where the other one's copy stands. NM_ERR_MALFORMED: no copy can stand so.
nm_rc_t nm_book_read_ask(nm_bytes_t body, nm_book_ask_t *ask, nm_book_head_t *theirs);
nm_rc_t nm_book_read_reply(nm_bytes_t body, nm_book_reply_t *reply, nm_book_head_t *theirs);

#endif
