//  batch - notifications.batch: many in one ask, each taken or refused by itself.
//
//  An item with a key of its own goes to the gateway that owns the key. Those are asked first
//  and nothing is written meanwhile; when all have answered the rest is taken in, in one turn.
//  So a batch that is asked again, after whatever happened, takes nothing in twice: if it has a
//  key its first answer is there or nothing of it is; and what went elsewhere is known there.

#include "actors/gateway/accept.h"
#include "actors/gateway/keyed.h"
#include "actors/gateway/ops.h"
#include "actors/gateway/homes.h"
#include "wire/asks.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char OP_BATCH[] = "notifications.batch";
static const char DETAIL_COPY[] = "No other gateway could take copies, as the service wants; try again.";

//  -- notifications.batch

typedef struct {
    uint64_t accepted;
    uint64_t rejected;
    bool waits;     //  Copies are being made: nothing was written, and the batch runs again
    bool copyless;  //  There can be none now
    size_t faults;  //  Named so far, in all items
    nm_buf_t items;
} batch_t;

//  The answer must fit a frame: with a great many faults the last items have none named.
static bool
s_may_name(batch_t *batch, size_t count)
{
    if (batch->faults + count > NM_BATCH_FAULT_COUNT)
        return false;
    batch->faults += count;
    return true;
}

static void
s_add_refused(nm_case_t *it, batch_t *batch, size_t index, const nm_accepted_t *accepted)
{
    batch->rejected++;
    nm_writer_map(&batch->items, 4);
    nm_writer_pair_uint(&batch->items, "index", index);
    nm_writer_pair_uint(&batch->items, "status", accepted->code);
    nm_writer_pair_text(&batch->items, "detail", accepted->detail);
    nm_writer_text(&batch->items, "errors");
    if (s_may_name(batch, it->gateway->faults.count))
        nm_faults_write(&it->gateway->faults, &batch->items);
    else
        nm_writer_list(&batch->items, 0);
}

static void
s_add_taken(batch_t *batch, size_t index, const nm_accepted_t *accepted)
{
    batch->accepted++;
    nm_writer_map(&batch->items, 3u + (accepted->code == 200) + (accepted->copies ? 2 : 0));
    nm_writer_pair_uint(&batch->items, "index", index);
    nm_writer_pair_id(&batch->items, "id", &accepted->id);
    nm_writer_pair_text(&batch->items, "status", nm_words_text(&nm_status_words, accepted->status));
    if (accepted->code == 200)
        nm_writer_pair_bool(&batch->items, "deduplicated", true);
    if (accepted->copies) {
        nm_writer_pair_uint(&batch->items, "copies", accepted->copies);
        nm_writer_pair_uint(&batch->items, "hosts", accepted->hosts);
    }
}

//  An item that was taken under its own request_id, before or elsewhere: that answer has id and status.
//  NM_ERR_MALFORMED: it has not, and nothing is added.
static nm_rc_t
s_add_replayed(batch_t *batch, size_t index, nm_bytes_t answer)
{
    nm_bytes_t id, status, deduplicated;
    if (nm_reader_find(answer, "id", &id) != NM_OK || nm_reader_find(answer, "status", &status) != NM_OK)
        return NM_ERR_MALFORMED;
    bool has_deduplicated = nm_reader_find(answer, "deduplicated", &deduplicated) == NM_OK;
    batch->accepted++;
    nm_writer_map(&batch->items, 3u + has_deduplicated);
    nm_writer_pair_uint(&batch->items, "index", index);
    nm_writer_pair_raw(&batch->items, "id", id);
    nm_writer_pair_raw(&batch->items, "status", status);
    if (has_deduplicated)
        nm_writer_pair_raw(&batch->items, "deduplicated", deduplicated);
    return NM_OK;
}

//  Nobody can tell now what became of it.
static void
s_add_away(batch_t *batch, size_t index)
{
    batch->rejected++;
    nm_writer_map(&batch->items, 4);
    nm_writer_pair_uint(&batch->items, "index", index);
    nm_writer_pair_uint(&batch->items, "status", 503);
    nm_writer_pair_text(&batch->items, "detail", "The gateway that owns this request_id is away; try again.");
    nm_writer_text(&batch->items, "errors");
    nm_writer_list(&batch->items, 0);
}

