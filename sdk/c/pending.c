#include "sdk/c/pending.h"
#include "wire/frames.h"
#include "wire/limits.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  Where an ask stands.
typedef enum { S_FREE, S_WAITING, S_SENT, S_RESTING, S_LOST } s_state_t;

enum { S_REST_MS = 100, S_REST_MAX_MS = 1000 };  //  After a first 503, doubling
enum { S_ASK_NODES = 16 };                       //  Values of an ask beside its body, at most
enum { S_TIMEOUT_MAX_MS = 600000 };              //  What an ask may say (wire/frames.h); who waits longer says so much

typedef struct s_open {
    uint64_t id;
    s_state_t state;
    bool once;
    bool impatient;
    int64_t rest_ms;   //  How long it rests after the next 503
    int64_t again_ms;  //  When it has rested
    int64_t deadline_ms;
    int64_t silence_ms;
    int64_t sent_ms;
    size_t nodes;     //  Values in it, about
    nm_buf_t packed;  //  The ask record; its memory is kept for the next ask in this slot
    nmesh_fn *fn;
    void *arg;
    struct s_open *next;  //  In the line of those that wait
} s_open_t;

struct nm_pending {
    char *api_key;
    char *authorization;  //  "Bearer " and a token, where there is no key
    s_open_t *slots;      //  An ask with id n stands in slot n & mask
    size_t mask;
    size_t open_max;
    size_t open_count;
    size_t waiting_count;
    size_t resting_count;
    bool refused;  //  See nm_pending_refused
    uint64_t last_id;
    s_open_t *first;  //  The line of those that wait
    s_open_t *last;
    size_t framed_count;  //  How many of the line are in the frame that is being sent
    nm_list_t replies;
};

nm_pending_t *
nm_pending_new(const char *api_key, size_t open_max)
{
    nm_pending_t *self = nm_alloc(sizeof *self);
    size_t room = 16;
    while (room < open_max * 2)
        room *= 2;
    self->slots = nm_alloc(room * sizeof *self->slots);
    self->mask = room - 1;
    self->open_max = open_max;
    if (api_key) {
        self->api_key = nm_alloc(strlen(api_key) + 1);
        memcpy(self->api_key, api_key, strlen(api_key));
    }
    return self;
}

void
nm_pending_destroy(nm_pending_t **self_p)
{
    nm_pending_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; self->slots && i <= self->mask; i++)
        nm_buf_free(&self->slots[i].packed);
    free(self->slots);
    free(self->api_key);
    free(self->authorization);
    free(self);
    *self_p = NULL;
}

void
nm_pending_use_token(nm_pending_t *self, const char *token)
{
    size_t size = sizeof "Bearer " + strlen(token);
    free(self->authorization);
    self->authorization = nm_alloc(size);
    snprintf(self->authorization, size, "Bearer %s", token);
}

const char *
nm_pending_api_key(const nm_pending_t *self)
{
    return self->api_key;
}

size_t
nm_pending_open_count(const nm_pending_t *self)
{
    return self->open_count;
}

size_t
nm_pending_waiting_count(const nm_pending_t *self)
{
    return self->waiting_count;
}

static void
s_wait(nm_pending_t *self, s_open_t *ask)
{
    ask->state = S_WAITING;
    ask->next = NULL;
    if (self->last)
        self->last->next = ask;
    else
        self->first = ask;
    self->last = ask;
    self->waiting_count++;
}

//  The number is ours to choose, so one whose slot is taken is passed over.
static s_open_t *
s_slot(nm_pending_t *self)
{
    s_open_t *ask;
    do
        ask = &self->slots[++self->last_id & self->mask];
    while (ask->state != S_FREE);
    ask->id = self->last_id;
    return ask;
}

