//  About broker/spans.c: a watermark and the runs above it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/spans.h"
#include "wire/writer.h"

static void
rises_over_numbers_in_order(void **state)
{
    (void) state;
    nm_spans_t spans = { 0 };
    for (uint64_t seq = 1; seq <= 1000; seq++)
        assert_int_equal(nm_spans_add(&spans, seq), NM_OK);
    assert_int_equal(spans.seen, 1000);
    assert_int_equal(spans.run_count, 0);
}

static void
knows_a_number_again_for_ever(void **state)
{
    (void) state;
    nm_spans_t spans = { .seen = 70 };
    assert_int_equal(nm_spans_add(&spans, 1), NM_ERR_DUPLICATE);
    assert_int_equal(nm_spans_add(&spans, 70), NM_ERR_DUPLICATE);
    assert_int_equal(nm_spans_add(&spans, 75), NM_OK);
    assert_int_equal(nm_spans_add(&spans, 75), NM_ERR_DUPLICATE);
}

//  Every order of eight numbers ends at the same watermark, and no number is new twice.
static void
comes_to_the_same_whatever_the_order(void **state)
{
    (void) state;
    uint64_t order[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    unsigned counters[8] = { 0 };
    size_t i = 0, orders = 0;
    while (i < 8) {
        nm_spans_t spans = { 0 };
        for (size_t k = 0; k < 8; k++) {
            assert_int_equal(nm_spans_add(&spans, order[k]), NM_OK);
            assert_int_equal(nm_spans_add(&spans, order[k]), NM_ERR_DUPLICATE);
        }
        assert_int_equal(spans.seen, 8);
        assert_int_equal(spans.run_count, 0);
        orders++;
        while (i < 8 && counters[i] >= i)
            counters[i++] = 0;
        if (i < 8) {
            size_t other = i % 2 ? counters[i] : 0;
            uint64_t swap = order[other];
            order[other] = order[i];
            order[i] = swap;
            counters[i]++;
            i = 0;
        }
    }
    assert_true(orders > 1);
}

static void
refuses_one_run_too_many_and_stays_as_it_was(void **state)
{
    (void) state;
    nm_spans_t spans = { 0 };
    for (uint64_t i = 1; i <= NM_SPAN_MAX; i++)
        assert_int_equal(nm_spans_add(&spans, 2 * i), NM_OK);
    assert_int_equal(nm_spans_add(&spans, 2 * NM_SPAN_MAX + 2), NM_ERR_FULL);
    assert_false(nm_spans_has(&spans, 2 * NM_SPAN_MAX + 2));
    assert_int_equal(nm_spans_add(&spans, 1), NM_OK);
    assert_int_equal(spans.seen, 2);
}

static void
comes_back_as_it_went(void **state)
{
    (void) state;
    nm_spans_t spans = { .seen = 5 }, back;
    nm_buf_t out = { 0 };
    nm_spans_add(&spans, 9);
    nm_spans_add(&spans, 10);
    nm_spans_add(&spans, 300);
    nm_spans_write(&spans, &out);
    assert_int_equal(nm_spans_read(&back, 5, nm_buf_bytes(&out)), NM_OK);
    assert_int_equal(back.run_count, 2);
    assert_int_equal(back.runs[0].first, 9);
    assert_int_equal(back.runs[0].last, 10);
    assert_int_equal(back.runs[1].last, 300);
    //  The same runs are a lie below a higher watermark.
    assert_int_equal(nm_spans_read(&back, 9, nm_buf_bytes(&out)), NM_ERR_MALFORMED);
    nm_buf_free(&out);
}

static void
lists_runs_without_a_watermark(void **state)
{
    (void) state;
    nm_runs_t runs = { 0 }, back;
    nm_buf_t out = { 0 };
    for (uint64_t seq = 1; seq <= 4; seq++)
        assert_true(nm_runs_add(&runs, seq));
    assert_true(nm_runs_add(&runs, 6));
    nm_runs_write(&runs, &out);
    assert_int_equal(nm_runs_read(&back, nm_buf_bytes(&out)), NM_OK);
    assert_int_equal(back.count, 2);
    assert_int_equal(back.at[0].first, 1);
    assert_int_equal(back.at[0].last, 4);
    assert_int_equal(back.at[1].first, 6);
    nm_buf_free(&out);

    for (uint64_t seq = 8; runs.count < NM_SPAN_MAX; seq += 2)
        assert_true(nm_runs_add(&runs, seq));
    uint64_t last = runs.at[NM_SPAN_MAX - 1].last;
    assert_false(nm_runs_add(&runs, last + 2));
    assert_true(nm_runs_add(&runs, last + 1));
}

static void
refuses_runs_that_touch_fall_or_have_no_number(void **state)
{
    (void) state;
    const nm_runs_t BAD[] = {
        { .count = 1, .at = { { 0, 3 } } },           { .count = 1, .at = { { 5, 4 } } },
        { .count = 2, .at = { { 1, 3 }, { 4, 5 } } }, { .count = 2, .at = { { 7, 8 }, { 1, 2 } } },
        { .count = 1, .at = { { 1, UINT64_MAX } } },
    };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nm_runs_t back;
        nm_buf_t out = { 0 };
        nm_runs_write(&BAD[i], &out);
        assert_int_equal(nm_runs_read(&back, nm_buf_bytes(&out)), NM_ERR_MALFORMED);
        nm_buf_free(&out);
    }
}

