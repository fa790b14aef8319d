//  A stored value and the head of a store: any bytes are refused or opened without
//  harm, and what was written comes back.
#include <sodium.h>

#include "lmdb_store/store_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t size);

#define PROMISE(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static const nm_table_t TABLES[] = { { .number = 40, .sealed = false }, { .number = 41, .sealed = true } };
static const nm_store_key_t KEY = { .number = 5, .secret = "the key that the fuzzer seals by" };

static void
s_try_value(nm_seal_t *seal, const nm_table_t *table, nm_bytes_t bytes)
{
    size_t size;
    if (nm_seal_value_size(table, bytes, &size) == NM_OK) {
        uint8_t *out = nm_alloc(size);
        PROMISE(size < bytes.size);
        PROMISE(nm_seal_read(seal, table, nm_text("key"), bytes, out) == NM_ERR_CORRUPT);
        free(out);
    }
    size_t stored_size = nm_seal_size(table, bytes.size);
    uint8_t *stored = nm_alloc(stored_size), *back = nm_alloc(bytes.size);
    nm_seal_write(seal, table, nm_text("key"), bytes, stored);
    PROMISE(nm_seal_read(seal, table, nm_text("key"), nm_bytes(stored, stored_size), back) == NM_OK);
    PROMISE(nm_bytes_equal(bytes, nm_bytes(back, bytes.size)));
    free(stored);
    free(back);
}

//  With its checksum put right, or nothing behind it were ever reached.
static void
s_try_head(nm_bytes_t bytes)
{
    nm_store_head_t head;
    nm_buf_t copy = { 0 };
    nm_store_head_read(&head, bytes, 3);
    if (bytes.size < 17)
        return;
    nm_buf_add_bytes(&copy, bytes);
    copy.at[0] = 3;
    crypto_generichash(copy.at + 1, 16, copy.at + 17, copy.size - 17, NULL, 0);
    if (nm_store_head_read(&head, nm_buf_bytes(&copy), 3) == NM_OK && head.schema <= 3) {
        PROMISE(head.schema > 0 && head.owner.size > 0 && head.owner.size <= NM_NAME_MAX);
        PROMISE(head.owner.at + head.owner.size == copy.at + copy.size);
    }
    nm_buf_free(&copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    static const nm_id_t STORE = { "the fuzzed store" };
    nm_seal_t seal = { .hash_key = "the hash's key.." };
    if (sodium_init() < 0)
        abort();
    nm_seal_init(&seal, &KEY, 1, &STORE);
    for (size_t i = 0; i < NM_COUNT(TABLES); i++)
        s_try_value(&seal, &TABLES[i], nm_bytes(at, size));
    s_try_head(nm_bytes(at, size));
    return 0;
}
