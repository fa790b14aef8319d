#include "lmdb_store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define S_MARKER_NEW NM_FOLDER_MARKER ".new"
#define S_ASIDE NM_FOLDER_DATA ".unfinished"

static nm_rc_t
s_check_access(const nm_folder_t *self, nm_error_t *error)
{
    struct stat is;
    if (fstat(self->fd, &is) != 0)
        return nm_fail(error, NM_ERR_IO, "store %s: %s", self->path, strerror(errno));
    if (is.st_uid != geteuid())
        return nm_fail(error, NM_ERR_REFUSED,
                       "store %s belongs to user %u, this process runs as %u: run it as the owner", self->path,
                       (unsigned) is.st_uid, (unsigned) geteuid());
    if (is.st_mode & 077)
        return nm_fail(error, NM_ERR_REFUSED, "store %s is open to other users (mode %04o): run chmod 700 %s",
                       self->path, (unsigned) is.st_mode & 07777, self->path);
    return NM_OK;
}

static nm_rc_t
s_refuse_second(const nm_folder_t *self, nm_error_t *error)
{
    char pid[24] = "";
    ssize_t size = pread(self->lock_fd, pid, sizeof pid - 1, 0);
    pid[size > 0 ? strcspn(pid, "\n") : 0] = 0;
    return nm_fail(error, NM_ERR_BUSY, "store %s is held by process %s: stop that one first", self->path,
                   *pid ? pid : "(unknown)");
}

static nm_rc_t
s_lock(nm_folder_t *self, nm_error_t *error)
{
    self->lock_fd = openat(self->fd, NM_FOLDER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->lock_fd < 0)
        return nm_fail(error, NM_ERR_IO, "store %s: cannot open its LOCK file: %s", self->path, strerror(errno));
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return s_refuse_second(self, error);
        return nm_fail(error, NM_ERR_IO, "store %s: cannot lock it: %s", self->path, strerror(errno));
    }
    //  For the message to a second process only, so it need not succeed: the disk may be full.
    if (ftruncate(self->lock_fd, 0) == 0)
        dprintf(self->lock_fd, "%ld\n", (long) getpid());
    return NM_OK;
}

nm_rc_t
nm_folder_open(nm_folder_t *self, const char *path, bool syncs, nm_error_t *error)
{
    *self = (nm_folder_t){ .path = nm_alloc(strlen(path) + 1), .fd = -1, .lock_fd = -1, .syncs = syncs };
    memcpy(self->path, path, strlen(path));
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return nm_fail(error, NM_ERR_IO, "store %s: cannot make the folder: %s", path, strerror(errno));
    self->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->fd < 0)
        return nm_fail(error, NM_ERR_IO, "store %s: cannot open the folder: %s", path, strerror(errno));

    nm_rc_t rc = s_check_access(self, error);
    return rc == NM_OK ? s_lock(self, error) : rc;
}

void
nm_folder_close(nm_folder_t *self)
{
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    if (self->fd >= 0)
        close(self->fd);
    free(self->path);
    *self = (nm_folder_t){ .fd = -1, .lock_fd = -1 };
}

bool
nm_folder_has(const nm_folder_t *self, const char *name)
{
    return faccessat(self->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void
nm_folder_remove(const nm_folder_t *self, const char *name)
{
    unlinkat(self->fd, name, 0);
}

nm_rc_t
nm_folder_state(const nm_folder_t *self, bool *fresh, nm_error_t *error)
{
    bool has_data = nm_folder_has(self, NM_FOLDER_DATA);
    if (nm_folder_has(self, NM_FOLDER_MARKER)) {
        if (!has_data)
            return nm_fail(
                error, NM_ERR_CORRUPT,
                "store %s has lost its data.mdb: restore a backup, or remove the folder if the loss is accepted",
                self->path);
        *fresh = false;
        return NM_OK;
    }
    //  Without the marker nothing was ever acknowledged from this file. It is still
    //  set aside and not deleted: perhaps somebody copied it here by hand.
    if (has_data && renameat(self->fd, NM_FOLDER_DATA, self->fd, S_ASIDE) != 0)
        return nm_fail(error, NM_ERR_IO, "store %s: cannot set aside an unfinished data.mdb: %s", self->path,
                       strerror(errno));
    nm_folder_remove(self, NM_FOLDER_DATA_LOCK);
    *fresh = true;
    return NM_OK;
}

nm_rc_t
nm_folder_sync(const nm_folder_t *self, nm_error_t *error)
{
    if (!self->syncs)
        return NM_OK;
    int parent = openat(self->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    //  A parent that may be passed through but not read cannot be synced; only a
    //  folder that was just made depends on it.
    int err = fsync(self->fd) != 0 || (parent >= 0 && fsync(parent) != 0) ? errno : 0;
    if (parent >= 0)
        close(parent);
    return err ? nm_fail(error, NM_ERR_IO, "store %s: cannot sync the folder: %s", self->path, strerror(err)) : NM_OK;
}

//  Writes under another name and renames, so the marker is whole or not there.
static nm_rc_t
s_write_marker(const nm_folder_t *self, uint32_t epoch)
{
    int fd = openat(self->fd, S_MARKER_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return NM_ERR_IO;
    bool good = dprintf(fd, "nmesh store\nepoch %u\n", (unsigned) epoch) > 0 && (!self->syncs || fsync(fd) == 0);
    int err = errno;
    close(fd);
    errno = err;
    return good && renameat(self->fd, S_MARKER_NEW, self->fd, NM_FOLDER_MARKER) == 0 ? NM_OK : NM_ERR_IO;
}

nm_rc_t
nm_folder_mark(const nm_folder_t *self, uint32_t epoch, nm_error_t *error)
{
    if (s_write_marker(self, epoch) != NM_OK)
        return nm_fail(error, NM_ERR_IO, "store %s: cannot write its marker: %s", self->path, strerror(errno));
    return nm_folder_sync(self, error);
}

uint32_t
nm_folder_marked_epoch(const nm_folder_t *self)
{
    char text[64] = "";
    int fd = openat(self->fd, NM_FOLDER_MARKER, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    unsigned epoch = 0;
    return size > 0 && sscanf(text, "nmesh store epoch %u", &epoch) == 1 ? epoch : 0;
}
