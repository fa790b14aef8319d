//  About broker/actor.c and what it stands on: custody, seen from one actor whose peers are played.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/actor_private.h"
#include "broker/bench.h"
#include "wire/reader.h"
#include "lmdb_store/key.h"
#include "wire/writer.h"

//  A router's double: passes each WORK on as a DELIVERY with the same body, and remembers bodies
//  in its store, so that a mail handled twice shows.
static const nm_table_t BODIES = { NM_TABLE_ROLE, true, "bodies" };
static const nm_table_t *const TABLES[] = { &BODIES };

typedef struct {
    nm_rc_t answer;  //  What the next mail is answered with
    unsigned handled;
    bool by_ref;
} s_double_t;

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) setup, (void) error;
    *state = nm_alloc(sizeof(s_double_t));
    return NM_OK;
}

static nm_rc_t
s_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    s_double_t *self = state;
    if (nm_bytes_is(mail->body, "unreadable"))
        return NM_ERR_MALFORMED;
    if (self->answer != NM_OK)
        return self->answer;
    self->handled++;
    uint8_t number[8];
    nm_put_u64(number, nm_txn_next(nm_turn_txn(turn), NM_COUNTER_ROLE_1));
    nm_rc_t rc = nm_table_put(nm_turn_txn(turn), &BODIES, nm_bytes(number, sizeof number), mail->body);
    if (rc != NM_OK)
        return rc;
    nm_mail_out_t out = {
        .role = NM_ROLE_EMAIL, .kind = NM_MAIL_DELIVERY, .priority = mail->priority, .body = mail->body
    };
    if (self->by_ref)
        out.ref = nm_bytes(number, sizeof number);
    return nm_turn_mail(turn, &out);
}

static nm_rc_t
s_load_body(void *state, nm_turn_t *turn, uint8_t kind, nm_bytes_t ref, nm_bytes_t *body)
{
    (void) state, (void) kind;
    return nm_table_get(nm_turn_txn(turn), &BODIES, ref, body);
}

static nm_rc_t
s_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    (void) state;
    nm_turn_ask(turn, NM_ROLE_DEADLETTER, NULL, "dead_letters.list", nm_bytes(NULL, 0), 5000, 99);
    nm_turn_reply(turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_bytes(NULL, 0));
    return NM_OK;
}

static const nm_role_t DOUBLE = { .name = "router",
                                  .id = NM_ROLE_ROUTER,
                                  .tables = TABLES,
                                  .table_count = NM_COUNT(TABLES),
                                  .open = s_open,
                                  .close = free,
                                  .mail = s_mail,
                                  .ask = s_ask,
                                  .load_body = s_load_body };

static nm_bench_t *
s_bench(void)
{
    return nm_bench_new(&DOUBLE, "router-1", NULL);
}

static s_double_t *
s_double(nm_bench_t *bench)
{
    return nm_bench_state(bench);
}

static uint64_t
s_stored(nm_bench_t *bench)
{
    return s_double(bench)->handled;
}

