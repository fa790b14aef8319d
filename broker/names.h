/*  names - a number for each name, found without a walk: 0, 1, ... in the order in which they came. None ever goes.
 *
 *  {0} is an empty one. The names belong to the caller, and stay where they are.
 */
#ifndef NM_NAMES_H
#define NM_NAMES_H

#include "nm.h"

typedef struct {
    const char **names;  //  By number
    size_t count;
    uint32_t *slots;  //  By hash: a number and one; 0: nothing
    size_t room;      //  A power of two, more than twice the count
} nm_names_t;

void nm_names_free(nm_names_t *self);

//  A name that is not there yet. Its number.
size_t nm_names_add(nm_names_t *self, const char *name);

//  count if it is not there.
size_t nm_names_find(const nm_names_t *self, const char *name);

#endif
