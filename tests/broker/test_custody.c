//  About custody as a whole: one sender and two receivers with stores of their own, over a network that
//  loses, delays and reorders across connections, while they are killed, frozen and cut off.
//  Whatever happens, each mail is handled exactly once.
#include "check.h"

#include "broker/actor_private.h"
#include "broker/bench.h"
#include "broker/outbox.h"
#include "lmdb_store/key.h"
#include "wire/writer.h"

enum {
    NODES = 3,  //  The sender, then the receivers
    LINES = 6,  //  Connections from one node to another that still have frames
    ROUNDS = 60,
    STEPS = 500,
    HEAL_STEPS = 3000,
    MAILS = 40,
};

//  -- The roles: an ask becomes a mail; a mail is put down, once.

static const nm_table_t HANDLED = { NM_TABLE_ROLE, true, "handled" };
static const nm_table_t *const TABLES[] = { &HANDLED };

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) setup, (void) error;
    *state = nm_alloc(1);
    return NM_OK;
}

static nm_rc_t
s_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    (void) state;
    nm_mail_out_t out = { .role = NM_ROLE_EMAIL, .kind = NM_MAIL_DELIVERY, .priority = 2, .body = ask->body };
    return nm_turn_mail(turn, &out);
}

static nm_rc_t
s_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    (void) state;
    nm_rc_t rc = nm_table_add(nm_turn_txn(turn), &HANDLED, mail->body, mail->body);
    if (rc == NM_ERR_DUPLICATE)
        fail_msg("a receiver handled a mail twice");
    return rc;
}

static const nm_role_t SENDER = { .name = "router",
                                  .id = NM_ROLE_ROUTER,
                                  .tables = TABLES,
                                  .table_count = NM_COUNT(TABLES),
                                  .open = s_open,
                                  .close = free,
                                  .ask = s_ask };

static const nm_role_t RECEIVER = { .name = "email",
                                    .id = NM_ROLE_EMAIL,
                                    .tables = TABLES,
                                    .table_count = NM_COUNT(TABLES),
                                    .open = s_open,
                                    .close = free,
                                    .mail = s_mail };

//  -- The network. Frames of one connection keep their order; two connections know nothing of each other.

typedef struct {
    nm_buf_t *frames;
    size_t count;
    size_t taken;
    bool slow;  //  Its frames come late, after those of newer connections
} line_t;

typedef struct world world_t;

typedef struct {
    world_t *world;
    size_t at;
    nm_bench_t *bench;
    int64_t frozen_ms;           //  For so long
    bool loses;                  //  It dies between its commit and the release
    bool cut[NODES];             //  Nothing gets through to there
    line_t lines[NODES][LINES];  //  To each other node, the oldest first
    size_t line_count[NODES];
} node_t;

struct world {
    uint64_t random;
    node_t nodes[NODES];
    unsigned asked;
};

static const char *const NAMES[NODES] = { "router-1", "email-1", "email-2" };

static uint64_t
s_random(world_t *self, uint64_t below)
{
    self->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t value = self->random;
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (value ^ (value >> 31)) % below;
}

static void
s_clear_line(line_t *line)
{
    for (size_t i = line->taken; i < line->count; i++)
        nm_buf_free(&line->frames[i]);
    free(line->frames);
    *line = (line_t){ 0 };
}

static void
s_drop_line(node_t *from, size_t to, size_t at)
{
    s_clear_line(&from->lines[to][at]);
    from->line_count[to]--;
    memmove(&from->lines[to][at], &from->lines[to][at + 1], (from->line_count[to] - at) * sizeof(line_t));
}

//  What was written stays on its way; what comes from now on takes another.
static void
s_new_line(node_t *from, size_t to)
{
    if (from->line_count[to] == LINES)
        s_drop_line(from, to, 0);
    if (from->line_count[to])
        from->lines[to][from->line_count[to] - 1].slow = s_random(from->world, 2);
    from->lines[to][from->line_count[to]++] = (line_t){ 0 };
}

