/*  lineup - the providers in order, each with its breaker.
 *
 *  Opened from the part `providers` of the mesh file, and made anew when the book of providers has
 *  changed (following.c). Which one a delivery goes to is decided here, by values and `now`: asked for, serves the
 *  tenant, sends over the channel, active, breaker admits, lowest priority number; and after a failure rather another
 *  one than the last.
 */
#ifndef NM_LINEUP_H
#define NM_LINEUP_H

#include "actors/channel/breaker.h"
#include "actors/providers/setup.h"
#include "broker/metrics.h"

enum {
    NM_LINEUP_ANY = -1,      //  No provider was asked for
    NM_LINEUP_UNKNOWN = -2,  //  One was asked for that cannot be had
};

typedef struct {
    nm_provider_setup_t setup;
    int64_t retired_ms;  //  Since when it is no longer there but to end the calls under way; INT64_MAX: it is there
    nm_breaker_t breaker;
    nm_breaker_t kept;  //  The breaker as of the last commit

    nm_metric_t *outcomes[NM_OUTCOME_COUNT];  //  Attempts
    nm_metric_t *call_us;                     //  Length of its calls
    nm_metric_t *opened;                      //  Times that its breaker opened
    nm_metric_t *state;                       //  Of its breaker
} nm_provider_t;

typedef struct {
    nm_provider_t *at;  //  By priority, then as in the file; retired ones last
    size_t count;
} nm_lineup_t;

//  part may be NULL (none are configured). error: FILE line N: reason.
nm_rc_t nm_lineup_open(nm_lineup_t *self, const nm_zpl_t *part, const nm_mesh_t *mesh, nm_metrics_t *metrics,
                       nm_error_t *error);
void nm_lineup_close(nm_lineup_t *self);

//  Goes on with these, whose setups it takes over. A breaker stays with a provider that calls as before. While calls are
//  under way, providers that are gone are kept, for their results; no delivery goes to them.
void nm_lineup_renew(nm_lineup_t *self, const nm_provider_setup_t *setups, size_t count, nm_metrics_t *metrics,
                     int64_t now_ms, bool calling);

//  The provider that a call went to which began at this time; -1 if it is not known.
int nm_lineup_find_called(const nm_lineup_t *self, nm_bytes_t name, int64_t started_ms);

//  The place of a provider by name, ANY for an empty one, UNKNOWN if there is none of that name.
int nm_lineup_find(const nm_lineup_t *self, nm_bytes_t name);

typedef struct {
    nm_channel_t channel;
    int wish;                //  Place, ANY or UNKNOWN
    int last;                //  Place of the provider that failed last, or ANY
    const nm_id_t *service;  //  The tenant; NULL: not known
} nm_need_of_t;

//  NM_OK: at is its place. NM_ERR_BUSY: breakers keep all that could; until_ms is when to ask
//  again. NM_ERR_MISSING: there is none that could.
nm_rc_t nm_lineup_pick(const nm_lineup_t *self, const nm_need_of_t *need, int64_t now_ms, int *at, int64_t *until_ms);

//  The breakers as of the last commit, and back to them after a turn was undone.
void nm_lineup_keep(nm_lineup_t *self);
void nm_lineup_revert(nm_lineup_t *self);

#endif
