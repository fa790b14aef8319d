#include "broker/actor_private.h"

#include <assert.h>
#include <sodium.h>
#include <time.h>

#include "broker/log.h"
#include "lmdb_store/queue.h"

int64_t
nm_actor_clock_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t) at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

//  Seeded, for a run that can be repeated (splitmix64); else the system's.
uint64_t
nm_actor_random(nm_actor_t *self)
{
    uint64_t value;
    if (!self->seed) {
        //  One system call for many numbers: ids alone take one each.
        if (self->random_left == 0) {
            randombytes_buf(self->random, sizeof self->random);
            self->random_left = NM_COUNT(self->random);
        }
        return self->random[--self->random_left];
    }
    value = self->seed += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

nm_link_t *
nm_actor_link(nm_actor_t *self, const char *peer)
{
    const nm_peer_t *known = nm_directory_find(self->setup.directory, peer);
    const nm_seat_t *seat = known ? nm_actor_seat(self, known) : NULL;
    return seat ? seat->link : NULL;
}

const nm_seat_t *
nm_actor_seat(const nm_actor_t *self, const nm_peer_t *peer)
{
    const nm_seat_t *seat = peer->place < self->seat_count ? &self->seats[peer->place] : NULL;
    return seat && seat->taken ? seat : NULL;
}

nm_output_t *
nm_actor_output(nm_actor_t *self, nm_output_kind_t kind)
{
    if (self->output_count == self->output_room) {
        self->output_room = self->output_room ? self->output_room * 2 : 64;
        self->outputs = nm_realloc(self->outputs, self->output_room * sizeof *self->outputs);
    }
    nm_output_t *output = &self->outputs[self->output_count++];
    *output = (nm_output_t){ .kind = kind };
    return output;
}

void *
nm_actor_state(const nm_actor_t *self)
{
    return self->state;
}

bool
nm_actor_changed(const nm_actor_t *self)
{
    return self->changed;
}

bool
nm_actor_take(nm_actor_t *self, nm_output_t *output)
{
    if (self->output_taken == self->output_count) {
        self->output_taken = self->output_count = 0;
        return false;
    }
    *output = self->outputs[self->output_taken++];
    return true;
}

//  The turn was undone, so nothing that it wanted to say may be said.
static void
s_drop_outputs(nm_actor_t *self, size_t from)
{
    for (size_t i = from; i < self->output_count; i++) {
        nm_buf_free(&self->outputs[i].bytes);
        nm_effect_destroy(&self->outputs[i].effect);
        nm_front_answer_free(&self->outputs[i].answer);
    }
    self->output_count = from;
}

int
nm_actor_exit(const nm_actor_t *self)
{
    return self->exit_code;
}

#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
void
nm_actor_set_early(nm_actor_t *self, void (*early)(void *arg), void *arg)
{
    self->early = early;
    self->early_arg = arg;
}
#endif

//  -- One turn.

static void
s_make_seats(nm_actor_t *self, size_t count)
{
    if (count <= self->seat_count)
        return;
    self->seats = nm_realloc(self->seats, count * sizeof *self->seats);
    memset(self->seats + self->seat_count, 0, (count - self->seat_count) * sizeof *self->seats);
    self->seat_count = count;
}

static void
s_add_peer(nm_actor_t *self, const nm_peer_t *peer)
{
    size_t count = self->peer_count + 1;
    self->peers = nm_realloc(self->peers, count * sizeof *self->peers);
    self->ask_drafts = nm_realloc(self->ask_drafts, count * sizeof *self->ask_drafts);
    self->ask_drafts[self->peer_count] = (nm_draft_t){ .count = 0 };
    s_make_seats(self, peer->place + 1);
    self->seats[peer->place] = (nm_seat_t){ .taken = true, .peer = self->peer_count };
    self->peers[self->peer_count++] = peer;
}

static nm_link_t *
s_add_link(nm_actor_t *self, const nm_peer_t *peer)
{
    size_t count = self->link_count + 1;
    nm_link_t *link = nm_alloc(sizeof *link);
    link->peer = peer;
    link->index = self->link_count;
    self->links = nm_realloc(self->links, count * sizeof *self->links);
    self->mail_drafts = nm_realloc(self->mail_drafts, count * sizeof *self->mail_drafts);
    self->mail_drafts[self->link_count] = (nm_draft_t){ .count = 0 };
    self->links[self->link_count++] = link;
    self->seats[peer->place].link = link;
    self->link_beat_ms = nm_link_beat_ms(self->link_count);
    return link;
}

//  Takes in whom the directory has named since the last turn. txn is NULL before the first one, which loads
//  all links at once.
static nm_rc_t
s_meet_peers(nm_actor_t *self, nm_txn_t *txn)
{
    const nm_directory_t *directory = self->setup.directory;
    uint64_t version = nm_directory_version(directory);
    if (version == self->directory_version)
        return NM_OK;
    size_t count = nm_directory_list(directory, NM_ROLE_NONE, NULL, 0);
    const nm_peer_t **peers = nm_alloc(count * sizeof *peers);
    nm_directory_list(directory, NM_ROLE_NONE, peers, count);
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < count && rc == NM_OK; i++) {
        if (nm_actor_seat(self, peers[i]))
            continue;
        s_add_peer(self, peers[i]);
        if (strcmp(peers[i]->actor.name, self->setup.self->name) == 0 ||
            !nm_roles_link(self->role->id, peers[i]->actor.role))
            continue;
        nm_link_t *link = s_add_link(self, peers[i]);
        if (txn)
            rc = nm_posting_add_link(self, txn, link);
    }
    self->directory_version = version;
    free(peers);
    return rc == NM_OK && txn ? nm_forgetting_look(self) : rc;
}

