#include "broker/exposition.h"

#include "broker/families.h"
#include "wire/record.h"
#include "wire/reader.h"

enum { S_BUCKET_COUNT = 64 };  //  Of histograms as they travel: bucket i is up to 2^i

//  One figure of one actor.
typedef struct {
    nm_family_id_t family;
    size_t actor;  //  Its place among the actors
    size_t place;  //  Among the samples as they came
    nm_bytes_t values[NM_FAMILY_LABEL_COUNT];
    uint64_t count;
    uint64_t sum;
    nm_bytes_t buckets;  //  Raw list; empty if there is none
} s_sample_t;

typedef struct {
    nm_bytes_t name, role, host;
} s_actor_t;

struct nm_exposition {
    uint8_t **pages;  //  What the views point into
    size_t page_count;
    s_actor_t *actors;
    size_t actor_count;
    s_sample_t *samples;
    size_t sample_count;
    size_t sample_room;
};

nm_exposition_t *
nm_exposition_new(void)
{
    return nm_alloc(sizeof(nm_exposition_t));
}

void
nm_exposition_destroy(nm_exposition_t **self_p)
{
    nm_exposition_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->page_count; i++)
        free(self->pages[i]);
    free(self->pages);
    free(self->actors);
    free(self->samples);
    free(self);
    *self_p = NULL;
}

//  -- In

static s_sample_t *
s_add(nm_exposition_t *self, nm_family_id_t family)
{
    if (self->sample_count == self->sample_room) {
        self->sample_room = self->sample_room ? self->sample_room * 2 : 256;
        self->samples = nm_realloc(self->samples, self->sample_room * sizeof *self->samples);
    }
    s_sample_t *sample = &self->samples[self->sample_count];
    *sample = (s_sample_t){ .family = family, .actor = self->actor_count - 1, .place = self->sample_count };
    self->sample_count++;
    return sample;
}

static uint64_t
s_number(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw;
    nm_reader_t reader;
    uint64_t value = 0;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return 0;
    nm_reader_open(&reader, raw);
    return nm_reader_uint(&reader, &value) == NM_OK ? value : 0;
}

//  False if it lacks a label that its family has.
static bool
s_take_labels(s_sample_t *sample, nm_bytes_t item)
{
    const nm_family_t *family = &nm_families[sample->family];
    nm_bytes_t labels;
    if (!family->labels[0])
        return true;
    if (nm_reader_find(item, "labels", &labels) != NM_OK)
        return false;
    for (size_t i = 0; i < NM_FAMILY_LABEL_COUNT && family->labels[i]; i++)
        if (!(sample->values[i] = nm_reader_find_text(labels, family->labels[i])).size)
            return false;
    return true;
}

//  What is in each bucket; false if that is not to be read.
static bool
s_read_buckets(const s_sample_t *sample, uint64_t buckets[S_BUCKET_COUNT])
{
    nm_reader_t reader;
    uint32_t count;
    memset(buckets, 0, S_BUCKET_COUNT * sizeof *buckets);
    nm_reader_open(&reader, sample->buckets);
    if (nm_reader_list(&reader, &count) != NM_OK || count > S_BUCKET_COUNT)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (nm_reader_uint(&reader, &buckets[i]) != NM_OK)
            return false;
    return true;
}

static void
s_take_figure(nm_exposition_t *self, nm_bytes_t item)
{
    uint64_t buckets[S_BUCKET_COUNT];
    nm_family_id_t family = nm_families_find(nm_reader_find_text(item, "name"));
    if (family == NM_FAMILY_COUNT ||
        !nm_bytes_is(nm_reader_find_text(item, "kind"), nm_metric_kind_texts[nm_families[family].kind]))
        return;
    s_sample_t *sample = s_add(self, family);
    sample->count = s_number(item, "count");
    sample->sum = s_number(item, "sum");
    bool good = s_take_labels(sample, item);
    if (good && nm_families[family].kind == NM_METRIC_HISTOGRAM)
        good = nm_reader_find(item, "buckets", &sample->buckets) == NM_OK && s_read_buckets(sample, buckets);
    if (!good)
        self->sample_count--;
}

