#include "lmdb_store/book.h"

#include <assert.h>

#include "lmdb_store/key.h"
#include "lmdb_store/store_private.h"

static const nm_table_t HEADS = { NM_TABLE_BOOK_HEADS, true, "book_heads" };
static const nm_table_t ENTRIES = { NM_TABLE_BOOK_ENTRIES, true, "book_entries" };
static const nm_table_t CHANGES = { NM_TABLE_BOOK_CHANGES, true, "book_changes" };
static const nm_table_t ASIDE = { NM_TABLE_BOOK_ASIDE, true, "book_aside" };

const nm_table_t *const nm_book_tables[NM_BOOK_TABLE_COUNT] = { &HEADS, &ENTRIES, &CHANGES, &ASIDE };

//  -- Keys: the book's name, then what the table is about.

static nm_key_t
s_key(const char *book)
{
    nm_key_t key = { .size = 0 };
    assert(strlen(book) <= NM_BOOK_NAME_MAX);
    nm_key_text(&key, nm_text(book));
    return key;
}

static nm_key_t
s_entry_key(const char *book, nm_bytes_t entry)
{
    nm_key_t key = s_key(book);
    assert(entry.size <= NM_BOOK_KEY_MAX);
    nm_key_bytes(&key, entry);
    return key;
}

static nm_key_t
s_change_key(const char *book, uint64_t number)
{
    nm_key_t key = s_key(book);
    nm_key_u64(&key, number);
    return key;
}

//  -- Fields of a value, one behind the other. Reading ends with done and nothing left, or it is damage.

typedef struct {
    nm_bytes_t rest;
    bool bad;
} fields_t;

static nm_bytes_t
s_take(fields_t *self, size_t size)
{
    if (self->bad || size > self->rest.size) {
        self->bad = true;
        return nm_bytes(NULL, 0);
    }
    nm_bytes_t taken = nm_bytes(self->rest.at, size);
    self->rest = nm_bytes(self->rest.at + size, self->rest.size - size);
    return taken;
}

static uint32_t
s_take_u32(fields_t *self)
{
    nm_bytes_t raw = s_take(self, 4);
    return raw.size ? nm_get_u32(raw.at) : 0;
}

static uint64_t
s_take_u64(fields_t *self)
{
    nm_bytes_t raw = s_take(self, 8);
    return raw.size ? nm_get_u64(raw.at) : 0;
}

static nm_bytes_t
s_take_text(fields_t *self)
{
    return s_take(self, s_take_u32(self));
}

static void
s_add_u32(nm_buf_t *out, uint32_t value)
{
    uint8_t raw[4];
    nm_put_u32(raw, value);
    nm_buf_add(out, raw, sizeof raw);
}

static void
s_add_u64(nm_buf_t *out, uint64_t value)
{
    uint8_t raw[8];
    nm_put_u64(raw, value);
    nm_buf_add(out, raw, sizeof raw);
}

static void
s_add_text(nm_buf_t *out, nm_bytes_t text)
{
    s_add_u32(out, (uint32_t) text.size);
    nm_buf_add_bytes(out, text);
}

//  -- Heads

static void
s_add_term(nm_buf_t *out, const nm_term_t *term)
{
    s_add_u32(out, term->round);
    s_add_text(out, nm_text(term->owner));
    nm_buf_add(out, term->store.at, NM_ID_SIZE);
    s_add_u64(out, term->base);
}

static void
s_take_term(fields_t *fields, nm_term_t *term)
{
    *term = (nm_term_t){ .round = s_take_u32(fields) };
    nm_bytes_t owner = s_take_text(fields);
    fields->bad |= owner.size > NM_NAME_MAX;
    nm_bytes_to_text(owner, term->owner, sizeof term->owner);
    nm_bytes_t store = s_take(fields, NM_ID_SIZE);
    if (store.size)
        memcpy(term->store.at, store.at, NM_ID_SIZE);
    term->base = s_take_u64(fields);
}

