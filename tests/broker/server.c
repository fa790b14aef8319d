#include "tests/broker/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTION_MAX = 256 };

typedef struct {
    server_t *server;
    int fd;
    size_t got;
    size_t at;
    char bytes[4096];
} connection_t;

struct server {
    const server_script_t *script;
    int fd;
    pthread_t acceptor;
    pthread_mutex_t lock;  //  Guards all below
    pthread_t threads[CONNECTION_MAX];
    int fds[CONNECTION_MAX];
    unsigned thread_count;
    unsigned open_count;
    bool stopping;
    server_seen_t seen;
};

static int
s_take_byte(connection_t *connection)
{
    if (connection->at == connection->got) {
        ssize_t got = recv(connection->fd, connection->bytes, sizeof connection->bytes, 0);
        if (got <= 0)
            return -1;
        connection->got = (size_t) got;
        connection->at = 0;
    }
    return (uint8_t) connection->bytes[connection->at++];
}

//  One line with its end; false when the other side is gone.
static bool
s_take_line(connection_t *connection, nm_buf_t *line)
{
    nm_buf_clear(line);
    int byte;
    while ((byte = s_take_byte(connection)) >= 0) {
        uint8_t one = (uint8_t) byte;
        nm_buf_add(line, &one, 1);
        if (byte == '\n')
            return true;
    }
    return false;
}

static bool
s_say(connection_t *connection, const char *answer, const char *usual)
{
    const char *text = answer ? answer : usual;
    if (strcmp(text, SERVER_DROP) == 0)
        return false;
    if (strcmp(text, SERVER_HANG) == 0) {
        while (s_take_byte(connection) >= 0)
            continue;
        return false;
    }
    return send(connection->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t) strlen(text);
}

static void
s_note_command(server_t *self, const nm_buf_t *line)
{
    pthread_mutex_lock(&self->lock);
    size_t used = strlen(self->seen.commands);
    snprintf(self->seen.commands + used, sizeof self->seen.commands - used, "%.*s|",
             (int) strcspn((const char *) line->at, "\r\n"), (const char *) line->at);
    pthread_mutex_unlock(&self->lock);
}

