#include "tests/sim/authority.h"

#include <sodium.h>

#include "tests/sim/ground.h"

#define YEAR_MS INT64_C(31536000000)

void
sim_authority_make(sim_authority_t *self)
{
    crypto_sign_keypair(self->public_key, self->secret);
}

void
sim_authority_certify(const sim_authority_t *self, const char *name, nm_role_id_t role, nm_cert_t *cert)
{
    nm_cert_make(cert, name, role, SIM_START_MS - YEAR_MS, SIM_START_MS + YEAR_MS);
    nm_cert_sign(cert, self->secret);
}

void
sim_authority_state(const sim_authority_t *self, const nm_stated_t *stated, nm_buf_t *out)
{
    nm_statement_t statement = { .has = 0 };
    nm_buf_t text = { 0 };
    uint8_t signature[crypto_sign_BYTES];
    nm_stated_write(stated, &text);
    crypto_sign_detached(signature, NULL, text.at, text.size, self->secret);
    NM_PUT(&statement, statement, text, nm_buf_bytes(&text));
    NM_PUT(&statement, statement, signature, nm_bytes(signature, sizeof signature));
    nm_record_encode(&nm_statement_shape, &statement, NM_BY_TAG, out);
    nm_buf_free(&text);
}