static void
passes_mail_on_in_the_turn_that_takes_it(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("first of all"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    assert_true(nm_bytes_is(nm_bench_sent(bench, 0, 0)->body, "first of all"));
    nm_bench_destroy(&bench);
}

static void
shares_mail_between_peers_of_a_role(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    unsigned to_first = 0;
    for (int i = 0; i < 10; i++)
        nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("one of ten"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    for (size_t i = 0; i < 10; i++)
        to_first += strcmp(nm_bench_sent(bench, NM_MAIL_DELIVERY, i)->peer, "email-1") == 0;
    assert_int_equal(to_first, 5);
    nm_bench_destroy(&bench);
}

static void
gives_less_to_one_that_holds_more(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    unsigned to_first = 0;
    nm_bench_busy(bench, "email-1", 60);
    for (int i = 0; i < 100; i++)
        nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("one of a hundred"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    for (size_t i = 0; i < 100; i++)
        to_first += strcmp(nm_bench_sent(bench, NM_MAIL_DELIVERY, i)->peer, "email-1") == 0;
    assert_int_equal(to_first, 20);  //  80 to the other: then both have 80

    //  It holds more than a credit, and the other cannot take any: still, all goes through.
    nm_bench_busy(bench, "email-1", 100000);
    nm_bench_away(bench, "email-2");
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("one more"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 101);
    nm_bench_destroy(&bench);
}

static void
keeps_mail_while_nobody_is_there(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_away(bench, "email-1");
    nm_bench_away(bench, "email-2");
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("has to wait"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, 0), 0);

    nm_bench_restart(bench);
    assert_int_equal(nm_bench_mails(bench, 0), 0);
    nm_bench_back(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    assert_string_equal(nm_bench_sent(bench, 0, 0)->peer, "email-2");
    nm_bench_destroy(&bench);
}

static void
lets_urgent_mail_pass_what_waits(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    assert_true(nm_rank(1000, NM_PRIORITY_INSTANT) < nm_rank(900, NM_PRIORITY_NORMAL));
    //  ... but not what is old enough.
    assert_true(nm_rank(400000, NM_PRIORITY_INSTANT) > nm_rank(1000, NM_PRIORITY_LOW));
    nm_bench_destroy(&bench);
}

static void
sends_again_what_had_no_receipt(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_link_t *link;
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("sent into the void"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    //  The store knows nothing of the receipt yet if the crash comes before it was written down.
    nm_bench_restart(bench);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 0);  //  The greeting said: I have it
    link = nm_actor_link(nm_bench_actor(bench), "email-1");
    assert_int_equal(link->open_count, 0);
    nm_bench_destroy(&bench);
}

static void
loads_a_body_by_reference_when_it_waited(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    s_double(bench)->by_ref = true;
    nm_bench_away(bench, "email-1");
    nm_bench_away(bench, "email-2");
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("kept once"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_back(bench, "email-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_bytes_is(nm_bench_sent(bench, NM_MAIL_DELIVERY, 0)->body, "kept once"));
    nm_bench_destroy(&bench);
}

//  -- Mail that waits is found by its tag

enum { TAG_COUNT = 400 };

typedef struct {
    nm_actor_t *actor;
    uint8_t tag[8];  //  What to withdraw
    nm_rc_t rc;
    bool there[TAG_COUNT];  //  By a walk
    size_t count;
} s_tagged_t;

static nm_rc_t
s_withdraw(nm_txn_t *txn, void *arg)
{
    s_tagged_t *self = arg;
    self->actor->turn.txn = txn;
    self->rc = nm_turn_mail_withdraw(&self->actor->turn, NM_ROLE_EMAIL, nm_bytes(self->tag, sizeof self->tag), NULL);
    return self->rc == NM_ERR_MISSING ? NM_OK : self->rc;
}

static void
s_see_tag(void *arg, nm_bytes_t tag, nm_place_t place)
{
    s_tagged_t *self = arg;
    (void) place;
    self->there[nm_get_u64(tag.at)] = true;
    self->count++;
}

//  What is found is what a walk finds.
static nm_rc_t
s_compare_tags(nm_txn_t *txn, void *arg)
{
    s_tagged_t *self = arg;
    nm_lane_t *lane = nm_posting_lane(self->actor, NM_ROLE_EMAIL, NULL);
    self->actor->turn.txn = txn;
    assert_int_equal(nm_outbox_each_tag(txn, nm_text(lane->text), s_see_tag, self), NM_OK);
    for (uint64_t n = 0; n < TAG_COUNT; n++) {
        nm_place_t place;
        nm_outbox_mail_t mail;
        nm_put_u64(self->tag, n);
        nm_rc_t rc = nm_posting_find(self->actor, lane, nm_bytes(self->tag, sizeof self->tag), &place, &mail);
        assert_int_equal(rc, self->there[n] ? NM_OK : NM_ERR_MISSING);
        if (rc == NM_OK)
            assert_int_equal(nm_get_u64(mail.tag.at), n);
    }
    assert_int_equal(lane->count, self->count);
    assert_int_equal(lane->tags.count, self->count);
    return NM_OK;
}

static size_t
s_check_tags(nm_bench_t *bench)
{
    s_tagged_t tagged = { .actor = nm_bench_actor(bench) };
    assert_int_equal(nm_store_view(nm_bench_store(bench), s_compare_tags, &tagged), NM_OK);
    tagged.actor->turn.txn = NULL;
    return tagged.count;
}

static void
finds_what_waits_by_its_tag_whatever_came_between(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    uint64_t random = 7;
    unsigned withdrawn = 0, most = 0, put = 0;
    s_double(bench)->by_ref = true;
    nm_bench_away(bench, "email-1");
    nm_bench_away(bench, "email-2");
    for (int step = 0; step < 300; step++) {
        s_tagged_t tagged = { .actor = nm_bench_actor(bench) };
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        switch (random >> 33 & 15) {
        case 0:
            nm_bench_back(bench, "email-1");
            assert_int_equal(nm_bench_turn(bench), NM_OK);
            nm_bench_away(bench, "email-1");
            break;
        case 1:
            nm_bench_restart(bench);
            s_double(bench)->by_ref = true;
            nm_bench_away(bench, "email-1");
            nm_bench_away(bench, "email-2");
            break;
        case 2:
            nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("undone"));
            s_double(bench)->answer = NM_ERR_FULL;
            assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
            s_double(bench)->answer = NM_OK;
            nm_bench_again(bench, "gateway-1");
            put++;
            break;
        case 3:
        case 4:
        case 5:
            nm_put_u64(tagged.tag, put - (random >> 40) % (put < 12 ? put + 1 : 12));
            assert_int_equal(nm_store_update(nm_bench_store(bench), s_withdraw, &tagged), NM_OK);
            tagged.actor->turn.txn = NULL;
            withdrawn += tagged.rc == NM_OK;
            break;
        default:
            nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("waits"));
            put++;
            break;
        }
        assert_int_equal(nm_bench_turn(bench), NM_OK);
        size_t count = s_check_tags(bench);
        most = count > most ? (unsigned) count : most;
    }
    assert_true(withdrawn >= 10 && most >= 10);
    nm_bench_destroy(&bench);
}

static void
quarantines_what_the_role_cannot_read(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("unreadable"));
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("quite readable"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.quarantined), 1);
    nm_bench_destroy(&bench);
}

static void
undoes_a_full_turn_and_takes_the_mail_later(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("fits later"));
    s_double(bench)->answer = NM_ERR_FULL;
    uint64_t ask = nm_bench_ask(bench, "gateway-2", "deliveries.cancel", NULL, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
    assert_int_equal(nm_bench_reply(bench, ask)->status, 507);

    s_double(bench)->answer = NM_OK;
    nm_bench_again(bench, "gateway-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
    assert_int_equal(s_stored(bench), 1);
    nm_bench_destroy(&bench);
}

static void
handles_a_repeated_mail_once(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("only once"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_again(bench, "gateway-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_stored(bench), 1);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);

    nm_bench_restart(bench);
    nm_bench_again(bench, "gateway-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_stored(bench), 0);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 0);
    nm_bench_destroy(&bench);
}

static void
refuses_mail_that_a_role_may_not_send(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    for (int i = 0; i < NM_LINK_FAULT_MAX; i++) {
        nm_bench_mail(bench, "email-1", NM_MAIL_WORK, nm_text("forged work"));
        assert_int_equal(nm_bench_turn(bench), NM_OK);
    }
    assert_int_equal(s_stored(bench), 0);
    assert_int_equal(nm_actor_link(nm_bench_actor(bench), "email-1")->state, NM_LINK_BLOCKED);
    nm_bench_destroy(&bench);
}

static void
drops_frames_that_are_none(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    const uint8_t WORLD[] = { 0xdd, 0xff, 0xff, 0xff, 0xff };
    nm_bench_frame(bench, "gateway-1", nm_bytes(WORLD, sizeof WORLD));
    nm_bench_frame(bench, "gateway-1", nm_bytes(NULL, 0));
    nm_bench_frame(bench, "gateway-1", nm_text("\x92\x2a\x80"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.bad_frames), 3);
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("still fine"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_stored(bench), 1);
    nm_bench_destroy(&bench);
}

//  The bench ends the process if a reply is not exactly one value.
static void
tells_its_status_as_one_whole_map(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    uint64_t id = nm_bench_ask(bench, "gateway-2", "status", NULL, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(bench, id);
    nm_bytes_t metrics;
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_reader_check(reply->body), NM_OK);
    assert_int_equal(nm_reader_find(reply->body, "metrics", &metrics), NM_OK);
    nm_bench_destroy(&bench);
}

static void
answers_its_own_ask_when_nobody_else_does(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_ask(bench, "gateway-1", "deliveries.cancel", NULL, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_asks(bench), 1);
    assert_string_equal(nm_bench_asked(bench, 0)->peer, "deadletter-1");
    assert_int_equal(nm_bench_actor(bench)->asks.count, 1);
    nm_bench_wait(bench, 5001);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_actor(bench)->asks.count, 0);
    nm_bench_destroy(&bench);
}

static void
stops_when_a_peer_knows_more_of_it_than_itself(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("numbered one"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    //  A peer that has seen number 1,000,000 of a stream that is at 2.
    nm_bench_boast(bench, "email-1", 1000000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_actor_exit(nm_bench_actor(bench)), NM_ACTOR_EXIT_ROLLED);
    nm_bench_destroy(&bench);
}

static void
keeps_no_more_with_a_frozen_peer_than_its_credit(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_freeze(bench, "email-1", true);
    nm_bench_freeze(bench, "email-2", true);
    for (int i = 0; i < 3000; i++) {
        nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("one of many"));
        if (i % 100 == 99)
            assert_int_equal(nm_bench_turn(bench), NM_OK);
    }
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_actor_link(nm_bench_actor(bench), "email-1")->open_count, NM_CREDIT_COUNT);
    assert_int_equal(nm_actor_link(nm_bench_actor(bench), "email-2")->open_count, NM_CREDIT_COUNT);
    assert_int_equal(nm_bench_offered(bench, "email-1"), NM_CREDIT_COUNT);
    assert_int_equal(nm_bench_offered(bench, "email-2"), NM_CREDIT_COUNT);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 0);

    nm_bench_freeze(bench, "email-1", false);
    for (int i = 0; i < 8; i++)
        assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 3000 - NM_CREDIT_COUNT);

    //  The other one has claimed nothing: after the lease all of it goes to the first.
    nm_bench_wait(bench, nm_bench_mesh(bench)->lease_ms);
    for (int i = 0; i < 8; i++)
        assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 3000);
    nm_bench_destroy(&bench);
}

