#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/when.h"

// clang-format off
const nm_option_t nm_drain_options[] = {
    { "wait", 'w', "SPAN", "Shows how far it is until it is gone, at most so long (10m, 30s)" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

enum {
    S_PAUSE_MS = 250,
    S_PATIENCE_MS = 2000,  //  Who drains answers as long as it is there
    S_OTHERS_MS = 1000,
};

//  Tells it, and hears how far it is; NULL: nobody answers.
static json_t *
s_ask(nmesh_t *client, nmesh_error_t *problem)
{
    json_t *reply = NULL;
    nmesh_ask_t ask = { .op = "drain", .timeout_ms = S_PATIENCE_MS };
    return nm_reach_ask_over(client, &ask, NULL, &reply, problem) == 0 ? reply : NULL;
}

static void
s_show(const char *name, const json_t *state)
{
    nm_nctl_say("%s: holds %lld, %lld wait, %lld on their way out, %lld on their way in", name,
                (long long) nm_json_number(state, "backlog"), (long long) nm_json_number(state, "waiting"),
                (long long) nm_json_number(state, "open"), (long long) nm_json_number(state, "pending"));
}

//  Whether one that says nothing has left is for those to say who heard its goodbye. One that nobody has a link with
//  holds no mail.
static bool
s_has_left(nm_reach_t *reach, const char *name)
{
    size_t i, count = nm_reach_mesh(reach)->actor_count;
    json_t **statuses = nm_alloc(count * sizeof *statuses);
    size_t answered_count = nm_reach_statuses(reach, statuses, S_OTHERS_MS);
    bool linked = false, left = false;
    for (size_t at = 0; at < count; at++) {
        const json_t *link, *links = json_object_get(statuses[at], "links");
        json_array_foreach(links, i, link)
        {
            if (strcmp(nm_json_text(link, "peer"), name) != 0)
                continue;
            linked = true;
            left = left || strcmp(nm_json_text(link, "state"), "left") == 0;
        }
        json_decref(statuses[at]);
    }
    free(statuses);
    return answered_count && (left || !linked);
}

static int
s_wait(nm_nctl_t *self, nm_reach_t *reach, nmesh_t *client, const char *name, int64_t wait_ms)
{
    nmesh_error_t problem;
    json_t *shown = NULL;
    int64_t end_ms = nm_when_mono() + wait_ms;
    bool left = false, answers = true;
    while (!left) {
        json_t *state = s_ask(client, &problem);
        answers = state != NULL;
        if (answers && (!shown || !json_equal(shown, state)))
            s_show(name, state);
        if (answers) {
            json_decref(shown);
            shown = state;
        }
        left = !answers && s_has_left(reach, name);
        if (!left && nm_when_mono() >= end_ms)
            break;
        if (answers)
            nm_when_sleep(S_PAUSE_MS);
    }
    if (left)
        nm_pages_done(self, shown, "%s is drained and has left", name);
    json_decref(shown);
    if (left)
        return NM_DONE;
    return answers ? nm_nctl_fail("%s still drains; it goes on by itself", name)
                   : nm_nctl_fail("%s does not answer, and nobody has heard that it left", name);
}

static int
s_drain(nm_nctl_t *self, nm_reach_t *reach, const char *name)
{
    nm_error_t error = { "" };
    nmesh_error_t problem;
    int64_t wait_ms = 0;
    const nm_mesh_actor_t *actor = nm_reach_find(reach, name, &error);
    if (!actor)
        return nm_nctl_fail("%s", error.text);
    if (nm_options_has(&self->options, "wait") &&
        nm_when_span(nm_options_text(&self->options, "wait", NULL), &wait_ms) != NM_OK)
        return nm_nctl_misused(self, "--wait takes a span such as 30s or 10m");
    nmesh_t *client = nm_reach_desk(reach, actor, &error);
    if (!client)
        return nm_nctl_fail("%s", error.text);
    json_t *state = s_ask(client, &problem);
    int code = NM_DONE;
    if (!state)
        code = nm_nctl_fail("%s does not answer; only a running actor can be drained", name);
    else if (wait_ms)
        code = s_wait(self, reach, client, name, wait_ms);
    else
        nm_pages_done(self, state, "%s takes no more work; it leaves when it has none", name);
    json_decref(state);
    nmesh_close(&client);
    return code;
}

int
nm_cmd_drain(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    int code = s_drain(self, reach, self->options.args[0]);
    nm_reach_destroy(&reach);
    return code;
}
