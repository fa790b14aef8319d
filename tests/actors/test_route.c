#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/router/route.h"
#include "wire/writer.h"

enum { EVERYBODY = 1 << NM_CHANNEL_EMAIL | 1 << NM_CHANNEL_PUSH | 1 << NM_CHANNEL_SMS | 1 << NM_CHANNEL_WHATSAPP };

static const nm_recipients_t NOWHERE;

static nm_request_t
s_email_request(void)
{
    nm_request_t request = { .has = 0 };
    NM_PUT(&request, request, channel, NM_CHANNEL_EMAIL);
    NM_PUT(&request, request, recipient, nm_text("ada@example.org"));
    return request;
}

static nm_bytes_t
s_lines(nm_buf_t *out, const char *const *lines, size_t count)
{
    size_t start = out->size;
    nm_writer_list(out, count);
    for (size_t i = 0; i < count; i++)
        nm_writer_text(out, lines[i]);
    return nm_bytes(out->at + start, out->size - start);
}

static nm_request_t
s_channels_request(nm_buf_t *out, const char *const *channels, size_t count)
{
    nm_request_t request = { .has = 0 };
    NM_PUT(&request, request, channels, s_lines(out, channels, count));
    return request;
}

static void
takes_one_step_for_one_address(void **state)
{
    (void) state;
    nm_request_t request = s_email_request();
    nm_route_t route;
    assert_int_equal(nm_route_make(&request, &NOWHERE, EVERYBODY, &route), NM_OK);
    assert_int_equal(route.count, 1);
    assert_int_equal(route.steps[0].channel, NM_CHANNEL_EMAIL);
    assert_false(route.steps[0].dead);
    assert_int_equal(route.steps[0].to.size, 0);
    assert_true(nm_bytes_is(route.steps[0].recipient, "ada@example.org"));
}

//  A request for channels, with an address for e-mail and sms.
static nm_rc_t
s_make(const char *const *channels, size_t count, nm_strategy_t strategy, nm_route_t *route)
{
    nm_buf_t list = { 0 };
    nm_buf_t inner = { 0 };
    nm_request_t request = s_channels_request(&list, channels, count);
    nm_recipients_t recipients = { .has = 0 };
    NM_PUT(&recipients, recipients, email, nm_text("ada@example.org"));
    NM_PUT(&recipients, recipients, phone, nm_text("+491701234567"));
    nm_record_encode(&nm_recipients_shape, &recipients, NM_BY_NAME, &inner);
    NM_PUT(&request, request, recipients, nm_buf_bytes(&inner));
    NM_PUT(&request, request, strategy, (uint8_t) strategy);
    nm_rc_t rc = nm_route_make(&request, &NOWHERE, EVERYBODY, route);
    nm_buf_free(&list);
    nm_buf_free(&inner);
    return rc;
}

static void
takes_a_channel_that_is_named_twice_once(void **state)
{
    (void) state;
    static const char *const CHANNELS[] = { "sms", "email", "sms" };
    nm_route_t route;
    assert_int_equal(s_make(CHANNELS, 3, NM_STRATEGY_ALL, &route), NM_OK);
    assert_int_equal(route.count, 2);
    assert_int_equal(route.steps[0].channel, NM_CHANNEL_SMS);
    assert_int_equal(route.steps[1].channel, NM_CHANNEL_EMAIL);
}

static void
takes_one_channel_when_the_first_will_do(void **state)
{
    (void) state;
    static const char *const CHANNELS[] = { "sms", "email" };
    nm_route_t route;
    assert_int_equal(s_make(CHANNELS, 2, NM_STRATEGY_FIRST, &route), NM_OK);
    assert_int_equal(route.count, 1);
    assert_int_equal(route.steps[0].channel, NM_CHANNEL_SMS);
}

static void
passes_over_a_channel_without_an_address(void **state)
{
    (void) state;
    static const char *const CHANNELS[] = { "push", "email" };
    nm_route_t route;
    assert_int_equal(s_make(CHANNELS, 2, NM_STRATEGY_FIRST, &route), NM_OK);
    assert_int_equal(route.count, 1);
    assert_int_equal(route.steps[0].channel, NM_CHANNEL_EMAIL);
}

