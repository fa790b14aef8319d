#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "actors/gateway/stream.h"

static const uint8_t AUTHORITY[32] = "the authority of all these tests";

static nm_stream_t
s_sample(void)
{
    nm_stream_t stream = { .since_ms = INT64_C(1795219200123) };
    nm_stream_put(&stream, 300, UINT64_C(0x123456789abcdef));
    nm_stream_put(&stream, 2, 0x1f);
    nm_stream_put(&stream, 65535, UINT64_MAX);
    nm_stream_put(&stream, 7, 0);
    return stream;
}

static void
comes_back_as_it_went(void **state)
{
    (void) state;
    char text[NM_STREAM_CURSOR_MAX + 1];
    nm_stream_t stream = s_sample(), again;
    nm_stream_text(&stream, AUTHORITY, text);
    assert_int_equal(nm_stream_read(&again, AUTHORITY, nm_text(text)), NM_OK);
    assert_true(nm_stream_equal(&stream, &again));
    assert_int_equal(again.count, 4);
    assert_int_equal(nm_stream_find(&again, 300)->position, UINT64_C(0x123456789abcdef));
    assert_null(nm_stream_find(&again, 3));
}

//  Pinned: cursors that clients hold stay good.
static void
a_cursor_is_short_and_does_not_change(void **state)
{
    (void) state;
    char text[NM_STREAM_CURSOR_MAX + 1];
    nm_stream_t stream = { .since_ms = INT64_C(1795219200000) };
    nm_stream_put(&stream, 1, UINT64_C(70000) << 16 | 0xffff);
    nm_stream_put(&stream, 2, UINT64_C(81) << 16 | 3);
    nm_stream_text(&stream, AUTHORITY, text);
    assert_string_equal(text, "v2gLCc2580AgH__8OLEQGDgMQCP6uHQA");
    assert_null(strpbrk(text, "+/=&%"));
}

static void
every_damaged_cursor_is_refused(void **state)
{
    (void) state;
    char text[NM_STREAM_CURSOR_MAX + 1], damaged[NM_STREAM_CURSOR_MAX + 1];
    nm_stream_t stream = s_sample(), again;
    nm_stream_text(&stream, AUTHORITY, text);
    size_t size = strlen(text);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(nm_stream_read(&again, AUTHORITY, nm_bytes(text, cut)), NM_ERR_MALFORMED);
    for (size_t i = 0; i < size; i++) {
        memcpy(damaged, text, size + 1);
        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        if (strcmp(damaged, text) != 0)
            assert_int_equal(nm_stream_read(&again, AUTHORITY, nm_text(damaged)), NM_ERR_MALFORMED);
    }
    memcpy(damaged, text, size);
    memcpy(damaged + size, "AAAA", 5);
    assert_int_equal(nm_stream_read(&again, AUTHORITY, nm_text(damaged)), NM_ERR_MALFORMED);
    static const uint8_t OTHER[32] = "another authority, another mesh.";
    assert_int_equal(nm_stream_read(&again, OTHER, nm_text(text)), NM_ERR_MALFORMED);
}

static void
the_largest_fits(void **state)
{
    (void) state;
    char text[NM_STREAM_CURSOR_MAX + 1];
    nm_stream_t stream = { .since_ms = INT64_MAX }, again;
    for (unsigned i = 0; i < NM_STREAM_MAX + 5; i++)
        nm_stream_put(&stream, (uint16_t) (65535 - 300 * i), UINT64_MAX - i);
    assert_int_equal(stream.count, NM_STREAM_MAX);
    nm_stream_text(&stream, AUTHORITY, text);
    assert_true(strlen(text) <= NM_STREAM_CURSOR_MAX);
    assert_int_equal(nm_stream_read(&again, AUTHORITY, nm_text(text)), NM_OK);
    assert_true(nm_stream_equal(&stream, &again));
}

static void
points_are_set_and_dropped(void **state)
{
    (void) state;
    nm_stream_t stream = s_sample();
    nm_stream_put(&stream, 7, 99);
    nm_stream_drop(&stream, 2);
    nm_stream_drop(&stream, 3);
    assert_int_equal(stream.count, 3);
    assert_int_equal(nm_stream_find(&stream, 7)->position, 99);
    assert_null(nm_stream_find(&stream, 2));
    assert_int_equal(nm_stream_find(&stream, 65535)->position, UINT64_MAX);
}

static void
a_cursor_of_one_journal_is_still_read(void **state)
{
    (void) state;
    nm_point_t point;
    char text[NM_POINT_TEXT_SIZE + 1];
    assert_int_equal(nm_point_read(&point, nm_text("2-1f")), NM_OK);
    assert_int_equal(point.number, 2);
    assert_int_equal(point.position, 0x1f);
    nm_point_text(&(nm_point_t){ 65535, UINT64_MAX }, text);
    assert_int_equal(nm_point_read(&point, nm_text(text)), NM_OK);
    static const char *const BAD[] = { "",        "2",      "2-",           "-1",
                                       "65537-1", "2-1F",   "02-1",         " 2-1",
                                       "2-0x1",   "2-1 ",   "two",          "2--1",
                                       "+2-1",    "2-1f\n", "4294967298-1", "2-11111111111111111" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++)
        assert_int_equal(nm_point_read(&point, nm_text(BAD[i])), NM_ERR_MALFORMED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_went),           cmocka_unit_test(a_cursor_is_short_and_does_not_change),
        cmocka_unit_test(every_damaged_cursor_is_refused), cmocka_unit_test(the_largest_fits),
        cmocka_unit_test(points_are_set_and_dropped),      cmocka_unit_test(a_cursor_of_one_journal_is_still_read),
    };
    return cmocka_run_group_tests_name("actors/gateway stream", tests, NULL, NULL);
}
