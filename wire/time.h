/*  time - RFC 3339 times and Unix milliseconds.
 */
#ifndef NM_WIRE_TIME_H
#define NM_WIRE_TIME_H

#include "nm.h"

enum { NM_TIME_TEXT_SIZE = 24 };  //  2026-11-21T03:59:51.123Z

//  UTC with milliseconds, and a NUL.
void nm_time_to_text(int64_t at_ms, char out[NM_TIME_TEXT_SIZE + 1]);

//  Takes any RFC 3339 date-time: T or t, Z or z or an offset, any number of digits of
//  a second (cut to ms), a leap second (read as the second after). Years 1970 to 9999.
nm_rc_t nm_time_from_text(nm_bytes_t text, int64_t *at_ms);

#endif
