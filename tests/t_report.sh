#!/bin/sh
# The report of the shipped sample: the claim in sentences, comparisons that another way of
# counting confirms, calibration, names from outside, nothing of this machine.
# SPDX-License-Identifier: MIT
. tests/lib.sh
db=$TMP/a.db
D=sample
if [ ! -f sample/reviews.csv ]; then # in the trees of t_mutate.sh
    D=$TMP/toy
    toy "$D" 900
fi
one() { q "$db" "$1"; }
report() {
    "$BIN/mm-report" --quiet --db "$db" --out "$TMP/out"
    md=$(cat "$TMP/out/report.md") html=$(cat "$TMP/out/report.html")
}
for row in 'proposed basic 0.3 1' 'proposed basic 0.3 2' 'baseline basic 0.3 1' 'baseline basic 0.3 2' \
    'proposed basic 0.5 1' 'baseline sqrt 0.5 1'; do
    echo "$row"
done > "$TMP/rows"
"$BIN/mm-ingest" --quiet --db "$db" "$D"
"$BIN/mm-status" --quiet --db "$db" EXPERIMENT="$TMP/rows" > /dev/null
"$BIN/mm-report" --quiet --db "$db" --out "$TMP/early"
ok $? "a report before anything is trained"
like "$(cat "$TMP/early/report.md")" "No run is done yet" "says that there are no results"
like "$(cat "$TMP/early/report.md")" "claim .*not testable on this data .*no finished runs" "nor is there a claim to test"
stages "$db"
ok $? "the sample, six runs"

# Two models of a user: one with a hostile name, one that cannot be trained.
X='<script>alert(1)</script>|x'
q "$db" "INSERT INTO model (name, kind, dense, sparse, blocks, interaction)
    SELECT '$X', kind, dense, sparse, blocks, interaction FROM model WHERE name = 'proposed-text';
    INSERT INTO model (name, kind, dense, sparse, blocks) VALUES ('broken', 'dlrm', 'shoe_size', 0, '');
    INSERT INTO experiment (model, weighting, dropout, seed) VALUES ('$X', 'basic', 0.3, 1), ('broken', 'basic', 0.3, 1)"
"$BIN/mm-train" --quiet --db "$db" --max-failures 5
is "$(one "SELECT state || count(*) FROM run WHERE stale = 0 GROUP BY state ORDER BY 1" | xargs)" "done10 failed1" "ten runs are done, one failed"

# Values that SQL counts from the predictions themselves.
counted() { # SEED-MODEL-SETTING condition on x, what
    one "SELECT round(avg(v), 9) FROM (SELECT avg($2) AS v FROM prediction p JOIN run r ON r.id = p.run_id AND r.stale = 0
        JOIN experiment x ON x.id = r.experiment_id JOIN review w ON w.id = p.review_id
        WHERE w.split = 'test' AND $1 GROUP BY r.id)"
}
cell="question = 'cell' AND a = 'proposed' AND b = 'baseline'"
acc='(p.p > 0.5) = w.positive' fpr='CASE w.positive WHEN 0 THEN p.p > 0.5 END'
A="x.model = 'proposed' AND x.dropout = 0.3" B="x.model = 'baseline' AND x.dropout = 0.3"
is "$(one "SELECT round(value_a, 9) || ' ' || round(value_b, 9) FROM comparison WHERE metric = 'accuracy' AND $cell")" \
    "$(counted "$A" "$acc") $(counted "$B" "$acc")" "accuracy of both sides, counted from the predictions"
is "$(one "SELECT round(value_a, 9) || ' ' || round(value_b, 9) FROM comparison WHERE metric = 'fpr' AND $cell")" \
    "$(counted "$A" "$fpr") $(counted "$B" "$fpr")" "false positive rate too"
is "$(one "SELECT count(*) FROM comparison WHERE abs(diff - (value_a - value_b)) > 1e-12 OR NOT lo <= hi OR diff < lo - 0.2 OR diff > hi + 0.2")" 0 \
    "each difference is that of its sides"
