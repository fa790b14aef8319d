/*  books - the copies of books that an actor has: who owns them, whom to ask for changes and when.
 *
 *  Private to broker/. An actor that may own a book looks around before it takes changes: at each start it tells
 *  every other holder where its copy stands, and hears where theirs do. Then it owns, catches up, or follows.
 *  Nobody becomes owner otherwise, but by book.promote.
 *
 *  A follower asks the owner for changes once a second, and at once when somebody tells it news; while the owner
 *  does not answer it asks the other holders in turn, for they may know of a newer one. Whoever answers, what
 *  comes is taken only if that copy is ahead (book.h).
 *
 *      book.changes   where the asker stands -> where the other stands, and a page of what is lacking
 *      book.news      the same, without the page: "look at me"
 *      book.promote   {book, round}: an operator makes this actor the owner; round is the one that is over
 *      book.aside     {book, drop}: what the book went on without; an operator may drop it
 */
#ifndef NM_BOOKS_H
#define NM_BOOKS_H

#include "broker/book.h"
#include "broker/book_stage.h"
#include "broker/role.h"

typedef enum {
    NM_BOOK_LOOKING,    //  Would own, and has asked around whether it may
    NM_BOOK_CATCHING,   //  ... and found a copy that is ahead
    NM_BOOK_OWNING,     //  Takes changes
    NM_BOOK_FOLLOWING,  //  Asks for changes
} nm_book_state_t;

typedef struct {
    const nm_book_use_t *use;
    const nm_book_rule_t *rule;
    nm_book_head_t head;  //  As on disk
    nm_book_state_t state;
    char founder[NM_NAME_MAX + 1];  //  Who begins the book when nobody has it
    uint32_t serial;                //  Of the asks whose answers count
    size_t awaited;                 //  Answers to news that LOOKING waits for
    bool asking;                    //  For changes, and not answered yet
    bool owner_away;                //  The owner did not answer when it was asked last
    bool news;                      //  There are changes that others should hear of
    char source[NM_NAME_MAX + 1];   //  Whom to ask next; empty: the owner
    char asked[NM_NAME_MAX + 1];    //  Who is being asked
    size_t turn;                    //  Whose turn it is among the others while the owner is away
    int64_t ask_at_ms;              //  Monotonic, like the next two
    int64_t asked_ms;               //  When it was asked last
    int64_t heard_ms;               //  When the owner spoke last, other than in answer to that
    nm_book_head_t best;            //  LOOKING: where the best copy so far stands
    char at_odds[NM_NAME_MAX + 1];  //  With whom neither copy wins; empty: nobody
    uint64_t aside_count;
    nm_stage_t stage;
} nm_book_copy_t;

struct nm_actor;

nm_rc_t nm_books_open(struct nm_actor *actor, nm_error_t *error);
void nm_books_close(struct nm_actor *actor);

//  Takes heads from the store: at the start, and after a turn was undone.
nm_rc_t nm_books_load(struct nm_actor *actor);

//  The turn ends: tells others of its changes, and asks whom it is time to ask.
void nm_books_finish(struct nm_actor *actor);
int64_t nm_books_wake(const struct nm_actor *actor);

//  True if the ask was one of these; rc then is what came of it.
bool nm_books_ask(struct nm_actor *actor, const nm_ask_in_t *ask, nm_rc_t *rc);
nm_rc_t nm_books_reply(struct nm_actor *actor, const nm_reply_in_t *reply);

//  Packs the list of copies for `status`.
void nm_books_write(const struct nm_actor *actor, nm_buf_t *out);

//  -- Among books.c, book_orders.c and book_turn.c

nm_book_copy_t *nm_books_find(struct nm_actor *actor, nm_bytes_t book);  //  NULL if the role has no such book
const char *nm_books_owner(const nm_book_copy_t *copy);                  //  "" if nobody is known

//  Tells the role that an entry is another now, or gone.
nm_rc_t nm_books_changed(struct nm_actor *actor, const nm_book_copy_t *copy, nm_bytes_t key);

//  The book is this actor's, from its next change on.
nm_rc_t nm_books_begin(struct nm_actor *actor, nm_book_copy_t *copy);

nm_rc_t nm_books_take_order(struct nm_actor *actor, const nm_ask_in_t *ask);  //  book.promote, book.aside
nm_rc_t nm_books_refuse(struct nm_actor *actor, const nm_ask_in_t *ask, unsigned status, const char *detail);

#endif
