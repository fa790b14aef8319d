/*  reach - nctl's ways into a mesh: the doors with the admin key, the desks with the operator's
 *  certificate.
 */
#ifndef NM_REACH_H
#define NM_REACH_H

#include <jansson.h>
#include "broker/mesh.h"
#include "sdk/c/nmesh.h"
#include "tools/nctl/nctl.h"

typedef struct nm_reach nm_reach_t;

//  Reads the mesh file. NULL on failure, with the sentence in error.
nm_reach_t *nm_reach_new(const char *folder, nm_error_t *error);
void nm_reach_destroy(nm_reach_t **self_p);

const nm_mesh_t *nm_reach_mesh(const nm_reach_t *self);
void *nm_reach_context(nm_reach_t *self);  //  The ZeroMQ context that its clients share

//  A client at the doors of all gateways, in the order of the mesh file; key: $NMESH_API_KEY,
//  else admin.key. NULL and a sentence on failure. The caller closes it before the reach.
nmesh_t *nm_reach_door(nm_reach_t *self, nm_error_t *error);

//  The same at the door of one gateway alone.
nmesh_t *nm_reach_gateway(nm_reach_t *self, const nm_mesh_actor_t *gateway, nm_error_t *error);

//  The actor of that name: of the mesh file, launched here, or launched elsewhere, as the first that answers knows it. It
//  lives as long as the reach. NULL and a sentence if there is none.
const nm_mesh_actor_t *nm_reach_find(nm_reach_t *self, const char *name, nm_error_t *error);

//  A client at one actor's desk.
nmesh_t *nm_reach_desk(nm_reach_t *self, const nm_mesh_actor_t *actor, nm_error_t *error);

//  Asks every actor for its status at once and waits up to timeout_ms. replies has a place for each actor of
//  the mesh file; an actor that has one already is left out, one that does not answer keeps NULL. Returns
//  how many there are now.
size_t nm_reach_statuses(nm_reach_t *self, json_t **replies, int timeout_ms);

//  An actor of the mesh file, or launched here, that answers; NULL if none does. A few are tried at a time, each
//  for so long.
const nm_mesh_actor_t *nm_reach_live(nm_reach_t *self, int timeout_ms);

//  The members that the first actor that answers knows (see directory.list); an empty list if nobody does. The caller
//  lets go of it.
json_t *nm_reach_members(nm_reach_t *self);

//  Has keep leave out actors of the reach's mesh.
void nm_reach_keep(nm_reach_t *self, void (*keep)(nm_mesh_t *mesh));

//  One ask at the door from end to end: opens, asks (taking body over, which may be NULL), prints a
//  problem if there is one. NM_DONE and the answer in reply (NULL if empty; may itself be NULL), or NM_FAILED.
int nm_reach_ask(const nm_nctl_t *nctl, const char *op, json_t *body, bool once, json_t **reply);

//  The same over an open client, without printing: the problem is in error.
int nm_reach_ask_over(nmesh_t *client, const nmesh_ask_t *ask, json_t *body, json_t **reply, nmesh_error_t *error);

//  Prints a problem with its faults on stderr; NM_FAILED.
int nm_reach_problem(const nmesh_error_t *error);

#endif
