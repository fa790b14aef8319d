//  bench_effects PORT [MAILS [SIZE]]: how many mails a second go to an SMTP server on this machine,
//  by how many connections. Start one with: smtp-sink -c 127.0.0.1:PORT 1000

#include <time.h>
#include "broker/effects.h"

static nm_effect_t *
s_mail(unsigned port, unsigned connections, size_t size)
{
    nm_effect_t *effect = nm_effect_new(NM_EFFECT_SMTP, 1, NULL);
    char url[64];
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", port);
    nm_effect_set(&effect->url, url);
    nm_effect_set(&effect->sender, "bench@example.org");
    nm_effect_set(&effect->recipient, "user@example.com");
    nm_buf_add_text(&effect->body, "From: bench@example.org\r\nTo: user@example.com\r\nSubject: bench\r\n\r\n");
    while (effect->body.size < size)
        nm_buf_add_text(&effect->body, "0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    effect->connections = connections;
    return effect;
}

static double
s_run(unsigned port, unsigned connections, unsigned count, size_t size)
{
    nm_effects_t *effects = nm_effects_new(NULL);
    unsigned started = 0, done = 0, failed = 0;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (done < count) {
        while (started < count && started - done < 256) {
            nm_effects_start(effects, s_mail(port, connections, size));
            started++;
        }
        struct pollfd fds[NM_EFFECTS_POLL_MAX];
        int timeout_ms;
        size_t fd_count = nm_effects_poll(effects, fds, NM_COUNT(fds), &timeout_ms);
        poll(fds, fd_count, timeout_ms);
        nm_effects_run(effects, fds, fd_count);
        nm_result_t result;
        while (nm_effects_take(effects, &result)) {
            done++;
            failed += result.code != 250;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    nm_effects_destroy(&effects);
    if (failed)
        printf("%u failed; ", failed);
    return count / ((double) (end.tv_sec - start.tv_sec) + (double) (end.tv_nsec - start.tv_nsec) / 1e9);
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_effects PORT [MAILS [SIZE]]\n");
        return 2;
    }
    unsigned port = (unsigned) atoi(argv[1]), count = argc > 2 ? (unsigned) atoi(argv[2]) : 10000;
    size_t size = argc > 3 ? (size_t) atoi(argv[3]) : 800;
    static const unsigned CONNECTIONS[] = { 1, 4, 8, 16, 32, 64 };
    for (size_t i = 0; i < NM_COUNT(CONNECTIONS); i++)
        printf("%u connections: %.0f mails/s\n", CONNECTIONS[i], s_run(port, CONNECTIONS[i], count, size));
    return 0;
}
