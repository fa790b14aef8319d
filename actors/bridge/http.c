#include "actors/bridge/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/bridge/answers.h"
#include "actors/bridge/clients.h"
#include "actors/bridge/head.h"
#include "actors/bridge/state.h"
#include "broker/log.h"

enum {
    POOL_SIZE = 36 * 1024,  //  A head may have about 32 KiB. Above that libmicrohttpd maps it: whole pages
    HEAD_MAX = 32 * 1024,
    BACKLOG_COUNT = 1024,
    SPARE_FDS = 256,                //  For the mesh's own sockets and the store
    SPILL_SIZE = 16 * 1024 * 1024,  //  How much more of a body that is too large is read and thrown away
    FLOW_SIZE = 256 * 1024,         //  What may wait for a slow reader of a stream
    FLOW_BLOCK_SIZE = 4096,
    CORRELATION_SIZE = 32,
    PLACE_BITS = 20,
};

typedef enum {
    S_READING,   //  Its head was read, its body comes in
    S_QUEUED,    //  Whole, and not taken yet
    S_GIVEN,     //  Its role has it
    S_ANSWERED,  //  The whole answer is here
} s_state_t;

typedef struct s_request {
    struct nm_front_request public;  //  What the role sees
    struct s_request *next;          //  In the queue
    struct MHD_Connection *connection;
    nm_client_t *client;
    uint32_t place;
    s_state_t state;
    bool judged;
    bool suspended;
    bool left;     //  Its connection has gone, and the role was not told yet or has not answered
    bool unread;   //  A part of its body was not read
    bool flows;    //  Its answer comes in pieces; the first is on its way
    bool closing;  //  Nothing more is to come from this connection
    uint64_t body_max;
    nm_front_answer_t answer;  //  The whole of it, or what has not been sent yet
    size_t sent;               //  Of its body, of a stream
    nm_buf_t body;
    const char *target_at;  //  Where libmicrohttpd has the target
    char correlation[CORRELATION_SIZE + 1];
    char address[NM_BRIDGE_ADDRESS_SIZE];
    char target[];
} s_request_t;

struct nm_front {
    nm_bridge_t *bridge;
    struct MHD_Daemon *daemon;
    int fd;
    nm_clients_t clients;
    nm_head_rules_t rules;
    nm_head_t head;        //  The one that is judged now
    s_request_t **places;  //  By the lower bits of their numbers
    uint32_t *free_places;
    size_t place_count;
    size_t free_count;
    uint64_t serial;
    s_request_t *queue;
    s_request_t **queue_end;
    size_t open_count;     //  Queued or given
    uint64_t bodies_size;  //  Of all bodies that are here
    int64_t now_ms;
    bool leaving;
    bool dying;
    char *tls_cert;
    char *tls_key;
};

//  -- Requests

static s_request_t *
s_request_new(nm_front_t *self, const char *target)
{
    size_t size = strlen(target);
    s_request_t *request = nm_alloc(sizeof *request + size + 1);
    if (!self->free_count) {
        size_t count = self->place_count ? self->place_count * 2 : 256;
        self->places = nm_realloc(self->places, count * sizeof(s_request_t *));
        self->free_places = nm_realloc(self->free_places, count * sizeof *self->free_places);
        for (size_t i = count; i-- > self->place_count;)
            self->free_places[self->free_count++] = (uint32_t) i;
        memset(self->places + self->place_count, 0, (count - self->place_count) * sizeof(s_request_t *));
        self->place_count = count;
    }
    memcpy(request->target, target, size);
    request->target_at = target;
    request->place = self->free_places[--self->free_count];
    request->public.id = ++self->serial << PLACE_BITS | request->place;
    self->places[request->place] = request;
    return request;
}

static s_request_t *
s_request(nm_front_t *self, uint64_t id)
{
    size_t place = (size_t) (id & ((UINT64_C(1) << PLACE_BITS) - 1));
    s_request_t *request = place < self->place_count ? self->places[place] : NULL;
    return request && request->public.id == id ? request : NULL;
}

