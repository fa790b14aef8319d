//  About broker/exchange.c: how an actor evens out its directory with others, seen from one actor whose peers are played.
#include "tests/broker/check.h"

#include <sodium.h>
#include "broker/actor_private.h"
#include "broker/log.h"
#include "tests/broker/folder.h"
#include "wire/writer.h"

static unsigned s_role_replies;

static nm_rc_t
s_reply(void *state, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    (void) state, (void) turn, (void) reply;
    s_role_replies++;
    return NM_OK;
}

static unsigned s_role_dues;

static nm_rc_t
s_due(void *state, nm_turn_t *turn)
{
    (void) state, (void) turn;
    s_role_dues++;
    return NM_OK;
}

static const nm_role_t ROUTER = {
    .name = "router", .id = NM_ROLE_ROUTER, .reply = s_reply, .due = s_due, .every_turn = true
};

//  router-1 runs; the others of the folder's mesh are played.
typedef struct {
    folder_t folder;
    nm_mesh_t *mesh;
    nm_cert_t own;
    nm_cert_t others[3];
    nm_directory_t *directory;
    nm_metrics_t *metrics;
    nm_store_t *store;
    nm_actor_t *actor;
    nm_now_t now;
    bool tight, full;  //  What the store looks like, and what its commits find
    nm_output_t outputs[64];
    size_t output_count;
} fixture_t;

static void
s_forget_outputs(fixture_t *self)
{
    for (size_t i = 0; i < self->output_count; i++)
        nm_buf_free(&self->outputs[i].bytes);
    self->output_count = 0;
}

static void
s_turn(fixture_t *self, const nm_input_t *inputs, size_t count)
{
    assert_int_equal(nm_actor_turn(self->actor, inputs, count, self->now), NM_OK);
    s_forget_outputs(self);
    while (nm_actor_take(self->actor, &self->outputs[self->output_count]))
        self->output_count++;
}

static void
s_wait(fixture_t *self, int64_t ms)
{
    self->now.wall_ms += ms;
    self->now.mono_ms += ms;
}

static nm_rc_t
s_store_fault(void *arg, nm_store_point_t point)
{
    const fixture_t *self = arg;
    return (point == NM_STORE_AT_ROOM ? self->tight : self->full) ? NM_ERR_FULL : NM_OK;
}

static int
s_setup(void **state)
{
    static const nm_store_key_t KEY = { .number = 1, .secret = { 1, 2, 3 } };
    static const struct {
        const char *name;
        nm_role_id_t role;
    } OTHERS[] = { { "gateway-1", NM_ROLE_GATEWAY },
                   { "email-1", NM_ROLE_EMAIL },
                   { "deadletter-1", NM_ROLE_DEADLETTER } };
    fixture_t *self = nm_alloc(sizeof *self);
    const nm_table_t *tables[16];
    nm_error_t error = { "" };
    char path[256];
    folder_make(&self->folder);
    folder_certify(&self->folder, "router-1", NM_ROLE_ROUTER, &self->own);
    for (size_t i = 0; i < NM_COUNT(OTHERS); i++)
        folder_certify(&self->folder, OTHERS[i].name, OTHERS[i].role, &self->others[i]);
    self->mesh = nm_mesh_load(self->folder.path, &error);
    self->directory = nm_directory_new(self->mesh, FOLDER_NOW_MS, &error);
    self->metrics = nm_metrics_new();
    folder_path(&self->folder, "store", path);
    nm_store_config_t store = { .path = path,
                                .owner = "router-1",
                                .tables = tables,
                                .table_count = nm_actor_tables(&ROUTER, tables, NM_COUNT(tables)),
                                .keys = &KEY,
                                .key_count = 1,
                                .volatile_for_tests = true,
                                .fault = s_store_fault,
                                .fault_arg = self };
    self->store = nm_store_new(&store, &error);
    assert_string_equal(error.text, "");
    nm_directory_own_t own = { .actor = nm_mesh_find(self->mesh, "router-1"),
                               .cert = &self->own,
                               .store = *nm_store_id(self->store),
                               .epoch = 1 };
    assert_int_equal(nm_directory_enter(self->directory, &own), NM_OK);
    nm_actor_config_t config = {
        .role = &ROUTER,
        .setup = { .mesh = self->mesh, .directory = self->directory, .self = own.actor, .metrics = self->metrics },
        .store = self->store,
        .boot = 5,
        .seed = 7,
        .directory = self->directory,
    };
    self->now = (nm_now_t){ .wall_ms = FOLDER_NOW_MS, .mono_ms = 1000 };
    self->actor = nm_actor_new(&config, self->now, &error);
    s_role_replies = 0;
    *state = self;
    return self->actor ? 0 : -1;
}

