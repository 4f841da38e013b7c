#!/bin/sh
# Planted leaks: builds whose workers read their own fold must be caught by v_leak.
# SPDX-License-Identifier: MIT
. tests/lib.sh
D=$TMP/d
toy "$D" 240
plant() { # NAME FLAG PATTERN
    make -s -j2 O="$TMP/$1" BIN="$TMP/$1/bin" CFLAGS="-O1 $2" "$TMP/$1/bin/mm-ingest" "$TMP/$1/bin/mm-llm-summarize" \
        "$TMP/$1/bin/mm-embed" "$TMP/$1/bin/mm-reduce" > "$TMP/make.log" 2>&1 || { ok 1 "$1 builds"; tail -5 "$TMP/make.log"; return; }
    P=$TMP/$1/bin db=$TMP/$1.db
    "$P/mm-ingest" --quiet --db "$db" "$D" && "$P/mm-llm-summarize" --quiet --db "$db" &&
        "$BIN/mm-caption" --quiet --db "$db" && "$P/mm-embed" --quiet --db "$db" && "$P/mm-reduce" --quiet --db "$db"
    got=$(q "$db" "SELECT what, count(*) FROM v_leak GROUP BY 1" | tr '\n' ' ')
    like "$got" "$3" "$1 is caught: $got"
}
plant own-fold-texts -DMM_PLANT_LEAK "summary.*text-mean"
plant own-fold-ratings -DMM_PLANT_LEAK_VISIBLE "rating-mean"

# Ratings permuted among the train rows, everything fitted anew, a fold that training leaves
# out scored with the features it would have: what lifts its AUC is leakage.
P=$TMP/own-fold-ratings/bin M=$TMP/more
toy "$M" 2400
make -s -j2 O="$TMP/own-fold-ratings" BIN="$P" CFLAGS="-O1 -DMM_PLANT_LEAK_VISIBLE" "$TMP/own-fold-ratings/bench/permute" > "$TMP/make.log" 2>&1
make -s -j2 O="$O" BIN="$BIN" "$O/bench/permute" > "$TMP/make.log" 2>&1
for w in "clean $BIN $O" "leak $P $TMP/own-fold-ratings"; do
    # shellcheck disable=SC2086
    set -- $w
    "$2/mm-ingest" --quiet --db "$TMP/$1-p.db" "$M" && "$BIN/mm-llm-summarize" --quiet --db "$TMP/$1-p.db" &&
        "$BIN/mm-caption" --quiet --db "$TMP/$1-p.db" && "$BIN/mm-embed" --quiet --db "$TMP/$1-p.db" &&
        "$BIN/mm-reduce" --quiet --db "$TMP/$1-p.db"
    "$3/bench/permute" "$TMP/$1-p.db" 20 > "$TMP/$1.auc"
    sed "s/^/# $1: /" "$TMP/$1.auc"
done
# near FILE D MODELS: how many of them have an AUC within D of 0.5, of how many
near() {
    awk -v d="$2" -v of="$3" '$0 ~ "^permuted, (" of "):" { n++; sub(/.*AUC /, ""); near += $0 + 0 > 0.5 - d && $0 + 0 < 0.5 + d }
        END { print near + 0 " of " n + 0 }' "$1"
}
is "$(near "$TMP/clean.auc" 0.03 'means|logistic|baseline|proposed|proposed-text|proposed-image')" "6 of 6" \
    "permuted ratings cannot be found in a held-out fold"
is "$(near "$TMP/leak.auc" 0.05 'means|baseline')" "0 of 2" "unless a worker reads its own fold: then they can"
db=$TMP/clean.db
"$BIN/mm-ingest" --quiet --db "$db" "$D" && stages "$db" --seeds 1
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "without a plant v_leak is empty"
[ "$(q "$db" 'SELECT count(*) FROM reading')" -gt 100 ]
ok $? "and there is something that could leak"
finish
