#include "tools/nctl/roster.h"
#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"

int64_t
nm_roster_metric(const json_t *status, const char *name)
{
    size_t i;
    json_t *metric;
    int64_t sum = 0;
    json_array_foreach(json_object_get(status, "metrics"), i, metric)
    {
        if (strcmp(nm_json_text(metric, "name"), name) == 0)
            sum += nm_json_number(metric, "count");
    }
    return sum;
}

int64_t
nm_roster_waiting(const json_t *status)
{
    size_t i;
    json_t *lane;
    int64_t sum = 0;
    json_array_foreach(json_object_get(status, "waiting"), i, lane) sum += nm_json_number(lane, "count");
    return sum;
}

static void
s_links(const json_t *status, char *out, size_t size)
{
    size_t i;
    json_t *link;
    size_t up_count = 0;
    json_t *links = json_object_get(status, "links");
    json_array_foreach(links, i, link) up_count += strcmp(nm_json_text(link, "state"), "up") == 0;
    snprintf(out, size, "%zu/%zu", up_count, json_array_size(links));
}

static int64_t
s_open(const json_t *status)
{
    size_t i;
    json_t *link;
    int64_t sum = 0;
    json_array_foreach(json_object_get(status, "links"), i, link) sum += nm_json_number(link, "open");
    return sum;
}

static void
s_add_up(nm_grid_t *grid, const json_t *status)
{
    char text[16], links[32];
    const json_t *store = json_object_get(status, "store");
    nm_grid_text(grid, json_is_true(json_object_get(store, "tight")) ? "full" : "up");
    nm_grid_add(grid, "%lld", (long long) nm_json_number(status, "pid"));
    nm_grid_span(nm_json_number(status, "uptime_ms"), text);
    nm_grid_text(grid, text);
    nm_grid_count((uint64_t) nm_json_number(status, "backlog"), text);
    nm_grid_text(grid, text);
    nm_grid_span(nm_json_number(status, "oldest_ms"), text);
    nm_grid_text(grid, nm_json_number(status, "oldest_ms") ? text : NULL);
    nm_grid_count((uint64_t) (nm_roster_waiting(status) + s_open(status)), text);
    nm_grid_text(grid, text);
    nm_grid_count((uint64_t) nm_json_number(store, "records"), text);
    nm_grid_text(grid, text);
    nm_grid_bytes((uint64_t) nm_json_number(store, "used"), text);
    nm_grid_text(grid, text);
    s_links(status, links, sizeof links);
    nm_grid_text(grid, links);
    nm_grid_add(grid, "%lld", (long long) nm_json_number(store, "epoch"));
    nm_grid_text(grid, nm_json_text(status, "version"));
}

void
nm_roster_print(const nm_mesh_t *mesh, json_t *const *statuses, FILE *out)
{
    enum { COLUMNS_UP = 11 };
    nm_grid_t *grid =
        nm_grid_new("ACTOR|ROLE|STATE|>PID|>UPTIME|>BACKLOG|>OLDEST|>OUTBOX|>RECORDS|>STORE|>LINKS|>EPOCH|VERSION");
    for (size_t i = 0; i < mesh->actor_count; i++) {
        nm_grid_text(grid, mesh->actors[i].name);
        nm_grid_text(grid, nm_role_text(mesh->actors[i].role));
        if (statuses[i]) {
            s_add_up(grid, statuses[i]);
            continue;
        }
        nm_grid_text(grid, "DOWN");
        for (int column = 1; column < COLUMNS_UP; column++)
            nm_grid_text(grid, NULL);
    }
    nm_grid_print(grid, out);
    nm_grid_destroy(&grid);
}

json_t *
nm_roster_json(const nm_mesh_t *mesh, json_t *const *statuses)
{
    json_t *list = json_array();
    for (size_t i = 0; i < mesh->actor_count; i++) {
        json_t *item = json_object();
        json_object_set_new(item, "name", json_string(mesh->actors[i].name));
        json_object_set_new(item, "role", json_string(nm_role_text(mesh->actors[i].role)));
        json_object_set_new(item, "state", json_string(statuses[i] ? "up" : "down"));
        if (statuses[i])
            json_object_update(item, statuses[i]);
        json_array_append_new(list, item);
    }
    return list;
}
