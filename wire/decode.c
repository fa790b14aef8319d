//  decode - the half of record.h that reads: one walk over the bytes checks everything,
//  inner records included, and takes views.

#include "wire/base64.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/record.h"
#include "wire/time.h"
#include "wire/utf8.h"

enum { KEYS_ON_STACK = 16, GUESS_MAX = 24, GUESS_DISTANCE = 2, NUMBER_TEXT_SIZE = 32, DETAIL_SIZE = 160 };

static const int64_t TIME_LAST_MS = INT64_C(253402300799999);  //  9999-12-31T23:59:59.999Z

//  Where we are: a chain on the stack, made into a pointer only when there is a fault.
typedef struct place {
    const struct place *up;  //  NULL at the top
    const char *name;        //  NULL for an item of a list
    uint32_t index;
} place_t;

typedef struct {
    nm_reader_t reader;
    nm_faults_t *faults;  //  NULL: the first fault ends it
    const char *parent;
    size_t depth;
    bool wrong;
} decoder_t;

//  How a key was written decides how its value is.
typedef struct {
    const nm_field_t *field;
    const char *name;  //  As written: an alias, perhaps
    bool by_name;
} key_of_t;

static void s_take_record(decoder_t *self, const place_t *here, const nm_shape_t *shape, void *record);

//  -- Faults

//  Writes the pointer of here as names with one / before each; the bytes are cut at
//  the end of line, which is far beyond any pointer of ours.
static void
s_place_text(const place_t *here, char *out, size_t size)
{
    if (!here)
        return;
    s_place_text(here->up, out, size);
    size_t used = strlen(out);
    if (here->name)
        snprintf(out + used, size - used, "/%s", here->name);
    else
        snprintf(out + used, size - used, "/%u", here->index);
}

//  Notes what is wrong with the value at here.
__attribute__((format(printf, 3, 4))) static void
s_fault(decoder_t *self, const place_t *here, const char *format, ...)
{
    self->wrong = true;
    if (!self->faults)
        return;

    char parent[sizeof self->faults->items[0].pointer], detail[DETAIL_SIZE];
    snprintf(parent, sizeof parent, "%s", self->parent);
    if (here)
        s_place_text(here->up, parent, sizeof parent);

    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);

    char index[NUMBER_TEXT_SIZE];
    if (here && !here->name)
        snprintf(index, sizeof index, "%u", here->index);
    nm_faults_add(self->faults, parent, !here ? NULL : here->name ? here->name : index, "%s", detail);
}

//  The value that comes next is not what it should be: it is stepped over.
static void
s_refuse(decoder_t *self, const place_t *here, const char *detail)
{
    nm_bytes_t refused;
    if (nm_reader_raw(&self->reader, &refused) == NM_OK)
        s_fault(self, here, "%s", detail);
}

static bool
s_is_over(const decoder_t *self)
{
    return self->reader.bad || (self->wrong && !self->faults);
}

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
s_size_fits(decoder_t *self, const place_t *here, uint64_t size, uint64_t limit)
{
    char is[NUMBER_TEXT_SIZE], allowed[NUMBER_TEXT_SIZE];
    if (size > limit)
        s_fault(self, here, "is %s bytes long; at most %s are allowed", s_number(size, is), s_number(limit, allowed));
    return size <= limit;
}

static bool
s_count_fits(decoder_t *self, const place_t *here, uint64_t count, uint64_t limit)
{
    char is[NUMBER_TEXT_SIZE], allowed[NUMBER_TEXT_SIZE];
    if (count > limit)
        s_fault(self, here, "has %s items; at most %s are allowed", s_number(count, is), s_number(limit, allowed));
    return count <= limit;
}

//  -- Values. Each takes one value whatever it is, and is true if it was as it should be.

