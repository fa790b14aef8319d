//  grid.c, screen.c and when.c: what people see and type.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/nctl/grid.h"
#include "tools/nctl/screen.h"
#include "tools/nctl/when.h"

static void
columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nm_grid_t *grid = nm_grid_new("NAME|>COUNT|WHY");
    nm_grid_text(grid, "gr\xc3\xbc\xc3\x9f");
    nm_grid_add(grid, "%d", 7);
    nm_grid_text(grid, NULL);
    nm_grid_text(grid, "b");
    nm_grid_add(grid, "%d", 123456);
    nm_grid_text(grid, "because");
    nm_grid_write(grid, &out);
    nm_buf_add(&out, "", 1);
    assert_string_equal((char *) out.at, "NAME   COUNT  WHY\n"
                                         "gr\xc3\xbc\xc3\x9f       7  -\n"
                                         "b     123456  because\n");
    nm_grid_destroy(&grid);
    nm_buf_free(&out);
}

static void
control_characters_never_reach_the_screen(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nm_grid_t *grid = nm_grid_new("A");
    nm_grid_text(grid, "\033[2J\nx");
    nm_grid_text(grid, "a\xc2\x9b"
                       "2Jb\x7f\xc2\xa0");
    nm_grid_write(grid, &out);
    nm_buf_add(&out, "", 1);
    assert_string_equal((char *) out.at, "A\n?[2J?x\na?2Jb?\xc2\xa0\n");
    nm_grid_destroy(&grid);
    nm_buf_free(&out);
}

//  Marks, embeddings, overrides and isolates; then the neighbours of some, which turn nothing.
static const char TURNS[] = "\xd8\x9c"
                            "a\xe2\x80\x8e"
                            "b\xe2\x80\x8f"
                            "c\xe2\x80\xaa"
                            "d\xe2\x80\xae"
                            "e\xe2\x81\xa6"
                            "f\xe2\x81\xa9"
                            "g\xd8\x9b\xe2\x80\x90\xe2\x81\xa5";

static void
what_turns_the_direction_of_writing_never_reaches_the_screen(void **state)
{
    (void) state;
    char *text = nm_screen_text(TURNS, sizeof TURNS - 1);
    assert_string_equal(text, "?a?b?c?d?e?f?g\xd8\x9b\xe2\x80\x90\xe2\x81\xa5");
    free(text);
}

static void
what_is_no_utf8_never_reaches_the_screen(void **state)
{
    (void) state;
    char *text = nm_screen_text("a\x9b\xe2\x80", 4);
    assert_string_equal(text, "a???");
    free(text);
}

static void
numbers_have_short_forms(void **state)
{
    (void) state;
    char text[16];
    nm_grid_count(950, text);
    assert_string_equal(text, "950");
    nm_grid_count(12345, text);
    assert_string_equal(text, "12.3k");
    nm_grid_bytes(512, text);
    assert_string_equal(text, "512 B");
    nm_grid_bytes(1258291, text);
    assert_string_equal(text, "1.2 MiB");
    nm_grid_span(350, text);
    assert_string_equal(text, "350ms");
    nm_grid_span(119999, text);
    assert_string_equal(text, "119s");
    nm_grid_span(INT64_C(50) * 3600 * 1000, text);
    assert_string_equal(text, "2d");
}

static void
spans_take_their_units(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t ms;
    } GOOD[] = { { "250ms", 250 },  { "90s", 90000 },    { "15m", 900000 },
                 { "2h", 7200000 }, { "7d", 604800000 }, { "5", 5000 } };
    static const char *const BAD[] = { "", "s", "-5s", "5 s", "5w", "1.5h", "99999999999999999s", "999999999999999d" };
    int64_t ms;
    for (size_t i = 0; i < NM_COUNT(GOOD); i++) {
        assert_int_equal(nm_when_span(GOOD[i].text, &ms), NM_OK);
        assert_int_equal(ms, GOOD[i].ms);
    }
    for (size_t i = 0; i < NM_COUNT(BAD); i++)
        assert_int_equal(nm_when_span(BAD[i], &ms), NM_ERR_MALFORMED);
}

static void
times_are_absolute_or_counted_from_now(void **state)
{
    (void) state;
    const int64_t now_ms = INT64_C(1795233591123);  //  2026-11-21T03:59:51.123Z
    char text[40];
    assert_int_equal(nm_when_time("2h", now_ms, text, sizeof text), NM_OK);
    assert_string_equal(text, "2026-11-21T01:59:51.123Z");
    assert_int_equal(nm_when_time("+90s", now_ms, text, sizeof text), NM_OK);
    assert_string_equal(text, "2026-11-21T04:01:21.123Z");
    assert_int_equal(nm_when_time("2026-01-02T03:04:05+01:00", now_ms, text, sizeof text), NM_OK);
    assert_string_equal(text, "2026-01-02T02:04:05.000Z");
    assert_int_equal(nm_when_time("yesterday", now_ms, text, sizeof text), NM_ERR_MALFORMED);
    assert_int_equal(nm_when_time("36500d", now_ms, text, sizeof text), NM_ERR_MALFORMED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(control_characters_never_reach_the_screen),
        cmocka_unit_test(what_turns_the_direction_of_writing_never_reaches_the_screen),
        cmocka_unit_test(what_is_no_utf8_never_reaches_the_screen),
        cmocka_unit_test(numbers_have_short_forms),
        cmocka_unit_test(spans_take_their_units),
        cmocka_unit_test(times_are_absolute_or_counted_from_now),
    };
    return cmocka_run_group_tests_name("nctl/text", tests, NULL, NULL);
}
