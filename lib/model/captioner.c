/* SPDX-License-Identifier: MIT */
#include "model/captioner.h"
#include "base/util.h"
#include "source/utf8.h"
#include <stdlib.h>
#include <string.h>

#define MAX_PHOTO ((size_t)64 << 20)

/* Decodes photo i into place k of the batch. */
static int prepare(struct blip2 *m, struct photo *p, int k)
{
    struct image img = {0};
    p->failed = !p->bytes || image_decode(&img, p->bytes, p->n, &p->err) < 0;
    if (!p->failed)
        blip2_picture(m, k, &img);
    image_release(&img);
    return !p->failed;
}

static void take_caption(struct photo *p, const struct blip2_caption *c)
{
    p->flaw = c->circles ? "circles" : c->ended ? NULL : "cut off";
    p->n_ids = c->n_ids;
    p->ids = xcalloc((size_t)c->n_ids + 1, sizeof *p->ids);
    memcpy(p->ids, c->ids, (size_t)c->n_ids * sizeof *p->ids);
    /* U+0000 is a token, but no text holds it. */
    p->text = xcalloc(c->text.len + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < c->text.len; i++)
        if (c->text.data[i])
            p->text[n++] = c->text.data[i];
    p->empty = n == 0;
    if (p->empty)
        p->failed = err_set(&p->err, "the model gave an empty caption") != 0;
}

int captioner_run(struct blip2 *m, struct photo *p, int n)
{
    int good = 0;
    for (int i = 0; i < n; i++)
        good += prepare(m, &p[i], good);
    if (good > 0 && blip2_run(m, good) < 0)
        return -1;
    for (int i = 0, k = 0; i < n; i++)
        if (!p[i].failed)
            take_caption(&p[i], blip2_caption(m, k++));
    return 0;
}

void captioner_release(struct photo *p, int n)
{
    for (int i = 0; i < n; i++) {
        free(p[i].text);
        free(p[i].ids);
    }
}

/* ---- the filter ---- */

static void put_text(struct buf *b, const char *key, const char *text)
{
    struct buf clean = {0}; /* a path may be any bytes */
    utf8_repair(&clean, text, strlen(text));
    buf_adds(b, key);
    buf_json(b, buf_str(&clean), clean.len);
    buf_release(&clean);
}

static void put_photo(struct buf *b, const char *path, const struct photo *p, int ids)
{
    put_text(b, "{\"file\":", path);
    if (p->failed)
        put_text(b, ",\"error\":", p->err.text);
    else
        put_text(b, ",\"caption\":", p->text);
    if (ids && !p->failed) {
        buf_adds(b, ",\"ids\":[");
        for (int i = 0; i < p->n_ids; i++)
            buf_addf(b, "%s%d", i ? "," : "", p->ids[i]);
        buf_addc(b, ']');
    }
    if (p->flaw && !p->failed)
        buf_addf(b, ",\"flaw\":\"%s\"", p->flaw);
    buf_adds(b, "}\n");
}

static int one_batch(char **paths, int n, FILE *out, struct blip2 *m, struct captioner_filter *f)
{
    struct photo *p = xcalloc((size_t)n, sizeof *p);
    struct buf *file = xcalloc((size_t)n, sizeof *file), line = {0};
    for (int i = 0; i < n; i++)
        if (buf_read_file(&file[i], paths[i], MAX_PHOTO, &p[i].err) == 0) {
            p[i].bytes = buf_str(&file[i]);
            p[i].n = file[i].len;
        }
    int rc = captioner_run(m, p, n);
    for (int i = 0; i < n && rc == 0; i++) {
        put_photo(&line, paths[i], &p[i], f->ids);
        f->done += !p[i].failed;
        f->failed += p[i].failed;
        f->circles += !p[i].failed && p[i].flaw && strcmp(p[i].flaw, "circles") == 0;
        f->cut_off += !p[i].failed && p[i].flaw && strcmp(p[i].flaw, "cut off") == 0;
        if (p[i].failed) /* what could not be read names the file itself */
            warn("%s%s%s", p[i].bytes ? paths[i] : "", p[i].bytes ? ": " : "", p[i].err.text);
    }
    if (fwrite(buf_str(&line), 1, line.len, out) != line.len || fflush(out) != 0)
        rc = CAPTIONER_NO_OUTPUT;
    for (int i = 0; i < n; i++)
        buf_release(&file[i]);
    buf_release(&line);
    captioner_release(p, n);
    free(file);
    free(p);
    return rc;
}

int captioner_files(char **paths, FILE *out, struct blip2 *m, int batch,
                    struct captioner_filter *f)
{
    while (*paths) {
        int n = 0;
        while (n < batch && paths[n])
            n++;
        int rc = one_batch(paths, n, out, m, f);
        if (rc != 0)
            return rc;
        paths += n;
    }
    return 0;
}
