#include "actors/bridge/https.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <sys/stat.h>

#include "broker/log.h"
#include "wire/time.h"

enum { FILE_MAX = 1024 * 1024 };

struct nm_https_pair {
    gnutls_certificate_credentials_t credentials;
    int64_t ends_ms;
    size_t holders;  //  The nm_https_t whose current one it is, and connections
};

//  By what a change of a file shows.
typedef struct {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
} s_stamp_t;

typedef struct {
    s_stamp_t cert;
    s_stamp_t key;
} s_stamps_t;

struct nm_https {
    char *cert;
    char *key;
    nm_https_pair_t *pair;
    s_stamps_t seen;   //  At the last look
    s_stamps_t tried;  //  When they were read last, whatever came of it
    int64_t look_ms;
};

//  -- Files

static s_stamp_t
s_stamp(const char *path)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return (s_stamp_t){ .size = -1 };
    return (s_stamp_t){ file.st_dev, file.st_ino, file.st_size, file.st_mtim };
}

static s_stamps_t
s_look(const nm_https_t *self)
{
    return (s_stamps_t){ s_stamp(self->cert), s_stamp(self->key) };
}

static bool
s_is_same(const s_stamp_t *a, const s_stamp_t *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool
s_are_same(const s_stamps_t *a, const s_stamps_t *b)
{
    return s_is_same(&a->cert, &b->cert) && s_is_same(&a->key, &b->key);
}

static nm_rc_t
s_read(const char *path, nm_buf_t *out, nm_error_t *error)
{
    FILE *in = fopen(path, "re");
    if (!in)
        return nm_fail(error, NM_ERR_REFUSED, "%s: %s", path, strerror(errno));
    setvbuf(in, NULL, _IONBF, 0);  //  No copy of the key stays behind
    out->size = fread(nm_buf_reserve(out, FILE_MAX), 1, FILE_MAX, in);
    bool whole = out->size < FILE_MAX && !ferror(in);
    fclose(in);
    return whole ? NM_OK : nm_fail(error, NM_ERR_REFUSED, "%s cannot be read, or has more than 1 MiB", path);
}

static void
s_wipe(nm_buf_t *text)
{
    if (text->at)
        sodium_memzero(text->at, text->size);
    nm_buf_free(text);
}

//  -- Pairs

void
nm_https_release(nm_https_pair_t **pair_p)
{
    nm_https_pair_t *pair = *pair_p;
    *pair_p = NULL;
    if (!pair || --pair->holders)
        return;
    if (pair->credentials)
        gnutls_certificate_free_credentials(pair->credentials);
    free(pair);
}

static int64_t
s_ends_ms(gnutls_certificate_credentials_t credentials)
{
    gnutls_x509_crt_t *chain = NULL;
    unsigned count = 0;
    int64_t ends_ms = INT64_MAX;
    if (gnutls_certificate_get_x509_crt(credentials, 0, &chain, &count) < 0)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        int64_t at_ms = (int64_t) gnutls_x509_crt_get_expiration_time(chain[i]) * 1000;
        if (at_ms < ends_ms)
            ends_ms = at_ms;
        gnutls_x509_crt_deinit(chain[i]);
    }
    gnutls_free(chain);
    return ends_ms;
}

//  GnuTLS sees to it that the certificate and the key belong together.
static nm_rc_t
s_make_pair(const nm_https_t *self, const nm_buf_t *cert, const nm_buf_t *key, nm_https_pair_t **pair,
            nm_error_t *error)
{
    const gnutls_datum_t cert_text = { cert->at, (unsigned) cert->size }, key_text = { key->at, (unsigned) key->size };
    nm_https_pair_t *made = nm_alloc(sizeof *made);
    made->holders = 1;
    int code = gnutls_certificate_allocate_credentials(&made->credentials);
    if (code >= 0)
        code = gnutls_certificate_set_x509_key_mem2(made->credentials, &cert_text, &key_text, GNUTLS_X509_FMT_PEM, NULL,
                                                    0);
    if (code < 0) {
        nm_https_release(&made);
        return nm_fail(error, NM_ERR_REFUSED, "the certificate %s with the key %s: %s", self->cert, self->key,
                       gnutls_strerror(code));
    }
    made->ends_ms = s_ends_ms(made->credentials);
    *pair = made;
    return NM_OK;
}

static nm_rc_t
s_load(nm_https_t *self, nm_error_t *error)
{
    nm_buf_t cert = { 0 }, key = { 0 };
    nm_https_pair_t *pair = NULL;
    nm_rc_t rc = s_read(self->cert, &cert, error);
    if (rc == NM_OK)
        rc = s_read(self->key, &key, error);
    if (rc == NM_OK)
        rc = s_make_pair(self, &cert, &key, &pair, error);
    s_wipe(&cert);
    s_wipe(&key);
    if (rc != NM_OK)
        return rc;
    nm_https_release(&self->pair);
    self->pair = pair;
    return NM_OK;
}

nm_https_pair_t *
nm_https_hold(nm_https_t *self, gnutls_session_t session)
{
    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, self->pair->credentials) < 0)
        return NULL;
    self->pair->holders++;
    return self->pair;
}

int
nm_https_none(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
              const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **certs,
              unsigned *cert_count, gnutls_privkey_t *key)
{
    (void) session, (void) authorities, (void) authority_count, (void) algorithms, (void) algorithm_count;
    (void) certs, (void) cert_count, (void) key;
    return -1;
}

//  -- Following the files

nm_https_t *
nm_https_new(const char *cert, const char *key, nm_error_t *error)
{
    nm_https_t *self = nm_alloc(sizeof *self);
    self->cert = strdup(cert);
    self->key = strdup(key);
    self->seen = self->tried = s_look(self);
    if (s_load(self, error) != NM_OK)
        nm_https_destroy(&self);
    return self;
}

void
nm_https_destroy(nm_https_t **self_p)
{
    nm_https_t *self = *self_p;
    if (!self)
        return;
    nm_https_release(&self->pair);
    free(self->cert);
    free(self->key);
    free(self);
    *self_p = NULL;
}

static void
s_load_anew(nm_https_t *self)
{
    nm_error_t error;
    char until[NM_TIME_TEXT_SIZE + 1];
    if (s_load(self, &error) != NM_OK) {
        nm_log(NM_LOG_ERROR, "tls_kept", "The new files of http/tls cannot be used, those before go on: %s",
               error.text);
        return;
    }
    nm_time_to_text(self->pair->ends_ms, until);
    nm_log(NM_LOG_INFO, "tls_changed", "New connections are shown the new certificate, which ends at %s.", until);
}

void
nm_https_look(nm_https_t *self, int64_t mono_ms)
{
    if (mono_ms < self->look_ms)
        return;
    self->look_ms = mono_ms + NM_HTTPS_LOOK_MS;
    s_stamps_t now = s_look(self);
    bool still = s_are_same(&now, &self->seen);
    self->seen = now;
    if (!still || s_are_same(&now, &self->tried))
        return;
    self->tried = now;
    s_load_anew(self);
}

int
nm_https_timeout(const nm_https_t *self, int64_t mono_ms)
{
    return self->look_ms > mono_ms ? (int) (self->look_ms - mono_ms) : 0;
}

int64_t
nm_https_ends_ms(const nm_https_t *self)
{
    return self->pair->ends_ms;
}
