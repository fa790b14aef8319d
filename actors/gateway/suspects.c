#include "actors/gateway/suspects.h"

#include "actors/gateway/state.h"
#include "actors/gateway/tables.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const int64_t TIMEOUT_MS = 5000;  //  Of one question
static const int64_t PAUSE_MS = 1000;    //  Before those who did not answer are asked again
static const int64_t TWICE_MS = 200;     //  Between two looks at one that seems lost
static const int64_t WAIT_MS = 30000;    //  For mail that was named

typedef enum { STEP_NONE, STEP_ROUTERS, STEP_CHANNELS, STEP_WAIT } step_t;

//  How a suspect is looked into: on the word of its events, or on that of whoever holds it alone.
typedef enum { TRUST_EVENTS = 0, TRUST_HOLDERS = 1, SEEMS_LOST = 2 } doubt_t;

static nm_bytes_t
s_key(const nm_id_t *id)
{
    return nm_bytes(id->at, NM_ID_SIZE);
}

void
nm_suspects_drop(nm_recovery_t *recovery)
{
    recovery->step = STEP_NONE;
    recovery->serial++;
}

//  -- What is known of one

static bool
s_is_forgotten(const nm_gateway_t *self, nm_bytes_t holder)
{
    char name[NM_NAME_MAX + 1];
    nm_bytes_to_text(holder, name, sizeof name);
    const nm_peer_t *peer = nm_directory_find(self->directory, name);
    return !peer || peer->forgotten || strcmp(name, self->recovery.name) == 0;
}

//  May a request become more deliveries than anybody spoke of?
static bool
s_may_be_several(const nm_note_t *note, nm_bytes_t request)
{
    nm_bytes_t email, raw;
    if (NM_HAS(note, note, deliveries))
        return false;
    return NM_HAS(note, note, channels) ||
           (nm_reader_find(request, "email", &email) == NM_OK &&
            (nm_reader_find(email, "cc", &raw) == NM_OK || nm_reader_find(email, "bcc", &raw) == NM_OK));
}

//  Marks what its events account for: what has ended, and, if they are trusted, what somebody has
//  who is not lost.
static nm_rc_t
s_account(nm_gateway_t *self, const nm_note_t *note, bool trusted, uint8_t accounted[NM_HELD_SIZE])
{
    nm_rc_t rc = nm_history_read(&self->history, note);
    if (rc != NM_OK)
        return rc;
    for (size_t i = 0; i < self->history.part_count; i++) {
        const nm_part_t *part = &self->history.parts[i];
        bool has_holder = NM_HAS(part, part, holder) && !s_is_forgotten(self, part->holder);
        if (nm_status_is_final((nm_status_t) part->status) || (trusted && has_holder))
            nm_held_set(accounted, part->number);
    }
    return NM_OK;
}

static bool
s_is_complete(const nm_note_t *note, nm_bytes_t request, const uint8_t accounted[NM_HELD_SIZE])
{
    uint64_t count = NM_HAS(note, note, deliveries) ? note->deliveries : 1;
    for (uint64_t number = 0; number < count; number++)
        if (!nm_held_has(accounted, number))
            return false;
    return !s_may_be_several(note, request);
}

//  NM_ERR_MISSING: it is not there, or has ended, or not begun, or has no content to be sent again.
static nm_rc_t
s_read(nm_txn_t *txn, const nm_id_t *id, nm_note_t *note, nm_bytes_t *request)
{
    nm_rc_t rc = nm_notes_get(txn, id, note);
    if (rc == NM_OK && (nm_status_is_final((nm_status_t) note->status) || note->status == NM_STATUS_SCHEDULED))
        rc = NM_ERR_MISSING;
    return rc == NM_OK ? nm_table_get(txn, &nm_contents_table, s_key(id), request) : rc;
}

nm_rc_t
nm_suspects_look_at(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, bool trusted)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    uint8_t accounted[NM_HELD_SIZE] = { 0 };
    nm_bytes_t request;
    nm_note_t note;
    nm_rc_t rc = s_read(txn, id, &note, &request);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    uint8_t doubt = trusted ? TRUST_EVENTS : TRUST_HOLDERS;
    rc = s_account(self, &note, trusted, accounted);
    if (rc != NM_OK || s_is_complete(&note, request, accounted))
        return rc;
    self->recovery.suspect_count++;
    return nm_table_put(txn, &nm_suspects_table, s_key(id), nm_bytes(&doubt, 1));
}

//  -- Our own outbox: in one turn, because mail that waits and mail that is open change places

