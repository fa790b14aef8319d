/*  state - what a gateway holds in memory, and one ask on its way through it.
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
    bool has_orphans;                         //  Copies may be awaited that an earlier process asked for
    uint64_t present;                         //  A bit for each role that the directory knows

    //  Scratch, so that nothing is allocated for each notification.
    nm_buf_t body, headers, problem, note, work, filled;
    nm_faults_t faults;
    nm_history_t history;
} nm_gateway_t;

//  An id as a cursor: 32 hex digits.
enum { NM_CURSOR_TEXT_SIZE = 32 };
void nm_cursor_text(const nm_id_t *id, char out[NM_CURSOR_TEXT_SIZE + 1]);

//  One ask, once it is known who asks.
typedef struct nm_case {
    nm_gateway_t *gateway;
    nm_turn_t *turn;
    nm_txn_t *txn;
    const nm_ask_in_t *ask;
    nm_who_t who;
    nm_asker_t asker;
    nm_answer_t answer;  //  Goes to asker
    int64_t now_ms;
    nm_errand_t *errand;     //  What other gateways said, when the ask runs again; else NULL
    nm_quota_use_t quota;    //  Which limits hold; answer tells of them
    nm_defaults_t defaults;  //  Of the asker's service, once nm_accept_begin was called
} nm_case_t;

//  An operation: answers the ask, or keeps it to answer later.
typedef nm_rc_t(nm_op_fn)(nm_case_t *it);

//  Runs an ask; errand as in nm_case_t.
nm_rc_t nm_gateway_run(nm_gateway_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, nm_errand_t *errand);

//  Was it another gateway that passed this ask on? Then it is not passed on again.
static inline bool
nm_case_is_passed_on(const nm_case_t *it)
{
    return it->ask->role == NM_ROLE_GATEWAY;
}

//  May this one see what belongs to that service?
static inline bool
nm_case_may_see(const nm_case_t *it, const nm_id_t *service)
{
    return it->who.admin || nm_id_equal(&it->who.service, service);
}

//  Decodes the body by name, an absent one as an empty map. On a fault it answers (400
//  for what is no map, 422 with every fault), and returns NM_ERR_REFUSED: the handler then
//  ends with NM_OK. query: faults point at "?name" rather than at "/name".
nm_rc_t nm_case_decode(nm_case_t *it, const nm_shape_t *shape, void *record, bool query);

//  Finds a notification by the text of its id, for one who may see it. NM_ERR_REFUSED: it is
//  not there, or somebody else's; answered. Or it is another gateway's, which was asked.
nm_rc_t nm_case_find(nm_case_t *it, nm_bytes_t text, nm_id_t *id, nm_note_t *note);

//  Reads limit and cursor of a list: 1 to 200, 50 if absent; the cursor is an id.
//  NM_ERR_REFUSED: answered.
nm_rc_t nm_case_page(nm_case_t *it, bool has_limit, uint64_t *limit, bool has_cursor, nm_bytes_t cursor, nm_id_t *from);

//  Is this one locked out? If so that is answered.
bool nm_case_is_locked_out(nm_case_t *it, const nm_lockout_who_t *who);

//  Answers 422 for one fault.
nm_rc_t nm_case_refuse(nm_case_t *it, const char *pointer, const char *detail);

//  Answers 404 in the same words, whether it is not there or somebody else's.
nm_rc_t nm_case_unknown(nm_case_t *it, const char *what);

#endif
