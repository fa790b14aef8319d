#include "broker/net.h"

#include <errno.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include "broker/knocks.h"
#include "broker/log.h"
#include "wire/limits.h"

//  libzmq 4.3.4 knows it and its stable header hides it
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define MAILBOX_DOMAIN "mailbox"
#define DESK_DOMAIN "desk"
#define DOOR_DOMAIN "door"
#define LOBBY_DOMAIN "lobby"
#define KEY_PROPERTY "Client-Key"  //  Z85 of the session's key
#define TRUST_PROPERTY "Trust"     //  The domain that let it in

enum {
    CURVE_OVERHEAD = 33,  //  What libzmq's limit counts beside the payload
    HANDSHAKE_MS = 3000,  //  Then a silent connection is closed
    HEARTBEAT_MS = 1000,
    POST_HEARTBEAT_MS = 5000,  //  Actors beat on their links themselves; this only finds connections that are dead
    SILENCE_MS = 3000,         //  A connection without a sign of life for so long is dropped
    RECONNECT_MS = 50,
    RECONNECT_MAX_MS = 2000,
    CONNECT_MS = 3000,
    SOCKET_MAX = 4096,
    ZAP_FRAME_COUNT = 7,   //  Up to the credentials of CURVE
    ZAP_BATCH_COUNT = 64,  //  Handshakes judged in one run
    LOG_PER_SECOND = 10,   //  A stranger may not fill the log
    KNOCK_ANSWER_MAX = 64 * 1024,
    SELF_TEST_MS = 2000,
    HANDSHAKE_ENDS = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
};

struct nm_net {
    void *context;
    void *zap;  //  REP; NULL in the mutant without it
    nm_directory_t *directory;
    char server_public[NM_CURVE_TEXT_SIZE + 1];  //  What bound sockets go by
    char server_secret[NM_CURVE_TEXT_SIZE + 1];
    char public_text[NM_CURVE_TEXT_SIZE + 1];  //  What connected ones go by: the same but while keys are changed
    char secret_text[NM_CURVE_TEXT_SIZE + 1];
    nm_knocks_t knocks;
    nm_metric_t *refused[NM_NET_LOBBY + 1];  //  By where they knocked
    bool testing;                            //  The refusal that the self-test provokes is no news
    int64_t log_second_ms;                   //  When the second began that the count is of
    unsigned log_count;
};

//  -- Options: what every socket gets, then what each kind gets

typedef struct {
    int option;
    int value;
} option_t;

