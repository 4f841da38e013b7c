-- SPDX-License-Identifier: MIT
-- The one database file of mmrec. This file is its documentation: prose per table, meaning
-- and unit per column. Three parts, each marked: SOURCE AND PAID FOR (never dropped),
-- RECOMPUTABLE (may be emptied, the next make refills it), VIEWS (for people and mm-report;
-- recreated whenever their text here changes). Times are unix seconds, UTC. Digests are
-- SHA-256 (32 bytes). Missing is NULL, never ''. Vectors are little-endian float32.

-- ------------------------------------------------------------------ SOURCE AND PAID FOR

-- What make was told. One row per variable of pipeline.mk that was ever given or defaulted;
-- lower-case names are the tools' own notes. Change a row here and the next make acts on it.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,             -- 'SPLIT_SEED'
    value TEXT NOT NULL,
    at    INTEGER NOT NULL              -- when it was set
) STRICT;

-- The files that were read. A file whose path, size, mtime and inode are as here is not
-- hashed again. All files of one INPUT are read in one transaction: a row here means the
-- file was read to its end.
CREATE TABLE source (
    id        INTEGER PRIMARY KEY,
    path      TEXT NOT NULL UNIQUE,     -- absolute
    format    TEXT NOT NULL,            -- 'google-restaurants', 'table', 'manifest'
    role      TEXT NOT NULL,            -- 'reviews', 'more-reviews', 'photos'
    bytes     INTEGER NOT NULL,
    mtime_ns  INTEGER NOT NULL,
    inode     INTEGER NOT NULL,
    digest    BLOB NOT NULL CHECK (length(digest) = 32),
    records   INTEGER NOT NULL,         -- read right
    rejects   INTEGER NOT NULL,         -- rows of table reject
    merged    INTEGER NOT NULL,         -- records that were already there (history, repeats)
    repaired  INTEGER NOT NULL,         -- characters replaced by U+FFFD
    note      TEXT,                     -- the column map that was used
    bad_times INTEGER NOT NULL DEFAULT 0, -- times that were there and could not be read
    quick     INTEGER                   -- a fast digest (XXH3) of the same bytes; NULL: none yet
) STRICT;

CREATE TABLE user (
    id   INTEGER PRIMARY KEY,
    key  TEXT NOT NULL UNIQUE           -- the source's id or name
) STRICT;

CREATE TABLE business (
    id         INTEGER PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,
    name       TEXT,
    categories TEXT,                    -- as the source has them
    price      TEXT                     -- as the source has it
) STRICT;

-- Every text and photo content that anything was or will be computed from, once.
CREATE TABLE content (
    id     INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    bytes  INTEGER NOT NULL
) STRICT;

-- One row per review. labelled = 1: the rating is a target (split train, val or test).
-- labelled = 0: only its text and photos count (history reviews); where the same user also
-- has a labelled review of the same business, it carries that one's split and fold, so that
-- it is never visible where the label is hidden; else split is 'none': visible to all.
CREATE TABLE review (
    id          INTEGER PRIMARY KEY,
    user_id     INTEGER NOT NULL REFERENCES user,
    business_id INTEGER NOT NULL REFERENCES business,
    at          INTEGER NOT NULL,       -- 0 = the source has no time
    nth         INTEGER NOT NULL,       -- 0, 1, ... among equal (user, business, at)
    key         TEXT,                   -- the source's own review id
    labelled    INTEGER NOT NULL CHECK (labelled IN (0, 1)),
    rating      REAL CHECK (rating BETWEEN 0 AND 5), -- stars
    positive    INTEGER CHECK (positive IN (0, 1)),  -- rating >= POSITIVE; labelled rows
    split       TEXT NOT NULL CHECK (split IN ('train', 'val', 'test', 'none')),
    fold        INTEGER,                -- 0..FOLDS-1, rows of split train only
    content_id  INTEGER REFERENCES content,          -- of text; NULL: no text
    source_id   INTEGER NOT NULL,
    line        INTEGER NOT NULL,       -- line of the file, record number in a one-line JSON
    text        TEXT,
    CHECK (labelled = 0 OR (rating IS NOT NULL AND positive IS NOT NULL AND split <> 'none'))
) STRICT;
CREATE UNIQUE INDEX review_who ON review (user_id, business_id, at, nth);
CREATE UNIQUE INDEX review_key ON review (key) WHERE key IS NOT NULL;
CREATE INDEX review_business ON review (business_id);
CREATE INDEX review_content ON review (content_id);

-- One row per photo that a review or a manifest names.
CREATE TABLE image (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL,          -- the source's photo id
    review_id   INTEGER,                -- of its business; NULL: belongs to the business itself
    business_id INTEGER REFERENCES business, -- NULL: named by a manifest only
    path        TEXT,                   -- below IMAGES; '': the manifest says it is gone
    caption     TEXT,                   -- that came with the data
    state       TEXT NOT NULL CHECK (state IN ('ok', 'missing', 'refused')),
    reason      TEXT,                   -- why it is not ok
    bytes       INTEGER,
    mtime_ns    INTEGER,
    inode       INTEGER,
    content_id  INTEGER REFERENCES content   -- of the file's bytes; NULL unless ok
) STRICT;
CREATE UNIQUE INDEX image_key ON image (key);
CREATE INDEX image_business ON image (business_id);
CREATE INDEX image_content ON image (content_id) WHERE content_id IS NOT NULL;

-- Records that could not be used. Nothing read is silently dropped.
CREATE TABLE reject (
    id        INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL,
    line      INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    excerpt   TEXT NOT NULL             -- at most 200 bytes
) STRICT;

