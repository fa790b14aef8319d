#include "actors/gateway/gateway.h"

#include "actors/accounts/provider_reads.h"
#include "actors/accounts/reads.h"
#include "actors/gateway/copies.h"
#include "actors/gateway/duties.h"
#include "actors/gateway/ops.h"
#include "actors/gateway/tables.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const int64_t DAY_MS = INT64_C(86400000);

//  -- Operations

typedef struct {
    const char *op;  //  wire/api.h says who may
    nm_op_fn *run;
    nm_act_fn *read;   //  Instead of run: it reads what is in a book
    const char *book;  //  ... or is passed on to the owner of this one, whose answer may be a change of it.
                       //  With read: the owner knows more, and is asked if it is there
} nm_op_row_t;

static const nm_op_row_t OPS[] = {
    { "notifications.create", nm_op_create },
    { "notifications.batch", nm_op_batch },
    { "notifications.broadcast", nm_op_broadcast },
    { "notifications.get", nm_op_get },
    { "notifications.list", nm_op_list },
    { "notifications.cancel", nm_op_cancel },
    { "events.read", nm_op_events },
    { "events.feed", nm_op_feed },
    { "dead_letters.list", nm_op_dead_letters },
    { "dead_letters.get", nm_op_dead_letters },
    { "dead_letters.replay", nm_op_dead_letters },
    { "dead_letters.replay_many", nm_op_dead_letters },
    { "dead_letters.discard", nm_op_dead_letters },
    { "services.create", .book = NM_SERVICES_BOOK },
    { "services.list", .read = nm_act_services_list },
    { "services.get", .read = nm_act_services_get },
    { "services.patch", .book = NM_SERVICES_BOOK },
    { "services.delete", .book = NM_SERVICES_BOOK },
    { "keys.create", .book = NM_SERVICES_BOOK },
    { "keys.list", .read = nm_act_keys_list, .book = NM_SERVICES_BOOK },
    { "keys.rotate", .book = NM_SERVICES_BOOK },
    { "keys.delete", .book = NM_SERVICES_BOOK },
    { "idempotency.find.notifications.create", nm_op_find },
    { "idempotency.find.notifications.batch", nm_op_find },
    { "idempotency.find.notifications.broadcast", nm_op_find },
    { "doors", nm_op_doors },
    { "limits.lend", nm_op_lend },
    { "notifications.take", nm_op_take },
    { "notifications.account", nm_op_account },
    { "users.create", .book = NM_SESSIONS_BOOK },
    { "users.list", .book = NM_SESSIONS_BOOK },
    { "users.get", .book = NM_SESSIONS_BOOK },
    { "users.patch", .book = NM_SESSIONS_BOOK },
    { "users.delete", .book = NM_SESSIONS_BOOK },
    { "auth.login", .book = NM_SESSIONS_BOOK },
    { "auth.logout", .book = NM_SESSIONS_BOOK },
    { "signing.rotate", .book = NM_SESSIONS_BOOK },
    { "providers.create", .book = NM_PROVIDERS_BOOK },
    { "providers.list", .read = nm_act_providers_list },
    { "providers.get", .read = nm_act_providers_get },
    { "providers.patch", .book = NM_PROVIDERS_BOOK },
    { "providers.delete", .book = NM_PROVIDERS_BOOK },
    { "health", nm_op_health },
    { "health.ready", nm_op_ready },
    { "metrics", nm_op_metrics },
};

nm_rc_t
nm_op_health(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    nm_buf_clear(body);
    nm_writer_map(body, 1);
    nm_writer_pair_text(body, "status", "ok");
    return nm_answer(&it->answer, 200, nm_buf_bytes(body));
}

static uint64_t
s_unfinished(const nm_gateway_t *self)
{
    uint64_t count = 0;
    for (unsigned status = 0; status < NM_STATUS_COUNT; status++)
        if (!nm_status_is_final((nm_status_t) status))
            count += self->counts[status];
    return count;
}

