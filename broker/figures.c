//  What there is to see of an actor: figures that are counted as it works, and gauges that are set when somebody looks.
#include "broker/actor_private.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

void
nm_figures_make(nm_actor_t *self)
{
    nm_metrics_t *metrics = self->setup.metrics;
    const struct {
        nm_metric_t **metric;
        nm_family_id_t family;
    } PLAIN[] = {
        { &self->metric.turns, NM_FAMILY_TURNS },
        { &self->metric.undone, NM_FAMILY_UNDONE },
        { &self->metric.inputs, NM_FAMILY_INPUTS },
        { &self->metric.mail_in, NM_FAMILY_MAIL_IN },
        { &self->metric.mail_duplicate, NM_FAMILY_MAIL_DUPLICATE },
        { &self->metric.mail_out, NM_FAMILY_MAIL_OUT },
        { &self->metric.mail_again, NM_FAMILY_MAIL_AGAIN },
        { &self->metric.mail_claimed, NM_FAMILY_MAIL_CLAIMED },
        { &self->metric.mail_taken_back, NM_FAMILY_MAIL_TAKEN_BACK },
        { &self->metric.mail_void, NM_FAMILY_MAIL_VOID },
        { &self->metric.receipts_in, NM_FAMILY_RECEIPTS_IN },
        { &self->metric.receipts_out, NM_FAMILY_RECEIPTS_OUT },
        { &self->metric.refused, NM_FAMILY_FRAMES_REFUSED },
        { &self->metric.bad_frames, NM_FAMILY_FRAMES_BAD },
        { &self->metric.clients_blocked, NM_FAMILY_CLIENTS_BLOCKED },
        { &self->metric.quarantined, NM_FAMILY_MAIL_QUARANTINED },
        { &self->metric.asks_in, NM_FAMILY_ASKS_IN },
        { &self->metric.asks_out, NM_FAMILY_ASKS_OUT },
        { &self->metric.asks_undone, NM_FAMILY_ASKS_UNDONE },
        { &self->metric.gaps, NM_FAMILY_MAIL_GAPS },
        { &self->metric.scrub_records, NM_FAMILY_SCRUB_RECORDS },
        { &self->metric.scrub_bytes, NM_FAMILY_SCRUB_BYTES },
        { &self->metric.scrub_passes, NM_FAMILY_SCRUB_PASSES },
        { &self->metric.turn_us, NM_FAMILY_TURN },
        { &self->metric.commit_us, NM_FAMILY_COMMIT },
        { &self->metric.settle_us, NM_FAMILY_SETTLE },
        { &self->metric.turn_inputs, NM_FAMILY_TURN_INPUTS },
    };
    for (size_t i = 0; i < NM_COUNT(PLAIN); i++)
        *PLAIN[i].metric = nm_metrics_make(metrics, PLAIN[i].family, NULL, NULL);
    self->metric.asks_late = nm_metrics_make(metrics, NM_FAMILY_ASKS_FAILED, "late", NULL);
    self->metric.asks_alone = nm_metrics_make(metrics, NM_FAMILY_ASKS_FAILED, "nobody", NULL);
}

//  -- How long things took

//  Those that follow each other and took as long are kept as one.
void
nm_turn_time(nm_turn_t *turn, nm_metric_t *metric, int64_t since_ms)
{
    nm_actor_t *self = turn->actor;
    int64_t before_ms = turn->now.wall_ms > since_ms ? turn->now.wall_ms - since_ms : 0;
    nm_timing_t *last = self->timing_count ? &self->timings[self->timing_count - 1] : NULL;
    if (last && last->metric == metric && last->before_ms == before_ms) {
        last->count++;
        return;
    }
    if (self->timing_count == self->timing_room) {
        self->timing_room = self->timing_room ? self->timing_room * 2 : 64;
        self->timings = nm_realloc(self->timings, self->timing_room * sizeof *self->timings);
    }
    self->timings[self->timing_count++] = (nm_timing_t){ metric, before_ms, 1 };
}

void
nm_figures_took(nm_actor_t *self, int64_t took_us)
{
    for (size_t i = 0; i < self->timing_count; i++) {
        const nm_timing_t *timing = &self->timings[i];
        nm_metric_observe_many(timing->metric, (uint64_t) (timing->before_ms * 1000 + took_us), timing->count);
    }
}

//  -- Gauges, set when somebody looks

static void
s_set(nm_actor_t *self, nm_family_id_t family, uint64_t value)
{
    nm_metric_set(nm_metrics_make(self->setup.metrics, family, NULL, NULL), value);
}

static uint64_t
s_since(int64_t now_ms, int64_t then_ms)
{
    return then_ms && now_ms > then_ms ? (uint64_t) (now_ms - then_ms) : 0;
}

//  Makes a gauge of this role at least so large.
static void
s_raise(nm_actor_t *self, nm_family_id_t family, nm_role_id_t role, uint64_t value)
{
    nm_metric_t *metric = nm_metrics_make(self->setup.metrics, family, nm_role_text(role), NULL);
    if (nm_metric_value(metric) < value)
        nm_metric_set(metric, value);
}

