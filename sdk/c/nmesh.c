//  The client: pending.c says what is open, line.c carries it, this drives the two.
#include "sdk/c/client.h"
#include "sdk/c/notification.h"
#include "wire/reader.h"
#include "wire/limits.h"
#include "wire/utf8.h"
#include <errno.h>
#include <sys/random.h>
#include <time.h>

enum {
    S_TIMEOUT_MS = 30000,
    S_SILENCE_MS = 5000,
    S_ASK_SILENCE_MS = 12000,  //  A gateway that passes an ask on waits 10 s for the answer
    S_UPKEEP_MS = 100,
    S_LEARN_MS = 60000,   //  Between two looks at the doors
    S_REFUSED_MS = 1000,  //  Between two moves for a 503
    S_OP_SIZE = 64,       //  What a frame lets stand there (wire/frames.h)
    S_CORRELATION_SIZE = 1024,
    S_KEY_SIZE = 128,
    S_TOKEN_SIZE = 8192 - (sizeof "Bearer " - 1),
};

static int64_t
s_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

//  Asks of one poll share a frame, and one that is malformed would spoil it for all of them.
static bool
s_is_line(const char *text, size_t most)
{
    nm_bytes_t bytes = nm_text(text ? text : "");
    return bytes.size <= most && nm_utf8_is_valid(bytes) && nm_utf8_is_line(bytes);
}

static bool
s_may_identify(const nmesh_options_t *options, nmesh_error_t *error)
{
    bool key = s_is_line(options->api_key, S_KEY_SIZE), token = s_is_line(options->token, S_TOKEN_SIZE);
    if (key && token)
        return true;
    if (error) {
        *error = (nmesh_error_t){ .title = "Wrong options" };
        snprintf(error->detail, sizeof error->detail,
                 "The %s is not one line of text, or is too long: was it read with its line end?",
                 key ? "token" : "API key");
    }
    return false;
}

nmesh_t *
nmesh_open(const nmesh_options_t *options, nmesh_error_t *error)
{
    if (!s_may_identify(options, error))
        return NULL;
    nmesh_t *self = nm_alloc(sizeof *self);
    self->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : S_TIMEOUT_MS;
    self->silence_ms = options->silence_ms > 0 ? options->silence_ms : S_SILENCE_MS;
    self->ask_silence_ms = options->silence_ms > 0 ? options->silence_ms : S_ASK_SILENCE_MS;
    self->pending = nm_pending_new(options->api_key, NMESH_OPEN_MAX);
    if (options->token && !options->api_key)
        nm_pending_use_token(self->pending, options->token);
    self->line = nm_line_new(options, error);
    self->learns = !options->fixed_doors && options->api_key;
    if (!self->line || getrandom(&self->random, sizeof self->random, 0) != sizeof self->random)
        nmesh_close(&self);
    return self;
}

void
nmesh_close(nmesh_t **self_p)
{
    nmesh_t *self = *self_p;
    if (!self)
        return;
    nm_line_destroy(&self->line);
    nm_pending_destroy(&self->pending);
    nm_buf_free(&self->frame);
    nm_buf_free(&self->body);
    nm_buf_free(&self->kept);
    free(self);
    *self_p = NULL;
}

static bool
s_is_sound(const nmesh_ask_t *ask)
{
    return s_is_line(ask->op, S_OP_SIZE) && s_is_line(ask->idempotency_key, NM_IDEMPOTENCY_MAX + 2) &&
           s_is_line(ask->correlation_id, S_CORRELATION_SIZE) &&
           (!ask->body.size || nm_reader_check(nm_bytes(ask->body.at, ask->body.size)) == NM_OK);
}

int
nmesh_submit_ask(nmesh_t *self, const nmesh_ask_t *ask, nmesh_fn *fn, void *arg)
{
    nmesh_ask_t whole = *ask;
    if (whole.timeout_ms <= 0)
        whole.timeout_ms = self->timeout_ms;
    if (whole.silence_ms <= 0)
        whole.silence_ms = self->ask_silence_ms;
    if (!s_is_sound(&whole))
        return -1;
    return nm_pending_add(self->pending, &whole, s_now_ms(), fn, arg) == NM_OK ? 0 : -1;
}

//  A key of our own makes asking again safe: the gateway knows what it has accepted.
int
nmesh_submit(nmesh_t *self, const nmesh_notification_t *notification, nmesh_fn *fn, void *arg)
{
    char key[48];
    snprintf(key, sizeof key, "sdk-%016llx%016llx-%llu", (unsigned long long) self->random[0],
             (unsigned long long) self->random[1], (unsigned long long) ++self->key_count);
    nm_buf_clear(&self->body);
    if (nm_notification_pack(notification, &self->body) != NM_OK)
        return -1;
    nmesh_ask_t ask = {
        .op = "notifications.create",
        .body = { self->body.at, self->body.size },
        .idempotency_key = notification->idempotency_key ? notification->idempotency_key : key,
        .correlation_id = notification->correlation_id,
        .silence_ms = self->silence_ms,
    };
    return nmesh_submit_ask(self, &ask, fn, arg);
}

