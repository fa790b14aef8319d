#include "tools/nctl/plan.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

//  -- Providers

static nm_rc_t
s_copy(nm_bytes_t text, char *out, size_t size, const char *what, nm_error_t *error)
{
    bool quotable = !memchr(text.at, '"', text.size) && !memchr(text.at, '\n', text.size);
    if (!text.size || text.size >= size || !quotable)
        return nm_fail(error, NM_ERR_MALFORMED, "\"%.*s\" cannot be a %s", NM_PRINT(text), what);
    nm_bytes_to_text(text, out, size);
    return NM_OK;
}

static nm_rc_t
s_number(nm_bytes_t text, unsigned most, unsigned *number, nm_error_t *error)
{
    *number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || i > 8)
            return nm_fail(error, NM_ERR_MALFORMED, "\"%.*s\" is not a number", NM_PRINT(text));
        *number = *number * 10 + (text.at[i] - '0');
    }
    if (*number < 1 || *number > most)
        return nm_fail(error, NM_ERR_MALFORMED, "\"%.*s\": a number from 1 to %u was expected", NM_PRINT(text), most);
    return NM_OK;
}

static nm_rc_t
s_setting(nm_plan_smtp_t *smtp, nm_bytes_t name, nm_bytes_t value, nm_error_t *error)
{
    if (nm_bytes_is(name, "tls")) {
        if (!nm_bytes_is(value, "none") && !nm_bytes_is(value, "starttls") && !nm_bytes_is(value, "tls"))
            return nm_fail(error, NM_ERR_MALFORMED, "tls=%.*s: none, starttls or tls was expected", NM_PRINT(value));
        return s_copy(value, smtp->tls, sizeof smtp->tls, "kind of TLS", error);
    }
    if (nm_bytes_is(name, "user"))
        return s_copy(value, smtp->user, sizeof smtp->user, "user", error);
    if (nm_bytes_is(name, "password-file"))
        return s_copy(value, smtp->password_file, sizeof smtp->password_file, "path", error);
    if (nm_bytes_is(name, "from"))
        return s_copy(value, smtp->from, sizeof smtp->from, "sender", error);
    if (nm_bytes_is(name, "connections"))
        return s_number(value, 1000, &smtp->connections, error);
    return nm_fail(error, NM_ERR_MALFORMED,
                   "\"%.*s\" is not a setting of --smtp: tls, user, password-file, from, connections are",
                   NM_PRINT(name));
}

//  Takes the text up to the separator off rest.
static nm_bytes_t
s_split(nm_bytes_t *rest, char separator)
{
    const uint8_t *at = rest->size ? memchr(rest->at, separator, rest->size) : NULL;
    size_t size = at ? (size_t) (at - rest->at) : rest->size;
    nm_bytes_t part = nm_bytes(rest->at, size);
    *rest = at ? nm_bytes(at + 1, rest->size - size - 1) : nm_bytes(rest->at + size, 0);
    return part;
}

nm_rc_t
nm_plan_smtp(const char *text, nm_plan_smtp_t *smtp, nm_error_t *error)
{
    *smtp = (nm_plan_smtp_t){ .tls = "none" };
    nm_bytes_t rest = nm_text(text);
    nm_bytes_t address = s_split(&rest, ',');
    const uint8_t *colon = address.size ? memrchr(address.at, ':', address.size) : NULL;
    if (!colon)
        return nm_fail(error, NM_ERR_MALFORMED, "--smtp \"%s\": HOST:PORT was expected", text);
    nm_bytes_t host = nm_bytes(address.at, (size_t) (colon - address.at));
    nm_bytes_t port = nm_bytes(colon + 1, address.size - host.size - 1);
    nm_rc_t rc = s_copy(host, smtp->host, sizeof smtp->host, "host", error);
    if (rc == NM_OK)
        rc = s_number(port, 65535, &smtp->port, error);
    while (rc == NM_OK && rest.size) {
        nm_bytes_t value = s_split(&rest, ',');
        nm_bytes_t name = s_split(&value, '=');
        rc = s_setting(smtp, name, value, error);
    }
    return rc;
}

nm_rc_t
nm_plan_http(const char *text, nm_plan_t *self, char room[128], nm_error_t *error)
{
    self->http_host = NULL;
    self->http_port = 0;
    if (strcmp(text, "none") == 0)
        return NM_OK;
    const char *colon = strrchr(text, ':');
    if (!colon)
        return nm_fail(error, NM_ERR_MALFORMED, "--http \"%s\": ADDRESS:PORT or none was expected", text);
    nm_rc_t rc = s_copy(nm_bytes(text, (size_t) (colon - text)), room, 128, "address", error);
    if (rc == NM_OK)
        rc = s_number(nm_text(colon + 1), 65535, &self->http_port, error);
    if (rc == NM_OK && strpbrk(room, " \t\r/"))
        rc = nm_fail(error, NM_ERR_MALFORMED, "--http \"%s\": ADDRESS:PORT or none was expected", text);
    if (rc == NM_OK)
        self->http_host = room;
    return rc;
}

//  -- Ports

//  A gateway has a lobby too: what is made here is where newcomers knock.
unsigned
nm_plan_port_count(const nm_plan_t *self)
{
    unsigned bridge = !self->http_host ? 0 : self->http_port ? 2 : 3;
    return 4 * self->gateway_count + 2 * (self->router_count + self->email_count + 2) + bridge;
}

