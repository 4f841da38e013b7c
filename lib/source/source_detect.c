/* SPDX-License-Identifier: MIT */
#include "source/source_detect.h"
#include "base/util.h"
#include "source/columns.h"
#include "source/format.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Shapes that are recognised only to be named: formats that are not written yet. */
static const struct {
    const char *format, *what;
    const char *keys[4];
} later[] = {
    {"yelp", "Yelp photos", {"photo_id", "business_id", "label"}},
    {"yelp", "Yelp users", {"user_id", "yelping_since"}},
    {"yelp", "Yelp tips", {"user_id", "business_id", "text", "compliment_count"}},
    {"yelp", "Yelp check-ins", {"business_id", "date"}},
    {"google-local", "Google Local places", {"gmap_id", "relative_results"}},
    {"amazon", "Amazon products", {"parent_asin", "main_category"}},
    {"amazon", "Amazon products", {"asin", "also_buy"}},
};

struct search {
    struct source_set *set;
    const char *format; /* NULL: auto */
    const struct source_options *options;
};

/* ---- one file ---- */

static void ignore(struct source_set *set, const char *path, const char *why)
{
    set->ignored =
        xrealloc(set->ignored, (size_t)set->n_ignored + 1, sizeof *set->ignored);
    struct source_ignored *i = &set->ignored[set->n_ignored++];
    i->path = xstrdup(path);
    snprintf(i->why, sizeof i->why, "%s", why);
}

static void add(struct source_set *set, const char *path, const struct format *format,
                const struct format_match *m)
{
    set->file = xrealloc(set->file, (size_t)set->n_files + 1, sizeof *set->file);
    struct source_found *f = &set->file[set->n_files++];
    *f = (struct source_found){.reviews = m->reviews, .rank = m->rank};
    f->file = (struct source_file){.path = xstrdup(path), .format = format->name};
    snprintf(f->what, sizeof f->what, "%s", m->what);
}

static bool is_photo(const char *path)
{
    unsigned char m[12] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, m, sizeof m, 0);
    if (fd >= 0)
        close(fd);
    if (n < (ssize_t)sizeof m)
        return false;
    return memcmp(m, "\xff\xd8\xff", 3) == 0 || memcmp(m, "\x89PNG\r\n\x1a\n", 8) == 0 ||
           memcmp(m, "GIF8", 4) == 0 ||
           (memcmp(m, "RIFF", 4) == 0 && memcmp(m + 8, "WEBP", 4) == 0);
}

/* Why a file that no format takes is none of ours. */
static void explain(char *why, size_t size, const struct format_head *h,
                    const struct format_match *m)
{
    char list[120];
    if (h->bytes == 0) {
        snprintf(why, size, "empty file");
        return;
    }
    if (m->what[0]) {
        snprintf(why, size, "%s", m->what);
        return;
    }
    if (h->shape == JSONSHAPE_NONE && h->bytes > 2 && h->text[0] == '{' &&
        (h->text[1] == '\'' || h->text[1] == 'u')) {
        snprintf(why, size, "Python literals instead of JSON: not supported yet");
        return;
    }
    if (h->n_keys == 0)
        snprintf(why, size, "no JSON records and no table");
    else
        snprintf(why, size, "no reviews; its %s: %s",
                 h->shape == JSONSHAPE_NONE ? "columns" : "keys",
                 columns_list(list, sizeof list, h->keys, h->n_keys));
}

static const char *is_later(const struct format_head *h, char *why, size_t size)
{
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        int n = 0;
        while (n < 4 && later[i].keys[n])
            n++;
        if (h->shape != JSONSHAPE_NONE && format_has_keys(h, later[i].keys, n)) {
            snprintf(why, size, "%s: format %s is not supported yet", later[i].what,
                     later[i].format);
            return why;
        }
    }
    return NULL;
}

static bool wanted(const struct search *s, const struct format *f)
{
    return !s->format || f == &format_manifest || strcmp(s->format, f->name) == 0;
}

