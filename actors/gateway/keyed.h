/*  keyed - to which gateway an ask with an idempotency key belongs, and how it gets there.
 *
 *  One gateway answers for each key of a service (owners.h). Whoever gets an ask whose first
 *  answer it has gives that; else the ask goes to the owner. While that one is away its keys,
 *  and no others, are answered 503.
 *
 *  A gateway that was added owns keys that others answered for the day before. It asks those
 *  first (`idempotency.find.*`), and whoever has no answer marks the key as moved before it
 *  says so: from then on it passes the key on, even while it does not count the new gateway
 *  among the owners yet. So at any time one gateway takes a key in, whatever they know of
 *  each other. See docs/decisions/0014.
 */
#ifndef NM_KEYED_H
#define NM_KEYED_H

#include "actors/gateway/idempotency.h"

enum { NM_KEYED_BEFORE_MAX = 64 };

typedef struct {
    const nm_peer_t *owner;                        //  To be asked; NULL: this gateway
    bool placed;                                   //  ... to take it in: its recipient belongs there (homes.h)
    bool unknown;                                  //  It belongs to a gateway that the directory does not have
    const nm_peer_t *before[NM_KEYED_BEFORE_MAX];  //  Who may know of it, if it is ours
    size_t before_count;
} nm_keyed_t;

//  The key of an ask: the one given, else request_id of the body; empty if it has none.
nm_bytes_t nm_keyed_key(nm_bytes_t body, nm_bytes_t header);

//  Whose is it? An empty key is ours.
nm_rc_t nm_keyed_look(nm_case_t *it, nm_bytes_t key, nm_keyed_t *keyed);

//  Asks those who may know of the key for their first answer to op with that body.
void nm_keyed_ask(nm_case_t *it, nm_errand_t *errand, size_t about, const nm_keyed_t *keyed, const char *op,
                  nm_bytes_t key, nm_bytes_t body);

//  What they said.
typedef struct {
    const nm_question_t *found;    //  This one has the first answer: nm_keyed_first reads it
    const nm_question_t *refused;  //  This one has it for another body: a problem
    bool away;                     //  Nobody can tell: somebody did not answer
} nm_verdict_t;

nm_verdict_t nm_keyed_verdict(const nm_errand_t *errand, size_t about);
nm_rc_t nm_keyed_first(const nm_errand_t *errand, const nm_question_t *found, nm_first_answer_t *first);

//  Answers what was found, refused or cannot be told. NM_OK: nobody knows of it, take it in.
nm_rc_t nm_keyed_settle(nm_case_t *it, size_t about);

//  Passes the ask on to its owner, if that may be: two gateways that know of different gateways must
//  not send an ask to and fro. NM_ERR_REFUSED: it is on its way, or answered.
nm_rc_t nm_keyed_pass(nm_case_t *it, const nm_keyed_t *keyed);

//  Takes a whole ask to where it belongs. NM_OK: that is here, and it is new. NM_ERR_REFUSED: it
//  is on its way, or answered.
nm_rc_t nm_keyed_route(nm_case_t *it, const char *op, nm_bytes_t key, nm_bytes_t body);

#endif
