#include "broker/actor_private.h"

#include "broker/log.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  How far beyond the watermark a number may lie: more than one window is a lie.
enum { S_AHEAD_MAX = 16 * NM_CREDIT_COUNT };

//  -- Lanes

//  The lane of a peer if one is named, else of the role. Lanes are few and made once.
nm_lane_t *
nm_mailbox_lane(nm_actor_t *self, nm_role_id_t role, const char *peer)
{
    for (size_t i = 0; i < self->lane_count; i++) {
        nm_lane_t *lane = &self->lanes[i];
        if (peer ? lane->peer && strcmp(lane->peer, peer) == 0 : lane->role == role)
            return lane;
    }
    return NULL;
}

static void
s_add_lane(nm_actor_t *self, nm_role_id_t role, const char *peer)
{
    nm_lane_t *lane = nm_mailbox_lane(self, role, peer);
    if (lane)
        return;
    self->lanes = nm_realloc(self->lanes, (self->lane_count + 1) * sizeof *self->lanes);
    lane = &self->lanes[self->lane_count++];
    *lane = (nm_lane_t){ .role = peer ? NM_ROLE_NONE : role, .peer = peer };
    snprintf(lane->text, sizeof lane->text, peer ? "peer:%s" : "role:%s", peer ? peer : nm_role_text(role));
}

