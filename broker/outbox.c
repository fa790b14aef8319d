#include "broker/outbox.h"

#include <assert.h>

#include "lmdb_store/key.h"

const nm_table_t nm_outbox_streams = { NM_TABLE_STREAMS_OUT, false, "streams-out" };
const nm_table_t nm_outbox_waiting = { NM_TABLE_WAITING, true, "waiting" };
const nm_table_t nm_outbox_open = { NM_TABLE_OPEN, true, "open" };

enum {
    S_HEAD_SIZE = 4,    //  Kind, priority, flags, size of the tag
    S_FLAG_BY_REF = 1,  //  The tag is a reference
    S_FLAG_SHARED = 2,
    S_STREAM_SIZE = 16,  //  Lane, epoch, next number
};

//  How much later than its time mail counts: an urgent one passes a low one only
//  while that is younger than five minutes.
static const int64_t HANDICAP_MS[NM_PRIORITY_COUNT] = { 0, 2000, 30000, 300000 };

uint64_t
nm_rank(int64_t now_ms, unsigned priority)
{
    assert(priority < NM_PRIORITY_COUNT);
    int64_t rank = now_ms + HANDICAP_MS[priority];
    return rank > 0 ? (uint64_t) rank : 0;
}

//  -- One mail as bytes.

static nm_bytes_t
s_pack(nm_txn_t *txn, const nm_outbox_mail_t *mail)
{
    size_t size = S_HEAD_SIZE + mail->tag.size + mail->body.size;
    uint8_t *at = nm_txn_alloc(txn, size);
    at[0] = mail->kind;
    at[1] = mail->priority;
    at[2] = (uint8_t) ((mail->by_ref ? S_FLAG_BY_REF : 0) | (mail->shared ? S_FLAG_SHARED : 0));
    at[3] = (uint8_t) mail->tag.size;
    if (mail->tag.size)
        memcpy(at + S_HEAD_SIZE, mail->tag.at, mail->tag.size);
    if (mail->body.size)
        memcpy(at + S_HEAD_SIZE + mail->tag.size, mail->body.at, mail->body.size);
    return nm_bytes(at, size);
}

static nm_rc_t
s_unpack(nm_bytes_t value, nm_outbox_mail_t *mail)
{
    if (value.size < S_HEAD_SIZE || value.size - S_HEAD_SIZE < value.at[3])
        return NM_ERR_CORRUPT;
    size_t tag_size = value.at[3];
    *mail =
        (nm_outbox_mail_t){ .kind = value.at[0],
                            .priority = value.at[1],
                            .by_ref = value.at[2] & S_FLAG_BY_REF,
                            .shared = value.at[2] & S_FLAG_SHARED,
                            .tag = nm_bytes(value.at + S_HEAD_SIZE, tag_size),
                            .body = nm_bytes(value.at + S_HEAD_SIZE + tag_size, value.size - S_HEAD_SIZE - tag_size) };
    return NM_OK;
}

//  -- Streams.

static nm_key_t
s_lane_key(uint32_t lane)
{
    nm_key_t key = { .size = 0 };
    nm_key_u32(&key, lane);
    return key;
}

static nm_key_t
s_open_key(uint32_t lane, uint64_t seq)
{
    nm_key_t key = s_lane_key(lane);
    nm_key_u64(&key, seq);
    return key;
}

nm_rc_t
nm_outbox_save_link(nm_txn_t *txn, nm_link_t *link, uint32_t epoch)
{
    link->next_changed = false;
    uint8_t raw[S_STREAM_SIZE];
    nm_put_u32(raw, link->lane);
    nm_put_u32(raw + 4, epoch);
    nm_put_u64(raw + 8, link->next);
    return nm_table_put(txn, &nm_outbox_streams, nm_text(link->peer->actor.name), nm_bytes(raw, sizeof raw));
}

//  A void is a mail of kind 0 that says nothing.
static bool
s_is_void(nm_bytes_t value)
{
    return value.size == S_HEAD_SIZE && value.at[0] == 0;
}