static nm_rc_t
s_read_head(nm_bytes_t value, nm_book_head_t *head)
{
    fields_t fields = { .rest = value };
    head->number = s_take_u64(&fields);
    head->floor = s_take_u64(&fields);
    head->entry_count = s_take_u32(&fields);
    head->epoch = s_take_u32(&fields);
    s_take_term(&fields, &head->heard);
    head->term_count = s_take_u32(&fields);
    if (head->term_count > NM_BOOK_TERM_MAX)
        return NM_ERR_CORRUPT;
    for (uint32_t i = 0; i < head->term_count; i++)
        s_take_term(&fields, &head->terms[i]);
    return fields.bad || fields.rest.size ? NM_ERR_CORRUPT : NM_OK;
}

nm_rc_t
nm_book_load(nm_txn_t *txn, const char *book, nm_book_head_t *head)
{
    nm_bytes_t value;
    nm_key_t key = s_key(book);
    *head = (nm_book_head_t){ .number = 0 };
    nm_rc_t rc = nm_table_get(txn, &HEADS, nm_key_view(&key), &value);
    if (rc == NM_OK)
        rc = s_read_head(value, head);
    if (rc == NM_ERR_CORRUPT)
        return nm_txn_spoil(txn, rc);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_book_save(nm_txn_t *txn, const char *book, const nm_book_head_t *head)
{
    nm_buf_t value = { 0 };
    nm_key_t key = s_key(book);
    s_add_u64(&value, head->number);
    s_add_u64(&value, head->floor);
    s_add_u32(&value, head->entry_count);
    s_add_u32(&value, head->epoch);
    s_add_term(&value, &head->heard);
    s_add_u32(&value, head->term_count);
    for (uint32_t i = 0; i < head->term_count; i++)
        s_add_term(&value, &head->terms[i]);
    nm_rc_t rc = nm_table_put(txn, &HEADS, nm_key_view(&key), nm_buf_bytes(&value));
    nm_buf_free(&value);
    return rc;
}

//  -- Entries

nm_rc_t
nm_book_get(nm_txn_t *txn, const char *book, nm_bytes_t entry, nm_bytes_t *value)
{
    if (!entry.size || entry.size > NM_BOOK_KEY_MAX)
        return NM_ERR_MISSING;
    nm_key_t key = s_entry_key(book, entry);
    return nm_table_get(txn, &ENTRIES, nm_key_view(&key), value);
}

void
nm_book_open(nm_cursor_t *cursor, nm_txn_t *txn, const char *book, nm_bytes_t prefix, nm_bytes_t from, bool reverse)
{
    nm_key_t all = s_entry_key(book, prefix), first = s_entry_key(book, from);
    nm_cursor_open(cursor, txn, &ENTRIES, nm_key_view(&all), from.size ? nm_key_view(&first) : from, reverse);
}

nm_rc_t
nm_book_next(nm_cursor_t *cursor, nm_bytes_t *key, nm_bytes_t *value)
{
    nm_bytes_t whole;
    nm_rc_t rc = nm_cursor_next(cursor, &whole, value);
    if (rc == NM_OK)
        *key = nm_bytes(whole.at + 1 + whole.at[0], whole.size - 1 - whole.at[0]);
    return rc;
}

//  -- Changes

nm_rc_t
nm_book_set(nm_txn_t *txn, const char *book, nm_book_head_t *head, const nm_book_change_t *change)
{
    nm_key_t key = s_entry_key(book, change->key);
    bool there = nm_table_has(txn, &ENTRIES, nm_key_view(&key));
    if (change->gone && !there)
        return NM_OK;
    if (!change->gone && !there && head->entry_count >= NM_BOOK_ENTRY_MAX)
        return NM_ERR_FULL;
    nm_rc_t rc = change->gone ? nm_table_delete(txn, &ENTRIES, nm_key_view(&key))
                              : nm_table_put(txn, &ENTRIES, nm_key_view(&key), change->value);
    if (rc == NM_OK && change->gone)
        head->entry_count--;
    else if (rc == NM_OK && !there)
        head->entry_count++;
    return rc;
}

static void
s_write_change(nm_buf_t *out, const nm_book_change_t *change)
{
    s_add_u32(out, change->gone);
    s_add_text(out, change->key);
    nm_buf_add_bytes(out, change->value);
}

static nm_rc_t
s_read_change(fields_t *fields, nm_book_change_t *change)
{
    change->gone = s_take_u32(fields) != 0;
    change->key = s_take_text(fields);
    change->value = fields->rest;
    return fields->bad || !change->key.size || change->key.size > NM_BOOK_KEY_MAX ? NM_ERR_CORRUPT : NM_OK;
}

//  The list keeps its length: with each new change the oldest goes.
static nm_rc_t
s_trim(nm_txn_t *txn, const char *book, nm_book_head_t *head)
{
    if (head->number - head->floor <= NM_BOOK_CHANGES_KEPT)
        return NM_OK;
    nm_key_t key = s_change_key(book, ++head->floor);
    nm_rc_t rc = nm_table_delete(txn, &CHANGES, nm_key_view(&key));
    return rc == NM_ERR_MISSING ? nm_txn_spoil(txn, NM_ERR_CORRUPT) : rc;
}

nm_rc_t
nm_book_apply(nm_txn_t *txn, const char *book, nm_book_head_t *head, const nm_book_change_t *change)
{
    nm_buf_t value = { 0 };
    nm_key_t key = s_change_key(book, head->number + 1);
    nm_rc_t rc = nm_book_set(txn, book, head, change);
    s_write_change(&value, change);
    if (rc == NM_OK)
        rc = nm_table_put(txn, &CHANGES, nm_key_view(&key), nm_buf_bytes(&value));
    nm_buf_free(&value);
    if (rc != NM_OK)
        return rc;
    head->number++;
    rc = s_trim(txn, book, head);
    return rc == NM_OK ? nm_book_save(txn, book, head) : rc;
}

nm_rc_t
nm_book_change(nm_txn_t *txn, const char *book, uint64_t number, nm_book_change_t *change)
{
    fields_t fields = { .bad = false };
    nm_key_t key = s_change_key(book, number);
    nm_rc_t rc = nm_table_get(txn, &CHANGES, nm_key_view(&key), &fields.rest);
    if (rc != NM_OK)
        return rc;
    rc = s_read_change(&fields, change);
    return rc == NM_OK ? rc : nm_txn_spoil(txn, rc);
}

static nm_rc_t
s_empty(nm_txn_t *txn, const nm_table_t *table, const char *book)
{
    nm_cursor_t cursor;
    nm_key_t prefix = s_key(book);
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, table, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, NULL, NULL)) == NM_OK)
        if ((rc = nm_cursor_delete(&cursor)) != NM_OK)
            break;
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_book_restart(nm_txn_t *txn, const char *book, nm_book_head_t *head, uint64_t number)
{
    nm_rc_t rc = s_empty(txn, &CHANGES, book);
    if (rc != NM_OK)
        return rc;
    head->number = head->floor = number;
    return nm_book_save(txn, book, head);
}

