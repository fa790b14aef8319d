#include "tests/broker/check.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "broker/log.h"
#include "broker/net.h"
#include "tests/broker/folder.h"

//  router-1 listens; email-1 and anna have good certificates.
typedef struct {
    folder_t folder;
    nm_mesh_t *mesh;
    nm_cert_t router;
    nm_cert_t email;
    nm_cert_t anna;  //  An operator
    nm_directory_t *directory;
    nm_metrics_t *metrics;
    nm_net_t *net;
    void *context;  //  Of the others
    void *client;   //  Here so that a test that fails half-way leaves nothing open
    void *monitor;
    unsigned knock_count;
    void *bound;
    char endpoint[NM_ENDPOINT_MAX];
} fixture_t;

static int
s_setup(void **state)
{
    fixture_t *self = nm_alloc(sizeof *self);
    nm_error_t error = { "" };
    folder_make(&self->folder);
    self->mesh = nm_mesh_load(self->folder.path, &error);
    folder_certify(&self->folder, "router-1", NM_ROLE_ROUTER, &self->router);
    folder_certify(&self->folder, "email-1", NM_ROLE_EMAIL, &self->email);
    folder_certify(&self->folder, "anna", NM_ROLE_OPERATOR, &self->anna);
    self->directory = nm_directory_new(self->mesh, FOLDER_NOW_MS, &error);
    self->metrics = nm_metrics_new();
    self->net = nm_net_new(&self->router, self->directory, self->metrics, &error);
    self->context = zmq_ctx_new();
    *state = self;
    return self->net ? 0 : -1;
}

static void
s_hang_up(fixture_t *self)
{
    if (self->monitor) {
        zmq_socket_monitor(self->client, NULL, 0);
        zmq_close(self->monitor);
    }
    if (self->client)
        zmq_close(self->client);
    self->client = self->monitor = NULL;
}

static int
s_teardown(void **state)
{
    fixture_t *self = *state;
    nm_net_close(self->net, &self->bound);
    nm_net_destroy(&self->net);
    s_hang_up(self);
    zmq_ctx_term(self->context);
    nm_metrics_destroy(&self->metrics);
    nm_directory_destroy(&self->directory);
    nm_mesh_destroy(&self->mesh);
    folder_remove(&self->folder);
    free(self);
    return 0;
}

static void
s_bind(fixture_t *self, nm_net_bind_t kind)
{
    nm_error_t error = { "" };
    nm_net_close(self->net, &self->bound);
    self->bound = nm_net_bind(self->net, kind, "tcp://127.0.0.1:*", self->endpoint, &error);
    assert_string_equal(error.text, "");
}

static int64_t
s_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

//  -- The other side

typedef enum { AS_NULL, AS_PLAIN, AS_CURVE } manner_t;

//  How somebody knocks.
typedef struct {
    manner_t manner;
    const char *public_text;
    const char *secret_text;
    const char *server_text;
} knocker_t;

static void
s_set_text(void *socket, int option, const char *text)
{
    assert_int_equal(zmq_setsockopt(socket, option, text, strlen(text)), 0);
}

//  A socket that fits the kind that is bound, not connected yet.
static void
s_new_client(fixture_t *self, const knocker_t *knocker)
{
    int bound_type;
    size_t size = sizeof bound_type;
    zmq_getsockopt(self->bound, ZMQ_TYPE, &bound_type, &size);
    self->client = zmq_socket(self->context, bound_type == ZMQ_PULL ? ZMQ_PUSH : ZMQ_DEALER);
    int zero = 0;
    zmq_setsockopt(self->client, ZMQ_LINGER, &zero, sizeof zero);
    if (knocker->manner == AS_PLAIN) {
        s_set_text(self->client, ZMQ_PLAIN_USERNAME, "email-1");
        s_set_text(self->client, ZMQ_PLAIN_PASSWORD, "secret");
    } else if (knocker->manner == AS_CURVE) {
        s_set_text(self->client, ZMQ_CURVE_PUBLICKEY, knocker->public_text);
        s_set_text(self->client, ZMQ_CURVE_SECRETKEY, knocker->secret_text);
        s_set_text(self->client, ZMQ_CURVE_SERVERKEY, knocker->server_text);
    }
}

