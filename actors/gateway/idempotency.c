#include "actors/gateway/idempotency.h"

#include <ctype.h>

#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"
#include "lmdb_store/queue.h"

NM_RECORD_DEFINE(first_answer, NM_FIRST_ANSWER_FIELDS, NULL, 0);

static const int64_t ANSWER_KEEP_MS = INT64_C(24) * 3600 * 1000;
static const int64_t MOVED_KEEP_MS = INT64_C(26) * 3600 * 1000;  //  Outlives what the other has answered since
static const int64_t DUPLICATE_KEEP_MS = (int64_t) NM_DEDUPE_MAX * 1000;

nm_rc_t
nm_idempotency_key(nm_bytes_t header, nm_bytes_t *key)
{
    if (header.size >= 2 && header.at[0] == '"' && header.at[header.size - 1] == '"')
        header = nm_bytes(header.at + 1, header.size - 2);
    *key = header;
    return header.size && header.size <= NM_IDEMPOTENCY_MAX ? NM_OK : NM_ERR_MALFORMED;
}

//  Entries stand under their hash and their time: an entry that has outlived its time and
//  is replaced before it was swept must not take its successor with it.
static nm_key_t
s_prefix(const uint8_t hash[NM_FINGERPRINT_SIZE])
{
    nm_key_t key = { .size = 0 };
    nm_key_bytes(&key, nm_bytes(hash, NM_FINGERPRINT_SIZE));
    return key;
}

static nm_key_t
s_place(const uint8_t hash[NM_FINGERPRINT_SIZE], int64_t at_ms)
{
    nm_key_t key = s_prefix(hash);
    nm_key_u64(&key, (uint64_t) at_ms);
    return key;
}

//  The latest entry of a hash, and its time.
static nm_rc_t
s_find(nm_txn_t *txn, const nm_table_t *table, const uint8_t hash[NM_FINGERPRINT_SIZE], int64_t *at_ms,
       nm_bytes_t *value)
{
    nm_key_t prefix = s_prefix(hash);
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_cursor_open(&cursor, txn, table, nm_key_view(&prefix), nm_bytes(NULL, 0), true);
    nm_rc_t rc = nm_cursor_next(&cursor, &key, value);
    if (rc == NM_OK)
        *at_ms = (int64_t) nm_get_u64(key.at + NM_FINGERPRINT_SIZE);
    nm_cursor_close(&cursor);
    return rc;
}

static nm_rc_t
s_keep(nm_txn_t *txn, const nm_table_t *table, const nm_key_t *place, nm_bytes_t value, int64_t until_ms)
{
    nm_rc_t rc = nm_table_put(txn, table, nm_key_view(place), value);
    return rc == NM_OK ? nm_expiry_put(txn, table, nm_key_view(place), until_ms) : rc;
}

//  -- First answers

//  Clients count their keys up. Were all of a key hashed, neighbours would lie pages apart and each
//  accept would write a page of its own; so the last digits stay as they are, behind the hash of the
//  rest. More than four are hashed: they could be somebody's number.
void
nm_idempotency_place(nm_case_t *it, nm_bytes_t key, uint8_t hash[NM_FINGERPRINT_SIZE])
{
    enum { TAIL_MAX = 4, TAIL_AT = NM_FINGERPRINT_SIZE - TAIL_MAX - 1 };
    uint8_t digest[NM_FINGERPRINT_SIZE];
    nm_fingerprint_t print;
    size_t tail = 0;
    while (tail < TAIL_MAX && tail < key.size && isdigit(key.at[key.size - 1 - tail]))
        tail++;
    nm_fingerprint_start(&print, it->gateway->secret);
    nm_fingerprint_bytes(&print, nm_bytes(it->who.service.at, NM_ID_SIZE));
    nm_fingerprint_bytes(&print, nm_bytes(key.at, key.size - tail));
    nm_fingerprint_end(&print, digest);
    memset(hash, 0, NM_FINGERPRINT_SIZE);
    memcpy(hash, digest, TAIL_AT);
    hash[TAIL_AT] = (uint8_t) tail;
    memcpy(hash + TAIL_AT + 1, key.at + key.size - tail, tail);
}

void
nm_idempotency_set(nm_case_t *it, nm_idempotency_t *self, nm_bytes_t key, const char *op, nm_bytes_t body)
{
    self->key = key;
    if (!key.size)
        return;
    nm_fingerprint_t print;
    nm_fingerprint_start(&print, it->gateway->secret);
    nm_fingerprint_bytes(&print, nm_text(op));
    nm_fingerprint_value(&print, body);
    nm_fingerprint_end(&print, self->fingerprint);
    nm_idempotency_place(it, key, self->place);
}

nm_rc_t
nm_idempotency_is_known(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE], bool *known)
{
    int64_t at_ms;
    nm_bytes_t value;
    nm_rc_t rc = s_find(it->txn, &nm_answers_table, place, &at_ms, &value);
    *known = rc == NM_OK && it->now_ms - at_ms < ANSWER_KEEP_MS;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  Before the name of a gateway that a key was placed at; no name has it.
static const char PLACED = '+';

nm_rc_t
nm_idempotency_moved(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE], nm_bytes_t *gateway, bool *placed)
{
    int64_t at_ms;
    nm_rc_t rc = s_find(it->txn, &nm_moved_table, place, &at_ms, gateway);
    if (rc != NM_OK)
        return rc;
    *placed = gateway->size && gateway->at[0] == PLACED;
    if (*placed)
        *gateway = nm_bytes(gateway->at + 1, gateway->size - 1);
    return it->now_ms - at_ms >= MOVED_KEEP_MS ? NM_ERR_MISSING : NM_OK;
}

