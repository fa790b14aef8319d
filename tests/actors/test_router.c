#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/router/router.h"
#include "broker/inbox.h"
#include "tests/actors/sent.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  A request that is being made, and the bytes that its views are into.
typedef struct {
    nm_request_t request;
    nm_email_t email;
    nm_recipients_t recipients;
    nm_buf_t bytes;
} sample_t;

static int
s_setup(void **state)
{
    *state = nm_bench_new(&nm_router_role, "router-1", NULL);
    return nm_bench_turn(*state) == NM_OK ? 0 : -1;
}

static int
s_teardown(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_destroy(&bench);
    return 0;
}

static nm_id_t
s_id(uint16_t gateway)
{
    nm_id_maker_t maker = { .gateway = gateway };
    nm_id_t id;
    nm_id_make(&maker, INT64_C(1795219200000), 4711 + gateway, &id);
    return id;
}

//  -- Work

static sample_t
s_email(void)
{
    sample_t sample = { .bytes = { 0 } };
    nm_buf_reserve(&sample.bytes, 16384);
    NM_PUT(&sample.request, request, channel, NM_CHANNEL_EMAIL);
    NM_PUT(&sample.request, request, recipient, nm_text("ada@example.org"));
    NM_PUT(&sample.request, request, subject, nm_text("Engine"));
    NM_PUT(&sample.request, request, content, nm_text("It weaves algebraic patterns."));
    return sample;
}

static nm_bytes_t
s_lines(sample_t *sample, const char *const *lines, size_t count)
{
    size_t start = sample->bytes.size;
    nm_writer_list(&sample->bytes, count);
    for (size_t i = 0; i < count; i++)
        nm_writer_text(&sample->bytes, lines[i]);
    return nm_bytes(sample->bytes.at + start, sample->bytes.size - start);
}

static void
s_pack_email(sample_t *sample)
{
    size_t start = sample->bytes.size;
    nm_record_encode(&nm_email_shape, &sample->email, NM_BY_NAME, &sample->bytes);
    NM_PUT(&sample->request, request, email, nm_bytes(sample->bytes.at + start, sample->bytes.size - start));
}

static sample_t
s_channels(const char *const *channels, size_t count)
{
    sample_t sample = { .bytes = { 0 } };
    nm_buf_reserve(&sample.bytes, 16384);
    NM_PUT(&sample.recipients, recipients, email, nm_text("ada@example.org"));
    NM_PUT(&sample.recipients, recipients, phone, nm_text("+491701234567"));
    NM_PUT(&sample.recipients, recipients, token, nm_text("token-4711"));
    nm_record_encode(&nm_recipients_shape, &sample.recipients, NM_BY_NAME, &sample.bytes);
    NM_PUT(&sample.request, request, recipients, nm_buf_bytes(&sample.bytes));
    NM_PUT(&sample.request, request, channels, s_lines(&sample, channels, count));
    NM_PUT(&sample.request, request, content, nm_text("Everywhere at once"));
    return sample;
}

static void
s_set_work(nm_work_t *work, uint16_t gateway, nm_bytes_t request)
{
    nm_id_t service = { { 5, 6, 7 } };
    *work = (nm_work_t){ .has = 0 };
    NM_PUT(work, work, notification, s_id(gateway));
    NM_PUT(work, work, service, service);
    NM_PUT(work, work, generation, 0);
    NM_PUT(work, work, created_at, INT64_C(1795219200123));
    NM_PUT(work, work, correlation_id, nm_text("corr-17"));
    NM_PUT(work, work, request, request);
}

//  Mails the work of a request to the router and runs the turn.
static void
s_work_over(nm_bench_t *bench, const char *peer, uint16_t gateway, sample_t *sample)
{
    nm_buf_t packed = { 0 };
    nm_work_t work;
    nm_record_encode(&nm_request_shape, &sample->request, NM_BY_NAME, &packed);
    s_set_work(&work, gateway, nm_buf_bytes(&packed));
    nm_bench_record(bench, peer, NM_MAIL_WORK, &nm_work_shape, &work);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_buf_free(&packed);
    nm_buf_free(&sample->bytes);
}