//  Takes what comes next if it is of that kind.
static bool
s_take_kind(decoder_t *self, const place_t *here, nm_kind_t kind, nm_value_t *value, const char *detail)
{
    nm_reader_t before = self->reader;
    if (nm_reader_value(&self->reader, value) == kind)
        return true;
    self->reader = before;
    s_refuse(self, here, detail);
    return false;
}

static bool
s_take_bool(decoder_t *self, const place_t *here, bool *flag)
{
    nm_value_t value;
    if (!s_take_kind(self, here, NM_KIND_BOOL, &value, "must be true or false"))
        return false;
    *flag = value.flag;
    return true;
}

static bool
s_take_uint(decoder_t *self, const place_t *here, uint64_t limit, uint64_t *number)
{
    nm_value_t value;
    nm_reader_t before = self->reader;
    if (nm_reader_value(&self->reader, &value) == NM_KIND_UINT && value.number <= limit) {
        *number = value.number;
        return true;
    }
    char detail[DETAIL_SIZE], allowed[NUMBER_TEXT_SIZE];
    snprintf(detail, sizeof detail, "must be a whole number from 0 to %s", s_number(limit, allowed));
    self->reader = before;
    s_refuse(self, here, detail);
    return false;
}

static bool
s_take_int(decoder_t *self, const place_t *here, uint64_t limit, int64_t *number)
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
    char detail[DETAIL_SIZE], allowed[NUMBER_TEXT_SIZE];
    s_number(limit, allowed);
    snprintf(detail, sizeof detail, "must be a whole number from -%s to %s", allowed, allowed);
    self->reader = before;
    s_refuse(self, here, detail);
    return false;
}

static bool
s_take_time(decoder_t *self, const place_t *here, bool by_name, int64_t *at_ms)
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
    if (!s_take_kind(self, here, NM_KIND_STR, &value, DETAIL))
        return false;
    if (nm_time_from_text(value.bytes, at_ms) == NM_OK)
        return true;
    s_fault(self, here, DETAIL);
    return false;
}

static bool
s_take_id(decoder_t *self, const place_t *here, bool by_name, nm_id_t *id)
{
    nm_value_t value;
    if (!s_take_kind(self, here, by_name ? NM_KIND_STR : NM_KIND_BIN, &value, "must be a UUID"))
        return false;
    if (by_name && nm_id_from_text(value.bytes, id) == NM_OK)
        return true;
    if (!by_name && value.bytes.size == NM_ID_SIZE) {
        memcpy(id->at, value.bytes.at, NM_ID_SIZE);
        return true;
    }
    s_fault(self, here, "must be a UUID");
    return false;
}

//  "must be one of email, push, sms, whatsapp"
static void
s_words_detail(const nm_words_t *words, char detail[DETAIL_SIZE])
{
    snprintf(detail, DETAIL_SIZE, "must be one of ");
    for (size_t i = 0; i < words->count; i++) {
        size_t used = strlen(detail);
        snprintf(detail + used, DETAIL_SIZE - used, "%s%s", i ? ", " : "", words->words[i]);
    }
}

static bool
s_take_enum(decoder_t *self, const place_t *here, const key_of_t *key, uint8_t *number)
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
    char detail[DETAIL_SIZE];
    s_words_detail(words, detail);
    self->reader = before;
    s_refuse(self, here, detail);
    return false;
}

static bool
s_take_text(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *text)
{
    nm_value_t value;
    if (!s_take_kind(self, here, NM_KIND_STR, &value, "must be a text"))
        return false;
    *text = value.bytes;
    return s_size_fits(self, here, text->size, limit);
}

static bool
s_take_str(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *text)
{
    if (!s_take_text(self, here, limit, text))
        return false;
    if (!text->size || !memchr(text->at, 0, text->size))
        return true;
    s_fault(self, here, "must not contain a NUL character");
    return false;
}

static bool
s_take_line(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *text)
{
    if (!s_take_text(self, here, limit, text))
        return false;
    if (nm_utf8_is_line(*text))
        return true;
    s_fault(self, here, "must be one line without control characters");
    return false;
}

