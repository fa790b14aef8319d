#include "broker/zpl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "wire/utf8.h"

enum { TEXT_MAX = 1024 * 1024, LEVEL_MAX = 16, NODE_MAX = 10000, INDENT = 4 };

//  -- The tree

static nm_zpl_t *
s_new_node(const char *file, nm_bytes_t name, unsigned line)
{
    nm_zpl_t *self = nm_alloc(sizeof *self);
    self->file = file;
    self->line = line;
    self->name = nm_alloc(name.size + 1);
    nm_bytes_to_text(name, self->name, name.size + 1);
    return self;
}

//  The place stands behind the name, in the same memory.
nm_zpl_t *
nm_zpl_new(const char *name, const char *place)
{
    nm_zpl_t *self = nm_alloc(sizeof *self);
    size_t name_size = strlen(name) + 1, place_size = strlen(place) + 1;
    self->name = nm_alloc(name_size + place_size);
    memcpy(self->name, name, name_size);
    memcpy(self->name + name_size, place, place_size);
    self->file = self->name + name_size;
    return self;
}

nm_zpl_t *
nm_zpl_add(nm_zpl_t *self, const char *name, const char *value, const char *place)
{
    nm_zpl_t **at = &self->child;
    while (*at)
        at = &(*at)->next;
    *at = nm_zpl_new(name, place);
    size_t size = strlen(value) + 1;
    (*at)->value = nm_alloc(size);
    memcpy((*at)->value, value, size);
    return *at;
}

//  Recursion is as deep as the file is, at most LEVEL_MAX.
static void
s_destroy_list(nm_zpl_t *node)
{
    while (node) {
        nm_zpl_t *next = node->next;
        s_destroy_list(node->child);
        free(node->name);
        if (node->value)
            explicit_bzero(node->value, strlen(node->value));  //  It may be a secret
        free(node->value);
        free(node);
        node = next;
    }
}

void
nm_zpl_destroy(nm_zpl_t **self_p)
{
    s_destroy_list(*self_p);
    *self_p = NULL;
}

const nm_zpl_t *
nm_zpl_find(const nm_zpl_t *self, const char *name)
{
    for (const nm_zpl_t *child = self ? self->child : NULL; child; child = child->next)
        if (strcmp(child->name, name) == 0)
            return child;
    return NULL;
}

nm_rc_t
nm_zpl_fail(const nm_zpl_t *node, nm_error_t *error, const char *format, ...)
{
    nm_error_t reason;
    va_list args;
    va_start(args, format);
    vsnprintf(reason.text, sizeof reason.text, format, args);
    va_end(args);
    if (!node->line)
        return nm_fail(error, NM_ERR_MALFORMED, "%s: %.380s", node->file, reason.text);
    return nm_fail(error, NM_ERR_MALFORMED, "%s line %u: %.380s", node->file, node->line, reason.text);
}

//  -- Reading

typedef struct {
    nm_zpl_t *root;
    nm_zpl_t *last[LEVEL_MAX + 1];  //  The node that was read last on each level; 0 is the root
    size_t level;                   //  Of the node before
    size_t node_count;
    nm_zpl_t here;  //  Where a fault is, for nm_zpl_fail
    nm_error_t *error;
} parse_t;

static bool
s_is_name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("$-_@.&+/", c));
}

static nm_bytes_t
s_skip(nm_bytes_t text, size_t count)
{
    return nm_bytes(text.at + count, text.size - count);
}

static nm_bytes_t
s_skip_spaces(nm_bytes_t text)
{
    while (text.size && text.at[0] == ' ')
        text = s_skip(text, 1);
    return text;
}

//  Takes one line without its end off rest; a CR before the LF goes too.
static nm_bytes_t
s_take_line(nm_bytes_t *rest)
{
    const uint8_t *end = memchr(rest->at, '\n', rest->size);
    nm_bytes_t line = nm_bytes(rest->at, end ? (size_t) (end - rest->at) : rest->size);
    *rest = s_skip(*rest, line.size + (end ? 1 : 0));
    if (line.size && line.at[line.size - 1] == '\r')
        line.size--;
    return line;
}

