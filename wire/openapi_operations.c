//  openapi_operations - what one operation takes and gives: parameters, body, answers.

#include "wire/openapi_private.h"

enum { ID_SIZE = 80, TEXT_SIZE = 256 };

//  -- What tables do not say

static const struct {
    uint16_t status;
    const char *name;  //  Among the components; NULL: it is no problem
    const char *description;
} STATUSES[] = {
    { 200, NULL, "Done." },
    { 201, NULL, "Made." },
    { 202, NULL, "Accepted, and on disk." },
    { 204, NULL, "Done; there is nothing to tell." },
    { 304, NULL, "It is as it was." },
    { 400, "BadRequest", "Not well-formed: not JSON, not an object, a cursor that no list gave, a header field." },
    { 401, "Unauthorized", "No credentials, or wrong ones." },
    { 403, "Forbidden", "These credentials do not give the right to that." },
    { 404, "NotFound", "There is none, or it is somebody else's." },
    { 409, "Conflict",
      "Not as things are now: it is too late, the name is taken, or the first ask under this "
      "idempotency key is still running." },
    { 413, "ContentTooLarge", "The body is larger than allowed." },
    { 415, "UnsupportedMediaType", "The body is not JSON." },
    { 422, "UnprocessableContent", "Faults in body or query: each is named in `errors`." },
    { 429, "TooManyRequests",
      "A limit is reached, or too many wrong credentials came: `Retry-After` says for how long." },
    { 503, "ServiceUnavailable", "The mesh cannot promise it now: ask again, a POST with the same idempotency key." },
    { 507, "InsufficientStorage", "The store is full: ask again later." },
};

typedef struct {
    const char *name;
    const char *component;
    const char *description;
    uint64_t size;       //  At most so long; 0: a whole number
    const char *format;  //  NULL: none
} header_t;

//  What comes with requests.
static const header_t PARAMETERS[] = {
    { "Idempotency-Key", "IdempotencyKey",
      "The same ask under the same key is done once, and answered alike for 24 hours. Quotes around it do not count.",
      NM_IDEMPOTENCY_MAX, NULL },
    { "X-Correlation-ID", "CorrelationId",
      "1 to 128 of A-Z, a-z, 0-9, dot, underscore and dash: for logs and webhooks. Another one is replaced.",
      NM_CORRELATION_MAX, NULL },
    { "traceparent", "Traceparent", "W3C trace context: the trace goes on with the notification.", 256, NULL },
    { "Last-Event-ID", "LastEventId", "Goes on after the event with this id.", NM_CURSOR_MAX, NULL },
    { "If-None-Match", "IfNoneMatch", "An ETag that is known: 304 if it is still that.", 256, NULL },
};

//  What comes with answers.
static const header_t HEADERS[] = {
    { "X-Correlation-ID", "CorrelationId", "As it came, or made: it stands in logs and webhooks.", NM_CORRELATION_MAX,
      NULL },
    { "Retry-After", "RetryAfter", "Seconds after which to ask again.", 0, NULL },
    { "WWW-Authenticate", "WwwAuthenticate", "How to tell who asks.", 256, NULL },
    { "Idempotent-Replayed", "IdempotentReplayed", "true: it is the first answer under this key once more.", 8, NULL },
    { "RateLimit", "RateLimit", "What is left of the limits, by name: IETF draft, structured field.", 1024, NULL },
    { "RateLimit-Policy", "RateLimitPolicy", "The limits, by name.", 1024, NULL },
    { "ETag", "Etag", "Names this state of the document.", 256, NULL },
};

//  -- Bodies

bool
nm_openapi_is_in_body(const nm_api_t *row, size_t field)
{
    return nm_api_has_body(row) && nm_shape_knows(row->ask, field) &&
           !nm_api_is_in_path(row, row->ask->fields[field].name);
}

bool
nm_openapi_has_body(const nm_api_t *row)
{
    for (size_t i = 0; row->ask && i < row->ask->field_count; i++)
        if (nm_openapi_is_in_body(row, i))
            return true;
    return false;
}

