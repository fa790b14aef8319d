/*  notification - packs nmesh_notification_t as the body of notifications.create.
 */
#ifndef NM_NOTIFICATION_H
#define NM_NOTIFICATION_H

#include "nm.h"
#include "sdk/c/nmesh.h"

//  NM_ERR_MALFORMED: extra is not a packed map, or a packed field is not one value.
nm_rc_t nm_notification_pack(const nmesh_notification_t *notification, nm_buf_t *out);

#endif
