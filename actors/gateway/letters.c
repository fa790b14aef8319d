//  letters - dead_letters.*: asked of the actors that keep them, in the tenant's name.
//
//  The body goes on as it came but for `service_id`, which says whose letters may be seen: the asker's, or those of
//  the service that an admin names, or everybody's. One keeper is asked as if it were we;
//  of several each has letters of its own, and no id says whose it is: all are asked.

#include "actors/gateway/gather.h"
#include "actors/gateway/ops.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char LIST[] = "dead_letters.list";
static const char MANY[] = "dead_letters.replay_many";

//  -- The body as it goes on

typedef struct {
    nm_id_t service;
    bool one;       //  Only of this service
    bool named;     //  ... which `service_id` named
    size_t count;   //  Pairs in rest
    uint64_t rate;  //  rate_per_second, if the keepers share it; else it is in rest
    nm_buf_t rest;
} packed_t;

//  NM_ERR_REFUSED: answered.
static nm_rc_t
s_take_service(nm_case_t *it, packed_t *packed, nm_bytes_t value)
{
    nm_reader_t reader;
    nm_bytes_t text;
    nm_reader_open(&reader, value);
    packed->named = true;
    if (nm_reader_peek(&reader) == NM_KIND_NIL)
        return NM_OK;
    packed->one = true;
    if (nm_reader_str(&reader, &text) == NM_OK && nm_id_from_text(text, &packed->service) == NM_OK &&
        nm_case_may_see(it, &packed->service))
        return NM_OK;
    nm_case_unknown(it, "service");
    return NM_ERR_REFUSED;
}

//  A rate that is none is left where it is: the keepers say so.
static bool
s_take_rate(packed_t *packed, nm_bytes_t value)
{
    nm_reader_t reader;
    uint64_t rate;
    nm_reader_open(&reader, value);
    if (packed->rate || nm_reader_peek(&reader) != NM_KIND_UINT || nm_reader_uint(&reader, &rate) != NM_OK || !rate ||
        rate > NM_REPLAY_RATE_MAX)
        return false;
    packed->rate = rate;
    return true;
}

//  Takes one pair over. NM_ERR_REFUSED: answered.
static nm_rc_t
s_take_pair(nm_case_t *it, packed_t *packed, nm_bytes_t key, nm_bytes_t value)
{
    if (nm_bytes_is(key, "service")) {
        nm_case_refuse(it, nm_bytes_is(it->ask->op, LIST) ? "?service" : "/service", "is not known");
        return NM_ERR_REFUSED;
    }
    if (nm_bytes_is(key, "service_id") && !packed->named)
        return s_take_service(it, packed, value);
    if (nm_bytes_is(key, "rate_per_second") && nm_bytes_is(it->ask->op, MANY) && s_take_rate(packed, value))
        return NM_OK;
    nm_writer_str(&packed->rest, key);
    nm_writer_raw(&packed->rest, value);
    packed->count++;
    return NM_OK;
}

//  Takes the body of the ask apart. NM_ERR_REFUSED: answered.
static nm_rc_t
s_unpack(nm_case_t *it, packed_t *packed)
{
    static const uint8_t EMPTY_MAP = 0x80;
    nm_bytes_t key, value;
    nm_reader_t reader;
    uint32_t count;
    nm_rc_t rc = NM_OK;
    nm_reader_open(&reader, it->ask->body.size ? it->ask->body : nm_bytes(&EMPTY_MAP, 1));
    if (nm_reader_map(&reader, &count) != NM_OK) {
        nm_answer_problem(&it->answer, 400, NULL, "The body must be an object.");
        return NM_ERR_REFUSED;
    }
    while (rc == NM_OK && count-- && nm_reader_str(&reader, &key) == NM_OK && nm_reader_raw(&reader, &value) == NM_OK)
        rc = s_take_pair(it, packed, key, value);
    return rc;
}

