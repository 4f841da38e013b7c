-- SPDX-License-Identifier: MIT
-- The tables of schema version 4, as its release made them; test_db migrates from here.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    at    INTEGER NOT NULL
) STRICT;
CREATE TABLE source (
    id        INTEGER PRIMARY KEY,
    path      TEXT NOT NULL UNIQUE,
    format    TEXT NOT NULL,
    role      TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    mtime_ns  INTEGER NOT NULL,
    inode     INTEGER NOT NULL,
    digest    BLOB NOT NULL CHECK (length(digest) = 32),
    records   INTEGER NOT NULL,
    rejects   INTEGER NOT NULL,
    merged    INTEGER NOT NULL,
    repaired  INTEGER NOT NULL,
    note      TEXT,
    bad_times INTEGER NOT NULL DEFAULT 0,
    quick     INTEGER
) STRICT;
CREATE TABLE user (
    id   INTEGER PRIMARY KEY,
    key  TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE business (
    id         INTEGER PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,
    name       TEXT,
    categories TEXT,
    price      TEXT
) STRICT;
CREATE TABLE content (
    id     INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    bytes  INTEGER NOT NULL
) STRICT;
CREATE TABLE review (
    id          INTEGER PRIMARY KEY,
    user_id     INTEGER NOT NULL REFERENCES user,
    business_id INTEGER NOT NULL REFERENCES business,
    at          INTEGER NOT NULL,
    nth         INTEGER NOT NULL,
    key         TEXT,
    labelled    INTEGER NOT NULL CHECK (labelled IN (0, 1)),
    rating      REAL CHECK (rating BETWEEN 0 AND 5),
    positive    INTEGER CHECK (positive IN (0, 1)),
    split       TEXT NOT NULL CHECK (split IN ('train', 'val', 'test', 'none')),
    fold        INTEGER,
    content_id  INTEGER REFERENCES content,
    source_id   INTEGER NOT NULL,
    line        INTEGER NOT NULL,
    text        TEXT,
    CHECK (labelled = 0 OR (rating IS NOT NULL AND positive IS NOT NULL AND split <> 'none'))
) STRICT;
CREATE UNIQUE INDEX review_who ON review (user_id, business_id, at, nth);
CREATE UNIQUE INDEX review_key ON review (key) WHERE key IS NOT NULL;
CREATE INDEX review_business ON review (business_id);
CREATE INDEX review_content ON review (content_id);
CREATE TABLE image (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL,
    review_id   INTEGER,
    business_id INTEGER REFERENCES business,
    path        TEXT,
    caption     TEXT,
    state       TEXT NOT NULL CHECK (state IN ('ok', 'missing', 'refused')),
    reason      TEXT,
    bytes       INTEGER,
    mtime_ns    INTEGER,
    inode       INTEGER,
    content_id  INTEGER REFERENCES content
) STRICT;
CREATE UNIQUE INDEX image_key ON image (key);
CREATE INDEX image_business ON image (business_id);
CREATE INDEX image_content ON image (content_id) WHERE content_id IS NOT NULL;
CREATE TABLE reject (
    id        INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL,
    line      INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    excerpt   TEXT NOT NULL
) STRICT;
CREATE TABLE llm_answer (
    id            INTEGER PRIMARY KEY,
    digest        BLOB NOT NULL CHECK (length(digest) = 32),
    nth           INTEGER NOT NULL CHECK (nth >= 0),
    task          TEXT NOT NULL,
    requested     TEXT NOT NULL,
    request       TEXT NOT NULL,
    answer        TEXT,
    verdict       TEXT,
    finish_reason TEXT,
    model         TEXT,
    fingerprint   TEXT,
    attempts      INTEGER NOT NULL,
    tokens_in     INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    tokens_out    INTEGER NOT NULL,
    bytes_in      INTEGER NOT NULL,
    usd           REAL NOT NULL,
    latency_s     REAL NOT NULL,
    uses          INTEGER NOT NULL,
    origin        TEXT NOT NULL CHECK (origin IN ('openai', 'batch', 'import')),
    at            INTEGER NOT NULL,
    UNIQUE (digest, nth)
) STRICT;
CREATE TABLE budget (
    stage     TEXT PRIMARY KEY,
    spent_usd REAL NOT NULL,
    held_usd  REAL NOT NULL,
    lost_usd  REAL NOT NULL
) STRICT;
CREATE TABLE llm_batch (
    id       INTEGER PRIMARY KEY,
    stage    TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN
        ('filled', 'uploaded', 'sent', 'ended', 'done')),
    spool    TEXT NOT NULL,
    file     TEXT,
    remote   TEXT UNIQUE,
    output   TEXT,
    errors   TEXT,
    outcome  TEXT,
    requests INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    held_usd REAL NOT NULL,
    at       INTEGER NOT NULL
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
CREATE TABLE method (
    id      INTEGER PRIMARY KEY,
    task    TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    params  TEXT NOT NULL,
    dim     INTEGER,
    note    TEXT,
    current INTEGER NOT NULL DEFAULT 0 CHECK (current IN (0, 1)),
    UNIQUE (task, name, version, params)
) STRICT;
CREATE UNIQUE INDEX method_current ON method (task) WHERE current = 1;
CREATE TABLE block (
    name          TEXT PRIMARY KEY,
    inputs        TEXT NOT NULL,
    summaries     TEXT,
    captions      TEXT,
    text_encoder  TEXT,
    image_encoder TEXT,
    note          TEXT
) STRICT;
CREATE TABLE model (
    name        TEXT PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('dlrm', 'logistic', 'means', 'majority')),
    dense       TEXT NOT NULL,
    sparse      INTEGER NOT NULL CHECK (sparse IN (0, 1)),
    blocks      TEXT NOT NULL,
    interaction TEXT NOT NULL DEFAULT 'dot' CHECK (interaction IN ('dot', 'cat')),
    note        TEXT,
    reduction   TEXT NOT NULL DEFAULT 'auto' CHECK (reduction IN ('auto', 'single', 'folds')),
    tags        TEXT
) STRICT;
CREATE TABLE experiment (
    id        INTEGER PRIMARY KEY,
    model     TEXT NOT NULL REFERENCES model,
    weighting TEXT NOT NULL DEFAULT 'basic' CHECK (weighting IN ('basic', 'sqrt', 'none')),
    dropout   REAL NOT NULL DEFAULT 0.1 CHECK (dropout >= 0 AND dropout < 1),
    seed      INTEGER NOT NULL DEFAULT 1,
    lr        REAL NOT NULL DEFAULT 0.01 CHECK (lr > 0),
    batch     INTEGER NOT NULL DEFAULT 2048 CHECK (batch > 0),
    protocol  TEXT NOT NULL DEFAULT 'crossfit' CHECK (protocol IN ('crossfit', 'paper')),
    asked_by  TEXT NOT NULL DEFAULT 'user',
    stopping  TEXT NOT NULL DEFAULT 'fpr' CHECK (stopping IN ('fpr', 'loss')),
    decay     REAL NOT NULL DEFAULT 0 CHECK (decay >= 0),
    UNIQUE (model, weighting, dropout, seed, lr, batch, protocol, stopping, decay)
) STRICT;
CREATE TABLE visible (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('user', 'business')),
    entity_id    INTEGER NOT NULL,
    fold         INTEGER NOT NULL,
    n_text       INTEGER NOT NULL,
    n_labelled   INTEGER NOT NULL,
    n_positive   INTEGER NOT NULL,
    rating_sum   REAL NOT NULL,
    text_digest  BLOB NOT NULL CHECK (length(text_digest) = 32),
    n_photo      INTEGER NOT NULL,
    photo_digest BLOB NOT NULL CHECK (length(photo_digest) = 32),
    UNIQUE (kind, entity_id, fold)
) STRICT;
CREATE TABLE reading (
    id         INTEGER PRIMARY KEY,
    visible_id INTEGER NOT NULL,
    what       TEXT NOT NULL,
    method_id  INTEGER NOT NULL,
    set_digest BLOB NOT NULL,
    review_ids TEXT NOT NULL,
    UNIQUE (visible_id, what, method_id)
) STRICT;
CREATE TABLE summary (
    id         INTEGER PRIMARY KEY,
    visible_id INTEGER NOT NULL,
    method_id  INTEGER NOT NULL,
    set_digest BLOB NOT NULL,
    content_id INTEGER NOT NULL,
    answer_id  INTEGER,
    text       TEXT NOT NULL,
    recipe     TEXT,
    UNIQUE (visible_id, method_id)
) STRICT;
CREATE INDEX summary_content ON summary (content_id);
CREATE TABLE price_tag (
    id         INTEGER PRIMARY KEY,
    visible_id INTEGER NOT NULL,
    method_id  INTEGER NOT NULL,
    set_digest BLOB NOT NULL,
    tag        TEXT NOT NULL CHECK (tag IN ('over-priced', 'fair', 'cheap', 'none')),
    evidence   TEXT,
    answer_id  INTEGER,
    recipe     TEXT,
    UNIQUE (visible_id, method_id)
) STRICT;
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
    content_id INTEGER NOT NULL,
    answer_id  INTEGER,
    text       TEXT NOT NULL,
    recipe     TEXT,
    UNIQUE (image_id, method_id)
) STRICT;
CREATE INDEX caption_content ON caption (content_id);
CREATE TABLE embedding (
    id         INTEGER PRIMARY KEY,
    method_id  INTEGER NOT NULL,
    content_id INTEGER NOT NULL,
    vec        BLOB NOT NULL CHECK (length(vec) > 0 AND length(vec) % 4 = 0),
    UNIQUE (method_id, content_id)
) STRICT;
CREATE TABLE reducer (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL,
    feature_digest BLOB NOT NULL,
    mode           TEXT NOT NULL,
    inputs         TEXT NOT NULL,
    n_in           INTEGER NOT NULL,
    n_out          INTEGER NOT NULL,
    weights        BLOB NOT NULL,
    epochs         INTEGER NOT NULL,
    val_loss       REAL,
    val_auc        REAL,
    current        INTEGER NOT NULL CHECK (current IN (0, 1)),
    protocol       TEXT NOT NULL DEFAULT 'crossfit' CHECK (protocol IN ('crossfit', 'paper')),
    choice_loss    REAL,
    UNIQUE (name, feature_digest, mode)
) STRICT;
CREATE TABLE reduced (
    id         INTEGER PRIMARY KEY,
    reducer_id INTEGER NOT NULL,
    review_id  INTEGER NOT NULL,
    known      INTEGER NOT NULL CHECK (known IN (0, 1)),
    vec        BLOB NOT NULL CHECK (length(vec) > 0 AND length(vec) % 4 = 0),
    UNIQUE (reducer_id, review_id)
) STRICT;
CREATE TABLE run (
    id             INTEGER PRIMARY KEY,
    experiment_id  INTEGER NOT NULL,
    identity       BLOB NOT NULL UNIQUE CHECK (length(identity) = 32),
    feature_digest BLOB NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('done', 'failed')),
    reason         TEXT,
    stale          INTEGER NOT NULL DEFAULT 0 CHECK (stale IN (0, 1)),
    best_epoch     INTEGER,
    epochs         INTEGER,
    threshold      REAL,
    degenerate     INTEGER NOT NULL DEFAULT 0 CHECK (degenerate IN (0, 1)),
    seconds        REAL NOT NULL,
    backend        TEXT NOT NULL
) STRICT;
CREATE TABLE epoch (
    run_id         INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,
    train_loss     REAL,
    val_loss       REAL,
    val_fpr        REAL,
    val_accuracy   REAL,
    val_auc        REAL,
    train_fpr      REAL,
    train_accuracy REAL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (
    identity BLOB PRIMARY KEY CHECK (length(identity) = 32),
    epoch    INTEGER NOT NULL,
    state    BLOB NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE TABLE metric (
    run_id INTEGER NOT NULL,
    split  TEXT NOT NULL CHECK (split IN ('train', 'val', 'test')),
    name   TEXT NOT NULL,
    value  REAL,
    PRIMARY KEY (run_id, split, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE prediction (
    run_id    INTEGER NOT NULL,
    review_id INTEGER NOT NULL,
    p         REAL NOT NULL,
    PRIMARY KEY (run_id, review_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE reliability (
    run_id   INTEGER NOT NULL,
    split    TEXT NOT NULL CHECK (split IN ('train', 'val', 'test')),
    bin      INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    p        REAL NOT NULL,
    positive REAL NOT NULL,
    PRIMARY KEY (run_id, split, bin)
) STRICT, WITHOUT ROWID;
CREATE TABLE comparison (
    id        INTEGER PRIMARY KEY,
    protocol  TEXT NOT NULL,
    question  TEXT NOT NULL CHECK (question IN ('cell', 'best', 'ranking', 'claim')),
    a         TEXT NOT NULL,
    b         TEXT NOT NULL,
    setting_a TEXT NOT NULL,
    setting_b TEXT NOT NULL,
    metric    TEXT NOT NULL,
    seeds     INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    users     INTEGER NOT NULL,
    value_a   REAL,
    value_b   REAL,
    diff      REAL,
    lo        REAL,
    hi        REAL,
    sd        REAL,
    resamples INTEGER NOT NULL,
    UNIQUE (protocol, question, a, b, setting_a, setting_b, metric)
) STRICT;
CREATE TABLE probe (
    protocol     TEXT NOT NULL,
    folds        INTEGER NOT NULL,
    permutations INTEGER NOT NULL,
    auc          REAL,
    sd           REAL,
    digest       BLOB NOT NULL,
    PRIMARY KEY (protocol)
) STRICT, WITHOUT ROWID;
CREATE TABLE recommendation (
    user_id     INTEGER NOT NULL,
    rank        INTEGER NOT NULL,
    business_id INTEGER NOT NULL,
    run_id      INTEGER NOT NULL,
    score       REAL NOT NULL,
    p           REAL NOT NULL,
    evidence    TEXT NOT NULL,
    PRIMARY KEY (user_id, rank)
) STRICT, WITHOUT ROWID;
CREATE TABLE failure (
    id        INTEGER PRIMARY KEY,
    stage     TEXT NOT NULL,
    item      TEXT NOT NULL,
    digest    BLOB,
    reason    TEXT NOT NULL,
    attempts  INTEGER NOT NULL,
    permanent INTEGER NOT NULL CHECK (permanent IN (0, 1)),
    at        INTEGER NOT NULL,
    UNIQUE (stage, item)
) STRICT;
CREATE TABLE stage_run (
    id       INTEGER PRIMARY KEY,
    stage    TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'interrupted')),
    full     INTEGER NOT NULL CHECK (full IN (0, 1)),
    inputs   TEXT,
    done     INTEGER NOT NULL DEFAULT 0,
    failed   INTEGER NOT NULL DEFAULT 0,
    started  INTEGER NOT NULL,
    seconds  REAL,
    peak_kib INTEGER,
    threads  INTEGER,
    version  TEXT NOT NULL,
    note     TEXT
) STRICT;
CREATE TABLE generation (
    tbl   TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    clean INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO generation (tbl, token, clean)
SELECT value, '0', 1 FROM json_each('["review", "image", "visible", "summary",
    "price_tag", "category", "caption", "embedding", "reducer", "reduced", "block",
    "model", "experiment", "run", "metric", "prediction", "comparison", "probe", "llm_answer",
    "recommendation"]');
