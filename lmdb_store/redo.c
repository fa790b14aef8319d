#include "lmdb_store/redo.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb_store/store_private.h"

//  Large enough that LMDB commits a few times a second under full load, small enough that a
//  start has little to do again. With a small reserve (small disks) it is small too.
static const uint64_t S_CAPACITY_MAX = (uint64_t) 8 << 20;
static const uint64_t S_CAPACITY_MIN = (uint64_t) 64 << 10;

enum {
    S_RESERVE_PART = 8,  //  Of the reserve that the log may take
    S_ALIGN = 64,
    S_HEAD_SIZE = 32,
    S_HASH_AT = 24,
    S_OP_HEAD_SIZE = 7,
    S_PUT = 1,
    S_DELETE = 2,
};

static const char S_MAGIC[8] = { 'n', 'm', 'r', 'e', 'd', 'o', '1', '\n' };

//  -- Noting

static bool
s_is_noting(const nm_store_t *self)
{
    return self->redo.fd >= 0;
}

static void
s_note(nm_store_t *self, uint8_t kind, uint8_t table, MDB_val key, MDB_val stored)
{
    nm_buf_t *record = &self->redo.record;
    if (!s_is_noting(self))
        return;
    if (!record->size) {
        memset(nm_buf_reserve(record, S_HEAD_SIZE), 0, S_HEAD_SIZE);
        record->size = S_HEAD_SIZE;
    }
    uint8_t *at = nm_buf_reserve(record, S_OP_HEAD_SIZE);
    at[0] = kind;
    at[1] = table;
    at[2] = (uint8_t) key.mv_size;
    nm_put_u32(at + 3, (uint32_t) stored.mv_size);
    record->size += S_OP_HEAD_SIZE;
    nm_buf_add(record, key.mv_data, key.mv_size);
    nm_buf_add(record, stored.mv_data, stored.mv_size);
}

void
nm_redo_put(nm_store_t *self, uint8_t table, MDB_val key, MDB_val stored)
{
    s_note(self, S_PUT, table, key, stored);
}

void
nm_redo_delete(nm_store_t *self, uint8_t table, MDB_val key)
{
    s_note(self, S_DELETE, table, key, (MDB_val){ 0, NULL });
}

void
nm_redo_forget(nm_store_t *self)
{
    nm_buf_clear(&self->redo.record);
}

//  -- Doing again

//  Takes one operation off ops. NM_ERR_CORRUPT: the bytes are none.
static nm_rc_t
s_take(nm_bytes_t *ops, uint8_t *kind, uint8_t *table, MDB_val *key, MDB_val *stored)
{
    if (ops->size < S_OP_HEAD_SIZE)
        return NM_ERR_CORRUPT;
    *kind = ops->at[0];
    *table = ops->at[1];
    size_t key_size = ops->at[2], value_size = nm_get_u32(ops->at + 3), left = ops->size - S_OP_HEAD_SIZE;
    if (!key_size || key_size > left || value_size > left - key_size || *table >= NM_STORE_TABLE_MAX)
        return NM_ERR_CORRUPT;
    const uint8_t *at = ops->at + S_OP_HEAD_SIZE;
    *key = (MDB_val){ key_size, (void *) at };
    *stored = (MDB_val){ value_size, (void *) (at + key_size) };
    *ops = nm_bytes(at + key_size + value_size, left - key_size - value_size);
    return NM_OK;
}

static nm_rc_t
s_do(nm_txn_t *txn, nm_bytes_t ops)
{
    while (ops.size) {
        uint8_t kind, table;
        MDB_val key, stored;
        nm_rc_t rc = s_take(&ops, &kind, &table, &key, &stored);
        if (rc != NM_OK || (kind != S_PUT && kind != S_DELETE))
            return NM_ERR_CORRUPT;
        if (!txn->store->dbis[table])
            return NM_ERR_REFUSED;
        int err = kind == S_PUT ? nm_txn_put_stored(txn, table, key, stored) : nm_txn_delete_stored(txn, table, key);
        if (err == MDB_NOTFOUND)
            return NM_ERR_CORRUPT;  //  It was there when this was first done
        if (err)
            return nm_store_rc(txn->store, err);
        txn->changed = true;
    }
    return NM_OK;
}

//  -- Writing

static size_t
s_padded(size_t size)
{
    return (size + S_ALIGN - 1) / S_ALIGN * S_ALIGN;
}

