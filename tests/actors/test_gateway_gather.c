//  Lists of a gateway among others, and dead letters that several keep: the test plays gateway-2, gateway-3,
//  deadletter-1 and deadletter-2.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/case.h"
#include "actors/gateway/tables.h"
#include "tests/actors/gateway_test.h"
#include "wire/id.h"
#include "wire/writer.h"

#define LIST "notifications.list"

//  More actors: they follow those of the bench's mesh file.
static const char MORE[] = "    gateway-3\n        role = \"gateway\"\n        number = 3\n"
                           "        mailbox = \"tcp://127.0.0.1:7100\"\n        desk = \"tcp://127.0.0.1:7101\"\n"
                           "        door = \"tcp://127.0.0.1:7102\"\n"
                           "    deadletter-2\n        role = \"deadletter\"\n"
                           "        mailbox = \"tcp://127.0.0.1:7103\"\n        desk = \"tcp://127.0.0.1:7104\"\n";

typedef nm_gateway_test_t test_t;

static int
s_setup(void **state)
{
    *state = nm_gateway_test_new(MORE);
    return 0;
}

//  Queues an ask of `shop` with pairs of texts, which NULL ends, and turns.
#define ASK(self, op, ...) s_ask(self, "", op, (self)->client->key, __VA_ARGS__, NULL)
#define ASK_ADMIN(self, op, ...) s_ask(self, "", op, (self)->client->admin, __VA_ARGS__, NULL)

static uint64_t
s_ask(test_t *self, const char *peer, const char *op, const char *key, ...)
{
    const char *pairs[8] = { NULL };
    va_list args;
    va_start(args, key);
    for (size_t i = 0; i < NM_COUNT(pairs) - 1 && (pairs[i] = va_arg(args, const char *)); i++)
        ;
    va_end(args);
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5], NULL);
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(key));
    nm_bench_forget(self->bench);
    uint64_t id = nm_bench_ask(self->bench, peer, op, &headers, nm_buf_bytes(&self->body));
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    return id;
}

static const nm_bench_reply_t *
s_reply(test_t *self, uint64_t id)
{
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    assert_non_null(reply);
    return reply;
}

static const nm_bench_asked_t *
s_asked_of(test_t *self, const char *peer)
{
    for (size_t i = 0; i < nm_bench_asks(self->bench); i++)
        if (strcmp(nm_bench_asked(self->bench, i)->peer, peer) == 0)
            return nm_bench_asked(self->bench, i);
    return NULL;
}

