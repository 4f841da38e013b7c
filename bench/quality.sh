#!/bin/sh
# AUC and FPR at TPR 0.9 on Zomato's test split, per model, over 5 split seeds.
# SPDX-License-Identifier: MIT
. bench/lib.sh
csv="$MM_SHARED/data/zomato_hyderabad/Restaurant reviews.csv"
for seed in 1 2 3 4 5; do
    db=$TMP/q.db
    make -s --no-print-directory -f pipeline.mk train DB="$db" INPUT="$csv" IMAGES=none SPLIT=random SPLIT_SEED=$seed BIN="$BIN/" 2> /dev/null
    sqlite3 -separator ' ' "$db" 'SELECT model, auc, fpr_at_tpr90 FROM v_table2' >> "$TMP/all"
done
awk '{ n[$1]++; a[$1] += $2; aa[$1] += $2 * $2; f[$1] += $3 }
    END { for (m in n) printf "%s: AUC %.4f +- %.4f, FPR at TPR 0.9 %.3f, over %d split seeds\n", m, a[m] / n[m],
        sqrt((aa[m] - a[m] * a[m] / n[m]) / (n[m] > 1 ? n[m] - 1 : 1)), f[m] / n[m], n[m] }' "$TMP/all" | sort
