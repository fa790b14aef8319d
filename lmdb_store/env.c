#include "lmdb_store/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb_store/guard.h"

//  A map costs address space and page tables for what is touched, no disk: a 1 TiB
//  map was measured with an 8 KiB file. At MDB_MAP_FULL even deletes fail, so the
//  limit is set where use never comes. Smaller maps are for RLIMIT_AS.
static const uint64_t S_MAP_SIZE = (uint64_t) 1 << 40;
static const uint64_t S_MAP_SIZE_MIN = (uint64_t) 1 << 30;

enum { S_META_PAGES_SIZE = 2 * 4096 };  //  No data file is shorter than its two meta pages

nm_rc_t
nm_store_rc(const nm_store_t *self, int err)
{
    switch (err) {
    case MDB_SUCCESS: return NM_OK;
    case MDB_NOTFOUND: return NM_ERR_MISSING;
    case MDB_KEYEXIST: return NM_ERR_DUPLICATE;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT: return NM_ERR_FULL;
    case MDB_PANIC:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        nm_store_log_critical("store_corrupt", self->folder.path, "%s", mdb_strerror(err));
        return NM_ERR_CORRUPT;
    default: nm_store_log_critical("store_failed", self->folder.path, "%s", mdb_strerror(err)); return NM_ERR_IO;
    }
}

//  One try with one map size. A failed mdb_env_open leaves an env that is good for
//  nothing but mdb_env_close.
static int
s_try(nm_store_t *self, uint64_t map_size, unsigned flags)
{
    int err = mdb_env_create(&self->env);
    if (err)
        return err;
    if (!(err = mdb_env_set_mapsize(self->env, map_size)))
        err = mdb_env_set_maxdbs(self->env, NM_STORE_TABLE_MAX);
    if (!err)
        err = mdb_env_open(self->env, self->folder.path, flags, 0600);
    if (err) {
        mdb_env_close(self->env);
        self->env = NULL;
    }
    return err;
}

//  Default flags are the durable ones. NOTLS ties a read transaction to its object
//  and not to the thread, so that one can be kept; NORDAHEAD because access is not
//  sequential and read-ahead would fill memory with pages nobody asked for.
static unsigned
s_flags(const nm_store_config_t *config)
{
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
#ifdef NM_MUTANT_NOMETASYNC
    flags |= MDB_NOMETASYNC;
#endif
#ifdef NM_MUTANT_REWIND_EARLY
    flags |= MDB_NOSYNC;  //  A deliberate fault: redo.log begins again before LMDB's commit is on the disk
#endif
    return config->volatile_for_tests ? flags | MDB_NOSYNC : flags;
}

//  No address space for so large a map. Valgrind, which has less, says EINVAL.
static bool
s_is_too_large(int err)
{
    return err == ENOMEM || err == EINVAL;
}

static nm_rc_t
s_open_env(nm_store_t *self, const nm_store_config_t *config, nm_error_t *error)
{
    uint64_t map_size = config->map_size ? config->map_size : S_MAP_SIZE;
    int err = s_try(self, map_size, s_flags(config));
    while (s_is_too_large(err) && !config->map_size && map_size > S_MAP_SIZE_MIN) {
        map_size /= 4;
        err = s_try(self, map_size, s_flags(config));
    }
    if (!err)
        return NM_OK;
    if (err == ENOMEM)
        return nm_fail(error, NM_ERR_REFUSED,
                       "store %s: the system grants no address space of %llu MiB: raise RLIMIT_AS (ulimit -v)",
                       self->folder.path, (unsigned long long) (map_size >> 20));
    nm_rc_t rc = nm_store_rc(self, err);
    return nm_fail(error, rc, "store %s: LMDB cannot open data.mdb: %s%s", self->folder.path, mdb_strerror(err),
                   rc == NM_ERR_CORRUPT ? ". Keep the folder and restore a backup elsewhere" : "");
}

