#include "broker/link.h"

const char *
nm_link_state_text(nm_link_state_t state)
{
    static const char *const TEXTS[] = {
        "strange", "up", "quiet", "gone", "left", "blocked", "rolled-back", "forgotten"
    };
    _Static_assert(NM_COUNT(TEXTS) == NM_LINK_FORGOTTEN + 1, "a text for each state");
    return TEXTS[state];
}

bool
nm_link_heard(nm_link_t *self, int64_t mono_ms)
{
    self->heard_ms = mono_ms;
    if (self->state != NM_LINK_QUIET && self->state != NM_LINK_GONE)
        return false;
    self->state = NM_LINK_UP;
    return true;
}

void
nm_link_unmeet(nm_link_t *self)
{
    if (!self->met)
        return;
    self->met = false;
    self->state = NM_LINK_STRANGE;
    self->boot = 0;
}

int64_t
nm_link_beat_ms(size_t link_count)
{
    int64_t all_ms = (int64_t) link_count * NM_LINK_BEAT_PEER_MS;
    return all_ms > NM_LINK_BEAT_MS ? all_ms : NM_LINK_BEAT_MS;
}

static int64_t
s_quiet_ms(const nm_link_t *self)
{
    return NM_LINK_QUIET_BEATS * (self->beat_ms > NM_LINK_BEAT_MS ? self->beat_ms : NM_LINK_BEAT_MS);
}

//  Greetings that nobody answers go out at once, then ever more slowly, up to about a beat.
int64_t
nm_link_wake(const nm_link_t *self)
{
    unsigned tries = self->greet_tries < 5 ? self->greet_tries : 5;
    bool asks = self->state == NM_LINK_STRANGE || self->state == NM_LINK_ROLLED;
    return asks ? self->greeted_ms + (NM_LINK_GREET_MS << tries) : INT64_MAX;
}

bool
nm_link_tick(nm_link_t *self, int64_t mono_ms)
{
    nm_link_state_t before = self->state;
    int64_t silent_ms = mono_ms - self->heard_ms;
    if (self->state == NM_LINK_BLOCKED && mono_ms >= self->blocked_until_ms) {
        self->state = NM_LINK_STRANGE;
        self->faults = 0;
    }
    if (self->state == NM_LINK_UP && silent_ms >= s_quiet_ms(self))
        self->state = NM_LINK_QUIET;
    if (self->state == NM_LINK_QUIET && silent_ms >= NM_LINK_GONE_MS)
        self->state = NM_LINK_GONE;

    bool strange = mono_ms >= nm_link_wake(self);
    bool stalled = self->state == NM_LINK_UP && self->open_count && mono_ms - self->progress_ms >= NM_LINK_STALL_MS;
    if (strange || (stalled && mono_ms - self->greeted_ms >= NM_LINK_STALL_MS)) {
        self->greet_due = true;
        self->greet_tries++;
    }
    return self->state != before;
}

void
nm_link_set_credit(nm_link_t *self, uint32_t credit, int64_t mono_ms)
{
    if (!credit && self->credit)
        self->stopped_ms = mono_ms;
    self->credit = credit;
}

bool
nm_link_may_take(const nm_link_t *self, size_t size)
{
    if (self->state != NM_LINK_UP || self->open_count >= self->credit)
        return false;
    if (self->next - self->receipted.seen > NM_CLAIMS_WINDOW)
        return false;
    return self->open_count == 0 || self->open_size + size <= NM_CREDIT_SIZE;
}

bool
nm_link_is_lost(const nm_link_t *self, int64_t mono_ms, int64_t lease_ms)
{
    switch (self->state) {
    case NM_LINK_UP: return !self->credit && mono_ms - self->stopped_ms >= lease_ms;
    case NM_LINK_FORGOTTEN: return false;  //  All of its mail goes back, claimed or not
    case NM_LINK_LEFT:
    case NM_LINK_ROLLED: return true;
    case NM_LINK_STRANGE:
    case NM_LINK_QUIET:
    case NM_LINK_GONE:
    case NM_LINK_BLOCKED: break;
    }
    return mono_ms - self->heard_ms >= lease_ms;
}

uint32_t
nm_link_claimed(const nm_link_t *self)
{
    uint32_t count = 0;
    for (uint64_t seq = self->receipted.seen + 1; seq < self->next; seq++)
        if (nm_claims_get(&self->claim, seq) == NM_CLAIM_CLAIMED && !nm_spans_has(&self->receipted, seq))
            count++;
    return count;
}

