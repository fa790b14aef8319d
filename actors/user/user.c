#include "actors/user/user.h"

#include <sodium.h>

#include "actors/accounts/provider_reads.h"
#include "actors/accounts/reads.h"
#include "actors/user/ops.h"
#include "actors/user/waits.h"
#include "wire/writer.h"

static const int64_t TIDY_MS = 60000;
static const int64_t LOOK_MS = 20;  //  Between two looks whether it is known whose a book is

typedef struct {
    const nm_mesh_t *mesh;
    nm_auth_t auth;
    nm_services_t services;
    nm_waits_t waits;
    int64_t tidy_at_ms;

    //  Scratch
    nm_faults_t faults;
    nm_buf_t body, headers;
} user_t;

//  -- Operations

typedef struct {
    const char *op;
    nm_act_fn *run;
    const char *book;  //  That it changes; NULL: none
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
    { "keys.delete", nm_act_keys_delete, NM_SERVICES_BOOK },
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

//  A gateway waits until its own copy has the change, so it is told which one it was.
static void
s_reply(user_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, const op_row_t *row, unsigned status)
{
    char mark[NM_BOOK_MARK_SIZE];
    nm_buf_clear(&self->headers);
    if (row->book) {
        nm_turn_book_mark(turn, row->book, mark);
        nm_writer_map(&self->headers, 1);
        nm_writer_pair_text(&self->headers, "x-book-change", mark);
    }
    nm_turn_reply(turn, &ask->caller, status, nm_buf_bytes(&self->headers), nm_buf_bytes(&self->body));
}

static nm_rc_t
s_run(user_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, const op_row_t *row)
{
    nm_act_t act = { .turn = turn,
                     .txn = nm_turn_txn(turn),
                     .now_ms = nm_turn_now(turn),
                     .mesh = self->mesh,
                     .auth = &self->auth,
                     .services = &self->services,
                     .asked = ask->body,
                     .faults = &self->faults,
                     .body = &self->body };
    nm_rc_t rc = row->run(&act);
    if (rc != NM_OK)
        return rc;
    if (act.detail[0])
        nm_turn_problem(turn, &ask->caller, act.status, ask->headers.correlation_id, act.faulty ? act.faults : NULL,
                        "%s", act.detail);
    else
        s_reply(self, turn, ask, row, act.status);
    if (self->body.at)
        sodium_memzero(self->body.at, self->body.size);  //  It may show a new key
    return NM_OK;
}

//  -- Asks

static nm_rc_t
s_take(user_t *self, nm_turn_t *turn, const nm_ask_in_t *ask, nm_wait_t *wait)
{
    const op_row_t *row = s_row(ask->op);
    if (!row)
        return s_refuse(turn, ask, 404, "There is no such operation at a user actor.");
    nm_book_whose_t whose = row->book ? nm_turn_book(turn, row->book, NULL) : NM_BOOK_HERE;
    if (whose == NM_BOOK_SETTLING && (wait || (wait = nm_waits_keep(&self->waits, ask)))) {
        nm_turn_wake(turn, nm_turn_now(turn) + LOOK_MS);
        return NM_OK;
    }
    if (wait)
        wait->done = true;
    if (whose != NM_BOOK_HERE)
        return s_refuse(turn, ask, 503, "The book that this changes is another actor's; try again.");
    return s_run(self, turn, ask, row);
}

static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    return s_take(state, turn, ask, NULL);
}

//  -- Time

static nm_rc_t
s_look_at_waits(user_t *self, nm_turn_t *turn)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && self->waits.count && i < NM_WAIT_COUNT; i++) {
        nm_wait_t *wait = &self->waits.items[i];
        if (wait->used && !wait->done && !wait->fresh)
            rc = s_take(self, turn, &wait->ask, wait);
    }
    return rc;
}

static nm_rc_t
s_tidy(user_t *self, nm_turn_t *turn)
{
    int64_t now_ms = nm_turn_now(turn);
    nm_rc_t rc = NM_OK;
    if (now_ms < self->tidy_at_ms)
        return NM_OK;
    self->tidy_at_ms = now_ms + TIDY_MS;
    if (nm_turn_book(turn, NM_SERVICES_BOOK, NULL) == NM_BOOK_HERE)
        rc = nm_keys_tidy(&self->services, turn);
    return rc;
}

static nm_rc_t
s_due(void *state, nm_turn_t *turn)
{
    user_t *self = state;
    nm_rc_t rc = s_look_at_waits(self, turn);
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
    user_t *self = nm_alloc(sizeof *self);
    self->mesh = setup->mesh;
    nm_auth_init(&self->auth, setup->mesh->admin_key_hash);
    *state = self;
    return NM_OK;
}

static void
s_close(void *state)
{
    user_t *self = state;
    if (!self)
        return;
    nm_auth_forget(&self->auth);
    nm_services_free(&self->services);
    nm_waits_free(&self->waits);
    nm_buf_free(&self->body);
    nm_buf_free(&self->headers);
    free(self);
}

static nm_rc_t
s_load(void *state, nm_turn_t *turn)
{
    user_t *self = state;
    nm_waits_undo(&self->waits);
    self->tidy_at_ms = nm_turn_now(turn) + TIDY_MS;
    nm_turn_wake(turn, self->tidy_at_ms);
    return nm_services_load(&self->services, nm_turn_txn(turn));
}

static void
s_committed(void *state)
{
    user_t *self = state;
    nm_waits_commit(&self->waits);
}

//  -- What others are told

static void
s_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    const user_t *self = state;
    *count = self->waits.count;
    *oldest_ms = 0;
}

static size_t
s_status(void *state, nm_buf_t *out)
{
    const user_t *self = state;
    nm_writer_pair_uint(out, "services", self->services.tenant_count);
    nm_writer_pair_uint(out, "keys", self->services.key_count);
    return 2;
}

static nm_rc_t
s_service_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    user_t *self = state;
    return nm_services_changed(&self->services, nm_turn_txn(turn), key);
}

//  Providers are read from the book when they are asked for.
static nm_rc_t
s_provider_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    (void) state, (void) turn, (void) key;
    return NM_OK;
}

static const nm_table_t *const TABLES[] = { &nm_key_uses_table };

static const nm_book_use_t BOOKS[] = {
    { NM_SERVICES_BOOK, s_service_changed },
    { NM_PROVIDERS_BOOK, s_provider_changed },
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
    .due = s_due,
    .every_turn = true,
    .committed = s_committed,
    .backlog = s_backlog,
    .status = s_status,
};
