/*  directory - who is on the mesh now: the one question that sockets and roles ask.
 *
 *  Behind it stand three sources: the mesh file's roster with the certificates of certs/, what
 *  actors have said of themselves (gossip.h), and the statements of the authority. What an actor says
 *  overrides its roster entry and its certificate's file, and adds actors that the roster does not
 *  have; a statement overrides both. Nobody else may look at the mesh file for peers.
 *
 *  What was learnt is kept in the actor's store, so that an actor that starts while all others are
 *  away still finds them, and what was revoked stays out.
 */
#ifndef NM_DIRECTORY_H
#define NM_DIRECTORY_H

#include "broker/gossip.h"
#include "broker/mesh.h"
#include "lmdb_store/store.h"

typedef struct nm_directory nm_directory_t;

extern const nm_table_t nm_directory_table;

//  What is known of one actor. Belongs to the directory; stays until it is destroyed.
typedef struct {
    nm_mesh_actor_t actor;
    size_t place;     //  Its number in this directory: from 0, in the order in which they came
    nm_cert_t cert;   //  Without secret; name empty if none was found yet
    bool certified;   //  The certificate was there and verified when last looked at
    bool forgotten;   //  The authority says that it and its disk are gone for good: nothing passes any more
    nm_id_t fenced;   //  The store that went with it, refused for ever; all zero if none did, or nobody knows
    int64_t lost_ms;  //  When that was said last, also of an earlier actor of the name (wall clock); 0: never

    //  What it says of itself. Until it has spoken, heard is false and the rest means nothing.
    bool heard;
    nm_life_t life;
    bool draining;
    bool leaving;
    nm_id_t store;
    uint32_t epoch;
    char version[33];
} nm_peer_t;

//  Reads and verifies every file of certs/. A roster entry without a valid certificate
//  is kept, logged, and admitted nowhere. now_ms is the wall clock.
nm_directory_t *nm_directory_new(const nm_mesh_t *mesh, int64_t now_ms, nm_error_t *error);
void nm_directory_destroy(nm_directory_t **self_p);

//  Who holds this CURVE key with a certificate that is valid now? NULL and a sentence if
//  nobody. An unknown key makes it read certs/ again, at most once a second. An operator
//  needs no roster entry; an actor must stand in the roster with the same role, or have said
//  who it is.
const nm_peer_t *nm_directory_admit(nm_directory_t *self, const uint8_t public_key[NM_CURVE_KEY_SIZE], int64_t now_ms,
                                    nm_error_t *error);

//  Another number after each change of who there is, where, or under which certificate: whoever
//  keeps peers looks at it, and takes the list again when it has changed.
uint64_t nm_directory_version(const nm_directory_t *self);

const nm_peer_t *nm_directory_find(const nm_directory_t *self, const char *name);

//  All that were ever lost, as lost_ms says; stops at the first result that is not NM_OK. Of one that came and went while
//  this directory heard nothing, the name and the loss are all that is known: its role is NM_ROLE_NONE, and the peer
//  lives for the call.
typedef nm_rc_t(nm_lost_fn)(void *arg, const nm_peer_t *peer);
nm_rc_t nm_directory_each_lost(const nm_directory_t *self, nm_lost_fn *fn, void *arg);

//  All actors of a role, those of the roster first; role NM_ROLE_NONE gives all.
//  Returns how many there are and writes at most max of them.
size_t nm_directory_list(const nm_directory_t *self, nm_role_id_t role, const nm_peer_t **peers, size_t max);

//  The gateway with that number, or NULL.
const nm_peer_t *nm_directory_gateway(const nm_directory_t *self, uint16_t number);

//  -- What is learnt. Each logs what matters to people.

//  As nm_gossip_take and nm_gossip_hear, and the peers follow.
nm_rc_t nm_directory_learn(nm_directory_t *self, const nm_signed_t *member, nm_now_t now, nm_error_t *error);
nm_rc_t nm_directory_hear(nm_directory_t *self, const nm_statement_t *statement, nm_now_t now, nm_error_t *error);

//  Time passed: who has gone quiet, whose certificate has run out. Cheap; a few times a second is enough.
void nm_directory_tick(nm_directory_t *self, nm_now_t now);

//  Members and statements, to compare and exchange: change them only through the calls above.
nm_gossip_t *nm_directory_gossip(nm_directory_t *self);

//  -- What this actor says of itself

typedef struct {
    const nm_mesh_actor_t *actor;
    const nm_cert_t *cert;  //  With its secret; copied
    nm_id_t store;
    uint32_t epoch;
} nm_directory_own_t;

//  From now on the directory speaks for this actor. NM_ERR_MISSING: its certificate has no sign key, so that
//  others know only what their files say of it.
nm_rc_t nm_directory_enter(nm_directory_t *self, const nm_directory_own_t *own);

//  Says it again when that is due: a heartbeat, or at once after one of the changes below. Returns when it is
//  due next (monotonic); INT64_MAX if this actor says nothing.
int64_t nm_directory_beat(nm_directory_t *self, nm_now_t now);
void nm_directory_drain(nm_directory_t *self);
void nm_directory_leave(nm_directory_t *self);

//  The certificate with the secret that this actor goes by now; NULL before nm_directory_enter.
const nm_cert_t *nm_directory_own(const nm_directory_t *self);

//  Takes the certificate, and the key pair if that is new too, that stands in keys/NAME.next.key, else in
//  keys/NAME.key, and says so. NM_ERR_DUPLICATE: it goes by that already. Others are refused with a sentence and change nothing.
nm_rc_t nm_directory_renew(nm_directory_t *self, nm_now_t now, nm_error_t *error);

//  True once a statement has ended the own certificate: this actor has no business here any more.
bool nm_directory_is_out(const nm_directory_t *self, nm_error_t *error);

//  -- Keeping it. In a turn's transaction; saved says that the turn is on disk. What actors said can wait while a store is
//  short of room; the authority's word is saved all the same.
nm_rc_t nm_directory_load(nm_directory_t *self, nm_txn_t *txn, nm_now_t now);
nm_rc_t nm_directory_save(nm_directory_t *self, nm_txn_t *txn);
nm_rc_t nm_directory_save_statements(nm_directory_t *self, nm_txn_t *txn);
void nm_directory_saved(nm_directory_t *self);

#endif
