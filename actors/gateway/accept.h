/*  accept - takes a notification in: checks it, and puts it on disk in one go.
 *
 *  The order of looking: is it well formed (every fault at once), was it asked before
 *  (idempotency), does it say what a row cannot, is it a duplicate, is there room, do the limits let
 *  it through. What is written for one that is taken: its note, its content as it came, its line in the list of
 *  the service, the mail for a router or the time when it is due, a journal entry.
 */
#ifndef NM_ACCEPT_H
#define NM_ACCEPT_H

#include "actors/gateway/idempotency.h"

//  What came of one notification.
typedef struct {
    unsigned code;  //  202 taken, 200 a duplicate, 422 refused (faults say why), 429 limited, 503 no copy, 507 no room
    bool replayed;  //  first is the answer
    nm_first_answer_t first;
    nm_id_t id;
    nm_status_t status;
    nm_channel_t channel;
    int64_t created_at;
    const char *detail;      //  Of a refusal
    nm_quota_refusal_t why;  //  ... by a limit
    unsigned copies, hosts;  //  Disks and hosts that have it, if its service asks for more than one; else 0
} nm_accepted_t;

//  One notification of an ask.
typedef struct {
    size_t index;       //  Which item of the ask it is
    nm_bytes_t raw;     //  The request as it came
    nm_bytes_t header;  //  The bare idempotency key of the header, if any
    bool keyless;       //  Keys in it are not ours to look at
} nm_item_t;

//  Where a request comes from: what its note needs beside it.
typedef struct {
    nm_id_t service;
    int64_t created_at;
    nm_bytes_t correlation_id;
    nm_bytes_t traceparent;  //  Empty: none
} nm_origin_t;

//  The note of a new one. Views into request and origin.
void nm_accept_note(const nm_origin_t *origin, const nm_request_t *request, nm_note_t *note);

//  The operation whose body a notification is, and its key's.
#define NM_OP_CREATE "notifications.create"

//  The first channel, and whom it goes to over that: an address, or a user's id.
nm_channel_t nm_accept_address(const nm_request_t *request, nm_bytes_t *address);

//  Looks up what holds for the asker's service: its limits, and what its notifications need not say.
nm_rc_t nm_accept_begin(nm_case_t *it);

//  The request with what its service says for it. A view into a buffer of the gateway, until the next call.
nm_bytes_t nm_accept_fill(nm_case_t *it, nm_bytes_t raw);

//  Takes one in. The caller keeps the answer under idempotency when the code is 2xx and it is no replay.
//  NM_ERR_BUSY: nothing was written, its copy is being made, and the ask runs again.
nm_rc_t nm_accept_one(nm_case_t *it, const nm_item_t *item, nm_idempotency_t *idempotency, nm_accepted_t *accepted);

//  The header's key, bare; what is wrong with size or kind of the body is answered, and NM_ERR_REFUSED.
nm_rc_t nm_accept_open(nm_case_t *it, bool batch, nm_bytes_t *key);

//  The key of the two places it may stand in. NM_ERR_REFUSED: they differ, and faults says so.
nm_rc_t nm_accept_key(nm_bytes_t header, bool has_body, nm_bytes_t body, nm_faults_t *faults, nm_bytes_t *key);

//  What nobody on this mesh could work on: better said now than found out later.
void nm_accept_check_mesh(const nm_gateway_t *gateway, const nm_request_t *request, nm_faults_t *faults);

//  Of an ask with many: NM_ERR_REFUSED: this gateway takes nothing new now, and that is answered.
nm_rc_t nm_accept_no_room(nm_case_t *it);

//  Answers that the key was used for something else.
nm_rc_t nm_accept_refuse_key(nm_case_t *it);

//  The answer to one that was taken.
void nm_accept_pack(const nm_accepted_t *accepted, nm_buf_t *out);

//  Takes one in and answers the ask with what came of it.
nm_rc_t nm_accept_answer(nm_case_t *it, const nm_item_t *item);

//  Gives the first answer again.
nm_rc_t nm_accept_replay(nm_case_t *it, const nm_first_answer_t *first);

#endif
