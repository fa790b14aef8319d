#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/actors/gateway_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CREATE "notifications.create"
#define BATCH "notifications.batch"

typedef nm_gateway_test_t test_t;

static nm_bytes_t
s_email(test_t *self, unsigned n)
{
    nm_buf_clear(&self->body);
    return nm_client_email(&self->body, n);
}

static const nm_bench_reply_t *
s_create_under(test_t *self, const char *header, nm_bytes_t body)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(header));
    uint64_t id = nm_client_queue(self->client, CREATE, &headers, body);
    assert_int_equal(nm_bench_turn(self->client->bench), NM_OK);
    return nm_bench_reply(self->client->bench, id);
}

//  Under a key that this gateway owns.
static const nm_bench_reply_t *
s_create_keyed(test_t *self, const char *stem, nm_bytes_t body)
{
    return s_create_under(self, nm_client_keyed(self->client, 1, stem), body);
}

static uint64_t
s_count_of(test_t *self, const char *key, const char *list_key)
{
    nm_buf_t body = { 0 };
    nm_client_map(&body, "limit", "#200", NULL);
    const nm_bench_reply_t *reply = nm_client_ask_as(self->client, key, "notifications.list", nm_buf_bytes(&body));
    nm_buf_free(&body);
    return nm_client_count(reply->body, list_key);
}

//  -- Who asks

static void
takes_a_notification_with_a_right_key(void **state)
{
    test_t *self = *state;
    const nm_bench_reply_t *reply = nm_client_ask(self->client, CREATE, s_email(self, 1));
    assert_int_equal(reply->status, 202);
    assert_string_equal(nm_client_text(reply->body, "status"), "pending");
    assert_string_equal(nm_client_text(reply->body, "channel"), "email");
    assert_string_equal(nm_client_text(reply->body, "created_at"), "2026-11-21T00:00:00.000Z");
    assert_int_equal(strlen(nm_client_text(reply->headers, "x-correlation-id")), 32);

    char link[64];
    nm_id_t id;
    snprintf(link, sizeof link, "/v1/notifications/%s", nm_client_text(reply->body, "id"));
    assert_string_equal(nm_client_text(nm_client_raw(reply->body, "links"), "self"), link);
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &id), NM_OK);
    assert_int_equal(nm_id_gateway(&id), 1);
}

static void
mails_the_work_to_a_router_as_it_came(void **state)
{
    test_t *self = *state;
    nm_bytes_t body = s_email(self, 2);
    nm_client_ask(self->client, CREATE, body);
    const nm_bench_mail_t *mail = nm_bench_sent(self->client->bench, NM_MAIL_WORK, 0);
    nm_work_t work;
    assert_non_null(mail);
    assert_int_equal(nm_record_decode(&nm_work_shape, &work, mail->body, NULL, ""), NM_OK);
    assert_true(nm_bytes_equal(work.request, body));
    assert_int_equal(work.created_at, nm_bench_now(self->client->bench));
    assert_int_equal(work.generation, 0);
}

static void
sends_a_waiting_work_again_from_the_disk(void **state)
{
    test_t *self = *state;
    nm_bench_t *bench = self->client->bench;
    nm_bench_away(bench, "router-1");
    nm_bench_away(bench, "router-2");
    nm_bytes_t body = s_email(self, 3);
    nm_client_ask(self->client, CREATE, body);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_WORK), 0);

    nm_bench_restart(bench);
    nm_bench_back(bench, "router-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    const nm_bench_mail_t *mail = nm_bench_sent(bench, NM_MAIL_WORK, 0);
    nm_work_t work;
    assert_non_null(mail);
    assert_int_equal(nm_record_decode(&nm_work_shape, &work, mail->body, NULL, ""), NM_OK);
    assert_true(nm_bytes_equal(work.request, body));
}

