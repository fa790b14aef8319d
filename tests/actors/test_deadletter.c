#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/deadletter/deadletter.h"
#include "actors/deadletter/letters.h"
#include "broker/bench.h"
#include "tests/actors/promised.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const nm_id_t TENANT_A = { { 0xa1, 0xa2, 0xa3 } };
static const nm_id_t TENANT_B = { { 0xb1, 0xb2 } };

//  A dead letter in short; what a test does not say is the same for all.
typedef struct {
    unsigned n;  //  Which: its id and times follow from it
    nm_id_t service;
    nm_reason_t reason;
    const char *provider;  //  Of its attempts
    const char *recipient;
    int64_t expires_at;  //  0: never
} sample_t;

static const sample_t USUAL = {
    .n = 1,
    .service = { { 0xa1, 0xa2, 0xa3 } },
    .reason = NM_REASON_RETRIES,
    .provider = "smtp-main",
    .recipient = "ada@example.org",
};

static int
s_setup(void **state)
{
    *state = nm_bench_new(&nm_deadletter_role, "deadletter-1", NULL);
    return nm_bench_turn(*state) == NM_OK ? 0 : -1;
}

static int
s_teardown(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_destroy(&bench);
    return 0;
}

//  -- Dead letters

static int64_t
s_died_ms(unsigned n)
{
    return INT64_C(1795219200000) + 1000 * (int64_t) n;
}

static nm_id_t
s_letter_id(unsigned n)
{
    nm_id_maker_t maker = { .gateway = 0 };
    nm_id_t id;
    nm_id_make(&maker, s_died_ms(n), 77 * n, &id);
    return id;
}

static nm_id_t
s_notification_id(unsigned n)
{
    nm_id_maker_t maker = { .gateway = 2 };
    nm_id_t id;
    nm_id_make(&maker, s_died_ms(n) - 60000, 33 * n, &id);
    return id;
}

static void
s_pack_attempts(const sample_t *sample, nm_buf_t *out)
{
    nm_writer_list(out, 2);
    for (unsigned i = 1; i <= 2; i++) {
        nm_attempt_t attempt = { .has = 0 };
        NM_PUT(&attempt, attempt, number, i);
        NM_PUT(&attempt, attempt, provider, nm_text(sample->provider));
        NM_PUT(&attempt, attempt, started_at, s_died_ms(sample->n) - 10000 + i);
        NM_PUT(&attempt, attempt, outcome, NM_OUTCOME_LATER);
        NM_PUT(&attempt, attempt, code, 450 + i);
        NM_PUT(&attempt, attempt, detail, nm_text("450 4.2.0 mailbox busy"));
        nm_record_encode(&nm_attempt_shape, &attempt, NM_BY_TAG, out);
    }
}

static void
s_pack_delivery(const sample_t *sample, nm_buf_t *out)
{
    nm_delivery_t delivery = { .has = 0 };
    NM_PUT(&delivery, delivery, notification, s_notification_id(sample->n));
    NM_PUT(&delivery, delivery, service, sample->service);
    NM_PUT(&delivery, delivery, number, 4);
    NM_PUT(&delivery, delivery, generation, 6);
    NM_PUT(&delivery, delivery, channel, NM_CHANNEL_EMAIL);
    NM_PUT(&delivery, delivery, recipient, nm_text(sample->recipient));
    NM_PUT(&delivery, delivery, priority, NM_PRIORITY_HIGH);
    NM_PUT(&delivery, delivery, created_at, s_died_ms(sample->n) - 60000);
    NM_PUT(&delivery, delivery, subject, nm_text("Engine"));
    NM_PUT(&delivery, delivery, content, nm_text("It weaves algebraic patterns."));
    NM_PUT(&delivery, delivery, correlation_id, nm_text("corr-17"));
    if (sample->expires_at)
        NM_PUT(&delivery, delivery, expires_at, sample->expires_at);
    nm_record_encode(&nm_delivery_shape, &delivery, NM_BY_TAG, out);
}

