#include "broker/actor_private.h"

#include "broker/log.h"

void
nm_links_send(nm_actor_t *self, const nm_link_t *link, nm_frame_kind_t kind, const nm_shape_t *shape,
              const void *record)
{
    nm_output_t *output = nm_actor_output(self, NM_OUT_FRAME);
    output->peer = link->peer;
    nm_frame_start(&output->bytes, kind);
    nm_record_encode(shape, record, NM_BY_TAG, &output->bytes);
}

//  -- Credit

static uint32_t
s_credit(nm_actor_t *self)
{
    //  Mail that ends what the role holds is taken also by one that drains: else it would never be done.
    bool ends = self->role->mail_drains;
    if ((self->leaving && !(self->draining && ends)) || (self->room.tight && !ends))
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

//  -- After the commit

static void
s_send_greet(nm_actor_t *self, nm_link_t *link, bool answer, uint32_t credit)
{
    nm_greet_t greet = { 0 };
    nm_buf_t above = { 0 }, receipted = { 0 };
    NM_PUT(&greet, greet, store, *nm_store_id(self->store));
    NM_PUT(&greet, greet, epoch, nm_store_epoch(self->store));
    NM_PUT(&greet, greet, boot, self->boot);
    NM_PUT(&greet, greet, low, link->receipted.seen + 1);
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
    if (link->heard_boot) {
        NM_PUT(&greet, greet, your_boot, link->heard_boot);
        NM_PUT(&greet, greet, your_number, link->heard_number);
    }
    NM_PUT(&greet, greet, claims, true);
    NM_PUT(&greet, greet, number, nm_link_number_greeting(link));
    if (link->receipted.run_count) {
        nm_spans_write(&link->receipted, &receipted);
        NM_PUT(&greet, greet, receipted, nm_buf_bytes(&receipted));
    }
    nm_links_send(self, link, NM_FRAME_GREET, &nm_greet_shape, &greet);
    nm_buf_free(&above);
    nm_buf_free(&receipted);
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
    NM_PUT(&receipt, receipt, boot, self->boot);
    NM_PUT(&receipt, receipt, your_boot, link->boot);
    nm_links_send(self, link, NM_FRAME_RECEIPT, &nm_receipt_shape, &receipt);
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
    if (self->link_beat_ms != NM_LINK_BEAT_MS)
        NM_PUT(&beat, beat, every_ms, (uint64_t) self->link_beat_ms);
    nm_links_send(self, link, NM_FRAME_BEAT, &nm_beat_shape, &beat);
    link->granted = credit;
}

void
nm_links_release(nm_actor_t *self)
{
    uint32_t credit = s_credit(self);
    bool beat = self->turn.now.mono_ms >= self->beat_at_ms;
    uint64_t backlog = 0;
    int64_t oldest_ms = 0;
    if (beat && self->role->backlog)
        self->role->backlog(self->state, &backlog, &oldest_ms);
    for (size_t i = 0; i < self->link_count; i++) {
        nm_link_t *link = self->links[i];
        link->seen_changed = false;
        link->met = false;
        if (link->greet_due || link->answer_due) {
            s_send_greet(self, link, !link->greet_due, credit);
            link->greeted_ms = self->turn.now.mono_ms;
            link->greet_due = link->answer_due = link->receipt_due = false;
        }
        if (link->state == NM_LINK_UP && link->known && (link->receipt_due || s_credit_matters(link->granted, credit)))
            s_send_receipt(self, link, credit);
        link->receipt_due = false;
        nm_claiming_release(self, link);
        nm_posting_flush(self, link);
        if (beat && (link->state == NM_LINK_UP || link->state == NM_LINK_QUIET || link->state == NM_LINK_GONE))
            s_send_beat(self, link, credit, backlog);
    }
    if (beat)
        self->beat_at_ms = self->turn.now.mono_ms + self->link_beat_ms;
    nm_metric_add(self->metric.mail_out, self->turn.mails_out);
    nm_metric_add(self->metric.mail_in, self->turn.mails_in);
}

void
nm_links_tick(nm_actor_t *self)
{
    int64_t mono_ms = self->turn.now.mono_ms;
    for (size_t i = 0; i < self->link_count; i++) {
        nm_link_t *link = self->links[i];
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
        if (self->links[i]->state == NM_LINK_UP || self->links[i]->state == NM_LINK_QUIET)
            nm_links_send(self, self->links[i], NM_FRAME_BYE, &nm_bye_shape, &bye);
}