static void
refuses_a_missing_or_wrong_key_with_401(void **state)
{
    test_t *self = *state;
    char wrong[NM_CLIENT_KEY_SIZE + 1];
    snprintf(wrong, sizeof wrong, "%s", self->client->key);
    wrong[64] = wrong[64] == 'a' ? 'b' : 'a';
    const char *const KEYS[] = { NULL, "", "nonsense", wrong,
                                 "11111111111111111111111111111111-22222222222222222222222222222222" };
    for (size_t i = 0; i < NM_COUNT(KEYS); i++) {
        const nm_bench_reply_t *reply = nm_client_ask_as(self->client, KEYS[i], CREATE, s_email(self, 1));
        assert_int_equal(reply->status, 401);
        assert_string_not_equal(nm_client_text(reply->headers, "www-authenticate"), "");
    }
    assert_int_equal(s_count_of(self, self->client->admin, "items"), 0);
}

static void
takes_the_right_key_again_after_a_wrong_one(void **state)
{
    test_t *self = *state;
    assert_int_equal(nm_client_ask(self->client, CREATE, s_email(self, 1))->status, 202);
    assert_int_equal(nm_client_ask_as(self->client, "x", CREATE, s_email(self, 1))->status, 401);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_email(self, 1))->status, 202);
}

static void
asks_for_the_scope_of_the_operation(void **state)
{
    test_t *self = *state;
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(self->client, "reader", "notifications:read", id, key);
    assert_int_equal(nm_client_ask_as(self->client, key, CREATE, s_email(self, 1))->status, 403);
    assert_int_equal(nm_client_ask_as(self->client, key, "notifications.list", nm_bytes(NULL, 0))->status, 200);
    assert_int_equal(nm_client_ask_as(self->client, key, "services.list", nm_bytes(NULL, 0))->status, 403);
    assert_int_equal(nm_client_ask_as(self->client, key, "dead_letters.list", nm_bytes(NULL, 0))->status, 403);
}

static void
an_unknown_operation_is_404_before_all_else(void **state)
{
    test_t *self = *state;
    assert_int_equal(nm_client_ask_as(self->client, NULL, "notifications.explode", nm_bytes(NULL, 0))->status, 404);
}

static void
health_is_open(void **state)
{
    test_t *self = *state;
    assert_int_equal(nm_client_ask_as(self->client, NULL, "health", nm_bytes(NULL, 0))->status, 200);
    assert_int_equal(nm_client_ask_as(self->client, NULL, "health.ready", nm_bytes(NULL, 0))->status, 200);
}

static void
another_tenants_notification_is_404(void **state)
{
    test_t *self = *state;
    char service[37], key[NM_CLIENT_KEY_SIZE + 1], text[NM_ID_TEXT_SIZE + 1];
    nm_client_service(self->client, "rival", NULL, service, key);
    nm_id_t id = nm_client_send(self->client, 4);
    nm_id_to_text(&id, text);
    static const char *const OPS[] = { "notifications.get", "notifications.cancel" };
    for (size_t i = 0; i < NM_COUNT(OPS); i++) {
        nm_buf_clear(&self->body);
        nm_bytes_t body = nm_client_map(&self->body, "id", text, NULL);
        assert_int_equal(nm_client_ask_as(self->client, key, OPS[i], body)->status, 404);
    }
    assert_int_equal(s_count_of(self, key, "items"), 0);
    assert_int_equal(s_count_of(self, self->client->key, "items"), 1);
    assert_string_equal(nm_client_status(self->client, &id), "pending");
}

static void
a_malformed_or_foreign_id_is_404(void **state)
{
    test_t *self = *state;
    static const char *const IDS[] = { "no-id", "", "00000000-0000-7000-8000-000000000000" };
    for (size_t i = 0; i < NM_COUNT(IDS); i++) {
        nm_buf_clear(&self->body);
        nm_bytes_t body = nm_client_map(&self->body, "id", IDS[i], NULL);
        assert_int_equal(nm_client_ask(self->client, "notifications.get", body)->status, 404);
    }
}

//  -- Services and keys

static nm_bytes_t
s_pair(test_t *self, const char *key, const char *value)
{
    nm_buf_clear(&self->body);
    return nm_client_map(&self->body, key, value, NULL);
}

