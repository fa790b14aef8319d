#include "tests/broker/check.h"

#include "actors/bridge/head.h"

//  A head and what became of it.
typedef struct {
    nm_head_t head;
    nm_head_rules_t rules;
    nm_head_result_t result;
    struct nm_front_request request;
    nm_bytes_t origin;
    nm_routes_t *routes;
} fixture_t;

static int
s_make(void **state)
{
    fixture_t *it = nm_alloc(sizeof *it);
    it->routes = nm_routes_new(nm_api, nm_api_count);
    it->origin = nm_text("https://app.test");
    it->rules = (nm_head_rules_t){ .routes = it->routes, .origins = &it->origin, .origin_count = 1 };
    *state = it;
    return 0;
}

static int
s_free(void **state)
{
    fixture_t *it = *state;
    nm_routes_destroy(&it->routes);
    free(it);
    return 0;
}

static void
s_add(fixture_t *it, const char *name, const char *value)
{
    it->head.fields[it->head.field_count++] = (nm_head_field_t){ nm_text(name), nm_text(value) };
}

//  A whole and honest head; a test changes it and has it judged.
static void
s_begin(fixture_t *it, const char *method, const char *target)
{
    it->head.field_count = 0;
    it->head.method = nm_text(method);
    it->head.target = nm_text(target);
    it->head.version = nm_text("HTTP/1.1");
    s_add(it, "Host", "h");
    s_add(it, "x-api-KEY", "a-key");
}

static nm_head_verdict_t
s_judge(fixture_t *it)
{
    it->request = (struct nm_front_request){ .id = 1 };
    nm_head_judge(&it->rules, &it->head, &it->result, &it->request);
    return it->result.verdict;
}

//  One more field, and the verdict.
static nm_head_verdict_t
s_judge_with(fixture_t *it, const char *name, const char *value)
{
    s_begin(it, "POST", "/v1/notifications");
    s_add(it, "Content-Type", "application/json");
    s_add(it, name, value);
    return s_judge(it);
}

static void
an_honest_head_goes_on(void **state)
{
    fixture_t *it = *state;
    s_begin(it, "POST", "/v1/services/abc/keys?x=1");
    s_add(it, "Content-Type", "application/json");
    s_add(it, "Content-Length", "17");
    s_add(it, "X-Correlation-ID", "order-7");
    assert_int_equal(s_judge(it), NM_HEAD_GO);
    assert_string_equal(it->request.api->op, "keys.create");
    assert_true(nm_bytes_is(it->request.path, "/v1/services/abc/keys"));
    assert_true(nm_bytes_is(it->request.query, "x=1"));
    assert_true(nm_bytes_is(it->request.headers.api_key, "a-key"));
    assert_true(nm_bytes_is(it->result.correlation_id, "order-7"));
    assert_true(it->result.has_body);
    assert_int_equal(it->result.body_size, 17);
    assert_int_equal(it->result.body_max, NM_BODY_MAX);
    assert_int_equal(it->request.refusal.status, 0);
}

static void
what_two_servers_could_read_differently_is_refused(void **state)
{
    fixture_t *it = *state;
    static const struct {
        const char *name, *value, *second_name, *second_value;
    } BAD[] = {
        { "Content-Length", "3", "Transfer-Encoding", "chunked" },
        { "Transfer-Encoding", "chunked", "content-length", "3" },
        { "Content-Length", "3", "Content-Length", "3" },
        { "Content-Length", "3,3", NULL, NULL },
        { "Content-Length", "", NULL, NULL },
        { "Content-Length", "+3", NULL, NULL },
        { "Content-Length", "3 ", "Content-length", "4" },
        { "Content-Length", "1234567890123456789", NULL, NULL },
        { "Transfer-Encoding", "gzip", NULL, NULL },
        { "Transfer-Encoding", "gzip, chunked", NULL, NULL },
        { "Transfer-Encoding", "xchunked", NULL, NULL },
        { "Transfer-Encoding", "", NULL, NULL },
        { "Host", "other", NULL, NULL },
        { "X-API-Key", "another", NULL, NULL },
        { "Authorization", "Bearer a", "authorization", "Bearer b" },
        { "Content-Type", "text/plain", NULL, NULL },
        { "Idempotency-Key", "a", "Idempotency-Key", "b" },
        { "Bad Name", "x", NULL, NULL },
        { "Bad\tName", "x", NULL, NULL },
        { "", "x", NULL, NULL },
        { "N\xc3\xa4me", "x", NULL, NULL },
        { "Name:", "x", NULL, NULL },
        { "X-Odd", "a\rb", NULL, NULL },
        { "X-Odd", "a\nb", NULL, NULL },
        { "X-Odd", "a\x7f", NULL, NULL },
    };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        s_begin(it, "POST", "/v1/notifications");
        s_add(it, "Content-Type", "application/json");
        s_add(it, BAD[i].name, BAD[i].value);
        if (BAD[i].second_name)
            s_add(it, BAD[i].second_name, BAD[i].second_value);
        assert_int_equal(s_judge(it), NM_HEAD_BREAK);
        assert_int_equal(it->result.refusal.status, 400);
    }
    assert_int_equal(s_judge_with(it, "Expect", "the-worst"), NM_HEAD_BREAK);
    assert_int_equal(it->result.refusal.status, 417);
    assert_int_equal(s_judge_with(it, "Expect", "100-Continue"), NM_HEAD_GO);
    assert_int_equal(s_judge_with(it, "transfer-encoding", " Chunked "), NM_HEAD_GO);
    assert_int_equal(it->result.body_size, UINT64_MAX);
}

