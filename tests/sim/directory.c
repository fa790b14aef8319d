#include "tests/sim/sim.h"

#include <sodium.h>

#include "wire/writer.h"

enum {
    PUBLISH_MS = 400,    //  Between two tries of the operator
    PATIENCE_MS = 3000,  //  How long he waits for an actor that is to go by another key
    REBIND_MS = 300,     //  From a new key to sockets bound by it, as in the loop of an actor ...
    CALL_MS = 5000,      //  ... and to calling by it
    MOVE_ODDS = 60,      //  Per mille of the starts after which an actor is found elsewhere
};

//  What a lie is known by.
static const char FORGED[] = "forged", STRANGER[] = "stranger-1";

//  -- Each its own

//  A lobby is where newcomers look, so it stays.
static void
s_move(sim_host_t *host)
{
    const nm_mesh_actor_t *entry = host->seat->entry;
    struct {
        char *to;
        const char *from;
    } places[] = { { host->place.mailbox, entry->mailbox },
                   { host->place.desk, entry->desk },
                   { host->place.door, entry->door } };
    if (entry->lobby[0] || !sim_dice_odds(&host->sim->dice, MOVE_ODDS))
        return;
    host->moves = host->moves % 200 + 1;
    for (size_t i = 0; i < NM_COUNT(places); i++)
        if (places[i].from[0])
            snprintf(places[i].to, NM_ENDPOINT_MAX, "tcp://127.0.0.%u%s", 1 + host->moves,
                     strrchr(places[i].from, ':'));
    sim_say(host->sim, "%s moves to %s", host->seat->entry->name, host->place.mailbox);
}

nm_directory_t *
sim_directory_open(sim_host_t *host, nm_now_t now)
{
    nm_error_t error = { .text = "" };
    const sim_seat_t *seat = host->seat;
    nm_directory_t *directory = nm_directory_new(seat->mesh, now.wall_ms, &error);
    if (!directory) {
        sim_fault(host->sim, "directory", "%s has none: %s", seat->entry->name, error.text);
        return NULL;
    }
    if (host->life > 1)
        s_move(host);
    host->own = host->bound = host->calls = host->cert;
    nm_directory_own_t own = { .actor = &host->place,
                               .cert = sim_directory_cert(host),
                               .store = *nm_store_id(host->store),
                               .epoch = nm_store_epoch(host->store) };
    if (nm_directory_enter(directory, &own) != NM_OK)
        sim_fault(host->sim, "directory", "%s cannot speak", seat->entry->name);
    return directory;
}

const nm_cert_t *
sim_directory_cert(const sim_host_t *host)
{
    return &host->seat->certs[host->own];
}

//  -- What stands for handshakes

bool
sim_directory_reaches(const sim_host_t *host, const nm_output_t *output, const sim_host_t *to)
{
    const nm_peer_t *peer = output->peer;
    const char *called = output->kind == NM_OUT_FRAME ? peer->actor.mailbox
                         : output->kind == NM_OUT_ASK ? peer->actor.desk
                                                      : peer->actor.lobby;
    const char *bound = output->kind == NM_OUT_FRAME ? to->place.mailbox
                        : output->kind == NM_OUT_ASK ? to->place.desk
                                                     : to->place.lobby;
    if (!host->sim->gossips)
        return true;
    return peer->certified && strcmp(called, bound) == 0 &&
           memcmp(peer->cert.public_key, to->seat->certs[to->bound].public_key, NM_CURVE_KEY_SIZE) == 0;
}

const uint8_t *
sim_directory_calls_by(const sim_host_t *host)
{
    return host->seat->certs[host->calls].public_key;
}

bool
sim_directory_admits(const sim_host_t *to, const sim_host_t *from)
{
    if (!to->sim->gossips)
        return true;
    return nm_directory_admit(to->directory, sim_directory_calls_by(from), to->clock.last.wall_ms, NULL);
}

//  -- The operator, who says what the authority states to any actor that listens

static sim_host_t *
s_draw_listener(sim_t *self)
{
    sim_host_t *host = &self->hosts[sim_dice_below(&self->dice, self->host_count)];
    bool in = !sim_directory_is_revoked(host) && !host->forgotten;
    return host->actor && in ? host : NULL;
}

