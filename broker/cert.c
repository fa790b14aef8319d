#include "broker/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>
#include "broker/zpl.h"
#include "wire/time.h"

enum { SERIAL_SIZE = 16 };

static const char *const METADATA_NAMES[] = { "name",      "role",     "serial",   "not-before",
                                              "not-after", "sign-key", "signature" };
static const char *const CURVE_NAMES[] = { "public-key", "secret-key" };

//  -- Reading

//  A setting that must be there.
static nm_rc_t
s_need(const nm_zpl_t *part, const char *name, const nm_zpl_t **setting, nm_error_t *error)
{
    const nm_zpl_t *found = nm_zpl_find(part, name);
    if (!found)
        return nm_zpl_fail(part, error, "%s has no %s", part->name, name);
    if (!found->value)
        return nm_zpl_fail(found, error, "%s has no value", name);
    *setting = found;
    return NM_OK;
}

static nm_rc_t
s_read_name(const nm_zpl_t *metadata, nm_cert_t *cert, nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(metadata, "name", &setting, error);
    if (rc != NM_OK)
        return rc;
    if (!nm_role_is_name(nm_text(setting->value)))
        return nm_zpl_fail(setting, error, "not a name: a to z, 0 to 9 and dashes, at most %d", NM_NAME_MAX);
    nm_bytes_to_text(nm_text(setting->value), cert->name, sizeof cert->name);
    return NM_OK;
}

static nm_rc_t
s_read_role(const nm_zpl_t *metadata, nm_cert_t *cert, nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(metadata, "role", &setting, error);
    if (rc != NM_OK)
        return rc;
    cert->role = nm_role_find(nm_text(setting->value));
    if (!nm_role_is_actor(cert->role) && cert->role != NM_ROLE_OPERATOR)
        return nm_zpl_fail(setting, error, "\"%.80s\" is not a role that has certificates", setting->value);
    return NM_OK;
}

static nm_rc_t
s_read_serial(const nm_zpl_t *metadata, nm_cert_t *cert, nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(metadata, "serial", &setting, error);
    if (rc != NM_OK)
        return rc;
    size_t size = strlen(setting->value);
    if (!size || size >= sizeof cert->serial || strspn(setting->value, "0123456789abcdef") != size)
        return nm_zpl_fail(setting, error, "serial is not hex of at most %zu digits", sizeof cert->serial - 1);
    nm_bytes_to_text(nm_text(setting->value), cert->serial, sizeof cert->serial);
    return NM_OK;
}

static nm_rc_t
s_read_time(const nm_zpl_t *metadata, const char *name, int64_t *at_ms, nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(metadata, name, &setting, error);
    if (rc != NM_OK)
        return rc;
    if (nm_time_from_text(nm_text(setting->value), at_ms) != NM_OK)
        return nm_zpl_fail(setting, error, "%s is not a time such as 2026-11-21T03:59:51Z", name);
    return NM_OK;
}

static nm_rc_t
s_read_hex(const nm_zpl_t *setting, uint8_t *out, size_t size, nm_error_t *error)
{
    size_t got = 0;
    const char *text = setting->value ? setting->value : "";
    if (strlen(text) != 2 * size || sodium_hex2bin(out, size, text, strlen(text), NULL, &got, NULL) != 0 || got != size)
        return nm_zpl_fail(setting, error, "%s is not %zu hex digits", setting->name, 2 * size);
    return NM_OK;
}

//  A certificate of the older form has none.
static nm_rc_t
s_read_sign_key(const nm_zpl_t *metadata, nm_cert_t *cert, nm_error_t *error)
{
    const nm_zpl_t *setting = nm_zpl_find(metadata, "sign-key");
    cert->signs = setting != NULL;
    return setting ? s_read_hex(setting, cert->sign_key, sizeof cert->sign_key, error) : NM_OK;
}

//  A certificate that was not signed yet has none.
static nm_rc_t
s_read_signature(const nm_zpl_t *metadata, nm_cert_t *cert, nm_error_t *error)
{
    const nm_zpl_t *setting = nm_zpl_find(metadata, "signature");
    return setting ? s_read_hex(setting, cert->signature, sizeof cert->signature, error) : NM_OK;
}

