#!/bin/sh
# Does what the sample says reach the models? Captions dealt out among places, and summaries
# among users and among places, must cost the models that live on them. Several splits of the
# sample, three training seeds, the same test rows before and after.
# SPDX-License-Identifier: MIT
. tests/lib.sh
SPLITS="1 2 3 4 5 6"
for model in proposed-text proposed-image; do
    for seed in 1 2 3; do echo "$model basic 0.3 $seed"; done
done > "$TMP/cells"

# deal DB SEED: every business gets another one's captions, every entity another one's
# summaries, fold by fold (an entity without a row for a fold sees there what -1 sees).
deal() {
    q "$1" > /dev/null <<SQL
PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TEMP TABLE entity AS
SELECT kind, id, row_number() OVER (PARTITION BY kind ORDER BY id) AS a,
    row_number() OVER (PARTITION BY kind
        ORDER BY ((id + $2 * 1013) * (id + $2 * 1013) * 7919 + id * 104729) % 1000003) AS b
FROM (SELECT DISTINCT kind, entity_id AS id FROM visible);
CREATE TEMP TABLE dealt AS
SELECT x.kind, x.id AS to_id, y.id AS from_id FROM entity x JOIN entity y
ON x.kind = y.kind AND x.a = y.b;
CREATE INDEX temp.dealt_to ON dealt (kind, to_id);

CREATE TEMP TABLE photo AS
SELECT id, business_id, caption,
    row_number() OVER (PARTITION BY business_id ORDER BY key) - 1 AS nth,
    count(*) OVER (PARTITION BY business_id) AS n
FROM image WHERE caption IS NOT NULL AND business_id IS NOT NULL;
UPDATE image SET caption = (SELECT f.caption FROM photo t
    JOIN dealt d ON d.kind = 'business' AND d.to_id = t.business_id
    JOIN photo f ON f.business_id = d.from_id AND f.nth = t.nth % f.n WHERE t.id = image.id)
WHERE id IN (SELECT t.id FROM photo t JOIN dealt d ON d.kind = 'business'
    AND d.to_id = t.business_id JOIN photo f ON f.business_id = d.from_id);

CREATE TEMP TABLE said AS
SELECT v.kind, v.entity_id, v.fold, s.text, s.content_id
FROM summary s JOIN visible v ON v.id = s.visible_id;
CREATE INDEX temp.said_by ON said (kind, entity_id, fold);
UPDATE summary SET (text, content_id) = (SELECT f.text, f.content_id FROM visible v
    JOIN dealt d ON d.kind = v.kind AND d.to_id = v.entity_id
    JOIN said f ON f.kind = d.kind AND f.entity_id = d.from_id AND f.fold IN (v.fold, -1)
    WHERE v.id = summary.visible_id ORDER BY f.fold DESC LIMIT 1)
WHERE EXISTS (SELECT 1 FROM visible v JOIN dealt d ON d.kind = v.kind AND d.to_id = v.entity_id
    JOIN said f ON f.kind = d.kind AND f.entity_id = d.from_id AND f.fold IN (v.fold, -1)
    WHERE v.id = summary.visible_id);
COMMIT;
SQL
}

# predictions DB SPLIT WHAT: model, split, what, user, label, p averaged over the seeds
predictions() {
    q -separator ' ' "$1" "SELECT x.model, $2, '$3', r.user_id, r.id, r.positive, avg(p.p)
        FROM prediction p JOIN run u ON u.id = p.run_id AND u.stale = 0
        JOIN experiment x ON x.id = u.experiment_id JOIN review r ON r.id = p.review_id
        WHERE r.split = 'test' AND x.model LIKE 'proposed-%' GROUP BY 1, r.id"
}

bad=0
for s in $SPLITS; do
    "$BIN/mm-ingest" --quiet --db "$TMP/a.db" --split-seed "$s" sample &&
        stages "$TMP/a.db" --experiment "$TMP/cells" || bad=1
    predictions "$TMP/a.db" "$s" real >> "$TMP/rows"
    deal "$TMP/a.db" "$s" || bad=1
    for tool in mm-caption mm-embed mm-reduce mm-train; do
        "$BIN/$tool" --quiet --db "$TMP/a.db" || bad=1
    done
    predictions "$TMP/a.db" "$s" dealt >> "$TMP/rows"
    rm -rf "$TMP"/a.db*
done
ok $bad "every stage runs on $(echo "$SPLITS" | wc -w) splits, before and after"

# Per model: the mean over splits of AUC before, after and of the difference, with the 2.5 and
# 97.5 % points of a bootstrap over users (300 resamples; a user's rows stay together and pairs
# stay paired). AUC by ranks, ties as half.
cat > "$TMP/auc.awk" <<'AWK'
function below(n) { state = (state * 69069 + 1) % 4294967296; return int(state / 4294967296 * n) }
# p of the rows (split s, model m) under the weights of their users, both ways at once
function auc(what, s,    k, i, j, lo, tie, pos, neg, sum) {
    sum = pos = neg = 0
    for (i = 1; i <= n[s]; i = j) {
        lo = tie = 0
        for (j = i; j <= n[s] && p[what, s, order[what, s, j]] == p[what, s, order[what, s, i]]; j++) {
            k = order[what, s, j]
            if (label[s, k]) tie += weight[user[s, k]]; else lo += weight[user[s, k]]
        }
        sum += tie * (neg + lo / 2)
        pos += tie
        neg += lo
    }
    return pos && neg ? sum / pos / neg : 0.5
}
function sort_rows(what, s,    i, j, t) {
    for (i = 1; i <= n[s]; i++) {
        for (j = i - 1; j > 0 && p[what, s, order[what, s, j]] > p[what, s, i]; j--)
            order[what, s, j + 1] = order[what, s, j]
        order[what, s, j + 1] = i
    }
}
$1 == model {
    if (($2, $5) in at) k = at[$2, $5]; else { k = at[$2, $5] = ++n[$2]; splits[$2] = 1 }
    p[$3, $2, k] = $7; label[$2, k] = $6; user[$2, k] = $4
    if (!($4 in weight)) { weight[$4] = 1; name[++users] = $4 }
}
END {
    state = 7
    for (s in splits) { m++; sort_rows("real", s); sort_rows("dealt", s); rows += n[s] }
    for (r = 0; r <= 300; r++) {
        if (r) {
            for (u in weight) weight[u] = 0
            for (i = 0; i < users; i++) weight[name[1 + below(users)]]++
        }
        a = b = 0
        for (s in splits) { a += auc("real", s) / m; b += auc("dealt", s) / m }
        if (!r) { real = a; dealt = b } else {
            for (j = r - 1; j > 0 && d[j] > a - b; j--) d[j + 1] = d[j]
            d[j + 1] = a - b
        }
    }
    printf "%.3f %.3f %.3f %.3f %.3f %d\n", real, dealt, real - dealt, d[8], d[293], rows
}
AWK
for model in proposed-text proposed-image; do
    # shellcheck disable=SC2046
    set -- $(awk -v model=$model -f "$TMP/auc.awk" "$TMP/rows")
    echo "# $model: test AUC $1, with the inputs dealt out $2, lower by $3 (95 % interval $4 to $5, $6 rows)"
    awk -v d="$3" 'BEGIN { exit !(d >= 0.05) }'
    ok $? "$model: dealing its inputs out costs at least 0.05 of AUC ($3)"
    awk -v d="$4" 'BEGIN { exit !(d > 0) }'
    ok $? "$model: the interval is clear of 0 ($4)"
done
finish