//  Is it there? Of those with whom no mail is exchanged the directory has heard.
static bool
s_is_there(nm_case_t *it, const nm_peer_t *peer)
{
    if (peer->actor.role == NM_ROLE_GATEWAY && peer->actor.number == it->gateway->number)
        return true;
    if (nm_roles_link(NM_ROLE_GATEWAY, peer->actor.role))
        return nm_turn_is_alive(it->turn, peer->actor.name);
    return peer->heard && peer->life == NM_LIFE_ALIVE;
}

//  How many actors of a role are there, of how many that have not left for good.
static void
s_write_role(nm_case_t *it, nm_role_id_t role, nm_buf_t *body)
{
    const nm_peer_t *peers[NM_OWNERS_MAX];
    size_t listed = nm_directory_list(it->gateway->directory, role, peers, NM_OWNERS_MAX), alive = 0, total = 0;
    for (size_t i = 0; i < listed && i < NM_OWNERS_MAX; i++) {
        bool there = s_is_there(it, peers[i]);
        alive += there;
        total += there || !(peers[i]->forgotten || peers[i]->leaving);
    }
    nm_writer_text(body, nm_role_text(role));
    nm_writer_map(body, 2);
    nm_writer_pair_uint(body, "alive", alive);
    nm_writer_pair_uint(body, "total", total);
}

static size_t
s_write_roles(nm_case_t *it, nm_buf_t *body)
{
    nm_writer_text(body, "roles");
    size_t mark = nm_writer_map_open(body), count = 0;
    for (unsigned role = NM_ROLE_NONE + 1; role < NM_ROLE_OPERATOR; role++)
        if (it->gateway->present >> role & 1) {
            s_write_role(it, (nm_role_id_t) role, body);
            count++;
        }
    nm_writer_map_close(body, mark, count);
    return 1;
}

//  Returns how many pairs.
static size_t
s_write_readiness(nm_case_t *it, nm_buf_t *body)
{
    const nm_gateway_t *gateway = it->gateway;
    nm_store_room_t room;
    nm_turn_room(it->turn, &room);
    uint64_t oldest_ms =
        gateway->oldest_ms && it->now_ms > gateway->oldest_ms ? (uint64_t) (it->now_ms - gateway->oldest_ms) : 0;
    nm_writer_pair_text(body, "store", room.tight ? "tight" : "ok");
    nm_writer_pair_uint(body, "store_used_bytes", room.used);
    nm_writer_pair_uint(body, "store_quota_bytes", room.quota);
    nm_writer_pair_uint(body, "disk_free_bytes", room.free_space);
    nm_writer_pair_uint(body, "backlog", s_unfinished(gateway));
    nm_writer_pair_uint(body, "oldest_seconds", oldest_ms / 1000);
    return 6 + s_write_roles(it, body);
}

//  A notification is accepted as long as there is room on our disk: whoever is away gets
//  it later. So the others are shown, and only room decides.
nm_rc_t
nm_op_ready(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    bool draining = nm_turn_draining(it->turn), ready = !draining && !nm_turn_tight(it->turn);
    nm_buf_clear(body);
    size_t mark = nm_writer_map_open(body);
    nm_writer_pair_text(body, "status", ready ? "ok" : draining ? "draining" : "full");
    nm_writer_map_close(body, mark, 1 + s_write_readiness(it, body));
    return nm_answer_with(&it->answer, ready ? 200 : 503, ready ? NULL : "retry-after", "10", nm_buf_bytes(body));
}

//  -- What operations share

//  A cursor that is no text of ours is 400, as one that reads well and is none.
static bool
s_is_cursors_fault(const nm_faults_t *faults)
{
    const char *pointer = faults->items[0].pointer;
    return faults->count == 1 && (strcmp(pointer, "?cursor") == 0 || strcmp(pointer, "?after") == 0);
}

