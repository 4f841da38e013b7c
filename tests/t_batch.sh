#!/bin/sh
# Summaries through the batches of a service: the same as one by one, at half price, whatever
# the service does with a batch and wherever the tool is killed. In tests/server.c a batch is
# validated at the first look, runs at the second, and is at its end at the third; its results
# come in reversed order.
# SPDX-License-Identifier: MIT
. tests/lib.sh
. tests/service.sh
: "${KILLS:=20}"
D=$TMP/d
toy "$D" 300
"$BIN/mm-ingest" --quiet --db "$TMP/0.db" "$D"
fresh() { rm -rf "$TMP/$1".db*; cp "$TMP/0.db" "$TMP/$1.db"; echo "$TMP/$1.db"; }
one() { db=$1; shift; "$BIN/mm-llm-summarize" --quiet --db "$db" --backend openai --url "$URL" --model tiny "$@"; }
ask() { db=$1; shift; "$BIN/mm-llm-summarize" --db "$db" --backend batch --url "$URL" --model tiny --poll 0.03 "$@"; }
what() { digest "$1" | grep -E '^(summary|price_tag|category|llm_answer) '; }
B=$TMP/batches # "batch_3 "CUSTOM_ID"", a line for each request of each batch
begin() { : > "$B"; name=$1; shift; serve "$name" "$@" --batch-log "$B"; }
made() { cut -d' ' -f1 "$B" | sort -u | wc -l | tr -d ' '; }
most() { cut -d' ' -f2 "$B" | sort | uniq -c | sort -rn | awk 'NR == 1 { print $1 }'; }
open_rows() { q "$1" "SELECT (SELECT count(*) FROM llm_batch WHERE state <> 'done') || ' ' || (SELECT count(*) FROM llm_batch_request)"; }
left() { find "$1.d" -name 'batch-*' | wc -l | tr -d ' '; }

# ---- as one by one ----
printf 'tiny\t2026-01-01\t1\t0.5\t4\n' > "$TMP/prices.tsv"
begin calm
db=$(fresh one)
one "$db" --prices "$TMP/prices.tsv" --budget 9
calm=$(what "$db")
full=$(q "$db" 'SELECT sum(usd) FROM llm_answer')
n=$(q "$db" 'SELECT count(*) FROM llm_answer')
db=$(fresh calm)
run ask "$db" --prices "$TMP/prices.tsv" --budget 9
is "$RC" 0 "a run by batches"
is "$(what "$db")" "$calm" "gives what single requests give ($n requests)"
is "$(q "$db" "SELECT max(abs(o.usd - 2 * b.usd)) < 1e-12 FROM llm_answer b, (SELECT usd, digest FROM answers.llm_answer) o
    WHERE o.digest = b.digest" -cmd "ATTACH '$TMP/one.db' AS answers")" 1 "each at half its price"
is "$(q "$db" "SELECT abs(2 * total(usd) - $full) < 1e-9 FROM v_cost")" 1 "v_cost says so"
is "$(q "$db" "SELECT abs(spent_usd - (SELECT sum(usd) FROM llm_answer)) < 1e-9 AND held_usd < 1e-9 AND lost_usd = 0 FROM budget")" 1 \
    "that was spent, nothing is held, nothing lost"
is "$(q "$db" "SELECT group_concat(DISTINCT origin) || ' ' || count(*) FROM llm_answer")" "batch $n" "answers say how they came"
is "$(made) $(most)" "1 1" "one batch, each request in it once"
is "$(open_rows "$db") $(left "$db")" "0 0 0" "no batch is open, no file is left"
is "$(echo "$OUT" | grep -cE 'batch 1: (uploaded|sent as|validating|in_progress|completed)')" 6 "each change of state is a line"
before=$(requests)
run ask "$db"
is "$RC $(requests)" "0 $before" "a second run asks nothing"