static int
s_teardown(void **state)
{
    fixture_t *self = *state;
    s_forget_outputs(self);
    nm_actor_destroy(&self->actor);
    nm_store_destroy(&self->store);
    nm_directory_destroy(&self->directory);
    nm_metrics_destroy(&self->metrics);
    nm_mesh_destroy(&self->mesh);
    folder_remove(&self->folder);
    free(self);
    return 0;
}

//  -- What goes in and comes out

//  Asks as a peer; the status of the answer, and its body, a view into what came out.
static unsigned
s_ask(fixture_t *self, const char *peer, nm_role_id_t role, const char *op, nm_bytes_t body, nm_bytes_t *answer)
{
    nm_buf_t frame = { 0 };
    nm_ask_t ask = { 0 };
    NM_PUT(&ask, ask, id, 77);
    NM_PUT(&ask, ask, op, nm_text(op));
    if (body.size)
        NM_PUT(&ask, ask, body, body);
    nm_writer_map(&frame, 1);
    nm_writer_text(&frame, "asks");
    nm_writer_list(&frame, 1);
    nm_record_encode(&nm_ask_shape, &ask, NM_BY_NAME, &frame);
    nm_input_t input = { .kind = NM_IN_ASK, .peer = peer, .role = role, .bytes = nm_buf_bytes(&frame) };
    s_turn(self, &input, 1);
    nm_buf_free(&frame);
    for (size_t i = 0; i < self->output_count; i++) {
        nm_reply_frame_t replies;
        nm_list_t list;
        nm_bytes_t raw;
        nm_reply_t reply;
        if (self->outputs[i].kind != NM_OUT_REPLY)
            continue;
        assert_int_equal(
            nm_record_decode(&nm_reply_frame_shape, &replies, nm_buf_bytes(&self->outputs[i].bytes), NULL, ""), NM_OK);
        assert_int_equal(nm_list_open(&list, replies.replies), NM_OK);
        assert_int_equal(nm_list_next(&list, &raw), NM_OK);
        assert_int_equal(nm_record_decode(&nm_reply_shape, &reply, raw, NULL, ""), NM_OK);
        if (answer)
            *answer = reply.body;
        return (unsigned) reply.status;
    }
    return 0;
}

//  How many asks of that kind came out of the last turn; the last one's peer and number.
static size_t
s_asked(const fixture_t *self, const char *op, const nm_peer_t **peer, uint64_t *id)
{
    size_t count = 0;
    for (size_t i = 0; i < self->output_count; i++) {
        nm_ask_frame_t frame;
        nm_list_t list;
        nm_bytes_t raw;
        nm_ask_t ask;
        if (self->outputs[i].kind != NM_OUT_ASK)
            continue;
        assert_int_equal(nm_record_decode(&nm_ask_frame_shape, &frame, nm_buf_bytes(&self->outputs[i].bytes), NULL, ""),
                         NM_OK);
        assert_int_equal(nm_list_open(&list, frame.asks), NM_OK);
        while (nm_list_next(&list, &raw) == NM_OK) {
            assert_int_equal(nm_record_decode(&nm_ask_shape, &ask, raw, NULL, ""), NM_OK);
            if (!nm_bytes_is(ask.op, op))
                continue;
            count++;
            if (peer)
                *peer = self->outputs[i].peer;
            if (id)
                *id = ask.id;
        }
    }
    return count;
}

static bool
s_has_knock(const fixture_t *self)
{
    for (size_t i = 0; i < self->output_count; i++)
        if (self->outputs[i].kind == NM_OUT_KNOCK)
            return true;
    return false;
}

