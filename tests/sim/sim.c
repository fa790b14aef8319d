#include "tests/sim/sim.h"

//  Per mille of the simulations in which each actor has a directory of its own, of those in which one is lost, and of
//  those in which another is.
enum { GOSSIP_ODDS = 333, LOSS_ODDS = 200, SECOND_ODDS = 400 };

//  -- Events: a binary heap by time, then by the order they were put in.

static bool
s_before(const sim_event_t *a, const sim_event_t *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void
s_swap(sim_event_t *a, sim_event_t *b)
{
    sim_event_t kept = *a;
    *a = *b;
    *b = kept;
}

void
sim_at(sim_t *self, int64_t at_ms, sim_event_t event)
{
    if (self->event_count == self->event_room) {
        self->event_room = self->event_room ? self->event_room * 2 : 256;
        self->events = nm_realloc(self->events, self->event_room * sizeof *self->events);
    }
    event.at_ms = at_ms > self->now_ms ? at_ms : self->now_ms;
    event.order = ++self->event_order;
    size_t at = self->event_count++;
    self->events[at] = event;
    for (; at > 0 && s_before(&self->events[at], &self->events[(at - 1) / 2]); at = (at - 1) / 2)
        s_swap(&self->events[at], &self->events[(at - 1) / 2]);
}

static sim_event_t
s_take(sim_t *self)
{
    sim_event_t first = self->events[0];
    self->events[0] = self->events[--self->event_count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < self->event_count && s_before(&self->events[left], &self->events[least]))
            least = left;
        if (right < self->event_count && s_before(&self->events[right], &self->events[least]))
            least = right;
        if (least == at)
            return first;
        s_swap(&self->events[at], &self->events[least]);
        at = least;
    }
}

//  -- The story

void
sim_say(const sim_t *self, const char *format, ...)
{
    if (!self->verbose)
        return;
    va_list args;
    va_start(args, format);
    printf("%8lld ", (long long) self->now_ms);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void
sim_fault(sim_t *self, const char *name, const char *format, ...)
{
    char text[400];
    va_list args;
    if (self->fault[0])
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(self->fault, sizeof self->fault, "%s at %lld ms: %s", name, (long long) self->now_ms, text);
    sim_say(self, "FAULT %s", self->fault);
}

//  -- A run

//  The host whose turn is due first; NULL if none is before the next event.
static sim_host_t *
s_next_turn(sim_t *self)
{
    sim_host_t *first = NULL;
    for (size_t i = 0; i < self->host_count; i++)
        if (self->hosts[i].turn_ms != INT64_MAX && (!first || self->hosts[i].turn_ms < first->turn_ms))
            first = &self->hosts[i];
    if (first && self->event_count && self->events[0].at_ms <= first->turn_ms)
        return NULL;
    return first;
}

static void
s_step(sim_t *self)
{
    sim_host_t *host = s_next_turn(self);
    if (host) {
        self->now_ms = host->turn_ms > self->now_ms ? host->turn_ms : self->now_ms;
        sim_host_turn(host);
        return;
    }
    sim_event_t event = s_take(self);
    self->now_ms = event.at_ms;
    event.run(self, &event);
    nm_buf_free(&event.bytes);
}

//  In the healed mesh somebody looks now and then whether all is done.
static void
s_look(sim_t *self, sim_event_t *event)
{
    enum { LOOK_MS = 200 };
    char why[160] = "";
    (void) event;
    //  Once is enough: heartbeats are slow here, and come late now and then.
    self->settled = sim_directory_is_settled(self, why) || self->settled;
    self->done = self->healed && self->settled && sim_ledger_is_quiet(self);
    if (self->done)
        return;
    int64_t since_ms = self->up_ms > self->heal_ms ? self->up_ms : self->heal_ms;
    if (!self->settled && self->now_ms > since_ms + SIM_SETTLE_MS)
        sim_fault(self, "directory", "%s, %d s after all is healed", why, SIM_SETTLE_MS / 1000);
    if (self->now_ms > self->heal_ms + SIM_HEAL_MS) {
        sim_ledger_close(self);
        sim_fault(self, "I7", "the healed mesh did not come to rest within %d s", SIM_HEAL_MS / 1000);
    }
    sim_at(self, self->now_ms + LOOK_MS, (sim_event_t){ .run = s_look });
}

static void
s_free(sim_t *self)
{
    for (size_t i = 0; i < self->event_count; i++)
        nm_buf_free(&self->events[i].bytes);
    for (size_t i = 0; i < self->statement_count; i++)
        nm_buf_free(&self->statements[i].news);
    free(self->events);
    free(self->calls);
    free(self->ledger.marks);
    free(self->ledger.pending);
    free(self);
}

bool
sim_run(const sim_ground_t *ground, uint64_t seed, bool verbose, sim_tally_t *tally, char fault[512])
{
    sim_t *self = nm_alloc(sizeof *self);
    self->ground = ground;
    self->seed = seed;
    self->verbose = verbose;
    self->tally = tally;
    self->dice.state = seed * UINT64_C(0xd1342543de82ef95) + 1;
    self->next_ask = 1;
    sim_dice_sow(sim_dice(&self->dice));
    self->gossips = sim_dice_odds(&self->dice, GOSSIP_ODDS);
    if (self->gossips && sim_dice_odds(&self->dice, LOSS_ODDS))
        self->losses = 1 + sim_dice_odds(&self->dice, SECOND_ODDS);
    tally->directories += self->gossips;
    sim_hosts_open(self);
    sim_nemesis_open(self);
    sim_clients_open(self);
    sim_at(self, self->heal_ms, (sim_event_t){ .run = s_look });
    while (!self->fault[0] && !self->done)
        s_step(self);
    if (!self->fault[0])
        sim_ledger_close(self);
    sim_hosts_close(self);
    tally->seeds++;
    tally->simulated_ms += (uint64_t) self->now_ms;
    memcpy(fault, self->fault, sizeof self->fault);
    bool good = !self->fault[0];
    s_free(self);
    return good;
}
