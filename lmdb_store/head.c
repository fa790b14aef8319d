#include "lmdb_store/store_private.h"

#include <assert.h>
#include <sodium.h>

//  The head is written in this form for ever, up to and including the schema, so
//  that any version can tell which version a store is of:
//      [3][BLAKE2b 16 of the rest][schema u32][store id 16][owner]
enum {
    S_HEAD_FORM = 3,
    S_HEAD_HASH = 16,
    S_HEAD_REST = 1 + S_HEAD_HASH,
    S_HEAD_ID = S_HEAD_REST + 4,
    S_HEAD_OWNER = S_HEAD_ID + NM_ID_SIZE,
};

_Static_assert(NM_HEAD_SIZE_MAX == S_HEAD_OWNER + NM_NAME_MAX, "room for the longest owner");

static void
s_hash(uint8_t *hash, const uint8_t *head, size_t size)
{
    crypto_generichash(hash, S_HEAD_HASH, head + S_HEAD_REST, size - S_HEAD_REST, NULL, 0);
}

size_t
nm_store_head_write(const nm_store_head_t *head, uint8_t out[NM_HEAD_SIZE_MAX])
{
    assert(head->owner.size > 0 && head->owner.size <= NM_NAME_MAX);
    size_t size = S_HEAD_OWNER + head->owner.size;
    out[0] = S_HEAD_FORM;
    nm_put_u32(out + S_HEAD_REST, head->schema);
    memcpy(out + S_HEAD_ID, head->id.at, NM_ID_SIZE);
    memcpy(out + S_HEAD_OWNER, head->owner.at, head->owner.size);
    s_hash(out + 1, out, size);
    return size;
}

nm_rc_t
nm_store_head_read(nm_store_head_t *head, nm_bytes_t stored, uint32_t known_schema)
{
    uint8_t hash[S_HEAD_HASH];
    if (stored.size < S_HEAD_ID || stored.at[0] != S_HEAD_FORM)
        return NM_ERR_CORRUPT;
    s_hash(hash, stored.at, stored.size);
    if (memcmp(hash, stored.at + 1, sizeof hash) != 0)
        return NM_ERR_CORRUPT;
    head->schema = nm_get_u32(stored.at + S_HEAD_REST);
    if (head->schema > known_schema)
        return NM_OK;
    if (head->schema == 0 || stored.size <= S_HEAD_OWNER || stored.size > NM_HEAD_SIZE_MAX)
        return NM_ERR_CORRUPT;
    memcpy(head->id.at, stored.at + S_HEAD_ID, NM_ID_SIZE);
    head->owner = nm_bytes(stored.at + S_HEAD_OWNER, stored.size - S_HEAD_OWNER);
    return NM_OK;
}