static void
scrubs_its_store_and_rests_between_passes(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_actor_t *actor = nm_bench_actor(bench);
    int64_t due_ms = actor->scrub_at_ms;
    assert_true(nm_actor_wake(actor) <= due_ms);
    assert_int_equal(nm_actor_rest(actor, due_ms - 1), NM_OK);
    assert_int_equal(nm_metric_value(actor->metric.scrub_records), 0);
    assert_int_equal(nm_actor_rest(actor, due_ms), NM_OK);
    assert_int_equal(nm_metric_value(actor->metric.scrub_passes), 1);
    assert_true(nm_metric_value(actor->metric.scrub_records) >= 4);  //  What any store has
    assert_int_equal(actor->scrub_at_ms, due_ms + NM_SCRUB_REST_MS);
    nm_bench_destroy(&bench);
}

static void
scrubs_a_large_store_in_steps(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_actor_t *actor = nm_bench_actor(bench);
    for (int i = 0; i < 3000; i++) {
        nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("one of many"));
        if (i % 500 == 499)
            assert_int_equal(nm_bench_turn(bench), NM_OK);
    }
    unsigned steps = 0;
    for (; !nm_metric_value(actor->metric.scrub_passes); steps++) {
        int64_t due_ms = actor->scrub_at_ms;
        nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("work goes on"));
        assert_int_equal(nm_bench_turn(bench), NM_OK);
        assert_int_equal(nm_actor_rest(actor, due_ms), NM_OK);
        assert_true(actor->scrub_at_ms >= due_ms + NM_SCRUB_STEP_MS);
    }
    assert_true(steps > 2);
    assert_true(nm_metric_value(actor->metric.scrub_records) > 3000);
    nm_bench_destroy(&bench);
}

