#!/bin/sh
# The whole of mm-llm-summarize against tests/server.c on the loopback: 20,000 requests, 64 in
# flight, ledger, commits and summaries included, at LATENCIES="50 0" ms; beside it Python's
# openai client (bench/llm_peer.py, PEER_N=2000 requests of the same sizes) in the same run.
# PEER_PYTHON names the interpreter that has it. Needs no real data.
# SPDX-License-Identifier: MIT
: "${BIN:=$PWD/bin}" "${O:=$PWD/build}" "${PEER_PYTHON:=python3}" "${PEER_N:=2000}" "${LATENCIES:=50 0}"
TMP=$(mktemp -d) || exit 1
. tests/service.sh
export MM_MODELS="$TMP/none" LC_ALL=C.UTF-8
now() { date +%s.%N; }
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
q() { sqlite3 "$@"; }
# Sets cpu: user and system seconds of all children that were waited for, which the server is
# not while it runs. Not for $(): a subshell has no children yet.
cpu() {
    times > "$TMP/times"
    cpu=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, "[ms]"); s += t[1] * 60 + t[2] } print s }' "$TMP/times")
}
ask() { "$BIN/mm-llm-summarize" --quiet --db "$db" --backend openai --url "$URL" --model tiny --concurrency 64 "$@"; }
# ours: asks; sets n, s (seconds), c (seconds of a core), kib
ours() {
    cpu
    _r=$(requests) _c=$cpu _t=$(now)
    ask "$@" > "$TMP/log" 2>&1 || { echo "llm: the run failed"; tail -3 "$TMP/log"; exit 1; }
    s=$(calc %.3f "$(now) - $_t")
    cpu
    c=$(calc %.3f "$cpu - $_c") n=$(($(requests) - _r))
    kib=$(q "$db" 'SELECT peak_kib FROM stage_run ORDER BY id DESC LIMIT 1')
}

awk 'BEGIN {
    srand(11); n = split("soup noodles pizza biryani coffee cake burger salad curry toast", dish, " ")
    m = split("lovely great tasty fresh cold rude bland slow warm dear", word, " ")
    print "review_id,user,business,rating,text,time"
    for (i = 1; i <= 25000; i++) {
        t = "Visit " i "."
        for (k = 3 + int(rand() * 6); k > 0; k--)
            t = t " The " dish[1 + int(rand() * n)] " was " word[1 + int(rand() * m)] " and we paid " int(rand() * 900) " for it."
        printf "r%d,u%d,b%d,%d,\"%s\",%d\n", i, i, i % 900, 1 + int(rand() * 5), t, 1500000000 + i
    }
}' > "$TMP/reviews.csv"
"$BIN/mm-ingest" --quiet --db "$TMP/0.db" --images none "$TMP/reviews.csv" || exit 1

peer=""
"$PEER_PYTHON" -c 'import openai' 2> /dev/null && peer=1 ||
    echo "llm: SKIP the peer, $PEER_PYTHON has no package openai (PEER_PYTHON names another)"
for ms in $LATENCIES; do
    db=$TMP/l$ms.db
    cp "$TMP/0.db" "$db"
    serve "l$ms" --latency "$ms"
    ours --limit 20000
    rate=$(calc %.0f "$n / $s")
    ideal=""
    [ "$ms" -eq 0 ] || ideal=", $(calc %.1f "100 * $rate / (64 * 1000 / $ms)") % of $(calc %.0f "64 * 1000 / $ms")"
    echo "llm $ms ms latency, 64 in flight: $n requests in $s s, $rate a second$ideal; $(calc %.0f "100 * $c / $s") % of a core" \
        "($(calc %.0f "1e6 * $c / $n") us a request), peak $(calc %.0f "$kib / 1024") MiB"
    echo "llm $ms ms latency: $(q "$db" "SELECT count(*) FROM summary s JOIN visible v ON v.id = s.visible_id WHERE v.kind = 'user'")" \
        "summaries of users, $(q "$db" 'SELECT count(*) FROM failure') failures"
    [ -n "$peer" ] || continue
    q "$db" "SELECT bytes_in FROM llm_answer ORDER BY id LIMIT $PEER_N" > "$TMP/sizes"
    "$BIN/mm-llm-summarize" --db "$db" --show-prompt user:u1 > "$TMP/body"
    [ -s "$TMP/body" ] || "$BIN/mm-llm-summarize" --db "$db" --show-prompt user:u2 > "$TMP/body"
    p=$("$PEER_PYTHON" bench/llm_peer.py "$URL" "$TMP/body" "$TMP/sizes" 64) || exit 1
    set -- $p # requests seconds core-seconds MiB version
    echo "llm $ms ms latency, Python's openai $5: $1 requests in $2 s; $(calc %.0f "100 * $3 / $2") % of a core" \
        "($(calc %.0f "1e6 * $3 / $1") us a request), peak $4 MiB"
    theirs=$(calc %.0f "$1 / $2")
    echo "llm $ms ms latency: ours $rate/s, peer $theirs/s, ratio $(calc %.2f "$rate / $theirs")"
done

ours
echo "llm $ms ms latency, the rest (sets of businesses): $n requests in $s s"
ours
echo "llm again, $(q "$db" 'SELECT count(*) FROM summary') sets done: $n requests, $s s"
key=$(q "$db" "SELECT u.key FROM review r JOIN user u ON u.id = r.user_id WHERE r.split = 'train' LIMIT 1 OFFSET 777")
sed -i "s/^\(r[0-9]*,$key,[^\"]*\"Visit\)/\1 number/" "$TMP/reviews.csv"
"$BIN/mm-ingest" --quiet --db "$db" "$TMP/reviews.csv" || exit 1
sets=$(q "$db" "SELECT count(DISTINCT text_digest) FROM visible v WHERE n_text > 0 AND NOT EXISTS
    (SELECT 1 FROM summary s WHERE s.visible_id = v.id AND s.set_digest = v.text_digest)")
last=$(q "$db" 'SELECT max(id) FROM llm_answer')
ours
echo "llm one changed review of 25,000: $n requests for the $sets sets that hold it, $s s" \
    "($(q "$db" "SELECT sum(request LIKE '%\"texts\":%') || ' of texts, ' || sum(request LIKE '%\"answers\":%')
    FROM llm_answer WHERE id > $last") that merge parts)"