//  A close with unread data is a reset, which may overtake what was said before.
static void
s_reset(connection_t *connection)
{
    struct linger linger = { 1, 0 };
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static bool
s_take_message(connection_t *connection)
{
    server_t *self = connection->server;
    if (self->script->drop_in_body) {
        s_reset(connection);
        return false;
    }
    nm_buf_t line = { 0 }, message = { 0 };
    bool complete = false;
    while (!complete && s_take_line(connection, &line)) {
        complete = nm_bytes_is(nm_buf_bytes(&line), ".\r\n");
        if (!complete)
            nm_buf_add_bytes(&message, nm_buf_bytes(&line));
    }
    pthread_mutex_lock(&self->lock);
    self->seen.mail_count += complete;
    nm_buf_free(&self->seen.message);
    self->seen.message = message;
    pthread_mutex_unlock(&self->lock);
    nm_buf_free(&line);
    return complete && s_say(connection, self->script->end, "250 2.0.0 Ok: queued as Q0001\r\n") &&
           !self->script->close_after_mail;
}

//  Asks for the credentials and takes any, unless the script says otherwise.
static bool
s_answer_login(connection_t *connection)
{
    if (connection->server->script->auth)
        return s_say(connection, connection->server->script->auth, "");
    nm_buf_t line = { 0 };
    bool going = s_say(connection, NULL, "334 \r\n") && s_take_line(connection, &line);
    nm_buf_free(&line);
    return going && s_say(connection, NULL, "235 2.7.0 welcome\r\n");
}

//  Answers one command; false ends the connection.
static bool
s_answer_command(connection_t *connection, const char *line)
{
    const server_script_t *script = connection->server->script;
    if (strncmp(line, "EHLO", 4) == 0)
        return s_say(connection, script->ehlo, "250-test\r\n250-AUTH PLAIN\r\n250 SIZE 10000000\r\n");
    if (strncmp(line, "AUTH", 4) == 0)
        return s_answer_login(connection);
    if (strncmp(line, "MAIL", 4) == 0)
        return s_say(connection, script->mail, "250 2.1.0 sender\r\n");
    if (strncmp(line, "RCPT", 4) == 0)
        return s_say(connection, script->rcpt, "250 2.1.5 recipient\r\n");
    if (strncmp(line, "DATA", 4) == 0)
        return s_say(connection, script->data, "354 go on\r\n") && (script->data || s_take_message(connection));
    if (strncmp(line, "QUIT", 4) == 0) {
        s_say(connection, NULL, "221 2.0.0 bye\r\n");
        return false;
    }
    return s_say(connection, NULL, "500 5.5.1 unknown\r\n");
}

static void
s_serve_smtp(connection_t *connection)
{
    nm_buf_t line = { 0 };
    bool going = s_say(connection, connection->server->script->greeting, "220 test ready\r\n");
    while (going && s_take_line(connection, &line)) {
        nm_buf_add(&line, "", 1);
        s_note_command(connection->server, &line);
        going = s_answer_command(connection, (const char *) line.at);
    }
    nm_buf_free(&line);
}

//  Takes one request with its body and answers.
static void
s_serve_http(connection_t *connection)
{
    const server_script_t *script = connection->server->script;
    nm_buf_t line = { 0 };
    size_t body_size = 0;
    bool complete = false;
    while (!complete && s_take_line(connection, &line)) {
        complete = nm_bytes_is(nm_buf_bytes(&line), "\r\n");
        nm_buf_add(&line, "", 1);
        s_note_command(connection->server, &line);
        if (strncasecmp((const char *) line.at, "content-length:", 15) == 0)
            body_size = strtoul((const char *) line.at + 15, NULL, 10);
    }
    nm_buf_free(&line);
    while (complete && body_size--)
        complete = s_take_byte(connection) >= 0;
    if (!complete || !s_say(connection, script->http, ""))
        return;
    char filler[1024];
    memset(filler, 'x', sizeof filler);
    for (size_t sent = 0; sent < script->http_filler_size; sent += sizeof filler)
        if (send(connection->fd, filler, sizeof filler, MSG_NOSIGNAL) < 0)
            return;
}

static void *
s_serve(void *arg)
{
    connection_t *connection = arg;
    server_t *self = connection->server;
    if (self->script->http)
        s_serve_http(connection);
    else
        s_serve_smtp(connection);
    pthread_mutex_lock(&self->lock);
    self->open_count--;
    for (unsigned i = 0; i < self->thread_count; i++)
        if (self->fds[i] == connection->fd)
            self->fds[i] = -1;
    close(connection->fd);
    pthread_mutex_unlock(&self->lock);
    free(connection);
    return NULL;
}

static void *
s_accept(void *arg)
{
    server_t *self = arg;
    int fd;
    while ((fd = accept4(self->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        connection_t *connection = nm_alloc(sizeof *connection);
        connection->server = self;
        connection->fd = fd;
        pthread_mutex_lock(&self->lock);
        unsigned i = self->thread_count;
        if (self->stopping || i == CONNECTION_MAX ||
            pthread_create(&self->threads[i], NULL, s_serve, connection) != 0) {
            close(fd);
            free(connection);
        } else {
            self->fds[i] = fd;
            self->thread_count++;
            self->seen.connection_count++;
            if (++self->open_count > self->seen.open_max)
                self->seen.open_max = self->open_count;
        }
        pthread_mutex_unlock(&self->lock);
    }
    return NULL;
}

server_t *
server_new(const server_script_t *script, unsigned *port)
{
    server_t *self = nm_alloc(sizeof *self);
    self->script = script;
    pthread_mutex_init(&self->lock, NULL);
    self->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    if (self->fd < 0 || bind(self->fd, (struct sockaddr *) &address, size) != 0 || listen(self->fd, 64) != 0 ||
        getsockname(self->fd, (struct sockaddr *) &address, &size) != 0 ||
        pthread_create(&self->acceptor, NULL, s_accept, self) != 0)
        abort();
    *port = ntohs(address.sin_port);
    return self;
}

void
server_destroy(server_t **self_p, server_seen_t *seen)
{
    server_t *self = *self_p;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_mutex_unlock(&self->lock);
    shutdown(self->fd, SHUT_RDWR);
    pthread_join(self->acceptor, NULL);
    close(self->fd);
    pthread_mutex_lock(&self->lock);
    for (unsigned i = 0; i < self->thread_count; i++)
        if (self->fds[i] >= 0)
            shutdown(self->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&self->lock);
    for (unsigned i = 0; i < self->thread_count; i++)
        pthread_join(self->threads[i], NULL);
    if (seen)
        *seen = self->seen;
    else
        nm_buf_free(&self->seen.message);
    pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}
