/* SPDX-License-Identifier: MIT */
#include "image/decode.h"
#include "base/util.h"
#include "image/jpeg.h"
#include "image/png_file.h"
#include <stdlib.h>
#include <string.h>

const char *image_format(const void *bytes, size_t n)
{
    static const struct {
        const char *name, *magic;
        size_t len;
    } known[] = {{"jpeg", "\xff\xd8\xff", 3},       {"png", "\x89PNG\r\n\x1a\n", 8},
                 {"gif", "GIF8", 4},                {"bmp", "BM", 2},
                 {"tiff", "II*\0", 4},              {"tiff", "MM\0*", 4}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (n >= known[i].len && memcmp(bytes, known[i].magic, known[i].len) == 0)
            return known[i].name;
    if (n >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp((const char *)bytes + 8, "WEBP", 4) == 0)
        return "webp";
    return "unknown";
}

int image_decode(struct image *img, const void *bytes, size_t n, struct err *e)
{
    const char *format = image_format(bytes, n);
    *img = (struct image){0};
    int rc;
    if (strcmp(format, "jpeg") == 0)
        rc = jpeg_file_decode(img, bytes, n, e);
    else if (strcmp(format, "png") == 0)
        rc = png_file_decode(img, bytes, n, e);
    else if (strcmp(format, "unknown") == 0)
        rc = err_set(e, "not an image: neither JPEG nor PNG by its first bytes");
    else
        rc = err_set(e, "a %s file; JPEG and PNG are read", format);
    if (rc < 0)
        image_release(img);
    return rc;
}

void image_release(struct image *img)
{
    free(img->rgb);
    *img = (struct image){0};
}
