#include "actors/user/user.h"

#include <sodium.h>

#include "actors/accounts/provider_reads.h"
#include "actors/accounts/reads.h"
#include "actors/user/ops.h"
#include "actors/user/state.h"
#include "wire/writer.h"

static const int64_t TIDY_MS = 60000;
static const int64_t LOOK_MS = 20;  //  Between two looks whether it is known whose a book is

//  -- Operations

typedef struct {
    const char *op;
    nm_act_fn *run;
    const char *book;  //  That it changes; NULL: none
    const char *also;  //  ... and this one
} op_row_t;

static const op_row_t OPS[] = {
    { "services.create", nm_act_services_create, NM_SERVICES_BOOK },
    { "services.list", nm_act_services_list },
    { "services.get", nm_act_services_get },
    { "services.patch", nm_act_services_patch, NM_SERVICES_BOOK },
    { "services.delete", nm_act_services_delete, NM_SERVICES_BOOK },
    { "keys.create", nm_act_keys_create, NM_SERVICES_BOOK },
    { "keys.list", nm_act_keys_list },
    { "keys.rotate", nm_act_keys_rotate, NM_SERVICES_BOOK },
    { "keys.used", nm_act_keys_used },
    { "keys.delete", nm_act_keys_delete, NM_SERVICES_BOOK },
    { "users.create", nm_act_users_create, NM_PEOPLE_BOOK },
    { "users.list", nm_act_users_list },
    { "users.get", nm_act_users_get },
    { "users.patch", nm_act_users_patch, NM_PEOPLE_BOOK, NM_SESSIONS_BOOK },
    { "users.delete", nm_act_users_delete, NM_PEOPLE_BOOK, NM_SESSIONS_BOOK },
    { "users.reach", nm_act_users_reach },
    { "auth.login", nm_act_login, NM_SESSIONS_BOOK },
    { "auth.logout", nm_act_logout, NM_SESSIONS_BOOK },
    { "signing.rotate", nm_act_signing_rotate, NM_SESSIONS_BOOK },
    { "providers.create", nm_act_providers_create, NM_PROVIDERS_BOOK },
    { "providers.list", nm_act_providers_list },
    { "providers.get", nm_act_providers_get },
    { "providers.patch", nm_act_providers_patch, NM_PROVIDERS_BOOK },
    { "providers.delete", nm_act_providers_delete, NM_PROVIDERS_BOOK },
};

static const op_row_t *
s_row(nm_bytes_t op)
{
    for (size_t i = 0; i < NM_COUNT(OPS); i++)
        if (nm_bytes_is(op, OPS[i].op))
            return &OPS[i];
    return NULL;
}

//  -- Answers

static nm_rc_t
s_refuse(nm_turn_t *turn, const nm_ask_in_t *ask, unsigned status, const char *detail)
{
    nm_turn_problem(turn, &ask->caller, status, ask->headers.correlation_id, NULL, "%s", detail);
    return NM_OK;
}

//  The book of the row that gateways have a copy of.
static const char *
s_shared_book(const op_row_t *row)
{
    return row->book && strcmp(row->book, NM_PEOPLE_BOOK) == 0 ? row->also : row->book;
}

//  A gateway waits until its own copy has the change, so it is told which one it was.
static void
s_reply(nm_user_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, const op_row_t *row, unsigned status)
{
    char mark[NM_BOOK_MARK_SIZE];
    const char *book = s_shared_book(row);
    nm_buf_clear(&self->headers);
    if (book) {
        nm_turn_book_mark(turn, book, mark);
        nm_writer_map(&self->headers, 1);
        nm_writer_pair_text(&self->headers, "x-book-change", mark);
    }
    nm_turn_reply(turn, &ask->caller, status, nm_buf_bytes(&self->headers), nm_buf_bytes(&self->body));
}

static nm_rc_t
s_answer(nm_user_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, const op_row_t *row, const nm_act_t *act)
{
    if (act->detail[0])
        nm_turn_problem(turn, &ask->caller, act->status, ask->headers.correlation_id, act->faulty ? act->faults : NULL,
                        "%s", act->detail);
    else
        s_reply(self, turn, ask, row, act->status);
    if (self->body.at)
        sodium_memzero(self->body.at, self->body.size);  //  It may show a new key
    return NM_OK;
}

//  -- Asks

//  An ask on its way: wait is its place if it was kept before, else NULL.
typedef struct {
    const nm_ask_in_t *ask;
    const op_row_t *row;
    nm_wait_t *wait;
    nm_who_t who;
} inquiry_t;

