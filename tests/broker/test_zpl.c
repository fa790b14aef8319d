#include "tests/broker/check.h"

#include "broker/zpl.h"

static const char SAMPLE[] = "#  A comment\n"
                             "\n"
                             "mesh\n"
                             "    name = \"demo # one\"   # a trailing comment\r\n"
                             "    key = 'say \"hi\"'\n"
                             "    bare = tcp://127.0.0.1:7751 # gateway\n"
                             "  # a comment may stand anywhere\n"
                             "    deep\n"
                             "        deeper\n"
                             "            number = 17\n"
                             "store\n"
                             "    quota = 3G\n"
                             "    lease = 5m\n"
                             "    sealed = no\n"
                             "    empty = \"\"\n"
                             "    none\n";

static nm_zpl_t *
s_parse(const char *text, nm_error_t *error)
{
    return nm_zpl_parse("sample.zpl", nm_text(text), error);
}

//  The text is refused with that sentence.
static void
s_assert_refused(const char *text, const char *sentence)
{
    nm_error_t error = { "" };
    assert_null(s_parse(text, &error));
    assert_string_equal(error.text, sentence);
}

static void
reads_names_values_levels_and_lines(void **state)
{
    (void) state;
    nm_error_t error = { "" };
    nm_zpl_t *root = s_parse(SAMPLE, &error);
    assert_string_equal(error.text, "");
    const nm_zpl_t *mesh = nm_zpl_find(root, "mesh");
    assert_null(mesh->value);
    assert_string_equal(nm_zpl_find(mesh, "name")->value, "demo # one");
    assert_string_equal(nm_zpl_find(mesh, "key")->value, "say \"hi\"");
    assert_string_equal(nm_zpl_find(mesh, "bare")->value, "tcp://127.0.0.1:7751");
    const nm_zpl_t *number = nm_zpl_find(nm_zpl_find(nm_zpl_find(mesh, "deep"), "deeper"), "number");
    assert_string_equal(number->value, "17");
    assert_int_equal(number->line, 10);
    assert_string_equal(number->file, "sample.zpl");
    assert_null(nm_zpl_find(mesh, "store"));
    nm_zpl_destroy(&root);
    assert_null(root);
}

static void
reads_an_empty_file_and_one_without_a_last_line_end(void **state)
{
    (void) state;
    nm_zpl_t *root = s_parse("", NULL);
    assert_null(root->child);
    nm_zpl_destroy(&root);
    root = s_parse("a = b", NULL);
    assert_string_equal(nm_zpl_find(root, "a")->value, "b");
    nm_zpl_destroy(&root);
}

static void
gives_values_with_their_units(void **state)
{
    (void) state;
    nm_zpl_t *root = s_parse(SAMPLE, NULL);
    const nm_zpl_t *store = nm_zpl_find(root, "store");
    uint64_t size, number;
    int64_t lease_ms;
    bool sealed;
    const char *text;
    assert_int_equal(nm_zpl_size(store, "quota", UINT64_MAX, 1, &size, NULL), NM_OK);
    assert_int_equal(size, UINT64_C(3) << 30);
    assert_int_equal(nm_zpl_duration(store, "lease", 86400000, 1, &lease_ms, NULL), NM_OK);
    assert_int_equal(lease_ms, 300000);
    assert_int_equal(nm_zpl_bool(store, "sealed", true, &sealed, NULL), NM_OK);
    assert_false(sealed);
    assert_int_equal(nm_zpl_text(store, "empty", "x", &text, NULL), NM_OK);
    assert_string_equal(text, "");
    const nm_zpl_t *deeper = nm_zpl_find(nm_zpl_find(nm_zpl_find(root, "mesh"), "deep"), "deeper");
    assert_int_equal(nm_zpl_number(deeper, "number", 1, 17, 3, &number, NULL), NM_OK);
    assert_int_equal(number, 17);
    nm_zpl_destroy(&root);
}

