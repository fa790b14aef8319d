#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"

// clang-format off
const nm_option_t nm_key_options[] = {
    { "name", 0, "NAME", "create: a name for people (nctl)" },
    { "scope", 0, "SCOPE", "create: may be repeated; without it all: notifications:write, notifications:read, users:write, "
      "users:read, templates:write, templates:read, webhooks, dead_letters" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "KEY ID", "key_id" }, { "NAME", "name" }, { "SCOPES", "scopes" }, { "CREATED", "created_at" },
    { "LAST USED", "last_used_at" },
};
// clang-format on

static int
s_create(nm_nctl_t *self, json_t *body)
{
    json_t *reply;
    const char *scope;
    json_object_set_new(body, "name", json_string(nm_options_text(&self->options, "name", "nctl")));
    if (nm_options_has(&self->options, "scope"))
        json_object_set_new(body, "scopes", json_array());
    for (size_t i = 0; (scope = nm_options_repeat(&self->options, "scope", i)); i++)
        json_array_append_new(json_object_get(body, "scopes"), json_string(scope));
    int code = nm_reach_ask(self, "keys.create", body, true, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "Key %s, shown this once:\n%s", nm_json_text(reply, "key_id"),
                      nm_json_text(reply, "key"));
    json_decref(reply);
    return code;
}

static int
s_delete(nm_nctl_t *self, json_t *body)
{
    json_t *reply;
    const char *key = self->options.args[2];
    json_object_set_new(body, "key_id", json_string(key));
    int code = nm_reach_ask(self, "keys.delete", body, false, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s is deleted", key);
    json_decref(reply);
    return code;
}

int
nm_cmd_key(nm_nctl_t *self)
{
    const nm_options_t *options = &self->options;
    const char *verb = options->args[0];
    bool is_delete = strcmp(verb, "delete") == 0;
    if (!is_delete && strcmp(verb, "create") && strcmp(verb, "list"))
        return nm_nctl_misused(self, "\"%s\": create, list or delete was expected", verb);
    if (is_delete != (options->arg_count == 3))
        return nm_nctl_misused(self, "%s wants %s", verb, is_delete ? "a SERVICE and a KEY" : "a SERVICE alone");
    json_t *body = json_pack("{ss}", "service_id", options->args[1]);
    if (strcmp(verb, "list") == 0)
        return nm_pages_print(self, "keys.list", body, COLUMNS, NM_COUNT(COLUMNS));
    return is_delete ? s_delete(self, body) : s_create(self, body);
}
