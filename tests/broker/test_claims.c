//  About broker/claims.c: whose a number on the way is.
#include "check.h"

#include "broker/claims.h"

static void
knows_each_number_by_itself(void **state)
{
    (void) state;
    nm_claims_t claims = { 0 };
    for (uint64_t seq = 1; seq <= 300; seq++)
        nm_claims_set(&claims, seq, (nm_claim_state_t) (seq % 3));
    for (uint64_t seq = 1; seq <= 300; seq++)
        assert_int_equal(nm_claims_get(&claims, seq), seq % 3);
    for (uint64_t seq = 1; seq <= 300; seq++)
        nm_claims_set(&claims, seq, (nm_claim_state_t) ((seq + 1) % 3));
    for (uint64_t seq = 1; seq <= 300; seq++)
        assert_int_equal(nm_claims_get(&claims, seq), (seq + 1) % 3);
}

//  Whoever knows nothing of a number must not give its mail to another.
static void
counts_as_claimed_what_it_was_never_told_of(void **state)
{
    (void) state;
    nm_claims_t claims = { 0 };
    assert_int_equal(nm_claims_get(&claims, 1), NM_CLAIM_CLAIMED);
    assert_int_equal(nm_claims_get(&claims, 5 * NM_CLAIMS_WINDOW + 3), NM_CLAIM_CLAIMED);
}

static void
counts_as_claimed_what_lies_too_far_back(void **state)
{
    (void) state;
    nm_claims_t claims = { 0 };
    nm_claims_set(&claims, 7, NM_CLAIM_OFFERED);
    nm_claims_set(&claims, NM_CLAIMS_WINDOW + 6, NM_CLAIM_VOID);
    assert_int_equal(nm_claims_get(&claims, 7), NM_CLAIM_OFFERED);
    nm_claims_set(&claims, NM_CLAIMS_WINDOW + 7, NM_CLAIM_VOID);  //  Stands where 7 stood
    assert_int_equal(nm_claims_get(&claims, 7), NM_CLAIM_CLAIMED);

    nm_claims_set(&claims, 7, NM_CLAIM_OFFERED);
    assert_int_equal(nm_claims_get(&claims, 7), NM_CLAIM_CLAIMED);
    assert_int_equal(nm_claims_get(&claims, NM_CLAIMS_WINDOW + 7), NM_CLAIM_VOID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_each_number_by_itself),
        cmocka_unit_test(counts_as_claimed_what_it_was_never_told_of),
        cmocka_unit_test(counts_as_claimed_what_lies_too_far_back),
    };
    return cmocka_run_group_tests_name("broker/claims", tests, NULL, NULL);
}
