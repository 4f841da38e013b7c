/* SPDX-License-Identifier: MIT */
#include "db/migrate.h"
#include "base/util.h"
#include "db/db.h"
#include <stddef.h>
#include <stdlib.h>

/* Tables as schema.sql has them. SQLite cannot change a constraint: a table whose UNIQUE grows
 * is copied. legacy_alter_table: a rename must not look into views that are renewed anyway. */
static const char to_3[] =
    "PRAGMA legacy_alter_table = ON;\n"
    "ALTER TABLE source ADD COLUMN quick INTEGER;\n"
    "ALTER TABLE model ADD COLUMN reduction TEXT NOT NULL DEFAULT 'auto'\n"
    "    CHECK (reduction IN ('auto', 'single', 'folds'));\n"
    "ALTER TABLE model ADD COLUMN tags TEXT;\n"
    "ALTER TABLE reducer ADD COLUMN protocol TEXT NOT NULL DEFAULT 'crossfit'\n"
    "    CHECK (protocol IN ('crossfit', 'paper'));\n"
    "ALTER TABLE reducer ADD COLUMN choice_loss REAL;\n"
    "CREATE TABLE block (name TEXT PRIMARY KEY, inputs TEXT NOT NULL, summaries TEXT,\n"
    "    captions TEXT, text_encoder TEXT, image_encoder TEXT, note TEXT) STRICT;\n"
    "CREATE TABLE experiment_3 (id INTEGER PRIMARY KEY, model TEXT NOT NULL REFERENCES model,\n"
    "    weighting TEXT NOT NULL DEFAULT 'basic'\n"
    "        CHECK (weighting IN ('basic', 'sqrt', 'none')),\n"
    "    dropout REAL NOT NULL DEFAULT 0.1 CHECK (dropout >= 0 AND dropout < 1),\n"
    "    seed INTEGER NOT NULL DEFAULT 1, lr REAL NOT NULL DEFAULT 0.01 CHECK (lr > 0),\n"
    "    batch INTEGER NOT NULL DEFAULT 2048 CHECK (batch > 0),\n"
    "    protocol TEXT NOT NULL DEFAULT 'crossfit'\n"
    "        CHECK (protocol IN ('crossfit', 'paper')),\n"
    "    asked_by TEXT NOT NULL DEFAULT 'user',\n"
    "    stopping TEXT NOT NULL DEFAULT 'fpr' CHECK (stopping IN ('fpr', 'loss')),\n"
    "    decay REAL NOT NULL DEFAULT 0 CHECK (decay >= 0),\n"
    "    UNIQUE (model, weighting, dropout, seed, lr, batch, protocol, stopping, decay)) STRICT;\n"
    "INSERT INTO experiment_3 SELECT *, 'fpr', 0 FROM experiment;\n"
    "DROP TABLE experiment;\n"
    "ALTER TABLE experiment_3 RENAME TO experiment;\n"
    "CREATE TABLE reliability (run_id INTEGER NOT NULL, split TEXT NOT NULL\n"
    "    CHECK (split IN ('train', 'val', 'test')), bin INTEGER NOT NULL, n INTEGER NOT NULL,\n"
    "    p REAL NOT NULL, positive REAL NOT NULL, PRIMARY KEY (run_id, split, bin))\n"
    "    STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE comparison (id INTEGER PRIMARY KEY, protocol TEXT NOT NULL,\n"
    "    question TEXT NOT NULL CHECK (question IN ('cell', 'best', 'ranking', 'claim')),\n"
    "    a TEXT NOT NULL, b TEXT NOT NULL, setting_a TEXT NOT NULL, setting_b TEXT NOT NULL,\n"
    "    metric TEXT NOT NULL, seeds INTEGER NOT NULL, rows INTEGER NOT NULL,\n"
    "    users INTEGER NOT NULL, value_a REAL, value_b REAL, diff REAL, lo REAL, hi REAL,\n"
    "    sd REAL, resamples INTEGER NOT NULL,\n"
    "    UNIQUE (protocol, question, a, b, setting_a, setting_b, metric)) STRICT;\n"
    "CREATE TABLE probe (protocol TEXT NOT NULL, folds INTEGER NOT NULL,\n"
    "    permutations INTEGER NOT NULL, auc REAL, sd REAL, digest BLOB NOT NULL,\n"
    "    PRIMARY KEY (protocol)) STRICT, WITHOUT ROWID;\n"
    "INSERT INTO generation VALUES ('block', '0', 1), ('comparison', '0', 1), ('probe', '0', 1);\n"
    "PRAGMA legacy_alter_table = OFF";

