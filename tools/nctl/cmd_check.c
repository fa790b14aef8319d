#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/program.h"

//  One line for each actor. A store that was never made has nothing wrong with it. Its marker tells: data.mdb may be lost.
static int
s_check(nm_nctl_t *self, const nm_mesh_t *mesh, const nm_mesh_actor_t *actor)
{
    static const char *const ARGUMENTS[] = { "--check", NULL };
    char store[NM_PATH_MAX];
    nm_error_t error = { "" };
    json_t *reply;
    snprintf(store, sizeof store, "stores/%s/PROVISIONED", actor->name);
    if (!nm_files_exists(mesh->folder, store)) {
        nm_nctl_say("%s has no store yet", actor->name);
        return NM_DONE;
    }
    int code = nm_program_run(mesh, actor, ARGUMENTS, &reply, &error);
    if (reply && self->json)
        nm_json_print(reply, false, stdout);
    else if (reply)
        printf("%s: %lld records, %lld bytes, %lld bad%s%s\n", actor->name,
               (long long) nm_json_number(reply, "records"), (long long) nm_json_number(reply, "bytes"),
               (long long) nm_json_number(reply, "bad"), nm_json_text(reply, "first_bad")[0] ? ": " : "",
               nm_json_text(reply, "first_bad"));
    json_decref(reply);
    return code == 0 ? NM_DONE : nm_nctl_fail("%s: the check failed: %s", actor->name, error.text);
}

int
nm_cmd_check(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    int code = NM_DONE;
    const char *name = self->options.arg_count ? self->options.args[0] : NULL;
    nm_mesh_t *mesh = nm_mesh_load(self->mesh_folder, &error);
    if (!mesh)
        return nm_nctl_fail("%s", error.text);
    if (name && !nm_mesh_find(mesh, name))
        code = nm_nctl_fail("\"%s\" is not an actor of this mesh", name);
    for (size_t i = 0; i < mesh->actor_count; i++) {
        if ((!name || strcmp(mesh->actors[i].name, name) == 0) && s_check(self, mesh, &mesh->actors[i]) != NM_DONE)
            code = NM_FAILED;
    }
    nm_mesh_destroy(&mesh);
    return code;
}
