#include "lmdb_store/store_private.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <unistd.h>

const nm_table_t nm_meta_table = { .number = NM_TABLE_META, .sealed = false, .name = "nm.meta" };
const nm_table_t nm_meta_sealed_table = { .number = NM_TABLE_META, .sealed = true, .name = "nm.meta" };
const nm_table_t nm_expiry_table = { .number = NM_TABLE_EXPIRY, .sealed = false, .name = "nm.expiry" };

//  64 GiB of pages is far above a day's backlog of any actor and far below the map.
static const uint64_t S_QUOTA = (uint64_t) 64 << 30;

//  64 MiB is a few hundred of the largest turns: time to refuse new work and drain.
static const uint64_t S_RESERVE = (uint64_t) 64 << 20;

//  A quarter of the reserve, so that the file system is still below the reserve, and
//  new work still refused, when the ballast has just been given up.
enum { S_BALLAST_PART = 4 };

enum { S_SCHEMA_TALLIED = 2 };  //  The first layout with a tally

//  What opening hands to its transaction.
typedef struct {
    const nm_store_config_t *config;
    const nm_store_layout_t *layout;
    nm_error_t *error;
    bool fresh;
    bool copy;          //  data.mdb stands alone, under another commit number
    nm_pages_t *pages;  //  What the file holds, as it was read before LMDB saw it
} s_opening_t;

static nm_rc_t
s_write_head(nm_txn_t *txn, const s_opening_t *opening)
{
    uint8_t packed[NM_HEAD_SIZE_MAX];
    nm_store_head_t head = { opening->layout->schema, txn->store->id, nm_text(opening->config->owner) };
    MDB_val key = { strlen(NM_META_HEAD), (void *) NM_META_HEAD };
    MDB_val stored = { nm_store_head_write(&head, packed), packed };
    int err = nm_txn_put_stored(txn, NM_TABLE_META, key, stored);
    txn->changed = true;
    return err ? nm_txn_spoil(txn, nm_store_rc(txn->store, err)) : NM_OK;
}

static nm_rc_t
s_put_secret(nm_txn_t *txn)
{
    return nm_table_put(txn, &nm_meta_sealed_table, nm_text(NM_META_SECRET),
                        nm_bytes(txn->store->seal.hash_key, NM_SEAL_HASH_KEY_SIZE));
}

static nm_rc_t
s_put_epoch(nm_txn_t *txn, void *arg)
{
    uint8_t raw[4];
    nm_put_u32(raw, *(const uint32_t *) arg);
    return nm_table_put(txn, &nm_meta_table, nm_text(NM_META_EPOCH), nm_bytes(raw, sizeof raw));
}

//  Writes what a new store has: who it is, and the secret of its checksums.
static nm_rc_t
s_found(nm_txn_t *txn, const s_opening_t *opening)
{
    nm_store_t *self = txn->store;
    randombytes_buf(self->id.at, NM_ID_SIZE);
    self->id.at[6] = (uint8_t) (0x40 | (self->id.at[6] & 0x0f));  //  A UUID, version 4
    self->id.at[8] = (uint8_t) (0x80 | (self->id.at[8] & 0x3f));
    nm_seal_init(&self->seal, opening->config->keys, opening->config->key_count, &self->id);
    randombytes_buf(self->seal.hash_key, sizeof self->seal.hash_key);

    uint32_t epoch = 1;
    nm_rc_t rc = s_write_head(txn, opening);
    if (rc == NM_OK)
        rc = s_put_secret(txn);
    return rc == NM_OK ? s_put_epoch(txn, &epoch) : rc;
}

static nm_rc_t
s_read_head(nm_txn_t *txn, const s_opening_t *opening, nm_store_head_t *head)
{
    const char *path = opening->config->path;
    MDB_val key = { strlen(NM_META_HEAD), (void *) NM_META_HEAD }, stored;
    if (mdb_get(txn->mdb, nm_txn_dbi(txn, &nm_meta_table), &key, &stored) ||
        nm_store_head_read(head, nm_bytes(stored.mv_data, stored.mv_size), opening->layout->schema) != NM_OK)
        return nm_fail(opening->error, NM_ERR_CORRUPT,
                       "store %s is damaged: its head cannot be vouched for. Keep the folder and restore a backup",
                       path);
    if (head->schema > opening->layout->schema)
        return nm_fail(
            opening->error, NM_ERR_REFUSED,
            "store %s was written by a newer version (layout %u, this program knows up to %u): run that version", path,
            (unsigned) head->schema, (unsigned) opening->layout->schema);
    if (!nm_bytes_is(head->owner, opening->config->owner))
        return nm_fail(opening->error, NM_ERR_REFUSED,
                       "store %s belongs to %.*s, not to %s: give each actor its own folder", path,
                       NM_PRINT(head->owner), opening->config->owner);
    return NM_OK;
}