nm_rc_t
nm_case_decode(nm_case_t *it, const nm_shape_t *shape, void *record, bool query)
{
    static const uint8_t EMPTY_MAP = 0x80;
    nm_faults_t *faults = &it->gateway->faults;
    nm_bytes_t body = it->ask->body.size ? it->ask->body : nm_bytes(&EMPTY_MAP, 1);
    nm_reader_t reader;
    faults->count = faults->missed = 0;
    nm_reader_open(&reader, body);
    if (nm_reader_peek(&reader) != NM_KIND_MAP) {
        nm_answer_problem(&it->answer, 400, NULL, "The body must be an object.");
        return NM_ERR_REFUSED;
    }
    if (nm_record_decode(shape, record, body, faults, "") == NM_OK)
        return NM_OK;
    if (query)
        nm_faults_of_query(faults);
    if (query && s_is_cursors_fault(faults))
        nm_answer_problem(&it->answer, 400, NULL, "The cursor is not one of ours.");
    else
        nm_answer_problem(&it->answer, 422, faults, "The request has faults; each is named in errors.");
    return NM_ERR_REFUSED;
}

nm_rc_t
nm_case_refuse(nm_case_t *it, const char *pointer, const char *detail)
{
    nm_faults_t *faults = &it->gateway->faults;
    faults->count = faults->missed = 0;
    nm_faults_add(faults, pointer, NULL, "%s", detail);
    return nm_answer_problem(&it->answer, 422, faults, "The request has faults; each is named in errors.");
}

nm_rc_t
nm_case_unknown(nm_case_t *it, const char *what)
{
    return nm_answer_problem(&it->answer, 404, NULL, "There is no such %s.", what);
}

//  The owner is gone for good: whoever kept a copy of it answers for it now. First all are asked whether they do.
static nm_rc_t
s_ask_everybody(nm_case_t *it, nm_bytes_t id)
{
    const nm_peer_t *gateways[NM_OWNERS_MAX];
    nm_ask_headers_t headers = nm_forwards_headers(it);
    nm_errand_t *errand = nm_errands_begin(it);
    size_t count = nm_directory_list(it->gateway->directory, NM_ROLE_GATEWAY, gateways, NM_OWNERS_MAX);
    nm_buf_t *body = &it->gateway->body;
    nm_buf_clear(body);
    nm_writer_map(body, 1);
    nm_writer_pair_str(body, "id", id);
    for (size_t i = 0; errand && i < count && i < NM_OWNERS_MAX; i++)
        if (!gateways[i]->forgotten && gateways[i]->actor.number != it->gateway->number)
            nm_errands_put(it, errand, 0, gateways[i], "notifications.get", &headers, nm_buf_bytes(body));
    return NM_OK;
}

//  All have answered.
static nm_rc_t
s_ask_heir(nm_case_t *it)
{
    bool away = false;
    for (size_t i = 0; i < it->errand->question_count; i++) {
        const nm_question_t *question = &it->errand->questions[i];
        if (question->status == 200)
            return nm_forwards_pass(it, question->peer);
        away |= question->status == 503;
    }
    return away ? nm_answer_away(&it->answer, "A gateway that may keep this is away; try again.")
                : nm_case_unknown(it, "notification");
}

//  Another gateway is the owner: it is asked.
static nm_rc_t
s_ask_owner(nm_case_t *it, uint16_t number, nm_bytes_t id)
{
    const nm_peer_t *owner = nm_directory_gateway(it->gateway->directory, number);
    if (!owner || nm_case_is_passed_on(it))
        return nm_case_unknown(it, "notification");
    if (!owner->forgotten)
        return nm_forwards_pass(it, owner);
    return it->errand ? s_ask_heir(it) : s_ask_everybody(it, id);
}

nm_rc_t
nm_case_find(nm_case_t *it, nm_bytes_t text, nm_id_t *id, nm_note_t *note)
{
    nm_rc_t rc = nm_id_from_text(text, id) == NM_OK ? NM_OK : NM_ERR_MISSING;
    if (rc == NM_OK) {
        rc = nm_notes_get(it->txn, id, note);
        if (rc == NM_ERR_MISSING && nm_id_gateway(id) != it->gateway->number) {
            s_ask_owner(it, nm_id_gateway(id), text);
            return NM_ERR_REFUSED;
        }
    }
    bool own = rc == NM_OK && NM_HAS(note, note, user_id) && nm_id_equal(&note->user_id, &it->who.claims.user);
    if (rc == NM_OK && (!nm_case_may_see(it, &note->service) || (it->who.person && !own)))
        rc = NM_ERR_MISSING;
    if (rc != NM_ERR_MISSING)
        return rc;
    nm_case_unknown(it, "notification");
    return NM_ERR_REFUSED;
}

