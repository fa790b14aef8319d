/*  auth - who asks? An API key, checked against the services in memory.
 *
 *  The key is {service id without dashes}-{secret}, 32 hex digits each. Unknown service,
 *  unknown key and wrong secret cost the same work and get the same answer. The last key
 *  that was right is remembered, so a frame of many asks costs one hash.
 */
#ifndef NM_AUTH_H
#define NM_AUTH_H

#include "actors/accounts/services.h"

typedef struct {
    nm_id_t service;
    uint32_t scopes;  //  A bit for each nm_scope_t below NM_SCOPE_COUNT
    bool admin;
    bool inactive;  //  The key is right, and its service is switched off
} nm_who_t;

typedef struct {
    uint8_t admin_hash[NM_SECRET_SIZE];  //  Of the mesh file's key
    nm_id_t admin;                       //  The id of the service admin
    bool cached;
    uint8_t cached_key[NM_KEY_TEXT_SIZE];
    nm_who_t cached_who;
    nm_id_t cached_id;        //  Which key it is; zero: the mesh file's
    int64_t cached_until_ms;  //  When that key expires
    uint64_t cached_changes;
} nm_auth_t;

void nm_auth_init(nm_auth_t *self, const uint8_t admin_hash[NM_SECRET_SIZE]);
void nm_auth_forget(nm_auth_t *self);

//  NM_ERR_REFUSED: no such key.
nm_rc_t nm_auth_check(nm_auth_t *self, nm_services_t *services, nm_bytes_t key, int64_t now_ms, nm_who_t *who);

//  What an operator with a certificate is.
void nm_auth_operator(const nm_auth_t *self, nm_who_t *who);

void nm_auth_hash(nm_bytes_t secret, uint8_t hash[NM_SECRET_SIZE]);

#endif