-- Answers that were paid for, kept byte for byte: one row per answer, also of those that could
-- not be used (verdict). Only backends with a service write here, and nothing ever deletes.
-- digest is the SHA-256 of `request`; the same request is never sent twice, but an answer that
-- cannot be used is asked for again with the reason stated (nth).
CREATE TABLE llm_answer (
    id            INTEGER PRIMARY KEY,
    digest        BLOB NOT NULL CHECK (length(digest) = 32), -- of request
    nth           INTEGER NOT NULL CHECK (nth >= 0),
    task          TEXT NOT NULL,        -- 'user', 'business', 'price', 'category', 'caption'
    requested     TEXT NOT NULL,        -- the model asked for
    request       TEXT NOT NULL,        -- JSON: prompt file's digest, ordered content digests
    answer        TEXT,                 -- NULL: none was given (a refusal, too long)
    verdict       TEXT,                 -- NULL: usable; else what was wrong with it
    finish_reason TEXT,
    model         TEXT,                 -- as the service reported it
    fingerprint   TEXT,                 -- system_fingerprint
    attempts      INTEGER NOT NULL,     -- HTTP requests until it was there
    tokens_in     INTEGER NOT NULL,     -- as reported; else a quarter of the bytes
    tokens_cached INTEGER NOT NULL,     -- of these, from the service's cache
    tokens_out    INTEGER NOT NULL,
    bytes_in      INTEGER NOT NULL,     -- of the messages: what estimates of tokens learn from
    usd           REAL NOT NULL,        -- by prices.tsv of that day
    latency_s     REAL NOT NULL,
    uses          INTEGER NOT NULL,     -- times it served without a call
    origin        TEXT NOT NULL CHECK (origin IN ('openai', 'batch', 'import')),
    at            INTEGER NOT NULL,
    UNIQUE (digest, nth)
) STRICT;

-- Money, one row per stage that spends it. held: reserved for what is under way; the sum of all
-- columns never passes BUDGET. lost: what was held by a run that was killed (it may have been
-- billed); set it to 0 to have it back.
CREATE TABLE budget (
    stage     TEXT PRIMARY KEY,
    spent_usd REAL NOT NULL,
    held_usd  REAL NOT NULL,
    lost_usd  REAL NOT NULL
) STRICT;

-- Batches at the service, and the requests of each: those of a batch that is not yet 'done' are
-- not asked again.
CREATE TABLE llm_batch (
    id       INTEGER PRIMARY KEY,
    stage    TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN
        ('filled', 'uploaded', 'sent', 'ended', 'done')), -- next: upload, create, wait, fetch
    spool    TEXT NOT NULL,             -- file of requests, below DB.d
    file     TEXT,                      -- the service's ids: of the uploaded file,
    remote   TEXT UNIQUE,               -- of the batch,
    output   TEXT,                      -- of the files of results and errors
    errors   TEXT,
    outcome  TEXT,                      -- 'completed', 'expired', 'failed: ...'
    requests INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    held_usd REAL NOT NULL,
    at       INTEGER NOT NULL           -- of the last change of state
) STRICT;

CREATE TABLE llm_batch_request (
    digest   BLOB NOT NULL CHECK (length(digest) = 32),
    nth      INTEGER NOT NULL,
    batch_id INTEGER NOT NULL,
    task     TEXT NOT NULL,
    request  TEXT NOT NULL,
    bytes_in INTEGER NOT NULL,
    PRIMARY KEY (digest, nth)
) STRICT, WITHOUT ROWID;
CREATE INDEX llm_batch_request_batch ON llm_batch_request (batch_id);

-- How a thing was computed. A result of another method lives beside it; "current" is the
-- one the settings chose when its stage last ran.
CREATE TABLE method (
    id      INTEGER PRIMARY KEY,
    task    TEXT NOT NULL,              -- summary, price, category, caption, text, image
    name    TEXT NOT NULL,              -- 'extractive', 'hash', 'dataset', ...
    version INTEGER NOT NULL,           -- of the algorithm
    params  TEXT NOT NULL,              -- JSON; the file digest for weights and prompts
    dim     INTEGER,                    -- floats a vector, for encoders
    note    TEXT,                       -- said aloud: what it is, what it fell back from
    current INTEGER NOT NULL DEFAULT 0 CHECK (current IN (0, 1)),
    UNIQUE (task, name, version, params)
) STRICT;
CREATE UNIQUE INDEX method_current ON method (task) WHERE current = 1;

-- A block is a vector that a reducer makes of some inputs: user_summary, business_summary,
-- captions, user_reviews, business_reviews, photos. NULL is the current method of the
-- settings; a name is that method's latest, if its rows are complete. So two encoders, or two
-- writers of summaries, are compared by two blocks and two models.
CREATE TABLE block (
    name          TEXT PRIMARY KEY,
    inputs        TEXT NOT NULL,        -- names of inputs, separated by blanks
    summaries     TEXT,                 -- 'extractive', ...: who wrote the summaries
    captions      TEXT,                 -- 'dataset', ...: who wrote the captions
    text_encoder  TEXT,                 -- 'minilm', 'hash', ...
    image_encoder TEXT,                 -- 'resnet50', 'descriptor', ...
    note          TEXT
) STRICT;

-- A model is a row naming its inputs, an experiment is a row naming a model and a setting:
-- INSERT one and the next make trains it.
CREATE TABLE model (
    name        TEXT PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('dlrm', 'logistic', 'means', 'majority')),
    dense       TEXT NOT NULL,          -- names of dense features, separated by blanks
    sparse      INTEGER NOT NULL CHECK (sparse IN (0, 1)), -- categories or not
    blocks      TEXT NOT NULL,          -- names of blocks, separated by blanks
    interaction TEXT NOT NULL DEFAULT 'dot' CHECK (interaction IN ('dot', 'cat')),
    note        TEXT,
    -- How its blocks come to 32 numbers. single: one reducer for all rows, the paper's way and
    -- always that of the paper's protocol; folds: a row of fold k by a reducer that has not
    -- seen fold k, turned onto the axes of the one for all; auto: single for a DLRM that stops
    -- as the paper's does, folds for others.
    reduction   TEXT NOT NULL DEFAULT 'auto' CHECK (reduction IN ('auto', 'single', 'folds')),
    tags        TEXT                    -- whose price tags and categories; NULL: the current
) STRICT;

