//  About broker/forgetting.c: what becomes of the mail of a peer that is gone for good, disk and all.
#include "check.h"

#include "tests/broker/double.h"

static void
s_pass(nm_bench_t *bench, unsigned count, const char *body)
{
    for (unsigned i = 0; i < count; i++)
        nm_bench_mail(bench, "gateway-2", NM_MAIL_WORK, nm_text(body));
    nm_double_turn(bench);
}

static size_t
s_sent_to(nm_bench_t *bench, const char *peer)
{
    size_t count = 0;
    for (size_t i = 0; i < nm_bench_mails(bench, 0); i++)
        count += strcmp(nm_bench_sent(bench, 0, i)->peer, peer) == 0;
    return count;
}

//  Three deliveries were granted to email-1, and their receipts got lost; two more it had not claimed.
static nm_bench_t *
s_put_mail_at_one(nm_bench_t *bench)
{
    nm_bench_away(bench, "email-2");
    nm_bench_hold(bench, "email-1", true);
    s_pass(bench, 3, "claimed");
    nm_bench_freeze(bench, "email-1", true);
    s_pass(bench, 2, "offered");
    nm_bench_back(bench, "email-2");
    nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 5);
    assert_int_equal(nm_link_claimed(nm_double_link(bench, "email-1")), 3);
    nm_bench_forget(bench);
    return bench;
}

static nm_bench_t *
s_bench_with_mail_at_one(void)
{
    return s_put_mail_at_one(nm_double_new());
}

static void
gives_all_that_was_open_to_others_of_the_role(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench_with_mail_at_one();
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "email-1")->state, NM_LINK_FORGOTTEN);
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 0);
    assert_int_equal(s_sent_to(bench, "email-2"), 5);
    nm_bench_destroy(&bench);
}

//  In doubt about "claimed" another body goes.
static bool
s_change(uint8_t kind, nm_bytes_t body, nm_buf_t *changed)
{
    if (kind == NM_MAIL_DELIVERY && nm_bytes_is(body, "claimed") && changed)
        nm_buf_add_text(changed, "doubted");
    return true;
}

static bool
s_keep_none(uint8_t kind, nm_bytes_t body, nm_buf_t *changed)
{
    (void) kind, (void) body, (void) changed;
    return false;
}

static size_t
s_sent_with(nm_bench_t *bench, const char *body)
{
    size_t count = 0;
    for (size_t i = 0; i < nm_bench_mails(bench, 0); i++)
        count += nm_bytes_is(nm_bench_sent(bench, 0, i)->body, body);
    return count;
}

static void
a_role_may_change_what_the_peer_may_have_handled(void **state)
{
    (void) state;
    nm_role_t role = NM_DOUBLE;
    role.doubted = s_change;
    nm_bench_t *bench = s_put_mail_at_one(nm_bench_new(&role, "router-1", NULL));
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(s_sent_to(bench, "email-2"), 5);
    assert_int_equal(s_sent_with(bench, "doubted"), 3);
    assert_int_equal(s_sent_with(bench, "offered"), 2);
    nm_bench_destroy(&bench);
}

//  ... or account for it by itself.
static void
gives_back_only_what_was_offered_where_the_role_wants_no_more(void **state)
{
    (void) state;
    nm_role_t role = NM_DOUBLE;
    role.doubted = s_keep_none;
    nm_bench_t *bench = s_put_mail_at_one(nm_bench_new(&role, "router-1", NULL));
    assert_null(nm_forgetting_filter(nm_bench_actor(bench), nm_double_link(bench, "email-1")));
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    assert_non_null(nm_forgetting_filter(nm_bench_actor(bench), nm_double_link(bench, "email-1")));
    assert_int_equal(nm_double_link(bench, "email-1")->open_count, 0);
    assert_int_equal(s_sent_to(bench, "email-2"), 2);
    nm_bench_destroy(&bench);
}

static void
an_actor_can_still_be_drained(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench_with_mail_at_one();
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    nm_actor_drain(nm_bench_actor(bench));
    nm_double_turn(bench);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_destroy(&bench);
}

