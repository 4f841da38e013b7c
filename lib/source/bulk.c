/* SPDX-License-Identifier: MIT */
#include "source/bulk.h"
#include "base/buf.h"
#include "base/util.h"
#include "db/db.h"
#include "source/lane.h"
#include <stdlib.h>
#include <string.h>

#define ROWS 1024 /* what fits a core's own cache: more is not faster */
#define TEXT ((size_t)256 << 10)
#define SLOTS 4096

struct cell {
    union {
        int64_t i;
        double d;
        size_t at; /* in text */
    } v;
    uint32_t bytes;
    int type; /* SQLITE_INTEGER, ... */
};

struct batch {
    int rows;
    struct cell *cell; /* [ROWS][columns] */
    struct buf text;
};

struct bulk {
    struct db *db;
    struct lane *lane; /* or NULL */
    const char *name;
    sqlite3_stmt *insert;
    int columns, filled;  /* filled: cells of the row under way */
    struct batch in, out; /* being filled; being inserted: the lane's until it is idle */
    uint64_t hash[ROWS];  /* of the rows of in */
    uint16_t slot[SLOTS]; /* 1 + row, by hash; linear probing */
};

/* ---- the virtual table ---- */

struct table {
    sqlite3_vtab base;
    struct bulk *b;
};

struct cursor {
    sqlite3_vtab_cursor base;
    int row;
};

static int table_connect(sqlite3 *h, void *aux, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **why)
{
    (void)argc, (void)argv, (void)why;
    struct bulk *b = aux;
    struct buf sql = {0};
    for (int c = 0; c < b->columns; c++)
        buf_addf(&sql, "%s c%d", c ? "," : "CREATE TABLE x (", c);
    buf_adds(&sql, ")");
    int rc = sqlite3_declare_vtab(h, buf_str(&sql));
    buf_release(&sql);
    if (rc != SQLITE_OK)
        return rc;
    struct table *t = xcalloc(1, sizeof *t);
    t->b = b;
    *out = &t->base;
    return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *t)
{
    free(t);
    return SQLITE_OK;
}

static int table_plan(sqlite3_vtab *t, sqlite3_index_info *info)
{
    (void)t;
    info->estimatedCost = ROWS;
    info->estimatedRows = ROWS;
    return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
    (void)t;
    struct cursor *c = xcalloc(1, sizeof *c);
    *out = &c->base;
    return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *c)
{
    free(c);
    return SQLITE_OK;
}

static int cursor_filter(sqlite3_vtab_cursor *c, int plan, const char *name, int argc,
                         sqlite3_value **argv)
{
    (void)plan, (void)name, (void)argc, (void)argv;
    ((struct cursor *)c)->row = 0;
    return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *c)
{
    ((struct cursor *)c)->row++;
    return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *c)
{
    return ((struct cursor *)c)->row >= ((struct table *)c->pVtab)->b->out.rows;
}

static int cursor_column(sqlite3_vtab_cursor *c, sqlite3_context *out, int column)
{
    const struct bulk *b = ((struct table *)c->pVtab)->b;
    const struct cell *x = &b->out.cell[((struct cursor *)c)->row * b->columns + column];
    const char *bytes = buf_str(&b->out.text) + (x->type >= SQLITE_TEXT ? x->v.at : 0);
    switch (x->type) {
    case SQLITE_INTEGER:
        sqlite3_result_int64(out, x->v.i);
        break;
    case SQLITE_FLOAT:
        sqlite3_result_double(out, x->v.d);
        break;
    case SQLITE_TEXT:
        sqlite3_result_text(out, bytes, (int)x->bytes, SQLITE_STATIC);
        break;
    case SQLITE_BLOB:
        sqlite3_result_blob(out, bytes, (int)x->bytes, SQLITE_STATIC);
        break;
    default:
        sqlite3_result_null(out);
    }
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *id)
{
    *id = ((struct cursor *)c)->row;
    return SQLITE_OK;
}

