/* SPDX-License-Identifier: MIT */
/* Arrays in files: kept or gone, grown, and what a full disk does to them. */
#include "base/mapped.h"
#include "base/util.h"
#include "tap.h"
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/mm-test-XXXXXX";

static int files(const char *where)
{
    DIR *d = opendir(where);
    int n = 0;
    if (!d)
        die("%s", where);
    for (struct dirent *f; (f = readdir(d)) != NULL;)
        n += f->d_name[0] != '.';
    closedir(d);
    return n;
}

static void test_keep(void)
{
    struct mapped m;
    struct err e = {""};
    char *path = xasprintf("%s/x", dir);
    ok(mapped_new(&m, path, 100000, &e) == 0 && m.bytes == 100000, "a new one %s", e.text);
    char *p = m.data;
    int zeros = 1;
    for (size_t i = 0; i < m.bytes; i++)
        zeros &= p[i] == 0;
    ok(zeros, "is all zeros");
    ok(access(path, F_OK) != 0 && files(dir) == 1, "not yet under its name");
    mapped_release(&m);
    ok(files(dir) == 0 && m.data == NULL && m.fd == -1, "released and not kept: no file is left");
    mapped_release(&m);
    ok(1, "released twice");

    if (mapped_new(&m, path, 100000, &e) < 0)
        die("%s", e.text);
    memset(m.data, 7, 100000);
    ok(mapped_keep(&m, &e) == 0 && access(path, F_OK) == 0 && files(dir) == 1,
       "kept: under its name only");
    ((char *)m.data)[99999] = 8;
    mapped_release(&m);
    ok(mapped_open(&m, path, &e) == 0 && m.bytes == 100000, "opened again");
    p = m.data;
    ok(p[0] == 7 && p[99998] == 7 && p[99999] == 8, "holds what was written, after keeping too");
    mapped_release(&m);
    ok(files(dir) == 1, "a reader leaves the file");

    if (mapped_new(&m, path, 10, &e) < 0)
        die("%s", e.text);
    struct mapped old;
    ok(mapped_open(&old, path, &e) == 0 && old.bytes == 100000, "the old one until then");
    ok(mapped_keep(&m, &e) == 0 && ((char *)old.data)[5] == 7, "its readers keep the old bytes");
    mapped_release(&m);
    mapped_release(&old);
    ok(mapped_open(&m, path, &e) == 0 && m.bytes == 10, "the next reader has the new ones");
    mapped_release(&m);
    unlink(path);
    free(path);
}

static void test_temp(void)
{
    struct mapped m;
    struct err e = {""};
    ok(mapped_temp(&m, dir, 0, &e) == 0 && m.bytes == 0 && files(dir) == 0, "one without a name");
    ok(mapped_grow(&m, 1000, &e) == 0 && m.bytes == 1000, "grown from nothing");
    for (int i = 0; i < 1000; i++)
        ((unsigned char *)m.data)[i] = (unsigned char)(i % 251);
    int whole = 1;
    for (size_t n = 1000; n < 40 << 20; n *= 9)
        whole &= mapped_grow(&m, n, &e) == 0 && m.bytes == n;
    for (int i = 0; i < 1000; i++)
        whole &= ((unsigned char *)m.data)[i] == i % 251;
    ok(whole && ((char *)m.data)[m.bytes - 1] == 0, "grown, what it held stays, the rest is 0");
    size_t bytes = m.bytes;
    ok(mapped_grow(&m, 5, &e) == 0 && m.bytes == bytes, "never smaller");
    mapped_release(&m);
    ok(files(dir) == 0, "gone");
}

static void test_bad(void)
{
    struct mapped m;
    struct err e = {""};
    char *path = xasprintf("%s/none", dir), *deep = xasprintf("%s/no/where", dir);
    ok(mapped_open(&m, path, &e) < 0 && strstr(e.text, path) && m.data == NULL, "missing: %s",
       e.text);
    ok(mapped_new(&m, deep, 10, &e) < 0 && strstr(e.text, deep), "no such folder: %s", e.text);
    ok(mapped_temp(&m, deep, 10, &e) < 0 && strstr(e.text, deep), "the same for a temporary one");
    ok(mapped_open(&m, dir, &e) < 0 && m.data == NULL, "a folder is no file: %s", e.text);
    FILE *f = fopen(path, "w");
    if (!f || fclose(f) != 0)
        die("%s", path);
    ok(mapped_open(&m, path, &e) == 0 && m.bytes == 0, "an empty file: no bytes, no failure");
    mapped_release(&m);
    unlink(path);
    if (mkdir(path, 0700) != 0 || mapped_new(&m, path, 10, &e) < 0)
        die("%s", path);
    ok(mapped_keep(&m, &e) < 0 && strstr(e.text, path), "a folder of its name: %s", e.text);
    mapped_release(&m);
    ok(files(dir) == 1, "and no other file is left");
    rmdir(path);
    free(path);
    free(deep);
}

/* On what holds `room` bytes and no more: everything fails, nothing is left, no signal. */
static void test_full(const char *where, size_t room, const char *reason)
{
    struct mapped m, t;
    struct err e = {""};
    char *path = xasprintf("%s/x", where);
    int before = files(where);
    ok(mapped_new(&m, path, 2 * room, &e) < 0 && strstr(e.text, reason), "no room: %s", e.text);
    ok(files(where) == before && m.data == NULL, "and nothing is left of it");
    ok(mapped_temp(&t, where, 2 * room, &e) < 0 && strstr(e.text, reason), "nor a temporary one");
    if (mapped_temp(&t, where, room / 4, &e) < 0)
        die("%s", e.text);
    memset(t.data, 1, t.bytes);
    ok(mapped_grow(&t, 2 * room, &e) < 0 && strstr(e.text, reason), "cannot grow: %s", e.text);
    ok(t.data == NULL && t.bytes == 0, "and is released");
    mapped_release(&t);
    ok(mapped_new(&m, path, room / 4, &e) == 0, "what fits is given %s", e.text);
    memset(m.data, 1, m.bytes);
    mapped_release(&m);
    free(path);
}

static void test_limit(void)
{
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1 << 20, old.rlim_max};
    fflush(stdout); /* it is a file of its own, and may be beyond the limit */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    test_full(dir, 1 << 20, "large");
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
}

/* A file system of 1 MiB that only this process sees. */
static void test_disk(void)
{
    char *where = xasprintf("%s/disk", dir);
    if (mkdir(where, 0700) != 0)
        die("%s", where);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", where, "tmpfs", 0, "size=1m") != 0)
        skip("a full disk needs the right to mount one");
    else {
        test_full(where, 1 << 20, "space");
        umount(where);
    }
    rmdir(where);
    free(where);
}

int main(void)
{
    if (!mkdtemp(dir))
        die("%s", dir);
    test_keep();
    test_temp();
    test_bad();
    test_limit();
    test_disk();
    ok(rmdir(dir) == 0, "nothing is left");
    return done();
}
