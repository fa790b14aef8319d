#include "lmdb_store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb_store/store_private.h"

//  LMDB's format, as far as it is needed (lmdb.h of 0.9 does not show it).
enum {
    S_PAGE_HEAD = 16,  //  Number u64, pad u16, flags u16, then lower u16 and upper u16, or count u32 of an overflow
    S_NODE_HEAD = 8,   //  Low u16, high u16, flags u16, key size u16
    S_DB_SIZE = 48,    //  Pad u32, flags u16, depth u16; branch, leaf and overflow pages, records, root: u64 each
    S_META_DBS = S_PAGE_HEAD + 24,
    S_META_LAST = S_META_DBS + 2 * S_DB_SIZE,
    S_META_SIZE = S_META_LAST + 16,
    S_META_COUNT = 2,

    S_BRANCH = 0x01,
    S_LEAF = 0x02,
    S_OVERFLOW = 0x04,
    S_META = 0x08,
    S_KEPT = 0x8000,  //  A mark of LMDB's own spilling; may stay on the page

    S_IN_OVERFLOW = 0x01,  //  Of a node: the value is in pages of its own
    S_IS_TREE = 0x02,      //  ... or the root of a table

    S_NUMBERED = 0x08,  //  Of a tree: its keys are numbers. The free list's are, no other's
    S_DEPTH_MAX = 32,
    S_KEY_MAX = 511,
    S_PAGE_SIZE_MAX = 64 * 1024,
};

#define S_MAGIC UINT32_C(0xbeefc0de)
#define S_VERSION UINT32_C(1)
#define S_NO_PAGE UINT64_MAX

typedef struct {
    uint16_t flags;
    uint16_t depth;
    uint64_t branches, leaves, overflows, records;
    uint64_t root;
} s_tree_t;

typedef struct {
    int fd;
    uint64_t size;       //  Bytes of the file
    uint64_t last_page;  //  The highest number that was ever given out
    size_t page_size;
    s_tree_t free_list;
    s_tree_t main;
    uint8_t *taken;                //  A bit per page: used, or on the free list
    uint8_t *levels[S_DEPTH_MAX];  //  The page of each level of the tree under way
    nm_pages_t *pages;
    s_tree_t tables[NM_STORE_TABLE_MAX];  //  The roots of pages->tables
    char fault[160];                      //  What is wrong, once something is
} s_reader_t;

//  A record of a leaf. The value stands in the page, or in an overflow page.
typedef struct {
    nm_bytes_t key;
    const uint8_t *value;  //  NULL: in `page`
    uint64_t page;
    size_t size;
    uint16_t flags;
} s_record_t;

typedef nm_rc_t(s_record_fn)(s_reader_t *self, const s_record_t *record, void *arg);

//  One walk through one tree.
typedef struct {
    const s_tree_t *tree;
    s_record_fn *take;
    void *arg;
    s_tree_t seen;
} s_walk_t;

static uint16_t
s_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t
s_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t
s_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

__attribute__((format(printf, 2, 3))) static nm_rc_t
s_fault(s_reader_t *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(self->fault, sizeof self->fault, format, args);
    va_end(args);
    return NM_ERR_CORRUPT;
}

static nm_rc_t
s_page_fault(s_reader_t *self, uint64_t page, const char *what)
{
    return s_fault(self, "page %llu of data.mdb %s", (unsigned long long) page, what);
}

static nm_rc_t
s_cut_off(s_reader_t *self)
{
    return s_fault(self, "data.mdb has %llu bytes and should have %llu", (unsigned long long) self->size,
                   (unsigned long long) (self->last_page + 1) * self->page_size);
}

static nm_rc_t
s_read_at(s_reader_t *self, uint64_t at, uint8_t *out, size_t size)
{
    if (at > self->size || size > self->size - at)
        return s_cut_off(self);
    ssize_t got = pread(self->fd, out, size, (off_t) at);
    if (got == (ssize_t) size)
        return NM_OK;
    s_fault(self, "data.mdb cannot be read: %s", got < 0 ? strerror(errno) : "it got shorter");
    return NM_ERR_IO;
}