static nm_rc_t
s_take_item(nm_case_t *it, batch_t *batch, size_t index, nm_bytes_t raw)
{
    nm_idempotency_t idempotency;
    nm_accepted_t accepted;
    nm_item_t item = { .index = index, .raw = raw };
    nm_rc_t rc = nm_accept_one(it, &item, &idempotency, &accepted);
    batch->waits |= rc == NM_ERR_BUSY;
    if (rc != NM_OK)
        return rc == NM_ERR_BUSY ? NM_OK : rc;
    batch->copyless |= accepted.code == 503;
    if (accepted.replayed)
        return s_add_replayed(batch, index, accepted.first.body) == NM_OK ? NM_OK : NM_ERR_CORRUPT;
    if (accepted.code >= 400) {
        s_add_refused(it, batch, index, &accepted);
        return NM_OK;
    }
    s_add_taken(batch, index, &accepted);
    if (!idempotency.key.size)
        return NM_OK;
    nm_accept_pack(&accepted, &it->gateway->body);
    return nm_idempotency_keep(it, &idempotency, accepted.code, nm_buf_bytes(&it->gateway->body));
}

//  -- Items that another gateway has a say in

//  What questions are about: the batch's own key, an item whose key may be known elsewhere, an item
//  that was sent to where it belongs.
enum { ABOUT_BATCH = 0, ABOUT_ITEM = 1, ABOUT_SENT = NM_BATCH_COUNT + 1 };

static const nm_question_t *
s_find_sent(const nm_errand_t *errand, size_t index)
{
    for (size_t i = 0; i < errand->question_count; i++)
        if (!errand->questions[i].is_copy && errand->questions[i].about == ABOUT_SENT + index)
            return &errand->questions[i];
    return NULL;
}

static bool
s_is_unsure(unsigned status)
{
    return status >= 500;
}

//  A problem of another gateway, as an item.
static void
s_add_problem(batch_t *batch, size_t index, unsigned status, nm_bytes_t problem)
{
    nm_bytes_t detail, errors;
    nm_list_t list;
    bool has_errors = nm_reader_find(problem, "errors", &errors) == NM_OK && nm_list_open(&list, errors) == NM_OK &&
                      s_may_name(batch, list.count);
    batch->rejected++;
    nm_writer_map(&batch->items, 4);
    nm_writer_pair_uint(&batch->items, "index", index);
    nm_writer_pair_uint(&batch->items, "status", status);
    if (nm_reader_find(problem, "detail", &detail) == NM_OK)
        nm_writer_pair_raw(&batch->items, "detail", detail);
    else
        nm_writer_pair_text(&batch->items, "detail", "");
    nm_writer_text(&batch->items, "errors");
    if (has_errors)
        nm_buf_add_bytes(&batch->items, errors);
    else
        nm_writer_list(&batch->items, 0);
}

static void
s_add_sent(batch_t *batch, size_t index, const nm_errand_t *errand, const nm_question_t *sent)
{
    nm_bytes_t body = nm_errand_body(errand, sent);
    if (body.size && sent->status >= 400)
        s_add_problem(batch, index, sent->status, body);
    else if (!body.size || s_add_replayed(batch, index, body) != NM_OK)
        s_add_away(batch, index);
}

//  One that others were asked about.
static nm_rc_t
s_take_asked(nm_case_t *it, batch_t *batch, size_t index, nm_bytes_t raw)
{
    nm_first_answer_t first;
    nm_verdict_t verdict = nm_keyed_verdict(it->errand, ABOUT_ITEM + index);
    if (verdict.found && nm_keyed_first(it->errand, verdict.found, &first) == NM_OK &&
        s_add_replayed(batch, index, first.body) == NM_OK)
        return NM_OK;
    if (verdict.refused)
        s_add_problem(batch, index, 422, nm_errand_body(it->errand, verdict.refused));
    else if (verdict.away || verdict.found)
        s_add_away(batch, index);
    else
        return s_take_item(it, batch, index, raw);
    return NM_OK;
}

