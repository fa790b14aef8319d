//  providers - operations on the book of providers, for the admin. What is not right is refused here, before any actor
//  that sends sees it: the driver itself checks it, on a tree that names no files (actors/providers/entry.h).

#include <sodium.h>

#include "actors/accounts/provider_reads.h"
#include "actors/providers/setup.h"
#include "actors/user/ops.h"
#include "wire/asks.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { PROVIDERS_MAX = NM_LIST_MAX };

static const uint8_t EMPTY_MAP[] = { 0x80 };

static nm_rc_t
s_put(nm_act_t *it, void *arg, const nm_provider_entry_t *entry)
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
s_import(nm_act_t *it)
{
    bool counts = false;
    nm_rc_t rc = nm_provider_book_counts(it->txn, &counts);
    return rc == NM_OK && !counts ? nm_act_each_of_file(it, s_put, NULL) : rc;
}

//  -- Changes

//  The driver reads it, and nothing is kept of that. Its sentence is "POINTER: reason".
static void
s_check(nm_act_t *it, const nm_provider_entry_t *entry)
{
    nm_faults_t *faults = it->faults;
    nm_provider_setup_t setup;
    nm_error_t error = { "" };
    nm_zpl_t *tree = nm_provider_entry_tree(entry, true, &error);
    nm_rc_t rc = tree ? nm_provider_setup_open(&setup, tree, it->mesh, &error) : NM_ERR_MALFORMED;
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
s_save(nm_act_t *it, unsigned status, nm_provider_entry_t *entry)
{
    nm_faults_t *faults = it->faults;
    if (!faults->count)
        s_check(it, entry);
    if (faults->count)
        return nm_act_faulty(it, "The provider has faults");
    if (nm_turn_tight(it->turn))
        return nm_act_full(it);
    NM_PUT(entry, provider_entry, updated_at, it->now_ms);
    nm_rc_t rc = s_import(it);
    if (rc == NM_OK)
        rc = s_put(it, NULL, entry);
    return rc == NM_OK ? nm_act_show_provider(it, status, entry) : rc;
}

nm_rc_t
nm_act_providers_create(nm_act_t *it)
{
    nm_provider_ask_t ask;
    nm_provider_entry_t entry;
    nm_faults_t *faults = it->faults;
    if (nm_act_decode(it, &nm_provider_new_shape, &ask, false) != NM_OK)
        return NM_OK;
    if (!nm_role_is_name(ask.name))
        nm_faults_add(faults, "", "name", "must be of the letters a-z, digits and dashes, and not begin with a dash");
    size_t count;
    nm_rc_t rc = nm_act_find_provider(it, ask.name, &entry, &count);
    if (rc == NM_OK)
        return nm_act_problem(it, 409, "Another provider has this name.");
    if (rc != NM_ERR_MISSING)
        return rc;
    entry = (nm_provider_entry_t){ .has = 0 };
    if (count >= PROVIDERS_MAX)
        return nm_act_problem(it, 409, "There are %u providers already; delete one first.", (unsigned) PROVIDERS_MAX);
    NM_PUT(&entry, provider_entry, name, ask.name);
    NM_PUT(&entry, provider_entry, kind, ask.kind);
    NM_PUT(&entry, provider_entry, is_active, true);
    NM_PUT(&entry, provider_entry, priority, NM_PROVIDER_PRIORITY);
    NM_PUT(&entry, provider_entry, created_at, it->now_ms);
    NM_PUT(&entry, provider_entry, config,
           NM_HAS(&ask, provider_ask, config) ? ask.config : nm_bytes(EMPTY_MAP, sizeof EMPTY_MAP));
    s_apply(&ask, &entry);
    s_refuse_files(entry.config, nm_act_driver(&entry), faults);
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

nm_rc_t
nm_act_providers_patch(nm_act_t *it)
{
    static const nm_act_field_t FIELDS[] = {
        { "channels", NM_AT_provider_entry_channels, true },  { "services", NM_AT_provider_entry_services, true },
        { "kind", NM_AT_provider_entry_kind, false },         { "is_active", NM_AT_provider_entry_is_active, false },
        { "priority", NM_AT_provider_entry_priority, false }, { "config", NM_AT_provider_entry_config, false },
    };
    nm_provider_ask_t ask;
    nm_provider_entry_t entry;
    nm_faults_t *faults = it->faults;
    if (nm_act_decode(it, &nm_provider_change_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_provider(it, ask.name, &entry, NULL);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? nm_act_unknown(it, "provider") : rc;
    if (NM_HAS(&ask, provider_ask, kind) && !nm_bytes_equal(ask.kind, entry.kind))
        nm_faults_add(faults, "", "kind", "cannot be changed: make another provider");
    if (NM_HAS(&ask, provider_ask, config))
        s_refuse_files(ask.config, nm_act_driver(&entry), faults);
    nm_buf_t config = { 0 };
    s_apply(&ask, &entry);
    nm_act_clear(it, FIELDS, NM_COUNT(FIELDS), &entry.has);
    s_merge_config(&ask, &entry, &config);
    rc = s_save(it, 200, &entry);
    if (config.at)
        sodium_memzero(config.at, config.size);
    nm_buf_free(&config);
    return rc;
}

nm_rc_t
nm_act_providers_delete(nm_act_t *it)
{
    nm_provider_ask_t ask;
    nm_provider_entry_t entry;
    if (nm_act_decode(it, &nm_provider_ref_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_provider(it, ask.name, &entry, NULL);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? nm_act_unknown(it, "provider") : rc;
    rc = s_import(it);
    if (rc == NM_OK)
        rc = nm_turn_book_delete(it->turn, NM_PROVIDERS_BOOK, entry.name);
    return rc == NM_OK ? nm_act_nothing(it) : rc;
}