is "$(one "SELECT seeds || ' ' || (rows = (SELECT count(*) FROM review WHERE split = 'test' AND labelled = 1)) || ' ' ||
    (users = (SELECT count(DISTINCT user_id) FROM review WHERE split = 'test' AND labelled = 1))
    FROM comparison WHERE metric = 'auc' AND $cell")" "2 1 1" "two seeds, all test rows and users"
is "$(one "SELECT count(*) || ' ' || sum(EXISTS (SELECT 1 FROM metric m JOIN run r ON r.id = m.run_id AND r.stale = 0
    JOIN experiment x ON x.id = r.experiment_id WHERE m.split = 'test' AND m.name = c.metric AND x.model = c.a
    AND abs(m.value - c.value_a) < 1e-9)) FROM comparison c WHERE question = 'best'")" "88 88" "best runs: the metrics that training wrote"
is "$(one "SELECT group_concat(b, ' ') FROM (SELECT b FROM comparison WHERE question = 'cell' AND a = '$X'
    AND metric = 'auc' ORDER BY b)")" "logistic majority means" "a user's model against the trivial ones"
is "$(one "SELECT count(*) FROM comparison WHERE question = 'cell' AND a = 'proposed' AND b = '$X' AND metric = 'auc'")" 1 "and proposed against it"
ids=$(one "SELECT group_concat(id || ' ' || lo) FROM comparison")
"$BIN/mm-train" --quiet --db "$db" --max-failures 5
is "$(one "SELECT group_concat(id || ' ' || lo) FROM comparison")" "$ids" "nothing is compared twice"

# Bins: each row in one, and their gaps are the ECE.
is "$(one "SELECT count(*) FROM (SELECT l.run_id, l.split, sum(l.n * abs(l.p - l.positive)) / sum(l.n) - m.value AS off,
    sum(l.n) <> (SELECT count(*) FROM review w WHERE w.split = l.split AND w.labelled = 1) AS lost FROM reliability l
    JOIN metric m ON m.run_id = l.run_id AND m.split = l.split AND m.name = 'ece' GROUP BY 1, 2) WHERE abs(off) > 1e-6 OR lost")" 0 "bins hold every row and add up to the ECE"
is "$(one "SELECT count(DISTINCT run_id || split) FROM reliability")" 30 "of ten runs and three splits"

report
like "$md" "^# mmrec report: $(basename "$D")$" "the title names the input"
first=$(printf '%s\n' "$md" | grep '^## ' | head -2 | tr '\n' ' ')
is "$first" "## What was found ## The paper's claim, tested " "it opens with what was found"
n=$(printf '%s\n' "$md" | grep -cE "^The paper's claim .*protocol crossfit: .*(holds here|not shown|does not hold|could be shown)")
is "$n" 2 "the claim has a verdict for the printed pair of settings and for the best runs"
like "$md" "18.16 % and 37.58 % .19.4 points lower. and accuracies of 83.48 % and 93.47 % .10.0 points" "the printed numbers of the claim"
like "$md" "same pair of settings, protocol crossfit: proposed .basic, dropout 0.5.* against baseline .sqrt, dropout 0.5" "the same pair of settings"
is "$(printf '%s\n' "$md" | grep -c '^| FPR at TPR 0.9 |')" 2 "at equal true positive rates, twice"
# Columns: name, proposed, baseline, difference, from, to, words.
wrong=$(printf '%s\n' "$md" | sed -n "/^## The paper's claim/,/^## Table I:/p" | awk -F ' [|] ' '/^\| (false|FPR|acc)/ {
    n++; sub(/ \|$/, "", $7); w = $6 < 0 ? "lower" : $5 > 0 ? "higher" : "no difference could be shown"
    if ($7 != w || ($4 - ($2 - $3)) ^ 2 > 0.000003) print } END { if (n != 10) print n " rows" }')
