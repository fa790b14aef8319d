//  Notifications on two disks: this gateway as the owner, and as the keeper. The test plays gateway-2.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "actors/gateway/tables.h"
#include "tests/actors/gateway_test.h"
#include "tests/actors/sent.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CREATE "notifications.create"
#define BATCH "notifications.batch"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

typedef nm_gateway_test_t test_t;

//  `shop` wants two disks.
static void
s_patch(test_t *self, bool alone)
{
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 3);
    nm_writer_pair_text(&self->body, "id", self->client->service);
    nm_writer_pair_uint(&self->body, "accept", 2);
    nm_writer_pair_bool(&self->body, "accept_alone", alone);
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self->client, self->client->admin, "services.patch", nm_buf_bytes(&self->body));
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_client_number(reply->body, "accept"), 2);
}

static int
s_setup(void **state)
{
    test_t *self = nm_gateway_test_new(NULL);
    s_patch(self, false);
    nm_bench_forget(self->bench);
    *state = self;
    return 0;
}

static nm_bytes_t
s_email(test_t *self, unsigned n)
{
    nm_buf_clear(&self->body);
    return nm_client_email(&self->body, n);
}

static uint64_t
s_ask(test_t *self, const char *op, const char *key, nm_bytes_t body)
{
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->key));
    if (key)
        NM_PUT(&headers, ask_headers, idempotency_key, nm_text(key));
    uint64_t id = nm_bench_ask(self->bench, "", op, &headers, body);
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

static void
s_wait(test_t *self, int64_t ms)
{
    nm_bench_wait(self->bench, ms);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

static nm_copy_t
s_copy(test_t *self, size_t n)
{
    nm_copy_t copy;
    const nm_bench_mail_t *mail = nm_bench_sent(self->bench, NM_MAIL_COPY, n);
    assert_non_null(mail);
    assert_string_equal(mail->peer, "gateway-2");
    assert_int_equal(nm_record_decode(&nm_copy_shape, &copy, mail->body, NULL, ""), NM_OK);
    return copy;
}

static size_t
s_works(test_t *self)
{
    return nm_bench_mails(self->bench, NM_MAIL_WORK);
}

static size_t
s_copies(test_t *self)
{
    return nm_bench_mails(self->bench, NM_MAIL_COPY);
}

static size_t
s_listed(test_t *self)
{
    const nm_bench_reply_t *reply = nm_client_ask(self->client, "notifications.list", nm_bytes(NULL, 0));
    return nm_client_count(reply->body, "items");
}

//  -- The owner

static void
the_answer_waits_for_the_receipt_of_the_copy(void **state)
{
    test_t *self = *state;
    nm_bench_freeze(self->bench, "gateway-2", true);
    uint64_t id = s_ask(self, CREATE, NULL, s_email(self, 1));
    assert_null(nm_bench_reply(self->bench, id));
    assert_int_equal(s_works(self), 0);
    nm_copy_t copy = s_copy(self, 0);
    assert_true(nm_bytes_equal(copy.request, nm_buf_bytes(&self->body)));

    nm_bench_freeze(self->bench, "gateway-2", false);
    nm_bench_turn(self->bench);
    nm_bench_turn(self->bench);
    const nm_bench_reply_t *reply = s_reply(self, id);
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(&copy.notification, text);
    assert_int_equal(reply->status, 202);
    assert_string_equal(nm_client_text(reply->body, "id"), text);
    assert_int_equal(nm_client_number(reply->body, "copies"), 2);
    assert_int_equal(nm_client_number(reply->body, "hosts"), 1);
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 1);
    assert_int_equal(s_copies(self), 1);
    assert_int_equal(s_listed(self), 1);
}

static void
other_services_are_answered_as_ever(void **state)
{
    test_t *self = *state;
    const nm_bench_reply_t *reply = nm_client_ask_as(self->client, self->client->admin, CREATE, s_email(self, 1));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_raw(reply->body, "copies").size, 0);
    assert_int_equal(s_copies(self), 0);
}

static void
without_a_second_gateway_nothing_is_kept(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    assert_int_equal(s_reply(self, s_ask(self, CREATE, NULL, s_email(self, 1)))->status, 503);
    s_wait(self, 1000);
    assert_int_equal(s_works(self), 0);
    assert_int_equal(s_listed(self), 0);
}

static void
a_service_may_rather_have_one_disk_than_none(void **state)
{
    test_t *self = *state;
    s_patch(self, true);
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    const nm_bench_reply_t *reply = s_reply(self, s_ask(self, CREATE, NULL, s_email(self, 1)));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "copies"), 1);
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 1);
}

