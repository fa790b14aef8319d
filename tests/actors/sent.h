/*  sent - the mail that a role on a bench has sent, decoded. Include it after cmocka: what is not there, or does not read,
 *  fails the test. Views live as long as the bench keeps its outputs.
 */
#ifndef NM_TEST_SENT_H
#define NM_TEST_SENT_H

#include "broker/bench.h"

static inline void
nm_sent_decode(const nm_bench_t *bench, unsigned kind, size_t n, const nm_shape_t *shape, void *record)
{
    const nm_bench_mail_t *mail = nm_bench_sent(bench, kind, n);
    assert_non_null(mail);
    assert_int_equal(nm_record_decode(shape, record, mail->body, NULL, ""), NM_OK);
}

static inline nm_delivery_t
nm_sent_delivery(const nm_bench_t *bench, size_t n)
{
    nm_delivery_t delivery;
    nm_sent_decode(bench, NM_MAIL_DELIVERY, n, &nm_delivery_shape, &delivery);
    return delivery;
}

static inline nm_event_t
nm_sent_event(const nm_bench_t *bench, size_t n)
{
    nm_event_t event;
    nm_sent_decode(bench, NM_MAIL_EVENT, n, &nm_event_shape, &event);
    return event;
}

static inline nm_dead_letter_t
nm_sent_dead_letter(const nm_bench_t *bench, size_t n)
{
    nm_dead_letter_t dead;
    nm_sent_decode(bench, NM_MAIL_DEAD_LETTER, n, &nm_dead_letter_shape, &dead);
    return dead;
}

#endif
