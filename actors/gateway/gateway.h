/*  gateway - the front door of the mesh, and the owner of record of what it accepted.
 *
 *  Clients reach no other actor. The gateway knows who asks (API keys and scopes),
 *  validates, and answers 202 only after the notification, its content and the mail for
 *  a router are on its disk. From then on it keeps status, attempts and timeline up to
 *  date from the events that come in, in whatever order they come, and holds back what
 *  is scheduled.
 *
 *  Operations (ask's op; body and answer as the API documentation has them):
 *
 *      notifications.create .batch .get .list .cancel     events.read
 *      services.create .list .get .patch .delete          keys.create .list .delete
 *      dead_letters.list .get .replay .replay_many .discard (passed on)
 *      health  health.ready
 *
 *  Settings, in the part `gateway` of the mesh file: retention_days (30), event_days (7).
 *
 *  An operator, whose certificate the mesh's authority signed, may ask without an API key
 *  and is then the service `admin`.
 */
#ifndef NM_GATEWAY_H
#define NM_GATEWAY_H

#include "broker/role.h"

extern const nm_role_t nm_gateway_role;

#endif
