#include "check.h"

#include "wire/api.h"

static const nm_api_t *
s_row(nm_http_method_t method, const char *path)
{
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_api[i].path && nm_api[i].method == method && strcmp(nm_api[i].path, path) == 0)
            return &nm_api[i];
    fail_msg("there is no %s %s", nm_words_text(&nm_http_method_words, method), path);
    return NULL;
}

static bool
s_may_be(const nm_api_t *row, unsigned status)
{
    uint16_t statuses[NM_API_STATUS_COUNT];
    size_t count = nm_api_statuses(row, statuses);
    for (size_t i = 0; i < count; i++)
        if (statuses[i] == status)
            return true;
    return false;
}

static void
no_two_rows_have_one_method_and_path(void **state)
{
    (void) state;
    for (size_t i = 0; i < nm_api_count; i++)
        for (size_t j = 0; j < i; j++)
            if (nm_api[i].path && nm_api[j].path && nm_api[i].method == nm_api[j].method)
                assert_string_not_equal(nm_api[i].path, nm_api[j].path);
}

static bool
s_has_name(const nm_shape_t *shape, nm_bytes_t name)
{
    for (size_t i = 0; i < shape->field_count; i++)
        if (nm_shape_knows(shape, i) && nm_bytes_is(name, shape->fields[i].name))
            return true;
    for (size_t i = 0; i < shape->alias_count; i++)
        if (nm_bytes_is(name, shape->aliases[i].alias))
            return true;
    return false;
}

static void
what_stands_in_a_path_is_a_field_of_its_ask(void **state)
{
    (void) state;
    for (size_t i = 0; i < nm_api_count; i++)
        for (const char *at = nm_api[i].path; at && (at = strchr(at, '{')); at++) {
            char name[64];
            nm_bytes_to_text(nm_bytes(at + 1, strcspn(at + 1, "}")), name, sizeof name);
            assert_true(nm_api_is_in_path(&nm_api[i], name));
            assert_non_null(nm_api[i].ask);
            if (!s_has_name(nm_api[i].ask, nm_text(name)))
                fail_msg("%s: %s has no field %s", nm_api[i].path, nm_api[i].ask->name, name);
        }
    assert_false(nm_api_is_in_path(s_row(NM_HTTP_DELETE, "/v1/services/{service_id}/keys/{key_id}"), "service"));
    assert_false(nm_api_is_in_path(s_row(NM_HTTP_GET, "/v1/services"), "services"));
}

static void
statuses_rise_and_have_the_rows_own(void **state)
{
    (void) state;
    for (size_t i = 0; i < nm_api_count; i++) {
        uint16_t statuses[NM_API_STATUS_COUNT];
        size_t count = nm_api_statuses(&nm_api[i], statuses);
        assert_int_equal(count > 0, nm_api[i].path != NULL);
        assert_in_range(count, 0, NM_API_STATUS_COUNT - 1);
        for (size_t j = 1; j < count; j++)
            assert_true(statuses[j - 1] < statuses[j]);
        assert_true(!count || s_may_be(&nm_api[i], nm_api[i].status));
        for (size_t j = 0; count && j < NM_API_ALSO_COUNT && nm_api[i].also[j]; j++)
            assert_true(s_may_be(&nm_api[i], nm_api[i].also[j]));
    }
}

static void
statuses_follow_from_what_a_row_takes(void **state)
{
    (void) state;
    const nm_api_t *create = s_row(NM_HTTP_POST, "/v1/notifications"), *health = s_row(NM_HTTP_GET, "/health");
    const nm_api_t *list = s_row(NM_HTTP_GET, "/v1/notifications"), *key = s_row(NM_HTTP_GET, "/v1/providers/{name}");
    assert_true(s_may_be(create, 200) && s_may_be(create, 409) && s_may_be(create, 413) && s_may_be(create, 415));
    assert_true(s_may_be(create, 400) && s_may_be(create, 429) && s_may_be(create, 507) && !s_may_be(create, 404));
    assert_true(s_may_be(list, 400) && s_may_be(list, 404) && !s_may_be(list, 413));
    assert_true(s_may_be(key, 404) && s_may_be(key, 400) && !s_may_be(key, 413));
    assert_true(s_may_be(health, 422) && !s_may_be(health, 401) && !s_may_be(health, 429));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_rows_have_one_method_and_path),
        cmocka_unit_test(what_stands_in_a_path_is_a_field_of_its_ask),
        cmocka_unit_test(statuses_rise_and_have_the_rows_own),
        cmocka_unit_test(statuses_follow_from_what_a_row_takes),
    };
    return cmocka_run_group_tests_name("wire/api", tests, NULL, NULL);
}