static nm_rc_t
s_count_lane(nm_txn_t *txn, nm_lane_t *lane)
{
    nm_cursor_t cursor;
    nm_place_t place;
    nm_rc_t rc;
    lane->count = 0;
    nm_queue_open(&cursor, txn, &nm_outbox_waiting, nm_text(lane->text));
    while ((rc = nm_queue_next(&cursor, &place, NULL)) == NM_OK)
        lane->count++;
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  Every lane that mail of ours could wait in: each role and each peer that we are linked to.
static nm_rc_t
s_load_lanes(nm_actor_t *self, nm_txn_t *txn)
{
    nm_rc_t rc = NM_OK;
    for (nm_role_id_t role = NM_ROLE_GATEWAY; role < NM_ROLE_OPERATOR; role++)
        if (nm_roles_link(self->role->id, role))
            s_add_lane(self, role, NULL);
    for (size_t i = 0; i < self->link_count; i++)
        s_add_lane(self, NM_ROLE_NONE, self->links[i].peer->actor.name);
    for (size_t i = 0; i < self->lane_count && rc == NM_OK; i++)
        rc = s_count_lane(txn, &self->lanes[i]);
    return rc;
}

nm_rc_t
nm_mailbox_load(nm_actor_t *self, nm_txn_t *txn)
{
    uint32_t epoch = nm_store_epoch(self->store);
    for (size_t i = 0; i < self->link_count; i++) {
        nm_link_t *link = &self->links[i];
        nm_rc_t rc = nm_outbox_load_link(txn, link, epoch);
        if (rc == NM_OK)
            rc = nm_inbox_load_link(txn, link, epoch, &link->restored);
        if (rc != NM_OK)
            return rc;
        link->seen_changed = false;
        link->next_changed = false;
        link->resend_below = link->next;
        link->resend = link->open_count > 0;
    }
    return s_load_lanes(self, txn);
}

//  -- Frames out

static void
s_send(nm_actor_t *self, const nm_link_t *link, nm_frame_kind_t kind, const nm_shape_t *shape, const void *record)
{
    nm_output_t *output = nm_actor_output(self, NM_OUT_FRAME);
    output->peer = link->peer;
    nm_frame_start(&output->bytes, kind);
    nm_record_encode(shape, record, NM_BY_TAG, &output->bytes);
}

static void
s_flush(nm_actor_t *self, const nm_link_t *link)
{
    nm_draft_t *draft = &self->mail_drafts[link - self->links];
    if (!draft->count)
        return;
    nm_writer_list_close(&draft->bytes, draft->mark, draft->count);
    nm_output_t *output = nm_actor_output(self, NM_OUT_FRAME);
    output->peer = link->peer;
    output->bytes = draft->bytes;
    *draft = (nm_draft_t){ .count = 0 };
}

static void
s_start_draft(nm_actor_t *self, const nm_link_t *link, nm_draft_t *draft)
{
    const nm_id_t *store = nm_store_id(self->store);
    nm_frame_start(&draft->bytes, NM_FRAME_MAIL);
    nm_writer_map(&draft->bytes, 4);
    nm_writer_uint(&draft->bytes, 1);
    nm_writer_uint(&draft->bytes, nm_store_epoch(self->store));
    nm_writer_uint(&draft->bytes, 2);
    nm_writer_bin(&draft->bytes, nm_bytes(store->at, sizeof store->at));
    nm_writer_uint(&draft->bytes, 3);
    nm_writer_uint(&draft->bytes, link->low);
    nm_writer_uint(&draft->bytes, 4);
    draft->mark = nm_writer_list_open(&draft->bytes);
}

//  Adds one mail to the frame that goes to the link after the commit.
static void
s_draft(nm_actor_t *self, const nm_link_t *link, uint64_t seq, uint8_t kind, uint8_t priority, nm_bytes_t body)
{
    nm_draft_t *draft = &self->mail_drafts[link - self->links];
    if (draft->count && draft->bytes.size + body.size > NM_MAIL_BATCH_SIZE)
        s_flush(self, link);
    if (!draft->count)
        s_start_draft(self, link, draft);
    nm_mail_item_t item = { 0 };
    NM_PUT(&item, mail_item, seq, seq);
    NM_PUT(&item, mail_item, kind, kind);
    NM_PUT(&item, mail_item, priority, priority);
    NM_PUT(&item, mail_item, body, body);
    nm_record_encode(&nm_mail_item_shape, &item, NM_BY_TAG, &draft->bytes);
    if (++draft->count == NM_MAIL_BATCH_COUNT)
        s_flush(self, link);
}

//  -- Mail out

//  The peer of the lane with the most room that is there now.
static nm_link_t *
s_choose(nm_actor_t *self, const nm_lane_t *lane, size_t size)
{
    nm_link_t *best = NULL;
    uint32_t best_room = 0;
    for (size_t i = 0; i < self->link_count; i++) {
        nm_link_t *link = &self->links[i];
        bool wanted = lane->peer ? link->peer->actor.name == lane->peer : link->peer->actor.role == lane->role;
        if (!wanted || !nm_link_may_take(link, size))
            continue;
        uint32_t room = link->credit - link->open_count;
        if (!best || room > best_room) {
            best = link;
            best_room = room;
        }
    }
    return best;
}

static nm_rc_t
s_assign(nm_actor_t *self, nm_link_t *link, const nm_outbox_mail_t *mail, nm_bytes_t body)
{
    uint64_t seq;
    if (!link->open_count)
        link->progress_ms = self->turn.now.mono_ms;
    nm_rc_t rc = nm_outbox_assign(self->turn.txn, link, mail, body.size, &seq);
    if (rc == NM_OK) {
        s_draft(self, link, seq, mail->kind, mail->priority, body);
        self->turn.mails_out++;
    }
    return rc;
}

nm_rc_t
nm_mailbox_put(nm_actor_t *self, const nm_mail_out_t *mail)
{
    nm_role_id_t role = mail->role;
    if (mail->peer) {
        const nm_peer_t *peer = nm_directory_find(self->setup.directory, mail->peer);
        role = peer ? peer->actor.role : NM_ROLE_NONE;
    }
    if (!nm_roles_may_mail(self->role->id, role, mail->kind) || mail->ref.size > NM_OUTBOX_TAG_MAX ||
        mail->tag.size > NM_OUTBOX_TAG_MAX)
        return NM_ERR_REFUSED;
    nm_lane_t *lane = nm_mailbox_lane(self, role, mail->peer);
    if (!lane)
        return NM_ERR_BUG;  //  Whoever may be mailed has a link, and each link a lane
    nm_outbox_mail_t kept = { .kind = mail->kind, .priority = mail->priority, .by_ref = mail->ref.size > 0 };
    kept.tag = kept.by_ref ? mail->ref : mail->tag;
    if (!kept.by_ref)
        kept.body = mail->body;

    //  Nobody waits before it and there is credit: one put instead of two.
    nm_link_t *link = lane->count ? NULL : s_choose(self, lane, mail->body.size);
    if (link)
        return s_assign(self, link, &kept, mail->body);
    nm_rc_t rc =
        nm_outbox_wait(self->turn.txn, nm_text(lane->text), nm_rank(self->turn.now.wall_ms, mail->priority), &kept);
    if (rc == NM_OK)
        lane->count++;
    return rc;
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
            rc = nm_outbox_drop(self->turn.txn, nm_text(lane->text), place);
        lane->count--;
    }
    return rc;
}