//  -- Aside

nm_rc_t
nm_book_put_aside(nm_txn_t *txn, const char *book, const nm_term_t *term, uint64_t number,
                  const nm_book_change_t *change)
{
    nm_buf_t value = { 0 };
    nm_key_t key = s_key(book);
    nm_key_u32(&key, term->round);
    nm_key_u64(&key, number);
    nm_key_id(&key, &term->store);
    nm_key_bytes(&key, change->key);
    s_add_term(&value, term);
    s_add_u64(&value, number);
    s_write_change(&value, change);
    nm_rc_t rc = nm_table_put(txn, &ASIDE, nm_key_view(&key), nm_buf_bytes(&value));
    nm_buf_free(&value);
    return rc;
}

nm_rc_t
nm_book_each_aside(nm_txn_t *txn, const char *book, nm_book_aside_fn *visit, void *arg)
{
    nm_cursor_t cursor;
    nm_key_t prefix = s_key(book);
    fields_t fields = { .bad = false };
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &ASIDE, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, NULL, &fields.rest)) == NM_OK) {
        nm_term_t term;
        nm_book_change_t change;
        s_take_term(&fields, &term);
        uint64_t number = s_take_u64(&fields);
        rc = s_read_change(&fields, &change);
        if (rc == NM_OK)
            rc = visit(arg, &term, number, &change);
        else
            nm_txn_spoil(txn, rc);
        if (rc != NM_OK)
            break;
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_book_drop_aside(nm_txn_t *txn, const char *book)
{
    return s_empty(txn, &ASIDE, book);
}
