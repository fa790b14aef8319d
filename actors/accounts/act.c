#include "actors/accounts/act.h"

#include <sodium.h>

#include "lmdb_store/book.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { CURSOR_SIZE = 2 * NM_ID_SIZE };

nm_rc_t
nm_act_done(nm_act_t *it, unsigned status)
{
    it->status = status;
    it->detail[0] = 0;
    return NM_OK;
}

nm_rc_t
nm_act_nothing(nm_act_t *it)
{
    nm_buf_clear(it->body);
    return nm_act_done(it, 204);
}

nm_rc_t
nm_act_problem(nm_act_t *it, unsigned status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(it->detail, sizeof it->detail, format, args);
    va_end(args);
    it->status = status;
    it->faulty = false;
    return NM_OK;
}

nm_rc_t
nm_act_faulty(nm_act_t *it, const char *what)
{
    nm_act_problem(it, 422, "%s; each is named in errors.", what);
    it->faulty = true;
    return NM_OK;
}

nm_rc_t
nm_act_refuse(nm_act_t *it, const char *pointer, const char *detail)
{
    it->faults->count = it->faults->missed = 0;
    nm_faults_add(it->faults, pointer, NULL, "%s", detail);
    return nm_act_faulty(it, "The request has faults");
}

nm_rc_t
nm_act_unknown(nm_act_t *it, const char *what)
{
    return nm_act_problem(it, 404, "There is no such %s.", what);
}

nm_rc_t
nm_act_full(nm_act_t *it)
{
    return nm_act_problem(it, 507, "The store of this actor is full; try again later.");
}

static void
s_point_at_query(nm_faults_t *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        if (faults->items[i].pointer[0] == '/')
            faults->items[i].pointer[0] = '?';
}

nm_rc_t
nm_act_read(nm_act_t *it, const nm_shape_t *shape, void *record)
{
    static const uint8_t EMPTY_MAP = 0x80;
    nm_bytes_t body = it->asked.size ? it->asked : nm_bytes(&EMPTY_MAP, 1);
    nm_reader_t reader;
    it->faults->count = it->faults->missed = 0;
    nm_reader_open(&reader, body);
    if (nm_reader_peek(&reader) != NM_KIND_MAP) {
        nm_act_problem(it, 400, "The body must be an object.");
        return NM_ERR_REFUSED;
    }
    nm_record_decode(shape, record, body, it->faults, "");
    return NM_OK;
}

nm_rc_t
nm_act_decode(nm_act_t *it, const nm_shape_t *shape, void *record, bool query)
{
    nm_rc_t rc = nm_act_read(it, shape, record);
    if (rc != NM_OK || !it->faults->count)
        return rc;
    if (query)
        s_point_at_query(it->faults);
    nm_act_faulty(it, "The request has faults");
    return NM_ERR_REFUSED;
}

bool
nm_act_is_null(const nm_act_t *it, const char *name)
{
    nm_bytes_t raw;
    nm_reader_t reader;
    if (nm_reader_find(it->asked, name, &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    return nm_reader_peek(&reader) == NM_KIND_NIL;
}

void
nm_act_clear(nm_act_t *it, const nm_act_field_t *fields, size_t count, uint64_t *has)
{
    for (size_t i = 0; i < count; i++) {
        if (!nm_act_is_null(it, fields[i].name))
            continue;
        if (fields[i].may)
            *has &= ~(UINT64_C(1) << fields[i].number);
        else
            nm_faults_add(it->faults, "", fields[i].name, "cannot be cleared");
    }
}

static void
s_refuse_word(const nm_words_t *words, const char *parent, unsigned index, nm_faults_t *faults)
{
    nm_buf_t detail = { 0 };
    char name[16];
    snprintf(name, sizeof name, "%u", index);
    for (unsigned i = 0; i < words->count; i++)
        nm_buf_format(&detail, "%s%s", i ? ", " : "must be one of ", nm_words_text(words, i));
    nm_faults_add(faults, parent, name, "%.*s", NM_PRINT(nm_buf_bytes(&detail)));
    nm_buf_free(&detail);
}

uint64_t
nm_act_words(nm_bytes_t list, const nm_words_t *words, const char *parent, nm_faults_t *faults)
{
    nm_list_t rest;
    nm_bytes_t item, word;
    uint64_t set = 0;
    if (nm_list_open(&rest, list) != NM_OK)
        return 0;
    for (unsigned i = 0; nm_list_next(&rest, &item) == NM_OK; i++) {
        nm_reader_t reader;
        nm_reader_open(&reader, item);
        int found = nm_reader_str(&reader, &word) == NM_OK ? nm_words_find(words, word) : -1;
        if (found >= 0)
            set |= UINT64_C(1) << found;
        else
            s_refuse_word(words, parent, i, faults);
    }
    return set;
}

//  -- Pages

nm_rc_t
nm_act_open_page(nm_act_t *it, nm_act_page_t *page, bool has_limit, uint64_t limit, bool has_cursor, nm_bytes_t cursor)
{
    memset(page->before.at, 0xff, NM_ID_SIZE);
    page->limit = has_limit ? limit : NM_LIST_USUAL;
    if (page->limit == 0) {
        nm_act_refuse(it, "?limit", "must be 1 to 200");
        return NM_ERR_REFUSED;
    }
    if (has_cursor && (cursor.size != CURSOR_SIZE || nm_id_from_text(cursor, &page->before) != NM_OK)) {
        nm_act_problem(it, 400, "The cursor is not one of ours.");
        return NM_ERR_REFUSED;
    }
    return NM_OK;
}

typedef struct {
    nm_buf_t items;
    size_t count;
    nm_id_t last;
    bool more;
} filled_t;

static nm_rc_t
s_fill(const nm_act_t *it, const nm_act_page_t *page, filled_t *filled)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    char from[NM_BOOK_KEY_MAX + 1];
    nm_rc_t rc;
    nm_bytes_to_text(page->prefix, from, sizeof from - NM_ID_TEXT_SIZE);
    nm_id_to_text(&page->before, from + page->prefix.size);
    nm_book_open(&cursor, it->txn, page->book, page->prefix, nm_text(from), true);
    while ((rc = nm_book_next(&cursor, &key, &value)) == NM_OK) {
        nm_id_t id;
        bool shown = false;
        if (nm_id_from_text(nm_bytes(key.at + page->prefix.size, key.size - page->prefix.size), &id) != NM_OK) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        if (memcmp(id.at, page->before.at, NM_ID_SIZE) >= 0)
            continue;
        if (filled->count == page->limit) {
            filled->more = true;
            break;
        }
        if ((rc = page->write(it, page->arg, value, &filled->items, &shown)) != NM_OK)
            break;
        filled->last = id;
        filled->count += shown;
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_act_answer_page(nm_act_t *it, const nm_act_page_t *page)
{
    filled_t filled = { .count = 0 };
    char cursor[CURSOR_SIZE + 1];
    nm_rc_t rc = s_fill(it, page, &filled);
    if (rc == NM_OK) {
        sodium_bin2hex(cursor, sizeof cursor, filled.last.at, NM_ID_SIZE);
        nm_buf_clear(it->body);
        nm_writer_map(it->body, 2);
        nm_writer_text(it->body, "items");
        nm_writer_list(it->body, filled.count);
        nm_buf_add_bytes(it->body, nm_buf_bytes(&filled.items));
        nm_writer_text(it->body, "next_cursor");
        if (filled.more)
            nm_writer_text(it->body, cursor);
        else
            nm_writer_nil(it->body);
        rc = nm_act_done(it, 200);
    }
    nm_buf_free(&filled.items);
    return rc;
}
