#include "actors/accounts/provider_reads.h"

#include <sodium.h>

#include "lmdb_store/book.h"
#include "wire/asks.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  -- The book, or the mesh file while that counts

static nm_rc_t
s_each_in_book(nm_act_t *it, nm_act_visit_fn *visit, void *arg)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_provider_entry_t entry;
    nm_rc_t rc;
    nm_book_open(&cursor, it->txn, NM_PROVIDERS_BOOK, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_book_next(&cursor, &key, &value)) == NM_OK) {
        rc = nm_record_decode(&nm_provider_entry_shape, &entry, value, NULL, "") == NM_OK ? visit(it, arg, &entry)
                                                                                          : NM_ERR_CORRUPT;
        if (rc != NM_OK)
            break;
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_act_each_of_file(nm_act_t *it, nm_act_visit_fn *visit, void *arg)
{
    const nm_zpl_t *part = nm_mesh_part(it->mesh, "providers");
    nm_buf_t packed = { 0 };
    nm_rc_t rc = NM_OK;
    for (const nm_zpl_t *node = part ? part->child : NULL; rc == NM_OK && node; node = node->next) {
        nm_provider_entry_t entry;
        nm_provider_entry_from(node, it->now_ms, &entry, &packed);
        rc = visit(it, arg, &entry);
    }
    nm_buf_free(&packed);
    return rc;
}

nm_rc_t
nm_act_each_provider(nm_act_t *it, nm_act_visit_fn *visit, void *arg)
{
    bool counts = false;
    nm_rc_t rc = nm_provider_book_counts(it->txn, &counts);
    if (rc != NM_OK)
        return rc;
    return counts ? s_each_in_book(it, visit, arg) : nm_act_each_of_file(it, visit, arg);
}

//  Looks for one by name; packed (in the turn's scratch memory) gets it.
typedef struct {
    nm_bytes_t name;
    nm_bytes_t packed;
    size_t count;  //  Of all there are
} s_search_t;

static nm_rc_t
s_look_at(nm_act_t *it, void *arg, const nm_provider_entry_t *entry)
{
    s_search_t *search = arg;
    search->count++;
    if (!nm_bytes_equal(entry->name, search->name))
        return NM_OK;
    nm_buf_t packed = { 0 };
    nm_record_encode(&nm_provider_entry_shape, entry, NM_BY_TAG, &packed);
    uint8_t *kept = nm_txn_alloc(it->txn, packed.size);
    memcpy(kept, packed.at, packed.size);
    search->packed = nm_bytes(kept, packed.size);
    sodium_memzero(packed.at, packed.size);
    nm_buf_free(&packed);
    return NM_OK;
}

nm_rc_t
nm_act_find_provider(nm_act_t *it, nm_bytes_t name, nm_provider_entry_t *entry, size_t *count)
{
    s_search_t search = { .name = name };
    nm_rc_t rc = nm_act_each_provider(it, s_look_at, &search);
    if (count)
        *count = search.count;
    if (rc != NM_OK)
        return rc;
    if (!search.packed.size)
        return NM_ERR_MISSING;
    return nm_record_decode(&nm_provider_entry_shape, entry, search.packed, NULL, "") == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

//  -- Providers as they are shown: without their secrets, whose names alone are told

const nm_driver_t *
nm_act_driver(const nm_provider_entry_t *entry)
{
    char kind[NM_NAME_MAX + 1];
    nm_bytes_to_text(entry->kind, kind, sizeof kind);
    return nm_driver_find(kind);
}

static void
s_write_config(nm_buf_t *out, const nm_provider_entry_t *entry, bool secrets)
{
    const nm_driver_t *driver = nm_act_driver(entry);
    nm_bytes_t key, raw;
    nm_reader_t reader;
    uint32_t left;
    nm_reader_open(&reader, entry->config);
    if (nm_reader_map(&reader, &left) != NM_OK)
        left = 0;
    size_t mark = secrets ? nm_writer_list_open(out) : nm_writer_map_open(out), count = 0;
    while (left-- && nm_reader_str(&reader, &key) == NM_OK && nm_reader_raw(&reader, &raw) == NM_OK) {
        if (nm_provider_is_secret(driver, key) != secrets)
            continue;
        nm_writer_str(out, key);
        if (!secrets)
            nm_writer_raw(out, raw);
        count++;
    }
    if (secrets)
        nm_writer_list_close(out, mark, count);
    else
        nm_writer_map_close(out, mark, count);
}

static void
s_write_provider(nm_buf_t *out, const nm_provider_entry_t *entry)
{
    nm_writer_map(out, 10);
    nm_writer_pair_str(out, "name", entry->name);
    nm_writer_pair_str(out, "kind", entry->kind);
    nm_writer_pair_raw_or_nil(out, "channels", NM_HAS(entry, provider_entry, channels), entry->channels);
    nm_writer_pair_bool(out, "is_active", entry->is_active);
    nm_writer_pair_uint(out, "priority", entry->priority);
    nm_writer_text(out, "config");
    s_write_config(out, entry, false);
    nm_writer_text(out, "secrets");
    s_write_config(out, entry, true);
    nm_writer_pair_raw_or_nil(out, "services", NM_HAS(entry, provider_entry, services), entry->services);
    nm_writer_pair_time(out, "created_at", entry->created_at);
    nm_writer_pair_time(out, "updated_at", entry->updated_at);
}

nm_rc_t
nm_act_show_provider(nm_act_t *it, unsigned status, const nm_provider_entry_t *entry)
{
    nm_buf_t *body = it->body;
    nm_buf_clear(body);
    s_write_provider(body, entry);
    return nm_act_done(it, status);
}

//  -- A page of the list, by name. The cursor is CURSOR and the name of the last one shown, which may be gone by then.

#define CURSOR "after."

typedef struct {
    char name[NM_NAME_MAX + 1];
    size_t at, size;  //  In written
} s_shown_t;

typedef struct {
    char after[NM_NAME_MAX + 1];  //  "": from the first on
    nm_buf_t written;
    nm_buf_t shown;  //  s_shown_t
    size_t count;
} s_page_t;

//  NM_ERR_MALFORMED: it is none of ours.
static nm_rc_t
s_open_page(s_page_t *page, nm_bytes_t cursor)
{
    size_t size = sizeof CURSOR - 1;
    if (cursor.size <= size || cursor.size - size > NM_NAME_MAX || memcmp(cursor.at, CURSOR, size) != 0)
        return NM_ERR_MALFORMED;
    nm_bytes_to_text(nm_bytes(cursor.at + size, cursor.size - size), page->after, sizeof page->after);
    return NM_OK;
}

static nm_rc_t
s_list_one(nm_act_t *it, void *arg, const nm_provider_entry_t *entry)
{
    s_page_t *page = arg;
    s_shown_t shown = { .at = page->written.size };
    (void) it;
    nm_bytes_to_text(entry->name, shown.name, sizeof shown.name);
    if (strcmp(shown.name, page->after) <= 0)
        return NM_OK;
    s_write_provider(&page->written, entry);
    shown.size = page->written.size - shown.at;
    nm_buf_add(&page->shown, &shown, sizeof shown);
    page->count++;
    return NM_OK;
}

static int
s_by_name(const void *a, const void *b)
{
    return strcmp(((const s_shown_t *) a)->name, ((const s_shown_t *) b)->name);
}

static void
s_write_page(nm_buf_t *out, s_page_t *page, size_t limit)
{
    s_shown_t *shown = (s_shown_t *) page->shown.at;
    size_t count = page->count < limit ? page->count : limit;
    if (page->count)
        qsort(shown, page->count, sizeof *shown, s_by_name);
    nm_writer_map(out, 2);
    nm_writer_text(out, "items");
    nm_writer_list(out, count);
    for (size_t i = 0; i < count; i++)
        nm_buf_add(out, page->written.at + shown[i].at, shown[i].size);
    nm_writer_text(out, "next_cursor");
    if (page->count > count) {
        char cursor[sizeof CURSOR + NM_NAME_MAX];
        snprintf(cursor, sizeof cursor, CURSOR "%s", shown[count - 1].name);
        nm_writer_text(out, cursor);
    } else {
        nm_writer_nil(out);
    }
}

nm_rc_t
nm_act_providers_list(nm_act_t *it)
{
    nm_page_ask_t ask;
    s_page_t page = { .count = 0 };
    if (nm_act_decode(it, &nm_services_page_shape, &ask, true) != NM_OK)
        return NM_OK;
    uint64_t limit = NM_HAS(&ask, page_ask, limit) ? ask.limit : NM_LIST_USUAL;
    if (!limit)
        return nm_act_refuse(it, "?limit", "must be 1 to 200");
    if (NM_HAS(&ask, page_ask, cursor) && s_open_page(&page, ask.cursor) != NM_OK)
        return nm_act_problem(it, 400, "The cursor is not one of ours.");
    nm_rc_t rc = nm_act_each_provider(it, s_list_one, &page);
    if (rc == NM_OK) {
        nm_buf_clear(it->body);
        s_write_page(it->body, &page, limit);
        rc = nm_act_done(it, 200);
    }
    nm_buf_free(&page.written);
    nm_buf_free(&page.shown);
    return rc;
}

nm_rc_t
nm_act_providers_get(nm_act_t *it)
{
    nm_provider_ask_t ask;
    nm_provider_entry_t entry;
    if (nm_act_decode(it, &nm_provider_ref_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_provider(it, ask.name, &entry, NULL);
    if (rc == NM_ERR_MISSING)
        return nm_act_unknown(it, "provider");
    return rc == NM_OK ? nm_act_show_provider(it, 200, &entry) : rc;
}
