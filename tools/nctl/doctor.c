#include "tools/nctl/doctor.h"
#include "broker/roles.h"
#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/picture.h"

enum {
    S_STALL_MS = 10000,         //  Mail that nobody has received for so long
    S_CLOCK_MS = 500,           //  Clocks may differ by so much
    S_CLOCK_BAD_MS = 30000,     //  ... and beyond this, times in the records mislead
    S_YOUNG_MS = 60 * 1000,     //  Started just now ...
    S_SETTLED_MS = 600 * 1000,  //  ... in a mesh that runs for so long
    S_DAY_MS = 24 * 60 * 60 * 1000,
    S_CERT_DAYS = 30,
    S_CERT_BAD_DAYS = 7,
    S_HTTP_CERT_DAYS = 14,  //  Of certificates for HTTP: who renews them by itself has done so by then
    S_HTTP_CERT_BAD_DAYS = 3,
    S_FILES_BASE = 64,  //  What an actor opens beside its peers
    S_FILES_EACH = 6,   //  Sockets and their ends, for each actor of the mesh
    S_FILES_PERCENT = 80,
    S_CALL_MS = 120 * 1000,  //  No call of a provider takes so long
    S_LOST_COUNT = 10,       //  Deliveries given up, at least so many ...
    S_LOST_PERCENT = 10,     //  ... of those that ended
    S_REFUSED_COUNT = 3,     //  Asks refused for one reason, between two looks
    S_BACKUP_DAYS = 7,
};

#define MIB (INT64_C(1024) * 1024)

//  A row's check adds what it finds by these, through the run.
typedef struct {
    const nm_checkup_t *checkup;
    nm_findings_t *findings;
    const char *check;
} s_run_t;

__attribute__((format(printf, 5, 6))) static void
s_find(s_run_t *run, nm_severity_t severity, const json_t *actor, const char *advice, const char *format, ...)
{
    nm_findings_t *findings = run->findings;
    if (findings->count == findings->room) {
        findings->room = findings->room ? findings->room * 2 : 16;
        findings->at = nm_realloc(findings->at, findings->room * sizeof *findings->at);
    }
    nm_finding_t *finding = &findings->at[findings->count++];
    va_list args;
    *finding = (nm_finding_t){ .severity = severity, .check = run->check };
    nm_bytes_to_text(nm_text(nm_json_text(actor, "name")), finding->actor, sizeof finding->actor);
    nm_bytes_to_text(nm_text(nm_json_text(actor, "host")), finding->host, sizeof finding->host);
    snprintf(finding->advice, sizeof finding->advice, "%s", advice);
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    //  Names in it come from the mesh, and may not move the cursor of whoever looks
    for (char *at = finding->text; *at; at++)
        *at = (unsigned char) *at < 0x20 || *at == 0x7F ? '?' : *at;
}

//  What was found last has been so for this long.
static void
s_lasts(s_run_t *run, int64_t ms)
{
    if (ms > 0)
        run->findings->at[run->findings->count - 1].since_ms = run->checkup->now_ms - ms;
}

static bool
s_is(const json_t *object, const char *name, const char *text)
{
    return strcmp(nm_json_text(object, name), text) == 0;
}

static bool
s_speaks(const json_t *actor)
{
    return !json_is_true(json_object_get(actor, "silent"));
}

//  -- Of one actor

static void
s_check_silent(s_run_t *run, const json_t *actor)
{
    char text[16];
    int64_t heard_ms = nm_json_number(actor, "last_heard_ms");
    if (!nm_picture_misses(actor) || s_is(actor, "membership", "uncertified"))
        return;
    nm_grid_span(heard_ms, text);
    s_find(run, NM_SEVERITY_ERROR, actor,
           "Look on its host whether it runs, and what its log says last (systemctl status nmesh@NAME; under nctl up: "
           "log/NAME.log). nctl up, or systemctl start, starts it. If machine and disk are gone for good: nctl forget.",
           "does not answer on host %s: it is down, frozen, or cut off%s%s%s", nm_json_text(actor, "host"),
           heard_ms ? "; it was last heard " : "", heard_ms ? text : "", heard_ms ? " ago" : "");
    s_lasts(run, heard_ms);
}

