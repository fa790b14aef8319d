/*  key - builds ordered keys: what compares first comes first.
 *
 *  Numbers are big-endian, so LMDB's byte order is their order. A part of varying
 *  length must come last or carry its length, or two different keys could be equal.
 */
#ifndef NM_KEY_H
#define NM_KEY_H

#include <assert.h>
#include "nm.h"
#include "lmdb_store/store.h"

typedef struct {
    uint8_t at[NM_STORE_KEY_MAX];
    size_t size;
} nm_key_t;

static inline void
nm_key_bytes(nm_key_t *self, nm_bytes_t bytes)
{
    assert(bytes.size <= sizeof self->at - self->size);
    if (bytes.size)
        memcpy(self->at + self->size, bytes.at, bytes.size);
    self->size += bytes.size;
}

static inline void
nm_key_u8(nm_key_t *self, uint8_t value)
{
    nm_key_bytes(self, nm_bytes(&value, 1));
}

static inline void
nm_key_u32(nm_key_t *self, uint32_t value)
{
    uint8_t raw[4];
    nm_put_u32(raw, value);
    nm_key_bytes(self, nm_bytes(raw, sizeof raw));
}

static inline void
nm_key_u64(nm_key_t *self, uint64_t value)
{
    uint8_t raw[8];
    nm_put_u64(raw, value);
    nm_key_bytes(self, nm_bytes(raw, sizeof raw));
}

static inline void
nm_key_id(nm_key_t *self, const nm_id_t *id)
{
    nm_key_bytes(self, nm_bytes(id->at, sizeof id->at));
}

//  A length byte, then the text: safe before further parts.
static inline void
nm_key_text(nm_key_t *self, nm_bytes_t text)
{
    assert(text.size <= UINT8_MAX);
    nm_key_u8(self, (uint8_t) text.size);
    nm_key_bytes(self, text);
}

static inline nm_bytes_t
nm_key_view(const nm_key_t *self)
{
    return nm_bytes(self->at, self->size);
}

#endif
