#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/router/reach.h"
#include "actors/router/router.h"
#include "tests/actors/sent.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const nm_id_t SHOP = { { 5, 6, 7 } }, CLUB = { { 8, 9 } };
static const nm_id_t ADA = { { 0xad, 0xa0 } }, BOB = { { 0xb0, 0xb0 } }, EVE = { { 0xee } };

static const char USER_2[] = "    user-2\n        role = \"user\"\n        mailbox = \"tcp://127.0.0.1:7200\"\n"
                             "        desk = \"tcp://127.0.0.1:7201\"\n";

static int
s_set_up(void **state, const char *settings)
{
    *state = nm_bench_new(&nm_router_role, "router-1", settings);
    return nm_bench_turn(*state) == NM_OK ? 0 : -1;
}

static int
s_setup(void **state)
{
    return s_set_up(state, NULL);
}

static int
s_setup_two(void **state)
{
    return s_set_up(state, USER_2);
}

static int
s_teardown(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_destroy(&bench);
    return 0;
}

//  -- Work

static nm_id_t
s_note(unsigned number)
{
    nm_id_maker_t maker = { .gateway = 1 };
    nm_id_t id;
    nm_id_make(&maker, INT64_C(1795219200000) + number, 4711, &id);
    return id;
}

typedef struct {
    nm_request_t request;
    nm_work_t work;
    nm_buf_t bytes;  //  What views in request are into
} sample_t;

static sample_t
s_sample(unsigned number, const nm_id_t *service, const nm_id_t *user)
{
    sample_t self = { .bytes = { 0 } };
    nm_buf_reserve(&self.bytes, 1024);
    NM_PUT(&self.request, request, channel, NM_CHANNEL_EMAIL);
    NM_PUT(&self.request, request, user_id, *user);
    NM_PUT(&self.request, request, content, nm_text("It weaves algebraic patterns."));
    NM_PUT(&self.work, work, notification, s_note(number));
    NM_PUT(&self.work, work, service, *service);
    NM_PUT(&self.work, work, generation, 0);
    NM_PUT(&self.work, work, created_at, INT64_C(1795219200000) + number);
    NM_PUT(&self.work, work, correlation_id, nm_text("corr-17"));
    return self;
}

static void
s_set_channels(sample_t *self, const char *const *channels, size_t count, nm_strategy_t strategy)
{
    size_t start = self->bytes.size;
    nm_writer_list(&self->bytes, count);
    for (size_t i = 0; i < count; i++)
        nm_writer_text(&self->bytes, channels[i]);
    self->request.has &= ~(UINT64_C(1) << NM_AT_request_channel);
    NM_PUT(&self->request, request, channels, nm_bytes(self->bytes.at + start, self->bytes.size - start));
    NM_PUT(&self->request, request, strategy, (uint8_t) strategy);
}

//  Queues it for the next turn.
static void
s_mail(nm_bench_t *bench, sample_t *self)
{
    nm_buf_t packed = { 0 };
    nm_record_encode(&nm_request_shape, &self->request, NM_BY_NAME, &packed);
    NM_PUT(&self->work, work, request, nm_buf_bytes(&packed));
    nm_bench_record(bench, "gateway-1", NM_MAIL_WORK, &nm_work_shape, &self->work);
    nm_buf_free(&packed);
    nm_buf_free(&self->bytes);
}

static void
s_mail_to(nm_bench_t *bench, unsigned number, const nm_id_t *service, const nm_id_t *user)
{
    sample_t sample = s_sample(number, service, user);
    s_mail(bench, &sample);
}

static void
s_turn(nm_bench_t *bench)
{
    assert_int_equal(nm_bench_turn(bench), NM_OK);
}

//  -- What is asked, and answers

static const nm_bench_asked_t *
s_asked(const nm_bench_t *bench, size_t n)
{
    const nm_bench_asked_t *asked = nm_bench_asked(bench, n);
    assert_non_null(asked);
    assert_string_equal(asked->op, "users.reach");
    return asked;
}

