#include "tests/broker/check.h"

#include "actors/bridge/routes.h"

static int
s_make(void **state)
{
    *state = nm_routes_new(nm_api, nm_api_count);
    return 0;
}

static int
s_free(void **state)
{
    nm_routes_t *routes = *state;
    nm_routes_destroy(&routes);
    return 0;
}

static const nm_api_t *
s_row(void **state, nm_http_method_t method, const char *path)
{
    nm_route_t route;
    return nm_routes_find(*state, nm_text(path), &route) ? route.rows[method] : NULL;
}

//  Each row is found at its own path, whatever stands where it has a {name}.
static void
every_row_with_a_path_is_found(void **state)
{
    for (size_t i = 0; i < nm_api_count; i++) {
        char path[256];
        size_t used = 0;
        for (const char *from = nm_api[i].path; from && *from; from++) {
            if (*from == '{') {
                used += (size_t) snprintf(path + used, sizeof path - used, "some-value");
                from = strchr(from, '}');
            } else {
                path[used++] = *from;
            }
        }
        path[used] = 0;
        if (nm_api[i].path)
            assert_ptr_equal(s_row(state, nm_api[i].method, path), &nm_api[i]);
    }
}

static void
values_of_the_path_are_named(void **state)
{
    nm_route_t route;
    assert_true(nm_routes_find(*state, nm_text("/v1/services/one/keys/t%77o"), &route));
    assert_int_equal(route.value_count, 2);
    assert_true(nm_bytes_is(route.names[0], "service_id") && nm_bytes_is(route.values[0], "one"));
    assert_true(nm_bytes_is(route.names[1], "key_id") && nm_bytes_is(route.values[1], "t%77o"));
}

static void
a_word_comes_before_a_name(void **state)
{
    nm_route_t route;
    assert_string_equal(s_row(state, NM_HTTP_POST, "/v1/notifications/batch")->op, "notifications.batch");
    assert_null(s_row(state, NM_HTTP_GET, "/v1/notifications/batch"));
    assert_string_equal(s_row(state, NM_HTTP_GET, "/v1/notifications/batches")->op, "notifications.get");
    assert_true(nm_routes_find(*state, nm_text("/v1/dead-letters/replay"), &route));
    assert_int_equal(route.value_count, 0);
}

static void
other_paths_are_not_found(void **state)
{
    static const char *const OTHERS[] = { "",
                                          "/",
                                          "v1/notifications",
                                          "/v1",
                                          "/v1/",
                                          "/v1/notifications/",
                                          "//v1/notifications",
                                          "/v1//notifications",
                                          "/v1/notifications/x/",
                                          "/v1/notifications/x/cancel/",
                                          "/v1/notifications//cancel",
                                          "/V1/notifications",
                                          "/v1/notifications/x/y/z",
                                          "/v1/notification",
                                          "/v1/notificationsx" };
    nm_route_t route;
    for (size_t i = 0; i < NM_COUNT(OTHERS); i++)
        assert_false(nm_routes_find(*state, nm_text(OTHERS[i]), &route));
}

static void
the_methods_of_a_path_are_listed(void **state)
{
    nm_route_t route;
    char allow[NM_ROUTE_ALLOW_SIZE];
    nm_routes_find(*state, nm_text("/v1/services/x"), &route);
    nm_routes_allow(&route, allow);
    assert_string_equal(allow, "GET, HEAD, PATCH, DELETE, OPTIONS");
    nm_routes_find(*state, nm_text("/v1/notifications/batch"), &route);
    nm_routes_allow(&route, allow);
    assert_string_equal(allow, "POST, OPTIONS");
}

static void
percent_signs_are_resolved_once(void **state)
{
    (void) state;
    static const struct {
        const char *text, *path, *query;
    } CASES[] = { { "plain", "plain", "plain" },
                  { "a%20b", "a b", "a b" },
                  { "a+b", "a+b", "a b" },
                  { "%2541", "%41", "%41" },
                  { "%e2%82%ac", "€", "€" },
                  { "%2F..%2f", "/../", "/../" },
                  { "", "", "" },
                  { "1%2B1", "1+1", "1+1" } };
    static const char *const BAD[] = { "%", "a%", "%1", "%g0", "%0g", "%00", "%ff", "%c0%af", "%ed%a0%80", "a%%41" };
    nm_buf_t out = { 0 };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        nm_buf_clear(&out);
        assert_int_equal(nm_routes_resolve(nm_text(CASES[i].text), false, &out), NM_OK);
        assert_true(nm_bytes_is(nm_buf_bytes(&out), CASES[i].path));
        nm_buf_clear(&out);
        assert_int_equal(nm_routes_resolve(nm_text(CASES[i].text), true, &out), NM_OK);
        assert_true(nm_bytes_is(nm_buf_bytes(&out), CASES[i].query));
    }
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nm_buf_clear(&out);
        nm_buf_add_text(&out, "kept");
        assert_int_equal(nm_routes_resolve(nm_text(BAD[i]), false, &out), NM_ERR_MALFORMED);
        assert_true(nm_bytes_is(nm_buf_bytes(&out), "kept"));
    }
    nm_buf_free(&out);
}

static void
a_query_is_taken_apart(void **state)
{
    (void) state;
    static const char *const NAMES[] = { "limit", "a", "", "empty", "flag", "x" };
    static const char *const VALUES[] = { "50", "b=c", "nameless", "", "", "%3D" };
    nm_bytes_t rest = nm_text("limit=50&&a=b=c&=nameless&empty=&flag&x=%3D&"), name, value;
    for (size_t i = 0; i < NM_COUNT(NAMES); i++) {
        assert_true(nm_routes_next(&rest, &name, &value));
        assert_true(nm_bytes_is(name, NAMES[i]) && nm_bytes_is(value, VALUES[i]));
    }
    assert_false(nm_routes_next(&rest, &name, &value));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_with_a_path_is_found),   cmocka_unit_test(values_of_the_path_are_named),
        cmocka_unit_test(a_word_comes_before_a_name),       cmocka_unit_test(other_paths_are_not_found),
        cmocka_unit_test(the_methods_of_a_path_are_listed), cmocka_unit_test(percent_signs_are_resolved_once),
        cmocka_unit_test(a_query_is_taken_apart),
    };
    return cmocka_run_group_tests_name("bridge/routes", tests, s_make, s_free);
}
