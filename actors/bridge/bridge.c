#include "actors/bridge/bridge.h"

#include "actors/bridge/answers.h"
#include "actors/bridge/pages.h"
#include "actors/bridge/state.h"
#include "wire/writer.h"

//  How often is looked at whether those who were asked are still there, while something is open.
enum { LOOK_MS = 200 };

//  -- Answers

void
nm_bridge_answer(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot, nm_front_answer_t *answer)
{
    nm_bridge_count(self, slot->request->api, answer->status);
    if (!answer->open && !slot->flowing)
        nm_turn_time(turn, self->request_us, slot->came_ms);
    if (!answer->open)
        nm_exchanges_end(self, slot);
    answer->token = (uint64_t) (slot - self->slots);
    nm_turn_answer(turn, answer);
}

void
nm_bridge_refuse(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot, unsigned status, const char *format, ...)
{
    nm_front_answer_t answer;
    nm_refusal_t refusal = { .status = status };
    va_list args;
    va_start(args, format);
    vsnprintf(refusal.detail, sizeof refusal.detail, format, args);
    va_end(args);
    nm_answers_problem(slot->request, &refusal, NULL, &answer);
    nm_bridge_answer(self, turn, slot, &answer);
}

//  Nothing of the query is known: each part of it is a fault.
static void
s_blame_query(nm_bridge_t *self, const struct nm_front_request *request)
{
    nm_bytes_t rest = request->query, name, value;
    char pointer[64];
    self->faults.count = self->faults.missed = 0;
    while (nm_routes_next(&rest, &name, &value)) {
        snprintf(pointer, sizeof pointer, "?%.*s", (int) (name.size < 60 ? name.size : 60), (const char *) name.at);
        nm_faults_add(&self->faults, pointer, NULL, "is not known here");
    }
}

//  What was wrong with the query stands in a list of its own, as a gateway would say it.
void
nm_bridge_refuse_as_said(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    nm_front_answer_t answer;
    if (slot->refusal.status == 422)
        s_blame_query(self, slot->request);
    nm_answers_problem(slot->request, &slot->refusal, slot->refusal.status == 422 ? &self->faults : NULL, &answer);
    nm_bridge_answer(self, turn, slot, &answer);
}

//  -- Requests

static void
s_refuse_at_once(nm_bridge_t *self, nm_turn_t *turn, const struct nm_front_request *request, unsigned status,
                 const char *detail)
{
    nm_front_answer_t answer;
    nm_refusal_t refusal = { .status = status };
    nm_bytes_to_text(nm_text(detail), refusal.detail, sizeof refusal.detail);
    nm_answers_problem(request, &refusal, NULL, &answer);
    nm_bridge_count(self, request->api, status);
    nm_turn_answer(turn, &answer);
}

static void
s_refuse_query_at_once(nm_bridge_t *self, nm_turn_t *turn, const struct nm_front_request *request)
{
    nm_front_answer_t answer;
    const nm_refusal_t refusal = { 422, "This path takes no query." };
    s_blame_query(self, request);
    nm_answers_problem(request, &refusal, &self->faults, &answer);
    nm_bridge_count(self, request->api, 422);
    nm_turn_answer(turn, &answer);
}

//  A client has read what there was of its stream, or has left it: then the last word, which nobody hears, gives the
//  request back.
static nm_rc_t
s_take_again(nm_bridge_t *self, nm_turn_t *turn, const struct nm_front_request *request)
{
    nm_front_answer_t answer = { .request = request->id };
    nm_exchange_slot_t *slot = nm_exchanges_again(self, request);
    if (slot && request->gone)
        nm_bridge_answer(self, turn, slot, &answer);
    else if (slot)
        nm_streams_taken(self, turn, slot);
    return NM_OK;
}

//  Nobody else sees such a request, so what is wrong with it is said here.
static nm_rc_t
s_show_page(nm_bridge_t *self, nm_turn_t *turn, const struct nm_front_request *request)
{
    const nm_page_t *page = nm_pages_find(request->api);
    if (!page)
        s_refuse_at_once(self, turn, request, 404, "There is nothing at this path.");
    else if (request->refusal.status)
        s_refuse_at_once(self, turn, request, request->refusal.status, request->refusal.detail);
    else if (nm_routes_has_query(request->query) && !request->api->ask)
        s_refuse_query_at_once(self, turn, request);
    else
        return page->open(self, turn, request);
    return NM_OK;
}

static nm_rc_t
s_on_request(void *state, nm_turn_t *turn, const nm_front_request_t *request)
{
    nm_bridge_t *self = state;
    if (request->gone || request->taken)
        return s_take_again(self, turn, request);
    if (request->api->flags & NM_API_EDGE)
        return s_show_page(self, turn, request);
    if (nm_turn_leaving(turn)) {
        s_refuse_at_once(self, turn, request, 503, "This bridge is being stopped; try again.");
        return NM_OK;
    }
    nm_asking_look(self, turn);
    nm_exchange_slot_t *slot = nm_exchanges_add(self, request);
    slot->came_ms = nm_turn_now(turn);
    slot->until_ms = slot->came_ms + NM_BRIDGE_PATIENCE_MS;
    nm_asking_send(self, turn, slot);
    nm_turn_wake(turn, nm_turn_now(turn) + LOOK_MS);
    return NM_OK;
}

//  -- Replies

//  Does the reply say that the client may not ask this, or not now? Then that comes before what the bridge found.
static bool
s_is_barred(unsigned status)
{
    return status == 401 || status == 403 || status == 429 || status >= 500;
}

