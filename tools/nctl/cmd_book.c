#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"

enum { S_PATIENCE_MS = 1500, S_ORDER_MS = 5000 };

// clang-format off
const nm_option_t nm_book_options[] = {
    { "drop", 0, NULL, "aside: forgets what is shown" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "BOOK", "book" }, { "ACTOR", "actor" }, { "STATE", "state" }, { "OWNER", "owner" }, { "AWAY", "owner_away" },
    { ">ROUND", "round" }, { ">CHANGE", "number" }, { ">ENTRIES", "entries" }, { ">ASIDE", "aside" },
    { "AT ODDS", "at_odds" },
};

static const nm_column_t ASIDE_COLUMNS[] = {
    { ">ROUND", "round" }, { "OWNER", "owner" }, { ">CHANGE", "number" }, { "WHAT", "change" }, { "KEY", "key" },
};
// clang-format on

//  -- list

static int
s_compare(const void *a, const void *b)
{
    const json_t *const *left = a, *const *right = b;
    int order = strcmp(nm_json_text(*left, "book"), nm_json_text(*right, "book"));
    return order ? order : strcmp(nm_json_text(*left, "actor"), nm_json_text(*right, "actor"));
}

//  All copies that the actors told of, by book.
static json_t *
s_gather(json_t *const *statuses, size_t count)
{
    json_t *items = json_array(), *sorted = json_array(), *copy;
    size_t at;
    for (size_t i = 0; i < count; i++)
        json_array_extend(items, json_object_get(statuses[i], "books"));
    size_t size = json_array_size(items);
    json_t **order = nm_alloc(size * sizeof(json_t *));
    json_array_foreach(items, at, copy) order[at] = copy;
    qsort(order, size, sizeof(json_t *), s_compare);
    for (at = 0; at < size; at++)
        json_array_append(sorted, order[at]);
    free(order);
    json_decref(items);
    return sorted;
}

static int
s_list(nm_nctl_t *self, nm_reach_t *reach)
{
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    json_t **statuses = nm_alloc(mesh->actor_count * sizeof *statuses);
    size_t count = nm_reach_statuses(reach, statuses, S_PATIENCE_MS);
    json_t *items = s_gather(statuses, mesh->actor_count);
    if (self->json)
        nm_json_print(items, false, stdout);
    else
        nm_pages_table(items, COLUMNS, NM_COUNT(COLUMNS));
    for (size_t i = 0; i < mesh->actor_count; i++)
        json_decref(statuses[i]);
    free(statuses);
    json_decref(items);
    return count == mesh->actor_count ? NM_DONE : NM_FAILED;
}

//  -- Orders to one actor

//  Asks at an actor's desk, taking body over. reply is NULL after a failure, which is printed.
static int
s_ask(nm_reach_t *reach, const char *name, const char *op, json_t *body, json_t **reply)
{
    nm_error_t error = { "" };
    nmesh_error_t problem;
    int code = NM_FAILED;
    *reply = NULL;
    const nm_mesh_actor_t *actor = nm_reach_find(reach, name, &error);
    nmesh_t *client = actor ? nm_reach_desk(reach, actor, &error) : NULL;
    nmesh_ask_t ask = { .op = op, .timeout_ms = S_ORDER_MS };
    if (!client)
        nm_nctl_fail("%s", error.text);
    else if (nm_reach_ask_over(client, &ask, body, reply, &problem) != 0)
        nm_reach_problem(&problem);
    else
        code = NM_DONE;
    json_decref(body);
    nmesh_close(&client);
    return code;
}

//  The round that an actor has heard of is the one that ends.
static int
s_find_round(nm_reach_t *reach, const char *book, const char *name, int64_t *round)
{
    json_t *status, *copy;
    size_t i;
    bool found = false;
    int code = s_ask(reach, name, "status", NULL, &status);
    json_array_foreach(json_object_get(status, "books"), i, copy)
    {
        if (strcmp(nm_json_text(copy, "book"), book) != 0)
            continue;
        *round = nm_json_number(copy, "round");
        found = true;
    }
    json_decref(status);
    if (code == NM_DONE && !found)
        return nm_nctl_fail("%s has no book \"%s\"", name, book);
    return code;
}

static int
s_promote(nm_nctl_t *self, nm_reach_t *reach, const char *book, const char *name)
{
    int64_t round = 0;
    json_t *reply = NULL;
    int code = s_find_round(reach, book, name, &round);
    if (code == NM_DONE)
        code =
            s_ask(reach, name, "book.promote", json_pack("{sssI}", "book", book, "round", (json_int_t) round), &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s owns the book %s, round %lld, from change %lld on", name, book,
                      (long long) nm_json_number(reply, "round"), (long long) nm_json_number(reply, "number") + 1);
    json_decref(reply);
    return code;
}

//  Each book that the actor may own, as when a user actor takes the place of another.
static int
s_promote_all(nm_nctl_t *self, nm_reach_t *reach, const char *name)
{
    json_t *status, *copy;
    size_t i;
    const nm_mesh_actor_t *actor = nm_mesh_find(nm_reach_mesh(reach), name);
    int code = s_ask(reach, name, "status", NULL, &status);
    json_array_foreach(json_object_get(status, "books"), i, copy)
    {
        const char *book = nm_json_text(copy, "book");
        const nm_book_rule_t *rule = nm_roles_book(nm_text(book));
        if (code == NM_DONE && rule && nm_roles_has(rule->owners, actor->role))
            code = s_promote(self, reach, book, name);
    }
    json_decref(status);
    return code;
}

static int
s_aside(nm_nctl_t *self, nm_reach_t *reach, const char *book, const char *name)
{
    json_t *reply;
    bool drop = nm_options_has(&self->options, "drop");
    int code = s_ask(reach, name, "book.aside", json_pack("{sssb}", "book", book, "drop", drop), &reply);
    if (code == NM_DONE && self->json)
        nm_json_print(reply, false, stdout);
    else if (code == NM_DONE)
        nm_pages_table(json_object_get(reply, "items"), ASIDE_COLUMNS, NM_COUNT(ASIDE_COLUMNS));
    json_decref(reply);
    return code;
}

int
nm_cmd_book(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const nm_options_t *options = &self->options;
    const char *verb = options->args[0];
    bool is_list = strcmp(verb, "list") == 0;
    if (!is_list && strcmp(verb, "promote") && strcmp(verb, "aside"))
        return nm_nctl_misused(self, "\"%s\": list, promote or aside was expected", verb);
    if (options->arg_count != (is_list ? 1 : 3))
        return nm_nctl_misused(self, "%s wants %s", verb, is_list ? "no arguments" : "a BOOK and an ACTOR");
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    int code = is_list                                ? s_list(self, reach)
               : strcmp(verb, "aside") == 0           ? s_aside(self, reach, options->args[1], options->args[2])
               : strcmp(options->args[1], "all") == 0 ? s_promote_all(self, reach, options->args[2])
                                                      : s_promote(self, reach, options->args[1], options->args[2]);
    nm_reach_destroy(&reach);
    return code;
}