CREATE TABLE experiment (
    id        INTEGER PRIMARY KEY,
    model     TEXT NOT NULL REFERENCES model,
    weighting TEXT NOT NULL DEFAULT 'basic' CHECK (weighting IN ('basic', 'sqrt', 'none')),
    dropout   REAL NOT NULL DEFAULT 0.1 CHECK (dropout >= 0 AND dropout < 1),
    seed      INTEGER NOT NULL DEFAULT 1,    -- of training; the split has its own
    lr        REAL NOT NULL DEFAULT 0.01 CHECK (lr > 0),
    batch     INTEGER NOT NULL DEFAULT 2048 CHECK (batch > 0),  -- rows
    protocol  TEXT NOT NULL DEFAULT 'crossfit' CHECK (protocol IN ('crossfit', 'paper')),
    asked_by  TEXT NOT NULL DEFAULT 'user',  -- 'quick', 'paper', a file, or 'user'
    -- fpr: the paper's rule, the lowest validation false positive rate from epoch 300 on;
    -- loss: the lowest validation loss of any epoch.
    stopping  TEXT NOT NULL DEFAULT 'fpr' CHECK (stopping IN ('fpr', 'loss')),
    decay     REAL NOT NULL DEFAULT 0 CHECK (decay >= 0), -- of weights, times lr, a step
    UNIQUE (model, weighting, dropout, seed, lr, batch, protocol, stopping, decay)
) STRICT;

-- ------------------------------------------------------------------------- RECOMPUTABLE

-- Who sees what, and the sums over it. For a row of split train in fold k the user's and
-- the business's sets are those of fold k (all other folds and the unlabelled rest); rows
-- of val and test see fold -1 (the whole of train and the unlabelled rest). A row for fold
-- k exists only where the entity has a train review in fold k: every other fold equals -1.
-- Kept up to date by mm-ingest.
CREATE TABLE visible (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('user', 'business')),
    entity_id    INTEGER NOT NULL,      -- user.id or business.id
    fold         INTEGER NOT NULL,      -- 0..FOLDS-1, -1 = full
    n_text       INTEGER NOT NULL,      -- visible reviews with a text
    n_labelled   INTEGER NOT NULL,      -- visible train reviews
    n_positive   INTEGER NOT NULL,      -- of these, the positive ones
    rating_sum   REAL NOT NULL,         -- stars, over n_labelled
    text_digest  BLOB NOT NULL CHECK (length(text_digest) = 32), -- of the sorted digests
    n_photo      INTEGER NOT NULL,      -- photos of visible reviews, and the business's own
    photo_digest BLOB NOT NULL CHECK (length(photo_digest) = 32),
    UNIQUE (kind, entity_id, fold)
) STRICT;

-- What a worker really read for one result, for v_leak.
CREATE TABLE reading (
    id         INTEGER PRIMARY KEY,
    visible_id INTEGER NOT NULL,
    what       TEXT NOT NULL,           -- 'summary', 'text-mean', 'photo-mean', ...
    method_id  INTEGER NOT NULL,
    set_digest BLOB NOT NULL,
    review_ids TEXT NOT NULL,           -- JSON array of review.id
    UNIQUE (visible_id, what, method_id)
) STRICT;

CREATE TABLE summary (
    id         INTEGER PRIMARY KEY,
    visible_id INTEGER NOT NULL,
    method_id  INTEGER NOT NULL,
    set_digest BLOB NOT NULL,           -- visible.text_digest that it was made from
    content_id INTEGER NOT NULL,        -- of text
    answer_id  INTEGER,                 -- the paid answer behind it
    text       TEXT NOT NULL,
    recipe     TEXT,                    -- digest of the prompt and how parts were made
    UNIQUE (visible_id, method_id)
) STRICT;
CREATE INDEX summary_content ON summary (content_id);

CREATE TABLE price_tag (
    id         INTEGER PRIMARY KEY,
    visible_id INTEGER NOT NULL,
    method_id  INTEGER NOT NULL,
    set_digest BLOB NOT NULL,
    tag        TEXT NOT NULL CHECK (tag IN ('over-priced', 'fair', 'cheap', 'none')),
    evidence   TEXT,                    -- the words that decided
    answer_id  INTEGER,                 -- the paid answer behind it
    recipe     TEXT,
    UNIQUE (visible_id, method_id)
) STRICT;

-- Up to 11 rows per set. One row with a NULL name means: looked, found none.
CREATE TABLE category (
    id         INTEGER PRIMARY KEY,
    visible_id INTEGER NOT NULL,
    method_id  INTEGER NOT NULL,
    set_digest BLOB NOT NULL,
    position   INTEGER NOT NULL CHECK (position BETWEEN 0 AND 10),
    name       TEXT,
    answer_id  INTEGER,
    recipe     TEXT,
    UNIQUE (visible_id, method_id, position)
) STRICT;

CREATE TABLE caption (
    id         INTEGER PRIMARY KEY,
    image_id   INTEGER NOT NULL,
    method_id  INTEGER NOT NULL,
    content_id INTEGER NOT NULL,        -- of text
    answer_id  INTEGER,
    text       TEXT NOT NULL,
    recipe     TEXT,                    -- what it was made from; blip2: the photo's digest
    flaw       TEXT,                    -- 'circles': says the same again and again, 'cut off':
                                        -- by the limit of tokens; NULL: neither was seen
    UNIQUE (image_id, method_id)
) STRICT;
CREATE INDEX caption_content ON caption (content_id);

-- numpy: frombuffer(vec, '<f4'); sqlite-vec reads the same bytes.
CREATE TABLE embedding (
    id         INTEGER PRIMARY KEY,
    method_id  INTEGER NOT NULL,
    content_id INTEGER NOT NULL,
    vec        BLOB NOT NULL CHECK (length(vec) > 0 AND length(vec) % 4 = 0),
    UNIQUE (method_id, content_id)
) STRICT;

-- Upstream MLPs: weights, and the 32 numbers a review got from them. current: what the
-- experiments read now; one per name, mode and protocol.
CREATE TABLE reducer (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL,       -- 'text', 'image', 'average'
    feature_digest BLOB NOT NULL,       -- of all inputs and labels that it was fitted on
    mode           TEXT NOT NULL,       -- 'single', 'folds': see model.reduction
    inputs         TEXT NOT NULL,       -- 'user summary 384, business summary 384'
    n_in           INTEGER NOT NULL,    -- floats a row
    n_out          INTEGER NOT NULL,
    weights        BLOB NOT NULL,       -- float32, layout in lib/train/mlp.h
    epochs         INTEGER NOT NULL,    -- best epoch on the validation rows
    val_loss       REAL,
    val_auc        REAL,
    current        INTEGER NOT NULL CHECK (current IN (0, 1)),
    protocol       TEXT NOT NULL DEFAULT 'crossfit' CHECK (protocol IN ('crossfit', 'paper')),
    choice_loss    REAL,                -- log loss on validation rows of a logistic regression
                                        -- on the 32 numbers, fitted on the train rows
    UNIQUE (name, feature_digest, mode)
) STRICT;

