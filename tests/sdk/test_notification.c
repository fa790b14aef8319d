#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sdk/c/notification.h"
#include "wire/records.h"
#include "wire/writer.h"

//  {"k": "v"} packed.
static const uint8_t MAP[] = { 0x81, 0xa1, 'k', 0xa1, 'v' };

static const nmesh_notification_t SAMPLE = {
    .channel = "email",
    .recipient = "ann@example.com",
    .subject = "A subject",
    .content = "Some content",
    .html = "<p>Some html</p>",
    .language = "de-AT",
    .priority = "high",
    .provider = "smtp-2",
    .send_at = "2027-01-02T03:04:05Z",
    .expires_at = "2027-02-03T04:05:06Z",
    .dedupe_seconds = 77,
    .at_most_once = true,
    .metadata = { MAP, sizeof MAP },
};

static bool
s_same(nm_bytes_t bytes, const char *text)
{
    return nm_bytes_is(bytes, text);
}

static void
every_field_arrives_where_it_belongs(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nm_request_t request;
    nm_faults_t faults = { .count = 0 };
    assert_int_equal(nm_notification_pack(&SAMPLE, &out), NM_OK);
    assert_int_equal(nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&out), &faults, ""), NM_OK);
    assert_int_equal(request.channel, NM_CHANNEL_EMAIL);
    assert_int_equal(request.priority, NM_PRIORITY_HIGH);
    assert_true(s_same(request.recipient, SAMPLE.recipient));
    assert_true(s_same(request.subject, SAMPLE.subject));
    assert_true(s_same(request.content, SAMPLE.content));
    assert_true(s_same(request.html, SAMPLE.html));
    assert_true(s_same(request.language, SAMPLE.language));
    assert_true(s_same(request.provider, SAMPLE.provider));
    assert_int_equal(request.dedupe_seconds, 77);
    assert_true(request.at_most_once);
    assert_true(request.expires_at > request.send_at);
    assert_int_equal(request.metadata.size, sizeof MAP);
    nm_buf_free(&out);
}

static void
what_is_not_set_is_not_sent(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nm_request_t request;
    nmesh_notification_t notification = { .template_code = "welcome" };
    assert_int_equal(nm_notification_pack(&notification, &out), NM_OK);
    assert_int_equal(nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&out), NULL, ""), NM_OK);
    assert_int_equal(request.has, UINT64_C(1) << NM_AT_request_template);
    nm_buf_free(&out);
}

static void
extra_pairs_stand_beside_the_others(void **state)
{
    (void) state;
    nm_buf_t out = { 0 }, extra = { 0 };
    nm_request_t request;
    nm_writer_map(&extra, 2);
    nm_writer_pair_text(&extra, "strategy", "all");
    nm_writer_pair_uint(&extra, "template_version", 9);
    nmesh_notification_t notification = { .template_code = "welcome", .extra = { extra.at, extra.size } };
    assert_int_equal(nm_notification_pack(&notification, &out), NM_OK);
    assert_int_equal(nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&out), NULL, ""), NM_OK);
    assert_int_equal(request.template_version, 9);
    assert_int_equal(request.strategy, NM_STRATEGY_ALL);
    nm_buf_free(&out);
    nm_buf_free(&extra);
}

static void
packed_fields_that_are_not_packed_are_refused(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nmesh_notification_t truncated = { .metadata = { MAP, sizeof MAP - 1 } };
    nmesh_notification_t no_map = { .extra = { "\x07", 1 } };
    assert_int_equal(nm_notification_pack(&truncated, &out), NM_ERR_MALFORMED);
    assert_int_equal(nm_notification_pack(&no_map, &out), NM_ERR_MALFORMED);
    assert_int_equal(out.size, 0);
    nm_buf_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_arrives_where_it_belongs),
        cmocka_unit_test(what_is_not_set_is_not_sent),
        cmocka_unit_test(extra_pairs_stand_beside_the_others),
        cmocka_unit_test(packed_fields_that_are_not_packed_are_refused),
    };
    return cmocka_run_group_tests_name("sdk/notification", tests, NULL, NULL);
}
