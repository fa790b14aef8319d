#include "tests/disk/work.h"

enum { VALUE_MAX = 70 * 1024 };  //  More than the smaller logs hold

static const nm_table_t PLAIN = { .number = 40, .sealed = false, .name = "test.plain" };
static const nm_table_t SEALED = { .number = 41, .sealed = true, .name = "test.sealed" };
static const nm_table_t *const TABLES[WORK_TABLES] = { &PLAIN, &SEALED };
static const nm_store_key_t KEY = { .number = 3, .secret = "a key that lives through many cu" };

nm_store_config_t
work_config(const char *folder, uint64_t reserve)
{
    return (nm_store_config_t){ .path = folder,
                                .owner = "router-1",
                                .tables = TABLES,
                                .table_count = WORK_TABLES,
                                .keys = &KEY,
                                .key_count = 1,
                                .map_size = 256 << 20,
                                .reserve = reserve };
}

static uint32_t
s_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static size_t
s_value(unsigned table, unsigned key, uint32_t version, uint8_t *out)
{
    uint32_t random = ((table * 7919 + key) * 65537 + version * 97) | 1, kind = s_random(&random) % 12;
    size_t size = version % 50 == 49 ? VALUE_MAX : kind == 0 ? 6000 : kind < 4 ? 900 + key : 10 + key;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t) (random >> i % 24);
    return size;
}

static nm_bytes_t
s_key(unsigned key, uint8_t *out)
{
    memset(out, 'k', 40);
    nm_put_u32(out, key * 2654435761u);
    return nm_bytes(out, 4 + key % 5 * 8);
}

//  One thing that a turn does.
typedef struct {
    unsigned table, key;
    bool deletes;
} s_step_t;

static unsigned
s_plan(const work_model_t *model, uint32_t turn, s_step_t steps[5])
{
    uint32_t random = (turn * 2654435761u) | 1;
    work_model_t after = *model;
    s_random(&random);
    unsigned count = 1 + s_random(&random) % 5;
    for (unsigned i = 0; i < count; i++) {
        s_step_t *step = &steps[i];
        step->table = s_random(&random) % WORK_TABLES;
        step->key = s_random(&random) % WORK_KEYS;
        uint32_t *version = &after.versions[step->table][step->key];
        step->deletes = *version && s_random(&random) % 3 == 0;
        *version = step->deletes ? 0 : turn;
    }
    return count;
}

void
work_advance(work_model_t *model, uint32_t turn)
{
    s_step_t steps[5];
    unsigned count = s_plan(model, turn, steps);
    for (unsigned i = 0; i < count; i++)
        model->versions[steps[i].table][steps[i].key] = steps[i].deletes ? 0 : turn;
}

typedef struct {
    const work_model_t *model;
    uint32_t turn;
    bool fails;
    const char *fault;
} s_work_t;

static nm_rc_t
s_do_turn(nm_txn_t *txn, void *arg)
{
    static uint8_t key[40], value[VALUE_MAX];
    const s_work_t *self = arg;
    s_step_t steps[5];
    uint8_t number[4];
    unsigned count = s_plan(self->model, self->turn, steps);
    nm_put_u32(number, self->turn);
    nm_rc_t rc = nm_table_put(txn, &PLAIN, nm_text("turn"), nm_bytes(number, sizeof number));
    for (unsigned i = 0; i < count && rc == NM_OK; i++) {
        const nm_table_t *table = TABLES[steps[i].table];
        nm_bytes_t name = s_key(steps[i].key, key);
        rc = steps[i].deletes ? nm_table_delete(txn, table, name)
                              : nm_table_put(txn, table, name,
                                             nm_bytes(value, s_value(steps[i].table, steps[i].key, self->turn, value)));
    }
    return rc == NM_OK && self->fails ? NM_ERR_BUSY : rc;
}

nm_rc_t
work_turn(nm_store_t *store, const work_model_t *model, uint32_t turn, bool fails)
{
    return nm_store_update(store, s_do_turn, &(s_work_t){ .model = model, .turn = turn, .fails = fails });
}

static nm_rc_t
s_read_turn(nm_txn_t *txn, void *arg)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &PLAIN, nm_text("turn"), &value);
    *(uint32_t *) arg = rc == NM_OK ? nm_get_u32(value.at) : 0;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
work_last_turn(nm_store_t *store, uint32_t *turn)
{
    return nm_store_view(store, s_read_turn, turn);
}

static nm_rc_t
s_look(nm_txn_t *txn, void *arg)
{
    static uint8_t key[40], expected[VALUE_MAX];
    s_work_t *self = arg;
    uint64_t count[WORK_TABLES] = { self->turn != 0 };
    for (unsigned t = 0; t < WORK_TABLES; t++) {
        for (unsigned k = 0; k < WORK_KEYS; k++) {
            uint32_t version = self->model->versions[t][k];
            nm_bytes_t value;
            nm_rc_t rc = nm_table_get(txn, TABLES[t], s_key(k, key), &value);
            if (rc != (version ? NM_OK : NM_ERR_MISSING))
                self->fault = "a record is missing, or is there and was deleted";
            else if (version && !nm_bytes_equal(value, nm_bytes(expected, s_value(t, k, version, expected))))
                self->fault = "a value is not the last that was put";
            count[t] += version != 0;
        }
        if (nm_table_count(txn, TABLES[t]) != count[t])
            self->fault = "there are more records than were put";
    }
    return NM_OK;
}

const char *
work_compare(nm_store_t *store, const work_model_t *model, uint32_t turn)
{
    s_work_t look = { .model = model, .turn = turn };
    nm_rc_t rc = nm_store_view(store, s_look, &look);
    return look.fault ? look.fault : rc == NM_OK ? NULL : "it cannot be read";
}
