/* SPDX-License-Identifier: MIT */
#include "picture.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
#include <png.h>

#define JPEG_QUALITY 88
#define GRAIN 9 /* levels of noise, up and down */

struct colour {
    int r, g, b;
};

/* ---- shapes ---- */

static int clamp(int v)
{
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void dot(struct picture *p, int x, int y, struct colour c)
{
    if (x < 0 || y < 0 || x >= PICTURE_WIDTH || y >= PICTURE_HEIGHT)
        return;
    unsigned char *at = p->rgb[y][x];
    at[0] = (unsigned char)clamp(c.r);
    at[1] = (unsigned char)clamp(c.g);
    at[2] = (unsigned char)clamp(c.b);
}

static void box(struct picture *p, int x, int y, int w, int h, struct colour c)
{
    for (int j = y; j < y + h; j++)
        for (int i = x; i < x + w; i++)
            dot(p, i, j, c);
}

static void disc(struct picture *p, int x, int y, int rx, int ry, struct colour c)
{
    for (int j = -ry; j <= ry; j++)
        for (int i = -rx; i <= rx; i++)
            if (i * i * ry * ry + j * j * rx * rx <= rx * rx * ry * ry)
                dot(p, x + i, y + j, c);
}

/* n steps of (dx, dy) eighths of a pixel, three pixels thick. */
static void stick(struct picture *p, int x, int y, int dx, int dy, int n, struct colour c)
{
    for (int k = 0; k < n; k++)
        box(p, x + k * dx / 8, y + k * dy / 8, 3, 3, c);
}

static struct colour shade(struct rng *r, int red, int green, int blue)
{
    int by = (int)rng_below(r, 41) - 20;
    return (struct colour){red + by, green + by, blue + by};
}

static int between(struct rng *r, int lo, int hi)
{
    return lo + (int)rng_below(r, (uint32_t)(hi - lo + 1));
}

/* A disc somewhere within dx, dy of (x, y), its radii within rx and ry. Draws are
 * statements of their own: the order of arguments is the compiler's. */
struct spread {
    int x, y, dx, dy, rx[2], ry[2];
};

static void blob(struct picture *p, struct rng *r, const struct spread *s, struct colour c)
{
    int x = between(r, s->x - s->dx, s->x + s->dx);
    int y = between(r, s->y - s->dy, s->y + s->dy);
    int rx = between(r, s->rx[0], s->rx[1]);
    int ry = between(r, s->ry[0], s->ry[1]);
    disc(p, x, y, rx, ry, c);
}

/* ---- scenes ---- */

static void flowers(struct picture *p, struct rng *r, int x, int y)
{
    static const struct colour petal[] = {{230, 60, 90}, {250, 200, 40}, {240, 120, 200}};
    const struct spread s = {x, y - 1, 4, 3, {2, 2}, {2, 2}};
    stick(p, x, y, 0, 8, 8, (struct colour){40, 140, 50});
    for (int k = 0; k < 5; k++) {
        struct colour c = petal[rng_below(r, 3)];
        blob(p, r, &s, c);
    }
}

/* Wall above floor_y, floor below. */
static void walls(struct picture *p, int floor_y, struct colour wall, struct colour floor)
{
    box(p, 0, 0, PICTURE_WIDTH, floor_y, wall);
    box(p, 0, floor_y, PICTURE_WIDTH, PICTURE_HEIGHT - floor_y, floor);
}

static void room_clean(struct picture *p, struct rng *r)
{
    int floor_y = between(r, 44, 52);
    struct colour wall = shade(r, 225, 222, 205), wood = shade(r, 190, 150, 105);
    walls(p, floor_y, wall, wood);
    box(p, between(r, 8, 60), 6, 26, 20, (struct colour){200, 230, 250});
    for (int k = 0; k < 3; k++) {
        int x = 4 + k * 31 + between(r, 0, 5), y = floor_y;
        y += between(r, 0, 6);
        box(p, x, y, 22, 4, (struct colour){250, 250, 248});
        box(p, x + 3, y + 4, 2, 12, (struct colour){120, 90, 60});
        box(p, x + 17, y + 4, 2, 12, (struct colour){120, 90, 60});
        flowers(p, r, x + 10, y - 9);
    }
}

/* Legs in all directions, one of them perhaps gone. */
static void broken_chair(struct picture *p, struct rng *r, int x, int y, struct colour c)
{
    int back = between(r, -3, 1), left = between(r, -8, 2), right = between(r, -2, 8);
    box(p, x, y, 12, 3, c);
    stick(p, x, y, back, -8, 12, c);
    stick(p, x + 1, y + 2, left, 7, 11, c);
    if (rng_below(r, 2))
        stick(p, x + 9, y + 2, right, 7, 11, c);
}

static void room_shabby(struct picture *p, struct rng *r)
{
    static const struct spread stain = {48, 36, 48, 36, {2, 7}, {1, 4}};
    int floor_y = between(r, 40, 50);
    struct colour plastic = shade(r, 90, 60, 55);
    struct colour wall = shade(r, 62, 56, 48), ground = shade(r, 42, 36, 30);
    walls(p, floor_y, wall, ground);
    for (int k = 0; k < 9; k++)
        blob(p, r, &stain, (struct colour){30, 28, 18});
    for (int k = 0; k < 4; k++) {
        int x = 6 + k * 22 + between(r, 0, 6), y = floor_y;
        y += between(r, -8, 4);
        broken_chair(p, r, x, y, plastic);
    }
}

static void table_with_plate(struct picture *p, struct rng *r, struct colour table,
                             struct colour plate)
{
    const struct spread rim = {48, 38, 0, 0, {34, 39}, {24, 28}};
    box(p, 0, 0, PICTURE_WIDTH, PICTURE_HEIGHT, table);
    blob(p, r, &rim, plate);
    disc(p, 48, 38, 27, 19, (struct colour){plate.r - 12, plate.g - 12, plate.b - 12});
}

static const struct spread helping = {48, 38, 18, 12, {3, 6}, {2, 4}};

static void food_fresh(struct picture *p, struct rng *r)
{
    static const struct colour food[] = {{225, 170, 60}, {215, 80, 50}, {240, 215, 150}};
    static const struct spread herb = {48, 38, 20, 13, {2, 2}, {1, 1}};
    struct colour main_colour = food[rng_below(r, 3)];
    struct colour table = shade(r, 205, 190, 170), plate = shade(r, 245, 245, 240);
    table_with_plate(p, r, table, plate);
    for (int k = 0; k < 22; k++)
        blob(p, r, &helping, main_colour);
    for (int k = 0; k < 16; k++) {
        struct colour green = {50, 150 + between(r, -25, 25), 50};
        blob(p, r, &herb, green);
    }
}

static void food_burnt(struct picture *p, struct rng *r)
{
    static const struct spread coal = {48, 38, 20, 13, {1, 3}, {2, 2}};
    struct colour table = shade(r, 92, 76, 58), plate = shade(r, 150, 140, 122);
    table_with_plate(p, r, table, plate);
    for (int k = 0; k < 22; k++) {
        struct colour brown = shade(r, 52, 34, 22);
        blob(p, r, &helping, brown);
    }
    for (int k = 0; k < 12; k++)
        blob(p, r, &coal, (struct colour){16, 12, 10});
}

static void add_grain(struct picture *p, struct rng *r)
{
    for (int y = 0; y < PICTURE_HEIGHT; y++)
        for (int x = 0; x < PICTURE_WIDTH; x++) {
            unsigned char *at = p->rgb[y][x];
            int by = between(r, -GRAIN, GRAIN);
            for (int c = 0; c < 3; c++)
                at[c] = (unsigned char)clamp(at[c] + by);
        }
}

void picture_draw(struct picture *p, int slot, int bad, int index)
{
    struct rng r;
    int plate = slot == 1 || slot == 3;
    world_rng(&r, STREAM_PHOTO, index, slot);
    if (plate)
        (bad ? food_burnt : food_fresh)(p, &r);
    else
        (bad ? room_shabby : room_clean)(p, &r);
    add_grain(p, &r);
}

/* ---- files ---- */

static int encode_jpeg(struct buf *out, const struct picture *p)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr mgr;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    c.err = jpeg_std_error(&mgr); /* ends the process: only no memory can go wrong here */
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &n);
    c.image_width = PICTURE_WIDTH;
    c.image_height = PICTURE_HEIGHT;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, JPEG_QUALITY, TRUE);
    c.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < PICTURE_HEIGHT; y++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)p->rgb[y];
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    buf_add(out, bytes, n);
    free(bytes);
    return 0;
}

static int encode_png(struct buf *out, const struct picture *p, struct err *e)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .width = PICTURE_WIDTH,
                       .height = PICTURE_HEIGHT, .format = PNG_FORMAT_RGB};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);
    buf_reserve(out, n);
    if (!png_image_write_to_memory(&image, out->data + out->len, &n, 0, p->rgb, 0, NULL))
        return err_set(e, "libpng: %s", image.message);
    out->len += n;
    out->data[out->len] = 0;
    return 0;
}

int picture_encode(struct buf *out, const struct picture *p, enum picture_kind kind,
                   struct err *e)
{
    return kind == PICTURE_PNG ? encode_png(out, p, e) : encode_jpeg(out, p);
}
