/*  cut_writer - works on a store until its disk goes away, and tells what it was promised.
 *
 *      cut_writer write FOLDER           does turn after turn (work.h); prints the number of each once it is done
 *      cut_writer check FOLDER LAST      LAST was printed: is it there, or the one after it, and whole?
 *
 *  Goes on after the last turn that the store has. check prints "ok N" and ends with 0, or says
 *  what is wrong and ends with 1.
 */
#include <unistd.h>

#include "tests/disk/work.h"

enum { RESERVE = 1 << 20, SETTLE_EACH = 23 };

static int
s_fail(const char *what)
{
    printf("cut_writer: %s\n", what);
    return 1;
}

static work_model_t
s_model(uint32_t turn)
{
    work_model_t model = { { { 0 } } };
    for (uint32_t i = 1; i <= turn; i++)
        work_advance(&model, i);
    return model;
}

static int
s_write(nm_store_t *store, uint32_t turn)
{
    work_model_t model = s_model(turn);
    char line[16];
    for (;;) {
        if (work_turn(store, &model, ++turn, false) != NM_OK)
            return s_fail("a turn failed");
        work_advance(&model, turn);
        int size = snprintf(line, sizeof line, "%u\n", (unsigned) turn);
        if (write(STDOUT_FILENO, line, (size_t) size) != size)
            return s_fail("nobody listens");
        if (turn % SETTLE_EACH == 0 && nm_store_settle(store) != NM_OK)
            return s_fail("a settle failed");
    }
}

static int
s_check(nm_store_t *store, uint32_t turn, uint32_t last)
{
    nm_store_check_t report;
    nm_error_t error = { "" };
    work_model_t model = s_model(turn);
    if (turn != last && turn != last + 1) {
        printf("cut_writer: turn %u was acknowledged, and %u is there\n", (unsigned) last, (unsigned) turn);
        return 1;
    }
    const char *fault = work_compare(store, &model, turn);
    if (fault)
        return s_fail(fault);
    if (nm_store_check(store, &report, &error) != NM_OK)
        return s_fail(error.text);
    printf("ok %u\n", (unsigned) turn);
    return 0;
}

int
main(int argc, char **argv)
{
    bool checks = argc == 4 && strcmp(argv[1], "check") == 0;
    if (!checks && (argc != 3 || strcmp(argv[1], "write") != 0)) {
        fprintf(stderr, "usage: cut_writer write FOLDER | check FOLDER LAST\n");
        return 2;
    }
    nm_error_t error = { "" };
    nm_store_config_t config = work_config(argv[2], RESERVE);
    nm_store_t *store = nm_store_new(&config, &error);
    uint32_t turn;
    if (!store)
        return s_fail(error.text);
    int code = work_last_turn(store, &turn) != NM_OK ? s_fail("it cannot be read")
               : checks                              ? s_check(store, turn, (uint32_t) strtoul(argv[3], NULL, 10))
                                                     : s_write(store, turn);
    nm_store_destroy(&store);
    return code;
}
