#include "lmdb_store/guard.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb_store/log.h"
#include "lmdb_store/store.h"

enum { S_WATCHED_MAX = 256 };

//  A signal handler has no caller that could hand it state, so this stands alone.
static struct {
    struct {
        MDB_env *env;  //  NULL: a free place
        const char *path;
        uintptr_t from, to;
    } maps[S_WATCHED_MAX];
    struct sigaction before_bus, before_segv;
} s_guard;

static const char *
s_path_at(uintptr_t at)
{
    for (size_t i = 0; i < S_WATCHED_MAX; i++)
        if (s_guard.maps[i].env && at >= s_guard.maps[i].from && at < s_guard.maps[i].to)
            return s_guard.maps[i].path;
    return NULL;
}

__attribute__((noreturn)) static void
s_end(const char *path, const char *what)
{
    nm_store_log_critical("store_corrupt", path, "LMDB cannot go on: %s. Keep the folder and run nctl check", what);
    _exit(NM_STORE_EXIT_DAMAGED);
}

//  The fault is in the map, so nobody was interrupted who holds a lock or a half-done line.
static void
s_on_fault(int number, siginfo_t *info, void *context)
{
    const char *path = info->si_code > 0 ? s_path_at((uintptr_t) info->si_addr) : NULL;
    (void) context;
    if (path)
        s_end(path, number == SIGBUS ? "a page of data.mdb cannot be read" : "a page of data.mdb makes no sense");
    //  The same instruction faults again under the handler from before; what somebody sent is sent again.
    sigaction(number, number == SIGBUS ? &s_guard.before_bus : &s_guard.before_segv, NULL);
    if (info->si_code <= 0)
        raise(number);
}

static void
s_handle(int number, struct sigaction *before)
{
    struct sigaction now, ours = { .sa_sigaction = s_on_fault, .sa_flags = SA_SIGINFO };
    if (sigaction(number, NULL, &now) != 0 || now.sa_sigaction == s_on_fault)
        return;
    *before = now;
    sigaction(number, &ours, NULL);
}

static void
s_on_assert(MDB_env *env, const char *message)
{
    s_end(mdb_env_get_userctx(env), message);
}

//  LMDB does not tell where its map is; the system does, by the file's inode.
static bool
s_find_map(MDB_env *env, uintptr_t *from, uintptr_t *to)
{
    int fd;
    struct stat is;
    MDB_envinfo info;
    char line[512];
    FILE *maps;
    bool found = false;
    if (mdb_env_get_fd(env, &fd) || fstat(fd, &is) != 0 || mdb_env_info(env, &info) ||
        !(maps = fopen("/proc/self/maps", "re")))
        return false;
    while (!found && fgets(line, sizeof line, maps)) {
        unsigned long inode;
        //  Scanning all lines would cost more than all else at start.
        found = strstr(line, "/data.mdb") && sscanf(line, "%lx-%lx %*s %*s %*s %lu", from, to, &inode) == 3 &&
                inode == is.st_ino && *to - *from >= info.me_mapsize;
    }
    fclose(maps);
    return found;
}

void
nm_guard_enter(MDB_env *env, const char *path)
{
    mdb_env_set_userctx(env, (void *) path);
    mdb_env_set_assert(env, s_on_assert);
    size_t place = 0;
    while (place < S_WATCHED_MAX && s_guard.maps[place].env)
        place++;
    if (place == S_WATCHED_MAX || !s_find_map(env, &s_guard.maps[place].from, &s_guard.maps[place].to))
        return;
    s_guard.maps[place].path = path;
    s_guard.maps[place].env = env;
    s_handle(SIGBUS, &s_guard.before_bus);
    s_handle(SIGSEGV, &s_guard.before_segv);
}

void
nm_guard_leave(MDB_env *env)
{
    for (size_t i = 0; i < S_WATCHED_MAX; i++)
        if (s_guard.maps[i].env == env)
            s_guard.maps[i].env = NULL;
}