//  The secret opens only with the master key that sealed it, so a wrong key is
//  refused here, before anything is written under it.
static nm_rc_t
s_read_secret(nm_txn_t *txn, const s_opening_t *opening)
{
    const char *path = opening->config->path;
    nm_seal_t *seal = &txn->store->seal;
    MDB_val key = { strlen(NM_META_SECRET), (void *) NM_META_SECRET }, stored;
    size_t size;
    if (mdb_get(txn->mdb, nm_txn_dbi(txn, &nm_meta_table), &key, &stored) ||
        nm_seal_value_size(&nm_meta_sealed_table, nm_bytes(stored.mv_data, stored.mv_size), &size) != NM_OK ||
        size != NM_SEAL_HASH_KEY_SIZE)
        return nm_fail(opening->error, NM_ERR_CORRUPT,
                       "store %s is damaged: it has no secret. Keep the folder and restore a backup", path);

    nm_bytes_t sealed = nm_bytes(stored.mv_data, stored.mv_size);
    uint32_t number = nm_seal_key_number(sealed);
    if (nm_seal_read(seal, &nm_meta_sealed_table, nm_text(NM_META_SECRET), sealed, seal->hash_key) != NM_OK)
        return nm_fail(opening->error, NM_ERR_REFUSED,
                       "store %s does not open with the master keys given: it was sealed with number %u. "
                       "Give the key it was made with; nothing was changed",
                       path, (unsigned) number);
    return NM_OK;
}

//  After a rotation the new key opens the store, so that the old one can be retired.
static nm_rc_t
s_renew_secret(nm_txn_t *txn)
{
    const nm_seal_t *seal = &txn->store->seal;
    MDB_val key = { strlen(NM_META_SECRET), (void *) NM_META_SECRET }, stored;
    int err = mdb_get(txn->mdb, nm_txn_dbi(txn, &nm_meta_table), &key, &stored);
    if (err)
        return nm_txn_spoil(txn, nm_store_rc(txn->store, err));
    uint32_t number = nm_seal_key_number(nm_bytes(stored.mv_data, stored.mv_size));
    return number == seal->keys[seal->key_count - 1].number ? NM_OK : s_put_secret(txn);
}

//  From layout 1 to 2: what the tables hold is counted, and the number of redo.log, which had a
//  record of its own, goes into the tally.
static nm_rc_t
s_step_tally(nm_txn_t *txn)
{
    static const nm_bytes_t REDO = { (const uint8_t *) "redo", 4 };
    nm_store_t *self = txn->store;
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_meta_table, REDO, &value);
    if (rc == NM_OK && value.size != 8)
        return NM_ERR_CORRUPT;
    self->redo.number = rc == NM_OK ? nm_get_u64(value.at) : 0;
    if (rc == NM_OK)
        rc = nm_table_delete(txn, &nm_meta_table, REDO);
    if (rc == NM_ERR_MISSING)
        rc = NM_OK;
    for (uint8_t i = 0; rc == NM_OK && i < NM_STORE_TABLE_MAX; i++)
        if (self->tables[i])
            rc = nm_tally_count(txn, i, &txn->tallies[i]);
    return rc;
}

static nm_store_step_fn *const STEPS[] = { s_step_tally };

//  A new version of the layout: raise NM_STORE_SCHEMA and append the step that brings the
//  version before it there. Steps are kept for ever.
const nm_store_layout_t nm_store_layout = { .schema = NM_STORE_SCHEMA, .steps = STEPS };

static nm_rc_t
s_upgrade(nm_txn_t *txn, const s_opening_t *opening, uint32_t from)
{
    for (uint32_t schema = from; schema < opening->layout->schema; schema++) {
        nm_rc_t rc = opening->layout->steps[schema - 1](txn);
        if (rc != NM_OK)
            return nm_fail(opening->error, rc, "store %s: the upgrade from layout %u failed (%s); nothing was changed",
                           opening->config->path, (unsigned) schema, nm_rc_text(rc));
    }
    return from < opening->layout->schema ? s_write_head(txn, opening) : NM_OK;
}