static const option_t EVERY_SOCKET[] = {
    { ZMQ_LINGER, 0 },
    { ZMQ_IPV6, 1 },
    { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
    { ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS },
    { ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
    { ZMQ_RECONNECT_IVL, RECONNECT_MS },
    { ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS },
};

//  The high-water marks are fuses; credit and deadlines are what holds back.
typedef struct {
    int type;
    const char *domain;  //  NULL for one that connects
    int64_t frame_max;
    int receive_count;
    int send_count;
    int heartbeat_ms;  //  0 for mailboxes: whoever posts to one asks for signs of life himself
    option_t own;
} kind_t;

static const kind_t BIND_KINDS[] = {
    [NM_NET_MAILBOX] = { ZMQ_PULL, MAILBOX_DOMAIN, NM_FRAME_MAX, 2 * NM_CREDIT_COUNT, 1, 0, { ZMQ_BACKLOG, 512 } },
    [NM_NET_DESK] = { ZMQ_ROUTER, DESK_DOMAIN, NM_FRAME_MAX, 1000, 4000, HEARTBEAT_MS, { ZMQ_ROUTER_MANDATORY, 1 } },
    [NM_NET_DOOR] = { ZMQ_ROUTER, DOOR_DOMAIN, NM_DOOR_FRAME_MAX, 64, 4000, HEARTBEAT_MS, { ZMQ_ROUTER_MANDATORY, 1 } },
    [NM_NET_LOBBY] = { ZMQ_ROUTER, LOBBY_DOMAIN, NM_LOBBY_FRAME_MAX, 4, 4, HEARTBEAT_MS, { ZMQ_ROUTER_MANDATORY, 1 } },
};

static const kind_t CONNECT_KINDS[] = {
    [NM_NET_POST] = { ZMQ_PUSH, NULL, NM_FRAME_MAX, 1, 2 * NM_CREDIT_COUNT, POST_HEARTBEAT_MS, { ZMQ_IMMEDIATE, 1 } },
    [NM_NET_DEALER] = { ZMQ_DEALER,
                        NULL,
                        NM_FRAME_MAX,
                        4000,
                        1000,
                        HEARTBEAT_MS,
                        { ZMQ_IMMEDIATE, 0 } },  //  The ask that opens it waits in it
    [NM_NET_KNOCK] = { ZMQ_DEALER, NULL, KNOCK_ANSWER_MAX, 4, 4, HEARTBEAT_MS, { ZMQ_IMMEDIATE, 0 } },
};

static bool
s_set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool
s_set_text(void *socket, int option, const char *value)
{
    return zmq_setsockopt(socket, option, value, strlen(value)) == 0;
}

static bool
s_set_common(void *socket, const kind_t *kind)
{
    bool done = true;
    for (size_t i = 0; i < NM_COUNT(EVERY_SOCKET); i++)
        done = done && s_set(socket, EVERY_SOCKET[i].option, EVERY_SOCKET[i].value);
    int64_t size_max = kind->frame_max + CURVE_OVERHEAD;
    return done && s_set(socket, kind->own.option, kind->own.value) &&
           s_set(socket, ZMQ_HEARTBEAT_IVL, kind->heartbeat_ms) &&
           s_set(socket, ZMQ_HEARTBEAT_TTL, 3 * kind->heartbeat_ms) && s_set(socket, ZMQ_RCVHWM, kind->receive_count) &&
           s_set(socket, ZMQ_SNDHWM, kind->send_count) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof size_max) == 0;
}

//  With a domain that is enforced, a handler that is missing refuses everybody.
static bool
s_set_server(const nm_net_t *self, void *socket, const kind_t *kind)
{
    bool done = s_set(socket, ZMQ_CURVE_SERVER, 1) && s_set_text(socket, ZMQ_CURVE_SECRETKEY, self->server_secret);
#ifndef NM_MUTANT_NO_ZAP
    done = done && s_set_text(socket, ZMQ_ZAP_DOMAIN, kind->domain) && s_set(socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
#else
    (void) kind;
#endif
    return done;
}

static bool
s_set_client(void *socket, const char *public_text, const char *secret_text, const char *server_text)
{
    return s_set_text(socket, ZMQ_CURVE_SERVERKEY, server_text) &&
           s_set_text(socket, ZMQ_CURVE_PUBLICKEY, public_text) && s_set_text(socket, ZMQ_CURVE_SECRETKEY, secret_text);
}

//  The only maker of sockets that reach outside. server_text is NULL for one that is bound.
static void *
s_new_socket(const nm_net_t *self, const kind_t *kind, const char *server_text, nm_error_t *error)
{
    void *socket = zmq_socket(self->context, kind->type);
    bool done = socket && s_set_common(socket, kind);
    if (done && kind->domain)
        done = s_set_server(self, socket, kind);
    else if (done)
        done = s_set_client(socket, self->public_text, self->secret_text, server_text);
    if (done)
        return socket;
    nm_fail(error, NM_ERR_IO, "a socket cannot be made: %s", zmq_strerror(zmq_errno()));
    if (socket)
        zmq_close(socket);
    return NULL;
}

static nm_rc_t
s_check_endpoint(const char *endpoint, nm_error_t *error)
{
    if (strncmp(endpoint, "tcp://", 6) == 0 || strncmp(endpoint, "ipc://", 6) == 0)
        return NM_OK;
    return nm_fail(error, NM_ERR_REFUSED, "%.120s: an end point begins with tcp:// or ipc://", endpoint);
}

//  Makes the folder that an ipc socket is to stand in.
static nm_rc_t
s_make_folder(const char *endpoint, nm_error_t *error)
{
    if (strncmp(endpoint, "ipc://", 6) != 0)
        return NM_OK;
    char folder[NM_ENDPOINT_MAX];
    nm_bytes_to_text(nm_text(endpoint + 6), folder, sizeof folder);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return NM_OK;
    *slash = 0;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return nm_fail(error, NM_ERR_IO, "%s cannot be made: %s", folder, strerror(errno));
    return NM_OK;
}

void *
nm_net_bind(nm_net_t *self, nm_net_bind_t kind, const char *endpoint, char bound[NM_ENDPOINT_MAX], nm_error_t *error)
{
    if (s_check_endpoint(endpoint, error) != NM_OK || s_make_folder(endpoint, error) != NM_OK)
        return NULL;
    void *socket = s_new_socket(self, &BIND_KINDS[kind], NULL, error);
    if (!socket)
        return NULL;
    char real[256];
    size_t size = sizeof real;
    if (zmq_bind(socket, endpoint) != 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, real, &size) != 0) {
        nm_fail(error, NM_ERR_IO, "%s cannot be bound: %s", endpoint, zmq_strerror(zmq_errno()));
        zmq_close(socket);
        return NULL;
    }
    if (bound)
        nm_bytes_to_text(nm_text(real), bound, NM_ENDPOINT_MAX);
    return socket;
}

void *
nm_net_connect(nm_net_t *self, nm_net_connect_t kind, const char *endpoint, const uint8_t server_key[NM_CURVE_KEY_SIZE],
               nm_error_t *error)
{
    if (s_check_endpoint(endpoint, error) != NM_OK)
        return NULL;
    char server_text[NM_CURVE_TEXT_SIZE + 1];
    zmq_z85_encode(server_text, server_key, NM_CURVE_KEY_SIZE);
    void *socket = s_new_socket(self, &CONNECT_KINDS[kind], server_text, error);
    if (socket && zmq_connect(socket, endpoint) != 0) {
        nm_fail(error, NM_ERR_IO, "%s cannot be connected to: %s", endpoint, zmq_strerror(zmq_errno()));
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

void
nm_net_close(nm_net_t *self, void **socket_p)
{
    (void) self;
    if (*socket_p)
        zmq_close(*socket_p);
    *socket_p = NULL;
}

//  -- Making it

static nm_rc_t
s_check_library(nm_error_t *error)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    if (major * 10000 + minor * 100 + patch < 40303)
        return nm_fail(error, NM_ERR_REFUSED, "libzmq %d.%d.%d has known holes; 4.3.3 or later is needed", major, minor,
                       patch);
    if (!zmq_has("curve"))
        return nm_fail(error, NM_ERR_REFUSED, "this libzmq was built without CURVE");
    return NM_OK;
}

static nm_rc_t
s_bind_zap(nm_net_t *self, nm_error_t *error)
{
#ifndef NM_MUTANT_NO_ZAP
    self->zap = zmq_socket(self->context, ZMQ_REP);
    if (!self->zap || !s_set(self->zap, ZMQ_LINGER, 0) || zmq_bind(self->zap, ZAP_ENDPOINT) != 0)
        return nm_fail(error, NM_ERR_IO, "the ZAP handler cannot be bound: %s", zmq_strerror(zmq_errno()));
#else
    (void) error;
    self->zap = zmq_socket(self->context, ZMQ_REP);
#endif
    return NM_OK;
}

nm_net_t *
nm_net_new(const nm_cert_t *own, nm_directory_t *directory, nm_metrics_t *metrics, nm_error_t *error)
{
    if (s_check_library(error) != NM_OK)
        return NULL;
    if (!own->secret_text[0]) {
        nm_fail(error, NM_ERR_REFUSED, "the certificate of %s came without its secret key", own->name);
        return NULL;
    }
    nm_net_t *self = nm_alloc(sizeof *self);
    self->directory = directory;
    nm_net_serve_as(self, own);
    nm_net_call_as(self, own);
    nm_knocks_init(&self->knocks);
    for (size_t i = 0; metrics && i < NM_COUNT(BIND_KINDS); i++)
        self->refused[i] = nm_metrics_make(metrics, NM_FAMILY_HANDSHAKES_REFUSED, BIND_KINDS[i].domain, NULL);
    self->context = zmq_ctx_new();
    if (!self->context || zmq_ctx_set(self->context, ZMQ_MAX_SOCKETS, SOCKET_MAX) != 0)
        nm_fail(error, NM_ERR_IO, "a ZeroMQ context cannot be made: %s", zmq_strerror(zmq_errno()));
    else if (s_bind_zap(self, error) == NM_OK)
        return self;
    nm_net_destroy(&self);
    return NULL;
}

void
nm_net_destroy(nm_net_t **self_p)
{
    nm_net_t *self = *self_p;
    if (!self)
        return;
    if (self->zap)
        zmq_close(self->zap);
    if (self->context)
        zmq_ctx_term(self->context);
    sodium_memzero(self->secret_text, sizeof self->secret_text);
    sodium_memzero(self->server_secret, sizeof self->server_secret);
    free(self);
    *self_p = NULL;
}

//  -- The ZAP handler (RFC 27)

enum { ZAP_VERSION, ZAP_REQUEST, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_CREDENTIALS };

typedef struct {
    zmq_msg_t frames[ZAP_FRAME_COUNT];
    size_t count;  //  How many came; more than ZAP_FRAME_COUNT were dropped, but counted
} zap_request_t;

typedef struct {
    const char *user;  //  NULL: refused
    const char *trust;
    char key_text[NM_CURVE_TEXT_SIZE + 1];
} zap_verdict_t;

static nm_bytes_t
s_frame(zap_request_t *request, size_t i)
{
    if (i >= request->count || i >= ZAP_FRAME_COUNT)
        return nm_bytes(NULL, 0);
    return nm_bytes(zmq_msg_data(&request->frames[i]), zmq_msg_size(&request->frames[i]));
}

static void
s_close_request(zap_request_t *request)
{
    for (size_t i = 0; i < request->count && i < ZAP_FRAME_COUNT; i++)
        zmq_msg_close(&request->frames[i]);
}

//  Takes one whole request; false if there is none.
static bool
s_receive_request(void *socket, zap_request_t *request)
{
    request->count = 0;
    bool more = true;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            s_close_request(request);
            return false;
        }
        more = zmq_msg_more(&frame);
        if (request->count < ZAP_FRAME_COUNT)
            request->frames[request->count] = frame;
        else
            zmq_msg_close(&frame);
        request->count++;
    }
    return true;
}