bool
nm_link_holds(const nm_link_t *self)
{
    for (uint64_t seq = self->receipted.seen + 1; seq < self->next && !self->ended; seq++)
        if (nm_claims_get(&self->claim, seq) != NM_CLAIM_VOID && !nm_spans_has(&self->receipted, seq))
            return true;
    return false;
}

bool
nm_link_fault(nm_link_t *self, int64_t mono_ms)
{
    if (++self->faults < NM_LINK_FAULT_MAX || self->state == NM_LINK_BLOCKED)
        return false;
    self->state = NM_LINK_BLOCKED;
    self->blocked_until_ms = mono_ms + NM_LINK_BLOCK_MS;
    self->boot = 0;
    return true;
}

//  -- Greetings

nm_greeter_t
nm_link_weigh(nm_link_t *self, const nm_greet_t *greet, uint64_t own_boot)
{
    if (!greet->claims) {
        self->heard_boot = greet->boot;
        self->heard_number = 0;
        return NM_GREETER_PLAIN;
    }
    bool changed = greet->boot != self->heard_boot;
    if (!changed && greet->number <= self->heard_number)
        return NM_GREETER_LATE;
    bool first = !self->heard_boot;
    self->heard_boot = greet->boot;
    self->heard_number = greet->number;
    bool answers = NM_HAS(greet, greet, your_boot) && greet->your_boot == own_boot;
    if (answers && self->boot == greet->boot)
        return NM_GREETER_KNOWN;
    if (answers && greet->your_number > self->answered && greet->your_number <= self->greetings)
        return NM_GREETER_PROVEN;
    //  Another process than the last one: what was sent so far may have been answered by either. The
    //  first of all need not be doubted so: nobody was granted anything before it.
    if (changed && !first)
        nm_link_doubt(self);
    return NM_GREETER_STRANGE;
}

uint64_t
nm_link_number_greeting(nm_link_t *self)
{
    if (self->greetings == self->answered) {
        self->asked_receipted = nm_spans_count(&self->receipted);
        self->asked_seen = nm_spans_count(&self->seen);
    }
    self->greeted_next = self->next;
    return ++self->greetings;
}

void
nm_link_meet(nm_link_t *self, const nm_greet_t *greet)
{
    self->boot = greet->boot;
    self->claims = greet->claims;
    if (greet->your_number > self->answered)
        self->answered = greet->your_number;
}

void
nm_link_doubt(nm_link_t *self)
{
    self->answered = self->greetings;
}

//  Their stream to us: what they still hold and will use next, against our watermark.
static nm_greet_verdict_t
s_judge_in(const nm_link_t *self, const nm_greet_t *greet)
{
    bool same_store = self->known && nm_id_equal(&self->store, &greet->store);
    if (same_store && greet->epoch < self->epoch)
        return NM_GREET_STALE;
    nm_spans_t seen = { 0 }, receipted = { 0 };
    if (same_store && greet->epoch == self->epoch)
        seen = self->seen;
    if (nm_spans_last(&seen) >= greet->next)
        return NM_GREET_PEER_ROLLED;
    //  An openly restored store of ours knows that it may lack mail: the gap is skipped, and told.
    nm_spans_read(&receipted, greet->low - 1, greet->receipted);
    if (!nm_spans_has_all(&seen, &receipted) && !self->restored)
        return NM_GREET_SELF_ROLLED;
    return NM_GREET_WELL;
}

//  Our stream to them: what they say they have, against what we hold and use next.
static nm_greet_verdict_t
s_judge_out(const nm_link_t *self, const nm_greet_t *greet, const nm_id_t *own_store, uint32_t own_epoch)
{
    bool ours = NM_HAS(greet, greet, seen_store) && nm_id_equal(&greet->seen_store, own_store);
    if (ours && greet->seen_epoch > own_epoch)
        return NM_GREET_SELF_ROLLED;
    nm_spans_t told = { 0 };
    if (ours && greet->seen_epoch == own_epoch)
        nm_spans_read(&told, greet->seen, greet->above);
    if (nm_spans_last(&told) >= self->next)
        return NM_GREET_SELF_ROLLED;
    bool newer = self->known && nm_id_equal(&self->store, &greet->store) && greet->epoch > self->epoch;
    if (told.seen + 1 < self->low && !newer && !self->peer_restored)
        return NM_GREET_PEER_ROLLED;
    return NM_GREET_WELL;
}

nm_greet_verdict_t
nm_link_judge(const nm_link_t *self, const nm_greet_t *greet, const nm_id_t *own_store, uint32_t own_epoch)
{
    nm_greet_verdict_t verdict = s_judge_in(self, greet);
    if (verdict == NM_GREET_WELL)
        verdict = s_judge_out(self, greet, own_store, own_epoch);
    return verdict;
}
