#include "actors/accounts/auth.h"

#include <sodium.h>

#include "wire/id.h"

static const nm_id_t NO_ID = { { 0 } };
static const int64_t NOTED_MS = 60000;  //  How exactly it is known when a key was used

void
nm_auth_init(nm_auth_t *self, const nm_mesh_t *mesh)
{
    *self = (nm_auth_t){ .mesh = mesh->name };
    memcpy(self->admin_hash, mesh->admin_key_hash, NM_SECRET_SIZE);
    nm_id_from_text(nm_text(NM_ADMIN_SERVICE_TEXT), &self->admin);
}

void
nm_auth_forget(nm_auth_t *self)
{
    self->cached = false;
    sodium_memzero(self->cached_key, sizeof self->cached_key);
    self->token_size = 0;
    sodium_memzero(self->token, sizeof self->token);
}

void
nm_auth_hash(nm_bytes_t secret, uint8_t hash[NM_SECRET_SIZE])
{
    crypto_generichash(hash, NM_SECRET_SIZE, secret.at, secret.size, NULL, 0);
}

void
nm_auth_operator(const nm_auth_t *self, nm_who_t *who)
{
    *who = (nm_who_t){ .service = self->admin, .scopes = (1u << NM_SCOPE_COUNT) - 1, .admin = true };
}

static bool
s_is_hex(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
            return false;
    }
    return true;
}

//  Takes the key apart. A malformed one leaves zeros, which no service has, so that it is
//  hashed and compared like any other.
static bool
s_split(nm_bytes_t key, nm_id_t *service, nm_bytes_t *secret)
{
    static const char NOTHING[] = "00000000000000000000000000000000";
    *service = NO_ID;
    *secret = nm_text(NOTHING);
    if (key.size != NM_KEY_TEXT_SIZE || key.at[32] != '-')
        return false;
    *secret = nm_bytes(key.at + 33, 32);
    return s_is_hex(*secret) && nm_id_from_text(nm_bytes(key.at, 32), service) == NM_OK;
}

static bool
s_is_cached(const nm_auth_t *self, const nm_services_t *services, nm_bytes_t key, int64_t now_ms)
{
    return self->cached && self->cached_changes == services->changes && now_ms < self->cached_until_ms &&
           key.size == NM_KEY_TEXT_SIZE && sodium_memcmp(self->cached_key, key.at, NM_KEY_TEXT_SIZE) == 0;
}

//  The key of the service that has this hash. All of the service's are compared, whichever is right, and one at least.
static nm_tenant_key_t *
s_find(nm_services_t *services, const nm_id_t *service, const uint8_t hash[NM_SECRET_SIZE])
{
    static const uint8_t NOBODYS[NM_SECRET_SIZE];
    nm_tenant_key_t *found = NULL;
    size_t count;
    nm_tenant_key_t *keys = nm_services_keys(services, service, &count);
    for (size_t i = 0; i < count; i++) {
        if (sodium_memcmp(keys[i].hash, hash, NM_SECRET_SIZE) == 0)
            found = &keys[i];
    }
    if (!count && sodium_memcmp(NOBODYS, hash, NM_SECRET_SIZE) == 0)
        return NULL;
    return found;
}

static void
s_note_use(nm_tenant_key_t *key, int64_t now_ms)
{
    if (now_ms - key->used_ms < NOTED_MS)
        return;
    key->used_ms = now_ms;
    key->used_changed = true;
}

static nm_rc_t
s_who(const nm_auth_t *self, const nm_services_t *services, const nm_id_t *service, uint32_t scopes, nm_who_t *who)
{
    if (nm_id_equal(service, &self->admin)) {
        nm_auth_operator(self, who);
        return NM_OK;
    }
    const nm_tenant_t *tenant = nm_services_find(services, service);
    if (!tenant || tenant->deleted)
        return NM_ERR_REFUSED;
    *who = (nm_who_t){ .service = *service, .scopes = scopes, .inactive = !tenant->active };
    return NM_OK;
}

nm_rc_t
nm_auth_check(nm_auth_t *self, nm_services_t *services, nm_bytes_t key, int64_t now_ms, nm_who_t *who)
{
    if (s_is_cached(self, services, key, now_ms)) {
        *who = self->cached_who;
        return NM_OK;
    }

    nm_id_t service;
    nm_bytes_t secret;
    uint8_t hash[NM_SECRET_SIZE];
    bool well_formed = s_split(key, &service, &secret);
    nm_auth_hash(secret, hash);
    nm_tenant_key_t *found = s_find(services, &service, hash);
    bool is_admin = nm_id_equal(&service, &self->admin) && !sodium_is_zero(self->admin_hash, NM_SECRET_SIZE) &&
                    sodium_memcmp(self->admin_hash, hash, NM_SECRET_SIZE) == 0;
    if (!well_formed || (!found && !is_admin))
        return NM_ERR_REFUSED;
    bool expired = !is_admin && found->expires_ms <= now_ms;
    if (expired || s_who(self, services, &service, found ? found->scopes : 0, who) != NM_OK)
        return NM_ERR_MISSING;

    self->cached_until_ms = found && found->expires_ms < now_ms + NOTED_MS ? found->expires_ms : now_ms + NOTED_MS;
    if (found)
        s_note_use(found, now_ms);
    memcpy(self->cached_key, key.at, NM_KEY_TEXT_SIZE);
    self->cached_who = *who;
    self->cached_changes = services->changes;
    self->cached = true;
    return NM_OK;
}

