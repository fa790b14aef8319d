/*  store - the one file on disk that an actor owns.
 *
 *  This folder is the only one that includes <lmdb.h> or sees an MDB_ code. A
 *  store is a folder with data.mdb, a LOCK file that admits one process, a
 *  PROVISIONED marker and a ballast file. Open it once per process, from the
 *  thread that will use it; nobody else ever opens it while the actor runs.
 *
 *  A transaction lives for one call of nm_store_update or nm_store_view, so none
 *  can be leaked, held across a poll, or carried to another thread. When
 *  nm_store_update returns NM_OK the change is on disk, and only then may anyone
 *  be told. LMDB runs with its default, durable flags; before it stands a log that
 *  makes an update durable with one sync (redo.h).
 *
 *  LMDB has no checksums, so every value carries one: the AEAD tag where the
 *  table is sealed, a keyed hash elsewhere, both over table, key and value. A
 *  value that does not match answers NM_ERR_CORRUPT, and the actor must stop.
 *
 *  Any error at commit ends the process at once with exit code 74: after a
 *  failed sync nobody knows what is on the disk.
 */
#ifndef NM_STORE_H
#define NM_STORE_H

#include "nm.h"

enum {
    NM_STORE_KEY_MAX = 255,                 //  Longest key, in bytes (LMDB's own limit is 511)
    NM_STORE_VALUE_MAX = 64 * 1024 * 1024,  //  Longest value, in bytes: what claims more is damage
    NM_STORE_TABLE_MAX = 64,                //  Table numbers are below this
    NM_STORE_SECRET_SIZE = 32,              //  Bytes of a master key
    NM_STORE_EXIT_DAMAGED = 65,             //  EX_DATAERR: ... when LMDB cannot go on with what it reads
    NM_STORE_EXIT_COMMIT = 74,              //  EX_IOERR: what the process ends with after a failed commit
    NM_STORE_SCHEMA = 2,                    //  The newest layout this code reads and the one it writes
};

typedef struct nm_store nm_store_t;
typedef struct nm_txn nm_txn_t;

//  A table is a constant of the module that owns it. Its number is unique in the
//  store: 1-31 belong to lmdb_store/ and broker/ (see NM_TABLE_ numbers below),
//  32 and up to the role. Number and name never change once released.
typedef struct {
    uint8_t number;    //  Place in the store; also bound into each value's checksum
    bool sealed;       //  Values hold personal data: XChaCha20-Poly1305 instead of a hash
    const char *name;  //  LMDB's name of it
} nm_table_t;

//  Who uses which number below 32.
enum {
    NM_TABLE_META = 1,         //  lmdb_store: store id, epoch, schema, counters
    NM_TABLE_EXPIRY = 2,       //  lmdb_store: what to delete when
    NM_TABLE_STREAMS_OUT = 8,  //  broker/outbox: next number of the stream to each peer
    NM_TABLE_WAITING = 9,      //  broker/outbox: mail that waits for credit
    NM_TABLE_OPEN = 10,        //  broker/outbox: mail assigned and not yet receipted
    NM_TABLE_STREAMS_IN = 11,  //  broker/inbox: watermark of the stream from each peer
    NM_TABLE_QUARANTINE = 12,  //  broker/inbox: mail that nobody could read
    NM_TABLE_DIRECTORY = 13,   //  broker/directory: what others have said, and the authority
    NM_TABLE_FENCED = 14,      //  broker/inbox: stores that are gone for good
    NM_TABLE_BOOK_HEADS = 20,  //  lmdb_store/book: where each book stands
    NM_TABLE_BOOK_ENTRIES = 21,
    NM_TABLE_BOOK_CHANGES = 22,
    NM_TABLE_BOOK_ASIDE = 23,  //  ... and changes that a book went on without
    NM_TABLE_ROLE = 32,        //  The first of the role's own
};

//  A master key, by number, so that old values stay readable after a rotation.
typedef struct {
    uint32_t number;
    uint8_t secret[NM_STORE_SECRET_SIZE];
} nm_store_key_t;

//  Where the simulator may make a store fail. At COMMIT the update has done its work and nothing
//  of it is on the disk: a result other than NM_OK undoes it and is what the update returns. At
//  ROOM a result other than NM_OK lets the store look tight.
typedef enum { NM_STORE_AT_COMMIT, NM_STORE_AT_ROOM } nm_store_point_t;
typedef nm_rc_t(nm_store_fault_fn)(void *arg, nm_store_point_t point);

