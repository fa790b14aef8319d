//  About actors/gateway/passing.c and actors/user/: a user actor that owns the books, and a gateway that follows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/gateway/gateway.h"
#include "actors/gateway/passing.h"
#include "actors/user/user.h"
#include "broker/book.h"
#include "tests/actors/gateway_client.h"
#include "tests/actors/relay.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char PROVIDERS[] = "providers\n"
                                "    box\n        kind = \"maildir\"\n        path = \"mail\"\n        priority = 5\n"
                                "    post\n        kind = \"smtp\"\n        host = \"post.test\"\n"
                                "        user = \"me\"\n        password_file = \"nowhere\"\n";

typedef struct {
    nm_relay_t relay;
    nm_bench_t *one;  //  user-1
    nm_bench_t *two;  //  gateway-2
} s_two_t;

static int
s_setup(void **state)
{
    s_two_t *self = nm_alloc(sizeof *self);
    self->one = nm_bench_new(&nm_user_role, "user-1", PROVIDERS);
    self->two = nm_bench_new(&nm_gateway_role, "gateway-2", PROVIDERS);
    nm_relay_add(&self->relay, "user-1", self->one);
    nm_relay_add(&self->relay, "gateway-2", self->two);
    nm_relay_run(&self->relay, 2500);
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    s_two_t *self = *state;
    nm_bench_destroy(&self->one);
    nm_bench_destroy(&self->two);
    free(self);
    return 0;
}

//  Asks as the operator and lets ms pass. Status 0: not answered yet.
static nm_bench_reply_t
s_ask(s_two_t *self, nm_bench_t *bench, const char *op, nm_bytes_t body, int64_t ms)
{
    uint64_t id = nm_bench_ask(bench, "operator", op, NULL, body);
    nm_relay_run(&self->relay, ms);
    const nm_bench_reply_t *reply = nm_bench_reply(bench, id);
    return reply ? *reply : (nm_bench_reply_t){ .status = 0 };
}

static nm_bench_reply_t
s_create(s_two_t *self, nm_bench_t *bench, const char *name, int64_t ms)
{
    nm_buf_t body = { 0 };
    nm_bench_reply_t reply = s_ask(self, bench, "services.create", nm_client_map(&body, "name", name, NULL), ms);
    nm_buf_free(&body);
    return reply;
}

static nm_bench_reply_t
s_get(s_two_t *self, nm_bench_t *bench, const char *id)
{
    nm_buf_t body = { 0 };
    nm_bench_reply_t reply = s_ask(self, bench, "services.get", nm_client_map(&body, "id", id, NULL), 25);
    nm_buf_free(&body);
    return reply;
}

static void
a_change_is_made_by_the_owner_and_read_where_it_was_asked(void **state)
{
    s_two_t *self = *state;
    nm_bench_reply_t made = s_create(self, self->two, "shop", 500);
    assert_int_equal(made.status, 201);
    assert_string_equal(nm_client_text(made.body, "name"), "shop");
    const char *id = nm_client_text(made.body, "id");
    assert_int_equal(s_get(self, self->two, id).status, 200);
    assert_int_equal(s_get(self, self->one, id).status, 200);
    assert_int_equal(s_create(self, self->two, "shop", 500).status, 409);
    assert_int_equal(s_create(self, self->two, "", 500).status, 422);
}

//  The owner has it and this gateway has not: an answer now would name what the asker cannot read here.
static void
no_answer_is_given_before_the_change_is_here(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 };
    uint64_t id =
        nm_bench_ask(self->two, "operator", "services.create", NULL, nm_client_map(&body, "name", "shop", NULL));
    assert_int_equal(nm_bench_turn(self->two), NM_OK);
    const nm_bench_asked_t *asked = nm_bench_asked(self->two, nm_bench_asks(self->two) - 1);
    assert_string_equal(asked->op, "services.create");
    assert_string_equal(asked->peer, "user-1");
    uint64_t there = nm_bench_ask(self->one, "gateway-2", asked->op, NULL, asked->body);
    assert_int_equal(nm_bench_turn(self->one), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(self->one, there);
    assert_int_equal(reply->status, 201);
    assert_string_not_equal(nm_client_text(reply->headers, "x-book-change"), "");
    nm_bench_answer_with(self->two, asked->id, "user-1", reply->status, reply->headers, reply->body);
    assert_int_equal(nm_bench_turn(self->two), NM_OK);
    assert_null(nm_bench_reply(self->two, id));
    nm_relay_run(&self->relay, 200);
    assert_non_null(nm_bench_reply(self->two, id));
    assert_int_equal(nm_bench_reply(self->two, id)->status, 201);
    nm_buf_free(&body);
}

