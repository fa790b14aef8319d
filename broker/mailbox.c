#include "broker/actor_private.h"

#include "broker/log.h"
#include "wire/reader.h"

nm_rc_t
nm_mailbox_bad(nm_actor_t *self, nm_link_t *link, const char *what)
{
    nm_metric_add(self->metric.bad_frames, 1);
    nm_log(NM_LOG_WARNING, "frame_dropped", "A frame from %s was dropped: %s.", link->peer->actor.name, what);
    if (nm_link_fault(link, self->turn.now.mono_ms))
        nm_log(NM_LOG_ERROR, "link_blocked", "%s sent %d bad frames and is cut off for %d s.", link->peer->actor.name,
               NM_LINK_FAULT_MAX, NM_LINK_BLOCK_MS / 1000);
    return NM_OK;
}

//  Receipts for numbers that we never gave away are a lie.
static bool
s_plausible(const nm_link_t *link, const nm_spans_t *spans)
{
    return nm_spans_last(spans) < link->next;
}

//  Is it this life of our store that a peer speaks of?
static bool
s_is_current(const nm_actor_t *self, uint64_t epoch)
{
#ifdef NM_MUTANT_ACK_OLDER_EPOCH
    return epoch <= nm_store_epoch(self->store);  //  A deliberate fault: receipts of an earlier life are believed
#endif
    return epoch == nm_store_epoch(self->store);
}

//  -- Greetings

//  The first greeting after a restore of our own store: what the peer has already forgotten and
//  our copy lacks is gone from here, and that is said as loudly as possible.
static void
s_skip_gap(nm_actor_t *self, nm_link_t *link, const nm_greet_t *greet)
{
    if (link->restored && link->seen.seen + 1 < greet->low) {
        uint64_t missing = greet->low - 1 - link->seen.seen;
        nm_log(NM_LOG_CRITICAL, "custody_gap",
               "This store was restored from a copy that lacks %llu mails from %s (numbers %llu to %llu): find the "
               "unfinished notifications at the gateways and replay them.",
               (unsigned long long) missing, link->peer->actor.name, (unsigned long long) link->seen.seen + 1,
               (unsigned long long) greet->low - 1);
        nm_metric_add(self->metric.gaps, missing);
        link->seen = (nm_spans_t){ .seen = greet->low - 1 };
    }
    link->seen_changed |= link->restored;
    link->restored = false;
}

//  Who speaks from now on. What another process offered is dropped: it offers it again, or has given it away.
static void
s_meet_process(nm_link_t *link, const nm_greet_t *greet)
{
    bool known = link->boot == greet->boot;
    link->resend_below = known && greet->claims ? link->greeted_next : link->next;
    if (!known)
        nm_pending_clear(&link->pending);
    nm_link_meet(link, greet);
}

//  Our own store was restored, and the peer speaks from before it knew: it may still forget mail that
//  only our lost copy had. Once it has met this epoch of ours, its low is the truth.
static bool
s_is_too_early(const nm_link_t *link, const nm_greet_t *greet, bool ours)
{
    return link->restored && !ours && (greet->low > 1 || greet->receipted.size);
}

//  The peer was restored openly. Receipts of the copy that is gone say nothing of the one that came: what
//  is open is sent again, and for what we have forgotten a void goes, so that no gap stays.
static nm_rc_t
s_meet_restored(nm_actor_t *self, nm_link_t *link, const nm_spans_t *receipted)
{
    uint64_t lost = 0;
    nm_rc_t rc = nm_outbox_count_open(self->turn.txn, link);
    if (rc == NM_OK)
        rc = nm_outbox_void_lost(self->turn.txn, link, receipted, &lost);
    if (rc != NM_OK || !lost)
        return rc;
    nm_log(NM_LOG_CRITICAL, "custody_gap",
           "%s was restored from a copy that lacks %llu mails of ours, which it had receipted: find the unfinished "
           "notifications at the gateways and replay them.",
           link->peer->actor.name, (unsigned long long) lost);
    nm_metric_add(self->metric.gaps, lost);
    return nm_outbox_count_open(self->turn.txn, link);
}

