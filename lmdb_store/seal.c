#include "lmdb_store/seal.h"

#include <assert.h>
#include <sodium.h>

enum {
    S_FORM_SEALED = 1,
    S_FORM_HASHED = 2,
    S_FORM_HEAD = 3,  //  head.c
    S_MARK_SIZE = 8,
    S_NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    S_TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    S_SEALED_HEAD = 1 + 4 + S_NONCE_SIZE,
    S_SEALED_EXTRA = S_SEALED_HEAD + S_TAG_SIZE,
    S_HASHED_HEAD = 1 + crypto_shorthash_BYTES,
};

_Static_assert(sizeof(((nm_seal_t *) 0)->keys[0].secret) == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "cipher key");
_Static_assert(NM_SEAL_HASH_KEY_SIZE == crypto_shorthash_KEYBYTES, "hash key");
_Static_assert(NM_ID_SIZE == crypto_generichash_blake2b_SALTBYTES, "the store id is the salt");

//  Where a value stands: the table and the key, in one piece for the cipher.
typedef struct {
    uint8_t at[1 + NM_STORE_KEY_MAX];
    size_t size;
} s_place_t;

static s_place_t
s_place(const nm_table_t *table, nm_bytes_t key)
{
    assert(key.size <= NM_STORE_KEY_MAX);
    s_place_t place;
    place.at[0] = table->number;
    if (key.size)
        memcpy(place.at + 1, key.at, key.size);
    place.size = 1 + key.size;
    return place;
}

void
nm_seal_init(nm_seal_t *self, const nm_store_key_t *keys, size_t key_count, const nm_id_t *store)
{
    static const uint8_t PURPOSE[crypto_generichash_blake2b_PERSONALBYTES] = "nmesh store seal";
    assert(key_count <= NM_SEAL_KEYS_MAX);
    for (size_t i = 0; i < key_count; i++) {
        self->keys[i].number = keys[i].number;
        crypto_generichash_blake2b_salt_personal(self->keys[i].secret, sizeof self->keys[i].secret, NULL, 0,
                                                 keys[i].secret, sizeof keys[i].secret, store->at, PURPOSE);
    }
    self->key_count = key_count;
    randombytes_buf(self->nonce, sizeof self->nonce);
    self->nonce_count = 0;
    if (key_count)
        crypto_core_hchacha20(self->subkey, self->nonce, self->keys[key_count - 1].secret, NULL);
}

void
nm_seal_clear(nm_seal_t *self)
{
    sodium_memzero(self, sizeof *self);
}

size_t
nm_seal_size(const nm_table_t *table, size_t value_size)
{
    return value_size + (table->sealed ? S_SEALED_EXTRA : S_HASHED_HEAD);
}

//  XChaCha20-Poly1305 is ChaCha20-Poly1305 (RFC 8439) under a key made of the first 16 bytes of the
//  nonce, with the last 8 as its nonce (draft-irtf-cfrg-xchacha-03, section 2.3). The first 16 are the
//  same for all that one opening writes, so that key is made once.
static void
s_short_nonce(const uint8_t *nonce, uint8_t out[crypto_aead_chacha20poly1305_ietf_NPUBBYTES])
{
    memset(out, 0, 4);
    memcpy(out + 4, nonce + 16, 8);
}