static void
s_take_figures(nm_exposition_t *self, nm_bytes_t status)
{
    nm_bytes_t raw, item;
    nm_list_t list;
    if (nm_reader_find(status, "metrics", &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK)
        return;
    while (nm_list_next(&list, &item) == NM_OK)
        s_take_figure(self, item);
}

//  One that is gone for good on purpose would only alarm people.
static bool
s_is_expected(nm_bytes_t view)
{
    nm_bytes_t membership = nm_reader_find_text(view, "membership");
    return !nm_reader_find_flag(view, "silent") ||
           !(nm_bytes_is(membership, "left") || nm_bytes_is(membership, "forgotten"));
}

static void
s_take_actor(nm_exposition_t *self, nm_bytes_t view)
{
    nm_bytes_t status, version = nm_reader_find_text(view, "version");
    uint64_t not_after_ms = s_number(view, "not_after_ms");
    bool up = nm_reader_find(view, "status", &status) == NM_OK;
    if (!s_is_expected(view))
        return;
    self->actors = nm_realloc(self->actors, (self->actor_count + 1) * sizeof *self->actors);
    self->actors[self->actor_count++] =
        (s_actor_t){ nm_reader_find_text(view, "name"), nm_reader_find_text(view, "role"),
                     nm_reader_find_text(view, "host") };
    s_add(self, NM_FAMILY_ACTOR_UP)->count = up;
    if (version.size) {
        s_sample_t *sample = s_add(self, NM_FAMILY_ACTOR_INFO);
        sample->values[0] = version;
        sample->count = 1;
    }
    if (not_after_ms)
        s_add(self, NM_FAMILY_CERT_EXPIRY)->count = not_after_ms;
    if (up)
        s_take_figures(self, status);
}

nm_rc_t
nm_exposition_add(nm_exposition_t *self, nm_bytes_t page)
{
    nm_bytes_t raw, view;
    nm_list_t list;
    uint8_t *copy = nm_alloc(page.size + 1);
    if (page.size)
        memcpy(copy, page.at, page.size);
    if (nm_reader_find(nm_bytes(copy, page.size), "actors", &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK) {
        free(copy);
        return NM_ERR_MALFORMED;
    }
    self->pages = nm_realloc(self->pages, (self->page_count + 1) * sizeof *self->pages);
    self->pages[self->page_count++] = copy;
    while (nm_list_next(&list, &view) == NM_OK)
        s_take_actor(self, view);
    return NM_OK;
}

//  -- Out

static void
s_put_label(nm_buf_t *out, const char *name, nm_bytes_t value, bool first)
{
    nm_buf_format(out, "%s%s=\"", first ? "{" : ",", name);
    for (size_t i = 0; i < value.size; i++) {
        char c = (char) value.at[i];
        if (c == '\n')
            nm_buf_add(out, "\\n", 2);
        else if (c == '"' || c == '\\')
            nm_buf_add(out, (char[]){ '\\', c }, 2);
        else
            nm_buf_add(out, &c, 1);
    }
    nm_buf_add(out, "\"", 1);
}

//  Name and labels, up to the value. le: of a bucket; NULL: it has none.
static void
s_put_head(const nm_exposition_t *self, const s_sample_t *sample, const char *suffix, const char *le, nm_buf_t *out)
{
    const nm_family_t *family = &nm_families[sample->family];
    const s_actor_t *actor = &self->actors[sample->actor];
    nm_buf_format(out, "%s%s", family->name, suffix);
    s_put_label(out, "actor", actor->name, true);
    s_put_label(out, "role", actor->role, false);
    s_put_label(out, "host", actor->host, false);
    for (size_t i = 0; i < NM_FAMILY_LABEL_COUNT && family->labels[i]; i++)
        s_put_label(out, family->labels[i], sample->values[i], false);
    if (le)
        s_put_label(out, "le", nm_text(le), false);
    nm_buf_add(out, "} ", 2);
}

//  Exactly, without going through floating point; and without zeros that say nothing.
static void
s_decimal(char out[32], uint64_t value, unsigned decimals)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    int size = snprintf(out, 32, "%llu", (unsigned long long) (value / unit));
    if (value % unit == 0)
        return;
    size += snprintf(out + size, (size_t) (32 - size), ".%0*llu", (int) decimals, (unsigned long long) (value % unit));
    while (out[size - 1] == '0')
        out[--size] = 0;
}

static void
s_put_line(const nm_exposition_t *self, const s_sample_t *sample, const char *suffix, const char *le, uint64_t value,
           unsigned decimals, nm_buf_t *out)
{
    char text[32];
    s_put_head(self, sample, suffix, le, out);
    s_decimal(text, value, decimals);
    nm_buf_format(out, "%s\n", text);
}

//  What lies below the first bucket that is shown is in that one; what lies above the last, in none but +Inf.
static void
s_put_histogram(const nm_exposition_t *self, const s_sample_t *sample, nm_buf_t *out)
{
    const nm_family_t *family = &nm_families[sample->family];
    uint64_t buckets[S_BUCKET_COUNT], total = 0, below = 0;
    char le[32];
    s_read_buckets(sample, buckets);
    for (size_t i = 0; i < S_BUCKET_COUNT; i++)
        total += buckets[i];
    for (unsigned i = 0; i <= family->most; i++) {
        below += buckets[i];
        s_decimal(le, UINT64_C(1) << i, family->decimals);
        if (i >= family->least)
            s_put_line(self, sample, "_bucket", le, below, 0, out);
    }
    s_put_line(self, sample, "_bucket", "+Inf", total, 0, out);
    s_put_line(self, sample, "_sum", NULL, sample->sum, family->decimals, out);
    s_put_line(self, sample, "_count", NULL, total, 0, out);
}

static int
s_order(const void *a, const void *b)
{
    const s_sample_t *one = a, *two = b;
    if (one->family != two->family)
        return one->family < two->family ? -1 : 1;
    return one->place < two->place ? -1 : one->place > two->place;
}

static void
s_put_family(const nm_family_t *family, nm_buf_t *out)
{
    nm_buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                  nm_metric_kind_texts[family->kind]);
}

void
nm_exposition_write(const nm_exposition_t *self, nm_buf_t *out)
{
    s_sample_t *sorted = nm_alloc((self->sample_count + 1) * sizeof *sorted);
    if (self->sample_count)
        memcpy(sorted, self->samples, self->sample_count * sizeof *sorted);
    qsort(sorted, self->sample_count, sizeof *sorted, s_order);
    for (size_t i = 0; i < self->sample_count; i++) {
        const nm_family_t *family = &nm_families[sorted[i].family];
        if (!i || sorted[i].family != sorted[i - 1].family)
            s_put_family(family, out);
        if (family->kind == NM_METRIC_HISTOGRAM)
            s_put_histogram(self, &sorted[i], out);
        else
            s_put_line(self, &sorted[i], "", NULL, sorted[i].count, family->decimals, out);
    }
    free(sorted);
}
