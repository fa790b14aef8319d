#include "broker/actor_private.h"

#include "wire/writer.h"

//  -- Lanes

//  The lane of a peer if one is named, else of the role. Lanes are made once; those of roles are few, and come first.
nm_lane_t *
nm_posting_lane(nm_actor_t *self, nm_role_id_t role, const char *peer)
{
    if (peer) {
        const nm_link_t *link = nm_actor_link(self, peer);
        return link && link->waits_in ? &self->lanes[link->waits_in - 1] : NULL;
    }
    for (size_t i = 0; i < self->lane_count; i++)
        if (self->lanes[i].role == role)
            return &self->lanes[i];
    return NULL;
}

static nm_lane_t *
s_new_lane(nm_actor_t *self, const char *kind, const char *name)
{
    self->lanes = nm_realloc(self->lanes, (self->lane_count + 1) * sizeof *self->lanes);
    nm_lane_t *lane = &self->lanes[self->lane_count++];
    *lane = (nm_lane_t){ .role = NM_ROLE_NONE };
    snprintf(lane->text, sizeof lane->text, "%s:%s", kind, name);
    return lane;
}

static void
s_add_role_lane(nm_actor_t *self, nm_role_id_t role)
{
    if (!nm_posting_lane(self, role, NULL))
        s_new_lane(self, "role", nm_role_text(role))->role = role;
}

static void
s_add_link_lane(nm_actor_t *self, nm_link_t *link)
{
    if (link->waits_in)
        return;
    s_new_lane(self, "peer", link->peer->actor.name)->link = link;
    link->waits_in = self->lane_count;
}

static nm_rc_t
s_count_lane(nm_txn_t *txn, nm_lane_t *lane)
{
    nm_cursor_t cursor;
    nm_place_t place;
    nm_rc_t rc;
    lane->count = 0;
    lane->tagged = false;
    nm_tags_free(&lane->tags);
    nm_queue_open(&cursor, txn, &nm_outbox_waiting, nm_text(lane->text));
    while ((rc = nm_queue_next(&cursor, &place, NULL)) == NM_OK)
        lane->count++;
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  Puts mail into the lane, and takes it out.
nm_rc_t
nm_posting_wait(nm_actor_t *self, nm_lane_t *lane, uint64_t rank, const nm_outbox_mail_t *mail)
{
    nm_place_t place;
    nm_rc_t rc = nm_outbox_wait(self->turn.txn, nm_text(lane->text), rank, mail, &place);
    if (rc != NM_OK)
        return rc;
    lane->count++;
    if (lane->tagged)
        nm_tags_add(&lane->tags, mail->tag, place);
    return NM_OK;
}

nm_rc_t
nm_posting_drop(nm_actor_t *self, nm_lane_t *lane, nm_place_t place, const nm_outbox_mail_t *mail)
{
    nm_rc_t rc = nm_outbox_drop(self->turn.txn, nm_text(lane->text), place);
    if (rc != NM_OK)
        return rc;
    lane->count--;
    if (lane->tagged)
        nm_tags_drop(&lane->tags, mail->tag, place);
    if (!lane->count)
        nm_tags_free(&lane->tags);
    return NM_OK;
}

static void
s_add_tag(void *arg, nm_bytes_t tag, nm_place_t place)
{
    nm_lane_t *lane = arg;
    nm_tags_add(&lane->tags, tag, place);
}

//  The first time in a lane it is walked as a whole.
nm_rc_t
nm_posting_find(nm_actor_t *self, nm_lane_t *lane, nm_bytes_t tag, nm_place_t *place, nm_outbox_mail_t *mail)
{
    nm_rc_t rc = NM_OK;
    if (!lane->tagged)
        rc = nm_outbox_each_tag(self->turn.txn, nm_text(lane->text), s_add_tag, lane);
    lane->tagged = true;
    if (rc == NM_OK)
        rc = nm_tags_first(&lane->tags, tag, place);
    if (rc != NM_OK)
        return rc;
    rc = nm_outbox_get(self->turn.txn, nm_text(lane->text), *place, mail);
    return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;  //  The tags follow the lane
}

//  Every lane that mail of ours could wait in: each role and each peer that we are linked to.
static nm_rc_t
s_load_lanes(nm_actor_t *self, nm_txn_t *txn)
{
    nm_rc_t rc = NM_OK;
    for (nm_role_id_t role = NM_ROLE_GATEWAY; role < NM_ROLE_OPERATOR; role++)
        if (nm_roles_link(self->role->id, role))
            s_add_role_lane(self, role);
    for (size_t i = 0; i < self->link_count; i++)
        s_add_link_lane(self, self->links[i]);
    for (size_t i = 0; i < self->lane_count && rc == NM_OK; i++)
        rc = s_count_lane(txn, &self->lanes[i]);
    return rc;
}

//  What the store knows of one link.
static nm_rc_t
s_load_link(nm_actor_t *self, nm_txn_t *txn, nm_link_t *link)
{
    uint32_t epoch = nm_store_epoch(self->store);
    nm_rc_t rc = link->ended ? NM_OK : nm_outbox_load_link(txn, link, epoch);
    if (rc == NM_OK)
        rc = nm_inbox_load_link(txn, link, epoch, &link->restored);
    if (rc != NM_OK)
        return rc;
    link->seen_changed = false;
    link->next_changed = false;
    link->resend_below = link->next;
    link->resend = link->open_count > 0;
    return NM_OK;
}

nm_rc_t
nm_posting_load(nm_actor_t *self, nm_txn_t *txn)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < self->link_count && rc == NM_OK; i++)
        rc = s_load_link(self, txn, self->links[i]);
    return rc == NM_OK ? s_load_lanes(self, txn) : rc;
}