void
nm_cursor_text(const nm_id_t *id, char out[NM_CURSOR_TEXT_SIZE + 1])
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < NM_ID_SIZE; i++) {
        *out++ = DIGITS[id->at[i] >> 4];
        *out++ = DIGITS[id->at[i] & 15];
    }
    *out = 0;
}

nm_rc_t
nm_case_page(nm_case_t *it, bool has_limit, uint64_t *limit, bool has_cursor, nm_bytes_t cursor, nm_id_t *from)
{
    if (!has_limit)
        *limit = NM_LIST_USUAL;
    if (*limit == 0) {
        nm_case_refuse(it, "?limit", "must be 1 to 200");
        return NM_ERR_REFUSED;
    }
    if (has_cursor && (cursor.size != NM_CURSOR_TEXT_SIZE || nm_id_from_text(cursor, from) != NM_OK)) {
        nm_answer_problem(&it->answer, 400, NULL, "The cursor is not one of ours.");
        return NM_ERR_REFUSED;
    }
    return NM_OK;
}

//  -- Asks

static bool
s_is_correlation(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-')
            return false;
    }
    return text.size > 0 && text.size <= NM_CORRELATION_MAX;
}

static void
s_set_asker(nm_case_t *it)
{
    it->asker.caller = it->ask->caller;
    if (s_is_correlation(it->ask->headers.correlation_id)) {
        nm_bytes_to_text(it->ask->headers.correlation_id, it->asker.correlation, sizeof it->asker.correlation);
        return;
    }
    nm_id_t made;
    nm_put_u64(made.at, nm_turn_random(it->turn));
    nm_put_u64(made.at + 8, nm_turn_random(it->turn));
    nm_cursor_text(&made, it->asker.correlation);
}

//  Whoever has no credentials of its own: an operator, or another gateway for one that it has let in.
static bool
s_is_trusted(const nm_case_t *it)
{
    return it->ask->role == NM_ROLE_OPERATOR || nm_case_is_passed_on(it);
}

typedef enum { CREDENTIAL_RIGHT, CREDENTIAL_OLD, CREDENTIAL_WRONG, CREDENTIAL_MISSING } credential_t;

static credential_t
s_check(nm_case_t *it)
{
    static const credential_t VERDICTS[] = {
        [NM_JWT_GOOD] = CREDENTIAL_RIGHT, [NM_JWT_OLD] = CREDENTIAL_OLD, [NM_JWT_FORGED] = CREDENTIAL_WRONG
    };
    nm_gateway_t *gateway = it->gateway;
    const nm_ask_headers_t *headers = &it->ask->headers;
    if (NM_HAS(headers, ask_headers, api_key))
        return nm_auth_check(&gateway->auth, &gateway->services, headers->api_key, it->now_ms, &it->who) == NM_OK
                   ? CREDENTIAL_RIGHT
                   : CREDENTIAL_WRONG;
    if (NM_HAS(headers, ask_headers, authorization))
        return VERDICTS[nm_auth_bearer(&gateway->auth, &gateway->services, &gateway->sessions, headers->authorization,
                                       it->now_ms, &it->who)];
    if (!s_is_trusted(it))
        return CREDENTIAL_MISSING;
    nm_auth_operator(&gateway->auth, &it->who);
    return CREDENTIAL_RIGHT;
}

//  The service that a key claims to be of; tokens are all counted as one.
static nm_bytes_t
s_claimed_service(const nm_ask_headers_t *headers)
{
    enum { ID_SIZE = 32 };
    if (!NM_HAS(headers, ask_headers, api_key))
        return nm_text("token");
    return nm_bytes(headers->api_key.at, headers->api_key.size < ID_SIZE ? headers->api_key.size : ID_SIZE);
}

bool
nm_case_is_locked_out(nm_case_t *it, const nm_lockout_who_t *who)
{
    int64_t left_ms = nm_lockout_left_ms(&it->gateway->lockout, who, it->now_ms);
    char seconds[24];
    if (!left_ms)
        return false;
    snprintf(seconds, sizeof seconds, "%lld", (long long) (left_ms + 999) / 1000);
    nm_answer_wait(&it->answer, seconds, "Too many wrong credentials came from here.");
    return true;
}

