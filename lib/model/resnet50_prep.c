/* SPDX-License-Identifier: MIT */
#include "model/resnet50_prep.h"
#include "base/util.h"
#include "image/planes.h"
#include "model/config.h"
#include "model/resnet50.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE RESNET50_SIDE

/* ---- reading ---- */

static int read_colours(struct resnet50_prep *p, const struct config *c, const char *mean,
                        const char *std, struct err *e)
{
    if (config_doubles(p->mean, 3, c, mean, -10, 10, e) < 0)
        return -1;
    return config_doubles(p->std, 3, c, std, 1e-3, 100, e);
}

/* The processor computes in three steps; a folder that leaves one out wants another network.
 * Files older than 2022 call it a feature extractor. */
static int check_steps(const struct config *c, struct err *e)
{
    const char *type = config_string(c, config_has(c, "image_processor_type")
                                            ? "image_processor_type" : "feature_extractor_type");
    if (type && strncmp(type, "ConvNext", 8) != 0)
        return err_set(e, "%s: the processor is \"%.60s\"; this encoder knows that of ConvNeXT",
                       c->path, type);
    static const char *const step[] = {"do_resize", "do_rescale", "do_normalize"};
    double factor = 1.0 / 255;
    for (size_t i = 0; i < ARRAY_LEN(step); i++)
        if (!config_flag(c, step[i], 1))
            return err_set(e, "%s: \"%s\" is false; this encoder does that step", c->path, step[i]);
    if (config_flag(c, "do_center_crop", 0))
        return err_set(e, "%s: \"do_center_crop\" is true; this encoder crops as ConvNeXT's "
                       "processor does without", c->path);
    if (config_has(c, "rescale_factor") &&
        config_double(&factor, c, "rescale_factor", 0, 1, e) < 0)
        return -1;
    if (fabs(factor * 255 - 1) > 1e-9)
        return err_set(e, "%s: \"rescale_factor\" is %g; this encoder computes 1/255", c->path,
                       factor);
    return 0;
}

/* {"shortest_edge": 224} or, in old files, 224 */
static int check_size(const struct config *c, struct err *e)
{
    struct config size;
    int edge;
    int rc = config_sub(&size, c, "size") == 0
                 ? config_int(&edge, &size, "shortest_edge", 1, 100000, e)
                 : config_int(&edge, c, "size", 1, 100000, e);
    if (rc < 0)
        return -1;
    if (edge != SIDE)
        return err_set(e, "%s: pictures of %d pixels; this encoder computes %d", c->path, edge,
                       SIDE);
    return 0;
}

/* preprocessor_config.json. What is absent has the default of ConvNextImageProcessor
 * (huggingface/transformers), which is 224/256, bicubic and the colours of ImageNet. */
static int read_hf(struct resnet50_prep *p, const struct config *c, struct err *e)
{
    double crop = SIDE / 256.0;
    int resample = 3; /* Pillow's number */
    if (check_steps(c, e) < 0 || check_size(c, e) < 0)
        return -1;
    if (config_has(c, "crop_pct") && config_double(&crop, c, "crop_pct", 0.1, 1, e) < 0)
        return -1;
    if (config_has(c, "resample") && config_int(&resample, c, "resample", 0, 5, e) < 0)
        return -1;
    if (resample != 2 && resample != 3)
        return err_set(e, "%s: \"resample\" is %d; this encoder computes 2 (bilinear) and 3 "
                       "(bicubic)", c->path, resample);
    p->side = (int)(SIDE / crop);
    p->filter = resample == 3 ? IMAGE_BICUBIC : IMAGE_BILINEAR;
    if (!config_has(c, "image_mean") && !config_has(c, "image_std"))
        return 0;
    return read_colours(p, c, "image_mean", "image_std", e);
}

/* "pretrained_cfg" of a timm config.json (rwightman/timm, create_transform). */
static int read_timm(struct resnet50_prep *p, const struct config *c, struct err *e)
{
    const char *filter = config_string(c, "interpolation"), *mode = config_string(c, "crop_mode");
    int size[3];
    double crop;
    if (config_ints(size, 3, c, "input_size", 1, 100000, e) < 0 ||
        config_double(&crop, c, "crop_pct", 0.1, 1, e) < 0)
        return -1;
    if (size[0] != 3 || size[1] != SIDE || size[2] != SIDE)
        return err_set(e, "%s: pictures of [%d,%d,%d]; this encoder computes [3,%d,%d]", c->path,
                       size[0], size[1], size[2], SIDE, SIDE);
    if (mode && strcmp(mode, "center") != 0)
        return err_set(e, "%s: \"crop_mode\" is \"%.40s\"; this encoder computes \"center\"",
                       c->path, mode);
    if (!filter || (strcmp(filter, "bilinear") != 0 && strcmp(filter, "bicubic") != 0))
        return err_set(e, "%s: \"interpolation\" is \"%.40s\"; this encoder computes bilinear and "
                       "bicubic", c->path, filter ? filter : "(absent)");
    p->side = (int)floor(SIDE / crop);
    p->filter = strcmp(filter, "bicubic") == 0 ? IMAGE_BICUBIC : IMAGE_BILINEAR;
    return read_colours(p, c, "mean", "std", e);
}

static int read_folder(struct resnet50_prep *p, const char *dir, struct err *e)
{
    struct config c = {0}, timm;
    int rc = 0;
    if (config_exists(dir, "preprocessor_config.json")) {
        rc = config_open(&c, dir, "preprocessor_config.json", e);
        if (rc == 0) {
            p->floor = 1;
            p->side = 256;
            p->filter = IMAGE_BICUBIC;
            rc = read_hf(p, &c, e);
        }
    } else if (config_exists(dir, "config.json")) {
        rc = config_open(&c, dir, "config.json", e);
        if (rc == 0 && config_sub(&timm, &c, "pretrained_cfg") == 0) {
            p->floor = 0;
            rc = read_timm(p, &timm, e);
        }
    }
    config_close(&c);
    return rc;
}

int resnet50_prep_read(struct resnet50_prep *p, const char *dir, int hf, struct err *e)
{
    *p = (struct resnet50_prep){.side = 256, .floor = hf,
                                .filter = hf ? IMAGE_BICUBIC : IMAGE_BILINEAR,
                                .mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};
    if (read_folder(p, dir, e) < 0)
        return -1;
    image_byte_values(p->value, p->mean, p->std);
    snprintf(p->text, sizeof p->text, "%d -> %d %s, crop %s", p->side, SIDE,
             p->filter == IMAGE_BICUBIC ? "bicubic" : "bilinear", p->floor ? "floor" : "half even");
    return 0;
}

/* ---- pixels ---- */

static int crop_offset(int size, const struct resnet50_prep *p)
{
    int more = size - SIDE, half = more / 2;
    if (!p->floor && more % 4 == 3) /* x.5 above an odd number */
        half++;
    return half;
}

void resnet50_prep_pixels(float *planes, const struct image *img, const struct resnet50_prep *p)
{
    int upright = img->height > img->width;
    int shorter = upright ? img->width : img->height, longer = upright ? img->height : img->width;
    int to = (int)((double)p->side * longer / shorter); /* cut off, as in all the originals */
    int w = upright ? p->side : to, h = upright ? to : p->side;
    struct image_window window = {crop_offset(w, p), crop_offset(h, p), SIDE, SIDE};
    size_t plane = (size_t)SIDE * SIDE;
    unsigned char *rgb = xmalloc(plane * 3);
    image_resize_window(rgb, &window, w, h, img, p->filter);
    image_planes(planes, rgb, plane, p->value);
    free(rgb);
}
