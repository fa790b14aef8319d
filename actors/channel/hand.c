#include "actors/channel/worker.h"

#include "actors/owner/owner.h"

nm_rc_t
nm_hand_take(nm_hand_t *self, nm_channel_worker_t *worker, nm_turn_t *turn, nm_slot_t *slot)
{
    *self = (nm_hand_t){ .worker = worker, .turn = turn, .slot = slot, .key = slot->key };
    nm_rc_t rc = nm_deliveries_get_progress(nm_turn_txn(turn), &self->key, &self->progress);
    return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;  //  Slots follow from the store
}

nm_rc_t
nm_hand_keep(nm_hand_t *self)
{
    return nm_deliveries_put_progress(nm_turn_txn(self->turn), &self->key, &self->progress);
}

static void
s_fill_event(nm_hand_t *self, const nm_news_t *news, nm_event_t *event)
{
    self->progress.order = self->progress.order ? self->progress.order + 1 : NM_CHANNEL_FIRST_ORDER;
    memset(event, 0, sizeof *event);
    NM_PUT(event, event, notification, self->key.notification);
    NM_PUT(event, event, kind, (uint8_t) news->kind);
    NM_PUT(event, event, at, nm_turn_now(self->turn));
    NM_PUT(event, event, number, self->key.number);
    NM_PUT(event, event, generation, self->key.generation);
    NM_PUT(event, event, order, self->progress.order);
    if (news->attempt.size)
        NM_PUT(event, event, attempt, news->attempt);
    if (news->due_ms)
        NM_PUT(event, event, due_at, news->due_ms);
    if (news->reason >= 0)
        NM_PUT(event, event, reason, (uint8_t) news->reason);
    if (news->detail)
        NM_PUT(event, event, detail, nm_text(news->detail));
}

nm_rc_t
nm_hand_tell(nm_hand_t *self, const nm_news_t *news)
{
    nm_event_t event;
    s_fill_event(self, news, &event);
    return nm_owner_mail(self->turn, self->worker->directory, &event, self->progress.priority);
}

nm_rc_t
nm_hand_end(nm_hand_t *self, const nm_news_t *news)
{
    nm_rc_t rc = nm_hand_tell(self, news);
    if (rc == NM_OK)
        rc = nm_deliveries_remove(nm_turn_txn(self->turn), &self->key);
    if (rc == NM_OK)
        nm_slots_remove(self->worker->slots, self->slot);
    return rc;
}

//  The delivery as it came, and how far it is.
static nm_rc_t
s_pack_with_progress(nm_hand_t *self, nm_buf_t *packed)
{
    nm_bytes_t content;
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    nm_rc_t rc = nm_deliveries_get_content(nm_turn_txn(self->turn), &self->key, &content);
    if (rc == NM_OK)
        rc = nm_record_decode(&nm_delivery_shape, &delivery, content, NULL, "");
    if (rc != NM_OK)
        return NM_ERR_CORRUPT;
    NM_PUT(&delivery, delivery, order, self->progress.order);
    NM_PUT(&delivery, delivery, tries, self->progress.tries);
    NM_PUT(&delivery, delivery, earlier, self->progress.attempt_count);
    NM_PUT(&delivery, delivery, attempts, self->progress.attempts);
    NM_PUT(&delivery, delivery, due_at, self->progress.due_at);
    nm_buf_clear(packed);
    nm_record_encode(&nm_delivery_shape, &delivery, NM_BY_TAG, packed);
    return NM_OK;
}

nm_rc_t
nm_hand_give_back(nm_hand_t *self)
{
    nm_buf_t *packed = &self->worker->packed;
    nm_rc_t rc = s_pack_with_progress(self, packed);
    if (rc != NM_OK)
        return rc;
    nm_mail_out_t mail = { .role = NM_ROLE_ROUTER,
                           .kind = NM_MAIL_RETURN,
                           .priority = self->progress.priority,
                           .body = nm_buf_bytes(packed) };
    rc = nm_turn_mail(self->turn, &mail);
    if (rc == NM_OK)
        rc = nm_deliveries_remove(nm_turn_txn(self->turn), &self->key);
    if (rc == NM_OK)
        nm_slots_remove(self->worker->slots, self->slot);
    return rc;
}

static nm_rc_t
s_mail_dead_letter(nm_hand_t *self, nm_reason_t reason, const char *detail)
{
    nm_bytes_t content;
    nm_rc_t rc = nm_deliveries_get_content(nm_turn_txn(self->turn), &self->key, &content);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_ERR_CORRUPT : rc;

    nm_id_t id;
    nm_dead_letter_t letter;
    memset(&letter, 0, sizeof letter);
    nm_turn_new_id(self->turn, &id);
    NM_PUT(&letter, dead_letter, id, id);
    NM_PUT(&letter, dead_letter, died_at, nm_turn_now(self->turn));
    NM_PUT(&letter, dead_letter, reason, (uint8_t) reason);
    if (detail)
        NM_PUT(&letter, dead_letter, detail, nm_text(detail));
    NM_PUT(&letter, dead_letter, attempts, self->progress.attempts);
    NM_PUT(&letter, dead_letter, delivery, content);
    nm_buf_t *packed = &self->worker->packed;
    nm_buf_clear(packed);
    nm_record_encode(&nm_dead_letter_shape, &letter, NM_BY_TAG, packed);
    nm_mail_out_t mail = { .role = NM_ROLE_DEADLETTER,
                           .kind = NM_MAIL_DEAD_LETTER,
                           .priority = self->progress.priority,
                           .body = nm_buf_bytes(packed) };
    return nm_turn_mail(self->turn, &mail);
}

nm_rc_t
nm_hand_bury(nm_hand_t *self, nm_reason_t reason, const char *detail)
{
    nm_news_t news = { .kind = NM_EVENT_FAILED, .reason = (int) reason, .detail = detail };
    nm_progress_last_attempt(&self->progress, &news.attempt);
    nm_rc_t rc = s_mail_dead_letter(self, reason, detail);
    if (rc == NM_OK)
        rc = nm_hand_end(self, &news);
    nm_metric_add(self->worker->dead_letters[reason], 1);
    return rc;
}
