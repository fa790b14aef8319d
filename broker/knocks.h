/*  knocks - how much a lobby listens: so many frames a second of one key, of one address, and in all.
 *
 *  Counts by a salted hash in a fixed table that is cleared each second, so a crowd of strangers costs
 *  no memory; two that share a place share what it allows.
 */
#ifndef NM_KNOCKS_H
#define NM_KNOCKS_H

#include "nm.h"

enum {
    NM_KNOCKS_PLACES = 1024,
    NM_KNOCKS_OF_ONE = 20,  //  A second
    NM_KNOCKS_OF_ALL = 200,
};

typedef struct {
    uint8_t salt[16];
    int64_t second_ms;  //  When the second began that the counts are of
    unsigned all;
    uint8_t keys[NM_KNOCKS_PLACES];
    uint8_t addresses[NM_KNOCKS_PLACES];
} nm_knocks_t;

void nm_knocks_init(nm_knocks_t *self);

//  One came. False: it is one too many, drop it unread.
bool nm_knocks_add(nm_knocks_t *self, nm_bytes_t key, nm_bytes_t address, int64_t now_ms);

#endif