size_t
nmesh_open_count(const nmesh_t *self)
{
    return nm_pending_open_count(self->pending);
}

size_t
nmesh_door_count(const nmesh_t *self)
{
    return nm_line_door_count(self->line);
}

int
nmesh_fd(const nmesh_t *self)
{
    return nm_line_fd(self->line);
}

const char *
nmesh_version(void)
{
    return NM_VERSION_TEXT;
}

//  Follows what was sent first, so that both are answered in one turn.
static void
s_ask_doors(nmesh_t *self)
{
    int64_t now_ms = s_now_ms();
    if (!self->learns || (self->asked_ms && now_ms - self->asked_ms < S_LEARN_MS))
        return;
    self->asked_ms = now_ms;
    nm_buf_clear(&self->frame);
    nm_doors_pack(nm_pending_api_key(self->pending), &self->frame);
    (void) nm_line_send(self->line, nm_buf_bytes(&self->frame));  //  Else in a minute
}

static void
s_move(nmesh_t *self, int64_t now_ms)
{
    nm_pending_again(self->pending);
    nm_line_move(self->line);
    self->moved_ms = now_ms;
    self->asked_ms = 0;
}

static void
s_send(nmesh_t *self)
{
    for (;;) {
        nm_buf_clear(&self->frame);
        if (nm_pending_frame(self->pending, &self->frame) != NM_OK)
            return;
        if (nm_line_send(self->line, nm_buf_bytes(&self->frame)) != NM_OK)
            return;
        nm_pending_sent(self->pending, s_now_ms());
        s_ask_doors(self);
    }
}

static int
s_take(nmesh_t *self)
{
    int count = 0;
    nm_bytes_t frame;
    while (nm_line_take(self->line, &frame) == NM_OK) {
        nm_pending_end_t end;
        self->heard_ms = s_now_ms();
        if (self->learns)
            nm_doors_read(frame, self->line);
        if (nm_pending_open_replies(self->pending, frame) != NM_OK)
            continue;
        while (nm_pending_next(self->pending, self->heard_ms, &end) == NM_OK) {
            end.fn(self, &end.reply, end.arg);
            count++;
        }
    }
    return count;
}

//  The door cannot take on work now, and another may.
static bool
s_is_refused(nmesh_t *self, int64_t now_ms)
{
    return nm_line_door_count(self->line) > 1 && now_ms - self->moved_ms > S_REFUSED_MS &&
           !nm_pending_has_once(self->pending) && nm_pending_refused(self->pending);
}

static int
s_upkeep(nmesh_t *self, int64_t now_ms)
{
    int count = 0;
    nm_pending_end_t end;
    if (now_ms - self->upkeep_ms < S_UPKEEP_MS)
        return 0;
    self->upkeep_ms = now_ms;
    if (nm_pending_silent(self->pending, now_ms, self->heard_ms)) {
        s_move(self, now_ms);
    } else if (s_is_refused(self, now_ms)) {
        s_move(self, now_ms);
    } else if (nm_pending_waiting_count(self->pending) && now_ms - self->heard_ms > self->silence_ms &&
               now_ms - self->moved_ms > self->silence_ms) {
        s_move(self, now_ms);  //  No connection came about: nothing could even be sent
    }
    nm_pending_wake(self->pending, now_ms);  //  After the look at those that wait: these have not waited
    while (nm_pending_late(self->pending, now_ms, &end) == NM_OK) {
        end.fn(self, &end.reply, end.arg);
        count++;
    }
    return count;
}

int
nmesh_poll(nmesh_t *self, int timeout_ms)
{
    int64_t end_ms = s_now_ms() + timeout_ms;
    int count = 0;
    if (!self->moved_ms)
        self->moved_ms = s_now_ms();
    for (;;) {
        s_send(self);
        count += s_take(self);
        int64_t now_ms = s_now_ms();
        count += s_upkeep(self, now_ms);
        if (count || now_ms >= end_ms || !nm_pending_open_count(self->pending))
            break;
        int64_t wait_ms = end_ms - now_ms < S_UPKEEP_MS ? end_ms - now_ms : S_UPKEEP_MS;
        nm_line_wait(self->line, (int) wait_ms, nm_pending_waiting_count(self->pending) > 0);
    }
    s_send(self);  //  What the callbacks submitted goes now, not at the next poll
    return count;
}