//  Counts what came of it. An old token is no guess; and what another actor passes on was counted there.
static void
s_count(nm_case_t *it, credential_t credential)
{
    nm_lockout_t *lockout = &it->gateway->lockout;
    if (s_is_trusted(it) || (credential != CREDENTIAL_WRONG && (credential != CREDENTIAL_RIGHT || !lockout->taken)))
        return;
    nm_lockout_who_t who = nm_lockout_who(lockout, it->ask, s_claimed_service(&it->ask->headers));
    if (credential == CREDENTIAL_WRONG)
        nm_lockout_wrong(lockout, &who, it->now_ms);
    else
        nm_lockout_right(lockout, &who);
}

static bool
s_is_locked_out(nm_case_t *it)
{
    const nm_ask_headers_t *headers = &it->ask->headers;
    bool tries = NM_HAS(headers, ask_headers, api_key) || NM_HAS(headers, ask_headers, authorization);
    if (!it->gateway->lockout.taken || s_is_trusted(it) || !tries)
        return false;
    nm_lockout_who_t who = nm_lockout_who(&it->gateway->lockout, it->ask, s_claimed_service(headers));
    return nm_case_is_locked_out(it, &who);
}

//  NM_ERR_REFUSED: answered.
static nm_rc_t
s_authenticate(nm_case_t *it, const nm_api_t *api)
{
    char why[NM_AUTH_WHY_SIZE];
    if (s_is_locked_out(it))
        return NM_ERR_REFUSED;
    credential_t credential = s_check(it);
    s_count(it, credential);
    switch (credential) {
    case CREDENTIAL_MISSING: nm_answer_problem(&it->answer, 401, NULL, "An API key or a token is needed."); break;
    case CREDENTIAL_WRONG: nm_answer_problem(&it->answer, 401, NULL, "The credentials are wrong."); break;
    case CREDENTIAL_OLD: nm_answer_problem(&it->answer, 401, NULL, "The token is not good any more."); break;
    case CREDENTIAL_RIGHT:
        if (nm_auth_may(&it->who, api, why))
            return NM_OK;
        nm_answer_problem(&it->answer, 403, NULL, "%s", why);
    }
    return NM_ERR_REFUSED;
}

//  The figures are the bridge's to show. Whether somebody who is not on its machine may see them is asked here.
nm_rc_t
nm_op_metrics(nm_case_t *it)
{
    static const nm_api_t FOR_ADMINS = { .op = "metrics", .scope = NM_SCOPE_ADMIN };
    if (s_authenticate(it, &FOR_ADMINS) != NM_OK)
        return NM_OK;
    nm_buf_clear(&it->gateway->body);
    nm_writer_map(&it->gateway->body, 0);
    return nm_answer(&it->answer, 200, nm_buf_bytes(&it->gateway->body));
}

static const nm_op_row_t *
s_row(nm_bytes_t op)
{
    for (size_t i = 0; i < NM_COUNT(OPS); i++)
        if (nm_bytes_is(op, OPS[i].op))
            return &OPS[i];
    return NULL;
}

//  Answers from this gateway's own copy of a book.
static nm_rc_t
s_read(nm_case_t *it, nm_act_fn *read)
{
    nm_gateway_t *gateway = it->gateway;
    nm_act_t act = { .turn = it->turn,
                     .txn = it->txn,
                     .now_ms = it->now_ms,
                     .mesh = gateway->mesh,
                     .auth = &gateway->auth,
                     .services = &gateway->services,
                     .who = &it->who,
                     .asked = it->ask->body,
                     .faults = &gateway->faults,
                     .body = &gateway->body };
    nm_rc_t rc = read(&act);
    if (rc != NM_OK)
        return rc;
    if (act.detail[0])
        return nm_answer_problem(&it->answer, act.status, act.faulty ? act.faults : NULL, "%s", act.detail);
    return nm_answer(&it->answer, act.status, nm_buf_bytes(act.body));
}

