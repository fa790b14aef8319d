/*  doors - how a client learns where other gateways are: the ask `doors`, and its answer.
 *
 *  It travels in a frame of its own under a number that no other ask has, and is not counted
 *  among the open ones: without an answer the client goes on with the doors that it knows.
 */
#ifndef NM_DOORS_H
#define NM_DOORS_H

#include "sdk/c/line.h"

void nm_doors_pack(const char *api_key, nm_buf_t *out);

//  Looks through a frame of replies and tells the line what it finds.
void nm_doors_read(nm_bytes_t frame, nm_line_t *line);

#endif
