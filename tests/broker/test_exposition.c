//  About broker/exposition.c: the figures of all actors as a text for Prometheus.
#include "tests/broker/check.h"

#include "broker/exposition.h"
#include "broker/metrics.h"
#include "wire/writer.h"

//  One actor as `mesh.status` tells of it. metrics is NULL for one that is silent.
typedef struct {
    const char *name, *role, *host, *version, *membership;
    uint64_t not_after_ms;
    const nm_metrics_t *metrics;
} s_view_t;

static void
s_write_view(const s_view_t *view, nm_buf_t *out)
{
    nm_writer_map(out, view->metrics ? 8 : 7);
    nm_writer_pair_text(out, "name", view->name);
    nm_writer_pair_text(out, "role", view->role);
    nm_writer_pair_text(out, "host", view->host);
    nm_writer_pair_text(out, "version", view->version);
    nm_writer_pair_text(out, "membership", view->membership);
    nm_writer_pair_uint(out, "not_after_ms", view->not_after_ms);
    nm_writer_pair_bool(out, "silent", !view->metrics);
    if (!view->metrics)
        return;
    nm_writer_text(out, "status");
    nm_writer_map(out, 1);
    nm_writer_text(out, "metrics");
    nm_metrics_write(view->metrics, out);
}

static nm_rc_t
s_add(nm_exposition_t *exposition, const s_view_t *views, size_t count)
{
    nm_buf_t page = { 0 };
    nm_writer_map(&page, 2);
    nm_writer_pair_text(&page, "from", "gateway-1");
    nm_writer_text(&page, "actors");
    nm_writer_list(&page, count);
    for (size_t i = 0; i < count; i++)
        s_write_view(&views[i], &page);
    nm_rc_t rc = nm_exposition_add(exposition, nm_buf_bytes(&page));
    nm_buf_free(&page);
    return rc;
}

static void
s_expect(nm_exposition_t *exposition, const char *want)
{
    nm_buf_t text = { 0 };
    nm_exposition_write(exposition, &text);
    nm_buf_add(&text, "", 1);
    assert_string_equal((const char *) text.at, want);
    nm_buf_free(&text);
    nm_exposition_destroy(&exposition);
}

static void
families_stand_together_and_actors_keep_their_order(void **state)
{
    (void) state;
    nm_metrics_t *one = nm_metrics_new(), *two = nm_metrics_new();
    nm_metric_add(nm_metrics_make(one, NM_FAMILY_TURNS, NULL, NULL), 70000);
    nm_metric_set(nm_metrics_make(one, NM_FAMILY_BACKLOG, NULL, NULL), 3);
    nm_metric_set(nm_metrics_make(two, NM_FAMILY_BACKLOG, NULL, NULL), 0);
    nm_metric_add(nm_metrics_make(two, NM_FAMILY_ATTEMPTS, "smtp", "sent"), 5);
    nm_metric_add(nm_metrics_make(two, NM_FAMILY_ATTEMPTS, "smtp", "later"), 6);
    const s_view_t views[] = { { "gateway-1", "gateway", "oak", "1.2.3", "in", 0, one },
                               { "email-1", "email", "elm", "1.2", "in", 1800000000123, two } };
    nm_exposition_t *exposition = nm_exposition_new();
    assert_int_equal(s_add(exposition, &views[0], 1), NM_OK);
    assert_int_equal(s_add(exposition, &views[1], 1), NM_OK);
    s_expect(
        exposition,
        "# HELP nmesh_actor_info Always 1; which version the actor runs\n"
        "# TYPE nmesh_actor_info gauge\n"
        "nmesh_actor_info{actor=\"gateway-1\",role=\"gateway\",host=\"oak\",version=\"1.2.3\"} 1\n"
        "nmesh_actor_info{actor=\"email-1\",role=\"email\",host=\"elm\",version=\"1.2\"} 1\n"
        "# HELP nmesh_actor_up 1 if the actor answers, 0 if it is a member and does not\n"
        "# TYPE nmesh_actor_up gauge\n"
        "nmesh_actor_up{actor=\"gateway-1\",role=\"gateway\",host=\"oak\"} 1\n"
        "nmesh_actor_up{actor=\"email-1\",role=\"email\",host=\"elm\"} 1\n"
        "# HELP nmesh_attempts_total Attempts begun (started), and how they ended\n"
        "# TYPE nmesh_attempts_total counter\n"
        "nmesh_attempts_total{actor=\"email-1\",role=\"email\",host=\"elm\",provider=\"smtp\",outcome=\"sent\"} 5\n"
        "nmesh_attempts_total{actor=\"email-1\",role=\"email\",host=\"elm\",provider=\"smtp\",outcome=\"later\"} 6\n"
        "# HELP nmesh_backlog Unfinished work that the actor holds, scheduled work included\n"
        "# TYPE nmesh_backlog gauge\n"
        "nmesh_backlog{actor=\"gateway-1\",role=\"gateway\",host=\"oak\"} 3\n"
        "nmesh_backlog{actor=\"email-1\",role=\"email\",host=\"elm\"} 0\n"
        "# HELP nmesh_certificate_expiry_timestamp_seconds When the actor's certificate ends\n"
        "# TYPE nmesh_certificate_expiry_timestamp_seconds gauge\n"
        "nmesh_certificate_expiry_timestamp_seconds{actor=\"email-1\",role=\"email\",host=\"elm\"} 1800000000.123\n"
        "# HELP nmesh_turns_total Turns taken\n"
        "# TYPE nmesh_turns_total counter\n"
        "nmesh_turns_total{actor=\"gateway-1\",role=\"gateway\",host=\"oak\"} 70000\n");
    nm_metrics_destroy(&one);
    nm_metrics_destroy(&two);
}

