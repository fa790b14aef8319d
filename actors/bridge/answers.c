#include "actors/bridge/answers.h"

#include <strings.h>

#include "actors/bridge/convert.h"
#include "wire/reader.h"

static const char TYPE_JSON[] = "application/json";
static const char TYPE_PROBLEM[] = "application/problem+json";

//  How HTTP spells what travels in lower case.
static const char *const NAMES[] = { "Retry-After", "WWW-Authenticate",    "RateLimit",  "RateLimit-Policy",
                                     "Location",    "Idempotent-Replayed", "traceparent" };

static const struct {
    unsigned status;
    const char *title;
} TITLES[] = {
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 503, "Service Unavailable" },
};

void
nm_answers_field(nm_front_answer_t *answer, const char *name, nm_bytes_t value)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.at[i] < 0x20 || value.at[i] == 0x7f)
            return;
    nm_buf_add(&answer->headers, name, strlen(name) + 1);
    nm_buf_add_bytes(&answer->headers, value);
    nm_buf_add(&answer->headers, "", 1);
}

void
nm_answers_begin(const struct nm_front_request *request, unsigned status, const char *type, nm_front_answer_t *answer)
{
    *answer = (nm_front_answer_t){ .request = request->id, .status = status };
    if (type)
        nm_answers_field(answer, "Content-Type", nm_text(type));
    bool cached = request->api && request->api->flags & NM_API_CACHED && status < 400;
    nm_answers_field(answer, "Cache-Control", nm_text(cached ? "no-cache" : "no-store"));
    nm_answers_field(answer, "X-Content-Type-Options", nm_text("nosniff"));
    if (request->origin.size) {
        nm_answers_field(answer, "Access-Control-Allow-Origin", request->origin);
        nm_answers_field(answer, "Access-Control-Expose-Headers",
                         nm_text("X-Correlation-ID, Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed"));
        nm_answers_field(answer, "Vary", nm_text("Origin"));
    }
}

static void
s_correlation(const struct nm_front_request *request, nm_front_answer_t *answer)
{
    nm_answers_field(answer, "X-Correlation-ID", request->headers.correlation_id);
}

static void
s_member(nm_buf_t *out, const char *name, nm_bytes_t text)
{
    nm_convert_text(nm_text(name), out);
    nm_buf_add_text(out, ":");
    nm_convert_text(text, out);
}

//  As much of the path that was asked as the document allows.
static nm_bytes_t
s_instance(const struct nm_front_request *request)
{
    nm_bytes_t path = request->path;
    if (path.size > NM_URL_MAX)
        path.size = NM_URL_MAX;
    return path;
}

static void
s_errors(const nm_faults_t *faults, nm_buf_t *out)
{
    nm_buf_add_text(out, ",\"errors\":[");
    for (size_t i = 0; i < faults->count; i++) {
        nm_buf_add_text(out, i ? ",{" : "{");
        s_member(out, "pointer", nm_text(faults->items[i].pointer));
        nm_buf_add_text(out, ",");
        s_member(out, "detail", nm_text(faults->items[i].detail));
        nm_buf_add_text(out, "}");
    }
    nm_buf_add_text(out, "]");
}

void
nm_answers_problem(const struct nm_front_request *request, const nm_refusal_t *refusal, const nm_faults_t *faults,
                   nm_front_answer_t *answer)
{
    size_t row = 0;
    while (row < NM_COUNT(TITLES) - 1 && TITLES[row].status != refusal->status)
        row++;
    nm_answers_begin(request, refusal->status, TYPE_PROBLEM, answer);
    s_correlation(request, answer);
    if (refusal->status == 401)
        nm_answers_field(answer, "WWW-Authenticate", nm_text("ApiKey realm=\"nmesh\", Bearer realm=\"nmesh\""));
    if (refusal->status == 429 || refusal->status == 503)
        nm_answers_field(answer, "Retry-After", nm_text("1"));
    nm_buf_t *out = &answer->body;
    nm_buf_format(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,", TITLES[row].title, refusal->status);
    s_member(out, "detail", nm_text(refusal->detail));
    nm_buf_add_text(out, ",");
    s_member(out, "instance", s_instance(request));
    nm_buf_add_text(out, ",");
    s_member(out, "correlation_id", request->headers.correlation_id);
    if (faults)
        s_errors(faults, out);
    nm_buf_add_text(out, "}");
}

//  Header fields of a reply, of which correlated says whether they name one of their own.
static void
s_fields(nm_bytes_t headers, nm_front_answer_t *answer, bool *correlated)
{
    nm_reader_t reader;
    nm_bytes_t name, value;
    uint32_t count = 0;
    nm_reader_open(&reader, headers);
    nm_reader_map(&reader, &count);
    for (uint32_t i = 0; i < count && nm_reader_str(&reader, &name) == NM_OK && nm_reader_str(&reader, &value) == NM_OK;
         i++) {
        char text[64];
        nm_bytes_to_text(name, text, sizeof text);
        for (size_t j = 0; j < NM_COUNT(NAMES); j++)
            if (strcasecmp(text, NAMES[j]) == 0)
                nm_bytes_to_text(nm_text(NAMES[j]), text, sizeof text);
        if (nm_bytes_is(name, "x-correlation-id")) {
            nm_bytes_to_text(nm_text("X-Correlation-ID"), text, sizeof text);
            *correlated = true;
        }
        nm_answers_field(answer, text, value);
    }
}

//  Adds a member to the object that was printed last.
static void
s_append(nm_buf_t *out, const char *name, nm_bytes_t text)
{
    bool is_empty = out->size >= 2 && out->at[out->size - 2] == '{';
    out->size--;
    if (!is_empty)
        nm_buf_add_text(out, ",");
    s_member(out, name, text);
    nm_buf_add_text(out, "}");
}

//  Clients of an earlier service look for the id under this name.
static void
s_append_legacy(const struct nm_front_request *request, nm_bytes_t body, nm_buf_t *out)
{
    nm_bytes_t id = nm_reader_find_text(body, "id");
    if (id.size && nm_bytes_is(nm_text(request->api->path), "/notification-service/notifications"))
        s_append(out, "notificationId", id);
}

void
nm_answers_reply(const struct nm_front_request *request, unsigned status, nm_bytes_t headers, nm_bytes_t body,
                 nm_front_answer_t *answer)
{
    bool correlated = false, empty = status == 204 || !body.size;
    nm_answers_begin(request, status, empty ? NULL : status >= 400 ? TYPE_PROBLEM : TYPE_JSON, answer);
    if (headers.size)
        s_fields(headers, answer, &correlated);
    if (!correlated)
        s_correlation(request, answer);
    if (empty)
        return;
    nm_reader_t reader;
    nm_reader_open(&reader, body);
    bool object = nm_reader_peek(&reader) == NM_KIND_MAP;
    nm_convert_value(body, &answer->body);
    if (object && status >= 400 && !nm_reader_find_text(body, "instance").size)
        s_append(&answer->body, "instance", s_instance(request));
    if (object && status < 300 && (request->api->flags & NM_API_LEGACY))
        s_append_legacy(request, body, &answer->body);
}

void
nm_answers_page(const struct nm_front_request *request, unsigned status, const char *type, nm_bytes_t body,
                nm_front_answer_t *answer)
{
    nm_answers_begin(request, status, type, answer);
    s_correlation(request, answer);
    nm_buf_add_bytes(&answer->body, body);
}
