#include "tools/nctl/complaint.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/picture.h"
#include "tools/nctl/roster.h"
#include "tools/nctl/stating.h"
#include "tools/nctl/supervisor.h"
#include "tools/nctl/up.h"
#include "tools/nctl/when.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// clang-format off
const nm_option_t nm_up_options[] = {
    { "detach", 'd', NULL, "Returns once every actor answers; nctl down stops them" },
    { "wait", 0, "SPAN", "How long to wait until every actor answers (10s)" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

enum { S_MEETING_MS = 2000 };

//  Signals that ask for the end are blocked and looked for here, so that no handler needs a global.
static void
s_stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

static bool
s_is_stop_wanted(int64_t wait_ms)
{
    sigset_t set;
    s_stop_signals(&set);
    return sigtimedwait(&set, NULL, &(struct timespec){ .tv_nsec = wait_ms * 1000000 }) > 0;
}

static bool
s_has_ended(pid_t pid)
{
    siginfo_t state = { .si_pid = 0 };
    if (!pid)
        return false;
    return waitid(P_PID, (id_t) pid, &state, WEXITED | WNOHANG | WNOWAIT) != 0 || state.si_pid == pid;
}

//  A supervisor without a terminal of its own: nothing it is given may keep the caller's pipes open.
static void
s_detach(void)
{
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
}

pid_t
nm_up_start(const nm_mesh_t *mesh, nm_up_t manner, nm_error_t *error)
{
    int lock;
    if (nm_supervisor_lock(mesh->folder, &lock, error) != NM_OK)
        return -1;
    for (size_t i = 0; i < mesh->actor_count; i++) {
        char program[1024];
        if (nm_supervisor_program(mesh->actors[i].role, program, sizeof program, error) != NM_OK) {
            close(lock);
            return -1;
        }
    }
    fflush(NULL);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        if (manner == NM_UP_FOREGROUND)
            setpgid(0, 0);
        else
            s_detach();
        if (manner != NM_UP_DETACHED && (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent))
            _exit(1);
        _exit(nm_supervisor_run(mesh, lock, manner != NM_UP_FOREGROUND));
    }
    close(lock);
    if (pid < 0)
        nm_fail(error, NM_ERR_IO, "the supervisor cannot be started: %s", strerror(errno));
    return pid;
}

//  Short rounds with new connections: a connection that was refused is tried again only after a pause.
size_t
nm_up_await(nm_reach_t *reach, pid_t supervisor, json_t **statuses, int64_t timeout_ms, bool speak)
{
    size_t count = nm_reach_mesh(reach)->actor_count;
    size_t answered_count = 0, said_count = SIZE_MAX;
    int64_t end_ms = nm_when_mono() + timeout_ms;
    while (answered_count < count && nm_when_mono() < end_ms && !s_has_ended(supervisor)) {
        answered_count = nm_reach_statuses(reach, statuses, 250);
        if (speak && answered_count != said_count)
            nm_nctl_say("%zu of %zu actors answer", answered_count, count);
        said_count = answered_count;
        if (s_is_stop_wanted(answered_count < count ? 20 : 0)) {
            if (supervisor)
                kill(supervisor, SIGTERM);
            break;
        }
    }
    return answered_count;
}

//  Do all that answered have their links to each other?
static bool
s_have_met(const nm_mesh_t *mesh, json_t *const *statuses)
{
    for (size_t i = 0; i < mesh->actor_count; i++) {
        const json_t *links = json_object_get(statuses[i], "links");
        for (size_t k = 0; k < json_array_size(links); k++) {
            const json_t *link = json_array_get(links, k);
            const nm_mesh_actor_t *peer = nm_mesh_find(mesh, nm_json_text(link, "peer"));
            if (peer && statuses[peer - mesh->actors] && strcmp(nm_json_text(link, "state"), "up") != 0)
                return false;
        }
    }
    return true;
}

static void
s_let_go(json_t **statuses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(statuses[i]);
        statuses[i] = NULL;
    }
}

//  An actor answers before it has met the others: until then what it asks of them is answered 503.
static void
s_await_meeting(nm_reach_t *reach, json_t **statuses)
{
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    int64_t end_ms = nm_when_mono() + S_MEETING_MS;
    while (!s_have_met(mesh, statuses) && nm_when_mono() < end_ms) {
        nm_when_sleep(20);
        s_let_go(statuses, mesh->actor_count);
        nm_reach_statuses(reach, statuses, 250);
    }
}

static void
s_name_missing(const nm_mesh_t *mesh, json_t *const *statuses, int64_t since_ms)
{
    for (size_t i = 0; i < mesh->actor_count; i++)
        if (!statuses[i])
            nm_complaint_say(mesh->folder, mesh->actors[i].name, since_ms);
}

