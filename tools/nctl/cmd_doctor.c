#include "tools/nctl/doctor.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/look.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/probe.h"
#include "tools/nctl/when.h"
#include "wire/time.h"

enum { S_APART_MS = 400, S_PROBE_MS = 2000 };

// clang-format off
const nm_option_t nm_doctor_options[] = {
    { "from", 0, "ACTOR", "As this actor sees it, instead of the first that answers" },
    { "oldest", 0, "SPAN", "Work that is held for longer is too old (5m)" },
    { "strict", 0, NULL, "Ends with 1 for a warning too" },
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

//  JSON null for what is not known.
static json_t *
s_time(int64_t at_ms)
{
    char text[NM_TIME_TEXT_SIZE + 1];
    if (!at_ms)
        return json_null();
    nm_time_to_text(at_ms, text);
    return json_string(text);
}

static void
s_print_json(const nm_findings_t *findings)
{
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++) {
        const nm_finding_t *finding = &findings->at[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "severity",
                                              nm_severity_text(finding->severity), "check", finding->check, "actor",
                                              finding->actor, "host", finding->host, "text", finding->text, "advice",
                                              finding->advice, "since", s_time(finding->since_ms)));
    }
    nm_json_print(list, false, stdout);
    json_decref(list);
}

//  A bridge that listens for this machine alone is tried only if it is here.
static void
s_probe(const char *folder, json_t *actors)
{
    size_t i;
    json_t *actor;
    nm_error_t fault;
    json_array_foreach(actors, i, actor)
    {
        const char *url = nm_json_text(actor, "http");
        if (*url && (nm_files_is_here(folder, nm_json_text(actor, "name")) || !nm_probe_is_local(url)) &&
            nm_probe(url, S_PROBE_MS, &fault) != NM_OK)
            json_object_set_new(actor, "http_fault", json_string(fault.text));
    }
}

static size_t
s_seeds(const nm_mesh_t *mesh)
{
    size_t count = 0;
    for (size_t i = 0; i < mesh->actor_count; i++)
        count += mesh->actors[i].lobby[0] != 0;
    return count;
}

static int
s_examine(const nm_nctl_t *self, const nm_checkup_t *checkup)
{
    nm_findings_t findings = { 0 };
    nm_doctor_examine(checkup, &findings);
    if (self->json)
        s_print_json(&findings);
    else
        s_print(&findings, json_array_size(checkup->actors));
    nm_severity_t worst = nm_options_has(&self->options, "strict") ? NM_SEVERITY_WARNING : NM_SEVERITY_ERROR;
    bool bad = findings.count && findings.at[0].severity <= worst;
    nm_findings_free(&findings);
    return bad ? NM_FAILED : NM_DONE;
}

//  Looks twice, a moment apart, so that what stands still is seen to.
static int
s_look_and_examine(const nm_nctl_t *self, nm_reach_t *reach, int64_t old_ms)
{
    nm_error_t error = { "" };
    const char *taken_from;
    nm_look_t how = { .from = nm_options_text(&self->options, "from", NULL) };
    json_t *before = nm_look(reach, &how, &taken_from, &error);
    if (before)
        nm_when_sleep(S_APART_MS);
    json_t *actors = before ? nm_look(reach, &how, &taken_from, &error) : NULL;
    if (actors)
        s_probe(nm_reach_mesh(reach)->folder, actors);
    const nm_checkup_t checkup = { .actors = actors,
                                   .before = before,
                                   .now_ms = nm_when_now(),
                                   .old_ms = old_ms,
                                   .seed_count = s_seeds(nm_reach_mesh(reach)) };
    int code = actors ? s_examine(self, &checkup) : nm_nctl_fail("%s", error.text);
    json_decref(actors);
    json_decref(before);
    return code;
}

int
nm_cmd_doctor(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    int64_t old_ms;
    if (nm_when_span(nm_options_text(&self->options, "oldest", "5m"), &old_ms) != NM_OK)
        return nm_nctl_misused(self, "--oldest takes a span such as 30s or 10m");
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    int code = reach ? s_look_and_examine(self, reach, old_ms) : nm_nctl_fail("%s", error.text);
    nm_reach_destroy(&reach);
    return code;
}
