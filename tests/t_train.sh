#!/bin/sh
# Training from outside: threads, kills, parts of a grid, protocols, files of experiments,
# blocks and models as rows, IMBALANCE, feature files. KILLS=200 for a soak.
# SPDX-License-Identifier: MIT
. tests/lib.sh
: "${KILLS:=20}"
D=$TMP/d
toy "$D" 240
train() { "$BIN/mm-train" --quiet "$@"; }
reduce() { "$BIN/mm-reduce" --quiet "$@"; }
status() { "$BIN/mm-status" --quiet "$@" > /dev/null; }
# copy FROM TO: a database without what lies beside it.
copy() {
    rm -rf "$2" "$2"-* "$2.d"
    cp "$1" "$2"
}
current() { q "$1" "SELECT group_concat(h) FROM (SELECT hex(identity) AS h FROM run WHERE stale = 0 ORDER BY 1)"; }

# Both protocols, both stopping rules, all four models, other recipes.
cat > "$TMP/rows" << ROWS
# model weighting dropout seed
proposed basic 0.3 1
proposed basic 0.3 2
baseline basic 0.3 1

proposed-image sqrt 0.1 1
proposed-text none 0 1	stopping=loss decay=5
proposed basic 0.3 1 stopping=loss decay=5 lr=0.001 batch=64
proposed basic 0.3 1 stopping=loss decay=5 lr=0.001 batch=256 protocol=paper
baseline sqrt 0.5 1 protocol=paper
ROWS
raw=$TMP/raw.db base=$TMP/base.db calm=$TMP/calm.db
"$BIN/mm-ingest" --quiet --db "$raw" "$D" && "$BIN/mm-llm-summarize" --quiet --db "$raw" &&
    "$BIN/mm-caption" --quiet --db "$raw" && "$BIN/mm-embed" --quiet --db "$raw"
status --db "$raw" EXPERIMENT="$TMP/rows"

# ---- threads ----
for t in 1 2 3; do
    copy "$raw" "$TMP/t.db"
    reduce --threads $t --db "$TMP/t.db"
    [ $t = 2 ] && copy "$TMP/t.db" "$base"
    t0=$(date +%s%N)
    train --threads $t --db "$TMP/t.db"
    ms=$((($(date +%s%N) - t0) / 1000000))
    digest "$TMP/t.db" > "$TMP/t$t"
    if [ $t = 2 ]; then
        copy "$TMP/t.db" "$calm"
        calm_ms=$ms
    fi
done
want=$(cat "$TMP/t2")
like "$want" "^run [0-9a-f]+ 11$" "eight rows of a file and three free baselines are trained (${calm_ms} ms)"
is "$(cat "$TMP/t1")" "$want" "one thread, the same bytes"
is "$(cat "$TMP/t3")" "$want" "three threads, the same bytes"

# ---- kills ----
kills=0 within=0 round=0 same=0
while [ "$kills" -lt "$KILLS" ]; do
    round=$((round + 1))
    db=$TMP/k.db
    copy "$base" "$db"
    while [ "$kills" -lt "$KILLS" ]; do
        ms=$((5 + calm_ms * $(od -An -N2 -tu2 /dev/urandom | tr -d ' ') / 65536))
        "$BIN/mm-train" --quiet --threads 2 --checkpoint-every 0.05 --db "$db" 2>> "$TMP/log" &
        pid=$!
        sleep "$(awk -v ms=$ms 'BEGIN { printf "%.3f", ms / 1000 }')"
        kill -s KILL $pid 2> /dev/null
        wait $pid 2> /dev/null
        [ $? -eq 137 ] || break
        kills=$((kills + 1))
        [ "$(q "$db" 'SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM checkpoint)')" -gt 0 ] && within=$((within + 1))
    done
    train --db "$db" || echo "# the run after the kills failed"
    [ "$(digest "$db")" = "$want" ] && same=$((same + 1))
    is "$(q "$db" 'SELECT count(*) FROM checkpoint')" 0 "round $round: no checkpoint is left"
