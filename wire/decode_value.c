//  decode_value - one function for each type of field. Each takes one value whatever it
//  is, and is true if it was as the field wants it; if not, the fault is noted.

#include "wire/base64.h"
#include "wire/decode_private.h"
#include "wire/id.h"
#include "wire/time.h"
#include "wire/utf8.h"

enum { KEYS_ON_STACK = 16, NUMBER_TEXT_SIZE = 32 };

static const int64_t TIME_LAST_MS = INT64_C(253402300799999);  //  9999-12-31T23:59:59.999Z

//  1,204 rather than 1204, for people.
static const char *
s_number(uint64_t value, char out[NUMBER_TEXT_SIZE])
{
    char digits[NUMBER_TEXT_SIZE];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long) value);
    char *at = out;
    for (int i = 0; i < size; i++) {
        if (i && (size - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = 0;
    return out;
}

static bool
s_size_fits(nm_decoder_t *self, const nm_at_t *here, uint64_t size, uint64_t limit)
{
    char is[NUMBER_TEXT_SIZE], allowed[NUMBER_TEXT_SIZE];
    if (size > limit)
        nm_decoder_fault(self, here, "is %s bytes long; at most %s are allowed", s_number(size, is),
                         s_number(limit, allowed));
    return size <= limit;
}

static bool
s_count_fits(nm_decoder_t *self, const nm_at_t *here, uint64_t count, uint64_t limit)
{
    char is[NUMBER_TEXT_SIZE], allowed[NUMBER_TEXT_SIZE];
    if (count > limit)
        nm_decoder_fault(self, here, "has %s items; at most %s are allowed", s_number(count, is),
                         s_number(limit, allowed));
    return count <= limit;
}

static bool
s_take_bool(nm_decoder_t *self, const nm_at_t *here, bool *flag)
{
    nm_value_t value;
    if (!nm_decoder_take_kind(self, here, NM_KIND_BOOL, &value, "must be true or false"))
        return false;
    *flag = value.flag;
    return true;
}

static bool
s_take_uint(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, uint64_t *number)
{
    nm_value_t value;
    nm_reader_t before = self->reader;
    if (nm_reader_value(&self->reader, &value) == NM_KIND_UINT && value.number <= limit) {
        *number = value.number;
        return true;
    }
    char detail[NM_DECODER_DETAIL_SIZE], allowed[NUMBER_TEXT_SIZE];
    snprintf(detail, sizeof detail, "must be a whole number from 0 to %s", s_number(limit, allowed));
    self->reader = before;
    nm_decoder_refuse(self, here, detail);
    return false;
}

static bool
s_take_int(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, int64_t *number)
{
    nm_value_t value;
    nm_reader_t before = self->reader;
    nm_kind_t kind = nm_reader_value(&self->reader, &value);
    if (kind == NM_KIND_UINT && value.number <= limit && value.number <= INT64_MAX) {
        *number = (int64_t) value.number;
        return true;
    }
    if (kind == NM_KIND_INT && 0 - (uint64_t) value.negative <= limit) {
        *number = value.negative;
        return true;
    }
    char detail[NM_DECODER_DETAIL_SIZE], allowed[NUMBER_TEXT_SIZE];
    s_number(limit, allowed);
    snprintf(detail, sizeof detail, "must be a whole number from -%s to %s", allowed, allowed);
    self->reader = before;
    nm_decoder_refuse(self, here, detail);
    return false;
}

static bool
s_take_time(nm_decoder_t *self, const nm_at_t *here, bool by_name, int64_t *at_ms)
{
    static const char DETAIL[] = "must be a time as RFC 3339 writes it, such as 2026-11-21T03:59:51Z";
    nm_value_t value;
    uint64_t number;
    if (!by_name) {
        bool taken = s_take_uint(self, here, (uint64_t) TIME_LAST_MS, &number);
        if (taken)
            *at_ms = (int64_t) number;
        return taken;
    }
    if (!nm_decoder_take_kind(self, here, NM_KIND_STR, &value, DETAIL))
        return false;
    if (nm_time_from_text(value.bytes, at_ms) == NM_OK)
        return true;
    nm_decoder_fault(self, here, DETAIL);
    return false;
}

static bool
s_take_id(nm_decoder_t *self, const nm_at_t *here, bool by_name, nm_id_t *id)
{
    nm_value_t value;
    if (!nm_decoder_take_kind(self, here, by_name ? NM_KIND_STR : NM_KIND_BIN, &value, "must be a UUID"))
        return false;
    if (by_name && nm_id_from_text(value.bytes, id) == NM_OK)
        return true;
    if (!by_name && value.bytes.size == NM_ID_SIZE) {
        memcpy(id->at, value.bytes.at, NM_ID_SIZE);
        return true;
    }
    nm_decoder_fault(self, here, "must be a UUID");
    return false;
}

//  "must be one of email, push, sms, whatsapp"
static void
s_words_detail(const nm_words_t *words, char detail[NM_DECODER_DETAIL_SIZE])
{
    snprintf(detail, NM_DECODER_DETAIL_SIZE, "must be one of ");
    for (size_t i = 0; i < words->count; i++) {
        size_t used = strlen(detail);
        snprintf(detail + used, NM_DECODER_DETAIL_SIZE - used, "%s%s", i ? ", " : "", words->words[i]);
    }
}

static bool
s_take_enum(nm_decoder_t *self, const nm_at_t *here, const nm_named_t *key, uint8_t *number)
{
    const nm_words_t *words = key->field->more;
    nm_reader_t before = self->reader;
    nm_value_t value;
    nm_kind_t kind = nm_reader_value(&self->reader, &value);
    bool as_number = !key->by_name || key->field->limit;
    if (kind == NM_KIND_UINT && as_number && value.number < words->count) {
        *number = (uint8_t) value.number;
        return true;
    }
    int found = kind == NM_KIND_STR && key->by_name ? nm_words_find(words, value.bytes) : -1;
    if (found >= 0) {
        *number = (uint8_t) found;
        return true;
    }
    char detail[NM_DECODER_DETAIL_SIZE];
    s_words_detail(words, detail);
    self->reader = before;
    nm_decoder_refuse(self, here, detail);
    return false;
}

static bool
s_take_text(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *text)
{
    nm_value_t value;
    if (!nm_decoder_take_kind(self, here, NM_KIND_STR, &value, "must be a text"))
        return false;
    *text = value.bytes;
    return s_size_fits(self, here, text->size, limit);
}

static bool
s_take_str(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *text)
{
    if (!s_take_text(self, here, limit, text))
        return false;
    if (!text->size || !memchr(text->at, 0, text->size))
        return true;
    nm_decoder_fault(self, here, "must not contain a NUL character");
    return false;
}

static bool
s_take_line(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *text)
{
    if (!s_take_text(self, here, limit, text))
        return false;
    if (nm_utf8_is_line(*text))
        return true;
    nm_decoder_fault(self, here, "must be one line without control characters");
    return false;
}

//  What cannot be an id, because it is too long or no line, becomes an empty one.
static bool
s_take_ref(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *text)
{
    if (!s_take_text(self, here, UINT64_MAX, text))
        return false;
    if (text->size > limit || !nm_utf8_is_line(*text))
        *text = nm_bytes(NULL, 0);
    return true;
}

static bool
s_take_bin(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *bytes)
{
    nm_value_t value;
    if (!nm_decoder_take_kind(self, here, NM_KIND_BIN, &value, "must be binary"))
        return false;
    *bytes = value.bytes;
    return s_size_fits(self, here, bytes->size, limit);
}

static bool
s_take_base64(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *text)
{
    nm_value_t value;
    size_t size;
    if (!nm_decoder_take_kind(self, here, NM_KIND_STR, &value, "must be a text of base64"))
        return false;
    *text = value.bytes;
    if (nm_base64_size(*text, &size) == NM_OK)
        return s_size_fits(self, here, size, limit);
    nm_decoder_fault(self, here, "must be base64 (RFC 4648 section 4) with its padding");
    return false;
}

static int
s_compare_keys(const void *a, const void *b)
{
    const nm_bytes_t *left = a, *right = b;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = size ? memcmp(left->at, right->at, size) : 0;
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

//  Finds a key that stands twice. Few are compared each with each; many are sorted,
//  for comparing thousands each with each is an attack.
static bool
s_find_twin(nm_bytes_t *keys, size_t count, nm_bytes_t *twin)
{
    if (count > KEYS_ON_STACK)
        qsort(keys, count, sizeof *keys, s_compare_keys);
    for (size_t i = 1; i < count; i++)
        for (size_t j = count > KEYS_ON_STACK ? i - 1 : 0; j < i; j++)
            if (nm_bytes_equal(keys[i], keys[j])) {
                *twin = keys[i];
                return true;
            }
    return false;
}

//  Checks the keys of the one map that starts at reader, not those of maps inside it.
static bool
s_check_keys(nm_decoder_t *self, const nm_at_t *here, nm_reader_t reader)
{
    nm_bytes_t few[KEYS_ON_STACK], *keys = few, twin, value;
    bool right = false;
    uint32_t count;
    if (nm_reader_map(&reader, &count) != NM_OK)
        return false;
    if (count > KEYS_ON_STACK)
        keys = nm_alloc(count * sizeof *keys);

    for (uint32_t i = 0; i < count; i++) {
        if (nm_reader_peek(&reader) != NM_KIND_STR) {
            nm_decoder_fault(self, here, "must have texts as names");
            goto done;
        }
        if (nm_reader_str(&reader, &keys[i]) != NM_OK || nm_reader_raw(&reader, &value) != NM_OK)
            goto done;
    }
    if (s_find_twin(keys, count, &twin)) {
        nm_decoder_fault(self, here, "has the name %.*s twice", (int) nm_utf8_cut(twin, 64), (const char *) twin.at);
        goto done;
    }
    right = true;

done:
    if (keys != few)
        free(keys);
    return right;
}

//  A map and all maps in it have texts as keys, each once, so that it is the same
//  in JSON. The walk goes from head to head: what is inside needs no stack.
static bool
s_take_map(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *value)
{
    if (nm_reader_peek(&self->reader) != NM_KIND_MAP) {
        nm_decoder_refuse(self, here, "must be an object");
        return false;
    }
    if (nm_reader_raw(&self->reader, value) != NM_OK || !s_size_fits(self, here, value->size, limit))
        return false;
    if (nm_reader_depth(*value) > NM_MAP_DEPTH_MAX) {
        nm_decoder_fault(self, here, "must not be nested more than %d deep", NM_MAP_DEPTH_MAX);
        return false;
    }

    nm_reader_t reader;
    nm_reader_open(&reader, *value);
    while (!nm_reader_done(&reader)) {
        uint32_t count;
        nm_bytes_t leaf;
        nm_kind_t kind = nm_reader_peek(&reader);
        if (kind == NM_KIND_MAP && !s_check_keys(self, here, reader))
            return false;
        nm_rc_t rc = kind == NM_KIND_MAP    ? nm_reader_map(&reader, &count)
                     : kind == NM_KIND_LIST ? nm_reader_list(&reader, &count)
                                            : nm_reader_raw(&reader, &leaf);
        if (rc != NM_OK)
            return false;
    }
    return true;
}

static bool
s_take_any(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *value)
{
    return nm_reader_raw(&self->reader, value) == NM_OK && s_size_fits(self, here, value->size, limit);
}

static bool
s_take_list(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, nm_bytes_t *value)
{
    if (nm_reader_peek(&self->reader) != NM_KIND_LIST) {
        nm_decoder_refuse(self, here, "must be a list");
        return false;
    }
    nm_reader_t head = self->reader;
    uint32_t count;
    return nm_reader_list(&head, &count) == NM_OK && nm_reader_raw(&self->reader, value) == NM_OK &&
           s_count_fits(self, here, count, limit);
}

//  Takes a list whose items are lines, or records of shape.
static bool
s_take_items(nm_decoder_t *self, const nm_at_t *here, uint64_t limit, const nm_shape_t *shape, nm_bytes_t *value)
{
    nm_reader_t head = self->reader;
    uint32_t count;
    if (nm_reader_peek(&head) != NM_KIND_LIST || nm_reader_list(&head, &count) != NM_OK || count > limit)
        return s_take_list(self, here, limit, value);

    const uint8_t *start = self->reader.at;
    self->reader = head;
    for (uint32_t i = 0; i < count && !nm_decoder_is_over(self); i++) {
        nm_at_t item = { here, NULL, i };
        nm_bytes_t line;
        if (shape)
            nm_decoder_take_record(self, &item, shape, NULL);
        else
            s_take_line(self, &item, NM_LINE_MAX, &line);
    }
    *value = nm_bytes(start, (size_t) (self->reader.at - start));
    return !nm_decoder_is_over(self);
}

static bool
s_take_inner(nm_decoder_t *self, const nm_at_t *here, const nm_field_t *field, nm_bytes_t *value)
{
    const uint8_t *start = self->reader.at;
    nm_decoder_take_record(self, here, field->more, NULL);
    if (nm_decoder_is_over(self))
        return false;
    *value = nm_bytes(start, (size_t) (self->reader.at - start));
    return s_size_fits(self, here, value->size, field->limit);
}

bool
nm_decoder_take_value(nm_decoder_t *self, const nm_at_t *here, const nm_named_t *key, void *value)
{
    const nm_field_t *field = key->field;
    switch ((nm_field_type_t) field->type) {
    case NM_FIELD_BOOL: return s_take_bool(self, here, value);
    case NM_FIELD_UINT: return s_take_uint(self, here, field->limit, value);
    case NM_FIELD_INT: return s_take_int(self, here, field->limit, value);
    case NM_FIELD_TIME: return s_take_time(self, here, key->by_name, value);
    case NM_FIELD_ID: return s_take_id(self, here, key->by_name, value);
    case NM_FIELD_ENUM: return s_take_enum(self, here, key, value);
    case NM_FIELD_STR: return s_take_str(self, here, field->limit, value);
    case NM_FIELD_LINE:
        return key->names ? s_take_ref(self, here, field->limit, value) : s_take_line(self, here, field->limit, value);
    case NM_FIELD_REF: return s_take_ref(self, here, field->limit, value);
    case NM_FIELD_BIN: return s_take_bin(self, here, field->limit, value);
    case NM_FIELD_BASE64: return s_take_base64(self, here, field->limit, value);
    case NM_FIELD_MAP: return s_take_map(self, here, field->limit, value);
    case NM_FIELD_LIST: return s_take_list(self, here, field->limit, value);
    case NM_FIELD_LINES: return s_take_items(self, here, field->limit, NULL, value);
    case NM_FIELD_RECORD: return s_take_inner(self, here, field, value);
    case NM_FIELD_RECORDS: return s_take_items(self, here, field->limit, field->more, value);
    case NM_FIELD_ANY: return s_take_any(self, here, field->limit, value);
    }
    return false;
}
