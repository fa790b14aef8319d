#include "lmdb_store/store_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/statvfs.h>
#include <unistd.h>

//  Refusing at 80 % leaves a fifth of the quota for what is already accepted: its
//  results, receipts and timers. At 95 % draining itself is in danger.
enum {
    S_TIGHT_PERCENT = 80,
    S_CRITICAL_PERCENT = 95,
    S_CRITICAL_PART = 4,  //  Of the reserve: free space below it is as bad
    S_CHUNK_SIZE = 64 * 1024,
};

static uint64_t
s_free_space(const nm_store_t *self)
{
    struct statvfs fs;
    return fstatvfs(self->folder.fd, &fs) == 0 ? (uint64_t) fs.f_bavail * fs.f_frsize : 0;
}

//  Random bytes, so that no file system finds a smaller form for them.
static bool
s_write_bytes(int fd, uint64_t size)
{
    uint8_t *chunk = nm_alloc(S_CHUNK_SIZE);
    randombytes_buf(chunk, S_CHUNK_SIZE);
    while (size) {
        size_t part = size < S_CHUNK_SIZE ? (size_t) size : S_CHUNK_SIZE;
        if (write(fd, chunk, part) != (ssize_t) part)
            break;
        size -= part;
    }
    free(chunk);
    return size == 0;
}

//  A store without ballast is poorer by one way out, not wrong; so a failure only
//  leaves no file behind.
void
nm_room_make_ballast(nm_store_t *self)
{
    if (!self->ballast_size || s_free_space(self) < self->reserve + self->ballast_size)
        return;
    int fd = openat(self->folder.fd, NM_FOLDER_BALLAST, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    self->has_ballast = s_write_bytes(fd, self->ballast_size) && (!self->folder.syncs || fsync(fd) == 0);
    close(fd);
    if (!self->has_ballast)
        nm_folder_remove(&self->folder, NM_FOLDER_BALLAST);
}

//  Pages up to the last one ever used, less those on the free list. The list is
//  walked once per committed transaction at most.
static void
s_count_free(nm_store_t *self, uint64_t txn_number)
{
    MDB_txn *txn;
    //  A reader of its own: LMDB does not show the free list to a write transaction.
    if (mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn) != 0)
        return;
    if (nm_env_free_pages(self, txn, &self->free_pages) == NM_OK)
        self->counted_txn = txn_number;
    mdb_txn_abort(txn);
}

static uint64_t
s_used(nm_store_t *self)
{
    MDB_envinfo info;
    if (mdb_env_info(self->env, &info))
        return 0;
    if (self->counted_txn != info.me_last_txnid)
        s_count_free(self, info.me_last_txnid);
    uint64_t pages = info.me_last_pgno + 1;
    return (pages > self->free_pages ? pages - self->free_pages : 0) * self->page_size;
}

static nm_rc_t
s_measure(nm_txn_t *txn, void *arg)
{
    nm_store_room_t *room = arg;
    room->used = s_used(txn->store);
    for (unsigned i = 0; i < NM_STORE_TABLE_MAX; i++)
        if (txn->store->tables[i])
            room->records += nm_table_count(txn, txn->store->tables[i]);
    return NM_OK;
}

void
nm_store_room(nm_store_t *self, nm_store_room_t *room)
{
    *room = (nm_store_room_t){ .quota = self->quota, .free_space = s_free_space(self) };
    //  A store that cannot be measured is not one to take on more.
    bool measured = nm_store_view(self, s_measure, room) == NM_OK;
    uint64_t percent = self->quota / 100 ? room->used / (self->quota / 100) : UINT64_MAX;
    room->tight = !measured || percent >= S_TIGHT_PERCENT || room->free_space < self->reserve ||
                  nm_store_fault(self, NM_STORE_AT_ROOM) != NM_OK;
    room->critical = percent >= S_CRITICAL_PERCENT || room->free_space < self->reserve / S_CRITICAL_PART;

    if (room->critical && self->has_ballast) {
        nm_folder_remove(&self->folder, NM_FOLDER_BALLAST);
        self->has_ballast = false;
        room->free_space = s_free_space(self);
    } else if (!room->tight && !self->has_ballast) {
        nm_room_make_ballast(self);
    }
}
