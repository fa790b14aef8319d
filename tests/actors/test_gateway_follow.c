//  All events over several gateways: the test plays gateway-2 and gateway-3.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "actors/gateway/state.h"
#include "actors/gateway/tables.h"
#include "tests/actors/gateway_client.h"
#include "wire/id.h"
#include "wire/writer.h"

#define READ "events.read"
#define FEED "events.feed"

static const char MORE[] = "    gateway-3\n        role = \"gateway\"\n        number = 3\n"
                           "        mailbox = \"tcp://127.0.0.1:7100\"\n        desk = \"tcp://127.0.0.1:7101\"\n"
                           "        door = \"tcp://127.0.0.1:7102\"\n";

typedef struct {
    nm_client_t *client;
    nm_bench_t *bench;
    nm_buf_t body, page;
    size_t seen;  //  Asks that were looked at
    char cursor[256];
} test_t;

static int
s_setup(void **state)
{
    test_t *self = nm_alloc(sizeof *self);
    self->client = nm_client_new(MORE);
    self->bench = self->client->bench;
    nm_bench_away(self->bench, "gateway-3");
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    test_t *self = *state;
    nm_client_destroy(&self->client);
    nm_buf_free(&self->body);
    nm_buf_free(&self->page);
    free(self);
    return 0;
}

//  Queues an ask of `shop` and turns. Pairs of texts, which NULL ends.
static uint64_t
s_ask(test_t *self, ...)
{
    const char *pairs[8] = { NULL };
    va_list args;
    va_start(args, self);
    for (size_t i = 0; i < NM_COUNT(pairs) - 1 && (pairs[i] = va_arg(args, const char *)); i++)
        ;
    va_end(args);
    nm_buf_clear(&self->body);
    nm_client_map(&self->body, pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5], NULL);
    uint64_t id = nm_client_queue(self->client, READ, NULL, nm_buf_bytes(&self->body));
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    return id;
}

//  The next ask that was put to that gateway; NULL: none.
static const nm_bench_asked_t *
s_next(test_t *self, const char *peer)
{
    while (self->seen < nm_bench_asks(self->bench)) {
        const nm_bench_asked_t *asked = nm_bench_asked(self->bench, self->seen++);
        if (strcmp(asked->op, FEED) == 0 && strcmp(asked->peer, peer) == 0)
            return asked;
    }
    return NULL;
}

//  One event of gateway-2's journal.
typedef struct {
    uint64_t position;
    int64_t after_ms;  //  After the bench began
    const char *detail;
    bool others;  //  Of another tenant
} event_t;

static nm_bytes_t
s_page(test_t *self, uint64_t next, const event_t *events, size_t count)
{
    nm_buf_clear(&self->page);
    nm_writer_map(&self->page, 3);
    nm_writer_pair_uint(&self->page, "next", next);
    nm_writer_pair_bool(&self->page, "more", false);
    nm_writer_text(&self->page, "entries");
    nm_writer_list(&self->page, 2 * count);
    for (size_t i = 0; i < count; i++) {
        nm_buf_t raw = { 0 };
        nm_entry_t entry = { .has = 0 };
        nm_id_t id = { { 1, (uint8_t) events[i].position } }, service = { { 9 } };
        if (!events[i].others)
            nm_id_from_text(nm_text(self->client->service), &service);
        NM_PUT(&entry, entry, notification, id);
        NM_PUT(&entry, entry, service, service);
        NM_PUT(&entry, entry, kind, NM_EVENT_QUEUED);
        NM_PUT(&entry, entry, status, NM_STATUS_QUEUED);
        NM_PUT(&entry, entry, at, nm_bench_now(self->bench) + events[i].after_ms);
        NM_PUT(&entry, entry, detail, nm_text(events[i].detail));
        nm_record_encode(&nm_entry_shape, &entry, NM_BY_TAG, &raw);
        nm_writer_uint(&self->page, events[i].position);
        nm_writer_bin(&self->page, nm_buf_bytes(&raw));
        nm_buf_free(&raw);
    }
    return nm_buf_bytes(&self->page);
}

