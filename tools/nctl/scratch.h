/*  scratch - a mesh for one measurement, with a mail sink of its own.
 */
#ifndef NM_SCRATCH_H
#define NM_SCRATCH_H

#include <sys/types.h>
#include "tools/nctl/reach.h"

typedef struct {
    char folder[512];
    nm_reach_t *reach;
    pid_t supervisor;
    pid_t sink;
    int64_t started_us;  //  Monotonic, just before the actors were started
} nm_scratch_t;

//  Makes a mesh in a new folder below parent, starts a mail sink (smtp-sink of postfix) and the
//  mesh. On failure everything is undone.
nm_rc_t nm_scratch_start(nm_scratch_t *self, const char *parent, nm_error_t *error);

//  Stops everything that was started, by pid, and removes the folder.
void nm_scratch_stop(nm_scratch_t *self);

//  Removes a folder with all that is in it.
void nm_scratch_remove(const char *folder);

#endif