//  After a greeting: everything that was open before it and that the peer does not have.
static nm_rc_t
s_resend(nm_actor_t *self, nm_link_t *link)
{
    nm_rc_t rc = NM_OK;
    for (uint64_t seq = link->receipted.seen + 1; seq < link->resend_below && rc == NM_OK; seq++) {
        nm_outbox_mail_t mail;
        nm_bytes_t body;
        if (nm_spans_has(&link->receipted, seq))
            continue;
        rc = nm_outbox_read(self->turn.txn, link, seq, &mail);
        if (rc == NM_OK)
            rc = s_body(self, &mail, &body);
        if (rc == NM_OK) {
            s_draft(self, link, seq, mail.kind, mail.priority, body);
            nm_metric_add(self->metric.mail_again, 1);
        }
    }
    link->resend = false;
    link->progress_ms = self->turn.now.mono_ms;
    return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;
}

//  -- Credit

static uint32_t
s_credit(nm_actor_t *self)
{
    if (self->leaving || (self->room.tight && !self->role->mail_drains))
        return 0;
    size_t room = self->role->room ? self->role->room(self->state) : NM_CREDIT_COUNT;
    return room < NM_CREDIT_COUNT ? (uint32_t) room : NM_CREDIT_COUNT;
}

//  Tells a peer only of a change that matters to it: from none to some, to none, or by half.
static bool
s_credit_matters(uint32_t granted, uint32_t credit)
{
    return granted != credit && (!granted || !credit || credit >= granted * 2 || credit <= granted / 2);
}

//  -- Receipts in

//  What the peer has told us: its watermark and runs. Only forward.
static void
s_receipted(nm_actor_t *self, nm_link_t *link, const nm_spans_t *spans)
{
    if (spans->seen < link->receipted.seen)
        return;
    uint32_t before = link->open_count;
    uint64_t open = link->next - 1 - spans->seen;
    for (uint32_t i = 0; i < spans->run_count; i++)
        open -= spans->runs[i].last - spans->runs[i].first + 1;
    link->receipted = *spans;
    link->open_count = (uint32_t) open;
    //  Sizes are not kept one by one: the fuse may be a little off, the count is exact.
    link->open_size = before ? link->open_size * open / before : 0;
    if (open != before) {
        link->progress_ms = self->turn.now.mono_ms;
        int64_t due_ms = self->turn.now.mono_ms + NM_FORGET_PATIENCE_MS;
        if (due_ms < self->forget_at_ms)
            self->forget_at_ms = due_ms;
    }
}

//  Runs that claim numbers we never gave away are a lie.
static bool
s_plausible(const nm_link_t *link, const nm_spans_t *spans)
{
    uint64_t last = spans->run_count ? spans->runs[spans->run_count - 1].last : spans->seen;
    return last < link->next;
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
        waiting += self->links[i].receipted.seen - self->links[i].forgotten;
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
        nm_link_t *link = &self->links[i];
        if (link->receipted.seen > link->forgotten || link->receipted.run_count)
            rc = nm_outbox_forget(self->turn.txn, link);
    }
    self->forget_at_ms = INT64_MAX;
    return rc;
}

nm_rc_t
nm_mailbox_finish(nm_actor_t *self)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < self->link_count && rc == NM_OK; i++)
        if (self->links[i].resend && self->links[i].state == NM_LINK_UP)
            rc = s_resend(self, &self->links[i]);
    for (size_t i = 0; i < self->lane_count && rc == NM_OK; i++)
        rc = s_assign_lane(self, &self->lanes[i]);
    if (rc == NM_OK)
        rc = s_forget(self);
    for (size_t i = 0; i < self->link_count && rc == NM_OK; i++) {
        nm_link_t *link = &self->links[i];
        if (link->next_changed)
            rc = nm_outbox_save_link(self->turn.txn, link, nm_store_epoch(self->store));
        if (rc == NM_OK && link->seen_changed)
            rc = nm_inbox_save_link(self->turn.txn, link, nm_store_epoch(self->store));
    }
    return rc;
}

//  -- After the commit