static void
gives_the_default_for_what_is_not_there(void **state)
{
    (void) state;
    uint64_t number;
    int64_t ms;
    bool yes;
    const char *text;
    assert_int_equal(nm_zpl_number(NULL, "x", 1, 9, 4, &number, NULL), NM_OK);
    assert_int_equal(number, 4);
    assert_int_equal(nm_zpl_size(NULL, "x", 9, 5, &number, NULL), NM_OK);
    assert_int_equal(number, 5);
    assert_int_equal(nm_zpl_duration(NULL, "x", 9, 6, &ms, NULL), NM_OK);
    assert_int_equal(ms, 6);
    assert_int_equal(nm_zpl_bool(NULL, "x", true, &yes, NULL), NM_OK);
    assert_true(yes);
    assert_int_equal(nm_zpl_text(NULL, "x", NULL, &text, NULL), NM_OK);
    assert_null(text);
}

static void
refuses_a_wrong_value_with_its_line(void **state)
{
    (void) state;
    nm_error_t error;
    uint64_t number = 99;
    int64_t ms;
    bool yes;
    const char *text;
    nm_zpl_t *root =
        s_parse("a = 12x\nb = 18446744073709551616\nc = 30d\nd = maybe\ne\nf = -1\ng = 17179869184G\n", NULL);
    assert_int_equal(nm_zpl_number(root, "a", 0, 100, 0, &number, &error), NM_ERR_MALFORMED);
    assert_string_equal(error.text, "sample.zpl line 1: a = \"12x\": expected a number");
    assert_int_equal(nm_zpl_number(root, "b", 0, UINT64_MAX, 0, &number, &error), NM_ERR_MALFORMED);
    assert_int_equal(nm_zpl_duration(root, "c", 86400000, 0, &ms, &error), NM_ERR_MALFORMED);
    assert_string_equal(error.text, "sample.zpl line 3: c = \"30d\": allowed are 0 to 86400000");
    assert_int_equal(nm_zpl_bool(root, "d", true, &yes, &error), NM_ERR_MALFORMED);
    assert_int_equal(nm_zpl_text(root, "e", "x", &text, &error), NM_ERR_MALFORMED);
    assert_string_equal(error.text, "sample.zpl line 5: e has no value");
    assert_int_equal(nm_zpl_number(root, "f", 0, 9, 0, &number, &error), NM_ERR_MALFORMED);
    assert_int_equal(nm_zpl_size(root, "g", UINT64_MAX, 0, &number, &error), NM_ERR_MALFORMED);
    assert_int_equal(number, 99);
    nm_zpl_destroy(&root);
}

static void
names_every_unknown_setting(void **state)
{
    (void) state;
    static const char *const NAMES[] = { "retries", "lease" };
    nm_error_t error;
    nm_zpl_t *root = s_parse("email\n    retries = 3\n    retires = 4\n    laese = 5m\n", NULL);
    assert_int_equal(nm_zpl_only(nm_zpl_find(root, "email"), NAMES, NM_COUNT(NAMES), &error), NM_ERR_MALFORMED);
    assert_string_equal(error.text,
                        "sample.zpl line 3: \"retires\" is not a setting of email, nor is \"laese\" of line 4");
    assert_int_equal(nm_zpl_only(root, (const char *const[]){ "email" }, 1, &error), NM_OK);
    assert_int_equal(nm_zpl_only(NULL, NAMES, NM_COUNT(NAMES), &error), NM_OK);
    nm_zpl_destroy(&root);
}

static void
refuses_what_is_not_zpl(void **state)
{
    (void) state;
    s_assert_refused("a\n\tb = 1\n", "sample.zpl line 2: a tab; indent with 4 spaces");
    s_assert_refused("a\n   b = 1\n", "sample.zpl line 2: indented by 3 spaces; levels are 4 spaces apart");
    s_assert_refused("    b = 1\n", "sample.zpl line 1: more than one level (4 spaces) below the line before");
    s_assert_refused("a\n        b\n", "sample.zpl line 2: more than one level (4 spaces) below the line before");
    s_assert_refused("a = \"b\n", "sample.zpl line 1: the quote is not closed");
    s_assert_refused("a = 'b\"\n", "sample.zpl line 1: the quote is not closed");
    s_assert_refused("a = \"b\" c\n", "sample.zpl line 1: something follows the closing quote");
    s_assert_refused("\na =\n", "sample.zpl line 2: a value is missing after the equals sign");
    s_assert_refused("a = # b\n", "sample.zpl line 1: a value is missing after the equals sign");
    s_assert_refused("a b\n", "sample.zpl line 1: an equals sign was expected after \"a\"");
    s_assert_refused("= 1\n", "sample.zpl line 1: a name was expected, as in: name = \"value\"");
    s_assert_refused("a = 1\nb\n    c\n\na = 2\n", "sample.zpl line 5: \"a\" stands in line 1 already");
    s_assert_refused("a = \"\xff\"\n", "sample.zpl line 1: not UTF-8");
    s_assert_refused("a = \"\x1b[31m\"\n", "sample.zpl line 1: a control character");
}

