#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"

// clang-format off
const nm_option_t nm_dlq_options[] = {
    { "channel", 0, "CHANNEL", "list: only of this channel" },
    { "provider", 0, "NAME", "list: only those that this provider had last; replay: send with this one" },
    { "reason", 0, "REASON", "list: rejected, retries, uncertain, template, no_provider, no_recipient, poison" },
    { "state", 0, "STATE", "list: open (default), replayed or discarded" },
    { "since", 0, "TIME", "list: dead at this time or later" },
    { "until", 0, "TIME", "list: dead before this time" },
    { "recipient", 0, "ADDRESS", "replay: send to this address instead" },
    { "limit", 'n', "N", "list: at most so many, up to 200 (50)" },
    { "cursor", 0, "CURSOR", "list: goes on after a page" },
    { NULL, 0, NULL, NULL }
};

static const nm_column_t COLUMNS[] = {
    { "ID", "id" }, { "NOTIFICATION", "notification_id" }, { "CHANNEL", "channel" }, { "RECIPIENT", "recipient" },
    { "REASON", "reason" }, { "PROVIDER", "provider" }, { ">TRIES", "attempt_count" }, { "DIED", "created_at" },
    { "DETAIL", "detail" },
};
// clang-format on

static int
s_list(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const nm_options_t *options = &self->options;
    json_t *body = json_object();
    nm_pages_text(body, options, "channel", "channel");
    nm_pages_text(body, options, "provider", "provider");
    nm_pages_text(body, options, "reason", "reason");
    nm_pages_text(body, options, "state", "state");
    if (nm_pages_time(body, options, "since", "since", &error) != NM_OK ||
        nm_pages_time(body, options, "until", "until", &error) != NM_OK) {
        json_decref(body);
        return nm_nctl_misused(self, "%s", error.text);
    }
    return nm_pages_list(self, "dead_letters.list", body, COLUMNS, NM_COUNT(COLUMNS));
}

static int
s_show(nm_nctl_t *self, json_t *body)
{
    json_t *letter;
    int code = nm_reach_ask(self, "dead_letters.get", body, false, &letter);
    if (code == NM_DONE)
        nm_json_print(letter, !self->json, stdout);
    json_decref(letter);
    return code;
}

static int
s_replay(nm_nctl_t *self, json_t *body)
{
    json_t *reply;
    nm_pages_text(body, &self->options, "recipient", "recipient");
    nm_pages_text(body, &self->options, "provider", "provider");
    int code = nm_reach_ask(self, "dead_letters.replay", body, false, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s is being sent again", self->options.args[1]);
    json_decref(reply);
    return code;
}

static int
s_discard(nm_nctl_t *self, json_t *body)
{
    json_t *reply;
    int code = nm_reach_ask(self, "dead_letters.discard", body, false, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s is discarded", self->options.args[1]);
    json_decref(reply);
    return code;
}

int
nm_cmd_dlq(nm_nctl_t *self)
{
    const char *verb = self->options.args[0];
    if (strcmp(verb, "list") == 0)
        return s_list(self);
    static const struct {
        const char *verb;
        int (*run)(nm_nctl_t *self, json_t *body);
    } VERBS[] = { { "show", s_show }, { "replay", s_replay }, { "discard", s_discard } };
    for (size_t i = 0; i < NM_COUNT(VERBS); i++) {
        if (strcmp(verb, VERBS[i].verb) != 0)
            continue;
        if (self->options.arg_count < 2)
            return nm_nctl_misused(self, "%s needs the id of a dead letter", verb);
        return VERBS[i].run(self, json_pack("{ss}", "id", self->options.args[1]));
    }
    return nm_nctl_misused(self, "\"%s\": list, show, replay or discard was expected", verb);
}
