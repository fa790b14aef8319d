#include "broker/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/gather.h"
#include "broker/log.h"
#include "broker/sd.h"
#include "broker/ways.h"

enum {
    S_CURL_FDS = 1024,
    S_REKEY_MS = 300,         //  From a new key to new sockets: time for the answer to who wanted it
    S_REKEY_CALLS_MS = 5000,  //  ... and to calling by it: time for the word of it to spread
    S_BIND_MS = 3000,         //  How long a port may take to become free again
    S_PATIENCE_MS = 3000,     //  How long a stopping actor waits for calls under way
};

//  Where a poll item came from.
typedef enum {
    S_FROM_ZAP,
    S_FROM_SIGNAL,
    S_FROM_WORKER,
    S_FROM_FRONT,
    S_FROM_MAILBOX,
    S_FROM_DESK,
    S_FROM_DOOR,
    S_FROM_LOBBY,
    S_FROM_DEALER,
    S_FROM_SEED
} s_from_t;

struct nm_loop {
    nm_loop_config_t config;
    nm_effects_t *effects;
    nm_front_t *front;
    nm_clock_t clock;
    void *mailbox;
    void *desk;
    void *door;
    void *lobby;
    void *seed_lobby;  //  DEALER to the lobby of seed, while we knock there
    const nm_peer_t *seed;
    uint8_t key[NM_CURVE_KEY_SIZE];  //  That our bound sockets go by
    int64_t rekey_at_ms;             //  When to bind, and to call, by a new one; 0: not at all
    int64_t rekey_calls_at_ms;
    int signal_fd;
    nm_ways_t *ways;
    nm_gather_t gather;

    zmq_pollitem_t *items;
    struct {
        s_from_t from;
        size_t place;  //  Among the ways: which dealer
    } * origins;
    size_t item_count;
    size_t item_room;
    struct pollfd fds[S_CURL_FDS];
    size_t fd_count;

    int64_t watchdog_ms;
    int64_t fed_ms;
    int64_t leave_ms;  //  When it was told to stop; 0: not yet
};

//  -- Making one

//  Where the peers are by now, and room to poll all sockets and descriptors that there may be.
static nm_rc_t
s_follow_directory(nm_loop_t *self, nm_error_t *error)
{
    nm_rc_t rc = nm_ways_follow(self->ways, self->clock.last.mono_ms, error);
    size_t room = 16 + nm_ways_count(self->ways) + S_CURL_FDS;
    if (room <= self->item_room)
        return rc;
    self->items = nm_realloc(self->items, room * sizeof *self->items);
    self->origins = nm_realloc(self->origins, room * sizeof *self->origins);
    self->item_room = room;
    return rc;
}

static nm_rc_t
s_bind(nm_loop_t *self, nm_error_t *error)
{
    const nm_mesh_actor_t *actor = self->config.self;
    const struct {
        void **socket;
        nm_net_bind_t kind;
        const char *endpoint;
    } PLACES[] = {
        { &self->mailbox, NM_NET_MAILBOX, actor->mailbox },
        { &self->desk, NM_NET_DESK, actor->desk },
        { &self->door, NM_NET_DOOR, actor->door },
        { &self->lobby, NM_NET_LOBBY, actor->lobby },
    };
    for (size_t i = 0; i < NM_COUNT(PLACES); i++) {
        if (!PLACES[i].endpoint[0] || *PLACES[i].socket)
            continue;
        *PLACES[i].socket = nm_net_bind(self->config.net, PLACES[i].kind, PLACES[i].endpoint, NULL, error);
        if (!*PLACES[i].socket)
            return NM_ERR_IO;
    }
    return NM_OK;
}

//  -- Another key. A bound socket cannot change its key, so all are closed and bound anew. Peers follow what the
//  directory says; what was on the way is sent again.

static void
s_notice_key(nm_loop_t *self)
{
    const nm_cert_t *own = nm_directory_own(self->config.directory);
    if (!own || memcmp(own->public_key, self->key, sizeof self->key) == 0)
        return;
    memcpy(self->key, own->public_key, sizeof self->key);
    self->rekey_at_ms = self->clock.last.mono_ms + S_REKEY_MS;
    self->rekey_calls_at_ms = self->clock.last.mono_ms + S_REKEY_CALLS_MS;
}