//  Who it is, and what it has of ours.
static nm_rc_t
s_learn(nm_actor_t *self, nm_link_t *link, const nm_greet_t *greet, const nm_spans_t *receipted, bool *stream_new)
{
    bool same = link->known && nm_id_equal(&link->store, &greet->store);
    bool newer = same && greet->epoch > link->epoch;
    nm_rc_t rc = newer ? s_meet_restored(self, link, receipted) : NM_OK;
    if (rc != NM_OK)
        return rc;
    if (link->known && !same)
        nm_log(NM_LOG_WARNING, "peer_store_new",
               "%s comes with another store than before: what was in its custody and unfinished is with its old one.",
               link->peer->actor.name);
    link->peer_restored = (newer || link->peer_restored) && receipted->seen + 1 < link->low;
    *stream_new = !same || newer;
    if (*stream_new) {
        link->store = greet->store;
        link->epoch = (uint32_t) greet->epoch;
        link->seen = (nm_spans_t){ 0 };
        link->known = true;
    }
    nm_posting_receipted(self, link, receipted);
    s_meet_process(link, greet);
    return NM_OK;
}

static nm_rc_t
s_meet(nm_actor_t *self, nm_link_t *link, const nm_greet_t *greet, const nm_spans_t *receipted, bool ours)
{
    bool stream_new;
    nm_rc_t rc = s_learn(self, link, greet, receipted, &stream_new);
    if (rc != NM_OK)
        return rc;
    link->met = true;
    if (s_is_too_early(link, greet, ours)) {
        link->greet_due = true;
        return NM_OK;
    }
    link->seen_changed |= stream_new;
    s_skip_gap(self, link, greet);
    nm_link_set_credit(link, (uint32_t) greet->credit, self->turn.now.mono_ms);
    if (link->state != NM_LINK_UP)
        nm_log(NM_LOG_INFO, "link", "%s is up (store epoch %u, credit %u).", link->peer->actor.name, link->epoch,
               link->credit);
    link->state = NM_LINK_UP;
    link->greet_tries = 0;
    link->resend = link->open_count > 0;
    return NM_OK;
}

void
nm_mailbox_say_verdict(nm_actor_t *self, nm_link_t *link, nm_greet_verdict_t verdict)
{
    const char *name = link->peer->actor.name;
    switch (verdict) {
    case NM_GREET_SELF_ROLLED:
        nm_log(NM_LOG_CRITICAL, "store_rolled_back",
               "The store of this actor is older than what %s knows of it. Going on would lose mail silently, so it "
               "stops. If a copy was put back on purpose, do it with: nctl restore.",
               name);
        self->exit_code = NM_ACTOR_EXIT_ROLLED;
        break;
    case NM_GREET_PEER_ROLLED:
        nm_log(NM_LOG_CRITICAL, "peer_rolled_back",
               "The store of %s is older than what this actor knows of it: no mail goes to it or is taken from it.",
               name);
        link->state = NM_LINK_ROLLED;
        link->answer_due = true;
        break;
    case NM_GREET_STALE:
        nm_log(NM_LOG_CRITICAL, "peer_epoch_old", "%s speaks from an epoch that is over; it is refused.", name);
        link->state = NM_LINK_ROLLED;
        break;
    case NM_GREET_WELL: break;
    }
}

//  Whoever it is, nothing of it is believed until it has answered us.
static void
s_greet_stranger(nm_link_t *link)
{
    if (link->state == NM_LINK_UP)
        nm_log(NM_LOG_INFO, "link", "Another process of %s speaks, or one that is over: it is asked.",
               link->peer->actor.name);
    link->state = NM_LINK_STRANGE;
    link->boot = 0;
    link->greet_tries = 0;
    link->greet_due = true;
    nm_pending_clear(&link->pending);
}

//  If we have learnt more since we asked, its answer may be the older word, and no verdict can be based on it.
static bool
s_is_outdated(const nm_link_t *link, nm_greeter_t greeter)
{
    return greeter == NM_GREETER_PROVEN && (link->asked_receipted != nm_spans_count(&link->receipted) ||
                                            link->asked_seen != nm_spans_count(&link->seen));
}

