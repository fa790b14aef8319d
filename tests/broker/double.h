/*  double - a router's double on a bench: work is passed on as a delivery with the same body; where that is "event", as an
 *  event for gateway-1 instead. Its state is how many mails it has handled. Include it after check.h.
 */
#ifndef NM_TEST_DOUBLE_H
#define NM_TEST_DOUBLE_H

#include "broker/actor_private.h"
#include "broker/bench.h"

static inline nm_rc_t
nm_double_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) setup, (void) error;
    *state = nm_alloc(sizeof(unsigned));
    return NM_OK;
}

static inline nm_rc_t
nm_double_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_mail_out_t event = { .peer = "gateway-1", .kind = NM_MAIL_EVENT, .priority = 2, .body = mail->body };
    nm_mail_out_t out = { .role = NM_ROLE_EMAIL, .kind = NM_MAIL_DELIVERY, .priority = 1, .body = mail->body };
    (*(unsigned *) state)++;
    if (mail->kind != NM_MAIL_WORK)
        return NM_OK;
    return nm_turn_mail(turn, nm_bytes_is(mail->body, "event") ? &event : &out);
}

static const nm_role_t NM_DOUBLE = {
    .name = "router", .id = NM_ROLE_ROUTER, .open = nm_double_open, .close = free, .mail = nm_double_mail
};

static inline nm_bench_t *
nm_double_new(void)
{
    return nm_bench_new(&NM_DOUBLE, "router-1", NULL);
}

static inline unsigned
nm_double_handled(nm_bench_t *bench)
{
    return *(unsigned *) nm_bench_state(bench);
}

static inline nm_link_t *
nm_double_link(nm_bench_t *bench, const char *peer)
{
    return nm_actor_link(nm_bench_actor(bench), peer);
}

static inline void
nm_double_turn(nm_bench_t *bench)
{
    assert_int_equal(nm_bench_turn(bench), NM_OK);
}

#endif