//  Where its user is reached counts, and nothing else does.
static void
takes_the_addresses_of_a_user(void **state)
{
    (void) state;
    static const char *const CHANNELS[] = { "push", "sms", "email" };
    static const nm_id_t USER = { { 3, 1, 4 } };
    nm_buf_t list = { 0 };
    nm_request_t request = s_channels_request(&list, CHANNELS, 3);
    nm_recipients_t reached = { .has = 0 };
    nm_route_t route;
    NM_PUT(&request, request, user_id, USER);
    NM_PUT(&reached, recipients, phone, nm_text("+491701234567"));
    assert_int_equal(nm_route_make(&request, &reached, EVERYBODY, &route), NM_OK);
    assert_int_equal(route.count, 1);
    assert_int_equal(route.steps[0].channel, NM_CHANNEL_SMS);
    assert_true(nm_bytes_is(route.steps[0].recipient, "+491701234567"));

    assert_int_equal(nm_route_make(&request, &NOWHERE, EVERYBODY, &route), NM_OK);
    assert_int_equal(route.count, 1);
    assert_true(route.steps[0].dead);
    assert_int_equal(route.steps[0].reason, NM_REASON_NO_RECIPIENT);
    nm_buf_free(&list);
}

static void
refuses_a_channel_that_does_not_exist(void **state)
{
    (void) state;
    static const char *const CHANNELS[] = { "pigeon" };
    nm_buf_t list = { 0 };
    nm_request_t request = s_channels_request(&list, CHANNELS, 1);
    nm_route_t route;
    assert_int_equal(nm_route_make(&request, &NOWHERE, EVERYBODY, &route), NM_ERR_MALFORMED);
    nm_buf_free(&list);
}

static void
refuses_a_request_without_a_channel(void **state)
{
    (void) state;
    nm_request_t request = { .has = 0 };
    nm_route_t route;
    assert_int_equal(nm_route_make(&request, &NOWHERE, EVERYBODY, &route), NM_ERR_MALFORMED);
}

static void
refuses_more_copies_than_a_notification_may_have(void **state)
{
    (void) state;
    const char *copies[NM_COPIES_MAX];
    for (size_t i = 0; i < NM_COPIES_MAX; i++)
        copies[i] = "copy@example.org";
    nm_buf_t lists = { 0 };
    nm_buf_t inner = { 0 };
    nm_buf_reserve(&lists, 8192);
    nm_email_t email = { .has = 0 };
    NM_PUT(&email, email, cc, s_lines(&lists, copies, NM_COPIES_MAX));
    NM_PUT(&email, email, bcc, s_lines(&lists, copies, NM_COPIES_MAX));
    nm_record_encode(&nm_email_shape, &email, NM_BY_NAME, &inner);
    nm_request_t request = s_email_request();
    NM_PUT(&request, request, email, nm_buf_bytes(&inner));

    nm_route_t route;
    assert_int_equal(nm_route_make(&request, &NOWHERE, EVERYBODY, &route), NM_ERR_MALFORMED);
    nm_buf_free(&lists);
    nm_buf_free(&inner);
}

static void
gives_up_where_nobody_renders_templates(void **state)
{
    (void) state;
    nm_request_t request = s_email_request();
    NM_PUT(&request, request, template, nm_text("welcome"));
    nm_route_t route;
    assert_int_equal(nm_route_make(&request, &NOWHERE, EVERYBODY, &route), NM_OK);
    assert_true(route.steps[0].dead);
    assert_int_equal(route.steps[0].reason, NM_REASON_TEMPLATE);
}

static void
sends_each_channel_to_its_role(void **state)
{
    (void) state;
    assert_int_equal(nm_route_role(NM_CHANNEL_EMAIL), NM_ROLE_EMAIL);
    assert_int_equal(nm_route_role(NM_CHANNEL_PUSH), NM_ROLE_PUSH);
    assert_int_equal(nm_route_role(NM_CHANNEL_SMS), NM_ROLE_SMS);
    assert_int_equal(nm_route_role(NM_CHANNEL_WHATSAPP), NM_ROLE_SMS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_one_step_for_one_address),
        cmocka_unit_test(takes_a_channel_that_is_named_twice_once),
        cmocka_unit_test(takes_one_channel_when_the_first_will_do),
        cmocka_unit_test(passes_over_a_channel_without_an_address),
        cmocka_unit_test(takes_the_addresses_of_a_user),
        cmocka_unit_test(refuses_a_channel_that_does_not_exist),
        cmocka_unit_test(refuses_a_request_without_a_channel),
        cmocka_unit_test(refuses_more_copies_than_a_notification_may_have),
        cmocka_unit_test(gives_up_where_nobody_renders_templates),
        cmocka_unit_test(sends_each_channel_to_its_role),
    };
    return cmocka_run_group_tests_name("actors/route", tests, NULL, NULL);
}
