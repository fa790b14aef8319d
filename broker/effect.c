#include "broker/effect.h"

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

void
nm_result_free(nm_result_t *result)
{
    nm_buf_free(&result->body);
}