static void
s_die(nm_bench_t *bench, const sample_t *sample)
{
    nm_buf_t attempts = { 0 };
    nm_buf_t delivery = { 0 };
    s_pack_attempts(sample, &attempts);
    s_pack_delivery(sample, &delivery);
    nm_dead_letter_t dead = { .has = 0 };
    NM_PUT(&dead, dead_letter, id, s_letter_id(sample->n));
    NM_PUT(&dead, dead_letter, died_at, s_died_ms(sample->n));
    NM_PUT(&dead, dead_letter, reason, (uint8_t) sample->reason);
    NM_PUT(&dead, dead_letter, detail, nm_text("all tries are used up"));
    NM_PUT(&dead, dead_letter, attempts, nm_buf_bytes(&attempts));
    NM_PUT(&dead, dead_letter, delivery, nm_buf_bytes(&delivery));
    nm_bench_record(bench, "email-1", NM_MAIL_DEAD_LETTER, &nm_dead_letter_shape, &dead);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_buf_free(&attempts);
    nm_buf_free(&delivery);
}

static void
s_die_many(nm_bench_t *bench, unsigned first, unsigned last)
{
    for (unsigned n = first; n <= last; n++) {
        sample_t sample = USUAL;
        sample.n = n;
        s_die(bench, &sample);
    }
}

//  -- Asks. A body is a map that is being written.

typedef struct {
    nm_buf_t bytes;
    size_t mark;
    size_t count;
} body_t;

static body_t
s_body(const nm_id_t *service)
{
    body_t body = { .count = 0 };
    body.mark = nm_writer_map_open(&body.bytes);
    if (service) {
        nm_writer_pair_id(&body.bytes, "service", service);
        body.count++;
    }
    return body;
}

static void
s_text(body_t *body, const char *name, const char *value)
{
    nm_writer_pair_text(&body->bytes, name, value);
    body->count++;
}

static void
s_uint(body_t *body, const char *name, uint64_t value)
{
    nm_writer_pair_uint(&body->bytes, name, value);
    body->count++;
}

static void
s_true(body_t *body, const char *name)
{
    nm_writer_pair_bool(&body->bytes, name, true);
    body->count++;
}

static body_t
s_body_of(const nm_id_t *service, unsigned n)
{
    body_t body = s_body(service);
    nm_id_t id = s_letter_id(n);
    nm_writer_pair_id(&body.bytes, "id", &id);
    body.count++;
    return body;
}

static const nm_bench_reply_t *
s_ask(nm_bench_t *bench, const char *op, body_t body)
{
    nm_writer_map_close(&body.bytes, body.mark, body.count);
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, correlation_id, nm_text("corr-7"));
    uint64_t ask = nm_bench_ask(bench, "gateway-1", op, &headers, nm_buf_bytes(&body.bytes));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_buf_free(&body.bytes);
    const nm_bench_reply_t *reply = nm_bench_reply(bench, ask);
    assert_non_null(reply);
    s_check_promised(op, reply->status, reply->body);
    return reply;
}

static unsigned
s_status(nm_bench_t *bench, const char *op, body_t body)
{
    return s_ask(bench, op, body)->status;
}

//  -- Reading answers

static nm_bytes_t
s_raw(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw = { NULL, 0 };
    assert_int_equal(nm_reader_find(map, key, &raw), NM_OK);
    return raw;
}

static uint64_t
s_number(nm_bytes_t map, const char *key)
{
    nm_reader_t reader;
    uint64_t value = 0;
    nm_reader_open(&reader, s_raw(map, key));
    assert_int_equal(nm_reader_uint(&reader, &value), NM_OK);
    return value;
}

static bool
s_says(nm_bytes_t map, const char *key, const char *text)
{
    nm_reader_t reader;
    nm_bytes_t value = { NULL, 0 };
    nm_reader_open(&reader, s_raw(map, key));
    return nm_reader_str(&reader, &value) == NM_OK && nm_bytes_is(value, text);
}

static bool
s_names(nm_bytes_t map, const char *key, unsigned n)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_t id = s_letter_id(n);
    nm_id_to_text(&id, text);
    return s_says(map, key, text);
}

