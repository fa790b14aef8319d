#include "tests/broker/check.h"

#include "broker/metrics.h"
#include "wire/reader.h"

static void
the_families_stand_in_order_and_each_says_what_it_is(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_FAMILY_COUNT; i++) {
        const nm_family_t *family = &nm_families[i];
        bool total = strlen(family->name) > 6 && strcmp(family->name + strlen(family->name) - 6, "_total") == 0;
        assert_true(!i || strcmp(nm_families[i - 1].name, family->name) < 0);
        assert_int_equal(nm_families_find(nm_text(family->name)), i);
        assert_true(strncmp(family->name, "nmesh_", 6) == 0 && *family->help);
        assert_int_equal(total, family->kind == NM_METRIC_COUNTER);
        assert_true(family->kind != NM_METRIC_HISTOGRAM || (family->least < family->most && family->most < 63));
        assert_true(family->labels[0] || !family->labels[1]);
    }
    assert_int_equal(nm_families_find(nm_text("nmesh_accept")), NM_FAMILY_COUNT);
    assert_int_equal(nm_families_find(nm_text("nmesh_zzz")), NM_FAMILY_COUNT);
    assert_int_equal(nm_families_find(nm_text("")), NM_FAMILY_COUNT);
}

static void
the_same_family_and_labels_give_the_same_figure(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *a = nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "smtp", "sent");
    assert_ptr_equal(nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "smtp", "sent"), a);
    assert_ptr_not_equal(nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "smtp", "later"), a);
    assert_ptr_not_equal(nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "sent", "smtp"), a);
    assert_ptr_not_equal(nm_metrics_make(metrics, NM_FAMILY_BREAKER, "smtp", NULL), a);
    nm_metric_add(a, 3);
    //  Pointers stay good while others are made
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        nm_metrics_make(metrics, NM_FAMILY_BREAKER, name, NULL);
    }
    nm_metric_add(a, 4);
    assert_int_equal(nm_metric_value(a), 7);
    nm_metrics_destroy(&metrics);
}

//  Providers that come and go for years do not make an actor grow.
static void
what_would_be_one_too_many_counts_as_other(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *early = nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "early", "sent");
    for (int i = 1; i < NM_METRICS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        nm_metrics_make(metrics, NM_FAMILY_BREAKER, name, NULL);
    }
    nm_metric_t *late = nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "late", "sent");
    assert_ptr_equal(nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "later", "refused"), late);
    assert_ptr_equal(nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "other", "other"), late);
    assert_ptr_equal(nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "early", "sent"), early);
    assert_ptr_not_equal(nm_metrics_make(metrics, NM_FAMILY_TURNS, NULL, NULL), late);
    nm_metrics_destroy(&metrics);
}

static void
clearing_a_family_leaves_the_others(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *up = nm_metrics_make(metrics, NM_FAMILY_LINKS, "router", "up");
    nm_metric_t *gone = nm_metrics_make(metrics, NM_FAMILY_LINKS, "email", "gone");
    nm_metric_t *credit = nm_metrics_make(metrics, NM_FAMILY_CREDIT, "router", NULL);
    nm_metric_set(up, 3);
    nm_metric_set(gone, 2);
    nm_metric_set(credit, 1000);
    nm_metrics_clear(metrics, NM_FAMILY_LINKS);
    assert_int_equal(nm_metric_value(up) + nm_metric_value(gone), 0);
    assert_int_equal(nm_metric_value(credit), 1000);
    nm_metrics_destroy(&metrics);
}

static void
many_observed_at_once_count_as_so_many(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *h = nm_metrics_make(metrics, NM_FAMILY_TURN, NULL, NULL);
    nm_metric_observe_many(h, 100, 98);
    nm_metric_observe(h, 1000);
    assert_int_equal(nm_metric_value(h), 99);
    assert_int_equal(nm_metric_quantile(h, 0.98), 128);
    assert_int_equal(nm_metric_quantile(h, 1), 1024);
    nm_metrics_destroy(&metrics);
}

static void
a_quantile_is_the_edge_of_its_bucket(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *h = nm_metrics_make(metrics, NM_FAMILY_TURN, NULL, NULL);
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
        nm_metric_t *h = nm_metrics_make(metrics, NM_FAMILY_TURN, NULL, NULL);
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
    nm_metric_add(nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, "smtp", "sent"), 41);
    nm_metric_set(nm_metrics_make(metrics, NM_FAMILY_BACKLOG, NULL, NULL), 70000);
    nm_metric_t *h = nm_metrics_make(metrics, NM_FAMILY_COMMIT, NULL, NULL);
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
    assert_int_equal(nm_reader_find(maps[0], "labels", &raw), NM_OK);
    assert_true(nm_bytes_is(nm_reader_find_text(raw, "provider"), "smtp"));
    assert_true(nm_bytes_is(nm_reader_find_text(raw, "outcome"), "sent"));
    assert_int_equal(s_find_uint(maps[1], "count"), 70000);
    assert_int_equal(nm_reader_find(maps[1], "labels", &raw), NM_ERR_MISSING);
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
        cmocka_unit_test(the_families_stand_in_order_and_each_says_what_it_is),
        cmocka_unit_test(the_same_family_and_labels_give_the_same_figure),
        cmocka_unit_test(what_would_be_one_too_many_counts_as_other),
        cmocka_unit_test(clearing_a_family_leaves_the_others),
        cmocka_unit_test(many_observed_at_once_count_as_so_many),
        cmocka_unit_test(a_quantile_is_the_edge_of_its_bucket),
        cmocka_unit_test(an_edge_belongs_to_the_bucket_below_it),
        cmocka_unit_test(writes_a_list_that_the_reader_takes),
    };
    return cmocka_run_group_tests_name("broker/metrics", tests, NULL, NULL);
}
