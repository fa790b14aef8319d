#include "broker/effects.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "broker/public_address.h"
#include "wire/utf8.h"

enum {
    SENDER_MAX = 64,   //  Threads for SMTP
    ACTIVE_MAX = 128,  //  Calls under way at once, to all hosts
    SOCKET_MAX = NM_EFFECTS_POLL_MAX - 2,
    IDLE_CALLS_MAX = 64,      //  Easy handles kept for the next calls
    CONNECTIONS_DEFAULT = 8,  //  To one host
    CONNECT_DEFAULT_MS = 10000,
    TIMEOUT_DEFAULT_MS = 60000,
    IDLE_CONNECTION_S = 30,   //  Older ones are not used again: servers close them
    ANSWER_MAX = 64 * 1024,   //  Of an HTTP answer
    HEADERS_MAX = 64 * 1024,  //  Of all headers of an HTTP answer
};

//  One call, from start to result. Handles are used again.
typedef struct call {
    CURL *easy;
    CURLcode code;  //  Of SMTP: what curl_easy_perform returned
    struct nm_effects *effects;
    struct host *host;
    nm_effect_t *effect;
    struct curl_slist *lines;  //  Recipient of SMTP, headers of HTTP
    int64_t start_us;
    size_t body_at;         //  How much of the body curl has read
    bool body_done;         //  All of it: the end of the message may be out
    bool forbidden;         //  An address was refused
    bool again;             //  It runs for the second time
    size_t header_size;     //  Of an HTTP answer, so far
    unsigned reply_code;    //  Of the SMTP reply that came last
    bool reply_open;        //  More lines of it follow
    bool reply_after_body;  //  It came after the message was complete
    nm_buf_t reply_text;
    nm_buf_t answer;  //  HTTP
    char curl_text[CURL_ERROR_SIZE];
    struct call *next;        //  In the host's queue, the list of the active or of the idle
    struct call **prev_next;  //  What points here, among the active
} call_t;

//  Where calls go. Its own limit holds calls back here rather than in curl, whose
//  time-outs would run while they wait.
typedef struct host {
    char *place;  //  As s_write_place has it
    unsigned connections;
    unsigned active_count;
    call_t *first;  //  Those that wait
    call_t **last_p;
    call_t *idle;  //  SMTP: handles that keep a connection to it
    int64_t used_us;
    struct host *next;
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

static int64_t
s_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

//  -- What curl calls back

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
    self->due_us = timeout_ms < 0 ? -1 : s_now_us() + timeout_ms * 1000;
    return 0;
}

static size_t
s_on_read(char *out, size_t size, size_t count, void *arg)
{
    call_t *call = arg;
    const nm_buf_t *body = &call->effect->body;
    size_t left = body->size - call->body_at, taken = size * count < left ? size * count : left;
    if (taken)
        memcpy(out, body->at + call->body_at, taken);
    call->body_at += taken;
    call->body_done = call->body_at == body->size;
    return taken;
}

//  curl wants to send the body again, on a new connection. Not when it may have arrived.
static int
s_on_seek(void *arg, curl_off_t offset, int origin)
{
    call_t *call = arg;
    if (origin != SEEK_SET || offset != 0 || call->body_done)
        return CURL_SEEKFUNC_FAIL;
    call->body_at = 0;
    return CURL_SEEKFUNC_OK;
}

//  The code at the start of an SMTP reply line; 0 if it is none.
static unsigned
s_reply_code(nm_bytes_t line)
{
    if (line.size < 3)
        return 0;
    unsigned code = 0;
    for (size_t i = 0; i < 3; i++) {
        if (line.at[i] < '0' || line.at[i] > '9')
            return 0;
        code = code * 10 + (line.at[i] - '0');
    }
    return code;
}

//  Keeps the lines of the last reply. That to QUIT, which curl sends on its own, is not one.
static void
s_take_reply(call_t *call, nm_bytes_t line)
{
    while (line.size && (line.at[line.size - 1] == '\n' || line.at[line.size - 1] == '\r'))
        line.size--;
    unsigned code = s_reply_code(line);
    if (!code || code == 221)
        return;
    if (!call->reply_open)
        nm_buf_clear(&call->reply_text);
    call->reply_code = code;
    call->reply_open = line.size > 3 && line.at[3] == '-';
    call->reply_after_body = call->body_done;
    if (line.size <= 4 || call->reply_text.size > sizeof((nm_result_t *) 0)->text)
        return;
    if (call->reply_text.size)
        nm_buf_add_text(&call->reply_text, " ");
    nm_buf_add(&call->reply_text, line.at + 4, line.size - 4);
}

static size_t
s_on_header(char *at, size_t size, size_t count, void *arg)
{
    call_t *call = arg;
    call->header_size += size * count;
    if (call->effect->kind == NM_EFFECT_SMTP)
        s_take_reply(call, nm_bytes(at, size * count));
    else if (call->header_size > HEADERS_MAX)
        return 0;
    return size * count;
}

