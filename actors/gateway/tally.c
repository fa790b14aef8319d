#include "actors/gateway/tally.h"

#include <assert.h>

void
nm_tally_init(nm_tally_t *self, nm_metrics_t *metrics)
{
    *self = (nm_tally_t){
        .metrics = metrics,
        .accepts = nm_metrics_make(metrics, NM_FAMILY_ACCEPTS, NULL, NULL),
        .accept_size = nm_metrics_make(metrics, NM_FAMILY_ACCEPT_SIZE, NULL, NULL),
        .events = nm_metrics_make(metrics, NM_FAMILY_EVENTS, NULL, NULL),
        .redriven = nm_metrics_make(metrics, NM_FAMILY_REDRIVEN, NULL, NULL),
        .accept_us = nm_metrics_make(metrics, NM_FAMILY_STAGE, "accept", NULL),
        .queue_us = nm_metrics_make(metrics, NM_FAMILY_STAGE, "queue", NULL),
        .final_us = nm_metrics_make(metrics, NM_FAMILY_STAGE, "final", NULL),
        .unknown_events = nm_metrics_make(metrics, NM_FAMILY_UNKNOWN_EVENTS, NULL, NULL),
    };
    for (unsigned status = NM_STATUS_SENT; status < NM_STATUS_COUNT; status++)
        self->finals[status] =
            nm_metrics_make(metrics, NM_FAMILY_FINALS, nm_words_text(&nm_status_words, status), NULL);
}

static void
s_count_op(nm_tally_t *self, const nm_api_t *api, unsigned status)
{
    static const char *const CLASSES[NM_TALLY_CLASS_COUNT] = { "0xx", "1xx", "2xx", "3xx", "4xx", "5xx" };
    size_t place = api ? (size_t) (api - nm_api) : NM_TALLY_OP_MAX;
    assert(place < NM_TALLY_OP_MAX || !api);
    nm_metric_t **metric = &self->by_op[place][status / 100];
    if (!*metric)
        *metric =
            nm_metrics_make(self->metrics, NM_FAMILY_ASKS_ANSWERED, api ? api->op : "unknown", CLASSES[status / 100]);
    nm_metric_add(*metric, 1);
}

void
nm_tally_answer(nm_tally_t *self, const nm_api_t *api, unsigned status)
{
    if (status >= NM_TALLY_STATUS_MAX)
        return;
    if (!self->answers[status]) {
        char text[16];
        snprintf(text, sizeof text, "%u", status);
        self->answers[status] = nm_metrics_make(self->metrics, NM_FAMILY_ANSWERS, text, NULL);
    }
    nm_metric_add(self->answers[status], 1);
    s_count_op(self, api, status);
}