//  The value after the equals sign. A quoted one ends at the same quote; there are no
//  escapes. A bare one ends at a # or the end of the line.
static nm_rc_t
s_take_value(parse_t *self, nm_bytes_t rest, nm_bytes_t *value)
{
    rest = s_skip_spaces(rest);
    if (rest.size && (rest.at[0] == '"' || rest.at[0] == '\'')) {
        const uint8_t *end = memchr(rest.at + 1, rest.at[0], rest.size - 1);
        if (!end)
            return nm_zpl_fail(&self->here, self->error, "the quote is not closed");
        *value = nm_bytes(rest.at + 1, (size_t) (end - rest.at) - 1);
        rest = s_skip_spaces(s_skip(rest, value->size + 2));
        if (rest.size && rest.at[0] != '#')
            return nm_zpl_fail(&self->here, self->error, "something follows the closing quote");
        return NM_OK;
    }
    const uint8_t *comment = memchr(rest.at, '#', rest.size);
    *value = nm_bytes(rest.at, comment ? (size_t) (comment - rest.at) : rest.size);
    while (value->size && value->at[value->size - 1] == ' ')
        value->size--;
    if (!value->size)
        return nm_zpl_fail(&self->here, self->error, "a value is missing after the equals sign");
    return NM_OK;
}

//  Hangs a node below the last one of the level above. NULL, with the sentence, if it may not.
static nm_zpl_t *
s_add_node(parse_t *self, nm_bytes_t name, size_t level)
{
    nm_rc_t rc = NM_OK;
    if (level >= LEVEL_MAX)
        rc = nm_zpl_fail(&self->here, self->error, "more than %d levels", LEVEL_MAX);
    else if (level > self->level + 1 || !self->last[level])
        rc = nm_zpl_fail(&self->here, self->error, "more than one level (4 spaces) below the line before");
    else if (++self->node_count > NODE_MAX)
        rc = nm_zpl_fail(&self->here, self->error, "more than %d settings", NODE_MAX);
    if (rc != NM_OK)
        return NULL;

    nm_zpl_t **place = &self->last[level]->child;
    for (; *place; place = &(*place)->next)
        if (nm_bytes_is(name, (*place)->name)) {
            nm_zpl_fail(&self->here, self->error, "\"%s\" stands in line %u already", (*place)->name, (*place)->line);
            return NULL;
        }
    *place = s_new_node(self->here.file, name, self->here.line);
    self->last[level + 1] = *place;
    self->level = level;
    return *place;
}

static nm_rc_t
s_check_text(parse_t *self, nm_bytes_t line)
{
    if (!nm_utf8_is_valid(line))
        return nm_zpl_fail(&self->here, self->error, "not UTF-8");
    for (size_t i = 0; i < line.size; i++) {
        if (line.at[i] == '\t')
            return nm_zpl_fail(&self->here, self->error, "a tab; indent with 4 spaces");
        if (line.at[i] < ' ' || line.at[i] == 0x7f)
            return nm_zpl_fail(&self->here, self->error, "a control character");
    }
    return NM_OK;
}

static nm_rc_t
s_parse_setting(parse_t *self, nm_bytes_t line)
{
    nm_bytes_t rest = s_skip_spaces(line);
    size_t indent = line.size - rest.size;
    if (indent % INDENT)
        return nm_zpl_fail(&self->here, self->error, "indented by %zu spaces; levels are 4 spaces apart", indent);

    nm_bytes_t name = nm_bytes(rest.at, 0);
    while (name.size < rest.size && s_is_name_char(rest.at[name.size]))
        name.size++;
    if (!name.size)
        return nm_zpl_fail(&self->here, self->error, "a name was expected, as in: name = \"value\"");
    if (name.size > NM_NAME_MAX)
        return nm_zpl_fail(&self->here, self->error, "a name of more than %d characters", NM_NAME_MAX);

    nm_zpl_t *node = s_add_node(self, name, indent / INDENT);
    if (!node)
        return NM_ERR_MALFORMED;

    rest = s_skip_spaces(s_skip(rest, name.size));
    if (!rest.size || rest.at[0] == '#')
        return NM_OK;
    if (rest.at[0] != '=')
        return nm_zpl_fail(&self->here, self->error, "an equals sign was expected after \"%s\"", node->name);
    nm_bytes_t value;
    nm_rc_t rc = s_take_value(self, s_skip(rest, 1), &value);
    if (rc != NM_OK)
        return rc;
    node->value = nm_alloc(value.size + 1);
    nm_bytes_to_text(value, node->value, value.size + 1);
    return NM_OK;
}

