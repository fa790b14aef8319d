#include "tools/nctl/supervisor.h"
#include "tools/nctl/files.h"
#include "tools/nctl/stating.h"
#include "tools/nctl/when.h"
#include "wire/time.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    S_BACKOFF_MS = 200,
    S_BACKOFF_MAX_MS = 10000,
    S_CRASH_COUNT = 3,        //  So many ends within ...
    S_CRASH_SPAN_MS = 60000,  //  ... so long mean longer pauses
    S_STEADY_MS = 10000,      //  Who ran for so long starts with the shortest pause again
    S_GRACE_MS = 5000,
};

#define S_AGAIN "run/again"  //  Start all that do not run

typedef struct {
    char name[NM_NAME_MAX + 1];
    char program[NM_PATH_MAX];
    pid_t pid;  //  0: it does not run
    int64_t started_ms;
    int64_t restart_ms;  //  When to start it again; 0: not at all
    int64_t backoff_ms;
    int64_t ends_ms[S_CRASH_COUNT];
} s_child_t;

typedef struct {
    const char *folder;
    s_child_t *children;
    size_t child_count;
    FILE *log;
    bool quiet;
    bool stopping;
} s_supervisor_t;

//  -- The lock

nm_rc_t
nm_supervisor_lock(const char *folder, int *lock, nm_error_t *error)
{
    char path[NM_PATH_MAX];
    nm_files_join(path, folder, "run");
    nm_rc_t rc = nm_files_folder(path, error);
    if (rc != NM_OK)
        return rc;
    nm_files_join(path, folder, "run/nctl.pid");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return nm_fail(error, NM_ERR_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return nm_fail(error, NM_ERR_BUSY, "%s: this mesh is up already; \"nctl down\" stops it", folder);
    }
    //  It names the last one until the new one writes its own, and whoever has that number by now must not get our signals.
    if (ftruncate(fd, 0) != 0) {
        close(fd);
        return nm_fail(error, NM_ERR_IO, "%s: %s", path, strerror(errno));
    }
    *lock = fd;
    return NM_OK;
}

nm_rc_t
nm_supervisor_find(const char *folder, pid_t *pid)
{
    char path[NM_PATH_MAX];
    char text[16] = { 0 };
    nm_files_join(path, folder, "run/nctl.pid");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NM_ERR_MISSING;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    *pid = size > 0 ? (pid_t) strtol(text, NULL, 10) : 0;
    return held && *pid > 0 ? NM_OK : NM_ERR_MISSING;
}

//  The mark comes first: who is asked sees it.
nm_rc_t
nm_supervisor_start_all(const char *folder, pid_t pid, nm_error_t *error)
{
    nm_rc_t rc = nm_files_write(folder, S_AGAIN, 0600, nm_text(""), error);
    if (rc != NM_OK && rc != NM_ERR_DUPLICATE)
        return rc;
    return kill(pid, SIGHUP) == 0 ? NM_OK
                                  : nm_fail(error, NM_ERR_IO, "the supervisor, process %d, cannot be asked: %s",
                                            (int) pid, strerror(errno));
}

static bool
s_take_again(const char *folder)
{
    char path[NM_PATH_MAX];
    nm_files_join(path, folder, S_AGAIN);
    return unlink(path) == 0;
}

static void
s_write_pid(int lock)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%d\n", (int) getpid());
    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t) size, 0) != size)
        perror("nctl: run/nctl.pid");
}

//  -- Programs

//  Beside nctl, where the build puts it, and where it is installed.
nm_rc_t
nm_supervisor_program(nm_role_id_t role, char *out, size_t size, nm_error_t *error)
{
    char self[NM_PATH_MAX] = "";
    const char *name = nm_role_text(role);
    const char *folder = getenv("NMESH_LIBEXEC");
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = length > 0 ? strrchr(self, '/') : NULL;
    if (slash)
        *slash = 0;
    if (folder && *folder) {
        snprintf(out, size, "%s/nmesh-%s", folder, name);
        return access(out, X_OK) == 0 ? NM_OK : nm_fail(error, NM_ERR_MISSING, "%s: %s", out, strerror(errno));
    }
    for (int place = 0; place < 3; place++) {
        if (place == 0)
            snprintf(out, size, "%s/nmesh-%s", self, name);
        else if (place == 1)
            snprintf(out, size, "%s/../../actors/%s/nmesh-%s", self, name, name);
        else
            snprintf(out, size, "%s/../libexec/nmesh/nmesh-%s", self, name);
        if (access(out, X_OK) == 0)
            return NM_OK;
    }
    return nm_fail(error, NM_ERR_MISSING,
                   "nmesh-%s was not found beside nctl (%s), in ../../actors/%s or in ../libexec/nmesh; "
                   "$NMESH_LIBEXEC names another folder",
                   name, self, name);
}

//  -- Saying

