/*  retry - when a delivery that could not be sent now is tried again, and when no more.
 *
 *  Pure: numbers in, a delay out. The caller keeps the count of tries and the clock.
 */
#ifndef NM_RETRY_H
#define NM_RETRY_H

#include "nm.h"

enum {
    NM_RETRY_DELAY_MAX = 16,             //  Delays that can be listed
    NM_RETRY_WISH_MAX_MS = 3600 * 1000,  //  A provider's Retry-After is believed up to an hour
};

typedef struct {
    unsigned retries;                       //  Tries after the first one
    int64_t delays_ms[NM_RETRY_DELAY_MAX];  //  Before each of them; the last one repeats
    size_t delay_count;
    unsigned jitter_percent;  //  How far a delay is spread, both ways
    int64_t most_ms;          //  No delay of ours is longer
} nm_retry_t;

//  Three retries after 2, 4 and 8 s, each 10 % more or less, never more than an hour.
void nm_retry_init(nm_retry_t *self);

//  How long to wait after so many failed tries (1 and up). NM_ERR_MISSING when they are
//  used up. A provider's wish (-1: none) wins over the list: it is never undercut, only
//  spread upwards, so that a crowd does not come back at once.
nm_rc_t nm_retry_delay(const nm_retry_t *self, unsigned tries, int64_t wish_ms, uint64_t random, int64_t *delay_ms);

#endif