//  Marks pages as used or free; each may be so once.
static nm_rc_t
s_take_pages(s_reader_t *self, uint64_t first, uint64_t count)
{
    if (first < S_META_COUNT || first > self->last_page || count > self->last_page - first + 1)
        return s_fault(self, "data.mdb speaks of page %llu, which it does not have", (unsigned long long) first);
    for (uint64_t page = first; page < first + count; page++) {
        if (self->taken[page / 8] & 1 << page % 8)
            return s_page_fault(self, page, "is used twice");
        self->taken[page / 8] |= (uint8_t) (1 << page % 8);
    }
    return NM_OK;
}

//  -- Overflow pages

//  A value that gave way to a smaller one leaves its pages to it, so there may be more than needed.
static nm_rc_t
s_take_overflow(s_reader_t *self, s_walk_t *walk, const s_record_t *record)
{
    uint8_t head[S_PAGE_HEAD];
    size_t needed = (S_PAGE_HEAD - 1 + record->size) / self->page_size + 1;
    if (record->page > self->last_page)
        return s_page_fault(self, record->page, "does not exist, and a value should be there");
    nm_rc_t rc = s_read_at(self, record->page * self->page_size, head, sizeof head);
    if (rc != NM_OK)
        return rc;
    size_t count = s_u32(head + 12);
    if (s_u64(head) != record->page || (s_u16(head + 10) & ~S_KEPT) != S_OVERFLOW || count < needed)
        return s_page_fault(self, record->page, "is not the start of the value that should be there");
    rc = s_take_pages(self, record->page, count);
    if (rc == NM_OK && (record->page + needed) * self->page_size > self->size)
        rc = s_cut_off(self);
    walk->seen.overflows += count;
    return rc;
}

static nm_rc_t
s_value_at(s_reader_t *self, const s_record_t *record, size_t at, uint8_t *out, size_t size)
{
    if (record->value) {
        memcpy(out, record->value + at, size);
        return NM_OK;
    }
    return s_read_at(self, record->page * self->page_size + S_PAGE_HEAD + at, out, size);
}

//  -- Pages of a tree