static nm_rc_t
s_do(nm_case_t *it, const nm_op_row_t *row)
{
    bool passes = row->book && (!row->read || nm_turn_book(it->turn, row->book, NULL) == NM_BOOK_THERE);
    if (passes && !(row->read && nm_case_is_passed_on(it)))
        return nm_passing_take(it, row->book);
    return row->read ? s_read(it, row->read) : row->run(it);
}

//  Also where nothing of it is looked at: a bridge asks with what is none whether the client may ask at all.
static bool
s_is_object(nm_bytes_t body)
{
    nm_reader_t reader;
    nm_reader_open(&reader, body);
    return !body.size || nm_reader_peek(&reader) == NM_KIND_MAP;
}

nm_rc_t
nm_gateway_run(nm_gateway_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, nm_errand_t *errand)
{
    uint64_t nothing;
    nm_case_t it = { .gateway = self, .turn = turn, .ask = ask, .errand = errand };
    it.txn = nm_turn_txn(turn);
    it.now_ms = nm_turn_now(turn);
    it.answer = (nm_answer_t){ it.gateway, turn, &it.asker, &it.quota };
    s_set_asker(&it);

    const nm_op_row_t *row = s_row(ask->op);
    const nm_api_t *api = row ? nm_api_find(ask->op) : NULL;
    it.asker.api = api;
    if (!api)
        return nm_answer_problem(&it.answer, 404, NULL, "There is no operation %.*s.", NM_PRINT(ask->op));
    if (api->scope != NM_SCOPE_OPEN && s_authenticate(&it, api) != NM_OK)
        return NM_OK;
    if (!s_is_object(ask->body))
        return nm_answer_problem(&it.answer, 400, NULL, "The body must be an object.");
    if (api->path && !api->ask && nm_case_decode(&it, &nm_nothing_shape, &nothing, !nm_api_has_body(api)) != NM_OK)
        return NM_OK;
    return s_do(&it, row);
}

static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    return nm_gateway_run(state, turn, ask, NULL);
}

static nm_rc_t
s_on_reply(void *state, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    switch (nm_token_kind(reply->token)) {
    case NM_TOKEN_CANCEL: return nm_cancels_reply(state, turn, reply);
    case NM_TOKEN_FORWARD: return nm_forwards_reply(state, turn, reply);
    case NM_TOKEN_ERRAND: return nm_errands_reply(state, turn, reply);
    case NM_TOKEN_RECOVERY: return nm_recovery_reply(state, turn, reply);
    case NM_TOKEN_FEED: return nm_feeds_reply(state, turn, reply);
    case NM_TOKEN_PASSING: return nm_passing_reply(state, turn, reply);
    default: return NM_OK;
    }
}

static nm_rc_t
s_on_receipt(void *state, nm_turn_t *turn, uint64_t token)
{
    return nm_errands_receipted(state, turn, token);
}

static nm_rc_t
s_on_forgotten(void *state, nm_turn_t *turn, const char *peer, nm_role_id_t role)
{
    return nm_recovery_forgotten(state, turn, peer, role);
}

//  -- Mail

static nm_rc_t
s_on_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_event_t event;
    nm_attempt_t attempt;
    if (mail->kind == NM_MAIL_COPY)
        return nm_copies_mail(state, turn, mail);
    if (mail->kind != NM_MAIL_EVENT)
        return NM_ERR_MALFORMED;
    if (mail->body.size == 0)  //  What it spoke of was over when it left
        return NM_OK;
    nm_rc_t rc = nm_record_decode(&nm_event_shape, &event, mail->body, NULL, "");
    if (rc == NM_OK && NM_HAS(&event, event, attempt))
        rc = nm_record_decode(&nm_attempt_shape, &attempt, event.attempt, NULL, "");
    if (rc != NM_OK)
        return NM_ERR_MALFORMED;
    return mail->role == NM_ROLE_GATEWAY ? nm_notes_copy_event(state, turn, &event)
                                         : nm_notes_event(state, turn, &event, mail->peer);
}

static nm_rc_t
s_load_body(void *state, nm_turn_t *turn, uint8_t kind, nm_bytes_t ref, nm_bytes_t *body)
{
    nm_id_t id;
    if (kind != NM_MAIL_WORK || ref.size != NM_ID_SIZE)
        return NM_ERR_MISSING;
    memcpy(id.at, ref.at, NM_ID_SIZE);
    return nm_notes_work(state, nm_turn_txn(turn), &id, body);
}

