#include "tools/nctl/scratch.h"
#include "tools/nctl/init.h"
#include "tools/nctl/up.h"
#include "tools/nctl/when.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int
s_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) type;
    (void) place;
    return remove(path);
}

void
nm_scratch_remove(const char *folder)
{
    nftw(folder, s_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

//  -- The sink

static bool
s_is_listening(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listening = fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return listening;
}

//  smtp-sink does not serve as root; it wants another user to become.
static void
s_become_sink(unsigned port)
{
    char address[32];
    const char *argv[] = { "smtp-sink", "-c", address, "1000", NULL, NULL, NULL };
    const char *root_argv[] = { "smtp-sink", "-u", "nobody", "-c", address, "1000", NULL };
    char *const *all = (char *const *) (geteuid() == 0 ? root_argv : argv);
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    execvp("smtp-sink", all);
    execv("/usr/sbin/smtp-sink", all);
    _exit(127);
}

static nm_rc_t
s_start_sink(nm_scratch_t *self, unsigned *port, nm_error_t *error)
{
    for (int try = 0; try < 10; try++) {
        *port = 10000 + randombytes_uniform(22000);
        if (s_is_listening(*port))
            continue;
        fflush(NULL);
        self->sink = fork();
        if (self->sink == 0)
            s_become_sink(*port);
        for (int i = 0; self->sink > 0 && i < 200; i++) {
            int status;
            if (s_is_listening(*port))
                return NM_OK;
            if (waitpid(self->sink, &status, WNOHANG) == self->sink) {
                self->sink = 0;
                if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                    return nm_fail(error, NM_ERR_MISSING, "smtp-sink was not found: install the package postfix");
            }
            nm_when_sleep(10);
        }
    }
    return nm_fail(error, NM_ERR_IO, "smtp-sink does not start");
}

//  -- The whole

nm_rc_t
nm_scratch_start(nm_scratch_t *self, const char *parent, nm_error_t *error)
{
    char api_key[66];
    nm_plan_t plan = { .name = "bench",
                       .host = "127.0.0.1",
                       .domain = "bench.local",
                       .gateway_count = 1,
                       .router_count = 1,
                       .email_count = 1,
                       .smtp_count = 1 };
    *self = (nm_scratch_t){ 0 };
    snprintf(self->folder, sizeof self->folder, "%.400s/nmesh-bench-XXXXXX", parent);
    if (!mkdtemp(self->folder)) {
        self->folder[0] = 0;
        return nm_fail(error, NM_ERR_IO, "no folder can be made in %s: %s", parent, strerror(errno));
    }
    plan.smtps[0] = (nm_plan_smtp_t){ .host = "127.0.0.1", .tls = "none" };
    nm_rc_t rc = s_start_sink(self, &plan.smtps[0].port, error);
    if (rc == NM_OK)
        rc = nm_init_mesh(self->folder, &plan, api_key, error);
    if (rc == NM_OK) {
        self->reach = nm_reach_new(self->folder, error);
        rc = self->reach ? NM_OK : NM_ERR_IO;
    }
    if (rc == NM_OK) {
        self->started_us = nm_when_mono_us();
        self->supervisor = nm_up_start(nm_reach_mesh(self->reach), NM_UP_QUIET, error);
        rc = self->supervisor > 0 ? NM_OK : NM_ERR_IO;
    }
    if (rc != NM_OK)
        nm_scratch_stop(self);
    return rc;
}

void
nm_scratch_stop(nm_scratch_t *self)
{
    if (self->supervisor > 0) {
        kill(self->supervisor, SIGTERM);
        waitpid(self->supervisor, NULL, 0);
    }
    if (self->sink > 0) {
        kill(self->sink, SIGKILL);
        waitpid(self->sink, NULL, 0);
    }
    nm_reach_destroy(&self->reach);
    if (self->folder[0])
        nm_scratch_remove(self->folder);
    *self = (nm_scratch_t){ 0 };
}
