/*  fingerprint - one hash for equal values, however they were written down.
 *
 *  The order of a map's keys, the width of a number and white space (gone already) do not
 *  count. At the top a null counts as absent. Keyed, so that the hashes on disk do not
 *  give away what was hashed.
 */
#ifndef NM_FINGERPRINT_H
#define NM_FINGERPRINT_H

#include <sodium.h>

#include "nm.h"

enum { NM_FINGERPRINT_SIZE = 32, NM_FINGERPRINT_KEY_SIZE = 32 };

//  On the caller's stack; free it.
typedef struct {
    //  libsodium wants its state at a multiple of 64, and not every stack frame gives that (those of
    //  the address sanitizer do not): the state stands somewhere in here.
    uint8_t room[sizeof(crypto_generichash_state) + 63];
    struct nm_fingerprint_pair *pairs;  //  Of the maps that are being sorted
    size_t pair_count, pair_room;
} nm_fingerprint_t;

void nm_fingerprint_start(nm_fingerprint_t *self, const uint8_t key[NM_FINGERPRINT_KEY_SIZE]);
void nm_fingerprint_bytes(nm_fingerprint_t *self, nm_bytes_t bytes);
void nm_fingerprint_number(nm_fingerprint_t *self, uint64_t number);

//  A packed value that has been checked.
void nm_fingerprint_value(nm_fingerprint_t *self, nm_bytes_t raw);

//  Ends it and frees what it took.
void nm_fingerprint_end(nm_fingerprint_t *self, uint8_t hash[NM_FINGERPRINT_SIZE]);

#endif
