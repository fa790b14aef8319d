/*  user_test - what tests of the user actor stand on: user-1 and a gateway that follows its books, on benches.
 *
 *  A test that keeps more has a struct of its own that begins with an nm_user_test_t. Include <cmocka.h> before.
 */
#ifndef NM_USER_TEST_H
#define NM_USER_TEST_H

#include "tests/actors/gateway_client.h"

typedef struct {
    nm_client_t *client;
    nm_bench_t *user;  //  The client's
    size_t worked;     //  Effects of the user actor that were run
    nm_buf_t body;
} nm_user_test_t;

//  size: of the test's own struct.
static inline void *
nm_user_test_new(size_t size)
{
    nm_user_test_t *self = nm_alloc(size);
    self->client = nm_client_new(NULL);
    self->user = self->client->user;
    return self;
}

static inline int
nm_user_teardown(void **state)
{
    nm_user_test_t *self = *state;
    nm_client_destroy(&self->client);
    nm_buf_free(&self->body);
    free(self);
    return 0;
}

//  Does what the worker would have done by now.
static inline void
nm_user_test_work(nm_user_test_t *self)
{
    for (; self->worked < nm_bench_effects(self->user); self->worked++) {
        const nm_effect_t *effect = nm_bench_effect(self->user, self->worked);
        nm_result_t result = { .code = 0 };
        effect->work(effect->work_arg, &result);
        nm_bench_result(self->user, effect, NM_CALL_ANSWERED, result.code, result.text);
        assert_int_equal(nm_bench_turn(self->user), NM_OK);
    }
}

//  An API key and a token (NULL: without) as headers. bearer holds the token for as long as they are used.
static inline nm_ask_headers_t
nm_user_test_headers(const char *key, const char *token, char bearer[1100])
{
    nm_ask_headers_t headers = { .has = 0 };
    if (key)
        NM_PUT(&headers, ask_headers, api_key, nm_text(key));
    if (token) {
        snprintf(bearer, 1100, "Bearer %s", token);
        NM_PUT(&headers, ask_headers, authorization, nm_text(bearer));
    }
    return headers;
}

//  Asks the user actor as a gateway passes it on, with these credentials, until it is answered; the gateway has what changed.
static inline nm_bench_reply_t
nm_user_test_ask(nm_user_test_t *self, const char *key, const char *token, const char *op, nm_bytes_t body)
{
    char bearer[1100];
    nm_ask_headers_t headers = nm_user_test_headers(key, token, bearer);
    uint64_t id = nm_bench_ask(self->user, "gateway-1", op, &headers, body);
    assert_int_equal(nm_bench_turn(self->user), NM_OK);
    nm_user_test_work(self);
    const nm_bench_reply_t *reply = nm_bench_reply(self->user, id);
    assert_non_null(reply);
    nm_bench_follow_book(self->client->bench, self->user, "services");
    nm_bench_follow_book(self->client->bench, self->user, "sessions");
    return *reply;
}

#endif
