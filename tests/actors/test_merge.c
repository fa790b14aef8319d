#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/merge.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { PAGE_COUNT = 4 };

typedef struct {
    nm_buf_t bodies[PAGE_COUNT];
    nm_page_t pages[PAGE_COUNT];
    nm_buf_t items;
    nm_merged_t merged;
} test_t;

static int
s_setup(void **state)
{
    *state = nm_alloc(sizeof(test_t));
    return 0;
}

static int
s_teardown(void **state)
{
    test_t *self = *state;
    for (size_t i = 0; i < PAGE_COUNT; i++)
        nm_buf_free(&self->bodies[i]);
    nm_buf_free(&self->items);
    free(self);
    return 0;
}

static nm_id_t
s_id(unsigned n)
{
    nm_id_t id = { { 0 } };
    nm_put_u64(id.at, n);
    return id;
}

//  Packs a page with these numbers, which a 0 ends, and this cursor; 0: none.
static nm_bytes_t
s_page(nm_buf_t *out, const unsigned *numbers, unsigned cursor)
{
    size_t count = 0;
    nm_buf_clear(out);
    while (numbers[count])
        count++;
    nm_writer_map(out, 2);
    nm_writer_text(out, "items");
    nm_writer_list(out, count);
    for (size_t i = 0; i < count; i++) {
        nm_id_t id = s_id(numbers[i]);
        nm_writer_map(out, 2);
        nm_writer_pair_uint(out, "n", numbers[i]);
        nm_writer_pair_id(out, "id", &id);
    }
    nm_id_t id = s_id(cursor);
    nm_writer_text(out, "next_cursor");
    if (!cursor)
        nm_writer_nil(out);
    else {
        char text[NM_ID_TEXT_SIZE + 1];
        nm_id_to_text(&id, text);
        nm_writer_text(out, text);
    }
    return nm_buf_bytes(out);
}

typedef struct {
    unsigned numbers[8];
    unsigned cursor;
} page_t;

//  Merges and checks what came of it: numbers that a 0 ends, and the cursor; 0: none.
static void
s_merge(test_t *self, const page_t *pages, size_t count, size_t limit, const page_t *wanted)
{
    nm_buf_clear(&self->items);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(nm_page_open(&self->pages[i], s_page(&self->bodies[i], pages[i].numbers, pages[i].cursor)),
                         NM_OK);
    assert_int_equal(nm_merge(self->pages, count, limit, &self->items, &self->merged), NM_OK);
    nm_reader_t reader;
    nm_bytes_t item;
    nm_reader_open(&reader, nm_buf_bytes(&self->items));
    for (size_t i = 0; i < self->merged.count; i++) {
        assert_int_equal(nm_reader_raw(&reader, &item), NM_OK);
        assert_int_equal(nm_reader_find_uint(item, "n"), wanted->numbers[i]);
    }
    assert_true(nm_reader_done(&reader));
    assert_int_equal(wanted->numbers[self->merged.count], 0);
    assert_int_equal(self->merged.more, wanted->cursor != 0);
    if (wanted->cursor) {
        nm_id_t last = s_id(wanted->cursor);
        assert_true(nm_id_equal(&self->merged.last, &last));
    }
}

static void
the_newest_come_first_whoever_has_them(void **state)
{
    static const page_t PAGES[] = { { { 9, 4, 3 }, 0 }, { { 8, 7, 1 }, 0 }, { { 0 }, 0 } };
    s_merge(*state, PAGES, 3, 50, &(page_t){ { 9, 8, 7, 4, 3, 1 }, 0 });
}

static void
a_page_ends_with_its_limit_and_the_next_goes_on_there(void **state)
{
    static const page_t PAGES[] = { { { 9, 4, 3 }, 0 }, { { 8, 7, 1 }, 0 } };
    s_merge(*state, PAGES, 2, 4, &(page_t){ { 9, 8, 7, 4 }, 4 });
    s_merge(*state, PAGES, 2, 6, &(page_t){ { 9, 8, 7, 4, 3, 1 }, 0 });
}

//  The first has more below 5: what the other has below that may not come before it.
static void
nothing_is_given_that_something_unknown_may_come_before(void **state)
{
    static const page_t PAGES[] = { { { 9, 5 }, 5 }, { { 8, 4, 2 }, 0 } };
    s_merge(*state, PAGES, 2, 50, &(page_t){ { 9, 8, 5 }, 5 });
    static const page_t SPARSE[] = { { { 0 }, 6 }, { { 8, 4, 2 }, 1 } };
    s_merge(*state, SPARSE, 2, 50, &(page_t){ { 8 }, 6 });
}

static void
what_two_have_is_given_once(void **state)
{
    static const page_t PAGES[] = { { { 9, 5, 4 }, 0 }, { { 9, 5, 2 }, 0 }, { { 5 }, 0 } };
    s_merge(*state, PAGES, 3, 50, &(page_t){ { 9, 5, 4, 2 }, 0 });
    s_merge(*state, PAGES, 3, 2, &(page_t){ { 9, 5 }, 5 });
}

