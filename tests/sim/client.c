#include "tests/sim/sim.h"

#include "wire/id.h"
#include "wire/writer.h"

enum {
    AGAIN_MS = 1500,    //  An ask without an answer is repeated after this at most
    OPERATOR_MS = 700,  //  Between two looks at the dead letters
    REPLAY_MAX = 2,     //  Of one notification
    TEXT_LINE = 60,
};

//  What an ask was about; its number says so, so that a late reply is understood as well.
typedef enum { S_CREATE, S_GET, S_FOREIGN, S_CANCEL, S_LETTERS, S_REPLAY, S_PUBLISH, S_RENEW } s_about_t;

static uint64_t
s_ask_id(sim_t *self, s_about_t about, size_t note)
{
    return self->next_ask++ << 16 | (uint64_t) note << 4 | about;
}

uint64_t
sim_client_publish_id(sim_t *self, size_t statement, size_t host)
{
    return s_ask_id(self, S_PUBLISH, statement << 4 | host);
}

uint64_t
sim_client_renew_id(sim_t *self, size_t host)
{
    return s_ask_id(self, S_RENEW, host);
}

//  -- Asks

static void
s_on_ask(sim_t *self, sim_event_t *event)
{
    sim_host_t *gateway = &self->hosts[event->to];
    sim_input_t input = { .input = { .kind = NM_IN_ASK,
                                     .peer = "",
                                     .role = NM_ROLE_CLIENT,
                                     .client_key = SIM_CLIENT_KEY,
                                     .caller = { .socket = SIM_FROM_DOOR, .route_size = 8 } },
                          .bytes = event->bytes };
    nm_put_u64(input.input.caller.route, event->number);
    if (sim_host_give(gateway, &input))
        event->bytes = (nm_buf_t){ 0 };
}

static void
s_ask(sim_t *self, size_t gateway, sim_ask_t *ask)
{
    sim_event_t event = { .run = s_on_ask, .to = gateway, .number = ask->id };
    if (sim_dice_odds(&self->dice, self->client_loss))
        return;
    sim_ask_pack(ask, &event.bytes);
    sim_at(self, self->now_ms + sim_dice_between(&self->dice, 0, 3), event);
}

static const char *
s_key_of(const sim_t *self, const sim_note_t *note, size_t tenant)
{
    return self->hosts[note->gateway].seat->keys[tenant];
}

//  -- Notes

void
sim_note_text(const sim_t *self, const sim_note_t *note, nm_buf_t *out)
{
    //  Letters drawn from the token, in lines that need no encoding.
    sim_dice_t dice = { note->token };
    nm_buf_format(out, "token %016llx of note %zu\r\n", (unsigned long long) note->token,
                  (size_t) (note - self->notes));
    for (size_t size = 0; size < note->size; size += TEXT_LINE) {
        uint64_t letters = sim_dice(&dice);
        uint8_t *at = nm_buf_reserve(out, TEXT_LINE + 2);
        for (size_t i = 0; i < TEXT_LINE; i++)
            at[i] = (uint8_t) ('a' + ((letters >> (i & 31)) + i) % 26);
        at[TEXT_LINE] = '\r';
        at[TEXT_LINE + 1] = '\n';
        out->size += TEXT_LINE + 2;
    }
    out->size -= 2;
}

static void
s_pack_note(sim_t *self, const sim_note_t *note, nm_buf_t *out)
{
    nm_buf_t text = { 0 };
    char word[64], address[SIM_ADDRESS_SIZE];
    size_t number = (size_t) (note - self->notes);
    nm_writer_map(out, 4 + note->at_most_once + note->expires);
    nm_writer_pair_text(out, "channel", "email");
    sim_address(note->tenant, number, address);
    nm_writer_pair_text(out, note->by_user ? "user_id" : "recipient",
                        note->by_user ? self->ground->people[note->tenant][number] : address);
    snprintf(word, sizeof word, "note %zu %04x", number, (unsigned) (note->token & 0xffff));
    nm_writer_pair_text(out, "subject", word);
    sim_note_text(self, note, &text);
    nm_writer_pair_str(out, "content", nm_buf_bytes(&text));
    if (note->at_most_once)
        nm_writer_pair_bool(out, "at_most_once", true);
    if (note->expires)
        nm_writer_pair_text(out, "expires_at", "2026-11-21T00:00:03.000Z");
    nm_buf_free(&text);
}

size_t
sim_note_find(const sim_t *self, const nm_id_t *id)
{
    for (size_t i = 0; i < self->note_count; i++)
        if (self->notes[i].state == SIM_NOTE_TAKEN && nm_id_equal(&self->notes[i].id, id))
            return i;
    return SIZE_MAX;
}

