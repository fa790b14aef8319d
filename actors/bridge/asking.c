#include "actors/bridge/convert.h"
#include "actors/bridge/state.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { SERVICE_HEX_SIZE = 32, EARLY_MS = 1000, HOLD_MS = 1000, QUERY_MAX = 64 };

//  -- Who is there

static void
s_list(nm_bridge_t *self)
{
    const nm_peer_t *peers[NM_BRIDGE_GATEWAY_MAX];
    uint64_t version = nm_directory_version(self->directory);
    if (version == self->directory_version)
        return;
    size_t count = nm_directory_list(self->directory, NM_ROLE_GATEWAY, peers, NM_BRIDGE_GATEWAY_MAX);
    self->gateway_count = 0;
    for (size_t i = 0; i < count && i < NM_BRIDGE_GATEWAY_MAX; i++)
        if (!peers[i]->forgotten)
            self->gateways[self->gateway_count++].peer = peers[i];
    self->directory_version = version;
}

void
nm_asking_look(nm_bridge_t *self, nm_turn_t *turn)
{
    if (self->looked)
        return;
    s_list(self);
    for (size_t i = 0; i < self->gateway_count; i++)
        self->gateways[i].life = nm_turn_life(turn, self->gateways[i].peer->actor.name);
    self->looked = true;
}

static uint64_t
s_life(const nm_bridge_t *self, const nm_peer_t *peer)
{
    for (size_t i = 0; i < self->gateway_count; i++)
        if (self->gateways[i].peer == peer)
            return self->gateways[i].life;
    return 0;
}

bool
nm_asking_is_lost(const nm_bridge_t *self, const nm_exchange_slot_t *slot)
{
    return slot->gateway && s_life(self, slot->gateway) != slot->life;
}

//  -- Whom to ask

//  Those that drain are passed over while there are others.
static const nm_peer_t *
s_by_turns(nm_bridge_t *self)
{
    const nm_peer_t *draining = NULL;
    for (size_t i = 0; i < self->gateway_count; i++) {
        const nm_bridge_gateway_t *gateway = &self->gateways[self->next++ % self->gateway_count];
        if (!gateway->life)
            continue;
        if (!gateway->peer->draining && !gateway->peer->leaving)
            return gateway->peer;
        draining = gateway->peer;
    }
    return draining;
}

//  The gateway that answers for the key; NULL: the token does not say of which service it is.
static const nm_peer_t *
s_owner_of_key(const nm_bridge_t *self, const nm_ask_headers_t *headers, nm_bytes_t key)
{
    nm_id_t service;
    if (self->gateway_count == 1)
        return self->gateways[0].peer;
    if (!NM_HAS(headers, ask_headers, api_key) || headers->api_key.size < SERVICE_HEX_SIZE ||
        nm_id_from_text(nm_bytes(headers->api_key.at, SERVICE_HEX_SIZE), &service) != NM_OK)
        return NULL;
    return nm_directory_gateway(self->directory, nm_owners_find(&self->owners, &service, key));
}

//  Ids of notifications carry the number of the gateway that has them.
static const nm_peer_t *
s_owner_of_id(const nm_bridge_t *self, const nm_route_t *route)
{
    nm_id_t id;
    for (size_t i = 0; i < route->value_count; i++)
        if (nm_bytes_is(route->names[i], "id") && nm_id_from_text(route->values[i], &id) == NM_OK)
            return nm_directory_gateway(self->directory, nm_id_gateway(&id));
    return NULL;
}

//  The key in the header or in the body. Quotes around it do not belong to it.
static nm_bytes_t
s_key(const nm_bridge_t *self, const struct nm_front_request *request)
{
    nm_bytes_t key = nm_bytes(NULL, 0);
    if (!(request->api->flags & NM_API_IDEMPOTENT))
        return key;
    if (!NM_HAS(&request->headers, ask_headers, idempotency_key))
        return nm_reader_find_text(nm_buf_bytes(&self->body), "request_id");
    key = request->headers.idempotency_key;
    if (key.size >= 2 && key.at[0] == '"' && key.at[key.size - 1] == '"')
        key = nm_bytes(key.at + 1, key.size - 2);
    return key;
}