# ---- what a service does with a batch ----
# check NAME WHAT SAID: after `begin`.
check() {
    db=$(fresh "$1")
    run ask "$db"
    is "$RC" 0 "$2"
    like "$(echo "$OUT" | tr '\n' ' ')" "$3" "$2: said"
    is "$(what "$db")" "$calm" "$2: nothing is missing in the end"
    is "$(open_rows "$db") $(left "$db")" "0 0 0" "$2: nothing is left open"
}
half=$(((n + 1) / 2))
begin expire - <<'X'
path "/v1/batches" body "input_file_id" times 1 batch expire
X
check expire "a batch that expires" "batch 1: expired, $half answers to $n requests"
is "$(made) $(wc -l < "$B" | tr -d ' ')" "2 $((n + n / 2))" "only the other half is asked again"
begin cancel - <<'X'
path "/v1/batches" body "input_file_id" times 1 batch cancel
X
check cancel "a batch that is cancelled" "batch 1: cancelled, $half answers"
begin errors - <<'X'
path "/v1/batches" body "input_file_id" times 1 batch errors
X
check errors "lines without an answer" "batch 2: completed"
begin duplicate - <<'X'
path "/v1/batches" body "input_file_id" times 1 batch duplicate
X
check duplicate "a result that comes twice" "1 results were there already"
begin stranger - <<'X'
path "/v1/batches" body "input_file_id" times 1 batch stranger
X
check stranger "results nobody asked for" "1 results to requests that are not of it.*2 lines of results cannot be read"
begin truncate - <<'X'
path "/v1/batches" body "input_file_id" times 1 batch truncate
X
check truncate "a last line that is cut off" "1 lines of results cannot be read"
is "$(wc -l < "$B" | tr -d ' ')" $((n + 1)) "one request is asked again"
begin passing - <<'X'
path "/v1/batch-line" times 3 status 500 "{\"error\":{\"message\":\"oops\"}}"
path "/v1/batch-line" times 3 no-choices
X
check passing "lines that fail once" "3 requests came back without an answer: the answer has no choices.* 3 requests came back without an answer: HTTP 500: oops"
begin faults - <<'X'
path "/v1/files" times 2 status 500 "<html>oops</html>"
path "/v1/batches" body "input_file_id" times 1 reset-body
nth 5 reset
nth 7 status 429 "slow down" header "Retry-After: 0"
path "/v1/files/file-7/content" times 2 reset-body
X
check faults "faults of the small calls" "completed"
is "$(made)" 1 "a batch whose making broke off is found again, not made twice"
for seed in 1 2 3; do
    begin chaos --chaos $seed
    db=$(fresh chaos)
    run ask "$db"
    is "$RC $(what "$db") $(most)" "0 $calm 1" "chaos $seed changes nothing, and no request is in two batches"
done
begin quirk - <<'X'
path "/v1/batch-line" body "\"temperature\"" status 400 "{\"error\":{\"message\":\"Unsupported parameter: 'temperature' is not supported with this model.\",\"param\":\"temperature\"}}"
X
db=$(fresh quirk)
run ask "$db"
like "$RC $(echo "$OUT" | tr '\n' ' ')" '^0 .*no temperature' "a parameter that is not taken is left out of the next batch"
is "$(what "$db" | grep summary)" "$(echo "$calm" | grep summary)" "and the answers are used"

# ---- lines that cannot be answered ----
begin long - <<'X'
path "/v1/batch-line" body "text 12 of " status 400 "{\"error\":{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}}"
body "text 12 of " path "/v1/chat/completions" status 400 "{\"error\":{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}}"
X
db=$(fresh long1)
one "$db" > "$TMP/long.log" 2>&1
long=$(what "$db" | grep -E '^(summary|price_tag|category) ')
db=$(fresh long)
run ask "$db"
is "$(what "$db" | grep -E '^(summary|price_tag|category) ')" "$long" "sets that are too long are divided as they are one by one"
like "$(q "$db" "SELECT count(*) FROM llm_answer WHERE verdict = 'too long for the model' AND answer IS NULL AND usd = 0")" '^[1-9]' \
    "the ledger knows them"
id=$(q "$db" "SELECT lower(hex(digest)) || '-0' FROM llm_answer WHERE verdict = 'too long for the model' LIMIT 1")
is "$(grep -c "$id" "$B")" 1 "and they are not asked again"
like "$(q "$db" "SELECT max(nth) || ' ' || count(*) FROM llm_answer WHERE request LIKE '%\"answers\":%'")" '^0 [1-9]' "parts are merged"
begin bad - <<'X'
path "/v1/batch-line" body "Visit 50." status 400 "{\"error\":{\"message\":\"flagged by policy\"}}"
X
db=$(fresh bad)
run ask "$db"
like "$(q "$db" "SELECT DISTINCT permanent || ' ' || reason FROM failure")" '^1 .*HTTP 400: flagged by policy \(in 3 batches\)' \
    "a request that is refused three times fails its items"