static void
s_answer(test_t *self, const char *peer, unsigned status, nm_bytes_t body)
{
    const nm_bench_asked_t *asked = s_asked_of(self, peer);
    assert_non_null(asked);
    nm_bench_answer(self->bench, asked->id, peer, status, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

//  An id of a gateway, made at that many ms after the bench began.
static nm_id_t
s_id(test_t *self, uint16_t gateway, int64_t after_ms)
{
    nm_id_t id;
    nm_id_maker_t maker = { .gateway = gateway };
    nm_id_make(&maker, nm_bench_now(self->bench) + after_ms, 7, &id);
    return id;
}

//  A page with one item, which has more below it, or not.
static nm_bytes_t
s_page(test_t *self, const nm_id_t *id, bool more)
{
    nm_buf_t *out = &self->answer;
    nm_buf_clear(out);
    nm_writer_map(out, 2);
    nm_writer_text(out, "items");
    nm_writer_list(out, 1);
    nm_writer_map(out, 1);
    nm_writer_pair_id(out, "id", id);
    if (more)
        nm_writer_pair_id(out, "next_cursor", id);
    else {
        nm_writer_text(out, "next_cursor");
        nm_writer_nil(out);
    }
    return nm_buf_bytes(out);
}

static nm_bytes_t
s_nothing(test_t *self)
{
    nm_buf_clear(&self->answer);
    nm_buf_add_bytes(&self->answer, nm_text("\x82\xa5items\x90\xabnext_cursor\xc0"));
    return nm_buf_bytes(&self->answer);
}

static nm_bytes_t
s_map(test_t *self, const char *key, const char *value)
{
    nm_buf_clear(&self->answer);
    return nm_client_map(&self->answer, key, value, NULL);
}

static void
s_assert_item(nm_bytes_t body, size_t n, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(id, text);
    assert_string_equal(nm_client_text(nm_client_item(body, "items", n), "id"), text);
}

static const char *
s_missing(nm_bytes_t body, size_t n)
{
    static char text[64];
    nm_bytes_t item = nm_client_item(body, "missing", n);
    snprintf(text, sizeof text, "%.*s", item.size ? (int) item.size - 1 : 0,
             item.size ? (const char *) item.at + 1 : "");
    return text;
}

//  -- Lists

static void
a_list_is_that_of_all_gateways(void **state)
{
    test_t *self = *state;
    nm_id_t own = nm_client_send(self->client, 1);
    nm_id_t newer = s_id(self, 2, 5), older = s_id(self, 3, -5);
    uint64_t id = ASK(self, LIST, "limit", "#7", "channel", "email");
    assert_null(nm_bench_reply(self->bench, id));
    assert_int_equal(nm_bench_asks(self->bench), 2);
    const nm_bench_asked_t *asked = s_asked_of(self, "gateway-3");
    assert_string_equal(asked->op, LIST);
    assert_true(nm_bytes_equal(asked->body, nm_buf_bytes(&self->body)));
    assert_string_equal(nm_client_text(asked->headers, "api_key"), self->client->key);

    s_answer(self, "gateway-3", 200, s_page(self, &older, false));
    assert_null(nm_bench_reply(self->bench, id));
    s_answer(self, "gateway-2", 200, s_page(self, &newer, false));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_client_count(reply->body, "items"), 3);
    s_assert_item(reply->body, 0, &newer);
    s_assert_item(reply->body, 1, &own);
    s_assert_item(reply->body, 2, &older);
    assert_int_equal(nm_client_raw(reply->body, "next_cursor").at[0], 0xc0);
    assert_int_equal(nm_client_raw(reply->body, "incomplete").size, 0);
}

static void
a_page_ends_where_the_first_gateway_has_more(void **state)
{
    test_t *self = *state;
    nm_id_t own = nm_client_send(self->client, 1);
    nm_id_t newer = s_id(self, 2, 5);
    uint64_t id = ASK(self, LIST, "limit", "#7");
    s_answer(self, "gateway-2", 200, s_page(self, &newer, true));
    s_answer(self, "gateway-3", 200, s_nothing(self));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    char cursor[NM_CURSOR_TEXT_SIZE + 1];
    nm_cursor_text(&newer, cursor);
    assert_string_equal(nm_client_text(reply->body, "next_cursor"), cursor);

    id = ASK(self, LIST, "cursor", cursor);  //  Also the others go on there
    assert_string_equal(nm_client_text(s_asked_of(self, "gateway-2")->body, "cursor"), cursor);
    s_answer(self, "gateway-2", 200, s_nothing(self));
    s_answer(self, "gateway-3", 200, s_nothing(self));
    s_assert_item(s_reply(self, id)->body, 0, &own);
}

static void
a_gateway_that_is_away_is_named_in_the_page(void **state)
{
    test_t *self = *state;
    nm_client_send(self->client, 1);
    nm_bench_away(self->bench, "gateway-3");
    nm_bench_turn(self->bench);
    uint64_t id = ASK(self, LIST, "limit", "#7");
    assert_int_equal(nm_bench_asks(self->bench), 1);
    s_answer(self, "gateway-2", 200, s_nothing(self));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    assert_int_equal(nm_client_raw(reply->body, "incomplete").at[0], 0xc3);
    assert_int_equal(nm_client_count(reply->body, "missing"), 1);
    assert_string_equal(s_missing(reply->body, 0), "gateway-3");
}

static void
a_gateway_that_falls_silent_or_talks_nonsense_is_missing(void **state)
{
    test_t *self = *state;
    nm_client_send(self->client, 1);
    uint64_t id = ASK(self, LIST, "limit", "#7");
    s_answer(self, "gateway-2", 200, s_map(self, "items", "none"));
    nm_bench_wait(self->bench, 5000);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    assert_int_equal(nm_client_count(reply->body, "missing"), 2);
}

//  What it had is with others now, and they list it.
static void
a_forgotten_gateway_is_not_asked(void **state)
{
    test_t *self = *state;
    nm_bench_bury(self->bench, "gateway-3");
    nm_bench_turn(self->bench);
    uint64_t id = ASK(self, LIST, "limit", "#7");
    assert_null(s_asked_of(self, "gateway-3"));
    s_answer(self, "gateway-2", 200, s_nothing(self));
    assert_int_equal(nm_client_raw(s_reply(self, id)->body, "incomplete").size, 0);
}

static void
alone_nobody_is_asked(void **state)
{
    test_t *self = *state;
    nm_client_send(self->client, 1);
    nm_bench_bury(self->bench, "gateway-2");
    nm_bench_bury(self->bench, "gateway-3");
    nm_bench_turn(self->bench);
    assert_int_equal(nm_client_count(s_reply(self, ASK(self, LIST, "limit", "#7"))->body, "items"), 1);
    assert_null(s_asked_of(self, "gateway-2"));
}

static void
for_another_gateway_a_gateway_lists_its_own(void **state)
{
    test_t *self = *state;
    nm_client_send(self->client, 1);
    uint64_t id = s_ask(self, "gateway-2", LIST, self->client->key, "limit", "#7", NULL);
    assert_int_equal(nm_client_count(s_reply(self, id)->body, "items"), 1);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

static void
a_faulty_query_is_refused_before_anybody_is_asked(void **state)
{
    test_t *self = *state;
    assert_int_equal(s_reply(self, ASK(self, LIST, "limit", "#201"))->status, 422);
    assert_int_equal(s_reply(self, ASK(self, LIST, "cursor", "nonsense"))->status, 400);
    assert_int_equal(nm_bench_asks(self->bench), 0);
}

//  -- Lists by user

static nm_id_t
s_send_to(test_t *self, unsigned n, const char *user)
{
    nm_id_t id;
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "channel", "email", "user_id", user, "subject", "Hi", "content",
                                    n % 2 ? "odd" : "even", NULL);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, "notifications.create", body);
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &id), NM_OK);
    return id;
}

