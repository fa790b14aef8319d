/*  forward - dead_letters.*: asked on, in the tenant's name, of the actor that keeps them.
 *
 *  The body goes on as it came but for `service`, which says whose letters may be seen: the
 *  asker's, or those of the service that an admin names as `service_id`, or everybody's.
 */
#ifndef NM_FORWARD_H
#define NM_FORWARD_H

#include "actors/gateway/answer.h"

enum { NM_FORWARD_COUNT = 256 };

typedef struct {
    bool used;
    bool fresh;
    bool done;
    uint32_t serial;
    nm_asker_t asker;
} nm_forward_t;

typedef struct {
    nm_forward_t *items;  //  NM_FORWARD_COUNT of them, made when first used
    size_t count;         //  In use
} nm_forwards_t;

void nm_forwards_free(nm_forwards_t *self);
void nm_forwards_undo(nm_forwards_t *self);
void nm_forwards_commit(nm_forwards_t *self);
nm_rc_t nm_forwards_reply(struct nm_gateway *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);

//  The first byte of a token says whose ask it was.
enum { NM_TOKEN_CANCEL = 1, NM_TOKEN_FORWARD = 2 };

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