done
is "$same" "$round" "after $kills kills of mm-train on $round databases the content is that of the calm run"
echo "# $within of $kills kills fell between the first and the last commit of a result or checkpoint"
[ $((within * 2)) -ge "$kills" ]
ok $? "at least half of the kills did"
copy "$base" "$TMP/i.db"
"$BIN/mm-train" --quiet --threads 1 --db "$TMP/i.db" &
pid=$!
sleep 0.2
kill -INT $pid 2> /dev/null
wait $pid
is $? 130 "SIGINT: exit 130"
train --db "$TMP/i.db"
is "$(digest "$TMP/i.db")" "$want" "and the next run finishes to the same content"

# ---- parts of the grid ----
for i in 1 2; do
    copy "$base" "$TMP/s$i.db"
    train --db "$TMP/s$i.db" --shard $i/2 --out "$TMP/part$i.db"
done
is "$(q "$TMP/part1.db" 'SELECT count(*) FROM run') $(q "$TMP/part2.db" 'SELECT count(*) FROM run')" "6 5" "two shards: six runs and five"
is "$(q "$TMP/s1.db" 'SELECT count(*) FROM comparison')" 0 "a shard compares nothing"
db=$TMP/m.db
copy "$base" "$db"
run "$BIN/mm-merge" --plan --db "$db" "$TMP/part1.db" "$TMP/part2.db"
is "$RC $(q "$db" 'SELECT count(*) FROM run')" "3 0" "mm-merge --plan: exit 3, nothing taken"
like "$OUT" "^merge	runs	11	" "eleven runs would be"
run "$BIN/mm-merge" --db "$db" "$TMP/part1.db" "$TMP/part2.db"
is "$RC" 0 "mm-merge of both"
like "$OUT" "done: 11 runs taken, 0 known; of 0 predictions" "takes all eleven"
run "$BIN/mm-train" --db "$db"
like "$OUT" "done 0," "nothing is left to train"
is "$(digest "$db")" "$want" "content of an unsharded run"
is "$(q "$db" 'SELECT count(*) FROM comparison')" "$(q "$calm" 'SELECT count(*) FROM comparison')" "compared as one"
run "$BIN/mm-merge" --plan --db "$db" "$TMP/part1.db"
is "$RC" 0 "--plan again: exit 0"
q "$TMP/part2.db" "UPDATE prediction SET p = p + 0.25 WHERE (run_id, review_id) = (SELECT run_id, min(review_id) FROM prediction WHERE run_id = 1)"
run "$BIN/mm-merge" --db "$db" "$TMP/part1.db" "$TMP/part2.db"
n=$(q "$db" "SELECT count(*) FROM prediction")
like "$OUT" "done: 0 runs taken, 11 known; of $n predictions that both had 1 differ .*largest by 0.25" "merged twice: nothing is taken, all is compared"
is "$(digest "$db")" "$want" "and nothing has changed"
q "$TMP/part2.db" "UPDATE run SET identity = randomblob(32) WHERE id = 1"
cp "$db" "$TMP/before"
"$BIN/mm-ingest" --quiet --db "$TMP/other.db" "$D"
run "$BIN/mm-merge" --db "$TMP/other.db" "$TMP/part2.db"
is "$RC" 1 "a part of other reviews: exit 1"
like "$OUT" "part2.db: not a part of .*other.db: its runs were trained on other reviews" "with a sentence"
is "$(q "$TMP/other.db" 'SELECT count(*) FROM run')" 0 "and nothing taken"
run "$BIN/mm-merge" --db "$db" "$TMP/rows"
is "$RC" 1 "no database at all: exit 1"
run "$BIN/mm-merge" --db "$db" "$db"
is "$RC" 1 "the database itself: exit 1"
like "$OUT" "m.db: is the database itself" "at once, with a sentence"
head -c 40000 "$TMP/part1.db" > "$TMP/cut.db"
run "$BIN/mm-merge" --db "$db" "$TMP/cut.db"
is "$RC" 1 "a damaged part: exit 1"
like "$OUT" "cut.db: damaged" "with its name"
is "$(digest "$db")" "$want" "and nothing has changed"
run "$BIN/mm-merge" --db "$db" "$TMP/absent.db"
is "$RC $([ -e "$TMP/absent.db" ] && echo made)" "1 " "an absent part: exit 1, and it is not made"
copy "$base" "$TMP/s1.db"
run "$BIN/mm-train" --db "$TMP/s1.db" --shard 1/2 --out "$TMP/part1.db"
is "$RC $(q "$TMP/s1.db" 'SELECT count(*) FROM run')" "1 0" "--out onto a file: exit 1 before anything is trained"
like "$OUT" "part1.db is there already" "which is said"
for s in 3/2 0/2 1 1/0 x/2 1/2/3; do
    "$BIN/mm-train" --quiet --db "$TMP/s1.db" --shard $s > /dev/null 2>&1
    is $? 2 "--shard $s: exit 2"
