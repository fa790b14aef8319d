#include "actors/user/hashing.h"

#include <sodium.h>

_Static_assert(crypto_pwhash_STRBYTES <= NM_PASSWORD_HASH_SIZE + 1, "a hash fits");

//  OWASP's least for argon2id: 19 MiB, twice. About 25 ms of a core.
static const unsigned long long PASSES = 2;
static const size_t MEMORY = 19 * 1024 * 1024;

//  Of no password: what an unknown account is compared with.
static const char NOBODYS[] = "$argon2id$v=19$m=19456,t=2,p=1$bm1lc2gtbm9ib2R5LTAwMA$"
                              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static void
s_set(nm_hashing_t *self, nm_hashing_kind_t kind, nm_bytes_t password)
{
    *self = (nm_hashing_t){ .kind = kind, .size = password.size };
    memcpy(self->password, password.at, password.size);
}

void
nm_hashing_make(nm_hashing_t *self, nm_bytes_t password)
{
    s_set(self, NM_HASHING_MAKE, password);
}

void
nm_hashing_verify(nm_hashing_t *self, nm_bytes_t password, const nm_bytes_t *hash)
{
    s_set(self, NM_HASHING_VERIFY, password);
    nm_bytes_to_text(hash ? *hash : nm_text(NOBODYS), self->hash, sizeof self->hash);
}

void
nm_hashing_verify_also(nm_hashing_t *self, const nm_bytes_t *hash)
{
    nm_bytes_to_text(hash ? *hash : nm_text(NOBODYS), self->other, sizeof self->other);
}

void
nm_hashing_forget(nm_hashing_t *self)
{
    sodium_memzero(self, sizeof *self);
}

//  Both are always compared, so that the time does not tell which it was. Result's text gets the one that is right.
static bool
s_verify(const nm_hashing_t *self, nm_result_t *result)
{
    const char *const HASHES[] = { self->hash, self->other };
    bool right = false;
    for (size_t i = 0; i < NM_COUNT(HASHES); i++) {
        if (!HASHES[i][0] || crypto_pwhash_str_verify(HASHES[i], self->password, self->size) != 0)
            continue;
        right = true;
        nm_result_set_text(result, nm_text(HASHES[i]));
    }
    return right;
}

static void
s_work(void *arg, nm_result_t *result)
{
    const nm_hashing_t *self = arg;
    result->code = 1;
    if (self->kind == NM_HASHING_MAKE)
        result->code = crypto_pwhash_str_alg(result->text, self->password, self->size, PASSES, MEMORY,
                                             crypto_pwhash_ALG_ARGON2ID13) != 0;
    else
        result->code = !s_verify(self, result);
}

static void
s_free(void *arg)
{
    nm_hashing_forget(arg);
    free(arg);
}

nm_effect_t *
nm_hashing_effect(const nm_hashing_t *self, uint64_t token)
{
    static const nm_id_t NOTHING;
    nm_hashing_t *copy = nm_alloc(sizeof *copy);
    *copy = *self;
    nm_effect_t *effect = nm_effect_new(NM_EFFECT_WORK, token, &NOTHING);
    effect->work = s_work;
    effect->work_arg = copy;
    effect->work_free = s_free;
    return effect;
}

void
nm_hashing_take(nm_hashing_t *self, const nm_result_t *result)
{
    self->right = self->kind == NM_HASHING_VERIFY && result->call == NM_CALL_ANSWERED && result->code == 0;
    if (self->kind == NM_HASHING_MAKE || self->right)
        nm_bytes_to_text(result->code == 0 ? nm_text(result->text) : nm_text(""), self->hash, sizeof self->hash);
}
