#!/bin/sh
# SPDX-License-Identifier: MIT
# ROUNDS=3: runs of ours and the peer, in turns; medians are printed. COPIES: sizes to do.
. bench/lib.sh
small=$MM_SHARED/data/derived_google_restaurants/filter_all_t.json
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# ours N: one run; adds its seconds, and those of it for visible sets, to $TMP/{s,v}.N
ours() {
    rm -rf "$TMP"/db*
    t=$(now)
    "$BIN/mm-ingest" --verbose --db "$TMP/db" --images none "$TMP/big.json" 2> "$TMP/log" || cat "$TMP/log"
    calc "%.2f\\n" "$(now) - $t" >> "$TMP/s.$1"
    sed -n 's/.*visible sets \([0-9.]*\) s.*/\1/p' "$TMP/log" >> "$TMP/v.$1"
}
first=""
for n in ${COPIES:-11 110 1100}; do
    python3 "$MM_SHARED/peers/make_big.py" "$small" "$TMP/big.json" "$n" > /dev/null
    mb=$(($(stat -c %s "$TMP/big.json") / 1000000))
    rounds=${ROUNDS:-3}
    [ "$n" -le 110 ] || rounds=1
    for i in $(seq "$rounds"); do
        ours "$n"
        [ "$n" -ne 110 ] || python3 "$MM_SHARED/peers/ingest_peer.py" "$TMP/big.json" "$TMP/peer.db" |
            sed -n 's/.* \([0-9.]*\) s, .*/\1/p' >> "$TMP/peer"
    done
    s=$(median "$TMP/s.$n") v=$(median "$TMP/v.$n")
    rows=$(sqlite3 "$TMP/db" 'SELECT sum(records) FROM source')
    kib=$(sqlite3 "$TMP/db" "SELECT peak_kib FROM stage_run ORDER BY id DESC LIMIT 1")
    us=$(calc %.2f "$s * 1e6 / $rows")
    first=${first:-$us}
    echo "ingest $mb MB, $rows records: $s s ($v s of it visible sets), $us us a record ($(calc %.2f "$us / $first") of the smallest), peak $((kib / 1024)) MiB, database $(($(stat -c %s "$TMP/db") / 1000000)) MB"
    if [ "$n" -eq 110 ]; then
        p=$(median "$TMP/peer")
        echo "ingest $mb MB: ours $s s, peer $p s, ratio $(calc %.2f "$p / $s"), without visible sets $(calc %.2f "$p / ($s - $v)")"
    fi
done