static nm_rc_t
s_forget_places(nm_txn_t *txn, void *arg)
{
    nm_cursor_t cursor;
    (void) arg;
    nm_cursor_open(&cursor, txn, &nm_by_user_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while (nm_cursor_next(&cursor, NULL, NULL) == NM_OK)
        nm_cursor_delete(&cursor);
    nm_cursor_close(&cursor);
    return nm_table_delete(txn, &nm_facts_table, nm_text("by_user"));
}

#define ADA "018f2a3b-4c5d-7e6f-8a9b-000000000001"
#define BOB "018f2a3b-4c5d-7e6f-8a9b-000000000002"

static size_t
s_listed_of(test_t *self, const char *user)
{
    nm_buf_clear(&self->body);
    return nm_client_count(
        nm_client_ask(self->client, LIST, nm_client_map(&self->body, "user_id", user, "limit", "#9", NULL))->body,
        "items");
}

//  One of a user, then more of another than a page looks at.
static void
the_few_of_a_user_are_found_among_the_many_of_others(void **state)
{
    test_t *self = *state;
    nm_id_t first = s_send_to(self, 1, ADA);
    for (unsigned n = 0; n < 6; n++) {
        nm_buf_clear(&self->body);
        nm_writer_map(&self->body, 1);
        nm_writer_text(&self->body, "notifications");
        nm_writer_list(&self->body, 1000);
        for (unsigned i = 0; i < 1000; i++)
            nm_client_map(&self->body, "channel", "email", "user_id", BOB, "content", "x", NULL);
        assert_int_equal(nm_client_ask(self->client, "notifications.batch", nm_buf_bytes(&self->body))->status, 202);
    }
    nm_buf_clear(&self->body);
    const nm_bench_reply_t *reply = nm_client_ask(self->client, LIST, nm_client_map(&self->body, "user_id", ADA, NULL));
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    s_assert_item(reply->body, 0, &first);
    assert_string_equal(nm_client_text(reply->body, "next_cursor"), "");
    assert_int_equal(s_listed_of(self, BOB), 9);
    assert_int_equal(nm_bench_rows(self->bench, &nm_by_user_table), 6001);
}

static void
a_store_of_before_gets_its_lists_by_user(void **state)
{
    test_t *self = *state;
    s_send_to(self, 1, ADA);
    s_send_to(self, 2, BOB);
    s_send_to(self, 3, ADA);
    assert_int_equal(nm_store_update(nm_bench_store(self->bench), s_forget_places, NULL), NM_OK);
    nm_bench_restart(self->bench);
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    assert_int_equal(s_listed_of(self, ADA), 2);
    for (unsigned turn = 0; turn < 4 && !gateway->lists_by_user; turn++) {
        nm_bench_wait(self->bench, 50);
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    }
    assert_true(gateway->lists_by_user);
    assert_int_equal(nm_bench_rows(self->bench, &nm_by_user_table), 3);
    assert_int_equal(s_listed_of(self, ADA), 2);
    nm_bench_restart(self->bench);
    gateway = nm_bench_state(self->bench);
    assert_true(gateway->lists_by_user);
}

//  -- Dead letters

static void
dead_letters_of_all_keepers_make_one_list(void **state)
{
    test_t *self = *state;
    nm_id_t older = s_id(self, 0, 1), newer = s_id(self, 0, 2);
    uint64_t id = ASK(self, "dead_letters.list", "limit", "#1");
    assert_int_equal(nm_bench_asks(self->bench), 2);
    assert_string_equal(nm_client_text(s_asked_of(self, "deadletter-2")->body, "service_id"), self->client->service);
    s_answer(self, "deadletter-1", 200, s_page(self, &older, false));
    s_answer(self, "deadletter-2", 200, s_page(self, &newer, false));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    s_assert_item(reply->body, 0, &newer);
    char cursor[NM_CURSOR_TEXT_SIZE + 1];
    nm_cursor_text(&newer, cursor);
    assert_string_equal(nm_client_text(reply->body, "next_cursor"), cursor);
}

static void
a_keeper_that_is_away_is_named_and_without_any_it_is_503(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "deadletter-2");
    nm_bench_turn(self->bench);
    uint64_t id = ASK(self, "dead_letters.list", "limit", "#9");
    s_answer(self, "deadletter-1", 200, s_nothing(self));
    assert_string_equal(s_missing(s_reply(self, id)->body, 0), "deadletter-2");

    nm_bench_away(self->bench, "deadletter-1");
    nm_bench_turn(self->bench);
    id = ASK(self, "dead_letters.list", "limit", "#9");
    nm_bench_turn(self->bench);
    assert_int_equal(s_reply(self, id)->status, 503);
}