static void
gives_back_nothing_that_has_a_receipt(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench_with_mail_at_one();
    nm_spans_t spans = { .seen = 1, .run_count = 1, .runs = { { 3, 3 } } };
    nm_posting_receipted(nm_bench_actor(bench), nm_double_link(bench, "email-1"), &spans);
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(s_sent_to(bench, "email-2"), 3);
    nm_bench_destroy(&bench);
}

static void
gives_back_what_waits_when_nobody_else_is_there_yet(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench_with_mail_at_one();
    nm_bench_away(bench, "email-2");
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 0);
    nm_bench_restart(bench);
    nm_bench_back(bench, "email-2");
    nm_double_turn(bench);
    assert_int_equal(s_sent_to(bench, "email-2"), 5);
    nm_bench_destroy(&bench);
}

static void
tells_all_other_gateways_what_one_was_to_hear(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_hold(bench, "gateway-1", true);
    s_pass(bench, 2, "event");
    nm_bench_away(bench, "gateway-1");
    nm_double_turn(bench);
    s_pass(bench, 1, "event");  //  Waits
    nm_bench_forget(bench);
    nm_bench_bury(bench, "gateway-1");
    nm_double_turn(bench);
    assert_int_equal(s_sent_to(bench, "gateway-2"), 3);
    s_pass(bench, 1, "event");  //  And what comes later
    assert_int_equal(s_sent_to(bench, "gateway-2"), 4);
    assert_int_equal(nm_bench_sent(bench, NM_MAIL_EVENT, 3)->kind, NM_MAIL_EVENT);
    nm_bench_destroy(&bench);
}

static void
works_through_many_in_bounded_turns_and_over_a_restart(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_away(bench, "email-2");
    nm_bench_hold(bench, "email-1", true);
    s_pass(bench, 1000, "one of many");
    nm_bench_bury(bench, "email-1");
    nm_bench_turn_once(bench);
    assert_in_range(nm_double_link(bench, "email-1")->open_count, 500, 999);
    assert_true(nm_actor_wake(nm_bench_actor(bench)) <= 0);
    nm_bench_restart(bench);
    for (int i = 0; i < 6; i++)
        nm_bench_turn_once(bench);
    assert_true(nm_double_link(bench, "email-1")->ended);
    nm_bench_forget(bench);
    nm_bench_back(bench, "email-2");
    for (int i = 0; i < 6; i++)
        nm_double_turn(bench);
    assert_int_equal(s_sent_to(bench, "email-2"), 1000);
    nm_bench_destroy(&bench);
}

static void
goes_on_when_a_later_actor_of_the_name_is_there_before_it_is_done(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    nm_bench_away(bench, "email-2");
    nm_bench_hold(bench, "email-1", true);
    s_pass(bench, 700, "one of many");
    nm_bench_forget(bench);
    nm_bench_bury(bench, "email-1");
    nm_bench_turn_once(bench);
    nm_bench_follow(bench, "email-1");
    nm_bench_restart(bench);
    for (int i = 0; i < 6; i++)
        nm_bench_turn_once(bench);
    nm_bench_reborn(bench, "email-1");
    for (int i = 0; i < 6; i++)
        nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "email-1")->state, NM_LINK_UP);
    assert_int_equal(s_sent_to(bench, "email-1"), 700);
    assert_int_equal(nm_double_link(bench, "email-1")->next, 701);  //  A stream of its own, from 1
    nm_bench_destroy(&bench);
}

static void
takes_a_later_actor_and_never_the_old_store(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_double_new();
    s_pass(bench, 4, "before");
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    nm_peer_t *peer = (nm_peer_t *) nm_double_link(bench, "email-1")->peer;
    nm_id_t fenced = peer->fenced;

    //  A certificate is made again, and the disk turns up in another machine.
    peer->forgotten = false;
    peer->fenced = (nm_id_t){ { 0 } };  //  Another actor of that name was forgotten later
    nm_bench_actor(bench)->directory_version = 0;
    nm_bench_reborn(bench, "email-1");
    nm_double_turn(bench);
    assert_int_not_equal(nm_double_link(bench, "email-1")->state, NM_LINK_UP);
    nm_bench_restart(bench);
    nm_bench_reborn(bench, "email-1");
    nm_double_turn(bench);
    assert_int_not_equal(nm_double_link(bench, "email-1")->state, NM_LINK_UP);

    nm_bench_follow(bench, "email-1");
    nm_double_turn(bench);
    assert_int_equal(nm_double_link(bench, "email-1")->state, NM_LINK_UP);
    assert_false(nm_id_equal(&nm_double_link(bench, "email-1")->store, &fenced));
    nm_bench_away(bench, "email-2");
    nm_bench_forget(bench);
    s_pass(bench, 2, "after");
    assert_int_equal(s_sent_to(bench, "email-1"), 2);
    nm_bench_destroy(&bench);
}

