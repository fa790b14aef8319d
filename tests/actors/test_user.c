//  About actors/user/: keys that take each other's place, people who sign in, and what a gateway makes of their tokens.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/user/state.h"
#include "actors/user/user.h"
#include "broker/actor_private.h"
#include "broker/book_stage.h"
#include "lmdb_store/book.h"
#include "tests/actors/user_test.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define DAY_MS INT64_C(86400000)
#define PASSWORD "correct horse"

typedef nm_user_test_t test_t;

static int
s_setup(void **state)
{
    test_t *self = nm_user_test_new(sizeof *self);
    nm_bench_forget(self->user);
    *state = self;
    return 0;
}

static nm_bench_reply_t
s_ask(test_t *self, const char *op, nm_bytes_t body)
{
    return nm_user_test_ask(self, NULL, NULL, op, body);
}

//  What a gateway makes of the credentials: the status of an ask for a notification that there is not; 200 for 404.
static unsigned
s_at_gateway(test_t *self, const char *key, const char *token)
{
    char bearer[1100];
    nm_ask_headers_t headers = nm_user_test_headers(key, token, bearer);
    nm_buf_t body = { 0 };
    nm_bytes_t which = nm_client_map(&body, "id", "nothing", NULL);
    uint64_t id = nm_bench_ask(self->client->bench, "", "notifications.get", &headers, which);
    nm_buf_free(&body);
    assert_int_equal(nm_bench_turn(self->client->bench), NM_OK);
    assert_non_null(nm_bench_reply(self->client->bench, id));
    unsigned status = nm_bench_reply(self->client->bench, id)->status;
    return status == 404 ? 200 : status;
}

static void
s_wait(test_t *self, int64_t ms)
{
    nm_bench_wait(self->user, ms);
    nm_bench_wait(self->client->bench, ms);
    assert_int_equal(nm_bench_turn(self->user), NM_OK);
    nm_bench_follow_book(self->client->bench, self->user, "services");
    nm_bench_follow_book(self->client->bench, self->user, "sessions");
}

//  Makes a user of `shop` and returns its id, static.
static const char *
s_make_user(test_t *self, const char *email)
{
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "email", email, "password", PASSWORD, "name", "Ada", NULL);
    nm_bench_reply_t reply = nm_user_test_ask(self, self->client->key, NULL, "users.create", body);
    assert_int_equal(reply.status, 201);
    return nm_client_text(reply.body, "id");
}

static nm_bench_reply_t
s_login(test_t *self, const char *email, const char *password)
{
    nm_buf_clear(&self->body);
    return s_ask(self, "auth.login", nm_client_map(&self->body, "email", email, "password", password, NULL));
}

static void
s_get_token(test_t *self, const char *email, char token[1100])
{
    nm_bench_reply_t reply = s_login(self, email, PASSWORD);
    assert_int_equal(reply.status, 200);
    assert_string_equal(nm_client_text(reply.body, "token_type"), "Bearer");
    assert_int_equal(nm_client_number(reply.body, "expires_in"), 86400);
    snprintf(token, 1100, "%s", nm_client_text(reply.body, "access_token"));
}

//  -- Keys

static void
s_key_id(test_t *self, char id[37])
{
    nm_buf_clear(&self->body);
    nm_bench_reply_t list =
        s_ask(self, "keys.list", nm_client_map(&self->body, "service_id", self->client->service, NULL));
    snprintf(id, 37, "%s", nm_client_text(nm_client_item(list.body, "items", 0), "key_id"));
}

static void
a_rotated_key_works_until_its_overlap_is_over(void **state)
{
    test_t *self = *state;
    char id[37], key[NM_CLIENT_KEY_SIZE + 1];
    s_key_id(self, id);
    nm_buf_clear(&self->body);
    nm_bytes_t which =
        nm_client_map(&self->body, "service_id", self->client->service, "key_id", id, "overlap_seconds", "#60", NULL);
    nm_bench_reply_t rotated = s_ask(self, "keys.rotate", which);
    assert_int_equal(rotated.status, 201);
    assert_string_not_equal(nm_client_text(rotated.body, "key_id"), id);
    snprintf(key, sizeof key, "%s", nm_client_text(rotated.body, "key"));
    assert_int_equal(nm_client_count(rotated.body, "scopes"), 8);
    assert_int_equal(s_at_gateway(self, self->client->key, NULL), 200);
    assert_int_equal(s_at_gateway(self, key, NULL), 200);
    s_wait(self, 60000);
    assert_int_equal(s_at_gateway(self, self->client->key, NULL), 401);
    assert_int_equal(s_at_gateway(self, key, NULL), 200);
    nm_buf_clear(&self->body);
    which = nm_client_map(&self->body, "service_id", self->client->service, "key_id", id, NULL);
    assert_int_equal(s_ask(self, "keys.rotate", which).status, 404);  //  It is over
}

