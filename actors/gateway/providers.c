//  providers - operations on the book of providers, for the admin. What is not right is refused here, before any actor
//  that sends sees it: the driver itself checks it, on a tree that names no files (actors/providers/entry.h).

#include <sodium.h>

#include "actors/gateway/ops.h"
#include "actors/providers/entry.h"
#include "actors/providers/setup.h"
#include "lmdb_store/book.h"
#include "wire/asks.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { PROVIDERS_MAX = NM_LIST_MAX };

static const uint8_t EMPTY_MAP[] = { 0x80 };

//  -- The book, or the mesh file while that counts

typedef nm_rc_t(visit_fn)(nm_case_t *it, void *arg, const nm_provider_entry_t *entry);

static nm_rc_t
s_each_in_book(nm_case_t *it, visit_fn *visit, void *arg)
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

static nm_rc_t
s_each_in_file(nm_case_t *it, visit_fn *visit, void *arg)
{
    const nm_zpl_t *part = nm_mesh_part(it->gateway->mesh, "providers");
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

static nm_rc_t
s_each(nm_case_t *it, visit_fn *visit, void *arg)
{
    bool counts = false;
    nm_rc_t rc = nm_provider_book_counts(it->txn, &counts);
    if (rc != NM_OK)
        return rc;
    return counts ? s_each_in_book(it, visit, arg) : s_each_in_file(it, visit, arg);
}

//  Looks for one by name; packed (in the turn's scratch memory) gets it.
typedef struct {
    nm_bytes_t name;
    nm_bytes_t packed;
    size_t count;  //  Of all there are
} s_search_t;

static nm_rc_t
s_look_at(nm_case_t *it, void *arg, const nm_provider_entry_t *entry)
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

//  NM_ERR_REFUSED: there is none, and that is answered.
static nm_rc_t
s_find(nm_case_t *it, const nm_provider_ask_t *ask, nm_provider_entry_t *entry)
{
    s_search_t search = { .name = ask->name };
    nm_rc_t rc = s_each(it, s_look_at, &search);
    if (rc == NM_OK && search.packed.size)
        return nm_record_decode(&nm_provider_entry_shape, entry, search.packed, NULL, "") == NM_OK ? NM_OK
                                                                                                   : NM_ERR_CORRUPT;
    if (rc != NM_OK)
        return rc;
    nm_case_unknown(it, "provider");
    return NM_ERR_REFUSED;
}

static nm_rc_t
s_put(nm_case_t *it, void *arg, const nm_provider_entry_t *entry)
{
    nm_buf_t packed = { 0 };
    (void) arg;
    nm_record_encode(&nm_provider_entry_shape, entry, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_turn_book_put(it->turn, NM_PROVIDERS_BOOK, entry->name, nm_buf_bytes(&packed));
    sodium_memzero(packed.at, packed.size);
    nm_buf_free(&packed);
    return rc;
}

//  Before the first change the providers of the mesh file become the book's.
static nm_rc_t
s_import(nm_case_t *it)
{
    bool counts = false;
    nm_rc_t rc = nm_provider_book_counts(it->txn, &counts);
    return rc == NM_OK && !counts ? s_each_in_file(it, s_put, NULL) : rc;
}

//  -- Providers as they are shown: without their secrets, whose names alone are told

static const nm_driver_t *
s_driver(const nm_provider_entry_t *entry)
{
    char kind[NM_NAME_MAX + 1];
    nm_bytes_to_text(entry->kind, kind, sizeof kind);
    return nm_driver_find(kind);
}

static void
s_write_config(nm_buf_t *out, const nm_provider_entry_t *entry, bool secrets)
{
    const nm_driver_t *driver = s_driver(entry);
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

static nm_rc_t
s_answer(nm_case_t *it, unsigned status, const nm_provider_entry_t *entry)
{
    nm_buf_t *body = &it->gateway->body;
    nm_buf_clear(body);
    s_write_provider(body, entry);
    return nm_answer(&it->answer, status, nm_buf_bytes(body));
}

static nm_rc_t
s_list_one(nm_case_t *it, void *arg, const nm_provider_entry_t *entry)
{
    size_t *count = arg;
    ++*count;
    s_write_provider(&it->gateway->body, entry);
    return NM_OK;
}

nm_rc_t
nm_op_providers_list(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    size_t count = 0;
    nm_buf_clear(body);
    nm_writer_map(body, 2);
    nm_writer_text(body, "items");
    size_t mark = nm_writer_list_open(body);
    nm_rc_t rc = s_each(it, s_list_one, &count);
    nm_writer_list_close(body, mark, count);
    nm_writer_text(body, "next_cursor");
    nm_writer_nil(body);
    return rc == NM_OK ? nm_answer(&it->answer, 200, nm_buf_bytes(body)) : rc;
}

nm_rc_t
nm_op_providers_get(nm_case_t *it)
{
    nm_provider_ask_t ask;
    nm_provider_entry_t entry;
    if (nm_case_decode(it, &nm_provider_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, &ask, &entry);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    return s_answer(it, 200, &entry);
}

//  -- Changes

//  The driver reads it, and nothing is kept of that. Its sentence is "POINTER: reason".
static void
s_check(nm_case_t *it, const nm_provider_entry_t *entry)
{
    nm_faults_t *faults = &it->gateway->faults;
    nm_provider_setup_t setup;
    nm_error_t error = { "" };
    nm_zpl_t *tree = nm_provider_entry_tree(entry, true, &error);
    nm_rc_t rc = tree ? nm_provider_setup_open(&setup, tree, it->gateway->mesh, &error) : NM_ERR_MALFORMED;
    nm_zpl_destroy(&tree);
    if (rc == NM_OK) {
        nm_provider_setup_close(&setup);
        return;
    }
    char *reason = strstr(error.text, ": ");
    if (reason)
        *reason = 0;
    nm_faults_add(faults, reason ? error.text : "", NULL, "%s", reason ? reason + 2 : error.text);
}

//  Passes on what was given.
static void
s_apply(const nm_provider_ask_t *ask, nm_provider_entry_t *entry)
{
    if (NM_HAS(ask, provider_ask, channels))
        NM_PUT(entry, provider_entry, channels, ask->channels);
    if (NM_HAS(ask, provider_ask, services))
        NM_PUT(entry, provider_entry, services, ask->services);
    if (NM_HAS(ask, provider_ask, is_active))
        NM_PUT(entry, provider_entry, is_active, ask->is_active);
    if (NM_HAS(ask, provider_ask, priority))
        NM_PUT(entry, provider_entry, priority, ask->priority);
}

//  A file that holds a secret is named in mesh files only: whoever may ask a gateway may not have files of others read.
static void
s_refuse_files(nm_bytes_t config, const nm_driver_t *driver, nm_faults_t *faults)
{
    nm_bytes_t key, raw;
    nm_reader_t reader;
    uint32_t left;
    nm_reader_open(&reader, config);
    if (nm_reader_map(&reader, &left) != NM_OK)
        return;
    while (left-- && nm_reader_str(&reader, &key) == NM_OK && nm_reader_raw(&reader, &raw) == NM_OK) {
        char name[NM_NAME_MAX + 1];
        nm_bytes_to_text(key, name, sizeof name);
        nm_reader_t value;
        nm_reader_open(&value, raw);
        if (nm_provider_is_secret_file(driver, key) && nm_reader_peek(&value) != NM_KIND_NIL)
            nm_faults_add(faults, "/config", name, "is for the mesh file: give the secret itself");
    }
}

//  Answers what is wrong with it, or saves it and shows it.
static nm_rc_t
s_save(nm_case_t *it, unsigned status, nm_provider_entry_t *entry)
{
    nm_faults_t *faults = &it->gateway->faults;
    if (!faults->count)
        s_check(it, entry);
    if (faults->count)
        return nm_answer_problem(&it->answer, 422, faults, "The provider has faults; each is named in errors.");
    if (nm_turn_tight(it->turn))
        return nm_answer_problem(&it->answer, 507, NULL, "The store of this gateway is full; try again later.");
    NM_PUT(entry, provider_entry, updated_at, it->now_ms);
    nm_rc_t rc = s_import(it);
    if (rc == NM_OK)
        rc = s_put(it, NULL, entry);
    return rc == NM_OK ? s_answer(it, status, entry) : rc;
}

nm_rc_t
nm_op_providers_create(nm_case_t *it)
{
    nm_provider_ask_t ask;
    nm_provider_entry_t entry = { .has = 0 };
    nm_faults_t *faults = &it->gateway->faults;
    if (nm_case_decode(it, &nm_provider_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    if (!NM_HAS(&ask, provider_ask, name))
        nm_faults_add(faults, "", "name", "is missing");
    else if (!nm_role_is_name(ask.name))
        nm_faults_add(faults, "", "name", "must be of the letters a-z, digits and dashes, and not begin with a dash");
    if (!NM_HAS(&ask, provider_ask, kind))
        nm_faults_add(faults, "", "kind", "is missing");
    s_search_t search = { .name = ask.name };
    nm_rc_t rc = s_each(it, s_look_at, &search);
    if (rc != NM_OK)
        return rc;
    if (search.packed.size)
        return nm_answer_problem(&it->answer, 409, NULL, "Another provider has this name.");
    if (search.count >= PROVIDERS_MAX)
        return nm_answer_problem(&it->answer, 409, NULL, "There are %u providers already; delete one first.",
                                 (unsigned) PROVIDERS_MAX);
    NM_PUT(&entry, provider_entry, name, ask.name);
    NM_PUT(&entry, provider_entry, kind, ask.kind);
    NM_PUT(&entry, provider_entry, is_active, true);
    NM_PUT(&entry, provider_entry, priority, NM_PROVIDER_PRIORITY);
    NM_PUT(&entry, provider_entry, created_at, it->now_ms);
    NM_PUT(&entry, provider_entry, config,
           NM_HAS(&ask, provider_ask, config) ? ask.config : nm_bytes(EMPTY_MAP, sizeof EMPTY_MAP));
    s_apply(&ask, &entry);
    s_refuse_files(entry.config, s_driver(&entry), faults);
    return s_save(it, 201, &entry);
}

static bool
s_is_null(nm_bytes_t map, nm_bytes_t key)
{
    char name[NM_NAME_MAX + 1];
    nm_bytes_t raw;
    nm_reader_t reader;
    nm_bytes_to_text(key, name, sizeof name);
    if (nm_reader_find(map, name, &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    return nm_reader_peek(&reader) == NM_KIND_NIL;
}

static bool
s_has(nm_bytes_t map, nm_bytes_t key)
{
    char name[NM_NAME_MAX + 1];
    nm_bytes_t raw;
    nm_bytes_to_text(key, name, sizeof name);
    return nm_reader_find(map, name, &raw) == NM_OK;
}

//  Adds the pairs of a map that are not null, nor in but.
static size_t
s_add_pairs(nm_buf_t *out, nm_bytes_t map, nm_bytes_t but)
{
    nm_bytes_t key, raw;
    nm_reader_t reader;
    uint32_t left;
    size_t count = 0;
    nm_reader_open(&reader, map);
    if (nm_reader_map(&reader, &left) != NM_OK)
        return 0;
    while (left-- && nm_reader_str(&reader, &key) == NM_OK && nm_reader_raw(&reader, &raw) == NM_OK) {
        if (s_is_null(map, key) || (but.size && s_has(but, key)))
            continue;
        nm_writer_str(out, key);
        nm_writer_raw(out, raw);
        count++;
    }
    return count;
}

//  RFC 7396: what the patch does not name stays, secrets too; what it names as null goes.
static void
s_merge_config(const nm_provider_ask_t *ask, nm_provider_entry_t *entry, nm_buf_t *out)
{
    if (!NM_HAS(ask, provider_ask, config))
        return;
    size_t mark = nm_writer_map_open(out);
    size_t count = s_add_pairs(out, entry->config, ask->config);
    count += s_add_pairs(out, ask->config, nm_bytes(NULL, 0));
    nm_writer_map_close(out, mark, count);
    NM_PUT(entry, provider_entry, config, nm_buf_bytes(out));
}

static void
s_clear(nm_case_t *it, nm_provider_entry_t *entry)
{
    static const struct {
        const char *name;
        unsigned number;
        bool may;
    } FIELDS[] = {
        { "channels", NM_AT_provider_entry_channels, true },  { "services", NM_AT_provider_entry_services, true },
        { "kind", NM_AT_provider_entry_kind, false },         { "is_active", NM_AT_provider_entry_is_active, false },
        { "priority", NM_AT_provider_entry_priority, false }, { "config", NM_AT_provider_entry_config, false },
    };
    for (size_t i = 0; i < NM_COUNT(FIELDS); i++) {
        if (!s_is_null(it->ask->body, nm_text(FIELDS[i].name)))
            continue;
        if (FIELDS[i].may)
            entry->has &= ~(UINT64_C(1) << FIELDS[i].number);
        else
            nm_faults_add(&it->gateway->faults, "", FIELDS[i].name, "cannot be cleared");
    }
}

nm_rc_t
nm_op_providers_patch(nm_case_t *it)
{
    nm_provider_ask_t ask;
    nm_provider_entry_t entry;
    nm_faults_t *faults = &it->gateway->faults;
    if (nm_case_decode(it, &nm_provider_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, &ask, &entry);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (NM_HAS(&ask, provider_ask, kind) && !nm_bytes_equal(ask.kind, entry.kind))
        nm_faults_add(faults, "", "kind", "cannot be changed: make another provider");
    if (NM_HAS(&ask, provider_ask, config))
        s_refuse_files(ask.config, s_driver(&entry), faults);
    nm_buf_t config = { 0 };
    s_apply(&ask, &entry);
    s_clear(it, &entry);
    s_merge_config(&ask, &entry, &config);
    rc = s_save(it, 200, &entry);
    if (config.at)
        sodium_memzero(config.at, config.size);
    nm_buf_free(&config);
    return rc;
}

nm_rc_t
nm_op_providers_delete(nm_case_t *it)
{
    nm_provider_ask_t ask;
    nm_provider_entry_t entry;
    if (nm_case_decode(it, &nm_provider_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, &ask, &entry);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    rc = s_import(it);
    if (rc == NM_OK)
        rc = nm_turn_book_delete(it->turn, NM_PROVIDERS_BOOK, entry.name);
    return rc == NM_OK ? nm_answer(&it->answer, 204, nm_bytes(NULL, 0)) : rc;
}