CREATE TABLE reduced (
    id         INTEGER PRIMARY KEY,
    reducer_id INTEGER NOT NULL,
    review_id  INTEGER NOT NULL,
    known      INTEGER NOT NULL CHECK (known IN (0, 1)), -- 0: nothing visible, zero vector
    vec        BLOB NOT NULL CHECK (length(vec) > 0 AND length(vec) % 4 = 0),
    UNIQUE (reducer_id, review_id)
) STRICT;

-- identity = digest of the experiment row, the model row, the algorithm version and the
-- features read. A run whose features are no longer those of the database is stale: kept,
-- hidden from the views.
CREATE TABLE run (
    id             INTEGER PRIMARY KEY,
    experiment_id  INTEGER NOT NULL,
    identity       BLOB NOT NULL UNIQUE CHECK (length(identity) = 32),
    feature_digest BLOB NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('done', 'failed')),
    reason         TEXT,                -- why it failed
    stale          INTEGER NOT NULL DEFAULT 0 CHECK (stale IN (0, 1)),
    best_epoch     INTEGER,
    epochs         INTEGER,             -- trained in all
    threshold      REAL,                -- chosen on validation; tables use 0.5 as the paper
    degenerate     INTEGER NOT NULL DEFAULT 0 CHECK (degenerate IN (0, 1)), -- one class only
    seconds        REAL NOT NULL,
    backend        TEXT NOT NULL        -- arithmetic library and instruction set
) STRICT;