//  What shows a key that was good once is one that nobody has told yet, and not a guesser: others come from its address.
static void
a_key_that_has_ended_is_no_guess(void **state)
{
    test_t *self = *state;
    char id[37], service[37], key[NM_CLIENT_KEY_SIZE + 1];
    nm_client_service(self->client, "club", NULL, service, key);
    nm_bench_hear_owner(self->client->bench, "services");
    s_key_id(self, id);
    nm_buf_clear(&self->body);
    nm_bytes_t which =
        nm_client_map(&self->body, "service_id", self->client->service, "key_id", id, "overlap_seconds", "#60", NULL);
    assert_int_equal(s_ask(self, "keys.rotate", which).status, 201);
    s_wait(self, 60000);
    nm_bench_hear_owner(self->client->bench, "services");
    for (int i = 0; i < 25; i++)
        assert_int_equal(s_at_gateway(self, self->client->key, NULL), 401);
    assert_int_equal(s_at_gateway(self, key, NULL), 200);

    nm_buf_clear(&self->body);
    assert_int_equal(s_ask(self, "services.delete", nm_client_map(&self->body, "id", service, NULL)).status, 204);
    nm_bench_hear_owner(self->client->bench, "services");
    for (int i = 0; i < 25; i++)
        assert_int_equal(s_at_gateway(self, key, NULL), 401);
    assert_int_equal(s_at_gateway(self, self->client->admin, NULL), 200);
}

static void
without_an_overlap_the_old_key_ends_at_once_and_an_expired_one_is_forgotten(void **state)
{
    test_t *self = *state;
    char id[37];
    s_key_id(self, id);
    nm_buf_clear(&self->body);
    nm_bytes_t which =
        nm_client_map(&self->body, "service_id", self->client->service, "key_id", id, "overlap_seconds", "#0", NULL);
    assert_int_equal(s_ask(self, "keys.rotate", which).status, 201);
    assert_int_equal(s_at_gateway(self, self->client->key, NULL), 401);
    s_key_id(self, id);
    nm_buf_clear(&self->body);
    which = nm_client_map(&self->body, "service_id", self->client->service, "key_id", id, NULL);
    assert_int_equal(s_ask(self, "keys.rotate", which).status, 201);  //  A day
    nm_buf_clear(&self->body);
    which = nm_client_map(&self->body, "service_id", self->client->service, NULL);
    s_wait(self, 2 * DAY_MS);
    assert_int_equal(nm_client_count(s_ask(self, "keys.list", which).body, "items"), 2);
    s_wait(self, 7 * DAY_MS);
    assert_int_equal(nm_client_count(s_ask(self, "keys.list", which).body, "items"), 1);
}

static void
the_last_use_of_a_key_is_what_any_gateway_tells(void **state)
{
    test_t *self = *state;
    char id[37];
    s_key_id(self, id);
    static const char *const TOLD[] = { "2026-11-21T10:00:00.000Z", "2026-11-21T09:00:00.000Z" };
    for (size_t i = 0; i < NM_COUNT(TOLD); i++) {
        nm_buf_clear(&self->body);
        nm_writer_map(&self->body, 1);
        nm_writer_text(&self->body, "uses");
        nm_writer_list(&self->body, 1);
        nm_client_map(&self->body, "service", self->client->service, "id", id, "at", TOLD[i], NULL);
        assert_int_equal(s_ask(self, "keys.used", nm_buf_bytes(&self->body)).status, 204);
    }
    for (int lives = 0; lives < 2; lives++) {
        nm_buf_clear(&self->body);
        nm_bytes_t which = nm_client_map(&self->body, "service_id", self->client->service, NULL);
        nm_bytes_t key = nm_client_item(s_ask(self, "keys.list", which).body, "items", 0);
        assert_string_equal(nm_client_text(key, "last_used_at"), TOLD[0]);
        s_wait(self, 61000);
        nm_bench_restart(self->user);
        self->worked = 0;
    }
}

//  -- People