static size_t
s_id_count(const nm_bench_asked_t *asked)
{
    nm_bytes_t raw;
    nm_list_t list;
    assert_int_equal(nm_reader_find(asked->body, "ids", &raw), NM_OK);
    assert_int_equal(nm_list_open(&list, raw), NM_OK);
    return list.count;
}

static bool
s_names(const nm_bench_asked_t *asked, const nm_id_t *service, const nm_id_t *user)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_bytes_t raw, item, id;
    nm_list_t list;
    nm_reader_t reader;
    nm_id_to_text(service, text);
    if (!nm_bytes_is(nm_reader_find_text(asked->body, "service"), text))
        return false;
    nm_id_to_text(user, text);
    assert_int_equal(nm_reader_find(asked->body, "ids", &raw), NM_OK);
    assert_int_equal(nm_list_open(&list, raw), NM_OK);
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_reader_open(&reader, item);
        if (nm_reader_str(&reader, &id) == NM_OK && nm_bytes_is(id, text))
            return true;
    }
    return false;
}

//  {users: [user] or [], sure, owner}; email and phone may be NULL, owner "" for none.
static void
s_pack_answer(nm_buf_t *out, const nm_id_t *user, const char *email, const char *phone, bool sure, const char *owner)
{
    nm_writer_map(out, 3);
    nm_writer_text(out, "users");
    nm_writer_list(out, user ? 1 : 0);
    if (user) {
        nm_writer_map(out, 3);
        nm_writer_pair_id(out, "id", user);
        nm_writer_pair_text(out, email ? "email" : "mood", email ? email : "good");
        nm_writer_pair_text(out, phone ? "phone" : "shoe_size", phone ? phone : "43");
    }
    nm_writer_pair_bool(out, "sure", sure);
    nm_writer_pair_text(out, "owner", owner);
}

//  Answers the n-th ask as the owner, and runs the turn.
static void
s_tell(nm_bench_t *bench, size_t n, const nm_id_t *user, const char *email, const char *phone)
{
    nm_buf_t body = { 0 };
    const nm_bench_asked_t *asked = s_asked(bench, n);
    s_pack_answer(&body, user, email, phone, true, "");
    nm_bench_answer(bench, asked->id, asked->peer, 200, nm_buf_bytes(&body));
    s_turn(bench);
    nm_buf_free(&body);
}

static void
s_fail(nm_bench_t *bench, size_t n, unsigned status)
{
    const nm_bench_asked_t *asked = s_asked(bench, n);
    nm_bench_answer(bench, asked->id, asked->peer, status, nm_bytes(NULL, 0));
    s_turn(bench);
}

//  -- What came of it

static uint64_t
s_backlog(nm_bench_t *bench, int64_t *oldest_ms)
{
    uint64_t count = UINT64_MAX;
    nm_router_role.backlog(nm_bench_state(bench), &count, oldest_ms);
    return count;
}

static void
s_expect_nothing_left(nm_bench_t *bench)
{
    int64_t oldest_ms;
    assert_int_equal(nm_bench_rows(bench, &nm_unreached_table), 0);
    assert_int_equal(nm_bench_rows(bench, &nm_unreached_work_table), 0);
    assert_int_equal(nm_bench_rows(bench, &nm_unreached_ends_table), 0);
    assert_int_equal(s_backlog(bench, &oldest_ms), 0);
    assert_int_equal(oldest_ms, 0);
}

//  -- Claims: asking

