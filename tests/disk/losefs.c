/*  losefs - a file system that loses what was not synced when its power is cut.
 *
 *      losefs BACKING MOUNTPOINT
 *
 *  Runs in the foreground until it is unmounted or killed. What is written stays in this process's memory. fsync,
 *  fdatasync and synchronous writes bring a file's content to the folder BACKING; fsync of a
 *  folder brings the names in it there, and nothing else does: a file that was synced and whose folder
 *  was not is lost. Started again on the same BACKING it has what was brought there.
 *
 *      SIGKILL   the power cut: everything else is gone
 *      SIGUSR1   the same, but a random half of the unsynced pages had reached the disk by then, as
 *                happens when the system writes back by itself
 *      SIGTERM   unmounts, and loses the unsynced as well
 *
 *  BACKING holds n<number> for each file (its content) and each folder (a line for each
 *  name: number, kind, mode, name). Number 1 is the root. For tests: no links, no times, no
 *  other users.
 */
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nm.h"

enum { PAGE = 4096, NAME_MAX_ = 255, ROOT = 1 };

typedef struct s_node s_node_t;

typedef struct {
    char name[NAME_MAX_ + 1];
    s_node_t *node;
} s_entry_t;

//  A file or a folder. Nodes are never freed: the process does not live long.
struct s_node {
    unsigned long number;
    mode_t mode;
    uint8_t *at;  //  Content of a file
    size_t size, room;
    uint8_t *unsynced;   //  A byte per page, of `room`
    s_entry_t *entries;  //  Of a folder
    size_t count;
    s_node_t *next;  //  All of them, for the cut
};

//  FUSE's callbacks and the signal's handler have no better place.
static struct {
    const char *backing;
    s_node_t *root;
    s_node_t *all;
    unsigned long last_number;
} s_fs;

//  -- Backing

static void
s_backing_path(unsigned long number, const char *suffix, char *out, size_t size)
{
    snprintf(out, size, "%s/n%lu%s", s_fs.backing, number, suffix);
}

__attribute__((noreturn)) static void
s_die(const char *what)
{
    perror(what);
    exit(1);
}

static s_node_t *
s_make_node(unsigned long number, mode_t mode)
{
    s_node_t *node = nm_alloc(sizeof *node);
    *node = (s_node_t){ .number = number, .mode = mode, .next = s_fs.all };
    s_fs.all = node;
    if (number > s_fs.last_number)
        s_fs.last_number = number;
    return node;
}

static s_entry_t *
s_add_entry(s_node_t *folder, const char *name, s_node_t *node)
{
    folder->entries = nm_realloc(folder->entries, (folder->count + 1) * sizeof *folder->entries);
    s_entry_t *entry = &folder->entries[folder->count++];
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->node = node;
    return entry;
}

//  Grows the room of a file; what is new is zero.
static void
s_make_room(s_node_t *node, size_t size)
{
    if (size <= node->room)
        return;
    size_t room = (size + size / 2 + PAGE) / PAGE * PAGE;
    node->at = nm_realloc(node->at, room);
    node->unsynced = nm_realloc(node->unsynced, room / PAGE);
    memset(node->at + node->room, 0, room - node->room);
    memset(node->unsynced + node->room / PAGE, 0, (room - node->room) / PAGE);
    node->room = room;
}

static void
s_load_content(s_node_t *node)
{
    char path[4096];
    struct stat is;
    s_backing_path(node->number, "", path, sizeof path);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return;  //  Its name was synced, its content never
    if (fstat(fd, &is) != 0)
        s_die(path);
    s_make_room(node, (size_t) is.st_size);
    node->size = (size_t) is.st_size;
    if (pread(fd, node->at, node->size, 0) != (ssize_t) node->size)
        s_die(path);
    close(fd);
}

static void
s_load_folder(s_node_t *folder)
{
    char path[4096], kind, name[NAME_MAX_ + 1];
    unsigned long number;
    unsigned mode;
    s_backing_path(folder->number, "", path, sizeof path);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    while (fscanf(file, "%lu %c %o %255s", &number, &kind, &mode, name) == 4) {
        s_node_t *node = s_make_node(number, mode | (kind == 'd' ? S_IFDIR : S_IFREG));
        s_add_entry(folder, name, node);
        if (kind == 'd')
            s_load_folder(node);
        else
            s_load_content(node);
    }
    fclose(file);
}

//  Brings pages to the backing: all that are unsynced, or half of them at random.
static int
s_save_content(s_node_t *node, bool half)
{
    char path[4096];
    s_backing_path(node->number, "", path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600), err = 0;
    if (fd < 0 || (!half && ftruncate(fd, (off_t) node->size) != 0))
        err = -EIO;
    for (size_t page = 0; !err && page * PAGE < node->size; page++) {
        size_t at = page * PAGE, size = node->size - at < PAGE ? node->size - at : PAGE;
        if (!node->unsynced[page] || (half && random() % 2))
            continue;
        if (pwrite(fd, node->at + at, size, (off_t) at) != (ssize_t) size)
            err = -EIO;
        if (!half)
            node->unsynced[page] = 0;
    }
    if (fd >= 0)
        close(fd);
    return err;
}