static void
who_signs_in_gets_a_token_that_a_gateway_takes_for_what_is_its_own(void **state)
{
    test_t *self = *state;
    char id[37], other[37], token[1100];
    snprintf(id, sizeof id, "%s", s_make_user(self, "Ada@Example.org"));
    snprintf(other, sizeof other, "%s", s_make_user(self, "bob@example.org"));
    s_get_token(self, "aDA@example.ORG", token);
    assert_int_equal(s_at_gateway(self, NULL, token), 200);

    nm_buf_clear(&self->body);
    nm_bench_reply_t shown =
        nm_user_test_ask(self, NULL, token, "users.get", nm_client_map(&self->body, "id", id, NULL));
    assert_int_equal(shown.status, 200);
    assert_string_equal(nm_client_text(shown.body, "email"), "Ada@Example.org");
    assert_int_equal(nm_client_raw(shown.body, "password").size, 0);
    nm_buf_clear(&self->body);
    assert_int_equal(
        nm_user_test_ask(self, NULL, token, "users.get", nm_client_map(&self->body, "id", other, NULL)).status, 404);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "users.list", nm_bytes(NULL, 0)).status, 403);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "services.list", nm_bytes(NULL, 0)).status, 403);
    nm_buf_clear(&self->body);
    nm_bytes_t patch = nm_client_map(&self->body, "id", id, "external_id", "7", NULL);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "users.patch", patch).status, 422);
    nm_buf_clear(&self->body);
    patch = nm_client_map(&self->body, "id", id, "timezone", "Europe/Berlin", NULL);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "users.patch", patch).status, 200);
    s_wait(self, DAY_MS);
    assert_int_equal(s_at_gateway(self, NULL, token), 401);
}

static void
who_signs_out_is_out_everywhere_and_the_book_forgets_it_in_time(void **state)
{
    test_t *self = *state;
    char token[1100], second[1100];
    s_make_user(self, "ada@example.org");
    s_get_token(self, "ada@example.org", token);
    s_get_token(self, "ada@example.org", second);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "auth.logout", nm_bytes(NULL, 0)).status, 204);
    assert_int_equal(s_at_gateway(self, NULL, token), 401);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "auth.logout", nm_bytes(NULL, 0)).status, 401);
    assert_int_equal(s_at_gateway(self, NULL, second), 200);
    nm_bench_restart(self->client->bench);
    assert_int_equal(s_at_gateway(self, NULL, token), 401);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "auth.logout", nm_bytes(NULL, 0)).status, 403);
}

static void
a_new_password_and_the_end_of_an_account_void_its_tokens(void **state)
{
    test_t *self = *state;
    char id[37], token[1100];
    snprintf(id, sizeof id, "%s", s_make_user(self, "ada@example.org"));
    s_get_token(self, "ada@example.org", token);
    nm_buf_clear(&self->body);
    nm_bytes_t patch = nm_client_map(&self->body, "id", id, "password", "another one", NULL);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "users.patch", patch).status, 200);
    assert_int_equal(s_at_gateway(self, NULL, token), 401);
    assert_int_equal(s_login(self, "ada@example.org", PASSWORD).status, 401);
    nm_bench_reply_t again = s_login(self, "ada@example.org", "another one");
    assert_int_equal(again.status, 200);
    snprintf(token, sizeof token, "%s", nm_client_text(again.body, "access_token"));
    assert_int_equal(s_at_gateway(self, NULL, token), 200);  //  In the same second
    nm_buf_clear(&self->body);
    nm_bytes_t which = nm_client_map(&self->body, "id", id, NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.delete", which).status, 204);
    assert_int_equal(s_at_gateway(self, NULL, token), 401);
    assert_int_equal(s_login(self, "ada@example.org", "another one").status, 401);
    s_make_user(self, "ada@example.org");  //  The address is free again
}

//  A word that is misspelt would else be a right that is missing, and nobody would know.
static void
a_scope_or_role_that_nobody_knows_is_named(void **state)
{
    test_t *self = *state;
    static const char *const ODD[] = { "notifications:wirte", "root" };
    for (size_t i = 0; i < NM_COUNT(ODD); i++) {
        const char *list = i ? "roles" : "scopes", *known = i ? "user" : "webhooks";
        nm_buf_clear(&self->body);
        nm_writer_map(&self->body, i ? 1 : 2);
        if (!i)
            nm_writer_pair_text(&self->body, "service_id", self->client->service);
        nm_writer_text(&self->body, list);
        nm_writer_list(&self->body, 2);
        nm_writer_text(&self->body, known);
        nm_writer_text(&self->body, ODD[i]);
        nm_bench_reply_t reply = nm_user_test_ask(self, self->client->admin, NULL, i ? "users.create" : "keys.create",
                                                  nm_buf_bytes(&self->body));
        assert_int_equal(reply.status, 422);
        assert_string_equal(nm_client_text(nm_client_item(reply.body, "errors", 0), "pointer"),
                            i ? "/roles/1" : "/scopes/1");
    }
}

