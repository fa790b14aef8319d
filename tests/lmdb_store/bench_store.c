/*  bench_store - commits and records per second of a store. Not run by ctest.
 *
 *      bench_store [FOLDER [SECONDS]]
 *
 *  Puts 400-byte records with growing keys, as an outbox does, by 1, 10, 100 and 1,000
 *  in a commit, hashed and sealed; then reads and deletes them.
 */
#include <stdlib.h>
#include <time.h>

#include "lmdb_store/store.h"

static const nm_table_t HASHED = { .number = 40, .sealed = false, .name = "bench.hashed" };
static const nm_table_t SEALED = { .number = 41, .sealed = true, .name = "bench.sealed" };
static const nm_table_t *const TABLES[] = { &HASHED, &SEALED };

enum { RECORD_SIZE = 400 };

typedef struct {
    const nm_table_t *table;
    nm_store_fn *work;
    uint32_t count;  //  Records in a commit
    uint32_t next;   //  The first key of the next commit
    uint32_t end;    //  Where to stop; 0: never
} s_run_t;

static double
s_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static nm_rc_t
s_put(nm_txn_t *txn, void *arg)
{
    s_run_t *run = arg;
    uint8_t key[8] = { 0 }, value[RECORD_SIZE] = { 1, 2, 3 };
    nm_rc_t rc = NM_OK;
    for (uint32_t i = 0; rc == NM_OK && i < run->count; i++) {
        nm_put_u32(key, run->next++);
        rc = nm_table_put(txn, run->table, nm_bytes(key, sizeof key), nm_bytes(value, sizeof value));
    }
    return rc;
}

static nm_rc_t
s_get(nm_txn_t *txn, void *arg)
{
    s_run_t *run = arg;
    uint8_t key[8] = { 0 };
    nm_rc_t rc = NM_OK;
    nm_bytes_t value;
    for (uint32_t i = 0; rc == NM_OK && i < run->count; i++) {
        nm_put_u32(key, run->next++);
        rc = nm_table_get(txn, run->table, nm_bytes(key, sizeof key), &value);
    }
    return rc;
}

static nm_rc_t
s_delete(nm_txn_t *txn, void *arg)
{
    s_run_t *run = arg;
    uint8_t key[8] = { 0 };
    nm_rc_t rc = NM_OK;
    for (uint32_t i = 0; rc == NM_OK && i < run->count; i++) {
        nm_put_u32(key, run->next++);
        rc = nm_table_delete(txn, run->table, nm_bytes(key, sizeof key));
    }
    return rc;
}

static void
s_run(nm_store_t *store, const char *name, s_run_t *run, double seconds)
{
    uint32_t first = run->next, commits = 0;
    double start = s_now_s(), took;
    do {
        if (run->end && run->next + run->count > run->end)
            break;
        if (nm_store_update(store, run->work, run) != NM_OK) {
            fprintf(stderr, "bench_store: %s failed\n", name);
            exit(1);
        }
        commits++;
    } while ((took = s_now_s() - start) < seconds);
    took = s_now_s() - start;
    printf("%-8s %-7s %5u a commit  %8.0f commits/s  %10.0f records/s  %7.2f us/record\n", name,
           run->table->sealed ? "sealed" : "hashed", (unsigned) run->count, commits / took, (run->next - first) / took,
           took * 1e6 / (run->next - first));
}

int
main(int argc, char **argv)
{
    static const nm_store_key_t KEY = { .number = 1, .secret = "a key for the benchmark, 32 byte" };
    const char *folder = argc > 1 ? argv[1] : "/tmp/nm-bench-store";
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    nm_error_t error;
    nm_store_config_t config = {
        .path = folder, .owner = "bench", .tables = TABLES, .table_count = 2, .keys = &KEY, .key_count = 1
    };
    nm_store_t *store = nm_store_new(&config, &error);
    if (!store) {
        fprintf(stderr, "bench_store: %s\n", error.text);
        return 1;
    }
    for (size_t t = 0; t < NM_COUNT(TABLES); t++) {
        uint32_t next = 0;
        for (uint32_t count = 1; count <= 1000; count *= 10) {
            s_run_t run = { TABLES[t], s_put, count, next, 0 };
            s_run(store, "put", &run, seconds);
            next = run.next;
        }
        s_run(store, "get", &(s_run_t){ TABLES[t], s_get, 1000, 0, next }, seconds);
        s_run(store, "delete", &(s_run_t){ TABLES[t], s_delete, 100, 0, next }, seconds);
    }
    nm_store_destroy(&store);
    return 0;
}