//  A restored store must not reuse numbers that the peer has seen: its open mail moves, in
//  order, to the numbers of a new stream. Voids are not needed there.
static nm_rc_t
s_renumber(nm_txn_t *txn, nm_link_t *link, uint32_t epoch)
{
    nm_key_t prefix = s_lane_key(link->lane);
    uint64_t count = 0;
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &nm_outbox_open, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK)
        count++;
    nm_cursor_close(&cursor);
    if (rc != NM_ERR_MISSING)
        return rc;

    nm_bytes_t *values = nm_txn_alloc(txn, (size_t) (count + 1) * sizeof *values);
    nm_cursor_open(&cursor, txn, &nm_outbox_open, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    for (uint64_t i = 0; i < count; i++) {
        rc = nm_cursor_next(&cursor, &key, &values[i]);
        if (rc == NM_OK)
            rc = nm_cursor_delete(&cursor);
        if (rc != NM_OK)
            return rc;
    }
    nm_cursor_close(&cursor);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (s_is_void(values[i]))
            continue;
        nm_key_t open = s_open_key(link->lane, ++kept);
        rc = nm_table_put(txn, &nm_outbox_open, nm_key_view(&open), values[i]);
        if (rc != NM_OK)
            return rc;
    }
    link->next = kept + 1;
    return nm_outbox_save_link(txn, link, epoch);
}

static void
s_load_claim(nm_link_t *link, uint64_t seq, bool empty)
{
    nm_claim_state_t state = nm_claims_get(&link->claim, seq);
    if (empty)
        state = NM_CLAIM_VOID;
    else if (!link->loaded)
        state = NM_CLAIM_CLAIMED;
    else if (state == NM_CLAIM_VOID)
        state = NM_CLAIM_OFFERED;  //  The turn that took it back was undone
    nm_claims_set(&link->claim, seq, state);
}

//  Numbers that were given away and are not open have been receipted, and forgotten.
static void
s_note_receipted(nm_link_t *link, uint64_t from, uint64_t below)
{
    for (uint64_t seq = from; seq < below; seq++)
        nm_spans_add(&link->receipted, seq);
}

//  Receipts that came in this life hold, whatever became of the turn that wanted to write them down. Of
//  an earlier life those count that were: fresh.
static nm_rc_t
s_count_open(nm_txn_t *txn, nm_link_t *link, bool fresh)
{
    nm_key_t prefix = s_lane_key(link->lane);
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_rc_t rc;
    uint64_t first = link->next, after = link->next;
    link->open_count = 0;
    link->open_size = 0;
    link->low = link->next;
    if (fresh)
        link->receipted = (nm_spans_t){ .seen = link->next - 1 };
    nm_cursor_open(&cursor, txn, &nm_outbox_open, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK) {
        uint64_t seq = nm_get_u64(key.at + 4);
        if (fresh && seq < first)
            link->receipted.seen = seq - 1;
        else if (fresh)
            s_note_receipted(link, after, seq);
        if (seq < first)
            first = seq;
        after = seq + 1;
        if (nm_spans_has(&link->receipted, seq))
            continue;
        if (link->open_count++ == 0)
            link->low = seq;
        link->open_size += value.size;
        s_load_claim(link, seq, s_is_void(value));
    }
    nm_cursor_close(&cursor);
    if (fresh)
        s_note_receipted(link, after, link->next);
    link->forgotten = first - 1;
    link->loaded = true;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  A short number that no stream has; streams end, so their count is none.
static nm_rc_t
s_new_lane(nm_txn_t *txn, uint32_t *lane)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_rc_t rc;
    *lane = 1;
    nm_cursor_open(&cursor, txn, &nm_outbox_streams, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK && value.size == S_STREAM_SIZE)
        if (nm_get_u32(value.at) >= *lane)
            *lane = nm_get_u32(value.at) + 1;
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : NM_ERR_CORRUPT;
}

nm_rc_t
nm_outbox_void_lost(nm_txn_t *txn, const nm_link_t *link, const nm_spans_t *has, uint64_t *count)
{
    const nm_outbox_mail_t nothing = { .kind = 0 };
    nm_rc_t rc = NM_OK;
    *count = 0;
    for (uint64_t seq = link->low; seq < link->next && rc == NM_OK; seq++) {
        nm_key_t key = s_open_key(link->lane, seq);
        if (nm_spans_has(has, seq) || nm_table_has(txn, &nm_outbox_open, nm_key_view(&key)))
            continue;
        rc = nm_table_add(txn, &nm_outbox_open, nm_key_view(&key), s_pack(txn, &nothing));
        ++*count;
    }
    return rc;
}

nm_rc_t
nm_outbox_count_open(nm_txn_t *txn, nm_link_t *link)
{
    return s_count_open(txn, link, true);
}

