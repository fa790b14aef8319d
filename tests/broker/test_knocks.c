#include "tests/broker/check.h"

#include <sodium.h>
#include "broker/knocks.h"

static nm_knocks_t s_knocks;

static int
s_setup(void **state)
{
    (void) state;
    if (sodium_init() < 0)
        return -1;
    nm_knocks_init(&s_knocks);
    return 0;
}

static size_t
s_knock(const char *key, const char *address, int count, int64_t now_ms)
{
    size_t allowed = 0;
    for (int i = 0; i < count; i++)
        allowed += nm_knocks_add(&s_knocks, nm_text(key), nm_text(address), now_ms);
    return allowed;
}

static void
listens_to_one_key_so_often_a_second(void **state)
{
    (void) state;
    assert_int_equal(s_knock("key", "10.0.0.1", 100, 5000), NM_KNOCKS_OF_ONE);
    assert_int_equal(s_knock("key", "10.0.0.1", 100, 5999), 0);
    assert_int_equal(s_knock("key", "10.0.0.1", 100, 6000), NM_KNOCKS_OF_ONE);
}

static void
listens_to_one_address_so_often_whatever_its_keys(void **state)
{
    (void) state;
    size_t allowed = 0;
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        allowed += s_knock(key, "10.0.0.1", 1, 5000);
    }
    assert_int_equal(allowed, NM_KNOCKS_OF_ONE);
    assert_int_equal(s_knock("another", "10.0.0.2", 1, 5000), 1);
}

static void
listens_to_all_together_so_often(void **state)
{
    (void) state;
    size_t allowed = 0;
    for (int i = 0; i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        allowed += s_knock(text, text, 1, 5000);
    }
    assert_int_equal(allowed, NM_KNOCKS_OF_ALL);
}

static void
a_clock_that_goes_back_begins_a_new_second(void **state)
{
    (void) state;
    assert_int_equal(s_knock("key", "10.0.0.1", 30, 5000), NM_KNOCKS_OF_ONE);
    assert_int_equal(s_knock("key", "10.0.0.1", 30, 4000), NM_KNOCKS_OF_ONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(listens_to_one_key_so_often_a_second, s_setup),
        cmocka_unit_test_setup(listens_to_one_address_so_often_whatever_its_keys, s_setup),
        cmocka_unit_test_setup(listens_to_all_together_so_often, s_setup),
        cmocka_unit_test_setup(a_clock_that_goes_back_begins_a_new_second, s_setup),
    };
    return cmocka_run_group_tests_name("broker/knocks", tests, NULL, NULL);
}
