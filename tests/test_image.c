/* SPDX-License-Identifier: MIT */
/* Decoding and resizing against Pillow's pixels, limits, hostile files, the descriptor. */
#include "base/buf.h"
#include "base/sha256.h"
#include "base/rng.h"
#include "base/util.h"
#include "image/decode.h"
#include "image/descriptor.h"
#include "image/resize.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static const char *shared(void)
{
    const char *dir = getenv("MM_SHARED");
    return dir ? dir : "../shared";
}

static void short_hex(char out[17], const void *p, size_t n)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(digest, p, n);
    sha256_hex(hex, digest);
    memcpy(out, hex, 16);
    out[16] = 0;
}

static int resized_is(const struct image *img, int w, int h, enum image_filter f, const char *want)
{
    char hex[17];
    unsigned char *out = malloc((size_t)w * (size_t)h * 3);
    image_resize(out, w, h, img, f);
    short_hex(hex, out, (size_t)w * (size_t)h * 3);
    free(out);
    return strcmp(hex, want) == 0;
}

/* One line of pixels.tsv. Returns 1 equal, 0 not; prints what differs. */
static int check_line(const char *path, const char *size, char field[4][17])
{
    struct buf b = {0};
    struct err e = {"?"};
    struct image img = {0};
    int good = 0, rc = buf_read_file(&b, path, 64 << 20, &e);
    if (rc == 0)
        rc = image_decode(&img, b.data, b.len, &e);
    if (strcmp(size, "error") == 0 || strstr(path, ".webp"))
        good = rc < 0;
    else if (rc == 0) {
        char dims[32], hex[17];
        snprintf(dims, sizeof dims, "%dx%d", img.width, img.height);
        short_hex(hex, img.rgb, (size_t)img.width * (size_t)img.height * 3);
        good = !strcmp(dims, size) && !strcmp(hex, field[0]) &&
               resized_is(&img, 224, 224, IMAGE_BILINEAR, field[1]) &&
               resized_is(&img, 224, 224, IMAGE_BICUBIC, field[2]) &&
               resized_is(&img, 37, 301, IMAGE_BICUBIC, field[3]);
    }
    if (!good)
        printf("# %s: expected %s, got %s\n", path, size, rc < 0 ? e.text : "other pixels");
    image_release(&img);
    buf_release(&b);
    return good;
}

static void test_goldens(void)
{
    FILE *f = fopen("tests/golden/image/pixels.tsv", "r");
    char line[2048], name[1200], size[32], field[4][17], path[2400];
    int own = 0, own_good = 0, real = 0, real_good = 0, absent = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (line[0] == '#')
            continue;
        memset(field, 0, sizeof field);
        sscanf(line, "%1199[^\t]\t%31[^\t\n]\t%16s\t%16s\t%16s\t%16s", name, size, field[0],
               field[1], field[2], field[3]);
        int data = strncmp(name, "data/", 5) == 0;
        snprintf(path, sizeof path, data ? "%s/%s" : "%stests/golden/image/%s",
                 data ? shared() : "", name);
        if (data && access(path, R_OK) != 0) {
            absent++;
            continue;
        }
        int good = check_line(path, size, field);
        *(data ? &real : &own) += 1;
        *(data ? &real_good : &own_good) += good;
    }
    if (f)
        fclose(f);
    ok(own == 20 && own_good == own, "%d of %d drawn pictures equal Pillow's", own_good, own);
    if (real)
        ok(real_good == real, "%d of %d real photos equal Pillow's", real_good, real);
    if (absent)
        skip("real photos: the shared data folder is not there");
}

/* 1 when a window has the bytes that the whole resized picture has there. */
static int window_equals(const struct image *img, int w, int h, enum image_filter f,
                         const struct image_window *win)
{
    unsigned char *all = malloc((size_t)w * (size_t)h * 3);
    unsigned char *part = malloc((size_t)win->width * (size_t)win->height * 3);
    int same = 1;
    image_resize(all, w, h, img, f);
    image_resize_window(part, win, w, h, img, f);
    for (int y = 0; y < win->height; y++)
        same &= memcmp(part + (size_t)y * (size_t)win->width * 3,
                       all + ((size_t)(win->top + y) * (size_t)w + (size_t)win->left) * 3,
                       (size_t)win->width * 3) == 0;
    free(all);
    free(part);
    return same;
}

