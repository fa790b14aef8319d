//  About actors/gateway/broadcast.c: one notification to many users.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "tests/actors/gateway_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define BROADCAST "notifications.broadcast"

typedef nm_gateway_test_t test_t;

static void
s_user(unsigned n, char text[NM_ID_TEXT_SIZE + 1])
{
    snprintf(text, NM_ID_TEXT_SIZE + 1, "018f2a3b-4c5d-7e6f-8a9b-%012x", n);
}

//  To users first, first + 1, ...; more adds pairs of texts.
static nm_bytes_t
s_body(test_t *self, unsigned first, unsigned count, const char *key, const char *value)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, key ? 4 : 3);
    nm_writer_text(&self->body, "user_ids");
    nm_writer_list(&self->body, count);
    for (unsigned i = 0; i < count; i++) {
        s_user(first + i, text);
        nm_writer_text(&self->body, text);
    }
    nm_writer_pair_text(&self->body, "type", "email");
    nm_writer_pair_text(&self->body, "content", "To all of you");
    if (key)
        nm_writer_pair_text(&self->body, key, value);
    return nm_buf_bytes(&self->body);
}

static const nm_bench_reply_t *
s_ask(test_t *self, nm_bytes_t body)
{
    return nm_client_ask(self->client, BROADCAST, body);
}

//  The priority of the mail that has the work of a notification.
static int
s_find_work(test_t *self, const nm_id_t *id, nm_work_t *work)
{
    for (size_t i = 0; i < nm_bench_mails(self->bench, NM_MAIL_WORK); i++) {
        const nm_bench_mail_t *mail = nm_bench_sent(self->bench, NM_MAIL_WORK, i);
        assert_int_equal(nm_record_decode(&nm_work_shape, work, mail->body, NULL, ""), NM_OK);
        if (nm_id_equal(&work->notification, id))
            return mail->priority;
    }
    return -1;
}

static void
each_user_gets_a_notification_of_its_own(void **state)
{
    test_t *self = *state;
    char text[NM_ID_TEXT_SIZE + 1];
    const nm_bench_reply_t *reply = s_ask(self, s_body(self, 7, 3, "priority", "high"));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 3);
    assert_int_equal(nm_client_count(reply->body, "items"), 3);
    for (unsigned i = 0; i < 3; i++) {
        nm_work_t work;
        nm_id_t id;
        nm_bytes_t item = nm_client_item(reply->body, "items", i);
        s_user(7 + i, text);
        assert_string_equal(nm_client_text(item, "user_id"), text);
        assert_int_equal(nm_id_from_text(nm_text(nm_client_text(item, "id")), &id), NM_OK);
        assert_int_equal(nm_client_count(item, "status"), 0);

        assert_int_equal(s_find_work(self, &id, &work), NM_PRIORITY_HIGH);
        assert_string_equal(nm_client_text(work.request, "user_id"), text);
        assert_string_equal(nm_client_text(work.request, "content"), "To all of you");
        assert_int_equal(nm_client_raw(work.request, "user_ids").size, 0);
    }
}

static void
a_user_that_is_named_twice_gets_one(void **state)
{
    test_t *self = *state;
    static const char *const USERS[] = { "018f2a3b-4c5d-7e6f-8a9b-00000000000b", "018f2a3b-4c5d-7e6f-8a9b-00000000000a",
                                         "018F2A3B-4C5D-7E6F-8A9B-00000000000B", "not an id",
                                         "018f2a3b4c5d7e6f8a9b00000000000a" };
    nm_writer_map(&self->body, 3);
    nm_writer_pair_text(&self->body, "channel", "email");
    nm_writer_pair_text(&self->body, "content", "Hi");
    nm_writer_text(&self->body, "user_ids");
    nm_writer_list(&self->body, NM_COUNT(USERS));
    for (size_t i = 0; i < NM_COUNT(USERS); i++)
        nm_writer_text(&self->body, USERS[i]);
    const nm_bench_reply_t *reply = s_ask(self, nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 2);
    assert_int_equal(nm_client_count(reply->body, "items"), 3);
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", 0), "user_id"), USERS[0]);
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", 1), "user_id"), USERS[1]);
    nm_bytes_t refused = nm_client_item(reply->body, "items", 2);
    assert_string_equal(nm_client_text(refused, "user_id"), "not an id");
    assert_int_equal(nm_client_number(refused, "status"), 422);
    assert_string_not_equal(nm_client_text(refused, "detail"), "");
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 2);
}

