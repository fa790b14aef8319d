/*  tally - the gateway's metrics.
 */
#ifndef NM_TALLY_H
#define NM_TALLY_H

#include "broker/metrics.h"
#include "wire/records.h"

enum { NM_TALLY_STATUS_MAX = 600 };

typedef struct {
    nm_metrics_t *metrics;
    nm_metric_t *accepts;         //  Notifications accepted
    nm_metric_t *accept_size;     //  Histogram of their requests' bytes
    nm_metric_t *events;          //  Events taken in
    nm_metric_t *unknown_events;  //  ... about notifications that are not here
    nm_metric_t *redriven;        //  Notifications sent again because an actor is lost
    nm_metric_t *finals[NM_STATUS_COUNT];
    nm_metric_t *answers[NM_TALLY_STATUS_MAX];  //  By status; made when first used
} nm_tally_t;

void nm_tally_init(nm_tally_t *self, nm_metrics_t *metrics);
void nm_tally_answer(nm_tally_t *self, unsigned status);

#endif
