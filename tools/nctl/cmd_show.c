#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/screen.h"

//  What is shown of a record, in this order; what is absent is left out.
static const char *const FIELDS[] = { "status",   "channel",    "recipient",     "user_id",    "provider",
                                      "priority", "template",   "service_id",    "created_at", "updated_at",
                                      "send_at",  "expires_at", "correlation_id" };

static void
s_print_fields(const json_t *record)
{
    printf("%s\n", nm_json_text(record, "id"));
    for (size_t i = 0; i < NM_COUNT(FIELDS); i++) {
        const char *text = nm_json_text(record, FIELDS[i]);
        if (!*text)
            continue;
        char *shown = nm_screen_text(text, strlen(text));
        printf("  %-15s %s\n", FIELDS[i], shown);
        free(shown);
    }
}

static void
s_print_attempts(const json_t *attempts)
{
    size_t i;
    json_t *attempt;
    if (!json_array_size(attempts))
        return;
    nm_grid_t *grid = nm_grid_new(">ATTEMPT|PROVIDER|STARTED|ENDED|OUTCOME|>CODE|DETAIL");
    json_array_foreach(attempts, i, attempt)
    {
        nm_grid_add(grid, "%lld", (long long) nm_json_number(attempt, "number"));
        nm_grid_text(grid, nm_json_text(attempt, "provider"));
        nm_grid_text(grid, nm_json_text(attempt, "started_at"));
        nm_grid_text(grid, nm_json_text(attempt, "ended_at"));
        nm_grid_text(grid, nm_json_text(attempt, "outcome"));
        nm_grid_add(grid, "%lld", (long long) nm_json_number(attempt, "code"));
        nm_grid_text(grid, nm_json_text(attempt, "detail"));
    }
    printf("\n");
    nm_grid_print(grid, stdout);
    nm_grid_destroy(&grid);
}

static void
s_print_timeline(const json_t *timeline)
{
    size_t i;
    json_t *entry;
    if (!json_array_size(timeline))
        return;
    nm_grid_t *grid = nm_grid_new("AT|EVENT|DETAIL");
    json_array_foreach(timeline, i, entry)
    {
        nm_grid_text(grid, nm_json_text(entry, "at"));
        nm_grid_text(grid, nm_json_text(entry, "event"));
        nm_grid_text(grid, nm_json_text(entry, "detail"));
    }
    printf("\n");
    nm_grid_print(grid, stdout);
    nm_grid_destroy(&grid);
}

int
nm_cmd_show(nm_nctl_t *self)
{
    json_t *record;
    int code = nm_reach_ask(self, "notifications.get", json_pack("{ss}", "id", self->options.args[0]), false, &record);
    if (code != NM_DONE)
        return code;
    if (self->json) {
        nm_json_print(record, false, stdout);
    } else {
        s_print_fields(record);
        s_print_attempts(json_object_get(record, "attempts"));
        s_print_timeline(json_object_get(record, "timeline"));
    }
    json_decref(record);
    return NM_DONE;
}