//  At most LOG_PER_SECOND refusals are written; the rest are only counted.
static bool
s_may_log(nm_net_t *self, int64_t now_ms)
{
    if (now_ms - self->log_second_ms >= 1000 || now_ms < self->log_second_ms) {
        if (self->log_count > LOG_PER_SECOND)
            nm_log(NM_LOG_WARNING, "strangers_refused", "%u more refused and not named here",
                   self->log_count - LOG_PER_SECOND);
        self->log_second_ms = now_ms;
        self->log_count = 0;
    }
    return self->log_count++ < LOG_PER_SECOND;
}

static void
s_note_refusal(nm_net_t *self, zap_request_t *request, const char *reason, int64_t now_ms)
{
    if (self->testing)
        return;
    size_t kind = 0;
    while (kind < NM_COUNT(BIND_KINDS) && !nm_bytes_is(s_frame(request, ZAP_DOMAIN), BIND_KINDS[kind].domain))
        kind++;
    const char *where = kind < NM_COUNT(BIND_KINDS) ? BIND_KINDS[kind].domain : "unknown domain";
    if (kind < NM_COUNT(BIND_KINDS) && self->refused[kind])
        nm_metric_add(self->refused[kind], 1);
    if (!s_may_log(self, now_ms))
        return;
    char fingerprint[17] = "none";
    nm_bytes_t key = s_frame(request, ZAP_CREDENTIALS);
    if (key.size == NM_CURVE_KEY_SIZE)
        nm_cert_fingerprint(key.at, fingerprint);
    nm_bytes_t address = s_frame(request, ZAP_ADDRESS);
    nm_log(NM_LOG_WARNING, "stranger_refused", "refused at the %s: %s (key %s, from %.*s)", where, reason, fingerprint,
           address.size > 64 ? 64 : (int) address.size, (const char *) address.at);
}

