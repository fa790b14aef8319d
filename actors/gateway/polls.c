#include "actors/gateway/polls.h"

#include "actors/gateway/case.h"
#include "wire/writer.h"

enum {
    PER_SERVICE_COUNT = 12288,  //  So that one tenant cannot take all places
    LOOK_CHUNK_COUNT = 2000,    //  What one read may look at
    FEED_SIZE = 256 * 1024,     //  What one answer to a feed may hold, about
};

//  -- Places

static void
s_free(nm_poll_t *poll)
{
    free(poll->bonds);
}

void
nm_polls_free(nm_polls_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        s_free(&self->polls[i]);
    free(self->polls);
    free(self->shares);
    *self = (nm_polls_t){ 0 };
}

//  The share of a service; its place may be new.
static nm_poll_share_t *
s_share(nm_polls_t *self, const nm_id_t *service)
{
    for (size_t i = 0; i < self->share_count; i++)
        if (nm_id_equal(&self->shares[i].service, service))
            return &self->shares[i];
    if (self->share_count == self->share_room) {
        self->share_room = self->share_room ? 2 * self->share_room : 16;
        self->shares = nm_realloc(self->shares, self->share_room * sizeof *self->shares);
    }
    self->shares[self->share_count] = (nm_poll_share_t){ *service, 0 };
    return &self->shares[self->share_count++];
}

static void
s_drop(nm_polls_t *self, size_t i)
{
    nm_poll_share_t *share = s_share(self, &self->polls[i].what.service);
    if (--share->count == 0)
        *share = self->shares[--self->share_count];
    s_free(&self->polls[i]);
    self->polls[i] = self->polls[--self->count];
}

void
nm_polls_undo(nm_polls_t *self)
{
    for (size_t i = self->count; i-- > 0;) {
        self->polls[i].done = false;
        self->polls[i].position = self->polls[i].settled;
        if (self->polls[i].fresh)
            s_drop(self, i);
    }
    self->touched = false;
    self->until_ms = 0;
}

void
nm_polls_commit(nm_polls_t *self)
{
    if (!self->touched)
        return;
    self->touched = false;
    for (size_t i = self->count; i-- > 0;) {
        self->polls[i].fresh = false;
        self->polls[i].settled = self->polls[i].position;
        if (self->polls[i].done)
            s_drop(self, i);
    }
}

//  A gateway that asks again does not wait for the answer to what it asked before.
static void
s_replace_feed(nm_polls_t *self, const nm_peer_t *peer)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->polls[i].kind == NM_POLL_FEED && self->polls[i].peer == peer)
            self->polls[i].done = true;
}

nm_rc_t
nm_polls_wait(nm_case_t *it, nm_poll_t *poll)
{
    nm_polls_t *self = &it->gateway->polls;
    nm_poll_share_t *share = self->count < NM_POLL_COUNT ? s_share(self, &poll->what.service) : NULL;
    if (!share || share->count >= PER_SERVICE_COUNT) {
        s_free(poll);
        return nm_answer_problem(&it->answer, 429, NULL, "Too many are waiting for events.");
    }
    if (poll->kind == NM_POLL_FEED)
        s_replace_feed(self, poll->peer);
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 64;
        self->polls = nm_realloc(self->polls, self->room * sizeof *self->polls);
    }
    share->count++;
    self->polls[self->count] = *poll;
    self->polls[self->count++].fresh = true;
    self->touched = true;
    if (poll->until_ms < self->until_ms)
        self->until_ms = poll->until_ms;
    nm_turn_wake(it->turn, poll->until_ms);
    return NM_OK;
}

//  -- One notification, or a feed: read from our journal

typedef struct {
    nm_buf_t items;
    size_t count;
    bool more;  //  There is more to look at
} found_t;

static bool
s_matches(const nm_poll_t *poll, const nm_entry_t *entry)
{
    if (poll->kind == NM_POLL_ONE)
        return nm_id_equal(&poll->notification, &entry->notification);
    return poll->what.everybodys || nm_id_equal(&poll->what.service, &entry->service);
}

static void
s_pack(const nm_gateway_t *gateway, const nm_poll_t *poll, const nm_entry_t *entry, nm_bytes_t raw, found_t *found)
{
    char cursor[NM_POINT_TEXT_SIZE + 1];
    found->count++;
    if (poll->kind == NM_POLL_FEED) {
        nm_writer_uint(&found->items, poll->position);
        nm_writer_bin(&found->items, raw);
        return;
    }
    nm_point_text(&(nm_point_t){ gateway->number, poll->position }, cursor);
    nm_follow_write(entry, cursor, false, &found->items);
}