static nm_rc_t
s_load(nm_actor_t *self)
{
    self->role_wake_ms = INT64_MAX;
    nm_rc_t rc = nm_posting_load(self, self->turn.txn);
    if (rc == NM_OK)
        rc = nm_forgetting_look(self);
    if (rc == NM_OK)
        rc = nm_books_load(self);
    if (rc == NM_OK && self->role->load)
        rc = self->role->load(self->state, &self->turn);
    self->loaded = rc == NM_OK;
    self->told_version = 0;
    return rc;
}

static nm_rc_t
s_tell_one(void *arg, const nm_peer_t *peer)
{
    nm_actor_t *self = arg;
    return self->role->forgotten(self->state, &self->turn, peer);
}

//  Tells of all whenever the directory has changed: a role knows whom it has heard of.
static nm_rc_t
s_tell_forgotten(nm_actor_t *self)
{
    if (!self->role->forgotten || self->told_version == self->directory_version)
        return NM_OK;
    self->told_version = self->directory_version;
    return nm_directory_each_lost(self->setup.directory, s_tell_one, self);
}

static nm_rc_t
s_take_result(nm_actor_t *self, const nm_result_t *result)
{
    if (result->token == NM_BACKUP_TOKEN) {
        nm_status_backup_done(self, result);
        return NM_OK;
    }
    return self->role->result ? self->role->result(self->state, &self->turn, result) : NM_OK;
}

static nm_rc_t
s_take(nm_actor_t *self, const nm_input_t *input)
{
    switch (input->kind) {
    case NM_IN_FRAME: return nm_mailbox_take(self, input);
    case NM_IN_ASK: return nm_desk_take_ask(self, input);
    case NM_IN_REPLY: return nm_desk_take_reply(self, input);
    case NM_IN_RESULT: return s_take_result(self, input->result);
    case NM_IN_KNOCK: nm_lobby_take_knock(self, input); return NM_OK;
    case NM_IN_WELCOME: nm_lobby_take_welcome(self, input); return NM_OK;
    case NM_IN_REQUEST: return self->role->request(self->state, &self->turn, input->request);
    }
    return NM_ERR_BUG;
}

