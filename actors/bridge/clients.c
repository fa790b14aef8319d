#include "actors/bridge/clients.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAGE_SIZE = 4096, PAGES_MAX = 64, LINGER_SIP_SIZE = 64 * 1024, LINGER_SIPS = 16 };

//  A piece of a stream that the kernel has taken counts as sent, and it would wait a quarter of an hour for a client that
//  does not read.
static void
s_bound_kernel(int fd)
{
    int timeout_ms = NM_CLIENTS_KERNEL_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

nm_client_t *
nm_clients_add(nm_clients_t *self, int fd, int64_t now_ms)
{
    nm_client_t *client = nm_alloc(sizeof *client);
    client->fd = fd;
    s_bound_kernel(fd);
    client->next = self->first;
    client->back = &self->first;
    if (self->first)
        self->first->back = &client->next;
    self->first = client;
    if (!self->count++)
        self->look_ms = now_ms + NM_CLIENTS_LOOK_MS;
    nm_clients_enter(client, NM_CLIENT_HEAD, 0, now_ms);
    return client;
}

void
nm_clients_remove(nm_clients_t *self, nm_client_t **client_p)
{
    nm_client_t *client = *client_p;
    if (!client)
        return;
    *client->back = client->next;
    if (client->next)
        client->next->back = client->back;
    self->count--;
    free(client);
    *client_p = NULL;
}

void
nm_clients_enter(nm_client_t *client, nm_client_phase_t phase, uint64_t size, int64_t now_ms)
{
    client->phase = phase;
    client->size = size;
    client->since_ms = now_ms;
    client->trimmed = false;
}

void
nm_clients_pace(nm_client_t *client)
{
    int size = NM_CLIENTS_PACE_SIZE;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &size, sizeof size);
    nm_clients_enter(client, NM_CLIENT_WAIT, 0, 0);
}

void
nm_clients_cut(nm_clients_t *self, nm_client_t *client)
{
    if (client->cut)
        return;
    client->cut = true;
    self->cut_count++;
    shutdown(client->fd, SHUT_RDWR);
}

//  -- Lingering

static bool
s_sip(int fd)
{
    static char sip[LINGER_SIP_SIZE];  //  Never looked at
    for (int i = 0; i < LINGER_SIPS; i++) {
        ssize_t size = recv(fd, sip, sizeof sip, MSG_DONTWAIT | MSG_TRUNC);
        if (size <= 0)
            return size < 0;
    }
    return true;
}

void
nm_clients_linger(nm_clients_t *self, const nm_client_t *client, int64_t now_ms)
{
    int fd = self->lingerer_count < NM_CLIENTS_LINGER_MAX ? fcntl(client->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0)
        self->lingerers[self->lingerer_count++] = (nm_lingerer_t){ fd, now_ms + NM_CLIENTS_LINGER_MS };
}

static void
s_drink(nm_clients_t *self, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->lingerer_count; i++) {
        nm_lingerer_t *lingerer = &self->lingerers[i];
        if (now_ms < lingerer->until_ms && s_sip(lingerer->fd))
            self->lingerers[kept++] = *lingerer;
        else
            close(lingerer->fd);
    }
    self->lingerer_count = kept;
}

void
nm_clients_close(nm_clients_t *self)
{
    for (size_t i = 0; i < self->lingerer_count; i++)
        close(self->lingerers[i].fd);
    self->lingerer_count = 0;
}

//  -- Memory. libmicrohttpd fills the memory of a connection with zeros after each request, which makes all of its pages
//  resident. A page that holds nothing but zeros can be given back at any time: whoever reads it finds zeros again.

static bool
s_is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

static void
s_trim(const nm_clients_t *self, nm_client_t *client)
{
    unsigned char resident[PAGES_MAX];
    uint8_t *pool = (uint8_t *) client->pool;
    size_t count = self->pool_size / PAGE_SIZE;
    client->trimmed = true;
    if (!pool || (uintptr_t) pool % PAGE_SIZE || count > PAGES_MAX || mincore(pool, count * PAGE_SIZE, resident) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        if ((resident[i] & 1) && s_is_zero(pool + i * PAGE_SIZE))
            madvise(pool + i * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED);
}

//  -- Time

static int64_t
s_patience_ms(const nm_clients_t *self, const nm_client_t *client)
{
    switch (client->phase) {
    case NM_CLIENT_HEAD: return NM_CLIENTS_HEAD_MS;
    case NM_CLIENT_BODY:
    case NM_CLIENT_ANSWER: return NM_CLIENTS_GRACE_MS + (int64_t) (client->size * 1000 / NM_CLIENTS_FLOOR_SIZE);
    case NM_CLIENT_REST: return self->idle_ms;
    case NM_CLIENT_WAIT: break;
    }
    return INT64_MAX;
}

void
nm_clients_look(nm_clients_t *self, int64_t now_ms)
{
    if (now_ms < self->look_ms)
        return;
    self->look_ms = now_ms + NM_CLIENTS_LOOK_MS;
    s_drink(self, now_ms);
    for (nm_client_t *client = self->first; client; client = client->next) {
        int64_t age_ms = now_ms - client->since_ms;
        if (age_ms > s_patience_ms(self, client))
            nm_clients_cut(self, client);
        else if (client->phase == NM_CLIENT_REST && age_ms > NM_CLIENTS_TRIM_MS && !client->trimmed)
            s_trim(self, client);
    }
}

int
nm_clients_timeout(const nm_clients_t *self, int64_t now_ms)
{
    if (!self->count && !self->lingerer_count)
        return -1;
    return self->look_ms > now_ms ? (int) (self->look_ms - now_ms) : 0;
}
