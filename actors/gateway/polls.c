#include "actors/gateway/polls.h"

#include "actors/gateway/ops.h"
#include "actors/gateway/show.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/writer.h"

enum {
    LIMIT_DEFAULT = 50,
    PER_SERVICE_COUNT = 128,  //  So that one tenant cannot take all places
    LOOK_CHUNK_COUNT = 2000,  //  What one read may look at
    CURSOR_SIZE = 32,
    EARLY_MS = 50,  //  So that the answer is there when the asker stops waiting
};

//  -- Places

void
nm_polls_free(nm_polls_t *self)
{
    free(self->polls);
    *self = (nm_polls_t){ 0 };
}

static void
s_drop(nm_polls_t *self, size_t i)
{
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
}

void
nm_polls_commit(nm_polls_t *self)
{
    for (size_t i = self->count; i-- > 0;) {
        self->polls[i].fresh = false;
        self->polls[i].settled = self->polls[i].position;
        if (self->polls[i].done)
            s_drop(self, i);
    }
}

static nm_rc_t
s_wait(nm_case_t *it, const nm_poll_t *poll)
{
    nm_polls_t *self = &it->gateway->polls;
    size_t own_count = 0;
    for (size_t i = 0; i < self->count; i++)
        own_count += nm_id_equal(&self->polls[i].service, &poll->service);
    if (self->count == NM_POLL_COUNT || own_count >= PER_SERVICE_COUNT)
        return nm_answer_problem(&it->answer, 429, NULL, "Too many are waiting for events.");
    if (!self->polls)
        self->polls = nm_alloc(NM_POLL_COUNT * sizeof *self->polls);
    self->polls[self->count] = *poll;
    self->polls[self->count++].fresh = true;
    nm_turn_wake(it->turn, poll->until_ms);
    return NM_OK;
}

//  -- Cursors: the number of the gateway and the position in its journal, so that any gateway knows whom to ask.

static void
s_cursor_text(unsigned number, uint64_t position, char out[CURSOR_SIZE])
{
    snprintf(out, CURSOR_SIZE, "%u-%llx", number, (unsigned long long) position);
}

static nm_rc_t
s_cursor_read(nm_bytes_t text, unsigned *number, uint64_t *position)
{
    char copy[CURSOR_SIZE], again[CURSOR_SIZE];
    unsigned long long value;
    nm_bytes_to_text(text, copy, sizeof copy);
    if (sscanf(copy, "%u-%llx", number, &value) != 2)
        return NM_ERR_MALFORMED;
    s_cursor_text(*number, value, again);
    if (!nm_bytes_is(text, again))
        return NM_ERR_MALFORMED;
    *position = value;
    return NM_OK;
}

//  -- Reading

static void
s_write_item(const nm_gateway_t *gateway, const nm_poll_t *poll, const nm_entry_t *entry, uint64_t position,
             nm_buf_t *out)
{
    char cursor[CURSOR_SIZE], room[NM_DETAIL_MAX + 64];
    nm_reason_t reason = (nm_reason_t) entry->reason;
    nm_bytes_t detail = NM_HAS(entry, entry, detail) ? entry->detail : nm_bytes(NULL, 0);
    bool has_number = NM_HAS(entry, entry, number);
    detail = nm_show_detail(detail, NM_HAS(entry, entry, reason) ? &reason : NULL, NULL, room, sizeof room);
    s_cursor_text(gateway->number, position, cursor);

    nm_writer_map(out, 6u + has_number + poll->everybodys);
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
    if (poll->everybodys)
        nm_writer_pair_id(out, "service_id", &entry->service);
}

static bool
s_matches(const nm_poll_t *poll, const nm_entry_t *entry)
{
    if (poll->one)
        return nm_id_equal(&poll->notification, &entry->notification);
    return poll->everybodys || nm_id_equal(&poll->service, &entry->service);
}

typedef struct {
    size_t count;  //  Items found
    bool more;     //  There is more to look at
} found_t;

