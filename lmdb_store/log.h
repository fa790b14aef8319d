/*  log - the few lines that a store writes when it must not go on.
 *
 *  Private to lmdb_store/. Each is one JSON object on stderr behind the priority
 *  that journald reads. The actor's own log is broker/'s, which this folder does
 *  not know; and after a failed commit nothing else may run anyway.
 */
#ifndef NM_STORE_LOG_H
#define NM_STORE_LOG_H

#include "nm.h"

//  Writes one line of level critical with one write. event is a word of ours;
//  path and text are escaped.
__attribute__((format(printf, 3, 4))) void nm_store_log_critical(const char *event, const char *path,
                                                                 const char *format, ...);

#endif
