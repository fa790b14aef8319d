/*  provider - what a driver for an outside system is.
 *
 *  A driver fills in an effect and classifies an answer, and nothing else: it keeps no
 *  state of deliveries, does no I/O (but reading its settings in open) and knows no
 *  clock. Retries, breakers and failover are the channel worker's.
 *
 *  To add one: a .c with its nm_driver_t, a row in drivers.c, a test of its classes.
 */
#ifndef NM_PROVIDER_H
#define NM_PROVIDER_H

#include "broker/effect.h"
#include "broker/mesh.h"
#include "wire/records.h"

#define NM_CHANNEL_BIT(channel) (1u << (channel))

//  What is to be sent.
typedef struct {
    const nm_delivery_t *delivery;  //  Decoded; its views live during the call
    int64_t first_ms;               //  When its first attempt started: the Date, the same for all attempts
    uint64_t token;                 //  For the effect
} nm_order_t;

//  What an answer means.
typedef struct {
    nm_outcome_t outcome;    //  SENT, LATER, REFUSED or UNCERTAIN
    bool counts;             //  Against the provider's breaker: the fault is the provider's, not the delivery's
    unsigned code;           //  The provider's code; 0 if there was none
    nm_bytes_t detail;       //  Its words: a view into the result, or a constant
    int64_t retry_after_ms;  //  Its wish; -1 if none
} nm_verdict_t;

typedef struct {
    const char *kind;         //  As in the mesh file
    unsigned channels;        //  NM_CHANNEL_BIT of each it can send over
    const char *const *keys;  //  Its own settings; others are a fault
    size_t key_count;
    const char *const *secrets;  //  Those of them that nobody is shown; NAME_file may name a file with one
    size_t secret_count;

    //  Reads and checks its settings. config is the driver's own; error has line and reason.
    nm_rc_t (*open)(void **config, const nm_zpl_t *node, const nm_mesh_t *mesh, nm_error_t *error);
    void (*close)(void *config);

    //  The effect that sends it. NM_ERR_REFUSED: it can never be sent this way; error says why.
    nm_rc_t (*prepare)(const void *config, const nm_order_t *order, nm_effect_t **effect, nm_error_t *error);

    void (*classify)(const nm_result_t *result, nm_verdict_t *verdict);
} nm_driver_t;

//  The driver of that kind, or NULL.
const nm_driver_t *nm_driver_find(const char *kind);

//  For error messages: the kinds there are, separated by commas.
void nm_driver_list(char *out, size_t size);

#endif