CREATE TABLE epoch (
    run_id         INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,    -- from 1
    train_loss     REAL,                -- weighted BCE, running mean over the epoch
    val_loss       REAL,
    val_fpr        REAL,
    val_accuracy   REAL,
    val_auc        REAL,
    train_fpr      REAL,                -- measured every 10th epoch
    train_accuracy REAL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;

-- Where an unfinished run stands; removed when the run is done.
CREATE TABLE checkpoint (
    identity BLOB PRIMARY KEY CHECK (length(identity) = 32),
    epoch    INTEGER NOT NULL,
    state    BLOB NOT NULL,             -- layout in lib/train/trainer.h
    at       INTEGER NOT NULL
) STRICT;

CREATE TABLE metric (
    run_id INTEGER NOT NULL,
    split  TEXT NOT NULL CHECK (split IN ('train', 'val', 'test')),
    name   TEXT NOT NULL,               -- accuracy, fpr, loss, auc, pr_auc, fpr_at_tpr90, ...
    value  REAL,                        -- NULL: undefined on these rows
    PRIMARY KEY (run_id, split, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE prediction (
    run_id    INTEGER NOT NULL,
    review_id INTEGER NOT NULL,         -- rows of val and test
    p         REAL NOT NULL,            -- probability of a positive review
    PRIMARY KEY (run_id, review_id)
) STRICT, WITHOUT ROWID;

-- Are predicted probabilities the rates that come true? Bins of equal width over 0..1.
CREATE TABLE reliability (
    run_id   INTEGER NOT NULL,
    split    TEXT NOT NULL CHECK (split IN ('train', 'val', 'test')),
    bin      INTEGER NOT NULL,          -- 0..14: p in (bin/15, (bin+1)/15]
    n        INTEGER NOT NULL,          -- rows
    p        REAL NOT NULL,             -- their mean probability
    positive REAL NOT NULL,             -- share of positives among them
    PRIMARY KEY (run_id, split, bin)
) STRICT, WITHOUT ROWID;

-- Is model a better than model b, on the same rows and seeds? A bootstrap over users; lo and
-- hi bound the middle 95 % of the difference a - b. question 'cell': mean over the seeds of
-- one setting; 'best': the one run of each that validation chose by false positive rate, as
-- the paper does; 'ranking': by AUC; 'claim': the two settings whose printed numbers are the
-- paper's claim.
CREATE TABLE comparison (
    id        INTEGER PRIMARY KEY,
    protocol  TEXT NOT NULL,
    question  TEXT NOT NULL CHECK (question IN ('cell', 'best', 'ranking', 'claim')),
    a         TEXT NOT NULL,            -- model
    b         TEXT NOT NULL,
    setting_a TEXT NOT NULL,            -- 'basic, dropout 0.3, lr 0.01, ...'
    setting_b TEXT NOT NULL,
    metric    TEXT NOT NULL,            -- as in table metric, on the test rows
    seeds     INTEGER NOT NULL,         -- runs of a
    rows      INTEGER NOT NULL,
    users     INTEGER NOT NULL,
    value_a   REAL,
    value_b   REAL,
    diff      REAL,
    lo        REAL,
    hi        REAL,
    sd        REAL,                     -- of the difference over resamples
    resamples INTEGER NOT NULL,         -- in which it was defined
    UNIQUE (protocol, question, a, b, setting_a, setting_b, metric)
) STRICT;

-- What folds cannot hide: how well one who knows the business guesses permuted ratings of the
-- train rows from the mean rating that each row is shown. 0.5 is nothing.
CREATE TABLE probe (
    protocol     TEXT NOT NULL,
    folds        INTEGER NOT NULL,
    permutations INTEGER NOT NULL,
    auc          REAL,                  -- mean over permutations
    sd           REAL,
    digest       BLOB NOT NULL,         -- of rows, folds and ratings
    PRIMARY KEY (protocol)
) STRICT, WITHOUT ROWID;

CREATE TABLE recommendation (
    user_id     INTEGER NOT NULL,
    rank        INTEGER NOT NULL,       -- from 1
    business_id INTEGER NOT NULL,
    run_id      INTEGER NOT NULL,
    score       REAL NOT NULL,
    p           REAL NOT NULL,          -- calibrated
    evidence    TEXT NOT NULL,          -- JSON
    PRIMARY KEY (user_id, rank)
) STRICT, WITHOUT ROWID;

-- One row per item that could not be done. permanent: the same bytes will fail again, so it
-- is not pending until they change; else it is pending until attempts reaches 3. Delete the
-- row to have it tried again.
CREATE TABLE failure (
    id        INTEGER PRIMARY KEY,
    stage     TEXT NOT NULL,
    item      TEXT NOT NULL,            -- 'photo AF1Qip...'
    digest    BLOB,                     -- content and method that failed
    reason    TEXT NOT NULL,
    attempts  INTEGER NOT NULL,
    permanent INTEGER NOT NULL CHECK (permanent IN (0, 1)),
    at        INTEGER NOT NULL,
    UNIQUE (stage, item)
) STRICT;

-- One row per run of a tool. A stage is up to date when its last full run is 'done' and
-- inputs is what mm-status computes now.
CREATE TABLE stage_run (
    id       INTEGER PRIMARY KEY,
    stage    TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'interrupted')),
    full     INTEGER NOT NULL CHECK (full IN (0, 1)), -- 0: --limit or --shard left work
    inputs   TEXT,                      -- tokens and settings it saw
    done     INTEGER NOT NULL DEFAULT 0,
    failed   INTEGER NOT NULL DEFAULT 0,
    started  INTEGER NOT NULL,
    seconds  REAL,
    peak_kib INTEGER,                   -- largest resident set
    threads  INTEGER,
    version  TEXT NOT NULL,
    note     TEXT
) STRICT;

-- A token per table that changes whenever a row of it does, also by hand in the sqlite3
-- shell. Random, so that a restored backup is seen as what it is. A trigger writes a new
-- token only while clean = 1, so a bulk load pays for one; whoever records tokens sets
-- clean back to 1 in the same transaction.
CREATE TABLE generation (
    tbl   TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    clean INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- ----------------------------------------------------------------------------- TRIGGERS
-- (made by db_open from the rows of generation: three a table)
INSERT INTO generation (tbl, token, clean)
SELECT value, '0', 1 FROM json_each('["review", "image", "visible", "summary",
    "price_tag", "category", "caption", "embedding", "reducer", "reduced", "block",
    "model", "experiment", "run", "metric", "prediction", "comparison", "probe", "llm_answer",
    "recommendation"]');

-- -------------------------------------------------------------------------------- VIEWS
-- What is still to do, per stage?
CREATE VIEW v_progress AS
WITH m AS (SELECT task, id FROM method WHERE current = 1),
item(stage, done) AS (
    SELECT 'summarize', EXISTS (SELECT 1 FROM summary s, m WHERE m.task = 'summary'
        AND s.visible_id = v.id AND s.method_id = m.id AND s.set_digest = v.text_digest)
    FROM visible v WHERE v.n_text > 0
    UNION ALL
    SELECT 'caption', EXISTS (SELECT 1 FROM caption c, m WHERE m.task = 'caption'
        AND c.image_id = i.id AND c.method_id = m.id)
    FROM image i WHERE i.business_id IS NOT NULL AND CASE WHEN EXISTS (SELECT 1 FROM method
        WHERE task = 'caption' AND current = 1 AND name <> 'dataset') THEN i.state = 'ok'
        ELSE i.caption IS NOT NULL END
    UNION ALL
    SELECT 'embed', EXISTS (SELECT 1 FROM embedding e, m WHERE m.task = 'text'
        AND e.method_id = m.id AND e.content_id = t.content_id)
    FROM (SELECT content_id FROM review WHERE content_id IS NOT NULL
          UNION SELECT content_id FROM summary UNION SELECT content_id FROM caption) t
    UNION ALL
    SELECT 'embed', EXISTS (SELECT 1 FROM embedding e, m WHERE m.task = 'image'
        AND e.method_id = m.id AND e.content_id = i.content_id)
    FROM (SELECT DISTINCT content_id FROM image
          WHERE state = 'ok' AND business_id IS NOT NULL) i
    UNION ALL
    SELECT 'train', EXISTS (SELECT 1 FROM run r WHERE r.experiment_id = x.id AND r.stale = 0
        AND r.state = 'done')
    FROM experiment x
)
SELECT stage, sum(done) AS done,
       max(0, count(*) - sum(done) - coalesce((SELECT count(*) FROM failure f
           WHERE f.stage = item.stage AND f.permanent = 1), 0)) AS pending,
       coalesce((SELECT count(*) FROM failure f WHERE f.stage = item.stage), 0) AS failed,
       (SELECT max(started) FROM stage_run r WHERE r.stage = item.stage) AS last_started,
       -- what did it, and what that stands in for
       (SELECT group_concat(note, '; ') FROM (SELECT DISTINCT note FROM method WHERE current = 1
           AND task IN (SELECT value FROM json_each(CASE item.stage
               WHEN 'summarize' THEN '["summary", "price", "category"]'
               WHEN 'caption' THEN '["caption"]' WHEN 'embed' THEN '["text", "image"]'
               ELSE '[]' END)) ORDER BY task DESC)) AS means
FROM item GROUP BY stage;

-- What failed, and will it be tried again?
CREATE VIEW v_failure AS
SELECT stage, item, reason, attempts,
       CASE WHEN permanent THEN 'no: the same bytes would fail again'
            WHEN attempts >= 3 THEN 'no: 3 attempts' ELSE 'yes' END AS tried_again,
       datetime(at, 'unixepoch') AS at
FROM failure ORDER BY stage, item;

-- Which records of which file were not used, and why?
CREATE VIEW v_reject AS
SELECT s.path, r.line, r.reason, r.excerpt
FROM reject r JOIN source s ON s.id = r.source_id ORDER BY s.path, r.line;

-- What was paid, and what did the cache save? An answer that was imported cost nothing here;
-- the first use of one that came in a batch is what it was made for.
CREATE VIEW v_cost AS
SELECT task AS stage, coalesce(model, requested) AS model, count(*) AS requests,
       sum(tokens_in + tokens_out) AS tokens,
       total(CASE origin WHEN 'import' THEN 0 ELSE usd END) AS usd,
       total(usd * saved) AS usd_saved, sum(saved) AS uses,
       sum(verdict IS NOT NULL) AS unusable, sum(attempts) AS http_requests,
       round(avg(latency_s), 3) AS mean_latency_s
FROM (SELECT *, max(0, uses - (origin = 'batch')) AS saved FROM llm_answer) GROUP BY 1, 2;

-- Did anything that describes a row read that row's own label side? Must be empty.
-- A set of fold k must not have read labelled reviews of fold k (by time: of fold k and later),
-- nor any of val and test. A review whose very text an allowed review of the same user or
-- business also has is no leak: sets are known by content. And the sums kept in visible must
-- be those of the rows allowed to it.
CREATE VIEW v_leak AS
SELECT d.what, v.kind, v.entity_id, v.fold, r.id AS review_id, r.split, r.fold AS review_fold
FROM reading d JOIN visible v ON v.id = d.visible_id, json_each(d.review_ids) j
JOIN review r ON r.id = j.value
WHERE (r.split IN ('val', 'test') OR (r.split = 'train' AND v.fold >= 0 AND
    CASE WHEN (SELECT value FROM setting WHERE name = 'split_by_time') = '1'
    THEN r.fold >= v.fold ELSE r.fold = v.fold END))
AND NOT EXISTS (SELECT 1 FROM review o WHERE o.content_id = r.content_id AND o.id <> r.id
    AND CASE v.kind WHEN 'user' THEN o.user_id ELSE o.business_id END = v.entity_id
    AND (o.split = 'none' OR (o.split = 'train' AND (v.fold = -1 OR
    CASE WHEN (SELECT value FROM setting WHERE name = 'split_by_time') = '1'
    THEN o.fold < v.fold ELSE o.fold <> v.fold END))))
UNION ALL
SELECT 'rating-mean', v.kind, v.entity_id, v.fold, NULL, NULL, NULL
FROM visible v WHERE v.kind = 'user' AND (v.n_labelled, round(v.rating_sum, 6)) IS NOT (
    SELECT count(*), round(coalesce(sum(r.rating), 0), 6) FROM review r
    WHERE r.user_id = v.entity_id AND r.labelled = 1 AND r.split = 'train' AND (v.fold = -1 OR
    CASE WHEN (SELECT value FROM setting WHERE name = 'split_by_time') = '1'
    THEN r.fold < v.fold ELSE r.fold <> v.fold END))
UNION ALL
SELECT 'rating-mean', v.kind, v.entity_id, v.fold, NULL, NULL, NULL
FROM visible v WHERE v.kind = 'business' AND (v.n_labelled, round(v.rating_sum, 6)) IS NOT (
    SELECT count(*), round(coalesce(sum(r.rating), 0), 6) FROM review r
    WHERE r.business_id = v.entity_id AND r.labelled = 1 AND r.split = 'train' AND
    (v.fold = -1 OR CASE WHEN (SELECT value FROM setting WHERE name = 'split_by_time') = '1'
    THEN r.fold < v.fold ELSE r.fold <> v.fold END));

-- One line per experiment cell and split; v_table1 and v_table2 pick the split. setting says
-- how it was trained, and where that is not the paper's way: stopping on loss (then, unless
-- the model says otherwise, with reducers of folds), weight decay.
CREATE VIEW v_cell AS
WITH one AS (
    SELECT r.id AS run_id, r.identity, m.split, x.protocol, x.model, x.weighting, x.dropout,
        x.seed, x.lr, x.batch, x.stopping, x.decay, r.degenerate,
        max(CASE m.name WHEN 'accuracy' THEN m.value END) AS accuracy,
        max(CASE m.name WHEN 'fpr' THEN m.value END) AS fpr,
        max(CASE m.name WHEN 'loss' THEN m.value END) AS loss,
        max(CASE m.name WHEN 'auc' THEN m.value END) AS auc,
        max(CASE m.name WHEN 'fpr_at_tpr90' THEN m.value END) AS fpr_at_tpr90,
        (SELECT v.value FROM metric v WHERE v.run_id = r.id AND v.split = 'val'
            AND v.name = 'fpr') AS val_fpr,
        (SELECT v.value FROM metric v WHERE v.run_id = r.id AND v.split = 'val'
            AND v.name = 'loss') AS val_loss
    FROM run r JOIN experiment x ON x.id = r.experiment_id JOIN metric m ON m.run_id = r.id
    WHERE r.stale = 0 AND r.state = 'done'
    GROUP BY r.id, m.split
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY split, protocol, model, weighting, dropout, lr,
        batch, stopping, decay
        ORDER BY degenerate, val_fpr IS NULL, val_fpr, val_loss, seed, identity) AS place
    FROM one
)
SELECT split, protocol, format('lr %g, batch %d', lr, batch)
    || CASE stopping WHEN 'fpr' THEN '' ELSE ', stopping ' || stopping END
    || CASE decay WHEN 0 THEN '' ELSE format(', decay %g', decay) END
    || CASE d.reduction WHEN 'auto' THEN '' ELSE ', reduction ' || d.reduction END AS setting,
    model, weighting, dropout, count(*) AS runs,
    avg(accuracy) AS accuracy,
    sqrt(max(0, avg(accuracy * accuracy) - avg(accuracy) * avg(accuracy))
         * count(*) / nullif(count(*) - 1, 0)) AS accuracy_sd,
    avg(fpr) AS fpr,
    sqrt(max(0, avg(fpr * fpr) - avg(fpr) * avg(fpr))
         * count(*) / nullif(count(*) - 1, 0)) AS fpr_sd,
    avg(loss) AS loss,
    sqrt(max(0, avg(loss * loss) - avg(loss) * avg(loss))
         * count(*) / nullif(count(*) - 1, 0)) AS loss_sd,
    avg(auc) AS auc,
    sqrt(max(0, avg(auc * auc) - avg(auc) * avg(auc))
         * count(*) / nullif(count(*) - 1, 0)) AS auc_sd,
    avg(fpr_at_tpr90) AS fpr_at_tpr90,
    max(CASE WHEN place = 1 THEN accuracy END) AS best_accuracy,
    max(CASE WHEN place = 1 THEN fpr END) AS best_fpr,
    max(CASE WHEN place = 1 THEN loss END) AS best_loss,
    sum(degenerate) AS degenerate, lr, batch, stopping, decay, d.reduction, d.kind