static void
s_publish(sim_t *self, size_t number)
{
    sim_host_t *host = s_draw_listener(self);
    sim_ask_t ask = { .op = "directory.publish", .body = nm_buf_bytes(&self->statements[number].news) };
    sim_input_t input = { .input = { .kind = NM_IN_ASK,
                                     .peer = "operator",
                                     .role = NM_ROLE_OPERATOR,
                                     .caller = { .socket = SIM_FROM_DOOR, .route_size = 1 } } };
    if (!host || sim_dice_odds(&self->dice, self->client_loss))
        return;
    ask.id = sim_client_publish_id(self, number, host->index);
    sim_ask_pack(&ask, &input.bytes);
    sim_host_give(host, &input);
}

static void
s_on_publish(sim_t *self, sim_event_t *event)
{
    if (!self->statements[event->number].heard)
        s_publish(self, event->number);
    sim_at(self, self->now_ms + PUBLISH_MS, (sim_event_t){ .run = s_on_publish, .number = event->number });
}

void
sim_directory_published(sim_t *self, size_t number, size_t host)
{
    sim_statement_t *statement = &self->statements[number];
    sim_say(self, "%s has heard statement %zu", self->hosts[host].seat->entry->name, number);
    statement->heard = true;
    statement->heard_by = host;
    self->settled = false;
}

void
sim_directory_unheard(sim_host_t *host)
{
    sim_t *self = host->sim;
    for (size_t i = 0; i < self->statement_count; i++)
        if (self->statements[i].heard_by == host->index)
            self->statements[i].heard = false;
}

static void
s_state(sim_t *self, const nm_stated_t *stated)
{
    sim_statement_t *statement = &self->statements[self->statement_count];
    nm_writer_map(&statement->news, 1);
    nm_writer_uint(&statement->news, 2);
    nm_writer_list(&statement->news, 1);
    sim_authority_state(&self->ground->authority, stated, &statement->news);
    self->tally->statements++;
    sim_at(self, self->now_ms, (sim_event_t){ .run = s_on_publish, .number = self->statement_count++ });
}

//  -- Revoked, and given another certificate later

bool
sim_directory_is_revoked(const sim_host_t *host)
{
    return (host->actor ? host->own : host->cert) < host->revoked;
}

static void
s_on_renew(sim_t *self, sim_event_t *event)
{
    sim_host_t *host = &self->hosts[event->to];
    if (event->kind && host->actor)
        sim_fault(self, "directory", "%s was revoked long ago and is still there", host->seat->entry->name);
    if (host->actor)
        sim_host_crash(host, 1);
    host->cert = host->revoked;
    sim_say(self, "%s gets another certificate", host->seat->entry->name);
    sim_host_start(host);
}

//  The first of its certificates is dead.
static void
s_state_revoked(sim_host_t *host)
{
    sim_t *self = host->sim;
    const nm_cert_t *cert = &host->seat->certs[0];
    nm_stated_t stated = { .kind = NM_STATED_REVOKE, .at_ms = SIM_START_MS + self->now_ms };
    memcpy(stated.name, cert->name, sizeof stated.name);
    memcpy(stated.serial, cert->serial, sizeof stated.serial);
    host->revoked = 1;
    s_state(self, &stated);
}

//  Whoever goes by a key that nobody knows has to find one lobby under a key that it knows.
static bool
s_is_last_lobby(const sim_host_t *host)
{
    const sim_t *self = host->sim;
    if (self->losses)
        return host->place.lobby[0];
    for (size_t i = 0; i < self->host_count; i++)
        if (&self->hosts[i] != host && self->hosts[i].place.lobby[0] && !self->hosts[i].revoked &&
            !self->hosts[i].renewed)
            return false;
    return host->place.lobby[0];
}

void
sim_directory_revoke(sim_host_t *host)
{
    enum { SOON_MS = 3000, LATE_MS = 25000, LATE_ODDS = 250 };
    sim_t *self = host->sim;
    if (!self->gossips || !host->present || host->revoked || host->renewed ||
        self->statement_count + self->losses >= SIM_STATEMENT_MAX || s_is_last_lobby(host))
        return;
    sim_say(self, "%s is revoked", host->seat->entry->name);
    sim_directory_unheard(host);
    s_state_revoked(host);
    bool late = sim_dice_odds(&self->dice, LATE_ODDS);
    int64_t at_ms =
        late ? self->heal_ms + LATE_MS : self->now_ms + sim_dice_between(&self->dice, SOON_MS / 10, SOON_MS);
    sim_at(self, at_ms, (sim_event_t){ .run = s_on_renew, .to = host->index, .kind = late });
}

