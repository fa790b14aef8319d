/*  log - one JSON object a line on stderr, with a syslog priority in front for journald.
 *
 *  {"time":"...","level":"warning","actor":"email-1","event":"peer_refused","message":"...","correlation_id":"...","trace_id":"..."}
 *
 *  event is a short constant that a program can match; message is for a person. Never
 *  give it content, secrets or whole addresses (nm_address_mask). Every byte is escaped,
 *  so nothing from outside can forge a line. Any thread may log.
 */
#ifndef NM_LOG_H
#define NM_LOG_H

#include "nm.h"

typedef enum {
    NM_LOG_CRITICAL = 2,
    NM_LOG_ERROR = 3,
    NM_LOG_WARNING = 4,
    NM_LOG_INFO = 6,
    NM_LOG_DEBUG = 7
} nm_log_level_t;

//  Whose lines these are, and the least urgent level that is written. Once, in main.
void nm_log_open(const char *actor, nm_log_level_t least);

__attribute__((format(printf, 3, 4))) void nm_log(nm_log_level_t level, const char *event, const char *format, ...);

//  The notification that a line is about. An empty traceparent is none; of another its trace id is written.
typedef struct {
    nm_bytes_t correlation_id;
    nm_bytes_t traceparent;
} nm_log_subject_t;

__attribute__((format(printf, 4, 5))) void nm_log_about(nm_log_level_t level, const char *event,
                                                        nm_log_subject_t subject, const char *format, ...);

#endif
