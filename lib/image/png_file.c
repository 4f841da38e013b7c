/* SPDX-License-Identifier: MIT */
#include "image/png_file.h"
#include "base/util.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>

struct source {
    const unsigned char *p;
    size_t left;
    char text[200];
};

static void on_error(png_structp png, png_const_charp message)
{
    struct source *s = png_get_error_ptr(png);
    snprintf(s->text, sizeof s->text, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct source *s = png_get_io_ptr(png);
    if (n > s->left)
        png_error(png, "ends early");
    memcpy(to, s->p, n);
    s->p += n;
    s->left -= n;
}

/* Any PNG to 8-bit RGB rows; transparency is dropped, not composited. */
static void to_rgb(png_structp png, png_infop info)
{
    int type = png_get_color_type(png, info);
    if (png_get_bit_depth(png, info) == 16)
        png_set_strip_16(png);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (!(type & PNG_COLOR_MASK_COLOR)) {
        if (png_get_bit_depth(png, info) < 8)
            png_set_expand_gray_1_2_4_to_8(png);
        png_set_gray_to_rgb(png);
    }
    if (type & PNG_COLOR_MASK_ALPHA || type == PNG_COLOR_TYPE_PALETTE)
        png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

static void read_png(png_structp png, png_infop info, struct image *img,
                     png_bytep *volatile *rows)
{
    png_set_user_limits(png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_read_info(png, info);
    size_t w = png_get_image_width(png, info), h = png_get_image_height(png, info);
    if (w * h > IMAGE_MAX_PIXELS)
        png_error(png, "too many pixels");
    to_rgb(png, info);
    if (png_get_rowbytes(png, info) != w * 3)
        png_error(png, "unexpected row size");
    img->width = (int)w;
    img->height = (int)h;
    img->rgb = xmalloc(w * h * 3);
    *rows = xcalloc(h, sizeof **rows);
    for (size_t y = 0; y < h; y++)
        (*rows)[y] = img->rgb + y * w * 3;
    png_read_image(png, *rows);
    png_read_end(png, NULL);
}

int png_file_decode(struct image *img, const void *bytes, size_t n, struct err *e)
{
    struct source s = {.p = bytes, .left = n};
    png_bytep *volatile rows = NULL;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        die("out of memory");
    int rc = 0;
    if (setjmp(png_jmpbuf(png)))
        rc = err_set(e, "PNG: %s", s.text);
    else {
        png_set_read_fn(png, &s, on_read);
        read_png(png, info, img, &rows);
    }
    free((void *)rows);
    png_destroy_read_struct(&png, &info, NULL);
    return rc;
}