static nm_rc_t
s_tell_receipts(nm_actor_t *self)
{
    nm_rc_t rc = NM_OK;
    uint64_t token;
    for (size_t at = 0; rc == NM_OK && nm_watches_next(&self->watches, &at, &token) == NM_OK;)
        rc = self->role->receipted ? self->role->receipted(self->state, &self->turn, token) : NM_OK;
    return rc;
}

static nm_rc_t
s_run_due(nm_actor_t *self)
{
    bool due = self->turn.now.wall_ms >= self->role_wake_ms;
    if (!self->role->due || !(due || (self->role->every_turn && self->turn.input_count)))
        return NM_OK;
    if (due)
        self->role_wake_ms = INT64_MAX;
    return self->role->due(self->state, &self->turn);
}

//  Roles say what expires when, and need not see to it.
static nm_rc_t
s_expire(nm_actor_t *self)
{
    size_t gone;
    const nm_now_t *now = &self->turn.now;
    if (now->mono_ms < self->expire_at_ms)
        return NM_OK;
    nm_rc_t rc = nm_expiry_sweep(self->turn.txn, now->wall_ms, NM_EXPIRE_COUNT, &gone);
    if (rc == NM_OK)
        self->expire_at_ms = now->mono_ms + (gone == NM_EXPIRE_COUNT ? NM_EXPIRE_AGAIN_MS : NM_EXPIRE_MS);
    return rc;
}

static nm_rc_t
s_work(nm_txn_t *txn, void *arg)
{
    nm_actor_t *self = arg;
    nm_turn_t *turn = &self->turn;
    turn->txn = txn;
    nm_rc_t rc = nm_exchange_load(self, txn);
    if (rc == NM_OK)
        rc = s_meet_peers(self, self->loaded ? txn : NULL);
    if (rc == NM_OK && !self->loaded)
        rc = s_load(self);
    if (rc == NM_OK)
        rc = s_tell_forgotten(self);
    if (rc == NM_OK)
        nm_links_tick(self);
    for (size_t i = 0; i < turn->input_count && rc == NM_OK && !self->exit_code; i++)
        rc = s_take(self, &turn->inputs[i]);
    if (rc == NM_OK)
        rc = s_tell_receipts(self);
    if (rc == NM_OK)
        rc = nm_desk_tick(self);
    if (rc == NM_OK)
        rc = nm_exchange_run(self);
    if (rc == NM_OK && !self->exit_code)  //  Who has to stop starts nothing
        rc = s_run_due(self);
    if (rc == NM_OK)
        rc = s_expire(self);
    if (rc == NM_OK)
        nm_books_finish(self);
    if (rc == NM_OK)
        rc = nm_posting_finish(self);
    self->changed = nm_txn_changed(txn);
#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
    //  A deliberate fault: receipts and replies leave before the commit they depend on.
    if (rc == NM_OK && self->early) {
        nm_links_release(self);
        nm_desk_release(self);
        self->early(self->early_arg);
    }
#endif
    return rc;
}

//  Statvfs and meta pages cost a few microseconds: ten times a second is enough to notice in time.
static void
s_look_at_room(nm_actor_t *self, int64_t mono_ms)
{
    if (mono_ms - self->room_at_ms < 100)
        return;
    bool tight = self->room.tight;
    nm_store_room(self->store, &self->room);
    self->room_at_ms = mono_ms;
    if (self->room.tight != tight)
        nm_log(tight ? NM_LOG_INFO : NM_LOG_WARNING, tight ? "store_roomy" : "store_tight",
               "The store uses %llu of %llu bytes and its file system has %llu free: %s.",
               (unsigned long long) self->room.used, (unsigned long long) self->room.quota,
               (unsigned long long) self->room.free_space,
               tight ? "new work is taken again" : "new work is refused until there is room");
}

