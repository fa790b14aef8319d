#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"

// clang-format off
const nm_option_t nm_list_options[] = {
    { "status", 0, "STATUS", "Only with this status" },
    { "channel", 0, "CHANNEL", "Only over this channel" },
    { "user", 0, "ID", "Only to this user" },
    { "since", 0, "TIME", "Accepted at this time or later: RFC 3339, or 2h for two hours ago" },
    { "until", 0, "TIME", "Accepted before this time" },
    { "service", 0, "ID", "Only of this service" },
    { "limit", 'n', "N", "At most so many, up to 200 (50)" },
    { "cursor", 0, "CURSOR", "Goes on after a page" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "ID", "id" }, { "STATUS", "status" }, { "CHANNEL", "channel" }, { "RECIPIENT", "recipient" },
    { "PRIORITY", "priority" }, { "CREATED", "created_at" }, { "UPDATED", "updated_at" },
};
// clang-format on

int
nm_cmd_list(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const nm_options_t *options = &self->options;
    json_t *body = json_object();
    nm_pages_text(body, options, "status", "status");
    nm_pages_text(body, options, "channel", "channel");
    nm_pages_text(body, options, "user", "user_id");
    nm_pages_text(body, options, "service", "service_id");
    if (nm_pages_time(body, options, "since", "created_after", &error) != NM_OK ||
        nm_pages_time(body, options, "until", "created_before", &error) != NM_OK) {
        json_decref(body);
        return nm_nctl_misused(self, "%s", error.text);
    }
    return nm_pages_list(self, "notifications.list", body, COLUMNS, NM_COUNT(COLUMNS));
}
