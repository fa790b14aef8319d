//  About actors/user/reach.c: what a router is told of where users are reached.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/user/user.h"
#include "tests/actors/user_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char USER_2[] = "    user-2\n        role = \"user\"\n        mailbox = \"tcp://127.0.0.1:7200\"\n"
                             "        desk = \"tcp://127.0.0.1:7201\"\n";

typedef struct {
    nm_user_test_t of;
    char ada[NM_ID_TEXT_SIZE + 1], bob[NM_ID_TEXT_SIZE + 1], carol[NM_ID_TEXT_SIZE + 1];
    char club[NM_ID_TEXT_SIZE + 1];  //  Another service: carol's
} test_t;

static void
s_make(test_t *self, const char *key, nm_bytes_t body, char id[NM_ID_TEXT_SIZE + 1])
{
    nm_bench_reply_t made = nm_user_test_ask(&self->of, key, NULL, "users.create", body);
    assert_int_equal(made.status, 201);
    snprintf(id, NM_ID_TEXT_SIZE + 1, "%s", nm_client_text(made.body, "id"));
    nm_buf_clear(&self->of.body);
}

static int
s_setup(void **state)
{
    char key[NM_CLIENT_KEY_SIZE + 1];
    test_t *self = nm_user_test_new(sizeof *self);
    nm_client_service(self->of.client, "club", NULL, self->club, key);
    nm_bytes_t body = nm_client_map(&self->of.body, "email", "Ada@Example.org", "phone", "+491701234567", "language",
                                    "de-AT", "timezone", "Europe/Vienna", "name", "Ada", NULL);
    s_make(self, self->of.client->key, body, self->ada);
    body = nm_client_map(&self->of.body, "phone", "+4366012345", NULL);
    s_make(self, self->of.client->key, body, self->bob);
    body = nm_client_map(&self->of.body, "email", "carol@example.net", NULL);
    s_make(self, key, body, self->carol);
    nm_bench_forget(self->of.user);
    *state = self;
    return 0;
}

//  Asks as a router does. The answer is valid until the next.
static nm_bench_reply_t
s_reach(test_t *self, const char *service, const char *const *ids, size_t count)
{
    nm_buf_clear(&self->of.body);
    nm_writer_map(&self->of.body, 2);
    nm_writer_pair_text(&self->of.body, "service", service);
    nm_writer_text(&self->of.body, "ids");
    nm_writer_list(&self->of.body, count);
    for (size_t i = 0; i < count; i++)
        nm_writer_text(&self->of.body, ids[i]);
    uint64_t id = nm_bench_ask(self->of.user, "router-1", "users.reach", NULL, nm_buf_bytes(&self->of.body));
    assert_int_equal(nm_bench_turn(self->of.user), NM_OK);
    assert_non_null(nm_bench_reply(self->of.user, id));
    return *nm_bench_reply(self->of.user, id);
}

static void
says_where_each_user_of_the_service_is_reached(void **state)
{
    test_t *self = *state;
    const char *const ids[] = { self->ada, self->bob, self->carol, self->club, "nonsense" };
    nm_bench_reply_t reply = s_reach(self, self->of.client->service, ids, NM_COUNT(ids));
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
    nm_bytes_t body = nm_client_map(&self->of.body, "id", self->ada, "email", "countess@example.org", NULL);
    assert_int_equal(nm_user_test_ask(&self->of, self->of.client->key, NULL, "users.patch", body).status, 200);
    nm_bench_reply_t reply = s_reach(self, self->of.client->service, ids, 1);
    assert_string_equal(nm_client_text(nm_client_item(reply.body, "users", 0), "email"), "countess@example.org");

    nm_buf_clear(&self->of.body);
    body = nm_client_map(&self->of.body, "id", self->ada, NULL);
    assert_int_equal(nm_user_test_ask(&self->of, self->of.client->key, NULL, "users.delete", body).status, 204);
    reply = s_reach(self, self->of.client->service, ids, 1);
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
    assert_int_equal(s_reach(self, self->of.client->service, ids, NM_REACH_MAX).status, 200);
    assert_int_equal(s_reach(self, self->of.client->service, ids, NM_REACH_MAX + 1).status, 422);
    assert_int_equal(s_reach(self, "shop", ids, 1).status, 422);
    uint64_t id = nm_bench_ask(self->of.user, "router-1", "users.reach", NULL, nm_text("\x80"));
    assert_int_equal(nm_bench_turn(self->of.user), NM_OK);
    assert_int_equal(nm_bench_reply(self->of.user, id)->status, 422);
    assert_int_equal(s_reach(self, self->of.client->service, NULL, 0).status, 200);
}

//  A second user actor, which has heard nothing of the accounts yet: it does not say that there is no such user.
static void
is_not_sure_where_the_accounts_are_not_its_own(void **state)
{
    test_t *self = *state;
    const char *const ids[] = { self->ada };
    nm_bench_t *first = self->of.user;
    self->of.user = nm_bench_new(&nm_user_role, "user-2", USER_2);
    nm_bench_reply_t reply = s_reach(self, self->of.client->service, ids, 1);
    assert_int_equal(reply.status, 200);
    assert_int_equal(nm_client_count(reply.body, "users"), 0);
    assert_false(nm_reader_find_flag(reply.body, "sure"));
    nm_bench_destroy(&self->of.user);
    self->of.user = first;
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, nm_user_teardown)

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