static nm_spans_t
s_spans(uint64_t seen, size_t count, const nm_run_t *runs)
{
    nm_spans_t spans = { .seen = seen, .run_count = (uint32_t) count };
    if (count)
        memcpy(spans.runs, runs, count * sizeof *runs);
    return spans;
}

static void
joins_what_two_have_seen(void **state)
{
    (void) state;
    nm_spans_t spans = s_spans(4, 2, (nm_run_t[]){ { 7, 9 }, { 20, 20 } });
    nm_spans_t other = s_spans(5, 3, (nm_run_t[]){ { 8, 12 }, { 21, 22 }, { 30, 31 } });
    assert_int_equal(nm_spans_join(&spans, &other), NM_OK);
    assert_int_equal(spans.seen, 5);
    assert_int_equal(spans.run_count, 3);
    assert_int_equal(spans.runs[0].first, 7);
    assert_int_equal(spans.runs[0].last, 12);
    assert_int_equal(spans.runs[1].first, 20);
    assert_int_equal(spans.runs[1].last, 22);
    assert_int_equal(nm_spans_last(&spans), 31);

    //  The watermark rises over runs that it reaches.
    other = s_spans(6, 0, NULL);
    assert_int_equal(nm_spans_join(&spans, &other), NM_OK);
    assert_int_equal(spans.seen, 12);
    assert_int_equal(spans.run_count, 2);
}

static void
takes_nothing_back_when_it_joins_less(void **state)
{
    (void) state;
    nm_spans_t spans = s_spans(4, 1, (nm_run_t[]){ { 7, 9 } });
    nm_spans_t less = s_spans(4, 0, NULL);
    assert_int_equal(nm_spans_join(&spans, &less), NM_OK);
    assert_true(nm_spans_has(&spans, 8));
    assert_true(nm_spans_has_all(&spans, &less));
    assert_false(nm_spans_has_all(&less, &spans));
}

static void
knows_whether_it_has_all_of_another(void **state)
{
    (void) state;
    nm_spans_t spans = s_spans(4, 2, (nm_run_t[]){ { 7, 9 }, { 12, 20 } });
    nm_spans_t other = s_spans(2, 3, (nm_run_t[]){ { 4, 4 }, { 8, 9 }, { 13, 20 } });
    assert_true(nm_spans_has_all(&spans, &other));
    other.runs[2].last = 21;
    assert_false(nm_spans_has_all(&spans, &other));
    other = s_spans(0, 1, (nm_run_t[]){ { 6, 8 } });
    assert_false(nm_spans_has_all(&spans, &other));
    other = s_spans(5, 0, NULL);
    assert_false(nm_spans_has_all(&spans, &other));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rises_over_numbers_in_order),
        cmocka_unit_test(knows_a_number_again_for_ever),
        cmocka_unit_test(comes_to_the_same_whatever_the_order),
        cmocka_unit_test(refuses_one_run_too_many_and_stays_as_it_was),
        cmocka_unit_test(comes_back_as_it_went),
        cmocka_unit_test(lists_runs_without_a_watermark),
        cmocka_unit_test(refuses_runs_that_touch_fall_or_have_no_number),
        cmocka_unit_test(joins_what_two_have_seen),
        cmocka_unit_test(takes_nothing_back_when_it_joins_less),
        cmocka_unit_test(knows_whether_it_has_all_of_another),
    };
    return cmocka_run_group_tests_name("broker/spans", tests, NULL, NULL);
}