static long long
s_days_or_hours(int64_t ms)
{
    return (long long) (ms >= 2 * S_DAY_MS ? ms / S_DAY_MS : ms / 3600000);
}

static const char *
s_days_or_hours_word(int64_t ms)
{
    return ms >= 2 * S_DAY_MS ? "days" : "hours";
}

static void
s_check_certificate(s_run_t *run, const json_t *actor)
{
    int64_t not_after_ms = nm_json_number(actor, "not_after_ms");
    int64_t left_ms = not_after_ms - run->checkup->now_ms;
    if (s_is(actor, "membership", "uncertified"))
        s_find(run, NM_SEVERITY_WARNING, actor,
               "nctl cert list tells why; nctl cert issue makes one. Was it revoked for good: take it out of the mesh "
               "file.",
               "has no certificate that is valid: nobody lets it in");
    else if (not_after_ms && left_ms <= 0 && nm_picture_misses(actor))
        s_find(run, NM_SEVERITY_ERROR, actor, "nctl cert renew, then start it.", "has a certificate that has ended");
    else if (not_after_ms && left_ms <= (int64_t) S_CERT_DAYS * S_DAY_MS &&
             (s_speaks(actor) || nm_picture_misses(actor)))
        s_find(run, left_ms <= (int64_t) S_CERT_BAD_DAYS * S_DAY_MS ? NM_SEVERITY_ERROR : NM_SEVERITY_WARNING, actor,
               "nctl cert renew; the running actor goes by the new one at once.",
               "has a certificate that ends in %lld %s", s_days_or_hours(left_ms), s_days_or_hours_word(left_ms));
}

static void
s_check_store(s_run_t *run, const json_t *actor)
{
    const json_t *store = json_object_get(actor, "store");
    char used[16], quota[16], free_space[16];
    nm_grid_bytes((uint64_t) nm_json_number(store, "used"), used);
    nm_grid_bytes((uint64_t) nm_json_number(store, "quota"), quota);
    nm_grid_bytes((uint64_t) nm_json_number(store, "free_space"), free_space);
    if (json_is_true(json_object_get(store, "critical")))
        s_find(run, NM_SEVERITY_ERROR, actor, "Make space on its disk, or raise the quota of its store, now.",
               "has a store that is all but full: %s of %s used, %s free on the disk; its ballast has been given up",
               used, quota, free_space);
    else if (json_is_true(json_object_get(store, "tight")))
        s_find(run, NM_SEVERITY_ERROR, actor,
               "Make space on its disk, or raise the quota of its store; see what holds the backlog up.",
               "refuses new work, its store is tight: %s of %s used, %s free on the disk", used, quota, free_space);
}

static void
s_check_disk(s_run_t *run, const json_t *actor)
{
    const json_t *store = json_object_get(actor, "store");
    int64_t free_space = nm_json_number(store, "free_space");
    char text[16];
    if (!s_speaks(actor) || json_is_true(json_object_get(store, "tight")) || free_space >= 512 * MIB)
        return;
    nm_grid_bytes((uint64_t) free_space, text);
    s_find(run, NM_SEVERITY_WARNING, actor, "Make space before the reserve is reached.", "has only %s free on its disk",
           text);
}

static void
s_check_backlog(s_run_t *run, const json_t *actor)
{
    int64_t oldest_ms = nm_json_number(actor, "oldest_ms");
    char text[16];
    if (oldest_ms <= run->checkup->old_ms)
        return;
    nm_grid_span(oldest_ms, text);
    s_find(run, NM_SEVERITY_WARNING, actor,
           "See what its work waits for: providers, other actors, or more of its role (nctl launch).",
           "holds %lld, the oldest for %s", (long long) nm_json_number(actor, "backlog"), text);
    s_lasts(run, oldest_ms);
}