//  Packs it again, with this rate; 0: none.
static nm_bytes_t
s_pack(const packed_t *packed, uint64_t rate, nm_buf_t *out)
{
    nm_buf_clear(out);
    nm_writer_map(out, packed->count + packed->one + (rate > 0));
    if (packed->one)
        nm_writer_pair_id(out, "service_id", &packed->service);
    if (rate)
        nm_writer_pair_uint(out, "rate_per_second", rate);
    nm_buf_add_bytes(out, nm_buf_bytes(&packed->rest));
    return nm_buf_bytes(out);
}

//  -- Several keepers

//  The rate is shared so that all together keep to it; with more keepers than letters a second, the rest of them are
//  not asked this time.
static nm_rc_t
s_ask_many(nm_case_t *it, const packed_t *packed)
{
    const nm_peer_t *keepers[NM_OWNERS_MAX];
    size_t count = nm_gather_peers(it->gateway, NM_ROLE_DEADLETTER, keepers, NM_OWNERS_MAX);
    nm_errand_t *errand = nm_errands_begin(it);
    nm_ask_headers_t headers = nm_forwards_correlation(it);
    for (size_t i = 0; errand && i < count && (!packed->rate || i < packed->rate); i++) {
        uint64_t share = packed->rate / count + (i < packed->rate % count);
        nm_errands_put(it, errand, i, keepers[i], MANY, &headers, s_pack(packed, share, &it->gateway->body));
    }
    return NM_OK;
}

static nm_rc_t
s_answer_many(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    uint64_t matched = 0, replayed = 0;
    unsigned status = 0;
    bool more = it->errand->question_count < nm_gather_peers(it->gateway, NM_ROLE_DEADLETTER, NULL, 0);
    if (nm_gather_refused(it) != NM_ERR_MISSING)
        return NM_OK;
    for (size_t i = 0; i < it->errand->question_count; i++) {
        const nm_question_t *question = &it->errand->questions[i];
        nm_bytes_t answer = nm_errand_body(it->errand, question);
        if (question->status >= 300)
            continue;
        status = question->status;
        matched += nm_reader_find_uint(answer, "matched");
        replayed += nm_reader_find_uint(answer, "replayed");
        more |= nm_reader_find_flag(answer, "more");
    }
    nm_buf_clear(body);
    size_t mark = nm_writer_map_open(body);
    nm_writer_pair_uint(body, "matched", matched);
    nm_writer_pair_uint(body, "replayed", replayed);
    nm_writer_pair_bool(body, "more", more);
    nm_writer_map_close(body, mark, 3 + nm_gather_write_missing(it, body));
    return nm_answer(&it->answer, status, nm_buf_bytes(body));
}

//  All have answered. A limit that is wrong was refused by them.
static nm_rc_t
s_answer_several(nm_case_t *it)
{
    if (nm_bytes_is(it->ask->op, MANY))
        return s_answer_many(it);
    if (!nm_bytes_is(it->ask->op, LIST))
        return nm_gather_one(it);
    uint64_t limit = it->ask->body.size ? nm_reader_find_uint(it->ask->body, "limit") : 0;
    return nm_gather_page(it, nm_bytes(NULL, 0), limit ? limit : NM_LIST_USUAL);
}

static nm_rc_t
s_ask_keepers(nm_case_t *it, const packed_t *packed)
{
    nm_buf_t *body = &it->gateway->body;
    if (nm_gather_peers(it->gateway, NM_ROLE_DEADLETTER, NULL, 0) < 2)
        return nm_forwards_keeper(it, s_pack(packed, packed->rate, body));
    if (nm_bytes_is(it->ask->op, MANY))
        return s_ask_many(it, packed);
    nm_ask_headers_t headers = nm_forwards_correlation(it);
    return nm_gather_ask(it, NM_ROLE_DEADLETTER, &headers, s_pack(packed, 0, body));
}

nm_rc_t
nm_op_dead_letters(nm_case_t *it)
{
    packed_t packed = { .service = it->who.service, .one = !it->who.admin };
    if (it->errand)
        return s_answer_several(it);
    nm_rc_t rc = s_unpack(it, &packed);
    if (rc == NM_OK)
        rc = s_ask_keepers(it, &packed);
    nm_buf_free(&packed.rest);
    return rc == NM_ERR_REFUSED ? NM_OK : rc;
}