static void
s_hash(const nm_store_t *self, const uint8_t *record, size_t ops_size, uint8_t hash[8])
{
    uint8_t both[16];
    crypto_shorthash(both, record, S_HASH_AT, self->seal.hash_key);
    crypto_shorthash(both + 8, record + S_HEAD_SIZE, ops_size, self->seal.hash_key);
    crypto_shorthash(hash, both, sizeof both, self->seal.hash_key);
}

static void
s_fill_head(const nm_store_t *self, uint64_t number, uint8_t *record, size_t ops_size)
{
    memcpy(record, S_MAGIC, sizeof S_MAGIC);
    nm_put_u64(record + 8, number);
    nm_put_u32(record + 16, self->epoch);
    nm_put_u32(record + 20, (uint32_t) ops_size);
    s_hash(self, record, ops_size, record + S_HASH_AT);
}

static void
s_end_process(const nm_store_t *self, const char *what)
{
    nm_store_log_critical("commit_failed", self->folder.path,
                          "%s redo.log failed, so what is on the disk is unknown; the process ends: %s", what,
                          strerror(errno));
    _exit(NM_STORE_EXIT_COMMIT);
}

static void
s_write(const nm_store_t *self, int fd, const uint8_t *record, size_t size, uint64_t at)
{
    if (pwrite(fd, record, size, (off_t) at) != (ssize_t) size)
        s_end_process(self, "writing");
}

void
nm_redo_mark(const nm_store_t *self)
{
    uint8_t record[S_HEAD_SIZE];
    if (self->redo.mark_fd < 0)
        return;
    s_fill_head(self, self->redo.number, record, 0);
    s_write(self, self->redo.mark_fd, record, sizeof record, 0);
}

nm_rc_t
nm_redo_write(nm_store_t *self)
{
    nm_redo_t *redo = &self->redo;
    if (!s_is_noting(self) || s_padded(redo->record.size) > redo->capacity - redo->at)
        return NM_ERR_FULL;
    s_fill_head(self, redo->number + 1, redo->record.at, redo->record.size - S_HEAD_SIZE);
    s_write(self, redo->fd, redo->record.at, redo->record.size, redo->at);
#ifndef NM_MUTANT_REDO_NO_SYNC  //  A deliberate fault: what is promised is in the page cache only
    if (fdatasync(redo->fd) != 0)
        s_end_process(self, "syncing");
#endif
    redo->at += s_padded(redo->record.size);
    redo->number++;
    nm_buf_clear(&redo->record);
    nm_redo_mark(self);
    return NM_OK;
}

//  A buffer that one large burst has blown up goes back to the system.
static void
s_empty(nm_buf_t *buffer)
{
    enum { KEEP_SIZE = 256 * 1024 };
    if (buffer->room > KEEP_SIZE)
        nm_buf_free(buffer);
    else
        nm_buf_clear(buffer);
}

void
nm_redo_rewind(nm_store_t *self)
{
    self->redo.at = 0;
    self->redo.settled = self->redo.number;
    s_empty(&self->redo.record);
}

//  -- Opening

typedef struct {
    uint64_t number;
    uint32_t epoch;
    nm_bytes_t ops;
} s_record_t;

//  A whole record at `at`?
static bool
s_read_record(const nm_store_t *self, nm_bytes_t file, uint64_t at, s_record_t *out)
{
    const uint8_t *record = file.at + at;
    uint8_t hash[8];
    if (file.size - at < S_HEAD_SIZE || memcmp(record, S_MAGIC, sizeof S_MAGIC) != 0)
        return false;
    size_t ops_size = nm_get_u32(record + 20);
    if (ops_size > file.size - at - S_HEAD_SIZE)
        return false;
    s_hash(self, record, ops_size, hash);
    if (sodium_memcmp(hash, record + S_HASH_AT, sizeof hash) != 0)
        return false;
    *out = (s_record_t){ nm_get_u64(record + 8), nm_get_u32(record + 16), nm_bytes(record + S_HEAD_SIZE, ops_size) };
    return true;
}

//  Does a whole record with a number above stand anywhere from `at` on? One of an earlier epoch
//  was left behind by a restore.
static bool
s_more_follows(const nm_store_t *self, nm_bytes_t file, uint64_t at, uint64_t above)
{
    s_record_t record;
    for (; at + S_HEAD_SIZE <= file.size; at += S_ALIGN)
        if (s_read_record(self, file, at, &record) && record.number > above && record.epoch >= self->epoch)
            return true;
    return false;
}

