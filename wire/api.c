#include "wire/api.h"

static const char *const SCOPES[NM_SCOPE_COUNT] = {
    "notifications:write", "notifications:read", "users:write", "users:read",
    "templates:write",     "templates:read",     "webhooks",    "dead_letters",
};
const nm_words_t nm_scope_words = { "scope", SCOPES, NM_COUNT(SCOPES) };

static const char *const METHODS[NM_HTTP_METHOD_COUNT] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
const nm_words_t nm_http_method_words = { "method", METHODS, NM_COUNT(METHODS) };

#define NOTIFICATIONS_WRITE NM_SCOPE_NOTIFICATIONS_WRITE
#define NOTIFICATIONS_READ NM_SCOPE_NOTIFICATIONS_READ
#define DEAD_LETTERS NM_SCOPE_DEAD_LETTERS
#define ADMIN NM_SCOPE_ADMIN
#define OPEN NM_SCOPE_OPEN
#define GET NM_HTTP_GET
#define POST NM_HTTP_POST
#define PATCH NM_HTTP_PATCH
#define DELETE NM_HTTP_DELETE
#define TAKES_NOTIFICATION (NM_API_LARGE | NM_API_IDEMPOTENT | NM_API_LIMITED)

const nm_api_t nm_api[] = {
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/v1/notifications", 202, TAKES_NOTIFICATION,
      "Send a notification" },
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/notifications/send", 202, TAKES_NOTIFICATION | NM_API_LEGACY,
      "Send a notification" },
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/notification-service/notifications", 202,
      TAKES_NOTIFICATION | NM_API_LEGACY, "Send a notification" },
    { "notifications.create", NOTIFICATIONS_WRITE, POST, "/api/v1/notifications", 202,
      TAKES_NOTIFICATION | NM_API_LEGACY, "Send a notification" },
    { "notifications.batch", NOTIFICATIONS_WRITE, POST, "/v1/notifications/batch", 202, TAKES_NOTIFICATION,
      "Send up to 1,000 notifications" },
    { "notifications.broadcast", NOTIFICATIONS_WRITE, POST, "/v1/notifications/broadcast", 202, TAKES_NOTIFICATION,
      "Send one notification to many users" },
    { "notifications.list", NOTIFICATIONS_READ, GET, "/v1/notifications", 200, 0, "List notifications, newest first" },
    { "notifications.get", NOTIFICATIONS_READ, GET, "/v1/notifications/{id}", 200, 0,
      "Show a notification: status, attempts, timeline" },
    { "notifications.cancel", NOTIFICATIONS_WRITE, POST, "/v1/notifications/{id}/cancel", 200, 0,
      "Cancel a notification" },
    { "events.read", NOTIFICATIONS_READ, GET, "/v1/notifications/{id}/events", 200, NM_API_EVENTS,
      "Events of a notification as they happen" },
    { "events.read", NOTIFICATIONS_READ, GET, "/v1/events", 200, NM_API_EVENTS, "Events as they happen" },
    { "dead_letters.list", DEAD_LETTERS, GET, "/v1/dead-letters", 200, 0, "List dead letters" },
    { "dead_letters.get", DEAD_LETTERS, GET, "/v1/dead-letters/{id}", 200, 0,
      "Show a dead letter with all its attempts" },
    { "dead_letters.replay", DEAD_LETTERS, POST, "/v1/dead-letters/{id}/replay", 202, 0, "Send a dead letter again" },
    { "dead_letters.replay_many", DEAD_LETTERS, POST, "/v1/dead-letters/replay", 202, 0,
      "Send all dead letters again that match" },
    { "dead_letters.discard", DEAD_LETTERS, DELETE, "/v1/dead-letters/{id}", 204, 0, "Discard a dead letter" },
    { "services.create", ADMIN, POST, "/v1/services", 201, 0, "Make a service" },
    { "services.list", ADMIN, GET, "/v1/services", 200, 0, "List services" },
    { "services.get", ADMIN, GET, "/v1/services/{id}", 200, 0, "Show a service" },
    { "services.patch", ADMIN, PATCH, "/v1/services/{id}", 200, 0, "Change a service" },
    { "services.delete", ADMIN, DELETE, "/v1/services/{id}", 204, 0, "Delete a service" },
    { "keys.create", ADMIN, POST, "/v1/services/{service_id}/keys", 201, 0, "Make an API key" },
    { "keys.list", ADMIN, GET, "/v1/services/{service_id}/keys", 200, 0, "List the API keys of a service" },
    { "keys.delete", ADMIN, DELETE, "/v1/services/{service_id}/keys/{key_id}", 204, 0, "Revoke an API key" },
    { "providers.create", ADMIN, POST, "/v1/providers", 201, 0, "Add a provider" },
    { "providers.list", ADMIN, GET, "/v1/providers", 200, 0, "List providers" },
    { "providers.get", ADMIN, GET, "/v1/providers/{name}", 200, 0, "Show a provider" },
    { "providers.patch", ADMIN, PATCH, "/v1/providers/{name}", 200, 0, "Change a provider" },
    { "providers.delete", ADMIN, DELETE, "/v1/providers/{name}", 204, 0, "Remove a provider" },
    { "health", OPEN, GET, "/health", 200, 0, "Is it alive?" },
    { "health.ready", OPEN, GET, "/health/ready", 200, 0, "Can it accept notifications?" },
    { "metrics", OPEN, GET, "/metrics", 200, NM_API_EDGE, "Figures of the whole mesh, Prometheus text" },
    { "openapi", OPEN, GET, "/openapi.json", 200, NM_API_EDGE, "This document" },
    { "docs", OPEN, GET, "/docs", 200, NM_API_EDGE, "The documentation for reading" },
    { "doors", NM_SCOPE_ANY, GET, NULL, 200, 0, "Where a client can turn to" },
    { "idempotency.find.notifications.create", NOTIFICATIONS_WRITE, POST, NULL, 200, 0,
      "The first answer under a key" },
    { "idempotency.find.notifications.batch", NOTIFICATIONS_WRITE, POST, NULL, 200, 0, "The first answer under a key" },
    { "notifications.account", ADMIN, POST, NULL, 200, 0, "Look for what nobody has, and send it again" },
};
const size_t nm_api_count = NM_COUNT(nm_api);

const nm_api_t *
nm_api_find(nm_bytes_t op)
{
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_bytes_is(op, nm_api[i].op))
            return &nm_api[i];
    return NULL;
}
