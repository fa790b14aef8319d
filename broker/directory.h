/*  directory - who is on the mesh now: the one question that sockets and roles ask.
 *
 *  Behind it stands the mesh file's roster with the certificates of certs/. Discovery by
 *  gossip will stand behind the same calls, so nobody else may look at the mesh file for
 *  peers.
 */
#ifndef NM_DIRECTORY_H
#define NM_DIRECTORY_H

#include "broker/mesh.h"

typedef struct nm_directory nm_directory_t;

//  What is known of one actor. Belongs to the directory; stays until it is destroyed.
typedef struct {
    nm_mesh_actor_t actor;
    nm_cert_t cert;  //  Without secret; name empty if none was found yet
    bool certified;  //  The certificate was there and verified when last looked at
    bool forgotten;  //  The authority says that it and its disk are gone for good: nothing passes any more
    nm_id_t fenced;  //  The store that went with it, refused for ever; all zero if none did, or nobody knows
} nm_peer_t;

//  Reads and verifies every file of certs/. A roster entry without a valid certificate
//  is kept, logged, and admitted nowhere.
nm_directory_t *nm_directory_new(const nm_mesh_t *mesh, int64_t now_ms, nm_error_t *error);
void nm_directory_destroy(nm_directory_t **self_p);

//  Who holds this CURVE key with a certificate that is valid now? NULL and a sentence if
//  nobody. An unknown key makes it read certs/ again, at most once a second. An operator
//  needs no roster entry; an actor does, with the same role.
const nm_peer_t *nm_directory_admit(nm_directory_t *self, const uint8_t public_key[NM_CURVE_KEY_SIZE], int64_t now_ms,
                                    nm_error_t *error);

//  Another number after each change of who there is, where, or under which certificate: whoever
//  keeps peers looks at it, and takes the list again when it has changed.
uint64_t nm_directory_version(const nm_directory_t *self);

const nm_peer_t *nm_directory_find(const nm_directory_t *self, const char *name);

//  All actors of a role, in the order of the roster; role NM_ROLE_NONE gives all.
//  Returns how many there are and writes at most max of them.
size_t nm_directory_list(const nm_directory_t *self, nm_role_id_t role, const nm_peer_t **peers, size_t max);

//  The gateway with that number, or NULL.
const nm_peer_t *nm_directory_gateway(const nm_directory_t *self, uint16_t number);

#endif