static void
s_check_breaker(s_run_t *run, const json_t *actor)
{
    const json_t *providers = json_object_get(actor, "providers");
    for (size_t i = 0; i < json_array_size(providers); i++) {
        const json_t *provider = json_array_get(providers, i);
        if (json_is_true(json_object_get(provider, "active")) && !s_is(provider, "breaker", "closed"))
            s_find(run, NM_SEVERITY_ERROR, actor,
                   "See whether the provider is up and lets us in; the breaker tries again by itself.",
                   "calls the provider %s no more, its breaker is %s after %lld failures",
                   nm_json_text(provider, "name"), nm_json_text(provider, "breaker"),
                   (long long) nm_json_number(provider, "failures"));
    }
}

static void
s_check_providers(s_run_t *run, const json_t *actor)
{
    const json_t *providers = json_object_get(actor, "providers");
    bool active = false;
    for (size_t i = 0; i < json_array_size(providers); i++)
        active |= json_is_true(json_object_get(json_array_get(providers, i), "active"));
    if (providers && !active)
        s_find(run, NM_SEVERITY_ERROR, actor, "nctl provider list, then create or patch --active yes.",
               "has no active provider: nothing can leave through it");
}

static void
s_check_links(s_run_t *run, const json_t *actor)
{
    const json_t *links = json_object_get(actor, "links");
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *link = json_array_get(links, i);
        if (s_is(link, "state", "rolled"))
            s_find(run, NM_SEVERITY_ERROR, actor,
                   "The peer's store went back in time: put a copy back only by nctl restore.",
                   "has stopped its link to %s, whose store is older than what it had said",
                   nm_json_text(link, "peer"));
        else if (s_is(link, "state", "blocked"))
            s_find(run, NM_SEVERITY_ERROR, actor,
                   "Its log says what came: the peer is of another version, or not what it seems.",
                   "has cut off %s for bad frames", nm_json_text(link, "peer"));
    }
}

static void
s_check_one_sided(s_run_t *run, const json_t *actor)
{
    const json_t *links = json_object_get(actor, "links");
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *link = json_array_get(links, i);
        const json_t *peer = nm_picture_find(run->checkup->actors, nm_json_text(link, "peer"));
        const json_t *others = json_object_get(peer, "links");
        for (size_t k = 0; s_is(link, "state", "up") && k < json_array_size(others); k++) {
            const json_t *other = json_array_get(others, k);
            if (s_is(other, "peer", nm_json_text(actor, "name")) && !s_is(other, "state", "up"))
                s_find(run, NM_SEVERITY_WARNING, actor,
                       "Look again in a few seconds; if it stays, a firewall lets one way pass only.",
                       "hears %s, which finds it %s: the link works one way", nm_json_text(link, "peer"),
                       nm_json_text(other, "state"));
        }
    }
}

static void
s_check_stalled(s_run_t *run, const json_t *actor)
{
    const json_t *links = json_object_get(actor, "links");
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *link = json_array_get(links, i);
        int64_t stalled_ms = nm_json_number(link, "stalled_ms");
        char text[16];
        if (!s_is(link, "state", "up") || stalled_ms < S_STALL_MS)
            continue;
        nm_grid_span(stalled_ms, text);
        s_find(run, NM_SEVERITY_WARNING, actor,
               "See what the peer is busy with; if it is slow for good, add more of its role.",
               "waits for %s to take in %lld mails, for %s now; credit %lld", nm_json_text(link, "peer"),
               (long long) nm_json_number(link, "open"), text, (long long) nm_json_number(link, "credit"));
        s_lasts(run, stalled_ms);
    }
}

