/* SPDX-License-Identifier: MIT */
#include "source/photos.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PHOTO_BYTES ((int64_t)64 << 20)

static int inside(const char *root, const char *real)
{
    size_t n = strlen(root);
    return strncmp(root, real, n) == 0 && (real[n] == '/' || (n > 0 && root[n - 1] == '/'));
}

int photos_open(const char *root, const char *path, int *missing, struct err *e)
{
    struct stat st;
    char *joined = xasprintf("%s/%s", root, path), *real = realpath(joined, NULL);
    int fd = -1;
    *missing = 0;
    if (!real) {
        *missing = errno == ENOENT || errno == ENOTDIR;
        err_set(e, "%s: %s", path, strerror(errno));
    } else if (!inside(root, real))
        err_set(e, "%s: leads outside of the image folder", path);
    else if ((fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)) < 0)
        err_set(e, "%s: %s", path, strerror(errno));
    else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(e, "%s: not a regular file", path);
        close(fd);
        fd = -1;
    }
    free(joined);
    free(real);
    return fd;
}

struct photo {
    int64_t id, business, bytes, mtime_ns, inode, content;
    char *key, *path, *state, *reason;
};

static void release(struct photo *p)
{
    free(p->key);
    free(p->path);
    free(p->state);
    free(p->reason);
}

/* Without a manifest the file is named after the photo's key. Returns as photos_open. */
static int open_by_key(const char *root, const char *key, char **path, int *missing, struct err *e)
{
    static const char *const ext[] = {"", ".jpg", ".jpeg", ".png", ".JPG", ".webp"};
    if (strchr(key, '/') || !strcmp(key, ".") || !strcmp(key, "..")) {
        *missing = 0;
        return err_set(e, "%.100s: not a file name", key);
    }
    for (size_t i = 0; i < ARRAY_LEN(ext); i++) {
        *path = xasprintf("%s%s", key, ext[i]);
        int fd = photos_open(root, *path, missing, e);
        if (fd >= 0 || !*missing)
            return fd;
        free(*path);
        *path = NULL;
    }
    return err_set(e, "%.100s: no file of that name", key);
}

struct found {
    const char *state;
    struct err why;
    char *path;
    struct stat st;
    int64_t mtime_ns, content;
    int hashed;
};

/* The bytes are hashed unless the file looks as it did. */
static void identify(struct db *db, const struct photo *p, int fd, struct found *f)
{
    unsigned char digest[SHA256_BYTES];
    if (fstat(fd, &f->st) != 0) {
        f->state = "refused";
        err_set(&f->why, "%s: %s", p->path ? p->path : p->key, strerror(errno));
        return;
    }
    f->mtime_ns = f->st.st_mtim.tv_sec * INT64_C(1000000000) + f->st.st_mtim.tv_nsec;
    if (f->st.st_size == 0 || f->st.st_size > MAX_PHOTO_BYTES) {
        f->state = "refused";
        err_set(&f->why, "%s: %lld bytes, allowed are 1 to %lld", f->path ? f->path : p->path,
                (long long)f->st.st_size, (long long)MAX_PHOTO_BYTES);
        return;
    }
    f->state = "ok";
    if (p->content && p->bytes == f->st.st_size && p->mtime_ns == f->mtime_ns &&
        p->inode == (int64_t)f->st.st_ino) {
        f->content = p->content;
        return;
    }
    if (sha256_fd(digest, fd, &f->why) < 0) {
        f->state = "refused";
        return;
    }
    f->content = db_content(db, digest, f->st.st_size);
    f->hashed = 1;
}

static void find(struct db *db, const char *root, const struct photo *p, struct found *f)
{
    int fd = -1, missing = 1;
    *f = (struct found){.state = "missing"};
    if (p->path && !*p->path)
        err_set(&f->why, "gone at the source: the manifest names no file");
    else if (!root)
        err_set(&f->why, "no image folder");
    else if (p->path)
        fd = photos_open(root, p->path, &missing, &f->why);
    else
        fd = open_by_key(root, p->key, &f->path, &missing, &f->why);
    if (fd >= 0) {
        identify(db, p, fd, f);
        close(fd);
    } else if (!missing)
        f->state = "refused";
}

