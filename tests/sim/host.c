#include "broker/log.h"
#include "tests/sim/sim.h"

enum {
    BATCH_MS = 4,  //  Inputs that come within so long share a turn
    STORE_WAIT_MS = 100,
    RESTORE_MS = 700,  //  Until somebody has put a copy back in due form, at most
};

//  -- Inputs

static void
s_drop_input(sim_input_t *input)
{
    nm_buf_free(&input->bytes);
    free(input->result);
}

static void
s_drop_inputs(sim_host_t *self)
{
    for (size_t i = 0; i < self->input_count; i++)
        s_drop_input(&self->inputs[i]);
    self->input_count = 0;
}

static void
s_schedule(sim_host_t *self, int64_t at_ms)
{
    if (at_ms < self->frozen_ms)
        at_ms = self->frozen_ms;
    if (at_ms < self->turn_ms)
        self->turn_ms = at_ms;
}

bool
sim_host_give(sim_host_t *self, const sim_input_t *input)
{
    if (!self->actor)
        return false;
    if (self->input_count == self->input_room) {
        self->input_room = self->input_room ? self->input_room * 2 : 32;
        self->inputs = nm_realloc(self->inputs, self->input_room * sizeof *self->inputs);
    }
    self->inputs[self->input_count++] = *input;
    bool urgent = input->input.kind == NM_IN_ASK;
    s_schedule(self, self->sim->now_ms + (urgent ? 0 : sim_dice_between(&self->sim->dice, 0, BATCH_MS)));
    return true;
}

//  -- Time

static nm_now_t
s_now(sim_host_t *self)
{
    int64_t now_ms = self->sim->now_ms;
    return nm_clock_follow(&self->clock, SIM_START_MS + now_ms + self->step_ms, 1000000 + now_ms);
}

static void
s_schedule_wake(sim_host_t *self)
{
    //  A turn that wants another one at once gets it a moment later, so that time goes on.
    int64_t at_ms = nm_actor_wake(self->actor) - 1000000;
    self->turn_ms = INT64_MAX;
    s_schedule(self, at_ms > self->sim->now_ms ? at_ms : self->sim->now_ms + 1);
    if (self->input_count)
        s_schedule(self, self->sim->now_ms + STORE_WAIT_MS);
}

//  -- Start and stop

static nm_rc_t
s_fault(void *arg, nm_store_point_t point)
{
    sim_host_t *self = arg;
    if (point == NM_STORE_AT_ROOM)
        return self->tight ? NM_ERR_FULL : NM_OK;
    if (self->crash_at_commit)
        return NM_ERR_IO;
    if (sim_dice_odds(&self->sim->dice, self->full_odds)) {
        self->sim->tally->full++;
        return NM_ERR_FULL;
    }
    self->sim->tally->commits++;
    return NM_OK;
}

static void
s_end(sim_host_t *self)
{
    s_drop_inputs(self);
    nm_actor_destroy(&self->actor);
    nm_directory_destroy(&self->directory);
    nm_store_destroy(&self->store);
    nm_metrics_destroy(&self->metrics);
    self->turn_ms = INT64_MAX;
    self->leaving = false;
}

static void
s_on_start(sim_t *sim, sim_event_t *event)
{
    sim_host_start(&sim->hosts[event->to]);
}

void
sim_host_start_later(sim_host_t *self, int64_t down_ms)
{
    sim_at(self->sim, self->sim->now_ms + down_ms, (sim_event_t){ .run = s_on_start, .to = self->index });
}

void
sim_host_crash(sim_host_t *self, int64_t down_ms)
{
    if (!self->actor)
        return;
    sim_say(self->sim, "%s crashes", self->seat->entry->name);
    self->sim->tally->crashes++;
    sim_provider_crashed(self);
    s_end(self);
    sim_host_start_later(self, down_ms);
}

void
sim_host_lose(sim_host_t *self)
{
    sim_say(self->sim, "%s is lost", self->seat->entry->name);
    sim_provider_crashed(self);
    s_end(self);
    self->present = false;
    self->gone = self->forgotten = true;
}

//  -- Outputs

static sim_host_t *
s_find(sim_t *sim, const char *name)
{
    size_t at = 0;
    while (strcmp(sim->hosts[at].seat->entry->name, name) != 0)
        at++;
    return &sim->hosts[at];
}

