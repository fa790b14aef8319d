#include "tools/nctl/roster.h"
#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/picture.h"

static void
s_add_count(nm_grid_t *grid, int64_t count)
{
    char text[16];
    nm_grid_count((uint64_t) count, text);
    nm_grid_text(grid, text);
}

static void
s_add_store(nm_grid_t *grid, const json_t *store)
{
    char used[16], quota[16];
    nm_grid_bytes((uint64_t) nm_json_number(store, "used"), used);
    nm_grid_bytes((uint64_t) nm_json_number(store, "quota"), quota);
    nm_grid_add(grid, "%s of %s", used, quota);
}

static void
s_add_said(nm_grid_t *grid, const json_t *actor)
{
    char text[16];
    nm_grid_span(nm_json_number(actor, "uptime_ms"), text);
    nm_grid_text(grid, text);
    s_add_count(grid, nm_json_number(actor, "backlog"));
    nm_grid_span(nm_json_number(actor, "oldest_ms"), text);
    nm_grid_text(grid, nm_json_number(actor, "oldest_ms") ? text : NULL);
    s_add_store(grid, json_object_get(actor, "store"));
    nm_grid_add(grid, "%zu/%zu", nm_picture_links(actor, "up"), nm_picture_links(actor, NULL));
    s_add_count(grid, nm_picture_over_links(actor, "open"));
    s_add_count(grid, nm_picture_waiting(actor));
    s_add_count(grid, nm_picture_over_links(actor, "credit"));
}

//  One line that sums up all of it.
static void
s_print_sum(const json_t *actors, const char *taken_from, FILE *out)
{
    size_t i, host_count = 0, silent_count = 0;
    const json_t *actor;
    const char *host = NULL;
    int64_t backlog = 0, oldest_ms = 0;
    char count_text[16], oldest_text[16];
    json_array_foreach(actors, i, actor)
    {
        host_count += !host || strcmp(host, nm_json_text(actor, "host")) != 0;
        host = nm_json_text(actor, "host");
        silent_count += nm_picture_misses(actor);
        backlog += nm_json_number(actor, "backlog");
        if (nm_json_number(actor, "oldest_ms") > oldest_ms)
            oldest_ms = nm_json_number(actor, "oldest_ms");
    }
    nm_grid_count((uint64_t) backlog, count_text);
    nm_grid_span(oldest_ms, oldest_text);
    fprintf(out, "\n%zu actors on %zu host%s, %zu silent; backlog %s, oldest %s%s%s\n", json_array_size(actors),
            host_count, host_count == 1 ? "" : "s", silent_count, count_text, oldest_ms ? oldest_text : "-",
            taken_from ? "; seen from " : "", taken_from ? taken_from : "");
}

void
nm_roster_print(const json_t *actors, const char *taken_from, FILE *out)
{
    enum { COLUMNS_SAID = 8 };
    nm_grid_t *grid =
        nm_grid_new("HOST|ACTOR|ROLE|VERSION|STATE|>UP|>BACKLOG|>OLDEST|>STORE|>LINKS|>OPEN|>WAITING|>CREDIT");
    for (size_t i = 0; i < json_array_size(actors); i++) {
        const json_t *actor = json_array_get(actors, i);
        bool silent = json_is_true(json_object_get(actor, "silent"));
        nm_grid_text(grid, nm_json_text(actor, "host"));
        nm_grid_text(grid, nm_json_text(actor, "name"));
        nm_grid_text(grid, nm_json_text(actor, "role"));
        nm_grid_text(grid, nm_json_text(actor, "version"));
        nm_grid_text(grid, nm_json_text(actor, "state"));
        if (!silent)
            s_add_said(grid, actor);
        for (int column = 0; silent && column < COLUMNS_SAID; column++)
            nm_grid_text(grid, NULL);
    }
    nm_grid_print(grid, out);
    nm_grid_destroy(&grid);
    s_print_sum(actors, taken_from, out);
}
