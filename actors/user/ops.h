/*  ops - the operations that change accounts, one function each; user.c has the table.
 */
#ifndef NM_USER_OPS_H
#define NM_USER_OPS_H

#include "actors/accounts/act.h"

nm_act_fn nm_act_services_create, nm_act_services_patch, nm_act_services_delete;         //  services.c
nm_act_fn nm_act_keys_create, nm_act_keys_rotate, nm_act_keys_delete, nm_act_keys_used;  //  keys.c
nm_act_fn nm_act_providers_create, nm_act_providers_patch, nm_act_providers_delete;      //  providers.c

nm_act_fn nm_act_users_create, nm_act_users_list, nm_act_users_get, nm_act_users_patch,
    nm_act_users_delete;                                       //  users.c
nm_act_fn nm_act_users_reach;                                  //  reach.c
nm_act_fn nm_act_login, nm_act_logout, nm_act_signing_rotate;  //  login.c

//  The secrets of signing keys.
extern const nm_table_t nm_signing_table;

//  Forgets keys that expired long ago.
nm_rc_t nm_keys_tidy(nm_services_t *services, nm_turn_t *turn);

#endif
