#include "actors/gateway/forward.h"

#include "actors/gateway/ops.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const int64_t TIMEOUT_MS = 10000;

void
nm_forwards_free(nm_forwards_t *self)
{
    free(self->items);
    *self = (nm_forwards_t){ 0 };
}

static void
s_release(nm_forwards_t *self, nm_forward_t *item)
{
    uint32_t serial = item->serial;
    *item = (nm_forward_t){ .serial = serial };
    self->count--;
}

void
nm_forwards_undo(nm_forwards_t *self)
{
    for (size_t i = 0; self->count && i < NM_FORWARD_COUNT; i++) {
        self->items[i].done = false;
        if (self->items[i].used && self->items[i].fresh)
            s_release(self, &self->items[i]);
    }
}

void
nm_forwards_commit(nm_forwards_t *self)
{
    for (size_t i = 0; self->count && i < NM_FORWARD_COUNT; i++) {
        self->items[i].fresh = false;
        if (self->items[i].used && self->items[i].done)
            s_release(self, &self->items[i]);
    }
}

static nm_forward_t *
s_take(nm_forwards_t *self, size_t *slot)
{
    if (!self->items)
        self->items = nm_alloc(NM_FORWARD_COUNT * sizeof *self->items);
    for (*slot = 0; *slot < NM_FORWARD_COUNT; (*slot)++)
        if (!self->items[*slot].used) {
            self->count++;
            self->items[*slot].serial++;
            return &self->items[*slot];
        }
    return NULL;
}

//  The body as it goes on.
typedef struct {
    nm_id_t service;
    bool one;      //  Only of this service
    size_t count;  //  Pairs in rest
    nm_buf_t rest;
} packed_t;

//  Takes one pair over. NM_ERR_REFUSED: answered.
static nm_rc_t
s_take_pair(nm_case_t *it, packed_t *packed, nm_bytes_t key, nm_bytes_t value)
{
    if (nm_bytes_is(key, "service")) {
        nm_case_refuse(it, "/service", "is not known");
        return NM_ERR_REFUSED;
    }
    if (!it->who.admin || !nm_bytes_is(key, "service_id")) {
        nm_writer_str(&packed->rest, key);
        nm_writer_raw(&packed->rest, value);
        packed->count++;
        return NM_OK;
    }
    nm_reader_t reader;
    nm_bytes_t text;
    nm_reader_open(&reader, value);
    packed->one = true;
    if (nm_reader_str(&reader, &text) == NM_OK && nm_id_from_text(text, &packed->service) == NM_OK)
        return NM_OK;
    nm_case_unknown(it, "service");
    return NM_ERR_REFUSED;
}

//  Packs the body again with `service` in front. NM_ERR_REFUSED: answered.
static nm_rc_t
s_pack(nm_case_t *it, nm_buf_t *out)
{
    static const uint8_t EMPTY_MAP = 0x80;
    packed_t packed = { .service = it->who.service, .one = !it->who.admin };
    nm_bytes_t key, value;
    nm_reader_t reader;
    uint32_t count;
    nm_rc_t rc = NM_OK;
    nm_reader_open(&reader, it->ask->body.size ? it->ask->body : nm_bytes(&EMPTY_MAP, 1));
    if (nm_reader_map(&reader, &count) != NM_OK) {
        nm_answer_problem(&it->answer, 400, NULL, "The body must be an object.");
        return NM_ERR_REFUSED;
    }
    while (rc == NM_OK && count-- && nm_reader_str(&reader, &key) == NM_OK && nm_reader_raw(&reader, &value) == NM_OK)
        rc = s_take_pair(it, &packed, key, value);
    nm_buf_clear(out);
    nm_writer_map(out, packed.count + packed.one);
    if (packed.one)
        nm_writer_pair_id(out, "service", &packed.service);
    nm_buf_add_bytes(out, nm_buf_bytes(&packed.rest));
    nm_buf_free(&packed.rest);
    return rc;
}

nm_rc_t
nm_op_dead_letters(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    size_t slot;
    if (s_pack(it, body) != NM_OK)
        return NM_OK;
    nm_forward_t *item = s_take(&it->gateway->forwards, &slot);
    if (!item)
        return nm_answer_problem(&it->answer, 429, NULL, "Too many are waiting for the dead letters.");
    item->used = item->fresh = true;
    item->asker = it->asker;

    char op[65];
    nm_bytes_to_text(it->ask->op, op, sizeof op);
    int64_t left_ms = it->ask->deadline_ms - it->now_ms;
    nm_turn_ask(it->turn, NM_ROLE_DEADLETTER, NULL, op, nm_buf_bytes(body),
                left_ms < TIMEOUT_MS ? (left_ms > 0 ? left_ms : 1) : TIMEOUT_MS,
                nm_token(NM_TOKEN_FORWARD, slot, item->serial));
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
    nm_answer_t to = { gateway, turn, &item->asker };
    if (reply->status == 503 || reply->status == 504)
        return nm_answer_problem(&to, 503, NULL, "The actor that keeps the dead letters is away.");
    return nm_answer(&to, reply->status, reply->body);
}
