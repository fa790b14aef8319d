#include "actors/owner/owner.h"
#include "broker/log.h"
#include "wire/id.h"

void
nm_owner_event(nm_event_t *event, nm_event_kind_t kind, const nm_delivery_t *delivery, uint64_t order,
               const nm_turn_t *turn)
{
    *event = (nm_event_t){ .has = 0 };
    NM_PUT(event, event, notification, delivery->notification);
    NM_PUT(event, event, kind, (uint8_t) kind);
    NM_PUT(event, event, at, nm_turn_now(turn));
    NM_PUT(event, event, number, delivery->number);
    NM_PUT(event, event, generation, delivery->generation);
    NM_PUT(event, event, order, order);
}

static nm_rc_t
s_mail(nm_turn_t *turn, const nm_peer_t *gateway, nm_bytes_t packed, uint8_t priority)
{
    nm_mail_out_t mail = { .role = NM_ROLE_GATEWAY,
                           .peer = gateway->actor.name,
                           .kind = NM_MAIL_EVENT,
                           .priority = priority,
                           .body = packed };
    return nm_turn_mail(turn, &mail);
}

//  Whoever has not what it speaks of passes it over.
static nm_rc_t
s_mail_all(nm_turn_t *turn, const nm_directory_t *directory, nm_bytes_t packed, uint8_t priority)
{
    enum { GATEWAY_MAX = NM_MESH_ACTOR_MAX };
    const nm_peer_t *gateways[GATEWAY_MAX];
    size_t count = nm_directory_list(directory, NM_ROLE_GATEWAY, gateways, GATEWAY_MAX);
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < count && i < GATEWAY_MAX; i++)
        if (!gateways[i]->forgotten)
            rc = s_mail(turn, gateways[i], packed, priority);
    return rc;
}

bool
nm_owner_is_lost(const nm_peer_t *gateway, const nm_id_t *id)
{
    return gateway->forgotten || nm_id_time_ms(id) <= gateway->lost_ms;
}

nm_rc_t
nm_owner_mail(nm_turn_t *turn, const nm_directory_t *directory, const nm_event_t *event, uint8_t priority)
{
    uint16_t number = nm_id_gateway(&event->notification);
    const nm_peer_t *gateway = nm_directory_gateway(directory, number);
    if (!gateway)
        nm_log(NM_LOG_WARNING, "owner_unknown",
               "nobody here knows a gateway of the number %u: all are told of an event", (unsigned) number);
    nm_buf_t packed = { 0 };
    nm_record_encode(&nm_event_shape, event, NM_BY_TAG, &packed);
    bool lost = !gateway || nm_owner_is_lost(gateway, &event->notification);
    nm_rc_t rc = lost ? s_mail_all(turn, directory, nm_buf_bytes(&packed), priority)
                      : s_mail(turn, gateway, nm_buf_bytes(&packed), priority);
    nm_buf_free(&packed);
    return rc;
}