done
"$BIN/mm-merge" --quiet --db "$db" > /dev/null 2>&1
is $? 2 "mm-merge without a part: exit 2"

# ---- protocols ----
db=$calm
is "$(q "$db" "SELECT x.protocol || count(*) FROM run r JOIN experiment x ON x.id = r.experiment_id
    WHERE r.state = 'done' AND r.stale = 0 GROUP BY x.protocol ORDER BY 1" | xargs)" "crossfit9 paper2" "runs of both protocols"
is "$(q "$db" "SELECT protocol FROM probe WHERE auc > 0.99" | xargs)" paper "the paper's means leave the own rating out: it can be guessed"
is "$(q "$db" "SELECT protocol FROM probe WHERE auc BETWEEN 0.5 AND 0.8" | xargs)" crossfit "of means over folds it cannot"
is "$(q "$db" "SELECT DISTINCT mode FROM reducer WHERE protocol = 'paper'")" single "the paper's protocol has one reducer for all"
is "$(q "$db" "SELECT mode FROM reducer WHERE protocol = 'crossfit' AND name = 'text' ORDER BY 1" | xargs)" "folds single" "crossfit one and one by folds"
is "$(q "$db" "SELECT lr || ' ' || batch || ' ' || decay FROM experiment WHERE stopping = 'loss' AND protocol = 'paper'")" "0.001 256 5.0" "name=value of a line"
is "$(q "$db" "SELECT count(*) FROM run r JOIN experiment x ON x.id = r.experiment_id WHERE x.stopping = 'fpr' AND x.model LIKE 'proposed%' AND r.best_epoch < 300")" 0 "the paper stops at 300 or later"
is "$(q "$db" "SELECT count(*) FROM run r JOIN experiment x ON x.id = r.experiment_id WHERE x.stopping = 'loss' AND r.best_epoch <>
    (SELECT epoch FROM epoch e WHERE e.run_id = r.id ORDER BY val_loss, epoch LIMIT 1)")" 0 "by loss it is the epoch of the lowest loss"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "nothing leaks"

# ---- bad files ----
copy "$base" "$TMP/b.db"
bad() { # LINE PATTERN
    printf '# good, then bad\nproposed basic 0.3 9\n%s\n' "$1" > "$TMP/bad"
    run "$BIN/mm-train" --db "$TMP/b.db" --experiment "$TMP/bad"
    is "$RC" 2 "exit 2: $1"
    like "$OUT" "$TMP/bad:3: .*$2" "file, line and reason: $1"
}
bad 'nobody basic 0.3 1' "no model 'nobody'"
bad 'proposed cubic 0.3 1' "weighting 'cubic' is not basic, sqrt or none"
bad 'proposed basic 1.0 1' "1.0"
bad 'proposed basic often 1' "often"
bad 'proposed basic 0.3 one' "one"
bad 'proposed basic 0.3' "expected 'model weighting dropout seed"
bad 'proposed basic 0.3 1 fast' "expected name=value, got 'fast'"
bad 'proposed basic 0.3 1 speed=2' "'speed' is not lr, batch, stopping, decay or protocol"
bad 'proposed basic 0.3 1 lr=0' "0"
bad 'proposed basic 0.3 1 batch=1.5' "1.5"
bad 'proposed basic 0.3 1 decay=-1' "-1"
bad 'proposed basic 0.3 1 stopping=never' "stopping 'never' is not fpr or loss"
bad 'proposed basic 0.3 1 protocol=none' "protocol 'none' is not crossfit or paper"
is "$(q "$TMP/b.db" "SELECT count(*) FROM experiment WHERE seed = 9")" 0 "of a bad file no row is taken"