//  A frame, an ask or a knock. Who is asked answers to this process.
static void
s_send(sim_host_t *self, nm_output_t *output)
{
    sim_t *sim = self->sim;
    sim_host_t *to = s_find(sim, output->peer->actor.name);
    nm_input_kind_t kind = output->kind == NM_OUT_FRAME ? NM_IN_FRAME
                           : output->kind == NM_OUT_ASK ? NM_IN_ASK
                                                        : NM_IN_KNOCK;
    nm_caller_t caller = { .socket = kind == NM_IN_KNOCK ? SIM_FROM_LOBBY : SIM_FROM_DESK,
                           .route_size = SIM_ROUTE_SIZE,
                           .route = { (uint8_t) self->index } };
    nm_put_u32(caller.route + 1, self->life);
    if (sim_directory_reaches(self, output, to))
        sim_net_send(sim, self->index, to->index, kind, &caller, output->bytes);
    else
        nm_buf_free(&output->bytes);
}

static void
s_answer(sim_host_t *self, nm_output_t *output)
{
    sim_t *sim = self->sim;
    const nm_caller_t *caller = &output->caller;
    if (caller->socket == SIM_FROM_DOOR) {
        if (!sim_dice_odds(&sim->dice, sim->client_loss))
            sim_client_reply(sim, nm_buf_bytes(&output->bytes));
        nm_buf_free(&output->bytes);
        return;
    }
    nm_input_kind_t kind = caller->socket == SIM_FROM_LOBBY ? NM_IN_WELCOME : NM_IN_REPLY;
    sim_net_send(sim, self->index, caller->route[0], kind, caller, output->bytes);
}

static void
s_release_one(sim_host_t *self, nm_output_t *output)
{
    switch (output->kind) {
    case NM_OUT_EFFECT: sim_provider_start(self, output->effect); break;
    case NM_OUT_REPLY: s_answer(self, output); break;
    default: s_send(self, output);
    }
}

//  Lets at most count outputs go.
static void
s_release(sim_host_t *self, size_t count)
{
    nm_output_t output;
    while (count-- && nm_actor_take(self->actor, &output))
        s_release_one(self, &output);
}

#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
static void
s_early(void *arg)
{
    s_release(arg, SIZE_MAX);
}
#endif

//  A peer whose store went back in time as well may no longer know of what this one lacks: then there is nothing left to
//  notice.
static void
s_look_again(sim_t *sim)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        sim_host_t *host = &sim->hosts[i];
        host->must_stop = host->must_stop && host->actor && sim_ledger_is_behind(host);
    }
}

void
sim_host_start(sim_host_t *self)
{
    nm_error_t error = { .text = "" };
    sim_t *sim = self->sim;
    if (self->actor || !self->present || sim->fault[0])
        return;
    nm_store_config_t config = sim_seat_config(self->seat);
    config.fault = s_fault;
    config.fault_arg = self;
    self->store = nm_store_new(&config, &error);
    if (!self->store) {
        sim_fault(sim, "I9", "%s does not open its store: %s", self->seat->entry->name, error.text);
        return;
    }
    self->metrics = nm_metrics_new();
    self->clock = (nm_clock_t){ .started = false };
    self->life++;
    self->crash_at_commit = sim_dice_odds(&sim->dice, self->crash_odds);
    nm_now_t now = s_now(self);
    if (sim->gossips)
        self->directory = sim_directory_open(self, now);
    nm_actor_config_t actor = { .role = &self->role,
                                .setup = { .mesh = self->seat->mesh,
                                           .directory = sim->gossips ? self->directory : sim->ground->directory,
                                           .self = &self->place,
                                           .metrics = self->metrics },
                                .store = self->store,
                                .directory = self->directory,
                                .boot = sim_dice(&sim->dice) | 1,
                                .seed = sim_dice(&sim->dice) | 1 };
    self->actor = sim->fault[0] ? NULL : nm_actor_new(&actor, now, &error);
    self->crash_at_commit = false;
    sim_say(sim, "%s %s (life %u)", self->seat->entry->name, self->actor ? "starts" : "fails in its first turn",
            self->life);
    if (!self->actor) {
        s_end(self);
        sim_host_start_later(self, STORE_WAIT_MS);
        return;
    }
#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
    nm_actor_set_early(self->actor, s_early, self);
#endif
    self->must_stop = self->state == SIM_STORE_ROLLED && sim_ledger_is_behind(self);
    if (self->state != SIM_STORE_WHOLE)
        s_look_again(sim);
    self->turn_ms = sim->now_ms;
    if (self->draining)
        nm_actor_drain(self->actor);
    s_release(self, SIZE_MAX);
    s_schedule_wake(self);
}

