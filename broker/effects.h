/*  effects - runs effects: HTTP over one libcurl multi handle in the actor's own loop, SMTP on
 *  threads of its own, work on the caller's worker.
 *
 *  SMTP has threads because libcurl 7.88 waits inside its calls for the answers to the final
 *  dot and to QUIT, in a multi handle too: one slow server would stop the actor. A thread has
 *  one message at a time; they start with the first messages, as many as are under way.
 *
 *  The only code that sees <curl/curl.h>. Not for other threads. Addresses, senders and
 *  headers with control characters are refused here once more (libcurl 7.88 passes CR and
 *  LF to the wire).
 *
 *  Use: start effects after a commit; put the descriptors into the loop's poll; call
 *  nm_effects_run when one is ready or the time-out has come; take the results.
 */
#ifndef NM_EFFECTS_H
#define NM_EFFECTS_H

#include <poll.h>
#include "broker/effect.h"
#include "broker/worker.h"

//  Room that nm_effects_poll needs at most.
enum { NM_EFFECTS_POLL_MAX = 320 };

typedef struct nm_effects nm_effects_t;

//  worker runs NM_EFFECT_WORK and belongs to the caller.
nm_effects_t *nm_effects_new(nm_worker_t *worker);

//  Cuts off what is under way, which takes a second at most; none of it is reported.
void nm_effects_destroy(nm_effects_t **self_p);

//  Takes the effect over.
void nm_effects_start(nm_effects_t *self, nm_effect_t *effect);

size_t nm_effects_running(const nm_effects_t *self);

//  Descriptors to poll, at most max; and in how many ms to call run at the latest (-1: no need).
size_t nm_effects_poll(nm_effects_t *self, struct pollfd *fds, size_t max, int *timeout_ms);

//  Drives the calls whose descriptors are ready (fds as filled in by the poll).
void nm_effects_run(nm_effects_t *self, const struct pollfd *fds, size_t count);

//  The next finished one; false if there is none. The caller frees it (nm_result_free).
bool nm_effects_take(nm_effects_t *self, nm_result_t *result);

//  The calls above as a table, so that the loop can be given them without every actor carrying
//  libcurl: a role without SMTP or HTTP effects gives NULL.
typedef struct {
    nm_effects_t *(*make)(nm_worker_t *worker);
    void (*destroy)(nm_effects_t **self_p);
    void (*start)(nm_effects_t *self, nm_effect_t *effect);
    size_t (*running)(const nm_effects_t *self);
    size_t (*poll)(nm_effects_t *self, struct pollfd *fds, size_t max, int *timeout_ms);
    void (*run)(nm_effects_t *self, const struct pollfd *fds, size_t count);
    bool (*take)(nm_effects_t *self, nm_result_t *result);
} nm_effects_driver_t;

extern const nm_effects_driver_t nm_curl_effects;

#endif