//  Judges anew who asks: a gateway has let the asker in, by its own copy of the books. NM_ERR_REFUSED: answered.
static nm_rc_t
s_authenticate(nm_user_t *self, nm_turn_t *turn, inquiry_t *inquiry)
{
    const nm_api_t *api = nm_api_find(inquiry->ask->op);
    char why[NM_AUTH_WHY_SIZE];
    if (!api || api->scope == NM_SCOPE_OPEN)
        return NM_OK;  //  What is not in the table only actors ask, and the desk has judged them
    nm_credential_t credential = nm_auth_headers(&self->auth, &self->services, &self->sessions, &inquiry->ask->headers,
                                                 nm_turn_now(turn), &inquiry->who);
    bool known = credential == NM_CREDENTIAL_RIGHT || credential == NM_CREDENTIAL_MISSING;
    if (credential == NM_CREDENTIAL_MISSING)
        nm_auth_operator(&self->auth, &inquiry->who);
    if (known && nm_auth_may(&inquiry->who, api, why))
        return NM_OK;
    s_refuse(turn, inquiry->ask, known ? 403 : 401, known ? why : "The credentials are not good any more.");
    return NM_ERR_REFUSED;
}

//  Keeps the ask, if it is not kept yet. False: there is no room for it.
static bool
s_keep(nm_user_t *self, inquiry_t *inquiry)
{
    if (!inquiry->wait)
        inquiry->wait = nm_waits_keep(&self->waits, inquiry->ask);
    return inquiry->wait != NULL;
}

static nm_rc_t
s_run(nm_user_t *self, nm_turn_t *turn, inquiry_t *inquiry)
{
    nm_wait_t *wait = inquiry->wait;
    nm_deed_t deed = { .act = { .turn = turn,
                                .txn = nm_turn_txn(turn),
                                .now_ms = nm_turn_now(turn),
                                .mesh = self->mesh,
                                .auth = &self->auth,
                                .services = &self->services,
                                .who = &inquiry->who,
                                .asked = inquiry->ask->body,
                                .faults = &self->faults,
                                .body = &self->body },
                       .user = self,
                       .hashed = wait && wait->state == NM_WAIT_HASHED ? wait->hashing : NULL };
    nm_rc_t rc = inquiry->row->run(&deed.act);
    if (rc == NM_OK && deed.wanted.kind) {
        if (!s_keep(self, inquiry))
            return s_refuse(turn, inquiry->ask, 503, "Too many sign in at once; try again.");
        nm_waits_hash(inquiry->wait, &deed.wanted);
        return NM_OK;
    }
    if (wait)
        wait->done = true;
    return rc == NM_OK ? s_answer(self, turn, inquiry->ask, inquiry->row, &deed.act) : rc;
}

//  Whose are the books that are changed? The worse of two counts.
static nm_book_whose_t
s_whose(nm_turn_t *turn, const op_row_t *row)
{
    nm_book_whose_t whose = row->book ? nm_turn_book(turn, row->book, NULL) : NM_BOOK_HERE;
    return row->also && whose == NM_BOOK_HERE ? nm_turn_book(turn, row->also, NULL) : whose;
}

static nm_rc_t
s_take(nm_user_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, nm_wait_t *wait)
{
    inquiry_t inquiry = { .ask = ask, .row = s_row(ask->op), .wait = wait };
    if (!inquiry.row)
        return s_refuse(turn, ask, 404, "There is no such operation at a user actor.");
    nm_book_whose_t whose = s_whose(turn, inquiry.row);
    if (whose == NM_BOOK_SETTLING && s_keep(self, &inquiry)) {
        nm_turn_wake(turn, nm_turn_now(turn) + LOOK_MS);
        return NM_OK;
    }
    if (whose == NM_BOOK_HERE && s_authenticate(self, turn, &inquiry) == NM_OK)
        return s_run(self, turn, &inquiry);
    if (wait)
        wait->done = true;
    if (whose != NM_BOOK_HERE)
        return s_refuse(turn, ask, 503, "The book that this changes is another actor's; try again.");
    return NM_OK;
}

static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    return s_take(state, turn, ask, NULL);
}

static nm_rc_t
s_on_result(void *state, nm_turn_t *turn, const nm_result_t *result)
{
    nm_user_t *self = state;
    (void) turn;
    nm_waits_result(&self->waits, result);
    return NM_OK;  //  s_due goes on with it
}

//  -- Time

static nm_rc_t
s_look_at_waits(nm_user_t *self, nm_turn_t *turn)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && self->waits.count && i < NM_WAIT_COUNT; i++) {
        nm_wait_t *wait = &self->waits.items[i];
        bool ready = wait->state == NM_WAIT_BOOK || wait->state == NM_WAIT_HASHED;
        if (wait->used && !wait->done && !wait->fresh && ready)
            rc = s_take(self, turn, &wait->ask, wait);
    }
    return rc;
}

