/* SPDX-License-Identifier: MIT */
#include "llm/key.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX 4096

/* Trailing white space goes; the rest must be able to stand in a header line. */
static int check(char *s, const char *from, struct err *e)
{
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]))
        s[--n] = 0;
    if (n == 0)
        return err_set(e, "%s: holds no key", from);
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0x21 || s[i] > 0x7e)
            return err_set(e, "%s: byte %zu of the key is a space or not printable ASCII", from,
                           i + 1);
    return 0;
}

static int read_key(char *s, int fd, const char *file, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, "%s: %s", file, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(e, "%s: not a regular file", file);
    if (st.st_mode & 077)
        return err_set(e, "%s: others may read the key (mode %03o); run: chmod 600 '%s'", file,
                       (unsigned)st.st_mode & 0777, file);
    size_t n = 0;
    for (ssize_t got; (got = read(fd, s + n, KEY_MAX + 1 - n)) != 0; n += (size_t)got)
        if (got < 0)
            return err_set(e, "%s: %s", file, strerror(errno));
        else if (n + (size_t)got > KEY_MAX)
            return err_set(e, "%s: larger than %d bytes, that is no key", file, KEY_MAX);
    if (memchr(s, 0, n))
        return err_set(e, "%s: holds a NUL byte, that is no key", file);
    s[n] = 0;
    return check(s, file, e);
}

static int from_file(char *s, const char *file, struct err *e)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(e, "%s: %s", file, strerror(errno));
    int rc = read_key(s, fd, file, e);
    close(fd);
    return rc;
}

static int from_environment(char *s, const char *value, struct err *e)
{
    if (strlen(value) > KEY_MAX)
        return err_set(e, "LLM_API_KEY: longer than %d bytes, that is no key", KEY_MAX);
    strcpy(s, value);
    return check(s, "LLM_API_KEY", e);
}

static void hide(void)
{
    char *value = getenv("LLM_API_KEY");
    if (value) {
        explicit_bzero(value, strlen(value)); /* /proc/PID/environ shows this block */
        unsetenv("LLM_API_KEY");
    }
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int key_load(char **key, const char *file, struct err *e)
{
    *key = NULL;
    const char *value = getenv("LLM_API_KEY");
    if (!file && (!value || !*value))
        return 0;
    char *s = xcalloc(KEY_MAX + 2, 1);
    if ((file ? from_file(s, file, e) : from_environment(s, value, e)) < 0) {
        explicit_bzero(s, KEY_MAX + 2);
        free(s);
        return -1;
    }
    hide();
    *key = s;
    return 0;
}

void key_free(char *key)
{
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
}

void key_mask(char *s, size_t n, const char *key)
{
    size_t k = key ? strlen(key) : 0;
    for (char *p = s; k > 0 && (p = memmem(p, n - (size_t)(p - s), key, k)) != NULL; p += k)
        memset(p, '*', k);
}
