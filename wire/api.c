#include "wire/api.h"

static const char *const METHODS[NM_HTTP_METHOD_COUNT] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
const nm_words_t nm_http_method_words = { "method", METHODS, NM_COUNT(METHODS) };

#define NOTIFICATIONS_WRITE NM_SCOPE_NOTIFICATIONS_WRITE
#define NOTIFICATIONS_READ NM_SCOPE_NOTIFICATIONS_READ
#define USERS_WRITE NM_SCOPE_USERS_WRITE
#define USERS_READ NM_SCOPE_USERS_READ
#define DEAD_LETTERS NM_SCOPE_DEAD_LETTERS
#define ADMIN NM_SCOPE_ADMIN
#define OPEN NM_SCOPE_OPEN
#define GET NM_HTTP_GET
#define POST NM_HTTP_POST
#define PATCH NM_HTTP_PATCH
#define DELETE NM_HTTP_DELETE
#define ALSO(...)   \
    {               \
        __VA_ARGS__ \
    }
#define NONE \
    {        \
        0    \
    }
#define TAKES_NOTIFICATION (NM_API_LARGE | NM_API_IDEMPOTENT | NM_API_LIMITED)

const nm_api_t nm_api[] = {
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/v1/notifications", 202, TAKES_NOTIFICATION,
      "Send a notification", &nm_request_shape, ALSO(200), &nm_shown_accepted_shape },
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/notifications/send", 202, TAKES_NOTIFICATION | NM_API_LEGACY,
      "Send a notification", &nm_request_shape, ALSO(200), &nm_shown_accepted_shape },
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/notification-service/notifications", 202,
      TAKES_NOTIFICATION | NM_API_LEGACY, "Send a notification", &nm_request_shape, ALSO(200),
      &nm_shown_accepted_legacy_shape },
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/api/v1/notifications", 202,
      TAKES_NOTIFICATION | NM_API_LEGACY, "Send a notification", &nm_request_shape, ALSO(200),
      &nm_shown_accepted_shape },
    { "notifications.batch", NOTIFICATIONS_WRITE, POST, "/v1/notifications/batch", 202, TAKES_NOTIFICATION,
      "Send up to 1,000 notifications", &nm_batch_shape, NONE, &nm_batch_result_shape },
    { "notifications.broadcast", NOTIFICATIONS_WRITE, POST, "/v1/notifications/broadcast", 202, TAKES_NOTIFICATION,
      "Send one notification to many users", &nm_broadcast_shape, NONE, &nm_broadcast_result_shape },
    { "notifications.list", NOTIFICATIONS_READ, GET, "/v1/notifications", 200, NM_API_SELF,
      "List notifications, newest first", &nm_list_ask_shape, NONE, &nm_notification_page_shape },
    { "notifications.get", NOTIFICATIONS_READ, GET, "/v1/notifications/{id}", 200, NM_API_SELF,
      "Show a notification: status, attempts, timeline", &nm_by_id_shape, NONE, &nm_notification_shape },
    { "notifications.cancel", NOTIFICATIONS_WRITE, POST, "/v1/notifications/{id}/cancel", 200, 0,
      "Cancel a notification", &nm_by_id_shape, ALSO(409), &nm_notification_shape },
    { "events.read", NOTIFICATIONS_READ, GET, "/v1/notifications/{id}/events", 200, NM_API_EVENTS,
      "Events of a notification as they happen", &nm_events_of_one_shape, NONE, &nm_event_data_shape },
    { "events.read", NOTIFICATIONS_READ, GET, "/v1/events", 200, NM_API_EVENTS, "Events as they happen",
      &nm_events_stream_shape, NONE, &nm_event_data_shape },
    { "dead_letters.list", DEAD_LETTERS, GET, "/v1/dead-letters", 200, 0, "List dead letters", &nm_letter_list_shape,
      NONE, &nm_letter_page_shape },
    { "dead_letters.get", DEAD_LETTERS, GET, "/v1/dead-letters/{id}", 200, 0,
      "Show a dead letter with all its attempts", &nm_letter_ref_shape, NONE, &nm_whole_letter_shape },
    { "dead_letters.replay", DEAD_LETTERS, POST, "/v1/dead-letters/{id}/replay", 202, 0, "Send a dead letter again",
      &nm_letter_replay_shape, ALSO(409), &nm_replayed_shape },
    { "dead_letters.replay_many", DEAD_LETTERS, POST, "/v1/dead-letters/replay", 202, 0,
      "Send all dead letters again that match", &nm_letter_many_shape, ALSO(200), &nm_replayed_many_shape },
    { "dead_letters.discard", DEAD_LETTERS, DELETE, "/v1/dead-letters/{id}", 204, 0, "Discard a dead letter",
      &nm_letter_ref_shape },
    { "services.create", ADMIN, POST, "/v1/services", 201, 0, "Make a service", &nm_service_new_shape, ALSO(409),
      &nm_shown_service_shape },
    { "services.list", ADMIN, GET, "/v1/services", 200, 0, "List services", &nm_services_page_shape, NONE,
      &nm_service_page_shape },
    { "services.get", ADMIN, GET, "/v1/services/{id}", 200, 0, "Show a service", &nm_by_id_shape, NONE,
      &nm_shown_service_shape },
    { "services.patch", ADMIN, PATCH, "/v1/services/{id}", 200, 0, "Change a service", &nm_service_change_shape,
      ALSO(409), &nm_shown_service_shape },
    { "services.delete", ADMIN, DELETE, "/v1/services/{id}", 204, 0, "Delete a service", &nm_by_id_shape, ALSO(409) },
    { "keys.create", ADMIN, POST, "/v1/services/{service_id}/keys", 201, 0, "Make an API key", &nm_key_new_shape,
      ALSO(409), &nm_new_key_shape },
    { "keys.list", ADMIN, GET, "/v1/services/{service_id}/keys", 200, 0, "List the API keys of a service",
      &nm_keys_page_shape, NONE, &nm_key_page_shape },
    { "keys.rotate", ADMIN, POST, "/v1/services/{service_id}/keys/{key_id}/rotate", 201, 0,
      "Make an API key that takes the place of another", &nm_key_rotate_shape, ALSO(409), &nm_new_key_shape },
    { "keys.delete", ADMIN, DELETE, "/v1/services/{service_id}/keys/{key_id}", 204, 0, "Revoke an API key",
      &nm_key_ref_shape },
    { "users.create", USERS_WRITE, POST, "/v1/users", 201, 0, "Make an account for a user", &nm_user_new_shape,
      ALSO(409), &nm_shown_user_shape },
    { "users.list", USERS_READ, GET, "/v1/users", 200, 0, "List users, newest first", &nm_users_page_shape, NONE,
      &nm_user_page_shape },
    { "users.get", USERS_READ, GET, "/v1/users/{id}", 200, NM_API_SELF, "Show a user", &nm_by_id_shape, NONE,
      &nm_shown_user_shape },
    { "users.patch", USERS_WRITE, PATCH, "/v1/users/{id}", 200, NM_API_SELF, "Change a user", &nm_user_change_shape,
      ALSO(409), &nm_shown_user_shape },
    { "users.delete", USERS_WRITE, DELETE, "/v1/users/{id}", 204, 0, "Delete a user", &nm_by_id_shape },
    { "auth.login", OPEN, POST, "/v1/auth/login", 200, 0, "Sign in", &nm_login_shape, ALSO(401, 403, 429),
      &nm_signed_in_shape },
    { "auth.logout", NM_SCOPE_ANY, POST, "/v1/auth/logout", 204, NM_API_SELF, "Sign out: the token is good no more" },
    { "signing.rotate", ADMIN, POST, NULL, 201, 0, "Sign tokens with a new key", &nm_signing_shape },
    { "providers.create", ADMIN, POST, "/v1/providers", 201, 0, "Add a provider", &nm_provider_new_shape, ALSO(409),
      &nm_shown_provider_shape },
    { "providers.list", ADMIN, GET, "/v1/providers", 200, 0, "List providers", &nm_services_page_shape, NONE,
      &nm_provider_page_shape },
    { "providers.get", ADMIN, GET, "/v1/providers/{name}", 200, 0, "Show a provider", &nm_provider_ref_shape, NONE,
      &nm_shown_provider_shape },
    { "providers.patch", ADMIN, PATCH, "/v1/providers/{name}", 200, 0, "Change a provider", &nm_provider_change_shape,
      NONE, &nm_shown_provider_shape },
    { "providers.delete", ADMIN, DELETE, "/v1/providers/{name}", 204, 0, "Remove a provider", &nm_provider_ref_shape },
    { "health", OPEN, GET, "/health", 200, NM_API_EDGE, "Is it alive?", NULL, NONE, &nm_health_shape },
    { "health.ready", OPEN, GET, "/health/ready", 200, NM_API_STATE, "Can it accept notifications?", NULL, NONE,
      &nm_readiness_shape },
    { "metrics", OPEN, GET, "/metrics", 200, NM_API_EDGE, "Figures of the whole mesh, Prometheus text", NULL,
      ALSO(401, 403, 429, 503), NULL, "text/plain" },
    { "openapi", OPEN, GET, "/openapi.json", 200, NM_API_EDGE | NM_API_CACHED, "This document", NULL, ALSO(304), NULL,
      "application/json" },
    { "docs", OPEN, GET, "/docs", 200, NM_API_EDGE | NM_API_CACHED, "The documentation for reading", NULL, ALSO(304),
      NULL, "text/html" },
    { "doors", NM_SCOPE_ANY, GET, NULL, 200, 0, "Where a client can turn to" },
    { "events.feed", ADMIN, GET, NULL, 200, 0, "What a gateway's journal gets, for another gateway" },
    { "idempotency.find.notifications.create", NOTIFICATIONS_WRITE, POST, NULL, 200, 0,
      "The first answer under a key" },
    { "idempotency.find.notifications.batch", NOTIFICATIONS_WRITE, POST, NULL, 200, 0, "The first answer under a key" },
    { "idempotency.find.notifications.broadcast", NOTIFICATIONS_WRITE, POST, NULL, 200, 0,
      "The first answer under a key" },
    { "notifications.take", NOTIFICATIONS_WRITE, POST, NULL, 202, TAKES_NOTIFICATION,
      "Take in what another gateway looked at the key of" },
    { "keys.used", ADMIN, POST, NULL, 204, 0, "When keys were used last", &nm_key_uses_shape },
    { "limits.lend", NOTIFICATIONS_WRITE, POST, NULL, 200, 0, "What is left of a limit" },
    { "guesses.count", ADMIN, POST, NULL, 200, 0, "A wrong credential that another gateway has seen" },
    { "notifications.account", ADMIN, POST, NULL, 200, 0, "Look for what nobody has, and send it again" },
};
const size_t nm_api_count = NM_COUNT(nm_api);

