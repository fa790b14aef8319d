#include "actors/gateway/passing.h"

#include <sodium.h>

#include "actors/gateway/ops.h"
#include "wire/reader.h"

static const int64_t PATIENCE_MS = 5000;  //  How long one waits, all in all
static const int64_t TIMEOUT_MS = 3000;   //  ... and for the owner's answer
static const int64_t LOOK_MS = 20;        //  Between two looks whether the book has an owner yet

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
    *self = (nm_passing_t){ 0 };
}

//  An ask of an undone turn never left, so it is put again. An answer that such a turn took in is lost: the asker gets
//  503 when its patience is over.
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
        else if (item->state == NM_PASSING_ASKED)
            item->state = item->kept;
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
        item->kept = item->state;
        if (item->done)
            s_release(self, item);
    }
}

static nm_passed_t *
s_take(nm_passing_t *self)
{
    if (!self->items)
        self->items = nm_alloc(NM_PASSING_COUNT * sizeof *self->items);
    for (size_t i = 0; i < NM_PASSING_COUNT; i++)
        if (!self->items[i].used) {
            self->count++;
            self->items[i].serial++;
            return &self->items[i];
        }
    return NULL;
}

static nm_rc_t
s_answer_away(nm_answer_t to, const char *book, const char *owner)
{
    return nm_answer_problem(&to, 503, NULL, "%s, which keeps the book %s, is away: nothing in it can be changed now.",
                             *owner ? owner : "The actor", book);
}

//  -- On the way

static void
s_pass(nm_gateway_t *gateway, nm_turn_t *turn, nm_passed_t *item, const char *owner)
{
    size_t slot = (size_t) (item - gateway->passing.items);
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, correlation_id, nm_text(item->asker.correlation));
    nm_ask_out_t ask = { .role = NM_ROLE_GATEWAY,
                         .peer = owner,
                         .op = item->op,
                         .headers = &headers,
                         .body = nm_buf_bytes(&item->body),
                         .timeout_ms = TIMEOUT_MS,
                         .token = nm_token(NM_TOKEN_PASSING, slot, item->serial) };
    item->state = NM_PASSING_ASKED;
    nm_turn_ask_with(turn, &ask);
    nm_turn_wake(turn, item->give_up_ms);
}

static nm_rc_t
s_hold(nm_case_t *it, const char *book, nm_book_whose_t whose, const char *owner)
{
    nm_passed_t *item = it->ask->body.size <= NM_PASSING_BODY_MAX ? s_take(&it->gateway->passing) : NULL;
    if (!item)
        return nm_answer_problem(&it->answer, 429, NULL, "Too many changes are on their way.");
    item->used = item->fresh = true;
    item->asker = it->asker;
    item->book = book;
    item->give_up_ms = it->now_ms + PATIENCE_MS;
    nm_bytes_to_text(it->ask->op, item->op, sizeof item->op);
    nm_buf_add_bytes(&item->body, it->ask->body);
    if (whose == NM_BOOK_THERE)
        s_pass(it->gateway, it->turn, item, owner);
    else
        nm_turn_wake(it->turn, it->now_ms + LOOK_MS);
    return NM_OK;
}

nm_rc_t
nm_passing_take(nm_case_t *it, const char *book)
{
    const char *owner;
    nm_book_whose_t whose = nm_turn_book(it->turn, book, &owner);
    if (nm_case_is_passed_on(it))
        it->asker.book = book;  //  The answer tells which change it was
    if (whose == NM_BOOK_HERE)
        return NM_OK;
    if (whose == NM_BOOK_AWAY || (whose == NM_BOOK_THERE && nm_case_is_passed_on(it)))
        s_answer_away(it->answer, book, owner);
    else
        s_hold(it, book, whose, owner);
    return NM_ERR_BUSY;
}

nm_rc_t
nm_passing_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_passing_t *self = &gateway->passing;
    size_t slot = nm_token_slot(reply->token);
    nm_passed_t *item = self->items && slot < NM_PASSING_COUNT ? &self->items[slot] : NULL;
    if (!item || !item->used || item->done || item->serial != (uint32_t) reply->token)
        return NM_OK;
    if (reply->status >= 503 && reply->status <= 504) {
        item->done = true;
        return s_answer_away((nm_answer_t){ gateway, turn, &item->asker }, item->book, reply->peer);
    }
    nm_bytes_t raw, mark = { 0 };
    nm_reader_t reader;
    if (reply->headers.size && nm_reader_find(reply->headers, "x-book-change", &raw) == NM_OK) {
        nm_reader_open(&reader, raw);
        if (nm_reader_str(&reader, &mark) != NM_OK)
            mark = nm_bytes(NULL, 0);
    }
    nm_bytes_to_text(mark, item->mark, sizeof item->mark);
    nm_buf_clear(&item->body);
    nm_buf_add_bytes(&item->body, reply->body);
    item->status = reply->status;
    item->state = NM_PASSING_ANSWERED;
    return NM_OK;  //  nm_passing_due hands it on
}

//  -- Those that wait

//  It turned out that the book is this gateway's: the operation runs as if it had been asked now.
static nm_rc_t
s_run(nm_gateway_t *gateway, nm_turn_t *turn, nm_passed_t *item)
{
    nm_ask_in_t ask = { .caller = item->asker.caller,
                        .role = NM_ROLE_OPERATOR,
                        .op = nm_text(item->op),
                        .body = nm_buf_bytes(&item->body),
                        .deadline_ms = item->give_up_ms };
    nm_case_t it = { .gateway = gateway, .turn = turn, .ask = &ask, .asker = item->asker };
    it.txn = nm_turn_txn(turn);
    it.now_ms = nm_turn_now(turn);
    it.answer = (nm_answer_t){ gateway, turn, &it.asker };
    nm_auth_operator(&gateway->auth, &it.who);
    item->done = true;
    return nm_gateway_do(&it);
}

static nm_rc_t
s_look(nm_gateway_t *gateway, nm_turn_t *turn, nm_passed_t *item)
{
    const char *owner;
    nm_book_whose_t whose = nm_turn_book(turn, item->book, &owner);
    nm_answer_t to = { gateway, turn, &item->asker };
    bool late = nm_turn_now(turn) >= item->give_up_ms;
    if (item->state == NM_PASSING_ANSWERED &&
        (!item->mark[0] || nm_turn_book_reached(turn, item->book, nm_text(item->mark)))) {
        item->done = true;
        return nm_answer(&to, item->status, nm_buf_bytes(&item->body));
    }
    if (late && item->state != NM_PASSING_HELD) {
        item->done = true;
        return nm_answer_problem(&to, 503, NULL,
                                 "%s, which keeps the book %s, was reached and then lost: the change may have been "
                                 "made. Look before you ask again.",
                                 owner, item->book);
    }
    if (late || (item->state == NM_PASSING_HELD && whose == NM_BOOK_AWAY)) {
        item->done = true;
        return s_answer_away(to, item->book, owner);
    }
    if (item->state != NM_PASSING_HELD)
        return NM_OK;
    if (whose == NM_BOOK_HERE)
        return s_run(gateway, turn, item);
    if (whose == NM_BOOK_THERE)
        s_pass(gateway, turn, item, owner);
    else
        nm_turn_wake(turn, nm_turn_now(turn) + LOOK_MS);
    return NM_OK;
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
