/* SPDX-License-Identifier: MIT */
#include "llm/budget.h"
#include "db/db.h"

enum { AHEAD = 32 }; /* requests' worth of money taken at once */

#define ROUNDING 1e-8 /* dollars: a millionth of a cent is no money */

/* What batches under way hold of a stage's row. */
#define OF_BATCHES \
    "(SELECT total(held_usd) FROM llm_batch WHERE stage = :stage AND state <> 'done')"

static void take_over(struct budget *b)
{
    static const char sql_held[] =
        "SELECT max(held_usd - " OF_BATCHES ", 0) FROM budget WHERE stage = :stage";
    static const char sql_lost[] =
        "UPDATE budget SET lost_usd = lost_usd + :lost, held_usd = " OF_BATCHES "\n"
        "WHERE stage = :stage";
    sqlite3_stmt *q = db_use(b->db, sql_held);
    db_text(q, ":stage", b->stage);
    if (db_step(q))
        b->lost = sqlite3_column_double(q, 0);
    sqlite3_reset(q);
    if (b->lost < ROUNDING)
        b->lost = 0;
    q = db_use(b->db, sql_lost);
    db_text(q, ":stage", b->stage);
    db_real(q, ":lost", b->lost);
    db_run(q);
}

static void make_row(struct db *db, const char *stage)
{
    static const char sql_row[] = "INSERT OR IGNORE INTO budget VALUES (:stage, 0, 0, 0)";
    sqlite3_stmt *q = db_use(db, sql_row);
    db_text(q, ":stage", stage);
    db_run(q);
}

void budget_begin(struct budget *b, struct db *db, const char *stage, double cap)
{
    *b = (struct budget){.db = db, .stage = stage, .cap = cap};
    if (cap < 0)
        return;
    db_begin(db);
    make_row(db, stage);
    take_over(b);
    db_commit(db);
}

static int reserve(struct budget *b, double usd)
{
    static const char sql_hold[] =
        "UPDATE budget SET held_usd = held_usd + :usd, spent_usd = spent_usd + :spent\n"
        "WHERE stage = :stage AND (SELECT sum(spent_usd + held_usd + lost_usd) FROM budget)\n"
        "+ :usd + :spent <= :cap + 1e-8";
    db_begin(b->db);
    sqlite3_stmt *q = db_use(b->db, sql_hold);
    db_real(q, ":usd", usd);
    db_real(q, ":spent", b->spent);
    db_text(q, ":stage", b->stage);
    db_real(q, ":cap", b->cap);
    db_run(q);
    int fits = db_changes(b->db) > 0;
    db_commit(b->db);
    if (fits) {
        b->spent = 0;
        b->reserve += usd;
    }
    return fits;
}

int budget_hold(struct budget *b, double usd)
{
    if (b->cap < 0)
        return 1;
    if (b->reserve < usd && !reserve(b, usd * AHEAD) && !reserve(b, usd - b->reserve))
        return 0;
    b->reserve -= usd;
    b->promised += usd;
    return 1;
}

void budget_spend(struct budget *b, double held, double cost)
{
    if (b->cap < 0)
        return;
    b->promised -= held;
    b->spent += cost;
}

static void write_row(struct budget *b, double held)
{
    static const char sql_keep[] =
        "UPDATE budget SET spent_usd = spent_usd + :spent,\n"
        "held_usd = :held + " OF_BATCHES " WHERE stage = :stage";
    sqlite3_stmt *q = db_use(b->db, sql_keep);
    db_real(q, ":spent", b->spent);
    db_real(q, ":held", held);
    db_text(q, ":stage", b->stage);
    db_run(q);
    b->spent = 0;
}

void budget_keep(struct budget *b)
{
    if (b->cap >= 0)
        write_row(b, b->reserve + (b->promised > 0 ? b->promised : 0));
}

void budget_end(struct budget *b)
{
    if (b->cap < 0)
        return;
    db_begin(b->db);
    write_row(b, b->promised > 1e-9 ? b->promised : 0); /* not what rounding left */
    db_commit(b->db);
}

double budget_spent(struct db *db)
{
    static const char sql_spent[] = "SELECT total(spent_usd + lost_usd) FROM budget";
    sqlite3_stmt *q = db_use(db, sql_spent);
    double usd = db_step(q) ? sqlite3_column_double(q, 0) : 0;
    sqlite3_reset(q);
    return usd;
}

/* ---- batches ---- */

double budget_left(struct db *db, double cap)
{
    static const char sql_left[] =
        "SELECT :cap - total(spent_usd + held_usd + lost_usd) FROM budget";
    sqlite3_stmt *q = db_use(db, sql_left);
    db_real(q, ":cap", cap);
    double usd = db_step(q) ? sqlite3_column_double(q, 0) : 0;
    sqlite3_reset(q);
    return usd;
}

static void change(struct db *db, const char *stage, double held, double spent)
{
    static const char sql_change[] =
        "UPDATE budget SET held_usd = max(held_usd + :held, 0), spent_usd = spent_usd + :spent\n"
        "WHERE stage = :stage";
    sqlite3_stmt *q = db_use(db, sql_change);
    db_real(q, ":held", held);
    db_real(q, ":spent", spent);
    db_text(q, ":stage", stage);
    db_run(q);
}

int budget_batch_hold(struct db *db, const char *stage, double cap, double usd)
{
    if (budget_left(db, cap) + ROUNDING < usd)
        return 0;
    make_row(db, stage);
    change(db, stage, usd, 0);
    return 1;
}

void budget_batch_spend(struct db *db, const char *stage, double held, double cost)
{
    change(db, stage, -held, cost);
}