//  Runs the handler until something can be read from the socket; false after five seconds.
static bool
s_run_until_readable(fixture_t *self, void *socket)
{
    int64_t end_ms = s_clock_ms() + 5000;
    while (s_clock_ms() < end_ms) {
        zmq_pollitem_t items[] = { { nm_net_zap_socket(self->net), 0, ZMQ_POLLIN, 0 }, { socket, 0, ZMQ_POLLIN, 0 } };
        zmq_poll(items, 2, 100);
        if (items[0].revents)
            nm_net_zap_run(self->net, FOLDER_NOW_MS);
        if (items[1].revents)
            return true;
    }
    return false;
}

//  Connects, sends, and tells how the first handshake ended, as the client saw it.
static int
s_knock(fixture_t *self, const knocker_t *knocker)
{
    const int ends = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED |
                     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    //  libzmq frees the name of the knock before only after a while
    char place[32];
    snprintf(place, sizeof place, "inproc://knock-%u", self->knock_count++);
    s_new_client(self, knocker);
    assert_int_equal(zmq_socket_monitor(self->client, place, ends), 0);
    self->monitor = zmq_socket(self->context, ZMQ_PAIR);
    assert_int_equal(zmq_connect(self->monitor, place), 0);
    assert_int_equal(zmq_connect(self->client, self->endpoint), 0);
    zmq_send(self->client, "hello", 5, ZMQ_DONTWAIT);

    uint16_t event = 0;
    if (s_run_until_readable(self, self->monitor)) {
        uint8_t frame[6];
        assert_int_equal(zmq_recv(self->monitor, frame, sizeof frame, 0), 6);
        memcpy(&event, frame, sizeof event);
    }
    s_hang_up(self);
    return event;
}

