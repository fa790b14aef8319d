#include "tests/lmdb_store/fixture.h"

#include "lmdb_store/queue.h"
#include "lmdb_store/store_private.h"

//  Puts and takes in one transaction each, so that the store is what remembers.
static nm_rc_t
s_put_entries(nm_txn_t *txn, void *arg)
{
    static const struct {
        const char *lane;
        uint64_t rank;
        const char *value;
    } ENTRIES[] = {
        { "email", 500, "e-late" },  { "push", 90, "p-only" },    { "email", 100, "e-first" },
        { "email", 500, "e-later" }, { "email", 256, "e-third" }, { "email", 255, "e-second" },
        { "emai", 1, "other lane" }, { "email2", 0, "another" },
    };
    (void) arg;
    for (size_t i = 0; i < NM_COUNT(ENTRIES); i++) {
        nm_place_t place;
        nm_bytes_t value;
        assert_int_equal(
            nm_queue_put(txn, &fx_sealed, nm_text(ENTRIES[i].lane), ENTRIES[i].rank, nm_text(ENTRIES[i].value), &place),
            NM_OK);
        assert_int_equal(place.rank, ENTRIES[i].rank);
        assert_int_equal(nm_queue_get(txn, &fx_sealed, nm_text(ENTRIES[i].lane), place, &value), NM_OK);
        assert_true(nm_bytes_is(value, ENTRIES[i].value));
    }
    return NM_OK;
}

typedef struct {
    const char *lane;
    char value[32];
} s_taken_t;

static nm_rc_t
s_take(nm_txn_t *txn, void *arg)
{
    s_taken_t *self = arg;
    nm_place_t place;
    nm_bytes_t value;
    nm_rc_t rc = nm_queue_first(txn, &fx_sealed, nm_text(self->lane), &place, &value);
    if (rc != NM_OK)
        return rc;
    nm_bytes_to_text(value, self->value, sizeof self->value);
    return nm_queue_delete(txn, &fx_sealed, nm_text(self->lane), place);
}

static void
s_takes(fx_t *self, const char *lane, const char *value)
{
    s_taken_t taken = { .lane = lane };
    assert_int_equal(nm_store_update(self->store, s_take, &taken), value ? NM_OK : NM_ERR_MISSING);
    if (value)
        assert_string_equal(taken.value, value);
}

static void
a_lane_goes_by_rank_and_then_by_arrival(void **state)
{
    fx_t *self = *state;
    assert_int_equal(nm_store_update(self->store, s_put_entries, NULL), NM_OK);
    fx_close(self);
    fx_open(self);
    static const char *const ORDER[] = { "e-first", "e-second", "e-third", "e-late", "e-later", NULL };
    for (size_t i = 0; i < NM_COUNT(ORDER); i++)
        s_takes(self, "email", ORDER[i]);
    s_takes(self, "push", "p-only");
    s_takes(self, "emai", "other lane");
    s_takes(self, "email2", "another");
    s_takes(self, "sms", NULL);
}

//  With ranks that are times plus a handicap of 1000 for slow ones.
static nm_rc_t
s_put_ageing(nm_txn_t *txn, void *arg)
{
    (void) arg;
    assert_int_equal(nm_queue_put(txn, &fx_sealed, nm_text("l"), 0 + 1000, nm_text("old slow"), NULL), NM_OK);
    assert_int_equal(nm_queue_put(txn, &fx_sealed, nm_text("l"), 900, nm_text("newer urgent"), NULL), NM_OK);
    assert_int_equal(nm_queue_put(txn, &fx_sealed, nm_text("l"), 1100, nm_text("too new urgent"), NULL), NM_OK);
    return NM_OK;
}

static void
an_old_entry_is_not_passed_for_ever(void **state)
{
    fx_t *self = *state;
    assert_int_equal(nm_store_update(self->store, s_put_ageing, NULL), NM_OK);
    s_takes(self, "l", "newer urgent");
    s_takes(self, "l", "old slow");
    s_takes(self, "l", "too new urgent");
}

//  -- Due times

static const int64_t TIMES[] = { 5000, -7, 0, 1700000000000, 5000, 4999 };

static nm_id_t
s_id(unsigned number)
{
    nm_id_t id = { "the id number .." };
    id.at[15] = (uint8_t) number;
    return id;
}

static nm_rc_t
s_put_due(nm_txn_t *txn, void *arg)
{
    (void) arg;
    for (unsigned i = 0; i < NM_COUNT(TIMES); i++) {
        nm_id_t id = s_id(i);
        assert_int_equal(nm_due_put(txn, &fx_plain, TIMES[i], &id), NM_OK);
    }
    return NM_OK;
}