bool
nm_openapi_wants_body(const nm_api_t *row)
{
    for (size_t i = 0; row->ask && i < row->ask->field_count; i++)
        if (nm_openapi_is_in_body(row, i) && nm_shape_wants(row->ask, i))
            return true;
    return false;
}

//  The least that makes sense, where all fields together make none.
static const struct {
    const nm_shape_t *shape;
    const char *fields[4];
} SAMPLES[] = {
    { &nm_request_shape, { "channel", "recipient", "subject", "content" } },
};

static void
s_write_sample(const nm_shape_t *shape, nm_pairs_t *media)
{
    for (size_t i = 0; i < NM_COUNT(SAMPLES); i++) {
        if (SAMPLES[i].shape != shape)
            continue;
        nm_pairs_name(media, "example");
        nm_pairs_t sample = nm_pairs_open(media->out);
        for (size_t j = 0; j < NM_COUNT(SAMPLES[i].fields); j++)
            nm_pairs_text(&sample, SAMPLES[i].fields[j], nm_openapi_example(SAMPLES[i].fields[j]));
        nm_pairs_close(&sample);
    }
}

static void
s_write_media(nm_pairs_t *content, const char *type, const nm_shape_t *shape)
{
    nm_pairs_name(content, type);
    nm_pairs_t media = nm_pairs_open(content->out);
    nm_pairs_name(&media, "schema");
    nm_openapi_ref_shape(content->out, shape);
    s_write_sample(shape, &media);
    nm_pairs_close(&media);
}

static void
s_write_body(const nm_api_t *row, nm_pairs_t *operation)
{
    nm_pairs_name(operation, "requestBody");
    nm_writer_map(operation->out, 2);
    nm_writer_pair_bool(operation->out, "required", row->flags & NM_API_IDEMPOTENT || nm_openapi_wants_body(row));
    nm_writer_text(operation->out, "content");
    nm_pairs_t content = nm_pairs_open(operation->out);
    s_write_media(&content, "application/json", row->ask);
    if (row->method == NM_HTTP_PATCH)
        s_write_media(&content, "application/merge-patch+json", row->ask);
    nm_pairs_close(&content);
}

//  -- Parameters

static void
s_write_parameter(nm_buf_t *out, const char *name, const char *in, bool required, const nm_field_t *field)
{
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "%s.", field->doc);
    nm_writer_map(out, 5);
    nm_writer_pair_text(out, "name", name);
    nm_writer_pair_text(out, "in", in);
    nm_writer_pair_bool(out, "required", required);
    nm_writer_pair_text(out, "description", text);
    nm_writer_text(out, "schema");
    nm_openapi_field(out, field, false);
}

//  The name under which a field stands in the path, its own or an older one; NULL: it does not.
static const char *
s_path_name(const nm_api_t *row, const nm_field_t *field)
{
    if (nm_api_is_in_path(row, field->name))
        return field->name;
    for (size_t i = 0; i < row->ask->alias_count; i++)
        if (strcmp(row->ask->aliases[i].name, field->name) == 0 && nm_api_is_in_path(row, row->ask->aliases[i].alias))
            return row->ask->aliases[i].alias;
    return NULL;
}

static size_t
s_write_fields(nm_buf_t *out, const nm_api_t *row)
{
    size_t count = 0;
    for (size_t i = 0; row->ask && i < row->ask->field_count; i++) {
        const nm_field_t *field = &row->ask->fields[i];
        const char *name = s_path_name(row, field);
        if (!nm_shape_knows(row->ask, i) || (!name && nm_api_has_body(row)))
            continue;
        s_write_parameter(out, name ? name : field->name, name ? "path" : "query", name || nm_shape_wants(row->ask, i),
                          field);
        count++;
    }
    return count;
}

static bool
s_takes_header(const nm_api_t *row, const char *name)
{
    if (strcmp(name, "Idempotency-Key") == 0)
        return row->flags & NM_API_IDEMPOTENT;
    if (strcmp(name, "Last-Event-ID") == 0)
        return row->flags & NM_API_EVENTS;
    if (strcmp(name, "If-None-Match") == 0)
        return row->flags & NM_API_CACHED;
    return !(row->flags & NM_API_EDGE);
}

