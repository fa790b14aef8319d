/*  maildir - puts e-mails into a Maildir folder on this machine.
 *
 *  The embedded provider: it needs no server, and any mail reader can look. Settings:
 *  path (must; relative to the mesh's folder) and from.
 *
 *  Written on the worker thread: tmp/NAME, synced, renamed to new/NAME, folder synced.
 *  NAME follows from notification, number and generation, so an attempt that is repeated
 *  after a crash replaces what the first one left: exactly once, as long as no reader has
 *  moved the file to cur/ meanwhile.
 */
#ifndef NM_MAILDIR_H
#define NM_MAILDIR_H

#include "actors/providers/provider.h"

extern const nm_driver_t nm_maildir_driver;

#endif