//  Waits for the end of the supervisor, passing on what it was asked to do.
static int
s_stay(pid_t supervisor)
{
    int status = 0;
    while (waitpid(supervisor, &status, WNOHANG) == 0) {
        if (s_is_stop_wanted(100))
            kill(supervisor, SIGTERM);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : NM_FAILED;
}

//  Where clients find the mesh, and a first word to it.
static void
s_print_urls(const nm_mesh_t *mesh, json_t *const *statuses)
{
    const char *first = NULL;
    for (size_t i = 0; i < mesh->actor_count; i++) {
        const char *url = statuses[i] ? nm_json_text(statuses[i], "http") : "";
        if (!url[0])
            continue;
        printf("\n%s speaks HTTP at %s", mesh->actors[i].name, url);
        first = first ? first : url;
    }
    if (first)
        printf("\n\n    curl %s/v1/notifications -H \"X-API-Key: $(cat %s/admin.key)\" -H \"Content-Type: "
               "application/json\" \\\n"
               "        -d '{\"channel\": \"email\", \"recipient\": \"you@example.com\", \"subject\": \"Hello\", "
               "\"content\": \"It works.\"}'\n\n",
               first, mesh->folder);
}

//  Waits for the actors and shows them. Do all answer?
static bool
s_show(const nm_nctl_t *self, nm_reach_t *reach, pid_t supervisor, int64_t since_ms, int64_t wait_ms)
{
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    json_t **statuses = nm_alloc(mesh->actor_count * sizeof *statuses);
    size_t count = nm_up_await(reach, supervisor, statuses, wait_ms, true);
    bool whole = count == mesh->actor_count;
    if (whole)
        s_await_meeting(reach, statuses);
    else
        s_name_missing(mesh, statuses, since_ms);
    json_t *actors = nm_picture_of(mesh, statuses);
    if (self->json)
        nm_json_print(actors, false, stdout);
    else
        nm_roster_print(actors, NULL, stdout);
    if (!self->json)
        s_print_urls(mesh, statuses);
    json_decref(actors);
    fflush(stdout);
    s_let_go(statuses, mesh->actor_count);
    free(statuses);
    return whole;
}

//  Where an operator's key is missing nobody can be asked: the logs tell who is ready. Are all?
static bool
s_read_logs(const nm_mesh_t *mesh, pid_t supervisor, int64_t since_ms, int64_t wait_ms)
{
    int64_t end_ms = nm_when_mono() + wait_ms;
    size_t ready_count;
    do {
        ready_count = 0;
        for (size_t i = 0; i < mesh->actor_count; i++)
            ready_count += nm_complaint_is_up(mesh->folder, mesh->actors[i].name, since_ms);
    } while (ready_count < mesh->actor_count && nm_when_mono() < end_ms && !s_has_ended(supervisor) &&
             !s_is_stop_wanted(50));
    for (size_t i = 0; i < mesh->actor_count; i++)
        if (nm_complaint_is_up(mesh->folder, mesh->actors[i].name, since_ms))
            printf("%s\n", mesh->actors[i].name);
        else
            nm_complaint_say(mesh->folder, mesh->actors[i].name, since_ms);
    fflush(stdout);
    nm_nctl_say("%zu of %zu actors are ready. How they get on is told where keys/operator.key is: nctl ps", ready_count,
                mesh->actor_count);
    return ready_count == mesh->actor_count;
}

static int
s_up(nm_nctl_t *self, nm_reach_t *reach, bool detach, int64_t wait_ms)
{
    nm_error_t error = { "" };
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    int64_t since_ms = nm_when_now();
    pid_t running, supervisor = 0;
    bool again = nm_supervisor_find(mesh->folder, &running) == NM_OK;
    if (again && nm_supervisor_start_all(mesh->folder, running, &error) != NM_OK)
        return nm_nctl_fail("%s", error.text);
    if (!again && (supervisor = nm_up_start(mesh, detach ? NM_UP_DETACHED : NM_UP_FOREGROUND, &error)) < 0)
        return nm_nctl_fail("%s", error.text);
    if (again)
        nm_nctl_say("This mesh is up already: what does not run is started. \"nctl down\" stops it.");
    sigset_t stops;
    s_stop_signals(&stops);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    bool whole = true;
    if (nm_files_is_here(mesh->folder, "operator"))
        whole = s_show(self, reach, supervisor, since_ms, wait_ms);
    else if (!again)
        whole = s_read_logs(mesh, supervisor, since_ms, wait_ms);
    if (detach || again)
        return whole ? NM_DONE : NM_FAILED;
    if (whole)
        nm_nctl_say("The mesh is up; Ctrl-C stops it.");
    return s_stay(supervisor);
}

int
nm_cmd_up(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    int64_t wait_ms;
    const char *wait = nm_options_text(&self->options, "wait", "10s");
    if (nm_when_span(wait, &wait_ms) != NM_OK)
        return nm_nctl_misused(self, "--wait \"%s\": a span such as 10s was expected", wait);
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    nm_reach_keep(reach, nm_stating_keep_ours);
    int code = s_up(self, reach, nm_options_has(&self->options, "detach"), wait_ms);
    nm_reach_destroy(&reach);
    return code;
}
