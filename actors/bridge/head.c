#include "actors/bridge/head.h"

#include <strings.h>

#include "wire/utf8.h"

//  Fields that the bridge reads. Of those marked alone there may be one.
enum { ALONE = 1 };

typedef enum {
    F_HOST,
    F_LENGTH,
    F_CODING,
    F_TYPE,
    F_ENCODING,
    F_API_KEY,
    F_AUTHORIZATION,
    F_IDEMPOTENCY,
    F_CORRELATION,
    F_TRACEPARENT,
    F_FORWARDED,
    F_LAST_EVENT,
    F_NONE_MATCH,
    F_ORIGIN,
    F_ASKED_METHOD,
    F_EXPECT,
    F_COUNT
} field_t;

static const struct {
    const char *name;
    unsigned flags;
} FIELDS[F_COUNT] = {
    [F_HOST] = { "host", ALONE },
    [F_LENGTH] = { "content-length", ALONE },
    [F_CODING] = { "transfer-encoding", ALONE },
    [F_TYPE] = { "content-type", ALONE },
    [F_ENCODING] = { "content-encoding", 0 },
    [F_API_KEY] = { "x-api-key", ALONE },
    [F_AUTHORIZATION] = { "authorization", ALONE },
    [F_IDEMPOTENCY] = { "idempotency-key", ALONE },
    [F_CORRELATION] = { "x-correlation-id", 0 },
    [F_TRACEPARENT] = { "traceparent", 0 },
    [F_FORWARDED] = { "x-forwarded-for", 0 },
    [F_LAST_EVENT] = { "last-event-id", 0 },
    [F_NONE_MATCH] = { "if-none-match", 0 },
    [F_ORIGIN] = { "origin", 0 },
    [F_ASKED_METHOD] = { "access-control-request-method", 0 },
    [F_EXPECT] = { "expect", 0 },
};

typedef struct {
    const nm_head_rules_t *rules;
    const nm_head_t *head;
    nm_head_result_t *result;
    struct nm_front_request *request;
    nm_bytes_t values[F_COUNT];
    unsigned counts[F_COUNT];
} case_t;

__attribute__((format(printf, 4, 5))) static bool
s_refuse(case_t *it, nm_head_verdict_t verdict, unsigned status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(it->result->refusal.detail, sizeof it->result->refusal.detail, format, args);
    va_end(args);
    it->result->refusal.status = status;
    it->result->verdict = verdict;
    return false;
}

//  -- What may stand where

static bool
s_is_caseless(nm_bytes_t text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *) text.at, word, text.size) == 0;
}

//  RFC 9110 section 5.6.2.
static bool
s_is_token(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !(c && strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.size > 0;
}

static bool
s_is_value(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.at[i] < 0x20 && text.at[i] != '\t') || text.at[i] == 0x7f)
            return false;
    return true;
}

static nm_bytes_t
s_trim(nm_bytes_t text)
{
    while (text.size && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = nm_bytes(text.at + 1, text.size - 1);
    while (text.size && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static bool
s_is_correlation(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-')
            return false;
    }
    return text.size > 0 && text.size <= NM_CORRELATION_MAX;
}

//  -- Reading

static void
s_take_field(case_t *it, const nm_head_field_t *field)
{
    for (unsigned i = 0; i < F_COUNT; i++)
        if (s_is_caseless(field->name, FIELDS[i].name)) {
            it->values[i] = s_trim(field->value);
            it->counts[i]++;
        }
}

static bool
s_read_fields(case_t *it)
{
    const nm_head_t *head = it->head;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!s_is_token(head->fields[i].name))
            return s_refuse(it, NM_HEAD_BREAK, 400,
                            "The name of a header field has a character that it must not have.");
        if (!s_is_value(head->fields[i].value))
            return s_refuse(it, NM_HEAD_BREAK, 400, "The value of a header field has a control character.");
        s_take_field(it, &head->fields[i]);
    }
    for (unsigned i = 0; i < F_COUNT; i++)
        if ((FIELDS[i].flags & ALONE) && it->counts[i] > 1)
            return s_refuse(it, NM_HEAD_BREAK, 400, "The header field %s stands there %u times.", FIELDS[i].name,
                            it->counts[i]);
    return true;
}

static bool
s_read_sizes(case_t *it)
{
    if (it->head->target.size > NM_HEAD_TARGET_MAX)
        return s_refuse(it, NM_HEAD_BREAK, 414, "The request target may have %d bytes.", NM_HEAD_TARGET_MAX);
    if (it->head->size > NM_HEAD_MAX)
        return s_refuse(it, NM_HEAD_BREAK, 431, "The head of a request may have %d bytes.", NM_HEAD_MAX);
    return true;
}