FROM ranked JOIN model d ON d.name = model
GROUP BY split, protocol, lr, batch, stopping, decay, model, weighting, dropout;

-- How sure is a mean over training seeds? mean -+ t s / sqrt(n) with Student's t of n - 1
-- degrees of freedom at 97.5 %: the interval of 95 % for the seeds' mean, on this very split
-- (other users: table comparison). NULL below two seeds. Up to 30 degrees the point is from a
-- table, beyond by Abramowitz and Stegun 26.7.5, off by less than 0.000002.
CREATE VIEW v_seed_interval AS
WITH student (df, t) AS (VALUES
    (1, 12.70620474), (2, 4.30265273), (3, 3.182446305), (4, 2.776445105),
    (5, 2.570581836), (6, 2.446911851), (7, 2.364624252), (8, 2.306004135),
    (9, 2.262157163), (10, 2.228138852), (11, 2.20098516), (12, 2.17881283),
    (13, 2.160368656), (14, 2.144786688), (15, 2.131449546), (16, 2.119905299),
    (17, 2.109815578), (18, 2.10092204), (19, 2.093024054), (20, 2.085963447),
    (21, 2.079613845), (22, 2.073873068), (23, 2.06865761), (24, 2.063898562),
    (25, 2.059538553), (26, 2.055529439), (27, 2.051830516), (28, 2.048407142),
    (29, 2.045229642), (30, 2.042272456)
), mean AS (
    SELECT m.split, x.protocol, x.model, x.weighting, x.dropout, x.lr, x.batch, x.stopping,
        x.decay, m.name AS metric, m.value, avg(m.value) OVER cell AS mean,
        count(m.value) OVER cell AS seeds
    FROM run r JOIN experiment x ON x.id = r.experiment_id JOIN metric m ON m.run_id = r.id
    WHERE r.stale = 0 AND r.state = 'done'
    WINDOW cell AS (PARTITION BY m.split, x.protocol, x.model, x.weighting, x.dropout, x.lr,
        x.batch, x.stopping, x.decay, m.name)
), spread AS (
    SELECT *, sqrt(sum((value - mean) * (value - mean)) / nullif(seeds - 1, 0)) AS sd,
        seeds - 1 AS df, 1.959963984540054 AS x
    FROM mean GROUP BY split, protocol, model, weighting, dropout, lr, batch, stopping, decay,
        metric
), half AS (
    SELECT *, sd / sqrt(seeds) * coalesce((SELECT t FROM student s WHERE s.df = p.df),
        x + (x*x*x + x) / (4.0*df) + (5*x*x*x*x*x + 16*x*x*x + 3*x) / (96.0*df*df)
        + (3*x*x*x*x*x*x*x + 19*x*x*x*x*x + 17*x*x*x - 15*x) / (384.0*df*df*df)) AS h
    FROM spread p
)
SELECT split, protocol, model, weighting, dropout, lr, batch, stopping, decay, metric, seeds,
    mean, sd, mean - h AS lo, mean + h AS hi
