#include "actors/gateway/homes.h"

#include <ctype.h>

#include "actors/gateway/accept.h"
#include "actors/gateway/ops.h"
#include "wire/reader.h"

const nm_peer_t *
nm_homes_among(const nm_gateway_t *gateway, nm_turn_t *turn, const nm_id_t *service, nm_bytes_t subject)
{
    const char *names[NM_OWNERS_MAX];
    const nm_peer_t *others[NM_OWNERS_MAX];
    size_t count = nm_turn_alive(turn, NM_ROLE_GATEWAY, names, NM_OWNERS_MAX), kept = 0;
    for (size_t i = 0; i < count && i < NM_OWNERS_MAX; i++) {
        others[kept] = nm_directory_find(gateway->directory, names[i]);
        kept += others[kept] && !others[kept]->draining;
    }
    return nm_owners_among(&gateway->owners, service, subject, others, kept);
}

//  Is there anything about this request that its recipient's owner has to know?
static bool
s_is_placed(nm_case_t *it, nm_bytes_t raw)
{
    nm_bytes_t seconds;
    return it->quota.recipients || NM_HAS(&it->defaults, defaults, dedupe_seconds) ||
           nm_reader_find(raw, "dedupe_seconds", &seconds) == NM_OK;
}

//  What is malformed is refused here.
static nm_rc_t
s_find_owner(nm_case_t *it, nm_bytes_t raw, const nm_peer_t **owner)
{
    uint8_t text[NM_IDEMPOTENCY_MAX];
    nm_request_t request;
    nm_bytes_t address;
    if (nm_record_decode(&nm_request_shape, &request, nm_accept_fill(it, raw), NULL, "") != NM_OK)
        return NM_OK;
    nm_accept_address(&request, &address);
    size_t size = address.size < sizeof text ? address.size : sizeof text;
    for (size_t i = 0; i < size; i++)
        text[i] = (uint8_t) tolower(address.at[i]);
    *owner = nm_homes_among(it->gateway, it->turn, &it->who.service, nm_bytes(text, size));
    return NM_OK;
}

//  A key that is known is answered here.
static nm_rc_t
s_find_and_mark(nm_case_t *it, nm_bytes_t raw, nm_bytes_t key, const nm_peer_t **owner)
{
    uint8_t place[NM_FINGERPRINT_SIZE];
    bool known;
    nm_idempotency_place(it, key, place);
    nm_rc_t rc = nm_idempotency_is_known(it, place, &known);
    if (rc == NM_OK && !known)
        rc = s_find_owner(it, raw, owner);
    return rc == NM_OK && *owner ? nm_idempotency_place_at(it, place, (*owner)->actor.name) : rc;
}

nm_rc_t
nm_homes_find(nm_case_t *it, nm_bytes_t raw, nm_bytes_t key, const nm_peer_t **owner)
{
    *owner = NULL;
    if (nm_directory_list(it->gateway->directory, NM_ROLE_GATEWAY, NULL, 0) < 2 || !s_is_placed(it, raw))
        return NM_OK;
    return key.size ? s_find_and_mark(it, raw, key, owner) : s_find_owner(it, raw, owner);
}

nm_rc_t
nm_homes_route(nm_case_t *it, nm_bytes_t key)
{
    const nm_peer_t *owner;
    if (!key.size && nm_case_is_passed_on(it))
        return NM_OK;
    nm_rc_t rc = nm_homes_find(it, it->ask->body, key, &owner);
    if (rc != NM_OK || !owner)
        return rc;
    nm_forwards_pass_as(it, owner, NM_OP_TAKE);
    return NM_ERR_REFUSED;
}

//  -- notifications.take: another gateway has found that it belongs here

nm_rc_t
nm_op_take(nm_case_t *it)
{
    nm_item_t item = { .raw = it->ask->body };
    if (!nm_case_is_passed_on(it))
        return nm_answer_problem(&it->answer, 403, NULL, "Only a gateway may ask this.");
    nm_rc_t rc = nm_accept_begin(it);
    if (rc != NM_OK)
        return rc;
    return nm_accept_open(it, false, &item.header) == NM_OK ? nm_accept_answer(it, &item) : NM_OK;
}
