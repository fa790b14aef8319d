//  About tools/nctl/complaint.c: what an actor's log says of why it does not run.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/nctl/complaint.h"

#define AT(s) "<2>{\"time\":\"2026-11-26T08:00:0" s "Z\",\"level\":\""

static const char LOG[] = AT("1") "critical\",\"message\":\"the disk\"}\n" AT(
    "2") "error\",\"message\":\"the key\"}\n"
         "no JSON\n" AT("3") "warning\",\"message\":\"the weather\"}\n" AT("4") "info\",\"message\":\"";

//  When the log's seconds are, in Unix ms.
static int64_t
s_second(int second)
{
    return INT64_C(1795680000000) + second * 1000;
}

static void
the_last_error_counts(void **state)
{
    (void) state;
    char text[32];
    assert_true(nm_complaint_in(nm_text(LOG), s_second(1), text, sizeof text));
    assert_string_equal(text, "the key");
    assert_true(nm_complaint_in(nm_text(LOG), s_second(2), text, sizeof text));
    assert_string_equal(text, "the key");
}

static void
what_was_said_in_an_earlier_life_does_not_count(void **state)
{
    (void) state;
    char text[32] = "what was there";
    assert_false(nm_complaint_in(nm_text(LOG), s_second(3), text, sizeof text));
    assert_string_equal(text, "");
}

static void
it_is_ready_when_it_says_so_and_has_not_stopped_since(void **state)
{
    (void) state;
    static const char BEGUN[] = AT("1") "info\",\"event\":\"ready\"}\n" AT("2") "info\",\"event\":\"member\"}\n";
    static const char ENDED[] = AT("3") "info\",\"event\":\"stopped\"}\n";
    char both[sizeof BEGUN + sizeof ENDED];
    snprintf(both, sizeof both, "%s%s", BEGUN, ENDED);
    assert_true(nm_complaint_is_ready(nm_text(BEGUN), s_second(1)));
    assert_false(nm_complaint_is_ready(nm_text(BEGUN), s_second(2)));
    assert_false(nm_complaint_is_ready(nm_text(both), s_second(1)));
    assert_false(nm_complaint_is_ready(nm_text(LOG), s_second(1)));
    assert_false(nm_complaint_is_up("/nowhere", "email-1", 0));
}

static void
nothing_in_it_moves_the_cursor(void **state)
{
    (void) state;
    char text[8];
    assert_true(nm_complaint_in(nm_text(AT("1") "error\",\"message\":\"a\\u001b[2Jbcdefgh\"}"), 0, text, sizeof text));
    assert_string_equal(text, "a?[2Jbc");
}

static void
only_the_end_of_a_long_log_is_read(void **state)
{
    (void) state;
    char folder[] = "/tmp/nm-complaint-XXXXXX", path[64], text[32];
    assert_non_null(mkdtemp(folder));
    assert_false(nm_complaint_of(folder, "email-1", 0, text, sizeof text));
    snprintf(path, sizeof path, "%s/log", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/log/email-1.log", folder);
    FILE *log = fopen(path, "w");
    assert_non_null(log);
    fputs(LOG, log);
    for (int i = 0; i < 1000; i++)
        fputs("twenty bytes of text\n", log);
    fputs(AT("5") "error\",\"message\":\"the end\"}\n", log);
    fclose(log);
    assert_true(nm_complaint_of(folder, "email-1", 0, text, sizeof text));
    assert_string_equal(text, "the end");
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/log", folder);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_error_counts),
        cmocka_unit_test(what_was_said_in_an_earlier_life_does_not_count),
        cmocka_unit_test(it_is_ready_when_it_says_so_and_has_not_stopped_since),
        cmocka_unit_test(nothing_in_it_moves_the_cursor),
        cmocka_unit_test(only_the_end_of_a_long_log_is_read),
    };
    return cmocka_run_group_tests_name("nctl/complaint", tests, NULL, NULL);
}