//  Packs what is found; the poll's position moves past what was looked at.
static nm_rc_t
s_read(nm_gateway_t *gateway, nm_txn_t *txn, nm_poll_t *poll, found_t *found)
{
    nm_journal_walk_t walk;
    nm_entry_t entry;
    nm_rc_t rc = NM_OK;
    nm_journal_walk(&walk, txn, poll->position);
    while (found->count < poll->what.limit && found->items.size < FEED_SIZE && walk.chunk_count <= LOOK_CHUNK_COUNT &&
           (rc = nm_journal_next(&walk, &entry, &poll->position)) == NM_OK)
        if (s_matches(poll, &entry))
            s_pack(gateway, poll, &entry, walk.raw, found);
    nm_journal_close(&walk);
    found->more = rc == NM_OK;
    uint64_t settled = nm_journal_settled(&gateway->journal);
    if (rc == NM_ERR_MISSING && poll->position < settled)
        poll->position = settled;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  The stream of one notification ends after its final status; not in the turn that brings it, before the entry of it can be read.
static nm_rc_t
s_has_ended(nm_gateway_t *gateway, nm_txn_t *txn, const nm_poll_t *poll, bool *ended)
{
    nm_note_t note;
    *ended = false;
    if (poll->kind != NM_POLL_ONE || nm_journal_settled(&gateway->journal) < nm_journal_end(&gateway->journal))
        return NM_OK;
    nm_rc_t rc = nm_notes_get(txn, &poll->notification, &note);
    *ended = rc == NM_ERR_MISSING || (rc == NM_OK && nm_status_is_final((nm_status_t) note.status));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static void
s_write_feed(const nm_poll_t *poll, const found_t *found, nm_buf_t *body)
{
    nm_writer_map(body, 3);
    nm_writer_pair_uint(body, "next", poll->position);
    nm_writer_pair_bool(body, "more", found->more);
    nm_writer_text(body, "entries");
    nm_writer_list(body, 2 * found->count);
    nm_buf_add_bytes(body, nm_buf_bytes(&found->items));
}

static void
s_write_one(const nm_gateway_t *gateway, const nm_poll_t *poll, const found_t *found, bool done, nm_buf_t *body)
{
    char cursor[NM_POINT_TEXT_SIZE + 1];
    nm_point_text(&(nm_point_t){ gateway->number, poll->position }, cursor);
    nm_writer_map(body, 3);
    nm_writer_text(body, "items");
    nm_writer_list(body, found->count);
    nm_buf_add_bytes(body, nm_buf_bytes(&found->items));
    nm_writer_pair_text(body, "next_cursor", cursor);
    nm_writer_pair_bool(body, "done", done);
}

nm_rc_t
nm_polls_try(nm_gateway_t *gateway, nm_turn_t *turn, nm_poll_t *poll, bool *answered)
{
    found_t found = { .count = 0 };
    nm_buf_t *body = &gateway->body;
    bool ended = false;
    nm_rc_t rc = s_read(gateway, nm_turn_txn(turn), poll, &found);
    if (rc == NM_OK)
        rc = s_has_ended(gateway, nm_turn_txn(turn), poll, &ended);
    ended = ended && !found.more;
    *answered = rc == NM_OK && (found.count > 0 || found.more || ended || nm_turn_now(turn) >= poll->until_ms);
    if (*answered) {
        nm_answer_t to = { gateway, turn, &poll->asker };
        nm_buf_clear(body);
        if (poll->kind == NM_POLL_FEED)
            s_write_feed(poll, &found, body);
        else
            s_write_one(gateway, poll, &found, ended, body);
        rc = nm_answer(&to, 200, nm_buf_bytes(body));
    }
    nm_buf_free(&found.items);
    return rc;
}

//  -- All events of a service

nm_rc_t
nm_polls_answer(const nm_answer_t *to, const nm_reading_t *reading)
{
    char cursor[NM_STREAM_CURSOR_MAX + 1];
    nm_buf_t *body = &to->gateway->body;
    nm_stream_text(&reading->at, to->gateway->mesh->authority, cursor);
    nm_buf_clear(body);
    nm_writer_map(body, 2);
    nm_writer_text(body, "items");
    nm_writer_list(body, reading->count);
    nm_buf_add_bytes(body, nm_buf_bytes(&reading->items));
    nm_writer_pair_text(body, "next_cursor", cursor);
    return nm_answer(to, 200, nm_buf_bytes(body));
}

//  The last that was read for one that waits: the next may stand where it stood.
typedef struct {
    bool used;
    nm_follow_t what;
    nm_stream_t from;
    nm_reading_t reading;
} shared_t;

//  A feed began: it brings what comes after where the poll stands, or there is a gap between.
static bool
s_bind(const nm_feed_t *feed, nm_poll_t *poll)
{
    for (size_t i = 0; i < poll->bond_count; i++) {
        nm_bond_t *bond = &poll->bonds[i];
        if (bond->number != feed->peer->actor.number)
            continue;
        if (bond->life != feed->life && nm_feed_reaches(feed, bond->position))
            bond->life = feed->life;
        return bond->life == feed->life;
    }
    return false;
}

//  Does it stand where a feed cannot bring it what comes next? Then it is answered, asks again, and is read for.
static bool
s_has_gap(const nm_gateway_t *gateway, nm_poll_t *poll)
{
    bool gap = false;
    for (size_t i = 0; i < gateway->feeds.count; i++)
        if (gateway->feeds.items[i].life)
            gap |= !s_bind(&gateway->feeds.items[i], poll);
    return gap;
}

//  Nothing came for it before this turn: it stands where the turn began.
static void
s_stand(const nm_gateway_t *gateway, const nm_poll_t *poll, nm_stream_t *at)
{
    *at = (nm_stream_t){ .since_ms = poll->since_ms };
    for (size_t i = 0; i < poll->bond_count; i++) {
        const nm_bond_t *bond = &poll->bonds[i];
        const nm_feed_t *feed = nm_feeds_find(&gateway->feeds, bond->number);
        uint64_t from = 0;
        if (bond->number == gateway->number)
            from = gateway->journal.turn_from;
        else if (feed && feed->life && feed->life == bond->life)
            from = feed->turn_from;
        nm_stream_put(at, bond->number, bond->position > from ? bond->position : from);
    }
}

static bool
s_is_same(const shared_t *shared, const nm_follow_t *what, const nm_stream_t *at)
{
    return shared->used && shared->what.everybodys == what->everybodys && shared->what.limit == what->limit &&
           nm_id_equal(&shared->what.service, &what->service) && nm_stream_equal(&shared->from, at);
}

static nm_rc_t
s_try_all(nm_gateway_t *gateway, nm_turn_t *turn, nm_poll_t *poll, bool gap, shared_t *shared)
{
    nm_stream_t at;
    nm_rc_t rc = NM_OK;
    s_stand(gateway, poll, &at);
    if (!s_is_same(shared, &poll->what, &at)) {
        nm_reading_free(&shared->reading);
        *shared = (shared_t){ .used = true, .what = poll->what, .from = at, .reading = { .at = at } };
        rc = nm_follow_read(gateway, nm_turn_txn(turn), &poll->what, NULL, &shared->reading);
    }
    const nm_reading_t *reading = &shared->reading;
    poll->done = rc == NM_OK && (reading->count || reading->more || gap || nm_turn_now(turn) >= poll->until_ms);
    nm_answer_t to = { gateway, turn, &poll->asker };
    return poll->done ? nm_polls_answer(&to, reading) : rc;
}

//  -- Turns

static nm_rc_t
s_look(nm_gateway_t *gateway, nm_turn_t *turn, nm_poll_t *poll, bool began, shared_t *shared)
{
    bool gap = poll->kind == NM_POLL_ALL && began && s_has_gap(gateway, poll);
    bool news = nm_journal_has_news(&gateway->journal, poll->what.everybodys ? NULL : &poll->what.service);
    if (poll->done || (!news && !gap && nm_turn_now(turn) < poll->until_ms))
        return NM_OK;
    gateway->polls.touched = true;
    return poll->kind == NM_POLL_ALL ? s_try_all(gateway, turn, poll, gap, shared)
                                     : nm_polls_try(gateway, turn, poll, &poll->done);
}

nm_rc_t
nm_polls_due(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_polls_t *self = &gateway->polls;
    shared_t shared = { .used = false };
    bool began = nm_feeds_began(&gateway->feeds);
    nm_rc_t rc = NM_OK;
    if (began || nm_journal_has_news(&gateway->journal, NULL) || nm_turn_now(turn) >= self->until_ms) {
        self->until_ms = INT64_MAX;
        for (size_t i = 0; rc == NM_OK && i < self->count; i++) {
            rc = s_look(gateway, turn, &self->polls[i], began, &shared);
            if (!self->polls[i].done && self->polls[i].until_ms < self->until_ms)
                self->until_ms = self->polls[i].until_ms;
        }
    }
    nm_reading_free(&shared.reading);
    if (self->count)
        nm_turn_wake(turn, self->until_ms);
    return rc;
}