static void
s_work(nm_bench_t *bench, uint16_t gateway, sample_t *sample)
{
    s_work_over(bench, gateway == 1 ? "gateway-1" : "gateway-2", gateway, sample);
}

//  -- What came out

//  -- Claims

static void
makes_one_delivery_that_has_all_of_the_request(void **state)
{
    sample_t sample = s_email();
    NM_PUT(&sample.request, request, html, nm_text("<p>It weaves</p>"));
    NM_PUT(&sample.request, request, priority, NM_PRIORITY_HIGH);
    NM_PUT(&sample.request, request, expires_at, INT64_C(1999999999999));
    NM_PUT(&sample.request, request, at_most_once, true);
    NM_PUT(&sample.request, request, provider, nm_text("maildir"));
    s_work(*state, 1, &sample);

    assert_int_equal(nm_bench_mails(*state, 0), 1);
    nm_delivery_t delivery = nm_sent_delivery(*state, 0);
    nm_id_t id = s_id(1);
    assert_true(nm_id_equal(&delivery.notification, &id));
    assert_int_equal(delivery.service.at[2], 7);
    assert_int_equal(delivery.number, 0);
    assert_int_equal(delivery.generation, 0);
    assert_int_equal(delivery.channel, NM_CHANNEL_EMAIL);
    assert_int_equal(delivery.priority, NM_PRIORITY_HIGH);
    assert_int_equal(delivery.created_at, INT64_C(1795219200123));
    assert_int_equal(delivery.expires_at, INT64_C(1999999999999));
    assert_true(delivery.at_most_once);
    assert_false(NM_HAS(&delivery, delivery, to));
    assert_true(nm_bytes_is(delivery.recipient, "ada@example.org"));
    assert_true(nm_bytes_is(delivery.provider, "maildir"));
    assert_true(nm_bytes_is(delivery.subject, "Engine"));
    assert_true(nm_bytes_is(delivery.content, "It weaves algebraic patterns."));
    assert_true(nm_bytes_is(delivery.html, "<p>It weaves</p>"));
    assert_true(nm_bytes_is(delivery.correlation_id, "corr-17"));
    assert_int_equal(nm_bench_sent(*state, NM_MAIL_DELIVERY, 0)->priority, NM_PRIORITY_HIGH);
}

static void
makes_a_delivery_for_each_copy_that_shows_the_first_address(void **state)
{
    static const char *const CC[] = { "cc1@example.org", "cc2@example.net" };
    static const char *const BCC[] = { "bcc@example.com" };
    sample_t sample = s_email();
    NM_PUT(&sample.email, email, cc, s_lines(&sample, CC, 2));
    NM_PUT(&sample.email, email, bcc, s_lines(&sample, BCC, 1));
    s_pack_email(&sample);
    s_work(*state, 1, &sample);

    static const char *const ADDRESSES[] = { "ada@example.org", "cc1@example.org", "cc2@example.net",
                                             "bcc@example.com" };
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_DELIVERY), 4);
    unsigned seen = 0;
    for (size_t i = 0; i < 4; i++) {
        nm_delivery_t delivery = nm_sent_delivery(*state, i);
        assert_in_range(delivery.number, 0, 3);
        assert_true(nm_bytes_is(delivery.recipient, ADDRESSES[delivery.number]));
        if (delivery.number > 0)
            assert_true(nm_bytes_is(delivery.to, "ada@example.org"));
        seen |= 1u << delivery.number;
    }
    assert_int_equal(seen, 15);
}