//  -- Tokens

//  The token of "Bearer TOKEN"; empty if it is anything else.
static nm_bytes_t
s_token_of(nm_bytes_t authorization)
{
    static const char SCHEME[] = "bearer ";
    size_t size = sizeof SCHEME - 1;
    if (authorization.size <= size)
        return nm_bytes(NULL, 0);
    for (size_t i = 0; i < size; i++)
        if ((authorization.at[i] | 0x20) != (uint8_t) SCHEME[i])
            return nm_bytes(NULL, 0);
    return nm_bytes(authorization.at + size, authorization.size - size);
}

static bool
s_is_remembered(const nm_auth_t *self, nm_bytes_t token, uint64_t changes, int64_t now_ms)
{
    return self->token_size && self->token_size == token.size && self->token_changes == changes &&
           now_ms < self->token_who.claims.expires_ms && sodium_memcmp(self->token, token.at, token.size) == 0;
}

//  What the holder of a good token is. False: its service is gone.
static bool
s_person(const nm_auth_t *self, const nm_services_t *services, const nm_jwt_claims_t *claims, nm_who_t *who)
{
    *who = (nm_who_t){ .service = claims->service, .signed_in = true, .claims = *claims };
    if (nm_id_equal(&claims->service, &self->admin)) {
        who->admin = claims->roles >> NM_PERSON_ADMIN & 1;
        who->scopes = who->admin ? (1u << NM_SCOPE_COUNT) - 1 : 0;
    } else {
        const nm_tenant_t *tenant = nm_services_find(services, &claims->service);
        if (!tenant || tenant->deleted)
            return false;
        who->inactive = !tenant->active;
    }
    who->person = !who->admin;
    return true;
}

//  Checks the value of an Authorization header.
static nm_jwt_verdict_t
s_bearer(nm_auth_t *self, const nm_services_t *services, const nm_sessions_t *sessions, nm_bytes_t authorization,
         int64_t now_ms, nm_who_t *who)
{
    nm_bytes_t token = s_token_of(authorization);
    uint64_t changes = services->changes + sessions->changes;
    nm_jwt_claims_t claims;
    if (s_is_remembered(self, token, changes, now_ms)) {
        *who = self->token_who;
        return NM_JWT_GOOD;
    }
    nm_jwt_verdict_t verdict = nm_sessions_check(sessions, token, self->mesh, now_ms, &claims);
    if (verdict == NM_JWT_GOOD && !s_person(self, services, &claims, who))
        verdict = NM_JWT_OLD;
    if (verdict != NM_JWT_GOOD)
        return verdict;
    memcpy(self->token, token.at, token.size);
    self->token_size = token.size;
    self->token_who = *who;
    self->token_changes = changes;
    return NM_JWT_GOOD;
}

nm_credential_t
nm_auth_headers(nm_auth_t *self, nm_services_t *services, const nm_sessions_t *sessions,
                const nm_ask_headers_t *headers, int64_t now_ms, nm_who_t *who)
{
    static const nm_credential_t VERDICTS[] = {
        [NM_JWT_GOOD] = NM_CREDENTIAL_RIGHT,
        [NM_JWT_OLD] = NM_CREDENTIAL_OLD,
        [NM_JWT_FORGED] = NM_CREDENTIAL_WRONG,
    };
    if (NM_HAS(headers, ask_headers, api_key))
        switch (nm_auth_check(self, services, headers->api_key, now_ms, who)) {
        case NM_OK: return NM_CREDENTIAL_RIGHT;
        case NM_ERR_MISSING: return NM_CREDENTIAL_OLD;
        default: return NM_CREDENTIAL_WRONG;
        }
    if (NM_HAS(headers, ask_headers, authorization))
        return VERDICTS[s_bearer(self, services, sessions, headers->authorization, now_ms, who)];
    return NM_CREDENTIAL_MISSING;
}

//  -- Rights

bool
nm_auth_may(const nm_who_t *who, const nm_api_t *api, char why[NM_AUTH_WHY_SIZE])
{
    if (who->inactive) {
        snprintf(why, NM_AUTH_WHY_SIZE, "The service is switched off.");
        return false;
    }
    if (who->person) {
        bool own = api->flags & NM_API_SELF && who->claims.roles >> NM_PERSON_USER & 1;
        snprintf(why, NM_AUTH_WHY_SIZE, "Your roles do not let you do this.");
        return own;
    }
    if (who->admin || api->scope == NM_SCOPE_ANY || (api->scope < NM_SCOPE_COUNT && who->scopes >> api->scope & 1))
        return true;
    if (api->scope == NM_SCOPE_ADMIN)
        snprintf(why, NM_AUTH_WHY_SIZE, "Only the admin may do this.");
    else
        snprintf(why, NM_AUTH_WHY_SIZE, "The key has not the scope %s.", nm_words_text(&nm_scope_words, api->scope));
    return false;
}