//  What a newcomer says of itself, as a knock.
static void
s_write_knock(const nm_cert_t *cert, nm_buf_t *out)
{
    nm_gossip_t *gossip = nm_gossip_new(cert->public_key, 0, NULL);
    uint8_t secret[NM_SIGN_SECRET_SIZE];
    nm_buf_t certificate = { 0 }, own = { 0 };
    nm_member_t member = { 0 };
    nm_knock_t knock = { 0 };
    bool news;
    assert_int_equal(nm_cert_sign_secret(cert, secret), NM_OK);
    nm_cert_to_record(cert, &certificate);
    NM_PUT(&member, member, certificate, nm_buf_bytes(&certificate));
    NM_PUT(&member, member, expires_at, 70000);
    NM_PUT(&member, member, host, nm_text("rack-7"));
    NM_PUT(&member, member, mailbox, nm_text("tcp://10.0.0.7:1"));
    NM_PUT(&member, member, desk, nm_text("tcp://10.0.0.7:2"));
    NM_PUT(&member, member, store, ((nm_id_t){ { 7 } }));
    NM_PUT(&member, member, epoch, 1);
    NM_PUT(&member, member, version, nm_text("0.1.0"));
    nm_gossip_say(gossip, &member, secret, (nm_now_t){ FOLDER_NOW_MS, 1 }, &news);
    assert_int_equal(nm_gossip_write_own(gossip, &own), NM_OK);
    NM_PUT(&knock, knock, member, nm_buf_bytes(&own));
    nm_record_encode(&nm_knock_shape, &knock, NM_BY_TAG, out);
    nm_buf_free(&own);
    nm_buf_free(&certificate);
    nm_gossip_destroy(&gossip);
}

//  Knocks under that key; the status of the welcome, 0 if there was none.
static unsigned
s_knock(fixture_t *self, const uint8_t key[NM_CURVE_KEY_SIZE], nm_bytes_t frame)
{
    nm_welcome_t welcome;
    nm_input_t input = { .kind = NM_IN_KNOCK, .peer = "", .client_key = key, .bytes = frame };
    s_turn(self, &input, 1);
    for (size_t i = 0; i < self->output_count; i++)
        if (self->outputs[i].kind == NM_OUT_REPLY) {
            assert_int_equal(
                nm_record_decode(&nm_welcome_shape, &welcome, nm_buf_bytes(&self->outputs[i].bytes), NULL, ""), NM_OK);
            return (unsigned) welcome.status;
        }
    return 0;
}

static void
s_write_statement(const fixture_t *self, const nm_cert_t *cert, const uint8_t *secret, nm_buf_t *out)
{
    nm_stated_t stated = { .kind = NM_STATED_REVOKE, .at_ms = FOLDER_NOW_MS };
    nm_statement_t statement = { 0 };
    nm_updates_t updates = { 0 };
    nm_buf_t text = { 0 }, list = { 0 };
    uint8_t signature[64];
    memcpy(stated.name, cert->name, sizeof stated.name);
    memcpy(stated.serial, cert->serial, sizeof stated.serial);
    nm_stated_write(&stated, &text);
    crypto_sign_detached(signature, NULL, text.at, text.size, secret ? secret : self->folder.authority_secret);
    NM_PUT(&statement, statement, text, nm_buf_bytes(&text));
    NM_PUT(&statement, statement, signature, nm_bytes(signature, sizeof signature));
    nm_writer_list(&list, 1);
    nm_record_encode(&nm_statement_shape, &statement, NM_BY_TAG, &list);
    NM_PUT(&updates, updates, statements, nm_buf_bytes(&list));
    nm_record_encode(&nm_updates_shape, &updates, NM_BY_TAG, out);
    nm_buf_free(&text);
    nm_buf_free(&list);
}

//  -- Claims

static void
says_who_it_is_and_asks_one_other_each_second(void **state)
{
    fixture_t *self = *state;
    const nm_peer_t *peer = NULL;
    uint64_t id;
    s_turn(self, NULL, 0);  //  What the first turn wanted
    assert_int_equal(s_asked(self, "directory.push", NULL, NULL), 3);
    assert_int_equal(s_asked(self, "directory.sync", &peer, &id), 1);
    s_wait(self, 100);
    s_turn(self, NULL, 0);
    assert_int_equal(s_asked(self, "directory.sync", NULL, NULL), 0);
    s_wait(self, 1200);
    s_turn(self, NULL, 0);
    assert_int_equal(s_asked(self, "directory.sync", NULL, NULL), 1);
}

