#include "actors/channel/breaker.h"

enum { TRIAL_POLL_MS = 1000 };

nm_breaker_state_t
nm_breaker_state(const nm_breaker_t *self, int64_t now_ms)
{
    if (!self->open)
        return NM_BREAKER_CLOSED;
    return self->trying || now_ms >= self->until_ms ? NM_BREAKER_HALF_OPEN : NM_BREAKER_OPEN;
}

const char *
nm_breaker_text(nm_breaker_state_t state)
{
    switch (state) {
    case NM_BREAKER_CLOSED: return "closed";
    case NM_BREAKER_OPEN: return "open";
    case NM_BREAKER_HALF_OPEN: return "half-open";
    }
    return "unknown";
}

bool
nm_breaker_admits(const nm_breaker_t *self, int64_t now_ms)
{
    return !self->open || (!self->trying && now_ms >= self->until_ms);
}

int64_t
nm_breaker_admits_at(const nm_breaker_t *self, int64_t now_ms)
{
    if (nm_breaker_admits(self, now_ms))
        return now_ms;
    return self->trying ? now_ms + TRIAL_POLL_MS : self->until_ms;
}

void
nm_breaker_start(nm_breaker_t *self, int64_t now_ms)
{
    if (self->open && now_ms >= self->until_ms)
        self->trying = true;
}

void
nm_breaker_success(nm_breaker_t *self)
{
    *self = (nm_breaker_t){ 0 };
}

void
nm_breaker_failure(nm_breaker_t *self, const nm_breaker_rule_t *rule, int64_t now_ms)
{
    if (self->open && !self->trying)
        return;
    self->failures++;
    if (!self->open && self->failures < rule->failures)
        return;
    self->open = true;
    self->trying = false;
    self->until_ms = now_ms + rule->open_ms;
}
