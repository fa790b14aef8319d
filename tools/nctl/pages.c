#include "tools/nctl/pages.h"
#include "tools/nctl/grid.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/when.h"

static void
s_add_part(nm_buf_t *out, const char *name, const json_t *value)
{
    const char *gap = out->size ? " " : "";
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    nm_buf_format(out, "%s%s%s%s", gap, name, name[0] ? "=" : "",
                  json_is_string(value) ? json_string_value(value) : text);
    free(text);
}

//  The items of a list, or NAME=VALUE of an object, one after the other.
static void
s_add_parts(nm_buf_t *out, const json_t *value)
{
    size_t i;
    const char *name;
    json_t *part;
    json_array_foreach(value, i, part) s_add_part(out, "", part);
    json_object_foreach((json_t *) (uintptr_t) value, name, part) s_add_part(out, name, part);
}

static void
s_cell(nm_grid_t *grid, const json_t *value)
{
    if (json_is_boolean(value)) {
        nm_grid_text(grid, json_is_true(value) ? "yes" : "no");
    } else if (json_is_integer(value)) {
        nm_grid_add(grid, "%lld", (long long) json_integer_value(value));
    } else if (json_is_array(value) || json_is_object(value)) {
        nm_buf_t text = { 0 };
        s_add_parts(&text, value);
        nm_buf_add(&text, "", 1);
        nm_grid_text(grid, (char *) text.at);
        nm_buf_free(&text);
    } else {
        nm_grid_text(grid, json_string_value(value));
    }
}

void
nm_pages_table(const json_t *items, const nm_column_t *columns, size_t column_count)
{
    size_t i;
    json_t *item;
    nm_buf_t titles = { 0 };
    for (size_t column = 0; column < column_count; column++)
        nm_buf_format(&titles, "%s%s", column ? "|" : "", columns[column].title);
    nm_buf_add(&titles, "", 1);
    nm_grid_t *grid = nm_grid_new((char *) titles.at);
    json_array_foreach(items, i, item)
    {
        for (size_t column = 0; column < column_count; column++)
            s_cell(grid, json_object_get(item, columns[column].field));
    }
    nm_grid_print(grid, stdout);
    nm_grid_destroy(&grid);
    nm_buf_free(&titles);
}

//  Who was away when the page was made: what they keep is not in it.
static void
s_say_missing(const json_t *page)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(page, "missing"), i, name)
        nm_nctl_say("%s is away: what it keeps is not in this list", json_string_value(name));
}

int
nm_pages_print(nm_nctl_t *nctl, const char *op, json_t *body, const nm_column_t *columns, size_t column_count)
{
    json_t *page;
    int code = nm_reach_ask(nctl, op, body, false, &page);
    if (code != NM_DONE)
        return code;
    if (nctl->json) {
        nm_json_print(page, false, stdout);
    } else {
        nm_pages_table(json_object_get(page, "items"), columns, column_count);
        if (nm_json_text(page, "next_cursor")[0])
            nm_nctl_say("There is more: --cursor %s", nm_json_text(page, "next_cursor"));
        s_say_missing(page);
    }
    json_decref(page);
    return NM_DONE;
}

void
nm_pages_text(json_t *body, const nm_options_t *options, const char *option, const char *field)
{
    const char *text = nm_options_text(options, option, NULL);
    if (text)
        json_object_set_new(body, field, json_string(text));
}

nm_rc_t
nm_pages_time(json_t *body, const nm_options_t *options, const char *option, const char *field, nm_error_t *error)
{
    char at[40];
    const char *text = nm_options_text(options, option, NULL);
    if (!text)
        return NM_OK;
    if (nm_when_time(text, nm_when_now(), at, sizeof at) != NM_OK)
        return nm_fail(error, NM_ERR_MALFORMED,
                       "--%s \"%s\": a time as 2026-11-21T08:00:00Z, or 2h for two hours ago, "
                       "was expected",
                       option, text);
    json_object_set_new(body, field, json_string(at));
    return NM_OK;
}

nm_rc_t
nm_pages_number(json_t *body, const nm_options_t *options, const char *option, const char *field, uint64_t most,
                nm_error_t *error)
{
    uint64_t number;
    if (!nm_options_has(options, option))
        return NM_OK;
    nm_rc_t rc = nm_options_number(options, option, 1, most, 0, &number, error);
    if (rc == NM_OK)
        json_object_set_new(body, field, json_integer((json_int_t) number));
    return rc;
}

int
nm_pages_list(nm_nctl_t *nctl, const char *op, json_t *body, const nm_column_t *columns, size_t column_count)
{
    nm_error_t error = { "" };
    nm_pages_text(body, &nctl->options, "cursor", "cursor");
    if (nm_pages_number(body, &nctl->options, "limit", "limit", 200, &error) == NM_OK)
        return nm_pages_print(nctl, op, body, columns, column_count);
    json_decref(body);
    return nm_nctl_misused(nctl, "%s", error.text);
}

void
nm_pages_done(const nm_nctl_t *nctl, const json_t *reply, const char *format, ...)
{
    if (nctl->json && reply) {
        nm_json_print(reply, false, stdout);
        return;
    }
    if (nctl->json)
        return;
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

json_t *
nm_pages_secret(const char *path, nm_error_t *error)
{
    nm_buf_t text = { 0 };
    json_t *value = NULL;
    bool absolute = path[0] == '/';
    const char *name = strcmp(path, "-") == 0 ? "dev/stdin" : absolute ? path + 1 : path;
    bool in_root = absolute || strcmp(path, "-") == 0;
    if (nm_files_read(in_root ? "/" : ".", name, &text, error) == NM_OK) {
        value = json_stringn((const char *) text.at, strcspn((const char *) text.at, "\r\n"));
        if (!value)
            nm_fail(error, NM_ERR_MALFORMED, "the first line of %s is not text", path);
        explicit_bzero(text.at, text.size);
    }
    nm_buf_free(&text);
    return value;
}

int
nm_pages_one(nm_nctl_t *nctl, const char *op, const char *key, const char *value)
{
    json_t *reply;
    int code = nm_reach_ask(nctl, op, json_pack("{ss}", key, value), false, &reply);
    if (code == NM_DONE && reply)
        nm_json_print(reply, !nctl->json, stdout);
    else if (code == NM_DONE)
        nm_pages_done(nctl, NULL, "%s is deleted", value);
    json_decref(reply);
    return code;
}
