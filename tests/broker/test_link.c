//  About broker/link.c: liveness, credit, and who of two went back in time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/link.h"

static const nm_id_t OWN = { "own store id 123" };
static const nm_id_t THEIRS = { "their store id 9" };

//  We have sent 1..40, of which 31..40 are open; we have seen 1..70 of theirs.
static nm_link_t
s_link(void)
{
    return (nm_link_t){ .state = NM_LINK_UP,
                        .next = 41,
                        .low = 31,
                        .receipted = { .seen = 30 },
                        .known = true,
                        .store = THEIRS,
                        .epoch = 3,
                        .seen = { .seen = 70 },
                        .credit = 256 };
}

static nm_greet_t
s_greet(uint64_t low, uint64_t next, uint64_t seen)
{
    nm_greet_t greet = { 0 };
    NM_PUT(&greet, greet, store, THEIRS);
    NM_PUT(&greet, greet, epoch, 3);
    NM_PUT(&greet, greet, low, low);
    NM_PUT(&greet, greet, next, next);
    NM_PUT(&greet, greet, seen_store, OWN);
    NM_PUT(&greet, greet, seen_epoch, 2);
    NM_PUT(&greet, greet, seen, seen);
    return greet;
}

static void
accepts_a_greeting_that_fits(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    nm_greet_t greet = s_greet(65, 80, 35);
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);
    greet = s_greet(71, 71, 30);
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);
    greet = s_greet(71, 71, 40);
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);
}

static void
sees_that_the_peer_went_back(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    nm_greet_t sender = s_greet(60, 70, 35);    //  Would use number 70 again, which we have
    nm_greet_t receiver = s_greet(65, 80, 29);  //  Lost number 30, which it had receipted
    assert_int_equal(nm_link_judge(&link, &sender, &OWN, 2), NM_GREET_PEER_ROLLED);
    assert_int_equal(nm_link_judge(&link, &receiver, &OWN, 2), NM_GREET_PEER_ROLLED);
}

static void
sees_that_it_went_back_itself(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    nm_greet_t sender = s_greet(65, 80, 41);    //  Has seen a number that we have yet to use
    nm_greet_t receiver = s_greet(72, 80, 35);  //  Has forgotten 71, which we never saw
    assert_int_equal(nm_link_judge(&link, &sender, &OWN, 2), NM_GREET_SELF_ROLLED);
    assert_int_equal(nm_link_judge(&link, &receiver, &OWN, 2), NM_GREET_SELF_ROLLED);
}

static void
forgives_a_gap_only_after_an_open_restore(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    nm_greet_t greet = s_greet(72, 80, 35);
    link.restored = true;
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);

    //  The peer says by its epoch that it was restored: it may lack what it had.
    link = s_link();
    greet = s_greet(1, 5, 12);
    greet.epoch = 4;
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);
}

static void
refuses_an_older_epoch_for_ever(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    nm_greet_t greet = s_greet(65, 80, 35);
    greet.epoch = 2;
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_STALE);
}

static void
starts_a_new_stream_for_a_new_epoch(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    nm_greet_t greet = s_greet(1, 4, 35);
    greet.epoch = 4;
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);
}

static void
goes_quiet_then_gone_then_up(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    link.heard_ms = 1000;
    assert_false(nm_link_tick(&link, 1000 + NM_LINK_QUIET_BEATS * NM_LINK_BEAT_MS - 1));
    assert_true(nm_link_tick(&link, 1000 + NM_LINK_QUIET_BEATS * NM_LINK_BEAT_MS));
    assert_int_equal(link.state, NM_LINK_QUIET);
    assert_false(nm_link_may_take(&link, 1));
    assert_true(nm_link_tick(&link, 1000 + NM_LINK_GONE_MS));
    assert_int_equal(link.state, NM_LINK_GONE);
    assert_true(nm_link_heard(&link, 90000));
    assert_int_equal(link.state, NM_LINK_UP);
}