//  Somebody to whom the mail can go: "role:email", "peer:email-1".
static bool
s_lane_is_served(const json_t *actors, const char *lane)
{
    bool role = strncmp(lane, "role:", 5) == 0;
    for (size_t i = 0; i < json_array_size(actors); i++) {
        const json_t *actor = json_array_get(actors, i);
        if (s_speaks(actor) && s_is(actor, role ? "role" : "name", lane + 5))
            return true;
    }
    return false;
}

static void
s_check_waiting(s_run_t *run, const json_t *actor)
{
    const json_t *lanes = json_object_get(actor, "waiting");
    for (size_t i = 0; i < json_array_size(lanes); i++) {
        const json_t *lane = json_array_get(lanes, i);
        const char *text = nm_json_text(lane, "lane");
        if (nm_json_number(lane, "count") && strlen(text) > 5 && !s_lane_is_served(run->checkup->actors, text))
            s_find(run, NM_SEVERITY_ERROR, actor, "Start one, or nctl launch another. Nothing is lost meanwhile.",
                   "keeps %lld mails for %s, and nobody of that kind is there",
                   (long long) nm_json_number(lane, "count"), text + 5);
    }
}

static void
s_check_quarantine(s_run_t *run, const json_t *actor)
{
    int64_t count = nm_picture_metric(actor, "nmesh_mail_quarantined_total", NULL);
    if (count)
        s_find(run, NM_SEVERITY_WARNING, actor,
               "Its log names them; usually a newer version speaks to an older one: upgrade it.",
               "has set aside %lld mails that it cannot read", (long long) count);
}

static void
s_check_gaps(s_run_t *run, const json_t *actor)
{
    int64_t count = nm_picture_metric(actor, "nmesh_mail_gap_total", NULL);
    if (count)
        s_find(run, NM_SEVERITY_WARNING, actor, "Expected after a restore; else keep its log and tell the authors.",
               "has met %lld gaps in the numbers of its peers", (long long) count);
}

static void
s_check_dead_letters(s_run_t *run, const json_t *actor)
{
    int64_t count = nm_json_number(actor, "open");
    if (s_is(actor, "role", "deadletter") && count)
        s_find(run, NM_SEVERITY_NOTE, actor, "nctl dlq list, then replay or discard.",
               "keeps %lld dead letters that nobody has looked after", (long long) count);
}

static void
s_check_clock(s_run_t *run, const json_t *actor)
{
    int64_t off_ms = nm_json_number(actor, "clock_off_ms");
    int64_t least_ms = llabs(off_ms) - nm_json_number(actor, "clock_error_ms");
    char text[16];
    if (least_ms < S_CLOCK_MS)
        return;
    nm_grid_span(llabs(off_ms), text);
    s_find(run, least_ms >= S_CLOCK_BAD_MS ? NM_SEVERITY_ERROR : NM_SEVERITY_WARNING, actor,
           "See that its machine keeps time (chrony, systemd-timesyncd).",
           "has a clock that is %s %s that of the actor that was asked", text, off_ms > 0 ? "ahead of" : "behind");
}

static void
s_check_files(s_run_t *run, const json_t *actor)
{
    int64_t limit = nm_json_number(actor, "file_limit");
    int64_t needed = S_FILES_BASE + S_FILES_EACH * (int64_t) json_array_size(run->checkup->actors);
    if (limit && limit < needed)
        s_find(run, NM_SEVERITY_WARNING, actor, "Raise LimitNOFILE of its unit, or ulimit -n.",
               "may open %lld files, and a mesh of this size can want %lld", (long long) limit, (long long) needed);
}

static void
s_check_recovery(s_run_t *run, const json_t *actor)
{
    const char *name = nm_json_text(actor, "recovering");
    if (*name)
        s_find(run, NM_SEVERITY_NOTE, actor, "Wait; it ends by itself.", "accounts for what %s had, %lld to go", name,
               (long long) nm_json_number(actor, "unaccounted"));
}