//  Who is it, by its key and where it knocks? A reason if it may not come in.
static nm_rc_t
s_judge(nm_net_t *self, zap_request_t *request, int64_t now_ms, zap_verdict_t *verdict, nm_error_t *error)
{
    nm_bytes_t domain = s_frame(request, ZAP_DOMAIN), key = s_frame(request, ZAP_CREDENTIALS);
    if (request->count != ZAP_FRAME_COUNT || !nm_bytes_is(s_frame(request, ZAP_VERSION), "1.0"))
        return nm_fail(error, NM_ERR_MALFORMED, "not a request of ZAP 1.0 with a CURVE key");
    if (!nm_bytes_is(s_frame(request, ZAP_MECHANISM), "CURVE") || key.size != NM_CURVE_KEY_SIZE)
        return nm_fail(error, NM_ERR_REFUSED, "it does not speak CURVE");

    zmq_z85_encode(verdict->key_text, key.at, NM_CURVE_KEY_SIZE);
    if (nm_bytes_is(domain, DOOR_DOMAIN) || nm_bytes_is(domain, LOBBY_DOMAIN)) {
        bool lobby = nm_bytes_is(domain, LOBBY_DOMAIN);
        verdict->trust = lobby ? LOBBY_DOMAIN : DOOR_DOMAIN;
        verdict->user = lobby ? "newcomer" : "client";
        return NM_OK;
    }
    bool mailbox = nm_bytes_is(domain, MAILBOX_DOMAIN);
    if (!mailbox && !nm_bytes_is(domain, DESK_DOMAIN))
        return nm_fail(error, NM_ERR_REFUSED, "the domain is unknown");
    const nm_peer_t *peer = nm_directory_admit(self->directory, key.at, now_ms, error);
    if (!peer)
        return NM_ERR_REFUSED;
    if (mailbox && peer->actor.role == NM_ROLE_OPERATOR)
        return nm_fail(error, NM_ERR_REFUSED, "the operator %s may ask and not mail", peer->actor.name);
    verdict->trust = mailbox ? MAILBOX_DOMAIN : DESK_DOMAIN;
    verdict->user = peer->actor.name;
    return NM_OK;
}