static void
a_service_that_is_switched_off_is_403_and_deleted_401(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 2);
    nm_writer_pair_text(&self->body, "id", self->client->service);
    nm_writer_pair_bool(&self->body, "is_active", false);
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_email(self, 1))->status, 403);

    nm_bytes_t which = s_pair(self, "id", self->client->service);
    assert_int_equal(nm_client_ask_as(self->client, self->client->admin, "services.delete", which)->status, 204);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_email(self, 1))->status, 401);
    which = s_pair(self, "id", self->client->service);
    assert_int_equal(nm_client_ask_as(self->client, self->client->admin, "services.get", which)->status, 404);
}

static void
a_patch_clears_what_is_null_and_keeps_the_rest(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "id", self->client->service, "description", "Sells", "retention_days", "#5", NULL);
    nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&self->body));
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 2);
    nm_writer_pair_text(&self->body, "id", self->client->service);
    nm_writer_text(&self->body, "description");
    nm_writer_nil(&self->body);
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 200);
    assert_string_equal(nm_client_text(reply->body, "description"), "");
    assert_int_equal(nm_client_number(reply->body, "retention_days"), 5);
    assert_string_equal(nm_client_text(reply->body, "name"), "shop");
}

static void
two_services_of_one_name_are_409(void **state)
{
    test_t *self = *state;
    nm_bytes_t body = s_pair(self, "name", "shop");
    assert_int_equal(nm_client_ask_as(self->client, self->client->admin, "services.create", body)->status, 409);
    body = s_pair(self, "name", "admin");
    assert_int_equal(nm_client_ask_as(self->client, self->client->admin, "services.create", body)->status, 409);
}

static void
the_built_in_service_cannot_be_changed(void **state)
{
    test_t *self = *state;
    const char *admin = self->client->admin;
    nm_bytes_t which = s_pair(self, "id", NM_ADMIN_SERVICE_TEXT);
    assert_int_equal(nm_client_ask_as(self->client, admin, "services.get", which)->status, 200);
    assert_int_equal(nm_client_ask_as(self->client, admin, "services.patch", which)->status, 409);
    assert_int_equal(nm_client_ask_as(self->client, admin, "services.delete", which)->status, 409);
}

static void
a_deleted_key_works_no_more_and_lists_do_not_show_it(void **state)
{
    test_t *self = *state;
    const char *admin = self->client->admin;
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self->client, admin, "keys.list", s_pair(self, "service_id", self->client->service));
    nm_bytes_t item = nm_client_item(reply->body, "items", 0);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    assert_int_equal(nm_client_raw(item, "key").size, 0);
    assert_int_equal(nm_client_count(item, "scopes"), 8);

    char key_id[37];
    snprintf(key_id, sizeof key_id, "%s", nm_client_text(item, "key_id"));
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "service_id", self->client->service, "key_id", key_id, NULL);
    assert_int_equal(nm_client_ask_as(self->client, admin, "keys.delete", nm_buf_bytes(&self->body))->status, 204);
    assert_int_equal(nm_client_ask_as(self->client, admin, "keys.delete", nm_buf_bytes(&self->body))->status, 404);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_email(self, 1))->status, 401);
}

static void
services_and_keys_survive_a_restart(void **state)
{
    test_t *self = *state;
    nm_bench_restart(self->client->bench);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_email(self, 1))->status, 202);
}

static void
tells_when_a_key_was_used_last(void **state)
{
    test_t *self = *state;
    nm_client_send(self->client, 1);
    nm_bench_wait(self->client->bench, 61000);
    nm_client_send(self->client, 2);
    nm_bench_wait(self->client->bench, 61000);
    nm_client_send(self->client, 3);
    const nm_bench_reply_t *reply = nm_client_ask_as(self->client, self->client->admin, "keys.list",
                                                     s_pair(self, "service_id", self->client->service));
    const char *used = nm_client_text(nm_client_item(reply->body, "items", 0), "last_used_at");
    assert_string_not_equal(used, "");
}

//  -- Faults

