/*  complaint - why an actor does not run, in its own words: the last line of a log that is an error.
 */
#ifndef NM_COMPLAINT_H
#define NM_COMPLAINT_H

#include "nm.h"

//  The message of the last line of level error or critical in a log that was written since then (Unix ms). A line that is
//  no JSON does not count. False: there is none, and out is empty. Control characters become '?'.
bool nm_complaint_in(nm_bytes_t log, int64_t since_ms, char *out, size_t size);

//  The same of the end of log/NAME.log in the mesh's folder.
bool nm_complaint_of(const char *folder, const char *name, int64_t since_ms, char *out, size_t size);

//  Says on stderr that the actor does not answer, and its complaint or at least where its log is.
void nm_complaint_say(const char *folder, const char *name, int64_t since_ms);

#endif