static void
s_sum(nm_actor_t *self, nm_family_id_t family, nm_role_id_t role, uint64_t value)
{
    nm_metric_add(nm_metrics_make(self->setup.metrics, family, nm_role_text(role), NULL), value);
}

static void
s_look_at_links(nm_actor_t *self)
{
    nm_metrics_t *metrics = self->setup.metrics;
    for (size_t i = 0; i < self->link_count; i++) {
        const nm_link_t *link = self->links[i];
        nm_role_id_t role = link->peer->actor.role;
        const char *state = nm_link_state_text(link->state);
        nm_metric_add(nm_metrics_make(metrics, NM_FAMILY_LINKS, nm_role_text(role), state), 1);
        s_sum(self, NM_FAMILY_CREDIT, role, link->credit);
        s_sum(self, NM_FAMILY_INBOX_PENDING, role, link->pending.count);
        s_sum(self, NM_FAMILY_OUTBOX_OPEN, role, link->open_count);
        s_raise(self, NM_FAMILY_OUTBOX_STALLED, role,
                link->open_count ? s_since(self->turn.now.mono_ms, link->progress_ms) : 0);
    }
}

static nm_role_id_t
s_lane_role(const nm_lane_t *lane)
{
    return lane->link ? lane->link->peer->actor.role : lane->role;
}

static void
s_look_at_lanes(nm_actor_t *self)
{
    for (size_t i = 0; i < self->lane_count; i++) {
        const nm_lane_t *lane = &self->lanes[i];
        int64_t came_ms = 0;
        if (lane->count)
            nm_outbox_first_came(self->turn.txn, nm_text(lane->text), &came_ms);
        s_sum(self, NM_FAMILY_OUTBOX_WAITING, s_lane_role(lane), lane->count);
        s_raise(self, NM_FAMILY_OUTBOX_OLDEST, s_lane_role(lane), s_since(self->turn.now.wall_ms, came_ms));
    }
}

static uint64_t
s_open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t count = 0;
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count ? count - 1 : 0;  //  One of them was the folder
}

static uint64_t
s_resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

uint64_t
nm_figures_file_limit(void)
{
    struct rlimit limit = { 0, 0 };
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static void
s_look_at_process(nm_actor_t *self)
{
    s_set(self, NM_FAMILY_FILES_OPEN, s_open_files());
    s_set(self, NM_FAMILY_FILES_LIMIT, nm_figures_file_limit());
    s_set(self, NM_FAMILY_MEMORY, s_resident_bytes());
    s_set(self, NM_FAMILY_START, (uint64_t) self->started_ms);
}

static void
s_look_at_store(nm_actor_t *self)
{
    s_set(self, NM_FAMILY_STORE_USED, self->room.used);
    s_set(self, NM_FAMILY_STORE_QUOTA, self->room.quota);
    s_set(self, NM_FAMILY_STORE_RECORDS, self->room.records);
    s_set(self, NM_FAMILY_STORE_TIGHT, self->room.tight);
    s_set(self, NM_FAMILY_DISK_FREE, self->room.free_space);
    if (self->backup_at_ms)
        s_set(self, NM_FAMILY_BACKUP_AT, (uint64_t) self->backup_at_ms);
}

static void
s_look_at_books(nm_actor_t *self)
{
    for (size_t i = 0; i < self->role->book_count; i++) {
        const char *book = self->role->books[i].name;
        bool away = nm_turn_book(&self->turn, book, NULL) == NM_BOOK_AWAY;
        nm_metric_set(nm_metrics_make(self->setup.metrics, NM_FAMILY_BOOK_AWAY, book, NULL), away);
    }
}

void
nm_figures_look(nm_actor_t *self)
{
    static const nm_family_id_t SUMS[] = { NM_FAMILY_LINKS,        NM_FAMILY_CREDIT,         NM_FAMILY_INBOX_PENDING,
                                           NM_FAMILY_OUTBOX_OPEN,  NM_FAMILY_OUTBOX_STALLED, NM_FAMILY_OUTBOX_WAITING,
                                           NM_FAMILY_OUTBOX_OLDEST };
    uint64_t backlog = 0;
    int64_t oldest_ms = 0;
    for (size_t i = 0; i < NM_COUNT(SUMS); i++)
        nm_metrics_clear(self->setup.metrics, SUMS[i]);
    if (self->role->backlog)
        self->role->backlog(self->state, &backlog, &oldest_ms);
    s_set(self, NM_FAMILY_BACKLOG, backlog);
    s_set(self, NM_FAMILY_BACKLOG_OLDEST, s_since(self->turn.now.wall_ms, oldest_ms));
    s_set(self, NM_FAMILY_ASKS_WAITING, self->asks.count);
    s_look_at_links(self);
    s_look_at_lanes(self);
    s_look_at_store(self);
    s_look_at_books(self);
    s_look_at_process(self);
    if (self->role->figures)
        self->role->figures(self->state, &self->turn);
}