static void
s_drop_body(nm_front_t *self, s_request_t *request)
{
    self->bodies_size -= request->body.size;
    nm_buf_free(&request->body);
}

static void
s_request_free(nm_front_t *self, s_request_t *request)
{
    self->places[request->place] = NULL;
    self->free_places[self->free_count++] = request->place;
    nm_front_answer_free(&request->answer);
    s_drop_body(self, request);
    free(request);
}

static void
s_enqueue(nm_front_t *self, s_request_t *request)
{
    request->next = NULL;
    *self->queue_end = request;
    self->queue_end = &request->next;
}

static void
s_suspend(s_request_t *request)
{
    MHD_suspend_connection(request->connection);
    request->suspended = true;
}

static void
s_resume(s_request_t *request)
{
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->connection);
}

//  It is whole, or no more of it will be read: over to the role.
static void
s_complete(nm_front_t *self, s_request_t *request)
{
    request->public.body = nm_buf_bytes(&request->body);
    request->state = S_QUEUED;
    self->open_count++;
    nm_clients_enter(request->client, NM_CLIENT_WAIT, 0, self->now_ms);
    s_enqueue(self, request);
    s_suspend(request);
}

//  -- Heads

static enum MHD_Result
s_take_field(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value,
             size_t value_size)
{
    nm_head_t *head = arg;
    (void) kind;
    if (head->field_count == NM_HEAD_FIELD_MAX) {
        head->field_count++;
        return MHD_NO;
    }
    head->fields[head->field_count++] =
        (nm_head_field_t){ nm_bytes(name, name_size), nm_bytes(value, value ? value_size : 0) };
    return MHD_YES;
}

//  libmicrohttpd takes line ends without CR, lines that go on in the next one, and several spaces in the request line; what stands
//  in front of it may read such a head in another way. It parses the head where it was received, putting NULs for
//  what separated the parts; so the head is plain if its parts stand exactly where they would in a plain one, from the
//  first byte to the last.
static bool
s_is_plain(const s_request_t *request, const nm_head_t *head, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *at = method + head->method.size + 1;
    if (!size || at != request->target_at || version != at + head->target.size + 1)
        return false;
    at = version + strlen(version) + 2;
    for (size_t i = 0; i < head->field_count; i++) {
        const nm_head_field_t *field = &head->fields[i];
        const char *value = (const char *) field->value.at;
        if ((const char *) field->name.at != at || !value || value < at + field->name.size + 1)
            return false;
        for (const char *space = at + field->name.size + 1; space < value; space++)
            if (*space != ' ' && *space != '\t')
                return false;
        at = value + field->value.size + 2;
    }
    return at + 2 == method + size->header_size;
}

static void
s_set_address(nm_front_t *self, s_request_t *request, nm_bytes_t forwarded)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *peer = info ? info->client_addr : NULL;
    const void *bytes = NULL;
    int family = AF_INET;
    if (peer && peer->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *) peer)->sin_addr;
    } else if (peer && peer->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *) peer)->sin6_addr;
        family = IN6_IS_ADDR_V4MAPPED(six) ? AF_INET : AF_INET6;
        bytes = family == AF_INET ? (const void *) &six->s6_addr[12] : six;
    }
    if (!bytes || !inet_ntop(family, bytes, request->address, sizeof request->address))
        snprintf(request->address, sizeof request->address, "?");
    nm_bridge_settings_client(&self->bridge->settings, forwarded, request->address);
    request->public.local = nm_bridge_settings_is_local(request->address);
    NM_PUT(&request->public.headers, ask_headers, client_address, nm_text(request->address));
}

static void
s_set_correlation(s_request_t *request, nm_bytes_t given)
{
    uint8_t random[CORRELATION_SIZE / 2];
    if (!given.size) {
        randombytes_buf(random, sizeof random);
        sodium_bin2hex(request->correlation, sizeof request->correlation, random, sizeof random);
        given = nm_text(request->correlation);
    }
    NM_PUT(&request->public.headers, ask_headers, correlation_id, given);
}

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

