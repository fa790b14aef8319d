//  About broker/claiming.c and broker/takeback.c: claims and what is taken back, seen from one actor.
#include "check.h"

#include "tests/broker/double.h"

static uint64_t
s_taken_back(nm_bench_t *bench)
{
    return nm_metric_value(nm_bench_actor(bench)->metric.mail_taken_back);
}

static void
s_pass(nm_bench_t *bench, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("to be delivered"));
    nm_double_turn(bench);
}

//  The lease passes.
static void
s_wait(nm_bench_t *bench)
{
    nm_bench_wait(bench, nm_bench_mesh(bench)->lease_ms);
    nm_double_turn(bench);
}

//  Of two, one gets four mails, and says no word any more.
static nm_bench_t *
s_frozen_bench(void)
{
    nm_bench_t *bench = nm_double_new();
    nm_bench_away(bench, "email-2");
    nm_bench_freeze(bench, "email-1", true);
    s_pass(bench, 4);
    assert_int_equal(nm_bench_offered(bench, "email-1"), 4);
    nm_bench_back(bench, "email-2");
    nm_double_turn(bench);
    return bench;
}

//  -- The sender's side

static void
grants_what_is_claimed(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    s_pass(bench, 6);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 6);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.mail_claimed), 6);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 0);
    nm_bench_destroy(&bench);
}

static void
wants_no_claim_where_there_is_only_one(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_bury(bench, "email-2");
    nm_double_turn(bench);
    s_pass(bench, 3);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 3);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.mail_claimed), 0);
    nm_bench_destroy(&bench);
}

static void
takes_back_what_a_silent_one_has_not_claimed(void **state)
{
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    nm_bench_wait(bench, nm_bench_mesh(bench)->lease_ms - 1);
    nm_double_turn(bench);
    assert_int_equal(s_taken_back(bench), 0);
    nm_bench_wait(bench, 1);
    nm_double_turn(bench);
    assert_int_equal(s_taken_back(bench), 4);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 4);
    assert_string_equal(nm_bench_sent(bench, 0, 3)->peer, "email-2");
    assert_int_equal(nm_bench_sent(bench, 0, 3)->priority, 1);
    assert_true(nm_bytes_is(nm_bench_sent(bench, 0, 3)->body, "to be delivered"));

    //  It wakes up and claims: it is told that there is nothing.
    nm_bench_freeze(bench, "email-1", false);
    nm_double_turn(bench);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 4);
    assert_int_equal(nm_bench_offered(bench, "email-1"), 0);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 0);
    nm_bench_destroy(&bench);
}

//  Seed 20050237: two that drain, each with mail of the other that it does not claim any more, waited for each other.
static void
takes_back_what_one_that_drains_has_not_claimed(void **state)
{
    enum { BEAT_MS = 500 };
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    for (int64_t ms = 0; ms < nm_bench_mesh(bench)->lease_ms; ms += BEAT_MS) {
        nm_bench_busy(bench, "email-1", 0);
        nm_double_turn(bench);
        nm_link_set_credit(nm_double_link(bench, "email-1"), 0, nm_bench_actor(bench)->turn.now.mono_ms);
        assert_int_equal(s_taken_back(bench), 0);
        nm_bench_wait(bench, BEAT_MS);
    }
    nm_double_link(bench, "email-1")->stopped_ms -= nm_bench_mesh(bench)->lease_ms;
    nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "email-1")->state, NM_LINK_UP);
    assert_int_equal(s_taken_back(bench), 4);
    assert_string_equal(nm_bench_sent(bench, 0, 3)->peer, "email-2");
    nm_bench_destroy(&bench);
}

static void
remembers_what_it_took_back_when_it_starts_again(void **state)
{
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    s_wait(bench);
    nm_bench_restart(bench);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 4);
    assert_int_equal(nm_link_claimed(nm_double_link(bench, "email-1")), 0);
    nm_bench_reborn(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 0);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 0);
    nm_bench_destroy(&bench);
}

static void
takes_back_at_once_from_one_that_left(void **state)
{
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    nm_bench_away(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(s_taken_back(bench), 4);
    nm_bench_destroy(&bench);
}

static void
never_takes_back_what_was_claimed(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_away(bench, "email-2");
    nm_bench_hold(bench, "email-1", true);
    s_pass(bench, 3);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 3);
    assert_int_equal(nm_link_claimed(nm_double_link(bench, "email-1")), 3);
    nm_bench_back(bench, "email-2");
    nm_bench_freeze(bench, "email-1", true);
    s_wait(bench);
    s_wait(bench);
    nm_bench_away(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(s_taken_back(bench), 0);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 3);

    //  Its next process has them on its disk.
    nm_bench_hold(bench, "email-1", false);
    nm_bench_reborn(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 0);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 3);
    nm_bench_destroy(&bench);
}

