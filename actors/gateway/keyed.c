#include "actors/gateway/keyed.h"

#include "actors/gateway/accept.h"
#include "actors/gateway/ops.h"
#include "actors/gateway/homes.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char FIND[] = "idempotency.find.";

//  Of a first answer on its way from one gateway to another.
#define NM_FOUND_FIELDS(F, R)                                                \
    F(R, 1, status, UINT, 599, MUST, NULL, "As in HTTP")                     \
    F(R, 2, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "Its own") \
    F(R, 3, body, ANY, NM_FRAME_MAX, MUST, NULL, "As it was sent")
NM_RECORD_DECLARE(found, NM_FOUND_FIELDS);
NM_RECORD_DEFINE(found, NM_FOUND_FIELDS, NULL, 0);

nm_bytes_t
nm_keyed_key(nm_bytes_t body, nm_bytes_t header)
{
    nm_bytes_t raw, key;
    nm_reader_t reader;
    if (header.size || nm_reader_find(body, "request_id", &raw) != NM_OK)
        return header;
    nm_reader_open(&reader, raw);
    return nm_reader_str(&reader, &key) == NM_OK && key.size <= NM_IDEMPOTENCY_MAX ? key : nm_bytes(NULL, 0);
}

//  Somebody asked us for it and took it over.
static nm_rc_t
s_look_moved(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE], nm_keyed_t *keyed)
{
    nm_bytes_t name;
    char text[NM_NAME_MAX + 1];
    bool placed;
    nm_rc_t rc = nm_idempotency_moved(it, place, &name, &placed);
    if (rc != NM_OK)
        return rc;
    nm_bytes_to_text(name, text, sizeof text);
    keyed->owner = nm_directory_find(it->gateway->directory, text);
    keyed->unknown = !keyed->owner;
    keyed->placed = placed;
    if (keyed->unknown || !keyed->owner->forgotten)
        return NM_OK;
    keyed->placed = false;
    keyed->owner = NULL;  //  It is gone with all that it knew: the key is ours again
    return NM_ERR_MISSING;
}

nm_rc_t
nm_keyed_look(nm_case_t *it, nm_bytes_t key, nm_keyed_t *keyed)
{
    const nm_gateway_t *gateway = it->gateway;
    uint8_t place[NM_FINGERPRINT_SIZE];
    bool known;
    keyed->owner = NULL;
    keyed->unknown = keyed->placed = false;
    keyed->before_count = 0;
    if (!key.size || nm_directory_list(gateway->directory, NM_ROLE_GATEWAY, NULL, 0) < 2)
        return NM_OK;
    nm_idempotency_place(it, key, place);
    nm_rc_t rc = nm_idempotency_is_known(it, place, &known);
    if (rc != NM_OK || known)
        return rc;
    uint16_t number = nm_owners_find(&gateway->owners, &it->who.service, key);
    if (number != gateway->number) {
        keyed->owner = nm_directory_gateway(gateway->directory, number);
        return NM_OK;
    }
    rc = s_look_moved(it, place, keyed);
    if (rc != NM_ERR_MISSING)
        return rc;
    keyed->before_count =
        nm_owners_before(&gateway->owners, &it->who.service, key, it->now_ms, keyed->before, NM_KEYED_BEFORE_MAX);
    return NM_OK;
}

//  Quoted, so that a key of the body that has quotes of its own stays what it is.
static void
s_quote(nm_bytes_t key, char out[NM_IDEMPOTENCY_MAX + 3])
{
    snprintf(out, NM_IDEMPOTENCY_MAX + 3, "\"%.*s\"", NM_PRINT(key));
}

void
nm_keyed_ask(nm_case_t *it, nm_errand_t *errand, size_t about, const nm_keyed_t *keyed, const char *op, nm_bytes_t key,
             nm_bytes_t body)
{
    char quoted[NM_IDEMPOTENCY_MAX + 3], find[65];
    nm_ask_headers_t headers = nm_forwards_headers(it);
    s_quote(key, quoted);
    NM_PUT(&headers, ask_headers, idempotency_key, nm_text(quoted));
    snprintf(find, sizeof find, "%s%s", FIND, op);
    for (size_t i = 0; i < keyed->before_count; i++)
        nm_errands_put(it, errand, about, keyed->before[i], find, &headers, body);
}

nm_verdict_t
nm_keyed_verdict(const nm_errand_t *errand, size_t about)
{
    nm_verdict_t verdict = { .away = false };
    for (size_t i = 0; i < errand->question_count; i++) {
        const nm_question_t *question = &errand->questions[i];
        if (question->is_copy || question->about != about || question->status == 404)
            continue;
        if (question->status == 200)
            verdict.found = question;
        else if (question->status == 422)
            verdict.refused = question;
        else
            verdict.away = true;
    }
    return verdict;
}