nm_rc_t
nm_posting_add_link(nm_actor_t *self, nm_txn_t *txn, nm_link_t *link)
{
    nm_rc_t rc = s_load_link(self, txn, link);
    if (rc != NM_OK)
        return rc;
    s_add_link_lane(self, link);
    return s_count_lane(txn, &self->lanes[link->waits_in - 1]);
}

//  -- Drafts: mail to one peer, packed while the turn still runs

void
nm_posting_flush(nm_actor_t *self, const nm_link_t *link)
{
    nm_draft_t *draft = &self->mail_drafts[link->index];
    if (!draft->count)
        return;
    nm_writer_list_close(&draft->bytes, draft->mark, draft->count);
    nm_output_t *output = nm_actor_output(self, NM_OUT_FRAME);
    output->peer = link->peer;
    output->bytes = draft->bytes;
    *draft = (nm_draft_t){ .count = 0 };
}

//  Fields in the order of NM_MAIL_FIELDS.
static void
s_start_draft(nm_actor_t *self, const nm_link_t *link, nm_draft_t *draft, bool claim)
{
    const nm_id_t *store = nm_store_id(self->store);
    nm_frame_start(&draft->bytes, NM_FRAME_MAIL);
    nm_writer_map(&draft->bytes, claim ? 7 : 6);
    nm_writer_uint(&draft->bytes, 1);
    nm_writer_uint(&draft->bytes, nm_store_epoch(self->store));
    nm_writer_uint(&draft->bytes, 2);
    nm_writer_bin(&draft->bytes, nm_bytes(store->at, sizeof store->at));
    nm_writer_uint(&draft->bytes, 3);
    nm_writer_uint(&draft->bytes, link->low);
    if (claim) {
        nm_writer_uint(&draft->bytes, 5);
        nm_writer_bool(&draft->bytes, true);
    }
    nm_writer_uint(&draft->bytes, 6);
    nm_writer_uint(&draft->bytes, self->boot);
    nm_writer_uint(&draft->bytes, 7);
    nm_writer_uint(&draft->bytes, link->boot);
    nm_writer_uint(&draft->bytes, 4);
    draft->mark = nm_writer_list_open(&draft->bytes);
    draft->claim = claim;
}

