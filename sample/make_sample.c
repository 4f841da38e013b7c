/* SPDX-License-Identifier: MIT */
/* make_sample: writes reviews.csv, images.tsv and images/ into a folder, the same bytes each
 * time. usage: make_sample [--scale N] FOLDER; make_sample --compare A B for two folders
 * whose photos may have been compressed by different libraries. */
#include "base/util.h"
#include "image/decode.h"
#include "phrase.h"
#include "picture.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_SCALE 100000
#define MAX_LEVELS_APART 2.0 /* mean over a photo, between two JPEG libraries */

/* Photos that are not what they should be; indices into the photos of the first town. */
enum { PHOTO_LIES = 23, PHOTO_CUT = 47, PHOTO_TWIN = 70, PHOTO_TWIN_OF = 0, PHOTO_MISSING = 104,
       PNG_EVERY = 12 };

static FILE *create(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        die("%s: %s", path, strerror(errno));
    free(path);
    return f;
}

static void finish(FILE *f, const char *name)
{
    int bad = ferror(f);
    if (fclose(f) != 0 || bad)
        die("%s: %s", name, strerror(errno));
}

/* ---- photos ---- */

static int is_png(int photo)
{
    return photo % PNG_EVERY == 5;
}

static void photo_name(char name[40], int photo)
{
    snprintf(name, 40, "p%04d.%s", photo, is_png(photo) ? "png" : "jpg");
}

static void write_photo(const char *dir, int photo)
{
    struct world_place p;
    struct picture pic;
    struct buf bytes = {0};
    struct err e;
    char name[40];
    int same = photo == PHOTO_TWIN ? PHOTO_TWIN_OF : photo;
    int slot = same % WORLD_SLOTS;
    world_place(&p, same / WORLD_SLOTS);
    picture_draw(&pic, slot, p.bad[slot], same);
    int png = is_png(photo) || photo == PHOTO_LIES;
    if (picture_encode(&bytes, &pic, png ? PICTURE_PNG : PICTURE_JPEG, &e) < 0)
        die("%s", e.text);
    if (photo == PHOTO_CUT)
        bytes.len /= 2;
    photo_name(name, photo);
    FILE *f = create(dir, name);
    fwrite(bytes.data, 1, bytes.len, f);
    finish(f, name);
    buf_release(&bytes);
}

/* Larger towns share the photos of the first: a place shows those of a place in the same
 * state, slot by slot. */
static int file_of(int photo, int bad)
{
    struct world_place p;
    int slot = photo % WORLD_SLOTS, place = photo / WORLD_SLOTS;
    for (int k = 0; k < WORLD_PLACES; k++) {
        int at = (place + k) % WORLD_PLACES;
        world_place(&p, at);
        if (p.bad[slot] == bad)
            return at * WORLD_SLOTS + slot;
    }
    return photo % (WORLD_PLACES * WORLD_SLOTS);
}

static void write_manifest(const char *dir, const struct world *w)
{
    FILE *f = create(dir, "images.tsv");
    int places = WORLD_PLACES * w->scale;
    fputs("photo_id\tpath\tcaption\tbusiness\n", f);
    for (int i = 0; i < places * WORLD_SLOTS; i++) {
        struct world_place p;
        char name[40];
        int slot = i % WORLD_SLOTS;
        world_place(&p, i / WORLD_SLOTS);
        photo_name(name, i < WORLD_PLACES * WORLD_SLOTS ? i : file_of(i, p.bad[slot]));
        fprintf(f, "p%04d\t%s\t%s\t", i, name, phrase_caption(slot, p.bad[slot]));
        if (slot < 2) /* the owner's; the others come with reviews */
            fprintf(f, "b%03d", i / WORLD_SLOTS);
        fputc('\n', f);
    }
    fputs("x_outside\t../reviews.csv\ta photo that leads outside\tb000\n"
          "x_gone\t\ta photo that is gone upstream\tb001\n"
          "x_alone\tp0010.jpg\ta photo that no review has\t\n"
          "x_fields\tp0011.jpg\tone field too many\tb002\t!\n", f);
    finish(f, "images.tsv");
}

