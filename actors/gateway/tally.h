/*  tally - the gateway's metrics.
 */
#ifndef NM_TALLY_H
#define NM_TALLY_H

#include "broker/metrics.h"
#include "wire/api.h"
#include "wire/records.h"

enum {
    NM_TALLY_STATUS_MAX = 600,
    NM_TALLY_CLASS_COUNT = NM_TALLY_STATUS_MAX / 100,
    NM_TALLY_OP_MAX = 96,
};

typedef struct {
    nm_metrics_t *metrics;
    nm_metric_t *accepts;         //  Notifications accepted
    nm_metric_t *accept_size;     //  Histogram of their requests' bytes
    nm_metric_t *events;          //  Events taken in
    nm_metric_t *unknown_events;  //  ... about notifications that are not here
    nm_metric_t *redriven;        //  Notifications sent again because an actor is lost
    nm_metric_t *finals[NM_STATUS_COUNT];
    nm_metric_t *accept_us;                     //  Histograms: from an ask to its 202
    nm_metric_t *queue_us;                      //  ... from acceptance to a channel actor's disk
    nm_metric_t *final_us;                      //  ... and to the final status
    nm_metric_t *answers[NM_TALLY_STATUS_MAX];  //  By status; made when first used
    nm_metric_t
        *by_op[NM_TALLY_OP_MAX + 1][NM_TALLY_CLASS_COUNT];  //  By row of nm_api; the last for what is no operation
} nm_tally_t;

void nm_tally_init(nm_tally_t *self, nm_metrics_t *metrics);
//  api: what was asked; NULL if that is no operation.
void nm_tally_answer(nm_tally_t *self, const nm_api_t *api, unsigned status);

#endif
