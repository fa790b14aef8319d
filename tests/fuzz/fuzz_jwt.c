//  Tokens of strangers: nothing is read past their end, and what is not signed by us is never good.
#include "actors/accounts/jwt.h"
#include "fuzz.h"
#include "wire/id.h"

//  The only key is one that nobody has the secret of; the fuzzer names it as it likes.
static const nm_jwt_key_t *
s_find(const void *arg, const nm_id_t *id)
{
    static nm_jwt_key_t key;
    (void) arg;
    key = (nm_jwt_key_t){ .id = *id, .algorithm = id->at[0] & 1 ? NM_JWT_HS256 : NM_JWT_EDDSA };
    memset(key.key, 0x77, sizeof key.key);
    return &key;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    nm_jwt_claims_t claims;
    nm_bytes_t token = nm_bytes(at, size);
    PROMISE(nm_jwt_check(token, s_find, NULL, "test", INT64_C(1795219200000), &claims) == NM_JWT_FORGED);
    return 0;
}
