/* SPDX-License-Identifier: MIT */
#include "source/jsonshape.h"
#include "source/jsonspan.h"
#include <stdbool.h>
#include <string.h>

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Is the value at p, behind white space, an array that begins with an object (or is
 * empty)? */
static bool array_of_objects(const char *p, size_t n)
{
    size_t i = 1;
    while (i < n && is_space(p[i]))
        i++;
    return *p == '[' && (i >= n || p[i] == '{' || p[i] == ']');
}

/* Walks the values of the object at p: does every one in sight hold records? */
static bool holds_arrays(const char *p, size_t n)
{
    int values = 0;
    for (size_t i = 1; i < n;) {
        struct jsonspan name = {0}, value = {0};
        while (i < n && (is_space(p[i]) || p[i] == ','))
            i++;
        if (i >= n || p[i] != '"')
            break;
        if (jsonspan_scan(&name, p + i, n - i) != 1)
            break;
        i += name.off;
        while (i < n && (is_space(p[i]) || p[i] == ':'))
            i++;
        if (i >= n)
            break;
        if (!array_of_objects(p + i, n - i))
            return false;
        values++;
        if (jsonspan_scan(&value, p + i, n - i) != 1)
            break;
        i += value.off;
    }
    return values > 0;
}

enum jsonshape jsonshape_guess(const char *head, size_t n)
{
    if (n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0)
        head += 3, n -= 3;
    while (n && is_space(*head))
        head++, n--;
    if (n && *head == '[')
        return array_of_objects(head, n) ? JSONSHAPE_TREE : JSONSHAPE_NONE;
    size_t i = 1;
    while (i < n && is_space(head[i]))
        i++;
    if (n == 0 || *head != '{' || i >= n || (head[i] != '"' && head[i] != '}'))
        return JSONSHAPE_NONE;
    return holds_arrays(head, n) ? JSONSHAPE_TREE : JSONSHAPE_LINES;
}