//  -- Life

//  Of services that have no limits of their own: none, unless the mesh file says so.
static nm_rc_t
s_read_allowance(const nm_zpl_t *part, nm_allowance_t *allowance, nm_error_t *error)
{
    const struct {
        const char *name;
        uint64_t *value;
    } NUMBERS[] = {
        { "per_minute", &allowance->per_minute },
        { "burst", &allowance->burst },
        { "per_day", &allowance->per_day },
        { "recipient_per_hour", &allowance->recipient_per_hour },
        { "recipient_per_day", &allowance->recipient_per_day },
    };
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < NM_COUNT(NUMBERS); i++)
        rc = nm_zpl_number(part, NUMBERS[i].name, 1, UINT32_MAX, 0, NUMBERS[i].value, error);
    return rc;
}

static nm_rc_t
s_read_settings(nm_gateway_t *self, const nm_mesh_t *mesh, nm_error_t *error)
{
    static const char *const NAMES[] = { "retention_days", "event_days",         "per_minute",       "burst",
                                         "per_day",        "recipient_per_hour", "recipient_per_day" };
    const nm_zpl_t *part = nm_mesh_part(mesh, "gateway");
    uint64_t retention_days = 30, event_days = 7;
    nm_rc_t rc = NM_OK;
    if (part)
        rc = nm_zpl_only(part, NAMES, NM_COUNT(NAMES), error);
    if (part && rc == NM_OK)
        rc = s_read_allowance(part, &self->quota.otherwise, error);
    if (part && rc == NM_OK)
        rc = nm_zpl_number(part, "retention_days", 1, 3650, retention_days, &retention_days, error);
    if (part && rc == NM_OK)
        rc = nm_zpl_number(part, "event_days", 1, 365, event_days, &event_days, error);
    self->retention_ms = (int64_t) retention_days * DAY_MS;
    self->event_keep_ms = (int64_t) event_days * DAY_MS;
    return rc;
}

static void
s_close(void *state)
{
    nm_gateway_t *self = state;
    if (!self)
        return;
    nm_auth_forget(&self->auth);
    nm_services_free(&self->services);
    nm_sessions_free(&self->sessions);
    nm_lockout_free(&self->lockout);
    nm_journal_free(&self->journal);
    nm_polls_free(&self->polls);
    nm_feeds_free(&self->feeds);
    nm_cancels_free(&self->cancels);
    nm_forwards_free(&self->forwards);
    nm_errands_free(&self->errands);
    nm_recovery_free(&self->recovery);
    nm_passing_free(&self->passing);
    nm_quota_free(&self->quota);
    nm_history_free(&self->history);
    nm_buf_free(&self->body);
    nm_buf_free(&self->headers);
    nm_buf_free(&self->problem);
    nm_buf_free(&self->note);
    nm_buf_free(&self->work);
    nm_buf_free(&self->filled);
    free(self);
}

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    nm_gateway_t *self = nm_alloc(sizeof *self);
    self->mesh = setup->mesh;
    self->directory = setup->directory;
    self->number = setup->self->number;
    self->owners = (nm_owners_t){ .directory = setup->directory,
                                  .authority = setup->mesh->authority,
                                  .self = setup->self->number };
    nm_auth_init(&self->auth, setup->mesh);
    nm_lockout_init(&self->lockout);
    nm_tally_init(&self->tally, setup->metrics);
    nm_duties_look(self);
    nm_rc_t rc = s_read_settings(self, setup->mesh, error);
    if (rc != NM_OK) {
        s_close(self);
        return rc;
    }
    *state = self;
    return NM_OK;
}

