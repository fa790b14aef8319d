#include "tools/nctl/picture.h"
#include "tools/nctl/json.h"

//  -- Reading

const json_t *
nm_picture_find(const json_t *actors, const char *name)
{
    for (size_t i = 0; i < json_array_size(actors); i++)
        if (strcmp(nm_json_text(json_array_get(actors, i), "name"), name) == 0)
            return json_array_get(actors, i);
    return NULL;
}

static bool
s_has_value(json_t *labels, const char *value)
{
    const char *name;
    json_t *label;
    json_object_foreach(labels, name, label)
    {
        if (json_is_string(label) && strcmp(json_string_value(label), value) == 0)
            return true;
    }
    return false;
}

int64_t
nm_picture_metric(const json_t *actor, const char *name, const char *value)
{
    size_t i;
    json_t *metric;
    int64_t sum = 0;
    json_array_foreach(json_object_get(actor, "metrics"), i, metric)
    {
        if (strcmp(nm_json_text(metric, "name"), name) == 0 &&
            (!value || s_has_value(json_object_get(metric, "labels"), value)))
            sum += nm_json_number(metric, "count");
    }
    return sum;
}

static int64_t
s_sum(const json_t *list, const char *name)
{
    int64_t sum = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        sum += nm_json_number(json_array_get(list, i), name);
    return sum;
}

int64_t
nm_picture_waiting(const json_t *actor)
{
    return s_sum(json_object_get(actor, "waiting"), "count");
}

int64_t
nm_picture_over_links(const json_t *actor, const char *name)
{
    return s_sum(json_object_get(actor, "links"), name);
}

size_t
nm_picture_links(const json_t *actor, const char *state)
{
    const json_t *links = json_object_get(actor, "links");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(links); i++)
        count += !state || strcmp(nm_json_text(json_array_get(links, i), "state"), state) == 0;
    return count;
}

bool
nm_picture_misses(const json_t *actor)
{
    const char *state = nm_json_text(actor, "state");
    return json_is_true(json_object_get(actor, "silent")) && strcmp(state, "left") != 0 &&
           strcmp(state, "forgotten") != 0;
}

//  -- Making one of what was answered

static void
s_clock(json_t *actor, const json_t *status)
{
    if (!json_object_get(actor, "answered_ms") || !json_object_get(status, "wall_ms"))
        return;
    int64_t half_ms = nm_json_number(actor, "took_ms") / 2;
    int64_t off_ms = nm_json_number(status, "wall_ms") - (nm_json_number(actor, "answered_ms") - half_ms);
    json_object_set_new(actor, "clock_off_ms", json_integer(off_ms));
    json_object_set_new(actor, "clock_error_ms", json_integer(half_ms + 1));
}

static void
s_merge_status(json_t *actor)
{
    json_t *status = json_object_get(actor, "status");
    bool silent = !json_is_object(status);
    json_object_set_new(actor, "silent", json_boolean(silent));
    if (!silent) {
        s_clock(actor, status);
        json_object_update(actor, status);
        bool runs = strcmp(nm_json_text(actor, "state"), "draining") != 0 &&
                    strcmp(nm_json_text(actor, "state"), "leaving") != 0;
        bool full = json_is_true(json_object_get(json_object_get(actor, "store"), "tight"));
        if (runs)
            json_object_set_new(actor, "state", json_string(full ? "full" : "up"));
    }
    json_object_del(actor, "status");
}

//  What those with a link to it make of it.
static const char *
s_by_others(const json_t *actors, const char *name)
{
    static const char *const WORDS[] = { "gone", "quiet", "left" };
    size_t found = NM_COUNT(WORDS);
    for (size_t i = 0; i < json_array_size(actors); i++) {
        const json_t *links = json_object_get(json_array_get(actors, i), "links");
        for (size_t k = 0; k < json_array_size(links); k++) {
            const json_t *link = json_array_get(links, k);
            for (size_t w = 0; w < found && strcmp(nm_json_text(link, "peer"), name) == 0; w++)
                if (strcmp(nm_json_text(link, "state"), WORDS[w]) == 0)
                    found = w;
        }
    }
    return found < NM_COUNT(WORDS) ? WORDS[found] : "silent";
}

static void
s_name_silent(json_t *actors, json_t *actor)
{
    const char *membership = nm_json_text(actor, "membership");
    if (!json_is_true(json_object_get(actor, "silent")))
        return;
    bool told = *membership && strcmp(membership, "in") != 0 && strcmp(membership, "draining") != 0;
    json_object_set_new(actor, "state",
                        json_string(told ? membership : s_by_others(actors, nm_json_text(actor, "name"))));
}

static int
s_order(const void *a, const void *b)
{
    const json_t *one = *(json_t *const *) a, *two = *(json_t *const *) b;
    int order = strcmp(nm_json_text(one, "host"), nm_json_text(two, "host"));
    if (!order)
        order = (int) nm_role_find(nm_text(nm_json_text(one, "role"))) -
                (int) nm_role_find(nm_text(nm_json_text(two, "role")));
    return order ? order : strcmp(nm_json_text(one, "name"), nm_json_text(two, "name"));
}

static void
s_sort(json_t *actors)
{
    size_t count = json_array_size(actors);
    json_t **list = nm_alloc((count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = json_incref(json_array_get(actors, i));
    qsort(list, count, sizeof *list, s_order);
    json_array_clear(actors);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(actors, list[i]);
    free(list);
}

void
nm_picture_settle(json_t *actors)
{
    size_t i;
    json_t *actor;
    json_array_foreach(actors, i, actor) s_merge_status(actor);
    json_array_foreach(actors, i, actor) s_name_silent(actors, actor);
    s_sort(actors);
}

json_t *
nm_picture_of(const nm_mesh_t *mesh, json_t *const *statuses)
{
    json_t *actors = json_array();
    for (size_t i = 0; i < mesh->actor_count; i++) {
        const nm_mesh_actor_t *actor = &mesh->actors[i];
        json_t *item = json_pack("{s:s, s:s, s:s, s:i}", "name", actor->name, "role", nm_role_text(actor->role), "host",
                                 actor->host, "number", (int) actor->number);
        if (statuses[i])
            json_object_set(item, "status", statuses[i]);
        json_array_append_new(actors, item);
    }
    nm_picture_settle(actors);
    return actors;
}
