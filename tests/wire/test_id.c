#include "check.h"
#include "wire/id.h"

//  RFC 9562 appendix A.6: 2022-02-22T19:22:22Z is 0x017F22E279B0.
static void
follows_the_layout_of_rfc_9562(void **state)
{
    (void) state;
    nm_id_maker_t maker = { .gateway = 0xabcd };
    nm_id_t id;
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_make(&maker, 0x017F22E279B0, UINT64_C(0xffff123456789abc), &id);
    nm_id_to_text(&id, text);
    //  variant 10, then 1010101111001101, then the low 46 bits 12 3456789abc
    assert_string_equal(text, "017f22e2-79b0-7000-aaf3-523456789abc");
    assert_int_equal(id.at[6] >> 4, 7);
    assert_int_equal(id.at[8] >> 6, 2);
}

static void
carries_the_gateway_and_the_time(void **state)
{
    (void) state;
    static const uint16_t GATEWAYS[] = { 0, 1, 3, 4, 0x1234, 0x8000, 0xffff };
    for (size_t i = 0; i < NM_COUNT(GATEWAYS); i++) {
        nm_id_maker_t maker = { .gateway = GATEWAYS[i] };
        nm_id_t id;
        nm_id_make(&maker, 1795233591123 + (int64_t) i, UINT64_MAX * (i % 2), &id);
        assert_int_equal(nm_id_gateway(&id), GATEWAYS[i]);
        assert_true(nm_id_time_ms(&id) == 1795233591123 + (int64_t) i);
        assert_int_equal(id.at[8] >> 6, 2);
    }
}

static void
ids_of_one_maker_only_grow_when_the_clock_steps_back(void **state)
{
    (void) state;
    static const int64_t CLOCK[] = { 1000, 1000, 1001, 900, 1, -5, 1001, 1002, 2000 };
    nm_id_maker_t maker = { .gateway = 9 };
    nm_id_t last, id;
    nm_id_make(&maker, 999, UINT64_MAX, &last);
    for (size_t i = 0; i < NM_COUNT(CLOCK); i++) {
        nm_id_make(&maker, CLOCK[i], 0, &id);
        assert_true(memcmp(last.at, id.at, NM_ID_SIZE) < 0);
        last = id;
    }
}

static void
ids_grow_when_one_ms_is_used_up(void **state)
{
    (void) state;
    nm_id_maker_t maker = { .gateway = 9 };
    nm_id_t last, id;
    nm_id_make(&maker, 5000, 3, &last);
    for (int i = 0; i < 10000; i++) {
        nm_id_make(&maker, 5000, 0, &id);
        assert_true(memcmp(last.at, id.at, NM_ID_SIZE) < 0);
        assert_int_equal(id.at[6] >> 4, 7);
        last = id;
    }
    assert_true(nm_id_time_ms(&last) == 5002);
}

static void
reads_texts_with_and_without_dashes_in_either_case(void **state)
{
    (void) state;
    static const char *const TEXTS[] = { "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
                                         "017f22e279b07cc398c4dc0c0c07398f", "017F22E279B07CC398C4DC0C0C07398F" };
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++) {
        nm_id_t id;
        char text[NM_ID_TEXT_SIZE + 1];
        assert_int_equal(nm_id_from_text(nm_text(TEXTS[i]), &id), NM_OK);
        nm_id_to_text(&id, text);
        assert_string_equal(text, TEXTS[0]);
    }
}

static void
refuses_texts_that_are_no_uuid(void **state)
{
    (void) state;
    static const char *const TEXTS[] = {
        "",
        "0",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e279b0-7cc3-98c4-dc0c-0c07398f",
        "017f22e279b07cc398c4dc0c0c07398",
        "017f22e2_79b0-7cc3-98c4-dc0c0c07398f",
        "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
        "017f22e2-79b0-7cc3-98c4-dc0c0c0739 f",
    };
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++) {
        nm_id_t id = { { 42 } };
        assert_int_equal(nm_id_from_text(nm_text(TEXTS[i]), &id), NM_ERR_MALFORMED);
        assert_int_equal(id.at[0], 42);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_layout_of_rfc_9562),
        cmocka_unit_test(carries_the_gateway_and_the_time),
        cmocka_unit_test(ids_of_one_maker_only_grow_when_the_clock_steps_back),
        cmocka_unit_test(ids_grow_when_one_ms_is_used_up),
        cmocka_unit_test(reads_texts_with_and_without_dashes_in_either_case),
        cmocka_unit_test(refuses_texts_that_are_no_uuid),
    };
    return cmocka_run_group_tests_name("wire/id", tests, NULL, NULL);
}
