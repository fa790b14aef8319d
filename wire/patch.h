/*  patch - JSON merge patches (RFC 7396) of packed maps.
 */
#ifndef NM_PATCH_H
#define NM_PATCH_H

#include "nm.h"

//  Is there a value under this key that is not null?
bool nm_patch_has(nm_bytes_t map, const char *key);

//  Packs what becomes of a flat map when it is patched: what the patch has replaces, what is null there goes. target
//  may be empty, and then the result is the patch without its nulls.
void nm_patch_apply(nm_bytes_t target, nm_bytes_t patch, nm_buf_t *out);

#endif
