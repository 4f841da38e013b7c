/* SPDX-License-Identifier: MIT */
#include "image/shrink.h"
#include "base/util.h"
#include "image/decode.h"
#include "image/resize.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>

/* libjpeg's own error handler ends the process: nothing of a picture in memory that is written
 * to memory can fail but that, and then the process is lost anyway. */
static void encode(struct buf *out, unsigned char *rgb, int width, int height)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &n);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, IMAGE_SHRINK_QUALITY, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = rgb + (size_t)c.next_scanline * (size_t)width * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    buf_add(out, bytes, n);
    free(bytes);
}

static int scaled(int side, int other, int longer)
{
    int v = (int)((int64_t)side * other / longer);
    return v > 0 ? v : 1;
}

int image_shrink(struct buf *out, const char **type, const void *bytes, size_t n, int side,
                 struct err *e)
{
    struct image img;
    const char *format = image_format(bytes, n);
    *type = strcmp(format, "png") == 0 ? "image/png" : "image/jpeg";
    buf_clear(out);
    if (image_decode(&img, bytes, n, e) < 0) /* also what is sent as it is must be a picture */
        return -1;
    int longer = img.width > img.height ? img.width : img.height;
    if (side == 0 || longer <= side) {
        buf_add(out, bytes, n);
    } else {
        int w = scaled(side, img.width, longer), h = scaled(side, img.height, longer);
        unsigned char *rgb = xmalloc((size_t)w * (size_t)h * 3);
        image_resize(rgb, w, h, &img, IMAGE_BICUBIC);
        encode(out, rgb, w, h);
        *type = "image/jpeg";
        free(rgb);
    }
    image_release(&img);
    return 0;
}