//  A process does not go back in time while it runs, so who is known is not judged. Who is met must have all that it
//  gave receipts for, also above its watermark.
static nm_greet_verdict_t
s_judge(nm_actor_t *self, const nm_link_t *link, nm_greeter_t greeter, const nm_greet_t *greet,
        const nm_spans_t *receipted)
{
#ifdef NM_MUTANT_NO_ROLLBACK_CHECK
    greeter = NM_GREETER_KNOWN;  //  A deliberate fault: whatever a greeting shows, it is well
#endif
    if (greeter == NM_GREETER_KNOWN)
        return NM_GREET_WELL;
    nm_greet_verdict_t verdict = nm_link_judge(link, greet, nm_store_id(self->store), nm_store_epoch(self->store));
    bool same = link->known && nm_id_equal(&link->store, &greet->store) && link->epoch == greet->epoch;
    if (verdict == NM_GREET_WELL && greeter == NM_GREETER_PROVEN && same && !link->peer_restored &&
        !nm_spans_has_all(receipted, &link->receipted))
        verdict = NM_GREET_PEER_ROLLED;
    return verdict;
}

static nm_rc_t
s_believe_greet(nm_actor_t *self, nm_link_t *link, nm_greeter_t greeter, const nm_greet_t *greet)
{
    nm_spans_t receipted = { 0 };
    if (nm_spans_read(&receipted, greet->low - 1, greet->receipted) != NM_OK)
        return nm_mailbox_bad(self, link, "its greeting is malformed");
    receipted = (nm_spans_t){ 0 };
    bool ours = NM_HAS(greet, greet, seen_store) && nm_id_equal(&greet->seen_store, nm_store_id(self->store)) &&
                s_is_current(self, greet->seen_epoch);
    if (ours && nm_spans_read(&receipted, greet->seen, greet->above) != NM_OK)
        return nm_mailbox_bad(self, link, "its greeting is malformed");

    nm_greet_verdict_t verdict = s_judge(self, link, greeter, greet, &receipted);
    if (verdict == NM_GREET_PEER_ROLLED && s_is_outdated(link, greeter)) {
        nm_link_doubt(link);
        s_greet_stranger(link);
        return NM_OK;
    }
    if (verdict != NM_GREET_WELL) {
        nm_mailbox_say_verdict(self, link, verdict);
        return NM_OK;
    }
    if (!s_plausible(link, &receipted))
        return nm_mailbox_bad(self, link, "its greeting claims mail that was never sent");
    return s_meet(self, link, greet, &receipted, ours);
}

static nm_rc_t
s_take_greet(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_greet_t greet;
    if (nm_record_decode(&nm_greet_shape, &greet, record, NULL, "") != NM_OK || greet.low > greet.next || !greet.low)
        return nm_mailbox_bad(self, link, "its greeting is malformed");
    if (nm_id_equal(&greet.store, &link->peer->fenced) || nm_inbox_is_fenced(self->turn.txn, &greet.store)) {
        if (link->heard_boot != greet.boot)
            nm_log(NM_LOG_CRITICAL, "store_fenced", "%s comes with a store that was said to be gone for good: refused.",
                   link->peer->actor.name);
        link->heard_boot = greet.boot;
        return NM_OK;
    }
    nm_rc_t rc = NM_OK;
    nm_greeter_t greeter = nm_link_weigh(link, &greet, self->boot);
    switch (greeter) {
    case NM_GREETER_LATE: return NM_OK;
    case NM_GREETER_STRANGE: s_greet_stranger(link); break;
    case NM_GREETER_PLAIN:
    case NM_GREETER_KNOWN:
    case NM_GREETER_PROVEN: rc = s_believe_greet(self, link, greeter, &greet); break;
    }
    link->answer_due |= !greet.answer && link->state != NM_LINK_BLOCKED;
    return rc;
}

//  -- Mail

