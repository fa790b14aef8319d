/*  case - one ask on its way through a gateway, and what operations share.
 *
 *  A case lives for one turn. What has to be kept until another turn is copied out of it: the asker, which is a value,
 *  and the ask, which an errand keeps.
 */
#ifndef NM_CASE_H
#define NM_CASE_H

#include "actors/gateway/state.h"

//  One ask, once it is known who asks.
typedef struct nm_case {
    nm_gateway_t *gateway;
    nm_turn_t *turn;
    nm_txn_t *txn;
    const nm_ask_in_t *ask;
    nm_who_t who;
    nm_asker_t asker;
    nm_answer_t answer;  //  Goes to asker
    int64_t now_ms;
    nm_errand_t *errand;     //  What other gateways said, when the ask runs again; else NULL
    nm_quota_use_t quota;    //  Which limits hold; answer tells of them
    nm_defaults_t defaults;  //  Of the asker's service, once nm_accept_begin was called
} nm_case_t;

//  An operation: answers the ask, or keeps it to answer later.
typedef nm_rc_t(nm_op_fn)(nm_case_t *it);

//  Runs an ask; errand as in nm_case_t.
nm_rc_t nm_gateway_run(nm_gateway_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, nm_errand_t *errand);

//  A case of nobody yet. It points into itself: it is not to be copied.
void nm_case_open(nm_case_t *it, nm_gateway_t *gateway, nm_turn_t *turn, const nm_ask_in_t *ask);

//  Was it another gateway that passed this ask on? Then it is not passed on again.
static inline bool
nm_case_is_passed_on(const nm_case_t *it)
{
    return it->ask->role == NM_ROLE_GATEWAY;
}

//  May this one see what belongs to that service?
static inline bool
nm_case_may_see(const nm_case_t *it, const nm_id_t *service)
{
    return it->who.admin || nm_id_equal(&it->who.service, service);
}

//  Decodes the body by name, an absent one as an empty map. On a fault it answers (400
//  for what is no map, 422 with every fault), and returns NM_ERR_REFUSED: the handler then
//  ends with NM_OK. query: faults point at "?name" rather than at "/name".
nm_rc_t nm_case_decode(nm_case_t *it, const nm_shape_t *shape, void *record, bool query);

//  Finds a notification by the text of its id, for one who may see it. NM_ERR_REFUSED: it is
//  not there, or somebody else's; answered. Or it is another gateway's, which was asked.
nm_rc_t nm_case_find(nm_case_t *it, nm_bytes_t text, nm_id_t *id, nm_note_t *note);

//  Reads limit and cursor of a list: 1 to 200, 50 if absent; the cursor is an id.
//  NM_ERR_REFUSED: answered.
nm_rc_t nm_case_page(nm_case_t *it, bool has_limit, uint64_t *limit, bool has_cursor, nm_bytes_t cursor, nm_id_t *from);

//  Answers 422 for one fault.
nm_rc_t nm_case_refuse(nm_case_t *it, const char *pointer, const char *detail);

//  Answers 404 in the same words, whether it is not there or somebody else's.
nm_rc_t nm_case_unknown(nm_case_t *it, const char *what);

//  An id as a cursor: 32 hex digits.
enum { NM_CURSOR_TEXT_SIZE = 32 };
void nm_cursor_text(const nm_id_t *id, char out[NM_CURSOR_TEXT_SIZE + 1]);

#endif
