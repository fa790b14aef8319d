#include "actors/gateway/case.h"
#include "actors/owner/owner.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

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

//  Clients name their asks, or we do.
static void
s_set_asker(nm_case_t *it)
{
    it->asker.caller = it->ask->caller;
    if (s_is_correlation(it->ask->headers.correlation_id)) {
        nm_bytes_to_text(it->ask->headers.correlation_id, it->asker.correlation, sizeof it->asker.correlation);
        return;
    }
    nm_id_t made;
    nm_put_u64(made.at, nm_turn_random(it->turn));
    nm_put_u64(made.at + 8, nm_turn_random(it->turn));
    nm_cursor_text(&made, it->asker.correlation);
}

void
nm_case_open(nm_case_t *it, nm_gateway_t *gateway, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    *it = (nm_case_t){ .gateway = gateway,
                       .turn = turn,
                       .txn = nm_turn_txn(turn),
                       .ask = ask,
                       .answer = { gateway, turn, &it->asker, &it->quota },
                       .now_ms = nm_turn_now(turn) };
    s_set_asker(it);
}

//  A cursor that is no text of ours is 400, as one that reads well and is none.
static bool
s_is_cursors_fault(const nm_faults_t *faults)
{
    const char *pointer = faults->items[0].pointer;
    return faults->count == 1 && (strcmp(pointer, "?cursor") == 0 || strcmp(pointer, "?after") == 0);
}

nm_rc_t
nm_case_decode(nm_case_t *it, const nm_shape_t *shape, void *record, bool query)
{
    static const uint8_t EMPTY_MAP = 0x80;
    nm_faults_t *faults = &it->gateway->faults;
    nm_bytes_t body = it->ask->body.size ? it->ask->body : nm_bytes(&EMPTY_MAP, 1);
    nm_reader_t reader;
    faults->count = faults->missed = 0;
    nm_reader_open(&reader, body);
    if (nm_reader_peek(&reader) != NM_KIND_MAP) {
        nm_answer_problem(&it->answer, 400, NULL, "The body must be an object.");
        return NM_ERR_REFUSED;
    }
    if (nm_record_decode(shape, record, body, faults, "") == NM_OK)
        return NM_OK;
    if (query)
        nm_faults_of_query(faults);
    if (query && s_is_cursors_fault(faults))
        nm_answer_problem(&it->answer, 400, NULL, "The cursor is not one of ours.");
    else
        nm_answer_problem(&it->answer, 422, faults, "The request has faults; each is named in errors.");
    return NM_ERR_REFUSED;
}

nm_rc_t
nm_case_refuse(nm_case_t *it, const char *pointer, const char *detail)
{
    nm_faults_t *faults = &it->gateway->faults;
    faults->count = faults->missed = 0;
    nm_faults_add(faults, pointer, NULL, "%s", detail);
    return nm_answer_problem(&it->answer, 422, faults, "The request has faults; each is named in errors.");
}

nm_rc_t
nm_case_unknown(nm_case_t *it, const char *what)
{
    return nm_answer_problem(&it->answer, 404, NULL, "There is no such %s.", what);
}

//  The owner is gone for good: whoever kept a copy of it answers for it now. First all are asked whether they do.
static nm_rc_t
s_ask_everybody(nm_case_t *it, nm_bytes_t id)
{
    const nm_peer_t *gateways[NM_OWNERS_MAX];
    nm_ask_headers_t headers = nm_forwards_headers(it);
    nm_errand_t *errand = nm_errands_begin(it);
    size_t count = nm_directory_list(it->gateway->directory, NM_ROLE_GATEWAY, gateways, NM_OWNERS_MAX);
    nm_buf_t *body = &it->gateway->body;
    nm_buf_clear(body);
    nm_writer_map(body, 1);
    nm_writer_pair_str(body, "id", id);
    for (size_t i = 0; errand && i < count && i < NM_OWNERS_MAX; i++)
        if (!gateways[i]->forgotten && gateways[i]->actor.number != it->gateway->number)
            nm_errands_put(it, errand, 0, gateways[i], "notifications.get", &headers, nm_buf_bytes(body));
    return NM_OK;
}

