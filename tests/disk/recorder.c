#include "tests/disk/recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { S_RECORDS_MAX = 64 * 1024, S_FDS_MAX = 256 };
static const size_t S_ROOM = (size_t) 512 << 20;

//  Shared by parent and children; one of them runs at a time.
typedef struct {
    size_t used;  //  Of this memory
    size_t count;
    unsigned file_count;
    char names[RECORD_FILES_MAX][RECORD_NAME_MAX];  //  Of each file as it stands; "" once it has none
    record_t records[S_RECORDS_MAX];
} s_shared_t;

//  A library that stands before libc has no caller that could hold its state.
static struct {
    s_shared_t *shared;
    bool stopped;
    char folder[128];
    struct {
        bool watched, synchronous;
        unsigned file;
    } fds[S_FDS_MAX];
} s_recorder;

#define S_NEXT(name, type) \
    static type *next;     \
    if (!next)             \
    next = (type *) dlsym(RTLD_NEXT, name)

typedef int(s_openat_t)(int, const char *, int, ...);
typedef int(s_fd_t)(int);
typedef ssize_t(s_pwrite_t)(int, const void *, size_t, off_t);
typedef ssize_t(s_writev_t)(int, const struct iovec *, int);
typedef int(s_ftruncate_t)(int, off_t);
typedef int(s_renameat_t)(int, const char *, int, const char *);
typedef int(s_unlinkat_t)(int, const char *, int);

void *
recorder_alloc(size_t size)
{
    s_shared_t *shared = s_recorder.shared;
    size_t at = (shared->used + 15) / 16 * 16;
    if (size > S_ROOM - at)
        abort();
    shared->used = at + size;
    return (uint8_t *) shared + at;
}

