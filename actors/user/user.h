/*  user - owns the accounts of the mesh: services, their API keys, and the providers.
 *
 *  They are books (docs/decisions/0009) that every gateway follows. So nobody asks this actor in order to
 *  authenticate, and while it is away everything goes on but what would change them. Gateways pass changes
 *  on to it; an operator may ask it at its desk as well. A second user actor follows the first, until an
 *  operator promotes it.
 *
 *  A gateway has checked who asks; what it passes on without credentials is an operator's wish.
 */
#ifndef NM_USER_H
#define NM_USER_H

#include "broker/role.h"

extern const nm_role_t nm_user_role;

#endif