//  An item on the second run, or of a batch that needs no other gateway.
static nm_rc_t
s_take_or_merge(nm_case_t *it, batch_t *batch, size_t index, nm_bytes_t raw)
{
    nm_keyed_t keyed;
    nm_rc_t rc = nm_keyed_look(it, nm_keyed_key(raw, nm_bytes(NULL, 0)), &keyed);
    if (rc != NM_OK)
        return rc;
    const nm_question_t *sent = it->errand ? s_find_sent(it->errand, index) : NULL;
    if (!sent && !keyed.owner && !keyed.unknown && (!it->errand || !keyed.before_count))
        return s_take_item(it, batch, index, raw);
    if (sent)
        s_add_sent(batch, index, it->errand, sent);
    else if (keyed.owner || keyed.unknown)
        s_add_away(batch, index);
    else
        return s_take_asked(it, batch, index, raw);
    return NM_OK;
}

//  Begins the errand with the first question.
static bool
s_need_errand(nm_case_t *it, nm_errand_t **errand)
{
    if (!*errand)
        *errand = nm_errands_begin(it);
    return *errand;
}

static nm_rc_t
s_ask_about_item(nm_case_t *it, nm_errand_t **errand, size_t index, nm_bytes_t raw)
{
    nm_keyed_t keyed;
    nm_bytes_t key = nm_keyed_key(raw, nm_bytes(NULL, 0));
    const nm_peer_t *placed = NULL;
    nm_rc_t rc = nm_keyed_look(it, key, &keyed);
    if (rc == NM_OK && !keyed.owner && !keyed.before_count)
        rc = nm_homes_find(it, raw, key, &placed);
    const nm_peer_t *owner = placed ? placed : keyed.owner;
    if (rc != NM_OK || (!owner && !keyed.before_count))
        return rc;
    if (!s_need_errand(it, errand))
        return NM_ERR_REFUSED;
    if (!owner) {
        nm_keyed_ask(it, *errand, ABOUT_ITEM + index, &keyed, NM_OP_CREATE, key, raw);
        return NM_OK;
    }
    nm_ask_headers_t headers = nm_forwards_headers(it);
    NM_DROP(&headers, ask_headers, idempotency_key);  //  The batch's own
    nm_errands_put(it, *errand, ABOUT_SENT + index, owner, placed || keyed.placed ? NM_OP_TAKE : NM_OP_CREATE, &headers,
                   raw);
    return NM_OK;
}

//  Asks all that others have a say in. NM_ERR_REFUSED: questions are under way, or it is answered.
static nm_rc_t
s_ask_around(nm_case_t *it, nm_list_t list, nm_bytes_t key)
{
    nm_errand_t *errand = NULL;
    nm_keyed_t keyed;
    nm_bytes_t item;
    nm_rc_t rc = nm_keyed_look(it, key, &keyed);
    if (rc == NM_OK && keyed.before_count) {
        if (!s_need_errand(it, &errand))
            return NM_ERR_REFUSED;
        nm_keyed_ask(it, errand, ABOUT_BATCH, &keyed, OP_BATCH, key, it->ask->body);
    }
    for (size_t i = 0; rc == NM_OK && nm_list_next(&list, &item) == NM_OK; i++)
        rc = s_ask_about_item(it, &errand, i, item);
    return rc == NM_OK && errand ? NM_ERR_REFUSED : rc;
}

//  A batch with a key is kept as it was answered: rather not at all than with items that nobody
//  could tell of.
static bool
s_may_keep(const nm_errand_t *errand)
{
    for (size_t i = 0; i < errand->question_count; i++)
        if (!errand->questions[i].is_copy && errand->questions[i].about != NM_ABOUT_LOAN &&
            s_is_unsure(errand->questions[i].status))
            return false;
    return true;
}

static nm_rc_t
s_take_items(nm_case_t *it, batch_t *batch, nm_list_t *list)
{
    nm_bytes_t item;
    nm_rc_t rc = NM_OK;
    nm_buf_clear(&batch->items);
    nm_writer_list(&batch->items, list->count);
    for (size_t i = 0; rc == NM_OK && nm_list_next(list, &item) == NM_OK; i++)
        rc = s_take_or_merge(it, batch, i, item);
    return rc;
}

static void
s_pack_batch(const batch_t *batch, nm_buf_t *out)
{
    nm_buf_clear(out);
    nm_writer_map(out, 3);
    nm_writer_pair_uint(out, "accepted", batch->accepted);
    nm_writer_pair_uint(out, "rejected", batch->rejected);
    nm_writer_pair_raw(out, "items", nm_buf_bytes(&batch->items));
}

