/* SPDX-License-Identifier: MIT */
#include "db/digest.h"
#include "base/buf.h"
#include "base/sha256.h"
#include "base/util.h"
#include "db/db.h"
#include <string.h>

/* Rows in natural key order: ids are replaced by what they stand for. */
static const struct {
    const char *table, *sql;
} part[] = {
    {"setting", "SELECT name, value FROM setting WHERE name GLOB '[A-Z]*' AND name NOT IN\n"
     "('INPUT', 'IMAGES', 'THREADS') ORDER BY name"},
    {"user", "SELECT key FROM user ORDER BY key"},
    {"business", "SELECT key, name, categories, price FROM business ORDER BY key"},
    {"review",
     "SELECT u.key AS u, b.key AS b, r.at, c.digest AS d, r.key, r.labelled, r.rating,\n"
     "r.positive, r.split, r.fold, r.line, r.text FROM review r JOIN user u ON u.id = r.user_id\n"
     "JOIN business b ON b.id = r.business_id LEFT JOIN content c ON c.id = r.content_id\n"
     "ORDER BY u, b, r.at, d, r.labelled, r.rating, r.line"},
    {"image",
     "SELECT i.key, u.key, b.key, rc.digest, i.path, i.caption, i.state, c.digest FROM image i\n"
     "LEFT JOIN review r ON r.id = i.review_id LEFT JOIN user u ON u.id = r.user_id\n"
     "LEFT JOIN business b ON b.id = i.business_id LEFT JOIN content c ON c.id = i.content_id\n"
     "LEFT JOIN content rc ON rc.id = r.content_id ORDER BY i.key"},
    {"reject", "SELECT s.format, s.role, r.line, r.reason, r.excerpt FROM reject r\n"
     "JOIN source s ON s.id = r.source_id ORDER BY 1, 2, 3, 4, 5"},
    {"visible",
     "SELECT v.kind, coalesce(u.key, b.key) AS k, v.fold, v.n_text, v.n_labelled,\n"
     "v.n_positive, v.rating_sum, v.text_digest, v.n_photo, v.photo_digest FROM visible v\n"
     "LEFT JOIN user u ON v.kind = 'user' AND u.id = v.entity_id\n"
     "LEFT JOIN business b ON v.kind = 'business' AND b.id = v.entity_id\n"
     "ORDER BY v.kind, k, v.fold"},
    {"summary",
     "SELECT v.kind, coalesce(u.key, b.key) AS k, v.fold, m.name, m.version, m.params,\n"
     "s.set_digest, s.text FROM summary s JOIN visible v ON v.id = s.visible_id\n"
     "JOIN method m ON m.id = s.method_id\n"
     "LEFT JOIN user u ON v.kind = 'user' AND u.id = v.entity_id\n"
     "LEFT JOIN business b ON v.kind = 'business' AND b.id = v.entity_id\n"
     "ORDER BY v.kind, k, v.fold, m.name, m.version, m.params"},
    {"price_tag",
     "SELECT b.key, v.fold, m.name, m.version, m.params, p.tag, p.evidence FROM price_tag p\n"
     "JOIN visible v ON v.id = p.visible_id JOIN method m ON m.id = p.method_id\n"
     "JOIN business b ON b.id = v.entity_id ORDER BY 1, 2, 3, 4, 5"},
    {"category",
     "SELECT b.key, v.fold, m.name, m.version, m.params, p.position, p.name FROM category p\n"
     "JOIN visible v ON v.id = p.visible_id JOIN method m ON m.id = p.method_id\n"
     "JOIN business b ON b.id = v.entity_id ORDER BY 1, 2, 3, 4, 5, 6"},
    {"llm_answer", "SELECT digest, nth, task, requested, request, answer, verdict,\n"
     "finish_reason FROM llm_answer ORDER BY digest, nth"},
    {"caption",
     "SELECT i.key, m.name, m.version, m.params, c.text FROM caption c\n"
     "JOIN image i ON i.id = c.image_id JOIN method m ON m.id = c.method_id\n"
     "ORDER BY 1, 2, 3, 4"},
    {"embedding",
     "SELECT m.task, m.name, m.version, m.params, c.digest, e.vec FROM embedding e\n"
     "JOIN method m ON m.id = e.method_id JOIN content c ON c.id = e.content_id\n"
     "ORDER BY 1, 2, 3, 4, 5"},
    {"reducer", "SELECT name, feature_digest, mode, inputs, weights, epochs, val_loss\n"
     "FROM reducer WHERE current = 1 ORDER BY 1, 2, 3"},
    {"reduced",
     "SELECT d.name, u.key AS u, b.key AS b, r.at, c.digest AS g, r.rating, x.known, x.vec\n"
     "FROM reduced x JOIN reducer d ON d.id = x.reducer_id AND d.current = 1\n"
     "JOIN review r ON r.id = x.review_id JOIN user u ON u.id = r.user_id\n"
     "JOIN business b ON b.id = r.business_id LEFT JOIN content c ON c.id = r.content_id\n"
     "ORDER BY d.name, u, b, r.at, g, r.rating, r.line"},
    {"model", "SELECT name, kind, dense, sparse, blocks, interaction FROM model ORDER BY name"},
    {"experiment",
     "SELECT model, weighting, dropout, seed, lr, batch, protocol FROM experiment\n"
     "ORDER BY 1, 2, 3, 4, 5, 6, 7"},
    {"run",
     "SELECT identity, state, reason, best_epoch, epochs, threshold, degenerate FROM run\n"
     "WHERE stale = 0 ORDER BY identity"},
    {"epoch",
     "SELECT r.identity, e.epoch, e.train_loss, e.val_loss, e.val_fpr, e.val_accuracy, e.val_auc\n"
     "FROM epoch e JOIN run r ON r.id = e.run_id AND r.stale = 0 ORDER BY 1, 2"},
    {"metric",
     "SELECT r.identity, m.split, m.name, m.value FROM metric m\n"
     "JOIN run r ON r.id = m.run_id AND r.stale = 0 ORDER BY 1, 2, 3"},
    {"prediction",
     "SELECT r.identity, u.key AS u, b.key AS b, w.at, c.digest AS g, w.rating, p.p\n"
     "FROM prediction p JOIN run r ON r.id = p.run_id AND r.stale = 0\n"
     "JOIN review w ON w.id = p.review_id JOIN user u ON u.id = w.user_id\n"
     "JOIN business b ON b.id = w.business_id LEFT JOIN content c ON c.id = w.content_id\n"
     "ORDER BY 1, u, b, w.at, g, w.rating, w.line"},
    {"failure", "SELECT stage, item, reason, permanent FROM failure ORDER BY stage, item"},
};

