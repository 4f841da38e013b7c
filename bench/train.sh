#!/bin/sh
# Epochs of the grid's DLRM (87,013 training and 10,876 validation rows, batch 2,048) against
# PyTorch eager, in turns: ours a run a core, the peer one run on all cores, training alone.
# Then the time of an epoch with ten times the rows, as time of a core: it knows less of what
# else the machine does. ROUNDS=5.
# SPDX-License-Identifier: MIT
. bench/lib.sh
rounds=${ROUNDS:-5} cores=$(nproc)
command -v python3 > /dev/null || { echo "train: SKIP, no python3 for the peer"; exit 0; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
# field N FILE: the median of a column
field() { awk -v n="$1" '{ print $n }' "$2" | median; }

for i in $(seq "$rounds"); do
    python3 "$MM_SHARED/peers/dlrm_peer.py" 2048 3 2> "$TMP/peer.log" |
        sed -n 's/.*: \([0-9.]*\) s\/epoch.*/\1/p' >> "$TMP/peer"
    for v in dot cat; do
        "$O/bench/epoch" $v 87013 10 "$cores" >> "$TMP/$v" 2> /dev/null
    done
    "$O/bench/epoch" rate 0.3 >> "$TMP/rate"
done
for v in dot cat; do
    s=$(field 5 "$TMP/$v") all=$(field 2 "$TMP/$v") flops=$(field 3 "$TMP/$v") work=$(field 4 "$TMP/$v")
    rate=$(field 1 "$TMP/rate")
    echo "train $v, $cores runs side by side: $all epochs a second ($s s of a core each), $work GFLOP an epoch:" \
        "$flops GFLOP/s a core of the $rate that tile_product reaches"
done
if [ -s "$TMP/peer" ]; then
    p=$(field 1 "$TMP/peer")
    echo "train dot against one torch run on $cores cores: $p s an epoch, ratio" \
        "$(calc %.1f "$(field 2 "$TMP/dot") * $p"); cat (the peer is dot) $(calc %.1f "$(field 2 "$TMP/cat") * $p")"
else
    echo "train: SKIP torch: $(tail -1 "$TMP/peer.log")"
fi

for i in $(seq "$rounds"); do
    for v in dot cat; do
        "$O/bench/epoch" $v 87013 20 1 >> "$TMP/one-$v" 2> /dev/null
        "$O/bench/epoch" $v 870130 3 1 >> "$TMP/ten-$v" 2> /dev/null
    done
done
for v in dot cat; do
    one=$(field 5 "$TMP/one-$v") ten=$(field 5 "$TMP/ten-$v")
    echo "train $v: $one s of a core an epoch, $ten s with ten times the rows: $(calc %.2f "$ten / $one") times"
done