/* No service existed before, so llm_answer and llm_batch are empty. */
static const char to_4[] =
    "DROP TABLE llm_answer; DROP TABLE llm_batch;\n"
    "CREATE TABLE llm_answer ( id INTEGER PRIMARY KEY, digest BLOB NOT NULL CHECK "
    "    (length(digest) = 32), nth INTEGER NOT NULL CHECK (nth >= 0), task TEXT NOT NULL, "
    "    requested TEXT NOT NULL, request TEXT NOT NULL, answer TEXT, verdict TEXT, "
    "    finish_reason TEXT, model TEXT, fingerprint TEXT, attempts INTEGER NOT NULL, "
    "    tokens_in INTEGER NOT NULL, tokens_cached INTEGER NOT NULL, tokens_out INTEGER "
    "    NOT NULL, bytes_in INTEGER NOT NULL, usd REAL NOT NULL, latency_s REAL NOT NULL, "
    "    uses INTEGER NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('openai', 'batch', "
    "    'import')), at INTEGER NOT NULL, UNIQUE (digest, nth) ) STRICT;\n"
    "CREATE TABLE budget ( stage TEXT PRIMARY KEY, spent_usd REAL NOT NULL, held_usd REAL "
    "    NOT NULL, lost_usd REAL NOT NULL ) STRICT;\n"
    "CREATE TABLE llm_batch ( id INTEGER PRIMARY KEY, stage TEXT NOT NULL, state TEXT NOT "
    "    NULL CHECK (state IN ('filled', 'uploaded', 'sent', 'ended', 'done')), spool TEXT "
    "    NOT NULL, file TEXT, remote TEXT UNIQUE, output TEXT, errors TEXT, outcome TEXT, "
    "    requests INTEGER NOT NULL, bytes INTEGER NOT NULL, held_usd REAL NOT NULL, at "
    "    INTEGER NOT NULL ) STRICT;\n"
    "CREATE TABLE llm_batch_request ( digest BLOB NOT NULL CHECK (length(digest) = 32), "
    "    nth INTEGER NOT NULL, batch_id INTEGER NOT NULL, task TEXT NOT NULL, request TEXT "
    "    NOT NULL, bytes_in INTEGER NOT NULL, PRIMARY KEY (digest, nth) ) STRICT, WITHOUT "
    "    ROWID;\n"
    "CREATE INDEX llm_batch_request_batch ON llm_batch_request (batch_id);\n"
    "ALTER TABLE summary ADD COLUMN recipe TEXT;\n"
    "ALTER TABLE price_tag ADD COLUMN answer_id INTEGER;\n"
    "ALTER TABLE price_tag ADD COLUMN recipe TEXT;\n"
    "ALTER TABLE category ADD COLUMN answer_id INTEGER;\n"
    "ALTER TABLE category ADD COLUMN recipe TEXT;\n"
    "ALTER TABLE caption ADD COLUMN recipe TEXT";

/* step[i] leads from version i + 1 to i + 2. Views are renewed by db_open afterwards. */
static const char *const step[] = {
    "ALTER TABLE source ADD COLUMN bad_times INTEGER NOT NULL DEFAULT 0",
    to_3,
    to_4,
    "ALTER TABLE caption ADD COLUMN flaw TEXT",
};

int migrate(struct db *db, int from, struct err *e)
{
    if (from < 1 || from > (int)ARRAY_LEN(step))
        return err_set(e, "%s: schema version %d, and no way from there to %d; "
                          "keep the file and start a new one with DB=",
                       db_path(db), from, DB_SCHEMA_VERSION);
    db_begin(db);
    for (int v = from; v < DB_SCHEMA_VERSION; v++)
        db_exec(db, step[v - 1]);
    db_triggers_on(db, ""); /* a table that was made anew has lost them */
    char *pragma = xasprintf("PRAGMA user_version = %d", DB_SCHEMA_VERSION);
    db_exec(db, pragma);
    free(pragma);
    db_commit(db);
    info("%s: migrated from schema version %d to %d", db_path(db), from, DB_SCHEMA_VERSION);
    return 0;
}
