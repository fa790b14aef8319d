#include "check.h"
#include "wire/utf8.h"

static void
takes_the_first_and_last_character_of_each_size(void **state)
{
    (void) state;
    static const char *const TEXTS[] = { "",
                                         "a",
                                         "\x7f",
                                         "\xc2\x80",
                                         "\xdf\xbf",
                                         "\xe0\xa0\x80",
                                         "\xed\x9f\xbf",
                                         "\xee\x80\x80",
                                         "\xef\xbf\xbf",
                                         "\xf0\x90\x80\x80",
                                         "\xf4\x8f\xbf\xbf",
                                         "twelve bytes \xf0\x9f\x98\x80 and more" };
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++)
        assert_true(nm_utf8_is_valid(nm_text(TEXTS[i])));
    assert_true(nm_utf8_is_valid(nm_bytes("a\0b", 3)));
}

static void
refuses_overlong_forms_surrogates_and_pieces(void **state)
{
    (void) state;
    static const char *const TEXTS[] = { "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",
                                         "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
                                         "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                         "\xff",         "\xc2",         "\xe2\x82",         "\xf0\x9f\x98",
                                         "\xc2\x41",     "\xe2\x82\x41", "12345678\xc3",     "1234567\xc3\xa4\xa4" };
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++)
        assert_false(nm_utf8_is_valid(nm_text(TEXTS[i])));
}

static void
gives_the_characters_one_by_one(void **state)
{
    (void) state;
    static const uint32_t WANTED[] = { 'a', 0xe4, 0x20ac, 0x1f600 };
    nm_bytes_t rest = nm_text("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    uint32_t rune;
    assert_int_equal(nm_utf8_count(rest), 4);
    for (size_t i = 0; i < NM_COUNT(WANTED); i++) {
        assert_true(nm_utf8_next(&rest, &rune));
        assert_int_equal(rune, WANTED[i]);
    }
    assert_false(nm_utf8_next(&rest, &rune));
}

static void
a_line_holds_nothing_that_starts_another(void **state)
{
    (void) state;
    static const char *const BREAKS[] = { "\n",   "\r",       "\t",       "\x0b",         "\x1f",
                                          "\x7f", "\xc2\x85", "\xc2\x9f", "\xe2\x80\xa8", "\xe2\x80\xa9" };
    for (size_t i = 0; i < NM_COUNT(BREAKS); i++) {
        char text[16];
        snprintf(text, sizeof text, "ab%scd", BREAKS[i]);
        assert_false(nm_utf8_is_line(nm_text(text)));
        snprintf(text, sizeof text, "%s", BREAKS[i]);
        assert_false(nm_utf8_is_line(nm_text(text)));
    }
    assert_false(nm_utf8_is_line(nm_bytes("a\0b", 3)));
    assert_true(nm_utf8_is_line(nm_text("gr\xc3\xbc\xc3\x9f \xe2\x80\xa6 \xc2\xa0 \xf0\x9f\x98\x80")));
    assert_true(nm_utf8_is_line(nm_text("")));
}

static void
cuts_between_characters(void **state)
{
    (void) state;
    nm_bytes_t text = nm_text("a\xc3\xa4\xe2\x82\xac");
    static const size_t WANTED[] = { 0, 1, 1, 3, 3, 3, 6, 6 };
    for (size_t max = 0; max < NM_COUNT(WANTED); max++)
        assert_int_equal(nm_utf8_cut(text, max), WANTED[max]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_first_and_last_character_of_each_size),
        cmocka_unit_test(refuses_overlong_forms_surrogates_and_pieces),
        cmocka_unit_test(gives_the_characters_one_by_one),
        cmocka_unit_test(a_line_holds_nothing_that_starts_another),
        cmocka_unit_test(cuts_between_characters),
    };
    return cmocka_run_group_tests_name("wire/utf8", tests, NULL, NULL);
}