static nm_rc_t
s_read_key(const nm_zpl_t *curve, const char *name, char text[NM_CURVE_TEXT_SIZE + 1], uint8_t key[NM_CURVE_KEY_SIZE],
           nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(curve, name, &setting, error);
    if (rc != NM_OK)
        return rc;
    if (strlen(setting->value) != NM_CURVE_TEXT_SIZE || !zmq_z85_decode(key, setting->value))
        return nm_zpl_fail(setting, error, "%s is not a CURVE key of %d characters (Z85)", name, NM_CURVE_TEXT_SIZE);
    memcpy(text, setting->value, NM_CURVE_TEXT_SIZE + 1);
    return NM_OK;
}

//  The secret key must be the other half of the public one, and the sign key what follows from it.
static nm_rc_t
s_read_secret(const nm_zpl_t *curve, nm_cert_t *cert, nm_error_t *error)
{
    if (!nm_zpl_find(curve, "secret-key"))
        return NM_OK;
    uint8_t secret[NM_CURVE_KEY_SIZE], public_key[NM_CURVE_KEY_SIZE];
    uint8_t sign_key[NM_SIGN_PUBLIC_SIZE], sign_secret[NM_SIGN_SECRET_SIZE];
    nm_rc_t rc = s_read_key(curve, "secret-key", cert->secret_text, secret, error);
    if (rc == NM_OK) {
        crypto_scalarmult_base(public_key, secret);
        nm_cert_sign_pair(secret, sign_key, sign_secret);
        if (memcmp(public_key, cert->public_key, sizeof public_key) != 0)
            rc = nm_zpl_fail(curve, error, "secret-key and public-key do not belong together");
        else if (cert->signs && memcmp(sign_key, cert->sign_key, sizeof sign_key) != 0)
            rc = nm_zpl_fail(curve, error, "secret-key and sign-key do not belong together");
        sodium_memzero(sign_secret, sizeof sign_secret);
    }
    sodium_memzero(secret, sizeof secret);
    return rc;
}

static nm_rc_t
s_read_metadata(const nm_zpl_t *root, nm_cert_t *cert, nm_error_t *error)
{
    const nm_zpl_t *metadata = nm_zpl_find(root, "metadata");
    if (!metadata)
        return nm_fail(error, NM_ERR_MALFORMED, "%s line 1: there is no metadata part", root->name);
    nm_rc_t rc = nm_zpl_only(metadata, METADATA_NAMES, NM_COUNT(METADATA_NAMES), error);
    if (rc == NM_OK)
        rc = s_read_name(metadata, cert, error);
    if (rc == NM_OK)
        rc = s_read_role(metadata, cert, error);
    if (rc == NM_OK)
        rc = s_read_serial(metadata, cert, error);
    if (rc == NM_OK)
        rc = s_read_time(metadata, "not-before", &cert->not_before_ms, error);
    if (rc == NM_OK)
        rc = s_read_time(metadata, "not-after", &cert->not_after_ms, error);
    if (rc == NM_OK)
        rc = s_read_sign_key(metadata, cert, error);
    if (rc == NM_OK)
        rc = s_read_signature(metadata, cert, error);
    return rc;
}

static nm_rc_t
s_read_curve(const nm_zpl_t *root, nm_cert_t *cert, nm_error_t *error)
{
    const nm_zpl_t *curve = nm_zpl_find(root, "curve");
    if (!curve)
        return nm_fail(error, NM_ERR_MALFORMED, "%s line 1: there is no curve part", root->name);
    nm_rc_t rc = nm_zpl_only(curve, CURVE_NAMES, NM_COUNT(CURVE_NAMES), error);
    if (rc == NM_OK)
        rc = s_read_key(curve, "public-key", cert->public_text, cert->public_key, error);
    if (rc == NM_OK)
        rc = s_read_secret(curve, cert, error);
    return rc;
}

//  The tree's copy of a secret key is wiped before it is freed.
static void
s_wipe_tree(nm_zpl_t *root)
{
    const nm_zpl_t *secret = nm_zpl_find(nm_zpl_find(root, "curve"), "secret-key");
    if (secret && secret->value)
        sodium_memzero(secret->value, strlen(secret->value));
}

