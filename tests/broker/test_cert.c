#include "tests/broker/check.h"

#include <sodium.h>
#include <sys/stat.h>
#include "broker/cert.h"
#include "tests/broker/folder.h"

//  As czmq 4.2.1 wrote it with zcert_save_secret; keys of nobody.
static const char CZMQ_FILE[] = "#   ****  Generated on 2026-11-21 04:15:49 by CZMQ  ****\n"
                                "#   ZeroMQ CURVE **Secret** Certificate\n"
                                "#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n"
                                "\n"
                                "metadata\n"
                                "    name = \"email-1\"\n"
                                "    not-after = \"2027-11-21T03:59:51Z\"\n"
                                "    not-before = \"2026-11-21T03:59:51.123Z\"\n"
                                "    role = \"email\"\n"
                                "    serial = \"00c0ffee\"\n"
                                "curve\n"
                                "    public-key = \"tbvHkn^lcY(72Q%GUjleXk>Ir4Y@TGn=/(kMH:V3\"\n"
                                "    secret-key = \"DjR(Y:PGind^#JhB]@2T[u]S6TLA0WVhN(pgwv&J\"\n";

//  Signed without our code (tests/mesh/harness/certs.py) by the authority whose seed is 00 01 .. 1f: the form with a
//  sign key and the older one.
#define AUTHORITY "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
#define SIGN_KEY "cd7665ea3f6344c604be9b8122f8baec73dd8138cc82b10916d9e46bd205415c"
#define PYTHON_FILE(more)                                             \
    "metadata\n"                                                      \
    "    name = \"email-1\"\n"                                        \
    "    role = \"email\"\n"                                          \
    "    serial = \"00c0ffee\"\n"                                     \
    "    not-before = \"2026-11-21T03:59:51.000Z\"\n"                 \
    "    not-after = \"2027-11-21T03:59:51.000Z\"\n" more "curve\n"   \
    "    public-key = \"tbvHkn^lcY(72Q%GUjleXk>Ir4Y@TGn=/(kMH:V3\"\n" \
    "    secret-key = \"DjR(Y:PGind^#JhB]@2T[u]S6TLA0WVhN(pgwv&J\"\n"
#define SIGNATURE_1                                                      \
    "    signature = \"0b82c889299e32a1e6360e22ff9baea9a271080bec3522c3" \
    "c2e1e579ca71066f9f9cc319583e8c4d2994e34c69feaf26ee2844f0309b4968a1d77c6f95b6fc02\"\n"
#define SIGNATURE_2                                                      \
    "    signature = \"9ee62a1df250fe48e29a7bb3eeaa1a0d70ae92ce5bb8fe95" \
    "9eb076775c957d5f78dc642a11c6cb0aa9f1b261ba5d9a6e943788d0b323701c5bf3e4a100441d0e\"\n"

static int
s_setup(void **state)
{
    folder_t *folder = nm_alloc(sizeof *folder);
    folder_make(folder);
    *state = folder;
    return 0;
}

static int
s_teardown(void **state)
{
    folder_remove(*state);
    free(*state);
    return 0;
}

//  Loads the text as a .key file with mode 0600.
static nm_rc_t
s_load_text(const folder_t *folder, const char *text, nm_cert_t *cert, nm_error_t *error)
{
    char path[256];
    folder_write(folder, "some.key", text, 0600);
    folder_path(folder, "some.key", path);
    return nm_cert_load(path, cert, error);
}

//  The czmq file with one part replaced by another is refused with this sentence.
static void
s_assert_refused(const folder_t *folder, const char *part, const char *other, const char *sentence)
{
    char text[2048];
    const char *at = strstr(CZMQ_FILE, part);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int) (at - CZMQ_FILE), CZMQ_FILE, other, at + strlen(part));
    nm_cert_t cert;
    nm_error_t error = { "" };
    assert_int_equal(s_load_text(folder, text, &cert, &error), NM_ERR_MALFORMED);
    assert_contains(error.text, sentence);
    assert_contains(error.text, "some.key line ");
}

static void
reads_a_file_of_czmq(void **state)
{
    nm_cert_t cert;
    nm_error_t error;
    assert_int_equal(s_load_text(*state, CZMQ_FILE, &cert, &error), NM_OK);
    assert_string_equal(cert.name, "email-1");
    assert_int_equal(cert.role, NM_ROLE_EMAIL);
    assert_string_equal(cert.serial, "00c0ffee");
    assert_int_equal(cert.not_before_ms, FOLDER_NOW_MS);
    assert_int_equal(cert.not_after_ms, FOLDER_NOW_MS - 123 + INT64_C(365) * 86400000);
    assert_string_equal(cert.public_text, "tbvHkn^lcY(72Q%GUjleXk>Ir4Y@TGn=/(kMH:V3");
    assert_string_equal(cert.secret_text, "DjR(Y:PGind^#JhB]@2T[u]S6TLA0WVhN(pgwv&J");
}

