#include "broker/limits.h"

//  Sums of fractions come out a hair below the whole number that they mean.
static const double HAIR = 1e-6;

uint64_t
nm_share_of(uint64_t limit, nm_share_t share)
{
    return limit / share.count + (share.rank < limit % share.count);
}

//  -- Buckets

nm_rate_t
nm_rate_make(uint64_t per_minute, uint64_t burst, nm_share_t share)
{
    uint64_t own = nm_share_of(burst ? burst : per_minute, share);
    return (nm_rate_t){
        .per_ms = (double) per_minute / ((double) NM_MINUTE_MS * (double) share.count),
        .burst = own ? (double) own : 1,
    };
}

uint64_t
nm_bucket_left(nm_bucket_t *self, const nm_rate_t *rate, int64_t now_ms)
{
    if (now_ms > self->at_ms) {
        self->tokens += (double) (now_ms - self->at_ms) * rate->per_ms;
        if (self->tokens > rate->burst)
            self->tokens = rate->burst;
        self->at_ms = now_ms;
    }
    return self->tokens < 1 - HAIR ? 0 : (uint64_t) (self->tokens + HAIR);
}

void
nm_bucket_take(nm_bucket_t *self, uint64_t count)
{
    self->tokens -= (double) count;
}

void
nm_bucket_put(nm_bucket_t *self, uint64_t count)
{
    self->tokens += (double) count;
}

static int64_t
s_until_ms(const nm_bucket_t *self, const nm_rate_t *rate, double tokens)
{
    double missing = tokens - HAIR - self->tokens;
    return missing <= 0 ? 0 : 1 + (int64_t) (missing / rate->per_ms);
}

int64_t
nm_bucket_wait_ms(const nm_bucket_t *self, const nm_rate_t *rate)
{
    return s_until_ms(self, rate, 1);
}

int64_t
nm_bucket_full_ms(const nm_bucket_t *self, const nm_rate_t *rate)
{
    return s_until_ms(self, rate, rate->burst);
}

//  -- Counts

uint64_t
nm_count_left(nm_count_t *self, uint64_t limit, int64_t span_ms, int64_t now_ms)
{
    uint64_t span = (uint64_t) (now_ms / span_ms);
    if (span > self->span)
        *self = (nm_count_t){ .span = span };
    int64_t left = (int64_t) limit - self->used;
    return left > 0 ? (uint64_t) left : 0;
}

int64_t
nm_count_wait_ms(int64_t span_ms, int64_t now_ms)
{
    return span_ms - now_ms % span_ms;
}