static void
s_check_draining(s_run_t *run, const json_t *actor)
{
    if (s_is(actor, "state", "draining"))
        s_find(run, NM_SEVERITY_NOTE, actor, "Wait; it leaves when it has none.", "drains, and still holds %lld",
               (long long) nm_json_number(actor, "backlog"));
}

//  -- Of one actor, by its figures

//  How much a counter has grown since the look before; 0 if there was none, or another process.
static int64_t
s_grown(const s_run_t *run, const json_t *actor, const char *figure, const char *value)
{
    const json_t *before = nm_picture_find(run->checkup->before, nm_json_text(actor, "name"));
    if (!before || !json_object_get(before, "metrics") ||
        nm_json_number(before, "boot") != nm_json_number(actor, "boot"))
        return 0;
    return nm_picture_metric(actor, figure, value) - nm_picture_metric(before, figure, value);
}

//  Between two looks it had what it could start, and started nothing.
static void
s_check_stuck(s_run_t *run, const json_t *actor)
{
    const json_t *before = nm_picture_find(run->checkup->before, nm_json_text(actor, "name"));
    int64_t ready = nm_picture_metric(actor, "nmesh_deliveries", "ready");
    int64_t oldest_ms = nm_picture_metric(actor, "nmesh_deliveries_oldest_seconds", "ready");
    char text[16];
    if (!before || !ready || !nm_picture_metric(before, "nmesh_deliveries", "ready") || oldest_ms < S_STALL_MS ||
        nm_picture_metric(actor, "nmesh_deliveries", "calling") ||
        s_grown(run, actor, "nmesh_attempts_total", "started"))
        return;
    nm_grid_span(oldest_ms, text);
    s_find(run, NM_SEVERITY_ERROR, actor, "That should not be. Keep its log, restart it, and tell the authors.",
           "is stuck: %lld deliveries are ready to go, the oldest for %s, and it starts none", (long long) ready, text);
    s_lasts(run, oldest_ms);
}

static void
s_check_calls(s_run_t *run, const json_t *actor)
{
    int64_t oldest_ms = nm_picture_metric(actor, "nmesh_deliveries_oldest_seconds", "calling");
    char text[16];
    if (!nm_picture_metric(actor, "nmesh_deliveries", "calling") || oldest_ms < S_CALL_MS ||
        s_grown(run, actor, "nmesh_attempts_total", NULL))
        return;
    nm_grid_span(oldest_ms, text);
    s_find(run, NM_SEVERITY_WARNING, actor, "See how its providers are; a time-out (timeout_ms) ends such calls.",
           "waits for answers of providers: the oldest of these deliveries is here for %s, and none ends", text);
    s_lasts(run, oldest_ms);
}

static void
s_check_lost(s_run_t *run, const json_t *actor)
{
    int64_t lost = nm_picture_metric(actor, "nmesh_dead_letters_total", NULL);
    int64_t sent = nm_picture_metric(actor, "nmesh_attempts_total", "sent");
    char text[16];
    if (lost < S_LOST_COUNT || lost * 100 < (lost + sent) * S_LOST_PERCENT)
        return;
    nm_grid_span(nm_json_number(actor, "uptime_ms"), text);
    s_find(run, NM_SEVERITY_WARNING, actor, "nctl dlq list tells why; replay when what was wrong is mended.",
           "has given up %lld deliveries for good and sent %lld, within %s", (long long) lost, (long long) sent, text);
    s_lasts(run, nm_json_number(actor, "uptime_ms"));
}

