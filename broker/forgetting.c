#include "broker/actor_private.h"

#include "broker/log.h"

enum { S_TURN_MAX = 256 };  //  Mails that one turn gives back

//  -- Who is forgotten

static nm_rc_t
s_fence(nm_actor_t *self, nm_link_t *link, const nm_id_t *store)
{
    static const nm_id_t NONE;
    return nm_id_equal(store, &NONE) ? NM_OK : nm_inbox_fence(self->turn.txn, store, nm_text(link->peer->actor.name));
}

static nm_rc_t
s_begin(nm_actor_t *self, nm_link_t *link)
{
    nm_log(
        NM_LOG_WARNING, "peer_forgotten",
        "%s and its disk are gone for good: %u mails that were on the way to it go back, and nothing passes any more.",
        link->peer->actor.name, link->open_count);
    link->state = NM_LINK_FORGOTTEN;
    link->boot = 0;
    link->greet_due = link->answer_due = link->resend = false;
    nm_pending_clear(&link->pending);
    nm_rc_t rc = s_fence(self, link, &link->peer->fenced);
    return rc == NM_OK && link->known ? s_fence(self, link, &link->store) : rc;
}

//  A later actor of the name begins where nobody has been.
static nm_rc_t
s_begin_anew(nm_actor_t *self, nm_link_t *link)
{
    nm_pending_clear(&link->pending);
    *link = (nm_link_t){ .peer = link->peer, .index = link->index };
    return nm_posting_add_link(self, self->turn.txn, link);
}

//  A peer is forgotten by the directory's word, or, if a later one of its name is there already, by its store.
static bool
s_is_over(nm_actor_t *self, const nm_link_t *link)
{
    if (link->peer->forgotten || !link->known || link->state == NM_LINK_FORGOTTEN)
        return link->peer->forgotten;
    return nm_id_equal(&link->store, &link->peer->fenced) || nm_inbox_is_fenced(self->turn.txn, &link->store);
}

static nm_rc_t
s_look_at(nm_actor_t *self, nm_link_t *link)
{
    bool over = s_is_over(self, link);
    if (over && link->state != NM_LINK_FORGOTTEN)
        return s_begin(self, link);
    if (!over && link->ended)
        return s_begin_anew(self, link);
    return NM_OK;
}

//  What was written down about it may be gone with the turn, so all of that is done again.
void
nm_forgetting_undo(nm_link_t *link)
{
    link->ended = false;
    if (link->state == NM_LINK_FORGOTTEN)
        link->state = NM_LINK_STRANGE;
}

nm_rc_t
nm_forgetting_look(nm_actor_t *self)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < self->link_count && rc == NM_OK; i++)
        rc = s_look_at(self, self->links[i]);
    return rc;
}

//  -- What becomes of its mail

//  A gateway's events are about notifications that now are with another gateway, and nobody here knows with which:
//  each is told, and passes over what is not its own. Other mail for one peer spoke to it alone.
static nm_rc_t
s_readdress(nm_actor_t *self, const nm_link_t *gone, uint64_t rank, const nm_outbox_mail_t *mail)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < self->link_count && rc == NM_OK && mail->kind == NM_MAIL_EVENT; i++) {
        const nm_link_t *link = self->links[i];
        if (link == gone || link->peer->actor.role != gone->peer->actor.role || link->peer->forgotten)
            continue;
        nm_lane_t *lane = nm_posting_lane(self, NM_ROLE_NONE, link->peer->actor.name);
        rc = nm_posting_wait(self, lane, rank, mail);
    }
    return rc;
}

nm_outbox_keep_fn *
nm_forgetting_filter(const nm_actor_t *self, const nm_link_t *link)
{
    return link->state == NM_LINK_FORGOTTEN ? self->role->doubted : NULL;
}

