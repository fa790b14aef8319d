#include "broker/actor_private.h"

#include "broker/log.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  What several share a frame is so small that it cannot have more values than NM_NODE_MAX: whoever asks or gets too many of
//  them spoils a frame of his own, and nobody else's.
enum { S_ASK_TIMEOUT_MS = 30000, S_FRAME_SIZE = 128 * 1024 };

//  -- Replies out

static bool
s_same_route(const nm_caller_t *a, const nm_caller_t *b)
{
    return a->socket == b->socket && a->route_size == b->route_size && memcmp(a->route, b->route, a->route_size) == 0;
}

static void
s_flush_replies(nm_actor_t *self)
{
    nm_draft_t *draft = &self->reply_draft;
    if (!draft->count)
        return;
    nm_writer_list_close(&draft->bytes, draft->mark, draft->count);
    nm_output_t *output = nm_actor_output(self, NM_OUT_REPLY);
    output->caller = self->reply_route;
    output->bytes = draft->bytes;
    *draft = (nm_draft_t){ .count = 0 };
}

//  Replies to one asker that follow each other travel in one frame.
static nm_buf_t *
s_reply_draft(nm_actor_t *self, const nm_caller_t *caller, size_t size)
{
    nm_draft_t *draft = &self->reply_draft;
    if (draft->count && (!s_same_route(&self->reply_route, caller) || draft->count == NM_ASK_BATCH_COUNT ||
                         draft->bytes.size + size > S_FRAME_SIZE))
        s_flush_replies(self);
    if (!draft->count) {
        self->reply_route = *caller;
        nm_writer_map(&draft->bytes, 1);
        nm_writer_text(&draft->bytes, "replies");
        draft->mark = nm_writer_list_open(&draft->bytes);
    }
    draft->count++;
    return &draft->bytes;
}

void
nm_turn_reply(nm_turn_t *turn, const nm_caller_t *caller, unsigned status, nm_bytes_t headers, nm_bytes_t body)
{
    nm_reply_t reply = { 0 };
    NM_PUT(&reply, reply, id, caller->id);
    NM_PUT(&reply, reply, status, status);
    if (headers.size)
        NM_PUT(&reply, reply, headers, headers);
    if (body.size)
        NM_PUT(&reply, reply, body, body);
    nm_record_encode(&nm_reply_shape, &reply, NM_BY_NAME, s_reply_draft(turn->actor, caller, body.size));
}

static const char *
s_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } TITLES[] = {
        { 400, "Bad Request" },       { 401, "Unauthorized" },           { 403, "Forbidden" },
        { 404, "Not Found" },         { 405, "Method Not Allowed" },     { 409, "Conflict" },
        { 413, "Content Too Large" }, { 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" }, { 500, "Internal Server Error" },  { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },   { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < NM_COUNT(TITLES); i++)
        if (TITLES[i].status == status)
            return TITLES[i].title;
    return "Error";
}

static void
s_write_problem(nm_buf_t *out, unsigned status, nm_bytes_t correlation_id, const nm_faults_t *faults,
                const char *detail)
{
    nm_writer_map(out, 4 + (correlation_id.size != 0) + (faults != NULL));
    nm_writer_pair_text(out, "type", "about:blank");
    nm_writer_pair_text(out, "title", s_title(status));
    nm_writer_pair_uint(out, "status", status);
    nm_writer_pair_text(out, "detail", detail);
    if (correlation_id.size)
        nm_writer_pair_str(out, "correlation_id", correlation_id);
    if (faults) {
        nm_writer_text(out, "errors");
        nm_faults_write(faults, out);
    }
}

//  What a client may do about it later belongs in a header, as in HTTP.
static nm_bytes_t
s_problem_headers(unsigned status, nm_buf_t *out)
{
    if (status != 503 && status != 507)
        return nm_bytes(NULL, 0);
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "retry-after", status == 503 ? "1" : "10");
    return nm_buf_bytes(out);
}

void
nm_turn_problem(nm_turn_t *turn, const nm_caller_t *caller, unsigned status, nm_bytes_t correlation_id,
                const nm_faults_t *faults, const char *format, ...)
{
    char detail[NM_DETAIL_MAX];
    nm_buf_t body = { 0 }, headers = { 0 };
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    s_write_problem(&body, status, correlation_id, faults, detail);
    nm_turn_reply(turn, caller, status, s_problem_headers(status, &headers), nm_buf_bytes(&body));
    nm_buf_free(&body);
    nm_buf_free(&headers);
}

//  -- Asks in

