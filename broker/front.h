/*  front - an edge of an actor through which requests come in from outside the mesh, and answers go out.
 *
 *  As effects are the edge towards providers, a front is the edge towards clients that do not speak to a door, as those of
 *  HTTP. The loop drives it through a table of calls, so that no actor carries a library of which it has no use. What a
 *  request holds is between the front and its role; the loop, the actor and the turn only hand it on.
 *
 *  A request stays with its front, at its address, until it is answered. Its role answers in the same turn or in a
 *  later one, in one piece or in several; of several it gives the next when the client has taken the last, so that a slow
 *  one costs a piece of memory, however long it takes. Not for other threads.
 */
#ifndef NM_FRONT_H
#define NM_FRONT_H

#include "nm.h"

typedef struct nm_front nm_front_t;

//  Defined by the front. When a piece of an answer has said that more follow, the request comes again: each time that the
//  client has taken all there is, and a last time when nobody waits for the rest any more.
typedef struct nm_front_request nm_front_request_t;

//  The answer, or a piece of it.
typedef struct {
    uint64_t request;  //  The number of the request; one that is gone is passed over
    unsigned status;   //  As in HTTP; 0: a further piece of the body
    bool open;         //  More pieces follow
    uint64_t token;    //  ... and the request brings this with it when it comes again
    nm_buf_t headers;  //  Name and value by turns, each ended by a NUL
    nm_buf_t body;
    nm_bytes_t lasting;  //  Instead of body: bytes that outlive the front
} nm_front_answer_t;

static inline void
nm_front_answer_free(nm_front_answer_t *self)
{
    nm_buf_free(&self->headers);
    nm_buf_free(&self->body);
}

typedef struct {
    //  state is that of the role, which has read its settings by now. NULL on failure.
    nm_front_t *(*make)(void *state, nm_error_t *error);

    //  Cuts off what is under way.
    void (*destroy)(nm_front_t **self_p);

    //  A descriptor that is readable when there is something to do, and in how many ms to call run at the latest
    //  (-1: no need).
    int (*fd)(const nm_front_t *self);
    int (*timeout)(nm_front_t *self, int64_t mono_ms);

    //  Reads and writes what can be read and written now.
    void (*run)(nm_front_t *self, int64_t mono_ms);

    //  The next request that is whole; NULL if there is none. It stays with the front.
    const nm_front_request_t *(*take)(nm_front_t *self);

    //  Takes the answer over. It leaves with the next run.
    void (*answer)(nm_front_t *self, nm_front_answer_t *answer);

    //  From now on lets nobody in; and how many requests wait for an answer.
    void (*leave)(nm_front_t *self);
    size_t (*running)(const nm_front_t *self);
} nm_front_driver_t;

#endif
