#include "broker/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/log.h"
#include "broker/sd.h"
#include "wire/reader.h"

enum {
    S_GATHER_COUNT = 1024,             //  Inputs of one turn
    S_COMPANY_COUNT = 48,              //  So many share a commit well: no reason to wait for more
    S_BEAT_PATIENCE_MS = 100,          //  A beat says only that a peer is there: it waits for company
    S_GATHER_SIZE = 16 * 1024 * 1024,  //  ... and bytes
    S_DOOR_COUNT = 1024,               //  Asks of clients among them, counted one by one
    S_DOOR_SIZE = 2 * 1024 * 1024,     //  ... and their bytes
    S_CURL_FDS = 1024,
    S_RECONNECT_MS = 10000,    //  A peer silent for so long gets a new connection: libzmq gives up on refused ones
    S_FAILING_MS = 1500,       //  ... and at once one that speaks to us while we cannot speak to it for so long
    S_DEALER_IDLE_MS = 10000,  //  A way to a desk that nobody uses is given up
    S_DEALER_DEAF_MS = 2000,   //  ... and one over which asks found no answer
    S_LOOK_MS = 500,           //  Between two looks at such things
    S_REKEY_MS = 300,          //  From a new key to new sockets: time for the answer to who wanted it
    S_REKEY_CALLS_MS = 5000,   //  ... and to calling by it: time for the word of it to spread
    S_BIND_MS = 3000,          //  How long a port may take to become free again
    S_PATIENCE_MS = 3000,      //  How long a stopping actor waits for calls under way
};

//  Sockets towards one peer.
typedef struct {
    const nm_peer_t *peer;
    void *post;          //  PUSH to its mailbox; NULL if no mail goes between us
    void *dealer;        //  To its desk; made at the first ask
    int64_t changed_ms;  //  When it was last heard, or post was made (monotonic)
    int64_t heard_ms;
    int64_t failing_ms;  //  Since when post takes nothing; 0: it does
    int64_t used_ms;     //  When dealer last carried something
    int64_t asked_ms;    //  Since when asks over dealer wait for any answer; 0: they do not
    bool linked;         //  Mail goes between us, and it may be connected to

    //  What the sockets were made for: another place or key of the peer wants new ones.
    char mailbox[NM_ENDPOINT_MAX];
    char desk[NM_ENDPOINT_MAX];
    uint8_t key[NM_CURVE_KEY_SIZE];
} s_peer_t;

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
    int64_t look_at_ms;
    uint8_t key[NM_CURVE_KEY_SIZE];  //  That our bound sockets go by
    int64_t rekey_at_ms;             //  When to bind, and to call, by a new one; 0: not at all
    int64_t rekey_calls_at_ms;
    int signal_fd;
    s_peer_t *peers;
    size_t peer_count;
    uint64_t directory_version;  //  As of which the peers were taken from it

    zmq_pollitem_t *items;
    struct {
        s_from_t from;
        size_t peer;
    } * origins;
    size_t item_count;
    size_t item_room;
    struct pollfd fds[S_CURL_FDS];
    size_t fd_count;

    //  Inputs of the next turn. Messages and results stay where they are until it is over.
    nm_input_t inputs[S_GATHER_COUNT];
    zmq_msg_t messages[S_GATHER_COUNT];
    nm_result_t results[S_GATHER_COUNT];
    nm_net_sender_t senders[S_GATHER_COUNT];
    size_t count;
    size_t size;
    size_t door_count;  //  Asks that came through the door
    size_t door_size;   //  ... and their bytes
    bool urgent;        //  Something among them cannot wait
    int64_t turn_ms;    //  When the last turn with inputs was that changed the store (monotonic)
    int64_t due_ms;     //  Until when the rest may wait; INT64_MAX if there is none

    int64_t watchdog_ms;
    int64_t fed_ms;
    int64_t leave_ms;  //  When it was told to stop; 0: not yet
};

//  -- Making one