is "$wrong" "" "words say what the intervals say"
is "$(printf '%s\n' "$md" | sed -n '/^## Table I:/,/^## Table II/p' | grep -cE '^\| (proposed|baseline)[a-z-]* \|.*\| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \|$')" 24 "24 printed rows beside ours, train"
is "$(printf '%s\n' "$md" | sed -n '/^## Table II:/,/^## Models/p' | grep -cE '^\| (proposed|baseline)[a-z-]* \|.*\| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \|$')" 24 "and test"
like "$md" "the paper, on its own data: FPR" "the paper's numbers are of other data"
like "$md" "broken, failed runs: 1.*shoe" "a failed run is named with its reason"
like "$md" "^\| crossfit \| 5 \| 20 \| 0\.[5-8][0-9]* \|" "the residual leak is measured"
like "$md" "^- lr 0.01, batch 2048: the paper's rules" "settings: whose rules"
like "$(head -1 "$TMP/out/table2.csv")" "auc,auc_sd,fpr_at_tpr90," "auc_sd stands between"
like "$(sed -n '/Are the probabilities/,/^## Runs/p' "$TMP/out/report.md" | tr '\n' ' ')" "best run of proposed, test rows.*0.933 to 1.000.*best run of baseline" "reliability of proposed and baseline"

# From outside, and of this machine.
like "$html" "&lt;script&gt;alert\(1\)&lt;/script&gt;\|x" "a hostile name is text in HTML"
is "$(printf '%s\n' "$html" | grep -ci '<script')" 0 "and nothing is a script"
like "$md" '\\<script\\>alert\(1\)\\</script\\>\\\|x' "in Markdown too"
is "$(printf '%s\n%s\n' "$md" "$html" | grep -cF -e "$PWD" -e "$TMP" -e 'file://')" 0 "no folder of this machine"
is "$(printf '%s\n' "$html" | grep -cE '(src|href)="?(http|//)')" 0 "nothing is loaded from a network"

# The paper's data, a setting of ours, and both protocols (metrics as if they had been measured).
q "$db" "UPDATE source SET format = 'google-restaurants' WHERE id = (SELECT min(id) FROM source);
    INSERT INTO experiment (model, weighting, dropout, seed, protocol) VALUES ('proposed', 'basic', 0.5, 1, 'paper');
    INSERT INTO experiment (model, weighting, dropout, seed, stopping) VALUES ('proposed', 'basic', 0.1, 1, 'loss');
    INSERT INTO run (experiment_id, identity, feature_digest, state, seconds, backend)
    SELECT id, randomblob(32), zeroblob(32), 'done', 1, 'x' FROM experiment ORDER BY id DESC LIMIT 2;
    INSERT INTO metric SELECT n.id, m.split, m.name, CASE WHEN m.name = 'auc' AND m.split = 'train' THEN 0.99
        WHEN m.name = 'auc' THEN 0.59 ELSE m.value END FROM run n, metric m
    WHERE n.backend = 'x' AND m.run_id = (SELECT r.id FROM run r JOIN experiment x ON x.id = r.experiment_id
        WHERE x.model = 'proposed' AND x.dropout = 0.5 AND x.protocol = 'crossfit' AND r.stale = 0);
    UPDATE probe SET auc = 0.612; INSERT INTO probe VALUES ('paper', 5, 20, NULL, NULL, zeroblob(32))"
report
is "$(printf '%s\n' "$md" | grep -c 'on its own data: FPR')" 0 "on the paper's own data the title says so"
like "$md" "^- proposed: AUC falls by 0.400 from train to test under protocol paper and by" "both protocols: what train loses"
like "$md" "^- proposed: so 0.[0-9]* of the fall of 0.400, [0-9]* %, was leakage" "how much of it was leakage"
like "$md" "^\| crossfit \| 5 \| 20 \| 0.612 \|" "the residual leak"
like "$md" "^- lr 0.01, batch 2048, stopping loss: ours, not the paper's, 1 runs" "a setting that is ours"
q "$db" "UPDATE image SET state = 'missing'; UPDATE review SET positive = 0 WHERE split = 'test' AND id % 3 = 0"
report
like "$md" "claim is not testable: no photos; no imbalance: [0-9.]* % of the test reviews are negative" "not testable on other data, with the share"
finish