static bool
s_take_bin(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *bytes)
{
    nm_value_t value;
    if (!s_take_kind(self, here, NM_KIND_BIN, &value, "must be binary"))
        return false;
    *bytes = value.bytes;
    return s_size_fits(self, here, bytes->size, limit);
}

static bool
s_take_base64(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *text)
{
    nm_value_t value;
    size_t size;
    if (!s_take_kind(self, here, NM_KIND_STR, &value, "must be a text of base64"))
        return false;
    *text = value.bytes;
    if (nm_base64_size(*text, &size) == NM_OK)
        return s_size_fits(self, here, size, limit);
    s_fault(self, here, "must be base64 (RFC 4648 section 4) with its padding");
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
s_check_keys(decoder_t *self, const place_t *here, nm_reader_t reader)
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
            s_fault(self, here, "must have texts as names");
            goto done;
        }
        if (nm_reader_str(&reader, &keys[i]) != NM_OK || nm_reader_raw(&reader, &value) != NM_OK)
            goto done;
    }
    if (s_find_twin(keys, count, &twin)) {
        s_fault(self, here, "has the name %.*s twice", (int) nm_utf8_cut(twin, 64), (const char *) twin.at);
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
s_take_map(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *value)
{
    if (nm_reader_peek(&self->reader) != NM_KIND_MAP) {
        s_refuse(self, here, "must be an object");
        return false;
    }
    if (nm_reader_raw(&self->reader, value) != NM_OK || !s_size_fits(self, here, value->size, limit))
        return false;

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
s_take_any(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *value)
{
    return nm_reader_raw(&self->reader, value) == NM_OK && s_size_fits(self, here, value->size, limit);
}

static bool
s_take_list(decoder_t *self, const place_t *here, uint64_t limit, nm_bytes_t *value)
{
    if (nm_reader_peek(&self->reader) != NM_KIND_LIST) {
        s_refuse(self, here, "must be a list");
        return false;
    }
    nm_reader_t head = self->reader;
    uint32_t count;
    return nm_reader_list(&head, &count) == NM_OK && nm_reader_raw(&self->reader, value) == NM_OK &&
           s_count_fits(self, here, count, limit);
}

//  Takes a list whose items are lines, or records of shape.
static bool
s_take_items(decoder_t *self, const place_t *here, uint64_t limit, const nm_shape_t *shape, nm_bytes_t *value)
{
    nm_reader_t head = self->reader;
    uint32_t count;
    if (nm_reader_peek(&head) != NM_KIND_LIST || nm_reader_list(&head, &count) != NM_OK || count > limit)
        return s_take_list(self, here, limit, value);

    const uint8_t *start = self->reader.at;
    self->reader = head;
    for (uint32_t i = 0; i < count && !s_is_over(self); i++) {
        place_t item = { here, NULL, i };
        nm_bytes_t line;
        if (shape)
            s_take_record(self, &item, shape, NULL);
        else
            s_take_line(self, &item, NM_LINE_MAX, &line);
    }
    *value = nm_bytes(start, (size_t) (self->reader.at - start));
    return !s_is_over(self);
}

static bool
s_take_inner(decoder_t *self, const place_t *here, const nm_field_t *field, nm_bytes_t *value)
{
    const uint8_t *start = self->reader.at;
    s_take_record(self, here, field->more, NULL);
    if (s_is_over(self))
        return false;
    *value = nm_bytes(start, (size_t) (self->reader.at - start));
    return s_size_fits(self, here, value->size, field->limit);
}

static bool
s_take_value(decoder_t *self, const place_t *here, const key_of_t *key, void *value)
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
    case NM_FIELD_LINE: return s_take_line(self, here, field->limit, value);
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

//  -- Keys

//  Fields mostly come in the order of the table, so the search begins where the last ended.
static const nm_field_t *
s_find_tag(const nm_shape_t *shape, uint64_t tag, size_t *next)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        size_t at = *next + i < shape->field_count ? *next + i : *next + i - shape->field_count;
        if (shape->fields[at].tag == tag) {
            *next = at + 1 < shape->field_count ? at + 1 : 0;
            return &shape->fields[at];
        }
    }
    return NULL;
}

