/*  seal - the bytes of a stored value: sealed, or with a keyed hash.
 *
 *  Private to lmdb_store/. Both forms are bound to the number of the table and to
 *  the key, so that a value that was moved, swapped or changed does not open.
 *
 *      sealed  [1][master key number u32][nonce 24][ciphertext][tag 16]
 *      hashed  [2][hash 8][value]
 *
 *  The key that seals is derived from the master key and the store id, so equal
 *  master keys on two machines do not meet in one cipher. The table decides the
 *  form, never the bytes, so a sealed value cannot be replaced by a hashed one.
 */
#ifndef NM_SEAL_H
#define NM_SEAL_H

#include "nm.h"
#include "lmdb_store/store.h"

enum {
    NM_SEAL_KEYS_MAX = 16,       //  Master keys that one store opens with
    NM_SEAL_HASH_KEY_SIZE = 16,  //  The secret of the keyed hash
};

typedef struct {
    struct {
        uint32_t number;
        uint8_t secret[32];
    } keys[NM_SEAL_KEYS_MAX];  //  The last one seals
    size_t key_count;
    uint8_t hash_key[NM_SEAL_HASH_KEY_SIZE];
    uint8_t nonce[16];     //  Random, of this opening
    uint64_t nonce_count;  //  The rest of the nonce: no system call per value
    uint8_t subkey[32];    //  What XChaCha20 makes of the last key and `nonce`: the same for all values of this opening
} nm_seal_t;

//  Derives the keys and draws a nonce. The hash key is set by the store, from its
//  meta table.
void nm_seal_init(nm_seal_t *self, const nm_store_key_t *keys, size_t key_count, const nm_id_t *store);
void nm_seal_clear(nm_seal_t *self);

//  How many bytes a value takes in the table.
size_t nm_seal_size(const nm_table_t *table, size_t value_size);

//  Writes nm_seal_size bytes to out.
void nm_seal_write(nm_seal_t *self, const nm_table_t *table, nm_bytes_t key, nm_bytes_t value, uint8_t *out);

//  How large the value in stored is; NM_ERR_CORRUPT if stored cannot be one.
nm_rc_t nm_seal_value_size(const nm_table_t *table, nm_bytes_t stored, size_t *size);

//  Writes the value to out, which has room for its size. NM_ERR_CORRUPT if the
//  bytes are not what was written under this table and key; out is then undefined.
nm_rc_t nm_seal_read(const nm_seal_t *self, const nm_table_t *table, nm_bytes_t key, nm_bytes_t stored, uint8_t *out);

//  Where in a stored value the eight bytes stand that vouch for it: the hash, or the end of the
//  tag. They differ with table, key and value. form is the first byte; the head of a store
//  (head.c) has one of its own. NM_ERR_CORRUPT if no value has this form and size.
nm_rc_t nm_seal_mark_at(uint8_t form, size_t size, size_t *at);

//  The number of the master key that sealed the value, 0 if it is not a sealed one.
uint32_t nm_seal_key_number(nm_bytes_t stored);

#endif
