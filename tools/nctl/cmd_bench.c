#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/load.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/picture.h"
#include "tools/nctl/scratch.h"
#include "tools/nctl/up.h"
#include "tools/nctl/usage.h"
#include "tools/nctl/when.h"
#include "wire/time.h"
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
const nm_option_t nm_bench_options[] = {
    { "quick", 0, NULL, "Short spans: to see that it works, not to compare" },
    { "consuming", 0, NULL, "Leaves the router running while accepts are measured. Without it accepts are measured as those of "
      "brokers are, with nobody consuming; delivered_per_s and the latencies always have the whole mesh running" },
    { "folder", 0, "DIR", "Where the scratch mesh is made: a real disk (/var/tmp)" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

enum { S_CONNECTIONS = 16, S_ACTOR_MAX = 64, S_PAYLOAD_COUNT = 2 };
static const size_t S_PAYLOADS[S_PAYLOAD_COUNT] = { 300, 2048 };

//  How long each measurement takes.
typedef struct {
    int64_t accept_ms;
    int64_t paced_ms;
    int64_t idle_ms;
    uint64_t bulk_count;
} s_spans_t;

static const s_spans_t FULL = { .accept_ms = 4000, .paced_ms = 10000, .idle_ms = 5000, .bulk_count = 20000 };
static const s_spans_t QUICK = { .accept_ms = 700, .paced_ms = 1500, .idle_ms = 1500, .bulk_count = 2000 };

typedef struct {
    nm_nctl_t *nctl;
    s_spans_t spans;
    bool consuming;
    nm_reach_t *reach;  //  Of the mesh that is measured
    pid_t pids[S_ACTOR_MAX];
    size_t pid_count;
    pid_t router_pids[S_ACTOR_MAX];
    size_t router_count;
} s_bench_t;

//  -- Figures

static void
s_figure(const s_bench_t *self, const char *figure, size_t payload_size, double value, const char *unit)
{
    char line[160];
    snprintf(line, sizeof line, "%-22s %6zu B %14.2f %s", figure, payload_size, value, unit);
    if (self->nctl->json) {
        printf("{\"figure\":\"%s\",\"payload_bytes\":%zu,\"value\":%.3f,\"unit\":\"%s\"}\n", figure, payload_size,
               value, unit);
        nm_nctl_say("%s", line);
    } else {
        printf("%s\n", line);
    }
    fflush(stdout);
}

static void
s_note_refusals(const char *figure, const nm_load_seen_t *seen)
{
    if (seen->refused_count)
        nm_nctl_say("%s: %llu were refused, the last with %u", figure, (unsigned long long) seen->refused_count,
                    seen->last_refusal);
}

//  -- Clients

static size_t
s_open_clients(s_bench_t *self, nmesh_t **clients, size_t count, nm_error_t *error)
{
    size_t opened = 0;
    while (opened < count && (clients[opened] = nm_reach_door(self->reach, error)))
        opened++;
    return opened;
}

static void
s_close_clients(nmesh_t **clients, size_t count)
{
    for (size_t i = 0; i < count; i++)
        nmesh_close(&clients[i]);
}

//  -- What the actors say

//  Takes note of the pids.
static nm_rc_t
s_look_at_actors(s_bench_t *self, nm_error_t *error)
{
    const nm_mesh_t *mesh = nm_reach_mesh(self->reach);
    json_t **statuses = nm_alloc(mesh->actor_count * sizeof *statuses);
    size_t count = nm_up_await(self->reach, 0, statuses, 10000, false);
    self->pid_count = self->router_count = 0;
    for (size_t i = 0; i < mesh->actor_count; i++) {
        pid_t pid = (pid_t) nm_json_number(statuses[i], "pid");
        if (pid > 0 && self->pid_count < S_ACTOR_MAX)
            self->pids[self->pid_count++] = pid;
        if (pid > 0 && mesh->actors[i].role == NM_ROLE_ROUTER && self->router_count < S_ACTOR_MAX)
            self->router_pids[self->router_count++] = pid;
        json_decref(statuses[i]);
    }
    free(statuses);
    if (count == mesh->actor_count)
        return NM_OK;
    return nm_fail(error, NM_ERR_BUSY, "only %zu of %zu actors answer", count, mesh->actor_count);
}

//  How many notifications have come to an end, at all gateways.
static int64_t
s_final_count(s_bench_t *self)
{
    const nm_mesh_t *mesh = nm_reach_mesh(self->reach);
    nm_error_t error;
    int64_t sum = 0;
    for (size_t i = 0; i < mesh->actor_count; i++) {
        nmesh_error_t problem;
        json_t *status = NULL;
        nmesh_ask_t ask = { .op = "status", .timeout_ms = 5000 };
        if (mesh->actors[i].role != NM_ROLE_GATEWAY)
            continue;
        nmesh_t *client = nm_reach_desk(self->reach, &mesh->actors[i], &error);
        if (client && nm_reach_ask_over(client, &ask, NULL, &status, &problem) == 0)
            sum += nm_picture_metric(status, "nmesh_finals_total", NULL);
        json_decref(status);
        nmesh_close(&client);
    }
    return sum;
}

//  Waits until so many have ended; returns how many are still missing after the time.
static int64_t
s_await_finals(s_bench_t *self, int64_t wanted, int64_t timeout_ms)
{
    int64_t end_ms = nm_when_mono() + timeout_ms;
    int64_t said_ms = nm_when_mono();
    int64_t missing;
    while ((missing = wanted - s_final_count(self)) > 0 && nm_when_mono() < end_ms) {
        if (nm_when_mono() - said_ms > 2000) {
            said_ms = nm_when_mono();
            nm_nctl_say("  %lld are still on their way", (long long) missing);
        }
        nm_when_sleep(20);
    }
    return missing > 0 ? missing : 0;
}

//  -- Start and idle

static bool
s_can_connect(const char *endpoint)
{
    char host[128];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    snprintf(host, sizeof host, "%s", endpoint + strlen("tcp://"));
    char *colon = strrchr(host, ':');
    if (!colon)
        return false;
    *colon = 0;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return connected;
}

//  From the start of the actors to the first 202. The door is looked for every ms, since a
//  ZeroMQ socket that was refused waits longer with each try.
static nm_rc_t
s_first_accept(s_bench_t *self, int64_t started_us, nm_error_t *error)
{
    const nm_mesh_t *mesh = nm_reach_mesh(self->reach);
    int64_t end_ms = nm_when_mono() + 15000;
    nmesh_error_t problem = { .detail = "no door opened" };
    nmesh_notification_t notification = {
        .channel = "email", .recipient = "first@example.com", .subject = "nctl bench", .content = "first"
    };
    while (!s_can_connect(mesh->actors[0].door) && nm_when_mono() < end_ms)
        nm_when_sleep(1);
    nmesh_t *client = nm_reach_door(self->reach, error);
    if (!client)
        return NM_ERR_IO;
    int rc = -1;
    while (rc != 0 && nm_when_mono() < end_ms)
        rc = nmesh_send(client, &notification, NULL, &problem);
    int64_t took_us = nm_when_mono_us() - started_us;
    nmesh_close(&client);
    if (rc != 0)
        return nm_fail(error, NM_ERR_IO, "nothing was accepted within 15 s: %u %.300s", problem.status, problem.detail);
    s_figure(self, "first_accept_s", 0, (double) took_us / 1e6, "s");
    return NM_OK;
}

static void
s_memory(s_bench_t *self, const char *figure)
{
    double mib;
    if (nm_usage_memory(self->pids, self->pid_count, &mib) != NM_OK)
        nm_nctl_say("%s: only root may see shared pages apart, so this counts them for each actor", figure);
    s_figure(self, figure, 0, mib, "MiB");
}

static void
s_idle(s_bench_t *self)
{
    nm_nctl_say("idle for %lld ms ...", (long long) self->spans.idle_ms);
    nm_when_sleep(1000);
    s_memory(self, "pss_idle_mib");
    uint64_t before_ns = nm_usage_cpu_ns(self->pids, self->pid_count);
    int64_t start_us = nm_when_mono_us();
    nm_when_sleep(self->spans.idle_ms);
    uint64_t spent_ns = nm_usage_cpu_ns(self->pids, self->pid_count) - before_ns;
    s_figure(self, "cpu_idle_percent", 0, (double) spent_ns / 10.0 / (double) (nm_when_mono_us() - start_us), "%");
}

//  -- Accepts

static void
s_accept(s_bench_t *self, const char *figure, nm_load_t *load, size_t window)
{
    nm_load_seen_t seen;
    nm_load_closed(load, window, self->spans.accept_ms, &seen);
    s_note_refusals(figure, &seen);
    s_figure(self, figure, load->payload_size, (double) seen.accepted_count * 1e6 / (double) seen.took_us, "1/s");
}

static nm_rc_t
s_accepts(s_bench_t *self, nm_error_t *error)
{
    nmesh_t *clients[S_CONNECTIONS] = { NULL };
    size_t count = s_open_clients(self, clients, S_CONNECTIONS, error);
    nm_load_t one = { .clients = clients, .client_count = 1 };
    nm_load_t all = { .clients = clients, .client_count = S_CONNECTIONS };
    nm_load_seen_t warm;
    if (count == S_CONNECTIONS) {
        nm_nctl_say("accepts, %s ...", self->consuming ? "with the whole mesh running" : "with the router held");
        one.payload_size = all.payload_size = S_PAYLOADS[0];
        nm_load_closed(&all, 1, 200, &warm);  //  All connections are there before the clock runs
    }
    for (size_t i = 0; count == S_CONNECTIONS && i < S_PAYLOAD_COUNT; i++) {
        one.payload_size = all.payload_size = S_PAYLOADS[i];
        s_accept(self, "accept_open1", &one, 1);
        s_accept(self, "accept_open1_conn16", &all, 1);
        s_accept(self, "accept_open100", &one, 100);
        s_accept(self, "accept_open1000", &one, 1000);
    }
    s_close_clients(clients, count);
    return count == S_CONNECTIONS ? NM_OK : NM_ERR_IO;
}

static nm_rc_t
s_latencies(s_bench_t *self, nm_error_t *error)
{
    nmesh_t *client = nm_reach_door(self->reach, error);
    nm_load_t load = { .clients = &client, .client_count = 1 };
    for (size_t i = 0; client && i < S_PAYLOAD_COUNT; i++) {
        nm_load_seen_t seen;
        int64_t before = s_final_count(self);
        load.payload_size = S_PAYLOADS[i];
        nm_nctl_say("accept latency at 1,000/s ...");
        nm_load_paced(&load, 1000, self->spans.paced_ms, NULL, NULL, NULL, &seen);
        s_note_refusals("accept_p50_ms", &seen);
        s_figure(self, "accept_p50_ms", S_PAYLOADS[i], seen.p50_ms, "ms");
        s_figure(self, "accept_p99_ms", S_PAYLOADS[i], seen.p99_ms, "ms");
        s_await_finals(self, before + (int64_t) seen.accepted_count, 60000);
    }
    bool opened = client != NULL;
    nmesh_close(&client);
    return opened ? NM_OK : NM_ERR_IO;
}

//  -- Delivery, end to end

static nm_rc_t
s_throughput(s_bench_t *self, size_t payload_size, nm_error_t *error)
{
    nm_load_seen_t seen;
    nmesh_t *client = nm_reach_door(self->reach, error);
    if (!client)
        return NM_ERR_IO;
    nm_load_t load = { .clients = &client, .client_count = 1, .payload_size = payload_size };
    int64_t before = s_final_count(self);
    nm_nctl_say("delivering %llu ...", (unsigned long long) self->spans.bulk_count);
    int64_t start_us = nm_when_mono_us();
    nm_load_bulk(&load, 1000, self->spans.bulk_count, &seen);
    s_note_refusals("delivered_per_s", &seen);
    int64_t missing = s_await_finals(self, before + (int64_t) seen.accepted_count, 180000);
    double took_s = (double) (nm_when_mono_us() - start_us) / 1e6;
    nmesh_close(&client);
    if (missing)
        nm_nctl_say("delivered_per_s: %lld have not ended after 180 s", (long long) missing);
    s_figure(self, "delivered_per_s", payload_size, (double) ((int64_t) seen.accepted_count - missing) / took_s, "1/s");
    return NM_OK;
}

//  When one notification was accepted or sent.
typedef struct {
    char id[NMESH_ID_SIZE];
    int64_t at_us;
} s_moment_t;

typedef struct {
    s_moment_t *items;
    size_t count;
    size_t room;
} s_moments_t;

typedef struct {
    nmesh_t *events;  //  A client that follows the gateway
    char cursor[NMESH_CURSOR_SIZE];
    s_moments_t accepted;
    s_moments_t sent;
} s_watch_t;

static void
s_note(s_moments_t *moments, const char *id, int64_t at_us)
{
    if (moments->count == moments->room) {
        moments->room = moments->room ? moments->room * 2 : 1024;
        moments->items = nm_realloc(moments->items, moments->room * sizeof *moments->items);
    }
    s_moment_t *moment = &moments->items[moments->count++];
    snprintf(moment->id, sizeof moment->id, "%s", id);
    moment->at_us = at_us;
}

static void
s_on_accepted(const char *id, int64_t at_us, void *arg)
{
    s_note(&((s_watch_t *) arg)->accepted, id, at_us);
}

static void
s_on_events(nmesh_t *client, const nmesh_reply_t *reply, void *arg)
{
    (void) client;
    size_t i;
    json_t *event;
    s_watch_t *watch = arg;
    json_t *body = reply->status == 200 ? nm_json_unpack(nm_bytes(reply->body.at, reply->body.size)) : NULL;
    json_array_foreach(json_object_get(body, "items"), i, event)
    {
        int64_t at_ms;
        if (strcmp(nm_json_text(event, "event"), "sent") == 0 &&
            nm_time_from_text(nm_text(nm_json_text(event, "at")), &at_ms) == NM_OK)
            s_note(&watch->sent, nm_json_text(event, "id"), at_ms * 1000);
    }
    if (body)
        snprintf(watch->cursor, sizeof watch->cursor, "%s", nm_json_text(body, "next_cursor"));
    json_decref(body);
}

//  Keeps one long poll open.
static void
s_watch(void *arg)
{
    s_watch_t *watch = arg;
    if (!nmesh_open_count(watch->events)) {
        nm_buf_t packed = { 0 };
        json_t *body = json_pack("{sisi}", "wait_ms", 1000, "limit", 200);
        if (watch->cursor[0])
            json_object_set_new(body, "after", json_string(watch->cursor));
        nm_json_pack(body, &packed);
        nmesh_ask_t ask = { .op = "events.read", .body = { packed.at, packed.size } };
        nmesh_submit_ask(watch->events, &ask, s_on_events, watch);
        nm_buf_free(&packed);
        json_decref(body);
    }
    nmesh_poll(watch->events, 0);
}

static int
s_compare_moments(const void *a, const void *b)
{
    return strcmp(((const s_moment_t *) a)->id, ((const s_moment_t *) b)->id);
}

static void
s_join(s_bench_t *self, s_watch_t *watch, size_t payload_size)
{
    size_t count = 0;
    double *spans_ms = nm_alloc((watch->sent.count + 1) * sizeof *spans_ms);
    if (watch->accepted.count)
        qsort(watch->accepted.items, watch->accepted.count, sizeof *watch->accepted.items, s_compare_moments);
    for (size_t i = 0; watch->accepted.count && i < watch->sent.count; i++) {
        s_moment_t *found = bsearch(&watch->sent.items[i], watch->accepted.items, watch->accepted.count,
                                    sizeof *watch->accepted.items, s_compare_moments);
        if (!found)
            continue;
        double span_ms = (double) (watch->sent.items[i].at_us - found->at_us) / 1000;
        spans_ms[count++] = span_ms > 0 ? span_ms : 0;  //  Events have whole ms
    }
    if (count < watch->accepted.count)
        nm_nctl_say("deliver_p50_ms: %zu of %zu were seen to be sent", count, watch->accepted.count);
    s_figure(self, "deliver_p50_ms", payload_size, nm_load_quantile(spans_ms, count, 0.50), "ms");
    s_figure(self, "deliver_p99_ms", payload_size, nm_load_quantile(spans_ms, count, 0.99), "ms");
    free(spans_ms);
}

static nm_rc_t
s_delay(s_bench_t *self, size_t payload_size, nm_error_t *error)
{
    nm_load_seen_t seen;
    s_watch_t watch = { 0 };
    const nm_mesh_t *mesh = nm_reach_mesh(self->reach);
    const nm_mesh_actor_t *gateway = &mesh->actors[0];
    for (size_t i = 0; i < mesh->actor_count && gateway->role != NM_ROLE_GATEWAY; i++)
        gateway = &mesh->actors[i];
    nmesh_t *client = nm_reach_gateway(self->reach, gateway, error);
    watch.events = nm_reach_gateway(self->reach, gateway, error);
    nm_load_t load = { .clients = &client, .client_count = 1, .payload_size = payload_size };
    if (client && watch.events) {
        nm_nctl_say("from accept to sent at 200/s ...");
        for (int i = 0; i < 200 && !watch.cursor[0]; i++) {  //  The first answer says where "now" is
            s_watch(&watch);
            nm_when_sleep(10);
        }
        nm_load_paced(&load, 200, self->spans.paced_ms, s_on_accepted, s_watch, &watch, &seen);
        s_note_refusals("deliver_p50_ms", &seen);
        int64_t end_ms = nm_when_mono() + 20000;
        while (watch.sent.count < watch.accepted.count && nm_when_mono() < end_ms) {
            s_watch(&watch);
            nm_when_sleep(2);
        }
        s_join(self, &watch, payload_size);
    }
    bool opened = client && watch.events;
    nmesh_close(&client);
    nmesh_close(&watch.events);
    free(watch.accepted.items);
    free(watch.sent.items);
    return opened ? NM_OK : NM_ERR_IO;
}

static nm_rc_t
s_deliveries(s_bench_t *self, nm_error_t *error)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < S_PAYLOAD_COUNT; i++)
        rc = s_throughput(self, S_PAYLOADS[i], error);
    if (rc == NM_OK)
        s_memory(self, "pss_loaded_mib");
    for (size_t i = 0; rc == NM_OK && i < S_PAYLOAD_COUNT; i++)
        rc = s_delay(self, S_PAYLOADS[i], error);
    return rc;
}