static s_peer_t *
s_peer(nm_loop_t *self, const nm_peer_t *peer)
{
    for (size_t i = 0; i < self->peer_count; i++)
        if (self->peers[i].peer == peer)
            return &self->peers[i];
    return NULL;
}

static s_peer_t *
s_peer_named(nm_loop_t *self, const char *name)
{
    for (size_t i = 0; i < self->peer_count; i++)
        if (strcmp(self->peers[i].peer->actor.name, name) == 0)
            return &self->peers[i];
    return NULL;
}

static nm_rc_t
s_connect_post(nm_loop_t *self, s_peer_t *peer, nm_error_t *error)
{
    nm_net_close(self->config.net, &peer->post);
    peer->post =
        nm_net_connect(self->config.net, NM_NET_POST, peer->peer->actor.mailbox, peer->peer->cert.public_key, error);
    peer->changed_ms = self->clock.last.mono_ms;
    peer->failing_ms = 0;
    return peer->post ? NM_OK : NM_ERR_IO;
}

static bool
s_is_placed_as_before(const s_peer_t *self)
{
    return strcmp(self->mailbox, self->peer->actor.mailbox) == 0 && strcmp(self->desk, self->peer->actor.desk) == 0 &&
           memcmp(self->key, self->peer->cert.public_key, sizeof self->key) == 0;
}

//  Gives a peer the sockets that the directory's word about it wants; takes away those that it no longer does.
static nm_rc_t
s_place_peer(nm_loop_t *self, s_peer_t *peer, nm_error_t *error)
{
    const nm_peer_t *at = peer->peer;
    bool linked = at->certified && strcmp(at->actor.name, self->config.self->name) != 0 &&
                  nm_roles_link(self->config.role->id, at->actor.role);
    if (linked == peer->linked && s_is_placed_as_before(peer))
        return NM_OK;
    nm_net_close(self->config.net, &peer->post);
    nm_net_close(self->config.net, &peer->dealer);
    memcpy(peer->mailbox, at->actor.mailbox, sizeof peer->mailbox);
    memcpy(peer->desk, at->actor.desk, sizeof peer->desk);
    memcpy(peer->key, at->cert.public_key, sizeof peer->key);
    peer->linked = linked;
    return linked ? s_connect_post(self, peer, error) : NM_OK;
}

//  Room to poll all sockets and descriptors that there may be.
static void
s_make_items(nm_loop_t *self)
{
    size_t room = 16 + self->peer_count + S_CURL_FDS;
    if (room <= self->item_room)
        return;
    self->items = nm_realloc(self->items, room * sizeof *self->items);
    self->origins = nm_realloc(self->origins, room * sizeof *self->origins);
    self->item_room = room;
}

