#include "tests/lmdb_store/fixture.h"

#include "lmdb_store/store_private.h"

static const nm_table_t *const BOTH[] = { &fx_plain, &fx_sealed };

//  Every size at which LMDB or the cipher does something else: nothing, one byte, a
//  block, the largest in a page, overflow pages.
static const size_t SIZES[] = { 0, 1, 15, 64, 400, 1990, 2048, 4096, 5000, 70001, 1 << 20 };

static void
s_fill(uint8_t *at, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t) (seed = seed * 1103515245 + 12345 + (unsigned) i);
}

static nm_rc_t
s_put_sizes(nm_txn_t *txn, void *arg)
{
    (void) arg;
    for (size_t t = 0; t < 2; t++)
        for (unsigned i = 0; i < NM_COUNT(SIZES); i++) {
            uint8_t *value = nm_txn_alloc(txn, SIZES[i]);
            uint8_t key[] = { 'k', (uint8_t) i };
            s_fill(value, SIZES[i], i);
            nm_rc_t rc = nm_table_put(txn, BOTH[t], nm_bytes(key, 2), nm_bytes(value, SIZES[i]));
            assert_int_equal(rc, NM_OK);
        }
    return NM_OK;
}

static nm_rc_t
s_get_sizes(nm_txn_t *txn, void *arg)
{
    (void) arg;
    for (size_t t = 0; t < 2; t++)
        for (unsigned i = 0; i < NM_COUNT(SIZES); i++) {
            uint8_t *expected = nm_txn_alloc(txn, SIZES[i]);
            uint8_t key[] = { 'k', (uint8_t) i };
            nm_bytes_t value;
            s_fill(expected, SIZES[i], i);
            assert_int_equal(nm_table_get(txn, BOTH[t], nm_bytes(key, 2), &value), NM_OK);
            assert_true(nm_bytes_equal(value, nm_bytes(expected, SIZES[i])));
            assert_non_null(value.at);
        }
    return NM_OK;
}

static nm_rc_t
s_put_and_get_sizes(nm_txn_t *txn, void *arg)
{
    s_put_sizes(txn, arg);
    return s_get_sizes(txn, arg);
}

static void
comes_back_as_it_went(void **state)
{
    fx_t *self = *state;
    assert_int_equal(nm_store_update(self->store, s_put_and_get_sizes, NULL), NM_OK);
    assert_int_equal(nm_store_view(self->store, s_get_sizes, NULL), NM_OK);
    fx_close(self);
    fx_open(self);
    assert_int_equal(nm_store_view(self->store, s_get_sizes, NULL), NM_OK);
}

static void
the_last_value_put_is_the_one_that_counts(void **state)
{
    fx_t *self = *state;
    static const char *const VALUES[] = { "short", "a good deal longer than that", "", "equal", "laequ" };
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < NM_COUNT(VALUES); i++) {
            assert_int_equal(fx_put(self, BOTH[t], "key", VALUES[i]), NM_OK);
            fx_has(self, BOTH[t], "key", VALUES[i]);
        }
}

static nm_rc_t
s_add_twice(nm_txn_t *txn, void *arg)
{
    const nm_table_t *table = arg;
    nm_bytes_t value;
    assert_int_equal(nm_table_add(txn, table, nm_text("k"), nm_text("first")), NM_OK);
    assert_int_equal(nm_table_add(txn, table, nm_text("k"), nm_text("second")), NM_ERR_DUPLICATE);
    assert_int_equal(nm_table_get(txn, table, nm_text("k"), &value), NM_OK);
    assert_true(nm_bytes_is(value, "first"));
    return NM_OK;
}

static void
adds_only_once(void **state)
{
    fx_t *self = *state;
    for (size_t t = 0; t < 2; t++)
        assert_int_equal(nm_store_update(self->store, s_add_twice, (void *) BOTH[t]), NM_OK);
}

static void
deletes_what_is_there(void **state)
{
    fx_t *self = *state;
    fx_put(self, &fx_plain, "k", "v");
    fx_put(self, &fx_sealed, "k", "w");
    assert_int_equal(fx_delete(self, &fx_plain, "k"), NM_OK);
    assert_int_equal(fx_delete(self, &fx_plain, "k"), NM_ERR_MISSING);
    fx_has(self, &fx_plain, "k", NULL);
    fx_has(self, &fx_sealed, "k", "w");
}

static nm_rc_t
s_hold_a_view(nm_txn_t *txn, void *arg)
{
    nm_bytes_t held, other;
    (void) arg;
    assert_int_equal(nm_table_get(txn, &fx_plain, nm_text("held"), &held), NM_OK);
    for (unsigned i = 0; i < 500; i++) {
        uint8_t key[4];
        nm_put_u32(key, i);
        assert_int_equal(nm_table_put(txn, &fx_plain, nm_bytes(key, 4), held), NM_OK);
    }
    assert_int_equal(nm_table_put(txn, &fx_plain, nm_text("held"), nm_text("something else")), NM_OK);
    assert_int_equal(nm_table_get(txn, &fx_plain, nm_bytes("\0\0\1\0", 4), &other), NM_OK);
    assert_true(nm_bytes_is(held, "what it was"));
    assert_true(nm_bytes_is(other, "what it was"));
    assert_int_equal(nm_table_count(txn, &fx_plain), 501);
    return NM_OK;
}

static void
a_view_outlives_changes_in_its_transaction(void **state)
{
    fx_t *self = *state;
    fx_put(self, &fx_plain, "held", "what it was");
    assert_int_equal(nm_store_update(self->store, s_hold_a_view, NULL), NM_OK);
}

//  -- What somebody with the file could do

typedef struct {
    const nm_table_t *from, *to;
    const char *from_key, *to_key;
} s_move_t;

