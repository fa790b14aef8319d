#include "actors/channel/lineup.h"

enum { PRIORITY_MAX = 1000000, PRIORITY_DEFAULT = 100, KEYS_MAX = 64 };

//  What every provider may say; its driver adds its own.
static const char *const COMMON[] = { "kind", "channels", "priority", "active" };

static nm_rc_t
s_check_keys(const nm_zpl_t *node, const nm_driver_t *driver, nm_error_t *error)
{
    const char *keys[KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < NM_COUNT(COMMON); i++)
        keys[count++] = COMMON[i];
    for (size_t i = 0; i < driver->key_count && count < KEYS_MAX; i++)
        keys[count++] = driver->keys[i];
    return nm_zpl_only(node, keys, count, error);
}

//  Reads "email push": names of channels, separated by spaces or commas.
static nm_rc_t
s_open_channels(nm_provider_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    const char *text = NULL;
    nm_rc_t rc = nm_zpl_text(node, "channels", NULL, &text, error);
    if (rc != NM_OK)
        return rc;
    self->channels = text ? 0 : self->driver->channels;
    for (; text && *text;) {
        size_t size = strcspn(text, " ,");
        int channel = size ? nm_words_find(&nm_channel_words, nm_bytes(text, size)) : -1;
        if (size && (channel < 0 || !(self->driver->channels & NM_CHANNEL_BIT(channel))))
            return nm_zpl_fail(nm_zpl_find(node, "channels"), error,
                               "a provider of kind %s does not send over \"%.*s\"", self->driver->kind, (int) size,
                               text);
        if (size)
            self->channels |= NM_CHANNEL_BIT(channel);
        text += size + (text[size] != 0);
    }
    return NM_OK;
}

static nm_rc_t
s_open_provider(nm_provider_t *self, const nm_zpl_t *node, const nm_mesh_t *mesh, nm_error_t *error)
{
    if (strlen(node->name) > NM_NAME_MAX)
        return nm_zpl_fail(node, error, "the name of a provider has at most %d bytes", NM_NAME_MAX);
    snprintf(self->name, sizeof self->name, "%s", node->name);

    const char *kind = NULL;
    nm_rc_t rc = nm_zpl_text(node, "kind", NULL, &kind, error);
    if (rc != NM_OK)
        return rc;
    self->driver = kind ? nm_driver_find(kind) : NULL;
    if (!self->driver) {
        char kinds[256];
        nm_driver_list(kinds, sizeof kinds);
        const nm_zpl_t *given = nm_zpl_find(node, "kind");
        return nm_zpl_fail(given ? given : node, error, "provider %s needs a kind: %s", self->name, kinds);
    }
    rc = s_check_keys(node, self->driver, error);
    if (rc == NM_OK)
        rc = s_open_channels(self, node, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(node, "priority", 0, PRIORITY_MAX, PRIORITY_DEFAULT, &self->priority, error);
    if (rc == NM_OK)
        rc = nm_zpl_bool(node, "active", true, &self->active, error);
    return rc == NM_OK ? self->driver->open(&self->config, node, mesh, error) : rc;
}

static void
s_open_metrics(nm_provider_t *self, nm_metrics_t *metrics)
{
    for (unsigned i = 0; i < NM_OUTCOME_COUNT; i++) {
        char value[NM_NAME_MAX + 32];
        snprintf(value, sizeof value, "%s:%s", self->name, nm_words_text(&nm_outcome_words, i));
        self->outcomes[i] = nm_metrics_counter(metrics, "nmesh_attempts_total", "provider_outcome", value);
    }
    self->open = nm_metrics_gauge(metrics, "nmesh_breaker_open", "provider", self->name);
}

//  Sorts by priority; equal ones keep their order. There are few.
static void
s_sort(nm_lineup_t *self)
{
    for (size_t i = 1; i < self->count; i++) {
        nm_provider_t moved = self->at[i];
        size_t place = i;
        for (; place && self->at[place - 1].priority > moved.priority; place--)
            self->at[place] = self->at[place - 1];
        self->at[place] = moved;
    }
}

nm_rc_t
nm_lineup_open(nm_lineup_t *self, const nm_zpl_t *part, const nm_mesh_t *mesh, nm_metrics_t *metrics, nm_error_t *error)
{
    *self = (nm_lineup_t){ 0 };
    size_t room = 0;
    for (const nm_zpl_t *node = part ? part->child : NULL; node; node = node->next)
        room++;
    self->at = nm_alloc(room * sizeof *self->at);
    for (const nm_zpl_t *node = part ? part->child : NULL; node; node = node->next) {
        nm_rc_t rc = s_open_provider(&self->at[self->count], node, mesh, error);
        if (rc != NM_OK) {
            nm_lineup_close(self);
            return rc;
        }
        s_open_metrics(&self->at[self->count++], metrics);
    }
    s_sort(self);
    return NM_OK;
}

void
nm_lineup_close(nm_lineup_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->at[i].driver->close(self->at[i].config);
    free(self->at);
    *self = (nm_lineup_t){ 0 };
}

int
nm_lineup_find(const nm_lineup_t *self, nm_bytes_t name)
{
    if (!name.size)
        return NM_LINEUP_ANY;
    for (size_t i = 0; i < self->count; i++)
        if (nm_bytes_is(name, self->at[i].name))
            return (int) i;
    return NM_LINEUP_UNKNOWN;
}

static bool
s_could(const nm_lineup_t *self, size_t at, const nm_need_of_t *need)
{
    const nm_provider_t *provider = &self->at[at];
    bool wished = need->wish == NM_LINEUP_ANY || need->wish == (int) at;
    return wished && provider->active && (provider->channels & NM_CHANNEL_BIT(need->channel));
}

nm_rc_t
nm_lineup_pick(const nm_lineup_t *self, const nm_need_of_t *need, int64_t now_ms, int *at, int64_t *until_ms)
{
    int found = -1;
    int64_t until = INT64_MAX;
    for (size_t i = 0; i < self->count; i++) {
        if (!s_could(self, i, need))
            continue;
        int64_t admits_at = nm_breaker_admits_at(&self->at[i].breaker, now_ms);
        if (admits_at < until)
            until = admits_at;
        if (admits_at <= now_ms && (found < 0 || found == need->last))
            found = (int) i;
    }
    if (found >= 0) {
        *at = found;
        return NM_OK;
    }
    if (until == INT64_MAX)
        return NM_ERR_MISSING;
    *until_ms = until;
    return NM_ERR_BUSY;
}

void
nm_lineup_keep(nm_lineup_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->at[i].kept = self->at[i].breaker;
}

void
nm_lineup_revert(nm_lineup_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->at[i].breaker = self->at[i].kept;
}
