#include "tests/sim/sim.h"

#include "wire/id.h"

enum {
    AGAIN_MS = 200,     //  Before another host is looked for
    FORGET_MS = 2000,   //  Until the operator says that it is gone for good, at most
    RETURN_ODDS = 500,  //  Per mille, of one that was not lost but forgotten all the same
    RETURN_MS = 12000,  //  When that comes back, at most
    OUT_MS = 25000,     //  ... and is out again
};

//  -- What goes with it

//  Does everybody know what became of the mail that this one was given? Who does not may give it to another.
static bool
s_has_receipted(const sim_host_t *host)
{
    const sim_t *self = host->sim;
    for (size_t i = 0; i < self->host_count; i++)
        if (self->hosts[i].present && !self->hosts[i].forgotten && !self->hosts[i].actor)
            return false;
    return !sim_ledger_is_waited_for(host);
}

//  Nobody else may know by now what it knew, but what it knew happened. What a client has heard its gateway knows, and
//  does not send again.
static void
s_forget_calls(const sim_host_t *host)
{
    sim_t *self = host->sim;
    bool receipted = s_has_receipted(host);
    for (size_t i = 0; i < self->call_count; i++) {
        const sim_call_t *call = &self->calls[i];
        sim_note_t *note = &self->notes[call->note];
        bool told = receipted && note->seen && note->status == NM_STATUS_SENT;
        if (call->host == host->index && call->taken && !told && note->gots[call->got] == SIM_GOT_KNOWN)
            note->gots[call->got] = SIM_GOT_FORGOTTEN;
    }
}

//  Events of a gateway's notifications may have come no further.
static void
s_forget_events(sim_note_t *note)
{
    note->seen = false;
    note->steps = 0;
    for (size_t i = 0; i < note->got_count; i++)
        if (note->gots[i] == SIM_GOT_KNOWN)
            note->gots[i] = SIM_GOT_FORGOTTEN;
}

//  Has a newcomer got in that only the lost gateway has heard of? Nobody can ask it what it has.
static bool
s_had_news(const sim_host_t *host)
{
    const sim_t *self = host->sim;
    const sim_host_t *other = &self->hosts[host->index == 0 ? 1 : 0];
    for (size_t i = 0; i < self->host_count; i++)
        if (self->hosts[i].seat->newcomer && self->hosts[i].life &&
            (!other->directory || !nm_directory_find(other->directory, self->hosts[i].seat->entry->name)))
            return true;
    return false;
}

//  What its gateway alone had is lost with it, first answers under idempotency keys too. What was on two disks is held to
//  everything.
static void
s_lose_notes(const sim_host_t *host)
{
    sim_t *self = host->sim;
    bool news = s_had_news(host);
    for (size_t i = 0; i < self->note_count; i++) {
        sim_note_t *note = &self->notes[i];
        bool owned = note->state == SIM_NOTE_TAKEN && nm_id_gateway(&note->id) == host->place.number;
        if (note->state == SIM_NOTE_ASKED || (owned && note->copies < 2))
            sim_ledger_excuse_note(self, i);
        note->settled_key |= owned;
        if (owned && !note->excused)
            s_forget_events(note);
        //  Of an ask that it gave up, and that was put again, the copy is there as well: nobody else can know that it was for nothing.
        note->doubled |= owned && (note->tries > 1 || self->asked_twice || news);
        self->tally->inherited += owned && !note->excused;
        note->gateway = host->index == 0 ? 1 : 0;  //  Clients know all doors
    }
}

//  -- Lost, forgotten, back

static void
s_on_out(sim_t *self, sim_event_t *event)
{
    const sim_host_t *host = &self->hosts[event->to];
    if (host->actor)
        sim_fault(self, "directory", "%s was forgotten long ago and is still there", host->seat->entry->name);
}

//  The authority has ended it, and all know: it ends with 78, whatever is on its disk.
static void
s_on_return(sim_t *self, sim_event_t *event)
{
    sim_host_t *host = &self->hosts[event->to];
    if (!sim_directory_all_see_gone(host)) {
        sim_at(self, self->now_ms + AGAIN_MS, *event);
        return;
    }
    sim_say(self, "%s is back", host->seat->entry->name);
    self->tally->returns++;
    host->present = true;
    sim_host_start(host);
    int64_t out_ms = (self->now_ms > self->heal_ms ? self->now_ms : self->heal_ms) + OUT_MS;
    sim_at(self, out_ms, (sim_event_t){ .run = s_on_out, .to = event->to });
}

//  A dead letter that was on its way again has no content at its gateway any more; that it has failed is what was heard
//  before.
static void
s_lose_replays(sim_t *self)
{
    for (size_t i = 0; i < self->note_count; i++)
        if (self->notes[i].replays && !(self->notes[i].seen && self->notes[i].status == NM_STATUS_SENT))
            sim_ledger_excuse_note(self, i);
}

static void
s_on_forget(sim_t *self, sim_event_t *event)
{
    sim_host_t *host = &self->hosts[event->to];
    sim_directory_forget(host);
    s_lose_replays(self);
    //  An e-mail actor would call providers again before it hears that it is out; nothing is promised about that.
    if (host->role.id == NM_ROLE_EMAIL || !sim_dice_odds(&self->dice, RETURN_ODDS))
        return;
    sim_at(self, self->now_ms + sim_dice_between(&self->dice, 100, RETURN_MS),
           (sim_event_t){ .run = s_on_return, .to = event->to });
}

//  One whose loss is survived: another of its role is there, a lobby is left, and nothing else happens to it.
static bool
s_may_go(const sim_host_t *host)
{
    const sim_t *self = host->sim;
    bool role = false, lobby = !host->place.lobby[0];
    if (!host->actor || host->forgotten || host->draining || host->revoked)
        return false;
    for (size_t i = 0; i < self->host_count; i++) {
        const sim_host_t *other = &self->hosts[i];
        if (other == host || !other->present || other->forgotten || !other->life)
            continue;
        role |= other->role.id == host->role.id;
        lobby |= other->place.lobby[0] != 0;
    }
    return role && lobby;
}

static void
s_on_loss(sim_t *self, sim_event_t *event)
{
    //  Gateways as often as all others together.
    sim_host_t *host = &self->hosts[sim_dice_odds(&self->dice, 500) ? sim_dice_below(&self->dice, 2)
                                                                    : sim_dice_below(&self->dice, self->host_count)];
    if (!s_may_go(host)) {
        sim_at(self, self->now_ms + AGAIN_MS, *event);
        return;
    }
    self->lost++;
    self->tally->losses++;
    sim_host_lose(host);
    s_forget_calls(host);
    s_lose_replays(self);
    if (host->role.id == NM_ROLE_GATEWAY)
        s_lose_notes(host);
    sim_at(self, self->now_ms + sim_dice_between(&self->dice, 10, FORGET_MS),
           (sim_event_t){ .run = s_on_forget, .to = host->index });
}

void
sim_loss_open(sim_t *self)
{
    for (unsigned i = 0; i < self->losses; i++)
        sim_at(self, sim_dice_between(&self->dice, self->heal_ms / 4, self->heal_ms),
               (sim_event_t){ .run = s_on_loss });
}