//  It is there, and says why it cannot: that is handed on. Who is not there says nothing.
static void
what_the_owner_says_of_a_change_it_cannot_make_now_is_handed_on(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 }, problem = { 0 };
    static const char *const SAID[] = { "Too many sign in at once; try again.", NULL };
    for (size_t i = 0; i < NM_COUNT(SAID); i++) {
        nm_buf_clear(&body);
        uint64_t id =
            nm_bench_ask(self->two, "operator", "services.create", NULL, nm_client_map(&body, "name", "shop", NULL));
        assert_int_equal(nm_bench_turn(self->two), NM_OK);
        const nm_bench_asked_t *asked = nm_bench_asked(self->two, nm_bench_asks(self->two) - 1);
        nm_bytes_t said = SAID[i] ? nm_client_map(&problem, "detail", SAID[i], NULL) : nm_bytes(NULL, 0);
        nm_bench_answer(self->two, asked->id, "user-1", 503, said);
        assert_int_equal(nm_bench_turn(self->two), NM_OK);
        const nm_bench_reply_t *reply = nm_bench_reply(self->two, id);
        assert_non_null(reply);
        assert_int_equal(reply->status, 503);
        assert_string_equal(nm_client_text(reply->headers, "retry-after"), "1");
        if (SAID[i])
            assert_string_equal(nm_client_text(reply->body, "detail"), SAID[i]);
        else
            assert_non_null(strstr(nm_client_text(reply->body, "detail"), "is away"));
    }
    nm_buf_free(&body);
    nm_buf_free(&problem);
}

static void
while_the_owner_is_away_changes_are_503_and_reads_go_on(void **state)
{
    s_two_t *self = *state;
    nm_bench_reply_t made = s_create(self, self->one, "shop", 500);
    char id[37];
    snprintf(id, sizeof id, "%s", nm_client_text(made.body, "id"));
    self->relay.away[0] = true;
    assert_int_equal(s_create(self, self->two, "late", 25).status, 0);
    nm_relay_run(&self->relay, 4000);
    assert_int_equal(s_create(self, self->two, "later", 25).status, 503);  //  Known by now: at once
    assert_int_equal(s_get(self, self->two, id).status, 200);
    self->relay.away[0] = false;
    nm_relay_run(&self->relay, 4000);
    assert_int_equal(s_create(self, self->two, "late", 500).status, 201);
}

//  Not 429: to come again later would not help.
static void
a_change_that_is_far_too_large_has_its_faults_named(void **state)
{
    s_two_t *self = *state;
    static char name[NM_PASSING_BODY_MAX + 1];
    memset(name, 'x', sizeof name - 1);
    nm_bench_reply_t reply = s_create(self, self->two, name, 25);
    assert_int_equal(reply.status, 422);
    assert_string_equal(nm_client_text(nm_client_item(reply.body, "errors", 0), "pointer"), "/name");

    //  Fields of a newer version have no faults
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "name", "shop");
    nm_writer_uint(&body, 1000);
    nm_writer_text(&body, name);
    assert_int_equal(s_ask(self, self->two, "services.create", nm_buf_bytes(&body), 25).status, 413);
    nm_buf_free(&body);
}

//  They are counted when they are answered: all at once, they were as many guesses as places.
static void
no_more_sign_in_at_once_than_may_be_wrong(void **state)
{
    s_two_t *self = *state;
    enum { COUNT = NM_LOCKOUT_WRONG + 5 };
    uint64_t ids[COUNT];
    nm_buf_t body = { 0 };
    nm_bytes_t guess = nm_client_map(&body, "email", "ada@example.org", "password", "a guess", NULL);
    for (size_t i = 0; i < COUNT; i++)
        ids[i] = nm_bench_ask(self->two, "", "auth.login", NULL, guess);
    assert_int_equal(nm_bench_turn_once(self->two), NM_OK);
    for (size_t i = 0; i < COUNT; i++) {
        const nm_bench_reply_t *reply = nm_bench_reply(self->two, ids[i]);
        assert_int_equal(reply ? reply->status : 0, i < NM_LOCKOUT_WRONG ? 0 : 429);
    }
    nm_buf_free(&body);
}