//  What a router may have handled may be anywhere by now.
static nm_rc_t
s_clear_mine(void *arg, const nm_mail_mine_t *mail)
{
    nm_turn_t *turn = arg;
    if (mail->kind != NM_MAIL_WORK || mail->handed)
        return NM_OK;
    nm_rc_t rc = nm_table_delete(nm_turn_txn(turn), &nm_suspects_table, mail->tag);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_suspects_clear_ours(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_rc_t rc = nm_turn_mail_mine(turn, s_clear_mine, turn);
    self->recovery.suspect_count = nm_table_count(nm_turn_txn(turn), &nm_suspects_table);
    return rc;
}

//  -- Asking

static void
s_fail(nm_recovery_t *recovery, nm_turn_t *turn, int64_t pause_ms)
{
    nm_suspects_drop(recovery);
    recovery->again_ms = nm_turn_now(turn) + pause_ms;
    nm_turn_wake(turn, recovery->again_ms);
}

static void
s_pack_ids(const nm_recovery_t *recovery, nm_buf_t *out)
{
    nm_buf_clear(out);
    nm_writer_map(out, 1);
    nm_writer_text(out, "ids");
    nm_writer_list(out, recovery->count);
    for (size_t i = 0; i < recovery->count; i++) {
        char text[NM_ID_TEXT_SIZE + 1];
        nm_id_to_text(&recovery->items[i].notification, text);
        nm_writer_text(out, text);
    }
}

static void
s_ask_role(nm_gateway_t *self, nm_turn_t *turn, nm_role_id_t role)
{
    nm_recovery_t *recovery = &self->recovery;
    const nm_peer_t *peers[NM_MESH_ACTOR_MAX];
    size_t count = nm_directory_list(self->directory, role, peers, NM_MESH_ACTOR_MAX);
    for (size_t i = 0; i < count && i < NM_MESH_ACTOR_MAX; i++) {
        if (peers[i]->forgotten)
            continue;
        if (recovery->peer_count == recovery->peer_room) {
            recovery->peer_room = recovery->peer_room ? 2 * recovery->peer_room : 8;
            recovery->peers = nm_realloc(recovery->peers, recovery->peer_room * sizeof *recovery->peers);
        }
        recovery->peers[recovery->peer_count] = (nm_recovery_peer_t){ .name = peers[i]->actor.name };
        recovery->open_count++;
        nm_turn_ask(turn, role, peers[i]->actor.name, "custody.holds", nm_buf_bytes(&self->body), TIMEOUT_MS,
                    nm_token(NM_TOKEN_RECOVERY, recovery->peer_count++, recovery->serial));
    }
}

static void
s_ask(nm_gateway_t *self, nm_turn_t *turn, step_t step)
{
    static const nm_role_id_t ROUTERS[] = { NM_ROLE_ROUTER }, CHANNELS[] = { NM_ROLE_EMAIL, NM_ROLE_PUSH, NM_ROLE_SMS };
    nm_recovery_t *recovery = &self->recovery;
    const nm_role_id_t *roles = step == STEP_ROUTERS ? ROUTERS : CHANNELS;
    recovery->step = step;
    s_pack_ids(recovery, &self->body);
    for (size_t i = 0; i < (step == STEP_ROUTERS ? NM_COUNT(ROUTERS) : NM_COUNT(CHANNELS)); i++)
        s_ask_role(self, turn, roles[i]);
}

static nm_rc_t
s_look_at_open(void *arg, const nm_mail_mine_t *mail)
{
    nm_recovery_t *recovery = arg;
    for (size_t i = 0; mail->kind == NM_MAIL_WORK && i < recovery->count && !recovery->failed; i++)
        recovery->failed = nm_bytes_equal(s_key(&recovery->items[i].notification), mail->tag);
    return NM_OK;
}

//  The first of the suspects. As long as a router may take one of them in after it was asked, nobody is asked.
static nm_rc_t
s_start(nm_gateway_t *self, nm_turn_t *turn, bool *none)
{
    nm_recovery_t *recovery = &self->recovery;
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_rc_t rc = NM_OK;
    recovery->count = recovery->peer_count = recovery->open_count = 0;
    recovery->failed = false;
    recovery->serial++;
    nm_cursor_open(&cursor, nm_turn_txn(turn), &nm_suspects_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while (recovery->count < NM_HOLDS_MAX && (rc = nm_cursor_next(&cursor, &key, NULL)) == NM_OK) {
        nm_held_t *item = &recovery->items[recovery->count++];
        memset(item, 0, sizeof *item);
        memcpy(item->notification.at, key.at, NM_ID_SIZE);
    }
    nm_cursor_close(&cursor);
    if (rc != NM_OK && rc != NM_ERR_MISSING)
        return rc;
    *none = !recovery->count;
    if (*none)
        return NM_OK;
    rc = nm_turn_mail_open(turn, s_look_at_open, recovery);
    if (rc != NM_OK || recovery->failed) {
        s_fail(recovery, turn, PAUSE_MS);
        return rc;
    }
    s_ask(self, turn, STEP_ROUTERS);
    if (!recovery->open_count)
        s_ask(self, turn, STEP_CHANNELS);
    if (!recovery->open_count)  //  There is nobody at all who could have it
        s_fail(recovery, turn, PAUSE_MS);
    return NM_OK;
}

static void
s_take_held(nm_recovery_t *recovery, nm_bytes_t item)
{
    nm_bytes_t raw, text, numbers;
    nm_reader_t reader;
    nm_id_t id;
    if (nm_reader_find(item, "id", &raw) != NM_OK)
        return;
    nm_reader_open(&reader, raw);
    if (nm_reader_str(&reader, &text) != NM_OK || nm_id_from_text(text, &id) != NM_OK ||
        nm_reader_find(item, "numbers", &raw) != NM_OK)
        return;
    nm_reader_open(&reader, raw);
    if (nm_reader_bin(&reader, &numbers) != NM_OK || numbers.size != NM_HELD_SIZE)
        return;
    for (size_t i = 0; i < recovery->count; i++)
        if (nm_id_equal(&recovery->items[i].notification, &id))
            for (size_t n = 0; n < NM_HELD_SIZE; n++)
                recovery->items[i].numbers[n] |= numbers.at[n];
}

//  Is this one asked as well, now or in the next step?
static bool
s_is_asked(const nm_gateway_t *self, nm_bytes_t text)
{
    const nm_recovery_t *recovery = &self->recovery;
    char name[NM_NAME_MAX + 1];
    nm_bytes_to_text(text, name, sizeof name);
    const nm_peer_t *peer = nm_directory_find(self->directory, name);
    if (!peer)
        return false;
    if (peer->forgotten || (recovery->step == STEP_ROUTERS && peer->actor.role != NM_ROLE_ROUTER))
        return true;
    for (size_t i = 0; i < recovery->peer_count; i++)
        if (recovery->peers[i].name == peer->actor.name)
            return true;
    return false;
}

//  Work may be with somebody whom others know and we do not, or did not when we asked: then it is too early.
static bool
s_are_all_asked(const nm_gateway_t *self, nm_bytes_t body)
{
    nm_bytes_t raw, item, name;
    nm_reader_t reader;
    nm_list_t list;
    if (nm_reader_find(body, "knows", &raw) != NM_OK)
        return true;  //  One of an earlier version
    if (nm_list_open(&list, raw) != NM_OK)
        return false;
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_reader_open(&reader, item);
        if (nm_reader_str(&reader, &name) != NM_OK || !s_is_asked(self, name))
            return false;
    }
    return true;
}

static bool
s_take_holds(nm_recovery_t *recovery, nm_recovery_peer_t *peer, nm_bytes_t body)
{
    nm_bytes_t raw, item;
    nm_reader_t reader;
    nm_list_t list;
    if (!body.size || nm_reader_find(body, "next", &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    if (nm_reader_uint(&reader, &peer->next) != NM_OK || nm_reader_find(body, "held", &raw) != NM_OK ||
        nm_list_open(&list, raw) != NM_OK)
        return false;
    while (nm_list_next(&list, &item) == NM_OK)
        s_take_held(recovery, item);
    return true;
}

nm_rc_t
nm_suspects_reply(nm_gateway_t *self, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_recovery_t *recovery = &self->recovery;
    size_t slot = nm_token_slot(reply->token);
    if ((uint32_t) reply->token != recovery->serial || slot >= recovery->peer_count ||
        (recovery->step != STEP_ROUTERS && recovery->step != STEP_CHANNELS))
        return NM_OK;
    if (reply->status != 200 || !s_take_holds(recovery, &recovery->peers[slot], reply->body) ||
        !s_are_all_asked(self, reply->body))
        recovery->failed = true;
    if (--recovery->open_count)
        return NM_OK;
    if (recovery->failed) {
        s_fail(recovery, turn, PAUSE_MS);
        return NM_OK;
    }
    if (recovery->step == STEP_ROUTERS)
        s_ask(self, turn, STEP_CHANNELS);
    if (!recovery->open_count) {
        recovery->step = STEP_WAIT;
        recovery->until_ms = nm_turn_now(turn) + WAIT_MS;
        nm_turn_wake(turn, nm_turn_now(turn));
    }
    return NM_OK;
}

//  -- Judging

//  Sends it again, but for what could then be sent twice and must not.
static nm_rc_t
s_redrive(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note, nm_bytes_t request,
          const uint8_t accounted[NM_HELD_SIZE])
{
    nm_bytes_t raw;
    nm_reader_t reader;
    bool once = false, sent = false;
    self->recovery.redriven_count++;
    nm_metric_add(self->tally.redriven, 1);
    if (nm_reader_find(request, "at_most_once", &raw) == NM_OK) {
        nm_reader_open(&reader, raw);
        if (nm_reader_bool(&reader, &once) != NM_OK)
            once = false;
    }
    nm_rc_t rc = once ? nm_recovery_may_have_sent(nm_turn_txn(turn), &sent) : NM_OK;
    if (rc != NM_OK)
        return rc;
    if (sent)
        return nm_notes_end(self, turn, id, note, NM_EVENT_FAILED,
                            "an actor is lost that may have sent it, and it may be sent only once");
    return nm_notes_redrive(self, turn, id, note, accounted);
}

static nm_rc_t
s_clear(nm_gateway_t *self, nm_txn_t *txn, const nm_id_t *id)
{
    nm_rc_t rc = nm_table_delete(txn, &nm_suspects_table, s_key(id));
    self->recovery.suspect_count -= rc == NM_OK && self->recovery.suspect_count > 0;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_judge(nm_gateway_t *self, nm_turn_t *turn, nm_held_t *item, bool *again)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    const nm_id_t *id = &item->notification;
    static const uint8_t LOST = SEEMS_LOST;
    nm_bytes_t value, request;
    nm_note_t note;
    nm_rc_t rc = nm_table_get(txn, &nm_suspects_table, s_key(id), &value);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    doubt_t doubt = value.size == 1 ? (doubt_t) value.at[0] : TRUST_HOLDERS;
    rc = s_read(txn, id, &note, &request);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? s_clear(self, txn, id) : rc;
    rc = s_account(self, &note, doubt == TRUST_EVENTS, item->numbers);
    if (rc != NM_OK)
        return rc;
    if (s_is_complete(&note, request, item->numbers))
        return s_clear(self, txn, id);
    if (doubt == TRUST_HOLDERS) {
        *again = true;
        return nm_table_put(txn, &nm_suspects_table, s_key(id), nm_bytes(&LOST, 1));
    }
    rc = s_redrive(self, turn, id, &note, request, item->numbers);
    return rc == NM_OK ? s_clear(self, txn, id) : rc;
}

static bool
s_has_read_all(const nm_recovery_t *recovery, nm_turn_t *turn)
{
    for (size_t i = 0; i < recovery->peer_count; i++)
        if (nm_turn_seen(turn, recovery->peers[i].name) + 1 < recovery->peers[i].next)
            return false;
    return true;
}

static nm_rc_t
s_conclude(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_recovery_t *recovery = &self->recovery;
    nm_rc_t rc = NM_OK;
    bool again = false;
    if (!s_has_read_all(recovery, turn)) {
        if (nm_turn_now(turn) >= recovery->until_ms)
            s_fail(recovery, turn, PAUSE_MS);
        else
            nm_turn_wake(turn, recovery->until_ms);
        return NM_OK;
    }
    for (size_t i = 0; rc == NM_OK && i < recovery->count; i++)
        rc = s_judge(self, turn, &recovery->items[i], &again);
    recovery->step = STEP_NONE;
    recovery->again_ms = nm_turn_now(turn) + (again ? TWICE_MS : 0);
    nm_turn_wake(turn, recovery->again_ms);
    return rc;
}

nm_rc_t
nm_suspects_due(nm_gateway_t *self, nm_turn_t *turn, bool *none)
{
    nm_recovery_t *recovery = &self->recovery;
    *none = false;
    if (recovery->step == STEP_WAIT)
        return s_conclude(self, turn);
    if (recovery->step != STEP_NONE)
        return NM_OK;
    if (nm_turn_now(turn) >= recovery->again_ms)
        return s_start(self, turn, none);
    nm_turn_wake(turn, recovery->again_ms);
    return NM_OK;
}
