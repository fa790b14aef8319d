#include "broker/actor_private.h"

#include "broker/log.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum {
    S_TICK_MS = 500,
    S_SYNC_MS = 1000,          //  Between two exchanges of one who is new
    S_SETTLED_MS = 60000,      //  Who is not any more ...
    S_SETTLED_SYNC_MS = 2000,  //  ... takes it easier: news are told at once, and each exchange is a handshake
    S_PUSH_PAUSE_MS = 50,
    S_ASK_MS = 2000,  //  An answer that takes longer is of no use
    S_ALL_COUNT = 8,  //  So few are all told news; of more, some
    S_SOME_COUNT = 4,
    S_ALONE_SYNCS = 2,  //  Without any answer to so many exchanges, it knocks at a lobby
    S_KNOCK_MOST_MS = 15000,
    S_DAY_MS = 24 * 60 * 60 * 1000,
};

//  Which of our asks a reply is for.
typedef enum { S_ASKED_SYNC = 1, S_ASKED_PUSH } s_asked_t;

void
nm_exchange_start(nm_actor_t *self, nm_directory_t *directory, nm_now_t now)
{
    self->exchange =
        (nm_exchange_t){ .directory = directory,
                         .beat_at_ms = INT64_MIN,
                         //  One that the mesh file does not have is not known to most: it knocks at once
                         .began_ms = now.mono_ms,
                         .answered_ms = now.mono_ms - (self->setup.self->local ? S_ALONE_SYNCS * S_SYNC_MS : 0),
                         .knock_pause_ms = NM_KNOCK_PAUSE_MS,
                         .warned_days = UINT32_MAX };
}

nm_rc_t
nm_exchange_load(nm_actor_t *self, nm_txn_t *txn)
{
    if (!self->exchange.directory || self->exchange.loaded)
        return NM_OK;
    nm_rc_t rc = nm_directory_load(self->exchange.directory, txn, self->turn.now);
    self->exchange.loaded = rc == NM_OK;
    return rc;
}

void
nm_exchange_committed(nm_actor_t *self)
{
    if (self->exchange.directory)
        nm_directory_saved(self->exchange.directory);
}

int64_t
nm_exchange_wake(const nm_actor_t *self)
{
    const nm_exchange_t *exchange = &self->exchange;
    if (!exchange->directory)
        return INT64_MAX;
    int64_t wake_ms = exchange->sync_at_ms < exchange->tick_at_ms ? exchange->sync_at_ms : exchange->tick_at_ms;
    if (exchange->push_wake_ms < wake_ms)
        wake_ms = exchange->push_wake_ms;
    return exchange->beat_at_ms < wake_ms ? exchange->beat_at_ms : wake_ms;
}

//  -- Whom to tell and to ask

bool
nm_exchange_is_partner(const nm_actor_t *self, const nm_peer_t *peer)
{
    return peer->certified && !peer->forgotten && !peer->leaving &&
           strcmp(peer->actor.name, self->setup.self->name) != 0;
}

//  Somebody at random: one that speaks, if such are found soon; now and then anybody, so that halves of a mesh that
//  were cut from each other meet again.
static const nm_peer_t *
s_partner(nm_actor_t *self)
{
    enum { TRIES = 16, ANYBODY = 4 };
    const nm_peer_t *otherwise = NULL;
    bool anybody = nm_actor_random(self) % ANYBODY == 0;
    for (int i = 0; self->peer_count && i < TRIES; i++) {
        const nm_peer_t *peer = self->peers[nm_actor_random(self) % self->peer_count];
        if (!nm_exchange_is_partner(self, peer))
            continue;
        if (anybody || (peer->heard && peer->life == NM_LIFE_ALIVE))
            return peer;
        otherwise = peer;
    }
    return otherwise;
}

static void
s_ask(nm_actor_t *self, const nm_peer_t *peer, const char *op, const nm_buf_t *body, s_asked_t token)
{
    const nm_ask_out_t ask = { .op = op, .body = nm_buf_bytes(body), .timeout_ms = S_ASK_MS, .token = token };
    nm_desk_ask(self, peer, &ask, NM_ASKER_EXCHANGE);
}

static void
s_push(nm_actor_t *self, const nm_peer_t *peer, const nm_buf_t *news)
{
    s_ask(self, peer, "directory.push", news, S_ASKED_PUSH);
}

static void
s_push_to_all(nm_actor_t *self, const nm_buf_t *news)
{
    for (size_t i = 0; i < self->peer_count; i++)
        if (nm_exchange_is_partner(self, self->peers[i]))
            s_push(self, self->peers[i], news);
}

