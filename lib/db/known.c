/* SPDX-License-Identifier: MIT */
#include "db/known.h"
#include "base/quick.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include "db/setting.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void known_listing(struct buf *out, const char *path)
{
    struct dirent **list;
    int n = scandir(path, &list, NULL, alphasort);
    if (n < 0)
        return;
    struct sha256 *h = sha256_new();
    for (int i = 0; i < n; i++) {
        sha256_add_field(h, list[i]->d_name, strlen(list[i]->d_name));
        free(list[i]);
    }
    free(list);
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_end(digest, h);
    sha256_free(h);
    sha256_hex(hex, digest);
    buf_adds(out, hex);
}

struct known {
    int64_t id, bytes, mtime_ns, inode;
    char *path;
    unsigned char digest[SHA256_BYTES];
    int has_quick;
    int64_t quick;
    int moved; /* other mtime or inode, same bytes */
};

/* Rows of an older schema have no quick digest: then the slow one tells. */
static int same_bytes(const struct known *k, int fd)
{
    unsigned char digest[SHA256_BYTES];
    int64_t quick;
    struct err e;
    if (k->has_quick)
        return quick_fd(&quick, fd, &e) == 0 && quick == k->quick;
    return sha256_fd(digest, fd, &e) == 0 && memcmp(digest, k->digest, sizeof digest) == 0;
}

/* 1: other bytes, or unreadable; why says which. */
static int other_bytes(struct known *k, struct buf *why)
{
    struct stat st;
    int fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        buf_addf(why, "%s: %s", k->path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 1;
    }
    int64_t mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    int changed = 0;
    if (!S_ISREG(st.st_mode) || st.st_size != k->bytes)
        changed = 1;
    else if (mtime_ns != k->mtime_ns || (int64_t)st.st_ino != k->inode) {
        changed = !same_bytes(k, fd);
        k->moved = !changed;
        k->mtime_ns = mtime_ns;
        k->inode = (int64_t)st.st_ino;
    }
    close(fd);
    if (changed)
        buf_addf(why, "%s changed", k->path);
    return changed;
}

static void remember(struct db *db, const struct known *k, int n)
{
    static const char sql_move[] =
        "UPDATE source SET mtime_ns = :mtime_ns, inode = :inode WHERE id = :id";
    db_begin(db);
    for (int i = 0; i < n; i++)
        if (k[i].moved) {
            sqlite3_stmt *q = db_use(db, sql_move);
            db_int(q, ":mtime_ns", k[i].mtime_ns);
            db_int(q, ":inode", k[i].inode);
            db_int(q, ":id", k[i].id);
            db_run(q);
        }
    db_commit(db);
}

static struct known *read_known(struct db *db, int *n)
{
    static const char sql_known[] =
        "SELECT id, path, bytes, mtime_ns, inode, digest, quick FROM source ORDER BY id";
    sqlite3_stmt *q = db_use(db, sql_known);
    struct known *k = NULL;
    *n = 0;
    while (db_step(q)) {
        k = xrealloc(k, (size_t)*n + 1, sizeof *k);
        k[*n] = (struct known){.id = sqlite3_column_int64(q, 0),
                               .path = xstrdup(db_col_text(q, 1)),
                               .bytes = sqlite3_column_int64(q, 2),
                               .mtime_ns = sqlite3_column_int64(q, 3),
                               .inode = sqlite3_column_int64(q, 4),
                               .has_quick = sqlite3_column_type(q, 6) != SQLITE_NULL,
                               .quick = sqlite3_column_int64(q, 6)};
        memcpy(k[*n].digest, sqlite3_column_blob(q, 5), SHA256_BYTES);
        (*n)++;
    }
    return k;
}

static int listing_changed(struct db *db, struct buf *why)
{
    char *input = setting_value(db, "INPUT"), *then = db_setting(db, "input_listing");
    struct buf now = {0};
    known_listing(&now, input);
    int changed = then && strcmp(then, buf_str(&now)) != 0;
    if (changed)
        buf_addf(why, "%s: files came or went", input);
    buf_release(&now);
    free(input);
    free(then);
    return changed;
}

/* Photos came or went: the folder's own time. A photo whose bytes changed in place is found
 * only by the next ingest. */
static int images_changed(struct db *db, struct buf *why)
{
    char *root = db_setting(db, "images_root"), *then = db_setting(db, "images_mtime");
    struct buf now = {0};
    known_mtime(&now, root ? root : "");
    int changed = then && strcmp(then, buf_str(&now)) != 0;
    if (changed)
        buf_addf(why, "%s: photos came or went", root ? root : "");
    buf_release(&now);
    free(root);
    free(then);
    return changed;
}

void known_mtime(struct buf *out, const char *path)
{
    struct stat st;
    if (*path && stat(path, &st) == 0)
        buf_addf(out, "%lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int known_changed(struct db *db, int write, struct buf *why)
{
    int n, changed = 0, moved = 0;
    struct known *k = read_known(db, &n);
    for (int i = 0; i < n && !changed; i++) {
        changed = other_bytes(&k[i], why);
        moved |= k[i].moved;
    }
    if (!changed)
        changed = listing_changed(db, why) || images_changed(db, why);
    if (moved && write)
        remember(db, k, n);
    for (int i = 0; i < n; i++)
        free(k[i].path);
    free(k);
    return changed;
}
