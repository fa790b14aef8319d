#include "broker/effect_call.h"

#include <sys/socket.h>
#include <time.h>
#include "broker/public_address.h"

enum {
    CONNECT_DEFAULT_MS = 10000,
    TIMEOUT_DEFAULT_MS = 60000,
    ANSWER_MAX = 64 * 1024,   //  Of an HTTP answer
    HEADERS_MAX = 64 * 1024,  //  Of all headers of an HTTP answer
};

int64_t
nm_effect_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

//  -- What curl calls back

static size_t
s_on_read(char *out, size_t size, size_t count, void *arg)
{
    nm_effect_call_t *self = arg;
    const nm_buf_t *body = &self->effect->body;
    size_t left = body->size - self->body_at, taken = size * count < left ? size * count : left;
    if (taken)
        memcpy(out, body->at + self->body_at, taken);
    self->body_at += taken;
    self->body_done = self->body_at == body->size;
    return taken;
}

//  curl wants to send the body again, on a new connection. Not when it may have arrived.
static int
s_on_seek(void *arg, curl_off_t offset, int origin)
{
    nm_effect_call_t *self = arg;
    if (origin != SEEK_SET || offset != 0 || self->body_done)
        return CURL_SEEKFUNC_FAIL;
    self->body_at = 0;
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
s_take_reply(nm_effect_call_t *self, nm_bytes_t line)
{
    while (line.size && (line.at[line.size - 1] == '\n' || line.at[line.size - 1] == '\r'))
        line.size--;
    unsigned code = s_reply_code(line);
    if (!code || code == 221)
        return;
    if (!self->reply_open)
        nm_buf_clear(&self->reply_text);
    self->reply_code = code;
    self->reply_open = line.size > 3 && line.at[3] == '-';
    self->reply_after_body = self->body_done;
    if (line.size <= 4 || self->reply_text.size > sizeof((nm_result_t *) 0)->text)
        return;
    if (self->reply_text.size)
        nm_buf_add_text(&self->reply_text, " ");
    nm_buf_add(&self->reply_text, line.at + 4, line.size - 4);
}

static size_t
s_on_header(char *at, size_t size, size_t count, void *arg)
{
    nm_effect_call_t *self = arg;
    self->header_size += size * count;
    if (self->effect->kind == NM_EFFECT_SMTP)
        s_take_reply(self, nm_bytes(at, size * count));
    else if (self->header_size > HEADERS_MAX)
        return 0;
    return size * count;
}

//  Ends the transfer when the answer is larger than anybody needs.
static size_t
s_on_answer(char *at, size_t size, size_t count, void *arg)
{
    nm_effect_call_t *self = arg;
    size_t room = ANSWER_MAX - self->answer.size;
    if (size * count > room) {
        nm_buf_add(&self->answer, at, room);
        return 0;
    }
    nm_buf_add(&self->answer, at, size * count);
    return size * count;
}

//  Sees each address after it was resolved, so no name can hide one.
static curl_socket_t
s_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void) purpose;
    nm_effect_call_t *self = arg;
    if (self->effect->public_only && !nm_public_address_is(&address->addr, address->addrlen)) {
        self->forbidden = true;
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
    const nm_effect_call_t *self = arg;
    return atomic_load_explicit(self->stopping, memory_order_relaxed);
}

//  -- Setting a call up

static void
s_set_common(nm_effect_call_t *self)
{
    CURL *easy = self->easy;
    const nm_effect_t *effect = self->effect;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, self);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, self->curl_text);
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
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long) NM_EFFECT_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, s_on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, self);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, s_on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, self);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, s_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, self);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, s_on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, self->again || self->fresh ? 1L : 0L);
}

static void
s_set_tls(nm_effect_call_t *self)
{
    CURL *easy = self->easy;
    const nm_effect_t *effect = self->effect;
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
s_set_smtp(nm_effect_call_t *self)
{
    CURL *easy = self->easy;
    const nm_effect_t *effect = self->effect;
    self->lines = curl_slist_append(NULL, effect->recipient);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, s_on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, self);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, effect->sender);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, self->lines);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) effect->body.size);
}

static void
s_set_http(nm_effect_call_t *self)
{
    CURL *easy = self->easy;
    const nm_effect_t *effect = self->effect;
    //  Without a wait for "100 Continue", which few servers send
    self->lines = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < effect->header_count; i++)
        self->lines = curl_slist_append(self->lines, effect->headers[i]);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "nmesh/" NM_VERSION_TEXT);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, self->lines);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, s_on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, self);
    if (effect->body.size) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) effect->body.size);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, effect->method);
}

void
nm_effect_call_set_up(nm_effect_call_t *self)
{
    curl_easy_reset(self->easy);
    curl_slist_free_all(self->lines);
    self->lines = NULL;
    self->body_at = 0;
    self->body_done = self->effect->kind == NM_EFFECT_HTTP && !self->effect->body.size;
    self->forbidden = self->reply_open = self->reply_after_body = false;
    self->reply_code = 0;
    self->header_size = 0;
    self->curl_text[0] = 0;
    nm_buf_clear(&self->reply_text);
    nm_buf_clear(&self->answer);
    s_set_common(self);
    s_set_tls(self);
    if (self->effect->kind == NM_EFFECT_SMTP)
        s_set_smtp(self);
    else
        s_set_http(self);
}