static void
s_answer(test_t *self, const nm_bench_asked_t *asked, uint64_t next, const event_t *events, size_t count)
{
    assert_non_null(asked);
    nm_bench_answer(self->bench, asked->id, asked->peer, 200, s_page(self, next, events, count));
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
}

static const nm_bench_reply_t *
s_reply(test_t *self, uint64_t id)
{
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    assert_non_null(reply);
    assert_int_equal(reply->status, 200);
    snprintf(self->cursor, sizeof self->cursor, "%s", nm_client_text(reply->body, "next_cursor"));
    return reply;
}

static const char *
s_detail(const nm_bench_reply_t *reply, size_t n)
{
    return nm_client_text(nm_client_item(reply->body, "items", n), "detail");
}

//  Begins to follow: gateway-2's journal stands at 1000. Returns its feed, which waits for news.
static const nm_bench_asked_t *
s_begin(test_t *self)
{
    uint64_t id = s_ask(self, "limit", "#50", NULL);
    const nm_bench_asked_t *own = s_next(self, "gateway-2"), *feed = s_next(self, "gateway-2");
    assert_null(nm_bench_reply(self->bench, id));
    s_answer(self, own, 1000, NULL, 0);
    assert_int_equal(nm_client_count(s_reply(self, id)->body, "items"), 0);
    s_answer(self, feed, 1000, NULL, 0);
    nm_bench_wait(self->bench, 10);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    feed = s_next(self, "gateway-2");
    assert_non_null(feed);
    assert_int_equal(nm_client_number(feed->body, "after"), 1000);
    assert_int_equal(nm_client_number(feed->body, "wait_ms"), 20000);
    return feed;
}

static void
who_waits_hears_of_what_happens_at_another_gateway(void **state)
{
    test_t *self = *state;
    const nm_bench_asked_t *feed = s_begin(self);
    uint64_t id = s_ask(self, "after", self->cursor, "wait_ms", "#20000", NULL);
    assert_null(s_next(self, "gateway-2"));  //  Nobody is asked for this reader
    static const event_t EVENTS[] = { { 1001, 0, "theirs", true }, { 1003, 0, "ours", false } };
    s_answer(self, feed, 1004, EVENTS, 2);
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    assert_string_equal(s_detail(reply, 0), "ours");
}

static void
what_happens_here_comes_with_it_in_order_of_time(void **state)
{
    test_t *self = *state;
    const nm_bench_asked_t *feed = s_begin(self);
    nm_bench_wait(self->bench, 100);
    nm_client_send(self->client, 1);
    static const event_t EVENTS[] = { { 1001, -50, "before", false }, { 1002, 50, "after", false } };
    s_answer(self, feed, 1002, EVENTS, 2);
    const nm_bench_reply_t *reply = s_reply(self, s_ask(self, "after", self->cursor, NULL));
    assert_int_equal(nm_client_count(reply->body, "items"), 3);
    assert_string_equal(s_detail(reply, 0), "before");
    assert_string_equal(nm_client_text(nm_client_item(reply->body, "items", 1), "event"), "accepted");
    assert_string_equal(s_detail(reply, 2), "after");

    //  An item's cursor goes on right after it.
    char cursor[256];
    snprintf(cursor, sizeof cursor, "%s", nm_client_text(nm_client_item(reply->body, "items", 1), "cursor"));
    reply = s_reply(self, s_ask(self, "after", cursor, NULL));
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    assert_string_equal(s_detail(reply, 0), "after");
}

static void
pages_give_each_event_once(void **state)
{
    test_t *self = *state;
    const nm_bench_asked_t *feed = s_begin(self);
    for (unsigned n = 0; n < 5; n++)
        nm_client_send(self->client, n);
    static const event_t EVENTS[] = { { 1001, 0, "a", false }, { 1002, 0, "b", false }, { 1003, 0, "c", false } };
    s_answer(self, feed, 1003, EVENTS, 3);
    size_t own = 0, others = 0;
    for (unsigned n = 0; n < 8; n++) {
        const nm_bench_reply_t *reply = s_reply(self, s_ask(self, "after", self->cursor, "limit", "#1", NULL));
        assert_int_equal(nm_client_count(reply->body, "items"), 1);
        bool accepted = strcmp(nm_client_text(nm_client_item(reply->body, "items", 0), "event"), "accepted") == 0;
        own += accepted;
        others += !accepted && s_detail(reply, 0)[0] == "abc"[others];
    }
    assert_int_equal(own, 5);
    assert_int_equal(others, 3);
    assert_int_equal(nm_client_count(s_reply(self, s_ask(self, "after", self->cursor, NULL))->body, "items"), 0);
}