static void
s_pack(nm_buf_t *out, uint64_t id, const nmesh_ask_t *ask)
{
    size_t header_count = (ask->idempotency_key != NULL) + (ask->correlation_id != NULL);
    nm_buf_clear(out);
    nm_writer_map(out, 2 + (header_count > 0) + (ask->body.size > 0) + (ask->timeout_ms > 0));
    nm_writer_pair_uint(out, "id", id);
    nm_writer_pair_text(out, "op", ask->op);
    if (header_count) {
        nm_writer_text(out, "headers");
        nm_writer_map(out, header_count);
        if (ask->idempotency_key)
            nm_writer_pair_text(out, "idempotency_key", ask->idempotency_key);
        if (ask->correlation_id)
            nm_writer_pair_text(out, "correlation_id", ask->correlation_id);
    }
    if (ask->body.size)
        nm_writer_pair_raw(out, "body", nm_bytes(ask->body.at, ask->body.size));
    if (ask->timeout_ms > 0)
        nm_writer_pair_uint(out, "timeout_ms",
                            (uint64_t) (ask->timeout_ms < S_TIMEOUT_MAX_MS ? ask->timeout_ms : S_TIMEOUT_MAX_MS));
}

nm_rc_t
nm_pending_add(nm_pending_t *self, const nmesh_ask_t *ask, int64_t now_ms, nmesh_fn *fn, void *arg)
{
    if (self->open_count >= self->open_max)
        return NM_ERR_FULL;
    s_open_t *slot = s_slot(self);
    slot->once = ask->once;
    slot->impatient = ask->impatient;
    slot->rest_ms = S_REST_MS;
    slot->deadline_ms = now_ms + ask->timeout_ms;
    slot->silence_ms = ask->silence_ms;
    slot->fn = fn;
    slot->arg = arg;
    slot->nodes = S_ASK_NODES;
    if (ask->body.size)
        slot->nodes += nm_reader_nodes(nm_bytes(ask->body.at, ask->body.size));
    s_pack(&slot->packed, slot->id, ask);
    s_wait(self, slot);
    self->open_count++;
    return NM_OK;
}

//  An ask that ended while it waited stays in the line as a free slot would; the line is
//  cleaned of such when a frame is made.
static void
s_drop_ended(nm_pending_t *self)
{
    s_open_t **at = &self->first;
    s_open_t *last = NULL;
    while (*at) {
        if ((*at)->state == S_WAITING) {
            last = *at;
            at = &(*at)->next;
        } else {
            *at = (*at)->next;
        }
    }
    self->last = last;
}

nm_rc_t
nm_pending_frame(nm_pending_t *self, nm_buf_t *out)
{
    if (!self->first)
        return NM_ERR_MISSING;
    size_t count = 0, size = 0, nodes = S_ASK_NODES;
    for (s_open_t *ask = self->first; ask && count < NM_ASK_BATCH_COUNT; ask = ask->next) {
        if (count && (size + ask->packed.size > NM_PENDING_FRAME_SIZE || nodes + ask->nodes > NM_NODE_MAX))
            break;
        size += ask->packed.size;
        nodes += ask->nodes;
        count++;
    }
    bool known = self->api_key || self->authorization;
    nm_writer_map(out, known ? 2 : 1);
    if (known) {
        nm_writer_text(out, "headers");
        nm_writer_map(out, 1);
        nm_writer_pair_text(out, self->api_key ? "api_key" : "authorization",
                            self->api_key ? self->api_key : self->authorization);
    }
    nm_writer_text(out, "asks");
    nm_writer_list(out, count);
    s_open_t *ask = self->first;
    for (size_t i = 0; i < count; i++, ask = ask->next)
        nm_buf_add_bytes(out, nm_buf_bytes(&ask->packed));
    self->framed_count = count;
    return NM_OK;
}

void
nm_pending_sent(nm_pending_t *self, int64_t now_ms)
{
    for (; self->framed_count; self->framed_count--) {
        s_open_t *ask = self->first;
        self->first = ask->next;
        ask->state = S_SENT;
        ask->sent_ms = now_ms;
        self->waiting_count--;
    }
    if (!self->first)
        self->last = NULL;
}

//  The slot is free when this returns, so the callback may add the next ask.
static void
s_end(nm_pending_t *self, s_open_t *ask, nm_pending_end_t *end)
{
    *end = (nm_pending_end_t){ .fn = ask->fn, .arg = ask->arg };
    bool waiting = ask->state == S_WAITING;
    self->resting_count -= ask->state == S_RESTING;
    ask->state = S_FREE;
    self->open_count--;
    if (waiting) {
        self->waiting_count--;
        s_drop_ended(self);
    }
}

