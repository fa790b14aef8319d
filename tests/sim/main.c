//  nmesh-sim - runs simulated meshes, one for each seed, and says which seed breaks what.

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/log.h"
#include "tests/sim/sim.h"

enum { JOB_MAX = 64, PROGRESS_MS = 5000, LOOK_MS = 20 };

static const char USAGE[] = "usage: nmesh-sim --seed N [--verbose]\n"
                            "       nmesh-sim --seeds FROM:COUNT [--jobs J] [--seconds S] [--quiet]\n"
                            "\n"
                            "  --seed N            one simulation; with --verbose every step of it is printed\n"
                            "  --seeds FROM:COUNT  that many, from seed FROM on\n"
                            "  --jobs J            by so many processes (1)\n"
                            "  --seconds S         begin no more after so long\n"
                            "  --quiet             no progress, only the last line\n"
                            "\n"
                            "Ends with 0 if every invariant held, 1 if one was broken, 2 if used wrongly.\n";

//  What a worker has in memory that its parent sees.
typedef struct {
    sim_tally_t tally;
    uint64_t seed;  //  Under way
    bool failed;
    bool stop;  //  Set by the parent: another one has failed
    char fault[512];
} s_board_t;

typedef struct {
    uint64_t from, count;
    unsigned jobs;
    int64_t seconds;
    bool verbose;
    bool quiet;
    const char *program;
} s_options_t;

static int64_t
s_now_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t) at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

//  -- A worker

static void
s_work(const s_options_t *options, unsigned job, s_board_t *board)
{
    int64_t end_ms = options->seconds ? s_now_ms() + options->seconds * 1000 : INT64_MAX;
    //  LMDB takes 2 MiB of zeros for each store it opens: fresh pages have them, without writing any.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    sim_dice_take_over();
    //  What actors log is part of the story, and nothing that a person must read otherwise.
    nm_log_open("sim", (nm_log_level_t) 0);
    sim_ground_t *ground = sim_ground_new();
    if (options->verbose)
        nm_log_open("sim", NM_LOG_INFO);
    for (uint64_t i = job; i < options->count && !board->failed && !board->stop && s_now_ms() < end_ms;
         i += options->jobs) {
        board->seed = options->from + i;
        board->failed = !sim_run(ground, board->seed, options->verbose, &board->tally, board->fault);
    }
    sim_ground_destroy(&ground);
}

//  -- All of them

static void
s_add(sim_tally_t *sum, const sim_tally_t *part)
{
    uint64_t *to = (uint64_t *) sum;
    const uint64_t *from = (const uint64_t *) part;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

static sim_tally_t
s_sum(const s_options_t *options, const s_board_t *boards)
{
    sim_tally_t sum = { 0 };
    for (unsigned i = 0; i < options->jobs; i++)
        s_add(&sum, &boards[i].tally);
    return sum;
}

static void
s_tell(const s_options_t *options, const s_board_t *boards, int64_t began_ms, const char *word)
{
    sim_tally_t sum = s_sum(options, boards);
    double took_s = (double) (s_now_ms() - began_ms) / 1000;
    printf("%s: %llu seeds in %.1f s (%.2f ms of a core each), %llu h simulated: %llu turns, %llu commits, %llu mails; "
           "%llu crashes, %llu stops, %llu full, %llu rolled back, %llu restored; %llu notifications, %llu sent, "
           "%llu failed, %llu excused; %llu taken by servers, %llu duplicates, all explained; "
           "%llu with own directories, %llu newcomers, %llu new keys, %llu statements, %llu lies; %llu drained, %llu "
           "of them for "
           "good, %llu called back; %llu machines lost, "
           "%llu notifications inherited, %llu back and out again\n",
           word, (unsigned long long) sum.seeds, took_s,
           sum.seeds ? took_s * 1000 * options->jobs / (double) sum.seeds : 0.0,
           (unsigned long long) sum.simulated_ms / 3600000, (unsigned long long) sum.turns,
           (unsigned long long) sum.commits, (unsigned long long) sum.mails, (unsigned long long) sum.crashes,
           (unsigned long long) sum.stops, (unsigned long long) sum.full, (unsigned long long) sum.rollbacks,
           (unsigned long long) sum.restores, (unsigned long long) sum.notes, (unsigned long long) sum.sent,
           (unsigned long long) sum.failed, (unsigned long long) sum.excused, (unsigned long long) sum.gots,
           (unsigned long long) sum.duplicates, (unsigned long long) sum.directories,
           (unsigned long long) sum.newcomers, (unsigned long long) sum.renewals, (unsigned long long) sum.statements,
           (unsigned long long) sum.lies, (unsigned long long) sum.drained, (unsigned long long) sum.gone,
           (unsigned long long) sum.recalled, (unsigned long long) sum.losses, (unsigned long long) sum.inherited,
           (unsigned long long) sum.returns);
    fflush(stdout);
}

//  A worker has ended: well, with a broken invariant, or by a fault of the code under test.
static bool
s_is_good(const s_options_t *options, const s_board_t *board, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !board->failed)
        return true;
    printf("FAILED seed %llu: ", (unsigned long long) board->seed);
    if (board->failed)
        printf("%s\n", board->fault);
    else if (WIFSIGNALED(status))
        printf("the process ended by signal %d\n", WTERMSIG(status));
    else
        printf("the process ended with %d\n", WEXITSTATUS(status));
    printf("  again: %s --seed %llu --verbose\n", options->program, (unsigned long long) board->seed);
    fflush(stdout);
    return false;
}

