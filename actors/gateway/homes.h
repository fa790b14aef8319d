/*  homes - which gateway takes in what is counted or compared by its recipient.
 *
 *  That content is a duplicate (dedupe_seconds), and what a recipient had of its limit, is known where
 *  all that goes to the recipient is taken in. So of the gateways that are there now one is the home of each recipient of
 *  a service (owners.h), and a request that needs it is taken in there. Without an idempotency key
 *  it is passed on. With one, the owner of the key first marks the key as placed there: from then on that gateway
 *  answers for the key, wherever the recipient is at home later, and while it is away the key is answered 503
 *  (keyed.h).
 *
 *  Unlike keys, recipients of a gateway that is away go to the next one, which begins without
 *  knowledge of what was before. See docs/decisions/0017.
 */
#ifndef NM_HOMES_H
#define NM_HOMES_H

#include "actors/gateway/idempotency.h"

//  The operation by which a gateway is asked to take in what belongs there.
#define NM_OP_TAKE "notifications.take"

//  Of the gateways that are there now, the home of a subject of this service; NULL: this gateway.
const nm_peer_t *nm_homes_among(const nm_gateway_t *gateway, nm_turn_t *turn, const nm_id_t *service,
                                nm_bytes_t subject);

//  Who has to take this request in; NULL: this gateway. Its key, which is ours and may be empty, is marked.
nm_rc_t nm_homes_find(nm_case_t *it, nm_bytes_t raw, nm_bytes_t key, const nm_peer_t **owner);

//  Takes a whole ask to where it belongs, after nm_keyed_route. NM_OK: that is here. NM_ERR_REFUSED: it is on its
//  way, or answered.
nm_rc_t nm_homes_route(nm_case_t *it, nm_bytes_t key);

#endif