static void
s_write_parameters(const nm_api_t *row, nm_pairs_t *operation)
{
    nm_pairs_name(operation, "parameters");
    size_t mark = nm_writer_list_open(operation->out), count = s_write_fields(operation->out, row);
    for (size_t i = 0; i < NM_COUNT(PARAMETERS); i++)
        if (s_takes_header(row, PARAMETERS[i].name)) {
            nm_openapi_ref(operation->out, "parameters", PARAMETERS[i].component);
            count++;
        }
    nm_writer_list_close(operation->out, mark, count);
}

static void
s_write_header_schema(nm_buf_t *out, const header_t *header)
{
    nm_writer_text(out, "schema");
    nm_pairs_t schema = nm_pairs_open(out);
    nm_pairs_text(&schema, "type", header->size ? "string" : "integer");
    if (header->size)
        nm_pairs_uint(&schema, "maxLength", header->size);
    else
        nm_pairs_uint(&schema, "minimum", 0);
    nm_pairs_close(&schema);
}

void
nm_openapi_parameters(nm_buf_t *out)
{
    nm_writer_text(out, "parameters");
    nm_writer_map(out, NM_COUNT(PARAMETERS));
    for (size_t i = 0; i < NM_COUNT(PARAMETERS); i++) {
        nm_writer_text(out, PARAMETERS[i].component);
        nm_writer_map(out, 4);
        nm_writer_pair_text(out, "name", PARAMETERS[i].name);
        nm_writer_pair_text(out, "in", "header");
        nm_writer_pair_text(out, "description", PARAMETERS[i].description);
        s_write_header_schema(out, &PARAMETERS[i]);
    }
}

void
nm_openapi_headers(nm_buf_t *out)
{
    nm_writer_text(out, "headers");
    nm_writer_map(out, NM_COUNT(HEADERS));
    for (size_t i = 0; i < NM_COUNT(HEADERS); i++) {
        nm_writer_text(out, HEADERS[i].component);
        nm_writer_map(out, 2);
        nm_writer_pair_text(out, "description", HEADERS[i].description);
        s_write_header_schema(out, &HEADERS[i]);
    }
}

//  -- Answers

static void
s_add_header(nm_pairs_t *headers, const char *name)
{
    for (size_t i = 0; i < NM_COUNT(HEADERS); i++)
        if (strcmp(HEADERS[i].name, name) == 0) {
            nm_pairs_name(headers, name);
            nm_openapi_ref(headers->out, "headers", HEADERS[i].component);
        }
}

static void
s_write_success_headers(const nm_api_t *row, nm_pairs_t *response)
{
    nm_pairs_name(response, "headers");
    nm_pairs_t headers = nm_pairs_open(response->out);
    s_add_header(&headers, "X-Correlation-ID");
    if (row->flags & NM_API_IDEMPOTENT)
        s_add_header(&headers, "Idempotent-Replayed");
    if (row->flags & NM_API_LIMITED) {
        s_add_header(&headers, "RateLimit");
        s_add_header(&headers, "RateLimit-Policy");
    }
    if (row->flags & NM_API_CACHED)
        s_add_header(&headers, "ETag");
    nm_pairs_close(&headers);
}

//  A stream has events of this shape, as text.
static void
s_write_stream(const nm_api_t *row, nm_buf_t *out)
{
    nm_writer_text(out, "text/event-stream");
    nm_writer_map(out, 1);
    nm_writer_text(out, "schema");
    nm_writer_map(out, 3);
    nm_writer_pair_text(out, "type", "string");
    nm_writer_pair_text(out, "description",
                        "Events as they happen: `id` is a cursor to go on from, `event` the name of a webhook's event, "
                        "`data` an object; a comment every 15 seconds. The stream of one notification ends after its "
                        "final status.");
    nm_writer_text(out, "x-event-data");
    nm_openapi_ref_shape(out, row->answer);
}