static void
what_a_keeper_finds_wrong_with_a_query_is_the_answer(void **state)
{
    test_t *self = *state;
    uint64_t id = ASK(self, "dead_letters.list", "colour", "red");
    s_answer(self, "deadletter-1", 422, s_map(self, "title", "Unprocessable Content"));
    s_answer(self, "deadletter-2", 503, nm_bytes(NULL, 0));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(reply->status, 422);
    assert_string_equal(nm_client_text(reply->body, "title"), "Unprocessable Content");
}

static void
the_keeper_that_has_a_letter_answers_for_it(void **state)
{
    test_t *self = *state;
    static const char *const OPS[] = { "dead_letters.get", "dead_letters.replay", "dead_letters.discard" };
    for (size_t i = 0; i < NM_COUNT(OPS); i++) {
        uint64_t id = ASK(self, OPS[i], "id", ADA);
        assert_int_equal(nm_bench_asks(self->bench), 2);
        s_answer(self, "deadletter-1", 404, s_map(self, "title", "Not Found"));
        s_answer(self, "deadletter-2", i == 1 ? 409 : 200, s_map(self, "id", ADA));
        assert_int_equal(s_reply(self, id)->status, i == 1 ? 409 : 200);
        assert_string_equal(nm_client_text(s_reply(self, id)->body, "id"), ADA);

        id = ASK(self, OPS[i], "id", ADA);
        s_answer(self, "deadletter-1", 404, s_map(self, "title", "Not Found"));
        s_answer(self, "deadletter-2", 404, s_map(self, "title", "Not Found"));
        assert_int_equal(s_reply(self, id)->status, 404);

        id = ASK(self, OPS[i], "id", ADA);
        s_answer(self, "deadletter-1", 404, s_map(self, "title", "Not Found"));
        s_answer(self, "deadletter-2", 503, nm_bytes(NULL, 0));
        assert_int_equal(s_reply(self, id)->status, 503);
    }
}

