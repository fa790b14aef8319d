#include "actors/deadletter/deadletter.h"
#include "actors/deadletter/asks.h"
#include "wire/writer.h"

//  What status and backlog tell, as of one turn.
typedef struct {
    nm_letters_count_t letters;
    uint64_t waiting;          //  Letters in the line of timed replays
    int64_t waiting_first_ms;  //  Since when the first is due, or when it will be
} view_t;

typedef struct {
    nm_replays_t replays;
    view_t turn;   //  As the turn under way leaves it
    view_t shown;  //  As it is on disk
    nm_metric_t *open;
    nm_metric_t *waiting;
    nm_metric_t *replayed;
    nm_metric_t *discarded;
} deadletter_t;

static const nm_table_t *const TABLES[] = {
    &nm_letters_table, &nm_letters_content_table, &nm_letters_index_table, &nm_letters_count_table, &nm_replays_table,
};

//  -- Life

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) error;
    deadletter_t *self = nm_alloc(sizeof *self);
    self->replays.directory = setup->directory;
    self->open = nm_metrics_make(setup->metrics, NM_FAMILY_LETTERS_OPEN, NULL, NULL);
    self->waiting = nm_metrics_make(setup->metrics, NM_FAMILY_LETTERS_WAITING, NULL, NULL);
    self->replayed = nm_metrics_make(setup->metrics, NM_FAMILY_LETTERS_REPLAYED, NULL, NULL);
    self->discarded = nm_metrics_make(setup->metrics, NM_FAMILY_LETTERS_DISCARDED, NULL, NULL);
    *state = self;
    return NM_OK;
}

static void
s_close(void *state)
{
    free(state);
}

//  Looks at what the turn leaves in the store. It counts for others once it is on disk.
static nm_rc_t
s_look(deadletter_t *self, nm_turn_t *turn)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_rc_t rc = nm_letters_count(txn, &self->turn.letters);
    if (rc == NM_OK)
        rc = nm_replays_count(&self->replays, txn, &self->turn.waiting, &self->turn.waiting_first_ms);
    return rc;
}

static nm_rc_t
s_load(void *state, nm_turn_t *turn)
{
    deadletter_t *self = state;
    nm_rc_t rc = nm_replays_load(&self->replays, turn);
    return rc == NM_OK ? s_look(self, turn) : rc;
}

//  The totals are kept in the store, so they are set, not added to.
static void
s_committed(void *state)
{
    deadletter_t *self = state;
    self->shown = self->turn;
    nm_metric_set(self->open, self->shown.letters.at[NM_LETTER_OPEN]);
    nm_metric_set(self->waiting, self->shown.waiting);
    nm_metric_set(self->replayed, self->shown.letters.at[NM_LETTER_REPLAYED]);
    nm_metric_set(self->discarded, self->shown.letters.at[NM_LETTER_DISCARDED]);
}

//  -- Inputs

static nm_rc_t
s_on_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    deadletter_t *self = state;
    nm_dead_letter_t dead;
    if (mail->body.size == 0)
        return NM_OK;
    if (mail->kind != NM_MAIL_DEAD_LETTER)
        return NM_ERR_MALFORMED;
    nm_rc_t rc = nm_record_decode(&nm_dead_letter_shape, &dead, mail->body, NULL, "");
    if (rc == NM_OK)
        rc = nm_letters_add(nm_turn_txn(turn), &dead, mail->body, nm_turn_now(turn));
    if (rc == NM_ERR_DUPLICATE)
        return NM_OK;
    return rc == NM_OK ? s_look(self, turn) : rc;
}

static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    deadletter_t *self = state;
    nm_rc_t rc = nm_asks_handle(&self->replays, turn, ask);
    return rc == NM_OK ? s_look(self, turn) : rc;
}

static nm_rc_t
s_due(void *state, nm_turn_t *turn)
{
    deadletter_t *self = state;
    nm_rc_t rc = nm_replays_due(&self->replays, turn);
    return rc == NM_OK ? s_look(self, turn) : rc;
}

//  -- What others are told

//  Open letters wait for a person; only replays under way are work that is not finished.
static void
s_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    const deadletter_t *self = state;
    *count = self->shown.waiting;
    *oldest_ms = self->shown.waiting_first_ms;
}

static size_t
s_status(void *state, nm_buf_t *out)
{
    const deadletter_t *self = state;
    nm_writer_pair_uint(out, "open", self->shown.letters.at[NM_LETTER_OPEN]);
    nm_writer_pair_uint(out, "to_replay", self->shown.waiting);
    nm_writer_pair_uint(out, "replayed", self->shown.letters.at[NM_LETTER_REPLAYED]);
    nm_writer_pair_uint(out, "discarded", self->shown.letters.at[NM_LETTER_DISCARDED]);
    return 4;
}

const nm_role_t nm_deadletter_role = {
    .name = "deadletter",
    .id = NM_ROLE_DEADLETTER,
    .tables = TABLES,
    .table_count = NM_COUNT(TABLES),
    .pace_ms = 3,
    .open = s_open,
    .close = s_close,
    .load = s_load,
    .mail = s_on_mail,
    .ask = s_on_ask,
    .doubted = nm_replays_doubted,
    .due = s_due,
    .committed = s_committed,
    .backlog = s_backlog,
    .status = s_status,
};