static void
s_write_success_content(const nm_api_t *row, nm_pairs_t *response)
{
    nm_pairs_name(response, "content");
    nm_pairs_t content = nm_pairs_open(response->out);
    if (row->flags & NM_API_EVENTS) {
        s_write_stream(row, response->out);
        content.count++;
    } else if (row->answer)
        s_write_media(&content, "application/json", row->answer);
    else {
        nm_pairs_name(&content, row->type);
        nm_writer_map(response->out, 0);
    }
    nm_pairs_close(&content);
}

static void
s_write_success(const nm_api_t *row, unsigned status, const char *description, nm_buf_t *out)
{
    nm_pairs_t response = nm_pairs_open(out);
    nm_pairs_text(&response, "description", description);
    s_write_success_headers(row, &response);
    if (status != 204 && status != 304 && (row->answer || row->type))
        s_write_success_content(row, &response);
    nm_pairs_close(&response);
}

//  What is asked for tells why it is so; a problem comes when nobody is there who could.
static void
s_write_state(const nm_api_t *row, nm_buf_t *out)
{
    nm_pairs_t response = nm_pairs_open(out);
    nm_pairs_text(&response, "description", "Not now: the body tells why.");
    s_write_success_headers(row, &response);
    nm_pairs_name(&response, "content");
    nm_pairs_t content = nm_pairs_open(out);
    s_write_media(&content, "application/json", row->answer);
    s_write_media(&content, "application/problem+json", &nm_problem_shape);
    nm_pairs_close(&content);
    nm_pairs_close(&response);
}

static void
s_write_response(const nm_api_t *row, unsigned status, nm_pairs_t *responses)
{
    char text[8];
    size_t i = 0;
    while (i < NM_COUNT(STATUSES) - 1 && STATUSES[i].status != status)
        i++;
    snprintf(text, sizeof text, "%u", status);
    nm_pairs_name(responses, text);
    if (status == 503 && row->flags & NM_API_STATE)
        s_write_state(row, responses->out);
    else if (STATUSES[i].name)
        nm_openapi_ref(responses->out, "responses", STATUSES[i].name);
    else
        s_write_success(row, status, STATUSES[i].description, responses->out);
}

static void
s_write_responses(const nm_api_t *row, nm_pairs_t *operation)
{
    uint16_t statuses[NM_API_STATUS_COUNT];
    size_t count = nm_api_statuses(row, statuses);
    nm_pairs_name(operation, "responses");
    nm_pairs_t responses = nm_pairs_open(operation->out);
    for (size_t i = 0; i < count; i++)
        s_write_response(row, statuses[i], &responses);
    nm_pairs_close(&responses);
}

//  Problems, the same for all operations.
void
nm_openapi_responses(nm_buf_t *out)
{
    nm_writer_text(out, "responses");
    nm_pairs_t pairs = nm_pairs_open(out);
    for (size_t i = 0; i < NM_COUNT(STATUSES); i++) {
        unsigned status = STATUSES[i].status;
        if (!STATUSES[i].name)
            continue;
        nm_pairs_name(&pairs, STATUSES[i].name);
        nm_writer_map(out, 3);
        nm_writer_pair_text(out, "description", STATUSES[i].description);
        nm_writer_text(out, "headers");
        nm_pairs_t headers = nm_pairs_open(out);
        s_add_header(&headers, "X-Correlation-ID");
        if (status == 401)
            s_add_header(&headers, "WWW-Authenticate");
        if (status == 429 || status == 503 || status == 507)
            s_add_header(&headers, "Retry-After");
        if (status == 429) {
            s_add_header(&headers, "RateLimit");
            s_add_header(&headers, "RateLimit-Policy");
        }
        nm_pairs_close(&headers);
        nm_writer_text(out, "content");
        nm_pairs_t content = nm_pairs_open(out);
        s_write_media(&content, "application/problem+json", &nm_problem_shape);
        nm_pairs_close(&content);
    }
    nm_pairs_close(&pairs);
}

//  -- Tags