static void
asks_where_a_user_is_reached_and_then_delivers(void **state)
{
    nm_bench_t *bench = *state;
    int64_t oldest_ms;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 0);
    assert_int_equal(nm_bench_asks(bench), 1);
    assert_true(s_names(s_asked(bench, 0), &SHOP, &ADA));
    assert_int_equal(s_backlog(bench, &oldest_ms), 1);
    assert_int_equal(oldest_ms, INT64_C(1795219200001));

    s_tell(bench, 0, &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, 0), 1);
    nm_delivery_t delivery = nm_sent_delivery(bench, 0);
    nm_id_t id = s_note(1);
    assert_true(nm_id_equal(&delivery.notification, &id));
    assert_true(nm_bytes_is(delivery.recipient, "ada@example.org"));
    assert_true(nm_bytes_is(delivery.content, "It weaves algebraic patterns."));
    assert_int_equal(nm_bench_asks(bench), 1);
    s_expect_nothing_left(bench);
}

static void
asks_about_all_that_came_in_a_turn_at_once(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_mail_to(bench, 2, &CLUB, &ADA);
    s_mail_to(bench, 3, &SHOP, &BOB);
    s_mail_to(bench, 4, &SHOP, &ADA);
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 2);
    size_t shop = s_names(s_asked(bench, 0), &SHOP, &ADA) ? 0 : 1;
    assert_int_equal(s_id_count(s_asked(bench, shop)), 2);
    assert_true(s_names(s_asked(bench, shop), &SHOP, &BOB));
    assert_int_equal(s_id_count(s_asked(bench, 1 - shop)), 1);
    assert_true(s_names(s_asked(bench, 1 - shop), &CLUB, &ADA));

    s_tell(bench, shop, &ADA, "ada@shop.test", NULL);  //  Bob is not known there
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 2);
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_NO_RECIPIENT);
    s_tell(bench, 1 - shop, &ADA, "ada@club.test", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 3);
    assert_true(nm_bytes_is(nm_sent_delivery(bench, 2).recipient, "ada@club.test"));
    assert_int_equal(nm_bench_asks(bench), 2);
    s_expect_nothing_left(bench);
}

//  What comes while an answer is on its way shares the next ask, and that answer is no older than it.
static void
asks_once_for_a_burst_to_one_user(void **state)
{
    nm_bench_t *bench = *state;
    for (unsigned i = 0; i < 150; i++)
        s_mail_to(bench, i, &SHOP, &ADA);
    s_turn(bench);
    for (unsigned i = 150; i < 300; i++) {
        s_mail_to(bench, i, &SHOP, &ADA);
        s_turn(bench);
    }
    assert_int_equal(nm_bench_asks(bench), 1);
    s_tell(bench, 0, &ADA, "old@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 150);
    assert_int_equal(nm_bench_asks(bench), 2);
    assert_int_equal(s_id_count(s_asked(bench, 1)), 1);
    s_tell(bench, 1, &ADA, "new@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 300);
    assert_true(nm_bytes_is(nm_sent_delivery(bench, 299).recipient, "new@example.org"));
    s_expect_nothing_left(bench);
}

static void
asks_about_no_more_than_a_round_holds_and_goes_on(void **state)
{
    nm_bench_t *bench = *state;
    enum { COUNT = NM_REACH_MAX + 50 };
    for (unsigned i = 0; i < COUNT; i++) {
        nm_id_t user = { { 0xad, (uint8_t) (i >> 8), (uint8_t) i } };
        s_mail_to(bench, i, &SHOP, &user);
    }
    s_turn(bench);
    assert_int_equal(s_id_count(s_asked(bench, 0)), NM_REACH_MAX);
    s_tell(bench, 0, NULL, NULL, NULL);
    assert_int_equal(s_id_count(s_asked(bench, 1)), COUNT - NM_REACH_MAX);
    s_tell(bench, 1, NULL, NULL, NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), COUNT);
    s_expect_nothing_left(bench);
}

//  -- Claims: what an answer makes

static void
takes_the_first_channel_on_which_the_user_is_reached(void **state)
{
    static const char *const CHANNELS[] = { "push", "email" };
    nm_bench_t *bench = *state;
    sample_t sample = s_sample(1, &SHOP, &ADA);
    s_set_channels(&sample, CHANNELS, 2, NM_STRATEGY_FIRST);
    s_mail(bench, &sample);
    s_turn(bench);
    s_tell(bench, 0, &ADA, "ada@example.org", "+491701234567");
    assert_int_equal(nm_bench_mails(bench, 0), 1);
    assert_int_equal(nm_sent_delivery(bench, 0).channel, NM_CHANNEL_EMAIL);
}

static void
serves_each_channel_on_which_the_user_is_reached(void **state)
{
    static const char *const CHANNELS[] = { "email", "push" };
    nm_bench_t *bench = *state;
    sample_t sample = s_sample(1, &SHOP, &ADA);
    s_set_channels(&sample, CHANNELS, 2, NM_STRATEGY_ALL);
    s_mail(bench, &sample);
    s_turn(bench);
    s_tell(bench, 0, &ADA, "ada@example.org", NULL);
    assert_true(nm_bytes_is(nm_sent_delivery(bench, 0).recipient, "ada@example.org"));
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_NO_RECIPIENT);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_EVENT), 2);  //  How many there are; the end of one
}

