#include "tools/nctl/json.h"
#include "tools/nctl/screen.h"
#include "wire/limits.h"
#include "wire/reader.h"
#include "wire/utf8.h"
#include "wire/writer.h"
#include <sodium.h>

static nm_rc_t
s_pack(const json_t *json, unsigned depth, nm_buf_t *out)
{
    if (depth > NM_DEPTH_MAX)
        return NM_ERR_MALFORMED;
    switch (json_typeof(json)) {
    case JSON_NULL: nm_writer_nil(out); return NM_OK;
    case JSON_TRUE: nm_writer_bool(out, true); return NM_OK;
    case JSON_FALSE: nm_writer_bool(out, false); return NM_OK;
    case JSON_INTEGER: nm_writer_int(out, json_integer_value(json)); return NM_OK;
    case JSON_REAL: nm_writer_float(out, json_real_value(json)); return NM_OK;
    case JSON_STRING: nm_writer_str(out, nm_bytes(json_string_value(json), json_string_length(json))); return NM_OK;
    case JSON_ARRAY: break;
    case JSON_OBJECT: break;
    }
    nm_rc_t rc = NM_OK;
    if (json_is_array(json)) {
        nm_writer_list(out, json_array_size(json));
        for (size_t i = 0; rc == NM_OK && i < json_array_size(json); i++)
            rc = s_pack(json_array_get(json, i), depth + 1, out);
        return rc;
    }
    const char *name;
    json_t *value;
    nm_writer_map(out, json_object_size(json));
    json_object_foreach((json_t *) json, name, value)
    {
        nm_writer_text(out, name);
        rc = s_pack(value, depth + 1, out);
        if (rc != NM_OK)
            break;
    }
    return rc;
}

nm_rc_t
nm_json_pack(const json_t *json, nm_buf_t *out)
{
    size_t start = out->size;
    nm_rc_t rc = s_pack(json, 1, out);
    if (rc != NM_OK)
        out->size = start;
    return rc;
}

static json_t *
s_base64(nm_bytes_t bytes)
{
    size_t size = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    char *text = nm_alloc(size);
    sodium_bin2base64(text, size, bytes.at, bytes.size, sodium_base64_VARIANT_ORIGINAL);
    json_t *json = json_string(text);
    free(text);
    return json;
}

static json_t *s_unpack(nm_reader_t *reader);

static json_t *
s_unpack_list(nm_reader_t *reader)
{
    uint32_t count;
    json_t *list = json_array();
    nm_reader_list(reader, &count);
    for (uint32_t i = 0; !reader->bad && i < count; i++)
        json_array_append_new(list, s_unpack(reader));
    return list;
}

//  Keys are texts towards clients; a number, as between actors, is shown as one.
static void
s_key(nm_reader_t *reader, char *out, size_t size)
{
    nm_bytes_t text = { 0 };
    uint64_t number = 0;
    if (nm_reader_peek(reader) == NM_KIND_UINT && nm_reader_uint(reader, &number) == NM_OK) {
        snprintf(out, size, "%llu", (unsigned long long) number);
        return;
    }
    nm_reader_str(reader, &text);
    nm_bytes_to_text(text, out, size);
}

static json_t *
s_unpack_map(nm_reader_t *reader)
{
    uint32_t count;
    json_t *map = json_object();
    nm_reader_map(reader, &count);
    for (uint32_t i = 0; !reader->bad && i < count; i++) {
        char key[512];
        s_key(reader, key, sizeof key);
        json_object_set_new(map, key, reader->bad ? json_null() : s_unpack(reader));
    }
    return map;
}

static json_t *
s_unpack_number(nm_reader_t *reader, nm_kind_t kind)
{
    double real = 0;
    int64_t integer = 0;
    uint64_t natural = 0;
    if (kind == NM_KIND_UINT && nm_reader_uint(reader, &natural) == NM_OK && natural > INT64_MAX)
        return json_real((double) natural);
    if (kind == NM_KIND_UINT)
        return json_integer((json_int_t) natural);
    if (kind == NM_KIND_INT) {
        nm_reader_int(reader, &integer);
        return json_integer(integer);
    }
    nm_reader_float(reader, &real);
    json_t *json = json_real(real);
    return json ? json : json_null();  //  JSON has no infinity
}

static json_t *
s_unpack(nm_reader_t *reader)
{
    bool flag = false;
    nm_bytes_t bytes = { 0 };
    nm_kind_t kind = nm_reader_peek(reader);
    switch (kind) {
    case NM_KIND_BOOL: nm_reader_bool(reader, &flag); return json_boolean(flag);
    case NM_KIND_UINT:
    case NM_KIND_INT:
    case NM_KIND_FLOAT: return s_unpack_number(reader, kind);
    case NM_KIND_STR: nm_reader_str(reader, &bytes); return json_stringn((const char *) bytes.at, bytes.size);
    case NM_KIND_BIN: nm_reader_bin(reader, &bytes); return s_base64(bytes);
    case NM_KIND_LIST: return s_unpack_list(reader);
    case NM_KIND_MAP: return s_unpack_map(reader);
    case NM_KIND_NIL:
    case NM_KIND_NONE: break;
    }
    nm_reader_nil(reader);
    return json_null();
}

json_t *
nm_json_unpack(nm_bytes_t raw)
{
    nm_reader_t reader;
    if (nm_reader_check(raw) != NM_OK)
        return NULL;
    nm_reader_open(&reader, raw);
    json_t *json = s_unpack(&reader);
    if (nm_reader_done(&reader))
        return json;
    json_decref(json);
    return NULL;
}

json_t *
nm_json_parse(nm_bytes_t text, nm_error_t *error)
{
    json_error_t fault;
    json_t *json = json_loadb((const char *) text.at, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!json)
        nm_fail(error, NM_ERR_MALFORMED, "not JSON, line %d column %d: %s", fault.line, fault.column, fault.text);
    return json;
}

void
nm_json_write(const json_t *json, bool indented, nm_buf_t *out)
{
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) | (indented ? JSON_INDENT(2) : JSON_COMPACT);
    char *text = json_dumps(json, flags);
    nm_bytes_t rest = nm_text(text ? text : "");
    const uint8_t *at = rest.at;
    uint32_t rune;
    for (; nm_utf8_next(&rest, &rune); at = rest.at) {
        bool ours = rune == '\n';  //  One of a text is escaped already
        if (ours || nm_screen_may_show(rune))
            nm_buf_add(out, at, (size_t) (rest.at - at));
        else
            nm_buf_format(out, "\\u%04x", (unsigned) rune);
    }
    free(text);
}

void
nm_json_print(const json_t *json, bool indented, FILE *out)
{
    nm_buf_t text = { 0 };
    nm_json_write(json, indented, &text);
    nm_buf_add_text(&text, "\n");
    fwrite(text.at, 1, text.size, out);
    nm_buf_free(&text);
}

const char *
nm_json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t
nm_json_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}
