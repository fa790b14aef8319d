/*  state - what a gateway holds in memory.
 *
 *  Private to actors/gateway/. All of it but the askers that wait follows from the store,
 *  and load makes it again when a turn was undone.
 */
#ifndef NM_GATEWAY_STATE_H
#define NM_GATEWAY_STATE_H

#include "actors/accounts/auth.h"
#include "actors/gateway/answer.h"
#include "actors/gateway/cancel.h"
#include "actors/gateway/errands.h"
#include "actors/gateway/feeds.h"
#include "actors/gateway/fingerprint.h"
#include "actors/gateway/forward.h"
#include "actors/gateway/history.h"
#include "actors/gateway/journal.h"
#include "actors/gateway/lockout.h"
#include "broker/owners.h"
#include "actors/gateway/passing.h"
#include "actors/gateway/polls.h"
#include "actors/gateway/quota.h"
#include "actors/gateway/recovery.h"
#include "actors/gateway/tally.h"

//  How far the walk for the oldest of some kind has come.
typedef struct {
    nm_id_t from;      //  None before this is of the kind
    bool found;        //  This one is ...
    int64_t since_ms;  //  ... and waits since then
    bool ended;        //  There was none to the end
} nm_oldest_t;

typedef struct nm_gateway {
    const nm_mesh_t *mesh;
    const nm_directory_t *directory;
    uint16_t number;        //  That the ids of this gateway carry
    int64_t retention_ms;   //  How long ended notifications are kept
    int64_t event_keep_ms;  //  How long journal entries are kept
    nm_auth_t auth;
    nm_services_t services;
    nm_sessions_t sessions;
    nm_lockout_t lockout;
    nm_journal_t journal;
    nm_polls_t polls;
    nm_feeds_t feeds;
    nm_cancels_t cancels;
    nm_forwards_t forwards;
    nm_errands_t errands;
    nm_owners_t owners;
    nm_recovery_t recovery;
    nm_passing_t passing;
    nm_quota_t quota;
    nm_tally_t tally;

    uint8_t secret[NM_FINGERPRINT_KEY_SIZE];  //  Keys the hashes on disk
    uint64_t counts[NM_STATUS_COUNT];         //  Notifications by status
    bool counts_changed;                      //  ... since they were written
    int64_t oldest_ms;                        //  Since when the oldest waits that is not scheduled; 0: none
    nm_oldest_t oldest_plain;                 //  ... of those that never were
    nm_oldest_t oldest_released;              //  ... of those that were, and are due
    int64_t tidy_at_ms;                       //  When the minute's upkeep is due
    int64_t retire_at_ms;                     //  When old notifications are looked for again
    nm_id_t retire_from[2];                   //  How far that has come: among our own, among copies
    uint64_t life;                            //  A number of this process
    bool lists_by_user;                       //  nm_by_user_table has all notes (places.h)
    uint64_t kept_count;                      //  While it drains: unfinished ones of others that it keeps copies of
    bool has_orphans;                         //  Copies may be awaited that an earlier process asked for
    uint64_t present;                         //  A bit for each role that the directory knows

    //  Scratch, so that nothing is allocated for each notification.
    nm_buf_t body, headers, problem, note, work, filled;
    nm_faults_t faults;
    nm_history_t history;
} nm_gateway_t;

#endif
