#include "check.h"

#include "wire/trace.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void
takes_a_traceparent_and_tells_its_trace(void **state)
{
    (void) state;
    static const char *const GOOD[] = { "00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-00",
                                        "cc-" TRACE "-" PARENT "-01", "cc-" TRACE "-" PARENT "-01-what-comes-next" };
    for (size_t i = 0; i < NM_COUNT(GOOD); i++) {
        nm_bytes_t parent = { 0 };
        assert_int_equal(nm_trace_take(nm_text(GOOD[i]), &parent), NM_OK);
        assert_int_equal(parent.size, NM_TRACE_PARENT_SIZE);
        assert_true(nm_bytes_is(nm_trace_id(parent), TRACE));
    }
}

static void
what_is_malformed_is_none(void **state)
{
    (void) state;
    static const char *const BAD[] = {
        "",
        "00-" TRACE "-" PARENT,
        "00-" TRACE "-" PARENT "-1",
        "00-" TRACE "-" PARENT "-011",
        "00-" TRACE "-" PARENT "-01-more",
        "cc-" TRACE "-" PARENT "-01.more",
        "ff-" TRACE "-" PARENT "-01",
        "00_" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "_01",
        "00-4BF92f3577b34da6a3ce929d0e0e4736-" PARENT "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "0x-" TRACE "-" PARENT "-01",
    };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nm_bytes_t parent = { 0 };
        assert_int_equal(nm_trace_take(nm_text(BAD[i]), &parent), NM_ERR_MALFORMED);
        assert_int_equal(parent.size, 0);
    }
    assert_int_equal(nm_trace_id(nm_bytes(NULL, 0)).size, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_traceparent_and_tells_its_trace),
        cmocka_unit_test(what_is_malformed_is_none),
    };
    return cmocka_run_group_tests_name("wire/trace", tests, NULL, NULL);
}