void
sim_host_leave(sim_host_t *self)
{
    if (!self->actor)
        return;
    sim_say(self->sim, "%s is told to stop", self->seat->entry->name);
    nm_actor_leave(self->actor);
    self->leaving = true;
    s_schedule(self, self->sim->now_ms);
}

//  Another actor of its role is there, and stays.
static bool
s_is_dispensable(const sim_host_t *self)
{
    const sim_t *sim = self->sim;
    for (size_t i = 0; i < sim->host_count; i++) {
        const sim_host_t *other = &sim->hosts[i];
        if (other != self && other->present && !other->forgotten && !other->draining && other->role.id == self->role.id)
            return true;
    }
    return false;
}

void
sim_host_drain(sim_host_t *self)
{
    enum { AHEAD_MS = 20000 };
    bool stays = self->role.id == NM_ROLE_GATEWAY && self->sim->rolled_back;
    //  What it gives back is due by its clock, and may have to wait for up to an hour elsewhere.
    bool ahead = self->step_ms > AHEAD_MS;
    if (!self->actor || self->draining || stays || ahead || !s_is_dispensable(self))
        return;
    //  Clients know no gateway but theirs, newcomers find their way by lobbies; and where one is lost, what it had is asked
    //  for of all others.
    bool needed = self->role.id == NM_ROLE_GATEWAY || self->place.lobby[0] || self->sim->losses;
    self->draining = true;
    self->for_good = !needed && sim_dice_odds(&self->sim->dice, 500);
    sim_say(self->sim, "%s is told to drain%s", self->seat->entry->name, self->for_good ? " for good" : "");
    nm_actor_drain(self->actor);
    s_schedule(self, self->sim->now_ms);
}

static bool
s_has_calls(const sim_host_t *self)
{
    const sim_t *sim = self->sim;
    for (size_t i = 0; i < sim->call_count; i++)
        if (sim->calls[i].used && sim->calls[i].host == self->index && sim->calls[i].life == self->life)
            return true;
    return false;
}

static void
s_go(sim_host_t *self, int64_t away_ms)
{
    sim_say(self->sim, "%s leaves", self->seat->entry->name);
    nm_actor_goodbye(self->actor, "it was told to stop");
    s_release(self, SIZE_MAX);
    self->sim->tally->stops++;
    s_end(self);
    if (self->present)
        sim_host_start_later(self, away_ms);
}

//  Mail that was on the way to it when its sender started anew waits for it, and nobody else may have that: somebody
//  notices and starts it once more.
static void
s_on_recall(sim_t *sim, sim_event_t *event)
{
    enum { AGAIN_MS = 3000 };
    sim_host_t *self = &sim->hosts[event->to];
    if (!sim->healed || !sim_ledger_is_waited_for(self)) {
        sim_at(sim, sim->now_ms + AGAIN_MS, (sim_event_t){ .run = s_on_recall, .to = event->to });
        return;
    }
    sim_say(sim, "%s is called back", self->seat->entry->name);
    sim->tally->recalled++;
    self->gone = false;
    self->present = true;
    sim_host_start(self);
}

static void
s_go_drained(sim_host_t *self)
{
    enum { AWAY_MS = 5000, RECALL_MS = 10000 };
    sim_t *sim = self->sim;
    sim_ledger_check_drained(self);
    sim->tally->drained++;
    sim->tally->gone += self->for_good;
    self->draining = false;
    self->gone = self->for_good;
    self->present = !self->gone;
    self->must_stop = self->must_stop && !self->gone;  //  Unless it is called back, it does nothing any more
    s_go(self, sim_dice_between(&sim->dice, 20, AWAY_MS));
    if (self->gone)
        sim_at(sim, sim->now_ms + RECALL_MS, (sim_event_t){ .run = s_on_recall, .to = self->index });
}

//  Who was told to stop waits for what is under way outside; who was told to drain for everything.
static void
s_go_if_done(sim_host_t *self)
{
    if (self->input_count || s_has_calls(self))
        return;
    if (self->draining && nm_actor_drained(self->actor))
        s_go_drained(self);
    else if (self->leaving)
        s_go(self, sim_dice_between(&self->sim->dice, 20, 600));
}

//  -- Old disks

