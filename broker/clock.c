#include "broker/clock.h"

#include <time.h>

#include "broker/log.h"

enum { S_STEP_MS = 2000 };

static void
s_tell_step(nm_clock_t *self, int64_t step_ms)
{
    if (step_ms > S_STEP_MS)
        nm_log(NM_LOG_WARNING, "clock_stepped", "The wall clock went forward by %lld ms; it is followed.",
               (long long) step_ms);
    bool ahead = step_ms < -S_STEP_MS;
    if (ahead && !self->ahead)
        nm_log(NM_LOG_WARNING, "clock_stepped",
               "The wall clock went back by %lld ms; time runs on here until it has caught up.", (long long) -step_ms);
    self->ahead = ahead;
}

nm_now_t
nm_clock_follow(nm_clock_t *self, int64_t real_ms, int64_t mono_ms)
{
    nm_now_t now = { .wall_ms = real_ms, .mono_ms = mono_ms };
    if (self->started) {
        int64_t expected_ms = self->last.wall_ms + (mono_ms - self->last.mono_ms);
        s_tell_step(self, real_ms - expected_ms);
        if (real_ms < expected_ms)
            now.wall_ms = self->ahead ? expected_ms : (real_ms > self->last.wall_ms ? real_ms : self->last.wall_ms);
    }
    self->started = true;
    self->last = now;
    return now;
}

static int64_t
s_read(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (int64_t) at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

nm_now_t
nm_clock_read(nm_clock_t *self)
{
    return nm_clock_follow(self, s_read(CLOCK_REALTIME), s_read(CLOCK_BOOTTIME));
}
