/*  program - runs an actor's program for one job on its stopped store.
 *
 *  Only the actor knows its tables, so it is the actor that checks and restores; the answer
 *  is one JSON object on its stdout, and a line of log on stderr when it fails.
 */
#ifndef NM_PROGRAM_H
#define NM_PROGRAM_H

#include <jansson.h>
#include "broker/mesh.h"

//  Runs nmesh-ROLE --mesh DIR --name NAME arguments... (at most 8, ended by NULL) and waits. Returns its exit code,
//  or -1 if it cannot be run; reply is what it printed, NULL if nothing. Unless it ended with 0, error has a sentence.
int nm_program_run(const nm_mesh_t *mesh, const nm_mesh_actor_t *actor, const char *const *arguments, json_t **reply,
                   nm_error_t *error);

#endif
