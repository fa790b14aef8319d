#include "actors/gateway/passing.h"

#include <sodium.h>

#include "actors/gateway/credentials.h"
#include "actors/gateway/ops.h"
#include "wire/reader.h"

static const int64_t PATIENCE_MS = 5000;  //  How long one waits, all in all
static const int64_t TIMEOUT_MS = 3000;   //  ... and for the owner's answer

_Static_assert(sizeof((nm_passed_t *) 0)->mark >= NM_BOOK_MARK_SIZE, "a mark fits");

//  -- Places

//  What passed through may have been a new key.
static void
s_release(nm_passing_t *self, nm_passed_t *item)
{
    uint32_t serial = item->serial;
    if (item->body.at)
        sodium_memzero(item->body.at, item->body.room);
    nm_buf_free(&item->body);
    nm_portions_give(&self->portions, &item->service);
    *item = (nm_passed_t){ .serial = serial };
    self->count--;
}

void
nm_passing_free(nm_passing_t *self)
{
    for (size_t i = 0; self->count && i < NM_PASSING_COUNT; i++)
        if (self->items[i].used)
            s_release(self, &self->items[i]);
    free(self->items);
    nm_portions_free(&self->portions);
    *self = (nm_passing_t){ 0 };
}

//  An ask of an undone turn never left, and the asker was told so. An answer that such a turn took in stays.
void
nm_passing_undo(nm_passing_t *self)
{
    for (size_t i = 0; self->count && i < NM_PASSING_COUNT; i++) {
        nm_passed_t *item = &self->items[i];
        if (!item->used)
            continue;
        item->done = false;
        if (item->fresh)
            s_release(self, item);
    }
}

void
nm_passing_commit(nm_passing_t *self)
{
    for (size_t i = 0; self->count && i < NM_PASSING_COUNT; i++) {
        nm_passed_t *item = &self->items[i];
        if (!item->used)
            continue;
        item->fresh = false;
        if (item->done)
            s_release(self, item);
    }
}

static nm_passed_t *
s_take(nm_passing_t *self, const nm_id_t *service)
{
    if (!self->items)
        self->items = nm_alloc(NM_PASSING_COUNT * sizeof *self->items);
    if (!nm_portions_may(&self->portions, service, NM_PASSING_COUNT))
        return NULL;
    for (size_t i = 0; i < NM_PASSING_COUNT; i++)
        if (!self->items[i].used) {
            self->count++;
            nm_portions_take(&self->portions, service);
            self->items[i].service = *service;
            self->items[i].serial++;
            return &self->items[i];
        }
    return NULL;
}

//  -- On the way

static nm_rc_t
s_answer_away(nm_answer_t to, const char *book, const char *owner)
{
    return nm_answer_problem(&to, 503, NULL, "%s, which keeps the book %s, is away: nothing in it can be changed now.",
                             *owner ? owner : "The user actor", book);
}

static bool
s_is_from(const nm_passed_t *item, const nm_lockout_who_t *who)
{
    return item->signs_in && item->who.address_size == who->address_size &&
           memcmp(item->who.address, who->address, who->address_size) == 0;
}

//  Each that is on its way may turn out wrong: together with those that were, no more than lock out.
static bool
s_may_try_more(nm_case_t *it, const nm_lockout_who_t *who)
{
    const nm_passing_t *self = &it->gateway->passing;
    size_t tries = nm_lockout_score(&it->gateway->lockout, who, it->now_ms).address.count;
    for (size_t i = 0; self->count && i < NM_PASSING_COUNT; i++)
        tries += self->items[i].used && s_is_from(&self->items[i], who);
    return tries < NM_LOCKOUT_WRONG;
}

//  No change without a fault is so large: its faults are named here, and the owner does not see it.
static nm_rc_t
s_refuse_large(nm_case_t *it)
{
    const nm_shape_t *shape = it->asker.api->ask;
    if (shape && nm_case_decode(it, shape, nm_txn_alloc(it->txn, shape->size), false) != NM_OK)
        return NM_OK;
    return nm_answer_problem(&it->answer, 413, NULL, "The body has %zu bytes; at most %d are of use here.",
                             it->ask->body.size, NM_PASSING_BODY_MAX);
}