static void
s_add_property(nm_buf_t *out, const char *name, const char *value)
{
    uint8_t size = (uint8_t) strlen(name), value_size[4];
    nm_put_u32(value_size, (uint32_t) strlen(value));
    nm_buf_add(out, &size, 1);
    nm_buf_add_text(out, name);
    nm_buf_add(out, value_size, sizeof value_size);
    nm_buf_add_text(out, value);
}

static void
s_answer(nm_net_t *self, zap_request_t *request, const zap_verdict_t *verdict)
{
    nm_buf_t metadata = { 0 };
    if (verdict->user) {
        s_add_property(&metadata, KEY_PROPERTY, verdict->key_text);
        s_add_property(&metadata, TRUST_PROPERTY, verdict->trust);
    }
    const nm_bytes_t frames[] = {
        nm_text("1.0"),
        s_frame(request, ZAP_REQUEST),
        nm_text(verdict->user ? "200" : "400"),
        nm_text(verdict->user ? "OK" : "refused"),
        nm_text(verdict->user),
        nm_buf_bytes(&metadata),
    };
    for (size_t i = 0; i < NM_COUNT(frames); i++)
        zmq_send(self->zap, frames[i].at, frames[i].size, i + 1 < NM_COUNT(frames) ? ZMQ_SNDMORE : 0);
    nm_buf_free(&metadata);
}

void *
nm_net_zap_socket(nm_net_t *self)
{
    return self->zap;
}

void
nm_net_zap_run(nm_net_t *self, int64_t now_ms)
{
    zap_request_t request;
    for (size_t i = 0; i < ZAP_BATCH_COUNT && s_receive_request(self->zap, &request); i++) {
        zap_verdict_t verdict = { 0 };
        nm_error_t error;
        if (s_judge(self, &request, now_ms, &verdict, &error) != NM_OK) {
            verdict.user = NULL;
            s_note_refusal(self, &request, error.text, now_ms);
        }
        s_answer(self, &request, &verdict);
        s_close_request(&request);
    }
}

//  -- Senders

nm_rc_t
nm_net_sender(nm_net_t *self, zmq_msg_t *frame, int64_t now_ms, nm_net_sender_t *sender)
{
    //  Both are set by our handler, and libzmq lets no property of a peer's own replace them
    const char *key_text = zmq_msg_gets(frame, KEY_PROPERTY);
    const char *trust = zmq_msg_gets(frame, TRUST_PROPERTY);
    uint8_t key[NM_CURVE_KEY_SIZE];
    if (!key_text || !trust || strlen(key_text) != NM_CURVE_TEXT_SIZE || !zmq_z85_decode(key, key_text))
        return NM_ERR_REFUSED;

    *sender = (nm_net_sender_t){ .name = "", .role = NM_ROLE_CLIENT };
    memcpy(sender->client_key, key, sizeof key);
    if (strcmp(trust, DOOR_DOMAIN) == 0)
        return NM_OK;
    if (strcmp(trust, LOBBY_DOMAIN) == 0) {
        sender->role = NM_ROLE_NONE;
        return NM_OK;
    }
    const nm_peer_t *peer = nm_directory_admit(self->directory, key, now_ms, NULL);
    if (!peer)
        return NM_ERR_REFUSED;
    sender->name = peer->actor.name;
    sender->role = peer->actor.role;
    return NM_OK;
}

void
nm_net_cut(zmq_msg_t *frame)
{
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
}