/* No xCreate: it exists by its name alone, in no schema and in no file. */
static const sqlite3_module module = {
    .xConnect = table_connect, .xBestIndex = table_plan, .xDisconnect = table_disconnect,
    .xOpen = cursor_open, .xClose = cursor_close, .xFilter = cursor_filter,
    .xNext = cursor_next, .xEof = cursor_eof, .xColumn = cursor_column,
    .xRowid = cursor_rowid};

/* ---- rows ---- */

struct bulk *bulk_new(struct db *db, struct lane *lane, const char *name, int columns,
                      const char *sql)
{
    struct bulk *b = xcalloc(1, sizeof *b);
    sqlite3 *h = db_handle(db);
    b->db = db;
    b->lane = lane;
    b->name = name;
    b->columns = columns;
    b->in.cell = xcalloc((size_t)ROWS * (size_t)columns, sizeof *b->in.cell);
    b->out.cell = xcalloc((size_t)ROWS * (size_t)columns, sizeof *b->out.cell);
    /* Not by db_use: a statement of this object must not outlive it. */
    if (sqlite3_create_module_v2(h, name, &module, b, NULL) != SQLITE_OK ||
        sqlite3_prepare_v3(h, sql, -1, SQLITE_PREPARE_PERSISTENT, &b->insert, NULL) != SQLITE_OK)
        die("%s: %s in: %.300s", db_path(db), sqlite3_errmsg(h), sql);
    return b;
}

void bulk_free(struct bulk *b)
{
    if (!b)
        return;
    sqlite3 *h = db_handle(b->db);
    sqlite3_finalize(b->insert);
    sqlite3_create_module_v2(h, b->name, NULL, NULL, NULL);
    free(b->in.cell);
    free(b->out.cell);
    buf_release(&b->in.text);
    buf_release(&b->out.text);
    free(b);
}

static struct cell *next_cell(struct bulk *b, int type)
{
    struct cell *x = &b->in.cell[b->in.rows * b->columns + b->filled++];
    x->type = type;
    return x;
}

void bulk_int(struct bulk *b, int64_t v)
{
    next_cell(b, SQLITE_INTEGER)->v.i = v;
}

void bulk_real(struct bulk *b, double v)
{
    next_cell(b, SQLITE_FLOAT)->v.d = v;
}

void bulk_null(struct bulk *b)
{
    next_cell(b, SQLITE_NULL);
}

static void add_bytes(struct bulk *b, int type, const void *p, size_t n)
{
    struct cell *x = next_cell(b, type);
    x->v.at = b->in.text.len;
    x->bytes = (uint32_t)n;
    buf_add(&b->in.text, p, n);
}

void bulk_text(struct bulk *b, const char *s, size_t n)
{
    if (s)
        add_bytes(b, SQLITE_TEXT, s, n);
    else
        bulk_null(b);
}

void bulk_blob(struct bulk *b, const void *p, size_t n)
{
    add_bytes(b, SQLITE_BLOB, p, n);
}

int bulk_has(const struct bulk *b, uint64_t hash)
{
    for (size_t i = hash % SLOTS; b->slot[i]; i = (i + 1) % SLOTS)
        if (b->hash[b->slot[i] - 1] == hash)
            return 1;
    return 0;
}

void bulk_row(struct bulk *b, uint64_t hash)
{
    size_t i = hash % SLOTS;
    if (b->filled != b->columns)
        die("%s: %d cells of %d", b->name, b->filled, b->columns);
    while (b->slot[i])
        i = (i + 1) % SLOTS;
    b->hash[b->in.rows++] = hash;
    b->slot[i] = (uint16_t)b->in.rows;
    b->filled = 0;
    if (b->in.rows == ROWS || b->in.text.len >= TEXT)
        bulk_flush(b);
}

static void insert(void *ctx)
{
    struct bulk *b = ctx;
    db_run(b->insert);
}

void bulk_flush(struct bulk *b)
{
    if (!b->in.rows)
        return;
    if (b->lane)
        lane_wait(b->lane);
    struct batch empty = b->out;
    b->out = b->in;
    b->in = empty;
    b->in.rows = 0;
    buf_clear(&b->in.text);
    memset(b->slot, 0, sizeof b->slot);
    if (b->lane)
        lane_run(b->lane, insert, b);
    else
        insert(b);
}
