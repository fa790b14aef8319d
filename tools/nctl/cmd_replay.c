#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"

// clang-format off
const nm_option_t nm_replay_options[] = {
    { "since", 0, "TIME", "Dead at this time or later: RFC 3339, or 2h for two hours ago" },
    { "until", 0, "TIME", "Dead before this time" },
    { "reason", 0, "REASON", "rejected, retries, uncertain, template, no_provider, no_recipient, poison" },
    { "channel", 0, "CHANNEL", "Only of this channel" },
    { "provider", 0, "NAME", "Only those that this provider had last" },
    { "rate", 0, "N", "At most so many a second" },
    { "dry-run", 0, NULL, "Only counts" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

int
nm_cmd_replay(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const nm_options_t *options = &self->options;
    bool dry = nm_options_has(options, "dry-run");
    json_t *filter = json_object();
    json_t *body = json_pack("{soso}", "filter", filter, "dry_run", json_boolean(dry));
    json_t *reply;
    nm_pages_text(filter, options, "reason", "reason");
    nm_pages_text(filter, options, "channel", "channel");
    nm_pages_text(filter, options, "provider", "provider");
    if (nm_pages_time(filter, options, "since", "since", &error) != NM_OK ||
        nm_pages_time(filter, options, "until", "until", &error) != NM_OK ||
        nm_pages_number(body, options, "rate", "rate_per_second", 1000, &error) != NM_OK) {
        json_decref(body);
        return nm_nctl_misused(self, "%s", error.text);
    }
    int code = nm_reach_ask(self, "dead_letters.replay_many", body, false, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%lld dead letters match, %lld are being sent again",
                      (long long) nm_json_number(reply, "matched"), (long long) nm_json_number(reply, "replayed"));
    json_decref(reply);
    return code;
}
