//  keys - API keys: made, rotated and revoked by the admin.

#include <sodium.h>

#include "actors/accounts/reads.h"
#include "actors/user/ops.h"
#include "actors/user/state.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/writer.h"

enum { KEYS_PER_SERVICE = 100, OVERLAP_SECONDS = 86400 };
static const uint32_t ALL_SCOPES = (1u << NM_SCOPE_COUNT) - 1;
static const int64_t KEPT_MS = INT64_C(7) * 86400000;  //  How long an expired key is still listed

static void
s_read_scopes(const nm_key_ask_t *ask, uint32_t *scopes, nm_faults_t *faults)
{
    size_t before = faults->count;
    *scopes = ALL_SCOPES;
    if (!NM_HAS(ask, key_ask, scopes))
        return;
    *scopes = (uint32_t) nm_act_words(ask->scopes, &nm_scope_words, "/scopes", faults);
    if (!*scopes && faults->count == before)
        nm_faults_add(faults, "", "scopes", "must name at least one scope");
}

//  The text of a new key, and the hash of its secret half. Secrets do not come from the
//  turn's randomness, which ids show to everybody.
static void
s_make_key(const nm_id_t *service, char text[NM_KEY_TEXT_SIZE + 1], uint8_t hash[NM_SECRET_SIZE])
{
    uint8_t secret[16];
    randombytes_buf(secret, sizeof secret);
    sodium_bin2hex(text, 33, service->at, NM_ID_SIZE);
    text[32] = '-';
    sodium_bin2hex(text + 33, 33, secret, sizeof secret);
    nm_auth_hash(nm_text(text + 33), hash);
    sodium_memzero(secret, sizeof secret);
}

//  Is there room for another key? If not, that is answered.
static bool
s_has_room(nm_act_t *it, const nm_id_t *service)
{
    size_t count;
    nm_services_keys(it->services, service, &count);
    if (count >= KEYS_PER_SERVICE)
        nm_act_problem(it, 409, "The service has %u keys already; delete one first.", (unsigned) KEYS_PER_SERVICE);
    else if (nm_turn_tight(it->turn))
        nm_act_full(it);
    else
        return true;
    return false;
}

//  Gives key an id and a secret, saves it, and answers with its text.
static nm_rc_t
s_issue(nm_act_t *it, nm_api_key_t *key)
{
    char text[NM_KEY_TEXT_SIZE + 1];
    uint8_t hash[NM_SECRET_SIZE];
    nm_id_t id;
    nm_turn_new_id(it->turn, &id);
    s_make_key(&key->service, text, hash);
    NM_PUT(key, api_key, id, id);
    NM_PUT(key, api_key, hash, nm_bytes(hash, sizeof hash));
    NM_PUT(key, api_key, created_at, it->now_ms);
    nm_rc_t rc = nm_services_put_key(it->turn, key);
    if (rc == NM_OK) {
        nm_buf_clear(it->body);
        nm_act_write_key(it, it->body, key, text);
        rc = nm_act_done(it, 201);
    }
    sodium_memzero(text, sizeof text);
    return rc;
}