static void
s_push_news(nm_actor_t *self)
{
    nm_buf_t news = { 0 };
    if (!nm_gossip_write_news(nm_directory_gossip(self->exchange.directory), &news))
        return;
    if (self->peer_count <= S_ALL_COUNT)
        s_push_to_all(self, &news);
    for (int i = 0; self->peer_count > S_ALL_COUNT && i < S_SOME_COUNT; i++) {
        const nm_peer_t *peer = s_partner(self);
        if (peer)
            s_push(self, peer, &news);
    }
    nm_buf_free(&news);
}

void
nm_exchange_sync_with(nm_actor_t *self, const nm_peer_t *peer)
{
    nm_buf_t sync = { 0 };
    nm_gossip_write_sync(nm_directory_gossip(self->exchange.directory), &sync);
    s_ask(self, peer, "directory.sync", &sync, S_ASKED_SYNC);
    nm_buf_free(&sync);
}

//  -- What comes

//  Takes all that news bring. Returns how many statements were new; the last that was not believed is in error.
size_t
nm_exchange_take_news(nm_actor_t *self, const nm_updates_t *news, nm_error_t *error)
{
    nm_directory_t *directory = self->exchange.directory;
    nm_list_t list;
    nm_bytes_t raw;
    size_t taken = 0;
    //  Statements first, so that what they end is not taken in
    if (NM_HAS(news, updates, statements) && nm_list_open(&list, news->statements) == NM_OK)
        while (nm_list_next(&list, &raw) == NM_OK) {
            nm_statement_t statement;
            if (nm_record_decode(&nm_statement_shape, &statement, raw, NULL, "") == NM_OK)
                taken += nm_directory_hear(directory, &statement, self->turn.now, error) == NM_OK;
        }
    if (NM_HAS(news, updates, members) && nm_list_open(&list, news->members) == NM_OK)
        while (nm_list_next(&list, &raw) == NM_OK) {
            nm_signed_t member;
            nm_error_t why = { "" };
            if (nm_record_decode(&nm_signed_shape, &member, raw, NULL, "") == NM_OK &&
                nm_directory_learn(directory, &member, self->turn.now, &why) == NM_ERR_FULL)
                nm_log(NM_LOG_ERROR, "member_refused", "%s", why.text);
        }
    return taken;
}

static void
s_answer_sync(nm_actor_t *self, const nm_ask_in_t *ask)
{
    nm_sync_t sync;
    nm_buf_t news = { 0 };
    if (nm_record_decode(&nm_sync_shape, &sync, ask->body, NULL, "") == NM_OK &&
        nm_gossip_answer(nm_directory_gossip(self->exchange.directory), &sync, &news) == NM_OK)
        nm_turn_reply(&self->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&news));
    else
        nm_turn_problem(&self->turn, &ask->caller, 400, nm_bytes(NULL, 0), NULL, "This is no sync.");
    nm_buf_free(&news);
}

static void
s_answer_push(nm_actor_t *self, const nm_ask_in_t *ask)
{
    nm_updates_t news;
    if (nm_record_decode(&nm_updates_shape, &news, ask->body, NULL, "") != NM_OK) {
        nm_turn_problem(&self->turn, &ask->caller, 400, nm_bytes(NULL, 0), NULL, "These are no news.");
        return;
    }
    nm_exchange_take_news(self, &news, NULL);
    nm_turn_reply(&self->turn, &ask->caller, 204, nm_bytes(NULL, 0), nm_bytes(NULL, 0));
}

