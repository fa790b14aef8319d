#include "broker/metrics.h"

#include <assert.h>

#include "wire/writer.h"

//  Bucket i counts values above 2^(i-1) and up to 2^i; 0 and 1 share the first.
enum { BUCKET_COUNT = 64 };

struct nm_metric {
    nm_family_id_t family;
    char *values[NM_FAMILY_LABEL_COUNT];  //  Of its labels
    uint64_t count;                       //  Of a histogram: of observations
    uint64_t sum;
    uint64_t *buckets;  //  BUCKET_COUNT of a histogram, else NULL
};

struct nm_metrics {
    nm_metric_t **metrics;  //  Pointers, because callers keep them
    size_t count;
    size_t room;
};

nm_metrics_t *
nm_metrics_new(void)
{
    return nm_alloc(sizeof(nm_metrics_t));
}

static void
s_destroy_metric(nm_metric_t *metric)
{
    for (size_t i = 0; i < NM_FAMILY_LABEL_COUNT; i++)
        free(metric->values[i]);
    free(metric->buckets);
    free(metric);
}

void
nm_metrics_destroy(nm_metrics_t **self_p)
{
    nm_metrics_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        s_destroy_metric(self->metrics[i]);
    free(self->metrics);
    free(self);
    *self_p = NULL;
}

static bool
s_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static char *
s_copy(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(nm_alloc(size), text, size);
}

static nm_metric_t *
s_find(const nm_metrics_t *self, nm_family_id_t family, const char *const *values)
{
    for (size_t i = 0; i < self->count; i++) {
        nm_metric_t *metric = self->metrics[i];
        if (metric->family == family && s_same(metric->values[0], values[0]) && s_same(metric->values[1], values[1]))
            return metric;
    }
    return NULL;
}

static nm_metric_t *
s_make(nm_metrics_t *self, nm_family_id_t family, const char *const *values)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 64;
        self->metrics = nm_realloc(self->metrics, self->room * sizeof *self->metrics);
    }
    nm_metric_t *metric = nm_alloc(sizeof *metric);
    metric->family = family;
    for (size_t i = 0; i < NM_FAMILY_LABEL_COUNT; i++)
        metric->values[i] = s_copy(values[i]);
    if (nm_families[family].kind == NM_METRIC_HISTOGRAM)
        metric->buckets = nm_alloc(BUCKET_COUNT * sizeof *metric->buckets);
    self->metrics[self->count++] = metric;
    return metric;
}

nm_metric_t *
nm_metrics_make(nm_metrics_t *self, nm_family_id_t family, const char *first, const char *second)
{
    const nm_family_t *row = &nm_families[family];
    const char *const values[NM_FAMILY_LABEL_COUNT] = { first, second };
    const char *const others[NM_FAMILY_LABEL_COUNT] = { row->labels[0] ? "other" : NULL,
                                                        row->labels[1] ? "other" : NULL };
    assert(!first == !row->labels[0] && !second == !row->labels[1]);
    nm_metric_t *metric = s_find(self, family, values);
    if (metric || self->count < NM_METRICS_MAX || !first)
        return metric ? metric : s_make(self, family, values);
    metric = s_find(self, family, others);
    return metric ? metric : s_make(self, family, others);
}

void
nm_metric_add(nm_metric_t *metric, uint64_t count)
{
    metric->count += count;
}

void
nm_metric_set(nm_metric_t *metric, uint64_t value)
{
    metric->count = value;
}

static size_t
s_bucket(uint64_t value)
{
    if (value <= 1)
        return 0;
    size_t bucket = 64 - (size_t) __builtin_clzll(value - 1);
    return bucket < BUCKET_COUNT ? bucket : BUCKET_COUNT - 1;
}

static uint64_t
s_edge(size_t bucket)
{
    return bucket < BUCKET_COUNT - 1 ? UINT64_C(1) << bucket : UINT64_MAX;
}

void
nm_metric_observe_many(nm_metric_t *metric, uint64_t value, uint64_t count)
{
    metric->count += count;
    metric->sum += value * count;
    metric->buckets[s_bucket(value)] += count;
}

void
nm_metric_observe(nm_metric_t *metric, uint64_t value)
{
    nm_metric_observe_many(metric, value, 1);
}

uint64_t
nm_metric_value(const nm_metric_t *metric)
{
    return metric->count;
}

uint64_t
nm_metric_quantile(const nm_metric_t *metric, double quantile)
{
    if (!metric->buckets || !metric->count)
        return 0;
    double wanted = quantile * (double) metric->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        seen += metric->buckets[i];
        if (seen && (double) seen >= wanted)
            return s_edge(i);
    }
    return s_edge(BUCKET_COUNT - 1);
}

//  Only up to the last bucket that holds something: most hold nothing.
static void
s_write_buckets(const nm_metric_t *metric, nm_buf_t *out)
{
    size_t used = BUCKET_COUNT;
    while (used && !metric->buckets[used - 1])
        used--;
    nm_writer_text(out, "buckets");
    nm_writer_list(out, used);
    for (size_t i = 0; i < used; i++)
        nm_writer_uint(out, metric->buckets[i]);
}

static void
s_write_labels(const nm_metric_t *metric, size_t count, nm_buf_t *out)
{
    nm_writer_text(out, "labels");
    nm_writer_map(out, count);
    for (size_t i = 0; i < count; i++)
        nm_writer_pair_text(out, nm_families[metric->family].labels[i], metric->values[i]);
}

static void
s_write_metric(const nm_metric_t *metric, nm_buf_t *out)
{
    const nm_family_t *family = &nm_families[metric->family];
    bool histogram = family->kind == NM_METRIC_HISTOGRAM;
    size_t label_count = (metric->values[0] != NULL) + (metric->values[1] != NULL);
    nm_writer_map(out, 3 + (label_count != 0) + (histogram ? 4u : 0u));
    nm_writer_pair_text(out, "name", family->name);
    nm_writer_pair_text(out, "kind", nm_metric_kind_texts[family->kind]);
    if (label_count)
        s_write_labels(metric, label_count, out);
    nm_writer_pair_uint(out, "count", metric->count);
    if (!histogram)
        return;
    nm_writer_pair_uint(out, "sum", metric->sum);
    nm_writer_pair_uint(out, "p50", nm_metric_quantile(metric, 0.5));
    nm_writer_pair_uint(out, "p99", nm_metric_quantile(metric, 0.99));
    s_write_buckets(metric, out);
}

void
nm_metrics_clear(nm_metrics_t *self, nm_family_id_t family)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->metrics[i]->family == family)
            self->metrics[i]->count = 0;
}

void
nm_metrics_write(const nm_metrics_t *self, nm_buf_t *out)
{
    nm_writer_list(out, self->count);
    for (size_t i = 0; i < self->count; i++)
        s_write_metric(self->metrics[i], out);
}
