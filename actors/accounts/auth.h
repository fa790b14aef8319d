/*  auth - who asks? An API key or a token, checked against the services and sessions in memory.
 *
 *  The key is {service id without dashes}-{secret}, 32 hex digits each. Unknown service,
 *  unknown key and wrong secret cost the same work and get the same answer. A token is checked by the public keys of
 *  the book of sessions. The last key and the last token that were right are remembered, so a frame of many asks costs
 *  one hash or one signature.
 */
#ifndef NM_AUTH_H
#define NM_AUTH_H

#include "actors/accounts/services.h"
#include "actors/accounts/sessions.h"

typedef struct {
    nm_id_t service;
    uint32_t scopes;  //  A bit for each nm_scope_t below NM_SCOPE_COUNT
    bool admin;
    bool inactive;           //  The key is right, and its service is switched off
    bool person;             //  Somebody who signed in, and not an admin: may see what is its own
    bool signed_in;          //  By a token, admins too
    nm_jwt_claims_t claims;  //  ... its claims
} nm_who_t;

typedef struct {
    uint8_t admin_hash[NM_SECRET_SIZE];  //  Of the mesh file's key
    nm_id_t admin;                       //  The id of the service admin
    const char *mesh;                    //  Its name
    bool cached;
    uint8_t cached_key[NM_KEY_TEXT_SIZE];
    nm_who_t cached_who;
    int64_t cached_until_ms;  //  When that key expires, or its use is to be noted again
    uint64_t cached_changes;

    size_t token_size;  //  0: none is remembered
    uint8_t token[NM_JWT_MAX];
    nm_who_t token_who;
    uint64_t token_changes;
} nm_auth_t;

void nm_auth_init(nm_auth_t *self, const nm_mesh_t *mesh);
void nm_auth_forget(nm_auth_t *self);

//  NM_ERR_REFUSED: no such key. NM_ERR_MISSING: it was one, and it or its service has ended.
nm_rc_t nm_auth_check(nm_auth_t *self, nm_services_t *services, nm_bytes_t key, int64_t now_ms, nm_who_t *who);

//  Checks what an ask shows: its API key, else its token.
typedef enum {
    NM_CREDENTIAL_RIGHT,
    NM_CREDENTIAL_OLD,  //  A key or token that was good once
    NM_CREDENTIAL_WRONG,
    NM_CREDENTIAL_MISSING,  //  Neither is there
} nm_credential_t;
nm_credential_t nm_auth_headers(nm_auth_t *self, nm_services_t *services, const nm_sessions_t *sessions,
                                const nm_ask_headers_t *headers, int64_t now_ms, nm_who_t *who);

//  What an operator with a certificate is.
void nm_auth_operator(const nm_auth_t *self, nm_who_t *who);

//  May this one do that? If not, why tells the reason.
enum { NM_AUTH_WHY_SIZE = 80 };
bool nm_auth_may(const nm_who_t *who, const nm_api_t *api, char why[NM_AUTH_WHY_SIZE]);

void nm_auth_hash(nm_bytes_t secret, uint8_t hash[NM_SECRET_SIZE]);

#endif