//  -- Late words, undone turns, restores: what the simulator found

enum { BOOT = 77 };  //  Of the bench's played peers

static nm_id_t
s_store_of(const char *peer)
{
    nm_id_t store = { { 0 } };
    snprintf((char *) store.at, sizeof store.at, "%.15s", peer);
    return store;
}

//  A greeting of a played peer that has seen nothing of ours and has all that it ever sent still open.
static nm_greet_t
s_greeting(const char *peer, uint64_t boot, uint64_t next)
{
    nm_greet_t greet = { 0 };
    NM_PUT(&greet, greet, store, s_store_of(peer));
    NM_PUT(&greet, greet, epoch, 1);
    NM_PUT(&greet, greet, boot, boot);
    NM_PUT(&greet, greet, low, 1);
    NM_PUT(&greet, greet, next, next);
    NM_PUT(&greet, greet, credit, NM_CREDIT_COUNT);
    NM_PUT(&greet, greet, answer, true);
    return greet;
}

static void
s_put_seen(nm_bench_t *bench, nm_greet_t *greet, uint32_t epoch, uint64_t seen)
{
    NM_PUT(greet, greet, seen_store, *nm_store_id(nm_bench_store(bench)));
    NM_PUT(greet, greet, seen_epoch, epoch);
    NM_PUT(greet, greet, seen, seen);
}