//  Adds one mail to the frame that goes to the link after the commit. What is merely offered is to be claimed.
static void
s_draft(nm_actor_t *self, const nm_link_t *link, uint64_t seq, const nm_outbox_mail_t *mail, nm_bytes_t body)
{
    nm_draft_t *draft = &self->mail_drafts[link->index];
    bool claim = nm_claims_get(&link->claim, seq) == NM_CLAIM_OFFERED;
    if (draft->count && (draft->claim != claim || draft->bytes.size + body.size > NM_MAIL_BATCH_SIZE))
        nm_posting_flush(self, link);
    if (!draft->count)
        s_start_draft(self, link, draft, claim);
    nm_mail_item_t item = { 0 };
    NM_PUT(&item, mail_item, seq, seq);
    NM_PUT(&item, mail_item, kind, mail->kind);
    NM_PUT(&item, mail_item, priority, mail->priority);
    NM_PUT(&item, mail_item, body, body);
    nm_record_encode(&nm_mail_item_shape, &item, NM_BY_TAG, &draft->bytes);
    if (++draft->count == NM_MAIL_BATCH_COUNT)
        nm_posting_flush(self, link);
}

static void
s_drop_draft(nm_actor_t *self, const nm_link_t *link)
{
    self->mail_drafts[link->index].count = 0;
    nm_buf_clear(&self->mail_drafts[link->index].bytes);
}

void
nm_posting_void(nm_actor_t *self, nm_link_t *link, uint64_t seq)
{
    nm_outbox_mail_t nothing = { .kind = 0 };
    s_draft(self, link, seq, &nothing, nm_bytes(NULL, 0));
}

//  -- Mail out

//  How gladly a peer takes more: the room that its credit leaves, less what it holds already. Credit follows each
//  receipt, but says nothing of what lies behind it; the backlog is as old as the last beat.
static int64_t
s_room(const nm_link_t *link)
{
    uint64_t backlog = link->backlog < UINT32_MAX ? link->backlog : UINT32_MAX;
    return (int64_t) link->credit - link->open_count - (int64_t) backlog;
}

//  The peer of the lane that is there and takes it most gladly. Nobody has more room than one that has nothing, so the
//  walk over many mostly ends early.
static nm_link_t *
s_choose(nm_actor_t *self, const nm_lane_t *lane, size_t size)
{
    nm_link_t *best = NULL;
    if (lane->link)
        return nm_link_may_take(lane->link, size) ? lane->link : NULL;
    for (size_t i = 0; i < self->link_count && (!best || s_room(best) < NM_CREDIT_COUNT); i++) {
        nm_link_t *link = self->links[i];
        if (link->peer->actor.role == lane->role && nm_link_may_take(link, size) &&
            (!best || s_room(link) > s_room(best)))
            best = link;
    }
    return best;
}

//  Is mail to this peer to be claimed first? Only if there is another to whom it could go instead.
static bool
s_is_offered(const nm_actor_t *self, const nm_link_t *link, const nm_outbox_mail_t *mail)
{
    if (!mail->shared || !link->claims)
        return false;
    for (size_t i = 0; i < self->link_count; i++) {
        const nm_link_t *other = self->links[i];
        if (other != link && other->peer->actor.role == link->peer->actor.role && !other->peer->forgotten)
            return true;
    }
    return false;
}

static nm_rc_t
s_assign(nm_actor_t *self, nm_link_t *link, const nm_outbox_mail_t *mail, nm_bytes_t body)
{
    uint64_t seq;
    if (!link->open_count)
        link->progress_ms = self->turn.now.mono_ms;
    nm_rc_t rc = nm_outbox_assign(self->turn.txn, link, mail, body.size, &seq);
    if (rc != NM_OK)
        return rc;
    nm_claims_set(&link->claim, seq, s_is_offered(self, link, mail) ? NM_CLAIM_OFFERED : NM_CLAIM_CLAIMED);
    s_draft(self, link, seq, mail, body);
    nm_watches_place(&self->watches, mail->tag, link, seq);
    self->turn.mails_out++;
    return NM_OK;
}

