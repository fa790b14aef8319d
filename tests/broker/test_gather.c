//  About broker/gather.c: what comes in waits as long as it may, and nothing is lost by a turn that was undone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "broker/gather.h"
#include "wire/frames.h"

#define PLACE "inproc://gather"

static const nm_now_t NOW = { .wall_ms = 1795219200000, .mono_ms = 70000 };
enum { PACE_MS = 4 };

typedef struct {
    nm_gather_t gather;
    nm_peer_t peer;
    void *context, *in, *out;
} test_t;

static int
s_setup(void **state)
{
    test_t *self = nm_alloc(sizeof *self);
    self->context = zmq_ctx_new();
    self->in = zmq_socket(self->context, ZMQ_PULL);
    self->out = zmq_socket(self->context, ZMQ_PUSH);
    assert_int_equal(zmq_bind(self->in, PLACE), 0);
    assert_int_equal(zmq_connect(self->out, PLACE), 0);
    snprintf(self->peer.actor.name, sizeof self->peer.actor.name, "router-1");
    self->peer.actor.role = NM_ROLE_ROUTER;
    nm_gather_init(&self->gather, NULL, PACE_MS);
    self->gather.turn_ms = NOW.mono_ms - 1;
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    test_t *self = *state;
    nm_gather_forget(&self->gather);
    zmq_close(self->in);
    zmq_close(self->out);
    zmq_ctx_term(self->context);
    free(self);
    return 0;
}

//  A frame of the peer, over a connection that we have made: who it is was proved then.
static void
s_bring(test_t *self, nm_input_kind_t kind, const void *frame, size_t size)
{
    assert_int_equal(zmq_send(self->out, frame, size, 0), (int) size);
    nm_gather_drain(&self->gather, self->in, kind, &self->peer, NOW);
}

static int64_t
s_wait(test_t *self, unsigned frame_kind)
{
    uint8_t frame[] = { 0x92, (uint8_t) frame_kind, 0x80 };
    nm_gather_forget(&self->gather);
    s_bring(self, NM_IN_FRAME, frame, sizeof frame);
    assert_false(self->gather.urgent);
    return self->gather.due_ms - NOW.mono_ms;
}

static void
mail_keeps_the_pace_a_beat_waits_for_company_and_a_greeting_for_nothing(void **state)
{
    test_t *self = *state;
    assert_int_equal(s_wait(self, NM_FRAME_MAIL), PACE_MS - 1);
    assert_int_equal(s_wait(self, NM_FRAME_RECEIPT), PACE_MS - 1);
    assert_int_equal(s_wait(self, NM_FRAME_BEAT), 100);
    assert_int_equal(s_wait(self, NM_FRAME_GREET), 0);
    assert_int_equal(s_wait(self, NM_FRAME_CLAIM), 0);
}

static void
the_most_impatient_of_all_says_until_when(void **state)
{
    test_t *self = *state;
    static const uint8_t MAIL[] = { 0x92, NM_FRAME_MAIL, 0x80 }, BEAT[] = { 0x92, NM_FRAME_BEAT, 0x80 };
    s_bring(self, NM_IN_FRAME, MAIL, sizeof MAIL);
    s_bring(self, NM_IN_FRAME, BEAT, sizeof BEAT);
    assert_int_equal(self->gather.due_ms - NOW.mono_ms, PACE_MS - 1);
}

static void
a_reply_is_urgent_and_says_whose_it_is(void **state)
{
    test_t *self = *state;
    s_bring(self, NM_IN_REPLY, "\x80", 1);
    assert_true(self->gather.urgent);
    assert_int_equal(self->gather.count, 1);
    assert_int_equal(self->gather.inputs[0].kind, NM_IN_REPLY);
    assert_string_equal(self->gather.inputs[0].peer, "router-1");
    assert_int_equal(self->gather.inputs[0].role, NM_ROLE_ROUTER);
    assert_true(nm_bytes_is(self->gather.inputs[0].bytes, "\x80"));
}

