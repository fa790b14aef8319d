#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/when.h"
#include <errno.h>
#include <unistd.h>

// clang-format off
const nm_option_t nm_send_options[] = {
    { "to", 0, "ADDRESS", "Sends one notification to this address" },
    { "channel", 0, "CHANNEL", "email, push, sms or whatsapp (email)" },
    { "subject", 0, "TEXT", "Subject" },
    { "content", 0, "TEXT", "Plain text" },
    { "html", 0, "TEXT", "HTML" },
    { "template", 0, "CODE", "Content by template" },
    { "priority", 0, "PRIORITY", "instant, high, normal or low" },
    { "provider", 0, "NAME", "One provider by name" },
    { "send-at", 0, "TIME", "Not before: RFC 3339, or +15m" },
    { "expires-at", 0, "TIME", "Not after: RFC 3339, or +2h" },
    { "key", 0, "KEY", "Idempotency key" },
    { "metadata", 0, "JSON", "An object that is given back and sent to webhooks" },
    { "window", 0, "N", "With JSON lines: how many may be open at once (500)" },
    { NULL, 0, NULL, NULL }
};

//  Which option becomes which field.
static const struct {
    const char *option;
    const char *field;
} TEXTS[] = {
    { "to", "recipient" }, { "subject", "subject" }, { "content", "content" }, { "html", "html" },
    { "template", "template" }, { "priority", "priority" }, { "provider", "provider" },
};
// clang-format on

//  -- One

static nm_rc_t
s_add_time(json_t *body, const nm_options_t *options, const char *option, const char *field, nm_error_t *error)
{
    char at[40];
    const char *text = nm_options_text(options, option, NULL);
    if (!text)
        return NM_OK;
    if (nm_when_time(text, nm_when_now(), at, sizeof at) != NM_OK)
        return nm_fail(error, NM_ERR_MALFORMED, "--%s \"%s\": a time as 2026-11-21T08:00:00Z or +15m was expected",
                       option, text);
    json_object_set_new(body, field, json_string(at));
    return NM_OK;
}

static json_t *
s_body(const nm_options_t *options, nm_error_t *error)
{
    json_t *body = json_object();
    json_object_set_new(body, "channel", json_string(nm_options_text(options, "channel", "email")));
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++) {
        const char *text = nm_options_text(options, TEXTS[i].option, NULL);
        if (text && json_object_set_new(body, TEXTS[i].field, json_string(text)) != 0) {
            nm_fail(error, NM_ERR_MALFORMED, "--%s: the text is not UTF-8", TEXTS[i].option);
            goto failed;
        }
    }
    if (s_add_time(body, options, "send-at", "send_at", error) != NM_OK ||
        s_add_time(body, options, "expires-at", "expires_at", error) != NM_OK)
        goto failed;
    const char *metadata = nm_options_text(options, "metadata", NULL);
    if (metadata) {
        json_t *json = nm_json_parse(nm_text(metadata), error);
        if (!json)
            goto failed;
        json_object_set_new(body, "metadata", json);
    }
    return body;

failed:
    json_decref(body);
    return NULL;
}

//  One key for all tries, so that asking again cannot send twice.
static void
s_make_key(char key[48])
{
    snprintf(key, 48, "nctl-%lld-%d", (long long) nm_when_now(), (int) getpid());
}

static int
s_send_one(nm_nctl_t *self, nmesh_t *client)
{
    nm_error_t error = { "" };
    nmesh_error_t problem;
    json_t *reply = NULL;
    char key[48];
    json_t *body = s_body(&self->options, &error);
    if (!body)
        return nm_nctl_misused(self, "%s", error.text);
    s_make_key(key);
    nmesh_ask_t ask = { .op = "notifications.create", .idempotency_key = nm_options_text(&self->options, "key", key) };
    int rc = nm_reach_ask_over(client, &ask, body, &reply, &problem);
    json_decref(body);
    if (rc != 0)
        return nm_reach_problem(&problem);
    if (self->json)
        nm_json_print(reply, false, stdout);
    else
        printf("%s %s\n", nm_json_text(reply, "id"), nm_json_text(reply, "status"));
    json_decref(reply);
    return NM_DONE;
}

//  -- Many

typedef struct {
    bool json;
    uint64_t line_count;
    uint64_t accepted_count;
    uint64_t refused_count;
    int64_t said_ms;
    int64_t started_ms;
    char key[48];
} s_run_t;

typedef struct {
    s_run_t *run;
    uint64_t line;
} s_line_t;

static void
s_refused(s_run_t *run, uint64_t line, const char *detail)
{
    run->refused_count++;
    nm_nctl_say("line %llu: %s", (unsigned long long) line, detail);
}

