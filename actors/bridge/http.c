#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "actors/bridge/answers.h"
#include "actors/bridge/http_private.h"
#include "broker/log.h"

enum {
    //  Of a connection. It holds the largest head, a record of 56 bytes for each field, and the head of the answer. As it
    //  is above 32 KiB libmicrohttpd maps it: whole pages.
    POOL_SIZE = NM_HEAD_MAX + 12 * 1024,
    BACKLOG_COUNT = 1024,
    SPILL_SIZE = 16 * 1024 * 1024,  //  How much more of a body that is too large is read and thrown away
    BODY_SIZE = 256 * 1024,         //  Room for so much of a body is made before it is there
    FLOW_BLOCK_SIZE = 4096,
};

//  -- Answers

static void
s_add_fields(struct MHD_Response *response, const nm_buf_t *headers)
{
    for (size_t at = 0; at < headers->size;) {
        const char *name = (const char *) headers->at + at, *value = name + strlen(name) + 1;
        MHD_add_response_header(response, name, value);
        at += strlen(name) + strlen(value) + 2;
    }
}

static void
s_free_body(void *bytes)
{
    free(bytes);
}

//  Its client has taken all there was of a stream: over to the role, for more.
static void
s_rest_flow(nm_http_request_t *request)
{
    nm_buf_free(&request->answer.body);
    request->sent = 0;
    request->public.taken = true;
    nm_http_suspend(request);
    nm_http_enqueue(request->front, request);
}

static ssize_t
s_read_flow(void *arg, uint64_t position, char *out, size_t max)
{
    nm_http_request_t *request = arg;
    nm_buf_t *body = &request->answer.body;
    size_t size = body->size - request->sent;
    (void) position;
    if (!size && request->state == NM_HTTP_ANSWERED)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!size) {
        s_rest_flow(request);
        return 0;
    }
    if (size > max)
        size = max;
    memcpy(out, body->at + request->sent, size);
    request->sent += size;
    return (ssize_t) size;
}

//  Of a HEAD libmicrohttpd would send the end of the chunks, which stands where the next answer begins.
static struct MHD_Response *
s_flow(nm_http_request_t *request)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FLOW_BLOCK_SIZE, s_read_flow, request, NULL);
    if (response && request->head_only)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

