#include "actors/channel/lineup.h"

static void
s_open_metrics(nm_provider_t *self, nm_metrics_t *metrics)
{
    const char *name = self->setup.name;
    for (unsigned i = 0; i < NM_OUTCOME_COUNT; i++)
        self->outcomes[i] = nm_metrics_make(metrics, NM_FAMILY_ATTEMPTS, name, nm_words_text(&nm_outcome_words, i));
    self->call_us = nm_metrics_make(metrics, NM_FAMILY_PROVIDER_CALL, name, NULL);
    self->opened = nm_metrics_make(metrics, NM_FAMILY_BREAKER_OPENED, name, NULL);
    self->state = nm_metrics_make(metrics, NM_FAMILY_BREAKER, name, NULL);
}

static bool
s_is_there(const nm_provider_t *self)
{
    return self->retired_ms == INT64_MAX;
}

static bool
s_goes_before(const nm_provider_t *a, const nm_provider_t *b)
{
    if (s_is_there(a) != s_is_there(b))
        return s_is_there(a);
    return a->setup.priority < b->setup.priority;
}

//  Equal ones keep their order. There are few.
static void
s_sort(nm_lineup_t *self)
{
    for (size_t i = 1; i < self->count; i++) {
        nm_provider_t moved = self->at[i];
        size_t place = i;
        for (; place && s_goes_before(&moved, &self->at[place - 1]); place--)
            self->at[place] = self->at[place - 1];
        self->at[place] = moved;
    }
}

//  The provider of that name which is there; NULL if there is none.
static nm_provider_t *
s_named(const nm_lineup_t *self, const char *name)
{
    int at = nm_lineup_find(self, nm_text(name));
    return at < 0 ? NULL : &self->at[at];
}

static nm_provider_t
s_provider(const nm_lineup_t *before, const nm_provider_setup_t *setup, nm_metrics_t *metrics)
{
    nm_provider_t provider = { .setup = *setup, .retired_ms = INT64_MAX };
    const nm_provider_t *old = s_named(before, setup->name);
    if (old && memcmp(old->setup.hash, setup->hash, sizeof setup->hash) == 0) {
        provider.breaker = old->breaker;
        provider.kept = old->kept;
    }
    s_open_metrics(&provider, metrics);
    return provider;
}

//  Is it needed for results still? What has a follower of the same kind is not: that one knows its answers.
static bool
s_is_missed(const nm_lineup_t *next, const nm_provider_t *old)
{
    const nm_provider_t *follower = s_named(next, old->setup.name);
    return !s_is_there(old) || !follower || follower->setup.driver != old->setup.driver;
}

void
nm_lineup_renew(nm_lineup_t *self, const nm_provider_setup_t *setups, size_t count, nm_metrics_t *metrics,
                int64_t now_ms, bool calling)
{
    nm_lineup_t next = { .at = nm_alloc((count + self->count) * sizeof *next.at) };
    for (size_t i = 0; i < count; i++)
        next.at[next.count++] = s_provider(self, &setups[i], metrics);
    for (size_t i = 0; i < self->count; i++) {
        nm_provider_t *old = &self->at[i];
        if (!calling || !s_is_missed(&next, old)) {
            nm_metric_set(old->state, NM_BREAKER_CLOSED);
            nm_provider_setup_close(&old->setup);
            continue;
        }
        if (s_is_there(old))
            old->retired_ms = now_ms;
        next.at[next.count++] = *old;
    }
    free(self->at);
    *self = next;
    s_sort(self);
}

nm_rc_t
nm_lineup_open(nm_lineup_t *self, const nm_zpl_t *part, const nm_mesh_t *mesh, nm_metrics_t *metrics, nm_error_t *error)
{
    nm_rc_t rc = NM_OK;
    size_t room = 0, count = 0;
    for (const nm_zpl_t *node = part ? part->child : NULL; node; node = node->next)
        room++;
    nm_provider_setup_t *setups = nm_alloc(room * sizeof *setups);
    for (const nm_zpl_t *node = part ? part->child : NULL; rc == NM_OK && node; node = node->next) {
        rc = nm_provider_setup_open(&setups[count], node, mesh, error);
        count += rc == NM_OK;
    }
    *self = (nm_lineup_t){ 0 };
    if (rc == NM_OK)
        nm_lineup_renew(self, setups, count, metrics, 0, false);
    else
        while (count)
            nm_provider_setup_close(&setups[--count]);
    free(setups);
    return rc;
}

void
nm_lineup_close(nm_lineup_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        nm_provider_setup_close(&self->at[i].setup);
    free(self->at);
    *self = (nm_lineup_t){ 0 };
}

int
nm_lineup_find(const nm_lineup_t *self, nm_bytes_t name)
{
    if (!name.size)
        return NM_LINEUP_ANY;
    for (size_t i = 0; i < self->count; i++)
        if (s_is_there(&self->at[i]) && nm_bytes_is(name, self->at[i].setup.name))
            return (int) i;
    return NM_LINEUP_UNKNOWN;
}

int
nm_lineup_find_called(const nm_lineup_t *self, nm_bytes_t name, int64_t started_ms)
{
    int found = -1;
    for (size_t i = 0; i < self->count; i++) {
        const nm_provider_t *provider = &self->at[i];
        if (!nm_bytes_is(name, provider->setup.name) || started_ms > provider->retired_ms)
            continue;
        if (found < 0 || provider->retired_ms < self->at[found].retired_ms)
            found = (int) i;
    }
    return found;
}

static bool
s_could(const nm_lineup_t *self, size_t at, const nm_need_of_t *need)
{
    const nm_provider_t *provider = &self->at[at];
    bool wished = need->wish == NM_LINEUP_ANY || need->wish == (int) at;
    static const nm_id_t NOBODY = { { 0 } };
    return wished && s_is_there(provider) && provider->setup.active &&
           (provider->setup.channels & NM_CHANNEL_BIT(need->channel)) &&
           nm_provider_setup_serves(&provider->setup, need->service ? need->service : &NOBODY);
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
