//  auth: who a key is good for, and that a wrong one costs the same work whatever is wrong with it.

#include "tests/broker/check.h"

#include <sodium.h>

#include "actors/accounts/auth.h"
#include "wire/id.h"

//  -- What a check costs: the calls are counted, as a clock would be moved by anything

static unsigned hashes, compares;

int __real_crypto_generichash(unsigned char *out, size_t out_size, const unsigned char *in, unsigned long long in_size,
                              const unsigned char *key, size_t key_size);
int __wrap_crypto_generichash(unsigned char *out, size_t out_size, const unsigned char *in, unsigned long long in_size,
                              const unsigned char *key, size_t key_size);
int
__wrap_crypto_generichash(unsigned char *out, size_t out_size, const unsigned char *in, unsigned long long in_size,
                          const unsigned char *key, size_t key_size)
{
    hashes++;
    assert_int_equal(in_size, 32);
    return __real_crypto_generichash(out, out_size, in, in_size, key, key_size);
}

int __real_sodium_memcmp(const void *a, const void *b, size_t size);
int __wrap_sodium_memcmp(const void *a, const void *b, size_t size);
int
__wrap_sodium_memcmp(const void *a, const void *b, size_t size)
{
    compares++;
    return __real_sodium_memcmp(a, b, size);
}

//  -- Two services, with a key each

#define SHOP "0199bb1143217abc9defa1b2c3d4e5f6"
#define NEWS "0199bb1143217abc9defa1b2c3d4e5f7"
#define SHOP_SECRET "00112233445566778899aabbccddeeff"
#define NEWS_SECRET "ffeeddccbbaa99887766554433221100"

enum { NOW_MS = 1000000 };

typedef struct {
    nm_auth_t auth;
    nm_services_t services;
    nm_tenant_t tenants[2];
    nm_tenant_key_t keys[2];
} test_t;

static void
s_put(test_t *self, size_t at, const char *service, const char *secret, nm_scope_t scope)
{
    nm_id_t id;
    assert_int_equal(nm_id_from_text(nm_text(service), &id), NM_OK);
    self->tenants[at] = (nm_tenant_t){ .id = id, .active = true };
    self->keys[at] =
        (nm_tenant_key_t){ .service = id, .id = { { 7 } }, .scopes = 1u << scope, .expires_ms = INT64_MAX };
    nm_auth_hash(nm_text(secret), self->keys[at].hash);
}

static int
s_set_up(void **state)
{
    static nm_mesh_t mesh;
    test_t *self = nm_alloc(sizeof *self);
    nm_auth_init(&self->auth, &mesh);
    s_put(self, 0, SHOP, SHOP_SECRET, NM_SCOPE_DEAD_LETTERS);
    s_put(self, 1, NEWS, NEWS_SECRET, NM_SCOPE_WEBHOOKS);
    self->services.tenants = self->tenants;
    self->services.keys = self->keys;
    self->services.tenant_count = self->services.key_count = 2;
    *state = self;
    return 0;
}

static int
s_tear_down(void **state)
{
    free(*state);
    return 0;
}

static nm_rc_t
s_check(test_t *self, const char *key, int64_t now_ms, nm_who_t *who)
{
    hashes = compares = 0;
    return nm_auth_check(&self->auth, &self->services, nm_text(key), now_ms, who);
}

static void
a_right_key_is_its_services_with_its_scopes(void **state)
{
    test_t *self = *state;
    nm_who_t who;
    assert_int_equal(s_check(self, NEWS "-" NEWS_SECRET, NOW_MS, &who), NM_OK);
    assert_true(nm_id_equal(&who.service, &self->tenants[1].id));
    assert_int_equal(who.scopes, 1u << NM_SCOPE_WEBHOOKS);
    assert_int_equal(s_check(self, SHOP "-" SHOP_SECRET, NOW_MS, &who), NM_OK);
    assert_int_equal(who.scopes, 1u << NM_SCOPE_DEAD_LETTERS);
}

static void
a_wrong_key_costs_the_same_whatever_is_wrong(void **state)
{
    static const char *const WRONG[] = {
        SHOP "-00112233445566778899aabbccddeefe",                               //  Its last digit
        SHOP "-ff112233445566778899aabbccddeeff",                               //  Its first digits
        SHOP "-" NEWS_SECRET,                                                   //  Another service's secret
        "0199bb1143217abc9defa1b2c3d4e5f8-" SHOP_SECRET,                        //  A service that is not there
        "0199bb11-4321-7abc-9def-a1b2c3d4e5f6-00112233445566778899aabbccddee",  //  Another form
        SHOP "-00112233445566778899aabbccddeefg",
        SHOP "+" SHOP_SECRET,
        SHOP "-",
        "",
    };
    test_t *self = *state;
    nm_who_t who;
    assert_int_equal(s_check(self, SHOP "-" SHOP_SECRET, NOW_MS, &who), NM_OK);
    nm_auth_forget(&self->auth);
    for (size_t i = 0; i < NM_COUNT(WRONG); i++) {
        assert_int_equal(s_check(self, WRONG[i], NOW_MS, &who), NM_ERR_REFUSED);
        assert_int_equal(hashes, 1);
        assert_int_equal(compares, 1);
    }
}

static void
a_key_that_was_right_is_looked_at_again_when_it_ends(void **state)
{
    test_t *self = *state;
    nm_who_t who;
    self->keys[0].expires_ms = NOW_MS + 100;
    assert_int_equal(s_check(self, SHOP "-" SHOP_SECRET, NOW_MS, &who), NM_OK);
    assert_int_equal(hashes, 1);
    assert_int_equal(s_check(self, SHOP "-" SHOP_SECRET, NOW_MS + 99, &who), NM_OK);
    assert_int_equal(hashes, 0);
    assert_int_equal(s_check(self, SHOP "-" SHOP_SECRET, NOW_MS + 100, &who), NM_ERR_MISSING);
}

static void
the_use_of_a_key_is_noted_once_a_minute(void **state)
{
    test_t *self = *state;
    nm_who_t who;
    for (int64_t now_ms = NOW_MS; now_ms <= NOW_MS + 150000; now_ms += 1000)
        assert_int_equal(s_check(self, SHOP "-" SHOP_SECRET, now_ms, &who), NM_OK);
    assert_int_equal(self->keys[0].used_ms, NOW_MS + 120000);
    assert_true(self->keys[0].used_changed);
    assert_int_equal(self->keys[1].used_ms, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_right_key_is_its_services_with_its_scopes, s_set_up, s_tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_key_costs_the_same_whatever_is_wrong, s_set_up, s_tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_was_right_is_looked_at_again_when_it_ends, s_set_up, s_tear_down),
        cmocka_unit_test_setup_teardown(the_use_of_a_key_is_noted_once_a_minute, s_set_up, s_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