static struct MHD_Response *
s_response(nm_http_request_t *request)
{
    nm_buf_t *body = &request->answer.body;
    if (request->flows)
        return s_flow(request);
    nm_bytes_t lasting = request->answer.lasting;
    if (lasting.size)
        return MHD_create_response_from_buffer(lasting.size, (void *) (uintptr_t) lasting.at, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(body->size, body->at, s_free_body);
    if (response)
        *body = (nm_buf_t){ 0 };
    return response;
}

static enum MHD_Result
s_send(nm_front_t *self, nm_http_request_t *request)
{
    size_t size = request->answer.body.size + request->answer.lasting.size;
    struct MHD_Response *response = s_response(request);
    if (!response)
        return MHD_NO;
    s_add_fields(response, &request->answer.headers);
    if (request->closing || self->leaving)
        MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(request->connection, request->answer.status, response);
    MHD_destroy_response(response);
    if (request->flows)
        nm_clients_pace(request->client);
    else
        nm_clients_enter(request->client, NM_CLIENT_ANSWER, size, self->now_ms);
    if (request->unread)
        nm_clients_linger(&self->clients, request->client, self->now_ms);
    return result;
}

//  The front's own answer to a head. libmicrohttpd closes the connection after an answer that comes before the request is
//  whole; so where no body follows, the answer waits for the next call.
static enum MHD_Result
s_refuse(nm_front_t *self, nm_http_request_t *request, const nm_head_result_t *result)
{
    if (result->verdict == NM_HEAD_ALLOW) {
        nm_answers_begin(&request->public, 204, NULL, &request->answer);
        if (request->public.origin.size && result->asked_method.size) {
            nm_answers_field(&request->answer, "Access-Control-Allow-Methods", nm_text(result->allow));
            nm_answers_field(&request->answer, "Access-Control-Allow-Headers",
                             nm_text("Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Correlation-ID, "
                                     "traceparent, Last-Event-ID"));
            nm_answers_field(&request->answer, "Access-Control-Max-Age", nm_text("600"));
        }
    } else {
        nm_answers_problem(&request->public, &result->refusal, NULL, &request->answer);
        self->bridge->gauge.refused++;
    }
    if (result->verdict == NM_HEAD_ALLOW || result->refusal.status == 405)
        nm_answers_field(&request->answer, "Allow", nm_text(result->allow));
    request->closing = result->verdict == NM_HEAD_BREAK;
    request->unread = result->has_body || request->closing;
    request->state = NM_HTTP_ANSWERED;
    return request->unread ? s_send(self, request) : MHD_YES;
}

static enum MHD_Result
s_judge(nm_front_t *self, nm_http_request_t *request, const char *method, const char *version)
{
    nm_head_result_t result;
    nm_http_read_head(self, request, method, version, &result);
    self->bridge->gauge.requests++;
    if (result.verdict != NM_HEAD_GO)
        return s_refuse(self, request, &result);
    request->body_max = result.body_max;
    if (request->public.refusal.status && result.has_body) {
        request->unread = true;
        nm_http_complete(self, request);
        return MHD_YES;
    }
    if (result.has_body && result.body_size != UINT64_MAX)
        nm_buf_reserve(&request->body, result.body_size < BODY_SIZE ? (size_t) result.body_size : BODY_SIZE);
    nm_clients_enter(request->client, NM_CLIENT_BODY, 0, self->now_ms);
    return MHD_YES;
}

//  -- What libmicrohttpd calls

//  libmicrohttpd goes on to take the query apart, for which nobody asks here: a record for each part, until the memory of
//  the connection is full and it closes that without an answer. So we end the query where it begins. The target
//  lies in that memory, which is ours to write to; its place counts in s_is_plain, its text does not.
static void
s_hide_query(const char *target)
{
    char *mark = strchr((char *) (uintptr_t) target, '?');
    if (mark && mark[1])
        mark[1] = 0;
}

static void *
s_on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    nm_front_t *self = arg;
    nm_http_request_t *request = nm_http_request_new(self, target);
    request->connection = connection;
    request->client = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    nm_clients_enter(request->client, NM_CLIENT_HEAD, 0, self->now_ms);
    s_hide_query(target);
    return request;
}

static size_t
s_on_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
    (void) arg, (void) connection;
    return strlen(text);
}

//  The rest of it is read and thrown away: the answer has to wait for its end.
static void
s_refuse_body(nm_front_t *self, nm_http_request_t *request, unsigned status, const char *detail)
{
    request->public.refusal.status = status;
    nm_bytes_to_text(nm_text(detail), request->public.refusal.detail, sizeof request->public.refusal.detail);
    nm_http_drop_body(self, request);
}

static enum MHD_Result
s_take_body(nm_front_t *self, nm_http_request_t *request, const char *upload, size_t *size)
{
    const nm_refusal_t *refusal = &request->public.refusal;
    char detail[64];
    request->client->size += *size;
    if (request->client->size > request->body_max + SPILL_SIZE)
        nm_clients_cut(&self->clients, request->client);
    if (request->client->size > request->body_max && !refusal->status) {
        snprintf(detail, sizeof detail, "The body may have %llu bytes.", (unsigned long long) request->body_max);
        s_refuse_body(self, request, 413, detail);
    }
    if (self->bodies_size + *size > self->bridge->settings.bodies_size && !refusal->status)
        s_refuse_body(self, request, 503, "Too much is sent to this bridge at once; try again.");
    if (!refusal->status) {
        nm_buf_add(&request->body, upload, *size);
        self->bodies_size += *size;
    }
    *size = 0;
    return MHD_YES;
}

//  Called with the head, with each part of the body, at its end, and again after each time that it was resumed.
static enum MHD_Result
s_on_access(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
            const char *upload, size_t *upload_size, void **context)
{
    nm_front_t *self = arg;
    nm_http_request_t *request = *context;
    (void) connection, (void) url;
    if (!request || self->dying)
        return MHD_NO;
    if (!request->judged) {
        request->judged = true;
        request->head_only = strcmp(method, "HEAD") == 0;
        request->client->pool = method;
        return s_judge(self, request, method, version);
    }
    if (*upload_size)
        return s_take_body(self, request, upload, upload_size);
    if (request->state == NM_HTTP_READING) {
        nm_http_complete(self, request);
        return MHD_YES;
    }
    return request->answer.status ? s_send(self, request) : MHD_YES;
}

