#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "broker/names.h"

enum { COUNT = 3000 };

static void
numbers_follow_the_order_and_outlast_growing(void **state)
{
    (void) state;
    static char names[COUNT][24];
    nm_names_t self = { 0 };
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "%s-%zu", i % 2 ? "router" : "email", i * i);
        assert_int_equal(nm_names_find(&self, names[i]), self.count);
        assert_int_equal(nm_names_add(&self, names[i]), i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        char same[sizeof names[i]];
        memcpy(same, names[i], sizeof same);
        assert_int_equal(nm_names_find(&self, same), i);
    }
    nm_names_free(&self);
}

static void
what_is_not_there_is_not_found(void **state)
{
    (void) state;
    nm_names_t self = { 0 };
    assert_int_equal(nm_names_find(&self, "router-1"), 0);
    nm_names_add(&self, "router-1");
    assert_int_equal(nm_names_find(&self, "router-1"), 0);
    assert_int_equal(nm_names_find(&self, "router-11"), 1);
    assert_int_equal(nm_names_find(&self, "router-"), 1);
    assert_int_equal(nm_names_find(&self, ""), 1);
    nm_names_free(&self);
    assert_int_equal(nm_names_find(&self, "router-1"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_follow_the_order_and_outlast_growing),
        cmocka_unit_test(what_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests_name("broker/names", tests, NULL, NULL);
}