//  -- The whole

static void
s_hold_routers(const s_bench_t *self, int number)
{
    for (size_t i = 0; i < self->router_count; i++)
        kill(self->router_pids[i], number);
}

//  Accepts leave a heap of mail that nobody waits for, so they get a mesh of their own.
static nm_rc_t
s_on_first_mesh(s_bench_t *self, const char *parent, nm_error_t *error)
{
    nm_scratch_t scratch;
    nm_nctl_say("making a scratch mesh in %s ...", parent);
    nm_rc_t rc = nm_scratch_start(&scratch, parent, error);
    if (rc != NM_OK)
        return rc;
    self->reach = scratch.reach;
    rc = s_first_accept(self, scratch.started_us, error);
    if (rc == NM_OK)
        rc = s_look_at_actors(self, error);
    if (rc == NM_OK) {
        s_idle(self);
        if (!self->consuming)
            s_hold_routers(self, SIGSTOP);
        rc = s_accepts(self, error);
        s_hold_routers(self, SIGCONT);
    }
    nm_scratch_stop(&scratch);
    return rc;
}

static nm_rc_t
s_on_second_mesh(s_bench_t *self, const char *parent, nm_error_t *error)
{
    nm_scratch_t scratch;
    nm_nctl_say("making a second one ...");
    nm_rc_t rc = nm_scratch_start(&scratch, parent, error);
    if (rc != NM_OK)
        return rc;
    self->reach = scratch.reach;
    rc = s_look_at_actors(self, error);
    if (rc == NM_OK)
        rc = s_latencies(self, error);
    if (rc == NM_OK)
        rc = s_deliveries(self, error);
    nm_scratch_stop(&scratch);
    return rc;
}

