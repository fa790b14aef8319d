#include "lmdb_store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

//  -- Backup

static int
s_sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char parent[4096] = ".";
    if (slash)
        nm_bytes_to_text(nm_bytes(path, slash == path ? 1 : (size_t) (slash - path)), parent, sizeof parent);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return err;
}

//  Never over a file that is there. A file system that cannot promise that in a rename can in a link.
static int
s_give_name(const char *unfinished, const char *path)
{
    if (renameat2(AT_FDCWD, unfinished, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL || link(unfinished, path) != 0)
        return errno;
    unlink(unfinished);
    return 0;
}

static int
s_write_backup(nm_store_t *self, int fd, const char *unfinished, const char *path)
{
    int err = mdb_env_copyfd2(self->env, fd, MDB_CP_COMPACT);
    if (!err && fsync(fd) != 0)
        err = errno;
    if (!err)
        err = s_give_name(unfinished, path);
    if (!err && (err = s_sync_parent(path)) != 0)
        unlink(path);
    return err;
}

nm_rc_t
nm_store_backup(nm_store_t *self, const char *path, nm_error_t *error)
{
    char unfinished[4096];
    struct stat is;
    int size = snprintf(unfinished, sizeof unfinished, "%s.unfinished-XXXXXX", path);
    int err = size >= (int) sizeof unfinished ? ENAMETOOLONG : lstat(path, &is) == 0 ? EEXIST : 0;
    int fd = err ? -1 : mkostemp(unfinished, O_CLOEXEC);
    if (fd < 0)
        return nm_fail(error, err == EEXIST ? NM_ERR_DUPLICATE : NM_ERR_IO, "backup %s: cannot make the file: %s", path,
                       strerror(err ? err : errno));
    err = s_write_backup(self, fd, unfinished, path);
    close(fd);
    if (!err)
        return NM_OK;
    unlink(unfinished);
    nm_rc_t rc = err == EEXIST ? NM_ERR_DUPLICATE : nm_store_rc(self, err);
    return nm_fail(error, rc, "backup %s: the copy failed: %s", path, mdb_strerror(err));
}

//  -- Restore. The backup is copied into a store of its own in a folder within the
//  target, checked there, given its epoch, and only then moved into place by one
//  rename. Whatever fails before that leaves the target as it was.

#define S_STAGE "restore"

static nm_rc_t
s_copy(int from, int to)
{
    uint8_t chunk[64 * 1024];
    for (;;) {
        ssize_t got = read(from, chunk, sizeof chunk);
        if (got < 0)
            return NM_ERR_IO;
        if (got == 0)
            return fsync(to) == 0 ? NM_OK : NM_ERR_IO;
        for (ssize_t at = 0, put; at < got; at += put)
            if ((put = write(to, chunk + at, (size_t) (got - at))) <= 0)
                return NM_ERR_IO;
    }
}

static nm_rc_t
s_copy_file(const char *from_path, const nm_folder_t *to, nm_error_t *error)
{
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int out = openat(to->fd, NM_FOLDER_DATA, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    nm_rc_t rc = from >= 0 && out >= 0 ? s_copy(from, out) : NM_ERR_IO;
    int err = errno;
    if (from >= 0)
        close(from);
    if (out >= 0)
        close(out);
    return rc == NM_OK ? rc
                       : nm_fail(error, rc, "restore: cannot copy %s to %s: %s", from_path, to->path, strerror(err));
}

static void
s_remove_stage(const nm_folder_t *target)
{
    static const char *const NAMES[] = { NM_FOLDER_DATA,    NM_FOLDER_DATA_LOCK, NM_FOLDER_LOCK, NM_FOLDER_MARKER,
                                         NM_FOLDER_BALLAST, NM_FOLDER_REDO,      NM_FOLDER_MARK };
    int fd = openat(target->fd, S_STAGE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    for (size_t i = 0; i < NM_COUNT(NAMES); i++)
        unlinkat(fd, NAMES[i], 0);
    close(fd);
    unlinkat(target->fd, S_STAGE, AT_REMOVEDIR);
}

//  Puts the backup under a marker, so that it opens as a store that is there.
static nm_rc_t
s_stage(const nm_folder_t *target, const char *stage_path, const char *backup_path, nm_error_t *error)
{
    nm_folder_t stage;
    s_remove_stage(target);  //  Of a restore that was cut short
    nm_rc_t rc = nm_folder_open(&stage, stage_path, target->syncs, error);
    if (rc == NM_OK)
        rc = s_copy_file(backup_path, &stage, error);
    if (rc == NM_OK)
        rc = nm_folder_mark(&stage, 0, error);
    nm_folder_close(&stage);
    return rc;
}

//  Opens the staged store, checks all of it, and gives it an epoch above its own and
//  above all that the target's marker knows of.
static nm_rc_t
s_prepare(const nm_store_config_t *config, uint32_t marked_epoch, uint32_t *epoch, nm_error_t *error)
{
    nm_store_t *store = NULL;
    nm_store_check_t report;
    nm_rc_t rc = nm_store_open_copy(config, &store, error);
    if (rc == NM_OK)
        rc = nm_store_check(store, &report, error);
    if (rc == NM_OK) {
        *epoch = (store->epoch > marked_epoch ? store->epoch : marked_epoch) + 1;
        rc = nm_store_raise_epoch(store, *epoch);
        if (rc != NM_OK)
            nm_fail(error, rc, "restore: the new epoch could not be written to %s", config->path);
    }
    nm_store_destroy(&store);
    return rc;
}

static nm_rc_t
s_move_into_place(const nm_folder_t *target, uint32_t epoch, nm_error_t *error)
{
    nm_rc_t rc = nm_folder_mark(target, epoch, error);
    if (rc != NM_OK)
        return rc;
    nm_folder_remove(target, NM_FOLDER_DATA_LOCK);  //  Its reader slots are those of the old file
    if (renameat(target->fd, S_STAGE "/" NM_FOLDER_DATA, target->fd, NM_FOLDER_DATA) != 0)
        return nm_fail(error, NM_ERR_IO, "restore: cannot move data.mdb into %s: %s", target->path, strerror(errno));
    //  Of the old file; their records name an epoch that is over.
    nm_folder_remove(target, NM_FOLDER_REDO);
    nm_folder_remove(target, NM_FOLDER_MARK);
    return nm_folder_sync(target, error);
}

static nm_rc_t
s_restore_into(const nm_folder_t *target, const nm_store_config_t *config, const char *backup_path, nm_error_t *error)
{
    char stage_path[4096];
    uint32_t epoch = 0;
    snprintf(stage_path, sizeof stage_path, "%s/%s", target->path, S_STAGE);
    nm_store_config_t staged = *config;
    staged.path = stage_path;

    nm_rc_t rc = s_stage(target, stage_path, backup_path, error);
    if (rc == NM_OK)
        rc = s_prepare(&staged, nm_folder_marked_epoch(target), &epoch, error);
    if (rc == NM_OK)
        rc = s_move_into_place(target, epoch, error);
    s_remove_stage(target);
    return rc;
}

nm_rc_t
nm_store_restore(const nm_store_config_t *config, const char *backup_path, bool replace, nm_error_t *error)
{
    nm_folder_t target;
    nm_rc_t rc = nm_folder_open(&target, config->path, !config->volatile_for_tests, error);
    if (rc == NM_OK && !replace && nm_folder_has(&target, NM_FOLDER_DATA))
        rc = nm_fail(error, NM_ERR_REFUSED,
                     "restore: %s has a store already: --replace puts the backup in its place, or move it away",
                     config->path);
    if (rc == NM_OK)
        rc = s_restore_into(&target, config, backup_path, error);
    nm_folder_close(&target);
    return rc;
}
