#include "actors/gateway/answer.h"

#include "actors/gateway/state.h"
#include "wire/writer.h"

//  One row for each status that the gateway answers with.
static const struct {
    unsigned status;
    const char *title;
    const char *header, *value;  //  What always goes with it
} STATUSES[] = {
    { 400, "Bad Request", NULL, NULL },
    { 401, "Unauthorized", "www-authenticate", "ApiKey realm=\"nmesh\", Bearer realm=\"nmesh\"" },
    { 403, "Forbidden", NULL, NULL },
    { 404, "Not Found", NULL, NULL },
    { 409, "Conflict", NULL, NULL },
    { 413, "Content Too Large", NULL, NULL },
    { 422, "Unprocessable Content", NULL, NULL },
    { 429, "Too Many Requests", "retry-after", "1" },
    { 503, "Service Unavailable", "retry-after", "1" },
    { 507, "Insufficient Storage", "retry-after", "10" },
};

typedef struct {
    const char *name, *value;
} header_t;

static nm_rc_t
s_reply(const nm_answer_t *to, unsigned status, const header_t *more, size_t count, nm_bytes_t body)
{
    nm_buf_t *headers = &to->gateway->headers;
    char policies[NM_QUOTA_TEXT_SIZE], state[NM_QUOTA_TEXT_SIZE];
    bool limited = to->quota && nm_quota_headers(to->quota, nm_turn_now(to->turn), policies, state);
    nm_buf_clear(headers);
    nm_writer_map(headers, 1 + count + limited + (limited && state[0]));
    nm_writer_pair_text(headers, "x-correlation-id", to->asker->correlation);
    for (size_t i = 0; i < count; i++)
        nm_writer_pair_text(headers, more[i].name, more[i].value);
    if (limited)
        nm_writer_pair_text(headers, "ratelimit-policy", policies);
    if (limited && state[0])
        nm_writer_pair_text(headers, "ratelimit", state);
    nm_turn_reply(to->turn, &to->asker->caller, status, nm_buf_bytes(headers), body);
    nm_tally_answer(&to->gateway->tally, to->asker->api, status);
    return NM_OK;
}

nm_rc_t
nm_answer_with(const nm_answer_t *to, unsigned status, const char *header, const char *value, nm_bytes_t body)
{
    const header_t more = { header, value };
    return s_reply(to, status, &more, header ? 1 : 0, body);
}

nm_rc_t
nm_answer(const nm_answer_t *to, unsigned status, nm_bytes_t body)
{
    return nm_answer_with(to, status, NULL, NULL, body);
}

//  The row of a status; the last one for what has none.
static size_t
s_row(unsigned status)
{
    size_t row = 0;
    while (row < NM_COUNT(STATUSES) - 1 && STATUSES[row].status != status)
        row++;
    return row;
}

nm_rc_t
nm_answer_again(const nm_answer_t *to, unsigned status, nm_bytes_t body)
{
    size_t row = s_row(status);
    bool known = STATUSES[row].status == status;
    return nm_answer_with(to, status, known ? STATUSES[row].header : NULL, STATUSES[row].value, body);
}

static size_t
s_pack_problem(const nm_answer_t *to, unsigned status, const nm_faults_t *faults, const char *detail)
{
    size_t row = s_row(status);
    nm_buf_t *body = &to->gateway->problem;
    nm_buf_clear(body);
    nm_writer_map(body, faults ? 6 : 5);
    nm_writer_pair_text(body, "type", "about:blank");
    nm_writer_pair_text(body, "title", STATUSES[row].title);
    nm_writer_pair_uint(body, "status", status);
    nm_writer_pair_text(body, "detail", detail);
    nm_writer_pair_text(body, "correlation_id", to->asker->correlation);
    if (faults) {
        nm_writer_text(body, "errors");
        nm_faults_write(faults, body);
    }
    return row;
}

nm_rc_t
nm_answer_wait(const nm_answer_t *to, const char *seconds, const char *detail)
{
    s_pack_problem(to, 429, NULL, detail);
    return nm_answer_with(to, 429, "retry-after", seconds, nm_buf_bytes(&to->gateway->problem));
}

//  The type is registered with IANA by the draft that names the header fields.
nm_rc_t
nm_answer_limited(const nm_answer_t *to, const nm_quota_refusal_t *why)
{
    char seconds[24];
    nm_buf_t *body = &to->gateway->problem;
    nm_buf_clear(body);
    nm_writer_map(body, 6);
    nm_writer_pair_text(body, "type", "https://iana.org/assignments/http-problem-types#quota-exceeded");
    nm_writer_pair_text(body, "title", STATUSES[s_row(429)].title);
    nm_writer_pair_uint(body, "status", 429);
    nm_writer_pair_text(body, "detail", why->detail);
    nm_writer_pair_text(body, "correlation_id", to->asker->correlation);
    nm_writer_text(body, "violated-policies");
    nm_writer_list(body, 1);
    nm_writer_text(body, why->policy);
    snprintf(seconds, sizeof seconds, "%llu", nm_quota_seconds(why->wait_ms));
    return nm_answer_with(to, 429, "retry-after", seconds, nm_buf_bytes(body));
}

nm_rc_t
nm_answer_away(const nm_answer_t *to, const char *detail)
{
    size_t row = s_pack_problem(to, 503, NULL, detail);
    const header_t more[] = { { STATUSES[row].header, STATUSES[row].value }, { "nmesh-owner", "away" } };
    return s_reply(to, 503, more, NM_COUNT(more), nm_buf_bytes(&to->gateway->problem));
}

nm_rc_t
nm_answer_problem(const nm_answer_t *to, unsigned status, const nm_faults_t *faults, const char *format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    size_t row = s_pack_problem(to, status, faults, detail);
    return nm_answer_with(to, status, STATUSES[row].header, STATUSES[row].value, nm_buf_bytes(&to->gateway->problem));
}
