//  decode - the half of record.h that reads: one walk over the bytes checks everything,
//  inner records included, and takes views. decode_value.c takes the values.

#include "wire/decode_private.h"
#include "wire/utf8.h"

enum { GUESS_MAX = 24, GUESS_DISTANCE = 2, INDEX_TEXT_SIZE = 12 };

//  -- Faults

//  Adds the pointer of here to out. Names of fields need no escapes, and none of our
//  pointers is as long as the array.
static void
s_place_text(const nm_at_t *here, char *out, size_t size)
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

void
nm_decoder_fault(nm_decoder_t *self, const nm_at_t *here, const char *format, ...)
{
    self->wrong = true;
    if (!self->faults)
        return;

    char parent[sizeof self->faults->items[0].pointer], detail[NM_DECODER_DETAIL_SIZE];
    snprintf(parent, sizeof parent, "%s", self->parent);
    if (here)
        s_place_text(here->up, parent, sizeof parent);

    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);

    char index[INDEX_TEXT_SIZE];
    if (here && !here->name)
        snprintf(index, sizeof index, "%u", here->index);
    nm_faults_add(self->faults, parent, !here ? NULL : here->name ? here->name : index, "%s", detail);
}

void
nm_decoder_refuse(nm_decoder_t *self, const nm_at_t *here, const char *detail)
{
    nm_bytes_t refused;
    if (nm_reader_raw(&self->reader, &refused) == NM_OK)
        nm_decoder_fault(self, here, "%s", detail);
}

bool
nm_decoder_take_kind(nm_decoder_t *self, const nm_at_t *here, nm_kind_t kind, nm_value_t *value, const char *detail)
{
    nm_reader_t before = self->reader;
    if (nm_reader_value(&self->reader, value) == kind)
        return true;
    self->reader = before;
    nm_decoder_refuse(self, here, detail);
    return false;
}

//  -- Keys