static void
s_send_greet(nm_actor_t *self, nm_link_t *link, bool answer, uint32_t credit)
{
    nm_greet_t greet = { 0 };
    nm_buf_t above = { 0 };
    NM_PUT(&greet, greet, store, *nm_store_id(self->store));
    NM_PUT(&greet, greet, epoch, nm_store_epoch(self->store));
    NM_PUT(&greet, greet, boot, self->boot);
    NM_PUT(&greet, greet, low, link->low);
    NM_PUT(&greet, greet, next, link->next);
    if (link->known) {
        nm_spans_write(&link->seen, &above);
        NM_PUT(&greet, greet, seen_store, link->store);
        NM_PUT(&greet, greet, seen_epoch, link->epoch);
        NM_PUT(&greet, greet, seen, link->seen.seen);
        NM_PUT(&greet, greet, above, nm_buf_bytes(&above));
    }
    NM_PUT(&greet, greet, credit, credit);
    NM_PUT(&greet, greet, answer, answer);
    NM_PUT(&greet, greet, version, nm_text(NM_VERSION_TEXT));
    if (link->boot)
        NM_PUT(&greet, greet, your_boot, link->boot);
    s_send(self, link, NM_FRAME_GREET, &nm_greet_shape, &greet);
    nm_buf_free(&above);
    link->granted = credit;
}

static void
s_send_receipt(nm_actor_t *self, nm_link_t *link, uint32_t credit)
{
    nm_receipt_t receipt = { 0 };
    nm_buf_t above = { 0 };
    NM_PUT(&receipt, receipt, store, link->store);
    NM_PUT(&receipt, receipt, epoch, link->epoch);
    NM_PUT(&receipt, receipt, seen, link->seen.seen);
    if (link->seen.run_count) {
        nm_spans_write(&link->seen, &above);
        NM_PUT(&receipt, receipt, above, nm_buf_bytes(&above));
    }
    NM_PUT(&receipt, receipt, credit, credit);
    s_send(self, link, NM_FRAME_RECEIPT, &nm_receipt_shape, &receipt);
    nm_buf_free(&above);
    link->granted = credit;
    nm_metric_add(self->metric.receipts_out, 1);
}

static void
s_send_beat(nm_actor_t *self, nm_link_t *link, uint32_t credit, uint64_t backlog)
{
    nm_beat_t beat = { 0 };
    NM_PUT(&beat, beat, boot, self->boot);
    NM_PUT(&beat, beat, credit, credit);
    NM_PUT(&beat, beat, backlog, backlog);
    s_send(self, link, NM_FRAME_BEAT, &nm_beat_shape, &beat);
    link->granted = credit;
}

void
nm_mailbox_release(nm_actor_t *self)
{
    uint32_t credit = s_credit(self);
    bool beat = self->turn.now.mono_ms >= self->beat_at_ms;
    uint64_t backlog = 0;
    int64_t oldest_ms = 0;
    if (beat && self->role->backlog)
        self->role->backlog(self->state, &backlog, &oldest_ms);
    for (size_t i = 0; i < self->link_count; i++) {
        nm_link_t *link = &self->links[i];
        link->seen_changed = false;
        if (link->greet_due || link->answer_due) {
            s_send_greet(self, link, !link->greet_due, credit);
            link->greeted_ms = self->turn.now.mono_ms;
            link->greet_due = link->answer_due = link->receipt_due = false;
        }
        if (link->state == NM_LINK_UP && link->known && (link->receipt_due || s_credit_matters(link->granted, credit)))
            s_send_receipt(self, link, credit);
        link->receipt_due = false;
        s_flush(self, link);
        if (beat && (link->state == NM_LINK_UP || link->state == NM_LINK_QUIET || link->state == NM_LINK_GONE))
            s_send_beat(self, link, credit, backlog);
    }
    if (beat)
        self->beat_at_ms = self->turn.now.mono_ms + NM_LINK_BEAT_MS;
    nm_metric_add(self->metric.mail_out, self->turn.mails_out);
    nm_metric_add(self->metric.mail_in, self->turn.mails_in);
}

void
nm_mailbox_discard(nm_actor_t *self)
{
    for (size_t i = 0; i < self->link_count; i++) {
        self->mail_drafts[i].count = 0;
        nm_buf_clear(&self->mail_drafts[i].bytes);
        self->links[i].receipt_due = false;
    }
    self->forget_at_ms = INT64_MAX;
}