static bool
s_is_named(nm_bytes_t key, const char *name)
{
    return strlen(name) == key.size && memcmp(name, key.at, key.size) == 0;
}

static const nm_field_t *
s_find_name(const nm_shape_t *shape, nm_bytes_t name, size_t *next)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        size_t at = *next + i < shape->field_count ? *next + i : *next + i - shape->field_count;
        if (s_is_named(name, shape->fields[at].name)) {
            *next = at + 1 < shape->field_count ? at + 1 : 0;
            return &shape->fields[at];
        }
    }
    return NULL;
}

static const nm_alias_t *
s_find_alias(const nm_shape_t *shape, nm_bytes_t name)
{
    for (size_t i = 0; i < shape->alias_count; i++)
        if (s_is_named(name, shape->aliases[i].alias))
            return &shape->aliases[i];
    return NULL;
}

//  How many letters to add, drop or change to make a into b (Levenshtein).
static size_t
s_distance(nm_bytes_t a, nm_bytes_t b)
{
    size_t row[GUESS_MAX + 1];
    for (size_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t change = corner + (a.at[i - 1] != b.at[j - 1]);
            corner = row[j];
            size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < step ? change : step;
        }
    }
    return row[b.size];
}

//  The field that was probably meant, or NULL.
static const char *
s_guess(const nm_shape_t *shape, nm_bytes_t name)
{
    const char *best = NULL;
    size_t best_distance = GUESS_DISTANCE + 1;
    for (size_t i = 0; i < shape->field_count && name.size <= GUESS_MAX; i++) {
        nm_bytes_t field = nm_text(shape->fields[i].name);
        if (field.size > GUESS_MAX || field.size <= GUESS_DISTANCE)
            continue;
        size_t distance = s_distance(name, field);
        if (distance < best_distance) {
            best = shape->fields[i].name;
            best_distance = distance;
        }
    }
    return best;
}

static void
s_refuse_unknown(decoder_t *self, const place_t *here, const nm_shape_t *shape, nm_bytes_t name)
{
    nm_bytes_t refused;
    if (nm_reader_raw(&self->reader, &refused) != NM_OK)
        return;

    char text[sizeof self->faults->items[0].pointer];
    nm_bytes_to_text(nm_bytes(name.at, nm_utf8_cut(name, sizeof text - 1)), text, sizeof text);
    place_t place = { here, text, 0 };
    bool told = self->faults && self->faults->count < NM_FAULT_COUNT;
    const char *guess = told ? s_guess(shape, name) : NULL;
    if (guess)
        s_fault(self, &place, "is not a field of %s; did you mean %s?", shape->name, guess);
    else
        s_fault(self, &place, "is not a field of %s", shape->name);
}

//  A key written as a text. False if there is no such field; its value is gone then.
static bool
s_open_name(decoder_t *self, const place_t *here, const nm_shape_t *shape, nm_bytes_t name, size_t *next, key_of_t *key)
{
    const nm_field_t *field = s_find_name(shape, name, next);
    const nm_alias_t *alias = field ? NULL : s_find_alias(shape, name);
    if (alias)
        field = s_find_name(shape, nm_text(alias->name), next);
    if (!field) {
        s_refuse_unknown(self, here, shape, name);
        return false;
    }
    *key = (key_of_t){ field, alias ? alias->alias : field->name, true };
    return true;
}

//  A key written as a tag. An unknown one is passed over: it comes from a newer actor.
static bool
s_open_tag(decoder_t *self, const nm_shape_t *shape, uint64_t tag, size_t *next, key_of_t *key)
{
    nm_bytes_t unknown;
    const nm_field_t *field = s_find_tag(shape, tag, next);
    if (!field) {
        nm_reader_raw(&self->reader, &unknown);
        return false;
    }
    *key = (key_of_t){ field, field->name, false };
    return true;
}

