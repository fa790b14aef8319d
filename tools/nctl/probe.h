/*  probe - does somebody answer at the address of a bridge?
 */
#ifndef NM_PROBE_H
#define NM_PROBE_H

#include "nm.h"

//  Asks http://HOST:PORT for /health; of https it only sees whether a connection is taken. NM_OK, or a few words of what
//  is wrong in error. Waits for timeout_ms at most at each step.
nm_rc_t nm_probe(const char *url, int timeout_ms, nm_error_t *error);

//  Does the URL name an address that only its own machine reaches?
bool nm_probe_is_local(const char *url);

#endif
