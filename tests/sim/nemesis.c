#include "tests/sim/sim.h"

//  A fault that begins, lasts, and ends.
typedef enum {
    S_CUT,        //  Two hosts, one direction
    S_SPLIT,      //  Two hosts, both directions
    S_DEAF,       //  Nothing reaches a host
    S_MUTE,       //  Nothing leaves a host
    S_HALVES,     //  The mesh falls into two
    S_SWIZZLE,    //  Hosts are cut off one after another, and come back in another order
    S_LOSS,       //  Frames get lost
    S_TWICE,      //  Frames come twice
    S_SLOW,       //  Frames are late, and overtake each other on new connections
    S_CRASH,      //  A host crashes
    S_CRASHES,    //  A host crashes in the middle of turns
    S_CRASH_ALL,  //  All of them do
    S_LEAVE,      //  A host is told to stop
    S_DRAIN,      //  A host is told to drain
    S_FREEZE,     //  A host stands still
    S_FULL,       //  Commits of a host find no room
    S_TIGHT,      //  The store of a host looks nearly full
    S_CLOCK,      //  The wall clock of a host is stepped
    S_PROVIDERS,  //  The mail servers are bad
    S_LIES,       //  They take mail and do not say so
    S_RENEW,      //  A host gets another key
    S_REVOKE,     //  The certificate of a host is ended
    S_FORGE,      //  An actor tells another what nobody has said
    S_ROLL_BACK,  //  A host gets an old copy of its disk
    S_KIND_COUNT,
} s_kind_t;

static const char *const NAMES[] = { "cut",       "split", "deaf",   "mute",   "halves",  "swizzle",
                                     "loss",      "twice", "slow",   "crash",  "crashes", "crash-all",
                                     "leave",     "drain", "freeze", "full",   "tight",   "clock",
                                     "providers", "lies",  "renew",  "revoke", "forge",   "roll-back" };
_Static_assert(NM_COUNT(NAMES) == S_KIND_COUNT, "a name for each fault");

//  -- Wires

static void
s_cut_around(sim_t *self, size_t host, bool in, bool out, bool cut)
{
    for (size_t i = 0; i < self->host_count; i++) {
        if (in)
            self->wires[i][host].cut = cut;
        if (out)
            self->wires[host][i].cut = cut;
    }
}

static void
s_cut_halves(sim_t *self, uint64_t half, bool cut)
{
    for (size_t i = 0; i < self->host_count; i++)
        for (size_t j = 0; j < self->host_count; j++)
            if ((half >> i & 1) != (half >> j & 1))
                self->wires[i][j].cut = cut;
}

//  One step of a swizzle: hosts go and come, each in its own time.
static void
s_on_swizzle(sim_t *self, sim_event_t *event)
{
    if (!self->healed)
        s_cut_around(self, event->to, true, true, event->kind);
}

static void
s_swizzle(sim_t *self, int64_t until_ms)
{
    for (size_t i = 0; i < self->host_count; i++) {
        int64_t from_ms = sim_dice_between(&self->dice, self->now_ms, until_ms);
        sim_event_t event = { .run = s_on_swizzle, .to = i, .kind = true };
        sim_at(self, from_ms, event);
        event.kind = false;
        sim_at(self, sim_dice_between(&self->dice, from_ms, until_ms), event);
    }
}

//  -- Disks and clocks

//  A copy is taken now; later it is what the host finds.
static void
s_copy(sim_host_t *host)
{
    if (!host->actor || host->has_copy)
        return;
    sim_disk_get(&host->copy, host->seat);
    host->has_copy = true;
    host->copied_ms = host->sim->now_ms;
    sim_say(host->sim, "the disk of %s is copied", host->seat->entry->name);
}

//  All steps of a host together: what is kept for a day is not forgotten by a clock that is ahead, keys above all.
static const int64_t STEP_MOST_MS = INT64_C(80000000);

