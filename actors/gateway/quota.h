/*  quota - what a service, and each of its recipients, has left of its limits (broker/limits.h).
 *
 *  Every notification that is accepted counts one; what is refused, a replay and a duplicate count nothing.
 *  What a service used is in memory, and goes to disk with the commit of the turn that used it: one small
 *  record for each service that has limits. What a recipient used is a record of its own, under a keyed hash
 *  of service, channel and address, and is forgotten after its day.
 *
 *  Of several gateways each has a share of a service's limit: gateways that are there, or were in the last
 *  seconds, count. One whose share does not do asks the others (`limits.lend`), once a second at most; what they lend they do not have
 *  any more. A recipient's limit is kept whole by the gateway that owns the recipient (homes.h). See
 *  docs/decisions/0017.
 */
#ifndef NM_QUOTA_H
#define NM_QUOTA_H

#include "actors/accounts/services.h"
#include "broker/limits.h"

struct nm_case;
struct nm_gateway;

//  What a service used, on disk.
#define NM_SPENT_FIELDS(F, R)                                                      \
    F(R, 1, tokens, UINT, UINT64_MAX, MUST, NULL, "In the bucket, in thousandths") \
    F(R, 2, at, TIME, 0, MUST, NULL, "... when it had so many")                    \
    F(R, 3, day, UINT, UINT32_MAX, MUST, NULL, "Since 1970")                       \
    F(R, 4, used, INT, INT64_MAX, MUST, NULL, "In that day; below zero: others have lent")
NM_RECORD_DECLARE(spent, NM_SPENT_FIELDS);

//  What a recipient used in a day, on disk.
#define NM_RECEIVED_FIELDS(F, R)                                   \
    F(R, 1, hour, UINT, UINT32_MAX, MUST, NULL, "Since 1970")      \
    F(R, 2, in_hour, UINT, UINT32_MAX, MUST, NULL, "In that hour") \
    F(R, 3, in_day, UINT, UINT32_MAX, MUST, NULL, "In the day")
NM_RECORD_DECLARE(received, NM_RECEIVED_FIELDS);

//  The same in memory, of a service.
typedef struct {
    nm_id_t service;
    nm_bucket_t minute;
    nm_count_t day;
    bool changed;
    int64_t dry_until_ms;  //  The others had nothing to lend
} nm_purse_t;

typedef struct {
    uint16_t number;
    int64_t seen_ms;
} nm_sharer_t;

//  {0} and the mesh file's allowance.
typedef struct {
    nm_allowance_t otherwise;  //  Of services that have no limits of their own
    nm_purse_t *purses;        //  Sorted by service
    size_t purse_count, purse_room;
    nm_sharer_t *sharers;  //  Other gateways
    size_t sharer_count, sharer_room;
    nm_share_t share;
    int64_t looked_ms;
} nm_quota_t;

//  What the limits say of one ask. {0}: there are none.
typedef struct nm_quota_use {
    const nm_allowance_t *service;     //  NULL: no limit
    const nm_allowance_t *recipients;  //  NULL: no limit
    nm_purse_t *purse;
    nm_rate_t rate;
    uint64_t per_day;  //  Our share of it
    bool asked;        //  The others were asked; or it is too late for that, as something is written

    //  Of the recipient that was looked at last.
    bool has_recipient;
    uint8_t place[NM_SECRET_SIZE];
    nm_count_t hour_used, day_used;
} nm_quota_use_t;

//  Why one more is not let through.
typedef struct nm_quota_refusal {
    const char *policy;  //  minute, day or recipient
    const char *detail;
    int64_t wait_ms;
} nm_quota_refusal_t;

void nm_quota_free(nm_quota_t *self);

//  Memory follows from the disk again, as it is needed; and what has changed in a turn goes there.
void nm_quota_undo(nm_quota_t *self);
nm_rc_t nm_quota_flush(struct nm_gateway *gateway, nm_txn_t *txn);

//  The service was deleted: what it used is of no interest any more.
nm_rc_t nm_quota_forget(nm_quota_t *self, nm_txn_t *txn, const nm_id_t *service);

//  Looks up what holds for the asker of a case, and puts in what others have lent.
nm_rc_t nm_quota_open(struct nm_case *it);

//  May one more go to this address (of a user: the id)? NM_ERR_REFUSED: no, and why. NM_ERR_BUSY: others are
//  asked for what they have left, and the ask runs again.
nm_rc_t nm_quota_check(struct nm_case *it, nm_channel_t channel, nm_bytes_t address, nm_quota_refusal_t *why);

//  It went: the one that was checked last.
nm_rc_t nm_quota_take(struct nm_case *it);

//  Before many are checked and taken in one ask, when it is too late to ask others between two of them: is there
//  room for so many? NM_ERR_REFUSED: not for a single one, and why. NM_ERR_BUSY as above.
nm_rc_t nm_quota_prepare(struct nm_case *it, uint64_t count, nm_quota_refusal_t *why);

//  Whole seconds, one at least: what header fields tell.
unsigned long long nm_quota_seconds(int64_t ms);

//  The header fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11). False: there are no limits.
enum { NM_QUOTA_TEXT_SIZE = 160 };
bool nm_quota_headers(const nm_quota_use_t *use, int64_t now_ms, char policies[NM_QUOTA_TEXT_SIZE],
                      char state[NM_QUOTA_TEXT_SIZE]);

#endif
