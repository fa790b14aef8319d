#include "broker/claims.h"

static bool
s_is_far_back(const nm_claims_t *self, uint64_t seq)
{
    return self->next > NM_CLAIMS_WINDOW && seq < self->next - NM_CLAIMS_WINDOW;
}

static uint64_t
s_bit(uint64_t seq)
{
    return UINT64_C(1) << (seq % 64);
}

static size_t
s_word(uint64_t seq)
{
    return seq % NM_CLAIMS_WINDOW / 64;
}

nm_claim_state_t
nm_claims_get(const nm_claims_t *self, uint64_t seq)
{
    if (s_is_far_back(self, seq))
        return NM_CLAIM_CLAIMED;
    if (self->empty[s_word(seq)] & s_bit(seq))
        return NM_CLAIM_VOID;
    return self->offered[s_word(seq)] & s_bit(seq) ? NM_CLAIM_OFFERED : NM_CLAIM_CLAIMED;
}

void
nm_claims_set(nm_claims_t *self, uint64_t seq, nm_claim_state_t state)
{
    if (s_is_far_back(self, seq))
        return;
    if (seq >= self->next)
        self->next = seq + 1;
    self->offered[s_word(seq)] &= ~s_bit(seq);
    self->empty[s_word(seq)] &= ~s_bit(seq);
    if (state == NM_CLAIM_OFFERED)
        self->offered[s_word(seq)] |= s_bit(seq);
    if (state == NM_CLAIM_VOID)
        self->empty[s_word(seq)] |= s_bit(seq);
}
