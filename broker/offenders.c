#include "broker/offenders.h"

static nm_offender_t *
s_find(const nm_offenders_t *self, const uint8_t key[NM_CURVE_KEY_SIZE])
{
    for (size_t i = 0; i < self->count; i++)
        if (memcmp(self->items[i].key, key, NM_CURVE_KEY_SIZE) == 0)
            return (nm_offender_t *) &self->items[i];
    return NULL;
}

static nm_offender_t *
s_place(nm_offenders_t *self)
{
    if (self->count < NM_OFFENDER_COUNT)
        return &self->items[self->count++];
    nm_offender_t *oldest = &self->items[0];
    for (size_t i = 1; i < self->count; i++)
        if (self->items[i].last_ms < oldest->last_ms)
            oldest = &self->items[i];
    return oldest;
}

static bool
s_over(const nm_offender_t *item, int64_t mono_ms)
{
    return mono_ms - item->last_ms >= NM_OFFENDER_BLOCK_MS;
}

bool
nm_offenders_add(nm_offenders_t *self, const uint8_t key[NM_CURVE_KEY_SIZE], int64_t mono_ms)
{
    nm_offender_t *item = s_find(self, key);
    if (!item) {
        item = s_place(self);
        memcpy(item->key, key, NM_CURVE_KEY_SIZE);
        item->faults = 0;
    } else if (s_over(item, mono_ms)) {
        item->faults = 0;
    }
    item->last_ms = mono_ms;
    return ++item->faults == NM_OFFENDER_FAULT_MAX;
}

bool
nm_offenders_blocked(const nm_offenders_t *self, const uint8_t key[NM_CURVE_KEY_SIZE], int64_t mono_ms)
{
    const nm_offender_t *item = self->count ? s_find(self, key) : NULL;
    return item && item->faults >= NM_OFFENDER_FAULT_MAX && !s_over(item, mono_ms);
}