//  libzmq gives a port back a moment after its socket was closed.
static nm_rc_t
s_bind_anew(nm_loop_t *self, nm_error_t *error)
{
    nm_net_close(self->config.net, &self->mailbox);
    nm_net_close(self->config.net, &self->desk);
    nm_net_close(self->config.net, &self->door);
    nm_net_close(self->config.net, &self->lobby);
    nm_net_serve_as(self->config.net, nm_directory_own(self->config.directory));
    int64_t end_ms = self->clock.last.mono_ms + S_BIND_MS;
    nm_rc_t rc = s_bind(self, error);
    while (rc != NM_OK && nm_clock_read(&self->clock).mono_ms < end_ms) {
        usleep(5000);
        rc = s_bind(self, error);
    }
    return rc;
}

static nm_rc_t
s_follow_key(nm_loop_t *self, nm_error_t *error)
{
    int64_t now_ms = self->clock.last.mono_ms;
    nm_rc_t rc = NM_OK;
    s_notice_key(self);
    if (self->rekey_at_ms && now_ms >= self->rekey_at_ms) {
        self->rekey_at_ms = 0;
        rc = s_bind_anew(self, error);
    }
    if (self->rekey_calls_at_ms && now_ms >= self->rekey_calls_at_ms) {
        self->rekey_calls_at_ms = 0;
        nm_net_call_as(self->config.net, nm_directory_own(self->config.directory));
        nm_ways_call_anew(self->ways, now_ms);
    }
    return rc;
}

static nm_rc_t
s_open_signals(nm_loop_t *self, nm_error_t *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  //  The write fails with EFBIG instead: a commit that failed, and 74
    self->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return self->signal_fd < 0 ? nm_fail(error, NM_ERR_IO, "signalfd: %s", strerror(errno)) : NM_OK;
}

//  After the signals: a front's library may have threads, and those must not get them.
static nm_rc_t
s_open_front(nm_loop_t *self, nm_error_t *error)
{
    if (!self->config.front)
        return NM_OK;
    self->front = self->config.front->make(nm_actor_state(self->config.actor), error);
    return self->front ? NM_OK : NM_ERR_IO;
}

nm_loop_t *
nm_loop_new(const nm_loop_config_t *config, nm_error_t *error)
{
    nm_loop_t *self = nm_alloc(sizeof *self);
    self->config = *config;
    self->signal_fd = -1;
    self->watchdog_ms = nm_sd_watchdog_ms();
    nm_clock_read(&self->clock);
    nm_gather_init(&self->gather, config->net, config->role->pace_ms);
    self->ways = nm_ways_new(&(nm_ways_config_t){ .net = config->net,
                                                  .directory = config->directory,
                                                  .actor = config->actor,
                                                  .name = config->self->name,
                                                  .role = config->role->id });
    if (config->effects)
        self->effects = config->effects->make(config->worker);
    const nm_cert_t *own = nm_directory_own(config->directory);
    if (own)
        memcpy(self->key, own->public_key, sizeof self->key);
    if (s_open_signals(self, error) != NM_OK || s_bind(self, error) != NM_OK ||
        s_follow_directory(self, error) != NM_OK || s_open_front(self, error) != NM_OK)
        nm_loop_destroy(&self);
    return self;
}

void
nm_loop_destroy(nm_loop_t **self_p)
{
    nm_loop_t *self = *self_p;
    if (!self)
        return;
    nm_gather_forget(&self->gather);
    if (self->effects)
        self->config.effects->destroy(&self->effects);
    if (self->front)
        self->config.front->destroy(&self->front);
    nm_ways_destroy(&self->ways);
    nm_net_close(self->config.net, &self->mailbox);
    nm_net_close(self->config.net, &self->desk);
    nm_net_close(self->config.net, &self->door);
    nm_net_close(self->config.net, &self->lobby);
    nm_net_close(self->config.net, &self->seed_lobby);
    if (self->signal_fd >= 0)
        close(self->signal_fd);
    free(self->items);
    free(self->origins);
    free(self);
    *self_p = NULL;
}

//  -- Letting go