bool
nm_api_is_in_path(const nm_api_t *self, const char *name)
{
    size_t size = strlen(name);
    const char *at = self->path;
    while (at && (at = strchr(at, '{'))) {
        at++;
        if (strncmp(at, name, size) == 0 && at[size] == '}')
            return true;
    }
    return false;
}

//  -- Statuses

static bool
s_takes(const nm_api_t *self, const char *name)
{
    for (size_t i = 0; self->ask && i < self->ask->field_count; i++)
        if (nm_shape_knows(self->ask, i) && strcmp(self->ask->fields[i].name, name) == 0)
            return true;
    return false;
}

//  When a row has a status that its table does not tell: whatever has a body may be refused for it, and so on.
static bool
s_has_status(const nm_api_t *self, unsigned status)
{
    bool asks = !(self->flags & NM_API_EDGE);  //  A gateway answers
    switch (status) {
    case 400: return true;  //  A header field, at least
    case 401:
    case 403: return self->scope != NM_SCOPE_OPEN;
    case 404: return strchr(self->path, '{') || s_takes(self, "service_id");
    case 409: return self->flags & NM_API_IDEMPOTENT;
    case 413:
    case 415: return nm_api_has_body(self);
    case 422: return true;  //  A query that nobody knows, at least
    case 429: return self->scope != NM_SCOPE_OPEN;
    case 503:
    case 507: return asks;
    default: return false;
    }
}

static bool
s_is_named(const nm_api_t *self, unsigned status)
{
    for (size_t i = 0; i < NM_API_ALSO_COUNT; i++)
        if (self->also[i] == status)
            return true;
    return self->status == status;
}

size_t
nm_api_statuses(const nm_api_t *self, uint16_t out[NM_API_STATUS_COUNT])
{
    size_t count = 0;
    for (unsigned status = 200; self->path && status < 600 && count < NM_API_STATUS_COUNT; status++)
        if (s_is_named(self, status) || s_has_status(self, status))
            out[count++] = (uint16_t) status;
    return count;
}

const nm_api_t *
nm_api_find(nm_bytes_t op)
{
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_bytes_is(op, nm_api[i].op))
            return &nm_api[i];
    return NULL;
}
