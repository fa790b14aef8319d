/*  claims - which of the numbers on the way to a peer it may have been granted.
 *
 *  The sender's half of custody. Mail whose number is *offered* is nobody's yet: the peer may hold
 *  a copy, but takes it in only after a grant, so the sender may give it to another. What is *claimed*
 *  was granted, or may have been, and is the peer's until its receipt: no greeting, no restart and no time
 *  takes a claim off. A *void* number held mail that was
 *  taken back: it stands for nothing and is receipted like any other.
 *
 *  Values in memory and decisions on them: which numbers are open is known to the link. Only the
 *  last NM_CLAIMS_WINDOW numbers are told apart; what lies further back counts as claimed, which is
 *  always safe.
 */
#ifndef NM_CLAIMS_H
#define NM_CLAIMS_H

#include "nm.h"
#include "wire/limits.h"

enum { NM_CLAIMS_WINDOW = 16 * NM_CREDIT_COUNT };

typedef enum {
    NM_CLAIM_OFFERED,
    NM_CLAIM_CLAIMED,
    NM_CLAIM_VOID,
} nm_claim_state_t;

typedef struct {
    uint64_t next;  //  One above the highest number that was set
    uint64_t offered[NM_CLAIMS_WINDOW / 64];
    uint64_t empty[NM_CLAIMS_WINDOW / 64];  //  Void
} nm_claims_t;

nm_claim_state_t nm_claims_get(const nm_claims_t *self, uint64_t seq);

//  A number further back than the window stays claimed.
void nm_claims_set(nm_claims_t *self, uint64_t seq, nm_claim_state_t state);

#endif
