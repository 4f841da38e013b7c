/* SPDX-License-Identifier: MIT */
#include "report/doc.h"
#include "base/util.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_COLUMNS 32

struct out {
    FILE *f;
    char *path, *part;
};

struct doc {
    struct out md, html;
    int columns, at;         /* of the open table; at: next cell */
    char right[MAX_COLUMNS];
    int in_list;
};

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}h1,h2{line-height:1.2}h2{margin-top:2em;border-bottom:1px solid "
    "#ccc}table{border-collapse:collapse;margin:1em 0;font-size:.9em;display:block;"
    "overflow-x:auto}th,td{padding:.25em .6em;border-bottom:1px solid #ddd;text-align:left;"
    "vertical-align:top}th{background:#f4f4f4}.n{text-align:right;"
    "font-variant-numeric:tabular-nums}@media(prefers-color-scheme:dark){body{color:#ddd;"
    "background:#181818}th{background:#282828}th,td{border-color:#444}}";

static int out_open(struct out *o, const char *path, struct err *e)
{
    o->path = xstrdup(path);
    o->part = xasprintf("%s.part", path);
    o->f = fopen(o->part, "w");
    return o->f ? 0 : err_set(e, "%s: %s", o->part, strerror(errno));
}

/* Control characters become blanks; the rest is text. */
static void html_text(FILE *f, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&': fputs("&amp;", f); break;
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '"': fputs("&quot;", f); break;
        case '\'': fputs("&#39;", f); break;
        default: fputc((unsigned char)*s < 32 ? ' ' : *s, f);
        }
}

static void md_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (strchr("\\`*_{}[]<>|#", *s))
            fputc('\\', f);
        fputc((unsigned char)*s < 32 ? ' ' : *s, f);
    }
}

struct doc *doc_open(const char *md_path, const char *html_path, const char *title, struct err *e)
{
    struct doc *d = xcalloc(1, sizeof *d);
    if (out_open(&d->md, md_path, e) < 0 || out_open(&d->html, html_path, e) < 0) {
        struct err second;
        if (doc_close(d, &second) < 0)
            return NULL;
        return NULL;
    }
    fputs("# ", d->md.f);
    md_text(d->md.f, title);
    fputs("\n", d->md.f);
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<title>", d->html.f);
    html_text(d->html.f, title);
    fprintf(d->html.f, "</title>\n<style>%s</style></head><body>\n<h1>", style);
    html_text(d->html.f, title);
    fputs("</h1>\n", d->html.f);
    return d;
}

static void end_list(struct doc *d)
{
    if (d->in_list)
        fputs("</ul>\n", d->html.f);
    d->in_list = 0;
}

void doc_heading(struct doc *d, const char *text)
{
    end_list(d);
    fputs("\n## ", d->md.f);
    md_text(d->md.f, text);
    fputs("\n", d->md.f);
    fputs("<h2>", d->html.f);
    html_text(d->html.f, text);
    fputs("</h2>\n", d->html.f);
}

static char *format(const char *fmt, va_list ap)
{
    char *s;
    if (vasprintf(&s, fmt, ap) < 0)
        die("out of memory");
    return s;
}

void doc_para(struct doc *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = format(fmt, ap);
    va_end(ap);
    end_list(d);
    fputc('\n', d->md.f);
    md_text(d->md.f, s);
    fputs("\n", d->md.f);
    fputs("<p>", d->html.f);
    html_text(d->html.f, s);
    fputs("</p>\n", d->html.f);
    free(s);
}

void doc_item(struct doc *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = format(fmt, ap);
    va_end(ap);
    if (!d->in_list) {
        fputc('\n', d->md.f);
        fputs("<ul>\n", d->html.f);
    }
    d->in_list = 1;
    fputs("- ", d->md.f);
    md_text(d->md.f, s);
    fputs("\n", d->md.f);
    fputs("<li>", d->html.f);
    html_text(d->html.f, s);
    fputs("</li>\n", d->html.f);
    free(s);
}

void doc_table(struct doc *d, const char *columns)
{
    char *copy = xstrdup(columns), *save = NULL;
    end_list(d);
    d->columns = d->at = 0;
    fputs("\n|", d->md.f);
    fputs("<table><thead><tr>", d->html.f);
    for (char *c = strtok_r(copy, "|", &save); c && d->columns < MAX_COLUMNS;
         c = strtok_r(NULL, "|", &save)) {
        size_t n = strlen(c);
        d->right[d->columns] = n > 0 && c[n - 1] == ':';
        if (d->right[d->columns])
            c[n - 1] = 0;
        fputc(' ', d->md.f);
        md_text(d->md.f, c);
        fputs(" |", d->md.f);
        fprintf(d->html.f, "<th%s>", d->right[d->columns] ? " class=\"n\"" : "");
        html_text(d->html.f, c);
        fputs("</th>", d->html.f);
        d->columns++;
    }
    fputs("\n|", d->md.f);
    for (int i = 0; i < d->columns; i++)
        fputs(d->right[i] ? " ---: |" : " --- |", d->md.f);
    fputs("</tr></thead><tbody>", d->html.f);
    free(copy);
}

void doc_cell(struct doc *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = format(fmt, ap);
    va_end(ap);
    int col = d->at % d->columns;
    if (col == 0) {
        fputs("\n|", d->md.f);
        fputs("\n<tr>", d->html.f);
    }
    fputc(' ', d->md.f);
    md_text(d->md.f, s);
    fputs(" |", d->md.f);
    fprintf(d->html.f, "<td%s>", d->right[col] ? " class=\"n\"" : "");
    html_text(d->html.f, s);
    fputs("</td>", d->html.f);
    if (col == d->columns - 1)
        fputs("</tr>", d->html.f);
    d->at++;
    free(s);
}

void doc_number(struct doc *d, const char *fmt, double v)
{
    char text[64];
    if (isnan(v)) {
        doc_cell(d, "-");
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, fmt, v);
#pragma GCC diagnostic pop
    doc_cell(d, "%s", text);
}

void doc_table_end(struct doc *d)
{
    fputs("\n", d->md.f);
    fputs("\n</tbody></table>\n", d->html.f);
}

static int out_close(struct out *o, int keep, struct err *e)
{
    int rc = 0;
    if (o->f) {
        int bad = ferror(o->f);
        if (fclose(o->f) != 0 || bad)
            rc = err_set(e, "%s: %s", o->part, strerror(errno));
        else if (keep && rename(o->part, o->path) != 0)
            rc = err_set(e, "%s: %s", o->path, strerror(errno));
        if (rc < 0 || !keep)
            unlink(o->part);
    }
    free(o->path);
    free(o->part);
    return rc;
}

int doc_close(struct doc *d, struct err *e)
{
    int complete = d->md.f && d->html.f;
    if (complete) {
        end_list(d);
        fputs("</body></html>\n", d->html.f);
    }
    int rc = out_close(&d->md, complete, e);
    if (out_close(&d->html, complete && rc == 0, e) < 0)
        rc = -1;
    free(d);
    return rc;
}
