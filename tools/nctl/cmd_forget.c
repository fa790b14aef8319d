#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/stating.h"
#include "tools/nctl/when.h"
#include "wire/id.h"

// clang-format off
const nm_option_t nm_forget_options[] = {
    { "yes", 'y', NULL, "Does not ask" },
    { "statement", 0, "FILE", "Writes the signed statement there and publishes nothing" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

static bool
s_is_wanted(const nm_nctl_t *self, const char *name)
{
    char line[128];
    if (nm_options_has(&self->options, "yes"))
        return true;
    fprintf(stderr,
            "%s and its disk are then gone for good: nobody speaks to it any more, what it held is sent again by the\n"
            "gateways, and no backup of its store may ever come back. An actor that is only down needs none of this.\n"
            "Type its name to go on: ",
            name);
    if (!fgets(line, sizeof line, stdin))
        return false;
    line[strcspn(line, "\n")] = 0;
    return strcmp(line, name) == 0;
}

//  The store that goes with it, as somebody who is there remembers it.
static void
s_find_store(nm_reach_t *reach, nm_stated_t *stated)
{
    size_t i;
    json_t *member, *members = nm_reach_members(reach);
    json_array_foreach(members, i, member)
    {
        nm_id_t none = { { 0 } };
        if (strcmp(nm_json_text(member, "name"), stated->name) == 0 &&
            nm_id_from_text(nm_text(nm_json_text(member, "store")), &stated->store) == NM_OK)
            stated->has_store = !nm_id_equal(&stated->store, &none);
    }
    json_decref(members);
}

static int
s_forget(nm_nctl_t *self, nm_reach_t *reach, const char *name)
{
    nm_error_t error = { "" };
    nm_stating_t stating;
    nm_stated_t stated = { .kind = NM_STATED_FORGET, .at_ms = nm_when_now() };
    const char *file = nm_options_text(&self->options, "statement", NULL);
    nm_bytes_to_text(nm_text(name), stated.name, sizeof stated.name);
    s_find_store(reach, &stated);
    if (!s_is_wanted(self, name))
        return nm_nctl_fail("nothing was done");
    if (nm_stating_make(self->mesh_folder, &stated, &stating, &error) != NM_OK ||
        nm_stating_save(self->mesh_folder, file, &stating, &error) != NM_OK)
        return nm_nctl_fail("%s", error.text);
    if (!stated.has_store)
        nm_nctl_say("Nobody who is there knows the store of %s, so only its certificates are ended.", name);
    if (file) {
        nm_nctl_say("%s is written; publish it with: nctl cert publish %s", file, file);
        return NM_DONE;
    }
    int code = nm_stating_publish(reach, &stating);
    if (code == NM_DONE)
        nm_nctl_say("%s is forgotten. Its place can be taken by a new actor: nctl launch", name);
    return code;
}

int
nm_cmd_forget(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const char *name = self->options.args[0];
    if (!nm_role_is_name(nm_text(name)))
        return nm_nctl_misused(self, "\"%s\": the name of an actor was expected", name);
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    int code = s_forget(self, reach, name);
    nm_reach_destroy(&reach);
    return code;
}
