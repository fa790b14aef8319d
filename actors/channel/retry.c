#include "actors/channel/retry.h"

void
nm_retry_init(nm_retry_t *self)
{
    *self = (nm_retry_t){
        .retries = 3,
        .delays_ms = { 2000, 4000, 8000 },
        .delay_count = 3,
        .jitter_percent = 10,
        .most_ms = 3600 * 1000,
    };
}

//  A number from 0 to most, both included.
static int64_t
s_spread(int64_t most, uint64_t random)
{
    return most > 0 ? (int64_t) (random % ((uint64_t) most + 1)) : 0;
}

nm_rc_t
nm_retry_delay(const nm_retry_t *self, unsigned tries, int64_t wish_ms, uint64_t random, int64_t *delay_ms)
{
    if (tries > self->retries)
        return NM_ERR_MISSING;

    if (wish_ms >= 0) {
        int64_t wish = wish_ms < NM_RETRY_WISH_MAX_MS ? wish_ms : NM_RETRY_WISH_MAX_MS;
        *delay_ms = wish + s_spread(wish * self->jitter_percent / 100, random);
        return NM_OK;
    }
    size_t at = tries ? tries - 1 : 0;
    if (at >= self->delay_count)
        at = self->delay_count ? self->delay_count - 1 : 0;
    int64_t delay = self->delay_count ? self->delays_ms[at] : 0;
    if (delay > self->most_ms)
        delay = self->most_ms;
    int64_t reach = delay * self->jitter_percent / 100;
    *delay_ms = delay - reach + s_spread(2 * reach, random);
    return NM_OK;
}