static nm_rc_t
s_parse_line(parse_t *self, nm_bytes_t line)
{
    nm_rc_t rc = s_check_text(self, line);
    if (rc != NM_OK)
        return rc;
    nm_bytes_t rest = s_skip_spaces(line);
    if (!rest.size || rest.at[0] == '#')
        return NM_OK;
    return s_parse_setting(self, line);
}

nm_zpl_t *
nm_zpl_parse(const char *label, nm_bytes_t text, nm_error_t *error)
{
    //  The root's name is the label, to which the nodes' file points
    parse_t parse = { .root = s_new_node(NULL, nm_text(label), 0), .error = error };
    parse.root->file = parse.here.file = parse.root->name;
    parse.last[0] = parse.root;

    nm_rc_t rc = NM_OK;
    if (text.size > TEXT_MAX)
        rc = nm_fail(error, NM_ERR_MALFORMED, "%s line 1: more than %d bytes", label, TEXT_MAX);
    while (rc == NM_OK && text.size) {
        parse.here.line++;
        rc = s_parse_line(&parse, s_take_line(&text));
    }
    if (rc != NM_OK)
        nm_zpl_destroy(&parse.root);
    return parse.root;
}

//  Reads at most TEXT_MAX + 1 bytes, so that a file that is too large shows as one.
static nm_rc_t
s_read_file(const char *path, nm_buf_t *text, nm_error_t *error)
{
    nm_rc_t rc = NM_ERR_IO;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        rc = nm_fail(error, errno == ENOENT ? NM_ERR_MISSING : NM_ERR_IO, "%s cannot be read: %s", path,
                     strerror(errno));
        goto done;
    }
    if (!S_ISREG(status.st_mode)) {
        nm_fail(error, rc, "%s is not a file", path);
        goto done;
    }
    ssize_t got;
    do {
        got = read(fd, nm_buf_reserve(text, 65536), 65536);
        if (got > 0)
            text->size += (size_t) got;
    } while ((got > 0 && text->size <= TEXT_MAX) || (got < 0 && errno == EINTR));
    if (got < 0) {
        nm_fail(error, rc, "%s cannot be read: %s", path, strerror(errno));
        goto done;
    }
    rc = NM_OK;

done:
    if (fd >= 0)
        close(fd);
    return rc;
}

nm_zpl_t *
nm_zpl_load(const char *path, nm_error_t *error)
{
    nm_zpl_t *self = NULL;
    nm_buf_t text = { 0 };
    if (s_read_file(path, &text, error) == NM_OK)
        self = nm_zpl_parse(path, nm_buf_bytes(&text), error);
    //  It may have held a secret key
    if (text.at)
        explicit_bzero(text.at, text.size);
    nm_buf_free(&text);
    return self;
}

//  -- Values

//  The child if it is there and has a value; NULL with NM_OK if it is not there.
static nm_rc_t
s_find_value(const nm_zpl_t *self, const char *name, const nm_zpl_t **child, nm_error_t *error)
{
    *child = nm_zpl_find(self, name);
    if (*child && !(*child)->value)
        return nm_zpl_fail(*child, error, "%s has no value", name);
    return NM_OK;
}

nm_rc_t
nm_zpl_text(const nm_zpl_t *self, const char *name, const char *otherwise, const char **value, nm_error_t *error)
{
    const nm_zpl_t *child;
    nm_rc_t rc = s_find_value(self, name, &child, error);
    if (rc == NM_OK)
        *value = child ? child->value : otherwise;
    return rc;
}

typedef struct {
    const char *text;
    uint64_t worth;
} unit_t;

static const unit_t DURATIONS[] = { { "", 1 },          { "ms", 1 },          { "s", 1000 },
                                    { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 } };
static const unit_t SIZES[] = { { "", 1 }, { "k", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 } };
static const unit_t NUMBERS[] = { { "", 1 } };

//  Digits and one of the units. False also if it does not fit 64 bits.
static bool
s_read_amount(const char *text, const unit_t *units, size_t unit_count, uint64_t *value)
{
    const char *at = text;
    uint64_t amount = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(amount, 10u, &amount) ||
            __builtin_add_overflow(amount, (uint64_t) (*at - '0'), &amount))
            return false;
    if (at == text)
        return false;
    for (size_t i = 0; i < unit_count; i++)
        if (strcmp(at, units[i].text) == 0)
            return !__builtin_mul_overflow(amount, units[i].worth, value);
    return false;
}