static void
tells_the_owner_how_many_deliveries_there_are(void **state)
{
    static const char *const CC[] = { "cc@example.org" };
    sample_t sample = s_email();
    NM_PUT(&sample.email, email, cc, s_lines(&sample, CC, 1));
    s_pack_email(&sample);
    s_work(*state, 2, &sample);

    assert_int_equal(nm_bench_mails(*state, NM_MAIL_EVENT), 1);
    assert_string_equal(nm_bench_sent(*state, NM_MAIL_EVENT, 0)->peer, "gateway-2");
    nm_event_t event = nm_sent_event(*state, 0);
    nm_id_t id = s_id(2);
    assert_true(nm_id_equal(&event.notification, &id));
    assert_int_equal(event.kind, NM_EVENT_QUEUED);
    assert_int_equal(event.number, 0);
    assert_int_equal(event.order, 0);
    assert_int_equal(event.deliveries, 2);
}

static void
passes_over_work_that_is_over(void **state)
{
    nm_bench_mail(*state, "gateway-1", NM_MAIL_WORK, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(nm_bench_mails(*state, 0), 0);
    assert_int_equal(nm_bench_rows(*state, &nm_inbox_quarantine), 0);
}

static void
ends_what_has_expired(void **state)
{
    sample_t sample = s_email();
    NM_PUT(&sample.request, request, expires_at, nm_bench_now(*state));
    s_work(*state, 1, &sample);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_DELIVERY), 0);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_EVENT), 1);
    assert_int_equal(nm_sent_event(*state, 0).kind, NM_EVENT_EXPIRED);
}

static void
buries_what_no_actor_works_on(void **state)
{
    sample_t sample = s_email();
    NM_PUT(&sample.request, request, channel, NM_CHANNEL_PUSH);
    NM_PUT(&sample.request, request, recipient, nm_text("token-4711"));
    s_work(*state, 1, &sample);

    assert_int_equal(nm_bench_mails(*state, NM_MAIL_DELIVERY), 0);
    nm_dead_letter_t dead = nm_sent_dead_letter(*state, 0);
    nm_delivery_t delivery;
    assert_int_equal(dead.reason, NM_REASON_NO_PROVIDER);
    assert_int_equal(nm_record_decode(&nm_delivery_shape, &delivery, dead.delivery, NULL, ""), NM_OK);
    assert_true(nm_bytes_is(delivery.recipient, "token-4711"));
    nm_event_t event = nm_sent_event(*state, 0);
    assert_int_equal(event.kind, NM_EVENT_FAILED);
    assert_int_equal(event.reason, NM_REASON_NO_PROVIDER);
}

static void
buries_what_has_no_address(void **state)
{
    sample_t sample = s_email();
    sample.request.has &= ~(UINT64_C(1) << NM_AT_request_recipient);
    sample.request.recipient = nm_bytes(NULL, 0);
    s_work(*state, 1, &sample);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_DELIVERY), 0);
    assert_int_equal(nm_sent_dead_letter(*state, 0).reason, NM_REASON_NO_RECIPIENT);
    assert_int_equal(nm_sent_event(*state, 0).kind, NM_EVENT_FAILED);
}

static void
takes_the_next_channel_when_nobody_works_on_the_first(void **state)
{
    static const char *const CHANNELS[] = { "push", "sms", "email" };
    sample_t sample = s_channels(CHANNELS, 3);
    s_work(*state, 1, &sample);
    assert_int_equal(nm_bench_mails(*state, 0), 1);
    nm_delivery_t delivery = nm_sent_delivery(*state, 0);
    assert_int_equal(delivery.channel, NM_CHANNEL_EMAIL);
    assert_true(nm_bytes_is(delivery.recipient, "ada@example.org"));
}

static void
serves_each_channel_when_all_are_wanted(void **state)
{
    static const char *const CHANNELS[] = { "email", "push" };
    sample_t sample = s_channels(CHANNELS, 2);
    NM_PUT(&sample.request, request, strategy, NM_STRATEGY_ALL);
    s_work(*state, 1, &sample);
    assert_int_equal(nm_sent_delivery(*state, 0).number, 0);
    assert_int_equal(nm_sent_dead_letter(*state, 0).reason, NM_REASON_NO_PROVIDER);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_EVENT), 2);
}

