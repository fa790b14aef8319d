#include "actors/channel/worker.h"

#include "actors/owner/holds.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { GENERATION_ANY = UINT32_MAX };

//  What is here of one notification.
typedef struct {
    nm_channel_worker_t *worker;
    nm_delivery_key_t keys[256];  //  Numbers are bytes
    size_t count;
    size_t sending;
} s_found_t;

static nm_rc_t
s_find_one(void *arg, const nm_delivery_key_t *key, const nm_progress_t *progress)
{
    s_found_t *found = arg;
    (void) progress;
    nm_slot_t *slot = nm_slots_find(found->worker->slots, key);
    if (slot && slot->state == NM_SLOT_CALLING)
        found->sending++;
    else if (found->count < NM_COUNT(found->keys))
        found->keys[found->count++] = *key;
    return NM_OK;
}

static nm_rc_t
s_remove_all(s_found_t *found, nm_turn_t *turn)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < found->count && rc == NM_OK; i++) {
        nm_hand_t hand;
        rc = nm_hand_take(&hand, found->worker, turn, nm_slots_find(found->worker->slots, &found->keys[i]));
        if (rc == NM_OK)
            rc = nm_hand_end(&hand, &(nm_news_t){ .kind = NM_EVENT_CANCELLED, .reason = -1 });
    }
    return rc;
}

//  {notification: UUID, generation?: up to which replay}
static bool
s_read_body(nm_bytes_t body, nm_id_t *notification, uint32_t *generation)
{
    nm_bytes_t raw, text;
    nm_reader_t reader;
    if (nm_reader_check(body) != NM_OK || nm_reader_find(body, "notification", &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    if (nm_reader_str(&reader, &text) != NM_OK || nm_id_from_text(text, notification) != NM_OK)
        return false;
    uint64_t given = GENERATION_ANY;
    if (nm_reader_find(body, "generation", &raw) == NM_OK) {
        nm_reader_open(&reader, raw);
        if (nm_reader_uint(&reader, &given) != NM_OK || given > GENERATION_ANY)
            return false;
    }
    *generation = (uint32_t) given;
    return true;
}

static void
s_reply(nm_turn_t *turn, const nm_ask_in_t *ask, unsigned status, size_t cancelled, size_t sending)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 3);
    nm_writer_pair_uint(&body, "cancelled", cancelled);
    nm_writer_pair_uint(&body, "sending", sending);
    nm_writer_pair_bool(&body, "unknown", !cancelled && !sending);
    nm_turn_reply(turn, &ask->caller, status, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
}

static nm_rc_t
s_cancel(nm_channel_worker_t *self, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    nm_id_t notification;
    uint32_t generation;
    if (!s_read_body(ask->body, &notification, &generation)) {
        nm_turn_problem(turn, &ask->caller, 422, ask->headers.correlation_id, NULL,
                        "deliveries.cancel takes {notification: UUID, generation?: number}");
        return NM_OK;
    }
    s_found_t found = { .worker = self };
    nm_rc_t rc = nm_deliveries_each(nm_turn_txn(turn), &notification, s_find_one, &found);
    if (rc == NM_OK && found.sending) {
        s_reply(turn, ask, 409, 0, found.sending);
        return NM_OK;
    }
    if (rc == NM_OK)
        rc = s_remove_all(&found, turn);
    if (rc == NM_OK)
        rc = nm_cancelled_put(nm_turn_txn(turn), &notification, generation, nm_turn_now(turn));
    if (rc == NM_OK)
        s_reply(turn, ask, found.count ? 200 : 404, found.count, 0);
    return rc;
}

static nm_rc_t
s_mark(void *arg, const nm_delivery_key_t *key, const nm_progress_t *progress)
{
    (void) progress;
    nm_held_t *held = arg;
    nm_held_set(held->numbers, key->number);
    return NM_OK;
}

static nm_rc_t
s_find_held(void *arg, nm_turn_t *turn, nm_held_t *held)
{
    (void) arg;
    return nm_deliveries_each(nm_turn_txn(turn), &held->notification, s_mark, held);
}

nm_rc_t
nm_channel_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    if (nm_bytes_is(ask->op, "deliveries.cancel"))
        return s_cancel(state, turn, ask);
    if (nm_bytes_is(ask->op, "custody.holds"))
        return nm_owner_holds(turn, ((nm_channel_worker_t *) state)->directory, ask, s_find_held, NULL);
    nm_turn_problem(turn, &ask->caller, 404, ask->headers.correlation_id, NULL, "There is no such operation here.");
    return NM_OK;
}