static void
its_own_asks_are_no_business_of_the_role(void **state)
{
    fixture_t *self = *state;
    for (int i = 0; i < 10; i++) {  //  Nobody answers: each ends as 504
        s_wait(self, 1300);
        s_turn(self, NULL, 0);
    }
    assert_int_equal(s_role_replies, 0);
}

static void
answers_a_sync_with_what_the_asker_lacks(void **state)
{
    fixture_t *self = *state;
    nm_gossip_t *asker = nm_gossip_new(self->folder.authority, 0, NULL);
    nm_buf_t sync = { 0 };
    nm_bytes_t body;
    nm_updates_t updates;
    nm_gossip_write_sync(asker, &sync);
    assert_int_equal(s_ask(self, "email-1", NM_ROLE_EMAIL, "directory.sync", nm_buf_bytes(&sync), &body), 200);
    assert_int_equal(nm_record_decode(&nm_updates_shape, &updates, body, NULL, ""), NM_OK);
    nm_list_t list;
    assert_int_equal(nm_list_open(&list, updates.members), NM_OK);
    assert_int_equal(list.count, 1);  //  Itself
    assert_int_equal(s_ask(self, "email-1", NM_ROLE_EMAIL, "directory.sync", nm_bytes("\x80", 1), NULL), 400);
    assert_int_equal(s_ask(self, "email-1", NM_ROLE_EMAIL, "directory.push", nm_bytes("\xc0", 1), NULL), 400);
    nm_buf_free(&sync);
    nm_gossip_destroy(&asker);
}

static void
a_newcomer_at_the_lobby_is_in_and_the_others_hear_of_it(void **state)
{
    fixture_t *self = *state;
    nm_cert_t cert;
    nm_buf_t knock = { 0 };
    nm_cert_make(&cert, "sms-9", NM_ROLE_SMS, FOLDER_NOW_MS - 1000, FOLDER_NOW_MS + 1000000);
    nm_cert_sign(&cert, self->folder.authority_secret);
    s_write_knock(&cert, &knock);
    s_wait(self, 100);
    //  Not by one who has only heard what it says
    assert_int_equal(s_knock(self, self->others[0].public_key, nm_buf_bytes(&knock)), 403);
    assert_null(nm_directory_find(self->directory, "sms-9"));
    assert_int_equal(s_knock(self, cert.public_key, nm_buf_bytes(&knock)), 200);
    assert_int_equal(s_asked(self, "directory.push", NULL, NULL), 3);
    assert_non_null(nm_directory_admit(self->directory, cert.public_key, FOLDER_NOW_MS, NULL));
    //  Again: it may not have heard the answer
    assert_int_equal(s_knock(self, cert.public_key, nm_buf_bytes(&knock)), 200);
    nm_buf_free(&knock);
}

static void
the_lobby_answers_no_garbage_and_refuses_a_foreign_certificate(void **state)
{
    fixture_t *self = *state;
    nm_cert_t cert;
    nm_buf_t knock = { 0 };
    uint8_t authority[NM_SIGN_PUBLIC_SIZE], secret[NM_SIGN_SECRET_SIZE];
    crypto_sign_keypair(authority, secret);
    nm_cert_make(&cert, "sms-9", NM_ROLE_SMS, FOLDER_NOW_MS - 1000, FOLDER_NOW_MS + 1000000);
    nm_cert_sign(&cert, secret);
    s_write_knock(&cert, &knock);
    assert_int_equal(s_knock(self, cert.public_key, nm_buf_bytes(&knock)), 403);
    assert_int_equal(s_knock(self, cert.public_key, nm_text("\xc1")), 0);
    for (size_t size = 0; size < knock.size; size++)
        assert_int_equal(s_knock(self, cert.public_key, nm_bytes(knock.at, size)), 0);
    nm_buf_free(&knock);
}

