#include "actors/deadletter/letters.h"
#include "lmdb_store/key.h"
#include "lmdb_store/queue.h"
#include "wire/id.h"

NM_RECORD_DEFINE(letter, NM_LETTER_FIELDS, NULL, 0);

//  id -> nm_letter_t
const nm_table_t nm_letters_table = { NM_TABLE_ROLE, true, "letters" };
//  id -> nm_dead_letter_t
const nm_table_t nm_letters_content_table = { NM_TABLE_ROLE + 1, true, "letter_contents" };
//  1, tenant, state, id; and 0, state, id for all tenants -> nothing
const nm_table_t nm_letters_index_table = { NM_TABLE_ROLE + 2, false, "letter_index" };
//  "count" -> a number for each state
const nm_table_t nm_letters_count_table = { NM_TABLE_ROLE + 3, false, "letter_counts" };

static nm_bytes_t
s_id_key(const nm_id_t *id)
{
    return nm_bytes(id->at, NM_ID_SIZE);
}

//  -- Counts

nm_rc_t
nm_letters_count(nm_txn_t *txn, nm_letters_count_t *count)
{
    *count = (nm_letters_count_t){ { 0 } };
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_letters_count_table, nm_text("count"), &value);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    if (value.size != sizeof count->at)
        return NM_ERR_CORRUPT;
    for (size_t i = 0; i < NM_LETTER_STATE_COUNT; i++)
        count->at[i] = nm_get_u64(value.at + 8 * i);
    return NM_OK;
}

static nm_rc_t
s_put_count(nm_txn_t *txn, const nm_letters_count_t *count)
{
    uint8_t raw[8 * NM_LETTER_STATE_COUNT];
    for (size_t i = 0; i < NM_LETTER_STATE_COUNT; i++)
        nm_put_u64(raw + 8 * i, count->at[i]);
    return nm_table_put(txn, &nm_letters_count_table, nm_text("count"), nm_bytes(raw, sizeof raw));
}

//  `open` is what is there now; the others only grow, because what they count expires.
static nm_rc_t
s_count_move(nm_txn_t *txn, bool was_open, nm_letter_state_t state)
{
    nm_letters_count_t count;
    nm_rc_t rc = nm_letters_count(txn, &count);
    if (rc != NM_OK)
        return rc;
    if (was_open && count.at[NM_LETTER_OPEN] > 0)
        count.at[NM_LETTER_OPEN]--;
    count.at[state]++;
    return s_put_count(txn, &count);
}

//  -- Index

//  service NULL: the rows of all tenants.
static nm_key_t
s_index_prefix(const nm_id_t *service, nm_letter_state_t state)
{
    nm_key_t key = { .size = 0 };
    nm_key_u8(&key, service ? 1 : 0);
    if (service)
        nm_key_id(&key, service);
    nm_key_u8(&key, (uint8_t) state);
    return key;
}

static nm_key_t
s_index_key(const nm_id_t *service, nm_letter_state_t state, const nm_id_t *id)
{
    nm_key_t key = s_index_prefix(service, state);
    nm_key_id(&key, id);
    return key;
}

static nm_rc_t
s_index_add(nm_txn_t *txn, const nm_letter_t *letter)
{
    nm_key_t own = s_index_key(&letter->service, letter->state, &letter->id);
    nm_key_t all = s_index_key(NULL, letter->state, &letter->id);
    nm_rc_t rc = nm_table_put(txn, &nm_letters_index_table, nm_key_view(&own), nm_bytes(NULL, 0));
    if (rc == NM_OK)
        rc = nm_table_put(txn, &nm_letters_index_table, nm_key_view(&all), nm_bytes(NULL, 0));
    return rc;
}

static nm_rc_t
s_index_delete(nm_txn_t *txn, const nm_letter_t *letter)
{
    nm_key_t own = s_index_key(&letter->service, letter->state, &letter->id);
    nm_key_t all = s_index_key(NULL, letter->state, &letter->id);
    nm_rc_t rc = nm_table_delete(txn, &nm_letters_index_table, nm_key_view(&own));
    if (rc == NM_OK)
        rc = nm_table_delete(txn, &nm_letters_index_table, nm_key_view(&all));
    return rc;
}

//  -- Letters