static bool
s_take_key(decoder_t *self, const place_t *here, const nm_shape_t *shape, size_t *next, key_of_t *key)
{
    nm_value_t value;
    switch (nm_reader_value(&self->reader, &value)) {
    case NM_KIND_STR: return s_open_name(self, here, shape, value.bytes, next, key);
    case NM_KIND_UINT: return s_open_tag(self, shape, value.number, next, key);
    default: self->reader.bad = true; return false;
    }
}

//  -- Records

//  A field for the second time, under the same name or another of its names.
static void
s_refuse_again(decoder_t *self, const place_t *place, const key_of_t *key)
{
    bool same = strcmp(key->name, key->field->name) == 0;
    if (same)
        s_refuse(self, place, "is there twice, or beside an older name of it");
    else {
        char detail[DETAIL_SIZE];
        snprintf(detail, sizeof detail, "is an older name of %s, which is there too", key->field->name);
        s_refuse(self, place, detail);
    }
}

//  Which fields came, a bit each in the order of the table.
typedef struct {
    uint64_t seen;
    uint64_t given;  //  Without those that were null
} fields_t;

static void
s_take_pair(decoder_t *self, const place_t *here, const nm_shape_t *shape, const key_of_t *key, void *record,
            fields_t *fields)
{
    uint64_t bit = UINT64_C(1) << (key->field - shape->fields);
    place_t place = { here, key->name, 0 };
    if (fields->seen & bit) {
        s_refuse_again(self, &place, key);
        return;
    }
    fields->seen |= bit;
    if (key->by_name && nm_reader_peek(&self->reader) == NM_KIND_NIL) {
        nm_reader_nil(&self->reader);
        return;
    }
    fields->given |= bit;

    union {
        uint64_t number;
        nm_id_t id;
        nm_bytes_t bytes;
    } scratch;
    void *value = record ? (char *) record + key->field->offset : (void *) &scratch;
    if (s_take_value(self, &place, key, value) && record)
        *(uint64_t *) record |= bit;
}

static void
s_check_needs(decoder_t *self, const place_t *here, const nm_shape_t *shape, uint64_t given)
{
    for (size_t i = 0; i < shape->field_count && !s_is_over(self); i++) {
        place_t place = { here, shape->fields[i].name, 0 };
        if (shape->fields[i].need == NM_NEED_MUST && !(given >> i & 1))
            s_fault(self, &place, "is missing");
    }
}

//  Takes one record; record NULL only checks it.
static void
s_take_record(decoder_t *self, const place_t *here, const nm_shape_t *shape, void *record)
{
    nm_value_t map;
    if (self->depth == NM_DEPTH_MAX)
        self->reader.bad = true;
    if (!s_take_kind(self, here, NM_KIND_MAP, &map, "must be an object"))
        return;

    self->depth++;
    fields_t fields = { 0 };
    size_t next = 0;
    for (uint32_t i = 0; i < map.count && !s_is_over(self); i++) {
        key_of_t key;
        if (s_take_key(self, here, shape, &next, &key))
            s_take_pair(self, here, shape, &key, record, &fields);
    }
    s_check_needs(self, here, shape, fields.given);
    self->depth--;
}

nm_rc_t
nm_record_decode(const nm_shape_t *shape, void *record, nm_bytes_t raw, nm_faults_t *faults, const char *parent)
{
    decoder_t self = { .faults = faults, .parent = parent ? parent : "" };
    nm_reader_open(&self.reader, raw);
    memset(record, 0, shape->size);
    s_take_record(&self, NULL, shape, record);

    if (!s_is_over(&self) && !nm_reader_done(&self.reader))
        self.reader.bad = true;
    if (self.reader.bad)
        s_fault(&self, NULL, "is not well-formed MessagePack");
    return self.wrong ? NM_ERR_MALFORMED : NM_OK;
}
