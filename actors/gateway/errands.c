#include "actors/gateway/errands.h"

#include "actors/gateway/copies.h"
#include "actors/gateway/ops.h"

static const int64_t TIMEOUT_MS = 5000;
static const int64_t EARLY_MS = 50;  //  So that the answer is there when the asker stops waiting
static const int64_t LOOK_MS = 500;

enum { QUESTION_BITS = 11, QUESTION_MASK = (1 << QUESTION_BITS) - 1 };
_Static_assert(NM_QUESTION_COUNT <= QUESTION_MASK + 1, "a question's number fits the token");
_Static_assert((NM_ERRAND_COUNT << QUESTION_BITS) - 1 <= 0xffffff, "both numbers fit the token's slot");

//  -- Places

static void
s_free(nm_errand_t *self)
{
    nm_buf_free(&self->kept);
    nm_buf_free(&self->answers);
    free(self->questions);
}

void
nm_errands_free(nm_errands_t *self)
{
    for (size_t i = 0; self->items && i < NM_ERRAND_COUNT; i++)
        s_free(&self->items[i]);
    free(self->items);
    nm_portions_free(&self->portions);
    nm_touched_free(&self->touched);
    *self = (nm_errands_t){ 0 };
}

static void
s_release(nm_errands_t *self, nm_errand_t *item)
{
    uint32_t serial = item->serial;
    self->size -= item->kept.size + item->answers.size;
    self->count--;
    for (; item->place_count; item->place_count--)
        nm_portions_give(&self->portions, &item->service);
    s_free(item);
    *item = (nm_errand_t){ .serial = serial };
}

//  What is kept has grown.
static void
s_take_places(nm_errands_t *self, nm_errand_t *item)
{
    size_t wanted = 1 + (item->kept.size + item->answers.size) / NM_ERRAND_PLACE_SIZE;
    for (; item->place_count < wanted; item->place_count++)
        nm_portions_take(&self->portions, &item->service);
}

//  What was asked in a turn that was undone never left.
static void
s_drop_fresh(nm_errand_t *item)
{
    size_t kept = 0;
    item->open_count = item->copy_count = 0;
    while (kept < item->question_count && !item->questions[kept].fresh) {
        item->questions[kept].used = false;
        item->open_count += !item->questions[kept].answered;
        item->copy_count += item->questions[kept++].is_copy;
    }
    item->question_count = kept;
}

//  One that ran in a turn that was undone runs once more: its answers are still at hand.
void
nm_errands_undo(nm_errands_t *self)
{
    for (size_t i = 0; i < self->touched.count; i++) {
        nm_errand_t *item = &self->items[self->touched.slots[i]];
        item->done = false;
        if (item->used && item->fresh)
            s_release(self, item);
        else if (item->used)
            s_drop_fresh(item);
    }
    self->touched.count = 0;
    self->look_ms = 0;
}

void
nm_errands_commit(nm_errands_t *self)
{
    for (size_t i = 0; i < self->touched.count; i++) {
        nm_errand_t *item = &self->items[self->touched.slots[i]];
        item->fresh = false;
        for (size_t n = item->question_count; n-- > 0 && item->questions[n].fresh;)
            item->questions[n].fresh = false;
        if (item->used && item->done)
            s_release(self, item);
        else if (item->used && !item->open_count)
            self->look_ms = 0;  //  Whom it asked last is away: it runs in the next turn
    }
    self->touched.count = 0;
}

//  -- Beginning

static void
s_keep_ask(nm_case_t *it, nm_errand_t *item)
{
    nm_ask_headers_t headers = nm_forwards_headers(it);
    nm_record_encode(&nm_ask_headers_shape, &headers, NM_BY_NAME, &item->kept);
    item->headers_size = item->kept.size;
    nm_buf_add_bytes(&item->kept, it->ask->body);
    nm_bytes_to_text(it->ask->op, item->op, sizeof item->op);
    item->ask = *it->ask;
}

