//  About broker/figures.c: what there is to see of an actor, and when it is counted.
#include "tests/broker/check.h"

#include "broker/actor_private.h"
#include "broker/bench.h"
#include "wire/reader.h"

static nm_metric_t *s_stage;
static int64_t s_since_ms;  //  What the role times from
static nm_rc_t s_result;    //  How its handler ends

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) error;
    *state = NULL;
    s_stage = nm_metrics_make(setup->metrics, NM_FAMILY_STAGE, "route", NULL);
    s_result = NM_OK;
    return NM_OK;
}

//  Times what it is asked, and mails as often.
static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    (void) state;
    nm_turn_time(turn, s_stage, s_since_ms);
    if (!nm_bytes_is(ask->op, "mail"))
        return s_result;
    nm_mail_out_t mail = {
        .role = NM_ROLE_EMAIL, .kind = NM_MAIL_DELIVERY, .priority = NM_PRIORITY_LOW, .body = nm_text("x")
    };
    return nm_turn_mail(turn, &mail);
}

static void
s_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    (void) state;
    *count = 7;
    *oldest_ms = INT64_C(1795219200000) - 1234;  //  Before the bench began
}

static const nm_role_t ROUTER = {
    .name = "router", .id = NM_ROLE_ROUTER, .open = s_open, .ask = s_on_ask, .backlog = s_backlog
};

static int
s_setup(void **state)
{
    *state = nm_bench_new(&ROUTER, "router-1", NULL);
    return 0;
}

static int
s_teardown(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_destroy(&bench);
    return 0;
}

//  A figure as an operator is told of it. value: of its first label; NULL if it has none.
static uint64_t
s_figure(nm_bench_t *bench, const char *name, const char *label, const char *value)
{
    nm_bytes_t raw, item, labels;
    nm_list_t list;
    uint64_t id = nm_bench_ask(bench, "operator", "status", NULL, nm_bytes(NULL, 0)), count;
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_int_equal(nm_reader_find(nm_bench_reply(bench, id)->body, "metrics", &raw), NM_OK);
    assert_int_equal(nm_list_open(&list, raw), NM_OK);
    while (nm_list_next(&list, &item) == NM_OK) {
        bool found = nm_bytes_is(nm_reader_find_text(item, "name"), name);
        if (found && label)
            found = nm_reader_find(item, "labels", &labels) == NM_OK &&
                    nm_bytes_is(nm_reader_find_text(labels, label), value);
        if (!found)
            continue;
        nm_reader_t reader;
        assert_int_equal(nm_reader_find(item, "count", &raw), NM_OK);
        nm_reader_open(&reader, raw);
        assert_int_equal(nm_reader_uint(&reader, &count), NM_OK);
        return count;
    }
    fail_msg("there is no %s", name);
    return 0;
}

static void
s_ask(nm_bench_t *bench, const char *op, nm_rc_t want)
{
    nm_bench_ask(bench, "operator", op, NULL, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn_once(bench), want);
}

static void
a_time_counts_once_its_turn_is_on_disk(void **state)
{
    nm_bench_t *bench = *state;
    s_since_ms = nm_bench_now(bench) - 3000;
    nm_bench_ask(bench, "operator", "time", NULL, nm_bytes(NULL, 0));
    nm_bench_ask(bench, "operator", "time", NULL, nm_bytes(NULL, 0));
    s_ask(bench, "time", NM_OK);
    assert_int_equal(nm_metric_value(s_stage), 3);
    assert_int_equal(nm_metric_quantile(s_stage, 0.5), 1 << 22);  //  3 s and the turn, in microseconds: below 4.2 s

    s_result = NM_ERR_FULL;
    s_ask(bench, "time", NM_ERR_FULL);
    assert_int_equal(nm_metric_value(s_stage), 3);
    s_result = NM_OK;
    s_since_ms = nm_bench_now(bench) + 60000;  //  Another machine's clock is ahead
    s_ask(bench, "time", NM_OK);
    assert_int_equal(nm_metric_value(s_stage), 4);
    assert_true(nm_metric_quantile(s_stage, 0.2) < 1 << 22);
}