//  An ask's own headers win over the frame's, one by one.
static void
s_merge_headers(nm_ask_headers_t *headers, const nm_ask_headers_t *own)
{
    if (NM_HAS(own, ask_headers, api_key))
        NM_PUT(headers, ask_headers, api_key, own->api_key);
    if (NM_HAS(own, ask_headers, authorization))
        NM_PUT(headers, ask_headers, authorization, own->authorization);
    if (NM_HAS(own, ask_headers, idempotency_key))
        NM_PUT(headers, ask_headers, idempotency_key, own->idempotency_key);
    if (NM_HAS(own, ask_headers, correlation_id))
        NM_PUT(headers, ask_headers, correlation_id, own->correlation_id);
    if (NM_HAS(own, ask_headers, traceparent))
        NM_PUT(headers, ask_headers, traceparent, own->traceparent);
    if (NM_HAS(own, ask_headers, client_address))
        NM_PUT(headers, ask_headers, client_address, own->client_address);
}

static nm_rc_t
s_take_one(nm_actor_t *self, const nm_input_t *input, const nm_ask_headers_t *frame_headers, const nm_ask_t *wire)
{
    nm_turn_t *turn = &self->turn;
    nm_ask_in_t ask = { .caller = input->caller,
                        .peer = input->peer,
                        .role = input->role,
                        .op = wire->op,
                        .headers = *frame_headers,
                        .body = wire->body };
    ask.caller.id = wire->id;
    uint64_t timeout_ms = NM_HAS(wire, ask, timeout_ms) ? wire->timeout_ms : S_ASK_TIMEOUT_MS;
    ask.deadline_ms = turn->now.wall_ms + (int64_t) timeout_ms;
    if (input->client_key)
        memcpy(ask.client_key, input->client_key, sizeof ask.client_key);
    if (input->address)
        nm_bytes_to_text(nm_text(input->address), ask.address, sizeof ask.address);
    if (NM_HAS(wire, ask, headers)) {
        nm_ask_headers_t own;
        if (nm_record_decode(&nm_ask_headers_shape, &own, wire->headers, NULL, "") != NM_OK) {
            nm_turn_problem(turn, &ask.caller, 400, nm_bytes(NULL, 0), NULL, "The headers of this ask are malformed.");
            return NM_OK;
        }
        s_merge_headers(&ask.headers, &own);
    }
    nm_metric_add(self->metric.asks_in, 1);
    if (input->role != NM_ROLE_CLIENT) {
        if (!nm_roles_may_ask(input->role, self->role->id, ask.op)) {
            nm_metric_add(self->metric.refused, 1);
            nm_log(NM_LOG_WARNING, "ask_refused", "%s (%s) may not ask %.*s here.", input->peer,
                   nm_role_text(input->role), NM_PRINT(ask.op));
            nm_turn_problem(turn, &ask.caller, 403, nm_bytes(NULL, 0), NULL, "The role %s may not ask %.*s of a %s.",
                            nm_role_text(input->role), NM_PRINT(ask.op), self->role->name);
            return NM_OK;
        }
        nm_rc_t rc = NM_OK;
        if (nm_exchange_ask(self, &ask) || nm_status_ask(self, &ask, &rc) || nm_books_ask(self, &ask, &rc))
            return rc;
    }
    if (self->role->ask)
        return self->role->ask(self->state, turn, &ask);
    nm_turn_problem(turn, &ask.caller, 404, nm_bytes(NULL, 0), NULL, "A %s does not know the operation %.*s.",
                    self->role->name, NM_PRINT(ask.op));
    return NM_OK;
}

//  Takes the frame apart and checks all of it, so that a fault at its end undoes nothing half done.
static nm_rc_t
s_open_frame(nm_bytes_t bytes, nm_ask_headers_t *headers, nm_list_t *asks)
{
    nm_ask_frame_t frame;
    *headers = (nm_ask_headers_t){ 0 };
    nm_rc_t rc = nm_reader_check(bytes);
    if (rc == NM_OK)
        rc = nm_record_decode(&nm_ask_frame_shape, &frame, bytes, NULL, "");
    if (rc == NM_OK && NM_HAS(&frame, ask_frame, headers))
        rc = nm_record_decode(&nm_ask_headers_shape, headers, frame.headers, NULL, "");
    if (rc == NM_OK)
        rc = nm_list_open(asks, frame.asks);
    return rc;
}

static void
s_count_offence(nm_actor_t *self, const nm_input_t *input)
{
    nm_metric_add(self->metric.bad_frames, 1);
    if (input->role != NM_ROLE_CLIENT || !nm_offenders_add(&self->offenders, input->client_key, self->turn.now.mono_ms))
        return;
    char fingerprint[17];
    nm_metric_add(self->metric.clients_blocked, 1);
    nm_cert_fingerprint(input->client_key, fingerprint);
    nm_log(NM_LOG_WARNING, "client_blocked",
           "The client with key %s sent %d frames that are none; it is not heard for %d s.", fingerprint,
           NM_OFFENDER_FAULT_MAX, NM_OFFENDER_BLOCK_MS / 1000);
}