//  -- Renewed, with an overlap

static sim_host_t *
s_event_host(sim_t *self, const sim_event_t *event)
{
    sim_host_t *host = &self->hosts[event->to];
    return host->actor && host->life == event->number ? host : NULL;
}

static void
s_on_bind(sim_t *self, sim_event_t *event)
{
    sim_host_t *host = s_event_host(self, event);
    if (!host)
        return;
    host->bound = host->own;
    sim_net_rebind(self, host->index);
}

static void
s_on_call(sim_t *self, sim_event_t *event)
{
    sim_host_t *host = s_event_host(self, event);
    if (!host)
        return;
    host->calls = host->own;
    sim_net_forget(self, host->index);
}

//  What the loop of an actor does when that goes by a new key: binds its sockets anew, and later calls by it.
static void
s_follow_key(sim_host_t *host)
{
    sim_t *self = host->sim;
    sim_event_t event = { .run = s_on_bind, .to = host->index, .number = host->life };
    if (host->own == 1 || strcmp(nm_directory_own(host->directory)->serial, host->seat->certs[0].serial) == 0)
        return;
    sim_say(self, "%s goes by another key", host->seat->entry->name);
    self->tally->renewals++;
    self->settled = false;
    host->own = 1;
    sim_at(self, self->now_ms + REBIND_MS, event);
    event.run = s_on_call;
    sim_at(self, self->now_ms + CALL_MS, event);
}

//  The old certificate is ended once the actor goes by the new one. One that did not hear so is started again before.
static void
s_on_end_old(sim_t *self, sim_event_t *event)
{
    enum { AGAIN_MS = 1000 };
    sim_host_t *host = &self->hosts[event->to];
    if (host->gone || host->forgotten || self->statement_count + self->losses >= SIM_STATEMENT_MAX)
        return;
    if (host->actor && host->own == 1) {
        sim_say(self, "the old certificate of %s is revoked", host->seat->entry->name);
        s_state_revoked(host);
        return;
    }
    sim_host_leave(host);
    sim_at(self, self->now_ms + AGAIN_MS, *event);
}

//  The new pair takes the old one's place on its machine, whether it was there to hear of it or not.
static void
s_take_place(sim_host_t *host)
{
    enum { SOON_MS = 8000, ENDS_ODDS = 600 };
    sim_t *self = host->sim;
    if (host->cert == 1)
        return;
    host->cert = 1;
    if (sim_dice_odds(&self->dice, ENDS_ODDS))
        sim_at(self, self->now_ms + sim_dice_between(&self->dice, 0, SOON_MS),
               (sim_event_t){ .run = s_on_end_old, .to = host->index });
}

static void
s_on_no_answer(sim_t *self, sim_event_t *event)
{
    s_take_place(&self->hosts[event->to]);
}

void
sim_directory_renewed(sim_host_t *host, unsigned status)
{
    if (status == 200)
        s_take_place(host);
    else if (status != 507 && status != 503)
        sim_fault(host->sim, "directory", "%s does not take its new key: %u", host->seat->entry->name, status);
}

void
sim_directory_renew(sim_host_t *host)
{
    sim_t *self = host->sim;
    sim_ask_t ask = { .op = "directory.renew" };
    sim_input_t input = { .input = { .kind = NM_IN_ASK,
                                     .peer = "operator",
                                     .role = NM_ROLE_OPERATOR,
                                     .caller = { .socket = SIM_FROM_DOOR, .route_size = 1 } } };
    if (!self->gossips || !host->actor || host->renewed || host->revoked || host->forgotten || s_is_last_lobby(host))
        return;
    sim_say(self, "%s is told to go by another key", host->seat->entry->name);
    host->renewed = true;
    ask.id = sim_client_renew_id(self, host->index);
    sim_ask_pack(&ask, &input.bytes);
    sim_host_give(host, &input);
    sim_at(self, self->now_ms + PATIENCE_MS, (sim_event_t){ .run = s_on_no_answer, .to = host->index });
}