static void
names_every_fault_at_once(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "channel", "pigeon", "recipient", "ada@example.org", "colour", "red", "priority", "soon",
                  "send_at", "tomorrow", "subject", "two\nlines", NULL);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, CREATE, nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 422);
    static const char *const POINTERS[] = { "/channel", "/colour", "/priority", "/send_at", "/subject" };
    for (size_t i = 0; i < NM_COUNT(POINTERS); i++)
        assert_true(nm_client_points_at(reply->body, POINTERS[i]));
    assert_int_equal(s_count_of(self, self->client->key, "items"), 0);
}

static void
names_what_this_mesh_cannot_do(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "channel", "sms", "recipient", "+4930123456", "content", "Hello", NULL);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, CREATE, nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 422);
    assert_true(nm_client_points_at(reply->body, "/channel"));

    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "template", "welcome", NULL);
    reply = nm_client_ask(self->client, CREATE, nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 422);
    assert_true(nm_client_points_at(reply->body, "/template"));
}

static void
a_body_that_is_no_object_is_400_and_a_huge_one_413(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_writer_text(&self->body, "text");
    assert_int_equal(nm_client_ask(self->client, CREATE, nm_buf_bytes(&self->body))->status, 400);
    assert_int_equal(nm_client_ask(self->client, CREATE, nm_bytes(NULL, 0))->status, 400);

    nm_buf_t huge = { 0 };
    nm_buf_reserve(&huge, NM_BODY_MAX + 1);
    memset(huge.at, 'x', NM_BODY_MAX + 1);
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_pair_str(&self->body, "content", nm_bytes(huge.at, NM_BODY_MAX + 1));
    assert_int_equal(nm_client_ask(self->client, CREATE, nm_buf_bytes(&self->body))->status, 413);
    nm_buf_free(&huge);
}

static void
keeps_a_good_correlation_id_and_replaces_a_bad_one(void **state)
{
    test_t *self = *state;
    static const struct {
        const char *given;
        bool kept;
    } CASES[] = { { "order-7.a_B", true }, { "bad id!", false }, { "", false } };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        nm_ask_headers_t headers = { .has = 0 };
        NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
        NM_PUT(&headers, ask_headers, correlation_id, nm_text(CASES[i].given));
        uint64_t id = nm_client_queue(self->client, CREATE, &headers, s_email(self, 1));
        assert_int_equal(nm_bench_turn(self->client->bench), NM_OK);
        const nm_bench_reply_t *reply = nm_bench_reply(self->client->bench, id);
        assert_int_equal(reply->status, 202);
        const char *got = nm_client_text(reply->headers, "x-correlation-id");
        assert_int_equal(strcmp(got, CASES[i].given) == 0, CASES[i].kept);
        assert_int_not_equal(strlen(got), 0);
    }
}

//  -- Idempotency

static void
the_same_key_and_body_give_the_first_answer(void **state)
{
    test_t *self = *state;
    const nm_bench_reply_t *first = s_create_keyed(self, "order-1", s_email(self, 1));
    assert_int_equal(first->status, 202);
    char id[37];
    snprintf(id, sizeof id, "%s", nm_client_text(first->body, "id"));

    nm_bench_restart(self->client->bench);
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "subject", "Letter 1 of many", "content", "The content of letter 1.", "recipient",
                  "reader1@example.org", "channel", "email", NULL);
    char quoted[100];
    snprintf(quoted, sizeof quoted, "\"%s\"", nm_client_keyed(self->client, 1, "order-1"));
    const nm_bench_reply_t *again = s_create_under(self, quoted, nm_buf_bytes(&self->body));
    assert_int_equal(again->status, 202);
    assert_string_equal(nm_client_text(again->body, "id"), id);
    assert_string_equal(nm_client_text(again->headers, "idempotent-replayed"), "true");
    assert_int_equal(s_count_of(self, self->client->key, "items"), 1);
}

static void
the_same_key_with_another_body_is_422(void **state)
{
    test_t *self = *state;
    assert_int_equal(s_create_keyed(self, "order-1", s_email(self, 1))->status, 202);
    assert_int_equal(s_create_keyed(self, "order-1", s_email(self, 2))->status, 422);
    assert_int_equal(s_count_of(self, self->client->key, "items"), 1);
}