static void
s_check_refusals(s_run_t *run, const json_t *actor)
{
    static const struct {
        const char *status, *what, *advice;
    } ROWS[] = {
        { "429", "because they are over a limit or locked out",
          "See which service it is (nctl service list), and raise its limits if it may; a lock-out ends by itself." },
        { "401", "because of wrong credentials",
          "A client goes on with a key that was revoked, or somebody guesses; who does is locked out." },
        { "503", "because an actor that is needed is away", "See which actors are silent." },
        { "507", "because its store is full", "Make space on its disk, or raise the quota of its store." },
    };
    for (size_t i = 0; i < NM_COUNT(ROWS); i++) {
        int64_t count = s_grown(run, actor, "nmesh_answers_total", ROWS[i].status);
        if (count >= S_REFUSED_COUNT)
            s_find(run, NM_SEVERITY_WARNING, actor, ROWS[i].advice, "has just refused %lld asks with %s, %s",
                   (long long) count, ROWS[i].status, ROWS[i].what);
    }
}

static void
s_check_locked_out(s_run_t *run, const json_t *actor)
{
    int64_t count = nm_picture_metric(actor, "nmesh_locked_out", NULL);
    if (count)
        s_find(run, NM_SEVERITY_WARNING, actor,
               "A client goes on with a key that was revoked, or somebody guesses. It ends two hours after the first "
               "wrong one.",
               "has locked out %lld clients for wrong credentials", (long long) count);
}

static void
s_check_books(s_run_t *run, const json_t *actor)
{
    static const char *const BOOKS[] = { "services", "providers" };
    for (size_t i = 0; i < NM_COUNT(BOOKS); i++)
        if (nm_picture_metric(actor, "nmesh_book_owner_away", BOOKS[i]))
            s_find(run, NM_SEVERITY_WARNING, actor,
                   "Start it. All works on by the copies; if it is gone for good: nctl book promote.",
                   "does not reach the owner of the book of %s: nothing in it can be changed", BOOKS[i]);
}

static void
s_check_open_files(s_run_t *run, const json_t *actor)
{
    int64_t limit = nm_picture_metric(actor, "nmesh_files_limit", NULL);
    int64_t open = nm_picture_metric(actor, "nmesh_files_open", NULL);
    if (limit && open * 100 >= limit * S_FILES_PERCENT)
        s_find(run, NM_SEVERITY_ERROR, actor,
               "Raise LimitNOFILE of its unit, or ulimit -n; see who holds so many connections.",
               "has %lld files and sockets open, of %lld that it may", (long long) open, (long long) limit);
}

static void
s_check_backup(s_run_t *run, const json_t *actor)
{
    int64_t at_ms = nm_picture_metric(actor, "nmesh_backup_timestamp_seconds", NULL);
    int64_t age_ms = run->checkup->now_ms - at_ms;
    if (!at_ms || age_ms < (int64_t) S_BACKUP_DAYS * S_DAY_MS)
        return;
    s_find(run, NM_SEVERITY_NOTE, actor, "nctl backup, or see why whoever did that does it no more.",
           "made its last backup %lld days ago", (long long) (age_ms / S_DAY_MS));
    s_lasts(run, age_ms);
}

//  Whoever took the picture has tried it: http_fault says what came of it.
static void
s_check_http(s_run_t *run, const json_t *actor)
{
    const char *fault = nm_json_text(actor, "http_fault");
    if (*fault)
        s_find(run, NM_SEVERITY_ERROR, actor, "See that it listens, and that no firewall stands before it.",
               "does not answer at %s: %s", nm_json_text(actor, "http"), fault);
}

static void
s_check_https(s_run_t *run, const json_t *actor)
{
    static const char ADVICE[] =
        "Replace the files of http/tls in the mesh file: the bridge takes them without a restart.";
    int64_t ends_ms = nm_picture_metric(actor, "nmesh_http_certificate_expiry_timestamp_seconds", NULL);
    int64_t left_ms = ends_ms - run->checkup->now_ms;
    if (!ends_ms || left_ms > (int64_t) S_HTTP_CERT_DAYS * S_DAY_MS)
        return;
    if (left_ms <= 0)
        s_find(run, NM_SEVERITY_ERROR, actor, ADVICE, "shows HTTP clients a certificate that has ended");
    else
        s_find(run, left_ms <= (int64_t) S_HTTP_CERT_BAD_DAYS * S_DAY_MS ? NM_SEVERITY_ERROR : NM_SEVERITY_WARNING,
               actor, ADVICE, "shows HTTP clients a certificate that ends in %lld %s", s_days_or_hours(left_ms),
               s_days_or_hours_word(left_ms));
}

