/*  redo - the log that makes an update durable with one write and one sync; LMDB follows.
 *
 *  Private to lmdb_store/. A commit of LMDB writes a page for each place of each table that
 *  changed, scattered over the file, and syncs twice. So an update appends what it did to
 *  redo.log, in one run of bytes, and syncs that; the LMDB transaction stays open, and is
 *  committed later for many updates at once (nm_store_settle). An update that finds no room
 *  in the log commits LMDB itself. Either way an update that returned NM_OK is on disk.
 *
 *  The file has a fixed size and is written full of zeros when it is made, so that a sync
 *  never has to wait for the file system's own journal. After each commit of LMDB the log
 *  begins again at its start; records are numbered for ever, and the meta table says up to
 *  which number LMDB has them. A record:
 *
 *      ["nmredo1\n"][number u64][epoch u32][size u32][hash 8][size bytes of operations]
 *
 *  padded to 64 bytes. The hash is keyed with the store's secret and over all that follows
 *  it and stands before it. An operation holds the value as it is stored: sealed, or hashed.
 *
 *      [1 put | 2 delete][table u8][key size u8][value size u32][key][value]
 *
 *  At open the records above LMDB's number are done again, in order, up to the first that is
 *  not whole. That one was cut off in writing, and nobody was told of it; but if a whole one
 *  with a higher number stands anywhere behind it, the log is damaged.
 *
 *  The last record has none behind it. So once its sync is over its number goes into a file
 *  of its own, redo.mark: a record without operations, written in place and never synced.
 *  After a power cut the mark may be an earlier one, never a later; whatever else happens it
 *  is there, and if it names a number that log and LMDB do not come up to, one of them has
 *  lost something. An update that goes past the log takes a number and a mark too. LMDB knows
 *  how long the log is (tally.h), so that a shorter one shows.
 */
#ifndef NM_REDO_H
#define NM_REDO_H

#include <lmdb.h>

#include "nm.h"
#include "lmdb_store/store.h"

typedef struct {
    int fd;             //  -1: there is no log, each update commits LMDB
    int mark_fd;        //  -1: not open yet, or there is no room for it
    uint64_t capacity;  //  Bytes of the file; as LMDB has it until the log is open
    uint64_t at;        //  Where the next record goes
    uint64_t number;    //  Of the last record
    uint64_t settled;   //  Of the last one that LMDB has
    nm_buf_t record;    //  The update under way
} nm_redo_t;

//  Opens or makes the file and does again what LMDB does not have yet; that is committed
//  before this returns. The store's tables are open, its tally is read. NM_ERR_CORRUPT: the
//  log is damaged. A file system without room for the file is no failure: there is no log then.
nm_rc_t nm_redo_open(nm_store_t *self, nm_error_t *error);

//  Tells LMDB that it stands alone, as a store does that is a copy. Instead of nm_redo_open.
nm_rc_t nm_redo_do_without(nm_store_t *self);
void nm_redo_close(nm_store_t *self);

//  Note what the update under way does. Nothing is noted while there is no log.
void nm_redo_put(nm_store_t *self, uint8_t table, MDB_val key, MDB_val stored);
void nm_redo_delete(nm_store_t *self, uint8_t table, MDB_val key);

//  Drops what was noted.
void nm_redo_forget(nm_store_t *self);

//  Writes what was noted as a record and syncs it. NM_ERR_FULL: it does not fit, LMDB must
//  commit. A failed write or sync ends the process: nobody knows what is on the disk.
nm_rc_t nm_redo_write(nm_store_t *self);

//  LMDB has all: the log begins at its start.
void nm_redo_rewind(nm_store_t *self);

//  Marks, without a sync, that the update of the last number is durable.
void nm_redo_mark(const nm_store_t *self);

//  Does again, in txn, what the log holds: all since LMDB's last commit. The tallies have it.
nm_rc_t nm_redo_again(nm_store_t *self, MDB_txn *txn);

#endif
