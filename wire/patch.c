#include "wire/patch.h"

#include "wire/reader.h"
#include "wire/writer.h"

static bool
s_is_nil(nm_bytes_t raw)
{
    nm_reader_t reader;
    nm_reader_open(&reader, raw);
    return nm_reader_peek(&reader) == NM_KIND_NIL;
}

bool
nm_patch_has(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw;
    return nm_reader_find(map, key, &raw) == NM_OK && !s_is_nil(raw);
}

static bool
s_names(nm_bytes_t map, nm_bytes_t key)
{
    nm_reader_t reader;
    nm_bytes_t name, value;
    uint32_t count = 0;
    nm_reader_open(&reader, map);
    nm_reader_map(&reader, &count);
    while (count-- && nm_reader_str(&reader, &name) == NM_OK && nm_reader_raw(&reader, &value) == NM_OK)
        if (nm_bytes_equal(name, key))
            return true;
    return false;
}

//  Adds the pairs of a map that are not null, and that the other does not name.
static size_t
s_add_pairs(nm_bytes_t map, nm_bytes_t other, nm_buf_t *out)
{
    nm_reader_t reader;
    nm_bytes_t name, value;
    uint32_t count = 0;
    size_t added = 0;
    nm_reader_open(&reader, map);
    nm_reader_map(&reader, &count);
    while (count-- && nm_reader_str(&reader, &name) == NM_OK && nm_reader_raw(&reader, &value) == NM_OK) {
        if (s_is_nil(value) || s_names(other, name))
            continue;
        nm_writer_str(out, name);
        nm_writer_raw(out, value);
        added++;
    }
    return added;
}

void
nm_patch_apply(nm_bytes_t target, nm_bytes_t patch, nm_buf_t *out)
{
    size_t mark = nm_writer_map_open(out);
    size_t count = target.size ? s_add_pairs(target, patch, out) : 0;
    count += s_add_pairs(patch, nm_bytes(NULL, 0), out);
    nm_writer_map_close(out, mark, count);
}
