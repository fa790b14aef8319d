/*  spans - which numbers of a stream have been seen: a watermark and a few runs above it.
 *
 *  Everything up to `seen` is a duplicate for ever; so the state stays small however long
 *  a stream lives, and no time limit can open a hole. Runs are sorted, apart, and at
 *  most NM_SPAN_MAX.
 */
#ifndef NM_SPANS_H
#define NM_SPANS_H

#include "nm.h"
#include "wire/limits.h"

typedef struct {
    uint64_t first;
    uint64_t last;
} nm_run_t;

typedef struct {
    uint64_t seen;
    uint32_t run_count;
    nm_run_t runs[NM_SPAN_MAX];
} nm_spans_t;

//  Runs without a watermark, as a claim or a grant lists them: rising and apart.
typedef struct {
    uint32_t count;
    nm_run_t at[NM_SPAN_MAX];
} nm_runs_t;

bool nm_spans_has(const nm_spans_t *self, uint64_t seq);

//  How many numbers have been seen.
uint64_t nm_spans_count(const nm_spans_t *self);

//  The highest number that was seen.
uint64_t nm_spans_last(const nm_spans_t *self);

//  Does self have all that other has?
bool nm_spans_has_all(const nm_spans_t *self, const nm_spans_t *other);

//  NM_ERR_DUPLICATE if it is there; NM_ERR_FULL if it would need one run too many, and nothing changes.
nm_rc_t nm_spans_add(nm_spans_t *self, uint64_t seq);

//  Adds all that other has. NM_ERR_FULL if that would need too many runs, and nothing changes.
nm_rc_t nm_spans_join(nm_spans_t *self, const nm_spans_t *other);

//  Adds the runs as `above` of a frame: a raw list of span records.
void nm_spans_write(const nm_spans_t *self, nm_buf_t *out);

//  Reads them back. NM_ERR_MALFORMED unless sorted, apart and above the watermark.
nm_rc_t nm_spans_read(nm_spans_t *self, uint64_t seen, nm_bytes_t above);

//  Adds a number above all that are there; false if it would need one run too many, and nothing changes.
bool nm_runs_add(nm_runs_t *self, uint64_t seq);

//  As a raw list of span records, and back. NM_ERR_MALFORMED unless rising and apart, from 1 on.
void nm_runs_write(const nm_runs_t *self, nm_buf_t *out);
nm_rc_t nm_runs_read(nm_runs_t *self, nm_bytes_t raw);

#endif
