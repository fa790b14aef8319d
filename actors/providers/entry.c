#include "actors/providers/entry.h"

#include <sodium.h>

#include "actors/providers/setup.h"
#include "lmdb_store/book.h"
#include "wire/reader.h"
#include "wire/writer.h"

NM_RECORD_DEFINE(provider_entry, NM_PROVIDER_ENTRY_FIELDS, NULL, 0);

static const char FILE_END[] = "_file";

nm_rc_t
nm_provider_book_counts(nm_txn_t *txn, bool *counts)
{
    nm_book_head_t head;
    nm_rc_t rc = nm_book_load(txn, NM_PROVIDERS_BOOK, &head);
    if (rc == NM_OK)
        *counts = head.number > 0;
    return rc;
}

bool
nm_provider_is_secret(const nm_driver_t *driver, nm_bytes_t setting)
{
    for (size_t i = 0; driver && i < driver->secret_count; i++)
        if (nm_bytes_is(setting, driver->secrets[i]))
            return true;
    return false;
}

bool
nm_provider_is_secret_file(const nm_driver_t *driver, nm_bytes_t setting)
{
    size_t size = sizeof FILE_END - 1;
    if (setting.size <= size || memcmp(setting.at + setting.size - size, FILE_END, size) != 0)
        return false;
    return nm_provider_is_secret(driver, nm_bytes(setting.at, setting.size - size));
}

//  -- Entry to tree

//  The lines of a list, with spaces between.
static void
s_add_lines(nm_zpl_t *tree, const char *name, nm_bytes_t lines, const char *pointer)
{
    nm_list_t list;
    nm_bytes_t raw, line;
    nm_reader_t reader;
    nm_buf_t text = { 0 };
    nm_list_open(&list, lines);
    while (nm_list_next(&list, &raw) == NM_OK) {
        nm_reader_open(&reader, raw);
        if (nm_reader_str(&reader, &line) == NM_OK)
            nm_buf_format(&text, "%s%.*s", text.size ? " " : "", NM_PRINT(line));
    }
    nm_buf_add(&text, "", 1);
    nm_zpl_add(tree, name, (const char *) text.at, pointer);
    nm_buf_free(&text);
}

static bool
s_is_line(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < ' ' || text.at[i] == 0x7f)
            return false;
    return true;
}

//  The text of a setting's value. False: it has none.
static bool
s_value_text(nm_bytes_t raw, nm_buf_t *out)
{
    nm_reader_t reader;
    nm_value_t value;
    nm_reader_open(&reader, raw);
    switch (nm_reader_value(&reader, &value)) {
    case NM_KIND_STR:
        if (!s_is_line(value.bytes))
            return false;
        nm_buf_add_bytes(out, value.bytes);
        break;
    case NM_KIND_UINT: nm_buf_format(out, "%llu", (unsigned long long) value.number); break;
    case NM_KIND_BOOL: nm_buf_add_text(out, value.flag ? "true" : "false"); break;
    default: return false;
    }
    nm_buf_add(out, "", 1);
    return true;
}

//  A setting of config. What all providers have stands beside config, not in it.
static nm_rc_t
s_add_setting(nm_zpl_t *tree, const nm_driver_t *driver, nm_bytes_t key, nm_bytes_t raw, bool to_check,
              nm_error_t *error)
{
    char name[NM_NAME_MAX + 1], pointer[NM_NAME_MAX + 16];
    nm_buf_t value = { 0 };
    nm_rc_t rc = NM_OK;
    nm_bytes_to_text(key, name, sizeof name);
    snprintf(pointer, sizeof pointer, "/config/%s", name);
    if (!key.size || key.size > NM_NAME_MAX || nm_zpl_find(tree, name) || strpbrk(name, "~/"))
        rc = nm_fail(error, NM_ERR_MALFORMED, "/config: \"%s\" is not a setting", name);
    else if (!s_value_text(raw, &value))
        rc = nm_fail(error, NM_ERR_MALFORMED, "%s: must be a text of one line, a number, true or false", pointer);
    if (rc == NM_OK && to_check && nm_provider_is_secret_file(driver, key)) {
        name[key.size - (sizeof FILE_END - 1)] = 0;
        nm_zpl_add(tree, name, "-", pointer);
    } else if (rc == NM_OK) {
        nm_zpl_add(tree, name, (const char *) value.at, pointer);
    }
    if (value.at)
        sodium_memzero(value.at, value.size);
    nm_buf_free(&value);
    return rc;
}