static nm_rc_t
s_load(void *state, nm_turn_t *turn)
{
    nm_gateway_t *self = state;
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_auth_forget(&self->auth);
    nm_polls_undo(&self->polls);
    nm_feeds_undo(&self->feeds);
    nm_cancels_undo(&self->cancels, nm_turn_now(turn));
    nm_forwards_undo(&self->forwards);
    nm_errands_undo(&self->errands);
    nm_passing_undo(&self->passing);
    nm_quota_undo(&self->quota);
    nm_rc_t rc = nm_services_load(&self->services, txn);
    if (rc == NM_OK)
        rc = nm_sessions_load(&self->sessions, txn);
    if (rc == NM_OK)
        rc = nm_journal_load(&self->journal, txn);
    return rc == NM_OK ? nm_duties_load(self, turn) : rc;
}

static nm_rc_t
s_due(void *state, nm_turn_t *turn)
{
    return nm_duties_due(state, turn);
}

static void
s_committed(void *state)
{
    nm_gateway_t *self = state;
    nm_polls_commit(&self->polls);
    nm_feeds_commit(&self->feeds);
    nm_cancels_commit(&self->cancels);
    nm_forwards_commit(&self->forwards);
    nm_errands_commit(&self->errands);
    nm_passing_commit(&self->passing);
}

static void
s_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    const nm_gateway_t *self = state;
    *count = s_unfinished(self);
    *oldest_ms = self->oldest_ms;
}

static void
s_figures(void *state, nm_turn_t *turn)
{
    const nm_gateway_t *self = state;
    nm_metrics_t *metrics = self->tally.metrics;
    for (unsigned status = 0; status < NM_STATUS_COUNT; status++)
        nm_metric_set(nm_metrics_make(metrics, NM_FAMILY_NOTIFICATIONS, nm_words_text(&nm_status_words, status), NULL),
                      self->counts[status]);
    nm_metric_set(nm_metrics_make(metrics, NM_FAMILY_LOCKED_OUT, NULL, NULL),
                  nm_lockout_count(&self->lockout, nm_turn_now(turn)));
    nm_metric_set(nm_metrics_make(metrics, NM_FAMILY_POLLERS, NULL, NULL), self->polls.count);
}

static size_t
s_status(void *state, nm_buf_t *out)
{
    const nm_gateway_t *self = state;
    nm_writer_text(out, "notifications");
    nm_writer_map(out, NM_STATUS_COUNT);
    for (unsigned status = 0; status < NM_STATUS_COUNT; status++)
        nm_writer_pair_uint(out, nm_words_text(&nm_status_words, status), self->counts[status]);
    nm_writer_pair_uint(out, "services", self->services.tenant_count);
    nm_writer_pair_uint(out, "waiting_for_events", self->polls.count);
    nm_writer_pair_text(out, "recovering", self->recovery.active ? self->recovery.name : "");
    nm_writer_pair_uint(out, "unaccounted", self->recovery.suspect_count);
    return 5;
}

static nm_rc_t
s_service_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    nm_gateway_t *self = state;
    return nm_services_changed(&self->services, nm_turn_txn(turn), key);
}

static nm_rc_t
s_session_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    nm_gateway_t *self = state;
    return nm_sessions_changed(&self->sessions, nm_turn_txn(turn), key);
}

//  Providers are read from the book when they are asked for.
static nm_rc_t
s_provider_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    (void) state, (void) turn, (void) key;
    return NM_OK;
}

static const nm_book_use_t BOOKS[] = {
    { NM_SERVICES_BOOK, s_service_changed },
    { NM_PROVIDERS_BOOK, s_provider_changed },
    { NM_SESSIONS_BOOK, s_session_changed },
};

const nm_role_t nm_gateway_role = {
    .name = "gateway",
    .id = NM_ROLE_GATEWAY,
    .tables = nm_gateway_tables,
    .table_count = NM_GATEWAY_TABLE_COUNT,
    .books = BOOKS,
    .book_count = NM_COUNT(BOOKS),
    .mail_drains = true,
    .pace_ms = 4,
    .open = s_open,
    .close = s_close,
    .load = s_load,
    .mail = s_on_mail,
    .ask = s_on_ask,
    .reply = s_on_reply,
    .receipted = s_on_receipt,
    .forgotten = s_on_forgotten,
    .due = s_due,
    .every_turn = true,
    .committed = s_committed,
    .load_body = s_load_body,
    .backlog = s_backlog,
    .figures = s_figures,
    .status = s_status,
};
