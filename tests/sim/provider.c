#include "tests/sim/sim.h"

#include "wire/id.h"

enum {
    USUAL_MS = 30,     //  What a call takes at most in fair weather
    GIVE_UP_MS = 400,  //  After which a caller gives up
    LATE_MS = 1500,    //  By which a server that is late takes it at most
};

//  -- What a message says

//  The note whose content the message has, byte for byte, for the recipient it was asked for.
static size_t
s_read_message(sim_t *self, const nm_effect_t *effect)
{
    unsigned number, tenant;
    char want[32];
    nm_buf_t text = { 0 }, body = effect->body;
    if (!effect->recipient || sscanf(effect->recipient, "u%u@t%u.test", &number, &tenant) != 2 ||
        number >= self->note_count)
        return SIZE_MAX;
    sim_note_t *note = &self->notes[number];
    if (note->tenant != tenant) {
        sim_fault(self, "I5", "a message to %s carries note %u of tenant %zu", effect->recipient, number, note->tenant);
        return SIZE_MAX;
    }
    snprintf(want, sizeof want, "Subject: note %u %04x\r\n", number, (unsigned) (note->token & 0xffff));
    bool good = memmem(body.at, body.size, want, strlen(want)) != NULL;
    sim_note_text(self, note, &text);
    const uint8_t *content = memmem(body.at, body.size, "\r\n\r\n", 4);
    size_t left = content ? body.size - (size_t) (content + 4 - body.at) : 0;
    good = good && left == text.size + 2 && memcmp(content + 4, text.at, text.size) == 0;
    nm_buf_free(&text);
    return good ? number : SIZE_MAX;
}

//  -- Calls

static void
s_on_take(sim_t *self, sim_event_t *event)
{
    sim_call_t *call = &self->calls[event->number];
    sim_note_t *note = &self->notes[call->note];
    if (!call->takes || note->got_count == SIM_GOT_MAX)
        return;
    bool open = call->used && !call->told;
    call->taken = true;
    call->got = note->got_count;
    note->gots[note->got_count++] = open ? SIM_GOT_OPEN : SIM_GOT_UNCERTAIN;
    self->tally->gots++;
    self->tally->duplicates += note->got_count > 1;
    sim_say(self, "a server takes note %zu (for the %zu. time)", call->note, note->got_count);
    size_t sure = 0;
    for (size_t i = 0; i < note->got_count; i++)
        sure += note->gots[i] == SIM_GOT_OPEN || note->gots[i] == SIM_GOT_KNOWN;
    if (sure > 1u + note->doubled && !note->excused)
        sim_fault(self, "I2", "note %zu was taken %zu times, and nothing explains it", call->note, note->got_count);
    if (note->at_most_once && note->got_count > 1u + note->doubled && !note->replays && !note->excused)
        sim_fault(self, "I2", "note %zu may be sent once at most, and was taken %zu times", call->note,
                  note->got_count);
}

static void
s_on_end(sim_t *self, sim_event_t *event)
{
    sim_call_t *call = &self->calls[event->number];
    sim_host_t *host = &self->hosts[call->host];
    if (!call->used)
        return;
    sim_input_t input = { .input = { .kind = NM_IN_RESULT, .peer = "" }, .call = (size_t) event->number };
    input.result = nm_alloc(sizeof *input.result);
    input.result->token = call->token;
    input.result->about = call->about;
    input.result->call = call->call;
    input.result->code = call->code;
    input.result->retry_after_ms = -1;
    input.result->took_us = 1000;
    call->told = true;
    call->used = false;
    if (call->call != NM_CALL_ANSWERED || call->code != 250)
        self->notes[call->note].failures++;
    if (call->taken && call->call == NM_CALL_UNKNOWN)
        self->notes[call->note].gots[call->got] = SIM_GOT_UNCERTAIN;
    if (!sim_host_give(host, &input))
        free(input.result);
}

void
sim_provider_known(sim_t *self, size_t at)
{
    sim_call_t *call = &self->calls[at];
    sim_note_t *note = &self->notes[call->note];
    if (call->taken && note->gots[call->got] == SIM_GOT_OPEN)
        note->gots[call->got] = SIM_GOT_KNOWN;
}

//  Any note may have had an attempt that was on disk and had not left yet.
static void
s_blame_crash(sim_t *self)
{
    for (size_t i = 0; i < self->note_count; i++)
        self->notes[i].failures++;
}