//  -- Forgotten

void
sim_directory_forget(sim_host_t *host)
{
    sim_t *self = host->sim;
    nm_stated_t stated = { .kind = NM_STATED_FORGET, .at_ms = SIM_START_MS + self->now_ms };
    sim_say(self, "%s is forgotten", host->seat->entry->name);
    sim_directory_unheard(host);
    memcpy(stated.name, host->seat->certs[0].name, sizeof stated.name);
    s_state(self, &stated);
}

//  -- Lies

//  The last word of an actor, with other things in it: it has another signature than this says.
static void
s_forge_member(const sim_host_t *victim, nm_buf_t *out)
{
    nm_buf_t own = { 0 }, body = { 0 };
    nm_signed_t said;
    nm_member_t member;
    if (nm_gossip_write_own(nm_directory_gossip(victim->directory), &own) == NM_OK &&
        nm_record_decode(&nm_signed_shape, &said, nm_buf_bytes(&own), NULL, "") == NM_OK &&
        nm_record_decode(&nm_member_shape, &member, said.body, NULL, "") == NM_OK) {
        NM_PUT(&member, member, stamp, member.stamp + 100);
        NM_PUT(&member, member, expires_at, member.expires_at + 100);
        NM_PUT(&member, member, version, nm_text(FORGED));
        nm_record_encode(&nm_member_shape, &member, NM_BY_TAG, &body);
        NM_PUT(&said, signed, body, nm_buf_bytes(&body));
        nm_record_encode(&nm_signed_shape, &said, NM_BY_TAG, out);
    }
    nm_buf_free(&own);
    nm_buf_free(&body);
}

//  Somebody with a certificate of an authority of his own, who signs what he says.
static void
s_forge_stranger(const sim_authority_t *authority, nm_buf_t *out)
{
    nm_cert_t cert;
    nm_buf_t packed = { 0 };
    nm_member_t member = { .has = 0 };
    nm_gossip_t *gossip = nm_gossip_new(authority->public_key, 0, NULL);
    uint8_t secret[NM_SIGN_SECRET_SIZE];
    bool news;
    sim_authority_certify(authority, STRANGER, NM_ROLE_EMAIL, &cert);
    nm_cert_sign_secret(&cert, secret);
    nm_cert_to_record(&cert, &packed);
    NM_PUT(&member, member, certificate, nm_buf_bytes(&packed));
    NM_PUT(&member, member, expires_at, 60000);
    NM_PUT(&member, member, host, nm_text("far"));
    NM_PUT(&member, member, mailbox, nm_text("tcp://127.0.0.1:9000"));
    NM_PUT(&member, member, desk, nm_text("tcp://127.0.0.1:9001"));
    NM_PUT(&member, member, store, (nm_id_t){ .at = { 1 } });
    NM_PUT(&member, member, epoch, 1);
    NM_PUT(&member, member, version, nm_text(FORGED));
    nm_gossip_say(gossip, &member, secret, (nm_now_t){ SIM_START_MS, 1 }, &news);
    nm_gossip_write_own(gossip, out);
    nm_gossip_destroy(&gossip);
    nm_buf_free(&packed);
}

static void
s_pack_lies(const sim_host_t *victim, nm_buf_t *out)
{
    sim_authority_t authority;
    const nm_cert_t *cert = sim_directory_cert(victim);
    nm_stated_t stated = { .kind = NM_STATED_REVOKE, .at_ms = SIM_START_MS };
    sim_authority_make(&authority);
    memcpy(stated.name, cert->name, sizeof stated.name);
    memcpy(stated.serial, cert->serial, sizeof stated.serial);
    nm_writer_map(out, 2);
    nm_writer_uint(out, 1);
    nm_writer_list(out, 2);
    s_forge_member(victim, out);
    s_forge_stranger(&authority, out);
    nm_writer_uint(out, 2);
    nm_writer_list(out, 1);
    sim_authority_state(&authority, &stated, out);
}