static void
an_actor_that_nobody_answers_knocks_at_a_lobby(void **state)
{
    fixture_t *self = *state;
    s_wait(self, 1500);
    s_turn(self, NULL, 0);
    assert_false(s_has_knock(self));
    s_wait(self, 1500);
    s_turn(self, NULL, 0);
    assert_false(s_has_knock(self));  //  Nobody has a lobby
    ((nm_peer_t *) nm_directory_find(self->directory, "gateway-1"))->actor.lobby[0] = 't';
    s_wait(self, 5000);
    s_turn(self, NULL, 0);
    assert_true(s_has_knock(self));
}

//  That was its last word when this actor last heard of it; it may be back since.
static void
an_actor_that_nobody_answers_knocks_at_a_seed_that_had_left(void **state)
{
    fixture_t *self = *state;
    nm_peer_t *seed = (nm_peer_t *) nm_directory_find(self->directory, "gateway-1");
    seed->actor.lobby[0] = 't';
    seed->heard = seed->leaving = true;
    seed->life = NM_LIFE_GONE;
    s_wait(self, 5000);
    s_turn(self, NULL, 0);
    assert_true(s_has_knock(self));
}

//  It may drain for long, and hears only so that it has to stop.
static void
an_actor_that_drains_knocks_where_nobody_answers(void **state)
{
    fixture_t *self = *state;
    ((nm_peer_t *) nm_directory_find(self->directory, "gateway-1"))->actor.lobby[0] = 't';
    nm_actor_drain(self->actor);
    s_wait(self, 5000);
    s_turn(self, NULL, 0);
    assert_true(s_has_knock(self));
}

static void
an_operator_publishes_and_another_authority_does_not(void **state)
{
    fixture_t *self = *state;
    nm_buf_t good = { 0 }, bad = { 0 };
    nm_bytes_t body;
    uint8_t authority[NM_SIGN_PUBLIC_SIZE], secret[NM_SIGN_SECRET_SIZE];
    crypto_sign_keypair(authority, secret);
    s_write_statement(self, &self->others[1], secret, &bad);
    s_write_statement(self, &self->others[1], NULL, &good);
    s_wait(self, 100);
    assert_int_equal(s_ask(self, "anna", NM_ROLE_OPERATOR, "directory.publish", nm_buf_bytes(&bad), NULL), 422);
    assert_int_equal(s_ask(self, "anna", NM_ROLE_OPERATOR, "directory.publish", nm_bytes("\x80", 1), NULL), 422);
    assert_int_equal(s_ask(self, "email-1", NM_ROLE_EMAIL, "directory.publish", nm_buf_bytes(&good), NULL), 403);
    assert_true(nm_directory_find(self->directory, "email-1")->certified);
    assert_int_equal(s_ask(self, "anna", NM_ROLE_OPERATOR, "directory.publish", nm_buf_bytes(&good), &body), 200);
    assert_false(nm_directory_find(self->directory, "email-1")->certified);
    assert_int_equal(s_asked(self, "directory.push", NULL, NULL), 2);  //  Not to the one that is out
    assert_int_equal(s_ask(self, "anna", NM_ROLE_OPERATOR, "directory.publish", nm_buf_bytes(&good), &body), 200);
    assert_int_equal(s_asked(self, "directory.push", NULL, NULL), 0);  //  Known: no news
    nm_buf_free(&good);
    nm_buf_free(&bad);
}

static void
an_actor_whose_certificate_is_ended_stops(void **state)
{
    fixture_t *self = *state;
    nm_buf_t statement = { 0 };
    s_write_statement(self, &self->own, NULL, &statement);
    assert_int_equal(s_ask(self, "gateway-1", NM_ROLE_GATEWAY, "directory.push", nm_buf_bytes(&statement), NULL), 204);
    s_wait(self, 600);
    s_turn(self, NULL, 0);
    assert_int_equal(nm_actor_exit(self->actor), NM_ACTOR_EXIT_OUT);
    nm_buf_free(&statement);
}