__attribute__((format(printf, 2, 3))) static void
s_say(s_supervisor_t *self, const char *format, ...)
{
    char text[512];
    char now[NM_TIME_TEXT_SIZE + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nm_time_to_text(nm_when_now(), now);
    if (self->log) {
        fprintf(self->log, "%s %s\n", now, text);
        fflush(self->log);
    }
    if (!self->quiet)
        fprintf(stderr, "%s\n", text);
}

//  -- Children

static void
s_become(const s_supervisor_t *self, const s_child_t *child, pid_t parent)
{
    char path[NM_PATH_MAX];
    sigset_t none;
    snprintf(path, sizeof path, "%s/log/%s.log", self->folder, child->name);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log >= 0)
        dup2(log, STDERR_FILENO);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);  //  Ctrl-C is for the supervisor, which stops actors in good order
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    execl(child->program, child->program, "--mesh", self->folder, "--name", child->name, (char *) NULL);
    fprintf(stderr, "%s: %s\n", child->program, strerror(errno));
    _exit(127);
}

static void
s_start(s_supervisor_t *self, s_child_t *child)
{
    pid_t parent = getpid();
    child->restart_ms = 0;
    child->started_ms = nm_when_mono();
    child->pid = fork();
    if (child->pid == 0)
        s_become(self, child, parent);
    if (child->pid < 0) {
        s_say(self, "%s: cannot start: %s", child->name, strerror(errno));
        child->pid = 0;
        child->restart_ms = nm_when_mono() + S_BACKOFF_MAX_MS;
    } else {
        s_say(self, "%s: started, pid %d", child->name, (int) child->pid);
    }
}

static const char *
s_verdict(int code)
{
    switch (code) {
    case 65: return "its store is damaged; keep the folder, run nctl check, restore a backup";
    case 74: return "its disk failed at a commit; see log, check the disk and the store (nctl check)";
    case 75: return "its store is older than its peers know; restore it properly or forget it";
    case 78: return "its settings are wrong, or the authority has ended its certificate; see its log";
    case 127: return "its program cannot be run";
    default: return NULL;
    }
}

