//  What the limits of a service let through, alone and with another gateway: the test plays gateway-2.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "actors/gateway/tables.h"
#include "tests/actors/gateway_test.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CREATE "notifications.create"
#define BATCH "notifications.batch"
#define LEND "limits.lend"

typedef nm_gateway_test_t test_t;

static int
s_start(void **state, const char *settings, bool alone)
{
    test_t *self = nm_gateway_test_new(settings);
    if (alone) {
        nm_bench_bury(self->bench, "gateway-2");
        nm_bench_turn(self->bench);
    }
    *state = self;
    return 0;
}

static int
s_setup(void **state)
{
    return s_start(state, NULL, true);
}

static int
s_setup_two(void **state)
{
    return s_start(state, NULL, false);
}

static int
s_setup_mesh_limits(void **state)
{
    return s_start(state, "gateway\n    per_minute = 3\n    recipient_per_day = 2\n", true);
}

//  Gives the service limits: pairs of texts, ended by NULL.
#define LIMIT(self, field, ...)                                           \
    do {                                                                  \
        nm_buf_t limits_ = { 0 };                                         \
        s_patch(self, field, nm_client_map(&limits_, __VA_ARGS__, NULL)); \
        nm_buf_free(&limits_);                                            \
    } while (0)

static void
s_patch(test_t *self, const char *field, nm_bytes_t value)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "id", self->client->service);
    nm_writer_pair_raw(&body, field, value);
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&body));
    assert_int_equal(reply->status, 200);
    nm_buf_free(&body);
}

static nm_bytes_t
s_email(test_t *self, unsigned n)
{
    nm_buf_clear(&self->body);
    return nm_client_email(&self->body, n);
}

static const nm_bench_reply_t *
s_create(test_t *self, unsigned n)
{
    return nm_client_ask(self->client, CREATE, s_email(self, n));
}

static const nm_bench_reply_t *
s_create_to(test_t *self, const char *recipient)
{
    nm_buf_clear(&self->body);
    return nm_client_ask(self->client, CREATE,
                         nm_client_map(&self->body, "channel", "email", "recipient", recipient, "content", "Hi", NULL));
}

static void
s_expect(test_t *self, unsigned first, unsigned count, unsigned status)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(s_create(self, first + i)->status, status);
}

static nm_bytes_t
s_batch(test_t *self, unsigned count)
{
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, count);
    for (unsigned i = 0; i < count; i++)
        nm_client_email(&self->body, i);
    return nm_buf_bytes(&self->body);
}

//  -- A service

static void
a_burst_goes_and_the_next_is_429_until_a_token_is_back(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_minute", "#60", "burst", "#3");
    s_expect(self, 0, 3, 202);
    const nm_bench_reply_t *reply = s_create(self, 3);
    assert_int_equal(reply->status, 429);
    assert_string_equal(nm_client_text(reply->headers, "retry-after"), "1");
    assert_string_equal(nm_client_text(reply->headers, "ratelimit-policy"), "\"minute\";q=60;w=60");
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "\"minute\";r=0;t=1");
    assert_string_equal(nm_client_text(reply->body, "type"),
                        "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_int_equal(nm_client_count(reply->body, "violated-policies"), 1);
    nm_bench_wait(self->bench, 1000);
    s_expect(self, 4, 1, 202);
    s_expect(self, 5, 1, 429);
}

//  Days ahead when a limit was used up, and put right while the gateway was down: what was used counts from now.
static void
a_clock_that_was_days_ahead_limits_nobody_for_days(void **state)
{
    enum { DAY_MS = 86400000 };
    test_t *self = *state;
    LIMIT(self, "limits", "per_minute", "#60", "burst", "#2", "per_day", "#3");
    s_expect(self, 0, 2, 202);
    s_expect(self, 2, 1, 429);
    nm_bench_step(self->bench, -2 * DAY_MS);
    nm_bench_restart(self->bench);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    s_expect(self, 3, 1, 429);  //  The minute
    nm_bench_wait(self->bench, 60000);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    s_expect(self, 4, 1, 202);
    s_expect(self, 5, 1, 429);  //  The day
    nm_bench_wait(self->bench, DAY_MS);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    s_expect(self, 6, 2, 202);
}

