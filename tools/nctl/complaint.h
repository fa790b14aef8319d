/*  complaint - how an actor's start went, in its own words: that it is ready, or the last line of its log that is an
 *  error. For machines where nobody may ask it: only operators have a key for that.
 */
#ifndef NM_COMPLAINT_H
#define NM_COMPLAINT_H

#include "nm.h"

//  The message of the last line of level error or critical in a log that was written since then (Unix ms). A line that is
//  no JSON does not count. False: there is none, and out is empty. Control characters become '?'.
bool nm_complaint_in(nm_bytes_t log, int64_t since_ms, char *out, size_t size);

//  The same of the end of log/NAME.log in the mesh's folder.
bool nm_complaint_of(const char *folder, const char *name, int64_t since_ms, char *out, size_t size);

//  Does a log say since then that the actor is ready, and not that it has stopped after that?
bool nm_complaint_is_ready(nm_bytes_t log, int64_t since_ms);
bool nm_complaint_is_up(const char *folder, const char *name, int64_t since_ms);  //  The end of log/NAME.log says so

//  Says on stderr that the actor does not answer, and its complaint or at least where its log is.
void nm_complaint_say(const char *folder, const char *name, int64_t since_ms);

#endif