//  What was only offered has been handled by nobody. What was granted may have been, and that is for the role to know.
static nm_rc_t
s_give_back(nm_actor_t *self, nm_link_t *link, uint64_t seq, const nm_outbox_mail_t *mail)
{
    nm_outbox_mail_t again = *mail;
    uint64_t rank = nm_rank(0, mail->priority);
    nm_buf_t changed = { 0 };
    bool claimed = nm_claims_get(&link->claim, seq) == NM_CLAIM_CLAIMED;
    if (!mail->kind)
        return NM_OK;  //  A void
    if (!mail->shared)
        return s_readdress(self, link, rank, mail);
    bool goes = !claimed || !self->role->doubted || self->role->doubted(mail->kind, mail->body, &changed);
    if (changed.size)
        again.body = nm_buf_bytes(&changed);
    nm_rc_t rc =
        goes ? nm_posting_wait(self, nm_posting_lane(self, link->peer->actor.role, NULL), rank, &again) : NM_OK;
    nm_buf_free(&changed);
    return rc;
}

//  What is open: its receipt will never come.
static nm_rc_t
s_empty_open(nm_actor_t *self, nm_link_t *link, size_t *left)
{
    nm_rc_t rc = NM_OK;
    for (; *left && rc == NM_OK; (*left)--) {
        nm_outbox_mail_t mail;
        uint64_t seq;
        rc = nm_outbox_first_open(self->turn.txn, link, &seq, &mail);
        bool receipted = rc == NM_OK && nm_spans_has(&link->receipted, seq);
        if (rc == NM_OK && !receipted)
            rc = s_give_back(self, link, seq, &mail);
        if (rc == NM_OK)
            rc = nm_outbox_delete_open(self->turn.txn, link, seq);
        if (rc == NM_OK && !receipted && link->open_count)
            link->open_count--;
    }
    return rc;
}

//  What waits for exactly this peer, also when it comes later.
static nm_rc_t
s_empty_lane(nm_actor_t *self, nm_link_t *link, size_t *left)
{
    nm_lane_t *lane = nm_posting_lane(self, NM_ROLE_NONE, link->peer->actor.name);
    nm_rc_t rc = NM_OK;
    for (; *left && lane->count && rc == NM_OK; (*left)--) {
        nm_outbox_mail_t mail;
        nm_place_t place;
        rc = nm_outbox_first(self->turn.txn, nm_text(lane->text), &place, &mail);
        if (rc == NM_OK)
            rc = s_readdress(self, link, place.rank, &mail);
        if (rc == NM_OK)
            rc = nm_posting_drop(self, lane, place, &mail);
    }
    return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;
}

static nm_rc_t
s_end(nm_actor_t *self, nm_link_t *link)
{
    nm_rc_t rc = nm_outbox_end_link(self->turn.txn, link);
    if (rc == NM_OK)
        rc = nm_inbox_end_link(self->turn.txn, link);
    link->open_count = 0;
    link->open_size = 0;
    link->known = link->seen_changed = link->next_changed = false;
    link->ended = rc == NM_OK;
    return rc;
}

static nm_rc_t
s_run_link(nm_actor_t *self, nm_link_t *link, size_t *left)
{
    nm_rc_t rc = link->ended ? NM_ERR_MISSING : s_empty_open(self, link, left);
    if (rc == NM_ERR_MISSING)  //  Nothing is open any more
        rc = link->ended ? NM_OK : s_end(self, link);
    return rc == NM_OK ? s_empty_lane(self, link, left) : rc;
}

nm_rc_t
nm_forgetting_run(nm_actor_t *self)
{
    size_t left = S_TURN_MAX;
    nm_rc_t rc = NM_OK;
    bool ended = false;
    for (size_t i = 0; i < self->link_count && rc == NM_OK && left; i++) {
        nm_link_t *link = self->links[i];
        if (link->state != NM_LINK_FORGOTTEN)
            continue;
        bool before = link->ended;
        rc = s_run_link(self, link, &left);
        ended |= link->ended != before;
    }
    self->unfinished |= !left;
    return rc == NM_OK && ended ? nm_forgetting_look(self) : rc;
}