//  All have answered.
static nm_rc_t
s_ask_heir(nm_case_t *it)
{
    bool away = false;
    for (size_t i = 0; i < it->errand->question_count; i++) {
        const nm_question_t *question = &it->errand->questions[i];
        if (question->status == 200)
            return nm_forwards_pass(it, question->peer);
        away |= question->status == 503;
    }
    return away ? nm_answer_away(&it->answer, "A gateway that may keep this is away; try again.")
                : nm_case_unknown(it, "notification");
}

//  What a gateway that is gone has left here is taken over piece by piece. NM_ERR_REFUSED: it may still come, and that was
//  answered.
static nm_rc_t
s_look_for_heritage(nm_case_t *it, const nm_id_t *id)
{
    const nm_peer_t *owner = nm_directory_gateway(it->gateway->directory, nm_id_gateway(id));
    bool open = false;
    nm_rc_t rc = NM_OK;
    if (owner && nm_owner_is_lost(owner, id))
        rc = nm_recovery_may_inherit(it->txn, owner->actor.name, &open);
    if (rc != NM_OK || !open)
        return rc;
    nm_answer_away(&it->answer, "What the lost gateway has left is being taken over; try again.");
    return NM_ERR_REFUSED;
}

//  Another gateway is the owner: it is asked.
static nm_rc_t
s_ask_owner(nm_case_t *it, const nm_id_t *id, nm_bytes_t text)
{
    const nm_peer_t *owner = nm_directory_gateway(it->gateway->directory, nm_id_gateway(id));
    if (!owner || nm_case_is_passed_on(it))
        return nm_case_unknown(it, "notification");
    if (!nm_owner_is_lost(owner, id))
        return nm_forwards_pass(it, owner);
    return it->errand ? s_ask_heir(it) : s_ask_everybody(it, text);
}

//  Of what an earlier gateway of our name and number had, and is lost, we know no more than of anybody else's.
static bool
s_is_ours(const nm_case_t *it, const nm_id_t *id)
{
    const nm_peer_t *we = nm_directory_gateway(it->gateway->directory, it->gateway->number);
    return nm_id_gateway(id) == it->gateway->number && !(we && nm_owner_is_lost(we, id));
}

nm_rc_t
nm_case_find(nm_case_t *it, nm_bytes_t text, nm_id_t *id, nm_note_t *note)
{
    nm_rc_t rc = nm_id_from_text(text, id) == NM_OK ? NM_OK : NM_ERR_MISSING;
    if (rc == NM_OK) {
        rc = nm_notes_get(it->txn, id, note);
        if (rc == NM_ERR_MISSING && !s_is_ours(it, id)) {
            rc = s_look_for_heritage(it, id);
            if (rc != NM_OK)
                return rc;
            s_ask_owner(it, id, text);
            return NM_ERR_REFUSED;
        }
    }
    bool own = rc == NM_OK && NM_HAS(note, note, user_id) && nm_id_equal(&note->user_id, &it->who.claims.user);
    if (rc == NM_OK && (!nm_case_may_see(it, &note->service) || (it->who.person && !own)))
        rc = NM_ERR_MISSING;
    if (rc != NM_ERR_MISSING)
        return rc;
    nm_case_unknown(it, "notification");
    return NM_ERR_REFUSED;
}

void
nm_cursor_text(const nm_id_t *id, char out[NM_CURSOR_TEXT_SIZE + 1])
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < NM_ID_SIZE; i++) {
        *out++ = DIGITS[id->at[i] >> 4];
        *out++ = DIGITS[id->at[i] & 15];
    }
    *out = 0;
}

nm_rc_t
nm_case_page(nm_case_t *it, bool has_limit, uint64_t *limit, bool has_cursor, nm_bytes_t cursor, nm_id_t *from)
{
    if (!has_limit)
        *limit = NM_LIST_USUAL;
    if (*limit == 0) {
        nm_case_refuse(it, "?limit", "must be 1 to 200");
        return NM_ERR_REFUSED;
    }
    if (has_cursor && (cursor.size != NM_CURSOR_TEXT_SIZE || nm_id_from_text(cursor, from) != NM_OK)) {
        nm_answer_problem(&it->answer, 400, NULL, "The cursor is not one of ours.");
        return NM_ERR_REFUSED;
    }
    return NM_OK;
}
