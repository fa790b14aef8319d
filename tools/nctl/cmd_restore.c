#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/program.h"

// clang-format off
const nm_option_t nm_restore_options[] = {
    { "replace", 0, NULL, "Also where a store is: it is gone then" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

int
nm_cmd_restore(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    json_t *reply = NULL;
    int code = NM_FAILED;
    const char *name = self->options.args[0];
    const char *arguments[4] = { "--restore", self->options.args[1] };
    if (nm_options_has(&self->options, "replace"))
        arguments[2] = "--replace";
    nm_mesh_t *mesh = nm_mesh_load(self->mesh_folder, &error);
    if (!mesh)
        return nm_nctl_fail("%s", error.text);
    const nm_mesh_actor_t *actor = nm_mesh_find(mesh, name);
    if (!actor) {
        nm_nctl_fail("\"%s\" is not an actor of this mesh", name);
        goto done;
    }
    int ended = nm_program_run(mesh, actor, arguments, &reply, &error);
    if (ended == 0) {
        nm_pages_done(self, reply, "%s is restored and will start with epoch %lld", name,
                      (long long) nm_json_number(reply, "epoch"));
        code = NM_DONE;
    } else {
        nm_nctl_fail("%s: not restored: %s", name, error.text);
    }

done:
    json_decref(reply);
    nm_mesh_destroy(&mesh);
    return code;
}
