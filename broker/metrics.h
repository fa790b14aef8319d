/*  metrics - counters and histograms of one actor.
 *
 *  Made once at start, then written by the actor's thread only. A metric has a name in
 *  Prometheus' manner (nmesh_turns_total) and at most one label pair, fixed when it is made.
 *  nm_metrics_write packs them all for the `status` ask; the bridge renders them.
 */
#ifndef NM_METRICS_H
#define NM_METRICS_H

#include "nm.h"

typedef struct nm_metrics nm_metrics_t;
typedef struct nm_metric nm_metric_t;

nm_metrics_t *nm_metrics_new(void);
void nm_metrics_destroy(nm_metrics_t **self_p);

//  The same name and label give the same metric. label and value may be NULL; the texts are copied.
nm_metric_t *nm_metrics_counter(nm_metrics_t *self, const char *name, const char *label, const char *value);
nm_metric_t *nm_metrics_gauge(nm_metrics_t *self, const char *name, const char *label, const char *value);

//  Buckets double from 1: fit for microseconds, bytes and counts.
nm_metric_t *nm_metrics_histogram(nm_metrics_t *self, const char *name, const char *label, const char *value);

void nm_metric_add(nm_metric_t *metric, uint64_t count);
void nm_metric_set(nm_metric_t *metric, uint64_t value);
void nm_metric_observe(nm_metric_t *metric, uint64_t value);

uint64_t nm_metric_value(const nm_metric_t *metric);

//  An estimate of the quantile (0..1) of a histogram: the upper edge of its bucket.
uint64_t nm_metric_quantile(const nm_metric_t *metric, double quantile);

//  Packs a list of maps {name, kind, label?, value?, count | (count, sum, p50, p99, buckets)}.
void nm_metrics_write(const nm_metrics_t *self, nm_buf_t *out);

#endif
