#include "tools/nctl/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { S_HOST_MAX = 256, S_PORT_MAX = 8 };

typedef struct {
    char host[S_HOST_MAX];
    char port[S_PORT_MAX];
    bool tls;
} s_address_t;

static bool
s_copy(char *out, size_t size, const char *from, size_t length)
{
    if (!length || length >= size)
        return false;
    memcpy(out, from, length);
    out[length] = 0;
    return true;
}

//  http[s]://HOST:PORT, HOST in brackets if it has colons.
static bool
s_read(const char *url, s_address_t *address)
{
    address->tls = strncmp(url, "https://", 8) == 0;
    if (!address->tls && strncmp(url, "http://", 7) != 0)
        return false;
    const char *host = url + (address->tls ? 8 : 7), *colon = strrchr(host, ':');
    if (!colon)
        return false;
    size_t size = (size_t) (colon - host), port_size = strcspn(colon + 1, "/");
    if (size > 1 && host[0] == '[' && host[size - 1] == ']')
        return s_copy(address->host, S_HOST_MAX, host + 1, size - 2) &&
               s_copy(address->port, S_PORT_MAX, colon + 1, port_size);
    return s_copy(address->host, S_HOST_MAX, host, size) && s_copy(address->port, S_PORT_MAX, colon + 1, port_size);
}

bool
nm_probe_is_local(const char *url)
{
    s_address_t address;
    return s_read(url, &address) && (strncmp(address.host, "127.", 4) == 0 || strcmp(address.host, "::1") == 0 ||
                                     strcmp(address.host, "localhost") == 0);
}

static nm_rc_t
s_wait(int fd, short events, int timeout_ms, nm_error_t *error)
{
    struct pollfd item = { .fd = fd, .events = events };
    int rc = poll(&item, 1, timeout_ms);
    if (rc < 0)
        return nm_fail(error, NM_ERR_IO, "%s", strerror(errno));
    return rc ? NM_OK : nm_fail(error, NM_ERR_IO, "nothing came within %d ms", timeout_ms);
}

static nm_rc_t
s_connect(int fd, const struct addrinfo *to, int timeout_ms, nm_error_t *error)
{
    int fault = 0;
    socklen_t size = sizeof fault;
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return NM_OK;
    if (errno != EINPROGRESS)
        return nm_fail(error, NM_ERR_IO, "%s", strerror(errno));
    nm_rc_t rc = s_wait(fd, POLLOUT, timeout_ms, error);
    if (rc == NM_OK && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size) != 0 || fault))
        rc = nm_fail(error, NM_ERR_IO, "%s", strerror(fault ? fault : errno));
    return rc;
}

static nm_rc_t
s_ask(int fd, const s_address_t *address, int timeout_ms, nm_error_t *error)
{
    char text[S_HOST_MAX + 64];
    char answer[16] = "";
    int size =
        snprintf(text, sizeof text, "GET /health HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address->host);
    if (send(fd, text, (size_t) size, MSG_NOSIGNAL) != size)
        return nm_fail(error, NM_ERR_IO, "%s", strerror(errno));
    nm_rc_t rc = s_wait(fd, POLLIN, timeout_ms, error);
    if (rc == NM_OK && recv(fd, answer, sizeof answer - 1, 0) < 0)
        rc = nm_fail(error, NM_ERR_IO, "%s", strerror(errno));
    if (rc == NM_OK && strncmp(answer, "HTTP/1.1 200", 12) != 0)
        rc = nm_fail(error, NM_ERR_IO, "it is not alive, or not HTTP");
    return rc;
}

static nm_rc_t
s_try(const struct addrinfo *to, const s_address_t *address, int timeout_ms, nm_error_t *error)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return nm_fail(error, NM_ERR_IO, "%s", strerror(errno));
    nm_rc_t rc = s_connect(fd, to, timeout_ms, error);
    if (rc == NM_OK && !address->tls)
        rc = s_ask(fd, address, timeout_ms, error);
    close(fd);
    return rc;
}

nm_rc_t
nm_probe(const char *url, int timeout_ms, nm_error_t *error)
{
    s_address_t address;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    if (!s_read(url, &address))
        return nm_fail(error, NM_ERR_MALFORMED, "that is no address of HTTP");
    int fault = getaddrinfo(address.host, address.port, &hints, &found);
    if (fault)
        return nm_fail(error, NM_ERR_IO, "%s", gai_strerror(fault));
    nm_rc_t rc = s_try(found, &address, timeout_ms, error);
    freeaddrinfo(found);
    return rc;
}