static void
s_describe_end(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

//  Doubling pauses, and longer ones for who ends again and again. Somebody who kills an
//  actor on purpose gets it back soon: that is no fault of the actor.
static void
s_plan_restart(s_child_t *child, int status, int64_t now_ms)
{
    memmove(child->ends_ms, child->ends_ms + 1, sizeof child->ends_ms - sizeof child->ends_ms[0]);
    child->ends_ms[S_CRASH_COUNT - 1] = now_ms;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool again = child->ends_ms[0] && now_ms - child->ends_ms[0] < S_CRASH_SPAN_MS;
    if (killed || !child->backoff_ms || now_ms - child->started_ms > S_STEADY_MS)
        child->backoff_ms = S_BACKOFF_MS;
    else
        child->backoff_ms *= again ? 4 : 2;
    if (child->backoff_ms > S_BACKOFF_MAX_MS)
        child->backoff_ms = S_BACKOFF_MAX_MS;
    child->restart_ms = now_ms + child->backoff_ms;
}

//  An actor that was drained leaves a mark, which counts once.
static bool
s_was_drained(const s_supervisor_t *self, const s_child_t *child, int status)
{
    char path[NM_PATH_MAX];
    snprintf(path, sizeof path, "%s/run/%s.drained", self->folder, child->name);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 && unlink(path) == 0;
}

static void
s_ended(s_supervisor_t *self, s_child_t *child, int status)
{
    char how[80];
    pid_t pid = child->pid;
    child->pid = 0;
    s_describe_end(status, how, sizeof how);
    const char *verdict = WIFEXITED(status) ? s_verdict(WEXITSTATUS(status)) : NULL;
    if (self->stopping) {
        s_say(self, "%s: stopped, pid %d, %s", child->name, (int) pid, how);
    } else if (verdict) {
        s_say(self, "%s: ended, pid %d, %s: %s. It is not started again.", child->name, (int) pid, how, verdict);
    } else if (s_was_drained(self, child, status)) {
        s_say(self, "%s: ended, pid %d: it is drained. It is not started again.", child->name, (int) pid);
    } else {
        s_plan_restart(child, status, nm_when_mono());
        s_say(self, "%s: ended, pid %d, %s; starting again in %.1f s", child->name, (int) pid, how,
              (double) child->backoff_ms / 1000);
    }
}

static void
s_reap(s_supervisor_t *self)
{
    for (size_t i = 0; i < self->child_count; i++) {
        int status;
        s_child_t *child = &self->children[i];
        if (child->pid && waitpid(child->pid, &status, WNOHANG) == child->pid)
            s_ended(self, child, status);
    }
}

static size_t
s_signal_all(s_supervisor_t *self, int number)
{
    size_t count = 0;
    for (size_t i = 0; i < self->child_count; i++) {
        if (!self->children[i].pid)
            continue;
        kill(self->children[i].pid, number);
        count++;
    }
    return count;
}

static void
s_stop(s_supervisor_t *self, int signals)
{
    int64_t end_ms = nm_when_mono() + S_GRACE_MS;
    self->stopping = true;
    s_say(self, "stopping %zu actors", s_signal_all(self, SIGTERM));
    while (s_signal_all(self, 0)) {
        if (nm_when_mono() >= end_ms) {
            s_say(self, "%zu actors did not stop in %d s and are killed", s_signal_all(self, SIGKILL),
                  S_GRACE_MS / 1000);
            end_ms += S_GRACE_MS;
        }
        struct signalfd_siginfo got;
        struct pollfd fd = { .fd = signals, .events = POLLIN };
        if (poll(&fd, 1, 50) > 0 && read(signals, &got, sizeof got) < 0)
            nm_when_sleep(10);
        s_reap(self);
    }
    s_say(self, "all actors have stopped");
}

//  -- The whole

static s_child_t *
s_find_child(s_supervisor_t *self, const char *name)
{
    for (size_t i = 0; i < self->child_count; i++)
        if (strcmp(self->children[i].name, name) == 0)
            return &self->children[i];
    return NULL;
}

//  An actor of this machine that has no child yet.
static nm_rc_t
s_add_child(s_supervisor_t *self, const nm_mesh_actor_t *actor, nm_error_t *error)
{
    if (s_find_child(self, actor->name))
        return NM_OK;
    s_child_t child = { .pid = 0, .restart_ms = 1 };
    memcpy(child.name, actor->name, sizeof child.name);
    nm_rc_t rc = nm_supervisor_program(actor->role, child.program, sizeof child.program, error);
    if (rc != NM_OK)
        return rc;
    self->children = nm_realloc(self->children, (self->child_count + 1) * sizeof *self->children);
    self->children[self->child_count++] = child;
    return NM_OK;
}

static nm_rc_t
s_prepare(s_supervisor_t *self, const nm_mesh_t *mesh, nm_error_t *error)
{
    nm_rc_t rc = NM_OK;
    char path[NM_PATH_MAX];
    s_take_again(self->folder);
    nm_files_join(path, self->folder, "log");
    rc = nm_files_folder(path, error);
    nm_files_join(path, self->folder, "log/nctl.log");
    self->log = fopen(path, "ae");
    for (size_t i = 0; rc == NM_OK && i < mesh->actor_count; i++)
        rc = s_add_child(self, &mesh->actors[i], error);
    return rc;
}

//  Who was launched since: asked for by SIGHUP.
static void
s_look_again(s_supervisor_t *self)
{
    nm_error_t error = { "" };
    bool again = s_take_again(self->folder);
    nm_mesh_t *mesh = nm_mesh_load(self->folder, &error);
    if (!mesh) {
        s_say(self, "nctl: %s", error.text);
        return;
    }
    nm_stating_keep_ours(mesh);
    for (size_t i = 0; i < mesh->actor_count; i++) {
        s_child_t *child = s_find_child(self, mesh->actors[i].name);
        if (again && child && !child->pid)
            child->restart_ms = 1;
        if (s_add_child(self, &mesh->actors[i], &error) != NM_OK)
            s_say(self, "nctl: %s", error.text);
    }
    nm_mesh_destroy(&mesh);
}

static int64_t
s_start_due(s_supervisor_t *self)
{
    int64_t now_ms = nm_when_mono();
    int64_t next_ms = now_ms + 60000;
    for (size_t i = 0; i < self->child_count; i++) {
        s_child_t *child = &self->children[i];
        if (child->pid || !child->restart_ms)
            continue;
        if (child->restart_ms <= now_ms)
            s_start(self, child);
        else if (child->restart_ms < next_ms)
            next_ms = child->restart_ms;
    }
    return next_ms - now_ms;
}

static int
s_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
nm_supervisor_run(const nm_mesh_t *mesh, int lock, bool quiet)
{
    s_supervisor_t self = { .folder = mesh->folder, .quiet = quiet };
    nm_error_t error = { "" };
    int code = 1;
    int signals = s_signals();
    s_write_pid(lock);
    if (signals < 0 || s_prepare(&self, mesh, &error) != NM_OK) {
        s_say(&self, "nctl: %s", error.text);
        goto done;
    }
    for (;;) {
        struct signalfd_siginfo got;
        struct pollfd fd = { .fd = signals, .events = POLLIN };
        poll(&fd, 1, (int) s_start_due(&self));
        bool stop = false, look = false;
        while (read(signals, &got, sizeof got) == sizeof got) {
            stop = stop || got.ssi_signo == SIGTERM || got.ssi_signo == SIGINT;
            look = look || got.ssi_signo == SIGHUP;
        }
        s_reap(&self);
        if (look)
            s_look_again(&self);
        if (stop)
            break;
    }
    s_stop(&self, signals);
    code = 0;

done:
    if (signals >= 0)
        close(signals);
    if (self.log)
        fclose(self.log);
    free(self.children);
    return code;
}
