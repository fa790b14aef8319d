/*  https - the certificate that the front shows its clients, with its key.
 *
 *  Both are read from files, and again when those have changed. New connections go by the new ones then, and each that is
 *  there by those it began with, which are kept as long. Files that cannot be used change nothing; the log says what is
 *  wrong with them.
 *
 *  The only code that sees GnuTLS, which libmicrohttpd has for TLS. Not for other threads.
 */
#ifndef NM_HTTPS_H
#define NM_HTTPS_H

#include <gnutls/abstract.h>

#include "nm.h"

enum { NM_HTTPS_LOOK_MS = 1000 };  //  Between two looks at the files

typedef struct nm_https nm_https_t;
typedef struct nm_https_pair nm_https_pair_t;  //  A certificate and its key

//  NULL: the files cannot be used. The paths are copied.
nm_https_t *nm_https_new(const char *cert, const char *key, nm_error_t *error);
void nm_https_destroy(nm_https_t **self_p);  //  Once nobody holds a pair any more

//  Looks at the files when that is due. A change counts when it is there for two looks: whoever brings new files may do that
//  one by one. In how many ms to call it again.
void nm_https_look(nm_https_t *self, int64_t mono_ms);
int nm_https_timeout(const nm_https_t *self, int64_t mono_ms);

//  When the first certificate of the chain ends that does. Unix ms.
int64_t nm_https_ends_ms(const nm_https_t *self);

//  The session of a new connection goes by what is current; it is held until the connection has ended.
nm_https_pair_t *nm_https_hold(nm_https_t *self, gnutls_session_t session);
void nm_https_release(nm_https_pair_t **pair_p);

//  For whoever sets up sessions, and must have a certificate for that before nm_https_hold: there is none.
int nm_https_none(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                  const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **certs,
                  unsigned *cert_count, gnutls_privkey_t *key);

#endif