static nm_rc_t
s_set_provider(nm_letter_t *letter, const nm_dead_letter_t *dead, const nm_delivery_t *delivery)
{
    nm_list_t list;
    nm_bytes_t raw;
    nm_attempt_t attempt;
    if (NM_HAS(delivery, delivery, provider))
        NM_PUT(letter, letter, provider, delivery->provider);
    nm_rc_t rc = nm_list_open(&list, dead->attempts);
    while (rc == NM_OK && (rc = nm_list_next(&list, &raw)) == NM_OK) {
        rc = nm_record_decode(&nm_attempt_shape, &attempt, raw, NULL, "");
        if (rc == NM_OK)
            NM_PUT(letter, letter, provider, attempt.provider);
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_summarise(const nm_dead_letter_t *dead, const nm_delivery_t *delivery, int64_t now_ms, nm_letter_t *letter)
{
    nm_list_t attempts;
    nm_rc_t rc = nm_list_open(&attempts, dead->attempts);
    if (rc != NM_OK)
        return rc;
    *letter = (nm_letter_t){ .has = 0 };
    NM_PUT(letter, letter, id, dead->id);
    NM_PUT(letter, letter, service, delivery->service);
    NM_PUT(letter, letter, notification, delivery->notification);
    NM_PUT(letter, letter, number, delivery->number);
    NM_PUT(letter, letter, generation, delivery->generation);
    NM_PUT(letter, letter, channel, delivery->channel);
    NM_PUT(letter, letter, recipient, delivery->recipient);
    NM_PUT(letter, letter, reason, dead->reason);
    NM_PUT(letter, letter, attempt_count, attempts.count);
    NM_PUT(letter, letter, state, NM_LETTER_OPEN);
    NM_PUT(letter, letter, died_at, dead->died_at);
    NM_PUT(letter, letter, updated_at, now_ms);
    NM_PUT(letter, letter, correlation_id, delivery->correlation_id);
    if (NM_HAS(delivery, delivery, traceparent))
        NM_PUT(letter, letter, traceparent, delivery->traceparent);
    if (NM_HAS(dead, dead_letter, detail))
        NM_PUT(letter, letter, detail, dead->detail);
    if (NM_HAS(delivery, delivery, expires_at))
        NM_PUT(letter, letter, expires_at, delivery->expires_at);
    return s_set_provider(letter, dead, delivery);
}

nm_rc_t
nm_letters_put(nm_txn_t *txn, const nm_letter_t *letter)
{
    nm_buf_t packed = { 0 };
    nm_record_encode(&nm_letter_shape, letter, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_table_put(txn, &nm_letters_table, s_id_key(&letter->id), nm_buf_bytes(&packed));
    nm_buf_free(&packed);
    return rc;
}

nm_rc_t
nm_letters_add(nm_txn_t *txn, const nm_dead_letter_t *dead, nm_bytes_t raw, int64_t now_ms)
{
    nm_delivery_t delivery;
    nm_letter_t letter;
    nm_rc_t rc = nm_record_decode(&nm_delivery_shape, &delivery, dead->delivery, NULL, "");
    if (rc == NM_OK)
        rc = s_summarise(dead, &delivery, now_ms, &letter);
    if (rc != NM_OK)
        return rc;
    if (nm_table_has(txn, &nm_letters_table, s_id_key(&dead->id)))
        return NM_ERR_DUPLICATE;

    rc = nm_letters_put(txn, &letter);
    if (rc == NM_OK)
        rc = nm_table_put(txn, &nm_letters_content_table, s_id_key(&dead->id), raw);
    if (rc == NM_OK)
        rc = s_index_add(txn, &letter);
    return rc == NM_OK ? s_count_move(txn, false, NM_LETTER_OPEN) : rc;
}

nm_rc_t
nm_letters_get(nm_txn_t *txn, const nm_id_t *id, const nm_id_t *service, nm_letter_t *letter)
{
    nm_bytes_t value;
    nm_letter_t found;
    nm_rc_t rc = nm_table_get(txn, &nm_letters_table, s_id_key(id), &value);
    if (rc != NM_OK)
        return rc;
    if (nm_record_decode(&nm_letter_shape, &found, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    if (service && !nm_id_equal(service, &found.service))
        return NM_ERR_MISSING;
    *letter = found;
    return NM_OK;
}

nm_rc_t
nm_letters_content(nm_txn_t *txn, const nm_id_t *id, nm_dead_letter_t *dead)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_letters_content_table, s_id_key(id), &value);
    if (rc != NM_OK)
        return rc;
    return nm_record_decode(&nm_dead_letter_shape, dead, value, NULL, "") == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

//  What is left of a letter that is no longer open goes after a while. One that moves once
//  more goes when its first expiry says so.
static nm_rc_t
s_expire(nm_txn_t *txn, const nm_letter_t *letter, int64_t now_ms)
{
    int64_t at_ms = now_ms + NM_LETTER_KEPT_MS;
    nm_key_t own = s_index_key(&letter->service, letter->state, &letter->id);
    nm_key_t all = s_index_key(NULL, letter->state, &letter->id);
    nm_rc_t rc = nm_expiry_put(txn, &nm_letters_index_table, nm_key_view(&own), at_ms);
    if (rc == NM_OK)
        rc = nm_expiry_put(txn, &nm_letters_index_table, nm_key_view(&all), at_ms);
    if (rc == NM_OK)
        rc = nm_expiry_put(txn, &nm_letters_table, s_id_key(&letter->id), at_ms);
    if (rc == NM_OK)
        rc = nm_expiry_put(txn, &nm_letters_content_table, s_id_key(&letter->id), at_ms);
    return rc;
}

static nm_rc_t
s_strip(nm_txn_t *txn, nm_letter_t *letter)
{
    letter->has &= ~(UINT64_C(1) << NM_AT_letter_recipient | UINT64_C(1) << NM_AT_letter_detail);
    nm_rc_t rc = nm_table_delete(txn, &nm_letters_content_table, s_id_key(&letter->id));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_letters_move(nm_txn_t *txn, nm_letter_t *letter, nm_letter_state_t state, int64_t now_ms)
{
    bool was_open = letter->state == NM_LETTER_OPEN;
    nm_rc_t rc = s_index_delete(txn, letter);
    NM_PUT(letter, letter, state, (uint8_t) state);
    NM_PUT(letter, letter, updated_at, now_ms);
    if (rc == NM_OK && state == NM_LETTER_DISCARDED)
        rc = s_strip(txn, letter);
    if (rc == NM_OK)
        rc = nm_letters_put(txn, letter);
    if (rc == NM_OK)
        rc = s_index_add(txn, letter);
    if (rc == NM_OK)
        rc = s_expire(txn, letter, now_ms);
    return rc == NM_OK ? s_count_move(txn, was_open, state) : rc;
}

//  -- Walks

//  The smallest id of a time: ids start with 48 bits of milliseconds.
static nm_id_t
s_first_id_of(int64_t at_ms)
{
    uint8_t raw[8];
    nm_id_t id = { { 0 } };
    nm_put_u64(raw, (uint64_t) at_ms);
    memcpy(id.at, raw + 2, 6);
    return id;
}

static bool
s_before(const nm_id_t *a, const nm_id_t *b)
{
    return memcmp(a->at, b->at, NM_ID_SIZE) < 0;
}

//  Where the walk starts: from the newest, the older of cursor and until; from the oldest, since.
static bool
s_start(const nm_letters_filter_t *filter, nm_id_t *start)
{
    int64_t edge_ms = filter->newest ? filter->until_ms : filter->since_ms;
    if (edge_ms >= 0)
        *start = s_first_id_of(edge_ms);
    if (!filter->newest || !filter->after)
        return edge_ms >= 0;
    if (edge_ms < 0 || s_before(filter->after, start))
        *start = *filter->after;
    return true;
}

void
nm_letters_walk_open(nm_letters_walk_t *self, nm_txn_t *txn, const nm_letters_filter_t *filter, size_t budget)
{
    *self = (nm_letters_walk_t){ .filter = filter, .budget = budget };
    nm_key_t prefix = s_index_prefix(filter->service, filter->state);
    nm_key_t from = { .size = 0 };
    nm_id_t start;
    if (s_start(filter, &start))
        from = s_index_key(filter->service, filter->state, &start);
    nm_cursor_open(&self->cursor, txn, &nm_letters_index_table, nm_key_view(&prefix), nm_key_view(&from),
                   filter->newest);
}

static bool
s_lets_through(const nm_letters_filter_t *filter, const nm_letter_t *letter)
{
    if (filter->channel >= 0 && letter->channel != filter->channel)
        return false;
    if (filter->reason >= 0 && letter->reason != filter->reason)
        return false;
    return filter->provider.size == 0 || nm_bytes_equal(filter->provider, letter->provider);
}

//  Takes the next id of the index; NM_ERR_MISSING where the range of times ends.
static nm_rc_t
s_next_id(nm_letters_walk_t *self)
{
    const nm_letters_filter_t *filter = self->filter;
    nm_bytes_t key;
    nm_rc_t rc;
    do {
        rc = nm_cursor_next(&self->cursor, &key, NULL);
        if (rc != NM_OK)
            return rc;
        if (key.size < NM_ID_SIZE)
            return NM_ERR_CORRUPT;
        memcpy(self->at.at, key.at + key.size - NM_ID_SIZE, NM_ID_SIZE);
    } while (filter->after && nm_id_equal(filter->after, &self->at));

    int64_t at_ms = nm_id_time_ms(&self->at);
    if (filter->newest ? filter->since_ms > at_ms : filter->until_ms >= 0 && filter->until_ms <= at_ms)
        return NM_ERR_MISSING;
    return NM_OK;
}

//  An index row may outlive its letter by a moment, when both expire.
nm_rc_t
nm_letters_walk_next(nm_letters_walk_t *self, nm_letter_t *letter)
{
    while (self->budget > 0) {
        nm_rc_t rc = s_next_id(self);
        if (rc != NM_OK)
            return rc;
        self->budget--;
        rc = nm_letters_get(self->cursor.txn, &self->at, NULL, letter);
        if (rc == NM_OK && s_lets_through(self->filter, letter))
            return NM_OK;
        if (rc != NM_OK && rc != NM_ERR_MISSING)
            return rc;
    }
    return NM_ERR_BUSY;
}

void
nm_letters_walk_close(nm_letters_walk_t *self)
{
    nm_cursor_close(&self->cursor);
}
