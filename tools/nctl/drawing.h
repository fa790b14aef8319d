/*  drawing - a picture of the mesh (picture.h) in the language of Graphviz.
 *
 *  Pure. A frame for each host, a node for each actor, an edge for each link. Whatever comes from
 *  outside is escaped.
 */
#ifndef NM_DRAWING_H
#define NM_DRAWING_H

#include <jansson.h>
#include "nm.h"

void nm_drawing_write(const json_t *actors, const char *title, nm_buf_t *out);

#endif
