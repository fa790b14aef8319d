#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"
#include <unistd.h>

enum { S_PATIENCE_MS = 600000, S_GREETING_MS = 3000 };

static int
s_backup(nm_nctl_t *self, nm_reach_t *reach, const char *name, const char *path)
{
    nm_error_t error = { "" };
    nmesh_error_t problem;
    json_t *reply;
    const nm_mesh_actor_t *actor = nm_reach_find(reach, name, &error);
    if (!actor)
        return nm_nctl_fail("%s", error.text);
    nmesh_t *client = nm_reach_desk(reach, actor, &error);
    if (!client)
        return nm_nctl_fail("%s", error.text);
    //  A backup may take long, so whether the actor is there at all is asked first.
    nmesh_ask_t greeting = { .op = "status", .timeout_ms = S_GREETING_MS };
    if (nm_reach_ask_over(client, &greeting, NULL, NULL, &problem) != 0) {
        nmesh_close(&client);
        return nm_nctl_fail("%s does not answer; only a running actor can make a backup of its store", name);
    }
    json_t *body = json_pack("{ss}", "path", path);
    nmesh_ask_t ask = { .op = "backup", .timeout_ms = S_PATIENCE_MS, .silence_ms = S_PATIENCE_MS, .once = true };
    int rc = nm_reach_ask_over(client, &ask, body, &reply, &problem);
    json_decref(body);
    nmesh_close(&client);
    if (rc != 0)
        return nm_reach_problem(&problem);
    nm_pages_done(self, reply, "%s is written", path);
    json_decref(reply);
    return NM_DONE;
}

int
nm_cmd_backup(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    char path[2 * NM_PATH_MAX];
    char here[NM_PATH_MAX] = "";
    const char *file = self->options.args[1];
    if (file[0] != '/' && !getcwd(here, sizeof here))
        return nm_nctl_fail("the folder that this runs in is gone");
    snprintf(path, sizeof path, "%s%s%s", here, here[0] ? "/" : "", file);  //  The actor's folder is another one
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    int code = s_backup(self, reach, self->options.args[0], path);
    nm_reach_destroy(&reach);
    return code;
}
