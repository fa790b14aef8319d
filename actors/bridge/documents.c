#include "actors/bridge/documents.h"

#include "actors/bridge/convert.h"
#include "wire/openapi.h"

//  FNV-1a: the tag only has to differ when the document does.
static void
s_name(nm_document_t *self)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < self->body.size; i++)
        hash = (hash ^ self->body.at[i]) * UINT64_C(1099511628211);
    snprintf(self->tag, sizeof self->tag, "\"%016llx\"", (unsigned long long) hash);
}

//  The page says itself which of its scripts may run; as a header field the same holds before its first byte is read, and no
//  other page may show it in a frame, which a page cannot say.
static void
s_read_policy(nm_document_t *self)
{
    static const char BEGIN[] = "<meta http-equiv=\"Content-Security-Policy\" content=\"";
    const uint8_t *at = memmem(self->body.at, self->body.size, BEGIN, sizeof BEGIN - 1);
    if (!at)
        return;
    at += sizeof BEGIN - 1;
    const uint8_t *end = memchr(at, '"', (size_t) (self->body.at + self->body.size - at));
    if (end)
        snprintf(self->policy, sizeof self->policy, "%.*s; frame-ancestors 'none'", (int) (end - at),
                 (const char *) at);
}

void
nm_documents_make(nm_documents_t *self)
{
    nm_buf_t packed = { 0 };
    nm_openapi_write(&packed);
    nm_convert_value(nm_buf_bytes(&packed), &self->printed);
    nm_buf_free(&packed);
    self->openapi.body = nm_buf_bytes(&self->printed);
    self->docs.body = nm_docs_page();
    s_name(&self->openapi);
    s_name(&self->docs);
    s_read_policy(&self->docs);
}

void
nm_documents_free(nm_documents_t *self)
{
    nm_buf_free(&self->printed);
}

bool
nm_document_is_known(const nm_document_t *self, nm_bytes_t if_none_match)
{
    return nm_bytes_is(if_none_match, "*") ||
           (if_none_match.size && memmem(if_none_match.at, if_none_match.size, self->tag, strlen(self->tag)));
}
