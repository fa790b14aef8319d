#include "broker/effects.h"

#include "broker/effect_call.h"

enum {
    SENDER_MAX = 64,   //  Threads for SMTP
    ACTIVE_MAX = 128,  //  Calls under way at once, to all hosts
    SOCKET_MAX = NM_EFFECTS_POLL_MAX - 2,
    IDLE_CALLS_MAX = 64,      //  Easy handles kept for the next calls
    CONNECTIONS_DEFAULT = 8,  //  To one host
};

typedef nm_effect_call_t call_t;

//  Where calls go. Its own limit holds calls back here rather than in curl, whose
//  time-outs would run while they wait.
typedef struct nm_effect_host {
    char *place;  //  As s_write_place has it
    unsigned connections;
    unsigned active_count;
    call_t *first;  //  Those that wait
    call_t **last_p;
    call_t *idle;  //  SMTP: handles that keep a connection to it
    int64_t used_us;
    struct nm_effect_host *next;
} host_t;

typedef struct finished {
    nm_result_t result;
    struct finished *next;
} finished_t;

struct nm_effects {
    CURLM *multi;          //  HTTP
    nm_worker_t *senders;  //  SMTP; made with the first message
    atomic_bool stopping;  //  The senders' threads read it
    nm_worker_t *worker;   //  The caller's
    host_t *hosts;
    nm_buf_t place;  //  Room to write one down
    call_t *active;
    unsigned active_count;
    call_t *idle;  //  HTTP
    size_t idle_count;
    size_t running;  //  Started and not yet taken; work is counted by the worker
    finished_t *first_finished;
    finished_t **last_finished_p;
    struct pollfd sockets[SOCKET_MAX];
    size_t socket_count;
    int64_t due_us;    //  When curl wants to be called; -1: it does not
    bool was_private;  //  A call went out that was not bound to public addresses
};

//  -- What curl waits for

//  curl tells which descriptors it waits for, and for what.
static int
s_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void) easy;
    (void) socket_arg;
    nm_effects_t *self = arg;
    size_t i = 0;
    while (i < self->socket_count && self->sockets[i].fd != fd)
        i++;
    if (what == CURL_POLL_REMOVE) {
        if (i < self->socket_count)
            self->sockets[i] = self->sockets[--self->socket_count];
        return 0;
    }
    if (i == SOCKET_MAX)
        return -1;
    if (i == self->socket_count)
        self->socket_count++;
    short events = (short) ((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    self->sockets[i] = (struct pollfd){ .fd = fd, .events = events };
    return 0;
}

static int
s_on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void) multi;
    nm_effects_t *self = arg;
    self->due_us = timeout_ms < 0 ? -1 : nm_effect_clock_us() + timeout_ms * 1000;
    return 0;
}

//  -- Results

static finished_t *
s_new_finished(nm_effects_t *self, const nm_effect_t *effect)
{
    finished_t *finished = nm_alloc(sizeof *finished);
    finished->result.token = effect->token;
    finished->result.about = effect->about;
    finished->result.retry_after_ms = -1;
    *self->last_finished_p = finished;
    self->last_finished_p = &finished->next;
    return finished;
}

//  -- Hosts and calls

//  The URL's scheme, host and port.
static nm_bytes_t
s_place_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return nm_bytes(url, (size_t) (host - url) + strcspn(host, "/?#"));
}

//  All that a connection was made with. curl compares less: it would use one that began without
//  checks of certificates for a call that wants them.
static void
s_write_place(const nm_effect_t *effect, nm_buf_t *out)
{
    nm_buf_add_bytes(out, s_place_of(effect->url));
    nm_buf_format(out, "\n%d%d\n%s\n%s", (int) effect->tls, effect->insecure, effect->ca_file ? effect->ca_file : "",
                  effect->user ? effect->user : "");
}

static host_t *
s_find_host(nm_effects_t *self, const nm_effect_t *effect)
{
    nm_buf_clear(&self->place);
    s_write_place(effect, &self->place);
    host_t *host = self->hosts;
    while (host && !nm_bytes_is(nm_buf_bytes(&self->place), host->place))
        host = host->next;
    if (!host) {
        host = nm_alloc(sizeof *host);
        nm_effect_set_bytes(&host->place, nm_buf_bytes(&self->place));
        host->last_p = &host->first;
        host->next = self->hosts;
        self->hosts = host;
    }
    host->connections = effect->connections ? effect->connections : CONNECTIONS_DEFAULT;
    return host;
}

static void
s_destroy_list(call_t *call)
{
    while (call) {
        call_t *next = call->next;
        nm_effect_call_destroy(&call);
        call = next;
    }
}

//  A host without calls is kept as long as its connections are worth keeping.
static void
s_drop_hosts(nm_effects_t *self, bool all)
{
    int64_t oldest_us = nm_effect_clock_us() - INT64_C(1000000) * NM_EFFECT_IDLE_S;
    for (host_t **place = &self->hosts; *place;) {
        host_t *host = *place;
        bool busy = host->active_count || host->first;
        if (!all && (busy || (host->idle && host->used_us > oldest_us))) {
            place = &host->next;
            continue;
        }
        *place = host->next;
        s_destroy_list(host->first);
        s_destroy_list(host->idle);
        free(host->place);
        free(host);
    }
}