static void
a_gateway_that_drains_is_given_no_copies(void **state)
{
    test_t *self = *state;
    nm_peer_t *keeper =
        (nm_peer_t *) nm_directory_gateway(((nm_gateway_t *) nm_bench_state(self->bench))->directory, 2);
    keeper->draining = true;
    uint64_t id = s_ask(self, CREATE, NULL, s_email(self, 1));
    assert_int_equal(s_reply(self, id)->status, 503);
    assert_int_equal(s_copies(self), 0);
}

static void
a_copy_that_is_not_receipted_in_time_is_taken_back(void **state)
{
    test_t *self = *state;
    nm_bench_freeze(self->bench, "gateway-2", true);
    uint64_t id = s_ask(self, CREATE, NULL, s_email(self, 1));
    for (int i = 0; i < 4; i++) {
        nm_bench_freeze(self->bench, "gateway-2", true);
        s_wait(self, 1500);
    }
    assert_int_equal(s_reply(self, id)->status, 503);
    nm_bench_back(self->bench, "gateway-2");
    nm_bench_freeze(self->bench, "gateway-2", false);
    nm_bench_turn(self->bench);
    nm_bench_turn(self->bench);
    assert_int_equal(s_copies(self), 2);
    nm_copy_t made = s_copy(self, 0), ended = s_copy(self, 1);
    assert_true(nm_id_equal(&made.notification, &ended.notification));
    assert_true(ended.ended);
    assert_int_equal(ended.request.size, 0);
    assert_int_equal(s_works(self), 0);
    assert_int_equal(s_listed(self), 0);
}

static void
a_keeper_that_dies_meanwhile_is_not_waited_for(void **state)
{
    test_t *self = *state;
    nm_bench_freeze(self->bench, "gateway-2", true);
    uint64_t id = s_ask(self, CREATE, NULL, s_email(self, 1));
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    s_wait(self, 500);
    assert_int_equal(s_reply(self, id)->status, 503);
}

static void
after_a_crash_the_copy_is_taken_back_and_the_key_is_new(void **state)
{
    test_t *self = *state;
    char key[80];
    snprintf(key, sizeof key, "%s", nm_client_keyed(self->client, 1, "order"));
    nm_bench_freeze(self->bench, "gateway-2", true);
    s_ask(self, CREATE, key, s_email(self, 1));
    nm_id_t first = s_copy(self, 0).notification;
    nm_bench_freeze(self->bench, "gateway-2", false);
    nm_bench_restart(self->bench);
    nm_bench_turn(self->bench);
    size_t last = s_copies(self) - 1;
    nm_copy_t ended = s_copy(self, last);
    assert_true(ended.ended);
    assert_true(nm_id_equal(&ended.notification, &first));
    assert_int_equal(s_listed(self), 0);

    nm_bench_forget(self->bench);
    uint64_t id = s_ask(self, CREATE, key, s_email(self, 1));
    assert_int_equal(s_reply(self, id)->status, 202);
    uint64_t again = s_ask(self, CREATE, key, s_email(self, 1));
    assert_true(nm_bytes_equal(s_reply(self, again)->body, s_reply(self, id)->body));
    assert_int_equal(s_copies(self), 1);
    nm_bench_restart(self->bench);
    nm_bench_turn(self->bench);
    assert_int_equal(s_copies(self), 0);  //  What was accepted is not taken back
    assert_int_equal(s_listed(self), 1);
}

static nm_bytes_t
s_batch(test_t *self)
{
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_text(&self->body, "notifications");
    nm_writer_list(&self->body, 4);
    for (unsigned i = 0; i < 3; i++)
        nm_client_email(&self->body, i);
    nm_client_map(&self->body, "channel", "email", "recipient", "no address", "content", "x", NULL);
    return nm_buf_bytes(&self->body);
}

static void
all_of_a_batch_wait_for_their_copies(void **state)
{
    test_t *self = *state;
    nm_bench_freeze(self->bench, "gateway-2", true);
    uint64_t id = s_ask(self, BATCH, nm_client_keyed(self->client, 1, "night"), s_batch(self));
    assert_int_equal(s_copies(self), 3);
    assert_null(nm_bench_reply(self->bench, id));
    nm_bench_freeze(self->bench, "gateway-2", false);
    nm_bench_turn(self->bench);
    nm_bench_turn(self->bench);
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(nm_client_number(reply->body, "accepted"), 3);
    assert_int_equal(nm_client_number(reply->body, "rejected"), 1);
    assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 2), "copies"), 2);
    nm_bench_turn(self->bench);
    assert_int_equal(s_works(self), 3);
    assert_int_equal(s_copies(self), 3);
}

