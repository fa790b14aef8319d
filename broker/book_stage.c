#include "broker/book_stage.h"

#include <sodium.h>

#include "broker/log.h"

void
nm_stage_close(nm_stage_t *self)
{
    if (self->bytes.at)
        sodium_memzero(self->bytes.at, self->bytes.size);
    nm_buf_clear(&self->bytes);
    self->count = self->entry_count = 0;
    self->open = self->full = false;
}

void
nm_stage_open(nm_stage_t *self, const nm_book_head_t *head)
{
    nm_stage_close(self);
    self->open = true;
    self->head = *head;
}

void
nm_stage_free(nm_stage_t *self)
{
    nm_stage_close(self);
    nm_buf_free(&self->bytes);
    free(self->items);
    *self = (nm_stage_t){ .open = false };
}

static nm_bytes_t
s_key(const nm_stage_t *self, size_t at)
{
    return nm_bytes(self->bytes.at + self->items[at].at, self->items[at].key_size);
}

static nm_book_change_t
s_item(const nm_stage_t *self, size_t at)
{
    const nm_stage_item_t *item = &self->items[at];
    const uint8_t *bytes = self->bytes.at + item->at;
    return (nm_book_change_t){ .key = nm_bytes(bytes, item->key_size),
                               .value = nm_bytes(bytes + item->key_size, item->value_size),
                               .gone = item->gone };
}

nm_bytes_t
nm_stage_last(const nm_stage_t *self)
{
    return self->count ? s_key(self, self->count - 1) : nm_bytes(NULL, 0);
}

static int
s_compare(nm_bytes_t a, nm_bytes_t b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.at, b.at, size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

nm_rc_t
nm_stage_add(nm_stage_t *self, const nm_book_change_t *item)
{
    if (!item->key.size || self->entry_count >= NM_BOOK_ENTRY_MAX)
        return NM_ERR_MALFORMED;
    if (!self->full && (item->gone || (self->count && s_compare(nm_stage_last(self), item->key) >= 0)))
        return NM_ERR_MALFORMED;
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 64;
        self->items = nm_realloc(self->items, self->room * sizeof *self->items);
    }
    self->items[self->count++] = (nm_stage_item_t){ self->bytes.size, item->key.size, item->value.size, item->gone };
    nm_buf_add_bytes(&self->bytes, item->key);
    nm_buf_add_bytes(&self->bytes, item->value);
    if (self->full)
        self->head.number++;
    else
        self->entry_count++;
    return NM_OK;
}

//  -- Taking it over

static bool
s_has_entry(const nm_stage_t *self, nm_bytes_t key)
{
    size_t low = 0, high = self->entry_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = s_compare(s_key(self, middle), key);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

typedef struct {
    const nm_stage_t *stage;
    nm_txn_t *txn;
    const char *book;
    nm_book_head_t *head;
    nm_stage_fn *changed;
    void *arg;
} s_take_over_t;

//  The next entry of the copy that the stage has not; a change of the table ends the walk, so it begins anew.
static nm_rc_t
s_next_stray(const s_take_over_t *self, nm_bytes_t from, nm_bytes_t *key)
{
    nm_cursor_t cursor;
    nm_bytes_t value;
    nm_rc_t rc;
    nm_book_open(&cursor, self->txn, self->book, nm_bytes(NULL, 0), from, false);
    while ((rc = nm_book_next(&cursor, key, &value)) == NM_OK)
        if (!s_has_entry(self->stage, *key))
            break;
    nm_cursor_close(&cursor);
    return rc;
}

static nm_rc_t
s_remove_strays(const s_take_over_t *self)
{
    uint8_t raw[NM_BOOK_KEY_MAX] = { 0 };
    nm_bytes_t key = nm_bytes(raw, 0), found;
    nm_rc_t rc;
    while ((rc = s_next_stray(self, key, &found)) == NM_OK) {
        memcpy(raw, found.at, found.size);
        key.size = found.size;
        nm_book_change_t change = { .key = key, .gone = true };
        rc = nm_book_set(self->txn, self->book, self->head, &change);
        if (rc == NM_OK)
            rc = self->changed(self->arg, key);
        if (rc != NM_OK)
            break;
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  Is the entry now what this change would make it?
static bool
s_stands(nm_txn_t *txn, const char *book, const nm_book_change_t *change)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_book_get(txn, book, change->key, &value);
    return change->gone ? rc == NM_ERR_MISSING : rc == NM_OK && nm_bytes_equal(value, change->value);
}

static nm_rc_t
s_put_items(const s_take_over_t *self)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->stage->count; i++) {
        nm_book_change_t change = s_item(self->stage, i);
        if (s_stands(self->txn, self->book, &change))
            continue;
        rc = nm_book_set(self->txn, self->book, self->head, &change);
        if (rc == NM_OK)
            rc = self->changed(self->arg, change.key);
    }
    return rc;
}

