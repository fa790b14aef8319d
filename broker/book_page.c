#include "broker/book_page.h"

#include "wire/writer.h"

_Static_assert((int) NM_BOOK_TERM_COUNT == (int) NM_BOOK_TERM_MAX &&
                   (int) NM_BOOK_ENTRY_KEY_MAX == (int) NM_BOOK_KEY_MAX &&
                   (int) NM_BOOK_ENTRY_SIZE == (int) NM_BOOK_VALUE_MAX &&
                   (int) NM_BOOK_WORD_MAX == (int) NM_BOOK_NAME_MAX,
               "what is kept can be sent");

//  -- Heads

static void
s_pack_term(const nm_term_t *term, nm_buf_t *out)
{
    nm_book_term_t record = { .has = 0 };
    NM_PUT(&record, book_term, round, term->round);
    NM_PUT(&record, book_term, owner, nm_text(term->owner));
    NM_PUT(&record, book_term, store, term->store);
    NM_PUT(&record, book_term, base, term->base);
    nm_record_encode(&nm_book_term_shape, &record, NM_BY_TAG, out);
}

static void
s_pack_terms(const nm_book_head_t *head, nm_buf_t *out)
{
    nm_writer_list(out, head->term_count);
    for (uint32_t i = 0; i < head->term_count; i++)
        s_pack_term(&head->terms[i], out);
}

static nm_rc_t
s_read_term(nm_bytes_t raw, nm_term_t *term)
{
    nm_book_term_t record;
    if (nm_record_decode(&nm_book_term_shape, &record, raw, NULL, "") != NM_OK || !record.round || !record.owner.size)
        return NM_ERR_MALFORMED;
    *term = (nm_term_t){ .round = (uint32_t) record.round, .store = record.store, .base = record.base };
    nm_bytes_to_text(record.owner, term->owner, sizeof term->owner);
    return NM_OK;
}

//  Terms follow each other, each above the one before, and none begins after the last change.
static nm_rc_t
s_read_head(nm_bytes_t terms, uint64_t number, nm_bytes_t heard, nm_book_head_t *head)
{
    nm_list_t list;
    nm_bytes_t raw;
    *head = (nm_book_head_t){ .number = number };
    nm_rc_t rc = nm_list_open(&list, terms);
    while (rc == NM_OK && nm_list_next(&list, &raw) == NM_OK) {
        nm_term_t *term = &head->terms[head->term_count];
        const nm_term_t *before = nm_book_term(head);
        rc = s_read_term(raw, term);
        if (rc == NM_OK &&
            (term->base > number || (before && (term->base < before->base || nm_term_compare(term, before) <= 0))))
            rc = NM_ERR_MALFORMED;
        head->term_count++;
    }
    return rc == NM_OK && heard.size ? s_read_term(heard, &head->heard) : rc;
}

nm_rc_t
nm_book_read_ask(nm_bytes_t body, nm_book_ask_t *ask, nm_book_head_t *theirs)
{
    nm_rc_t rc = nm_record_decode(&nm_book_ask_shape, ask, body, NULL, "");
    return rc == NM_OK ? s_read_head(ask->terms, ask->number, ask->heard, theirs) : rc;
}

nm_rc_t
nm_book_read_reply(nm_bytes_t body, nm_book_reply_t *reply, nm_book_head_t *theirs)
{
    nm_rc_t rc = nm_record_decode(&nm_book_reply_shape, reply, body, NULL, "");
    return rc == NM_OK ? s_read_head(reply->terms, reply->number, reply->heard, theirs) : rc;
}

void
nm_book_pack_question(const nm_book_question_t *question, nm_buf_t *out)
{
    nm_buf_t terms = { 0 }, heard = { 0 };
    nm_book_ask_t ask = { .has = 0 };
    s_pack_terms(question->head, &terms);
    NM_PUT(&ask, book_ask, book, nm_text(question->book));
    NM_PUT(&ask, book_ask, terms, nm_buf_bytes(&terms));
    NM_PUT(&ask, book_ask, number, question->head->number);
    if (question->head->heard.round) {
        s_pack_term(&question->head->heard, &heard);
        NM_PUT(&ask, book_ask, heard, nm_buf_bytes(&heard));
    }
    if (question->whole)
        NM_PUT(&ask, book_ask, whole, true);
    if (question->from.size)
        NM_PUT(&ask, book_ask, from, question->from);
    nm_record_encode(&nm_book_ask_shape, &ask, NM_BY_TAG, out);
    nm_buf_free(&terms);
    nm_buf_free(&heard);
}

