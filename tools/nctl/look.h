/*  look - takes a picture (picture.h) of a live mesh.
 *
 *  One live actor is enough: that one asks all others (`mesh.status`) and tells of those that are
 *  silent too. If the first that answers is of a version that cannot do so, each is asked alone.
 */
#ifndef NM_LOOK_H
#define NM_LOOK_H

#include "tools/nctl/picture.h"
#include "tools/nctl/reach.h"

typedef struct {
    const char *from;  //  Ask this actor; NULL: whoever answers
    bool brief;        //  Leave out metrics
} nm_look_t;

//  NULL and a sentence if nobody answers. taken_from: who took it (NULL if each was asked alone), as long as the reach.
json_t *nm_look(nm_reach_t *reach, const nm_look_t *how, const char **taken_from, nm_error_t *error);

//  The figures of all actors, as `mesh.status` answers them: a list of what broker/exposition.h takes. NULL and a sentence if
//  nobody answers. from as in nm_look_t.
json_t *nm_look_figures(nm_reach_t *reach, const char *from, nm_error_t *error);

#endif
