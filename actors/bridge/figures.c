#include "actors/bridge/state.h"

#include <assert.h>

//  The first is for all others.
static const unsigned STATUSES[] = { 0,   200, 201, 202, 204, 400, 401, 403, 404, 405, 406, 409,
                                     413, 414, 415, 422, 429, 431, 500, 502, 503, 504, 507 };

void
nm_bridge_figures_make(nm_bridge_t *self, nm_metrics_t *metrics)
{
    assert(nm_api_count <= NM_BRIDGE_ROW_MAX && NM_COUNT(STATUSES) <= NM_BRIDGE_STATUS_MAX);
    self->metrics = metrics;
    self->again = nm_metrics_make(metrics, NM_FAMILY_HTTP_REPEATED, NULL, NULL);
    self->request_us = nm_metrics_make(metrics, NM_FAMILY_HTTP_REQUEST, NULL, NULL);
}

static size_t
s_place(unsigned status)
{
    for (size_t i = 1; i < NM_COUNT(STATUSES); i++)
        if (STATUSES[i] == status)
            return i;
    return 0;
}

void
nm_bridge_count(nm_bridge_t *self, const nm_api_t *api, unsigned status)
{
    size_t place = s_place(status);
    nm_metric_t **metric = &self->answers[api - nm_api][place];
    if (!status)
        return;  //  A further piece of an answer
    if (!*metric) {
        char text[16];
        snprintf(text, sizeof text, place ? "%u" : "other", STATUSES[place]);
        *metric = nm_metrics_make(self->metrics, NM_FAMILY_HTTP_REQUESTS, api->path, text);
    }
    nm_metric_add(*metric, 1);
}

static void
s_set(nm_bridge_t *self, nm_family_id_t family, uint64_t value)
{
    nm_metric_set(nm_metrics_make(self->metrics, family, NULL, NULL), value);
}

void
nm_bridge_figures_look(void *state, nm_turn_t *turn)
{
    (void) turn;
    nm_bridge_t *self = state;
    uint64_t streams = 0, behind = 0;
    for (size_t i = 0; i < self->slot_count; i++) {
        bool flows = self->slots[i].request && self->slots[i].flowing;
        streams += flows;
        behind += flows && self->slots[i].behind;
    }
    s_set(self, NM_FAMILY_HTTP_CONNECTIONS, self->gauge.connections);
    s_set(self, NM_FAMILY_HTTP_ACCEPTED, self->gauge.accepted);
    if (self->gauge.cert_ends_ms)
        s_set(self, NM_FAMILY_HTTP_CERT_EXPIRY, (uint64_t) self->gauge.cert_ends_ms);
    s_set(self, NM_FAMILY_HTTP_CUT, self->gauge.cut);
    s_set(self, NM_FAMILY_HTTP_HEADS_REFUSED, self->gauge.refused);
    s_set(self, NM_FAMILY_HTTP_OPEN, nm_exchanges_count(self));
    s_set(self, NM_FAMILY_HTTP_STREAMS, streams);
    s_set(self, NM_FAMILY_HTTP_BEHIND, behind);
}
