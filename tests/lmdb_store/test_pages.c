#include "tests/lmdb_store/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "lmdb_store/store_private.h"

//  About lmdb_store/pages.c: a good file is read as good, whatever LMDB did to it. What is
//  damaged is for the campaign (test_damage).

enum { KEYS = 3000, ROUNDS = 1500 };

static uint32_t
s_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static size_t
s_value_size(uint32_t *random)
{
    uint32_t kind = s_random(random) % 10;
    return kind < 6 ? s_random(random) % 60 : kind < 9 ? s_random(random) % 2500 : s_random(random) % 20000;
}

//  Keys of many lengths, values in the page and in pages of their own, whole stretches deleted.
static nm_rc_t
s_change(nm_txn_t *txn, void *arg)
{
    uint32_t *random = arg;
    static uint8_t value[20000], key[NM_STORE_KEY_MAX];
    unsigned count = s_random(random) % 40, stretch = s_random(random) % 8 == 0 ? 300 : 1;
    nm_rc_t rc = NM_OK;
    for (unsigned i = 0; i < count && rc == NM_OK; i++) {
        const nm_table_t *table = s_random(random) % 2 ? &fx_plain : &fx_sealed;
        uint32_t number = s_random(random) % KEYS;
        for (unsigned j = 0; j < stretch && rc == NM_OK; j++, number++) {
            nm_put_u32(key, number * 2654435761u);
            nm_bytes_t name = nm_bytes(key, 4 + number % 11 * 20);
            if (stretch == 1 && s_random(random) % 3)
                rc = nm_table_put(txn, table, name, nm_bytes(value, s_value_size(random)));
            else if ((rc = nm_table_delete(txn, table, name)) == NM_ERR_MISSING)
                rc = NM_OK;
        }
    }
    return rc;
}

static nm_rc_t
s_read(fx_t *self, uint64_t budget, nm_pages_t *pages)
{
    nm_error_t error = { "" };
    int fd = open(fx_file(self, "data.mdb"), O_RDONLY);
    assert_true(fd >= 0);
    nm_rc_t rc = nm_pages_read(fd, self->path, budget, pages, &error);
    if (rc != NM_OK)
        print_message("%s\n", error.text);
    close(fd);
    return rc;
}

static void
whatever_lmdb_wrote_reads_as_whole(void **state)
{
    fx_t *self = *state;
    nm_pages_t pages;
    uint32_t random = 7;
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(nm_store_update(self->store, s_change, &random), NM_OK);
        assert_int_equal(s_read(self, NM_PAGES_BUDGET, &pages), NM_OK);
        for (unsigned t = 0; t < NM_STORE_TABLE_MAX; t++) {
            const nm_table_t *table = self->store->tables[t];
            const nm_pages_table_t *found = table ? nm_pages_table(&pages, table->name) : NULL;
            assert_int_equal(table != NULL, found != NULL);
            assert_true(!found || (found->whole && nm_tally_equal(found->tally, self->store->tallies[t])));
        }
    }
    assert_true(fx_file_size(fx_file(self, "data.mdb")) > 1 << 20);
}

static void
a_compacted_copy_reads_as_whole(void **state)
{
    fx_t *self = *state;
    nm_pages_t pages;
    nm_error_t error;
    char path[96];
    uint32_t random = 8;
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(nm_store_update(self->store, s_change, &random), NM_OK);
    nm_tally_t tally = self->store->tallies[fx_plain.number];
    snprintf(path, sizeof path, "%s/copy", self->folder);
    assert_int_equal(nm_store_backup(self->store, path, &error), NM_OK);
    fx_close(self);
    assert_int_equal(rename(path, fx_file(self, "data.mdb")), 0);
    assert_int_equal(s_read(self, NM_PAGES_BUDGET, &pages), NM_OK);
    assert_true(nm_tally_equal(nm_pages_table(&pages, fx_plain.name)->tally, tally));
    fx_refused(self, "not of the last commit");  //  A copy comes in by nm_store_restore only
}

static void
large_tables_are_left_out_and_still_counted(void **state)
{
    fx_t *self = *state;
    nm_pages_t pages;
    uint32_t random = 9;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(nm_store_update(self->store, s_change, &random), NM_OK);
    assert_int_equal(s_read(self, 2, &pages), NM_OK);
    const nm_pages_table_t *meta = nm_pages_table(&pages, "nm.meta"), *plain = nm_pages_table(&pages, fx_plain.name);
    assert_true(meta->whole);
    assert_false(plain->whole);
    assert_int_equal(plain->tally.count, self->store->tallies[fx_plain.number].count);
}

//  -- Damage that no record shows

static void
s_pwrite_u64(fx_t *self, size_t at, uint64_t value)
{
    int fd = open(fx_file(self, "data.mdb"), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &value, sizeof value, (off_t) at), sizeof value);
    close(fd);
}

//  The newer meta page's words: root of the free list and of the tables.
static uint64_t
s_root(const uint8_t *file, bool tables)
{
    uint64_t commits[2], root;
    for (unsigned i = 0; i < 2; i++)
        memcpy(&commits[i], file + i * 4096 + 144, sizeof commits[i]);
    memcpy(&root, file + (commits[1] > commits[0]) * 4096 + (tables ? 128 : 80), sizeof root);
    return root;
}

//  LMDB would give the page out, and write over the tables.
static void
a_page_in_use_that_is_listed_as_free_is_noticed(void **state)
{
    fx_t *self = *state;
    size_t size;
    for (unsigned i = 0; i < 5; i++)
        fx_put(self, &fx_plain, "place", "the front door");
    fx_close(self);
    uint8_t *file = fx_read_file(fx_file(self, "data.mdb"), &size);
    uint64_t list_page = s_root(file, false);
    uint16_t node;
    memcpy(&node, file + list_page * 4096 + 16, sizeof node);
    size_t list_at = list_page * 4096 + node + 8 + 8;  //  Behind the node's head and the key
    s_pwrite_u64(self, list_at + 8, s_root(file, true));
    free(file);
    fx_refused(self, "is used twice");
}

static void
a_page_in_the_place_of_another_is_noticed(void **state)
{
    fx_t *self = *state;
    size_t size;
    fx_close(self);
    uint8_t *file = fx_read_file(fx_file(self, "data.mdb"), &size);
    uint64_t root = s_root(file, true), other = root == 3 ? 4 : 3;
    uint8_t page[4096];
    memcpy(page, file + root * 4096, sizeof page);
    memcpy(file + root * 4096, file + other * 4096, sizeof page);
    memcpy(file + other * 4096, page, sizeof page);
    fx_write_file(fx_file(self, "data.mdb"), file, size);
    free(file);
    fx_refused(self, "holds something else than should be there");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(whatever_lmdb_wrote_reads_as_whole),          CLAIM(a_compacted_copy_reads_as_whole),
        CLAIM(large_tables_are_left_out_and_still_counted), CLAIM(a_page_in_use_that_is_listed_as_free_is_noticed),
        CLAIM(a_page_in_the_place_of_another_is_noticed),
    };
    return cmocka_run_group_tests_name("lmdb_store/pages", tests, NULL, NULL);
}