static void
allows_the_same_name_below_different_parents(void **state)
{
    (void) state;
    nm_zpl_t *root = s_parse("a\n    x = 1\nb\n    x = 2\n", NULL);
    assert_string_equal(nm_zpl_find(nm_zpl_find(root, "a"), "x")->value, "1");
    assert_string_equal(nm_zpl_find(nm_zpl_find(root, "b"), "x")->value, "2");
    nm_zpl_destroy(&root);
}

static void
bounds_levels_settings_names_and_size(void **state)
{
    (void) state;
    nm_error_t error;
    nm_buf_t text = { 0 };
    for (int level = 0; level < 17; level++)
        nm_buf_format(&text, "%*sx\n", 4 * level, "");
    assert_null(nm_zpl_parse("t", nm_buf_bytes(&text), &error));
    assert_string_equal(error.text, "t line 17: more than 16 levels");

    nm_buf_clear(&text);
    for (int i = 0; i < 10001; i++)
        nm_buf_format(&text, "%*sn%d\n", i % 100 ? 4 : 0, "", i);
    assert_null(nm_zpl_parse("t", nm_buf_bytes(&text), &error));
    assert_string_equal(error.text, "t line 10001: more than 10000 settings");

    nm_buf_clear(&text);
    nm_buf_format(&text, "%064d = 1\n", 0);
    assert_null(nm_zpl_parse("t", nm_buf_bytes(&text), &error));

    nm_buf_clear(&text);
    nm_buf_format(&text, "# %1048576d\n", 0);
    assert_null(nm_zpl_parse("t", nm_buf_bytes(&text), &error));
    nm_buf_free(&text);
}

static void
says_why_a_file_cannot_be_read(void **state)
{
    (void) state;
    nm_error_t error;
    assert_null(nm_zpl_load("/nonexistent/mesh.zpl", &error));
    assert_string_equal(error.text, "/nonexistent/mesh.zpl cannot be read: No such file or directory");
    assert_null(nm_zpl_load("/dev", &error));
    assert_string_equal(error.text, "/dev is not a file");
}

//  Changes the sample at random; the parser must answer and nothing may be touched that is not its own.
static void
survives_any_change_of_bytes(void **state)
{
    (void) state;
    uint32_t seed = 20261121;
    for (int round = 0; round < 20000; round++) {
        char *text = malloc(sizeof SAMPLE - 1);
        size_t size = sizeof SAMPLE - 1;
        memcpy(text, SAMPLE, size);
        for (int change = 0; change < 1 + round % 7; change++) {
            seed = seed * 1664525 + 1013904223;
            text[(seed >> 8) % size] = "\n    \"'=#a\r\t\xc3\xa4"[seed % 13];
        }
        seed = seed * 1664525 + 1013904223;
        nm_error_t error;
        nm_zpl_t *root = nm_zpl_parse("t", nm_bytes(text, (seed >> 8) % (size + 1)), &error);
        nm_zpl_destroy(&root);
        free(text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_values_levels_and_lines),
        cmocka_unit_test(reads_an_empty_file_and_one_without_a_last_line_end),
        cmocka_unit_test(gives_values_with_their_units),
        cmocka_unit_test(gives_the_default_for_what_is_not_there),
        cmocka_unit_test(refuses_a_wrong_value_with_its_line),
        cmocka_unit_test(names_every_unknown_setting),
        cmocka_unit_test(refuses_what_is_not_zpl),
        cmocka_unit_test(allows_the_same_name_below_different_parents),
        cmocka_unit_test(bounds_levels_settings_names_and_size),
        cmocka_unit_test(says_why_a_file_cannot_be_read),
        cmocka_unit_test(survives_any_change_of_bytes),
    };
    return cmocka_run_group_tests_name("broker/zpl", tests, NULL, NULL);
}
