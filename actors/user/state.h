/*  state - what a user actor holds in memory, and one operation on its way through it.
 *
 *  Private to actors/user/. All of it but the asks that wait follows from the store.
 */
#ifndef NM_USER_STATE_H
#define NM_USER_STATE_H

#include "actors/accounts/act.h"
#include "actors/user/hashing.h"
#include "actors/user/people.h"
#include "actors/user/waits.h"

typedef struct nm_user {
    const nm_mesh_t *mesh;
    nm_auth_t auth;
    nm_services_t services;
    nm_sessions_t sessions;
    nm_people_t people;
    nm_waits_t waits;
    int64_t tidy_at_ms;

    //  Scratch
    nm_faults_t faults;
    nm_buf_t body, headers;
} nm_user_t;

//  An act at a user actor. An operation that needs a password hashed sets `wanted` and returns; it runs again from its
//  beginning with the result in `hashed`.
typedef struct {
    nm_act_t act;
    nm_user_t *user;
    const nm_hashing_t *hashed;  //  NULL at first
    nm_hashing_t wanted;
} nm_deed_t;

//  Every act here is part of a deed.
static inline nm_deed_t *
nm_deed(nm_act_t *act)
{
    return (nm_deed_t *) act;
}

#endif
