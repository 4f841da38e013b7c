/* SPDX-License-Identifier: MIT */
/* model.safetensors of a whole ResNet-50 under torchvision's names, 102 MB, whose numbers come
 * from a counter: He's bound for convolutions, batch norms as trained ones have them.
 * tests/golden/resnet/make.py makes the same. */
#ifndef RESNET50_FULL_H
#define RESNET50_FULL_H
#include "made_weights.h"
#include <math.h>

static void add_conv(struct entry **t, uint64_t *number, const char *conv, const char *bn, int out,
                     int in, int k, int last)
{
    static const char *const part[] = {"weight", "bias", "running_mean", "running_var"};
    static const float range[][2] = {{0.8f, 1.2f}, {-0.1f, 0.1f}, {-0.2f, 0.2f}, {0.5f, 1.5f}};
    float bound = (float)sqrt(6.0 / (in * k * k));
    size_t n = (size_t)out * (size_t)in * (size_t)k * (size_t)k;
    struct entry w = {.rank = 4, .shape = {out, in, k, k}, .bytes = n * sizeof(float),
                      .number = (*number)++, .lo = -bound, .hi = bound};
    snprintf(w.name, sizeof w.name, "%s.weight", conv);
    *(*t)++ = w;
    for (int i = 0; i < 4; i++) {
        struct entry v = {.rank = 1, .shape = {out}, .bytes = (size_t)out * sizeof(float),
                          .number = (*number)++, .lo = range[i][0], .hi = range[i][1]};
        if (i == 0 && last) {
            v.lo = 0.2f;
            v.hi = 0.4f;
        }
        snprintf(v.name, sizeof v.name, "%s.%s", bn, part[i]);
        *(*t)++ = v;
    }
}

static void write_full(const char *dir)
{
    static const int depth[] = {3, 4, 6, 3};
    struct entry *all = xcalloc(300, sizeof *all), *t = all;
    char name[2][64];
    uint64_t number = 0;
    add_conv(&t, &number, "conv1", "bn1", 64, 3, 7, 0);
    for (int s = 0, c = 64; s < 4; s++)
        for (int b = 0, w = 64 << s; b < depth[s]; b++, c = 4 * w) {
            for (int i = 1; i <= 3; i++) {
                snprintf(name[0], 64, "layer%d.%d.conv%d", s + 1, b, i);
                snprintf(name[1], 64, "layer%d.%d.bn%d", s + 1, b, i);
                add_conv(&t, &number, name[0], name[1], i == 3 ? 4 * w : w, i == 1 ? c : w,
                         i == 2 ? 3 : 1, i == 3);
            }
            snprintf(name[0], 64, "layer%d.%d.downsample.0", s + 1, b);
            snprintf(name[1], 64, "layer%d.%d.downsample.1", s + 1, b);
            if (b == 0)
                add_conv(&t, &number, name[0], name[1], 4 * w, c, 1, 0);
        }
    write_weights(dir, all, (int)(t - all));
    free(all);
}

#endif