static nm_rc_t
s_open_table(nm_txn_t *txn, const nm_table_t *table, unsigned flags)
{
    assert(table->number > 0 && table->number < NM_STORE_TABLE_MAX);
    nm_store_t *self = txn->store;
    assert((!self->tables[table->number] || self->tables[table->number] == table) && "two tables with one number");
    int err = mdb_dbi_open(txn->mdb, table->name, 0, &self->dbis[table->number]);
    if (err == MDB_NOTFOUND && flags) {
        txn->changed = true;
        err = mdb_dbi_open(txn->mdb, table->name, flags, &self->dbis[table->number]);
    }
    if (err)
        return nm_txn_spoil(txn, nm_store_rc(self, err));
    self->tables[table->number] = table;
    return NM_OK;
}

static nm_rc_t
s_open_tables(nm_txn_t *txn, const nm_store_config_t *config)
{
    nm_rc_t rc = s_open_table(txn, &nm_expiry_table, MDB_CREATE);
    for (size_t i = 0; rc == NM_OK && i < config->table_count; i++)
        rc = s_open_table(txn, config->tables[i], MDB_CREATE);
    return rc;
}

nm_rc_t
nm_store_load_numbers(nm_txn_t *txn)
{
    nm_store_t *self = txn->store;
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_meta_table, nm_text(NM_META_EPOCH), &value);
    if (rc != NM_OK || value.size != 4)
        return NM_ERR_CORRUPT;
    self->epoch = nm_get_u32(value.at);
    for (unsigned i = 0; i < NM_COUNTER_COUNT; i++) {
        uint8_t key[] = { NM_META_COUNTER, (uint8_t) i };
        rc = nm_table_get(txn, &nm_meta_table, nm_bytes(key, sizeof key), &value);
        if (rc == NM_ERR_MISSING)
            continue;  //  Never taken
        if (rc != NM_OK || value.size != 8)
            return NM_ERR_CORRUPT;
        txn->counters[i] = nm_get_u64(value.at);  //  Becomes the store's at commit
    }
    return NM_OK;
}

//  -- What the tables must hold

static nm_rc_t
s_is_missing(const s_opening_t *opening, const char *what)
{
    return nm_fail(opening->error, NM_ERR_CORRUPT,
                   "store %s is damaged: %s. What is there is not what was committed last. Keep the folder and "
                   "restore a backup",
                   opening->config->path, what);
}

//  A copy was written by LMDB in one piece, under a commit number of its own.
static nm_rc_t
s_compare_commit(nm_store_t *self, const s_opening_t *opening, uint64_t tallied)
{
    MDB_envinfo info;
    if (mdb_env_info(self->env, &info) || info.me_last_txnid != opening->pages->commit)
        return s_is_missing(opening, "LMDB sees another commit than stands in data.mdb");
    if (!opening->copy && tallied != opening->pages->commit)
        return s_is_missing(opening, "its tables are not of the last commit");
    return NM_OK;
}

//  Of a table that was too large to be read only the number of records is known.
static nm_rc_t
s_compare_table(const s_opening_t *opening, const nm_table_t *table, nm_tally_t expected)
{
    const nm_pages_table_t *found = nm_pages_table(opening->pages, table->name);
    nm_tally_t tally = found ? found->tally : (nm_tally_t){ 0 };
    if (found && !found->whole)
        tally.sum = expected.sum;
    char what[128];
    snprintf(what, sizeof what, "table %s holds %llu records%s, and %llu were committed", table->name,
             (unsigned long long) tally.count, tally.count == expected.count ? " of other content" : "",
             (unsigned long long) expected.count);
    return nm_tally_equal(tally, expected) ? NM_OK : s_is_missing(opening, what);
}

static nm_rc_t
s_compare_tallies(nm_txn_t *txn, const s_opening_t *opening)
{
    uint64_t commit;
    if (nm_tally_read(txn, &commit) != NM_OK)
        return s_is_missing(opening, "it has no tally");
    nm_rc_t rc = s_compare_commit(txn->store, opening, commit);
    for (unsigned i = 0; rc == NM_OK && i < NM_STORE_TABLE_MAX; i++)
        if (txn->store->tables[i])
            rc = s_compare_table(opening, txn->store->tables[i], txn->tallies[i]);
    return rc;
}

//  -- Opening: one transaction, so that a store that is refused is left as it was.