static void
fails_a_notification_whose_request_cannot_be_read(void **state)
{
    static const uint8_t LIST[] = { 0x91, 0xc0 };
    nm_work_t work;
    s_set_work(&work, 1, nm_bytes(LIST, sizeof LIST));
    nm_bench_record(*state, "gateway-1", NM_MAIL_WORK, &nm_work_shape, &work);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(nm_bench_mails(*state, 0), 1);
    nm_event_t event = nm_sent_event(*state, 0);
    assert_int_equal(event.kind, NM_EVENT_FAILED);
    assert_int_equal(event.reason, NM_REASON_POISON);
}

static void
keeps_mail_that_is_no_record_apart_and_goes_on(void **state)
{
    nm_bench_mail(*state, "gateway-1", NM_MAIL_WORK, nm_text("\x81\xa1"));
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(nm_bench_mails(*state, 0), 0);
    assert_int_equal(nm_bench_rows(*state, &nm_inbox_quarantine), 1);
    sample_t sample = s_email();
    s_work(*state, 1, &sample);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_DELIVERY), 1);
}

static void
keeps_a_delivery_over_a_crash_until_an_actor_is_there(void **state)
{
    nm_bench_away(*state, "email-1");
    nm_bench_away(*state, "email-2");
    sample_t sample = s_email();
    s_work(*state, 1, &sample);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_DELIVERY), 0);
    nm_bench_restart(*state);
    nm_bench_back(*state, "email-2");
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_true(nm_bytes_is(nm_sent_delivery(*state, 0).content, "It weaves algebraic patterns."));
}

//  -- Replays

static nm_bytes_t
s_replay(nm_bench_t *bench, nm_channel_t channel, int64_t expires_at, nm_buf_t *inner)
{
    nm_id_t letter = { { 9, 8, 7 } };
    nm_id_t service = { { 5, 6, 7 } };
    nm_delivery_t delivery = { .has = 0 };
    NM_PUT(&delivery, delivery, notification, s_id(2));
    NM_PUT(&delivery, delivery, service, service);
    NM_PUT(&delivery, delivery, number, 3);
    NM_PUT(&delivery, delivery, generation, 2);
    NM_PUT(&delivery, delivery, channel, (uint8_t) channel);
    NM_PUT(&delivery, delivery, recipient, nm_text("grace@example.org"));
    NM_PUT(&delivery, delivery, priority, NM_PRIORITY_LOW);
    NM_PUT(&delivery, delivery, created_at, INT64_C(1795219200123));
    NM_PUT(&delivery, delivery, correlation_id, nm_text("corr-23"));
    NM_PUT(&delivery, delivery, expires_at, expires_at);
    nm_record_encode(&nm_delivery_shape, &delivery, NM_BY_TAG, inner);
    nm_replay_t replay = { .has = 0 };
    NM_PUT(&replay, replay, dead_letter, letter);
    NM_PUT(&replay, replay, delivery, nm_buf_bytes(inner));
    nm_bench_record(bench, "deadletter-1", NM_MAIL_REPLAY, &nm_replay_shape, &replay);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    return nm_buf_bytes(inner);
}

static void
mails_a_replayed_delivery_as_it_came(void **state)
{
    nm_buf_t inner = { 0 };
    nm_bytes_t packed = s_replay(*state, NM_CHANNEL_EMAIL, INT64_C(1999999999999), &inner);
    assert_int_equal(nm_bench_mails(*state, 0), 1);
    assert_true(nm_bytes_equal(nm_bench_sent(*state, NM_MAIL_DELIVERY, 0)->body, packed));
    assert_int_equal(nm_bench_sent(*state, NM_MAIL_DELIVERY, 0)->priority, NM_PRIORITY_LOW);
    nm_buf_free(&inner);
}

