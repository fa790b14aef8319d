#include "check.h"
#include "wire/address.h"

static void
takes_ordinary_addresses(void **state)
{
    (void) state;
    static const char *const ADDRESSES[] = {
        "ada@example.com",
        "ada.king+tag@mail.example.co.uk",
        "a@b.c",
        "x_y!#$%&'*/=?^`{|}~-@example.org",
        "root@localhost",
        "1234@4.example",
        "ada@xn--bcher-kva.example",
        "b\303\274cher@b\303\274cher.example",
        "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.\xe4\xb8\xad\xe5\x9b\xbd",
    };
    for (size_t i = 0; i < NM_COUNT(ADDRESSES); i++)
        if (!nm_address_is_email(nm_text(ADDRESSES[i])))
            fail_msg("was refused: %s", ADDRESSES[i]);
}

static void
refuses_what_is_no_address(void **state)
{
    (void) state;
    static const char *const TEXTS[] = {
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@a@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..b@example.com",
        "ada@.example.com",
        "ada@example.com.",
        "ada@example..com",
        "ada@-a.example",
        "ada@a-.example",
        "ada@[192.0.2.1]",
        "ada@192.0.2.1",
        "\"ada king\"@example.com",
        "<ada@example.com>",
        "Ada <ada@example.com>",
        "ada@example.com>",
        "ada king@example.com",
        " ada@example.com",
        "ada@example.com ",
        "ada(c)@example.com",
        "a,b@example.com",
        "a;b@example.com",
        "a:b@example.com",
        "a\\b@example.com",
        "ada@ex_ample.com",
        "ada@example.com,bob@example.com",
        "ada\302\240b@example.com",
        "ada@exam\xe2\x80\x8bple.com",
        "ada\xff@example.com",
        "ada@ex\xc0\xafmple.com",
    };
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++)
        if (nm_address_is_email(nm_text(TEXTS[i])))
            fail_msg("was taken: %s", TEXTS[i]);
}

//  What would start a new SMTP command or header must never pass, wherever it stands.
static void
refuses_every_control_character_everywhere(void **state)
{
    (void) state;
    static const char ADDRESS[] = "ada.king@mail.example.com";
    for (int byte = 0; byte <= 0x20; byte++)
        for (size_t at = 0; at <= strlen(ADDRESS); at++) {
            char text[sizeof ADDRESS + 1];
            memcpy(text, ADDRESS, at);
            text[at] = (char) (byte == 0x20 ? 0x7f : byte);
            memcpy(text + at + 1, ADDRESS + at, sizeof ADDRESS - at);
            assert_false(nm_address_is_email(nm_bytes(text, sizeof ADDRESS)));
        }
}

static bool
s_is_email_of(size_t local, size_t label, size_t labels)
{
    char text[1024];
    size_t size = 0;
    memset(text, 'a', sizeof text);
    size += local;
    text[size++] = '@';
    for (size_t i = 0; i < labels; i++) {
        size += label;
        text[size++] = '.';
    }
    return nm_address_is_email(nm_bytes(text, size + 3));
}

static void
keeps_to_the_sizes_of_rfc_5321(void **state)
{
    (void) state;
    assert_true(s_is_email_of(64, 63, 3));
    assert_false(s_is_email_of(65, 63, 3));
    assert_false(s_is_email_of(64, 64, 3));
    assert_true(s_is_email_of(64, 62, 4));   //  255 bytes
    assert_false(s_is_email_of(64, 63, 4));  //  259 bytes
}

static void
takes_numbers_of_e164_only(void **state)
{
    (void) state;
    static const char *const GOOD[] = { "+4930123456", "+1234567", "+123456789012345" };
    static const char *const BAD[] = { "",
                                       "+",
                                       "4930123456",
                                       "+0301234567",
                                       "+123456",
                                       "+1234567890123456",
                                       "+49 30 123456",
                                       "+49-30-123456",
                                       "+4930123456\n",
                                       "+49301234a6",
                                       "++4930123456",
                                       "+\331\24123456789" };
    for (size_t i = 0; i < NM_COUNT(GOOD); i++)
        assert_true(nm_address_is_phone(nm_text(GOOD[i])));
    for (size_t i = 0; i < NM_COUNT(BAD); i++)
        assert_false(nm_address_is_phone(nm_text(BAD[i])));
}

static void
masks_what_would_name_a_person(void **state)
{
    (void) state;
    static const char *const PAIRS[][2] = {
        { "ada@example.com", "a***@example.com" },
        { "\xc3\xbc"
          "ber@example.com",
          "\xc3\xbc***@example.com" },
        { "@example.com", "***@example.com" },
        { "+4930123456", "***56" },
        { "some-device-token", "***" },
        { "", "***" },
    };
    for (size_t i = 0; i < NM_COUNT(PAIRS); i++) {
        char text[64];
        nm_address_mask(nm_text(PAIRS[i][0]), text, sizeof text);
        assert_string_equal(text, PAIRS[i][1]);
    }
    char small[6];
    nm_address_mask(nm_text("ada@example.com"), small, sizeof small);
    assert_string_equal(small, "a***@");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_ordinary_addresses),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(refuses_every_control_character_everywhere),
        cmocka_unit_test(keeps_to_the_sizes_of_rfc_5321),
        cmocka_unit_test(takes_numbers_of_e164_only),
        cmocka_unit_test(masks_what_would_name_a_person),
    };
    return cmocka_run_group_tests_name("wire/address", tests, NULL, NULL);
}
