/*  pending - the asks of one client that have no answer yet, and the frames they travel in.
 *
 *  Pure: time comes in, frames come in and go out, nothing is sent here. Asks wait in the
 *  order they were added; nm_pending_frame packs those that wait into one frame and calls
 *  them sent. An ask that was sent may go back to waiting: that is how it is asked again,
 *  with the same bytes and so with the same idempotency key. One that was answered 503
 *  rests first.
 */
#ifndef NM_PENDING_H
#define NM_PENDING_H

#include "nm.h"
#include "sdk/c/nmesh.h"

enum {
    NM_PENDING_FRAME_SIZE = 512 * 1024
};  //  A frame is closed when it has grown to this, or has as many values as a door takes

typedef struct nm_pending nm_pending_t;

//  api_key may be NULL; it stands once in each frame.
nm_pending_t *nm_pending_new(const char *api_key, size_t open_max);
void nm_pending_destroy(nm_pending_t **self_p);

//  From the next frame on this JWT stands in each, instead of a key.
void nm_pending_use_token(nm_pending_t *self, const char *token);

//  Packs and queues an ask. NM_ERR_FULL when too many are open.
nm_rc_t nm_pending_add(nm_pending_t *self, const nmesh_ask_t *ask, int64_t now_ms, nmesh_fn *fn, void *arg);

const char *nm_pending_api_key(const nm_pending_t *self);
size_t nm_pending_open_count(const nm_pending_t *self);
size_t nm_pending_waiting_count(const nm_pending_t *self);

//  Packs what waits into out, as much as one frame takes. NM_ERR_MISSING if nothing waits.
//  nm_pending_sent then says that the frame went; without it the same asks come again.
nm_rc_t nm_pending_frame(nm_pending_t *self, nm_buf_t *out);
void nm_pending_sent(nm_pending_t *self, int64_t now_ms);

//  What is to be called for an ask that has ended.
typedef struct {
    nmesh_fn *fn;
    void *arg;
    nmesh_reply_t reply;
} nm_pending_end_t;

//  Takes a reply frame apart. Call nm_pending_next until it says NM_ERR_MISSING; replies to
//  nothing that is open are passed over. The views live as long as the frame.
//  NM_ERR_MALFORMED: this is no reply frame.
nm_rc_t nm_pending_open_replies(nm_pending_t *self, nm_bytes_t frame);
//  A 503 to one that may be asked again, and has time left, is no end: it rests.
nm_rc_t nm_pending_next(nm_pending_t *self, int64_t now_ms, nm_pending_end_t *end);

//  Since this was asked last: did the door itself refuse (503), for a reason that another may not have?
bool nm_pending_refused(nm_pending_t *self);

//  Those that have rested long enough wait again.
void nm_pending_wake(nm_pending_t *self, int64_t now_ms);

//  Is one on its way that may not be asked twice? Then a door should be heard out.
bool nm_pending_has_once(const nm_pending_t *self);

//  Gives an ask that is out of time, until NM_ERR_MISSING. Its reply is a 504.
nm_rc_t nm_pending_late(nm_pending_t *self, int64_t now_ms, nm_pending_end_t *end);

//  Looks at the asks that were sent and are unanswered for longer than they may be. True:
//  the door has said nothing since (heard_ms), so go to the next one and call
//  nm_pending_again. Else those that are late alone wait again.
bool nm_pending_silent(nm_pending_t *self, int64_t now_ms, int64_t heard_ms);

//  Everything that was sent waits again, but what may be asked only once: that is out of time.
void nm_pending_again(nm_pending_t *self);

#endif
