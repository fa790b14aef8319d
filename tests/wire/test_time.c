#include "check.h"
#include "wire/time.h"

#include <time.h>

typedef struct {
    const char *text;
    int64_t at_ms;
} sample_t;

static void
reads_what_rfc_3339_allows(void **state)
{
    (void) state;
    static const sample_t SAMPLES[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-11-21T03:59:51.123Z", 1795233591123 },
        { "2026-11-21t03:59:51.123z", 1795233591123 },
        { "2026-11-21T05:29:51.123+01:30", 1795233591123 },
        { "2026-11-20T19:59:51.123-08:00", 1795233591123 },
        { "2026-11-21T03:59:51.123-00:00", 1795233591123 },
        { "2026-11-21T03:59:51.1239999999999999999999Z", 1795233591123 },
        { "2026-11-21T03:59:51.1Z", 1795233591100 },
        { "1985-04-12T23:20:50.52Z", 482196050520 },
        { "1990-12-31T23:59:60Z", 662688000000 },  //  A leap second, of the RFC itself
        { "1990-12-31T15:59:60-08:00", 662688000000 },
        { "1990-12-31T23:59:60.5Z", 662688000500 },
        { "2000-02-29T12:00:00Z", 951825600000 },
        { "2024-02-29T23:59:59.999Z", 1709251199999 },
        { "1969-12-31T23:00:00-01:00", 0 },
        { "9999-12-31T23:59:59.999Z", 253402300799999 },
    };
    for (size_t i = 0; i < NM_COUNT(SAMPLES); i++) {
        int64_t at_ms = -1;
        assert_int_equal(nm_time_from_text(nm_text(SAMPLES[i].text), &at_ms), NM_OK);
        assert_true(at_ms == SAMPLES[i].at_ms);
    }
}

static void
refuses_what_is_no_time(void **state)
{
    (void) state;
    static const char *const TEXTS[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T03:59:51",
        "2026-11-21 03:59:51Z",
        "2026-11-21T03:59Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T23:60:00Z",
        "2026-11-21T23:59:61Z",
        "2026-11-21T12:00:60Z",
        "2026-11-21T03:59:51.Z",
        "2026-11-21T03:59:51,5Z",
        "2026-11-21T03:59:51+24:00",
        "2026-11-21T03:59:51+01:60",
        "2026-11-21T03:59:51+0100",
        "2026-11-21T03:59:51+01",
        "2026-11-21T03:59:51ZZ",
        "2026-11-21T03:59:51Z ",
        " 2026-11-21T03:59:51Z",
        "+2026-11-21T03:59:51Z",
        "-026-11-21T03:59:51Z",
        "2026-11-2\xd9\xa1T03:59:51Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:30:00+01:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++) {
        int64_t at_ms = 77;
        if (nm_time_from_text(nm_text(TEXTS[i]), &at_ms) != NM_ERR_MALFORMED)
            fail_msg("was taken: %s", TEXTS[i]);
        assert_true(at_ms == 77);
    }
}

//  Against the C library, in steps that are no whole day, hour or minute.
static void
agrees_with_gmtime_for_eight_thousand_years(void **state)
{
    (void) state;
    for (int64_t at_ms = 0; at_ms < 253402300800000; at_ms += 8035200007001) {
        char text[NM_TIME_TEXT_SIZE + 1], wanted[NM_TIME_TEXT_SIZE + 1], date[20];
        time_t seconds = (time_t) (at_ms / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm), 19);
        snprintf(wanted, sizeof wanted, "%s.%03dZ", date, (int) (at_ms % 1000));
        nm_time_to_text(at_ms, text);
        assert_string_equal(text, wanted);
    }
    for (int64_t day = 0; day < 2932896; day += 1) {
        char text[NM_TIME_TEXT_SIZE + 1];
        int64_t at_ms = day * 86400000 + 43210987, back = -1;
        nm_time_to_text(at_ms, text);
        assert_int_equal(nm_time_from_text(nm_bytes(text, NM_TIME_TEXT_SIZE), &back), NM_OK);
        assert_true(back == at_ms);
    }
}

static void
writes_the_nearest_time_it_can(void **state)
{
    (void) state;
    char text[NM_TIME_TEXT_SIZE + 1];
    nm_time_to_text(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    nm_time_to_text(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_rfc_3339_allows),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(agrees_with_gmtime_for_eight_thousand_years),
        cmocka_unit_test(writes_the_nearest_time_it_can),
    };
    return cmocka_run_group_tests_name("wire/time", tests, NULL, NULL);
}