//  An operator's statements. To publish again what is known is no fault.
static void
s_answer_publish(nm_actor_t *self, const nm_ask_in_t *ask)
{
    nm_updates_t news;
    nm_error_t error = { "there is no statement in this ask" };
    nm_buf_t body = { 0 };
    bool read =
        nm_record_decode(&nm_updates_shape, &news, ask->body, NULL, "") == NM_OK && NM_HAS(&news, updates, statements);
    if (read)
        error.text[0] = 0;
    size_t taken = read ? nm_exchange_take_news(self, &news, &error) : 0;
    if (!taken && error.text[0] && strcmp(error.text, "the statement is known already") != 0) {
        nm_turn_problem(&self->turn, &ask->caller, 422, nm_bytes(NULL, 0), NULL, "Nothing was taken: %s.", error.text);
        return;
    }
    nm_writer_map(&body, 1);
    nm_writer_pair_uint(&body, "taken", taken);
    nm_turn_reply(&self->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
}

const char *
nm_exchange_membership(const nm_peer_t *peer)
{
    return peer->forgotten    ? "forgotten"
           : !peer->certified ? "uncertified"
           : peer->leaving    ? "left"
           : peer->draining   ? "draining"
                              : "in";
}

static void
s_write_peer(const nm_peer_t *peer, nm_buf_t *out)
{
    const nm_mesh_actor_t *actor = &peer->actor;
    nm_writer_map(out, 16);
    nm_writer_pair_text(out, "name", actor->name);
    nm_writer_pair_text(out, "role", nm_role_text(actor->role));
    nm_writer_pair_uint(out, "number", actor->number);
    nm_writer_pair_text(out, "host", actor->host);
    nm_writer_pair_text(out, "mailbox", actor->mailbox);
    nm_writer_pair_text(out, "desk", actor->desk);
    nm_writer_pair_text(out, "door", actor->door);
    nm_writer_pair_text(out, "lobby", actor->lobby);
    nm_writer_pair_text(out, "life", !peer->heard ? "unheard" : nm_life_text(peer->life));
    nm_writer_pair_text(out, "state", nm_exchange_membership(peer));
    nm_writer_pair_text(out, "version", peer->version);
    nm_writer_pair_uint(out, "epoch", peer->epoch);
    nm_writer_pair_id(out, "store", &peer->store);
    nm_writer_pair_text(out, "serial", peer->certified ? peer->cert.serial : "");
    nm_writer_pair_text(out, "public_key", peer->certified ? peer->cert.public_text : "");
    nm_writer_pair_time(out, "not_after", peer->certified ? peer->cert.not_after_ms : 0);
}

static void
s_answer_list(nm_actor_t *self, const nm_ask_in_t *ask)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_uint(&body, "statements",
                        nm_statements_count(nm_gossip_statements(nm_directory_gossip(self->exchange.directory))));
    nm_writer_text(&body, "members");
    nm_writer_list(&body, self->peer_count);
    for (size_t i = 0; i < self->peer_count; i++)
        s_write_peer(self->peers[i], &body);
    nm_turn_reply(&self->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
}

static void
s_answer_renew(nm_actor_t *self, const nm_ask_in_t *ask)
{
    nm_error_t error = { "" };
    nm_rc_t rc = nm_directory_renew(self->exchange.directory, self->turn.now, &error);
    if (rc != NM_OK && rc != NM_ERR_DUPLICATE) {
        nm_turn_problem(&self->turn, &ask->caller, 422, nm_bytes(NULL, 0), NULL, "The key stays as it is: %s.",
                        error.text);
        return;
    }
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 1);
    nm_writer_pair_text(&body, "serial", nm_directory_own(self->exchange.directory)->serial);
    nm_turn_reply(&self->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
    self->exchange.beat_at_ms = INT64_MIN;
}

bool
nm_exchange_ask(nm_actor_t *self, const nm_ask_in_t *ask)
{
    static const struct {
        const char *op;
        void (*answer)(nm_actor_t *self, const nm_ask_in_t *ask);
    } OPS[] = {
        { "directory.sync", s_answer_sync },       { "directory.push", s_answer_push },
        { "directory.publish", s_answer_publish }, { "directory.list", s_answer_list },
        { "directory.renew", s_answer_renew },
    };
    for (size_t i = 0; self->exchange.directory && i < NM_COUNT(OPS); i++)
        if (nm_bytes_is(ask->op, OPS[i].op)) {
            OPS[i].answer(self, ask);
            return true;
        }
    return false;
}

void
nm_exchange_reply(nm_actor_t *self, const nm_reply_in_t *reply)
{
    nm_updates_t news;
    if (reply->status == 503 || reply->status == 504)
        return;
    //  Whatever it says: it has let us in
    self->exchange.answered_ms = self->turn.now.mono_ms;
    self->exchange.knock_pause_ms = NM_KNOCK_PAUSE_MS;
    if (reply->status != 200 || reply->token != S_ASKED_SYNC ||
        nm_record_decode(&nm_updates_shape, &news, reply->body, NULL, "") != NM_OK)
        return;
    const nm_peer_t *peer = nm_directory_find(self->exchange.directory, reply->peer);
    nm_buf_t wanted = { 0 };
    nm_exchange_take_news(self, &news, NULL);
    if (nm_gossip_write_wanted(nm_directory_gossip(self->exchange.directory), &news, &wanted))
        s_push(self, peer, &wanted);
    if (NM_HAS(&news, updates, more))
        nm_exchange_sync_with(self, peer);
    nm_buf_free(&wanted);
}

//  -- Each turn

//  People are told thirty, seven and one day before the own certificate ends.
static void
s_warn(nm_actor_t *self)
{
    static const unsigned DAYS[] = { 1, 7, 30 };
    const nm_cert_t *cert = nm_directory_own(self->exchange.directory);
    int64_t left_ms = cert ? cert->not_after_ms - self->turn.now.wall_ms : INT64_MAX;
    unsigned step = UINT32_MAX;
    for (size_t i = 0; i < NM_COUNT(DAYS) && step == UINT32_MAX; i++)
        if (left_ms <= (int64_t) DAYS[i] * S_DAY_MS)
            step = DAYS[i];
    if (step < self->exchange.warned_days)
        nm_log(step == 1 ? NM_LOG_ERROR : NM_LOG_WARNING, "certificate_ends",
               "The certificate of this actor ends in %lld hours; renew it: nctl cert renew %s",
               (long long) (left_ms / 3600000), cert->name);
    self->exchange.warned_days = step;
}

static void
s_tick(nm_actor_t *self)
{
    nm_error_t error = { "" };
    nm_directory_tick(self->exchange.directory, self->turn.now);
    s_warn(self);
    if (nm_directory_is_out(self->exchange.directory, &error) && !self->exit_code) {
        nm_log(NM_LOG_CRITICAL, "out", "This actor has to leave the mesh: %s.", error.text);
        self->exit_code = NM_ACTOR_EXIT_OUT;
    }
}

static int64_t
s_pause_ms(const nm_actor_t *self)
{
    return self->turn.now.mono_ms - self->exchange.began_ms < S_SETTLED_MS ? S_SYNC_MS : S_SETTLED_SYNC_MS;
}

//  Nobody has answered for a while: nobody knows this actor, or nobody is there.
static void
s_knock_if_alone(nm_actor_t *self)
{
    nm_exchange_t *exchange = &self->exchange;
    int64_t mono_ms = self->turn.now.mono_ms;
    if (mono_ms - exchange->answered_ms < S_ALONE_SYNCS * s_pause_ms(self) || mono_ms < exchange->knock_at_ms ||
        (self->leaving && !self->draining))
        return;
    nm_lobby_knock(self);
    exchange->knock_at_ms = mono_ms + exchange->knock_pause_ms;
    exchange->knock_pause_ms *= 2;
    if (exchange->knock_pause_ms > S_KNOCK_MOST_MS)
        exchange->knock_pause_ms = S_KNOCK_MOST_MS;
}

static void
s_sync(nm_actor_t *self)
{
    const nm_peer_t *peer = s_partner(self);
    //  A little early or late, so that many who started together do not go on together
    int64_t pause_ms = s_pause_ms(self);
    self->exchange.sync_at_ms =
        self->turn.now.mono_ms + pause_ms * 3 / 4 + (int64_t) (nm_actor_random(self) % ((uint64_t) pause_ms / 2));
    if (peer)
        nm_exchange_sync_with(self, peer);
    s_knock_if_alone(self);
}

nm_rc_t
nm_exchange_run(nm_actor_t *self)
{
    nm_exchange_t *exchange = &self->exchange;
    int64_t mono_ms = self->turn.now.mono_ms;
    if (!exchange->directory)
        return NM_OK;
    if (mono_ms >= exchange->tick_at_ms) {
        exchange->tick_at_ms = mono_ms + S_TICK_MS;
        s_tick(self);
    }
    exchange->beat_at_ms = nm_directory_beat(exchange->directory, self->turn.now);
    if (mono_ms >= exchange->push_at_ms && nm_gossip_has_news(nm_directory_gossip(exchange->directory))) {
        exchange->push_at_ms = mono_ms + S_PUSH_PAUSE_MS;
        s_push_news(self);
    }
    if (mono_ms >= exchange->sync_at_ms)
        s_sync(self);
    bool news = nm_gossip_has_news(nm_directory_gossip(exchange->directory));
    exchange->push_wake_ms = news ? exchange->push_at_ms : INT64_MAX;
    //  What others said is no reason to keep a store that is nearly full from draining. Who publishes a statement
    //  is told that it is kept.
    return self->room.tight ? nm_directory_save_statements(exchange->directory, self->turn.txn)
                            : nm_directory_save(exchange->directory, self->turn.txn);
}

void
nm_exchange_write_status(const nm_actor_t *self, nm_buf_t *out)
{
    size_t heard = 0, alive = 0;
    const nm_cert_t *cert = self->exchange.directory ? nm_directory_own(self->exchange.directory) : NULL;
    for (size_t i = 0; i < self->peer_count; i++) {
        heard += self->peers[i]->heard;
        alive += self->peers[i]->heard && self->peers[i]->life == NM_LIFE_ALIVE;
    }
    nm_writer_text(out, "directory");
    nm_writer_map(out, 4);
    nm_writer_pair_uint(out, "members", self->peer_count);
    nm_writer_pair_uint(out, "heard", heard);
    nm_writer_pair_uint(out, "alive", alive);
    nm_writer_pair_uint(out, "statements",
                        self->exchange.directory
                            ? nm_statements_count(nm_gossip_statements(nm_directory_gossip(self->exchange.directory)))
                            : 0);
    nm_writer_text(out, "certificate");
    nm_writer_map(out, cert ? 3 : 0);
    if (!cert)
        return;
    nm_writer_pair_text(out, "serial", cert->serial);
    nm_writer_pair_time(out, "not_after", cert->not_after_ms);
    nm_writer_pair_bool(out, "ends_soon", cert->not_after_ms - self->turn.now.wall_ms <= (int64_t) 30 * S_DAY_MS);
}
