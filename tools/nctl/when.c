#include "tools/nctl/when.h"
#include "wire/time.h"
#include <time.h>

static const struct {
    const char *unit;
    int64_t ms;
} UNITS[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

nm_rc_t
nm_when_span(const char *text, int64_t *span_ms)
{
    const int64_t most_ms = INT64_C(100) * 366 * 86400000;
    int64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15)
        return NM_ERR_MALFORMED;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (text[i] - '0');
    for (size_t i = 0; i < NM_COUNT(UNITS); i++) {
        if (strcmp(text + digits, UNITS[i].unit) != 0)
            continue;
        if (number > most_ms / UNITS[i].ms)
            return NM_ERR_MALFORMED;
        *span_ms = number * UNITS[i].ms;
        return NM_OK;
    }
    return NM_ERR_MALFORMED;
}

nm_rc_t
nm_when_time(const char *text, int64_t now_ms, char *out, size_t size)
{
    int64_t at_ms;
    bool after = text[0] == '+';
    char time_text[NM_TIME_TEXT_SIZE + 1];
    if (nm_when_span(text + after, &at_ms) == NM_OK)
        at_ms = after ? now_ms + at_ms : now_ms - at_ms;
    else if (nm_time_from_text(nm_text(text), &at_ms) != NM_OK)
        return NM_ERR_MALFORMED;
    if (at_ms < 0)
        return NM_ERR_MALFORMED;
    nm_time_to_text(at_ms, time_text);
    snprintf(out, size, "%s", time_text);
    return NM_OK;
}

static int64_t
s_clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
nm_when_now(void)
{
    return s_clock_us(CLOCK_REALTIME) / 1000;
}

int64_t
nm_when_mono(void)
{
    return s_clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
nm_when_mono_us(void)
{
    return s_clock_us(CLOCK_MONOTONIC);
}

void
nm_when_sleep(int64_t span_ms)
{
    nanosleep(&(struct timespec){ .tv_sec = span_ms / 1000, .tv_nsec = span_ms % 1000 * 1000000 }, NULL);
}