static void
every_answer_tells_what_is_left(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_minute", "#30", "per_day", "#1000");
    const nm_bench_reply_t *reply = s_create(self, 1);
    assert_int_equal(reply->status, 202);
    assert_string_equal(nm_client_text(reply->headers, "ratelimit-policy"),
                        "\"minute\";q=30;w=60, \"day\";q=1000;w=86400");
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "\"minute\";r=29;t=2, \"day\";r=999;t=86400");
    reply = s_create_to(self, "no address");
    assert_int_equal(reply->status, 422);
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "\"minute\";r=29;t=2, \"day\";r=999;t=86400");
    reply = nm_client_ask(self->client, CREATE, nm_bytes(NULL, 0));
    assert_int_equal(reply->status, 400);
    assert_string_not_equal(nm_client_text(reply->headers, "ratelimit"), "");
    reply = nm_client_ask(self->client, "notifications.list", nm_bytes(NULL, 0));
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "");
}

static void
a_service_without_limits_is_told_of_none(void **state)
{
    test_t *self = *state;
    const nm_bench_reply_t *reply = s_create(self, 1);
    assert_string_equal(nm_client_text(reply->headers, "ratelimit-policy"), "");
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "");
    assert_int_equal(nm_bench_rows(self->bench, &nm_spent_table), 0);
    assert_int_equal(nm_bench_rows(self->bench, &nm_received_table), 0);
}

static void
what_a_deleted_service_used_is_forgotten(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_day", "#3");
    assert_int_equal(s_create(self, 1)->status, 202);
    assert_int_equal(nm_bench_rows(self->bench, &nm_spent_table), 1);
    nm_buf_clear(&self->body);
    nm_bytes_t which = nm_client_map(&self->body, "id", self->client->service, NULL);
    assert_int_equal(nm_client_ask_as(self->client, self->client->admin, "services.delete", which)->status, 204);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    assert_int_equal(nm_bench_rows(self->bench, &nm_spent_table), 0);
}

static void
what_is_refused_replayed_or_a_duplicate_counts_nothing(void **state)
{
    test_t *self = *state;
    nm_ask_headers_t headers = { .has = 0 };
    LIMIT(self, "limits", "per_day", "#3");
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(nm_client_keyed(self->client, 1, "once")));
    for (unsigned i = 0; i < 3; i++) {
        uint64_t id = nm_client_queue(self->client, CREATE, &headers, s_email(self, 1));
        nm_bench_turn(self->bench);
        assert_int_equal(nm_bench_reply(self->bench, id)->status, 202);
    }
    for (unsigned i = 0; i < 3; i++) {
        nm_buf_clear(&self->body);
        nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "content", "Hi",
                      "dedupe_seconds", "#60", NULL);
        assert_int_equal(nm_client_ask(self->client, CREATE, nm_buf_bytes(&self->body))->status, i ? 200 : 202);
    }
    assert_int_equal(s_create_to(self, "no address")->status, 422);
    s_expect(self, 2, 1, 202);
    s_expect(self, 3, 3, 429);
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 3);
}

static void
a_day_is_over_at_midnight_and_a_restart_does_not_end_it(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_day", "#2");
    nm_bench_wait(self->bench, INT64_C(23) * 3600 * 1000);
    s_expect(self, 0, 2, 202);
    nm_bench_restart(self->bench);
    nm_bench_bury(self->bench, "gateway-2");
    const nm_bench_reply_t *reply = s_create(self, 2);
    assert_int_equal(reply->status, 429);
    uint64_t wait_s = strtoull(nm_client_text(reply->headers, "retry-after"), NULL, 10);
    assert_in_range(wait_s, 3590, 3600);
    nm_bench_wait(self->bench, (int64_t) wait_s * 1000);
    s_expect(self, 3, 2, 202);
    s_expect(self, 5, 1, 429);
}

