#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/nctl/options.h"

static const nm_option_t ROWS[] = {
    { "smtp", 0, "HOST:PORT", "A server" },
    { "count", 'n', "N", "How many" },
    { "dry-run", 'd', NULL, "Only counts" },
    { NULL, 0, NULL, NULL },
};
static const nm_option_t SHARED[] = { { "mesh", 'C', "DIR", "Where" }, { NULL, 0, NULL, NULL } };

static nm_rc_t
s_parse(nm_options_t *options, nm_error_t *error, int argc, const char **argv)
{
    return nm_options_parse(options, ROWS, SHARED, argc, (char **) argv, error);
}

static void
options_stand_anywhere_and_in_all_spellings(void **state)
{
    (void) state;
    const char *argv[] = { "list", "--smtp", "a:1", "-C/x", "-n", "7", "--smtp=b:2", "-d", "ID", "--", "-d" };
    nm_options_t options;
    nm_error_t error;
    uint64_t count;
    assert_int_equal(s_parse(&options, &error, (int) NM_COUNT(argv), argv), NM_OK);
    assert_int_equal(options.arg_count, 3);
    assert_string_equal(options.args[1], "ID");
    assert_string_equal(options.args[2], "-d");
    assert_string_equal(nm_options_text(&options, "mesh", "mesh"), "/x");
    assert_string_equal(nm_options_text(&options, "smtp", NULL), "b:2");
    assert_string_equal(nm_options_repeat(&options, "smtp", 0), "a:1");
    assert_null(nm_options_repeat(&options, "smtp", 2));
    assert_true(nm_options_has(&options, "dry-run"));
    assert_int_equal(nm_options_number(&options, "count", 1, 10, 3, &count, &error), NM_OK);
    assert_int_equal(count, 7);
    nm_options_free(&options);
}

static void
faults_quote_what_was_typed(void **state)
{
    (void) state;
    const char *BAD[] = { "--frob", "-x", "--smtp", "--dry-run=yes" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nm_options_t options;
        nm_error_t error = { "" };
        assert_int_equal(s_parse(&options, &error, 1, &BAD[i]), NM_ERR_MALFORMED);
        assert_non_null(strstr(error.text, BAD[i]));
        nm_options_free(&options);
    }
}

static void
numbers_keep_to_their_bounds(void **state)
{
    (void) state;
    static const char *const BAD[] = {
        "--count=0", "--count=11", "--count=3x", "--count=-1", "--count=", "--count= 3", "--count=99999999999999999999"
    };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        const char *argv[] = { BAD[i] };
        nm_options_t options;
        nm_error_t error = { "" };
        uint64_t count;
        assert_int_equal(s_parse(&options, &error, 1, argv), NM_OK);
        assert_int_equal(nm_options_number(&options, "count", 1, 10, 3, &count, &error), NM_ERR_MALFORMED);
        assert_non_null(strstr(error.text, "1 to 10"));
        nm_options_free(&options);
    }
}

static void
more_options_than_there_is_room_for_are_refused(void **state)
{
    (void) state;
    const char *argv[NM_OPTIONS_MAX + 1];
    nm_options_t options;
    nm_error_t error;
    for (size_t i = 0; i < NM_COUNT(argv); i++)
        argv[i] = "-d";
    assert_int_equal(s_parse(&options, &error, (int) NM_COUNT(argv), argv), NM_ERR_MALFORMED);
    nm_options_free(&options);
}

static void
long_texts_are_broken_between_words(void **state)
{
    (void) state;
    char text[1024], word[131];
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    memset(word, 'w', sizeof word - 1);
    word[sizeof word - 1] = 0;
    for (int i = 0; i < 40; i++)
        memcpy(word + (size_t) i * 3, "is ", 3);  //  120 columns, and ten more
    fputs("----", out);
    nm_options_wrap(out, word, 4);
    fclose(out);
    const char *end = strchr(text, '\n');
    assert_non_null(end);
    assert_int_equal(end - text, 99);  //  The next word would end at column 102
    assert_memory_equal(end + 1, "    is ", 7);
    assert_string_equal(end + 1, "    is is is is is is is is wwwwwwwwww\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere_and_in_all_spellings),
        cmocka_unit_test(faults_quote_what_was_typed),
        cmocka_unit_test(numbers_keep_to_their_bounds),
        cmocka_unit_test(more_options_than_there_is_room_for_are_refused),
        cmocka_unit_test(long_texts_are_broken_between_words),
    };
    return cmocka_run_group_tests_name("nctl/options", tests, NULL, NULL);
}