static void
buries_what_is_for_a_user_without_that_address(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    s_tell(bench, 0, &ADA, NULL, "+491701234567");
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 0);
    assert_int_equal(nm_sent_dead_letter(bench, 0).reason, NM_REASON_NO_RECIPIENT);
    assert_int_equal(nm_sent_event(bench, 0).kind, NM_EVENT_FAILED);
    s_expect_nothing_left(bench);
}

//  -- Claims: when there is no answer

static void
keeps_it_while_no_user_actor_answers_and_asks_less_and_less_often(void **state)
{
    static const unsigned REFUSALS[] = { 503, 504, 404, 500, 507, 429, 403 };
    static const int64_t PAUSES_MS[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    for (size_t i = 0; i < NM_COUNT(REFUSALS); i++) {
        s_fail(bench, i, REFUSALS[i]);
        nm_bench_wait(bench, PAUSES_MS[i] - 1);
        s_turn(bench);
        assert_int_equal(nm_bench_asks(bench), i + 1);
        nm_bench_wait(bench, 1);
        s_turn(bench);
        assert_int_equal(nm_bench_asks(bench), i + 2);
    }
    assert_int_equal(nm_bench_mails(bench, 0), 0);
    s_tell(bench, NM_COUNT(REFUSALS), &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    s_expect_nothing_left(bench);
}

static void
takes_no_notice_of_an_answer_that_cannot_be_read(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    const nm_bench_asked_t *asked = s_asked(bench, 0);
    nm_bench_answer(bench, asked->id, asked->peer, 200, nm_text("\x80"));
    s_turn(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 0);
    nm_bench_wait(bench, NM_REACH_PAUSE_MS);
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 2);
}

static void
asks_at_once_when_a_user_actor_comes_back(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_away(bench, "user-1");
    s_turn(bench);
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    for (unsigned i = 0; i < 5; i++) {
        nm_bench_wait(bench, 30000);
        s_turn(bench);
    }
    assert_int_equal(nm_bench_asks(bench), 0);
    nm_bench_back(bench, "user-1");
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 1);
    s_tell(bench, 0, &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
}

//  Work with an address goes on meanwhile.
static void
holds_up_nothing_else(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    sample_t sample = s_sample(2, &SHOP, &BOB);
    sample.request.has &= ~(UINT64_C(1) << NM_AT_request_user_id);
    NM_PUT(&sample.request, request, recipient, nm_text("eve@example.org"));
    s_mail(bench, &sample);
    s_turn(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 1);
    assert_true(nm_bytes_is(nm_sent_delivery(bench, 0).recipient, "eve@example.org"));
}

static void
remembers_over_a_crash_and_passes_over_answers_to_the_life_before(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    nm_bench_restart(bench);
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 1);
    s_tell(bench, 0, &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    s_expect_nothing_left(bench);
}

static void
ends_what_expires_while_it_waits(void **state)
{
    nm_bench_t *bench = *state;
    sample_t sample = s_sample(1, &SHOP, &ADA);
    NM_PUT(&sample.request, request, expires_at, nm_bench_now(bench) + 5000);
    s_mail(bench, &sample);
    s_mail_to(bench, 2, &SHOP, &BOB);
    s_turn(bench);
    s_fail(bench, 0, 504);
    nm_bench_wait(bench, 4999);
    s_turn(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 0);
    nm_bench_wait(bench, 1);
    s_turn(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 1);
    nm_id_t id = s_note(1);
    nm_event_t event = nm_sent_event(bench, 0);
    assert_int_equal(event.kind, NM_EVENT_EXPIRED);
    assert_true(nm_id_equal(&event.notification, &id));
    s_tell(bench, nm_bench_asks(bench) - 1, NULL, NULL, NULL);  //  It names both; one is over
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 1);
    s_expect_nothing_left(bench);
}