static void
buries_a_replay_again_when_nobody_works_on_it(void **state)
{
    nm_buf_t inner = { 0 };
    s_replay(*state, NM_CHANNEL_SMS, INT64_C(1999999999999), &inner);
    assert_int_equal(nm_sent_dead_letter(*state, 0).reason, NM_REASON_NO_PROVIDER);
    nm_event_t event = nm_sent_event(*state, 0);
    assert_int_equal(event.kind, NM_EVENT_FAILED);
    assert_int_equal(event.generation, 2);
    assert_int_equal(event.number, 3);
    nm_buf_free(&inner);
}

static void
ends_a_replay_that_has_expired(void **state)
{
    nm_buf_t inner = { 0 };
    s_replay(*state, NM_CHANNEL_EMAIL, nm_bench_now(*state), &inner);
    assert_int_equal(nm_bench_mails(*state, 0), 1);
    nm_event_t event = nm_sent_event(*state, 0);
    assert_int_equal(event.kind, NM_EVENT_EXPIRED);
    assert_int_equal(event.generation, 2);
    assert_int_equal(event.number, 3);
    nm_buf_free(&inner);
}

static uint64_t
s_ask_cancel(nm_bench_t *bench, const nm_id_t *id)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 1);
    nm_writer_pair_id(&body, "notification", id);
    uint64_t ask = nm_bench_ask(bench, "gateway-1", "deliveries.cancel", NULL, nm_buf_bytes(&body));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_non_null(nm_bench_reply(bench, ask));
    nm_buf_free(&body);
    return ask;
}

//  A channel actor that leaves gives it back: it goes to another one, progress and all.
static void
mails_a_returned_delivery_on_as_it_came(void **state)
{
    nm_buf_t inner = { 0 };
    nm_bytes_t packed = s_replay(*state, NM_CHANNEL_EMAIL, INT64_C(1999999999999), &inner);
    nm_bench_forget(*state);
    nm_bench_mail(*state, "email-2", NM_MAIL_RETURN, packed);
    assert_int_equal(nm_bench_turn(*state), NM_OK);
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_DELIVERY), 1);
    assert_true(nm_bytes_equal(nm_bench_sent(*state, NM_MAIL_DELIVERY, 0)->body, packed));
    assert_int_equal(nm_bench_mails(*state, NM_MAIL_EVENT), 0);
    nm_buf_free(&inner);
}

static void
gives_no_delivery_back_that_it_does_not_have(void **state)
{
    nm_id_t id = s_id(1);
    assert_int_equal(nm_bench_reply(*state, s_ask_cancel(*state, &id))->status, 404);
}

static void
cancels_what_still_waits_for_a_channel_actor(void **state)
{
    nm_bench_t *bench = *state;
    const char *const CC[] = { "grace@example.org" };
    nm_id_t id = s_id(1);
    sample_t sample = s_email();
    NM_PUT(&sample.email, email, cc, s_lines(&sample, CC, 1));
    s_pack_email(&sample);
    nm_bench_away(bench, "email-1");
    nm_bench_away(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_work(bench, 1, &sample);
    nm_bench_forget(bench);

    assert_int_equal(nm_bench_reply(bench, s_ask_cancel(bench, &id))->status, 200);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_EVENT), 2);
    assert_int_equal(nm_sent_event(bench, 0).kind, NM_EVENT_CANCELLED);
    assert_int_equal(nm_sent_event(bench, 0).number + nm_sent_event(bench, 1).number, 0 + 1);

    nm_bench_back(bench, "email-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 0);
    assert_int_equal(nm_bench_reply(bench, s_ask_cancel(bench, &id))->status, 404);
}

//  -- What was lost