static void
s_give(nm_bench_t *bench, const char *peer, nm_frame_kind_t kind, const nm_shape_t *shape, const void *record)
{
    nm_buf_t frame = { 0 };
    nm_frame_start(&frame, kind);
    nm_record_encode(shape, record, NM_BY_TAG, &frame);
    nm_bench_frame(bench, peer, nm_buf_bytes(&frame));
    nm_buf_free(&frame);
}

//  A receipt for the watermark, and for one number above it (0: none).
static void
s_give_receipt(nm_bench_t *bench, const char *peer, uint64_t seen, uint64_t above)
{
    nm_receipt_t receipt = { 0 };
    nm_spans_t spans = { .seen = seen };
    nm_buf_t runs = { 0 };
    if (above)
        nm_spans_add(&spans, above);
    nm_spans_write(&spans, &runs);
    NM_PUT(&receipt, receipt, store, *nm_store_id(nm_bench_store(bench)));
    NM_PUT(&receipt, receipt, epoch, nm_store_epoch(nm_bench_store(bench)));
    NM_PUT(&receipt, receipt, seen, seen);
    NM_PUT(&receipt, receipt, above, nm_buf_bytes(&runs));
    NM_PUT(&receipt, receipt, credit, NM_CREDIT_COUNT);
    NM_PUT(&receipt, receipt, boot, nm_actor_link(nm_bench_actor(bench), peer)->boot);
    NM_PUT(&receipt, receipt, your_boot, nm_bench_actor(bench)->boot);
    s_give(bench, peer, NM_FRAME_RECEIPT, &nm_receipt_shape, &receipt);
    nm_buf_free(&runs);
}

//  A router's double with three deliveries open to email-1, of which number 2 is receipted and forgotten.
static nm_bench_t *
s_bench_with_a_hole(void)
{
    nm_bench_t *bench = s_bench();
    nm_bench_away(bench, "email-2");
    nm_bench_freeze(bench, "email-1", true);
    for (int i = 0; i < 3; i++)
        nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("three of these"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    s_give_receipt(bench, "email-1", 0, 2);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_wait(bench, NM_FORGET_PATIENCE_MS);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_actor_link(nm_bench_actor(bench), "email-1")->open_count, 2);
    return bench;
}

static void
a_late_receipt_takes_nothing_back(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench_with_a_hole();
    nm_link_t *link = nm_actor_link(nm_bench_actor(bench), "email-1");
    s_give_receipt(bench, "email-1", 0, 0);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(link->open_count, 2);
    assert_true(nm_spans_has(&link->receipted, 2));

    //  The next resend does not look for what was forgotten.
    nm_greet_t greet = s_greeting("email-1", BOOT, 1);
    s_put_seen(bench, &greet, 1, 0);
    s_give(bench, "email-1", NM_FRAME_GREET, &nm_greet_shape, &greet);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_destroy(&bench);
}

