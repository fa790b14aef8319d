/*  gateway_test - what tests of a gateway stand on: a client of it, its bench, and buffers for what they pack.
 *
 *  A test that needs a world of its own makes it from nm_gateway_test_new in its set-up.
 */
#ifndef NM_GATEWAY_TEST_H
#define NM_GATEWAY_TEST_H

#include "tests/actors/gateway_client.h"

typedef struct {
    nm_client_t *client;
    nm_bench_t *bench;  //  The client's
    nm_buf_t body, answer, headers;
    size_t seen;  //  Asks of the gateway that the test has looked at
} nm_gateway_test_t;

//  settings as in nm_client_new.
static inline nm_gateway_test_t *
nm_gateway_test_new(const char *settings)
{
    nm_gateway_test_t *self = nm_alloc(sizeof *self);
    self->client = nm_client_new(settings);
    self->bench = self->client->bench;
    return self;
}

static inline int
nm_gateway_setup(void **state)
{
    *state = nm_gateway_test_new(NULL);
    return 0;
}

static inline int
nm_gateway_teardown(void **state)
{
    nm_gateway_test_t *self = *state;
    nm_client_destroy(&self->client);
    nm_buf_free(&self->body);
    nm_buf_free(&self->answer);
    nm_buf_free(&self->headers);
    free(self);
    return 0;
}

#endif