//  -- What came of it

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
s_was_connected(const nm_effect_call_t *self)
{
    curl_off_t connected_us = 0;
    long new_count = 0;
    curl_easy_getinfo(self->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    curl_easy_getinfo(self->easy, CURLINFO_NUM_CONNECTS, &new_count);
    return connected_us > 0 || (new_count == 0 && self->reply_code);
}

//  SMTP: a refusal is an answer wherever it comes. Once the message was complete, only
//  a reply that came after that tells what became of it.
static nm_call_t
s_judge_smtp(const nm_effect_call_t *self, CURLcode code)
{
    if (code == CURLE_OK || self->reply_code >= 400)
        return NM_CALL_ANSWERED;
    if (self->body_done)
        return self->reply_after_body && self->reply_code != 354 ? NM_CALL_ANSWERED : NM_CALL_UNKNOWN;
    return s_is_unreached(code) || !s_was_connected(self) ? NM_CALL_UNREACHED : NM_CALL_BROKEN;
}

//  HTTP: a status is an answer, even if the rest of it was too long or did not come.
static nm_call_t
s_judge_http(const nm_effect_call_t *self, CURLcode code, long status)
{
    if (code == CURLE_OK || status >= 200)
        return NM_CALL_ANSWERED;
    long request_size = 0;
    curl_easy_getinfo(self->easy, CURLINFO_REQUEST_SIZE, &request_size);
    if (s_is_unreached(code) || !s_was_connected(self))
        return NM_CALL_UNREACHED;
    return request_size > 0 && self->body_done ? NM_CALL_UNKNOWN : NM_CALL_BROKEN;
}

static void
s_fill_smtp(nm_effect_call_t *self, CURLcode code, nm_result_t *result)
{
    result->call = s_judge_smtp(self, code);
    if (result->call != NM_CALL_ANSWERED)
        return;
    result->code = self->reply_code;
    nm_result_set_text(result, nm_buf_bytes(&self->reply_text));
}

static void
s_fill_http(nm_effect_call_t *self, CURLcode code, nm_result_t *result)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    result->call = s_judge_http(self, code, status);
    result->code = (unsigned) status;
    if (curl_easy_getinfo(self->easy, CURLINFO_RETRY_AFTER, &retry_after_s) == CURLE_OK && retry_after_s > 0)
        result->retry_after_ms = retry_after_s < INT32_MAX ? retry_after_s * 1000 : INT64_C(1000) * INT32_MAX;
    if (result->call == NM_CALL_ANSWERED)
        nm_result_set_text(result, nm_buf_bytes(&self->answer));
    result->body = self->answer;
    self->answer = (nm_buf_t){ 0 };
}

void
nm_effect_call_fill(nm_effect_call_t *self, CURLcode code, nm_result_t *result)
{
    result->took_us = nm_effect_clock_us() - self->start_us;
    if (self->forbidden && code == CURLE_COULDNT_CONNECT) {
        result->call = NM_CALL_FORBIDDEN;
        nm_result_set_text(result, nm_text("the address is not public"));
        return;
    }
    if (self->effect->kind == NM_EFFECT_SMTP)
        s_fill_smtp(self, code, result);
    else
        s_fill_http(self, code, result);
    if (result->call != NM_CALL_ANSWERED)
        nm_result_set_text(result, nm_text(self->curl_text[0] ? self->curl_text : curl_easy_strerror(code)));
}

//  A kept connection that the server had closed meanwhile shows only now. Nothing of the
//  message was read, so it may go once more, over a new one.
bool
nm_effect_call_may_repeat(const nm_effect_call_t *self, CURLcode code)
{
    long new_count = 0;
    curl_easy_getinfo(self->easy, CURLINFO_NUM_CONNECTS, &new_count);
    bool lost = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
                code == CURLE_WEIRD_SERVER_REPLY;
    return lost && self->effect->kind == NM_EFFECT_SMTP && !self->again && !new_count && !self->body_at &&
           !self->reply_code;
}

//  curl says goodbye to a server that it had a connection to, and waits for the answer, which
//  for a dead server takes minutes. With the reading half shut it still says it and goes on.
void
nm_effect_call_destroy(nm_effect_call_t **self_p)
{
    nm_effect_call_t *self = *self_p;
    if (!self)
        return;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (self->easy && curl_easy_getinfo(self->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
        shutdown(fd, SHUT_RD);
    if (self->easy)
        curl_easy_cleanup(self->easy);
    curl_slist_free_all(self->lines);
    nm_effect_destroy(&self->effect);
    nm_buf_free(&self->reply_text);
    nm_buf_free(&self->answer);
    free(self);
    *self_p = NULL;
}