void
recorder_start(const char *folder)
{
    s_shared_t *shared = mmap(NULL, S_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    shared->used = sizeof *shared;
    snprintf(s_recorder.folder, sizeof s_recorder.folder, "%s", folder);
    s_recorder.shared = shared;
}

void
recorder_stop(void)
{
    s_recorder.stopped = true;
}

const record_t *
recorder_list(size_t *count)
{
    *count = s_recorder.shared->count;
    return s_recorder.shared->records;
}

static bool
s_is_on(void)
{
    return s_recorder.shared && !s_recorder.stopped;
}

static record_t *
s_add(record_kind_t kind, unsigned file)
{
    s_shared_t *shared = s_recorder.shared;
    if (shared->count == S_RECORDS_MAX)
        abort();
    record_t *record = &shared->records[shared->count++];
    *record = (record_t){ .kind = kind, .file = file };
    return record;
}

void
recorder_note(uint64_t value)
{
    s_add(RECORD_NOTE, 0)->at = value;
}

static void
s_add_write(unsigned file, uint64_t at, const void *bytes, size_t size)
{
    uint8_t *copy = memcpy(recorder_alloc(size), bytes, size);
    record_t *record = s_add(RECORD_WRITE, file);
    record->at = at;
    record->bytes = copy;
    record->size = size;
}

//  -- Names

static bool
s_is_of_interest(const char *name)
{
    static const char *const LEFT_OUT[] = { "LOCK", "lock.mdb", "ballast" };
    for (size_t i = 0; i < NM_COUNT(LEFT_OUT); i++)
        if (strcmp(name, LEFT_OUT[i]) == 0)
            return false;
    return *name && !strchr(name, '/') && strlen(name) < RECORD_NAME_MAX;
}

//  The name within the watched folder; NULL if it is elsewhere. Relative names are those of our
//  own code, which opens them in the store's folder.
static const char *
s_name(int folder, const char *path)
{
    size_t size = strlen(s_recorder.folder);
    if (!s_is_on())
        return NULL;
    if (strncmp(path, s_recorder.folder, size) == 0 && path[size] == '/')
        path += size + 1;
    else if (folder == AT_FDCWD)
        return NULL;
    return s_is_of_interest(path) ? path : NULL;
}

static int
s_file_named(const char *name)
{
    for (unsigned i = 0; i < s_recorder.shared->file_count; i++)
        if (strcmp(s_recorder.shared->names[i], name) == 0)
            return (int) i;
    return -1;
}

static unsigned
s_file_of(const char *name)
{
    s_shared_t *shared = s_recorder.shared;
    int known = s_file_named(name);
    if (known >= 0)
        return (unsigned) known;
    if (shared->file_count == RECORD_FILES_MAX)
        abort();
    unsigned file = shared->file_count++;
    snprintf(shared->names[file], RECORD_NAME_MAX, "%s", name);
    snprintf(s_add(RECORD_CREATE, file)->name, RECORD_NAME_MAX, "%s", name);
    return file;
}

static int
s_openat(int folder, const char *path, int flags, mode_t mode)
{
    S_NEXT("openat", s_openat_t);
    int fd = next(folder, path, flags, mode);
    if (fd < 0 || fd >= S_FDS_MAX)
        return fd;
    const char *name = (flags & O_ACCMODE) == O_RDONLY ? NULL : s_name(folder, path);
    s_recorder.fds[fd].watched = name != NULL;
    if (!name)
        return fd;
    s_recorder.fds[fd].synchronous = flags & (O_DSYNC | O_SYNC);
    s_recorder.fds[fd].file = s_file_of(name);
    if (flags & O_TRUNC)
        s_add(RECORD_TRUNCATE, s_recorder.fds[fd].file);
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
openat(int folder, const char *path, int flags, ...)
{
    S_MODE(flags)
    return s_openat(folder, path, flags, mode);
}

int
close(int fd)
{
    S_NEXT("close", s_fd_t);
    if (fd >= 0 && fd < S_FDS_MAX)
        s_recorder.fds[fd].watched = false;
    return next(fd);
}

int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    S_NEXT("renameat", s_renameat_t);
    int result = next(from_folder, from, to_folder, to);
    const char *from_name = s_name(from_folder, from), *to_name = s_name(to_folder, to);
    int file = result == 0 && from_name && to_name ? s_file_named(from_name) : -1;
    if (file < 0)
        return result;
    int replaced = s_file_named(to_name);
    if (replaced >= 0)
        s_recorder.shared->names[replaced][0] = 0;
    snprintf(s_recorder.shared->names[file], RECORD_NAME_MAX, "%s", to_name);
    record_t *record = s_add(RECORD_RENAME, (unsigned) file);
    snprintf(record->name, RECORD_NAME_MAX, "%s", from_name);
    snprintf(record->to, RECORD_NAME_MAX, "%s", to_name);
    return result;
}

int
unlinkat(int folder, const char *path, int flags)
{
    S_NEXT("unlinkat", s_unlinkat_t);
    int result = next(folder, path, flags);
    const char *name = s_name(folder, path);
    int file = result == 0 && name ? s_file_named(name) : -1;
    if (file < 0)
        return result;
    s_recorder.shared->names[file][0] = 0;
    snprintf(s_add(RECORD_UNLINK, (unsigned) file)->name, RECORD_NAME_MAX, "%s", name);
    return result;
}

//  -- Content

static bool
s_is_watched(int fd)
{
    return s_is_on() && fd >= 0 && fd < S_FDS_MAX && s_recorder.fds[fd].watched;
}

static void
s_wrote(int fd, uint64_t at, const void *bytes, ssize_t size)
{
    if (size <= 0)
        return;
    s_add_write(s_recorder.fds[fd].file, at, bytes, (size_t) size);
    if (s_recorder.fds[fd].synchronous)
        s_add(RECORD_SYNC_ONE, s_recorder.fds[fd].file);
}

ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    S_NEXT("pwrite", s_pwrite_t);
    ssize_t result = next(fd, bytes, size, at);
    if (s_is_watched(fd))
        s_wrote(fd, (uint64_t) at, bytes, result);
    return result;
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    S_NEXT("writev", s_writev_t);
    off_t at = s_is_watched(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t result = next(fd, parts, count);
    if (!s_is_watched(fd))
        return result;
    ssize_t left = result;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t size = left < (ssize_t) parts[i].iov_len ? left : (ssize_t) parts[i].iov_len;
        s_wrote(fd, (uint64_t) at, parts[i].iov_base, size);
        at += size;
        left -= size;
    }
    return result;
}

int
ftruncate(int fd, off_t size)
{
    S_NEXT("ftruncate", s_ftruncate_t);
    int result = next(fd, size);
    if (result == 0 && s_is_watched(fd))
        s_add(RECORD_TRUNCATE, s_recorder.fds[fd].file)->at = (uint64_t) size;
    return result;
}

//  The marker is written by dprintf, which does not come past here.
static void
s_take_content(int fd)
{
    char path[64];
    uint8_t bytes[512];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    S_NEXT("openat", s_openat_t);
    int own = next(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    ssize_t size = pread(own, bytes, sizeof bytes, 0);
    close(own);
    s_wrote(fd, 0, bytes, size);
}

static bool
s_is_folder(int fd)
{
    struct stat is;
    return fstat(fd, &is) == 0 && S_ISDIR(is.st_mode);
}

static int
s_sync(int fd, s_fd_t *next)
{
    if (s_is_watched(fd) && strncmp(s_recorder.shared->names[s_recorder.fds[fd].file], "PROVISIONED", 11) == 0)
        s_take_content(fd);
    int result = next(fd);
    if (result == 0 && s_is_watched(fd))
        s_add(RECORD_SYNC, s_recorder.fds[fd].file);
    else if (result == 0 && s_is_on() && s_is_folder(fd))
        s_add(RECORD_SYNC_NAMES, 0);
    return result;
}

int
fsync(int fd)
{
    S_NEXT("fsync", s_fd_t);
    return s_sync(fd, next);
}

int
fdatasync(int fd)
{
    S_NEXT("fdatasync", s_fd_t);
    return s_sync(fd, next);
}
