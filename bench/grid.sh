#!/bin/sh
# The paper's whole grid: 4 models x 2 weightings x 3 dropouts x 5 seeds, trained by its rules
# on Zomato (crossfit), and what 87,013 rows at 350 epochs a run would take here. Vectors are
# the built-in ones: the time of training does not know what the numbers mean.
# SPDX-License-Identifier: MIT
. bench/lib.sh
csv="$MM_SHARED/data/zomato_hyderabad/Restaurant reviews.csv"
db=$TMP/g.db MM_MODELS=$TMP/none
export MM_MODELS
or_say make -s --no-print-directory -f pipeline.mk reduce DB="$db" INPUT="$csv" IMAGES=none EXPERIMENT=paper BIN="$BIN/"
s=$(seconds "$BIN/mm-train" --db "$db" --max-failures 100%)
sqlite3 -separator ' ' "$db" "SELECT count(*), sum(epochs), sum(seconds), (SELECT count(*) FROM review WHERE split = 'train')
    FROM run WHERE state = 'done' AND epochs > 0" | while read -r runs epochs busy rows; do
    echo "grid: $runs runs of $rows rows, $epochs epochs in $s s ($busy s of a core), comparisons included"
    echo "grid: $(calc %.2f "$busy / $epochs / $rows * 1e6") us a row and epoch;" \
        "120 runs x 350 epochs x 87,013 rows on $(nproc) cores: $(calc %.0f "$busy / $epochs / $rows * 87013 * 350 * 120 / $(nproc) / 60") minutes"
done
