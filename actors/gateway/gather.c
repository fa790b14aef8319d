#include "actors/gateway/gather.h"

#include "actors/gateway/merge.h"
#include "actors/gateway/case.h"
#include "wire/writer.h"

size_t
nm_gather_peers(const nm_gateway_t *self, nm_role_id_t role, const nm_peer_t **peers, size_t max)
{
    const nm_peer_t *all[NM_OWNERS_MAX];
    size_t kept = 0, count = nm_directory_list(self->directory, role, all, NM_OWNERS_MAX);
    for (size_t i = 0; i < count && i < NM_OWNERS_MAX; i++) {
        bool own = role == NM_ROLE_GATEWAY && all[i]->actor.number == self->number;
        if (own || all[i]->forgotten)
            continue;
        if (peers && kept < max)
            peers[kept] = all[i];
        kept++;
    }
    return kept;
}

nm_rc_t
nm_gather_ask(nm_case_t *it, nm_role_id_t role, const nm_ask_headers_t *headers, nm_bytes_t body)
{
    const nm_peer_t *peers[NM_OWNERS_MAX];
    char op[65];
    size_t count = nm_gather_peers(it->gateway, role, peers, NM_OWNERS_MAX);
    nm_errand_t *errand = nm_errands_begin(it);
    nm_bytes_to_text(it->ask->op, op, sizeof op);
    for (size_t i = 0; errand && i < count; i++)
        nm_errands_put(it, errand, i, peers[i], op, headers, body);
    return NM_OK;
}

//  -- Answers

static bool
s_is_page(const nm_errand_t *errand, const nm_question_t *question, nm_page_t *page)
{
    return question->status == 200 && nm_page_open(page, nm_errand_body(errand, question)) == NM_OK;
}

nm_rc_t
nm_gather_refused(nm_case_t *it)
{
    bool answered = false;
    for (size_t i = 0; i < it->errand->question_count; i++) {
        const nm_question_t *question = &it->errand->questions[i];
        if (question->status == 400 || question->status == 422)
            return nm_answer_again(&it->answer, question->status, nm_errand_body(it->errand, question));
        answered |= question->status < 300;
    }
    return answered ? NM_ERR_MISSING : nm_answer_away(&it->answer, "All that keep this are away; try again.");
}

size_t
nm_gather_write_missing(const nm_case_t *it, nm_buf_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < it->errand->question_count; i++)
        count += it->errand->questions[i].status >= 300;
    if (!count)
        return 0;
    nm_writer_pair_bool(out, "incomplete", true);
    nm_writer_text(out, "missing");
    nm_writer_list(out, count);
    for (size_t i = 0; i < it->errand->question_count; i++)
        if (it->errand->questions[i].status >= 300)
            nm_writer_text(out, it->errand->questions[i].peer->actor.name);
    return 2;
}

static void
s_write_page(const nm_case_t *it, const nm_merged_t *merged, nm_bytes_t items, nm_buf_t *out)
{
    char cursor[NM_CURSOR_TEXT_SIZE + 1];
    nm_buf_clear(out);
    size_t mark = nm_writer_map_open(out);
    nm_writer_text(out, "items");
    nm_writer_list(out, merged->count);
    nm_buf_add_bytes(out, items);
    nm_writer_text(out, "next_cursor");
    nm_cursor_text(&merged->last, cursor);
    if (merged->more)
        nm_writer_text(out, cursor);
    else
        nm_writer_nil(out);
    nm_writer_map_close(out, mark, 2 + nm_gather_write_missing(it, out));
}

nm_rc_t
nm_gather_page(nm_case_t *it, nm_bytes_t own, size_t limit)
{
    nm_page_t pages[NM_OWNERS_MAX + 1];
    nm_merged_t merged;
    nm_buf_t items = { 0 };
    size_t count = 0;
    if (own.size && nm_page_open(&pages[count++], own) != NM_OK)
        return NM_ERR_BUG;
    for (size_t i = 0; i < it->errand->question_count && count <= NM_OWNERS_MAX; i++) {
        nm_question_t *question = &it->errand->questions[i];
        if (s_is_page(it->errand, question, &pages[count]))
            count++;
        else if (question->status < 300)
            question->status = 502;  //  It has answered with what cannot be read: its items are missing
    }
    if (!own.size && nm_gather_refused(it) != NM_ERR_MISSING)
        return NM_OK;
    nm_rc_t rc = nm_merge(pages, count, limit, &items, &merged);
    if (rc == NM_OK) {
        s_write_page(it, &merged, nm_buf_bytes(&items), &it->gateway->body);
        rc = nm_answer(&it->answer, 200, nm_buf_bytes(&it->gateway->body));
    }
    nm_buf_free(&items);
    return rc;
}

nm_rc_t
nm_gather_one(nm_case_t *it)
{
    const nm_question_t *known = NULL;
    bool away = false;
    for (size_t i = 0; i < it->errand->question_count; i++) {
        const nm_question_t *question = &it->errand->questions[i];
        away |= question->status == 503 && !question->body_size;
        if (!known || known->status == 404 || (known->status == 503 && !known->body_size))
            known = question;
    }
    if (!known || (away && (known->status == 404 || known->status == 503)))
        return nm_answer_away(&it->answer, "An actor that may keep this is away; try again.");
    return nm_answer(&it->answer, known->status, nm_errand_body(it->errand, known));
}