static void write_photos(const char *dir)
{
    char *images = xasprintf("%s/images", dir);
    if (mkdir(images, 0777) != 0 && errno != EEXIST)
        die("%s: %s", images, strerror(errno));
    for (int i = 0; i < WORLD_PLACES * WORLD_SLOTS; i++)
        if (i != PHOTO_MISSING)
            write_photo(images, i);
    free(images);
}

/* ---- reviews ---- */

struct table {
    FILE *f;
    const struct world *w;
    unsigned char *next_slot; /* [places] the first photo that no review has yet */
    struct buf text, line;
    int rows;
};

static void add_quoted(struct buf *line, const char *s)
{
    buf_addc(line, '"');
    for (; *s; s++) {
        if (*s == '"')
            buf_addc(line, '"');
        buf_addc(line, *s);
    }
    buf_addc(line, '"');
}

/* Ids as sources have them: short ones, some beyond 64 bits, some that begin with a dash. */
static void add_user(struct buf *line, int user)
{
    if (user % 29 == 7)
        buf_addf(line, "1010743269183%06d992653", user);
    else if (user % 41 == 11)
        buf_addf(line, "-u_%d", user);
    else
        buf_addf(line, "u%03d", user);
}

static void add_rating(struct buf *line, double rating, struct rng *r)
{
    if (rating == 5 && rng_below(r, 40) == 0)
        buf_adds(line, "4.5");
    else if (rating == 3 && rng_below(r, 12) == 0)
        buf_adds(line, "3.5");
    else
        buf_addf(line, rng_below(r, 4) ? "%.0f" : "%.1f", rating);
}

static void add_time(struct buf *line, int64_t at, struct rng *r)
{
    switch (rng_below(r, 100)) {
    case 0: buf_adds(line, "last summer"); break;
    case 1: case 2: case 3: buf_addf(line, "%lld000", (long long)at); break; /* milliseconds */
    default: buf_addf(line, "%lld", (long long)at);
    }
}

/* Names the place's next photo, sometimes the next two. */
static void add_photos(struct table *t, int place, struct rng *r)
{
    unsigned char *next = &t->next_slot[place];
    int n = rng_below(r, 6) == 0 ? 1 + (int)rng_below(r, 2) : 0;
    for (int k = 0; k < n && *next < WORLD_SLOTS; k++, ++*next)
        buf_addf(&t->line, "%sp%04d", k ? ";" : "", place * WORLD_SLOTS + *next);
}

static void end_row(struct table *t)
{
    fwrite(t->line.data, 1, t->line.len, t->f);
    t->rows++;
}

static void write_visit(struct table *t, const struct world_user *u, int k)
{
    struct world_place p;
    struct world_visit v;
    struct rng r;
    world_visit(&v, t->w, u, k);
    world_place(&p, v.place);
    world_rng(&r, STREAM_TEXT, u->index, 1000 + k);
    buf_clear(&t->text);
    buf_clear(&t->line);
    phrase_review(&t->text, &p, u, &v, k);
    add_user(&t->line, u->index);
    buf_addf(&t->line, ",b%03d,", v.place);
    add_quoted(&t->line, buf_str(&t->text));
    buf_addc(&t->line, ',');
    add_rating(&t->line, v.rating, &r);
    buf_addc(&t->line, ',');
    add_time(&t->line, v.at, &r);
    buf_addc(&t->line, ',');
    add_photos(t, v.place, &r);
    buf_addc(&t->line, '\n');
    end_row(t);
}

/* What files in the wild hold. One is put after every 60th row, while there are any; NULL is
 * the row before it once more. */
static const char *const hazard[] = {
    ",,,,,\n",
    NULL,
    "u003,b004,\"A rating that is a word.\",Like,1655000000,\n",
    "u004,b005,broken quoting, and the columns have shifted,5,1655000000,\n",
    "u005,b006,too few fields,4\n",
    "u006,b007,\"\",5,1655000000,\n",
    "u008,b009,None,4,1655000000,\n",
    "u009,b010,\"No UTF-8: \x89\xdb\xf7 and a lone \xc3 here. Spicy food.\",4,1655000000,\n",
    "u010,b011,\"Rating out of range.\",11,1655000000,\n",
    "u012,b013,\"Rating is missing.\",,1655000000,\n",
    ",b014,\"Nobody wrote this.\",4,1655000000,\n",
    "u013,,\"About no place.\",4,1655000000,\n",
    NULL,
    "u014,b015,\"Line ends of\r\nanother system, and a \"\"quoted\"\" word.\",4,2022-06-12,\n",
    "u015,b016,\"Food &amp; drinks<br>with tags and entities.\",5,6/12/2022 15:54,\n",
    "\"name, with a comma\",b017,\"A name as id \xe2\x80\x93 \xe5\xaf\xbf\xe5\x8f\xb8 "
    "\xf0\x9f\x8d\xa3.\",5,2022-06-12T15:54:00Z,\n",
    "u017,b018,\"A photo id that no list has.\",5,1655000000,p9999\n",
    "u018,b019,\"A count where photos should be.\",5,1655000000,2\n",
    " , , , , , \n",
    NULL};