void
sim_provider_crashed(sim_host_t *host)
{
    sim_t *self = host->sim;
    if (host->role.id == NM_ROLE_EMAIL)
        s_blame_crash(self);
    for (size_t i = 0; i < self->call_count; i++) {
        sim_call_t *call = &self->calls[i];
        if (call->host != host->index || call->life != host->life)
            continue;
        sim_note_t *note = &self->notes[call->note];
        //  An answer that came and is not on disk is lost with the process.
        if (call->taken && note->gots[call->got] == SIM_GOT_OPEN)
            note->gots[call->got] = SIM_GOT_UNCERTAIN;
        if (!call->used)
            continue;
        call->used = false;
        //  What had left the machine may still arrive.
        call->takes = call->takes && sim_dice_odds(&self->dice, 500);
    }
}

//  How this call ends: what the caller is told, and whether the server takes the message.
static void
s_draw(sim_t *self, sim_call_t *call, bool *late)
{
    const sim_providers_t *odds = &self->providers;
    unsigned throw = (unsigned) sim_dice_below(&self->dice, 1000);
    *late = false;
    call->call = NM_CALL_ANSWERED;
    if (throw < odds->unreached) {
        call->call = NM_CALL_UNREACHED;
    } else if ((throw -= odds->unreached) < odds->broken) {
        call->call = NM_CALL_BROKEN;
    } else if ((throw -= odds->broken) < odds->hidden) {
        call->call = NM_CALL_UNKNOWN;
        call->takes = true;
    } else if ((throw -= odds->hidden) < odds->vanished) {
        call->call = NM_CALL_UNKNOWN;
    } else if ((throw -= odds->vanished) < odds->late) {
        call->call = NM_CALL_UNKNOWN;
        call->takes = *late = true;
    } else if ((throw -= odds->late) < odds->busy) {
        call->code = 451;
    } else {
        call->takes = !self->notes[call->note].refused;
        call->code = call->takes ? 250 : 550;
    }
}

static sim_call_t *
s_new_call(sim_t *self)
{
    self->calls = nm_realloc(self->calls, (self->call_count + 1) * sizeof *self->calls);
    sim_call_t *call = &self->calls[self->call_count++];
    memset(call, 0, sizeof *call);
    return call;
}

//  Nothing that is known to be sent may be sent again.
static void
s_check_first(sim_t *self, size_t number)
{
    const sim_note_t *note = &self->notes[number];
    for (size_t i = 0; i < note->got_count; i++)
        if (note->gots[i] == SIM_GOT_KNOWN && !note->doubled && !note->excused)
            sim_fault(self, "I2", "note %zu is sent again, and is known to be sent", number);
}

void
sim_provider_start(sim_host_t *host, nm_effect_t *effect)
{
    sim_t *self = host->sim;
    bool late;
    size_t note = s_read_message(self, effect);
    if (note == SIZE_MAX) {
        sim_fault(self, "I4", "%s sends a message to %s that nobody asked for", host->seat->entry->name,
                  effect->recipient ? effect->recipient : "nobody");
        nm_effect_destroy(&effect);
        return;
    }
    s_check_first(self, note);
    sim_call_t *call = s_new_call(self);
    call->used = true;
    call->host = host->index;
    call->life = host->life;
    call->note = note;
    call->token = effect->token;
    call->about = effect->about;
    s_draw(self, call, &late);
    int64_t take_ms = self->now_ms + sim_dice_between(&self->dice, 1, USUAL_MS);
    if (self->providers.slow_ms)
        take_ms += sim_dice_between(&self->dice, 0, self->providers.slow_ms);
    int64_t end_ms = take_ms + sim_dice_between(&self->dice, 0, USUAL_MS);
    if (call->call == NM_CALL_UNKNOWN)
        end_ms += GIVE_UP_MS;
    if (late)
        take_ms += sim_dice_between(&self->dice, 0, LATE_MS);
    char about[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(&call->about, about);
    sim_say(self, "%s calls %s for note %zu, %s (call %d, code %u%s)", host->seat->entry->name, effect->url, note,
            about, call->call, call->code, call->takes ? ", taken" : "");
    uint64_t number = self->call_count - 1;
    if (call->takes)
        sim_at(self, take_ms, (sim_event_t){ .run = s_on_take, .number = number });
    sim_at(self, end_ms, (sim_event_t){ .run = s_on_end, .number = number });
    nm_effect_destroy(&effect);
}
