#!/bin/sh
# AUC and FPR at TPR 0.9 on Zomato's test split, per model and recipe, over 5 split seeds and 3
# training seeds, and the difference to the free models (bench/pooled.c). SPLITS="1 2 3 4 5".
# SPDX-License-Identifier: MIT
. bench/lib.sh
csv="$MM_SHARED/data/zomato_hyderabad/Restaurant reviews.csv"
db=$TMP/q.db
# Beside the standard models: what each part brings.
more="INSERT OR IGNORE INTO model (name, kind, dense, sparse, blocks, interaction)
    SELECT name || x.value, kind, dense, sparse * (x.value <> '-without-categories'),
        CASE x.value WHEN '-with-averages' THEN 'text average image' ELSE blocks END, interaction
    FROM model, json_each('[\"-with-averages\", \"-without-categories\"]') x WHERE name = 'proposed';
    INSERT OR IGNORE INTO model (name, kind, dense, sparse, blocks, interaction)
    SELECT 'dense-alone', kind, dense, 0, '', interaction FROM model WHERE name = 'proposed';
    INSERT OR IGNORE INTO experiment (model, weighting, dropout, seed, stopping, decay)
    SELECT m.name, 'basic', 0.3, s.value, 'loss', 5 FROM model m, json_each('[1, 2, 3]') s
    WHERE m.name LIKE 'proposed-with%' OR m.name = 'dense-alone'"
for seed in ${SPLITS:-1 2 3 4 5}; do
    for pass in 1 2; do
        or_say make -s --no-print-directory -f pipeline.mk train DB="$db" INPUT="$csv" IMAGES=none SPLIT=random \
            SPLIT_SEED="$seed" SEEDS=3 BIN="$BIN/"
        [ $pass = 2 ] || sqlite3 "$db" "$more"
    done
    sqlite3 "$db" "VACUUM INTO '$TMP/split$seed.db'"
done
"$O/bench/pooled" "$TMP"/split?.db
if command -v python3 > /dev/null; then
    python3 bench/tags.py "$TMP/split1.db" "$MM_SHARED/data/zomato_hyderabad/Restaurant names and Metadata.csv"
fi