//  Until when answers are waited for: not longer than the asker waits.
static void
s_set_time(nm_case_t *it, nm_errand_t *item)
{
    int64_t left_ms = it->ask->deadline_ms - it->now_ms - EARLY_MS;
    item->until_ms = it->now_ms + (left_ms < 1 ? 1 : left_ms < TIMEOUT_MS ? left_ms : TIMEOUT_MS);
    nm_turn_wake(it->turn, it->now_ms);
    nm_turn_wake(it->turn, item->until_ms);
}

nm_errand_t *
nm_errands_begin(nm_case_t *it)
{
    nm_errands_t *self = &it->gateway->errands;
    size_t i = 0;
    if (!self->items)
        self->items = nm_alloc(NM_ERRAND_COUNT * sizeof *self->items);
    while (i < NM_ERRAND_COUNT && self->items[i].used)
        i++;
    if (!nm_portions_may(&self->portions, &it->who.service, NM_ERRAND_COUNT) ||
        self->size + it->ask->body.size > NM_ERRAND_SIZE_MAX) {
        nm_answer_problem(&it->answer, 503, NULL, "Too many wait for other gateways; try again.");
        return NULL;
    }
    nm_errand_t *item = &self->items[i];
    self->count++;
    item->serial++;
    item->used = item->fresh = true;
    item->service = it->who.service;
    s_keep_ask(it, item);
    self->size += item->kept.size;
    s_take_places(self, item);
    nm_touched_add(&self->touched, i);
    s_set_time(it, item);
    return item;
}

nm_errand_t *
nm_errands_open(nm_case_t *it)
{
    if (!it->errand)
        it->errand = nm_errands_begin(it);
    else if (it->errand->done)
        s_set_time(it, it->errand);
    if (it->errand)
        it->errand->done = false;
    return it->errand;
}

static nm_question_t *
s_add_question(nm_case_t *it, nm_errand_t *errand, size_t about, const nm_peer_t *peer)
{
    if (errand->question_count == errand->question_room) {
        errand->question_room = errand->question_room ? 2 * errand->question_room : 4;
        errand->questions = nm_realloc(errand->questions, errand->question_room * sizeof *errand->questions);
    }
    size_t number = errand->question_count++;
    nm_question_t *question = &errand->questions[number];
    *question = (nm_question_t){ .about = about, .peer = peer, .status = 503, .fresh = true };
    question->answered = number >= NM_QUESTION_COUNT || !nm_turn_is_alive(it->turn, peer->actor.name);
    errand->open_count += !question->answered;
    return question;
}

static uint64_t
s_token(const nm_case_t *it, const nm_errand_t *errand, const nm_question_t *question)
{
    size_t slot = (size_t) (errand - it->gateway->errands.items), number = (size_t) (question - errand->questions);
    return nm_token(NM_TOKEN_ERRAND, slot << QUESTION_BITS | (number & QUESTION_MASK), errand->serial);
}

uint64_t
nm_errands_put_copy(nm_case_t *it, nm_errand_t *errand, size_t about, const nm_peer_t *peer, const nm_id_t *id)
{
    nm_question_t *question = s_add_question(it, errand, about, peer);
    question->is_copy = true;
    question->copy = *id;
    errand->copy_count++;
    return s_token(it, errand, question);
}

nm_question_t *
nm_errands_copy(nm_errand_t *self, size_t about)
{
    for (size_t i = 0; self->copy_count && i < self->question_count; i++)
        if (self->questions[i].is_copy && self->questions[i].about == about)
            return &self->questions[i];
    return NULL;
}

void
nm_errands_put(nm_case_t *it, nm_errand_t *errand, size_t about, const nm_peer_t *peer, const char *op,
               const nm_ask_headers_t *headers, nm_bytes_t body)
{
    nm_question_t *question = s_add_question(it, errand, about, peer);
    if (question->answered)
        return;
    nm_ask_out_t ask = { .role = peer->actor.role,
                         .peer = peer->actor.name,
                         .op = op,
                         .headers = headers,
                         .body = body,
                         .timeout_ms = errand->until_ms - it->now_ms,
                         .token = s_token(it, errand, question) };
    nm_turn_ask_with(it->turn, &ask);
}

nm_bytes_t
nm_errand_body(const nm_errand_t *self, const nm_question_t *question)
{
    return nm_bytes(self->answers.at + question->body_at, question->body_size);
}

//  -- Running again

