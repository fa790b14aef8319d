#include "tests/lmdb_store/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "lmdb_store/store_private.h"

//  About lmdb_store/check.c, and with it tally.c: whole tables are vouched for.

static int
s_setup(void **state)
{
    fx_setup(state);
    fx_put(*state, &fx_plain, "place", "the front door");
    fx_put(*state, &fx_sealed, "person", "ann@example.org");
    return 0;
}

//  -- Check

static void
check_vouches_for_each_record(void **state)
{
    fx_t *self = *state;
    nm_store_check_t report;
    nm_error_t error;
    assert_int_equal(nm_store_check(self->store, &report, &error), NM_OK);
    assert_int_equal(report.records, 6);  //  Head, secret, epoch, tally, and the two of the test
    assert_int_equal(report.bad, 0);
    assert_true(report.bytes > 100);
}

static void
check_names_the_first_bad_record_and_counts_on(void **state)
{
    fx_t *self = *state;
    nm_store_check_t report;
    nm_error_t error;
    size_t size;
    fx_close(self);
    uint8_t *file = fx_read_file(fx_file(self, "data.mdb"), &size);
    uint8_t *at = memmem(file, size, "the front door", 14);
    assert_non_null(at);
    at[13] ^= 0x80;
    fx_write_file(fx_file(self, "data.mdb"), file, size);
    free(file);

    fx_open(self);
    assert_int_equal(nm_store_check(self->store, &report, &error), NM_ERR_CORRUPT);
    assert_int_equal(report.bad, 1);
    assert_int_equal(report.records, 5);
    assert_string_equal(report.first_bad, "table test.plain, key 706c616365");
    assert_non_null(strstr(error.text, "1 records are bad, first table test.plain"));
}

//  -- Scrub

enum { KEYS = 5000, ROUNDS = 400 };

static uint32_t
s_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

//  Some puts, replacements, deletes and expiries; every seventh time all is undone.
static nm_rc_t
s_change_some(nm_txn_t *txn, void *arg)
{
    uint32_t *random = arg;
    static uint8_t value[3000];
    nm_rc_t rc = NM_OK;
    for (unsigned i = 0; i < 60 && rc == NM_OK; i++) {
        const nm_table_t *table = s_random(random) % 2 ? &fx_plain : &fx_sealed;
        uint8_t key[4];
        nm_put_u32(key, s_random(random) % KEYS);
        if (s_random(random) % 3)
            rc = nm_table_put(txn, table, nm_bytes(key, 4), nm_bytes(value, s_random(random) % 40 ? 30 : 3000));
        else if ((rc = nm_table_delete(txn, table, nm_bytes(key, 4))) == NM_ERR_MISSING)
            rc = NM_OK;
    }
    nm_txn_next(txn, NM_COUNTER_MAIL);
    return rc == NM_OK && s_random(random) % 7 == 0 ? NM_ERR_BUSY : rc;
}

