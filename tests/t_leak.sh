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
db=$TMP/clean.db
"$BIN/mm-ingest" --quiet --db "$db" "$D" && stages "$db" --seeds 1
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "without a plant v_leak is empty"
[ "$(q "$db" 'SELECT count(*) FROM reading')" -gt 100 ]
ok $? "and there is something that could leak"
finish
