#include "actors/gateway/gateway.h"

#include "actors/accounts/provider_reads.h"
#include "actors/accounts/reads.h"
#include "actors/gateway/copies.h"
#include "actors/gateway/credentials.h"
#include "actors/gateway/duties.h"
#include "actors/gateway/guesses.h"
#include "actors/gateway/ops.h"
#include "actors/gateway/suspects.h"
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
    { "guesses.count", nm_op_count },
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

//  -- Asks

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
    nm_case_t it;
    nm_case_open(&it, self, turn, ask);
    it.errand = errand;

    const nm_op_row_t *row = s_row(ask->op);
    const nm_api_t *api = row ? nm_api_find(ask->op) : NULL;
    it.asker.api = api;
    if (!api)
        return nm_answer_problem(&it.answer, 404, NULL, "There is no operation %.*s.", NM_PRINT(ask->op));
    if (api->scope != NM_SCOPE_OPEN && nm_credentials_check(&it, api) != NM_OK)
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
    case NM_TOKEN_RECOVERY: return nm_suspects_reply(state, turn, reply);
    case NM_TOKEN_FEED: return nm_feeds_reply(state, turn, reply);
    case NM_TOKEN_GUESS: return nm_guesses_reply(state, turn, reply);
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
s_on_forgotten(void *state, nm_turn_t *turn, const nm_peer_t *peer)
{
    return nm_recovery_forgotten(state, turn, peer);
}

//  What a lost router may have passed on already is looked for like all that it had.
static bool
s_doubted(uint8_t kind, nm_bytes_t body, nm_buf_t *changed)
{
    (void) body, (void) changed;
    return kind != NM_MAIL_WORK;
}

//  -- Mail

static nm_rc_t
s_on_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_event_t event;
    if (mail->kind == NM_MAIL_COPY)
        return nm_copies_mail(state, turn, mail);
    if (mail->kind != NM_MAIL_EVENT)
        return NM_ERR_MALFORMED;
    if (mail->body.size == 0)  //  What it spoke of was over when it left
        return NM_OK;
    if (nm_record_decode(&nm_event_shape, &event, mail->body, NULL, "") != NM_OK)
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

//  Also those that were deleted while this gateway was away.
static nm_rc_t
s_forget_deleted(nm_gateway_t *self, nm_txn_t *txn)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->services.tenant_count; i++)
        if (self->services.tenants[i].deleted)
            rc = nm_quota_forget(&self->quota, txn, &self->services.tenants[i].id);
    return rc;
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
        rc = s_forget_deleted(self, txn);
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
    *count = nm_notes_unfinished(self) + self->kept_count;
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
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_id_t id;
    size_t prefix = sizeof NM_SERVICE_PREFIX - 1;
    nm_rc_t rc = nm_services_changed(&self->services, txn, key);
    if (rc != NM_OK || key.size < prefix || memcmp(key.at, NM_SERVICE_PREFIX, prefix) != 0 ||
        nm_id_from_text(nm_bytes(key.at + prefix, key.size - prefix), &id) != NM_OK)
        return rc;
    const nm_tenant_t *tenant = nm_services_find(&self->services, &id);
    return tenant && tenant->deleted ? nm_quota_forget(&self->quota, txn, &id) : NM_OK;
}

static nm_rc_t
s_session_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    nm_gateway_t *self = state;
    return nm_sessions_changed(&self->sessions, nm_turn_txn(turn), key);
}

static const nm_book_use_t BOOKS[] = {
    { NM_SERVICES_BOOK, s_service_changed },
    { NM_PROVIDERS_BOOK, NULL },  //  Read from the book when they are asked for
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
    .doubted = s_doubted,
    .due = s_due,
    .every_turn = true,
    .committed = s_committed,
    .load_body = s_load_body,
    .backlog = s_backlog,
    .figures = s_figures,
    .status = s_status,
};