//  Forward as far as it likes. Back only a little: a process that starts again on a clock that was
//  stepped back waits for what was due by the old one, at most for the longest pause between two
//  attempts (an hour and more), and no simulation lasts so long.
static int64_t
s_draw_step(sim_t *self)
{
    static const int64_t FORWARD_MS[] = { 3000, 60000, 3600000, INT64_C(86400000) };
    int64_t most_ms = FORWARD_MS[sim_dice_below(&self->dice, NM_COUNT(FORWARD_MS))];
    return sim_dice_odds(&self->dice, 500) ? sim_dice_between(&self->dice, -20000, 0)
                                           : sim_dice_between(&self->dice, 0, most_ms);
}

//  -- Spells. An event's number is the kind, from and to the hosts, kind the moment of its end.

static void
s_begin(sim_t *self, sim_event_t *event)
{
    sim_host_t *host = &self->hosts[event->to];
    int64_t until_ms = (int64_t) event->kind;
    switch ((s_kind_t) event->number) {
    case S_CUT: self->wires[event->from][event->to].cut = true; break;
    case S_SPLIT: self->wires[event->from][event->to].cut = self->wires[event->to][event->from].cut = true; break;
    case S_DEAF: s_cut_around(self, event->to, true, false, true); break;
    case S_MUTE: s_cut_around(self, event->to, false, true, true); break;
    case S_HALVES: s_cut_halves(self, event->kind * UINT64_C(0x9e3779b97f4a7c15) >> 40, true); break;
    case S_SWIZZLE: s_swizzle(self, until_ms); break;
    case S_LOSS: self->weather.loss = (unsigned) sim_dice_between(&self->dice, 10, 300); break;
    case S_TWICE: self->weather.twice = 200; break;
    case S_SLOW:
        self->weather.delay_ms = sim_dice_between(&self->dice, 20, 600);
        self->weather.reconnect = 200;
        break;
    case S_CRASH: sim_host_crash(host, until_ms - self->now_ms); break;
    case S_CRASHES: host->crash_odds = (unsigned) sim_dice_between(&self->dice, 10, 200); break;
    case S_CRASH_ALL:
        for (size_t i = 0; i < self->host_count; i++)
            sim_host_crash(&self->hosts[i], sim_dice_between(&self->dice, 10, 1000));
        break;
    case S_LEAVE: sim_host_leave(host); break;
    case S_DRAIN: sim_host_drain(host); break;
    case S_FREEZE:
        host->frozen_ms = until_ms;
        host->turn_ms = host->actor ? until_ms : INT64_MAX;
        break;
    case S_FULL: host->full_odds = (unsigned) sim_dice_between(&self->dice, 100, 900); break;
    case S_TIGHT: host->tight = true; break;
    case S_CLOCK:
        host->step_ms += host->draining ? 0 : s_draw_step(self);
        if (host->step_ms > STEP_MOST_MS)
            host->step_ms = STEP_MOST_MS;
        break;
    case S_PROVIDERS:
        self->providers.unreached = 150;
        self->providers.broken = 100;
        self->providers.busy = 200;
        self->providers.slow_ms = sim_dice_between(&self->dice, 0, 800);
        break;
    case S_LIES:
        self->providers.hidden = 150;
        self->providers.vanished = 100;
        self->providers.late = 100;
        break;
    case S_RENEW: sim_directory_renew(host); break;
    case S_REVOKE: sim_directory_revoke(host); break;
    case S_FORGE: sim_directory_lie(&self->hosts[event->from], host); break;
    case S_ROLL_BACK: s_copy(host); break;
    case S_KIND_COUNT: break;
    }
}