//  The work of three deliveries again: numbers 0 and 2 are accounted for.
static void
makes_only_what_is_lost_of_work_that_comes_again(void **state)
{
    static const char *const CC[] = { "one@example.org", "two@example.org" };
    nm_bench_t *bench = *state;
    sample_t sample = s_email();
    nm_buf_t packed = { 0 };
    nm_work_t work;
    NM_PUT(&sample.email, email, cc, s_lines(&sample, CC, 2));
    s_pack_email(&sample);
    nm_record_encode(&nm_request_shape, &sample.request, NM_BY_NAME, &packed);
    s_set_work(&work, 1, nm_buf_bytes(&packed));
    NM_PUT(&work, work, skip, nm_bytes("\x05", 1));
    NM_PUT(&work, work, order, 17);
    NM_PUT(&work, work, earlier, 3);
    nm_bench_record(bench, "gateway-1", NM_MAIL_WORK, &nm_work_shape, &work);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    nm_delivery_t delivery = nm_sent_delivery(bench, 0);
    assert_int_equal(delivery.number, 1);
    assert_int_equal(delivery.order, 17);
    assert_int_equal(delivery.earlier, 3);
    assert_int_equal(nm_sent_event(bench, 0).order, 17);
    nm_buf_free(&packed);
    nm_buf_free(&sample.bytes);
}

static const nm_bench_reply_t *
s_ask_holds(nm_bench_t *bench, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_buf_t body = { 0 };
    nm_id_to_text(id, text);
    nm_writer_map(&body, 1);
    nm_writer_text(&body, "ids");
    nm_writer_list(&body, 1);
    nm_writer_text(&body, text);
    uint64_t ask = nm_bench_ask(bench, "gateway-1", "custody.holds", NULL, nm_buf_bytes(&body));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_buf_free(&body);
    return nm_bench_reply(bench, ask);
}

static uint32_t
s_count_held(const nm_bench_reply_t *reply)
{
    nm_bytes_t raw;
    nm_list_t list;
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_reader_find(reply->body, "held", &raw), NM_OK);
    assert_int_equal(nm_list_open(&list, raw), NM_OK);
    return list.count;
}

static void
holds_a_delivery_until_its_receipt(void **state)
{
    nm_bench_t *bench = *state;
    sample_t sample = s_email();
    nm_id_t id = s_id(1), other = s_id(2);
    s_pack_email(&sample);
    nm_bench_freeze(bench, "email-1", true);
    nm_bench_freeze(bench, "email-2", true);
    s_work(bench, 1, &sample);
    assert_int_equal(s_count_held(s_ask_holds(bench, &other)), 0);
    assert_int_equal(s_count_held(s_ask_holds(bench, &id)), 1);
    nm_bench_freeze(bench, "email-1", false);
    nm_bench_freeze(bench, "email-2", false);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_count_held(s_ask_holds(bench, &id)), 0);
}

//  Words on the way say where it was when they were said.
static void
does_not_hold_what_it_only_speaks_of(void **state)
{
    static const char *const CC[] = { "cc@example.org" };
    nm_bench_t *bench = *state;
    sample_t sample = s_email();
    nm_id_t id = s_id(1);
    NM_PUT(&sample.email, email, cc, s_lines(&sample, CC, 1));
    s_pack_email(&sample);
    nm_bench_hold(bench, "gateway-1", true);
    s_work(bench, 1, &sample);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 2);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_EVENT), 1);
    assert_int_equal(s_count_held(s_ask_holds(bench, &id)), 0);
}