//  Copies the stored bytes as they are, behind the store's back.
static nm_rc_t
s_move(nm_txn_t *txn, void *arg)
{
    s_move_t *self = arg;
    MDB_val from = { strlen(self->from_key), (void *) self->from_key };
    MDB_val to = { strlen(self->to_key), (void *) self->to_key }, stored;
    assert_int_equal(mdb_get(txn->mdb, nm_txn_dbi(txn, self->from), &from, &stored), 0);
    nm_buf_t copy = { 0 };
    nm_buf_add(&copy, stored.mv_data, stored.mv_size);
    stored.mv_data = copy.at;
    assert_int_equal(mdb_put(txn->mdb, nm_txn_dbi(txn, self->to), &to, &stored, 0), 0);
    nm_buf_free(&copy);
    return NM_OK;
}

static void
s_refuses_move(fx_t *self, s_move_t move)
{
    char value[32];
    fx_put(self, move.from, move.from_key, "the value");
    fx_put(self, move.to, move.to_key, "another");
    assert_int_equal(nm_store_update(self->store, s_move, &move), NM_OK);
    fx_has(self, move.from, move.from_key, "the value");
    assert_int_equal(fx_get(self, move.to, move.to_key, value, sizeof value), NM_ERR_CORRUPT);
}

static void
refuses_a_value_moved_to_another_key(void **state)
{
    fx_t *self = *state;
    s_refuses_move(self, (s_move_t){ &fx_plain, &fx_plain, "mine", "yours" });
    s_refuses_move(self, (s_move_t){ &fx_sealed, &fx_sealed, "mine", "yours" });
}

static void
refuses_a_value_moved_to_another_table(void **state)
{
    fx_t *self = *state;
    s_refuses_move(self, (s_move_t){ &fx_plain, &nm_expiry_table, "same", "same" });
    s_refuses_move(self, (s_move_t){ &fx_plain, &fx_sealed, "same", "same" });
    s_refuses_move(self, (s_move_t){ &fx_sealed, &fx_plain, "same", "same" });
}

static nm_rc_t
s_swallow(nm_txn_t *txn, void *arg)
{
    nm_bytes_t value;
    assert_int_equal(nm_table_get(txn, &fx_plain, nm_text("b"), &value), NM_ERR_CORRUPT);
    return *(bool *) arg ? nm_table_put(txn, &fx_plain, nm_text("c"), nm_text("new")) : NM_OK;
}

static void
damage_that_work_passes_over_still_fails_it(void **state)
{
    fx_t *self = *state;
    bool puts = false;
    s_refuses_move(self, (s_move_t){ &fx_plain, &fx_plain, "a", "b" });
    assert_int_equal(nm_store_view(self->store, s_swallow, &puts), NM_ERR_CORRUPT);
    puts = true;
    assert_int_equal(nm_store_update(self->store, s_swallow, &puts), NM_ERR_CORRUPT);
    fx_has(self, &fx_plain, "c", NULL);
}

static nm_rc_t
s_put_many(nm_txn_t *txn, void *arg)
{
    uint8_t value[3000] = { 0 };
    (void) arg;
    for (uint8_t n = 0; n < 200; n++)
        assert_int_equal(nm_table_put(txn, &fx_sealed, nm_bytes(&n, 1), nm_bytes(value, sizeof value)), NM_OK);
    return NM_OK;
}

static nm_rc_t
s_walk_and_rewind(nm_txn_t *txn, void *arg)
{
    (void) arg;
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    const uint8_t *first = NULL;
    size_t count = 0;
    uint8_t *before = nm_txn_alloc(txn, 16);
    memset(before, 0x5a, 16);
    nm_cursor_open(&cursor, txn, &fx_sealed, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    nm_txn_mark_t mark = nm_txn_mark(txn);
    for (; nm_cursor_next(&cursor, &key, &value) == NM_OK; count++) {
        assert_int_equal(key.at[0], count);
        assert_int_equal(value.size, 3000);
        assert_true(!first || value.at == first);  //  All values stand in one place, one after the other
        first = value.at;
        nm_txn_rewind(txn, mark);
    }
    nm_cursor_close(&cursor);
    assert_int_equal(count, 200);
    assert_true(before[0] == 0x5a && before[15] == 0x5a);
    return NM_OK;
}

static void
a_walk_that_gives_back_needs_room_for_one_value(void **state)
{
    fx_t *self = *state;
    assert_int_equal(nm_store_update(self->store, s_put_many, NULL), NM_OK);
    assert_int_equal(nm_store_view(self->store, s_walk_and_rewind, NULL), NM_OK);
}

static void
personal_data_is_not_readable_in_the_file(void **state)
{
    fx_t *self = *state;
    size_t size;
    fx_put(self, &fx_sealed, "k", "ann.of.green.gables@example.org");
    fx_put(self, &fx_plain, "k", "nothing that names a person");
    fx_close(self);
    uint8_t *file = fx_read_file(fx_file(self, "data.mdb"), &size);
    assert_null(memmem(file, size, "green.gables", 12));
    assert_non_null(memmem(file, size, "names a person", 14));
    free(file);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(comes_back_as_it_went),
        CLAIM(the_last_value_put_is_the_one_that_counts),
        CLAIM(adds_only_once),
        CLAIM(deletes_what_is_there),
        CLAIM(a_view_outlives_changes_in_its_transaction),
        CLAIM(refuses_a_value_moved_to_another_key),
        CLAIM(refuses_a_value_moved_to_another_table),
        CLAIM(damage_that_work_passes_over_still_fails_it),
        CLAIM(a_walk_that_gives_back_needs_room_for_one_value),
        CLAIM(personal_data_is_not_readable_in_the_file),
    };
    return cmocka_run_group_tests_name("lmdb_store/table", tests, NULL, NULL);
}
