/*  trace - W3C trace context: the header traceparent.
 */
#ifndef NM_TRACE_H
#define NM_TRACE_H

#include "nm.h"

enum { NM_TRACE_PARENT_SIZE = 55, NM_TRACE_ID_SIZE = 32 };

//  Takes a traceparent as it came: version-trace-parent-flags, 2, 32, 16 and 2 hex digits in lower case. parent gets what is known
//  of it, which of a later version is its beginning. NM_ERR_MALFORMED: it is to be taken as if it were not there.
nm_rc_t nm_trace_take(nm_bytes_t text, nm_bytes_t *parent);

//  The trace id of a traceparent that was taken; empty if it is empty.
nm_bytes_t nm_trace_id(nm_bytes_t parent);

#endif