# ---- another EXPERIMENT ----
status --db "$TMP/b.db" EXPERIMENT="$TMP/rows"
q "$TMP/b.db" "INSERT INTO experiment (model, weighting, dropout, seed) VALUES ('baseline', 'sqrt', 0.2, 3)"
train --db "$TMP/b.db" --limit 1
had=$(q "$TMP/b.db" "SELECT model || seed FROM experiment WHERE id IN (SELECT experiment_id FROM run)")
echo 'proposed-text basic 0.2 1' > "$TMP/less"
train --db "$TMP/b.db" --experiment "$TMP/less" --limit 0
is "$(q "$TMP/b.db" "SELECT model || seed FROM experiment WHERE model NOT IN ('means', 'majority', 'logistic') ORDER BY 1" | xargs)" \
    "$(printf '%s\n' "$had" baseline3 proposed-text1 | sort -u | xargs)" "another EXPERIMENT: what was run stays, so does what a user asked for; the rest goes"

# ---- blocks and models as rows ----
db=$TMP/f.db
copy "$calm" "$db"
q "$db" "INSERT INTO block (name, inputs, text_encoder) VALUES ('named', 'user_summary business_summary', 'hash');
    INSERT INTO block (name, inputs, summaries) VALUES ('ghost', 'user_summary', 'ghostwriter');
    INSERT INTO block (name, inputs, text_encoder) VALUES ('seer', 'captions', 'oracle');
    INSERT INTO block (name, inputs) VALUES ('odd', 'horoscope');
    INSERT INTO model (name, kind, dense, sparse, blocks) VALUES ('see', 'dlrm', 'user_mean', 0, 'text photos'),
        ('named', 'dlrm', '', 0, 'named'), ('plain', 'dlrm', '', 0, 'text'), ('ghost', 'dlrm', '', 0, 'ghost'),
        ('seer', 'dlrm', '', 0, 'seer'), ('odd', 'dlrm', '', 0, 'odd');
    INSERT INTO experiment (model, weighting, dropout) SELECT name, 'basic', 0.3 FROM model
        WHERE name IN ('see', 'named', 'plain', 'ghost', 'seer', 'odd')"
run "$BIN/mm-reduce" --db "$db"
is "$RC" 0 "mm-reduce with three blocks that cannot be made"
for w in 'ghost ghostwriter' 'seer oracle' 'odd horoscope'; do
    like "$(q "$db" "SELECT reason FROM failure WHERE stage = 'reduce' AND item = '${w% *}'")" "block '${w% *}'.*'${w#* }'" "block ${w% *}: the failure names ${w#* }"
done
run "$BIN/mm-train" --db "$db"
is "$RC" 0 "mm-train after it"
is "$(q "$db" "SELECT x.model || ' ' || r.state FROM run r JOIN experiment x ON x.id = r.experiment_id WHERE r.stale = 0
    AND x.model IN ('see', 'named', 'plain', 'ghost', 'seer', 'odd') ORDER BY 1" | xargs)" \
    "ghost failed named done odd failed plain done see done seer failed" "photos instead of captions are trained, what cannot be is a failed run"
is "$(q "$db" "SELECT inputs FROM reducer WHERE name = 'photos' AND current = 1")" "photos 240" "from photo vectors"
is "$(q "$db" "SELECT count(DISTINCT val_loss) FROM reducer WHERE name IN ('text', 'named') AND mode = 'single' AND protocol = 'crossfit'")" 1 "a block that names the current encoder is fitted as one that does not"
is "$(q "$db" "SELECT count(DISTINCT m.value) FROM metric m JOIN run r ON r.id = m.run_id JOIN experiment x ON x.id = r.experiment_id
    WHERE x.model IN ('named', 'plain') AND m.name = 'auc' AND m.split = 'test'")" 1 "and its model predicts the same"
is "$(q "$db" "SELECT count(*) FROM run WHERE stale = 1")" 0 "no other run is repeated"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "nothing leaks"

# ---- IMBALANCE ----
E=$TMP/e
toy "$E" 800
db=$TMP/im.db
"$BIN/mm-ingest" --quiet --db "$db" "$E" && "$BIN/mm-llm-summarize" --quiet --db "$db" &&
    "$BIN/mm-caption" --quiet --db "$db" && "$BIN/mm-embed" --quiet --db "$db"