static void
s_on_completed(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
    nm_front_t *self = arg;
    nm_http_request_t *request = *context;
    (void) connection, (void) code;
    *context = NULL;
    if (!request)
        return;
    nm_clients_enter(request->client, NM_CLIENT_REST, 0, self->now_ms);
    request->client = NULL;
    if (request->state == NM_HTTP_READING || request->state == NM_HTTP_ANSWERED || self->dying) {
        nm_http_request_free(self, request);
        return;
    }
    request->left = true;
    request->suspended = false;
    request->public.gone = true;
    if (request->state == NM_HTTP_GIVEN)
        nm_http_enqueue(self, request);
}

//  Its handshake has not begun.
static nm_https_pair_t *
s_hold_tls(nm_front_t *self, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? nm_https_hold(self->tls, info->tls_session) : NULL;
}

static void
s_on_connection(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
    nm_front_t *self = arg;
    nm_client_t *client = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = client = nm_clients_add(&self->clients, info->connect_fd, self->now_ms);
        self->bridge->gauge.accepted++;
        if (self->tls)
            client->tls = s_hold_tls(self, connection);
    } else if (client) {
        nm_https_release(&client->tls);
        nm_clients_remove(&self->clients, &client);
        *context = NULL;
    }
}

static void
s_on_log(void *arg, const char *format, va_list args)
{
    char text[256];
    (void) arg;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\r\n")] = 0;
    nm_log(NM_LOG_DEBUG, "http", "%s", text);
}

//  -- Making one

static nm_rc_t
s_start(nm_front_t *self, const struct addrinfo *place, nm_error_t *error)
{
    const nm_bridge_settings_t *settings = &self->bridge->settings;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (place->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    if (self->tls)
        flags |= MHD_USE_TLS;
    const struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *) (uintptr_t) nm_https_none },
                                          { MHD_OPTION_END, 0, NULL } };
    const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
    self->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, s_on_access, self, MHD_OPTION_EXTERNAL_LOGGER, s_on_log, NULL, MHD_OPTION_SOCK_ADDR,
        place->ai_addr, MHD_OPTION_URI_LOG_CALLBACK, s_on_target, self, MHD_OPTION_UNESCAPE_CALLBACK, s_on_unescape,
        self, MHD_OPTION_NOTIFY_COMPLETED, s_on_completed, self, MHD_OPTION_NOTIFY_CONNECTION, s_on_connection, self,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) POOL_SIZE, MHD_OPTION_CONNECTION_LIMIT,
        nm_http_limit(settings->connections), MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned) settings->per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_LISTEN_BACKLOG_SIZE,
        (unsigned) BACKLOG_COUNT, MHD_OPTION_ARRAY, self->tls ? tls : plain, MHD_OPTION_END);
    if (!self->daemon)
        return nm_fail(error, NM_ERR_IO, "HTTP cannot listen at %s port %s: %s", settings->host, settings->port,
                       errno ? strerror(errno) : "libmicrohttpd does not say why");
    self->fd = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    unsigned port = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    bool six = strchr(settings->host, ':') != NULL;
    snprintf(self->bridge->gauge.url, sizeof self->bridge->gauge.url, "http%s://%s%s%s:%u", self->tls ? "s" : "",
             six ? "[" : "", settings->host, six ? "]" : "", port);
    nm_log(NM_LOG_INFO, "http_ready", "HTTP is served at %s.", self->bridge->gauge.url);
    return NM_OK;
}

static nm_rc_t
s_open(nm_front_t *self, nm_error_t *error)
{
    const nm_bridge_settings_t *settings = &self->bridge->settings;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    if (settings->tls_cert[0] && !(self->tls = nm_https_new(settings->tls_cert, settings->tls_key, error)))
        return NM_ERR_REFUSED;
    int code = getaddrinfo(settings->host, settings->port, &hints, &found);
    if (code != 0)
        return nm_fail(error, NM_ERR_REFUSED, "HTTP cannot listen at %s: %s", settings->host, gai_strerror(code));
    errno = 0;
    nm_rc_t rc = s_start(self, found, error);
    freeaddrinfo(found);
    return rc;
}

static void s_destroy(nm_front_t **self_p);

