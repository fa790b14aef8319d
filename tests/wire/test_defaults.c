//  About wire/defaults.c and wire/patch.c: what a service says for its notifications, and how it is changed.
#include "check.h"

#include "wire/defaults.h"
#include "wire/patch.h"

static const int64_t NOW_MS = 1795233591123;  //  2026-11-21T03:59:51.123Z

//  A value as text, with ' for ".
static void
s_show(nm_reader_t *reader, nm_buf_t *out)
{
    nm_bytes_t text;
    uint64_t number = 0;
    uint32_t count = 0;
    bool flag = false;
    switch (nm_reader_peek(reader)) {
    case NM_KIND_STR:
        nm_reader_str(reader, &text);
        nm_buf_format(out, "'%.*s'", NM_PRINT(text));
        break;
    case NM_KIND_UINT:
        nm_reader_uint(reader, &number);
        nm_buf_format(out, "%llu", (unsigned long long) number);
        break;
    case NM_KIND_BOOL:
        nm_reader_bool(reader, &flag);
        nm_buf_add_text(out, flag ? "true" : "false");
        break;
    case NM_KIND_LIST:
        nm_reader_list(reader, &count);
        nm_buf_add_text(out, "[");
        for (uint32_t i = 0; i < count; i++) {
            nm_buf_add_text(out, i ? ", " : "");
            s_show(reader, out);
        }
        nm_buf_add_text(out, "]");
        break;
    case NM_KIND_MAP:
        nm_reader_map(reader, &count);
        nm_buf_add_text(out, "{");
        for (uint32_t i = 0; i < count; i++) {
            nm_buf_add_text(out, i ? ", " : "");
            s_show(reader, out);
            nm_buf_add_text(out, ": ");
            s_show(reader, out);
        }
        nm_buf_add_text(out, "}");
        break;
    default: nm_reader_raw(reader, &text); nm_buf_add_text(out, "null");
    }
}

static void
s_assert_shows(const nm_buf_t *raw, const char *wanted)
{
    nm_reader_t reader;
    nm_buf_t text = { 0 };
    assert_int_equal(nm_reader_check(nm_buf_bytes(raw)), NM_OK);
    nm_reader_open(&reader, nm_buf_bytes(raw));
    s_show(&reader, &text);
    nm_buf_add(&text, "", 1);
    assert_string_equal((const char *) text.at, wanted);
    nm_buf_free(&text);
}

//  Decodes the defaults, puts them into the request, and compares what comes of it.
static void
s_expect(const char *defaults_json, const char *request_json, const char *wanted)
{
    nm_buf_t packed = { 0 }, request = { 0 }, filled = { 0 };
    nm_defaults_t defaults;
    nm_faults_t faults = { 0 };
    s_pack_text(defaults_json, &packed);
    s_pack_text(request_json, &request);
    assert_int_equal(nm_record_decode(&nm_defaults_shape, &defaults, nm_buf_bytes(&packed), &faults, ""), NM_OK);
    nm_defaults_apply(&defaults, nm_buf_bytes(&request), NOW_MS, &filled);
    s_assert_shows(&filled, wanted);
    nm_buf_free(&packed);
    nm_buf_free(&request);
    nm_buf_free(&filled);
}

static void
what_a_request_does_not_say_is_put_in(void **state)
{
    (void) state;
    s_expect("{'channel': 'sms', 'priority': 1, 'provider': 'twilio', 'dedupe_seconds': 60, 'at_most_once': true}",
             "{'recipient': '+4930123456', 'content': 'Hi'}",
             "{'recipient': '+4930123456', 'content': 'Hi', 'channel': 'sms', 'priority': 'high', 'provider': "
             "'twilio', 'dedupe_seconds': 60, 'at_most_once': true}");
    s_expect("{'language': 'pt-BR'}", "{'template': 'welcome'}", "{'template': 'welcome', 'language': 'pt-BR'}");
    s_expect("{'language': 'pt-BR'}", "{'template_code': 'w'}", "{'template_code': 'w', 'language': 'pt-BR'}");
    s_expect("{'language': 'pt-BR'}", "{'content': 'Hi'}", "{'content': 'Hi'}");
}

