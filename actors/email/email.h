/*  email - the actor that sends e-mails: the channel worker with providers for e-mail.
 *
 *  Its part of the mesh file is `email` (actors/channel/settings.h).
 */
#ifndef NM_EMAIL_H
#define NM_EMAIL_H

#include "broker/role.h"

extern const nm_role_t nm_email_role;

#endif