static const struct {
    const char *op;  //  What its operations begin with
    const char *tag;
    const char *description;
} TAGS[] = {
    { "notifications.", "notifications", "Send, look, cancel." },
    { "events.", "events", "What happens, as it happens." },
    { "dead_letters.", "dead letters", "Deliveries that failed for good, with all that is known of them." },
    { "users.", "users", "People who sign in, and whom notifications are for." },
    { "auth.", "sign-in", "Tokens for people." },
    { "services.", "services", "Tenants: who sends, and how much." },
    { "keys.", "keys", "API keys of a service." },
    { "providers.", "providers", "The way out: mail servers and the like." },
    { "", "mesh", "Health, figures, and this document." },
};
static const char LEGACY[] = "legacy";

static const char *
s_tag(const nm_api_t *row)
{
    for (size_t i = 0; i < NM_COUNT(TAGS); i++)
        if (strncmp(row->op, TAGS[i].op, strlen(TAGS[i].op)) == 0)
            return row->flags & NM_API_LEGACY ? LEGACY : TAGS[i].tag;
    return NULL;
}

static bool
s_is_used(const char *tag)
{
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_api[i].path && strcmp(s_tag(&nm_api[i]), tag) == 0)
            return true;
    return false;
}

static void
s_write_tag(nm_buf_t *out, const char *name, const char *description)
{
    nm_writer_map(out, 2);
    nm_writer_pair_text(out, "name", name);
    nm_writer_pair_text(out, "description", description);
}

void
nm_openapi_tags(nm_buf_t *out)
{
    nm_writer_text(out, "tags");
    size_t mark = nm_writer_list_open(out), count = 1;
    for (size_t i = 0; i < NM_COUNT(TAGS); i++)
        if (s_is_used(TAGS[i].tag)) {
            s_write_tag(out, TAGS[i].tag, TAGS[i].description);
            count++;
        }
    s_write_tag(out, LEGACY, "Paths of earlier services, for clients that do not change.");
    nm_writer_list_close(out, mark, count);
}

//  -- The operation

//  notifications_create; another path of the same operation has a number behind it.
static void
s_write_id(const nm_api_t *row, nm_pairs_t *operation)
{
    char id[ID_SIZE];
    unsigned number = 1;
    for (const nm_api_t *other = nm_api; other < row; other++)
        number += other->path && strcmp(other->op, row->op) == 0;
    if (number == 1)
        snprintf(id, sizeof id, "%s", row->op);
    else
        snprintf(id, sizeof id, "%s_%u", row->op, number);
    for (char *at = id; *at; at++)
        if (*at == '.')
            *at = '_';
    nm_pairs_text(operation, "operationId", id);
}

//  A key must have the scope; an administrator needs none.
static void
s_write_security(const nm_api_t *row, nm_pairs_t *operation)
{
    nm_pairs_name(operation, "security");
    if (row->scope == NM_SCOPE_OPEN) {
        nm_writer_list(operation->out, 0);
        return;
    }
    const char *scope = row->scope < NM_SCOPE_COUNT ? nm_words_text(&nm_scope_words, row->scope) : NULL;
    const char *role = row->scope == NM_SCOPE_ADMIN ? "admin" : scope;
    nm_writer_list(operation->out, 2);
    for (int i = 0; i < 2; i++) {
        nm_writer_map(operation->out, 1);
        nm_writer_text(operation->out, i ? "bearer" : "api_key");
        nm_writer_list(operation->out, role ? 1 : 0);
        if (role)
            nm_writer_text(operation->out, role);
    }
}

static const char *const METHODS[NM_HTTP_METHOD_COUNT] = { "get", "post", "put", "patch", "delete" };

void
nm_openapi_operation(nm_pairs_t *path, const nm_api_t *row)
{
    nm_pairs_name(path, METHODS[row->method]);
    nm_pairs_t operation = nm_pairs_open(path->out);
    nm_pairs_name(&operation, "tags");
    nm_writer_list(path->out, 1);
    nm_writer_text(path->out, s_tag(row));
    nm_pairs_text(&operation, "summary", row->summary);
    s_write_id(row, &operation);
    if (row->flags & NM_API_LEGACY)
        nm_pairs_bool(&operation, "deprecated", true);
    s_write_security(row, &operation);
    s_write_parameters(row, &operation);
    if (nm_openapi_has_body(row))
        s_write_body(row, &operation);
    s_write_responses(row, &operation);
    nm_pairs_close(&operation);
}