//  How long the body is must be beyond doubt.
static bool
s_read_framing(case_t *it)
{
    nm_bytes_t length = it->values[F_LENGTH];
    if (!it->counts[F_HOST] && !nm_bytes_is(it->head->version, "HTTP/1.0"))
        return s_refuse(it, NM_HEAD_BREAK, 400, "The header field Host is missing.");
    if (it->counts[F_CODING] && it->counts[F_LENGTH])
        return s_refuse(it, NM_HEAD_BREAK, 400, "Content-Length and Transfer-Encoding exclude each other.");
    if (it->counts[F_CODING] && !s_is_caseless(it->values[F_CODING], "chunked"))
        return s_refuse(it, NM_HEAD_BREAK, 400, "The only Transfer-Encoding that is taken is chunked.");
    it->result->body_size = it->counts[F_CODING] ? UINT64_MAX : 0;
    if (it->counts[F_LENGTH]) {
        if (!length.size || length.size > 18)
            return s_refuse(it, NM_HEAD_BREAK, 400, "Content-Length is no number.");
        for (size_t i = 0; i < length.size; i++) {
            if (length.at[i] < '0' || length.at[i] > '9')
                return s_refuse(it, NM_HEAD_BREAK, 400, "Content-Length is no number.");
            it->result->body_size = it->result->body_size * 10 + (length.at[i] - '0');
        }
    }
    it->result->has_body = it->result->body_size > 0;
    if (it->counts[F_EXPECT] && !s_is_caseless(it->values[F_EXPECT], "100-continue"))
        return s_refuse(it, NM_HEAD_BREAK, 417, "The only expectation that is met is 100-continue.");
    return true;
}

static bool
s_read_target(case_t *it)
{
    nm_bytes_t target = it->head->target;
    for (size_t i = 0; i < target.size; i++)
        if (target.at[i] <= 0x20 || target.at[i] >= 0x7f || target.at[i] == '#')
            return s_refuse(it, NM_HEAD_BREAK, 400, "The request target has a character that it must not have.");
    const uint8_t *mark = target.size ? memchr(target.at, '?', target.size) : NULL;
    size_t size = mark ? (size_t) (mark - target.at) : target.size;
    it->request->path = nm_bytes(target.at, size);
    if (mark)
        it->request->query = nm_bytes(mark + 1, target.size - size - 1);
    if (!size || target.at[0] != '/')
        return s_refuse(it, NM_HEAD_BREAK, 400, "The request target must begin with a slash.");
    return true;
}

//  -- What is asked