//  A restart has no windows: whoever comes with a cursor is read for.
static void
who_stands_before_the_window_is_read_for(void **state)
{
    test_t *self = *state;
    s_begin(self);
    nm_bench_restart(self->bench);
    nm_bench_away(self->bench, "gateway-3");
    nm_bench_turn(self->bench);
    self->seen = 0;
    uint64_t id = s_ask(self, "after", self->cursor, "wait_ms", "#20000", NULL);
    const nm_bench_asked_t *own = s_next(self, "gateway-2");
    assert_int_equal(nm_client_number(own->body, "after"), 1000);
    assert_string_not_equal(nm_client_text(own->body, "service"), "");
    static const event_t EVENTS[] = { { 1001, 0, "missed", false } };
    s_answer(self, own, 1001, EVENTS, 1);
    assert_string_equal(s_detail(s_reply(self, id), 0), "missed");
}

//  What others answered and found no room in the page comes in the next, not again from the beginning.
static void
a_page_that_is_full_before_an_answer_is_used_keeps_its_place(void **state)
{
    test_t *self = *state;
    s_begin(self);
    nm_bench_wait(self->bench, 95000);
    nm_bench_turn(self->bench);
    nm_client_send(self->client, 1);
    self->seen = nm_bench_asks(self->bench);
    uint64_t id = s_ask(self, "after", self->cursor, "limit", "#1", NULL);
    static const event_t EVENTS[] = { { 1005, 10, "later", false }, { 1009, 20, "last", false } };
    s_answer(self, s_next(self, "gateway-2"), 1010, EVENTS, 2);
    assert_string_equal(nm_client_text(nm_client_item(s_reply(self, id)->body, "items", 0), "event"), "accepted");
    nm_stream_t stream;
    assert_int_equal(nm_stream_read(&stream, nm_bench_mesh(self->bench)->authority, nm_text(self->cursor)), NM_OK);
    assert_int_equal(nm_stream_find(&stream, 2)->position, 1004);
}

static void
one_that_is_away_does_not_hold_up_the_others_and_is_read_when_it_is_back(void **state)
{
    test_t *self = *state;
    s_begin(self);
    int64_t began_ms = nm_bench_now(self->bench);
    uint64_t id = s_ask(self, "after", self->cursor, "wait_ms", "#20000", NULL);
    nm_client_send(self->client, 1);
    assert_int_equal(nm_client_count(s_reply(self, id)->body, "items"), 1);

    nm_bench_back(self->bench, "gateway-3");
    nm_bench_turn(self->bench);
    id = s_ask(self, "after", self->cursor, NULL);
    const nm_bench_asked_t *asked;
    while ((asked = s_next(self, "gateway-3")) && !nm_client_text(asked->body, "since")[0])
        ;
    assert_non_null(asked);
    char since[32];
    snprintf(since, sizeof since, "%s", nm_client_text(asked->body, "since"));
    assert_true(strncmp(since, "2026-11-2", 9) == 0);
    assert_true(began_ms > 0);
    static const event_t EVENTS[] = { { 77, 0, "late", false } };
    s_answer(self, asked, 80, EVENTS, 1);
    assert_string_equal(s_detail(s_reply(self, id), 0), "late");
}

//  Whoever waits while a feed begins further on is sent to ask again.
static void
a_gap_is_not_waited_over(void **state)
{
    test_t *self = *state;
    s_begin(self);
    uint64_t id = s_ask(self, "after", self->cursor, "wait_ms", "#20000", NULL);
    nm_bench_back(self->bench, "gateway-3");
    nm_bench_turn(self->bench);
    nm_bench_wait(self->bench, 500);
    nm_bench_turn(self->bench);
    assert_null(nm_bench_reply(self->bench, id));
    s_answer(self, s_next(self, "gateway-3"), 500, NULL, 0);
    assert_int_equal(nm_client_count(s_reply(self, id)->body, "items"), 0);
}

