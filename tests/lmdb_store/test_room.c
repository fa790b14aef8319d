#include "tests/lmdb_store/fixture.h"

enum { BATCH = 100 };

typedef struct {
    uint32_t first, count;
} s_range_t;

static nm_rc_t
s_put_range(nm_txn_t *txn, void *arg)
{
    s_range_t *range = arg;
    uint8_t key[4], value[700];
    memset(value, 0x37, sizeof value);
    for (uint32_t i = range->first; i < range->first + range->count; i++) {
        nm_put_u32(key, i);
        nm_rc_t rc = nm_table_put(txn, &fx_plain, nm_bytes(key, 4), nm_bytes(value, sizeof value));
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

static nm_rc_t
s_delete_range(nm_txn_t *txn, void *arg)
{
    s_range_t *range = arg;
    uint8_t key[4];
    for (uint32_t i = range->first; i < range->first + range->count; i++) {
        nm_put_u32(key, i);
        nm_rc_t rc = nm_table_delete(txn, &fx_plain, nm_bytes(key, 4));
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

static int
s_setup(void **state)
{
    fx_setup(state);
    fx_t *self = *state;
    fx_close(self);
    self->config.path = self->path;
    strncat(self->path, "-small", sizeof self->path - strlen(self->path) - 1);
    self->config.map_size = 16 << 20;
    self->config.quota = 4 << 20;
    self->config.reserve = 1 << 20;
    fx_open(self);
    return 0;
}

//  Puts batches until the store says what is asked for; returns how many records.
static uint32_t
s_fill_until(fx_t *self, bool critical)
{
    nm_store_room_t room;
    for (uint32_t count = 0;; count += BATCH) {
        nm_store_room(self->store, &room);
        assert_int_equal(room.quota, 4 << 20);
        if (critical ? room.critical : room.tight)
            return count;
        assert_int_equal(nm_store_update(self->store, s_put_range, &(s_range_t){ count, BATCH }), NM_OK);
    }
}

static void
a_new_store_has_room_and_ballast(void **state)
{
    fx_t *self = *state;
    nm_store_room_t room;
    nm_store_room(self->store, &room);
    assert_false(room.tight);
    assert_false(room.critical);
    assert_true(room.used > 0 && room.used < 100000);
    assert_true(room.free_space > 1 << 20);
    assert_int_equal(fx_file_size(fx_file(self, "ballast")), (1 << 20) / 4);
}

static void
is_tight_at_four_fifths_of_its_quota(void **state)
{
    fx_t *self = *state;
    nm_store_room_t room;
    uint32_t count = s_fill_until(self, false);
    nm_store_room(self->store, &room);
    assert_true(room.tight && !room.critical);
    assert_true(room.used * 100 >= room.quota * 80 && room.used * 100 < room.quota * 90);
    assert_true(room.records >= count && room.records < count + 10);
    assert_true(fx_file_size(fx_file(self, "ballast")) > 0);
}

static void
gives_up_its_ballast_when_critical_and_takes_it_back(void **state)
{
    fx_t *self = *state;
    nm_store_room_t room;
    uint32_t count = s_fill_until(self, true);
    assert_int_equal(fx_file_size(fx_file(self, "ballast")), -1);
    assert_int_equal(nm_store_update(self->store, s_delete_range, &(s_range_t){ 0, count }), NM_OK);
    nm_store_room(self->store, &room);
    assert_false(room.tight);
    assert_int_equal(fx_file_size(fx_file(self, "ballast")), (1 << 20) / 4);
}

static void
drains_one_by_one_when_critical(void **state)
{
    fx_t *self = *state;
    uint32_t count = s_fill_until(self, true);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(nm_store_update(self->store, s_delete_range, &(s_range_t){ i, 1 }), NM_OK);
}

//  The file does not shrink; what counts is what is in use.
static void
deleted_records_are_room_again(void **state)
{
    fx_t *self = *state;
    nm_store_room_t before, after;
    nm_store_room(self->store, &before);
    for (int round = 0; round < 5; round++) {
        uint32_t count = s_fill_until(self, false);
        assert_int_equal(nm_store_update(self->store, s_delete_range, &(s_range_t){ 0, count }), NM_OK);
    }
    nm_store_room(self->store, &after);
    assert_true(after.used < before.used + 200000);
    assert_int_equal(after.records, before.records);
}

static void
a_disk_below_the_reserve_is_tight(void **state)
{
    fx_t *self = *state;
    nm_store_room_t room;
    nm_store_room(self->store, &room);
    uint64_t free_space = room.free_space;
    fx_close(self);
    self->config.reserve = free_space * 2;
    fx_open(self);
    nm_store_room(self->store, &room);
    assert_true(room.tight && !room.critical);
    fx_close(self);
    self->config.reserve = free_space * 8;
    fx_open(self);
    nm_store_room(self->store, &room);
    assert_true(room.tight && room.critical);
    assert_int_equal(fx_file_size(fx_file(self, "ballast")), -1);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, fx_teardown)

static nm_rc_t
s_is_full(void *arg, nm_store_point_t point)
{
    const bool *full = arg;
    (void) point;
    return *full ? NM_ERR_FULL : NM_OK;
}

static void
a_simulated_fault_undoes_an_update_and_makes_it_tight(void **state)
{
    fx_t *self = *state;
    nm_store_room_t room;
    bool full = false;
    fx_close(self);
    self->config.fault = s_is_full;
    self->config.fault_arg = &full;
    fx_open(self);
    assert_int_equal(fx_put(self, &fx_plain, "kept", "before"), NM_OK);
    full = true;
    assert_int_equal(fx_put(self, &fx_plain, "kept", "after"), NM_ERR_FULL);
    nm_store_room(self->store, &room);
    assert_true(room.tight);
    fx_has(self, &fx_plain, "kept", "before");
    full = false;
    nm_store_room(self->store, &room);
    assert_false(room.tight);
    assert_int_equal(fx_put(self, &fx_plain, "kept", "after"), NM_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_new_store_has_room_and_ballast),
        CLAIM(is_tight_at_four_fifths_of_its_quota),
        CLAIM(gives_up_its_ballast_when_critical_and_takes_it_back),
        CLAIM(drains_one_by_one_when_critical),
        CLAIM(deleted_records_are_room_again),
        CLAIM(a_disk_below_the_reserve_is_tight),
        CLAIM(a_simulated_fault_undoes_an_update_and_makes_it_tight),
    };
    return cmocka_run_group_tests_name("lmdb_store/room", tests, NULL, NULL);
}
