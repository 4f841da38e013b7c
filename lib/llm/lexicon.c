/* SPDX-License-Identifier: MIT */
#include "llm/lexicon.h"
#include "base/embed.h"
#include "base/rng.h"
#include "base/util.h"
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 4 /* of a phrase */
#define NEGATION_REACH 3

struct phrase {
    uint64_t hash; /* of its words, 0 = empty slot */
    int cls;
    char *text;
};

struct lexicon {
    struct phrase *slot; /* [mask + 1], open addressing */
    size_t mask, n;
    char **cls;
    int n_cls;
};

static uint64_t join_hash(const struct words *w, int at, int n)
{
    uint64_t h = (uint64_t)n;
    for (int i = 0; i < n; i++)
        h = rng_mix(h ^ w->w[at + i].hash);
    return h | 1;
}

static struct phrase *slot_of(const struct lexicon *lx, uint64_t hash)
{
    size_t i = hash & lx->mask;
    while (lx->slot[i].hash && lx->slot[i].hash != hash)
        i = (i + 1) & lx->mask;
    return &lx->slot[i];
}

static int add_phrase(struct lexicon *lx, const char *text, size_t n, int cls, struct err *e)
{
    struct words w = {0};
    words_split(&w, text, n);
    int rc = 0;
    if (w.n == 0 || w.n > MAX_WORDS)
        rc = err_set(e, "phrase '%.*s' has %d words, allowed are 1 to %d", (int)n, text, w.n,
                     MAX_WORDS);
    else {
        struct phrase *p = slot_of(lx, join_hash(&w, 0, w.n));
        if (p->hash)
            rc = err_set(e, "phrase '%.*s' stands twice", (int)n, text);
        else {
            *p = (struct phrase){join_hash(&w, 0, w.n), cls, xmalloc(n + 1)};
            memcpy(p->text, text, n);
            p->text[n] = 0;
            lx->n++;
        }
    }
    words_release(&w);
    return rc;
}

static int add_line(struct lexicon *lx, const char *line, size_t n, struct err *e)
{
    const char *tab = memchr(line, '\t', n);
    if (!tab)
        return err_set(e, "no tab in '%.*s'", (int)n, line);
    lx->cls = xrealloc(lx->cls, (size_t)lx->n_cls + 1, sizeof *lx->cls);
    lx->cls[lx->n_cls] = xasprintf("%.*s", (int)(tab - line), line);
    int cls = lx->n_cls++;
    const char *p = tab + 1, *end = line + n;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        while (p < stop && *p == ' ')
            p++;
        if (add_phrase(lx, p, (size_t)(stop - p), cls, e) < 0)
            return -1;
        p = stop + 1;
    }
    return 0;
}

struct lexicon *lexicon_new(const char *embedded_name, struct err *e)
{
    const struct embed_file *f = embed_find(embedded_name);
    if (!f) {
        err_set(e, "%s: not among the built-in files", embedded_name);
        return NULL;
    }
    struct lexicon *lx = xcalloc(1, sizeof *lx);
    size_t commas = 8;
    for (const char *p = f->text; *p; p++)
        commas += *p == ',' || *p == '\n';
    for (lx->mask = 63; lx->mask < 4 * commas;)
        lx->mask = lx->mask * 2 + 1;
    lx->slot = xcalloc(lx->mask + 1, sizeof *lx->slot);
    int line = 1;
    for (const char *p = f->text; *p; line++) {
        size_t n = strcspn(p, "\n");
        struct err why;
        if (n && *p != '#' && add_line(lx, p, n, &why) < 0) {
            err_set(e, "%s:%d: %s", embedded_name, line, why.text);
            lexicon_free(lx);
            return NULL;
        }
        p += n + (p[n] == '\n');
    }
    return lx;
}

void lexicon_free(struct lexicon *lx)
{
    if (!lx)
        return;
    for (size_t i = 0; lx->slot && i <= lx->mask; i++)
        free(lx->slot[i].text);
    for (int i = 0; i < lx->n_cls; i++)
        free(lx->cls[i]);
    free(lx->slot);
    free(lx->cls);
    free(lx);
}

int lexicon_classes(const struct lexicon *lx)
{
    return lx->n_cls;
}

const char *lexicon_class(const struct lexicon *lx, int cls)
{
    return lx->cls[cls];
}

static int negates(const char *w)
{
    static const char list[] = " not no never nothing neither nor without hardly isnt wasnt arent "
                               "werent dont doesnt didnt cant couldnt wont wouldnt aint nt ";
    char key[20];
    size_t n = strlen(w);
    if (n + 3 > sizeof key)
        return 0;
    snprintf(key, sizeof key, " %s ", w);
    return strstr(list, key) != NULL;
}

void lexicon_scan(const struct lexicon *lx, const struct words *w,
                  void (*hit)(void *ctx, const struct lexicon_hit *), void *ctx)
{
    for (int i = 0; i < w->n;) {
        const struct phrase *found = NULL;
        int len = w->n - i < MAX_WORDS ? w->n - i : MAX_WORDS;
        for (; len > 0 && !found; len--) {
            const struct phrase *p = slot_of(lx, join_hash(w, i, len));
            if (p->hash)
                found = p;
        }
        if (!found) {
            i++;
            continue;
        }
        struct lexicon_hit h = {found->cls, 0, found->text};
        for (int j = i - 1; j >= 0 && j >= i - NEGATION_REACH; j--) {
            if (w->w[j + 1].from - w->w[j].to > 1)
                break; /* more than a blank between them: another clause */
            h.negated |= negates(words_at(w, j));
        }
        hit(ctx, &h);
        i += len + 1;
    }
}
