//  The blocking calls against a door that this test plays on another thread, CURVE included.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>
#include <zmq.h>

#include "sdk/c/nmesh.h"
#include "wire/frames.h"
#include "wire/writer.h"

//  A door that answers `answered` frames after leaving `ignored` without an answer, and refuses with 503
//  what came in `busy` of them.
typedef struct s_door {
    void *context;
    void *socket;
    char endpoint[64];
    char public_key[41];
    char secret_key[41];
    int ignored;
    int answered;
    int busy;
    const struct s_door *other;  //  What it tells of, if it is asked for doors
    char keys[64][64];           //  Idempotency keys as they came, repeats included
    size_t key_count;
    pthread_t thread;
} s_door_t;

static void
s_open_door(s_door_t *self)
{
    size_t size = sizeof self->endpoint;
    int one = 1, none = 0;
    self->context = zmq_ctx_new();
    self->socket = zmq_socket(self->context, ZMQ_ROUTER);
    assert_int_equal(zmq_curve_keypair(self->public_key, self->secret_key), 0);
    zmq_setsockopt(self->socket, ZMQ_CURVE_SERVER, &one, sizeof one);
    zmq_setsockopt(self->socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(self->socket, ZMQ_CURVE_SECRETKEY, self->secret_key, sizeof self->secret_key);
    assert_int_equal(zmq_bind(self->socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(self->socket, ZMQ_LAST_ENDPOINT, self->endpoint, &size), 0);
}

static void
s_close_door(s_door_t *self)
{
    pthread_join(self->thread, NULL);
    int linger_ms = 1000;
    zmq_setsockopt(self->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_close(self->socket);
    zmq_ctx_term(self->context);
}

static void
s_note_key(s_door_t *self, const nm_ask_t *ask)
{
    nm_ask_headers_t headers;
    if (NM_HAS(ask, ask, headers) && self->key_count < NM_COUNT(self->keys) &&
        nm_record_decode(&nm_ask_headers_shape, &headers, ask->headers, NULL, "") == NM_OK)
        nm_bytes_to_text(headers.idempotency_key, self->keys[self->key_count++], sizeof self->keys[0]);
}

static void
s_answer_doors(const s_door_t *self, uint64_t id, nm_buf_t *out)
{
    nm_writer_map(out, 3);
    nm_writer_pair_uint(out, "id", id);
    nm_writer_pair_uint(out, "status", 200);
    nm_writer_text(out, "body");
    nm_writer_map(out, 1);
    nm_writer_text(out, "doors");
    nm_writer_list(out, 1);
    nm_writer_map(out, 3);
    nm_writer_pair_text(out, "endpoint", self->other->endpoint);
    nm_writer_pair_text(out, "key", self->other->public_key);
    nm_writer_pair_bool(out, "up", true);
}

//  Odd numbers are accepted, even ones refused with a fault.
static void
s_answer_one(const s_door_t *self, const nm_ask_t *ask, nm_buf_t *out)
{
    char id[40];
    if (nm_bytes_is(ask->op, "doors")) {
        s_answer_doors(self, ask->id, out);
        return;
    }
    if (self->busy > 0) {
        nm_writer_map(out, 2);
        nm_writer_pair_uint(out, "id", ask->id);
        nm_writer_pair_uint(out, "status", 503);
        return;
    }
    snprintf(id, sizeof id, "note-%llu", (unsigned long long) ask->id);
    nm_writer_map(out, 3);
    nm_writer_pair_uint(out, "id", ask->id);
    nm_writer_pair_uint(out, "status", ask->id % 2 ? 202 : 422);
    nm_writer_text(out, "body");
    if (ask->id % 2) {
        nm_writer_map(out, 2);
        nm_writer_pair_text(out, "id", id);
        nm_writer_pair_text(out, "status", "pending");
        return;
    }
    nm_writer_map(out, 3);
    nm_writer_pair_text(out, "title", "Unprocessable Content");
    nm_writer_pair_text(out, "detail", "The body has faults.");
    nm_writer_text(out, "errors");
    nm_writer_list(out, 1);
    nm_writer_map(out, 2);
    nm_writer_pair_text(out, "pointer", "/recipient");
    nm_writer_pair_text(out, "detail", "is no address");
}

static void
s_answer(s_door_t *self, const uint8_t *route, int route_size, nm_bytes_t bytes)
{
    nm_ask_frame_t frame;
    nm_list_t list;
    nm_bytes_t raw;
    nm_buf_t out = { 0 };
    nm_record_decode(&nm_ask_frame_shape, &frame, bytes, NULL, "");
    nm_list_open(&list, frame.asks);
    nm_writer_map(&out, 1);
    nm_writer_text(&out, "replies");
    nm_writer_list(&out, list.count);
    while (nm_list_next(&list, &raw) == NM_OK) {
        nm_ask_t ask;
        nm_record_decode(&nm_ask_shape, &ask, raw, NULL, "");
        s_note_key(self, &ask);
        s_answer_one(self, &ask, &out);
    }
    self->busy -= self->busy > 0;
    if (self->ignored > 0) {
        self->ignored--;
    } else {
        zmq_send(self->socket, route, (size_t) route_size, ZMQ_SNDMORE);
        zmq_send(self->socket, out.at, out.size, 0);
        self->answered--;
    }
    nm_buf_free(&out);
}

static void *
s_serve(void *arg)
{
    s_door_t *self = arg;
    int patience_ms = 10000;
    static uint8_t bytes[1 << 20];
    zmq_setsockopt(self->socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    while (self->answered > 0) {
        uint8_t route[64];
        int route_size = zmq_recv(self->socket, route, sizeof route, 0);
        int size = zmq_recv(self->socket, bytes, sizeof bytes, 0);
        if (route_size < 0 || size < 0)
            break;
        s_answer(self, route, route_size, nm_bytes(bytes, (size_t) size));
    }
    return NULL;
}

static nmesh_t *
s_open_with(const s_door_t *doors, size_t count, int silence_ms, bool learns)
{
    nmesh_error_t error;
    nmesh_door_t list[4];
    for (size_t i = 0; i < count; i++)
        list[i] = (nmesh_door_t){ .endpoint = doors[i].endpoint, .server_key = doors[i].public_key };
    nmesh_options_t options = { .doors = list, .door_count = count, .api_key = "k", .silence_ms = silence_ms };
    options.fixed_doors = !learns;
    nmesh_t *client = nmesh_open(&options, &error);
    assert_non_null(client);
    return client;
}

static nmesh_t *
s_open_client(const s_door_t *doors, size_t count)
{
    return s_open_with(doors, count, 200, false);
}

static const nmesh_notification_t SAMPLE = { .channel = "email", .recipient = "a@example.com", .content = "x" };

static void
a_send_comes_back_with_a_receipt_and_a_refusal_with_its_faults(void **state)
{
    (void) state;
    s_door_t door = { .answered = 2 };
    nmesh_receipt_t receipt;
    nmesh_error_t error;
    s_open_door(&door);
    pthread_create(&door.thread, NULL, s_serve, &door);
    nmesh_t *client = s_open_client(&door, 1);
    assert_int_equal(nmesh_send(client, &SAMPLE, &receipt, &error), 0);
    assert_string_equal(receipt.id, "note-1");
    assert_string_equal(receipt.status, "pending");
    assert_int_equal(nmesh_send(client, &SAMPLE, &receipt, &error), -1);
    assert_int_equal(error.status, 422);
    assert_int_equal(error.fault_count, 1);
    assert_string_equal(error.faults[0].pointer, "/recipient");
    s_close_door(&door);
    nmesh_close(&client);
    assert_null(client);
}

static void
many_results_stand_in_the_order_of_what_was_sent(void **state)
{
    (void) state;
    enum { COUNT = 10 };
    s_door_t door = { .answered = 1 };
    nmesh_notification_t notifications[COUNT];
    nmesh_sent_t results[COUNT];
    for (int i = 0; i < COUNT; i++)
        notifications[i] = SAMPLE;
    s_open_door(&door);
    pthread_create(&door.thread, NULL, s_serve, &door);
    nmesh_t *client = s_open_client(&door, 1);
    assert_int_equal(nmesh_send_many(client, notifications, COUNT, COUNT, results), COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        char id[40];
        snprintf(id, sizeof id, "note-%d", i + 1);
        assert_int_equal(results[i].status, i % 2 ? 422 : 202);
        assert_string_equal(results[i].id, i % 2 ? "" : id);
        assert_string_equal(results[i].detail, i % 2 ? "/recipient: is no address" : "");
    }
    s_close_door(&door);
    nmesh_close(&client);
}

static void
a_silent_door_is_asked_again_under_the_same_key(void **state)
{
    (void) state;
    s_door_t door = { .ignored = 1, .answered = 1 };
    s_open_door(&door);
    pthread_create(&door.thread, NULL, s_serve, &door);
    nmesh_t *client = s_open_client(&door, 1);
    assert_int_equal(nmesh_send(client, &SAMPLE, NULL, NULL), 0);
    s_close_door(&door);
    assert_int_equal(door.key_count, 2);
    assert_string_equal(door.keys[0], door.keys[1]);
    assert_true(strlen(door.keys[0]) > 16);
    nmesh_close(&client);
}

static void
the_next_door_is_taken_when_the_first_is_closed(void **state)
{
    (void) state;
    s_door_t doors[2] = { { .answered = 1 }, { .answered = 1 } };
    s_open_door(&doors[0]);
    zmq_close(doors[0].socket);
    zmq_ctx_term(doors[0].context);
    s_open_door(&doors[1]);
    pthread_create(&doors[1].thread, NULL, s_serve, &doors[1]);
    nmesh_t *client = s_open_client(doors, 2);
    assert_int_equal(nmesh_send(client, &SAMPLE, NULL, NULL), 0);
    s_close_door(&doors[1]);
    nmesh_close(&client);
}

static void
the_doors_of_others_are_learned_and_used(void **state)
{
    (void) state;
    s_door_t doors[2] = { { .answered = 2, .other = &doors[1] }, { .answered = 2, .other = &doors[0] } };
    s_open_door(&doors[0]);
    s_open_door(&doors[1]);
    pthread_create(&doors[0].thread, NULL, s_serve, &doors[0]);
    pthread_create(&doors[1].thread, NULL, s_serve, &doors[1]);
    nmesh_t *client = s_open_with(&doors[0], 1, 2000, true);
    assert_int_equal(nmesh_send(client, &SAMPLE, NULL, NULL), 0);
    for (int i = 0; i < 1000 && nmesh_door_count(client) < 2; i++) {
        nmesh_poll(client, 0);
        usleep(10000);
    }
    s_close_door(&doors[0]);  //  After the send and the ask for doors
    nmesh_send(client, &SAMPLE, NULL, NULL);
    assert_int_equal(nmesh_door_count(client), 2);
    assert_int_equal(doors[1].key_count, 1);
    s_close_door(&doors[1]);
    nmesh_close(&client);
}

static void
a_door_that_is_busy_is_asked_again_and_then_another(void **state)
{
    (void) state;
    s_door_t doors[2] = { { .answered = 1000, .busy = 1000 }, { .answered = 1 } };
    s_open_door(&doors[0]);
    s_open_door(&doors[1]);
    pthread_create(&doors[0].thread, NULL, s_serve, &doors[0]);
    pthread_create(&doors[1].thread, NULL, s_serve, &doors[1]);
    nmesh_t *client = s_open_with(doors, 2, 2000, false);
    assert_int_equal(nmesh_send(client, &SAMPLE, NULL, NULL), 0);
    s_close_door(&doors[1]);
    assert_int_equal(doors[1].key_count, 1);
    assert_string_equal(doors[1].keys[0], doors[0].keys[0]);
    assert_true(doors[0].key_count >= 3);
    nmesh_close(&client);
    pthread_cancel(doors[0].thread);
    s_close_door(&doors[0]);
}

static void
wrong_options_are_refused_with_a_reason(void **state)
{
    (void) state;
    nmesh_error_t error;
    nmesh_door_t bad_key = { .endpoint = "tcp://127.0.0.1:1", .server_key = "short" };
    nmesh_door_t bad_endpoint = { .endpoint = "udp://127.0.0.1:1",
                                  .server_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" };
    nmesh_options_t options = { .doors = &bad_key, .door_count = 1 };
    assert_null(nmesh_open(&options, &error));
    assert_non_null(strstr(error.detail, "server key"));
    options.doors = &bad_endpoint;
    assert_null(nmesh_open(&options, &error));
    assert_non_null(strstr(error.detail, "udp://"));
    options.door_count = 0;
    assert_null(nmesh_open(&options, NULL));
}

//  As read from a file, with the end of its line: no frame could carry it, and nobody would answer.
static void
a_key_or_token_that_no_frame_can_hold_is_refused(void **state)
{
    (void) state;
    nmesh_error_t error;
    static char longest[9000];
    nmesh_door_t nobody = { .endpoint = "tcp://127.0.0.1:1", .server_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" };
    memset(longest, 'k', sizeof longest - 1);
    const char *const BAD[] = { "0123-4567\n", "\xff", longest };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nmesh_options_t options = { .doors = &nobody, .door_count = 1, .api_key = BAD[i] };
        assert_null(nmesh_open(&options, &error));
        assert_non_null(strstr(error.detail, "API key"));
        options.api_key = NULL;
        options.token = BAD[i];
        assert_null(nmesh_open(&options, &error));
        assert_non_null(strstr(error.detail, "token"));
    }
}

static void
s_ignore(nmesh_t *client, const nmesh_reply_t *reply, void *arg)
{
    (void) client;
    (void) reply;
    (void) arg;
}

//  They share a frame with other asks, which it would take with it.
static void
an_ask_that_no_frame_can_hold_is_refused(void **state)
{
    (void) state;
    static char longest[300];
    nmesh_door_t nobody = { .endpoint = "tcp://127.0.0.1:1", .server_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" };
    nmesh_options_t options = { .doors = &nobody, .door_count = 1 };
    nmesh_t *client = nmesh_open(&options, NULL);
    memset(longest, 'k', sizeof longest - 1);
    const char *const BAD[] = { "\xff", "two\nlines", longest };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nmesh_notification_t notification = SAMPLE;
        notification.idempotency_key = BAD[i];
        assert_int_equal(nmesh_submit(client, &notification, s_ignore, NULL), -1);
    }
    nmesh_notification_t notification = SAMPLE;
    notification.correlation_id = BAD[0];
    assert_int_equal(nmesh_submit(client, &notification, s_ignore, NULL), -1);
    notification = SAMPLE;
    notification.subject = BAD[0];
    assert_int_equal(nmesh_submit(client, &notification, s_ignore, NULL), -1);
    assert_int_equal(nmesh_open_count(client), 0);
    nmesh_close(&client);
}

static void
nobody_there_is_a_504_after_the_time_given(void **state)
{
    (void) state;
    nmesh_error_t error;
    nmesh_door_t nobody = { .endpoint = "tcp://127.0.0.1:1", .server_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" };
    nmesh_options_t options = { .doors = &nobody, .door_count = 1, .timeout_ms = 300, .silence_ms = 100 };
    nmesh_t *client = nmesh_open(&options, &error);
    assert_non_null(client);
    assert_int_equal(nmesh_send(client, &SAMPLE, NULL, &error), -1);
    assert_int_equal(error.status, 504);
    nmesh_close(&client);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_send_comes_back_with_a_receipt_and_a_refusal_with_its_faults),
        cmocka_unit_test(many_results_stand_in_the_order_of_what_was_sent),
        cmocka_unit_test(a_silent_door_is_asked_again_under_the_same_key),
        cmocka_unit_test(the_next_door_is_taken_when_the_first_is_closed),
        cmocka_unit_test(the_doors_of_others_are_learned_and_used),
        cmocka_unit_test(a_door_that_is_busy_is_asked_again_and_then_another),
        cmocka_unit_test(wrong_options_are_refused_with_a_reason),
        cmocka_unit_test(a_key_or_token_that_no_frame_can_hold_is_refused),
        cmocka_unit_test(an_ask_that_no_frame_can_hold_is_refused),
        cmocka_unit_test(nobody_there_is_a_504_after_the_time_given),
    };
    return cmocka_run_group_tests_name("sdk/calls", tests, NULL, NULL);
}
