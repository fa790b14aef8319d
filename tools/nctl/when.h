/*  when - times and spans as people type them.
 */
#ifndef NM_WHEN_H
#define NM_WHEN_H

#include "nm.h"

//  "250ms", "90s", "15m", "36h", "7d"; a bare number is seconds. NM_ERR_MALFORMED if not, or
//  above 100 years.
nm_rc_t nm_when_span(const char *text, int64_t *span_ms);

//  A time as RFC 3339, or a span: "2h" is two hours before now, "+2h" two hours after.
//  Gives RFC 3339 back.
nm_rc_t nm_when_time(const char *text, int64_t now_ms, char *out, size_t size);

int64_t nm_when_now(void);   //  Unix ms
int64_t nm_when_mono(void);  //  Monotonic ms
int64_t nm_when_mono_us(void);
void nm_when_sleep(int64_t span_ms);

#endif