static void
a_forgotten_gateway_drops_out(void **state)
{
    test_t *self = *state;
    s_begin(self);
    nm_bench_bury(self->bench, "gateway-2");
    nm_bench_turn(self->bench);
    nm_client_send(self->client, 1);
    const nm_bench_reply_t *reply = s_reply(self, s_ask(self, "after", self->cursor, NULL));
    assert_int_equal(nm_client_count(reply->body, "items"), 1);
    nm_stream_t stream;
    assert_int_equal(nm_stream_read(&stream, nm_bench_mesh(self->bench)->authority, nm_text(self->cursor)), NM_OK);
    assert_null(nm_stream_find(&stream, 2));
    assert_non_null(nm_stream_find(&stream, 1));
}

static void
a_feed_that_went_back_begins_anew(void **state)
{
    test_t *self = *state;
    const nm_bench_asked_t *feed = s_begin(self);
    uint64_t id = s_ask(self, "after", self->cursor, "wait_ms", "#20000", NULL);
    s_answer(self, feed, 900, NULL, 0);  //  A restored store
    assert_null(nm_bench_reply(self->bench, id));
    nm_bench_wait(self->bench, 10);
    nm_bench_turn(self->bench);
    assert_int_equal(nm_client_number(s_next(self, "gateway-2")->body, "after"), 900);
}

//  What came long ago is forgotten; whoever stands there is read for, and who stands later is not.
static void
a_window_keeps_what_came_last(void **state)
{
    test_t *self = *state;
    enum { PAGES = 12, PER_PAGE = 200 };
    char early[256], late[256] = "";
    static char detail[NM_DETAIL_MAX];
    event_t events[PER_PAGE];
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    memset(detail, 'x', sizeof detail - 1);
    const nm_bench_asked_t *feed = s_begin(self);
    snprintf(early, sizeof early, "%s", self->cursor);
    for (unsigned page = 0; page < PAGES; page++) {
        for (unsigned i = 0; i < PER_PAGE; i++)
            events[i] = (event_t){ 1001 + page * PER_PAGE + i, 0, detail, false };
        s_answer(self, feed, events[PER_PAGE - 1].position, events, PER_PAGE);
        s_reply(self, s_ask(self, "wait_ms", "#0", NULL));
        snprintf(late, sizeof late, "%s", self->cursor);
        nm_bench_wait(self->bench, 10);
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
        feed = s_next(self, "gateway-2");
    }
    assert_true(gateway->feeds.items[0].entries.size <= 2 * 1024 * 1024);
    assert_true(gateway->feeds.items[0].low > 1000);
    assert_int_equal(nm_client_count(s_reply(self, s_ask(self, "after", late, NULL))->body, "items"), 0);
    assert_null(s_next(self, "gateway-2"));
    uint64_t id = s_ask(self, "after", early, NULL);
    assert_null(nm_bench_reply(self->bench, id));
    assert_int_equal(nm_client_number(s_next(self, "gateway-2")->body, "after"), 1000);
}

static void
marks_are_one_a_second_and_go_with_the_entries(void **state)
{
    test_t *self = *state;
    for (unsigned n = 0; n < 30; n++) {
        nm_client_send(self->client, n);
        nm_bench_wait(self->bench, 100);
    }
    assert_in_range(nm_bench_rows(self->bench, &nm_journal_marks_table), 3, 4);
    nm_bench_wait(self->bench, INT64_C(8) * 86400000);
    nm_client_send(self->client, 31);
    nm_bench_wait(self->bench, 60000);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    assert_int_equal(nm_bench_rows(self->bench, &nm_journal_marks_table), 1);
}

//  A gateway makes hundreds of chunks in a second: those of a week ago go as fast as new ones come.
static void
the_journal_is_swept_as_fast_as_it_grows(void **state)
{
    test_t *self = *state;
    for (unsigned n = 0; n < 1100; n++)
        nm_client_send(self->client, n);
    assert_true(nm_bench_rows(self->bench, &nm_journal_table) >= 1100);
    nm_bench_wait(self->bench, INT64_C(8) * 86400000);
    for (unsigned n = 0; n < 4; n++) {
        assert_int_equal(nm_bench_turn(self->bench), NM_OK);
        nm_bench_wait(self->bench, 50);
    }
    assert_int_equal(nm_bench_rows(self->bench, &nm_journal_table), 0);
}