nm_rc_t
nm_posting_put(nm_actor_t *self, const nm_mail_out_t *mail)
{
    nm_role_id_t role = mail->role;
    if (mail->peer) {
        const nm_peer_t *peer = nm_directory_find(self->setup.directory, mail->peer);
        role = peer ? peer->actor.role : NM_ROLE_NONE;
    }
    if (!nm_roles_may_mail(self->role->id, role, mail->kind) || mail->ref.size > NM_OUTBOX_TAG_MAX ||
        mail->tag.size > NM_OUTBOX_TAG_MAX)
        return NM_ERR_REFUSED;
    nm_lane_t *lane = nm_posting_lane(self, role, mail->peer);
    if (!lane)
        return NM_ERR_BUG;  //  Whoever may be mailed has a link, and each link a lane
    nm_outbox_mail_t kept = { .kind = mail->kind, .priority = mail->priority };
    kept.by_ref = mail->ref.size > 0;
    kept.shared = !lane->link;
    kept.tag = kept.by_ref ? mail->ref : mail->tag;
    if (!kept.by_ref)
        kept.body = mail->body;

    if (mail->notify)
        nm_watches_add(&self->watches, kept.tag, mail->notify);

    //  Nobody waits before it and there is credit: one put instead of two.
    nm_link_t *link = lane->count ? NULL : s_choose(self, lane, mail->body.size);
    if (link)
        return s_assign(self, link, &kept, mail->body);
    return nm_posting_wait(self, lane, nm_rank(self->turn.now.wall_ms, mail->priority), &kept);
}

