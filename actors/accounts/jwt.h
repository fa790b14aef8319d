/*  jwt - tokens of people who sign in: made by the user actor, checked by every gateway alone (RFC 7519, RFC 8725).
 *
 *  The algorithm belongs to the key and is never chosen by a token: EdDSA (Ed25519), or HS256 by a secret that
 *  gateways share. `kid` does nothing but find the key among those that are known. A header with anything but
 *  alg, typ and kid is refused, so nothing in it is ever followed or trusted: no jwk, jku, x5u or crit.
 *
 *  The JSON that is read is a flat object of texts without escapes, whole numbers, and lists of such texts; a
 *  repeated name is refused. Sizes are bounded before anything is decoded.
 *
 *  Claims: iss "nmesh", aud the name of the mesh, sub the user, svc the service, jti the token, roles, iat, nbf, exp.
 *  All must be there; a token is good for NM_JWT_LIFE_MS at most.
 */
#ifndef NM_JWT_H
#define NM_JWT_H

#include "wire/asks.h"

enum {
    NM_JWT_MAX = 1024,       //  Bytes of a token
    NM_JWT_KEY_SIZE = 32,    //  An Ed25519 public key, or the secret of HS256
    NM_JWT_SECRET_SIZE = 64  //  An Ed25519 secret key
};
static const int64_t NM_JWT_LIFE_MS = INT64_C(86400000);

typedef struct {
    nm_id_t id;
    nm_jwt_algorithm_t algorithm;
    uint8_t key[NM_JWT_KEY_SIZE];
} nm_jwt_key_t;

typedef struct {
    nm_id_t user;
    nm_id_t service;
    nm_id_t token;
    uint32_t roles;                 //  A bit for each nm_person_role_t
    int64_t issued_ms, expires_ms;  //  Whole seconds
} nm_jwt_claims_t;

typedef enum {
    NM_JWT_GOOD,
    NM_JWT_OLD,     //  Genuine and expired
    NM_JWT_FORGED,  //  Not by one of the keys, not for this mesh, or no token at all
} nm_jwt_verdict_t;

//  NULL: there is no such key.
typedef const nm_jwt_key_t *(nm_jwt_find_fn) (const void *arg, const nm_id_t *id);

//  secret: the Ed25519 secret key; not looked at for HS256. The token ends with a NUL.
void nm_jwt_make(const nm_jwt_key_t *key, const uint8_t secret[NM_JWT_SECRET_SIZE], const char *audience,
                 const nm_jwt_claims_t *claims, char out[NM_JWT_MAX + 1]);

//  claims are written for GOOD and OLD.
nm_jwt_verdict_t nm_jwt_check(nm_bytes_t token, nm_jwt_find_fn *find, const void *arg, const char *audience,
                              int64_t now_ms, nm_jwt_claims_t *claims);

#endif