static void
a_histogram_adds_up_and_shows_seconds(void **state)
{
    (void) state;
    nm_metrics_t *metrics = nm_metrics_new();
    nm_metric_t *h = nm_metrics_make(metrics, NM_FAMILY_TURN_INPUTS, NULL, NULL);
    nm_metric_observe(h, 0);
    nm_metric_observe(h, 3);
    nm_metric_observe_many(h, 1024, 2);
    nm_metric_observe(h, 5000);  //  More than the last bucket that is shown
    nm_metric_observe(nm_metrics_make(metrics, NM_FAMILY_COMMIT, NULL, NULL), 1500001);
    const s_view_t view = { "a", "router", "h", "", "in", 0, metrics };
    nm_exposition_t *exposition = nm_exposition_new();
    assert_int_equal(s_add(exposition, &view, 1), NM_OK);
    nm_buf_t text = { 0 };
    nm_exposition_write(exposition, &text);
    nm_buf_add(&text, "", 1);
    static const char *const LINES[] = {
        "# TYPE nmesh_turn_inputs histogram\n",
        "nmesh_turn_inputs_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"1\"} 1\n",
        "nmesh_turn_inputs_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"2\"} 1\n",
        "nmesh_turn_inputs_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"4\"} 2\n",
        "nmesh_turn_inputs_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"512\"} 2\n",
        "nmesh_turn_inputs_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"1024\"} 4\n",
        "nmesh_turn_inputs_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"2048\"} 4\n"
        "nmesh_turn_inputs_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"+Inf\"} 5\n"
        "nmesh_turn_inputs_sum{actor=\"a\",role=\"router\",host=\"h\"} 7051\n"
        "nmesh_turn_inputs_count{actor=\"a\",role=\"router\",host=\"h\"} 5\n",
        //  Microseconds, the first bucket having all that lies below it
        "nmesh_commit_seconds_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"0.000064\"} 0\n",
        "nmesh_commit_seconds_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"1.048576\"} 0\n",
        "nmesh_commit_seconds_bucket{actor=\"a\",role=\"router\",host=\"h\",le=\"2.097152\"} 1\n",
        "nmesh_commit_seconds_sum{actor=\"a\",role=\"router\",host=\"h\"} 1.500001\n",
    };
    for (size_t i = 0; i < NM_COUNT(LINES); i++)
        if (!strstr((const char *) text.at, LINES[i]))
            fail_msg("is missing: %s", LINES[i]);
    assert_null(strstr((const char *) text.at, "le=\"0.000032\""));
    nm_buf_free(&text);
    nm_exposition_destroy(&exposition);
    nm_metrics_destroy(&metrics);
}

