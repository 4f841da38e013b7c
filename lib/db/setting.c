/* SPDX-License-Identifier: MIT */
#include "db/setting.h"
#include "base/opts.h"
#include "base/util.h"
#include "db/db.h"
#include <stdlib.h>
#include <string.h>

const struct setting_def setting_defs[] = {
    {"INPUT", "sample", NULL, "file or folder with reviews"},
    {"FORMAT", "auto", "auto google-restaurants table yelp google-local amazon", "of INPUT"},
    {"COLUMNS", "auto", NULL, "column map of a table: user=Reviewer,text=Review,..."},
    {"IMAGES", "auto", NULL, "folder with photo files, auto or none"},
    {"SPLIT", "auto", "auto provided random time user", "auto = provided, else random"},
    {"SPLIT_SEED", "1", "int 0 1000000000", "seed of the split and the folds"},
    {"PROTOCOL", "crossfit", "crossfit paper", "who sees what while training"},
    {"FOLDS", "5", "int 2 50", "folds of the training split"},
    {"POSITIVE", "4", "int 1 5", "stars from which a review is positive"},
    {"LLM", "extractive", "extractive openai batch replay", "who writes the summaries"},
    {"LLM_URL", "", NULL, "base address of an OpenAI-compatible service"},
    {"LLM_MODEL", "", NULL, "its model"},
    {"LLM_KEY_FILE", "", NULL, "file that holds the key (or LLM_API_KEY in the environment)"},
    {"LLM_CA_FILE", "", NULL, "certificates to trust besides the system's"},
    {"LLM_CONTEXT", "8192", "int 1024 10000000", "tokens a model reads; longer sets in parts"},
    {"PROMPTS", "default", NULL, "default, paper, or a folder of prompt files"},
    {"REASK", "2", "int 0 10", "times an answer that cannot be used is asked for again"},
    {"CONCURRENCY", "8", "int 1 512", "requests under way at once"},
    {"RPM", "0", "int 0 10000000", "requests a minute at most, 0 = no limit"},
    {"TPM", "0", "int 0 2000000000", "tokens a minute at most, 0 = no limit"},
    {"BUDGET", "", NULL, "dollars that may be spent over the life of the database"},
    {"PRICES", "", NULL, "file in place of the built-in prices.tsv"},
    {"PILOT", "0", "int 0 1000000000", "only this many businesses, with all their users"},
    {"CAPTION", "auto", "auto blip2 http dataset none", "where captions come from"},
    {"CAPTION_URL", "", NULL, "base address of a service for captions"},
    {"CAPTION_MODEL", "", NULL, "its model"},
    {"CAPTION_API", "chat", "chat image-to-text", "how it is spoken to"},
    {"CAPTION_SIDE", "512", "int 0 30000", "pixels of a photo's longer side when sent, 0 = all"},
    {"CAPTION_BEAMS", "1", "int 1 64", "blip2: beams of its search, 1 = greedy"},
    {"CAPTION_TOKENS", "20", "int 1 500", "blip2: tokens of a caption at most"},
    {"CAPTION_MIN_TOKENS", "0", "int 0 500", "blip2: tokens before a caption may end"},
    {"CAPTION_PENALTY", "1", "number -10 10", "blip2: beams are judged by score / length^this"},
    {"CAPTION_PROMPT", "", NULL, "blip2: what is asked of every photo, else nothing"},
    {"CAPTION_PRECISION", "bf16", "f32 bf16 int8", "blip2: of its weights"},
    {"TEXT_ENCODER", "auto", "auto minilm hash", "text to vector"},
    {"IMAGE_ENCODER", "auto", "auto resnet50 descriptor", "photo to vector"},
    {"PRECISION", "f32", "f32 bf16", "of the encoders"},
    {"MODELS", "auto", NULL, "folder with a folder per model (make models), or auto"},
    {"TEXT_MODEL", "auto", NULL, "a text encoder's own folder instead"},
    {"IMAGE_MODEL", "auto", NULL, "a photo encoder's own folder instead"},
    {"BLIP2_MODEL", "auto", NULL, "BLIP-2's own folder instead"},
    {"IMBALANCE", "0", "number 0 0.99", "keep this share of negatives (0.12), 0 = all rows"},
    {"EXPERIMENT", "quick", NULL, "quick, paper, or a file of rows"},
    {"SEEDS", "3", "int 1 1000", "training seeds of each cell"},
    {"MAX_FAILURES", "1%", "percent", "items that may fail before a tool does"},
    {"THREADS", "0", "int 0 1024", "worker threads, 0 = all cores"},
    {NULL, NULL, NULL, NULL}};