bool
nm_net_may_knock(nm_net_t *self, zmq_msg_t *frame, int64_t now_ms)
{
    const char *key = zmq_msg_gets(frame, KEY_PROPERTY), *address = zmq_msg_gets(frame, "Peer-Address");
    return nm_knocks_add(&self->knocks, nm_text(key), nm_text(address), now_ms);
}

//  -- Another certificate

void
nm_net_serve_as(nm_net_t *self, const nm_cert_t *cert)
{
    memcpy(self->server_public, cert->public_text, sizeof self->server_public);
    memcpy(self->server_secret, cert->secret_text, sizeof self->server_secret);
}

void
nm_net_call_as(nm_net_t *self, const nm_cert_t *cert)
{
    memcpy(self->public_text, cert->public_text, sizeof self->public_text);
    memcpy(self->secret_text, cert->secret_text, sizeof self->secret_text);
}

//  -- The self-test

//  How the handshake ended, as the monitor tells it; 0 if it did not.
static int
s_handshake_end(void *monitor)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    int event = 0;
    if (zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 2) {
        uint16_t number;
        memcpy(&number, zmq_msg_data(&frame), sizeof number);
        event = number;
        zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT);  //  The end point follows
    }
    zmq_msg_close(&frame);
    return event;
}

//  Runs the handler until the stranger's handshake ended or the time is up.
static int
s_watch_handshake(nm_net_t *self, void *monitor, int64_t now_ms)
{
    int event = 0;
    for (int waited_ms = 0; !event && waited_ms < SELF_TEST_MS; waited_ms += 100) {
        zmq_pollitem_t items[] = { { self->zap, 0, ZMQ_POLLIN, 0 }, { monitor, 0, ZMQ_POLLIN, 0 } };
        //  Each wake is a step of the one handshake there is, so few go by before the time is counted up
        if (zmq_poll(items, 2, 100) < 0)
            break;
        if (items[0].revents)
            nm_net_zap_run(self, now_ms);
        if (items[1].revents)
            event = s_handshake_end(monitor);
    }
    return event;
}

//  The monitor's PAIR is connected before there is anything to report: it would block libzmq else.
static nm_rc_t
s_knock(nm_net_t *self, void *stranger, const char *endpoint, int64_t now_ms, nm_error_t *error)
{
    char place[64];
    snprintf(place, sizeof place, "inproc://nmesh-self-test-%p", stranger);
    nm_rc_t rc = NM_ERR_IO;
    void *monitor = zmq_socket(self->context, ZMQ_PAIR);
    if (!monitor || !s_set(monitor, ZMQ_LINGER, 0) || zmq_socket_monitor(stranger, place, HANDSHAKE_ENDS) != 0 ||
        zmq_connect(monitor, place) != 0 || zmq_connect(stranger, endpoint) != 0) {
        nm_fail(error, rc, "the self-test cannot knock: %s", zmq_strerror(zmq_errno()));
        goto done;
    }
    int event = s_watch_handshake(self, monitor, now_ms);
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        rc = NM_OK;
    else
        rc = nm_fail(error, NM_ERR_BUG, "a stranger's key was not refused (event 0x%x): the ZAP handler does not work",
                     (unsigned) event);

done:
    zmq_socket_monitor(stranger, NULL, 0);
    if (monitor)
        zmq_close(monitor);
    return rc;
}

nm_rc_t
nm_net_self_test(nm_net_t *self, int64_t now_ms, nm_error_t *error)
{
    nm_rc_t rc = NM_ERR_IO;
    char endpoint[NM_ENDPOINT_MAX], public_text[NM_CURVE_TEXT_SIZE + 1], secret_text[NM_CURVE_TEXT_SIZE + 1];
    void *stranger = NULL, *mailbox = nm_net_bind(self, NM_NET_MAILBOX, "tcp://127.0.0.1:*", endpoint, error);
    if (!mailbox)
        goto done;
    stranger = zmq_socket(self->context, ZMQ_PUSH);
    if (!stranger || zmq_curve_keypair(public_text, secret_text) != 0 || !s_set(stranger, ZMQ_LINGER, 0) ||
        !s_set_client(stranger, public_text, secret_text, self->server_public)) {
        nm_fail(error, rc, "the self-test's socket cannot be made: %s", zmq_strerror(zmq_errno()));
        goto done;
    }
    self->testing = true;
    rc = s_knock(self, stranger, endpoint, now_ms, error);
    self->testing = false;

done:
    if (stranger)
        zmq_close(stranger);
    nm_net_close(self, &mailbox);
    return rc;
}
