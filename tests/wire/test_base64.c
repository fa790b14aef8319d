#include "check.h"
#include "wire/base64.h"

//  RFC 4648 section 10.
static void
decodes_the_samples_of_the_rfc(void **state)
{
    (void) state;
    static const char *const PAIRS[][2] = { { "", "" },
                                            { "Zg==", "f" },
                                            { "Zm8=", "fo" },
                                            { "Zm9v", "foo" },
                                            { "Zm9vYg==", "foob" },
                                            { "Zm9vYmE=", "fooba" },
                                            { "Zm9vYmFy", "foobar" } };
    for (size_t i = 0; i < NM_COUNT(PAIRS); i++) {
        nm_buf_t out = { 0 };
        size_t size = 99;
        assert_int_equal(nm_base64_size(nm_text(PAIRS[i][0]), &size), NM_OK);
        assert_int_equal(size, strlen(PAIRS[i][1]));
        assert_int_equal(nm_base64_decode(nm_text(PAIRS[i][0]), &out), NM_OK);
        assert_true(nm_bytes_is(nm_buf_bytes(&out), PAIRS[i][1]));
        nm_buf_free(&out);
    }
}

static void
refuses_what_is_not_strict(void **state)
{
    (void) state;
    static const char *const TEXTS[] = {
        "Zg",   "Zg=",  "Zm9",  "Z",      "Zg==Zg==", "=",        "====",       "Z===",
        "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zm-_",     "Zm9v====", "Z\303\244a", "=Zg="
    };
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++) {
        nm_buf_t out = { 0 };
        size_t size = 99;
        if (nm_base64_size(nm_text(TEXTS[i]), &size) != NM_ERR_MALFORMED)
            fail_msg("was taken: %s", TEXTS[i]);
        assert_int_equal(size, 99);
        assert_int_equal(nm_base64_decode(nm_text(TEXTS[i]), &out), NM_ERR_MALFORMED);
        assert_int_equal(out.size, 0);
        nm_buf_free(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_samples_of_the_rfc),
        cmocka_unit_test(refuses_what_is_not_strict),
    };
    return cmocka_run_group_tests_name("wire/base64", tests, NULL, NULL);
}
