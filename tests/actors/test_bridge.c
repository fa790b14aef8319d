#include "tests/broker/check.h"

#include "actors/bridge/bridge.h"
#include "broker/actor_private.h"
#include "broker/bench.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { REQUEST_MAX = 64 };

//  A bench, and the requests that its front would hold.
typedef struct {
    nm_bench_t *bench;
    nm_routes_t *routes;
    struct nm_front_request requests[REQUEST_MAX];
    size_t count;
} fixture_t;

static int
s_make(void **state)
{
    fixture_t *it = nm_alloc(sizeof *it);
    it->bench = nm_bench_new(&nm_bridge_role, "bridge-1", NULL);
    it->routes = nm_routes_new(nm_api, nm_api_count);
    *state = it;
    return 0;
}

static int
s_free(void **state)
{
    fixture_t *it = *state;
    nm_bench_destroy(&it->bench);
    nm_routes_destroy(&it->routes);
    free(it);
    return 0;
}

//  A request as the front hands it over; for the next turn.
static struct nm_front_request *
s_request(fixture_t *it, nm_http_method_t method, const char *path, const char *query, const char *body)
{
    struct nm_front_request *request = &it->requests[it->count++];
    assert_true(it->count <= REQUEST_MAX);
    *request = (struct nm_front_request){
        .id = 100 + it->count, .path = nm_text(path), .query = nm_text(query), .body = nm_text(body)
    };
    assert_true(nm_routes_find(it->routes, nm_text(path), &request->route));
    request->api = request->route.rows[method];
    NM_PUT(&request->headers, ask_headers, api_key,
           nm_text("00000000000040008000000000000001-000102030405060708090a0b0c0d0e0f"));
    NM_PUT(&request->headers, ask_headers, correlation_id, nm_text("corr-1"));
    NM_PUT(&request->headers, ask_headers, client_address, nm_text("192.0.2.7"));
    nm_bench_request(it->bench, request);
    return request;
}

static const nm_bench_asked_t *
s_asked(fixture_t *it, size_t n)
{
    const nm_bench_asked_t *asked = nm_bench_asked(it->bench, n);
    assert_non_null(asked);
    return asked;
}

//  The text at a name of a packed map.
static void
s_assert_text(nm_bytes_t map, const char *name, const char *expected)
{
    nm_bytes_t text = nm_reader_find_text(map, name);
    assert_true(nm_bytes_is(text, expected));
}

static void
s_answer(fixture_t *it, size_t n, unsigned status, const char *name, const char *value)
{
    nm_buf_t body = { 0 };
    const nm_bench_asked_t *asked = s_asked(it, n);
    nm_writer_map(&body, 1);
    nm_writer_pair_text(&body, name, value);
    nm_bench_answer(it->bench, asked->id, asked->peer, status, nm_buf_bytes(&body));
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    nm_buf_free(&body);
}

static const nm_front_answer_t *
s_answered(fixture_t *it, size_t n, unsigned status)
{
    const nm_front_answer_t *answer = nm_bench_answered(it->bench, n);
    assert_non_null(answer);
    assert_int_equal(answer->status, status);
    return answer;
}

static bool
s_body_has(const nm_front_answer_t *answer, const char *text)
{
    return memmem(answer->body.at, answer->body.size, text, strlen(text)) != NULL;
}