static void
s_wire(void *arg, const char *peer, nm_bytes_t frame)
{
    node_t *from = arg;
    for (size_t to = 0; to < NODES; to++) {
        if (strcmp(NAMES[to], peer) != 0 || from->loses)
            continue;
        line_t *line = &from->lines[to][from->line_count[to] - 1];
        line->frames = nm_realloc(line->frames, (line->count + 1) * sizeof *line->frames);
        nm_buf_t copy = { 0 };
        nm_buf_add_bytes(&copy, frame);
        line->frames[line->count++] = copy;
    }
}

static void
s_turn(node_t *node)
{
    assert_int_equal(nm_bench_turn(node->bench), NM_OK);
    assert_int_equal(nm_actor_exit(nm_bench_actor(node->bench)), 0);
    nm_bench_forget(node->bench);
}

//  The process ends and begins again on its store. What it wrote may still arrive; what was written to it never.
static void
s_kill(world_t *self, node_t *node)
{
    node->loses = s_random(self, 2);
    if (node->loses && !node->frozen_ms)
        s_turn(node);
    node->loses = false;
    node->frozen_ms = 0;
    for (size_t i = 0; i < NODES; i++) {
        s_new_line(node, i);
        while (self->nodes[i].line_count[node->at])
            s_drop_line(&self->nodes[i], node->at, 0);
        s_new_line(&self->nodes[i], node->at);
    }
    nm_bench_restart(node->bench);
}

//  A connection from one node to another on which a frame may arrive now; NULL: none.
static line_t *
s_pick_line(world_t *self, node_t *from, const node_t *to)
{
    line_t *picked = NULL;
    uint64_t seen = 0;
    if (from->cut[to->at])
        return NULL;
    for (size_t i = 0; i < from->line_count[to->at]; i++) {
        line_t *line = &from->lines[to->at][i];
        if (line->taken == line->count || (line->slow && s_random(self, 30)))
            continue;
        if (s_random(self, ++seen) == 0)
            picked = line;
    }
    return picked;
}

//  One frame arrives at the node, from anybody.
static void
s_deliver(world_t *self, node_t *node)
{
    size_t first = s_random(self, NODES);
    for (size_t i = 0; i < NODES; i++) {
        node_t *from = &self->nodes[(first + i) % NODES];
        line_t *line = s_pick_line(self, from, node);
        if (!line)
            continue;
        nm_buf_t *frame = &line->frames[line->taken++];
        nm_bench_frame(node->bench, NAMES[from->at], nm_buf_bytes(frame));
        nm_buf_free(frame);
        return;
    }
}

static void
s_ask_one(world_t *self)
{
    if (self->asked == MAILS)
        return;
    nm_buf_t body = { 0 };
    nm_writer_uint(&body, ++self->asked);
    nm_bench_ask(self->nodes[0].bench, "gateway-1", "deliveries.cancel", NULL, nm_buf_bytes(&body));
    s_turn(&self->nodes[0]);  //  An ask that nobody answers is none
    nm_buf_free(&body);
}

//  -- One round

static void
s_step(world_t *self, bool faults)
{
    node_t *node = &self->nodes[s_random(self, NODES)];
    int64_t passed_ms = (int64_t) s_random(self, faults ? 60 : 20);
    uint64_t fault = faults ? s_random(self, 100) : 100;
    if (fault < 3)
        s_kill(self, node);
    else if (fault < 6)
        node->frozen_ms = (int64_t) s_random(self, 12000);
    else if (fault < 9)
        s_new_line(node, s_random(self, NODES));
    else if (fault < 14)
        node->cut[s_random(self, NODES)] ^= true;
    else if (fault < 17 && node->line_count[0])
        s_clear_line(&node->lines[0][s_random(self, node->line_count[0])]);
    else if (fault < 18)
        passed_ms = 6000;
    if (!self->nodes[0].frozen_ms && s_random(self, 4) == 0)
        s_ask_one(self);
    for (size_t i = 0; i < NODES; i++) {
        nm_bench_wait(self->nodes[i].bench, passed_ms);
        self->nodes[i].frozen_ms -= self->nodes[i].frozen_ms < passed_ms ? self->nodes[i].frozen_ms : passed_ms;
    }
    if (node->frozen_ms)
        return;
    for (uint64_t frames = s_random(self, 8); frames; frames--)
        s_deliver(self, node);
    s_turn(node);
}