static void
who_is_silent_is_shown_as_down_and_who_left_is_not(void **state)
{
    (void) state;
    const s_view_t views[] = { { "email-1", "email", "elm", "", "in", 0, NULL },
                               { "email-2", "email", "elm", "", "left", 0, NULL },
                               { "email-3", "email", "elm", "", "forgotten", 0, NULL },
                               { "email-4", "email", "elm", "", "uncertified", 0, NULL } };
    nm_exposition_t *exposition = nm_exposition_new();
    assert_int_equal(s_add(exposition, views, NM_COUNT(views)), NM_OK);
    s_expect(exposition, "# HELP nmesh_actor_up 1 if the actor answers, 0 if it is a member and does not\n"
                         "# TYPE nmesh_actor_up gauge\n"
                         "nmesh_actor_up{actor=\"email-1\",role=\"email\",host=\"elm\"} 0\n"
                         "nmesh_actor_up{actor=\"email-4\",role=\"email\",host=\"elm\"} 0\n");
}

static void
escapes_what_would_end_a_label(void **state)
{
    (void) state;
    const s_view_t view = { "a\"b\\c\nd", "email", "\"} 1\n#", "", "in", 0, NULL };
    nm_exposition_t *exposition = nm_exposition_new();
    assert_int_equal(s_add(exposition, &view, 1), NM_OK);
    s_expect(exposition, "# HELP nmesh_actor_up 1 if the actor answers, 0 if it is a member and does not\n"
                         "# TYPE nmesh_actor_up gauge\n"
                         "nmesh_actor_up{actor=\"a\\\"b\\\\c\\nd\",role=\"email\",host=\"\\\"} 1\\n#\"} 0\n");
}

//  What another version, or somebody who means no good, may say.
static void
leaves_out_what_it_does_not_know(void **state)
{
    (void) state;
    static const struct {
        const char *name, *kind, *label;
        size_t bucket_count;
    } STRANGE[] = {
        { "nmesh_from_the_future", "counter", NULL, 0 }, { "nmesh_turns_total", "gauge", NULL, 0 },
        { "nmesh_breaker_state", "gauge", NULL, 0 },     { "nmesh_breaker_state", "gauge", "supplier", 0 },
        { "nmesh_turn_inputs", "histogram", NULL, 65 },
    };
    nm_buf_t page = { 0 };
    nm_writer_map(&page, 1);
    nm_writer_text(&page, "actors");
    nm_writer_list(&page, 1);
    nm_writer_map(&page, 1);
    nm_writer_text(&page, "status");
    nm_writer_map(&page, 1);
    nm_writer_text(&page, "metrics");
    nm_writer_list(&page, NM_COUNT(STRANGE));
    for (size_t i = 0; i < NM_COUNT(STRANGE); i++) {
        nm_writer_map(&page, 4);
        nm_writer_pair_text(&page, "name", STRANGE[i].name);
        nm_writer_pair_text(&page, "kind", STRANGE[i].kind);
        nm_writer_text(&page, "labels");
        nm_writer_map(&page, STRANGE[i].label != NULL);
        if (STRANGE[i].label)
            nm_writer_pair_text(&page, STRANGE[i].label, "x");
        nm_writer_text(&page, "buckets");
        nm_writer_list(&page, STRANGE[i].bucket_count);
        for (size_t k = 0; k < STRANGE[i].bucket_count; k++)
            nm_writer_uint(&page, 1);
    }
    nm_exposition_t *exposition = nm_exposition_new();
    assert_int_equal(nm_exposition_add(exposition, nm_buf_bytes(&page)), NM_OK);
    assert_int_equal(nm_exposition_add(exposition, nm_bytes(NULL, 0)), NM_ERR_MALFORMED);
    assert_int_equal(nm_exposition_add(exposition, nm_text("not a page")), NM_ERR_MALFORMED);
    nm_buf_t text = { 0 };
    nm_exposition_write(exposition, &text);
    nm_buf_add(&text, "", 1);
    assert_string_equal((const char *) text.at,
                        "# HELP nmesh_actor_up 1 if the actor answers, 0 if it is a member and does not\n"
                        "# TYPE nmesh_actor_up gauge\n"
                        "nmesh_actor_up{actor=\"\",role=\"\",host=\"\"} 1\n");
    nm_buf_free(&text);
    nm_buf_free(&page);
    nm_exposition_destroy(&exposition);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_stand_together_and_actors_keep_their_order),
        cmocka_unit_test(a_histogram_adds_up_and_shows_seconds),
        cmocka_unit_test(who_is_silent_is_shown_as_down_and_who_left_is_not),
        cmocka_unit_test(escapes_what_would_end_a_label),
        cmocka_unit_test(leaves_out_what_it_does_not_know),
    };
    return cmocka_run_group_tests_name("broker/exposition", tests, NULL, NULL);
}
