/*  store_private - what the files of lmdb_store/ share. Nobody else includes it,
 *  but for the tests of the upgrade path.
 */
#ifndef NM_STORE_PRIVATE_H
#define NM_STORE_PRIVATE_H

#include <lmdb.h>

#include "lmdb_store/arena.h"
#include "lmdb_store/folder.h"
#include "lmdb_store/log.h"
#include "lmdb_store/pages.h"
#include "lmdb_store/redo.h"
#include "lmdb_store/seal.h"
#include "lmdb_store/store.h"
#include "lmdb_store/tally.h"

//  -- The layout of the store, and how an older one is brought to it.

//  Brings a store from one version to the next, within the transaction that opens it.
typedef nm_rc_t(nm_store_step_fn)(nm_txn_t *txn);

typedef struct {
    uint32_t schema;                 //  The version that this code writes
    nm_store_step_fn *const *steps;  //  steps[n - 1] goes from version n to n + 1
} nm_store_layout_t;

//  The layout of this program.
extern const nm_store_layout_t nm_store_layout;

//  What nm_store_new does, for any layout.
nm_rc_t nm_store_open(const nm_store_config_t *config, const nm_store_layout_t *layout, nm_store_t **self_p,
                      nm_error_t *error);

//  The same for a data.mdb that is a copy: it has no redo.log and gets none.
nm_rc_t nm_store_open_copy(const nm_store_config_t *config, nm_store_t **self_p, nm_error_t *error);

//  Reads the epoch and the counters that the tables hold.
nm_rc_t nm_store_load_numbers(nm_txn_t *txn);

//  Takes this epoch, durably; it must be higher than the one before.
nm_rc_t nm_store_raise_epoch(nm_store_t *self, uint32_t epoch);

//  -- Tables of this folder. Of the meta table, "head" is neither sealed nor keyed
//  (it tells which keys to use) and "secret" is sealed; all else is hashed.
extern const nm_table_t nm_meta_table;
extern const nm_table_t nm_meta_sealed_table;
extern const nm_table_t nm_expiry_table;

#define NM_META_HEAD "head"      //  Schema, store id, owner
#define NM_META_SECRET "secret"  //  The key of the keyed hash; opens only with the right master key
#define NM_META_EPOCH "epoch"
#define NM_META_TALLY "tally"  //  What the tables hold, and what LMDB has of redo.log (tally.h)
#define NM_META_COUNTER 'n'    //  Then the counter's number

typedef struct {
    uint32_t schema;
    nm_id_t id;
    nm_bytes_t owner;
} nm_store_head_t;

enum { NM_HEAD_SIZE_MAX = 1 + 16 + 4 + NM_ID_SIZE + NM_NAME_MAX };  //  Form, hash, schema, id, owner

//  Returns how many bytes it wrote.
size_t nm_store_head_write(const nm_store_head_t *head, uint8_t out[NM_HEAD_SIZE_MAX]);

//  NM_ERR_CORRUPT if stored is not a head. Of a head with a newer schema only the
//  schema is set: the rest may have moved.
nm_rc_t nm_store_head_read(nm_store_head_t *head, nm_bytes_t stored, uint32_t known_schema);

//  -- A transaction

typedef struct nm_open_cursor {
    MDB_cursor *mdb;  //  NULL once closed
    struct nm_open_cursor *next;
} nm_open_cursor_t;

struct nm_txn {
    nm_store_t *store;
    MDB_txn *mdb;  //  NULL: no transaction is open
    bool writes;
    bool changed;
    nm_rc_t failed;             //  The first failure that spoils it, even if the caller passes over it
    uint64_t not_appending;     //  A bit per table: a put did not go to its end
    nm_open_cursor_t *cursors;  //  In the arena
    uint64_t counters[NM_COUNTER_COUNT];
    bool counter_taken[NM_COUNTER_COUNT];
    nm_tally_t tallies[NM_STORE_TABLE_MAX];
    nm_tally_t scrubbed;  //  As nm_scrub_t's
};

//  Where the scrub is. Keys of the table up to `key` have been read; writers keep `seen` true.
typedef struct {
    uint8_t table;
    uint8_t key[NM_STORE_KEY_MAX];
    size_t key_size;  //  0: at the start of the table
    nm_tally_t seen;  //  What those keys hold
} nm_scrub_t;

struct nm_store {
    nm_folder_t folder;
    MDB_env *env;
    MDB_txn *kept;  //  The write transaction whose changes are in redo.log only; NULL: none
    nm_redo_t redo;
    MDB_txn *reader;                   //  Kept between views, reset, so that a view asks nobody for a slot
    MDB_dbi dbis[NM_STORE_TABLE_MAX];  //  0: a table that nobody named at open
    const nm_table_t *tables[NM_STORE_TABLE_MAX];
    nm_seal_t seal;
    nm_arena_t arena;
    nm_txn_t txn;
    nm_id_t id;
    uint32_t epoch;
    uint64_t commit_us;                      //  As nm_store_commit_us
    uint64_t counters[NM_COUNTER_COUNT];     //  As last committed
    nm_tally_t tallies[NM_STORE_TABLE_MAX];  //  As last committed
    nm_scrub_t scrub;
    uint64_t map_size;
    uint64_t page_size;
    uint64_t quota;
    uint64_t reserve;
    uint64_t ballast_size;
    uint64_t counted_txn;  //  The transaction at which free pages were last counted
    uint64_t free_pages;   //  What that count gave
    bool has_ballast;
    bool damaged;              //  Something could not be vouched for: LMDB gets nothing more
    nm_store_fault_fn *fault;  //  Of a volatile store that is open; else NULL
    void *fault_arg;
};

//  What the simulator wants to happen at this point; NM_OK in every store that is not volatile.
nm_rc_t nm_store_fault(const nm_store_t *self, nm_store_point_t point);

//  LMDB's codes stop here. NM_ERR_IO is logged with LMDB's text.
nm_rc_t nm_store_rc(const nm_store_t *self, int err);

//  Notes a failure that no commit may follow, and returns it.
nm_rc_t nm_txn_spoil(nm_txn_t *txn, nm_rc_t rc);

//  Puts or deletes a value as it is stored. Returns LMDB's code; MDB_CORRUPTED if what stands
//  there is no value.
int nm_txn_put_stored(nm_txn_t *txn, uint8_t table, MDB_val key, MDB_val stored);
int nm_txn_delete_stored(nm_txn_t *txn, uint8_t table, MDB_val key);

MDB_dbi nm_txn_dbi(const nm_txn_t *txn, const nm_table_t *table);

//  Checks stored and opens it into the arena. Spoils the transaction if it is corrupt.
nm_rc_t nm_txn_vouch(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, MDB_val stored, nm_bytes_t *value);

//  -- The LMDB environment

//  pages is filled with what the file holds, unless it is fresh.
nm_rc_t nm_env_open(nm_store_t *self, const nm_store_config_t *config, bool fresh, nm_pages_t *pages,
                    nm_error_t *error);
void nm_env_close(nm_store_t *self);

//  Pages on the free list, as of txn.
nm_rc_t nm_env_free_pages(nm_store_t *self, MDB_txn *txn, uint64_t *count);

//  -- Room

//  Writes the ballast file if there is room for it beside the reserve.
void nm_room_make_ballast(nm_store_t *self);

#endif