static nm_rc_t
s_pass(nm_case_t *it, const char *book, const char *owner)
{
    bool signs_in = nm_bytes_is(it->ask->op, "auth.login");
    nm_lockout_who_t who = { .address_size = 0 };
    if (signs_in && !nm_credentials_may_sign_in(it, &who))
        return NM_OK;
    if (signs_in && !s_may_try_more(it, &who))
        return nm_answer_problem(&it->answer, 429, NULL, "Too many sign in from there at once; try again.");
    if (it->ask->body.size > NM_PASSING_BODY_MAX)
        return s_refuse_large(it);
    nm_passed_t *item = s_take(&it->gateway->passing, &it->who.service);
    if (!item)
        return nm_answer_problem(&it->answer, 429, NULL, "Too many changes are on their way.");
    item->used = item->fresh = true;
    item->asker = it->asker;
    item->signs_in = signs_in;
    item->who = who;
    item->book = book;
    item->give_up_ms = it->now_ms + PATIENCE_MS;
    nm_bytes_to_text(nm_text(owner), item->owner, sizeof item->owner);

    char op[65];
    nm_ask_headers_t headers = nm_forwards_headers(it);
    nm_bytes_to_text(it->ask->op, op, sizeof op);
    nm_ask_out_t ask = {
        .role = NM_ROLE_USER,
        .peer = item->owner,
        .op = op,
        .headers = &headers,
        .body = it->ask->body,
        .timeout_ms = TIMEOUT_MS,
        .token = nm_token(NM_TOKEN_PASSING, (size_t) (item - it->gateway->passing.items), item->serial),
    };
    nm_turn_ask_with(it->turn, &ask);
    nm_turn_wake(it->turn, item->give_up_ms);
    return NM_OK;
}

nm_rc_t
nm_passing_take(nm_case_t *it, const char *book)
{
    const char *owner;
    nm_book_whose_t whose = nm_turn_book(it->turn, book, &owner);
    if (whose == NM_BOOK_HERE || whose == NM_BOOK_SETTLING)
        return nm_answer_problem(&it->answer, 503, NULL,
                                 "This gateway keeps the book %s from before there were user actors: launch one and "
                                 "make it the owner with nctl book promote.",
                                 book);
    if (whose == NM_BOOK_AWAY || nm_case_is_passed_on(it))
        return s_answer_away(it->answer, book, owner);
    return s_pass(it, book, owner);
}

nm_rc_t
nm_passing_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_passing_t *self = &gateway->passing;
    size_t slot = nm_token_slot(reply->token);
    nm_passed_t *item = self->items && slot < NM_PASSING_COUNT ? &self->items[slot] : NULL;
    if (!item || !item->used || item->done || item->status || item->serial != (uint32_t) reply->token)
        return NM_OK;
    if (reply->status == 504 || (reply->status == 503 && !reply->body.size)) {  //  Nobody answered
        item->done = true;
        return s_answer_away((nm_answer_t){ gateway, turn, &item->asker }, item->book, item->owner);
    }
    nm_bytes_t raw, mark = { 0 };
    nm_reader_t reader;
    if (reply->headers.size && nm_reader_find(reply->headers, "x-book-change", &raw) == NM_OK) {
        nm_reader_open(&reader, raw);
        if (nm_reader_str(&reader, &mark) != NM_OK)
            mark = nm_bytes(NULL, 0);
    }
    nm_bytes_to_text(mark, item->mark, sizeof item->mark);
    nm_buf_add_bytes(&item->body, reply->body);
    item->status = reply->status;
    return NM_OK;  //  nm_passing_due hands it on
}

//  -- Those that wait

static nm_rc_t
s_look(nm_gateway_t *gateway, nm_turn_t *turn, nm_passed_t *item)
{
    nm_answer_t to = { gateway, turn, &item->asker };
    if (item->status && (!item->mark[0] || nm_turn_book_reached(turn, item->book, nm_text(item->mark)))) {
        item->done = true;
        if (item->signs_in)
            nm_credentials_signed_in(gateway, turn, &item->who, item->status);
        return nm_answer_again(&to, item->status, nm_buf_bytes(&item->body));
    }
    if (nm_turn_now(turn) < item->give_up_ms)
        return NM_OK;
    item->done = true;
    return nm_answer_problem(&to, 503, NULL,
                             "%s, which keeps the book %s, was reached and then lost: the change may have been "
                             "made. Look before you ask again.",
                             item->owner, item->book);
}

nm_rc_t
nm_passing_due(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_passing_t *self = &gateway->passing;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && self->count && i < NM_PASSING_COUNT; i++)
        if (self->items[i].used && !self->items[i].done)
            rc = s_look(gateway, turn, &self->items[i]);
    return rc;
}