static void
a_batch_that_finds_no_keeper_is_503_with_a_key_and_item_by_item_without(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    assert_int_equal(
        s_reply(self, s_ask(self, BATCH, nm_client_keyed(self->client, 1, "night"), s_batch(self)))->status, 503);
    const nm_bench_reply_t *reply = s_reply(self, s_ask(self, BATCH, NULL, s_batch(self)));
    assert_int_equal(reply->status, 202);
    assert_int_equal(nm_client_number(reply->body, "rejected"), 4);
    assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 0), "status"), 503);
    assert_int_equal(nm_client_number(nm_client_item(reply->body, "items", 3), "status"), 422);
    assert_int_equal(s_listed(self), 0);
}

//  Both were asked for a copy; one of them is what the other says again.
static void
a_copy_that_turns_out_to_be_needless_is_taken_back(void **state)
{
    test_t *self = *state;
    char key[80];
    snprintf(key, sizeof key, "%s", nm_client_keyed(self->client, 1, "order"));
    nm_bench_freeze(self->bench, "gateway-2", true);
    uint64_t one = s_ask(self, CREATE, key, s_email(self, 1)), two = s_ask(self, CREATE, key, s_email(self, 1));
    assert_int_equal(s_copies(self), 2);
    nm_bench_freeze(self->bench, "gateway-2", false);
    for (int i = 0; i < 3; i++)
        nm_bench_turn(self->bench);
    assert_string_equal(nm_client_text(s_reply(self, one)->body, "id"), nm_client_text(s_reply(self, two)->body, "id"));
    assert_int_equal(s_copies(self), 3);
    assert_true(s_copy(self, 2).ended);
    nm_id_t kept = s_copy(self, 0).notification, ended = s_copy(self, 2).notification;
    assert_false(nm_id_equal(&kept, &ended));
    assert_int_equal(s_works(self), 1);
}

//  First the one that owned the key before, then the copy.
static void
a_new_gateway_asks_about_the_key_before_it_makes_a_copy(void **state)
{
    test_t *self = *state;
    char key[80];
    snprintf(key, sizeof key, "%s", nm_client_keyed(self->client, 1, "order"));
    nm_bench_since(self->bench, "gateway-2", nm_bench_now(self->bench) - 2 * DAY_MS);
    uint64_t id = s_ask(self, CREATE, key, s_email(self, 1));
    assert_int_equal(nm_bench_asks(self->bench), 1);
    assert_int_equal(s_copies(self), 0);
    nm_bench_answer(self->bench, nm_bench_asked(self->bench, 0)->id, "gateway-2", 404, nm_bytes(NULL, 0));
    nm_bench_turn(self->bench);
    assert_int_equal(s_reply(self, id)->status, 202);
    assert_int_equal(nm_client_number(s_reply(self, id)->body, "copies"), 2);
    assert_int_equal(nm_bench_asks(self->bench), 1);
    assert_int_equal(s_copies(self), 1);
}

static void
another_host_counts_as_one(void **state)
{
    test_t *self = *state;
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    nm_peer_t *other = (nm_peer_t *) nm_directory_find(gateway->directory, "gateway-2");
    static const struct {
        const char *mailbox;
        unsigned hosts;
    } CASES[] = {
        { "tcp://10.0.0.2:7004", 2 },  { "tcp://127.0.0.2:7004", 1 }, { "ipc:///run/nmesh/gateway-2", 1 },
        { "tcp://[fd00::2]:7004", 2 }, { "tcp://[::1]:7004", 1 },     { "tcp://localhost:7004", 1 },
    };
    for (unsigned i = 0; i < NM_COUNT(CASES); i++) {
        snprintf(other->actor.mailbox, sizeof other->actor.mailbox, "%s", CASES[i].mailbox);
        const nm_bench_reply_t *reply = s_reply(self, s_ask(self, CREATE, NULL, s_email(self, i)));
        assert_int_equal(nm_client_number(reply->body, "hosts"), CASES[i].hosts);
    }
}