static int
s_save_folder(const s_node_t *folder)
{
    char path[4096], fresh[4096];
    s_backing_path(folder->number, "", path, sizeof path);
    s_backing_path(folder->number, ".new", fresh, sizeof fresh);
    FILE *file = fopen(fresh, "w");
    if (!file)
        return -EIO;
    for (size_t i = 0; i < folder->count; i++)
        fprintf(file, "%lu %c %o %s\n", folder->entries[i].node->number,
                S_ISDIR(folder->entries[i].node->mode) ? 'd' : 'f', (unsigned) folder->entries[i].node->mode & 07777,
                folder->entries[i].name);
    return fclose(file) == 0 && rename(fresh, path) == 0 ? 0 : -EIO;
}

//  It may come in the middle of an operation, as a cut does; nothing is freed then.
static void
s_on_cut(int number)
{
    (void) number;
    for (s_node_t *node = s_fs.all; node; node = node->next)
        if (S_ISREG(node->mode))
            s_save_content(node, true);
    _exit(0);
}

//  -- Paths

static s_entry_t *
s_entry(const s_node_t *folder, const char *name, size_t size)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strlen(folder->entries[i].name) == size && memcmp(folder->entries[i].name, name, size) == 0)
            return &folder->entries[i];
    return NULL;
}

//  The folder that the last part of path stands in; *name becomes that part.
static s_node_t *
s_parent(const char *path, const char **name)
{
    s_node_t *folder = s_fs.root;
    for (path++;;) {
        const char *slash = strchr(path, '/');
        if (!slash) {
            *name = path;
            return folder;
        }
        s_entry_t *entry = s_entry(folder, path, (size_t) (slash - path));
        if (!entry || !S_ISDIR(entry->node->mode))
            return NULL;
        folder = entry->node;
        path = slash + 1;
    }
}

static s_node_t *
s_node(const char *path)
{
    const char *name;
    if (strcmp(path, "/") == 0)
        return s_fs.root;
    s_node_t *folder = s_parent(path, &name);
    s_entry_t *entry = folder ? s_entry(folder, name, strlen(name)) : NULL;
    return entry ? entry->node : NULL;
}

//  An open file is known by its handle, also when its name is gone.
static s_node_t *
s_open_node(const char *path, const struct fuse_file_info *info)
{
    return info && info->fh ? (s_node_t *) (uintptr_t) info->fh : s_node(path);
}

//  -- What FUSE asks for

static void *
s_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void) connection;
    config->hard_remove = 1;
    config->use_ino = 1;
    return NULL;
}

static int
s_getattr(const char *path, struct stat *is, struct fuse_file_info *info)
{
    const s_node_t *node = s_open_node(path, info);
    if (!node)
        return -ENOENT;
    *is = (struct stat){ .st_ino = node->number,
                         .st_mode = node->mode,
                         .st_nlink = S_ISDIR(node->mode) ? 2 : 1,
                         .st_uid = geteuid(),
                         .st_gid = getegid(),
                         .st_size = (off_t) node->size,
                         .st_blksize = PAGE,
                         .st_blocks = (blkcnt_t) ((node->size + 511) / 512) };
    return 0;
}

static int
s_make(const char *path, mode_t mode, s_node_t **node)
{
    const char *name;
    s_node_t *folder = s_parent(path, &name);
    if (!folder)
        return -ENOENT;
    if (s_entry(folder, name, strlen(name)))
        return -EEXIST;
    if (strlen(name) > NAME_MAX_ || strpbrk(name, " \n"))
        return -EINVAL;
    *node = s_make_node(s_fs.last_number + 1, mode);
    s_add_entry(folder, name, *node);
    return 0;
}

static int
s_mkdir(const char *path, mode_t mode)
{
    s_node_t *node;
    return s_make(path, S_IFDIR | (mode & 07777), &node);
}

static int
s_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    s_node_t *node;
    int err = s_make(path, S_IFREG | (mode & 07777), &node);
    if (!err)
        info->fh = (uintptr_t) node;
    return err;
}

static int
s_open(const char *path, struct fuse_file_info *info)
{
    s_node_t *node = s_node(path);
    info->fh = (uintptr_t) node;
    return node ? 0 : -ENOENT;
}

static int
s_remove(const char *path)
{
    const char *name;
    s_node_t *folder = s_parent(path, &name);
    s_entry_t *entry = folder ? s_entry(folder, name, strlen(name)) : NULL;
    if (!entry)
        return -ENOENT;
    if (S_ISDIR(entry->node->mode) && entry->node->count)
        return -ENOTEMPTY;
    *entry = folder->entries[--folder->count];
    return 0;
}

