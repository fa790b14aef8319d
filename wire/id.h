/*  id - UUIDv7 (RFC 9562 section 5.7) whose random part carries a gateway's number.
 *
 *  48 bits of Unix ms, version 7, 12 bits that count up within the ms (rand_a,
 *  RFC 9562 section 6.2 method 1), variant 10, then 16 bits of the gateway's number
 *  and 46 random bits. So ids sort by time, those of one maker never repeat, and any
 *  gateway knows whom to ask about one.
 */
#ifndef NM_ID_H
#define NM_ID_H

#include "nm.h"

enum { NM_ID_TEXT_SIZE = 36 };

//  The maker remembers the last ms and count, so that ids of one process only grow,
//  even when the clock steps back.
typedef struct {
    uint16_t gateway;  //  0 for ids that no gateway owns
    uint64_t last_ms;
    uint32_t count;
} nm_id_maker_t;

//  random46: the caller's randomness, of which the low 46 bits are used.
void nm_id_make(nm_id_maker_t *self, int64_t now_ms, uint64_t random46, nm_id_t *id);

uint16_t nm_id_gateway(const nm_id_t *id);
int64_t nm_id_time_ms(const nm_id_t *id);

//  Lower case with dashes, and a NUL.
void nm_id_to_text(const nm_id_t *id, char out[NM_ID_TEXT_SIZE + 1]);

//  Takes 36 characters with dashes, or 32 hex digits without, in either case.
nm_rc_t nm_id_from_text(nm_bytes_t text, nm_id_t *id);

#endif
