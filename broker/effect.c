#include "broker/effect.h"

#include "wire/utf8.h"

nm_effect_t *
nm_effect_new(nm_effect_kind_t kind, uint64_t token, const nm_id_t *about)
{
    nm_effect_t *self = nm_alloc(sizeof *self);
    self->kind = kind;
    self->token = token;
    if (about)
        self->about = *about;
    return self;
}

//  A secret does not stay in freed memory.
static void
s_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void
nm_effect_destroy(nm_effect_t **self_p)
{
    nm_effect_t *self = *self_p;
    if (!self)
        return;
    free(self->url);
    free(self->user);
    s_wipe(self->password);
    free(self->ca_file);
    free(self->sender);
    free(self->recipient);
    free(self->method);
    for (size_t i = 0; i < self->header_count; i++)
        s_wipe(self->headers[i]);
    free(self->headers);
    nm_buf_free(&self->body);
    if (self->work_free)
        self->work_free(self->work_arg);
    free(self);
    *self_p = NULL;
}

void
nm_effect_set(char **field, const char *text)
{
    nm_effect_set_bytes(field, nm_text(text));
    if (!text) {
        free(*field);
        *field = NULL;
    }
}

void
nm_effect_set_bytes(char **field, nm_bytes_t text)
{
    char *copy = nm_alloc(text.size + 1);
    nm_bytes_to_text(text, copy, text.size + 1);
    free(*field);
    *field = copy;
}

void
nm_effect_add_header(nm_effect_t *self, const char *name, nm_bytes_t value)
{
    self->headers = nm_realloc(self->headers, (self->header_count + 1) * sizeof *self->headers);
    size_t size = strlen(name) + 2 + value.size + 1;
    char *header = nm_alloc(size);
    int at = snprintf(header, size, "%s: ", name);
    nm_bytes_to_text(value, header + at, size - (size_t) at);
    self->headers[self->header_count++] = header;
}

//  -- What may not go to the wire

static bool
s_has_control(const char *text, const char *others)
{
    for (const char *at = text; at && *at; at++)
        if ((uint8_t) *at < 0x20 || *at == 0x7f || strchr(others, *at))
            return true;
    return false;
}

//  A lone CR or LF can end a message early for some servers and not for others (SMTP smuggling).
static bool
s_has_bare_line_end(const nm_buf_t *body)
{
    for (size_t i = 0; i < body->size; i++) {
        if (body->at[i] == '\r') {
            if (i + 1 == body->size || body->at[i + 1] != '\n')
                return true;
            i++;
        } else if (body->at[i] == '\n')
            return true;
    }
    return false;
}

static bool
s_starts_with(const char *text, const char *start)
{
    return text && strncmp(text, start, strlen(start)) == 0;
}

static nm_rc_t
s_check_smtp(const nm_effect_t *self, nm_error_t *error)
{
    if (!s_starts_with(self->url, self->tls == NM_TLS_DIRECT ? "smtps://" : "smtp://"))
        return nm_fail(error, NM_ERR_REFUSED, "the URL is not smtp://, or smtps:// for direct TLS");
    if (!self->sender || s_has_control(self->sender, " <>"))
        return nm_fail(error, NM_ERR_REFUSED, "the sender is missing or has characters that an address cannot have");
    if (!self->recipient || !self->recipient[0] || s_has_control(self->recipient, " <>"))
        return nm_fail(error, NM_ERR_REFUSED, "the recipient is missing or has characters that an address cannot have");
    if (!self->body.size || s_has_bare_line_end(&self->body))
        return nm_fail(error, NM_ERR_REFUSED, "the message is empty or has lines that do not end with CRLF");
    return NM_OK;
}

static nm_rc_t
s_check_http(const nm_effect_t *self, nm_error_t *error)
{
    if (!s_starts_with(self->url, "https://") && !s_starts_with(self->url, "http://"))
        return nm_fail(error, NM_ERR_REFUSED, "the URL is neither https:// nor http://");
    if (!self->method || !self->method[0] || s_has_control(self->method, " "))
        return nm_fail(error, NM_ERR_REFUSED, "the method is missing or not a word");
    for (size_t i = 0; i < self->header_count; i++)
        if (s_has_control(self->headers[i], ""))
            return nm_fail(error, NM_ERR_REFUSED, "a header has a control character");
    return NM_OK;
}

nm_rc_t
nm_effect_check(const nm_effect_t *self, nm_error_t *error)
{
    if (self->kind == NM_EFFECT_WORK)
        return self->work ? NM_OK : nm_fail(error, NM_ERR_REFUSED, "there is no function to run");
    if (s_has_control(self->url, " "))
        return nm_fail(error, NM_ERR_REFUSED, "the URL has a control character or a space");
    return self->kind == NM_EFFECT_SMTP ? s_check_smtp(self, error) : s_check_http(self, error);
}

void
nm_result_free(nm_result_t *result)
{
    nm_buf_free(&result->body);
}

void
nm_result_set_text(nm_result_t *result, nm_bytes_t text)
{
    size_t size = 0;
    while (text.size && size < sizeof result->text - 1) {
        nm_bytes_t rest = text;
        uint32_t rune;
        bool valid = nm_utf8_next(&rest, &rune);
        if (!valid)
            rest = nm_bytes(text.at + 1, text.size - 1);
        size_t rune_size = text.size - rest.size;
        if (size + rune_size > sizeof result->text - 1)
            break;
        if (valid && nm_utf8_is_line(nm_bytes(text.at, rune_size))) {
            memcpy(result->text + size, text.at, rune_size);
            size += rune_size;
        } else
            result->text[size++] = valid ? ' ' : '?';
        text = rest;
    }
    result->text[size] = 0;
}
