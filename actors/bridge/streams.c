#include "actors/bridge/answers.h"
#include "actors/bridge/convert.h"
#include "actors/bridge/state.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  A stream of events is asked for piece by piece: each ask waits at the gateway until there is something, and says where the
//  next is to begin. It is made when the client has taken the piece before. A comment shows that the stream lives while
//  nothing happens.
enum { COMMENT_MS = 15000, REST_MS = 1000 };

static const char TYPE_EVENTS[] = "text/event-stream";

//  Where a client wants to go on: what it had last, else what it says.
static void
s_begin(nm_exchange_slot_t *slot)
{
    nm_bytes_t rest = slot->request->query, name, value;
    nm_buf_add_bytes(&slot->cursor, slot->request->last_event);
    while (!slot->cursor.size && nm_routes_next(&rest, &name, &value))
        if (nm_bytes_is(name, "cursor"))
            nm_routes_resolve(value, true, &slot->cursor);
}

void
nm_streams_pack(nm_exchange_slot_t *slot, nm_buf_t *out, size_t *count)
{
    if (!slot->flowing && !slot->cursor.size)
        s_begin(slot);
    if (slot->cursor.size) {
        nm_writer_pair_str(out, "cursor", nm_buf_bytes(&slot->cursor));
        ++*count;
    }
    if (slot->flowing) {
        nm_writer_pair_uint(out, "wait_ms", COMMENT_MS);
        ++*count;
    }
}

bool
nm_streams_packs(nm_bytes_t name)
{
    return nm_bytes_is(name, "cursor");
}

static void
s_member(nm_buf_t *out, const char *name, nm_bytes_t item, const char *separator)
{
    nm_bytes_t raw;
    nm_buf_format(out, "%s\"%s\":", separator, name);
    if (nm_reader_find(item, name, &raw) == NM_OK)
        nm_convert_value(raw, out);
    else
        nm_buf_add_text(out, "null");
}

//  Streams have the names that webhooks have: what a timeline calls accepted is created there.
static nm_bytes_t
s_event_name(nm_bytes_t item)
{
    nm_bytes_t event = nm_reader_find_text(item, "event");
    return nm_bytes_is(event, "accepted") ? nm_text("created") : event;
}

//  Cursors and words of events have no line ends: the gateway makes them.
static void
s_print_event(nm_bytes_t item, nm_buf_t *out)
{
    nm_bytes_t cursor = nm_reader_find_text(item, "cursor"), event = s_event_name(item);
    nm_buf_format(out, "id: %.*s\nevent: notification.%.*s\ndata: {", NM_PRINT(cursor), NM_PRINT(event));
    s_member(out, "id", item, "");
    s_member(out, "status", item, ",");
    nm_buf_format(out, ",\"event\":\"notification.%.*s\"", NM_PRINT(event));
    s_member(out, "at", item, ",");
    s_member(out, "detail", item, ",");
    nm_buf_add_text(out, "}\n\n");
}

static size_t
s_print_events(nm_bytes_t body, nm_buf_t *out)
{
    nm_list_t list;
    nm_bytes_t raw, item;
    size_t count = 0;
    if (nm_reader_find(body, "items", &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK)
        return 0;
    for (; nm_list_next(&list, &item) == NM_OK; count++)
        s_print_event(item, out);
    return count;
}

static void
s_rest(nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    slot->resting = true;
    slot->at_ms = nm_turn_now(turn) + REST_MS;
    slot->gateway = NULL;
    nm_turn_wake(turn, slot->at_ms);
}

static void
s_ask_again(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    slot->until_ms = nm_turn_now(turn) + NM_BRIDGE_PATIENCE_MS;
    nm_asking_send(self, turn, slot);
}

//  Who has heard the first piece cannot be told any more that something went wrong: the stream rests and goes on.
static nm_rc_t
s_stumble(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot, const nm_reply_in_t *reply)
{
    nm_front_answer_t answer;
    if (!slot->flowing) {
        nm_answers_reply(slot->request, reply->status, reply->headers, reply->body, &answer);
        nm_bridge_answer(self, turn, slot, &answer);
    } else if (reply->status == 503 || reply->status == 504 || reply->status == 429) {
        s_rest(turn, slot);
    } else {
        answer = (nm_front_answer_t){ .request = slot->request->id };
        nm_bridge_answer(self, turn, slot, &answer);
    }
    return NM_OK;
}

nm_rc_t
nm_streams_reply(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot, const nm_reply_in_t *reply)
{
    if (reply->status != 200)
        return s_stumble(self, turn, slot, reply);
    nm_front_answer_t answer = { .request = slot->request->id };
    bool done = nm_reader_find_flag(reply->body, "done");
    nm_bytes_t cursor = nm_reader_find_text(reply->body, "next_cursor");
    if (!slot->flowing) {
        nm_answers_begin(slot->request, 200, TYPE_EVENTS, &answer);
        nm_answers_field(&answer, "X-Correlation-ID", slot->request->headers.correlation_id);
    }
    nm_buf_clear(&slot->next);
    nm_buf_add_bytes(&slot->next, cursor.size ? cursor : nm_buf_bytes(&slot->cursor));
    if (!s_print_events(reply->body, &answer.body))
        nm_buf_add_text(&answer.body, ":\n\n");
    answer.open = !done && !nm_turn_leaving(turn);
    if (answer.open)
        nm_exchanges_tell(self, slot);
    nm_bridge_answer(self, turn, slot, &answer);
    return NM_OK;
}

//  Comes again after a turn that was undone; what was asked before does not count any more then.
void
nm_streams_taken(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    slot->behind = false;
    slot->serial = ++self->serial;
    s_ask_again(self, turn, slot);
}

void
nm_streams_lost(nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    s_rest(turn, slot);
}

void
nm_streams_due(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot)
{
    nm_front_answer_t answer = { .request = slot->request->id };
    if (nm_turn_leaving(turn)) {
        nm_bridge_answer(self, turn, slot, &answer);
    } else if (slot->resting && nm_turn_now(turn) >= slot->at_ms) {
        slot->resting = false;
        s_ask_again(self, turn, slot);
    } else if (slot->resting) {
        nm_turn_wake(turn, slot->at_ms);
    }
}