nm_rc_t
nm_mailbox_take_item(nm_actor_t *self, nm_link_t *link, const nm_mail_item_t *item)
{
    nm_rc_t rc = nm_spans_add(&link->seen, item->seq);
#ifdef NM_MUTANT_NO_DEDUPE
    //  A deliberate fault: mail seen before is handled again.
    if (rc == NM_ERR_DUPLICATE)
        rc = NM_OK;
#endif
#ifdef NM_MUTANT_TIME_DEDUPE
    //  A deliberate fault: what was seen is forgotten when a second has gone by without mail.
    if (rc == NM_ERR_DUPLICATE && self->turn.now.mono_ms - link->taken_ms > 1000)
        rc = NM_OK;
    if (rc == NM_OK)
        link->taken_ms = self->turn.now.mono_ms;
#endif
    if (rc == NM_ERR_DUPLICATE)
        nm_metric_add(self->metric.mail_duplicate, 1);
    if (rc != NM_OK)
        return NM_OK;  //  Seen before, or too scattered: the sender has it and sends it again
    link->seen_changed = true;
    self->turn.mails_in++;

    nm_mail_in_t mail = { .peer = link->peer->actor.name,
                          .role = link->peer->actor.role,
                          .kind = (uint8_t) item->kind,
                          .priority = (uint8_t) item->priority,
                          .body = item->body };
    rc = self->role->mail ? self->role->mail(self->state, &self->turn, &mail) : NM_ERR_MALFORMED;
    if (rc != NM_ERR_MALFORMED)
        return rc;
    nm_metric_add(self->metric.quarantined, 1);
    nm_log(NM_LOG_ERROR, "mail_quarantined", "Mail %llu of kind %u from %s cannot be read; it is kept in quarantine.",
           (unsigned long long) item->seq, (unsigned) item->kind, link->peer->actor.name);
    return nm_inbox_quarantine_put(self->turn.txn, link, item->seq, mail.kind, item->body);
}

//  A number that holds nothing any more: what came under it was given to another, and it counts as seen.
static void
s_take_void(nm_actor_t *self, nm_link_t *link, uint64_t seq)
{
    nm_pending_take(&link->pending, seq, seq);
    link->receipt_due = true;
    if (nm_spans_add(&link->seen, seq) != NM_OK)
        return;
    link->seen_changed = true;
    nm_metric_add(self->metric.mail_void, 1);
}

static bool
s_is_void(const nm_mail_item_t *item)
{
    return !item->kind && !item->body.size;
}

static nm_rc_t
s_take_one(nm_actor_t *self, nm_link_t *link, const nm_mail_t *mail, const nm_mail_item_t *item)
{
    if (s_is_void(item)) {
        s_take_void(self, link, item->seq);
        return NM_OK;
    }
    if (mail->claim && !nm_spans_has(&link->seen, item->seq)) {
        //  Who leaves claims nothing new, but asks once more for what it has asked for.
        if (!self->leaving || nm_pending_has(&link->pending, item->seq))
            nm_pending_keep(&link->pending, item);  //  If there are too many, it comes again
        return NM_OK;
    }
    nm_pending_take(&link->pending, item->seq, item->seq);
    link->receipt_due = true;
    return nm_mailbox_take_item(self, link, item);
}

//  Before the greeting nobody knows whether the numbers mean anything, and what a process wrote that is over, or
//  wrote to one that is over, may be somebody else's by now. The greeting brings again what is ours.
static bool
s_is_for_us(const nm_actor_t *self, const nm_link_t *link, const nm_mail_t *mail)
{
    if (link->state != NM_LINK_UP || !nm_id_equal(&link->store, &mail->store) || link->epoch != mail->epoch)
        return false;
    return !link->claims || (mail->boot == link->boot && mail->your_boot == self->boot);
}

static nm_rc_t
s_take_mail(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_mail_t mail;
    nm_mail_item_t item;
    nm_list_t list;
    nm_rc_t rc;
    if (nm_record_decode(&nm_mail_shape, &mail, record, NULL, "") != NM_OK || nm_list_open(&list, mail.items) != NM_OK)
        return nm_mailbox_bad(self, link, "its mail is malformed");
    bool ours = s_is_for_us(self, link, &mail);
    if (!ours)
        link->greet_due |= link->state != NM_LINK_ROLLED && link->state != NM_LINK_FORGOTTEN;
    while ((rc = nm_list_decode(&list, &nm_mail_item_shape, &item)) == NM_OK) {
        if (!item.seq || (ours && item.seq > link->seen.seen + NM_CLAIMS_WINDOW))
            return nm_mailbox_bad(self, link, "an item of its mail is malformed");
        if (!s_is_void(&item) && !nm_roles_may_mail(link->peer->actor.role, self->role->id, (unsigned) item.kind)) {
            nm_metric_add(self->metric.refused, 1);
            return nm_mailbox_bad(self, link, "its role may not send such mail");
        }
        rc = ours ? s_take_one(self, link, &mail, &item) : NM_OK;
        if (rc != NM_OK)
            return rc;
    }
    return rc == NM_ERR_MISSING ? NM_OK : nm_mailbox_bad(self, link, "an item of its mail is malformed");
}

