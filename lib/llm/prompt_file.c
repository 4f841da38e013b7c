/* SPDX-License-Identifier: MIT */
#include "llm/prompt_file.h"
#include "base/sha256.h"
#include "base/util.h"
#include "source/utf8.h"
#include <stdlib.h>
#include <string.h>

enum { SYSTEM, REVIEWS, MERGE, AGAIN, ASK, SECTIONS };

static const struct {
    const char *name;
    const char *once;          /* the slot it must have once, or NULL */
    const char *count, *fence; /* slots it may have, or NULL */
} section[SECTIONS] = {
    {"system", NULL, NULL, NULL},
    {"reviews", "reviews", "count", "fence"},
    {"merge", "parts", "count", "fence"},
    {"again", "reason", NULL, NULL},
    {"ask", NULL, NULL, NULL},
};

static const struct {
    const char *name;
    int bit;
} wanted[] = {{"summary", PROMPT_SUMMARY},
              {"price", PROMPT_PRICE},
              {"categories", PROMPT_CATEGORIES},
              {"caption", PROMPT_CAPTION}};

struct file {
    struct prompt *p;
    const char *label;
    int line;               /* being read, from 1 */
    int now;                /* section being read, -1 before the first */
    struct buf text[SECTIONS];
    int first[SECTIONS];    /* line of the header, 0: no such section */
};

/* ---- settings before the first section ---- */

static int read_wants(struct file *f, const char *s, struct err *e)
{
    if (f->p->wants)
        return err_set(e, "%s:%d: 'wants' stands twice", f->label, f->line);
    while (*s) {
        size_t n = strcspn(s, " \t"), i = 0;
        while (i < ARRAY_LEN(wanted) &&
               (strlen(wanted[i].name) != n || memcmp(s, wanted[i].name, n) != 0))
            i++;
        if (i == ARRAY_LEN(wanted))
            return err_set(e, "%s:%d: wants '%.*s'; known are summary, price, categories, "
                              "caption", f->label, f->line, (int)(n < 60 ? n : 60), s);
        f->p->wants |= wanted[i].bit;
        s += n;
        s += strspn(s, " \t");
    }
    if ((f->p->wants & PROMPT_CAPTION) && f->p->wants != PROMPT_CAPTION)
        return err_set(e, "%s:%d: a caption is wanted alone", f->label, f->line);
    return 0;
}

static int read_setting(struct file *f, char *line, struct err *e)
{
    size_t n = strlen(line);
    while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        line[--n] = 0;
    if (n == 0 || *line == '#')
        return 0;
    size_t key = strcspn(line, " \t");
    const char *value = line + key + strspn(line + key, " \t");
    if (key == 5 && memcmp(line, "wants", 5) == 0 && *value)
        return read_wants(f, value, e);
    if (key == 10 && memcmp(line, "max_tokens", 10) == 0) {
        int64_t v;
        struct err why;
        if (parse_int(&v, value, 1, 32768, &why) < 0)
            return err_set(e, "%s:%d: max_tokens: %s", f->label, f->line, why.text);
        f->p->max_tokens = (int)v;
        return 0;
    }
    return err_set(e, "%s:%d: '%.60s' before the first section; write 'wants ...', "
                      "'max_tokens N', a # comment or '== system'", f->label, f->line, line);
}

/* ---- sections ---- */

static int open_section(struct file *f, const char *name, struct err *e)
{
    size_t n = strcspn(name, " \t");
    int caption = f->p->wants == PROMPT_CAPTION, i = 0;
    while (i < SECTIONS &&
           (strlen(section[i].name) != n || memcmp(name, section[i].name, n) != 0))
        i++;
    int fits = i < SECTIONS && (caption ? i != REVIEWS && i != MERGE : i != ASK);
    if (!f->p->wants)
        return err_set(e, "%s:%d: no 'wants' line before the first section", f->label, f->line);
    if (!fits || name[n + strspn(name + n, " \t")])
        return err_set(e, "%s:%d: section '%.60s'; known here are %s", f->label, f->line, name,
                       caption ? "system, ask, again" : "system, reviews, merge, again");
    if (f->first[i])
        return err_set(e, "%s:%d: section %s stands twice, first on line %d", f->label, f->line,
                       section[i].name, f->first[i]);
    f->first[i] = f->line;
    f->now = i;
    return 0;
}

static int read_lines(struct file *f, struct buf *all, struct err *e)
{
    char *p = all->data, *end = p + all->len;
    for (; p < end; f->line++) {
        char *nl = memchr(p, '\n', (size_t)(end - p));
        char *stop = nl ? nl : end, *next = nl ? nl + 1 : end;
        *stop = 0;
        if (stop > p && stop[-1] == '\r')
            stop[-1] = 0;
        int rc = 0;
        if (strncmp(p, "== ", 3) == 0)
            rc = open_section(f, p + 3, e);
        else if (f->now < 0)
            rc = read_setting(f, p, e);
        else
            buf_addf(&f->text[f->now], "%s\n", p);
        if (rc < 0)
            return -1;
        p = next;
    }
    return 0;
}

