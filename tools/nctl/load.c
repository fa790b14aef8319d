#include "tools/nctl/load.h"
#include "tools/nctl/when.h"
#include <poll.h>
#include <time.h>

enum { S_CLIENT_MAX = 64, S_OVERHEAD_SIZE = 92, S_CONTENT_MAX = 8192 };

//  What one run shares among its asks.
typedef struct {
    nm_load_t *load;
    nm_load_seen_t *seen;
    bool again;  //  Each answer brings the next ask
    int64_t end_us;
    uint64_t left_count;  //  How many may still be submitted
    uint64_t open_count;
    char content[S_CONTENT_MAX + 1];
    double *latencies_ms;  //  Paced runs only
    size_t latency_count;
    size_t latency_room;
    nm_load_accepted_fn *accepted;
    void *arg;
} s_run_t;

typedef struct {
    s_run_t *run;
    int64_t sent_us;
} s_shot_t;

static int64_t
s_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

//  Text as mail has it: lines of words.
static void
s_fill(s_run_t *run)
{
    static const char WORDS[] = "the quick brown fox jumps over the lazy dog and sends a note about it\n";
    size_t size = run->load->payload_size > S_OVERHEAD_SIZE ? run->load->payload_size - S_OVERHEAD_SIZE : 1;
    if (size > S_CONTENT_MAX)
        size = S_CONTENT_MAX;
    for (size_t i = 0; i < size; i++)
        run->content[i] = WORDS[i % (sizeof WORDS - 1)];
    run->content[size] = 0;
}

static void s_on_answer(nmesh_t *client, const nmesh_reply_t *reply, void *arg);

static void
s_shoot(s_run_t *run, nmesh_t *client, s_shot_t *shot)
{
    char recipient[40];
    snprintf(recipient, sizeof recipient, "user%08llu@example.com",
             (unsigned long long) (++run->load->serial % 100000000));
    nmesh_notification_t notification = {
        .channel = "email", .recipient = recipient, .subject = "nctl bench", .content = run->content
    };
    shot->sent_us = nm_when_mono_us();
    if (nmesh_submit(client, &notification, s_on_answer, shot) != 0) {
        run->seen->refused_count++;
        free(shot);
        return;
    }
    run->open_count++;
    run->left_count--;
}

static void
s_note_latency(s_run_t *run, double latency_ms)
{
    if (!run->latencies_ms)
        return;
    if (run->latency_count == run->latency_room) {
        run->latency_room *= 2;
        run->latencies_ms = nm_realloc(run->latencies_ms, run->latency_room * sizeof *run->latencies_ms);
    }
    run->latencies_ms[run->latency_count++] = latency_ms;
}

static void
s_on_answer(nmesh_t *client, const nmesh_reply_t *reply, void *arg)
{
    s_shot_t *shot = arg;
    s_run_t *run = shot->run;
    int64_t now_us = nm_when_mono_us();
    run->open_count--;
    if (reply->status >= 200 && reply->status < 300) {
        run->seen->accepted_count++;
        s_note_latency(run, (double) (now_us - shot->sent_us) / 1000);
        if (run->accepted) {
            char id[NMESH_ID_SIZE];
            nmesh_text(reply->body, "id", id, sizeof id);
            run->accepted(id, s_wall_us(), run->arg);
        }
    } else {
        run->seen->refused_count++;
        run->seen->last_refusal = reply->status;
    }
    if (run->again && run->left_count && now_us < run->end_us)
        s_shoot(run, client, shot);
    else
        free(shot);
}

//  Polls all clients once; sleeps for at most 1 ms if nothing came.
static void
s_drive(nm_load_t *load)
{
    struct pollfd fds[S_CLIENT_MAX];
    int count = 0;
    if (load->client_count == 1) {
        nmesh_poll(load->clients[0], 1);
        return;
    }
    for (size_t i = 0; i < load->client_count; i++) {
        count += nmesh_poll(load->clients[i], 0);
        fds[i] = (struct pollfd){ .fd = nmesh_fd(load->clients[i]), .events = POLLIN };
    }
    if (!count)
        poll(fds, load->client_count, 1);
}

static void
s_fire(nm_load_t *load, s_run_t *run, size_t window)
{
    int64_t start_us = nm_when_mono_us();
    for (size_t i = 0; i < load->client_count; i++) {
        for (size_t n = 0; n < window && run->left_count; n++) {
            s_shot_t *shot = nm_alloc(sizeof *shot);
            shot->run = run;
            s_shoot(run, load->clients[i], shot);
        }
    }
    while (run->open_count)
        s_drive(load);
    run->seen->took_us = nm_when_mono_us() - start_us;
}

void
nm_load_closed(nm_load_t *self, size_t window, int64_t span_ms, nm_load_seen_t *seen)
{
    s_run_t run = { .load = self, .seen = seen, .again = true, .left_count = UINT64_MAX };
    *seen = (nm_load_seen_t){ 0 };
    s_fill(&run);
    run.end_us = nm_when_mono_us() + span_ms * 1000;
    s_fire(self, &run, window);
}

void
nm_load_bulk(nm_load_t *self, size_t window, uint64_t count, nm_load_seen_t *seen)
{
    s_run_t run = { .load = self, .seen = seen, .again = true, .left_count = count, .end_us = INT64_MAX };
    *seen = (nm_load_seen_t){ 0 };
    s_fill(&run);
    s_fire(self, &run, window);
}

static int
s_compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

double
nm_load_quantile(double *values, size_t count, double share)
{
    if (!count)
        return 0;
    qsort(values, count, sizeof *values, s_compare);
    size_t at = (size_t) (share * (double) (count - 1) + 0.5);
    return values[at < count ? at : count - 1];
}

void
nm_load_paced(nm_load_t *self, unsigned per_second, int64_t span_ms, nm_load_accepted_fn *accepted,
              nm_load_idle_fn *idle, void *arg, nm_load_seen_t *seen)
{
    s_run_t run = {
        .load = self, .seen = seen, .left_count = UINT64_MAX, .accepted = accepted, .arg = arg, .latency_room = 4096
    };
    uint64_t total = per_second * (uint64_t) span_ms / 1000;
    uint64_t shot_count = 0;
    *seen = (nm_load_seen_t){ 0 };
    s_fill(&run);
    run.latencies_ms = nm_alloc(run.latency_room * sizeof *run.latencies_ms);
    int64_t start_us = nm_when_mono_us();
    while (shot_count < total || run.open_count) {
        uint64_t due = (uint64_t) (nm_when_mono_us() - start_us) * per_second / 1000000 + 1;
        for (; shot_count < total && shot_count < due; shot_count++) {
            s_shot_t *shot = nm_alloc(sizeof *shot);
            shot->run = &run;
            s_shoot(&run, self->clients[shot_count % self->client_count], shot);
        }
        if (run.open_count)
            s_drive(self);
        else
            poll(NULL, 0, 1);
        if (idle)
            idle(arg);
    }
    seen->took_us = nm_when_mono_us() - start_us;
    seen->p50_ms = nm_load_quantile(run.latencies_ms, run.latency_count, 0.50);
    seen->p99_ms = nm_load_quantile(run.latencies_ms, run.latency_count, 0.99);
    free(run.latencies_ms);
}
