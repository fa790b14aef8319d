/*  book - whose copy of a book is ahead, up to where two copies agree, and what follows from that.
 *
 *  Pure: heads and `now` in, decisions out. books.c puts them into turns.
 *
 *  A term is (round, owner): the higher round wins, and within a round the later name. Only the actor of
 *  that name ever begins the term, so no two owners can share one.
 *
 *  A book can be begun twice, by an actor that lost its disk or by two that nobody told of each other: the store ids
 *  in the terms tell that, for such copies have no term in common. A copy in which nothing was ever changed
 *  yields to the other; else the higher term wins, but of two first ones neither: nobody moves until an operator
 *  promotes somebody.
 *
 *  Two copies agree up to the end of the last term that both have, at the copy that left it first. What
 *  a copy has beyond that, and the other one wins, was known to nobody else: it is set aside.
 */
#ifndef NM_BOOK_H
#define NM_BOOK_H

#include "lmdb_store/book.h"

//  Below 0: b wins; above 0: a wins. A round of 0 is no term.
int nm_term_compare(const nm_term_t *a, const nm_term_t *b);

//  Is it the same term of the same life of its owner?
bool nm_term_same(const nm_term_t *a, const nm_term_t *b);

typedef enum {
    NM_BOOK_LEVEL,    //  Both are the same
    NM_BOOK_AHEAD,    //  Mine has what theirs lacks, or wins over it
    NM_BOOK_BEHIND,   //  The other way round
    NM_BOOK_AT_ODDS,  //  Neither wins: the book was begun twice
} nm_book_place_t;

typedef struct {
    nm_book_place_t place;  //  Of mine
    uint64_t common;        //  Both have the same changes up to this one
} nm_book_relation_t;

nm_book_relation_t nm_book_compare(const nm_book_head_t *mine, const nm_book_head_t *theirs);

//  Is the change with this number, made in this term, in the copy?
bool nm_book_has(const nm_book_head_t *self, const nm_term_t *term, uint64_t number);

//  Takes over the terms of source, as far as a copy that stands at self->number may claim them.
void nm_book_adopt(nm_book_head_t *self, const nm_book_head_t *source);

//  Begins a term of this actor's, above everything that was heard of. The list of terms stays within its bound.
void nm_book_begin(nm_book_head_t *self, const char *name, const nm_id_t *store, uint32_t epoch);

//  Remembers a term if it is the highest so far. True if it was news. First terms count only for who has none: the book
//  may have been begun more than once.
bool nm_book_hear(nm_book_head_t *self, const nm_term_t *term);

//  Whose the book is, as far as this copy knows; NULL if nobody has begun it.
const char *nm_book_owner(const nm_book_head_t *self);

typedef enum {
    NM_BOOK_OTHERS,   //  Somebody else's
    NM_BOOK_MINE,     //  This actor's, and nothing stands against writing
    NM_BOOK_AGAIN,    //  This actor's, but of an earlier life of its store: a new term is needed
    NM_BOOK_NOBODYS,  //  Nobody has begun it
} nm_book_title_t;

nm_book_title_t nm_book_title(const nm_book_head_t *self, const char *name, const nm_id_t *store, uint32_t epoch);

#endif