is "$(most)" 3 "and is in no fourth batch"
is "$(q "$db" "SELECT count(*) > 0 AND count(*) = (SELECT count(*) FROM visible v WHERE n_text > 0 AND NOT EXISTS
    (SELECT 1 FROM summary s WHERE s.visible_id = v.id)) FROM failure")" 1 "all others are done"
begin useless - <<'X'
path "/v1/batch-line" status 500 "{\"error\":{\"message\":\"the engine is gone\"}}"
X
db=$(fresh useless)
run ask "$db" --prices "$TMP/prices.tsv" --budget 9
like "$RC $(echo "$OUT" | tr '\n' ' ')" '^1 .*stopped: 2 rounds of batches in a row brought no answer at all; the last one: HTTP 500: the engine is gone' \
    "a service that answers nothing is not paid for ever"
is "$(made) $(open_rows "$db") $(q "$db" 'SELECT spent_usd + held_usd + lost_usd < 1e-9 FROM budget')" "2 0 0 1" "two batches, nothing held"
begin fail - <<'X'
path "/v1/batches" body "input_file_id" times 1 batch fail
X
db=$(fresh fail)
run ask "$db" --prices "$TMP/prices.tsv" --budget 9
like "$RC $(echo "$OUT" | tr '\n' ' ')" '^1 .*stopped: the service refused batch 1 as a whole: This line is not parseable as valid JSON. \(line 1 of its file\)' \
    "a batch that is refused as a whole stops the run"
like "$(q "$db" 'SELECT state || outcome FROM llm_batch')" '^donefailed: This line' "its outcome is kept"
is "$(q "$db" 'SELECT held_usd + lost_usd < 1e-9 FROM budget')" 1 "its money is free"
ask "$db" > "$TMP/fail.log" 2>&1
is "$(what "$db")" "$calm" "and the next run does it all"
for f in '401 "bad key"|a key is needed' '404 "nope"|--url and --model' \
    '429 "{\"error\":{\"message\":\"You exceeded your current quota\",\"code\":\"insufficient_quota\"}}"|quota' \
    '400 "{\"error\":{\"message\":\"Invalid purpose\"}}"|/files: HTTP 400: Invalid purpose'; do
    begin refuse - <<X
path "/v1/files" status ${f%%|*}
X
    db=$(fresh refuse)
    run ask "$db"
    like "$RC $OUT" "stopped: .*(${f#*|})" "stops with the service's words: ${f%%|*}"
done
begin gone
kill "$SERVER_PID"
wait "$SERVER_PID" 2> /dev/null
run ask "$db" --patience 0.3
like "$RC $OUT" 'nothing for 0 s: is it running' "no service: said so"

# ---- money ----
begin money
db=$(fresh money)
run ask "$db" --prices "$TMP/prices.tsv" --budget 0.001
like "$RC $(echo "$OUT" | tr '\n' ' ')" "^1 .*stopped: the budget of \\\$0.0010 does not allow a batch of the $n requests" "a budget for nothing sends nothing"
is "$(requests)" 0 "not one request"
bound=$(echo "$OUT" | sed -n 's/.*at most \$\([0-9.]*\) at half price.*/\1/p')
run ask "$db" --prices "$TMP/prices.tsv" --budget "$(awk -v b="$bound" 'BEGIN { printf "%.4f", b * 0.6 }')"
is "$RC $(what "$db")" "0 $calm" "a budget for some of them makes batches smaller"
like "$(made)" '^[2-9]$' "$(made) of them"
is "$(q "$db" "SELECT sum(spent_usd + lost_usd + held_usd) <= (SELECT value FROM setting WHERE name = 'BUDGET') FROM budget")" 1 "the budget holds"