//  Refused: its handshake does not succeed, and nothing of it arrives.
static void
s_assert_refused(fixture_t *self, const knocker_t *knocker)
{
    int event = s_knock(self, knocker);
    assert_int_not_equal(event, 0);
    assert_int_not_equal(event, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    char byte;
    assert_int_equal(zmq_recv(self->bound, &byte, 1, ZMQ_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void
s_assert_refused_everywhere(fixture_t *self, const knocker_t *knocker)
{
    for (nm_net_bind_t kind = NM_NET_MAILBOX; kind <= NM_NET_DESK; kind++) {
        s_bind(self, kind);
        s_assert_refused(self, knocker);
    }
}

static knocker_t
s_knocker(const fixture_t *self, const nm_cert_t *cert)
{
    return (knocker_t){ AS_CURVE, cert->public_text, cert->secret_text, self->router.public_text };
}

static uint64_t
s_refused_count(fixture_t *self, const char *domain)
{
    return nm_metric_value(nm_metrics_make(self->metrics, NM_FAMILY_HANDSHAKES_REFUSED, domain, NULL));
}

//  Connects, sends, and receives what arrives, ROUTER's first frame aside.
static void
s_send_one(fixture_t *self, const knocker_t *knocker, zmq_msg_t *frame)
{
    s_new_client(self, knocker);
    assert_int_equal(zmq_connect(self->client, self->endpoint), 0);
    assert_int_equal(zmq_send(self->client, "hello", 5, 0), 5);
    assert_true(s_run_until_readable(self, self->bound));
    zmq_msg_init(frame);
    do
        assert_true(zmq_msg_recv(frame, self->bound, 0) >= 0);
    while (zmq_msg_more(frame));
    assert_memory_equal(zmq_msg_data(frame), "hello", 5);
}

//  -- Who is refused

static void
refuses_a_stranger_without_encryption(void **state)
{
    const knocker_t knocker = { .manner = AS_NULL };
    s_assert_refused_everywhere(*state, &knocker);
    s_bind(*state, NM_NET_DOOR);
    s_assert_refused(*state, &knocker);
}

static void
refuses_a_stranger_with_a_password(void **state)
{
    const knocker_t knocker = { .manner = AS_PLAIN };
    s_assert_refused_everywhere(*state, &knocker);
    s_bind(*state, NM_NET_DOOR);
    s_assert_refused(*state, &knocker);
}

static void
refuses_a_key_without_a_certificate_and_counts_it(void **state)
{
    fixture_t *self = *state;
    nm_cert_t stranger;
    nm_cert_make(&stranger, "email-1", NM_ROLE_EMAIL, FOLDER_NOW_MS - 1, FOLDER_NOW_MS + 9000);
    const knocker_t knocker = s_knocker(self, &stranger);
    s_assert_refused_everywhere(self, &knocker);
    assert_int_equal(s_refused_count(self, "mailbox"), 1);
    assert_int_equal(s_refused_count(self, "desk"), 1);
}

static void
refuses_a_certified_key_without_its_secret(void **state)
{
    fixture_t *self = *state;
    knocker_t knocker = s_knocker(self, &self->email);
    knocker.secret_text = self->anna.secret_text;
    s_assert_refused_everywhere(self, &knocker);
}

static void
refuses_whoever_expects_another_server(void **state)
{
    fixture_t *self = *state;
    knocker_t knocker = s_knocker(self, &self->email);
    knocker.server_text = self->anna.public_text;
    s_assert_refused_everywhere(self, &knocker);
    s_bind(self, NM_NET_DOOR);
    s_assert_refused(self, &knocker);
}

static void
refuses_an_expired_certificate(void **state)
{
    fixture_t *self = *state;
    nm_cert_t cert;
    nm_cert_make(&cert, "deadletter-1", NM_ROLE_DEADLETTER, FOLDER_NOW_MS - 9000, FOLDER_NOW_MS);
    folder_save(&self->folder, &cert, "deadletter-1.cert");
    nm_directory_t *directory = nm_directory_new(self->mesh, FOLDER_NOW_MS - 5000, NULL);
    assert_non_null(nm_directory_admit(directory, cert.public_key, FOLDER_NOW_MS - 1, NULL));
    nm_net_destroy(&self->net);
    self->net = nm_net_new(&self->router, directory, NULL, NULL);
    const knocker_t knocker = s_knocker(self, &cert);
    s_assert_refused_everywhere(self, &knocker);
    nm_net_close(self->net, &self->bound);
    nm_net_destroy(&self->net);
    nm_directory_destroy(&directory);
}

//  A fresh directory, so that nothing waits for the second between two looks at certs/.
static void
s_assert_cert_refused(fixture_t *self, const folder_t *authority, const char *name, nm_role_id_t role)
{
    nm_cert_t cert;
    folder_certify(authority, name, role, &cert);
    nm_directory_t *directory = nm_directory_new(self->mesh, FOLDER_NOW_MS, NULL);
    nm_net_close(self->net, &self->bound);
    nm_net_destroy(&self->net);
    self->net = nm_net_new(&self->router, directory, NULL, NULL);
    const knocker_t knocker = s_knocker(self, &cert);
    s_assert_refused_everywhere(self, &knocker);
    nm_net_close(self->net, &self->bound);
    nm_net_destroy(&self->net);
    nm_directory_destroy(&directory);
}

static void
refuses_a_certificate_of_another_authority(void **state)
{
    fixture_t *self = *state;
    folder_t other = self->folder;
    crypto_sign_keypair(other.authority, other.authority_secret);
    s_assert_cert_refused(self, &other, "deadletter-1", NM_ROLE_DEADLETTER);
}

static void
refuses_a_certificate_for_another_role_than_the_roster_says(void **state)
{
    fixture_t *self = *state;
    s_assert_cert_refused(self, &self->folder, "deadletter-1", NM_ROLE_GATEWAY);
}

static void
refuses_an_operator_at_a_mailbox(void **state)
{
    fixture_t *self = *state;
    const knocker_t knocker = s_knocker(self, &self->anna);
    s_bind(self, NM_NET_MAILBOX);
    s_assert_refused(self, &knocker);
}

//  -- Who is let in, and as whom

static void
mail_arrives_with_the_certified_name_and_role(void **state)
{
    fixture_t *self = *state;
    const knocker_t knocker = s_knocker(self, &self->email);
    zmq_msg_t frame;
    nm_net_sender_t sender;
    s_bind(self, NM_NET_MAILBOX);
    s_send_one(self, &knocker, &frame);
    assert_int_equal(nm_net_sender(self->net, &frame, FOLDER_NOW_MS, &sender), NM_OK);
    assert_string_equal(sender.name, "email-1");
    assert_int_equal(sender.role, NM_ROLE_EMAIL);
    assert_memory_equal(sender.client_key, self->email.public_key, NM_CURVE_KEY_SIZE);
    zmq_msg_close(&frame);
    s_hang_up(self);
}

static void
an_ask_arrives_with_the_certified_name_and_role(void **state)
{
    fixture_t *self = *state;
    const knocker_t knocker = s_knocker(self, &self->anna);
    zmq_msg_t frame;
    nm_net_sender_t sender;
    s_bind(self, NM_NET_DESK);
    s_send_one(self, &knocker, &frame);
    assert_int_equal(nm_net_sender(self->net, &frame, FOLDER_NOW_MS, &sender), NM_OK);
    assert_string_equal(sender.name, "anna");
    assert_int_equal(sender.role, NM_ROLE_OPERATOR);
    zmq_msg_close(&frame);
    s_hang_up(self);
}

static void
a_door_lets_any_curve_key_in_as_a_client(void **state)
{
    fixture_t *self = *state;
    nm_cert_t stranger;
    nm_cert_make(&stranger, "x", NM_ROLE_EMAIL, 0, 1);
    zmq_msg_t frame;
    nm_net_sender_t sender;
    s_bind(self, NM_NET_DOOR);
    //  An actor is a client there too
    const nm_cert_t *const certs[] = { &stranger, &self->email };
    for (size_t i = 0; i < NM_COUNT(certs); i++) {
        const knocker_t knocker = s_knocker(self, certs[i]);
        s_send_one(self, &knocker, &frame);
        assert_int_equal(nm_net_sender(self->net, &frame, FOLDER_NOW_MS, &sender), NM_OK);
        assert_string_equal(sender.name, "");
        assert_int_equal(sender.role, NM_ROLE_CLIENT);
        assert_memory_equal(sender.client_key, certs[i]->public_key, NM_CURVE_KEY_SIZE);
        zmq_msg_close(&frame);
        s_hang_up(self);
    }
}

static void
a_session_ends_with_its_certificate(void **state)
{
    fixture_t *self = *state;
    const knocker_t knocker = s_knocker(self, &self->email);
    zmq_msg_t frame;
    nm_net_sender_t sender;
    s_bind(self, NM_NET_MAILBOX);
    s_send_one(self, &knocker, &frame);
    int64_t last_ms = self->email.not_after_ms - 1;
    assert_int_equal(nm_net_sender(self->net, &frame, last_ms, &sender), NM_OK);
    assert_int_equal(nm_net_sender(self->net, &frame, last_ms + 1, &sender), NM_ERR_REFUSED);

    char path[256];
    folder_path(&self->folder, "certs/email-1.cert", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(nm_net_sender(self->net, &frame, FOLDER_NOW_MS, &sender), NM_ERR_REFUSED);
    zmq_msg_close(&frame);
    s_hang_up(self);
}

static void
a_lobby_lets_any_curve_key_in_as_nobody(void **state)
{
    fixture_t *self = *state;
    nm_cert_t stranger;
    nm_cert_make(&stranger, "x", NM_ROLE_EMAIL, 0, 1);
    zmq_msg_t frame;
    nm_net_sender_t sender;
    s_bind(self, NM_NET_LOBBY);
    const knocker_t knocker = s_knocker(self, &stranger);
    s_send_one(self, &knocker, &frame);
    assert_int_equal(nm_net_sender(self->net, &frame, FOLDER_NOW_MS, &sender), NM_OK);
    assert_string_equal(sender.name, "");
    assert_int_equal(sender.role, NM_ROLE_NONE);
    assert_memory_equal(sender.client_key, stranger.public_key, NM_CURVE_KEY_SIZE);
    size_t allowed = 0;
    for (int i = 0; i < 100; i++)
        allowed += nm_net_may_knock(self->net, &frame, FOLDER_NOW_MS);
    assert_int_equal(allowed, 20);
    zmq_msg_close(&frame);
    s_hang_up(self);
    const knocker_t null = { .manner = AS_NULL };
    s_assert_refused(self, &null);
}

//  A frame above the lobby's size ends the connection that it came over, and nothing of it arrives.
static void
a_lobby_takes_small_frames_only(void **state)
{
    fixture_t *self = *state;
    nm_cert_t stranger;
    uint8_t large[4097] = { 1 };
    nm_cert_make(&stranger, "x", NM_ROLE_EMAIL, 0, 1);
    s_bind(self, NM_NET_LOBBY);
    const knocker_t knocker = s_knocker(self, &stranger);
    for (size_t size = sizeof large; size >= sizeof large - 1; size--) {
        s_new_client(self, &knocker);
        assert_int_equal(zmq_connect(self->client, self->endpoint), 0);
        zmq_send(self->client, large, size, 0);
        int64_t end_ms = s_clock_ms() + 500;
        bool arrived = false;
        while (!arrived && s_clock_ms() < end_ms) {
            zmq_pollitem_t items[] = { { nm_net_zap_socket(self->net), 0, ZMQ_POLLIN, 0 },
                                       { self->bound, 0, ZMQ_POLLIN, 0 } };
            zmq_poll(items, 2, 20);
            if (items[0].revents)
                nm_net_zap_run(self->net, FOLDER_NOW_MS);
            arrived = items[1].revents != 0;
        }
        assert_int_equal(arrived, size == sizeof large - 1);
        s_hang_up(self);
    }
}

//  What ends a session that may not be any more: libzmq itself would keep it.
static void
a_connection_is_cut_by_a_frame_that_came_over_it(void **state)
{
    fixture_t *self = *state;
    zmq_msg_t frame;
    s_bind(self, NM_NET_MAILBOX);
    const knocker_t knocker = s_knocker(self, &self->email);
    s_send_one(self, &knocker, &frame);
    assert_int_equal(zmq_socket_monitor(self->client, "inproc://cut", ZMQ_EVENT_DISCONNECTED), 0);
    self->monitor = zmq_socket(self->context, ZMQ_PAIR);
    assert_int_equal(zmq_connect(self->monitor, "inproc://cut"), 0);
    nm_net_cut(&frame);
    assert_true(s_run_until_readable(self, self->monitor));
    zmq_msg_close(&frame);
    s_hang_up(self);
}

static void
goes_by_another_key_for_what_is_bound_and_for_what_is_connected(void **state)
{
    fixture_t *self = *state;
    nm_cert_t next;
    zmq_msg_t frame;
    nm_cert_make(&next, "router-1", NM_ROLE_ROUTER, FOLDER_NOW_MS - 1000, FOLDER_NOW_MS + 1000000);
    nm_net_serve_as(self->net, &next);
    s_bind(self, NM_NET_MAILBOX);
    knocker_t knocker = s_knocker(self, &self->email);
    s_assert_refused(self, &knocker);  //  It expects the key that was there before
    knocker.server_text = next.public_text;
    s_send_one(self, &knocker, &frame);
    zmq_msg_close(&frame);
    s_hang_up(self);
}

static void
a_frame_that_came_past_the_handler_has_no_sender(void **state)
{
    fixture_t *self = *state;
    zmq_msg_t frame;
    nm_net_sender_t sender;
    zmq_msg_init_size(&frame, 3);
    assert_int_equal(nm_net_sender(self->net, &frame, FOLDER_NOW_MS, &sender), NM_ERR_REFUSED);
    zmq_msg_close(&frame);
}

//  -- Making sockets

static void
connects_to_the_peer_that_the_directory_names(void **state)
{
    fixture_t *self = *state;
    nm_error_t error = { "" };
    s_bind(self, NM_NET_MAILBOX);
    nm_net_t *net = nm_net_new(&self->email, self->directory, NULL, &error);
    const nm_peer_t *router = nm_directory_find(self->directory, "router-1");
    void *post = nm_net_connect(net, NM_NET_POST, self->endpoint, router->cert.public_key, &error);
    assert_non_null(post);
    //  Nothing is taken before the handshake, so nothing can be lost in between
    assert_int_equal(zmq_send(post, "early", 5, ZMQ_DONTWAIT), -1);
    zmq_pollitem_t out = { post, 0, ZMQ_POLLOUT, 0 };
    for (int i = 0; i < 50 && !out.revents; i++) {
        nm_net_zap_run(self->net, FOLDER_NOW_MS);
        zmq_poll(&out, 1, 100);
    }
    assert_int_equal(zmq_send(post, "mail", 4, ZMQ_DONTWAIT), 4);
    assert_true(s_run_until_readable(self, self->bound));
    nm_net_close(net, &post);
    assert_null(post);
    nm_net_destroy(&net);
}

static void
takes_no_transport_but_tcp_and_ipc(void **state)
{
    fixture_t *self = *state;
    nm_error_t error;
    assert_null(nm_net_bind(self->net, NM_NET_DESK, "inproc://x", NULL, &error));
    assert_string_equal(error.text, "inproc://x: an end point begins with tcp:// or ipc://");
    assert_null(nm_net_bind(self->net, NM_NET_DESK, "ws://127.0.0.1:*", NULL, &error));
    assert_null(nm_net_connect(self->net, NM_NET_POST, "udp://127.0.0.1:9", self->email.public_key, &error));
    assert_null(nm_net_bind(self->net, NM_NET_DESK, "tcp://nowhere.invalid:1", NULL, &error));
    assert_contains(error.text, "tcp://nowhere.invalid:1 cannot be bound: ");
}

static void
makes_the_folder_of_an_ipc_socket_for_its_owner_only(void **state)
{
    fixture_t *self = *state;
    nm_error_t error = { "" };
    char endpoint[NM_ENDPOINT_MAX], folder[256];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/run/desk", self->folder.path);
    self->bound = nm_net_bind(self->net, NM_NET_DESK, endpoint, self->endpoint, &error);
    assert_string_equal(error.text, "");
    assert_string_equal(self->endpoint, endpoint);
    struct stat status;
    folder_path(&self->folder, "run", folder);
    assert_int_equal(stat(folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    const knocker_t knocker = s_knocker(self, &self->email), stranger = { .manner = AS_NULL };
    assert_int_equal(s_knock(self, &knocker), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    assert_true(s_run_until_readable(self, self->bound));
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, self->bound, ZMQ_DONTWAIT) >= 0)
        continue;
    zmq_msg_close(&frame);
    s_assert_refused(self, &stranger);
}

static void
needs_a_secret_key(void **state)
{
    fixture_t *self = *state;
    nm_error_t error;
    nm_cert_t cert = self->email;
    cert.secret_text[0] = 0;
    assert_null(nm_net_new(&cert, self->directory, NULL, &error));
    assert_contains(error.text, "without its secret key");
}

static void
tells_by_itself_that_strangers_are_refused(void **state)
{
    fixture_t *self = *state;
    nm_error_t error = { "" };
    assert_int_equal(nm_net_self_test(self->net, FOLDER_NOW_MS, &error), NM_OK);
    assert_string_equal(error.text, "");
    assert_int_equal(s_refused_count(self, "mailbox"), 0);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, s_setup, s_teardown)

int
main(void)
{
    nm_log_open("test", NM_LOG_CRITICAL);
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(refuses_a_stranger_without_encryption),
        WITH_FIXTURE(refuses_a_stranger_with_a_password),
        WITH_FIXTURE(refuses_a_key_without_a_certificate_and_counts_it),
        WITH_FIXTURE(refuses_a_certified_key_without_its_secret),
        WITH_FIXTURE(refuses_whoever_expects_another_server),
        WITH_FIXTURE(refuses_an_expired_certificate),
        WITH_FIXTURE(refuses_a_certificate_of_another_authority),
        WITH_FIXTURE(refuses_a_certificate_for_another_role_than_the_roster_says),
        WITH_FIXTURE(refuses_an_operator_at_a_mailbox),
        WITH_FIXTURE(mail_arrives_with_the_certified_name_and_role),
        WITH_FIXTURE(an_ask_arrives_with_the_certified_name_and_role),
        WITH_FIXTURE(a_door_lets_any_curve_key_in_as_a_client),
        WITH_FIXTURE(a_lobby_lets_any_curve_key_in_as_nobody),
        WITH_FIXTURE(a_lobby_takes_small_frames_only),
        WITH_FIXTURE(a_connection_is_cut_by_a_frame_that_came_over_it),
        WITH_FIXTURE(goes_by_another_key_for_what_is_bound_and_for_what_is_connected),
        WITH_FIXTURE(a_session_ends_with_its_certificate),
        WITH_FIXTURE(a_frame_that_came_past_the_handler_has_no_sender),
        WITH_FIXTURE(connects_to_the_peer_that_the_directory_names),
        WITH_FIXTURE(takes_no_transport_but_tcp_and_ipc),
        WITH_FIXTURE(makes_the_folder_of_an_ipc_socket_for_its_owner_only),
        WITH_FIXTURE(needs_a_secret_key),
        WITH_FIXTURE(tells_by_itself_that_strangers_are_refused),
    };
    return cmocka_run_group_tests_name("broker/net", tests, NULL, NULL);
}
