#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/screen.h"
#include "tools/nctl/when.h"

// clang-format off
const nm_option_t nm_tail_options[] = {
    { "since", 0, "CURSOR", "From this place on; 0: all that is kept; else from now" },
    { "id", 0, "ID", "Only of this notification" },
    { "for", 0, "SPAN", "Ends after so long" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

enum { S_WAIT_MS = 10000, S_SLACK_MS = 5000 };

//  Any gateway tells of what happens at all.
typedef struct {
    nm_nctl_t *nctl;
    nmesh_t *client;
    char cursor[NMESH_CURSOR_SIZE];
    bool ended;  //  The one notification has its final status
    bool failed;
} s_follow_t;

//  The detail is in a provider's words.
static void
s_print_line(const json_t *event)
{
    const char *detail = nm_json_text(event, "detail");
    char *shown = nm_screen_text(detail, strlen(detail));
    printf("%s %s %-16s %-10s %s\n", nm_json_text(event, "at"), nm_json_text(event, "id"), nm_json_text(event, "event"),
           nm_json_text(event, "status"), shown);
    free(shown);
}

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
            s_print_line(event);
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
    follow->ended = json_is_true(json_object_get(body, "done"));
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

//  Drives it until the time is over, it fails or nothing more can come.
static int
s_follow(s_follow_t *follow, int64_t end_ms)
{
    while (!follow->ended && nm_when_mono() < end_ms) {
        int64_t left_ms = end_ms - nm_when_mono();
        if (left_ms > 0 && !nmesh_open_count(follow->client))
            s_ask(follow, left_ms < S_WAIT_MS ? left_ms : S_WAIT_MS);
        nmesh_poll(follow->client, 50);
        if (follow->failed)
            return NM_FAILED;
    }
    return NM_DONE;
}

int
nm_cmd_tail(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    int64_t span_ms = INT64_C(100) * 366 * 86400000;
    s_follow_t follow = { .nctl = self };
    const char *span = nm_options_text(&self->options, "for", NULL);
    if (span && nm_when_span(span, &span_ms) != NM_OK)
        return nm_nctl_misused(self, "--for \"%s\": a span such as 30s was expected", span);
    snprintf(follow.cursor, sizeof follow.cursor, "%s", nm_options_text(&self->options, "since", ""));
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (reach)
        follow.client = nm_reach_door(reach, &error);
    int code = follow.client ? s_follow(&follow, nm_when_mono() + span_ms) : nm_nctl_fail("%s", error.text);
    if (span && !self->json && follow.cursor[0])
        nm_nctl_say("To go on from here: --since %s", follow.cursor);
    nmesh_close(&follow.client);
    nm_reach_destroy(&reach);
    return code;
}