static void
s_create(sim_t *self, sim_note_t *note)
{
    nm_buf_t body = { 0 };
    s_pack_note(self, note, &body);
    sim_ask_t ask = { .id = s_ask_id(self, S_CREATE, (size_t) (note - self->notes)),
                      .op = "notifications.create",
                      .api_key = s_key_of(self, note, note->tenant),
                      .idempotency_key = note->key,
                      .body = nm_buf_bytes(&body) };
    if (note->state == SIM_NOTE_NEW)
        note->state = SIM_NOTE_ASKED;
    note->tries += note->state == SIM_NOTE_ASKED;
    sim_say(self, "note %zu is asked for at %s (%u. time)", (size_t) (note - self->notes),
            self->hosts[note->gateway].seat->entry->name, note->tries);
    s_ask(self, note->gateway, &ask);
    nm_buf_free(&body);
}

static void
s_ask_about(sim_t *self, const sim_note_t *note, s_about_t about, const char *op)
{
    nm_buf_t body = { 0 };
    char id[NM_ID_TEXT_SIZE + 1];
    size_t tenant = about == S_FOREIGN ? (note->tenant + 1) % SIM_TENANT_COUNT : note->tenant;
    nm_id_to_text(&note->id, id);
    sim_body_put(&body, "id", id, NULL);
    sim_ask_t ask = { .id = s_ask_id(self, about, (size_t) (note - self->notes)),
                      .op = op,
                      .api_key = s_key_of(self, note, tenant),
                      .body = nm_buf_bytes(&body) };
    s_ask(self, note->gateway, &ask);
    nm_buf_free(&body);
}

static bool
s_is_over(const sim_note_t *note)
{
    return note->excused || (note->seen && note->status >= NM_STATUS_SENT);
}

static void
s_on_client(sim_t *self, sim_event_t *event)
{
    sim_note_t *note = &self->notes[event->to];
    int64_t again_ms = self->now_ms + sim_dice_between(&self->dice, AGAIN_MS / 3, AGAIN_MS);
    if (note->state != SIM_NOTE_TAKEN) {
        s_create(self, note);
    } else if (note->cancel_ms && self->now_ms >= note->cancel_ms && !s_is_over(note)) {
        s_ask_about(self, note, S_CANCEL, "notifications.cancel");
        note->cancelled = true;
        note->cancel_ms = 0;
    } else if (!note->settled_key && sim_dice_odds(&self->dice, 80)) {
        s_create(self, note);  //  Again, under the same key: the answer must be the same
    } else if (sim_dice_odds(&self->dice, 60)) {
        s_ask_about(self, note, S_FOREIGN, "notifications.get");
    } else if (!s_is_over(note) || (!self->healed && sim_dice_odds(&self->dice, 200))) {
        s_ask_about(self, note, S_GET, "notifications.get");
    }
    //  Where a gateway is still to be lost, what was final may have to be asked about once more.
    bool rests = self->healed && self->lost == self->losses;
    if (!(rests && note->state == SIM_NOTE_TAKEN && s_is_over(note)))
        sim_at(self, again_ms, (sim_event_t){ .run = s_on_client, .to = event->to });
}

//  -- Replies about notes

static void
s_take_created(sim_t *self, sim_note_t *note, const sim_reply_t *reply)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_t id;
    size_t number = (size_t) (note - self->notes);
    if (reply->status >= 500 || reply->status == 429 || note->excused || note->settled_key)
        return;
    sim_body_text(reply->body, "id", text, sizeof text);
    if (reply->status == 422 && note->expires && note->state == SIM_NOTE_ASKED) {
        note->excused = true;  //  It came so late that it had expired
        return;
    }
    if (reply->status != 202 || nm_id_from_text(nm_text(text), &id) != NM_OK) {
        sim_fault(self, "I6", "note %zu was answered with %u", number, reply->status);
        return;
    }
    if (note->state == SIM_NOTE_TAKEN && !nm_id_equal(&note->id, &id))
        sim_fault(self, "I6", "note %zu got another id under the same key: %s", number, text);
    if (note->state != SIM_NOTE_TAKEN)
        sim_say(self, "note %zu is taken by %s as %s", number, self->hosts[note->gateway].seat->entry->name, text);
    if (note->state != SIM_NOTE_TAKEN)
        note->copies = sim_body_uint(reply->body, "copies");
    note->state = SIM_NOTE_TAKEN;
    note->id = id;
}

static void
s_take_status(sim_t *self, sim_note_t *note, const sim_reply_t *reply)
{
    char text[32];
    size_t number = (size_t) (note - self->notes), steps = sim_body_count(reply->body, "timeline");
    //  Of two questions that were open at once the answers may come in any order: they go by different gateways.
    if (reply->status >= 500 || note->excused || reply->id >> 16 < note->asked_since)
        return;
    sim_body_text(reply->body, "status", text, sizeof text);
    int status = nm_words_find(&nm_status_words, nm_text(text));
    if (reply->status != 200 || status < 0) {
        sim_fault(self, "I6", "note %zu was accepted, and the gateway answers %u", number, reply->status);
        return;
    }
    if (note->seen && steps < note->steps)
        sim_fault(self, "I6", "note %zu has %zu steps and had %zu", number, steps, note->steps);
    bool was_final = note->seen && note->status >= NM_STATUS_SENT;
    if (was_final && (int) note->status != status && !note->replays)
        sim_fault(self, "I6", "note %zu is %s and was %s", number, text, nm_words_text(&nm_status_words, note->status));
    if (!note->seen || (int) note->status != status)
        sim_say(self, "note %zu is %s", number, text);
    note->status = (nm_status_t) status;
    note->steps = steps;
    note->asked_since = self->next_ask;
    note->seen = true;
}

