/*  supervisor - keeps the actors of a mesh running on this machine.
 *
 *  One process holds run/nctl.pid locked while it lives, so there is one at a time. It starts
 *  each actor (stderr to log/NAME.log), starts it again when it ends, 0.2 s later at first and up
 *  to 10 s, and not at all after 65 (its store is damaged), 74 (its disk failed), 75 (its store went
 *  back in time) or 78 (its settings are wrong): somebody has to look first, and nctl up asks for them again. Nor after a drain: an actor that
 *  was drained leaves the mark run/NAME.drained and ends with 0; the mark is taken away. Actors die with it.
 */
#ifndef NM_SUPERVISOR_H
#define NM_SUPERVISOR_H

#include <sys/types.h>
#include "broker/mesh.h"

//  Takes the lock. NM_ERR_BUSY: somebody else has it. The descriptor is not passed on by exec.
nm_rc_t nm_supervisor_lock(const char *folder, int *lock, nm_error_t *error);

//  Is a supervisor running? NM_OK and its pid, or NM_ERR_MISSING.
nm_rc_t nm_supervisor_find(const char *folder, pid_t *pid);

//  Finds the program of a role. NM_ERR_MISSING says where it looked.
nm_rc_t nm_supervisor_program(nm_role_id_t role, char *out, size_t size, nm_error_t *error);

//  Asks the supervisor of this pid to start what it does not run: who ended and was left alone, was drained, or pauses.
nm_rc_t nm_supervisor_start_all(const char *folder, pid_t pid, nm_error_t *error);

//  Runs until SIGTERM or SIGINT, then stops the actors: SIGTERM, after 5 s SIGKILL. SIGHUP lets it look for actors
//  that were launched since, and with the mark run/again starts all that do not run. What it says goes to log/nctl.log, and to stderr unless quiet. Returns the exit code.
int nm_supervisor_run(const nm_mesh_t *mesh, int lock, bool quiet);

#endif
