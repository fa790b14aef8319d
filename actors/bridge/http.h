/*  http - the front of a bridge: HTTP/1.1 over libmicrohttpd, driven by the actor's own loop.
 *
 *  http*.c are the only code that sees <microhttpd.h>. They close what that library leaves open: heads that two servers could
 *  read differently, clients that take for ever, memory that a resting connection holds. One thread, and no call waits.
 *
 *  A request is suspended once it is whole and resumed with its answer, so that a thousand of them cost a thousand small
 *  structures.
 */
#ifndef NM_HTTP_H
#define NM_HTTP_H

#include "broker/front.h"

extern const nm_front_driver_t nm_http_front;

#endif
