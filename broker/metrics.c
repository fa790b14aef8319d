#include "broker/metrics.h"

#include "wire/writer.h"

//  Bucket i counts values above 2^(i-1) and up to 2^i; 0 and 1 share the first.
enum { BUCKET_COUNT = 64 };

typedef enum { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM } metric_kind_t;

struct nm_metric {
    metric_kind_t kind;
    char *name;
    char *label;     //  NULL if it has none
    char *value;     //  Of the label
    uint64_t count;  //  Of a histogram: of observations
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
    free(metric->name);
    free(metric->label);
    free(metric->value);
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
s_make(nm_metrics_t *self, metric_kind_t kind, const char *name, const char *label, const char *value)
{
    for (size_t i = 0; i < self->count; i++) {
        nm_metric_t *metric = self->metrics[i];
        if (metric->kind == kind && s_same(metric->name, name) && s_same(metric->label, label) &&
            s_same(metric->value, value))
            return metric;
    }
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 32;
        self->metrics = nm_realloc(self->metrics, self->room * sizeof *self->metrics);
    }
    nm_metric_t *metric = nm_alloc(sizeof *metric);
    metric->kind = kind;
    metric->name = s_copy(name);
    metric->label = s_copy(label);
    metric->value = s_copy(value);
    if (kind == KIND_HISTOGRAM)
        metric->buckets = nm_alloc(BUCKET_COUNT * sizeof *metric->buckets);
    self->metrics[self->count++] = metric;
    return metric;
}

nm_metric_t *
nm_metrics_counter(nm_metrics_t *self, const char *name, const char *label, const char *value)
{
    return s_make(self, KIND_COUNTER, name, label, value);
}

nm_metric_t *
nm_metrics_gauge(nm_metrics_t *self, const char *name, const char *label, const char *value)
{
    return s_make(self, KIND_GAUGE, name, label, value);
}

nm_metric_t *
nm_metrics_histogram(nm_metrics_t *self, const char *name, const char *label, const char *value)
{
    return s_make(self, KIND_HISTOGRAM, name, label, value);
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
nm_metric_observe(nm_metric_t *metric, uint64_t value)
{
    metric->count++;
    metric->sum += value;
    metric->buckets[s_bucket(value)]++;
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
s_write_metric(const nm_metric_t *metric, nm_buf_t *out)
{
    static const char *const KINDS[] = { "counter", "gauge", "histogram" };
    bool histogram = metric->kind == KIND_HISTOGRAM;
    nm_writer_map(out, 3 + (metric->label ? 2u : 0u) + (histogram ? 4u : 0u));
    nm_writer_pair_text(out, "name", metric->name);
    nm_writer_pair_text(out, "kind", KINDS[metric->kind]);
    if (metric->label) {
        nm_writer_pair_text(out, "label", metric->label);
        nm_writer_pair_text(out, "value", metric->value ? metric->value : "");
    }
    nm_writer_pair_uint(out, "count", metric->count);
    if (!histogram)
        return;
    nm_writer_pair_uint(out, "sum", metric->sum);
    nm_writer_pair_uint(out, "p50", nm_metric_quantile(metric, 0.5));
    nm_writer_pair_uint(out, "p99", nm_metric_quantile(metric, 0.99));
    s_write_buckets(metric, out);
}

void
nm_metrics_write(const nm_metrics_t *self, nm_buf_t *out)
{
    nm_writer_list(out, self->count);
    for (size_t i = 0; i < self->count; i++)
        s_write_metric(self->metrics[i], out);
}