static nm_rc_t
s_cut_through(nm_txn_t *txn, void *arg)
{
    nm_cursor_t cursor;
    nm_rc_t rc;
    nm_bytes_t key;
    (void) arg;
    nm_cursor_open(&cursor, txn, &fx_plain, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    for (unsigned i = 0; (rc = nm_cursor_next(&cursor, &key, NULL)) == NM_OK; i++)
        if (i % 5 == 0 && (rc = nm_cursor_delete(&cursor)) != NM_OK)
            break;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static void
a_scrub_comes_round_while_the_store_changes(void **state)
{
    fx_t *self = *state;
    nm_store_scrub_t scrub;
    nm_store_check_t report;
    nm_error_t error;
    uint32_t random = 99;
    unsigned passes = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        nm_rc_t rc = nm_store_update(self->store, s_change_some, &random);
        assert_true(rc == NM_OK || rc == NM_ERR_BUSY);
        if (i % 50 == 49)
            assert_int_equal(nm_store_update(self->store, s_cut_through, NULL), NM_OK);
        assert_int_equal(nm_store_scrub(self->store, &scrub), NM_OK);
        assert_true(scrub.records <= NM_STORE_SCRUB_RECORDS);
        assert_true(scrub.bytes < NM_STORE_SCRUB_SIZE + 3100);
        passes += scrub.ended;
    }
    assert_true(passes >= 10);
    assert_true(passes < ROUNDS / 2);
    assert_int_equal(nm_store_check(self->store, &report, &error), NM_OK);
}

static nm_rc_t
s_scrub_pass(fx_t *self)
{
    nm_store_scrub_t scrub = { .ended = false };
    nm_rc_t rc = NM_OK;
    while (rc == NM_OK && !scrub.ended)
        rc = nm_store_scrub(self->store, &scrub);
    return rc;
}

//  Changes a byte of data.mdb under the open store, as a failing disk does.
static void
s_rot(fx_t *self, const char *text)
{
    size_t size;
    uint8_t *file = fx_read_file(fx_file(self, "data.mdb"), &size);
    int fd = open(fx_file(self, "data.mdb"), O_WRONLY);
    assert_true(fd >= 0);
    unsigned found = 0;
    for (uint8_t *at = file; (at = memmem(at, size - (size_t) (at - file), text, strlen(text))); at++, found++)
        assert_int_equal(pwrite(fd, "?", 1, at - file), 1);
    assert_true(found > 0);
    close(fd);
    free(file);
}

static void
a_scrub_finds_a_changed_value(void **state)
{
    fx_t *self = *state;
    assert_int_equal(s_scrub_pass(self), NM_OK);
    s_rot(self, "the front door");
    assert_int_equal(s_scrub_pass(self), NM_ERR_CORRUPT);
}

//  Behind the back of the store.
static void
s_delete_raw(fx_t *self, const nm_table_t *table, const char *text)
{
    MDB_txn *txn;
    MDB_val key = { strlen(text), (void *) text };
    assert_int_equal(mdb_txn_begin(self->store->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_del(txn, self->store->dbis[table->number], &key, NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void
a_scrub_finds_that_a_record_is_gone(void **state)
{
    fx_t *self = *state;
    assert_int_equal(s_scrub_pass(self), NM_OK);
    s_delete_raw(self, &fx_sealed, "person");
    assert_int_equal(s_scrub_pass(self), NM_ERR_CORRUPT);
}

static void
check_finds_that_a_record_is_gone(void **state)
{
    fx_t *self = *state;
    nm_store_check_t report;
    nm_error_t error;
    s_delete_raw(self, &fx_plain, "place");
    assert_int_equal(nm_store_check(self->store, &report, &error), NM_ERR_CORRUPT);
    assert_string_equal(report.first_bad, "table test.plain");
}

//  Takes what the store holds of "place", lets it change, and puts the old bytes back.
static void
s_put_old_value_back(fx_t *self)
{
    uint8_t kept[256];
    MDB_txn *txn;
    MDB_val key = { 5, (void *) "place" }, stored;
    MDB_dbi dbi = self->store->dbis[fx_plain.number];
    assert_int_equal(mdb_txn_begin(self->store->env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_get(txn, dbi, &key, &stored), 0);
    size_t size = stored.mv_size;
    memcpy(kept, stored.mv_data, size);
    mdb_txn_abort(txn);

    fx_put(self, &fx_plain, "place", "the back door");
    stored = (MDB_val){ size, kept };
    assert_int_equal(mdb_txn_begin(self->store->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &stored, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

//  Its checksum is right: only the tally knows that there is a newer one.
static void
an_old_value_put_back_is_noticed(void **state)
{
    fx_t *self = *state;
    nm_store_check_t report;
    nm_error_t error;
    s_put_old_value_back(self);
    fx_has(self, &fx_plain, "place", "the front door");
    assert_int_equal(s_scrub_pass(self), NM_ERR_CORRUPT);
    assert_int_equal(nm_store_check(self->store, &report, &error), NM_ERR_CORRUPT);
    fx_put(self, &fx_plain, "place", "a third door");  //  It stays noticed, whatever happens to the record
    assert_int_equal(nm_store_check(self->store, &report, &error), NM_ERR_CORRUPT);
    fx_close(self);
    fx_refused(self, "records of other content");
}

//  The key is still in order, so that only a search for the old one would miss it; and that
//  search cannot tell damage from a record that is not there.
static void
a_key_that_changed_in_place_is_refused(void **state)
{
    fx_t *self = *state;
    size_t size;
    fx_put(self, &fx_plain, "a key of the garden gate", "shut");
    fx_close(self);
    uint8_t *file = fx_read_file(fx_file(self, "data.mdb"), &size), *at = file;
    unsigned found = 0;
    for (; (at = memmem(at, size - (size_t) (at - file), "garden gate", 11)); at++, found++)
        at[2] ^= 1;
    assert_true(found > 0);
    fx_write_file(fx_file(self, "data.mdb"), file, size);
    free(file);
    fx_refused(self, "records of other content");
}

static void
tables_of_another_commit_are_refused(void **state)
{
    fx_t *self = *state;
    s_delete_raw(self, &fx_plain, "place");
    fx_close(self);
    fx_refused(self, "its tables are not of the last commit");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(check_vouches_for_each_record),        CLAIM(check_names_the_first_bad_record_and_counts_on),
        CLAIM(check_finds_that_a_record_is_gone),    CLAIM(a_scrub_comes_round_while_the_store_changes),
        CLAIM(a_scrub_finds_a_changed_value),        CLAIM(a_scrub_finds_that_a_record_is_gone),
        CLAIM(an_old_value_put_back_is_noticed),     CLAIM(a_key_that_changed_in_place_is_refused),
        CLAIM(tables_of_another_commit_are_refused),
    };
    return cmocka_run_group_tests_name("lmdb_store/check", tests, NULL, NULL);
}