typedef struct {
    const char *path;                 //  Folder of the store; made if it is not there
    const char *owner;                //  Name of the actor; a store of another owner is refused
    const nm_table_t *const *tables;  //  The role's and the broker's tables
    size_t table_count;
    const nm_store_key_t *keys;  //  The last one seals what is written
    size_t key_count;
    uint64_t map_size;        //  Bytes of address space; 0: 1 TiB. A limit that use never reaches
    uint64_t quota;           //  Soft quota in bytes of used pages; 0: 64 GiB
    uint64_t reserve;         //  Free bytes the file system must keep; 0: 64 MiB
    bool volatile_for_tests;  //  No sync at all: unit tests and the simulator only

    //  Called at each of these points once the store is open; NULL: never. Ignored unless volatile_for_tests.
    nm_store_fault_fn *fault;
    void *fault_arg;
} nm_store_config_t;

//  Opens or creates. On failure returns NULL and error says what, where, and
//  what to do: locked by another process, another owner, a newer schema, a wrong
//  key, a file shorter than its meta page claims, loose permissions.
//  A new store is provisioned before this returns: file, folder and parent are
//  synced and the marker stands. A data file without a marker is recreated; a
//  marker without a data file is an error.
nm_store_t *nm_store_new(const nm_store_config_t *config, nm_error_t *error);

//  The same, with a result. NM_ERR_BUSY: another process has it, and may let it go.
nm_rc_t nm_store_make(const nm_store_config_t *config, nm_store_t **self_p, nm_error_t *error);
void nm_store_destroy(nm_store_t **self_p);

//  Made at provisioning, for the life of this folder.
const nm_id_t *nm_store_id(const nm_store_t *self);

//  Which life of the stream numbers this is: 1 at first, one more at each
//  restore (nm_store_new_epoch).
uint32_t nm_store_epoch(const nm_store_t *self);

typedef nm_rc_t(nm_store_fn)(nm_txn_t *txn, void *arg);

//  Runs work in the write transaction and commits. If work fails, everything it
//  changed is undone and its result is returned. A transaction that changed
//  nothing costs no sync. Not reentrant.
nm_rc_t nm_store_update(nm_store_t *self, nm_store_fn *work, void *arg);

//  How long the last update took to be made durable, in microseconds; 0 if it changed nothing.
uint64_t nm_store_commit_us(const nm_store_t *self);

//  Brings LMDB up to what the log holds (see redo.h): one commit for many updates. Due a few times
//  a second while there is something to settle, and before a backup; nm_store_destroy does it too.
//  NM_ERR_FULL leaves all as it is. Not inside a transaction.
nm_rc_t nm_store_settle(nm_store_t *self);
bool nm_store_unsettled(const nm_store_t *self);

//  Runs work in a read transaction. Writing in it is a bug (asserted).
nm_rc_t nm_store_view(nm_store_t *self, nm_store_fn *work, void *arg);

//  -- Values. Views returned are valid until the transaction ends.

nm_rc_t nm_table_get(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, nm_bytes_t *value);
bool nm_table_has(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key);

//  Adds or replaces. NM_ERR_FULL when the map is full: return it, the turn is undone.
nm_rc_t nm_table_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, nm_bytes_t value);

//  Adds; NM_ERR_DUPLICATE if the key is there, and nothing changes.
nm_rc_t nm_table_add(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, nm_bytes_t value);

//  NM_ERR_MISSING if it was not there.
nm_rc_t nm_table_delete(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key);

uint64_t nm_table_count(nm_txn_t *txn, const nm_table_t *table);

//  -- Cursors. Walk the keys that start with prefix, in order (or reverse), from
//  the first that is >= from (reverse: the last that is <= from); an empty from
//  starts at the edge of the prefix. Live on the caller's stack; the transaction
//  closes what the caller forgets. The table may be changed meanwhile only through
//  nm_cursor_delete.
typedef struct nm_cursor {
    nm_txn_t *txn;
    const nm_table_t *table;
    struct nm_open_cursor *open;  //  Private, as is the rest
    uint8_t prefix[NM_STORE_KEY_MAX];
    uint8_t from[NM_STORE_KEY_MAX];
    uint16_t prefix_size;
    uint16_t from_size;
    bool reverse;
    bool started;
    bool on_entry;
} nm_cursor_t;

