/* SPDX-License-Identifier: MIT */
#include "source/when.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct moment {
    int year, month, day, hour, minute, second;
    int offset_s; /* of its zone, east positive */
};

int64_t when_days(int year, int month, int day)
{
    /* Years that begin in March put the leap day at their end; then the days before month
     * m (March = 0) are (153 m + 2) / 5. */
    int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;
    int64_t leaps = (y >= 0 ? y / 4 - y / 100 + y / 400 : 0);
    if (y < 0) /* the same with divisions that round down */
        leaps = (y - 3) / 4 - (y - 99) / 100 + (y - 399) / 400;
    return 365 * y + leaps + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool is_leap(int y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static bool sensible(const struct moment *m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (m->year < 1970 || m->year > 9999 || m->month < 1 || m->month > 12 || m->day < 1)
        return false;
    if (m->day > days[m->month - 1] + (m->month == 2 && is_leap(m->year)))
        return false;
    return m->hour < 24 && m->minute < 60 && m->second <= 60;
}

/* Reads 1 to `most` digits. */
static bool number(int *out, const char **s, int most)
{
    int n = 0;
    *out = 0;
    while (n < most && **s >= '0' && **s <= '9') {
        *out = 10 * *out + (*(*s)++ - '0');
        n++;
    }
    return n > 0 && !(**s >= '0' && **s <= '9');
}

static bool literal(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static void blanks(const char **s)
{
    while (**s == ' ' || **s == '\t')
        (*s)++;
}

static bool zone(struct moment *m, const char **s)
{
    int hours, minutes = 0, sign = **s == '-' ? -1 : 1;
    if (literal(s, 'Z') || literal(s, 'z'))
        return true;
    if (strncmp(*s, "UTC", 3) == 0) {
        *s += 3;
        return true;
    }
    if (**s != '+' && **s != '-')
        return true;
    (*s)++;
    bool packed = strspn(*s, "0123456789") == 4;
    if (!number(&hours, s, packed ? 4 : 2))
        return false;
    if (packed)
        minutes = hours % 100, hours /= 100;
    else if (literal(s, ':') && !number(&minutes, s, 2))
        return false;
    m->offset_s = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

/* " 15:54[:00[.123]][ PM][Z]" or nothing, up to the end of s. */
static bool clock_part(struct moment *m, const char *s)
{
    if (!literal(&s, 'T'))
        blanks(&s);
    if (*s == 0)
        return true;
    if (!number(&m->hour, &s, 2) || !literal(&s, ':') || !number(&m->minute, &s, 2))
        return false;
    if (literal(&s, ':') && !number(&m->second, &s, 2))
        return false;
    if (literal(&s, '.'))
        s += strspn(s, "0123456789");
    blanks(&s);
    bool pm = strncmp(s, "PM", 2) == 0 || strncmp(s, "pm", 2) == 0;
    if (pm || strncmp(s, "AM", 2) == 0 || strncmp(s, "am", 2) == 0) {
        if (m->hour < 1 || m->hour > 12)
            return false;
        m->hour = m->hour % 12 + (pm ? 12 : 0);
        s += 2;
        blanks(&s);
    }
    if (!zone(m, &s))
        return false;
    blanks(&s);
    return *s == 0;
}

/* Year first: "2019-05-25..." or "2019/05/25...". */
static bool year_first(struct moment *m, const char *s)
{
    if (!number(&m->year, &s, 4) || (*s != '-' && *s != '/'))
        return false;
    char mark = *s++;
    return number(&m->month, &s, 2) && literal(&s, mark) && number(&m->day, &s, 2) &&
           clock_part(m, s);
}

/* Month first: "5/25/2019 15:54", "05-25-2019 15:54", "09 1, 2016". */
static bool month_first(struct moment *m, const char *s)
{
    if (!number(&m->month, &s, 2))
        return false;
    char mark = *s;
    if (mark != '/' && mark != '-' && mark != ' ')
        return false;
    s++;
    if (!number(&m->day, &s, 2) || !literal(&s, mark == ' ' ? ',' : mark))
        return false;
    blanks(&s);
    return number(&m->year, &s, 4) && clock_part(m, s);
}

static int from_number(int64_t *at, const char *s)
{
    size_t digits = strspn(s, "0123456789");
    const char *rest = s + digits;
    if (digits < 8 || digits > 14)
        return -1;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    blanks(&rest);
    if (*rest)
        return -1;
    int64_t v = strtoll(s, NULL, 10);
    if (v > 100000000000)
        v /= 1000;
    *at = v;
    return v >= 10000000 ? 0 : -1;
}

int when_parse(int64_t *at, const char *s)
{
    blanks(&s);
    if (from_number(at, s) == 0)
        return 0;
    struct moment m = {0}, n = {0};
    if (!year_first(&m, s)) {
        if (!month_first(&n, s))
            return -1;
        m = n;
    }
    if (!sensible(&m))
        return -1;
    *at = when_days(m.year, m.month, m.day) * 86400 + m.hour * 3600 + m.minute * 60 +
          m.second - m.offset_s;
    return 0;
}
