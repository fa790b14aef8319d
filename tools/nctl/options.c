#include "tools/nctl/options.h"
#include <errno.h>

static const nm_option_t *
s_find(const nm_option_t *rows, const char *name, size_t size)
{
    for (; rows && rows->name; rows++) {
        if (strlen(rows->name) == size && memcmp(rows->name, name, size) == 0)
            return rows;
    }
    return NULL;
}

static const nm_option_t *
s_find_letter(const nm_option_t *rows, char letter)
{
    for (; rows && rows->name; rows++) {
        if (rows->letter == letter)
            return rows;
    }
    return NULL;
}

static nm_rc_t
s_add(nm_options_t *self, const nm_option_t *row, const char *value, nm_error_t *error)
{
    if (self->given_count == NM_OPTIONS_MAX)
        return nm_fail(error, NM_ERR_MALFORMED, "more than %d options were given", NM_OPTIONS_MAX);
    self->given[self->given_count++] = (nm_given_t){ .row = row, .value = value };
    return NM_OK;
}

//  The row that an argument names, and the value that is glued to it, if any.
static const nm_option_t *
s_match(const nm_option_t *rows, const nm_option_t *shared, const char *arg, const char **glued)
{
    *glued = NULL;
    const nm_option_t *row;
    if (arg[1] == '-') {
        size_t size = strcspn(arg + 2, "=");
        row = s_find(rows, arg + 2, size);
        row = row ? row : s_find(shared, arg + 2, size);
        *glued = arg[2 + size] ? arg + 3 + size : NULL;
        return row;
    }
    row = s_find_letter(rows, arg[1]);
    row = row ? row : s_find_letter(shared, arg[1]);
    *glued = arg[2] ? arg + 2 : NULL;
    return row;
}

nm_rc_t
nm_options_parse(nm_options_t *self, const nm_option_t *rows, const nm_option_t *shared, int argc, char **argv,
                 nm_error_t *error)
{
    *self = (nm_options_t){ .args = nm_alloc(((size_t) argc + 1) * sizeof *self->args) };
    bool ended = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (ended || arg[0] != '-' || !arg[1]) {
            self->args[self->arg_count++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            ended = true;
            continue;
        }
        const char *value;
        const nm_option_t *row = s_match(rows, shared, arg, &value);
        if (!row)
            return nm_fail(error, NM_ERR_MALFORMED, "\"%s\" is not an option here", arg);
        if (!row->value && value)
            return nm_fail(error, NM_ERR_MALFORMED, "\"%s\": --%s takes no value", arg, row->name);
        if (row->value && !value && i + 1 == argc)
            return nm_fail(error, NM_ERR_MALFORMED, "\"%s\" needs a value: --%s %s", arg, row->name, row->value);
        if (row->value && !value)
            value = argv[++i];
        nm_rc_t rc = s_add(self, row, value, error);
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

void
nm_options_free(nm_options_t *self)
{
    free(self->args);
    *self = (nm_options_t){ 0 };
}

const char *
nm_options_text(const nm_options_t *self, const char *name, const char *otherwise)
{
    for (size_t i = self->given_count; i > 0; i--) {
        if (strcmp(self->given[i - 1].row->name, name) == 0)
            return self->given[i - 1].value;
    }
    return otherwise;
}

bool
nm_options_has(const nm_options_t *self, const char *name)
{
    for (size_t i = 0; i < self->given_count; i++) {
        if (strcmp(self->given[i].row->name, name) == 0)
            return true;
    }
    return false;
}

const char *
nm_options_repeat(const nm_options_t *self, const char *name, size_t index)
{
    for (size_t i = 0; i < self->given_count; i++) {
        if (strcmp(self->given[i].row->name, name) == 0 && index-- == 0)
            return self->given[i].value;
    }
    return NULL;
}

nm_rc_t
nm_options_number(const nm_options_t *self, const char *name, uint64_t least, uint64_t most, uint64_t otherwise,
                  uint64_t *value, nm_error_t *error)
{
    const char *text = nm_options_text(self, name, NULL);
    *value = otherwise;
    if (!text)
        return NM_OK;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || number < least || number > most)
        return nm_fail(error, NM_ERR_MALFORMED, "--%s \"%s\": a number from %llu to %llu was expected", name, text,
                       (unsigned long long) least, (unsigned long long) most);
    *value = number;
    return NM_OK;
}

void
nm_options_wrap(FILE *out, const char *text, size_t indent)
{
    enum { WIDTH = 100 };
    size_t column = indent;
    while (*text) {
        size_t size = strcspn(text, " ");
        if (column > indent && column + 1 + size > WIDTH) {
            fprintf(out, "\n%*s", (int) indent, "");
            column = indent;
        }
        column += (size_t) fprintf(out, "%s%.*s", column > indent ? " " : "", (int) size, text);
        text += size + strspn(text + size, " ");
    }
    fputc('\n', out);
}

void
nm_options_print(FILE *out, const nm_option_t *rows)
{
    enum { NAME_WIDTH = 28 };
    for (; rows && rows->name; rows++) {
        char head[64];
        snprintf(head, sizeof head, "%c%c%c --%s%s%s", rows->letter ? '-' : ' ', rows->letter ? rows->letter : ' ',
                 rows->letter ? ',' : ' ', rows->name, rows->value ? " " : "", rows->value ? rows->value : "");
        fprintf(out, "  %-*s ", NAME_WIDTH, head);
        nm_options_wrap(out, rows->doc, strlen(head) > NAME_WIDTH ? strlen(head) + 3 : NAME_WIDTH + 3);
    }
}
