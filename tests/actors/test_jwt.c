//  About actors/accounts/jwt.c: what is ours is taken, and nothing else (RFC 8725).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>

#include "actors/accounts/jwt.h"
#include "wire/id.h"

#define NOW INT64_C(1795219200000)
#define EDDSA_KID "01a1c2d3-0000-7000-8000-000000000001"
#define HS256_KID "01a1c2d3-0000-7000-8000-000000000002"

typedef struct {
    nm_jwt_key_t keys[2];  //  EdDSA, HS256
    uint8_t secret[NM_JWT_SECRET_SIZE];
    nm_jwt_claims_t claims;
    char token[NM_JWT_MAX + 1];
} test_t;

static const nm_jwt_key_t *
s_find(const void *arg, const nm_id_t *id)
{
    const test_t *self = arg;
    for (size_t i = 0; i < NM_COUNT(self->keys); i++)
        if (nm_id_equal(&self->keys[i].id, id))
            return &self->keys[i];
    return NULL;
}

static int
s_setup(void **state)
{
    static const uint8_t SEED[32] = "a seed that every test starts at";
    test_t *self = nm_alloc(sizeof *self);
    assert_int_equal(sodium_init() < 0, 0);
    crypto_sign_seed_keypair(self->keys[0].key, self->secret, SEED);
    nm_id_from_text(nm_text(EDDSA_KID), &self->keys[0].id);
    nm_id_from_text(nm_text(HS256_KID), &self->keys[1].id);
    self->keys[1].algorithm = NM_JWT_HS256;
    memset(self->keys[1].key, 0x5a, NM_JWT_KEY_SIZE);
    memset(self->claims.user.at, 0x11, NM_ID_SIZE);
    memset(self->claims.service.at, 0x22, NM_ID_SIZE);
    memset(self->claims.token.at, 0x33, NM_ID_SIZE);
    self->claims.roles = 1u << NM_PERSON_USER;
    self->claims.issued_ms = NOW;
    self->claims.expires_ms = NOW + NM_JWT_LIFE_MS;
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    free(*state);
    return 0;
}

static nm_jwt_verdict_t
s_check_at(const test_t *self, const char *token, int64_t now_ms)
{
    nm_jwt_claims_t claims;
    return nm_jwt_check(nm_text(token), s_find, self, "test", now_ms, &claims);
}

//  Puts a token together from JSON, signed with one of the keys.
static const char *
s_sign(test_t *self, const char *header, const char *payload, size_t key)
{
    uint8_t signature[crypto_sign_BYTES];
    size_t size, signature_size = crypto_auth_hmacsha256_BYTES;
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    sodium_bin2base64(self->token, sizeof self->token, (const uint8_t *) header, strlen(header), variant);
    size = strlen(self->token);
    self->token[size++] = '.';
    sodium_bin2base64(self->token + size, sizeof self->token - size, (const uint8_t *) payload, strlen(payload),
                      variant);
    size += strlen(self->token + size);
    if (key == 0) {
        crypto_sign_detached(signature, NULL, (const uint8_t *) self->token, size, self->secret);
        signature_size = crypto_sign_BYTES;
    } else {
        crypto_auth_hmacsha256(signature, (const uint8_t *) self->token, size, self->keys[key - 1].key);
    }
    self->token[size++] = '.';
    sodium_bin2base64(self->token + size, sizeof self->token - size, signature, signature_size, variant);
    return self->token;
}

#define HEADER "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" EDDSA_KID "\"}"
#define WHO "\"sub\":\"11111111-1111-1111-1111-111111111111\",\"svc\":\"22222222-2222-2222-2222-222222222222\","
#define JTI "\"jti\":\"33333333-3333-3333-3333-333333333333\","
#define TIMES "\"iat\":1795219200,\"nbf\":1795219200,\"exp\":1795222800,"
#define ROLES "\"roles\":[\"user\"]"
#define PAYLOAD "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI TIMES ROLES "}"

