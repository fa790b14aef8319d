#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/when.h"
#include <poll.h>

// clang-format off
const nm_option_t nm_tail_options[] = {
    { "since", 0, "CURSOR", "From this place on (it belongs to one gateway); 0: all that is kept; else from now" },
    { "id", 0, "ID", "Only of this notification" },
    { "for", 0, "SPAN", "Ends after so long" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

enum { S_WAIT_MS = 10000, S_SLACK_MS = 5000, S_GATEWAY_MAX = 64 };

//  A gateway tells of what it accepted itself, so each is followed on its own.
typedef struct {
    nm_nctl_t *nctl;
    nmesh_t *client;
    char cursor[NMESH_CURSOR_SIZE];
    bool ended;  //  The one notification has its final status
    bool failed;
} s_follow_t;

static void
s_print(const nm_nctl_t *self, const json_t *items)
{
    size_t i;
    json_t *event;
    json_array_foreach(items, i, event)
    {
        if (self->json)
            nm_json_print(event, false, stdout);
        else
            printf("%s %s %-16s %-10s %s\n", nm_json_text(event, "at"), nm_json_text(event, "id"),
                   nm_json_text(event, "event"), nm_json_text(event, "status"), nm_json_text(event, "detail"));
    }
    fflush(stdout);
}

static void
s_on_events(nmesh_t *client, const nmesh_reply_t *reply, void *arg)
{
    (void) client;
    s_follow_t *follow = arg;
    if (reply->status != 200) {
        nmesh_error_t problem;
        nmesh_problem(reply, &problem);
        nm_reach_problem(&problem);
        follow->failed = true;
        return;
    }
    json_t *body = nm_json_unpack(nm_bytes(reply->body.at, reply->body.size));
    s_print(follow->nctl, json_object_get(body, "items"));
    snprintf(follow->cursor, sizeof follow->cursor, "%s", nm_json_text(body, "next_cursor"));
    follow->ended = json_is_true(json_object_get(body, "final"));
    json_decref(body);
}

//  One long poll.
static void
s_ask(s_follow_t *follow, int64_t wait_ms)
{
    nm_buf_t packed = { 0 };
    json_t *body = json_pack("{sIsi}", "wait_ms", (json_int_t) wait_ms, "limit", 200);
    const char *id = nm_options_text(&follow->nctl->options, "id", NULL);
    if (follow->cursor[0])
        json_object_set_new(body, "after", json_string(follow->cursor));
    if (id)
        json_object_set_new(body, "notification", json_string(id));
    nm_json_pack(body, &packed);
    nmesh_ask_t ask = { .op = "events.read",
                        .body = { packed.at, packed.size },
                        .timeout_ms = (int) wait_ms + 6 * S_SLACK_MS,
                        .silence_ms = (int) wait_ms + S_SLACK_MS };
    follow->failed = nmesh_submit_ask(follow->client, &ask, s_on_events, follow) != 0;
    nm_buf_free(&packed);
    json_decref(body);
}

//  Opens a client for each gateway; a cursor says whose it is by the number in front.
static size_t
s_open(nm_nctl_t *self, nm_reach_t *reach, s_follow_t *follows, nm_error_t *error)
{
    size_t count = 0;
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    const char *since = nm_options_text(&self->options, "since", "");
    unsigned long number = strtoul(since, NULL, 10);
    nm_fail(error, NM_ERR_MISSING, "--since \"%s\": no gateway of this mesh has the number in front of it", since);
    for (size_t i = 0; i < mesh->actor_count && count < S_GATEWAY_MAX; i++) {
        const nm_mesh_actor_t *actor = &mesh->actors[i];
        if (actor->role != NM_ROLE_GATEWAY || (strchr(since, '-') && actor->number != number))
            continue;
        follows[count] = (s_follow_t){ .nctl = self, .client = nm_reach_gateway(reach, actor, error) };
        snprintf(follows[count].cursor, sizeof follows[count].cursor, "%s", since);
        count += follows[count].client != NULL;
    }
    return count;
}

//  Drives all until the time is over, one fails or nothing more can come.
static int
s_follow_all(s_follow_t *follows, size_t count, int64_t end_ms)
{
    struct pollfd fds[S_GATEWAY_MAX];
    size_t going_count = count;
    while (going_count && nm_when_mono() < end_ms) {
        going_count = 0;
        for (size_t i = 0; i < count; i++) {
            int64_t left_ms = end_ms - nm_when_mono();
            if (!follows[i].ended && left_ms > 0 && !nmesh_open_count(follows[i].client))
                s_ask(&follows[i], left_ms < S_WAIT_MS ? left_ms : S_WAIT_MS);
            nmesh_poll(follows[i].client, 0);
            if (follows[i].failed)
                return NM_FAILED;
            going_count += !follows[i].ended;
            fds[i] = (struct pollfd){ .fd = nmesh_fd(follows[i].client), .events = POLLIN };
        }
        poll(fds, count, 50);
    }
    return NM_DONE;
}

int
nm_cmd_tail(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    int64_t span_ms = INT64_C(100) * 366 * 86400000;
    s_follow_t follows[S_GATEWAY_MAX];
    size_t count = 0;
    int code;
    const char *span = nm_options_text(&self->options, "for", NULL);
    if (span && nm_when_span(span, &span_ms) != NM_OK)
        return nm_nctl_misused(self, "--for \"%s\": a span such as 30s was expected", span);
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (reach)
        count = s_open(self, reach, follows, &error);
    code = count ? s_follow_all(follows, count, nm_when_mono() + span_ms) : nm_nctl_fail("%s", error.text);
    for (size_t i = 0; i < count; i++) {
        if (span && !self->json && follows[i].cursor[0])
            nm_nctl_say("To go on from here: --since %s", follows[i].cursor);
        nmesh_close(&follows[i].client);
    }
    nm_reach_destroy(&reach);
    return code;
}