static bool s_full;
static unsigned s_told_of_two;

static nm_rc_t
s_hear_of_two(void *state, nm_turn_t *turn, const nm_peer_t *peer)
{
    (void) state, (void) turn;
    s_told_of_two += strcmp(peer->actor.name, "email-2") == 0;
    return NM_OK;
}

//  The number of those that are gone stays what it was.
static void
a_role_is_told_of_one_that_is_lost_as_another_comes_back(void **state)
{
    (void) state;
    nm_role_t role = NM_DOUBLE;
    role.forgotten = s_hear_of_two;
    nm_bench_t *bench = nm_bench_new(&role, "router-1", NULL);
    nm_bench_bury(bench, "email-1");
    nm_double_turn(bench);
    s_told_of_two = 0;
    nm_bench_follow(bench, "email-1");
    nm_bench_bury(bench, "email-2");
    nm_double_turn(bench);
    assert_int_equal(s_told_of_two, 1);
    nm_double_turn(bench);
    assert_int_equal(s_told_of_two, 1);
    nm_bench_destroy(&bench);
}

static nm_rc_t
s_mail_unless_full(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    return s_full ? NM_ERR_FULL : nm_double_mail(state, turn, mail);
}

//  Nobody said which store it was, and the turn in which that is written down is undone.
static void
never_takes_the_old_store_though_a_turn_was_undone(void **state)
{
    (void) state;
    nm_role_t role = NM_DOUBLE;
    role.mail = s_mail_unless_full;
    nm_bench_t *bench = nm_bench_new(&role, "router-1", NULL);
    s_pass(bench, 4, "before");
    nm_bench_bury(bench, "email-1");
    nm_peer_t *peer = (nm_peer_t *) nm_double_link(bench, "email-1")->peer;
    peer->fenced = (nm_id_t){ { 0 } };
    nm_bench_mail(bench, "gateway-2", NM_MAIL_WORK, nm_text("too much"));
    s_full = true;
    assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
    s_full = false;
    nm_double_turn(bench);
    assert_true(nm_double_link(bench, "email-1")->ended);

    peer->forgotten = false;  //  A certificate is made again, and the disk turns up
    nm_bench_actor(bench)->directory_version = 0;
    nm_bench_reborn(bench, "email-1");
    nm_double_turn(bench);
    assert_int_not_equal(nm_double_link(bench, "email-1")->state, NM_LINK_UP);
    assert_int_equal(nm_actor_exit(nm_bench_actor(bench)), 0);
    nm_bench_destroy(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_all_that_was_open_to_others_of_the_role),
        cmocka_unit_test(a_role_may_change_what_the_peer_may_have_handled),
        cmocka_unit_test(gives_back_only_what_was_offered_where_the_role_wants_no_more),
        cmocka_unit_test(an_actor_can_still_be_drained),
        cmocka_unit_test(gives_back_nothing_that_has_a_receipt),
        cmocka_unit_test(gives_back_what_waits_when_nobody_else_is_there_yet),
        cmocka_unit_test(tells_all_other_gateways_what_one_was_to_hear),
        cmocka_unit_test(works_through_many_in_bounded_turns_and_over_a_restart),
        cmocka_unit_test(goes_on_when_a_later_actor_of_the_name_is_there_before_it_is_done),
        cmocka_unit_test(takes_a_later_actor_and_never_the_old_store),
        cmocka_unit_test(a_role_is_told_of_one_that_is_lost_as_another_comes_back),
        cmocka_unit_test(never_takes_the_old_store_though_a_turn_was_undone),
    };
    return cmocka_run_group_tests_name("broker/forgetting", tests, NULL, NULL);
}
