/* SPDX-License-Identifier: MIT */
/* The quick digest: of a file read by several threads the same as of its bytes added in any
 * steps; a changed, added or moved byte changes it. */
#include "base/quick.h"
#include "base/rng.h"
#include "base/util.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 4 << 20 };

static int64_t in_steps(const char *p, size_t n, size_t step)
{
    struct quick *h = quick_new();
    for (size_t at = 0; at < n; at += step)
        quick_add(h, p + at, n - at < step ? n - at : step);
    int64_t d = quick_end(h);
    quick_free(h);
    return d;
}

static int64_t of_file(int fd, const char *p, size_t n)
{
    struct err e;
    int64_t d = 0;
    if (ftruncate(fd, 0) != 0 || pwrite(fd, p, n, 0) != (ssize_t)n || quick_fd(&d, fd, &e) < 0)
        die("no file");
    return d;
}

int main(void)
{
    static const size_t size[] = {0, 1, 5000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK,
                                  3 * BLOCK + 12345};
    size_t most = 3 * BLOCK + 12345;
    char path[] = "/tmp/mm-test-quick-XXXXXX", *p = xmalloc(most);
    int fd = mkstemp(path);
    struct rng r;
    int64_t seen[ARRAY_LEN(size)];
    rng_seed(&r, 5, 0);
    for (size_t i = 0; i < most; i++)
        p[i] = (char)rng_u64(&r);
    for (size_t i = 0; i < ARRAY_LEN(size); i++) {
        seen[i] = in_steps(p, size[i], 1000003);
        ok(of_file(fd, p, size[i]) == seen[i] && in_steps(p, size[i], 4099) == seen[i],
           "%zu bytes, from a file and in steps", size[i]);
        for (size_t k = 0; k < i; k++)
            ok(seen[k] != seen[i], "not as %zu bytes", size[k]);
    }
    for (size_t at = BLOCK / 2; at < most; at += BLOCK) {
        p[at] ^= 1;
        ok(of_file(fd, p, most) != seen[7], "byte %zu counts", at);
        p[at] ^= 1;
    }
    char *turned = xmalloc(most);
    memcpy(turned, p + BLOCK, BLOCK);
    memcpy(turned + BLOCK, p, BLOCK);
    memcpy(turned + 2 * BLOCK, p + 2 * BLOCK, most - 2 * BLOCK);
    ok(of_file(fd, turned, most) != seen[7], "the order of blocks counts");
    close(fd);
    unlink(path);
    free(p);
    free(turned);
    return done();
}