FROM half;

-- The 48 rows that the paper prints in its Tables I and II, in per cent, on its own data.
-- The scale of its loss is not explained there: shown, never compared.
CREATE VIEW v_printed (split, model, weighting, dropout, accuracy, fpr, loss) AS VALUES
    ('train', 'proposed', 'basic', 0.1, 91.62, 2.02, 2.7),
    ('train', 'proposed', 'basic', 0.3, 88.11, 4.14, 4.08),
    ('train', 'proposed', 'basic', 0.5, 86.06, 7.06, 5.28),
    ('train', 'proposed', 'sqrt', 0.1, 95.95, 4.36, 4.36),
    ('train', 'proposed', 'sqrt', 0.3, 94.14, 13.69, 6.35),
    ('train', 'proposed', 'sqrt', 0.5, 91.95, 18.87, 9.19),
    ('train', 'baseline', 'basic', 0.1, 92.51, 26.58, 6.35),
    ('train', 'baseline', 'basic', 0.3, 92.39, 27.82, 6.82),
    ('train', 'baseline', 'basic', 0.5, 92.23, 28.27, 6.97),
    ('train', 'baseline', 'sqrt', 0.1, 94.12, 29.01, 10.46),
    ('train', 'baseline', 'sqrt', 0.3, 93.97, 31.02, 11.07),
    ('train', 'baseline', 'sqrt', 0.5, 94.06, 33.49, 11.54),
    ('train', 'proposed-text', 'basic', 0.1, 94.69, 0.70, 1.74),
    ('train', 'proposed-text', 'basic', 0.3, 87.78, 2.68, 3.76),
    ('train', 'proposed-text', 'basic', 0.5, 83.20, 4.31, 5.35),
    ('train', 'proposed-text', 'sqrt', 0.1, 97.38, 3.67, 2.88),
    ('train', 'proposed-text', 'sqrt', 0.3, 93.98, 8.95, 6.09),
    ('train', 'proposed-text', 'sqrt', 0.5, 92.99, 24.56, 8.65),
    ('train', 'proposed-image', 'basic', 0.1, 69.32, 8.77, 8.14),
    ('train', 'proposed-image', 'basic', 0.3, 63.52, 12.38, 9.45),
    ('train', 'proposed-image', 'basic', 0.5, 60.33, 18.25, 10.51),
    ('train', 'proposed-image', 'sqrt', 0.1, 90.26, 54.93, 13.68),
    ('train', 'proposed-image', 'sqrt', 0.3, 89.47, 62.06, 16.21),
    ('train', 'proposed-image', 'sqrt', 0.5, 88.57, 71.56, 18.22),
    ('test', 'proposed', 'basic', 0.1, 85.27, 27.22, 50.1),
    ('test', 'proposed', 'basic', 0.3, 84.02, 20.84, 30.6),
    ('test', 'proposed', 'basic', 0.5, 83.48, 18.16, 15.9),
    ('test', 'proposed', 'sqrt', 0.1, 88.05, 38.68, 66.5),
    ('test', 'proposed', 'sqrt', 0.3, 89.15, 36.42, 49.6),
    ('test', 'proposed', 'sqrt', 0.5, 89.02, 31.82, 23.7),
    ('test', 'baseline', 'basic', 0.1, 91.36, 31.80, 9.32),
    ('test', 'baseline', 'basic', 0.3, 91.89, 31.74, 7.66),
    ('test', 'baseline', 'basic', 0.5, 91.83, 31.79, 7.64),
    ('test', 'baseline', 'sqrt', 0.1, 92.96, 35.26, 14.5),
    ('test', 'baseline', 'sqrt', 0.3, 93.26, 35.66, 12.6),
    ('test', 'baseline', 'sqrt', 0.5, 93.47, 37.58, 12.5),
    ('test', 'proposed-text', 'basic', 0.1, 84.17, 38.68, 63.9),
    ('test', 'proposed-text', 'basic', 0.3, 81.59, 26.80, 36),
    ('test', 'proposed-text', 'basic', 0.5, 79.10, 19.09, 24.1),
    ('test', 'proposed-text', 'sqrt', 0.1, 86.53, 48.84, 88.2),
    ('test', 'proposed-text', 'sqrt', 0.3, 87.01, 40.90, 50.8),
    ('test', 'proposed-text', 'sqrt', 0.5, 88.15, 44.66, 36),
    ('test', 'proposed-image', 'basic', 0.1, 59.80, 38.53, 34.6),
    ('test', 'proposed-image', 'basic', 0.3, 58.15, 32.68, 25.8),
    ('test', 'proposed-image', 'basic', 0.5, 57.84, 28.30, 21.9),
    ('test', 'proposed-image', 'sqrt', 0.1, 84.92, 76.23, 49.1),
    ('test', 'proposed-image', 'sqrt', 0.3, 85.79, 76.08, 37.5),
    ('test', 'proposed-image', 'sqrt', 0.5, 86.53, 79.72, 28.6);