static ssize_t
s_read_flow(void *arg, uint64_t position, char *out, size_t max)
{
    s_request_t *request = arg;
    nm_buf_t *body = &request->answer.body;
    size_t size = body->size - request->sent;
    (void) position;
    if (!size && request->state == S_ANSWERED)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!size) {
        nm_buf_clear(body);
        request->sent = 0;
        nm_clients_enter(request->client, NM_CLIENT_WAIT, 0, 0);
        s_suspend(request);
        return 0;
    }
    if (size > max)
        size = max;
    memcpy(out, body->at + request->sent, size);
    request->sent += size;
    return (ssize_t) size;
}

static struct MHD_Response *
s_response(s_request_t *request)
{
    nm_buf_t *body = &request->answer.body;
    if (request->flows)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FLOW_BLOCK_SIZE, s_read_flow, request, NULL);
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
s_send(nm_front_t *self, s_request_t *request)
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
    nm_clients_enter(request->client, NM_CLIENT_ANSWER, size, self->now_ms);
    if (request->unread)
        nm_clients_linger(&self->clients, request->client, self->now_ms);
    return result;
}

//  The front's own answer to a head. libmicrohttpd closes the connection after an answer that comes before the request is
//  whole; so where no body follows, the answer waits for the next call.
static enum MHD_Result
s_refuse(nm_front_t *self, s_request_t *request, const nm_head_result_t *result)
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
    request->state = S_ANSWERED;
    return request->unread ? s_send(self, request) : MHD_YES;
}

static enum MHD_Result
s_judge(nm_front_t *self, s_request_t *request, const char *method, const char *version)
{
    nm_head_result_t result;
    nm_head_t *head = &self->head;
    head->field_count = 0;
    head->method = nm_text(method);
    head->target = nm_text(request->target);
    head->version = nm_text(version);
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, s_take_field, head);
    bool many = head->field_count > NM_HEAD_FIELD_MAX;
    if (many)
        head->field_count = NM_HEAD_FIELD_MAX;
    nm_head_judge(&self->rules, head, &result, &request->public);
    s_set_correlation(request, result.correlation_id);
    s_set_address(self, request, result.forwarded);
    if (many)
        result = (nm_head_result_t){ NM_HEAD_BREAK, { 431, "There are too many header fields." } };
    else if (!s_is_plain(request, head, method, version))
        result = (nm_head_result_t){ NM_HEAD_BREAK, { 400, "The head of the request is not well-formed." } };
    self->bridge->gauge.requests++;
    if (result.verdict != NM_HEAD_GO)
        return s_refuse(self, request, &result);
    request->body_max = result.body_max;
    if (request->public.refusal.status && result.has_body) {
        request->unread = true;
        s_complete(self, request);
        return MHD_YES;
    }
    if (result.has_body && result.body_size != UINT64_MAX)
        nm_buf_reserve(&request->body, result.body_size < FLOW_SIZE ? (size_t) result.body_size : FLOW_SIZE);
    nm_clients_enter(request->client, NM_CLIENT_BODY, 0, self->now_ms);
    return MHD_YES;
}

//  -- What libmicrohttpd calls

static void *
s_on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    nm_front_t *self = arg;
    s_request_t *request = s_request_new(self, target);
    request->connection = connection;
    request->client = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    nm_clients_enter(request->client, NM_CLIENT_HEAD, 0, self->now_ms);
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
s_refuse_body(nm_front_t *self, s_request_t *request, unsigned status, const char *detail)
{
    request->public.refusal.status = status;
    nm_bytes_to_text(nm_text(detail), request->public.refusal.detail, sizeof request->public.refusal.detail);
    s_drop_body(self, request);
}

