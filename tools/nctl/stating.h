/*  stating - what nctl does with statements of the authority: makes, keeps, reads and publishes them.
 *
 *  A statement's file is its text (broker/statements.h) and one more line, `signature` and 128 hex
 *  digits. So it can be made where the authority's key is, and carried.
 */
#ifndef NM_STATING_H
#define NM_STATING_H

#include "broker/statements.h"
#include "tools/nctl/reach.h"

typedef struct {
    nm_stated_t stated;
    uint8_t signature[64];
} nm_stating_t;

//  Signs what stated says with authority.key.
nm_rc_t nm_stating_make(const char *folder, const nm_stated_t *stated, nm_stating_t *out, nm_error_t *error);

//  A new file; NM_ERR_DUPLICATE if it is there. For path NULL it goes to statements/ of the mesh's folder, under a name
//  of its own, and one that is there is fine.
nm_rc_t nm_stating_save(const char *folder, const char *path, const nm_stating_t *self, nm_error_t *error);

//  Reads and verifies one.
nm_rc_t nm_stating_load(const char *path, const uint8_t authority[NM_SIGN_PUBLIC_SIZE], nm_stating_t *out,
                        nm_error_t *error);

//  Is the certificate ended by one that is kept in statements/?
bool nm_stating_ended(const nm_mesh_t *mesh, const nm_cert_t *cert, nm_error_t *error);

//  Leaves only the actors that this machine runs: their keys are in the mesh's folder, and no statement that is kept there
//  has ended their certificates.
void nm_stating_keep_ours(nm_mesh_t *mesh);

//  The time that a new certificate of that name may be made for: now, or late enough to begin after the name was
//  forgotten by a statement that is kept in statements/.
int64_t nm_stating_since(const char *folder, const char *name, int64_t now_ms);

//  Gives it to the actors that are there until one has taken it, who sees to the rest; the actor that it is about is
//  asked last. Prints who took it; NM_DONE or NM_FAILED.
int nm_stating_publish(nm_reach_t *reach, const nm_stating_t *self);

#endif