-- What do Tables I (train) and II (test) of the paper look like on this data? Rates are
-- fractions. The printed values are the paper's, on its own data.
CREATE VIEW v_table1 AS
SELECT c.protocol, c.setting, c.model, c.weighting, c.dropout, c.runs, c.accuracy,
    c.accuracy_sd, c.fpr, c.fpr_sd, c.loss, c.loss_sd, c.auc, c.auc_sd, c.fpr_at_tpr90,
    c.best_accuracy, c.best_fpr, c.best_loss, p.accuracy / 100 AS printed_accuracy,
    p.fpr / 100 AS printed_fpr, p.loss AS printed_loss
FROM v_cell c LEFT JOIN v_printed p ON p.split = 'train' AND p.model = c.model
    AND p.weighting = c.weighting AND p.dropout = c.dropout
WHERE c.split = 'train';

CREATE VIEW v_table2 AS
SELECT c.protocol, c.setting, c.model, c.weighting, c.dropout, c.runs, c.accuracy,
    c.accuracy_sd, c.fpr, c.fpr_sd, c.loss, c.loss_sd, c.auc, c.auc_sd, c.fpr_at_tpr90,
    c.best_accuracy, c.best_fpr, c.best_loss, p.accuracy / 100 AS printed_accuracy,
    p.fpr / 100 AS printed_fpr, p.loss AS printed_loss
FROM v_cell c LEFT JOIN v_printed p ON p.split = 'test' AND p.model = c.model
    AND p.weighting = c.weighting AND p.dropout = c.dropout
WHERE c.split = 'test';

-- What does the model know of each user?
CREATE VIEW v_user AS
SELECT u.id, u.key, v.n_text AS texts, v.n_labelled AS train_reviews,
    v.rating_sum / nullif(v.n_labelled, 0) AS mean_rating,
    (SELECT s.text FROM summary s JOIN method m ON m.id = s.method_id AND m.current = 1
        WHERE s.visible_id = v.id AND m.task = 'summary') AS summary
FROM user u LEFT JOIN visible v ON v.kind = 'user' AND v.entity_id = u.id AND v.fold = -1;

-- What does the model know of each business?
CREATE VIEW v_business AS
SELECT b.id, b.key, b.name, v.n_text AS texts, v.n_photo AS photos,
    v.n_labelled AS train_reviews, v.rating_sum / nullif(v.n_labelled, 0) AS mean_rating,
    (SELECT p.tag FROM price_tag p JOIN method m ON m.id = p.method_id AND m.current = 1
        WHERE p.visible_id = v.id) AS price,
    (SELECT group_concat(c.name, ', ') FROM category c
        JOIN method m ON m.id = c.method_id AND m.current = 1
        WHERE c.visible_id = v.id) AS categories,
    (SELECT s.text FROM summary s JOIN method m ON m.id = s.method_id AND m.current = 1
        WHERE s.visible_id = v.id AND m.task = 'summary') AS summary
FROM business b LEFT JOIN visible v ON v.kind = 'business' AND v.entity_id = b.id
    AND v.fold = -1;

-- Where does a prediction come from? prediction -> run -> features -> summary -> reviews
-- that were read -> file and line. One line per review that the two summaries read.
CREATE VIEW v_provenance AS
SELECT p.run_id, p.review_id, p.p, x.model, x.seed, hex(r.feature_digest) AS feature_digest,
    v.kind, s.text AS summary, hex(s.set_digest) AS set_digest, s.answer_id,
    q.id AS read_review, f.path, q.line
FROM prediction p JOIN run r ON r.id = p.run_id JOIN experiment x ON x.id = r.experiment_id
JOIN review t ON t.id = p.review_id
JOIN visible v ON v.fold = -1 AND ((v.kind = 'user' AND v.entity_id = t.user_id)
    OR (v.kind = 'business' AND v.entity_id = t.business_id))
LEFT JOIN summary s ON s.visible_id = v.id AND s.method_id IN
    (SELECT id FROM method WHERE task = 'summary' AND current = 1)
LEFT JOIN reading d ON d.visible_id = v.id AND d.what = 'summary' AND d.method_id = s.method_id
LEFT JOIN json_each(d.review_ids) j LEFT JOIN review q ON q.id = j.value
LEFT JOIN source f ON f.id = q.source_id;

-- What is recommended to whom, and why?
CREATE VIEW v_recommendation AS
SELECT u.key AS user, r.rank, b.key AS business, r.score, r.p, r.evidence
FROM recommendation r JOIN user u ON u.id = r.user_id JOIN business b ON b.id = r.business_id
ORDER BY u.key, r.rank;