nm_rc_t
nm_keyed_first(const nm_errand_t *errand, const nm_question_t *question, nm_first_answer_t *first)
{
    nm_found_t found;
    if (nm_record_decode(&nm_found_shape, &found, nm_errand_body(errand, question), NULL, "") != NM_OK)
        return NM_ERR_MALFORMED;
    *first = (nm_first_answer_t){ .has = 0 };
    NM_PUT(first, first_answer, status, found.status);
    NM_PUT(first, first_answer, correlation_id, found.correlation_id);
    NM_PUT(first, first_answer, body, found.body);
    return NM_OK;
}

static nm_rc_t
s_answer_unsure(nm_case_t *it)
{
    nm_answer_away(&it->answer, "The gateway that may know of this idempotency key is away; try again.");
    return NM_ERR_REFUSED;
}

nm_rc_t
nm_keyed_settle(nm_case_t *it, size_t about)
{
    nm_first_answer_t first;
    nm_verdict_t verdict = nm_keyed_verdict(it->errand, about);
    if (verdict.found && nm_keyed_first(it->errand, verdict.found, &first) == NM_OK) {
        nm_rc_t rc = nm_accept_replay(it, &first);
        return rc == NM_OK ? NM_ERR_REFUSED : rc;
    }
    if (verdict.refused) {
        nm_rc_t rc = nm_answer(&it->answer, 422, nm_errand_body(it->errand, verdict.refused));
        return rc == NM_OK ? NM_ERR_REFUSED : rc;
    }
    return verdict.away || verdict.found ? s_answer_unsure(it) : NM_OK;
}

nm_rc_t
nm_keyed_pass(nm_case_t *it, const nm_keyed_t *keyed)
{
    if (keyed->placed && !keyed->unknown)
        nm_forwards_pass_as(it, keyed->owner, NM_OP_TAKE);
    else if (keyed->unknown || nm_case_is_passed_on(it))
        nm_answer_away(&it->answer, "The gateways do not agree yet whose this key is; try again.");
    else
        nm_forwards_pass(it, keyed->owner);
    return NM_ERR_REFUSED;
}

nm_rc_t
nm_keyed_route(nm_case_t *it, const char *op, nm_bytes_t key, nm_bytes_t body)
{
    nm_keyed_t keyed;
    nm_rc_t rc = nm_keyed_look(it, key, &keyed);
    if (rc != NM_OK)
        return rc;
    if (keyed.owner || keyed.unknown)
        return nm_keyed_pass(it, &keyed);
    if (!keyed.before_count)
        return NM_OK;
    if (it->errand)
        return nm_keyed_settle(it, 0);
    nm_errand_t *errand = nm_errands_begin(it);
    if (errand)
        nm_keyed_ask(it, errand, 0, &keyed, op, key, body);
    return NM_ERR_REFUSED;
}

//  -- idempotency.find.*: another gateway asks what we know of a key

static nm_rc_t
s_answer_found(nm_case_t *it, const nm_first_answer_t *first)
{
    nm_buf_t *body = &it->gateway->body;
    nm_found_t found = { .has = 0 };
    NM_PUT(&found, found, status, first->status);
    NM_PUT(&found, found, correlation_id, first->correlation_id);
    NM_PUT(&found, found, body, first->body);
    nm_buf_clear(body);
    nm_record_encode(&nm_found_shape, &found, NM_BY_NAME, body);
    return nm_answer(&it->answer, 200, nm_buf_bytes(body));
}

//  A key that was placed at a third gateway is known there, and cannot be moved.
static nm_rc_t
s_move(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE])
{
    nm_bytes_t name;
    bool placed;
    nm_rc_t rc = nm_idempotency_moved(it, place, &name, &placed);
    if (rc == NM_OK && placed && !nm_bytes_is(name, it->ask->peer))
        return nm_answer_away(&it->answer, "Another gateway took this key in.");
    if (rc == NM_OK || rc == NM_ERR_MISSING)
        rc = nm_idempotency_move(it, place, it->ask->peer);
    return rc == NM_OK ? nm_case_unknown(it, "key") : rc;
}

nm_rc_t
nm_op_find(nm_case_t *it)
{
    char op[65];
    nm_bytes_t key;
    nm_idempotency_t idempotency;
    nm_first_answer_t first;
    if (!nm_case_is_passed_on(it))
        return nm_answer_problem(&it->answer, 403, NULL, "Only a gateway may ask this.");
    if (nm_idempotency_key(it->ask->headers.idempotency_key, &key) != NM_OK || !it->ask->body.size)
        return nm_answer_problem(&it->answer, 400, NULL, "A key and a body are needed.");
    nm_bytes_to_text(it->ask->op, op, sizeof op);
    nm_idempotency_set(it, &idempotency, key, op + sizeof FIND - 1, it->ask->body);
    nm_rc_t rc = nm_idempotency_find(it, &idempotency, &first);
    if (rc == NM_OK)
        return s_answer_found(it, &first);
    if (rc == NM_ERR_REFUSED)
        return nm_accept_refuse_key(it);
    return rc == NM_ERR_MISSING ? s_move(it, idempotency.place) : rc;
}