static void
comes_back_as_it_was_saved(void **state)
{
    folder_t *folder = *state;
    char path[256];
    nm_error_t error;
    nm_cert_t made, loaded;
    nm_cert_make(&made, "router-23", NM_ROLE_ROUTER, FOLDER_NOW_MS, FOLDER_NOW_MS + 12345678);
    nm_cert_sign(&made, folder->authority_secret);
    folder_path(folder, "router-23.key", path);
    assert_int_equal(nm_cert_save(&made, path, true, &error), NM_OK);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(nm_cert_load(path, &loaded, &error), NM_OK);
    assert_memory_equal(&loaded, &made, sizeof made);

    folder_path(folder, "router-23.cert", path);
    assert_int_equal(nm_cert_save(&made, path, false, &error), NM_OK);
    assert_int_equal(nm_cert_load(path, &loaded, &error), NM_OK);
    assert_string_equal(loaded.secret_text, "");
    assert_memory_equal(loaded.signature, made.signature, sizeof made.signature);
}

static void
refuses_a_secret_that_others_may_read(void **state)
{
    folder_t *folder = *state;
    char path[256];
    nm_cert_t cert;
    nm_error_t error;
    folder_write(folder, "open.key", CZMQ_FILE, 0640);
    folder_path(folder, "open.key", path);
    assert_int_equal(nm_cert_load(path, &cert, &error), NM_ERR_REFUSED);
    assert_contains(error.text, "run: chmod 600 ");
}

static void
refuses_a_faulty_file_with_its_line(void **state)
{
    folder_t *folder = *state;
    s_assert_refused(folder, "\"email-1\"", "\"Email 1\"", "line 6: not a name");
    s_assert_refused(folder, "\"email\"", "\"e-mail\"", "line 9: \"e-mail\" is not a role that has certificates");
    s_assert_refused(folder, "\"email\"", "\"client\"", "not a role that has certificates");
    s_assert_refused(folder, "    role = \"email\"\n", "", "metadata has no role");
    s_assert_refused(folder, "2027-11-21T", "2027-13-21T", "line 7: not-after is not a time");
    s_assert_refused(folder, "00c0ffee", "00C0FFEE", "line 10: serial is not hex");
    s_assert_refused(folder, "serial", "seral", "\"seral\" is not a setting of metadata");
    s_assert_refused(folder, "serial = \"00c0ffee\"", "signature = \"12\"\n    serial = \"0\"",
                     "line 10: signature is not 128");
    s_assert_refused(folder, "tbvHkn", "tbv~kn", "line 12: public-key is not a CURVE key");
    s_assert_refused(folder, "tbvHkn", "tbvHk", "line 12: public-key is not a CURVE key");
    s_assert_refused(folder, "DjR(Y", "DjR(X", "line 11: secret-key and public-key do not belong together");
    s_assert_refused(folder, "curve\n", "curved\n", "there is no curve part");
}

static void
verifies_only_what_its_authority_signed(void **state)
{
    folder_t *folder = *state;
    uint8_t other[NM_SIGN_PUBLIC_SIZE], other_secret[NM_SIGN_SECRET_SIZE];
    crypto_sign_keypair(other, other_secret);
    nm_error_t error;
    nm_cert_t cert;
    nm_cert_make(&cert, "sms-3", NM_ROLE_SMS, FOLDER_NOW_MS, FOLDER_NOW_MS + 5000);
    assert_int_equal(nm_cert_verify(&cert, folder->authority, FOLDER_NOW_MS, &error), NM_ERR_REFUSED);
    nm_cert_sign(&cert, other_secret);
    assert_int_equal(nm_cert_verify(&cert, folder->authority, FOLDER_NOW_MS, &error), NM_ERR_REFUSED);
    assert_string_equal(error.text, "the certificate of sms-3 is not signed by this mesh's authority");
    nm_cert_sign(&cert, folder->authority_secret);
    assert_int_equal(nm_cert_verify(&cert, folder->authority, FOLDER_NOW_MS, &error), NM_OK);
}

//  Any field that is signed, changed after signing.
static void
refuses_any_change_after_the_signature(void **state)
{
    folder_t *folder = *state;
    nm_cert_t signed_one, other;
    nm_cert_make(&signed_one, "sms-3", NM_ROLE_SMS, FOLDER_NOW_MS, FOLDER_NOW_MS + 5000);
    nm_cert_sign(&signed_one, folder->authority_secret);
    for (int field = 0; field < 8; field++) {
        other = signed_one;
        switch (field) {
        case 0: other.name[0] = 'a'; break;
        case 1: other.role = NM_ROLE_OPERATOR; break;
        case 2: other.serial[31] = other.serial[31] == '0' ? '1' : '0'; break;
        case 3: other.not_before_ms--; break;
        case 4: other.not_after_ms++; break;
        case 5: other.public_text[7] = other.public_text[7] == 'a' ? 'b' : 'a'; break;
        case 6: other.sign_key[9] ^= 1; break;
        case 7: other.signs = false; break;
        }
        assert_int_equal(nm_cert_verify(&other, folder->authority, FOLDER_NOW_MS, NULL), NM_ERR_REFUSED);
    }
}

