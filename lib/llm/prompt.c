/* SPDX-License-Identifier: MIT */
#include "llm/prompt.h"
#include "base/embed.h"
#include "base/sha256.h"
#include "base/util.h"
#include "llm/prompt_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_BYTES = 65536 };

/* ---- opening a set ---- */

enum { SET_USER, SET_CAPTION, SET_BUSINESS, SET_PRICE, SET_CATEGORY, SET_FILES };

static const char *const set_file[SET_FILES] = {"user", "caption", "business", "price",
                                                "category"};

/* What the set itself holds, without falling back. 1: found, 0: not there, -1: unreadable. */
static int set_read(struct buf *bytes, char **label, const char *which, const char *name,
                    struct err *e)
{
    int inside = strcmp(which, "default") == 0 || strcmp(which, "paper") == 0;
    const char *dir = strcmp(which, "default") == 0 ? "prompts"
                      : inside                      ? "prompts/paper"
                                                    : which;
    *label = xasprintf("%s/%s.txt", dir, name);
    if (inside) {
        const struct embed_file *f = embed_find(*label);
        if (f)
            buf_add(bytes, f->text, f->bytes);
        return f != NULL;
    }
    struct stat st;
    if (lstat(*label, &st) != 0 && errno == ENOENT)
        return 0;
    return buf_read_file(bytes, *label, FILE_BYTES, e) < 0 ? -1 : 1;
}

/* 1: p is read from the set, 2: from the default's file, 0: neither has one, -1: bad. */
static int set_load(struct prompt *p, const char *which, const char *name, struct err *e)
{
    struct buf bytes = {0};
    char *label;
    int rc = set_read(&bytes, &label, which, name, e);
    if (rc == 0 && strcmp(which, "default") != 0) {
        free(label);
        rc = set_read(&bytes, &label, "default", name, e) == 1 ? 2 : 0;
    }
    if (rc > 0 && prompt_parse(p, name, label, &bytes, e) < 0)
        rc = -1;
    free(label);
    buf_release(&bytes);
    return rc;
}

static const struct {
    int bit;
    const char *name, *file;
} thing[] = {{PROMPT_SUMMARY, "summary", "business.txt"},
             {PROMPT_PRICE, "price", "price.txt"},
             {PROMPT_CATEGORIES, "categories", "category.txt"}};

/* The files of a place together want each thing once. */
static int business_check(const struct prompts *p, const char *which, int built_in,
                          struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(thing); i++) {
        const struct prompt *first = NULL;
        for (const struct prompt *b = p->business; b < p->business + p->n_business; b++) {
            if (!(b->wants & thing[i].bit))
                continue;
            if (first)
                return err_set(e, "%s: %s.txt%s and %s.txt both want %s; take it out of the "
                                  "'wants' line of one", which, first->name,
                               first == p->business && built_in ? " (the built-in one)" : "",
                               b->name, thing[i].name);
            first = b;
        }
        if (!first)
            return err_set(e, "%s: no file for places wants %s; add it to the 'wants' line of "
                              "business.txt%s%s", which, thing[i].name, i ? ", or write " : "",
                           i ? thing[i].file : "");
    }
    if (!(p->business[0].wants & PROMPT_SUMMARY))
        return err_set(e, "%s: business.txt must want the summary", which);
    return 0;
}

static int wants_check(const struct prompts *p, const char *which, int built_in, struct err *e)
{
    if (p->user.wants != PROMPT_SUMMARY)
        return err_set(e, "%s: user.txt must say 'wants summary' and nothing more", which);
    if (p->caption.wants != PROMPT_CAPTION)
        return err_set(e, "%s: caption.txt must say 'wants caption'", which);
    for (int i = 0; i < p->n_business; i++)
        if (p->business[i].wants & PROMPT_CAPTION)
            return err_set(e, "%s: only caption.txt may want a caption, %s.txt does", which,
                           p->business[i].name);
    return business_check(p, which, built_in, e);
}