//  -- Answers

typedef struct {
    nm_buf_t items;
    size_t mark;
    size_t count;
    bool whole;
    bool more;
} page_t;

static bool
s_is_full(const page_t *page)
{
    return page->count == NM_BOOK_ITEM_COUNT || page->items.size >= NM_BOOK_PAGE_SIZE;
}

static void
s_add_item(page_t *page, const nm_book_change_t *change)
{
    nm_book_item_t item = { .has = 0 };
    NM_PUT(&item, book_item, key, change->key);
    if (!change->gone)
        NM_PUT(&item, book_item, value, change->value);
    nm_record_encode(&nm_book_item_shape, &item, NM_BY_TAG, &page->items);
    page->count++;
}

static nm_rc_t
s_add_changes(nm_txn_t *txn, const char *book, const nm_book_head_t *mine, uint64_t after, page_t *page)
{
    nm_book_change_t change;
    nm_rc_t rc = NM_OK;
    for (uint64_t number = after + 1; rc == NM_OK && number <= mine->number; number++) {
        if ((page->more = s_is_full(page)))
            break;
        rc = nm_book_change(txn, book, number, &change);
        if (rc == NM_OK)
            s_add_item(page, &change);
    }
    return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;  //  The head says that it is there
}

static nm_rc_t
s_add_entries(nm_txn_t *txn, const char *book, nm_bytes_t from, page_t *page)
{
    nm_cursor_t cursor;
    nm_book_change_t entry = { .gone = false };
    nm_rc_t rc;
    page->whole = true;
    nm_book_open(&cursor, txn, book, nm_bytes(NULL, 0), from, false);
    while ((rc = nm_book_next(&cursor, &entry.key, &entry.value)) == NM_OK) {
        if (nm_bytes_equal(entry.key, from))
            continue;
        if ((page->more = s_is_full(page)))
            break;
        s_add_item(page, &entry);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static void
s_pack_reply(const nm_book_head_t *head, const page_t *page, nm_buf_t *out)
{
    nm_buf_t terms = { 0 }, heard = { 0 };
    nm_book_reply_t reply = { .has = 0 };
    s_pack_terms(head, &terms);
    NM_PUT(&reply, book_reply, terms, nm_buf_bytes(&terms));
    NM_PUT(&reply, book_reply, number, head->number);
    if (head->heard.round) {
        s_pack_term(&head->heard, &heard);
        NM_PUT(&reply, book_reply, heard, nm_buf_bytes(&heard));
    }
    if (page) {
        NM_PUT(&reply, book_reply, items, nm_buf_bytes(&page->items));
        NM_PUT(&reply, book_reply, whole, page->whole);
        NM_PUT(&reply, book_reply, more, page->more);
    }
    nm_record_encode(&nm_book_reply_shape, &reply, NM_BY_TAG, out);
    nm_buf_free(&terms);
    nm_buf_free(&heard);
}

void
nm_book_pack_place(const nm_book_head_t *head, nm_buf_t *out)
{
    s_pack_reply(head, NULL, out);
}

nm_rc_t
nm_book_pack_page(nm_txn_t *txn, const char *book, const nm_book_head_t *mine, const nm_book_head_t *theirs,
                  const nm_book_ask_t *ask, nm_buf_t *out)
{
    nm_book_relation_t relation = nm_book_compare(mine, theirs);
    page_t page = { .count = 0 };
    nm_rc_t rc = NM_OK;
    if (relation.place != NM_BOOK_AHEAD && relation.place != NM_BOOK_LEVEL) {
        nm_book_pack_place(mine, out);
        return NM_OK;
    }
    page.mark = nm_writer_list_open(&page.items);
    bool in_list = relation.common == theirs->number && relation.common >= mine->floor;
    if (in_list && !ask->whole)
        rc = s_add_changes(txn, book, mine, relation.common, &page);
    else
        rc = s_add_entries(txn, book, ask->from, &page);
    nm_writer_list_close(&page.items, page.mark, page.count);
    if (rc == NM_OK)
        s_pack_reply(mine, &page, out);
    nm_buf_free(&page.items);
    return rc;
}