nm_rc_t
nm_outbox_load_link(nm_txn_t *txn, nm_link_t *link, uint32_t epoch)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_outbox_streams, nm_text(link->peer->actor.name), &value);
    if (rc == NM_ERR_MISSING) {
        rc = s_new_lane(txn, &link->lane);
        if (rc != NM_OK)
            return rc;
        link->next = link->low = 1;
        link->open_count = 0;
        link->open_size = 0;
        link->receipted = (nm_spans_t){ 0 };
        link->forgotten = 0;
        link->loaded = true;
        return nm_outbox_save_link(txn, link, epoch);
    }
    if (rc != NM_OK)
        return rc;
    if (value.size != S_STREAM_SIZE)
        return NM_ERR_CORRUPT;
    link->lane = nm_get_u32(value.at);
    link->next = nm_get_u64(value.at + 8);
    if (nm_get_u32(value.at + 4) != epoch)
        rc = s_renumber(txn, link, epoch);
    return rc == NM_OK ? s_count_open(txn, link, !link->loaded) : rc;
}

nm_rc_t
nm_outbox_assign(nm_txn_t *txn, nm_link_t *link, const nm_outbox_mail_t *mail, size_t body_size, uint64_t *seq)
{
#ifdef NM_MUTANT_FORGET_ON_SEND
    //  A deliberate fault: what was given to a socket counts as received.
    link->next_changed = true;
    link->low = ++link->next;
    link->receipted = (nm_spans_t){ .seen = link->next - 1 };
    *seq = link->next - 1;
    (void) txn, (void) mail, (void) body_size;
    return NM_OK;
#endif
    nm_key_t key = s_open_key(link->lane, link->next);
    nm_rc_t rc = nm_table_add(txn, &nm_outbox_open, nm_key_view(&key), s_pack(txn, mail));
    if (rc != NM_OK)
        return rc == NM_ERR_DUPLICATE ? NM_ERR_CORRUPT : rc;
    *seq = link->next++;
    link->open_count++;
    link->open_size += body_size;
    link->next_changed = true;
    return NM_OK;
}

nm_rc_t
nm_outbox_void(nm_txn_t *txn, nm_link_t *link, uint64_t seq, size_t body_size)
{
    nm_key_t key = s_open_key(link->lane, seq);
    nm_outbox_mail_t nothing = { .kind = 0 };
    nm_rc_t rc = nm_table_put(txn, &nm_outbox_open, nm_key_view(&key), s_pack(txn, &nothing));
    if (rc != NM_OK)
        return rc;
    nm_claims_set(&link->claim, seq, NM_CLAIM_VOID);
    link->open_size -= body_size < link->open_size ? body_size : link->open_size;
    return NM_OK;
}

nm_rc_t
nm_outbox_forget(nm_txn_t *txn, nm_link_t *link)
{
    nm_key_t prefix = s_lane_key(link->lane);
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_rc_t rc;
    uint64_t last =
        link->receipted.run_count ? link->receipted.runs[link->receipted.run_count - 1].last : link->receipted.seen;
    link->low = link->next;
    nm_cursor_open(&cursor, txn, &nm_outbox_open, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &key, NULL)) == NM_OK) {
        uint64_t seq = nm_get_u64(key.at + 4);
        if (!nm_spans_has(&link->receipted, seq)) {
            if (seq < link->low)
                link->low = seq;
            if (seq > last)
                break;
        } else if ((rc = nm_cursor_delete(&cursor)) != NM_OK) {
            break;
        }
    }
    nm_cursor_close(&cursor);
    link->forgotten = link->receipted.seen;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_outbox_read(nm_txn_t *txn, const nm_link_t *link, uint64_t seq, nm_outbox_mail_t *mail)
{
    nm_key_t key = s_open_key(link->lane, seq);
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_outbox_open, nm_key_view(&key), &value);
    return rc == NM_OK ? s_unpack(value, mail) : rc;
}

