#!/bin/sh
# pipeline.mk: what runs, what does not, settings, stamps, parallel stages.
# SPDX-License-Identifier: MIT
. tests/lib.sh
D=$TMP/d
toy "$D" 240
db=$TMP/a.db
mk() { make --no-print-directory -f pipeline.mk "$@" DB="$db" BIN="$BIN/" 2>&1; }
ran() { printf '%s\n' "$1" | sed -n 's/^\(mm-[a-z-]*\): done: .*/\1/p' | tr '\n' ' '; }
ALL="mm-ingest mm-llm-summarize mm-caption mm-embed mm-reduce mm-train mm-report "

out=$(mk plan INPUT="$D")
like "$out" "^pending 7$" "plan before anything: seven stages"
[ ! -e "$db" ]
ok $? "and it makes no database"
out=$(mk all -j2 INPUT="$D" SEEDS=1)
is "$(ran "$out" | xargs -n1 | sort | xargs)" "$(echo "$ALL" | xargs -n1 | sort | xargs)" "all -j2 runs every stage once"
like "$out" "report: .*report.html" "and says where the report is"
like "$(cat "$db.d/report.md")" "What was found" "report.md is there"
like "$(cat "$db.d/table2.csv")" "^protocol,setting,model" "table2.csv is there"
is "$(grep -cE '(src|href)="?(http|//)' "$db.d/report.html")" 0 "report.html needs no network"

out=$(mk all)
is "$(ran "$out")" "" "again: no stage runs"
touch "$D/reviews.csv" "$D/images.tsv" "$db"
is "$(ran "$(mk all)")" "" "after touch of the input and the database: none"
"$BIN/mm-ingest" --quiet --db "$db" "$D"
is "$(ran "$(mk all)")" "" "after a re-ingest of the same files: none"
q "$db" 'SELECT count(*) FROM review' > /dev/null
is "$(ran "$(mk all)")" "" "after a look with the sqlite3 shell: none"
like "$(mk plan)" "^pending 0$" "plan says so too"

q "$db" "INSERT INTO experiment (model, weighting, dropout, seed) VALUES ('proposed', 'sqrt', 0.1, 1)"
like "$(mk plan)" "train	runs	1	" "an inserted experiment is one pending run"
out=$(mk all)
like "$out" "mm-train: done: done 1," "and the next all trains just that"
q "$db" "DELETE FROM caption WHERE id = (SELECT min(id) FROM caption)"
out=$(mk all)
like "$out" "mm-caption: done: done 1," "a deleted caption is made again"
like "$out" "mm-embed: done: done 0," "its vector is still there"
like "$out" "mm-train: done: done 0," "and no run is repeated"
runs=$(q "$db" "SELECT group_concat(identity) FROM (SELECT hex(identity) AS identity FROM run WHERE stale = 0 ORDER BY 1)")

out=$(mk plan SPLIT_SEED=2)
like "$out" "SPLIT_SEED is now 2" "plan names the changed setting as the reason"
out=$(mk all)
like "$out" "mm-train: done: done [1-9]" "a new split trains again"
[ "$(q "$db" 'SELECT count(*) FROM run WHERE stale = 1')" -gt 0 ]
ok $? "old runs stay, marked stale"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "nothing leaks after the change"
out=$(mk all SPLIT_SEED=1)
like "$out" "mm-train: done: done 0," "back again: nothing has to be trained"
is "$(q "$db" "SELECT group_concat(identity) FROM (SELECT hex(identity) AS identity FROM run WHERE stale = 0 ORDER BY 1)")" "$runs" "the old runs are current again"

# A file of experiments: an edit wakes the stage, and trains what it adds.
echo "proposed-text none 0.2 5" > "$TMP/rows"
out=$(mk all EXPERIMENT="$TMP/rows")
like "$out" "mm-train: done: done 1," "a file of experiments trains its row"
is "$(ran "$(mk all)")" "" "again: nothing"
echo "baseline none 0.2 5" >> "$TMP/rows"
like "$(mk plan)" "train.*experiment file changed" "an edited file is a reason"
like "$(mk all)" "mm-train: done: done 1," "and trains the row it adds"
mk all EXPERIMENT=quick > /dev/null

# One review changes: counts of what is recomputed.
i=$(q "$db" "SELECT substr(key, 2) FROM review WHERE split = 'train' ORDER BY id LIMIT 1")
sed "s/Visit $i\\./Visit again./" "$D/reviews.csv" > "$D/x" && mv "$D/x" "$D/reviews.csv"
out=$(mk all)
n=$(printf '%s\n' "$out" | sed -n 's/^mm-llm-summarize: done: done \([0-9]*\),.*/\1/p')
[ "$n" -ge 2 ] && [ "$n" -le 14 ]
ok $? "one changed review: $n summaries of $(q "$db" 'SELECT count(*) FROM summary')"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "and nothing leaks"

# Everything cheap goes, and comes back the same.
mk clean-cheap > "$TMP/out"
is "$(q "$db" 'SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM reducer) + (SELECT count(*) FROM reliability) +
    (SELECT count(*) FROM comparison) + (SELECT count(*) FROM probe)')" 0 "clean-cheap leaves no reducer, run or comparison"
out=$(mk all)
like "$out" "report: " "and all makes them again"
is "$(q "$db" "SELECT count(*) FROM experiment x WHERE NOT EXISTS (SELECT 1 FROM run r WHERE r.experiment_id = x.id AND r.state = 'done')
    OR NOT EXISTS (SELECT 1 FROM comparison)")" 0 "every experiment that is still asked for, and the comparisons"

mk all SPLITS=user > "$TMP/out"
like "$(cat "$TMP/out")" "did you mean SPLIT" "a misspelt variable is refused"
like "$(mk all SPLIT=sideways)" "not one of" "a bad value is refused"
like "$(mk all INPUT=tests)" "name another database" "another INPUT is refused"
out=$(mk all PROTOCOL=paper)
like "$out" "mm-reduce: done: done [1-9]" "the paper's protocol has reducers of its own"
like "$out" "mm-train: done: done [1-9]" "and runs"
like "$(cat "$db.d/report.md")" "Protocol of the settings: paper" "and the report has both"
out=$(mk all PROTOCOL=crossfit)
like "$out" "mm-train: done: done 0," "back to crossfit: nothing has to be trained"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "and nothing leaks"
out=$(mk recommend)
like "$out" "not part of this version" "recommend says that it is not there yet"
like "$(mk help)" "SPLIT_SEED +1 " "help prints the variables with their values"
cp "$db" "$TMP/backup.db"
mk all SEEDS=2 > /dev/null
mv "$TMP/backup.db" "$db"
rm -f "$db-wal" "$db-shm"
like "$(mk plan)" "^pending 0$" "a restored backup is seen as what it is"
rm -rf "$db.d"
is "$(ran "$(mk all)")" "" "lost stamps cost nothing: the database knows"
q "$db" "UPDATE review SET rating = 1, positive = 0 WHERE key = 'r9'"
like "$(mk plan)" "ingest.*table review changed" "a row changed by hand is seen"
# The same review for several businesses lies on both sides of a random split: said aloud.
awk 'BEGIN { print "user,business,rating,text"; for (u = 0; u < 40; u++) for (b = 0; b < 5; b++) print "u" u ",b" b "," 1 + (u * 7) % 5 ",the same words of user " u }' > "$TMP/copies.csv"
"$BIN/mm-ingest" --quiet --db "$TMP/copies.db" "$TMP/copies.csv" && "$BIN/mm-report" --quiet --db "$TMP/copies.db"
like "$(cat "$TMP/copies.db.d/report.md")" "[1-9][0-9]* test reviews have the very text" "copies across the split are said aloud"
"$BIN/mm-report" --quiet --db "$db" --out "$TMP/rep"
is "$(grep -c 'very text' "$TMP/rep/report.md")" 0 "and nothing is said where there are none"
finish