static void write_hazard(struct table *t, size_t nth)
{
    if (hazard[nth])
        fputs(hazard[nth], t->f);
    else
        fwrite(t->line.data, 1, t->line.len, t->f);
}

static void write_reviews(const char *dir, const struct world *w)
{
    struct table t = {.w = w};
    size_t places = (size_t)WORLD_PLACES * (size_t)w->scale, hazards = 0;
    t.f = create(dir, "reviews.csv");
    t.next_slot = xcalloc(places, 1);
    memset(t.next_slot, 2, places);
    fputs("user,business,text,rating,time,photos\n", t.f);
    for (int k = 0; k < WORLD_MAX_VISITS; k++)
        for (int i = 0; i < WORLD_USERS * w->scale; i++) {
            struct world_user u;
            world_user(&u, w, i);
            if (k >= u.n_visits)
                continue;
            write_visit(&t, &u, k);
            if (t.rows % 60 == 0 && hazards < ARRAY_LEN(hazard))
                write_hazard(&t, hazards++);
        }
    fputs("u001,b001,\"No line end behind the last row.\",5,1655000000,", t.f);
    finish(t.f, "reviews.csv");
    buf_release(&t.text);
    buf_release(&t.line);
    free(t.next_slot);
}

/* ---- comparing two folders of photos ---- */

static int decode(struct image *img, const char *dir, const char *name)
{
    struct buf b = {0};
    struct err e;
    char *path = xasprintf("%s/images/%s", dir, name);
    if (buf_read_file(&b, path, 1 << 20, &e) < 0)
        die("%s", e.text);
    int rc = image_decode(img, b.data, b.len, &e);
    buf_release(&b);
    free(path);
    return rc;
}

static int differs(const char *a, const char *b, const char *name)
{
    struct image x = {0}, y = {0};
    double sum = 0;
    int bad = decode(&x, a, name) != decode(&y, b, name) || x.width != y.width ||
              x.height != y.height;
    size_t n = (size_t)x.width * (size_t)x.height * 3;
    for (size_t i = 0; !bad && x.rgb && y.rgb && i < n; i++)
        sum += abs(x.rgb[i] - y.rgb[i]);
    bad |= n > 0 && sum / (double)n > MAX_LEVELS_APART;
    image_release(&x);
    image_release(&y);
    return bad;
}

static int compare(const char *a, const char *b)
{
    int n_bad = 0;
    char name[40];
    for (int i = 0; i < WORLD_PLACES * WORLD_SLOTS; i++) {
        photo_name(name, i);
        if (i != PHOTO_MISSING && differs(a, b, name)) {
            warn("%s differs", name);
            n_bad++;
        }
    }
    return n_bad ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct err e;
    int64_t scale = 1;
    int at = 1;
    util_program = "make_sample";
    if (argc == 4 && strcmp(argv[1], "--compare") == 0)
        return compare(argv[2], argv[3]);
    if (argc > 2 && strcmp(argv[1], "--scale") == 0) {
        if (parse_int(&scale, argv[2], 1, MAX_SCALE, &e) < 0)
            die_usage("--scale: %s", e.text);
        at = 3;
    }
    if (argc != at + 1 || argv[at][0] == '-')
        die_usage("usage: make_sample [--scale N] FOLDER, or --compare A B");
    const struct world w = {.scale = (int)scale};
    if (mkdir(argv[at], 0777) != 0 && errno != EEXIST)
        die("%s: %s", argv[at], strerror(errno));
    write_reviews(argv[at], &w);
    write_manifest(argv[at], &w);
    write_photos(argv[at]);
    return EXIT_DONE;
}
