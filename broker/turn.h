/*  turn - one round of an actor, as role code sees it: a transaction, the time, and outputs.
 *
 *  Nothing that is added here leaves before the commit of the turn. Bodies are copied
 *  when they are added, so the caller may reuse its buffer at once.
 */
#ifndef NM_TURN_H
#define NM_TURN_H

#include "broker/role.h"

nm_txn_t *nm_turn_txn(nm_turn_t *turn);

//  Wall clock, Unix ms. The same for the whole turn, and never less than in the turn before.
int64_t nm_turn_now(const nm_turn_t *turn);

//  64 random bits; a test or simulation seeds them.
uint64_t nm_turn_random(nm_turn_t *turn);

//  A new id that belongs to no gateway (UUIDv7), or to this one if the actor is a gateway.
void nm_turn_new_id(nm_turn_t *turn, nm_id_t *id);

//  True once the actor is told to stop: start nothing new; what is under way may end.
bool nm_turn_leaving(const nm_turn_t *turn);

//  True once it is to leave for good (nctl drain): what is not under way is to be given to others. It
//  is leaving as well.
bool nm_turn_draining(const nm_turn_t *turn);

//  How full the store is, as of a moment ago.
void nm_turn_room(const nm_turn_t *turn, nm_store_room_t *room);

//  True while the store is tight: refuse new work (507) and let old work drain.
bool nm_turn_tight(const nm_turn_t *turn);

//  -- Mail

typedef struct {
    nm_role_id_t role;  //  To any actor of this role ...
    const char *peer;   //  ... or, if not NULL, to this one and no other
    uint8_t kind;       //  nm_mail_kind_t
    uint8_t priority;   //  nm_priority_t
    nm_bytes_t body;    //  The packed record
    nm_bytes_t tag;     //  A short key (at most 32 bytes) by which waiting mail can be withdrawn; may be empty
    nm_bytes_t ref;     //  Instead of a tag: the outbox keeps only this short key, and the role's load_body
                        //  finds the body again; body is what is sent if it goes at once
    uint64_t notify;    //  If not 0: role->receipted is told this token once the mail is on the peer's
                        //  disk. Needs a tag that no other such mail has
} nm_mail_out_t;

//  Puts mail into the outbox. NM_ERR_REFUSED is our mistake: the rights table forbids it.
nm_rc_t nm_turn_mail(nm_turn_t *turn, const nm_mail_out_t *mail);

//  Takes the first mail that still waits for a peer (not assigned) and has this tag or ref out of the
//  outbox. body (may be NULL) gets what was kept of it, until the turn ends. NM_ERR_MISSING: it was
//  assigned already, or never was. The first time it walks all that waits for the role.
nm_rc_t nm_turn_mail_withdraw(nm_turn_t *turn, nm_role_id_t role, nm_bytes_t tag, nm_bytes_t *body);

//  Walks all mail of ours that is not on the disk of a peer yet, waiting or open, in no order; stops at the
//  first result that is not NM_OK. tag: as it was put; the reference if by_ref, and then there is no body. What a lost peer
//  may have handled, and the role accounts for by itself, is not among it.
typedef struct {
    uint8_t kind;
    bool by_ref;
    nm_bytes_t tag;
    nm_bytes_t body;
    bool handed;  //  The peer may have handled it by now: it may have it, and no receipt has come
} nm_mail_mine_t;
typedef nm_rc_t(nm_mail_mine_fn)(void *arg, const nm_mail_mine_t *mail);
nm_rc_t nm_turn_mail_mine(nm_turn_t *turn, nm_mail_mine_fn *fn, void *arg);
nm_rc_t nm_turn_mail_open(nm_turn_t *turn, nm_mail_mine_fn *fn, void *arg);  //  What is open alone

//  The number that our next mail to this peer gets, and up to which number we have all of its mail to us. 0 if
//  there is no link.
uint64_t nm_turn_next(nm_turn_t *turn, const char *peer);
uint64_t nm_turn_seen(nm_turn_t *turn, const char *peer);

//  -- Replies

//  headers: a packed map or empty; body: one packed value or empty.
void nm_turn_reply(nm_turn_t *turn, const nm_caller_t *caller, unsigned status, nm_bytes_t headers, nm_bytes_t body);

