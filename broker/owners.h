/*  owners - which gateway answers for an idempotency key, where there are several.
 *
 *  Rendezvous hashing: each gateway of the directory has a weight for a (service, key), the
 *  same wherever it is worked out, and the heaviest is the owner. When a gateway is added it
 *  takes its share of the keys from all others and nothing else moves.
 *
 *  The weights of a (service, key): point = BLAKE2b-128 keyed with the mesh's authority over
 *  the 16 bytes of the service and the key; weight = SipHash-2-4 keyed with the point over the
 *  gateway's number, 8 bytes, big end first. The lower number wins a tie.
 *
 *  Pure: a directory and the time in, peers out. See docs/decisions/0014.
 */
#ifndef NM_OWNERS_H
#define NM_OWNERS_H

#include "broker/directory.h"

enum { NM_OWNERS_MAX = NM_MESH_ACTOR_MAX };

typedef struct {
    const nm_directory_t *directory;
    const uint8_t *authority;  //  NM_SIGN_PUBLIC_SIZE bytes
    uint16_t self;             //  The number of this gateway
    int64_t born_ms;           //  When its store was made
} nm_owners_t;

//  The number of the owner. A gateway that is away owns its keys all the same; one that is forgotten owns none.
uint16_t nm_owners_find(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key);

//  The heaviest of these and this gateway; NULL: this one. For what goes elsewhere while its owner is away.
const nm_peer_t *nm_owners_among(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key,
                                 const nm_peer_t *const *others, size_t count);

//  Gateways that may have owned a key of ours within the last day, heaviest first; at most max.
//  They are asked what they know of it before it is called new. None if this gateway has been
//  there for longer than answers are kept.
size_t nm_owners_before(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key, int64_t now_ms,
                        const nm_peer_t **peers, size_t max);

#endif
