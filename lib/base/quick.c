/* SPDX-License-Identifier: MIT */
#include "base/quick.h"
#include "base/util.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

struct quick {
    XXH3_state_t *state;
};

struct quick *quick_new(void)
{
    struct quick *h = xcalloc(1, sizeof *h);
    h->state = XXH3_createState();
    if (!h->state || XXH3_64bits_reset(h->state) != XXH_OK)
        die("out of memory");
    return h;
}

void quick_free(struct quick *h)
{
    if (h)
        XXH3_freeState(h->state);
    free(h);
}

void quick_add(struct quick *h, const void *p, size_t n)
{
    if (XXH3_64bits_update(h->state, p, n) != XXH_OK)
        die("XXH3 failed");
}

int64_t quick_end(struct quick *h)
{
    uint64_t u = XXH3_64bits_digest(h->state);
    int64_t v;
    memcpy(&v, &u, sizeof v);
    XXH3_64bits_reset(h->state);
    return v;
}

int quick_fd(int64_t *digest, int fd, struct err *e)
{
    struct quick *h = quick_new();
    size_t cap = 1 << 18;
    char *block = xmalloc(cap);
    off_t at = 0;
    int rc = 0;
    for (;;) {
        ssize_t n = pread(fd, block, cap, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_set(e, "read: %s", strerror(errno));
        if (n <= 0)
            break;
        quick_add(h, block, (size_t)n);
        at += n;
    }
    *digest = quick_end(h);
    quick_free(h);
    free(block);
    return rc;
}
