/* SPDX-License-Identifier: MIT */
#include "image/descriptor.h"
#include "image/resize.h"
#include <math.h>
#include <string.h>

enum { SIDE = 64, CELLS = 4, CELL = SIDE / CELLS, ANGLES = 8, COLOURS = 64 };

_Static_assert(COLOURS + CELLS * CELLS * 3 + CELLS * CELLS * ANGLES == DESCRIPTOR_DIM, "layout");

static void unit(float *v, int n)
{
    double s = 0;
    for (int i = 0; i < n; i++)
        s += (double)v[i] * v[i];
    float f = s > 0 ? (float)(1 / sqrt(3 * s)) : 0;
    for (int i = 0; i < n; i++)
        v[i] *= f;
}

static void colours(float *v, const unsigned char *p)
{
    for (int i = 0; i < SIDE * SIDE; i++, p += 3)
        v[(p[0] >> 6) * 16 + (p[1] >> 6) * 4 + (p[2] >> 6)] += 1;
    for (int i = 0; i < COLOURS; i++)
        v[i] = sqrtf(v[i]);
    unit(v, COLOURS);
}

static int cell_of(int x, int y)
{
    return y / CELL * CELLS + x / CELL;
}

static void layout(float *v, const unsigned char *p)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                v[cell_of(x, y) * 3 + c] += (float)p[(y * SIDE + x) * 3 + c];
    for (int i = 0; i < CELLS * CELLS * 3; i++)
        v[i] = v[i] / (255.0f * CELL * CELL) - 0.5f;
    unit(v, CELLS * CELLS * 3);
}

static float grey(const unsigned char *p, int x, int y)
{
    x = x < 0 ? 0 : x >= SIDE ? SIDE - 1 : x;
    y = y < 0 ? 0 : y >= SIDE ? SIDE - 1 : y;
    p += (y * SIDE + x) * 3;
    return 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
}

static void gradients(float *v, const unsigned char *p)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float gx = grey(p, x + 1, y) - grey(p, x - 1, y);
            float gy = grey(p, x, y + 1) - grey(p, x, y - 1);
            float size = sqrtf(gx * gx + gy * gy);
            if (size == 0)
                continue;
            float turn = atan2f(gy, gx) / 3.14159265f; /* unsigned: modulo half a turn */
            float at = (turn < 0 ? turn + 1 : turn) * ANGLES;
            int lo = (int)at;
            float share = at - (float)lo;
            float *h = v + cell_of(x, y) * ANGLES;
            h[lo % ANGLES] += size * (1 - share);
            h[(lo + 1) % ANGLES] += size * share;
        }
    unit(v, CELLS * CELLS * ANGLES);
}

void descriptor_of(float *v, const struct image *img)
{
    unsigned char p[SIDE * SIDE * 3];
    memset(v, 0, DESCRIPTOR_DIM * sizeof *v);
    image_resize(p, SIDE, SIDE, img, IMAGE_BILINEAR);
    colours(v, p);
    layout(v + COLOURS, p);
    gradients(v + COLOURS + CELLS * CELLS * 3, p);
}