void
nm_mailbox_tick(nm_actor_t *self)
{
    int64_t mono_ms = self->turn.now.mono_ms;
    for (size_t i = 0; i < self->link_count; i++) {
        nm_link_t *link = &self->links[i];
        if (!nm_link_tick(link, mono_ms))
            continue;
        nm_log(link->state == NM_LINK_GONE ? NM_LOG_WARNING : NM_LOG_INFO, "link",
               "%s is %s; %u mails are on the way to it.", link->peer->actor.name, nm_link_state_text(link->state),
               link->open_count);
    }
}

void
nm_actor_goodbye(nm_actor_t *self, const char *reason)
{
    nm_bye_t bye = { 0 };
    NM_PUT(&bye, bye, boot, self->boot);
    NM_PUT(&bye, bye, reason, nm_text(reason));
    for (size_t i = 0; i < self->link_count; i++)
        if (self->links[i].state == NM_LINK_UP || self->links[i].state == NM_LINK_QUIET)
            s_send(self, &self->links[i], NM_FRAME_BYE, &nm_bye_shape, &bye);
}

//  -- Frames in

static nm_rc_t
s_bad(nm_actor_t *self, nm_link_t *link, const char *what)
{
    nm_metric_add(self->metric.bad_frames, 1);
    nm_log(NM_LOG_WARNING, "frame_dropped", "A frame from %s was dropped: %s.", link->peer->actor.name, what);
    if (nm_link_fault(link, self->turn.now.mono_ms))
        nm_log(NM_LOG_ERROR, "link_blocked", "%s sent %d bad frames and is cut off for %d s.", link->peer->actor.name,
               NM_LINK_FAULT_MAX, NM_LINK_BLOCK_MS / 1000);
    return NM_OK;
}

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

static void
s_meet(nm_actor_t *self, nm_link_t *link, const nm_greet_t *greet, const nm_spans_t *receipted)
{
    bool same = link->known && nm_id_equal(&link->store, &greet->store);
    bool newer = same && greet->epoch > link->epoch;
    if (link->known && !same)
        nm_log(NM_LOG_WARNING, "peer_store_new",
               "%s comes with another store than before: what was in its custody and unfinished is with its old one.",
               link->peer->actor.name);
    link->peer_restored = (newer || link->peer_restored) && receipted->seen + 1 < link->low;
    if (same && !newer)
        s_skip_gap(self, link, greet);
    if (!same || newer) {
        link->store = greet->store;
        link->epoch = (uint32_t) greet->epoch;
        link->seen = (nm_spans_t){ 0 };
        link->known = true;
        link->restored = false;
        link->seen_changed = true;
    }
    s_receipted(self, link, receipted);
    link->boot = greet->boot;
    link->credit = (uint32_t) greet->credit;
    if (link->state != NM_LINK_UP)
        nm_log(NM_LOG_INFO, "link", "%s is up (store epoch %u, credit %u).", link->peer->actor.name, link->epoch,
               link->credit);
    link->state = NM_LINK_UP;
    link->greet_tries = 0;
    link->resend = link->open_count > 0;
    link->resend_below = link->next;
}

static void
s_say_verdict(nm_actor_t *self, nm_link_t *link, nm_greet_verdict_t verdict)
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

static nm_rc_t
s_take_greet(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_greet_t greet;
    nm_spans_t receipted = { 0 };
    if (nm_record_decode(&nm_greet_shape, &greet, record, NULL, "") != NM_OK || greet.low > greet.next || !greet.low)
        return s_bad(self, link, "its greeting is malformed");
    bool ours = NM_HAS(&greet, greet, seen_store) && nm_id_equal(&greet.seen_store, nm_store_id(self->store)) &&
                greet.seen_epoch == nm_store_epoch(self->store);
    if (ours && nm_spans_read(&receipted, greet.seen, greet.above) != NM_OK)
        return s_bad(self, link, "its greeting is malformed");

    nm_greet_verdict_t verdict = nm_link_judge(link, &greet, nm_store_id(self->store), nm_store_epoch(self->store));
    if (verdict != NM_GREET_WELL) {
        s_say_verdict(self, link, verdict);
        return NM_OK;
    }
    if (!s_plausible(link, &receipted))
        return s_bad(self, link, "its greeting claims mail that was never sent");
    s_meet(self, link, &greet, &receipted);
    link->answer_due |= !greet.answer;
    return NM_OK;
}

