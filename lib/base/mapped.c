/* SPDX-License-Identifier: MIT */
#include "base/mapped.h"
#include "base/util.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct mapped *m, const char *path, int why, struct err *e)
{
    mapped_release(m);
    return err_set(e, "%s: %s", path, strerror(why));
}

/* Blocks for all of it, then its pages. A mapping of no bytes is not possible: one page. */
static int reserve(struct mapped *m, const char *name, size_t bytes, struct err *e)
{
    size_t room = bytes ? bytes : 1;
    int why = posix_fallocate(m->fd, 0, (off_t)room);
    if (why != 0)
        return fail(m, name, why, e);
    void *p = m->data ? mremap(m->data, m->bytes ? m->bytes : 1, room, MREMAP_MAYMOVE)
                      : mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (p == MAP_FAILED)
        return fail(m, name, errno, e);
    m->data = p;
    m->bytes = bytes;
    return 0;
}

int mapped_new(struct mapped *m, const char *path, size_t bytes, struct err *e)
{
    *m = (struct mapped){.path = xstrdup(path), .fd = -1,
                         .part = xasprintf("%s.%ld.part", path, (long)getpid())};
    m->fd = open(m->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return m->fd < 0 ? fail(m, path, errno, e) : reserve(m, path, bytes, e);
}

int mapped_temp(struct mapped *m, const char *dir, size_t bytes, struct err *e)
{
    *m = (struct mapped){.fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)};
    if (m->fd < 0) { /* a file system without nameless files */
        char *name = xasprintf("%s/mm-XXXXXX", dir);
        m->fd = mkostemp(name, O_CLOEXEC);
        if (m->fd >= 0)
            unlink(name);
        free(name);
    }
    return m->fd < 0 ? fail(m, dir, errno, e) : reserve(m, dir, bytes, e);
}

int mapped_grow(struct mapped *m, size_t bytes, struct err *e)
{
    return bytes <= m->bytes ? 0 : reserve(m, "a temporary file", bytes, e);
}

int mapped_keep(struct mapped *m, struct err *e)
{
    if (fsync(m->fd) != 0 || rename(m->part, m->path) != 0)
        return err_set(e, "%s: %s", m->path, strerror(errno));
    free(m->part);
    m->part = NULL;
    return 0;
}

/* NAME.suffix.PID.part, and nobody has that PID. */
static int is_orphan(const char *name, const char *suffix)
{
    const char *p = strstr(name, suffix);
    int pid, end = 0;
    return p && sscanf(p + strlen(suffix), ".%d.part%n", &pid, &end) == 1 && end > 0 &&
           !p[strlen(suffix) + (size_t)end] && pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

void mapped_sweep(const char *folder, const char *suffix)
{
    DIR *list = opendir(folder);
    struct dirent *one;
    while (list && (one = readdir(list)) != NULL)
        if (is_orphan(one->d_name, suffix))
            unlinkat(dirfd(list), one->d_name, 0);
    if (list)
        closedir(list);
}

int mapped_open(struct mapped *m, const char *path, struct err *e)
{
    struct stat st;
    *m = (struct mapped){.path = xstrdup(path), .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (m->fd < 0 || fstat(m->fd, &st) != 0)
        return fail(m, path, errno, e);
    m->bytes = (size_t)st.st_size;
    m->data = mmap(NULL, m->bytes ? m->bytes : 1, PROT_READ, MAP_SHARED, m->fd, 0);
    if (m->data == MAP_FAILED) {
        m->data = NULL;
        return fail(m, path, errno, e);
    }
    close(m->fd);
    m->fd = -1;
    return 0;
}

void mapped_release(struct mapped *m)
{
    if (m->data)
        munmap(m->data, m->bytes ? m->bytes : 1);
    if (m->fd > 0)
        close(m->fd);
    if (m->part)
        unlink(m->part);
    free(m->path);
    free(m->part);
    *m = (struct mapped){.fd = -1};
}
