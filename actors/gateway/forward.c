#include "actors/gateway/forward.h"

#include "actors/gateway/ops.h"

static const int64_t TIMEOUT_MS = 10000;
static const int64_t POLL_MS = 65000;  //  For one that waits for events
static const int64_t LATE_MS = 1000;   //  After that nobody's reply comes any more
static const int64_t LOOK_MS = 500;

void
nm_forwards_free(nm_forwards_t *self)
{
    free(self->items);
    nm_portions_free(&self->portions);
    nm_touched_free(&self->touched);
    *self = (nm_forwards_t){ 0 };
}

static void
s_release(nm_forwards_t *self, nm_forward_t *item)
{
    uint32_t serial = item->serial;
    nm_portions_give(&self->portions, &item->service);
    *item = (nm_forward_t){ .serial = serial };
    self->count--;
}

void
nm_forwards_undo(nm_forwards_t *self)
{
    for (size_t i = 0; i < self->touched.count; i++) {
        nm_forward_t *item = &self->items[self->touched.slots[i]];
        item->done = false;
        if (item->used && item->fresh)
            s_release(self, item);
    }
    self->touched.count = 0;
}

void
nm_forwards_commit(nm_forwards_t *self)
{
    for (size_t i = 0; i < self->touched.count; i++) {
        nm_forward_t *item = &self->items[self->touched.slots[i]];
        item->fresh = false;
        if (item->used && item->done)
            s_release(self, item);
    }
    self->touched.count = 0;
}

static nm_forward_t *
s_take(nm_case_t *it, const nm_peer_t *gateway, int64_t timeout_ms, uint64_t *token)
{
    nm_forwards_t *self = &it->gateway->forwards;
    if (!self->items)
        self->items = nm_alloc(NM_FORWARD_COUNT * sizeof *self->items);
    if (!nm_portions_may(&self->portions, &it->who.service, NM_FORWARD_COUNT))
        return NULL;
    while (self->items[self->next].used)
        self->next = (self->next + 1) % NM_FORWARD_COUNT;
    nm_forward_t *item = &self->items[self->next];
    self->count++;
    nm_portions_take(&self->portions, &it->who.service);
    item->service = it->who.service;
    item->serial++;
    item->used = item->fresh = true;
    nm_touched_add(&self->touched, self->next);
    item->asker = it->asker;
    item->gateway = gateway;
    item->until_ms = it->now_ms + timeout_ms + LATE_MS;
    *token = nm_token(NM_TOKEN_FORWARD, self->next, item->serial);
    return item;
}

//  How long to wait for the one that is asked: not longer than the asker does.
static int64_t
s_timeout_ms(const nm_case_t *it, int64_t most_ms)
{
    int64_t left_ms = it->ask->deadline_ms - it->now_ms;
    return left_ms < 1 ? 1 : left_ms < most_ms ? left_ms : most_ms;
}

//  -- To another gateway

nm_ask_headers_t
nm_forwards_headers(const nm_case_t *it)
{
    nm_ask_headers_t headers = it->ask->headers;
    NM_PUT(&headers, ask_headers, correlation_id, nm_text(it->asker.correlation));
    return headers;
}

nm_ask_headers_t
nm_forwards_correlation(const nm_case_t *it)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, correlation_id, nm_text(it->asker.correlation));
    return headers;
}

static nm_rc_t
s_answer_away(const nm_answer_t *to)
{
    return nm_answer_away(to, "The gateway that keeps this is away; try again.");
}

