#include "actors/channel/settings.h"

enum { DAY_MS = 24 * 3600 * 1000 };

//  Takes "250ms", "2s", "4m" or "1h" off the front of text; a bare number is ms.
static bool
s_take_duration(const char **text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } UNITS[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "", 1 } };

    char *end;
    unsigned long count = strtoul(*text, &end, 10);
    if (end == *text || **text < '0' || **text > '9' || count > DAY_MS)
        return false;
    size_t size = strcspn(end, " ,");
    for (size_t i = 0; i < NM_COUNT(UNITS); i++) {
        if (size != strlen(UNITS[i].unit) || strncmp(end, UNITS[i].unit, size) != 0)
            continue;
        *ms = (int64_t) count * UNITS[i].ms;
        *text = end + size;
        return *ms <= DAY_MS;
    }
    return false;
}

static nm_rc_t
s_open_delays(nm_retry_t *retry, const nm_zpl_t *part, nm_error_t *error)
{
    const char *text = NULL;
    nm_rc_t rc = nm_zpl_text(part, "retry_delays", NULL, &text, error);
    if (rc != NM_OK || !text)
        return rc;
    retry->delay_count = 0;
    text += strspn(text, " ,");
    while (*text) {
        if (retry->delay_count == NM_RETRY_DELAY_MAX || !s_take_duration(&text, &retry->delays_ms[retry->delay_count]))
            return nm_zpl_fail(nm_zpl_find(part, "retry_delays"), error,
                               "retry_delays are up to %d durations of at most a day, as \"2s 4s 8s\"",
                               NM_RETRY_DELAY_MAX);
        retry->delay_count++;
        text += strspn(text, " ,");
    }
    if (!retry->delay_count)
        return nm_zpl_fail(nm_zpl_find(part, "retry_delays"), error, "retry_delays are empty");
    return NM_OK;
}

static nm_rc_t
s_open_retry(nm_retry_t *retry, const nm_zpl_t *part, nm_error_t *error)
{
    uint64_t retries, jitter;
    nm_retry_init(retry);
    nm_rc_t rc = nm_zpl_number(part, "retries", 0, 1000, retry->retries, &retries, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(part, "jitter_percent", 0, 100, retry->jitter_percent, &jitter, error);
    if (rc == NM_OK)
        rc = nm_zpl_duration(part, "retry_longest", DAY_MS, retry->most_ms, &retry->most_ms, error);
    if (rc != NM_OK)
        return rc;
    retry->retries = (unsigned) retries;
    retry->jitter_percent = (unsigned) jitter;
    return s_open_delays(retry, part, error);
}

static nm_rc_t
s_open_unknown(nm_channel_settings_t *self, const nm_zpl_t *part, nm_error_t *error)
{
    const char *text = NULL;
    nm_rc_t rc = nm_zpl_text(part, "on_unknown", "retry", &text, error);
    if (rc != NM_OK)
        return rc;
    self->park = strcmp(text, "park") == 0;
    if (!self->park && strcmp(text, "retry") != 0)
        return nm_zpl_fail(nm_zpl_find(part, "on_unknown"), error, "on_unknown is retry or park, not \"%.40s\"", text);
    return NM_OK;
}

nm_rc_t
nm_channel_settings_open(nm_channel_settings_t *self, const nm_zpl_t *part, nm_error_t *error)
{
    static const char *const KEYS[] = {
        "concurrency",    "backlog",          "retries",      "retry_delays", "retry_longest",
        "jitter_percent", "breaker_failures", "breaker_open", "on_unknown",
    };
    uint64_t concurrency, backlog, failures;
    nm_rc_t rc = part ? nm_zpl_only(part, KEYS, NM_COUNT(KEYS), error) : NM_OK;
    if (rc == NM_OK)
        rc = nm_zpl_number(part, "concurrency", 1, 10000, 256, &concurrency, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(part, "backlog", 1, 1000000, 1024, &backlog, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(part, "breaker_failures", 1, 1000000, 5, &failures, error);
    if (rc == NM_OK)
        rc = nm_zpl_duration(part, "breaker_open", DAY_MS, 60000, &self->breaker.open_ms, error);
    if (rc == NM_OK)
        rc = s_open_unknown(self, part, error);
    if (rc == NM_OK)
        rc = s_open_retry(&self->retry, part, error);
    if (rc != NM_OK)
        return rc;
    self->concurrency = (size_t) concurrency;
    self->backlog = (size_t) backlog;
    self->breaker.failures = (unsigned) failures;
    return NM_OK;
}
