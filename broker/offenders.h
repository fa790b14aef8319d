/*  offenders - which clients send frames that are none: counted, and cut off for a while when it repeats.
 *
 *  libzmq cannot close the connection of one peer of a ROUTER, so its frames are dropped
 *  unread instead. Known by their CURVE keys. A fixed table: when it is full, the one that
 *  was quiet for longest is forgotten, so a crowd of strangers costs no memory.
 */
#ifndef NM_OFFENDERS_H
#define NM_OFFENDERS_H

#include "broker/cert.h"

enum {
    NM_OFFENDER_COUNT = 64,
    NM_OFFENDER_FAULT_MAX = 8,     //  So many within the time below
    NM_OFFENDER_BLOCK_MS = 60000,  //  ... and it is cut off for as long
};

typedef struct {
    uint8_t key[NM_CURVE_KEY_SIZE];
    unsigned faults;
    int64_t last_ms;  //  Of its last fault (monotonic)
} nm_offender_t;

typedef struct {
    nm_offender_t items[NM_OFFENDER_COUNT];
    size_t count;
} nm_offenders_t;

//  It sent another. Returns true when that cuts it off.
bool nm_offenders_add(nm_offenders_t *self, const uint8_t key[NM_CURVE_KEY_SIZE], int64_t mono_ms);

//  Are its frames to be dropped unread?
bool nm_offenders_blocked(const nm_offenders_t *self, const uint8_t key[NM_CURVE_KEY_SIZE], int64_t mono_ms);

#endif
