/*  ways - the sockets towards peers: a post to the mailbox of each with whom mail is exchanged, and a dealer to the desk
 *  of whoever is asked something.
 *
 *  They follow the directory: who has come, moved, changed its key, or is no longer let in. Beyond that a way is made
 *  anew when it does not lead anywhere, because libzmq does not try again after a refused handshake: a post to
 *  a peer that is silent, or that speaks to us while we cannot speak to it; a dealer over which asks find no answer.
 *  Dealers that nobody uses are given up, so that a large mesh does not keep a thousand of them.
 *
 *  What cannot go is dropped: mail is kept in the outbox and comes again after the next greeting, the rest is asked for
 *  again. Times are monotonic.
 */
#ifndef NM_WAYS_H
#define NM_WAYS_H

#include "broker/actor.h"
#include "broker/net.h"

typedef struct nm_ways nm_ways_t;

//  All belong to the caller and outlive the ways.
typedef struct {
    nm_net_t *net;
    const nm_directory_t *directory;
    const nm_actor_t *actor;  //  Says who still owes an answer
    const char *name;         //  Of the actor: there is no way to itself
    nm_role_id_t role;
} nm_ways_config_t;

nm_ways_t *nm_ways_new(const nm_ways_config_t *config);
void nm_ways_destroy(nm_ways_t **self_p);

//  Gives each peer the sockets that the directory's word about it wants. On a failure all others have theirs.
nm_rc_t nm_ways_follow(nm_ways_t *self, int64_t now_ms, nm_error_t *error);

//  All are made again: our own key is another one now.
void nm_ways_call_anew(nm_ways_t *self, int64_t now_ms);

//  A lobby has answered: who refused us may let us in now.
void nm_ways_welcomed(nm_ways_t *self, int64_t now_ms);

void nm_ways_heard(nm_ways_t *self, const char *name, int64_t now_ms);  //  A frame of that peer came
void nm_ways_tend(nm_ways_t *self, int64_t now_ms);                     //  Replaces and gives up what is to be

//  Sends, and empties the buffer in any case.
void nm_ways_post(nm_ways_t *self, const nm_peer_t *peer, nm_buf_t *frame, int64_t now_ms);
void nm_ways_ask(nm_ways_t *self, const nm_peer_t *peer, nm_buf_t *frame, int64_t now_ms);

//  Dealers by place, to be polled: 0 .. count - 1. NULL where there is none.
size_t nm_ways_count(const nm_ways_t *self);
void *nm_ways_dealer(const nm_ways_t *self, size_t place);

//  The dealer at that place has answers. Whose they are.
const nm_peer_t *nm_ways_answered(nm_ways_t *self, size_t place, int64_t now_ms);

#endif
