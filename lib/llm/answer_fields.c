/* SPDX-License-Identifier: MIT */
#include "llm/answer_fields.h"
#include "base/util.h"
#include "llm/among.h"
#include "llm/prompt.h"
#include <cjson/cJSON.h>
#include <ctype.h>
#include <string.h>

enum { MAX_OBJECTS = 64, KEY_BYTES = 40 };

/* Field i is bit 1 << i of a prompt's wants. */
static const char *const field_name[ANSWER_FIELDS] = {"summary", "price", "categories",
                                                      "caption"};
static const char *const field_keys[ANSWER_FIELDS] = {
    " summary businesssummary usersummary overallsummary reviewsummary restaurantsummary "
    "placesummary guestsummary description ",
    " price pricetag pricecategory pricelevel pricerange priceclass prices pricing ",
    " categories category types type tags businesscategories businesscategory restauranttype "
    "restauranttypes restaurantcategory restaurantcategories kind kinds cuisine cuisines ",
    " caption description sentence imagecaption photocaption "};

/* Letters only, lower case. 0: too long or without letters. */
static int squeeze(char key[KEY_BYTES], const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (isalpha((unsigned char)s[i])) {
            if (k + 1 >= KEY_BYTES)
                return 0;
            key[k++] = (char)tolower((unsigned char)s[i]);
        }
    key[k] = 0;
    return k > 0;
}

/* The wanted field of that key, -1: none. */
static int field_of(int wants, const char *s, size_t n)
{
    char key[KEY_BYTES];
    if (!squeeze(key, s, n))
        return -1;
    for (int i = 0; i < ANSWER_FIELDS; i++)
        if ((wants >> i & 1) && among(field_keys[i], key))
            return i;
    return -1;
}

/* ---- JSON ---- */

static void one_line(struct buf *out, const char *s)
{
    for (; *s; s++)
        buf_addc(out, *s == '\n' || *s == '\r' ? ' ' : *s);
}

/* A text, a list of texts, a list of objects with a text each. */
static int take_value(struct buf *out, const cJSON *v, int list)
{
    if (cJSON_IsString(v)) {
        buf_adds(out, v->valuestring);
        return 1;
    }
    if (cJSON_IsNull(v)) {
        buf_adds(out, list ? "" : "none");
        return 1;
    }
    if (!cJSON_IsArray(v))
        return 0;
    const cJSON *x;
    cJSON_ArrayForEach(x, v) {
        const cJSON *t = cJSON_IsObject(x) ? x->child : x;
        if (!cJSON_IsString(t))
            return 0;
        buf_adds(out, list ? "- " : out->len ? " " : "");
        one_line(out, t->valuestring);
        buf_adds(out, list ? "\n" : "");
    }
    return 1;
}

static const cJSON *child_for(const cJSON *o, int i)
{
    const cJSON *x, *any = NULL;
    cJSON_ArrayForEach(x, o) {
        if (!x->string || field_of(1 << i, x->string, strlen(x->string)) < 0)
            continue;
        if (strcasecmp(x->string, field_name[i]) == 0)
            return x;
        any = any ? any : x;
    }
    return any;
}

static void take_object(struct answer_fields *f, int wants, const cJSON *o)
{
    answer_fields_release(f);
    f->json = 1;
    for (int i = 0; i < ANSWER_FIELDS; i++) {
        const cJSON *v = wants >> i & 1 ? child_for(o, i) : NULL;
        if (!v || (cJSON_IsNull(v) && 1 << i == PROMPT_SUMMARY))
            continue;
        f->found |= 1 << i;
        if (!take_value(&f->value[i], v, 1 << i == PROMPT_CATEGORIES))
            f->odd |= 1 << i;
    }
}

static int count_keys(int wants, const cJSON *o)
{
    int n = 0;
    for (int i = 0; i < ANSWER_FIELDS; i++)
        n += (wants >> i & 1) && child_for(o, i);
    return n;
}