//  Decodes the batch and its key; NM_ERR_REFUSED: it is answered.
static nm_rc_t
s_open_batch(nm_case_t *it, nm_bytes_t header, nm_list_t *list, nm_idempotency_t *idempotency)
{
    nm_batch_t batch;
    nm_bytes_t key;
    nm_faults_t *faults = &it->gateway->faults;
    faults->count = faults->missed = 0;
    nm_record_decode(&nm_batch_shape, &batch, it->ask->body, faults, "");
    nm_accept_key(header, NM_HAS(&batch, batch, request_id), batch.request_id, faults, &key);
    if (NM_HAS(&batch, batch, notifications)) {
        nm_list_open(list, batch.notifications);
        if (list->count == 0)
            nm_faults_add(faults, "", "notifications", "must have 1 to 1,000 items");
    }
    if (faults->count) {
        nm_answer_problem(&it->answer, 422, faults, "The batch has faults; each is named in errors.");
        return NM_ERR_REFUSED;
    }
    nm_idempotency_set(it, idempotency, key, OP_BATCH, it->ask->body);
    return NM_OK;
}

static nm_rc_t
s_run_batch(nm_case_t *it, nm_list_t *list, const nm_idempotency_t *idempotency)
{
    batch_t batch = { 0 };
    nm_buf_t out = { 0 };
    nm_rc_t rc = s_take_items(it, &batch, list);
    if (rc != NM_OK || batch.waits)
        goto done;
    if (batch.copyless && idempotency->key.size) {  //  Its answer would be kept
        rc = nm_answer_problem(&it->answer, 503, NULL, "%s", DETAIL_COPY);
        goto done;
    }
    s_pack_batch(&batch, &out);
    rc = nm_idempotency_keep(it, idempotency, 202, nm_buf_bytes(&out));
    if (rc == NM_OK)
        rc = nm_answer(&it->answer, 202, nm_buf_bytes(&out));

done:
    nm_buf_free(&batch.items);
    nm_buf_free(&out);
    return rc;
}

//  The second run. NM_ERR_REFUSED: answered.
static nm_rc_t
s_settle(nm_case_t *it, nm_bytes_t key)
{
    nm_rc_t rc = nm_keyed_settle(it, ABOUT_BATCH);
    if (rc != NM_OK || !key.size || s_may_keep(it->errand))
        return rc;
    nm_answer_away(&it->answer, "A gateway that owns keys of this batch is away; try again.");
    return NM_ERR_REFUSED;
}

//  To where the batch's own key belongs. NM_ERR_REFUSED: it is on its way there.
static nm_rc_t
s_send_whole(nm_case_t *it, nm_bytes_t key)
{
    nm_keyed_t keyed;
    nm_rc_t rc = nm_keyed_look(it, key, &keyed);
    return rc != NM_OK || (!keyed.owner && !keyed.unknown) ? rc : nm_keyed_pass(it, &keyed);
}

nm_rc_t
nm_op_batch(nm_case_t *it)
{
    nm_bytes_t header;
    nm_list_t list;
    nm_idempotency_t idempotency;
    nm_first_answer_t first;
    nm_quota_refusal_t why;
    nm_rc_t rc = nm_accept_begin(it);
    if (rc != NM_OK)
        return rc;
    if (nm_accept_open(it, true, &header) != NM_OK || s_open_batch(it, header, &list, &idempotency) != NM_OK)
        return NM_OK;
    rc = s_send_whole(it, idempotency.key);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    rc = nm_idempotency_find(it, &idempotency, &first);
    if (rc == NM_OK)
        return nm_accept_replay(it, &first);
    if (rc == NM_ERR_REFUSED)
        return nm_accept_refuse_key(it);
    if (rc != NM_ERR_MISSING)
        return rc;
    if (nm_accept_no_room(it) != NM_OK)
        return NM_OK;
    rc = it->errand ? s_settle(it, idempotency.key) : s_ask_around(it, list, idempotency.key);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    rc = nm_quota_prepare(it, list.count, &why);
    if (rc == NM_ERR_REFUSED)
        return nm_answer_limited(&it->answer, &why);
    return rc == NM_OK ? s_run_batch(it, &list, &idempotency) : rc == NM_ERR_BUSY ? NM_OK : rc;
}
