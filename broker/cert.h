/*  cert - certificates of actors: a name, a role and a CURVE key, signed by the mesh's authority.
 *
 *  The files are czmq's certificate files, so czmq and pyzmq read them too: ZPL with a
 *  `metadata` part (name, role, serial, not-before, not-after, sign-key, signature) and a `curve`
 *  part (public-key; in the .key file secret-key too, mode 0600 or it is refused).
 *
 *  The signature is Ed25519 (RFC 8032) over the text
 *      nmesh-certificate-2\n{name}\n{role}\n{serial}\n{not-before}\n{not-after}\n{public key, Z85}\n{sign key, hex}\n
 *  with times as RFC 3339. The authority's secret need not be on any server.
 *
 *  The sign key is the Ed25519 public key under which the actor signs its record for the
 *  directory. Its secret follows from the CURVE secret, so there is one secret to keep. A
 *  certificate of the older form has none: its text begins with nmesh-certificate-1 and ends
 *  with the public key. It is good for links; its actor cannot tell the mesh where it is.
 */
#ifndef NM_CERT_H
#define NM_CERT_H

#include "nm.h"
#include "broker/roles.h"
#include "wire/members.h"

enum { NM_CURVE_KEY_SIZE = 32, NM_CURVE_TEXT_SIZE = 40, NM_SIGN_PUBLIC_SIZE = 32, NM_SIGN_SECRET_SIZE = 64 };

typedef struct {
    char name[NM_NAME_MAX + 1];
    nm_role_id_t role;
    char serial[33];  //  Hex, random
    int64_t not_before_ms;
    int64_t not_after_ms;
    uint8_t public_key[NM_CURVE_KEY_SIZE];
    char public_text[NM_CURVE_TEXT_SIZE + 1];  //  The same, Z85
    char secret_text[NM_CURVE_TEXT_SIZE + 1];  //  Empty unless loaded from a .key file; wipe with nm_cert_wipe
    bool signs;                                //  It has a sign key
    uint8_t sign_key[NM_SIGN_PUBLIC_SIZE];
    uint8_t signature[64];
} nm_cert_t;

//  A file without a signature loads; nm_cert_verify refuses it.
nm_rc_t nm_cert_load(const char *path, nm_cert_t *cert, nm_error_t *error);

//  Writes the file anew and syncs it: with the secret key and mode 0600 if with_secret, else 0644.
nm_rc_t nm_cert_save(const nm_cert_t *cert, const char *path, bool with_secret, nm_error_t *error);

//  A new key pair and serial under this name and role; unsigned.
void nm_cert_make(nm_cert_t *cert, const char *name, nm_role_id_t role, int64_t not_before_ms, int64_t not_after_ms);

//  Gives a certificate that was just made the key pair of another.
void nm_cert_keep_key(nm_cert_t *cert, const nm_cert_t *other);

//  Is it valid at that time? What verify asks beside the signature, and cheap.
nm_rc_t nm_cert_check_time(const nm_cert_t *cert, int64_t now_ms, nm_error_t *error);

//  Is it signed by the authority and valid now? The sentence in error says which it is not.
nm_rc_t nm_cert_verify(const nm_cert_t *cert, const uint8_t authority[NM_SIGN_PUBLIC_SIZE], int64_t now_ms,
                       nm_error_t *error);

//  The text that the authority signs.
void nm_cert_signed_text(const nm_cert_t *cert, nm_buf_t *out);

void nm_cert_sign(nm_cert_t *cert, const uint8_t authority_secret[NM_SIGN_SECRET_SIZE]);
void nm_cert_wipe(nm_cert_t *cert);

//  The Ed25519 pair that belongs to a CURVE secret: BLAKE2b-256 keyed with it and personalised
//  "nmesh-record-1" is the seed. Wipe the secret after use.
void nm_cert_sign_pair(const uint8_t curve_secret[NM_CURVE_KEY_SIZE], uint8_t sign_key[NM_SIGN_PUBLIC_SIZE],
                       uint8_t sign_secret[NM_SIGN_SECRET_SIZE]);

//  The same of a certificate that was loaded from a .key file. NM_ERR_MISSING: it has no secret or no sign key.
nm_rc_t nm_cert_sign_secret(const nm_cert_t *cert, uint8_t sign_secret[NM_SIGN_SECRET_SIZE]);

//  As it travels in a member. From the wire: NM_ERR_MALFORMED where the file's reader would refuse too; views
//  are copied.
nm_rc_t nm_cert_from_record(const nm_certificate_t *record, nm_cert_t *cert);
void nm_cert_to_record(const nm_cert_t *cert, nm_buf_t *out);

//  The first 8 bytes of BLAKE2b of a key, in hex: how logs name a key.
void nm_cert_fingerprint(const uint8_t public_key[NM_CURVE_KEY_SIZE], char out[17]);

#endif
