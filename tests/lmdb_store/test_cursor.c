#include "tests/lmdb_store/fixture.h"

static const char *const KEYS[] = { "a", "ab", "ab1", "ab2", "ab2x", "ac", "b", "\xff", "\xff\xff", "\xff\xff\x61" };

typedef struct {
    const char *prefix, *from;
    bool reverse;
    const char *expected;  //  Keys in order, each followed by a space
    const char *deletes;   //  Deletes each key that has this prefix; NULL: none
} s_walk_t;

static nm_rc_t
s_walk(nm_txn_t *txn, void *arg)
{
    s_walk_t *self = arg;
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_buf_t seen = { 0 };
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &fx_plain, nm_text(self->prefix), nm_text(self->from), self->reverse);
    while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK) {
        assert_true(nm_bytes_equal(key, value));  //  Each key is its own value here
        nm_buf_format(&seen, "%.*s ", NM_PRINT(key));
        if (self->deletes && key.size >= strlen(self->deletes) &&
            memcmp(key.at, self->deletes, strlen(self->deletes)) == 0)
            assert_int_equal(nm_cursor_delete(&cursor), NM_OK);
    }
    assert_int_equal(rc, NM_ERR_MISSING);
    nm_cursor_close(&cursor);
    nm_buf_add(&seen, "", 1);
    assert_string_equal((char *) seen.at, self->expected);
    nm_buf_free(&seen);
    return NM_OK;
}

static int
s_setup(void **state)
{
    fx_setup(state);
    for (size_t i = 0; i < NM_COUNT(KEYS); i++)
        fx_put(*state, &fx_plain, KEYS[i], KEYS[i]);
    return 0;
}

static void
s_sees(fx_t *self, s_walk_t walk)
{
    assert_int_equal(nm_store_view(self->store, s_walk, &walk), NM_OK);
    assert_int_equal(nm_store_update(self->store, s_walk, &walk), NM_OK);
}

static void
walks_forward_within_a_prefix(void **state)
{
    s_sees(*state, (s_walk_t){ "", "", false, "a ab ab1 ab2 ab2x ac b \xff \xff\xff \xff\xff\x61 ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "", false, "ab ab1 ab2 ab2x ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "ab1y", false, "ab2 ab2x ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "ab2", false, "ab2 ab2x ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "a", false, "ab ab1 ab2 ab2x ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "ac", false, "", NULL });
    s_sees(*state, (s_walk_t){ "", "b", false, "b \xff \xff\xff \xff\xff\x61 ", NULL });
    s_sees(*state, (s_walk_t){ "q", "", false, "", NULL });
    s_sees(*state, (s_walk_t){ "\xff\xff", "", false, "\xff\xff \xff\xff\x61 ", NULL });
}

static void
walks_in_reverse_within_a_prefix(void **state)
{
    s_sees(*state, (s_walk_t){ "", "", true, "\xff\xff\x61 \xff\xff \xff b ac ab2x ab2 ab1 ab a ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "", true, "ab2x ab2 ab1 ab ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "ab2", true, "ab2 ab1 ab ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "ab1y", true, "ab1 ab ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "zz", true, "ab2x ab2 ab1 ab ", NULL });
    s_sees(*state, (s_walk_t){ "ab", "a", true, "", NULL });
    s_sees(*state, (s_walk_t){ "", "b", true, "b ac ab2x ab2 ab1 ab a ", NULL });
    s_sees(*state, (s_walk_t){ "q", "", true, "", NULL });
    s_sees(*state, (s_walk_t){ "\xff\xff", "", true, "\xff\xff\x61 \xff\xff ", NULL });
}

static void
deletes_on_the_way(void **state)
{
    fx_t *self = *state;
    s_walk_t walk = { "a", "", false, "a ab ab1 ab2 ab2x ac ", "ab2" };
    assert_int_equal(nm_store_update(self->store, s_walk, &walk), NM_OK);
    s_sees(self, (s_walk_t){ "a", "", false, "a ab ab1 ac ", NULL });
    walk = (s_walk_t){ "", "", true, "\xff\xff\x61 \xff\xff \xff b ac ab1 ab a ", "\xff" };
    assert_int_equal(nm_store_update(self->store, s_walk, &walk), NM_OK);
    walk = (s_walk_t){ "", "", true, "b ac ab1 ab a ", "" };
    assert_int_equal(nm_store_update(self->store, s_walk, &walk), NM_OK);
    s_sees(self, (s_walk_t){ "", "", false, "", NULL });
}

enum { MANY = 3000 };

static nm_rc_t
s_put_many(nm_txn_t *txn, void *arg)
{
    uint8_t key[4], value[300];
    (void) arg;
    memset(value, 1, sizeof value);
    for (uint32_t i = 0; i < MANY; i++) {
        nm_put_u32(key, i);
        assert_int_equal(nm_table_put(txn, &fx_sealed, nm_bytes(key, 4), nm_bytes(value, i % sizeof value)), NM_OK);
    }
    return NM_OK;
}

//  Deletes all but each seventh, so that pages merge under the cursor.
static nm_rc_t
s_thin_out(nm_txn_t *txn, void *arg)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    uint32_t count = 0;
    bool reverse = *(bool *) arg;
    nm_cursor_open(&cursor, txn, &fx_sealed, nm_bytes(NULL, 0), nm_bytes(NULL, 0), reverse);
    while (nm_cursor_next(&cursor, &key, &value) == NM_OK) {
        uint32_t number = nm_get_u32(key.at);
        assert_int_equal(number, reverse ? MANY - 1 - count : count);
        assert_int_equal(value.size, number % 300);
        count++;
        if (number % 7)
            assert_int_equal(nm_cursor_delete(&cursor), NM_OK);
    }
    assert_int_equal(count, MANY);
    assert_int_equal(nm_table_count(txn, &fx_sealed), (MANY + 6) / 7);
    return NM_OK;  //  The cursor is left open: the transaction closes it
}

static void
skips_nothing_while_pages_merge_under_it(void **state)
{
    fx_t *self = *state;
    for (int i = 0; i < 2; i++) {
        bool reverse = i == 1;
        assert_int_equal(nm_store_update(self->store, s_put_many, NULL), NM_OK);
        assert_int_equal(nm_store_update(self->store, s_thin_out, &reverse), NM_OK);
    }
}

static nm_rc_t
s_forget_cursors(nm_txn_t *txn, void *arg)
{
    nm_cursor_t cursor;
    (void) arg;
    for (int i = 0; i < 5; i++) {
        nm_cursor_open(&cursor, txn, &fx_plain, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
        assert_int_equal(nm_cursor_next(&cursor, NULL, NULL), NM_OK);
    }
    return NM_OK;
}

static void
a_forgotten_cursor_is_closed_with_the_transaction(void **state)
{
    fx_t *self = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nm_store_view(self->store, s_forget_cursors, NULL), NM_OK);
        assert_int_equal(nm_store_update(self->store, s_forget_cursors, NULL), NM_OK);
    }
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(walks_forward_within_a_prefix),
        CLAIM(walks_in_reverse_within_a_prefix),
        CLAIM(deletes_on_the_way),
        CLAIM(skips_nothing_while_pages_merge_under_it),
        CLAIM(a_forgotten_cursor_is_closed_with_the_transaction),
    };
    return cmocka_run_group_tests_name("lmdb_store/cursor", tests, NULL, NULL);
}
