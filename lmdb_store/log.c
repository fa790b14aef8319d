#include "lmdb_store/log.h"

#include <unistd.h>

//  Appends text as the inside of a JSON string, as far as it fits.
static void
s_add_escaped(char *line, size_t room, const char *text)
{
    size_t used = strlen(line);
    for (; *text && used + 8 < room; text++) {
        unsigned char byte = (unsigned char) *text;
        if (byte == '"' || byte == '\\')
            used += (size_t) snprintf(line + used, room - used, "\\%c", byte);
        else if (byte < 0x20)
            used += (size_t) snprintf(line + used, room - used, "\\u%04x", byte);
        else
            line[used++] = (char) byte;
    }
    line[used] = 0;
}

void
nm_store_log_critical(const char *event, const char *path, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    char line[2048];
    snprintf(line, sizeof line, "<2>{\"level\":\"critical\",\"event\":\"%s\",\"store\":\"", event);
    s_add_escaped(line, sizeof line / 2, path);
    strncat(line, "\",\"text\":\"", sizeof line - strlen(line) - 1);
    s_add_escaped(line, sizeof line - 8, text);
    strncat(line, "\"}\n", sizeof line - strlen(line) - 1);
    ssize_t wrote = write(STDERR_FILENO, line, strlen(line));
    (void) wrote;  //  There is nowhere left to say that this failed
}