# ---- an end before the end ----
begin wait
db=$(fresh wait)
run ask "$db" --wait 0 --prices "$TMP/prices.tsv" --budget 9
like "$RC $(echo "$OUT" | tr '\n' ' ')" '^1 .*stopped: 1 batch is under way at the service; run again to fetch it' "--wait 0 sends and does not wait"
is "$(stat -c %a "$db.d/batch-1.jsonl")" 600 "its file is nobody else's"
held=$(q "$db" 'SELECT held_usd FROM budget')
is "$(q "$db" "SELECT held_usd > 0 AND held_usd = $held FROM llm_batch")" 1 "its money is held"
"$BIN/mm-llm-summarize" --db "$db" --wait 0 > "$TMP/wait.log" 2>&1
is "$(q "$db" "SELECT abs(held_usd - $held) < 1e-12 AND lost_usd = 0 FROM budget")" 1 "and by the next run, which does not call it lost"
run ask "$db"
is "$RC $(what "$db") $(made)" "0 $calm 1" "a later run fetches it"
is "$(q "$db" 'SELECT held_usd + lost_usd < 1e-9 FROM budget')" 1 "and its money is free"
begin int
db=$(fresh int)
ask "$db" --poll 30 > "$TMP/int.log" 2>&1 &
pid=$!
while [ ! -s "$B" ] && kill -0 $pid 2> /dev/null; do sleep 0.05; done
sleep 0.3
from=$(date +%s%N)
kill -INT "$(cat "$db.d/summarize.lock")"
wait $pid
is "$?" 130 "SIGINT while waiting: exit 130"
[ $(($(date +%s%N) - from)) -lt 2000000000 ]
ok $? "at once"
like "$(tr '\n' ' ' < "$TMP/int.log")" '1 batch is under way at the service; run again to fetch it' "saying what is under way"
cp "$db" "$TMP/twin.db"
run one "$TMP/twin.db"
like "$RC $(echo $OUT)" '^1 .*under way in batches.*LLM=batch first' "what a batch was asked is not asked again one by one"
run ask "$db"
is "$RC $(what "$db") $(made)" "0 $calm 1" "and the next run fetches it"
key=sk-test-27182818284
printf '%s\n' "$key" > "$TMP/key" && chmod 600 "$TMP/key"
begin key
db=$(fresh keyed)
run ask "$db" --wait 0 --key-file "$TMP/key"
like "$RC $OUT" 'under way' "a run with a key"
is "$(grep -rlF "$key" "$db"* | tr '\n' ' ')" "" "which is in no file and no database"
begin limit
db=$(fresh limit)
run ask "$db" --limit 7
is "$RC $(q "$db" 'SELECT count(*) FROM summary')" "0 7" "--limit counts items once"

# ---- SIGKILL ----
k=0 within=0 again=0 twice=0 odd=0 rounds=0
while [ $k -lt "$KILLS" ]; do
    begin kill --latency 8
    db=$(fresh kill)
    rounds=$((rounds + 1))
    : > "$TMP/committed"
    while [ $k -lt "$KILLS" ] && [ "$(q "$db" 'SELECT count(*) FROM llm_answer')" -lt "$n" ]; do
        k=$((k + 1))
        logged=$(wc -l < "$B" | tr -d ' ')
        setsid "$BIN/mm-llm-summarize" --quiet --db "$db" --backend batch --url "$URL" --model tiny --poll 0.03 \
            --prices "$TMP/prices.tsv" --budget 9 > "$TMP/kill.log" 2>&1 &
        pid=$!
        r=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
        sleep "$(awk -v r="$r" 'BEGIN { printf "%.3f", 0.01 + 0.3 * r / 65536 }')"
        kill -KILL $pid 2> /dev/null && within=$((within + 1))
        wait $pid 2> /dev/null
        sleep 0.03
        sed "1,${logged}d" "$B" | cut -d'"' -f2 | sort > "$TMP/sent"
        again=$((again + $(comm -12 "$TMP/committed" "$TMP/sent" | wc -l)))
        q "$db" "SELECT lower(hex(digest)) || '-' || nth FROM llm_answer" | sort > "$TMP/committed"
        held=$(q "$db" "SELECT total(held_usd) || ' ' || count(*) FROM llm_batch WHERE state <> 'done'")
        case $held in
        "0.0 0" | [0-9]*[1-9]*" "[1-9]*) ;;
        *) odd=$((odd + 1)); echo "# held and open: $held" ;;
        esac
    done
    "$BIN/mm-llm-summarize" --quiet --db "$db" --backend batch --url "$URL" --model tiny --poll 0.03 --prices "$TMP/prices.tsv" --budget 9
    end="$(open_rows "$db") $(left "$db") $(q "$db" 'SELECT abs(spent_usd - (SELECT sum(usd) FROM llm_answer)) < 1e-9 AND held_usd < 1e-9 AND lost_usd < 1e-9 FROM budget')"
    if [ "$(what "$db")" != "$calm" ] || [ "$end" != "0 0 0 1" ]; then
        odd=$((odd + 1))
        echo "# open, rows, files, money: $end"
    fi
    [ "$(most)" = 1 ] || twice=$((twice + 1))
done
echo "# $within of $k kills hit a running tool, in $rounds databases"
is "$odd" 0 "after $k kills the end is as the calm one, money included"
is "$again" 0 "no committed answer was asked for again"
is "$twice" 0 "and no request was in two batches"
finish