nm_rc_t
nm_act_keys_create(nm_act_t *it)
{
    nm_key_ask_t ask;
    nm_service_t service;
    nm_api_key_t key = { .has = 0 };
    nm_id_t id;
    uint32_t scopes;
    if (nm_act_decode(it, &nm_key_new_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_service(it, ask.service_id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (NM_HAS(&ask, key_ask, expires_at) && ask.expires_at <= it->now_ms)
        nm_faults_add(it->faults, "", "expires_at", "is past");
    s_read_scopes(&ask, &scopes, it->faults);
    if (it->faults->count)
        return nm_act_faulty(it, "The key has faults");
    if (!s_has_room(it, &id))
        return NM_OK;
    NM_PUT(&key, api_key, service, id);
    NM_PUT(&key, api_key, name, NM_HAS(&ask, key_ask, name) ? ask.name : nm_text("key"));
    NM_PUT(&key, api_key, scopes, scopes);
    if (NM_HAS(&ask, key_ask, expires_at))
        NM_PUT(&key, api_key, expires_at, ask.expires_at);
    return s_issue(it, &key);
}

//  The key that an ask names. NM_ERR_REFUSED: there is none, and that is answered.
static nm_rc_t
s_find(nm_act_t *it, const nm_key_ask_t *ask, nm_api_key_t *key)
{
    nm_service_t service;
    nm_id_t service_id, id;
    nm_rc_t rc = nm_act_find_service(it, ask->service_id, &service_id, &service);
    if (rc != NM_OK)
        return rc;
    if (nm_id_from_text(ask->key_id, &id) != NM_OK)
        rc = NM_ERR_MISSING;
    else
        rc = nm_services_get_key(it->txn, &service_id, &id, key);
    if (rc != NM_ERR_MISSING)
        return rc;
    nm_act_unknown(it, "key");
    return NM_ERR_REFUSED;
}

//  The old key stops working when the overlap is over, or when it would have anyway.
static nm_rc_t
s_retire(nm_act_t *it, nm_api_key_t *key, uint64_t overlap_seconds)
{
    if (!overlap_seconds)
        return nm_services_delete_key(it->turn, &key->service, &key->id);
    int64_t end_ms = it->now_ms + (int64_t) overlap_seconds * 1000;
    if (NM_HAS(key, api_key, expires_at) && key->expires_at <= end_ms)
        return NM_OK;
    NM_PUT(key, api_key, expires_at, end_ms);
    return nm_services_put_key(it->turn, key);
}

nm_rc_t
nm_act_keys_rotate(nm_act_t *it)
{
    nm_key_ask_t ask;
    nm_api_key_t old, key = { .has = 0 };
    if (nm_act_decode(it, &nm_key_rotate_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, &ask, &old);
    if (rc == NM_OK && NM_HAS(&old, api_key, expires_at) && old.expires_at <= it->now_ms) {
        nm_act_unknown(it, "key");
        rc = NM_ERR_REFUSED;
    }
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (!s_has_room(it, &old.service))
        return NM_OK;

    //  The name is a view of an entry that is about to be written again
    char name[NM_NAME_MAX + 1];
    nm_bytes_to_text(old.name, name, sizeof name);
    NM_PUT(&key, api_key, service, old.service);
    NM_PUT(&key, api_key, name, nm_text(name));
    NM_PUT(&key, api_key, scopes, old.scopes);
    rc = s_retire(it, &old, NM_HAS(&ask, key_ask, overlap_seconds) ? ask.overlap_seconds : OVERLAP_SECONDS);
    return rc == NM_OK ? s_issue(it, &key) : rc;
}

nm_rc_t
nm_act_keys_delete(nm_act_t *it)
{
    nm_key_ask_t ask;
    nm_api_key_t key;
    if (nm_act_decode(it, &nm_key_ref_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, &ask, &key);
    if (rc == NM_OK)
        rc = nm_services_delete_key(it->turn, &key.service, &key.id);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    return nm_act_nothing(it);
}

//  A gateway tells when keys were used at it.
nm_rc_t
nm_act_keys_used(nm_act_t *it)
{
    nm_key_uses_t ask;
    nm_list_t list;
    nm_bytes_t raw;
    nm_rc_t rc = nm_act_decode(it, &nm_key_uses_shape, &ask, false);
    if (rc != NM_OK || nm_list_open(&list, ask.uses) != NM_OK)
        return NM_OK;
    while (nm_list_next(&list, &raw) == NM_OK) {
        nm_key_use_t use;
        if (nm_record_decode(&nm_key_use_shape, &use, raw, NULL, "") == NM_OK)
            nm_services_note_used(&nm_deed(it)->user->services, &use.service, &use.id, use.at);
    }
    return nm_act_nothing(it);
}

nm_rc_t
nm_keys_tidy(nm_services_t *services, nm_turn_t *turn)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = services->key_count; rc == NM_OK && i-- > 0;) {
        nm_tenant_key_t key = services->keys[i];
        if (key.expires_ms < nm_turn_now(turn) - KEPT_MS)
            rc = nm_services_delete_key(turn, &key.service, &key.id);
    }
    return rc;
}
