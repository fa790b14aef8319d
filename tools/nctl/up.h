/*  up - starting a mesh: what nctl up and the benchmark share.
 */
#ifndef NM_UP_H
#define NM_UP_H

#include <jansson.h>
#include <sys/types.h>
#include "tools/nctl/reach.h"

typedef enum {
    NM_UP_FOREGROUND,  //  Says what it does on stderr; ends with this process
    NM_UP_QUIET,       //  Ends with this process
    NM_UP_DETACHED,    //  Lives on
} nm_up_t;

//  Starts the supervisor of the mesh as a child process; -1 and a sentence on failure. SIGTERM
//  stops it and the actors.
pid_t nm_up_start(const nm_mesh_t *mesh, nm_up_t manner, nm_error_t *error);

//  Waits until every actor has answered, the time is over, or the supervisor (0: not ours) has ended.
//  Returns how many answered; statuses as for nm_reach_statuses.
size_t nm_up_await(nm_reach_t *reach, pid_t supervisor, json_t **statuses, int64_t timeout_ms, bool speak);

#endif