static void
what_is_wrong_for_all_is_told_once(void **state)
{
    test_t *self = *state;
    const nm_bench_reply_t *reply = s_ask(self, s_body(self, 1, 3, "recipient", "ada@example.org"));
    assert_int_equal(reply->status, 422);
    assert_true(nm_client_points_at(reply->body, "/recipient"));
    assert_int_equal(nm_client_count(reply->body, "errors"), 1);
    assert_true(nm_client_points_at(s_ask(self, s_body(self, 1, 3, "user_id", "x"))->body, "/user_id"));
    assert_true(nm_client_points_at(s_ask(self, s_body(self, 1, 3, "channel", "email"))->body, "/channel"));
    assert_true(nm_client_points_at(s_ask(self, s_body(self, 1, 3, "language", "no language!"))->body, "/language"));
    assert_true(nm_client_points_at(s_ask(self, s_body(self, 1, 0, NULL, NULL))->body, "/user_ids"));
    assert_true(nm_client_points_at(s_ask(self, s_body(self, 1, 10001, NULL, NULL))->body, "/user_ids"));

    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "channel", "sms", "subject", "No", NULL);
    reply = s_ask(self, nm_buf_bytes(&self->body));
    assert_true(nm_client_points_at(reply->body, "/user_ids"));
    assert_true(nm_client_points_at(reply->body, "/content"));
    assert_true(nm_client_points_at(reply->body, "/subject"));
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 0);
}

static void
users_times_size_is_bounded(void **state)
{
    test_t *self = *state;
    char *content = nm_alloc(7000);
    memset(content, 'x', 6999);
    content[6999] = 0;
    const nm_bench_reply_t *reply = s_ask(self, s_body(self, 1, 9900, "html", content));
    assert_int_equal(reply->status, 422);
    assert_true(nm_client_points_at(reply->body, "/user_ids"));
    assert_int_equal(s_ask(self, s_body(self, 1, 90, "html", content))->status, 202);
    free(content);
}

static void
it_is_replayed_as_a_whole(void **state)
{
    test_t *self = *state;
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(nm_client_keyed(self->client, 1, "news")));
    char first[NM_ID_TEXT_SIZE + 1] = "";
    for (size_t i = 0; i < 2; i++) {
        uint64_t id = nm_client_queue(self->client, BROADCAST, &headers, s_body(self, 1, 5, NULL, NULL));
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
        nm_bytes_t item = nm_client_item(nm_bench_reply(self->bench, id)->body, "items", 0);
        if (i == 0)
            snprintf(first, sizeof first, "%s", nm_client_text(item, "id"));
        assert_string_equal(nm_client_text(item, "id"), first);
        nm_bench_restart(self->bench);
    }
    uint64_t other = nm_client_queue(self->client, BROADCAST, &headers, s_body(self, 1, 6, NULL, NULL));
    nm_bench_turn(self->bench);
    nm_gateway_t *gateway = nm_bench_state(self->bench);
    assert_int_equal(nm_bench_reply(self->bench, other)->status, 422);
    assert_int_equal(gateway->counts[NM_STATUS_PENDING], 5);
}

static void
it_goes_to_the_gateway_that_owns_its_key(void **state)
{
    test_t *self = *state;
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(nm_client_keyed(self->client, 2, "news")));
    nm_client_queue(self->client, BROADCAST, &headers, s_body(self, 1, 5, NULL, NULL));
    nm_bench_turn(self->bench);
    assert_int_equal(nm_bench_asks(self->bench), 1);
    assert_string_equal(nm_bench_asked(self->bench, 0)->op, BROADCAST);
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_WORK), 0);
}

static void
each_user_counts_against_the_limits(void **state)
{
    test_t *self = *state;
    nm_buf_t patch = { 0 };
    nm_bench_bury(self->bench, "gateway-2");
    nm_writer_map(&patch, 2);
    nm_writer_pair_text(&patch, "id", self->client->service);
    nm_writer_text(&patch, "limits");
    nm_client_map(&patch, "per_day", "#4", NULL);
    nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&patch));
    nm_buf_free(&patch);
    const nm_bench_reply_t *reply = s_ask(self, s_body(self, 1, 6, NULL, NULL));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 4);
    assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 5), "status"), 429);
    assert_string_equal(nm_client_text(reply->headers, "ratelimit"), "\"day\";r=0;t=86400");
    assert_int_equal(s_ask(self, s_body(self, 1, 1, NULL, NULL))->status, 429);
}

static void
ten_thousand_are_one_turn(void **state)
{
    test_t *self = *state;
    nm_gateway_t *gateway = nm_bench_state(self->bench);
    uint64_t id = nm_client_queue(self->client, BROADCAST, NULL, s_body(self, 1, 10000, NULL, NULL));
    assert_int_equal(nm_bench_turn_once(self->bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 10000);
    assert_int_equal(gateway->counts[NM_STATUS_PENDING], 10000);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, nm_gateway_setup, nm_gateway_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_user_gets_a_notification_of_its_own),
        TEST(a_user_that_is_named_twice_gets_one),
        TEST(what_is_wrong_for_all_is_told_once),
        TEST(users_times_size_is_bounded),
        TEST(it_is_replayed_as_a_whole),
        TEST(it_goes_to_the_gateway_that_owns_its_key),
        TEST(each_user_counts_against_the_limits),
        TEST(ten_thousand_are_one_turn),
    };
    return cmocka_run_group_tests_name("actors/gateway broadcast", tests, NULL, NULL);
}