static bool
s_find_route(case_t *it)
{
    nm_bytes_t method = it->head->method;
    nm_route_t *route = &it->request->route;
    bool options = nm_bytes_is(method, "OPTIONS");
    if (options && nm_bytes_is(it->head->target, "*")) {
        snprintf(it->result->allow, sizeof it->result->allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        it->result->verdict = NM_HEAD_ALLOW;
        return false;
    }
    if (!s_read_target(it))
        return false;
    if (!nm_routes_find(it->rules->routes, it->request->path, route))
        return s_refuse(it, NM_HEAD_REFUSE, 404, "There is nothing at this path.");
    nm_routes_allow(route, it->result->allow);
    if (options) {
        it->result->verdict = NM_HEAD_ALLOW;
        return false;
    }
    int number = nm_words_find(&nm_http_method_words, nm_bytes_is(method, "HEAD") ? nm_text("GET") : method);
    if (number < 0 || !route->rows[number])
        return s_refuse(it, NM_HEAD_REFUSE, 405, "This path takes %s.", it->result->allow);
    it->request->api = route->rows[number];
    return true;
}

static bool
s_is_origin_allowed(const nm_head_rules_t *rules, nm_bytes_t origin)
{
    for (size_t i = 0; i < rules->origin_count; i++)
        if (nm_bytes_is(rules->origins[i], "*") || nm_bytes_equal(rules->origins[i], origin))
            return true;
    return false;
}

static void
s_read_texts(case_t *it)
{
    nm_ask_headers_t *headers = &it->request->headers;
    if (it->counts[F_CORRELATION] == 1 && s_is_correlation(it->values[F_CORRELATION]))
        it->result->correlation_id = it->values[F_CORRELATION];
    if (it->counts[F_TRACEPARENT] == 1 && s_is_correlation(it->values[F_TRACEPARENT]))
        NM_PUT(headers, ask_headers, traceparent, it->values[F_TRACEPARENT]);
    it->result->forwarded = it->values[F_FORWARDED];
    it->result->asked_method = it->values[F_ASKED_METHOD];
    it->request->if_none_match = it->values[F_NONE_MATCH];
    if (it->counts[F_ORIGIN] == 1 && s_is_origin_allowed(it->rules, it->values[F_ORIGIN]))
        it->request->origin = it->values[F_ORIGIN];
}

//  Fit to go into an ask.
static bool
s_is_line(nm_bytes_t text, size_t most)
{
    return text.size && text.size <= most && nm_utf8_is_valid(text) && nm_utf8_is_line(text);
}

//  Who sends none at all is told so before anything is read; whether they are right is for a gateway to say.
static bool
s_read_credentials(case_t *it)
{
    nm_ask_headers_t *headers = &it->request->headers;
    nm_bytes_t key = it->values[F_API_KEY], authorization = it->values[F_AUTHORIZATION];
    if (key.size && s_is_line(key, 128))
        NM_PUT(headers, ask_headers, api_key, key);
    if (authorization.size && s_is_line(authorization, 8192))
        NM_PUT(headers, ask_headers, authorization, authorization);
    if (NM_HAS(headers, ask_headers, api_key) || NM_HAS(headers, ask_headers, authorization) ||
        it->request->api->scope == NM_SCOPE_OPEN)
        return true;
    if (key.size || authorization.size)
        return s_refuse(it, NM_HEAD_REFUSE, 401, "The API key or token is wrong.");
    return s_refuse(it, NM_HEAD_REFUSE, 401, "An API key (X-API-Key) or a token (Authorization: Bearer) is needed.");
}

//  -- The body, and where a stream goes on. These are refused only when a gateway has let the client in.

__attribute__((format(printf, 3, 4))) static void
s_refuse_later(case_t *it, unsigned status, const char *format, ...)
{
    nm_refusal_t *refusal = &it->request->refusal;
    va_list args;
    if (refusal->status)
        return;
    refusal->status = status;
    va_start(args, format);
    vsnprintf(refusal->detail, sizeof refusal->detail, format, args);
    va_end(args);
}

//  JSON, in UTF-8 if it says in what.
static bool
s_is_json(nm_bytes_t type, bool patch)
{
    const uint8_t *end = type.size ? memchr(type.at, ';', type.size) : NULL;
    nm_bytes_t name = s_trim(end ? nm_bytes(type.at, (size_t) (end - type.at)) : type);
    nm_bytes_t more = end ? s_trim(nm_bytes(end + 1, (size_t) (type.at + type.size - end - 1))) : nm_bytes(NULL, 0);
    if (!s_is_caseless(name, "application/json") && !(patch && s_is_caseless(name, "application/merge-patch+json")))
        return false;
    return !more.size || s_is_caseless(more, "charset=utf-8") || s_is_caseless(more, "charset=\"utf-8\"");
}

static void
s_judge_body(case_t *it)
{
    const nm_api_t *api = it->request->api;
    bool takes = api->method != NM_HTTP_GET && api->method != NM_HTTP_DELETE;
    it->result->body_max = !takes ? 0 : api->flags & NM_API_LARGE ? NM_BODY_BATCH_MAX : NM_BODY_MAX;
    nm_bytes_t key = it->values[F_IDEMPOTENCY];
    if (it->counts[F_IDEMPOTENCY] && s_is_line(key, NM_IDEMPOTENCY_MAX + 2))
        NM_PUT(&it->request->headers, ask_headers, idempotency_key, key);
    else if (it->counts[F_IDEMPOTENCY])
        s_refuse_later(it, 400, "Idempotency-Key is a text of 1 to %d bytes.", NM_IDEMPOTENCY_MAX);
    if (!it->result->has_body)
        return;
    if (!takes)
        s_refuse_later(it, 400, "This operation takes no body.");
    if (it->counts[F_ENCODING] && !s_is_caseless(it->values[F_ENCODING], "identity"))
        s_refuse_later(it, 415, "Content-Encoding is not taken: send the body as it is.");
    if (takes && !s_is_json(it->values[F_TYPE], api->method == NM_HTTP_PATCH))
        s_refuse_later(it, 415, "The body must be JSON in UTF-8: send Content-Type: application/json.");
    if (it->result->body_size != UINT64_MAX && it->result->body_size > it->result->body_max)
        s_refuse_later(it, 413, "The body may have %llu bytes.", (unsigned long long) it->result->body_max);
}

//  It goes into an ask as it is.
static void
s_judge_last_event(case_t *it)
{
    nm_bytes_t last = it->values[F_LAST_EVENT];
    if (!(it->request->api->flags & NM_API_EVENTS) || !last.size)
        return;
    if (s_is_line(last, NM_STREAM_CURSOR_MAX))
        it->request->last_event = last;
    else
        s_refuse_later(it, 400, "Last-Event-ID is not a cursor of ours.");
}

void
nm_head_judge(const nm_head_rules_t *rules, const nm_head_t *head, nm_head_result_t *result,
              struct nm_front_request *request)
{
    case_t it = { .rules = rules, .head = head, .result = result, .request = request };
    *result = (nm_head_result_t){ .verdict = NM_HEAD_GO };
    bool whole = s_read_fields(&it);
    s_read_texts(&it);
    if (!whole || !s_read_sizes(&it) || !s_read_framing(&it) || !s_find_route(&it) || !s_read_credentials(&it))
        return;
    s_judge_body(&it);
    s_judge_last_event(&it);
}