static void
takes_nothing_back_where_nobody_could_take_it(void **state)
{
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    nm_bench_away(bench, "email-2");
    s_wait(bench);
    assert_int_equal(s_taken_back(bench), 0);
    assert_int_equal(nm_bench_offered(bench, "email-1"), 4);
    nm_bench_freeze(bench, "email-1", false);
    nm_double_turn(bench);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 4);
    nm_bench_destroy(&bench);
}

//  An earlier life may have granted it: it stays with the peer, which gets it without being asked to claim it.
static void
takes_nothing_back_that_was_open_when_it_started(void **state)
{
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    nm_bench_restart(bench);
    s_wait(bench);
    s_wait(bench);
    assert_int_equal(s_taken_back(bench), 0);
    assert_int_equal(nm_link_claimed(nm_double_link(bench, "email-1")), 4);
    nm_bench_reborn(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 4);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 0);
    nm_bench_destroy(&bench);
}

//  -- Receipts out of order, as claims make them

static void
takes_a_hole_below_what_flows_on_for_no_progress(void **state)
{
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    nm_link_t *link = nm_double_link(bench, "email-1");
    int64_t before_ms = link->progress_ms;
    nm_bench_wait(bench, 500);
    nm_double_turn(bench);
    nm_spans_t spans = { .run_count = 1, .runs = { { 3, 4 } } };
    nm_posting_receipted(nm_bench_actor(bench), link, &spans);
    assert_int_equal(link->open_count, 2);
    assert_int_equal(link->progress_ms, before_ms);
    //  A late word that covers less changes nothing.
    spans = (nm_spans_t){ .run_count = 1, .runs = { { 3, 3 } } };
    nm_posting_receipted(nm_bench_actor(bench), link, &spans);
    assert_int_equal(link->open_count, 2);
    spans = (nm_spans_t){ .seen = 1, .run_count = 1, .runs = { { 3, 4 } } };
    nm_posting_receipted(nm_bench_actor(bench), link, &spans);
    assert_true(link->progress_ms > before_ms);
    nm_bench_destroy(&bench);
}

//  The peer gave its receipt for 3 and 4, not for 1 and 2; those are deleted. Then its disk is put back to before.
static void
finds_out_a_peer_that_went_back_above_its_watermark(void **state)
{
    (void) state;
    nm_bench_t *bench = s_frozen_bench();
    nm_link_t *link = nm_double_link(bench, "email-1");
    nm_spans_t spans = { .run_count = 1, .runs = { { 3, 4 } } };
    nm_posting_receipted(nm_bench_actor(bench), link, &spans);
    nm_bench_wait(bench, NM_FORGET_PATIENCE_MS);
    nm_double_turn(bench);
    nm_bench_reborn(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(link->state, NM_LINK_ROLLED);
    assert_int_equal(nm_bench_offered(bench, "email-1"), 0);
    nm_bench_destroy(&bench);
}

static void
takes_back_many_in_bounded_turns(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_away(bench, "email-2");
    nm_bench_freeze(bench, "email-1", true);
    s_pass(bench, NM_CREDIT_COUNT);
    nm_bench_back(bench, "email-2");
    nm_double_turn(bench);
    nm_bench_wait(bench, nm_bench_mesh(bench)->lease_ms);
    nm_bench_turn_once(bench);
    assert_in_range(s_taken_back(bench), 1, NM_CREDIT_COUNT / 2);
    assert_true(nm_actor_wake(nm_bench_actor(bench)) <= 0);  //  At once
    for (int i = 0; i < 8; i++)
        nm_double_turn(bench);
    assert_int_equal(s_taken_back(bench), NM_CREDIT_COUNT);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), NM_CREDIT_COUNT);
    nm_bench_destroy(&bench);
}

//  -- The receiver's side

static void
claims_what_it_is_offered_and_takes_in_what_is_granted(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_offer(bench, "gateway-1", NM_MAIL_WORK, nm_text("one"));
    nm_bench_offer(bench, "gateway-1", NM_MAIL_WORK, nm_text("two"));
    nm_bench_offer(bench, "gateway-1", NM_MAIL_WORK, nm_text("three"));
    nm_double_turn(bench);
    assert_int_equal(nm_bench_claims(bench), 1);  //  A turn's claims are one frame
    assert_int_equal(nm_double_handled(bench), 0);
    assert_int_equal(nm_double_link(bench, "gateway-1")->seen.seen, 0);

    nm_bench_grant(bench, "gateway-1", 1, 2);
    nm_double_turn(bench);
    assert_int_equal(nm_double_handled(bench), 2);
    assert_int_equal(nm_double_link(bench, "gateway-1")->seen.seen, 2);
    assert_true(nm_bytes_is(nm_bench_sent(bench, NM_MAIL_DELIVERY, 1)->body, "two"));
    nm_bench_grant(bench, "gateway-1", 1, 2);  //  What it does not have is passed over
    nm_double_turn(bench);
    assert_int_equal(nm_double_handled(bench), 2);
    assert_int_equal(nm_double_link(bench, "gateway-1")->pending.count, 1);
    nm_bench_destroy(&bench);
}

