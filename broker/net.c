#include "broker/net_private.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>

#include "wire/limits.h"

//  libzmq 4.3.4 knows it and its stable header hides it
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

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
    KNOCK_ANSWER_MAX = 64 * 1024,
    SELF_TEST_MS = 2000,
    HANDSHAKE_ENDS = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
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
    int64_t frame_max;
    int receive_count;
    int send_count;
    int heartbeat_ms;  //  0 for mailboxes: whoever posts to one asks for signs of life himself
    option_t own;
} kind_t;

static const kind_t BIND_KINDS[] = {
    [NM_NET_MAILBOX] = { ZMQ_PULL, NM_FRAME_MAX, 2 * NM_CREDIT_COUNT, 1, 0, { ZMQ_BACKLOG, 512 } },
    [NM_NET_DESK] = { ZMQ_ROUTER, NM_FRAME_MAX, 1000, 4000, HEARTBEAT_MS, { ZMQ_ROUTER_MANDATORY, 1 } },
    [NM_NET_DOOR] = { ZMQ_ROUTER, NM_DOOR_FRAME_MAX, 64, 4000, HEARTBEAT_MS, { ZMQ_ROUTER_MANDATORY, 1 } },
    [NM_NET_LOBBY] = { ZMQ_ROUTER, NM_LOBBY_FRAME_MAX, 4, 4, HEARTBEAT_MS, { ZMQ_ROUTER_MANDATORY, 1 } },
};

static const kind_t CONNECT_KINDS[] = {
    [NM_NET_POST] = { ZMQ_PUSH, NM_FRAME_MAX, 1, 2 * NM_CREDIT_COUNT, POST_HEARTBEAT_MS, { ZMQ_IMMEDIATE, 1 } },
    [NM_NET_DEALER] = { ZMQ_DEALER,
                        NM_FRAME_MAX,
                        4000,
                        1000,
                        HEARTBEAT_MS,
                        { ZMQ_IMMEDIATE, 0 } },  //  The ask that opens it waits in it
    [NM_NET_KNOCK] = { ZMQ_DEALER, KNOCK_ANSWER_MAX, 4, 4, HEARTBEAT_MS, { ZMQ_IMMEDIATE, 0 } },
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
s_set_server(const nm_net_t *self, void *socket, const char *domain)
{
    bool done = s_set(socket, ZMQ_CURVE_SERVER, 1) && s_set_text(socket, ZMQ_CURVE_SECRETKEY, self->server_secret);
#ifndef NM_MUTANT_NO_ZAP
    done = done && s_set_text(socket, ZMQ_ZAP_DOMAIN, domain) && s_set(socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
#else
    (void) domain;
#endif
    return done;
}

static bool
s_set_client(void *socket, const char *public_text, const char *secret_text, const char *server_text)
{
    return s_set_text(socket, ZMQ_CURVE_SERVERKEY, server_text) &&
           s_set_text(socket, ZMQ_CURVE_PUBLICKEY, public_text) && s_set_text(socket, ZMQ_CURVE_SECRETKEY, secret_text);
}

//  The only maker of sockets that reach outside: one that is bound has a domain, one that connects the key of its server.
static void *
s_new_socket(const nm_net_t *self, const kind_t *kind, const char *domain, const char *server_text, nm_error_t *error)
{
    void *socket = zmq_socket(self->context, kind->type);
    bool done = socket && s_set_common(socket, kind);
    if (done && domain)
        done = s_set_server(self, socket, domain);
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
    void *socket = s_new_socket(self, &BIND_KINDS[kind], nm_net_domains[kind], NULL, error);
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
    void *socket = s_new_socket(self, &CONNECT_KINDS[kind], NULL, server_text, error);
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

static void
s_free_bytes(void *bytes, void *hint)
{
    (void) hint;
    free(bytes);
}

bool
nm_net_send(void *socket, nm_buf_t *bytes)
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
        self->refused[i] = nm_metrics_make(metrics, NM_FAMILY_HANDSHAKES_REFUSED, nm_net_domains[i], NULL);
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
