#include "broker/actor_private.h"

#include "broker/log.h"

//  Are these two processes the ones that speak? A word between others is about grants that are void.
static bool
s_is_ours(const nm_actor_t *self, const nm_link_t *link, uint64_t boot, uint64_t your_boot)
{
    return link->state == NM_LINK_UP && link->claims && link->boot && boot == link->boot && your_boot == self->boot;
}

//  -- The sender's side: a claim comes, a grant goes

static void
s_send_grant(nm_actor_t *self, nm_link_t *link, const nm_runs_t *runs)
{
    nm_grant_t grant = { 0 };
    nm_buf_t seqs = { 0 };
    nm_runs_write(runs, &seqs);
    NM_PUT(&grant, grant, boot, self->boot);
    NM_PUT(&grant, grant, your_boot, link->boot);
    NM_PUT(&grant, grant, store, *nm_store_id(self->store));
    NM_PUT(&grant, grant, epoch, nm_store_epoch(self->store));
    NM_PUT(&grant, grant, seqs, nm_buf_bytes(&seqs));
    nm_links_send(self, link, NM_FRAME_GRANT, &nm_grant_shape, &grant);
    nm_buf_free(&seqs);
}

//  May it have this number? What was taken back stays so: it is told that the number is void.
static bool
s_grant(nm_actor_t *self, nm_link_t *link, uint64_t seq)
{
    if (nm_spans_has(&link->receipted, seq))
        return false;
#ifndef NM_MUTANT_NO_TAKE_BACK_FENCE  //  A deliberate fault: also what was given to another is granted.
    if (nm_claims_get(&link->claim, seq) == NM_CLAIM_VOID) {
        nm_posting_void(self, link, seq);
        return false;
    }
#endif
    nm_claims_set(&link->claim, seq, NM_CLAIM_CLAIMED);
    nm_metric_add(self->metric.mail_claimed, 1);
    return true;
}

static void
s_grant_run(nm_actor_t *self, nm_link_t *link, nm_run_t run, nm_runs_t *granted)
{
    uint64_t seq = run.first > link->receipted.seen ? run.first : link->receipted.seen + 1;
    for (; seq <= run.last; seq++) {
        if (!s_grant(self, link, seq) || nm_runs_add(granted, seq))
            continue;
        s_send_grant(self, link, granted);
        *granted = (nm_runs_t){ 0 };
        nm_runs_add(granted, seq);
    }
}

nm_rc_t
nm_claiming_take_claim(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_claim_t claim;
    nm_runs_t runs, granted = { 0 };
    if (nm_record_decode(&nm_claim_shape, &claim, record, NULL, "") != NM_OK ||
        nm_runs_read(&runs, claim.seqs) != NM_OK)
        return nm_mailbox_bad(self, link, "its claim is malformed");
    if (!s_is_ours(self, link, claim.boot, claim.your_boot) || !nm_id_equal(&claim.store, nm_store_id(self->store)) ||
        claim.epoch != nm_store_epoch(self->store))
        return NM_OK;  //  It meets us first, and then is sent what it claims once more
    if (runs.count && runs.at[runs.count - 1].last >= link->next)
        return nm_mailbox_bad(self, link, "it claims mail that was never sent");
    for (uint32_t i = 0; i < runs.count; i++)
        s_grant_run(self, link, runs.at[i], &granted);
    if (granted.count)
        s_send_grant(self, link, &granted);
    return NM_OK;
}

//  -- The receiver's side: a claim goes, a grant comes

void
nm_claiming_release(nm_actor_t *self, nm_link_t *link)
{
    nm_runs_t runs;
    nm_pending_sweep(&link->pending);
    if (link->state != NM_LINK_UP)
        return;
    while (nm_pending_claims(&link->pending, &runs)) {
        nm_claim_t claim = { 0 };
        nm_buf_t seqs = { 0 };
        nm_runs_write(&runs, &seqs);
        NM_PUT(&claim, claim, boot, self->boot);
        NM_PUT(&claim, claim, your_boot, link->boot);
        NM_PUT(&claim, claim, store, link->store);
        NM_PUT(&claim, claim, epoch, link->epoch);
        NM_PUT(&claim, claim, seqs, nm_buf_bytes(&seqs));
        nm_links_send(self, link, NM_FRAME_CLAIM, &nm_claim_shape, &claim);
        nm_buf_free(&seqs);
    }
}

static nm_rc_t
s_take_run(nm_actor_t *self, nm_link_t *link, nm_run_t run)
{
    const nm_pending_mail_t *mail;
    nm_rc_t rc = NM_OK;
    while (rc == NM_OK && (mail = nm_pending_take(&link->pending, run.first, run.last))) {
        nm_mail_item_t item = { 0 };
        NM_PUT(&item, mail_item, seq, mail->seq);
        NM_PUT(&item, mail_item, kind, mail->kind);
        NM_PUT(&item, mail_item, priority, mail->priority);
        NM_PUT(&item, mail_item, body, nm_bytes(mail->body, mail->size));
        link->receipt_due = true;
        rc = nm_mailbox_take_item(self, link, &item);
    }
    return rc;
}

nm_rc_t
nm_claiming_take_grant(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_grant_t grant;
    nm_runs_t runs;
    nm_rc_t rc = NM_OK;
    if (nm_record_decode(&nm_grant_shape, &grant, record, NULL, "") != NM_OK ||
        nm_runs_read(&runs, grant.seqs) != NM_OK)
        return nm_mailbox_bad(self, link, "its grant is malformed");
    if (!s_is_ours(self, link, grant.boot, grant.your_boot) || !nm_id_equal(&grant.store, &link->store) ||
        grant.epoch != link->epoch)
        return NM_OK;
    for (uint32_t i = 0; i < runs.count && rc == NM_OK; i++)
        rc = s_take_run(self, link, runs.at[i]);
    return rc;
}