static void
the_keeper_hears_of_every_event(void **state)
{
    test_t *self = *state;
    nm_id_t id = nm_client_send(self->client, 1);
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_QUEUED, 3);
    nm_client_tell(self->client, "email-2", &event);
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_EVENT), 1);
    nm_event_t told = nm_sent_event(self->bench, 0);
    assert_string_equal(nm_bench_sent(self->bench, NM_MAIL_EVENT, 0)->peer, "gateway-2");
    assert_true(nm_bytes_is(told.holder, "email-2"));
    assert_int_equal(told.kind, NM_EVENT_QUEUED);
    nm_client_tell(self->client, "email-2", &event);  //  Known already: nothing to tell
    assert_int_equal(nm_bench_mails(self->bench, NM_MAIL_EVENT), 1);
}

static void
the_keeper_hears_of_an_end_of_our_own(void **state)
{
    test_t *self = *state;
    nm_bench_away(self->bench, "router-1");
    nm_bench_away(self->bench, "router-2");
    nm_bench_turn(self->bench);
    nm_id_t id = nm_client_send(self->client, 1);
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(&id, text);
    nm_buf_clear(&self->body);
    uint64_t ask = s_ask(self, "notifications.cancel", NULL, nm_client_map(&self->body, "id", text, NULL));
    assert_int_equal(s_reply(self, ask)->status, 200);
    nm_event_t told = nm_sent_event(self->bench, 0);
    assert_int_equal(told.kind, NM_EVENT_CANCELLED);
    assert_int_equal(told.order, UINT32_MAX);
}

//  -- The keeper

typedef struct {
    const nm_table_t *table;
    nm_id_t id;
    nm_rc_t rc;
} s_look_t;

static nm_rc_t
s_look(nm_txn_t *txn, void *arg)
{
    s_look_t *look = arg;
    nm_bytes_t value;
    look->rc = nm_table_get(txn, look->table, nm_bytes(look->id.at, NM_ID_SIZE), &value);
    return NM_OK;
}

static bool
s_has(test_t *self, const nm_table_t *table, const nm_id_t *id)
{
    s_look_t look = { .table = table, .id = *id };
    assert_int_equal(nm_store_view(nm_bench_store(self->bench), s_look, &look), NM_OK);
    return look.rc == NM_OK;
}

static nm_id_t
s_id_of(test_t *self, uint16_t gateway, unsigned n)
{
    nm_id_maker_t maker = { .gateway = gateway };
    nm_id_t id;
    nm_id_make(&maker, nm_bench_now(self->bench), 1000 + n, &id);
    return id;
}

static void
s_mail_copy(test_t *self, const nm_id_t *id, bool ended)
{
    nm_copy_t copy = { .has = 0 };
    nm_id_t service;
    nm_id_from_text(nm_text(self->client->service), &service);
    NM_PUT(&copy, copy, notification, *id);
    if (ended)
        NM_PUT(&copy, copy, ended, true);
    else {
        NM_PUT(&copy, copy, service, service);
        NM_PUT(&copy, copy, correlation_id, nm_text("theirs"));
        NM_PUT(&copy, copy, request, s_email(self, 7));
    }
    nm_bench_record(self->bench, "gateway-2", NM_MAIL_COPY, &nm_copy_shape, &copy);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

static void
a_copy_is_kept_and_is_nobodys_business(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_id_of(self, 2, 1);
    s_mail_copy(self, &id, false);
    assert_true(s_has(self, &nm_copies_table, &id));
    assert_true(s_has(self, &nm_copy_contents_table, &id));
    assert_int_equal(s_listed(self), 0);
    assert_int_equal(s_works(self), 0);
    assert_int_equal(
        nm_client_number(nm_client_ask_as(self->client, NULL, "health.ready", nm_bytes(NULL, 0))->body, "backlog"), 0);
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(&id, text);
    nm_buf_clear(&self->body);
    s_ask(self, "notifications.get", NULL, nm_client_map(&self->body, "id", text, NULL));
    assert_int_equal(nm_bench_asks(self->bench), 2);  //  For its list before, and now as the owner
}

static void
a_copy_follows_to_the_end(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_id_of(self, 2, 1);
    s_mail_copy(self, &id, false);
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_QUEUED, 3);
    NM_PUT(&event, event, holder, nm_text("email-2"));
    nm_client_tell(self->client, "gateway-2", &event);
    assert_true(s_has(self, &nm_copy_contents_table, &id));
    event = nm_client_event(self->client, &id, NM_EVENT_SENT, 4);
    NM_PUT(&event, event, holder, nm_text("email-2"));
    nm_client_tell(self->client, "gateway-2", &event);
    assert_false(s_has(self, &nm_copy_contents_table, &id));
    assert_true(s_has(self, &nm_copies_table, &id));

    s_wait(self, 29 * DAY_MS);
    assert_true(s_has(self, &nm_copies_table, &id));
    s_wait(self, 2 * DAY_MS);
    assert_false(s_has(self, &nm_copies_table, &id));
}

