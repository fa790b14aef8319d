/*  errands - asks that can be answered only once other actors were asked something.
 *
 *  The ask is kept, questions go out, and when each has its answer the operation runs again
 *  from its beginning with the answers at hand (nm_case_t.errand). So nothing is half done
 *  in between: before the second run nothing was written, after it the ask is answered. A
 *  restart forgets an errand, and the asker asks again.
 *
 *  The places, and the bytes that they stand for, are shared out (portions.h): no service takes all of them.
 *
 *  Who is away or falls silent answers with 503. A copy that is waited for (copies.h)
 *  is a question too: its receipt is the answer, 200. A later run may ask further questions.
 */
#ifndef NM_ERRANDS_H
#define NM_ERRANDS_H

#include "actors/accounts/portions.h"
#include "actors/gateway/answer.h"
#include "actors/gateway/touched.h"

struct nm_case;

enum {
    NM_ERRAND_COUNT = 1024,
    NM_ERRAND_SIZE_MAX = 64 * 1024 * 1024,  //  Of all asks that are kept, and of what was answered
    NM_ERRAND_PLACE_SIZE = NM_ERRAND_SIZE_MAX / NM_ERRAND_COUNT,  //  One that keeps more has taken several places
    NM_QUESTION_COUNT = 2000,                                     //  Of one errand
    NM_ABOUT_LOAN = INT32_MAX,  //  A question that is about no item of the ask: quota.h
};

typedef struct {
    size_t about;           //  What the asker of the question knows it by
    const nm_peer_t *peer;  //  Who was asked
    bool fresh;             //  Asked in this turn
    bool answered;
    bool is_copy;               //  Mail, not an ask
    bool used;                  //  ... and accepted under its id
    nm_id_t copy;               //  ... the id
    unsigned status;            //  As in HTTP
    size_t body_at, body_size;  //  In `answers`
} nm_question_t;

typedef struct nm_errand {
    bool used;
    bool fresh;  //  Came in this turn
    bool done;   //  Ran again in this turn
    uint32_t serial;
    nm_ask_in_t ask;  //  Its views are into `kept`
    nm_id_t service;  //  Whose places it has
    size_t place_count;
    char op[65];
    nm_buf_t kept;  //  Headers, then body
    size_t headers_size;
    nm_question_t *questions;
    size_t question_count, question_room, open_count, copy_count;
    size_t copies_before;  //  Copies that were made before this run
    nm_buf_t answers;
    int64_t until_ms;
} nm_errand_t;

typedef struct {
    nm_errand_t *items;  //  NM_ERRAND_COUNT of them, made when first used
    size_t count;        //  In use
    size_t size;         //  Bytes that they keep
    nm_portions_t portions;
    int64_t look_ms;
    nm_touched_t touched;
} nm_errands_t;

void nm_errands_free(nm_errands_t *self);
void nm_errands_undo(nm_errands_t *self);
void nm_errands_commit(nm_errands_t *self);
nm_rc_t nm_errands_reply(struct nm_gateway *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);
nm_rc_t nm_errands_due(struct nm_gateway *gateway, nm_turn_t *turn);

//  Keeps the ask of the case. NULL: there is no room, and that is answered.
nm_errand_t *nm_errands_begin(struct nm_case *it);

//  The errand of the case goes on after this run; or one begins.
nm_errand_t *nm_errands_open(struct nm_case *it);

//  A copy of item `about` goes to a gateway under this id. The token of its receipt.
uint64_t nm_errands_put_copy(struct nm_case *it, nm_errand_t *errand, size_t about, const nm_peer_t *peer,
                             const nm_id_t *id);
nm_rc_t nm_errands_receipted(struct nm_gateway *gateway, nm_turn_t *turn, uint64_t token);

//  The copy of item `about`; NULL: none was made.
nm_question_t *nm_errands_copy(nm_errand_t *self, size_t about);

//  Asks an actor op with headers and body; about is the caller's mark.
void nm_errands_put(struct nm_case *it, nm_errand_t *errand, size_t about, const nm_peer_t *peer, const char *op,
                    const nm_ask_headers_t *headers, nm_bytes_t body);

nm_bytes_t nm_errand_body(const nm_errand_t *self, const nm_question_t *question);

#endif
