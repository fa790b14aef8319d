/*  clock - the two times that a turn runs on, and what happens when the wall clock is stepped.
 *
 *  Monotonic time counts through suspend (CLOCK_BOOTTIME). Wall time never goes back and never
 *  stands still: after a step backwards it runs on by monotonic time until the real clock has
 *  caught up; a step forwards is followed.
 */
#ifndef NM_CLOCK_H
#define NM_CLOCK_H

#include "broker/actor.h"

typedef struct {
    nm_now_t last;
    bool started;
    bool ahead;  //  We run ahead of a clock that was stepped back
} nm_clock_t;

//  What time it is; logs a step of more than two seconds.
nm_now_t nm_clock_read(nm_clock_t *self);

//  The pure part: real_ms and mono_ms as the system tells them.
nm_now_t nm_clock_follow(nm_clock_t *self, int64_t real_ms, int64_t mono_ms);

#endif