//  -- Of the mesh

static int64_t
s_longest_uptime(const json_t *actors)
{
    int64_t longest_ms = 0;
    for (size_t i = 0; i < json_array_size(actors); i++) {
        int64_t uptime_ms = nm_json_number(json_array_get(actors, i), "uptime_ms");
        longest_ms = uptime_ms > longest_ms ? uptime_ms : longest_ms;
    }
    return longest_ms;
}

static void
s_check_restarted(s_run_t *run, const json_t *actor)
{
    char text[16];
    int64_t uptime_ms = nm_json_number(actor, "uptime_ms");
    if (!s_speaks(actor) || uptime_ms >= S_YOUNG_MS || s_longest_uptime(run->checkup->actors) < S_SETTLED_MS)
        return;
    nm_grid_span(uptime_ms, text);
    s_find(run, NM_SEVERITY_NOTE, actor, "If nobody did that, its log says why the last process ended.",
           "was started %s ago, in a mesh that runs for longer", text);
    s_lasts(run, uptime_ms);
}

static void
s_check_numbers(s_run_t *run, const json_t *actor)
{
    const json_t *actors = run->checkup->actors;
    int64_t number = nm_json_number(actor, "number");
    for (size_t i = 0; number && i < json_array_size(actors); i++) {
        const json_t *other = json_array_get(actors, i);
        if (s_is(other, "role", "gateway") && nm_json_number(other, "number") == number &&
            !s_is(other, "state", "forgotten") && strcmp(nm_json_text(other, "name"), nm_json_text(actor, "name")) > 0)
            s_find(run, NM_SEVERITY_ERROR, actor, "Give one of them another number, before it accepts anything more.",
                   "has number %lld, and so has %s: ids do not tell whose they are", (long long) number,
                   nm_json_text(other, "name"));
    }
}

static void
s_check_version(s_run_t *run, const json_t *actor)
{
    const json_t *actors = run->checkup->actors;
    for (size_t i = 0; i < json_array_size(actors) && s_speaks(actor); i++) {
        const json_t *other = json_array_get(actors, i);
        if (!s_speaks(other) || s_is(other, "version", nm_json_text(actor, "version")))
            continue;
        //  Told once: of the first that differs from the first of all
        if (actor == json_array_get(actors, 0))
            s_find(run, NM_SEVERITY_NOTE, NULL, "Fine during an upgrade; finish it.",
                   "%s runs version %s and %s runs %s: several versions are on the mesh", nm_json_text(actor, "name"),
                   nm_json_text(actor, "version"), nm_json_text(other, "name"), nm_json_text(other, "version"));
        return;
    }
}

//  Somebody of that role is meant to be there.
static bool
s_has_role(const json_t *actors, const char *role)
{
    for (size_t i = 0; i < json_array_size(actors); i++) {
        const json_t *actor = json_array_get(actors, i);
        if (s_is(actor, "role", role) && (s_speaks(actor) || nm_picture_misses(actor)))
            return true;
    }
    return false;
}