//  Who can read a secret key is that actor.
static nm_rc_t
s_check_mode(const char *path, nm_error_t *error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return nm_fail(error, NM_ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    if (status.st_mode & 077)
        return nm_fail(error, NM_ERR_REFUSED, "%s holds a secret key and others may read it; run: chmod 600 %s", path,
                       path);
    return NM_OK;
}

nm_rc_t
nm_cert_load(const char *path, nm_cert_t *cert, nm_error_t *error)
{
    nm_cert_t loaded = { 0 };
    nm_rc_t rc = NM_ERR_MALFORMED;
    nm_zpl_t *root = nm_zpl_load(path, error);
    if (!root)
        goto done;

    rc = s_read_metadata(root, &loaded, error);
    if (rc == NM_OK)
        rc = s_read_curve(root, &loaded, error);
    if (rc == NM_OK && loaded.secret_text[0])
        rc = s_check_mode(path, error);
    if (rc == NM_OK)
        *cert = loaded;

done:
    if (root)
        s_wipe_tree(root);
    nm_zpl_destroy(&root);
    nm_cert_wipe(&loaded);
    return rc;
}

//  -- Writing

static void
s_write_text(const nm_cert_t *cert, bool with_secret, nm_buf_t *out)
{
    char not_before[NM_TIME_TEXT_SIZE + 1], not_after[NM_TIME_TEXT_SIZE + 1];
    nm_time_to_text(cert->not_before_ms, not_before);
    nm_time_to_text(cert->not_after_ms, not_after);
    nm_buf_format(out, "#   nmesh certificate of %s%s\n\nmetadata\n", cert->name,
                  with_secret ? ", with its SECRET key: do not copy, do not change its permissions" : "");
    nm_buf_format(out, "    name = \"%s\"\n    role = \"%s\"\n    serial = \"%s\"\n", cert->name,
                  nm_role_text(cert->role), cert->serial);
    nm_buf_format(out, "    not-before = \"%s\"\n    not-after = \"%s\"\n", not_before, not_after);
    if (cert->signs) {
        char sign_key[2 * sizeof cert->sign_key + 1];
        sodium_bin2hex(sign_key, sizeof sign_key, cert->sign_key, sizeof cert->sign_key);
        nm_buf_format(out, "    sign-key = \"%s\"\n", sign_key);
    }
    if (!sodium_is_zero(cert->signature, sizeof cert->signature)) {
        char signature[2 * sizeof cert->signature + 1];
        sodium_bin2hex(signature, sizeof signature, cert->signature, sizeof cert->signature);
        nm_buf_format(out, "    signature = \"%s\"\n", signature);
    }
    nm_buf_format(out, "curve\n    public-key = \"%s\"\n", cert->public_text);
    if (with_secret)
        nm_buf_format(out, "    secret-key = \"%s\"\n", cert->secret_text);
}

static nm_rc_t
s_write_all(int fd, nm_bytes_t bytes)
{
    while (bytes.size) {
        ssize_t written = write(fd, bytes.at, bytes.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return NM_ERR_IO;
        bytes = nm_bytes(bytes.at + written, bytes.size - (size_t) written);
    }
    return NM_OK;
}

nm_rc_t
nm_cert_save(const nm_cert_t *cert, const char *path, bool with_secret, nm_error_t *error)
{
    nm_rc_t rc = NM_ERR_IO;
    nm_buf_t text = { 0 };
    int fd = -1;
    char part_path[4096];
    if ((size_t) snprintf(part_path, sizeof part_path, "%s.part", path) >= sizeof part_path)
        return nm_fail(error, rc, "%.200s...: the path is too long", path);

    s_write_text(cert, with_secret, &text);
    unlink(part_path);
    fd = open(part_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, with_secret ? 0600 : 0644);
    if (fd >= 0 && s_write_all(fd, nm_buf_bytes(&text)) == NM_OK && fsync(fd) == 0 && rename(part_path, path) == 0)
        rc = NM_OK;
    else
        nm_fail(error, rc, "%s cannot be written: %s", path, strerror(errno));

    if (fd >= 0)
        close(fd);
    if (text.at)
        sodium_memzero(text.at, text.room);
    nm_buf_free(&text);
    return rc;
}

void
nm_cert_make(nm_cert_t *cert, const char *name, nm_role_id_t role, int64_t not_before_ms, int64_t not_after_ms)
{
    *cert = (nm_cert_t){ .role = role, .not_before_ms = not_before_ms, .not_after_ms = not_after_ms };
    nm_bytes_to_text(nm_text(name), cert->name, sizeof cert->name);

    uint8_t serial[SERIAL_SIZE];
    randombytes_buf(serial, sizeof serial);
    sodium_bin2hex(cert->serial, sizeof cert->serial, serial, sizeof serial);

    uint8_t secret[NM_CURVE_KEY_SIZE], sign_secret[NM_SIGN_SECRET_SIZE];
    crypto_box_keypair(cert->public_key, secret);
    zmq_z85_encode(cert->public_text, cert->public_key, NM_CURVE_KEY_SIZE);
    zmq_z85_encode(cert->secret_text, secret, NM_CURVE_KEY_SIZE);
    cert->signs = true;
    nm_cert_sign_pair(secret, cert->sign_key, sign_secret);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(sign_secret, sizeof sign_secret);
}

void
nm_cert_keep_key(nm_cert_t *cert, const nm_cert_t *other)
{
    memcpy(cert->public_key, other->public_key, sizeof cert->public_key);
    memcpy(cert->public_text, other->public_text, sizeof cert->public_text);
    memcpy(cert->secret_text, other->secret_text, sizeof cert->secret_text);
    uint8_t secret[NM_CURVE_KEY_SIZE], sign_secret[NM_SIGN_SECRET_SIZE];
    if (!zmq_z85_decode(secret, cert->secret_text))
        return;
    nm_cert_sign_pair(secret, cert->sign_key, sign_secret);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(sign_secret, sizeof sign_secret);
}

void
nm_cert_sign_pair(const uint8_t curve_secret[NM_CURVE_KEY_SIZE], uint8_t sign_key[NM_SIGN_PUBLIC_SIZE],
                  uint8_t sign_secret[NM_SIGN_SECRET_SIZE])
{
    static const uint8_t PERSONAL[crypto_generichash_blake2b_PERSONALBYTES] = "nmesh-record-1";
    uint8_t seed[crypto_sign_SEEDBYTES];
    crypto_generichash_blake2b_salt_personal(seed, sizeof seed, NULL, 0, curve_secret, NM_CURVE_KEY_SIZE, NULL,
                                             PERSONAL);
    crypto_sign_seed_keypair(sign_key, sign_secret, seed);
    sodium_memzero(seed, sizeof seed);
}

nm_rc_t
nm_cert_sign_secret(const nm_cert_t *cert, uint8_t sign_secret[NM_SIGN_SECRET_SIZE])
{
    uint8_t secret[NM_CURVE_KEY_SIZE], sign_key[NM_SIGN_PUBLIC_SIZE];
    if (!cert->signs || !cert->secret_text[0] || !zmq_z85_decode(secret, cert->secret_text))
        return NM_ERR_MISSING;
    nm_cert_sign_pair(secret, sign_key, sign_secret);
    sodium_memzero(secret, sizeof secret);
    return NM_OK;
}

//  -- Signature and validity

void
nm_cert_signed_text(const nm_cert_t *cert, nm_buf_t *out)
{
    char not_before[NM_TIME_TEXT_SIZE + 1], not_after[NM_TIME_TEXT_SIZE + 1];
    nm_time_to_text(cert->not_before_ms, not_before);
    nm_time_to_text(cert->not_after_ms, not_after);
    nm_buf_format(out, "nmesh-certificate-%d\n%s\n%s\n%s\n%s\n%s\n%s\n", cert->signs ? 2 : 1, cert->name,
                  nm_role_text(cert->role), cert->serial, not_before, not_after, cert->public_text);
    if (cert->signs) {
        char sign_key[2 * sizeof cert->sign_key + 1];
        sodium_bin2hex(sign_key, sizeof sign_key, cert->sign_key, sizeof cert->sign_key);
        nm_buf_format(out, "%s\n", sign_key);
    }
}

nm_rc_t
nm_cert_check_time(const nm_cert_t *cert, int64_t now_ms, nm_error_t *error)
{
    char time_text[NM_TIME_TEXT_SIZE + 1];
    if (now_ms < cert->not_before_ms) {
        nm_time_to_text(cert->not_before_ms, time_text);
        return nm_fail(error, NM_ERR_REFUSED, "the certificate of %s is valid only from %s", cert->name, time_text);
    }
    if (now_ms >= cert->not_after_ms) {
        nm_time_to_text(cert->not_after_ms, time_text);
        return nm_fail(error, NM_ERR_REFUSED, "the certificate of %s expired at %s", cert->name, time_text);
    }
    return NM_OK;
}

nm_rc_t
nm_cert_verify(const nm_cert_t *cert, const uint8_t authority[NM_SIGN_PUBLIC_SIZE], int64_t now_ms, nm_error_t *error)
{
    nm_buf_t text = { 0 };
    nm_cert_signed_text(cert, &text);
    bool is_signed = crypto_sign_verify_detached(cert->signature, text.at, text.size, authority) == 0;
    nm_buf_free(&text);
    if (!is_signed)
        return nm_fail(error, NM_ERR_REFUSED, "the certificate of %s is not signed by this mesh's authority",
                       cert->name);
    return nm_cert_check_time(cert, now_ms, error);
}

void
nm_cert_sign(nm_cert_t *cert, const uint8_t authority_secret[NM_SIGN_SECRET_SIZE])
{
    nm_buf_t text = { 0 };
    nm_cert_signed_text(cert, &text);
    crypto_sign_detached(cert->signature, NULL, text.at, text.size, authority_secret);
    nm_buf_free(&text);
}

void
nm_cert_wipe(nm_cert_t *cert)
{
    sodium_memzero(cert, sizeof *cert);
}

//  -- In a member

static bool
s_is_serial(nm_bytes_t serial)
{
    if (!serial.size || serial.size > 32)
        return false;
    for (size_t i = 0; i < serial.size; i++)
        if (!memchr("0123456789abcdef", serial.at[i], 16))
            return false;
    return true;
}

nm_rc_t
nm_cert_from_record(const nm_certificate_t *record, nm_cert_t *cert)
{
    *cert = (nm_cert_t){ .role = nm_role_find(record->role), .signs = true };
    if (!nm_role_is_name(record->name) || !nm_role_is_actor(cert->role) || !s_is_serial(record->serial) ||
        record->public_key.size != sizeof cert->public_key || record->sign_key.size != sizeof cert->sign_key ||
        record->signature.size != sizeof cert->signature)
        return NM_ERR_MALFORMED;
    nm_bytes_to_text(record->name, cert->name, sizeof cert->name);
    nm_bytes_to_text(record->serial, cert->serial, sizeof cert->serial);
    cert->not_before_ms = record->not_before;
    cert->not_after_ms = record->not_after;
    memcpy(cert->public_key, record->public_key.at, sizeof cert->public_key);
    memcpy(cert->sign_key, record->sign_key.at, sizeof cert->sign_key);
    memcpy(cert->signature, record->signature.at, sizeof cert->signature);
    zmq_z85_encode(cert->public_text, cert->public_key, NM_CURVE_KEY_SIZE);
    return NM_OK;
}

void
nm_cert_to_record(const nm_cert_t *cert, nm_buf_t *out)
{
    nm_certificate_t record = { 0 };
    NM_PUT(&record, certificate, name, nm_text(cert->name));
    NM_PUT(&record, certificate, role, nm_text(nm_role_text(cert->role)));
    NM_PUT(&record, certificate, serial, nm_text(cert->serial));
    NM_PUT(&record, certificate, not_before, cert->not_before_ms);
    NM_PUT(&record, certificate, not_after, cert->not_after_ms);
    NM_PUT(&record, certificate, public_key, nm_bytes(cert->public_key, sizeof cert->public_key));
    NM_PUT(&record, certificate, sign_key, nm_bytes(cert->sign_key, sizeof cert->sign_key));
    NM_PUT(&record, certificate, signature, nm_bytes(cert->signature, sizeof cert->signature));
    nm_record_encode(&nm_certificate_shape, &record, NM_BY_TAG, out);
}

void
nm_cert_fingerprint(const uint8_t public_key[NM_CURVE_KEY_SIZE], char out[17])
{
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof hash, public_key, NM_CURVE_KEY_SIZE, NULL, 0);
    sodium_bin2hex(out, 17, hash, 8);
}
