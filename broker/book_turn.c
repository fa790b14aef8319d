//  book_turn - what roles do with the copies that their actor has.

#include <assert.h>
#include <sodium.h>

#include "broker/actor_private.h"

static nm_book_copy_t *
s_own_copy(nm_turn_t *turn, const char *book)
{
    nm_book_copy_t *copy = nm_books_find(turn->actor, nm_text(book));
    assert(copy);
    return copy;
}

nm_book_whose_t
nm_turn_book(nm_turn_t *turn, const char *book, const char **owner)
{
    const nm_book_copy_t *copy = s_own_copy(turn, book);
    if (owner)
        *owner = nm_books_owner(copy);
    switch (copy->state) {
    case NM_BOOK_OWNING: return NM_BOOK_HERE;
    case NM_BOOK_LOOKING:
    case NM_BOOK_CATCHING: return NM_BOOK_SETTLING;
    case NM_BOOK_FOLLOWING: break;
    }
    return copy->owner_away || !*nm_books_owner(copy) ? NM_BOOK_AWAY : NM_BOOK_THERE;
}

static nm_rc_t
s_make_change(nm_turn_t *turn, const char *book, const nm_book_change_t *change)
{
    nm_book_copy_t *copy = s_own_copy(turn, book);
    if (copy->state != NM_BOOK_OWNING)
        return NM_ERR_REFUSED;
    nm_rc_t rc = nm_book_apply(turn->txn, book, &copy->head, change);
    copy->news = true;
    return rc == NM_OK ? nm_books_changed(turn->actor, copy, change->key) : rc;
}

nm_rc_t
nm_turn_book_put(nm_turn_t *turn, const char *book, nm_bytes_t key, nm_bytes_t value)
{
    return s_make_change(turn, book, &(nm_book_change_t){ .key = key, .value = value });
}

nm_rc_t
nm_turn_book_delete(nm_turn_t *turn, const char *book, nm_bytes_t key)
{
    return s_make_change(turn, book, &(nm_book_change_t){ .key = key, .gone = true });
}

//  "{round} {number} {store} {owner}"
void
nm_turn_book_mark(nm_turn_t *turn, const char *book, char out[NM_BOOK_MARK_SIZE])
{
    const nm_book_copy_t *copy = s_own_copy(turn, book);
    const nm_term_t *term = nm_book_term(&copy->head);
    char store[2 * NM_ID_SIZE + 1];
    out[0] = 0;
    if (!term)
        return;
    sodium_bin2hex(store, sizeof store, term->store.at, NM_ID_SIZE);
    snprintf(out, NM_BOOK_MARK_SIZE, "%u %llu %s %s", term->round, (unsigned long long) copy->head.number, store,
             term->owner);
}

bool
nm_turn_book_reached(nm_turn_t *turn, const char *book, nm_bytes_t mark)
{
    char text[NM_BOOK_MARK_SIZE], store[2 * NM_ID_SIZE + 1];
    nm_term_t term = { .round = 0 };
    unsigned long long number;
    size_t size;
    nm_bytes_to_text(mark, text, sizeof text);
    if (sscanf(text, "%u %llu %32s %63s", &term.round, &number, store, term.owner) != 4 ||
        sodium_hex2bin(term.store.at, NM_ID_SIZE, store, strlen(store), NULL, &size, NULL) != 0)
        return false;
    return nm_book_has(&s_own_copy(turn, book)->head, &term, number);
}
