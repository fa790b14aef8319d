#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/tenant.h"

// clang-format off
const nm_option_t nm_provider_options[] = {
    { "kind", 0, "KIND", "create: smtp, maildir, sandbox" },
    { "set", 's', "NAME=VALUE", "create, patch: a setting of its config; may be repeated" },
    { "secret", 0, "NAME=FILE", "create, patch: a setting whose value is the first line of FILE; may be repeated" },
    { "unset", 0, "NAME", "patch: takes a setting away; may be repeated" },
    { "priority", 0, "N", "create, patch: the lowest goes first (100)" },
    { "active", 0, "yes|no", "create, patch: whether it is used" },
    { "channel", 0, "CHANNEL", "create, patch: what it sends over; may be repeated; without it all it can" },
    { "service", 0, "SERVICE", "create, patch: only for this tenant, by name or id; may be repeated; without it for all" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "NAME", "name" }, { "KIND", "kind" }, { "CHANNELS", "channels" }, { "ACTIVE", "is_active" },
    { ">PRIORITY", "priority" }, { "SERVICES", "services" }, { "CONFIG", "config" }, { "SECRETS", "secrets" },
};
// clang-format on

//  "2525" is a number, "true" a truth, all else a text.
static json_t *
s_value(const char *text)
{
    size_t size = strlen(text);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_boolean(text[0] == 't');
    if (size && size < 16 && strspn(text, "0123456789") == size && (text[0] != '0' || size == 1))
        return json_integer(strtoll(text, NULL, 10));
    return json_string(text);
}

//  Reads each NAME=VALUE of an option into config; a secret's value is in a file.
static nm_rc_t
s_add_settings(const nm_options_t *options, const char *option, bool secret, json_t *config, nm_error_t *error)
{
    const char *given;
    for (size_t i = 0; (given = nm_options_repeat(options, option, i)); i++) {
        const char *equals = strchr(given, '=');
        if (!equals || equals == given)
            return nm_fail(error, NM_ERR_MALFORMED, "--%s \"%s\": NAME=%s was expected", option, given,
                           secret ? "FILE" : "VALUE");
        json_t *value = secret ? nm_pages_secret(equals + 1, error) : s_value(equals + 1);
        if (!value)
            return NM_ERR_IO;
        json_t *name = json_stringn(given, (size_t) (equals - given));
        json_object_set_new(config, name ? json_string_value(name) : "", value);
        json_decref(name);
    }
    return NM_OK;
}

static void
s_add_channels(json_t *body, const nm_options_t *options)
{
    const char *given;
    for (size_t i = 0; (given = nm_options_repeat(options, "channel", i)); i++) {
        if (i == 0)
            json_object_set_new(body, "channels", json_array());
        json_array_append_new(json_object_get(body, "channels"), json_string(given));
    }
}

static int
s_add_services(const nm_nctl_t *self, json_t *body)
{
    const char *named;
    for (size_t i = 0; (named = nm_options_repeat(&self->options, "service", i)); i++) {
        if (i == 0)
            json_object_set_new(body, "services", json_array());
        if (json_array_append_new(json_object_get(body, "services"), nm_tenant_id(self, named)) != 0)
            return NM_FAILED;
    }
    return NM_DONE;
}

static nm_rc_t
s_fill(nm_nctl_t *self, json_t *body, nm_error_t *error)
{
    const nm_options_t *options = &self->options;
    const char *active = nm_options_text(options, "active", NULL), *name;
    uint64_t priority;
    json_t *config = json_object();
    nm_rc_t rc = s_add_settings(options, "set", false, config, error);
    if (rc == NM_OK)
        rc = s_add_settings(options, "secret", true, config, error);
    for (size_t i = 0; (name = nm_options_repeat(options, "unset", i)); i++)
        json_object_set_new(config, name, json_null());
    if (json_object_size(config))
        json_object_set(body, "config", config);
    json_decref(config);
    nm_pages_text(body, options, "kind", "kind");
    s_add_channels(body, options);
    if (rc == NM_OK && nm_options_has(options, "priority")) {
        rc = nm_options_number(options, "priority", 0, 1000000, 100, &priority, error);
        json_object_set_new(body, "priority", json_integer(rc == NM_OK ? (json_int_t) priority : 0));
    }
    if (rc == NM_OK && active && strcmp(active, "yes") && strcmp(active, "no"))
        rc = nm_fail(error, NM_ERR_MALFORMED, "--active \"%s\": yes or no was expected", active);
    if (active)
        json_object_set_new(body, "is_active", json_boolean(strcmp(active, "yes") == 0));
    return rc;
}

static int
s_change(nm_nctl_t *self, const char *op, const char *name, const char *what)
{
    nm_error_t error = { "" };
    json_t *reply, *body = json_pack("{ss}", "name", name);
    nm_rc_t rc = body ? s_fill(self, body, &error) : nm_fail(&error, NM_ERR_MALFORMED, "the name is not text");
    if (rc != NM_OK) {
        json_decref(body);
        return rc == NM_ERR_MALFORMED ? nm_nctl_misused(self, "%s", error.text) : nm_nctl_fail("%s", error.text);
    }
    if (s_add_services(self, body) != NM_DONE) {
        json_decref(body);
        return NM_FAILED;
    }
    int code = nm_reach_ask(self, op, body, strcmp(op, "providers.create") == 0, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s %s", name, what);
    json_decref(reply);
    return code;
}

int
nm_cmd_provider(nm_nctl_t *self)
{
    const char *verb = self->options.args[0];
    const char *name = self->options.arg_count > 1 ? self->options.args[1] : NULL;
    if (strcmp(verb, "list") == 0)
        return nm_pages_print(self, "providers.list", json_object(), COLUMNS, NM_COUNT(COLUMNS));
    if (!name)
        return nm_nctl_misused(self, "\"%s\": create NAME, list, show NAME, patch NAME or delete NAME was expected",
                               verb);
    if (strcmp(verb, "create") == 0)
        return s_change(self, "providers.create", name, "is made");
    if (strcmp(verb, "show") == 0)
        return nm_pages_one(self, "providers.get", "name", name);
    if (strcmp(verb, "patch") == 0)
        return s_change(self, "providers.patch", name, "is changed");
    if (strcmp(verb, "delete") == 0)
        return nm_pages_one(self, "providers.delete", "name", name);
    return nm_nctl_misused(self, "\"%s\": create, list, show, patch or delete was expected", verb);
}