static void
what_a_request_says_wins(void **state)
{
    (void) state;
    static const char ALL[] = "{'channel': 'sms', 'priority': 'low', 'language': 'de', 'provider': 'a', "
                              "'dedupe_seconds': 60, 'expires_in_seconds': 60, 'at_most_once': true}";
    static const char SAID[] = "{'channel': 'sms', 'priority': 0, 'language': 'en', 'provider': 'b', 'template': 't', "
                               "'dedupe_seconds': 0, 'expires_at': '2027-01-01T00:00:00Z', 'at_most_once': false}";
    s_expect(ALL, SAID, SAID);
}

static void
null_says_nothing(void **state)
{
    (void) state;
    s_expect("{'priority': 'low', 'channel': 'email'}", "{'priority': null, 'channel': null, 'subject': null}",
             "{'channel': 'email', 'priority': 'low'}");
}

static void
an_older_name_of_the_channel_is_the_channel(void **state)
{
    (void) state;
    s_expect("{'channel': 'sms'}", "{'type': 'email'}", "{'type': 'email'}");
    s_expect("{'channel': 'sms'}", "{'notification_type': 'email'}", "{'notification_type': 'email'}");
    s_expect("{'channel': 'sms'}", "{'channels': ['email', 'push']}", "{'channels': ['email', 'push']}");
}

static void
a_provider_goes_with_the_channel_that_stands_beside_it(void **state)
{
    (void) state;
    s_expect("{'channel': 'sms', 'provider': 'twilio'}", "{'channel': 'email'}", "{'channel': 'email'}");
    s_expect("{'channel': 'sms', 'provider': 'twilio'}", "{'type': 'sms'}", "{'type': 'sms', 'provider': 'twilio'}");
    s_expect("{'channel': 'sms', 'provider': 'twilio'}", "{'channels': ['push', 'sms']}",
             "{'channels': ['push', 'sms'], 'provider': 'twilio'}");
    s_expect("{'provider': 'any'}", "{'channel': 'email'}", "{'channel': 'email', 'provider': 'any'}");
}

static void
an_email_gets_its_sender_and_nothing_else_does(void **state)
{
    (void) state;
    static const char BOTH[] = "{'from_name': 'Shop', 'reply_to': 'help@example.com'}";
    s_expect(BOTH, "{'channel': 'email'}",
             "{'channel': 'email', 'email': {'from_name': 'Shop', 'reply_to': 'help@example.com'}}");
    s_expect(BOTH, "{'channel': 'email', 'email': {'cc': ['a@b.c'], 'from_name': 'Ada'}}",
             "{'channel': 'email', 'email': {'cc': ['a@b.c'], 'from_name': 'Ada', 'reply_to': 'help@example.com'}}");
    s_expect(BOTH, "{'channels': ['push', 'email'], 'email': null}",
             "{'channels': ['push', 'email'], 'email': {'from_name': 'Shop', 'reply_to': 'help@example.com'}}");
    s_expect(BOTH, "{'channel': 'sms'}", "{'channel': 'sms'}");
    s_expect(BOTH, "{'channel': 'email', 'email': 7}", "{'channel': 'email', 'email': 7}");
}

static void
an_end_is_counted_from_the_start(void **state)
{
    (void) state;
    s_expect("{'expires_in_seconds': 90}", "{'content': 'x'}",
             "{'content': 'x', 'expires_at': '2026-11-21T04:01:21.123Z'}");
    s_expect("{'expires_in_seconds': 90}", "{'send_at': '2026-11-22T00:00:00Z'}",
             "{'send_at': '2026-11-22T00:00:00Z', 'expires_at': '2026-11-22T00:01:30.000Z'}");
    s_expect("{'expires_in_seconds': 90}", "{'send_at': '2020-11-22T00:00:00Z'}",
             "{'send_at': '2020-11-22T00:00:00Z', 'expires_at': '2026-11-21T04:01:21.123Z'}");
}

static void
what_is_no_object_stays_as_it_is(void **state)
{
    (void) state;
    s_expect("{'priority': 'low'}", "[1]", "[1]");
    s_expect("{'priority': 'low'}", "'text'", "'text'");
}

//  -- What cannot be a default

static void
s_expect_faults(const char *json, const char *wanted)
{
    nm_buf_t raw = { 0 }, got = { 0 };
    nm_service_ask_t ask;
    nm_faults_t faults = { 0 };
    s_pack_text(json, &raw);
    nm_record_decode(&nm_service_change_shape, &ask, nm_buf_bytes(&raw), &faults, "");
    nm_service_ask_check(&ask, &faults);
    for (size_t i = 0; i < faults.count; i++)
        nm_buf_format(&got, "%s%s", i ? " " : "", faults.items[i].pointer);
    nm_buf_add(&got, "", 1);
    assert_string_equal((const char *) got.at, wanted);
    nm_buf_free(&raw);
    nm_buf_free(&got);
}