/* Takes the file into the set, or says why not. */
static bool judge(struct search *s, const struct format_head *h, char *why, size_t size)
{
    struct format_match m = {0};
    for (int i = 0; format_all[i]; i++) {
        struct format_match one = {0};
        if (!wanted(s, format_all[i]))
            continue;
        if (format_all[i]->match(&one, h, s->options)) {
            add(s->set, h->path, format_all[i], &one);
            return true;
        }
        if (one.what[0])
            m = one;
    }
    if (!is_later(h, why, size))
        explain(why, size, h, &m);
    return false;
}

/* 1: taken; 0: not, why says the reason; it is never an error here. */
static int look(struct search *s, const char *path, char *why, size_t size)
{
    struct err e = {0};
    char *keys[FORMAT_KEYS_MAX];
    struct format_head h = {.path = path, .forced = s->format != NULL};
    struct gz *in = gz_open(path, &e);
    if (!in || gz_peek(in, &h.text, &h.bytes, &e) < 0) {
        gz_close(in);
        /* The reason without the path, which is named beside it. */
        size_t n = strlen(path);
        bool led = strncmp(e.text, path, n) == 0 && e.text[n] == ':';
        snprintf(why, size, "%.190s", led ? e.text + n + 2 : e.text);
        return 0;
    }
    h.shape = jsonshape_guess(h.text, h.bytes);
    int rc = format_read_keys(keys, &h.n_keys, path, h.shape, &e);
    h.keys = (const char *const *)keys;
    bool taken = judge(s, &h, why, size);
    /* A file that cannot even be opened as a table says so better than we can. */
    if (!taken && rc < 0 && h.bytes > 0 && strstr(e.text, "UTF-16"))
        snprintf(why, size, "UTF-16 text; save it as UTF-8");
    format_free_keys(keys, h.n_keys);
    gz_close(in);
    return taken;
}

/* ---- folders ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_folder(char ***names, int *n, const char *folder, struct err *e)
{
    DIR *d = opendir(folder);
    if (!d)
        return err_set(e, "%s: %s", folder, strerror(errno));
    struct dirent *entry;
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        *names = xrealloc(*names, (size_t)*n + 1, sizeof **names);
        (*names)[(*n)++] = xstrdup(entry->d_name);
    }
    closedir(d);
    if (*n)
        qsort(*names, (size_t)*n, sizeof **names, by_name);
    return 0;
}

/* Is names[i] "x.gz" where "x" stands beside it? */
static bool packed_copy(char *const *names, int n, int i)
{
    size_t len = strlen(names[i]);
    if (len < 4 || strcmp(names[i] + len - 3, ".gz") != 0)
        return false;
    for (int k = 0; k < n; k++)
        if (strlen(names[k]) == len - 3 && strncmp(names[k], names[i], len - 3) == 0)
            return true;
    return false;
}

