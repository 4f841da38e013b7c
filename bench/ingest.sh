#!/bin/sh
# SPDX-License-Identifier: MIT
. bench/lib.sh
small=$MM_SHARED/data/derived_google_restaurants/filter_all_t.json
for n in 11 110 1100; do
    python3 "$MM_SHARED/peers/make_big.py" "$small" "$TMP/big.json" $n > /dev/null
    mb=$(($(stat -c %s "$TMP/big.json") / 1000000))
    rm -rf "$TMP"/db*
    t=$(now)
    "$BIN/mm-ingest" --verbose --db "$TMP/db" --images none "$TMP/big.json" 2> "$TMP/log" || cat "$TMP/log"
    s=$(calc %.2f "$(now) - $t")
    visible=$(sed -n 's/.*visible sets \([0-9.]*\) s.*/\1/p' "$TMP/log")
    rows=$(sqlite3 "$TMP/db" 'SELECT sum(records) FROM source')
    kib=$(sqlite3 "$TMP/db" "SELECT peak_kib FROM stage_run ORDER BY id DESC LIMIT 1")
    echo "ingest $mb MB, $rows records: $s s ($visible s of it visible sets), $(calc %.2f "$s * 1e6 / $rows") us a record, peak $((kib / 1024)) MiB, database $(($(stat -c %s "$TMP/db") / 1000000)) MB"
    if [ $n -eq 110 ]; then
        peer=$(python3 "$MM_SHARED/peers/ingest_peer.py" "$TMP/big.json" "$TMP/peer.db")
        p=$(printf '%s' "$peer" | sed -n 's/.* \([0-9.]*\) s, .*/\1/p')
        echo "ingest $mb MB: ours $s s, peer $p s, ratio $(calc %.2f "$p / $s"), without visible sets $(calc %.2f "$p / ($s - $visible)")"
    fi
done
