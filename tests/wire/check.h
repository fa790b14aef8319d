/*  check - what the tests of wire/ share: cmocka, a value out of JSON, samples of every shape.
 */
#ifndef NM_TEST_CHECK_H
#define NM_TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "nm.h"
#include "wire/asks.h"
#include "wire/frames.h"
#include "wire/members.h"
#include "wire/reader.h"
#include "wire/records.h"
#include "wire/writer.h"

static const nm_shape_t *const SHAPES[] __attribute__((unused)) = {
    &nm_span_shape,        &nm_greet_shape,     &nm_mail_item_shape,  &nm_mail_shape,        &nm_receipt_shape,
    &nm_beat_shape,        &nm_bye_shape,       &nm_claim_shape,      &nm_grant_shape,       &nm_ask_headers_shape,
    &nm_ask_shape,         &nm_ask_frame_shape, &nm_reply_shape,      &nm_reply_frame_shape, &nm_attachment_shape,
    &nm_email_shape,       &nm_push_shape,      &nm_recipients_shape, &nm_request_shape,     &nm_work_shape,
    &nm_delivery_shape,    &nm_attempt_shape,   &nm_event_shape,      &nm_dead_letter_shape, &nm_replay_shape,
    &nm_certificate_shape, &nm_member_shape,    &nm_signed_shape,     &nm_statement_shape,   &nm_sync_shape,
    &nm_knock_shape,       &nm_welcome_shape,   &nm_updates_shape,    &nm_copy_shape,        &nm_book_term_shape,
    &nm_book_ask_shape,    &nm_book_item_shape, &nm_book_reply_shape,
};

//  What operations of the door take. OpenAPI tells of them, PROTOCOL.md does not.
static const nm_shape_t *const ASK_SHAPES[] __attribute__((unused)) = {
    &nm_by_id_shape,
    &nm_batch_shape,
    &nm_list_ask_shape,
    &nm_events_ask_shape,
    &nm_letter_list_shape,
    &nm_letter_ref_shape,
    &nm_letter_replay_shape,
    &nm_letter_filter_shape,
    &nm_letter_many_shape,
    &nm_limits_shape,
    &nm_recipient_limits_shape,
    &nm_service_ask_shape,
    &nm_key_ask_shape,
    &nm_page_ask_shape,
    &nm_provider_ask_shape,
    &nm_defaults_shape,
    &nm_all_of_broadcast_shape,
};

//  Any struct of SHAPES and ASK_SHAPES fits in.
enum { RECORD_ROOM = 1024 };
typedef union {
    uint64_t has;
    char room[RECORD_ROOM];
} any_record_t;

//  Packs a JSON value, with ' for " so that it reads well in C.
__attribute__((unused)) static void
s_pack_json(const json_t *json, nm_buf_t *out)
{
    const char *key;
    json_t *item;
    size_t i;
    switch (json_typeof(json)) {
    case JSON_NULL: nm_writer_nil(out); break;
    case JSON_TRUE: nm_writer_bool(out, true); break;
    case JSON_FALSE: nm_writer_bool(out, false); break;
    case JSON_INTEGER: nm_writer_int(out, json_integer_value(json)); break;
    case JSON_REAL: nm_writer_float(out, json_real_value(json)); break;
    case JSON_STRING: nm_writer_str(out, nm_bytes(json_string_value(json), json_string_length(json))); break;
    case JSON_ARRAY:
        nm_writer_list(out, json_array_size(json));
        json_array_foreach(json, i, item) s_pack_json(item, out);
        break;
    case JSON_OBJECT:
        nm_writer_map(out, json_object_size(json));
        json_object_foreach((json_t *) json, key, item)
        {
            nm_writer_text(out, key);
            s_pack_json(item, out);
        }
        break;
    }
}

__attribute__((unused)) static void
s_pack_text(const char *text, nm_buf_t *out)
{
    char *copy = strdup(text);
    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    json_error_t error;
    json_t *json = json_loads(copy, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (!json)
        fail_msg("bad sample at %d: %s in %s", error.position, error.text, copy);
    s_pack_json(json, out);
    json_decref(json);
    free(copy);
}

//  Unhexes "81 a1 61" and the like; what it gives is freed by the caller.
__attribute__((unused)) static nm_buf_t
s_unhex(const char *hex)
{
    nm_buf_t out = { 0 };
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        unsigned byte = 0;
        char pair[3] = { hex[0], hex[1], 0 };
        assert_int_equal(sscanf(pair, "%2x", &byte), 1);
        uint8_t one = (uint8_t) byte;
        nm_buf_add(&out, &one, 1);
        hex++;
    }
    return out;
}

