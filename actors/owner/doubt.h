/*  doubt - a delivery that a lost actor may have had, and that goes to another.
 *
 *  Whoever gets it next has to know that it may have been sent, or told of: it is marked, and what is
 *  told of it from now on counts as later than all that the lost one, or whoever has it from there, can have said.
 */
#ifndef NM_DOUBT_H
#define NM_DOUBT_H

#include "broker/turn.h"

//  Packs the delivery in doubt. False, and nothing is packed: it cannot be read.
bool nm_doubt_pack(nm_bytes_t delivery, nm_buf_t *doubted);

#endif