//  A grant of number 1 by the process that the link knows now.
static nm_buf_t
s_grant_one(nm_bench_t *bench, const nm_link_t *link)
{
    nm_grant_t grant = { 0 };
    nm_runs_t runs = { .count = 1, .at = { { 1, 1 } } };
    nm_buf_t seqs = { 0 }, frame = { 0 };
    nm_runs_write(&runs, &seqs);
    NM_PUT(&grant, grant, boot, link->boot);
    NM_PUT(&grant, grant, your_boot, nm_bench_actor(bench)->boot);
    NM_PUT(&grant, grant, store, link->store);
    NM_PUT(&grant, grant, epoch, link->epoch);
    NM_PUT(&grant, grant, seqs, nm_buf_bytes(&seqs));
    nm_frame_start(&frame, NM_FRAME_GRANT);
    nm_record_encode(&nm_grant_shape, &grant, NM_BY_TAG, &frame);
    nm_buf_free(&seqs);
    return frame;
}

static void
drops_what_is_pending_with_the_process_that_offered_it(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_offer(bench, "gateway-1", NM_MAIL_WORK, nm_text("not granted in time"));
    nm_double_turn(bench);
    nm_buf_t late = s_grant_one(bench, nm_double_link(bench, "gateway-1"));
    nm_bench_reborn(bench, "gateway-1");
    nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "gateway-1")->pending.count, 0);

    //  The new process offers it again, and the old one's grant arrives.
    nm_bench_again(bench, "gateway-1");
    nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "gateway-1")->pending.count, 1);
    nm_bench_frame(bench, "gateway-1", nm_buf_bytes(&late));
    nm_buf_free(&late);
    nm_double_turn(bench);
    assert_int_equal(nm_double_handled(bench), 0);
    nm_bench_grant(bench, "gateway-1", 1, 1);
    nm_double_turn(bench);
    assert_int_equal(nm_double_handled(bench), 1);
    nm_bench_destroy(&bench);
}

static void
takes_a_void_as_seen_and_does_nothing(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_offer(bench, "gateway-1", NM_MAIL_WORK, nm_text("goes to another"));
    nm_double_turn(bench);
    nm_bench_void(bench, "gateway-1", 1);
    nm_double_turn(bench);
    assert_int_equal(nm_double_handled(bench), 0);
    assert_int_equal(nm_double_link(bench, "gateway-1")->pending.count, 0);
    assert_int_equal(nm_double_link(bench, "gateway-1")->seen.seen, 1);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.mail_void), 1);
    nm_bench_grant(bench, "gateway-1", 1, 1);
    nm_double_turn(bench);
    assert_int_equal(nm_double_handled(bench), 0);
    nm_bench_restart(bench);
    assert_int_equal(nm_double_link(bench, "gateway-1")->seen.seen, 1);
    nm_bench_destroy(&bench);
}

static void
claims_nothing_while_it_leaves(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_offer(bench, "gateway-1", NM_MAIL_WORK, nm_text("in time"));
    nm_double_turn(bench);
    nm_actor_leave(nm_bench_actor(bench));
    nm_bench_offer(bench, "gateway-1", NM_MAIL_WORK, nm_text("too late"));
    nm_double_turn(bench);
    assert_int_equal(nm_bench_claims(bench), 1);
    nm_bench_grant(bench, "gateway-1", 1, 2);
    nm_double_turn(bench);
    assert_int_equal(nm_double_handled(bench), 1);  //  What was granted is still taken in
    nm_bench_destroy(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_what_is_claimed),
        cmocka_unit_test(wants_no_claim_where_there_is_only_one),
        cmocka_unit_test(takes_back_what_a_silent_one_has_not_claimed),
        cmocka_unit_test(takes_back_what_one_that_drains_has_not_claimed),
        cmocka_unit_test(remembers_what_it_took_back_when_it_starts_again),
        cmocka_unit_test(takes_back_at_once_from_one_that_left),
        cmocka_unit_test(never_takes_back_what_was_claimed),
        cmocka_unit_test(takes_nothing_back_where_nobody_could_take_it),
        cmocka_unit_test(takes_nothing_back_that_was_open_when_it_started),
        cmocka_unit_test(takes_a_hole_below_what_flows_on_for_no_progress),
        cmocka_unit_test(finds_out_a_peer_that_went_back_above_its_watermark),
        cmocka_unit_test(takes_back_many_in_bounded_turns),
        cmocka_unit_test(claims_what_it_is_offered_and_takes_in_what_is_granted),
        cmocka_unit_test(drops_what_is_pending_with_the_process_that_offered_it),
        cmocka_unit_test(takes_a_void_as_seen_and_does_nothing),
        cmocka_unit_test(claims_nothing_while_it_leaves),
    };
    return cmocka_run_group_tests_name("broker/takeback", tests, NULL, NULL);
}
