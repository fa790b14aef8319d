//  About actors/user/reach.c: what a router is told of where users are reached.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/user/user.h"
#include "tests/actors/gateway_client.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char USER_2[] = "    user-2\n        role = \"user\"\n        mailbox = \"tcp://127.0.0.1:7200\"\n"
                             "        desk = \"tcp://127.0.0.1:7201\"\n";

typedef struct {
    nm_client_t *client;
    nm_bench_t *user;
    char ada[NM_ID_TEXT_SIZE + 1], bob[NM_ID_TEXT_SIZE + 1], carol[NM_ID_TEXT_SIZE + 1];
    char club[NM_ID_TEXT_SIZE + 1];  //  Another service: carol's
    nm_buf_t body;
} test_t;

static nm_bytes_t
s_ask_as(test_t *self, const char *key, const char *op, nm_bytes_t body, unsigned status)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(key));
    uint64_t id = nm_bench_ask(self->user, "gateway-1", op, &headers, body);
    assert_int_equal(nm_bench_turn(self->user), NM_OK);
    assert_non_null(nm_bench_reply(self->user, id));
    assert_int_equal(nm_bench_reply(self->user, id)->status, status);
    return nm_bench_reply(self->user, id)->body;
}

static void
s_make(test_t *self, const char *key, nm_bytes_t body, char id[NM_ID_TEXT_SIZE + 1])
{
    snprintf(id, NM_ID_TEXT_SIZE + 1, "%s", nm_client_text(s_ask_as(self, key, "users.create", body, 201), "id"));
    nm_buf_clear(&self->body);
}

static int
s_setup(void **state)
{
    char key[NM_CLIENT_KEY_SIZE + 1];
    test_t *self = nm_alloc(sizeof *self);
    self->client = nm_client_new(NULL);
    self->user = self->client->user;
    nm_client_service(self->client, "club", NULL, self->club, key);
    nm_bytes_t body = nm_client_map(&self->body, "email", "Ada@Example.org", "phone", "+491701234567", "language",
                                    "de-AT", "timezone", "Europe/Vienna", "name", "Ada", NULL);
    s_make(self, self->client->key, body, self->ada);
    body = nm_client_map(&self->body, "phone", "+4366012345", NULL);
    s_make(self, self->client->key, body, self->bob);
    body = nm_client_map(&self->body, "email", "carol@example.net", NULL);
    s_make(self, key, body, self->carol);
    nm_bench_forget(self->user);
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    test_t *self = *state;
    nm_client_destroy(&self->client);
    nm_buf_free(&self->body);
    free(self);
    return 0;
}

//  Asks as a router does. The answer is valid until the next.
static nm_bench_reply_t
s_reach(test_t *self, const char *service, const char *const *ids, size_t count)
{
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 2);
    nm_writer_pair_text(&self->body, "service", service);
    nm_writer_text(&self->body, "ids");
    nm_writer_list(&self->body, count);
    for (size_t i = 0; i < count; i++)
        nm_writer_text(&self->body, ids[i]);
    uint64_t id = nm_bench_ask(self->user, "router-1", "users.reach", NULL, nm_buf_bytes(&self->body));
    assert_int_equal(nm_bench_turn(self->user), NM_OK);
    assert_non_null(nm_bench_reply(self->user, id));
    return *nm_bench_reply(self->user, id);
}