static void
verifies_both_forms_as_others_sign_them(void **state)
{
    folder_t *folder = *state;
    nm_error_t error = { "" };
    nm_cert_t cert;
    uint8_t authority[NM_SIGN_PUBLIC_SIZE], sign_key[NM_SIGN_PUBLIC_SIZE];
    sodium_hex2bin(authority, sizeof authority, AUTHORITY, 64, NULL, NULL, NULL);
    sodium_hex2bin(sign_key, sizeof sign_key, SIGN_KEY, 64, NULL, NULL, NULL);

    assert_int_equal(s_load_text(folder, PYTHON_FILE("    sign-key = \"" SIGN_KEY "\"\n" SIGNATURE_2), &cert, &error),
                     NM_OK);
    assert_int_equal(nm_cert_verify(&cert, authority, FOLDER_NOW_MS, &error), NM_OK);
    assert_true(cert.signs);
    assert_memory_equal(cert.sign_key, sign_key, sizeof sign_key);

    assert_int_equal(s_load_text(folder, PYTHON_FILE(SIGNATURE_1), &cert, &error), NM_OK);
    assert_int_equal(nm_cert_verify(&cert, authority, FOLDER_NOW_MS, &error), NM_OK);
    assert_false(cert.signs);
    uint8_t secret[NM_SIGN_SECRET_SIZE];
    assert_int_equal(nm_cert_sign_secret(&cert, secret), NM_ERR_MISSING);
}

static void
refuses_a_sign_key_that_is_not_of_its_secret(void **state)
{
    nm_cert_t cert;
    nm_error_t error;
    assert_int_equal(s_load_text(*state, PYTHON_FILE("    sign-key = \"" AUTHORITY "\"\n"), &cert, &error),
                     NM_ERR_MALFORMED);
    assert_contains(error.text, "secret-key and sign-key do not belong together");
}

static void
signs_with_the_key_that_it_names(void **state)
{
    (void) state;
    nm_cert_t cert;
    uint8_t secret[NM_SIGN_SECRET_SIZE], signature[64];
    nm_cert_make(&cert, "sms-3", NM_ROLE_SMS, FOLDER_NOW_MS, FOLDER_NOW_MS + 5000);
    assert_int_equal(nm_cert_sign_secret(&cert, secret), NM_OK);
    crypto_sign_detached(signature, NULL, (const uint8_t *) "text", 4, secret);
    assert_int_equal(crypto_sign_verify_detached(signature, (const uint8_t *) "text", 4, cert.sign_key), 0);
}

static void
is_valid_from_its_first_to_before_its_last_ms(void **state)
{
    folder_t *folder = *state;
    nm_error_t error;
    nm_cert_t cert;
    nm_cert_make(&cert, "sms-3", NM_ROLE_SMS, FOLDER_NOW_MS, FOLDER_NOW_MS + 5000);
    nm_cert_sign(&cert, folder->authority_secret);
    assert_int_equal(nm_cert_verify(&cert, folder->authority, FOLDER_NOW_MS - 1, &error), NM_ERR_REFUSED);
    assert_string_equal(error.text, "the certificate of sms-3 is valid only from 2026-11-21T03:59:51.123Z");
    assert_int_equal(nm_cert_verify(&cert, folder->authority, FOLDER_NOW_MS + 4999, &error), NM_OK);
    assert_int_equal(nm_cert_verify(&cert, folder->authority, FOLDER_NOW_MS + 5000, &error), NM_ERR_REFUSED);
    assert_string_equal(error.text, "the certificate of sms-3 expired at 2026-11-21T03:59:56.123Z");
}

static void
names_a_key_by_a_short_fingerprint(void **state)
{
    (void) state;
    uint8_t key[NM_CURVE_KEY_SIZE] = { 1, 2, 3 }, other[NM_CURVE_KEY_SIZE] = { 1, 2, 4 };
    char text[17], again[17], different[17];
    nm_cert_fingerprint(key, text);
    nm_cert_fingerprint(key, again);
    nm_cert_fingerprint(other, different);
    assert_int_equal(strlen(text), 16);
    assert_string_equal(text, again);
    assert_string_not_equal(text, different);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_file_of_czmq),
        cmocka_unit_test(comes_back_as_it_was_saved),
        cmocka_unit_test(refuses_a_secret_that_others_may_read),
        cmocka_unit_test(refuses_a_faulty_file_with_its_line),
        cmocka_unit_test(verifies_only_what_its_authority_signed),
        cmocka_unit_test(refuses_any_change_after_the_signature),
        cmocka_unit_test(verifies_both_forms_as_others_sign_them),
        cmocka_unit_test(refuses_a_sign_key_that_is_not_of_its_secret),
        cmocka_unit_test(signs_with_the_key_that_it_names),
        cmocka_unit_test(is_valid_from_its_first_to_before_its_last_ms),
        cmocka_unit_test(names_a_key_by_a_short_fingerprint),
    };
    return cmocka_run_group_tests_name("broker/cert", tests, s_setup, s_teardown);
}