static size_t
s_items(nm_bytes_t body, nm_bytes_t *first)
{
    nm_list_t list;
    assert_int_equal(nm_list_open(&list, s_raw(body, "items")), NM_OK);
    size_t count = list.count;
    if (count)
        assert_int_equal(nm_list_next(&list, first), NM_OK);
    return count;
}

static size_t
s_listed(nm_bench_t *bench, body_t body)
{
    nm_bytes_t first;
    return s_items(s_ask(bench, "dead_letters.list", body)->body, &first);
}

//  -- Keeping

static void
keeps_a_letter_with_every_attempt(void **state)
{
    s_die(*state, &USUAL);
    nm_bytes_t letter = s_ask(*state, "dead_letters.get", s_body_of(&TENANT_A, 1))->body;
    assert_true(s_names(letter, "id", 1));
    assert_true(s_says(letter, "reason", "retries"));
    assert_true(s_says(letter, "state", "open"));
    assert_true(s_says(letter, "provider", "smtp-main"));
    assert_true(s_says(letter, "created_at", "2026-11-21T00:00:01.000Z"));
    nm_bytes_t delivery = s_raw(letter, "delivery");
    assert_true(s_says(delivery, "recipient", "ada@example.org"));
    assert_true(s_says(delivery, "content", "It weaves algebraic patterns."));

    nm_list_t attempts;
    nm_bytes_t attempt;
    assert_int_equal(nm_list_open(&attempts, s_raw(letter, "attempts")), NM_OK);
    assert_int_equal(attempts.count, 2);
    assert_int_equal(nm_list_next(&attempts, &attempt), NM_OK);
    assert_true(s_says(attempt, "detail", "450 4.2.0 mailbox busy"));
    assert_true(s_says(attempt, "outcome", "later"));
}

static void
keeps_a_letter_over_a_crash(void **state)
{
    s_die(*state, &USUAL);
    nm_bench_restart(*state);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(s_status(*state, "dead_letters.get", s_body_of(&TENANT_A, 1)), 200);
}

static void
passes_over_a_letter_that_it_knows(void **state)
{
    s_die(*state, &USUAL);
    sample_t again = USUAL;
    again.reason = NM_REASON_REJECTED;
    s_die(*state, &again);
    assert_int_equal(s_listed(*state, s_body(&TENANT_A)), 1);
    assert_true(s_says(s_ask(*state, "dead_letters.get", s_body_of(&TENANT_A, 1))->body, "reason", "retries"));
}

static void
survives_mail_that_is_no_letter(void **state)
{
    nm_bench_mail(*state, "email-1", NM_MAIL_DEAD_LETTER, nm_text("\x81\xa1"));
    nm_bench_mail(*state, "email-1", NM_MAIL_DEAD_LETTER, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(s_listed(*state, s_body(NULL)), 0);
}

//  -- Tenants

static void
hides_a_letter_from_other_tenants(void **state)
{
    s_die(*state, &USUAL);
    assert_int_equal(s_listed(*state, s_body(&TENANT_B)), 0);
    assert_int_equal(s_status(*state, "dead_letters.get", s_body_of(&TENANT_B, 1)), 404);
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_B, 1)), 404);
    assert_int_equal(s_status(*state, "dead_letters.discard", s_body_of(&TENANT_B, 1)), 404);
    assert_int_equal(s_number(s_ask(*state, "dead_letters.replay_many", s_body(&TENANT_B))->body, "matched"), 0);
    assert_int_equal(nm_bench_mails(*state, 0), 0);
    assert_int_equal(s_listed(*state, s_body(&TENANT_A)), 1);
}

static void
shows_all_tenants_to_who_may_see_them(void **state)
{
    s_die(*state, &USUAL);
    sample_t other = USUAL;
    other.n = 2;
    other.service = TENANT_B;
    s_die(*state, &other);
    assert_int_equal(s_listed(*state, s_body(NULL)), 2);
    assert_int_equal(s_listed(*state, s_body(&TENANT_B)), 1);
    assert_int_equal(s_status(*state, "dead_letters.get", s_body_of(NULL, 2)), 200);
}

