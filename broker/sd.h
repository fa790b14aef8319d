/*  sd - tells systemd how the actor is: ready, alive, stopping. Does nothing without systemd.
 *
 *  The protocol is one datagram to the socket that $NOTIFY_SOCKET names (sd_notify(3));
 *  libsystemd is not needed for it.
 */
#ifndef NM_SD_H
#define NM_SD_H

#include "nm.h"

void nm_sd_ready(void);
void nm_sd_stopping(void);
void nm_sd_alive(void);  //  Feeds the watchdog

//  How often nm_sd_alive is to be called: half of the watchdog's time. 0: there is no watchdog for us.
int64_t nm_sd_watchdog_ms(void);

#endif