static bool
s_is_settled(world_t *self)
{
    const nm_actor_t *sender = nm_bench_actor(self->nodes[0].bench);
    if (self->asked < MAILS)
        return false;
    for (size_t i = 0; i < sender->lane_count; i++)
        if (sender->lanes[i].count)
            return false;
    for (size_t i = 0; i < sender->link_count; i++)
        if (sender->links[i]->open_count)
            return false;
    return true;
}

typedef struct {
    unsigned *times;
} count_t;

static nm_rc_t
s_count(nm_txn_t *txn, void *arg)
{
    count_t *self = arg;
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &HANDLED, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &key, NULL)) == NM_OK)
        self->times[key.at[0]]++;  //  Numbers below 128 are one byte
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static void
s_expect_each_once(world_t *self, uint64_t seed)
{
    unsigned times[256] = { 0 };
    count_t count = { times };
    for (size_t i = 1; i < NODES; i++)
        assert_int_equal(nm_store_view(nm_bench_store(self->nodes[i].bench), s_count, &count), NM_OK);
    for (unsigned number = 1; number <= MAILS; number++)
        if (times[number] != 1)
            fail_msg("seed %llu: mail %u was handled %u times", (unsigned long long) seed, number, times[number]);
}

//  A mesh of three, made once: rounds begin with a restart of all, on the stores of the round before.
static void
s_make(world_t *self)
{
    for (size_t i = 0; i < NODES; i++) {
        node_t *node = &self->nodes[i];
        *node = (node_t){ .world = self, .at = i, .bench = nm_bench_new(i ? &RECEIVER : &SENDER, NAMES[i], NULL) };
        for (size_t to = 0; to < NODES; to++)
            s_new_line(node, to);
    }
    for (size_t i = 0; i < NODES; i++)
        nm_bench_connect(self->nodes[i].bench, s_wire, &self->nodes[i]);
}

static void
s_end(world_t *self)
{
    for (size_t i = 0; i < NODES; i++) {
        for (size_t to = 0; to < NODES; to++)
            while (self->nodes[i].line_count[to])
                s_drop_line(&self->nodes[i], to, 0);
        nm_bench_destroy(&self->nodes[i].bench);
    }
}

static uint64_t
s_taken_back(world_t *self)
{
    return nm_metric_value(nm_bench_actor(self->nodes[0].bench)->metric.mail_taken_back);
}

static void
each_mail_is_handled_exactly_once_whatever_happens(void **state)
{
    (void) state;
    const char *only = getenv("NM_SEED"), *many = getenv("NM_ROUNDS");
    uint64_t rounds = many ? strtoull(many, NULL, 10) : ROUNDS;
    uint64_t taken_back = 0;
    for (uint64_t seed = only ? strtoull(only, NULL, 10) : 1; seed <= rounds || only; seed++) {
        world_t world = { .random = seed };
        s_make(&world);
        for (int i = 0; i < STEPS; i++)
            s_step(&world, true);
        for (size_t i = 0; i < NODES; i++) {
            world.nodes[i].frozen_ms = 0;
            memset(world.nodes[i].cut, 0, sizeof world.nodes[i].cut);
        }
        for (int i = 0; i < HEAL_STEPS && !s_is_settled(&world); i++)
            s_step(&world, false);
        if (!s_is_settled(&world))
            fail_msg("seed %llu: mail is still on its way", (unsigned long long) seed);
        s_expect_each_once(&world, seed);
        taken_back += s_taken_back(&world);
        s_end(&world);
        if (only)
            break;
    }
    print_message("    %llu mails were taken back\n", (unsigned long long) taken_back);
    assert_true(only || taken_back > rounds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mail_is_handled_exactly_once_whatever_happens),
    };
    return cmocka_run_group_tests_name("broker/custody", tests, NULL, NULL);
}
