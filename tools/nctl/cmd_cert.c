#include "tools/nctl/files.h"
#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/stating.h"
#include "tools/nctl/when.h"
#include "broker/mesh.h"
#include "wire/time.h"
#include <dirent.h>
#include <sodium.h>

// clang-format off
const nm_option_t nm_cert_options[] = {
    { "days", 0, "N", "issue, renew: how long it is valid (365)" },
    { "force", 0, NULL, "issue: in place of one that is there, with a new key" },
    { "keep-key", 0, NULL, "renew: a new certificate for the same key" },
    { "serial", 0, "HEX", "revoke: this one, instead of the one in certs/" },
    { "statement", 0, "FILE", "revoke: writes the signed statement there and publishes nothing" },
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
    nm_rc_t rc =
        nm_files_certify(self->mesh_folder, name, role, nm_stating_since(self->mesh_folder, name, nm_when_now()),
                         (unsigned) days, authority, &error);
    sodium_memzero(authority, sizeof authority);
    if (rc != NM_OK)
        return nm_nctl_fail("%s", error.text);
    if (!self->json)
        printf("%s/certs/%s.cert and keys/%s.key are written, valid for %llu days\n", self->mesh_folder, name, name,
               (unsigned long long) days);
    return NM_DONE;
}

//  -- revoke, publish

static int
s_publish(nm_nctl_t *self, const nm_stating_t *stating)
{
    nm_error_t error = { "" };
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    int code = nm_stating_publish(reach, stating);
    nm_reach_destroy(&reach);
    return code;
}

static nm_rc_t
s_find_serial(nm_nctl_t *self, const char *name, char serial[33], nm_error_t *error)
{
    char path[NM_PATH_MAX];
    nm_cert_t cert;
    const char *given = nm_options_text(&self->options, "serial", NULL);
    if (given) {
        nm_bytes_to_text(nm_text(given), serial, 33);
        return NM_OK;
    }
    snprintf(path, sizeof path, "%s/certs/%s.cert", self->mesh_folder, name);
    nm_rc_t rc = nm_cert_load(path, &cert, error);
    if (rc == NM_OK)
        memcpy(serial, cert.serial, 33);
    return rc;
}

static int
s_revoke(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    nm_stating_t stating;
    nm_stated_t stated = { .kind = NM_STATED_REVOKE, .at_ms = nm_when_now() };
    if (self->options.arg_count != 2)
        return nm_nctl_misused(self, "revoke needs a NAME");
    const char *name = self->options.args[1], *file = nm_options_text(&self->options, "statement", NULL);
    nm_bytes_to_text(nm_text(name), stated.name, sizeof stated.name);
    if (s_find_serial(self, name, stated.serial, &error) != NM_OK)
        return nm_nctl_fail("%s; --serial names the certificate otherwise", error.text);
    if (!nm_role_is_name(nm_text(name)) || !stated.serial[0] ||
        strspn(stated.serial, "0123456789abcdef") != strlen(stated.serial))
        return nm_nctl_misused(self, "a name and a serial in hex were expected");
    if (nm_stating_make(self->mesh_folder, &stated, &stating, &error) != NM_OK ||
        nm_stating_save(self->mesh_folder, file, &stating, &error) != NM_OK)
        return nm_nctl_fail("%s", error.text);
    if (file) {
        nm_nctl_say("%s is written; publish it with: nctl cert publish %s", file, file);
        return NM_DONE;
    }
    return s_publish(self, &stating);
}

static int
s_publish_file(nm_nctl_t *self, const nm_mesh_t *mesh)
{
    nm_error_t error = { "" };
    nm_stating_t stating;
    if (self->options.arg_count != 2)
        return nm_nctl_misused(self, "publish needs a FILE");
    if (nm_stating_load(self->options.args[1], mesh->authority, &stating, &error) != NM_OK ||
        nm_stating_save(self->mesh_folder, NULL, &stating, &error) != NM_OK)
        return nm_nctl_fail("%s", error.text);
    return s_publish(self, &stating);
}

//  -- renew: the new pair stands beside the old one until the actor goes by it.

static nm_rc_t
s_write_next(nm_nctl_t *self, const nm_cert_t *old, unsigned days, nm_error_t *error)
{
    uint8_t authority[NM_SIGN_SECRET_SIZE];
    char path[NM_PATH_MAX];
    nm_cert_t next;
    nm_rc_t rc = nm_files_authority(self->mesh_folder, authority, error);
    if (rc != NM_OK)
        return rc;
    //  It begins when the old one did: since when a gateway is there decides whose keys are whose.
    nm_cert_make(&next, old->name, old->role, old->not_before_ms, nm_when_now() + (int64_t) days * 86400000);
    if (nm_options_has(&self->options, "keep-key"))
        nm_cert_keep_key(&next, old);
    nm_cert_sign(&next, authority);
    sodium_memzero(authority, sizeof authority);
    snprintf(path, sizeof path, "%s/keys/%s.next.key", self->mesh_folder, old->name);
    rc = nm_files_save_cert(&next, path, true, error);
    snprintf(path, sizeof path, "%s/certs/%s.next.cert", self->mesh_folder, old->name);
    if (rc == NM_OK)
        rc = nm_files_save_cert(&next, path, false, error);
    nm_cert_wipe(&next);
    return rc;
}

static nm_rc_t
s_move(const char *folder, const char *kind, const char *name, const char *ending, nm_error_t *error)
{
    char from[NM_PATH_MAX], to[NM_PATH_MAX];
    snprintf(from, sizeof from, "%s/%s/%s.next.%s", folder, kind, name, ending);
    snprintf(to, sizeof to, "%s/%s/%s.%s", folder, kind, name, ending);
    if (rename(from, to) != 0)
        return nm_fail(error, NM_ERR_IO, "%s cannot take the place of %s", from, to);
    return nm_files_sync_folder(to, error);
}