nm_rc_t
nm_idempotency_move(nm_case_t *it, const uint8_t hash[NM_FINGERPRINT_SIZE], const char *gateway)
{
    nm_key_t place = s_place(hash, it->now_ms);
    return s_keep(it->txn, &nm_moved_table, &place, nm_text(gateway), it->now_ms + MOVED_KEEP_MS);
}

nm_rc_t
nm_idempotency_place_at(nm_case_t *it, const uint8_t hash[NM_FINGERPRINT_SIZE], const char *gateway)
{
    char marked[NM_NAME_MAX + 2];
    snprintf(marked, sizeof marked, "%c%s", PLACED, gateway);
    return nm_idempotency_move(it, hash, marked);
}

nm_rc_t
nm_idempotency_find(nm_case_t *it, const nm_idempotency_t *self, nm_first_answer_t *first)
{
    if (!self->key.size)
        return NM_ERR_MISSING;
    int64_t at_ms;
    nm_bytes_t value;
    nm_rc_t rc = s_find(it->txn, &nm_answers_table, self->place, &at_ms, &value);
    if (rc != NM_OK)
        return rc;
    if (it->now_ms - at_ms >= ANSWER_KEEP_MS)
        return NM_ERR_MISSING;
    if (nm_record_decode(&nm_first_answer_shape, first, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    return nm_bytes_equal(first->fingerprint, nm_bytes(self->fingerprint, NM_FINGERPRINT_SIZE)) ? NM_OK
                                                                                                : NM_ERR_REFUSED;
}

nm_rc_t
nm_idempotency_keep(nm_case_t *it, const nm_idempotency_t *self, unsigned status, nm_bytes_t body)
{
    if (!self->key.size)
        return NM_OK;
    nm_first_answer_t first = { .has = 0 };
    NM_PUT(&first, first_answer, fingerprint, nm_bytes(self->fingerprint, NM_FINGERPRINT_SIZE));
    NM_PUT(&first, first_answer, at, it->now_ms);
    NM_PUT(&first, first_answer, status, status);
    NM_PUT(&first, first_answer, correlation_id, nm_text(it->asker.correlation));
    NM_PUT(&first, first_answer, body, body);

    nm_key_t place = s_place(self->place, it->now_ms);
    nm_buf_t *packed = &it->gateway->work;
    nm_buf_clear(packed);
    nm_record_encode(&nm_first_answer_shape, &first, NM_BY_TAG, packed);
    return s_keep(it->txn, &nm_answers_table, &place, nm_buf_bytes(packed), it->now_ms + ANSWER_KEEP_MS);
}

//  -- Duplicates by content

static void
s_hash_content(nm_case_t *it, const nm_request_t *request, uint8_t hash[NM_FINGERPRINT_SIZE])
{
    const nm_bytes_t texts[] = { request->recipient, request->template, request->language,
                                 request->subject,   request->content,  request->html };
    const nm_bytes_t values[] = { request->channels, request->recipients, request->variables, request->push,
                                  request->email };
    nm_fingerprint_t print;
    nm_fingerprint_start(&print, it->gateway->secret);
    nm_fingerprint_bytes(&print, nm_bytes(it->who.service.at, NM_ID_SIZE));
    nm_fingerprint_number(&print, NM_HAS(request, request, channel) ? request->channel : NM_CHANNEL_COUNT);
    nm_fingerprint_number(&print, NM_HAS(request, request, strategy) ? request->strategy : NM_STRATEGY_FIRST);
    nm_fingerprint_number(&print, request->template_version);
    nm_fingerprint_bytes(&print, nm_bytes(request->user_id.at, NM_ID_SIZE));
    for (size_t i = 0; i < NM_COUNT(texts); i++)
        nm_fingerprint_bytes(&print, texts[i]);
    for (size_t i = 0; i < NM_COUNT(values); i++) {
        nm_fingerprint_number(&print, values[i].size != 0);
        if (values[i].size)
            nm_fingerprint_value(&print, values[i]);
    }
    nm_fingerprint_end(&print, hash);
}

nm_rc_t
nm_duplicates_find(nm_case_t *it, const nm_request_t *request, uint8_t hash[NM_FINGERPRINT_SIZE], nm_id_t *id)
{
    int64_t at_ms;
    nm_bytes_t value;
    s_hash_content(it, request, hash);
    nm_rc_t rc = s_find(it->txn, &nm_duplicates_table, hash, &at_ms, &value);
    if (rc != NM_OK)
        return rc;
    if (value.size != NM_ID_SIZE)
        return NM_ERR_CORRUPT;
    if (it->now_ms - at_ms >= (int64_t) request->dedupe_seconds * 1000)
        return NM_ERR_MISSING;
    memcpy(id->at, value.at, NM_ID_SIZE);
    return NM_OK;
}

nm_rc_t
nm_duplicates_keep(nm_case_t *it, const uint8_t hash[NM_FINGERPRINT_SIZE], const nm_id_t *id)
{
    nm_key_t place = s_place(hash, it->now_ms);
    return s_keep(it->txn, &nm_duplicates_table, &place, nm_bytes(id->at, NM_ID_SIZE), it->now_ms + DUPLICATE_KEEP_MS);
}
