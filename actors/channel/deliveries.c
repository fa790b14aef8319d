#include "actors/channel/deliveries.h"

#include "lmdb_store/key.h"
#include "lmdb_store/queue.h"
#include "wire/writer.h"

enum { CANCELLED_KEPT_MS = 24 * 3600 * 1000, KEY_SIZE = NM_ID_SIZE + 1 + 4 };

const nm_table_t nm_deliveries_content_table = { NM_TABLE_ROLE, true, "contents" };
const nm_table_t nm_deliveries_progress_table = { NM_TABLE_ROLE + 1, true, "progress" };
const nm_table_t nm_deliveries_cancelled_table = { NM_TABLE_ROLE + 2, false, "cancelled" };

NM_RECORD_DEFINE(progress, NM_PROGRESS_FIELDS, NULL, 0);

static nm_key_t
s_key(const nm_delivery_key_t *key)
{
    nm_key_t raw = { .size = 0 };
    nm_key_id(&raw, &key->notification);
    nm_key_u8(&raw, key->number);
    nm_key_u32(&raw, key->generation);
    return raw;
}

static bool
s_read_key(nm_bytes_t raw, nm_delivery_key_t *key)
{
    if (raw.size != KEY_SIZE)
        return false;
    memcpy(key->notification.at, raw.at, NM_ID_SIZE);
    key->number = raw.at[NM_ID_SIZE];
    key->generation = nm_get_u32(raw.at + NM_ID_SIZE + 1);
    return true;
}

//  A copy in the transaction's scratch memory; the buffer is freed.
static nm_bytes_t
s_settle(nm_txn_t *txn, nm_buf_t *buf)
{
    uint8_t *at = nm_txn_alloc(txn, buf->size);
    memcpy(at, buf->at, buf->size);
    nm_bytes_t settled = nm_bytes(at, buf->size);
    nm_buf_free(buf);
    return settled;
}