//  A problem (RFC 9457) with the status' usual title. faults may be NULL. correlation_id may be empty.
__attribute__((format(printf, 6, 7))) void nm_turn_problem(nm_turn_t *turn, const nm_caller_t *caller, unsigned status,
                                                           nm_bytes_t correlation_id, const nm_faults_t *faults,
                                                           const char *format, ...);

//  Answers a request at the front, or goes on with its answer. Takes the buffers over.
void nm_turn_answer(nm_turn_t *turn, nm_front_answer_t *answer);

//  -- Asks

typedef struct {
    nm_role_id_t role;                //  Some actor of this role that is there ...
    const char *peer;                 //  ... or, if not NULL, this one
    const char *op;                   //  What is asked
    const nm_ask_headers_t *headers;  //  In whose name; NULL: in ours
    nm_bytes_t body;                  //  Empty: none
    int64_t timeout_ms;
    uint64_t token;
} nm_ask_out_t;

//  Asks. The reply comes to role->reply with the token, exactly once, if only as 503 or 504.
//  Not durable: a restart forgets it.
void nm_turn_ask_with(nm_turn_t *turn, const nm_ask_out_t *ask);

//  The same without headers.
void nm_turn_ask(nm_turn_t *turn, nm_role_id_t role, const char *peer, const char *op, nm_bytes_t body,
                 int64_t timeout_ms, uint64_t token);

//  Names of the actors of a role that are greeted and not quiet now; at most max, returns how many.
size_t nm_turn_alive(nm_turn_t *turn, nm_role_id_t role, const char **names, size_t max);

//  Is this one among them?
bool nm_turn_is_alive(nm_turn_t *turn, const char *name);

//  Which process of it was greeted: another number after each restart; 0: it is not among them.
uint64_t nm_turn_life(nm_turn_t *turn, const char *name);

//  Asks all actors for their figures. The role is told by reply, as an answer to itself: 200 and what
//  `mesh.status` answers, each status with name and metrics only, silent actors included, within about a second. 503: others ask already.
void nm_turn_survey(nm_turn_t *turn, uint64_t token);

//  -- Books

typedef enum {
    NM_BOOK_HERE,      //  This actor owns it and may change it
    NM_BOOK_SETTLING,  //  Not known yet; in a second it is
    NM_BOOK_THERE,     //  Another actor owns it
    NM_BOOK_AWAY,      //  ... and did not answer when it was asked last, or nobody is known
} nm_book_whose_t;

//  Whose is the book? owner (may be NULL) gets the owner's name, "" if nobody is known.
nm_book_whose_t nm_turn_book(nm_turn_t *turn, const char *book, const char **owner);

//  Changes an entry of a book that is HERE; role->books[].changed is called before this returns.
//  NM_ERR_REFUSED: it is not. NM_ERR_FULL: the book has NM_BOOK_ENTRY_MAX entries.
nm_rc_t nm_turn_book_put(nm_turn_t *turn, const char *book, nm_bytes_t key, nm_bytes_t value);
nm_rc_t nm_turn_book_delete(nm_turn_t *turn, const char *book, nm_bytes_t key);

//  A text for the last change of the book, and whether this actor's copy has the change of such a text.
enum { NM_BOOK_MARK_SIZE = 160 };
void nm_turn_book_mark(nm_turn_t *turn, const char *book, char out[NM_BOOK_MARK_SIZE]);
bool nm_turn_book_reached(nm_turn_t *turn, const char *book, nm_bytes_t mark);

//  -- Figures

//  Observes in a histogram of microseconds, once this turn is on disk, how long it was since then (wall clock, Unix ms),
//  the turn itself included.
void nm_turn_time(nm_turn_t *turn, nm_metric_t *metric, int64_t since_ms);

//  -- Effects and time

//  Takes the effect over.
void nm_turn_effect(nm_turn_t *turn, nm_effect_t *effect);

//  Have `due` run at this time at the latest. The earliest wish wins; wishes last until they are met.
void nm_turn_wake(nm_turn_t *turn, int64_t at_ms);

#endif
