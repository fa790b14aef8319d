#include "broker/actor_private.h"

#include <errno.h>
#include <unistd.h>

#include "broker/log.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  -- status

static void
s_write_links(const nm_actor_t *self, nm_buf_t *out)
{
    nm_writer_text(out, "links");
    nm_writer_list(out, self->link_count);
    for (size_t i = 0; i < self->link_count; i++) {
        const nm_link_t *link = self->links[i];
        nm_writer_map(out, 10);
        nm_writer_pair_text(out, "peer", link->peer->actor.name);
        nm_writer_pair_text(out, "role", nm_role_text(link->peer->actor.role));
        nm_writer_pair_text(out, "state", nm_link_state_text(link->state));
        nm_writer_pair_uint(out, "open", link->open_count);
        nm_writer_pair_uint(out, "stalled_ms",
                            link->open_count ? (uint64_t) (self->turn.now.mono_ms - link->progress_ms) : 0);
        nm_writer_pair_uint(out, "claimed", nm_link_claimed(link));
        nm_writer_pair_uint(out, "pending", link->pending.count);
        nm_writer_pair_uint(out, "credit", link->credit);
        nm_writer_pair_uint(out, "granted", link->granted);
        nm_writer_pair_uint(out, "seen", link->seen.seen);
    }
}

static void
s_write_lanes(const nm_actor_t *self, nm_buf_t *out)
{
    nm_writer_text(out, "waiting");
    nm_writer_list(out, self->lane_count);
    for (size_t i = 0; i < self->lane_count; i++) {
        nm_writer_map(out, 2);
        nm_writer_pair_text(out, "lane", self->lanes[i].text);
        nm_writer_pair_uint(out, "count", self->lanes[i].count);
    }
}

static void
s_write_store(const nm_actor_t *self, nm_buf_t *out)
{
    nm_writer_text(out, "store");
    nm_writer_map(out, 8);
    nm_writer_pair_id(out, "id", nm_store_id(self->store));
    nm_writer_pair_uint(out, "epoch", nm_store_epoch(self->store));
    nm_writer_pair_uint(out, "used", self->room.used);
    nm_writer_pair_uint(out, "quota", self->room.quota);
    nm_writer_pair_uint(out, "free_space", self->room.free_space);
    nm_writer_pair_uint(out, "records", self->room.records);
    nm_writer_pair_bool(out, "tight", self->room.tight);
    nm_writer_pair_bool(out, "critical", self->room.critical);
}

static const char *
s_state(const nm_actor_t *self)
{
    return self->draining || self->drain_begins ? "draining" : self->leaving ? "leaving" : "running";
}

nm_status_part_t
nm_status_part(nm_bytes_t body)
{
    if (nm_reader_find_flag(body, "figures"))
        return NM_STATUS_FIGURES;
    return nm_reader_find_flag(body, "brief") ? NM_STATUS_BRIEF : NM_STATUS_FULL;
}

static void
s_write_metrics(nm_actor_t *self, nm_buf_t *out)
{
    nm_figures_look(self);
    nm_writer_text(out, "metrics");
    nm_metrics_write(self->setup.metrics, out);
}

//  What a survey asks for whom only the figures matter: of a large mesh all of it would be much.
static void
s_write_figures(nm_actor_t *self, nm_buf_t *out)
{
    nm_writer_map(out, 2);
    nm_writer_pair_text(out, "name", self->setup.self->name);
    s_write_metrics(self, out);
}

void
nm_status_write(nm_actor_t *self, nm_status_part_t part, nm_buf_t *out)
{
    if (part == NM_STATUS_FIGURES) {
        s_write_figures(self, out);
        return;
    }
    uint64_t backlog = 0;
    int64_t oldest_ms = 0;
    if (self->role->backlog)
        self->role->backlog(self->state, &backlog, &oldest_ms);
    size_t mark = nm_writer_map_open(out);
    nm_writer_pair_text(out, "name", self->setup.self->name);
    nm_writer_pair_text(out, "role", self->role->name);
    nm_writer_pair_text(out, "host", self->setup.self->host);
    nm_writer_pair_text(out, "version", NM_VERSION_TEXT);
    nm_writer_pair_text(out, "state", s_state(self));
    nm_writer_pair_uint(out, "wall_ms", (uint64_t) self->turn.now.wall_ms);
    nm_writer_pair_uint(out, "file_limit", nm_figures_file_limit());
    nm_writer_pair_uint(out, "pid", (uint64_t) getpid());
    nm_writer_pair_uint(out, "boot", self->boot);
    nm_writer_pair_time(out, "started_at", self->started_ms);
    nm_writer_pair_uint(out, "uptime_ms", (uint64_t) (self->turn.now.wall_ms - self->started_ms));
    nm_writer_pair_uint(out, "backlog", backlog);
    nm_writer_pair_uint(out, "oldest_ms", oldest_ms ? (uint64_t) (self->turn.now.wall_ms - oldest_ms) : 0);
    s_write_links(self, out);
    s_write_lanes(self, out);
    s_write_store(self, out);
    nm_exchange_write_status(self, out);
    nm_writer_text(out, "books");
    nm_books_write(self, out);
    size_t count = 19;
    if (part == NM_STATUS_FULL) {
        s_write_metrics(self, out);
        count++;
    }
    if (self->role->status)
        count += self->role->status(self->state, out);
    nm_writer_map_close(out, mark, count);
}