//  The next one that can be read: those of others travel in the same frame.
static bool
s_next(nm_list_t *list, const nm_shape_t *shape, void *record)
{
    nm_rc_t rc;
    while ((rc = nm_list_decode(list, shape, record)) == NM_ERR_MALFORMED)
        ;
    return rc == NM_OK;
}

nm_rc_t
nm_desk_take_ask(nm_actor_t *self, const nm_input_t *input)
{
    nm_ask_headers_t headers;
    nm_list_t list;
    if (input->role == NM_ROLE_CLIENT &&
        nm_offenders_blocked(&self->offenders, input->client_key, self->turn.now.mono_ms))
        return NM_OK;
    nm_rc_t rc = s_open_frame(input->bytes, &headers, &list);
    if (rc != NM_OK) {
        s_count_offence(self, input);
        nm_turn_problem(&self->turn, &input->caller, 400, nm_bytes(NULL, 0), NULL,
                        "This is not a well-formed ask frame; PROTOCOL.md says what one looks like.");
        return NM_OK;
    }
    nm_ask_t ask;
    while (rc == NM_OK && s_next(&list, &nm_ask_shape, &ask))
        rc = s_take_one(self, input, &headers, &ask);
    return rc;
}

//  Answers each ask of a frame alike, outside of any turn that counts.
void
nm_desk_refuse(nm_actor_t *self, const nm_input_t *input, unsigned status, const char *detail)
{
    nm_ask_headers_t headers;
    nm_list_t list;
    if (s_open_frame(input->bytes, &headers, &list) != NM_OK)
        return;
    nm_ask_t ask;
    while (s_next(&list, &nm_ask_shape, &ask)) {
        nm_caller_t caller = input->caller;
        caller.id = ask.id;
        nm_metric_add(self->metric.asks_undone, 1);
        nm_turn_problem(&self->turn, &caller, status, nm_bytes(NULL, 0), NULL, "%s", detail);
    }
}

//  -- Asks out

static const nm_peer_t *
s_whom(nm_actor_t *self, nm_role_id_t role, const char *name)
{
    if (name)
        return nm_directory_find(self->setup.directory, name);
    const nm_peer_t *otherwise = NULL;
    for (size_t i = 0; i < self->peer_count; i++) {
        const nm_peer_t *peer = self->peers[i];
        const nm_link_t *link = peer->actor.role == role ? nm_actor_seat(self, peer)->link : NULL;
        if (link && link->state == NM_LINK_UP)
            return peer;
        if (peer->actor.role == role && !link && !otherwise)
            otherwise = peer;  //  No mail goes there, so nobody knows whether it is there: try
    }
    return otherwise;
}

static void
s_flush_asks(nm_actor_t *self, size_t at)
{
    nm_draft_t *draft = &self->ask_drafts[at];
    if (!draft->count)
        return;
    nm_writer_list_close(&draft->bytes, draft->mark, draft->count);
    nm_output_t *output = nm_actor_output(self, NM_OUT_ASK);
    output->peer = self->peers[at];
    output->bytes = draft->bytes;
    *draft = (nm_draft_t){ .count = 0 };
}

//  Asks of one peer travel in one frame, as many as it may hold.
static void
s_draft_ask(nm_actor_t *self, const nm_peer_t *peer, const nm_ask_t *ask)
{
    size_t at = nm_actor_seat(self, peer)->peer;
    nm_draft_t *draft = &self->ask_drafts[at];
    if (draft->count == NM_ASK_BATCH_COUNT || draft->bytes.size + ask->body.size > S_FRAME_SIZE)
        s_flush_asks(self, at);
    if (!draft->count) {
        nm_writer_map(&draft->bytes, 1);
        nm_writer_text(&draft->bytes, "asks");
        draft->mark = nm_writer_list_open(&draft->bytes);
    }
    nm_record_encode(&nm_ask_shape, ask, NM_BY_NAME, &draft->bytes);
    draft->count++;
}

static void
s_pack_ask(nm_actor_t *self, const nm_peer_t *peer, uint64_t id, const nm_ask_out_t *out)
{
    nm_buf_t headers = { 0 };
    nm_ask_t ask = { 0 };
    NM_PUT(&ask, ask, id, id);
    NM_PUT(&ask, ask, op, nm_text(out->op));
    if (out->headers) {
        nm_record_encode(&nm_ask_headers_shape, out->headers, NM_BY_NAME, &headers);
        NM_PUT(&ask, ask, headers, nm_buf_bytes(&headers));
    }
    if (out->body.size)
        NM_PUT(&ask, ask, body, out->body);
    NM_PUT(&ask, ask, timeout_ms, (uint64_t) out->timeout_ms);
    s_draft_ask(self, peer, &ask);
    nm_buf_free(&headers);
}