static nm_rc_t
s_identify(nm_txn_t *txn, const s_opening_t *opening, nm_store_head_t *head)
{
    nm_rc_t rc = s_read_head(txn, opening, head);
    if (rc != NM_OK)
        return rc;
    txn->store->id = head->id;
    nm_seal_init(&txn->store->seal, opening->config->keys, opening->config->key_count, &head->id);
    return s_read_secret(txn, opening);
}

static nm_rc_t
s_enter(nm_txn_t *txn, void *arg)
{
    const s_opening_t *opening = arg;
    nm_store_head_t head = { .schema = opening->layout->schema };
    nm_rc_t rc = s_open_table(txn, &nm_meta_table, opening->fresh ? MDB_CREATE : 0);
    if (rc == NM_ERR_MISSING)
        return nm_fail(opening->error, NM_ERR_CORRUPT,
                       "store %s is damaged: it has no meta table. Keep the folder and restore a backup",
                       opening->config->path);
    if (rc == NM_OK)
        rc = opening->fresh ? s_found(txn, opening) : s_identify(txn, opening, &head);
    if (rc == NM_OK)
        rc = s_open_tables(txn, opening->config);
    if (rc == NM_OK && !opening->fresh && head.schema >= S_SCHEMA_TALLIED)
        rc = s_compare_tallies(txn, opening);
    if (rc == NM_OK)
        rc = s_renew_secret(txn);
    if (rc == NM_OK)
        rc = s_upgrade(txn, opening, head.schema);
    return rc == NM_OK ? nm_store_load_numbers(txn) : rc;
}

//  Whoever is told that a store exists finds it after a power cut too. The commit
//  has synced the content of data.mdb, not its name nor the folder's.
static nm_rc_t
s_provision(nm_store_t *self, nm_error_t *error)
{
    int fd;
    if (self->folder.syncs && (mdb_env_get_fd(self->env, &fd) || fsync(fd) != 0))
        return nm_fail(error, NM_ERR_IO, "store %s: cannot sync data.mdb: %s", self->folder.path, strerror(errno));
    nm_rc_t rc = nm_folder_sync(&self->folder, error);
    if (rc != NM_OK)
        return rc;
    nm_room_make_ballast(self);
    return nm_folder_mark(&self->folder, self->epoch, error);
}

static nm_rc_t
s_check_config(const nm_store_config_t *config, nm_error_t *error)
{
    size_t owner_size = strlen(config->owner);
    if (owner_size == 0 || owner_size > NM_NAME_MAX)
        return nm_fail(error, NM_ERR_REFUSED, "store %s: the owner's name has %zu bytes, and must have 1 to %d",
                       config->path, owner_size, NM_NAME_MAX);
    if (config->key_count == 0 || config->key_count > NM_SEAL_KEYS_MAX)
        return nm_fail(error, NM_ERR_REFUSED, "store %s: %zu master keys were given, and 1 to %d are needed",
                       config->path, config->key_count, NM_SEAL_KEYS_MAX);
    for (size_t i = 0; i < config->key_count; i++)
        for (size_t j = 0; j < i; j++)
            if (config->keys[i].number == config->keys[j].number)
                return nm_fail(error, NM_ERR_REFUSED, "store %s: master key number %u was given twice", config->path,
                               (unsigned) config->keys[i].number);
    return NM_OK;
}

static void
s_set_limits(nm_store_t *self, const nm_store_config_t *config)
{
    self->quota = config->quota ? config->quota : S_QUOTA;
    //  Half of the map is the most that still leaves deletes room to copy pages.
    if (self->quota > self->map_size / 2)
        self->quota = self->map_size / 2;
    self->reserve = config->reserve ? config->reserve : S_RESERVE;
    self->ballast_size = config->volatile_for_tests && !config->reserve ? 0 : self->reserve / S_BALLAST_PART;
    self->has_ballast = nm_folder_has(&self->folder, NM_FOLDER_BALLAST);
}

static nm_rc_t
s_build(nm_store_t *self, const s_opening_t *template)
{
    s_opening_t opening = *template;
    const nm_store_config_t *config = opening.config;
    nm_rc_t rc = nm_folder_open(&self->folder, config->path, !config->volatile_for_tests, opening.error);
    if (rc == NM_OK)
        rc = nm_folder_state(&self->folder, &opening.fresh, opening.error);
    if (rc == NM_OK)
        rc = nm_env_open(self, config, opening.fresh, opening.pages, opening.error);
    if (rc != NM_OK)
        return rc;
    s_set_limits(self, config);
    rc = nm_store_update(self, s_enter, &opening);
    if (rc == NM_OK && opening.fresh)
        rc = s_provision(self, opening.error);
    if (rc != NM_OK || opening.copy)
        return rc == NM_OK ? nm_redo_do_without(self) : rc;
    if (config->volatile_for_tests) {
        self->fault = config->fault;
        self->fault_arg = config->fault_arg;
    }
    //  Without syncs there is nothing to save by a log.
    return self->folder.syncs ? nm_redo_open(self, opening.error) : NM_OK;
}

