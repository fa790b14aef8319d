//  events - events.read, of one notification or of everything, and events.feed, by which gateways follow each other.

#include "actors/gateway/gather.h"
#include "actors/gateway/ops.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/writer.h"

enum {
    ANSWER_LIMIT = 10000,  //  Entries in the answer to a feed; its size ends it before
    EARLY_MS = 50,         //  So that the answer is there when the asker stops waiting
};
static const int64_t SKEW_MS = 2000;  //  How far the clocks of hosts may be apart

//  What one gateway asks another. Absent after and since: from now.
#define NM_FEED_ASK_FIELDS(F, R)                                                              \
    F(R, 1, after, UINT, UINT64_MAX, MAY, NULL, "A position in the journal of the one asked") \
    F(R, 2, since, TIME, 0, MAY, NULL, "... or a time")                                       \
    F(R, 3, service, ID, 0, MAY, NULL, "Only of this service")                                \
    F(R, 4, limit, UINT, NM_LIST_MAX, MAY, NULL, "At most so many")                           \
    F(R, 5, wait_ms, UINT, 60000, MAY, NULL, "How long to wait if there is nothing yet")
NM_RECORD_DECLARE(feed_ask, NM_FEED_ASK_FIELDS);
NM_RECORD_DEFINE(feed_ask, NM_FEED_ASK_FIELDS, NULL, 0);

static int64_t
s_until_ms(const nm_case_t *it, uint64_t wait_ms)
{
    int64_t until_ms = it->now_ms + (int64_t) wait_ms;
    return until_ms > it->ask->deadline_ms - EARLY_MS ? it->ask->deadline_ms - EARLY_MS : until_ms;
}

//  Answers one of our own journal now, or keeps it.
static nm_rc_t
s_answer_or_wait(nm_case_t *it, nm_poll_t *poll)
{
    bool answered = false;
    nm_rc_t rc = nm_polls_try(it->gateway, it->turn, poll, &answered);
    return rc == NM_OK && !answered ? nm_polls_wait(it, poll) : rc;
}

//  -- events.feed