static bool
s_is_free(const char *host, unsigned port)
{
    char service[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *found = NULL;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return false;
    int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool is_free = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return is_free;
}

//  From 32768 on the system itself picks ports for connections, and may sit on ours.
nm_rc_t
nm_plan_free_ports(const char *host, unsigned count, unsigned *first, nm_error_t *error)
{
    enum { LEAST = 10000, BOUND = 32768, TRIES = 200 };
    for (unsigned i = 0; i < TRIES && count < BOUND - LEAST; i++) {
        unsigned base = LEAST + randombytes_uniform(BOUND - LEAST - count);
        unsigned at = 0;
        while (at < count && s_is_free(host, base + at))
            at++;
        if (at < count)
            continue;
        *first = base;
        return NM_OK;
    }
    return nm_fail(error, NM_ERR_BUSY, "%s: no run of %u free ports below %d was found", host, count, BOUND);
}

nm_rc_t
nm_plan_find_ports(nm_plan_t *self, nm_error_t *error)
{
    return nm_plan_free_ports(self->host, nm_plan_port_count(self), &self->base_port, error);
}

//  -- The mesh file

nm_rc_t
nm_plan_each(const nm_plan_t *self, nm_plan_fn *fn, void *arg)
{
    const struct {
        nm_role_id_t role;
        unsigned count;
    } parts[] = {
        { NM_ROLE_GATEWAY, self->gateway_count },
        { NM_ROLE_ROUTER, self->router_count },
        { NM_ROLE_USER, 1 },
        { NM_ROLE_EMAIL, self->email_count },
        { NM_ROLE_DEADLETTER, 1 },
        { NM_ROLE_BRIDGE, self->http_host != NULL },
    };
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < NM_COUNT(parts); i++) {
        for (unsigned number = 1; rc == NM_OK && number <= parts[i].count; number++) {
            char name[NM_NAME_MAX + 1];
            snprintf(name, sizeof name, "%s-%u", nm_role_text(parts[i].role), number);
            rc = fn(arg, name, parts[i].role, number);
        }
    }
    return rc;
}

typedef struct {
    const nm_plan_t *plan;
    nm_buf_t *out;
    unsigned port;
} s_writing_t;

static void
s_write_endpoint(s_writing_t *self, const char *name)
{
    bool is_v6 = strchr(self->plan->host, ':') != NULL;
    nm_buf_format(self->out, "        %s = \"tcp://%s%s%s:%u\"\n", name, is_v6 ? "[" : "", self->plan->host,
                  is_v6 ? "]" : "", self->port++);
}

static nm_rc_t
s_write_actor(void *arg, const char *name, nm_role_id_t role, unsigned number)
{
    s_writing_t *self = arg;
    nm_buf_format(self->out, "    %s\n        role = \"%s\"\n", name, nm_role_text(role));
    if (role == NM_ROLE_GATEWAY)
        nm_buf_format(self->out, "        number = %u\n", number);
    s_write_endpoint(self, "mailbox");
    s_write_endpoint(self, "desk");
    if (role == NM_ROLE_GATEWAY) {
        s_write_endpoint(self, "door");
        s_write_endpoint(self, "lobby");
    }
    if (role == NM_ROLE_BRIDGE)
        nm_buf_format(self->out, "        http = \"tcp://%s:%u\"\n", self->plan->http_host,
                      self->plan->http_port ? self->plan->http_port : self->port++);
    return NM_OK;
}

static void
s_write_smtp(const nm_plan_t *self, size_t index, nm_buf_t *out)
{
    const nm_plan_smtp_t *smtp = &self->smtps[index];
    nm_buf_format(out, "    smtp-%zu\n        kind = \"smtp\"\n        channels = \"email\"\n", index + 1);
    nm_buf_format(out, "        priority = %zu\n        host = \"%s\"\n        port = %u\n        tls = \"%s\"\n",
                  10 * (index + 1), smtp->host, smtp->port, smtp->tls);
    if (smtp->user[0])
        nm_buf_format(out, "        user = \"%s\"\n", smtp->user);
    if (smtp->password_file[0])
        nm_buf_format(out, "        password_file = \"%s\"\n", smtp->password_file);
    if (smtp->from[0])
        nm_buf_format(out, "        from = \"%s\"\n", smtp->from);
    else
        nm_buf_format(out, "        from = \"nmesh@%s\"\n", self->domain);
    if (smtp->connections)
        nm_buf_format(out, "        max_connections = %u\n", smtp->connections);
}

void
nm_plan_write(const nm_plan_t *self, nm_buf_t *out)
{
    nm_buf_format(out,
                  "#   The mesh file: who is on the mesh, where, and the settings of each role.\n"
                  "#   The same on every machine; it holds no secrets.\n"
                  "mesh\n    name = \"%s\"\n    authority = \"%s\"\n    admin_key_hash = \"%s\"\n"
                  "    public_domain = \"%s\"\n\nactors\n",
                  self->name, self->authority, self->admin_key_hash, self->domain);
    s_writing_t writing = { .plan = self, .out = out, .port = self->base_port };
    nm_plan_each(self, s_write_actor, &writing);
    nm_buf_add_text(out, "\nproviders\n");
    for (size_t i = 0; i < self->smtp_count; i++)
        s_write_smtp(self, i, out);
    if (!self->smtp_count)
        nm_buf_format(out, "    maildir\n        kind = \"maildir\"\n        channels = \"email\"\n"
                           "        priority = 10\n        path = \"maildir\"\n");
}
