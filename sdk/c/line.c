#include "sdk/c/line.h"
#include <zmq.h>
#include <errno.h>
#include <poll.h>

enum { S_DOOR_MAX = 256, S_ENDPOINT_MAX = 256, S_KEY_SIZE = 40, S_FRAME_MAX = 13 * 1024 * 1024, S_HWM = 64 };

typedef struct {
    char *endpoint;
    char key[S_KEY_SIZE + 1];
    bool away;  //  It was silent, or another gateway said so
} s_door_t;

struct nm_line {
    void *context;
    bool own_context;
    void *socket;
    s_door_t *doors;
    size_t door_count;
    size_t current;
    char public_key[S_KEY_SIZE + 1];
    char secret_key[S_KEY_SIZE + 1];
    zmq_msg_t taken;  //  The frame that nm_line_take gave last
};

static int
s_refuse(nmesh_error_t *error, const char *what, const char *value)
{
    if (error) {
        *error = (nmesh_error_t){ .title = "Wrong options" };
        snprintf(error->detail, sizeof error->detail, "%s: \"%s\"", what, value ? value : "");
    }
    return -1;
}

static bool
s_key_is_good(const char *key)
{
    uint8_t bytes[32];
    return key && strlen(key) == S_KEY_SIZE && zmq_z85_decode(bytes, key);
}

static bool
s_endpoint_is_good(const char *endpoint)
{
    return endpoint && (strncmp(endpoint, "tcp://", 6) == 0 || strncmp(endpoint, "ipc://", 6) == 0);
}

static void
s_add_door(nm_line_t *self, const char *endpoint, const char *key)
{
    self->doors = nm_realloc(self->doors, (self->door_count + 1) * sizeof *self->doors);
    s_door_t *door = &self->doors[self->door_count++];
    *door = (s_door_t){ .endpoint = nm_alloc(strlen(endpoint) + 1) };
    memcpy(door->endpoint, endpoint, strlen(endpoint));
    memcpy(door->key, key, S_KEY_SIZE);
}

static int
s_copy_doors(nm_line_t *self, const nmesh_options_t *options, nmesh_error_t *error)
{
    if (!options->door_count)
        return s_refuse(error, "At least one door is needed", NULL);
    for (size_t i = 0; i < options->door_count; i++) {
        const nmesh_door_t *from = &options->doors[i];
        if (!s_endpoint_is_good(from->endpoint))
            return s_refuse(error, "An end point is tcp://host:port or ipc://path", from->endpoint);
        if (!s_key_is_good(from->server_key))
            return s_refuse(error, "A server key is 40 characters of Z85", from->server_key);
        s_add_door(self, from->endpoint, from->server_key);
    }
    return 0;
}

static int
s_own_keys(nm_line_t *self, const nmesh_options_t *options, nmesh_error_t *error)
{
    if (!options->public_key && !options->secret_key)
        return zmq_curve_keypair(self->public_key, self->secret_key) == 0
                   ? 0
                   : s_refuse(error, "This libzmq has no CURVE", zmq_strerror(errno));
    if (!s_key_is_good(options->public_key) || !s_key_is_good(options->secret_key))
        return s_refuse(error, "The own key pair is two times 40 characters of Z85", options->public_key);
    memcpy(self->public_key, options->public_key, S_KEY_SIZE);
    memcpy(self->secret_key, options->secret_key, S_KEY_SIZE);
    return 0;
}

static void
s_set(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof value);
}