static void
a_restart_keeps_the_bucket(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_minute", "#1", "burst", "#4");
    s_expect(self, 0, 3, 202);
    nm_bench_restart(self->bench);
    nm_bench_bury(self->bench, "gateway-2");
    s_expect(self, 3, 1, 202);
    s_expect(self, 4, 1, 429);
    nm_bench_restart(self->bench);
    nm_bench_bury(self->bench, "gateway-2");
    s_expect(self, 5, 1, 429);
}

static void
one_service_does_not_use_up_what_another_has(void **state)
{
    test_t *self = *state;
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    LIMIT(self, "limits", "per_minute", "#1");
    nm_client_service(self->client, "other", NULL, id, key);
    s_expect(self, 0, 1, 202);
    s_expect(self, 1, 1, 429);
    assert_int_equal(nm_client_ask_as(self->client, key, CREATE, s_email(self, 2))->status, 202);
    assert_int_equal(nm_client_ask_as(self->client, self->client->admin, CREATE, s_email(self, 3))->status, 202);
}

static void
a_changed_limit_holds_at_once(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_day", "#1");
    s_expect(self, 0, 1, 202);
    s_expect(self, 1, 1, 429);
    LIMIT(self, "limits", "per_day", "#3");
    s_expect(self, 2, 2, 202);
    s_expect(self, 4, 1, 429);
}

//  -- Recipients

static void
a_recipient_gets_its_share_an_hour_and_a_day(void **state)
{
    test_t *self = *state;
    LIMIT(self, "recipient_limits", "per_hour", "#2", "per_day", "#3");
    assert_int_equal(s_create_to(self, "ada@example.org")->status, 202);
    const nm_bench_reply_t *reply = s_create_to(self, "Ada@Example.org");
    assert_int_equal(reply->status, 202);
    assert_string_equal(nm_client_text(reply->headers, "ratelimit-policy"), "\"recipient\";q=2;w=3600");
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "\"recipient\";r=0;t=3600");
    reply = s_create_to(self, "ada@example.org");
    assert_int_equal(reply->status, 429);
    assert_string_equal(nm_client_text(reply->headers, "retry-after"), "3600");
    assert_int_equal(s_create_to(self, "bob@example.org")->status, 202);

    nm_bench_restart(self->bench);
    nm_bench_bury(self->bench, "gateway-2");
    assert_int_equal(s_create_to(self, "ada@example.org")->status, 429);
    nm_bench_wait(self->bench, INT64_C(3600) * 1000);
    assert_int_equal(s_create_to(self, "ada@example.org")->status, 202);
    reply = s_create_to(self, "ada@example.org");
    assert_int_equal(reply->status, 429);
    assert_string_equal(nm_client_text(reply->headers, "ratelimit-policy"), "\"recipient\";q=3;w=86400");
}

static void
a_recipient_is_not_in_the_store_in_clear_and_is_forgotten_after_its_day(void **state)
{
    test_t *self = *state;
    LIMIT(self, "recipient_limits", "per_day", "#3");
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(s_create(self, i)->status, 202);
    assert_int_equal(s_create(self, 4)->status, 202);
    assert_int_equal(nm_bench_rows(self->bench, &nm_received_table), 5);
    nm_bench_wait(self->bench, INT64_C(86400) * 1000 + 60000);
    nm_bench_turn(self->bench);
    assert_int_equal(nm_bench_rows(self->bench, &nm_received_table), 0);
}

//  -- Batches

static void
a_batch_takes_what_there_is_room_for(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_minute", "#60", "burst", "#4");
    const nm_bench_reply_t *reply = nm_client_ask(self->client, BATCH, s_batch(self, 6));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 4);
    assert_int_equal(nm_client_number(reply->body, "rejected"), 2);
    nm_bytes_t last = nm_client_item(reply->body, "items", 5);
    assert_int_equal(nm_client_number(last, "index"), 5);
    assert_int_equal(nm_client_number(last, "status"), 429);
    assert_string_not_equal(nm_client_text(last, "detail"), "");
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "\"minute\";r=0;t=1");
    reply = nm_client_ask(self->client, BATCH, s_batch(self, 2));
    assert_int_equal(reply->status, 429);
    assert_string_equal(nm_client_text(reply->headers, "retry-after"), "1");
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 4);
}

