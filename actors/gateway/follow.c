#include "actors/gateway/follow.h"

#include "actors/gateway/show.h"
#include "actors/gateway/state.h"
#include "wire/writer.h"

enum { LOOK_CHUNK_COUNT = 2000 };  //  What one read may look at of our own journal

//  -- Sources: one for each gateway of which something is at hand.

typedef enum { FROM_JOURNAL, FROM_WINDOW, FROM_ANSWER } source_kind_t;

typedef struct {
    source_kind_t kind;
    uint16_t number;
    nm_journal_walk_t walk;
    nm_feed_walk_t window;
    nm_feed_page_t page;
    uint64_t end;     //  Where it stands when all was taken
    uint64_t passed;  //  All before it was taken, or is not for this reader
    bool has_head;
    nm_entry_t head;
    uint64_t head_position;
    bool cut;  //  There is more that was not looked at
} source_t;

static nm_rc_t
s_take_next(source_t *self, nm_entry_t *entry, uint64_t *position)
{
    nm_bytes_t raw;
    nm_rc_t rc;
    switch (self->kind) {
    case FROM_JOURNAL:
        if (self->walk.chunk_count <= LOOK_CHUNK_COUNT)
            return nm_journal_next(&self->walk, entry, position);
        self->cut = true;
        self->end = self->passed;
        return NM_ERR_MISSING;
    case FROM_WINDOW: return nm_feed_next(&self->window, entry, position);
    case FROM_ANSWER:
        rc = nm_feed_page_next(&self->page, &raw, position);
        return rc == NM_OK ? nm_record_decode(&nm_entry_shape, entry, raw, NULL, "") : rc;
    }
    return NM_ERR_BUG;
}