//  What a store takes along when it goes back does not end any more, and a gateway would wait for it: whoever wanted one to
//  drain gives up.
static void
s_give_up_drains(sim_t *sim)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        sim_host_t *host = &sim->hosts[i];
        if (host->role.id != NM_ROLE_GATEWAY || !host->draining)
            continue;
        host->draining = false;
        sim_host_leave(host);
    }
}

void
sim_host_roll_back(sim_host_t *self)
{
    sim_t *sim = self->sim;
    if (!self->has_copy || !self->actor)
        return;
    sim_host_crash(self, sim_dice_between(&sim->dice, 100, 900));
    sim_say(sim, "%s gets its disk of %lld ms back", self->seat->entry->name, (long long) self->copied_ms);
    sim_disk_put(&self->copy, self->seat);
    sim_net_forget(sim, self->index);
    self->state = SIM_STORE_ROLLED;
    sim->rolled_back = true;
    s_give_up_drains(sim);
    sim->tally->rollbacks++;
    sim_ledger_excuse(sim);
    sim_directory_unheard(self);
}

static void
s_on_restore(sim_t *sim, sim_event_t *event)
{
    sim_host_t *self = &sim->hosts[event->to];
    nm_error_t error = { .text = "" };
    char path[160];
    nm_store_config_t config = sim_seat_config(self->seat);
    sim_seat_backup_path(self->seat, path);
    sim_disk_back_up(&self->copy, path);
    if (nm_store_restore(&config, path, true, &error) != NM_OK)
        sim_fault(sim, "I9", "%s cannot be restored: %s", self->seat->entry->name, error.text);
    sim_say(sim, "%s is restored", self->seat->entry->name);
    self->state = SIM_STORE_RESTORED;
    self->has_copy = false;  //  With its marker it would take the same epoch a second time
    sim->tally->restores++;
    sim_ledger_excuse(sim);
    sim_directory_unheard(self);
    sim_host_start(self);
}

//  The actor has found its own store to be old.
static void
s_stop_rolled(sim_host_t *self)
{
    sim_t *sim = self->sim;
    if (self->state != SIM_STORE_ROLLED)
        sim_fault(sim, "I9", "%s ended, and its store was not rolled back", self->seat->entry->name);
    sim_net_forget(sim, self->index);
    sim_at(sim, sim->now_ms + sim_dice_between(&sim->dice, 20, RESTORE_MS),
           (sim_event_t){ .run = s_on_restore, .to = self->index });
}

//  The authority has ended its certificate. Now and then somebody starts it all the same.
static void
s_stop_out(sim_host_t *self)
{
    sim_t *sim = self->sim;
    if (self->forgotten) {
        self->present = false;
        return;
    }
    if (!sim_directory_is_revoked(self))
        sim_fault(sim, "directory", "%s left the mesh, and nobody had revoked it", self->seat->entry->name);
    if (sim_dice_odds(&sim->dice, 500))
        sim_host_start_later(self, sim_dice_between(&sim->dice, 20, 2000));
}

static void
s_stop(sim_host_t *self)
{
    int code = nm_actor_exit(self->actor);
    sim_say(self->sim, "%s ends with %d", self->seat->entry->name, code);
    nm_actor_goodbye(self->actor, "it cannot go on");
    s_release(self, SIZE_MAX);
    sim_provider_crashed(self);
    s_end(self);
    if (code == NM_ACTOR_EXIT_ROLLED)
        s_stop_rolled(self);
    else if (code == NM_ACTOR_EXIT_OUT)
        s_stop_out(self);
    else
        sim_fault(self->sim, "I9", "%s ended with %d", self->seat->entry->name, code);
}

//  -- A turn

//  Where in a turn an actor stops.
typedef enum { S_LIVES, S_BEFORE_COMMIT, S_BEFORE_RELEASE, S_IN_RELEASE, S_AFTER_RELEASE, S_STOP_COUNT } s_stop_t;

static void
s_tell_results(sim_host_t *self)
{
    for (size_t i = 0; i < self->input_count; i++)
        if (self->inputs[i].input.kind == NM_IN_RESULT)
            sim_provider_known(self->sim, self->inputs[i].call);
}

//  After a turn that was undone: results cannot come a second time, so they stay for the next one.
static void
s_keep_results(sim_host_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->input_count; i++) {
        if (self->inputs[i].input.kind == NM_IN_RESULT)
            self->inputs[kept++] = self->inputs[i];
        else
            s_drop_input(&self->inputs[i]);
    }
    self->input_count = kept;
}