static void
beats_more_seldom_with_many_peers_and_is_waited_for_longer(void **state)
{
    (void) state;
    assert_int_equal(nm_link_beat_ms(0), NM_LINK_BEAT_MS);
    assert_int_equal(nm_link_beat_ms(150), NM_LINK_BEAT_MS);
    assert_int_equal(nm_link_beat_ms(1000), 4000);
    nm_link_t link = s_link();
    link.heard_ms = 1000;
    link.beat_ms = 4000;
    assert_false(nm_link_tick(&link, 1000 + NM_LINK_QUIET_BEATS * 4000 - 1));
    assert_true(nm_link_tick(&link, 1000 + NM_LINK_QUIET_BEATS * 4000));
    assert_int_equal(link.state, NM_LINK_QUIET);
}

static void
takes_no_more_than_its_credit_in_count_and_size(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    link.open_count = 255;
    assert_true(nm_link_may_take(&link, 100));
    link.open_count = 256;
    assert_false(nm_link_may_take(&link, 100));
    link.open_count = 1;
    link.open_size = NM_CREDIT_SIZE - 10;
    assert_false(nm_link_may_take(&link, 11));
    link.open_count = 0;
    link.open_size = 0;
    assert_true(nm_link_may_take(&link, NM_CREDIT_SIZE + 1));  //  One alone always may
}

static void
is_cut_off_after_too_many_faults_and_let_in_again(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    for (int i = 1; i < NM_LINK_FAULT_MAX; i++)
        assert_false(nm_link_fault(&link, 500));
    assert_true(nm_link_fault(&link, 500));
    assert_int_equal(link.state, NM_LINK_BLOCKED);
    nm_link_tick(&link, 500 + NM_LINK_BLOCK_MS);
    assert_int_equal(link.state, NM_LINK_STRANGE);
}

static void
greets_again_when_receipts_stall(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    link.heard_ms = 20000;
    link.open_count = 3;
    link.progress_ms = 20000 - NM_LINK_STALL_MS;
    link.greeted_ms = 1;
    nm_link_tick(&link, 20000);
    assert_true(link.greet_due);
}

//  -- Whose word counts

enum { OWN_BOOT = 500, THEIR_BOOT = 600, NEXT_BOOT = 601 };

static nm_greet_t
s_word(uint64_t boot, uint64_t number, uint64_t your_number)
{
    nm_greet_t greet = s_greet(65, 80, 35);
    NM_PUT(&greet, greet, boot, boot);
    NM_PUT(&greet, greet, claims, true);
    NM_PUT(&greet, greet, number, number);
    NM_PUT(&greet, greet, your_boot, OWN_BOOT);
    NM_PUT(&greet, greet, your_number, your_number);
    return greet;
}

static nm_greeter_t
s_weigh(nm_link_t *link, uint64_t boot, uint64_t number, uint64_t your_number)
{
    nm_greet_t greet = s_word(boot, number, your_number);
    nm_greeter_t greeter = nm_link_weigh(link, &greet, OWN_BOOT);
    if (greeter == NM_GREETER_PROVEN)
        nm_link_meet(link, &greet);
    return greeter;
}

static void
meets_who_answers_its_greeting(void **state)
{
    (void) state;
    nm_link_t link = { .next = 1, .low = 1 };
    nm_link_number_greeting(&link);
    assert_int_equal(s_weigh(&link, THEIR_BOOT, 1, 0), NM_GREETER_STRANGE);
    assert_int_equal(s_weigh(&link, THEIR_BOOT, 2, 1), NM_GREETER_PROVEN);
    assert_int_equal(s_weigh(&link, THEIR_BOOT, 3, 1), NM_GREETER_KNOWN);
    assert_int_equal(s_weigh(&link, THEIR_BOOT, 3, 1), NM_GREETER_LATE);
    assert_int_equal(link.boot, THEIR_BOOT);
}