static void test_window(void)
{
    static const int size[][2] = {{61, 43}, {3, 400}, {400, 3}, {2, 301}, {1, 1}, {256, 300},
                                  {500, 7}, {97, 256}};
    struct rng r;
    int same = 0, n = 0;
    rng_seed(&r, 8, 0);
    for (size_t k = 0; k < sizeof size / sizeof *size; k++) {
        struct image img = {size[k][0], size[k][1], NULL};
        size_t bytes = (size_t)img.width * (size_t)img.height * 3;
        img.rgb = malloc(bytes);
        for (size_t i = 0; i < bytes; i++)
            img.rgb[i] = (unsigned char)rng_u64(&r);
        for (int i = 0; i < 40; i++, n++) {
            int w = i % 5 ? 1 + (int)rng_below(&r, 300) : img.width;
            int h = i % 7 ? 1 + (int)rng_below(&r, 300) : img.height;
            struct image_window win = {(int)rng_below(&r, (uint32_t)w),
                                       (int)rng_below(&r, (uint32_t)h), 0, 0};
            win.width = 1 + (int)rng_below(&r, (uint32_t)(w - win.left));
            win.height = 1 + (int)rng_below(&r, (uint32_t)(h - win.top));
            same += window_equals(&img, w, h, i & 1 ? IMAGE_BICUBIC : IMAGE_BILINEAR, &win);
        }
        free(img.rgb);
    }
    ok(n == 320 && same == n, "%d of %d windows equal the same part of the whole", same, n);
}

/* 30000 x 1 to 7680000 x 256 would be 5.9 GB as a whole. */
static void test_thin_window(void)
{
    struct image img = {30000, 1, malloc(90000)};
    struct image_window win = {3839888, 16, 224, 224};
    unsigned char *out = malloc(224 * 224 * 3);
    int flat = 1;
    for (int i = 0; i < 90000; i++)
        img.rgb[i] = (unsigned char)(i % 90000 / 3 < 15000 ? 10 : 200);
    image_resize_window(out, &win, 7680000, 256, &img, IMAGE_BICUBIC);
    for (int y = 1; y < 224; y++)
        flat &= memcmp(out, out + y * 224 * 3, 224 * 3) == 0;
    ok(flat && out[0] < 60 && out[223 * 3] > 150 && out[100 * 3] < 105 && out[123 * 3] > 105,
       "a window of a very long photo: %d .. %d", out[0], out[223 * 3]);
    ok(peak_rss_kib() < 1 << 20, "and no more memory than that takes");
    free(img.rgb);
    free(out);
}

/* A PNG that claims a huge picture must be refused before memory is taken. */
static void test_bomb(void)
{
    unsigned char png[] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R',
                           0, 0, 0x70, 0, 0, 0, 0x70, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0,
                           0, 0, 0, 10, 'I', 'D', 'A', 'T'};
    uLong crc = crc32(0, png + 12, 17);
    for (int i = 0; i < 4; i++)
        png[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
    struct image img;
    struct err e = {""};
    ok(image_decode(&img, png, sizeof png, &e) < 0 && strstr(e.text, "pixels"),
       "a picture of 28672 x 28672 is refused: %s", e.text);
    ok(image_decode(&img, "", 0, &e) < 0, "no bytes: %s", e.text);
    ok(image_decode(&img, "\xff\xd8\xff", 3, &e) < 0, "three bytes: %s", e.text);
}

/* Bytes of real pictures flipped and cut: any answer but a crash. */
static void test_mutations(void)
{
    static const char *const name[] = {"baseline.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png",
                                       "palette-transparent.png", "grey-alpha.png"};
    struct rng r;
    int survived = 0, refused = 0;
    rng_seed(&r, 5, 0);
    for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
        char path[256];
        struct buf b = {0};
        struct err e;
        snprintf(path, sizeof path, "tests/golden/image/pictures/%s", name[k]);
        if (buf_read_file(&b, path, 1 << 20, &e) < 0)
            continue;
        for (int i = 0; i < 300; i++) {
            char *copy = malloc(b.len);
            memcpy(copy, b.data, b.len);
            for (uint32_t j = 0, n = 1 + rng_below(&r, 8); j < n; j++)
                copy[rng_below(&r, (uint32_t)b.len)] = (char)rng_u64(&r);
            struct image img;
            refused += image_decode(&img, copy, i % 3 ? b.len : rng_below(&r, (uint32_t)b.len),
                                    &e) < 0;
            image_release(&img);
            free(copy);
            survived++;
        }
        buf_release(&b);
    }
    ok(survived == 1800 && refused > 300, "%d damaged pictures survived, %d refused", survived,
       refused);
}

static void test_descriptor(void)
{
    float a[DESCRIPTOR_DIM], b[DESCRIPTOR_DIM];
    unsigned char red[12] = {255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0};
    unsigned char blue[12] = {0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255};
    struct image x = {2, 2, red}, y = {2, 2, blue};
    double dot = 0, self = 0;
    descriptor_of(a, &x);
    descriptor_of(b, &y);
    for (int i = 0; i < DESCRIPTOR_DIM; i++) {
        dot += (double)a[i] * b[i];
        self += (double)a[i] * a[i];
    }
    near(self, 2.0 / 3, 1e-6, "a plain colour has two groups of length 1/sqrt(3)");
    ok(dot < 0.2, "red and blue differ");
    near(a[48], 1 / sqrt(3), 1e-6, "red falls into its histogram bin");
}

int main(void)
{
    test_goldens();
    test_window();
    test_thin_window();
    test_bomb();
    test_mutations();
    test_descriptor();
    return done();
}