static int look_into(struct search *s, const char *folder, struct err *e)
{
    char **names = NULL, why[200];
    int n = 0, rc = list_folder(&names, &n, folder, e);
    for (int i = 0; i < n; i++) {
        char *path = xasprintf("%s%s%s", folder,
                               folder[strlen(folder) - 1] == '/' ? "" : "/", names[i]);
        if (is_photo(path))
            s->set->n_photos++;
        else if (packed_copy(names, n, i))
            ignore(s->set, path, "packed copy of the file beside it");
        else if (!look(s, path, why, sizeof why))
            ignore(s->set, path, why);
        free(path);
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return rc;
}

/* ---- the set ---- */

static int rank_of_format(const char *name)
{
    int i = 0;
    while (format_all[i] && strcmp(format_all[i]->name, name) != 0)
        i++;
    /* Lists of photos come last: they speak of photos that reviews have named. */
    return strcmp(name, format_manifest.name) == 0 ? 1000 : i;
}

/* Stable: within a format, files of higher rank first, then as they were found. */
static void sort_files(struct source_set *set)
{
    for (int i = 1; i < set->n_files; i++)
        for (int k = i; k > 0; k--) {
            struct source_found *a = &set->file[k - 1], *b = &set->file[k], swap = *a;
            int order = rank_of_format(a->file.format) - rank_of_format(b->file.format);
            if (order < 0 || (order == 0 && a->rank >= b->rank))
                break;
            *a = *b;
            *b = swap;
        }
}

/* Where Google Restaurants were found, other tables of reviews are another data set. */
static void drop_others(struct source_set *set)
{
    bool google = false;
    int kept = 0;
    for (int i = 0; i < set->n_files; i++)
        google |= strcmp(set->file[i].file.format, format_google_restaurants.name) == 0;
    for (int i = 0; i < set->n_files; i++) {
        struct source_found *f = &set->file[i];
        if (google && f->reviews && strcmp(f->file.format, format_table.name) == 0) {
            ignore(set, f->file.path,
                   "a table of reviews beside Google Restaurants: another data set");
            free((char *)f->file.path);
        } else {
            set->file[kept++] = *f;
        }
    }
    set->n_files = kept;
}

static void set_labels(struct source_set *set)
{
    int best = 0;
    for (int i = 0; i < set->n_files; i++)
        if (set->file[i].reviews && set->file[i].rank > best)
            best = set->file[i].rank;
    for (int i = 0; i < set->n_files; i++)
        set->file[i].file.labelled = set->file[i].reviews && set->file[i].rank == best;
}

static int check_set(const struct source_set *set, const char *first, struct err *e)
{
    char seen[380] = "nothing";
    size_t at = 0;
    for (int i = 0; i < set->n_files; i++)
        if (set->file[i].reviews)
            return 0;
    for (int i = 0; i < set->n_files + set->n_ignored && at + 8 < sizeof seen; i++) {
        bool good = i < set->n_files;
        const char *path =
            good ? set->file[i].file.path : set->ignored[i - set->n_files].path;
        const char *slash = strrchr(path, '/');
        int n = snprintf(seen + at, sizeof seen - at, "%s%.60s (%.100s)", i ? ", " : "",
                         slash ? slash + 1 : path,
                         good ? set->file[i].what : set->ignored[i - set->n_files].why);
        at += n > 0 ? (size_t)n : 0;
    }
    if (set->n_photos && at + 8 < sizeof seen)
        snprintf(seen + at, sizeof seen - at, "%s%d photo files", at ? ", " : "",
                 set->n_photos);
    return err_set(e, "%.100s: no reviews found; seen: %s", first, seen);
}

static int look_at_all(struct search *s, const char *const *paths, int n, struct err *e)
{
    char why[200];
    struct stat st;
    for (int i = 0; i < n; i++) {
        if (stat(paths[i], &st) != 0)
            return err_set(e, "%s: %s", paths[i], strerror(errno));
        if (S_ISDIR(st.st_mode)) {
            if (look_into(s, paths[i], e) < 0)
                return -1;
        } else if (!look(s, paths[i], why, sizeof why)) {
            return err_set(e, "%.250s: %s", paths[i], why);
        }
    }
    return 0;
}

int source_detect(struct source_set *set, const char *const *paths, int n,
                  const char *format, const struct source_options *o, struct err *e)
{
    *set = (struct source_set){0};
    bool automatic = !format || strcmp(format, "auto") == 0;
    struct search s = {.set = set, .format = automatic ? NULL : format, .options = o};
    if (!automatic && !format_find(format)) {
        for (size_t i = 0; i < ARRAY_LEN(later); i++)
            if (strcmp(format, later[i].format) == 0)
                return err_set(e, "format %s is not supported yet", format);
        return err_set(
            e, "format '%s' is not known; formats are auto, google-restaurants, table",
            format);
    }
    if (n < 1)
        return err_set(e, "no input: name a file or a folder");
    if (look_at_all(&s, paths, n, e) < 0)
        return -1;
    drop_others(set);
    sort_files(set);
    set_labels(set);
    return check_set(set, paths[0], e);
}

void source_set_release(struct source_set *set)
{
    for (int i = 0; i < set->n_files; i++)
        free((char *)set->file[i].file.path);
    for (int i = 0; i < set->n_ignored; i++)
        free(set->ignored[i].path);
    free(set->file);
    free(set->ignored);
    *set = (struct source_set){0};
}