static void
two_of_one_key_in_one_turn_make_one(void **state)
{
    test_t *self = *state;
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(nm_client_keyed(self->client, 1, "twin")));
    uint64_t one = nm_client_queue(self->client, CREATE, &headers, s_email(self, 1));
    uint64_t two = nm_client_queue(self->client, CREATE, &headers, s_email(self, 1));
    assert_int_equal(nm_bench_turn(self->client->bench), NM_OK);
    assert_string_equal(nm_client_text(nm_bench_reply(self->client->bench, one)->body, "id"),
                        nm_client_text(nm_bench_reply(self->client->bench, two)->body, "id"));
    assert_int_equal(s_count_of(self, self->client->key, "items"), 1);
}

static void
a_refused_request_may_be_mended_under_its_key(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, "channel", "email", NULL);
    assert_int_equal(s_create_keyed(self, "order-2", nm_buf_bytes(&self->body))->status, 422);
    assert_int_equal(s_create_keyed(self, "order-2", s_email(self, 2))->status, 202);
}

static void
a_key_is_new_again_after_a_day(void **state)
{
    test_t *self = *state;
    char id[37];
    snprintf(id, sizeof id, "%s", nm_client_text(s_create_keyed(self, "daily", s_email(self, 1))->body, "id"));
    nm_bench_wait(self->client->bench, INT64_C(24) * 3600 * 1000 + 1);
    const nm_bench_reply_t *next = s_create_keyed(self, "daily", s_email(self, 1));
    assert_int_equal(next->status, 202);
    assert_string_not_equal(nm_client_text(next->body, "id"), id);
    nm_bench_wait(self->client->bench, 120000);
    snprintf(id, sizeof id, "%s", nm_client_text(next->body, "id"));
    assert_string_equal(nm_client_text(s_create_keyed(self, "daily", s_email(self, 1))->body, "id"), id);
}

static void
request_id_is_such_a_key_and_must_not_differ_from_the_header(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "channel", "email", "recipient", "ada@example.org", "content", "Hi",
                                    "request_id", nm_client_keyed(self->client, 1, "body-key"), NULL);
    char id[37];
    snprintf(id, sizeof id, "%s", nm_client_text(nm_client_ask(self->client, CREATE, body)->body, "id"));
    assert_string_equal(nm_client_text(nm_client_ask(self->client, CREATE, body)->body, "id"), id);
    assert_string_equal(nm_client_text(s_create_keyed(self, "body-key", body)->body, "id"), id);
    const nm_bench_reply_t *reply = s_create_keyed(self, "header-key", body);
    assert_int_equal(reply->status, 422);
    assert_true(nm_client_points_at(reply->body, "/request_id"));
}

static nm_bytes_t
s_deduped(test_t *self, const char *content, const char *metadata)
{
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 5);
    nm_writer_pair_text(&self->body, "channel", "email");
    nm_writer_pair_text(&self->body, "recipient", "ada@example.org");
    nm_writer_pair_text(&self->body, "content", content);
    nm_writer_pair_uint(&self->body, "dedupe_seconds", 60);
    nm_writer_text(&self->body, "metadata");
    nm_writer_map(&self->body, 1);
    nm_writer_pair_text(&self->body, "tag", metadata);
    return nm_buf_bytes(&self->body);
}

static void
the_same_content_within_dedupe_seconds_is_the_same(void **state)
{
    test_t *self = *state;
    char id[37];
    nm_bench_away(self->client->bench, "gateway-2");  //  All recipients are at home here
    snprintf(id, sizeof id, "%s",
             nm_client_text(nm_client_ask(self->client, CREATE, s_deduped(self, "Hi", "a"))->body, "id"));
    const nm_bench_reply_t *again = nm_client_ask(self->client, CREATE, s_deduped(self, "Hi", "b"));
    assert_int_equal(again->status, 200);
    assert_string_equal(nm_client_text(again->body, "id"), id);
    assert_int_not_equal(nm_client_raw(again->body, "deduplicated").size, 0);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_deduped(self, "Ho", "a"))->status, 202);
    nm_bench_wait(self->client->bench, 60000);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_deduped(self, "Hi", "a"))->status, 202);
}