static void
s_on_reply(nmesh_t *client, const nmesh_reply_t *reply, void *arg)
{
    (void) client;
    s_line_t *line = arg;
    s_run_t *run = line->run;
    if (reply->status < 400) {
        char id[NMESH_ID_SIZE];
        nmesh_text(reply->body, "id", id, sizeof id);
        run->accepted_count++;
        if (run->json)
            printf("{\"line\":%llu,\"id\":\"%s\",\"status\":%u}\n", (unsigned long long) line->line, id, reply->status);
        else
            printf("%s\n", id);
    } else {
        nmesh_error_t problem;
        char text[900];
        nmesh_problem(reply, &problem);
        snprintf(text, sizeof text, "%u %s%s%s%s", problem.status, problem.fault_count ? "" : problem.detail,
                 problem.fault_count ? problem.faults[0].pointer : "", problem.fault_count ? ": " : "",
                 problem.fault_count ? problem.faults[0].detail : "");
        s_refused(run, line->line, text);
    }
    free(line);
}

static void
s_progress(s_run_t *run, bool last)
{
    int64_t now_ms = nm_when_mono();
    if (!last && (now_ms - run->said_ms < 1000 || !isatty(STDERR_FILENO)))
        return;
    run->said_ms = now_ms;
    int64_t took_ms = now_ms - run->started_ms;
    nm_nctl_say("%llu lines, %llu accepted, %llu refused, %.1f s", (unsigned long long) run->line_count,
                (unsigned long long) run->accepted_count, (unsigned long long) run->refused_count,
                (double) took_ms / 1000);
}

static void
s_submit_line(s_run_t *run, nmesh_t *client, nm_bytes_t text)
{
    nm_error_t error;
    char key[80];
    nm_buf_t packed = { 0 };
    json_t *json = nm_json_parse(text, &error);
    if (!json || nm_json_pack(json, &packed) != NM_OK) {
        s_refused(run, run->line_count, json ? "nested too deeply" : error.text);
    } else {
        s_line_t *line = nm_alloc(sizeof *line);
        *line = (s_line_t){ .run = run, .line = run->line_count };
        //  A request_id is the caller's own key; ours beside it would contradict it.
        snprintf(key, sizeof key, "%s-%llu", run->key, (unsigned long long) run->line_count);
        nmesh_ask_t ask = { .op = "notifications.create",
                            .body = { packed.at, packed.size },
                            .idempotency_key = json_object_get(json, "request_id") ? NULL : key };
        if (nmesh_submit_ask(client, &ask, s_on_reply, line) != 0) {
            s_refused(run, run->line_count, "cannot be packed");
            free(line);
        }
    }
    nm_buf_free(&packed);
    json_decref(json);
}

static int
s_send_lines(nm_nctl_t *self, nmesh_t *client, FILE *file, size_t window)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t size;
    s_run_t run = { .json = self->json, .started_ms = nm_when_mono() };
    s_make_key(run.key);
    while ((size = getline(&text, &room, file)) >= 0) {
        run.line_count++;
        if (strspn(text, " \t\r\n") == (size_t) size)
            continue;
        s_submit_line(&run, client, nm_bytes(text, (size_t) size));
        while (nmesh_open_count(client) >= window)
            nmesh_poll(client, 1000);
        s_progress(&run, false);
    }
    while (nmesh_open_count(client))
        nmesh_poll(client, 1000);
    s_progress(&run, true);
    free(text);
    return run.refused_count ? NM_FAILED : NM_DONE;
}

int
nm_cmd_send(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    uint64_t window;
    nmesh_t *client = NULL;
    FILE *file = NULL;
    int code = NM_FAILED;
    bool one = nm_options_has(&self->options, "to");
    const char *path = self->options.arg_count ? self->options.args[0] : "-";
    if (one && self->options.arg_count)
        return nm_nctl_misused(self, "--to and a FILE together: one or the other was expected");
    if (nm_options_number(&self->options, "window", 1, 10000, 500, &window, &error) != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    if (!one && !(file = strcmp(path, "-") ? fopen(path, "re") : stdin))
        return nm_nctl_fail("%s: %s", path, strerror(errno));
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (reach)
        client = nm_reach_door(reach, &error);
    if (!client)
        nm_nctl_fail("%s", error.text);
    else
        code = one ? s_send_one(self, client) : s_send_lines(self, client, file, window);
    if (file && file != stdin)
        fclose(file);
    nmesh_close(&client);
    nm_reach_destroy(&reach);
    return code;
}
