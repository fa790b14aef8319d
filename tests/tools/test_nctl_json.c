#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/nctl/json.h"
#include "wire/writer.h"

static void
s_round_trip(const char *text)
{
    nm_error_t error;
    nm_buf_t packed = { 0 };
    json_t *before = nm_json_parse(nm_text(text), &error);
    assert_non_null(before);
    assert_int_equal(nm_json_pack(before, &packed), NM_OK);
    json_t *after = nm_json_unpack(nm_buf_bytes(&packed));
    assert_non_null(after);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    nm_buf_free(&packed);
}

static void
every_kind_of_value_comes_back_as_it_went(void **state)
{
    (void) state;
    s_round_trip(
        "{\"a\":[1,-2,3.5,true,false,null,\"\"],\"b\":{\"c\":\"gr\\u00fc\\u00df\"},\"d\":9223372036854775807}");
    s_round_trip("-9223372036854775808");
    s_round_trip("[]");
    s_round_trip("{}");
    s_round_trip("[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]");
}

static void
control_characters_are_printed_as_escapes(void **state)
{
    (void) state;
    nm_error_t error;
    nm_buf_t out = { 0 };
    json_t *json = nm_json_parse(nm_text("{\"a\":\"\\u001b[2J\\u009b2J\\u007f\\u00a0\\u0416\\u202e\\u2069\"}"), &error);
    nm_json_write(json, false, &out);
    assert_true(
        nm_bytes_is(nm_buf_bytes(&out), "{\"a\":\"\\u001B[2J\\u009b2J\\u007f\xc2\xa0\xd0\x96\\u202e\\u2069\"}"));
    json_decref(json);
    nm_buf_free(&out);
}

static void
too_deep_a_value_is_refused(void **state)
{
    (void) state;
    nm_error_t error;
    nm_buf_t packed = { 0 };
    json_t *json = nm_json_parse(nm_text("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), &error);
    assert_int_equal(nm_json_pack(json, &packed), NM_ERR_MALFORMED);
    assert_int_equal(packed.size, 0);
    json_decref(json);
    nm_buf_free(&packed);
}

static void
what_is_not_exactly_json_is_refused_with_its_place(void **state)
{
    (void) state;
    static const char *const BAD[] = { "{\"a\":1,\"a\":2}", "[1] 2", "{'a':1}", "", "nope", "\"\\ud800\"" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nm_error_t error = { "" };
        assert_null(nm_json_parse(nm_text(BAD[i]), &error));
        assert_non_null(strstr(error.text, "line 1"));
    }
}

static void
hostile_messagepack_gives_nothing(void **state)
{
    (void) state;
    assert_null(nm_json_unpack(nm_bytes("\xdd\xff\xff\xff\xff", 5)));
    assert_null(nm_json_unpack(nm_bytes("\x93\x01\x02", 3)));
    assert_null(nm_json_unpack(nm_bytes("\x01\x02", 2)));
    assert_null(nm_json_unpack(nm_bytes("", 0)));
}

static void
binaries_become_base64_and_huge_numbers_reals(void **state)
{
    (void) state;
    nm_buf_t packed = { 0 };
    nm_writer_list(&packed, 2);
    nm_writer_bin(&packed, nm_text("ding\x01"));
    nm_writer_uint(&packed, UINT64_MAX);
    json_t *json = nm_json_unpack(nm_buf_bytes(&packed));
    assert_string_equal(json_string_value(json_array_get(json, 0)), "ZGluZwE=");
    assert_true(json_is_real(json_array_get(json, 1)));
    json_decref(json);
    nm_buf_free(&packed);
}

static void
a_missing_text_is_an_empty_one(void **state)
{
    (void) state;
    json_t *json = json_pack("{sssi}", "name", "ann", "count", 7);
    assert_string_equal(nm_json_text(json, "name"), "ann");
    assert_string_equal(nm_json_text(json, "count"), "");
    assert_string_equal(nm_json_text(NULL, "name"), "");
    assert_int_equal(nm_json_number(json, "count"), 7);
    json_decref(json);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_comes_back_as_it_went),
        cmocka_unit_test(control_characters_are_printed_as_escapes),
        cmocka_unit_test(too_deep_a_value_is_refused),
        cmocka_unit_test(what_is_not_exactly_json_is_refused_with_its_place),
        cmocka_unit_test(hostile_messagepack_gives_nothing),
        cmocka_unit_test(binaries_become_base64_and_huge_numbers_reals),
        cmocka_unit_test(a_missing_text_is_an_empty_one),
    };
    return cmocka_run_group_tests_name("nctl/json", tests, NULL, NULL);
}