static void
s_set_cloexec(const struct stat *file, int fd)
{
    struct stat is;
    if (fstat(fd, &is) == 0 && is.st_dev == file->st_dev && is.st_ino == file->st_ino)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

//  LMDB opens data.mdb twice, without O_CLOEXEC, and tells of one of the two. A
//  program that was started with these would keep them, and a POSIX lock on
//  lock.mdb ends when anybody in the process closes it. So look at each open file.
static void
s_hide_from_children(const nm_store_t *self)
{
    struct stat files[2];
    bool known[2] = {
        fstatat(self->folder.fd, NM_FOLDER_DATA, &files[0], AT_SYMLINK_NOFOLLOW) == 0,
        fstatat(self->folder.fd, NM_FOLDER_DATA_LOCK, &files[1], AT_SYMLINK_NOFOLLOW) == 0,
    };
    int fd;
    if (known[0] && mdb_env_get_fd(self->env, &fd) == 0)
        s_set_cloexec(&files[0], fd);
    DIR *open_files = opendir("/proc/self/fd");
    if (!open_files)
        return;
    for (struct dirent *entry; (entry = readdir(open_files));) {
        for (size_t i = 0; i < NM_COUNT(files); i++)
            if (known[i] && entry->d_name[0] != '.')
                s_set_cloexec(&files[i], atoi(entry->d_name));
    }
    closedir(open_files);
}

nm_rc_t
nm_env_free_pages(nm_store_t *self, MDB_txn *txn, uint64_t *count)
{
    enum { FREE_DBI = 0 };  //  LMDB's own name for it is not public; mdb_stat -f reads it the same way
    MDB_cursor *cursor;
    int err = mdb_cursor_open(txn, FREE_DBI, &cursor);
    if (err)
        return nm_store_rc(self, err);

    MDB_val key, list;
    *count = 0;
    while (!(err = mdb_cursor_get(cursor, &key, &list, MDB_NEXT))) {
        size_t listed;  //  Then that many page numbers
        memcpy(&listed, list.mv_data, sizeof listed);
        *count += listed;
    }
    mdb_cursor_close(cursor);
    return err == MDB_NOTFOUND ? NM_OK : nm_store_rc(self, err);
}

static nm_rc_t
s_measure(nm_store_t *self, nm_error_t *error)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(self->env, &info) || mdb_env_stat(self->env, &stat))
        return nm_fail(error, NM_ERR_IO, "store %s: cannot look at data.mdb", self->folder.path);
    self->page_size = stat.ms_psize;
    self->map_size = info.me_mapsize;
    return NM_OK;
}

//  LMDB believes what it reads, so somebody else reads it before.
static nm_rc_t
s_read_pages(const nm_store_t *self, nm_pages_t *pages, nm_error_t *error)
{
    int fd = openat(self->folder.fd, NM_FOLDER_DATA, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return nm_fail(error, NM_ERR_IO, "store %s: cannot open data.mdb: %s", self->folder.path, strerror(errno));
    nm_rc_t rc = nm_pages_read(fd, self->folder.path, NM_PAGES_BUDGET, pages, error);
    close(fd);
    return rc;
}

//  What a process that was killed during its commit wrote may be in the page cache
//  only. Whoever reads it may tell others; so it goes to the disk first.
static nm_rc_t
s_settle(nm_store_t *self, nm_error_t *error)
{
    int fd, dead;
    mdb_reader_check(self->env, &dead);  //  Slots of processes that are gone pin old pages
    if (self->folder.syncs && (mdb_env_get_fd(self->env, &fd) || fsync(fd) != 0))
        return nm_fail(error, NM_ERR_IO, "store %s: cannot sync data.mdb: %s", self->folder.path, strerror(errno));
    return NM_OK;
}

//  LMDB takes an empty file for a new store; ours stands under a marker.
static nm_rc_t
s_check_present(const nm_store_t *self, nm_error_t *error)
{
    struct stat is;
    if (fstatat(self->folder.fd, NM_FOLDER_DATA, &is, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(is.st_mode) ||
        is.st_size < S_META_PAGES_SIZE)
        return nm_fail(error, NM_ERR_CORRUPT,
                       "store %s is damaged: data.mdb is cut off. Keep the folder and restore a backup",
                       self->folder.path);
    return NM_OK;
}

nm_rc_t
nm_env_open(nm_store_t *self, const nm_store_config_t *config, bool fresh, nm_pages_t *pages, nm_error_t *error)
{
    nm_rc_t rc = fresh ? NM_OK : s_check_present(self, error);
    if (rc == NM_OK && !fresh)
        rc = s_read_pages(self, pages, error);
    if (rc == NM_OK)
        rc = s_open_env(self, config, error);
    if (rc != NM_OK)
        return rc;
    nm_guard_enter(self->env, self->folder.path);
    if (!config->fault)  //  A simulator starts no program, and opens hundreds of stores a second
        s_hide_from_children(self);
    rc = s_settle(self, error);
    return rc == NM_OK ? s_measure(self, error) : rc;
}

void
nm_env_close(nm_store_t *self)
{
    if (self->reader)
        mdb_txn_abort(self->reader);
    if (self->env) {
        nm_guard_leave(self->env);
        mdb_env_close(self->env);
    }
    self->reader = NULL;
    self->env = NULL;
}