nm_rc_t
nm_op_feed(nm_case_t *it)
{
    nm_feed_ask_t ask;
    nm_poll_t poll = { .kind = NM_POLL_FEED, .asker = it->asker };
    if (!nm_case_is_passed_on(it))
        return nm_answer_problem(&it->answer, 404, NULL, "There is no operation events.feed.");
    if (nm_case_decode(it, &nm_feed_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = NM_OK;
    poll.peer = nm_directory_find(it->gateway->directory, it->ask->peer);
    poll.what.everybodys = !NM_HAS(&ask, feed_ask, service);
    poll.what.service = ask.service;
    poll.what.limit = NM_HAS(&ask, feed_ask, limit) ? ask.limit : ANSWER_LIMIT;
    poll.until_ms = s_until_ms(it, ask.wait_ms);
    poll.position = NM_HAS(&ask, feed_ask, after) ? ask.after : nm_journal_end(&it->gateway->journal);
    if (NM_HAS(&ask, feed_ask, since))
        rc = nm_journal_since(&it->gateway->journal, it->txn, ask.since, &poll.position);
    return rc == NM_OK ? s_answer_or_wait(it, &poll) : rc;
}

//  -- Of one notification

//  Where its events begin, or where the cursor says. A cursor of another gateway is of one that had it before.
static nm_rc_t
s_read_one(nm_case_t *it, const nm_events_ask_t *ask, nm_poll_t *poll)
{
    nm_note_t note;
    nm_point_t point;
    nm_stream_t stream;
    nm_gateway_t *gateway = it->gateway;
    nm_rc_t rc = nm_case_find(it, ask->notification, &poll->notification, &note);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    poll->kind = NM_POLL_ONE;
    poll->what.service = note.service;
    poll->what.everybodys = false;
    poll->position = nm_journal_at(note.first_chunk);
    if (!NM_HAS(ask, events_ask, after) || nm_bytes_is(ask->after, "0"))
        return s_answer_or_wait(it, poll);
    if (nm_point_read(&point, ask->after) == NM_OK) {
        if (point.number == gateway->number)
            poll->position = point.position;
    } else if (nm_stream_read(&stream, gateway->mesh->authority, ask->after) == NM_OK) {
        const nm_point_t *own = nm_stream_find(&stream, gateway->number);
        if (own)
            poll->position = own->position;
    } else {
        return nm_answer_problem(&it->answer, 400, NULL, "The cursor is not one of ours.");
    }
    return s_answer_or_wait(it, poll);
}

//  -- Of everything

//  From now on: our own from here, those of others from where their feeds are.
static void
s_start_now(const nm_gateway_t *gateway, nm_stream_t *at)
{
    nm_stream_put(at, gateway->number, nm_journal_end(&gateway->journal));
    for (size_t i = 0; i < gateway->feeds.count; i++)
        if (gateway->feeds.items[i].life)
            nm_stream_put(at, gateway->feeds.items[i].peer->actor.number, gateway->feeds.items[i].end);
}

//  NM_ERR_MALFORMED: the cursor is not one of ours.
static nm_rc_t
s_start(nm_case_t *it, const nm_events_ask_t *ask, nm_stream_t *at)
{
    nm_gateway_t *gateway = it->gateway;
    nm_point_t point;
    *at = (nm_stream_t){ .since_ms = it->now_ms - SKEW_MS };
    if (NM_HAS(ask, events_ask, since))
        at->since_ms = ask->since;
    if (!NM_HAS(ask, events_ask, after)) {
        if (!NM_HAS(ask, events_ask, since))
            s_start_now(gateway, at);
        return NM_OK;
    }
    if (nm_bytes_is(ask->after, "0")) {
        at->since_ms = 0;
        return NM_OK;
    }
    if (nm_point_read(&point, ask->after) != NM_OK)
        return nm_stream_read(at, gateway->mesh->authority, ask->after);
    bool known = point.number == gateway->number || nm_directory_gateway(gateway->directory, point.number);
    nm_stream_put(at, point.number, point.position);
    return known ? NM_OK : NM_ERR_MALFORMED;
}

//  NM_ERR_REFUSED: answered.
static nm_rc_t
s_whose(nm_case_t *it, const nm_events_ask_t *ask, nm_follow_t *what)
{
    what->service = it->who.service;
    what->everybodys = it->who.admin && !NM_HAS(ask, events_ask, service_id);
    if (!NM_HAS(ask, events_ask, service_id) ||
        (nm_id_from_text(ask->service_id, &what->service) == NM_OK && nm_case_may_see(it, &what->service)))
        return NM_OK;
    nm_case_unknown(it, "service");
    return NM_ERR_REFUSED;
}

//  What a gateway has after where the reader stands there.
static nm_bytes_t
s_pack_question(nm_case_t *it, const nm_follow_t *what, const nm_stream_t *at, uint16_t number, bool now)
{
    const nm_point_t *point = nm_stream_find(at, number);
    nm_buf_t *body = &it->gateway->body;
    nm_buf_clear(body);
    size_t mark = nm_writer_map_open(body), count = 1;
    nm_writer_pair_uint(body, "limit", what->limit);
    if (!what->everybodys) {
        nm_writer_pair_id(body, "service", &what->service);
        count++;
    }
    if (point) {
        nm_writer_pair_uint(body, "after", point->position);
        count++;
    } else if (!now) {
        nm_writer_pair_time(body, "since", at->since_ms);
        count++;
    }
    nm_writer_map_close(body, mark, count);
    return nm_buf_bytes(body);
}

//  Asks each gateway that has to be asked for this reader alone; how many those are.
static size_t
s_ask_others(nm_case_t *it, const nm_follow_t *what, const nm_stream_t *at, bool now)
{
    const nm_feeds_t *feeds = &it->gateway->feeds;
    size_t count = 0;
    for (size_t i = 0; i < feeds->count; i++) {
        const nm_peer_t *peer = feeds->items[i].peer;
        if (!nm_follow_must_ask(it->gateway, it->turn, at, peer))
            continue;
        nm_errand_t *errand = count++ ? it->errand : nm_errands_open(it);
        if (!errand)
            return count;
        nm_errands_put(it, errand, i, peer, "events.feed", NULL,
                       s_pack_question(it, what, at, peer->actor.number, now));
    }
    return count;
}

static nm_poll_t
s_make_poll(nm_case_t *it, const nm_follow_t *what, const nm_stream_t *at, int64_t until_ms)
{
    const nm_feeds_t *feeds = &it->gateway->feeds;
    nm_poll_t poll = { .kind = NM_POLL_ALL,
                       .asker = it->asker,
                       .what = *what,
                       .since_ms = at->since_ms,
                       .bond_count = at->count,
                       .until_ms = until_ms };
    poll.bonds = nm_alloc((at->count + 1) * sizeof *poll.bonds);
    for (size_t i = 0; i < at->count; i++) {
        const nm_feed_t *feed = nm_feeds_find(feeds, at->points[i].number);
        bool bound = feed && nm_feed_reaches(feed, at->points[i].position);
        poll.bonds[i] = (nm_bond_t){ at->points[i].number, bound ? feed->life : 0, at->points[i].position };
    }
    return poll;
}

//  Is one of them there, and not read up to where its feed goes on? Then nobody waits: who asks again is read for.
static bool
s_has_gap(nm_case_t *it, const nm_stream_t *at)
{
    const nm_feeds_t *feeds = &it->gateway->feeds;
    for (size_t i = 0; i < feeds->count; i++)
        if (feeds->items[i].life && nm_follow_must_ask(it->gateway, it->turn, at, feeds->items[i].peer))
            return true;
    return false;
}

static nm_rc_t
s_read_all(nm_case_t *it, const nm_events_ask_t *ask, const nm_follow_t *what)
{
    nm_reading_t reading = { .count = 0 };
    bool now = !NM_HAS(ask, events_ask, after) && !NM_HAS(ask, events_ask, since);
    if (nm_gather_peers(it->gateway, NM_ROLE_GATEWAY, NULL, 0) >= NM_STREAM_MAX)
        return nm_answer_problem(&it->answer, 503, NULL, "There are more gateways than can be followed together.");
    if (s_start(it, ask, &reading.at) != NM_OK)
        return nm_answer_problem(&it->answer, 400, NULL, "The cursor is not one of ours.");
    nm_feeds_want(it->gateway, it->turn);
    if (!it->errand && s_ask_others(it, what, &reading.at, now))
        return NM_OK;
    nm_rc_t rc = nm_follow_read(it->gateway, it->txn, what, it->errand, &reading);
    uint64_t wait_ms = NM_HAS(ask, events_ask, wait_ms) ? ask->wait_ms : 0;
    bool waits = wait_ms && !reading.count && !reading.more && !s_has_gap(it, &reading.at);
    if (rc == NM_OK && waits) {
        nm_poll_t poll = s_make_poll(it, what, &reading.at, s_until_ms(it, wait_ms));
        rc = nm_polls_wait(it, &poll);
    } else if (rc == NM_OK) {
        rc = nm_polls_answer(&it->answer, &reading);
    }
    nm_reading_free(&reading);
    return rc;
}

nm_rc_t
nm_op_events(nm_case_t *it)
{
    nm_events_ask_t ask;
    nm_poll_t poll = { .asker = it->asker };
    if (nm_case_decode(it, &nm_events_ask_shape, &ask, true) != NM_OK)
        return NM_OK;
    poll.what.limit = NM_HAS(&ask, events_ask, limit) ? ask.limit : NM_LIST_USUAL;
    poll.until_ms = s_until_ms(it, NM_HAS(&ask, events_ask, wait_ms) ? ask.wait_ms : 0);
    if (poll.what.limit == 0)
        return nm_case_refuse(it, "?limit", "must be 1 to 200");
    if (NM_HAS(&ask, events_ask, notification))
        return s_read_one(it, &ask, &poll);
    return s_whose(it, &ask, &poll.what) == NM_OK ? s_read_all(it, &ask, &poll.what) : NM_OK;
}
