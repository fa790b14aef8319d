#include "check.h"
#include "wire/address.h"
#include "wire/id.h"
#include "wire/time.h"

//  The files are made by tests/vectors/make.py with another MessagePack library. The
//  tests run in the root of the repository.
static json_t *
s_load(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        fail_msg("%s: %s", path, error.text);
    return json;
}

static const char *
s_text(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static const nm_shape_t *
s_shape(const json_t *vector)
{
    for (size_t i = 0; i < NM_COUNT(SHAPES); i++)
        if (strcmp(SHAPES[i]->name, s_text(vector, "shape")) == 0)
            return SHAPES[i];
    fail_msg("no shape %s", s_text(vector, "shape"));
    return NULL;
}

//  Numbers beyond what JSON readers keep are written as texts.
static uint64_t
s_uint(const json_t *json)
{
    return json_is_string(json) ? strtoull(json_string_value(json), NULL, 10) : (uint64_t) json_integer_value(json);
}

static void s_compare(const nm_shape_t *shape, const any_record_t *record, const json_t *fields);

static void
s_compare_records(const nm_field_t *field, nm_bytes_t raw, const json_t *wanted)
{
    nm_list_t list = { raw, 1, 0 };
    nm_bytes_t item = raw;
    if (field->type == NM_FIELD_RECORDS) {
        assert_int_equal(nm_list_open(&list, raw), NM_OK);
        assert_int_equal(list.count, json_array_size(wanted));
    }
    for (size_t i = 0; i < list.count; i++) {
        any_record_t inner;
        if (field->type == NM_FIELD_RECORDS)
            assert_int_equal(nm_list_next(&list, &item), NM_OK);
        assert_int_equal(nm_record_decode(field->more, &inner, item, NULL, ""), NM_OK);
        s_compare(field->more, &inner, field->type == NM_FIELD_RECORDS ? json_array_get(wanted, i) : wanted);
    }
}

static void
s_compare_packed(nm_bytes_t raw, const json_t *wanted)
{
    nm_buf_t packed = { 0 };
    s_pack_json(wanted, &packed);
    assert_true(nm_bytes_equal(raw, nm_buf_bytes(&packed)));
    nm_buf_free(&packed);
}

static void
s_compare_value(const nm_field_t *field, const void *value, const json_t *wanted)
{
    char text[64];
    nm_buf_t bytes;
    switch ((nm_field_type_t) field->type) {
    case NM_FIELD_BOOL: assert_int_equal(*(const bool *) value, json_is_true(wanted)); break;
    case NM_FIELD_UINT: assert_true(*(const uint64_t *) value == s_uint(wanted)); break;
    case NM_FIELD_INT: assert_true(*(const int64_t *) value == json_integer_value(wanted)); break;
    case NM_FIELD_TIME:
        nm_time_to_text(*(const int64_t *) value, text);
        assert_string_equal(text, json_string_value(wanted));
        break;
    case NM_FIELD_ID:
        nm_id_to_text(value, text);
        assert_string_equal(text, json_string_value(wanted));
        break;
    case NM_FIELD_ENUM:
        assert_string_equal(nm_words_text(field->more, *(const uint8_t *) value), json_string_value(wanted));
        break;
    case NM_FIELD_STR:
    case NM_FIELD_LINE:
    case NM_FIELD_REF:
    case NM_FIELD_BASE64: assert_true(nm_bytes_is(*(const nm_bytes_t *) value, json_string_value(wanted))); break;
    case NM_FIELD_BIN:
        bytes = s_unhex(json_string_value(wanted));
        assert_true(nm_bytes_equal(*(const nm_bytes_t *) value, nm_buf_bytes(&bytes)));
        nm_buf_free(&bytes);
        break;
    case NM_FIELD_RECORD:
    case NM_FIELD_RECORDS: s_compare_records(field, *(const nm_bytes_t *) value, wanted); break;
    case NM_FIELD_MAP:
    case NM_FIELD_LIST:
    case NM_FIELD_LINES:
    case NM_FIELD_ANY: s_compare_packed(*(const nm_bytes_t *) value, wanted); break;
    }
}

//  The fields that are stated have these values, and no other field is there.
static void
s_compare(const nm_shape_t *shape, const any_record_t *record, const json_t *fields)
{
    assert_int_equal((size_t) __builtin_popcountll(record->has), json_object_size(fields));
    for (size_t i = 0; i < shape->field_count; i++) {
        const json_t *wanted = json_object_get(fields, shape->fields[i].name);
        assert_int_equal(record->has >> i & 1, wanted != NULL);
        if (wanted)
            s_compare_value(&shape->fields[i], record->room + shape->fields[i].offset, wanted);
    }
}

static void
s_check_good(const json_t *vector)
{
    nm_buf_t bytes = s_unhex(s_text(vector, "hex")), again = { 0 };
    nm_bytes_t raw = nm_buf_bytes(&bytes);
    const nm_shape_t *shape = s_shape(vector);
    any_record_t record;
    assert_int_equal(nm_reader_check(raw), NM_OK);
    if (strcmp(s_text(vector, "what"), "frame") == 0) {
        nm_frame_kind_t kind;
        assert_int_equal(nm_frame_open(nm_buf_bytes(&bytes), &kind, &raw), NM_OK);
        assert_int_equal(kind, json_integer_value(json_object_get(vector, "kind")));
        nm_frame_start(&again, kind);
    }
    assert_int_equal(nm_record_decode(shape, &record, raw, NULL, ""), NM_OK);
    s_compare(shape, &record, json_object_get(vector, "fields"));

    nm_record_encode(shape, &record, strcmp(s_text(vector, "keys"), "tag") == 0 ? NM_BY_TAG : NM_BY_NAME, &again);
    if (json_is_true(json_object_get(vector, "canonical"))) {
        assert_int_equal(again.size, bytes.size);
        assert_memory_equal(again.at, bytes.at, bytes.size);
    }
    nm_buf_free(&bytes);
    nm_buf_free(&again);
}

static void
good_ones_mean_what_they_say(void **state)
{
    (void) state;
    json_t *vectors = s_load("tests/vectors/good.json"), *vector;
    size_t i;
    assert_true(json_array_size(vectors) > 0);
    json_array_foreach(vectors, i, vector)
    {
        print_message("    %s\n", s_text(vector, "name"));
        s_check_good(vector);
    }
    json_decref(vectors);
}

static nm_rc_t
s_try(const json_t *vector, nm_bytes_t bytes)
{
    const char *what = s_text(vector, "what");
    nm_frame_kind_t kind;
    nm_bytes_t raw;
    any_record_t record;
    if (strcmp(what, "frame") == 0)
        return nm_frame_open(bytes, &kind, &raw);
    if (strcmp(what, "msgpack") == 0)
        return nm_reader_check(bytes);
    return nm_record_decode(s_shape(vector), &record, bytes, NULL, "");
}

static void
bad_ones_are_refused(void **state)
{
    (void) state;
    json_t *vectors = s_load("tests/vectors/bad.json"), *vector;
    size_t i;
    assert_true(json_array_size(vectors) > 0);
    json_array_foreach(vectors, i, vector)
    {
        nm_buf_t bytes = s_unhex(s_text(vector, "hex"));
        if (s_try(vector, nm_buf_bytes(&bytes)) != NM_ERR_MALFORMED)
            fail_msg("was taken: %s", s_text(vector, "name"));
        nm_buf_free(&bytes);
    }
    json_decref(vectors);
}

typedef bool (*takes_t)(const char *text, const json_t *meaning);

static bool
s_takes_time(const char *text, const json_t *meaning)
{
    int64_t at_ms;
    if (nm_time_from_text(nm_text(text), &at_ms) != NM_OK)
        return false;
    assert_true(!meaning || at_ms == json_integer_value(meaning));
    return true;
}

static bool
s_takes_id(const char *text, const json_t *meaning)
{
    nm_id_t id;
    if (nm_id_from_text(nm_text(text), &id) != NM_OK)
        return false;
    nm_buf_t wanted = s_unhex(meaning ? json_string_value(meaning) : "");
    assert_true(!meaning || memcmp(wanted.at, id.at, NM_ID_SIZE) == 0);
    nm_buf_free(&wanted);
    return true;
}

static bool
s_takes_email(const char *text, const json_t *meaning)
{
    (void) meaning;
    return nm_address_is_email(nm_text(text));
}

static bool
s_takes_phone(const char *text, const json_t *meaning)
{
    (void) meaning;
    return nm_address_is_phone(nm_text(text));
}

static void
s_check_texts(const json_t *kind, takes_t takes)
{
    const json_t *one;
    size_t i;
    assert_true(json_array_size(json_object_get(kind, "good")) && json_array_size(json_object_get(kind, "bad")));
    json_array_foreach(json_object_get(kind, "good"), i, one)
    {
        const json_t *text = json_is_array(one) ? json_array_get(one, 0) : one;
        if (!takes(json_string_value(text), json_array_get(one, 1)))
            fail_msg("was refused: %s", json_string_value(text));
    }
    json_array_foreach(json_object_get(kind, "bad"), i, one)
    {
        if (takes(json_string_value(one), NULL))
            fail_msg("was taken: %s", json_string_value(one));
    }
}

static void
texts_are_taken_and_refused(void **state)
{
    (void) state;
    json_t *texts = s_load("tests/vectors/texts.json");
    s_check_texts(json_object_get(texts, "time"), s_takes_time);
    s_check_texts(json_object_get(texts, "id"), s_takes_id);
    s_check_texts(json_object_get(texts, "email"), s_takes_email);
    s_check_texts(json_object_get(texts, "phone"), s_takes_phone);
    json_decref(texts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_mean_what_they_say),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(texts_are_taken_and_refused),
    };
    return cmocka_run_group_tests_name("wire/vectors", tests, NULL, NULL);
}