//  Words, work and figures: nothing tells whether there is such an account.
static void
an_unknown_account_costs_what_a_wrong_password_does(void **state)
{
    test_t *self = *state;
    s_make_user(self, "ada@example.org");
    size_t before = self->worked;
    nm_bench_reply_t wrong = s_login(self, "ada@example.org", "wrong password");
    assert_int_equal(self->worked, before + 1);
    nm_bench_reply_t unknown = s_login(self, "eve@example.org", "wrong password");
    assert_int_equal(self->worked, before + 2);
    assert_int_equal(wrong.status, 401);
    assert_int_equal(unknown.status, 401);
    assert_string_equal(nm_client_text(wrong.body, "detail"), nm_client_text(unknown.body, "detail"));
    assert_int_equal(wrong.body.size, unknown.body.size);
}

static void
two_passwords_are_hashed_at_once_and_the_others_wait(void **state)
{
    test_t *self = *state;
    uint64_t ids[5];
    for (size_t i = 0; i < NM_COUNT(ids); i++) {
        nm_buf_clear(&self->body);
        nm_bytes_t body = nm_client_map(&self->body, "email", "eve@example.org", "password", "anything goes", NULL);
        ids[i] = nm_bench_ask(self->user, "gateway-1", "auth.login", NULL, body);
    }
    assert_int_equal(nm_bench_turn(self->user), NM_OK);
    assert_int_equal(nm_bench_effects(self->user) - self->worked, 2);
    nm_user_test_work(self);
    assert_int_equal(self->worked, NM_COUNT(ids));
    for (size_t i = 0; i < NM_COUNT(ids); i++)
        assert_int_equal(nm_bench_reply(self->user, ids[i])->status, 401);
}

static void
an_address_is_one_accounts_in_its_service_and_a_login_names_the_service_where_there_are_several(void **state)
{
    test_t *self = *state;
    char service[37], key[NM_CLIENT_KEY_SIZE + 1];
    s_make_user(self, "ada@example.org");
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "email", "ADA@example.org", "password", PASSWORD, NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.create", body).status, 409);
    nm_client_service(self->client, "club", NULL, service, key);
    assert_int_equal(nm_user_test_ask(self, key, NULL, "users.create", body).status, 201);
    //  Nobody learns that who has none of the passwords
    nm_bench_reply_t wrong = s_login(self, "ada@example.org", "wrong password");
    nm_bench_reply_t unknown = s_login(self, "eve@example.org", "wrong password");
    assert_int_equal(wrong.status, 401);
    assert_int_equal(unknown.status, 401);
    assert_int_equal(wrong.body.size, unknown.body.size);
    nm_bench_reply_t reply = s_login(self, "ada@example.org", PASSWORD);
    assert_int_equal(reply.status, 422);
    assert_string_equal(nm_client_text(nm_client_item(reply.body, "errors", 0), "pointer"), "/service");
    static const char *const NAMES[] = { "club", NULL };
    for (size_t i = 0; i < NM_COUNT(NAMES); i++) {
        nm_buf_clear(&self->body);
        body = nm_client_map(&self->body, "email", "ada@example.org", "password", PASSWORD, "service",
                             NAMES[i] ? NAMES[i] : service, NULL);
        assert_int_equal(s_ask(self, "auth.login", body).status, 200);
    }
}

