#include "tests/broker/check.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/bridge/https.h"

enum { DAY_S = 86400, PEM_SIZE = 8192 };
static const time_t BEGIN_S = 1795233591;

typedef struct {
    char folder[64], cert[96], key[96];
    time_t written;  //  Each file has a time of its own, however fast they come
    nm_https_t *tls;
    int64_t now_ms;
} fixture_t;

static int
s_make(void **state)
{
    fixture_t *it = nm_alloc(sizeof *it);
    snprintf(it->folder, sizeof it->folder, "/tmp/nmesh-tls-XXXXXX");
    assert_non_null(mkdtemp(it->folder));
    snprintf(it->cert, sizeof it->cert, "%s/cert.pem", it->folder);
    snprintf(it->key, sizeof it->key, "%s/key.pem", it->folder);
    it->written = BEGIN_S;
    it->now_ms = 1000000;
    *state = it;
    return 0;
}

static int
s_free(void **state)
{
    fixture_t *it = *state;
    nm_https_destroy(&it->tls);
    unlink(it->cert);
    unlink(it->key);
    rmdir(it->folder);
    free(it);
    return 0;
}

static void
s_write(fixture_t *it, const char *path, const char *text, size_t size)
{
    struct timespec times[2] = { { .tv_sec = ++it->written }, { .tv_sec = it->written } };
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

//  Writes a certificate that ends after so many days, with its key, or one of the two.
static void
s_issue(fixture_t *it, int days, bool cert_too, bool key_too)
{
    static char text[PEM_SIZE];
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;
    const uint8_t serial = (uint8_t) days;
    size_t size = sizeof text;
    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    gnutls_x509_crt_init(&cert);
    gnutls_x509_crt_set_version(cert, 3);
    gnutls_x509_crt_set_serial(cert, &serial, 1);
    gnutls_x509_crt_set_dn(cert, "CN=nmesh", NULL);
    gnutls_x509_crt_set_activation_time(cert, BEGIN_S);
    gnutls_x509_crt_set_expiration_time(cert, BEGIN_S + days * DAY_S);
    gnutls_x509_crt_set_key(cert, key);
    assert_int_equal(gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export(cert, GNUTLS_X509_FMT_PEM, text, &size), 0);
    if (cert_too)
        s_write(it, it->cert, text, size);
    size = sizeof text;
    assert_int_equal(gnutls_x509_privkey_export(key, GNUTLS_X509_FMT_PEM, text, &size), 0);
    if (key_too)
        s_write(it, it->key, text, size);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
}

static void
s_begin(fixture_t *it, int days)
{
    nm_error_t error;
    s_issue(it, days, true, true);
    it->tls = nm_https_new(it->cert, it->key, &error);
    assert_non_null(it->tls);
}

static void
s_look(fixture_t *it)
{
    it->now_ms += NM_HTTPS_LOOK_MS;
    nm_https_look(it->tls, it->now_ms);
}

static void
s_assert_days(const fixture_t *it, int days)
{
    assert_int_equal(nm_https_ends_ms(it->tls), (int64_t) (BEGIN_S + days * DAY_S) * 1000);
}

//  -- Starting

static void
a_certificate_and_its_key_are_taken(void **state)
{
    fixture_t *it = *state;
    s_begin(it, 7);
    s_assert_days(it, 7);
}

static void
files_that_cannot_be_used_are_named(void **state)
{
    fixture_t *it = *state;
    nm_error_t error;
    assert_null(nm_https_new(it->cert, it->key, &error));
    assert_non_null(strstr(error.text, it->cert));
    s_issue(it, 7, true, true);
    unlink(it->key);
    assert_null(nm_https_new(it->cert, it->key, &error));
    assert_non_null(strstr(error.text, it->key));
    s_write(it, it->key, "no key", 6);
    assert_null(nm_https_new(it->cert, it->key, &error));
    s_issue(it, 8, false, true);  //  Of another certificate
    assert_null(nm_https_new(it->cert, it->key, &error));
    assert_non_null(strstr(error.text, it->cert));
}

//  -- Following

static void
a_change_counts_when_it_is_there_for_two_looks(void **state)
{
    fixture_t *it = *state;
    s_begin(it, 7);
    s_look(it);
    s_issue(it, 8, true, true);
    s_look(it);
    s_assert_days(it, 7);
    nm_https_look(it->tls, it->now_ms + NM_HTTPS_LOOK_MS - 1);
    s_assert_days(it, 7);
    assert_int_equal(nm_https_timeout(it->tls, it->now_ms), NM_HTTPS_LOOK_MS);
    s_look(it);
    s_assert_days(it, 8);
}

static void
what_cannot_be_used_keeps_what_was_there(void **state)
{
    fixture_t *it = *state;
    s_begin(it, 7);
    s_write(it, it->cert, "garbage", 7);
    s_look(it);
    s_look(it);
    s_assert_days(it, 7);
    s_issue(it, 9, true, false);  //  With the key of before
    s_look(it);
    s_look(it);
    s_assert_days(it, 7);
    unlink(it->key);
    s_look(it);
    s_look(it);
    s_assert_days(it, 7);
    s_issue(it, 10, true, true);
    s_look(it);
    s_look(it);
    s_assert_days(it, 10);
}

//  -- Connections

typedef struct {
    gnutls_session_t server, client;
    gnutls_certificate_credentials_t none;
    nm_https_pair_t *pair;
    int ends[2];
} call_t;

static void
s_open(fixture_t *it, call_t *call)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, call->ends), 0);
    gnutls_init(&call->server, GNUTLS_SERVER | GNUTLS_NONBLOCK);
    gnutls_init(&call->client, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    gnutls_set_default_priority(call->server);
    gnutls_set_default_priority(call->client);
    gnutls_certificate_allocate_credentials(&call->none);
    gnutls_credentials_set(call->client, GNUTLS_CRD_CERTIFICATE, call->none);
    gnutls_transport_set_int(call->server, call->ends[0]);
    gnutls_transport_set_int(call->client, call->ends[1]);
    call->pair = nm_https_hold(it->tls, call->server);
    assert_non_null(call->pair);
}

