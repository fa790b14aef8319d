#include "broker/book.h"

int
nm_term_compare(const nm_term_t *a, const nm_term_t *b)
{
    if (a->round != b->round)
        return a->round < b->round ? -1 : 1;
    return strcmp(a->owner, b->owner);
}

bool
nm_term_same(const nm_term_t *a, const nm_term_t *b)
{
    return nm_term_compare(a, b) == 0 && nm_id_equal(&a->store, &b->store);
}

//  Place of the term in the list, or -1.
static int
s_find(const nm_book_head_t *self, const nm_term_t *term)
{
    for (uint32_t i = 0; i < self->term_count; i++)
        if (nm_term_same(&self->terms[i], term))
            return (int) i;
    return -1;
}

//  Number of the last change of a term, as this copy has it.
static uint64_t
s_end(const nm_book_head_t *self, int at)
{
    uint32_t next = (uint32_t) at + 1;
    return next < self->term_count ? self->terms[next].base : self->number;
}

//  Up to where both agree; shared tells whether they have a term in common.
static uint64_t
s_common(const nm_book_head_t *mine, const nm_book_head_t *theirs, bool *shared)
{
    *shared = true;
    for (int i = (int) mine->term_count - 1; i >= 0; i--) {
        int at = s_find(theirs, &mine->terms[i]);
        if (at < 0)
            continue;
        uint64_t a = s_end(mine, i), b = s_end(theirs, at);
        return a < b ? a : b;
    }
    *shared = false;
    return 0;
}

static nm_book_place_t
s_place(int64_t order)
{
    return order == 0 ? NM_BOOK_LEVEL : order > 0 ? NM_BOOK_AHEAD : NM_BOOK_BEHIND;
}

//  A book that was begun twice. A copy in which nothing was ever changed has nothing to lose, and yields.
static nm_book_place_t
s_place_of_strangers(const nm_book_head_t *mine, const nm_book_head_t *theirs)
{
    const nm_term_t *a = nm_book_term(mine), *b = nm_book_term(theirs);
    if (!mine->number != !theirs->number)
        return mine->number ? NM_BOOK_AHEAD : NM_BOOK_BEHIND;
    int order = nm_term_compare(a, b);
    if (mine->number && (order == 0 || (a->round == 1 && b->round == 1)))
        return NM_BOOK_AT_ODDS;  //  No operator has chosen between them
    return s_place(order ? order : memcmp(a->store.at, b->store.at, NM_ID_SIZE));
}

nm_book_relation_t
nm_book_compare(const nm_book_head_t *mine, const nm_book_head_t *theirs)
{
    const nm_term_t *a = nm_book_term(mine), *b = nm_book_term(theirs);
    bool shared;
    nm_book_relation_t relation = { .common = s_common(mine, theirs, &shared) };
    if (!a || !b)
        relation.place = s_place((a != NULL) - (b != NULL));
    else if (!shared)
        relation.place = s_place_of_strangers(mine, theirs);
    else if (nm_term_compare(a, b) != 0)
        relation.place = s_place(nm_term_compare(a, b));
    else
        relation.place = s_place((mine->number > theirs->number) - (mine->number < theirs->number));
    return relation;
}

bool
nm_book_has(const nm_book_head_t *self, const nm_term_t *term, uint64_t number)
{
    int at = s_find(self, term);
    return at >= 0 && number <= s_end(self, at);
}

void
nm_book_adopt(nm_book_head_t *self, const nm_book_head_t *source)
{
    bool shared;
    s_common(self, source, &shared);
    if (!shared && (self->term_count || self->heard.round == 1))
        self->heard = source->heard;  //  What was heard in the book that is given up is void
    self->term_count = 0;
    while (self->term_count < source->term_count && source->terms[self->term_count].base <= self->number) {
        self->terms[self->term_count] = source->terms[self->term_count];
        self->term_count++;
    }
    if (self->term_count)
        nm_book_hear(self, nm_book_term(self));
}

bool
nm_book_hear(nm_book_head_t *self, const nm_term_t *term)
{
    bool first = term->round == 1 && self->term_count && nm_book_term(self) != term;
    if (first || nm_term_compare(term, &self->heard) <= 0)
        return false;
    self->heard = *term;
    return true;
}

void
nm_book_begin(nm_book_head_t *self, const char *name, const nm_id_t *store, uint32_t epoch)
{
    const nm_term_t *last = nm_book_term(self);
    nm_term_t term = { .round = self->heard.round, .store = *store, .base = self->number };
    if (last && last->round > term.round)
        term.round = last->round;
    term.round++;
    nm_bytes_to_text(nm_text(name), term.owner, sizeof term.owner);
    if (self->term_count == NM_BOOK_TERM_MAX)
        memmove(self->terms, self->terms + 1, --self->term_count * sizeof *self->terms);
    self->terms[self->term_count++] = term;
    self->heard = term;
    self->epoch = epoch;
}

const char *
nm_book_owner(const nm_book_head_t *self)
{
    const nm_term_t *term = nm_book_term(self);
    if (self->heard.round && (!term || nm_term_compare(&self->heard, term) > 0))
        return self->heard.owner;
    return term ? term->owner : NULL;
}

nm_book_title_t
nm_book_title(const nm_book_head_t *self, const char *name, const nm_id_t *store, uint32_t epoch)
{
    const nm_term_t *term = nm_book_term(self);
    const char *owner = nm_book_owner(self);
    if (!owner)
        return NM_BOOK_NOBODYS;
    if (strcmp(owner, name) != 0)
        return NM_BOOK_OTHERS;
    bool same_life = term && nm_term_compare(term, &self->heard) == 0 && nm_id_equal(&term->store, store);
    return same_life && self->epoch == epoch ? NM_BOOK_MINE : NM_BOOK_AGAIN;
}