static void
knows_after_a_restart_what_was_receipted_above_the_lowest_open(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench_with_a_hole();
    nm_bench_away(bench, "email-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_restart(bench);
    nm_link_t *link = nm_actor_link(nm_bench_actor(bench), "email-1");
    assert_int_equal(link->low, 1);
    assert_int_equal(link->open_count, 2);
    assert_true(nm_spans_has(&link->receipted, 2));
    assert_false(nm_spans_has(&link->receipted, 3));
    nm_bench_destroy(&bench);
}

static nm_rc_t
s_forget_gateway(nm_txn_t *txn, void *arg)
{
    (void) arg;
    return nm_table_delete(txn, &nm_inbox_streams, nm_text("gateway-1"));
}

static uint64_t
s_ask_for_backup_in(nm_bench_t *bench, const char *path)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 1);
    nm_writer_pair_text(&body, "path", path);
    uint64_t id = nm_bench_ask(bench, "operator", "backup", NULL, nm_buf_bytes(&body));
    nm_buf_free(&body);
    return id;
}

static uint64_t
s_ask_for_backup(nm_bench_t *bench)
{
    return s_ask_for_backup_in(bench, "/tmp/never-written");
}

static void
a_backup_whose_turn_was_undone_keeps_none_from_being_made(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    s_ask_for_backup(bench);
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("too much"));
    s_double(bench)->answer = NM_ERR_FULL;
    assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
    s_double(bench)->answer = NM_OK;
    assert_int_equal(nm_bench_effects(bench), 0);

    uint64_t again = s_ask_for_backup(bench);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_null(nm_bench_reply(bench, again));
    assert_int_equal(nm_bench_effects(bench), 1);
    uint64_t third = s_ask_for_backup(bench);  //  Beside it there is none
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_reply(bench, third)->status, 409);
    nm_bench_destroy(&bench);
}

static void
a_backup_where_a_file_is_already_is_refused(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_result_t result = { .token = 0 };
    char path[] = "/tmp/nmesh-backup-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    uint64_t id = s_ask_for_backup_in(bench, path);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    const nm_effect_t *effect = nm_bench_effect(bench, 0);
    effect->work(effect->work_arg, &result);
    nm_bench_result(bench, effect, result.call, result.code, result.text);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_reply(bench, id)->status, 409);
    struct stat is;
    assert_int_equal(fstat(fd, &is), 0);
    assert_int_equal(is.st_size, 0);
    assert_int_equal(is.st_nlink, 1);
    close(fd);
    unlink(path);
    nm_bench_destroy(&bench);
}

static void
a_greeting_whose_turn_was_undone_counts_for_nothing(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_away(bench, "gateway-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_store_update(nm_bench_store(bench), s_forget_gateway, NULL), NM_OK);
    nm_bench_restart(bench);

    nm_bench_back(bench, "gateway-1");
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("once and no more"));
    s_double(bench)->answer = NM_ERR_FULL;
    assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
    s_double(bench)->answer = NM_OK;
    for (int i = 0; i < 2; i++) {
        nm_bench_again(bench, "gateway-1");
        assert_int_equal(nm_bench_turn(bench), NM_OK);
        nm_bench_back(bench, "gateway-1");
        nm_bench_again(bench, "gateway-1");
        assert_int_equal(nm_bench_turn(bench), NM_OK);
    }
    assert_int_equal(s_stored(bench), 1);
    nm_bench_destroy(&bench);
}

static void
sends_again_and_voids_what_a_restored_peer_lacks(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench_with_a_hole();
    nm_link_t *link = nm_actor_link(nm_bench_actor(bench), "email-1");
    s_give_receipt(bench, "email-1", 1, 2);  //  Believed, and not forgotten yet: that copy is gone
    nm_greet_t greet = s_greeting("email-1", BOOT + 1, 1);
    NM_PUT(&greet, greet, epoch, 2);
    s_put_seen(bench, &greet, 1, 0);
    s_give(bench, "email-1", NM_FRAME_GREET, &nm_greet_shape, &greet);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(link->state, NM_LINK_UP);
    assert_int_equal(link->receipted.seen, 0);
    assert_int_equal(link->open_count, 3);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.mail_again), 3);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.gaps), 1);
    s_give_receipt(bench, "email-1", 3, 0);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(link->open_count, 0);
    nm_bench_destroy(&bench);
}

static void
takes_a_void_in_as_seen_and_hands_it_to_nobody(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_mail(bench, "gateway-1", 0, nm_bytes(NULL, 0));
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("after the void"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(s_stored(bench), 1);
    assert_int_equal(nm_actor_link(nm_bench_actor(bench), "gateway-1")->seen.seen, 2);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.refused), 0);
    nm_bench_destroy(&bench);
}

