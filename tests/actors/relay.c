#include "tests/actors/relay.h"

enum { STEP_MS = 25 };

void
nm_relay_add(nm_relay_t *self, const char *name, nm_bench_t *bench)
{
    self->bench[self->count] = bench;
    self->name[self->count++] = name;
    nm_bench_play_books(bench);
}

static size_t
s_find(const nm_relay_t *self, const char *name)
{
    size_t at = 0;
    while (at < self->count && strcmp(self->name[at], name) != 0)
        at++;
    return at;
}

//  Hands the new asks of one actor to those that they are for; old ones are told by their number.
static void
s_carry_asks(nm_relay_t *self, size_t from)
{
    for (size_t i = 0; i < nm_bench_asks(self->bench[from]); i++) {
        nm_bench_asked_t *asked = (nm_bench_asked_t *) nm_bench_asked(self->bench[from], i);
        size_t to = s_find(self, asked->peer);
        asked->peer[0] = 0;  //  Carried, or lost
        if (to == self->count || self->away[to] || self->away[from] || self->open_count[to] == NM_RELAY_OPEN_MAX)
            continue;
        uint64_t here = nm_bench_ask(self->bench[to], self->name[from], asked->op, NULL, asked->body);
        self->open[to][self->open_count[to]++] = (nm_relay_open_t){ from, asked->id, here };
    }
}

static void
s_carry_replies(nm_relay_t *self, size_t to)
{
    for (size_t i = 0; i < self->open_count[to];) {
        const nm_relay_open_t *open = &self->open[to][i];
        const nm_bench_reply_t *reply = nm_bench_reply(self->bench[to], open->here);
        if (!reply) {
            i++;
            continue;
        }
        if (!self->away[to] && !self->away[open->from])
            nm_bench_answer_with(self->bench[open->from], open->id, self->name[to], reply->status, reply->headers,
                                 reply->body);
        self->open[to][i] = self->open[to][--self->open_count[to]];
    }
}

void
nm_relay_run(nm_relay_t *self, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += STEP_MS)
        for (size_t i = 0; i < self->count; i++) {
            nm_bench_wait(self->bench[i], STEP_MS);
            if (nm_bench_turn(self->bench[i]) != NM_OK)
                abort();
            s_carry_asks(self, i);
            s_carry_replies(self, i);
        }
}

void
nm_relay_forget(nm_relay_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        nm_bench_forget(self->bench[i]);
}