static nm_rc_t
s_take_due(nm_txn_t *txn, void *arg)
{
    static const struct {
        int64_t at;
        unsigned id;
    } ORDER[] = { { -7, 1 }, { 0, 2 }, { 4999, 5 }, { 5000, 0 }, { 5000, 4 } };
    int64_t at_ms, next_ms;
    nm_id_t id;
    (void) arg;
    for (size_t i = 0; i < NM_COUNT(ORDER); i++) {
        nm_id_t expected = s_id(ORDER[i].id);
        assert_int_equal(nm_due_next(txn, &fx_plain, &next_ms), NM_OK);
        assert_int_equal(nm_due_take(txn, &fx_plain, ORDER[i].at - 1, &at_ms, &id), NM_ERR_MISSING);
        assert_int_equal(nm_due_take(txn, &fx_plain, ORDER[i].at, &at_ms, &id), NM_OK);
        assert_true(at_ms == ORDER[i].at && next_ms == at_ms);
        assert_true(nm_id_equal(&id, &expected));
    }
    assert_int_equal(nm_due_take(txn, &fx_plain, 1699999999999, &at_ms, &id), NM_ERR_MISSING);
    id = s_id(3);
    assert_int_equal(nm_due_delete(txn, &fx_plain, 1700000000000, &id), NM_OK);
    assert_int_equal(nm_due_delete(txn, &fx_plain, 1700000000000, &id), NM_ERR_MISSING);
    assert_int_equal(nm_due_next(txn, &fx_plain, &next_ms), NM_ERR_MISSING);
    return NM_OK;
}

static void
what_is_due_first_comes_first_and_not_before(void **state)
{
    fx_t *self = *state;
    assert_int_equal(nm_store_update(self->store, s_put_due, NULL), NM_OK);
    assert_int_equal(nm_store_update(self->store, s_take_due, NULL), NM_OK);
}

//  -- Expiry

static const nm_table_t UNKNOWN = { .number = 50, .sealed = false, .name = "test.unknown" };

static nm_rc_t
s_put_expiring(nm_txn_t *txn, void *arg)
{
    (void) arg;
    assert_int_equal(nm_table_put(txn, &fx_plain, nm_text("early"), nm_text("1")), NM_OK);
    assert_int_equal(nm_table_put(txn, &fx_sealed, nm_text("early too"), nm_text("22")), NM_OK);
    assert_int_equal(nm_table_put(txn, &fx_plain, nm_text("late"), nm_text("333")), NM_OK);
    assert_int_equal(nm_expiry_put(txn, &UNKNOWN, nm_text("not ours"), 50), NM_OK);
    assert_int_equal(nm_expiry_put(txn, &fx_plain, nm_text("early"), 100), NM_OK);
    assert_int_equal(nm_expiry_put(txn, &fx_sealed, nm_text("early too"), 200), NM_OK);
    assert_int_equal(nm_expiry_put(txn, &fx_plain, nm_text("gone before"), 150), NM_OK);
    assert_int_equal(nm_expiry_put(txn, &fx_plain, nm_text("late"), 201), NM_OK);
    return NM_OK;
}

typedef struct {
    int64_t now_ms;
    size_t limit, gone;
    uint64_t left;
} s_sweep_t;

static nm_rc_t
s_sweep(nm_txn_t *txn, void *arg)
{
    s_sweep_t *self = arg;
    nm_rc_t rc = nm_expiry_sweep(txn, self->now_ms, self->limit, &self->gone);
    self->left = nm_table_count(txn, &nm_expiry_table);
    return rc;
}

static void
s_sweeps(fx_t *self, int64_t now_ms, size_t limit, size_t gone, uint64_t left)
{
    s_sweep_t sweep = { now_ms, limit, 99, 99 };
    assert_int_equal(nm_store_update(self->store, s_sweep, &sweep), NM_OK);
    assert_int_equal(sweep.gone, gone);
    assert_int_equal(sweep.left, left);
}

static void
what_has_expired_is_deleted_and_nothing_else(void **state)
{
    fx_t *self = *state;
    assert_int_equal(nm_store_update(self->store, s_put_expiring, NULL), NM_OK);
    s_sweeps(self, 99, 10, 0, 5);
    s_sweeps(self, 200, 1, 1, 4);
    fx_has(self, &fx_plain, "early", NULL);
    fx_has(self, &fx_sealed, "early too", "22");
    s_sweeps(self, 200, 10, 2, 2);
    fx_has(self, &fx_sealed, "early too", NULL);
    fx_has(self, &fx_plain, "late", "333");
    s_sweeps(self, 201, 10, 1, 1);  //  The one of a table that is not known stays
    fx_has(self, &fx_plain, "late", NULL);
    s_sweeps(self, INT64_MAX, 10, 0, 1);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_lane_goes_by_rank_and_then_by_arrival),
        CLAIM(an_old_entry_is_not_passed_for_ever),
        CLAIM(what_is_due_first_comes_first_and_not_before),
        CLAIM(what_has_expired_is_deleted_and_nothing_else),
    };
    return cmocka_run_group_tests_name("lmdb_store/queue", tests, NULL, NULL);
}
