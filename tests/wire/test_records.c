#include "check.h"

enum { ARENA_SIZE = 1 << 20 };

//  What was decoded encodes to the same bytes, and its fields are the same.
static void
s_goes_and_comes_back(const nm_shape_t *shape, nm_keys_t keys, unsigned salt)
{
    nm_buf_t arena = { 0 }, sent = { 0 }, again = { 0 };
    any_record_t went, came;
    nm_faults_t faults = { 0 };
    nm_buf_reserve(&arena, ARENA_SIZE);
    s_fill(shape, &went, keys, &salt, &arena);
    nm_record_encode(shape, &went, keys, &sent);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&sent)), NM_OK);

    if (nm_record_decode(shape, &came, nm_buf_bytes(&sent), &faults, "") != NM_OK) {
        s_print_faults(&faults);
        fail_msg("%s does not come back", shape->name);
    }
    assert_true(came.has == went.has);
    nm_record_encode(shape, &came, keys, &again);
    assert_int_equal(sent.size, again.size);
    assert_memory_equal(sent.at, again.at, sent.size);
    assert_int_equal(nm_record_decode(shape, &came, nm_buf_bytes(&sent), NULL, ""), NM_OK);
    nm_buf_free(&arena);
    nm_buf_free(&sent);
    nm_buf_free(&again);
}

static void
every_record_comes_back_as_it_went_by_tag(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(SHAPES); i++)
        s_goes_and_comes_back(SHAPES[i], NM_BY_TAG, (unsigned) i);
}

static void
every_record_comes_back_as_it_went_by_name(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(SHAPES); i++)
        s_goes_and_comes_back(SHAPES[i], NM_BY_NAME, (unsigned) (i + 100));
    for (size_t i = 0; i < NM_COUNT(ASK_SHAPES); i++)
        s_goes_and_comes_back(ASK_SHAPES[i], NM_BY_NAME, (unsigned) (i + 200));
}

static void
every_record_refuses_every_truncation_and_a_trailing_byte(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(SHAPES); i++) {
        nm_buf_t arena = { 0 }, sent = { 0 };
        any_record_t record;
        unsigned salt = 7;
        nm_buf_reserve(&arena, ARENA_SIZE);
        s_fill(SHAPES[i], &record, NM_BY_TAG, &salt, &arena);
        nm_record_encode(SHAPES[i], &record, NM_BY_TAG, &sent);
        for (size_t size = 0; size < sent.size; size++)
            assert_int_equal(nm_record_decode(SHAPES[i], &record, nm_bytes(sent.at, size), NULL, ""), NM_ERR_MALFORMED);
        nm_buf_add(&sent, "\0", 1);
        assert_int_equal(nm_record_decode(SHAPES[i], &record, nm_buf_bytes(&sent), NULL, ""), NM_ERR_MALFORMED);
        nm_buf_free(&arena);
        nm_buf_free(&sent);
    }
}

static void
tags_and_names_are_unique_and_tags_are_small(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(SHAPES); i++)
        for (size_t j = 0; j < SHAPES[i]->field_count; j++) {
            const nm_field_t *field = &SHAPES[i]->fields[j];
            assert_in_range(field->tag, 1, 127);
            for (size_t k = 0; k < j; k++) {
                assert_int_not_equal(field->tag, SHAPES[i]->fields[k].tag);
                assert_string_not_equal(field->name, SHAPES[i]->fields[k].name);
            }
        }
}

static void
words_are_found_and_told_both_ways(void **state)
{
    (void) state;
    static const nm_words_t *const ALL[] = { &nm_channel_words, &nm_priority_words, &nm_strategy_words,
                                             &nm_status_words,  &nm_event_words,    &nm_outcome_words,
                                             &nm_reason_words };
    for (size_t i = 0; i < NM_COUNT(ALL); i++)
        for (size_t j = 0; j < ALL[i]->count; j++)
            assert_int_equal(nm_words_find(ALL[i], nm_text(nm_words_text(ALL[i], (unsigned) j))), (int) j);
    assert_int_equal(nm_words_find(&nm_channel_words, nm_text("fax")), -1);
    assert_int_equal(nm_words_find(&nm_channel_words, nm_text("")), -1);
    assert_string_equal(nm_words_text(&nm_channel_words, 4), "unknown");
    assert_string_equal(nm_words_text(&nm_status_words, NM_STATUS_SUPPRESSED), "suppressed");
    assert_string_equal(nm_words_text(&nm_event_words, NM_EVENT_RETRY_ATTEMPTED), "retry_attempted");
    assert_string_equal(nm_words_text(&nm_reason_words, NM_REASON_NO_RECIPIENT), "no_recipient");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_comes_back_as_it_went_by_tag),
        cmocka_unit_test(every_record_comes_back_as_it_went_by_name),
        cmocka_unit_test(every_record_refuses_every_truncation_and_a_trailing_byte),
        cmocka_unit_test(tags_and_names_are_unique_and_tags_are_small),
        cmocka_unit_test(words_are_found_and_told_both_ways),
    };
    return cmocka_run_group_tests_name("wire/records", tests, NULL, NULL);
}