static void
what_was_passed_on_once_is_not_passed_on_again(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 };
    nm_relay_forget(&self->relay);
    uint64_t id =
        nm_bench_ask(self->two, "gateway-1", "services.create", NULL, nm_client_map(&body, "name", "shop", NULL));
    assert_int_equal(nm_bench_turn(self->two), NM_OK);
    assert_int_equal(nm_bench_reply(self->two, id)->status, 503);
    for (size_t i = 0; i < nm_bench_asks(self->two); i++)
        assert_memory_equal(nm_bench_asked(self->two, i)->op, "book.", 5);
    nm_buf_free(&body);
}

static void
a_change_that_comes_too_early_waits_until_the_owner_has_looked_around(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 };
    self->relay.away[1] = true;  //  Nobody tells it
    nm_bench_restart(self->one);
    uint64_t id =
        nm_bench_ask(self->one, "operator", "services.create", NULL, nm_client_map(&body, "name", "early", NULL));
    nm_relay_run(&self->relay, 500);
    assert_null(nm_bench_reply(self->one, id));
    nm_relay_run(&self->relay, 700);
    assert_non_null(nm_bench_reply(self->one, id));
    assert_int_equal(nm_bench_reply(self->one, id)->status, 201);
    nm_buf_free(&body);
}

static nm_rc_t
s_begin(nm_txn_t *txn, void *arg)
{
    s_two_t *self = arg;
    nm_book_head_t head = { .number = 0 };
    nm_book_change_t change = { .key = nm_text("anything"), .value = nm_text("of then") };
    nm_book_begin(&head, "gateway-2", nm_store_id(nm_bench_store(self->two)), 1);
    return nm_book_apply(txn, "services", &head, &change);
}

//  A mesh from before there were user actors.
static void
a_gateway_that_still_owns_a_book_says_how_it_is_taken_over(void **state)
{
    s_two_t *self = *state;
    self->relay.away[0] = true;
    assert_int_equal(nm_store_update(nm_bench_store(self->two), s_begin, self), NM_OK);
    nm_bench_restart(self->two);
    nm_relay_run(&self->relay, 2500);
    nm_bench_reply_t reply = s_create(self, self->two, "shop", 25);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(nm_client_text(reply.body, "detail"), "nctl book promote"));
    self->relay.away[0] = false;
    nm_relay_run(&self->relay, 4000);
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "book", "services");
    nm_writer_pair_uint(&body, "round", 1);
    assert_int_equal(s_ask(self, self->one, "book.promote", nm_buf_bytes(&body), 2500).status, 200);
    assert_int_equal(s_create(self, self->two, "shop", 500).status, 201);
    nm_buf_free(&body);
}

//  -- Providers

//  {name, kind, config: {path}}
static nm_bytes_t
s_provider(nm_buf_t *out, const char *name, const char *path)
{
    size_t start = out->size;
    nm_writer_map(out, 3);
    nm_writer_pair_text(out, "name", name);
    nm_writer_pair_text(out, "kind", "maildir");
    nm_writer_text(out, "config");
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "path", path);
    return nm_bytes(out->at + start, out->size - start);
}

typedef struct {
    uint64_t number;
    uint32_t entry_count;
} s_stand_t;

static nm_rc_t
s_load_head(nm_txn_t *txn, void *arg)
{
    nm_book_head_t head;
    s_stand_t *stand = arg;
    nm_rc_t rc = nm_book_load(txn, "providers", &head);
    *stand = (s_stand_t){ head.number, head.entry_count };
    return rc;
}

static s_stand_t
s_stand(nm_bench_t *bench)
{
    s_stand_t stand;
    assert_int_equal(nm_store_view(nm_bench_store(bench), s_load_head, &stand), NM_OK);
    return stand;
}

static void
the_mesh_files_providers_are_shown_until_the_first_change_takes_them_over(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 };
    nm_bench_reply_t list = s_ask(self, self->two, "providers.list", nm_bytes(NULL, 0), 25);
    assert_int_equal(nm_client_count(list.body, "items"), 2);
    assert_int_equal(s_stand(self->one).number, 0);
    nm_bench_reply_t made = s_ask(self, self->two, "providers.create", s_provider(&body, "other", "p"), 500);
    assert_int_equal(made.status, 201);
    assert_int_equal(s_stand(self->one).number, 3);
    assert_int_equal(s_stand(self->two).entry_count, 3);
    list = s_ask(self, self->two, "providers.list", nm_bytes(NULL, 0), 25);
    assert_int_equal(nm_client_count(list.body, "items"), 3);
    assert_string_equal(nm_client_text(nm_client_item(list.body, "items", 0), "name"), "box");
    assert_int_equal(nm_client_number(nm_client_item(list.body, "items", 0), "priority"), 5);
    assert_int_equal(s_ask(self, self->one, "providers.create", s_provider(&body, "box", "p"), 25).status, 409);
    nm_buf_free(&body);
}