static nm_rc_t
s_run_turn(sim_host_t *self)
{
    sim_t *sim = self->sim;
    nm_input_t *inputs = nm_alloc(self->input_count * sizeof *inputs);
    for (size_t i = 0; i < self->input_count; i++) {
        inputs[i] = self->inputs[i].input;
        inputs[i].bytes = nm_buf_bytes(&self->inputs[i].bytes);
        inputs[i].result = self->inputs[i].result;
    }
    sim_ledger_enter(self);
    sim->tally->turns++;
    nm_rc_t rc = nm_actor_turn(self->actor, inputs, self->input_count, s_now(self));
    free(inputs);
    return rc;
}

//  What follows a turn that is on disk: its outputs, all or only some of them.
static void
s_let_go(sim_host_t *self, s_stop_t stop)
{
    sim_ledger_commit(self);
    s_tell_results(self);
    s_drop_inputs(self);
    s_release(self, stop == S_BEFORE_RELEASE ? 0
                    : stop == S_IN_RELEASE   ? sim_dice_below(&self->sim->dice, 4)
                                             : SIZE_MAX);
}

void
sim_host_turn(sim_host_t *self)
{
    sim_t *sim = self->sim;
    s_stop_t stop = sim_dice_odds(&sim->dice, self->crash_odds)
                        ? (s_stop_t) sim_dice_between(&sim->dice, S_BEFORE_COMMIT, S_STOP_COUNT - 1)
                        : S_LIVES;
    self->crash_at_commit = stop == S_BEFORE_COMMIT;
    nm_rc_t rc = s_run_turn(self);
    bool died = self->crash_at_commit && rc == NM_ERR_IO;
    self->crash_at_commit = false;
    if (rc == NM_OK) {
        s_let_go(self, stop);
    } else {
        sim_ledger_undo(sim);
        if (rc != NM_ERR_FULL && !died)
            sim_fault(sim, "I9", "a turn of %s failed: %s", self->seat->entry->name, nm_rc_text(rc));
        if (rc == NM_ERR_FULL) {
            s_release(self, SIZE_MAX);
            s_keep_results(self);
        }
    }
    if (rc == NM_OK || rc == NM_ERR_FULL) {
        sim_ledger_check(self);
        sim_directory_check(self);
    }
    if (sim->fault[0])
        return;
    if (stop != S_LIVES) {
        sim_host_crash(self, sim_dice_between(&sim->dice, 20, 800));
    } else if (nm_actor_exit(self->actor)) {
        s_stop(self);
    } else {
        nm_actor_rest(self->actor, self->clock.last.mono_ms);
        s_schedule_wake(self);
        s_go_if_done(self);
    }
}

//  -- All of them

//  The last of the e-mail actors and of those for dead letters are not always there, and newcomers only where there is
//  somebody to hear of them; the second one for users now and then, where the first may be lost.
static bool
s_is_present(sim_t *self, const sim_seat_t *seat, bool wide)
{
    if (seat->newcomer && seat->role->id == NM_ROLE_USER)
        return self->losses && sim_dice_odds(&self->dice, 500);
    if (seat->newcomer)
        return self->gossips && sim_dice_odds(&self->dice, 600);
    return wide || (strcmp(seat->entry->name, "email-3") != 0 && strcmp(seat->entry->name, "deadletter-2") != 0);
}

void
sim_hosts_open(sim_t *self)
{
    bool wide = sim_dice_odds(&self->dice, 200) || self->losses;
    self->host_count = self->ground->seat_count;
    for (size_t i = 0; i < self->host_count; i++) {
        sim_host_t *host = &self->hosts[i];
        *host = (sim_host_t){ .sim = self, .index = i, .seat = &self->ground->seats[i], .turn_ms = INT64_MAX };
        host->role = *host->seat->role;
        host->place = *host->seat->entry;
        sim_ledger_watch(host);
        host->present = s_is_present(self, host->seat, wide);
        if (!host->present)
            continue;
        sim_disk_put(&host->seat->fresh, host->seat);
        if (!host->seat->newcomer)
            sim_host_start_later(host, sim_dice_between(&self->dice, 0, 30));
    }
}

void
sim_hosts_close(sim_t *self)
{
    for (size_t i = 0; i < self->host_count; i++) {
        s_end(&self->hosts[i]);
        free(self->hosts[i].inputs);
        sim_disk_free(&self->hosts[i].copy);
    }
}
