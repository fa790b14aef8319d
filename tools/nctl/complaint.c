#include "tools/nctl/complaint.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/screen.h"
#include "wire/time.h"
#include <sys/stat.h>

enum { S_TAIL_SIZE = 16384 };

//  "<2>{"time": ..., "level": ..., "message": ...}": the number is for journald.
static bool
s_read_line(nm_bytes_t line, int64_t since_ms, char *out, size_t size)
{
    nm_error_t error;
    int64_t at_ms = 0;
    const uint8_t *brace = memchr(line.at, '{', line.size);
    if (!brace)
        return false;
    json_t *said = nm_json_parse(nm_bytes(brace, line.size - (size_t) (brace - line.at)), &error);
    const char *level = nm_json_text(said, "level");
    bool is_one = (strcmp(level, "error") == 0 || strcmp(level, "critical") == 0) &&
                  nm_time_from_text(nm_text(nm_json_text(said, "time")), &at_ms) == NM_OK && at_ms >= since_ms;
    if (is_one) {
        const char *message = nm_json_text(said, "message");
        char *shown = nm_screen_text(message, strlen(message));
        nm_bytes_to_text(nm_text(shown), out, size);
        free(shown);
    }
    json_decref(said);
    return is_one;
}

bool
nm_complaint_in(nm_bytes_t log, int64_t since_ms, char *out, size_t size)
{
    bool found = false;
    out[0] = 0;
    while (log.size) {
        const uint8_t *end = memchr(log.at, '\n', log.size);
        size_t length = end ? (size_t) (end - log.at) : log.size;
        found = s_read_line(nm_bytes(log.at, length), since_ms, out, size) || found;
        log = nm_bytes(log.at + length + (end != NULL), log.size - length - (end != NULL));
    }
    return found;
}

bool
nm_complaint_of(const char *folder, const char *name, int64_t since_ms, char *out, size_t size)
{
    char path[NM_PATH_MAX];
    uint8_t tail[S_TAIL_SIZE];
    struct stat is;
    snprintf(path, sizeof path, "%s/log/%s.log", folder, name);
    out[0] = 0;
    FILE *log = fopen(path, "re");
    if (!log)
        return false;
    size_t count = 0;
    bool longer = fstat(fileno(log), &is) == 0 && is.st_size > S_TAIL_SIZE;
    if (!longer || fseek(log, -S_TAIL_SIZE, SEEK_END) == 0)
        count = fread(tail, 1, sizeof tail, log);
    fclose(log);
    return nm_complaint_in(nm_bytes(tail, count), since_ms, out, size);
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
