#include "tests/broker/check.h"

#include "broker/metrics.h"
#include "wire/reader.h"

static void
the_same_name_and_label_give_the_same_metric(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *a = nm_metrics_counter(metrics, "nmesh_a_total", "peer", "x");
    assert_ptr_equal(nm_metrics_counter(metrics, "nmesh_a_total", "peer", "x"), a);
    assert_ptr_not_equal(nm_metrics_counter(metrics, "nmesh_a_total", "peer", "y"), a);
    assert_ptr_not_equal(nm_metrics_counter(metrics, "nmesh_a_total", NULL, NULL), a);
    nm_metric_add(a, 3);
    //  Pointers stay good while others are made
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        nm_metrics_gauge(metrics, name, NULL, NULL);
    }
    nm_metric_add(a, 4);
    assert_int_equal(nm_metric_value(a), 7);
    nm_metrics_destroy(&metrics);
}

static void
a_quantile_is_the_edge_of_its_bucket(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *h = nm_metrics_histogram(metrics, "h", NULL, NULL);
    assert_int_equal(nm_metric_quantile(h, 0.5), 0);
    for (int i = 0; i < 98; i++)
        nm_metric_observe(h, 100);
    nm_metric_observe(h, 1000);
    nm_metric_observe(h, UINT64_MAX);
    assert_int_equal(nm_metric_quantile(h, 0), 128);
    assert_int_equal(nm_metric_quantile(h, 0.5), 128);
    assert_int_equal(nm_metric_quantile(h, 0.99), 1024);
    assert_int_equal(nm_metric_quantile(h, 1), UINT64_MAX);
    nm_metrics_destroy(&metrics);
}

static void
an_edge_belongs_to_the_bucket_below_it(void **state)
{
    (void) state;
    static const uint64_t CASES[][2] = { { 0, 1 }, { 1, 1 }, { 2, 2 }, { 3, 4 }, { 4, 4 }, { 5, 8 }, { 1024, 1024 } };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        nm_metrics_t *metrics = nm_metrics_new();
        nm_metric_t *h = nm_metrics_histogram(metrics, "h", NULL, NULL);
        nm_metric_observe(h, CASES[i][0]);
        assert_int_equal(nm_metric_quantile(h, 0.5), CASES[i][1]);
        nm_metrics_destroy(&metrics);
    }
}

static uint64_t
s_find_uint(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw;
    uint64_t value;
    nm_reader_t reader;
    assert_int_equal(nm_reader_find(map, key, &raw), NM_OK);
    nm_reader_open(&reader, raw);
    assert_int_equal(nm_reader_uint(&reader, &value), NM_OK);
    return value;
}

static void
writes_a_list_that_the_reader_takes(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_add(nm_metrics_counter(metrics, "nmesh_refused_total", "domain", "door"), 41);
    nm_metric_set(nm_metrics_gauge(metrics, "nmesh_backlog", NULL, NULL), 70000);
    nm_metric_t *h = nm_metrics_histogram(metrics, "nmesh_commit_us", NULL, NULL);
    nm_metric_observe(h, 3);
    nm_metric_observe(h, 300);

    nm_buf_t out = { 0 };
    nm_metrics_write(metrics, &out);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&out)), NM_OK);
    nm_reader_t reader;
    uint32_t count;
    nm_bytes_t maps[3], raw;
    nm_reader_open(&reader, nm_buf_bytes(&out));
    assert_int_equal(nm_reader_list(&reader, &count), NM_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(nm_reader_raw(&reader, &maps[i]), NM_OK);
    assert_true(nm_reader_done(&reader));

    assert_int_equal(s_find_uint(maps[0], "count"), 41);
    assert_int_equal(nm_reader_find(maps[0], "label", &raw), NM_OK);
    assert_int_equal(s_find_uint(maps[1], "count"), 70000);
    assert_int_equal(nm_reader_find(maps[1], "label", &raw), NM_ERR_MISSING);
    assert_int_equal(s_find_uint(maps[2], "count"), 2);
    assert_int_equal(s_find_uint(maps[2], "sum"), 303);
    assert_int_equal(s_find_uint(maps[2], "p50"), 4);
    assert_int_equal(s_find_uint(maps[2], "p99"), 512);
    assert_int_equal(nm_reader_find(maps[2], "buckets", &raw), NM_OK);
    nm_reader_open(&reader, raw);
    assert_int_equal(nm_reader_list(&reader, &count), NM_OK);
    assert_int_equal(count, 10);
    nm_buf_free(&out);
    nm_metrics_destroy(&metrics);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_and_label_give_the_same_metric),
        cmocka_unit_test(a_quantile_is_the_edge_of_its_bucket),
        cmocka_unit_test(an_edge_belongs_to_the_bucket_below_it),
        cmocka_unit_test(writes_a_list_that_the_reader_takes),
    };
    return cmocka_run_group_tests_name("broker/metrics", tests, NULL, NULL);
}