//  Those without whom a mesh lacks something. Who is silent is told of as such.
static void
s_check_roles(s_run_t *run, const json_t *actor)
{
    static const struct {
        const char *role;
        nm_severity_t severity;
        const char *what, *advice;
    } ROWS[] = {
        { "gateway", NM_SEVERITY_ERROR, "nothing is accepted", "nctl launch gateway." },
        { "router", NM_SEVERITY_ERROR, "what is accepted stays with the gateways", "nctl launch router." },
        { "deadletter", NM_SEVERITY_WARNING, "what fails for good waits at who gave it up", "nctl launch deadletter." },
        { "user", NM_SEVERITY_WARNING, "services, keys and providers cannot be changed", "nctl launch user." },
        { "bridge", NM_SEVERITY_NOTE, "there is no HTTP", "nctl launch bridge, if clients are to speak HTTP." },
    };
    if (actor != json_array_get(run->checkup->actors, 0))
        return;
    for (size_t i = 0; i < NM_COUNT(ROWS); i++)
        if (!s_has_role(run->checkup->actors, ROWS[i].role))
            s_find(run, ROWS[i].severity, NULL, ROWS[i].advice, "the mesh has no %s: %s", ROWS[i].role, ROWS[i].what);
}

//  On one machine nobody needs one: launch and up share its folder.
static void
s_check_seeds(s_run_t *run, const json_t *actor)
{
    const json_t *first = json_array_get(run->checkup->actors, 0);
    bool next_host = !s_is(actor, "host", nm_json_text(first, "host"));
    for (size_t i = 0; next_host && json_array_get(run->checkup->actors, i) != actor; i++)
        next_host = s_is(json_array_get(run->checkup->actors, i), "host", nm_json_text(first, "host"));
    if (next_host && !run->checkup->seed_count)
        s_find(run, NM_SEVERITY_NOTE, NULL,
               "Give an actor or two of the mesh file a lobby, if actors are to be launched on other machines.",
               "no actor has a lobby: nobody from another machine gets in");
}

static const struct {
    const char *name;
    void (*check)(s_run_t *run, const json_t *actor);  //  Called for each actor
} CHECKS[] = {
    { "silent", s_check_silent },       { "certificate", s_check_certificate },
    { "store", s_check_store },         { "disk", s_check_disk },
    { "backlog", s_check_backlog },     { "breaker", s_check_breaker },
    { "providers", s_check_providers }, { "links", s_check_links },
    { "one-sided", s_check_one_sided }, { "stalled", s_check_stalled },
    { "waiting", s_check_waiting },     { "quarantine", s_check_quarantine },
    { "gaps", s_check_gaps },           { "dead-letters", s_check_dead_letters },
    { "clock", s_check_clock },         { "files", s_check_files },
    { "recovery", s_check_recovery },   { "draining", s_check_draining },
    { "restarted", s_check_restarted }, { "numbers", s_check_numbers },
    { "version", s_check_version },     { "stuck", s_check_stuck },
    { "calls", s_check_calls },         { "lost", s_check_lost },
    { "refusals", s_check_refusals },   { "locked-out", s_check_locked_out },
    { "books", s_check_books },         { "open-files", s_check_open_files },
    { "backup", s_check_backup },       { "http", s_check_http },
    { "https", s_check_https },         { "roles", s_check_roles },
    { "seeds", s_check_seeds },
};

static int
s_order(const void *a, const void *b)
{
    const nm_finding_t *one = a, *two = b;
    if (one->severity != two->severity)
        return (int) one->severity - (int) two->severity;
    int order = strcmp(one->actor, two->actor);
    return order ? order : strcmp(one->text, two->text);
}

void
nm_doctor_examine(const nm_checkup_t *checkup, nm_findings_t *findings)
{
    for (size_t i = 0; i < NM_COUNT(CHECKS); i++) {
        s_run_t run = { .checkup = checkup, .findings = findings, .check = CHECKS[i].name };
        for (size_t k = 0; k < json_array_size(checkup->actors); k++)
            CHECKS[i].check(&run, json_array_get(checkup->actors, k));
    }
    if (findings->count)
        qsort(findings->at, findings->count, sizeof *findings->at, s_order);
}

void
nm_findings_free(nm_findings_t *self)
{
    free(self->at);
    *self = (nm_findings_t){ 0 };
}

const char *
nm_severity_text(nm_severity_t severity)
{
    static const char *const TEXTS[] = { "error", "warning", "note" };
    return TEXTS[severity];
}
