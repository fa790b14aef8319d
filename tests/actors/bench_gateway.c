//  bench_gateway - accepts per second through the role, the turn and the store, without
//  sockets and without syncs: what the gateway's own work costs, also with many who follow. Run by hand.

#include <time.h>

#include "tests/actors/gateway_client.h"
#include "wire/writer.h"

enum { RUN_COUNT = 40000 };

static double
s_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);  //  Whatever else the machine does
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

//  One ask frame with so many asks, as a client pipelines them.
static void
s_pack_frame(nm_buf_t *out, const char *key, unsigned count, size_t size)
{
    nm_buf_t content = { 0 }, body = { 0 };
    nm_buf_reserve(&content, size);
    memset(content.at, 'x', size);
    nm_buf_clear(out);
    nm_writer_map(out, 2);
    nm_writer_text(out, "headers");
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "api_key", key);
    nm_writer_text(out, "asks");
    nm_writer_list(out, count);
    for (unsigned i = 0; i < count; i++) {
        char recipient[64];
        snprintf(recipient, sizeof recipient, "reader%u@example.org", i);
        nm_buf_clear(&body);
        nm_writer_map(&body, 4);
        nm_writer_pair_text(&body, "channel", "email");
        nm_writer_pair_text(&body, "recipient", recipient);
        nm_writer_pair_text(&body, "subject", "Your order is on its way");
        nm_writer_pair_str(&body, "content", nm_bytes(content.at, size));
        nm_writer_map(out, 3);
        nm_writer_pair_uint(out, "id", i + 1);
        nm_writer_pair_text(out, "op", "notifications.create");
        nm_writer_pair_raw(out, "body", nm_buf_bytes(&body));
    }
    nm_buf_free(&content);
    nm_buf_free(&body);
}

//  Of every sort, and never reached.
static const char LIMITS[] = "gateway\n    per_minute = 4000000000\n    per_day = 4000000000\n"
                             "    recipient_per_hour = 4000000000\n    recipient_per_day = 4000000000\n";

//  With all gateways but this one away, so that recipients are at home here.
static void
s_be_alone(nm_client_t *client)
{
    nm_bench_away(client->bench, "gateway-2");
    nm_bench_turn(client->bench);
}

static void
s_run(unsigned per_turn, size_t size, bool limited)
{
    nm_client_t *client = nm_client_new(limited ? LIMITS : NULL);
    nm_actor_t *actor = nm_bench_actor(client->bench);
    s_be_alone(client);
    nm_buf_t frame = { 0 };
    unsigned total = per_turn == 1 ? RUN_COUNT / 4 : RUN_COUNT;
    s_pack_frame(&frame, client->key, per_turn, size);
    nm_input_t input = { .kind = NM_IN_ASK, .peer = "", .role = NM_ROLE_CLIENT, .bytes = nm_buf_bytes(&frame) };
    nm_now_t now = { .wall_ms = nm_bench_now(client->bench), .mono_ms = 5000 };

    double spent = 0;
    for (unsigned done = 0; done < total; done += per_turn) {
        now.wall_ms++;
        now.mono_ms++;
        double start = s_now();
        if (nm_actor_turn(actor, &input, 1, now) != NM_OK)
            abort();
        spent += s_now() - start;
        nm_output_t output;
        while (nm_actor_take(actor, &output))
            nm_buf_free(&output.bytes);
    }
    printf("%5zu B  %5u a turn  %9.0f accepts/s  %6.2f us each%s\n", size, per_turn, total / spent, spent / total * 1e6,
           limited ? ", with limits" : "");
    nm_buf_free(&frame);
    nm_client_destroy(&client);
}

