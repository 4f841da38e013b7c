/* SPDX-License-Identifier: MIT */
#include "image/jpeg.h"
#include "base/util.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

#define MAX_SCANS 100 /* a progressive file may hold any number, each as dear as a picture */

struct trap {
    struct jpeg_error_mgr base;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
};


static void on_error(j_common_ptr c)
{
    struct trap *t = (struct trap *)c->err;
    c->err->format_message(c, t->text);
    longjmp(t->back, 1);
}

/* Pillow refuses a picture that ends early; libjpeg only warns. Other warnings (extraneous
 * bytes, an odd marker) are let pass as Pillow does. */
static void on_message(j_common_ptr c, int level)
{
    if (level < 0 && (c->err->msg_code == JWRN_JPEG_EOF || c->err->msg_code == JWRN_HIT_MARKER))
        on_error(c);
}

static void on_progress(j_common_ptr c)
{
    j_decompress_ptr d = (j_decompress_ptr)c;
    if (c->is_decompressor && d->input_scan_number > MAX_SCANS) {
        struct trap *t = (struct trap *)c->err;
        snprintf(t->text, sizeof t->text, "more than %d scans", MAX_SCANS);
        longjmp(t->back, 1);
    }
}

/* (a * b + 127) / 255 as Pillow rounds it. */
static int muldiv255(int a, int b)
{
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Stored C, M, Y, K are taken as inverted (Adobe), whatever the markers say: Pillow's rule. */
static void cmyk_row(unsigned char *rgb, const unsigned char *cmyk, int width)
{
    for (int x = 0; x < width; x++) {
        int nk = cmyk[4 * x + 3];
        for (int c = 0; c < 3; c++) {
            int v = nk - muldiv255(255 - cmyk[4 * x + c], nk);
            rgb[3 * x + c] = (unsigned char)(v < 0 ? 0 : v);
        }
    }
}

static void read_rows(struct jpeg_decompress_struct *d, struct image *img, unsigned char *line)
{
    while (d->output_scanline < d->output_height) {
        unsigned char *row = img->rgb + (size_t)d->output_scanline * (size_t)img->width * 3;
        JSAMPROW to = line ? line : row;
        jpeg_read_scanlines(d, &to, 1);
        if (line)
            cmyk_row(row, line, img->width);
    }
}

int jpeg_file_decode(struct image *img, const void *bytes, size_t n, struct err *e)
{
    struct jpeg_decompress_struct d;
    struct trap t;
    struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
    unsigned char *volatile line = NULL;
    d.err = jpeg_std_error(&t.base);
    t.base.error_exit = on_error;
    t.base.emit_message = on_message;
    jpeg_create_decompress(&d);
    if (setjmp(t.back)) {
        free(line);
        jpeg_destroy_decompress(&d);
        return err_set(e, "JPEG: %s", t.text);
    }
    d.progress = &progress;
    jpeg_mem_src(&d, bytes, (unsigned long)n);
    jpeg_read_header(&d, TRUE);
    if (d.image_width > IMAGE_MAX_SIDE || d.image_height > IMAGE_MAX_SIDE ||
        (size_t)d.image_width * d.image_height > IMAGE_MAX_PIXELS) {
        jpeg_destroy_decompress(&d);
        return err_set(e, "JPEG of %u x %u pixels, allowed are %d a side and %zu in all",
                       d.image_width, d.image_height, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS);
    }
    int cmyk = d.jpeg_color_space == JCS_CMYK || d.jpeg_color_space == JCS_YCCK;
    d.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&d);
    img->width = (int)d.output_width;
    img->height = (int)d.output_height;
    img->rgb = xmalloc((size_t)img->width * (size_t)img->height * 3);
    if (cmyk)
        line = xmalloc((size_t)img->width * 4);
    read_rows(&d, img, line);
    jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
    free(line);
    return 0;
}