//  Follows the directory: who has come, moved, changed its key, or is no longer let in.
static nm_rc_t
s_follow_directory(nm_loop_t *self, nm_error_t *error)
{
    uint64_t version = nm_directory_version(self->config.directory);
    if (version == self->directory_version)
        return NM_OK;
    size_t count = nm_directory_list(self->config.directory, NM_ROLE_NONE, NULL, 0);
    const nm_peer_t **peers = nm_alloc(count * sizeof *peers);
    nm_rc_t rc = NM_OK;
    nm_directory_list(self->config.directory, NM_ROLE_NONE, peers, count);
    self->peers = nm_realloc(self->peers, count * sizeof *self->peers);
    for (size_t i = 0; i < count; i++) {
        s_peer_t *peer = s_peer(self, peers[i]);
        if (!peer) {
            peer = &self->peers[self->peer_count++];
            *peer = (s_peer_t){ .peer = peers[i] };
        }
        if (s_place_peer(self, peer, error) != NM_OK)
            rc = NM_ERR_IO;  //  The others are placed all the same
    }
    s_make_items(self);
    self->directory_version = version;
    free(peers);
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

//  All connections are made again, as those to a peer that has moved.
static void
s_call_anew(nm_loop_t *self)
{
    nm_error_t error;
    nm_net_call_as(self->config.net, nm_directory_own(self->config.directory));
    for (size_t i = 0; i < self->peer_count; i++) {
        nm_net_close(self->config.net, &self->peers[i].dealer);
        if (self->peers[i].linked)
            s_connect_post(self, &self->peers[i], &error);
    }
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
        s_call_anew(self);
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
    self->due_ms = INT64_MAX;
    nm_clock_read(&self->clock);
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

static void s_forget_inputs(nm_loop_t *self);

void
nm_loop_destroy(nm_loop_t **self_p)
{
    nm_loop_t *self = *self_p;
    if (!self)
        return;
    s_forget_inputs(self);
    if (self->effects)
        self->config.effects->destroy(&self->effects);
    if (self->front)
        self->config.front->destroy(&self->front);
    for (size_t i = 0; i < self->peer_count; i++) {
        nm_net_close(self->config.net, &self->peers[i].post);
        nm_net_close(self->config.net, &self->peers[i].dealer);
    }
    nm_net_close(self->config.net, &self->mailbox);
    nm_net_close(self->config.net, &self->desk);
    nm_net_close(self->config.net, &self->door);
    nm_net_close(self->config.net, &self->lobby);
    nm_net_close(self->config.net, &self->seed_lobby);
    if (self->signal_fd >= 0)
        close(self->signal_fd);
    free(self->peers);
    free(self->items);
    free(self->origins);
    free(self);
    *self_p = NULL;
}

//  -- Gathering

static bool
s_has_room(const nm_loop_t *self)
{
    return self->count < S_GATHER_COUNT && self->size < S_GATHER_SIZE;
}

static void
s_set_due(nm_loop_t *self, int64_t due_ms)
{
    if (due_ms < self->due_ms)
        self->due_ms = due_ms;
}

//  Is this mail to be claimed? The word stands before the items (see NM_MAIL_FIELDS). A guess before the frame is
//  checked: it decides only when it is looked at.
static bool
s_is_offer(nm_bytes_t frame)
{
    nm_reader_t reader;
    nm_value_t value;
    uint64_t tag = 0;
    bool claim = false;
    nm_reader_open(&reader, frame);
    nm_reader_value(&reader, &value);
    nm_reader_value(&reader, &value);
    if (nm_reader_value(&reader, &value) != NM_KIND_MAP)
        return false;
    while (nm_reader_uint(&reader, &tag) == NM_OK && tag < 4)
        nm_reader_value(&reader, &value);
    return tag == 5 && nm_reader_bool(&reader, &claim) == NM_OK && claim;
}

//  Until when a link frame may wait for company. Greetings and claims cost no commit, and others wait for the
//  answer; a beat says only that its peer is there.
static int64_t
s_patience(const nm_loop_t *self, nm_bytes_t frame)
{
    int64_t now_ms = self->clock.last.mono_ms;
    int64_t paced_ms = self->turn_ms + self->config.role->pace_ms;
    if (frame.size < 3 || frame.at[0] != 0x92)  //  A link frame is a list of two, and its first item the kind
        return paced_ms;
    switch (frame.at[1]) {
    case NM_FRAME_GREET:
    case NM_FRAME_CLAIM: return now_ms;
    case NM_FRAME_BEAT: return now_ms + S_BEAT_PATIENCE_MS;
    case NM_FRAME_MAIL: return s_is_offer(frame) ? now_ms : paced_ms;
    default: return paced_ms;
    }
}

//  How many asks a frame has: its list of them says so. A guess before the frame is checked, good enough to share out a turn.
static size_t
s_count_asks(nm_bytes_t frame)
{
    nm_reader_t reader;
    nm_value_t key;
    nm_bytes_t raw;
    uint32_t pairs, count;
    nm_reader_open(&reader, frame);
    if (nm_reader_map(&reader, &pairs) != NM_OK)
        return 1;
    while (pairs--) {
        nm_kind_t kind = nm_reader_value(&reader, &key);
        bool named = kind == NM_KIND_STR && nm_bytes_is(key.bytes, "asks");
        if (named || (kind == NM_KIND_UINT && key.number == nm_ask_frame_shape.fields[NM_AT_ask_frame_asks].tag))
            return nm_reader_list(&reader, &count) == NM_OK && count ? count : 1;
        if (nm_reader_raw(&reader, &raw) != NM_OK)
            return 1;
    }
    return 1;
}

//  Takes the message that was received into the next place. What comes from nobody we know is
//  dropped here. answerer: whose desk our socket is connected to. Its messages carry no word of
//  our ZAP handler; that it is the peer was proved by its key when we connected. Else NULL.
static void
s_add(nm_loop_t *self, nm_input_kind_t kind, const nm_caller_t *caller, const nm_peer_t *answerer)
{
    zmq_msg_t *message = &self->messages[self->count];
    nm_net_sender_t *sender = &self->senders[self->count];
    nm_input_t *input = &self->inputs[self->count];
    if (answerer) {
        *sender = (nm_net_sender_t){ .name = answerer->actor.name, .role = answerer->actor.role };
    } else if (nm_net_sender(self->config.net, message, self->clock.last.wall_ms, sender) != NM_OK) {
        nm_net_cut(message);
        zmq_msg_close(message);
        return;
    }
    *input = (nm_input_t){ .kind = kind,
                           .peer = sender->name,
                           .role = sender->role,
                           .client_key = sender->client_key,
                           .address = sender->address,
                           .bytes = nm_bytes(zmq_msg_data(message), zmq_msg_size(message)) };
    if (caller)
        input->caller = *caller;
    if (caller && caller->socket == S_FROM_DOOR) {
        self->door_count += s_count_asks(input->bytes);
        self->door_size += input->bytes.size;
    }
    self->size += input->bytes.size;
    self->count++;
    self->urgent |= kind != NM_IN_FRAME;
    s_set_due(self, kind == NM_IN_FRAME ? s_patience(self, input->bytes) : self->turn_ms + self->config.role->pace_ms);
}

//  Receives one frame. NM_ERR_MISSING: there is none. NM_ERR_MALFORMED: it had more frames than
//  the protocol knows; all are dropped.
static nm_rc_t
s_receive(void *socket, zmq_msg_t *message)
{
    zmq_msg_init(message);
    if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(message);
        return NM_ERR_MISSING;
    }
    if (!zmq_msg_more(message))
        return NM_OK;
    while (zmq_msg_more(message) && zmq_msg_recv(message, socket, ZMQ_DONTWAIT) >= 0)
        ;
    zmq_msg_close(message);
    return NM_ERR_MALFORMED;
}

static void
s_drain(nm_loop_t *self, void *socket, nm_input_kind_t kind, const nm_peer_t *answerer)
{
    nm_rc_t rc = NM_OK;
    while (s_has_room(self) && rc != NM_ERR_MISSING) {
        rc = s_receive(socket, &self->messages[self->count]);
        if (rc == NM_OK)
            s_add(self, kind, NULL, answerer);
    }
}

//  A door gives one frame of each connection by turns. So that this is fair, whatever a frame asks, a turn takes a bounded number
//  of asks from it: who has much waiting there delays others by a frame of his, and not by all of them.
static bool
s_may_drain(const nm_loop_t *self, uint8_t number)
{
    return s_has_room(self) &&
           (number != S_FROM_DOOR || (self->door_count < S_DOOR_COUNT && self->door_size < S_DOOR_SIZE));
}

//  A ROUTER gives the route first, then the frame. A lobby is drained in small sips.
static void
s_drain_router(nm_loop_t *self, void *socket, uint8_t number)
{
    bool lobby = number == S_FROM_LOBBY;
    while (s_may_drain(self, number)) {
        nm_caller_t caller = { .socket = number };
        int size = zmq_recv(socket, caller.route, sizeof caller.route, ZMQ_DONTWAIT);
        if (size < 0)
            return;
        caller.route_size = (uint8_t) size;
        zmq_msg_t *message = &self->messages[self->count];
        if (s_receive(socket, message) != NM_OK)
            continue;
        if (lobby && !nm_net_may_knock(self->config.net, message, self->clock.last.mono_ms))
            zmq_msg_close(message);
        else
            s_add(self, lobby ? NM_IN_KNOCK : NM_IN_ASK, &caller, NULL);
    }
}

static void
s_add_result(nm_loop_t *self, const nm_result_t *result)
{
    size_t at = self->count++;
    zmq_msg_init(&self->messages[at]);
    self->results[at] = *result;
    self->inputs[at] = (nm_input_t){ .kind = NM_IN_RESULT, .peer = "", .result = &self->results[at] };
    s_set_due(self, self->turn_ms + self->config.role->pace_ms);
}

static void
s_gather_results(nm_loop_t *self)
{
    nm_result_t result;
    while (s_has_room(self) && nm_worker_take(self->config.worker, &result))
        s_add_result(self, &result);
    while (self->effects && s_has_room(self) && self->config.effects->take(self->effects, &result))
        s_add_result(self, &result);
}

//  Somebody waits for the answer, so these are urgent.
static void
s_gather_requests(nm_loop_t *self)
{
    const nm_front_request_t *request;
    while (self->front && s_has_room(self) && (request = self->config.front->take(self->front))) {
        size_t at = self->count++;
        zmq_msg_init(&self->messages[at]);
        self->inputs[at] = (nm_input_t){ .kind = NM_IN_REQUEST, .peer = "", .request = request };
        self->urgent = true;
    }
}

static void
s_forget_inputs(nm_loop_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        zmq_msg_close(&self->messages[i]);
        if (self->inputs[i].kind == NM_IN_RESULT)
            nm_result_free(&self->results[i]);
    }
    self->count = self->size = self->door_count = self->door_size = 0;
    self->urgent = false;
    self->due_ms = INT64_MAX;
}

