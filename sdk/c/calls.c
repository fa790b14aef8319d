//  The blocking calls: each submits, polls until the answer is there, and reads it.
#include "sdk/c/client.h"
#include "wire/reader.h"
#include "wire/record.h"
#include "wire/writer.h"

enum { S_WAIT_MAX_MS = 60000 };  //  What a gateway lets an asker wait for events

//  An answer that is waited for. The frame it came in is gone when the poll returns, so it
//  is copied into the client's buffer.
typedef struct {
    bool done;
    unsigned status;
    size_t headers_size;
} s_wait_t;

static void
s_keep(nmesh_t *self, const nmesh_reply_t *reply, void *arg)
{
    s_wait_t *wait = arg;
    nm_buf_clear(&self->kept);
    nm_buf_add(&self->kept, reply->headers.at, reply->headers.size);
    nm_buf_add(&self->kept, reply->body.at, reply->body.size);
    wait->headers_size = reply->headers.size;
    wait->status = reply->status;
    wait->done = true;
}

static int
s_wrong(nmesh_error_t *error, const char *detail)
{
    if (error) {
        *error = (nmesh_error_t){ .title = "Wrong call" };
        snprintf(error->detail, sizeof error->detail, "%s", detail);
    }
    return -1;
}

static int
s_await(nmesh_t *self, s_wait_t *wait, nmesh_reply_t *reply, nmesh_error_t *error)
{
    while (!wait->done)
        nmesh_poll(self, 1000);
    nmesh_reply_t answer = {
        .status = wait->status,
        .headers = { self->kept.at, wait->headers_size },
        .body = { self->kept.at + wait->headers_size, self->kept.size - wait->headers_size },
    };
    if (reply)
        *reply = answer;
    if (wait->status < 400)
        return 0;
    nmesh_problem(&answer, error);
    return -1;
}

int
nmesh_ask(nmesh_t *self, const nmesh_ask_t *ask, nmesh_reply_t *reply, nmesh_error_t *error)
{
    s_wait_t wait = { 0 };
    if (reply)
        *reply = (nmesh_reply_t){ 0 };
    if (nmesh_submit_ask(self, ask, s_keep, &wait) != 0)
        return s_wrong(error, "The body is not one packed value, a text is not UTF-8, or too many asks are open");
    return s_await(self, &wait, reply, error);
}