//  A turn that came to nothing brought nothing: it is asked for again, and comes once.
static void
what_came_in_an_undone_turn_comes_again(void **state)
{
    test_t *self = *state;
    const nm_bench_asked_t *feed = s_begin(self);
    nm_gateway_t *gateway = nm_bench_state(self->bench);
    static const event_t EVENTS[] = { { 1002, 0, "kept", false }, { 1003, 0, "undone", false } };
    s_answer(self, feed, 1002, EVENTS, 1);
    nm_feed_t *undone = &gateway->feeds.items[0];
    undone->end = 1003;
    nm_buf_add(&undone->entries, "half an entry", 13);
    nm_feeds_undo(&gateway->feeds);
    assert_int_equal(undone->end, 1002);
    nm_bench_wait(self->bench, 500);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    feed = s_next(self, "gateway-2");
    assert_int_equal(nm_client_number(feed->body, "after"), 1002);
    s_answer(self, feed, 1003, EVENTS + 1, 1);
    const nm_bench_reply_t *reply = s_reply(self, s_ask(self, "after", self->cursor, NULL));
    assert_int_equal(nm_client_count(reply->body, "items"), 2);
    assert_string_equal(s_detail(reply, 1), "undone");
}

static void
nonsense_of_a_feed_is_asked_for_again(void **state)
{
    test_t *self = *state;
    const nm_bench_asked_t *feed = s_begin(self);
    static const event_t EVENTS[] = { { 1000, 0, "old", false } };
    s_answer(self, feed, 1001, EVENTS, 1);
    nm_bench_wait(self->bench, 500);
    nm_bench_turn(self->bench);
    assert_int_equal(nm_client_number(s_next(self, "gateway-2")->body, "after"), 1000);
}

static void
cursors_of_before_and_times_begin_a_stream(void **state)
{
    test_t *self = *state;
    uint64_t id = s_ask(self, "after", "2-1f", NULL);
    const nm_bench_asked_t *asked = s_next(self, "gateway-2");
    assert_int_equal(nm_client_number(asked->body, "after"), 0x1f);
    s_answer(self, asked, 0x30, NULL, 0);
    s_reply(self, id);

    id = s_ask(self, "since", "2026-11-20T12:00:00Z", NULL);
    while ((asked = s_next(self, "gateway-2")) && !nm_client_text(asked->body, "since")[0])
        ;
    assert_string_equal(nm_client_text(asked->body, "since"), "2026-11-20T12:00:00.000Z");
    s_answer(self, asked, 0x30, NULL, 0);
    s_reply(self, id);

    id = s_ask(self, "after", "0", NULL);
    while ((asked = s_next(self, "gateway-2")) && !nm_client_text(asked->body, "since")[0])
        ;
    assert_string_equal(nm_client_text(asked->body, "since"), "1970-01-01T00:00:00.000Z");
    static const char *const BAD[] = { "77-1f", "65537-1", "2", "2-1F", "two", "v2", "v2AAAAAAAA" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        id = s_ask(self, "after", BAD[i], NULL);
        assert_int_equal(nm_bench_reply(self->bench, id)->status, 400);
    }
}

static void
feeds_end_when_nobody_follows(void **state)
{
    test_t *self = *state;
    s_begin(self);
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    assert_int_not_equal(gateway->feeds.items[0].life, 0);
    nm_bench_wait(self->bench, 95000);
    nm_bench_turn(self->bench);
    nm_bench_turn(self->bench);
    assert_int_equal(gateway->feeds.items[0].life, 0);
}

//  -- The other side

static uint64_t
s_ask_feed(test_t *self, const char *peer, const char *key, const char *value, const char *wait_ms)
{
    nm_buf_clear(&self->body);
    nm_bytes_t body = nm_client_map(&self->body, "wait_ms", wait_ms, key, value, NULL);
    uint64_t id = nm_bench_ask(self->bench, peer, FEED, NULL, body);
    assert_int_equal(nm_bench_turn(self->bench), NM_OK);
    return id;
}

