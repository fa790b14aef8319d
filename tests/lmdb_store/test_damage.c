/*  What the store does when bits in its stopped file have changed.
 *
 *  LMDB serves most damage as good data, and ends in a signal for some of it. The
 *  claim is not that damage is repaired, but that it is never served: each read gives
 *  what was written, or the store refuses, or the process stops. Each damaged file is
 *  opened in a child of its own.
 */
#include "tests/lmdb_store/fixture.h"

#include <sys/wait.h>
#include <unistd.h>

enum {
    RECORDS = 150,
    FLIPS = 500,
    //  How a child ends.
    ALL_RIGHT = 0,
    NOTICED = 1,
    SERVED_WRONG = 2,
    LOST_UNNOTICED = 3,
};

static size_t
s_value(unsigned number, uint8_t *out)
{
    size_t size = number % 10 == 0 ? 5000 : 20 + number * 3;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t) (number * 7 + i * 13);
    return size;
}

static nm_rc_t
s_put_all(nm_txn_t *txn, void *arg)
{
    uint8_t key[4], value[5000];
    (void) arg;
    for (unsigned i = 0; i < RECORDS; i++) {
        nm_put_u32(key, i);
        nm_rc_t rc =
            nm_table_put(txn, i % 2 ? &fx_plain : &fx_sealed, nm_bytes(key, 4), nm_bytes(value, s_value(i, value)));
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

typedef struct {
    unsigned wrong, noticed, missing;
} s_seen_t;

static nm_rc_t
s_get_all(nm_txn_t *txn, void *arg)
{
    s_seen_t *self = arg;
    uint8_t key[4], expected[5000];
    for (unsigned i = 0; i < RECORDS; i++) {
        nm_bytes_t value;
        nm_put_u32(key, i);
        nm_rc_t rc = nm_table_get(txn, i % 2 ? &fx_plain : &fx_sealed, nm_bytes(key, 4), &value);
        if (rc == NM_OK)
            self->wrong += !nm_bytes_equal(value, nm_bytes(expected, s_value(i, expected)));
        else if (rc == NM_ERR_MISSING)
            self->missing++;
        else
            self->noticed++;
    }
    return NM_OK;
}

static nm_rc_t
s_walk_all(nm_txn_t *txn, void *arg)
{
    s_seen_t *self = arg;
    uint8_t expected[5000];
    for (unsigned t = 0; t < 2; t++) {
        nm_cursor_t cursor;
        nm_bytes_t key, value;
        nm_rc_t rc;
        nm_cursor_open(&cursor, txn, t ? &fx_plain : &fx_sealed, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
        while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK) {
            uint32_t number = key.size == 4 ? nm_get_u32(key.at) : UINT32_MAX;
            self->wrong += number >= RECORDS || number % 2 != t ||
                           !nm_bytes_equal(value, nm_bytes(expected, s_value(number, expected)));
        }
        self->noticed += rc != NM_ERR_MISSING;
    }
    return NM_OK;
}

static void
s_read_damaged(void *arg)
{
    fx_t *self = arg;
    nm_error_t error;
    nm_store_check_t report;
    s_seen_t seen = { 0 };
    nm_store_t *store = nm_store_new(&self->config, &error);
    if (!store)
        _exit(NOTICED);
    nm_store_view(store, s_get_all, &seen);
    nm_store_view(store, s_walk_all, &seen);
    bool checked = nm_store_check(store, &report, &error) == NM_OK;
    _exit(seen.wrong                 ? SERVED_WRONG
          : seen.missing && checked  ? LOST_UNNOTICED
          : seen.noticed || !checked ? NOTICED
                                     : ALL_RIGHT);
}

//  A small generator, so that a failure comes again.
static uint32_t
s_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

typedef struct {
    uint8_t *file;
    size_t size;
    unsigned right, noticed, stopped;
} s_target_t;

static void
s_try_damage(fx_t *self, s_target_t *target, const char *what, size_t at)
{
    fx_write_file(fx_file(self, "data.mdb"), target->file, target->size);
    int status = fx_child(s_read_damaged, self, NULL);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == SERVED_WRONG || code == LOST_UNNOTICED)
        print_error("%s at %zu: %s\n", what, at, code == SERVED_WRONG ? "served wrong" : "lost unnoticed");
    assert_true(code != SERVED_WRONG && code != LOST_UNNOTICED);
    target->right += code == ALL_RIGHT;
    target->noticed += code == NOTICED;
    target->stopped += code != ALL_RIGHT && code != NOTICED;
}

static s_target_t
s_stop(fx_t *self)
{
    s_target_t target = { 0 };
    assert_int_equal(nm_store_update(self->store, s_put_all, NULL), NM_OK);
    fx_close(self);
    target.file = fx_read_file(fx_file(self, "data.mdb"), &target.size);
    return target;
}

static void
s_finish(s_target_t *target)
{
    print_message("%u harmless, %u noticed, %u stopped by a signal\n", target->right, target->noticed, target->stopped);
    assert_true(target->noticed > 0);
    free(target->file);
}

static void
a_flipped_bit_is_never_served(void **state)
{
    fx_t *self = *state;
    s_target_t target = s_stop(self);
    uint32_t random = 20240607;
    for (unsigned i = 0; i < FLIPS; i++) {
        size_t bit = s_random(&random) % (target.size * 8);
        target.file[bit / 8] ^= (uint8_t) (1 << bit % 8);
        s_try_damage(self, &target, "bit", bit);
        target.file[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    s_finish(&target);
}

//  The first bytes of each page say what it is and where its entries are.
static void
a_flipped_bit_in_a_page_header_is_never_served(void **state)
{
    fx_t *self = *state;
    s_target_t target = s_stop(self);
    uint32_t random = 4711;
    for (size_t page = 0; page < target.size / 4096; page++)
        for (unsigned i = 0; i < 3; i++) {
            size_t bit = page * 4096 * 8 + s_random(&random) % (40 * 8);
            target.file[bit / 8] ^= (uint8_t) (1 << bit % 8);
            s_try_damage(self, &target, "header bit", bit);
            target.file[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
    s_finish(&target);
}

static void
a_zeroed_page_is_never_served(void **state)
{
    fx_t *self = *state;
    s_target_t target = s_stop(self);
    uint8_t kept[4096];
    for (size_t page = 0; page < target.size / 4096; page++) {
        memcpy(kept, target.file + page * 4096, sizeof kept);
        memset(target.file + page * 4096, 0, sizeof kept);
        s_try_damage(self, &target, "page", page);
        memcpy(target.file + page * 4096, kept, sizeof kept);
    }
    s_finish(&target);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_flipped_bit_is_never_served),
        CLAIM(a_flipped_bit_in_a_page_header_is_never_served),
        CLAIM(a_zeroed_page_is_never_served),
    };
    return cmocka_run_group_tests_name("lmdb_store/damage", tests, NULL, NULL);
}