static void
a_service_sees_its_own_users_and_makes_no_admins(void **state)
{
    test_t *self = *state;
    char id[37], service[37], key[NM_CLIENT_KEY_SIZE + 1];
    snprintf(id, sizeof id, "%s", s_make_user(self, "ada@example.org"));
    nm_client_service(self->client, "club", NULL, service, key);
    static const char *const OPS[] = { "users.get", "users.patch", "users.delete" };
    for (size_t i = 0; i < NM_COUNT(OPS); i++) {
        nm_buf_clear(&self->body);
        assert_int_equal(nm_user_test_ask(self, key, NULL, OPS[i], nm_client_map(&self->body, "id", id, NULL)).status,
                         404);
    }
    assert_int_equal(nm_client_count(nm_user_test_ask(self, key, NULL, "users.list", nm_bytes(NULL, 0)).body, "items"),
                     0);
    assert_int_equal(
        nm_client_count(nm_user_test_ask(self, self->client->key, NULL, "users.list", nm_bytes(NULL, 0)).body, "items"),
        1);
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "service_id", self->client->service, NULL);
    assert_int_equal(nm_user_test_ask(self, key, NULL, "users.list", body).status, 404);
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "roles");
    nm_writer_list(&self->body, 1);
    nm_writer_text(&self->body, "admin");
    nm_bench_reply_t refused =
        nm_user_test_ask(self, self->client->key, NULL, "users.create", nm_buf_bytes(&self->body));
    assert_int_equal(refused.status, 422);
    assert_string_equal(nm_client_text(nm_client_item(refused.body, "errors", 0), "pointer"), "/roles");
    nm_bench_reply_t made = s_ask(self, "users.create", nm_buf_bytes(&self->body));
    assert_int_equal(made.status, 201);
    assert_string_equal(nm_client_text(made.body, "service_id"), NM_ADMIN_SERVICE_TEXT);
}

static void
what_is_wrong_with_a_user_is_named(void **state)
{
    test_t *self = *state;
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "email", "nobody", "phone", "12", "language", "-", "timezone", "a b",
                                    "password", "short", NULL);
    nm_bench_reply_t reply = nm_user_test_ask(self, self->client->key, NULL, "users.create", body);
    assert_int_equal(reply.status, 422);
    assert_int_equal(nm_client_count(reply.body, "errors"), 5);
    assert_int_equal(nm_bench_effects(self->user), self->worked);  //  Nothing was hashed for it
}

static void
new_signing_keys_take_over_and_old_tokens_hold_for_the_overlap(void **state)
{
    test_t *self = *state;
    char first[1100], second[1100], third[1100];
    s_make_user(self, "ada@example.org");
    s_get_token(self, "ada@example.org", first);
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "algorithm", "HS256", "overlap_seconds", "#600", NULL);
    assert_int_equal(s_ask(self, "signing.rotate", body).status, 201);
    s_get_token(self, "ada@example.org", second);
    assert_int_equal(s_at_gateway(self, NULL, first), 200);
    assert_int_equal(s_at_gateway(self, NULL, second), 200);
    s_wait(self, 600000);
    assert_int_equal(s_at_gateway(self, NULL, first), 401);
    assert_int_equal(s_at_gateway(self, NULL, second), 200);
    nm_buf_clear(&self->body);
    body = nm_client_map(&self->body, "overlap_seconds", "#0", NULL);
    assert_int_equal(s_ask(self, "signing.rotate", body).status, 201);
    assert_int_equal(s_at_gateway(self, NULL, second), 401);
    s_get_token(self, "ada@example.org", third);
    nm_bench_restart(self->user);
    self->worked = 0;
    assert_int_equal(s_at_gateway(self, NULL, third), 200);
}

//  A key that ended has signed these once: whoever still has one is not guessing, and signs in again.
static void
tokens_of_a_signing_key_that_ended_are_old_and_no_guesses(void **state)
{
    test_t *self = *state;
    char first[1100], second[1100];
    s_make_user(self, "ada@example.org");
    s_get_token(self, "ada@example.org", first);
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "overlap_seconds", "#600", NULL);
    assert_int_equal(s_ask(self, "signing.rotate", body).status, 201);
    assert_int_equal(s_at_gateway(self, NULL, first), 200);
    nm_bench_wait(self->client->bench, 600000);  //  The gateway hears nothing that would tell it
    assert_int_equal(s_at_gateway(self, NULL, first), 401);
    s_wait(self, 600000);
    nm_bench_hear_owner(self->client->bench, "sessions");
    for (int i = 0; i < 25; i++)
        assert_int_equal(s_at_gateway(self, NULL, first), 401);
    s_get_token(self, "ada@example.org", second);
    assert_int_equal(s_at_gateway(self, NULL, second), 200);

    const nm_user_t *user = nm_bench_state(self->user);
    assert_int_equal(user->sessions.signer_count, 2);
    s_wait(self, DAY_MS);
    assert_int_equal(user->sessions.signer_count, 1);
}

static void
s_set_email(test_t *self, const char *id, const char *email)
{
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "id", id, "email", email, NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.patch", body).status, 200);
}

