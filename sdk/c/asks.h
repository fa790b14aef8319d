/*  asks - the asks of one client that have no answer yet, and the frames they travel in.
 *
 *  Pure: time comes in, frames come in and go out, nothing is sent here. Asks wait in the
 *  order they were added; nm_asks_frame packs those that wait into one frame and calls
 *  them sent. An ask that was sent may go back to waiting: that is how it is asked again,
 *  with the same bytes and so with the same idempotency key.
 */
#ifndef NM_ASKS_H
#define NM_ASKS_H

#include "nm.h"
#include "sdk/c/nmesh.h"

enum { NM_ASKS_FRAME_SIZE = 512 * 1024 };  //  A frame is closed when it has grown to this

typedef struct nm_asks nm_asks_t;

//  api_key may be NULL; it stands once in each frame.
nm_asks_t *nm_asks_new(const char *api_key, size_t open_max);
void nm_asks_destroy(nm_asks_t **self_p);

//  Packs and queues an ask. NM_ERR_FULL when too many are open.
nm_rc_t nm_asks_add(nm_asks_t *self, const nmesh_ask_t *ask, int64_t now_ms, nmesh_fn *fn, void *arg);

size_t nm_asks_open_count(const nm_asks_t *self);
size_t nm_asks_waiting_count(const nm_asks_t *self);

//  Packs what waits into out, as much as one frame takes. NM_ERR_MISSING if nothing waits.
//  nm_asks_sent then says that the frame went; without it the same asks come again.
nm_rc_t nm_asks_frame(nm_asks_t *self, nm_buf_t *out);
void nm_asks_sent(nm_asks_t *self, int64_t now_ms);

//  What is to be called for an ask that has ended.
typedef struct {
    nmesh_fn *fn;
    void *arg;
    nmesh_reply_t reply;
} nm_asks_end_t;

//  Takes a reply frame apart. Call nm_asks_next until it says NM_ERR_MISSING; replies to
//  nothing that is open are passed over. The views live as long as the frame.
//  NM_ERR_MALFORMED: this is no reply frame.
nm_rc_t nm_asks_open_replies(nm_asks_t *self, nm_bytes_t frame);
nm_rc_t nm_asks_next(nm_asks_t *self, nm_asks_end_t *end);

//  Gives an ask that is out of time, until NM_ERR_MISSING. Its reply is a 504.
nm_rc_t nm_asks_late(nm_asks_t *self, int64_t now_ms, nm_asks_end_t *end);

//  Looks at the asks that were sent and are unanswered for longer than they may be. True:
//  the door has said nothing since (heard_ms), so go to the next one and call
//  nm_asks_again. Else those that are late alone wait again.
bool nm_asks_silent(nm_asks_t *self, int64_t now_ms, int64_t heard_ms);

//  Everything that was sent waits again, but what may be asked only once: that is out of time.
void nm_asks_again(nm_asks_t *self);

#endif