static void
s_write_sealed(nm_seal_t *self, const s_place_t *place, nm_bytes_t value, uint8_t *out)
{
    assert(self->key_count > 0);
    out[0] = S_FORM_SEALED;
    nm_put_u32(out + 1, self->keys[self->key_count - 1].number);
    uint8_t *nonce = out + 5;
    memcpy(nonce, self->nonce, sizeof self->nonce);
    nm_put_u64(nonce + sizeof self->nonce, self->nonce_count++);
    uint8_t short_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    s_short_nonce(nonce, short_nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(out + S_SEALED_HEAD, NULL, value.at, value.size, place->at, place->size,
                                              NULL, short_nonce, self->subkey);
}

//  libsodium's short hash takes one piece. So the place makes a key of its own, and
//  the value is hashed under that: no copy to put them side by side.
static void
s_hash(const nm_seal_t *self, const s_place_t *place, const uint8_t *value, size_t size, uint8_t *out)
{
    uint8_t place_key[crypto_shorthash_siphashx24_BYTES];
    _Static_assert(sizeof place_key == crypto_shorthash_KEYBYTES, "a hash that is a key");
    crypto_shorthash_siphashx24(place_key, place->at, place->size, self->hash_key);
    crypto_shorthash(out, value, size, place_key);
}

void
nm_seal_write(nm_seal_t *self, const nm_table_t *table, nm_bytes_t key, nm_bytes_t value, uint8_t *out)
{
    s_place_t place = s_place(table, key);
    if (table->sealed) {
        s_write_sealed(self, &place, value, out);
        return;
    }
    out[0] = S_FORM_HASHED;
    s_hash(self, &place, value.at, value.size, out + 1);
    if (value.size)
        memcpy(out + S_HASHED_HEAD, value.at, value.size);
}

nm_rc_t
nm_seal_value_size(const nm_table_t *table, nm_bytes_t stored, size_t *size)
{
    size_t extra = nm_seal_size(table, 0);
    uint8_t form = table->sealed ? S_FORM_SEALED : S_FORM_HASHED;
    if (stored.size < extra || stored.size - extra > NM_STORE_VALUE_MAX || stored.at[0] != form)
        return NM_ERR_CORRUPT;
    *size = stored.size - extra;
    return NM_OK;
}

static nm_rc_t
s_read_sealed(const nm_seal_t *self, const s_place_t *place, nm_bytes_t stored, uint8_t *out)
{
    uint32_t number = nm_seal_key_number(stored);
    for (size_t i = 0; i < self->key_count; i++) {
        if (self->keys[i].number != number)
            continue;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, stored.at + S_SEALED_HEAD,
                                                       stored.size - S_SEALED_HEAD, place->at, place->size,
                                                       stored.at + 5, self->keys[i].secret) == 0)
            return NM_OK;
    }
    return NM_ERR_CORRUPT;
}

nm_rc_t
nm_seal_read(const nm_seal_t *self, const nm_table_t *table, nm_bytes_t key, nm_bytes_t stored, uint8_t *out)
{
    size_t size;
    nm_rc_t rc = nm_seal_value_size(table, stored, &size);
    if (rc != NM_OK)
        return rc;
    s_place_t place = s_place(table, key);
    if (table->sealed)
        return s_read_sealed(self, &place, stored, out);

    uint8_t hash[crypto_shorthash_BYTES];
    s_hash(self, &place, stored.at + S_HASHED_HEAD, size, hash);
    if (sodium_memcmp(hash, stored.at + 1, sizeof hash) != 0)
        return NM_ERR_CORRUPT;
    if (size)
        memcpy(out, stored.at + S_HASHED_HEAD, size);
    return NM_OK;
}

nm_rc_t
nm_seal_mark_at(uint8_t form, size_t size, size_t *at)
{
    _Static_assert(S_HASHED_HEAD == 1 + S_MARK_SIZE, "the hash is the mark");
    if (form == S_FORM_SEALED && size >= S_SEALED_EXTRA)
        *at = size - S_MARK_SIZE;
    else if ((form == S_FORM_HASHED || form == S_FORM_HEAD) && size >= S_HASHED_HEAD)
        *at = 1;
    else
        return NM_ERR_CORRUPT;
    return NM_OK;
}

uint32_t
nm_seal_key_number(nm_bytes_t stored)
{
    return stored.size >= S_SEALED_EXTRA && stored.at[0] == S_FORM_SEALED ? nm_get_u32(stored.at + 1) : 0;
}
