#include "check.h"

#include "wire/openapi.h"

//  What the document must say is seen from outside, in tests/mesh/test_openapi.py; here is what it is made of.

static void
the_same_tables_give_the_same_bytes(void **state)
{
    (void) state;
    nm_buf_t first = { 0 }, second = { 0 };
    nm_openapi_write(&first);
    nm_openapi_write(&second);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.at, second.at, first.size);
    nm_buf_free(&first);
    nm_buf_free(&second);
}

static void
it_is_one_value_with_each_path_in_it_once(void **state)
{
    (void) state;
    nm_buf_t packed = { 0 };
    nm_bytes_t paths, key, value;
    nm_reader_t reader;
    uint32_t count;
    nm_openapi_write(&packed);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&packed)), NM_OK);
    assert_int_equal(nm_reader_find(nm_buf_bytes(&packed), "paths", &paths), NM_OK);
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_api[i].path)
            assert_int_equal(nm_reader_find(paths, nm_api[i].path, &value), NM_OK);

    nm_reader_open(&reader, paths);
    assert_int_equal(nm_reader_map(&reader, &count), NM_OK);
    nm_bytes_t *seen = calloc(count, sizeof *seen);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(nm_reader_str(&reader, &key), NM_OK);
        assert_int_equal(nm_reader_raw(&reader, &value), NM_OK);
        for (uint32_t j = 0; j < i; j++)
            assert_false(nm_bytes_equal(seen[j], key));
        seen[i] = key;
    }
    free(seen);
    nm_buf_free(&packed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_tables_give_the_same_bytes),
        cmocka_unit_test(it_is_one_value_with_each_path_in_it_once),
    };
    return cmocka_run_group_tests_name("wire/openapi", tests, NULL, NULL);
}
