#include "broker/actor_private.h"

#include "broker/log.h"

enum { S_TURN_MAX = 256 };  //  Mails that one turn takes back

//  Is somebody there who could take mail of this role now?
static bool
s_has_taker(const nm_actor_t *self, nm_role_id_t role)
{
    for (size_t i = 0; i < self->link_count; i++)
        if (self->links[i]->peer->actor.role == role && nm_link_may_take(self->links[i], 0))
            return true;
    return false;
}

//  The open mail becomes a void, and the mail goes to the front of the lane of its role: one step, in one
//  transaction, so that it is always in exactly one place.
static nm_rc_t
s_take_one(nm_actor_t *self, nm_link_t *link, nm_lane_t *lane, uint64_t seq, size_t *taken)
{
    nm_outbox_mail_t mail;
    nm_rc_t rc = nm_outbox_read(self->turn.txn, link, seq, &mail);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;
    if (!mail.shared) {
        nm_claims_set(&link->claim, seq, NM_CLAIM_CLAIMED);  //  For this peer and no other
        return NM_OK;
    }
    rc = nm_posting_wait(self, lane, nm_rank(0, mail.priority), &mail);
    if (rc == NM_OK)
        rc = nm_outbox_void(self->turn.txn, link, seq, mail.body.size);
    if (rc != NM_OK)
        return rc;
    (*taken)++;
    return NM_OK;
}

static nm_rc_t
s_take_link(nm_actor_t *self, nm_link_t *link, size_t *left)
{
    nm_lane_t *lane = nm_posting_lane(self, link->peer->actor.role, NULL);
    size_t taken = 0;
    nm_rc_t rc = NM_OK;
    for (uint64_t seq = link->receipted.seen + 1; lane && seq < link->next && rc == NM_OK; seq++) {
        if (nm_claims_get(&link->claim, seq) != NM_CLAIM_OFFERED || nm_spans_has(&link->receipted, seq))
            continue;
        if (taken == *left) {
            self->unfinished = true;
            break;
        }
        rc = s_take_one(self, link, lane, seq, &taken);
    }
    *left -= taken;
    if (taken && rc == NM_OK) {
        nm_metric_add(self->metric.mail_taken_back, taken);
        nm_log(NM_LOG_WARNING, "mail_taken_back",
               "%s is %s and had not claimed %zu mails: they go to another %s. It holds %u still.",
               link->peer->actor.name, nm_link_state_text(link->state), taken, nm_role_text(link->peer->actor.role),
               nm_link_claimed(link));
    }
    return rc;
}

nm_rc_t
nm_takeback_run(nm_actor_t *self)
{
    size_t left = S_TURN_MAX;
    nm_rc_t rc = NM_OK;
    self->unfinished = false;
    for (size_t i = 0; i < self->link_count && rc == NM_OK && left; i++) {
        nm_link_t *link = self->links[i];
        if (link->open_count && nm_link_is_lost(link, self->turn.now.mono_ms, self->setup.mesh->lease_ms) &&
            s_has_taker(self, link->peer->actor.role))
            rc = s_take_link(self, link, &left);
    }
    return rc;
}
