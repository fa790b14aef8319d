#include "actors/deadletter/asks.h"
#include "wire/address.h"
#include "wire/api.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  An ask that is being answered.
typedef struct {
    nm_replays_t *replays;
    nm_turn_t *turn;
    const nm_ask_in_t *ask;
} case_t;

//  -- Answers

static nm_rc_t
s_answer(const case_t *self, unsigned status, nm_buf_t *body)
{
    nm_turn_reply(self->turn, &self->ask->caller, status, nm_bytes(NULL, 0), nm_buf_bytes(body));
    nm_buf_free(body);
    return NM_OK;
}

static nm_rc_t
s_problem(const case_t *self, unsigned status, const char *detail)
{
    nm_turn_problem(self->turn, &self->ask->caller, status, self->ask->headers.correlation_id, NULL, "%s", detail);
    return NM_OK;
}

static nm_rc_t
s_unknown(const case_t *self)
{
    return s_problem(self, 404, "there is no such dead letter");
}

//  Over HTTP what stands in no body stands in the query.
static nm_rc_t
s_faulty(const case_t *self, nm_faults_t *faults)
{
    const nm_api_t *row = nm_api_find(self->ask->op);
    for (size_t i = 0; row && !nm_api_has_body(row) && i < faults->count; i++)
        if (faults->items[i].pointer[0] == '/')
            faults->items[i].pointer[0] = '?';
    nm_turn_problem(self->turn, &self->ask->caller, 422, self->ask->headers.correlation_id, faults, "%s",
                    "the body has faults");
    return NM_OK;
}

//  Reads the body. False: it was answered (400, 422) and the case is closed. check_faults
//  is what rows cannot say; may be NULL.
static bool
s_read(const case_t *self, const nm_shape_t *shape, void *record,
       void (*check_faults)(const void *record, nm_faults_t *faults))
{
    static const uint8_t NOTHING = 0x80;  //  An empty map
    nm_bytes_t body = self->ask->body.size ? self->ask->body : nm_bytes(&NOTHING, 1);
    nm_reader_t reader;
    nm_reader_open(&reader, body);
    if (nm_reader_peek(&reader) != NM_KIND_MAP) {
        s_problem(self, 400, "the body is not an object");
        return false;
    }
    nm_faults_t faults = { .count = 0 };
    nm_rc_t rc = nm_record_decode(shape, record, body, &faults, "");
    if (check_faults)
        check_faults(record, &faults);
    if (shape == &nm_letter_list_shape)
        nm_faults_of_query(&faults);
    if (rc == NM_OK && faults.count == 0)
        return true;
    s_faulty(self, &faults);
    return false;
}

//  -- A letter as clients see it

static nm_whole_letter_t
s_show(const nm_replays_t *replays, const nm_letter_t *letter)
{
    nm_whole_letter_t shown = { .has = 0 };
    NM_PUT(&shown, whole_letter, id, letter->id);
    NM_PUT(&shown, whole_letter, notification_id, letter->notification);
    NM_PUT(&shown, whole_letter, service_id, letter->service);
    NM_PUT(&shown, whole_letter, channel, letter->channel);
    NM_PUT(&shown, whole_letter, reason, letter->reason);
    NM_PUT(&shown, whole_letter, state, letter->state);
    NM_PUT(&shown, whole_letter, attempt_count, letter->attempt_count);
    NM_PUT(&shown, whole_letter, correlation_id, letter->correlation_id);
    NM_PUT(&shown, whole_letter, created_at, letter->died_at);
    NM_PUT(&shown, whole_letter, updated_at, letter->updated_at);
    if (NM_HAS(letter, letter, recipient))
        NM_PUT(&shown, whole_letter, recipient, letter->recipient);
    if (NM_HAS(letter, letter, provider))
        NM_PUT(&shown, whole_letter, provider, letter->provider);
    if (NM_HAS(letter, letter, detail))
        NM_PUT(&shown, whole_letter, detail, letter->detail);
    if (NM_HAS(letter, letter, replay_at))
        NM_PUT(&shown, whole_letter, replay_at, letter->replay_at + replays->behind_ms);
    return shown;
}