static void
says_where_each_user_of_the_service_is_reached(void **state)
{
    test_t *self = *state;
    const char *const ids[] = { self->ada, self->bob, self->carol, self->club, "nonsense" };
    nm_bench_reply_t reply = s_reach(self, self->client->service, ids, NM_COUNT(ids));
    assert_int_equal(reply.status, 200);
    assert_true(nm_reader_find_flag(reply.body, "sure"));
    assert_string_equal(nm_client_text(reply.body, "owner"), "user-1");
    assert_int_equal(nm_client_count(reply.body, "users"), 2);
    nm_bytes_t ada = nm_client_item(reply.body, "users", 0), bob = nm_client_item(reply.body, "users", 1);
    assert_string_equal(nm_client_text(ada, "id"), self->ada);
    assert_string_equal(nm_client_text(ada, "email"), "Ada@Example.org");
    assert_string_equal(nm_client_text(ada, "phone"), "+491701234567");
    assert_string_equal(nm_client_text(ada, "language"), "de-AT");
    assert_string_equal(nm_client_text(ada, "timezone"), "Europe/Vienna");
    assert_int_equal(nm_client_raw(ada, "name").size, 0);  //  Nobody there has a use for it
    assert_string_equal(nm_client_text(bob, "id"), self->bob);
    assert_string_equal(nm_client_text(bob, "phone"), "+4366012345");
    assert_int_equal(nm_client_raw(bob, "email").size, 0);

    const char *const carol[] = { self->carol };
    reply = s_reach(self, self->club, carol, 1);
    assert_int_equal(nm_client_count(reply.body, "users"), 1);
}

static void
says_the_latest_and_nothing_of_who_was_deleted(void **state)
{
    test_t *self = *state;
    const char *const ids[] = { self->ada };
    nm_bytes_t body = nm_client_map(&self->body, "id", self->ada, "email", "countess@example.org", NULL);
    s_ask_as(self, self->client->key, "users.patch", body, 200);
    nm_bench_reply_t reply = s_reach(self, self->client->service, ids, 1);
    assert_string_equal(nm_client_text(nm_client_item(reply.body, "users", 0), "email"), "countess@example.org");

    nm_buf_clear(&self->body);
    s_ask_as(self, self->client->key, "users.delete", nm_client_map(&self->body, "id", self->ada, NULL), 204);
    reply = s_reach(self, self->client->service, ids, 1);
    assert_int_equal(reply.status, 200);
    assert_true(nm_reader_find_flag(reply.body, "sure"));
    assert_int_equal(nm_client_count(reply.body, "users"), 0);
}

static void
refuses_a_question_that_is_none(void **state)
{
    test_t *self = *state;
    const char *ids[NM_REACH_MAX + 1];
    for (size_t i = 0; i < NM_COUNT(ids); i++)
        ids[i] = self->ada;
    assert_int_equal(s_reach(self, self->client->service, ids, NM_REACH_MAX).status, 200);
    assert_int_equal(s_reach(self, self->client->service, ids, NM_REACH_MAX + 1).status, 422);
    assert_int_equal(s_reach(self, "shop", ids, 1).status, 422);
    uint64_t id = nm_bench_ask(self->user, "router-1", "users.reach", NULL, nm_text("\x80"));
    assert_int_equal(nm_bench_turn(self->user), NM_OK);
    assert_int_equal(nm_bench_reply(self->user, id)->status, 422);
    assert_int_equal(s_reach(self, self->client->service, NULL, 0).status, 200);
}

//  A second user actor, which has heard nothing of the accounts yet: it does not say that there is no such user.
static void
is_not_sure_where_the_accounts_are_not_its_own(void **state)
{
    test_t *self = *state;
    const char *const ids[] = { self->ada };
    nm_bench_t *first = self->user;
    self->user = nm_bench_new(&nm_user_role, "user-2", USER_2);
    nm_bench_reply_t reply = s_reach(self, self->client->service, ids, 1);
    assert_int_equal(reply.status, 200);
    assert_int_equal(nm_client_count(reply.body, "users"), 0);
    assert_false(nm_reader_find_flag(reply.body, "sure"));
    nm_bench_destroy(&self->user);
    self->user = first;
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(says_where_each_user_of_the_service_is_reached),
        CLAIM(says_the_latest_and_nothing_of_who_was_deleted),
        CLAIM(refuses_a_question_that_is_none),
        CLAIM(is_not_sure_where_the_accounts_are_not_its_own),
    };
    return cmocka_run_group_tests_name("user/reach", tests, NULL, NULL);
}
