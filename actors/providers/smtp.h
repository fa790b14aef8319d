/*  smtp - hands e-mails to an SMTP server: a relay, a smart host, a provider's submission port.
 *
 *  Settings: host (must), port (25; 587 with starttls, 465 with tls), tls (none, starttls,
 *  tls), user with password_file, from, timeout_ms, connect_timeout_ms, max_connections,
 *  ca_file, insecure (tests only: certificates are not checked).
 *
 *  password_file names a file of mode 0600, relative to the mesh's folder: a mesh file
 *  holds no secrets. The default of timeout_ms is the ten minutes that RFC 5321 section
 *  4.5.3.2.6 wants a client to wait for the answer to the final dot: who hangs up sooner
 *  does not know whether the mail was taken, and sends it twice.
 *
 *  One message has one recipient. A copy (cc, bcc) is a delivery of its own.
 */
#ifndef NM_SMTP_H
#define NM_SMTP_H

#include "actors/providers/provider.h"

extern const nm_driver_t nm_smtp_driver;

#endif