//  -- Claims: several user actors

static void
believes_that_a_user_is_unknown_only_of_the_owner(void **state)
{
    nm_bench_t *bench = *state;
    nm_buf_t body = { 0 };
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_mail_to(bench, 2, &SHOP, &EVE);
    s_turn(bench);
    const nm_bench_asked_t *asked = s_asked(bench, 0);
    assert_string_equal(asked->peer, "user-1");
    s_pack_answer(&body, &ADA, "ada@example.org", NULL, false, "user-2");
    nm_bench_answer(bench, asked->id, "user-1", 200, nm_buf_bytes(&body));
    s_turn(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 1);
    assert_string_equal(s_asked(bench, 1)->peer, "user-2");
    assert_int_equal(s_id_count(s_asked(bench, 1)), 1);
    assert_true(s_names(s_asked(bench, 1), &SHOP, &EVE));
    s_tell(bench, 1, &EVE, "eve@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 2);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 0);
    nm_buf_free(&body);
    s_expect_nothing_left(bench);
}

//  Its word is the latest; another's will do while it is away.
static void
asks_the_owner_first_once_it_knows_it(void **state)
{
    nm_bench_t *bench = *state;
    nm_buf_t body = { 0 };
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    s_pack_answer(&body, &ADA, "ada@example.org", NULL, false, "user-2");
    nm_bench_answer(bench, s_asked(bench, 0)->id, "user-1", 200, nm_buf_bytes(&body));
    s_turn(bench);
    s_mail_to(bench, 2, &SHOP, &ADA);
    s_turn(bench);
    assert_string_equal(s_asked(bench, 1)->peer, "user-2");
    nm_bench_answer(bench, s_asked(bench, 1)->id, "user-2", 200, nm_buf_bytes(&body));
    s_turn(bench);
    nm_bench_away(bench, "user-2");
    s_mail_to(bench, 3, &SHOP, &ADA);
    s_turn(bench);
    assert_string_equal(s_asked(bench, 2)->peer, "user-1");
    nm_buf_free(&body);
}

//  Two that each take the other for the owner are not asked in circles.
static void
asks_later_when_nobody_is_sure(void **state)
{
    nm_bench_t *bench = *state;
    nm_buf_t body = { 0 };
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    s_pack_answer(&body, NULL, NULL, NULL, false, "user-2");
    nm_bench_answer(bench, s_asked(bench, 0)->id, "user-1", 200, nm_buf_bytes(&body));
    s_turn(bench);
    nm_buf_clear(&body);
    s_pack_answer(&body, NULL, NULL, NULL, false, "user-1");
    nm_bench_answer(bench, s_asked(bench, 1)->id, "user-2", 200, nm_buf_bytes(&body));
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 2);
    assert_int_equal(nm_bench_mails(bench, 0), 0);
    nm_bench_wait(bench, NM_REACH_PAUSE_MS);
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 3);
    nm_buf_free(&body);
}

