#include "actors/gateway/tally.h"

void
nm_tally_init(nm_tally_t *self, nm_metrics_t *metrics)
{
    *self = (nm_tally_t){
        .metrics = metrics,
        .accepts = nm_metrics_counter(metrics, "nmesh_accepts_total", NULL, NULL),
        .accept_size = nm_metrics_histogram(metrics, "nmesh_accept_size_bytes", NULL, NULL),
        .events = nm_metrics_counter(metrics, "nmesh_events_total", NULL, NULL),
        .redriven = nm_metrics_counter(metrics, "nmesh_redriven_total", NULL, NULL),
        .unknown_events = nm_metrics_counter(metrics, "nmesh_unknown_events_total", NULL, NULL),
    };
    for (unsigned status = NM_STATUS_SENT; status < NM_STATUS_COUNT; status++)
        self->finals[status] =
            nm_metrics_counter(metrics, "nmesh_finals_total", "status", nm_words_text(&nm_status_words, status));
}

void
nm_tally_answer(nm_tally_t *self, unsigned status)
{
    if (status >= NM_TALLY_STATUS_MAX)
        return;
    if (!self->answers[status]) {
        char text[16];
        snprintf(text, sizeof text, "%u", status);
        self->answers[status] = nm_metrics_counter(self->metrics, "nmesh_answers_total", "status", text);
    }
    nm_metric_add(self->answers[status], 1);
}