static void
s_write_letter(const nm_replays_t *replays, const nm_letter_t *letter, nm_buf_t *out)
{
    nm_whole_letter_t shown = s_show(replays, letter);
    nm_record_encode(&nm_shown_letter_shape, &shown, NM_BY_NAME, out);
}

static nm_shown_attempt_t
s_show_attempt(const nm_attempt_t *attempt)
{
    nm_shown_attempt_t shown = { .has = 0 };
    NM_PUT(&shown, shown_attempt, number, attempt->number);
    NM_PUT(&shown, shown_attempt, provider, attempt->provider);
    NM_PUT(&shown, shown_attempt, started_at, attempt->started_at);
    NM_PUT(&shown, shown_attempt, outcome, attempt->outcome);
    if (NM_HAS(attempt, attempt, ended_at))
        NM_PUT(&shown, shown_attempt, ended_at, attempt->ended_at);
    if (NM_HAS(attempt, attempt, code))
        NM_PUT(&shown, shown_attempt, code, attempt->code);
    if (NM_HAS(attempt, attempt, detail))
        NM_PUT(&shown, shown_attempt, detail, attempt->detail);
    return shown;
}

//  Attempts are kept by tag; clients read names.
static nm_rc_t
s_write_attempts(nm_bytes_t raw, nm_buf_t *out)
{
    nm_list_t list;
    nm_bytes_t item;
    nm_attempt_t attempt;
    nm_rc_t rc = nm_list_open(&list, raw);
    if (rc != NM_OK)
        return rc;
    nm_writer_list(out, list.count);
    while (rc == NM_OK && (rc = nm_list_next(&list, &item)) == NM_OK) {
        rc = nm_record_decode(&nm_attempt_shape, &attempt, item, NULL, "");
        nm_shown_attempt_t shown = s_show_attempt(&attempt);
        if (rc == NM_OK)
            nm_record_encode(&nm_shown_attempt_shape, &shown, NM_BY_NAME, out);
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- dead_letters.list

static int64_t
s_time_or_none(bool there, int64_t at_ms)
{
    return there ? at_ms : -1;
}

static void
s_check_list(const void *record, nm_faults_t *faults)
{
    const nm_letter_list_t *list = record;
    if (NM_HAS(list, letter_list, limit) && list->limit == 0)
        nm_faults_add(faults, "", "limit", "must be at least 1");
}

//  Writes a page; last tells where the next one goes on, if there may be one.
static nm_rc_t
s_write_page(const case_t *self, const nm_letters_filter_t *filter, size_t limit, nm_buf_t *out, bool *more,
             nm_id_t *last)
{
    nm_letters_walk_t walk;
    nm_letter_t letter;
    *more = false;
    nm_letters_walk_open(&walk, nm_turn_txn(self->turn), filter, NM_ASKS_LIST_LOOK_MAX);
    size_t mark = nm_writer_list_open(out);
    size_t count = 0;
    nm_rc_t rc = NM_OK;
    while (count < limit && (rc = nm_letters_walk_next(&walk, &letter)) == NM_OK) {
        s_write_letter(self->replays, &letter, out);
        count++;
    }
    nm_writer_list_close(out, mark, count);
    *last = walk.at;
    if (rc == NM_OK)
        rc = nm_letters_walk_next(&walk, &letter);
    *more = rc == NM_OK || rc == NM_ERR_BUSY;
    nm_letters_walk_close(&walk);
    return rc == NM_ERR_BUSY || rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_list(const case_t *self)
{
    nm_letter_list_t list;
    nm_id_t after;
    nm_id_t last;
    bool more;
    if (!s_read(self, &nm_letter_list_shape, &list, s_check_list))
        return NM_OK;
    if (NM_HAS(&list, letter_list, cursor) && nm_id_from_text(list.cursor, &after) != NM_OK)
        return s_problem(self, 400, "the cursor is not one that a list gave");

    nm_letters_filter_t filter = NM_LETTERS_ALL;
    filter.newest = true;
    filter.service = NM_HAS(&list, letter_list, service_id) ? &list.service_id : NULL;
    filter.state = NM_HAS(&list, letter_list, state) ? (nm_letter_state_t) list.state : NM_LETTER_OPEN;
    filter.channel = NM_HAS(&list, letter_list, channel) ? list.channel : -1;
    filter.reason = NM_HAS(&list, letter_list, reason) ? list.reason : -1;
    filter.provider = list.provider;
    filter.since_ms = s_time_or_none(NM_HAS(&list, letter_list, since), list.since);
    filter.until_ms = s_time_or_none(NM_HAS(&list, letter_list, until), list.until);
    filter.after = NM_HAS(&list, letter_list, cursor) ? &after : NULL;

    nm_buf_t out = { 0 };
    nm_writer_map(&out, 2);
    nm_writer_text(&out, "items");
    size_t limit = NM_HAS(&list, letter_list, limit) ? list.limit : NM_LIST_USUAL;
    nm_rc_t rc = s_write_page(self, &filter, limit, &out, &more, &last);
    if (rc != NM_OK) {
        nm_buf_free(&out);
        return rc;
    }
    if (more)
        nm_writer_pair_id(&out, "next_cursor", &last);
    else {
        nm_writer_text(&out, "next_cursor");
        nm_writer_nil(&out);
    }
    return s_answer(self, 200, &out);
}

//  -- dead_letters.get, .discard

//  A malformed id is no letter's, so it is answered like an unknown one.
static nm_rc_t
s_find(const case_t *self, nm_bytes_t text, bool one_tenant, const nm_id_t *service, nm_letter_t *letter)
{
    nm_id_t id;
    if (nm_id_from_text(text, &id) != NM_OK)
        return NM_ERR_MISSING;
    return nm_letters_get(nm_turn_txn(self->turn), &id, one_tenant ? service : NULL, letter);
}

static nm_rc_t
s_write_whole(const case_t *self, const nm_letter_t *letter, const nm_dead_letter_t *dead, nm_buf_t *out)
{
    nm_delivery_t delivery;
    nm_whole_letter_t shown = s_show(self->replays, letter);
    nm_buf_t attempts = { 0 }, inner = { 0 };
    if (nm_record_decode(&nm_delivery_shape, &delivery, dead->delivery, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    nm_rc_t rc = s_write_attempts(dead->attempts, &attempts);
    nm_record_encode(&nm_shown_delivery_shape, &delivery, NM_BY_NAME, &inner);
    NM_PUT(&shown, whole_letter, attempts, nm_buf_bytes(&attempts));
    NM_PUT(&shown, whole_letter, delivery, nm_buf_bytes(&inner));
    nm_record_encode(&nm_whole_letter_shape, &shown, NM_BY_NAME, out);
    nm_buf_free(&attempts);
    nm_buf_free(&inner);
    return rc;
}

static nm_rc_t
s_get(const case_t *self)
{
    nm_letter_ref_t ref;
    nm_letter_t letter;
    nm_dead_letter_t dead;
    if (!s_read(self, &nm_letter_ref_shape, &ref, NULL))
        return NM_OK;
    nm_rc_t rc = s_find(self, ref.id, NM_HAS(&ref, letter_ref, service_id), &ref.service_id, &letter);
    if (rc == NM_OK)
        rc = nm_letters_content(nm_turn_txn(self->turn), &letter.id, &dead);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? s_unknown(self) : rc;

    nm_buf_t out = { 0 };
    rc = s_write_whole(self, &letter, &dead, &out);
    if (rc == NM_OK)
        return s_answer(self, 200, &out);
    nm_buf_free(&out);
    return rc;
}

//  Discarding again is the same answer, because the asker may ask again.
static nm_rc_t
s_discard(const case_t *self)
{
    nm_letter_ref_t ref;
    nm_letter_t letter;
    nm_buf_t nothing = { 0 };
    if (!s_read(self, &nm_letter_ref_shape, &ref, NULL))
        return NM_OK;
    nm_rc_t rc = s_find(self, ref.id, NM_HAS(&ref, letter_ref, service_id), &ref.service_id, &letter);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? s_unknown(self) : rc;
    if (letter.state == NM_LETTER_DISCARDED)
        return s_answer(self, 204, &nothing);

    nm_txn_t *txn = nm_turn_txn(self->turn);
    rc = nm_replays_leave(txn, &letter);
    if (rc == NM_OK)
        rc = nm_letters_move(txn, &letter, NM_LETTER_DISCARDED, nm_turn_now(self->turn));
    return rc == NM_OK ? s_answer(self, 204, &nothing) : rc;
}

//  -- dead_letters.replay

static bool
s_is_address(nm_channel_t channel, nm_bytes_t text)
{
    switch (channel) {
    case NM_CHANNEL_EMAIL: return nm_address_is_email(text);
    case NM_CHANNEL_SMS:
    case NM_CHANNEL_WHATSAPP: return nm_address_is_phone(text);
    default: return text.size > 0;
    }
}

static nm_rc_t
s_answer_replayed(const case_t *self, const nm_letter_t *letter)
{
    nm_buf_t out = { 0 };
    nm_writer_map(&out, 3);
    nm_writer_pair_id(&out, "id", &letter->id);
    nm_writer_pair_id(&out, "notification_id", &letter->notification);
    nm_writer_pair_bool(&out, "replayed", true);
    return s_answer(self, 202, &out);
}

static nm_rc_t
s_replay(const case_t *self)
{
    nm_letter_replay_t replay;
    nm_letter_t letter;
    nm_error_t why;
    if (!s_read(self, &nm_letter_replay_shape, &replay, NULL))
        return NM_OK;
    nm_rc_t rc = s_find(self, replay.id, NM_HAS(&replay, letter_replay, service_id), &replay.service_id, &letter);
    if (rc == NM_ERR_MISSING || (rc == NM_OK && letter.state == NM_LETTER_DISCARDED))
        return s_unknown(self);
    if (rc != NM_OK)
        return rc;
    if (NM_HAS(&replay, letter_replay, recipient) && !s_is_address(letter.channel, replay.recipient)) {
        nm_faults_t faults = { .count = 0 };
        nm_faults_add(&faults, "", "recipient", "is not an address of the channel");
        return s_faulty(self, &faults);
    }
    if (nm_turn_tight(self->turn))
        return s_problem(self, 507, "the store is nearly full: discard dead letters first");

    nm_replay_change_t change = { .recipient = replay.recipient, .provider = replay.provider };
    rc = nm_replays_send(self->replays, self->turn, &letter, &change, &why);
    if (rc == NM_ERR_REFUSED)
        return s_problem(self, 409, why.text);
    return rc == NM_OK ? s_answer_replayed(self, &letter) : rc;
}

//  -- dead_letters.replay_many

static void
s_check_many(const void *record, nm_faults_t *faults)
{
    const nm_letter_many_t *many = record;
    nm_letter_filter_t filter;
    if (NM_HAS(many, letter_many, rate_per_second) && many->rate_per_second == 0)
        nm_faults_add(faults, "", "rate_per_second", "must be at least 1");
    if (!NM_HAS(many, letter_many, filter) ||
        nm_record_decode(&nm_letter_filter_shape, &filter, many->filter, NULL, "") != NM_OK)
        return;
    if (NM_HAS(&filter, letter_filter, state) && filter.state != NM_LETTER_OPEN)
        nm_faults_add(faults, "/filter", "state", "must be open: no other letter can be replayed");
}

static nm_rc_t
s_many_filter(const nm_letter_many_t *many, nm_letter_filter_t *by, nm_letters_filter_t *filter)
{
    *filter = NM_LETTERS_ALL;
    filter->service = NM_HAS(many, letter_many, service_id) ? &many->service_id : NULL;
    if (!NM_HAS(many, letter_many, filter))
        return NM_OK;
    nm_rc_t rc = nm_record_decode(&nm_letter_filter_shape, by, many->filter, NULL, "");
    if (rc != NM_OK)
        return rc;
    filter->channel = NM_HAS(by, letter_filter, channel) ? by->channel : -1;
    filter->reason = NM_HAS(by, letter_filter, reason) ? by->reason : -1;
    filter->provider = by->provider;
    filter->since_ms = s_time_or_none(NM_HAS(by, letter_filter, since), by->since);
    filter->until_ms = s_time_or_none(NM_HAS(by, letter_filter, until), by->until);
    return NM_OK;
}

//  Letters that stand in the line already, or have expired, are not counted: matched is
//  what a replay would send.
static bool
s_matches(const case_t *self, const nm_letter_t *letter)
{
    if (NM_HAS(letter, letter, replay_at))
        return false;
    return !NM_HAS(letter, letter, expires_at) || letter->expires_at > nm_turn_now(self->turn);
}

typedef struct {
    uint64_t matched;
    bool dry_run;
    uint64_t rate;  //  Letters a second; 0: no limit
    bool more;      //  There were more letters than one ask may look at
} many_t;

//  The oldest go first, each a step of the rate after the one before.
static nm_rc_t
s_line_up(const case_t *self, const nm_letters_filter_t *filter, many_t *many)
{
    nm_letters_walk_t walk;
    nm_letter_t letter;
    nm_rc_t rc;
    nm_letters_walk_open(&walk, nm_turn_txn(self->turn), filter, NM_ASKS_MANY_LOOK_MAX);
    while ((rc = nm_letters_walk_next(&walk, &letter)) == NM_OK && many->matched < NM_ASKS_MANY_MAX) {
        if (!s_matches(self, &letter))
            continue;
        int64_t after_ms = many->rate ? (int64_t) (many->matched * 1000 / many->rate) : 0;
        many->matched++;
        if (!many->dry_run)
            rc = nm_replays_wait(self->replays, self->turn, &letter, after_ms);
        if (rc != NM_OK)
            break;
    }
    nm_letters_walk_close(&walk);
    many->more = rc == NM_OK || rc == NM_ERR_BUSY;
    return rc == NM_ERR_MISSING || rc == NM_ERR_BUSY ? NM_OK : rc;
}

static nm_rc_t
s_replay_many(const case_t *self)
{
    nm_letter_many_t body;
    nm_letter_filter_t by;
    nm_letters_filter_t filter;
    if (!s_read(self, &nm_letter_many_shape, &body, s_check_many))
        return NM_OK;
    many_t many = { .dry_run = body.dry_run, .rate = body.rate_per_second };
    if (!many.dry_run && nm_turn_tight(self->turn))
        return s_problem(self, 507, "the store is nearly full: discard dead letters first");
    nm_rc_t rc = s_many_filter(&body, &by, &filter);
    if (rc == NM_OK)
        rc = s_line_up(self, &filter, &many);
    if (rc != NM_OK)
        return rc == NM_ERR_MALFORMED ? NM_ERR_BUG : rc;

    nm_buf_t out = { 0 };
    nm_writer_map(&out, 3);
    nm_writer_pair_uint(&out, "matched", many.matched);
    nm_writer_pair_uint(&out, "replayed", many.dry_run ? 0 : many.matched);
    nm_writer_pair_bool(&out, "more", many.more);
    return s_answer(self, many.dry_run ? 200 : 202, &out);
}

//  -- The table

static const struct {
    const char *op;
    nm_rc_t (*answer)(const case_t *self);
} ASKS[] = {
    { "dead_letters.list", s_list },       { "dead_letters.get", s_get },
    { "dead_letters.replay", s_replay },   { "dead_letters.replay_many", s_replay_many },
    { "dead_letters.discard", s_discard },
};

nm_rc_t
nm_asks_handle(nm_replays_t *replays, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    const case_t self = { .replays = replays, .turn = turn, .ask = ask };
    for (size_t i = 0; i < NM_COUNT(ASKS); i++)
        if (nm_bytes_is(ask->op, ASKS[i].op))
            return ASKS[i].answer(&self);
    return s_problem(&self, 404, "deadletter does not answer this operation");
}
