#include "tools/nctl/complaint.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/screen.h"
#include "wire/time.h"
#include <sys/stat.h>

enum { S_TAIL_SIZE = 16384 };

//  "<2>{"time": ..., "level": ..., "message": ...}": the number is for journald. NULL for what was said before.
static json_t *
s_read_line(nm_bytes_t line, int64_t since_ms)
{
    nm_error_t error;
    int64_t at_ms = 0;
    const uint8_t *brace = memchr(line.at, '{', line.size);
    if (!brace)
        return NULL;
    json_t *said = nm_json_parse(nm_bytes(brace, line.size - (size_t) (brace - line.at)), &error);
    if (nm_time_from_text(nm_text(nm_json_text(said, "time")), &at_ms) == NM_OK && at_ms >= since_ms)
        return said;
    json_decref(said);
    return NULL;
}

//  The next line that was said since then; NULL: there is none left. The caller lets go of it.
static json_t *
s_next(nm_bytes_t *log, int64_t since_ms)
{
    json_t *said = NULL;
    while (log->size && !said) {
        const uint8_t *end = memchr(log->at, '\n', log->size);
        size_t length = end ? (size_t) (end - log->at) : log->size;
        said = s_read_line(nm_bytes(log->at, length), since_ms);
        *log = nm_bytes(log->at + length + (end != NULL), log->size - length - (end != NULL));
    }
    return said;
}

bool
nm_complaint_in(nm_bytes_t log, int64_t since_ms, char *out, size_t size)
{
    bool found = false;
    json_t *said;
    out[0] = 0;
    while ((said = s_next(&log, since_ms))) {
        const char *level = nm_json_text(said, "level");
        if (strcmp(level, "error") == 0 || strcmp(level, "critical") == 0) {
            const char *message = nm_json_text(said, "message");
            char *shown = nm_screen_text(message, strlen(message));
            nm_bytes_to_text(nm_text(shown), out, size);
            free(shown);
            found = true;
        }
        json_decref(said);
    }
    return found;
}

bool
nm_complaint_is_ready(nm_bytes_t log, int64_t since_ms)
{
    bool ready = false;
    json_t *said;
    while ((said = s_next(&log, since_ms))) {
        const char *event = nm_json_text(said, "event");
        ready = strcmp(event, "ready") == 0 || (ready && strcmp(event, "stopped") != 0);
        json_decref(said);
    }
    return ready;
}

//  The end of log/NAME.log, views into tail.
static nm_bytes_t
s_read_tail(const char *folder, const char *name, uint8_t tail[S_TAIL_SIZE])
{
    char path[NM_PATH_MAX];
    struct stat is;
    snprintf(path, sizeof path, "%s/log/%s.log", folder, name);
    FILE *log = fopen(path, "re");
    if (!log)
        return nm_bytes(NULL, 0);
    size_t count = 0;
    bool longer = fstat(fileno(log), &is) == 0 && is.st_size > S_TAIL_SIZE;
    if (!longer || fseek(log, -S_TAIL_SIZE, SEEK_END) == 0)
        count = fread(tail, 1, S_TAIL_SIZE, log);
    fclose(log);
    return nm_bytes(tail, count);
}

bool
nm_complaint_of(const char *folder, const char *name, int64_t since_ms, char *out, size_t size)
{
    uint8_t tail[S_TAIL_SIZE];
    return nm_complaint_in(s_read_tail(folder, name, tail), since_ms, out, size);
}

bool
nm_complaint_is_up(const char *folder, const char *name, int64_t since_ms)
{
    uint8_t tail[S_TAIL_SIZE];
    return nm_complaint_is_ready(s_read_tail(folder, name, tail), since_ms);
}

void
nm_complaint_say(const char *folder, const char *name, int64_t since_ms)
{
    char text[512];
    bool found = nm_complaint_of(folder, name, since_ms, text, sizeof text);
    if (found)
        fprintf(stderr, "%s does not answer: %s (%s/log/%s.log)\n", name, text, folder, name);
    else
        fprintf(stderr, "%s does not answer; see %s/log/%s.log\n", name, folder, name);
}