//  self->body holds what will be asked.
void
nm_asking_choose(nm_bridge_t *self, nm_exchange_slot_t *slot)
{
    const struct nm_front_request *request = slot->request;
    nm_bytes_t key = s_key(self, request);
    slot->keyed = key.size && !slot->refusal.status;
    slot->gateway = slot->keyed ? s_owner_of_key(self, &request->headers, key) : s_owner_of_id(self, &request->route);
    bool there = slot->gateway && s_life(self, slot->gateway);
    if (!there && !(slot->keyed && slot->gateway))
        slot->gateway = s_by_turns(self);
    slot->life = slot->gateway ? s_life(self, slot->gateway) : 0;
    slot->resting = false;
}

//  -- What to ask

static const nm_field_t *
s_field(const nm_shape_t *shape, nm_bytes_t name)
{
    for (size_t i = 0; shape && i < shape->alias_count; i++)
        if (nm_bytes_is(name, shape->aliases[i].alias))
            name = nm_text(shape->aliases[i].name);
    for (size_t i = 0; shape && i < shape->field_count; i++)
        if (nm_bytes_is(name, shape->fields[i].name))
            return &shape->fields[i];
    return NULL;
}

//  A query is all text. What the operation takes as a number or a flag becomes one if it looks like one; the gateway
//  finds fault with the rest.
static void
s_put_typed(nm_buf_t *out, const nm_field_t *field, nm_bytes_t text)
{
    char digits[20];
    nm_bytes_to_text(text, digits, sizeof digits);
    bool number = text.size > 0 && text.size < sizeof digits && strspn(digits, "0123456789") == text.size;
    if (field && field->type == NM_FIELD_UINT && number)
        nm_writer_uint(out, strtoull(digits, NULL, 10));
    else if (field && field->type == NM_FIELD_BOOL && (nm_bytes_is(text, "true") || nm_bytes_is(text, "false")))
        nm_writer_bool(out, nm_bytes_is(text, "true"));
    else
        nm_writer_str(out, text);
}

//  Values of the path. One that cannot be is none of ours.
static bool
s_pack_path(nm_bridge_t *self, nm_exchange_slot_t *slot, size_t *count)
{
    const nm_route_t *route = &slot->request->route;
    for (size_t i = 0; i < route->value_count; i++) {
        nm_buf_clear(&self->text);
        if (nm_routes_resolve(route->values[i], false, &self->text) != NM_OK) {
            slot->refusal = (nm_refusal_t){ 404, "There is nothing at this path." };
            return false;
        }
        nm_writer_str(&self->body, route->names[i]);
        nm_writer_str(&self->body, nm_buf_bytes(&self->text));
        ++*count;
    }
    return true;
}

static bool
s_pack_query(nm_bridge_t *self, nm_exchange_slot_t *slot, size_t *count)
{
    nm_bytes_t rest = slot->request->query, name, value;
    while (nm_routes_next(&rest, &name, &value)) {
        nm_buf_clear(&self->text);
        nm_rc_t rc = nm_routes_resolve(name, true, &self->text);
        size_t name_size = self->text.size;
        if (rc == NM_OK)
            rc = nm_routes_resolve(value, true, &self->text);
        if (rc != NM_OK) {
            slot->refusal = (nm_refusal_t){ 400, "The query is not well-formed." };
            return false;
        }
        if (*count == QUERY_MAX) {
            slot->refusal = (nm_refusal_t){ 400, "The query has too many parts." };
            return false;
        }
        nm_bytes_t all = nm_buf_bytes(&self->text);
        if ((slot->request->api->flags & NM_API_EVENTS) && nm_streams_packs(nm_bytes(all.at, name_size)))
            continue;
        nm_writer_str(&self->body, nm_bytes(all.at, name_size));
        s_put_typed(&self->body, s_field(slot->request->api->ask, nm_bytes(all.at, name_size)),
                    nm_bytes(all.at + name_size, all.size - name_size));
        ++*count;
    }
    return true;
}