static const char *
s_field(const nm_front_answer_t *answer, const char *name)
{
    const char *at = (const char *) answer->headers.at, *end = at + answer->headers.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static void
a_request_becomes_an_ask_and_its_reply_the_answer(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request =
        s_request(it, NM_HTTP_POST, "/v1/notifications", "", "{\"channel\":\"email\",\"subject\":\"ж\"}");
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    assert_int_equal(nm_bench_asks(it->bench), 1);
    const nm_bench_asked_t *asked = s_asked(it, 0);
    assert_string_equal(asked->op, "notifications.create");
    s_assert_text(asked->body, "channel", "email");
    s_assert_text(asked->body, "subject", "ж");
    s_assert_text(asked->headers, "correlation_id", "corr-1");
    s_assert_text(asked->headers, "client_address", "192.0.2.7");

    s_answer(it, 0, 202, "id", "7");
    assert_int_equal(nm_bench_answers(it->bench), 1);
    const nm_front_answer_t *answer = s_answered(it, 0, 202);
    assert_int_equal(answer->request, request->id);
    assert_false(answer->open);
    assert_true(nm_bytes_is(nm_buf_bytes(&answer->body), "{\"id\":\"7\"}"));
    assert_string_equal(s_field(answer, "Content-Type"), "application/json");
    assert_string_equal(s_field(answer, "X-Correlation-ID"), "corr-1");
}

static void
values_of_the_path_and_the_query_become_fields(void **state)
{
    fixture_t *it = *state;
    nm_bytes_t raw;
    nm_reader_t reader;
    uint64_t limit = 0;
    s_request(it, NM_HTTP_GET, "/v1/notifications/a%2Db", "", "");
    s_request(it, NM_HTTP_GET, "/v1/notifications", "limit=7&status=sent&user_id=12", "");
    s_request(it, NM_HTTP_PATCH, "/v1/services/x", "", "{\"description\":\"d\"}");
    nm_bench_turn(it->bench);
    const nm_bench_asked_t *one = NULL, *list = NULL, *patch = NULL;
    for (size_t i = 0; i < 3; i++) {
        const nm_bench_asked_t *asked = s_asked(it, i);
        *(strstr(asked->op, "get") ? &one : strstr(asked->op, "list") ? &list : &patch) = asked;
    }
    s_assert_text(one->body, "id", "a-b");
    assert_int_equal(nm_reader_find(list->body, "limit", &raw), NM_OK);
    nm_reader_open(&reader, raw);
    assert_int_equal(nm_reader_uint(&reader, &limit), NM_OK);
    assert_int_equal(limit, 7);
    s_assert_text(list->body, "status", "sent");
    s_assert_text(list->body, "user_id", "12");
    s_assert_text(patch->body, "id", "x");
    s_assert_text(patch->body, "description", "d");
}

static void
requests_of_one_turn_share_a_frame_for_each_gateway(void **state)
{
    fixture_t *it = *state;
    for (size_t i = 0; i < 40; i++)
        s_request(it, NM_HTTP_GET, "/health/ready", "", "");
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    size_t first = 0;
    for (size_t i = 0; i < 40; i++)
        first += strcmp(s_asked(it, i)->peer, "gateway-1") == 0;
    assert_int_equal(first, 20);
}

static void
a_key_always_goes_to_its_owner(void **state)
{
    fixture_t *it = *state;
    size_t first = 0;
    char keys[24][16];
    for (size_t i = 0; i < 24; i++) {
        snprintf(keys[i], sizeof keys[i], i % 2 ? "key-%zu" : "\"key-%zu\"", i / 2);
        struct nm_front_request *request = s_request(it, NM_HTTP_POST, "/v1/notifications", "", "{}");
        NM_PUT(&request->headers, ask_headers, idempotency_key, nm_text(keys[i]));
    }
    nm_bench_turn(it->bench);
    const char *owners[12] = { NULL };
    for (size_t i = 0; i < 24; i++) {
        const nm_bench_asked_t *asked = s_asked(it, i);
        unsigned number = 0;
        nm_bytes_t key = nm_reader_find_text(asked->headers, "idempotency_key");
        assert_true(sscanf((const char *) key.at, key.at[0] == '"' ? "\"key-%u" : "key-%u", &number) == 1);
        if (!owners[number])
            owners[number] = asked->peer;
        assert_string_equal(asked->peer, owners[number]);
        first += strcmp(asked->peer, "gateway-1") == 0;
    }
    assert_true(first > 0 && first < 24);
}

static void
a_key_in_the_body_counts_as_well(void **state)
{
    fixture_t *it = *state;
    for (size_t i = 0; i < 8; i++) {
        s_request(it, NM_HTTP_POST, "/v1/notifications", "", "{\"request_id\":\"the-same\"}");
        nm_bench_turn(it->bench);
        assert_string_equal(s_asked(it, i)->peer, s_asked(it, 0)->peer);
    }
}

static void
what_is_about_a_notification_goes_to_its_gateway(void **state)
{
    fixture_t *it = *state;
    nm_id_maker_t maker = { .gateway = 2 };
    nm_id_t id;
    char text[NM_ID_TEXT_SIZE + 1], path[96];
    nm_id_make(&maker, nm_bench_now(it->bench), 5, &id);
    nm_id_to_text(&id, text);
    snprintf(path, sizeof path, "/v1/notifications/%s", text);
    for (size_t i = 0; i < 4; i++) {
        s_request(it, NM_HTTP_GET, path, "", "");
        nm_bench_turn(it->bench);
        assert_string_equal(s_asked(it, i)->peer, "gateway-2");
    }
    nm_bench_away(it->bench, "gateway-2");
    nm_bench_turn(it->bench);
    s_request(it, NM_HTTP_GET, path, "", "");
    nm_bench_turn(it->bench);
    assert_string_equal(s_asked(it, 4)->peer, "gateway-1");
}

static void
a_body_that_is_no_json_is_refused_when_the_client_may_ask_at_all(void **state)
{
    fixture_t *it = *state;
    nm_reader_t reader;
    s_request(it, NM_HTTP_POST, "/v1/notifications", "", "{");
    s_request(it, NM_HTTP_POST, "/v1/notifications", "", "[]");
    nm_bench_turn(it->bench);
    nm_reader_open(&reader, s_asked(it, 0)->body);
    assert_int_equal(nm_reader_peek(&reader), NM_KIND_BOOL);
    s_answer(it, 0, 401, "detail", "The API key is wrong.");
    s_answer(it, 1, 400, "detail", "no object");
    bool first = nm_bench_answered(it->bench, 0)->status == 401;
    assert_true(s_body_has(s_answered(it, first ? 0 : 1, 401), "The API key is wrong."));
    assert_true(s_body_has(s_answered(it, first ? 1 : 0, 400), "instance"));
}

static void
a_query_where_none_belongs_is_named(void **state)
{
    fixture_t *it = *state;
    s_request(it, NM_HTTP_POST, "/v1/notifications", "colour=red", "{}");
    nm_bench_turn(it->bench);
    s_answer(it, 0, 422, "detail", "whatever");
    assert_true(s_body_has(s_answered(it, 0, 422), "\"pointer\":\"?colour\""));
}

static void
the_paths_of_earlier_services_answer_in_their_words(void **state)
{
    fixture_t *it = *state;
    s_request(it, NM_HTTP_POST, "/notification-service/notifications", "", "{}");
    nm_bench_turn(it->bench);
    s_answer(it, 0, 202, "id", "9");
    const nm_front_answer_t *answer = s_answered(it, 0, 202);
    assert_true(nm_bytes_is(nm_buf_bytes(&answer->body), "{\"id\":\"9\",\"notificationId\":\"9\"}"));
}

static void
fields_of_a_reply_are_passed_on_unless_they_would_break_the_head(void **state)
{
    fixture_t *it = *state;
    nm_buf_t headers = { 0 };
    s_request(it, NM_HTTP_GET, "/health/ready", "", "");
    nm_bench_turn(it->bench);
    nm_writer_map(&headers, 3);
    nm_writer_pair_text(&headers, "retry-after", "7");
    nm_writer_pair_text(&headers, "ratelimit", "\"minute\";r=1");
    nm_writer_pair_text(&headers, "x-odd", "a\r\nSet-Cookie: b");
    nm_bench_answer_with(it->bench, s_asked(it, 0)->id, s_asked(it, 0)->peer, 204, nm_buf_bytes(&headers),
                         nm_bytes(NULL, 0));
    nm_bench_turn(it->bench);
    const nm_front_answer_t *answer = s_answered(it, 0, 204);
    assert_string_equal(s_field(answer, "Retry-After"), "7");
    assert_string_equal(s_field(answer, "RateLimit"), "\"minute\";r=1");
    assert_null(s_field(answer, "x-odd"));
    assert_null(s_field(answer, "Content-Type"));
    assert_int_equal(answer->body.size, 0);
    nm_buf_free(&headers);
}

//  -- Gateways that go

static void
s_silence(fixture_t *it, const char *peer)
{
    nm_bench_freeze(it->bench, peer, true);
    nm_bench_wait(it->bench, 2500);
    nm_bench_turn(it->bench);
}

static void
a_read_is_asked_again_elsewhere_when_its_gateway_falls_silent(void **state)
{
    fixture_t *it = *state;
    s_request(it, NM_HTTP_GET, "/health/ready", "", "");
    nm_bench_turn(it->bench);
    char first[NM_NAME_MAX + 1];
    snprintf(first, sizeof first, "%s", s_asked(it, 0)->peer);
    s_silence(it, first);
    assert_int_equal(nm_bench_asks(it->bench), 2);
    assert_string_not_equal(s_asked(it, 1)->peer, first);
    s_answer(it, 1, 200, "status", "ok");
    s_answer(it, 0, 200, "status", "too late");
    assert_int_equal(nm_bench_answers(it->bench), 1);
    assert_true(s_body_has(s_answered(it, 0, 200), "ok"));
}

static void
what_may_have_been_done_is_not_done_again(void **state)
{
    fixture_t *it = *state;
    s_request(it, NM_HTTP_POST, "/v1/notifications", "", "{}");
    nm_bench_turn(it->bench);
    s_silence(it, s_asked(it, 0)->peer);
    assert_int_equal(nm_bench_asks(it->bench), 1);
    const nm_front_answer_t *answer = s_answered(it, 0, 503);
    assert_string_equal(s_field(answer, "Retry-After"), "1");
}

static void
a_key_is_asked_again_of_its_owner_once_that_is_back(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_POST, "/v1/notifications", "", "{}");
    NM_PUT(&request->headers, ask_headers, idempotency_key, nm_text("k"));
    nm_bench_turn(it->bench);
    char owner[NM_NAME_MAX + 1];
    snprintf(owner, sizeof owner, "%s", s_asked(it, 0)->peer);
    nm_bench_reborn(it->bench, owner);
    for (size_t i = 0; i < 4; i++) {
        nm_bench_wait(it->bench, 300);
        nm_bench_turn(it->bench);
    }
    assert_int_equal(nm_bench_answers(it->bench), 0);
    assert_int_equal(nm_bench_asks(it->bench), 2);
    assert_string_equal(s_asked(it, 1)->peer, owner);
    s_answer(it, 1, 202, "id", "1");
    s_answered(it, 0, 202);
}