void nm_cursor_open(nm_cursor_t *self, nm_txn_t *txn, const nm_table_t *table, nm_bytes_t prefix, nm_bytes_t from,
                    bool reverse);

//  NM_ERR_MISSING at the end. key and value may be NULL; a value that is not asked
//  for is neither read nor checked.
nm_rc_t nm_cursor_next(nm_cursor_t *self, nm_bytes_t *key, nm_bytes_t *value);

//  Deletes the entry that nm_cursor_next gave last.
nm_rc_t nm_cursor_delete(nm_cursor_t *self);
void nm_cursor_close(nm_cursor_t *self);

//  -- Numbers that only grow. Durable with the transaction that took them.
enum {
    NM_COUNTER_MAIL,    //  broker: order of equal rank in the outbox
    NM_COUNTER_ROLE_1,  //  For the role
    NM_COUNTER_ROLE_2,
    NM_COUNTER_COUNT,
};
uint64_t nm_txn_next(nm_txn_t *txn, unsigned counter);

//  Scratch memory of the transaction: lives until it ends, is never freed singly.
void *nm_txn_alloc(nm_txn_t *txn, size_t size);

//  For a walk over much: gives back what was taken since the mark, values that were read included. No cursor may have been
//  opened in between that is open still.
typedef struct {
    void *block;
    size_t used;
} nm_txn_mark_t;
nm_txn_mark_t nm_txn_mark(const nm_txn_t *txn);
void nm_txn_rewind(nm_txn_t *txn, nm_txn_mark_t mark);

//  True once this transaction wrote anything.
bool nm_txn_changed(const nm_txn_t *txn);

//  -- Room

typedef struct {
    uint64_t used;        //  Bytes of pages in use
    uint64_t quota;       //  The soft quota
    uint64_t free_space;  //  Bytes free on the file system
    uint64_t records;     //  Entries in all tables
    bool tight;           //  Above 80 % of quota, or free space below the reserve: refuse new work
    bool critical;        //  Above 95 %: the ballast has been deleted so that deletes can go on
} nm_store_room_t;

//  Looks at the store and its file system. Cheap (a statvfs and a few meta reads);
//  call it once per turn at most. Deletes the ballast when critical, makes it
//  again when there is room. Not inside a transaction.
void nm_store_room(nm_store_t *self, nm_store_room_t *room);

//  -- Upkeep

//  Takes the next epoch, durably. After a restore, before anything else.
nm_rc_t nm_store_new_epoch(nm_store_t *self);

//  Writes a compact copy of a live store to path (a new file, 0600), synced. It has its
//  name only once it is whole; a process that is killed leaves PATH.unfinished-XXXXXX. May
//  run on a worker thread beside the owner: it uses a read transaction of its own, and
//  has what was settled when it began.
nm_rc_t nm_store_backup(nm_store_t *self, const char *path, nm_error_t *error);

//  Puts a backup file where a stopped actor's store is to be, and gives it the
//  next epoch. Refuses a folder that already has a store unless replace.
nm_rc_t nm_store_restore(const nm_store_config_t *config, const char *backup_path, bool replace, nm_error_t *error);

typedef struct {
    uint64_t records;  //  Values read and vouched for
    uint64_t bad;      //  Values whose checksum did not match
    uint64_t bytes;
    char first_bad[160];  //  Where the first was: table and key in hex
} nm_store_check_t;

//  Reads every value of every table and checks it, and that none is gone or older than the
//  last one put. NM_OK only if all are good.
nm_rc_t nm_store_check(nm_store_t *self, nm_store_check_t *report, nm_error_t *error);

//  What one call of nm_store_scrub did.
typedef struct {
    uint64_t records;
    uint64_t bytes;
    bool ended;  //  The pass is over; the next call begins another
} nm_store_scrub_t;

enum {
    NM_STORE_SCRUB_RECORDS = 1024,    //  What one call reads at most; about a millisecond if
    NM_STORE_SCRUB_SIZE = 512 * 1024  //  the pages are in memory. One value may be larger
};

//  The same as a check, little by little and beside the work: reads on where the last call
//  stopped. NM_ERR_CORRUPT: damage, the log says where; the actor must stop. Not inside a
//  transaction.
nm_rc_t nm_store_scrub(nm_store_t *self, nm_store_scrub_t *report);

#endif
