#include "tests/broker/check.h"

#include "broker/watches.h"

static nm_rc_t
s_next(nm_watches_t *self, uint64_t *token)
{
    size_t at = 0;
    return nm_watches_next(self, &at, token);
}

//  A link whose peer has everything up to seen.
static nm_link_t
s_link(uint64_t seen)
{
    return (nm_link_t){ .receipted = { .seen = seen } };
}

static void
tells_once_when_the_receipt_covers_the_number(void **state)
{
    (void) state;
    nm_watches_t watches = { 0 };
    nm_link_t link = s_link(6);
    uint64_t token = 0;
    nm_watches_add(&watches, nm_text("letter"), 91);
    nm_watches_place(&watches, nm_text("letter"), &link, 7);
    nm_watches_commit(&watches);
    assert_int_equal(s_next(&watches, &token), NM_ERR_MISSING);
    link.receipted.seen = 7;
    assert_int_equal(s_next(&watches, &token), NM_OK);
    assert_int_equal(token, 91);
    assert_int_equal(s_next(&watches, &token), NM_ERR_MISSING);
    nm_watches_commit(&watches);
    assert_int_equal(watches.count, 0);
    nm_watches_free(&watches);
}

static void
tells_nothing_of_mail_that_still_waits(void **state)
{
    (void) state;
    nm_watches_t watches = { 0 };
    nm_link_t link = s_link(100);
    uint64_t token;
    nm_watches_add(&watches, nm_text("waits"), 5);
    nm_watches_place(&watches, nm_text("other"), &link, 9);
    assert_int_equal(s_next(&watches, &token), NM_ERR_MISSING);
    nm_watches_free(&watches);
}

static void
an_undone_turn_tells_again_and_forgets_what_it_put(void **state)
{
    (void) state;
    nm_watches_t watches = { 0 };
    nm_link_t link = s_link(8);
    uint64_t token = 0;
    nm_watches_add(&watches, nm_text("old"), 1);
    nm_watches_place(&watches, nm_text("old"), &link, 8);
    nm_watches_add(&watches, nm_text("waiting"), 2);
    nm_watches_commit(&watches);

    nm_watches_add(&watches, nm_text("new"), 3);
    nm_watches_place(&watches, nm_text("new"), &link, 7);
    nm_watches_place(&watches, nm_text("waiting"), &link, 6);
    assert_int_equal(s_next(&watches, &token), NM_OK);
    nm_watches_undo(&watches);
    assert_int_equal(watches.count, 2);
    assert_int_equal(s_next(&watches, &token), NM_OK);
    assert_int_equal(token, 1);
    assert_int_equal(s_next(&watches, &token), NM_ERR_MISSING);  //  "waiting" waits again
    nm_watches_place(&watches, nm_text("waiting"), &link, 5);
    assert_int_equal(s_next(&watches, &token), NM_OK);
    assert_int_equal(token, 2);
    nm_watches_free(&watches);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_once_when_the_receipt_covers_the_number),
        cmocka_unit_test(tells_nothing_of_mail_that_still_waits),
        cmocka_unit_test(an_undone_turn_tells_again_and_forgets_what_it_put),
    };
    return cmocka_run_group_tests_name("broker/watches", tests, NULL, NULL);
}