//  What nobody has yet waits a moment for somebody to come.
static void
without_a_gateway_a_request_waits_a_second_and_is_answered_503(void **state)
{
    fixture_t *it = *state;
    nm_bench_away(it->bench, "gateway-1");
    nm_bench_away(it->bench, "gateway-2");
    nm_bench_turn(it->bench);
    s_request(it, NM_HTTP_POST, "/v1/notifications", "", "{}");
    s_request(it, NM_HTTP_GET, "/health/ready", "", "");
    nm_bench_turn(it->bench);
    assert_int_equal(nm_bench_answers(it->bench), 0);
    nm_bench_wait(it->bench, 1500);
    nm_bench_turn(it->bench);
    assert_int_equal(nm_bench_asks(it->bench), 0);
    s_answered(it, 0, 503);
    s_answered(it, 1, 503);
}

static void
what_nobody_answers_ends_with_503(void **state)
{
    fixture_t *it = *state;
    s_request(it, NM_HTTP_GET, "/health/ready", "", "");
    nm_bench_turn(it->bench);
    nm_bench_wait(it->bench, 31000);
    nm_bench_turn(it->bench);
    s_answered(it, 0, 503);
}

//  -- Events

static void
s_answer_events(fixture_t *it, size_t n, const char *event, bool done)
{
    nm_buf_t body = { 0 };
    const nm_bench_asked_t *asked = s_asked(it, n);
    nm_writer_map(&body, 3);
    nm_writer_text(&body, "items");
    nm_writer_list(&body, event ? 1 : 0);
    if (event) {
        nm_writer_map(&body, 3);
        nm_writer_pair_text(&body, "cursor", "1-7");
        nm_writer_pair_text(&body, "id", "note");
        nm_writer_pair_text(&body, "event", event);
    }
    nm_writer_pair_text(&body, "next_cursor", "1-8");
    nm_writer_pair_bool(&body, "done", done);
    nm_bench_answer(it->bench, asked->id, asked->peer, 200, nm_buf_bytes(&body));
    nm_bench_turn(it->bench);
    nm_buf_free(&body);
}