//  The body of kept mail: its own, or what the role finds by the reference.
static nm_rc_t
s_body(nm_actor_t *self, const nm_outbox_mail_t *mail, nm_bytes_t *body)
{
    *body = mail->body;
    if (!mail->by_ref)
        return NM_OK;
    nm_rc_t rc = self->role->load_body(self->state, &self->turn, mail->kind, mail->tag, body);
    if (rc == NM_ERR_MISSING)
        *body = nm_bytes(NULL, 0);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_assign_lane(nm_actor_t *self, nm_lane_t *lane)
{
    nm_rc_t rc = NM_OK;
    while (lane->count && rc == NM_OK) {
        nm_outbox_mail_t mail;
        nm_place_t place;
        nm_bytes_t body;
        if (!s_choose(self, lane, 0))
            return NM_OK;
        rc = nm_outbox_first(self->turn.txn, nm_text(lane->text), &place, &mail);
        if (rc == NM_OK)
            rc = s_body(self, &mail, &body);
        if (rc != NM_OK)
            return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;
        nm_link_t *link = s_choose(self, lane, body.size);
        if (!link)
            return NM_OK;
        rc = s_assign(self, link, &mail, body);
        if (rc == NM_OK)
            rc = nm_posting_drop(self, lane, place, &mail);
    }
    return rc;
}

//  Sends open mail again. It keeps its claim, if it had one; if none is to be had any more, it is granted.
static nm_rc_t
s_resend_one(nm_actor_t *self, nm_link_t *link, uint64_t seq)
{
    nm_outbox_mail_t mail;
    nm_bytes_t body;
    nm_rc_t rc = nm_outbox_read(self->turn.txn, link, seq, &mail);
    if (rc == NM_OK)
        rc = s_body(self, &mail, &body);
    if (rc != NM_OK)
        return rc;
    if (nm_claims_get(&link->claim, seq) == NM_CLAIM_OFFERED && !s_is_offered(self, link, &mail))
        nm_claims_set(&link->claim, seq, NM_CLAIM_CLAIMED);
    s_draft(self, link, seq, &mail, body);
    nm_metric_add(self->metric.mail_again, 1);
    return NM_OK;
}

//  After a greeting: everything that was open before it and that the peer does not have.
static nm_rc_t
s_resend(nm_actor_t *self, nm_link_t *link)
{
    nm_rc_t rc = NM_OK;
    link->resend = false;
    link->progress_ms = self->turn.now.mono_ms;
    for (uint64_t seq = link->receipted.seen + 1; seq < link->resend_below; seq++) {
        if (!nm_spans_has(&link->receipted, seq))
            rc = s_resend_one(self, link, seq);
        //  It had given its receipt for this one, and does not know it any more.
        if (rc == NM_ERR_MISSING && !link->peer_restored) {
            nm_mailbox_say_verdict(self, link, NM_GREET_PEER_ROLLED);
            s_drop_draft(self, link);
            return NM_OK;
        }
        if (rc != NM_OK && rc != NM_ERR_MISSING)
            return rc;
    }
    return NM_OK;
}

//  -- Receipts in

//  What the peer has told us: its watermark and runs. Only forward: a late word covers less.
void
nm_posting_receipted(nm_actor_t *self, nm_link_t *link, const nm_spans_t *spans)
{
    if (nm_spans_count(spans) < nm_spans_count(&link->receipted))
        return;
    uint32_t before = link->open_count;
    uint64_t open = link->next - 1 - nm_spans_count(spans);
    bool rose = spans->seen > link->receipted.seen;
    link->receipted = *spans;
    link->open_count = (uint32_t) open;
    //  Sizes are not kept one by one: the fuse may be a little off, the count is exact.
    link->open_size = before ? link->open_size * open / before : 0;
    //  A hole below what flows on is no progress: after a while the peer is asked what it lacks.
    if (rose)
        link->progress_ms = self->turn.now.mono_ms;
    if (open != before) {
        int64_t due_ms = self->turn.now.mono_ms + NM_FORGET_PATIENCE_MS;
        if (due_ms < self->forget_at_ms)
            self->forget_at_ms = due_ms;
    }
}

static bool
s_forget_due(const nm_actor_t *self)
{
    if (self->forget_at_ms == INT64_MAX)
        return false;
    if (nm_txn_changed(self->turn.txn) || self->turn.now.mono_ms >= self->forget_at_ms)
        return true;
    uint64_t waiting = 0;
    for (size_t i = 0; i < self->link_count; i++)
        waiting += self->links[i]->receipted.seen - self->links[i]->forgotten;
    return waiting >= NM_FORGET_COUNT;
}

//  A receipt is believed at once and written down when a commit is due anyway: losing it
//  in a crash only means that the greeting brings it again.
static nm_rc_t
s_forget(nm_actor_t *self)
{
    nm_rc_t rc = NM_OK;
    if (!s_forget_due(self))
        return NM_OK;
    for (size_t i = 0; i < self->link_count && rc == NM_OK; i++) {
        nm_link_t *link = self->links[i];
        if (!link->ended && (link->receipted.seen > link->forgotten || link->receipted.run_count))
            rc = nm_outbox_forget(self->turn.txn, link);
    }
    self->forget_at_ms = INT64_MAX;
    return rc;
}

//  -- The end of a turn

nm_rc_t
nm_posting_finish(nm_actor_t *self)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < self->link_count && rc == NM_OK; i++)
        if (self->links[i]->resend && self->links[i]->state == NM_LINK_UP)
            rc = s_resend(self, self->links[i]);
    if (rc == NM_OK)
        rc = nm_takeback_run(self);
    if (rc == NM_OK)
        rc = nm_forgetting_run(self);
    for (size_t i = 0; i < self->lane_count && rc == NM_OK; i++)
        rc = s_assign_lane(self, &self->lanes[i]);
    if (rc == NM_OK)
        rc = s_forget(self);
    for (size_t i = 0; i < self->link_count && rc == NM_OK; i++) {
        nm_link_t *link = self->links[i];
        if (link->next_changed)
            rc = nm_outbox_save_link(self->turn.txn, link, nm_store_epoch(self->store));
        if (rc == NM_OK && link->seen_changed)
            rc = nm_inbox_save_link(self->turn.txn, link, nm_store_epoch(self->store));
    }
    return rc;
}

void
nm_posting_discard(nm_actor_t *self)
{
    for (size_t i = 0; i < self->link_count; i++) {
        s_drop_draft(self, self->links[i]);
        self->links[i]->receipt_due = false;
        nm_pending_clear(&self->links[i]->pending);
        nm_forgetting_undo(self->links[i]);
        nm_link_unmeet(self->links[i]);
    }
    nm_watches_undo(&self->watches);
    self->forget_at_ms = INT64_MAX;
}