nm_rc_t
nm_forwards_pass_as(nm_case_t *it, const nm_peer_t *gateway, const char *op)
{
    if (!nm_turn_is_alive(it->turn, gateway->actor.name))
        return s_answer_away(&it->answer);
    bool waits = nm_bytes_is(it->ask->op, "events.read");
    nm_ask_headers_t headers = nm_forwards_headers(it);
    nm_ask_out_t ask = { .role = NM_ROLE_GATEWAY,
                         .peer = gateway->actor.name,
                         .op = op,
                         .headers = &headers,
                         .body = it->ask->body,
                         .timeout_ms = s_timeout_ms(it, waits ? POLL_MS : TIMEOUT_MS) };
    if (!s_take(it, gateway, ask.timeout_ms, &ask.token))
        return nm_answer_problem(&it->answer, 503, NULL, "Too many wait for other gateways; try again.");
    nm_turn_ask_with(it->turn, &ask);
    nm_turn_wake(it->turn, it->now_ms + LOOK_MS);
    return NM_OK;
}

nm_rc_t
nm_forwards_pass(nm_case_t *it, const nm_peer_t *gateway)
{
    char op[65];
    nm_bytes_to_text(it->ask->op, op, sizeof op);
    return nm_forwards_pass_as(it, gateway, op);
}

nm_rc_t
nm_forwards_keeper(nm_case_t *it, nm_bytes_t body)
{
    char op[65];
    uint64_t token;
    int64_t timeout_ms = s_timeout_ms(it, TIMEOUT_MS);
    nm_bytes_to_text(it->ask->op, op, sizeof op);
    if (!s_take(it, NULL, timeout_ms, &token))
        return nm_answer_problem(&it->answer, 429, NULL, "Too many are waiting for the dead letters.");
    nm_ask_headers_t headers = nm_forwards_correlation(it);
    nm_ask_out_t ask = { .role = NM_ROLE_DEADLETTER,
                         .op = op,
                         .headers = &headers,
                         .body = body,
                         .timeout_ms = timeout_ms,
                         .token = token };
    nm_turn_ask_with(it->turn, &ask);
    return NM_OK;
}

//  -- Answers

//  What the runtime says for one that did not answer has no body; what somebody answered has.
static nm_rc_t
s_pass_back(const nm_answer_t *to, const nm_forward_t *item, const nm_reply_in_t *reply)
{
    bool silent = (reply->status == 503 || reply->status == 504) && !reply->body.size;
    if (!item->gateway)
        return silent ? nm_answer_problem(to, 503, NULL, "The actor that keeps the dead letters is away.")
                      : nm_answer_again(to, reply->status, reply->body);
    if (silent)
        return s_answer_away(to);
    nm_turn_reply(to->turn, &item->asker.caller, reply->status, reply->headers, reply->body);
    nm_tally_answer(&to->gateway->tally, to->asker->api, reply->status);
    return NM_OK;
}

nm_rc_t
nm_forwards_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_forwards_t *self = &gateway->forwards;
    size_t slot = nm_token_slot(reply->token);
    if (!self->items || slot >= NM_FORWARD_COUNT)
        return NM_OK;
    nm_forward_t *item = &self->items[slot];
    if (!item->used || item->done || item->serial != (uint32_t) reply->token)
        return NM_OK;
    item->done = true;
    nm_touched_add(&self->touched, slot);
    nm_answer_t to = { gateway, turn, &item->asker };
    return s_pass_back(&to, item, reply);
}

//  A gateway that died while it was asked is not waited for.
nm_rc_t
nm_forwards_due(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_forwards_t *self = &gateway->forwards;
    int64_t now_ms = nm_turn_now(turn);
    if (!self->count || now_ms < self->look_ms)
        return NM_OK;
    self->look_ms = now_ms + LOOK_MS;
    nm_turn_wake(turn, self->look_ms);
    for (size_t i = 0; i < NM_FORWARD_COUNT; i++) {
        nm_forward_t *item = &self->items[i];
        bool away = item->used && item->gateway && !nm_turn_is_alive(turn, item->gateway->actor.name);
        if (!item->used || item->done || !(away || now_ms >= item->until_ms))
            continue;
        item->done = true;
        nm_touched_add(&self->touched, i);
        nm_answer_t to = { gateway, turn, &item->asker };
        s_answer_away(&to);
    }
    return NM_OK;
}
