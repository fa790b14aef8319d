/*  shim - a preloaded library that watches what a program writes and lets writes fail.
 *
 *      LD_PRELOAD=.../libnm_shim.so NM_SHIM=fdatasync:3:EIO PROGRAM
 *
 *  Without any of the variables it changes nothing.
 *
 *  NM_SHIM       What fails: CALL:N:ERROR, several with commas. CALL is open, pwrite,
 *                writev, fdatasync, fsync or ftruncate. N counts the calls of that kind
 *                from 1; "3" is the third alone, "3+" the third and all after it. ERROR is
 *                EIO, ENOSPC, EDQUOT, ENOMEM, EROFS, a number, or for pwrite and writev
 *                "short": half of it (of the pieces) is written. A fdatasync that fails does not sync.
 *                "delay50" lets the call succeed, 50 ms late: a slow disk.
 *  NM_SHIM_FILE  Which files: those whose path contains this text. "data.mdb" and "redo.log"
 *                if unset, all files if empty. Other files are neither counted nor logged.
 *  NM_SHIM_ARM   Path of a file: nothing is counted and nothing fails before it exists.
 *  NM_SHIM_LOG   Path of a file to which each watched call adds a line:
 *                    open fd=5 dsync=1 result=5 path=/x/data.mdb
 *                    pwrite fd=5 dsync=1 size=4096 at=0 result=4096
 *                    writev fd=4 dsync=0 size=12288 result=12288
 *                    fdatasync fd=4 result=0
 *                A failed call has result=-1. "dsync" tells O_DSYNC or O_SYNC at open.
 *
 *  A program may also find nm_shim_arm with dlsym and set NM_SHIM's rules, and its
 *  counts to 0, while it runs; nm_shim_log does the same for NM_SHIM_LOG.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { S_OPEN, S_PWRITE, S_WRITEV, S_FDATASYNC, S_FSYNC, S_FTRUNCATE, S_CALL_COUNT };
enum { S_RULES_MAX = 8, S_FILES_MAX = 4096, S_SHORT = -1 };

static const char *const NAMES[S_CALL_COUNT] = { "open", "pwrite", "writev", "fdatasync", "fsync", "ftruncate" };

typedef struct {
    int call;
    long number;
    bool onwards;
    int error;      //  An errno, or S_SHORT
    long delay_ms;  //  Instead of an error
} s_rule_t;

//  The library has no caller that could hold its state, so this is the one place in
//  the tree with globals that change.
static struct {
    s_rule_t rules[S_RULES_MAX];
    size_t rule_count;
    atomic_long counts[S_CALL_COUNT];
    atomic_bool armed;
    int log_fd;
    atomic_uchar files[S_FILES_MAX];  //  Per descriptor: 0 unwatched, 1 watched, 2 watched and synchronous
} s_shim = { .log_fd = -1 };

void nm_shim_arm(const char *rules);
void nm_shim_log(const char *path);

static int
s_error_number(const char *text)
{
    static const struct {
        const char *name;
        int number;
    } ERRORS[] = { { "EIO", EIO },       { "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT },
                   { "ENOMEM", ENOMEM }, { "EROFS", EROFS },   { "short", S_SHORT } };
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        if (strcmp(ERRORS[i].name, text) == 0)
            return ERRORS[i].number;
    return atoi(text);
}

static bool
s_read_rule(const char *text, s_rule_t *rule)
{
    *rule = (s_rule_t){ 0 };
    char name[16], plus[2] = "", error[16];
    if (sscanf(text, "%15[a-z]:%ld%1[+]:%15[A-Za-z0-9]", name, &rule->number, plus, error) != 4 &&
        sscanf(text, "%15[a-z]:%ld:%15[A-Za-z0-9]", name, &rule->number, error) != 3)
        return false;
    rule->onwards = *plus != 0;
    if (strncmp(error, "delay", 5) == 0)
        rule->delay_ms = atol(error + 5);
    else
        rule->error = s_error_number(error);
    for (rule->call = 0; rule->call < S_CALL_COUNT; rule->call++)
        if (strcmp(NAMES[rule->call], name) == 0)
            return rule->error != 0 || rule->delay_ms > 0;
    return false;
}

void
nm_shim_arm(const char *rules)
{
    s_shim.rule_count = 0;
    for (int i = 0; i < S_CALL_COUNT; i++)
        atomic_store(&s_shim.counts[i], 0);
    while (rules && *rules) {
        char one[64];
        size_t size = strcspn(rules, ",");
        snprintf(one, sizeof one, "%.*s", (int) size, rules);
        if (s_shim.rule_count == S_RULES_MAX || !s_read_rule(one, &s_shim.rules[s_shim.rule_count])) {
            fprintf(stderr, "shim: cannot read the rule \"%s\": CALL:N:ERROR is expected\n", one);
            _exit(2);
        }
        s_shim.rule_count++;
        rules += size + (rules[size] == ',');
    }
}

void
nm_shim_log(const char *path)
{
    if (s_shim.log_fd >= 0)
        close(s_shim.log_fd);
    s_shim.log_fd =
        path ? (int) syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

__attribute__((constructor)) static void
s_start(void)
{
    nm_shim_arm(getenv("NM_SHIM"));
    nm_shim_log(getenv("NM_SHIM_LOG"));
}

__attribute__((format(printf, 1, 2))) static void
s_log(const char *format, ...)
{
    if (s_shim.log_fd < 0)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    int kept = errno;
    if (size > 0)
        syscall(SYS_write, s_shim.log_fd, line, (size_t) size < sizeof line ? (size_t) size : sizeof line - 1);
    errno = kept;
}

static bool
s_is_armed(void)
{
    const char *path = getenv("NM_SHIM_ARM");
    if (!path || atomic_load(&s_shim.armed))
        return true;
    if (syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0)
        return false;
    atomic_store(&s_shim.armed, true);
    return true;
}

static void
s_sleep(long ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

//  Counts the call; what is to go wrong with it: 0, an errno, or S_SHORT. Lets it wait if that is the rule.
static int
s_verdict(int call)
{
    int kept = errno;
    bool armed = s_is_armed();
    errno = kept;
    if (!armed)
        return 0;
    long number = atomic_fetch_add(&s_shim.counts[call], 1) + 1;
    for (size_t i = 0; i < s_shim.rule_count; i++) {
        const s_rule_t *rule = &s_shim.rules[i];
        if (rule->call != call || (rule->number != number && (!rule->onwards || number < rule->number)))
            continue;
        if (rule->delay_ms)
            s_sleep(rule->delay_ms);
        return rule->error;
    }
    return 0;
}

static int
s_watch(int fd)
{
    return fd >= 0 && fd < S_FILES_MAX ? atomic_load(&s_shim.files[fd]) : 0;
}

static bool
s_is_watched_path(const char *path)
{
    const char *part = getenv("NM_SHIM_FILE");
    if (part)
        return strstr(path, part) != NULL;
    return strstr(path, "data.mdb") || strstr(path, "redo.log");
}

//  The next one of this name: libc's, or the sanitizer's before it.
#define S_NEXT(name, type) \
    static type *next;     \
    if (!next)             \
    next = (type *) dlsym(RTLD_NEXT, name)

typedef int(s_openat_t)(int, const char *, int, ...);
typedef ssize_t(s_pwrite_t)(int, const void *, size_t, off_t);
typedef ssize_t(s_writev_t)(int, const struct iovec *, int);
typedef int(s_sync_t)(int);
typedef int(s_ftruncate_t)(int, off_t);

static int
s_openat(int folder, const char *path, int flags, mode_t mode)
{
    S_NEXT("openat", s_openat_t);
    bool watched = s_is_watched_path(path) && (flags & O_ACCMODE) != O_RDONLY;
    int error = watched ? s_verdict(S_OPEN) : 0;
    int fd = error ? -1 : next(folder, path, flags, mode);
    if (error)
        errno = error;
    bool synchronous = flags & (O_DSYNC | O_SYNC);
    if (fd >= 0 && fd < S_FILES_MAX)
        atomic_store(&s_shim.files[fd], watched ? (synchronous ? 2 : 1) : 0);
    if (watched)
        s_log("open fd=%d dsync=%d result=%d path=%s\n", fd, synchronous, fd, path);
    return fd;
}

#define S_MODE(flags)                \
    mode_t mode = 0;                 \
    if ((flags) &O_CREAT) {          \
        va_list args;                \
        va_start(args, flags);       \
        mode = va_arg(args, mode_t); \
        va_end(args);                \
    }

int
open(const char *path, int flags, ...)
{
    S_MODE(flags)
    return s_openat(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
    S_MODE(flags)
    return s_openat(AT_FDCWD, path, flags, mode);
}

int
openat(int folder, const char *path, int flags, ...)
{
    S_MODE(flags)
    return s_openat(folder, path, flags, mode);
}

int
openat64(int folder, const char *path, int flags, ...)
{
    S_MODE(flags)
    return s_openat(folder, path, flags, mode);
}

int
close(int fd)
{
    S_NEXT("close", s_sync_t);
    if (fd >= 0 && fd < S_FILES_MAX)
        atomic_store(&s_shim.files[fd], 0);
    return next(fd);
}

static ssize_t
s_pwrite(int fd, const void *at, size_t size, off_t offset)
{
    S_NEXT("pwrite", s_pwrite_t);
    int watch = s_watch(fd);
    if (!watch)
        return next(fd, at, size, offset);
    int error = s_verdict(S_PWRITE);
    ssize_t result = error > 0 ? -1 : next(fd, at, error == S_SHORT ? size / 2 : size, offset);
    if (error > 0)
        errno = error;
    s_log("pwrite fd=%d dsync=%d size=%zu at=%lld result=%zd\n", fd, watch == 2, size, (long long) offset, result);
    return result;
}

ssize_t
pwrite(int fd, const void *at, size_t size, off_t offset)
{
    return s_pwrite(fd, at, size, offset);
}

ssize_t
pwrite64(int fd, const void *at, size_t size, off_t offset)
{
    return s_pwrite(fd, at, size, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    S_NEXT("writev", s_writev_t);
    int watch = s_watch(fd);
    if (!watch)
        return next(fd, parts, count);
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    int error = s_verdict(S_WRITEV);
    ssize_t result = error > 0 ? -1 : next(fd, parts, error == S_SHORT ? (count + 1) / 2 : count);
    if (error > 0)
        errno = error;
    s_log("writev fd=%d dsync=%d size=%zu result=%zd\n", fd, watch == 2, size, result);
    return result;
}

static int
s_sync(int call, int fd, s_sync_t *next)
{
    if (!s_watch(fd))
        return next(fd);
    int error = s_verdict(call);
    int result = error ? -1 : next(fd);
    if (error)
        errno = error;
    s_log("%s fd=%d result=%d\n", NAMES[call], fd, result);
    return result;
}

int
fdatasync(int fd)
{
    S_NEXT("fdatasync", s_sync_t);
    return s_sync(S_FDATASYNC, fd, next);
}

int
fsync(int fd)
{
    S_NEXT("fsync", s_sync_t);
    return s_sync(S_FSYNC, fd, next);
}

int
ftruncate(int fd, off_t size)
{
    S_NEXT("ftruncate", s_ftruncate_t);
    if (!s_watch(fd))
        return next(fd, size);
    int error = s_verdict(S_FTRUNCATE);
    if (error)
        errno = error;
    return error ? -1 : next(fd, size);
}