static nm_rc_t
s_take_item(nm_actor_t *self, nm_link_t *link, const nm_mail_item_t *item)
{
    nm_rc_t rc = nm_spans_add(&link->seen, item->seq);
#ifdef NM_MUTANT_NO_DEDUPE
    //  A deliberate fault: mail seen before is handled again.
    if (rc == NM_ERR_DUPLICATE)
        rc = NM_OK;
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

static nm_rc_t
s_take_mail(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_mail_t mail;
    nm_list_t list;
    nm_bytes_t raw;
    if (nm_record_decode(&nm_mail_shape, &mail, record, NULL, "") != NM_OK || nm_list_open(&list, mail.items) != NM_OK)
        return s_bad(self, link, "its mail is malformed");
    //  Before the greeting nobody knows whether the numbers mean anything. The greeting brings it again.
    if (link->state != NM_LINK_UP || !nm_id_equal(&link->store, &mail.store) || link->epoch != mail.epoch) {
        link->greet_due |= link->state != NM_LINK_ROLLED && link->state != NM_LINK_BLOCKED;
        return NM_OK;
    }
    link->receipt_due = true;
    while (nm_list_next(&list, &raw) == NM_OK) {
        nm_mail_item_t item;
        if (nm_record_decode(&nm_mail_item_shape, &item, raw, NULL, "") != NM_OK || !item.seq ||
            item.seq > link->seen.seen + S_AHEAD_MAX)
            return s_bad(self, link, "an item of its mail is malformed");
        if (!nm_roles_may_mail(link->peer->actor.role, self->role->id, (unsigned) item.kind)) {
            nm_metric_add(self->metric.refused, 1);
            return s_bad(self, link, "its role may not send such mail");
        }
        nm_rc_t rc = s_take_item(self, link, &item);
        if (rc != NM_OK)
            return rc;
    }
    return NM_OK;
}

static nm_rc_t
s_take_receipt(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_receipt_t receipt;
    nm_spans_t spans;
    if (nm_record_decode(&nm_receipt_shape, &receipt, record, NULL, "") != NM_OK ||
        nm_spans_read(&spans, receipt.seen, receipt.above) != NM_OK)
        return s_bad(self, link, "its receipt is malformed");
    nm_metric_add(self->metric.receipts_in, 1);
    if (link->state != NM_LINK_UP || !nm_id_equal(&receipt.store, nm_store_id(self->store)) ||
        receipt.epoch != nm_store_epoch(self->store))
        return NM_OK;  //  About another life of this store
    if (!s_plausible(link, &spans))
        return s_bad(self, link, "its receipt claims mail that was never sent");
    s_receipted(self, link, &spans);
    link->credit = (uint32_t) receipt.credit;
    return NM_OK;
}

static nm_rc_t
s_take_beat(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_beat_t beat;
    if (nm_record_decode(&nm_beat_shape, &beat, record, NULL, "") != NM_OK)
        return s_bad(self, link, "its beat is malformed");
    if (link->state == NM_LINK_UP && beat.boot == link->boot)
        link->credit = (uint32_t) beat.credit;
    else if (link->state != NM_LINK_ROLLED)
        link->greet_due = true;
    return NM_OK;
}

static nm_rc_t
s_take_bye(nm_actor_t *self, nm_link_t *link, nm_bytes_t record)
{
    nm_bye_t bye;
    if (nm_record_decode(&nm_bye_shape, &bye, record, NULL, "") != NM_OK)
        return s_bad(self, link, "its goodbye is malformed");
    if (bye.boot != link->boot)
        return NM_OK;
    nm_log(NM_LOG_INFO, "link", "%s has left: %.*s.", link->peer->actor.name, NM_PRINT(bye.reason));
    link->state = NM_LINK_LEFT;
    link->boot = 0;
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
    if (link->state == NM_LINK_BLOCKED)
        return NM_OK;
    if (nm_frame_open(input->bytes, &kind, &record) != NM_OK)
        return s_bad(self, link, "it is not a link frame");
    if (nm_link_heard(link, self->turn.now.mono_ms))
        link->greet_due = true;
    switch (kind) {
    case NM_FRAME_GREET: return s_take_greet(self, link, record);
    case NM_FRAME_MAIL: return s_take_mail(self, link, record);
    case NM_FRAME_RECEIPT: return s_take_receipt(self, link, record);
    case NM_FRAME_BEAT: return s_take_beat(self, link, record);
    case NM_FRAME_BYE: return s_take_bye(self, link, record);
    }
    return s_bad(self, link, "its kind is unknown");
}
