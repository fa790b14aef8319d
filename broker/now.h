/*  now - the two times that everything in an actor runs on.
 */
#ifndef NM_NOW_H
#define NM_NOW_H

#include <stdint.h>

//  Monotonic time never steps; wall time never goes back (broker/clock.h sees to both).
typedef struct {
    int64_t wall_ms;
    int64_t mono_ms;
} nm_now_t;

#endif
