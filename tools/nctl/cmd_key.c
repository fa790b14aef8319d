#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/tenant.h"

// clang-format off
const nm_option_t nm_key_options[] = {
    { "name", 0, "NAME", "create: a name for people (nctl)" },
    { "scope", 0, "SCOPE", "create: may be repeated; without it all: notifications:write, notifications:read, users:write, "
      "users:read, templates:write, templates:read, webhooks, dead_letters" },
    { "overlap", 0, "SECONDS", "rotate, rotate-signing: how long the old one still works; 0 ends it at once (86400)" },
    { "algorithm", 0, "NAME", "rotate-signing: EdDSA, or HS256 with a secret that the gateways share (EdDSA)" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "KEY ID", "key_id" }, { "NAME", "name" }, { "SCOPES", "scopes" }, { "CREATED", "created_at" },
    { "EXPIRES", "expires_at" }, { "LAST USED", "last_used_at" },
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

static int
s_rotate(nm_nctl_t *self, json_t *body)
{
    json_t *reply;
    const char *key = self->options.args[2];
    json_object_set_new(body, "key_id", json_string(key));
    int code = nm_reach_ask(self, "keys.rotate", body, false, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "Key %s takes the place of %s, shown this once:\n%s", nm_json_text(reply, "key_id"),
                      key, nm_json_text(reply, "key"));
    json_decref(reply);
    return code;
}

static int
s_rotate_signing(nm_nctl_t *self, json_t *body)
{
    json_t *reply;
    nm_pages_text(body, &self->options, "algorithm", "algorithm");
    int code = nm_reach_ask(self, "signing.rotate", body, false, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "Tokens are signed with the %s key %s from now on", nm_json_text(reply, "algorithm"),
                      nm_json_text(reply, "key_id"));
    json_decref(reply);
    return code;
}

//  What each verb wants beside itself.
static const struct {
    const char *verb;
    size_t args;
    const char *wants;
    int (*run)(nm_nctl_t *self, json_t *body);  //  NULL: list
} VERBS[] = {
    { "create", 1, "a SERVICE alone", s_create },         { "list", 1, "a SERVICE alone", NULL },
    { "rotate", 2, "a SERVICE and a KEY", s_rotate },     { "delete", 2, "a SERVICE and a KEY", s_delete },
    { "rotate-signing", 0, "nothing", s_rotate_signing },
};

int
nm_cmd_key(nm_nctl_t *self)
{
    const nm_options_t *options = &self->options;
    const char *verb = options->args[0];
    nm_error_t error = { "" };
    size_t at = 0;
    while (at < NM_COUNT(VERBS) && strcmp(VERBS[at].verb, verb) != 0)
        at++;
    if (at == NM_COUNT(VERBS))
        return nm_nctl_misused(self, "\"%s\": create, list, rotate, delete or rotate-signing was expected", verb);
    if (options->arg_count != VERBS[at].args + 1)
        return nm_nctl_misused(self, "%s wants %s", verb, VERBS[at].wants);
    json_t *body = json_object();
    if (VERBS[at].args && json_object_set_new(body, "service_id", nm_tenant_id(self, options->args[1])) != 0) {
        json_decref(body);
        return NM_FAILED;
    }
    if (nm_pages_number(body, options, "overlap", "overlap_seconds", 2592000, &error) != NM_OK) {
        json_decref(body);
        return nm_nctl_misused(self, "%s", error.text);
    }
    return VERBS[at].run ? VERBS[at].run(self, body)
                         : nm_pages_print(self, "keys.list", body, COLUMNS, NM_COUNT(COLUMNS));
}
