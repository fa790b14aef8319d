/*  metrics - the figures of one actor: counters, gauges and histograms.
 *
 *  Written by the actor's thread only, and cheap: an addition, no lock, no clock. families.h says
 *  which there are and with which labels. A figure is made once, when the first of its kind may come, and
 *  stays for the life of the process. There are at most NM_METRICS_MAX of them: what would be a
 *  new one after that is counted under the label "other".
 */
#ifndef NM_METRICS_H
#define NM_METRICS_H

#include "broker/families.h"

enum { NM_METRICS_MAX = 600 };

typedef struct nm_metrics nm_metrics_t;
typedef struct nm_metric nm_metric_t;

nm_metrics_t *nm_metrics_new(void);
void nm_metrics_destroy(nm_metrics_t **self_p);

//  The same family and labels give the same figure. first and second are the values of its labels, which are
//  copied; NULL for a label that the family has not.
nm_metric_t *nm_metrics_make(nm_metrics_t *self, nm_family_id_t family, const char *first, const char *second);

void nm_metric_add(nm_metric_t *metric, uint64_t count);
void nm_metric_set(nm_metric_t *metric, uint64_t value);

//  Buckets double from 1: fit for microseconds, bytes and counts. The same in every actor, so that they add up.
void nm_metric_observe(nm_metric_t *metric, uint64_t value);
void nm_metric_observe_many(nm_metric_t *metric, uint64_t value, uint64_t count);

uint64_t nm_metric_value(const nm_metric_t *metric);

//  An estimate of the quantile (0..1) of a histogram: the upper edge of its bucket.
uint64_t nm_metric_quantile(const nm_metric_t *metric, double quantile);

//  Sets all gauges of a family to 0, before those are set that are so now.
void nm_metrics_clear(nm_metrics_t *self, nm_family_id_t family);

//  Packs a list of maps {name, kind, labels?, count | (count, sum, p50, p99, buckets)}. labels is a map from
//  a label's name to its value.
void nm_metrics_write(const nm_metrics_t *self, nm_buf_t *out);

#endif