//  Ends the transfer when the answer is larger than anybody needs.
static size_t
s_on_answer(char *at, size_t size, size_t count, void *arg)
{
    call_t *call = arg;
    size_t room = ANSWER_MAX - call->answer.size;
    if (size * count > room) {
        nm_buf_add(&call->answer, at, room);
        return 0;
    }
    nm_buf_add(&call->answer, at, size * count);
    return size * count;
}

//  Sees each address after it was resolved, so no name can hide one.
static curl_socket_t
s_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void) purpose;
    call_t *call = arg;
    if (call->effect->public_only && !nm_public_address_is(&address->addr, address->addrlen)) {
        call->forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

//  Ends what the senders' threads do, within a second.
static int
s_on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void) a;
    (void) b;
    (void) c;
    (void) d;
    const call_t *call = arg;
    return atomic_load_explicit(&call->effects->stopping, memory_order_relaxed);
}

//  -- Setting a call up

static void
s_set_common(call_t *call)
{
    CURL *easy = call->easy;
    const nm_effect_t *effect = call->effect;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_text);
    curl_easy_setopt(easy, CURLOPT_URL, effect->url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long) (effect->connect_timeout_ms ? effect->connect_timeout_ms : CONNECT_DEFAULT_MS));
    long timeout_ms = (long) (effect->timeout_ms ? effect->timeout_ms : TIMEOUT_DEFAULT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (timeout_ms + 999) / 1000);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long) IDLE_CONNECTION_S);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, s_on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, s_on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, s_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, s_on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, call->again ? 1L : 0L);
}

static void
s_set_tls(call_t *call)
{
    CURL *easy = call->easy;
    const nm_effect_t *effect = call->effect;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_USE_SSL, (long) (effect->tls == NM_TLS_NONE ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (effect->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, effect->ca_file);
    if (effect->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (effect->user) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, effect->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, effect->password ? effect->password : "");
    }
}

static void
s_set_smtp(call_t *call)
{
    CURL *easy = call->easy;
    const nm_effect_t *effect = call->effect;
    call->lines = curl_slist_append(NULL, effect->recipient);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, s_on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, call);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, effect->sender);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, call->lines);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) effect->body.size);
}

static void
s_set_http(call_t *call)
{
    CURL *easy = call->easy;
    const nm_effect_t *effect = call->effect;
    //  Without a wait for "100 Continue", which few servers send
    call->lines = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < effect->header_count; i++)
        call->lines = curl_slist_append(call->lines, effect->headers[i]);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "nmesh/" NM_VERSION_TEXT);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->lines);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, s_on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
    if (effect->body.size) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) effect->body.size);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, effect->method);
    //  A connection that was opened without the guard is not one that the guard has seen
    if (effect->public_only && call->effects->was_private)
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    if (!effect->public_only)
        call->effects->was_private = true;
}

static void
s_set_up(call_t *call)
{
    curl_easy_reset(call->easy);
    curl_slist_free_all(call->lines);
    call->lines = NULL;
    call->body_at = 0;
    call->body_done = call->effect->kind == NM_EFFECT_HTTP && !call->effect->body.size;
    call->forbidden = call->reply_open = call->reply_after_body = false;
    call->reply_code = 0;
    call->header_size = 0;
    call->curl_text[0] = 0;
    nm_buf_clear(&call->reply_text);
    nm_buf_clear(&call->answer);
    s_set_common(call);
    s_set_tls(call);
    if (call->effect->kind == NM_EFFECT_SMTP)
        s_set_smtp(call);
    else
        s_set_http(call);
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

//  What others said, as one line that is safe to keep and to show.
static void
s_set_text(nm_result_t *result, nm_bytes_t text)
{
    size_t size = 0;
    while (text.size && size < sizeof result->text - 1) {
        nm_bytes_t rest = text;
        uint32_t rune;
        bool valid = nm_utf8_next(&rest, &rune);
        if (!valid)
            rest = nm_bytes(text.at + 1, text.size - 1);
        size_t rune_size = text.size - rest.size;
        if (size + rune_size > sizeof result->text - 1)
            break;
        if (valid && nm_utf8_is_line(nm_bytes(text.at, rune_size))) {
            memcpy(result->text + size, text.at, rune_size);
            size += rune_size;
        } else
            result->text[size++] = valid ? ' ' : '?';
        text = rest;
    }
    result->text[size] = 0;
}

static bool
s_is_unreached(CURLcode code)
{
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_USE_SSL_FAILED: return true;
    default: return false;
    }
}

//  Was there a connection at all?
static bool
s_was_connected(const call_t *call)
{
    curl_off_t connected_us = 0;
    long new_count = 0;
    curl_easy_getinfo(call->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &new_count);
    return connected_us > 0 || (new_count == 0 && call->reply_code);
}