//  -- Lists

static void
lists_the_newest_first_page_by_page(void **state)
{
    s_die_many(*state, 1, 5);
    nm_bytes_t first;
    body_t body = s_body(&TENANT_A);
    s_uint(&body, "limit", 2);
    nm_bytes_t page = s_ask(*state, "dead_letters.list", body)->body;
    assert_int_equal(s_items(page, &first), 2);
    assert_true(s_names(first, "id", 5));
    assert_true(s_names(page, "next_cursor", 4));

    char cursor[NM_ID_TEXT_SIZE + 1];
    nm_id_t id = s_letter_id(2);
    nm_id_to_text(&id, cursor);
    body = s_body(&TENANT_A);
    s_text(&body, "cursor", cursor);
    page = s_ask(*state, "dead_letters.list", body)->body;
    assert_int_equal(s_items(page, &first), 1);
    assert_true(s_names(first, "id", 1));
    assert_int_equal(s_raw(page, "next_cursor").at[0], 0xc0);
}

static void
narrows_a_list_by_each_filter(void **state)
{
    sample_t other = USUAL;
    other.n = 2;
    other.reason = NM_REASON_REJECTED;
    other.provider = "ses";
    s_die(*state, &USUAL);
    s_die(*state, &other);

    static const struct {
        const char *name;
        const char *value;
        size_t count;
    } CASES[] = {
        { "reason", "rejected", 1 },
        { "reason", "poison", 0 },
        { "provider", "ses", 1 },
        { "channel", "email", 2 },
        { "channel", "sms", 0 },
        { "since", "2026-11-21T00:00:02Z", 1 },
        { "since", "2026-11-21T00:00:03Z", 0 },
        { "until", "2026-11-21T00:00:02Z", 1 },
        { "until", "2026-11-21T00:00:01Z", 0 },
        { "state", "replayed", 0 },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        body_t body = s_body(&TENANT_A);
        s_text(&body, CASES[i].name, CASES[i].value);
        assert_int_equal(s_listed(*state, body), CASES[i].count);
    }
}

static void
names_every_fault_of_a_list(void **state)
{
    body_t body = s_body(&TENANT_A);
    s_uint(&body, "limit", 0);
    s_text(&body, "channel", "pigeon");
    s_text(&body, "colour", "red");
    const nm_bench_reply_t *reply = s_ask(*state, "dead_letters.list", body);
    nm_list_t errors;
    assert_int_equal(reply->status, 422);
    assert_int_equal(nm_list_open(&errors, s_raw(reply->body, "errors")), NM_OK);
    assert_int_equal(errors.count, 3);
    for (nm_bytes_t error; nm_list_next(&errors, &error) == NM_OK;)
        assert_int_equal(nm_reader_find_text(error, "pointer").at[0], '?');
}

static void
refuses_a_cursor_that_no_list_gave(void **state)
{
    body_t body = s_body(&TENANT_A);
    s_text(&body, "cursor", "page-2");
    assert_int_equal(s_status(*state, "dead_letters.list", body), 400);
}

static void
answers_a_malformed_id_like_an_unknown_one(void **state)
{
    body_t body = s_body(&TENANT_A);
    s_text(&body, "id", "nonsense");
    assert_int_equal(s_status(*state, "dead_letters.get", body), 404);
    assert_int_equal(s_status(*state, "dead_letters.get", s_body_of(&TENANT_A, 9)), 404);
}

static void
refuses_a_body_that_is_no_object(void **state)
{
    static const uint8_t LIST = 0x90;
    uint64_t ask = nm_bench_ask(*state, "gateway-1", "dead_letters.list", NULL, nm_bytes(&LIST, 1));
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(nm_bench_reply(*state, ask)->status, 400);
}

//  -- Replay

static nm_delivery_t
s_replayed(nm_bench_t *bench, size_t n)
{
    nm_replay_t replay;
    nm_delivery_t delivery;
    const nm_bench_mail_t *mail = nm_bench_sent(bench, NM_MAIL_REPLAY, n);
    assert_non_null(mail);
    assert_int_equal(nm_record_decode(&nm_replay_shape, &replay, mail->body, NULL, ""), NM_OK);
    assert_int_equal(nm_record_decode(&nm_delivery_shape, &delivery, replay.delivery, NULL, ""), NM_OK);
    return delivery;
}