static int folder_check(const char *which, struct err *e)
{
    struct stat st;
    if (strcmp(which, "default") == 0 || strcmp(which, "paper") == 0)
        return 0;
    if (stat(which, &st) != 0)
        return err_set(e, "%s: %s; prompts are 'default', 'paper' or a folder with user.txt "
                          "and business.txt", which, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(e, "%s: not a folder; give the folder that holds user.txt and "
                          "business.txt", which);
    return 0;
}

int prompts_open(struct prompts *p, const char *which, struct err *e)
{
    int got[SET_FILES], own = 0;
    *p = (struct prompts){0};
    if (folder_check(which, e) < 0)
        return -1;
    for (int i = 0; i < SET_FILES; i++) {
        struct prompt *into = i == SET_USER      ? &p->user
                              : i == SET_CAPTION ? &p->caption
                                                 : &p->business[p->n_business];
        got[i] = set_load(into, which, set_file[i], e);
        if (got[i] < 0) {
            prompts_free(p);
            return -1;
        }
        own += got[i] == 1;
        p->n_business += i >= SET_BUSINESS && got[i] > 0;
    }
    int rc = 0;
    if (!own)
        rc = err_set(e, "%s: holds no prompt (user.txt, business.txt, price.txt, category.txt, "
                        "caption.txt)", which);
    else
        rc = wants_check(p, which, got[SET_BUSINESS] == 2, e);
    if (rc < 0)
        prompts_free(p);
    return rc;
}

static void prompt_release(struct prompt *p)
{
    char *all[] = {p->name,  p->system, p->reviews,    p->merge,
                   p->again, p->schema, p->schema_name};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    *p = (struct prompt){0};
}

void prompts_free(struct prompts *p)
{
    prompt_release(&p->user);
    prompt_release(&p->caption);
    for (int i = 0; i < PROMPT_BUSINESS; i++)
        prompt_release(&p->business[i]);
    *p = (struct prompts){0};
}

/* ---- filling ---- */

/* A control character (C0 but line end and tab, DEL, C1) may be taken by a model, or by a
 * terminal that shows the prompt, for something it is not. */
static void add_clean(struct buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        unsigned char next = i + 1 < n ? (unsigned char)s[i + 1] : 0;
        if (c == 0xc2 && next >= 0x80 && next <= 0x9f) {
            buf_addc(out, ' ');
            i++;
        } else
            buf_addc(out, (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? ' ' : c);
    }
}

static void tag_of(char tag[PROMPT_TAG + 1], const struct llm_text *t, int n)
{
    struct sha256 *h = sha256_new();
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    for (int i = 0; i < n; i++)
        sha256_add_field(h, t[i].text, t[i].bytes);
    sha256_end(digest, h);
    sha256_free(h);
    sha256_hex(hex, digest);
    snprintf(tag, PROMPT_TAG + 1, "%.*s", PROMPT_TAG, hex);
}

static void add_fenced(struct buf *out, const char *tag, const struct llm_text *t, int n)
{
    for (int i = 0; i < n; i++) {
        buf_addf(out, "<<<text %d of %d | %s>>>\n", i + 1, n, tag);
        add_clean(out, t[i].text, t[i].bytes);
        buf_addf(out, "%s<<<end %d | %s>>>%s", out->data[out->len - 1] == '\n' ? "" : "\n",
                 i + 1, tag, i + 1 < n ? "\n" : "");
    }
}

/* The text up to the next slot; the slot's name of len bytes, NULL at the end. */
static const char *next_slot(const char **text, size_t *len, size_t *name_len)
{
    const char *open = strstr(*text, "{{"), *close = open ? strstr(open, "}}") : NULL;
    *len = close ? (size_t)(open - *text) : strlen(*text);
    *name_len = close ? (size_t)(close - open - 2) : 0;
    return close ? open + 2 : NULL;
}

static int named(const char *name, size_t n, const char *want)
{
    return n == strlen(want) && memcmp(name, want, n) == 0;
}

static void fill(struct buf *out, const char *text, const struct llm_text *t, int n)
{
    char tag[PROMPT_TAG + 1];
    tag_of(tag, t, n);
    for (;;) {
        size_t len, name_len;
        const char *name = next_slot(&text, &len, &name_len);
        buf_add(out, text, len);
        if (!name)
            return;
        if (named(name, name_len, "count"))
            buf_addf(out, "%d", n);
        else if (named(name, name_len, "fence"))
            buf_adds(out, tag);
        else /* reviews or parts: prompt_parse lets nothing else through */
            add_fenced(out, tag, t, n);
        text = name + name_len + 2;
    }
}

void prompt_reviews(struct buf *out, const struct prompt *p, const struct llm_text *t, int n)
{
    fill(out, p->reviews, t, n);
}

void prompt_merge(struct buf *out, const struct prompt *p, const struct llm_text *parts, int n)
{
    fill(out, p->merge, parts, n);
}

void prompt_again(struct buf *out, const struct prompt *p, const char *reason)
{
    const char *slot = strstr(p->again, "{{reason}}");
    buf_adds(out, "\n\n");
    buf_add(out, p->again, (size_t)(slot - p->again));
    add_clean(out, reason, strlen(reason));
    buf_adds(out, slot + strlen("{{reason}}"));
}

int prompt_fenced(const char *message, char tag[PROMPT_TAG + 1], size_t *from, size_t *to)
{
    static const char open[] = "<<<text 1 of ";
    for (const char *p = message; (p = strstr(p, open)); p++) {
        const char *q = p + strlen(open), *digits = q;
        q += strspn(q, "0123456789");
        if (q == digits || strncmp(q, " | ", 3) != 0)
            continue;
        q += 3;
        if (strspn(q, "0123456789abcdef") != PROMPT_TAG ||
            strncmp(q + PROMPT_TAG, ">>>", 3) != 0)
            continue;
        memcpy(tag, q, PROMPT_TAG);
        tag[PROMPT_TAG] = 0;
        *from = *to = (size_t)(p - message);
        char end[PROMPT_TAG + 8];
        snprintf(end, sizeof end, " | %s>>>", tag);
        for (const char *s = p; (s = strstr(s, end)); s++)
            *to = (size_t)(s - message) + strlen(end);
        return 1;
    }
    return 0;
}
