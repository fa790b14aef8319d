#include "actors/bridge/convert.h"

#include <jansson.h>
#include <math.h>

#include "wire/limits.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  -- JSON to MessagePack

typedef struct {
    nm_buf_t *out;
    size_t nodes;
} packer_t;

static nm_rc_t s_pack(packer_t *self, const json_t *json, unsigned depth);

static nm_rc_t
s_pack_pairs(packer_t *self, const json_t *object, unsigned depth)
{
    const char *name;
    json_t *value;
    nm_rc_t rc = NM_OK;
    json_object_foreach((json_t *) object, name, value)
    {
        self->nodes++;
        nm_writer_text(self->out, name);
        rc = s_pack(self, value, depth);
        if (rc != NM_OK)
            break;
    }
    return rc;
}

static nm_rc_t
s_pack(packer_t *self, const json_t *json, unsigned depth)
{
    nm_rc_t rc = NM_OK;
    nm_buf_t *out = self->out;
    bool nests = json_is_array(json) || json_is_object(json);
    if ((nests && depth > NM_CONVERT_DEPTH_MAX) || ++self->nodes > NM_CONVERT_NODE_MAX)
        return NM_ERR_MALFORMED;
    switch (json_typeof(json)) {
    case JSON_NULL: nm_writer_nil(out); break;
    case JSON_TRUE: nm_writer_bool(out, true); break;
    case JSON_FALSE: nm_writer_bool(out, false); break;
    case JSON_INTEGER: nm_writer_int(out, json_integer_value(json)); break;
    case JSON_REAL: nm_writer_float(out, json_real_value(json)); break;
    case JSON_STRING: nm_writer_str(out, nm_bytes(json_string_value(json), json_string_length(json))); break;
    case JSON_ARRAY:
        nm_writer_list(out, json_array_size(json));
        for (size_t i = 0; rc == NM_OK && i < json_array_size(json); i++)
            rc = s_pack(self, json_array_get(json, i), depth + 1);
        break;
    case JSON_OBJECT:
        nm_writer_map(out, json_object_size(json));
        rc = s_pack_pairs(self, json, depth + 1);
        break;
    }
    return rc;
}

//  About how many values there are, before any of them costs memory: each but the first follows one of these.
static size_t
s_count_values(nm_bytes_t text)
{
    size_t count = 1;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted)
            count += c == ',' || c == ':' || c == '[' || c == '{';
    }
    return count;
}

nm_rc_t
nm_convert_object(nm_bytes_t text, nm_buf_t *out, size_t *count, nm_error_t *error)
{
    json_error_t fault;
    packer_t packer = { .out = out };
    size_t start = out->size;
    *count = 0;
    if (s_count_values(text) > 2 * NM_CONVERT_NODE_MAX)
        return nm_fail(error, NM_ERR_MALFORMED, "The body has more than %d values.", NM_CONVERT_NODE_MAX);
    json_t *json = json_loadb((const char *) text.at, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!json)
        return nm_fail(error, NM_ERR_MALFORMED, "The body is not JSON: line %d column %d: %.120s.", fault.line,
                       fault.column, fault.text);
    nm_rc_t rc = NM_OK;
    if (!json_is_object(json))
        rc = nm_fail(error, NM_ERR_MALFORMED, "The body must be a JSON object.");
    else if (s_pack_pairs(&packer, json, 2) != NM_OK)
        rc = nm_fail(error, NM_ERR_MALFORMED, "The body is nested more than %d deep, or has more than %d values.",
                     NM_CONVERT_DEPTH_MAX, NM_CONVERT_NODE_MAX);
    *count = json_object_size(json);
    json_decref(json);
    if (rc != NM_OK)
        out->size = start;
    return rc;
}

//  -- MessagePack to JSON

void
nm_convert_text(nm_bytes_t text, nm_buf_t *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    nm_buf_add_text(out, "\"");
    for (size_t i = 0, plain = 0; i <= text.size; i++) {
        uint8_t c = i < text.size ? text.at[i] : 0;
        if (i < text.size && c >= 0x20 && c != '"' && c != '\\')
            continue;
        nm_buf_add(out, text.at + plain, i - plain);
        plain = i + 1;
        if (i == text.size)
            break;
        char escape[] = { '\\', 'u', '0', '0', DIGITS[c >> 4], DIGITS[c & 15] };
        if (c == '"' || c == '\\')
            escape[1] = (char) c;
        nm_buf_add(out, escape, c < 0x20 ? sizeof escape : 2);
    }
    nm_buf_add_text(out, "\"");
}

//  As few digits as read back the same, and always with a mark that it is no integer.
static void
s_print_real(double real, nm_buf_t *out)
{
    char text[40];
    if (!isfinite(real)) {
        nm_buf_add_text(out, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    nm_buf_add_text(out, text);
    if (!strpbrk(text, ".e"))
        nm_buf_add_text(out, ".0");
}

static void s_print(nm_reader_t *reader, nm_buf_t *out);

static void
s_print_items(nm_reader_t *reader, uint32_t count, bool map, nm_buf_t *out)
{
    nm_buf_add_text(out, map ? "{" : "[");
    for (uint32_t i = 0; i < count && !reader->bad; i++) {
        if (i)
            nm_buf_add_text(out, ",");
        s_print(reader, out);
        if (!map)
            continue;
        nm_buf_add_text(out, ":");
        s_print(reader, out);
    }
    nm_buf_add_text(out, map ? "}" : "]");
}

//  Recursion ends: nm_reader_check has counted the depth.
static void
s_print(nm_reader_t *reader, nm_buf_t *out)
{
    nm_value_t value;
    char number[24];
    switch (nm_reader_value(reader, &value)) {
    case NM_KIND_BOOL: nm_buf_add_text(out, value.flag ? "true" : "false"); return;
    case NM_KIND_UINT:
        nm_buf_add(out, number, (size_t) snprintf(number, sizeof number, "%llu", (unsigned long long) value.number));
        return;
    case NM_KIND_INT:
        nm_buf_add(out, number, (size_t) snprintf(number, sizeof number, "%lld", (long long) value.negative));
        return;
    case NM_KIND_FLOAT: s_print_real(value.real, out); return;
    case NM_KIND_STR: nm_convert_text(value.bytes, out); return;
    case NM_KIND_LIST: s_print_items(reader, value.count, false, out); return;
    case NM_KIND_MAP: s_print_items(reader, value.count, true, out); return;
    case NM_KIND_NIL:
    case NM_KIND_BIN:
    case NM_KIND_NONE: nm_buf_add_text(out, "null"); return;
    }
}

void
nm_convert_value(nm_bytes_t raw, nm_buf_t *out)
{
    nm_reader_t reader;
    nm_reader_open(&reader, raw);
    s_print(&reader, out);
}
