/*  main - what every actor's main does: arguments, mesh file, certificate, store, sockets, loop.
 *
 *  Everything is built before the loop starts, so a failed start is an exit code and one clear
 *  line, not a process that looks alive. Exit codes: 0 left in good order, 2 used wrongly,
 *  65 the store is damaged, 74 a commit failed, 75 the store went back in time, 78 the
 *  configuration is at fault.
 */
#ifndef NM_MAIN_H
#define NM_MAIN_H

#include "broker/effects.h"
#include "broker/role.h"

enum { NM_EXIT_USAGE = 2, NM_EXIT_FAILED = 1, NM_EXIT_CONFIG = 78 };

//  For a role without effects outside the mesh.
int nm_main(int argc, char **argv, const nm_role_t *role);

//  For one with: effects is &nm_curl_effects.
int nm_main_with_effects(int argc, char **argv, const nm_role_t *role, const nm_effects_driver_t *effects);

//  For one with a front.
int nm_main_with_front(int argc, char **argv, const nm_role_t *role, const nm_front_driver_t *front);

#endif