//  All options come before connect: libzmq 4.3.4 may crash when limits change later.
static nm_rc_t
s_connect(nm_line_t *self)
{
    const s_door_t *door = &self->doors[self->current];
    self->socket = zmq_socket(self->context, ZMQ_DEALER);
    if (!self->socket)
        return NM_ERR_IO;
    s_set(self->socket, ZMQ_LINGER, 0);
    s_set(self->socket, ZMQ_IMMEDIATE, 1);
    s_set(self->socket, ZMQ_SNDHWM, S_HWM);
    s_set(self->socket, ZMQ_RCVHWM, 0);
    s_set(self->socket, ZMQ_RECONNECT_IVL, 50);
    s_set(self->socket, ZMQ_RECONNECT_IVL_MAX, 2000);
    s_set(self->socket, ZMQ_HEARTBEAT_IVL, 2000);
    s_set(self->socket, ZMQ_HEARTBEAT_TIMEOUT, 6000);
    s_set(self->socket, ZMQ_HEARTBEAT_TTL, 10000);
    int64_t frame_max = S_FRAME_MAX;
    zmq_setsockopt(self->socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
    zmq_setsockopt(self->socket, ZMQ_CURVE_SERVERKEY, door->key, S_KEY_SIZE + 1);
    zmq_setsockopt(self->socket, ZMQ_CURVE_PUBLICKEY, self->public_key, S_KEY_SIZE + 1);
    zmq_setsockopt(self->socket, ZMQ_CURVE_SECRETKEY, self->secret_key, S_KEY_SIZE + 1);
    return zmq_connect(self->socket, door->endpoint) == 0 ? NM_OK : NM_ERR_IO;
}

nm_line_t *
nm_line_new(const nmesh_options_t *options, nmesh_error_t *error)
{
    nm_line_t *self = nm_alloc(sizeof *self);
    zmq_msg_init(&self->taken);
    if (s_copy_doors(self, options, error) || s_own_keys(self, options, error)) {
        nm_line_destroy(&self);
        return NULL;
    }
    self->own_context = !options->context;
    self->context = options->context ? options->context : zmq_ctx_new();
    if (!self->context || s_connect(self) != NM_OK) {
        s_refuse(error, zmq_strerror(errno), self->doors[0].endpoint);
        nm_line_destroy(&self);
    }
    return self;
}

void
nm_line_destroy(nm_line_t **self_p)
{
    nm_line_t *self = *self_p;
    if (!self)
        return;
    zmq_msg_close(&self->taken);
    if (self->socket)
        zmq_close(self->socket);
    if (self->own_context && self->context)
        zmq_ctx_term(self->context);
    for (size_t i = 0; i < self->door_count; i++)
        free(self->doors[i].endpoint);
    free(self->doors);
    explicit_bzero(self->secret_key, sizeof self->secret_key);
    free(self);
    *self_p = NULL;
}

//  The next one that is not known to be away; when all are, that is forgotten.
static size_t
s_next(nm_line_t *self)
{
    for (size_t i = 1; i <= self->door_count; i++) {
        size_t next = (self->current + i) % self->door_count;
        if (!self->doors[next].away)
            return next;
    }
    for (size_t i = 0; i < self->door_count; i++)
        self->doors[i].away = false;
    return (self->current + 1) % self->door_count;
}

nm_rc_t
nm_line_move(nm_line_t *self)
{
    if (self->socket)
        zmq_close(self->socket);
    self->doors[self->current].away = true;
    self->current = s_next(self);
    return s_connect(self);
}

void
nm_line_learn(nm_line_t *self, nm_bytes_t endpoint, nm_bytes_t key, bool up)
{
    char endpoint_text[S_ENDPOINT_MAX], key_text[S_KEY_SIZE + 2];
    if (endpoint.size >= sizeof endpoint_text || key.size != S_KEY_SIZE)
        return;
    nm_bytes_to_text(endpoint, endpoint_text, sizeof endpoint_text);
    nm_bytes_to_text(key, key_text, sizeof key_text);
    if (!s_endpoint_is_good(endpoint_text) || !s_key_is_good(key_text))
        return;
    size_t i = 0;
    while (i < self->door_count && strcmp(self->doors[i].endpoint, endpoint_text) != 0)
        i++;
    if (i == self->door_count && self->door_count < S_DOOR_MAX)
        s_add_door(self, endpoint_text, key_text);
    if (i == self->door_count)
        return;
    memcpy(self->doors[i].key, key_text, S_KEY_SIZE);
    self->doors[i].away = !up;
}

size_t
nm_line_door_count(const nm_line_t *self)
{
    return self->door_count;
}

nm_rc_t
nm_line_send(nm_line_t *self, nm_bytes_t frame)
{
    return zmq_send(self->socket, frame.at, frame.size, ZMQ_DONTWAIT) >= 0 ? NM_OK : NM_ERR_BUSY;
}

nm_rc_t
nm_line_take(nm_line_t *self, nm_bytes_t *frame)
{
    zmq_msg_close(&self->taken);
    zmq_msg_init(&self->taken);
    if (zmq_msg_recv(&self->taken, self->socket, ZMQ_DONTWAIT) < 0)
        return NM_ERR_MISSING;
    *frame = nm_bytes(zmq_msg_data(&self->taken), zmq_msg_size(&self->taken));
    return NM_OK;
}

void
nm_line_wait(nm_line_t *self, int timeout_ms, bool room)
{
    if (!self->socket) {
        poll(NULL, 0, timeout_ms);  //  No descriptor was left for a socket; the next move may find one
        return;
    }
    zmq_pollitem_t item = { .socket = self->socket, .events = (short) (ZMQ_POLLIN | (room ? ZMQ_POLLOUT : 0)) };
    zmq_poll(&item, 1, timeout_ms);
}

int
nm_line_fd(const nm_line_t *self)
{
    int fd = -1;
    size_t size = sizeof fd;
    return zmq_getsockopt(self->socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}
