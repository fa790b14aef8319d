#include "wire/writer.h"
#include "wire/id.h"
#include "wire/time.h"

#include <assert.h>
#include <msgpack/pack.h>

enum { HEAD16_SIZE = 3, HEAD_MAP16 = 0xde, HEAD_LIST16 = 0xdc };

static int
s_write(void *out, const char *at, size_t size)
{
    nm_buf_add(out, at, size);
    return 0;
}

static msgpack_packer
s_packer(nm_buf_t *out)
{
    return (msgpack_packer){ .data = out, .callback = s_write };
}

void
nm_writer_nil(nm_buf_t *out)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_nil(&packer);
}

void
nm_writer_bool(nm_buf_t *out, bool value)
{
    msgpack_packer packer = s_packer(out);
    if (value)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
}

void
nm_writer_uint(nm_buf_t *out, uint64_t value)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_uint64(&packer, value);
}

void
nm_writer_int(nm_buf_t *out, int64_t value)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_int64(&packer, value);
}

void
nm_writer_float(nm_buf_t *out, double value)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_double(&packer, value);
}

void
nm_writer_str(nm_buf_t *out, nm_bytes_t text)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_str(&packer, text.size);
    nm_buf_add_bytes(out, text);
}

void
nm_writer_text(nm_buf_t *out, const char *text)
{
    nm_writer_str(out, nm_text(text));
}

void
nm_writer_bin(nm_buf_t *out, nm_bytes_t bytes)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_bin(&packer, bytes.size);
    nm_buf_add_bytes(out, bytes);
}

void
nm_writer_list(nm_buf_t *out, size_t count)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_array(&packer, count);
}

void
nm_writer_map(nm_buf_t *out, size_t count)
{
    msgpack_packer packer = s_packer(out);
    msgpack_pack_map(&packer, count);
}

void
nm_writer_raw(nm_buf_t *out, nm_bytes_t raw)
{
    nm_buf_add_bytes(out, raw);
}

//  Leaves room for a head with a count of 16 bits, and says where it is.
static size_t
s_open(nm_buf_t *out, uint8_t head)
{
    const uint8_t room[HEAD16_SIZE] = { head, 0, 0 };
    size_t mark = out->size;
    nm_buf_add(out, room, sizeof room);
    return mark;
}

static void
s_close(nm_buf_t *out, size_t mark, size_t count)
{
    assert(count <= UINT16_MAX && mark + HEAD16_SIZE <= out->size);
    out->at[mark + 1] = (uint8_t) (count >> 8);
    out->at[mark + 2] = (uint8_t) count;
}

size_t
nm_writer_map_open(nm_buf_t *out)
{
    return s_open(out, HEAD_MAP16);
}

void
nm_writer_map_close(nm_buf_t *out, size_t mark, size_t count)
{
    s_close(out, mark, count);
}

size_t
nm_writer_list_open(nm_buf_t *out)
{
    return s_open(out, HEAD_LIST16);
}

void
nm_writer_list_close(nm_buf_t *out, size_t mark, size_t count)
{
    s_close(out, mark, count);
}

void
nm_writer_pair_text(nm_buf_t *out, const char *key, const char *value)
{
    nm_writer_text(out, key);
    nm_writer_text(out, value);
}

void
nm_writer_pair_str(nm_buf_t *out, const char *key, nm_bytes_t value)
{
    nm_writer_text(out, key);
    nm_writer_str(out, value);
}

void
nm_writer_pair_uint(nm_buf_t *out, const char *key, uint64_t value)
{
    nm_writer_text(out, key);
    nm_writer_uint(out, value);
}

void
nm_writer_pair_bool(nm_buf_t *out, const char *key, bool value)
{
    nm_writer_text(out, key);
    nm_writer_bool(out, value);
}

void
nm_writer_pair_id(nm_buf_t *out, const char *key, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(id, text);
    nm_writer_pair_text(out, key, text);
}

void
nm_writer_pair_time(nm_buf_t *out, const char *key, int64_t at_ms)
{
    char text[NM_TIME_TEXT_SIZE + 1];
    nm_time_to_text(at_ms, text);
    nm_writer_pair_text(out, key, text);
}

void
nm_writer_pair_raw(nm_buf_t *out, const char *key, nm_bytes_t raw)
{
    nm_writer_text(out, key);
    nm_writer_raw(out, raw);
}

void
nm_writer_pair_raw_or_nil(nm_buf_t *out, const char *key, bool has, nm_bytes_t raw)
{
    nm_writer_text(out, key);
    if (has)
        nm_writer_raw(out, raw);
    else
        nm_writer_nil(out);
}