//  -- Claims: others ask for it

static uint64_t
s_ask_about(nm_bench_t *bench, const char *op, const char *key, bool listed, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_buf_t body = { 0 };
    nm_id_to_text(id, text);
    nm_writer_map(&body, 1);
    nm_writer_text(&body, key);
    if (listed)
        nm_writer_list(&body, 1);
    nm_writer_text(&body, text);
    uint64_t ask = nm_bench_ask(bench, "gateway-1", op, NULL, nm_buf_bytes(&body));
    s_turn(bench);
    nm_buf_free(&body);
    return ask;
}

static unsigned
s_cancel(nm_bench_t *bench, unsigned number)
{
    nm_id_t id = s_note(number);
    uint64_t ask = s_ask_about(bench, "deliveries.cancel", "notification", false, &id);
    assert_non_null(nm_bench_reply(bench, ask));
    return nm_bench_reply(bench, ask)->status;
}

static void
gives_back_what_is_cancelled_while_it_waits(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_mail_to(bench, 2, &SHOP, &ADA);
    s_turn(bench);
    assert_int_equal(s_cancel(bench, 1), 200);
    assert_int_equal(nm_bench_mails(bench, 0), 1);
    nm_event_t event = nm_sent_event(bench, 0);
    nm_id_t id = s_note(1);
    assert_int_equal(event.kind, NM_EVENT_CANCELLED);
    assert_true(nm_id_equal(&event.notification, &id));
    assert_int_equal(s_cancel(bench, 1), 404);
    s_tell(bench, 0, &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    id = s_note(2);
    nm_delivery_t delivery = nm_sent_delivery(bench, 0);
    assert_true(nm_id_equal(&delivery.notification, &id));
    s_expect_nothing_left(bench);
}

static nm_bytes_t
s_held_numbers(nm_bench_t *bench, unsigned number)
{
    nm_id_t id = s_note(number);
    nm_bytes_t raw, item, numbers;
    nm_list_t list;
    nm_reader_t reader;
    uint64_t ask = s_ask_about(bench, "custody.holds", "ids", true, &id);
    assert_int_equal(nm_bench_reply(bench, ask)->status, 200);
    assert_int_equal(nm_reader_find(nm_bench_reply(bench, ask)->body, "held", &raw), NM_OK);
    assert_int_equal(nm_list_open(&list, raw), NM_OK);
    if (nm_list_next(&list, &item) != NM_OK)
        return nm_bytes(NULL, 0);
    assert_int_equal(nm_reader_find(item, "numbers", &raw), NM_OK);
    nm_reader_open(&reader, raw);
    assert_int_equal(nm_reader_bin(&reader, &numbers), NM_OK);
    assert_int_equal(numbers.size, NM_HELD_SIZE);
    return numbers;
}

//  Nobody knows yet which deliveries it becomes, so none of them is to be sent again.
static void
holds_every_delivery_of_what_waits(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    nm_bytes_t numbers = s_held_numbers(bench, 1);
    for (size_t i = 0; i < NM_HELD_SIZE; i++)
        assert_int_equal(numbers.at[i], 0xff);
    assert_int_equal(s_held_numbers(bench, 2).size, 0);
}

//  Of work that comes again it has those that nobody else had; the rest stays with whoever has it.
static void
takes_work_again_that_comes_again_after_a_loss(void **state)
{
    static const char *const CHANNELS[] = { "email", "push" };
    nm_bench_t *bench = *state;
    sample_t sample = s_sample(1, &SHOP, &ADA);
    s_set_channels(&sample, CHANNELS, 2, NM_STRATEGY_ALL);
    NM_PUT(&sample.work, work, skip, nm_bytes("\x02", 1));
    NM_PUT(&sample.work, work, order, 17);
    s_mail(bench, &sample);
    s_turn(bench);
    nm_bytes_t numbers = s_held_numbers(bench, 1);
    assert_int_equal(numbers.at[0], 0xfd);
    assert_int_equal(numbers.at[1], 0xff);
    assert_int_equal(s_cancel(bench, 1), 409);
    s_tell(bench, 0, &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    assert_int_equal(nm_sent_delivery(bench, 0).number, 0);
    assert_int_equal(nm_sent_delivery(bench, 0).order, 17);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DEAD_LETTER), 0);
    s_expect_nothing_left(bench);
}