//  What this copy had before, as far as the list does not tell how it came by it.
typedef struct {
    nm_book_change_t *entries;
    size_t count;
} s_rest_t;

//  Where the list begins only after the fork, all entries may be what nobody else had.
static nm_rc_t
s_gather_rest(const s_take_over_t *self, uint64_t common, s_rest_t *rest)
{
    nm_cursor_t cursor;
    nm_book_change_t entry = { .gone = false };
    nm_rc_t rc;
    *rest = (s_rest_t){ .count = 0 };
    if (self->head->number <= common || self->head->floor <= common)
        return NM_OK;
    rest->entries = nm_txn_alloc(self->txn, self->head->entry_count * sizeof *rest->entries);
    nm_book_open(&cursor, self->txn, self->book, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while (rest->count < self->head->entry_count && (rc = nm_book_next(&cursor, &entry.key, &entry.value)) == NM_OK) {
        uint8_t *key = nm_txn_alloc(self->txn, entry.key.size);
        memcpy(key, entry.key.at, entry.key.size);
        entry.key.at = key;
        rest->entries[rest->count++] = entry;
    }
    nm_cursor_close(&cursor);
    return rest->count == self->head->entry_count ? NM_OK : NM_ERR_CORRUPT;
}

//  The term in which a change of this copy was made.
static const nm_term_t *
s_term_of(const nm_book_head_t *head, uint64_t number)
{
    uint32_t at = head->term_count - 1;
    while (at && head->terms[at].base >= number)
        at--;
    return &head->terms[at];
}

//  Keeps one, unless the book has it too, and names it in the log: nothing is merged.
static nm_rc_t
s_put_one_aside(const s_take_over_t *self, const nm_book_head_t *before, uint64_t number,
                const nm_book_change_t *change, size_t *aside)
{
    const nm_term_t *term = s_term_of(before, number);
    if (s_stands(self->txn, self->book, change))
        return NM_OK;
    nm_log(NM_LOG_CRITICAL, "book_change_aside",
           "The book %s goes on without change %llu of round %u by %s: %s %.*s. It is kept aside; make it again if it "
           "is still wanted.",
           self->book, (unsigned long long) number, term->round, term->owner, change->gone ? "deleted" : "set",
           NM_PRINT(change->key));
    ++*aside;
    return nm_book_put_aside(self->txn, self->book, term, number, change);
}

//  What was made here and is not in the stage.
static nm_rc_t
s_put_aside(const s_take_over_t *self, const nm_book_head_t *before, uint64_t common, const s_rest_t *rest,
            size_t *aside)
{
    nm_rc_t rc = NM_OK;
    uint64_t number = common > before->floor ? common : before->floor;
    for (size_t i = 0; rc == NM_OK && i < rest->count; i++)
        rc = s_put_one_aside(self, before, before->floor, &rest->entries[i], aside);
    while (rc == NM_OK && ++number <= before->number) {
        nm_book_change_t change;
        rc = nm_book_change(self->txn, self->book, number, &change);
        if (rc == NM_OK)
            rc = s_put_one_aside(self, before, number, &change, aside);
    }
    return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;
}

nm_rc_t
nm_stage_apply(const nm_stage_t *self, nm_txn_t *txn, const char *book, nm_book_head_t *head, uint64_t common,
               nm_stage_fn *changed, void *arg, size_t *aside)
{
    s_take_over_t it = { self, txn, book, head, changed, arg };
    s_rest_t rest;
    nm_book_head_t *before = nm_txn_alloc(txn, sizeof *before);
    *before = *head;
    nm_rc_t rc = s_gather_rest(&it, common, &rest);
    if (rc == NM_OK)
        rc = s_remove_strays(&it);
    if (rc == NM_OK)
        rc = s_put_items(&it);
    if (rc == NM_OK)
        rc = s_put_aside(&it, before, common, &rest, aside);
    if (rc != NM_OK)
        return rc;
    head->number = self->head.number;
    nm_book_adopt(head, &self->head);
    return nm_book_restart(txn, book, head, head->number);
}