static void
what_came_to_nothing_is_no_duplicate(void **state)
{
    test_t *self = *state;
    nm_id_t id;
    nm_bench_away(self->client->bench, "gateway-2");
    const nm_bench_reply_t *first = nm_client_ask(self->client, CREATE, s_deduped(self, "Hi", "a"));
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(first->body, "id")), &id), NM_OK);
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_FAILED, 3);
    nm_client_tell(self->client, "email-1", &event);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_deduped(self, "Hi", "a"))->status, 202);
}

//  -- Batches

static void
a_batch_of_a_thousand_takes_the_good_and_names_the_bad(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        if (i == 7 || i == 500 || i == 999)
            nm_client_map(&self->body, "channel", "email", "recipient", "no address", "content", "x", NULL);
        else
            nm_client_email(&self->body, i);
    }
    const nm_bench_reply_t *reply = nm_client_ask(self->client, BATCH, nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 997);
    assert_int_equal(nm_client_number(reply->body, "rejected"), 3);
    assert_int_equal(nm_client_count(reply->body, "items"), 1000);
    nm_bytes_t bad = nm_client_item(reply->body, "items", 500), good = nm_client_item(reply->body, "items", 501);
    assert_int_equal(nm_client_number(bad, "index"), 500);
    assert_int_equal(nm_client_number(bad, "status"), 422);
    assert_true(nm_client_points_at(bad, "/recipient"));
    assert_string_equal(nm_client_text(good, "status"), "pending");
    nm_bench_turn(self->client->bench);
    assert_int_equal(nm_bench_mails(self->client->bench, NM_MAIL_WORK), 997);
}

//  64 faults in each of them: all named they would be more than a frame holds, and nobody could read the answer.
static void
a_batch_of_nothing_but_faults_is_answered(void **state)
{
    enum { COUNT = 1000 };
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        nm_writer_map(&self->body, NM_FAULT_COUNT);
        for (unsigned k = 0; k < NM_FAULT_COUNT; k++) {
            char name[16];
            snprintf(name, sizeof name, "typo_%u", k);
            nm_writer_pair_uint(&self->body, name, k);
        }
    }
    const nm_bench_reply_t *reply = nm_client_ask(self->client, BATCH, nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_reader_check(reply->body), NM_OK);
    assert_in_range(reply->body.size, 1, NM_FRAME_MAX / 2);
    assert_int_equal(nm_client_number(reply->body, "rejected"), COUNT);
    nm_bytes_t first = nm_client_item(reply->body, "items", 0), last = nm_client_item(reply->body, "items", COUNT - 1);
    assert_int_equal(nm_client_count(first, "errors"), NM_FAULT_COUNT);
    assert_int_equal(nm_client_number(last, "status"), 422);
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

static void
a_batch_of_none_or_too_many_is_422(void **state)
{
    test_t *self = *state;
    assert_int_equal(nm_client_ask(self->client, BATCH, s_batch(self, 0))->status, 422);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, BATCH, s_batch(self, 1001));
    assert_int_equal(reply->status, 422);
    assert_true(nm_client_points_at(reply->body, "/notifications"));
}

static void
a_batch_is_replayed_as_a_whole(void **state)
{
    test_t *self = *state;
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(nm_client_keyed(self->client, 1, "night run")));
    uint64_t ids[2];
    for (size_t i = 0; i < 2; i++) {
        ids[i] = nm_client_queue(self->client, BATCH, &headers, s_batch(self, 5));
        assert_int_equal(nm_bench_turn(self->client->bench), NM_OK);
    }
    assert_true(nm_bytes_equal(nm_bench_reply(self->client->bench, ids[0])->body,
                               nm_bench_reply(self->client->bench, ids[1])->body));
    assert_int_equal(s_count_of(self, self->client->key, "items"), 5);
}

//  -- Room and crashes