//  The front says so once the client has taken the n-th piece.
static void
s_take(fixture_t *it, struct nm_front_request *request, size_t n)
{
    request->taken = true;
    request->token = nm_bench_answered(it->bench, n)->token;
    nm_bench_request(it->bench, request);
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    request->taken = false;
}

static void
s_leave(fixture_t *it, struct nm_front_request *request, size_t n)
{
    request->gone = true;
    request->token = nm_bench_answered(it->bench, n)->token;
    nm_bench_request(it->bench, request);
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
}

static void
a_stream_goes_on_from_cursor_to_cursor_until_the_end(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/notifications/x/events", "", "");
    request->last_event = nm_text("1-5");
    nm_bench_turn(it->bench);
    s_assert_text(s_asked(it, 0)->body, "cursor", "1-5");
    s_assert_text(s_asked(it, 0)->body, "id", "x");

    s_answer_events(it, 0, NULL, false);
    assert_true(s_answered(it, 0, 200)->open);
    assert_string_equal(s_field(s_answered(it, 0, 200), "Content-Type"), "text/event-stream");
    assert_true(nm_bytes_is(nm_buf_bytes(&s_answered(it, 0, 200)->body), ":\n\n"));
    s_take(it, request, 0);
    s_assert_text(s_asked(it, 1)->body, "cursor", "1-8");

    s_answer_events(it, 1, "sent", true);
    const nm_front_answer_t *last = s_answered(it, 1, 0);
    assert_false(last->open);
    assert_true(s_body_has(last, "id: 1-7\nevent: notification.sent\ndata: {\"id\":\"note\","));
    assert_int_equal(nm_bench_asks(it->bench), 2);
}