static void
a_gateway_that_follows_gets_what_the_journal_gets(void **state)
{
    test_t *self = *state;
    nm_client_send(self->client, 1);
    uint64_t id = s_ask_feed(self, "gateway-2", "limit", "#200", "#0");
    const nm_bench_reply_t *reply = s_reply(self, id);
    assert_int_equal(nm_client_count(reply->body, "entries"), 0);
    char after[32];
    snprintf(after, sizeof after, "#%llu", (unsigned long long) nm_client_number(reply->body, "next"));
    id = s_ask_feed(self, "gateway-2", "after", after, "#20000");
    assert_null(nm_bench_reply(self->bench, id));
    nm_client_send(self->client, 2);
    reply = s_reply(self, id);
    assert_int_equal(nm_client_count(reply->body, "entries"), 2);

    id = s_ask_feed(self, "gateway-2", "since", "2020-01-01T00:00:00Z", "#0");
    assert_int_equal(nm_client_count(s_reply(self, id)->body, "entries"), 4);
    id = s_ask_feed(self, "gateway-2", "service", "00000000-0000-4000-8000-000000000009", "#0");
    assert_int_equal(nm_client_count(s_reply(self, id)->body, "entries"), 0);
}

static void
nobody_but_gateways_gets_a_feed(void **state)
{
    test_t *self = *state;
    nm_ask_headers_t headers = { .has = 0 };
    NM_PUT(&headers, ask_headers, api_key, nm_text(self->client->admin));
    uint64_t id = nm_client_queue(self->client, FEED, &headers, nm_bytes(NULL, 0));
    nm_bench_turn(self->bench);
    assert_int_equal(nm_bench_reply(self->bench, id)->status, 404);
    id = s_ask_feed(self, "router-1", "after", "#0", "#0");
    assert_int_equal(nm_bench_reply(self->bench, id)->status, 403);
}

static void
since_begins_with_what_was_written_then(void **state)
{
    test_t *self = *state;
    for (unsigned n = 0; n < 5; n++) {
        nm_client_send(self->client, n);
        nm_bench_wait(self->bench, 10000);
    }
    static const struct {
        const char *since;
        size_t count;
    } CASES[] = { { "2026-11-21T00:00:00Z", 5 },
                  { "2026-11-21T00:00:05Z", 4 },
                  { "2026-11-21T00:00:30.5Z", 2 },
                  { "2026-11-21T00:00:39Z", 1 },
                  { "2026-11-21T00:00:45Z", 0 } };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        uint64_t id = s_ask_feed(self, "gateway-2", "since", CASES[i].since, "#0");
        assert_int_equal(nm_client_count(s_reply(self, id)->body, "entries"), 2 * CASES[i].count);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_waits_hears_of_what_happens_at_another_gateway),
        TEST(what_happens_here_comes_with_it_in_order_of_time),
        TEST(pages_give_each_event_once),
        TEST(who_stands_before_the_window_is_read_for),
        TEST(a_page_that_is_full_before_an_answer_is_used_keeps_its_place),
        TEST(one_that_is_away_does_not_hold_up_the_others_and_is_read_when_it_is_back),
        TEST(a_gap_is_not_waited_over),
        TEST(a_forgotten_gateway_drops_out),
        TEST(a_feed_that_went_back_begins_anew),
        TEST(a_window_keeps_what_came_last),
        TEST(marks_are_one_a_second_and_go_with_the_entries),
        TEST(the_journal_is_swept_as_fast_as_it_grows),
        TEST(what_came_in_an_undone_turn_comes_again),
        TEST(nonsense_of_a_feed_is_asked_for_again),
        TEST(cursors_of_before_and_times_begin_a_stream),
        TEST(feeds_end_when_nobody_follows),
        TEST(a_gateway_that_follows_gets_what_the_journal_gets),
        TEST(nobody_but_gateways_gets_a_feed),
        TEST(since_begins_with_what_was_written_then),
    };
    return cmocka_run_group_tests_name("gateway follows", tests, NULL, NULL);
}