static nm_bytes_t
s_replayed(test_t *self, unsigned matched, bool more)
{
    nm_buf_clear(&self->answer);
    nm_writer_map(&self->answer, 3);
    nm_writer_pair_uint(&self->answer, "matched", matched);
    nm_writer_pair_uint(&self->answer, "replayed", matched);
    nm_writer_pair_bool(&self->answer, "more", more);
    return nm_buf_bytes(&self->answer);
}

static void
a_replay_of_many_shares_its_rate(void **state)
{
    test_t *self = *state;
    uint64_t id = ASK(self, "dead_letters.replay_many", "rate_per_second", "#5");
    assert_int_equal(nm_client_number(s_asked_of(self, "deadletter-1")->body, "rate_per_second"), 3);
    assert_int_equal(nm_client_number(s_asked_of(self, "deadletter-2")->body, "rate_per_second"), 2);
    s_answer(self, "deadletter-1", 202, s_replayed(self, 40, false));
    s_answer(self, "deadletter-2", 202, s_replayed(self, 2, true));
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "matched"), 42);
    assert_int_equal(nm_client_number(reply->body, "replayed"), 42);
    assert_int_equal(nm_client_raw(reply->body, "more").at[0], 0xc3);

    id = ASK(self, "dead_letters.replay_many", "rate_per_second", "#1");
    assert_int_equal(nm_bench_asks(self->bench), 1);  //  The other would make it two a second
    s_answer(self, "deadletter-1", 202, s_replayed(self, 1, false));
    assert_int_equal(nm_client_raw(s_reply(self, id)->body, "more").at[0], 0xc3);
}

static void
a_tenant_names_no_service_but_its_own(void **state)
{
    test_t *self = *state;
    char service[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(self->client, "rival", NULL, service, key);
    assert_int_equal(s_reply(self, ASK(self, "dead_letters.list", "service_id", service))->status, 404);
    ASK(self, "dead_letters.list", "service_id", self->client->service);
    assert_string_equal(nm_client_text(s_asked_of(self, "deadletter-1")->body, "service_id"), self->client->service);
    ASK_ADMIN(self, "dead_letters.list", "service_id", service);
    assert_string_equal(nm_client_text(s_asked_of(self, "deadletter-1")->body, "service_id"), service);
    ASK_ADMIN(self, "dead_letters.list", "limit", "#5");
    assert_int_equal(nm_client_raw(s_asked_of(self, "deadletter-1")->body, "service_id").size, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, nm_gateway_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_is_that_of_all_gateways),
        TEST(a_page_ends_where_the_first_gateway_has_more),
        TEST(a_gateway_that_is_away_is_named_in_the_page),
        TEST(a_gateway_that_falls_silent_or_talks_nonsense_is_missing),
        TEST(a_forgotten_gateway_is_not_asked),
        TEST(alone_nobody_is_asked),
        TEST(for_another_gateway_a_gateway_lists_its_own),
        TEST(a_faulty_query_is_refused_before_anybody_is_asked),
        TEST(the_few_of_a_user_are_found_among_the_many_of_others),
        TEST(a_store_of_before_gets_its_lists_by_user),
        TEST(dead_letters_of_all_keepers_make_one_list),
        TEST(a_keeper_that_is_away_is_named_and_without_any_it_is_503),
        TEST(what_a_keeper_finds_wrong_with_a_query_is_the_answer),
        TEST(the_keeper_that_has_a_letter_answers_for_it),
        TEST(a_replay_of_many_shares_its_rate),
        TEST(a_tenant_names_no_service_but_its_own),
    };
    return cmocka_run_group_tests_name("gateway gathers", tests, NULL, NULL);
}