static void
tells_what_it_holds_and_since_when(void **state)
{
    nm_bench_t *bench = *state;
    assert_int_equal(s_figure(bench, "nmesh_backlog", NULL, NULL), 7);
    assert_int_equal(s_figure(bench, "nmesh_backlog_oldest_seconds", NULL, NULL),
                     nm_bench_now(bench) - (INT64_C(1795219200000) - 1234));
    assert_int_equal(s_figure(bench, "nmesh_links", "peer_role", "email"), 2);
    assert_true(s_figure(bench, "nmesh_credit", "peer_role", "email") > 0);
    assert_true(s_figure(bench, "nmesh_files_open", NULL, NULL) > 2);
    assert_true(s_figure(bench, "nmesh_memory_resident_bytes", NULL, NULL) > 1000000);
    assert_int_equal(s_figure(bench, "nmesh_store_tight", NULL, NULL), 0);
}

//  What waits for a peer with room is as old as it is, whatever its priority; and it is gone once somebody takes it.
static void
tells_how_long_mail_waits(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_away(bench, "email-1");
    nm_bench_away(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_ask(bench, "mail", NM_OK);
    nm_bench_wait(bench, 2500);
    s_ask(bench, "mail", NM_OK);
    assert_int_equal(s_figure(bench, "nmesh_outbox_waiting", "peer_role", "email"), 2);
    assert_int_equal(s_figure(bench, "nmesh_outbox_waiting_oldest_seconds", "peer_role", "email"), 2500);
    nm_bench_back(bench, "email-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_figure(bench, "nmesh_outbox_waiting", "peer_role", "email"), 0);
    assert_int_equal(s_figure(bench, "nmesh_outbox_waiting_oldest_seconds", "peer_role", "email"), 0);
}

static void
tells_how_long_no_receipt_came(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_away(bench, "email-2");
    nm_bench_hold(bench, "email-1", true);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_ask(bench, "mail", NM_OK);
    nm_bench_wait(bench, 700);
    assert_int_equal(s_figure(bench, "nmesh_outbox_open", "peer_role", "email"), 1);
    assert_int_equal(s_figure(bench, "nmesh_outbox_stalled_seconds", "peer_role", "email"), 700);
    assert_int_equal(s_figure(bench, "nmesh_outbox_waiting", "peer_role", "email"), 0);
}

static void
only_a_turn_that_changed_something_has_a_commit(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_turn(bench);
    uint64_t before = s_figure(bench, "nmesh_commit_seconds", NULL, NULL);
    s_since_ms = nm_bench_now(bench);
    s_ask(bench, "time", NM_OK);
    assert_int_equal(s_figure(bench, "nmesh_commit_seconds", NULL, NULL), before);
    s_ask(bench, "mail", NM_OK);
    assert_true(s_figure(bench, "nmesh_commit_seconds", NULL, NULL) > before);
}

static void
asks_that_nobody_answered_are_counted_by_why(void **state)
{
    nm_bench_t *bench = *state;
    nm_turn_t *turn = &nm_bench_actor(bench)->turn;
    nm_turn_ask(turn, NM_ROLE_NONE, "gateway-1", "health", nm_bytes(NULL, 0), 1000, 1);
    nm_turn_ask(turn, NM_ROLE_SMS, NULL, "health", nm_bytes(NULL, 0), 1000, 2);
    nm_bench_wait(bench, 1000);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_int_equal(s_figure(bench, "nmesh_asks_failed_total", "reason", "late"), 1);
    assert_int_equal(s_figure(bench, "nmesh_asks_failed_total", "reason", "nobody"), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_time_counts_once_its_turn_is_on_disk, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(tells_what_it_holds_and_since_when, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(tells_how_long_mail_waits, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(tells_how_long_no_receipt_came, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(only_a_turn_that_changed_something_has_a_commit, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(asks_that_nobody_answered_are_counted_by_why, s_setup, s_teardown),
    };
    return cmocka_run_group_tests_name("broker/figures", tests, NULL, NULL);
}
