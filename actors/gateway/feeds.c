#include "actors/gateway/feeds.h"

#include "actors/gateway/gather.h"
#include "actors/gateway/state.h"
#include "actors/gateway/stream.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum {
    WINDOW_SIZE = 1024 * 1024,       //  Of one feed; twice that before the older half goes
    WINDOWS_SIZE = 32 * 1024 * 1024  //  Of all together
};
static const int64_t WANTED_MS = 90000;  //  After the last that followed
static const int64_t WAIT_MS = 20000;    //  How long the other may wait for news
static const int64_t TIMEOUT_MS = 25000;
static const int64_t AGAIN_MS = 500;  //  After one that was not answered
static const int64_t PAUSE_MS = 10;   //  Between an answer and the next question, so that many events share one

//  -- Places

void
nm_feeds_free(nm_feeds_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        nm_buf_free(&self->items[i].entries);
    free(self->items);
    *self = (nm_feeds_t){ 0 };
}

//  What came in a turn that was undone is asked for again.
void
nm_feeds_undo(nm_feeds_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        nm_feed_t *feed = &self->items[i];
        feed->life = feed->settled_life;
        feed->low = feed->settled_low;
        feed->end = feed->turn_from = feed->settled_end;
        feed->entries.size = feed->settled_size;
        feed->asked = false;
        feed->serial++;
    }
}

static nm_rc_t
s_read_u64(nm_bytes_t *rest, uint64_t *value)
{
    if (rest->size < 8)
        return NM_ERR_MISSING;
    *value = nm_get_u64(rest->at);
    *rest = nm_bytes(rest->at + 8, rest->size - 8);
    return NM_OK;
}

//  The next entry of a window.
static nm_rc_t
s_next(nm_bytes_t *rest, nm_bytes_t *raw, uint64_t *position)
{
    uint64_t size;
    if (s_read_u64(rest, position) != NM_OK)
        return NM_ERR_MISSING;
    if (s_read_u64(rest, &size) != NM_OK || size > rest->size)
        return NM_ERR_BUG;
    *raw = nm_bytes(rest->at, (size_t) size);
    *rest = nm_bytes(rest->at + size, rest->size - (size_t) size);
    return NM_OK;
}

//  Forgets the older half of a window that has grown too large.
static void
s_shrink(nm_feed_t *feed, size_t most)
{
    nm_bytes_t rest = nm_buf_bytes(&feed->entries), raw;
    if (feed->entries.size <= 2 * most)
        return;
    while (rest.size > most && s_next(&rest, &raw, &feed->low) == NM_OK)
        ;
    memmove(feed->entries.at, rest.at, rest.size);
    feed->entries.size = rest.size;
}

void
nm_feeds_commit(nm_feeds_t *self)
{
    size_t share = self->count ? WINDOWS_SIZE / self->count / 2 : 0;
    for (size_t i = 0; i < self->count; i++) {
        nm_feed_t *feed = &self->items[i];
        s_shrink(feed, share < WINDOW_SIZE ? share : WINDOW_SIZE);
        feed->settled_life = feed->life;
        feed->settled_low = feed->low;
        feed->settled_end = feed->turn_from = feed->end;
        feed->settled_size = feed->entries.size;
    }
}

static nm_feed_t *
s_find(const nm_feeds_t *self, uint16_t number)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].peer->actor.number == number)
            return &self->items[i];
    return NULL;
}

bool
nm_feeds_began(const nm_feeds_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].life != self->items[i].settled_life)
            return true;
    return false;
}

const nm_feed_t *
nm_feeds_find(const nm_feeds_t *self, uint16_t number)
{
    return s_find(self, number);
}

//  All gateways that are not forgotten have a feed.
static void
s_add_peers(nm_gateway_t *gateway)
{
    nm_feeds_t *self = &gateway->feeds;
    const nm_peer_t *peers[NM_STREAM_MAX];
    uint64_t version = nm_directory_version(gateway->directory);
    if (self->version == version)
        return;
    self->version = version;
    size_t count = nm_gather_peers(gateway, NM_ROLE_GATEWAY, peers, NM_STREAM_MAX);
    for (size_t i = 0; i < count && i < NM_STREAM_MAX - 1; i++) {
        if (s_find(self, peers[i]->actor.number))
            continue;
        self->items = nm_realloc(self->items, (self->count + 1) * sizeof *self->items);
        self->items[self->count++] = (nm_feed_t){ .peer = peers[i] };
    }
}

void
nm_feeds_want(nm_gateway_t *gateway, nm_turn_t *turn)
{
    gateway->feeds.until_ms = nm_turn_now(turn) + WANTED_MS;
    s_add_peers(gateway);
    if (gateway->feeds.count)
        nm_turn_wake(turn, nm_turn_now(turn));
}

//  -- Reading

bool
nm_feed_reaches(const nm_feed_t *self, uint64_t position)
{
    return self->life && position >= self->low;
}

void
nm_feed_walk(nm_feed_walk_t *self, const nm_feed_t *feed, uint64_t after)
{
    *self = (nm_feed_walk_t){ nm_buf_bytes(&feed->entries), after };
}

nm_rc_t
nm_feed_next(nm_feed_walk_t *self, nm_entry_t *entry, uint64_t *position)
{
    nm_bytes_t raw;
    nm_rc_t rc;
    while ((rc = s_next(&self->rest, &raw, position)) == NM_OK)
        if (*position > self->after)
            return nm_record_decode(&nm_entry_shape, entry, raw, NULL, "") == NM_OK ? NM_OK : NM_ERR_BUG;
    return rc;
}

//  -- What the others say

