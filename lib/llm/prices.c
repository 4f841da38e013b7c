/* SPDX-License-Identifier: MIT */
#include "llm/prices.h"
#include "base/buf.h"
#include "base/embed.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 1 << 20, FIELDS = 5, MODEL_BYTES = 200 };
#define MAX_DOLLARS 1e6 /* a million tokens */

struct row {
    char *field[FIELDS]; /* model since in cached out */
    double dollars[3];
};

static int is_date(const char *s)
{
    static const char form[] = "dddd-dd-dd";
    size_t i = 0;
    for (; form[i]; i++)
        if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
            return 0;
    int month = (s[5] - '0') * 10 + s[6] - '0', day = (s[8] - '0') * 10 + s[9] - '0';
    return !s[i] && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* Cuts line at its tabs. */
static int row_read(struct row *r, char *line, struct err *e)
{
    int n = 0;
    for (char *p = line; p; n++) {
        char *tab = strchr(p, '\t');
        if (tab)
            *tab++ = 0;
        if (n < FIELDS)
            r->field[n] = p;
        p = tab;
    }
    if (n != FIELDS)
        return err_set(e, "%d fields, needed are 5 between tabs: model since in cached out", n);
    if (!*r->field[0] || strlen(r->field[0]) > MODEL_BYTES)
        return err_set(e, "model name of %zu bytes, allowed are 1 to %d", strlen(r->field[0]),
                       MODEL_BYTES);
    if (!is_date(r->field[1]))
        return err_set(e, "since '%.40s' is not a date like 2024-07-18", r->field[1]);
    for (int i = 0; i < 3; i++)
        if (parse_double(&r->dollars[i], r->field[2 + i], 0, MAX_DOLLARS, e) < 0)
            return -1;
    if (r->dollars[1] > r->dollars[0])
        return err_set(e, "cached tokens cost more (%s) than others (%s)", r->field[3],
                       r->field[2]);
    return 0;
}

/* The name itself or a dated snapshot of it. */
static int covers(const char *name, const char *model)
{
    size_t n = strlen(name);
    if (strncmp(name, model, n) != 0)
        return 0;
    const char *rest = model + n;
    if (!*rest || strcmp(rest, "-latest") == 0)
        return 1;
    return *rest == '-' && rest[1] && rest[1 + strspn(rest + 1, "0123456789-")] == 0;
}

/* 1 when the row is a better match than what p holds of a name of *len bytes. */
static int take(struct price *p, size_t *len, const struct row *r, const char *model,
                const char *today)
{
    size_t n = strlen(r->field[0]);
    if (!covers(r->field[0], model) || strcmp(r->field[1], today) > 0 || n < *len)
        return 0;
    if (n == *len && strcmp(r->field[1], p->since) < 0)
        return 0;
    *len = n;
    p->in = r->dollars[0] / 1e6;
    p->cached = r->dollars[1] / 1e6;
    p->out = r->dollars[2] / 1e6;
    memcpy(p->since, r->field[1], sizeof p->since);
    return 1;
}

static int scan(struct price *p, char *text, const char *label, const char *model,
                const char *today, struct err *e)
{
    int line = 1, found = 0;
    size_t len = 0;
    for (char *q = text; *q; line++) {
        char *end = q + strcspn(q, "\n"), *next = end + (*end == '\n');
        *end = 0;
        if (end > q && end[-1] == '\r')
            end[-1] = 0;
        struct row r;
        struct err why;
        if (*q && *q != '#') {
            if (row_read(&r, q, &why) < 0)
                return err_set(e, "%s:%d: %s", label, line, why.text);
            if (take(p, &len, &r, model, today))
                found = 1;
        }
        q = next;
    }
    return found;
}

int prices_find(struct price *p, const char *file, const char *model, const char *today,
                struct err *e)
{
    struct buf b = {0};
    const char *label = file ? file : "prices.tsv";
    *p = (struct price){0};
    if (!is_date(today))
        return err_set(e, "today '%.40s' is not a date like 2024-07-18", today);
    const struct embed_file *f = file ? NULL : embed_find(label);
    int rc = 0;
    if (f)
        buf_add(&b, f->text, f->bytes);
    else if (!file)
        rc = err_set(e, "%s: not among the built-in files", label);
    else
        rc = buf_read_file(&b, file, FILE_BYTES, e);
    if (rc == 0 && b.len && strlen(b.data) != b.len)
        rc = err_set(e, "%s: a NUL byte, %zu bytes in", label, strlen(b.data));
    if (rc == 0 && b.len)
        rc = scan(p, b.data, label, model, today, e);
    buf_release(&b);
    return rc;
}

double price_usd(const struct price *p, int64_t in, int64_t cached, int64_t out)
{
    in = in > 0 ? in : 0;
    out = out > 0 ? out : 0;
    cached = cached < 0 ? 0 : cached > in ? in : cached;
    return (double)(in - cached) * p->in + (double)cached * p->cached + (double)out * p->out;
}