//  The next one has to know, and its events count as later than those of the first.
static void
says_that_a_lost_actor_may_have_handled_it(void **state)
{
    nm_bench_t *bench = *state;
    sample_t sample = s_email();
    nm_id_t id = s_id(1);
    s_pack_email(&sample);
    nm_bench_away(bench, "email-2");
    nm_bench_hold(bench, "email-1", true);
    s_work(bench, 1, &sample);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    assert_false(nm_sent_delivery(bench, 0).doubtful);
    assert_int_equal(s_ask_holds(bench, &id)->status, 503);  //  Here or there: it may even have gone on from there
    nm_bench_bury(bench, "email-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_count_held(s_ask_holds(bench, &id)), 1);
    nm_bench_back(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 2);
    nm_delivery_t again = nm_sent_delivery(bench, 1);
    assert_true(again.doubtful);
    assert_true(again.order >= 1000);
    assert_true(nm_id_equal(&again.notification, &id));
}

static void
refuses_a_question_about_holds_that_is_none(void **state)
{
    nm_bench_t *bench = *state;
    uint64_t ask = nm_bench_ask(bench, "gateway-1", "custody.holds", NULL, nm_text("\x80"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_reply(bench, ask)->status, 422);
}

//  Whichever of the others keeps its copies.
static void
tells_all_other_gateways_what_was_for_one_that_is_gone_for_good(void **state)
{
    static const char *const CC[] = { "cc@example.org" };
    nm_bench_t *bench = *state;
    nm_bench_freeze(bench, "gateway-2", true);
    sample_t sample = s_email();
    NM_PUT(&sample.email, email, cc, s_lines(&sample, CC, 1));
    s_pack_email(&sample);
    s_work(bench, 2, &sample);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_EVENT), 1);
    assert_string_equal(nm_bench_sent(bench, NM_MAIL_EVENT, 0)->peer, "gateway-2");
    nm_bench_forget(bench);
    nm_bench_bury(bench, "gateway-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_EVENT), 1);  //  What had no receipt
    assert_string_equal(nm_bench_sent(bench, NM_MAIL_EVENT, 0)->peer, "gateway-1");
    nm_id_t id = s_id(2);
    nm_event_t event = nm_sent_event(bench, 0);
    assert_true(nm_id_equal(&event.notification, &id));

    sample = s_email();
    NM_PUT(&sample.email, email, cc, s_lines(&sample, CC, 1));
    s_pack_email(&sample);
    s_work_over(bench, "gateway-1", 2, &sample);  //  And what comes later
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_EVENT), 2);
    assert_string_equal(nm_bench_sent(bench, NM_MAIL_EVENT, 1)->peer, "gateway-1");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(makes_one_delivery_that_has_all_of_the_request),
        CLAIM(makes_a_delivery_for_each_copy_that_shows_the_first_address),
        CLAIM(tells_the_owner_how_many_deliveries_there_are),
        CLAIM(passes_over_work_that_is_over),
        CLAIM(ends_what_has_expired),
        CLAIM(buries_what_no_actor_works_on),
        CLAIM(buries_what_has_no_address),
        CLAIM(takes_the_next_channel_when_nobody_works_on_the_first),
        CLAIM(serves_each_channel_when_all_are_wanted),
        CLAIM(fails_a_notification_whose_request_cannot_be_read),
        CLAIM(keeps_mail_that_is_no_record_apart_and_goes_on),
        CLAIM(keeps_a_delivery_over_a_crash_until_an_actor_is_there),
        CLAIM(mails_a_replayed_delivery_as_it_came),
        CLAIM(buries_a_replay_again_when_nobody_works_on_it),
        CLAIM(ends_a_replay_that_has_expired),
        CLAIM(mails_a_returned_delivery_on_as_it_came),
        CLAIM(gives_no_delivery_back_that_it_does_not_have),
        CLAIM(cancels_what_still_waits_for_a_channel_actor),
        CLAIM(makes_only_what_is_lost_of_work_that_comes_again),
        CLAIM(holds_a_delivery_until_its_receipt),
        CLAIM(does_not_hold_what_it_only_speaks_of),
        CLAIM(says_that_a_lost_actor_may_have_handled_it),
        CLAIM(refuses_a_question_about_holds_that_is_none),
        CLAIM(tells_all_other_gateways_what_was_for_one_that_is_gone_for_good),
    };
    return cmocka_run_group_tests_name("actors/router", tests, NULL, NULL);
}