echo 'proposed basic 0.3 1 stopping=loss' > "$TMP/one"
status --db "$db" EXPERIMENT="$TMP/one"
# share DB: of negatives among the rows that current runs predict, in per cent; rows per run
share() {
    q "$1" "SELECT CAST(round(100 * avg(w.positive = 0)) AS INTEGER) || ' ' || count(DISTINCT w.id) FROM prediction p JOIN run r
        ON r.id = p.run_id AND r.stale = 0 JOIN review w ON w.id = p.review_id WHERE w.split = 'test'"
}
rest() { digest "$1" | sed '/^all /d; /^setting /d'; }
reduce --db "$db" && train --db "$db"
all=$(share "$db") before=$(current "$db") first=$(rest "$db")
is "${all#* }" "$(q "$db" "SELECT count(*) FROM review WHERE split = 'test'")" "all test rows are predicted, ${all% *} % of them negative"
positives=$(q "$db" "SELECT count(*) FROM review WHERE split = 'test' AND positive = 1")
status --db "$db" IMBALANCE=0.12
reduce --db "$db" && train --db "$db"
few=$(share "$db")
[ "${few% *}" -ge 9 ] && [ "${few% *}" -le 14 ]
ok $? "IMBALANCE=0.12: ${few% *} % of ${few#* } test rows are negative"
is "$(q "$db" "SELECT count(DISTINCT p.review_id) FROM prediction p JOIN run r ON r.id = p.run_id AND r.stale = 0
    JOIN review w ON w.id = p.review_id WHERE w.split = 'test' AND w.positive = 1")" "$positives" "no positive is left out"
is "$(q "$db" 'SELECT count(*) FROM run WHERE stale = 1')" 4 "the runs on all rows are stale"
status --db "$db" IMBALANCE=0
reduce --db "$db"
run "$BIN/mm-train" --db "$db"
like "$OUT" "done 0," "back to 0: nothing is trained"
is "$(current "$db")" "$before" "the old runs are current again"
is "$(share "$db")" "$all" "on all rows"
is "$(rest "$db")" "$first" "and the content is as before"
status --db "$db" IMBALANCE=1.5 2> /dev/null
is $? 2 "IMBALANCE=1.5 is refused"

# ---- files of features ----
# What decides a set: columns, categories, blocks, whose tags, protocol, reduction.
sets="SELECT count(*) FROM (SELECT DISTINCT m.dense, m.sparse, m.blocks, m.tags, x.protocol,
    x.protocol = 'paper' OR m.kind = 'dlrm' AND x.stopping = 'fpr' AS single FROM experiment x JOIN model m ON m.name = x.model)"
db=$TMP/c.db
copy "$calm" "$db"
files() { find "$db.d/features" -type f | sort; }
train --db "$db"
is "$(files | wc -l)" "$(q "$db" "$sets")" "one file of features a set, protocol and reduction"
names=$(files)
sums=$(cat $names | sha256sum)
again() { # WHAT: another training seed finds the same features
    n=$((n + 1))
    q "$db" "INSERT INTO experiment (model, weighting, dropout, seed, stopping) VALUES ('proposed', 'basic', 0.3, $n, 'loss')"
    run "$BIN/mm-train" --db "$db"
    like "$OUT" "done 1," "$1: one run is trained, no other"
    is "$(files)" "$names" "$1: the same files"
    is "$(cat $names | sha256sum)" "$sums" "$1: the same bytes"
}
n=100
rm -rf "$db.d"
again "folder deleted"
for f in $names; do head -c 3000 "$f" > "$TMP/cut" && cat "$TMP/cut" > "$f"; done
again "files cut off"
for f in $names; do : > "$f"; done
again "files emptied"
for f in $names; do head -c "$(wc -c < "$f")" /dev/urandom > "$TMP/cut" && cat "$TMP/cut" > "$f"; done
again "files overwritten"
for f in $names; do printf 'mmFEAT0' | dd of="$f" conv=notrunc status=none; done
again "files of another version"
: > "$db.d/features/0123456789abcdef0123456789abcdef.feat"
again "a file that nothing reads"
finish