static void
s_refuse_asks(nm_actor_t *self, const nm_input_t *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (inputs[i].kind == NM_IN_ASK)
            nm_desk_refuse(self, &inputs[i], 507, "The store of this actor is full: nothing was changed. Try later.");
    nm_desk_release(self);
}

nm_rc_t
nm_actor_turn(nm_actor_t *self, const nm_input_t *inputs, size_t count, nm_now_t now)
{
    int64_t start_us = nm_actor_clock_us();
    size_t outputs_before = self->output_count;
    self->turn = (nm_turn_t){ .actor = self, .now = now, .inputs = inputs, .input_count = count };
    self->timing_count = 0;
    s_look_at_room(self, now.mono_ms);

    nm_rc_t rc = nm_store_update(self->store, s_work, self);
    self->turn.txn = NULL;
    if (rc == NM_OK) {
        nm_watches_commit(&self->watches);
        if (self->role->committed)
            self->role->committed(self->state);
        if (self->backup_begins)
            nm_store_settle(self->store);  //  A backup has what was settled when it began
        self->backup_begins = false;
        if (self->drain_begins)
            nm_actor_drain(self);
        nm_exchange_committed(self);
        nm_links_release(self);
        nm_desk_release(self);
    } else {
        s_drop_outputs(self, outputs_before);
        nm_posting_discard(self);
        nm_desk_discard(self);
        self->backing_up = self->backing_up && !self->backup_begins;
        self->backup_begins = false;
        self->loaded = false;
        nm_metric_add(self->metric.undone, 1);
        if (rc == NM_ERR_FULL)
            s_refuse_asks(self, inputs, count);
    }
    self->drain_begins = false;
    if (nm_store_unsettled(self->store) && self->settle_at_ms == INT64_MAX)
        self->settle_at_ms = now.mono_ms + NM_SETTLE_PATIENCE_MS;
    nm_metric_add(self->metric.turns, 1);
    nm_metric_add(self->metric.inputs, count);
    if (count)
        nm_metric_observe(self->metric.turn_inputs, count);
    if (rc == NM_OK && self->changed)
        nm_metric_observe(self->metric.commit_us, nm_store_commit_us(self->store));
    int64_t took_us = nm_actor_clock_us() - start_us;
    nm_metric_observe(self->metric.turn_us, (uint64_t) took_us);
    if (rc == NM_OK)
        nm_figures_took(self, took_us);
    return rc;
}

static nm_rc_t
s_settle(nm_actor_t *self)
{
    self->settle_at_ms = INT64_MAX;
    int64_t start_us = nm_actor_clock_us();
    nm_rc_t rc = nm_store_settle(self->store);
    nm_metric_observe(self->metric.settle_us, (uint64_t) (nm_actor_clock_us() - start_us));
    return rc == NM_ERR_FULL ? NM_OK : rc;  //  The log still has all of it
}

//  What nobody uses may rot unseen; so all of the store is read now and then, a little at a time.
static nm_rc_t
s_scrub(nm_actor_t *self, int64_t mono_ms)
{
    nm_store_scrub_t scrub;
    nm_rc_t rc = nm_store_scrub(self->store, &scrub);
    self->scrub_at_ms = mono_ms + (scrub.ended ? NM_SCRUB_REST_MS : NM_SCRUB_STEP_MS);
    nm_metric_add(self->metric.scrub_records, scrub.records);
    nm_metric_add(self->metric.scrub_bytes, scrub.bytes);
    nm_metric_add(self->metric.scrub_passes, scrub.ended);
    return rc;
}

nm_rc_t
nm_actor_rest(nm_actor_t *self, int64_t mono_ms)
{
    nm_rc_t rc = mono_ms >= self->settle_at_ms ? s_settle(self) : NM_OK;
    return rc == NM_OK && mono_ms >= self->scrub_at_ms ? s_scrub(self, mono_ms) : rc;
}