static bool
s_pack_json(nm_bridge_t *self, nm_exchange_slot_t *slot, size_t *count)
{
    const struct nm_front_request *request = slot->request;
    nm_error_t error;
    size_t pairs = 0;
    bool needs_none = request->route.value_count || !request->api->ask;
    if (!request->body.size && needs_none && request->api->method == NM_HTTP_POST)
        return true;  //  The path says it all
    if (nm_convert_object(request->body, &self->body, &pairs, &error) != NM_OK) {
        slot->refusal.status = 400;
        nm_bytes_to_text(nm_text(error.text), slot->refusal.detail, sizeof slot->refusal.detail);
        return false;
    }
    *count += pairs;
    if (*count <= UINT16_MAX)
        return true;
    slot->refusal = (nm_refusal_t){ 400, "The body has too many members." };
    return false;
}

static void
s_pack(nm_bridge_t *self, nm_exchange_slot_t *slot)
{
    const nm_api_t *api = slot->request->api;
    bool body = api->method != NM_HTTP_GET && api->method != NM_HTTP_DELETE;
    size_t count = 0;
    nm_buf_clear(&self->body);
    size_t mark = nm_writer_map_open(&self->body);
    bool ok = !slot->refusal.status && s_pack_path(self, slot, &count);
    if (ok && api->flags & NM_API_EVENTS)
        nm_streams_pack(slot, &self->body, &count);
    if (ok && !body)
        ok = s_pack_query(self, slot, &count);
    if (ok && body && nm_routes_has_query(slot->request->query)) {
        slot->refusal = (nm_refusal_t){ 422, "This operation takes no query." };
        ok = false;
    }
    if (ok && body)
        ok = s_pack_json(self, slot, &count);
    if (ok) {
        nm_writer_map_close(&self->body, mark, count);
        return;
    }
    //  Nothing can be done by it: a gateway says whether the client may ask this at all, and then that it is no object.
    nm_buf_clear(&self->body);
    nm_writer_bool(&self->body, false);
}

//  Nobody has it yet, so it can wait a little for somebody to come: a gateway that is started again is there soon.
static bool
s_may_hold(const nm_turn_t *turn, const nm_exchange_slot_t *slot)
{
    return nm_turn_now(turn) < slot->until_ms - NM_BRIDGE_PATIENCE_MS + HOLD_MS;
}

void
nm_asking_send(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    s_pack(self, slot);
    nm_asking_choose(self, slot);
    if (slot->refusal.status && slot->request->api->scope == NM_SCOPE_OPEN) {
        nm_bridge_refuse_as_said(self, turn, slot);
        return;
    }
    if (!slot->life && slot->flowing) {
        nm_streams_lost(turn, slot);
        return;
    }
    if (!slot->life && s_may_hold(turn, slot)) {
        slot->resting = true;
        return;
    }
    if (!slot->life) {
        nm_bridge_refuse(self, turn, slot, 503, "%s",
                         slot->gateway ? "The gateway that answers for this key is away; try again."
                                       : "No gateway is there now; try again.");
        return;
    }
    nm_ask_out_t ask = { .peer = slot->gateway->actor.name,
                         .op = slot->request->api->op,
                         .headers = &slot->request->headers,
                         .body = nm_buf_bytes(&self->body),
                         .timeout_ms = slot->until_ms - nm_turn_now(turn),
                         .token = nm_exchanges_token(self, slot) };
    if (ask.timeout_ms < EARLY_MS)
        ask.timeout_ms = EARLY_MS;
    nm_turn_ask_with(turn, &ask);
}
