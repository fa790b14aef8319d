#include "broker/statements.h"

#include <sodium.h>
#include "wire/id.h"
#include "wire/time.h"

#define HEAD "nmesh-statement-1\n"

enum { HASH_SIZE = 16 };

typedef struct {
    uint8_t hash[HASH_SIZE];  //  Of the text
    nm_stated_t stated;
    uint8_t signature[64];
    nm_buf_t text;
    bool told;
    bool given;  //  ... to save, and not known to be on disk
    bool saved;
} item_t;

struct nm_statements {
    uint8_t authority[NM_SIGN_PUBLIC_SIZE];
    item_t **items;  //  By rising name, then hash
    size_t count;
    size_t untold;
    size_t unsaved;
    size_t next;  //  Where the next write begins
    uint8_t heaps[NM_BUCKET_COUNT][NM_BUCKET_SIZE];
};

//  -- Signature checks

static bool
s_verify(const uint8_t signature[64], nm_bytes_t text, const uint8_t key[NM_SIGN_PUBLIC_SIZE])
{
    return crypto_sign_verify_detached(signature, text.at, text.size, key) == 0;
}

nm_rc_t
nm_checks_run(nm_checks_t *self, const uint8_t signature[64], nm_bytes_t text, const uint8_t key[NM_SIGN_PUBLIC_SIZE],
              int64_t mono_ms)
{
    if (!self->count)
        self->left = NM_CHECK_BURST;
    else if (mono_ms > self->filled_ms)
        self->left += (double) (mono_ms - self->filled_ms) * NM_CHECK_RATE / 1000;
    if (self->left > NM_CHECK_BURST)
        self->left = NM_CHECK_BURST;
    self->filled_ms = mono_ms;
    if (self->left < 1)
        return NM_ERR_BUSY;
    self->left--;
    self->count++;
    return (self->verify ? self->verify : s_verify)(signature, text, key) ? NM_OK : NM_ERR_REFUSED;
}

//  -- The text

//  Takes the next line off the text.
static bool
s_line(nm_bytes_t *text, char *out, size_t size)
{
    const uint8_t *end = text->size ? memchr(text->at, '\n', text->size) : NULL;
    if (!end || (size_t) (end - text->at) >= size || memchr(text->at, 0, (size_t) (end - text->at)))
        return false;
    nm_bytes_to_text(nm_bytes(text->at, (size_t) (end - text->at)), out, size);
    *text = nm_bytes(end + 1, text->size - (size_t) (end + 1 - text->at));
    return true;
}

static bool
s_read_time(nm_bytes_t *text, int64_t *at_ms)
{
    char line[NM_TIME_TEXT_SIZE + 1];
    return s_line(text, line, sizeof line) && nm_time_from_text(nm_text(line), at_ms) == NM_OK;
}

static bool
s_read_revoke(nm_bytes_t *text, nm_stated_t *stated)
{
    stated->kind = NM_STATED_REVOKE;
    return s_line(text, stated->serial, sizeof stated->serial) && stated->serial[0] &&
           strspn(stated->serial, "0123456789abcdef") == strlen(stated->serial) && s_read_time(text, &stated->at_ms);
}

static bool
s_read_forget(nm_bytes_t *text, nm_stated_t *stated)
{
    char store[40];
    stated->kind = NM_STATED_FORGET;
    if (!s_read_time(text, &stated->at_ms) || !s_line(text, store, sizeof store))
        return false;
    stated->has_store = strcmp(store, "-") != 0;
    return !stated->has_store || nm_id_from_text(nm_text(store), &stated->store) == NM_OK;
}

//  What is read is written again and compared: there is one text for one meaning.
nm_rc_t
nm_stated_read(nm_bytes_t text, nm_stated_t *stated)
{
    char head[32], kind[16];
    nm_stated_t read = { 0 };
    nm_bytes_t rest = text;
    if (!s_line(&rest, head, sizeof head) || strcmp(head, "nmesh-statement-1") != 0 ||
        !s_line(&rest, kind, sizeof kind) || !s_line(&rest, read.name, sizeof read.name) ||
        !nm_role_is_name(nm_text(read.name)))
        return NM_ERR_MALFORMED;
    bool good = false;
    if (strcmp(kind, "revoke") == 0)
        good = s_read_revoke(&rest, &read);
    else if (strcmp(kind, "forget") == 0)
        good = s_read_forget(&rest, &read);
    nm_buf_t again = { 0 };
    if (good)
        nm_stated_write(&read, &again);
    good = good && nm_bytes_equal(nm_buf_bytes(&again), text);
    nm_buf_free(&again);
    if (!good)
        return NM_ERR_MALFORMED;
    *stated = read;
    return NM_OK;
}

void
nm_stated_write(const nm_stated_t *stated, nm_buf_t *text)
{
    char at[NM_TIME_TEXT_SIZE + 1], store[NM_ID_TEXT_SIZE + 1] = "-";
    nm_time_to_text(stated->at_ms, at);
    if (stated->kind == NM_STATED_REVOKE) {
        nm_buf_format(text, HEAD "revoke\n%s\n%s\n%s\n", stated->name, stated->serial, at);
        return;
    }
    if (stated->has_store)
        nm_id_to_text(&stated->store, store);
    nm_buf_format(text, HEAD "forget\n%s\n%s\n%s\n", stated->name, at, store);
}

