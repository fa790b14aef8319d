/*  passing - operations that change a book are done by its owner, a user actor; and those about people, whom no
 *  gateway knows.
 *
 *  The operation is passed on as it came, once the asker's credentials were checked here; the owner's answer is handed
 *  on when this gateway's own copy has the change, so that the asker reads what it wrote. While the owner is away it
 *  is 503, and nothing is kept to be done later. The places are shared out (portions.h); all who sign in have one share.
 */
#ifndef NM_PASSING_H
#define NM_PASSING_H

#include "actors/accounts/portions.h"
#include "actors/gateway/answer.h"
#include "actors/gateway/lockout.h"

enum { NM_PASSING_COUNT = 512, NM_PASSING_BODY_MAX = 128 * 1024 };

struct nm_case;
struct nm_gateway;

typedef struct {
    bool used;
    bool fresh;  //  Since this turn
    bool done;   //  Answered in this turn
    uint32_t serial;
    nm_asker_t asker;
    nm_id_t service;       //  Whose place it is; zero where it is not known who signs in
    bool signs_in;         //  It is auth.login: a wrong one counts
    nm_lockout_who_t who;  //  ... for this one
    const char *book;
    char owner[NM_NAME_MAX + 1];
    unsigned status;     //  That the owner answered with; 0: not yet
    nm_buf_t body;       //  ... its body
    char mark[160];      //  ... and the change that is waited for
    int64_t give_up_ms;  //  Wall clock
} nm_passed_t;

typedef struct {
    nm_passed_t *items;  //  NM_PASSING_COUNT of them, made when first used
    size_t count;        //  In use
    nm_portions_t portions;
} nm_passing_t;

void nm_passing_free(nm_passing_t *self);
void nm_passing_undo(nm_passing_t *self);
void nm_passing_commit(nm_passing_t *self);

//  Passes the ask of a case on; it is answered now or later.
nm_rc_t nm_passing_take(struct nm_case *it, const char *book);

nm_rc_t nm_passing_reply(struct nm_gateway *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);

//  Looks after those that wait.
nm_rc_t nm_passing_due(struct nm_gateway *gateway, nm_turn_t *turn);

#endif
