//  signatures - in this program each signature is checked once: the linker puts this before libsodium's check.

#include <sodium.h>

#include "nm.h"

//  libsodium's own.
int __real_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
                                       unsigned long long size, const unsigned char *key);
int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
                                       unsigned long long size, const unsigned char *key);

enum { S_COUNT = 4096 };

//  By a hash of signature, key and text, which says whether it was well as well.
typedef struct {
    uint64_t mark[2];
    bool used, good;
} s_verdict_t;

int
__wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text, unsigned long long size,
                                   const unsigned char *key)
{
    static s_verdict_t verdicts[S_COUNT];
    crypto_generichash_state state;
    uint64_t mark[2];
    crypto_generichash_init(&state, NULL, 0, sizeof mark);
    crypto_generichash_update(&state, signature, crypto_sign_BYTES);
    crypto_generichash_update(&state, key, crypto_sign_PUBLICKEYBYTES);
    crypto_generichash_update(&state, text, size);
    crypto_generichash_final(&state, (unsigned char *) mark, sizeof mark);
    s_verdict_t *verdict = &verdicts[mark[0] % S_COUNT];
    if (!verdict->used || memcmp(verdict->mark, mark, sizeof mark) != 0) {
        *verdict = (s_verdict_t){ .mark = { mark[0], mark[1] }, .used = true };
        verdict->good = __real_crypto_sign_verify_detached(signature, text, size, key) == 0;
    }
    return verdict->good ? 0 : -1;
}
