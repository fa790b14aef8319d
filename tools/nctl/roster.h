/*  roster - shows the actors of a mesh as a table for people.
 */
#ifndef NM_ROSTER_H
#define NM_ROSTER_H

#include <jansson.h>
#include "nm.h"

//  actors: a picture (picture.h). taken_from: whose view it is; NULL if nobody's.
void nm_roster_print(const json_t *actors, const char *taken_from, FILE *out);

#endif