//  1: it goes by the new certificate. 0: it is not there. -1: it did not take it, and said why.
static int
s_tell(nm_reach_t *reach, const nm_mesh_actor_t *actor)
{
    enum { PATIENCE_MS = 3000 };
    nm_error_t error;
    nmesh_error_t problem = { .title = "" };
    nmesh_ask_t ask = { .op = "directory.renew", .timeout_ms = PATIENCE_MS, .silence_ms = PATIENCE_MS };
    nmesh_t *client = nm_reach_desk(reach, actor, &error);
    int rc = client ? nm_reach_ask_over(client, &ask, NULL, NULL, &problem) : -1;
    nmesh_close(&client);
    if (rc == 0)
        return 1;
    if (!problem.status || problem.status == 504)
        return 0;
    nm_reach_problem(&problem);
    return -1;
}

static int
s_renew(nm_nctl_t *self, const nm_mesh_t *mesh, unsigned days)
{
    nm_error_t error = { "" };
    char path[NM_PATH_MAX];
    nm_cert_t old = { .name = "" };
    const char *name = self->options.args[1];
    const nm_mesh_actor_t *actor = nm_mesh_find(mesh, name);
    snprintf(path, sizeof path, "%s/keys/%s.key", mesh->folder, name);
    nm_rc_t rc = nm_cert_load(path, &old, &error);
    if (rc == NM_OK)
        rc = s_write_next(self, &old, days, &error);
    nm_cert_wipe(&old);
    nm_reach_t *reach = rc == NM_OK ? nm_reach_new(self->mesh_folder, &error) : NULL;
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    int told = actor ? s_tell(reach, actor) : 0;
    nm_reach_destroy(&reach);
    if (told < 0)
        return nm_nctl_fail("the new key stays beside the old one: keys/%s.next.key", name);
    if (s_move(mesh->folder, "keys", name, "key", &error) != NM_OK ||
        s_move(mesh->folder, "certs", name, "cert", &error) != NM_OK)
        return nm_nctl_fail("%s", error.text);
    nm_nctl_say(told ? "%s goes by its new certificate now; the old one is let in until it ends or is revoked."
                     : "%s is not running here; it will go by its new certificate from its next start.",
                name);
    return NM_DONE;
}

static int
s_renew_checked(nm_nctl_t *self, const nm_mesh_t *mesh)
{
    nm_error_t error = { "" };
    uint64_t days;
    if (self->options.arg_count != 2)
        return nm_nctl_misused(self, "renew needs a NAME");
    if (nm_options_number(&self->options, "days", 1, 36500, 365, &days, &error) != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    return s_renew(self, mesh, (unsigned) days);
}

//  -- list, show

//  What people should know of its time: good, ends in N days, or why it is not.
static void
s_judge(const nm_mesh_t *mesh, const nm_cert_t *cert, char *state, size_t size)
{
    enum { WARN_DAYS = 30 };
    nm_error_t error = { "" };
    int64_t now_ms = nm_when_now(), left_days = (cert->not_after_ms - now_ms) / 86400000;
    bool good = nm_cert_verify(cert, mesh->authority, now_ms, &error) == NM_OK && !nm_stating_ended(mesh, cert, &error);
    if (!good)
        snprintf(state, size, "%s", error.text);
    else if (left_days < WARN_DAYS)
        snprintf(state, size, "ends in %lld days", (long long) left_days);
    else
        snprintf(state, size, "good");
}

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
    char state[sizeof error.text];
    s_judge(mesh, &cert, state, sizeof state);
    json_object_set_new(json, "name", json_string(cert.name));
    json_object_set_new(json, "role", json_string(nm_role_text(cert.role)));
    json_object_set_new(json, "serial", json_string(cert.serial));
    json_object_set_new(json, "not_before", json_string(from));
    json_object_set_new(json, "not_after", json_string(until));
    json_object_set_new(json, "public_key", json_string(cert.public_text));
    json_object_set_new(json, "fingerprint", json_string(fingerprint));
    json_object_set_new(json, "state", json_string(state));
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
        const char *state = nm_json_text(json, "state");
        code = strcmp(state, "good") == 0 || strncmp(state, "ends in ", 8) == 0 ? NM_DONE : NM_FAILED;
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
    static const struct {
        const char *verb;
        int (*run)(nm_nctl_t *self, const nm_mesh_t *mesh);
    } VERBS[] = {
        { "list", s_look },
        { "show", s_look },
        { "renew", s_renew_checked },
        { "publish", s_publish_file },
    };
    nm_error_t error = { "" };
    const char *verb = self->options.args[0];
    if (strcmp(verb, "issue") == 0)
        return s_issue(self);
    if (strcmp(verb, "revoke") == 0)
        return s_revoke(self);
    size_t i = 0;
    while (i < NM_COUNT(VERBS) && strcmp(verb, VERBS[i].verb) != 0)
        i++;
    if (i == NM_COUNT(VERBS))
        return nm_nctl_misused(self, "\"%s\": issue, renew, revoke, publish, list or show was expected", verb);
    nm_mesh_t *mesh = nm_mesh_load(self->mesh_folder, &error);
    if (!mesh)
        return nm_nctl_fail("%s", error.text);
    int code = VERBS[i].run(self, mesh);
    nm_mesh_destroy(&mesh);
    return code;
}