//  It would take the second disk with it.
static void
a_keeper_is_not_drained_before_its_copies_have_ended(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_id_of(self, 2, 1);
    s_mail_copy(self, &id, false);
    nm_actor_drain(nm_bench_actor(self->bench));
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    assert_false(nm_actor_drained(nm_bench_actor(self->bench)));
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_EXPIRED, UINT32_MAX);
    nm_client_tell(self->client, "gateway-2", &event);
    assert_true(nm_actor_drained(nm_bench_actor(self->bench)));
}

static void
an_end_that_the_owner_gave_ends_the_copy(void **state)
{
    test_t *self = *state;
    nm_id_t id = s_id_of(self, 2, 1);
    s_mail_copy(self, &id, false);
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_EXPIRED, UINT32_MAX);
    nm_client_tell(self->client, "gateway-2", &event);
    assert_false(s_has(self, &nm_copy_contents_table, &id));
}

static void
what_was_taken_back_is_gone_also_if_it_comes_later(void **state)
{
    test_t *self = *state;
    nm_id_t one = s_id_of(self, 2, 1), two = s_id_of(self, 2, 2);
    s_mail_copy(self, &one, false);
    s_mail_copy(self, &one, true);
    s_mail_copy(self, &two, true);
    s_mail_copy(self, &two, false);
    assert_false(s_has(self, &nm_copies_table, &one));
    assert_false(s_has(self, &nm_copy_contents_table, &one));
    assert_false(s_has(self, &nm_copies_table, &two));
    assert_false(s_has(self, &nm_copy_contents_table, &two));
    assert_true(s_has(self, &nm_copy_ends_table, &two));
    s_wait(self, DAY_MS + 61000);
    assert_false(s_has(self, &nm_copy_ends_table, &two));
}

static void
a_gateway_gives_copies_of_its_own_alone(void **state)
{
    test_t *self = *state;
    nm_id_t ours = s_id_of(self, 1, 1), third = s_id_of(self, 3, 1);
    s_mail_copy(self, &ours, false);
    s_mail_copy(self, &third, false);
    assert_false(s_has(self, &nm_copies_table, &ours));
    assert_false(s_has(self, &nm_copies_table, &third));
}

static void
a_gateway_cannot_move_what_is_ours(void **state)
{
    test_t *self = *state;
    nm_id_t id = nm_client_send(self->client, 1);
    nm_event_t event = nm_client_event(self->client, &id, NM_EVENT_SENT, 4);
    nm_client_tell(self->client, "gateway-2", &event);
    assert_string_equal(nm_client_status(self->client, &id), "pending");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, nm_gateway_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_answer_waits_for_the_receipt_of_the_copy),
        TEST(other_services_are_answered_as_ever),
        TEST(without_a_second_gateway_nothing_is_kept),
        TEST(a_service_may_rather_have_one_disk_than_none),
        TEST(a_gateway_that_drains_is_given_no_copies),
        TEST(a_copy_that_is_not_receipted_in_time_is_taken_back),
        TEST(a_keeper_that_dies_meanwhile_is_not_waited_for),
        TEST(after_a_crash_the_copy_is_taken_back_and_the_key_is_new),
        TEST(all_of_a_batch_wait_for_their_copies),
        TEST(a_batch_that_finds_no_keeper_is_503_with_a_key_and_item_by_item_without),
        TEST(a_copy_that_turns_out_to_be_needless_is_taken_back),
        TEST(a_new_gateway_asks_about_the_key_before_it_makes_a_copy),
        TEST(another_host_counts_as_one),
        TEST(the_keeper_hears_of_every_event),
        TEST(the_keeper_hears_of_an_end_of_our_own),
        TEST(a_copy_is_kept_and_is_nobodys_business),
        TEST(a_copy_follows_to_the_end),
        TEST(a_keeper_is_not_drained_before_its_copies_have_ended),
        TEST(an_end_that_the_owner_gave_ends_the_copy),
        TEST(what_was_taken_back_is_gone_also_if_it_comes_later),
        TEST(a_gateway_gives_copies_of_its_own_alone),
        TEST(a_gateway_cannot_move_what_is_ours),
    };
    return cmocka_run_group_tests_name("gateway/copies", tests, NULL, NULL);
}