static int
s_compare(const s_tree_t *tree, nm_bytes_t a, nm_bytes_t b)
{
    if (tree->flags & S_NUMBERED) {
        uint64_t left = s_u64(a.at), right = s_u64(b.at);
        return (left > right) - (left < right);
    }
    int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static size_t
s_node_count(const uint8_t *page)
{
    return (size_t) (s_u16(page + 12) - S_PAGE_HEAD) / 2;
}

static const uint8_t *
s_node(const uint8_t *page, size_t i)
{
    return page + s_u16(page + S_PAGE_HEAD + 2 * i);
}

static nm_bytes_t
s_node_key(const uint8_t *node)
{
    return nm_bytes(node + S_NODE_HEAD, s_u16(node + 6));
}

static uint64_t
s_node_child(const uint8_t *node)
{
    return s_u16(node) | (uint64_t) s_u16(node + 2) << 16 | (uint64_t) s_u16(node + 4) << 32;
}

static size_t
s_node_size(const uint8_t *node, bool leaf)
{
    size_t size = S_NODE_HEAD + s_u16(node + 6);
    if (leaf)
        size += s_u16(node + 4) & S_IN_OVERFLOW ? sizeof(uint64_t) : s_u16(node) | (size_t) s_u16(node + 2) << 16;
    return size + (size & 1);
}

//  Its nodes lie in the page and fill what they are said to fill.
static nm_rc_t
s_check_nodes(s_reader_t *self, uint64_t number, const uint8_t *page, bool leaf)
{
    size_t lower = s_u16(page + 12), upper = s_u16(page + 14), filled = 0;
    if (lower < S_PAGE_HEAD + 2 || lower & 1 || lower > upper || upper > self->page_size)
        return s_page_fault(self, number, "has a damaged head");
    for (size_t i = 0; i < s_node_count(page); i++) {
        size_t at = s_u16(page + S_PAGE_HEAD + 2 * i);
        if (at < upper || at + S_NODE_HEAD > self->page_size)
            return s_page_fault(self, number, "has an entry that lies outside");
        size_t size = s_node_size(page + at, leaf), key_size = s_u16(page + at + 6);
        if (size > self->page_size - at || key_size > S_KEY_MAX || (!key_size && (leaf || i)))
            return s_page_fault(self, number, "has a damaged entry");
        filled += size;
    }
    return filled == self->page_size - upper ? NM_OK : s_page_fault(self, number, "has entries that lie on each other");
}

//  Keys rise, from low (if any) to below high (if any). The first of a branch is never looked at.
static nm_rc_t
s_check_keys(s_reader_t *self, const s_walk_t *walk, uint64_t number, const uint8_t *page, const nm_bytes_t bounds[2])
{
    bool leaf = s_u16(page + 10) & S_LEAF;
    nm_bytes_t before = bounds[0];
    for (size_t i = leaf ? 0 : 1; i < s_node_count(page); i++) {
        nm_bytes_t key = s_node_key(s_node(page, i));
        if (walk->tree->flags & S_NUMBERED && key.size != sizeof(uint64_t))
            return s_page_fault(self, number, "has a key that is no number");
        int order = before.at ? s_compare(walk->tree, before, key) : -1;
        if (order > 0 || (order == 0 && i > 0) || (bounds[1].at && s_compare(walk->tree, key, bounds[1]) >= 0))
            return s_page_fault(self, number, "has a key in the wrong place");
        before = key;
    }
    return NM_OK;
}

static nm_rc_t
s_read_page(s_reader_t *self, const s_walk_t *walk, uint64_t number, unsigned level, const nm_bytes_t bounds[2])
{
    uint8_t **page = &self->levels[level];
    bool leaf = level + 1u == walk->tree->depth;
    if (!*page)
        *page = nm_alloc(self->page_size);
    nm_rc_t rc = s_take_pages(self, number, 1);
    if (rc == NM_OK)
        rc = s_read_at(self, number * self->page_size, *page, self->page_size);
    if (rc == NM_OK && (s_u64(*page) != number || (s_u16(*page + 10) & ~S_KEPT) != (leaf ? S_LEAF : S_BRANCH)))
        rc = s_page_fault(self, number, "holds something else than should be there");
    if (rc == NM_OK)
        rc = s_check_nodes(self, number, *page, leaf);
    return rc == NM_OK ? s_check_keys(self, walk, number, *page, bounds) : rc;
}

static nm_rc_t
s_take_records(s_reader_t *self, s_walk_t *walk, uint64_t number, const uint8_t *page)
{
    nm_rc_t rc = NM_OK;
    walk->seen.leaves++;
    for (size_t i = 0; rc == NM_OK && i < s_node_count(page); i++) {
        const uint8_t *node = s_node(page, i);
        s_record_t record = { .key = s_node_key(node),
                              .flags = s_u16(node + 4),
                              .size = s_u16(node) | (size_t) s_u16(node + 2) << 16,
                              .value = node + S_NODE_HEAD + s_u16(node + 6) };
        if (record.flags & ~(S_IN_OVERFLOW | S_IS_TREE))
            return s_page_fault(self, number, "has an entry of an unknown kind");
        if (record.flags & S_IN_OVERFLOW) {
            record.page = s_u64(record.value);
            record.value = NULL;
            rc = s_take_overflow(self, walk, &record);
        }
        walk->seen.records++;
        if (rc == NM_OK)
            rc = walk->take(self, &record, walk->arg);
    }
    return rc;
}

static nm_rc_t
s_descend(s_reader_t *self, s_walk_t *walk, uint64_t number, unsigned level, const nm_bytes_t bounds[2])
{
    nm_rc_t rc = s_read_page(self, walk, number, level, bounds);
    if (rc != NM_OK)
        return rc;
    const uint8_t *page = self->levels[level];
    if (level + 1u == walk->tree->depth)
        return s_take_records(self, walk, number, page);
    walk->seen.branches++;
    size_t count = s_node_count(page);
    for (size_t i = 0; rc == NM_OK && i < count; i++) {
        nm_bytes_t within[2] = { i ? s_node_key(s_node(page, i)) : bounds[0],
                                 i + 1 < count ? s_node_key(s_node(page, i + 1)) : bounds[1] };
        rc = s_descend(self, walk, s_node_child(s_node(page, i)), level + 1, within);
    }
    return rc;
}

static nm_rc_t
s_walk(s_reader_t *self, const s_tree_t *tree, const char *name, s_record_fn *take, void *arg)
{
    static const nm_bytes_t EVERYWHERE[2];
    s_walk_t walk = { .tree = tree, .take = take, .arg = arg };
    if (tree->root == S_NO_PAGE ? tree->depth != 0 : tree->depth == 0 || tree->depth > S_DEPTH_MAX)
        return s_fault(self, "the root of %s is damaged", name);
    nm_rc_t rc = tree->depth ? s_descend(self, &walk, tree->root, 0, EVERYWHERE) : NM_OK;
    if (rc == NM_OK && (walk.seen.records != tree->records || walk.seen.leaves != tree->leaves ||
                        walk.seen.branches != tree->branches || walk.seen.overflows != tree->overflows))
        return s_fault(self, "%s has not the records that its root speaks of", name);
    return rc;
}

//  -- What the trees hold

//  A list of free pages: how many, then their numbers.
static nm_rc_t
s_take_free(s_reader_t *self, const s_record_t *record, void *arg)
{
    (void) arg;
    if (record->size < sizeof(uint64_t) || record->size % sizeof(uint64_t))
        return s_fault(self, "the free list of data.mdb is damaged");
    uint8_t *list = nm_alloc(record->size);
    nm_rc_t rc = s_value_at(self, record, 0, list, record->size);
    uint64_t count = s_u64(list);
    if (rc == NM_OK && count > record->size / sizeof(uint64_t) - 1)
        rc = s_fault(self, "the free list of data.mdb is damaged");
    for (uint64_t i = 1; rc == NM_OK && i <= count; i++)
        rc = s_take_pages(self, s_u64(list + i * sizeof(uint64_t)), 1);
    free(list);
    return rc;
}

static s_tree_t
s_tree(const uint8_t *at)
{
    return (s_tree_t){ .flags = s_u16(at + 4),
                       .depth = s_u16(at + 6),
                       .branches = s_u64(at + 8),
                       .leaves = s_u64(at + 16),
                       .overflows = s_u64(at + 24),
                       .records = s_u64(at + 32),
                       .root = s_u64(at + 40) };
}

static nm_rc_t
s_take_table(s_reader_t *self, const s_record_t *record, void *arg)
{
    nm_pages_t *pages = self->pages;
    (void) arg;
    if (record->flags != S_IS_TREE || record->size != S_DB_SIZE || record->key.size > NM_PAGES_NAME_MAX ||
        pages->table_count == NM_STORE_TABLE_MAX)
        return s_fault(self, "the list of tables is damaged");
    self->tables[pages->table_count] = s_tree(record->value);
    if (self->tables[pages->table_count].flags)
        return s_fault(self, "the list of tables is damaged");
    nm_bytes_to_text(record->key, pages->tables[pages->table_count++].name, NM_PAGES_NAME_MAX + 1);
    return NM_OK;
}

static nm_rc_t
s_take_value(s_reader_t *self, const s_record_t *record, void *arg)
{
    nm_pages_table_t *table = arg;
    uint8_t form, raw[8];
    size_t at;
    uint8_t number = strcmp(table->name, nm_meta_table.name) == 0 ? NM_TABLE_META : NM_TABLE_ROLE;
    if (!nm_tally_counts(number, record->key))
        return NM_OK;
    nm_rc_t rc = record->size && !(record->flags & S_IS_TREE) ? s_value_at(self, record, 0, &form, 1) : NM_ERR_CORRUPT;
    if (rc == NM_OK)
        rc = nm_seal_mark_at(form, record->size, &at);
    if (rc == NM_ERR_CORRUPT)
        return s_fault(self, "table %s has a value that is none", table->name);
    if (rc == NM_OK)
        rc = s_value_at(self, record, at, raw, sizeof raw);
    if (rc == NM_OK)
        nm_tally_add(&table->tally, nm_tally_mark_of(record->key, raw));
    return rc;
}

//  The smallest table that was not read yet; NULL if none is left.
static nm_pages_table_t *
s_smallest(const s_reader_t *self, const s_tree_t **tree)
{
    nm_pages_table_t *table = NULL;
    for (size_t i = 0; i < self->pages->table_count; i++) {
        const s_tree_t *candidate = &self->tables[i];
        if (self->pages->tables[i].whole || (table && candidate->leaves >= (*tree)->leaves))
            continue;
        table = &self->pages->tables[i];
        *tree = candidate;
    }
    return table;
}

static nm_rc_t
s_read_tables(s_reader_t *self, uint64_t budget)
{
    const s_tree_t *tree = NULL;
    nm_pages_table_t *table;
    nm_rc_t rc = NM_OK;
    while (rc == NM_OK && (table = s_smallest(self, &tree)) && tree->leaves <= budget) {
        rc = s_walk(self, tree, table->name, s_take_value, table);
        table->whole = true;
        budget -= tree->leaves;
    }
    for (size_t i = 0; i < self->pages->table_count; i++)
        if (!self->pages->tables[i].whole)
            self->pages->tables[i].tally.count = self->tables[i].records;
    return rc;
}

//  -- The file

static nm_rc_t
s_read_meta(s_reader_t *self, uint64_t at)
{
    uint8_t raw[S_META_SIZE];
    nm_rc_t rc = s_read_at(self, at, raw, sizeof raw);
    if (rc != NM_OK)
        return rc;
    if (!(s_u16(raw + 10) & S_META) || s_u32(raw + S_PAGE_HEAD) != S_MAGIC || s_u32(raw + S_PAGE_HEAD + 4) != S_VERSION)
        return s_fault(self, "a meta page of data.mdb is damaged");
    uint64_t commit = s_u64(raw + S_META_LAST + 8);
    size_t page_size = s_u32(raw + S_META_DBS);
    if (page_size < 512 || page_size > S_PAGE_SIZE_MAX || page_size & (page_size - 1) ||
        (at && page_size != self->page_size))
        return s_fault(self, "the page size of data.mdb is damaged");
    self->page_size = page_size;
    if (at && commit <= self->pages->commit)
        return NM_OK;  //  The older of the two, as LMDB chooses
    self->pages->commit = commit;
    self->last_page = s_u64(raw + S_META_LAST);
    self->free_list = s_tree(raw + S_META_DBS);
    self->main = s_tree(raw + S_META_DBS + S_DB_SIZE);
    if (self->free_list.flags != S_NUMBERED || self->main.flags)
        return s_fault(self, "a meta page of data.mdb is damaged");
    return NM_OK;
}

static nm_rc_t
s_read_metas(s_reader_t *self)
{
    nm_rc_t rc = s_read_meta(self, 0);
    if (rc == NM_OK)
        rc = s_read_meta(self, self->page_size);
    if (rc != NM_OK)
        return rc;
    //  What the file does not hold must be on a free list that it does hold, eight bytes each.
    uint64_t most = self->size / self->page_size + self->size / sizeof(uint64_t);
    if (self->last_page < S_META_COUNT - 1 || self->last_page > most)
        return s_cut_off(self);
    self->taken = nm_alloc(self->last_page / 8 + 1);
    return NM_OK;
}

//  LMDB leaves pages unwritten only at the end, and only ones that were taken and freed in
//  one transaction.
static nm_rc_t
s_check_tail(s_reader_t *self)
{
    for (uint64_t page = self->size / self->page_size; page <= self->last_page; page++)
        if (!(self->taken[page / 8] & 1 << page % 8))
            return s_cut_off(self);
    return NM_OK;
}

static nm_rc_t
s_read(s_reader_t *self, uint64_t budget)
{
    struct stat is;
    if (fstat(self->fd, &is) != 0)
        return NM_ERR_IO;
    self->size = (uint64_t) is.st_size;
    nm_rc_t rc = s_read_metas(self);
    if (rc == NM_OK)
        rc = s_walk(self, &self->free_list, "the free list of data.mdb", s_take_free, NULL);
    if (rc == NM_OK)
        rc = s_check_tail(self);
    if (rc == NM_OK)
        rc = s_walk(self, &self->main, "the list of tables", s_take_table, NULL);
    return rc == NM_OK ? s_read_tables(self, budget) : rc;
}

nm_rc_t
nm_pages_read(int fd, const char *path, uint64_t budget, nm_pages_t *pages, nm_error_t *error)
{
    *pages = (nm_pages_t){ 0 };
    s_reader_t reader = { .fd = fd, .pages = pages };
    posix_fadvise(fd, 0, (off_t) (budget * 4096), POSIX_FADV_WILLNEED);
    nm_rc_t rc = s_read(&reader, budget);
    for (size_t i = 0; i < S_DEPTH_MAX; i++)
        free(reader.levels[i]);
    free(reader.taken);
    if (rc == NM_ERR_CORRUPT)
        return nm_fail(error, rc, "store %s is damaged: %s. Keep the folder and restore a backup", path, reader.fault);
    return rc == NM_OK ? rc : nm_fail(error, rc, "store %s: %s", path, reader.fault);
}

const nm_pages_table_t *
nm_pages_table(const nm_pages_t *self, const char *name)
{
    for (size_t i = 0; i < self->table_count; i++)
        if (strcmp(self->tables[i].name, name) == 0)
            return &self->tables[i];
    return NULL;
}