//  Packs the items; the poll's position moves past what was looked at.
static nm_rc_t
s_read(nm_gateway_t *gateway, nm_txn_t *txn, nm_poll_t *poll, nm_buf_t *items, found_t *found)
{
    nm_journal_walk_t walk;
    nm_entry_t entry;
    uint64_t position;
    nm_rc_t rc = NM_OK;
    *found = (found_t){ .count = 0 };
    nm_journal_walk(&walk, txn, poll->position);
    while (found->count < poll->limit && walk.chunk_count <= LOOK_CHUNK_COUNT &&
           (rc = nm_journal_next(&walk, &entry, &position)) == NM_OK) {
        poll->position = position;
        if (!s_matches(poll, &entry))
            continue;
        s_write_item(gateway, poll, &entry, position, items);
        found->count++;
    }
    nm_journal_close(&walk);
    found->more = rc == NM_OK;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  The stream of one notification ends after its final status.
static nm_rc_t
s_has_ended(nm_txn_t *txn, const nm_poll_t *poll, bool *ended)
{
    nm_note_t note;
    *ended = false;
    if (!poll->one)
        return NM_OK;
    nm_rc_t rc = nm_notes_get(txn, &poll->notification, &note);
    *ended = rc == NM_ERR_MISSING || (rc == NM_OK && nm_status_is_final((nm_status_t) note.status));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  Answers if there is something to say by now; answered tells.
static nm_rc_t
s_try(nm_gateway_t *gateway, nm_turn_t *turn, nm_poll_t *poll, bool *answered)
{
    nm_buf_t items = { 0 };
    nm_buf_t *body = &gateway->body;
    found_t found;
    bool ended;
    nm_rc_t rc = s_read(gateway, nm_turn_txn(turn), poll, &items, &found);
    if (rc == NM_OK)
        rc = s_has_ended(nm_turn_txn(turn), poll, &ended);
    if (rc != NM_OK)
        goto done;
    ended = ended && !found.more;
    *answered = found.count > 0 || found.more || ended || nm_turn_now(turn) >= poll->until_ms;
    if (!*answered)
        goto done;

    char cursor[CURSOR_SIZE];
    s_cursor_text(gateway->number, poll->position, cursor);
    nm_buf_clear(body);
    nm_writer_map(body, poll->one ? 3 : 2);
    nm_writer_text(body, "items");
    nm_writer_list(body, found.count);
    nm_buf_add_bytes(body, nm_buf_bytes(&items));
    nm_writer_pair_text(body, "next_cursor", cursor);
    if (poll->one)
        nm_writer_pair_bool(body, "final", ended);
    nm_answer_t to = { gateway, turn, &poll->asker };
    rc = nm_answer(&to, 200, nm_buf_bytes(body));

done:
    nm_buf_free(&items);
    return rc;
}

nm_rc_t
nm_polls_due(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_polls_t *self = &gateway->polls;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->count; i++) {
        nm_poll_t *poll = &self->polls[i];
        bool news = nm_journal_has_news(&gateway->journal, poll->everybodys ? NULL : &poll->service);
        if (poll->done || (!news && nm_turn_now(turn) < poll->until_ms))
            continue;
        rc = s_try(gateway, turn, poll, &poll->done);
    }
    for (size_t i = 0; i < self->count; i++)
        if (!self->polls[i].done)
            nm_turn_wake(turn, self->polls[i].until_ms);
    return rc;
}

//  -- events.read

//  Where a cursor says. One of another gateway is read there. NM_ERR_REFUSED: answered, or on its way.
static nm_rc_t
s_start(nm_case_t *it, nm_bytes_t cursor, nm_poll_t *poll)
{
    unsigned number;
    if (s_cursor_read(cursor, &number, &poll->position) == NM_OK) {
        if (number == it->gateway->number)
            return NM_OK;
        const nm_peer_t *owner =
            number <= UINT16_MAX ? nm_directory_gateway(it->gateway->directory, (uint16_t) number) : NULL;
        if (owner && !nm_case_is_passed_on(it)) {
            nm_forwards_pass(it, owner);
            return NM_ERR_REFUSED;
        }
    }
    nm_answer_problem(&it->answer, 400, NULL, "The cursor is not one of ours.");
    return NM_ERR_REFUSED;
}

//  Whose events, and from where on. NM_ERR_REFUSED: answered, or on its way.
static nm_rc_t
s_open(nm_case_t *it, const nm_events_ask_t *ask, nm_poll_t *poll)
{
    nm_note_t note;
    nm_rc_t rc;
    poll->position = nm_journal_end(&it->gateway->journal);
    poll->service = it->who.service;
    poll->everybodys = it->who.admin && !NM_HAS(ask, events_ask, service_id);
    if (NM_HAS(ask, events_ask, service_id)) {
        if (nm_id_from_text(ask->service_id, &poll->service) != NM_OK || !nm_case_may_see(it, &poll->service)) {
            nm_case_unknown(it, "service");
            return NM_ERR_REFUSED;
        }
    }
    if (NM_HAS(ask, events_ask, notification)) {
        if ((rc = nm_case_find(it, ask->notification, &poll->notification, &note)) != NM_OK)
            return rc;
        poll->one = true;
        poll->everybodys = false;
        poll->service = note.service;
        poll->position = nm_journal_at(note.first_chunk);
    }
    if (!NM_HAS(ask, events_ask, after))
        return NM_OK;
    if (!nm_bytes_is(ask->after, "0"))
        return s_start(it, ask->after, poll);
    poll->position = 0;
    return NM_OK;
}

nm_rc_t
nm_op_events(nm_case_t *it)
{
    nm_events_ask_t ask;
    nm_poll_t poll = { .asker = it->asker };
    if (nm_case_decode(it, &nm_events_ask_shape, &ask, true) != NM_OK)
        return NM_OK;
    poll.limit = NM_HAS(&ask, events_ask, limit) ? ask.limit : LIMIT_DEFAULT;
    if (poll.limit == 0)
        return nm_case_refuse(it, "?limit", "must be 1 to 200");
    nm_rc_t rc = s_open(it, &ask, &poll);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;

    int64_t wait_ms = NM_HAS(&ask, events_ask, wait_ms) ? (int64_t) ask.wait_ms : 0;
    poll.until_ms = it->now_ms + wait_ms;
    if (poll.until_ms > it->ask->deadline_ms - EARLY_MS)
        poll.until_ms = it->ask->deadline_ms - EARLY_MS;
    bool answered = false;
    rc = s_try(it->gateway, it->turn, &poll, &answered);
    return rc == NM_OK && !answered ? s_wait(it, &poll) : rc;
}