static void
pages_of_nothing_are_the_end(void **state)
{
    static const page_t PAGES[] = { { { 0 }, 0 }, { { 0 }, 0 } };
    s_merge(*state, PAGES, 2, 50, &(page_t){ { 0 }, 0 });
    s_merge(*state, PAGES, 0, 50, &(page_t){ { 0 }, 0 });
}

//  Pages of random lists, asked for again and again, give every item once and in order.
static void
all_pages_together_are_the_whole_list(void **state)
{
    test_t *self = *state;
    enum { COUNT = 60, EACH = 5 };
    for (unsigned seed = 1; seed <= 50; seed++) {
        unsigned owner[COUNT + 1], dice = seed, before = COUNT + 1, expected = COUNT;
        for (unsigned n = 1; n <= COUNT; n++)
            owner[n] = (dice = dice * 1103515245 + 12345) >> 16 & 3;
        while (expected) {
            page_t pages[PAGE_COUNT] = { { { 0 }, 0 } };
            for (unsigned g = 0; g < PAGE_COUNT; g++) {
                size_t count = 0;
                unsigned n = before - 1;
                for (; n && count < EACH; n--)
                    if (owner[n] == g)
                        pages[g].numbers[count++] = n;
                while (n && owner[n] != g)
                    n--;
                pages[g].cursor = n ? pages[g].numbers[count - 1] : 0;
                s_page(&self->bodies[g], pages[g].numbers, pages[g].cursor);
                assert_int_equal(nm_page_open(&self->pages[g], nm_buf_bytes(&self->bodies[g])), NM_OK);
            }
            nm_buf_clear(&self->items);
            assert_int_equal(nm_merge(self->pages, PAGE_COUNT, EACH, &self->items, &self->merged), NM_OK);
            nm_reader_t reader;
            nm_bytes_t item;
            nm_reader_open(&reader, nm_buf_bytes(&self->items));
            for (size_t i = 0; i < self->merged.count; i++) {
                assert_int_equal(nm_reader_raw(&reader, &item), NM_OK);
                assert_int_equal(nm_reader_find_uint(item, "n"), expected--);
            }
            assert_int_equal(self->merged.more, expected > 0);
            before = (unsigned) nm_get_u64(self->merged.last.at);
        }
    }
}

//  Each page fits a frame; what becomes of them must, too.
static void
a_page_ends_when_it_has_as_many_values_as_it_may(void **state)
{
    enum { VALUES = 50000 };
    test_t *self = *state;
    for (unsigned n = 0; n < PAGE_COUNT; n++) {
        nm_buf_t *out = &self->bodies[n];
        nm_id_t id = s_id(9 - n);
        nm_writer_map(out, 2);
        nm_writer_text(out, "items");
        nm_writer_list(out, 1);
        nm_writer_map(out, 2);
        nm_writer_pair_id(out, "id", &id);
        nm_writer_text(out, "values");
        nm_writer_list(out, VALUES);
        for (size_t i = 0; i < VALUES; i++)
            nm_writer_nil(out);
        nm_writer_text(out, "next_cursor");
        nm_writer_nil(out);
        assert_int_equal(nm_page_open(&self->pages[n], nm_buf_bytes(out)), NM_OK);
    }
    assert_int_equal(nm_merge(self->pages, PAGE_COUNT, 50, &self->items, &self->merged), NM_OK);
    nm_id_t last = s_id(7);
    assert_int_equal(self->merged.count, 3);
    assert_true(self->merged.more && nm_id_equal(&self->merged.last, &last));
}

static void
what_is_no_page_is_refused(void **state)
{
    static const char *const BODIES[] = {
        "",
        "\x80",
        "\x81\xa5items\x90",
        "\x82\xa5items\xa4none\xabnext_cursor\xc0",
        "\x82\xa5items\x91\x80\xabnext_cursor\xc0",
        "\x82\xa5items\x91\x81\xa2id\xa1x\xabnext_cursor\xc0",
        "\x82\xa5items\x90\xabnext_cursor\xa3odd",
        "\x82\xa5items\x90\xabnext_cursor\x07",
    };
    test_t *self = *state;
    for (size_t i = 0; i < NM_COUNT(BODIES); i++)
        assert_int_equal(nm_page_open(&self->pages[0], nm_text(BODIES[i])), NM_ERR_MALFORMED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_come_first_whoever_has_them),
        TEST(a_page_ends_with_its_limit_and_the_next_goes_on_there),
        TEST(nothing_is_given_that_something_unknown_may_come_before),
        TEST(what_two_have_is_given_once),
        TEST(pages_of_nothing_are_the_end),
        TEST(all_pages_together_are_the_whole_list),
        TEST(a_page_ends_when_it_has_as_many_values_as_it_may),
        TEST(what_is_no_page_is_refused),
    };
    return cmocka_run_group_tests_name("actors/gateway merge", tests, NULL, NULL);
}