static nm_front_t *
s_make(void *state, nm_error_t *error)
{
    nm_front_t *self = nm_alloc(sizeof *self);
    self->bridge = state;
    self->queue_end = &self->queue;
    self->clients.idle_ms = self->bridge->settings.idle_ms;
    self->clients.pool_size = POOL_SIZE;
    self->rules = (nm_head_rules_t){ .routes = self->bridge->routes,
                                     .origins = self->bridge->settings.origins.words,
                                     .origin_count = self->bridge->settings.origins.count };
    //  A resting connection gives pages back one by one: pages of 2 MiB would undo that.
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (s_open(self, error) != NM_OK)
        s_destroy(&self);
    return self;
}

//  libmicrohttpd does not stop while a connection is suspended.
static void
s_destroy(nm_front_t **self_p)
{
    nm_front_t *self = *self_p;
    if (!self)
        return;
    self->dying = true;
    for (size_t i = 0; i < self->place_count; i++)
        if (self->places[i])
            nm_http_resume(self->places[i]);
    if (self->daemon)
        MHD_stop_daemon(self->daemon);
    for (size_t i = 0; i < self->place_count; i++)
        if (self->places[i])
            nm_http_request_free(self, self->places[i]);
    nm_clients_close(&self->clients);
    nm_https_destroy(&self->tls);
    free(self->places);
    free(self->free_places);
    free(self);
    *self_p = NULL;
}

//  -- Driving it

static int
s_fd(const nm_front_t *self)
{
    return self->fd;
}

//  The earlier of two times from now; -1 is never.
static int
s_sooner(int a_ms, int b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int
s_timeout(nm_front_t *self, int64_t mono_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    int look_ms = nm_clients_timeout(&self->clients, mono_ms);
    if (self->queue)
        return 0;
    if (self->tls)
        look_ms = s_sooner(look_ms, nm_https_timeout(self->tls, mono_ms));
    bool waits = MHD_get_timeout(self->daemon, &wait_ms) == MHD_YES;
    return waits ? s_sooner(look_ms, wait_ms < INT_MAX ? (int) wait_ms : INT_MAX) : look_ms;
}

static void
s_run(nm_front_t *self, int64_t mono_ms)
{
    self->now_ms = mono_ms;
    MHD_run(self->daemon);
    nm_clients_look(&self->clients, mono_ms);
    if (self->tls) {
        nm_https_look(self->tls, mono_ms);
        self->bridge->gauge.cert_ends_ms = nm_https_ends_ms(self->tls);
    }
    self->bridge->gauge.connections = self->clients.count;
    self->bridge->gauge.cut = self->clients.cut_count;
}

static const nm_front_request_t *
s_take(nm_front_t *self)
{
    nm_http_request_t *request = nm_http_dequeue(self);
    if (!request)
        return NULL;
    request->state = NM_HTTP_GIVEN;
    return &request->public;
}

static void
s_answer(nm_front_t *self, nm_front_answer_t *answer)
{
    nm_http_request_t *request = nm_http_request(self, answer->request);
    if (!request || request->state == NM_HTTP_ANSWERED) {
        nm_front_answer_free(answer);
        return;
    }
    if (!answer->open) {
        request->state = NM_HTTP_ANSWERED;
        self->open_count--;
    }
    if (request->left) {
        if (!answer->open)
            nm_http_request_free(self, request);
        nm_front_answer_free(answer);
        return;
    }
    request->public.token = answer->token;
    request->public.taken = false;
    if (answer->status) {
        nm_front_answer_free(&request->answer);
        request->answer = *answer;
        request->flows = answer->open;
        *answer = (nm_front_answer_t){ .request = 0 };
    } else {
        nm_buf_add_bytes(&request->answer.body, nm_buf_bytes(&answer->body));
        nm_front_answer_free(answer);
    }
    nm_http_resume(request);
}

static void
s_leave(nm_front_t *self)
{
    self->leaving = true;
    MHD_socket listener = MHD_quiesce_daemon(self->daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
}

static size_t
s_running(const nm_front_t *self)
{
    return self->open_count;
}

const nm_front_driver_t nm_http_front = {
    .make = s_make,
    .destroy = s_destroy,
    .fd = s_fd,
    .timeout = s_timeout,
    .run = s_run,
    .take = s_take,
    .answer = s_answer,
    .leave = s_leave,
    .running = s_running,
};
