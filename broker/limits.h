/*  limits - how much is let through: a bucket for what comes back steadily, a count for an hour or a day.
 *
 *  Pure: a rule, a value and `now` in, a decision out. Values may be copied and kept anywhere; {0} is
 *  one of which nothing was used.
 *
 *  A bucket holds tokens, at most as many as its rule's burst, and they come back at its rate. A
 *  count is of one hour or one day of the clock, in UTC, and begins anew with the next: so in no
 *  day is more let through than the limit. (A bucket for a day would let twice as much through on its first.)
 *
 *  Where several keep one limit together each has a share, and the shares add up to the limit.
 */
#ifndef NM_BROKER_LIMITS_H
#define NM_BROKER_LIMITS_H

#include "nm.h"

static const int64_t NM_MINUTE_MS = 60000;
static const int64_t NM_HOUR_MS = INT64_C(3600000);
static const int64_t NM_DAY_MS = INT64_C(86400000);

//  One of `count`, the one that has `rank` others before it. {1, 0} is alone.
typedef struct {
    uint64_t count;
    uint64_t rank;
} nm_share_t;

//  The part of a limit that is this one's.
uint64_t nm_share_of(uint64_t limit, nm_share_t share);

//  -- Buckets

typedef struct {
    double per_ms;  //  Tokens that come back
    double burst;   //  Tokens that may be there at once
} nm_rate_t;

typedef struct {
    double tokens;
    int64_t at_ms;  //  When it had so many
} nm_bucket_t;

//  The rule of a share. burst 0: as many as come back in a minute. A share's burst is one at least, else it
//  would never let anything through.
nm_rate_t nm_rate_make(uint64_t per_minute, uint64_t burst, nm_share_t share);

//  How many may be taken now. Brings the bucket up to now_ms.
uint64_t nm_bucket_left(nm_bucket_t *self, const nm_rate_t *rate, int64_t now_ms);

//  Takes them, or puts some in: what is above the burst stays until the time moves on. Only after nm_bucket_left.
void nm_bucket_take(nm_bucket_t *self, uint64_t count);
void nm_bucket_put(nm_bucket_t *self, uint64_t count);

//  After nm_bucket_left: how long until one is there, and until all are.
int64_t nm_bucket_wait_ms(const nm_bucket_t *self, const nm_rate_t *rate);
int64_t nm_bucket_full_ms(const nm_bucket_t *self, const nm_rate_t *rate);

//  -- Counts

typedef struct {
    uint64_t span;  //  Which hour or day since 1970
    int64_t used;   //  In it; below zero where others have lent more than was used
} nm_count_t;

//  How many may be taken now. Brings the count up to now_ms; a clock that was set back does not.
uint64_t nm_count_left(nm_count_t *self, uint64_t limit, int64_t span_ms, int64_t now_ms);

//  How long until the next hour or day begins.
int64_t nm_count_wait_ms(int64_t span_ms, int64_t now_ms);

#endif