//  A cursor stands between two names, and goes on when the one before it is deleted, whether the file or the book counts.
static void
a_list_of_providers_goes_on_when_the_last_one_shown_is_deleted(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 };
    char cursor[128];
    nm_bytes_t page = nm_client_map(&body, "limit", "#1", NULL);
    nm_bench_reply_t list = s_ask(self, self->two, "providers.list", page, 25);
    assert_string_equal(nm_client_text(nm_client_item(list.body, "items", 0), "name"), "box");
    snprintf(cursor, sizeof cursor, "%s", nm_client_text(list.body, "next_cursor"));
    nm_buf_clear(&body);
    assert_int_equal(s_ask(self, self->two, "providers.delete", nm_client_map(&body, "name", "box", NULL), 500).status,
                     204);
    nm_buf_clear(&body);
    list = s_ask(self, self->two, "providers.list", nm_client_map(&body, "limit", "#1", "cursor", cursor, NULL), 25);
    assert_int_equal(list.status, 200);
    assert_int_equal(nm_client_count(list.body, "items"), 1);
    assert_string_equal(nm_client_text(nm_client_item(list.body, "items", 0), "name"), "post");
    static const char *const ODD[] = { "box", "after.",
                                       "after.a-name-that-is-longer-than-any-provider-of-ours-has-it-in-its-row" };
    for (size_t i = 0; i < NM_COUNT(ODD); i++) {
        nm_buf_clear(&body);
        page = nm_client_map(&body, "cursor", ODD[i], NULL);
        assert_int_equal(s_ask(self, self->two, "providers.list", page, 25).status, 400);
    }
    nm_buf_free(&body);
}

//  {name, config: {user: null, password_file: null, port: 2525}, is_active: false}
static void
a_patch_merges_and_null_clears(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 3);
    nm_writer_pair_text(&body, "name", "post");
    nm_writer_text(&body, "config");
    nm_writer_map(&body, 3);
    nm_writer_text(&body, "user");
    nm_writer_nil(&body);
    nm_writer_text(&body, "password_file");
    nm_writer_nil(&body);
    nm_writer_pair_uint(&body, "port", 2525);
    nm_writer_pair_bool(&body, "is_active", false);
    nm_bench_reply_t reply = s_ask(self, self->one, "providers.patch", nm_buf_bytes(&body), 25);
    assert_int_equal(reply.status, 200);
    nm_bytes_t config = nm_client_raw(reply.body, "config");
    assert_string_equal(nm_client_text(config, "host"), "post.test");
    assert_int_equal(nm_client_number(config, "port"), 2525);
    assert_int_equal(nm_client_raw(config, "user").size, 0);
    assert_int_equal(nm_client_raw(config, "password_file").size, 0);
    nm_buf_free(&body);
}

//  {name, config: {...}} with one setting.
static nm_bench_reply_t
s_patch_one(s_two_t *self, const char *name, const char *setting, const char *value)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "name", name);
    nm_writer_text(&body, "config");
    nm_writer_map(&body, 1);
    nm_writer_pair_text(&body, setting, value);
    nm_bench_reply_t reply = s_ask(self, self->one, "providers.patch", nm_buf_bytes(&body), 25);
    nm_buf_free(&body);
    return reply;
}

//  What a driver says of a value it cuts to a length, perhaps within a character: the answer stays a text.
static void
a_fault_that_quotes_half_a_character_can_be_read(void **state)
{
    s_two_t *self = *state;
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 3);
    nm_writer_pair_text(&body, "name", "odd");
    nm_writer_pair_text(&body, "kind", "smtp");
    nm_writer_text(&body, "config");
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "host", "post.test");
    nm_writer_pair_text(&body, "tls", "xжжжжжжжжжжжжжжжжжжжжжжжжжжжжжж");
    nm_bench_reply_t reply = s_ask(self, self->one, "providers.create", nm_buf_bytes(&body), 25);
    assert_int_equal(reply.status, 422);
    assert_int_equal(nm_reader_check(reply.body), NM_OK);
    nm_buf_free(&body);
}