nm_rc_t
nm_pending_open_replies(nm_pending_t *self, nm_bytes_t frame)
{
    nm_reply_frame_t replies;
    nm_rc_t rc = nm_record_decode(&nm_reply_frame_shape, &replies, frame, NULL, "");
    if (rc == NM_OK)
        rc = nm_list_open(&self->replies, replies.replies);
    return rc;
}

//  The door says in a header that the fault is another gateway's.
static bool
s_is_elsewhere(const nm_reply_t *reply)
{
    nm_bytes_t raw;
    return NM_HAS(reply, reply, headers) && nm_reader_find(reply->headers, "nmesh-owner", &raw) == NM_OK;
}

static bool
s_rest(nm_pending_t *self, s_open_t *ask, const nm_reply_t *reply, int64_t now_ms)
{
    if (reply->status != 503 || ask->state != S_SENT || ask->once || ask->impatient ||
        now_ms + ask->rest_ms >= ask->deadline_ms)
        return false;
    ask->state = S_RESTING;
    ask->again_ms = now_ms + ask->rest_ms;
    ask->rest_ms = 2 * ask->rest_ms < S_REST_MAX_MS ? 2 * ask->rest_ms : S_REST_MAX_MS;
    self->resting_count++;
    self->refused |= !s_is_elsewhere(reply);
    return true;
}

bool
nm_pending_refused(nm_pending_t *self)
{
    bool refused = self->refused;
    self->refused = false;
    return refused;
}

void
nm_pending_wake(nm_pending_t *self, int64_t now_ms)
{
    for (size_t i = 0; self->resting_count && i <= self->mask; i++) {
        s_open_t *ask = &self->slots[i];
        if (ask->state != S_RESTING || ask->again_ms > now_ms)
            continue;
        self->resting_count--;
        s_wait(self, ask);
    }
}

bool
nm_pending_has_once(const nm_pending_t *self)
{
    for (size_t i = 0; self->open_count && i <= self->mask; i++)
        if (self->slots[i].state == S_SENT && self->slots[i].once)
            return true;
    return false;
}

nm_rc_t
nm_pending_next(nm_pending_t *self, int64_t now_ms, nm_pending_end_t *end)
{
    nm_bytes_t raw;
    while (nm_list_next(&self->replies, &raw) == NM_OK) {
        nm_reply_t reply;
        if (nm_record_decode(&nm_reply_shape, &reply, raw, NULL, "") != NM_OK)
            continue;
        s_open_t *ask = &self->slots[reply.id & self->mask];
        if (ask->state == S_FREE || ask->id != reply.id || s_rest(self, ask, &reply, now_ms))
            continue;
        s_end(self, ask, end);
        end->reply.status = (unsigned) reply.status;
        end->reply.headers = (nmesh_packed_t){ reply.headers.at, reply.headers.size };
        end->reply.body = (nmesh_packed_t){ reply.body.at, reply.body.size };
        return NM_OK;
    }
    return NM_ERR_MISSING;
}

nm_rc_t
nm_pending_late(nm_pending_t *self, int64_t now_ms, nm_pending_end_t *end)
{
    for (size_t i = 0; self->open_count && i <= self->mask; i++) {
        s_open_t *ask = &self->slots[i];
        if (ask->state == S_FREE || (ask->state != S_LOST && ask->deadline_ms > now_ms))
            continue;
        s_end(self, ask, end);
        end->reply.status = 504;
        return NM_OK;
    }
    return NM_ERR_MISSING;
}

//  Back into the line, or lost if it must not be asked twice.
static void
s_again(nm_pending_t *self, s_open_t *ask)
{
    if (ask->once)
        ask->state = S_LOST;
    else
        s_wait(self, ask);
}

bool
nm_pending_silent(nm_pending_t *self, int64_t now_ms, int64_t heard_ms)
{
    for (size_t i = 0; self->open_count && i <= self->mask; i++) {
        s_open_t *ask = &self->slots[i];
        if (ask->state != S_SENT || now_ms - ask->sent_ms < ask->silence_ms)
            continue;
        if (heard_ms < ask->sent_ms)
            return true;
        s_again(self, ask);
    }
    return false;
}

void
nm_pending_again(nm_pending_t *self)
{
    for (size_t i = 0; self->open_count && i <= self->mask; i++) {
        if (self->slots[i].state == S_SENT)
            s_again(self, &self->slots[i]);
    }
}