static void
s_take_foreign(sim_t *self, const sim_note_t *note, const sim_reply_t *reply)
{
    if (reply->status < 500 && reply->status != 404)
        sim_fault(self, "I5", "another tenant asked for note %zu and was answered %u", (size_t) (note - self->notes),
                  reply->status);
}

//  -- The operator: looks at the dead letters and tries some again

static void
s_replay(sim_t *self, size_t gateway, nm_bytes_t letter)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_t id;
    nm_buf_t body = { 0 };
    sim_body_text(letter, "notification_id", text, sizeof text);
    if (nm_id_from_text(nm_text(text), &id) != NM_OK)
        return;
    size_t number = sim_note_find(self, &id);
    //  What was with a lost actor may be on its way once more, and come here a second time.
    unsigned most = self->lost ? 1 : REPLAY_MAX;
    if (number == SIZE_MAX || self->notes[number].settled_key || self->notes[number].replays >= most ||
        sim_dice_odds(&self->dice, 600))
        return;
    self->notes[number].replays++;
    if (sim_dice_odds(&self->dice, 600))
        self->notes[number].refused = false;
    sim_body_text(letter, "id", text, sizeof text);
    sim_body_put(&body, "id", text, NULL);
    sim_ask_t ask = { .id = s_ask_id(self, S_REPLAY, number),
                      .op = "dead_letters.replay",
                      .api_key = self->ground->admin_key,
                      .body = nm_buf_bytes(&body) };
    sim_say(self, "the operator replays note %zu", number);
    s_ask(self, gateway, &ask);
    nm_buf_free(&body);
}

static void
s_on_operator(sim_t *self, sim_event_t *event)
{
    size_t gateway = sim_dice_below(&self->dice, 2);
    sim_ask_t ask = { .id = s_ask_id(self, S_LETTERS, gateway),
                      .op = "dead_letters.list",
                      .api_key = self->ground->admin_key };
    if (self->healed)
        return;
    s_ask(self, gateway, &ask);
    sim_at(self, self->now_ms + OPERATOR_MS, (sim_event_t){ .run = s_on_operator, .to = event->to });
}

static void
s_take_letters(sim_t *self, size_t gateway, const sim_reply_t *reply)
{
    if (reply->status != 200 || self->healed)
        return;
    for (size_t i = 0, count = sim_body_count(reply->body, "items"); i < count; i++)
        s_replay(self, gateway, sim_body_item(reply->body, "items", i));
}

void
sim_client_reply(sim_t *self, nm_bytes_t frame)
{
    sim_reply_t reply;
    if (!sim_reply_read(frame, &reply)) {
        sim_fault(self, "I4", "a reply at a door is malformed");
        return;
    }
    size_t about = (size_t) (reply.id >> 4 & 0xfff);
    switch ((s_about_t) (reply.id & 15)) {
    case S_CREATE: s_take_created(self, &self->notes[about], &reply); break;
    case S_GET: s_take_status(self, &self->notes[about], &reply); break;
    case S_FOREIGN: s_take_foreign(self, &self->notes[about], &reply); break;
    case S_LETTERS: s_take_letters(self, about, &reply); break;
    case S_PUBLISH:
        if (reply.status == 200)
            sim_directory_published(self, about >> 4, about & 15);
        break;
    case S_RENEW: sim_directory_renewed(&self->hosts[about], reply.status); break;
    case S_CANCEL:
    case S_REPLAY: break;
    }
}

//  -- Who sends what

void
sim_clients_open(sim_t *self)
{
    sim_dice_t *dice = &self->dice;
    self->note_count = (size_t) sim_dice_between(dice, 6, SIM_NOTE_MAX);
    bool letters = false;
    for (size_t i = 0; i < self->note_count; i++) {
        sim_note_t *note = &self->notes[i];
        note->tenant = sim_dice_below(dice, SIM_TENANT_COUNT);
        note->gateway = sim_dice_below(dice, 2);
        note->token = sim_dice(dice);
        note->size = sim_dice_odds(dice, 50) ? 20000 : (size_t) sim_dice_between(dice, 1, 400);
        note->at_most_once = sim_dice_odds(dice, 100);
        note->expires = sim_dice_odds(dice, 50);
        note->by_user = sim_dice_odds(dice, 350);
        note->refused = sim_dice_odds(dice, 80);
        letters |= note->refused;
        snprintf(note->key, sizeof note->key, "key-%zu", i);
        int64_t at_ms = sim_dice_between(dice, 0, self->heal_ms - 200);
        if (sim_dice_odds(dice, 60))
            note->cancel_ms = at_ms + sim_dice_between(dice, 1, 1500);
        sim_at(self, at_ms, (sim_event_t){ .run = s_on_client, .to = i });
    }
    if (letters)
        sim_at(self, OPERATOR_MS, (sim_event_t){ .run = s_on_operator });
}