typedef struct {
    const unit_t *units;
    size_t unit_count;
    uint64_t least;
    uint64_t most;
    const char *expected;  //  What a person is told to write
} amount_rule_t;

static nm_rc_t
s_amount(const nm_zpl_t *self, const char *name, const amount_rule_t *rule, uint64_t otherwise, uint64_t *value,
         nm_error_t *error)
{
    const nm_zpl_t *child;
    nm_rc_t rc = s_find_value(self, name, &child, error);
    if (rc != NM_OK)
        return rc;
    if (!child) {
        *value = otherwise;
        return NM_OK;
    }
    uint64_t amount;
    if (!s_read_amount(child->value, rule->units, rule->unit_count, &amount))
        return nm_zpl_fail(child, error, "%s = \"%.80s\": expected %s", name, child->value, rule->expected);
    if (amount < rule->least || amount > rule->most)
        return nm_zpl_fail(child, error, "%s = \"%.80s\": allowed are %llu to %llu", name, child->value,
                           (unsigned long long) rule->least, (unsigned long long) rule->most);
    *value = amount;
    return NM_OK;
}

nm_rc_t
nm_zpl_number(const nm_zpl_t *self, const char *name, uint64_t least, uint64_t most, uint64_t otherwise,
              uint64_t *value, nm_error_t *error)
{
    const amount_rule_t rule = { NUMBERS, NM_COUNT(NUMBERS), least, most, "a number" };
    return s_amount(self, name, &rule, otherwise, value, error);
}

nm_rc_t
nm_zpl_duration(const nm_zpl_t *self, const char *name, int64_t most_ms, int64_t otherwise_ms, int64_t *value_ms,
                nm_error_t *error)
{
    const amount_rule_t rule = { DURATIONS, NM_COUNT(DURATIONS), 0, (uint64_t) most_ms,
                                 "a time such as 500ms, 30s, 5m, 12h or 7d" };
    uint64_t value;
    nm_rc_t rc = s_amount(self, name, &rule, (uint64_t) otherwise_ms, &value, error);
    if (rc == NM_OK)
        *value_ms = (int64_t) value;
    return rc;
}

nm_rc_t
nm_zpl_size(const nm_zpl_t *self, const char *name, uint64_t most, uint64_t otherwise, uint64_t *value,
            nm_error_t *error)
{
    const amount_rule_t rule = { SIZES, NM_COUNT(SIZES), 0, most, "a size such as 512k, 64M or 8G" };
    return s_amount(self, name, &rule, otherwise, value, error);
}

nm_rc_t
nm_zpl_bool(const nm_zpl_t *self, const char *name, bool otherwise, bool *value, nm_error_t *error)
{
    const nm_zpl_t *child;
    nm_rc_t rc = s_find_value(self, name, &child, error);
    if (rc != NM_OK)
        return rc;
    const char *text = child ? child->value : otherwise ? "true" : "false";
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "0") == 0;
    if (!yes && !no)
        return nm_zpl_fail(child, error, "%s = \"%.80s\": expected true or false", name, text);
    *value = yes;
    return NM_OK;
}

static bool
s_is_listed(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

nm_rc_t
nm_zpl_only(const nm_zpl_t *self, const char *const *names, size_t count, nm_error_t *error)
{
    const nm_zpl_t *first = NULL;
    nm_buf_t others = { 0 };
    for (const nm_zpl_t *child = self ? self->child : NULL; child; child = child->next) {
        if (s_is_listed(child->name, names, count))
            continue;
        if (first && child->line)
            nm_buf_format(&others, ", nor is \"%s\" of line %u", child->name, child->line);
        else if (first)
            nm_buf_format(&others, ", nor is \"%s\"", child->name);
        else
            first = child;
    }
    nm_rc_t rc = NM_OK;
    if (first)
        rc = nm_zpl_fail(first, error, "\"%s\" is not a setting of %s%.*s", first->name,
                         self->file == self->name ? "the file itself" : self->name, NM_PRINT(nm_buf_bytes(&others)));
    nm_buf_free(&others);
    return rc;
}
