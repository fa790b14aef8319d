#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/tenant.h"

// clang-format off
const nm_option_t nm_user_options[] = {
    { "service", 0, "SERVICE", "create, list: of this service, by name or id (admin)" },
    { "admin", 0, NULL, "create: an administrator of the whole mesh" },
    { "password-file", 0, "FILE", "create, patch: its first line is the password; - is the standard input" },
    { "email", 0, "EMAIL", "patch: a new address" },
    { "name", 0, "NAME", "create, patch: for people" },
    { "phone", 0, "NUMBER", "create, patch: + and digits" },
    { "language", 0, "TAG", "create, patch: as de-AT" },
    { "timezone", 0, "NAME", "create, patch: as Europe/Vienna" },
    { "external-id", 0, "ID", "create, patch: what the service calls it" },
    { "limit", 'n', "N", "list: at most so many, up to 200 (50)" },
    { "cursor", 0, "CURSOR", "list: goes on after a page" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "ID", "id" }, { "EMAIL", "email" }, { "NAME", "name" }, { "ROLES", "roles" }, { "SIGNS IN", "has_password" },
    { "CREATED", "created_at" },
};
// clang-format on

//  What create and patch share.
static nm_rc_t
s_fill(nm_nctl_t *self, json_t *body, nm_error_t *error)
{
    static const char *const TEXTS[][2] = {
        { "email", "email" },       { "name", "name" },         { "phone", "phone" },
        { "language", "language" }, { "timezone", "timezone" }, { "external-id", "external_id" },
    };
    const nm_options_t *options = &self->options;
    const char *path = nm_options_text(options, "password-file", NULL);
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++)
        nm_pages_text(body, options, TEXTS[i][0], TEXTS[i][1]);
    json_t *password = path ? nm_pages_secret(path, error) : NULL;
    if (path && !password)
        return NM_ERR_IO;
    if (password)
        json_object_set_new(body, "password", password);
    return NM_OK;
}

static int
s_change(nm_nctl_t *self, const char *op, json_t *body, const char *what)
{
    json_t *reply;
    nm_error_t error = { "" };
    if (s_fill(self, body, &error) != NM_OK) {
        json_decref(body);
        return nm_nctl_fail("%s", error.text);
    }
    int code = nm_reach_ask(self, op, body, strcmp(op, "users.create") == 0, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s %s %s", nm_json_text(reply, "id"), nm_json_text(reply, "email"), what);
    json_decref(reply);
    return code;
}

//  Of --service, if it was given. Lets go of body on failure.
static int
s_set_service(const nm_nctl_t *self, json_t *body)
{
    const char *named = nm_options_text(&self->options, "service", NULL);
    if (!named || json_object_set_new(body, "service_id", nm_tenant_id(self, named)) == 0)
        return NM_DONE;
    json_decref(body);
    return NM_FAILED;
}

static int
s_create(nm_nctl_t *self, const char *email)
{
    json_t *body = json_pack("{ss}", "email", email);
    if (s_set_service(self, body) != NM_DONE)
        return NM_FAILED;
    if (nm_options_has(&self->options, "admin"))
        json_object_set_new(body, "roles", json_pack("[s]", "admin"));
    return s_change(self, "users.create", body, "is made");
}

static int
s_list(nm_nctl_t *self)
{
    json_t *body = json_object();
    if (s_set_service(self, body) != NM_DONE)
        return NM_FAILED;
    return nm_pages_list(self, "users.list", body, COLUMNS, NM_COUNT(COLUMNS));
}

int
nm_cmd_user(nm_nctl_t *self)
{
    const char *verb = self->options.args[0];
    const char *what = self->options.arg_count > 1 ? self->options.args[1] : NULL;
    if (strcmp(verb, "list") == 0)
        return s_list(self);
    if (!what)
        return nm_nctl_misused(self, "\"%s\": create EMAIL, list, show ID, patch ID or delete ID was expected", verb);
    if (strcmp(verb, "create") == 0)
        return s_create(self, what);
    if (strcmp(verb, "show") == 0)
        return nm_pages_one(self, "users.get", "id", what);
    if (strcmp(verb, "patch") == 0)
        return s_change(self, "users.patch", json_pack("{ss}", "id", what), "is changed");
    if (strcmp(verb, "delete") == 0)
        return nm_pages_one(self, "users.delete", "id", what);
    return nm_nctl_misused(self, "\"%s\": create, list, show, patch or delete was expected", verb);
}
