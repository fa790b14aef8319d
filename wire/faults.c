#include "wire/record.h"
#include "wire/utf8.h"
#include "wire/writer.h"

//  Adds to a text of a fixed size; what does not fit is cut between characters.
typedef struct {
    char *at;
    size_t size;
    size_t used;
} line_t;

static void
s_add(line_t *self, nm_bytes_t text)
{
    size_t size = nm_utf8_cut(text, self->size - 1 - self->used);
    if (size)
        memcpy(self->at + self->used, text.at, size);
    self->used += size;
    self->at[self->used] = 0;
}

//  RFC 6901: ~ is written ~0 and / is written ~1. Whole characters are added, so
//  that a cut falls between them.
static void
s_add_escaped(line_t *self, const char *name)
{
    while (*name) {
        size_t plain = strcspn(name, "~/");
        s_add(self, nm_bytes(name, plain));
        name += plain;
        if (*name)
            s_add(self, nm_text(*name++ == '~' ? "~0" : "~1"));
    }
}

//  Whoever made the text may have cut it within a character, and what is no UTF-8 would spoil the answer.
static void
s_mend(char *text)
{
    nm_bytes_t rest = nm_text(text);
    uint32_t rune;
    while (rest.size)
        if (!nm_utf8_next(&rest, &rune)) {
            text[rest.at - (const uint8_t *) text] = '?';
            rest = nm_bytes(rest.at + 1, rest.size - 1);
        }
}

__attribute__((format(printf, 4, 0))) static void
s_faults_add(nm_faults_t *self, const char *parent, const char *name, const char *format, va_list args)
{
    if (!self)
        return;
    if (self->count == NM_FAULT_COUNT) {
        self->missed++;
        return;
    }

    nm_fault_t *fault = &self->items[self->count++];
    line_t pointer = { fault->pointer, sizeof fault->pointer, 0 };
    s_add(&pointer, nm_text(parent));
    if (name) {
        s_add(&pointer, nm_text("/"));
        s_add_escaped(&pointer, name);
    }

    char text[2 * sizeof fault->detail];
    vsnprintf(text, sizeof text, format, args);
    line_t detail = { fault->detail, sizeof fault->detail, 0 };
    s_add(&detail, nm_text(text));
    s_mend(fault->pointer);
    s_mend(fault->detail);
}

void
nm_faults_add(nm_faults_t *self, const char *parent, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s_faults_add(self, parent, name, format, args);
    va_end(args);
}

void
nm_faults_of_query(nm_faults_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].pointer[0] == '/')
            self->items[i].pointer[0] = '?';
}

void
nm_faults_write(const nm_faults_t *self, nm_buf_t *out)
{
    nm_writer_list(out, self->count);
    for (size_t i = 0; i < self->count; i++) {
        nm_writer_map(out, 2);
        nm_writer_pair_text(out, "pointer", self->items[i].pointer);
        nm_writer_pair_text(out, "detail", self->items[i].detail);
    }
}
