#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/tenant.h"

// clang-format off
const nm_option_t nm_service_options[] = {
    { "description", 0, "TEXT", "create, patch: for people" },
    { "name", 0, "NAME", "patch: a new name" },
    { "active", 0, "yes|no", "patch: whether its keys work" },
    { "retention-days", 0, "N", "create, patch: how long ended notifications are kept" },
    { "per-minute", 0, "N", "create, patch: notifications in a minute" },
    { "burst", 0, "N", "create, patch: ... and at once" },
    { "per-day", 0, "N", "create, patch: notifications in a day" },
    { "recipient-per-hour", 0, "N", "create, patch: notifications to one recipient in an hour" },
    { "recipient-per-day", 0, "N", "create, patch: ... and in a day" },
    { "limit", 'n', "N", "list: at most so many, up to 200 (50)" },
    { "cursor", 0, "CURSOR", "list: goes on after a page" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "ID", "id" }, { "NAME", "name" }, { "ACTIVE", "is_active" }, { "CREATED", "created_at" },
    { "DESCRIPTION", "description" },
};
// clang-format on

//  A patch leaves those that are not given as they are.
static nm_rc_t
s_add_limits(json_t *body, const nm_options_t *options, nm_error_t *error)
{
    static const struct {
        const char *option, *part, *field;
    } LIMITS[] = {
        { "per-minute", "limits", "per_minute" },
        { "burst", "limits", "burst" },
        { "per-day", "limits", "per_day" },
        { "recipient-per-hour", "recipient_limits", "per_hour" },
        { "recipient-per-day", "recipient_limits", "per_day" },
    };
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < NM_COUNT(LIMITS); i++) {
        if (!nm_options_has(options, LIMITS[i].option))
            continue;
        if (!json_object_get(body, LIMITS[i].part))
            json_object_set_new(body, LIMITS[i].part, json_object());
        rc = nm_pages_number(json_object_get(body, LIMITS[i].part), options, LIMITS[i].option, LIMITS[i].field,
                             UINT32_MAX, error);
    }
    return rc;
}

//  What create and patch share.
static nm_rc_t
s_add_settings(nm_nctl_t *self, json_t *body, nm_error_t *error)
{
    const nm_options_t *options = &self->options;
    nm_pages_text(body, options, "description", "description");
    nm_rc_t rc = nm_pages_number(body, options, "retention-days", "retention_days", 3650, error);
    return rc == NM_OK ? s_add_limits(body, options, error) : rc;
}

static int
s_change(nm_nctl_t *self, const char *op, json_t *body, const char *what)
{
    json_t *reply;
    nm_error_t error = { "" };
    if (s_add_settings(self, body, &error) != NM_OK) {
        json_decref(body);
        return nm_nctl_misused(self, "%s", error.text);
    }
    int code = nm_reach_ask(self, op, body, strcmp(op, "services.create") == 0, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s %s %s", nm_json_text(reply, "id"), nm_json_text(reply, "name"), what);
    json_decref(reply);
    return code;
}

static int
s_patch(nm_nctl_t *self, const char *id)
{
    json_t *body = json_pack("{ss}", "id", id);
    const char *active = nm_options_text(&self->options, "active", NULL);
    nm_pages_text(body, &self->options, "name", "name");
    if (active && strcmp(active, "yes") && strcmp(active, "no")) {
        json_decref(body);
        return nm_nctl_misused(self, "--active \"%s\": yes or no was expected", active);
    }
    if (active)
        json_object_set_new(body, "is_active", json_boolean(strcmp(active, "yes") == 0));
    return s_change(self, "services.patch", body, "is changed");
}

//  Of one that there is, named by its id or name.
static int
s_of_one(nm_nctl_t *self, const char *verb, const char *named)
{
    json_t *id = nm_tenant_id(self, named);
    int code = NM_FAILED;
    if (id && strcmp(verb, "patch") == 0)
        code = s_patch(self, json_string_value(id));
    else if (id)
        code = nm_pages_one(self, strcmp(verb, "show") == 0 ? "services.get" : "services.delete", "id",
                            json_string_value(id));
    json_decref(id);
    return code;
}

int
nm_cmd_service(nm_nctl_t *self)
{
    const char *verb = self->options.args[0];
    const char *what = self->options.arg_count > 1 ? self->options.args[1] : NULL;
    if (strcmp(verb, "list") == 0)
        return nm_pages_list(self, "services.list", json_object(), COLUMNS, NM_COUNT(COLUMNS));
    if (!what)
        return nm_nctl_misused(
            self, "\"%s\": create NAME, list, show SERVICE, patch SERVICE or delete SERVICE was expected", verb);
    if (strcmp(verb, "create") == 0)
        return s_change(self, "services.create", json_pack("{ss}", "name", what), "is made");
    if (strcmp(verb, "show") == 0 || strcmp(verb, "patch") == 0 || strcmp(verb, "delete") == 0)
        return s_of_one(self, verb, what);
    return nm_nctl_misused(self, "\"%s\": create, list, show, patch or delete was expected", verb);
}
