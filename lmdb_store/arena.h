/*  arena - scratch memory that is given out in a row and taken back all at once.
 *
 *  Private to lmdb_store/. Its blocks are kept between transactions, so a turn
 *  like the one before it asks malloc for nothing.
 */
#ifndef NM_ARENA_H
#define NM_ARENA_H

#include "nm.h"

typedef struct nm_arena_block nm_arena_block_t;

//  {0} is an empty one.
typedef struct {
    nm_arena_block_t *first;    //  All blocks, in the order they are filled
    nm_arena_block_t *current;  //  The one that is being filled; NULL before the first use
    size_t used;                //  Bytes taken of the current one
} nm_arena_t;

//  Memory for size bytes, aligned for any type, not cleared.
void *nm_arena_alloc(nm_arena_t *self, size_t size);

//  Where it stands; what is given out after that is taken back by a rewind.
typedef struct {
    nm_arena_block_t *block;
    size_t used;
} nm_arena_mark_t;
nm_arena_mark_t nm_arena_mark(const nm_arena_t *self);
void nm_arena_rewind(nm_arena_t *self, nm_arena_mark_t mark);

//  Takes everything back. Under the address sanitizer a use of either afterwards is reported.
void nm_arena_reset(nm_arena_t *self);
void nm_arena_free(nm_arena_t *self);

#endif
