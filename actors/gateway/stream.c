#include "actors/gateway/stream.h"

#include <sodium.h>

static const char HEAD[] = "v2";

enum {
    HEAD_SIZE = 2,
    CHECK_SIZE = 4,
    VARINT_SIZE = 10,
    RAW_MAX = (2 + 2 * NM_STREAM_MAX) * VARINT_SIZE + CHECK_SIZE,
    NUMBER_VARINT_SIZE = 3,
};
_Static_assert(HEAD_SIZE +
                       ((NM_STREAM_MAX * (NUMBER_VARINT_SIZE + VARINT_SIZE) + 2 * VARINT_SIZE + CHECK_SIZE) * 4 + 2) /
                           3 <=
                   NM_STREAM_CURSOR_MAX,
               "the longest cursor is within its limit");

//  -- Places

//  Where the point of that number is, or would be.
static size_t
s_at(const nm_stream_t *self, uint16_t number)
{
    size_t i = 0;
    while (i < self->count && self->points[i].number < number)
        i++;
    return i;
}

const nm_point_t *
nm_stream_find(const nm_stream_t *self, uint16_t number)
{
    size_t i = s_at(self, number);
    return i < self->count && self->points[i].number == number ? &self->points[i] : NULL;
}

void
nm_stream_put(nm_stream_t *self, uint16_t number, uint64_t position)
{
    size_t i = s_at(self, number);
    bool there = i < self->count && self->points[i].number == number;
    if (!there && self->count == NM_STREAM_MAX)
        return;
    if (!there)
        memmove(&self->points[i + 1], &self->points[i], (self->count++ - i) * sizeof *self->points);
    self->points[i] = (nm_point_t){ number, position };
}

void
nm_stream_drop(nm_stream_t *self, uint16_t number)
{
    size_t i = s_at(self, number);
    if (i < self->count && self->points[i].number == number)
        memmove(&self->points[i], &self->points[i + 1], (--self->count - i) * sizeof *self->points);
}

bool
nm_stream_equal(const nm_stream_t *a, const nm_stream_t *b)
{
    if (a->since_ms != b->since_ms || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->points[i].number != b->points[i].number || a->points[i].position != b->points[i].position)
            return false;
    return true;
}

//  -- As text

static void
s_check(const uint8_t *authority, const uint8_t *raw, size_t size, uint8_t check[CHECK_SIZE])
{
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, raw, size, authority);
    memcpy(check, hash, CHECK_SIZE);
}

static size_t
s_put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t) (value | 0x80);
    out[size++] = (uint8_t) value;
    return size;
}

void
nm_stream_text(const nm_stream_t *self, const uint8_t *authority, char out[NM_STREAM_CURSOR_MAX + 1])
{
    uint8_t raw[RAW_MAX];
    uint16_t before = 0;
    size_t size = s_put_varint(raw, (uint64_t) self->since_ms);
    size += s_put_varint(raw + size, self->count);
    for (size_t i = 0; i < self->count; i++) {
        size += s_put_varint(raw + size, (uint64_t) self->points[i].number - before);
        size += s_put_varint(raw + size, self->points[i].position);
        before = self->points[i].number;
    }
    s_check(authority, raw, size, raw + size);
    memcpy(out, HEAD, HEAD_SIZE);
    sodium_bin2base64(out + HEAD_SIZE, NM_STREAM_CURSOR_MAX + 1 - HEAD_SIZE, raw, size + CHECK_SIZE,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

//  What is left of a cursor; bad once something was not there.
typedef struct {
    const uint8_t *at, *end;
    bool bad;
} varints_t;

static uint64_t
s_take_varint(varints_t *self, uint64_t max)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && self->at < self->end; shift += 7) {
        uint8_t byte = *self->at++;
        value |= (uint64_t) (byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        self->bad |= value > max;
        return value;
    }
    self->bad = true;
    return 0;
}

static nm_rc_t
s_take(nm_stream_t *self, varints_t *raw)
{
    uint64_t number = 0;
    self->since_ms = (int64_t) s_take_varint(raw, INT64_MAX);
    self->count = s_take_varint(raw, NM_STREAM_MAX);
    for (size_t i = 0; !raw->bad && i < self->count; i++) {
        uint64_t step = s_take_varint(raw, UINT16_MAX);
        number += step;
        raw->bad |= step == 0 || number > UINT16_MAX;
        self->points[i] = (nm_point_t){ (uint16_t) number, s_take_varint(raw, UINT64_MAX) };
    }
    return raw->bad || raw->at != raw->end ? NM_ERR_MALFORMED : NM_OK;
}

nm_rc_t
nm_stream_read(nm_stream_t *self, const uint8_t *authority, nm_bytes_t text)
{
    uint8_t raw[RAW_MAX], check[CHECK_SIZE];
    size_t size;
    *self = (nm_stream_t){ .count = 0 };
    if (text.size <= HEAD_SIZE || memcmp(text.at, HEAD, HEAD_SIZE) != 0)
        return NM_ERR_MALFORMED;
    if (sodium_base642bin(raw, sizeof raw, (const char *) text.at + HEAD_SIZE, text.size - HEAD_SIZE, NULL, &size, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        size < CHECK_SIZE)
        return NM_ERR_MALFORMED;
    size -= CHECK_SIZE;
    s_check(authority, raw, size, check);
    if (memcmp(check, raw + size, CHECK_SIZE) != 0)
        return NM_ERR_MALFORMED;
    varints_t rest = { raw, raw + size, false };
    return s_take(self, &rest);
}

//  -- One point

void
nm_point_text(const nm_point_t *self, char out[NM_POINT_TEXT_SIZE + 1])
{
    snprintf(out, NM_POINT_TEXT_SIZE + 1, "%u-%llx", (unsigned) self->number, (unsigned long long) self->position);
}

nm_rc_t
nm_point_read(nm_point_t *self, nm_bytes_t text)
{
    char copy[NM_POINT_TEXT_SIZE + 1], again[NM_POINT_TEXT_SIZE + 1];
    unsigned long long position;
    unsigned number;
    nm_bytes_to_text(text, copy, sizeof copy);
    if (sscanf(copy, "%u-%llx", &number, &position) != 2 || number > UINT16_MAX)
        return NM_ERR_MALFORMED;
    *self = (nm_point_t){ (uint16_t) number, position };
    nm_point_text(self, again);
    return nm_bytes_is(text, again) ? NM_OK : NM_ERR_MALFORMED;
}
