/*  roles - who there is on a mesh, and who may send what to whom.
 *
 *  The rights are one table: a frame is judged by the certified role of its sender.
 */
#ifndef NM_ROLES_H
#define NM_ROLES_H

#include "nm.h"

typedef enum {
    NM_ROLE_NONE,
    NM_ROLE_GATEWAY,
    NM_ROLE_ROUTER,
    NM_ROLE_USER,
    NM_ROLE_TEMPLATE,
    NM_ROLE_EMAIL,
    NM_ROLE_PUSH,
    NM_ROLE_SMS,
    NM_ROLE_WEBHOOK,
    NM_ROLE_DEADLETTER,
    NM_ROLE_BRIDGE,
    NM_ROLE_OPERATOR,  //  A person's tool with a certificate: asks only
    NM_ROLE_CLIENT,    //  Whoever comes to a door: no certificate
    NM_ROLE_COUNT
} nm_role_id_t;

enum { NM_CLIENT_ADDRESS_SIZE = 46 };  //  Of an IP address as text, and a NUL

const char *nm_role_text(nm_role_id_t role);
nm_role_id_t nm_role_find(nm_bytes_t text);  //  NM_ROLE_NONE if there is none of that name

//  Does an actor of the roster have this role? (Not an operator, not a client.)
bool nm_role_is_actor(nm_role_id_t role);

//  Names of actors, meshes, providers: [a-z0-9][a-z0-9-]{0,62}. Fit for file names and logs.
bool nm_role_is_name(nm_bytes_t text);

//  May mail of this kind (nm_mail_kind_t) go from one role to another?
bool nm_roles_may_mail(nm_role_id_t from, nm_role_id_t to, unsigned kind);

//  May the role ask op at a desk of the other role? Doors have their own rules: keys and scopes.
bool nm_roles_may_ask(nm_role_id_t from, nm_role_id_t to, nm_bytes_t op);

//  Do the two roles keep a link: mail in either direction, or word of each other alone?
bool nm_roles_link(nm_role_id_t a, nm_role_id_t b);

//  A book of the mesh: who may own it, and who keeps a copy. Bits, 1 << role.
typedef struct {
    const char *name;
    uint32_t owners;
    uint32_t holders;
} nm_book_rule_t;

const nm_book_rule_t *nm_roles_book(nm_bytes_t name);  //  NULL if there is none of that name

static inline bool
nm_roles_has(uint32_t roles, nm_role_id_t role)
{
    return roles >> role & 1;
}

#endif