//  So a client that reads slowly costs one piece, and nothing is asked for twice.
static void
nothing_is_asked_for_while_the_client_has_not_taken_the_last_piece(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/events", "", "");
    nm_bench_turn(it->bench);
    s_answer_events(it, 0, "queued", false);
    for (size_t i = 0; i < 100; i++) {
        nm_bench_wait(it->bench, 1000);
        nm_bench_turn(it->bench);
    }
    assert_int_equal(nm_bench_asks(it->bench), 1);
    assert_int_equal(nm_bench_answers(it->bench), 1);
    s_take(it, request, 0);
    assert_int_equal(nm_bench_asks(it->bench), 2);
    s_assert_text(s_asked(it, 1)->body, "cursor", "1-8");
    s_answer_events(it, 1, "sent", false);
    assert_true(s_body_has(s_answered(it, 1, 0), "notification.sent"));
    assert_int_equal(nm_bench_asks(it->bench), 2);
}

static void
a_client_that_is_behind_does_not_notice_that_its_gateway_goes(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/events", "", "");
    nm_bench_turn(it->bench);
    char first[NM_NAME_MAX + 1];
    snprintf(first, sizeof first, "%s", s_asked(it, 0)->peer);
    s_answer_events(it, 0, "queued", false);
    s_silence(it, first);
    nm_bench_wait(it->bench, 5000);
    nm_bench_turn(it->bench);
    assert_int_equal(nm_bench_asks(it->bench), 1);
    s_take(it, request, 0);
    assert_int_equal(nm_bench_asks(it->bench), 2);
    assert_string_not_equal(s_asked(it, 1)->peer, first);
    s_assert_text(s_asked(it, 1)->body, "cursor", "1-8");
}

//  The front tells it again after a turn that was undone: what was asked in that turn does not count then.
static void
a_piece_that_is_told_to_be_taken_twice_is_followed_by_one_piece(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/events", "", "");
    nm_bench_turn(it->bench);
    s_answer_events(it, 0, "queued", false);
    s_take(it, request, 0);
    s_take(it, request, 0);
    s_answer_events(it, 1, "sent", false);
    assert_int_equal(nm_bench_answers(it->bench), 1);
    s_answer_events(it, 2, "sent", false);
    assert_int_equal(nm_bench_answers(it->bench), 2);
}

//  Where a stream stands in a mesh of many gateways takes some thousand bytes.
static void
a_long_cursor_is_kept_whole(void **state)
{
    fixture_t *it = *state;
    char cursor[NM_STREAM_CURSOR_MAX + 1];
    memset(cursor, 'c', sizeof cursor - 1);
    cursor[sizeof cursor - 1] = 0;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/events", "", "");
    request->last_event = nm_text(cursor);
    nm_bench_turn(it->bench);
    s_assert_text(s_asked(it, 0)->body, "cursor", cursor);
}

static void
a_stream_that_may_not_be_is_refused_like_anything(void **state)
{
    fixture_t *it = *state;
    s_request(it, NM_HTTP_GET, "/v1/events", "cursor=bad", "");
    nm_bench_turn(it->bench);
    s_assert_text(s_asked(it, 0)->body, "cursor", "bad");
    s_answer(it, 0, 400, "detail", "The cursor is not one of ours.");
    assert_false(s_answered(it, 0, 400)->open);
}

