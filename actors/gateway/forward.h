/*  forward - asks that another actor answers: passed on, and its answer passed back.
 *
 *  To another gateway an ask goes as it came, in the asker's name: what is about one of its
 *  notifications, and what came under a key that it owns. It judges the credentials anew.
 *  An ask that was passed on to us is never passed on again.
 *
 *  What is about dead letters goes to the one actor that keeps them (letters.c says what is asked of several).
 *
 *  The places are shared out (portions.h): one service that asks for events at another gateway waits there for a minute.
 *
 *  Whoever is asked and is away, or falls silent meanwhile, makes the answer a 503.
 */
#ifndef NM_FORWARD_H
#define NM_FORWARD_H

#include "actors/gateway/answer.h"
#include "actors/accounts/portions.h"
#include "actors/gateway/touched.h"

struct nm_case;

enum { NM_FORWARD_COUNT = 2048 };

typedef struct {
    bool used;
    bool fresh;
    bool done;
    uint32_t serial;
    nm_asker_t asker;
    nm_id_t service;           //  Whose place it is
    const nm_peer_t *gateway;  //  That was asked; NULL: the dead letters'
    int64_t until_ms;          //  When its place is free again, whatever happens
} nm_forward_t;

typedef struct {
    nm_forward_t *items;  //  NM_FORWARD_COUNT of them, made when first used
    size_t count;         //  In use
    nm_portions_t portions;
    size_t next;      //  Where the look for a free place begins
    int64_t look_ms;  //  When those who were asked are looked at next
    nm_touched_t touched;
} nm_forwards_t;

void nm_forwards_free(nm_forwards_t *self);
void nm_forwards_undo(nm_forwards_t *self);
void nm_forwards_commit(nm_forwards_t *self);
nm_rc_t nm_forwards_reply(struct nm_gateway *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);
nm_rc_t nm_forwards_due(struct nm_gateway *gateway, nm_turn_t *turn);

//  Passes the ask on to the gateway; it is answered now (503) or later.
nm_rc_t nm_forwards_pass(struct nm_case *it, const nm_peer_t *gateway);

//  The same under the name of another operation.
nm_rc_t nm_forwards_pass_as(struct nm_case *it, const nm_peer_t *gateway, const char *op);

//  Asks the actor that keeps the dead letters the op of the ask, with this body.
nm_rc_t nm_forwards_keeper(struct nm_case *it, nm_bytes_t body);

//  The credentials and texts with which the ask of a case goes on to another gateway.
nm_ask_headers_t nm_forwards_headers(const struct nm_case *it);

//  For an ask in our own name: what it is about, and nothing of who asks.
nm_ask_headers_t nm_forwards_correlation(const struct nm_case *it);

//  The first byte of a token says whose ask it was.
enum {
    NM_TOKEN_CANCEL = 1,
    NM_TOKEN_FORWARD = 2,
    NM_TOKEN_ERRAND = 3,
    NM_TOKEN_RECOVERY = 4,
    NM_TOKEN_PASSING = 5,
    NM_TOKEN_FEED = 6,
    NM_TOKEN_GUESS = 7,
};

static inline uint64_t
nm_token(unsigned kind, size_t slot, uint32_t serial)
{
    return (uint64_t) kind << 56 | (uint64_t) slot << 32 | serial;
}

static inline unsigned
nm_token_kind(uint64_t token)
{
    return (unsigned) (token >> 56);
}

static inline size_t
nm_token_slot(uint64_t token)
{
    return (size_t) (token >> 32 & 0xffffff);
}

#endif