/* The text with commas before a closing bracket made blanks. */
static void forgive(struct buf *out, const char *s, size_t n)
{
    int inside = 0;
    for (size_t i = 0; i < n; i++) {
        size_t next = i + 1;
        inside ^= s[i] == '"';
        if (inside && s[i] == '\\' && next < n) {
            buf_add(out, s + i++, 2);
            continue;
        }
        while (!inside && s[i] == ',' && next < n && isspace((unsigned char)s[next]))
            next++;
        int spare = !inside && s[i] == ',' && next < n && (s[next] == '}' || s[next] == ']');
        buf_addc(out, spare ? ' ' : s[i]);
    }
}

static void find_json(struct answer_fields *f, int wants, const char *s, size_t n)
{
    int best = 0, tries = 0;
    const char *p = s, *end = s + n;
    while (tries++ < MAX_OBJECTS && (p = memchr(p, '{', (size_t)(end - p)))) {
        const char *stop = NULL;
        cJSON *o = cJSON_ParseWithLengthOpts(p, (size_t)(end - p), &stop, 0);
        int keys = cJSON_IsObject(o) ? count_keys(wants, o) : 0;
        if (keys > best) {
            take_object(f, wants, o);
            best = keys;
        }
        cJSON_Delete(o);
        p = keys && stop && stop > p ? stop : p + 1;
    }
}

/* ---- lines ---- */

/* Bytes of "**Price:** " at p, 0: no label there. *field: which, -1 one not wanted. */
static size_t label_at(int *field, int wants, const char *p, int line_start)
{
    size_t i = line_start ? strspn(p, " \t#*-_>0123456789.)") : 0, from = i;
    if (!line_start && !isupper((unsigned char)p[0]))
        return 0;
    while (p[i] && i - from < KEY_BYTES &&
           (isalpha((unsigned char)p[i]) || strchr(" _-/", p[i])))
        i++;
    size_t name = i - from;
    i += strspn(p + i, "*_ ");
    int heading = line_start && from > 0 && (p[from - 1] == '*' || strchr(p, '#') == p) &&
                  (p[i] == '\n' || !p[i]);
    if (name == 0 || (p[i] != ':' && !heading))
        return 0;
    *field = field_of(wants, p + from, name);
    if (*field < 0 && line_start && strcspn(p, "-0123456789") < from)
        return 0; /* an item of a list: "- Italian: they serve pasta" */
    i += p[i] == ':';
    return i + strspn(p + i, "*_ \t");
}

static void find_labels(struct answer_fields *f, int wants, const char *s, size_t n)
{
    int now = -1;
    for (size_t i = 0; i < n;) {
        int start = i == 0 || s[i - 1] == '\n', field = -1;
        int inner = !start && now >= 0 && (wants & (wants - 1)) && strchr(" /|", s[i - 1]);
        size_t len = start || inner ? label_at(&field, wants, s + i, start) : 0;
        if (len && field >= 0 && !(f->found >> field & 1)) {
            f->found |= 1 << field;
            now = field;
            i += len;
            continue;
        }
        if (len && start)
            now = -1; /* "Explanation: ..." */
        if (now >= 0)
            buf_addc(&f->value[now], s[i]);
        i++;
    }
}

void answer_fields_find(struct answer_fields *f, int wants, const char *text, size_t n)
{
    find_json(f, wants, text, n);
    if (!f->found && memchr(text, '{', n)) {
        struct buf b = {0};
        forgive(&b, text, n);
        find_json(f, wants, b.data, b.len);
        buf_release(&b);
    }
    if (!f->found)
        find_labels(f, wants, text, n);
}

void answer_fields_release(struct answer_fields *f)
{
    for (int i = 0; i < ANSWER_FIELDS; i++)
        buf_release(&f->value[i]);
    *f = (struct answer_fields){0};
}