int64_t
nm_actor_wake(const nm_actor_t *self)
{
    if (self->unfinished)
        return INT64_MIN;
    int64_t wake_ms = self->beat_at_ms < self->settle_at_ms ? self->beat_at_ms : self->settle_at_ms;
    if (self->forget_at_ms < wake_ms)
        wake_ms = self->forget_at_ms;
    if (self->scrub_at_ms < wake_ms)
        wake_ms = self->scrub_at_ms;
    if (self->expire_at_ms < wake_ms)
        wake_ms = self->expire_at_ms;
    if (nm_exchange_wake(self) < wake_ms)
        wake_ms = nm_exchange_wake(self);
    if (self->role_wake_ms != INT64_MAX) {
        int64_t role_ms = self->role_wake_ms - self->turn.now.wall_ms + self->turn.now.mono_ms;
        if (role_ms < wake_ms)
            wake_ms = role_ms;
    }
    for (size_t i = 0; i < self->link_count; i++)
        if (nm_link_wake(self->links[i]) < wake_ms)
            wake_ms = nm_link_wake(self->links[i]);
    const nm_pending_ask_t *ask = nm_asks_first(&self->asks);
    if (ask && ask->deadline_ms < wake_ms)
        wake_ms = ask->deadline_ms;
    int64_t books_ms = nm_books_wake(self);
    return books_ms < wake_ms ? books_ms : wake_ms;
}

void
nm_actor_leave(nm_actor_t *self)
{
    self->leaving = true;
    if (self->exchange.directory)
        nm_directory_leave(self->exchange.directory);
    self->exchange.beat_at_ms = INT64_MIN;
}

void
nm_actor_drain(nm_actor_t *self)
{
    if (self->draining)
        return;
    self->leaving = self->draining = true;
    self->role_wake_ms = 0;  //  Its role has something to do
    if (self->exchange.directory)
        nm_directory_drain(self->exchange.directory);
    nm_log(NM_LOG_INFO, "draining", "This actor takes no more work, finishes or gives away what it has, and leaves.");
}

//  Who has claimed mail does not leave before the answer: a grant that it does not hear would keep the mail for it. A
//  peer that is gone will not answer.
static bool
s_is_done_with(const nm_link_t *link)
{
    bool there = link->state == NM_LINK_UP || link->state == NM_LINK_QUIET;
    return !nm_link_holds(link) && (!there || !link->pending.count);
}

//  In its first seconds it does not know yet what was on the way to it in an earlier life, or whether its store is an old
//  one: those whom it has not met would tell. And one that was here a moment ago may be starting anew: then all that was open
//  to us counts as ours there, and goes to nobody else. Later on they are away.
static bool
s_may_be_told(const nm_actor_t *self, const nm_link_t *link)
{
    enum { MEET_MS = 5000 };
    int64_t since_ms = link->heard_ms;
    switch (link->state) {
    case NM_LINK_STRANGE:
        if (self->exchange.began_ms > since_ms)
            since_ms = self->exchange.began_ms;
        break;
    case NM_LINK_QUIET:
    case NM_LINK_GONE: break;
    case NM_LINK_LEFT:
        if (link->peer->draining)
            return false;
        break;
    case NM_LINK_UP:
    case NM_LINK_BLOCKED:
    case NM_LINK_ROLLED:
    case NM_LINK_FORGOTTEN: return false;
    }
    return self->turn.now.mono_ms - since_ms < MEET_MS;
}

bool
nm_actor_drained(const nm_actor_t *self)
{
    uint64_t backlog = 0;
    int64_t oldest_ms = 0;
    if (self->role->backlog)
        self->role->backlog(self->state, &backlog, &oldest_ms);
#ifdef NM_MUTANT_DRAINED_EARLY
    backlog = 0;  //  A deliberate fault: it leaves with what its role holds
#endif
    bool done = self->draining && self->loaded && !backlog && !self->asks.counts[NM_ASKER_ROLE];
    for (size_t i = 0; i < self->lane_count && done; i++)
        done = self->lanes[i].count == 0;
    for (size_t i = 0; i < self->link_count && done; i++)
        done = s_is_done_with(self->links[i]) && !s_may_be_told(self, self->links[i]);
    return done;
}