static void
what_was_made_is_read_back_with_either_algorithm(void **state)
{
    test_t *self = *state;
    for (size_t i = 0; i < NM_COUNT(self->keys); i++) {
        nm_jwt_claims_t claims;
        nm_jwt_make(&self->keys[i], self->secret, "test", &self->claims, self->token);
        assert_int_equal(nm_jwt_check(nm_text(self->token), s_find, self, "test", NOW, &claims), NM_JWT_GOOD);
        assert_memory_equal(&claims.user, &self->claims.user, NM_ID_SIZE);
        assert_memory_equal(&claims.service, &self->claims.service, NM_ID_SIZE);
        assert_memory_equal(&claims.token, &self->claims.token, NM_ID_SIZE);
        assert_int_equal(claims.roles, self->claims.roles);
        assert_int_equal(claims.issued_ms, NOW);
        assert_int_equal(claims.expires_ms, NOW + NM_JWT_LIFE_MS);
    }
}

static void
the_longest_name_of_a_mesh_fits(void **state)
{
    test_t *self = *state;
    char name[NM_NAME_MAX + 1] = { 0 };
    nm_jwt_claims_t claims;
    memset(name, 'n', NM_NAME_MAX);
    self->claims.roles = 3;
    nm_jwt_make(&self->keys[0], self->secret, name, &self->claims, self->token);
    assert_int_equal(nm_jwt_check(nm_text(self->token), s_find, self, name, NOW, &claims), NM_JWT_GOOD);
    assert_int_equal(claims.roles, 3);
}

static void
every_changed_and_every_missing_byte_is_refused(void **state)
{
    test_t *self = *state;
    nm_jwt_make(&self->keys[0], self->secret, "test", &self->claims, self->token);
    size_t size = strlen(self->token);
    for (size_t i = 0; i < size; i++) {
        char kept = self->token[i];
        self->token[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(s_check_at(self, self->token, NOW), NM_JWT_FORGED);
        self->token[i] = kept;
        nm_jwt_claims_t claims;
        assert_int_equal(nm_jwt_check(nm_bytes(self->token, i), s_find, self, "test", NOW, &claims), NM_JWT_FORGED);
    }
    assert_int_equal(s_check_at(self, self->token, NOW), NM_JWT_GOOD);
}

static void
the_algorithm_is_the_keys_and_not_the_tokens(void **state)
{
    test_t *self = *state;
    assert_int_equal(s_check_at(self, s_sign(self, HEADER, PAYLOAD, 0), NOW), NM_JWT_GOOD);
    //  HS256 with the public key for a secret: "key 1" below is keys[0]
    static const char *const HEADERS[] = {
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"" EDDSA_KID "\"}",
        "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" EDDSA_KID "\"}",
        "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"" EDDSA_KID "\"}",
        "{\"alg\":\"None\",\"typ\":\"JWT\",\"kid\":\"" HS256_KID "\"}",
        "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" HS256_KID "\"}",
    };
    for (size_t i = 0; i < NM_COUNT(HEADERS); i++)
        assert_int_equal(s_check_at(self, s_sign(self, HEADERS[i], PAYLOAD, 1), NOW), NM_JWT_FORGED);
    s_sign(self, HEADERS[2], PAYLOAD, 0);
    *(strrchr(self->token, '.') + 1) = 0;  //  An empty signature
    assert_int_equal(s_check_at(self, self->token, NOW), NM_JWT_FORGED);
}

static void
a_header_with_anything_else_is_refused(void **state)
{
    test_t *self = *state;
    static const char *const MORE[] = {
        ",\"jku\":\"https://evil.test/keys\"",
        ",\"x5u\":\"https://evil.test\"",
        ",\"crit\":[\"exp\"]",
        ",\"jwk\":\"x\"",
        ",\"kid\":\"" HS256_KID "\"",
        ",\"jwk\":{\"kty\":\"OKP\"}",
        ",\"cty\":\"JWT\"",
        ",\"alg\":\"EdDSA\"",
    };
    static const char *const KIDS[] = { "../../dev/null", "' OR 1=1 --", "", "01a1c2d3000070008000000000000001",
                                        "01A1C2D3-0000-7000-8000-000000000009" };
    char header[256];
    for (size_t i = 0; i < NM_COUNT(MORE); i++) {
        snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" EDDSA_KID "\"%s}", MORE[i]);
        assert_int_equal(s_check_at(self, s_sign(self, header, PAYLOAD, 0), NOW), NM_JWT_FORGED);
    }
    for (size_t i = 0; i < NM_COUNT(KIDS); i++) {
        snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\"}", KIDS[i]);
        assert_int_equal(s_check_at(self, s_sign(self, header, PAYLOAD, 0), NOW), NM_JWT_FORGED);
    }
}

