//  What an actor with many links pays for them: for each turn, for each frame that comes, for each mail that goes to
//  whoever of a role takes it most gladly, and for each that goes to one peer.
//
//      bench_links [LINKS ...]      10, 100 and 990 if none are named
//
//  A router on a bench whose e-mail actors are all there; nobody answers, so nothing but its own work is counted, in
//  microseconds of processor time. The store commits as ever, which costs each turn the same.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/actor_private.h"
#include "broker/bench.h"

enum { TURN_COUNT = 1000, BATCH = 50 };

//  -- A role that mails as often as it is asked to

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) setup, (void) error;
    *state = nm_alloc(1);
    return NM_OK;
}

static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    char peer[NM_NAME_MAX + 1];
    (void) state;
    nm_bytes_to_text(ask->op, peer, sizeof peer);
    nm_mail_out_t mail = { .role = NM_ROLE_EMAIL,
                           .peer = nm_bytes_is(ask->op, "any") ? NULL : peer,
                           .kind = NM_MAIL_DELIVERY,
                           .priority = NM_PRIORITY_NORMAL,
                           .body = nm_text("a delivery") };
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < BATCH; i++)
        rc = nm_turn_mail(turn, &mail);
    nm_turn_reply(turn, &ask->caller, 204, nm_bytes(NULL, 0), nm_bytes(NULL, 0));
    return rc;
}

static const nm_role_t MAILER = {
    .name = "router", .id = NM_ROLE_ROUTER, .open = s_open, .close = free, .ask = s_on_ask
};

//  -- The mesh around it

static void
s_drop(void *arg, const char *peer, nm_bytes_t frame)
{
    (void) arg, (void) peer, (void) frame;
}

static nm_bench_t *
s_new(size_t links)
{
    nm_buf_t more = { 0 };
    char text[256];
    for (size_t i = 3; i < links - 3; i++) {  //  Beside the bench's own two, its gateways, deadletter-1 and user-1
        snprintf(text, sizeof text,
                 "    email-%zu\n        role = \"email\"\n        mailbox = \"tcp://127.0.0.1:%zu\"\n"
                 "        desk = \"tcp://127.0.0.1:%zu\"\n",
                 i, 10000 + 2 * i, 10001 + 2 * i);
        nm_buf_add_text(&more, text);
    }
    nm_buf_add(&more, "", 1);
    nm_bench_t *self = nm_bench_new(&MAILER, "router-1", (const char *) more.at);
    nm_bench_connect(self, s_drop, NULL);
    nm_buf_free(&more);
    nm_actor_t *actor = nm_bench_actor(self);
    for (size_t i = 0; i < actor->link_count; i++) {
        nm_link_t *link = actor->links[i];
        link->state = NM_LINK_UP;
        link->heard_ms = actor->turn.now.mono_ms;
        link->known = link->claims = true;
        link->boot = 77;
        link->credit = NM_CREDIT_COUNT;
    }
    return self;
}

//  -- What is measured

static void
s_mail_any(nm_bench_t *self)
{
    nm_bench_ask(self, "operator", "any", NULL, nm_bytes(NULL, 0));
}

static void
s_mail_one(nm_bench_t *self)
{
    const nm_actor_t *actor = nm_bench_actor(self);
    nm_bench_ask(self, "operator", actor->links[actor->link_count - 1]->peer->actor.name, NULL, nm_bytes(NULL, 0));
}

static void
s_beats(nm_bench_t *self)
{
    const nm_actor_t *actor = nm_bench_actor(self);
    nm_beat_t beat = { 0 };
    nm_buf_t frame = { 0 };
    NM_PUT(&beat, beat, boot, 77);
    NM_PUT(&beat, beat, credit, NM_CREDIT_COUNT);
    nm_frame_start(&frame, NM_FRAME_BEAT);
    nm_record_encode(&nm_beat_shape, &beat, NM_BY_TAG, &frame);
    for (size_t i = 0; i < BATCH; i++)
        nm_bench_frame(self, actor->links[(size_t) rand() % actor->link_count]->peer->actor.name, nm_buf_bytes(&frame));
    nm_buf_free(&frame);
}

static double
s_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

//  Microseconds of a turn with such inputs.
static double
s_measure(size_t links, void (*inputs)(nm_bench_t *self))
{
    nm_bench_t *self = s_new(links);
    double spent_us = 0;
    for (size_t i = 0; i < TURN_COUNT / BATCH * (inputs ? 1 : BATCH); i++) {
        if (inputs)
            inputs(self);
        double start_us = s_now_us();
        if (nm_bench_turn_once(self) != NM_OK)
            abort();
        spent_us += s_now_us() - start_us;
        nm_bench_forget(self);
    }
    nm_bench_destroy(&self);
    return spent_us / (double) (TURN_COUNT / BATCH * (inputs ? 1 : BATCH));
}

int
main(int argc, char **argv)
{
    static const char *const USUAL[] = { NULL, "10", "100", "990" };
    const char *const *counts = argc > 1 ? (const char *const *) argv : USUAL;
    int count = argc > 1 ? argc : (int) NM_COUNT(USUAL);
    for (int i = 1; i < count; i++) {
        size_t links = strtoul(counts[i], NULL, 10);
        double turn_us = s_measure(links, NULL);
        printf("%4zu links: a turn %5.1f us, a frame %5.2f, a mail to a role %5.2f, a mail to a peer %5.2f\n", links,
               turn_us, (s_measure(links, s_beats) - turn_us) / BATCH, (s_measure(links, s_mail_any) - turn_us) / BATCH,
               (s_measure(links, s_mail_one) - turn_us) / BATCH);
    }
    return 0;
}