static enum MHD_Result
s_take_body(nm_front_t *self, s_request_t *request, const char *upload, size_t *size)
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
    s_request_t *request = *context;
    (void) connection, (void) url;
    if (!request || self->dying)
        return MHD_NO;
    if (!request->judged) {
        request->judged = true;
        request->client->pool = method;
        return s_judge(self, request, method, version);
    }
    if (*upload_size)
        return s_take_body(self, request, upload, upload_size);
    if (request->state == S_READING) {
        s_complete(self, request);
        return MHD_YES;
    }
    return request->answer.status ? s_send(self, request) : MHD_YES;
}

static void
s_on_completed(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
    nm_front_t *self = arg;
    s_request_t *request = *context;
    (void) connection, (void) code;
    *context = NULL;
    if (!request)
        return;
    nm_clients_enter(request->client, NM_CLIENT_REST, 0, self->now_ms);
    request->client = NULL;
    if (request->state == S_READING || request->state == S_ANSWERED || self->dying) {
        s_request_free(self, request);
        return;
    }
    request->left = true;
    request->suspended = false;
    request->public.gone = true;
    if (request->state == S_GIVEN)
        s_enqueue(self, request);
}

static void
s_on_connection(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
    nm_front_t *self = arg;
    nm_client_t *client = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = nm_clients_add(&self->clients, info->connect_fd, self->now_ms);
        self->bridge->gauge.accepted++;
    } else if (client) {
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
s_read_file(const char *path, char **text, nm_error_t *error)
{
    nm_buf_t file = { 0 };
    FILE *in = fopen(path, "re");
    if (!in)
        return nm_fail(error, NM_ERR_REFUSED, "%s: %s", path, strerror(errno));
    size_t size;
    while ((size = fread(nm_buf_reserve(&file, 4096), 1, 4096, in)) > 0 && file.size < 1024 * 1024)
        file.size += size;
    fclose(in);
    nm_buf_add(&file, "", 1);
    *text = (char *) file.at;
    return NM_OK;
}

//  As many descriptors as the system allows; how many connections those are enough for.
static unsigned
s_limit(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return (unsigned) wanted;
    rlim_t need = (rlim_t) wanted + SPARE_FDS;
    if (limit.rlim_cur < need) {
        limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > need ? need : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= need)
        return (unsigned) wanted;
    unsigned count = limit.rlim_cur > 2 * SPARE_FDS ? (unsigned) (limit.rlim_cur - SPARE_FDS) : SPARE_FDS;
    nm_log(NM_LOG_WARNING, "http_limit", "The limit of open files (%llu) allows %u connections, not %llu.",
           (unsigned long long) limit.rlim_cur, count, (unsigned long long) wanted);
    return count;
}

static nm_rc_t
s_start(nm_front_t *self, const struct addrinfo *place, nm_error_t *error)
{
    const nm_bridge_settings_t *settings = &self->bridge->settings;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (place->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    if (self->tls_cert)
        flags |= MHD_USE_TLS;
    const struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, self->tls_cert },
                                          { MHD_OPTION_HTTPS_MEM_KEY, 0, self->tls_key },
                                          { MHD_OPTION_END, 0, NULL } };
    const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
    self->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, s_on_access, self, MHD_OPTION_EXTERNAL_LOGGER, s_on_log, NULL, MHD_OPTION_SOCK_ADDR,
        place->ai_addr, MHD_OPTION_URI_LOG_CALLBACK, s_on_target, self, MHD_OPTION_UNESCAPE_CALLBACK, s_on_unescape,
        self, MHD_OPTION_NOTIFY_COMPLETED, s_on_completed, self, MHD_OPTION_NOTIFY_CONNECTION, s_on_connection, self,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) POOL_SIZE, MHD_OPTION_CONNECTION_LIMIT,
        s_limit(settings->connections), MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned) settings->per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_LISTEN_BACKLOG_SIZE,
        (unsigned) BACKLOG_COUNT, MHD_OPTION_ARRAY, self->tls_cert ? tls : plain, MHD_OPTION_END);
    if (!self->daemon)
        return nm_fail(error, NM_ERR_IO, "HTTP cannot listen at %s port %s: %s", settings->host, settings->port,
                       errno ? strerror(errno) : "see the certificate and key of http/tls");
    self->fd = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    unsigned port = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    bool six = strchr(settings->host, ':') != NULL;
    snprintf(self->bridge->gauge.url, sizeof self->bridge->gauge.url, "http%s://%s%s%s:%u", self->tls_cert ? "s" : "",
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
    nm_rc_t rc = NM_OK;
    if (settings->tls_cert[0])
        rc = s_read_file(settings->tls_cert, &self->tls_cert, error);
    if (rc == NM_OK && settings->tls_key[0])
        rc = s_read_file(settings->tls_key, &self->tls_key, error);
    if (rc != NM_OK)
        return rc;
    int code = getaddrinfo(settings->host, settings->port, &hints, &found);
    if (code != 0)
        return nm_fail(error, NM_ERR_REFUSED, "HTTP cannot listen at %s: %s", settings->host, gai_strerror(code));
    errno = 0;
    rc = s_start(self, found, error);
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
            s_resume(self->places[i]);
    if (self->daemon)
        MHD_stop_daemon(self->daemon);
    for (size_t i = 0; i < self->place_count; i++)
        if (self->places[i])
            s_request_free(self, self->places[i]);
    nm_clients_close(&self->clients);
    if (self->tls_key)
        sodium_memzero(self->tls_key, strlen(self->tls_key));
    free(self->tls_cert);
    free(self->tls_key);
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

static int
s_timeout(nm_front_t *self, int64_t mono_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    int look_ms = nm_clients_timeout(&self->clients, mono_ms);
    if (self->queue)
        return 0;
    if (MHD_get_timeout(self->daemon, &wait_ms) != MHD_YES)
        return look_ms;
    return look_ms >= 0 && (MHD_UNSIGNED_LONG_LONG) look_ms < wait_ms ? look_ms : (int) wait_ms;
}

static void
s_run(nm_front_t *self, int64_t mono_ms)
{
    self->now_ms = mono_ms;
    MHD_run(self->daemon);
    nm_clients_look(&self->clients, mono_ms);
    self->bridge->gauge.connections = self->clients.count;
    self->bridge->gauge.cut = self->clients.cut_count;
}

static const nm_front_request_t *
s_take(nm_front_t *self)
{
    s_request_t *request = self->queue;
    if (!request)
        return NULL;
    self->queue = request->next;
    if (!self->queue)
        self->queue_end = &self->queue;
    request->state = S_GIVEN;
    return &request->public;
}

//  A piece of a stream. Who does not read it in time, or lets too much of it wait, is cut off.
static void
s_flow(nm_front_t *self, s_request_t *request, nm_front_answer_t *answer)
{
    if (request->answer.body.size - request->sent + answer->body.size > FLOW_SIZE)
        nm_clients_cut(&self->clients, request->client);
    else
        nm_buf_add_bytes(&request->answer.body, nm_buf_bytes(&answer->body));
    if (request->client->phase == NM_CLIENT_WAIT)
        nm_clients_enter(request->client, NM_CLIENT_ANSWER, answer->body.size, self->now_ms);
}

static void
s_answer(nm_front_t *self, nm_front_answer_t *answer)
{
    s_request_t *request = s_request(self, answer->request);
    if (!request || request->state == S_ANSWERED) {
        nm_front_answer_free(answer);
        return;
    }
    if (!answer->open) {
        request->state = S_ANSWERED;
        self->open_count--;
    }
    if (request->left) {
        if (!answer->open)
            s_request_free(self, request);
        nm_front_answer_free(answer);
        return;
    }
    if (answer->status) {
        nm_front_answer_free(&request->answer);
        request->answer = *answer;
        request->flows = answer->open;
        *answer = (nm_front_answer_t){ .request = 0 };
    } else {
        s_flow(self, request, answer);
        nm_front_answer_free(answer);
    }
    s_resume(request);
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
