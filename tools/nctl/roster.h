/*  roster - shows the actors of a mesh with what they said of themselves.
 */
#ifndef NM_ROSTER_H
#define NM_ROSTER_H

#include <jansson.h>
#include "broker/mesh.h"

//  statuses: one for each actor, NULL for those that did not answer.
void nm_roster_print(const nm_mesh_t *mesh, json_t *const *statuses, FILE *out);

//  The same as a list of objects with `name`, `role`, `state` (up, down) and what the actor said.
json_t *nm_roster_json(const nm_mesh_t *mesh, json_t *const *statuses);

//  The value of a counter in a status, labels added up; 0 if it is not there.
int64_t nm_roster_metric(const json_t *status, const char *name);

//  How much mail waits in the outbox, all lanes.
int64_t nm_roster_waiting(const json_t *status);

#endif