static void
s_send_reply(nm_loop_t *self, nm_output_t *output)
{
    void *socket = output->caller.socket == S_FROM_DOOR    ? self->door
                   : output->caller.socket == S_FROM_LOBBY ? self->lobby
                                                           : self->desk;
    if (socket && zmq_send(socket, output->caller.route, output->caller.route_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        nm_net_send(socket, &output->bytes);
    nm_buf_free(&output->bytes);
}

//  One lobby at a time: the next knock goes over a new connection.
static void
s_send_knock(nm_loop_t *self, nm_output_t *output)
{
    nm_error_t error;
    nm_net_close(self->config.net, &self->seed_lobby);
    self->seed = output->peer;
    self->seed_lobby = nm_net_connect(self->config.net, NM_NET_KNOCK, output->peer->actor.lobby,
                                      output->peer->cert.public_key, &error);
    nm_net_send(self->seed_lobby, &output->bytes);
}

static void
s_start_effect(nm_loop_t *self, nm_effect_t *effect)
{
    if (effect->kind == NM_EFFECT_WORK)
        nm_worker_start(self->config.worker, effect);
    else
        self->config.effects->start(self->effects, effect);
}

static void
s_release(nm_loop_t *self)
{
    nm_output_t output;
    int64_t now_ms = self->clock.last.mono_ms;
    while (nm_actor_take(self->config.actor, &output)) {
        switch (output.kind) {
        case NM_OUT_FRAME: nm_ways_post(self->ways, output.peer, &output.bytes, now_ms); break;
        case NM_OUT_KNOCK: s_send_knock(self, &output); break;
        case NM_OUT_ASK: nm_ways_ask(self->ways, output.peer, &output.bytes, now_ms); break;
        case NM_OUT_REPLY: s_send_reply(self, &output); break;
        case NM_OUT_EFFECT: s_start_effect(self, output.effect); break;
        case NM_OUT_ANSWER: self->config.front->answer(self->front, &output.answer); break;
        }
    }
    if (self->front)
        self->config.front->run(self->front, now_ms);
}

//  -- Polling

static void
s_watch(nm_loop_t *self, void *socket, int fd, s_from_t from, size_t place)
{
    self->items[self->item_count] = (zmq_pollitem_t){ .socket = socket, .fd = fd, .events = ZMQ_POLLIN };
    self->origins[self->item_count].from = from;
    self->origins[self->item_count].place = place;
    self->item_count++;
}

//  A gatherer that is full reads no more: libzmq and the kernel hold the senders back.
static void
s_watch_all(nm_loop_t *self)
{
    self->item_count = 0;
    s_watch(self, nm_net_zap_socket(self->config.net), 0, S_FROM_ZAP, 0);
    s_watch(self, NULL, self->signal_fd, S_FROM_SIGNAL, 0);
    s_watch(self, NULL, nm_worker_fd(self->config.worker), S_FROM_WORKER, 0);
    if (!nm_gather_has_room(&self->gather))
        return;
    if (self->front)
        s_watch(self, NULL, self->config.front->fd(self->front), S_FROM_FRONT, 0);
    s_watch(self, self->mailbox, 0, S_FROM_MAILBOX, 0);
    s_watch(self, self->desk, 0, S_FROM_DESK, 0);
    if (self->door && !self->leave_ms)
        s_watch(self, self->door, 0, S_FROM_DOOR, 0);
    if (self->lobby)
        s_watch(self, self->lobby, 0, S_FROM_LOBBY, 0);
    if (self->seed_lobby)
        s_watch(self, self->seed_lobby, 0, S_FROM_SEED, 0);
    for (size_t i = 0; i < nm_ways_count(self->ways); i++)
        if (nm_ways_dealer(self->ways, i))
            s_watch(self, nm_ways_dealer(self->ways, i), 0, S_FROM_DEALER, i);
}

static void
s_watch_effects(nm_loop_t *self, int *timeout_ms)
{
    self->fd_count = 0;
    *timeout_ms = -1;
    if (!self->effects)
        return;
    self->fd_count = self->config.effects->poll(self->effects, self->fds, S_CURL_FDS, timeout_ms);
    for (size_t i = 0; i < self->fd_count; i++) {
        zmq_pollitem_t *item = &self->items[self->item_count + i];
        *item = (zmq_pollitem_t){ .fd = self->fds[i].fd };
        if (self->fds[i].events & POLLIN)
            item->events |= ZMQ_POLLIN;
        if (self->fds[i].events & POLLOUT)
            item->events |= ZMQ_POLLOUT;
    }
}

static long
s_timeout(const nm_loop_t *self, int edges_ms)
{
    int64_t wake_ms = nm_actor_wake(self->config.actor);
    int64_t now_ms = self->clock.last.mono_ms;
    if (self->gather.urgent)
        return 0;
    if (self->gather.due_ms < wake_ms)
        wake_ms = self->gather.due_ms;
    if (self->watchdog_ms && self->fed_ms + self->watchdog_ms < wake_ms)
        wake_ms = self->fed_ms + self->watchdog_ms;
    int64_t wait_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
    if (edges_ms >= 0 && edges_ms < wait_ms)
        wait_ms = edges_ms;
    return (long) wait_ms;
}

//  The earlier of two such times.
static int
s_sooner(int a_ms, int b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static void
s_run_effects(nm_loop_t *self)
{
    for (size_t i = 0; i < self->fd_count; i++) {
        short events = self->items[self->item_count + i].revents;
        self->fds[i].revents = (short) ((events & ZMQ_POLLIN ? POLLIN : 0) | (events & ZMQ_POLLOUT ? POLLOUT : 0) |
                                        (events & ZMQ_POLLERR ? POLLERR : 0));
    }
    if (self->effects)
        self->config.effects->run(self->effects, self->fds, self->fd_count);
}

static void
s_take_signal(nm_loop_t *self)
{
    struct signalfd_siginfo signal;
    if (read(self->signal_fd, &signal, sizeof signal) != sizeof signal || self->leave_ms)
        return;
    nm_log(NM_LOG_INFO, "stopping", "Signal %u: no more work is taken; calls under way may end.", signal.ssi_signo);
    nm_sd_stopping();
    self->leave_ms = self->clock.last.mono_ms;
    self->gather.urgent = true;
    nm_actor_leave(self->config.actor);
    if (self->front)
        self->config.front->leave(self->front);
}

static void
s_gather_results(nm_loop_t *self)
{
    nm_result_t result;
    while (nm_gather_has_room(&self->gather) && nm_worker_take(self->config.worker, &result))
        nm_gather_result(&self->gather, &result);
    while (self->effects && nm_gather_has_room(&self->gather) && self->config.effects->take(self->effects, &result))
        nm_gather_result(&self->gather, &result);
}

static void
s_gather_requests(nm_loop_t *self)
{
    const nm_front_request_t *request;
    while (self->front && nm_gather_has_room(&self->gather) && (request = self->config.front->take(self->front)))
        nm_gather_request(&self->gather, request);
}

static void
s_gather_replies(nm_loop_t *self, size_t place)
{
    nm_now_t now = self->clock.last;
    const nm_peer_t *peer = nm_ways_answered(self->ways, place, now.mono_ms);
    nm_gather_drain(&self->gather, nm_ways_dealer(self->ways, place), NM_IN_REPLY, peer, now);
}

static void
s_gather(nm_loop_t *self)
{
    nm_gather_t *gather = &self->gather;
    nm_now_t now = self->clock.last;
    for (size_t i = 0; i < self->item_count; i++) {
        if (!(self->items[i].revents & ZMQ_POLLIN))
            continue;
        switch (self->origins[i].from) {
        case S_FROM_ZAP: nm_net_zap_run(self->config.net, now.wall_ms); break;
        case S_FROM_SIGNAL: s_take_signal(self); break;
        case S_FROM_WORKER:
        case S_FROM_FRONT: break;
        case S_FROM_MAILBOX: nm_gather_drain(gather, self->mailbox, NM_IN_FRAME, NULL, now); break;
        case S_FROM_DESK: nm_gather_drain_router(gather, self->desk, NM_IN_ASK, S_FROM_DESK, now); break;
        case S_FROM_DOOR: nm_gather_drain_door(gather, self->door, S_FROM_DOOR, now); break;
        case S_FROM_LOBBY: nm_gather_drain_router(gather, self->lobby, NM_IN_KNOCK, S_FROM_LOBBY, now); break;
        case S_FROM_SEED:
            nm_gather_drain(gather, self->seed_lobby, NM_IN_WELCOME, self->seed, now);
            nm_ways_welcomed(self->ways, now.mono_ms);
            break;
        case S_FROM_DEALER: s_gather_replies(self, self->origins[i].place); break;
        }
    }
    s_gather_results(self);
    s_gather_requests(self);
}

static void
s_tend_ways(nm_loop_t *self)
{
    int64_t now_ms = self->clock.last.mono_ms;
    for (size_t i = 0; i < self->gather.count; i++)
        if (self->gather.inputs[i].kind == NM_IN_FRAME)
            nm_ways_heard(self->ways, self->gather.inputs[i].peer, now_ms);
    nm_ways_tend(self->ways, now_ms);
}

static bool
s_turn_due(const nm_loop_t *self)
{
    int64_t now_ms = self->clock.last.mono_ms;
    const nm_gather_t *gather = &self->gather;
    return gather->urgent || gather->count >= NM_GATHER_COMPANY || now_ms >= gather->due_ms ||
           now_ms >= nm_actor_wake(self->config.actor);
}

static void
s_feed_watchdog(nm_loop_t *self)
{
    if (!self->watchdog_ms || self->clock.last.mono_ms - self->fed_ms < self->watchdog_ms)
        return;
    self->fed_ms = self->clock.last.mono_ms;
    nm_sd_alive();
}

//  One turn with what was gathered. Returns an exit code, or -1 to go on.
static int
s_turn(nm_loop_t *self)
{
    nm_now_t now = nm_clock_read(&self->clock);
    nm_gather_t *gather = &self->gather;
    nm_rc_t rc = nm_actor_turn(self->config.actor, gather->inputs, gather->count, now);
    //  A turn that cost no sync, as for a claim, is none to keep the pace from: the grant that follows it need not wait.
    if (gather->count && nm_actor_changed(self->config.actor))
        gather->turn_ms = now.mono_ms;
    s_release(self);
    nm_rc_t rested = nm_actor_rest(self->config.actor, now.mono_ms);
    if (rested != NM_OK)
        rc = rested;
    if (nm_actor_exit(self->config.actor))
        return nm_actor_exit(self->config.actor);
    if (rc == NM_OK) {
        nm_gather_forget(gather);
        return -1;
    }
    if (rc == NM_ERR_FULL) {
        nm_log(NM_LOG_ERROR, "turn_undone", "The store is full: a turn of %zu inputs was undone.", gather->count);
        nm_gather_keep(gather, self->clock.last);
        usleep(100000);  //  Nothing gets better by spinning
        return -1;
    }
    nm_log(NM_LOG_CRITICAL, "turn_failed",
           "A turn of %zu inputs failed: %s. The actor stops; run nctl check on its store.", gather->count,
           nm_rc_text(rc));
    return rc == NM_ERR_CORRUPT ? NM_STORE_EXIT_DAMAGED : 1;
}

//  Nothing is under way outside the actor.
static bool
s_is_quiet(nm_loop_t *self)
{
    size_t running = nm_worker_running(self->config.worker);
    if (self->effects)
        running += self->config.effects->running(self->effects);
    if (self->front)
        running += self->config.front->running(self->front);
    return !running && !self->gather.count;
}

//  Told to stop it waits a little for what is under way; told to drain, until all is done.
static bool
s_may_go(nm_loop_t *self)
{
    if (self->leave_ms && self->clock.last.mono_ms - self->leave_ms > S_PATIENCE_MS)
        return true;
    return s_is_quiet(self) && (self->leave_ms || nm_actor_drained(self->config.actor));
}

#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
static void
s_early(void *arg)
{
    s_release(arg);
    usleep(2000);  //  Time for the early word to leave the process
}
#endif

int
nm_loop_run(nm_loop_t *self)
{
#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
    nm_actor_set_early(self->config.actor, s_early, self);
#endif
    nm_sd_ready();
    nm_log(NM_LOG_INFO, "ready", "%s is ready: mailbox %s, desk %s%s%s.", self->config.self->name,
           self->config.self->mailbox, self->config.self->desk, self->door ? ", door " : "", self->config.self->door);
    int code = -1;
    while (code < 0) {
        int edges_ms;
        nm_error_t error;
        if (s_follow_directory(self, &error) != NM_OK)
            nm_log(NM_LOG_ERROR, "peer_unreachable", "%s", error.text);
        if (s_follow_key(self, &error) != NM_OK) {
            nm_log(NM_LOG_CRITICAL, "bind_failed", "%s", error.text);
            return 1;
        }
        s_watch_all(self);
        s_watch_effects(self, &edges_ms);
        if (self->front)
            edges_ms = s_sooner(edges_ms, self->config.front->timeout(self->front, self->clock.last.mono_ms));
        int rc = zmq_poll(self->items, (int) (self->item_count + self->fd_count), s_timeout(self, edges_ms));
        if (rc < 0 && errno != EINTR) {
            nm_log(NM_LOG_CRITICAL, "poll_failed", "zmq_poll: %s", zmq_strerror(errno));
            return 1;
        }
        nm_clock_read(&self->clock);
        s_run_effects(self);
        if (self->front)
            self->config.front->run(self->front, self->clock.last.mono_ms);
        s_gather(self);
        s_tend_ways(self);
        s_feed_watchdog(self);
        if (s_turn_due(self))
            code = s_turn(self);
        if (code < 0 && s_may_go(self))
            code = 0;
    }
    bool drained = nm_actor_drained(self->config.actor);
    nm_actor_goodbye(self->config.actor, code ? "it cannot go on" : drained ? "it is drained" : "it was told to stop");
    s_release(self);
    usleep(50000);  //  Sockets do not linger; the goodbye gets a moment to leave
    return code;
}