//  The buffers and the handle are kept, what the call was about is not. An SMTP handle has its
//  connection with it, so it stays with its host.
static void
s_put_away(nm_effects_t *self, call_t *call)
{
    bool keep_with_host = call->effect->kind == NM_EFFECT_SMTP;
    nm_effect_destroy(&call->effect);
    call->again = false;
    if (keep_with_host) {
        call->next = call->host->idle;
        call->host->idle = call;
    } else if (self->idle_count == IDLE_CALLS_MAX)
        nm_effect_call_destroy(&call);
    else {
        call->next = self->idle;
        self->idle = call;
        self->idle_count++;
    }
}

//  A waiting call has no handle: it gets one when it is started.
static call_t *
s_new_call(nm_effects_t *self, nm_effect_t *effect)
{
    call_t *call = nm_alloc(sizeof *call);
    call->stopping = &self->stopping;
    call->effect = effect;
    return call;
}

//  Gives the call the handle, with its connection and buffers, of one that is over.
static void
s_take_handle(nm_effects_t *self, call_t *call)
{
    bool smtp = call->effect->kind == NM_EFFECT_SMTP;
    call_t **list = smtp ? &call->host->idle : &self->idle;
    call_t *old = *list;
    if (!old) {
        call->easy = curl_easy_init();
        return;
    }
    *list = old->next;
    if (!smtp)
        self->idle_count--;
    call->easy = old->easy;
    call->lines = old->lines;
    call->reply_text = old->reply_text;
    call->answer = old->answer;
    free(old);
}

static void
s_forbid(nm_effects_t *self, nm_effect_t *effect, const char *reason)
{
    finished_t *finished = s_new_finished(self, effect);
    finished->result.call = NM_CALL_FORBIDDEN;
    nm_result_set_text(&finished->result, nm_text(reason));
    nm_effect_destroy(&effect);
}

//  curl's SMTP waits for the answer to the final dot and to QUIT inside its calls (7.88), also
//  in a multi handle. So each message has a thread while it is under way.
static void
s_send(void *arg, nm_result_t *result)
{
    (void) result;
    call_t *call = arg;
    call->code = curl_easy_perform(call->easy);
}

static void
s_perform(nm_effects_t *self, call_t *call)
{
    const nm_effect_t *effect = call->effect;
    //  A connection that was opened without the guard is not one that the guard has seen
    call->fresh = effect->public_only && self->was_private;
    self->was_private = self->was_private || !effect->public_only;
    nm_effect_call_set_up(call);
    if (effect->kind == NM_EFFECT_HTTP) {
        curl_multi_add_handle(self->multi, call->easy);
        return;
    }
    nm_effect_t *job = nm_effect_new(NM_EFFECT_WORK, 0, NULL);
    job->token = (uint64_t) (uintptr_t) call;
    job->work = s_send;
    job->work_arg = call;
    nm_worker_start(self->senders, job);
}

static void
s_activate(nm_effects_t *self, call_t *call)
{
    call->next = self->active;
    call->prev_next = &self->active;
    if (call->next)
        call->next->prev_next = &call->next;
    self->active = call;
    self->active_count++;
    call->host->active_count++;
    call->start_us = nm_effect_clock_us();
    s_take_handle(self, call);
    s_perform(self, call);
}

static void
s_deactivate(nm_effects_t *self, call_t *call)
{
    *call->prev_next = call->next;
    if (call->next)
        call->next->prev_next = call->prev_next;
    self->active_count--;
    call->host->active_count--;
    call->host->used_us = nm_effect_clock_us();
}

//  Starts what waits, as far as its host's limit and ours allow.
static void
s_start_waiting(nm_effects_t *self, host_t *host)
{
    while (host->first && host->active_count < host->connections && self->active_count < ACTIVE_MAX) {
        call_t *call = host->first;
        host->first = call->next;
        if (!host->first)
            host->last_p = &host->first;
        s_activate(self, call);
    }
}

static bool
s_try_again(nm_effects_t *self, call_t *call, CURLcode code)
{
    if (!nm_effect_call_may_repeat(call, code))
        return false;
    call->again = true;
    s_perform(self, call);
    return true;
}

static void
s_finish(nm_effects_t *self, call_t *call, CURLcode code)
{
    if (s_try_again(self, call, code))
        return;
    nm_effect_call_fill(call, code, &s_new_finished(self, call->effect)->result);
    host_t *host = call->host;
    s_deactivate(self, call);
    s_put_away(self, call);
    s_start_waiting(self, host);
}

static void
s_finish_done(nm_effects_t *self)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(self->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        call_t *call;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        curl_multi_remove_handle(self->multi, call->easy);
        s_finish(self, call, code);
    }
    nm_result_t sent;
    while (self->senders && nm_worker_take(self->senders, &sent)) {
        call_t *call = (call_t *) (uintptr_t) sent.token;
        s_finish(self, call, call->code);
    }
    //  Our own limit may have held back calls to other hosts than those that just ended
    for (host_t *host = self->hosts; host; host = host->next)
        s_start_waiting(self, host);
}