static void
a_batch_counts_each_recipient(void **state)
{
    test_t *self = *state;
    LIMIT(self, "recipient_limits", "per_hour", "#2");
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, 4);
    for (unsigned i = 0; i < 4; i++)
        nm_client_email(&self->body, i == 2 ? 2 : 1);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, BATCH, nm_buf_bytes(&self->body));
    assert_int_equal(nm_client_number(reply->body, "accepted"), 3);
    assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 3), "status"), 429);
}

//  -- Limits of the mesh file

static void
the_mesh_files_limits_hold_for_services_without_their_own(void **state)
{
    test_t *self = *state;
    s_expect(self, 0, 3, 202);
    s_expect(self, 3, 1, 429);
    nm_bench_wait(self->bench, 60000);
    assert_int_equal(s_create(self, 0)->status, 202);
    assert_int_equal(s_create(self, 0)->status, 429);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(nm_client_ask_as(self->client, self->client->admin, CREATE, s_email(self, 0))->status, 202);

    LIMIT(self, "limits", "per_minute", "#100");
    nm_bench_wait(self->bench, 60000);
    s_expect(self, 10, 50, 202);
    nm_buf_t none = { 0 };
    nm_writer_map(&none, 0);
    s_patch(self, "recipient_limits", nm_buf_bytes(&none));
    nm_buf_free(&none);
    assert_int_equal(s_create(self, 0)->status, 202);
}

//  -- Two gateways

static void
s_answer_loan(test_t *self, size_t n, const char *count)
{
    nm_buf_t body = { 0 };
    nm_bench_answer(self->bench, nm_bench_asked(self->bench, n)->id, "gateway-2", 200,
                    nm_client_map(&body, "count", count, NULL));
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

static void
each_of_two_has_half_and_asks_the_other_for_more(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_day", "#5");
    s_expect(self, 0, 3, 202);
    assert_int_equal(nm_bench_asks(self->bench), 0);

    uint64_t id = nm_client_queue(self->client, CREATE, NULL, s_email(self, 3));
    nm_bench_turn(self->bench);
    assert_null(nm_bench_reply(self->bench, id));
    assert_string_equal(nm_bench_asked(self->bench, 0)->op, LEND);
    assert_string_equal(nm_bench_asked(self->bench, 0)->peer, "gateway-2");
    assert_int_equal(nm_client_number(nm_bench_asked(self->bench, 0)->body, "count"), 1);
    s_answer_loan(self, 0, "#1");
    assert_int_equal(nm_bench_reply(self->bench, id)->status, 202);

    id = nm_client_queue(self->client, CREATE, NULL, s_email(self, 4));
    nm_bench_turn(self->bench);
    s_answer_loan(self, 1, "#0");
    assert_int_equal(nm_bench_reply(self->bench, id)->status, 429);
    s_expect(self, 5, 10, 429);  //  Not each of them is a question
    assert_int_equal(nm_bench_asks(self->bench), 2);
    nm_bench_restart(self->bench);
    nm_bench_wait(self->bench, 10);
    id = nm_client_queue(self->client, CREATE, NULL, s_email(self, 6));
    nm_bench_turn(self->bench);
    assert_null(nm_bench_reply(self->bench, id));
    assert_int_equal(nm_bench_asks(self->bench), 1);
}

static void
a_batch_asks_for_all_that_it_lacks_before_it_takes_anything(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_day", "#10");
    uint64_t id = nm_client_queue(self->client, BATCH, NULL, s_batch(self, 9));
    nm_bench_turn(self->bench);
    assert_null(nm_bench_reply(self->bench, id));
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 0);
    assert_int_equal(nm_client_number(nm_bench_asked(self->bench, 0)->body, "count"), 4);
    s_answer_loan(self, 0, "#3");
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 8);
}