nm_rc_t
nm_feed_page_open(nm_feed_page_t *self, nm_bytes_t body)
{
    nm_bytes_t raw;
    if (nm_reader_find(body, "entries", &raw) != NM_OK || nm_list_open(&self->rest, raw) != NM_OK)
        return NM_ERR_MALFORMED;
    self->next = nm_reader_find_uint(body, "next");
    self->more = nm_reader_find_flag(body, "more");
    return NM_OK;
}

nm_rc_t
nm_feed_page_next(nm_feed_page_t *self, nm_bytes_t *raw, uint64_t *position)
{
    nm_bytes_t number, entry;
    nm_reader_t reader;
    nm_rc_t rc = nm_list_next(&self->rest, &number);
    if (rc != NM_OK)
        return rc;
    nm_reader_open(&reader, number);
    if (nm_reader_uint(&reader, position) != NM_OK || nm_list_next(&self->rest, &entry) != NM_OK)
        return NM_ERR_MALFORMED;
    nm_reader_open(&reader, entry);
    return nm_reader_bin(&reader, raw);
}

static void
s_keep(nm_feed_t *feed, uint64_t position, nm_bytes_t raw)
{
    uint8_t head[16];
    nm_put_u64(head, position);
    nm_put_u64(head + 8, raw.size);
    nm_buf_add(&feed->entries, head, sizeof head);
    nm_buf_add_bytes(&feed->entries, raw);
}

//  What is before all that came is not known: whoever stands there reads for itself.
static void
s_begin(nm_feeds_t *feeds, nm_feed_t *feed, uint64_t position)
{
    feed->life = ++feeds->lives;
    feed->low = feed->end = feed->turn_from = position;
    nm_buf_clear(&feed->entries);
}

//  Takes in what a feed brings. One that ends before it began is another journal than before: a restored store.
static nm_rc_t
s_take(nm_gateway_t *gateway, nm_feed_t *feed, nm_bytes_t body)
{
    nm_feed_page_t page;
    nm_bytes_t raw;
    nm_entry_t entry;
    uint64_t position;
    nm_rc_t rc = nm_feed_page_open(&page, body);
    if (rc != NM_OK)
        return rc;
    if (!feed->life || page.next < feed->end) {
        s_begin(&gateway->feeds, feed, page.next);
        return NM_OK;
    }
    while ((rc = nm_feed_page_next(&page, &raw, &position)) == NM_OK) {
        if (position <= feed->end || position > page.next ||
            nm_record_decode(&nm_entry_shape, &entry, raw, NULL, "") != NM_OK)
            return NM_ERR_MALFORMED;
        s_keep(feed, position, raw);
        feed->end = position;
        nm_journal_tell(&gateway->journal, &entry.service);
    }
    if (rc == NM_ERR_MISSING)
        feed->end = page.next;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_feeds_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_feeds_t *self = &gateway->feeds;
    size_t slot = nm_token_slot(reply->token);
    nm_feed_t *feed = slot < self->count ? &self->items[slot] : NULL;
    if (!feed || !feed->asked || feed->serial != (uint32_t) reply->token)
        return NM_OK;
    bool good = reply->status == 200 && s_take(gateway, feed, reply->body) == NM_OK;
    feed->asked = false;
    feed->ask_at_ms = nm_turn_now(turn) + (good ? PAUSE_MS : AGAIN_MS);
    return NM_OK;
}

//  -- Asking

static void
s_ask(nm_gateway_t *gateway, nm_turn_t *turn, nm_feed_t *feed)
{
    nm_buf_t *body = &gateway->body;
    size_t slot = (size_t) (feed - gateway->feeds.items);
    feed->asked = true;
    feed->serial++;
    nm_buf_clear(body);
    nm_writer_map(body, feed->life ? 2 : 1);
    nm_writer_pair_uint(body, "wait_ms", feed->life ? (uint64_t) WAIT_MS : 0);
    if (feed->life)
        nm_writer_pair_uint(body, "after", feed->end);
    nm_turn_ask(turn, NM_ROLE_GATEWAY, feed->peer->actor.name, "events.feed", nm_buf_bytes(body), TIMEOUT_MS,
                nm_token(NM_TOKEN_FEED, slot, feed->serial));
}

//  Asks, waits, or notices that the other is away: then its answer is not waited for.
static void
s_look(nm_gateway_t *gateway, nm_turn_t *turn, nm_feed_t *feed)
{
    int64_t now_ms = nm_turn_now(turn);
    bool alive = nm_turn_is_alive(turn, feed->peer->actor.name);
    if (!alive && feed->asked) {
        feed->asked = false;
        feed->serial++;
    }
    if (!alive)
        feed->ask_at_ms = now_ms + AGAIN_MS;
    else if (!feed->asked && now_ms >= feed->ask_at_ms)
        s_ask(gateway, turn, feed);
    nm_turn_wake(turn, feed->asked ? now_ms + AGAIN_MS : feed->ask_at_ms);
}

//  Nobody has followed for a while, or the gateway is gone for good: the window goes. The feed stays in its slot.
static void
s_rest(nm_feed_t *feed)
{
    nm_buf_free(&feed->entries);
    *feed = (nm_feed_t){ .peer = feed->peer, .serial = feed->serial + 1 };
}

void
nm_feeds_due(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_feeds_t *self = &gateway->feeds;
    bool wanted = nm_turn_now(turn) < self->until_ms;
    if (wanted)
        s_add_peers(gateway);
    for (size_t i = 0; i < self->count; i++) {
        nm_feed_t *feed = &self->items[i];
        if (wanted && !feed->peer->forgotten)
            s_look(gateway, turn, feed);
        else if (feed->life || feed->asked)
            s_rest(feed);
    }
}