//  What it begins now nobody would wait for, and others may have been given it.
static void
an_actor_whose_certificate_is_ended_starts_nothing(void **state)
{
    fixture_t *self = *state;
    nm_buf_t statement = { 0 };
    s_write_statement(self, &self->own, NULL, &statement);
    s_ask(self, "gateway-1", NM_ROLE_GATEWAY, "directory.push", nm_buf_bytes(&statement), NULL);
    s_role_dues = 0;
    s_wait(self, 600);
    s_ask(self, "gateway-1", NM_ROLE_GATEWAY, "directory.push", nm_buf_bytes(&statement), NULL);
    assert_int_equal(nm_actor_exit(self->actor), NM_ACTOR_EXIT_OUT);
    assert_int_equal(s_role_dues, 0);
    nm_buf_free(&statement);
}

static nm_rc_t
s_count_saved(nm_txn_t *txn, void *arg)
{
    *(uint64_t *) arg = nm_table_count(txn, &nm_directory_table);
    return NM_OK;
}

//  Members and statements on disk.
static uint64_t
s_saved(const fixture_t *self)
{
    uint64_t count = 0;
    assert_int_equal(nm_store_view(self->store, s_count_saved, &count), NM_OK);
    return count;
}

//  An operator who was answered does not publish it a second time.
static void
what_is_published_is_on_disk_even_where_the_store_is_tight(void **state)
{
    fixture_t *self = *state;
    nm_buf_t statement = { 0 };
    s_write_statement(self, &self->others[1], NULL, &statement);
    self->tight = true;
    s_wait(self, 200);
    assert_int_equal(s_ask(self, "anna", NM_ROLE_OPERATOR, "directory.publish", nm_buf_bytes(&statement), NULL), 200);
    assert_int_equal(s_saved(self), 1);
    nm_buf_free(&statement);
}

static void
a_member_of_a_turn_that_was_undone_is_saved_once_there_is_room(void **state)
{
    fixture_t *self = *state;
    nm_cert_t cert;
    nm_buf_t knock = { 0 };
    nm_cert_make(&cert, "email-7", NM_ROLE_EMAIL, FOLDER_NOW_MS - 2000, FOLDER_NOW_MS + 3000000);
    nm_cert_sign(&cert, self->folder.authority_secret);
    s_write_knock(&cert, &knock);
    nm_input_t input = {
        .kind = NM_IN_KNOCK, .peer = "", .client_key = cert.public_key, .bytes = nm_buf_bytes(&knock)
    };
    self->full = true;
    assert_int_equal(nm_actor_turn(self->actor, &input, 1, self->now), NM_ERR_FULL);
    self->full = false;
    self->tight = true;
    s_wait(self, 200);
    s_turn(self, NULL, 0);
    self->tight = false;
    s_wait(self, 200);
    s_turn(self, NULL, 0);
    assert_int_equal(s_saved(self), 1);
    nm_buf_free(&knock);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, s_setup, s_teardown)

int
main(void)
{
    nm_log_open("test", NM_LOG_CRITICAL);
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(says_who_it_is_and_asks_one_other_each_second),
        WITH_FIXTURE(its_own_asks_are_no_business_of_the_role),
        WITH_FIXTURE(answers_a_sync_with_what_the_asker_lacks),
        WITH_FIXTURE(a_newcomer_at_the_lobby_is_in_and_the_others_hear_of_it),
        WITH_FIXTURE(the_lobby_answers_no_garbage_and_refuses_a_foreign_certificate),
        WITH_FIXTURE(an_actor_that_nobody_answers_knocks_at_a_lobby),
        WITH_FIXTURE(an_actor_that_nobody_answers_knocks_at_a_seed_that_had_left),
        WITH_FIXTURE(an_actor_that_drains_knocks_where_nobody_answers),
        WITH_FIXTURE(an_operator_publishes_and_another_authority_does_not),
        WITH_FIXTURE(an_actor_whose_certificate_is_ended_stops),
        WITH_FIXTURE(an_actor_whose_certificate_is_ended_starts_nothing),
        WITH_FIXTURE(what_is_published_is_on_disk_even_where_the_store_is_tight),
        WITH_FIXTURE(a_member_of_a_turn_that_was_undone_is_saved_once_there_is_room),
    };
    return cmocka_run_group_tests_name("broker/exchange", tests, NULL, NULL);
}