//  -- The set

nm_statements_t *
nm_statements_new(const uint8_t authority[NM_SIGN_PUBLIC_SIZE])
{
    nm_statements_t *self = nm_alloc(sizeof *self);
    memcpy(self->authority, authority, sizeof self->authority);
    return self;
}

void
nm_statements_destroy(nm_statements_t **self_p)
{
    nm_statements_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        nm_buf_free(&self->items[i]->text);
        free(self->items[i]);
    }
    free(self->items);
    free(self);
    *self_p = NULL;
}

static int
s_compare(const item_t *item, const char *name, const uint8_t hash[HASH_SIZE])
{
    int order = strcmp(item->stated.name, name);
    return order ? order : memcmp(item->hash, hash, HASH_SIZE);
}

//  The first place whose item is not before that name and hash.
static size_t
s_place(const nm_statements_t *self, const char *name, const uint8_t hash[HASH_SIZE])
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_compare(self->items[middle], name, hash) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
s_is_at(const nm_statements_t *self, size_t at, const char *name, const uint8_t hash[HASH_SIZE])
{
    return at < self->count && s_compare(self->items[at], name, hash) == 0;
}

static unsigned
s_heap(const item_t *item)
{
    return item->hash[0] % NM_BUCKET_COUNT;
}

static item_t *
s_insert(nm_statements_t *self, size_t at, const nm_statement_t *statement, const nm_stated_t *stated,
         const uint8_t hash[HASH_SIZE])
{
    item_t *item = nm_alloc(sizeof *item);
    memcpy(item->hash, hash, HASH_SIZE);
    memcpy(item->signature, statement->signature.at, sizeof item->signature);
    item->stated = *stated;
    nm_buf_add_bytes(&item->text, statement->text);
    self->items = nm_realloc(self->items, (self->count + 1) * sizeof *self->items);
    memmove(self->items + at + 1, self->items + at, (self->count - at) * sizeof *self->items);
    self->items[at] = item;
    self->count++;
    for (int i = 0; i < NM_BUCKET_SIZE; i++)
        self->heaps[s_heap(item)][i] ^= hash[HASH_SIZE - NM_BUCKET_SIZE + i];
    return item;
}

//  Reads it and finds its place. NM_ERR_DUPLICATE: it lies there.
static nm_rc_t
s_find(const nm_statements_t *self, const nm_statement_t *statement, nm_stated_t *stated, uint8_t hash[HASH_SIZE],
       size_t *at)
{
    nm_rc_t rc = statement->signature.size == 64 ? nm_stated_read(statement->text, stated) : NM_ERR_MALFORMED;
    if (rc != NM_OK)
        return rc;
    crypto_generichash(hash, HASH_SIZE, statement->text.at, statement->text.size, NULL, 0);
    *at = s_place(self, stated->name, hash);
    if (s_is_at(self, *at, stated->name, hash))
        return NM_ERR_DUPLICATE;
    return self->count < NM_STATEMENT_COUNT ? NM_OK : NM_ERR_FULL;
}

nm_rc_t
nm_statements_take(nm_statements_t *self, const nm_statement_t *statement, nm_checks_t *checks, int64_t mono_ms,
                   nm_stated_t *stated)
{
    nm_stated_t read;
    uint8_t hash[HASH_SIZE];
    size_t at = 0;
    nm_rc_t rc = s_find(self, statement, &read, hash, &at);
    if (rc == NM_OK)
        rc = nm_checks_run(checks, statement->signature.at, statement->text, self->authority, mono_ms);
    if (rc != NM_OK)
        return rc;
    s_insert(self, at, statement, &read, hash);
    self->untold++;
    self->unsaved++;
    if (stated)
        *stated = read;
    return NM_OK;
}

size_t
nm_statements_count(const nm_statements_t *self)
{
    return self->count;
}

//  -- What they say

static const uint8_t FIRST_HASH[HASH_SIZE] = { 0 };

static bool
s_kills(const nm_stated_t *stated, const nm_cert_t *cert)
{
    if (stated->kind == NM_STATED_REVOKE)
        return strcmp(stated->serial, cert->serial) == 0;
    return cert->not_before_ms <= stated->at_ms;
}

bool
nm_statements_kill(const nm_statements_t *self, const nm_cert_t *cert, nm_error_t *error)
{
    for (size_t i = s_place(self, cert->name, FIRST_HASH);
         i < self->count && strcmp(self->items[i]->stated.name, cert->name) == 0; i++) {
        const nm_stated_t *stated = &self->items[i]->stated;
        if (!s_kills(stated, cert))
            continue;
        char at[NM_TIME_TEXT_SIZE + 1];
        nm_time_to_text(stated->at_ms, at);
        nm_fail(error, NM_ERR_REFUSED, "%s was %s by the authority at %s", cert->name,
                stated->kind == NM_STATED_REVOKE ? "revoked" : "forgotten", at);
        return true;
    }
    return false;
}