//  Fields mostly come in the order of the table, so the search begins where the last ended.
static const nm_field_t *
s_find_tag(const nm_shape_t *shape, uint64_t tag, size_t *next)
{
    size_t at = *next;
    for (size_t left = shape->field_count; left; left--) {
        const nm_field_t *field = &shape->fields[at];
        bool found = field->tag == tag && nm_shape_knows(shape, at);
        at = at + 1 < shape->field_count ? at + 1 : 0;
        if (!found)
            continue;
        *next = at;
        return field;
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
        if (nm_shape_knows(shape, at) && s_is_named(name, shape->fields[at].name)) {
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
        if (!nm_shape_knows(shape, i) || field.size > GUESS_MAX || field.size <= GUESS_DISTANCE)
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
s_refuse_unknown(nm_decoder_t *self, const nm_at_t *here, const nm_shape_t *shape, nm_bytes_t name)
{
    nm_bytes_t refused;
    if (nm_reader_raw(&self->reader, &refused) != NM_OK)
        return;

    char text[sizeof self->faults->items[0].pointer];
    nm_bytes_to_text(nm_bytes(name.at, nm_utf8_cut(name, sizeof text - 1)), text, sizeof text);
    nm_at_t place = { here, text, 0 };
    bool told = self->faults && self->faults->count < NM_FAULT_COUNT;
    const char *guess = told ? s_guess(shape, name) : NULL;
    if (guess)
        nm_decoder_fault(self, &place, "is not a field of %s; did you mean %s?", shape->name, guess);
    else
        nm_decoder_fault(self, &place, "is not a field of %s", shape->name);
}

static bool
s_names(const nm_shape_t *shape, const nm_field_t *field)
{
    return shape->naming >> (field - shape->fields) & 1;
}

//  A key written as a text. False if there is no such field; its value is gone then.
static bool
s_open_name(nm_decoder_t *self, const nm_at_t *here, const nm_shape_t *shape, nm_bytes_t name, size_t *next,
            nm_named_t *key)
{
    const nm_field_t *field = s_find_name(shape, name, next);
    const nm_alias_t *alias = field ? NULL : s_find_alias(shape, name);
    if (alias)
        field = s_find_name(shape, nm_text(alias->name), next);
    if (!field) {
        s_refuse_unknown(self, here, shape, name);
        return false;
    }
    *key = (nm_named_t){ field, alias ? alias->alias : field->name, alias != NULL, true, s_names(shape, field) };
    return true;
}

//  A key written as a tag. An unknown one is passed over: it comes from a newer actor.
static bool
s_open_tag(nm_decoder_t *self, const nm_shape_t *shape, uint64_t tag, size_t *next, nm_named_t *key)
{
    nm_bytes_t unknown;
    const nm_field_t *field = s_find_tag(shape, tag, next);
    if (!field) {
        nm_reader_raw(&self->reader, &unknown);
        return false;
    }
    *key = (nm_named_t){ field, field->name, false, false, s_names(shape, field) };
    return true;
}

static bool
s_take_key(nm_decoder_t *self, const nm_at_t *here, const nm_shape_t *shape, size_t *next, nm_named_t *key)
{
    nm_value_t value;
    uint8_t tag;
    if (nm_reader_small(&self->reader, &tag))
        return s_open_tag(self, shape, tag, next, key);
    switch (nm_reader_value(&self->reader, &value)) {
    case NM_KIND_STR: return s_open_name(self, here, shape, value.bytes, next, key);
    case NM_KIND_UINT: return s_open_tag(self, shape, value.number, next, key);
    default: self->reader.bad = true; return false;
    }
}

//  -- Records

//  A field for the second time, under the same name or another of its names.
static void
s_refuse_again(nm_decoder_t *self, const nm_at_t *place, const nm_named_t *key)
{
    if (!key->older)
        nm_decoder_refuse(self, place, "is there twice, or beside an older name of it");
    else {
        char detail[NM_DECODER_DETAIL_SIZE];
        snprintf(detail, sizeof detail, "is an older name of %s, which is there too", key->field->name);
        nm_decoder_refuse(self, place, detail);
    }
}

//  Which fields came, a bit each in the order of the table.
typedef struct {
    uint64_t seen;
    uint64_t given;  //  Without those that were null
} fields_t;

static void
s_take_pair(nm_decoder_t *self, const nm_at_t *here, const nm_shape_t *shape, const nm_named_t *key, void *record,
            fields_t *fields)
{
    uint64_t bit = UINT64_C(1) << (key->field - shape->fields);
    nm_at_t place = { here, key->name, 0 };
    bool null = key->by_name && nm_reader_peek(&self->reader) == NM_KIND_NIL;
    if (fields->seen & bit && !(null && key->older)) {
        s_refuse_again(self, &place, key);
        return;
    }
    if (null) {  //  Absent: an older name stands beside nothing then
        fields->seen |= key->older ? 0 : bit;
        nm_reader_nil(&self->reader);
        return;
    }
    fields->seen |= bit;
    fields->given |= bit;

    union {
        uint64_t number;
        nm_id_t id;
        nm_bytes_t bytes;
    } scratch;
    void *value = record ? (char *) record + key->field->offset : (void *) &scratch;
    if (nm_decoder_take_value(self, &place, key, value) && record)
        *(uint64_t *) record |= bit;
}

static void
s_check_needs(nm_decoder_t *self, const nm_at_t *here, const nm_shape_t *shape, const fields_t *fields)
{
    for (size_t i = 0; i < shape->field_count && !nm_decoder_is_over(self); i++) {
        nm_at_t place = { here, shape->fields[i].name, 0 };
        if (fields->given >> i & 1 || !nm_shape_wants(shape, i))
            continue;
        if (shape->fields[i].need != NM_NEED_NIL || !(fields->seen >> i & 1))
            nm_decoder_fault(self, &place, "is missing");
    }
}

void
nm_decoder_take_record(nm_decoder_t *self, const nm_at_t *here, const nm_shape_t *shape, void *record)
{
    nm_value_t map;
    if (self->depth == NM_DEPTH_MAX)
        self->reader.bad = true;
    if (!nm_decoder_take_kind(self, here, NM_KIND_MAP, &map, "must be an object"))
        return;

    self->depth++;
    fields_t fields = { 0 };
    size_t next = 0;
    for (uint32_t i = 0; i < map.count && !nm_decoder_is_over(self); i++) {
        nm_named_t key;
        if (s_take_key(self, here, shape, &next, &key))
            s_take_pair(self, here, shape, &key, record, &fields);
    }
    s_check_needs(self, here, shape, &fields);
    self->depth--;
}

nm_rc_t
nm_record_decode(const nm_shape_t *shape, void *record, nm_bytes_t raw, nm_faults_t *faults, const char *parent)
{
    nm_decoder_t self = { .faults = faults, .parent = parent ? parent : "" };
    nm_reader_open(&self.reader, raw);
    memset(record, 0, shape->size);
    nm_decoder_take_record(&self, NULL, shape, record);

    if (!nm_decoder_is_over(&self) && !nm_reader_done(&self.reader))
        self.reader.bad = true;
    if (self.reader.bad)
        nm_decoder_fault(&self, NULL, "is not well-formed MessagePack");
    return self.wrong ? NM_ERR_MALFORMED : NM_OK;
}

nm_rc_t
nm_list_decode(nm_list_t *self, const nm_shape_t *shape, void *record)
{
    if (self->index == self->count)
        return NM_ERR_MISSING;

    nm_decoder_t decoder = { .parent = "" };
    nm_reader_open(&decoder.reader, self->rest);
    memset(record, 0, shape->size);
    nm_decoder_take_record(&decoder, NULL, shape, record);
    if (nm_decoder_is_over(&decoder)) {
        nm_bytes_t item;
        if (nm_list_next(self, &item) != NM_OK)
            self->index = self->count;
        return NM_ERR_MALFORMED;
    }
    self->rest = nm_bytes(decoder.reader.at, (size_t) (decoder.reader.end - decoder.reader.at));
    self->index++;
    return NM_OK;
}
