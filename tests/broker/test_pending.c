//  About broker/pending.c: mail that waits for its grant.
#include "check.h"

#include "broker/pending.h"

static nm_mail_item_t
s_item(uint64_t seq, const char *body)
{
    nm_mail_item_t item = { 0 };
    NM_PUT(&item, mail_item, seq, seq);
    NM_PUT(&item, mail_item, kind, seq % 5 + 1);
    NM_PUT(&item, mail_item, priority, seq % 4);
    NM_PUT(&item, mail_item, body, nm_text(body));
    return item;
}

static void
s_keep(nm_pending_t *pending, uint64_t seq, const char *body)
{
    nm_mail_item_t item = s_item(seq, body);
    assert_int_equal(nm_pending_keep(pending, &item), NM_OK);
}

static void
claims_what_it_keeps_in_runs_and_once(void **state)
{
    (void) state;
    nm_pending_t pending = { 0 };
    nm_runs_t runs;
    assert_false(nm_pending_claims(&pending, &runs));
    s_keep(&pending, 7, "seven");
    s_keep(&pending, 3, "three");
    s_keep(&pending, 4, "four!");
    assert_true(nm_pending_claims(&pending, &runs));
    assert_int_equal(runs.count, 2);
    assert_int_equal(runs.at[0].first, 3);
    assert_int_equal(runs.at[0].last, 4);
    assert_int_equal(runs.at[1].first, 7);
    assert_false(nm_pending_claims(&pending, &runs));
    nm_pending_clear(&pending);
}

static void
claims_again_what_comes_again(void **state)
{
    (void) state;
    nm_pending_t pending = { 0 };
    nm_runs_t runs;
    s_keep(&pending, 8, "first time");
    s_keep(&pending, 9, "first time");
    nm_pending_claims(&pending, &runs);
    s_keep(&pending, 9, "its claim was lost");
    assert_int_equal(pending.count, 2);
    assert_true(nm_pending_claims(&pending, &runs));
    assert_int_equal(runs.count, 1);
    assert_int_equal(runs.at[0].first, 9);
    nm_pending_clear(&pending);
}

static void
claims_scattered_numbers_in_several_frames(void **state)
{
    (void) state;
    nm_pending_t pending = { 0 };
    nm_runs_t runs;
    uint32_t claimed = 0;
    for (uint64_t seq = 2; seq <= 2 * (NM_SPAN_MAX + 10); seq += 2)
        s_keep(&pending, seq, "every other");
    while (nm_pending_claims(&pending, &runs))
        claimed += runs.count;
    assert_int_equal(claimed, NM_SPAN_MAX + 10);
    nm_pending_clear(&pending);
}

static void
gives_a_mail_once_by_rising_number(void **state)
{
    (void) state;
    nm_pending_t pending = { 0 };
    s_keep(&pending, 12, "twelve");
    s_keep(&pending, 10, "ten");
    s_keep(&pending, 15, "fifteen is not granted");
    const nm_pending_mail_t *mail = nm_pending_take(&pending, 9, 14);
    assert_int_equal(mail->seq, 10);
    assert_int_equal(mail->kind, 10 % 5 + 1);
    assert_int_equal(mail->priority, 10 % 4);
    assert_true(nm_bytes_is(nm_bytes(mail->body, mail->size), "ten"));
    assert_int_equal(nm_pending_take(&pending, 9, 14)->seq, 12);
    assert_null(nm_pending_take(&pending, 9, 14));

    nm_pending_sweep(&pending);
    assert_int_equal(pending.count, 1);
    assert_int_equal(pending.size, strlen("fifteen is not granted"));
    assert_null(nm_pending_take(&pending, 1, 14));
    nm_pending_clear(&pending);
}

static void
does_not_claim_what_was_taken(void **state)
{
    (void) state;
    nm_pending_t pending = { 0 };
    nm_runs_t runs;
    s_keep(&pending, 5, "void by now");
    nm_pending_take(&pending, 5, 5);
    assert_false(nm_pending_claims(&pending, &runs));
    nm_pending_clear(&pending);
}

static void
keeps_no_more_than_the_credit(void **state)
{
    (void) state;
    nm_pending_t pending = { 0 };
    for (uint64_t seq = 1; seq <= NM_CREDIT_COUNT; seq++)
        s_keep(&pending, seq, "one of many");
    nm_mail_item_t item = s_item(NM_CREDIT_COUNT + 1, "one too many");
    assert_int_equal(nm_pending_keep(&pending, &item), NM_ERR_FULL);
    nm_pending_clear(&pending);

    uint8_t *large = nm_alloc(2 * NM_CREDIT_SIZE + 1);
    item.body = nm_bytes(large, 2 * NM_CREDIT_SIZE + 1);
    assert_int_equal(nm_pending_keep(&pending, &item), NM_OK);  //  One alone always may
    item.seq++;
    item.body = nm_bytes(large, 1);
    assert_int_equal(nm_pending_keep(&pending, &item), NM_ERR_FULL);
    nm_pending_clear(&pending);
    free(large);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_what_it_keeps_in_runs_and_once),
        cmocka_unit_test(claims_again_what_comes_again),
        cmocka_unit_test(claims_scattered_numbers_in_several_frames),
        cmocka_unit_test(gives_a_mail_once_by_rising_number),
        cmocka_unit_test(does_not_claim_what_was_taken),
        cmocka_unit_test(keeps_no_more_than_the_credit),
    };
    return cmocka_run_group_tests_name("broker/pending", tests, NULL, NULL);
}