static nm_rc_t
s_run(nm_gateway_t *gateway, nm_turn_t *turn, nm_errand_t *item)
{
    nm_bytes_t headers = nm_bytes(item->kept.at, item->headers_size);
    nm_ask_in_t ask = item->ask;
    ask.op = nm_text(item->op);
    ask.body = nm_bytes(item->kept.at + item->headers_size, item->kept.size - item->headers_size);
    if (nm_record_decode(&nm_ask_headers_shape, &ask.headers, headers, NULL, "") != NM_OK)
        return NM_ERR_BUG;
    item->done = true;
    nm_touched_add(&gateway->errands.touched, (size_t) (item - gateway->errands.items));
    item->copies_before = item->copy_count;
    nm_rc_t rc = nm_gateway_run(gateway, turn, &ask, item);
    return rc == NM_OK && item->done ? nm_copies_settle(gateway, turn, item) : rc;
}

static void
s_take_answer(nm_errands_t *self, nm_errand_t *item, nm_question_t *question, unsigned status, nm_bytes_t body)
{
    question->answered = true;
    question->status = status == 504 ? 503 : status;
    question->body_at = item->answers.size;
    question->body_size = body.size;
    nm_buf_add_bytes(&item->answers, body);
    self->size += body.size;
    s_take_places(self, item);
    item->open_count--;
}

static nm_rc_t
s_answer(nm_gateway_t *gateway, nm_turn_t *turn, uint64_t token, unsigned status, nm_bytes_t body)
{
    nm_errands_t *self = &gateway->errands;
    size_t slot = nm_token_slot(token) >> QUESTION_BITS, number = nm_token_slot(token) & QUESTION_MASK;
    if (!self->items || slot >= NM_ERRAND_COUNT)
        return NM_OK;
    nm_errand_t *item = &self->items[slot];
    if (!item->used || item->done || item->serial != (uint32_t) token || number >= item->question_count ||
        item->questions[number].answered)
        return NM_OK;
    s_take_answer(self, item, &item->questions[number], status, body);
    return item->open_count ? NM_OK : s_run(gateway, turn, item);
}

nm_rc_t
nm_errands_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    return s_answer(gateway, turn, reply->token, reply->status, reply->body);
}

nm_rc_t
nm_errands_receipted(nm_gateway_t *gateway, nm_turn_t *turn, uint64_t token)
{
    return s_answer(gateway, turn, token, 200, nm_bytes(NULL, 0));
}

//  Whoever died meanwhile has answered that he is away.
static void
s_look(nm_errands_t *self, nm_turn_t *turn, nm_errand_t *item)
{
    bool late = nm_turn_now(turn) >= item->until_ms;
    for (size_t i = 0; item->open_count && i < item->question_count; i++) {
        nm_question_t *question = &item->questions[i];
        if (!question->answered && (late || !nm_turn_is_alive(turn, question->peer->actor.name)))
            s_take_answer(self, item, question, 503, nm_bytes(NULL, 0));
    }
}

static void
s_look_at_all(nm_errands_t *self, nm_turn_t *turn)
{
    self->look_ms = nm_turn_now(turn) + LOOK_MS;
    for (size_t i = 0; i < NM_ERRAND_COUNT; i++) {
        nm_errand_t *item = &self->items[i];
        if (!item->used || item->done)
            continue;
        s_look(self, turn, item);
        if (!item->open_count)
            nm_touched_add(&self->touched, i);
    }
}

//  Only what this turn has touched, or found out by a look, can have nothing open. What asks somebody who is away once
//  more waits for the next turn.
nm_rc_t
nm_errands_due(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_errands_t *self = &gateway->errands;
    nm_rc_t rc = NM_OK;
    if (!self->count)
        return NM_OK;
    if (nm_turn_now(turn) >= self->look_ms)
        s_look_at_all(self, turn);
    size_t count = self->touched.count;
    for (size_t i = 0; rc == NM_OK && i < count; i++) {
        nm_errand_t *item = &self->items[self->touched.slots[i]];
        if (item->used && !item->done && !item->open_count)
            rc = s_run(gateway, turn, item);
    }
    nm_turn_wake(turn, self->look_ms);
    return rc;
}
