#include "broker/sd.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

//  Nobody can be told if it fails, and nothing depends on it.
static void
s_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = path ? strlen(path) : 0;
    if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = 0;

    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t address_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + size);
    ssize_t sent =
        sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *) &address, address_size);
    (void) sent;
    close(fd);
}

void
nm_sd_ready(void)
{
    s_notify("READY=1");
}

void
nm_sd_stopping(void)
{
    s_notify("STOPPING=1");
}

void
nm_sd_alive(void)
{
    s_notify("WATCHDOG=1");
}

int64_t
nm_sd_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && strtol(pid, NULL, 10) != (long) getpid()))
        return 0;
    long long value = strtoll(usec, NULL, 10);
    return value > 0 ? (int64_t) (value / 2000) : 0;
}
