/*  authority - who the simulated mesh trusts: it signs certificates and statements.
 *
 *  Everything that is signed is checked with Ed25519, as in a real mesh. Twelve actors of one process check the same
 *  words, so each is checked once and the verdict remembered (signatures.c): they hold for all simulations.
 */
#ifndef SIM_AUTHORITY_H
#define SIM_AUTHORITY_H

#include "broker/cert.h"
#include "broker/statements.h"

typedef struct {
    uint8_t public_key[NM_SIGN_PUBLIC_SIZE];
    uint8_t secret[NM_SIGN_SECRET_SIZE];
} sim_authority_t;

void sim_authority_make(sim_authority_t *self);

//  A certificate with a new key pair, good from a year before simulations begin to a year after.
void sim_authority_certify(const sim_authority_t *self, const char *name, nm_role_id_t role, nm_cert_t *cert);

//  Adds what it states to a list of statements, as they travel.
void sim_authority_state(const sim_authority_t *self, const nm_stated_t *stated, nm_buf_t *out);

#endif
