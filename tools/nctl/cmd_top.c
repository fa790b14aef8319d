#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/roster.h"
#include "tools/nctl/when.h"
#include <poll.h>
#include <termios.h>
#include <unistd.h>

// clang-format off
const nm_option_t nm_top_options[] = {
    { "every", 0, "SPAN", "How often to look (1s)" },
    { "count", 'n', "N", "Ends after so many looks" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

//  What is shown as a rate: how much a counter grew.
static const char *const COUNTERS[] = { "nmesh_turns_total", "nmesh_mail_received_total", "nmesh_mail_sent_total",
                                        "nmesh_asks_received_total" };
enum { S_COUNTER_COUNT = 4, S_PATIENCE_MS = 900 };

typedef struct {
    int64_t at_ms;
    int64_t counts[S_COUNTER_COUNT];
    int64_t boot;
} s_before_t;

static void
s_rates(nm_grid_t *grid, s_before_t *before, const json_t *status, int64_t now_ms)
{
    char text[16];
    int64_t boot = nm_json_number(status, "pid");
    bool same = before->boot == boot && before->at_ms && now_ms > before->at_ms;
    for (size_t i = 0; i < S_COUNTER_COUNT; i++) {
        int64_t count = nm_roster_metric(status, COUNTERS[i]);
        int64_t grown = same ? (count - before->counts[i]) * 1000 / (now_ms - before->at_ms) : 0;
        nm_grid_count((uint64_t) (grown > 0 ? grown : 0), text);
        nm_grid_text(grid, same ? text : NULL);
        before->counts[i] = count;
    }
    before->boot = boot;
    before->at_ms = now_ms;
}

static void
s_show(const nm_mesh_t *mesh, json_t *const *statuses, s_before_t *before)
{
    char text[16];
    int64_t now_ms = nm_when_mono();
    nm_grid_t *grid = nm_grid_new("ACTOR|STATE|>BACKLOG|>OUTBOX|>TURNS/s|>MAIL IN/s|>MAIL OUT/s|>ASKS/s|>STORE");
    for (size_t i = 0; i < mesh->actor_count; i++) {
        const json_t *status = statuses[i];
        nm_grid_text(grid, mesh->actors[i].name);
        nm_grid_text(grid, status ? "up" : "DOWN");
        nm_grid_count((uint64_t) nm_json_number(status, "backlog"), text);
        nm_grid_text(grid, status ? text : NULL);
        nm_grid_count((uint64_t) nm_roster_waiting(status), text);
        nm_grid_text(grid, status ? text : NULL);
        s_rates(grid, &before[i], status, now_ms);
        nm_grid_bytes((uint64_t) nm_json_number(json_object_get(status, "store"), "used"), text);
        nm_grid_text(grid, status ? text : NULL);
    }
    nm_grid_print(grid, stdout);
    nm_grid_destroy(&grid);
}

//  True once q was pressed.
static bool
s_wait_for_key(int64_t span_ms)
{
    char key = 0;
    struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
    if (poll(&fd, 1, (int) span_ms) <= 0 || !(fd.revents & POLLIN))
        return false;
    if (read(STDIN_FILENO, &key, 1) <= 0)
        nm_when_sleep(span_ms);  //  The end of a file is always readable
    return key == 'q';
}

static void
s_loop(nm_nctl_t *self, nm_reach_t *reach, int64_t every_ms, uint64_t look_count)
{
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    bool screen = isatty(STDOUT_FILENO);
    json_t **statuses = nm_alloc(mesh->actor_count * sizeof *statuses);
    s_before_t *before = nm_alloc(mesh->actor_count * sizeof *before);
    for (uint64_t look = 0; !look_count || look < look_count; look++) {
        nm_reach_statuses(reach, statuses, S_PATIENCE_MS);
        if (screen && !self->json)
            printf("\033[H\033[J%s  every %lld ms, q ends\n\n", mesh->name, (long long) every_ms);
        if (self->json) {
            json_t *json = nm_roster_json(mesh, statuses);
            nm_json_print(json, false, stdout);
            json_decref(json);
        } else {
            s_show(mesh, statuses, before);
        }
        fflush(stdout);
        for (size_t i = 0; i < mesh->actor_count; i++) {
            json_decref(statuses[i]);
            statuses[i] = NULL;
        }
        if (look + 1 != look_count && s_wait_for_key(every_ms))
            break;
    }
    free(before);
    free(statuses);
}

int
nm_cmd_top(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    int64_t every_ms;
    uint64_t look_count;
    struct termios kept;
    if (nm_when_span(nm_options_text(&self->options, "every", "1s"), &every_ms) != NM_OK || every_ms < 100)
        return nm_nctl_misused(self, "--every: a span of at least 100ms was expected");
    if (nm_options_number(&self->options, "count", 1, UINT32_MAX, 0, &look_count, &error) != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    bool keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &kept) == 0;
    if (keys) {
        struct termios raw = kept;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    s_loop(self, reach, every_ms, look_count);
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &kept);
    nm_reach_destroy(&reach);
    return NM_DONE;
}
