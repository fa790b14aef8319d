#include "tests/lmdb_store/fixture.h"

#include <sodium.h>

#include "lmdb_store/seal.h"

static const nm_id_t STORE = { "store id, 16 by" };
static const char TEXT[] = "what is written, forty-one bytes in all..";

typedef struct {
    nm_seal_t seal;
    uint8_t stored[256], plain[256];
    size_t size;
} s_sample_t;

static s_sample_t
s_sample(const nm_table_t *table)
{
    s_sample_t self = { .size = nm_seal_size(table, sizeof TEXT) };
    nm_seal_init(&self.seal, fx_keys, 2, &STORE);
    memcpy(self.seal.hash_key, "sixteen bytes...", 16);
    assert_true(self.size <= sizeof self.stored);
    nm_seal_write(&self.seal, table, nm_text("key"), nm_bytes(TEXT, sizeof TEXT), self.stored);
    return self;
}

static nm_rc_t
s_read(s_sample_t *self, const nm_table_t *table, const char *key, size_t size)
{
    return nm_seal_read(&self->seal, table, nm_text(key), nm_bytes(self->stored, size), self->plain);
}

static const nm_table_t *const BOTH[] = { &fx_plain, &fx_sealed };

static void
comes_back_as_it_went(void **state)
{
    (void) state;
    for (size_t t = 0; t < 2; t++) {
        s_sample_t sample = s_sample(BOTH[t]);
        assert_int_equal(s_read(&sample, BOTH[t], "key", sample.size), NM_OK);
        assert_memory_equal(sample.plain, TEXT, sizeof TEXT);
    }
}

static void
refuses_each_flipped_bit(void **state)
{
    (void) state;
    for (size_t t = 0; t < 2; t++) {
        s_sample_t sample = s_sample(BOTH[t]);
        for (size_t bit = 0; bit < sample.size * 8; bit++) {
            sample.stored[bit / 8] ^= (uint8_t) (1 << bit % 8);
            assert_int_equal(s_read(&sample, BOTH[t], "key", sample.size), NM_ERR_CORRUPT);
            sample.stored[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
        assert_int_equal(s_read(&sample, BOTH[t], "key", sample.size), NM_OK);
    }
}

static void
refuses_every_truncation(void **state)
{
    (void) state;
    for (size_t t = 0; t < 2; t++) {
        s_sample_t sample = s_sample(BOTH[t]);
        for (size_t size = 0; size < sample.size; size++)
            assert_int_equal(s_read(&sample, BOTH[t], "key", size), NM_ERR_CORRUPT);
    }
}

static void
refuses_another_key_or_table(void **state)
{
    (void) state;
    static const nm_table_t PLAIN = { .number = 42, .sealed = false }, SEALED = { .number = 42, .sealed = true };
    for (size_t t = 0; t < 2; t++) {
        s_sample_t sample = s_sample(BOTH[t]);
        assert_int_equal(s_read(&sample, BOTH[t], "kez", sample.size), NM_ERR_CORRUPT);
        assert_int_equal(s_read(&sample, BOTH[t], "key1", sample.size), NM_ERR_CORRUPT);
        assert_int_equal(s_read(&sample, t ? &SEALED : &PLAIN, "key", sample.size), NM_ERR_CORRUPT);
    }
}

static void
the_table_decides_the_form_and_not_the_bytes(void **state)
{
    (void) state;
    s_sample_t hashed = s_sample(&fx_plain);
    assert_int_equal(s_read(&hashed, &(nm_table_t){ .number = 40, .sealed = true }, "key", hashed.size),
                     NM_ERR_CORRUPT);
}

static void
no_two_values_share_a_nonce(void **state)
{
    (void) state;
    s_sample_t sample = s_sample(&fx_sealed);
    uint8_t again[256];
    nm_seal_write(&sample.seal, &fx_sealed, nm_text("key"), nm_bytes(TEXT, sizeof TEXT), again);
    assert_memory_not_equal(sample.stored + 5, again + 5, 24);
    s_sample_t reopened = s_sample(&fx_sealed);
    assert_memory_not_equal(sample.stored + 5, reopened.stored + 5, 16);
}

static void
the_last_key_seals_and_each_opens(void **state)
{
    (void) state;
    s_sample_t sample = s_sample(&fx_sealed);
    assert_int_equal(nm_seal_key_number(nm_bytes(sample.stored, sample.size)), 8);
    nm_seal_init(&sample.seal, &fx_keys[1], 2, &STORE);
    assert_int_equal(s_read(&sample, &fx_sealed, "key", sample.size), NM_OK);
    nm_seal_init(&sample.seal, &fx_keys[2], 1, &STORE);
    assert_int_equal(s_read(&sample, &fx_sealed, "key", sample.size), NM_ERR_CORRUPT);
}

static void
one_master_key_makes_another_cipher_in_another_store(void **state)
{
    (void) state;
    s_sample_t sample = s_sample(&fx_sealed);
    nm_seal_init(&sample.seal, fx_keys, 2, &(nm_id_t){ "store id, 16 bz" });
    assert_int_equal(s_read(&sample, &fx_sealed, "key", sample.size), NM_ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_went),
        cmocka_unit_test(refuses_each_flipped_bit),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_another_key_or_table),
        cmocka_unit_test(the_table_decides_the_form_and_not_the_bytes),
        cmocka_unit_test(no_two_values_share_a_nonce),
        cmocka_unit_test(the_last_key_seals_and_each_opens),
        cmocka_unit_test(one_master_key_makes_another_cipher_in_another_store),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("lmdb_store/seal", tests, NULL, NULL);
}
