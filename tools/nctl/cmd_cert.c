#include "tools/nctl/files.h"
#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/when.h"
#include "broker/mesh.h"
#include "wire/time.h"
#include <dirent.h>
#include <sodium.h>

// clang-format off
const nm_option_t nm_cert_options[] = {
    { "days", 0, "N", "issue: how long it is valid (365)" },
    { "force", 0, NULL, "issue: in place of one that is there, with a new key" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

//  -- issue

static int
s_issue(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    uint8_t authority[NM_SIGN_SECRET_SIZE];
    char file[NM_NAME_MAX + 16];
    uint64_t days;
    if (self->options.arg_count != 3)
        return nm_nctl_misused(self, "issue needs a NAME and a ROLE");
    const char *name = self->options.args[1];
    nm_role_id_t role = nm_role_find(nm_text(self->options.args[2]));
    if (!nm_role_is_name(nm_text(name)))
        return nm_nctl_misused(self, "\"%s\": lower-case letters, digits and dashes were expected", name);
    if (!nm_role_is_actor(role) && role != NM_ROLE_OPERATOR)
        return nm_nctl_misused(self, "\"%s\" is not a role that has certificates", self->options.args[2]);
    if (nm_options_number(&self->options, "days", 1, 36500, 365, &days, &error) != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    snprintf(file, sizeof file, "keys/%s.key", name);
    if (nm_files_exists(self->mesh_folder, file) && !nm_options_has(&self->options, "force"))
        return nm_nctl_fail("%s/%s is there already; --force replaces it", self->mesh_folder, file);
    if (nm_files_authority(self->mesh_folder, authority, &error) != NM_OK)
        return nm_nctl_fail("%s", error.text);
    nm_rc_t rc = nm_files_certify(self->mesh_folder, name, role, nm_when_now(), (unsigned) days, authority, &error);
    sodium_memzero(authority, sizeof authority);
    if (rc != NM_OK)
        return nm_nctl_fail("%s", error.text);
    if (!self->json)
        printf("%s/certs/%s.cert and keys/%s.key are written, valid for %llu days\n", self->mesh_folder, name, name,
               (unsigned long long) days);
    return NM_DONE;
}

//  -- list, show

static json_t *
s_describe(const nm_mesh_t *mesh, const char *path)
{
    nm_cert_t cert;
    nm_error_t error = { "" };
    char from[NM_TIME_TEXT_SIZE + 1], until[NM_TIME_TEXT_SIZE + 1], fingerprint[17];
    json_t *json = json_pack("{ss}", "path", path);
    if (nm_cert_load(path, &cert, &error) != NM_OK) {
        json_object_set_new(json, "state", json_string(error.text));
        return json;
    }
    nm_time_to_text(cert.not_before_ms, from);
    nm_time_to_text(cert.not_after_ms, until);
    nm_cert_fingerprint(cert.public_key, fingerprint);
    bool good = nm_cert_verify(&cert, mesh->authority, nm_when_now(), &error) == NM_OK;
    json_object_set_new(json, "name", json_string(cert.name));
    json_object_set_new(json, "role", json_string(nm_role_text(cert.role)));
    json_object_set_new(json, "serial", json_string(cert.serial));
    json_object_set_new(json, "not_before", json_string(from));
    json_object_set_new(json, "not_after", json_string(until));
    json_object_set_new(json, "public_key", json_string(cert.public_text));
    json_object_set_new(json, "fingerprint", json_string(fingerprint));
    json_object_set_new(json, "state", json_string(good ? "good" : error.text));
    return json;
}

static int
s_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
s_is_cert(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot && strcmp(dot, ".cert") == 0;
}

static json_t *
s_list_all(const nm_mesh_t *mesh)
{
    char folder[NM_PATH_MAX], path[NM_PATH_MAX + 256];
    struct dirent **entries = NULL;
    json_t *items = json_array();
    nm_files_join(folder, mesh->folder, "certs");
    int count = scandir(folder, &entries, s_is_cert, s_compare);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        json_array_append_new(items, s_describe(mesh, path));
        free(entries[i]);
    }
    free(entries);
    return items;
}

static void
s_print_list(const json_t *items)
{
    size_t i;
    json_t *item;
    nm_grid_t *grid = nm_grid_new("NAME|ROLE|FINGERPRINT|VALID UNTIL|STATE");
    json_array_foreach(items, i, item)
    {
        nm_grid_text(grid, nm_json_text(item, "name"));
        nm_grid_text(grid, nm_json_text(item, "role"));
        nm_grid_text(grid, nm_json_text(item, "fingerprint"));
        nm_grid_text(grid, nm_json_text(item, "not_after"));
        nm_grid_text(grid, nm_json_text(item, "state"));
    }
    nm_grid_print(grid, stdout);
    nm_grid_destroy(&grid);
}

static int
s_look(nm_nctl_t *self, const nm_mesh_t *mesh)
{
    char path[NM_PATH_MAX];
    json_t *json;
    int code = NM_DONE;
    if (strcmp(self->options.args[0], "list") == 0) {
        json = s_list_all(mesh);
    } else if (self->options.arg_count != 2) {
        return nm_nctl_misused(self, "show needs a NAME");
    } else {
        snprintf(path, sizeof path, "%s/certs/%s.cert", mesh->folder, self->options.args[1]);
        json = s_describe(mesh, path);
        code = strcmp(nm_json_text(json, "state"), "good") == 0 ? NM_DONE : NM_FAILED;
    }
    if (json_is_array(json) && !self->json)
        s_print_list(json);
    else
        nm_json_print(json, !self->json, stdout);
    json_decref(json);
    return code;
}

int
nm_cmd_cert(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const char *verb = self->options.args[0];
    if (strcmp(verb, "issue") == 0)
        return s_issue(self);
    if (strcmp(verb, "list") && strcmp(verb, "show"))
        return nm_nctl_misused(self, "\"%s\": issue, list or show was expected", verb);
    nm_mesh_t *mesh = nm_mesh_load(self->mesh_folder, &error);
    if (!mesh)
        return nm_nctl_fail("%s", error.text);
    int code = s_look(self, mesh);
    nm_mesh_destroy(&mesh);
    return code;
}
