#!/bin/sh
# mm-status --digest: what it covers changes it, what says nothing about content does not.
# SPDX-License-Identifier: MIT
. tests/lib.sh
toy "$TMP/d" 150
db=$TMP/a.db
"$BIN/mm-ingest" --quiet --db "$db" "$TMP/d"
stages "$db" --seeds 1 --limit 2
sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE)' > /dev/null
digest "$db" > "$TMP/want"

# changes TABLE SQL: the line of TABLE and that of all change, no other.
changes() {
    cp "$db" "$TMP/b.db"
    q "$TMP/b.db" "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; $2"
    moved=$(digest "$TMP/b.db" | diff "$TMP/want" - | sed -n 's/^> \([a-z_]*\) .*/\1/p' | tr '\n' ' ')
    is "$moved" "${1:+all $1 }" "$3"
    rm -f "$TMP"/b.db*
}
one() { changes "$1" "UPDATE $1 SET $2 WHERE rowid = (SELECT max(rowid) FROM $1 WHERE $3)" "$1: $2"; }

one review "text = text || '.'" 1
one review "line = line + 1000" 1
one review "split = 'none'" "split = 'val'"
one review "fold = fold + 1" "fold IS NOT NULL"
one image "state = 'x'" "state = 'missing'"
one image "caption = caption || '.'" "caption IS NOT NULL"
one visible "n_text = n_text + 1" 1
one visible "rating_sum = rating_sum + 1e-9" "rating_sum > 1"
one summary "text = text || '.'" 1
one price_tag "evidence = evidence || '.'" "evidence IS NOT NULL"
one category "name = name || '.'" "name IS NOT NULL"
one caption "text = text || '.'" 1
one reducer "val_loss = val_loss + 1e-9" "current = 1"
one run "threshold = threshold + 1e-9" "stale = 0 AND threshold IS NOT NULL"
changes epoch "UPDATE epoch SET val_auc = val_auc + 1e-9 WHERE epoch = 1" "epoch: val_auc = val_auc + 1e-9"
changes metric "UPDATE metric SET value = value + 1e-9 WHERE name = 'auc'" "metric: value = value + 1e-9"
for t in embedding reduced; do
    changes $t "UPDATE $t SET vec = zeroblob(length(vec)) WHERE vec = (SELECT max(vec) FROM $t)" "$t: a vector"
done
changes prediction "UPDATE prediction SET p = p / 2 WHERE (run_id, review_id) = (SELECT run_id, review_id FROM prediction LIMIT 1)" "prediction: a probability"
changes "" "UPDATE setting SET value = '9' WHERE name = 'THREADS'; UPDATE stage_run SET started = started - 9; UPDATE source SET mtime_ns = 1" "not when it was computed, nor by how many threads"
changes "" "VACUUM" "nor how rows lie in the file"
finish