static void
believes_no_answer_to_what_it_never_asked(void **state)
{
    (void) state;
    nm_link_t link = { .next = 1, .low = 1 };
    nm_link_number_greeting(&link);
    assert_int_equal(s_weigh(&link, THEIR_BOOT, 1, 2), NM_GREETER_STRANGE);
    nm_greet_t other = s_word(THEIR_BOOT, 2, 1);
    NM_PUT(&other, greet, your_boot, OWN_BOOT - 1);  //  To an earlier process of ours
    assert_int_equal(nm_link_weigh(&link, &other, OWN_BOOT), NM_GREETER_STRANGE);
}

//  The first process answered greeting 2, and its machine delivers that only after the second one was met.
static void
is_not_taken_in_by_a_process_that_is_over(void **state)
{
    (void) state;
    nm_link_t link = { .next = 1, .low = 1 };
    nm_link_number_greeting(&link);
    assert_int_equal(s_weigh(&link, THEIR_BOOT, 1, 1), NM_GREETER_PROVEN);
    nm_link_number_greeting(&link);
    assert_int_equal(s_weigh(&link, NEXT_BOOT, 1, 0), NM_GREETER_STRANGE);
    //  Greeting 2 went before the second was heard: nobody can tell who answers it.
    assert_int_equal(s_weigh(&link, NEXT_BOOT, 2, 2), NM_GREETER_STRANGE);
    nm_link_number_greeting(&link);
    assert_int_equal(s_weigh(&link, NEXT_BOOT, 3, 3), NM_GREETER_PROVEN);
    assert_int_equal(s_weigh(&link, THEIR_BOOT, 2, 2), NM_GREETER_STRANGE);
    nm_link_number_greeting(&link);
    assert_int_equal(s_weigh(&link, NEXT_BOOT, 4, 4), NM_GREETER_KNOWN);
}

static void
believes_an_older_version_as_it_is(void **state)
{
    (void) state;
    nm_link_t link = { .next = 1, .low = 1 };
    nm_greet_t greet = s_greet(65, 80, 35);
    NM_PUT(&greet, greet, boot, THEIR_BOOT);
    assert_int_equal(nm_link_weigh(&link, &greet, OWN_BOOT), NM_GREETER_PLAIN);
}

//  -- What can be taken back

static void
counts_as_claimed_what_has_no_receipt_and_is_not_void(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    link.receipted = (nm_spans_t){ .seen = 30, .run_count = 1, .runs = { { 33, 34 } } };
    nm_claims_set(&link.claim, 36, NM_CLAIM_OFFERED);
    nm_claims_set(&link.claim, 40, NM_CLAIM_VOID);
    assert_int_equal(nm_link_claimed(&link), 6);
}

static void
is_lost_after_the_lease_or_when_it_has_left(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    link.heard_ms = 1000;
    link.credit = 1;
    assert_false(nm_link_is_lost(&link, 900000, 5000));  //  It is up, whatever the clock says
    link.state = NM_LINK_QUIET;
    assert_false(nm_link_is_lost(&link, 5999, 5000));
    assert_true(nm_link_is_lost(&link, 6000, 5000));
    link.state = NM_LINK_LEFT;
    assert_true(nm_link_is_lost(&link, 1000, 5000));
}

static void
is_as_good_as_lost_when_it_has_taken_nothing_for_the_lease(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    nm_link_set_credit(&link, 12, 500);
    nm_link_set_credit(&link, 0, 1000);
    nm_link_set_credit(&link, 0, 4000);
    assert_false(nm_link_is_lost(&link, 5999, 5000));
    assert_true(nm_link_is_lost(&link, 6000, 5000));
    nm_link_set_credit(&link, 3, 6000);
    assert_false(nm_link_is_lost(&link, 6000, 5000));
    nm_link_set_credit(&link, 0, 7000);
    assert_false(nm_link_is_lost(&link, 11999, 5000));
}

static void
gives_no_number_beyond_what_it_can_tell_apart(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    link.receipted = (nm_spans_t){ .seen = 30 };
    link.next = 30 + NM_CLAIMS_WINDOW;
    assert_true(nm_link_may_take(&link, 1));
    link.next++;
    assert_false(nm_link_may_take(&link, 1));
}

