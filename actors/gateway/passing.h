/*  passing - operations that change a book are done by its owner, at whichever gateway they were asked.
 *
 *  Where the book is this gateway's, the operation runs at once. Else it is passed on to the owner as it came, once
 *  the asker's credentials were checked here; the owner's answer is handed on when this gateway's own copy
 *  has the change, so that the asker reads what it wrote. While the owner is away it is 503, and nothing is kept
 *  to be done later. Right after a start it may take a moment until it is known whose the book is; the
 *  operation waits that long.
 */
#ifndef NM_PASSING_H
#define NM_PASSING_H

#include "actors/gateway/answer.h"

enum { NM_PASSING_COUNT = 64, NM_PASSING_BODY_MAX = 128 * 1024 };

struct nm_case;
struct nm_gateway;

typedef enum { NM_PASSING_HELD, NM_PASSING_ASKED, NM_PASSING_ANSWERED } nm_passing_state_t;

typedef struct {
    bool used;
    bool fresh;  //  Since this turn
    bool done;   //  Answered in this turn
    nm_passing_state_t state;
    nm_passing_state_t kept;  //  The state as of the last commit
    uint32_t serial;
    nm_asker_t asker;
    const char *book;
    char op[65];
    nm_buf_t body;       //  Of the ask; ANSWERED: of the owner's answer
    unsigned status;     //  ANSWERED: the owner's
    char mark[160];      //  ... and the change that is waited for
    int64_t give_up_ms;  //  Wall clock
} nm_passed_t;

typedef struct {
    nm_passed_t *items;  //  NM_PASSING_COUNT of them, made when first used
    size_t count;        //  In use
} nm_passing_t;

void nm_passing_free(nm_passing_t *self);
void nm_passing_undo(nm_passing_t *self);
void nm_passing_commit(nm_passing_t *self);

//  NM_OK: the operation may run here and now. NM_ERR_BUSY: it was passed on, or waits, or is answered.
nm_rc_t nm_passing_take(struct nm_case *it, const char *book);

nm_rc_t nm_passing_reply(struct nm_gateway *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);

//  Looks after those that wait.
nm_rc_t nm_passing_due(struct nm_gateway *gateway, nm_turn_t *turn);

#endif