static nm_rc_t
s_on_given_mesh(s_bench_t *self, nm_error_t *error)
{
    self->consuming = true;
    self->reach = nm_reach_new(self->nctl->mesh_folder, error);
    nm_rc_t rc = self->reach ? s_look_at_actors(self, error) : NM_ERR_IO;
    if (rc == NM_OK) {
        s_idle(self);
        rc = s_latencies(self, error);
    }
    if (rc == NM_OK)
        rc = s_deliveries(self, error);
    if (rc == NM_OK)
        rc = s_accepts(self, error);
    nm_reach_destroy(&self->reach);
    return rc;
}

static int
s_measure(nm_nctl_t *nctl, const char *parent)
{
    nm_error_t error = { "" };
    s_bench_t self = { .nctl = nctl,
                       .spans = nm_options_has(&nctl->options, "quick") ? QUICK : FULL,
                       .consuming = nm_options_has(&nctl->options, "consuming") };
    nm_rc_t rc;
    if (nm_options_has(&nctl->options, "mesh")) {
        rc = s_on_given_mesh(&self, &error);
    } else {
        unsetenv("NMESH_API_KEY");  //  It is another mesh's
        rc = s_on_first_mesh(&self, parent, &error);
        if (rc == NM_OK)
            rc = s_on_second_mesh(&self, parent, &error);
    }
    return rc == NM_OK ? NM_DONE : nm_nctl_fail("%s", error.text);
}

