#!/bin/sh
# SPDX-License-Identifier: MIT
. bench/lib.sh
mk() { make --no-print-directory -f pipeline.mk "$@" BIN="$BIN/"; }
db=$TMP/z.db
csv="$MM_SHARED/data/zomato_hyderabad/Restaurant reviews.csv"
echo "all on Zomato, built-in backends: $(seconds mk all DB="$db" INPUT="$csv" IMAGES=none) s"
echo "again, nothing changed: $(seconds mk all DB="$db") s"
python3 "$MM_SHARED/peers/make_big.py" "$MM_SHARED/data/derived_google_restaurants/filter_all_t.json" "$TMP/big.json" 700 > /dev/null
db=$TMP/m.db
echo "ingest of 1M reviews: $(seconds mk ingest DB="$db" INPUT="$TMP/big.json" IMAGES=none) s, $(sqlite3 "$db" 'SELECT count(*) FROM review') rows"
echo "ingest again, nothing changed: $(seconds mk ingest DB="$db") s"
touch "$TMP/big.json"
echo "after touch of the $(($(stat -c %s "$TMP/big.json") / 1000000)) MB input: $(seconds mk ingest DB="$db") s"
echo "and once more: $(seconds mk ingest DB="$db") s"