nm_rc_t
nm_deliveries_put_progress(nm_txn_t *txn, const nm_delivery_key_t *key, const nm_progress_t *progress)
{
    nm_key_t raw = s_key(key);
    nm_buf_t packed = { 0 };
    nm_record_encode(&nm_progress_shape, progress, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_table_put(txn, &nm_deliveries_progress_table, nm_key_view(&raw), nm_buf_bytes(&packed));
    nm_buf_free(&packed);
    return rc;
}

nm_rc_t
nm_deliveries_add(nm_txn_t *txn, const nm_delivery_key_t *key, nm_bytes_t content, const nm_progress_t *progress)
{
    nm_key_t raw = s_key(key);
    nm_rc_t rc = nm_table_add(txn, &nm_deliveries_content_table, nm_key_view(&raw), content);
    return rc == NM_OK ? nm_deliveries_put_progress(txn, key, progress) : rc;
}

static nm_rc_t
s_decode(nm_bytes_t packed, nm_progress_t *progress)
{
    memset(progress, 0, sizeof *progress);
    nm_rc_t rc = nm_record_decode(&nm_progress_shape, progress, packed, NULL, "");
    return rc == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

nm_rc_t
nm_deliveries_get_progress(nm_txn_t *txn, const nm_delivery_key_t *key, nm_progress_t *progress)
{
    nm_key_t raw = s_key(key);
    nm_bytes_t packed;
    nm_rc_t rc = nm_table_get(txn, &nm_deliveries_progress_table, nm_key_view(&raw), &packed);
    return rc == NM_OK ? s_decode(packed, progress) : rc;
}

nm_rc_t
nm_deliveries_get_content(nm_txn_t *txn, const nm_delivery_key_t *key, nm_bytes_t *content)
{
    nm_key_t raw = s_key(key);
    return nm_table_get(txn, &nm_deliveries_content_table, nm_key_view(&raw), content);
}

nm_rc_t
nm_deliveries_remove(nm_txn_t *txn, const nm_delivery_key_t *key)
{
    nm_key_t raw = s_key(key);
    nm_rc_t rc = nm_table_delete(txn, &nm_deliveries_content_table, nm_key_view(&raw));
    return rc == NM_OK ? nm_table_delete(txn, &nm_deliveries_progress_table, nm_key_view(&raw)) : rc;
}

nm_rc_t
nm_deliveries_each(nm_txn_t *txn, const nm_id_t *notification, nm_deliveries_fn *visit, void *arg)
{
    nm_cursor_t cursor;
    nm_bytes_t prefix = notification ? nm_bytes(notification->at, NM_ID_SIZE) : nm_bytes(NULL, 0);
    nm_cursor_open(&cursor, txn, &nm_deliveries_progress_table, prefix, nm_bytes(NULL, 0), false);

    nm_bytes_t raw, packed;
    nm_rc_t rc;
    while ((rc = nm_cursor_next(&cursor, &raw, &packed)) == NM_OK) {
        nm_delivery_key_t key;
        nm_progress_t progress;
        rc = s_read_key(raw, &key) ? s_decode(packed, &progress) : NM_ERR_CORRUPT;
        if (rc == NM_OK)
            rc = visit(arg, &key, &progress);
        if (rc != NM_OK)
            break;
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- Attempts

//  Rewrites the list: its first `keep` items, without the second oldest if that is one too
//  many, and the attempt.
static void
s_rewrite(nm_txn_t *txn, nm_progress_t *progress, uint32_t keep, const nm_attempt_t *attempt)
{
    nm_list_t list = { 0 };
    nm_bytes_t item;
    nm_buf_t out = { 0 };
    bool full = keep >= NM_ATTEMPT_COUNT;
    if (keep)
        (void) nm_list_open(&list, progress->attempts);
    nm_writer_list(&out, (full ? keep - 1 : keep) + 1);
    for (uint32_t i = 0; i < keep && nm_list_next(&list, &item) == NM_OK; i++)
        if (!(full && i == 1))
            nm_writer_raw(&out, item);
    nm_record_encode(&nm_attempt_shape, attempt, NM_BY_TAG, &out);
    NM_PUT(progress, progress, attempts, s_settle(txn, &out));
}

static uint32_t
s_count(const nm_progress_t *progress)
{
    nm_list_t list;
    return progress->attempts.size && nm_list_open(&list, progress->attempts) == NM_OK ? list.count : 0;
}

void
nm_progress_add_attempt(nm_txn_t *txn, nm_progress_t *progress, const nm_attempt_t *attempt)
{
    s_rewrite(txn, progress, s_count(progress), attempt);
}

void
nm_progress_end_attempt(nm_txn_t *txn, nm_progress_t *progress, const nm_attempt_t *attempt)
{
    uint32_t count = s_count(progress);
    s_rewrite(txn, progress, count ? count - 1 : 0, attempt);
}

bool
nm_progress_first_attempt(const nm_progress_t *progress, nm_bytes_t *raw)
{
    nm_list_t list;
    return progress->attempts.size && nm_list_open(&list, progress->attempts) == NM_OK &&
           nm_list_next(&list, raw) == NM_OK;
}

bool
nm_progress_last_attempt(const nm_progress_t *progress, nm_bytes_t *raw)
{
    nm_list_t list;
    if (!progress->attempts.size || nm_list_open(&list, progress->attempts) != NM_OK || !list.count)
        return false;
    while (nm_list_next(&list, raw) == NM_OK)
        ;
    return true;
}

//  -- Cancelled notifications

nm_rc_t
nm_cancelled_put(nm_txn_t *txn, const nm_id_t *notification, uint32_t generation, int64_t now_ms)
{
    uint8_t value[4];
    nm_put_u32(value, generation);
    nm_bytes_t key = nm_bytes(notification->at, NM_ID_SIZE);
    nm_rc_t rc = nm_table_put(txn, &nm_deliveries_cancelled_table, key, nm_bytes(value, sizeof value));
    return rc == NM_OK ? nm_expiry_put(txn, &nm_deliveries_cancelled_table, key, now_ms + CANCELLED_KEPT_MS) : rc;
}

bool
nm_cancelled_has(nm_txn_t *txn, const nm_delivery_key_t *key)
{
    nm_bytes_t value;
    nm_bytes_t raw = nm_bytes(key->notification.at, NM_ID_SIZE);
    return nm_table_get(txn, &nm_deliveries_cancelled_table, raw, &value) == NM_OK && value.size == 4 &&
           key->generation <= nm_get_u32(value.at);
}