static void
mails_a_replay_to_a_router_once(void **state)
{
    s_die(*state, &USUAL);
    const nm_bench_reply_t *reply = s_ask(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1));
    assert_int_equal(reply->status, 202);
    assert_true(s_names(reply->body, "id", 1));
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1)), 409);

    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 1);
    assert_int_equal(nm_bench_sent(*state, NM_MAIL_REPLAY, 0)->priority, NM_PRIORITY_HIGH);
    nm_delivery_t delivery = s_replayed(*state, 0);
    assert_int_equal(delivery.generation, 7);
    assert_int_equal(delivery.number, 4);
    assert_true(nm_bytes_is(delivery.recipient, "ada@example.org"));
    assert_true(nm_bytes_is(delivery.content, "It weaves algebraic patterns."));
}

//  The router may have passed it on before it was lost.
static void
a_replay_that_a_lost_router_had_goes_on_in_doubt(void **state)
{
    nm_bench_t *bench = *state;
    s_die(*state, &USUAL);
    nm_bench_away(bench, "router-2");
    nm_bench_hold(bench, "router-1", true);
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1)), 202);
    assert_false(s_replayed(bench, 0).doubtful);
    nm_bench_forget(bench);
    nm_bench_back(bench, "router-2");
    nm_bench_bury(bench, "router-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_delivery_t again = s_replayed(bench, 0);
    assert_true(again.doubtful);
    assert_int_equal(again.generation, 7);
    assert_true(again.order > 1000);
}

static void
tells_the_owner_of_a_replay(void **state)
{
    s_die(*state, &USUAL);
    s_ask(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1));
    const nm_bench_mail_t *mail = nm_bench_sent(*state, NM_MAIL_EVENT, 0);
    nm_event_t event;
    nm_id_t notification = s_notification_id(1);
    assert_non_null(mail);
    assert_string_equal(mail->peer, "gateway-2");
    assert_int_equal(nm_record_decode(&nm_event_shape, &event, mail->body, NULL, ""), NM_OK);
    assert_true(nm_id_equal(&event.notification, &notification));
    assert_int_equal(event.kind, NM_EVENT_REPLAYED);
    assert_int_equal(event.generation, 7);
    assert_int_equal(event.number, 4);
    assert_int_equal(event.order, 0);
}

static void
takes_a_replayed_letter_off_the_open_list(void **state)
{
    s_die(*state, &USUAL);
    s_ask(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1));
    assert_int_equal(s_listed(*state, s_body(&TENANT_A)), 0);
    body_t body = s_body(&TENANT_A);
    s_text(&body, "state", "replayed");
    assert_int_equal(s_listed(*state, body), 1);
}

static void
replays_to_another_address_with_another_provider(void **state)
{
    s_die(*state, &USUAL);
    body_t body = s_body_of(&TENANT_A, 1);
    s_text(&body, "recipient", "grace@example.net");
    s_text(&body, "provider", "maildir");
    assert_int_equal(s_status(*state, "dead_letters.replay", body), 202);
    nm_delivery_t delivery = s_replayed(*state, 0);
    assert_true(nm_bytes_is(delivery.recipient, "grace@example.net"));
    assert_true(nm_bytes_is(delivery.provider, "maildir"));
}

static void
refuses_a_replay_to_what_is_no_address(void **state)
{
    s_die(*state, &USUAL);
    body_t body = s_body_of(&TENANT_A, 1);
    s_text(&body, "recipient", "+491701234567");
    assert_int_equal(s_status(*state, "dead_letters.replay", body), 422);
    assert_int_equal(nm_bench_mails(*state, 0), 0);
}