//  -- drain

//  Asked again, it tells how far it is.
static void
s_drain(nm_actor_t *self, const nm_ask_in_t *ask)
{
    uint64_t backlog = 0, waiting = 0, open = 0, pending = 0;
    int64_t oldest_ms = 0;
    self->drain_begins = true;
    if (self->role->backlog)
        self->role->backlog(self->state, &backlog, &oldest_ms);
    for (size_t i = 0; i < self->lane_count; i++)
        waiting += self->lanes[i].count;
    for (size_t i = 0; i < self->link_count; i++) {
        open += self->links[i]->open_count;
        pending += self->links[i]->pending.count;
    }
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 5);
    nm_writer_pair_text(&body, "state", s_state(self));
    nm_writer_pair_uint(&body, "backlog", backlog);
    nm_writer_pair_uint(&body, "waiting", waiting);
    nm_writer_pair_uint(&body, "open", open);
    nm_writer_pair_uint(&body, "pending", pending);
    nm_turn_reply(&self->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
}

//  -- backup: runs on the worker thread beside the actor.

typedef struct {
    nm_store_t *store;
    char path[512];
} s_backup_t;

static void
s_backup_work(void *arg, nm_result_t *result)
{
    s_backup_t *backup = arg;
    nm_error_t error = { .text = "" };
    nm_rc_t rc = nm_store_backup(backup->store, backup->path, &error);
    result->call = NM_CALL_ANSWERED;
    result->code = rc == NM_OK ? 0 : rc == NM_ERR_DUPLICATE ? EEXIST : EIO;
    snprintf(result->text, sizeof result->text, "%s", rc == NM_OK ? backup->path : error.text);
}

static void
s_start_backup(nm_actor_t *self, const nm_ask_in_t *ask)
{
    nm_bytes_t path = nm_reader_find_text(ask->body, "path");
    if (!path.size || path.at[0] != '/' || path.size >= sizeof((s_backup_t *) 0)->path ||
        memchr(path.at, 0, path.size)) {
        nm_turn_problem(&self->turn, &ask->caller, 422, nm_bytes(NULL, 0), NULL,
                        "A backup wants a path: an absolute one of at most 511 bytes, where no file is yet.");
        return;
    }
    if (self->backing_up) {
        nm_turn_problem(&self->turn, &ask->caller, 409, nm_bytes(NULL, 0), NULL, "A backup is being made already.");
        return;
    }
    nm_effect_t *effect = nm_effect_new(NM_EFFECT_WORK, NM_BACKUP_TOKEN, nm_store_id(self->store));
    s_backup_t *backup = nm_alloc(sizeof *backup);
    backup->store = self->store;
    nm_bytes_to_text(path, backup->path, sizeof backup->path);
    effect->work = s_backup_work;
    effect->work_arg = backup;
    effect->work_free = free;
    self->backing_up = self->backup_begins = true;
    self->backup_caller = ask->caller;
    nm_turn_effect(&self->turn, effect);
}

void
nm_status_backup_done(nm_actor_t *self, const nm_result_t *result)
{
    self->backing_up = false;
    if (result->code) {
        nm_turn_problem(&self->turn, &self->backup_caller, result->code == EEXIST ? 409 : 500, nm_bytes(NULL, 0), NULL,
                        "The backup failed: %s", result->text);
        return;
    }
    self->backup_at_ms = self->turn.now.wall_ms;
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_text(&body, "path", result->text);
    nm_writer_pair_uint(&body, "took_ms", (uint64_t) (result->took_us / 1000));
    nm_turn_reply(&self->turn, &self->backup_caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
}

bool
nm_status_ask(nm_actor_t *self, const nm_ask_in_t *ask, nm_rc_t *rc)
{
    if (nm_bytes_is(ask->op, "backup") && ask->role == NM_ROLE_OPERATOR) {
        s_start_backup(self, ask);
        return true;
    }
    if (nm_bytes_is(ask->op, "drain") && ask->role == NM_ROLE_OPERATOR) {
        s_drain(self, ask);
        return true;
    }
    if (nm_bytes_is(ask->op, "mesh.status") && ask->role == NM_ROLE_OPERATOR) {
        *rc = nm_survey_start(self, ask);
        return true;
    }
    if (!nm_bytes_is(ask->op, "status"))
        return false;
    nm_buf_t body = { 0 };
    nm_status_write(self, nm_status_part(ask->body), &body);
    nm_turn_reply(&self->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
    return true;
}