static uint64_t
s_lend(test_t *self, const char *peer, const char *count, unsigned status)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    nm_buf_clear(&self->body);
    uint64_t id = nm_bench_ask(self->bench, peer, LEND, &headers, nm_client_map(&self->body, "count", count, NULL));
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    assert_int_equal(reply->status, status);
    return status == 200 ? nm_client_number(reply->body, "count") : 0;
}

static void
what_is_lent_is_gone_and_nobody_but_a_gateway_gets_it(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_minute", "#12", "per_day", "#100");
    assert_int_equal(s_lend(self, "", "#3", 403), 0);
    assert_int_equal(s_lend(self, "gateway-2", "#4", 200), 4);
    s_expect(self, 0, 1, 202);
    assert_int_equal(s_lend(self, "gateway-2", "#9", 200), 1);
    assert_int_equal(s_lend(self, "gateway-2", "#9", 200), 0);
    nm_bench_restart(self->bench);
    assert_int_equal(s_lend(self, "gateway-2", "#9", 200), 0);
}

static void
a_gateway_that_is_away_keeps_its_share_for_a_while(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_day", "#6");
    s_expect(self, 0, 3, 202);
    nm_bench_away(self->bench, "gateway-2");
    s_expect(self, 3, 1, 429);
    nm_bench_wait(self->bench, 4800);
    s_expect(self, 4, 1, 429);
    nm_bench_wait(self->bench, 300);
    s_expect(self, 5, 3, 202);
    s_expect(self, 8, 1, 429);
}

static void
one_that_starts_counts_on_all_that_it_knows(void **state)
{
    test_t *self = *state;
    LIMIT(self, "limits", "per_day", "#2");
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_restart(self->bench);
    nm_bench_away(self->bench, "gateway-2");
    s_expect(self, 0, 1, 202);
    s_expect(self, 1, 1, 429);
}

int
main(void)
{
#define ALONE(name) cmocka_unit_test_setup_teardown(name, s_setup, nm_gateway_teardown)
#define TWO(name) cmocka_unit_test_setup_teardown(name, s_setup_two, nm_gateway_teardown)
    const struct CMUnitTest tests[] = {
        ALONE(a_burst_goes_and_the_next_is_429_until_a_token_is_back),
        ALONE(a_clock_that_was_days_ahead_limits_nobody_for_days),
        ALONE(every_answer_tells_what_is_left),
        ALONE(a_service_without_limits_is_told_of_none),
        ALONE(what_a_deleted_service_used_is_forgotten),
        ALONE(what_is_refused_replayed_or_a_duplicate_counts_nothing),
        ALONE(a_day_is_over_at_midnight_and_a_restart_does_not_end_it),
        ALONE(a_restart_keeps_the_bucket),
        ALONE(one_service_does_not_use_up_what_another_has),
        ALONE(a_changed_limit_holds_at_once),
        ALONE(a_recipient_gets_its_share_an_hour_and_a_day),
        ALONE(a_recipient_is_not_in_the_store_in_clear_and_is_forgotten_after_its_day),
        ALONE(a_batch_takes_what_there_is_room_for),
        ALONE(a_batch_counts_each_recipient),
        cmocka_unit_test_setup_teardown(the_mesh_files_limits_hold_for_services_without_their_own, s_setup_mesh_limits,
                                        nm_gateway_teardown),
        TWO(each_of_two_has_half_and_asks_the_other_for_more),
        TWO(a_batch_asks_for_all_that_it_lacks_before_it_takes_anything),
        TWO(what_is_lent_is_gone_and_nobody_but_a_gateway_gets_it),
        TWO(a_gateway_that_is_away_keeps_its_share_for_a_while),
        TWO(one_that_starts_counts_on_all_that_it_knows),
    };
    return cmocka_run_group_tests_name("actors/gateway limits", tests, NULL, NULL);
}