static bool
s_find_text(nm_bytes_t map, const char *key, nm_bytes_t *text)
{
    nm_bytes_t raw;
    nm_reader_t reader;
    if (!map.size || nm_reader_find(map, key, &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    return nm_reader_str(&reader, text) == NM_OK;
}

bool
nmesh_text(nmesh_packed_t map, const char *key, char *out, size_t size)
{
    nm_bytes_t text = { 0 };
    bool found = s_find_text(nm_bytes(map.at, map.size), key, &text);
    nm_bytes_to_text(text, out, size);
    return found;
}

static void
s_read_faults(nm_bytes_t body, nmesh_error_t *error)
{
    nm_bytes_t raw;
    nm_bytes_t item;
    nm_list_t list;
    if (nm_reader_find(body, "errors", &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK)
        return;
    while (error->fault_count < NMESH_FAULT_COUNT && nm_list_next(&list, &item) == NM_OK) {
        nmesh_fault_t *fault = &error->faults[error->fault_count++];
        nmesh_packed_t map = { item.at, item.size };
        nmesh_text(map, "pointer", fault->pointer, sizeof fault->pointer);
        nmesh_text(map, "detail", fault->detail, sizeof fault->detail);
    }
}

void
nmesh_problem(const nmesh_reply_t *reply, nmesh_error_t *error)
{
    if (!error)
        return;
    *error = (nmesh_error_t){ .status = reply->status };
    nm_bytes_t body = nm_bytes(reply->body.at, reply->body.size);
    if (body.size) {
        nmesh_text(reply->body, "title", error->title, sizeof error->title);
        nmesh_text(reply->body, "detail", error->detail, sizeof error->detail);
        s_read_faults(body, error);
    } else if (reply->status == 504) {
        snprintf(error->title, sizeof error->title, "Gateway Timeout");
        snprintf(error->detail, sizeof error->detail,
                 "Nobody answered in time: is the mesh up, and are the end "
                 "point and its key right?");
    }
}

int
nmesh_send(nmesh_t *self, const nmesh_notification_t *notification, nmesh_receipt_t *receipt, nmesh_error_t *error)
{
    s_wait_t wait = { 0 };
    nmesh_reply_t reply;
    if (nmesh_submit(self, notification, s_keep, &wait) != 0)
        return s_wrong(error, "A packed field is not one packed value, a text is not UTF-8, or too many asks are open");
    if (s_await(self, &wait, &reply, error) != 0)
        return -1;
    if (receipt) {
        nmesh_text(reply.body, "id", receipt->id, sizeof receipt->id);
        nmesh_text(reply.body, "status", receipt->status, sizeof receipt->status);
        nmesh_text(reply.body, "channel", receipt->channel, sizeof receipt->channel);
        nmesh_text(reply.body, "created_at", receipt->created_at, sizeof receipt->created_at);
    }
    return 0;
}

static void
s_on_sent(nmesh_t *self, const nmesh_reply_t *reply, void *arg)
{
    (void) self;
    nmesh_sent_t *sent = arg;
    sent->status = reply->status;
    if (reply->status < 400) {
        nmesh_text(reply->body, "id", sent->id, sizeof sent->id);
        return;
    }
    nmesh_error_t error;
    nmesh_problem(reply, &error);
    if (error.fault_count)
        snprintf(sent->detail, sizeof sent->detail, "%s: %s", error.faults[0].pointer, error.faults[0].detail);
    else
        memcpy(sent->detail, error.detail, sizeof sent->detail);
}

size_t
nmesh_send_many(nmesh_t *self, const nmesh_notification_t *notifications, size_t count, size_t window,
                nmesh_sent_t *results)
{
    size_t accepted_count = 0;
    size_t next = 0;
    size_t already_open = nmesh_open_count(self);
    window = window ? window : 1000;
    while (next < count || nmesh_open_count(self) > already_open) {
        for (; next < count && nmesh_open_count(self) < already_open + window; next++) {
            results[next] = (nmesh_sent_t){ 0 };
            if (nmesh_submit(self, &notifications[next], s_on_sent, &results[next]) != 0)
                snprintf(results[next].detail, sizeof results[next].detail,
                         "A packed field is not one packed value, or a text is not UTF-8");
        }
        nmesh_poll(self, 1000);
    }
    for (size_t i = 0; i < count; i++)
        accepted_count += results[i].status >= 200 && results[i].status < 300;
    return accepted_count;
}

//  Asks about one notification by its id.
static int
s_ask_id(nmesh_t *self, const char *op, const char *id, nmesh_reply_t *reply, nmesh_error_t *error)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 1);
    nm_writer_pair_text(&body, "id", id);
    nmesh_ask_t ask = { .op = op, .body = { body.at, body.size } };
    int rc = nmesh_ask(self, &ask, reply, error);
    nm_buf_free(&body);
    return rc;
}

static bool
s_is_final(const char *status)
{
    static const char *const FINAL[] = {
        "sent", "delivered", "bounced", "failed", "cancelled", "expired", "suppressed"
    };
    for (size_t i = 0; i < NM_COUNT(FINAL); i++) {
        if (strcmp(status, FINAL[i]) == 0)
            return true;
    }
    return false;
}

int
nmesh_status(nmesh_t *self, const char *id, nmesh_status_t *status, nmesh_error_t *error)
{
    nmesh_reply_t reply;
    nm_bytes_t raw;
    nm_list_t attempts;
    if (s_ask_id(self, "notifications.get", id, &reply, error) != 0)
        return -1;
    *status = (nmesh_status_t){ 0 };
    nmesh_text(reply.body, "id", status->id, sizeof status->id);
    nmesh_text(reply.body, "status", status->status, sizeof status->status);
    nmesh_text(reply.body, "channel", status->channel, sizeof status->channel);
    nmesh_text(reply.body, "provider", status->provider, sizeof status->provider);
    nmesh_text(reply.body, "updated_at", status->updated_at, sizeof status->updated_at);
    if (nm_reader_find(nm_bytes(reply.body.at, reply.body.size), "attempts", &raw) == NM_OK &&
        nm_list_open(&attempts, raw) == NM_OK)
        status->attempt_count = attempts.count;
    status->final = s_is_final(status->status);
    return 0;
}

int
nmesh_cancel(nmesh_t *self, const char *id, nmesh_error_t *error)
{
    nmesh_reply_t reply;
    return s_ask_id(self, "notifications.cancel", id, &reply, error);
}

static int
s_give_events(nm_bytes_t body, nmesh_event_fn *fn, void *arg)
{
    nm_bytes_t raw;
    nm_bytes_t item;
    nm_list_t list;
    int count = 0;
    if (nm_reader_find(body, "items", &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK)
        return 0;
    for (; nm_list_next(&list, &item) == NM_OK; count++) {
        nmesh_event_t event = { 0 };
        nmesh_packed_t map = { item.at, item.size };
        nmesh_text(map, "id", event.id, sizeof event.id);
        nmesh_text(map, "event", event.event, sizeof event.event);
        nmesh_text(map, "status", event.status, sizeof event.status);
        nmesh_text(map, "at", event.at, sizeof event.at);
        nmesh_text(map, "detail", event.detail, sizeof event.detail);
        fn(&event, arg);
    }
    return count;
}

int
nmesh_events(nmesh_t *self, char cursor[NMESH_CURSOR_SIZE], int wait_ms, nmesh_event_fn *fn, void *arg,
             nmesh_error_t *error)
{
    nmesh_reply_t reply;
    nm_buf_t body = { 0 };
    nm_writer_map(&body, cursor[0] ? 2 : 1);
    nm_writer_pair_uint(&body, "wait_ms", (uint64_t) (wait_ms < S_WAIT_MAX_MS ? wait_ms : S_WAIT_MAX_MS));
    if (cursor[0])
        nm_writer_pair_text(&body, "after", cursor);
    nmesh_ask_t ask = {
        .op = "events.read",
        .body = { body.at, body.size },
        .timeout_ms = wait_ms + self->timeout_ms,
        .silence_ms = wait_ms + self->silence_ms,
    };
    int rc = nmesh_ask(self, &ask, &reply, error);
    nm_buf_free(&body);
    if (rc != 0)
        return -1;
    char next[NMESH_CURSOR_SIZE];
    if (nmesh_text(reply.body, "next_cursor", next, sizeof next))
        memcpy(cursor, next, sizeof next);
    return s_give_events(nm_bytes(reply.body.at, reply.body.size), fn, arg);
}