static int
s_rename(const char *from, const char *to, unsigned flags)
{
    const char *from_name, *to_name;
    s_node_t *node = s_node(from), *from_folder = s_parent(from, &from_name), *to_folder = s_parent(to, &to_name);
    if (!node || !from_folder || !to_folder)
        return -ENOENT;
    if (flags || strlen(to_name) > NAME_MAX_ || strpbrk(to_name, " \n"))
        return -EINVAL;
    s_remove(to);
    s_entry_t *entry = s_entry(from_folder, from_name, strlen(from_name));
    *entry = from_folder->entries[--from_folder->count];
    s_add_entry(to_folder, to_name, node);
    return 0;
}

static int
s_read(const char *path, char *out, size_t size, off_t at, struct fuse_file_info *info)
{
    const s_node_t *node = s_open_node(path, info);
    if (!node)
        return -ENOENT;
    if ((size_t) at >= node->size)
        return 0;
    if (size > node->size - (size_t) at)
        size = node->size - (size_t) at;
    memcpy(out, node->at + at, size);
    return (int) size;
}

static int
s_write(const char *path, const char *bytes, size_t size, off_t at, struct fuse_file_info *info)
{
    s_node_t *node = s_open_node(path, info);
    size_t end = (size_t) at + size;
    if (!node)
        return -ENOENT;
    s_make_room(node, end);
    memcpy(node->at + at, bytes, size);
    if (size)
        memset(node->unsynced + (size_t) at / PAGE, 1, (end - 1) / PAGE - (size_t) at / PAGE + 1);
    if (end > node->size)
        node->size = end;
    return (int) size;
}

static int
s_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    s_node_t *node = s_open_node(path, info);
    if (!node)
        return -ENOENT;
    s_make_room(node, (size_t) size);
    if ((size_t) size < node->size) {
        memset(node->at + size, 0, node->size - (size_t) size);
        memset(node->unsynced + size / PAGE, 1, (node->size - 1) / PAGE - (size_t) size / PAGE + 1);
    }
    node->size = (size_t) size;
    return 0;
}

static int
s_fsync(const char *path, int only_data, struct fuse_file_info *info)
{
    s_node_t *node = s_open_node(path, info);
    (void) only_data;
    return node ? s_save_content(node, false) : -ENOENT;
}

static int
s_fsyncdir(const char *path, int only_data, struct fuse_file_info *info)
{
    const s_node_t *node = s_node(path);
    (void) only_data, (void) info;
    return node ? s_save_folder(node) : -ENOENT;
}

static int
s_readdir(const char *path, void *out, fuse_fill_dir_t fill, off_t at, struct fuse_file_info *info,
          enum fuse_readdir_flags flags)
{
    const s_node_t *folder = s_node(path);
    (void) at, (void) info, (void) flags;
    if (!folder)
        return -ENOENT;
    fill(out, ".", NULL, 0, 0);
    fill(out, "..", NULL, 0, 0);
    for (size_t i = 0; i < folder->count; i++)
        fill(out, folder->entries[i].name, NULL, 0, 0);
    return 0;
}

static int
s_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    s_node_t *node = s_open_node(path, info);
    if (!node)
        return -ENOENT;
    node->mode = (node->mode & S_IFMT) | (mode & 07777);
    return 0;
}

static int
s_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
    (void) path, (void) times, (void) info;
    return 0;
}

static int
s_statfs(const char *path, struct statvfs *fs)
{
    (void) path;
    *fs = (struct statvfs){ .f_bsize = PAGE, .f_frsize = PAGE, .f_namemax = NAME_MAX_ };
    fs->f_blocks = fs->f_bfree = fs->f_bavail = ((uint64_t) 16 << 30) / PAGE;
    return 0;
}

static const struct fuse_operations OPERATIONS = {
    .init = s_init,
    .getattr = s_getattr,
    .mkdir = s_mkdir,
    .create = s_create,
    .open = s_open,
    .unlink = s_remove,
    .rmdir = s_remove,
    .rename = s_rename,
    .read = s_read,
    .write = s_write,
    .truncate = s_truncate,
    .fsync = s_fsync,
    .fsyncdir = s_fsyncdir,
    .readdir = s_readdir,
    .chmod = s_chmod,
    .utimens = s_utimens,
    .statfs = s_statfs,
};

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: losefs BACKING MOUNTPOINT\n");
        return 2;
    }
    s_fs.backing = argv[1];
    s_fs.root = s_make_node(ROOT, S_IFDIR | 0700);
    s_load_folder(s_fs.root);
    srandom((unsigned) (getpid() ^ time(NULL)));
    signal(SIGUSR1, s_on_cut);
    //  One thread, in the foreground. Its mount point belongs to whoever runs it.
    char foreground[] = "-f", single[] = "-s", option[] = "-ofsname=losefs";
    char *arguments[] = { argv[0], argv[2], foreground, single, option, NULL };
    return fuse_main((int) NM_COUNT(arguments) - 1, arguments, &OPERATIONS, NULL);
}