//  Measures in a child, so that whatever ends it (Ctrl-C, a crash) leaves somebody to stop the
//  actors, which come to us when their supervisor's parent is gone, and to remove the folder.
static int
s_guarded(nm_nctl_t *nctl, const char *parent)
{
    int status = 0;
    sigset_t stops;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(NULL);
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        _exit(getppid() == self ? s_measure(nctl, parent) : NM_FAILED);
    }
    if (pid < 0)
        return nm_nctl_fail("no child process: %s", strerror(errno));
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (sigtimedwait(&stops, NULL, &(struct timespec){ .tv_nsec = 100000000 }) > 0)
            kill(pid, SIGTERM);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : nm_nctl_fail("ended by signal %d", WTERMSIG(status));
}

int
nm_cmd_bench(nm_nctl_t *self)
{
    char parent[480];
    if (nm_options_has(&self->options, "mesh"))
        return s_guarded(self, "");
    snprintf(parent, sizeof parent, "%.400s/nmesh-bench-XXXXXX", nm_options_text(&self->options, "folder", "/var/tmp"));
    if (!mkdtemp(parent))
        return nm_nctl_fail("%s: no folder can be made there: %s", parent, strerror(errno));
    int code = s_guarded(self, parent);
    while (waitpid(-1, NULL, 0) > 0)  //  Supervisors that were left behind
        ;
    nm_scratch_remove(parent);
    return code;
}
