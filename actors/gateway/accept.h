/*  accept - takes a notification in: checks it, and puts it on disk in one go.
 *
 *  The order of looking: is it well formed (every fault at once), was it asked before
 *  (idempotency), does it say what a row cannot, is it a duplicate, is there room. What is
 *  written for one that is taken: its note, its content as it came, its line in the list of
 *  the service, the mail for a router or the time when it is due, a journal entry.
 */
#ifndef NM_ACCEPT_H
#define NM_ACCEPT_H

#include "actors/gateway/idempotency.h"

//  What came of one notification.
typedef struct {
    unsigned code;  //  202 taken, 200 a duplicate, 422 refused (faults say why), 507 no room
    bool replayed;  //  first is the answer
    nm_first_answer_t first;
    nm_id_t id;
    nm_status_t status;
    nm_channel_t channel;
    int64_t created_at;
    const char *detail;  //  Of a refusal
} nm_accepted_t;

#endif