static void
a_stream_survives_its_gateway(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/events", "", "");
    nm_bench_turn(it->bench);
    s_answer_events(it, 0, NULL, false);
    s_take(it, request, 0);
    char first[NM_NAME_MAX + 1];
    snprintf(first, sizeof first, "%s", s_asked(it, 1)->peer);
    s_silence(it, first);
    nm_bench_wait(it->bench, 1100);
    nm_bench_turn(it->bench);
    assert_int_equal(nm_bench_answers(it->bench), 1);
    assert_int_equal(nm_bench_asks(it->bench), 3);
    assert_string_not_equal(s_asked(it, 2)->peer, first);
    s_assert_text(s_asked(it, 2)->body, "cursor", "1-8");
}

static void
a_client_that_has_left_its_stream_is_forgotten(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/events", "", "");
    nm_bench_turn(it->bench);
    s_answer_events(it, 0, NULL, false);
    s_take(it, request, 0);
    s_leave(it, request, 0);
    assert_false(s_answered(it, 1, 0)->open);
    s_answer_events(it, 1, "sent", false);
    assert_int_equal(nm_bench_answers(it->bench), 2);
    assert_int_equal(nm_bench_asks(it->bench), 2);
}

static void
a_stream_whose_client_has_just_left_is_not_asked_for_again(void **state)
{
    fixture_t *it = *state;
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/v1/events", "", "");
    nm_bench_turn(it->bench);
    s_answer_events(it, 0, NULL, false);
    s_take(it, request, 0);
    request->gone = true;  //  The front has not said so yet, and the texts of the request are gone already
    request->headers.correlation_id = nm_bytes((const uint8_t *) 1, 8);
    s_answer_events(it, 1, "sent", false);
    assert_int_equal(nm_bench_asks(it->bench), 2);
    s_leave(it, request, 0);
    assert_int_equal(nm_bench_answers(it->bench), 2);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, s_make, s_free)

//  -- Pages of its own

static struct nm_front_request *
s_scrape(fixture_t *it, bool local)
{
    struct nm_front_request *request = s_request(it, NM_HTTP_GET, "/metrics", "", "");
    request->local = local;
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    return request;
}

//  How many actors were asked for their figures.
static size_t
s_surveyed(const fixture_t *it)
{
    size_t count = 0;
    for (size_t i = 0; i < nm_bench_asks(it->bench); i++)
        count += strcmp(nm_bench_asked(it->bench, i)->op, "status") == 0;
    return count;
}

static void
s_let_survey_end(fixture_t *it)
{
    nm_bench_wait(it->bench, 1000);
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
}

static void
it_lives_though_no_gateway_does(void **state)
{
    fixture_t *it = *state;
    nm_bench_away(it->bench, "gateway-1");
    nm_bench_away(it->bench, "gateway-2");
    s_request(it, NM_HTTP_GET, "/health", "", "");
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    assert_true(s_body_has(s_answered(it, 0, 200), "\"ok\""));
    assert_int_equal(nm_bench_asks(it->bench), 0);
}

//  One survey for all who come while it is under way, and for a second after it.
static void
a_scrape_shows_all_and_is_good_for_a_second(void **state)
{
    fixture_t *it = *state;
    for (size_t i = 0; i < nm_bench_actor(it->bench)->peer_count; i++)
        ((nm_peer_t *) nm_bench_actor(it->bench)->peers[i])->certified = true;
    s_scrape(it, true);
    size_t asked = s_surveyed(it);
    assert_true(asked > 5);
    s_scrape(it, true);
    assert_null(nm_bench_answered(it->bench, 0));
    s_let_survey_end(it);
    assert_true(s_body_has(s_answered(it, 0, 200), "nmesh_actor_up{actor=\"bridge-1\",role=\"bridge\""));
    assert_true(s_body_has(s_answered(it, 1, 200), "nmesh_actor_up{actor=\"email-2\",role=\"email\""));
    nm_bench_wait(it->bench, 999);
    s_scrape(it, true);
    s_answered(it, 2, 200);
    assert_int_equal(s_surveyed(it), asked);
    nm_bench_wait(it->bench, 1);
    s_scrape(it, true);
    assert_true(s_surveyed(it) > asked);
    assert_null(nm_bench_answered(it->bench, 3));
}

