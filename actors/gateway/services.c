#include "actors/gateway/services.h"

#include <sodium.h>

#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"

static const char *const SCOPES[] = { "notifications:write", "notifications:read", "users:write", "users:read",
                                      "templates:write",     "templates:read",     "webhooks",    "dead_letters" };
_Static_assert(NM_COUNT(SCOPES) == NM_SCOPE_COUNT, "a word for each scope");
const nm_words_t nm_scope_words = { "scope", SCOPES, NM_COUNT(SCOPES) };

NM_RECORD_DEFINE(limits, NM_LIMITS_FIELDS, NULL, 0);
NM_RECORD_DEFINE(recipient_limits, NM_RECIPIENT_LIMITS_FIELDS, NULL, 0);
NM_RECORD_DEFINE(service, NM_SERVICE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(api_key, NM_API_KEY_FIELDS, NULL, 0);

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
    };
    self->changes++;
}

static nm_tenant_key_t *
s_key_find(nm_services_t *self, const nm_id_t *service, const nm_id_t *id)
{
    for (size_t i = 0; i < self->key_count; i++)
        if (nm_id_equal(&self->keys[i].id, id) && nm_id_equal(&self->keys[i].service, service))
            return &self->keys[i];
    return NULL;
}

static void
s_remember_key(nm_services_t *self, const nm_api_key_t *key)
{
    nm_tenant_key_t *place = s_key_find(self, &key->service, &key->id);
    if (!place) {
        if (self->key_count == self->key_room) {
            self->key_room = self->key_room ? self->key_room * 2 : 16;
            self->keys = nm_realloc(self->keys, self->key_room * sizeof *self->keys);
        }
        place = &self->keys[self->key_count++];
    }
    *place = (nm_tenant_key_t){
        .service = key->service,
        .id = key->id,
        .scopes = (uint32_t) key->scopes,
        .used_ms = NM_HAS(key, api_key, last_used_at) ? key->last_used_at : 0,
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

static nm_key_t
s_key_key(const nm_id_t *service, const nm_id_t *id)
{
    nm_key_t key = { .size = 0 };
    nm_key_id(&key, service);
    nm_key_id(&key, id);
    return key;
}

static nm_rc_t
s_load_services(nm_services_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_bytes_t value;
    nm_service_t service;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &nm_services_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, NULL, &value)) == NM_OK) {
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
    nm_bytes_t value;
    nm_api_key_t key;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &nm_keys_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, NULL, &value)) == NM_OK) {
        if ((rc = s_read_key(value, &key)) != NM_OK)
            break;
        s_remember_key(self, &key);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_services_load(nm_services_t *self, nm_txn_t *txn)
{
    self->tenant_count = 0;
    self->key_count = 0;
    self->changes++;
    nm_rc_t rc = s_load_services(self, txn);
    return rc == NM_OK ? s_load_keys(self, txn) : rc;
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

nm_rc_t
nm_services_get(nm_txn_t *txn, const nm_id_t *id, nm_service_t *service)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_services_table, nm_bytes(id->at, NM_ID_SIZE), &value);
    return rc == NM_OK ? s_read(&nm_service_shape, service, value) : rc;
}

nm_rc_t
nm_services_get_key(nm_txn_t *txn, const nm_id_t *service, const nm_id_t *id, nm_api_key_t *key)
{
    nm_bytes_t value;
    nm_key_t place = s_key_key(service, id);
    nm_rc_t rc = nm_table_get(txn, &nm_keys_table, nm_key_view(&place), &value);
    return rc == NM_OK ? s_read_key(value, key) : rc;
}

static nm_rc_t
s_put(nm_txn_t *txn, const nm_table_t *table, nm_bytes_t key, const nm_shape_t *shape, const void *record)
{
    nm_buf_t packed = { 0 };
    nm_record_encode(shape, record, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_table_put(txn, table, key, nm_buf_bytes(&packed));
    nm_buf_free(&packed);
    return rc;
}

nm_rc_t
nm_services_put(nm_services_t *self, nm_txn_t *txn, const nm_service_t *service)
{
    nm_rc_t rc = s_put(txn, &nm_services_table, nm_bytes(service->id.at, NM_ID_SIZE), &nm_service_shape, service);
    if (rc == NM_OK)
        s_remember(self, service);
    return rc;
}

nm_rc_t
nm_services_put_key(nm_services_t *self, nm_txn_t *txn, const nm_api_key_t *key)
{
    nm_key_t place = s_key_key(&key->service, &key->id);
    nm_rc_t rc = s_put(txn, &nm_keys_table, nm_key_view(&place), &nm_api_key_shape, key);
    if (rc == NM_OK)
        s_remember_key(self, key);
    return rc;
}

nm_rc_t
nm_services_delete_key(nm_services_t *self, nm_txn_t *txn, const nm_id_t *service, const nm_id_t *id)
{
    nm_key_t place = s_key_key(service, id);
    nm_rc_t rc = nm_table_delete(txn, &nm_keys_table, nm_key_view(&place));
    nm_tenant_key_t *key = rc == NM_OK ? s_key_find(self, service, id) : NULL;
    if (key) {
        *key = self->keys[--self->key_count];
        self->changes++;
    }
    return rc;
}

nm_rc_t
nm_services_save_used(nm_services_t *self, nm_txn_t *txn)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->key_count; i++) {
        nm_tenant_key_t *key = &self->keys[i];
        nm_api_key_t stored;
        if (!key->used_changed)
            continue;
        rc = nm_services_get_key(txn, &key->service, &key->id, &stored);
        if (rc != NM_OK)
            break;
        NM_PUT(&stored, api_key, last_used_at, key->used_ms);
        nm_key_t place = s_key_key(&key->service, &key->id);
        rc = s_put(txn, &nm_keys_table, nm_key_view(&place), &nm_api_key_shape, &stored);
        key->used_changed = false;
    }
    return rc;
}