//  SMTP: a refusal is an answer wherever it comes. Once the message was complete, only
//  a reply that came after that tells what became of it.
static nm_call_t
s_judge_smtp(const call_t *call, CURLcode code)
{
    if (code == CURLE_OK || call->reply_code >= 400)
        return NM_CALL_ANSWERED;
    if (call->body_done)
        return call->reply_after_body && call->reply_code != 354 ? NM_CALL_ANSWERED : NM_CALL_UNKNOWN;
    return s_is_unreached(code) || !s_was_connected(call) ? NM_CALL_UNREACHED : NM_CALL_BROKEN;
}

//  HTTP: a status is an answer, even if the rest of it was too long or did not come.
static nm_call_t
s_judge_http(const call_t *call, CURLcode code, long status)
{
    if (code == CURLE_OK || status >= 200)
        return NM_CALL_ANSWERED;
    long request_size = 0;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_size);
    if (s_is_unreached(code) || !s_was_connected(call))
        return NM_CALL_UNREACHED;
    return request_size > 0 && call->body_done ? NM_CALL_UNKNOWN : NM_CALL_BROKEN;
}

static void
s_fill_smtp(call_t *call, CURLcode code, nm_result_t *result)
{
    result->call = s_judge_smtp(call, code);
    if (result->call == NM_CALL_ANSWERED)
        result->code = call->reply_code;
    if (result->call == NM_CALL_ANSWERED)
        s_set_text(result, nm_buf_bytes(&call->reply_text));
}

static void
s_fill_http(call_t *call, CURLcode code, nm_result_t *result)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    result->call = s_judge_http(call, code, status);
    result->code = (unsigned) status;
    if (curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s) == CURLE_OK && retry_after_s > 0)
        result->retry_after_ms = retry_after_s < INT32_MAX ? retry_after_s * 1000 : INT64_C(1000) * INT32_MAX;
    if (result->call == NM_CALL_ANSWERED)
        s_set_text(result, nm_buf_bytes(&call->answer));
    result->body = call->answer;
    call->answer = (nm_buf_t){ 0 };
}

static void
s_fill(call_t *call, CURLcode code, nm_result_t *result)
{
    result->took_us = s_now_us() - call->start_us;
    if (call->forbidden && code == CURLE_COULDNT_CONNECT) {
        result->call = NM_CALL_FORBIDDEN;
        s_set_text(result, nm_text("the address is not public"));
        return;
    }
    if (call->effect->kind == NM_EFFECT_SMTP)
        s_fill_smtp(call, code, result);
    else
        s_fill_http(call, code, result);
    if (result->call != NM_CALL_ANSWERED)
        s_set_text(result, nm_text(call->curl_text[0] ? call->curl_text : curl_easy_strerror(code)));
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

//  curl says goodbye to a server that it had a connection to, and waits for the answer, which
//  for a dead server takes minutes. With the reading half shut it still says it and goes on.
static void
s_destroy_call(call_t *call)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (call->easy && curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
        shutdown(fd, SHUT_RD);
    if (call->easy)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->lines);
    nm_effect_destroy(&call->effect);
    nm_buf_free(&call->reply_text);
    nm_buf_free(&call->answer);
    free(call);
}

static void
s_destroy_list(call_t *call)
{
    while (call) {
        call_t *next = call->next;
        s_destroy_call(call);
        call = next;
    }
}

//  A host without calls is kept as long as its connections are worth keeping.
static void
s_drop_hosts(nm_effects_t *self, bool all)
{
    int64_t oldest_us = s_now_us() - INT64_C(1000000) * IDLE_CONNECTION_S;
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
        s_destroy_call(call);
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
    call->effects = self;
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
    s_set_text(&finished->result, nm_text(reason));
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
    s_set_up(call);
    if (call->effect->kind == NM_EFFECT_HTTP) {
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
    call->start_us = s_now_us();
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
    call->host->used_us = s_now_us();
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

//  A kept connection that the server had closed meanwhile shows only now. Nothing of the
//  message was read, so it goes once more, over a new one.
static bool
s_try_again(nm_effects_t *self, call_t *call, CURLcode code)
{
    long new_count = 0;
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &new_count);
    bool lost = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
                code == CURLE_WEIRD_SERVER_REPLY;
    if (!lost || call->again || new_count || call->body_at || call->reply_code || call->effect->kind != NM_EFFECT_SMTP)
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
    s_fill(call, code, &s_new_finished(self, call->effect)->result);
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
        s_destroy_call(call);
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
        int64_t drop_us = host->used_us + INT64_C(1000000) * (IDLE_CONNECTION_S + 1);
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
        int64_t left_us = due_us - s_now_us();
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
    if (self->due_us >= 0 && s_now_us() >= self->due_us) {
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
