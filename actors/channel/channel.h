/*  channel - the worker that e-mail, push and sms share: takes deliveries in, sends them, tells.
 *
 *  A role is made of it by naming these functions in its nm_role_t, with an open of its own
 *  that says which channels it serves (see actors/email/email.c).
 *
 *  The way of a delivery: mail comes in and is stored (event queued); when there is room for
 *  a call, by priority, a provider is chosen and an attempt written as started (event
 *  sending); the effect leaves after that commit; its result ends the attempt:
 *
 *      sent       event sent; nothing of it is kept
 *      later      due again after a while (event retry_scheduled), until the tries are used
 *                 up: dead letter, reason retries
 *      refused    dead letter, reason rejected
 *      uncertain  as later, or a dead letter where sending twice is worse (on_unknown: park,
 *                 or at_most_once)
 *
 *  An attempt that was started by a process that is no more is uncertain too. It uses up no
 *  try; but five such in a row mean that the delivery itself stops the actor: reason poison.
 *
 *  While breakers keep all providers of a delivery it waits, and that uses up no tries, nor
 *  does a failed trial of a breaker that is not closed.
 */
#ifndef NM_CHANNEL_H
#define NM_CHANNEL_H

#include "broker/turn.h"

typedef struct {
    const char *part;   //  Of the mesh file, as "email"
    unsigned channels;  //  NM_CHANNEL_BIT of each it takes
} nm_channel_kind_t;

nm_rc_t nm_channel_open(void **state, const nm_setup_t *setup, const nm_channel_kind_t *kind, nm_error_t *error);
void nm_channel_close(void *state);
nm_rc_t nm_channel_load(void *state, nm_turn_t *turn);
nm_rc_t nm_channel_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail);

//  Takes `deliveries.cancel` {notification, generation?} from a gateway. 200: all that is
//  here was taken away. 409: one of them is being sent; nothing was changed. 404: nothing is
//  here. With 200 and 404 what comes in within a day is dropped too. The body tells
//  {cancelled, sending, unknown}.
nm_rc_t nm_channel_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask);
nm_rc_t nm_channel_result(void *state, nm_turn_t *turn, const nm_result_t *result);

//  What was given back to a router that is lost may have been sent by whoever has it from there.
bool nm_channel_doubted(uint8_t kind, nm_bytes_t body, nm_buf_t *changed);
nm_rc_t nm_channel_due(void *state, nm_turn_t *turn);
void nm_channel_committed(void *state);
size_t nm_channel_room(void *state);
void nm_channel_backlog(void *state, uint64_t *count, int64_t *oldest_ms);
void nm_channel_figures(void *state, nm_turn_t *turn);
size_t nm_channel_status(void *state, nm_buf_t *out);

enum { NM_CHANNEL_TABLE_COUNT = 3 };
extern const nm_table_t *const nm_channel_tables[NM_CHANNEL_TABLE_COUNT];

//  The book of providers, which every channel actor follows: a change counts from the turn in which it comes. Calls
//  that are under way end as they began.
enum { NM_CHANNEL_BOOK_COUNT = 1 };
extern const nm_book_use_t nm_channel_books[NM_CHANNEL_BOOK_COUNT];

#endif
