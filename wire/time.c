#include "wire/time.h"

enum { DAY_S = 86400, YEAR_FIRST = 1970, YEAR_LAST = 9999 };

static const int64_t TIME_LAST_MS = INT64_C(253402300799999);  //  9999-12-31T23:59:59.999Z

static bool
s_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

//  Days from 1970-01-01 to the first of March of that year. Counting years from
//  March puts the leap day last, so that a month's first day is a plain formula.
static int64_t
s_days_to_march(int64_t year)
{
    return 365 * year + year / 4 - year / 100 + year / 400 - 719468;
}

static int64_t
s_days_from_date(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month > 2 ? month - 3 : month + 9;
    return s_days_to_march(month > 2 ? year : year - 1) + (153 * shifted + 2) / 5 + day - 1;
}

static void
s_date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    //  The guess is right or one too many
    int64_t guess = 1970 + days / 365 + 1;
    while (s_days_to_march(guess) > days)
        guess--;
    int64_t rest = days - s_days_to_march(guess);
    int64_t shifted = (5 * rest + 2) / 153;
    *day = rest - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = shifted < 10 ? guess : guess + 1;
}

//  Writes a number with leading zeros and steps over it.
static void
s_digits(char **out, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        (*out)[i] = (char) ('0' + value % 10);
        value /= 10;
    }
    *out += count;
}

void
nm_time_to_text(int64_t at_ms, char out[NM_TIME_TEXT_SIZE + 1])
{
    if (at_ms < 0)
        at_ms = 0;
    if (at_ms > TIME_LAST_MS)
        at_ms = TIME_LAST_MS;

    int64_t year, month, day, seconds = at_ms / 1000;
    s_date_from_days(seconds / DAY_S, &year, &month, &day);
    const int64_t values[] = { year, month, day, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, at_ms % 1000 };
    static const char AFTER[] = "--T::.Z";
    for (size_t i = 0; i < NM_COUNT(values); i++) {
        s_digits(&out, values[i], i == 0 ? 4 : i == 6 ? 3 : 2);
        *out++ = AFTER[i];
    }
    *out = 0;
}

//  Takes exactly count digits; false if they are not there.
static bool
s_take_number(nm_bytes_t *rest, size_t count, int64_t *value)
{
    if (rest->size < count)
        return false;
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        if (rest->at[i] < '0' || rest->at[i] > '9')
            return false;
        *value = *value * 10 + (rest->at[i] - '0');
    }
    *rest = nm_bytes(rest->at + count, rest->size - count);
    return true;
}

//  Takes one byte if it is a or b.
static bool
s_take_mark(nm_bytes_t *rest, char a, char b)
{
    if (!rest->size || (rest->at[0] != (uint8_t) a && rest->at[0] != (uint8_t) b))
        return false;
    *rest = nm_bytes(rest->at + 1, rest->size - 1);
    return true;
}

static bool
s_take_date(nm_bytes_t *rest, int64_t *days)
{
    static const int8_t MONTH_DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t year, month, day;
    bool read = s_take_number(rest, 4, &year) && s_take_mark(rest, '-', '-') && s_take_number(rest, 2, &month) &&
                s_take_mark(rest, '-', '-') && s_take_number(rest, 2, &day);
    if (!read || month < 1 || month > 12 || day < 1)
        return false;
    if (day > MONTH_DAYS[month - 1] + (month == 2 && s_is_leap(year)))
        return false;
    //  The years on either side may come in by their offset; the caller looks at the result
    if (year < YEAR_FIRST - 1 || year > YEAR_LAST)
        return false;
    *days = s_days_from_date(year, month, day);
    return true;
}

//  Seconds of the day, with 23:59:60 as 86,400.
static bool
s_take_clock(nm_bytes_t *rest, int64_t *seconds, bool *leap)
{
    int64_t hour, minute, second;
    bool read = s_take_number(rest, 2, &hour) && s_take_mark(rest, ':', ':') && s_take_number(rest, 2, &minute) &&
                s_take_mark(rest, ':', ':') && s_take_number(rest, 2, &second);
    if (!read || hour > 23 || minute > 59 || second > 60)
        return false;
    *leap = second == 60;
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

//  The fraction of a second, if there is one, cut to ms.
static bool
s_take_fraction(nm_bytes_t *rest, int64_t *ms)
{
    *ms = 0;
    if (!s_take_mark(rest, '.', '.'))
        return true;
    int64_t digit, worth = 100;
    size_t count = 0;
    while (s_take_number(rest, 1, &digit)) {
        *ms += digit * worth;
        worth /= 10;
        count++;
    }
    return count > 0;
}

static bool
s_take_offset(nm_bytes_t *rest, int64_t *seconds)
{
    *seconds = 0;
    if (s_take_mark(rest, 'Z', 'z'))
        return true;
    bool behind = rest->size && rest->at[0] == '-';
    int64_t hours, minutes;
    bool read = s_take_mark(rest, '+', '-') && s_take_number(rest, 2, &hours) && s_take_mark(rest, ':', ':') &&
                s_take_number(rest, 2, &minutes);
    if (!read || hours > 23 || minutes > 59)
        return false;
    *seconds = (hours * 3600 + minutes * 60) * (behind ? -1 : 1);
    return true;
}

nm_rc_t
nm_time_from_text(nm_bytes_t text, int64_t *at_ms)
{
    int64_t days, clock, ms, offset;
    bool leap;
    bool read = s_take_date(&text, &days) && s_take_mark(&text, 'T', 't') && s_take_clock(&text, &clock, &leap) &&
                s_take_fraction(&text, &ms) && s_take_offset(&text, &offset);
    if (!read || text.size)
        return NM_ERR_MALFORMED;

    //  A leap second is the last of a day in UTC, so what it is read as begins one
    int64_t seconds = days * DAY_S + clock - offset;
    if (leap && seconds % DAY_S)
        return NM_ERR_MALFORMED;

    int64_t result = seconds * 1000 + ms;
    if (result < 0 || result > TIME_LAST_MS)
        return NM_ERR_MALFORMED;
    *at_ms = result;
    return NM_OK;
}