static void
a_message_of_more_frames_than_one_is_dropped(void **state)
{
    test_t *self = *state;
    zmq_send(self->out, "one", 3, ZMQ_SNDMORE);
    zmq_send(self->out, "two", 3, 0);
    s_bring(self, NM_IN_FRAME, "whole", 5);
    assert_int_equal(self->gather.count, 1);
    assert_true(nm_bytes_is(self->gather.inputs[0].bytes, "whole"));
}

//  Who sends what is dropped, faster than it is read, keeps nobody from the turn.
static void
what_is_dropped_counts_too(void **state)
{
    test_t *self = *state;
    for (size_t i = 0; i < NM_GATHER_COUNT; i++) {
        zmq_send(self->out, "one", 3, ZMQ_SNDMORE);
        zmq_send(self->out, "two", 3, 0);
    }
    s_bring(self, NM_IN_FRAME, "whole", 5);
    assert_int_equal(self->gather.count, 0);
    nm_gather_drain(&self->gather, self->in, NM_IN_FRAME, &self->peer, NOW);
    assert_int_equal(self->gather.count, 1);
}

static void
what_is_full_reads_no_more(void **state)
{
    test_t *self = *state;
    for (size_t i = 0; i < NM_GATHER_COUNT - 1; i++)
        nm_gather_request(&self->gather, NULL);
    assert_true(nm_gather_has_room(&self->gather));
    assert_int_equal(zmq_send(self->out, "first", 5, 0), 5);
    s_bring(self, NM_IN_FRAME, "next", 4);
    assert_int_equal(self->gather.count, NM_GATHER_COUNT);
    assert_false(nm_gather_has_room(&self->gather));
    nm_gather_forget(&self->gather);
    nm_gather_drain(&self->gather, self->in, NM_IN_FRAME, &self->peer, NOW);
    assert_int_equal(self->gather.count, 1);
    assert_true(nm_bytes_is(self->gather.inputs[0].bytes, "next"));
}

static void
bytes_fill_it_too(void **state)
{
    test_t *self = *state;
    size_t size = NM_GATHER_SIZE / 2;
    uint8_t *frame = nm_alloc(size);
    s_bring(self, NM_IN_REPLY, frame, size);
    assert_true(nm_gather_has_room(&self->gather));
    s_bring(self, NM_IN_REPLY, frame, size);
    assert_false(nm_gather_has_room(&self->gather));
    free(frame);
}

//  Mail and asks come a second time, an ended effect and a request do not.
static void
an_undone_turn_keeps_results_and_requests(void **state)
{
    test_t *self = *state;
    int request;
    s_bring(self, NM_IN_REPLY, "\x80", 1);
    nm_gather_result(&self->gather, &(nm_result_t){ .token = 7 });
    s_bring(self, NM_IN_FRAME, "\x80", 1);
    nm_gather_request(&self->gather, (const nm_front_request_t *) &request);
    nm_gather_result(&self->gather, &(nm_result_t){ .token = 8 });
    nm_gather_keep(&self->gather, NOW);
    assert_int_equal(self->gather.count, 3);
    assert_int_equal(self->gather.inputs[0].result->token, 7);
    assert_ptr_equal(self->gather.inputs[1].request, &request);
    assert_int_equal(self->gather.inputs[2].result->token, 8);
    assert_false(self->gather.urgent);
    assert_int_equal(self->gather.due_ms, NOW.mono_ms);
    nm_gather_forget(&self->gather);
    nm_gather_keep(&self->gather, NOW);
    assert_int_equal(self->gather.count, 0);
    assert_true(self->gather.due_ms == INT64_MAX);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(mail_keeps_the_pace_a_beat_waits_for_company_and_a_greeting_for_nothing),
        CLAIM(the_most_impatient_of_all_says_until_when),
        CLAIM(a_reply_is_urgent_and_says_whose_it_is),
        CLAIM(a_message_of_more_frames_than_one_is_dropped),
        CLAIM(what_is_dropped_counts_too),
        CLAIM(what_is_full_reads_no_more),
        CLAIM(bytes_fill_it_too),
        CLAIM(an_undone_turn_keeps_results_and_requests),
    };
    return cmocka_run_group_tests_name("broker/gather", tests, NULL, NULL);
}
