//  The file of a store with bytes changed anywhere: the page check refuses it, or LMDB reads all of it and writes to it
//  without harm. LMDB by itself dies of many of these files.
//
//  The input is a list of changes to a sound file: page u8, offset u16, count u8, then so many bytes (at most 16).
#include <fcntl.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lmdb_store/pages.h"
#include "lmdb_store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t size);

enum { RECORDS = 160, CHANGE_HEAD = 4, CHANGE_MAX = 16, PAGE = 4096, MAP_SIZE = 8 << 20 };

static const nm_table_t PLAIN = { .number = 40, .sealed = false, .name = "test.plain" };
static const nm_table_t SEALED = { .number = 41, .sealed = true, .name = "test.sealed" };
static const nm_table_t *const TABLES[] = { &PLAIN, &SEALED };
static const nm_store_key_t KEY = { .number = 5, .secret = "the key that the fuzzer seals by" };

static uint8_t *sound;  //  The file that is changed
static size_t sound_size;

#define PROMISE(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static MDB_env *
s_open(int fd)
{
    char path[64];
    MDB_env *env = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    PROMISE(mdb_env_create(&env) == 0);
    PROMISE(mdb_env_set_maxdbs(env, NM_STORE_TABLE_MAX) == 0 && mdb_env_set_mapsize(env, MAP_SIZE) == 0);
    PROMISE(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600) == 0);
    return env;
}

//  Keys of several lengths, values in pages and in pages of their own.
static nm_rc_t
s_put_some(nm_txn_t *txn, void *arg)
{
    static uint8_t bytes[9000];
    unsigned round = *(unsigned *) arg;
    nm_rc_t rc = NM_OK;
    for (unsigned i = 0; i < RECORDS && rc == NM_OK; i++) {
        char key[64];
        snprintf(key, sizeof key, "%0*u", 4 + (int) (i % 30), (i + round) * 7919 % 1000);
        rc = nm_table_put(txn, TABLES[i % NM_COUNT(TABLES)], nm_text(key),
                          nm_bytes(bytes, i % 80 == 7 ? sizeof bytes : i % 90));
    }
    return rc;
}

static void
s_make(void)
{
    char folder[] = "/tmp/nmesh-fuzz.XXXXXX", path[64], command[96];
    nm_error_t error = { .text = "" };
    PROMISE(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/store", folder);
    nm_store_config_t config = { .path = path,
                                 .owner = "email-1",
                                 .tables = TABLES,
                                 .table_count = NM_COUNT(TABLES),
                                 .keys = &KEY,
                                 .key_count = 1,
                                 .map_size = MAP_SIZE,
                                 .reserve = 1 << 19 };
    nm_store_t *store = nm_store_new(&config, &error);
    PROMISE(store);
    for (unsigned round = 0; round < 3; round++) {
        PROMISE(nm_store_update(store, s_put_some, &round) == NM_OK);
        PROMISE(nm_store_settle(store) == NM_OK);
    }
    nm_store_destroy(&store);
    snprintf(path, sizeof path, "%s/store/data.mdb", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    PROMISE(fd >= 0);
    sound_size = (size_t) lseek(fd, 0, SEEK_END);
    sound = nm_alloc(sound_size);
    PROMISE(pread(fd, sound, sound_size, 0) == (ssize_t) sound_size);
    close(fd);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    PROMISE(system(command) == 0);
}

static void
s_change(int fd, const uint8_t *at, size_t size)
{
    PROMISE(pwrite(fd, sound, sound_size, 0) == (ssize_t) sound_size);
    while (size > CHANGE_HEAD) {
        size_t offset = at[0] * PAGE + (size_t) ((at[1] << 8 | at[2]) % PAGE);
        size_t count = (size_t) at[3] % CHANGE_MAX + 1;
        if (count > size - CHANGE_HEAD)
            count = size - CHANGE_HEAD;
        if (offset + count <= sound_size)
            PROMISE(pwrite(fd, at + CHANGE_HEAD, count, (off_t) offset) == (ssize_t) count);
        at += CHANGE_HEAD + count, size -= CHANGE_HEAD + count;
    }
}

static void
s_walk(MDB_txn *txn, MDB_dbi dbi)
{
    static uint8_t read[1 << 16];
    MDB_cursor *cursor;
    MDB_val key, value;
    PROMISE(mdb_cursor_open(txn, dbi, &cursor) == 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        memcpy(read, value.mv_data, value.mv_size < sizeof read ? value.mv_size : sizeof read);
    mdb_cursor_close(cursor);
}

static void
s_put(MDB_txn *txn, MDB_dbi dbi, unsigned number)
{
    static uint8_t bytes[6000];
    char key[16];
    snprintf(key, sizeof key, "new %u", number);
    MDB_val name = { strlen(key), key };
    MDB_val value = { number % 10 ? number : sizeof bytes, bytes };
    PROMISE(mdb_put(txn, dbi, &name, &value, 0) == 0);
}

//  What was vouched for is used.
static void
s_use(int fd, const nm_pages_t *pages)
{
    MDB_env *env = s_open(fd);
    MDB_txn *txn;
    PROMISE(mdb_txn_begin(env, NULL, 0, &txn) == 0);
    for (size_t i = 0; i < pages->table_count; i++) {
        MDB_dbi dbi;
        int rc = mdb_dbi_open(txn, pages->tables[i].name, 0, &dbi);
        PROMISE(rc == 0);
        s_walk(txn, dbi);
        for (unsigned number = 0; number < 40; number++)
            s_put(txn, dbi, number);
    }
    PROMISE(mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    static nm_pages_t pages;
    nm_error_t error = { .text = "" };
    if (!sound)
        s_make();
    int fd = memfd_create("changed", 0);
    PROMISE(fd >= 0);
    s_change(fd, at, size);
    nm_rc_t rc = nm_pages_read(fd, "fuzz", NM_PAGES_BUDGET, &pages, &error);
    PROMISE(rc == NM_OK || (rc == NM_ERR_CORRUPT && error.text[0]));
    if (rc == NM_OK)
        s_use(fd, &pages);
    else
        PROMISE(size > CHANGE_HEAD);  //  Nothing was changed
    close(fd);
    return 0;
}