static nm_rc_t
s_add_config(nm_zpl_t *tree, const nm_provider_entry_t *entry, bool to_check, nm_error_t *error)
{
    char kind[NM_NAME_MAX + 1];
    nm_bytes_t key, raw;
    nm_reader_t reader;
    uint32_t count;
    nm_bytes_to_text(entry->kind, kind, sizeof kind);
    const nm_driver_t *driver = nm_driver_find(kind);
    nm_reader_open(&reader, entry->config);
    nm_rc_t rc = nm_reader_map(&reader, &count);
    while (rc == NM_OK && count--) {
        rc = nm_reader_str(&reader, &key);
        if (rc == NM_OK)
            rc = nm_reader_raw(&reader, &raw);
        if (rc == NM_OK)
            rc = s_add_setting(tree, driver, key, raw, to_check, error);
    }
    return rc;
}

nm_zpl_t *
nm_provider_entry_tree(const nm_provider_entry_t *entry, bool to_check, nm_error_t *error)
{
    char name[NM_NAME_MAX + 1], kind[NM_NAME_MAX + 1], priority[24];
    nm_bytes_to_text(entry->name, name, sizeof name);
    nm_bytes_to_text(entry->kind, kind, sizeof kind);
    snprintf(priority, sizeof priority, "%llu", (unsigned long long) entry->priority);
    nm_zpl_t *tree = nm_zpl_new(name, "/config");
    nm_zpl_add(tree, "kind", kind, "/kind");
    nm_zpl_add(tree, "priority", priority, "/priority");
    nm_zpl_add(tree, "active", entry->is_active ? "true" : "false", "/is_active");
    if (NM_HAS(entry, provider_entry, channels))
        s_add_lines(tree, "channels", entry->channels, "/channels");
    if (NM_HAS(entry, provider_entry, services))
        s_add_lines(tree, "services", entry->services, "/services");
    if (s_add_config(tree, entry, to_check, error) != NM_OK)
        nm_zpl_destroy(&tree);
    return tree;
}

//  -- Node to entry

//  "2525" becomes a number, "true" a truth; whatever would not come back as it was stays a text.
static void
s_write_value(nm_buf_t *out, const char *text)
{
    size_t size = strlen(text);
    bool number = size && size < 16 && strspn(text, "0123456789") == size && (text[0] != '0' || size == 1);
    if (number)
        nm_writer_uint(out, strtoull(text, NULL, 10));
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        nm_writer_bool(out, text[0] == 't');
    else
        nm_writer_text(out, text);
}

static const char *
s_setting(const nm_zpl_t *node, const char *name)
{
    const nm_zpl_t *child = nm_zpl_find(node, name);
    return child && child->value ? child->value : "";
}

//  Words with spaces or commas between, as a list.
static void
s_write_words(nm_buf_t *out, const char *text)
{
    size_t mark = nm_writer_list_open(out), count = 0;
    while (*(text += strspn(text, " ,"))) {
        size_t size = strcspn(text, " ,");
        nm_writer_str(out, nm_bytes(text, size));
        text += size;
        count++;
    }
    nm_writer_list_close(out, mark, count);
}

void
nm_provider_entry_from(const nm_zpl_t *node, int64_t now_ms, nm_provider_entry_t *entry, nm_buf_t *out)
{
    uint64_t priority = NM_PROVIDER_PRIORITY;
    bool active = true;
    *entry = (nm_provider_entry_t){ .has = 0 };
    nm_zpl_number(node, "priority", 0, NM_PROVIDER_PRIORITY_MAX, NM_PROVIDER_PRIORITY, &priority, NULL);
    nm_zpl_bool(node, "active", true, &active, NULL);
    NM_PUT(entry, provider_entry, name, nm_text(node->name));
    NM_PUT(entry, provider_entry, kind, nm_text(s_setting(node, "kind")));
    NM_PUT(entry, provider_entry, is_active, active);
    NM_PUT(entry, provider_entry, priority, priority);
    NM_PUT(entry, provider_entry, created_at, now_ms);
    NM_PUT(entry, provider_entry, updated_at, now_ms);

    //  The views are set last: until then out may move.
    nm_buf_clear(out);
    s_write_words(out, s_setting(node, "channels"));
    size_t services_at = out->size;
    s_write_words(out, s_setting(node, "services"));
    size_t config_at = out->size, count = 0;
    size_t mark = nm_writer_map_open(out);
    for (const nm_zpl_t *child = node->child; child; child = child->next) {
        if (nm_provider_is_common(child->name) || !child->value)
            continue;
        nm_writer_text(out, child->name);
        s_write_value(out, child->value);
        count++;
    }
    nm_writer_map_close(out, mark, count);
    if (*s_setting(node, "channels"))
        NM_PUT(entry, provider_entry, channels, nm_bytes(out->at, services_at));
    if (*s_setting(node, "services"))
        NM_PUT(entry, provider_entry, services, nm_bytes(out->at + services_at, config_at - services_at));
    NM_PUT(entry, provider_entry, config, nm_bytes(out->at + config_at, out->size - config_at));
}