static void
a_full_store_answers_507_and_changes_nothing(void **state)
{
    test_t *self = *state;
    nm_id_t before = nm_client_send(self->client, 1);
    nm_bench_full(self->client->bench, true);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, CREATE, s_email(self, 2));
    assert_int_equal(reply->status, 507);
    assert_string_not_equal(nm_client_text(reply->headers, "retry-after"), "");
    assert_int_equal(nm_client_ask(self->client, BATCH, s_batch(self, 3))->status, 507);
    assert_int_equal(nm_client_ask_as(self->client, NULL, "health.ready", nm_bytes(NULL, 0))->status, 503);

    nm_event_t event = nm_client_event(self->client, &before, NM_EVENT_SENT, 3);
    nm_client_tell(self->client, "email-1", &event);
    assert_string_equal(nm_client_status(self->client, &before), "sent");
    nm_bench_full(self->client->bench, false);
    assert_int_equal(nm_client_ask(self->client, CREATE, s_email(self, 2))->status, 202);
    assert_int_equal(s_count_of(self, self->client->key, "items"), 2);
}

static void
survives_a_restart_at_every_turn(void **state)
{
    test_t *self = *state;
    static const nm_event_kind_t KINDS[] = { NM_EVENT_QUEUED, NM_EVENT_SENDING, NM_EVENT_SENT };
    static const char *const STATUSES[] = { "queued", "sending", "sent" };
    nm_id_t id = nm_client_send(self->client, 1);
    nm_bench_restart(self->client->bench);
    assert_string_equal(nm_client_status(self->client, &id), "pending");
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        nm_event_t event = nm_client_event(self->client, &id, KINDS[i], i + 1);
        nm_client_tell(self->client, "email-1", &event);
        nm_bench_restart(self->client->bench);
        assert_string_equal(nm_client_status(self->client, &id), STATUSES[i]);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, nm_gateway_setup, nm_gateway_teardown)
    const struct CMUnitTest tests[] = {
        TEST(takes_a_notification_with_a_right_key),
        TEST(mails_the_work_to_a_router_as_it_came),
        TEST(sends_a_waiting_work_again_from_the_disk),
        TEST(refuses_a_missing_or_wrong_key_with_401),
        TEST(takes_the_right_key_again_after_a_wrong_one),
        TEST(asks_for_the_scope_of_the_operation),
        TEST(an_unknown_operation_is_404_before_all_else),
        TEST(health_is_open),
        TEST(another_tenants_notification_is_404),
        TEST(a_malformed_or_foreign_id_is_404),
        TEST(a_service_that_is_switched_off_is_403_and_deleted_401),
        TEST(a_patch_clears_what_is_null_and_keeps_the_rest),
        TEST(two_services_of_one_name_are_409),
        TEST(the_built_in_service_cannot_be_changed),
        TEST(a_deleted_key_works_no_more_and_lists_do_not_show_it),
        TEST(services_and_keys_survive_a_restart),
        TEST(tells_when_a_key_was_used_last),
        TEST(names_every_fault_at_once),
        TEST(names_what_this_mesh_cannot_do),
        TEST(a_body_that_is_no_object_is_400_and_a_huge_one_413),
        TEST(keeps_a_good_correlation_id_and_replaces_a_bad_one),
        TEST(the_same_key_and_body_give_the_first_answer),
        TEST(the_same_key_with_another_body_is_422),
        TEST(two_of_one_key_in_one_turn_make_one),
        TEST(a_refused_request_may_be_mended_under_its_key),
        TEST(a_key_is_new_again_after_a_day),
        TEST(request_id_is_such_a_key_and_must_not_differ_from_the_header),
        TEST(the_same_content_within_dedupe_seconds_is_the_same),
        TEST(what_came_to_nothing_is_no_duplicate),
        TEST(a_batch_of_a_thousand_takes_the_good_and_names_the_bad),
        TEST(a_batch_of_nothing_but_faults_is_answered),
        TEST(a_batch_of_none_or_too_many_is_422),
        TEST(a_batch_is_replayed_as_a_whole),
        TEST(a_full_store_answers_507_and_changes_nothing),
        TEST(survives_a_restart_at_every_turn),
    };
    return cmocka_run_group_tests_name("actors/gateway", tests, NULL, NULL);
}