//  True if that fault is among them.
__attribute__((unused)) static bool
s_has_fault(const nm_faults_t *faults, const char *pointer, const char *detail)
{
    for (size_t i = 0; i < faults->count; i++)
        if (strcmp(faults->items[i].pointer, pointer) == 0 && (!detail || strcmp(faults->items[i].detail, detail) == 0))
            return true;
    return false;
}

__attribute__((unused)) static void
s_print_faults(const nm_faults_t *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        print_message("    %s %s\n", faults->items[i].pointer, faults->items[i].detail);
}

//  -- A record of any shape, in which every field has a value and a size of its own

static void s_fill(const nm_shape_t *shape, any_record_t *record, nm_keys_t keys, unsigned *salt, nm_buf_t *arena);

//  The arena never moves: views point into it.
static nm_bytes_t
s_keep(nm_buf_t *arena, const nm_buf_t *bytes)
{
    assert_true(arena->room - arena->size >= bytes->size);
    uint8_t *at = arena->at + arena->size;
    if (bytes->size)
        memcpy(at, bytes->at, bytes->size);
    arena->size += bytes->size;
    return nm_bytes(at, bytes->size);
}

static void
s_add_line(nm_buf_t *out, unsigned salt, size_t max)
{
    char text[64];
    snprintf(text, sizeof text, "%u-\xc3\xa4%.*s", salt, (int) (salt % 20), "abcdefghijklmnopqrst");
    if (max && strlen(text) > max)
        text[max] = 0;
    nm_buf_add_text(out, text);
}

static void
s_add_items(const nm_field_t *field, nm_keys_t keys, unsigned *salt, nm_buf_t *arena, nm_buf_t *out)
{
    nm_writer_list(out, 2);
    for (int i = 0; i < 2; i++) {
        if (field->type == NM_FIELD_RECORDS) {
            any_record_t inner;
            s_fill(field->more, &inner, keys, salt, arena);
            nm_record_encode(field->more, &inner, keys, out);
        } else {
            nm_buf_t line = { 0 };
            s_add_line(&line, ++*salt, 0);
            nm_writer_str(out, nm_buf_bytes(&line));
            nm_buf_free(&line);
        }
    }
}

static void
s_fill_bytes(const nm_field_t *field, nm_bytes_t *value, nm_keys_t keys, unsigned *salt, nm_buf_t *arena)
{
    nm_buf_t out = { 0 };
    any_record_t inner;
    switch ((nm_field_type_t) field->type) {
    case NM_FIELD_BASE64:
        for (unsigned i = 0; i <= *salt % 5; i++)
            nm_buf_add_text(&out, "QUJD");
        break;
    case NM_FIELD_MAP:
        nm_writer_map(&out, 1);
        nm_writer_pair_uint(&out, "k", *salt);
        break;
    case NM_FIELD_LIST:
    case NM_FIELD_LINES:
    case NM_FIELD_RECORDS: s_add_items(field, keys, salt, arena, &out); break;
    case NM_FIELD_RECORD:
        s_fill(field->more, &inner, keys, salt, arena);
        nm_record_encode(field->more, &inner, keys, &out);
        break;
    case NM_FIELD_ANY: nm_writer_uint(&out, *salt * 1000u); break;
    default: s_add_line(&out, *salt, field->limit < 32 ? field->limit : 0); break;
    }
    *value = s_keep(arena, &out);
    nm_buf_free(&out);
}

__attribute__((unused)) static void
s_fill(const nm_shape_t *shape, any_record_t *record, nm_keys_t keys, unsigned *salt, nm_buf_t *arena)
{
    assert_true(shape->size <= sizeof *record);
    memset(record, 0, sizeof *record);
    for (size_t i = 0; i < shape->field_count; i++) {
        const nm_field_t *field = &shape->fields[i];
        void *value = record->room + field->offset;
        unsigned number = ++*salt;
        record->has |= UINT64_C(1) << i;
        switch ((nm_field_type_t) field->type) {
        case NM_FIELD_BOOL: *(bool *) value = number % 2; break;
        case NM_FIELD_UINT:
            *(uint64_t *) value = number * 40503ull <= field->limit ? number * 40503ull : number % (field->limit + 1);
            break;
        case NM_FIELD_INT: *(int64_t *) value = -(int64_t) number; break;
        case NM_FIELD_TIME: *(int64_t *) value = 1700000000000 + number * 1009ll; break;
        case NM_FIELD_ID: memset(value, (int) (number % 250 + 1), NM_ID_SIZE); break;
        case NM_FIELD_ENUM: *(uint8_t *) value = (uint8_t) (number % ((const nm_words_t *) field->more)->count); break;
        default: s_fill_bytes(field, value, keys, salt, arena); break;
        }
    }
}

#endif