//  -- Making one.

size_t
nm_actor_tables(const nm_role_t *role, const nm_table_t **tables, size_t max)
{
    const nm_table_t *const OWN[] = { &nm_outbox_streams,   &nm_outbox_waiting, &nm_outbox_open,    &nm_inbox_streams,
                                      &nm_inbox_quarantine, &nm_inbox_fenced,   &nm_directory_table };
    size_t count = 0;
    if (NM_COUNT(OWN) + NM_BOOK_TABLE_COUNT + role->table_count > max)
        abort();  //  Our own mistake: the caller's array is a constant
    for (size_t i = 0; i < NM_COUNT(OWN); i++)
        tables[count++] = OWN[i];
    for (size_t i = 0; role->book_count && i < NM_BOOK_TABLE_COUNT; i++)
        tables[count++] = nm_book_tables[i];
    for (size_t i = 0; i < role->table_count; i++)
        tables[count++] = role->tables[i];
    return count;
}

nm_actor_t *
nm_actor_new(const nm_actor_config_t *config, nm_now_t now, nm_error_t *error)
{
    nm_actor_t *self = nm_alloc(sizeof *self);
    self->role = config->role;
    self->setup = config->setup;
    self->store = config->store;
    self->boot = config->boot;
    self->seed = config->seed;
    self->started_ms = now.wall_ms;
    self->ids.gateway = config->setup.self->number;
    self->beat_at_ms = now.mono_ms;
    self->link_beat_ms = nm_link_beat_ms(0);
    self->forget_at_ms = INT64_MAX;
    self->settle_at_ms = INT64_MAX;
    self->scrub_at_ms = now.mono_ms + NM_SCRUB_START_MS;
    self->expire_at_ms = now.mono_ms;
    self->role_wake_ms = INT64_MAX;
    self->room_at_ms = INT64_MIN / 2;
    nm_figures_make(self);
    nm_exchange_start(self, config->directory, now);

    if (nm_books_open(self, error) != NM_OK ||
        (self->role->open && self->role->open(&self->state, &self->setup, error) != NM_OK)) {
        nm_actor_destroy(&self);
        return NULL;
    }
    nm_rc_t rc = nm_actor_turn(self, NULL, 0, now);
    if (rc != NM_OK) {
        nm_fail(error, rc, "The first turn of %s failed: %s. Run nctl check on its store.", config->setup.self->name,
                nm_rc_text(rc));
        nm_actor_destroy(&self);
    }
    return self;
}

static void
s_free_drafts(nm_draft_t *drafts, size_t count)
{
    for (size_t i = 0; drafts && i < count; i++)
        nm_buf_free(&drafts[i].bytes);
    free(drafts);
}

void
nm_actor_destroy(nm_actor_t **self_p)
{
    assert(self_p);
    nm_actor_t *self = *self_p;
    if (!self)
        return;
    s_drop_outputs(self, self->output_taken);
    if (self->state && self->role->close)
        self->role->close(self->state);
    s_free_drafts(self->mail_drafts, self->link_count);
    s_free_drafts(self->ask_drafts, self->peer_count);
    nm_buf_free(&self->reply_draft.bytes);
    nm_books_close(self);
    nm_survey_close(self);
    free(self->outputs);
    for (size_t i = 0; i < self->link_count; i++) {
        nm_pending_clear(&self->links[i]->pending);
        free(self->links[i]);
    }
    free(self->links);
    free(self->peers);
    free(self->seats);
    for (size_t i = 0; i < self->lane_count; i++)
        nm_tags_free(&self->lanes[i].tags);
    free(self->lanes);
    nm_watches_free(&self->watches);
    nm_asks_free(&self->asks);
    free(self->timings);
    free(self);
    *self_p = NULL;
}