static void
refuses_to_replay_what_has_expired(void **state)
{
    sample_t sample = USUAL;
    sample.expires_at = nm_bench_now(*state);
    s_die(*state, &sample);
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1)), 409);
    assert_int_equal(s_number(s_ask(*state, "dead_letters.replay_many", s_body(&TENANT_A))->body, "matched"), 0);
    assert_int_equal(s_listed(*state, s_body(&TENANT_A)), 1);
}

//  -- Many replays

static void
replays_what_a_filter_lets_through_oldest_first(void **state)
{
    s_die_many(*state, 1, 3);
    sample_t other = USUAL;
    other.n = 4;
    other.provider = "ses";
    s_die(*state, &other);

    body_t body = s_body(&TENANT_A);
    nm_writer_text(&body.bytes, "filter");
    nm_writer_map(&body.bytes, 1);
    nm_writer_pair_text(&body.bytes, "provider", "smtp-main");
    body.count++;
    const nm_bench_reply_t *reply = s_ask(*state, "dead_letters.replay_many", body);
    assert_int_equal(reply->status, 202);
    assert_int_equal(s_number(reply->body, "matched"), 3);
    assert_int_equal(s_number(reply->body, "replayed"), 3);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 3);
    nm_id_t oldest = s_notification_id(1);
    nm_delivery_t first = s_replayed(*state, 0);
    assert_true(nm_id_equal(&first.notification, &oldest));
    assert_int_equal(s_listed(*state, s_body(&TENANT_A)), 1);
}

static void
only_counts_in_a_dry_run(void **state)
{
    s_die_many(*state, 1, 3);
    body_t body = s_body(&TENANT_A);
    s_true(&body, "dry_run");
    const nm_bench_reply_t *reply = s_ask(*state, "dead_letters.replay_many", body);
    assert_int_equal(reply->status, 200);
    assert_int_equal(s_number(reply->body, "matched"), 3);
    assert_int_equal(s_number(reply->body, "replayed"), 0);
    assert_int_equal(nm_bench_mails(*state, 0), 0);
    assert_int_equal(s_listed(*state, s_body(&TENANT_A)), 3);
}

static void
s_replay_at_rate(nm_bench_t *bench, uint64_t rate_per_second)
{
    body_t body = s_body(&TENANT_A);
    s_uint(&body, "rate_per_second", rate_per_second);
    assert_int_equal(s_status(bench, "dead_letters.replay_many", body), 202);
}

static void
s_expect_backlog(nm_bench_t *bench, uint64_t expected)
{
    uint64_t count;
    int64_t oldest_ms;
    nm_deadletter_role.backlog(nm_bench_state(bench), &count, &oldest_ms);
    assert_int_equal(count, expected);
    assert_int_equal(oldest_ms != 0, expected != 0);
}

//  Lets time pass in small steps, as it does.
static void
s_pass(nm_bench_t *bench, int64_t ms)
{
    for (; ms > 0; ms -= 100) {
        nm_bench_wait(bench, 100);
        assert_int_equal(nm_bench_turn(bench), NM_OK);
    }
}

static void
releases_many_replays_at_their_rate(void **state)
{
    s_die_many(*state, 1, 6);
    s_replay_at_rate(*state, 2);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 1);
    s_pass(*state, 500);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 2);
    s_pass(*state, 1000);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 4);
    s_pass(*state, 5000);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 6);
}

static void
does_not_line_a_letter_up_twice(void **state)
{
    s_die_many(*state, 1, 4);
    s_replay_at_rate(*state, 1);
    assert_int_equal(s_number(s_ask(*state, "dead_letters.replay_many", s_body(&TENANT_A))->body, "matched"), 0);
    s_pass(*state, 10000);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 4);
}

//  The rate holds from here on: one more each half second, until none is left.
static void
s_expect_rate_of_two(nm_bench_t *bench)
{
    size_t open = s_listed(bench, s_body(&TENANT_A));
    assert_in_range(open, 3, 5);
    for (; open > 0; open--) {
        assert_int_equal(s_listed(bench, s_body(&TENANT_A)), open);
        s_pass(bench, 500);
    }
    assert_int_equal(s_listed(bench, s_body(&TENANT_A)), 0);
}