static void
s_close(call_t *call)
{
    gnutls_deinit(call->server);
    gnutls_deinit(call->client);
    gnutls_certificate_free_credentials(call->none);
    nm_https_release(&call->pair);
    close(call->ends[0]);
    close(call->ends[1]);
}

//  Shakes hands; the serial number of what the client was shown.
static int
s_shown(call_t *call)
{
    int served = GNUTLS_E_AGAIN, asked = GNUTLS_E_AGAIN;
    for (int i = 0; i < 100 && (served || asked); i++) {
        if (asked)
            asked = gnutls_handshake(call->client);
        if (served)
            served = gnutls_handshake(call->server);
    }
    assert_int_equal(served, 0);
    assert_int_equal(asked, 0);
    uint8_t serial[20];
    size_t size = sizeof serial;
    unsigned count = 0;
    gnutls_x509_crt_t cert;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(call->client, &count);
    assert_int_equal(count, 1);
    gnutls_x509_crt_init(&cert);
    assert_int_equal(gnutls_x509_crt_import(cert, &chain[0], GNUTLS_X509_FMT_DER), 0);
    assert_int_equal(gnutls_x509_crt_get_serial(cert, serial, &size), 0);
    gnutls_x509_crt_deinit(cert);
    return serial[0];
}

//  Also one that has not shaken hands yet when the files change.
static void
each_connection_goes_by_what_was_current_when_it_came(void **state)
{
    fixture_t *it = *state;
    call_t before, after;
    s_begin(it, 7);
    s_open(it, &before);
    s_issue(it, 8, true, true);
    s_look(it);
    s_look(it);
    s_open(it, &after);
    assert_int_equal(s_shown(&after), 8);
    assert_int_equal(s_shown(&before), 7);
    s_close(&before);
    s_close(&after);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, s_make, s_free)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_and_its_key_are_taken),
        TEST(files_that_cannot_be_used_are_named),
        TEST(a_change_counts_when_it_is_there_for_two_looks),
        TEST(what_cannot_be_used_keeps_what_was_there),
        TEST(each_connection_goes_by_what_was_current_when_it_came),
    };
    return cmocka_run_group_tests_name("bridge/https", tests, NULL, NULL);
}
