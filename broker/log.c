#include "broker/log.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>
#include "wire/limits.h"
#include "wire/time.h"
#include "wire/trace.h"
#include "wire/utf8.h"

enum {
    LINE_SIZE = 8192,
    LINE_TAIL = 4,                   //  "}, newline, and one to spare
    MESSAGE_END = LINE_SIZE - 1024,  //  A message may not crowd out the correlation id
    MESSAGE_MAX = 4096,
};

//  Written once by nm_log_open, before there are threads; read only after that.
static char s_actor[NM_NAME_MAX + 1] = "-";
static nm_log_level_t s_least = NM_LOG_INFO;

typedef struct {
    char at[LINE_SIZE];
    size_t size;
} line_t;

static const char *
s_level_text(nm_log_level_t level)
{
    switch (level) {
    case NM_LOG_CRITICAL: return "critical";
    case NM_LOG_ERROR: return "error";
    case NM_LOG_WARNING: return "warning";
    case NM_LOG_INFO: return "info";
    case NM_LOG_DEBUG: return "debug";
    }
    return "info";
}

//  Adds all of it or nothing, so that no escape is cut in two.
static bool
s_add(line_t *line, const char *at, size_t size, size_t end)
{
    if (line->size >= end || size > end - line->size)
        return false;
    memcpy(line->at + line->size, at, size);
    line->size += size;
    return true;
}

static void
s_add_plain(line_t *line, const char *text)
{
    s_add(line, text, strlen(text), LINE_SIZE - LINE_TAIL);
}

//  One character of a text as JSON. What is not UTF-8 becomes the replacement character.
static bool
s_add_escaped_one(line_t *line, nm_bytes_t *rest, size_t end)
{
    nm_bytes_t before = *rest;
    uint32_t rune;
    if (!nm_utf8_next(rest, &rune)) {
        *rest = nm_bytes(before.at + 1, before.size - 1);
        return s_add(line, "\\ufffd", 6, end);
    }
    //  A NUL would be lawful, but many readers of JSON end there
    if (!rune)
        return s_add(line, "\\ufffd", 6, end);
    if (rune == '"' || rune == '\\')
        return s_add(line, rune == '"' ? "\\\"" : "\\\\", 2, end);
    if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || rune == 0x2028 || rune == 0x2029) {
        char escape[8];
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned) rune);
        return s_add(line, escape, 6, end);
    }
    return s_add(line, (const char *) before.at, before.size - rest->size, end);
}

static void
s_add_escaped(line_t *line, nm_bytes_t text, size_t end)
{
    while (text.size && s_add_escaped_one(line, &text, end))
        continue;
}

static void
s_add_pair(line_t *line, const char *name, nm_bytes_t value, size_t end)
{
    s_add_plain(line, ",\"");
    s_add_plain(line, name);
    s_add_plain(line, "\":\"");
    s_add_escaped(line, value, end);
    s_add_plain(line, "\"");
}

static void
s_write(const line_t *line)
{
    ssize_t written;
    do
        written = write(STDERR_FILENO, line->at, line->size);
    while (written < 0 && errno == EINTR);
    //  Nobody can be told that the log is gone
    (void) written;
}

__attribute__((format(printf, 4, 0))) static void
s_log(nm_log_level_t level, const char *event, nm_log_subject_t subject, const char *format, va_list args)
{
    if (level > s_least)
        return;

    char message[MESSAGE_MAX];
    vsnprintf(message, sizeof message, format, args);

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char time_text[NM_TIME_TEXT_SIZE + 1];
    nm_time_to_text((int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000, time_text);

    line_t line;
    line.size = (size_t) snprintf(line.at, sizeof line.at, "<%d>{\"time\":\"%s\"", (int) level, time_text);
    s_add_pair(&line, "level", nm_text(s_level_text(level)), MESSAGE_END);
    s_add_pair(&line, "actor", nm_text(s_actor), MESSAGE_END);
    s_add_pair(&line, "event", nm_text(event), MESSAGE_END);
    s_add_pair(&line, "message", nm_text(message), MESSAGE_END);
    if (subject.correlation_id.size) {
        if (subject.correlation_id.size > NM_CORRELATION_MAX)
            subject.correlation_id.size = NM_CORRELATION_MAX;
        s_add_pair(&line, "correlation_id", subject.correlation_id, LINE_SIZE - 2 * LINE_TAIL);
    }
    nm_bytes_t trace = nm_trace_id(subject.traceparent);
    if (trace.size)
        s_add_pair(&line, "trace_id", trace, LINE_SIZE - 2 * LINE_TAIL);
    s_add(&line, "}\n", 2, LINE_SIZE);
    s_write(&line);
}

void
nm_log_open(const char *actor, nm_log_level_t least)
{
    snprintf(s_actor, sizeof s_actor, "%s", actor);
    s_least = least;
}

void
nm_log(nm_log_level_t level, const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s_log(level, event, (nm_log_subject_t){ .traceparent = { 0 } }, format, args);
    va_end(args);
}

void
nm_log_about(nm_log_level_t level, const char *event, nm_log_subject_t subject, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s_log(level, event, subject, format, args);
    va_end(args);
}