static void
a_file_of_secrets_cannot_be_named_by_an_ask_and_one_of_the_mesh_file_stays(void **state)
{
    s_two_t *self = *state;
    nm_bench_reply_t refused = s_patch_one(self, "post", "password_file", "/etc/shadow");
    assert_int_equal(refused.status, 422);
    assert_string_equal(nm_client_text(nm_client_item(refused.body, "errors", 0), "pointer"), "/config/password_file");
    //  The file is not here, and need not be: whoever sends reads it
    nm_bench_reply_t patched = s_patch_one(self, "post", "host", "other.test");
    assert_int_equal(patched.status, 200);
    assert_string_equal(nm_client_text(nm_client_raw(patched.body, "config"), "password_file"), "nowhere");
    assert_int_equal(s_patch_one(self, "post", "password", "x").status, 422);  //  There is one already
}

static void
only_the_admin_changes_providers(void **state)
{
    (void) state;
    nm_buf_t body = { 0 };
    nm_client_t *client = nm_client_new(PROVIDERS);
    static const char *const OPS[] = { "providers.create", "providers.list", "providers.get", "providers.patch",
                                       "providers.delete" };
    for (size_t i = 0; i < NM_COUNT(OPS); i++)
        assert_int_equal(nm_client_ask(client, OPS[i], nm_client_map(&body, "name", "box", NULL))->status, 403);
    nm_client_destroy(&client);
    nm_buf_free(&body);
}

static void
a_service_that_asks_about_people_without_end_leaves_others_their_changes(void **state)
{
    s_two_t *self = *state;
    char key[NM_CLIENT_KEY_SIZE + 1];
    nm_buf_t body = { 0 };
    nm_bench_reply_t shop = s_create(self, self->two, "shop", 500);
    nm_client_map(&body, "service_id", nm_client_text(shop.body, "id"), NULL);
    nm_bench_reply_t made = s_ask(self, self->two, "keys.create", nm_buf_bytes(&body), 500);
    assert_int_equal(made.status, 201);
    snprintf(key, sizeof key, "%s", nm_client_text(made.body, "key"));

    nm_ask_headers_t headers = { .has = 0 };
    uint64_t last = 0;
    NM_PUT(&headers, ask_headers, api_key, nm_text(key));
    for (size_t i = 0; i <= NM_PASSING_COUNT; i++)
        last = nm_bench_ask(self->two, "", "users.list", &headers, nm_bytes(NULL, 0));
    nm_buf_clear(&body);
    uint64_t change =
        nm_bench_ask(self->two, "operator", "services.create", NULL, nm_client_map(&body, "name", "cafe", NULL));
    assert_int_equal(nm_bench_turn(self->two), NM_OK);
    assert_int_equal(nm_bench_reply(self->two, last)->status, 429);
    assert_null(nm_bench_reply(self->two, change));
    assert_string_equal(nm_bench_asked(self->two, nm_bench_asks(self->two) - 1)->op, "services.create");
    nm_buf_free(&body);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_change_is_made_by_the_owner_and_read_where_it_was_asked),
        CLAIM(no_answer_is_given_before_the_change_is_here),
        CLAIM(what_the_owner_says_of_a_change_it_cannot_make_now_is_handed_on),
        CLAIM(while_the_owner_is_away_changes_are_503_and_reads_go_on),
        CLAIM(a_change_that_is_far_too_large_has_its_faults_named),
        CLAIM(no_more_sign_in_at_once_than_may_be_wrong),
        CLAIM(a_service_that_asks_about_people_without_end_leaves_others_their_changes),
        CLAIM(what_was_passed_on_once_is_not_passed_on_again),
        CLAIM(a_change_that_comes_too_early_waits_until_the_owner_has_looked_around),
        CLAIM(a_gateway_that_still_owns_a_book_says_how_it_is_taken_over),
        CLAIM(the_mesh_files_providers_are_shown_until_the_first_change_takes_them_over),
        CLAIM(a_list_of_providers_goes_on_when_the_last_one_shown_is_deleted),
        CLAIM(a_patch_merges_and_null_clears),
        CLAIM(a_fault_that_quotes_half_a_character_can_be_read),
        CLAIM(a_file_of_secrets_cannot_be_named_by_an_ask_and_one_of_the_mesh_file_stays),
        cmocka_unit_test(only_the_admin_changes_providers),
    };
    return cmocka_run_group_tests_name("gateway/books", tests, NULL, NULL);
}