nm_rc_t
nm_store_fault(const nm_store_t *self, nm_store_point_t point)
{
    return self->fault ? self->fault(self->fault_arg, point) : NM_OK;
}

static nm_rc_t
s_open(s_opening_t opening, nm_store_t **self_p, nm_error_t *error)
{
    const nm_store_config_t *config = opening.config;
    nm_error_t text = { "" };
    nm_store_t *self = NULL;
    nm_rc_t rc = s_check_config(config, &text);
    opening.error = &text;
    if (rc == NM_OK && sodium_init() < 0)
        rc = nm_fail(&text, NM_ERR_IO, "store %s: the system gives no randomness", config->path);
    if (rc == NM_OK) {
        self = nm_alloc(sizeof *self);
        self->folder = (nm_folder_t){ .fd = -1, .lock_fd = -1 };
        self->redo.fd = self->redo.mark_fd = -1;
        opening.pages = nm_alloc(sizeof *opening.pages);
        rc = s_build(self, &opening);
        free(opening.pages);
    }
    if (rc == NM_OK) {
        *self_p = self;
        return NM_OK;
    }
    nm_store_destroy(&self);
    if (*text.text)
        return nm_fail(error, rc, "%s", text.text);
    return nm_fail(error, rc, "store %s cannot be opened: %s", config->path, nm_rc_text(rc));
}

nm_rc_t
nm_store_open(const nm_store_config_t *config, const nm_store_layout_t *layout, nm_store_t **self_p, nm_error_t *error)
{
    return s_open((s_opening_t){ .config = config, .layout = layout }, self_p, error);
}

nm_rc_t
nm_store_open_copy(const nm_store_config_t *config, nm_store_t **self_p, nm_error_t *error)
{
    return s_open((s_opening_t){ .config = config, .layout = &nm_store_layout, .copy = true }, self_p, error);
}

nm_rc_t
nm_store_make(const nm_store_config_t *config, nm_store_t **self_p, nm_error_t *error)
{
    return nm_store_open(config, &nm_store_layout, self_p, error);
}

nm_store_t *
nm_store_new(const nm_store_config_t *config, nm_error_t *error)
{
    nm_store_t *self = NULL;
    nm_store_make(config, &self, error);
    return self;
}

void
nm_store_destroy(nm_store_t **self_p)
{
    assert(self_p);
    nm_store_t *self = *self_p;
    if (!self)
        return;
    assert(!self->txn.mdb && "destroyed within a transaction");
    if (!self->damaged)
        nm_store_settle(self);  //  What cannot be settled now is in redo.log for the next start
    if (self->kept)
        mdb_txn_abort(self->kept);
    nm_redo_close(self);
    nm_env_close(self);
    nm_folder_close(&self->folder);  //  Last: it lets the next process in
    nm_arena_free(&self->arena);
    nm_seal_clear(&self->seal);
    free(self);
    *self_p = NULL;
}

const nm_id_t *
nm_store_id(const nm_store_t *self)
{
    return &self->id;
}

uint32_t
nm_store_epoch(const nm_store_t *self)
{
    return self->epoch;
}

//  The marker first: an epoch that was named there and not taken costs nothing, one
//  that was taken and not named could be taken again after a restore.
nm_rc_t
nm_store_raise_epoch(nm_store_t *self, uint32_t epoch)
{
    assert(epoch > self->epoch);
    nm_error_t error;
    nm_rc_t rc = nm_folder_mark(&self->folder, epoch, &error);
    if (rc != NM_OK) {
        nm_store_log_critical("store_failed", self->folder.path, "%s", error.text);
        return rc;
    }
    rc = nm_store_update(self, s_put_epoch, &epoch);
    //  Records of redo.log name their epoch, so none of the next may stand behind one of this.
    if (rc == NM_OK)
        rc = nm_store_settle(self);
    if (rc == NM_OK)
        self->epoch = epoch;
    return rc;
}

nm_rc_t
nm_store_new_epoch(nm_store_t *self)
{
    return nm_store_raise_epoch(self, self->epoch + 1);
}
