#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/roster.h"

enum { S_PATIENCE_MS = 1500 };

int
nm_cmd_ps(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    json_t **statuses = nm_alloc(mesh->actor_count * sizeof *statuses);
    size_t count = nm_reach_statuses(reach, statuses, S_PATIENCE_MS);
    bool whole = count == mesh->actor_count;
    if (self->json) {
        json_t *json = nm_roster_json(mesh, statuses);
        nm_json_print(json, false, stdout);
        json_decref(json);
    } else {
        nm_roster_print(mesh, statuses, stdout);
    }
    for (size_t i = 0; i < mesh->actor_count; i++)
        json_decref(statuses[i]);
    free(statuses);
    nm_reach_destroy(&reach);
    return whole ? NM_DONE : NM_FAILED;
}