void
sim_directory_lie(sim_host_t *liar, sim_host_t *to)
{
    sim_t *self = liar->sim;
    const sim_host_t *victim = s_draw_listener(self);
    nm_buf_t lies = { 0 };
    sim_ask_t ask = { .id = UINT64_MAX, .op = "directory.push" };
    sim_input_t input = { .input = { .kind = NM_IN_ASK,
                                     .peer = liar->seat->entry->name,
                                     .role = liar->seat->role->id,
                                     .caller = { .socket = SIM_FROM_DESK, .route_size = SIM_ROUTE_SIZE } } };
    if (!self->gossips || !to->actor || !victim || victim == to)
        return;
    sim_say(self, "%s lies to %s about %s", liar->seat->entry->name, to->seat->entry->name, victim->seat->entry->name);
    input.input.caller.route[0] = (uint8_t) liar->index;
    s_pack_lies(victim, &lies);
    ask.body = nm_buf_bytes(&lies);
    sim_ask_pack(&ask, &input.bytes);
    sim_host_give(to, &input);
    nm_buf_free(&lies);
    self->tally->lies++;
}

//  -- What must hold

void
sim_directory_check(sim_host_t *host)
{
    const nm_peer_t *peers[2 * SIM_SEAT_MAX];
    sim_t *self = host->sim;
    if (!self->gossips)
        return;
    s_follow_key(host);
    size_t count = nm_directory_list(host->directory, NM_ROLE_NONE, peers, NM_COUNT(peers));
    for (size_t i = 0; i < count && i < NM_COUNT(peers); i++)
        if (strcmp(peers[i]->version, FORGED) == 0)
            sim_fault(self, "directory", "%s believes of %s what that never said", host->seat->entry->name,
                      peers[i]->actor.name);
    if (nm_statements_count(nm_gossip_statements(nm_directory_gossip(host->directory))) > self->statement_count)
        sim_fault(self, "directory", "%s believes what the authority never stated", host->seat->entry->name);
}

//  Does a know b as it is now, and by nothing that is over?
static bool
s_knows(const sim_host_t *a, const sim_host_t *b)
{
    const nm_peer_t *peer = nm_directory_find(a->directory, b->seat->entry->name);
    if (b->revoked && nm_directory_admit(a->directory, b->seat->certs[0].public_key, a->clock.last.wall_ms, NULL))
        return false;
    return peer && peer->heard && peer->certified && peer->life == NM_LIFE_ALIVE && !peer->leaving &&
           peer->epoch == nm_store_epoch(b->store) && nm_id_equal(&peer->store, nm_store_id(b->store)) &&
           strcmp(peer->actor.mailbox, b->place.mailbox) == 0 && strcmp(peer->actor.desk, b->place.desk) == 0 &&
           strcmp(peer->cert.serial, sim_directory_cert(b)->serial) == 0;
}

//  It left with a word, and that word runs out.
static bool
s_sees_gone(const sim_host_t *a, const sim_host_t *b)
{
    const nm_peer_t *peer = nm_directory_find(a->directory, b->seat->entry->name);
    return !peer || (b->forgotten ? peer->forgotten : !peer->heard || peer->life == NM_LIFE_GONE);
}

bool
sim_directory_all_see_gone(const sim_host_t *host)
{
    const sim_t *self = host->sim;
    for (size_t i = 0; i < self->host_count; i++) {
        const sim_host_t *other = &self->hosts[i];
        if (other->present && !(other->actor && s_sees_gone(other, host)))
            return false;
    }
    return true;
}

bool
sim_directory_is_settled(sim_t *self, char why[160])
{
    for (size_t i = 0; self->gossips && i < self->host_count; i++)
        if (self->hosts[i].present && !self->hosts[i].actor) {
            self->up_ms = self->now_ms;
            self->settled = false;
            return false;
        }
    for (size_t i = 0; self->gossips && i < self->host_count; i++)
        if (self->hosts[i].present && self->hosts[i].calls != self->hosts[i].own) {
            snprintf(why, 160, "%s does not call by its new key", self->hosts[i].seat->entry->name);
            return false;
        }
    for (size_t i = 0; self->gossips && i < self->host_count; i++)
        for (size_t j = 0; j < self->host_count; j++) {
            const sim_host_t *a = &self->hosts[i], *b = &self->hosts[j];
            if (i == j || !a->present || a->forgotten || !(b->gone || b->present) ||
                (b->gone ? s_sees_gone(a, b) : s_knows(a, b)))
                continue;
            snprintf(why, 160, "%s does not know %s as it is", a->seat->entry->name, b->seat->entry->name);
            return false;
        }
    return true;
}
