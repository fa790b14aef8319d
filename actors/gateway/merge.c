#include "actors/gateway/merge.h"

#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  NM_ERR_MISSING: nil.
static nm_rc_t
s_read_id(nm_bytes_t map, const char *key, nm_id_t *id)
{
    nm_bytes_t raw, text;
    nm_reader_t reader;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return NM_ERR_MALFORMED;
    nm_reader_open(&reader, raw);
    if (nm_reader_peek(&reader) == NM_KIND_NIL)
        return NM_ERR_MISSING;
    return nm_reader_str(&reader, &text) == NM_OK ? nm_id_from_text(text, id) : NM_ERR_MALFORMED;
}

static nm_rc_t
s_advance(nm_page_t *page)
{
    nm_rc_t rc = nm_list_next(&page->rest, &page->item);
    if (rc == NM_ERR_MISSING)
        page->item = nm_bytes(NULL, 0);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    return s_read_id(page->item, "id", &page->id) == NM_OK ? NM_OK : NM_ERR_MALFORMED;
}

nm_rc_t
nm_page_open(nm_page_t *self, nm_bytes_t body)
{
    nm_bytes_t items;
    *self = (nm_page_t){ .more = false };
    if (nm_reader_find(body, "items", &items) != NM_OK || nm_list_open(&self->rest, items) != NM_OK)
        return NM_ERR_MALFORMED;
    nm_rc_t rc = s_read_id(body, "next_cursor", &self->edge);
    self->more = rc == NM_OK;
    if (rc != NM_OK && rc != NM_ERR_MISSING)
        return NM_ERR_MALFORMED;
    return s_advance(self);
}

static int
s_compare(const nm_id_t *a, const nm_id_t *b)
{
    return memcmp(a->at, b->at, NM_ID_SIZE);
}

//  The page that has the newest item; NULL: none has any.
static nm_page_t *
s_newest(nm_page_t *pages, size_t count)
{
    nm_page_t *newest = NULL;
    for (size_t i = 0; i < count; i++)
        if (pages[i].item.size && (!newest || s_compare(&pages[i].id, &newest->id) > 0))
            newest = &pages[i];
    return newest;
}

//  Of those pages that may go on, the one that goes on first: below its edge nothing is certain.
static const nm_page_t *
s_first_edge(const nm_page_t *pages, size_t count)
{
    const nm_page_t *first = NULL;
    for (size_t i = 0; i < count; i++)
        if (pages[i].more && (!first || s_compare(&pages[i].edge, &first->edge) > 0))
            first = &pages[i];
    return first;
}

nm_rc_t
nm_merge(nm_page_t *pages, size_t count, size_t limit, nm_buf_t *items, nm_merged_t *merged)
{
    const nm_page_t *first = s_first_edge(pages, count);
    nm_page_t *newest;
    size_t nodes = 0;
    *merged = (nm_merged_t){ .more = first != NULL };
    while ((newest = s_newest(pages, count)) && (!first || s_compare(&newest->id, &first->edge) >= 0)) {
        bool again = merged->count && nm_id_equal(&newest->id, &merged->last);
        if (!again && (merged->count == limit || nodes >= NM_PAGE_NODE_MAX)) {
            merged->more = true;
            return NM_OK;
        }
        merged->last = newest->id;
        if (!again) {
            nm_writer_raw(items, newest->item);
            nodes += nm_reader_nodes(newest->item);
            merged->count++;
        }
        if (s_advance(newest) != NM_OK)
            return NM_ERR_MALFORMED;
    }
    if (first)
        merged->last = first->edge;
    return NM_OK;
}
