#include "tools/nctl/json.h"
#include "tools/nctl/look.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/roster.h"

// clang-format off
const nm_option_t nm_ps_options[] = {
    { "from", 0, "ACTOR", "As this actor sees it, instead of the first that answers" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

int
nm_cmd_ps(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const char *taken_from;
    size_t missing_count = 0;
    nm_look_t how = { .from = nm_options_text(&self->options, "from", NULL), .brief = !self->json };
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    json_t *actors = reach ? nm_look(reach, &how, &taken_from, &error) : NULL;
    if (!actors)
        nm_nctl_fail("%s", error.text);
    else if (self->json)
        nm_json_print(actors, false, stdout);
    else
        nm_roster_print(actors, taken_from, stdout);
    for (size_t i = 0; i < json_array_size(actors); i++)
        missing_count += nm_picture_misses(json_array_get(actors, i));
    bool whole = actors && !missing_count;
    json_decref(actors);
    nm_reach_destroy(&reach);
    return whole ? NM_DONE : NM_FAILED;
}
