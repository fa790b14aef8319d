#include "tests/broker/check.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "broker/sd.h"

//  Receives what is sent to an abstract socket of ours.
static int
s_listen(char name[64])
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(name, 64, "@nmesh-test-%d", (int) getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *) &address, size), 0);
    return fd;
}

static void
s_assert_received(int fd, const char *expected)
{
    char text[64] = { 0 };
    ssize_t got = recv(fd, text, sizeof text - 1, 0);
    assert_true(got > 0);
    assert_string_equal(text, expected);
}

static void
tells_systemd_what_happens(void **state)
{
    (void) state;
    char name[64];
    int fd = s_listen(name);
    setenv("NOTIFY_SOCKET", name, 1);
    nm_sd_ready();
    s_assert_received(fd, "READY=1");
    nm_sd_alive();
    s_assert_received(fd, "WATCHDOG=1");
    nm_sd_stopping();
    s_assert_received(fd, "STOPPING=1");
    close(fd);
}

static void
does_nothing_without_systemd(void **state)
{
    (void) state;
    unsetenv("NOTIFY_SOCKET");
    nm_sd_ready();
    setenv("NOTIFY_SOCKET", "relative", 1);
    nm_sd_ready();
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    nm_sd_ready();
    unsetenv("NOTIFY_SOCKET");
}

static void
feeds_a_watchdog_that_is_meant_for_this_process(void **state)
{
    (void) state;
    char pid[16];
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(nm_sd_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(nm_sd_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(nm_sd_watchdog_ms(), 0);
    snprintf(pid, sizeof pid, "%d", (int) getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(nm_sd_watchdog_ms(), 15000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_systemd_what_happens),
        cmocka_unit_test(does_nothing_without_systemd),
        cmocka_unit_test(feeds_a_watchdog_that_is_meant_for_this_process),
    };
    return cmocka_run_group_tests_name("broker/sd", tests, NULL, NULL);
}