//  Tokens that are void fill their book: accounts stay as they are, and the actor goes on with all else.
static void
a_full_book_of_sessions_stops_nothing_but_what_needs_it(void **state)
{
    test_t *self = *state;
    char ada[NM_ID_TEXT_SIZE + 1];
    snprintf(ada, sizeof ada, "%s", s_make_user(self, "ada@example.org"));
    assert_int_equal(s_login(self, "ada@example.org", PASSWORD).status, 200);
    nm_book_head_t *head = &nm_books_find(nm_bench_actor(self->user), nm_text("sessions"))->head;
    uint32_t count = head->entry_count;
    head->entry_count = NM_BOOK_ENTRY_MAX;

    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "id", ada, "password", "new and longer", NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.patch", body).status, 503);
    nm_buf_clear(&self->body);
    body = nm_client_map(&self->body, "id", ada, NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.delete", body).status, 503);
    assert_int_equal(s_login(self, "ada@example.org", PASSWORD).status, 200);
    s_set_email(self, ada, "ada@example.net");

    head->entry_count = count;
    nm_buf_clear(&self->body);
    body = nm_client_map(&self->body, "id", ada, NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.delete", body).status, 204);
}

static nm_bench_reply_t
s_delete_user(test_t *self, const char *id)
{
    nm_buf_clear(&self->body);
    return s_ask(self, "users.delete", nm_client_map(&self->body, "id", id, NULL));
}

//  A service has its share of accounts and of void tokens, and then others still have theirs.
static void
one_service_cannot_use_up_the_places_of_others(void **state)
{
    test_t *self = *state;
    nm_user_t *user = nm_bench_state(self->user);
    nm_id_t shop;
    char service[37], key[NM_CLIENT_KEY_SIZE + 1], token[1100], ada[NM_ID_TEXT_SIZE + 1];
    assert_int_equal(nm_id_from_text(nm_text(self->client->service), &shop), NM_OK);
    nm_client_service(self->client, "club", NULL, service, key);
    snprintf(ada, sizeof ada, "%s", s_make_user(self, "ada@example.org"));
    s_get_token(self, "ada@example.org", token);
    while (nm_portions_may(&user->people.portions, &shop, NM_PEOPLE_MAX))
        nm_portions_take(&user->people.portions, &shop);
    while (nm_portions_may(&user->sessions.portions, &shop, 65000))
        nm_portions_take(&user->sessions.portions, &shop);

    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "email", "bob@example.org", "password", PASSWORD, NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.create", body).status, 507);
    nm_bench_reply_t made = nm_user_test_ask(self, key, NULL, "users.create", body);
    assert_int_equal(made.status, 201);
    char bob[NM_ID_TEXT_SIZE + 1];
    snprintf(bob, sizeof bob, "%s", nm_client_text(made.body, "id"));

    assert_int_equal(nm_user_test_ask(self, NULL, token, "auth.logout", nm_bytes(NULL, 0)).status, 503);
    assert_int_equal(s_delete_user(self, ada).status, 503);
    s_get_token(self, "bob@example.org", token);
    assert_int_equal(nm_user_test_ask(self, NULL, token, "auth.logout", nm_bytes(NULL, 0)).status, 204);
    assert_int_equal(s_delete_user(self, bob).status, 204);

    nm_bench_restart(self->user);  //  What is on the disk counts: nearly nothing
    self->worked = 0;
    user = nm_bench_state(self->user);
    assert_int_equal(user->people.portions.total, 1);
    assert_int_equal(user->sessions.portions.total, 2);
    assert_int_equal(s_delete_user(self, ada).status, 204);
    assert_int_equal(user->people.portions.total, 0);
    s_wait(self, DAY_MS + 3000);
    assert_int_equal(user->sessions.portions.total, 0);
}

//  Who never could sign in has no tokens to void.
static void
an_account_without_a_password_goes_without_a_trace(void **state)
{
    test_t *self = *state;
    const nm_user_t *user = nm_bench_state(self->user);
    char id[NM_ID_TEXT_SIZE + 1];
    nm_buf_clear(&self->body);
    nm_bench_reply_t made = nm_user_test_ask(self, self->client->key, NULL, "users.create",
                                             nm_client_map(&self->body, "email", "ada@example.org", NULL));
    assert_int_equal(made.status, 201);
    snprintf(id, sizeof id, "%s", nm_client_text(made.body, "id"));
    nm_buf_clear(&self->body);
    nm_bytes_t patch = nm_client_map(&self->body, "id", id, "password", PASSWORD, NULL);
    assert_int_equal(nm_user_test_ask(self, self->client->key, NULL, "users.patch", patch).status, 200);
    assert_int_equal(user->sessions.users.count, 0);
    assert_int_equal(s_delete_user(self, id).status, 204);
    assert_int_equal(user->sessions.users.count, 1);
}

//  Each change dates the next token a second ahead, and nobody takes tokens from a time that is far off.
static void
an_account_that_is_changed_again_and_again_still_gets_tokens_that_are_taken(void **state)
{
    test_t *self = *state;
    char id[NM_ID_TEXT_SIZE + 1], token[1100];
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "email", "root@example.org", "password", PASSWORD, NULL);
    nm_bench_reply_t made = s_ask(self, "users.create", body);
    assert_int_equal(made.status, 201);
    snprintf(id, sizeof id, "%s", nm_client_text(made.body, "id"));
    unsigned status = 200;
    for (int i = 0; i < 100 && status == 200; i++) {
        nm_buf_clear(&self->body);
        nm_writer_map(&self->body, 2);
        nm_writer_pair_text(&self->body, "id", id);
        nm_writer_text(&self->body, "roles");
        nm_writer_list(&self->body, 1);
        nm_writer_text(&self->body, i % 2 ? "user" : "admin");
        status = s_ask(self, "users.patch", nm_buf_bytes(&self->body)).status;
    }
    assert_int_equal(status, 503);
    s_get_token(self, "root@example.org", token);
    assert_int_equal(s_at_gateway(self, NULL, token), 200);
}

//  -- Copies

static const char USER_2[] = "    user-2\n        role = \"user\"\n        mailbox = \"tcp://127.0.0.1:7200\"\n"
                             "        desk = \"tcp://127.0.0.1:7201\"\n";

typedef struct {
    nm_bench_t *owner;
    nm_user_t *user;  //  Whose copy it is
    nm_stage_t stage;
    nm_txn_t *txn;
} copying_t;

static nm_rc_t
s_gather(nm_txn_t *txn, void *arg)
{
    copying_t *self = arg;
    nm_book_head_t head;
    nm_cursor_t cursor;
    nm_book_change_t entry = { .gone = false };
    nm_rc_t rc = nm_book_load(txn, NM_PEOPLE_BOOK, &head);
    nm_stage_open(&self->stage, &head);
    nm_book_open(&cursor, txn, NM_PEOPLE_BOOK, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while (rc == NM_OK && (rc = nm_book_next(&cursor, &entry.key, &entry.value)) == NM_OK)
        rc = nm_stage_add(&self->stage, &entry);
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_on_changed(void *arg, nm_bytes_t key)
{
    copying_t *self = arg;
    return nm_people_changed(&self->user->people, self->txn, key);
}

static nm_rc_t
s_take_over(nm_txn_t *txn, void *arg)
{
    copying_t *self = arg;
    nm_book_head_t head;
    size_t aside = 0;
    self->txn = txn;
    nm_rc_t rc = nm_store_view(nm_bench_store(self->owner), s_gather, self);
    if (rc == NM_OK)
        rc = nm_book_load(txn, NM_PEOPLE_BOOK, &head);
    if (rc == NM_OK)
        rc = nm_stage_apply(&self->stage, txn, NM_PEOPLE_BOOK, &head, head.number, s_on_changed, self, &aside);
    return rc;
}

//  As one does that lags too far behind for the list of changes.
static void
s_copy_people(nm_bench_t *bench, nm_bench_t *owner)
{
    copying_t copying = { .owner = owner, .user = nm_bench_state(bench) };
    assert_int_equal(nm_store_update(nm_bench_store(bench), s_take_over, &copying), NM_OK);
    nm_stage_free(&copying.stage);
}

typedef struct {
    const nm_people_t *people;
    nm_id_t service, id;
    const char *email;
} finding_t;

static nm_rc_t
s_find(nm_txn_t *txn, void *arg)
{
    finding_t *self = arg;
    return nm_people_find(self->people, txn, &self->service, nm_text(self->email), &self->id);
}

//  Who has this address, by the index of that copy; static.
static const char *
s_who(test_t *self, nm_bench_t *bench, const char *email)
{
    static char text[NM_ID_TEXT_SIZE + 1];
    const nm_user_t *user = nm_bench_state(bench);
    finding_t finding = { .people = &user->people, .email = email };
    assert_int_equal(nm_id_from_text(nm_text(self->client->service), &finding.service), NM_OK);
    if (nm_store_view(nm_bench_store(bench), s_find, &finding) != NM_OK)
        return "";
    nm_id_to_text(&finding.id, text);
    return text;
}

//  The entries of a whole copy come in the order of ids, not of changes: bob has the address before ada has left it.
static void
an_address_that_went_from_one_to_another_is_found_in_a_whole_copy(void **state)
{
    test_t *self = *state;
    char bob[NM_ID_TEXT_SIZE + 1], ada[NM_ID_TEXT_SIZE + 1];
    snprintf(bob, sizeof bob, "%s", s_make_user(self, "bob@example.org"));
    snprintf(ada, sizeof ada, "%s", s_make_user(self, "office@example.org"));
    nm_bench_t *second = nm_bench_new(&nm_user_role, "user-2", USER_2);
    s_copy_people(second, self->user);
    assert_string_equal(s_who(self, second, "office@example.org"), ada);
    s_set_email(self, ada, "ada@example.org");
    s_set_email(self, bob, "office@example.org");
    s_copy_people(second, self->user);
    assert_string_equal(s_who(self, second, "ada@example.org"), ada);
    assert_string_equal(s_who(self, second, "office@example.org"), bob);
    assert_string_equal(s_who(self, second, "bob@example.org"), "");
    nm_bench_destroy(&second);
}

//  -- Guessing, as the gateway sees it

static void
twenty_wrong_keys_lock_a_client_out_right_ones_too_and_a_restart_remembers(void **state)
{
    test_t *self = *state;
    char wrong[NM_CLIENT_KEY_SIZE + 1];
    snprintf(wrong, sizeof wrong, "%.33s%032d", self->client->key, 0);
    nm_bench_hear_owner(self->client->bench, "services");
    for (int i = 0; i < 19; i++)
        assert_int_equal(s_at_gateway(self, wrong, NULL), 401);
    assert_int_equal(s_at_gateway(self, NULL, NULL), 401);  //  A missing one is not counted
    assert_int_equal(s_at_gateway(self, self->client->key, NULL), 200);
    assert_int_equal(s_at_gateway(self, NULL, "not.a.token"), 401);
    assert_int_equal(s_at_gateway(self, self->client->key, NULL), 429);
    nm_bench_restart(self->client->bench);
    assert_int_equal(s_at_gateway(self, self->client->key, NULL), 429);
    s_wait(self, 7200000);
    assert_int_equal(s_at_gateway(self, self->client->key, NULL), 200);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, nm_user_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_rotated_key_works_until_its_overlap_is_over),
        CLAIM(a_key_that_has_ended_is_no_guess),
        CLAIM(without_an_overlap_the_old_key_ends_at_once_and_an_expired_one_is_forgotten),
        CLAIM(the_last_use_of_a_key_is_what_any_gateway_tells),
        CLAIM(who_signs_in_gets_a_token_that_a_gateway_takes_for_what_is_its_own),
        CLAIM(who_signs_out_is_out_everywhere_and_the_book_forgets_it_in_time),
        CLAIM(a_new_password_and_the_end_of_an_account_void_its_tokens),
        CLAIM(an_unknown_account_costs_what_a_wrong_password_does),
        CLAIM(two_passwords_are_hashed_at_once_and_the_others_wait),
        CLAIM(a_scope_or_role_that_nobody_knows_is_named),
        CLAIM(an_address_is_one_accounts_in_its_service_and_a_login_names_the_service_where_there_are_several),
        CLAIM(a_service_sees_its_own_users_and_makes_no_admins),
        CLAIM(what_is_wrong_with_a_user_is_named),
        CLAIM(new_signing_keys_take_over_and_old_tokens_hold_for_the_overlap),
        CLAIM(tokens_of_a_signing_key_that_ended_are_old_and_no_guesses),
        CLAIM(one_service_cannot_use_up_the_places_of_others),
        CLAIM(an_account_without_a_password_goes_without_a_trace),
        CLAIM(an_account_that_is_changed_again_and_again_still_gets_tokens_that_are_taken),
        CLAIM(a_full_book_of_sessions_stops_nothing_but_what_needs_it),
        CLAIM(an_address_that_went_from_one_to_another_is_found_in_a_whole_copy),
        CLAIM(twenty_wrong_keys_lock_a_client_out_right_ones_too_and_a_restart_remembers),
    };
    return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