//  What it costs to hear that a notification was queued, is being sent, and was sent.
static void
s_run_events(unsigned per_turn)
{
    static const nm_event_kind_t KINDS[] = { NM_EVENT_QUEUED, NM_EVENT_SENDING, NM_EVENT_SENT };
    nm_client_t *client = nm_client_new(NULL);
    nm_id_t *ids = nm_alloc(per_turn * sizeof *ids);
    double spent = 0;
    unsigned total = 0;
    while (total < RUN_COUNT / 4) {
        for (unsigned i = 0; i < per_turn; i++)
            ids[i] = nm_client_send(client, i);
        for (size_t kind = 0; kind < NM_COUNT(KINDS); kind++) {
            for (unsigned i = 0; i < per_turn; i++) {
                nm_event_t event = nm_client_event(client, &ids[i], KINDS[kind], kind + 1);
                NM_PUT(&event, event, detail, nm_text("250 2.0.0 Ok: queued as 4711"));
                nm_bench_record(client->bench, "email-1", NM_MAIL_EVENT, &nm_event_shape, &event);
            }
            double start = s_now();
            if (nm_bench_turn(client->bench) != NM_OK)
                abort();
            spent += s_now() - start;
            total += per_turn;
        }
        nm_bench_forget(client->bench);
    }
    printf("events   %5u a turn  %9.0f events/s   %6.2f us each, with the bench's own work\n", per_turn, total / spent,
           spent / total * 1e6);
    free(ids);
    nm_client_destroy(&client);
}

static double
s_turn(nm_actor_t *actor, nm_now_t *now, nm_bytes_t frame, size_t *sent_size)
{
    nm_input_t input = { .kind = NM_IN_ASK, .peer = "", .role = NM_ROLE_CLIENT, .bytes = frame };
    nm_output_t output;
    now->wall_ms++;
    now->mono_ms++;
    double start = s_now();
    if (nm_actor_turn(actor, &input, 1, *now) != NM_OK)
        abort();
    double spent = s_now() - start;
    for (*sent_size = 0; nm_actor_take(actor, &output);) {
        *sent_size += output.bytes.size;
        nm_buf_free(&output.bytes);
    }
    return spent;
}

//  What many who follow one service cost when something happens: the turn that answers them all, and their asking again.
static void
s_run_followers(unsigned count)
{
    enum { PER_FRAME = 1000 };
    nm_client_t *client = nm_client_new(NULL);
    nm_actor_t *actor = nm_bench_actor(client->bench);
    nm_buf_t frame = { 0 }, create = { 0 };
    size_t size;
    nm_bench_bury(client->bench, "gateway-2");
    if (nm_bench_turn(client->bench) != NM_OK)
        abort();
    nm_now_t now = { .wall_ms = nm_bench_now(client->bench), .mono_ms = 5000 };
    s_pack_frame(&create, client->key, 1, 300);
    nm_writer_map(&frame, 2);
    nm_writer_text(&frame, "headers");
    nm_writer_map(&frame, 1);
    nm_writer_pair_text(&frame, "api_key", client->key);
    nm_writer_text(&frame, "asks");
    nm_writer_list(&frame, PER_FRAME);
    for (unsigned i = 0; i < PER_FRAME; i++) {
        nm_writer_map(&frame, 3);
        nm_writer_pair_uint(&frame, "id", i + 1);
        nm_writer_pair_text(&frame, "op", "events.read");
        nm_writer_text(&frame, "body");
        nm_client_map(&frame, "wait_ms", "#20000", NULL);
    }
    double asking = 0, quiet = s_turn(actor, &now, nm_buf_bytes(&create), &size);
    for (unsigned i = 0; i < count / PER_FRAME; i++)
        asking += s_turn(actor, &now, nm_buf_bytes(&frame), &size);
    double answering = s_turn(actor, &now, nm_buf_bytes(&create), &size);
    printf("%6u followers  %5.2f us to ask  %5.2f us to be answered, %zu bytes each; a turn without them %.0f us\n",
           count, asking / count * 1e6, (answering - quiet) / count * 1e6, size / count, quiet * 1e6);
    nm_buf_free(&frame);
    nm_buf_free(&create);
    nm_client_destroy(&client);
}

int
main(int argc, char **argv)
{
    static const unsigned TURNS[] = { 1, 100, 1000 };
    static const size_t SIZES[] = { 300, 2048 };
    if (argc > 1) {
        s_run((unsigned) strtoul(argv[1], NULL, 10), argc > 2 ? strtoul(argv[2], NULL, 10) : 300, argc > 3);
        return 0;
    }
    for (size_t i = 0; i < NM_COUNT(SIZES); i++)
        for (size_t j = 0; j < NM_COUNT(TURNS); j++)
            s_run(TURNS[j], SIZES[i], false);
    s_run(100, 300, true);
    s_run_events(100);
    s_run_followers(1000);
    s_run_followers(10000);
    return 0;
}