//  Finds the next that is for this reader.
static nm_rc_t
s_advance(source_t *self, const nm_follow_t *what)
{
    nm_entry_t entry;
    uint64_t position;
    nm_rc_t rc;
    self->has_head = false;
    while ((rc = s_take_next(self, &entry, &position)) == NM_OK) {
        if (what->everybodys || nm_id_equal(&what->service, &entry.service)) {
            self->has_head = true;
            self->head = entry;
            self->head_position = position;
            self->passed = position - 1;
            return NM_OK;
        }
        self->passed = position;
    }
    if (rc == NM_ERR_MISSING && self->end > self->passed)
        self->passed = self->end;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  What the gateway answered to this reader's question; false: it did not.
static bool
s_has_answer(const nm_errand_t *errand, uint16_t number, nm_feed_page_t *page)
{
    for (size_t i = 0; errand && i < errand->question_count; i++) {
        const nm_question_t *question = &errand->questions[i];
        if (question->peer->actor.number == number)
            return question->status == 200 && nm_feed_page_open(page, nm_errand_body(errand, question)) == NM_OK;
    }
    return false;
}

static bool
s_open_feed(const nm_feed_t *feed, const nm_errand_t *errand, const nm_stream_t *at, source_t *self)
{
    uint16_t number = feed->peer->actor.number;
    const nm_point_t *point = nm_stream_find(at, number);
    *self = (source_t){ .number = number };
    if (s_has_answer(errand, number, &self->page)) {
        self->kind = FROM_ANSWER;
        self->end = self->page.next;
        self->cut = self->page.more;
        return true;
    }
    if (!point || !nm_feed_reaches(feed, point->position))
        return false;
    self->kind = FROM_WINDOW;
    self->passed = point->position;
    self->end = feed->end;
    nm_feed_walk(&self->window, feed, point->position);
    return true;
}

static nm_rc_t
s_open_own(nm_gateway_t *gateway, nm_txn_t *txn, const nm_stream_t *at, source_t *self)
{
    const nm_point_t *point = nm_stream_find(at, gateway->number);
    *self = (source_t){ .kind = FROM_JOURNAL, .number = gateway->number };
    nm_rc_t rc = NM_OK;
    if (point)
        self->passed = point->position;
    else
        rc = nm_journal_since(&gateway->journal, txn, at->since_ms, &self->passed);
    self->end = nm_journal_settled(&gateway->journal);
    nm_journal_walk(&self->walk, txn, self->passed);
    return rc;
}

//  -- Merging

//  The source with the earliest event; NULL: none has any.
static source_t *
s_earliest(source_t *sources, size_t count)
{
    source_t *earliest = NULL;
    for (size_t i = 0; i < count; i++)
        if (sources[i].has_head && (!earliest || sources[i].head.at < earliest->head.at))
            earliest = &sources[i];
    return earliest;
}

static nm_rc_t
s_merge(nm_gateway_t *gateway, const nm_follow_t *what, source_t *sources, size_t count, nm_reading_t *reading)
{
    char cursor[NM_STREAM_CURSOR_MAX + 1];
    nm_rc_t rc = NM_OK;
    source_t *next;
    for (size_t i = 0; rc == NM_OK && i < count; i++) {
        rc = s_advance(&sources[i], what);
        nm_stream_put(&reading->at, sources[i].number, sources[i].passed);
    }
    while (rc == NM_OK && reading->count < what->limit && (next = s_earliest(sources, count))) {
        nm_stream_put(&reading->at, next->number, next->head_position);
        nm_stream_text(&reading->at, gateway->mesh->authority, cursor);
        nm_follow_write(&next->head, cursor, what->everybodys, &reading->items);
        reading->count++;
        next->passed = next->head_position;
        rc = s_advance(next, what);
    }
    for (size_t i = 0; i < count; i++) {
        nm_stream_put(&reading->at, sources[i].number, sources[i].passed);
        reading->more |= sources[i].has_head || sources[i].cut;
    }
    return rc;
}

//  Gateways that are gone for good have no point any more.
static void
s_drop_forgotten(nm_gateway_t *gateway, nm_stream_t *at)
{
    for (size_t i = at->count; i-- > 0;) {
        const nm_peer_t *peer = nm_directory_gateway(gateway->directory, at->points[i].number);
        if (peer && peer->forgotten)
            nm_stream_drop(at, at->points[i].number);
    }
}

nm_rc_t
nm_follow_read(nm_gateway_t *gateway, nm_txn_t *txn, const nm_follow_t *what, const nm_errand_t *errand,
               nm_reading_t *reading)
{
    const nm_feeds_t *feeds = &gateway->feeds;
    source_t *sources = nm_alloc((feeds->count + 1) * sizeof *sources);
    size_t count = 1;
    s_drop_forgotten(gateway, &reading->at);
    nm_rc_t rc = s_open_own(gateway, txn, &reading->at, &sources[0]);
    for (size_t i = 0; i < feeds->count; i++)
        if (!feeds->items[i].peer->forgotten)
            count += s_open_feed(&feeds->items[i], errand, &reading->at, &sources[count]);
    if (rc == NM_OK)
        rc = s_merge(gateway, what, sources, count, reading);
    nm_journal_close(&sources[0].walk);
    free(sources);
    return rc;
}

void
nm_reading_free(nm_reading_t *self)
{
    nm_buf_free(&self->items);
}

bool
nm_follow_must_ask(nm_gateway_t *gateway, nm_turn_t *turn, const nm_stream_t *at, const nm_peer_t *peer)
{
    const nm_point_t *point = nm_stream_find(at, peer->actor.number);
    const nm_feed_t *feed = nm_feeds_find(&gateway->feeds, peer->actor.number);
    if (peer->forgotten || !nm_turn_is_alive(turn, peer->actor.name))
        return false;
    return !point || !feed || !nm_feed_reaches(feed, point->position);
}

void
nm_follow_write(const nm_entry_t *entry, const char *cursor, bool everybodys, nm_buf_t *out)
{
    char room[NM_DETAIL_MAX + 64];
    nm_reason_t reason = (nm_reason_t) entry->reason;
    nm_bytes_t detail = NM_HAS(entry, entry, detail) ? entry->detail : nm_bytes(NULL, 0);
    bool has_number = NM_HAS(entry, entry, number);
    detail = nm_show_detail(detail, NM_HAS(entry, entry, reason) ? &reason : NULL, NULL, room, sizeof room);

    nm_writer_map(out, 6u + has_number + everybodys);
    nm_writer_pair_text(out, "cursor", cursor);
    nm_writer_pair_id(out, "id", &entry->notification);
    nm_writer_pair_text(out, "event", nm_words_text(&nm_event_words, entry->kind));
    nm_writer_pair_text(out, "status", nm_words_text(&nm_status_words, entry->status));
    nm_writer_pair_time(out, "at", entry->at);
    nm_writer_text(out, "detail");
    if (detail.size)
        nm_writer_str(out, detail);
    else
        nm_writer_nil(out);
    if (has_number)
        nm_writer_pair_uint(out, "delivery", entry->number);
    if (everybodys)
        nm_writer_pair_id(out, "service_id", &entry->service);
}