static nm_rc_t
s_tidy(nm_user_t *self, nm_turn_t *turn)
{
    int64_t now_ms = nm_turn_now(turn);
    nm_rc_t rc = NM_OK;
    if (now_ms < self->tidy_at_ms)
        return NM_OK;
    self->tidy_at_ms = now_ms + TIDY_MS;
    nm_auth_forget(&self->auth);
    if (nm_turn_book(turn, NM_SERVICES_BOOK, NULL) == NM_BOOK_HERE)
        rc = nm_keys_tidy(&self->services, turn);
    if (rc == NM_OK && nm_turn_book(turn, NM_SESSIONS_BOOK, NULL) == NM_BOOK_HERE)
        rc = nm_sessions_tidy(&self->sessions, turn);
    if (rc == NM_OK)
        rc = nm_services_save_used(&self->services, nm_turn_txn(turn), NULL, NULL);
    return rc;
}

static nm_rc_t
s_due(void *state, nm_turn_t *turn)
{
    nm_user_t *self = state;
    nm_rc_t rc = s_look_at_waits(self, turn);
    nm_waits_start(&self->waits, turn);
    if (rc == NM_OK)
        rc = s_tidy(self, turn);
    nm_turn_wake(turn, self->tidy_at_ms);
    return rc;
}

//  -- Life

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) error;
    nm_user_t *self = nm_alloc(sizeof *self);
    self->mesh = setup->mesh;
    nm_auth_init(&self->auth, setup->mesh);
    *state = self;
    return NM_OK;
}

static void
s_close(void *state)
{
    nm_user_t *self = state;
    if (!self)
        return;
    nm_auth_forget(&self->auth);
    nm_services_free(&self->services);
    nm_sessions_free(&self->sessions);
    nm_people_free(&self->people);
    nm_waits_free(&self->waits);
    nm_buf_free(&self->body);
    nm_buf_free(&self->headers);
    free(self);
}

static nm_rc_t
s_load(void *state, nm_turn_t *turn)
{
    nm_user_t *self = state;
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_auth_forget(&self->auth);
    nm_waits_undo(&self->waits);
    self->tidy_at_ms = nm_turn_now(turn) + TIDY_MS;
    nm_turn_wake(turn, self->tidy_at_ms);
    nm_rc_t rc = nm_services_load(&self->services, txn);
    if (rc == NM_OK)
        rc = nm_sessions_load(&self->sessions, txn);
    return rc == NM_OK ? nm_people_load(&self->people, txn) : rc;
}

static void
s_committed(void *state)
{
    nm_user_t *self = state;
    nm_waits_commit(&self->waits);
}

//  -- What others are told

static void
s_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    const nm_user_t *self = state;
    *count = self->waits.count;
    *oldest_ms = 0;
}

static size_t
s_status(void *state, nm_buf_t *out)
{
    const nm_user_t *self = state;
    nm_writer_pair_uint(out, "services", self->services.tenant_count);
    nm_writer_pair_uint(out, "keys", self->services.key_count);
    nm_writer_pair_uint(out, "users", self->people.portions.total);
    nm_writer_pair_uint(out, "signed_out", self->sessions.tokens.count);
    return 4;
}

static nm_rc_t
s_service_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    nm_user_t *self = state;
    return nm_services_changed(&self->services, nm_turn_txn(turn), key);
}

static nm_rc_t
s_session_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    nm_user_t *self = state;
    return nm_sessions_changed(&self->sessions, nm_turn_txn(turn), key);
}

static nm_rc_t
s_person_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    nm_user_t *self = state;
    return nm_people_changed(&self->people, nm_turn_txn(turn), key);
}

static const nm_table_t *const TABLES[] = {
    &nm_people_ids_table, &nm_people_emails_table, &nm_people_facts_table, &nm_signing_table, &nm_key_uses_table,
};

static const nm_book_use_t BOOKS[] = {
    { NM_SERVICES_BOOK, s_service_changed },
    { NM_PROVIDERS_BOOK, NULL },  //  Read from the book when they are asked for
    { NM_SESSIONS_BOOK, s_session_changed },
    { NM_PEOPLE_BOOK, s_person_changed },
};

const nm_role_t nm_user_role = {
    .name = "user",
    .id = NM_ROLE_USER,
    .tables = TABLES,
    .table_count = NM_COUNT(TABLES),
    .books = BOOKS,
    .book_count = NM_COUNT(BOOKS),
    .pace_ms = 3,
    .open = s_open,
    .close = s_close,
    .load = s_load,
    .ask = s_on_ask,
    .result = s_on_result,
    .due = s_due,
    .every_turn = true,
    .committed = s_committed,
    .backlog = s_backlog,
    .status = s_status,
};