static void add_column(struct sha256 *h, sqlite3_stmt *q, int col)
{
    int type = sqlite3_column_type(q, col);
    unsigned char tag = (unsigned char)type;
    sha256_add(h, &tag, 1);
    if (type == SQLITE_NULL)
        return;
    if (type == SQLITE_FLOAT) { /* all 17 digits: equal bits, equal text */
        char text[40];
        int n = snprintf(text, sizeof text, "%.17g", sqlite3_column_double(q, col));
        sha256_add_field(h, text, (size_t)n);
        return;
    }
    const void *p = sqlite3_column_blob(q, col);
    sha256_add_field(h, p, (size_t)sqlite3_column_bytes(q, col));
}

void digest_print(FILE *f, struct db *db)
{
    struct sha256 *table = sha256_new(), *all = sha256_new();
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    struct buf lines = {0};
    for (size_t i = 0; i < ARRAY_LEN(part); i++) {
        long long rows = 0;
        sqlite3_stmt *q = db_use(db, part[i].sql);
        for (; db_step(q); rows++)
            for (int c = 0; c < sqlite3_column_count(q); c++)
                add_column(table, q, c);
        sha256_end(digest, table);
        sha256_add_field(all, part[i].table, strlen(part[i].table));
        sha256_add(all, digest, sizeof digest);
        sha256_hex(hex, digest);
        buf_addf(&lines, "%s %s %lld\n", part[i].table, hex, rows);
    }
    sha256_end(digest, all);
    sha256_hex(hex, digest);
    fprintf(f, "all %s\n%s", hex, buf_str(&lines));
    buf_release(&lines);
    sha256_free(table);
    sha256_free(all);
}