//  -- The rest

static nm_rc_t
s_take_receipt(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_receipt_t receipt;
    nm_spans_t spans;
    if (nm_record_decode(&nm_receipt_shape, &receipt, record, NULL, "") != NM_OK ||
        nm_spans_read(&spans, receipt.seen, receipt.above) != NM_OK)
        return nm_mailbox_bad(self, link, "its receipt is malformed");
    nm_metric_add(self->metric.receipts_in, 1);
    if (link->state != NM_LINK_UP || !nm_id_equal(&receipt.store, nm_store_id(self->store)) ||
        !s_is_current(self, receipt.epoch))
        return NM_OK;  //  About another life of this store
#ifndef NM_MUTANT_ACK_OLDER_EPOCH
    if (link->claims && (receipt.boot != link->boot || receipt.your_boot != self->boot))
        return NM_OK;  //  Of a process that is over, or to one
#endif
    if (!s_plausible(link, &spans))
        return nm_mailbox_bad(self, link, "its receipt claims mail that was never sent");
    nm_posting_receipted(self, link, &spans);
    nm_link_set_credit(link, (uint32_t) receipt.credit, self->turn.now.mono_ms);
    return NM_OK;
}

static nm_rc_t
s_take_beat(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_beat_t beat;
    if (nm_record_decode(&nm_beat_shape, &beat, record, NULL, "") != NM_OK)
        return nm_mailbox_bad(self, link, "its beat is malformed");
    if (link->state == NM_LINK_UP && beat.boot == link->boot) {
        nm_link_set_credit(link, (uint32_t) beat.credit, self->turn.now.mono_ms);
        link->backlog = beat.backlog;
        link->beat_ms = NM_HAS(&beat, beat, every_ms) ? (int64_t) beat.every_ms : NM_LINK_BEAT_MS;
    } else if (link->state != NM_LINK_ROLLED)
        link->greet_due = true;
    return NM_OK;
}

static nm_rc_t
s_take_bye(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_bye_t bye;
    if (nm_record_decode(&nm_bye_shape, &bye, record, NULL, "") != NM_OK)
        return nm_mailbox_bad(self, link, "its goodbye is malformed");
    if (bye.boot != link->boot)
        return NM_OK;
    nm_log(NM_LOG_INFO, "link", "%s has left: %.*s.", link->peer->actor.name, NM_PRINT(bye.reason));
    link->state = NM_LINK_LEFT;
    link->boot = 0;
    nm_pending_clear(&link->pending);
    return NM_OK;
}

nm_rc_t
nm_mailbox_take(nm_actor_t *self, const nm_input_t *input)
{
    nm_frame_kind_t kind;
    nm_bytes_t record;
    nm_link_t *link = nm_actor_link(self, input->peer);
    if (!link) {
        nm_metric_add(self->metric.refused, 1);
        nm_log(NM_LOG_WARNING, "frame_refused", "%s (%s) has no business with this mailbox; its frame was dropped.",
               input->peer, nm_role_text(input->role));
        return NM_OK;
    }
    if (link->state == NM_LINK_BLOCKED || link->state == NM_LINK_FORGOTTEN)
        return NM_OK;
    if (nm_frame_open(input->bytes, &kind, &record) != NM_OK)
        return nm_mailbox_bad(self, link, "it is not a link frame");
    if (nm_link_heard(link, self->turn.now.mono_ms))
        link->greet_due = true;
    switch (kind) {
    case NM_FRAME_GREET: return s_take_greet(self, link, record);
    case NM_FRAME_MAIL: return s_take_mail(self, link, record);
    case NM_FRAME_RECEIPT: return s_take_receipt(self, link, record);
    case NM_FRAME_BEAT: return s_take_beat(self, link, record);
    case NM_FRAME_BYE: return s_take_bye(self, link, record);
    case NM_FRAME_CLAIM: return nm_claiming_take_claim(self, link, record);
    case NM_FRAME_GRANT: return nm_claiming_take_grant(self, link, record);
    }
    return nm_mailbox_bad(self, link, "its kind is unknown");
}
