/*  sandbox - a provider that accepts everything and remembers nothing.
 *
 *  For trying a mesh out and for load tests without an outside system: deliveries take
 *  the whole way, and end as sent. It has no settings.
 */
#ifndef NM_SANDBOX_H
#define NM_SANDBOX_H

#include "actors/providers/provider.h"

extern const nm_driver_t nm_sandbox_driver;

#endif
