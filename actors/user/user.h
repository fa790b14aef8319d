/*  user - owns the accounts of the mesh: services, their API keys, the people who sign in, and the providers.
 *
 *  They are books (docs/decisions/0009) that every gateway follows, but for people. So nobody asks this actor in order to
 *  authenticate, and while it is away everything goes on but what would change them. Gateways pass changes
 *  on to it; an operator may ask it at its desk as well. A second user actor follows the first, until an
 *  operator promotes it.
 *
 *  A gateway has checked who asks, and passes the credentials on; they are judged anew here, by what is newest. What
 *  comes without any is an operator's wish. Those who sign in get a token that gateways check alone; the accounts
 *  themselves no gateway has a copy of.
 */
#ifndef NM_USER_H
#define NM_USER_H

#include "broker/role.h"

extern const nm_role_t nm_user_role;

#endif