static int known_slot(int s, const char *name, size_t n)
{
    const char *all[] = {section[s].once, section[s].count, section[s].fence};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] && strlen(all[i]) == n && memcmp(name, all[i], n) == 0)
            return i == 0 ? 2 : 1;
    return 0;
}

static int check_slots(const struct file *f, int s, struct err *e)
{
    int line = f->first[s] + 1, once = 0;
    for (const char *p = buf_str(&f->text[s]); *p; p++) {
        line += *p == '\n';
        if (p[0] != '{' || p[1] != '{')
            continue;
        size_t n = strcspn(p + 2, "}\n");
        int closed = strncmp(p + 2 + n, "}}", 2) == 0;
        int known = closed ? known_slot(s, p + 2, n) : 0;
        if (!known)
            return err_set(e, "%s:%d: '%.*s' is no slot of section %s; it knows %s%s", f->label,
                           line, (int)(n < 40 ? n + (closed ? 4 : 2) : 42), p, section[s].name,
                           section[s].once ? section[s].once : "none",
                           section[s].count ? ", count, fence" : "");
        once += known == 2;
        p += n + 3;
    }
    if (section[s].once && once != 1)
        return err_set(e, "%s:%d: section %s has {{%s}} %d times, needed is once", f->label,
                       f->first[s], section[s].name, section[s].once, once);
    return 0;
}

/* The section without the blank lines around it; NULL when there is none. */
static char *take(const struct file *f, int s)
{
    if (!f->first[s])
        return NULL;
    const char *p = buf_str(&f->text[s]), *end = p + f->text[s].len;
    for (const char *q = p; q < end && strchr(" \t\n", *q); q++)
        if (*q == '\n')
            p = q + 1;
    while (end > p && strchr(" \t\n", end[-1]))
        end--;
    return xasprintf("%.*s", (int)(end - p), p);
}

static int finish(struct file *f, struct err *e)
{
    struct prompt *p = f->p;
    int caption = p->wants == PROMPT_CAPTION;
    if (f->now < 0)
        return err_set(e, "%s: no section; the first is '== system'", f->label);
    if (!p->max_tokens)
        return err_set(e, "%s: no 'max_tokens N' line before the first section", f->label);
    for (int s = 0; s < SECTIONS; s++) {
        int need = caption ? s == ASK || s == AGAIN : s != ASK;
        if (need && !f->first[s])
            return err_set(e, "%s: no section '== %s'; add one", f->label, section[s].name);
        if (f->first[s] && check_slots(f, s, e) < 0)
            return -1;
        char *text = take(f, s);
        char **into = s == SYSTEM               ? &p->system
                      : s == REVIEWS || s == ASK ? &p->reviews
                      : s == MERGE              ? &p->merge
                                                : &p->again;
        if (text)
            *into = text;
        if (text && !*text)
            return err_set(e, "%s:%d: section %s is empty", f->label, f->first[s],
                           section[s].name);
    }
    return 0;
}

/* ---- what code adds ---- */

/* Only what every service that takes schemas knows: no bounds on lengths. */
static void add_schema(struct prompt *p)
{
    static const char *const value[] = {
        "{\"type\":\"string\"}",
        "{\"type\":\"string\",\"enum\":[\"over-priced\",\"fair\",\"cheap\",\"none\"]}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"};
    struct buf keys = {0}, need = {0};
    for (size_t i = 0; i < ARRAY_LEN(value); i++) {
        if (!(p->wants & wanted[i].bit))
            continue;
        buf_addf(&keys, "%s\"%s\":%s", keys.len ? "," : "", wanted[i].name, value[i]);
        buf_addf(&need, "%s\"%s\"", need.len ? "," : "", wanted[i].name);
    }
    p->schema = xasprintf("{\"type\":\"object\",\"properties\":{%s},\"required\":[%s],"
                          "\"additionalProperties\":false}", keys.data, need.data);
    p->schema_name = xstrdup(p->name);
    buf_release(&keys);
    buf_release(&need);
}

static void add_digest(struct prompt *p, const struct buf *bytes)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(digest, buf_str(bytes), bytes->len);
    sha256_hex(hex, digest);
    snprintf(p->digest, sizeof p->digest, "%.16s", hex);
}

int prompt_parse(struct prompt *p, const char *name, const char *label, const struct buf *bytes,
                 struct err *e)
{
    if (!utf8_clean(buf_str(bytes), bytes->len))
        return err_set(e, "%s: not UTF-8 text, or with NUL bytes; save it as UTF-8", label);
    struct file f = {.p = p, .label = label, .line = 1, .now = -1};
    struct buf all = {0};
    int bom = bytes->len >= 3 && memcmp(bytes->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    buf_reserve(&all, 1);
    buf_add(&all, buf_str(bytes) + bom, bytes->len - (size_t)bom);
    p->name = xstrdup(name);
    add_digest(p, bytes);
    int rc = read_lines(&f, &all, e);
    if (rc == 0)
        rc = finish(&f, e);
    if (rc == 0 && (p->wants & (p->wants - 1)))
        add_schema(p);
    for (int s = 0; s < SECTIONS; s++)
        buf_release(&f.text[s]);
    buf_release(&all);
    return rc;
}