//  What was seen above the watermark counts as well: on either side it may be all that shows.
static void
sees_by_runs_above_the_watermark_who_went_back(void **state)
{
    (void) state;
    nm_buf_t runs = { 0 };
    nm_spans_t spans = { .seen = 35 };
    nm_spans_add(&spans, 43);
    nm_spans_write(&spans, &runs);

    nm_link_t link = s_link();
    nm_greet_t greet = s_greet(65, 80, 35);  //  Has seen 43, which we have yet to use
    NM_PUT(&greet, greet, above, nm_buf_bytes(&runs));
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_SELF_ROLLED);

    link.next = 50;
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);
    nm_buf_free(&runs);

    link = s_link();
    nm_spans_add(&link.seen, 82);  //  It has yet to use 82
    greet = s_greet(65, 80, 35);
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_PEER_ROLLED);
}

static void
sees_that_it_lacks_what_it_receipted_above_its_watermark(void **state)
{
    (void) state;
    nm_buf_t runs = { 0 };
    nm_spans_t spans = { .seen = 70 };
    nm_spans_add(&spans, 73);
    nm_spans_write(&spans, &runs);
    nm_link_t link = s_link();
    nm_greet_t greet = s_greet(71, 80, 35);  //  Says that we receipted 73
    NM_PUT(&greet, greet, receipted, nm_buf_bytes(&runs));
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_SELF_ROLLED);
    nm_spans_add(&link.seen, 73);
    assert_int_equal(nm_link_judge(&link, &greet, &OWN, 2), NM_GREET_WELL);
    nm_buf_free(&runs);
}

static void
keeps_asking_a_peer_that_seems_rolled_back(void **state)
{
    (void) state;
    nm_link_t link = s_link();
    link.state = NM_LINK_ROLLED;
    link.greeted_ms = 1000;
    link.heard_ms = 1000;
    assert_int_equal(nm_link_wake(&link), 1000 + NM_LINK_GREET_MS);
    nm_link_tick(&link, 1000 + NM_LINK_GREET_MS);
    assert_true(link.greet_due);
    assert_int_equal(link.state, NM_LINK_ROLLED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_a_greeting_that_fits),
        cmocka_unit_test(sees_that_the_peer_went_back),
        cmocka_unit_test(sees_that_it_went_back_itself),
        cmocka_unit_test(forgives_a_gap_only_after_an_open_restore),
        cmocka_unit_test(refuses_an_older_epoch_for_ever),
        cmocka_unit_test(starts_a_new_stream_for_a_new_epoch),
        cmocka_unit_test(goes_quiet_then_gone_then_up),
        cmocka_unit_test(beats_more_seldom_with_many_peers_and_is_waited_for_longer),
        cmocka_unit_test(takes_no_more_than_its_credit_in_count_and_size),
        cmocka_unit_test(is_cut_off_after_too_many_faults_and_let_in_again),
        cmocka_unit_test(greets_again_when_receipts_stall),
        cmocka_unit_test(meets_who_answers_its_greeting),
        cmocka_unit_test(believes_no_answer_to_what_it_never_asked),
        cmocka_unit_test(is_not_taken_in_by_a_process_that_is_over),
        cmocka_unit_test(believes_an_older_version_as_it_is),
        cmocka_unit_test(counts_as_claimed_what_has_no_receipt_and_is_not_void),
        cmocka_unit_test(is_lost_after_the_lease_or_when_it_has_left),
        cmocka_unit_test(is_as_good_as_lost_when_it_has_taken_nothing_for_the_lease),
        cmocka_unit_test(gives_no_number_beyond_what_it_can_tell_apart),
        cmocka_unit_test(sees_by_runs_above_the_watermark_who_went_back),
        cmocka_unit_test(sees_that_it_lacks_what_it_receipted_above_its_watermark),
        cmocka_unit_test(keeps_asking_a_peer_that_seems_rolled_back),
    };
    return cmocka_run_group_tests_name("broker/link", tests, NULL, NULL);
}