static void
who_is_elsewhere_sees_the_figures_if_a_gateway_says_so(void **state)
{
    fixture_t *it = *state;
    static const struct {
        unsigned said, answered;
    } CASES[] = { { 200, 200 }, { 401, 401 }, { 403, 403 } };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        nm_bench_wait(it->bench, 2000);
        nm_bench_forget(it->bench);
        s_scrape(it, false);
        const nm_bench_asked_t *asked = s_asked(it, 0);
        assert_string_equal(asked->op, "metrics");
        s_assert_text(asked->headers, "api_key", "00000000000040008000000000000001-000102030405060708090a0b0c0d0e0f");
        s_assert_text(asked->headers, "client_address", "192.0.2.7");
        assert_int_equal(nm_bench_asks(it->bench), 1);
        s_answer(it, 0, CASES[i].said, "detail", "said so");
        s_let_survey_end(it);
        s_answered(it, 0, CASES[i].answered);
    }
    nm_bench_forget(it->bench);
    nm_bench_away(it->bench, "gateway-1");
    nm_bench_away(it->bench, "gateway-2");
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    s_scrape(it, false);
    nm_bench_wait(it->bench, 2000);
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    s_answered(it, 0, 503);
}

static void
answers_are_counted_by_route_and_status(void **state)
{
    fixture_t *it = *state;
    nm_metrics_t *metrics = nm_bench_actor(it->bench)->setup.metrics;
    s_request(it, NM_HTTP_GET, "/v1/notifications", "", "");
    s_request(it, NM_HTTP_GET, "/health", "", "");
    assert_int_equal(nm_bench_turn(it->bench), NM_OK);
    s_answer(it, 0, 418, "detail", "none of the usual");
    nm_metric_t *listed = nm_metrics_make(metrics, NM_FAMILY_HTTP_REQUESTS, "/v1/notifications", "other");
    nm_metric_t *lives = nm_metrics_make(metrics, NM_FAMILY_HTTP_REQUESTS, "/health", "200");
    assert_int_equal(nm_metric_value(listed), 1);
    assert_int_equal(nm_metric_value(lives), 1);
    assert_int_equal(nm_metric_value(nm_metrics_make(metrics, NM_FAMILY_HTTP_REQUEST, NULL, NULL)), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_lives_though_no_gateway_does),
        TEST(a_scrape_shows_all_and_is_good_for_a_second),
        TEST(who_is_elsewhere_sees_the_figures_if_a_gateway_says_so),
        TEST(answers_are_counted_by_route_and_status),
        TEST(a_request_becomes_an_ask_and_its_reply_the_answer),
        TEST(values_of_the_path_and_the_query_become_fields),
        TEST(requests_of_one_turn_share_a_frame_for_each_gateway),
        TEST(a_key_always_goes_to_its_owner),
        TEST(a_key_in_the_body_counts_as_well),
        TEST(what_is_about_a_notification_goes_to_its_gateway),
        TEST(a_body_that_is_no_json_is_refused_when_the_client_may_ask_at_all),
        TEST(a_query_where_none_belongs_is_named),
        TEST(the_paths_of_earlier_services_answer_in_their_words),
        TEST(fields_of_a_reply_are_passed_on_unless_they_would_break_the_head),
        TEST(a_read_is_asked_again_elsewhere_when_its_gateway_falls_silent),
        TEST(what_may_have_been_done_is_not_done_again),
        TEST(a_key_is_asked_again_of_its_owner_once_that_is_back),
        TEST(without_a_gateway_a_request_waits_a_second_and_is_answered_503),
        TEST(what_nobody_answers_ends_with_503),
        TEST(a_stream_goes_on_from_cursor_to_cursor_until_the_end),
        TEST(nothing_is_asked_for_while_the_client_has_not_taken_the_last_piece),
        TEST(a_client_that_is_behind_does_not_notice_that_its_gateway_goes),
        TEST(a_piece_that_is_told_to_be_taken_twice_is_followed_by_one_piece),
        TEST(a_long_cursor_is_kept_whole),
        TEST(a_stream_that_may_not_be_is_refused_like_anything),
        TEST(a_stream_survives_its_gateway),
        TEST(a_client_that_has_left_its_stream_is_forgotten),
        TEST(a_stream_whose_client_has_just_left_is_not_asked_for_again),
    };
    return cmocka_run_group_tests_name("bridge", tests, NULL, NULL);
}