static void
goes_on_at_the_rate_after_a_crash_and_an_hour(void **state)
{
    s_die_many(*state, 1, 6);
    s_replay_at_rate(*state, 2);
    nm_bench_wait(*state, 3600 * 1000);
    nm_bench_restart(*state);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    s_expect_rate_of_two(*state);
}

static void
goes_on_at_the_rate_after_it_was_stopped_for_an_hour(void **state)
{
    s_die_many(*state, 1, 6);
    s_replay_at_rate(*state, 2);
    nm_bench_wait(*state, 3600 * 1000);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    s_expect_rate_of_two(*state);
}

static void
goes_on_at_the_rate_after_the_clock_was_set_back(void **state)
{
    s_die_many(*state, 1, 6);
    s_replay_at_rate(*state, 2);
    nm_bench_wait(*state, -3600 * 1000);
    nm_bench_restart(*state);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    s_expect_rate_of_two(*state);
}

static void
discards_a_letter_out_of_the_line(void **state)
{
    s_die_many(*state, 1, 2);
    s_replay_at_rate(*state, 1);
    s_expect_backlog(*state, 1);
    assert_int_equal(s_status(*state, "dead_letters.discard", s_body_of(&TENANT_A, 2)), 204);
    s_expect_backlog(*state, 0);
    s_pass(*state, 5000);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_REPLAY), 1);
}

static void
names_every_fault_of_a_replay_of_many(void **state)
{
    body_t body = s_body(&TENANT_A);
    s_uint(&body, "rate_per_second", 0);
    nm_writer_text(&body.bytes, "filter");
    nm_writer_map(&body.bytes, 1);
    nm_writer_pair_text(&body.bytes, "state", "replayed");
    body.count++;
    const nm_bench_reply_t *reply = s_ask(*state, "dead_letters.replay_many", body);
    nm_list_t errors;
    assert_int_equal(reply->status, 422);
    assert_int_equal(nm_list_open(&errors, s_raw(reply->body, "errors")), NM_OK);
    assert_int_equal(errors.count, 2);
}

//  -- Discard

static void
forgets_content_and_address_when_it_discards(void **state)
{
    s_die(*state, &USUAL);
    assert_int_equal(s_status(*state, "dead_letters.discard", s_body_of(&TENANT_A, 1)), 204);
    assert_int_equal(s_status(*state, "dead_letters.discard", s_body_of(&TENANT_A, 1)), 204);
    assert_int_equal(s_status(*state, "dead_letters.get", s_body_of(&TENANT_A, 1)), 404);
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1)), 404);
    assert_int_equal(s_listed(*state, s_body(&TENANT_A)), 0);

    nm_bytes_t item;
    body_t body = s_body(&TENANT_A);
    s_text(&body, "state", "discarded");
    assert_int_equal(s_items(s_ask(*state, "dead_letters.list", body)->body, &item), 1);
    assert_true(nm_bytes_is(s_raw(item, "recipient"), "\xc0"));  //  nil
}

//  -- Time

static uint64_t
s_rows(nm_bench_t *bench)
{
    return nm_bench_rows(bench, &nm_letters_table) + nm_bench_rows(bench, &nm_letters_content_table) +
           nm_bench_rows(bench, &nm_letters_index_table);
}

static void
forgets_what_was_replayed_or_discarded_after_its_time(void **state)
{
    s_die_many(*state, 1, 3);
    uint64_t of_one = s_rows(*state) / 3;
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1)), 202);
    assert_int_equal(s_status(*state, "dead_letters.discard", s_body_of(&TENANT_A, 2)), 204);
    nm_bench_wait(*state, NM_LETTER_KEPT_MS - 1000);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(s_status(*state, "dead_letters.get", s_body_of(&TENANT_A, 1)), 200);
    nm_bench_wait(*state, 61000);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(s_status(*state, "dead_letters.get", s_body_of(&TENANT_A, 1)), 404);
    assert_int_equal(s_rows(*state), of_one);  //  The open one stays until somebody decides
}

//  -- Room

