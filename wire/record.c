#include "wire/id.h"
#include "wire/reader.h"
#include "wire/record.h"
#include "wire/time.h"
#include "wire/writer.h"

const char *
nm_words_text(const nm_words_t *words, unsigned number)
{
    return number < words->count ? words->words[number] : "unknown";
}

int
nm_words_find(const nm_words_t *words, nm_bytes_t word)
{
    for (size_t i = 0; i < words->count; i++)
        if (nm_bytes_is(word, words->words[i]))
            return (int) i;
    return -1;
}

nm_rc_t
nm_list_open(nm_list_t *self, nm_bytes_t raw)
{
    nm_reader_t reader;
    uint32_t count;
    nm_reader_open(&reader, raw);
    nm_rc_t rc = nm_reader_list(&reader, &count);
    if (rc == NM_OK)
        *self = (nm_list_t){ nm_bytes(reader.at, (size_t) (reader.end - reader.at)), count, 0 };
    return rc;
}

nm_rc_t
nm_list_next(nm_list_t *self, nm_bytes_t *item)
{
    if (self->index == self->count)
        return NM_ERR_MISSING;

    nm_reader_t reader;
    nm_reader_open(&reader, self->rest);
    nm_rc_t rc = nm_reader_raw(&reader, item);
    if (rc != NM_OK)
        return rc;
    self->rest = nm_bytes(reader.at, (size_t) (reader.end - reader.at));
    self->index++;
    return NM_OK;
}

static void
s_put_id(const nm_id_t *id, nm_keys_t keys, nm_buf_t *out)
{
    if (keys == NM_BY_TAG) {
        nm_writer_bin(out, nm_bytes(id->at, NM_ID_SIZE));
        return;
    }
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(id, text);
    nm_writer_text(out, text);
}

static void
s_put_time(int64_t at_ms, nm_keys_t keys, nm_buf_t *out)
{
    if (keys == NM_BY_TAG) {
        nm_writer_int(out, at_ms);
        return;
    }
    char text[NM_TIME_TEXT_SIZE + 1];
    nm_time_to_text(at_ms, text);
    nm_writer_text(out, text);
}

static void
s_put_value(const nm_field_t *field, const void *value, nm_keys_t keys, nm_buf_t *out)
{
    switch ((nm_field_type_t) field->type) {
    case NM_FIELD_BOOL: nm_writer_bool(out, *(const bool *) value); break;
    case NM_FIELD_UINT: nm_writer_uint(out, *(const uint64_t *) value); break;
    case NM_FIELD_INT: nm_writer_int(out, *(const int64_t *) value); break;
    case NM_FIELD_TIME: s_put_time(*(const int64_t *) value, keys, out); break;
    case NM_FIELD_ID: s_put_id(value, keys, out); break;
    case NM_FIELD_ENUM:
        if (keys == NM_BY_TAG)
            nm_writer_uint(out, *(const uint8_t *) value);
        else
            nm_writer_text(out, nm_words_text(field->more, *(const uint8_t *) value));
        break;
    case NM_FIELD_STR:
    case NM_FIELD_LINE:
    case NM_FIELD_REF:
    case NM_FIELD_BASE64: nm_writer_str(out, *(const nm_bytes_t *) value); break;
    case NM_FIELD_BIN: nm_writer_bin(out, *(const nm_bytes_t *) value); break;
    case NM_FIELD_MAP:
    case NM_FIELD_LIST:
    case NM_FIELD_LINES:
    case NM_FIELD_RECORD:
    case NM_FIELD_RECORDS:
    case NM_FIELD_ANY: nm_writer_raw(out, *(const nm_bytes_t *) value); break;
    }
}

//  A bit for each field that is there even without a value.
static uint64_t
s_nils(const nm_shape_t *shape)
{
    uint64_t nils = 0;
    for (size_t i = 0; i < shape->field_count; i++)
        if (nm_shape_knows(shape, i) && shape->fields[i].need == NM_NEED_NIL)
            nils |= UINT64_C(1) << i;
    return nils;
}

void
nm_record_encode(const nm_shape_t *shape, const void *record, nm_keys_t keys, nm_buf_t *out)
{
    uint64_t has, nils = keys == NM_BY_NAME ? s_nils(shape) : 0;
    memcpy(&has, record, sizeof has);
    has &= ~shape->without;
    nm_writer_map(out, (size_t) __builtin_popcountll(has | nils));
    for (size_t i = 0; i < shape->field_count; i++) {
        const nm_field_t *field = &shape->fields[i];
        if (!((has | nils) >> i & 1))
            continue;
        if (keys == NM_BY_TAG)
            nm_writer_uint(out, field->tag);
        else
            nm_writer_text(out, field->name);
        if (has >> i & 1)
            s_put_value(field, (const char *) record + field->offset, keys, out);
        else
            nm_writer_nil(out);
    }
}
