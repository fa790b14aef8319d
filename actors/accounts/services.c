#include "actors/accounts/services.h"

#include <sodium.h>

#include "lmdb_store/book.h"
#include "lmdb_store/key.h"
#include "wire/id.h"

NM_RECORD_DEFINE(service, NM_SERVICE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(api_key, NM_API_KEY_FIELDS, NULL, 0);

const nm_table_t nm_key_uses_table = { NM_TABLE_ROLE + 8, false, "key_uses" };

static const int64_t DAY_MS = INT64_C(86400000);

//  -- In memory: two lists, sorted by id.

static size_t
s_tenant_place(const nm_services_t *self, const nm_id_t *id)
{
    size_t low = 0, high = self->tenant_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(self->tenants[middle].id.at, id->at, NM_ID_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static nm_allowance_t
s_allowance(const nm_service_t *service)
{
    nm_limits_t limits = { .has = 0 };
    nm_recipient_limits_t recipient = { .has = 0 };
    if (NM_HAS(service, service, limits))
        nm_record_decode(&nm_limits_shape, &limits, service->limits, NULL, "");
    if (NM_HAS(service, service, recipient_limits))
        nm_record_decode(&nm_recipient_limits_shape, &recipient, service->recipient_limits, NULL, "");
    return (nm_allowance_t){
        .per_minute = limits.per_minute,
        .burst = limits.burst,
        .per_day = limits.per_day,
        .recipient_per_hour = recipient.per_hour,
        .recipient_per_day = recipient.per_day,
    };
}

static void
s_remember(nm_services_t *self, const nm_service_t *service)
{
    size_t at = s_tenant_place(self, &service->id);
    if (at == self->tenant_count || !nm_id_equal(&self->tenants[at].id, &service->id)) {
        if (self->tenant_count == self->tenant_room) {
            self->tenant_room = self->tenant_room ? self->tenant_room * 2 : 16;
            self->tenants = nm_realloc(self->tenants, self->tenant_room * sizeof *self->tenants);
        }
        memmove(self->tenants + at + 1, self->tenants + at, (self->tenant_count - at) * sizeof *self->tenants);
        self->tenant_count++;
    }
    self->tenants[at] = (nm_tenant_t){
        .id = service->id,
        .active = service->is_active,
        .deleted = NM_HAS(service, service, deleted_at),
        .accept = NM_HAS(service, service, accept) ? (uint8_t) service->accept : 1,
        .accept_alone = NM_HAS(service, service, accept_alone) && service->accept_alone,
        .retention_ms = NM_HAS(service, service, retention_days) ? (int64_t) service->retention_days * DAY_MS : 0,
        .has_limits = NM_HAS(service, service, limits),
        .has_recipient_limits = NM_HAS(service, service, recipient_limits),
        .allowance = s_allowance(service),
        .has_defaults = NM_HAS(service, service, defaults),
    };
    self->changes++;
}

static int
s_key_order(const nm_tenant_key_t *key, const nm_id_t *service, const nm_id_t *id)
{
    int order = memcmp(key->service.at, service->at, NM_ID_SIZE);
    return order ? order : memcmp(key->id.at, id->at, NM_ID_SIZE);
}

//  Where it is, or would be.
static size_t
s_key_place(const nm_services_t *self, const nm_id_t *service, const nm_id_t *id)
{
    size_t low = 0, high = self->key_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s_key_order(&self->keys[middle], service, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static nm_tenant_key_t *
s_key_find(const nm_services_t *self, const nm_id_t *service, const nm_id_t *id)
{
    size_t at = s_key_place(self, service, id);
    return at < self->key_count && s_key_order(&self->keys[at], service, id) == 0 ? &self->keys[at] : NULL;
}

nm_tenant_key_t *
nm_services_keys(const nm_services_t *self, const nm_id_t *service, size_t *count)
{
    static const nm_id_t FIRST = { { 0 } };
    size_t from = s_key_place(self, service, &FIRST), to = from;
    while (to < self->key_count && nm_id_equal(&self->keys[to].service, service))
        to++;
    *count = to - from;
    return self->keys ? self->keys + from : NULL;
}

static void
s_remember_key(nm_services_t *self, const nm_api_key_t *key)
{
    nm_tenant_key_t *place = s_key_find(self, &key->service, &key->id);
    int64_t used_ms = place ? place->used_ms : 0;
    bool used_changed = place && place->used_changed;
    if (!place) {
        if (self->key_count == self->key_room) {
            self->key_room = self->key_room ? self->key_room * 2 : 16;
            self->keys = nm_realloc(self->keys, self->key_room * sizeof *self->keys);
        }
        size_t at = s_key_place(self, &key->service, &key->id);
        place = &self->keys[at];
        memmove(place + 1, place, (self->key_count++ - at) * sizeof *place);
    }
    *place = (nm_tenant_key_t){
        .service = key->service,
        .id = key->id,
        .scopes = (uint32_t) key->scopes,
        .expires_ms = NM_HAS(key, api_key, expires_at) ? key->expires_at : INT64_MAX,
        .used_ms = used_ms,
        .used_changed = used_changed,
    };
    memcpy(place->hash, key->hash.at, sizeof place->hash);
    self->changes++;
}

const nm_tenant_t *
nm_services_find(const nm_services_t *self, const nm_id_t *id)
{
    size_t at = s_tenant_place(self, id);
    return at < self->tenant_count && nm_id_equal(&self->tenants[at].id, id) ? &self->tenants[at] : NULL;
}

//  -- On disk

static nm_rc_t
s_read(const nm_shape_t *shape, void *record, nm_bytes_t value)
{
    return nm_record_decode(shape, record, value, NULL, "") == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

static nm_rc_t
s_read_key(nm_bytes_t value, nm_api_key_t *key)
{
    nm_rc_t rc = s_read(&nm_api_key_shape, key, value);
    return rc == NM_OK && key->hash.size != NM_SECRET_SIZE ? NM_ERR_CORRUPT : rc;
}

//  -- Entries of the book

nm_bytes_t
nm_services_entry(const nm_id_t *id, char out[NM_SERVICES_ENTRY_SIZE])
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(id, text);
    snprintf(out, NM_SERVICES_ENTRY_SIZE, NM_SERVICE_PREFIX "%s", text);
    return nm_text(out);
}

nm_bytes_t
nm_services_keys_of(const nm_id_t *service, char out[NM_SERVICES_ENTRY_SIZE])
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(service, text);
    snprintf(out, NM_SERVICES_ENTRY_SIZE, NM_KEY_PREFIX "%s/", text);
    return nm_text(out);
}

nm_bytes_t
nm_services_key_entry(const nm_id_t *service, const nm_id_t *id, char out[NM_SERVICES_ENTRY_SIZE])
{
    nm_id_to_text(id, out + nm_services_keys_of(service, out).size);
    return nm_text(out);
}

static bool
s_starts(nm_bytes_t entry, const char *prefix)
{
    size_t size = strlen(prefix);
    return entry.size >= size && memcmp(entry.at, prefix, size) == 0;
}

//  Reads "service/{id}" or "key/{service}/{id}"; is_key tells which.
static nm_rc_t
s_read_entry(nm_bytes_t entry, nm_id_t *service, nm_id_t *id, bool *is_key)
{
    enum { ID = NM_ID_TEXT_SIZE, SERVICE = sizeof NM_SERVICE_PREFIX - 1, KEY = sizeof NM_KEY_PREFIX - 1 };
    *is_key = entry.size == KEY + ID + 1 + ID && s_starts(entry, NM_KEY_PREFIX);
    if (*is_key)
        return nm_id_from_text(nm_bytes(entry.at + KEY, ID), service) == NM_OK &&
                       nm_id_from_text(nm_bytes(entry.at + KEY + ID + 1, ID), id) == NM_OK
                   ? NM_OK
                   : NM_ERR_CORRUPT;
    if (entry.size != SERVICE + ID || !s_starts(entry, NM_SERVICE_PREFIX))
        return NM_ERR_CORRUPT;
    return nm_id_from_text(nm_bytes(entry.at + SERVICE, ID), service) == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

static nm_rc_t
s_load_services(nm_services_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_bytes_t entry, value;
    nm_service_t service;
    nm_rc_t rc;
    nm_book_open(&cursor, txn, NM_SERVICES_BOOK, nm_text(NM_SERVICE_PREFIX), nm_bytes(NULL, 0), false);
    while ((rc = nm_book_next(&cursor, &entry, &value)) == NM_OK) {
        if ((rc = s_read(&nm_service_shape, &service, value)) != NM_OK)
            break;
        s_remember(self, &service);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_load_keys(nm_services_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_bytes_t entry, value;
    nm_api_key_t key;
    nm_rc_t rc;
    nm_book_open(&cursor, txn, NM_SERVICES_BOOK, nm_text(NM_KEY_PREFIX), nm_bytes(NULL, 0), false);
    while ((rc = nm_book_next(&cursor, &entry, &value)) == NM_OK) {
        if ((rc = s_read_key(value, &key)) != NM_OK)
            break;
        s_remember_key(self, &key);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- When keys were used

static nm_key_t
s_use_key(const nm_id_t *service, const nm_id_t *id)
{
    nm_key_t key = { .size = 0 };
    nm_key_id(&key, service);
    nm_key_id(&key, id);
    return key;
}

static nm_rc_t
s_load_uses(nm_services_t *self, nm_txn_t *txn)
{
    for (size_t i = 0; i < self->key_count; i++) {
        nm_tenant_key_t *key = &self->keys[i];
        nm_key_t place = s_use_key(&key->service, &key->id);
        nm_bytes_t value;
        nm_rc_t rc = nm_table_get(txn, &nm_key_uses_table, nm_key_view(&place), &value);
        if (rc == NM_OK && value.size == 8)
            key->used_ms = (int64_t) nm_get_u64(value.at);
        else if (rc != NM_ERR_MISSING)
            return rc == NM_OK ? NM_ERR_CORRUPT : rc;
    }
    return NM_OK;
}

int64_t
nm_services_used(const nm_services_t *self, const nm_id_t *service, const nm_id_t *id)
{
    const nm_tenant_key_t *key = s_key_find(self, service, id);
    return key ? key->used_ms : 0;
}

void
nm_services_note_used(nm_services_t *self, const nm_id_t *service, const nm_id_t *id, int64_t at_ms)
{
    nm_tenant_key_t *key = s_key_find(self, service, id);
    if (!key || key->used_ms >= at_ms)
        return;
    key->used_ms = at_ms;
    key->used_changed = true;
}

static void
s_tell_use(const nm_tenant_key_t *key, nm_buf_t *out)
{
    nm_key_use_t use = { .has = 0 };
    NM_PUT(&use, key_use, service, key->service);
    NM_PUT(&use, key_use, id, key->id);
    NM_PUT(&use, key_use, at, key->used_ms);
    nm_record_encode(&nm_key_use_shape, &use, NM_BY_NAME, out);
}

nm_rc_t
nm_services_save_used(nm_services_t *self, nm_txn_t *txn, nm_buf_t *told, size_t *count)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->key_count; i++) {
        nm_tenant_key_t *key = &self->keys[i];
        uint8_t raw[8];
        if (!key->used_changed)
            continue;
        nm_put_u64(raw, (uint64_t) key->used_ms);
        nm_key_t place = s_use_key(&key->service, &key->id);
        rc = nm_table_put(txn, &nm_key_uses_table, nm_key_view(&place), nm_bytes(raw, sizeof raw));
        key->used_changed = false;
        if (told && *count < NM_USES_MAX) {
            s_tell_use(key, told);
            ++*count;
        }
    }
    return rc;
}

static nm_rc_t
s_forget_key(nm_services_t *self, nm_txn_t *txn, const nm_id_t *service, const nm_id_t *id)
{
    nm_key_t place = s_use_key(service, id);
    nm_rc_t rc = nm_table_delete(txn, &nm_key_uses_table, nm_key_view(&place));
    nm_tenant_key_t *key = s_key_find(self, service, id);
    if (key) {
        memmove(key, key + 1, (size_t) (self->keys + --self->key_count - key) * sizeof *key);
        self->changes++;
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- Memory and book

nm_rc_t
nm_services_load(nm_services_t *self, nm_txn_t *txn)
{
    self->tenant_count = 0;
    self->key_count = 0;
    self->changes++;
    nm_rc_t rc = s_load_services(self, txn);
    if (rc == NM_OK)
        rc = s_load_keys(self, txn);
    return rc == NM_OK ? s_load_uses(self, txn) : rc;
}

void
nm_services_free(nm_services_t *self)
{
    free(self->tenants);
    if (self->keys)
        sodium_memzero(self->keys, self->key_room * sizeof *self->keys);
    free(self->keys);
    *self = (nm_services_t){ 0 };
}

static void
s_forget(nm_services_t *self, const nm_id_t *id)
{
    size_t at = s_tenant_place(self, id);
    if (at == self->tenant_count || !nm_id_equal(&self->tenants[at].id, id))
        return;
    self->tenant_count--;
    memmove(self->tenants + at, self->tenants + at + 1, (self->tenant_count - at) * sizeof *self->tenants);
    self->changes++;
}

nm_rc_t
nm_services_changed(nm_services_t *self, nm_txn_t *txn, nm_bytes_t entry)
{
    nm_id_t service_id, id;
    nm_service_t service;
    nm_api_key_t key;
    bool is_key;
    if (!s_starts(entry, NM_SERVICE_PREFIX) && !s_starts(entry, NM_KEY_PREFIX))
        return NM_OK;
    nm_rc_t rc = s_read_entry(entry, &service_id, &id, &is_key);
    if (rc != NM_OK)
        return rc;
    rc = is_key ? nm_services_get_key(txn, &service_id, &id, &key) : nm_services_get(txn, &service_id, &service);
    if (rc == NM_ERR_MISSING && is_key)
        return s_forget_key(self, txn, &service_id, &id);
    if (rc == NM_ERR_MISSING)
        s_forget(self, &service_id);
    else if (rc == NM_OK && is_key)
        s_remember_key(self, &key);
    else if (rc == NM_OK)
        s_remember(self, &service);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_services_get(nm_txn_t *txn, const nm_id_t *id, nm_service_t *service)
{
    nm_bytes_t value;
    char entry[NM_SERVICES_ENTRY_SIZE];
    nm_rc_t rc = nm_book_get(txn, NM_SERVICES_BOOK, nm_services_entry(id, entry), &value);
    return rc == NM_OK ? s_read(&nm_service_shape, service, value) : rc;
}

nm_rc_t
nm_services_get_key(nm_txn_t *txn, const nm_id_t *service, const nm_id_t *id, nm_api_key_t *key)
{
    nm_bytes_t value;
    char entry[NM_SERVICES_ENTRY_SIZE];
    nm_rc_t rc = nm_book_get(txn, NM_SERVICES_BOOK, nm_services_key_entry(service, id, entry), &value);
    return rc == NM_OK ? s_read_key(value, key) : rc;
}

static nm_rc_t
s_put(nm_turn_t *turn, nm_bytes_t entry, const nm_shape_t *shape, const void *record)
{
    nm_buf_t packed = { 0 };
    nm_record_encode(shape, record, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_turn_book_put(turn, NM_SERVICES_BOOK, entry, nm_buf_bytes(&packed));
    nm_buf_free(&packed);
    return rc;
}

nm_rc_t
nm_services_put(nm_turn_t *turn, const nm_service_t *service)
{
    char entry[NM_SERVICES_ENTRY_SIZE];
    return s_put(turn, nm_services_entry(&service->id, entry), &nm_service_shape, service);
}

nm_rc_t
nm_services_put_key(nm_turn_t *turn, const nm_api_key_t *key)
{
    char entry[NM_SERVICES_ENTRY_SIZE];
    return s_put(turn, nm_services_key_entry(&key->service, &key->id, entry), &nm_api_key_shape, key);
}

nm_rc_t
nm_services_delete_key(nm_turn_t *turn, const nm_id_t *service, const nm_id_t *id)
{
    char entry[NM_SERVICES_ENTRY_SIZE];
    nm_api_key_t key;
    nm_rc_t rc = nm_services_get_key(nm_turn_txn(turn), service, id, &key);
    return rc == NM_OK ? nm_turn_book_delete(turn, NM_SERVICES_BOOK, nm_services_key_entry(service, id, entry)) : rc;
}