static void
refuses_replays_and_discards_still_when_the_store_is_tight(void **state)
{
    s_die_many(*state, 1, 2);
    nm_bench_full(*state, true);
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1)), 507);
    assert_int_equal(s_status(*state, "dead_letters.replay_many", s_body(&TENANT_A)), 507);
    assert_int_equal(s_status(*state, "dead_letters.discard", s_body_of(&TENANT_A, 1)), 204);
    nm_bench_full(*state, false);
    assert_int_equal(s_status(*state, "dead_letters.replay", s_body_of(&TENANT_A, 2)), 202);
}

//  -- What others are told

static void
counts_replays_under_way_as_backlog_and_open_letters_not(void **state)
{
    s_die_many(*state, 1, 4);
    s_expect_backlog(*state, 0);
    s_replay_at_rate(*state, 1);
    s_expect_backlog(*state, 3);
    s_pass(*state, 5000);
    s_expect_backlog(*state, 0);
}

static void
tells_how_many_letters_are_in_each_state(void **state)
{
    s_die_many(*state, 1, 6);
    s_ask(*state, "dead_letters.replay", s_body_of(&TENANT_A, 1));
    s_ask(*state, "dead_letters.discard", s_body_of(&TENANT_A, 2));
    s_ask(*state, "dead_letters.discard", s_body_of(&TENANT_A, 3));
    nm_buf_t out = { 0 };
    size_t mark = nm_writer_map_open(&out);
    nm_writer_map_close(&out, mark, nm_deadletter_role.status(nm_bench_state(*state), &out));
    assert_int_equal(s_number(nm_buf_bytes(&out), "open"), 3);
    assert_int_equal(s_number(nm_buf_bytes(&out), "replayed"), 1);
    assert_int_equal(s_number(nm_buf_bytes(&out), "discarded"), 2);
    nm_buf_free(&out);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(keeps_a_letter_with_every_attempt),
        CLAIM(keeps_a_letter_over_a_crash),
        CLAIM(passes_over_a_letter_that_it_knows),
        CLAIM(survives_mail_that_is_no_letter),
        CLAIM(hides_a_letter_from_other_tenants),
        CLAIM(shows_all_tenants_to_who_may_see_them),
        CLAIM(lists_the_newest_first_page_by_page),
        CLAIM(narrows_a_list_by_each_filter),
        CLAIM(names_every_fault_of_a_list),
        CLAIM(refuses_a_cursor_that_no_list_gave),
        CLAIM(answers_a_malformed_id_like_an_unknown_one),
        CLAIM(refuses_a_body_that_is_no_object),
        CLAIM(mails_a_replay_to_a_router_once),
        CLAIM(a_replay_that_a_lost_router_had_goes_on_in_doubt),
        CLAIM(tells_the_owner_of_a_replay),
        CLAIM(takes_a_replayed_letter_off_the_open_list),
        CLAIM(replays_to_another_address_with_another_provider),
        CLAIM(refuses_a_replay_to_what_is_no_address),
        CLAIM(refuses_to_replay_what_has_expired),
        CLAIM(replays_what_a_filter_lets_through_oldest_first),
        CLAIM(only_counts_in_a_dry_run),
        CLAIM(releases_many_replays_at_their_rate),
        CLAIM(does_not_line_a_letter_up_twice),
        CLAIM(goes_on_at_the_rate_after_a_crash_and_an_hour),
        CLAIM(goes_on_at_the_rate_after_it_was_stopped_for_an_hour),
        CLAIM(goes_on_at_the_rate_after_the_clock_was_set_back),
        CLAIM(discards_a_letter_out_of_the_line),
        CLAIM(names_every_fault_of_a_replay_of_many),
        CLAIM(forgets_content_and_address_when_it_discards),
        CLAIM(forgets_what_was_replayed_or_discarded_after_its_time),
        CLAIM(refuses_replays_and_discards_still_when_the_store_is_tight),
        CLAIM(counts_replays_under_way_as_backlog_and_open_letters_not),
        CLAIM(tells_how_many_letters_are_in_each_state),
    };
    return cmocka_run_group_tests_name("actors/deadletter", tests, NULL, NULL);
}
