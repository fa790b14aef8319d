/*  load - generated load on a door, and what was seen of it.
 *
 *  One thread, asynchronous clients. Each function runs for a span and returns when its last
 *  answer is there. Refusals are counted, never measured as if they had been accepted.
 */
#ifndef NM_LOAD_H
#define NM_LOAD_H

#include "sdk/c/nmesh.h"
#include "nm.h"

typedef struct {
    nmesh_t **clients;
    size_t client_count;
    size_t payload_size;  //  Bytes of the packed body of each notification
    uint64_t serial;      //  Makes recipients differ
} nm_load_t;

typedef struct {
    uint64_t accepted_count;
    uint64_t refused_count;
    unsigned last_refusal;  //  Status
    int64_t took_us;
    double p50_ms;  //  Only of nm_load_paced
    double p99_ms;
} nm_load_seen_t;

//  Keeps `window` asks open on each client for span_ms.
void nm_load_closed(nm_load_t *self, size_t window, int64_t span_ms, nm_load_seen_t *seen);

//  Sends exactly count in bulk.
void nm_load_bulk(nm_load_t *self, size_t window, uint64_t count, nm_load_seen_t *seen);

//  Told of each acceptance: the notification, and when its answer came (Unix us).
typedef void(nm_load_accepted_fn)(const char *id, int64_t at_us, void *arg);

//  Called now and then while the load runs, to do what else is to be done.
typedef void(nm_load_idle_fn)(void *arg);

//  Sends at a rate whatever the answers do, and keeps each latency from submit to answer. The functions may
//  be NULL.
void nm_load_paced(nm_load_t *self, unsigned per_second, int64_t span_ms, nm_load_accepted_fn *accepted,
                   nm_load_idle_fn *idle, void *arg, nm_load_seen_t *seen);

//  The value below which the share (0..1) of the values is; sorts them.
double nm_load_quantile(double *values, size_t count, double share);

#endif
