/*  exposition - the figures of all actors as Prometheus reads them (text format 0.0.4).
 *
 *  Pure: pages of what `mesh.status` answers go in, a text comes out. Each figure has the labels
 *  actor, role and host before its own. Families stand in the order of their names, actors in the
 *  order in which they came. A member that does not answer is shown with nmesh_actor_up 0; one that has left
 *  the mesh or is forgotten is not shown.
 *
 *  What comes from other actors is believed no further than it can be shown: a figure of a family that this
 *  version does not know, or of another kind, is left out.
 */
#ifndef NM_EXPOSITION_H
#define NM_EXPOSITION_H

#include "nm.h"

#define NM_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct nm_exposition nm_exposition_t;

nm_exposition_t *nm_exposition_new(void);
void nm_exposition_destroy(nm_exposition_t **self_p);

//  Takes in a page, of which it keeps a copy. NM_ERR_MALFORMED: it is none; what is kept is not changed.
nm_rc_t nm_exposition_add(nm_exposition_t *self, nm_bytes_t page);

void nm_exposition_write(const nm_exposition_t *self, nm_buf_t *out);

#endif