static void
a_target_is_a_path_of_plain_characters(void **state)
{
    fixture_t *it = *state;
    static const char *const BAD[] = { "",          "v1", "http://h/health", "/a b", "/a\tb", "/health#x",
                                       "/\xc3\xa4", "*",  "//h\x01",         "?x" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        s_begin(it, "GET", BAD[i]);
        assert_int_equal(s_judge(it), NM_HEAD_BREAK);
        assert_int_equal(it->result.refusal.status, 400);
    }
}

static void
a_head_and_its_target_have_their_sizes(void **state)
{
    fixture_t *it = *state;
    static char target[NM_HEAD_TARGET_MAX + 2];
    memset(target, 'x', sizeof target - 1);
    memcpy(target, "/health?", 8);
    s_begin(it, "GET", target);
    assert_int_equal(s_judge(it), NM_HEAD_BREAK);
    assert_int_equal(it->result.refusal.status, 414);
    s_begin(it, "GET", target);
    it->head.target.size = NM_HEAD_TARGET_MAX;
    it->head.size = NM_HEAD_MAX;
    assert_int_equal(s_judge(it), NM_HEAD_GO);
    s_begin(it, "GET", "/health");
    it->head.size = NM_HEAD_MAX + 1;
    assert_int_equal(s_judge(it), NM_HEAD_BREAK);
    assert_int_equal(it->result.refusal.status, 431);
    it->head.size = 0;
}

static void
a_host_is_needed_but_by_old_clients(void **state)
{
    fixture_t *it = *state;
    s_begin(it, "GET", "/health");
    it->head.fields[0].name = nm_text("X-Host");
    assert_int_equal(s_judge(it), NM_HEAD_BREAK);
    it->head.version = nm_text("HTTP/1.0");
    assert_int_equal(s_judge(it), NM_HEAD_GO);
}

//  404 before 405 before 401.
static void
refusals_come_in_the_order_that_is_promised(void **state)
{
    fixture_t *it = *state;
    static const struct {
        const char *method, *target;
        unsigned status;
    } CASES[] = {
        { "PUT", "/nothing", 404 },          { "BREW", "/v1/notifications", 405 },
        { "PUT", "/v1/notifications", 405 }, { "post", "/v1/notifications", 405 },
        { "GET", "/v1/notifications", 401 }, { "HEAD", "/v1/notifications", 401 },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        s_begin(it, CASES[i].method, CASES[i].target);
        it->head.field_count = 1;
        s_add(it, "Content-Length", "99999999999");
        assert_int_equal(s_judge(it), NM_HEAD_REFUSE);
        assert_int_equal(it->result.refusal.status, CASES[i].status);
        assert_true(CASES[i].status == 404 || it->result.allow[0]);
    }
    s_begin(it, "GET", "/health");
    it->head.field_count = 1;
    assert_int_equal(s_judge(it), NM_HEAD_GO);
}

//  What a gateway must be asked about first, because it may be 401 or 403.
static void
faults_of_the_body_wait_for_the_gateway(void **state)
{
    fixture_t *it = *state;
    static const struct {
        const char *target, *type, *size;
        unsigned status;
    } CASES[] = {
        { "/v1/notifications", "text/plain", "9", 415 },
        { "/v1/notifications", "application/json; charset=utf-16", "9", 415 },
        { "/v1/notifications", "application/merge-patch+json", "9", 415 },
        { "/v1/notifications", "text/plain", "99999999", 415 },
        { "/v1/notifications", "application/json", "10485760", 0 },
        { "/v1/notifications", "application/json", "10485761", 413 },
        { "/v1/services", "application/json;charset=UTF-8", "1048576", 0 },
        { "/v1/services", "application/json \t ; charset=utf-8", "9", 0 },
        { "/v1/services", "application/json ;", "9", 0 },
        { "/v1/services", "application/json", "1048577", 413 },
        { "/v1/services", "", "0", 0 },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        s_begin(it, "POST", CASES[i].target);
        s_add(it, "Content-Type", CASES[i].type);
        s_add(it, "Content-Length", CASES[i].size);
        assert_int_equal(s_judge(it), NM_HEAD_GO);
        assert_int_equal(it->request.refusal.status, CASES[i].status);
    }
    s_begin(it, "PATCH", "/v1/services/x");
    s_add(it, "Content-Type", "application/merge-patch+json");
    s_add(it, "Content-Length", "9");
    s_judge(it);
    assert_int_equal(it->request.refusal.status, 0);
    s_begin(it, "GET", "/v1/notifications");
    s_add(it, "Content-Length", "9");
    s_judge(it);
    assert_int_equal(it->request.refusal.status, 400);
    assert_int_equal(s_judge_with(it, "Content-Encoding", "gzip"), NM_HEAD_GO);
    s_add(it, "Content-Length", "9");
    s_judge(it);
    assert_int_equal(it->request.refusal.status, 415);
}

