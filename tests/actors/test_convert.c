#include "tests/broker/check.h"

#include "actors/bridge/convert.h"
#include "wire/limits.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  Packs an object as the body of an ask is packed.
static nm_rc_t
s_pack(const char *json, nm_buf_t *out)
{
    nm_error_t error = { "" };
    size_t count = 0;
    nm_buf_clear(out);
    size_t mark = nm_writer_map_open(out);
    nm_rc_t rc = nm_convert_object(nm_text(json), out, &count, &error);
    nm_writer_map_close(out, mark, count);
    assert_int_equal(rc == NM_OK, error.text[0] == 0);
    return rc;
}

static void
s_assert_comes_back(const char *json, const char *expected)
{
    nm_buf_t packed = { 0 }, text = { 0 };
    assert_int_equal(s_pack(json, &packed), NM_OK);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&packed)), NM_OK);
    nm_convert_value(nm_buf_bytes(&packed), &text);
    nm_buf_add(&text, "", 1);
    assert_string_equal((const char *) text.at, expected);
    nm_buf_free(&packed);
    nm_buf_free(&text);
}

static void
values_come_back_as_they_went(void **state)
{
    (void) state;
    static const char *const SAME[] = {
        "{}",
        "{\"a\":null,\"b\":true,\"c\":false}",
        "{\"list\":[1,[2,[]],{}],\"o\":{\"p\":{\"q\":\"r\"}}}",
        "{\"least\":-9223372036854775808,\"most\":9223372036854775807,\"zero\":0,\"seven\":-7}",
        "{\"a\":129.95,\"b\":0.1,\"c\":1e+300,\"d\":0.3333333333333333,\"e\":1.0,\"f\":-2.5e-07}",
        "{\"quote\":\"\\\"\\\\/\",\"control\":\"\\u0001\\u001f\",\"text\":\"ж€😀\"}",
        "{\"\":\"no name\"}",
    };
    for (size_t i = 0; i < NM_COUNT(SAME); i++)
        s_assert_comes_back(SAME[i], SAME[i]);
    s_assert_comes_back(" {\"a\" : \"\\u00e4\\ud83d\\ude00\\/\\n\" }\n", "{\"a\":\"ä😀/\\u000a\"}");
    s_assert_comes_back("{\"a\":1E2,\"b\":10.50}", "{\"a\":100.0,\"b\":10.5}");
}

static void
what_is_no_strict_object_is_refused(void **state)
{
    (void) state;
    static const char *const BAD[] = {
        "",
        " ",
        "{",
        "{}{}",
        "[]",
        "1",
        "null",
        "\"x\"",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":1e999}",
        "{\"a\":9223372036854775808}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"\\u0062\":2}}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\xaf\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"line\nend\"}",
        "\xef\xbb\xbf{}",
        "{} // comment",
    };
    nm_buf_t out = { 0 };
    for (size_t i = 0; i < NM_COUNT(BAD); i++)
        assert_int_equal(s_pack(BAD[i], &out), NM_ERR_MALFORMED);
    nm_buf_free(&out);
}

static void
nothing_is_added_when_it_is_refused(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nm_error_t error;
    size_t count;
    nm_buf_add_text(&out, "before");
    assert_int_equal(nm_convert_object(nm_text("[1]"), &out, &count, &error), NM_ERR_MALFORMED);
    assert_int_equal(nm_convert_object(nm_text("{\"a\":[1,2"), &out, &count, &error), NM_ERR_MALFORMED);
    assert_true(nm_bytes_is(nm_buf_bytes(&out), "before"));
    nm_buf_free(&out);
}

//  One object that is so deep, with a number innermost.
static nm_rc_t
s_pack_nested(unsigned depth, nm_buf_t *out)
{
    char json[512];
    size_t used = 0;
    for (unsigned i = 0; i < depth; i++)
        used += (size_t) snprintf(json + used, sizeof json - used, i % 2 ? "{\"a\":" : i ? "{\"b\":" : "{\"c\":");
    used += (size_t) snprintf(json + used, sizeof json - used, "1");
    for (unsigned i = 0; i < depth; i++)
        used += (size_t) snprintf(json + used, sizeof json - used, "}");
    return s_pack(json, out);
}

//  A body stands in a frame, in a list of asks, in an ask.
static void
what_is_taken_fits_into_a_frame(void **state)
{
    (void) state;
    nm_buf_t body = { 0 }, frame = { 0 };
    assert_int_equal(s_pack_nested(NM_CONVERT_DEPTH_MAX, &body), NM_OK);
    nm_writer_map(&frame, 1);
    nm_writer_text(&frame, "asks");
    nm_writer_list(&frame, 1);
    nm_writer_map(&frame, 1);
    nm_writer_text(&frame, "body");
    nm_writer_raw(&frame, nm_buf_bytes(&body));
    assert_int_equal(nm_reader_check(nm_buf_bytes(&frame)), NM_OK);
    assert_int_equal(s_pack_nested(NM_CONVERT_DEPTH_MAX + 1, &body), NM_ERR_MALFORMED);
    nm_buf_free(&body);
    nm_buf_free(&frame);
}

//  {"list": [0,0,...]} has a name and a list beside its items.
static nm_rc_t
s_pack_many(size_t count)
{
    nm_buf_t json = { 0 }, out = { 0 };
    nm_buf_add_text(&json, "{\"list\":[0");
    for (size_t i = 1; i < count; i++)
        nm_buf_add_text(&json, ",0");
    nm_buf_add_text(&json, "]}");
    nm_buf_add(&json, "", 1);
    nm_rc_t rc = s_pack((const char *) json.at, &out);
    nm_buf_free(&json);
    nm_buf_free(&out);
    return rc;
}

static void
values_are_counted(void **state)
{
    (void) state;
    assert_int_equal(s_pack_many(NM_CONVERT_NODE_MAX - 2), NM_OK);
    assert_int_equal(s_pack_many(NM_CONVERT_NODE_MAX - 1), NM_ERR_MALFORMED);
}

static void
what_json_has_no_word_for_is_null(void **state)
{
    (void) state;
    nm_buf_t raw = { 0 }, text = { 0 };
    nm_writer_list(&raw, 4);
    nm_writer_bin(&raw, nm_bytes("\x01\x02", 2));
    nm_writer_float(&raw, 1.0 / 0.0);
    nm_writer_float(&raw, 0.0 / 0.0);
    nm_writer_uint(&raw, UINT64_MAX);
    nm_convert_value(nm_buf_bytes(&raw), &text);
    assert_true(nm_bytes_is(nm_buf_bytes(&text), "[null,null,null,18446744073709551615]"));
    nm_buf_free(&raw);
    nm_buf_free(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_they_went),
        cmocka_unit_test(what_is_no_strict_object_is_refused),
        cmocka_unit_test(nothing_is_added_when_it_is_refused),
        cmocka_unit_test(what_is_taken_fits_into_a_frame),
        cmocka_unit_test(values_are_counted),
        cmocka_unit_test(what_json_has_no_word_for_is_null),
    };
    return cmocka_run_group_tests_name("bridge/convert", tests, NULL, NULL);
}