static void
waits_after_a_restore_until_the_peer_knows_of_it(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("before the copy"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_away(bench, "gateway-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_store_new_epoch(nm_bench_store(bench)), NM_OK);
    nm_bench_restart(bench);
    nm_link_t *link = nm_actor_link(nm_bench_actor(bench), "gateway-1");
    assert_true(link->restored);

    //  It still speaks of our first epoch, in which we receipted 2 as well: it may forget more.
    nm_greet_t greet = s_greeting("gateway-1", BOOT, 6);
    NM_PUT(&greet, greet, low, 3);
    s_put_seen(bench, &greet, 1, 0);
    s_give(bench, "gateway-1", NM_FRAME_GREET, &nm_greet_shape, &greet);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(link->state, NM_LINK_STRANGE);
    assert_int_equal(link->seen.seen, 1);

    NM_PUT(&greet, greet, low, 5);
    s_put_seen(bench, &greet, 2, 0);
    s_give(bench, "gateway-1", NM_FRAME_GREET, &nm_greet_shape, &greet);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(link->state, NM_LINK_UP);
    assert_int_equal(link->seen.seen, 4);
    assert_int_equal(nm_metric_value(nm_bench_actor(bench)->metric.gaps), 3);
    nm_bench_destroy(&bench);
}

//  Of the one that it has not met it may hear of mail that was on the way to it, or that its store is an old one.
static void
is_not_drained_before_it_has_met_who_is_there(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_away(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_restart(bench);
    nm_actor_drain(nm_bench_actor(bench));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_false(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_back(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_destroy(&bench);
}

//  A sender that comes back counts what was on the way as ours, and gives it to nobody else.
static void
is_not_drained_while_one_that_was_here_a_moment_ago_may_be_back(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_wait(bench, 20000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_actor_drain(nm_bench_actor(bench));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));

    nm_bench_freeze(bench, "email-2", true);  //  It is killed
    nm_bench_wait(bench, 2000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_false(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_reborn(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));

    nm_bench_away(bench, "email-2");  //  It is stopped
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_false(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_wait(bench, 5000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_destroy(&bench);
}

static uint64_t
s_ask_to_drain(nm_bench_t *bench)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 0);
    uint64_t id = nm_bench_ask(bench, "operator", "drain", NULL, nm_buf_bytes(&body));
    nm_buf_free(&body);
    return id;
}

//  Whoever asked is told that nothing was changed.
static void
a_drain_whose_turn_was_undone_does_not_begin(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_wait(bench, 20000);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    uint64_t id = s_ask_to_drain(bench);
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("too much"));
    s_double(bench)->answer = NM_ERR_FULL;
    assert_int_equal(nm_bench_turn(bench), NM_ERR_FULL);
    s_double(bench)->answer = NM_OK;
    assert_int_equal(nm_bench_reply(bench, id)->status, 507);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_false(nm_actor_drained(nm_bench_actor(bench)));

    id = s_ask_to_drain(bench);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_reply(bench, id)->status, 200);
    assert_true(nm_bytes_is(nm_reader_find_text(nm_bench_reply(bench, id)->body, "state"), "draining"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_destroy(&bench);
}

static void
waits_for_nobody_who_stays_away_before_it_is_drained(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_away(bench, "email-2");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_bench_restart(bench);
    nm_actor_drain(nm_bench_actor(bench));
    nm_bench_wait(bench, 4900);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_false(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_wait(bench, 200);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_true(nm_actor_drained(nm_bench_actor(bench)));
    nm_bench_destroy(&bench);
}

static void
comes_up_after_a_restore_from_before_it_met_a_peer(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_away(bench, "gateway-1");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_store_update(nm_bench_store(bench), s_forget_gateway, NULL), NM_OK);
    assert_int_equal(nm_store_new_epoch(nm_bench_store(bench)), NM_OK);
    nm_bench_restart(bench);
    nm_link_t *link = nm_actor_link(nm_bench_actor(bench), "gateway-1");

    //  What the peer says before it knows of the restore may change until it does.
    nm_greet_t greet = s_greeting("gateway-1", BOOT, 9);
    NM_PUT(&greet, greet, low, 6);
    s_put_seen(bench, &greet, 1, 0);
    s_give(bench, "gateway-1", NM_FRAME_GREET, &nm_greet_shape, &greet);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_actor_exit(nm_bench_actor(bench)), 0);
    assert_int_equal(link->state, NM_LINK_STRANGE);
    s_put_seen(bench, &greet, 2, 0);
    s_give(bench, "gateway-1", NM_FRAME_GREET, &nm_greet_shape, &greet);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(link->state, NM_LINK_UP);
    assert_int_equal(link->seen.seen, 5);
    nm_bench_destroy(&bench);
}

static void
passes_over_receipts_of_an_earlier_epoch(void **state)
{
    (void) state;
    nm_bench_t *bench = s_bench();
    nm_bench_freeze(bench, "email-1", true);
    nm_bench_freeze(bench, "email-2", true);
    nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, nm_text("open in the new epoch"));
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_link_t *link = nm_actor_link(nm_bench_actor(bench), "email-1");
    nm_receipt_t receipt = { 0 };
    NM_PUT(&receipt, receipt, store, *nm_store_id(nm_bench_store(bench)));
    NM_PUT(&receipt, receipt, epoch, 0);
    NM_PUT(&receipt, receipt, seen, 1);
    NM_PUT(&receipt, receipt, credit, 5);
    s_give(bench, "email-1", NM_FRAME_RECEIPT, &nm_receipt_shape, &receipt);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(link->open_count, 1);
    assert_int_equal(link->credit, NM_CREDIT_COUNT);
    nm_bench_destroy(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_mail_on_in_the_turn_that_takes_it),
        cmocka_unit_test(shares_mail_between_peers_of_a_role),
        cmocka_unit_test(gives_less_to_one_that_holds_more),
        cmocka_unit_test(keeps_mail_while_nobody_is_there),
        cmocka_unit_test(lets_urgent_mail_pass_what_waits),
        cmocka_unit_test(sends_again_what_had_no_receipt),
        cmocka_unit_test(loads_a_body_by_reference_when_it_waited),
        cmocka_unit_test(finds_what_waits_by_its_tag_whatever_came_between),
        cmocka_unit_test(quarantines_what_the_role_cannot_read),
        cmocka_unit_test(undoes_a_full_turn_and_takes_the_mail_later),
        cmocka_unit_test(handles_a_repeated_mail_once),
        cmocka_unit_test(refuses_mail_that_a_role_may_not_send),
        cmocka_unit_test(drops_frames_that_are_none),
        cmocka_unit_test(tells_its_status_as_one_whole_map),
        cmocka_unit_test(answers_its_own_ask_when_nobody_else_does),
        cmocka_unit_test(stops_when_a_peer_knows_more_of_it_than_itself),
        cmocka_unit_test(a_late_receipt_takes_nothing_back),
        cmocka_unit_test(knows_after_a_restart_what_was_receipted_above_the_lowest_open),
        cmocka_unit_test(keeps_no_more_with_a_frozen_peer_than_its_credit),
        cmocka_unit_test(scrubs_its_store_and_rests_between_passes),
        cmocka_unit_test(scrubs_a_large_store_in_steps),
        cmocka_unit_test(a_backup_whose_turn_was_undone_keeps_none_from_being_made),
        cmocka_unit_test(a_backup_where_a_file_is_already_is_refused),
        cmocka_unit_test(a_greeting_whose_turn_was_undone_counts_for_nothing),
        cmocka_unit_test(sends_again_and_voids_what_a_restored_peer_lacks),
        cmocka_unit_test(takes_a_void_in_as_seen_and_hands_it_to_nobody),
        cmocka_unit_test(waits_after_a_restore_until_the_peer_knows_of_it),
        cmocka_unit_test(is_not_drained_before_it_has_met_who_is_there),
        cmocka_unit_test(is_not_drained_while_one_that_was_here_a_moment_ago_may_be_back),
        cmocka_unit_test(a_drain_whose_turn_was_undone_does_not_begin),
        cmocka_unit_test(waits_for_nobody_who_stays_away_before_it_is_drained),
        cmocka_unit_test(comes_up_after_a_restore_from_before_it_met_a_peer),
        cmocka_unit_test(passes_over_receipts_of_an_earlier_epoch),
    };
    return cmocka_run_group_tests_name("broker/actor", tests, NULL, NULL);
}
