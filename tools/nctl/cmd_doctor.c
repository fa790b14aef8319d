#include "tools/nctl/doctor.h"
#include "tools/nctl/json.h"
#include "tools/nctl/look.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/when.h"

// clang-format off
const nm_option_t nm_doctor_options[] = {
    { "from", 0, "ACTOR", "As this actor sees it, instead of the first that answers" },
    { "oldest", 0, "SPAN", "Work that is held for longer is too old (5m)" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

static void
s_print(const nm_findings_t *findings, size_t actor_count)
{
    for (size_t i = 0; i < findings->count; i++) {
        const nm_finding_t *finding = &findings->at[i];
        printf("%-8s %s%s%s.\n         %s\n", nm_severity_text(finding->severity), finding->actor,
               finding->actor[0] ? " " : "", finding->text, finding->advice);
    }
    if (!findings->count)
        printf("All is well with %zu actors.\n", actor_count);
}

static void
s_print_json(const nm_findings_t *findings)
{
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++) {
        const nm_finding_t *finding = &findings->at[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "severity",
                                              nm_severity_text(finding->severity), "check", finding->check, "actor",
                                              finding->actor, "text", finding->text, "advice", finding->advice));
    }
    nm_json_print(list, false, stdout);
    json_decref(list);
}

static int
s_examine(const nm_nctl_t *self, const json_t *actors, int64_t old_ms)
{
    nm_findings_t findings = { 0 };
    nm_checkup_t checkup = { .actors = actors, .now_ms = nm_when_now(), .old_ms = old_ms };
    nm_doctor_examine(&checkup, &findings);
    if (self->json)
        s_print_json(&findings);
    else
        s_print(&findings, json_array_size(actors));
    bool bad = findings.count && findings.at[0].severity == NM_SEVERITY_ERROR;
    nm_findings_free(&findings);
    return bad ? NM_FAILED : NM_DONE;
}

int
nm_cmd_doctor(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    int64_t old_ms;
    const char *taken_from;
    nm_look_t how = { .from = nm_options_text(&self->options, "from", NULL) };
    if (nm_when_span(nm_options_text(&self->options, "oldest", "5m"), &old_ms) != NM_OK)
        return nm_nctl_misused(self, "--oldest takes a span such as 30s or 10m");
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    json_t *actors = reach ? nm_look(reach, &how, &taken_from, &error) : NULL;
    int code = actors ? s_examine(self, actors, old_ms) : nm_nctl_fail("%s", error.text);
    json_decref(actors);
    nm_reach_destroy(&reach);
    return code;
}