static void store(struct db *db, const struct photo *p, const struct found *f,
                  struct idset *touched, struct photos_stats *st)
{
    static const char sql_set[] =
        "UPDATE image SET state = :state, reason = :reason, path = coalesce(:path, path),\n"
        "bytes = :bytes, mtime_ns = :mtime_ns, inode = :inode, content_id = :content\n"
        "WHERE id = :id";
    int ok = strcmp(f->state, "ok") == 0;
    int same = strcmp(f->state, p->state) == 0 && f->content == p->content &&
               strcmp(f->why.text, p->reason) == 0;
    if (same && (!ok || (p->mtime_ns == f->mtime_ns && p->inode == (int64_t)f->st.st_ino)))
        return;
    sqlite3_stmt *q = db_use(db, sql_set);
    db_text(q, ":state", f->state);
    db_text(q, ":reason", f->why.text[0] ? f->why.text : NULL);
    db_text(q, ":path", f->path);
    if (ok) {
        db_int(q, ":bytes", f->st.st_size);
        db_int(q, ":mtime_ns", f->mtime_ns);
        db_int(q, ":inode", (int64_t)f->st.st_ino);
        db_int(q, ":content", f->content);
    }
    db_int(q, ":id", p->id);
    db_run(q);
    if (!same) {
        st->changed++;
        if (p->business)
            idset_add(touched, p->business);
    }
}

static int next_photos(struct db *db, struct photo *p, int n, int64_t after)
{
    static const char sql_photos[] =
        "SELECT id, coalesce(business_id, 0), bytes, mtime_ns, inode, coalesce(content_id, 0),\n"
        "key, path, state, reason FROM image WHERE id > :after ORDER BY id LIMIT :n";
    sqlite3_stmt *q = db_use(db, sql_photos);
    int got = 0;
    db_int(q, ":after", after);
    db_int(q, ":n", n);
    while (db_step(q))
        p[got++] = (struct photo){
            sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 2),
            sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4), sqlite3_column_int64(q, 5),
            xstrdup(db_col_text(q, 6)),
            sqlite3_column_type(q, 7) == SQLITE_NULL ? NULL : xstrdup(db_col_text(q, 7)),
            xstrdup(db_col_text(q, 8)), xstrdup(db_col_text(q, 9))};
    return got;
}

/* Without a folder and a manifest every photo is missing for one reason: rows that say so
 * already need not be visited one by one. */
static int all_missing(struct db *db, struct photos_stats *st)
{
    static const char sql_other[] =
        "SELECT count(*) FROM image WHERE state <> 'missing' OR reason IS NOT 'no image folder'\n"
        "OR path IS NOT NULL";
    static const char sql_all[] = "SELECT count(*) FROM image";
    if (db_one_int(db_use(db, sql_other), 0))
        return 0;
    st->missing = db_one_int(db_use(db, sql_all), 0);
    return 1;
}

void photos_check(struct db *db, const char *root, struct idset *touched,
                  struct photos_stats *st)
{
    enum { CHUNK = 256 };
    if (!root && all_missing(db, st))
        return;
    struct photo p[CHUNK];
    struct found f;
    int n;
    for (int64_t after = 0; (n = next_photos(db, p, CHUNK, after)) > 0;)
        for (int i = 0; i < n; i++) {
            find(db, root, &p[i], &f);
            store(db, &p[i], &f, touched, st);
            st->ok += strcmp(f.state, "ok") == 0;
            st->missing += strcmp(f.state, "missing") == 0;
            st->refused += strcmp(f.state, "refused") == 0;
            st->hashed += f.hashed;
            after = p[i].id;
            free(f.path);
            release(&p[i]);
        }
}

static int read_all(struct buf *b, int fd, struct err *e)
{
    enum { STEP = 1 << 16 };
    for (;;) {
        buf_reserve(b, STEP);
        ssize_t n = read(fd, b->data + b->len, STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, "read: %s", strerror(errno));
        if (n == 0)
            return 0;
        b->len += (size_t)n;
        if (b->len > MAX_PHOTO_BYTES)
            return err_set(e, "larger than %lld bytes", (long long)MAX_PHOTO_BYTES);
    }
}

int photos_read(struct buf *out, const char *root, const char *path,
                const unsigned char *digest, struct err *e)
{
    unsigned char got[SHA256_BYTES];
    struct err why;
    int missing, fd = photos_open(root, path, &missing, e);
    if (fd < 0)
        return -1;
    int rc = read_all(out, fd, &why);
    close(fd);
    if (rc < 0)
        return err_set(e, "%s: %s", path, why.text);
    sha256_of(got, out->data, out->len);
    if (memcmp(got, digest, sizeof got) != 0)
        return err_set(e, "%s: changed since mm-ingest read it", path);
    return 0;
}