//  -- Public

nm_effects_t *
nm_effects_new(nm_worker_t *worker)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    nm_effects_t *self = nm_alloc(sizeof *self);
    self->worker = worker;
    self->last_finished_p = &self->first_finished;
    self->due_us = -1;
    self->multi = curl_multi_init();
    if (!self->multi) {
        nm_effects_destroy(&self);
        return NULL;
    }
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, s_on_socket);
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, s_on_timer);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, (long) ACTIVE_MAX);
    return self;
}

void
nm_effects_destroy(nm_effects_t **self_p)
{
    nm_effects_t *self = *self_p;
    if (!self)
        return;
    atomic_store(&self->stopping, true);
    nm_worker_destroy(&self->senders);
    while (self->active) {
        call_t *call = self->active;
        if (call->effect->kind == NM_EFFECT_HTTP)
            curl_multi_remove_handle(self->multi, call->easy);
        s_deactivate(self, call);
        nm_effect_call_destroy(&call);
    }
    s_drop_hosts(self, true);
    s_destroy_list(self->idle);
    nm_buf_free(&self->place);
    nm_result_t result;
    self->worker = NULL;
    while (nm_effects_take(self, &result))
        nm_result_free(&result);
    if (self->multi)
        curl_multi_cleanup(self->multi);
    free(self);
    curl_global_cleanup();
    *self_p = NULL;
}

void
nm_effects_start(nm_effects_t *self, nm_effect_t *effect)
{
    nm_error_t error;
    bool allowed = nm_effect_check(effect, &error) == NM_OK;
    if (allowed && effect->kind == NM_EFFECT_WORK && self->worker) {
        nm_worker_start(self->worker, effect);
        return;
    }
    self->running++;
    if (!allowed || effect->kind == NM_EFFECT_WORK) {
        s_forbid(self, effect, allowed ? "there is no worker" : error.text);
        return;
    }
    if (effect->kind == NM_EFFECT_SMTP && !self->senders)
        self->senders = nm_worker_new(SENDER_MAX);
    call_t *call = s_new_call(self, effect);
    call->host = s_find_host(self, effect);
    *call->host->last_p = call;
    call->host->last_p = &call->next;
    s_start_waiting(self, call->host);
}

size_t
nm_effects_running(const nm_effects_t *self)
{
    return self->running + (self->worker ? nm_worker_running(self->worker) : 0);
}

//  When there is something to do though no descriptor is ready; -1 for never.
static int64_t
s_next_due_us(const nm_effects_t *self)
{
    int64_t due_us = self->due_us;
    for (const host_t *host = self->hosts; host; host = host->next) {
        int64_t drop_us = host->used_us + INT64_C(1000000) * (NM_EFFECT_IDLE_S + 1);
        if (host->idle && !host->active_count && (due_us < 0 || drop_us < due_us))
            due_us = drop_us;
    }
    return self->first_finished ? 0 : due_us;
}

size_t
nm_effects_poll(nm_effects_t *self, struct pollfd *fds, size_t max, int *timeout_ms)
{
    size_t count = 0;
    if (self->worker && count < max)
        fds[count++] = (struct pollfd){ .fd = nm_worker_fd(self->worker), .events = POLLIN };
    if (self->senders && count < max)
        fds[count++] = (struct pollfd){ .fd = nm_worker_fd(self->senders), .events = POLLIN };
    for (size_t i = 0; i < self->socket_count && count < max; i++)
        fds[count++] = self->sockets[i];

    *timeout_ms = -1;
    int64_t due_us = s_next_due_us(self);
    if (due_us >= 0) {
        int64_t left_us = due_us - nm_effect_clock_us();
        *timeout_ms = left_us <= 0 ? 0 : left_us >= INT64_C(60000000) ? 60000 : (int) ((left_us + 999) / 1000);
    }
    return count;
}

void
nm_effects_run(nm_effects_t *self, const struct pollfd *fds, size_t count)
{
    int running;
    int worker_fd = self->worker ? nm_worker_fd(self->worker) : -1;
    int senders_fd = self->senders ? nm_worker_fd(self->senders) : -1;
    for (size_t i = 0; i < count; i++) {
        if (!fds[i].revents || fds[i].fd == worker_fd || fds[i].fd == senders_fd)
            continue;
        int ready = (fds[i].revents & POLLIN ? CURL_CSELECT_IN : 0) |
                    (fds[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                    (fds[i].revents & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(self->multi, fds[i].fd, ready, &running);
    }
    if (self->due_us >= 0 && nm_effect_clock_us() >= self->due_us) {
        self->due_us = -1;
        curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    s_finish_done(self);
    s_drop_hosts(self, false);
}

bool
nm_effects_take(nm_effects_t *self, nm_result_t *result)
{
    if (self->worker && nm_worker_take(self->worker, result))
        return true;
    finished_t *finished = self->first_finished;
    if (!finished)
        return false;
    self->first_finished = finished->next;
    if (!self->first_finished)
        self->last_finished_p = &self->first_finished;
    self->running--;
    *result = finished->result;
    free(finished);
    return true;
}