static nm_rc_t
s_replay(nm_txn_t *txn, nm_bytes_t file)
{
    nm_store_t *self = txn->store;
    uint64_t at = 0;
    s_record_t record;
    while (at + S_HEAD_SIZE <= file.size && s_read_record(self, file, at, &record) && record.epoch == self->epoch &&
           record.number == self->redo.number + 1) {
        nm_rc_t rc = s_do(txn, record.ops);
        if (rc != NM_OK)
            return rc;
        self->redo.number = record.number;
        at += s_padded(S_HEAD_SIZE + record.ops.size);
    }
    return s_more_follows(self, file, at, self->redo.number) ? NM_ERR_CORRUPT : NM_OK;
}

//  Up to which number the mark says that there are records; 0 if it says nothing: it is not
//  whole, or of an earlier epoch and left behind by a restore.
static uint64_t
s_marked_number(const nm_store_t *self)
{
    uint8_t raw[S_HEAD_SIZE];
    s_record_t record;
    int fd = openat(self->folder.fd, NM_FOLDER_MARK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    bool whole = pread(fd, raw, sizeof raw, 0) == sizeof raw &&
                 s_read_record(self, nm_bytes(raw, sizeof raw), 0, &record) && record.epoch >= self->epoch;
    close(fd);
    return whole ? record.number : 0;
}

static nm_rc_t
s_replay_update(nm_txn_t *txn, void *arg)
{
    nm_rc_t rc = s_replay(txn, *(const nm_bytes_t *) arg);
    if (rc == NM_OK && s_marked_number(txn->store) > txn->store->redo.number)
        rc = NM_ERR_CORRUPT;
    return rc == NM_OK ? nm_store_load_numbers(txn) : rc;
}

static nm_rc_t
s_read_file(int fd, uint64_t size, nm_buf_t *file)
{
    uint8_t *at = nm_buf_reserve(file, (size_t) size + 1);
    while (file->size < size) {
        ssize_t got = pread(fd, at + file->size, (size_t) size - file->size, (off_t) file->size);
        if (got <= 0)
            return NM_ERR_IO;
        file->size += (size_t) got;
    }
    return NM_OK;
}

nm_rc_t
nm_redo_again(nm_store_t *self, MDB_txn *txn)
{
    nm_buf_t file = { 0 };
    nm_txn_t again = { .store = self, .mdb = txn, .writes = true };
    uint64_t last = self->redo.number;
    nm_rc_t rc = s_read_file(self->redo.fd, self->redo.at, &file);
    self->redo.number = self->redo.settled;
    if (rc == NM_OK)
        rc = s_replay(&again, nm_buf_bytes(&file));
    nm_buf_free(&file);
    return rc == NM_OK && self->redo.number != last ? NM_ERR_CORRUPT : rc;
}

static nm_rc_t
s_catch_up(nm_store_t *self, int fd, uint64_t size, nm_error_t *error)
{
    nm_buf_t file = { 0 };
    nm_rc_t rc = size > S_CAPACITY_MAX ? NM_ERR_CORRUPT : s_read_file(fd, size, &file);
    nm_bytes_t bytes = nm_buf_bytes(&file);
    if (rc == NM_OK)
        rc = nm_store_update(self, s_replay_update, &bytes);
    nm_buf_free(&file);
    if (rc == NM_ERR_CORRUPT)
        return nm_fail(error, rc,
                       "store %s is damaged: what was written last is in neither redo.log nor data.mdb. Keep the "
                       "folder and restore a backup",
                       self->folder.path);
    if (rc == NM_ERR_REFUSED)
        return nm_fail(error, rc,
                       "store %s: redo.log speaks of a table that this program does not know: run the "
                       "actor that wrote it once",
                       self->folder.path);
    return rc == NM_OK ? rc
                       : nm_fail(error, rc, "store %s: redo.log cannot be read or done again: %s", self->folder.path,
                                 nm_rc_text(rc));
}

//  The mark goes on from here. A store without one is poorer by one way to find damage, not wrong.
static void
s_start_mark(nm_store_t *self)
{
    uint8_t record[S_HEAD_SIZE];
    nm_redo_t *redo = &self->redo;
    redo->mark_fd = openat(self->folder.fd, NM_FOLDER_MARK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (redo->mark_fd < 0)
        return;
    s_fill_head(self, redo->number, record, 0);
    if (pwrite(redo->mark_fd, record, sizeof record, 0) == sizeof record)
        return;
    close(redo->mark_fd);
    redo->mark_fd = -1;
    nm_folder_remove(&self->folder, NM_FOLDER_MARK);
}

//  -- The file

//  Zeros up to the capacity: blocks that are there and written once need no journal later.
static bool
s_fill(const nm_store_t *self, int fd, uint64_t capacity)
{
    enum { CHUNK_SIZE = 64 * 1024 };
    uint8_t *zeros = nm_alloc(CHUNK_SIZE);
    uint64_t at = 0;
    while (at < capacity && pwrite(fd, zeros, CHUNK_SIZE, (off_t) at) == CHUNK_SIZE)
        at += CHUNK_SIZE;
    free(zeros);
    return at >= capacity && (!self->folder.syncs || fsync(fd) == 0);
}

static uint64_t
s_capacity(const nm_store_t *self)
{
    uint64_t capacity = self->reserve / S_RESERVE_PART;
    if (capacity > S_CAPACITY_MAX)
        capacity = S_CAPACITY_MAX;
    return (capacity < S_CAPACITY_MIN ? S_CAPACITY_MIN : capacity) / S_CAPACITY_MIN * S_CAPACITY_MIN;
}

static nm_rc_t
s_change_nothing(nm_txn_t *txn, void *arg)
{
    (void) arg;
    txn->changed = true;
    return NM_OK;
}

//  Writes to LMDB how long the file is, before it counts and after it no longer does.
static nm_rc_t
s_tell_capacity(nm_store_t *self, uint64_t capacity)
{
    if (self->redo.capacity == capacity)
        return NM_OK;
    self->redo.capacity = capacity;
    return nm_store_update(self, s_change_nothing, NULL);
}

nm_rc_t
nm_redo_do_without(nm_store_t *self)
{
    return s_tell_capacity(self, 0);
}

//  LMDB has all that the old file held, so what is there now is thrown away.
static nm_rc_t
s_make_file(nm_store_t *self, int fd, uint64_t capacity)
{
    nm_error_t error;
    nm_rc_t rc = s_tell_capacity(self, 0);
    if (rc != NM_OK)
        return rc;
    if (ftruncate(fd, 0) != 0 || !s_fill(self, fd, capacity) || nm_folder_sync(&self->folder, &error) != NM_OK) {
        nm_folder_remove(&self->folder, NM_FOLDER_REDO);
        close(fd);
        return NM_OK;
    }
    rc = s_tell_capacity(self, capacity);
    if (rc == NM_OK)
        self->redo.fd = fd;
    return rc;
}

//  A file that LMDB counts on is there and as long as it was made.
static nm_rc_t
s_open_file(const nm_store_t *self, int *fd, uint64_t *size, nm_error_t *error)
{
    struct stat is;
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (self->redo.capacity ? 0 : O_CREAT);
    *fd = openat(self->folder.fd, NM_FOLDER_REDO, flags, 0600);
    if (*fd < 0 && errno == ENOENT)
        return nm_fail(error, NM_ERR_CORRUPT,
                       "store %s is damaged: it has lost its redo.log. Keep the folder and restore a backup",
                       self->folder.path);
    if (*fd < 0 || fstat(*fd, &is) != 0)
        return nm_fail(error, NM_ERR_IO, "store %s: cannot open redo.log: %s", self->folder.path, strerror(errno));
    *size = (uint64_t) is.st_size;
    if (!self->redo.capacity || *size == self->redo.capacity)
        return NM_OK;
    return nm_fail(error, NM_ERR_CORRUPT,
                   "store %s is damaged: redo.log has %llu bytes and should have %llu. Keep the folder and restore a "
                   "backup",
                   self->folder.path, (unsigned long long) *size, (unsigned long long) self->redo.capacity);
}

nm_rc_t
nm_redo_open(nm_store_t *self, nm_error_t *error)
{
    int fd;
    uint64_t size = 0, capacity = s_capacity(self);
    nm_rc_t rc = s_open_file(self, &fd, &size, error);
    if (rc == NM_OK)
        rc = s_catch_up(self, fd, size, error);
    if (rc == NM_OK && size == capacity && self->redo.capacity == capacity)
        self->redo.fd = fd;
    else if (rc == NM_OK)
        rc = s_make_file(self, fd, capacity);
    if (rc != NM_OK && fd >= 0)
        close(fd);
    self->redo.settled = self->redo.number;
    if (rc == NM_OK)
        s_start_mark(self);
    return rc;
}

void
nm_redo_close(nm_store_t *self)
{
    if (self->redo.fd >= 0)
        close(self->redo.fd);
    if (self->redo.mark_fd >= 0)
        close(self->redo.mark_fd);
    self->redo.fd = self->redo.mark_fd = -1;
    nm_buf_free(&self->redo.record);
}