static void
claims_that_lack_or_lie_are_refused(void **state)
{
    test_t *self = *state;
    static const char *const PAYLOADS[] = {
        "{\"iss\":\"other\",\"aud\":\"test\"," WHO JTI TIMES ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"prod\"," WHO JTI TIMES ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":[\"test\"]," WHO JTI TIMES ROLES "}",
        "{\"aud\":\"test\"," WHO JTI TIMES ROLES "}",
        "{\"iss\":\"nmesh\"," WHO JTI TIMES ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," JTI TIMES ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO TIMES ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219200,\"exp\":1795222800," ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219200,\"nbf\":1795219200," ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219200,\"nbf\":1795219200,\"exp\":\"never\"," ROLES
        "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219200,\"nbf\":1795219200,\"exp\":1e12," ROLES "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219200,\"nbf\":1795219200,\"exp\":1795305601," ROLES
        "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219261,\"nbf\":1795219200,\"exp\":1795222800," ROLES
        "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219200,\"nbf\":1795219261,\"exp\":1795222800," ROLES
        "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI "\"iat\":1795219200,\"nbf\":1795219200,\"exp\":1795219200," ROLES
        "}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI TIMES ROLES ",\"aud\":\"test\"}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI TIMES ROLES ",\"exp\":1795222900}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI TIMES "\"roles\":\"admin\"}",
        "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI TIMES "\"roles\":[\"user\",]}",
        "{\"iss\":\"nmesh\",\"aud\":\"\\u0074est\"," WHO JTI TIMES ROLES "}",
        PAYLOAD " x",
        "[]",
        "",
    };
    for (size_t i = 0; i < NM_COUNT(PAYLOADS); i++)
        if (s_check_at(self, s_sign(self, HEADER, PAYLOADS[i], 0), NOW) != NM_JWT_FORGED)
            fail_msg("taken: %s", PAYLOADS[i]);
}

static void
a_token_ends_with_its_time_and_roles_that_nobody_knows_give_nothing(void **state)
{
    test_t *self = *state;
    nm_jwt_claims_t claims;
    s_sign(self, HEADER, "{\"iss\":\"nmesh\",\"aud\":\"test\"," WHO JTI TIMES "\"roles\":[\"root\", \"admin\"]}", 0);
    assert_int_equal(nm_jwt_check(nm_text(self->token), s_find, self, "test", NOW, &claims), NM_JWT_GOOD);
    assert_int_equal(claims.roles, 1u << NM_PERSON_ADMIN);
    assert_int_equal(s_check_at(self, self->token, NOW + 3599999), NM_JWT_GOOD);
    assert_int_equal(s_check_at(self, self->token, NOW + 3600000), NM_JWT_OLD);
}

static void
a_huge_token_is_not_looked_at(void **state)
{
    test_t *self = *state;
    const size_t size = 10 * 1024 * 1024;
    char *huge = nm_alloc(size + 1);
    nm_jwt_claims_t claims;
    memset(huge, 'A', size);
    huge[100] = huge[200] = '.';
    assert_int_equal(nm_jwt_check(nm_bytes(huge, size), s_find, self, "test", NOW, &claims), NM_JWT_FORGED);
    free(huge);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_was_made_is_read_back_with_either_algorithm),
        CLAIM(the_longest_name_of_a_mesh_fits),
        CLAIM(every_changed_and_every_missing_byte_is_refused),
        CLAIM(the_algorithm_is_the_keys_and_not_the_tokens),
        CLAIM(a_header_with_anything_else_is_refused),
        CLAIM(claims_that_lack_or_lie_are_refused),
        CLAIM(a_token_ends_with_its_time_and_roles_that_nobody_knows_give_nothing),
        CLAIM(a_huge_token_is_not_looked_at),
    };
    return cmocka_run_group_tests_name("accounts/jwt", tests, NULL, NULL);
}
