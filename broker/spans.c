#include "broker/spans.h"

#include "wire/frames.h"
#include "wire/writer.h"

bool
nm_spans_has(const nm_spans_t *self, uint64_t seq)
{
    if (seq <= self->seen)
        return true;
    for (uint32_t i = 0; i < self->run_count; i++)
        if (seq >= self->runs[i].first && seq <= self->runs[i].last)
            return true;
    return false;
}

uint64_t
nm_spans_count(const nm_spans_t *self)
{
    uint64_t count = self->seen;
    for (uint32_t i = 0; i < self->run_count; i++)
        count += self->runs[i].last - self->runs[i].first + 1;
    return count;
}

uint64_t
nm_spans_last(const nm_spans_t *self)
{
    return self->run_count ? self->runs[self->run_count - 1].last : self->seen;
}

//  Runs are apart, so each run of other lies within one of self, or it is not covered.
bool
nm_spans_has_all(const nm_spans_t *self, const nm_spans_t *other)
{
    if (self->seen < other->seen)
        return false;
    for (uint32_t i = 0, j = 0; i < other->run_count; i++) {
        const nm_run_t *run = &other->runs[i];
        if (run->last <= self->seen)
            continue;
        while (j < self->run_count && self->runs[j].last < run->last)
            j++;
        if (j == self->run_count || run->first < self->runs[j].first)
            return false;
    }
    return true;
}

static void
s_remove(nm_spans_t *self, uint32_t at)
{
    self->run_count--;
    memmove(&self->runs[at], &self->runs[at + 1], (self->run_count - at) * sizeof self->runs[0]);
}

//  The watermark rises over the first run once they touch.
static void
s_settle(nm_spans_t *self)
{
    if (self->run_count && self->runs[0].first == self->seen + 1) {
        self->seen = self->runs[0].last;
        s_remove(self, 0);
    }
}

nm_rc_t
nm_spans_add(nm_spans_t *self, uint64_t seq)
{
    if (nm_spans_has(self, seq))
        return NM_ERR_DUPLICATE;
    if (seq == self->seen + 1) {
        self->seen = seq;
        s_settle(self);
        return NM_OK;
    }
    uint32_t at = 0;
    while (at < self->run_count && self->runs[at].first < seq)
        at++;
    bool joins_before = at > 0 && self->runs[at - 1].last + 1 == seq;
    bool joins_after = at < self->run_count && self->runs[at].first == seq + 1;
    if (joins_before && joins_after) {
        self->runs[at - 1].last = self->runs[at].last;
        s_remove(self, at);
    } else if (joins_before) {
        self->runs[at - 1].last = seq;
    } else if (joins_after) {
        self->runs[at].first = seq;
    } else {
        if (self->run_count == NM_SPAN_MAX)
            return NM_ERR_FULL;
        memmove(&self->runs[at + 1], &self->runs[at], (self->run_count - at) * sizeof self->runs[0]);
        self->runs[at] = (nm_run_t){ seq, seq };
        self->run_count++;
    }
    return NM_OK;
}

static void
s_write(const nm_run_t *runs, uint32_t count, nm_buf_t *out)
{
    nm_writer_list(out, count);
    for (uint32_t i = 0; i < count; i++) {
        nm_span_t span = { 0 };
        NM_PUT(&span, span, first, runs[i].first);
        NM_PUT(&span, span, last, runs[i].last);
        nm_record_encode(&nm_span_shape, &span, NM_BY_TAG, out);
    }
}

//  Reads runs whose first number is least or more, each at least one number after the one before.
static nm_rc_t
s_read(nm_bytes_t raw, uint64_t least, nm_run_t runs[NM_SPAN_MAX], uint32_t *count)
{
    nm_list_t list;
    nm_bytes_t item;
    *count = 0;
    if (nm_list_open(&list, raw) != NM_OK || list.count > NM_SPAN_MAX)
        return NM_ERR_MALFORMED;
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_span_t span;
        if (nm_record_decode(&nm_span_shape, &span, item, NULL, "") != NM_OK)
            return NM_ERR_MALFORMED;
        if (span.first < least || span.last < span.first || span.last > UINT64_MAX - 2)
            return NM_ERR_MALFORMED;
        runs[(*count)++] = (nm_run_t){ span.first, span.last };
        least = span.last + 2;
    }
    return NM_OK;
}

//  Takes the run that begins first off the two lists, all within one.
static nm_run_t
s_take_first(const nm_spans_t *a, uint32_t *i, const nm_spans_t *b, uint32_t *j)
{
    bool from_a = *j == b->run_count || (*i < a->run_count && a->runs[*i].first <= b->runs[*j].first);
    return from_a ? a->runs[(*i)++] : b->runs[(*j)++];
}

nm_rc_t
nm_spans_join(nm_spans_t *self, const nm_spans_t *other)
{
    nm_spans_t joined = { .seen = self->seen > other->seen ? self->seen : other->seen };
    for (uint32_t i = 0, j = 0; i < self->run_count || j < other->run_count;) {
        nm_run_t run = s_take_first(self, &i, other, &j);
        uint64_t *end = joined.run_count ? &joined.runs[joined.run_count - 1].last : &joined.seen;
        if (run.last <= *end)
            continue;
        if (run.first <= *end + 1) {
            *end = run.last;
            continue;
        }
        if (joined.run_count == NM_SPAN_MAX)
            return NM_ERR_FULL;
        joined.runs[joined.run_count++] = run;
    }
    *self = joined;
    return NM_OK;
}

void
nm_spans_write(const nm_spans_t *self, nm_buf_t *out)
{
    s_write(self->runs, self->run_count, out);
}

nm_rc_t
nm_spans_read(nm_spans_t *self, uint64_t seen, nm_bytes_t above)
{
    nm_spans_t spans = { .seen = seen };
    if (above.size) {
        if (seen > UINT64_MAX - 2 || s_read(above, seen + 2, spans.runs, &spans.run_count) != NM_OK)
            return NM_ERR_MALFORMED;
    }
    *self = spans;
    return NM_OK;
}

bool
nm_runs_add(nm_runs_t *self, uint64_t seq)
{
    if (self->count && self->at[self->count - 1].last + 1 == seq) {
        self->at[self->count - 1].last = seq;
        return true;
    }
    if (self->count == NM_SPAN_MAX)
        return false;
    self->at[self->count++] = (nm_run_t){ seq, seq };
    return true;
}

void
nm_runs_write(const nm_runs_t *self, nm_buf_t *out)
{
    s_write(self->at, self->count, out);
}

nm_rc_t
nm_runs_read(nm_runs_t *self, nm_bytes_t raw)
{
    return s_read(raw, 1, self->at, &self->count);
}
