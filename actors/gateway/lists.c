//  lists - notifications.get and notifications.list.
//
//  Where there are several gateways each lists its own notifications, and the one that was asked makes one page of
//  theirs (gather.h).

#include "actors/gateway/gather.h"
#include "actors/gateway/ops.h"
#include "actors/gateway/places.h"
#include "actors/gateway/show.h"
#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  What one ask may look at, so that a turn stays short, and how large its answer may grow: that of all gateways
//  together.
enum { LOOK_MAX = 5000, ANSWER_SIZE_MAX = 4 * 1024 * 1024 };

nm_rc_t
nm_op_get(nm_case_t *it)
{
    nm_by_id_t ask;
    nm_id_t id;
    nm_note_t note;
    nm_buf_t *body = &it->gateway->body;
    if (nm_case_decode(it, &nm_by_id_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_case_find(it, ask.id, &id, &note);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    nm_buf_clear(body);
    rc = nm_show_note(&it->gateway->history, &id, &note, body);
    return rc == NM_OK ? nm_answer(&it->answer, 200, nm_buf_bytes(body)) : rc;
}

//  -- Lists

typedef struct {
    nm_list_ask_t ask;
    bool everybodys;  //  Walks all notes rather than those of one service
    nm_id_t service;
    uint64_t limit;
    size_t size_max;
    nm_id_t before;  //  Only ids below this one
    nm_id_t last;    //  That was looked at
    size_t looked;
    size_t count;  //  Items found
    size_t nodes;  //  ... and the values in them: a client's metadata may have thousands
    nm_buf_t items;
} page_t;

//  The first id that a moment can have.
static nm_id_t
s_first_id(int64_t at_ms)
{
    nm_id_t id = { { 0 } };
    nm_put_u64(id.at, (uint64_t) at_ms << 16);
    return id;
}

static bool
s_matches(const nm_list_ask_t *ask, const nm_note_t *note)
{
    if (NM_HAS(ask, list_ask, status) && ask->status != note->status)
        return false;
    if (NM_HAS(ask, list_ask, channel) && ask->channel != note->channel)
        return false;
    if (NM_HAS(ask, list_ask, user_id) && (!NM_HAS(note, note, user_id) || !nm_id_equal(&ask->user_id, &note->user_id)))
        return false;
    return true;
}

static void
s_open(const nm_case_t *it, const page_t *page, nm_cursor_t *cursor)
{
    bool by_user = NM_HAS(&page->ask, list_ask, user_id) && it->gateway->lists_by_user;
    if (page->everybodys)
        nm_cursor_open(cursor, it->txn, &nm_notes_table, nm_bytes(NULL, 0), nm_bytes(page->before.at, NM_ID_SIZE),
                       true);
    else
        nm_places_walk(cursor, it->txn, &page->service, by_user ? &page->ask.user_id : NULL, &page->before);
}

//  NM_ERR_MISSING: there is nothing more.
static nm_rc_t
s_look(nm_case_t *it, page_t *page, nm_cursor_t *cursor)
{
    nm_bytes_t key;
    nm_note_t note;
    nm_id_t id;
    nm_rc_t rc = nm_cursor_next(cursor, &key, NULL);
    if (rc != NM_OK)
        return rc;
    if (key.size < NM_ID_SIZE)
        return NM_ERR_CORRUPT;
    memcpy(id.at, key.at + key.size - NM_ID_SIZE, NM_ID_SIZE);
    if (memcmp(id.at, page->before.at, NM_ID_SIZE) >= 0)
        return NM_OK;
    if (NM_HAS(&page->ask, list_ask, created_after) && nm_id_time_ms(&id) < page->ask.created_after)
        return NM_ERR_MISSING;
    page->last = id;
    page->looked++;
    rc = nm_notes_get(it->txn, &id, &note);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;
    if (!s_matches(&page->ask, &note))
        return NM_OK;
    size_t start = page->items.size;
    rc = nm_show_note(&it->gateway->history, &id, &note, &page->items);
    page->count++;
    page->nodes += nm_reader_nodes(nm_bytes(page->items.at + start, page->items.size - start));
    return rc;
}

static bool
s_is_filled(const page_t *page)
{
    return page->count >= page->limit || page->looked >= LOOK_MAX || page->items.size >= page->size_max ||
           page->nodes >= NM_PAGE_NODE_MAX;
}

static nm_rc_t
s_fill(nm_case_t *it, page_t *page, bool *more)
{
    nm_cursor_t cursor;
    nm_rc_t rc = NM_OK;
    s_open(it, page, &cursor);
    while (rc == NM_OK && !s_is_filled(page))
        rc = s_look(it, page, &cursor);
    if (rc == NM_OK)
        rc = nm_cursor_next(&cursor, NULL, NULL);
    nm_cursor_close(&cursor);
    *more = rc == NM_OK;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  Where to begin, and whose. NM_ERR_REFUSED: answered.
static nm_rc_t
s_prepare(nm_case_t *it, page_t *page)
{
    const nm_list_ask_t *ask = &page->ask;
    memset(page->before.at, 0xff, NM_ID_SIZE);
    page->service = it->who.service;
    page->everybodys = it->who.admin && !NM_HAS(ask, list_ask, service_id);
    if (NM_HAS(ask, list_ask, service_id) &&
        (nm_id_from_text(ask->service_id, &page->service) != NM_OK || !nm_case_may_see(it, &page->service))) {
        nm_case_unknown(it, "service");
        return NM_ERR_REFUSED;
    }
    if (it->who.person)
        NM_PUT(&page->ask, list_ask, user_id, it->who.claims.user);  //  Whatever was asked for, its own
    page->limit = ask->limit;
    nm_rc_t rc = nm_case_page(it, NM_HAS(ask, list_ask, limit), &page->limit, NM_HAS(ask, list_ask, cursor),
                              ask->cursor, &page->before);
    if (rc != NM_OK)
        return rc;
    if (NM_HAS(ask, list_ask, created_before)) {
        nm_id_t bound = s_first_id(ask->created_before);
        if (memcmp(bound.at, page->before.at, NM_ID_SIZE) < 0)
            page->before = bound;
    }
    return NM_OK;
}

//  Packs our own page.
static nm_rc_t
s_write_own(nm_case_t *it, page_t *page, nm_buf_t *out)
{
    bool more;
    char cursor[NM_CURSOR_TEXT_SIZE + 1];
    nm_rc_t rc = s_fill(it, page, &more);
    if (rc != NM_OK)
        return rc;
    nm_buf_clear(out);
    nm_writer_map(out, 2);
    nm_writer_text(out, "items");
    nm_writer_list(out, page->count);
    nm_buf_add_bytes(out, nm_buf_bytes(&page->items));
    nm_writer_text(out, "next_cursor");
    nm_cursor_text(&page->last, cursor);
    if (more)
        nm_writer_text(out, cursor);
    else
        nm_writer_nil(out);
    return NM_OK;
}

//  All others have answered.
static nm_rc_t
s_answer_all(nm_case_t *it, page_t *page)
{
    nm_buf_t own = { 0 };
    nm_rc_t rc = s_write_own(it, page, &own);
    if (rc == NM_OK)
        rc = nm_gather_page(it, nm_buf_bytes(&own), page->limit);
    nm_buf_free(&own);
    return rc;
}

static nm_rc_t
s_answer_own(nm_case_t *it, page_t *page)
{
    nm_rc_t rc = s_write_own(it, page, &it->gateway->body);
    return rc == NM_OK ? nm_answer(&it->answer, 200, nm_buf_bytes(&it->gateway->body)) : rc;
}

nm_rc_t
nm_op_list(nm_case_t *it)
{
    page_t page = { .looked = 0 };
    nm_rc_t rc;
    if (nm_case_decode(it, &nm_list_ask_shape, &page.ask, true) != NM_OK || s_prepare(it, &page) != NM_OK)
        return NM_OK;
    size_t others = nm_gather_peers(it->gateway, NM_ROLE_GATEWAY, NULL, 0);
    page.size_max = ANSWER_SIZE_MAX / (1 + others);
    if (it->errand) {
        rc = s_answer_all(it, &page);
    } else if (others && !nm_case_is_passed_on(it)) {
        nm_ask_headers_t headers = nm_forwards_headers(it);
        rc = nm_gather_ask(it, NM_ROLE_GATEWAY, &headers, it->ask->body);
    } else {
        rc = s_answer_own(it, &page);
    }
    nm_buf_free(&page.items);
    return rc;
}
