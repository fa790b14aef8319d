#include "actors/gateway/fingerprint.h"

#include <math.h>

#include "wire/reader.h"

struct nm_fingerprint_pair {
    nm_bytes_t key;
    nm_bytes_t value;
};
typedef struct nm_fingerprint_pair pair_t;

static crypto_generichash_state *
s_state(nm_fingerprint_t *self)
{
    uintptr_t at = ((uintptr_t) self->room + 63) & ~(uintptr_t) 63;
    return (crypto_generichash_state *) at;
}

void
nm_fingerprint_start(nm_fingerprint_t *self, const uint8_t key[NM_FINGERPRINT_KEY_SIZE])
{
    self->pairs = NULL;
    self->pair_count = self->pair_room = 0;
    crypto_generichash_init(s_state(self), key, NM_FINGERPRINT_KEY_SIZE, NM_FINGERPRINT_SIZE);
}

static void
s_add(nm_fingerprint_t *self, char kind, uint64_t number, nm_bytes_t bytes)
{
    uint8_t head[9];
    head[0] = (uint8_t) kind;
    nm_put_u64(head + 1, number);
    crypto_generichash_update(s_state(self), head, sizeof head);
    if (bytes.size)
        crypto_generichash_update(s_state(self), bytes.at, bytes.size);
}

void
nm_fingerprint_bytes(nm_fingerprint_t *self, nm_bytes_t bytes)
{
    s_add(self, 's', bytes.size, bytes);
}

void
nm_fingerprint_number(nm_fingerprint_t *self, uint64_t number)
{
    s_add(self, 'u', number, nm_bytes(NULL, 0));
}

//  1.0 and 1 are one number to JSON.
static void
s_add_float(nm_fingerprint_t *self, double value)
{
    static const double EXACT = 9007199254740992.0;  //  2^53
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value >= -EXACT && value <= EXACT && value == floor(value))
        s_add(self, value < 0 ? 'i' : 'u', (uint64_t) (int64_t) value, nm_bytes(NULL, 0));
    else
        s_add(self, 'f', bits, nm_bytes(NULL, 0));
}

static int
s_compare(const void *a, const void *b)
{
    const pair_t *left = a, *right = b;
    size_t size = left->key.size < right->key.size ? left->key.size : right->key.size;
    int order = size ? memcmp(left->key.at, right->key.at, size) : 0;
    if (order)
        return order;
    return left->key.size < right->key.size ? -1 : left->key.size > right->key.size;
}

static void
s_push(nm_fingerprint_t *self, nm_bytes_t key, nm_bytes_t value)
{
    if (self->pair_count == self->pair_room) {
        self->pair_room = self->pair_room ? self->pair_room * 2 : 64;
        self->pairs = nm_realloc(self->pairs, self->pair_room * sizeof *self->pairs);
    }
    self->pairs[self->pair_count++] = (pair_t){ key, value };
}

static void s_value(nm_fingerprint_t *self, nm_bytes_t raw, bool top);

static bool
s_is_nil(nm_bytes_t raw)
{
    nm_reader_t reader;
    nm_reader_open(&reader, raw);
    return nm_reader_peek(&reader) == NM_KIND_NIL;
}

//  Depth is bounded by the check of the frame, so the recursion is.
static void
s_map(nm_fingerprint_t *self, nm_reader_t *reader, bool top)
{
    uint32_t count = 0;
    size_t first = self->pair_count;
    nm_bytes_t key, value;
    nm_reader_map(reader, &count);
    while (count-- && nm_reader_raw(reader, &key) == NM_OK && nm_reader_raw(reader, &value) == NM_OK)
        if (!top || !s_is_nil(value))
            s_push(self, key, value);

    size_t end = self->pair_count;
    if (end > first)
        qsort(self->pairs + first, end - first, sizeof *self->pairs, s_compare);
    s_add(self, 'm', end - first, nm_bytes(NULL, 0));
    for (size_t i = first; i < end; i++) {
        pair_t pair = self->pairs[i];  //  The array may move below
        s_value(self, pair.key, false);
        s_value(self, pair.value, false);
    }
    self->pair_count = first;
}

static void
s_list(nm_fingerprint_t *self, nm_reader_t *reader)
{
    uint32_t count = 0;
    nm_bytes_t item;
    nm_reader_list(reader, &count);
    s_add(self, 'l', count, nm_bytes(NULL, 0));
    while (count-- && nm_reader_raw(reader, &item) == NM_OK)
        s_value(self, item, false);
}

static void
s_value(nm_fingerprint_t *self, nm_bytes_t raw, bool top)
{
    nm_reader_t reader;
    nm_bytes_t bytes = { 0 };
    uint64_t unsigned_value = 0;
    int64_t signed_value = 0;
    double real = 0;
    bool flag = false;
    nm_reader_open(&reader, raw);

    switch (nm_reader_peek(&reader)) {
    case NM_KIND_NIL: s_add(self, 'n', 0, bytes); break;
    case NM_KIND_BOOL:
        nm_reader_bool(&reader, &flag);
        s_add(self, 'b', flag, bytes);
        break;
    case NM_KIND_UINT:
        nm_reader_uint(&reader, &unsigned_value);
        s_add(self, 'u', unsigned_value, bytes);
        break;
    case NM_KIND_INT:
        nm_reader_int(&reader, &signed_value);
        s_add(self, 'i', (uint64_t) signed_value, bytes);
        break;
    case NM_KIND_FLOAT:
        nm_reader_float(&reader, &real);
        s_add_float(self, real);
        break;
    case NM_KIND_STR:
        nm_reader_str(&reader, &bytes);
        s_add(self, 's', bytes.size, bytes);
        break;
    case NM_KIND_BIN:
        nm_reader_bin(&reader, &bytes);
        s_add(self, 'x', bytes.size, bytes);
        break;
    case NM_KIND_LIST: s_list(self, &reader); break;
    case NM_KIND_MAP: s_map(self, &reader, top); break;
    case NM_KIND_NONE: break;
    }
}

void
nm_fingerprint_value(nm_fingerprint_t *self, nm_bytes_t raw)
{
    s_value(self, raw, true);
}

void
nm_fingerprint_end(nm_fingerprint_t *self, uint8_t hash[NM_FINGERPRINT_SIZE])
{
    crypto_generichash_final(s_state(self), hash, NM_FINGERPRINT_SIZE);
    free(self->pairs);
    self->pairs = NULL;
}