static void
keeps_apart_what_comes_a_second_time(void **state)
{
    nm_bench_t *bench = *state;
    sample_t first = s_sample(1, &SHOP, &ADA), second = s_sample(1, &SHOP, &ADA);
    NM_PUT(&first.work, work, skip, nm_bytes("\xfe", 1));
    NM_PUT(&second.work, work, skip, nm_bytes("\x01", 1));
    s_mail(bench, &first);
    s_mail(bench, &second);
    s_turn(bench);
    assert_int_equal(s_held_numbers(bench, 1).at[0], 0xff);
    s_tell(bench, 0, &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    s_expect_nothing_left(bench);
}

//  -- Claims: leaving

static void
leaves_for_good_only_when_nothing_waits(void **state)
{
    nm_bench_t *bench = *state;
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    nm_actor_drain(nm_bench_actor(bench));
    s_fail(bench, 0, 503);
    nm_bench_wait(bench, NM_REACH_PAUSE_MS);
    s_turn(bench);
    assert_false(nm_actor_drained(nm_bench_actor(bench)));
    s_tell(bench, 1, &ADA, "ada@example.org", NULL);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    s_turn(bench);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));
}

static void
asks_nothing_new_once_it_is_told_to_stop(void **state)
{
    nm_bench_t *bench = *state;
    nm_actor_leave(nm_bench_actor(bench));
    s_mail_to(bench, 1, &SHOP, &ADA);
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 0);
    nm_bench_restart(bench);
    s_turn(bench);
    assert_int_equal(nm_bench_asks(bench), 1);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)
#define CLAIM_OF_TWO(name) cmocka_unit_test_setup_teardown(name, s_setup_two, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(asks_where_a_user_is_reached_and_then_delivers),
        CLAIM(asks_about_all_that_came_in_a_turn_at_once),
        CLAIM(asks_once_for_a_burst_to_one_user),
        CLAIM(asks_about_no_more_than_a_round_holds_and_goes_on),
        CLAIM(takes_the_first_channel_on_which_the_user_is_reached),
        CLAIM(serves_each_channel_on_which_the_user_is_reached),
        CLAIM(buries_what_is_for_a_user_without_that_address),
        CLAIM(keeps_it_while_no_user_actor_answers_and_asks_less_and_less_often),
        CLAIM(takes_no_notice_of_an_answer_that_cannot_be_read),
        CLAIM(asks_at_once_when_a_user_actor_comes_back),
        CLAIM(holds_up_nothing_else),
        CLAIM(remembers_over_a_crash_and_passes_over_answers_to_the_life_before),
        CLAIM(ends_what_expires_while_it_waits),
        CLAIM_OF_TWO(believes_that_a_user_is_unknown_only_of_the_owner),
        CLAIM_OF_TWO(asks_the_owner_first_once_it_knows_it),
        CLAIM_OF_TWO(asks_later_when_nobody_is_sure),
        CLAIM(gives_back_what_is_cancelled_while_it_waits),
        CLAIM(holds_every_delivery_of_what_waits),
        CLAIM(takes_work_again_that_comes_again_after_a_loss),
        CLAIM(keeps_apart_what_comes_a_second_time),
        CLAIM(leaves_for_good_only_when_nothing_waits),
        CLAIM(asks_nothing_new_once_it_is_told_to_stop),
    };
    return cmocka_run_group_tests_name("actors/reach", tests, NULL, NULL);
}