static void
s_finish(sim_t *self, sim_event_t *event)
{
    sim_host_t *host = &self->hosts[event->to];
    switch ((s_kind_t) event->number) {
    case S_CUT: self->wires[event->from][event->to].cut = false; break;
    case S_SPLIT: self->wires[event->from][event->to].cut = self->wires[event->to][event->from].cut = false; break;
    case S_DEAF: s_cut_around(self, event->to, true, false, false); break;
    case S_MUTE: s_cut_around(self, event->to, false, true, false); break;
    case S_HALVES: s_cut_halves(self, event->kind * UINT64_C(0x9e3779b97f4a7c15) >> 40, false); break;
    case S_LOSS: self->weather.loss = 0; break;
    case S_TWICE: self->weather.twice = 0; break;
    case S_SLOW:
        self->weather.delay_ms = 0;
        self->weather.reconnect = 0;
        break;
    case S_CRASHES: host->crash_odds = 0; break;
    case S_FULL: host->full_odds = 0; break;
    case S_TIGHT: host->tight = false; break;
    case S_PROVIDERS:
    case S_LIES: self->providers = (sim_providers_t){ 0 }; break;
    case S_ROLL_BACK: sim_host_roll_back(host); break;
    default: break;
    }
}

static void
s_on_begin(sim_t *self, sim_event_t *event)
{
    sim_say(self, "fault: %s (%s, %s) until %lld", NAMES[event->number], self->hosts[event->from].seat->entry->name,
            self->hosts[event->to].seat->entry->name, (long long) event->kind);
    s_begin(self, event);
}

static void
s_on_finish(sim_t *self, sim_event_t *event)
{
    s_finish(self, event);
}

//  All faults end at once, whatever they were.
static void
s_on_heal(sim_t *self, sim_event_t *event)
{
    (void) event;
    sim_say(self, "all is healed");
    self->healed = true;
    memset(self->wires, 0, sizeof self->wires);
    self->weather = (sim_weather_t){ 0 };
    self->providers = (sim_providers_t){ 0 };
    self->client_loss = 0;
    for (size_t i = 0; i < self->host_count; i++) {
        self->hosts[i].crash_odds = self->hosts[i].full_odds = 0;
        self->hosts[i].tight = false;
    }
}

//  One of those that take part.
static size_t
s_draw_host(sim_t *self)
{
    size_t host;
    do
        host = sim_dice_below(&self->dice, self->host_count);
    while (!self->hosts[host].present);
    return host;
}

//  Newcomers come while all is going on.
static void
s_launch_newcomers(sim_t *self)
{
    for (size_t i = 0; i < self->host_count; i++) {
        sim_host_t *host = &self->hosts[i];
        if (!host->present || !host->seat->newcomer)
            continue;
        self->tally->newcomers++;
        sim_host_start_later(host, sim_dice_between(&self->dice, 0, self->heal_ms));
    }
}

static void
s_draw_spell(sim_t *self, bool may_roll_back)
{
    sim_dice_t *dice = &self->dice;
    sim_event_t event = { .run = s_on_begin };
    event.number = sim_dice_below(dice, may_roll_back ? S_KIND_COUNT : S_ROLL_BACK);
    event.from = s_draw_host(self);
    event.to = s_draw_host(self);
    int64_t from_ms = sim_dice_between(dice, 20, self->heal_ms - 100);
    int64_t until_ms = sim_dice_between(dice, from_ms + 50, self->heal_ms - 1);
    event.kind = (uint64_t) until_ms;
    sim_at(self, from_ms, event);
    event.run = s_on_finish;
    sim_at(self, until_ms, event);
}

void
sim_nemesis_open(sim_t *self)
{
    sim_dice_t *dice = &self->dice;
    //  Some last longer than the lease, after which mail is taken back from who is silent.
    bool lasting = sim_dice_odds(dice, 150);
    self->heal_ms = lasting ? sim_dice_between(dice, 7000, 12000) : sim_dice_between(dice, 1000, 6000);
    size_t count = (size_t) sim_dice_between(dice, 0, SIM_SPELL_MAX);
    self->client_loss = sim_dice_odds(dice, 500) ? (unsigned) sim_dice_below(dice, 200) : 0;
    bool may_roll_back = sim_dice_odds(dice, 250) && !self->losses;
    for (size_t i = 0; i < count; i++)
        s_draw_spell(self, may_roll_back);
    s_launch_newcomers(self);
    sim_loss_open(self);
    sim_at(self, self->heal_ms, (sim_event_t){ .run = s_on_heal });
}
