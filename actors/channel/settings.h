/*  settings - a channel worker's part of the mesh file.
 *
 *      email
 *          concurrency = 256           calls under way at once
 *          backlog = 1024              deliveries held; more stay with the router
 *          retries = 3
 *          retry_delays = "2s 4s 8s"   the last one repeats
 *          retry_longest = "1h"
 *          jitter_percent = 10
 *          breaker_failures = 5
 *          breaker_open = "60s"
 *          on_unknown = "retry"        or "park": among the dead letters
 */
#ifndef NM_CHANNEL_SETTINGS_H
#define NM_CHANNEL_SETTINGS_H

#include "actors/channel/breaker.h"
#include "actors/channel/retry.h"
#include "broker/zpl.h"

typedef struct {
    size_t concurrency;
    size_t backlog;
    nm_retry_t retry;
    nm_breaker_rule_t breaker;
    bool park;  //  What may have been sent is not sent again
} nm_channel_settings_t;

//  part may be NULL: then all are the defaults. error: FILE line N: reason.
nm_rc_t nm_channel_settings_open(nm_channel_settings_t *self, const nm_zpl_t *part, nm_error_t *error);

#endif
