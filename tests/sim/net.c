#include "tests/sim/sim.h"

enum {
    USUAL_MS = 3,    //  What a frame takes at most in fair weather
    AGAIN_MS = 150,  //  Before a frame that could not be delivered is tried again
    TRIES = 4,
};

static void s_on_frame(sim_t *sim, sim_event_t *event);

static void
s_put(sim_t *self, sim_event_t event)
{
    sim_wire_t *wire = &self->wires[event.from][event.to];
    int64_t at_ms = self->now_ms + sim_dice_between(&self->dice, 0, USUAL_MS);
    if (self->weather.delay_ms)
        at_ms += sim_dice_between(&self->dice, 0, self->weather.delay_ms);
    //  First in, first out, until the connection is a new one.
    if (sim_dice_odds(&self->dice, self->weather.reconnect))
        wire->last_ms = 0;
    if (event.kind == NM_IN_FRAME && at_ms < wire->last_ms)
        at_ms = wire->last_ms;
    if (event.kind == NM_IN_FRAME)
        wire->last_ms = at_ms;
    event.run = s_on_frame;
    sim_at(self, at_ms, event);
}

void
sim_net_send(sim_t *self, size_t from, size_t to, nm_input_kind_t kind, const nm_caller_t *caller, nm_buf_t bytes)
{
    sim_event_t event = { .from = from, .to = to, .kind = kind, .caller = *caller, .bytes = bytes };
    if (!self->hosts[to].present || sim_dice_odds(&self->dice, self->weather.loss)) {
        nm_buf_free(&bytes);
        return;
    }
    if (sim_dice_odds(&self->dice, self->weather.twice)) {
        const sim_host_t *asker = &self->hosts[from], *asked = &self->hosts[to];
        self->asked_twice |=
            kind == NM_IN_ASK && asker->role.id == NM_ROLE_GATEWAY && asked->role.id == NM_ROLE_GATEWAY;
        event.bytes = (nm_buf_t){ 0 };
        nm_buf_add_bytes(&event.bytes, nm_buf_bytes(&bytes));
        s_put(self, event);
        event.bytes = bytes;
    }
    s_put(self, event);
}

void
sim_net_forget(sim_t *self, size_t from)
{
    self->forgotten[from] = self->event_order;
}

void
sim_net_rebind(sim_t *self, size_t to)
{
    self->rebound[to] = self->event_order;
}

//  What waits in a sender's kernel is sent when the way is free, or never.
static void
s_wait(sim_t *self, sim_event_t *event)
{
    if (event->number >= TRIES || sim_dice_odds(&self->dice, 500))
        return;
    sim_event_t again = *event;
    again.number++;
    event->bytes = (nm_buf_t){ 0 };
    sim_at(self, self->now_ms + sim_dice_between(&self->dice, 1, AGAIN_MS), again);
}

static void
s_on_frame(sim_t *self, sim_event_t *event)
{
    const sim_host_t *from = &self->hosts[event->from];
    sim_host_t *to = &self->hosts[event->to];
    //  A reply belongs to the connection of the process that asked.
    bool answers = event->kind == NM_IN_REPLY || event->kind == NM_IN_WELCOME;
    if (event->order <= self->forgotten[event->from] || (!answers && event->order <= self->rebound[event->to]))
        return;
    if (answers && nm_get_u32(event->caller.route + 1) != to->life)
        return;
    if (self->wires[event->from][event->to].cut || !to->actor) {
        s_wait(self, event);
        return;
    }
    bool knocks = event->kind == NM_IN_KNOCK;
    if (!answers && !knocks && !sim_directory_admits(to, from))
        return;
    sim_input_t input = { .input = { .kind = (nm_input_kind_t) event->kind,
                                     .peer = knocks ? "" : from->seat->entry->name,
                                     .role = knocks ? NM_ROLE_NONE : from->seat->role->id,
                                     .client_key = sim_directory_calls_by(from),
                                     .caller = event->caller },
                          .bytes = event->bytes };
    if (sim_host_give(to, &input))
        event->bytes = (nm_buf_t){ 0 };
}