static void
odd_credentials_are_refused_without_asking(void **state)
{
    fixture_t *it = *state;
    static char LONG[9000];
    memset(LONG, 'a', sizeof LONG - 1);
    const char *const BAD[][2] = { { "X-API-Key", LONG }, { "X-API-Key", "\xff\xfe" }, { "Authorization", LONG } };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        s_begin(it, "GET", "/v1/notifications");
        it->head.field_count = 1;
        s_add(it, BAD[i][0], BAD[i][1]);
        assert_int_equal(s_judge(it), NM_HEAD_REFUSE);
        assert_int_equal(it->result.refusal.status, 401);
    }
    s_begin(it, "GET", "/v1/notifications");
    it->head.field_count = 1;
    s_add(it, "Authorization", "Bearer a.b.c");
    assert_int_equal(s_judge(it), NM_HEAD_GO);
    assert_true(nm_bytes_is(it->request.headers.authorization, "Bearer a.b.c"));
}

static void
texts_that_cannot_be_are_left_out(void **state)
{
    fixture_t *it = *state;
    static const char *const BAD[] = { "", "a b", "a/b", "\xc3\xa4", "a\"b" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        s_judge_with(it, "X-Correlation-ID", BAD[i]);
        assert_int_equal(it->result.correlation_id.size, 0);
    }
    s_judge_with(it, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_true(NM_HAS(&it->request.headers, ask_headers, traceparent));
    assert_int_equal(s_judge_with(it, "Idempotency-Key", "\xff"), NM_HEAD_GO);
    assert_int_equal(it->request.refusal.status, 400);
}

//  It goes into a frame that asks of others share: what is no text would spoil it for all of them.
static void
a_place_in_a_stream_that_is_no_text_is_refused(void **state)
{
    fixture_t *it = *state;
    static char LONG[NM_STREAM_CURSOR_MAX + 2];
    memset(LONG, 'a', sizeof LONG - 1);
    const char *const BAD[] = { "\xff", "1-5\xc3", "1-5\xe2\x80\xa8", LONG };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        s_begin(it, "GET", "/v1/events");
        s_add(it, "Last-Event-ID", BAD[i]);
        assert_int_equal(s_judge(it), NM_HEAD_GO);
        assert_int_equal(it->request.refusal.status, 400);
        assert_int_equal(it->request.last_event.size, 0);
    }
    s_begin(it, "GET", "/v1/events");
    s_add(it, "Last-Event-ID", "1-5");
    s_judge(it);
    assert_int_equal(it->request.refusal.status, 0);
    assert_true(nm_bytes_is(it->request.last_event, "1-5"));
}

static void
options_are_answered_and_origins_compared(void **state)
{
    fixture_t *it = *state;
    s_begin(it, "OPTIONS", "/v1/notifications");
    it->head.field_count = 1;
    s_add(it, "Origin", "https://app.test");
    assert_int_equal(s_judge(it), NM_HEAD_ALLOW);
    assert_string_equal(it->result.allow, "GET, HEAD, POST, OPTIONS");
    assert_true(nm_bytes_is(it->request.origin, "https://app.test"));
    s_begin(it, "OPTIONS", "*");
    assert_int_equal(s_judge(it), NM_HEAD_ALLOW);
    s_judge_with(it, "Origin", "https://app.test.evil");
    assert_int_equal(it->request.origin.size, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_head_goes_on),
        cmocka_unit_test(what_two_servers_could_read_differently_is_refused),
        cmocka_unit_test(a_target_is_a_path_of_plain_characters),
        cmocka_unit_test(a_head_and_its_target_have_their_sizes),
        cmocka_unit_test(a_host_is_needed_but_by_old_clients),
        cmocka_unit_test(refusals_come_in_the_order_that_is_promised),
        cmocka_unit_test(faults_of_the_body_wait_for_the_gateway),
        cmocka_unit_test(odd_credentials_are_refused_without_asking),
        cmocka_unit_test(texts_that_cannot_be_are_left_out),
        cmocka_unit_test(a_place_in_a_stream_that_is_no_text_is_refused),
        cmocka_unit_test(options_are_answered_and_origins_compared),
    };
    return cmocka_run_group_tests_name("bridge/head", tests, s_make, s_free);
}
