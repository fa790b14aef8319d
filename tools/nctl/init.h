/*  init - makes a mesh by a plan: what nctl init and the benchmark share.
 */
#ifndef NM_INIT_H
#define NM_INIT_H

#include "nm.h"
#include "tools/nctl/plan.h"

//  Fills in the plan's ports (if base_port is 0), authority and key hash, and writes
//  everything into the folder. NM_ERR_DUPLICATE: there is a mesh. Wipe api_key after use.
nm_rc_t nm_init_mesh(const char *folder, nm_plan_t *plan, char api_key[66], nm_error_t *error);

#endif
