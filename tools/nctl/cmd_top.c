#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/look.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/when.h"
#include <poll.h>
#include <termios.h>
#include <unistd.h>

// clang-format off
const nm_option_t nm_top_options[] = {
    { "every", 0, "SPAN", "How often to look (1s)" },
    { "count", 'n', "N", "Ends after so many looks" },
    { "sort", 0, "KEY", "What comes first: name, role, backlog, accepts, deliveries or turns (name)" },
    { "from", 0, "ACTOR", "As this actor sees it, instead of the first that answers" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

//  What is shown as a rate: how much a counter grew.
typedef enum { S_ACCEPTS, S_DELIVERIES, S_TURNS, S_MAIL_IN, S_MAIL_OUT, S_ASKS, S_RATE_COUNT } s_rate_t;

static const struct {
    const char *name;
    const char *value;  //  Of a label, of those that count
} COUNTERS[S_RATE_COUNT] = {
    [S_ACCEPTS] = { "nmesh_accepts_total", NULL },    [S_DELIVERIES] = { "nmesh_attempts_total", "sent" },
    [S_TURNS] = { "nmesh_turns_total", NULL },        [S_MAIL_IN] = { "nmesh_mail_received_total", NULL },
    [S_MAIL_OUT] = { "nmesh_mail_sent_total", NULL }, [S_ASKS] = { "nmesh_asks_received_total", NULL },
};

typedef enum { S_BY_NAME, S_BY_ROLE, S_BY_BACKLOG, S_BY_ACCEPTS, S_BY_DELIVERIES, S_BY_TURNS, S_SORT_COUNT } s_sort_t;

static const char *const SORTS[S_SORT_COUNT] = { "name", "role", "backlog", "accepts", "deliveries", "turns" };

typedef struct {
    const json_t *actor;  //  NULL: the sum of a role
    char name[NM_NAME_MAX + 1];
    nm_role_id_t role;
    s_sort_t sort;
    bool silent, compared;  //  compared: there was an earlier look at the same process
    int64_t backlog, oldest_ms, used;
    int64_t rates[S_RATE_COUNT];
    int64_t p99_us;  //  0: no turn since
} s_row_t;

typedef struct {
    nm_reach_t *reach;
    nm_look_t how;
    s_sort_t sort;
    bool json;
    bool screen;
    int64_t every_ms;
    json_t *before;  //  The last picture
    int64_t before_ms;
} s_top_t;

//  -- Figures

static const json_t *
s_turn_buckets(const json_t *actor)
{
    const json_t *metrics = json_object_get(actor, "metrics");
    for (size_t i = 0; i < json_array_size(metrics); i++)
        if (strcmp(nm_json_text(json_array_get(metrics, i), "name"), "nmesh_turn_seconds") == 0)
            return json_object_get(json_array_get(metrics, i), "buckets");
    return NULL;
}

//  Of the turns since; the upper edge of the bucket, bucket i being those of up to 2^i.
static int64_t
s_p99_us(const json_t *actor, const json_t *before)
{
    const json_t *now = s_turn_buckets(actor), *then = s_turn_buckets(before);
    int64_t grown[64] = { 0 }, sum = 0, seen = 0;
    for (size_t i = 0; i < json_array_size(now) && i < NM_COUNT(grown); i++) {
        grown[i] = json_integer_value(json_array_get(now, i)) - json_integer_value(json_array_get(then, i));
        sum += grown[i];
    }
    for (size_t i = 0; i < 63 && sum > 0; i++) {
        seen += grown[i];
        if (seen * 100 >= sum * 99)
            return INT64_C(1) << i;
    }
    return 0;
}

static void
s_fill(const s_top_t *self, const json_t *actor, int64_t now_ms, s_row_t *row)
{
    const json_t *before = nm_picture_find(self->before, nm_json_text(actor, "name"));
    int64_t span_ms = now_ms - self->before_ms;
    *row = (s_row_t){ .actor = actor,
                      .role = nm_role_find(nm_text(nm_json_text(actor, "role"))),
                      .sort = self->sort,
                      .silent = json_is_true(json_object_get(actor, "silent")),
                      .backlog = nm_json_number(actor, "backlog"),
                      .oldest_ms = nm_json_number(actor, "oldest_ms"),
                      .used = nm_json_number(json_object_get(actor, "store"), "used") };
    nm_bytes_to_text(nm_text(nm_json_text(actor, "name")), row->name, sizeof row->name);
    row->compared = !row->silent && before && span_ms > 0 &&
                    nm_json_number(before, "boot") == nm_json_number(actor, "boot") &&
                    nm_json_number(before, "pid") == nm_json_number(actor, "pid");
    for (size_t i = 0; row->compared && i < S_RATE_COUNT; i++)
        row->rates[i] = (nm_picture_metric(actor, COUNTERS[i].name, COUNTERS[i].value) -
                         nm_picture_metric(before, COUNTERS[i].name, COUNTERS[i].value)) *
                        1000 / span_ms;
    row->p99_us = row->compared ? s_p99_us(actor, before) : 0;
}

//  Adds the sums of those roles that have several actors. Returns how many rows there are then.
static size_t
s_sum_up(s_row_t *rows, size_t count)
{
    size_t end = count;
    for (unsigned role = NM_ROLE_NONE; role < NM_ROLE_COUNT; role++) {
        s_row_t sum = { .role = (nm_role_id_t) role };
        size_t actor_count = 0;
        for (size_t i = 0; i < count; i++) {
            if (rows[i].role != sum.role)
                continue;
            actor_count++;
            sum.compared |= rows[i].compared;
            sum.backlog += rows[i].backlog;
            sum.used += rows[i].used;
            sum.oldest_ms = rows[i].oldest_ms > sum.oldest_ms ? rows[i].oldest_ms : sum.oldest_ms;
            sum.p99_us = rows[i].p99_us > sum.p99_us ? rows[i].p99_us : sum.p99_us;
            for (size_t k = 0; k < S_RATE_COUNT; k++)
                sum.rates[k] += rows[i].rates[k];
        }
        snprintf(sum.name, sizeof sum.name, "all %zu", actor_count);
        if (actor_count > 1)
            rows[end++] = sum;
    }
    return end;
}

static int64_t
s_figure(const s_row_t *row)
{
    switch (row->sort) {
    case S_BY_BACKLOG: return row->backlog;
    case S_BY_ACCEPTS: return row->rates[S_ACCEPTS];
    case S_BY_DELIVERIES: return row->rates[S_DELIVERIES];
    case S_BY_TURNS: return row->rates[S_TURNS];
    case S_BY_NAME:
    case S_BY_ROLE:
    case S_SORT_COUNT: break;
    }
    return 0;
}

static int
s_order(const void *a, const void *b)
{
    const s_row_t *one = a, *two = b;
    if (s_figure(one) != s_figure(two))
        return s_figure(one) > s_figure(two) ? -1 : 1;
    if (one->sort == S_BY_ROLE && one->role != two->role)
        return (int) one->role - (int) two->role;
    return strcmp(one->name, two->name);
}

//  -- The table

static void
s_add_row(nm_grid_t *grid, const s_row_t *row)
{
    char text[16];
    nm_grid_text(grid, row->name);
    nm_grid_text(grid, nm_role_text(row->role));
    nm_grid_text(grid, row->actor ? nm_json_text(row->actor, "state") : NULL);
    nm_grid_count((uint64_t) row->backlog, text);
    nm_grid_text(grid, row->silent ? NULL : text);
    nm_grid_span(row->oldest_ms, text);
    nm_grid_text(grid, row->oldest_ms ? text : NULL);
    for (size_t i = 0; i < S_RATE_COUNT; i++) {
        nm_grid_count((uint64_t) (row->rates[i] > 0 ? row->rates[i] : 0), text);
        nm_grid_text(grid, row->compared ? text : NULL);
    }
    snprintf(text, sizeof text, "%.1fms", (double) row->p99_us / 1000);
    nm_grid_text(grid, row->p99_us ? text : NULL);
    nm_grid_bytes((uint64_t) row->used, text);
    nm_grid_text(grid, row->silent ? NULL : text);
}

static void
s_print(const s_top_t *self, const json_t *actors, int64_t now_ms)
{
    size_t count = json_array_size(actors);
    s_row_t *rows = nm_alloc((count + NM_ROLE_COUNT) * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        s_fill(self, json_array_get(actors, i), now_ms, &rows[i]);
    qsort(rows, count, sizeof *rows, s_order);
    nm_grid_t *grid =
        nm_grid_new("ACTOR|ROLE|STATE|>BACKLOG|>OLDEST|>ACCEPTS/s|>DELIVERIES/s|>TURNS/s|>MAIL IN/s|>MAIL "
                    "OUT/s|>ASKS/s|>TURN p99|>STORE");
    size_t end = s_sum_up(rows, count);
    for (size_t i = 0; i < end; i++)
        s_add_row(grid, &rows[i]);
    nm_grid_print(grid, stdout);
    nm_grid_destroy(&grid);
    free(rows);
}

//  One look. A mesh where nobody answers may come back.
static void
s_look(s_top_t *self)
{
    nm_error_t error = { "" };
    const char *taken_from;
    json_t *actors = nm_look(self->reach, &self->how, &taken_from, &error);
    int64_t now_ms = nm_when_mono();
    if (self->screen && !self->json)
        printf("\033[H\033[J%s  seen from %s, every %lld ms, by %s (n r b a d t); q ends\n\n",
               nm_reach_mesh(self->reach)->name, actors && taken_from ? taken_from : "-", (long long) self->every_ms,
               SORTS[self->sort]);
    if (!actors)
        nm_nctl_say("nctl: %s", error.text);
    else if (self->json)
        nm_json_print(actors, false, stdout);
    else
        s_print(self, actors, now_ms);
    fflush(stdout);
    json_decref(self->before);
    self->before = actors;
    self->before_ms = now_ms;
}

//  -- Keys

//  The first key that was pressed, 0 if none was.
static char
s_wait_for_key(int64_t span_ms)
{
    char key = 0;
    struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
    if (poll(&fd, 1, (int) span_ms) <= 0)
        return 0;
    if (read(STDIN_FILENO, &key, 1) <= 0)
        nm_when_sleep(span_ms);  //  The end of a file is always readable
    return key;
}

static void
s_choose_sort(s_top_t *self, char key)
{
    for (size_t i = 0; i < S_SORT_COUNT; i++)
        if (SORTS[i][0] == key)
            self->sort = (s_sort_t) i;
}

static void
s_loop(s_top_t *self, uint64_t look_count)
{
    char key = 0;
    for (uint64_t look = 0; key != 'q' && (!look_count || look < look_count); look++) {
        s_look(self);
        key = look + 1 == look_count ? 0 : s_wait_for_key(self->every_ms);
        s_choose_sort(self, key);
    }
    json_decref(self->before);
}

static nm_rc_t
s_read_sort(const char *text, s_sort_t *sort)
{
    for (size_t i = 0; i < S_SORT_COUNT; i++)
        if (strcmp(SORTS[i], text) == 0) {
            *sort = (s_sort_t) i;
            return NM_OK;
        }
    return NM_ERR_MALFORMED;
}

int
nm_cmd_top(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    uint64_t look_count;
    struct termios kept;
    s_top_t top = { .how.from = nm_options_text(&self->options, "from", NULL),
                    .json = self->json,
                    .screen = isatty(STDOUT_FILENO) };
    if (nm_when_span(nm_options_text(&self->options, "every", "1s"), &top.every_ms) != NM_OK || top.every_ms < 100)
        return nm_nctl_misused(self, "--every: a span of at least 100ms was expected");
    if (nm_options_number(&self->options, "count", 1, UINT32_MAX, 0, &look_count, &error) != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    if (s_read_sort(nm_options_text(&self->options, "sort", "name"), &top.sort) != NM_OK)
        return nm_nctl_misused(self, "--sort: name, role, backlog, accepts, deliveries or turns was expected");
    top.reach = nm_reach_new(self->mesh_folder, &error);
    if (!top.reach)
        return nm_nctl_fail("%s", error.text);
    bool keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &kept) == 0;
    if (keys) {
        struct termios raw = kept;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    s_loop(&top, look_count);
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &kept);
    nm_reach_destroy(&top.reach);
    return NM_DONE;
}