static bool
s_start_workers(const s_options_t *options, s_board_t *boards, pid_t *pids)
{
    fflush(stdout);
    for (unsigned i = 0; i < options->jobs; i++) {
        pids[i] = fork();
        if (pids[i] < 0) {
            fprintf(stderr, "nmesh-sim: fork: %s\n", strerror(errno));
            return false;
        }
        if (pids[i] == 0) {
            s_work(options, i, &boards[i]);
            exit(0);
        }
    }
    return true;
}

//  Ends the others when one has failed. True if all are well.
static bool
s_watch(const s_options_t *options, s_board_t *boards, pid_t *pids, int64_t began_ms)
{
    bool good = true;
    int64_t told_ms = began_ms;
    for (unsigned left = options->jobs; left;) {
        int status;
        for (unsigned i = 0; i < options->jobs; i++) {
            if (!pids[i] || waitpid(pids[i], &status, WNOHANG) != pids[i])
                continue;
            pids[i] = 0;
            left--;
            if (!s_is_good(options, &boards[i], status)) {
                good = false;
                for (unsigned j = 0; j < options->jobs; j++)
                    boards[j].stop = true;
            }
        }
        if (!options->quiet && s_now_ms() - told_ms >= PROGRESS_MS) {
            told_ms = s_now_ms();
            s_tell(options, boards, began_ms, "so far");
        }
        usleep(LOOK_MS * 1000);
    }
    return good;
}

static int
s_run_many(const s_options_t *options)
{
    pid_t pids[JOB_MAX] = { 0 };
    int64_t began_ms = s_now_ms();
    s_board_t *boards =
        mmap(NULL, options->jobs * sizeof *boards, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (boards == MAP_FAILED || !s_start_workers(options, boards, pids))
        return 1;
    bool good = s_watch(options, boards, pids, began_ms);
    s_tell(options, boards, began_ms, good ? "ok" : "failed");
    munmap(boards, options->jobs * sizeof *boards);
    return good ? 0 : 1;
}

//  -- Arguments

static bool
s_read_number(const char *text, char **end, uint64_t *number)
{
    errno = 0;
    *number = strtoull(text, end, 10);
    return !errno && *end != text;
}

static bool
s_read_range(const char *text, s_options_t *options)
{
    char *end;
    return s_read_number(text, &end, &options->from) && *end == ':' && s_read_number(end + 1, &end, &options->count) &&
           !*end && options->count;
}

static bool
s_read_option(int option, const char *text, s_options_t *options)
{
    char *end;
    uint64_t number = 0;
    switch (option) {
    case 'v': options->verbose = true; return true;
    case 'q': options->quiet = true; return true;
    case 'r': return s_read_range(text, options);
    case 's': options->count = 1; return s_read_number(text, &end, &options->from) && !*end;
    case 'j':
        options->jobs = s_read_number(text, &end, &number) && !*end && number <= JOB_MAX ? (unsigned) number : 0;
        return options->jobs > 0;
    case 't':
        options->seconds = s_read_number(text, &end, &number) && !*end && number <= 1000000 ? (int64_t) number : 0;
        return options->seconds > 0;
    default: return false;
    }
}

int
main(int argc, char **argv)
{
    static const struct option OPTIONS[] = { { "seed", 1, NULL, 's' },    { "seeds", 1, NULL, 'r' },
                                             { "jobs", 1, NULL, 'j' },    { "seconds", 1, NULL, 't' },
                                             { "verbose", 0, NULL, 'v' }, { "quiet", 0, NULL, 'q' },
                                             { "help", 0, NULL, 'h' },    { NULL, 0, NULL, 0 } };
    s_options_t options = { .jobs = 1, .program = argv[0] };
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (option == 'h') {
            fputs(USAGE, stdout);
            return 0;
        }
        if (!s_read_option(option, optarg, &options)) {
            fputs(USAGE, stderr);
            return 2;
        }
    }
    if (!options.count || optind != argc) {
        fputs(USAGE, stderr);
        return 2;
    }
    if (options.verbose) {
        options.jobs = 1;
        setvbuf(stdout, NULL, _IOLBF, 0);
    }
    return s_run_many(&options);
}
