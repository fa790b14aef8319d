#include "tests/broker/check.h"

#include "broker/tags.h"

static nm_place_t
s_place(uint64_t rank, uint64_t number)
{
    return (nm_place_t){ .rank = rank, .number = number };
}

static void
finds_the_first_of_those_that_have_the_tag(void **state)
{
    (void) state;
    nm_tags_t tags = { 0 };
    nm_place_t place = s_place(0, 0);
    assert_int_equal(nm_tags_first(&tags, nm_text("letter"), &place), NM_ERR_MISSING);
    nm_tags_add(&tags, nm_text("letter"), s_place(700, 12));
    nm_tags_add(&tags, nm_text("letter"), s_place(500, 30));
    nm_tags_add(&tags, nm_text("letter"), s_place(500, 29));
    nm_tags_add(&tags, nm_text("lette"), s_place(1, 1));
    assert_int_equal(nm_tags_first(&tags, nm_text("letter"), &place), NM_OK);
    assert_true(place.rank == 500 && place.number == 29);
    nm_tags_drop(&tags, nm_text("letter"), place);
    assert_int_equal(nm_tags_first(&tags, nm_text("letter"), &place), NM_OK);
    assert_true(place.rank == 500 && place.number == 30);
    nm_tags_drop(&tags, nm_text("letter"), place);
    nm_tags_drop(&tags, nm_text("letter"), s_place(700, 13));  //  Nothing stands there
    assert_int_equal(nm_tags_first(&tags, nm_text("letter"), &place), NM_OK);
    assert_true(place.rank == 700 && place.number == 12);
    nm_tags_free(&tags);
}

static void
passes_over_what_has_no_tag(void **state)
{
    (void) state;
    nm_tags_t tags = { 0 };
    nm_place_t place;
    nm_tags_add(&tags, nm_bytes(NULL, 0), s_place(4, 5));
    assert_int_equal(tags.count, 0);
    nm_tags_add(&tags, nm_text("card"), s_place(6, 7));
    nm_tags_drop(&tags, nm_bytes(NULL, 0), s_place(4, 5));
    assert_int_equal(nm_tags_first(&tags, nm_bytes(NULL, 0), &place), NM_ERR_MISSING);
    assert_int_equal(tags.count, 1);
    nm_tags_free(&tags);
}

//  Tags of the full size that differ in their last bytes only.
static nm_bytes_t
s_tag(uint8_t tag[NM_OUTBOX_TAG_MAX], uint32_t n)
{
    memset(tag, 0xa5, NM_OUTBOX_TAG_MAX);
    nm_put_u32(tag + NM_OUTBOX_TAG_MAX - 4, n);
    return nm_bytes(tag, NM_OUTBOX_TAG_MAX);
}

static void
uses_places_again_and_grows(void **state)
{
    (void) state;
    nm_tags_t tags = { 0 };
    nm_place_t place;
    uint8_t tag[NM_OUTBOX_TAG_MAX];
    for (uint32_t n = 0; n < 5000; n++) {
        nm_tags_add(&tags, s_tag(tag, n), s_place(n, n));
        if (n >= 1000)
            nm_tags_drop(&tags, s_tag(tag, n - 1000), s_place(n - 1000, n - 1000));
    }
    assert_int_equal(tags.count, 1000);
    assert_true(tags.room <= 2048);
    assert_int_equal(nm_tags_first(&tags, s_tag(tag, 3999), &place), NM_ERR_MISSING);
    for (uint32_t n = 4000; n < 5000; n++) {
        assert_int_equal(nm_tags_first(&tags, s_tag(tag, n), &place), NM_OK);
        assert_int_equal(place.rank, n);
    }
    nm_tags_free(&tags);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_first_of_those_that_have_the_tag),
        cmocka_unit_test(passes_over_what_has_no_tag),
        cmocka_unit_test(uses_places_again_and_grows),
    };
    return cmocka_run_group_tests_name("broker/tags", tests, NULL, NULL);
}