//  After a turn that was undone: results and requests cannot come a second time, so they stay for the next one.
static void
s_keep_inputs(nm_loop_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        zmq_msg_close(&self->messages[i]);
        if (self->inputs[i].kind != NM_IN_RESULT && self->inputs[i].kind != NM_IN_REQUEST)
            continue;
        self->results[kept] = self->results[i];
        zmq_msg_init(&self->messages[kept]);
        self->inputs[kept] = self->inputs[i];
        if (self->inputs[kept].kind == NM_IN_RESULT)
            self->inputs[kept].result = &self->results[kept];
        kept++;
    }
    self->count = kept;
    self->size = self->door_count = self->door_size = 0;
    self->urgent = false;
    self->due_ms = kept ? self->clock.last.mono_ms : INT64_MAX;
}

//  -- Letting go

static void
s_free_bytes(void *bytes, void *hint)
{
    (void) hint;
    free(bytes);
}

//  Gives the buffer to libzmq without a copy. What cannot go now is dropped: mail is kept in the
//  outbox and comes again after the next greeting, the rest is asked for again.
static bool
s_send(void *socket, nm_buf_t *bytes)
{
    zmq_msg_t message;
    if (zmq_msg_init_data(&message, bytes->at, bytes->size, s_free_bytes, NULL) != 0) {
        nm_buf_free(bytes);
        return false;
    }
    bool sent = socket && zmq_msg_send(&message, socket, ZMQ_DONTWAIT) >= 0;
    if (!sent)
        zmq_msg_close(&message);
    *bytes = (nm_buf_t){ 0 };
    return sent;
}

