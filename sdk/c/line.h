/*  line - the one socket of a client: a DEALER under CURVE to the door in use.
 *
 *  A socket is never mended: after a silence it is closed and a new one goes to the next
 *  door, which may be the same. So a refused handshake, which libzmq does not try again,
 *  is tried again too.
 */
#ifndef NM_LINE_H
#define NM_LINE_H

#include "nm.h"
#include "sdk/c/nmesh.h"

typedef struct nm_line nm_line_t;

//  NULL if an end point or a key is wrong; error says which.
nm_line_t *nm_line_new(const nmesh_options_t *options, nmesh_error_t *error);
void nm_line_destroy(nm_line_t **self_p);

//  Goes to the next door that is not known to be away. What was under way is lost.
nm_rc_t nm_line_move(nm_line_t *self);

//  A gateway tells of a door, which may be known: its key, and whether it is there.
void nm_line_learn(nm_line_t *self, nm_bytes_t endpoint, nm_bytes_t key, bool up);

size_t nm_line_door_count(const nm_line_t *self);

//  NM_ERR_BUSY: there is no connection, or it takes no more now.
nm_rc_t nm_line_send(nm_line_t *self, nm_bytes_t frame);

//  NM_ERR_MISSING: nothing is there. The view lives until the next call.
nm_rc_t nm_line_take(nm_line_t *self, nm_bytes_t *frame);

//  Waits for a frame, or for room if `room` is set.
void nm_line_wait(nm_line_t *self, int timeout_ms, bool room);

int nm_line_fd(const nm_line_t *self);

#endif
