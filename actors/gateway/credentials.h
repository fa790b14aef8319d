/*  credentials - who asks, by what the ask shows; and who guesses waits.
 *
 *  Keys and tokens are compared with this gateway's own copies of the books, so letting somebody in asks nobody. Signing
 *  in is trying credentials as well, but the user actor compares them: passing.c reports what it said. What was wrong is
 *  counted (guesses.h), and whoever is locked out is answered 429 before anything is compared.
 *
 *  An operator, and a gateway that passes on an ask of somebody whom it has let in, need show nothing, and what
 *  is wrong with theirs is not counted.
 */
#ifndef NM_CREDENTIALS_H
#define NM_CREDENTIALS_H

#include "actors/gateway/case.h"

//  Finds out who asks, and whether that one may do this. NM_ERR_REFUSED: answered.
nm_rc_t nm_credentials_check(nm_case_t *it, const nm_api_t *api);

//  May whoever asks try to sign in? False: locked out, and that is answered. who is to be kept for what comes of it:
//  the status that the user actor answers with.
bool nm_credentials_may_sign_in(nm_case_t *it, nm_lockout_who_t *who);
void nm_credentials_signed_in(nm_gateway_t *gateway, nm_turn_t *turn, const nm_lockout_who_t *who, unsigned status);

#endif