nm_rc_t
nm_outbox_first_open(nm_txn_t *txn, const nm_link_t *link, uint64_t *seq, nm_outbox_mail_t *mail)
{
    nm_key_t prefix = s_lane_key(link->lane);
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_cursor_open(&cursor, txn, &nm_outbox_open, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    nm_rc_t rc = nm_cursor_next(&cursor, &key, &value);
    if (rc == NM_OK) {
        *seq = nm_get_u64(key.at + 4);
        rc = s_unpack(value, mail);
    }
    nm_cursor_close(&cursor);
    return rc;
}

nm_rc_t
nm_outbox_delete_open(nm_txn_t *txn, const nm_link_t *link, uint64_t seq)
{
    nm_key_t key = s_open_key(link->lane, seq);
    return nm_table_delete(txn, &nm_outbox_open, nm_key_view(&key));
}

nm_rc_t
nm_outbox_end_link(nm_txn_t *txn, const nm_link_t *link)
{
    nm_rc_t rc = nm_table_delete(txn, &nm_outbox_streams, nm_text(link->peer->actor.name));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- Lanes.

nm_rc_t
nm_outbox_wait(nm_txn_t *txn, nm_bytes_t lane, uint64_t rank, const nm_outbox_mail_t *mail, nm_place_t *place)
{
    return nm_queue_put(txn, &nm_outbox_waiting, lane, rank, s_pack(txn, mail), place);
}

nm_rc_t
nm_outbox_first(nm_txn_t *txn, nm_bytes_t lane, nm_place_t *place, nm_outbox_mail_t *mail)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_queue_first(txn, &nm_outbox_waiting, lane, place, &value);
    return rc == NM_OK ? s_unpack(value, mail) : rc;
}

nm_rc_t
nm_outbox_first_came(nm_txn_t *txn, nm_bytes_t lane, int64_t *came_ms)
{
    nm_place_t place;
    nm_outbox_mail_t mail;
    nm_rc_t rc = nm_outbox_first(txn, lane, &place, &mail);
    if (rc == NM_OK && mail.priority < NM_PRIORITY_COUNT)
        *came_ms = (int64_t) place.rank - HANDICAP_MS[mail.priority];
    return rc;
}

nm_rc_t
nm_outbox_drop(nm_txn_t *txn, nm_bytes_t lane, nm_place_t place)
{
    return nm_queue_delete(txn, &nm_outbox_waiting, lane, place);
}

nm_rc_t
nm_outbox_get(nm_txn_t *txn, nm_bytes_t lane, nm_place_t place, nm_outbox_mail_t *mail)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_queue_get(txn, &nm_outbox_waiting, lane, place, &value);
    return rc == NM_OK ? s_unpack(value, mail) : rc;
}

nm_rc_t
nm_outbox_each_tag(nm_txn_t *txn, nm_bytes_t lane, nm_outbox_tag_fn *fn, void *arg)
{
    nm_cursor_t cursor;
    nm_outbox_mail_t mail;
    nm_place_t place;
    nm_bytes_t value;
    nm_rc_t rc;
    nm_queue_open(&cursor, txn, &nm_outbox_waiting, lane);
    nm_txn_mark_t mark = nm_txn_mark(txn);
    while ((rc = nm_queue_next(&cursor, &place, &value)) == NM_OK && (rc = s_unpack(value, &mail)) == NM_OK) {
        fn(arg, mail.tag, place);
        nm_txn_rewind(txn, mark);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- Everything

//  What a lost peer may have handled goes back if keep says so, and then it is ours as if nobody had it.
static nm_rc_t
s_show(nm_bytes_t value, bool handed, nm_outbox_keep_fn *keep, nm_mail_mine_fn *fn, void *arg)
{
    nm_outbox_mail_t mail;
    if (s_unpack(value, &mail) != NM_OK)
        return NM_ERR_CORRUPT;
    if (keep && !keep(mail.kind, mail.body, NULL))
        return NM_OK;
    const nm_mail_mine_t mine = {
        .kind = mail.kind, .by_ref = mail.by_ref, .tag = mail.tag, .body = mail.body, .handed = handed
    };
    return fn(arg, &mine);
}

nm_rc_t
nm_outbox_each_waiting(nm_txn_t *txn, nm_mail_mine_fn *fn, void *arg)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &nm_outbox_waiting, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    nm_txn_mark_t mark = nm_txn_mark(txn);
    while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK && (rc = s_show(value, false, NULL, fn, arg)) == NM_OK)
        nm_txn_rewind(txn, mark);
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_outbox_each_open(nm_txn_t *txn, const nm_link_t *link, nm_outbox_keep_fn *keep, nm_mail_mine_fn *fn, void *arg)
{
    nm_key_t prefix = s_lane_key(link->lane);
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &nm_outbox_open, nm_key_view(&prefix), nm_bytes(NULL, 0), false);
    nm_txn_mark_t mark = nm_txn_mark(txn);
    while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK) {
        uint64_t seq = nm_get_u64(key.at + 4);
        bool claimed = nm_claims_get(&link->claim, seq) == NM_CLAIM_CLAIMED;
        if (!nm_spans_has(&link->receipted, seq))
            rc = s_show(value, claimed && link->state != NM_LINK_FORGOTTEN, claimed ? keep : NULL, fn, arg);
        if (rc != NM_OK)
            break;
        nm_txn_rewind(txn, mark);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}
