#include "tools/nctl/look.h"
#include "tools/nctl/json.h"

enum { S_LIVE_MS = 1000, S_EACH_MS = 1500, S_SURVEY_MS = 5000 };

//  All pages of one actor's view; NULL if it does not answer, or does not know how. part: as `status` has it.
static json_t *
s_survey(nm_reach_t *reach, const nm_mesh_actor_t *actor, const char *part, nm_error_t *error)
{
    json_t *actors = json_array(), *reply = NULL;
    nmesh_error_t problem = { .title = "" };
    nmesh_ask_t ask = { .op = "mesh.status", .timeout_ms = S_SURVEY_MS, .silence_ms = S_SURVEY_MS };
    nmesh_t *client = nm_reach_desk(reach, actor, error);
    bool more = client != NULL, well = more;
    while (more) {
        json_t *body = json_pack("{s:b, s:s}", part, 1, "after", nm_json_text(reply, "next"));
        json_decref(reply);
        well = nm_reach_ask_over(client, &ask, body, &reply, &problem) == 0 && reply;
        json_decref(body);
        if (well)
            json_array_extend(actors, json_object_get(reply, "actors"));
        else
            nm_fail(error, NM_ERR_IO, "%s does not tell of the mesh: %s", actor->name, problem.detail);
        more = well && json_object_get(reply, "next");
    }
    json_decref(reply);
    nmesh_close(&client);
    if (well)
        return actors;
    json_decref(actors);
    return NULL;
}

static json_t *
s_ask_each(nm_reach_t *reach, nm_error_t *error)
{
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    json_t **statuses = nm_alloc((mesh->actor_count + 1) * sizeof *statuses);
    json_t *actors = NULL;
    if (nm_reach_statuses(reach, statuses, S_EACH_MS))
        actors = nm_picture_of(mesh, statuses);
    else
        nm_fail(error, NM_ERR_MISSING, "no actor of this mesh answers; \"nctl up\" starts it");
    for (size_t i = 0; i < mesh->actor_count; i++)
        json_decref(statuses[i]);
    free(statuses);
    return actors;
}

//  Who is asked; NULL and a sentence if nobody can be.
static const nm_mesh_actor_t *
s_whom(nm_reach_t *reach, const char *from, nm_error_t *error)
{
    const nm_mesh_actor_t *actor = from ? nm_reach_find(reach, from, error) : nm_reach_live(reach, S_LIVE_MS);
    if (!actor && !from)
        nm_fail(error, NM_ERR_MISSING, "no actor of this mesh answers; \"nctl up\" starts it");
    return actor;
}

json_t *
nm_look_figures(nm_reach_t *reach, const char *from, nm_error_t *error)
{
    const nm_mesh_actor_t *actor = s_whom(reach, from, error);
    return actor ? s_survey(reach, actor, "figures", error) : NULL;
}

json_t *
nm_look(nm_reach_t *reach, const nm_look_t *how, const char **taken_from, nm_error_t *error)
{
    const nm_mesh_actor_t *actor = s_whom(reach, how->from, error);
    *taken_from = NULL;
    json_t *actors = actor ? s_survey(reach, actor, how->brief ? "brief" : "full", error) : NULL;
    if (actors) {
        *taken_from = actor->name;
        nm_picture_settle(actors);
    }
    return actors || how->from ? actors : s_ask_each(reach, error);
}