static void
s_send_frame(nm_loop_t *self, nm_output_t *output)
{
    s_peer_t *peer = s_peer(self, output->peer);
    if (s_send(peer ? peer->post : NULL, &output->bytes))
        peer->failing_ms = 0;
    else if (peer && !peer->failing_ms)
        peer->failing_ms = self->clock.last.mono_ms;
}

static void
s_send_reply(nm_loop_t *self, nm_output_t *output)
{
    void *socket = output->caller.socket == S_FROM_DOOR    ? self->door
                   : output->caller.socket == S_FROM_LOBBY ? self->lobby
                                                           : self->desk;
    if (socket && zmq_send(socket, output->caller.route, output->caller.route_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        s_send(socket, &output->bytes);
    nm_buf_free(&output->bytes);
}

static void
s_send_ask(nm_loop_t *self, nm_output_t *output)
{
    nm_error_t error;
    s_peer_t *peer = s_peer(self, output->peer);
    if (peer && !peer->dealer && peer->peer->certified)
        peer->dealer = nm_net_connect(self->config.net, NM_NET_DEALER, peer->peer->actor.desk,
                                      peer->peer->cert.public_key, &error);
    s_send(peer ? peer->dealer : NULL, &output->bytes);
    if (!peer)
        return;
    peer->used_ms = self->clock.last.mono_ms;
    if (!peer->asked_ms)
        peer->asked_ms = peer->used_ms;
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
    s_send(self->seed_lobby, &output->bytes);
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
    while (nm_actor_take(self->config.actor, &output)) {
        switch (output.kind) {
        case NM_OUT_FRAME: s_send_frame(self, &output); break;
        case NM_OUT_KNOCK: s_send_knock(self, &output); break;
        case NM_OUT_ASK: s_send_ask(self, &output); break;
        case NM_OUT_REPLY: s_send_reply(self, &output); break;
        case NM_OUT_EFFECT: s_start_effect(self, output.effect); break;
        case NM_OUT_ANSWER: self->config.front->answer(self->front, &output.answer); break;
        }
    }
    if (self->front)
        self->config.front->run(self->front, self->clock.last.mono_ms);
}

//  -- Polling

static void
s_watch(nm_loop_t *self, void *socket, int fd, s_from_t from, size_t peer)
{
    self->items[self->item_count] = (zmq_pollitem_t){ .socket = socket, .fd = fd, .events = ZMQ_POLLIN };
    self->origins[self->item_count].from = from;
    self->origins[self->item_count].peer = peer;
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
    if (!s_has_room(self))
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
    for (size_t i = 0; i < self->peer_count; i++)
        if (self->peers[i].dealer)
            s_watch(self, self->peers[i].dealer, 0, S_FROM_DEALER, i);
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
    if (self->urgent)
        return 0;
    if (self->due_ms < wake_ms)
        wake_ms = self->due_ms;
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
    self->urgent = true;
    nm_actor_leave(self->config.actor);
    if (self->front)
        self->config.front->leave(self->front);
}

//  A lobby has answered: who refused us may let us in now.
static void
s_start_anew(nm_loop_t *self)
{
    nm_error_t error;
    for (size_t i = 0; i < self->peer_count; i++) {
        s_peer_t *peer = &self->peers[i];
        if (peer->asked_ms)
            nm_net_close(self->config.net, &peer->dealer);
        peer->asked_ms = 0;
        if (peer->linked && peer->failing_ms)
            s_connect_post(self, peer, &error);
    }
}

static void
s_gather(nm_loop_t *self)
{
    for (size_t i = 0; i < self->item_count; i++) {
        if (!(self->items[i].revents & ZMQ_POLLIN))
            continue;
        switch (self->origins[i].from) {
        case S_FROM_ZAP: nm_net_zap_run(self->config.net, self->clock.last.wall_ms); break;
        case S_FROM_SIGNAL: s_take_signal(self); break;
        case S_FROM_WORKER:
        case S_FROM_FRONT: break;
        case S_FROM_MAILBOX: s_drain(self, self->mailbox, NM_IN_FRAME, NULL); break;
        case S_FROM_DESK: s_drain_router(self, self->desk, S_FROM_DESK); break;
        case S_FROM_DOOR: s_drain_router(self, self->door, S_FROM_DOOR); break;
        case S_FROM_LOBBY: s_drain_router(self, self->lobby, S_FROM_LOBBY); break;
        case S_FROM_SEED:
            s_drain(self, self->seed_lobby, NM_IN_WELCOME, self->seed);
            s_start_anew(self);
            break;
        case S_FROM_DEALER: {
            s_peer_t *peer = &self->peers[self->origins[i].peer];
            s_drain(self, peer->dealer, NM_IN_REPLY, peer->peer);
            peer->used_ms = self->clock.last.mono_ms;
            peer->asked_ms = 0;
            break;
        }
        }
    }
    s_gather_results(self);
    s_gather_requests(self);
}

//  libzmq does not try again after a refused handshake, so a peer that stays silent gets a new
//  connection now and then, and one that speaks while we cannot gets it soon: it has let us in by now.
static bool
s_needs_post(const s_peer_t *peer, int64_t now_ms)
{
    if (!peer->linked)
        return false;
    if (now_ms - peer->changed_ms > S_RECONNECT_MS)
        return true;
    return peer->failing_ms && now_ms - peer->failing_ms > S_FAILING_MS && now_ms - peer->heard_ms < S_FAILING_MS;
}

static void
s_revive(nm_loop_t *self)
{
    nm_error_t error;
    int64_t now_ms = self->clock.last.mono_ms;
    for (size_t i = 0; i < self->count; i++) {
        s_peer_t *peer = self->inputs[i].kind == NM_IN_FRAME ? s_peer_named(self, self->inputs[i].peer) : NULL;
        if (peer)
            peer->changed_ms = peer->heard_ms = now_ms;
    }
    for (size_t i = 0; i < self->peer_count; i++)
        if (s_needs_post(&self->peers[i], now_ms))
            s_connect_post(self, &self->peers[i], &error);
}

//  Ways to desks come and go, so that a large mesh does not keep a thousand of them; and one that was refused, or
//  leads nowhere, is made anew at the next ask.
static void
s_close_dealers(nm_loop_t *self)
{
    int64_t now_ms = self->clock.last.mono_ms;
    if (now_ms < self->look_at_ms)
        return;
    self->look_at_ms = now_ms + S_LOOK_MS;
    for (size_t i = 0; i < self->peer_count; i++) {
        s_peer_t *peer = &self->peers[i];
        bool idle = now_ms - peer->used_ms > S_DEALER_IDLE_MS;
        bool deaf = peer->asked_ms && now_ms - peer->asked_ms > S_DEALER_DEAF_MS;
        if (!peer->dealer || !(idle || deaf) || nm_actor_awaits(self->config.actor, peer->peer))
            continue;
        nm_net_close(self->config.net, &peer->dealer);
        peer->asked_ms = 0;
    }
}

static bool
s_turn_due(const nm_loop_t *self)
{
    int64_t now_ms = self->clock.last.mono_ms;
    return self->urgent || self->count >= S_COMPANY_COUNT || now_ms >= self->due_ms ||
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
    nm_rc_t rc = nm_actor_turn(self->config.actor, self->inputs, self->count, now);
    //  A turn that cost no sync, as for a claim, is none to keep the pace from: the grant that follows it need not wait.
    if (self->count && nm_actor_changed(self->config.actor))
        self->turn_ms = now.mono_ms;
    s_release(self);
    nm_rc_t rested = nm_actor_rest(self->config.actor, now.mono_ms);
    if (rested != NM_OK)
        rc = rested;
    if (nm_actor_exit(self->config.actor))
        return nm_actor_exit(self->config.actor);
    if (rc == NM_OK) {
        s_forget_inputs(self);
        return -1;
    }
    if (rc == NM_ERR_FULL) {
        nm_log(NM_LOG_ERROR, "turn_undone", "The store is full: a turn of %zu inputs was undone.", self->count);
        s_keep_inputs(self);
        usleep(100000);  //  Nothing gets better by spinning
        return -1;
    }
    nm_log(NM_LOG_CRITICAL, "turn_failed",
           "A turn of %zu inputs failed: %s. The actor stops; run nctl check on its store.", self->count,
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
    return !running && !self->count;
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
        s_revive(self);
        s_close_dealers(self);
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
