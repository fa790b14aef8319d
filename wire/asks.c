#include "wire/asks.h"

static const char *const SCOPES[NM_SCOPE_COUNT] = {
    "notifications:write", "notifications:read", "users:write", "users:read",
    "templates:write",     "templates:read",     "webhooks",    "dead_letters",
};
const nm_words_t nm_scope_words = { "scope", SCOPES, NM_COUNT(SCOPES) };

static const char *const PERSON_ROLES[NM_PERSON_ROLE_COUNT] = { "admin", "user" };
const nm_words_t nm_person_role_words = { "role", PERSON_ROLES, NM_COUNT(PERSON_ROLES) };

static const char *const JWT_ALGORITHMS[NM_JWT_ALGORITHM_COUNT] = { "EdDSA", "HS256" };
const nm_words_t nm_jwt_algorithm_words = { "algorithm", JWT_ALGORITHMS, NM_COUNT(JWT_ALGORITHMS) };

//  As lists and records call them.
static const nm_alias_t EVENTS_ALIASES[] = { { "cursor", "after" }, { "id", "notification" } };

//  What gateways called it that passed asks on.
static const nm_alias_t LETTER_ALIASES[] = { { "service", "service_id", .inner = true } };

const nm_shape_t nm_nothing_shape = { .name = "nothing", .size = sizeof(uint64_t) };
NM_RECORD_DEFINE(by_id, NM_BY_ID_FIELDS, NULL, 0);
NM_RECORD_DEFINE(batch, NM_BATCH_FIELDS, NULL, 0);
NM_RECORD_DEFINE(list_ask, NM_LIST_ASK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(events_ask, NM_EVENTS_ASK_FIELDS, EVENTS_ALIASES, NM_COUNT(EVENTS_ALIASES));
NM_RECORD_DEFINE(letter_list, NM_LETTER_LIST_FIELDS, LETTER_ALIASES, 1);
NM_RECORD_DEFINE(letter_ref, NM_LETTER_REF_FIELDS, LETTER_ALIASES, 1);
NM_RECORD_DEFINE(letter_replay, NM_LETTER_REPLAY_FIELDS, LETTER_ALIASES, 1);
NM_RECORD_DEFINE(letter_filter, NM_LETTER_FILTER_FIELDS, NULL, 0);
NM_RECORD_DEFINE(letter_many, NM_LETTER_MANY_FIELDS, LETTER_ALIASES, 1);
NM_RECORD_DEFINE(limits, NM_LIMITS_FIELDS, NULL, 0);
NM_RECORD_DEFINE(recipient_limits, NM_RECIPIENT_LIMITS_FIELDS, NULL, 0);
NM_RECORD_DEFINE(service_ask, NM_SERVICE_ASK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(key_ask, NM_KEY_ASK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(key_use, NM_KEY_USE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(key_uses, NM_KEY_USES_FIELDS, NULL, 0);
NM_RECORD_DEFINE(page_ask, NM_PAGE_ASK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(user_ask, NM_USER_ASK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(login, NM_LOGIN_FIELDS, NULL, 0);
NM_RECORD_DEFINE(signing, NM_SIGNING_FIELDS, NULL, 0);
NM_RECORD_DEFINE(provider_ask, NM_PROVIDER_ASK_FIELDS, NULL, 0);

//  -- What rows cannot say

static void
s_check_least(bool has, uint64_t value, nm_faults_t *faults, const char *parent, const char *name)
{
    if (has && !value)
        nm_faults_add(faults, parent, name, "must be 1 or more; leave it out for no limit");
}

static void
s_check_limits(nm_bytes_t raw, nm_faults_t *faults)
{
    static const char PARENT[] = "/limits";
    nm_limits_t limits;
    if (nm_record_decode(&nm_limits_shape, &limits, raw, NULL, "") != NM_OK)
        return;
    s_check_least(NM_HAS(&limits, limits, per_minute), limits.per_minute, faults, PARENT, "per_minute");
    s_check_least(NM_HAS(&limits, limits, burst), limits.burst, faults, PARENT, "burst");
    s_check_least(NM_HAS(&limits, limits, per_day), limits.per_day, faults, PARENT, "per_day");
    if (NM_HAS(&limits, limits, burst) && !NM_HAS(&limits, limits, per_minute))
        nm_faults_add(faults, PARENT, "burst", "goes with per_minute");
}

static void
s_check_recipient_limits(nm_bytes_t raw, nm_faults_t *faults)
{
    static const char PARENT[] = "/recipient_limits";
    nm_recipient_limits_t limits;
    if (nm_record_decode(&nm_recipient_limits_shape, &limits, raw, NULL, "") != NM_OK)
        return;
    s_check_least(NM_HAS(&limits, recipient_limits, per_hour), limits.per_hour, faults, PARENT, "per_hour");
    s_check_least(NM_HAS(&limits, recipient_limits, per_day), limits.per_day, faults, PARENT, "per_day");
}

void
nm_service_ask_check(const nm_service_ask_t *self, nm_faults_t *faults)
{
    nm_defaults_t defaults;
    if (NM_HAS(self, service_ask, name) && !self->name.size)
        nm_faults_add(faults, "", "name", "must not be empty");
    if (NM_HAS(self, service_ask, retention_days) && self->retention_days == 0)
        nm_faults_add(faults, "", "retention_days", "must be 1 to 3,650");
    if (NM_HAS(self, service_ask, accept) && self->accept == 0)
        nm_faults_add(faults, "", "accept", "must be 1 or 2");
    if (NM_HAS(self, service_ask, limits))
        s_check_limits(self->limits, faults);
    if (NM_HAS(self, service_ask, recipient_limits))
        s_check_recipient_limits(self->recipient_limits, faults);
    if (NM_HAS(self, service_ask, defaults) &&
        nm_record_decode(&nm_defaults_shape, &defaults, self->defaults, NULL, "") == NM_OK)
        nm_defaults_check(&defaults, faults, "/defaults");
}

//  -- What operations take of them

static const nm_alias_t EVENTS_ID[] = { { "id", "notification" } };
NM_RECORD_VARIANT(events_stream, events_ask, 0,
                  NM_BIT(events_ask, limit) | NM_BIT(events_ask, wait_ms) | NM_BIT(events_ask, notification), NULL, 0);
NM_RECORD_VARIANT(events_of_one, events_ask, NM_BIT(events_ask, notification),
                  NM_BIT(events_ask, limit) | NM_BIT(events_ask, wait_ms) | NM_BIT(events_ask, service_id) |
                      NM_BIT(events_ask, since),
                  EVENTS_ID, 1);
NM_RECORD_VARIANT(service_new, service_ask, NM_BIT(service_ask, name), NM_BIT(service_ask, id), NULL, 0);
NM_RECORD_VARIANT(service_change, service_ask, NM_BIT(service_ask, id), 0, NULL, 0);
NM_RECORD_VARIANT(key_new, key_ask, 0, NM_BIT(key_ask, key_id) | NM_BIT(key_ask, overlap_seconds), NULL, 0);
NM_RECORD_VARIANT(key_rotate, key_ask, NM_BIT(key_ask, key_id),
                  NM_BIT(key_ask, name) | NM_BIT(key_ask, scopes) | NM_BIT(key_ask, expires_at), NULL, 0);
NM_RECORD_VARIANT(key_ref, key_ask, NM_BIT(key_ask, key_id), ~(NM_BIT(key_ask, service_id) | NM_BIT(key_ask, key_id)),
                  NULL, 0);
NM_RECORD_VARIANT(services_page, page_ask, 0, NM_BIT(page_ask, service_id), NULL, 0);
NM_RECORD_VARIANT(keys_page, page_ask, NM_BIT(page_ask, service_id), 0, NULL, 0);
NM_RECORD_VARIANT(users_page, page_ask, 0, 0, NULL, 0);
NM_RECORD_VARIANT(user_new, user_ask, 0, NM_BIT(user_ask, id), NULL, 0);
NM_RECORD_VARIANT(user_change, user_ask, NM_BIT(user_ask, id), NM_BIT(user_ask, service_id), NULL, 0);
NM_RECORD_VARIANT(provider_new, provider_ask, NM_BIT(provider_ask, name) | NM_BIT(provider_ask, kind), 0, NULL, 0);
NM_RECORD_NAMING(provider_change, provider_ask, 0, 0, name);
NM_RECORD_NAMING(provider_ref, provider_ask, 0, ~NM_BIT(provider_ask, name), name);
