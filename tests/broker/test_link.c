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
    assert_false(nm_link_tick(&link, 1000 + NM_LINK_QUIET_MS - 1));
    assert_true(nm_link_tick(&link, 1000 + NM_LINK_QUIET_MS));
    assert_int_equal(link.state, NM_LINK_QUIET);
    assert_false(nm_link_may_take(&link, 1));
    assert_true(nm_link_tick(&link, 1000 + NM_LINK_GONE_MS));
    assert_int_equal(link.state, NM_LINK_GONE);
    assert_true(nm_link_heard(&link, 90000));
    assert_int_equal(link.state, NM_LINK_UP);
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
        cmocka_unit_test(takes_no_more_than_its_credit_in_count_and_size),
        cmocka_unit_test(is_cut_off_after_too_many_faults_and_let_in_again),
        cmocka_unit_test(greets_again_when_receipts_stall),
    };
    return cmocka_run_group_tests_name("broker/link", tests, NULL, NULL);
}