/* Levenshtein distance of short names, for "did you mean". */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= ARRAY_LEN(row))
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diag = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t sub = diag + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diag = row[j];
            row[j] = sub < least + 1 ? sub : least + 1;
        }
    }
    return row[n];
}

const struct setting_def *setting_find(const char *name, struct err *e)
{
    const struct setting_def *near = NULL;
    size_t best = 4; /* further away is no misspelling */
    for (const struct setting_def *d = setting_defs; d->name; d++) {
        size_t far = distance(name, d->name);
        if (far == 0)
            return d;
        if (far < best) {
            best = far;
            near = d;
        }
    }
    if (distance(name, "DB") < best)
        err_set(e, "%s: no such variable; did you mean DB?", name);
    else if (near)
        err_set(e, "%s: no such variable; did you mean %s?", name, near->name);
    else
        err_set(e, "%s: no such variable; 'make -f pipeline.mk help' lists them", name);
    return NULL;
}

static int one_of(const char *words, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = words; (p = strstr(p, value)) != NULL; p++)
        if (n && (p == words || p[-1] == ' ') && (p[n] == 0 || p[n] == ' '))
            return 1;
    return 0;
}

int setting_check(const struct setting_def *def, const char *value, struct err *e)
{
    struct err why;
    long long lo, hi;
    double least, most;
    int64_t n;
    if (!def->allowed)
        return 0;
    if (sscanf(def->allowed, "int %lld %lld", &lo, &hi) == 2) {
        if (parse_int(&n, value, lo, hi, &why) < 0)
            return err_set(e, "%s: %s", def->name, why.text);
        return 0;
    }
    if (strcmp(def->allowed, "percent") == 0) {
        opts_allowed_failures(value, 0); /* ends the process on anything else */
        return 0;
    }
    if (sscanf(def->allowed, "number %lf %lf", &least, &most) == 2) {
        if (parse_double(&least, value, least, most, &why) < 0)
            return err_set(e, "%s: %s", def->name, why.text);
        return 0;
    }
    if (!one_of(def->allowed, value))
        return err_set(e, "%s: '%s' is not one of: %s", def->name, value, def->allowed);
    return 0;
}

char *setting_value(struct db *db, const char *name)
{
    struct err e;
    const struct setting_def *def = setting_find(name, &e);
    if (!def)
        die("%s", e.text);
    char *v = db_setting(db, name);
    return v ? v : xstrdup(def->value);
}

int setting_int(struct db *db, const char *name)
{
    struct err e;
    int64_t n;
    char *v = setting_value(db, name);
    const struct setting_def *def = setting_find(name, NULL);
    if (setting_check(def, v, &e) < 0 || parse_int(&n, v, -INT32_MAX, INT32_MAX, &e) < 0)
        die("table setting: %s", e.text);
    free(v);
    return (int)n;
}

int setting_change(struct db *db, const char *name, const char *value, struct err *e)
{
    const struct setting_def *def = setting_find(name, e);
    if (!def || setting_check(def, value, e) < 0)
        return -1;
    char *old = setting_value(db, name);
    int differs = strcmp(old, value) != 0;
    free(old);
    db_set_setting(db, name, value);
    return differs;
}