bool
nm_statements_forgotten(const nm_statements_t *self, const char *name, nm_stated_t *stated)
{
    bool found = false;
    for (size_t i = s_place(self, name, FIRST_HASH); i < self->count && strcmp(self->items[i]->stated.name, name) == 0;
         i++) {
        const nm_stated_t *one = &self->items[i]->stated;
        if (one->kind != NM_STATED_FORGET || (found && one->at_ms <= stated->at_ms))
            continue;
        *stated = *one;
        found = true;
    }
    return found;
}

bool
nm_statements_next_forgotten(const nm_statements_t *self, size_t *at, nm_stated_t *stated)
{
    bool found = false;
    while (!found && *at < self->count) {
        const char *name = self->items[*at]->stated.name;
        found = nm_statements_forgotten(self, name, stated);
        while (*at < self->count && strcmp(self->items[*at]->stated.name, name) == 0)
            ++*at;
    }
    return found;
}

//  -- Comparing and telling

void
nm_statements_digest(const nm_statements_t *self, uint8_t out[NM_BUCKET_COUNT * NM_BUCKET_SIZE])
{
    memcpy(out, self->heaps, sizeof self->heaps);
}

static void
s_write(const item_t *item, nm_buf_t *out)
{
    nm_statement_t statement = { 0 };
    NM_PUT(&statement, statement, text, nm_buf_bytes(&item->text));
    NM_PUT(&statement, statement, signature, nm_bytes(item->signature, sizeof item->signature));
    nm_record_encode(&nm_statement_shape, &statement, NM_BY_TAG, out);
}

size_t
nm_statements_write(nm_statements_t *self, const bool heaps[NM_BUCKET_COUNT], nm_buf_t *out)
{
    size_t written = 0, start = self->next < self->count ? self->next : 0;
    for (size_t i = 0; i < self->count && written < NM_NEWS_COUNT; i++) {
        size_t at = (start + i) % self->count;
        if (!heaps[s_heap(self->items[at])])
            continue;
        s_write(self->items[at], out);
        self->next = at + 1;
        written++;
    }
    return written;
}

size_t
nm_statements_write_of(const nm_statements_t *self, const char *name, size_t max, nm_buf_t *out)
{
    size_t written = 0;
    for (size_t i = s_place(self, name, FIRST_HASH); i < self->count && written < max; i++) {
        if (strcmp(self->items[i]->stated.name, name) != 0)
            break;
        s_write(self->items[i], out);
        written++;
    }
    return written;
}

size_t
nm_statements_write_news(nm_statements_t *self, nm_buf_t *out)
{
    size_t written = 0;
    for (size_t i = 0; i < self->count && self->untold && written < NM_NEWS_COUNT; i++) {
        item_t *item = self->items[i];
        if (item->told)
            continue;
        s_write(item, out);
        item->told = true;
        self->untold--;
        written++;
    }
    return written;
}

bool
nm_statements_has_news(const nm_statements_t *self)
{
    return self->untold > 0;
}

//  -- Saving. A value is the signature and then the text.

nm_rc_t
nm_statements_save(nm_statements_t *self, nm_save_fn *fn, void *arg)
{
    nm_rc_t rc = NM_OK;
    nm_buf_t value = { 0 };
    for (size_t i = 0; i < self->count && self->unsaved && rc == NM_OK; i++) {
        item_t *item = self->items[i];
        if (item->saved)
            continue;
        uint8_t key[1 + HASH_SIZE] = { 's' };
        memcpy(key + 1, item->hash, HASH_SIZE);
        nm_buf_clear(&value);
        nm_buf_add(&value, item->signature, sizeof item->signature);
        nm_buf_add_bytes(&value, nm_buf_bytes(&item->text));
        rc = fn(arg, nm_bytes(key, sizeof key), nm_buf_bytes(&value));
        item->given = rc == NM_OK;
    }
    nm_buf_free(&value);
    return rc;
}

void
nm_statements_saved(nm_statements_t *self)
{
    for (size_t i = 0; i < self->count && self->unsaved; i++) {
        item_t *item = self->items[i];
        if (!item->given || item->saved)
            continue;
        item->saved = true;
        self->unsaved--;
    }
}

nm_rc_t
nm_statements_load(nm_statements_t *self, nm_bytes_t value)
{
    nm_stated_t stated;
    uint8_t hash[HASH_SIZE];
    size_t at = 0;
    if (value.size < 64)
        return NM_ERR_MALFORMED;
    nm_statement_t statement = { .text = nm_bytes(value.at + 64, value.size - 64),
                                 .signature = nm_bytes(value.at, 64) };
    nm_rc_t rc = s_find(self, &statement, &stated, hash, &at);
    if (rc != NM_OK)
        return rc;
    item_t *item = s_insert(self, at, &statement, &stated, hash);
    item->told = item->saved = true;
    return NM_OK;
}