void
nm_desk_ask(nm_actor_t *self, const nm_peer_t *peer, const nm_ask_out_t *out, nm_asker_kind_t asker)
{
    if (self->asks.count >= NM_ASKS_MAX || (peer && !nm_actor_seat(self, peer)))
        peer = NULL;
    nm_pending_ask_t pending = { .token = out->token, .peer = peer, .asker = asker };
    //  Nobody to ask: the reply is a 503, after the inputs of this turn.
    pending.deadline_ms = peer ? self->turn.now.mono_ms + out->timeout_ms : self->turn.now.mono_ms;
    uint64_t id = nm_asks_add(&self->asks, &pending);
    if (!peer)
        return;
    s_pack_ask(self, peer, id, out);
    nm_metric_add(self->metric.asks_out, 1);
}

void
nm_turn_ask_with(nm_turn_t *turn, const nm_ask_out_t *out)
{
    nm_desk_ask(turn->actor, s_whom(turn->actor, out->role, out->peer), out, NM_ASKER_ROLE);
}

void
nm_turn_ask(nm_turn_t *turn, nm_role_id_t role, const char *peer, const char *op, nm_bytes_t body, int64_t timeout_ms,
            uint64_t token)
{
    const nm_ask_out_t ask = {
        .role = role, .peer = peer, .op = op, .body = body, .timeout_ms = timeout_ms, .token = token
    };
    nm_turn_ask_with(turn, &ask);
}

bool
nm_actor_awaits(const nm_actor_t *self, const nm_peer_t *peer)
{
    return nm_asks_await(&self->asks, peer);
}

static nm_rc_t
s_answer(nm_actor_t *self, const nm_pending_ask_t *ask, const nm_reply_t *reply)
{
    nm_pending_ask_t pending = nm_asks_take(&self->asks, ask);
    nm_reply_in_t in = { .token = pending.token,
                         .peer = pending.peer ? pending.peer->actor.name : "",
                         .status = (unsigned) reply->status,
                         .headers = reply->headers,
                         .body = reply->body };
    switch (pending.asker) {
    case NM_ASKER_BOOK: return nm_books_reply(self, &in);
    case NM_ASKER_EXCHANGE: nm_exchange_reply(self, &in); return NM_OK;
    case NM_ASKER_SURVEY: return nm_survey_reply(self, &in);
    case NM_ASKER_ROLE:
    case NM_ASKER_COUNT: break;
    }
    return self->role->reply ? self->role->reply(self->state, &self->turn, &in) : NM_OK;
}

nm_rc_t
nm_desk_take_reply(nm_actor_t *self, const nm_input_t *input)
{
    nm_reply_frame_t frame;
    nm_reply_t reply;
    nm_list_t list;
    nm_rc_t rc = NM_OK;
    if (nm_reader_check(input->bytes) != NM_OK ||
        nm_record_decode(&nm_reply_frame_shape, &frame, input->bytes, NULL, "") != NM_OK ||
        nm_list_open(&list, frame.replies) != NM_OK) {
        nm_metric_add(self->metric.bad_frames, 1);
        return NM_OK;
    }
    while (rc == NM_OK && s_next(&list, &nm_reply_shape, &reply)) {
        const nm_pending_ask_t *ask = nm_asks_find(&self->asks, reply.id);
        if (ask && ask->peer && strcmp(ask->peer->actor.name, input->peer) == 0)
            rc = s_answer(self, ask, &reply);
    }
    return rc;
}

nm_rc_t
nm_desk_tick(nm_actor_t *self)
{
    nm_rc_t rc = NM_OK;
    const nm_pending_ask_t *ask;
    uint64_t serial = self->asks.serial;  //  What is asked because of such an answer comes in the next turn
    while (rc == NM_OK && (ask = nm_asks_first(&self->asks)) && ask->deadline_ms <= self->turn.now.mono_ms &&
           !nm_asks_is_since(ask, serial)) {
        nm_reply_t reply = { 0 };
        if (ask->asker != NM_ASKER_SURVEY)
            nm_metric_add(ask->peer ? self->metric.asks_late : self->metric.asks_alone, 1);
        NM_PUT(&reply, reply, status, ask->peer ? 504 : 503);
        rc = s_answer(self, ask, &reply);
    }
    return rc;
}

void
nm_desk_release(nm_actor_t *self)
{
    s_flush_replies(self);
    for (size_t i = 0; i < self->peer_count; i++)
        s_flush_asks(self, i);
}

//  Asks of a turn that was undone never left, so they end as if nobody had been there.
void
nm_desk_discard(nm_actor_t *self)
{
    self->reply_draft.count = 0;
    nm_buf_clear(&self->reply_draft.bytes);
    for (size_t i = 0; i < self->peer_count; i++) {
        self->ask_drafts[i].count = 0;
        nm_buf_clear(&self->ask_drafts[i].bytes);
    }
}