static void
every_fault_of_a_service_is_named(void **state)
{
    (void) state;
    s_expect_faults(
        "{'id': 'x', 'name': 'shop', 'limits': {'per_minute': 60, 'burst': 5, 'per_day': 1}, "
        "'recipient_limits': {'per_hour': 1, 'per_day': 1}, 'retention_days': 1, 'accept': 2, "
        "'defaults': {'channel': 'email', 'priority': 3, 'language': 'en', 'provider': 'smtp', 'from_name': "
        "'Shop', 'reply_to': 'a@b.de', 'dedupe_seconds': 0, 'expires_in_seconds': 1, 'at_most_once': false}}",
        "");
    s_expect_faults("{'id': 'x', 'limits': {}, 'recipient_limits': {}, 'defaults': {}}", "");
    s_expect_faults(
        "{'id': 'x', 'name': '', 'retention_days': 0, 'accept': 0, 'limits': {'per_minute': 0, 'per_day': 0}, "
        "'recipient_limits': {'per_hour': 0, 'per_day': 0}}",
        "/name /retention_days /accept /limits/per_minute /limits/per_day /recipient_limits/per_hour "
        "/recipient_limits/per_day");
    s_expect_faults("{'id': 'x', 'limits': {'burst': 0}}", "/limits/burst /limits/burst");
    s_expect_faults("{'id': 'x', 'limits': {'burst': 9, 'per_minute': null}}", "/limits/burst");
    s_expect_faults("{'id': 'x', 'limits': {'per_second': 9}, 'recipient_limits': 7}",
                    "/limits/per_second /recipient_limits");
    s_expect_faults("{'id': 'x', 'defaults': {'channel': 'fax', 'priority': 4, 'dedupe_seconds': 86401, 'colour': 1}}",
                    "/defaults/channel /defaults/priority /defaults/dedupe_seconds /defaults/colour");
    s_expect_faults("{'id': 'x', 'defaults': {'language': 'x!', 'provider': '', 'reply_to': 'nobody', "
                    "'expires_in_seconds': 0}}",
                    "/defaults/language /defaults/provider /defaults/reply_to /defaults/expires_in_seconds");
    s_expect_faults("{'id': 'x', 'defaults': {'from_name': 'a\\r\\nBcc: b'}}", "/defaults/from_name");
}

//  -- Patches

static void
s_expect_patched(const char *target, const char *patch, const char *wanted)
{
    nm_buf_t a = { 0 }, b = { 0 }, out = { 0 };
    if (target)
        s_pack_text(target, &a);
    s_pack_text(patch, &b);
    nm_patch_apply(nm_buf_bytes(&a), nm_buf_bytes(&b), &out);
    s_assert_shows(&out, wanted);
    nm_buf_free(&a);
    nm_buf_free(&b);
    nm_buf_free(&out);
}

static void
a_patch_replaces_adds_and_takes_away(void **state)
{
    (void) state;
    s_expect_patched("{'a': 1, 'b': 2, 'c': 3}", "{'b': null, 'c': 4, 'd': 5}", "{'a': 1, 'c': 4, 'd': 5}");
    s_expect_patched("{'a': 1}", "{}", "{'a': 1}");
    s_expect_patched("{'a': 1}", "{'a': null}", "{}");
    s_expect_patched(NULL, "{'a': null, 'b': [1]}", "{'b': [1]}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_request_does_not_say_is_put_in),
        cmocka_unit_test(what_a_request_says_wins),
        cmocka_unit_test(null_says_nothing),
        cmocka_unit_test(an_older_name_of_the_channel_is_the_channel),
        cmocka_unit_test(a_provider_goes_with_the_channel_that_stands_beside_it),
        cmocka_unit_test(an_email_gets_its_sender_and_nothing_else_does),
        cmocka_unit_test(an_end_is_counted_from_the_start),
        cmocka_unit_test(what_is_no_object_stays_as_it_is),
        cmocka_unit_test(every_fault_of_a_service_is_named),
        cmocka_unit_test(a_patch_replaces_adds_and_takes_away),
    };
    return cmocka_run_group_tests_name("wire/defaults", tests, NULL, NULL);
}
