#include "broker/inbox.h"

#include "lmdb_store/key.h"

const nm_table_t nm_inbox_streams = { NM_TABLE_STREAMS_IN, false, "streams-in" };
const nm_table_t nm_inbox_quarantine = { NM_TABLE_QUARANTINE, true, "quarantine" };
const nm_table_t nm_inbox_fenced = { NM_TABLE_FENCED, false, "fenced" };

//  A row: store id, its epoch, our epoch when it was written, watermark, runs.
enum { S_ROW_HEAD_SIZE = NM_ID_SIZE + 4 + 4 + 8, S_RUN_SIZE = 16 };

nm_rc_t
nm_inbox_load_link(nm_txn_t *txn, nm_link_t *link, uint32_t own_epoch, bool *restored)
{
    nm_bytes_t value;
    *restored = false;
    link->known = false;
    link->seen = (nm_spans_t){ 0 };
    nm_rc_t rc = nm_table_get(txn, &nm_inbox_streams, nm_text(link->peer->actor.name), &value);
    if (rc == NM_ERR_MISSING)
        *restored = own_epoch > 1;  //  Perhaps only the lost copy had met it
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    if (value.size < S_ROW_HEAD_SIZE || (value.size - S_ROW_HEAD_SIZE) % S_RUN_SIZE ||
        (value.size - S_ROW_HEAD_SIZE) / S_RUN_SIZE > NM_SPAN_MAX)
        return NM_ERR_CORRUPT;
    memcpy(link->store.at, value.at, NM_ID_SIZE);
    link->epoch = nm_get_u32(value.at + NM_ID_SIZE);
    *restored = nm_get_u32(value.at + NM_ID_SIZE + 4) != own_epoch;
    link->seen.seen = nm_get_u64(value.at + NM_ID_SIZE + 8);
    link->seen.run_count = (uint32_t) ((value.size - S_ROW_HEAD_SIZE) / S_RUN_SIZE);
    for (uint32_t i = 0; i < link->seen.run_count; i++) {
        const uint8_t *at = value.at + S_ROW_HEAD_SIZE + i * S_RUN_SIZE;
        link->seen.runs[i] = (nm_run_t){ nm_get_u64(at), nm_get_u64(at + 8) };
    }
    link->known = true;
    return NM_OK;
}

nm_rc_t
nm_inbox_save_link(nm_txn_t *txn, const nm_link_t *link, uint32_t own_epoch)
{
    uint8_t raw[S_ROW_HEAD_SIZE + NM_SPAN_MAX * S_RUN_SIZE];
    size_t size = S_ROW_HEAD_SIZE;
    memcpy(raw, link->store.at, NM_ID_SIZE);
    nm_put_u32(raw + NM_ID_SIZE, link->epoch);
    nm_put_u32(raw + NM_ID_SIZE + 4, own_epoch);
    nm_put_u64(raw + NM_ID_SIZE + 8, link->seen.seen);
    for (uint32_t i = 0; i < link->seen.run_count; i++, size += S_RUN_SIZE) {
        nm_put_u64(raw + size, link->seen.runs[i].first);
        nm_put_u64(raw + size + 8, link->seen.runs[i].last);
    }
    return nm_table_put(txn, &nm_inbox_streams, nm_text(link->peer->actor.name), nm_bytes(raw, size));
}

nm_rc_t
nm_inbox_end_link(nm_txn_t *txn, const nm_link_t *link)
{
    nm_rc_t rc = nm_table_delete(txn, &nm_inbox_streams, nm_text(link->peer->actor.name));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_inbox_fence(nm_txn_t *txn, const nm_id_t *store, nm_bytes_t name)
{
    return nm_table_put(txn, &nm_inbox_fenced, nm_bytes(store->at, sizeof store->at), name);
}

bool
nm_inbox_is_fenced(nm_txn_t *txn, const nm_id_t *store)
{
    nm_bytes_t name;
    return nm_table_get(txn, &nm_inbox_fenced, nm_bytes(store->at, sizeof store->at), &name) != NM_ERR_MISSING;
}

nm_rc_t
nm_inbox_quarantine_put(nm_txn_t *txn, const nm_link_t *link, uint64_t seq, uint8_t kind, nm_bytes_t body)
{
    nm_key_t key = { .size = 0 };
    nm_key_text(&key, nm_text(link->peer->actor.name));
    nm_key_id(&key, &link->store);
    nm_key_u32(&key, link->epoch);
    nm_key_u64(&key, seq);
    nm_key_u8(&key, kind);
    return nm_table_put(txn, &nm_inbox_quarantine, nm_key_view(&key), body);
}