static nm_rc_t
s_on_reply(void *state, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_bridge_t *self = state;
    nm_front_answer_t answer;
    if (reply->token >> 56 == NM_BRIDGE_TOKEN_PAGE) {
        const nm_page_t *page = nm_pages_of(reply->token);
        return page ? page->reply(self, turn, reply) : NM_OK;
    }
    nm_exchange_slot_t *slot = nm_exchanges_of(self, reply->token);
    if (!slot)
        return NM_OK;
    if (slot->refusal.status && !s_is_barred(reply->status)) {
        nm_bridge_refuse_as_said(self, turn, slot);
        return NM_OK;
    }
    if (slot->request->api->flags & NM_API_EVENTS)
        return nm_streams_reply(self, turn, slot, reply);
    if (reply->status == 504 || (reply->status == 503 && !reply->body.size)) {
        nm_bridge_refuse(self, turn, slot, 503, "No gateway answered in time; try again.");
        return NM_OK;
    }
    nm_answers_reply(slot->request, reply->status, reply->headers, reply->body, &answer);
    nm_bridge_answer(self, turn, slot, &answer);
    return NM_OK;
}

//  -- Time

//  What is safe to ask twice is asked again: a read, what the gateway was not to do anyway, and what stands under a key, of
//  the gateway that owns the key.
static void
s_lose(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    if (slot->flowing) {
        nm_streams_lost(turn, slot);
        return;
    }
    if (slot->request->api->method != NM_HTTP_GET && !slot->keyed && !slot->refusal.status) {
        nm_bridge_refuse(
            self, turn, slot, 503,
            "The gateway fell silent: whether it has done this is not known. With an Idempotency-Key it could "
            "be sent again safely.");
        return;
    }
    nm_metric_add(self->again, 1);
    slot->serial = ++self->serial;  //  An answer that comes after all does not count
    nm_asking_send(self, turn, slot);
}

static void
s_look(nm_bridge_t *self, nm_turn_t *turn)
{
    for (size_t i = 0; i < self->slot_count; i++) {
        nm_exchange_slot_t *slot = &self->slots[i];
        if (!slot->request || slot->done || slot->told || slot->request->gone)
            continue;
        if (slot->resting && !slot->flowing)
            nm_asking_send(self, turn, slot);
        else if (nm_asking_is_lost(self, slot))
            s_lose(self, turn, slot);
        else if (slot->flowing)
            nm_streams_due(self, turn, slot);
        else if (nm_turn_now(turn) > slot->until_ms)
            nm_bridge_refuse(self, turn, slot, 503, "No gateway answered in time; try again.");
    }
}

static nm_rc_t
s_due(void *state, nm_turn_t *turn)
{
    nm_bridge_t *self = state;
    self->looked = false;
    nm_scrape_due(&self->scrape, turn);
    if (!nm_exchanges_count(self) || nm_turn_now(turn) < self->look_ms)
        return NM_OK;
    nm_asking_look(self, turn);
    s_look(self, turn);
    self->looked = false;
    self->look_ms = nm_turn_now(turn) + LOOK_MS;
    nm_turn_wake(turn, self->look_ms);
    return NM_OK;
}

//  -- Life

static void
s_close(void *state)
{
    nm_bridge_t *self = state;
    if (!self)
        return;
    nm_exchanges_free(self);
    nm_scrape_free(&self->scrape);
    nm_routes_destroy(&self->routes);
    nm_documents_free(&self->documents);
    nm_bridge_settings_free(&self->settings);
    nm_buf_free(&self->body);
    nm_buf_free(&self->text);
    free(self);
}

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    nm_bridge_t *self = nm_alloc(sizeof *self);
    self->directory = setup->directory;
    self->owners = (nm_owners_t){ .directory = setup->directory, .authority = setup->mesh->authority };
    self->routes = nm_routes_new(nm_api, nm_api_count);
    nm_bridge_figures_make(self, setup->metrics);
    nm_documents_make(&self->documents);
    nm_rc_t rc = nm_bridge_settings_read(&self->settings, setup->mesh, setup->self, error);
    if (rc != NM_OK) {
        s_close(self);
        return rc;
    }
    *state = self;
    return NM_OK;
}

static nm_rc_t
s_load(void *state, nm_turn_t *turn)
{
    nm_bridge_t *self = state;
    nm_exchanges_undo(self);
    nm_scrape_undo(&self->scrape);
    nm_turn_wake(turn, nm_turn_now(turn));
    return NM_OK;
}

static void
s_committed(void *state)
{
    nm_bridge_t *self = state;
    nm_exchanges_commit(self);
    nm_scrape_commit(&self->scrape);
}

static void
s_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    *count = nm_exchanges_count(state);
    *oldest_ms = 0;
}

static size_t
s_status(void *state, nm_buf_t *out)
{
    const nm_bridge_t *self = state;
    nm_writer_pair_text(out, "http", self->gauge.url);
    nm_writer_pair_uint(out, "connections", self->gauge.connections);
    nm_writer_pair_uint(out, "connections_accepted", self->gauge.accepted);
    nm_writer_pair_uint(out, "connections_cut", self->gauge.cut);
    nm_writer_pair_uint(out, "requests", self->gauge.requests);
    nm_writer_pair_uint(out, "requests_refused", self->gauge.refused);
    nm_writer_pair_uint(out, "requests_open", nm_exchanges_count(self));
    return 7;
}

const nm_role_t nm_bridge_role = {
    .name = "bridge",
    .id = NM_ROLE_BRIDGE,
    .open = s_open,
    .close = s_close,
    .load = s_load,
    .request = s_on_request,
    .reply = s_on_reply,
    .due = s_due,
    .every_turn = true,
    .committed = s_committed,
    .backlog = s_backlog,
    .figures = nm_bridge_figures_look,
    .status = s_status,
};
