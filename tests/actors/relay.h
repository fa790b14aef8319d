/*  relay - carries asks and replies between actors that each run on a bench of their own.
 *
 *  From nm_relay_add on the bench's asks go to the others of the relay, or to nobody. nm_relay_run lets time pass in
 *  small steps for all of them.
 */
#ifndef NM_RELAY_H
#define NM_RELAY_H

#include "broker/bench.h"

enum { NM_RELAY_MAX = 4, NM_RELAY_OPEN_MAX = 64 };

typedef struct {
    size_t from;
    uint64_t id;    //  The asker's
    uint64_t here;  //  The asked one's
} nm_relay_open_t;

//  {0} is an empty one. It does not own the benches.
typedef struct {
    nm_bench_t *bench[NM_RELAY_MAX];
    const char *name[NM_RELAY_MAX];
    bool away[NM_RELAY_MAX];  //  Hears and says nothing
    nm_relay_open_t open[NM_RELAY_MAX][NM_RELAY_OPEN_MAX];
    size_t open_count[NM_RELAY_MAX];
    size_t count;
} nm_relay_t;

void nm_relay_add(nm_relay_t *self, const char *name, nm_bench_t *bench);

//  Replies to asks of the test itself stay on the bench until nm_relay_forget.
void nm_relay_run(nm_relay_t *self, int64_t ms);
void nm_relay_forget(nm_relay_t *self);

#endif
